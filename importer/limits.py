"""When a run is to stop: durations and times of day as people write them, and the moment they come to."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Final

from importer.posts import Deadline


def parse_duration(text: str) -> float:
    """Seconds, from ``2h``, ``90m``, ``45s``, ``1h30m`` or plain seconds.

    Raises:
        ValueError: it is none of these, with the words for it.
    """
    tidy = text.strip().lower()
    match = _DURATION.fullmatch(tidy)
    if match is None or not tidy:
        raise ValueError(f"found {text!r}, expected a duration such as 2h, 90m, 45s, 1h30m, or seconds")
    return sum(float(match[name] or 0) * seconds for name, seconds in _SECONDS.items())


_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_DURATION: Final = re.compile(rf"(?:(?P<h>{_NUMBER})h\s*)?(?:(?P<m>{_NUMBER})m\s*)?(?:(?P<s>{_NUMBER})s?)?")
_SECONDS: Final = {"h": 3600, "m": 60, "s": 1}


def parse_time(text: str) -> time:
    """A time of day, from ``06:00`` or ``06:00:30``.

    Raises:
        ValueError: it is neither, with the words for it.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"found {text!r}, expected a time of day from 00:00 to 23:59, such as 06:00")
    hour, minute, second = (int(part or 0) for part in match.groups())
    return time(hour, minute, second)


_TIME: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?", re.ASCII)


def in_words(seconds: float) -> str:
    """A duration as it may be written: ``1h30m``."""
    parts = []
    for name, size in _SECONDS.items():
        count, seconds = (seconds, 0) if name == "s" else divmod(seconds, size)
        if count:
            parts.append(f"{count:g}{name}")
    return "".join(parts) or "0s"


def seconds_until(at: time, now: datetime) -> float:
    """How long it is until the clock next shows ``at``; at that very moment, a day.

    ``now`` is local: with its zone, or without one in the system's own. Where the clock is put back and shows
    ``at`` twice, both count; where it is put forward over ``at``, it counts as far into the new time as it
    would have been into the old.
    """
    moments = (
        datetime.combine(now.date() + timedelta(days=day), at, tzinfo=now.tzinfo).replace(fold=fold)
        for day in (0, 1, 2)
        for fold in (0, 1)
    )
    waits = (_seconds_between(now, moment) for moment in moments if moment.fold == 0 or _is_shown(moment))
    return min(wait for wait in waits if wait > 0)


def _is_shown(moment: datetime) -> bool:
    shown = datetime.fromtimestamp(moment.timestamp(), moment.tzinfo)
    return shown.replace(fold=0) == moment.replace(fold=0)


def _seconds_between(earlier: datetime, later: datetime) -> float:
    # two dates of one zone would be subtracted as if it never changed its clock
    return later.timestamp() - earlier.timestamp()


def deadline(stop_at: time | None, max_time: float | None, begun: float, now: datetime) -> Deadline | None:
    """The earlier of the two, if any, as a reading of the clock that showed ``begun`` seconds at ``now``.

    ``max_time`` is in seconds, ``stop_at`` in the system's own time zone.
    """
    deadlines = []
    if max_time is not None:
        words = f"as asked, --max-time {in_words(max_time)} is over"
        deadlines.append(Deadline(begun + max_time, words))
    if stop_at is not None:
        local = datetime.fromtimestamp(now.timestamp())  # noqa: DTZ006 - astimezone() fixes the offset, which changes on some nights
        words = f"as asked, it is {_shown(stop_at)} (--stop-at)"
        deadlines.append(Deadline(begun + seconds_until(stop_at, local), words))
    return min(deadlines, key=lambda each: each.at, default=None)


def _shown(at: time) -> str:
    return at.isoformat("seconds" if at.second else "minutes")

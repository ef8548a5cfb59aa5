"""When a run's rows were done: how many at a time, where it had to try again, and where it stood still."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import Struct

from importer.model import STATUSES, Status

if TYPE_CHECKING:
    from importer.report.account import Account

_SENT: Final = np.isin(
    STATUSES,
    [Status.CREATED, Status.UPDATED, Status.REJECTED, Status.FAILED, Status.IN_DOUBT],
)
_GOOD: Final = np.isin(STATUSES, [Status.CREATED, Status.UPDATED])
_STEPS: Final = 60
_SHORTEST_PAUSE: Final = 5.0
"""Seconds without an outcome that are worth showing, if they are a twentieth of the whole, too."""
_MOST_PAUSES: Final = 20
_MICROSECOND: Final = timedelta(microseconds=1)


class Step(Struct, frozen=True):
    """A part of the time: the rows that were done in it, well or otherwise, and attempts beyond a first."""

    good: int
    other: int
    retries: int


class Pause(Struct, frozen=True):
    """A time without an outcome; ``start`` is seconds since the first one."""

    start: float
    seconds: float


class Timeline(Struct, frozen=True):
    """The time from the first outcome to the last, in equal steps, and the longest pauses, in order."""

    begin: datetime
    seconds: float
    steps: tuple[Step, ...]
    pauses: tuple[Pause, ...]

    @property
    def end(self) -> datetime:
        """When the last outcome was."""
        return self.begin + timedelta(seconds=self.seconds)

    @property
    def busiest(self) -> int:
        """The most rows of a step."""
        return max(step.good + step.other for step in self.steps)

    @property
    def retries(self) -> int:
        """All attempts beyond a first."""
        return sum(step.retries for step in self.steps)


def timeline(account: Account, started_at: datetime) -> Timeline | None:
    """When the rows of the run that began then were done; None where nothing was sent, or all at once."""
    outcomes = account.outcomes
    first = round(started_at.timestamp() * 1_000_000)
    tried = np.flatnonzero(outcomes.attempts > 0)
    sent = tried[_SENT[outcomes.status[tried]] & (outcomes.at[tried] >= first)]
    at = outcomes.at[sent]
    if not len(at) or at.min() == at.max():
        return None
    since = (at - at.min()) / 1_000_000
    seconds = float(since.max())
    place = np.minimum((since / seconds * _STEPS).astype(np.int64), _STEPS - 1)
    rows = np.bincount(account.of_row[~account.bad], minlength=len(outcomes.status))[sent]
    good = _GOOD[outcomes.status[sent]]
    counts = (
        np.bincount(place, weights=weights, minlength=_STEPS).astype(np.int64).tolist()
        for weights in (rows * good, rows * ~good, outcomes.attempts[sent] - 1)
    )
    return Timeline(
        begin=datetime.fromtimestamp(0, UTC) + int(at.min()) * _MICROSECOND,
        seconds=seconds,
        steps=tuple(Step(*step) for step in zip(*counts, strict=True)),
        pauses=_pauses(np.sort(since), seconds),
    )


def _pauses(since: np.ndarray[tuple[int], np.dtype[np.float64]], seconds: float) -> tuple[Pause, ...]:
    gaps = np.diff(since)
    long = np.flatnonzero(gaps >= max(_SHORTEST_PAUSE, seconds / 20))
    longest = np.sort(long[np.argsort(-gaps[long], kind="stable")][:_MOST_PAUSES])
    return tuple(Pause(float(since[at]), float(gaps[at])) for at in longest.tolist())

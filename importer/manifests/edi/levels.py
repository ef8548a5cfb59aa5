"""What the levels of a transaction say of a line, by place: the line itself, its packages, the header."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from importer.manifests.edi.values import ValuePlace, looks_like_tracking

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Level: TypeAlias = dict[str, list[str]]
    """What one level says: values by place, as ``MAN*CP``."""
    Wanted: TypeAlias = dict[str, list[tuple[str, ValuePlace]]]
    """The places that are kept, as text and parsed, by the tag of the segment that they are in."""


@lru_cache(maxsize=256)  # those of a partner are the same for each transaction
def wanted(places: tuple[str, ...]) -> Wanted:
    """Sort places by the segments that they are in.

    Raises:
        ValueError: one of them is no place; the message says what was expected.
    """
    by_tag: Wanted = {}
    for text in dict.fromkeys(places):
        place = ValuePlace.parse(text)
        by_tag.setdefault(place.tag, []).append((text, place))
    return by_tag


def keep(level: Level, text: str, place: ValuePlace, values: Iterable[str]) -> None:
    """Write down what a level says at a place; at a doubtful one only what looks like a tracking number."""
    found = [value for value in values if value and (not place.is_doubtful or looks_like_tracking(value))]
    if found:
        level.setdefault(text, []).extend(found)


def preferred(places: Sequence[str], levels: Sequence[Level]) -> tuple[str, ...]:
    """Give the values of the first place that any level has, each once; levels stand nearest first."""
    for place in places:
        for level in levels:
            if place in level:
                return tuple(dict.fromkeys(level[place]))
    return ()


def nearest(places: Sequence[str], levels: Sequence[Level]) -> tuple[str, ...]:
    """Give the values of the first level that has any of the places, there of the first, each once.

    ``NONE``, which partners write for nobody, is none.
    """
    for level in filter(None, levels):
        for place in places:
            found = tuple(value for value in dict.fromkeys(level.get(place, ())) if value.upper() != "NONE")
            if found:
                return found
    return ()


def split(where: str, orders: Sequence[str], tracking: Sequence[str]) -> str:
    """Give the verdict on a line that several orders or tracking numbers apply to alike; "" if none does."""
    for what, found in (("tracking", tracking), ("order", orders)):
        if len(found) > 1:
            return (
                f"split unknown: {where} has {len(found)} {what} numbers, and nothing says how many pieces "
                "belong to which"
            )
    return ""

r"""The shapes of tracking numbers, matched on columns of characters.

A pattern is a regular expression of a few parts only, so that one character of many numbers can be compared
at once: letters and digits, ``\d``, ``[A-Z0-9]``, each with ``{n}`` after it or not, and ``(GB|US)`` for one
of several pairs. It has one length.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import numpy as np
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Flags: TypeAlias = NDArray[np.bool_]
    Columns: TypeAlias = NDArray[np.uint8]  # ASCII; a row for each place, a column for each number


class _Part(Protocol):
    """What stands at a place of a pattern; ``share`` is how much of what could stand there fits."""

    @property
    def share(self) -> float: ...

    def fits(self, columns: Columns) -> Flags: ...


class _One(Struct, frozen=True):
    """A character between any of the bounds (bytes, both included)."""

    place: int
    bounds: tuple[tuple[int, int], ...]

    @property
    def share(self) -> float:
        return sum(last - first + 1 for first, last in self.bounds) / 36

    def fits(self, columns: Columns) -> Flags:
        column = columns[self.place]
        (first, last), *more = self.bounds
        found = _between(column, first, last)
        for first, last in more:
            found |= _between(column, first, last)
        return found


class _Pair(Struct, frozen=True, eq=False):
    """One of several pairs of characters, the first at ``place``."""

    place: int
    pairs: frozenset[str]
    table: Flags

    @property
    def share(self) -> float:
        return len(self.pairs) / 36**2

    def fits(self, columns: Columns) -> Flags:
        first, second = columns[self.place], columns[self.place + 1]
        found: Flags = self.table[first.astype(np.uint16) * 256 + second]
        return found


class Pattern(Struct, frozen=True, eq=False):
    """A shape of ``length`` characters; ``parts`` stand with the most telling first."""

    text: str
    length: int
    parts: tuple[_Part, ...]

    @classmethod
    def of(cls, text: str) -> Pattern:
        """Read a pattern.

        Raises:
            ValueError: it has more than the few parts that a pattern may have.
        """
        if _PART.sub("", text):
            raise ValueError(f"{text}: not a pattern; a part of it is {_PART.sub('', text)!r}")
        place = 0
        parts: list[_Part] = []
        for found in _PART.finditer(text):
            for _ in range(int(found["times"] or 1)):
                part, width = _part(found["part"], place)
                parts.append(part)
                place += width
        return cls(text, place, tuple(sorted(parts, key=lambda part: part.share)))

    def fits(self, columns: Columns) -> Flags:
        """Tell which numbers, all of this length, have the shape."""
        found = np.ones(columns.shape[1], np.bool_)
        for part in self.parts:
            found &= part.fits(columns)
            if not found.any():
                break
        return found


_PART: Final = re.compile(r"(?P<part>\\d|\[[A-Z0-9-]+\]|\([A-Z0-9|]+\)|[A-Z0-9])(?:\{(?P<times>\d+)\})?")
_DIGITS: Final = ((ord("0"), ord("9")),)


def _part(text: str, place: int) -> tuple[_Part, int]:
    """Give one part of a pattern, and how many characters it is of."""
    if text.startswith("("):
        pairs = frozenset(text.strip("()").split("|"))
        table = np.zeros(256**2, np.bool_)
        for pair in pairs:
            table[ord(pair[0]) * 256 + ord(pair[1])] = True
        return _Pair(place, pairs, table), 2
    return _One(place, _DIGITS if text == r"\d" else tuple(_bounds(text.strip("[]")))), 1


def _bounds(inside: str) -> Iterator[tuple[int, int]]:
    """Give the ranges of what stands between brackets."""
    for found in re.finditer(r"(.)-(.)|(.)", inside):
        first, last = (found[1], found[2]) if found[1] else (found[3], found[3])
        yield ord(first), ord(last)


def _between(column: NDArray[np.uint8], first: int, last: int) -> Flags:
    if first == last:
        same: Flags = column == first
        return same
    between: Flags = column - np.uint8(first) <= last - first  # bytes below wrap round to large ones
    return between

"""The rows that a page holds, as JSON, up to so many bytes: each text stands there once in its column."""

from __future__ import annotations

import json
from itertools import repeat
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from importer.report.sinks import Mark

    Text: TypeAlias = pa.Array[Any]
    Places: TypeAlias = npt.NDArray[np.int64]

ROOM_FOR_A_ROW: Final = 20_000
"""With less than these bytes left, no more rows are looked at: a million may follow."""
_BYTES_OF_A_MARK: Final = 24
_AT_ONCE: Final = 10_000
_POWERS_OF_TEN: Final = 10 ** np.arange(1, 19)


class Rows(Struct, frozen=True):
    """Rows side by side: string ``columns``, which of them are ``torn``, and what is said of their cells.

    ``marked`` has for each of ``marks`` its row, counted from 0; they are sorted by it.
    """

    columns: Sequence[Text]
    torn: npt.NDArray[np.bool_]
    marks: Sequence[Mark]
    marked: Places

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.torn)

    def within(self, start: int, stop: int) -> Rows:
        """The rows from ``start`` to before ``stop``."""
        low, high = np.searchsorted(self.marked, (start, stop)).tolist()
        columns = [column.slice(start, stop - start) for column in self.columns]
        return Rows(columns, self.torn[start:stop], self.marks[low:high], self.marked[low:high] - start)


class Kept:
    """The rows that the page has."""

    def __init__(self, width: int, most_bytes: int) -> None:
        self._columns = [_Texts() for _ in range(width)]
        self._said = _Texts()
        self._marks: list[list[int]] = []
        self._torn: list[int] = []
        self._commas: list[list[int]] = []
        self._left = most_bytes
        self._count = 0

    def __len__(self) -> int:
        """How many they are."""
        return self._count

    @property
    def is_full(self) -> bool:
        """Whether no more rows are looked at."""
        return self._left < ROOM_FOR_A_ROW

    def add(self, rows: Rows) -> None:
        """Keep the rows, but for those that are too long for what is left."""
        start = 0
        while start < len(rows) and not self.is_full:
            start += self._add(rows.within(start, start + _AT_ONCE))

    def have_commas(self, since: int) -> None:
        """The rows from ``since`` on are of a manifest in which a quantity of 2,0 is two."""
        if self._commas and self._commas[-1][1] == since:
            self._commas[-1][1] = len(self)
        else:
            self._commas.append([since, len(self)])

    def members(self) -> Iterator[tuple[str, str]]:
        """What the page's JSON has of them, by name; the last column are the carriers."""
        *columns, carriers = self._columns
        yield "columns", f"[{','.join(column.as_json() for column in columns)}]"
        yield "carriers", carriers.as_json()
        yield "said", f"[{','.join(self._said.encoded)}]"
        yield "marks", as_json(self._marks)
        yield "torn", as_json(self._torn)
        yield "commas", as_json(self._commas)

    def _add(self, rows: Rows) -> int:
        """Keep these rows up to the first that does not fit; how many need no other look, with that one."""
        seen = [column.look_at(texts) for column, texts in zip(self._columns, rows.columns, strict=True)]
        said = self._said.look_at(pa.array([mark.words for mark in rows.marks], pa.string()))
        cost = np.sum([one.cost for one in seen], axis=0) + _BYTES_OF_A_MARK * rows.torn
        np.add.at(cost, rows.marked, said.cost + _BYTES_OF_A_MARK)
        left = self._left - (np.cumsum(cost) - cost)
        fits = (left >= ROOM_FOR_A_ROW) & (cost <= left)
        count = len(fits) if fits.all() else int(fits.argmin())
        marks = int(np.searchsorted(rows.marked, count))
        told = zip((rows.marked + len(self)).tolist(), rows.marks[:marks], said.places.tolist(), strict=False)
        self._marks += [[row, mark.column, place, int(mark.faulty)] for row, mark, place in told]
        self._said.take(said, marks)
        for column, one in zip(self._columns, seen, strict=True):
            column.take(one, count)
        self._torn += (np.flatnonzero(rows.torn[:count]) + len(self)).tolist()
        self._left -= int(cost[:count].sum())
        self._count += count
        return min(count + 1, len(rows))


class _Seen(Struct, frozen=True):
    """Texts of a column: where each would stand, and the bytes that it takes there.

    ``new`` are those that are not in the column yet, ``encoded`` the same in JSON, and ``first`` where each
    comes first.
    """

    places: Places
    cost: Places
    new: Sequence[str]
    encoded: Sequence[str]
    first: Places


class _Texts(Struct):
    """A column: each text once, encoded, and for each row which it has."""

    encoded: list[str] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)
    _rows: list[int] = field(default_factory=list)

    def look_at(self, texts: Text) -> _Seen:
        """Say what the texts would cost; nothing is kept yet."""
        distinct = texts.dictionary_encode()
        known = distinct.dictionary.to_pylist()
        which = distinct.indices.to_numpy()
        places = np.fromiter(map(self._places.get, known, repeat(-1)), np.int64, len(known))
        is_new = places < 0
        new = [text for text, one in zip(known, is_new.tolist(), strict=True) if one]
        places[is_new] = len(self.encoded) + np.arange(len(new))
        encoded = _encoded(new)
        first = np.flatnonzero(np.diff(np.maximum.accumulate(which), prepend=-1))[is_new]
        cost = (_digits(places) + 1)[which]
        cost[first] += _sizes(encoded) + 1
        return _Seen(places[which], cost, new, encoded, first)

    def take(self, seen: _Seen, count: int) -> None:
        """Keep the first ``count`` of the texts that were just looked at."""
        new = int(np.searchsorted(seen.first, count))
        self._places.update(
            zip(seen.new[:new], range(len(self.encoded), len(self.encoded) + new), strict=True)
        )
        self.encoded += seen.encoded[:new]
        self._rows += seen.places[:count].tolist()

    def as_json(self) -> str:
        return f'{{"texts":[{",".join(self.encoded)}],"rows":{as_json(self._rows)}}}'


def _digits(numbers: Places) -> Places:
    """How many digits each number has."""
    return np.searchsorted(_POWERS_OF_TEN, numbers, side="right") + 1


def _encoded(texts: Sequence[str]) -> list[str]:
    """Each text as JSON that can stand in a script element."""
    encoded = [*map(encode_basestring, texts)]
    if _is_safe("".join(encoded)):
        return encoded
    return [text.translate(_ESCAPED) for text in encoded]


def _sizes(texts: Sequence[str]) -> Places:
    """How many bytes each text takes."""
    as_bytes = texts if "".join(texts).isascii() else map(str.encode, texts)
    return np.fromiter(map(len, as_bytes), np.int64, len(texts))


def as_json(value: object) -> str:
    """JSON that can stand in a script element, and in which line ends are what they were."""
    text = _ENCODER.encode(value)
    return text if _is_safe(text) else text.translate(_ESCAPED)


def _is_safe(text: str) -> bool:
    return not any(character in text for character in _UNSAFE)  # to look for one in all takes next to no time


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_UNSAFE: Final = frozenset("<>&\u2028\u2029")
_ESCAPED: Final = {ord(character): f"\\u{ord(character):04x}" for character in _UNSAFE}

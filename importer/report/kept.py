"""The rows that a page holds, as JSON, up to so many bytes: each text stands there once in its column."""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct
from msgspec.structs import replace

from importer.cells import having, offsets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from importer.report.sinks import Mark

    Text: TypeAlias = pa.Array[Any]
    Mask: TypeAlias = npt.NDArray[np.bool_]
    Places: TypeAlias = npt.NDArray[np.int64]

ROOM_FOR_A_ROW: Final = 20_000
"""With less than these bytes left, no more rows are looked at: a million may follow."""
_BYTES_OF_A_MARK: Final = 24
_AT_ONCE: Final = 10_000
_BYTES_AT_ONCE: Final = 16 * 1024 * 1024
_POWERS_OF_TEN: Final = 10 ** np.arange(1, 19)


class Rows(Struct, frozen=True):
    """Rows side by side: string ``columns``, which of them are ``torn``, and what is said of their cells.

    With ``commas`` a quantity of 2,0 is two in the row. ``marked`` has for each of ``marks`` its row, counted
    from 0; they are sorted by it.
    """

    columns: Sequence[Text]
    torn: Mask
    commas: Mask
    marks: Sequence[Mark]
    marked: Places

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.torn)

    @property
    def nbytes(self) -> int:
        """How many bytes their cells take."""
        return sum(column.nbytes for column in self.columns)

    def within(self, start: int, stop: int) -> Rows:
        """The rows from ``start`` to before ``stop``."""
        low, high = np.searchsorted(self.marked, (start, stop)).tolist()
        return Rows(
            [column.slice(start, stop - start) for column in self.columns],
            self.torn[start:stop],
            self.commas[start:stop],
            self.marks[low:high],
            self.marked[low:high] - start,
        )

    @staticmethod
    def join(several: Sequence[Rows]) -> Rows:
        """The rows of all, one after the other."""
        above = np.cumsum([0, *map(len, several)]).tolist()
        return Rows(
            [pa.concat_arrays(column) for column in zip(*(rows.columns for rows in several), strict=True)],
            np.concatenate([rows.torn for rows in several]),
            np.concatenate([rows.commas for rows in several]),
            [mark for rows in several for mark in rows.marks],
            np.concatenate([rows.marked + before for rows, before in zip(several, above, strict=False)]),
        )


class Kept:
    """The rows that the page has.

    They are looked at many at a time, since a block may have a few of them only, in as many columns. Beside
    ``width`` columns they have their ``carriers``, which are told from these.
    """

    def __init__(self, width: int, most_bytes: int, carriers: Callable[[Sequence[Text]], Text]) -> None:
        self._columns = [_Texts() for _ in range(width + 1)]
        self._carriers = carriers
        self._said = _Texts()
        self._marks: list[list[int]] = []
        self._torn: list[int] = []
        self._commas: list[Mask] = []
        self._left = most_bytes
        self._count = 0
        self._waiting: list[Rows] = []
        self._room = _BYTES_AT_ONCE

    def __len__(self) -> int:
        """How many they are, of those that were looked at."""
        return self._count

    @property
    def is_full(self) -> bool:
        """Whether no more rows are looked at."""
        return self._left < ROOM_FOR_A_ROW

    def add(self, rows: Rows) -> None:
        """Keep the rows, but for those that are too long for what is left."""
        self._waiting.append(rows)
        self._room -= rows.nbytes
        if self._room < 0 or sum(map(len, self._waiting)) >= _AT_ONCE:
            self.look()

    def look(self) -> None:
        """Look at the rows that wait for it."""
        if not self._waiting:
            return
        rows = Rows.join(self._waiting)
        self._waiting.clear()
        self._room = _BYTES_AT_ONCE
        rows = replace(rows, columns=[*rows.columns, self._carriers(rows.columns)])
        start = 0
        while start < len(rows) and not self.is_full:
            start += self._add(rows.within(start, start + _AT_ONCE))

    def members(self) -> Iterator[tuple[str, str]]:
        """What the page's JSON has of them, by name."""
        *columns, carriers = self._columns
        yield "columns", f"[{','.join(column.as_json() for column in columns)}]"
        yield "carriers", carriers.as_json()
        yield "said", self._said.texts_as_json()
        yield "marks", as_json(self._marks)
        yield "torn", as_json(self._torn)
        changes = np.flatnonzero(np.diff(np.concatenate([*self._commas, [False]]), prepend=False))
        yield "commas", as_json(changes.reshape(-1, 2).tolist())

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
        self._commas.append(rows.commas[:count])
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
    new: Text
    encoded: Text
    first: Places


class _Texts:
    """A column: each text once, and encoded, and for each row which it has."""

    def __init__(self) -> None:
        self._known: Text = pa.array([], pa.string())
        self._encoded: list[Text] = []
        self._rows: list[Places] = []

    def look_at(self, texts: Text) -> _Seen:
        """Say what the texts would cost; nothing is kept yet."""
        distinct = texts.dictionary_encode()
        which = distinct.indices.to_numpy()
        known = pc.index_in(distinct.dictionary, self._known)
        places = known.fill_null(-1).to_numpy().astype(np.int64)
        is_new = places < 0
        places[is_new] = len(self._known) + np.arange(is_new.sum())
        new = distinct.dictionary.filter(known.is_null())
        encoded = _encoded(new)
        first = np.flatnonzero(np.diff(np.maximum.accumulate(which), prepend=-1))[is_new]
        cost = (_digits(places) + 1)[which]
        cost[first] += np.diff(offsets(encoded)) + 1
        return _Seen(places[which], cost, new, encoded, first)

    def take(self, seen: _Seen, count: int) -> None:
        """Keep the first ``count`` of the texts that were just looked at."""
        new = int(np.searchsorted(seen.first, count))
        self._known = pa.concat_arrays([self._known, seen.new[:new]])
        self._encoded.append(seen.encoded[:new])
        self._rows.append(seen.places[:count])

    def texts_as_json(self) -> str:
        return f"[{_joined(self._encoded)}]"

    def as_json(self) -> str:
        rows = [pa.array(places).cast(pa.string()) for places in self._rows]
        return f'{{"texts":{self.texts_as_json()},"rows":[{_joined(rows)}]}}'


def _joined(texts: Sequence[Text]) -> str:
    """All texts, with commas between them."""
    every = pa.concat_arrays([pa.array([], pa.string()), *texts])
    together: str = pc.binary_join(pa.ListArray.from_arrays([0, len(every)], every), ",")[0].as_py()
    return together


def _digits(numbers: Places) -> Places:
    """How many digits each number has."""
    return np.searchsorted(_POWERS_OF_TEN, numbers, side="right") + 1


def _encoded(texts: Text) -> Text:
    """Each text as JSON that can stand in a script element."""
    quoted = pc.binary_join_element_wise('"', texts, '"', "")
    special = having(texts, _TO_ENCODE)
    if not special.any():
        return quoted
    mask = pa.array(special)
    encoded = [encode_basestring(text).translate(_ESCAPED) for text in texts.filter(mask).to_pylist()]
    return pc.replace_with_mask(quoted, mask, pa.array(encoded, pa.string()))


def as_json(value: object) -> str:
    """JSON that can stand in a script element, and in which line ends are what they were."""
    return _ENCODER.encode(value).translate(_ESCAPED)


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_UNSAFE: Final = "<>&\u2028\u2029"
_ESCAPED: Final = {ord(character): f"\\u{ord(character):04x}" for character in _UNSAFE}
_TO_ENCODE: Final = np.zeros(256, dtype=bool)
"""The bytes that a text may have that JSON has otherwise, and those that such characters begin with."""
_TO_ENCODE[[*range(32), *b'"\\', *(character.encode()[0] for character in _UNSAFE)]] = True

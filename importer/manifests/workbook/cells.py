"""Cells of a sheet → text, as in a CSV of the sheet, but nothing that has lost digits looks whole."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from schemas.formulas import MARKS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    Text: TypeAlias = pa.Array[Any]
    Mask: TypeAlias = npt.NDArray[np.bool_]

EXACT_BELOW: Final = 1e15
"""A spreadsheet program keeps 15 digits; of a larger number the digits can't be trusted."""
FIRST_DATE: Final = 61
"""1 March 1900, the first day of which spreadsheet programs have one opinion."""
LAST_DATE: Final = 2_958_466
"""The day after 31 December 9999."""
_EPOCH, _DAY = 25_569, 86_400_000  # 1 January 1970 in days, and a day in milliseconds, the least that counts
_BEYOND = "#NUM!"
_DIGITS = 15
_STORED_BELOW = 1e17  # of a larger number not all digits are in the file, so that none are made up
_DATE, _TIME, _NUMBER, _FORMAT = MARKS


class Kind(IntEnum):
    """What a cell was, where that matters for what names something."""

    OTHER = 0
    NUMBER = 1
    LARGE = 2
    """A number of more digits than a spreadsheet program keeps."""
    DATE = 3
    TIME = 4


class Cells(Struct, frozen=True):
    """Cells of a column: their text as in a CSV of the sheet, and what they were (int8, see ``Kind``)."""

    text: Text
    kinds: npt.NDArray[np.int8]

    def as_names(self) -> Text:
        """The text with a mark (see schemas.formulas) before dates, times and numbers of more than 15 digits.

        None of them is a name, and what looked like one has been changed by the spreadsheet program.
        """
        text = self.text
        for kind, mark in _MARK_OF.items():
            places = self.kinds == kind
            if places.any():
                mask = pa.array(places)
                marked = pc.binary_join_element_wise(mark, text.filter(mask), " ")
                text = pc.replace_with_mask(text, mask, marked)
        return text

    @property
    def numbers(self) -> Mask:
        """Which cells are numbers."""
        return np.isin(self.kinds, (Kind.NUMBER, Kind.LARGE))


def read(column: Sequence[object]) -> Cells:
    """A column's values: 12.0 is ``12``, a date is as in ISO 8601, true is ``TRUE``."""
    kinds = set(map(type, column))
    if kinds <= {str}:
        return Cells(pa.array(column, pa.string()), np.zeros(len(column), dtype=np.int8))
    if kinds <= {float, int}:
        return of_numbers(np.array(column, dtype=np.float64))
    types = np.array([_KIND_OF[type(cell)] for cell in column], dtype=np.int8)
    written = np.empty(len(column), dtype=object)
    written[:] = column
    numeric = types == Kind.NUMBER
    if numeric.any():
        numbers = of_numbers(written[numeric].astype(np.float64))
        written[numeric], types[numeric] = numbers.text.to_pylist(), numbers.kinds
    for at in np.flatnonzero(~numeric).tolist() if kinds - {str, float, int} else ():
        value = column[at]
        if not isinstance(value, str):
            written[at] = _WRITTEN[type(value)](value)
    return Cells(pa.array(written, pa.string()), types)


def of_numbers(values: npt.NDArray[np.float64]) -> Cells:
    """Numbers as a sheet holds them: 12.0 is ``12``, and none has more digits than are known."""
    kinds = np.full(len(values), Kind.NUMBER, dtype=np.int8)
    plain = (np.abs(values) < EXACT_BELOW) & (np.trunc(values) == values)
    written = pa.array(np.where(plain, values, 0).astype(np.int64)).cast(pa.string())
    if plain.all():
        return Cells(written, kinds)
    kinds[np.abs(values) >= EXACT_BELOW] = Kind.LARGE
    kinds[~np.isfinite(values)] = Kind.OTHER
    distinct, which = np.unique(values[~plain], return_inverse=True)
    others = pa.array(list(map(_number, distinct.tolist())), pa.string()).take(pa.array(which))
    return Cells(pc.replace_with_mask(written, pa.array(~plain), others), kinds)


def of_dates(days: npt.NDArray[np.float64]) -> Cells:
    """Dates, with times where there are some, as a sheet holds them: FIRST_DATE to before LAST_DATE."""
    milliseconds = np.round(days * _DAY).astype(np.int64)
    seconds = milliseconds // 1000 - _EPOCH * (_DAY // 1000)
    text = pa.array(seconds).cast(pa.timestamp("s")).cast(pa.string())
    is_whole = np.trunc(days) == days
    text = pc.if_else(pa.array(is_whole), pc.utf8_slice_codeunits(text, 0, len("2026-01-01")), text)
    return Cells(text, np.full(len(days), Kind.DATE, dtype=np.int8))


def hidden(number: str, code: str) -> str:
    """A number that the sheet shows by a format of that ``code``, which makes something else of it."""
    return f"{_FORMAT} {number} as {code}"


def scientific(number: float) -> str:
    """The number as ``1.2345678E+7``, with all digits that are known."""
    mantissa, exponent = f"{number:.{_DIGITS - 1}E}".split("E")
    return f"{mantissa.rstrip('0').rstrip('.')}E{exponent}"


def _number(value: float) -> str:
    if not np.isfinite(value):
        return _BEYOND
    if abs(value) >= _STORED_BELOW:
        return scientific(value)
    if abs(value) >= EXACT_BELOW:
        return f"{value:.0f}"
    return np.format_float_positional(float(f"{value:.{_DIGITS}g}"), trim="-")


def _lasting(value: timedelta) -> str:
    """As ``45:30:00``: a sheet shows hours beyond a day."""
    seconds = round(value.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


_WRITTEN: Final[Mapping[type, Callable[[Any], str]]] = {
    bool: lambda value: "TRUE" if value else "FALSE",
    datetime: lambda value: value.isoformat(sep=" ", timespec="seconds"),
    date: date.isoformat,
    time: lambda value: value.isoformat(timespec="seconds"),
    timedelta: _lasting,
}
_KIND_OF: Final = {
    str: Kind.OTHER,
    bool: Kind.OTHER,
    float: Kind.NUMBER,
    int: Kind.NUMBER,
    datetime: Kind.DATE,
    date: Kind.DATE,
    time: Kind.TIME,
    timedelta: Kind.TIME,
}
_MARK_OF: Final = {Kind.LARGE: _NUMBER, Kind.DATE: _DATE, Kind.TIME: _TIME}

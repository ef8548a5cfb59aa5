"""Cells of a sheet → text, as in a CSV of the sheet, but nothing that has lost digits looks whole."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.formulas import MARKS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    Text: TypeAlias = pa.Array[Any]
    Mask: TypeAlias = npt.NDArray[np.bool_]

EXACT_BELOW: Final = 1e15
"""A spreadsheet program keeps 15 digits; of a larger number the digits can't be trusted."""
_BEYOND = "#NUM!"
_DIGITS = 15
_STORED_BELOW = 1e17  # of a larger number not all digits are in the file, so that none are made up
_DATE, _TIME, _NUMBER, _FORMAT = MARKS


def texts(column: Sequence[object], *, is_name: bool) -> Text:
    """A column's values as text: 12.0 is ``12``, a date is as in ISO 8601, true is ``TRUE``.

    Where the column ``is_name`` of something, there is a mark (see schemas.formulas) before dates, times and
    numbers of more than 15 digits: none of them is a name, and what looked like one has been changed by the
    spreadsheet program.
    """
    kinds = set(map(type, column))
    if kinds <= {str}:
        return pa.array(column, pa.string())
    if kinds <= {float, int}:
        return _numbers(np.array(column, dtype=np.float64), is_name=is_name)
    written = np.empty(len(column), dtype=object)
    written[:] = column
    numeric = numbers_among(column)
    if numeric.any():
        written[numeric] = _numbers(written[numeric].astype(np.float64), is_name=is_name).to_pylist()
    for at in np.flatnonzero(~numeric).tolist() if kinds - {str, float, int} else ():
        value = column[at]
        if not isinstance(value, str):
            mark, write = _WRITTEN[type(value)]
            written[at] = f"{mark} {write(value)}" if mark and is_name else write(value)
    return pa.array(written, pa.string())


def numbers_among(column: Sequence[object]) -> Mask:
    """Which cells are numbers."""
    return np.fromiter((type(cell) in {float, int} for cell in column), dtype=bool, count=len(column))


def hidden(number: float, code: str) -> str:
    """A number that the sheet shows by a format of that ``code``, which makes something else of it."""
    return f"{_FORMAT} {_number(number)} as {code}"


def scientific(number: float) -> str:
    """The number as ``1.2345678E+7``, with all digits that are known."""
    mantissa, exponent = f"{number:.{_DIGITS - 1}E}".split("E")
    return f"{mantissa.rstrip('0').rstrip('.')}E{exponent}"


def _numbers(values: npt.NDArray[np.float64], *, is_name: bool) -> Text:
    plain = (np.abs(values) < EXACT_BELOW) & (np.trunc(values) == values)
    written = pa.array(np.where(plain, values, 0).astype(np.int64)).cast(pa.string())
    if plain.all():
        return written
    distinct, which = np.unique(values[~plain], return_inverse=True)
    marks = [f"{_NUMBER} " if is_name and EXACT_BELOW <= abs(value) < np.inf else "" for value in distinct]
    texts = [mark + _number(value) for mark, value in zip(marks, distinct.tolist(), strict=True)]
    others = pa.array(texts, pa.string()).take(pa.array(which))
    return pc.replace_with_mask(written, pa.array(~plain), others)


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


_WRITTEN: Mapping[type, tuple[str, Callable[[Any], str]]] = {
    bool: ("", lambda value: "TRUE" if value else "FALSE"),
    datetime: (_DATE, lambda value: value.isoformat(sep=" ", timespec="seconds")),
    date: (_DATE, date.isoformat),
    time: (_TIME, lambda value: value.isoformat(timespec="seconds")),
    timedelta: (_TIME, _lasting),
}

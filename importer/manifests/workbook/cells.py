"""Cells of a sheet → text, as in a CSV of the sheet, but nothing that has lost digits looks whole."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    Text: TypeAlias = pa.Array[Any]
    Mask: TypeAlias = npt.NDArray[np.bool_]

EXACT_BELOW: Final = 1e15
"""A spreadsheet program keeps 15 digits; of a larger number the digits can't be trusted."""
_BEYOND = "#NUM!"
_DIGITS = 15
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def texts(column: Sequence[object], *, is_name: bool) -> Text:
    """A column's values as text: 12.0 is ``12``, a date is as in ISO 8601, true is ``TRUE``.

    A number of more than 15 digits is written as ``9.4001102008812E+21``, as the sheet shows it. Where the
    column ``is_name`` of something, a date is written as ``3-Apr-2024``: no name is a date, and what looked
    like one has been changed by the spreadsheet program (both are spreadsheet damage to schemas.manifest).
    """
    kinds = set(map(type, column))
    if kinds <= {str}:
        return pa.array(column, pa.string())
    if kinds <= {float, int}:
        return _numbers(np.array(column, dtype=np.float64))
    written = np.empty(len(column), dtype=object)
    written[:] = column
    numeric = numbers_among(column)
    if numeric.any():
        written[numeric] = _numbers(written[numeric].astype(np.float64)).to_pylist()
    for at in np.flatnonzero(~numeric).tolist() if kinds - {str, float, int} else ():
        value = column[at]
        if isinstance(value, date) and is_name:
            written[at] = f"{value.day}-{_MONTHS[value.month - 1]}-{value.year}"
        elif not isinstance(value, str):
            written[at] = _WRITTEN[type(value)](value)
    return pa.array(written, pa.string())


def numbers_among(column: Sequence[object]) -> Mask:
    """Which cells are numbers."""
    return np.fromiter((type(cell) in {float, int} for cell in column), dtype=bool, count=len(column))


def scientific(number: float) -> str:
    """The number as ``1.2345678E+7``, with all digits that are known."""
    mantissa, exponent = f"{number:.{_DIGITS - 1}E}".split("E")
    return f"{mantissa.rstrip('0').rstrip('.')}E{exponent}"


def _numbers(values: npt.NDArray[np.float64]) -> Text:
    plain = (np.abs(values) < EXACT_BELOW) & (np.trunc(values) == values)
    written = pa.array(np.where(plain, values, 0).astype(np.int64)).cast(pa.string())
    if plain.all():
        return written
    distinct, which = np.unique(values[~plain], return_inverse=True)
    others = pa.array([_number(value) for value in distinct.tolist()], pa.string()).take(pa.array(which))
    return pc.replace_with_mask(written, pa.array(~plain), others)


def _number(value: float) -> str:
    if not np.isfinite(value):
        return _BEYOND
    if abs(value) >= EXACT_BELOW:
        return scientific(value)
    return np.format_float_positional(float(f"{value:.{_DIGITS}g}"), trim="-")


def _lasting(value: timedelta) -> str:
    """As ``45:30:00``: a sheet shows hours beyond a day."""
    seconds = round(value.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


_WRITTEN: Mapping[type, Callable[[Any], str]] = {
    bool: lambda value: "TRUE" if value else "FALSE",
    datetime: lambda value: value.isoformat(sep=" ", timespec="seconds"),
    date: date.isoformat,
    time: lambda value: value.isoformat(timespec="seconds"),
    timedelta: _lasting,
}

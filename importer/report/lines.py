"""Rows of text columns → lines of CSV that a spreadsheet program does not take for formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.cells import first_bytes, lacks, text_of
from schemas.formulas import FORMULA, PLAIN_NUMBER

if TYPE_CHECKING:
    from collections.abc import Sequence

    Text: TypeAlias = pa.Array[Any]

_QUOTED_SIGNS = b'",\n\r'
_RISKY = np.zeros(256, dtype=bool)
_RISKY[[*b"'=+-@\t\r"]] = True  # how what FORMULA matches begins


def lines(columns: Sequence[Text]) -> Text:
    """Each row as a line of CSV, with its line end."""
    *cells, last = map(_cells, columns)
    last = pc.binary_join_element_wise(last, "\n", "")
    return pc.binary_join_element_wise(*cells, last, ",") if cells else last


def as_bytes(lines: Text) -> memoryview:
    """The lines one after the other: their own buffer is the file's text."""
    return text_of(lines)


def _cells(column: Text) -> Text:
    """The cells as CSV, with those neutralised that a spreadsheet would run as a formula."""
    if lacks(column, _QUOTED_SIGNS):
        return _guarded(column)
    distinct = column.dictionary_encode()
    if len(distinct.dictionary) * 2 < len(column):
        return _quoted(_guarded(distinct.dictionary)).take(distinct.indices)
    return _quoted(_guarded(column))


def _guarded(column: Text) -> Text:
    if not _RISKY[first_bytes(column)].any():
        return column
    risky = pc.match_substring_regex(column, FORMULA)
    if not pc.any(risky).as_py():
        return column
    risky = pc.and_not(risky, pc.match_substring_regex(column, PLAIN_NUMBER))
    return pc.if_else(risky, pc.binary_join_element_wise("'", column, ""), column)


def _quoted(column: Text) -> Text:
    special = pc.match_substring_regex(column, '[",\n\r]')
    if not lacks(column, b'"'):
        column = pc.replace_substring(column, '"', '""')
    quotes = pa.array(["", '"']).take(special.cast(pa.int8()))
    return pc.binary_join_element_wise(quotes, column, quotes, "")

"""Rows of text columns → lines of CSV that a spreadsheet program does not take for formulas."""

from __future__ import annotations

from itertools import groupby
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
_RISKY_SIGNS = b"'=+-@\t\r"  # how what FORMULA matches begins
_RISKY = np.zeros(256, dtype=bool)
_RISKY[[*_RISKY_SIGNS]] = True


def lines(columns: Sequence[Text]) -> Text:
    """Each row as a line of CSV, with its line end."""
    cells: list[Text | pa.StringScalar] = []
    for blank, found in groupby(columns, _is_blank):
        several = [*found]
        cells += [pa.scalar("," * (len(several) - 1))] if blank else map(_cells, several)
    cells[-1] = pc.binary_join_element_wise(cells[-1], "\n", "")
    joined = pc.binary_join_element_wise(*cells, ",") if len(cells) > 1 else cells[0]
    return joined if isinstance(joined, pa.Array) else pa.repeat(joined, len(columns[0]))


def as_bytes(lines: Text) -> memoryview:
    """The lines one after the other: their own buffer is the file's text."""
    return text_of(lines)


def _is_blank(column: Text) -> bool:
    """Whether there is nothing in any cell."""
    return not len(text_of(column))


def _cells(column: Text) -> Text:
    """The cells as CSV, with those neutralised that a spreadsheet would run as a formula."""
    if lacks(column, _QUOTED_SIGNS):
        return _guarded(column)
    distinct = column.dictionary_encode()
    if len(distinct.dictionary) * 2 < len(column):
        return _quoted(_guarded(distinct.dictionary)).take(distinct.indices)
    return _quoted(_guarded(column))


def _guarded(column: Text) -> Text:
    if lacks(column, _RISKY_SIGNS):
        return column
    mask = _RISKY[first_bytes(column)]
    if not mask.any():
        return column
    risky = pa.array(mask)
    cells = column.filter(risky)
    formula = pc.match_substring_regex(cells, FORMULA)
    formula = pc.and_not(formula, pc.match_substring_regex(cells, PLAIN_NUMBER))
    cells = pc.if_else(formula, pc.binary_join_element_wise("'", cells, ""), cells)
    return pc.replace_with_mask(column, risky, cells)


def _quoted(column: Text) -> Text:
    special = pc.match_substring_regex(column, '[",\n\r]')
    if not lacks(column, b'"'):
        column = pc.replace_substring(column, '"', '""')
    quotes = pa.array(["", '"']).take(special.cast(pa.int8()))
    return pc.binary_join_element_wise(quotes, column, quotes, "")

"""Rows of text columns → lines of CSV that a spreadsheet program does not take for formulas."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.cells import first_bytes, having, lacks, text_of, texts_at
from schemas.formulas import FORMULA, PLAIN_NUMBER

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Text: TypeAlias = pa.Array[Any]
    Texts: TypeAlias = pa.DictionaryArray[Any, Any]

_QUOTED_SIGNS = b'",\n\r'
_RISKY_SIGNS = b"'=+-@\t\r"  # how what FORMULA matches begins
_QUOTED = np.zeros(256, dtype=bool)
_QUOTED[[*_QUOTED_SIGNS]] = True
_RISKY = np.zeros(256, dtype=bool)
_RISKY[[*_RISKY_SIGNS]] = True
_TEXT, _BLANK, _DICTIONARY = range(3)
_LOOKED_AT = 200
_SELDOM = 3


def lines(columns: Sequence[Text]) -> Text:
    """Each row as a line of CSV, with its line end; columns may be dictionaries."""
    cells: list[Text] = []
    for kind, found in groupby(columns, _kind):
        several = [*found]
        if kind is _BLANK:
            cells.append(_repeated("," * (len(several) - 1), len(columns[0])))
        elif kind is _DICTIONARY:
            cells += _combined(several)
        else:
            cells += map(_cells, several)
    cells[-1] = _ended(cells[-1])
    joined = _together([*map(_spread, cells)])
    return joined if isinstance(joined, pa.Array) else pa.repeat(joined, len(columns[0]))


def as_bytes(lines: Text) -> memoryview:
    """The lines one after the other: their own buffer is the file's text."""
    return text_of(lines)


def _kind(column: Text) -> int:
    if isinstance(column, pa.DictionaryArray):
        return _DICTIONARY
    return _TEXT if len(text_of(column)) else _BLANK


def _combined(columns: Sequence[Texts]) -> Sequence[Text | Texts]:
    """The columns as one, in which the cells of most rows are joined once, if most have the same."""
    usual = np.logical_and.reduce([*map(_has_the_usual, columns)])
    others, rows = np.flatnonzero(~usual), len(usual)
    if len(others) * _SELDOM > rows:
        return [_cells(column.dictionary_decode()) for column in columns]
    some = pa.array(np.append(others, usual.argmax()))
    which = np.full(rows, len(others), dtype=np.int32)
    which[others] = np.arange(len(others))
    texts = _together([_cells(texts_at(column, some)) for column in columns])
    return [pa.DictionaryArray.from_arrays(pa.array(which), texts)]


def _has_the_usual(column: Texts) -> npt.NDArray[np.bool_]:
    """Which rows have the text that is the most common, as far as some of them tell."""
    which = column.indices.to_numpy()
    if len(column.dictionary) == 1:
        return np.ones(len(which), dtype=bool)
    usual: npt.NDArray[np.bool_] = which == np.bincount(which[:: len(which) // _LOOKED_AT + 1]).argmax()
    return usual


def _repeated(text: str, rows: int) -> Texts:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, dtype=np.int32)), pa.array([text]))


def _together(cells: Sequence[Text | pa.StringScalar]) -> Text | pa.StringScalar:
    return pc.binary_join_element_wise(*cells, ",") if len(cells) > 1 else cells[0]


def _ended(cells: Text | Texts) -> Text | Texts:
    """The cells, each with a line end after it."""
    if isinstance(cells, pa.DictionaryArray):
        return pa.DictionaryArray.from_arrays(cells.indices, _ended(cells.dictionary))
    return pc.binary_join_element_wise(cells, "\n", "")


def _spread(cells: Text | Texts) -> Text | pa.StringScalar:
    """The cells one by one, or the one that all are."""
    if not isinstance(cells, pa.DictionaryArray):
        return cells
    return cells.dictionary_decode() if len(cells.dictionary) > 1 else cells.dictionary[0]


def _cells(column: Text) -> Text:
    """The cells as CSV, with those neutralised that a spreadsheet would run as a formula."""
    column = _guarded(column)
    if lacks(column, _QUOTED_SIGNS):
        return column
    special = pa.array(having(column, _QUOTED))
    return pc.replace_with_mask(column, special, _quoted(column.filter(special)))


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
    if not pc.any(formula).as_py():
        return column
    cells = pc.if_else(formula, pc.binary_join_element_wise("'", cells, ""), cells)
    return pc.replace_with_mask(column, risky, cells)


def _quoted(column: Text) -> Text:
    if not lacks(column, b'"'):
        column = pc.replace_substring(column, '"', '""')
    return pc.binary_join_element_wise('"', column, '"', "")

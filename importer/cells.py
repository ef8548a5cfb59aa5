"""Columns of cells as text: how they are cleaned, and what can be asked of a whole column at once."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.cleaning import ASCII, INVISIBLE, WRAPPED
from schemas.formulas import GUARDED, GUARDED_NUMBER
from schemas.manifest import WHITE_SPACE

if TYPE_CHECKING:
    import numpy.typing as npt

    Text: TypeAlias = pa.Array[Any]

_INVISIBLE = dict.fromkeys(map(ord, INVISIBLE))
_ASCII_WHITE_SPACE = b" \t\r\n\v\f"
_TRIMMED = _ASCII_WHITE_SPACE + b"\x1c\x1d\x1e\x1f"  # Arrow takes separators of files and records off, too


def unguarded(cells: Text) -> Text:
    """Take off the quote that a report puts before a cell that a spreadsheet would run as a formula."""
    if lacks(cells, b"'"):
        return cells
    guarded = pc.and_not(
        pc.match_substring_regex(cells, GUARDED), pc.match_substring_regex(cells, GUARDED_NUMBER)
    )
    return pc.if_else(guarded, pc.utf8_slice_codeunits(cells, 1), cells)


def cleaned(cells: Text, *, narrow: bool) -> Text:
    """Without outer white space, invisible characters, and ``="…"``, which keeps spreadsheets off."""
    is_ascii = bytes(text_of(cells)).isascii()  # asked of all at once, as is what follows: few have any
    if not is_ascii or not lacks(cells, _TRIMMED):
        cells = pc.utf8_trim_whitespace(cells)
    if not is_ascii:
        odd = pc.invert(pc.string_is_ascii(cells))
        distinct = cells.filter(odd).dictionary_encode()
        plain = [_plain(text, narrow=narrow) for text in distinct.dictionary.to_pylist()]
        cells = pc.replace_with_mask(cells, odd, pa.array(plain, pa.string()).take(distinct.indices))
    if not lacks(cells, b'"') and pc.any(pc.starts_with(cells, '="')).as_py():
        wrapped = pc.match_substring_regex(cells, WRAPPED)
        inside = pc.replace_substring(pc.replace_substring_regex(cells, WRAPPED, r"\1"), '""', '"')
        cells = pc.if_else(wrapped, pc.utf8_trim_whitespace(inside), cells)
    return cells


def _plain(text: str, *, narrow: bool) -> str:
    text = text.translate(_INVISIBLE)
    return ("".join(map(_narrow, text)) if narrow else text).strip()


def _narrow(character: str) -> str:
    """Spaces, every script's digits and full-width characters as ASCII; ``²`` stays what it is."""
    if character.isspace():
        return "\n" if character.splitlines() == [""] else " "
    digit = unicodedata.decimal(character, None)
    return ASCII.get(character, character) if digit is None else str(digit)


def unspaced(cells: Text) -> Text:
    """Without the white space inside."""
    if lacks(cells, _ASCII_WHITE_SPACE):
        return cells
    return pc.replace_substring_regex(cells, f"{WHITE_SPACE}+", "")


def whole_number(cells: Text) -> Text:
    """Without the ``.0`` that a spreadsheet puts after a number."""
    return replaced(cells, pc.ends_with(cells, ".0"), r"^(\d+)\.0$")


def replaced(cells: Text, worth_it: pa.BooleanArray, pattern: str) -> Text:
    """Only what the pattern has in brackets, of the cells that have it; others are not ``worth_it``."""
    if not pc.any(worth_it).as_py():
        return cells
    found = pc.replace_substring_regex(cells.filter(worth_it), pattern, r"\1")
    return pc.replace_with_mask(cells, worth_it, found)


def texts_at(column: Text | pa.DictionaryArray[Any, Any], rows: pa.Array[Any]) -> Text:
    """The cells of some rows; in the column each text may stand once, as in a dictionary."""
    taken = column.take(rows)
    return taken.dictionary_decode() if isinstance(taken, pa.DictionaryArray) else taken


def text_of(column: Text) -> memoryview:
    """The cells' own bytes, one cell after the other."""
    text = column.buffers()[2]
    if text is None or not len(column):
        return memoryview(b"")
    ends = offsets(column)
    return memoryview(text)[int(ends[0]) : int(ends[-1])]


def offsets(column: Text) -> npt.NDArray[np.int32]:
    """Where each cell begins in its buffer, and at last where they end."""
    found = np.frombuffer(column.buffers()[1], dtype=np.int32)
    return found[column.offset : column.offset + len(column) + 1]


def lacks(column: Text, characters: bytes) -> bool:
    """Whether none of the ASCII ``characters`` is in any cell; much faster than asking cell by cell."""
    text = bytes(text_of(column))
    return not any(character in text for character in characters)


def having(column: Text, signs: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which cells have one of the bytes that ``signs``, 256 flags, says."""
    ends = offsets(column)
    found = np.flatnonzero(signs[np.frombuffer(text_of(column), dtype=np.uint8)])
    has = np.zeros(len(column), dtype=bool)
    has[np.searchsorted(ends, found + ends[0], side="right") - 1] = True
    return has


def made_of(column: Text, characters: bytes) -> npt.NDArray[np.bool_]:
    """Which cells have something in them, and nothing but these ASCII ``characters``."""
    ends = offsets(column)
    made: npt.NDArray[np.bool_] = ends[:-1] < ends[1:]
    text = text_of(column)
    if bytes(text).translate(None, characters):
        others = np.ones(256, dtype=bool)
        others[[*characters]] = False
        strange = np.flatnonzero(others[np.frombuffer(text, dtype=np.uint8)]) + ends[0]
        made[np.searchsorted(ends, strange, side="right") - 1] = False
    return made


def first_bytes(column: Text) -> npt.NDArray[np.uint8]:
    """The byte that each cell begins with, 0 for a blank one."""
    return _bytes_at(column, offsets(column)[:-1])


def last_bytes(column: Text) -> npt.NDArray[np.uint8]:
    """The byte that each cell ends with, 0 for a blank one."""
    return _bytes_at(column, offsets(column)[1:] - 1)


def _bytes_at(column: Text, places: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    ends, text = offsets(column), column.buffers()[2]
    if text is None or not len(text):
        return np.zeros(len(column), dtype=np.uint8)
    found = np.frombuffer(text, dtype=np.uint8).take(places, mode="clip")
    return np.where(ends[:-1] < ends[1:], found, np.uint8(0))

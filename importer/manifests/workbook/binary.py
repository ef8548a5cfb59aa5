"""What is odd in the sheets of an .xlsb: records of a number, a length and so many bytes (MS-XLSB 2.1.4)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from importer.errors import ManifestError
from importer.manifests.workbook import formats
from importer.manifests.workbook.oddities import Oddities
from importer.manifests.workbook.openxml import relations
from importer.manifests.workbook.safety import check_announced

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator

# MS-XLSB 2.3.2, by number
_ROW, _BLANK, _ERROR, _FORMULA_ERROR, _LAST_CELL, _SHEET, _STRINGS = 0, 1, 3, 11, 11, 156, 159
_SHORT_NUMBER, _NUMBER, _FORMULA_NUMBER, _COLUMNS = 2, 5, 9, 60
_FORMAT, _STYLE, _STYLES_BEGIN, _STYLES_END = 44, 47, 617, 618
_ROW_HIDDEN, _COLUMN_HIDDEN = 0x10, 0x1
ERRORS: Final = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
}
_MORE = 0x80
_STYLE_BITS = 0xFFFFFF
_STYLES_PART = "xl/styles.bin"


def parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """The sheets by name, and in which part of the workbook each of them is."""
    _check_strings(archive)
    targets = relations(archive, "xl/_rels/workbook.bin.rels")
    found = {}
    for number, content in _records(archive, "xl/workbook.bin"):
        if number == _SHEET:
            relation, end = _text(content, 8)
            name, _ = _text(content, end)
            if relation in targets:
                found[name] = targets[relation]
    return found


def look(archive: zipfile.ZipFile, part: str, where: str) -> Oddities:
    """What is odd in the sheet of that ``part``, and how far it reaches.

    Raises:
        ManifestError: its records end too early.
    """
    odd = Oddities()
    row = 0
    try:
        looks = _looks(archive)
        for number, content in _records(archive, part):
            if number == _ROW:
                (row,) = struct.unpack_from("<I", content)
                odd.hidden_rows += bool(content[11] & _ROW_HIDDEN)
            elif number == _COLUMNS:
                first, last, options = struct.unpack_from("<II8xH", content)
                if options & _COLUMN_HIDDEN:
                    odd.hidden_columns.append((first, last + 1))
            elif _BLANK < number <= _LAST_CELL:
                _take_cell(odd, number, content, row, looks)
    except (struct.error, IndexError) as error:
        raise ManifestError(
            f"{where}: the sheet is damaged ({error}); open the workbook in a spreadsheet program and save "
            "it again"
        ) from error
    return odd


def _take_cell(odd: Oddities, number: int, content: bytes, row: int, looks: list[str]) -> None:
    column, style = struct.unpack_from("<II", content)
    odd.rows, odd.columns = max(odd.rows, row + 1), max(odd.columns, column + 1)
    if number in {_ERROR, _FORMULA_ERROR}:
        odd.put(row, column, ERRORS.get(content[8], "#VALUE!"))
    elif number in {_SHORT_NUMBER, _NUMBER, _FORMULA_NUMBER} and looks:
        odd.look(row, column, looks[style & _STYLE_BITS])


def _looks(archive: zipfile.ZipFile) -> list[str]:
    """What each cell style makes of a number."""
    if _STYLES_PART not in archive.namelist():
        return []
    codes = dict(formats.BUILT_IN)
    used: list[int] = []
    is_of_cells = False
    for number, content in _records(archive, _STYLES_PART):
        if number == _FORMAT:
            codes[struct.unpack_from("<H", content)[0]] = _text(content, 2)[0]
        elif number in {_STYLES_BEGIN, _STYLES_END}:
            is_of_cells = number == _STYLES_BEGIN
        elif number == _STYLE and is_of_cells:
            used.append(struct.unpack_from("<2xH", content)[0])
    return [formats.look_of(codes.get(form, "")) for form in used]


def _check_strings(archive: zipfile.ZipFile) -> None:
    name = next((name for name in archive.namelist() if name.lower() == "xl/sharedstrings.bin"), "")
    for number, content in _records(archive, name) if name else ():
        if number == _STRINGS and len(content) >= struct.calcsize("<II"):
            announced = max(struct.unpack_from("<II", content))
            check_announced(str(archive.filename), announced, archive.getinfo(name).file_size)


def _records(archive: zipfile.ZipFile, part: str) -> Iterator[tuple[int, bytes]]:
    content = archive.read(part)
    at = 0
    while at < len(content):
        number, at = _number(content, at, 2)
        length, at = _number(content, at, 4)
        yield number, content[at : at + length]
        at += length


def _number(content: bytes, at: int, most: int) -> tuple[int, int]:
    """Seven bits a byte, the lowest first; but a record's own number keeps the mark of its second byte."""
    value = 0
    for place in range(most):
        if at >= len(content):
            break
        byte = content[at]
        at += 1
        value |= (byte & ~_MORE) << (7 * place)
        if not byte & _MORE:
            break
    return value, at


def _text(content: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<I", content, at)
    end = at + 4 + 2 * length
    return content[at + 4 : end].decode("utf-16-le"), end

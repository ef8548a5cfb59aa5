"""Workbooks for tests, made by hand where no library writes them."""

from __future__ import annotations

import struct
import zipfile
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.sax.saxutils import escape

import xlsxwriter
import xlwt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_MIMETYPE = "application/vnd.oasis.opendocument.spreadsheet"
_OFFICE = "urn:oasis:names:tc:opendocument:xmlns"
_ODS = (
    '<?xml version="1.0" encoding="UTF-8"?><office:document-content '
    f'xmlns:office="{_OFFICE}:office:1.0" xmlns:table="{_OFFICE}:table:1.0" xmlns:text="{_OFFICE}:text:1.0" '
    'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0">'
    "<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"
)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def xlsx(path: Path, rows: Sequence[Sequence[Any]], name: str = "Sheet1") -> Path:
    """A workbook of one sheet: numbers as numbers, texts as texts."""
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet(name)
        for at, row in enumerate(rows):
            for column, cell in enumerate(row):
                (sheet.write_number if isinstance(cell, int | float) else sheet.write_string)(
                    at, column, cell
                )
    return path


def xls(path: Path, rows: Sequence[Sequence[Any]]) -> Path:
    """The same as Excel wrote it until 2003."""
    book = xlwt.Workbook()
    sheet = book.add_sheet("Sheet1")
    for at, row in enumerate(rows):
        for column, cell in enumerate(row):
            sheet.write(at, column, cell)
    book.save(str(path))
    return path


def ods(path: Path, rows: Sequence[Sequence[Any]]) -> Path:
    """The same as an OpenDocument sheet, with the million blank rows that LibreOffice ends one with."""
    blank = (
        '<table:table-row table:number-rows-repeated="1048000">'
        '<table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
    )
    written = ["".join(["<table:table-row>", *map(ods_cell, row), "</table:table-row>"]) for row in rows]
    return ods_of(path, {"Sheet1": "".join(written) + blank})


def ods_cell(cell: Any) -> str:  # noqa: ANN401 - what a sheet may have
    """A number or a text, as OpenDocument has it."""
    if isinstance(cell, int | float):
        attributes = f'office:value-type="float" office:value="{cell}"'
        return f"<table:table-cell {attributes}><text:p>{cell}</text:p></table:table-cell>"
    if not cell:
        return "<table:table-cell/>"
    return f'<table:table-cell office:value-type="string"><text:p>{escape(cell)}</text:p></table:table-cell>'


def ods_of(path: Path, tables: Mapping[str, str]) -> Path:
    """An OpenDocument workbook with this XML in its tables."""
    body = "".join(f'<table:table table:name="{name}">{xml}</table:table>' for name, xml in tables.items())
    manifest = f'<manifest:manifest xmlns:manifest="{_OFFICE}:manifest:1.0"/>'
    parts = {"mimetype": _MIMETYPE, "META-INF/manifest.xml": manifest}
    return archive(path, parts | {"content.xml": _ODS.format(tables=body)})


def xlsx_of(path: Path, sheet: str, more: Mapping[str, str | bytes] | None = None) -> Path:
    """A workbook of one sheet with this XML in it, and ``more`` parts."""
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>',
        "_rels/.rels": _relationships("officeDocument", "xl/workbook.xml"),
        "xl/workbook.xml": (
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>'
            '<sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>'
        ),
        "xl/_rels/workbook.xml.rels": _relationships("worksheet", "worksheets/sheet1.xml"),
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_MAIN}">{sheet}</worksheet>',
    }
    return archive(path, {**parts, **(more or {})})


class Formatted(NamedTuple):
    """A number of a binary workbook, and the code of its format."""

    number: float
    code: str


def xlsb(
    path: Path, rows: Sequence[Sequence[Any]], hidden_row: int | None = None, hidden_column: int | None = None
) -> Path:
    """A binary workbook of one sheet; a cell that is an int is the number of an error."""
    sheet = [(129, b""), (148, struct.pack("<4I", 0, len(rows) - 1, 0, len(rows[0]) - 1))]
    if hidden_column is not None:
        sheet.append((60, struct.pack("<IIIIH", hidden_column, hidden_column, 0, 0, 1)))
    sheet.append((145, b""))
    codes = ["General", *(cell.code for row in rows for cell in row if isinstance(cell, Formatted))]
    for at, row in enumerate(rows):
        sheet.append((0, struct.pack("<IIHBBBI", at, 0, 300, 0, 0x10 * (at == hidden_row), 0, 0)))
        for column, cell in enumerate(row):
            style = codes.index(cell.code) if isinstance(cell, Formatted) else 0
            sheet.append(_binary_cell(column, style, cell))
    book = struct.pack("<II", 0, 1) + _wide("rId1") + _wide("Sheet1")
    formats = [(44, struct.pack("<H", 164 + at) + _wide(code)) for at, code in enumerate(codes)]
    styles = [(47, struct.pack("<HH12x", 0, 164 + at)) for at in range(len(codes))]
    return archive(
        path,
        {
            "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>',
            "_rels/.rels": _relationships("officeDocument", "xl/workbook.bin"),
            "xl/workbook.bin": _binary([(131, b""), (143, b""), (156, book), (144, b""), (132, b"")]),
            "xl/_rels/workbook.bin.rels": _relationships("worksheet", "worksheets/sheet1.bin"),
            "xl/styles.bin": _binary([*formats, (617, struct.pack("<I", len(styles))), *styles, (618, b"")]),
            "xl/worksheets/sheet1.bin": _binary([*sheet, (146, b""), (130, b"")]),
        },
    )


def _binary_cell(column: int, style: int, cell: Any) -> tuple[int, bytes]:  # noqa: ANN401 - what a sheet may have
    head = struct.pack("<II", column, style)
    if isinstance(cell, str):
        return 6, head + _wide(cell)
    if isinstance(cell, Formatted):
        return 5, head + struct.pack("<d", cell.number)
    return (5, head + struct.pack("<d", cell)) if isinstance(cell, float) else (3, head + bytes([cell]))


def archive(path: Path, parts: Mapping[str, str | bytes]) -> Path:
    """A zip archive of these parts."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for part, text in parts.items():
            file.writestr(part, text)
    return path


def _relationships(kind: str, target: str) -> str:
    return (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_RELATIONS}/{kind}" Target="{target}"/></Relationships>'
    )


def _wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")


def _binary(records: Sequence[tuple[int, bytes]]) -> bytes:
    written = b""
    for number, content in records:
        length = len(content)
        sizes = [length & 0x7F | 0x80, length >> 7] if length > 0x7F else [length]
        numbers = [number & 0x7F | 0x80, number >> 7] if number > 0x7F else [number]
        written += bytes([*numbers, *sizes]) + content
    return written

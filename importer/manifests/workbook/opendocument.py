"""What is odd in the sheets of an .ods (OpenDocument 1.3 part 3, 9): one part has all of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from importer.errors import ManifestError
from importer.manifests.workbook import formats
from importer.manifests.workbook.oddities import Oddities
from importer.manifests.workbook.safety import MAX_CELLS, MAX_ROWS
from schemas.formulas import NO_RESULT

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Callable

_CONTENT: Final = "content.xml"
_MOST_COLUMNS: Final = 16_384  # what spreadsheet programs fill a row up with
_NUMBERS = frozenset({"float", "percentage", "currency"})
_SCIENTIFIC = re.compile(r"[+-]?\d(?:[.,]\d+)?[Ee][+-]\d+")
_PADDED = re.compile(r"0[\d\s]*\d")
_PLAIN = re.compile(r"[+-]?[\d\s.,'\u2019]*")  # grouped in any language
_DIGITS = re.compile(r"\d+")
_FEW = re.compile(r"[0-9]{1,4}")
_BREAKS: Final = {"line-break": "\n", "tab": "\t"}


def look(archive: zipfile.ZipFile, check: Callable[[str, int, int], None]) -> dict[str, Oddities]:
    """What is odd in each sheet, by name; ``check`` is asked about its rows and columns before they count.

    Raises:
        ManifestError: the workbook is damaged, or a cell is repeated beyond all sheets.
    """
    found: dict[str, Oddities] = {}
    table = _Table("", Oddities(), check)
    try:
        with archive.open(_CONTENT) as file:
            for event, element in ET.iterparse(file, ("start", "end")):  # noqa: S314 - it declares nothing, see safety.py
                tag = _local(element.tag)
                if event == "start" and tag == "table":
                    name = _get(element, "name")
                    found[name] = Oddities()
                    table = _Table(name, found[name], check)
                elif event == "end" and tag == "table-row":
                    table.take_row(element)
                    element.clear()
                elif event == "end" and tag == "table-column":
                    table.take_column(element)
    except ET.ParseError as error:
        raise ManifestError(
            f"{archive.filename}: {_CONTENT} in the workbook is damaged ({error}); open it in a spreadsheet "
            "program and save it again"
        ) from error
    return found


class _Table:
    """Counts rows and columns as it goes: only repetitions say where a cell stands."""

    def __init__(self, name: str, odd: Oddities, check: Callable[[str, int, int], None]) -> None:
        self._name = name
        self._odd = odd
        self._check = check
        self._row = self._column = 0

    def take_column(self, element: ET.Element) -> None:
        repeated = self._repeated(element, "number-columns-repeated", _MOST_COLUMNS)
        if _get(element, "visibility") in {"collapse", "filter"}:
            self._odd.hidden_columns.append((self._column, self._column + repeated))
        self._column += repeated

    def take_row(self, element: ET.Element) -> None:
        repeated = self._repeated(element, "number-rows-repeated", MAX_ROWS)
        column = 0
        cells = []
        for cell in element:
            if _local(cell.tag) in {"table-cell", "covered-table-cell"}:
                width = self._repeated(cell, "number-columns-repeated", _MOST_COLUMNS)
                if _is_filled(cell):
                    cells.append((column, column + width, cell))
                column += width
        if cells:
            self._odd.rows = self._row + repeated
            self._odd.columns = max(self._odd.columns, cells[-1][1])
            self._check(self._name, self._odd.rows, self._odd.columns)
            for first, stop, cell in cells:
                self._take_cell(cell, range(self._row, self._row + repeated), range(first, stop))
            if _get(element, "visibility") in {"collapse", "filter"}:
                self._odd.hidden_rows += repeated
        self._row += repeated

    def _take_cell(self, cell: ET.Element, rows: range, columns: range) -> None:
        shown = _shown(cell)
        look = _look_of(shown)
        kinds = {value for key, value in cell.attrib.items() if _local(key) == "value-type"}
        text = _told(cell, kinds, shown)
        for column in columns:
            if text:
                self._odd.texts.setdefault(column, {}).update(dict.fromkeys(rows, text))
            elif kinds & _NUMBERS:
                for row in rows if look else ():
                    self._odd.look(row, column, look)

    def _repeated(self, element: ET.Element, name: str, most: int) -> int:
        text = _get(element, name) or "1"
        if not text.isdecimal() or len(text) > len(str(MAX_CELLS)) or not 1 <= int(text) <= most:
            self._check(self._name, MAX_ROWS + 1, _MOST_COLUMNS + 1)
        return int(text)


def _is_filled(cell: ET.Element) -> bool:
    return len(cell) > 0 or any(_local(key) in {"value-type", "formula"} for key in cell.attrib)


def _told(cell: ET.Element, kinds: set[str], shown: str) -> str:
    """What stands in a cell of which calamine tells nothing, or not all; "" where it does."""
    if "error" in kinds:
        return shown or NO_RESULT
    if not kinds:
        return NO_RESULT if _get(cell, "formula") and not shown else ""
    has_breaks = any(_local(each.tag) in _BREAKS for each in cell.iter())
    return shown if has_breaks and kinds == {"string"} else ""


def _look_of(shown: str) -> str:
    """What the sheet makes of a number, told by the text that it shows; a format that hides it as ``0%``."""
    if _SCIENTIFIC.fullmatch(shown):
        return formats.SCIENTIFIC
    if _PADDED.fullmatch(shown):
        return formats.PADDED
    return formats.PLAIN if _PLAIN.fullmatch(shown) else _DIGITS.sub("0", shown)


def _shown(cell: ET.Element) -> str:
    return "\n".join(_text(each) for each in cell if _local(each.tag) == "p")


def _text(paragraph: ET.Element) -> str:
    """The paragraph's text; white space has elements of its own (OpenDocument 1.3 part 3, 6.1)."""
    for each in paragraph.iter():
        tag = _local(each.tag)
        if tag == "s":
            count = _get(each, "c") or "1"
            each.text = " " * (int(count) if _FEW.fullmatch(count) else 1)
        elif tag in _BREAKS:
            each.text = _BREAKS[tag]
    return "".join(paragraph.itertext())


def _get(element: ET.Element, name: str) -> str:
    return next((value for key, value in element.attrib.items() if _local(key) == name), "")


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]

"""What is odd in the sheets of an .xlsx or .xlsm (ECMA-376 part 1, 18.3 and 18.8), without building a tree.

Cells are found by pattern, since a sheet of a million rows has half a gigabyte of XML, and hardly any cell in
it is odd. Where a pattern took something else for a cell, such as a comment, that is a finding too many.
"""

from __future__ import annotations

import html
import posixpath
import re
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from importer.errors import ManifestError
from importer.manifests.workbook.oddities import Oddities
from importer.manifests.workbook.safety import MAX_CELLS, MAX_ROWS, pieces
from schemas.formulas import NO_RESULT

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator

_MOST_OF_A_ROW: Final = 64 * 1024**2
_ONE_LETTER: Final = 26

_ROW_END = re.compile(rb"</(?:\w+:)?row\s*>")
_FAR = re.compile(
    rb"""\sr\s*=\s*["']([A-Za-z]{2,4}\d+|[A-Za-z]{0,4}\d{7,})["'][^>]*(?<!/)>"""  # beyond Z, or 999,999
)
_ROW_NUMBER = re.compile(rb"""\sr\s*=\s*["'][A-Za-z]*(\d+)["']""")
_HIDDEN = rb"""\shidden\s*=\s*["'](?:1|true)["']"""
_HIDDEN_ROW = re.compile(rb"<(?:\w+:)?row(?=\s)(?=[^>]*" + _HIDDEN + rb")[^>]*(?<!/)>")
_HIDDEN_COLUMN = re.compile(rb"<(?:\w+:)?col(?=\s)(?=[^>]*" + _HIDDEN + rb")([^>]*)>")
_MIN, _MAX = (re.compile(rb"\s" + name + rb"""\s*=\s*["'](\d+)["']""") for name in (b"min", b"max"))
_IS_ERROR = re.compile(rb"""\st\s*=\s*["']e["']""")
_ERROR = re.compile(
    rb"""<(?:\w+:)?c(?=\s)([^>]*\st\s*=\s*["']e["'][^>]*)(?<!/)>(.*?)</(?:\w+:)?c\s*>""", re.DOTALL
)
_VALUE = re.compile(rb"<(?:\w+:)?v(?:\s[^>]*)?>([^<]*)<")
_IS_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
_NO_RESULT = re.compile(
    rb"<(?:\w+:)?c(?=\s)([^>]*)>\s*<(?:\w+:)?f(?:\s[^>]*)?(?:(?<=/)>|>[^<]*</(?:\w+:)?f\s*>)\s*"
    rb"(?:<(?:\w+:)?v(?:\s[^>]*)?(?:(?<=/)>|>\s*</(?:\w+:)?v\s*>))?\s*</(?:\w+:)?c\s*>"
)
_TYPE = re.compile(rb"""\st\s*=\s*["'](\w+)["']""")
_ADDRESS = re.compile(rb"""\sr\s*=\s*["']([A-Za-z]{1,3})(\d{1,7})["']""")

# 18.8.30: the built-in formats 11 and 48 are 0.00E+00 and ##0.0E+0.
_SCIENTIFIC_FORMATS = frozenset({11, 48})
_SCIENTIFIC_CODE = re.compile(r"[0#?.][Ee][+-]")
_PADDED_CODE = re.compile(r"^0{2,}(?![.0#?,])")
_QUOTED = re.compile(r'"[^"]*"|\\.')


def parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """The sheets by name, and in which part of the workbook each of them is."""
    targets = relations(archive, "xl/_rels/workbook.xml.rels")
    found = {}
    for sheet in _elements(archive, "xl/workbook.xml", "sheet"):
        relation = next((value for key, value in sheet.attrib.items() if key.endswith("}id")), "")
        if relation in targets:
            found[sheet.get("name", "")] = targets[relation]
    return found


def relations(archive: zipfile.ZipFile, name: str) -> dict[str, str]:
    """The parts that a part below ``xl`` names, by the id of the relationship."""
    if name not in archive.namelist():
        return {}
    return {
        relation.get("Id", ""): posixpath.normpath(posixpath.join("/xl", relation.get("Target", ""))).lstrip(
            "/"
        )
        for relation in _elements(archive, name, "Relationship")
    }


def look(archive: zipfile.ZipFile, part: str, where: str) -> Oddities:
    """What is odd in the sheet of that ``part``, and how far it reaches.

    Raises:
        ManifestError: a cell is odd and does not say where it stands.
    """
    odd = Oddities()
    looks = _Looks(where, *_styles(archive))
    columns, rows = _ONE_LETTER, 0
    for piece in _rows(archive, part, where):
        for letters, number in map(_split, _FAR.findall(piece)):
            columns, rows = max(columns, letters), max(rows, number)
        looks.take(piece, odd)
    if columns * MAX_ROWS > MAX_CELLS:  # else it is no matter
        numbers = (_ROW_NUMBER.findall(piece) for piece in _rows(archive, part, where))
        rows = max((int(number) for found in numbers for number in found), default=0)
    odd.rows, odd.columns = rows, columns
    return odd


class _Looks:
    """Finds what is odd in whole rows of XML."""

    def __init__(self, where: str, scientific: frozenset[int], padded: frozenset[int]) -> None:
        self._where = where
        self._scientific, self._padded = (
            re.compile(
                rb"""<(?:\w+:)?c(?=\s)([^>]*\ss\s*=\s*["'](?:"""
                + b"|".join(str(style).encode() for style in sorted(styles))
                + rb""")["'][^>]*)(?<!/)>"""
            )
            if styles
            else None
            for styles in (scientific, padded)
        )

    def take(self, piece: bytes, odd: Oddities) -> None:
        if b"hidden" in piece:
            odd.hidden_rows += sum(1 for _ in _HIDDEN_ROW.finditer(piece))
            odd.hidden_columns += _ranges(piece)
        if _IS_ERROR.search(piece):
            for attributes, inside in _ERROR.findall(piece):
                value = _VALUE.search(inside)
                self._put(odd, attributes, html.unescape(value[1].decode(errors="replace")) if value else "")
        if _IS_FORMULA.search(piece):
            for attributes in _NO_RESULT.findall(piece):
                kind = _TYPE.search(attributes)
                if not kind or kind[1] != b"str":  # a text may be empty
                    self._put(odd, attributes, NO_RESULT)
        for pattern, found in ((self._scientific, odd.scientific), (self._padded, odd.padded)):
            if pattern:
                for attributes in pattern.findall(piece):
                    self._mark(found, attributes)

    def _put(self, odd: Oddities, attributes: bytes, text: str) -> None:
        row, column = self._place(attributes)
        odd.texts.setdefault(column, {})[row] = text or NO_RESULT

    def _mark(self, found: dict[int, set[int]], attributes: bytes) -> None:
        kind = _TYPE.search(attributes)
        if not kind or kind[1] == b"n":
            row, column = self._place(attributes)
            found.setdefault(column, set()).add(row)

    def _place(self, attributes: bytes) -> tuple[int, int]:
        address = _ADDRESS.search(attributes)
        if address is None:
            raise ManifestError(
                f"{self._where}: has formulas, errors or formats in cells without an address; open the "
                "workbook in a spreadsheet program and save it again"
            )
        return int(address[2]) - 1, _column(address[1]) - 1


def _rows(archive: zipfile.ZipFile, part: str, where: str) -> Iterator[bytes]:
    """The part's XML, cut where a row ends."""
    rest = b""
    for piece in pieces(archive, part):
        text = rest + piece
        cut = max((end.end() for end in _ROW_END.finditer(text, max(len(rest) - 16, 0))), default=0)
        if cut:
            yield text[:cut]
        rest = text[cut:]
        if len(rest) > _MOST_OF_A_ROW:
            raise ManifestError(
                f"{where}: a row has more than 64 MiB; a manifest has a row per line item: export it anew"
            )
    yield rest


def _ranges(piece: bytes) -> Iterator[tuple[int, int]]:
    for attributes in _HIDDEN_COLUMN.findall(piece):
        first, last = _MIN.search(attributes), _MAX.search(attributes)
        if first and last:
            yield int(first[1]) - 1, int(last[1])


def _split(address: bytes) -> tuple[int, int]:
    letters = address.rstrip(b"0123456789")
    return _column(letters), int(address[len(letters) :])


def _column(letters: bytes) -> int:
    """``A`` is 1, ``AA`` 27."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number


def _styles(archive: zipfile.ZipFile) -> tuple[frozenset[int], frozenset[int]]:
    """The cell styles that show numbers in scientific notation, and those that show leading zeros."""
    name = "xl/styles.xml"
    if name not in archive.namelist():
        return frozenset(), frozenset()
    root = _tree(archive, name)
    codes = {
        int(each.get("numFmtId", "0")): _QUOTED.sub("", each.get("formatCode", ""))
        for each in root.iter()
        if _local(each.tag) == "numFmt"
    }
    scientific = _SCIENTIFIC_FORMATS | {at for at, code in codes.items() if _SCIENTIFIC_CODE.search(code)}
    padded = {at for at, code in codes.items() if _PADDED_CODE.match(code)}
    styles = next((list(each) for each in root.iter() if _local(each.tag) == "cellXfs"), [])
    used = [int(style.get("numFmtId", "0")) for style in styles]
    return (
        frozenset(at for at, form in enumerate(used) if form in scientific),
        frozenset(at for at, form in enumerate(used) if form in padded),
    )


def _elements(archive: zipfile.ZipFile, name: str, tag: str) -> Iterator[ET.Element]:
    return (each for each in _tree(archive, name).iter() if _local(each.tag) == tag)


def _tree(archive: zipfile.ZipFile, name: str) -> ET.Element:
    try:
        return ET.fromstring(archive.read(name))  # noqa: S314 - it declares nothing, see safety.py
    except (ET.ParseError, KeyError) as error:
        raise ManifestError(
            f"{archive.filename}: {name} in the workbook is damaged ({error}); open it in a spreadsheet "
            "program and save it again"
        ) from error


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]

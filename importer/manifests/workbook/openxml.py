"""What is odd in the sheets of an .xlsx or .xlsm (ECMA-376 part 1, 18.3 and 18.8), without building a tree.

Cells are found by pattern, since a sheet of a million rows has half a gigabyte of XML, and hardly any cell in
it is odd. Where a pattern took something else for a cell, such as a comment, that is a finding too many.
"""

from __future__ import annotations

import html
import posixpath
import re
from typing import TYPE_CHECKING, Final, NamedTuple
from xml.etree import ElementTree as ET

from msgspec import Struct

from importer.errors import ManifestError
from importer.manifests.workbook import formats
from importer.manifests.workbook.markup import UnfamiliarError
from importer.manifests.workbook.oddities import Oddities
from importer.manifests.workbook.safety import MAX_CELLS, MAX_ROWS, OF_CELLS, pieces
from schemas.formulas import NO_RESULT

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Collection, Iterator, Mapping

_MOST_OF_A_ROW: Final = 64 * 1024**2
_MOST_STYLES: Final = 500
_ONE_LETTER: Final = 26
_FEW_DIGITS: Final = re.compile(r"[0-9]{1,9}")

_RELATION: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_HIDDEN_STATES: Final = frozenset({"hidden", "veryHidden"})
_STATES: Final = frozenset({None, "visible"}) | _HIDDEN_STATES

# No pattern looks beyond the tag that it began in, nor back: a sheet of nothing but beginnings would take
# time that grows with its square. A tag has no "<" in it (XML 1.0, 3.1); ++ and *+ give nothing back.
_TAG, _WITHIN, _OPEN = rb"<(?:\w++:)?", rb"(?=\s)(?=[^<>]*?", rb"([^<>]*+)(?<!/)>"
_ROW_END = re.compile(rb"</(?:\w++:)?row\s*+>")
_IS_FAR = re.compile(rb"""\sr\s*+=\s*+["'](?:[A-Za-z]{2,4}\d|[A-Za-z]{0,4}\d{7})""")
_FAR = re.compile(  # beyond Z, or 999,999
    rb"<[\w:]++" + _WITHIN + rb"""\sr\s*+=\s*+["']([A-Za-z]{2,4}\d{1,20}|[A-Za-z]{0,4}\d{7,20}))""" + _OPEN
)
_ROW_NUMBER = re.compile(rb"""\sr\s*+=\s*+["'][A-Za-z]*+(\d{1,20})""")
_HIDDEN = rb"""\shidden\s*+=\s*+["'](?:1|true)["'])"""
_HIDDEN_ROW = re.compile(_TAG + b"row" + _WITHIN + _HIDDEN + _OPEN)
_HIDDEN_COLUMN = re.compile(_TAG + b"col" + _WITHIN + _HIDDEN + rb"([^<>]*+)>")
_MIN, _MAX = (re.compile(rb"\s" + name + rb"""\s*+=\s*+["'](\d{1,9})["']""") for name in (b"min", b"max"))
_IS_ERROR = re.compile(rb"""\st\s*+=\s*+["']e["']""")
_ERROR_SIGNS: Final = (b'"e"', b"'e'")  # looked for first, since a pattern takes ten times as long
_ERROR = re.compile(_TAG + b"c" + _WITHIN + _IS_ERROR.pattern + b")" + _OPEN)
_CELL_EDGE = re.compile(rb"</?(?:\w++:)?c[\s>]")
_VALUE = re.compile(rb"<(?:\w++:)?v(?:\s[^<>]*+)?>([^<]*+)<")
_IS_FORMULA = re.compile(rb"<(?:\w++:)?f[\s/>]")
_NO_RESULT = re.compile(
    _TAG
    + rb"c(?=\s)([^<>]*+)(?<!/)>\s*+<(?:\w++:)?f(?:\s[^<>]*+|/)?(?:(?<=/)>|>[^<]*+</(?:\w++:)?f\s*+>)\s*+"
    + rb"(?:<(?:\w++:)?v(?:\s[^<>]*+|/)?(?:(?<=/)>|>\s*+</(?:\w++:)?v\s*+>))?\s*+</(?:\w++:)?c\s*+>"
)
_TYPE = re.compile(rb"""\st\s*+=\s*+["'](\w++)["']""")
_ADDRESS = re.compile(rb"""\sr\s*+=\s*+["']([A-Za-z]{1,3})(\d{1,7})["']""")


def parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """The sheets by name, and in which part of the workbook each of them is."""
    targets = relations(archive, "xl/_rels/workbook.xml.rels")
    found = {}
    for sheet in _elements(archive, "xl/workbook.xml", "sheet"):
        relation = next((value for key, value in sheet.attrib.items() if key.endswith("}id")), "")
        if relation in targets:
            found[sheet.get("name", "")] = targets[relation]
    return found


class Tab(NamedTuple):
    """A sheet, as a workbook names it, and the part that has its cells."""

    name: str
    part: str
    is_hidden: bool


def tabs(archive: zipfile.ZipFile) -> list[Tab]:
    """The sheets in order.

    Raises:
        UnfamiliarError: there are others than those of cells, or it can't be told where they are.
    """
    targets = relations(archive, "xl/_rels/workbook.xml.rels")
    members = set(archive.namelist())
    found = []
    for sheet in _elements(archive, "xl/workbook.xml", "sheet"):
        part = targets.get(sheet.get(_RELATION, ""), "")
        if part not in members or not part.startswith(OF_CELLS) or sheet.get("state") not in _STATES:
            raise UnfamiliarError
        found.append(Tab(sheet.get("name", ""), part, is_hidden=sheet.get("state") in _HIDDEN_STATES))
    if len({tab.name for tab in found}) < len(found):
        raise UnfamiliarError
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


class Styles(Struct, frozen=True):
    """What the styles of cells make of a number: a look of its own, surely a date, or perhaps some time."""

    looks: Mapping[bytes, str]
    dates: frozenset[bytes]
    times: frozenset[bytes]


def styles(archive: zipfile.ZipFile) -> Styles:
    """The styles of cells of a workbook, by what a cell names them; those that show a number have no look."""
    name = "xl/styles.xml"
    if name not in archive.namelist():
        return Styles({}, frozenset(), frozenset())
    root = _tree(archive, name)
    own = {
        _number(each.get("numFmtId")): each.get("formatCode", "")
        for each in root.iter()
        if _local(each.tag) == "numFmt"
    }
    codes = formats.BUILT_IN | own
    found = next((list(each) for each in root.iter() if _local(each.tag) == "cellXfs"), [])
    used = {str(at).encode(): _number(style.get("numFmtId")) for at, style in enumerate(found)}
    looks = {style: formats.look_of(codes.get(number, "")) for style, number in used.items()}
    times = {style for style, number in used.items() if formats.may_be_time(number, own.get(number, ""))}
    dates = {style for style in times if formats.is_date(used[style], own.get(used[style], ""))}
    if any(
        each.get("date1904", "0") not in {"0", "false"}
        for each in _elements(archive, "xl/workbook.xml", "workbookPr")
    ):
        dates = set()  # they are counted from another day
    hiding = {style: look for style, look in looks.items() if look != formats.PLAIN}
    return Styles(hiding, frozenset(dates), frozenset(times - dates))


def see_hidden(xml: bytes, odd: Oddities) -> None:
    """Add to ``odd`` the rows and columns that are hidden."""
    if b"hidden" in xml:
        odd.hidden_rows += sum(1 for _ in _HIDDEN_ROW.finditer(xml))
        odd.hidden_columns += _ranges(xml)


def look(archive: zipfile.ZipFile, part: str, where: str) -> Oddities:
    """What is odd in the sheet of that ``part``, and how far it reaches.

    Raises:
        ManifestError: a cell is odd and does not say where it stands.
    """
    odd = Oddities()
    looks = Looks(where, styles(archive).looks)
    columns, rows = _ONE_LETTER, 0
    for piece in _rows(archive, part, where):
        for far in _FAR.finditer(piece) if _IS_FAR.search(piece) else ():
            letters, number = _split(far[1])
            columns, rows = max(columns, letters), max(rows, number)
        looks.take(piece, odd)
    if columns * MAX_ROWS > MAX_CELLS:  # else it is no matter
        numbers = (_ROW_NUMBER.findall(piece) for piece in _rows(archive, part, where))
        rows = max((int(number) for found in numbers for number in found), default=0)
    odd.rows, odd.columns = rows, columns
    return odd


class Looks:
    """Finds what is odd in whole rows of XML; ``looks`` has by cell style what it makes of a number."""

    def __init__(self, where: str, looks: Mapping[bytes, str]) -> None:
        self._where = where
        self._looks = looks
        self._styled = _styled(looks)

    def take(self, piece: bytes, odd: Oddities) -> None:
        """Add to ``odd`` what is odd in a piece.

        Raises:
            ManifestError: a cell is odd and does not say where it stands.
        """
        see_hidden(piece, odd)
        if any(sign in piece for sign in _ERROR_SIGNS) and _IS_ERROR.search(piece):
            for cell in _ERROR.finditer(piece):
                edge = _CELL_EDGE.search(piece, cell.end())
                value = _VALUE.search(piece, cell.end(), edge.start() + 1 if edge else len(piece))
                text = html.unescape(value[1].decode(errors="replace")) if value else ""
                self._put(odd, cell[1], text or NO_RESULT)
        if (b"<f" in piece or b":f" in piece) and _IS_FORMULA.search(piece):
            for attributes in _NO_RESULT.findall(piece):
                kind = _TYPE.search(attributes)
                if not kind or kind[1] != b"str":  # a text may be empty
                    self._put(odd, attributes, NO_RESULT)
        for style, attributes in self._styled.findall(piece) if self._looks else ():
            kind = _TYPE.search(attributes)
            if style in self._looks and (not kind or kind[1] == b"n"):
                odd.look(*self._place(attributes), self._looks[style])

    def _put(self, odd: Oddities, attributes: bytes, text: str) -> None:
        odd.put(*self._place(attributes), text)

    def _place(self, attributes: bytes) -> tuple[int, int]:
        address = _ADDRESS.search(attributes)
        if address is None:
            raise ManifestError(
                f"{self._where}: has formulas, errors or formats in cells without an address; open the "
                "workbook in a spreadsheet program and save it again"
            )
        return int(address[2]) - 1, _column(address[1]) - 1


def _styled(styles: Collection[bytes]) -> re.Pattern[bytes]:
    """Cells of these styles; where they are too many to be told apart quickly, of any."""
    numbers = b"|".join(styles) if len(styles) <= _MOST_STYLES else rb"\d{1,9}"
    return re.compile(_TAG + b"c" + _WITHIN + rb"""\ss\s*+=\s*+["'](""" + numbers + rb""")["'])""" + _OPEN)


def _rows(archive: zipfile.ZipFile, part: str, where: str) -> Iterator[bytes]:
    """The part's XML, cut where a row ends."""
    rest = b""
    for piece in pieces(archive, part):
        text = rest + piece
        cut = _last_row_end(text, max(len(rest) - 16, 0))
        if cut:
            yield text[:cut]
        rest = text[cut:]
        if len(rest) > _MOST_OF_A_ROW:
            raise ManifestError(
                f"{where}: a row has more than 64 MiB; a manifest has a row per line item: export it anew"
            )
    yield rest


def _last_row_end(text: bytes, start: int) -> int:
    """Where the last row ends that ends after ``start``; 0 where none does."""
    at = len(text)
    while (at := text.rfind(b"</", start, at)) >= 0:
        if end := _ROW_END.match(text, at):
            return end.end()
    return 0


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


def _number(text: str | None) -> int:
    return int(text) if text and _FEW_DIGITS.fullmatch(text) else 0


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

"""What is odd in the sheets of an .xls: records (MS-XLS 2.4) in a stream of a compound file (MS-CFB 2)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from importer.manifests.workbook import formats
from importer.manifests.workbook.binary import ERRORS
from importer.manifests.workbook.oddities import Oddities
from importer.manifests.workbook.safety import check_announced, damaged, encrypted
from schemas.formulas import NO_RESULT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from importer.manifests.sources import Source

# MS-CFB 2.2 and 2.6.1
_HEADER: Final = struct.Struct("<24xHHHHH6xIIIIIIIII109I")
_ENTRY: Final = struct.Struct("<64sHBB48xII4x")
_LAST_SECTOR = 0xFFFFFFFA
_STREAMS = ("Workbook", "Book")
_ROOT = 5

# MS-XLS 2.3, by number
_FORMULA, _END, _FILE_PASS, _COLUMNS, _SHEET = 0x06, 0x0A, 0x2F, 0x7D, 0x85
_STRINGS, _ERROR, _ROW, _BEGIN = 0xFC, 0x205, 0x208, 0x809
_NUMBERS, _STYLE, _NUMBER, _SHORT_NUMBER, _FORMAT = 0xBD, 0xE0, 0x203, 0x27E, 0x41E
_NO_NUMBER, _IS_ERROR, _IS_BLANK = 0xFFFF, 2, 3
_ROW_HIDDEN, _COLUMN_HIDDEN = 0x20, 0x1
_BIFF8 = 0x600


def look(source: Source) -> dict[str, Oddities]:
    """What is odd in each sheet, by name.

    Raises:
        ManifestError: the workbook is damaged or encrypted, or announces more than it has room for.
    """
    try:
        stream = _stream(source.path.read_bytes())
        sheets, looks = _globals(stream, source.name)
        return {name: _Sheet(looks).read(stream, at) for name, at in sheets}
    except (struct.error, IndexError, UnicodeDecodeError, MemoryError) as error:
        raise damaged(source.name) from error


def _globals(stream: bytes, name: str) -> tuple[list[tuple[str, int]], list[str]]:
    """The sheets and where they begin; and what each cell style makes of a number."""
    is_wide = True
    sheets: list[tuple[str, int]] = []
    codes = dict(formats.BUILT_IN)
    used: list[int] = []
    for number, content in _records(stream, 0):
        if number == _BEGIN:
            is_wide = struct.unpack_from("<H", content)[0] == _BIFF8
        elif number == _FILE_PASS:
            raise encrypted(name)
        elif number == _STRINGS:
            check_announced(name, max(struct.unpack_from("<II", content)), len(stream))
        elif number == _SHEET:
            (at,) = struct.unpack_from("<I", content)
            sheets.append((_short_text(content[6:], is_wide=is_wide), at))
        elif number == _FORMAT:
            (form,) = struct.unpack_from("<H", content)
            # only here BIFF8 takes two bytes for the length
            text = content[2:3] + content[4:] if is_wide else content[2:]
            codes[form] = _short_text(text, is_wide=is_wide)
        elif number == _STYLE:
            used.append(struct.unpack_from("<2xH", content)[0])
    return sheets, [formats.look_of(codes.get(form, "")) for form in used]


class _Sheet:
    """Gathers what is odd in one sheet; ``looks`` has what each cell style makes of a number."""

    def __init__(self, looks: list[str]) -> None:
        self._looks = looks
        self._odd = Oddities()
        self._blank: list[tuple[int, int]] = []
        self._is_calculated = False

    def read(self, stream: bytes, at: int) -> Oddities:
        for number, content in _records(stream, at):
            take = _TAKERS.get(number)
            if take:
                take(self, content)
        if not self._is_calculated:  # whoever wrote it has no result for any formula
            for row, column in self._blank:
                self._odd.put(row, column, NO_RESULT)
        return self._odd

    def take_error(self, content: bytes) -> None:
        row, column = struct.unpack_from("<HH", content)
        if content[7]:
            self._odd.put(row, column, ERRORS.get(content[6], ERRORS[0x0F]))

    def take_number(self, content: bytes) -> None:
        row, column, style = struct.unpack_from("<HHH", content)
        self._odd.look(row, column, self._looks[style])

    def take_numbers(self, content: bytes) -> None:
        """Those of one row, side by side: a style of two bytes and a number of four, each."""
        row, first = struct.unpack_from("<HH", content)
        for place in range((len(content) - 6) // 6):
            (style,) = struct.unpack_from("<H", content, 4 + 6 * place)
            self._odd.look(row, first + place, self._looks[style])

    def take_formula(self, content: bytes) -> None:
        row, column, style, kind, error, end = struct.unpack_from("<HHHBxB3xH", content)
        if end != _NO_NUMBER:
            self._odd.look(row, column, self._looks[style])
        elif kind == _IS_ERROR:
            self._odd.put(row, column, ERRORS.get(error, ERRORS[0x0F]))
        elif kind == _IS_BLANK:
            self._blank.append((row, column))
        self._is_calculated |= end != _NO_NUMBER or kind != _IS_BLANK

    def take_row(self, content: bytes) -> None:
        self._odd.hidden_rows += bool(struct.unpack_from("<12xH", content)[0] & _ROW_HIDDEN)

    def take_columns(self, content: bytes) -> None:
        first, last, options = struct.unpack_from("<HH4xH", content)
        if options & _COLUMN_HIDDEN:
            self._odd.hidden_columns.append((first, last + 1))


_TAKERS: Final[dict[int, Callable[[_Sheet, bytes], None]]] = {
    _ERROR: _Sheet.take_error,
    _NUMBER: _Sheet.take_number,
    _SHORT_NUMBER: _Sheet.take_number,
    _NUMBERS: _Sheet.take_numbers,
    _FORMULA: _Sheet.take_formula,
    _ROW: _Sheet.take_row,
    _COLUMNS: _Sheet.take_columns,
}


def _records(stream: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """From the beginning of a sheet, or of the workbook, to its end."""
    while at + 4 <= len(stream):
        number, length = struct.unpack_from("<HH", stream, at)
        if number == _END:
            return
        yield number, stream[at + 4 : at + 4 + length]
        at += 4 + length


def _short_text(content: bytes, *, is_wide: bool) -> str:
    length = content[0]
    if not is_wide:
        return content[1 : 1 + length].decode("cp1252", errors="replace")
    if content[1] & 1:
        return content[2 : 2 + 2 * length].decode("utf-16-le")
    return content[2 : 2 + length].decode("latin-1")


def _stream(content: bytes) -> bytes:
    """The workbook's stream out of the compound file."""
    head = _HEADER.unpack_from(content)
    (shift, small_shift), directory, least = head[3:5], head[7], head[9]
    small_table, more, places = head[10], head[12], [*head[14:]]
    size = 1 << min(shift, 16)

    def sector(number: int) -> bytes:
        return content[(number + 1) * size : (number + 2) * size]

    for _ in range(len(content) // size):
        if more >= _LAST_SECTOR:
            break
        *numbers, more = struct.unpack(f"<{size // 4}I", sector(more))
        places += numbers
    table = _numbers(b"".join(sector(place) for place in places if place < _LAST_SECTOR))
    whole = b"".join(map(sector, _chain(table, directory)))
    entries = [_ENTRY.unpack_from(whole, at) for at in range(0, len(whole) - 127, 128)]
    found = next((each for name in _STREAMS for each in entries if _name(each) == name), None)
    if found is None:
        raise IndexError("it has no stream called Workbook")
    start, length = found[4:]
    if length >= least:
        return b"".join(map(sector, _chain(table, start)))[:length]
    root = next(each for each in entries if each[2] == _ROOT)
    small = b"".join(map(sector, _chain(table, root[4])))
    links = _numbers(b"".join(map(sector, _chain(table, small_table))))
    step = 1 << min(small_shift, 16)
    return b"".join(small[at * step : (at + 1) * step] for at in _chain(links, start))[:length]


def _name(entry: tuple[bytes, int, int, int, int, int]) -> str:
    return entry[0][: max(entry[1] - 2, 0)].decode("utf-16-le")


def _numbers(table: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(table) // 4}I", table[: len(table) // 4 * 4])


def _chain(table: tuple[int, ...], at: int) -> Iterator[int]:
    for _ in table:
        if at >= _LAST_SECTOR:
            return
        yield at
        at = table[at]

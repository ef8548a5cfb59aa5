"""Workbook → blocks of text columns of one of its sheets, numbered as the spreadsheet program shows them.

What the cells are (a number, a date, an error) is written into their text, so that the rules of
schemas.manifest judge it, in a report that is imported again as well: see cells.py.
"""

from __future__ import annotations

import difflib
from contextlib import ExitStack, contextmanager
from functools import cached_property
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct
from msgspec.structs import replace
from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from importer.errors import ManifestError
from importer.manifests import delimited, encodings
from importer.manifests.workbook import (
    binary,
    cells,
    formats,
    kept,
    legacy,
    opendocument,
    openxml,
    safety,
    swift,
)
from importer.manifests.workbook.markup import UnfamiliarError
from importer.manifests.workbook.oddities import Oddities

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    import numpy.typing as npt
    from python_calamine import CalamineSheet

    from importer.manifests import layouts
    from importer.manifests.sources import Source

    Text: TypeAlias = pa.Array[Any]
    Mask: TypeAlias = npt.NDArray[np.bool_]

_ROWS_AT_ONCE = 50_000
_HEAD = delimited.HEADER_SEARCHED
_SHOWN = 10
_MOST_DIGITS = 300  # of a float

format_of = safety.format_of


class Sheet(Struct, frozen=True):
    """The sheet that is read; ``width`` is how many columns it has, ``notes`` what a person is told of it.

    ``cells`` are all of its cells, None as long as they are not kept.
    """

    name: str
    width: int
    odd: Oddities
    notes: tuple[str, ...] = ()
    cells: kept.Kept | None = None


class Found(Struct, frozen=True):
    """A workbook, surveyed; ``above`` is the text that stands above the header."""

    encoded: encodings.Encoded
    form: delimited.Form
    sheet: Sheet
    above: str


class Reading(Struct, frozen=True):
    """How the columns of a sheet are read, by position: ``names`` name something, ``quantity`` counts."""

    names: frozenset[int]
    quantity: int | None


def survey(
    source: Source, form: str, layout: layouts.Layout, needed: Sequence[str], sheet: str | None
) -> Found:
    """Find the sheet that is the manifest, and its header row.

    It is the one called ``sheet``, else the first that has the ``needed`` columns and data below them,
    visible ones before hidden ones, else the first that has most of the columns.

    Raises:
        ManifestError: the workbook is damaged, encrypted, too large, or has no such sheet.
    """
    safety.check(source, form)
    encoded = encodings.digest(source)
    with _opened(source, form) as book:
        headed = [found for name in book.chosen(sheet) if (found := _headed(book, name, layout, needed))]
        if not headed:
            which = f"the sheet {sheet} is" if sheet else "all its sheets are"
            raise ManifestError(f"{source.name}: {which} empty; a manifest has at least a header row")
        meant, notes = _meant(headed)
        read = book.kept(meant.sheet)
    noted = (*read.odd.notes(read.width), *notes)
    return Found(encoded, meant.form, replace(read, notes=noted), meant.above)


def read(
    source: Source, found: tuple[encodings.Encoded, delimited.Form, Sheet], reading: Reading
) -> Iterator[tuple[delimited.Records, dict[int, Mask]]]:
    """The sheet's rows below the header, and by column which numbers of them may have lost leading zeros.

    A number of a column of names may have, where the sheet shows it with some, or where it has fewer digits
    than a text of its column that begins with a zero and is all digits.

    Raises:
        ManifestError: the file has changed since it was surveyed.
    """
    encoded, header, sheet = found
    encodings.check_unchanged(source, encoded)
    first = 0
    zero_led = sheet.cells.zero_led if sheet.cells else {}
    for columns in kept.blocks_of(sheet.cells, sheet.width) if sheet.cells else ():
        rows = len(columns[0].text)
        texts = [_text(cells, first, at, sheet, reading) for at, cells in enumerate(columns)]
        lost = {at: _lost(columns[at], first, at, sheet, zero_led.get(at, 0)) for at in reading.names}
        below = max(header.header_row - first, 0)
        first += rows
        if below < rows:
            records = delimited.Records([text.slice(below) for text in texts], first - rows + below + 1)
            yield records, {at: mask[below:] for at, mask in lost.items()}


class _Headed(Struct, frozen=True):
    """A sheet with a header: how well it fits (0 first for all columns), and whether data is below it."""

    sheet: Sheet
    form: delimited.Form
    above: str
    score: tuple[int, ...]
    has_data: bool
    is_hidden: bool


def _headed(book: _Book, name: str, layout: layouts.Layout, needed: Sequence[str]) -> _Headed | None:
    sheet = book.look(name)
    blocks = book.blocks(sheet, _HEAD)
    first = next(blocks, [])
    head = [*zip(*(column.text.slice(0, _HEAD).to_pylist() for column in first), strict=True)]
    header = delimited.header_among(enumerate(head, start=1), layout, needed)
    if header is None:
        return None
    score, form = header
    above = "\n".join(cell for row in head[: form.header_row - 1] for cell in row if cell)
    has_data = score[0] == 0 and _has_data(chain([first], blocks), form.header_row)
    return _Headed(sheet, form, above, score, has_data, book.is_hidden(name))


def _has_data(blocks: Iterable[list[cells.Cells]], header_row: int) -> bool:
    """Whether any cell below the header is filled."""
    for columns in blocks:
        texts = (column.text.slice(header_row).to_pylist() for column in columns)
        if any(text.strip() for column in texts for text in column):
            return True
        header_row = max(header_row - len(columns[0].text), 0)
    return False


def _meant(headed: Sequence[_Headed]) -> tuple[_Headed, list[str]]:
    """The sheet that is the manifest, the first that fits best, and what is said of the choice."""
    filled = [found for found in headed if found.has_data]
    open_ones = [found for found in filled if not found.is_hidden]
    best = max(open_ones or filled or headed, key=lambda found: found.score)
    notes = [_HIDDEN.format(best.sheet.name)] if best.is_hidden else []
    return best, notes + [_NOT_READ.format(found.sheet.name) for found in filled if found is not best]


_HIDDEN = "the sheet '{}', which is read, is hidden"
_NOT_READ = "the sheet '{}' has the columns and data, too, and is not read; read it with --sheet"


class _Book:
    """An open workbook: calamine's, and what calamine does not tell."""

    def __init__(self, source: Source, form: str, stack: ExitStack) -> None:
        self._source = source
        self._stack = stack
        # before calamine: it would read an .ods as large as it is
        self._look = _look(source, form, stack)
        self._is_open_xml = form in {"xlsx", "xlsm"}
        self._swift = _swift(source, stack) if self._is_open_xml else None
        self._last: CalamineSheet | None = None
        tabs = self._swift.tabs if self._swift else self._tabs()
        self._hidden = {tab.name for tab in tabs if tab.is_hidden}
        self._names = sorted((tab.name for tab in tabs), key=self.is_hidden)

    def is_hidden(self, name: str) -> bool:
        """Whether the spreadsheet program shows no such sheet."""
        return name in self._hidden

    def chosen(self, sheet: str | None) -> list[str]:
        """The sheets in question."""
        if sheet is None:
            return self._names
        if sheet in self._names:
            return [sheet]
        near = difflib.get_close_matches(sheet, self._names, n=1)
        shown = ", ".join(f"'{name}'" for name in self._names[:_SHOWN])
        more = f" and {len(self._names) - _SHOWN} more" if len(self._names) > _SHOWN else ""
        guess = f"; did you mean '{near[0]}'?" if near else ""
        raise ManifestError(f"{self._source.name}: has no sheet '{sheet}'; it has {shown}{more}{guess}")

    def look(self, name: str) -> Sheet:
        """What is known of a sheet."""
        if self._swift and (read := self._swift.read(name, _ROWS_AT_ONCE)):
            cells, width, odd = read
            return Sheet(name, width, odd, cells=cells)
        odd = self._look(name) or Oddities()
        safety.check_area(self._source, name, odd.rows, odd.columns)
        loaded = self._load(name)
        width = max((loaded.end or (0, -1))[1] + 1, odd.reach[1])
        safety.check_area(self._source, name, loaded.total_height, width)
        return Sheet(name, width, odd)

    def blocks(self, sheet: Sheet, rows_at_once: int) -> Iterator[list[cells.Cells]]:
        """The columns of its rows from the first, so many at once where they are not kept."""
        if sheet.cells:
            yield from kept.blocks_of(sheet.cells, sheet.width)
            return
        first = 0
        for rows in _in_blocks(self._load(sheet.name), sheet, rows_at_once):
            yield [*_cells(rows, first, sheet)]
            first += len(rows)

    def kept(self, sheet: Sheet) -> Sheet:
        """The sheet with all of its cells."""
        return sheet if sheet.cells else replace(sheet, cells=kept.keep(self.blocks(sheet, _ROWS_AT_ONCE)))

    @cached_property
    def _sheets(self) -> CalamineWorkbook:
        if self._is_open_xml:
            safety.check_sheets(self._source)
        # not by its path: calamine would go by the suffix
        file = self._stack.enter_context(self._source.path.open("rb"))
        return self._stack.enter_context(CalamineWorkbook.from_filelike(file))

    def _tabs(self) -> list[openxml.Tab]:
        return [
            openxml.Tab(each.name, "", is_hidden=each.visible != SheetVisibleEnum.Visible)
            for each in self._sheets.sheets_metadata
            if each.typ == SheetTypeEnum.WorkSheet
        ]

    def _load(self, name: str) -> CalamineSheet:
        """The whole sheet; the last one is at hand."""
        if self._last is None or self._last.name != name:
            self._last = None  # before there is another one: both may be large
            self._last = self._sheets.get_sheet_by_name(name)
        return self._last


@contextmanager
def _opened(source: Source, form: str) -> Iterator[_Book]:
    """The workbook, open.

    Raises:
        ManifestError: it can't be read; also where that comes out inside the context.
    """
    try:
        with ExitStack() as stack:
            yield _Book(source, form, stack)
    except PasswordError as error:
        raise safety.encrypted(source.name) from error
    except (CalamineError, KeyError) as error:
        raise safety.damaged(source.name) from error
    except OverflowError as error:  # calamine hands such a cell out as a duration
        raise ManifestError(
            f"{source.name}: a cell that is formatted as hours has a number beyond all hours; give it "
            "another format in a spreadsheet program and save it again"
        ) from error
    except OSError as error:
        raise ManifestError(f"{source.name}: can't be read: {error.strerror or error}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # calamine's own fault, on a file like no other
            raise
        raise safety.damaged(source.name) from error


def _swift(source: Source, stack: ExitStack) -> swift.Workbook | None:
    try:
        return swift.Workbook(source, stack.enter_context(safety.opened(source)))
    except UnfamiliarError:
        return None


def _look(source: Source, form: str, stack: ExitStack) -> Callable[[str], Oddities | None]:
    """What tells by the name of a sheet what is odd in it."""
    if form == "xls":
        return legacy.look(source).get
    archive = stack.enter_context(safety.opened(source))
    if form == "ods":

        def check(name: str, rows: int, columns: int) -> None:
            safety.check_area(source, name, rows, columns)

        return opendocument.look(archive, check).get
    parts, look = (
        (binary.parts(archive), binary.look) if form == "xlsb" else (openxml.parts(archive), openxml.look)
    )
    return lambda name: look(archive, parts[name], f"{source.name}, sheet {name}")


def _in_blocks(
    loaded: CalamineSheet, sheet: Sheet, rows_at_once: int = _ROWS_AT_ONCE
) -> Iterator[list[list[Any]]]:
    """The sheet's rows from its first, each as wide as the sheet; also those that only ``odd`` knows."""
    start = loaded.start
    left = [""] * (start[1] if start else 0)
    filled = loaded.total_height if start else 0
    rows = (left + row for row in loaded.iter_rows()) if left else loaded.iter_rows()
    more: Iterator[list[Any]] = repeat([], max(sheet.odd.reach[0] - filled, 0))
    every = chain(rows, more)
    while block := [*islice(every, rows_at_once)]:
        yield [row + [""] * (sheet.width - len(row)) if len(row) < sheet.width else row for row in block]


def _cells(rows: Sequence[list[Any]], first: int, sheet: Sheet) -> Iterator[cells.Cells]:
    """The columns of rows that begin with the sheet's row ``first`` (from 0)."""
    for at, column in enumerate(zip(*rows, strict=True)):
        read = cells.read(column)
        known = sheet.odd.texts.get(at, {})
        places = _within(known, first, len(rows))
        if places.any():
            texts = [known[first + place] for place in np.flatnonzero(places).tolist()]
            text = pc.replace_with_mask(read.text, pa.array(places), pa.array(texts, pa.string()))
            read = cells.Cells(text, np.where(places, np.int8(cells.Kind.OTHER), read.kinds))
        yield read


def _text(column: cells.Cells, first: int, at: int, sheet: Sheet, reading: Reading) -> Text:
    """The column as it is read, which depends on whether it names something."""
    if at not in reading.names:
        return column.as_names() if at == reading.quantity else column.text
    text = column.as_names()
    for look, rows in _hiding(sheet, at):
        text = _as_shown(text, column, _within(rows, first, len(text)), look)
    return text


def _hiding(sheet: Sheet, at: int) -> Iterator[tuple[str, array[int]]]:
    """The formats by which the sheet hides numbers of a column, and in which rows."""
    return (
        (look, rows)
        for (column, look), rows in sheet.odd.looks.items()
        if column == at and look != formats.PADDED
    )


def _as_shown(text: Text, column: cells.Cells, places: Mask, look: str) -> Text:
    """As the sheet shows it: whoever typed it has not seen the number."""
    at = np.flatnonzero(places & column.numbers)
    numbers = column.text.take(pa.array(at)).to_pylist()
    if look == formats.SCIENTIFIC:
        texts = [cells.scientific(float(number)) if abs(float(number)) >= 1 else number for number in numbers]
    else:
        texts = [cells.hidden(number, look) for number in numbers]
    shown = np.zeros(len(text), dtype=bool)
    shown[at] = True
    return pc.replace_with_mask(text, pa.array(shown), pa.array(texts, pa.string())) if texts else text


def _within(found: Collection[int], first: int, rows: int) -> Mask:
    """Which of so many rows are among those found."""
    places = np.fromiter(found, dtype=np.int64, count=len(found)) - first
    mask = np.zeros(rows, dtype=bool)
    mask[places[(places >= 0) & (places < rows)]] = True
    return mask


def _lost(column: cells.Cells, first: int, at: int, sheet: Sheet, longest: int) -> Mask:
    lost = _within(sheet.odd.looks.get((at, formats.PADDED), ()), first, len(column.text))
    numbers = column.numbers
    if longest and numbers.any():
        values = column.text.filter(pa.array(numbers)).cast(pa.float64()).to_numpy()
        lost[numbers] |= (values >= 0) & (values < 10.0 ** min(longest - 1, _MOST_DIGITS))
    return lost

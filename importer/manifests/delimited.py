"""Delimited text → blocks of text columns, numbered as a spreadsheet shows them. Converts no value.

A block is at most some 16 MiB of whole records. Where its quoting is exactly RFC 4180's, or it has no quoted
cell at all, it is cut into columns by pyarrow in one go; otherwise row by row, by the csv module, so that a
fault stays in the row that has it. RFC 4180 section 2: a quoted field begins and ends at a delimiter or line
break, and a quote inside it is doubled.
"""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from msgspec import Struct, field
from msgspec.structs import replace

from importer.errors import ManifestError
from importer.longest import LONGEST, LONGEST_REPORTED, cells_up_to
from importer.manifests import layouts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    Text: TypeAlias = pa.Array[Any]

# While it reads, pyarrow would take the signals for itself, and end a run that is to end in order.
pa.enable_signal_handlers(False)  # noqa: FBT003 - it takes no keyword

DELIMITERS = (",", ";", "\t", "|")
HEADER_SEARCHED = layouts.HEADER_SEARCHED
MAX_COLUMNS = 1_000  # of a file, or of a sheet of a workbook
_HEAD_CHARACTERS = 262_144
_ROW_BY_ROW_BYTES = 256 * 1024
_COUNTED_AT_ONCE = 256 * 1024  # bytes, of which what is made stays in the processor's cache
_RECORD_LIMIT = 64 * 1024 * 1024
_QUOTE, _LF, _CR = b'"\n\r'
_BOM = "\ufeff".encode()
_SEPARATOR_LINE = re.compile(r'("?)sep=([,;\t|])\1(?:\r\n?|\n)', re.IGNORECASE)
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r)")
_LINE_END = re.compile(r"\r\n|\n|\r")
_QUOTED = '"[^"]*+(?:""[^"]*+)*+"'

RAGGED = "ragged-row"
BAD_QUOTING = "bad-quoting"


class Form(Struct, frozen=True):
    """How a file is delimited: the header's cells, its row number, and what stands above the header.

    ``offset`` is 1 where the file begins with a ``sep=;`` line, which no spreadsheet program shows. With
    ``is_closed`` the last column that has a header is one that every row must fill, so that blank cells
    behind it are surely nothing but surplus; behind others they may be a row that an unquoted delimiter has
    shifted.
    """

    delimiter: str
    headers: tuple[str, ...]
    header_row: int
    offset: int
    is_closed: bool = False

    @property
    def named(self) -> int:
        """How many columns there are without those at the end that have no header."""
        return max((at for at, header in enumerate(self.headers, start=1) if header.strip()), default=0)

    @property
    def longest_cell(self) -> int:
        """How many characters a cell may have: in a report of ours one has a whole row that was torn."""
        return LONGEST_REPORTED if layouts.is_report(self.headers) else LONGEST

    @property
    def longest_record(self) -> int:
        """How many bytes a row may have that has not ended yet."""
        return LONGEST_REPORTED if layouts.is_report(self.headers) else _RECORD_LIMIT


class Misfit(Struct, frozen=True):
    """A row whose cells can't be told apart for sure; ``cells`` are as many as were found."""

    code: str
    cells: tuple[str, ...]


class Records(Struct, frozen=True):
    """Some records in order: one text array per column of the header, the first one's row number.

    ``misfits`` are by position. Blank records are among them, so that row numbers follow from positions.
    """

    columns: list[Text]
    first_row: int
    misfits: dict[int, Misfit] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many records there are."""
        return len(self.columns[0])


class Span(Struct, frozen=True):
    """A stretch of a file's text, of whole records below the header.

    ``start`` and ``stop`` are bytes of the text as UTF-8; ``row`` is the number of the first record there,
    ``line`` how many lines the text has above it, and one.
    """

    start: int
    stop: int
    row: int
    line: int


def head(chunks: Iterable[bytes]) -> str:
    """As much of a file's beginning as its form is told by."""
    first = next(iter(chunks), b"")
    return first[: 4 * _HEAD_CHARACTERS].decode(errors="ignore")[:_HEAD_CHARACTERS]


def detect(head: str, layout: layouts.Layout, needed: Sequence[str]) -> Form:
    """Find the delimiter and the header row in a file's first records, together.

    Title rows above the header are looked over: the header is the first row that has the ``needed``
    canonical columns, else the row that has most of them. The first row of a report of ours is its header,
    wherever the layout has it.
    """
    separator = _SEPARATOR_LINE.match(head)
    offset = 1 if separator else 0
    if separator:
        head = head[separator.end() :]
    best: tuple[tuple[int, int, int, int], Form] | None = None
    for delimiter in separator[2] if separator else DELIMITERS:
        for row, cells in _first_records(head, delimiter):
            if row == 1 and layouts.is_report(cells):
                return _form(delimiter, cells, row, offset, layout)
            if layout.header_row not in {0, row}:
                continue
            score = _score(cells, row, layout, needed)
            if best is None or score > best[0]:
                best = (score, _form(delimiter, cells, row, offset, layout))
    return best[1] if best else Form(DELIMITERS[0], (head.partition("\n")[0].strip(),), 1, offset)


def _form(delimiter: str, cells: tuple[str, ...], row: int, offset: int, layout: layouts.Layout) -> Form:
    found = layouts.match(cells, layout).columns
    last = Form(delimiter, cells, row, offset).named - 1
    return Form(delimiter, cells, row, offset, last in {found.get(name) for name in _FILLED})


_FILLED = ("order_id", "sku", "quantity", "tracking_number")


def header_among(
    rows: Iterable[tuple[int, tuple[str, ...]]], layout: layouts.Layout, needed: Sequence[str]
) -> tuple[tuple[int, int, int, int], Form] | None:
    """The header among the first rows of a sheet, found as in text, and how well it fits; None if all blank.

    How well it fits begins with 0 where all ``needed`` columns are there.
    """
    filled = [(row, cells) for row, cells in rows if any(cell.strip() for cell in cells)]
    if filled and filled[0][0] == 1 and layouts.is_report(filled[0][1]):
        filled = filled[:1]
    elif layout.header_row:
        filled = [(row, cells) for row, cells in filled if row == layout.header_row]
    scored = ((_score(cells, row, layout, needed), Form("", cells, row, 0)) for row, cells in filled)
    return max(scored, key=lambda one: one[0], default=None)


def check_header(chunks: Iterable[bytes], form: Form, name: str) -> None:
    """See that the header row ends, and the rows above it.

    Raises:
        ManifestError: a quote is opened in them and never closed.
    """
    feed = _Feed(chunks, name, form)
    while not feed.is_below_header and feed.fill():
        feed.take(0, len(form.headers))


def spans(chunks: Iterable[bytes], form: Form, name: str, size: int) -> Iterator[Span]:
    """Where to part UTF-8 ``chunks`` so that each part, of ``size`` bytes or more, can be read alone.

    Raises:
        ManifestError: as when they are read.
    """
    feed = _Feed(chunks, name, form)
    row, open_one = form.header_row + 1, None
    while feed.fill():
        if not feed.is_below_header:
            feed.take(row, len(form.headers))
            continue
        span = open_one or Span(feed.taken, feed.taken, row, feed.line)
        row += feed.pass_over()
        open_one = replace(span, stop=feed.taken)
        if open_one.stop - open_one.start >= size:
            yield open_one
            open_one = None
    if open_one:
        yield open_one


def read(chunks: Iterable[bytes], form: Form, name: str, span: Span | None = None) -> Iterator[Records]:
    """Cut UTF-8 ``chunks`` into blocks of records, from below the header to the end; or those of a ``span``.

    Raises:
        ManifestError: a quote is opened and never closed (the line is named where it opened), or a cell has
            more than 131,072 characters, if it is not in one of our own reports.
    """
    width = len(form.headers)
    feed = _Feed(chunks, name, form, span)
    row = span.row if span else form.header_row + 1
    while feed.fill():
        records = feed.take(row, width)
        if records is not None:
            row += len(records)
            yield records


def _first_records(head: str, delimiter: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    lines = _Lines(head)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    for row in range(1, HEADER_SEARCHED + 1):
        lines.begin_record()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            cells = lines.record[0].rstrip("\r\n").split(delimiter)  # for the header to be known, even so
        if any(cell.strip() for cell in cells):
            yield row, tuple(cells)


def _score(
    cells: Sequence[str], row: int, layout: layouts.Layout, needed: Sequence[str]
) -> tuple[int, int, int, int]:
    found = layouts.match(cells, layout)
    named = set(found.columns) | set(found.doubled)
    missing = sum(column not in named for column in needed)
    return (-missing, min(len(named), 2), -row if named else -HEADER_SEARCHED, len(cells))


class _Feed:
    """The text still to be cut, always beginning where a record begins."""

    def __init__(self, chunks: Iterable[bytes], name: str, form: Form, span: Span | None = None) -> None:
        self._chunks = iter(chunks)
        self._name = name
        self._form = form
        self._text = b""
        self._ended = False
        self._starving = True
        self.taken = 0
        self.line = span.line if span else 1
        self._lines_to_skip = 0 if span else form.offset
        self._records_to_skip = 0 if span else form.header_row

    @property
    def is_below_header(self) -> bool:
        """Whether what is cut next is data."""
        return not self._lines_to_skip and not self._records_to_skip

    def fill(self) -> bool:
        """Have text to cut, if there is any left."""
        while not self._ended and (self._starving or not self._text):
            if len(self._text) > self._form.longest_record:
                limit = f"{self._form.longest_record >> 20} MiB"
                raise self._error(0, f"a row of more than {limit} begins here; a manifest has a row per line")
            chunk = next(self._chunks, None)
            self._ended = chunk is None
            self._text += chunk or b""
            self._starving = False
        return bool(self._text)

    def take(self, row: int, width: int) -> Records | None:
        """Cut what can be cut now; None when it was no data, or more text is needed."""
        if self._lines_to_skip:
            self._skip_separator_line()
            return None
        if self._records_to_skip:
            self._skip_header()
            return None
        cut = self._strict_cut()
        if cut == 0:
            self._starving = True
            return None
        if cut is not None:
            records = _records(memoryview(self._text)[:cut], row, width, self._form)
            if records is not None:
                self._drop(cut)
                return records
        return self._row_by_row(row, width)

    def pass_over(self) -> int:
        """Cut what ``take`` would cut, and return only how many records that are."""
        cut = self._strict_cut()
        if cut == 0:
            self._starving = True
            return 0
        if cut is None:
            return len(self._records_of_lines())
        records = _count(self._text, cut, ord(self._form.delimiter))
        self._drop(cut)
        return records

    def _skip_separator_line(self) -> None:
        line = _LINE.match(self._text)
        if not line or (line.end() == len(self._text) and not self._ended):
            self._starving = True
            return
        self._lines_to_skip = 0
        self._drop(line.end())
        self._starving = False

    def _skip_header(self) -> None:
        skipped, used = self._parse(self._end_of_lines(_ROW_BY_ROW_BYTES), self._records_to_skip)
        if len(skipped) < self._records_to_skip:
            skipped, used = self._parse(self._end_of_lines(), self._records_to_skip)
        if len(skipped) < self._records_to_skip and not self._ended:
            self._starving = True
            return
        self._records_to_skip = 0
        self._drop(used)
        self._starving = False

    def _row_by_row(self, row: int, width: int) -> Records | None:
        found = self._records_of_lines()
        if not found:
            return None
        misfits = {
            position: Misfit(code or RAGGED, tuple(cells))
            for position, (code, cells) in enumerate(found)
            if code or _is_ragged(cells, self._form)
        }
        columns = zip(*(_fitted(cells, width) for _, cells in found), strict=True)
        return Records([pa.array(column, pa.string()) for column in columns], row, misfits)

    def _records_of_lines(self) -> list[tuple[str, list[str]]]:
        """The next records, each with its fault's code and its cells; none if more text is needed."""
        found, used = self._parse(self._end_of_lines(_ROW_BY_ROW_BYTES), None)
        if not found:
            found, used = self._parse(self._end_of_lines(), None)
        if not found:
            self._starving = True
            return []
        self._drop(used)
        self._starving = False
        return found

    def _drop(self, used: int) -> None:
        self.line += _line_ends(self._text, used)
        self.taken += used
        self._text = self._text[used:]
        self._starving = True

    def _end_of_lines(self, limit: int | None = None) -> int:
        """Where the last whole line ends, within ``limit``; a CR at the very end may be half of a CRLF."""
        size = len(self._text)
        if limit is None or limit >= size:
            if self._ended:
                return size
            limit = size
        line_feed = self._text.rfind(b"\n", 0, limit)
        return max(line_feed, self._text.rfind(b"\r", line_feed + 1, limit - 1)) + 1

    def _strict_cut(self) -> int | None:
        """Where the last whole record ends before any whose quoting is not RFC 4180's.

        None if the first one's is not, or if there is so much text that it can't be; 0 if it needs more text.
        """
        end = self._end_of_lines()
        if end and _QUOTE in self._text:
            text = np.frombuffer(self._text, dtype=np.uint8)
            quotes = np.flatnonzero(text == _QUOTE)
            delimiter = ord(self._form.delimiter)
            if _opens_cell(text, quotes, delimiter).any():
                strict = _strict(text, quotes, delimiter, ended=self._ended)
                if strict < len(quotes):
                    end = self._line_begins(int(quotes[strict]))
                end = self._before_open_quote(end, quotes)
                if not end and strict < len(quotes):
                    return None
        return None if not end and (self._ended or len(self._text) >= 4 * self._form.longest_cell) else end

    def _before_open_quote(self, end: int, quotes: npt.NDArray[np.intp]) -> int:
        """Where the last line ends, not after ``end``, that has no open quote."""
        while end:
            before = int(np.searchsorted(quotes, end))
            if before % 2 == 0:
                return end
            end = self._line_begins(int(quotes[before - 1]))
        return 0

    def _line_begins(self, position: int) -> int:
        return max(self._text.rfind(b"\n", 0, position), self._text.rfind(b"\r", 0, position)) + 1

    def _parse(self, end: int, limit: int | None) -> tuple[list[tuple[str, list[str]]], int]:
        """Whole records before ``end``, each with its fault's code and its cells; the bytes they take."""
        more = end < len(self._text) or not self._ended
        lines = _Lines(self._text[:end].decode())
        reader = csv.reader(lines, delimiter=self._form.delimiter, strict=True)
        found: list[tuple[str, list[str]]] = []
        used = 0
        with cells_up_to(self._form.longest_cell):
            while limit is None or len(found) < limit:
                lines.begin_record()
                try:
                    cells, code = next(reader), ""
                except StopIteration:
                    break
                except csv.Error as error:
                    if lines.exhausted and more:
                        break
                    cells, code = self._after_fault(lines, error), BAD_QUOTING
                found.append((code, cells))
                used = lines.bytes_taken
        return found, used

    def _after_fault(self, lines: _Lines, error: csv.Error) -> list[str]:
        """The cells of a row that has its fault within one line; any other fault is the whole file's."""
        delimiter, longest = self._form.delimiter, self._form.longest_cell
        if len(lines.record) == 1 and not lines.exhausted and len(lines.record[0]) <= longest:
            return lines.record[0].rstrip("\r\n").split(delimiter)
        culprit = _culprit("".join(lines.record), delimiter, longest)
        if len(lines.record) == 1 and culprit.fault == _GOES_ON:
            return lines.record[0].rstrip("\r\n").split(delimiter)
        raise self._error(lines.lines_before + culprit.line, culprit.words) from error

    def _error(self, line: int, words: str) -> ManifestError:
        return ManifestError(f"{self._name}, line {self.line + line}: {words}")


def _count(text: bytes, stop: int, delimiter: int) -> int:
    """How many records end before ``stop``, where one does, in text without a fault in its quoting."""
    unended = text[stop - 1] not in b"\r\n"
    if text.find(b'"', 0, stop) < 0:
        return _line_ends(text, stop) + unended
    there = np.frombuffer(text, dtype=np.uint8, count=stop)
    quotes = np.flatnonzero(there == _QUOTE)
    if not _opens_cell(there, quotes, delimiter).any():
        return _line_ends(text, stop) + unended
    ends = (there == _LF) | (there == _CR)
    ends[:-1] &= (there[:-1] != _CR) | (there[1:] != _LF)  # the two end one line
    before = np.searchsorted(quotes, np.flatnonzero(ends))
    return int(np.count_nonzero(before % 2 == 0)) + unended


def _line_ends(text: bytes, stop: int) -> int:
    """How many lines end before ``stop``; counting is quick where no line ends in CR."""
    there = np.frombuffer(text, dtype=np.uint8, count=stop)
    pieces = range(0, stop, _COUNTED_AT_ONCE)
    found = sum(int(np.count_nonzero(there[start : start + _COUNTED_AT_ONCE] == _LF)) for start in pieces)
    if text.find(b"\r", 0, stop) >= 0:
        found += text.count(b"\r", 0, stop) - text.count(b"\r\n", 0, stop)
    return found


class _Lines:
    """Lines for the csv module, remembering which of them the current record has taken."""

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text, newline="")
        self.record: list[str] = []
        self.exhausted = False
        self.bytes_taken = self.lines_before = 0

    def begin_record(self) -> None:
        self.lines_before += len(self.record)
        self.record = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._lines.readline()
        if not line:
            self.exhausted = True
            raise StopIteration
        self.record.append(line)
        self.bytes_taken += len(line) if line.isascii() else len(line.encode())
        return line


class _Culprit(Struct, frozen=True):
    """The cell for which the csv module gave up on a record, and how many lines below its first it begins."""

    line: int
    fault: str
    begins: str
    limit: int

    @property
    def words(self) -> str:
        """What is wrong with it and what to do about it."""
        return self.fault.format(cell=repr(self.begins[:60]), limit=self.limit)


_NEVER_CLOSED = (
    "a quote opens here and is never closed, or not within {limit:,} characters: {cell}; "
    "close it, or, if it belongs to the text, put the cell in quotes and write it twice"
)
_GOES_ON = (
    "a quote opens here, and text follows the quote that closes it, some lines below: {cell}; "
    "close it, or, if it belongs to the text, put the cell in quotes and write it twice"
)
_TOO_LONG = (
    "a cell of more than {limit:,} characters begins here: {cell}; "
    "shorten it, or look for the quote or line break that is missing"
)


def _culprit(record: str, delimiter: str, longest: int) -> _Culprit:
    end = re.escape(delimiter)
    whole = re.compile(rf'({_QUOTED}|(?!")[^{end}\r\n]*)(?:{end}|\r\n|\n|\r|\Z)')
    position = 0
    while (cell := whole.match(record, position)) is not None and _length(cell[1]) <= longest:
        position = cell.end()
    if cell is not None:
        fault = _TOO_LONG
    elif re.compile(_QUOTED).match(record, position):
        fault = _GOES_ON
    else:
        fault = _NEVER_CLOSED
    return _Culprit(
        len(_LINE_END.findall(record[:position])), fault, _LINE_END.split(record[position:])[0], longest
    )


def _length(cell: str) -> int:
    return len(cell) if not cell.startswith('"') else len(cell) - 2 - cell.count('""', 1, -1)


def _opens_cell(
    text: npt.NDArray[np.uint8], quotes: npt.NDArray[np.intp], delimiter: int
) -> npt.NDArray[np.bool_]:
    """Which of ``quotes`` stand where a cell begins."""
    before = text[np.maximum(quotes, 1) - 1]
    opens: npt.NDArray[np.bool_] = (quotes == 0) | np.isin(before, (delimiter, _LF, _CR))
    return opens


def _strict(text: npt.NDArray[np.uint8], quotes: npt.NDArray[np.intp], delimiter: int, *, ended: bool) -> int:
    """How many of ``quotes``, which open and close cells in turn, do so where RFC 4180 has them.

    Where a closing quote meets an opening one, the two are a doubled quote inside a cell.
    """
    opening, closing = quotes[0::2], quotes[1::2]
    last = len(text) - 1
    fine = np.ones(len(quotes), dtype=bool)
    fine[0::2] = _opens_cell(text, opening, delimiter) | (text[np.maximum(opening, 1) - 1] == _QUOTE)
    after = text[np.minimum(closing + 1, last)]
    fine[1::2] = (closing == last) | np.isin(after, (delimiter, _LF, _CR, _QUOTE))
    if ended and len(quotes) % 2:
        fine[-1] = False
    return len(quotes) if fine.all() else int(fine.argmin()) // 2 * 2


def _records(text: memoryview, row: int, width: int, form: Form) -> Records | None:
    """All of ``text``, which has no fault in its quoting; None if a cell is too long."""
    columns, ragged = _columns(text, width, form.delimiter, in_order=False)
    if ragged:  # only reading in order tells where
        columns, ragged = _columns(text, width, form.delimiter, in_order=True)
    if any(_has_longer_cell(column, form.longest_cell) for column in columns):
        return None
    try:
        with cells_up_to(form.longest_cell):
            cells = [next(csv.reader([line.text], delimiter=form.delimiter, strict=True)) for line in ragged]
    except csv.Error:
        return None
    positions = [line.number - 1 for line in ragged]
    misfits = {
        position: Misfit(RAGGED, tuple(found))
        for position, found in zip(positions, cells, strict=True)
        if _is_ragged(found, form)
    }
    if ragged:
        columns = _inserted(columns, positions, [_fitted(found, width) for found in cells])
    return Records(columns, row, misfits)


def _columns(
    text: memoryview, width: int, delimiter: str, *, in_order: bool
) -> tuple[list[Text], list[pacsv.InvalidRow]]:
    """The columns of the rows that fit, and the rows that don't."""
    ragged: list[pacsv.InvalidRow] = []
    names = [str(position) for position in range(width)]

    def note(row: pacsv.InvalidRow) -> str:
        ragged.append(row)
        return "skip"

    if text[: len(_BOM)] == _BOM:
        text = memoryview(_BOM + text)  # pyarrow takes one off, wherever in the file the block stands
    table = pacsv.read_csv(
        pa.py_buffer(text),
        pacsv.ReadOptions(column_names=names, block_size=len(text) + 1, use_threads=not in_order),
        pacsv.ParseOptions(
            delimiter=delimiter,
            newlines_in_values=True,
            ignore_empty_lines=False,
            invalid_row_handler=note,
        ),
        pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, null_values=[]
        ),
    )
    return [
        column.chunk(0) if column.num_chunks == 1 else column.combine_chunks() for column in table.columns
    ], ragged


def _inserted(columns: Sequence[Text], positions: Sequence[int], rows: Sequence[Sequence[str]]) -> list[Text]:
    """The columns with ``rows`` put in so that they come to stand at ``positions``."""
    there, more = len(columns[0]), len(rows)
    order = np.empty(there + more, dtype=np.int64)
    fits = np.ones(there + more, dtype=bool)
    fits[positions] = False
    order[fits] = np.arange(there)
    order[positions] = np.arange(there, there + more)
    return [
        pa.concat_arrays([column, pa.array(cells, pa.string())]).take(pa.array(order))
        for column, cells in zip(columns, zip(*rows, strict=True), strict=True)
    ]


def _is_ragged(cells: Sequence[str], form: Form) -> bool:
    """Not where nothing but blank cells without a header are missing at the end, or too many there."""
    if len(cells) == len(form.headers):
        return False
    whole = len(cells) == form.named or (form.is_closed and len(cells) > form.named)
    return any(cell.strip() for cell in (cells[form.named :] if whole else cells))


def _fitted(cells: list[str], width: int) -> list[str]:
    return (cells + [""] * width)[:width]


def _has_longer_cell(column: Text, limit: int) -> bool:
    """Whether the csv module would refuse a cell, so that it never depends on the cell's neighbours."""
    longest = pc.max(pc.binary_length(column)).as_py() or 0
    return longest > limit and pc.max(pc.utf8_length(column)).as_py() > limit


def is_blank(columns: Sequence[Text]) -> npt.NDArray[np.bool_]:
    """Which records have nothing but white space in all cells."""
    blank = np.ones(len(columns[0]), dtype=bool)
    for column in columns:
        blank &= pc.equal(pc.utf8_trim_whitespace(column), "").to_numpy(zero_copy_only=False)
        if not blank.any():
            break
    return blank

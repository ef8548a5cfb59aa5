"""Delimited text → blocks of text columns, numbered as a spreadsheet shows them. Converts no value.

A block is some 16 MiB of whole records. Where its quoting is exactly RFC 4180's and no row is ragged, it is
cut into columns by pyarrow in one go; otherwise row by row, by the csv module, so that a fault stays in the
row that has it. RFC 4180 section 2: a quoted field begins and ends at a delimiter or line break, and a quote
inside it is doubled.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from importer.errors import ManifestError
from importer.manifests import layouts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    Text: TypeAlias = pa.Array[Any]

DELIMITERS = (",", ";", "\t", "|")
_HEADER_SEARCHED = 50
_CELL_LIMIT = 131_072  # the csv module's own, in characters
_QUOTE, _LF, _CR = b'"\n\r'
_SEPARATOR_LINE = re.compile(r"sep=([,;\t|])\r?\n")

RAGGED = "ragged-row"
BAD_QUOTING = "bad-quoting"


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is delimited: the header's cells, its row number, and what stands above the header.

    ``offset`` is 1 where the file begins with a ``sep=;`` line, which no spreadsheet program shows.
    """

    delimiter: str
    headers: tuple[str, ...]
    header_row: int
    offset: int


@dataclass(frozen=True, slots=True)
class Misfit:
    """A row whose cells can't be told apart for sure; ``cells`` are as many as were found."""

    code: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Records:
    """Some records in order: one text array per column of the header, the first one's row number.

    ``misfits`` are by position. Blank records are among them, so that row numbers follow from positions.
    """

    columns: list[Text]
    first_row: int
    misfits: dict[int, Misfit] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many records there are."""
        return len(self.columns[0])


def detect(head: str, layout: layouts.Layout, needed: Sequence[str]) -> Form:
    """Find the delimiter and the header row in a file's first records, together.

    Title rows above the header are looked over: the header is the first row that has the ``needed``
    canonical columns, else the row that has most of them.
    """
    separator = _SEPARATOR_LINE.match(head)
    offset = 1 if separator else 0
    if separator:
        head = head[separator.end() :]
    best: tuple[tuple[int, int, int, int], Form] | None = None
    for delimiter in separator.group(1) if separator else DELIMITERS:
        for row, cells in _first_records(head, delimiter):
            score = _score(cells, row, layout, needed)
            if best is None or score > best[0]:
                best = (score, Form(delimiter, cells, row, offset))
    return best[1] if best else Form(DELIMITERS[0], (head.partition("\n")[0].strip(),), 1, offset)


def read(chunks: Iterable[bytes], form: Form, name: str) -> Iterator[Records]:
    """Cut UTF-8 ``chunks`` into blocks of records, from below the header to the end.

    Raises:
        ManifestError: a quote is opened and never closed; the line is named where it opened.
    """
    width = len(form.headers)
    feed = _Feed(chunks, name, form)
    row = form.header_row + 1
    while feed.fill():
        records = feed.take(row, width)
        if records is not None:
            row += len(records)
            yield records


def _first_records(head: str, delimiter: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter, strict=True)
    for row in range(1, _HEADER_SEARCHED + 1):
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            continue
        if any(cell.strip() for cell in cells):
            yield row, tuple(cells)


def _score(
    cells: Sequence[str], row: int, layout: layouts.Layout, needed: Sequence[str]
) -> tuple[int, int, int, int]:
    found = layouts.match(cells, layout)
    named = set(found.columns) | set(found.doubled)
    missing = sum(column not in named for column in needed)
    return (-missing, min(len(named), 2), -row if named else -_HEADER_SEARCHED, len(cells))


class _Feed:
    """The text still to be cut, always beginning where a record begins."""

    def __init__(self, chunks: Iterable[bytes], name: str, form: Form) -> None:
        self._chunks = iter(chunks)
        self._name = name
        self._form = form
        self._delimiter = form.delimiter.encode()
        self._text = b""
        self._ended = False
        self._starving = True
        self._line = 1
        self._lines_to_skip = form.offset
        self._records_to_skip = form.header_row

    def fill(self) -> bool:
        """Have text to cut, if there is any left."""
        while not self._ended and (self._starving or not self._text):
            chunk = next(self._chunks, None)
            if chunk is None:
                self._ended = True
            else:
                self._text += chunk
            self._starving = False
        if self._lines_to_skip:
            self._drop(self._text.index(b"\n") + 1)
            self._lines_to_skip = 0
            self._starving = False
        return bool(self._text)

    def take(self, row: int, width: int) -> Records | None:
        """Cut what can be cut now; None when the header only was cut, or more text is needed."""
        if self._records_to_skip:
            self._skip_header()
            return None
        cut = self._strict_cut()
        if cut == 0:
            self._starving = True
            return None
        if cut is not None:
            columns = _columns(memoryview(self._text)[:cut], width, self._form.delimiter)
            if columns is not None:
                self._drop(cut)
                return Records(columns, row)
        return self._row_by_row(row, width)

    def _skip_header(self) -> None:
        skipped, used = self._parse(self._records_to_skip)
        if len(skipped) < self._records_to_skip and not self._ended:
            self._starving = True
            return
        self._records_to_skip = 0
        self._drop(used)
        self._starving = False

    def _row_by_row(self, row: int, width: int) -> Records | None:
        found, used = self._parse(None)
        if not found:
            self._starving = True
            return None
        self._drop(used)
        misfits = {}
        for position, (code, cells) in enumerate(found):
            if code or (len(cells) != width and any(cell.strip() for cell in cells)):
                misfits[position] = Misfit(code or RAGGED, tuple(cells))
        padded = [(cells + [""] * width)[:width] for _, cells in found]
        columns = [pa.array(column, pa.string()) for column in zip(*padded, strict=True)]
        return Records(columns, row, misfits)

    def _drop(self, used: int) -> None:
        gone = self._text[:used]
        self._line += gone.count(b"\n") + gone.count(b"\r") - gone.count(b"\r\n")
        self._text = self._text[used:]
        self._starving = True

    def _end_of_lines(self) -> int:
        """Where the last whole line ends; a CR at the very end may be half of a CRLF."""
        if self._ended:
            return len(self._text)
        limit = len(self._text) - 1
        return max(self._text.rfind(b"\n"), self._text.rfind(b"\r", 0, limit)) + 1

    def _strict_cut(self) -> int | None:
        """Where the last whole record ends if all quoting is RFC 4180's; None if it is not; 0: none ends."""
        end = self._end_of_lines()
        if not end:
            return 0 if not self._ended and len(self._text) < 4 * _CELL_LIMIT else None
        if _QUOTE not in self._text:
            return end
        text = np.frombuffer(self._text, dtype=np.uint8)
        quotes = np.flatnonzero(text == _QUOTE)
        if not _is_strict(text, quotes, ord(self._form.delimiter)):
            return None
        if self._ended:
            return None if len(quotes) % 2 else end
        while end:
            inside = int(np.searchsorted(quotes, end)) % 2
            if not inside:
                return end
            # The open quote is the last one before ``end``; records end before it.
            opened = int(quotes[int(np.searchsorted(quotes, end)) - 1])
            end = max(self._text.rfind(b"\n", 0, opened), self._text.rfind(b"\r", 0, opened)) + 1
        return 0 if len(self._text) < 4 * _CELL_LIMIT else None

    def _parse(self, limit: int | None) -> tuple[list[tuple[str, list[str]]], int]:
        """Whole records one by one, each with its fault's code and its cells; the bytes they take."""
        end = self._end_of_lines()
        lines = _Lines(self._text[:end].decode())
        reader = csv.reader(lines, delimiter=self._form.delimiter, strict=True)
        found: list[tuple[str, list[str]]] = []
        used = 0
        while limit is None or len(found) < limit:
            lines.begin_record()
            try:
                cells, code = next(reader), ""
            except StopIteration:
                break
            except csv.Error as error:
                if lines.exhausted and not self._ended:
                    break
                cells, code = self._after_fault(lines, error), BAD_QUOTING
            found.append((code, cells))
            used = lines.bytes_taken
        return found, used

    def _after_fault(self, lines: _Lines, error: csv.Error) -> list[str]:
        if len(lines.record) == 1 and not lines.exhausted and len(lines.record[0]) < _CELL_LIMIT:
            return lines.record[0].rstrip("\r\n").split(self._form.delimiter)
        opened = _open_quote("".join(lines.record), self._form.delimiter)
        line = self._line + lines.lines_before + opened.line
        raise ManifestError(
            f"{self._name}, line {line}: a quote opens here and is never closed: {opened.shown!r}; "
            "close it, or, if it belongs to the text, put the cell in quotes and write it twice"
        ) from error


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


@dataclass(frozen=True, slots=True)
class _Opened:
    """Where the last quoted cell of a record opens: lines below the record's first, and what stands there."""

    line: int
    shown: str


def _open_quote(record: str, delimiter: str) -> _Opened:
    end = re.escape(delimiter)
    cell = re.compile(rf'(?:"(?:[^"]|"")*"|[^"{end}\r\n][^{end}\r\n]*|)(?:{end}|\r\n|\n|\r)')
    position = 0
    while (found := cell.match(record, position)) is not None:
        position = found.end()
    line = len(re.findall(r"\r\n|\n|\r", record[:position]))
    return _Opened(line, re.split(r"[\r\n]", record[position:], maxsplit=1)[0][:60])


def _is_strict(text: npt.NDArray[np.uint8], quotes: npt.NDArray[np.intp], delimiter: int) -> bool:
    opening, closing = quotes[0::2], quotes[1::2]
    before = text[np.maximum(opening, 1) - 1]
    after = text[np.minimum(closing + 1, len(text) - 1)]
    # Where a closing quote meets an opening one, the two are a doubled quote inside a cell.
    begins = (opening == 0) | np.isin(before, (delimiter, _LF, _CR, _QUOTE))
    ends = (closing == len(text) - 1) | np.isin(after, (delimiter, _LF, _CR, _QUOTE))
    return bool(begins.all() and ends.all())


def _columns(text: memoryview, width: int, delimiter: str) -> list[Text] | None:
    """The block's columns, or None if one of its rows is ragged."""
    ragged: list[int] = []
    names = [str(position) for position in range(width)]

    def note(row: pacsv.InvalidRow) -> str:
        ragged.append(row.actual_columns)
        return "skip"

    table = pacsv.read_csv(
        pa.py_buffer(text),
        pacsv.ReadOptions(column_names=names, block_size=len(text) + 1, use_threads=True),
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
    if ragged:
        return None
    return [column.combine_chunks() for column in table.columns]


def is_blank(columns: Sequence[Text]) -> npt.NDArray[np.bool_]:
    """Which records have nothing but white space in all cells."""
    blank = pc.equal(columns[0], "")
    if not _any(blank) and not _any(pc.match_substring_regex(columns[0], r"^\s+$")):
        return np.zeros(len(columns[0]), dtype=bool)
    empty = np.ones(len(columns[0]), dtype=bool)
    for column in columns:
        empty &= pc.equal(pc.utf8_trim_whitespace(column), "").to_numpy(zero_copy_only=False)
        if not empty.any():
            break
    return empty


def _any(mask: Text) -> bool:
    return bool(pc.any(mask).as_py())

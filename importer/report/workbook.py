"""report.xlsx: the rows of a report in a workbook, to be mended in a spreadsheet program and imported again.

Every cell is text, whatever is in it: no number that would lose its digits, no formula that would run. The
columns and the words are those of rows.csv, which the tables hand over as they write it.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError, XlsxWriterException

from importer.errors import CannotGoOn
from importer.model import STATUSES
from importer.printing import printable
from importer.report import phrases
from importer.report.files import ROWS, WORKBOOK, finish, sync, unfinished
from importer.report.sinks import Mark
from schemas.formulas import GUARDED, GUARDED_NUMBER
from schemas.manifest import REPORT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path
    from typing import BinaryIO

    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

    from importer.report.account import Examples
    from importer.report.sinks import Block, Outline
    from importer.report.summary import Filed, Summary

    Text: TypeAlias = pa.Array[Any]

ALL_ROWS: Final = 200_000
"""A run of more rows than these has only those in its workbook that need attention."""
MOST_ROWS, MOST_COLUMNS = 1_048_575, 16_384  # of a sheet, below its header: ECMA-376
MOST_COMMENTS: Final = (
    10_000  # they are kept until the end, and spreadsheet programs open many of them slowly
)
TEXT: Final = {"num_format": "@", "valign": "top"}
HEADER: Final = {**TEXT, "bold": True, "bg_color": "#D9E1F2"}
OPTIONS: Final = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}
_BAD: Final = {**TEXT, "bg_color": "#FFC7CE"}
_DOUBTFUL: Final = {**TEXT, "bg_color": "#FFEB9C"}
_COMMENT: Final = {"width": 320, "height": 110}  # pixels
_AUTHOR: Final = "importer"
_ROWS_AT_ONCE: Final = 5_000
_NARROW, _WIDE = 10, 60  # characters
_STATUS, _WARNING = (REPORT_COLUMNS.index(name) for name in ("import_status", "import_warning"))


@contextmanager
def opened(folder: Path) -> Iterator[Book]:
    """A workbook that is written to ``folder`` when it is finished; what is not leaves nothing.

    Raises:
        CannotGoOn: there is no room for it.
    """
    try:
        scratch = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    with scratch as place:
        book = Book(folder, place)
        try:
            yield book
        finally:
            book.close()


class Book:
    """The workbook of a report while it is written: ``begin``, ``add`` for each block, ``finish``."""

    kind: Final = "xlsx"

    def __init__(self, folder: Path, scratch: str) -> None:
        self._folder = folder
        self.path = folder / WORKBOOK
        self._target = _Target()
        self._workbook = Workbook(self._target, {**OPTIONS, "tmpdir": scratch})
        self._workbook.use_zip64()
        self._rows = self._workbook.add_worksheet(ROWS)
        self._text, self._header, self._bad, self._doubtful = (
            self._workbook.add_format(look) for look in (TEXT, HEADER, _BAD, _DOUBTFUL)
        )
        self._own = 0
        self._next = 1
        self._comments = 0
        self._cut = 0
        self._which = ""
        self._widths: list[int] = []
        self._has_all = True
        self._has_any = True

    def begin(self, outline: Outline) -> None:
        """Write the header, and choose which rows are taken: all, or those that need attention.

        Raises:
            OSError: there is no room.
        """
        headers, to_mend = outline.headers, outline.to_mend
        self._has_all = outline.rows <= ALL_ROWS
        self._has_any = to_mend <= MOST_ROWS and len(headers) <= MOST_COLUMNS
        self._which = _which(outline.rows, to_mend, has_all=self._has_all, has_any=self._has_any)
        self._own = len(headers) - len(REPORT_COLUMNS)
        shown = headers if self._has_any else headers[self._own :]
        self._widths = [len(header) + 3 for header in shown]  # beside the filter's button
        for column, header in enumerate(_kept(pa.array(shown, pa.string())).to_pylist()):
            self._write(0, column, header, self._header)

    def add(self, block: Block) -> None:
        """Write the block's rows that are taken.

        Raises:
            OSError: there is no room.
        """
        taken = block.new if self._has_all else block.to_mend
        rows = np.flatnonzero(taken) if self._has_any else np.empty(0, dtype=np.int64)
        if not len(rows):
            return
        marked = _by_row(block.marks())
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[start : start + _ROWS_AT_ONCE]
            cells = block.cells(some)
            self._widths = [
                max(width, pc.max(pc.utf8_length(column)).as_py())
                for width, column in zip(self._widths, cells, strict=True)
            ]
            read_again = map(_kept, cells[: self._own])
            texts = zip(*(column.to_pylist() for column in (*read_again, *cells[self._own :])), strict=True)
            for row, line in zip(some.tolist(), texts, strict=True):
                self._put(line, marked.get(row, {}), needs_attention=bool(block.attention[row]))

    def finish(self, summary: Summary) -> None:
        """Write what ``summary`` says on a sheet of its own, and give the workbook its name.

        Raises:
            CannotGoOn: it can't be written.
        """
        try:
            self._shape()
            self._tell(summary)
            self._workbook.set_properties(
                {"title": f"run {summary.run_id}", "author": _AUTHOR, "created": summary.started_at}
            )
            with unfinished(self.path).open("wb") as file:
                self._target.file = file
                self._workbook.close()
                if self._target.failure is not None:
                    raise self._target.failure
                sync(file)
            finish(self.path)
        except (OSError, XlsxWriterException) as error:
            raise _unwritable(self._folder, error) from error

    def close(self) -> None:
        """Close the files that an unfinished workbook is gathered in."""
        for sheet in self._workbook.worksheets():
            for file in (sheet.fh, sheet.row_data_fh):
                if file is not None:
                    with suppress(OSError):  # there is no room: that has been said
                        file.close()

    def _put(self, line: Sequence[str], marks: Mapping[int, Mark], *, needs_attention: bool) -> None:
        looks = {column: self._bad if mark.faulty else self._doubtful for column, mark in marks.items()}
        if needs_attention:
            looks[self._own + _STATUS] = self._bad
        if line[self._own + _WARNING]:
            looks[self._own + _WARNING] = self._doubtful
        for column, text in enumerate(line):
            if text or column < self._own or column in looks:  # what is typed into a blank is text, too
                self._write(self._next, column, text, looks.get(column, self._text))
        for column, mark in marks.items():
            if self._comments < MOST_COMMENTS:
                self._rows.write_comment(self._next, column, mark.words, _COMMENT)
                self._comments += 1
        self._next += 1

    def _write(self, row: int, column: int, text: str, look: Format) -> None:
        self._cut += write_text(self._rows, row, column, text, look) == _CUT

    def _shape(self) -> None:
        sheet, columns = self._rows, len(self._widths)
        sheet.set_comments_author(_AUTHOR)
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, self._next - 1, columns - 1)
        sheet.ignore_errors({"number_stored_as_text": cells(self._next, columns)})
        for column, width in enumerate(self._widths):
            sheet.set_column(column, column, min(max(width + 1, _NARROW), _WIDE), self._text)

    def _tell(self, summary: Summary) -> None:
        page = Lines(self._workbook, self._workbook.add_worksheet("summary"), _WIDTHS)
        page.put(f"{summary.command} {summary.destination}".rstrip(), heading=True)
        for name, text in _facts(summary):
            page.put(name, text)
        page.put()
        page.put("status", "meaning", "rows", "fulfillments", heading=True)
        for status in STATUSES:
            page.put(
                status, phrases.meaning(status, summary), summary.rows[status], summary.fulfillments[status]
            )
        page.put("total", "", summary.rows["total"], summary.fulfillments["total"])
        for title, problems in (("problem", summary.errors), ("warning", summary.warnings)):
            _put_problems(page, title, problems)
        _put_files(page, summary.files or ())
        page.put()
        page.put("this workbook", heading=True)
        for name, text in self._notes():
            page.put(name, text)

    def _notes(self) -> Iterator[tuple[str, str]]:
        yield "sheet rows", self._which
        yield "marks", "red: what is wrong; yellow: what is odd; the comments say what to do"
        if self._comments == MOST_COMMENTS:
            yield (
                "comments",
                f"only the first {MOST_COMMENTS:,}; import_message and import_hint have them all",
            )
        if self._cut:
            yield (
                "cut",
                f"{self._cut:,} cells have more characters than a sheet takes; rows.csv has all of them",
            )
        yield "to mend", "correct the cells, save as .xlsx and import this file; import_ columns are not read"


class _Target:
    """The file that a workbook goes into, which takes everything, and remembers the first failure.

    A zip file that meets an error is left open, and meets it again, unheard, when it is thrown away.
    """

    def __init__(self) -> None:
        self.file: BinaryIO | None = None
        self.failure: OSError | None = None
        self._at = 0

    def write(self, data: bytes) -> int:
        """Write ``data``; after a failure, only count it."""
        self._try(lambda file: file.write(data))
        self._at += len(data)
        return len(data)

    def seek(self, offset: int) -> int:
        """Go to ``offset`` from the beginning."""
        self._try(lambda file: file.seek(offset))
        self._at = offset
        return offset

    def tell(self) -> int:
        """Where the next byte goes."""
        return self._at

    def flush(self) -> None:
        """Hand to the system what was written."""
        self._try(lambda file: file.flush())

    def _try(self, step: Callable[[BinaryIO], object]) -> None:
        if self.failure is None and self.file is not None and not self.file.closed:
            try:
                step(self.file)
            except OSError as error:
                self.failure = error


class Lines:
    """A sheet that is written line by line."""

    def __init__(self, workbook: Workbook, sheet: Worksheet, widths: Sequence[int]) -> None:
        self._sheet = sheet
        self._row = 0
        self._text, self._heading = (workbook.add_format({**look, **_WRAPPED}) for look in (TEXT, HEADER))
        self._number = workbook.add_format({"num_format": "#,##0", "valign": "top"})
        for column, width in enumerate(widths):
            sheet.set_column(column, column, width)

    def put(self, *line: str | int, heading: bool = False) -> None:
        """Write a line, with counts as numbers and all else as text."""
        for column, value in enumerate(line):
            if isinstance(value, int):
                self._sheet.write_number(self._row, column, value, self._number)
            else:
                look = self._heading if heading else self._text
                write_text(self._sheet, self._row, column, value, look)
        self._row += 1


_WRAPPED: Final = {"text_wrap": True}
_WIDTHS: Final = (36, 60, 16, 60, 60)
_CUT: Final = -2


def write_text(sheet: Worksheet, row: int, column: int, text: str, look: Format) -> int:
    """Write ``text`` as text, whatever it looks like; returns what xlsxwriter says of it."""
    if not text:
        return int(sheet.write_blank(row, column, None, look))
    if text.startswith("<r>") and text.endswith("</r>"):  # xlsxwriter takes it for markup
        return int(sheet.write_rich_string(row, column, "<", "r", text[2:], look))
    return int(sheet.write_string(row, column, text, look))


def cells(rows: int, columns: int) -> str:
    """The first ``rows`` and ``columns`` of a sheet as a range of cells."""
    last, name = columns, ""
    while last:
        last, letter = divmod(last - 1, 26)
        name = chr(ord("A") + letter) + name
    return f"A1:{name}{rows}"


def _kept(column: Text) -> Text:
    """The cells with one more quote where reading them again takes one off."""
    if not pc.any(pc.starts_with(column, "'")).as_py():
        return column
    guarded = pc.and_not(
        pc.match_substring_regex(column, GUARDED), pc.match_substring_regex(column, GUARDED_NUMBER)
    )
    return pc.if_else(guarded, pc.binary_join_element_wise("'", column, ""), column)


def _by_row(marks: Iterable[Mark]) -> dict[int, dict[int, Mark]]:
    """One mark for each cell; of several the first faulty one colours it, and all have their words."""
    found: dict[int, dict[int, Mark]] = {}
    for mark in marks:
        row = found.setdefault(mark.row, {})
        known = row.get(mark.column)
        if known is not None:
            both = f"{known.words}\n{mark.words}"
            mark = Mark(mark.row, mark.column, both, known.faulty or mark.faulty)  # noqa: PLW2901 - they are one
        row[mark.column] = mark
    return found


def _which(rows: int, to_mend: int, *, has_all: bool, has_any: bool) -> str:
    if not has_any:
        return f"none: a sheet takes {MOST_ROWS:,} rows and {MOST_COLUMNS:,} columns; mend errors.csv instead"
    if has_all:
        return f"all {rows:,} rows, but for those that an earlier manifest of the run has, too"
    return (
        f"the {to_mend:,} rows that need attention; all rows are given where they are not more than "
        f"{ALL_ROWS:,}, and rows.csv has them"
    )


def _facts(summary: Summary) -> Iterator[tuple[str, str]]:
    yield "run", summary.run_id
    yield "started (UTC)", _time(summary.started_at)
    yield "finished (UTC)", _time(summary.finished_at)
    yield "exit status", str(summary.exit_status)
    if summary.stopped_because:
        yield "stopped because", printable(summary.stopped_because)
    if summary.ledger:
        yield "ledger", printable(summary.ledger)
    for manifest in summary.manifests:
        yield "manifest", f"{printable(manifest.name)}, {phrases.counted(manifest.rows, 'row')}"


def _put_problems(page: Lines, title: str, problems: Mapping[str, Examples]) -> None:
    if not problems:
        return
    page.put()
    page.put(title, "meaning", "rows", "what to do", "example", heading=True)
    for code, examples in phrases.by_weight(problems):
        page.put(code, phrases.cause(code), examples.count, phrases.hint(code), phrases.example(code))


def _put_files(page: Lines, files: Sequence[Filed]) -> None:
    if not files:
        return
    page.put()
    page.put("file", "went to", "a manifest", "why", heading=True)
    for file in files:
        place = printable(file.to) or "stays where it is"
        page.put(printable(file.name), place, "yes" if file.is_manifest else "no", printable(file.why))


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _unwritable(folder: Path, error: Exception) -> CannotGoOn:
    cause = error.args[0] if isinstance(error, FileCreateError) else error  # it hides what went wrong
    why = getattr(cause, "strerror", None) or cause
    return CannotGoOn(f"the workbook can't be written to {folder}: {why}")

"""rows.csv and errors.csv: the rows of the manifests beside the numbers of the account."""

from __future__ import annotations

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct, field

from importer.ahead import Behind, ahead
from importer.cells import texts_at
from importer.errors import CannotGoOn
from importer.model import FINE, STATUSES
from importer.report.account import NUMBER_OF, Account, Examples
from importer.report.attention import Attention
from importer.report.files import finish, sync, unfinished
from importer.report.lines import as_bytes, lines
from importer.report.sinks import Block, Outline
from importer.report.told import Stories, Told
from schemas.manifest import REPORT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path
    from typing import BinaryIO

    import numpy.typing as npt

    from importer.report.pages import Page
    from importer.report.sinks import Sink

    Text: TypeAlias = pa.Array[Any]

ROWS, ERRORS = "rows.csv", "errors.csv"
_BOM = "\ufeff".encode()
_EXAMPLES = 3
_ROWS_AT_ONCE = 50_000
_BYTES_UNTIL_SYNC = 32 * 1024 * 1024  # so that little is left to wait for in the end
_BAD_QUOTING = "bad-quoting"
_FINE = np.array([status in FINE for status in STATUSES])


class Written(Struct):
    """What was written: rows by status, how many of them to errors.csv, and examples by code.

    ``attention`` is the same for runs in which the same needs attention.
    """

    rows: dict[str, int] = field(default_factory=lambda: dict.fromkeys(map(str, STATUSES), 0))
    to_mend: int = 0
    errors: dict[str, Examples] = field(default_factory=dict)
    warnings: dict[str, Examples] = field(default_factory=dict)
    attention: Attention = field(default_factory=Attention)

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.rows.values())


def write(account: Account, pages: Sequence[Page], folder: Path, sinks: Sequence[Sink] = ()) -> Written:
    """Write both tables under unfinished names, see that the sums hold, and give them their names.

    The same rows go into ``sinks``, which are finished with the summary.

    Raises:
        CannotGoOn: a table can't be written, a manifest has changed since, or the sums don't hold.
    """
    written = Written()
    plan = _Plan(pages)
    try:
        with ExitStack() as stack:
            rows = stack.enter_context(unfinished(folder / ROWS).open("wb"))
            errors = stack.enter_context(unfinished(folder / ERRORS).open("wb"))
            for file in (rows, errors):
                file.write(_BOM)
                file.write(as_bytes(lines([pa.array([header], pa.string()) for header in plan.headers])))
            with Behind() as to_rows, Behind() as to_errors, ThreadPoolExecutor(2) as joining:
                files = _Files(_File(rows, to_rows), _File(errors, to_errors), joining)
                _write_rows(account, pages, plan, files, written, sinks)
            for file in (rows, errors):
                sync(file)
        check_sums(account, written)
        finish(folder / ROWS, folder / ERRORS)
    except OSError as error:
        raise CannotGoOn(f"the report can't be written to {folder}: {error.strerror or error}") from error
    return written


def check_sums(account: Account, written: Written) -> None:
    """See that every row was written once, with the status that its fulfillment has.

    Raises:
        CannotGoOn: they don't add up; the report is not published.
    """
    counts = account.count_of_rows(0, len(account.of_row))
    expected = {str(status): int(counts[number]) for status, number in NUMBER_OF.items()}
    if written.rows != expected:
        raise _mismatch(f"written {written.rows}, expected {expected}")


def _mismatch(found: str) -> CannotGoOn:
    return CannotGoOn(f"the report does not add up ({found}), so it is not published")


class _File(Struct):
    """One of the two tables, and the thread that writes lines to it."""

    file: BinaryIO
    writing: Behind
    _on_disk: int = 0

    def add(self, coming: Future[Text], chosen: npt.NDArray[np.bool_] | None = None) -> None:
        """Append the lines, or those that are ``chosen``."""
        self.writing.do(partial(self._write, coming, chosen))

    def _write(self, coming: Future[Text], chosen: npt.NDArray[np.bool_] | None) -> None:
        text = coming.result()
        self.file.write(as_bytes(text if chosen is None else text.filter(pa.array(chosen))))
        if self.file.tell() - self._on_disk > _BYTES_UNTIL_SYNC:
            sync(self.file)
            self._on_disk = self.file.tell()


class _Files(Struct, frozen=True):
    """rows.csv and errors.csv, and the thread that joins cells to lines."""

    rows: _File
    errors: _File
    joining: ThreadPoolExecutor

    def add(self, columns: Sequence[Text], to_mend: npt.NDArray[np.bool_]) -> None:
        """Append rows to the one, and those to be mended to the other, while others are told of."""
        text = self.joining.submit(lines, columns)
        self.rows.add(text)
        if to_mend.any():
            self.errors.add(text, to_mend)


class _Plan:
    """Which column of the report each manifest's columns go to.

    The columns of several manifests are put together by canonical column first, then by header, so that the
    report can be imported whatever the manifests called their columns.
    """

    def __init__(self, pages: Sequence[Page]) -> None:
        called: dict[str, set[str]] = {}
        for page in pages:
            for column, position in page.canonical.items():
                called.setdefault(column, set()).add(page.headers[position])
        self._places: dict[tuple[str, str, int], int] = {}
        names: list[str] = []
        self.of_page: list[list[int]] = []
        for page in pages:
            keys = list(_keys(page))
            for key in keys:
                if key not in self._places:
                    self._places[key] = len(names)
                    names.append(key[0] if key[0] and len(called[key[0]]) > 1 else key[1])
            self.of_page.append([self._places[key] for key in keys])
        for (column, _, _), place in self._places.items():
            if column and len(called[column]) == 1:
                names[place] = next(iter(called[column]))
        self.width = len(names)
        self.canonical = {column: place for (column, _, _), place in self._places.items() if column}
        self.headers = (*names, *REPORT_COLUMNS)


def _keys(page: Page) -> Iterator[tuple[str, str, int]]:
    """For each column: the canonical column, or the header and how many of that name came before."""
    meant = {position: column for column, position in page.canonical.items()}
    seen: dict[str, int] = {}
    for position, header in enumerate(page.headers):
        if position in meant:
            yield meant[position], "", 0
        else:
            yield "", header, seen.get(header, 0)
            seen[header] = seen.get(header, 0) + 1


def _write_rows(
    account: Account,
    pages: Sequence[Page],
    plan: _Plan,
    files: _Files,
    written: Written,
    sinks: Sequence[Sink],
) -> None:
    rows_judged = len(account.of_row)
    to_mend = account.count_to_mend(~_FINE)
    for sink in sinks:
        sink.begin(Outline(plan.headers, plan.canonical, rows_judged, to_mend, account))
    stories = Stories(account)
    start = 0
    for page, places in zip(pages, plan.of_page, strict=True):
        for cells, numbers, misfits in _slices(page):
            stop = start + len(numbers)
            if stop > rows_judged:
                raise _mismatch(f"more rows than the {rows_judged} that were judged")
            told = Told(account, page, cells, numbers, misfits, start, stories)
            mine = account.status_of_rows(start, stop)
            originals = _as_found(cells[: len(page.headers)], misfits, page)
            columns = _laid_out(originals, places, plan.width, len(numbers)) + told.columns(mine)
            attention = ~_FINE[mine]
            _note(written, mine, attention, columns[plan.width :], numbers, page.name)
            _count_all(written.warnings, *told.warnings(), page.name)
            new = ~account.repeats[start:stop]
            marks = partial(told.marks, places)
            block = Block(columns, new, attention, frozenset(misfits), marks, page.decimal_comma)
            written.to_mend += int(block.to_mend.sum())
            files.add(columns, block.to_mend)
            for sink in sinks:
                sink.add(block)
            start = stop
            account.let_go()


def _slices(
    page: Page,
) -> Iterator[tuple[list[Text], npt.NDArray[np.int64], Mapping[int, tuple[str, Sequence[str]]]]]:
    """The page's blocks in pieces: a block may have millions of rows, and what is said of them takes room."""
    for cells, numbers, misfits in ahead(page.blocks()):
        places = np.sort(np.fromiter(misfits, dtype=np.int64, count=len(misfits)))
        for start in range(0, len(numbers), _ROWS_AT_ONCE):
            stop = start + _ROWS_AT_ONCE
            low, high = np.searchsorted(places, (start, stop))
            mine = {at - start: misfits[at] for at in places[low:high].tolist()}
            yield [column.slice(start, _ROWS_AT_ONCE) for column in cells], numbers[start:stop], mine


def _as_found(cells: list[Text], misfits: Mapping[int, tuple[str, Sequence[str]]], page: Page) -> list[Text]:
    """The cells, but a row that can't be told apart whole as its order id: in pieces it may pass for good."""
    if not misfits:
        return cells
    whole = {at: _row_text(code, found, page.delimiter) for at, (code, found) in misfits.items()}
    mask = np.zeros(len(cells[0]), dtype=bool)
    mask[list(whole)] = True
    texts = [whole[at] for at in sorted(whole)]
    blank = [""] * len(texts)
    place = page.canonical["order_id"]
    return [
        pc.replace_with_mask(column, pa.array(mask), pa.array(texts if at == place else blank, pa.string()))
        for at, column in enumerate(cells)
    ]


def _row_text(code: str, cells: Sequence[str], delimiter: str) -> str:
    if code == _BAD_QUOTING:  # its cells were cut at every delimiter
        return delimiter.join(cells)
    text = io.StringIO(newline="")
    # before Python 3.13 the writer quotes a line break only if the line's end has it
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n")


def _laid_out(cells: Sequence[Text], places: Sequence[int], width: int, rows: int) -> list[Text]:
    out: list[Text] = [pa.repeat("", rows)] * width
    for place, column in zip(places, cells, strict=True):
        out[place] = column
    return out


def _note(
    written: Written,
    status: npt.NDArray[np.uint8],
    attention: npt.NDArray[np.bool_],
    told: Sequence[Text],
    numbers: npt.NDArray[np.int64],
    manifest: str,
) -> None:
    counts = np.bincount(status, minlength=len(STATUSES))
    for number, count in enumerate(counts.tolist()):
        written.rows[str(STATUSES[number])] += count
    needing = pa.array(np.flatnonzero(attention))
    codes, messages, fulfillments = (
        texts_at(told[REPORT_COLUMNS.index(name)], needing)
        for name in ("import_code", "import_message", "import_fulfillment")
    )
    written.attention.add(codes, fulfillments)
    _count_all(written.errors, codes, messages, numbers[attention], manifest)


def _count_all(
    counts: dict[str, Examples],
    codes: Text,
    messages: Text,
    numbers: npt.NDArray[np.int64],
    manifest: str,
) -> None:
    encoded = codes.dictionary_encode()
    which = encoded.indices.to_numpy(zero_copy_only=False)
    for number, joined in enumerate(encoded.dictionary.to_pylist()):
        places = np.flatnonzero(which == number)
        for code in joined.split("; "):
            examples = counts.setdefault(code, Examples())
            examples.count += len(places)
            for at in places[: _EXAMPLES - len(examples.first)].tolist():
                examples.first.append((manifest, int(numbers[at]), str(messages[at].as_py())))

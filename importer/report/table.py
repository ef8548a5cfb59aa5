"""rows.csv and errors.csv: a second pass over the manifests beside the numbers of the account."""

from __future__ import annotations

import csv
import io
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.errors import CannotGoOn
from importer.findings import NOTHING_MORE, WHOLE_ROW, name_of, number_of
from importer.model import FINE, STATUSES
from importer.printing import printable
from importer.report import words
from importer.report.account import NUMBER_OF, UNTOLD, Account, Examples
from importer.report.attention import Attention
from importer.report.files import finish, sync, unfinished
from importer.report.sinks import Block, Mark, Outline
from schemas.codes import code_of
from schemas.formulas import FORMULA, PLAIN_NUMBER
from schemas.manifest import COLUMNS, REPORT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    import numpy.typing as npt

    from importer.findings import Findings
    from importer.report.sinks import Sink

    Text: TypeAlias = pa.Array[Any]

ROWS, ERRORS = "rows.csv", "errors.csv"
_BOM = "\ufeff".encode()
_EXAMPLES = 3
_ROWS_AT_ONCE = 50_000
_BAD_QUOTING = "bad-quoting"
_FINE = np.array([status in FINE for status in STATUSES])
_CARRIER_MISMATCH, _CHECK_DIGIT = map(number_of, ("carrier-mismatch", "tracking-check-digit"))
_NUMBER_AND_COMPANY = ("tracking_number", "tracking_company")
_STATUS_TEXTS = pa.array([str(status) for status in STATUSES])
_SPECIAL = b'",\n\r=+-@\t'


@dataclass(frozen=True, slots=True)
class Page:
    """A manifest as the report reads it again.

    ``headers`` are its columns without those of our own reports, ``width`` is how many it has with them,
    ``canonical`` which of them (by position) is which canonical column,
    ``blocks`` its data rows: cells per header, row numbers, and by position the code and the cells of rows
    that could not be told apart. After the cells may stand more columns: ``meant`` says which of them has
    what a canonical column says, where that is filled in. For a workbook,
    ``addresses`` says how those of each column's cells begin. With ``decimal_comma`` a quantity of 2,0 is
    two.
    """

    name: str
    headers: tuple[str, ...]
    width: int
    canonical: Mapping[str, int]
    delimiter: str
    blocks: Callable[
        [], Iterable[tuple[list[Text], npt.NDArray[np.int64], Mapping[int, tuple[str, Sequence[str]]]]]
    ]
    meant: Mapping[str, int] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    encoding: str = ""
    decimal_comma: bool = False


@dataclass(slots=True)
class Written:
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
                _put(file, [pa.array([header], pa.string()) for header in plan.headers])
            _write_rows(account, pages, plan, rows, errors, written, sinks)
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
    counts = np.bincount(account.status_of_rows(), minlength=len(STATUSES))
    expected = {str(status): int(counts[number]) for status, number in NUMBER_OF.items()}
    if written.rows != expected:
        raise _mismatch(f"written {written.rows}, expected {expected}")


def _mismatch(found: str) -> CannotGoOn:
    return CannotGoOn(f"the report does not add up ({found}), so it is not published")


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
    rows: BinaryIO,
    errors: BinaryIO,
    written: Written,
    sinks: Sequence[Sink],
) -> None:
    status = account.status_of_rows()
    to_mend = int((~_FINE[status] & ~account.repeats).sum())
    for sink in sinks:
        sink.begin(Outline(plan.headers, plan.canonical, len(status), to_mend, account))
    stories = _Stories(account)
    start = 0
    for page, places in zip(pages, plan.of_page, strict=True):
        for cells, numbers, misfits in _slices(page):
            stop = start + len(numbers)
            if stop > len(status):
                raise _mismatch(f"more rows than the {len(status)} that were judged")
            told = _Told(account, page, cells, numbers, misfits, start, stories)
            mine = status[start:stop]
            originals = _as_found(cells[: len(page.headers)], misfits, page)
            columns = _laid_out(originals, places, plan.width, len(numbers)) + told.columns(mine)
            attention = ~_FINE[mine]
            _note(written, mine, attention, columns[plan.width :], numbers, page.name)
            _count_all(written.warnings, *told.warnings(), page.name)
            _put(rows, columns)
            new = ~account.repeats[start:stop]
            marks = partial(told.marks, places)
            block = Block(columns, new, attention, frozenset(misfits), marks, page.decimal_comma)
            written.to_mend += int(block.to_mend.sum())
            if block.to_mend.any():
                mask = pa.array(block.to_mend)
                _put(errors, [column.filter(mask) for column in columns])
            for sink in sinks:
                sink.add(block)
            start = stop


def _slices(
    page: Page,
) -> Iterator[tuple[list[Text], npt.NDArray[np.int64], Mapping[int, tuple[str, Sequence[str]]]]]:
    """The page's blocks in pieces: a block may have millions of rows, and what is said of them takes room."""
    for cells, numbers, misfits in page.blocks():
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
    out: list[Text] = [_repeat("", rows)] * width
    for place, column in zip(places, cells, strict=True):
        out[place] = column
    return out


def _repeat(text: str, rows: int) -> Text:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, dtype=np.int32)), pa.array([text])).cast(
        pa.string()
    )


class _Stories:
    """The outcomes' texts as arrays to take from; the last entry of each is '' for UNTOLD."""

    def __init__(self, account: Account) -> None:
        told = account.outcomes.stories
        self.codes = pa.array([code for code, _ in told] + [""], pa.string())
        self.messages = pa.array([printable(message) for _, message in told] + [""], pa.string())
        self.hints = pa.array([code_of(code).hint if code else "" for code, _ in told] + [""], pa.string())


class _Said(NamedTuple):
    """A finding in words."""

    code: str
    message: str
    column: int


class _Told:
    """What is told of the rows of one block."""

    def __init__(
        self,
        account: Account,
        page: Page,
        cells: Sequence[Text],
        numbers: npt.NDArray[np.int64],
        misfits: Mapping[int, tuple[str, Sequence[str]]],
        start: int,
        stories: _Stories,
    ) -> None:
        self._account = account
        self._page = page
        self._cells = cells
        self._numbers = numbers
        self._misfits = misfits
        self._start = start
        self._stories = stories
        self._headers = {name: page.headers[position] for name, position in page.canonical.items()}
        self._meant = {**page.canonical, **page.meant}
        self._held: dict[tuple[int, int], tuple[str, str, str]] = {}
        self._carriers = self._of_numbers(_CARRIER_MISMATCH, words.carriers)
        self._check_digits = self._of_numbers(_CHECK_DIGIT, words.check_digits)
        self._faulty = dict(self._findings(account.findings))
        self._warnings = dict(self._findings(account.warnings))

    def columns(self, status: npt.NDArray[np.uint8]) -> list[Text]:
        """The report's own columns, in the order of REPORT_COLUMNS."""
        rows = len(status)
        mine = slice(self._start, self._start + rows)
        of_row = self._account.of_row[mine]
        good = ~self._account.bad[mine]
        held = good & (self._account.held_by[of_row] >= 0) if len(self._account.held_by) else ~good & good
        sent = good & ~held
        code, message, hint = self._said(of_row, held, sent)
        outcomes = self._account.outcomes
        return [
            _repeat(printable(self._page.name), rows),
            pa.array(self._numbers).cast(pa.string()),
            _STATUS_TEXTS.take(pa.array(status)),
            code,
            message,
            hint,
            self._warned(rows),
            _taken(self._account.names, of_row, of_row >= 0),
            _figures(outcomes.http_status, of_row, sent, blank=0),
            _figures(outcomes.attempts, of_row, sent, blank=None),
            _times(outcomes.at, of_row, sent),
        ]

    def warnings(self) -> tuple[Text, Text, npt.NDArray[np.int64]]:
        """Codes, messages and row numbers of the rows that have warnings."""
        found = self._warnings.values()
        codes = ["; ".join(dict.fromkeys(said.code for said in row)) for row in found]
        messages = ["; ".join(said.message for said in row) for row in found]
        return pa.array(codes, pa.string()), pa.array(messages, pa.string()), self._numbers[[*self._warnings]]

    def marks(self, places: Sequence[int]) -> Iterator[Mark]:
        """The cells that something is said of, in the columns that the page's go to: ``places``."""
        for rows, faulty in ((self._faulty, True), (self._warnings, False)):
            for at, found in rows.items():
                for said in found:
                    position = self._position(at, said.column)
                    if position is not None:
                        yield Mark(at, places[position], f"{said.message}\n{self._hint(said.code)}", faulty)

    def _position(self, at: int, column: int) -> int | None:
        """Where the cell stands that is meant; one that can't be told apart is its order id."""
        name = "order_id" if at in self._misfits else "" if column == WHOLE_ROW else COLUMNS[column]
        return self._page.canonical.get(name)

    def _said(
        self, of_row: npt.NDArray[np.int64], held: npt.NDArray[np.bool_], sent: npt.NDArray[np.bool_]
    ) -> tuple[Text, Text, Text]:
        story = np.full(len(of_row), UNTOLD, dtype=np.int64)
        story[sent] = self._account.outcomes.story[of_row[sent]]
        texts = [
            source.take(pa.array(story % len(source)))
            for source in (self._stories.codes, self._stories.messages, self._stories.hints)
        ]
        places: list[int] = []
        said: list[tuple[str, str, str]] = []
        for at, told in self._faults():
            places.append(at)
            said.append(told)
        for at in np.flatnonzero(held).tolist():
            places.append(at)
            said.append(self._hold(int(of_row[at])))
        if not places:
            return texts[0], texts[1], texts[2]
        order = np.argsort(np.asarray(places, dtype=np.int64), kind="stable")
        mask = np.zeros(len(of_row), dtype=bool)
        mask[places] = True
        columns = zip(*(said[at] for at in order.tolist()), strict=True)
        code, message, hint = (
            pc.replace_with_mask(text, pa.array(mask), pa.array(column, pa.string()))
            for text, column in zip(texts, columns, strict=True)
        )
        return code, message, hint

    def _hold(self, fulfillment: int) -> tuple[str, str, str]:
        account = self._account
        key = (int(account.held_by[fulfillment]), int(account.scope_of[fulfillment]))
        if key not in self._held:
            self._held[key] = words.held(key[0], account.scope[key[1]], account)
        return self._held[key]

    def _faults(self) -> Iterator[tuple[int, tuple[str, str, str]]]:
        """Position, codes, messages and hints of each row that has findings."""
        for at, found in self._faulty.items():
            codes = dict.fromkeys(said.code for said in found)
            hints = dict.fromkeys(self._hint(name) for name in codes)
            yield (
                at,
                ("; ".join(codes), "; ".join(said.message for said in found), "; ".join(hints)),
            )

    def _hint(self, name: str) -> str:
        hint = code_of(name).hint
        return hint.format(delimiter=words.DELIMITERS[self._page.delimiter]) if "{" in hint else hint

    def _warned(self, rows: int) -> Text:
        texts = [
            "; ".join(f"{said.code}: {said.message}" for said in found) for found in self._warnings.values()
        ]
        mask = np.zeros(rows, dtype=bool)
        mask[list(self._warnings)] = True
        return pc.replace_with_mask(_repeat("", rows), pa.array(mask), pa.array(texts, pa.string()))

    def _findings(self, findings: Findings) -> Iterator[tuple[int, list[_Said]]]:
        mine = findings.within(self._start, self._start + len(self._numbers))
        if not len(mine):
            return
        rows = mine.rows - self._start
        distinct = np.unique(rows)
        taken = {
            name: self._cells[position].take(pa.array(distinct)).to_pylist()
            for name, position in self._meant.items()
        }
        place = np.searchsorted(distinct, rows).tolist()
        found: list[_Said] = []
        last = -1
        for at, which, code, column, detail in zip(
            rows.tolist(),
            place,
            mine.codes.tolist(),
            mine.columns.tolist(),
            mine.details.tolist(),
            strict=True,
        ):
            if at != last and found:
                yield last, found
                found = []
            last = at
            row = {name: texts[which] for name, texts in taken.items()}
            found.append(_Said(name_of(code), self._message(at, code, column, detail, row), column))
        if found:
            yield last, found

    def _of_numbers(
        self, code: int, tell: Callable[[Sequence[str], Sequence[str]], list[str]]
    ) -> dict[int, str]:
        """What there is to tell of the tracking numbers of rows with that code, and of the carriers named."""
        ours = (
            findings.within(self._start, self._start + len(self._numbers))
            for findings in (self._account.findings, self._account.warnings)
        )
        at = np.unique(np.concatenate([mine.rows[mine.codes == code] for mine in ours])) - self._start
        if not len(at):
            return {}
        return dict(zip(at.tolist(), tell(*map(partial(self._texts, at), _NUMBER_AND_COMPANY)), strict=True))

    def _texts(self, at: npt.NDArray[np.int64], name: str) -> list[str]:
        """What the rows say in a canonical column."""
        if name not in self._meant:
            return [""] * len(at)
        texts: list[str] = self._cells[self._meant[name]].take(pa.array(at)).to_pylist()
        return texts

    def _message(self, at: int, code: int, column: int, detail: int, row: dict[str, str]) -> str:
        if at in self._misfits and detail == NOTHING_MORE:
            name, cells = self._misfits[at]
            if name == name_of(code):
                known = words.ragged(cells, self._page.width)
                return code_of(name).message.format_map(known)
        row[words.REPEATS] = "yes" if self._account.repeats[self._start + at] else ""
        row[words.CARRIER] = self._carriers.get(at, "")
        row[words.CHECK_DIGIT] = self._check_digits.get(at, "")
        row[words.ENCODING] = self._page.encoding
        row[words.ADDRESS] = self._address(at, column)
        return words.describe(code, column, detail, row, self._headers, self._account)

    def _address(self, at: int, column: int) -> str:
        """Where the cell stands in its workbook, "" where the manifest is none."""
        place = None if column == WHOLE_ROW else self._page.canonical.get(COLUMNS[column])
        if place is None or not self._page.addresses:
            return ""
        return f"{self._page.addresses[place]}{self._numbers[at]}"


def _taken(texts: Text, of_row: npt.NDArray[np.int64], known: npt.NDArray[np.bool_]) -> Text:
    return texts.take(pa.array(of_row, mask=~known)).fill_null("")


def _figures(
    values: npt.NDArray[Any], of_row: npt.NDArray[np.int64], sent: npt.NDArray[np.bool_], *, blank: int | None
) -> Text:
    taken = np.zeros(len(of_row), dtype=np.int64)
    taken[sent] = values[of_row[sent]]
    hidden = ~sent if blank is None else taken == blank
    return pa.array(taken, mask=hidden).cast(pa.string()).fill_null("")


def _times(values: npt.NDArray[np.int64], of_row: npt.NDArray[np.int64], sent: npt.NDArray[np.bool_]) -> Text:
    taken = np.zeros(len(of_row), dtype=np.int64)
    taken[sent] = values[of_row[sent]] // 1_000_000
    distinct, place = np.unique(taken, return_inverse=True)
    texts = [
        datetime.fromtimestamp(second, UTC).isoformat().replace("+00:00", "Z") if second else ""
        for second in distinct.tolist()
    ]
    return pa.array(texts, pa.string()).take(pa.array(place))


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
        told[REPORT_COLUMNS.index(name)].take(needing)
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


def _put(file: BinaryIO, columns: Sequence[Text]) -> None:
    """Append the rows; the joined lines' own buffer is the file's text."""
    lines = pc.binary_join_element_wise(*(_cells(column) for column in columns), ",")
    lines = pc.binary_join_element_wise(lines, "\n", "")
    offsets = np.frombuffer(lines.buffers()[1], dtype=np.int32)[lines.offset : lines.offset + len(lines) + 1]
    text = lines.buffers()[2]
    if text is not None and len(lines):
        file.write(memoryview(text)[int(offsets[0]) : int(offsets[-1])])


def _cells(column: Text) -> Text:
    """The cells as CSV, with those neutralised that a spreadsheet would run as a formula."""
    if _lacks(column, _SPECIAL):
        return column
    column = _guarded(column)
    special = pc.match_substring_regex(column, '[",\n\r]')
    if not pc.any(special).as_py():
        return column
    doubled = pc.replace_substring(column, '"', '""')
    return pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ""), column)


def _lacks(column: Text, characters: bytes) -> bool:
    """Whether none of the ASCII ``characters`` is in any cell; much faster than asking cell by cell."""
    text = column.buffers()[2]
    if text is None or not len(column):
        return True
    start, stop = np.frombuffer(column.buffers()[1], dtype=np.int32)[
        [column.offset, column.offset + len(column)]
    ]
    cells = text[int(start) : int(stop)].to_pybytes()
    return not any(character in cells for character in characters)


def _guarded(column: Text) -> Text:
    risky = pc.match_substring_regex(column, FORMULA)
    if not pc.any(risky).as_py():
        return column
    risky = pc.and_not(risky, pc.match_substring_regex(column, PLAIN_NUMBER))
    return pc.if_else(risky, pc.binary_join_element_wise("'", column, ""), column)

"""What is told of the rows of a block, as the report's own columns: findings and outcomes in words."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from importer.findings import NOTHING_MORE, WHOLE_ROW, name_of, number_of
from importer.model import STATUSES
from importer.printing import printable
from importer.report import words
from importer.report.account import UNTOLD
from importer.report.sinks import Mark
from schemas.codes import CODES, code_of
from schemas.manifest import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from importer.findings import Findings
    from importer.report.account import Account
    from importer.report.pages import Page

    Text: TypeAlias = pa.Array[Any]
    Places: TypeAlias = npt.NDArray[np.int64]
    Mask: TypeAlias = npt.NDArray[np.bool_]

_CARRIER_MISMATCH, _CHECK_DIGIT = map(number_of, ("carrier-mismatch", "tracking-check-digit"))
_NUMBER_AND_COMPANY = ("tracking_number", "tracking_company")
_OF_VALUE = np.array([words.tells_of_value_alone(name) for name in CODES])
_ADDRESSED = np.array([words.has_address(name) for name in CODES])
_COLUMNS = len(COLUMNS) + 1  # with WHOLE_ROW


class Stories:
    """The texts of outcomes, statuses and codes as arrays to take from.

    The last entry of those of outcomes is '' for UNTOLD.
    """

    def __init__(self, account: Account) -> None:
        told = account.outcomes.stories
        self.codes = pa.array([code for code, _ in told] + [""], pa.string())
        self.messages = pa.array([printable(message) for _, message in told] + [""], pa.string())
        self.hints = pa.array([code_of(code).hint if code else "" for code, _ in told] + [""], pa.string())
        self.statuses = pa.array([str(status) for status in STATUSES])
        self.names = pa.array([*CODES])


class _Said(Struct, frozen=True):
    """Findings in words, one after the other, sorted by row: ``at`` are the rows' positions."""

    at: Places
    codes: npt.NDArray[np.int8]
    columns: npt.NDArray[np.int8]
    messages: Text

    @property
    def rows(self) -> Places:
        """The position of each row that something is said of."""
        return self.at[_begin(self.at)]

    def by_row(self, texts: Text, once: npt.NDArray[np.integer[Any]] | None = None) -> Text:
        """The texts, one for each finding, as one for each row; of those with the same ``once`` the first."""
        at = self.at
        if len(self.rows) == len(at):
            return texts
        if once is not None:
            first = np.zeros(len(at), dtype=bool)
            first[np.unique(at * len(CODES) + once, return_index=True)[1]] = True
            at, texts = at[first], texts.filter(pa.array(first))
        starts = np.append(_begin(at), len(at))
        return pc.binary_join(pa.ListArray.from_arrays(pa.array(starts, pa.int32()), texts), "; ")


def _begin(at: Places) -> Places:
    return np.flatnonzero(np.diff(at, prepend=-1))


class Told:
    """What is told of the rows of one block."""

    def __init__(
        self,
        account: Account,
        page: Page,
        cells: Sequence[Text],
        numbers: npt.NDArray[np.int64],
        misfits: Mapping[int, tuple[str, Sequence[str]]],
        start: int,
        stories: Stories,
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
        self._carriers = self._of_numbers(_CARRIER_MISMATCH, words.carriers)
        self._check_digits = self._of_numbers(_CHECK_DIGIT, words.check_digits)
        self._faulty = self._said_of(account.findings)
        self._warnings = self._said_of(account.warnings)

    def columns(self, status: npt.NDArray[np.uint8]) -> list[Text]:
        """The report's own columns, in the order of REPORT_COLUMNS; those that say little as dictionaries."""
        rows = len(status)
        mine = slice(self._start, self._start + rows)
        of_row = self._account.of_row[mine]
        good = ~self._account.bad[mine]
        held = good & (self._account.held_by[of_row] >= 0) if len(self._account.held_by) else ~good & good
        sent = good & ~held
        code, message, hint = self._why(of_row, held, sent)
        outcomes = self._account.outcomes
        return [
            _repeated(printable(self._page.name), rows),
            pa.array(self._numbers).cast(pa.string()),
            _from(self._stories.statuses, status.astype(np.int64)),
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
        said = self._warnings
        codes = said.by_row(self._stories.names.take(pa.array(said.codes)), said.codes)
        return codes, said.by_row(said.messages), self._numbers[said.rows]

    def marks(self, places: Sequence[int]) -> Iterator[Mark]:
        """The cells that something is said of, in the columns that the page's go to: ``places``."""
        for said, faulty in ((self._faulty, True), (self._warnings, False)):
            for at, code, column, message in zip(
                said.at.tolist(),
                said.codes.tolist(),
                said.columns.tolist(),
                said.messages.to_pylist(),
                strict=True,
            ):
                position = self._position(at, column)
                if position is not None:
                    yield Mark(at, places[position], f"{message}\n{self._hint(name_of(code))}", faulty)

    def _position(self, at: int, column: int) -> int | None:
        """Where the cell stands that is meant; one that can't be told apart is its order id."""
        name = "order_id" if at in self._misfits else "" if column == WHOLE_ROW else COLUMNS[column]
        return self._page.canonical.get(name)

    def _why(self, of_row: Places, held: Mask, sent: Mask) -> list[Text]:
        """Codes, messages and hints: of outcomes, of the rows' own faults, of what holds them back."""
        stories = self._stories
        place = np.full(len(of_row), UNTOLD, dtype=np.int64)
        place[sent] = self._account.outcomes.story[of_row[sent]]
        place %= len(stories.codes)
        texts = [[stories.codes], [stories.messages], [stories.hints]]
        faulty = np.zeros(len(of_row), dtype=bool)
        faulty[self._faulty.rows] = True
        for mask, told in ((faulty, self._faults), (held, partial(self._holds, of_row[held]))):
            if mask.any():
                place[mask] = sum(map(len, texts[0])) + np.arange(mask.sum())
                for known, more in zip(texts, told(), strict=True):
                    known.append(more)
        which = pa.array(place, pa.int32())
        return [pa.DictionaryArray.from_arrays(which, pa.concat_arrays(known)) for known in texts]

    def _faults(self) -> list[Text]:
        """Codes, messages and hints of each row that has findings."""
        said = self._faulty
        here = np.unique(said.codes)
        hints = [self._hint(name_of(code)) for code in here.tolist()]
        distinct = [*dict.fromkeys(hints)]
        hint = np.array([distinct.index(text) for text in hints])[np.searchsorted(here, said.codes)]
        return [
            said.by_row(self._stories.names.take(pa.array(said.codes)), said.codes),
            said.by_row(said.messages),
            said.by_row(pa.array(distinct, pa.string()).take(pa.array(hint)), hint),
        ]

    def _holds(self, fulfillments: Places) -> list[Text]:
        """Codes, messages and hints of rows of these fulfillments, which others hold back."""
        account = self._account
        scopes = account.scope_of[fulfillments]
        told: list[tuple[Text, Text, Text]] = []
        places: list[Places] = []
        for scope in np.unique(scopes).tolist():
            at = np.flatnonzero(scopes == scope)
            rows, place = np.unique(account.held_by[fulfillments[at]], return_inverse=True)
            code, messages, hint = words.held(rows, account.scope[scope], account)
            told.append((pa.repeat(code, len(at)), messages.take(pa.array(place)), pa.repeat(hint, len(at))))
            places.append(at)
        return [_in_order(texts, places) for texts in zip(*told, strict=True)]

    def _hint(self, name: str) -> str:
        hint = code_of(name).hint
        return hint.format(delimiter=words.DELIMITERS[self._page.delimiter]) if "{" in hint else hint

    def _warned(self, rows: int) -> Text:
        said = self._warnings
        texts = pc.binary_join_element_wise(
            self._stories.names.take(pa.array(said.codes)), said.messages, ": "
        )
        place = np.zeros(rows, dtype=np.int64)
        place[said.rows] = np.arange(1, len(said.rows) + 1)
        return _from(pa.concat_arrays([pa.array([""]), said.by_row(texts)]), place)

    def _said_of(self, findings: Findings) -> _Said:
        """The block's findings in words; what tells of a cell alone is worded once for all cells like it."""
        mine = findings.within(self._start, self._start + len(self._numbers))
        at = mine.rows - self._start
        alike = _OF_VALUE[mine.codes] & (mine.details == NOTHING_MORE) & ~np.isin(at, [*self._misfits])
        if self._page.addresses:
            alike &= ~_ADDRESSED[mine.codes]
        kinds = mine.codes.astype(np.int64) * _COLUMNS + mine.columns
        places = [np.flatnonzero(alike & (kinds == kind)) for kind in np.unique(kinds[alike]).tolist()]
        texts = [
            self._worded_alike(int(mine.codes[some[0]]), int(mine.columns[some[0]]), at[some])
            for some in places
        ]
        others = np.flatnonzero(~alike)
        messages = self._worded(at[others], mine.codes[others], mine.columns[others], mine.details[others])
        texts.append(pa.array(messages, pa.string()))
        return _Said(at, mine.codes, mine.columns, _in_order(texts, [*places, others]))

    def _worded_alike(self, code: int, column: int, at: Places) -> Text:
        name = "" if column == WHOLE_ROW else COLUMNS[column]
        known = {words.ADDRESS: "", words.ENCODING: self._page.encoding}
        cells = self._cells[self._meant[name]].take(pa.array(at)) if name in self._meant else None
        distinct = (pa.repeat("", len(at)) if cells is None else cells).dictionary_encode()
        messages = [
            words.describe(code, column, NOTHING_MORE, known | {name: text}, self._headers, self._account)
            for text in distinct.dictionary.to_pylist()
        ]
        return pa.array(messages, pa.string()).take(distinct.indices)

    def _worded(
        self,
        at: Places,
        codes: npt.NDArray[np.int8],
        columns: npt.NDArray[np.int8],
        details: npt.NDArray[np.int64],
    ) -> list[str]:
        taken = {
            name: self._cells[position].take(pa.array(at)).to_pylist()
            for name, position in self._meant.items()
        }
        found = zip(at.tolist(), codes.tolist(), columns.tolist(), details.tolist(), strict=True)
        return [
            self._message(*finding, {name: texts[place] for name, texts in taken.items()})
            for place, finding in enumerate(found)
        ]

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


def _in_order(texts: Sequence[Text], places: Sequence[Places]) -> Text:
    """The texts of all parts, each at the place that it has."""
    if len(texts) == 1:
        return texts[0]
    order = np.argsort(np.concatenate(places))
    return pa.concat_arrays(texts).take(pa.array(order))


def _from(texts: Text, which: Places) -> Text:
    """The texts at those places, each kept once."""
    return pa.DictionaryArray.from_arrays(pa.array(which, pa.int32()), texts)


def _repeated(text: str, rows: int) -> Text:
    return _from(pa.array([text]), np.zeros(rows, dtype=np.int64))


def _taken(texts: Text, of_row: Places, known: Mask) -> Text:
    if not known.any():
        return _repeated("", len(of_row))
    first, last = int(of_row[known].min()), int(of_row[known].max())
    if last - first >= len(of_row):
        return texts.take(pa.array(of_row, mask=~known)).cast(pa.string()).fill_null("")
    near = texts.slice(first, last - first + 1).cast(pa.string())
    return pa.concat_arrays([pa.array([""]), near]).take(pa.array(np.where(known, of_row - first + 1, 0)))


def _figures(values: npt.NDArray[Any], of_row: Places, sent: Mask, *, blank: int | None) -> Text:
    taken = np.zeros(len(of_row), dtype=np.int64)
    taken[sent] = values[of_row[sent]]
    hidden = ~sent if blank is None else taken == blank
    if hidden.all():
        return _repeated("", len(of_row))
    lowest = int(taken.min())
    texts = pa.array(["", *map(str, range(lowest, int(taken.max()) + 1))])  # they are hundreds, at most
    return _from(texts, np.where(hidden, 0, taken - lowest + 1))


def _times(values: npt.NDArray[np.int64], of_row: Places, sent: Mask) -> Text:
    taken = np.zeros(len(of_row), dtype=np.int64)
    taken[sent] = values[of_row[sent]] // 1_000_000
    if not taken.any():
        return _repeated("", len(of_row))
    distinct, place = np.unique(taken, return_inverse=True)
    texts = [
        datetime.fromtimestamp(second, UTC).isoformat().replace("+00:00", "Z") if second else ""
        for second in distinct.tolist()
    ]
    return _from(pa.array(texts, pa.string()), place)

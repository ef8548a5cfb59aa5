"""Finished reports → what is wrong in one by cause, the rows asked for, what changed over several.

A report may have a million rows: they are read as columns, a block at a time, and only what is wanted of them
becomes values.
"""

from __future__ import annotations

import re
import sys
from functools import reduce
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct, field

from importer import cells as columns
from importer.cells import cleaned, unspaced, whole_number
from importer.errors import SetupError
from importer.model import FINE
from importer.report import carried, phrases
from importer.report.changes import Change, Changes, Kind
from importer.report.finished import IDENTITY, rows_of
from importer.report.review import Found, Group
from schemas.cleaning import NARROWED
from schemas.formulas import unguarded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from importer.report.carried import Said
    from importer.report.finished import Block, Finished, Row

    Text: TypeAlias = pa.Array[Any]
    Mask: TypeAlias = pa.Array[Any]

FIRST: Final = 3
"""How many rows of each group are shown."""
_BETWEEN: Final = "\x1f"
_FINE: Final = pa.array(sorted(map(str, FINE)))


class Wanted(Struct, frozen=True):
    """Which rows are asked for: those that have one of each that is named at all."""

    codes: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether any are asked for."""
        return bool(self.codes or self.orders or self.statuses)


def groups(report: Finished) -> list[Group]:
    """The report's problems by code, in the order of mending, and its warnings after them.

    Raises:
        SetupError: the report can't be read.
    """
    lacking = [
        _Lacking(code, is_fault, examples.count)
        for is_fault, problems in ((True, report.summary.errors), (False, report.summary.warnings))
        for code, examples in phrases.by_weight(problems)
    ]
    open_still = lacking
    blocks = report.blocks()
    while (open_still := [one for one in open_still if one.lacks]) and (block := next(blocks, None)):
        faulty, warned = _chosen(block, _needs_attention(block)), _chosen(block, _has_warning(block))
        for one in open_still:
            one.take(faulty if one.is_fault else warned)
    return [Group(one.code, one.is_fault, one.count, tuple(one.first)) for one in lacking]


def find(report: Finished, wanted: Wanted, limit: int) -> Found:
    """The rows that are ``wanted``: how many, and the first ``limit`` of them, all for 0.

    Raises:
        SetupError: the report can't be read.
    """
    count = 0
    first: list[Row] = []
    for block in report.blocks():
        places = _places(_matching(block, wanted))
        count += len(places)
        first += rows_of(block, places[: limit - len(first)] if limit else places)
    return Found(count, tuple(first))


def compare(reports: Sequence[Finished], limit: int) -> Changes:
    """What changed over ``reports``: how many rows of each kind, and the first ``limit`` of each, all for 0.

    A row is known by its order id, tracking number and SKU, as far as all reports have these columns; of rows
    that are alike in these it counts how many there are. One whose cells can't be told apart is known by its
    text. A row of a mended errors.csv is the one that its line says, whatever was mended, if that file is as
    it was read, and the order id or the tracking number as before. Where a report does not have a row, what
    is known of it from before still holds.

    Raises:
        SetupError: two are of the same run, or one can't be read.
    """
    in_order = sorted(reports, key=lambda report: report.summary.started_at)
    _refuse_same_run(in_order)
    with_rows = [report.identity for report in in_order if report.summary.rows["total"]]
    names = [name for name in IDENTITY if all(name in identity for identity in with_rows)]
    homes = {report.folder.resolve(): number for number, report in enumerate(in_order)}
    errors = carried.tables(homes)
    history = _History([carried.said(report, homes, errors) for report in in_order], homes)
    for number, report in enumerate(in_order):
        history.add(number, report, names)
    kinds = history.kinds(len(in_order) - 1)
    first = {kind: found[: limit or None] for kind, found in kinds.items()}
    rows = _rows(in_order, [failure for found in first.values() for failure in found])
    return Changes(
        tuple(in_order),
        {kind: len(found) for kind, found in kinds.items()},
        {kind: tuple(failure.change(rows, kind) for failure in found) for kind, found in first.items()},
    )


class _Lacking(Struct):
    """A code whose first rows are looked for."""

    code: str
    is_fault: bool
    count: int
    first: list[Row] = field(default_factory=list)

    @property
    def lacks(self) -> int:
        return min(self.count, FIRST) - len(self.first)

    def take(self, block: Block) -> None:
        named = _has_code(block, self.code) if self.is_fault else _has_warning(block, self.code)
        self.first += rows_of(block, _places(named)[: self.lacks])


def _matching(block: Block, wanted: Wanted) -> Mask:
    masks = []
    if wanted.statuses:
        masks.append(pc.is_in(block["import_status"], pa.array(wanted.statuses)))
    if wanted.codes:
        masks.append(_any(_has_code(block, code) for code in wanted.codes))
        masks[-1] = pc.or_(masks[-1], _any(_has_warning(block, code) for code in wanted.codes))
    if wanted.orders:
        masks.append(_any(_is_of(block, order.strip()) for order in wanted.orders))
    return reduce(pc.and_, masks)


def _any(masks: Iterable[Mask]) -> Mask:
    return reduce(pc.or_, masks)


def _has_code(block: Block, code: str) -> Mask:
    return pc.match_substring_regex(block["import_code"], rf"(?:^|; ){re.escape(code)}(?:; |$)")


def _has_warning(block: Block, code: str = "") -> Mask:
    if not code:
        return pc.not_equal(block["import_warning"], "")
    return pc.match_substring_regex(block["import_warning"], rf"(?:^|; ){re.escape(code)}: ")


def _is_of(block: Block, order: str) -> Mask:
    """Whether the row's cell has that order id, or its fulfillment is of that order."""
    written = [cell for cell in (order, f"'{order}") if unguarded(cell) == order]
    cell = pc.is_in(pc.utf8_trim_whitespace(block["order_id"]), pa.array(written))
    orders = rf"^'?(?:[^/]*\+)?{re.escape(order)}(?:\+[^/]*)?/"
    return pc.or_(cell, pc.match_substring_regex(block["import_fulfillment"], orders))


def _needs_attention(block: Block) -> Mask:
    return pc.invert(pc.is_in(block["import_status"], _FINE))


def _chosen(block: Block, mask: Mask) -> Block:
    return {name: column.filter(mask) for name, column in block.items()}


def _places(mask: Mask) -> list[int]:
    return list(pc.indices_nonzero(mask).to_pylist())


def _refuse_same_run(reports: Sequence[Finished]) -> None:
    seen: dict[str, Finished] = {}
    for report in reports:
        same = seen.setdefault(report.summary.run_id, report)
        if same is not report:
            raise SetupError(
                f"{report.folder}: a report of the same run as {same.folder}; name reports of different runs"
            )


class _Failure(Struct):
    """A row that needed attention: since which report, and where it stands in the last that has it so.

    ``at`` counts the rows of that report from 0. ``ended`` says in which report it was fine, and how.
    """

    since: int
    before: str
    code: str
    last: int
    at: int
    ended: tuple[int, str] | None = None

    def change(self, rows: Mapping[tuple[int, int], Row], kind: Kind) -> Change:
        row = rows[self.last, self.at]
        before = self.before if kind is Kind.CHANGED else ""
        mended, now = self.ended or (None, "")
        return Change(row, self.since, self.last, before, mended, now)


class _Alike(Struct):
    """The rows of one identity: failures not mended, how many of them this report has, and what is fine."""

    open: list[_Failure]
    failing: int = 0
    fine: list[str] | None = None


class _History:
    """What became, report after report, of every row that failed in one: all others are not kept."""

    def __init__(self, said: Sequence[Mapping[str, Said]], homes: Mapping[Path, int]) -> None:
        """``said`` is what the lines of each report's manifests say; ``homes`` numbers the folders."""
        self._said = said
        self._homes = homes
        self._keys_of: list[dict[bytes, str]] = [{} for _ in said]  # by what the report said of the row
        self._known: dict[str, _Alike] = {}
        self._mended: dict[str, list[_Failure]] = {}

    def add(self, number: int, report: Finished, names: Sequence[str]) -> None:
        start = 0
        for block in report.blocks():
            keys = self._tied(number, block, _keys(block, names))
            attention = _needs_attention(block)
            failing, faulty = keys.filter(attention).to_pylist(), _chosen(block, attention)
            if any(self._said[number + 1 :]):
                self._keys_of[number].update(zip(carried.of_block(faulty), failing, strict=True))
            places = (start + at for at in _places(attention))
            self._fail(number, failing, faulty["import_code"].to_pylist(), places)
            fine = pc.invert(attention)
            self._pass(keys.filter(fine).to_pylist(), block["import_status"].filter(fine).to_pylist())
            start += len(keys)
        for key, alike in self._known.items():
            self._close(number, key, alike)

    def kinds(self, last: int) -> dict[Kind, list[_Failure]]:
        """All failures by what became of them until the report ``last``, in the order of their rows."""
        found: dict[Kind, list[_Failure]] = {kind: [] for kind in Kind}
        for alike in self._known.values():
            for failure in alike.open:
                found[_kind(failure, last)].append(failure)
        found[Kind.MENDED] = [failure for mended in self._mended.values() for failure in mended]
        for failures in found.values():
            failures.sort(key=lambda failure: (failure.last, failure.at))
        return found

    def _tied(self, number: int, block: Block, keys: Text) -> Text:
        """The keys, where a line says which row it was that of that row."""
        if not self._said[number]:
            return keys
        rows = (block[name].to_pylist() for name in ("import_source", "import_row"))
        tied = (self._before(number, *row) for row in zip(*rows, keys.to_pylist(), strict=True))
        return pa.array(tied, pa.large_string())

    def _before(self, number: int, source: str, row: str, key: str) -> str:
        """What the row was known by before it was mended, as far as its line says.

        Two nights may have said the same of two rows: the one is meant that names the same parcel, first of
        the report that the line stands with, then of the newest.
        """
        said = self._said[number].get(source)
        told = said and said.told.get(row)
        if not said or not told:
            return key
        home = [self._homes[said.folder]] if said.folder in self._homes else []
        found = (self._keys_of[each].get(told) for each in (*home, *reversed(range(number))))
        return next((known for known in found if known and _name_the_same(key, known)), key)

    def _fail(self, number: int, keys: Iterable[str], codes: Iterable[str], places: Iterable[int]) -> None:
        for at, key, code in zip(places, keys, map(sys.intern, codes), strict=True):
            alike = self._known.get(key)
            if alike is None:
                alike = self._known[key] = _Alike([])
            if alike.failing < len(alike.open):
                failure = alike.open[alike.failing]
                failure.before, failure.code = failure.code, code
                failure.last, failure.at = number, at
            else:
                alike.open.append(_Failure(number, "", code, number, at))
                self._mended.get(key, [])[:1] = []  # it is not so any more
            alike.failing += 1

    def _pass(self, keys: Iterable[str], statuses: Iterable[str]) -> None:
        for key, status in zip(keys, statuses, strict=True):
            alike = self._known.get(key)
            if alike is not None:
                alike.fine = alike.fine or []
                alike.fine.append(status)

    def _close(self, number: int, key: str, alike: _Alike) -> None:
        """Take down what the report has mended: of the failures that it has no more, as many as are fine."""
        for failure, status in zip(alike.open[alike.failing :], alike.fine or (), strict=False):
            failure.ended = (number, status)
            self._mended.setdefault(key, []).append(failure)
        if alike.fine:
            alike.open = [failure for failure in alike.open if failure.ended is None]
        alike.failing, alike.fine = 0, None


def _kind(failure: _Failure, last: int) -> Kind:
    if failure.last < last:
        return Kind.GONE
    if failure.since == last:
        return Kind.NEW
    return Kind.STILL if failure.before == failure.code else Kind.CHANGED


def _keys(block: Block, names: Sequence[str]) -> Text:
    """What each row is known by, as one text: what the cells say, however it is written."""
    blank = pa.repeat("", len(block["import_row"]))
    cells = {
        name: cleaned(columns.unguarded(block[name]), narrow=name in NARROWED) if name in names else blank
        for name in IDENTITY
    }
    cells["order_id"] = whole_number(cells["order_id"])
    cells["tracking_number"] = unspaced(cells["tracking_number"])
    texts = [column.cast(pa.large_string()) for column in cells.values()]
    return pc.binary_join_element_wise(*texts, pa.scalar(_BETWEEN, pa.large_string()))


def _name_the_same(key: str, other: str) -> bool:
    """Whether two keys have the order id or the tracking number in common: an SKU is in many parcels."""
    pairs = zip(key.split(_BETWEEN)[:-1], other.split(_BETWEEN)[:-1], strict=False)
    return any(mine and mine == theirs for mine, theirs in pairs)


def _rows(reports: Sequence[Finished], failures: Collection[_Failure]) -> dict[tuple[int, int], Row]:
    """The rows of ``failures``, by report and place in it."""
    places: dict[int, list[int]] = {}
    for failure in failures:
        places.setdefault(failure.last, []).append(failure.at)
    return {
        (number, at): row
        for number, mine in places.items()
        for at, row in _rows_at(reports[number], sorted(mine))
    }


def _rows_at(report: Finished, places: Sequence[int]) -> Iterator[tuple[int, Row]]:
    start, done = 0, 0
    for block in report.blocks():
        stop = start + len(block["import_row"])
        until = next((at for at in range(done, len(places)) if places[at] >= stop), len(places))
        mine = places[done:until]
        yield from zip(mine, rows_of(block, [at - start for at in mine]), strict=True)
        start, done = stop, until
        if done == len(places):
            return

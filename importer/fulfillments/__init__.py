"""Checked rows → one fulfillment per tracking number, and what holds one back.

A fulfillment is a parcel: an order id and a tracking number ("You can set only one tracking number and one
tracking URL per fulfillment", ADM, Create a Fulfillment). Everything is columns of codes until
``Grouping.by_order`` makes the few objects that are posted next.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct, field

from importer.findings import NO_FINDINGS, NO_MENTIONS, Findings, Mentions
from importer.fulfillments.said import NOTHING_SAID, Said, conflicts
from importer.model import MAIL_ALONE, Duplicates, Fulfillment, LineItem, OrderPart
from schemas.manifest import MAX_QUANTITY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

    Codes = npt.NDArray[np.int64]
    Mask = npt.NDArray[np.bool_]
    Text: TypeAlias = pa.Array[Any] | pa.ChunkedArray[Any]

NOBODY: Final = -1
_WINDOW = 4096
_NEARBY = 32  # so many rows of an order are looked at side by side in less time than a table takes
_MANY = 10  # with no more than one of so many rows out of its place, sorting takes less time than a table


class Scope(StrEnum):
    """What a held row has in common with the row that holds it back."""

    PARCEL = "parcel"
    ORDER = "order"
    NUMBER = "tracking number"
    BATCH = "batch"


SCOPES: Final = tuple(Scope)


class Rows(Struct, frozen=True):
    """All checked rows of a run as columns of one length, in the order of the manifests.

    ``order_id`` and ``tracking_number`` (string) are null where unknown; ``sku`` (string) and ``quantity``
    (int32) count where ``bad`` (bool) is false; ``manifest`` (int) says which manifest a row is from, or
    which transaction of an EDI file.
    ``orders`` and ``numbers`` are texts of bad rows that may be the order ids and tracking numbers that
    these rows are of. ``taken`` has further canonical columns (string, '' for a blank) that the destination
    makes something of. ``idle`` (bool) are bad rows that hold nothing back: nothing was shipped of them.
    ``findings`` say why rows are bad, ``warnings`` what else is odd with rows.
    """

    order_id: Text
    tracking_number: Text
    sku: Text
    quantity: npt.NDArray[np.int32]
    bad: Mask
    manifest: npt.NDArray[np.integer[Any]]
    orders: Mentions = NO_MENTIONS
    numbers: Mentions = NO_MENTIONS
    taken: Mapping[str, Text] = field(default_factory=dict)
    idle: Mask | None = None
    findings: Findings = NO_FINDINGS
    warnings: Findings = NO_FINDINGS


class Options(Struct, frozen=True):
    """How to group.

    ``several_orders``: the destination takes one fulfillment for several orders. ``notify``: customers are
    mailed, unless the manifest says otherwise. ``fill_carrier``: a tracking number that tells its carrier
    fills in what the manifest does not say of it.
    """

    several_orders: bool = False
    partial: bool = False
    all_or_nothing: bool = False
    duplicates: Duplicates = Duplicates.SUM
    notify: bool = False
    fill_carrier: bool = False


class _Lines(Struct, frozen=True):
    """Line items of all parts, those of a part together; ``start`` says where, and at last where they end."""

    start: Codes
    sku: Codes
    quantity: Codes


class _Parts(Struct, frozen=True):
    """Orders' shares in parcels: (order, tracking number) pairs, numbered by first appearance.

    ``fulfillment`` is the one that each goes into, numbered likewise.
    """

    order: Codes
    number: Codes
    fulfillment: Codes

    @property
    def fulfillments(self) -> int:
        """How many fulfillments they make."""
        return int(self.fulfillment.max(initial=-1)) + 1


class _Keys(Struct, frozen=True):
    """Per row the codes of its order, tracking number and part, NOBODY where unknown.

    ``orders`` and ``numbers`` are the rows that may be of an order or number besides, and its code.
    """

    order: Codes
    number: Codes
    part: Codes
    orders: tuple[Codes, Codes]
    numbers: tuple[Codes, Codes]


class Grouping(Protocol):
    """Which fulfillment each row belongs to, and the fulfillments.

    ``of_row`` has a fulfillment's index per row (NOBODY: its parcel is not known). Per fulfillment,
    ``filled`` says whether it has line items, that is, a good row, and ``partial`` whether it may be posted
    although rows of its own are faulty; ``held_by`` is the row that holds it back
    (NOBODY: none does) and ``scope`` a place in SCOPES. ``findings`` are all faults of rows, ``bad`` is the
    rows' with them; ``warnings`` count rows likewise. ``repeats`` are the rows that an earlier manifest of
    the run has too, as often, and that do not count for that. Columns may be in files, and be read when they
    are looked at.
    """

    @property
    def of_row(self) -> Codes:
        """The fulfillment of each row."""

    @property
    def bad(self) -> Mask:
        """Which rows are bad."""

    @property
    def repeats(self) -> Mask:
        """Which rows an earlier manifest has, too."""

    @property
    def filled(self) -> Mask:
        """Which fulfillments have a good row."""

    @property
    def held_by(self) -> Codes:
        """The row that holds each fulfillment back."""

    @property
    def scope(self) -> npt.NDArray[np.int8]:
        """What the two have in common."""

    @property
    def findings(self) -> Findings:
        """What is wrong with rows, sorted by row."""

    @property
    def warnings(self) -> Findings:
        """What is odd with rows, sorted by row."""

    def __len__(self) -> int:
        """How many fulfillments there are, held ones counted."""

    @property
    def ready(self) -> Mask:
        """Which fulfillments may be posted: nothing holds them, and they have line items."""

    @property
    def shares(self) -> Codes:
        """How many orders each fulfillment is of."""

    def mails(self, chosen: Mask) -> int:
        """How many of the chosen fulfillments' customers are to be mailed."""

    def filled_carriers(self) -> dict[str, int]:
        """How many of those that may be posted got which carrier from their tracking number."""

    def names(self) -> pa.Array[Any]:
        """What reports call each fulfillment, ``ORDER/TRACKING``, as an array of strings."""

    def column(self, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Zeros, one for each fulfillment."""

    def let_go(self) -> None:
        """Give back the memory that was taken to look at columns in files."""

    def each(self, chosen: Mask) -> Iterator[Fulfillment]:
        """The chosen fulfillments, which must be filled, one by one."""

    def by_order(self, chosen: Mask, begin: float = 0.0) -> Iterator[list[Fulfillment]]:
        """The chosen fulfillments in lists that may be posted side by side; within one, in manifest order.

        A list has the fulfillments of one order, or of several that share parcels; they must be filled. The
        lists begin after about this share of all, from 0 to 1; those before it come last.
        """


class Grouped(Struct, frozen=True):
    """A ``Grouping`` in memory.

    ``parts_start`` says where the parts of each fulfillment begin in ``parts_sorted``, and at last where they
    end; a part without line items is there only if the whole fulfillment has none. ``said`` is what the
    manifest says of each part besides.
    """

    of_row: Codes
    bad: Mask
    repeats: Mask
    filled: Mask
    partial: Mask
    held_by: Codes
    scope: npt.NDArray[np.int8]
    findings: Findings
    warnings: Findings
    orders: pa.Array[Any]
    numbers: pa.Array[Any]
    skus: pa.Array[Any]
    parts: _Parts
    lines: _Lines
    parts_start: Codes
    parts_sorted: Codes
    said: Said = NOTHING_SAID

    def __len__(self) -> int:
        """How many fulfillments there are, held ones counted."""
        return len(self.held_by)

    @property
    def ready(self) -> Mask:
        """Which fulfillments may be posted: nothing holds them, and they have line items."""
        free: Mask = self.held_by == NOBODY
        return free & self.filled

    @property
    def shares(self) -> Codes:
        """How many orders each fulfillment is of."""
        return np.diff(self.parts_start)

    def column(self, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Zeros, one for each fulfillment."""
        return np.zeros(len(self), dtype)

    def let_go(self) -> None:
        """Give back nothing: the columns are in memory."""

    def mails(self, chosen: Mask) -> int:
        """How many of the chosen fulfillments' customers are to be mailed."""
        return int(self.said.notify[self._first_parts[chosen]].sum()) if len(self.said.notify) else 0

    def filled_carriers(self) -> dict[str, int]:
        """How many of those that may be posted got which carrier from their tracking number."""
        if self.said.told is None:
            return {}
        told = self.said.told.take(pa.array(self._first_parts[self.ready]))
        counts = {each["values"]: each["counts"] for each in pc.value_counts(told).to_pylist()}
        return {carrier: count for carrier, count in counts.items() if carrier}

    def names(self) -> pa.Array[Any]:
        """What reports call each fulfillment, ``ORDER/TRACKING``, as a string array."""
        orders = self.orders.take(pa.array(self.parts.order[self.parts_sorted]))
        shares = pa.ListArray.from_arrays(pa.array(self.parts_start, pa.int32()), orders)
        numbers = self.numbers.take(pa.array(self.parts.number[self._first_parts]))
        return pc.binary_join_element_wise(pc.binary_join(shares, "+"), numbers, "/")

    def each(self, chosen: Mask) -> Iterator[Fulfillment]:
        """The chosen fulfillments, which must be filled, one by one, in manifest order."""
        return self._make_all(np.flatnonzero(chosen))

    def by_order(self, chosen: Mask, begin: float = 0.0) -> Iterator[list[Fulfillment]]:
        """The chosen fulfillments in lists that may be posted side by side; within one, in manifest order.

        A list has the fulfillments of one order, or of several that share parcels; they must be filled. The
        first list is the one after this share of all, from 0 to 1; those before it come last.
        """
        queues = self._queues()
        picked = np.flatnonzero(chosen)
        sequence = picked[np.argsort(queues[picked], kind="stable")]
        if begin and len(sequence):
            found = queues[sequence]
            sequence = np.roll(sequence, -int(np.searchsorted(found, found[int(begin * len(found))])))
        parcels = self._make_all(sequence)
        for _, queue in groupby(parcels, key=lambda parcel: int(queues[parcel.index])):
            yield list(queue)

    @property
    def _first_parts(self) -> Codes:
        return self.parts_sorted[self.parts_start[:-1]]

    def _queues(self) -> Codes:
        """For each fulfillment the order that it waits behind; orders that share a parcel are one."""
        first = self.parts.order[self._first_parts]
        if len(self.parts_sorted) == len(self):
            return first
        owner = np.repeat(np.arange(len(self)), np.diff(self.parts_start))
        return _linked(owner, self.parts.order[self.parts_sorted], len(self.orders))[first]

    def _make_all(self, sequence: Codes) -> Iterator[Fulfillment]:
        for start in range(0, len(sequence), _WINDOW):
            yield from self._make(sequence[start : start + _WINDOW])

    def _make(self, indexes: Codes) -> Iterator[Fulfillment]:
        places, counts = _spread(self.parts_start, indexes)
        parts = self.parts_sorted[places]
        lines, sizes = _spread(self.lines.start, parts)
        skus = self.skus.take(pa.array(self.lines.sku[lines])).to_pylist()
        items = map(LineItem, skus, self.lines.quantity[lines].tolist())
        orders = self.orders.take(pa.array(self.parts.order[parts])).to_pylist()
        shares = (
            OrderPart(order, tuple(item for item in islice(items, size) if item.sku and item.quantity))
            for order, size in zip(orders, sizes.tolist(), strict=True)
        )
        firsts = self._first_parts[indexes]
        numbers = self.numbers.take(pa.array(self.parts.number[firsts])).to_pylist()
        partial = self.partial[indexes].tolist()
        for index, number, count, part, said in zip(
            indexes.tolist(), numbers, counts.tolist(), partial, self.said.of(firsts), strict=True
        ):
            mail_alone = said.pop(MAIL_ALONE, "")
            yield Fulfillment(
                index, "" if mail_alone else number, tuple(islice(shares, count)), partial=part, **said
            )


def group(rows: Rows, options: Options) -> Grouped:
    """Group the rows; every good row ends in a fulfillment."""
    with ThreadPoolExecutor(2) as threads:
        encoded = threads.map(_encode, (rows.order_id, rows.tracking_number, rows.sku))
        (order, orders), (number, numbers) = islice(encoded, 2)
        part, parts = _parts(order, number, several_orders=options.several_orders)
        [(sku, skus)] = encoded
    line = _line_of_each(part, sku, rows.bad)
    counted, repeats, repeated, warnings = _duplicates(line, rows, options.duplicates)
    bad = rows.bad.copy()
    bad[repeated.rows] = True
    disagreeing = Findings.join(conflicts(rows.taken, order, number, part, bad))
    bad[disagreeing.rows] = True
    quantity = np.where(counted, rows.quantity, 0)
    lines, too_large = _lines(line, part, sku, quantity, ~bad, len(parts.order))
    bad[too_large.rows] = True
    keys = _Keys(order, number, part, _looked_up(rows.orders, orders), _looked_up(rows.numbers, numbers))
    faulty = bad if rows.idle is None else bad & ~rows.idle
    held_by, scope = _holds(keys, faulty, parts, all_or_nothing=options.all_or_nothing)
    partial = np.zeros(len(held_by), dtype=bool)
    if options.partial and not options.all_or_nothing:
        partial = (held_by != NOBODY) & (scope == SCOPES.index(Scope.PARCEL))
        held_by[:] = NOBODY
    if not options.several_orders:
        warnings.append(_shared_numbers(part, parts, bad))
    filled, start, in_order = _shares(parts, lines)
    said = Said.by(rows.taken, part, len(parts.order), ~bad, notify=options.notify)
    if options.fill_carrier:
        said = said.filled(numbers.take(pa.array(parts.number)))
    return Grouped(
        of_row=np.append(parts.fulfillment, NOBODY)[part],
        bad=bad,
        repeats=repeats,
        filled=filled,
        partial=partial,
        held_by=held_by,
        scope=scope,
        findings=Findings.join([rows.findings, repeated, disagreeing, too_large]),
        warnings=Findings.join([rows.warnings, *warnings]),
        orders=orders,
        numbers=numbers,
        skus=skus,
        parts=parts,
        lines=lines,
        parts_start=start,
        parts_sorted=in_order,
        said=said,
    )


def _encode(texts: Text) -> tuple[Codes, pa.Array[Any]]:
    """Codes by first appearance (NOBODY for null) and what they stand for."""
    encoded = texts.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    codes = encoded.indices.fill_null(NOBODY).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, encoded.dictionary


def _looked_up(mentions: Mentions, known: pa.Array[Any]) -> tuple[Codes, Codes]:
    """The rows that mention what is ``known``, and the code of what they mention."""
    mentioned = np.flatnonzero(pc.is_in(known, value_set=mentions.texts).to_numpy(zero_copy_only=False))
    places = (
        pc.index_in(mentions.texts, value_set=known.take(pa.array(mentioned))).fill_null(NOBODY).to_numpy()
    )
    return mentions.rows[places != NOBODY], mentioned[places[places != NOBODY]]


def _parts(order: Codes, number: Codes, *, several_orders: bool) -> tuple[Codes, _Parts]:
    """The part of each row, and the parts; a fulfillment has one, or all of its tracking number's."""
    known = np.flatnonzero((order >= 0) & (number >= 0))
    codes, first = _by_appearance(order[known], number[known])
    part = np.full(len(order), NOBODY, dtype=np.int64)
    part[known] = codes
    numbers = number[known[first]]
    fulfillment = _codes(numbers) if several_orders else np.arange(len(numbers))
    return part, _Parts(order[known[first]], numbers, fulfillment)


def _by_appearance(left: Codes, right: Codes) -> tuple[Codes, Codes]:
    """One code for each pair of codes, by first appearance, and the place where each appears first."""
    pairs = left * (int(right.max(initial=0)) + 1) + right
    earliest = _earliest_of_each(left, pairs)
    if earliest is not None:
        is_first = earliest == np.arange(len(pairs))
        codes = np.cumsum(is_first)
        codes -= 1
        return codes[earliest], np.flatnonzero(is_first)
    begins = np.flatnonzero(np.diff(pairs, prepend=NOBODY))  # mostly, the rows of a parcel stand together
    codes = _codes(pairs[begins])
    newest = np.maximum.accumulate(codes) if len(codes) else codes
    first = begins[np.flatnonzero(np.diff(newest, prepend=NOBODY))]
    return np.repeat(codes, np.diff(begins, append=len(pairs))), first


def _earliest_of_each(left: Codes, pairs: Codes) -> Codes | None:
    """For each pair the first place that has it; None if finding that would take longer than a table of all.

    It does not where few places have the same ``left``, which the pairs have in common, and it seldom falls.
    """
    most = int(np.bincount(left).max(initial=0))
    falls = np.count_nonzero(left[1:] < left[:-1])
    if most > _NEARBY or falls > len(left) // _MANY:
        return None
    if not falls:
        return _earliest_nearby(pairs, most)
    order = np.argsort(left, kind="stable")  # with few falls, that is hardly more than looking at it
    places = np.empty_like(order)
    places[order] = order[_earliest_nearby(pairs[order], most)]
    return places


def _earliest_nearby(pairs: Codes, most: int) -> Codes:
    """For each pair the first place that has it; the same ones are among ``most`` that follow each other."""
    earliest = np.arange(len(pairs))
    for distance in range(1, most):
        again = np.flatnonzero(pairs[distance:] == pairs[:-distance])
        earliest[again + distance] = again
    return earliest


def _codes(values: Codes) -> Codes:
    """A code for each value, by first appearance."""
    from pandas import factorize  # noqa: PLC0415 - it takes a while, in which manifests are looked at

    return factorize(values)[0].astype(np.int64, copy=False)


def _line_of_each(part: Codes, sku: Codes, bad: Mask) -> Codes:
    """The line item of each row, NOBODY for bad ones: rows of a part that have the same SKU share one."""
    line = np.full(len(bad), NOBODY, dtype=np.int64)
    good = np.flatnonzero(~bad)
    line[good] = _by_appearance(part[good], sku[good])[0]
    return line


def _duplicates(
    line: Codes, rows: Rows, duplicates: Duplicates
) -> tuple[Mask, Mask, Findings, list[Findings]]:
    """Which rows count; which repeat an earlier manifest's; the faults of others that repeat; the warnings.

    Within a manifest such a row is another unit, a repetition, or a mistake, as the user has it. A row that
    an earlier manifest of the run has too, as often, is the same row: manifests overlap.
    """
    # a manifest without quantities has 0 in all rows: its rows can't be told apart, nor called the same
    good = np.flatnonzero(~rows.bad & (rows.quantity > 0))
    same = line[good]
    several = (np.bincount(same) > 1)[same]  # hardly any row has its SKU twice in its parcel
    good, same = good[several], same[several]
    same, _ = _by_appearance(same, rows.quantity[good].astype(np.int64))
    within, _ = _by_appearance(same, rows.manifest[good].astype(np.int64))
    first, seen = _first_and_count(within)
    earlier, times = _first_and_count(_by_appearance(same, seen)[0])
    again, overlaps = seen > 0, times > 0
    if duplicates is Duplicates.ERROR:
        overlaps &= ~again
    else:
        again &= ~overlaps
    twice = Findings.of(good[again], "duplicate-row", details=good[first[again]])
    elsewhere = Findings.of(good[overlaps], "duplicate-row", details=good[earlier[overlaps]])
    counted = ~rows.bad
    counted[good[overlaps if duplicates is Duplicates.SUM else overlaps | again]] = False
    repeats = np.zeros(len(counted), dtype=bool)
    repeats[good[overlaps]] = True
    if duplicates is Duplicates.ERROR:
        return counted, repeats, twice, [elsewhere]
    return counted, repeats, Findings.join([]), [twice, elsewhere]


def _first_and_count(codes: Codes) -> tuple[Codes, Codes]:
    """For each place, the first place that has its code, and how many before it have."""
    order = np.argsort(codes, kind="stable")
    lengths = np.bincount(codes)
    starts = np.cumsum(lengths) - lengths
    first = order[starts][codes]
    count = np.empty(len(codes), dtype=np.int64)
    count[order] = np.arange(len(codes)) - np.repeat(starts, lengths)
    return first, count


def _lines(
    line: Codes, part: Codes, sku: Codes, quantity: Codes, good: Mask, parts: int
) -> tuple[_Lines, Findings]:
    """One line item per part and SKU, in order of first appearance; and the rows whose sum is too large.

    Those have none: no number of theirs can be trusted.
    """
    used = np.flatnonzero(good)
    line, first = _renumbered(line[used])
    # Exact: a run would need 2^53 / 1,000,000 rows to leave the floats' whole numbers.
    sums = np.bincount(line, weights=quantity[used]).astype(np.int64)
    large = sums > MAX_QUANTITY
    over = large[line]
    too_large = Findings.of(used[over], "quantity-too-large", "quantity", sums[line[over]])
    owner = part[used[first]]
    start = _starts(owner[~large], parts)
    order = np.argsort(owner, kind="stable")
    order = order[~large[order]]
    return _Lines(start, sku[used[first[order]]], sums[order]), too_large


def _renumbered(codes: Codes) -> tuple[Codes, Codes]:
    """The codes, some of those from 0, by first appearance, and the place where each appears first."""
    newest = np.maximum.accumulate(codes)
    risen = np.diff(newest, prepend=NOBODY)
    if risen.max(initial=0) <= 1:  # no code is missing, nor comes too soon
        return codes, np.flatnonzero(risen)
    first = np.full(int(codes.max(initial=-1)) + 1, NOBODY, dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    here = np.flatnonzero(first != NOBODY)
    here = here[np.argsort(first[here], kind="stable")]
    number = np.empty(len(first), dtype=np.int64)
    number[here] = np.arange(len(here))
    return number[codes], first[here]


def _starts(owner: Codes, owners: int) -> Codes:
    """Where the things of each owner begin when they are sorted by owner, and at last where they end."""
    return np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=owners))))


def _shares(parts: _Parts, lines: _Lines) -> tuple[Mask, Codes, Codes]:
    """Which fulfillments have line items; where the parts of each begin among the parts sorted by it."""
    has_lines = np.diff(lines.start) > 0
    filled = np.zeros(parts.fulfillments, dtype=bool)
    filled[parts.fulfillment[has_lines]] = True
    keep = has_lines | ~filled[parts.fulfillment]
    order = np.argsort(parts.fulfillment, kind="stable")
    return filled, _starts(parts.fulfillment[keep], parts.fulfillments), order[keep[order]]


def _holds(
    keys: _Keys, bad: Mask, parts: _Parts, *, all_or_nothing: bool
) -> tuple[Codes, npt.NDArray[np.int8]]:
    """The row that holds each fulfillment back, if any, and what the two have in common.

    A bad row holds its parcel; if it does not say its parcel, all of its order or of its tracking number,
    and if its cells can't be told apart, all of every order and tracking number that stands in one of them.
    """
    never = len(bad)
    held_by = np.full(parts.fulfillments, never, dtype=np.int64)
    scope = np.zeros(parts.fulfillments, dtype=np.int8)
    faulty = np.flatnonzero(bad)
    torn = faulty[keys.part[faulty] == NOBODY]
    nowhere = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    for kind, rows, key, mentioned, of_part in (
        (Scope.PARCEL, faulty, keys.part, nowhere, np.arange(len(parts.order))),
        (Scope.ORDER, torn, keys.order, keys.orders, parts.order),
        (Scope.NUMBER, torn, keys.number, keys.numbers, parts.number),
    ):
        first = _first_rows(key, rows, never)
        np.minimum.at(first, mentioned[1], mentioned[0])
        culprit = np.full(parts.fulfillments, never, dtype=np.int64)
        np.minimum.at(culprit, parts.fulfillment, first[of_part])
        hit = (culprit < never) & (held_by == never)
        held_by[hit] = culprit[hit]
        scope[hit] = SCOPES.index(kind)
    if all_or_nothing and len(faulty):
        scope[held_by == never] = SCOPES.index(Scope.BATCH)
        held_by[held_by == never] = faulty[0]
    held_by[held_by == never] = NOBODY
    return held_by, scope


def _first_rows(key: Codes, rows: Codes, never: int) -> Codes:
    """For each code of ``key`` the first of the sorted ``rows`` that has it, or ``never``."""
    rows = rows[key[rows] != NOBODY]
    first = np.full(int(key.max(initial=-1)) + 1, never, dtype=np.int64)
    first[key[rows[::-1]]] = rows[::-1]
    return first


def _shared_numbers(part: Codes, parts: _Parts, bad: Mask) -> Findings:
    """Good rows whose tracking number stands on several orders."""
    good = np.flatnonzero(~bad)
    shared = np.bincount(parts.number) > 1
    rows = good[shared[parts.number[part[good]]]]
    return Findings.of(rows, "tracking-number-on-several-orders", "tracking_number")


def _spread(start: Codes, chosen: Codes) -> tuple[Codes, Codes]:
    """The places from each chosen one's start to the next, one after the other, and how many each has."""
    counts = start[chosen + 1] - start[chosen]
    skipped = start[chosen] - (np.cumsum(counts) - counts)
    return np.arange(counts.sum()) + np.repeat(skipped, counts), counts


def _linked(owner: Codes, order: Codes, orders: int) -> Codes:
    """For each order the first one that shared parcels link it to, by however many steps.

    ``owner`` and ``order`` are pairs of parcel and order. Each round hands the least order known in a parcel
    to those that its orders point to, and lets each point where that one points, so that few rounds do.
    """
    known = np.arange(orders)
    while True:
        least = np.full(int(owner.max(initial=-1)) + 1, orders)
        np.minimum.at(least, owner, known[order])
        better = known.copy()
        np.minimum.at(better, known[order], least[owner])
        better = better[better]
        if np.array_equal(better, known):
            return known
        known = better

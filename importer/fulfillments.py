"""Checked rows → one fulfillment per tracking number, and what holds one back.

A fulfillment is a parcel: an order id and a tracking number ("You can set only one tracking number and one
tracking URL per fulfillment", ADM, Create a Fulfillment). Everything is columns of codes until
``Grouping.by_order`` makes the few objects that are posted next.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from importer.findings import Findings
from importer.model import Fulfillment, LineItem, OrderPart
from schemas.manifest import MAX_QUANTITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Codes = npt.NDArray[np.int64]
    Mask = npt.NDArray[np.bool_]
    Text: TypeAlias = pa.Array[Any] | pa.ChunkedArray[Any]

NOBODY: Final = -1
_WINDOW = 4096


class Duplicates(StrEnum):
    """What the same row twice in one parcel means."""

    SUM = "sum"
    DROP = "drop"
    ERROR = "error"


class Scope(StrEnum):
    """What a held row has in common with the row that holds it back."""

    PARCEL = "parcel"
    ORDER = "order"
    NUMBER = "tracking number"
    BATCH = "batch"


SCOPES: Final = tuple(Scope)


@dataclass(frozen=True, slots=True)
class Rows:
    """All checked rows of a run as columns of one length, in the order of the manifests.

    ``order_id`` and ``tracking_number`` (string) are null where unknown; ``sku`` (string) and ``quantity``
    (int32) count where ``bad`` (bool) is false; ``manifest`` (int) says which manifest a row is from.
    """

    order_id: Text
    tracking_number: Text
    sku: Text
    quantity: npt.NDArray[np.int32]
    bad: Mask
    manifest: npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Options:
    """How to group; ``several_orders``: the destination takes one fulfillment for several orders."""

    several_orders: bool = False
    partial: bool = False
    all_or_nothing: bool = False
    duplicates: Duplicates = Duplicates.SUM


@dataclass(frozen=True, slots=True)
class _Lines:
    """Line items of all parts, those of a part together; ``start`` says where, and at last where they end."""

    start: Codes
    sku: Codes
    quantity: Codes


@dataclass(frozen=True, slots=True)
class _Parts:
    """Orders' shares in parcels: (order, tracking number) pairs, numbered by first appearance."""

    order: Codes
    number: Codes


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which fulfillment each row belongs to, and the fulfillments.

    ``of_row`` has a fulfillment's index per row (NOBODY: its parcel is not known). Per fulfillment,
    ``held_by`` is the row that holds it back (NOBODY: none does) and ``scope`` a place in SCOPES.
    ``findings`` are new faults of rows, ``bad`` is the rows' with them; ``warnings`` count rows likewise.
    """

    of_row: Codes
    bad: Mask
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

    def __len__(self) -> int:
        """How many fulfillments there are, held ones counted."""
        return len(self.held_by)

    @property
    def ready(self) -> Mask:
        """Which fulfillments may be posted: nothing holds them, and they have line items."""
        free: Mask = self.held_by == NOBODY
        return free & self.filled

    @property
    def filled(self) -> Mask:
        """Which fulfillments have line items, that is, a good row."""
        filled = np.diff(self.lines.start) > 0
        owners = np.repeat(np.arange(len(self)), np.diff(self.parts_start))
        found = np.zeros(len(self), dtype=bool)
        found[owners[filled[self.parts_sorted]]] = True
        return found

    def names(self) -> pa.Array[Any]:
        """What reports call each fulfillment, ``ORDER/TRACKING``, as a string array."""
        first = self.parts_sorted[self.parts_start[:-1]]
        numbers = self.numbers.take(pa.array(self.parts.number[first]))
        if len(self.parts.order) == len(self):
            orders = self.orders.take(pa.array(self.parts.order[first]))
        else:
            orders = pa.array([self._orders_of(index) for index in range(len(self))], pa.string())
        return pc.binary_join_element_wise(orders, numbers, "/")

    def _orders_of(self, index: int) -> str:
        parts = self.parts_sorted[self.parts_start[index] : self.parts_start[index + 1]]
        return "+".join(self.orders.take(pa.array(self.parts.order[parts])).to_pylist())

    def each(self, chosen: Mask) -> Iterator[Fulfillment]:
        """The chosen fulfillments, which must be ready, one by one; those of an order follow each other."""
        sequence = self._sequence(chosen)
        for start in range(0, len(sequence), _WINDOW):
            yield from self._make(sequence[start : start + _WINDOW])

    def by_order(self, chosen: Mask) -> Iterator[list[Fulfillment]]:
        """The chosen fulfillments in lists that may be posted side by side; within one, in manifest order.

        A list has the fulfillments of one order, or of several that share parcels.
        """
        queues = self._queue_of_fulfillment()
        waiting: list[Fulfillment] = []
        queue = NOBODY
        for fulfillment in self.each(chosen):
            mine = int(queues[fulfillment.index])
            if waiting and mine != queue:
                yield waiting
                waiting = []
            queue = mine
            waiting.append(fulfillment)
        if waiting:
            yield waiting

    def _sequence(self, chosen: Mask) -> Codes:
        picked = np.flatnonzero(chosen)
        queues = self._queue_of_fulfillment()[picked]
        return picked[np.argsort(queues, kind="stable")]

    def _queue_of_fulfillment(self) -> Codes:
        """The order that each fulfillment waits behind; orders that share a parcel are one."""
        first = self.parts.order[self.parts_sorted[self.parts_start[:-1]]]
        if len(self.parts.order) == len(self):
            return first
        return _representatives(first, self)[first]

    def _make(self, indexes: Codes) -> Iterator[Fulfillment]:
        counts = self.parts_start[indexes + 1] - self.parts_start[indexes]
        parts = self.parts_sorted[_ranges(self.parts_start[indexes], counts)]
        sizes = self.lines.start[parts + 1] - self.lines.start[parts]
        lines = _ranges(self.lines.start[parts], sizes)
        skus = iter(self.skus.take(pa.array(self.lines.sku[lines])).to_pylist())
        quantities = iter(self.lines.quantity[lines].tolist())
        orders = iter(self.orders.take(pa.array(self.parts.order[parts])).to_pylist())
        numbers = self.numbers.take(pa.array(self.parts.number[parts])).to_pylist()
        at = 0
        size = iter(sizes.tolist())
        for index, count in zip(indexes.tolist(), counts.tolist(), strict=True):
            made = []
            for _ in range(count):
                order, length = next(orders), next(size)
                items = tuple(LineItem(next(skus), next(quantities)) for _ in range(length))
                if items:
                    made.append(OrderPart(order, items))
            yield Fulfillment(index, numbers[at], tuple(made))
            at += count


def group(rows: Rows, options: Options) -> Grouping:
    """Group the rows; every row ends in a fulfillment or has a finding."""
    order, orders = _encode(rows.order_id)
    number, numbers = _encode(rows.tracking_number)
    sku, skus = _encode(rows.sku)
    part, parts = _parts(order, number, len(numbers))
    bad = rows.bad.copy()
    counted, twice, repeats = _duplicates(part, sku, rows, options.duplicates)
    if options.duplicates is Duplicates.ERROR:
        bad[twice.rows] = True
    lines, too_large = _lines(part, sku, rows.quantity, counted & ~bad, len(parts.order), len(skus))
    findings = [too_large] if options.duplicates is not Duplicates.ERROR else [twice, too_large]
    if len(too_large):
        bad[too_large.rows] = True
        lines, _ = _lines(part, sku, rows.quantity, counted & ~bad, len(parts.order), len(skus))
    fulfillment = number_of_part(parts, several_orders=options.several_orders)
    start, sorted_parts = _grouped(fulfillment)
    held_by, scope = _holds(order, number, part, bad, parts, fulfillment, options)
    of_row = np.where(part >= 0, fulfillment[part] if len(fulfillment) else NOBODY, NOBODY)
    warnings = [repeats] if options.duplicates is Duplicates.ERROR else [twice, repeats]
    if not options.several_orders:
        warnings.append(_shared_numbers(part, parts, bad))
    return Grouping(
        of_row=of_row,
        bad=bad,
        held_by=held_by,
        scope=scope,
        findings=Findings.join(findings),
        warnings=Findings.join(warnings),
        orders=orders,
        numbers=numbers,
        skus=skus,
        parts=parts,
        lines=lines,
        parts_start=start,
        parts_sorted=sorted_parts,
    )


def number_of_part(parts: _Parts, *, several_orders: bool) -> Codes:
    """The fulfillment of each part: one each, or one per tracking number."""
    if not several_orders:
        return np.arange(len(parts.order), dtype=np.int64)
    return pd.factorize(parts.number)[0].astype(np.int64)


def _encode(texts: Text) -> tuple[Codes, pa.Array[Any]]:
    """Codes by first appearance (-1 for null) and what they stand for."""
    encoded = texts.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = pa.array([], pa.string()).dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, encoded.dictionary


def _parts(order: Codes, number: Codes, numbers: int) -> tuple[Codes, _Parts]:
    known = (order >= 0) & (number >= 0)
    keys = order[known] * max(numbers, 1) + number[known]
    codes, distinct = pd.factorize(keys)
    part = np.full(len(order), NOBODY, dtype=np.int64)
    part[known] = codes
    distinct = np.asarray(distinct, dtype=np.int64)
    return part, _Parts(distinct // max(numbers, 1), distinct % max(numbers, 1))


def _duplicates(
    part: Codes, sku: Codes, rows: Rows, duplicates: Duplicates
) -> tuple[Mask, Findings, Findings]:
    """Which rows count, and those that say what an earlier row has said.

    Within a manifest such a row is another unit, a repetition, or a mistake, as the user has it. A row that
    an earlier manifest of the run has too, as often, is the same row: manifests overlap.
    """
    counted = ~rows.bad
    good = np.flatnonzero(counted)
    same = _combine(_combine(part[good], sku[good]), rows.quantity[good].astype(np.int64))
    within = _combine(same, rows.manifest[good].astype(np.int64))
    first, seen = _first_and_count(within)
    again = seen > 0
    twice = Findings.of(good[again], "duplicate-row", details=good[first[again]])
    overlap = np.zeros(len(good), dtype=bool)
    repeats = Findings.of(good[:0], "duplicate-row")
    if len(rows.manifest) and rows.manifest[-1] > 0:
        earlier, times = _first_and_count(_combine(same, seen))
        overlap = times > 0
        repeats = Findings.of(good[overlap], "duplicate-row", details=good[earlier[overlap]])
        twice = twice.without(good[overlap].tolist())
        counted[good[overlap]] = False
    if duplicates is Duplicates.DROP:
        counted[good[again]] = False
    return counted, twice, repeats


def _combine(left: Codes, right: Codes) -> Codes:
    """One code for each pair of codes."""
    width = int(right.max(initial=0)) + 1
    return np.asarray(pd.factorize(left * width + right)[0], dtype=np.int64)


def _first_and_count(codes: Codes) -> tuple[Codes, Codes]:
    """For each place, the first place that has its code, and how many before it have."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(codes) else order
    lengths = np.diff(np.append(starts, len(codes)))
    first = np.empty(len(codes), dtype=np.int64)
    count = np.empty(len(codes), dtype=np.int64)
    first[order] = np.repeat(order[starts], lengths)
    count[order] = np.arange(len(codes)) - np.repeat(starts, lengths)
    return first, count


def _lines(
    part: Codes, sku: Codes, quantity: npt.NDArray[np.int32], counted: Mask, parts: int, skus: int
) -> tuple[_Lines, Findings]:
    """One line item per part and SKU, in order of first appearance; and the rows whose sum is too large."""
    used = np.flatnonzero(counted)
    line, keys = pd.factorize(part[used] * max(skus, 1) + sku[used])
    keys = np.asarray(keys, dtype=np.int64)
    # Sums stay exact: a run would need 2^53 / 1,000,000 rows to leave the floats' whole numbers.
    sums = np.bincount(line, weights=quantity[used], minlength=len(keys)).astype(np.int64)
    owner = keys // max(skus, 1)
    order = np.argsort(owner, kind="stable")
    start = np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=parts)))).astype(np.int64)
    over = sums[line] > MAX_QUANTITY if len(used) else np.zeros(0, dtype=bool)
    too_large = Findings.of(used[over], "quantity-too-large", "quantity", sums[line[over]])
    return _Lines(start, (keys % max(skus, 1))[order], sums[order]), too_large


def _grouped(owner: Codes) -> tuple[Codes, Codes]:
    """Places sorted by owner, and where each owner's begin (and the end)."""
    owners = int(owner.max(initial=-1)) + 1
    start = np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=owners)))).astype(np.int64)
    return start, np.argsort(owner, kind="stable")


def _holds(
    order: Codes,
    number: Codes,
    part: Codes,
    bad: Mask,
    parts: _Parts,
    fulfillment: Codes,
    options: Options,
) -> tuple[Codes, npt.NDArray[np.int8]]:
    """The row that holds each fulfillment back, if any, and what the two have in common."""
    total = int(fulfillment.max(initial=-1)) + 1
    held_by = np.full(total, NOBODY, dtype=np.int64)
    scope = np.zeros(total, dtype=np.int8)
    if options.partial or not bad.any():
        return held_by, scope
    faulty = np.flatnonzero(bad)
    torn = faulty[part[faulty] < 0]
    for kind, rows, code, of_part in (
        (Scope.PARCEL, faulty[part[faulty] >= 0], part, np.arange(len(parts.order))),
        (Scope.ORDER, torn[order[torn] >= 0], order, parts.order),
        (Scope.NUMBER, torn[(number[torn] >= 0) & (order[torn] < 0)], number, parts.number),
    ):
        culprit = _first_row(code[rows], rows, int(code.max(initial=-1)) + 1)
        by_part = culprit[of_part]
        hit = (by_part != NOBODY) & (held_by[fulfillment] == NOBODY)
        held_by[fulfillment[hit][::-1]] = by_part[hit][::-1]
        scope[fulfillment[hit]] = SCOPES.index(kind)
    if options.all_or_nothing:
        rest = held_by == NOBODY
        held_by[rest] = faulty[0]
        scope[rest] = SCOPES.index(Scope.BATCH)
    return held_by, scope


def _first_row(codes: Codes, rows: Codes, size: int) -> Codes:
    first = np.full(size, NOBODY, dtype=np.int64)
    first[codes[::-1]] = rows[::-1]
    return first


def _shared_numbers(part: Codes, parts: _Parts, bad: Mask) -> Findings:
    """Rows whose tracking number stands on several orders."""
    shared = np.bincount(parts.number) > 1 if len(parts.number) else np.zeros(0, dtype=bool)
    mine = np.flatnonzero((part >= 0) & ~bad)
    rows = mine[shared[parts.number[part[mine]]]] if len(mine) else mine
    return Findings.of(rows, "tracking-number-on-several-orders", "tracking_number")


def _ranges(starts: Codes, lengths: Codes) -> Codes:
    """The places ``start … start + length - 1`` of each, one after the other."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) - np.repeat(ends - lengths, lengths) + np.repeat(starts, lengths)


def _representatives(first: Codes, grouping: Grouping) -> Codes:
    """For each order the first order that it is linked to by shared parcels (union-find)."""
    parent = np.arange(int(grouping.parts.order.max(initial=-1)) + 1)

    def root(order: int) -> int:
        while parent[order] != order:
            parent[order] = parent[parent[order]]
            order = int(parent[order])
        return order

    owners = np.repeat(np.arange(len(grouping)), np.diff(grouping.parts_start))
    for owner, order in zip(
        owners.tolist(), grouping.parts.order[grouping.parts_sorted].tolist(), strict=True
    ):
        left, right = sorted((root(int(first[owner])), root(order)))
        parent[right] = left
    return np.array([root(order) for order in range(len(parent))], dtype=np.int64)

"""Grouping more rows than memory has room for: order by order, in files.

Rows are in buckets by their order, and are grouped bucket by bucket. What crosses orders is a tracking number
alone: that several orders have it, or that a torn row names it and no order. So every parcel's number goes
into a bucket of numbers, and what is found there goes back to the parcel; where a parcel may be of several
orders, what each has in it goes there, and is put together there. Parcels are known by the row that
they begin with until all are there; then they are numbered, and what was found of rows, parcels and findings
is put in order, stretch by stretch of the rows.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct
from msgspec.structs import replace

from importer.findings import Findings, number_of
from importer.fulfillments import NOBODY, SCOPES, Scope, group
from importer.fulfillments.partitions import FINDINGS, codes_of, found, mask_of, put
from importer.fulfillments.shares import KNOWN, SHARES, Links, put_together
from importer.fulfillments.spilled import Spilled, beginnings, first_places
from importer.spilling import buckets_of

if TYPE_CHECKING:
    from importer.fulfillments import Codes, Grouped, Mask, Options, Rows
    from importer.fulfillments.partitions import Partitions
    from importer.spilling import Pieces, Room

_JUDGED: Final = pa.schema(
    [("row", pa.int64()), ("first", pa.int64()), ("bad", pa.bool_()), ("repeats", pa.bool_())]
)
_PARCELS: Final = pa.schema([*KNOWN, ("name", pa.string())])
_NUMBERS: Final = pa.schema([("number", pa.string()), ("first", pa.int64())])
_OF_PARCELS: Final = pa.schema([("share", pa.int64()), ("parcel", pa.int64())])
_HINTS: Final = pa.schema([("first", pa.int64()), ("shared", pa.bool_()), ("torn", pa.int64())])
_TOO_LARGE, _SHARED = map(number_of, ("quantity-too-large", "tracking-number-on-several-orders"))


def group_piecewise(partitions: Partitions, options: Options) -> Spilled:
    """Group the rows; every good row ends in a fulfillment.

    Raises:
        CannotGoOn: there is no room for what comes of it.
    """
    several = options.several_orders
    alone = replace(
        options,
        several_orders=False,
        all_or_nothing=False,
        partial=options.partial and not options.all_or_nothing,
    )
    judged = _Judged.of(partitions.room, several_orders=several)
    links = Links(partitions.room, partitions.buckets, len(partitions))
    for found_there in partitions.each(partial(_grouped, options=alone, several_orders=several)):
        _keep(found_there, partitions, judged)
    for bucket in range(partitions.buckets):
        numbers = judged.numbers.read(bucket)
        if several:
            numbers = _put_together(numbers, partitions, judged, links, bucket)
        _compare_numbers(numbers, partitions, bucket, judged)
    parcels = _Parcels(partitions, alone)
    for stretch in partitions.stretches:
        parcels.add(judged, stretch)
    rows = _Rows(partitions, parcels)
    for stretch in partitions.stretches:
        rows.add(judged, stretch)
    judged.drop()
    return _joined(partitions, options, alone, parcels, rows, links)


class _Judged(Struct, frozen=True):
    """What is found bucket by bucket: of ``rows``, parcels and findings, by the stretch of a row.

    A parcel's is the row that it begins with, which is also how it is known. ``numbers`` are the parcels'
    tracking numbers, in buckets, or what each order has in a parcel; and ``hints`` what is found there:
    which numbers several orders have, and the first row that has the number and no order. ``shares`` say of
    the row that what an order has in a parcel begins with, which parcel that is.
    """

    rows: Pieces
    parcels: Pieces
    numbers: Pieces
    hints: Pieces
    shares: Pieces
    findings: Pieces
    warnings: Pieces

    @classmethod
    def of(cls, room: Room, *, several_orders: bool) -> _Judged:
        numbers = SHARES if several_orders else _NUMBERS
        schemas = (_JUDGED, _PARCELS, numbers, _HINTS, _OF_PARCELS, FINDINGS, FINDINGS)
        return cls(*map(room.pieces, schemas))

    def drop(self) -> None:
        """Give back the room of all that was put in order."""
        for pieces in (self.rows, self.parcels, self.numbers, self.hints, self.shares):
            pieces.drop()
        self.findings.drop()
        self.warnings.drop()


class _Bucket(Struct, frozen=True):
    """What is found in a bucket: columns of its rows, of its parcels and their numbers, and findings.

    Where parcels may be of several orders, there is nothing of parcels, and ``numbers`` has their shares.
    """

    rows: list[Any]
    parcels: list[Any]
    numbers: list[Any]
    findings: Findings
    warnings: Findings


def _grouped(bucket: tuple[Codes, Rows], options: Options, *, several_orders: bool) -> _Bucket:
    """Group the orders of a bucket."""
    numbers, rows = bucket
    grouped = group(rows, options)
    first = numbers[first_places(grouped.of_row, len(grouped))]
    mine = np.flatnonzero(grouped.of_row >= 0)
    number = grouped.numbers.take(pa.array(grouped.parts.number))
    known = [first, *_columns(grouped, numbers)]
    if several_orders:
        orders = grouped.orders.take(pa.array(grouped.parts.order))
        parcels, of_numbers = [], [number, *known, orders, beginnings(numbers, rows, grouped)]
    else:
        parcels, of_numbers = [*known, grouped.names()], [number, first]
    return _Bucket(
        rows=[numbers[mine], first[grouped.of_row[mine]], grouped.bad[mine], grouped.repeats[mine]],
        parcels=parcels,
        numbers=of_numbers,
        findings=_of_run(grouped.findings, numbers),
        # a bucket does not know of the numbers of all orders
        warnings=_of_run(_but(grouped.warnings, _SHARED), numbers),
    )


def _keep(bucket: _Bucket, partitions: Partitions, judged: _Judged) -> None:
    stretch = partitions.room.stretch
    judged.rows.scatter(bucket.rows[0] // stretch, bucket.rows)
    if bucket.parcels:
        judged.parcels.scatter(bucket.parcels[0] // stretch, bucket.parcels)
    judged.numbers.scatter(buckets_of(bucket.numbers[0], partitions.buckets), bucket.numbers)
    put(judged.findings, bucket.findings)
    put(judged.warnings, bucket.warnings)


def _columns(grouped: Grouped, numbers: Codes) -> list[Any]:
    """What is known of each parcel."""
    return [
        np.append(numbers, NOBODY)[grouped.held_by],
        grouped.scope,
        grouped.filled,
        grouped.partial,
        grouped.said.notify,
        pa.nulls(len(grouped), pa.string()) if grouped.said.told is None else grouped.said.told,
    ]


def _but(findings: Findings, code: int) -> Findings:
    keep = findings.codes != code
    return Findings(
        *(column[keep] for column in (findings.rows, findings.columns, findings.codes, findings.details))
    )


def _of_run(findings: Findings, numbers: Codes) -> Findings:
    """The findings of a bucket, with its rows as the run numbers them."""
    is_row = (findings.details >= 0) & (findings.codes != _TOO_LARGE)
    details = np.where(
        is_row, np.append(numbers, NOBODY)[np.where(is_row, findings.details, NOBODY)], findings.details
    )
    return Findings(numbers[findings.rows], findings.columns, findings.codes, details)


def _put_together(
    shares: pa.Table, partitions: Partitions, judged: _Judged, links: Links, bucket: int
) -> pa.Table:
    """Make parcels of what orders have of a bucket's numbers; returns each number with its one parcel."""
    stretch = partitions.room.stretch
    parcels = put_together(shares, len(partitions), links, bucket)
    judged.parcels.scatter(parcels.columns[0] // stretch, parcels.columns)
    judged.shares.scatter(parcels.share // stretch, [parcels.share, parcels.parcel])
    return pa.table([parcels.numbers, parcels.columns[0]], schema=_NUMBERS)


def _compare_numbers(parcels: pa.Table, partitions: Partitions, bucket: int, judged: _Judged) -> None:
    """Find the numbers of a bucket that several orders have, or a row that names no order."""
    torn = partitions.numbers.read(bucket)
    encoded = parcels["number"].combine_chunks().dictionary_encode()
    code = encoded.indices.to_numpy()
    meant = pc.index_in(torn["text"], value_set=encoded.dictionary).fill_null(NOBODY).to_numpy()
    never = len(partitions)
    first_torn = np.full(len(encoded.dictionary), never)
    np.minimum.at(first_torn, meant[meant >= 0], codes_of(torn["row"])[meant >= 0])
    shared, torn_row = np.bincount(code)[code] > 1, first_torn[code]
    hit = np.flatnonzero(shared | (torn_row < never))
    first = codes_of(parcels["first"])[hit]
    torn_row = np.where(torn_row < never, torn_row, NOBODY)[hit]
    judged.hints.scatter(first // partitions.room.stretch, [first, shared[hit], torn_row])


class _Parcels:
    """Numbers the parcels of all buckets by the row they begin with, and puts together what they have."""

    def __init__(self, partitions: Partitions, options: Options) -> None:
        room = partitions.room
        self._options = options
        self._room = room
        self.count = 0
        self.of_row = room.column(len(partitions), np.int64)
        for stretch in partitions.stretches:
            self.of_row[stretch * room.stretch : (stretch + 1) * room.stretch] = NOBODY
            room.let_go()
        self.held_by, self.scope = room.appended(np.int64), room.appended(np.int8)
        self.filled, self.partial, self.notify, self.shared = (room.appended(bool) for _ in range(4))
        self._texts, self._ends = room.appended(np.uint8), room.appended(np.int64)
        self._ends.add(np.zeros(1))
        self._written = 0
        self.carriers: Counter[str] = Counter()

    def add(self, judged: _Judged, stretch: int) -> None:
        """Take those that begin in the next stretch of the rows."""
        table = judged.parcels.read(stretch)
        table = table.take(pa.array(np.argsort(codes_of(table["first"]), kind="stable")))
        first = codes_of(table["first"])
        self.of_row[first] = np.arange(self.count, self.count + len(first))
        shares = judged.shares.read(stretch)
        self.of_row[codes_of(shares["share"])] = self.of_row[codes_of(shares["parcel"])]
        self.count += len(first)
        held_by, scope = codes_of(table["held_by"]).copy(), table["scope"].to_numpy().copy()
        filled, shared = mask_of(table["filled"]), np.zeros(len(first), dtype=bool)
        hints = judged.hints.read(stretch)
        at, torn = np.searchsorted(first, codes_of(hints["first"])), codes_of(hints["torn"])
        shared[at] = mask_of(hints["shared"])
        if not self._options.partial:
            free = (torn != NOBODY) & (held_by[at] == NOBODY)
            held_by[at[free]], scope[at[free]] = torn[free], SCOPES.index(Scope.NUMBER)
        self.held_by.add(held_by)
        self.scope.add(scope)
        self.filled.add(filled)
        self.partial.add(mask_of(table["partial"]))
        self.notify.add(mask_of(table["notify"]))
        self.shared.add(shared)
        self._add_names(table["name"].combine_chunks())
        self._count_carriers(table["told"].filter(pa.array((held_by == NOBODY) & filled)))
        self._room.let_go()

    def _add_names(self, names: Any) -> None:  # noqa: ANN401 - pyarrow is untyped here
        if not len(names):
            return
        ends = np.frombuffer(names.buffers()[1], np.int32)[names.offset : names.offset + len(names) + 1]
        text = np.frombuffer(names.buffers()[2], np.uint8)[ends[0] : ends[-1]]
        self._texts.add(text)
        self._ends.add(ends[1:].astype(np.int64) - ends[0] + self._written)
        self._written += len(text)

    def _count_carriers(self, told: Any) -> None:  # noqa: ANN401 - pyarrow is untyped here
        for each in pc.value_counts(told).to_pylist():
            if each["values"]:
                self.carriers[each["values"]] += each["counts"]

    def names(self) -> pa.Array[Any]:
        """What reports call each, as a large string array over a file."""
        ends, texts = self._ends.column(), self._texts.column()
        return pa.LargeStringArray.from_buffers(self.count, pa.py_buffer(ends), pa.py_buffer(texts))


class _Rows:
    """Puts together what is known of the rows, once their parcels have numbers."""

    def __init__(self, partitions: Partitions, parcels: _Parcels) -> None:
        room = partitions.room
        self._partitions = partitions
        self._parcels = parcels
        self._shared = parcels.shared.column()
        self.bad, self.idle = partitions.bad.column(), partitions.idle.column()
        self.repeats = room.column(len(partitions), bool)
        self.first_faulty = NOBODY
        self._findings, self._warnings = _Found(room), _Found(room)

    def add(self, judged: _Judged, stretch: int) -> None:
        """Take the next stretch of the rows."""
        table = judged.rows.read(stretch)
        rows = codes_of(table["row"])
        of_row, partitions = self._parcels.of_row, self._partitions
        of_row[rows] = of_row[codes_of(table["first"])]
        self.bad[rows] |= mask_of(table["bad"])
        self.repeats[rows] = mask_of(table["repeats"])
        start = stretch * partitions.room.stretch
        mine = slice(start, start + partitions.room.stretch)
        good = start + np.flatnonzero(~self.bad[mine])
        several = Findings.of(
            good[self._shared[of_row[good]]], "tracking-number-on-several-orders", "tracking_number"
        )
        self._findings.add([found(partitions.findings, stretch), found(judged.findings, stretch)])
        self._warnings.add([found(partitions.warnings, stretch), found(judged.warnings, stretch), several])
        faulty = np.flatnonzero(self.bad[mine] & ~self.idle[mine])
        if self.first_faulty == NOBODY and len(faulty):
            self.first_faulty = start + int(faulty[0])
        partitions.room.let_go()

    def found(self) -> tuple[Findings, Findings]:
        """All findings, and all warnings."""
        return self._findings.joined(), self._warnings.joined()


class _Found:
    """Findings in order, in files."""

    def __init__(self, room: Room) -> None:
        self._rows, self._details = room.appended(np.int64), room.appended(np.int64)
        self._columns, self._codes = room.appended(np.int8), room.appended(np.int8)

    def add(self, several: list[Findings]) -> None:
        """Take those on the next rows."""
        joined = Findings.join(several)
        self._rows.add(joined.rows)
        self._columns.add(joined.columns)
        self._codes.add(joined.codes)
        self._details.add(joined.details)

    def joined(self) -> Findings:
        """All of them."""
        return Findings(
            self._rows.column(), self._columns.column(), self._codes.column(), self._details.column()
        )


def _joined(
    partitions: Partitions, options: Options, alone: Options, parcels: _Parcels, rows: _Rows, links: Links
) -> Spilled:
    findings, warnings = rows.found()
    held_by, scope = parcels.held_by.column(), parcels.scope.column()
    carriers = dict(parcels.carriers)
    if options.all_or_nothing and rows.first_faulty != NOBODY:
        _hold_rest(held_by, scope, rows.first_faulty, partitions.room)
        carriers = {}
    return Spilled(
        of_row=parcels.of_row,
        bad=rows.bad,
        repeats=rows.repeats,
        filled=parcels.filled.column(),
        partial=parcels.partial.column(),
        held_by=held_by,
        scope=scope,
        findings=findings,
        warnings=warnings,
        notify=parcels.notify.column(),
        carriers=carriers,
        _names=parcels.names(),
        _partitions=partitions,
        _options=alone,
        _links=links,
    )


def _hold_rest(held_by: Codes, scope: Mask, culprit: int, room: Room) -> None:
    """Hold all that nothing else holds."""
    for start in range(0, len(held_by), room.stretch):
        mine = slice(start, start + room.stretch)
        free = held_by[mine] == NOBODY
        held_by[mine][free] = culprit
        scope[mine][free] = SCOPES.index(Scope.BATCH)
        room.let_go()

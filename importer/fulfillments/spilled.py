"""A grouping of more rows than memory has room for: columns in files, parcels made when asked for."""

from __future__ import annotations

from functools import partial
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct, field
from msgspec.structs import replace

from importer.fulfillments import NOBODY, group
from importer.fulfillments.partitions import codes_of
from importer.fulfillments.said import MANY_SAID
from importer.model import MAIL_ALONE, Fulfillment, LineItem, OrderPart

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

    from importer.findings import Findings
    from importer.fulfillments import Codes, Grouped, Mask, Options, Rows
    from importer.fulfillments.partitions import Partitions
    from importer.fulfillments.shares import Links
    from importer.spilling import Pieces

_WINDOW = 4096
_BODIES: Final = [
    ("queue", pa.int64()),
    ("first", pa.int64()),
    ("order", pa.string()),
    ("number", pa.string()),
    ("skus", pa.list_(pa.string())),
    ("quantities", pa.list_(pa.int64())),
    ("notify", pa.bool_()),
    *((name, pa.string()) for name in MANY_SAID),
]


class Spilled(Struct):
    """A ``Grouping`` whose columns are in files; those of rows and those of fulfillments, as there.

    ``notify`` says of each fulfillment whether its customer is to be mailed, ``carriers`` how many of those
    that may be posted got which carrier from their tracking number.
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
    notify: Mask
    carriers: dict[str, int]
    _names: pa.Array[Any]
    _partitions: Partitions
    _options: Options
    _links: Links
    _bodies: list[Pieces] = field(default_factory=list)

    def __len__(self) -> int:
        """How many fulfillments there are, held ones counted."""
        return len(self.held_by)

    @property
    def ready(self) -> Mask:
        """Which fulfillments may be posted: nothing holds them, and they have line items."""
        ready = np.empty(len(self), dtype=bool)
        for start in range(0, len(self), self._partitions.room.stretch):
            some = slice(start, start + self._partitions.room.stretch)
            ready[some] = (self.held_by[some] == NOBODY) & self.filled[some]
            self.let_go()
        return ready

    @property
    def shares(self) -> Codes:
        """How many orders each fulfillment is of."""
        return self._links.shares(self.of_row, len(self))

    def mails(self, chosen: Mask) -> int:
        """How many of the chosen fulfillments' customers are to be mailed."""
        return int((self.notify & chosen).sum())

    def filled_carriers(self) -> dict[str, int]:
        """How many of those that may be posted got which carrier from their tracking number."""
        return self.carriers

    def names(self) -> pa.Array[Any]:
        """What reports call each fulfillment, ``ORDER/TRACKING``, as a large string array."""
        return self._names

    def column(self, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Zeros, one for each fulfillment."""
        return self._partitions.room.column(len(self), dtype)

    def let_go(self) -> None:
        """Give back the memory that was taken to look at the columns."""
        self._partitions.room.let_go()

    def each(self, chosen: Mask) -> Iterator[Fulfillment]:
        """The chosen fulfillments, which must be filled, one by one, order by order."""
        return chain.from_iterable(self.by_order(chosen))

    def by_order(self, chosen: Mask, begin: float = 0.0) -> Iterator[list[Fulfillment]]:
        """The chosen fulfillments in lists that may be posted side by side; within one, in manifest order.

        A list has the fulfillments of one order, or of several that share parcels; they must be filled. The
        first list is of the stretch of rows after this share of all, from 0 to 1; those before it come last.

        Raises:
            CannotGoOn: there is no room for what is posted.
        """
        if not self._bodies:
            self._bodies.append(_bodies(self._partitions, self._options, self._links.queues()))
        stretches = self._partitions.stretches
        first = int(begin * len(stretches))
        return self._queues(chosen, (*stretches[first:], *stretches[:first]))

    def _queues(self, chosen: Mask, stretches: Iterable[int]) -> Iterator[list[Fulfillment]]:
        for stretch in stretches:
            table = self._bodies[0].read(stretch)
            first = codes_of(table["first"])
            queues, index = codes_of(table["queue"]), self.of_row[first]
            has_lines = codes_of(pc.list_value_length(table["skus"])) > 0
            picked = np.flatnonzero(chosen[index] & has_lines)
            picked = picked[np.lexsort((first[picked], index[picked], queues[picked]))]
            self.let_go()
            for _, shares in groupby(self._shares(table, index, picked), key=lambda share: share[0]):
                parcels = groupby((share for _, share in shares), key=lambda share: share.index)
                yield [_whole(*of_parcel) for _, of_parcel in parcels]

    def _shares(self, table: pa.Table, index: Codes, picked: Codes) -> Iterator[tuple[int, Fulfillment]]:
        """What is posted of each order in each parcel, as a fulfillment, and its queue."""
        for start in range(0, len(picked), _WINDOW):
            some = picked[start : start + _WINDOW]
            batch = table.take(pa.array(some)).combine_chunks().to_batches()[0]
            columns = {
                "index": index[some].tolist(),
                "tracking_number": pc.if_else(
                    pc.equal(batch[MAIL_ALONE], ""), batch["number"], ""
                ).to_pylist(),
                "parts": _parts(batch),
                "partial": self.partial[index[some]].tolist(),
                **{name: batch[name].to_pylist() for name in ("notify", *MANY_SAID) if name != MAIL_ALONE},
            }
            for queue, *fields in zip(batch["queue"].to_pylist(), *columns.values(), strict=True):
                yield queue, Fulfillment(**dict(zip(columns, fields, strict=True)))


def _parts(batch: pa.RecordBatch) -> Iterator[tuple[OrderPart]]:
    """What each order gets, as the only part of its parcel."""
    skus, quantities = (batch[name].flatten().to_pylist() for name in ("skus", "quantities"))
    lines = zip(skus, quantities, strict=True)
    sizes = pc.list_value_length(batch["skus"]).to_pylist()
    for order, size in zip(batch["order"].to_pylist(), sizes, strict=True):
        items = (LineItem(*line) for line in islice(lines, size) if all(line))
        yield (OrderPart(order, tuple(items)),)


def _whole(share: Fulfillment, *others: Fulfillment) -> Fulfillment:
    """The fulfillment of these shares."""
    if not others:
        return share
    return replace(share, parts=tuple(part for each in (share, *others) for part in each.parts))


def _bodies(partitions: Partitions, options: Options, linked: Codes | None) -> Pieces:
    """What is posted of every order in every parcel, by the stretch of the row that its queue begins with.

    That is the row that its order begins with, or what ``linked`` has instead.
    """
    room = partitions.room
    bodies = room.pieces(pa.schema(_BODIES))
    for columns in partitions.each(partial(_bodies_of, options=options)):
        queue = columns[0] if linked is None else linked[columns[0]]
        bodies.scatter(queue // room.stretch, [queue, *columns[1:]])
    return bodies


def _bodies_of(bucket: tuple[Codes, Rows], options: Options) -> list[Any]:
    """The columns of what is posted of a bucket's parcels; first, where each order begins."""
    numbers, rows = bucket
    grouped = group(rows, options)
    every = np.arange(len(grouped))
    starts = pa.array(grouped.lines.start, pa.int32())
    return [
        beginnings(numbers, rows, grouped),
        numbers[first_places(grouped.of_row, len(grouped))],
        grouped.orders.take(pa.array(grouped.parts.order)),
        grouped.numbers.take(pa.array(grouped.parts.number)),
        pa.ListArray.from_arrays(starts, grouped.skus.take(pa.array(grouped.lines.sku))),
        pa.ListArray.from_arrays(starts, pa.array(grouped.lines.quantity)),
        grouped.said.notify,
        *(grouped.said.texts_of(name, every) for name in MANY_SAID),
    ]


def beginnings(numbers: Codes, rows: Rows, grouped: Grouped) -> Codes:
    """For each parcel the row that its order begins with; ``numbers`` are those of the rows in the run."""
    places = pc.index_in(rows.order_id, value_set=grouped.orders).fill_null(NOBODY).to_numpy()
    return numbers[first_places(places, len(grouped.orders))][grouped.parts.order]


def first_places(codes: Codes, count: int) -> Codes:
    """Where each of ``count`` codes appears first; all do."""
    known = np.flatnonzero(codes >= 0)[::-1]
    first = np.empty(count, dtype=np.int64)
    first[codes[known]] = known
    return first

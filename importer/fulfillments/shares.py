"""Parcels of several orders, put together of what each order has in them; rows are in files.

Rows are grouped order by order, so that what comes first is an order's share in a parcel. All shares of a
tracking number are one parcel; orders that share one are posted one after the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.fulfillments import NOBODY, SCOPES
from importer.fulfillments.partitions import codes_of, mask_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from importer.fulfillments import Codes, Mask
    from importer.spilling import Pieces, Room

KNOWN: Final = [
    ("first", pa.int64()),
    ("held_by", pa.int64()),
    ("scope", pa.int8()),
    ("filled", pa.bool_()),
    ("partial", pa.bool_()),
    ("notify", pa.bool_()),
    ("told", pa.string()),
]
"""Of a parcel, or of a share in one: where it begins, what holds it back, what is said of it."""
SHARES: Final = pa.schema([("number", pa.string()), *KNOWN, ("order", pa.string()), ("queue", pa.int64())])
"""An order's share in a parcel: the row that it begins with, and the row that its order begins with."""
_LINKS: Final = pa.schema([("first", pa.int64()), ("queue", pa.int64())])


class Parcels(NamedTuple):
    """The parcels of some tracking numbers, in the order of the rows that they begin with.

    ``columns`` are what is known of each, ``numbers`` (string) their tracking numbers. ``share`` and
    ``parcel`` say of each share the row that it begins with, and the row that its parcel begins with.
    """

    columns: list[Any]
    numbers: Any
    share: Codes
    parcel: Codes


def put_together(shares: pa.Table, rows: int, links: Links, bucket: int) -> Parcels:
    """Make parcels of all shares of a bucket of tracking numbers.

    ``rows`` is how many rows there are in all; ``links`` learn which orders have a parcel in common.
    """
    shares = shares.take(pa.array(np.argsort(codes_of(shares["first"]), kind="stable")))
    first = codes_of(shares["first"])
    encoded = shares["number"].combine_chunks().dictionary_encode()
    code = encoded.indices.to_numpy().astype(np.int64)
    count = len(encoded.dictionary)
    filled = _any(mask_of(shares["filled"]), code, count)
    # a share without line items is in its parcel only if the whole parcel has none
    kept = np.flatnonzero(mask_of(shares["filled"]) | ~filled[code])
    kept = kept[np.argsort(code[kept], kind="stable")]
    starts = np.concatenate(([0], np.cumsum(np.bincount(code[kept], minlength=count))))
    held_by, scope = _holds(shares, code, count, rows)
    begins = first[np.unique(code, return_index=True)[1]]
    several = np.diff(starts)[code[kept]] > 1
    links.add(bucket, begins[code[kept]][several], codes_of(shares["queue"])[kept[several]])
    fronts = pa.array(kept[starts[:-1]])
    orders = shares["order"].combine_chunks().take(pa.array(kept))
    orders = pa.ListArray.from_arrays(pa.array(starts, pa.int32()), orders)
    columns = [
        *(begins, held_by, scope, filled),
        _any(mask_of(shares["partial"]), code, count),
        shares["notify"].take(fronts),
        shares["told"].take(fronts),
        pc.binary_join_element_wise(pc.binary_join(orders, "+"), encoded.dictionary, "/"),
    ]
    return Parcels(columns, encoded.dictionary, first, begins[code])


def _any(mask: Mask, code: Codes, count: int) -> Mask:
    """For each code whether ``mask`` says so anywhere."""
    found = np.zeros(count, dtype=bool)
    found[code[mask]] = True
    return found


def _holds(shares: pa.Table, code: Codes, count: int, rows: int) -> tuple[Codes, npt.NDArray[np.int8]]:
    """The row that holds each parcel back, and what the two have in common: the closest, then the first."""
    by, scope = codes_of(shares["held_by"]), codes_of(shares["scope"]).astype(np.int64)
    held = by != NOBODY
    never = len(SCOPES) * rows
    closest = np.full(count, never)
    np.minimum.at(closest, code[held], (scope * rows + by)[held])
    scope, by = np.divmod(closest, rows)
    return np.where(closest == never, NOBODY, by), scope.astype(np.int8)


class Links:
    """Which orders have a parcel in common, in files; an order is known by the row that it begins with."""

    def __init__(self, room: Room, buckets: int, rows: int) -> None:
        self._room = room
        self._buckets = buckets
        self._rows = rows
        self._pieces: Pieces = room.pieces(_LINKS)
        self._any = False

    def add(self, bucket: int, parcels: Codes, orders: Codes) -> None:
        """Learn of parcels, sorted and known by the row that each begins with, and of the orders in them."""
        self._any |= len(parcels) > 0
        self._pieces.scatter(np.full(len(parcels), bucket), [parcels, orders])

    def shares(self, of_row: Codes, parcels: int) -> Codes:
        """How many orders each of so many parcels is of; ``of_row`` numbers them."""
        if not self._any:
            return np.broadcast_to(np.int64(1), parcels)
        counts = self._room.column(parcels, np.int64)
        for start in range(0, parcels, self._room.stretch):
            counts[start : start + self._room.stretch] = 1
            self._room.let_go()
        for bucket in range(self._buckets):
            first, several = np.unique(codes_of(self._pieces.read(bucket)["first"]), return_counts=True)
            counts[of_row[first]] = several
            self._room.let_go()
        return counts

    def queues(self) -> Codes | None:
        """For each order's row, the row of the first order that it is linked to, by however many steps.

        None where no two orders have a parcel in common.
        """
        if not self._any:
            return None
        first = self._room.column(self._rows, np.int64)
        for start in range(0, self._rows, self._room.stretch):
            stop = min(start + self._room.stretch, self._rows)
            first[start:stop] = np.arange(start, stop)
            self._room.let_go()
        while sum(self._drawn(first, bucket) for bucket in range(self._buckets)):
            pass
        return first

    def _drawn(self, first: Codes, bucket: int) -> bool:
        """Draw the orders of each parcel of a bucket to the first known of any; whether that changed one.

        Where an order was drawn to others, these are drawn, too, so that few rounds do.
        """
        table = self._pieces.read(bucket)
        parcels, orders = codes_of(table["first"]), codes_of(table["queue"])
        known = first[first[orders]]
        starts = np.flatnonzero(np.diff(parcels, prepend=NOBODY))
        if not len(starts):
            return False
        least = np.repeat(np.minimum.reduceat(known, starts), np.diff(starts, append=len(parcels)))
        changed = bool((least != first[orders]).any())
        for place in (known, orders):
            np.minimum.at(first, place, least)
        self._room.let_go()
        return changed

"""Rows that stay with the workers that read them, until each worker gets all rows of some of the orders.

What a run has of them is what it needs for its report and to compare orders with each other; see
``fulfillments.piecewise``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
from msgspec import Struct
from msgspec.structs import replace

from importer import reading
from importer.findings import NO_MENTIONS, Mentions
from importer.fulfillments.partitions import MENTIONS, Partitions, rows_of, schema_of
from importer.model import MAIL_ALONE
from importer.spilling import Memory, table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from importer.cluster import OfDask
    from importer.cluster.errands import Reading
    from importer.fulfillments import Codes, Mask, Rows
    from importer.reading import Stretch
    from importer.rows import Checked
    from importer.spilling import Room

_R = TypeVar("_R")
_NO_TEXTS: Final = pa.array([], pa.string())


class Share(NamedTuple):
    """Some rows of a bucket, and the mentions of its orders, as Arrow's messages."""

    rows: list[bytes]
    orders: list[bytes]


class Place(NamedTuple):
    """Where a stretch begins in the run: how many rows and how many documents are above it."""

    rows: int
    documents: int


class Shared(Struct, frozen=True):
    """What a worker has of a stretch: the texts of its rows by bucket, of which ``taken`` are there.

    The rest is for the run.
    """

    stretch: Stretch
    shares: Mapping[int, Share]
    taken: frozenset[str]

    def __sizeof__(self) -> int:
        """How many bytes the texts are, so that Dask knows what it keeps."""
        return sum(len(message) for share in self.shares.values() for some in share for message in some)


class Sharing(Struct, frozen=True):
    """A stretch of a manifest to be read and checked, and its rows to be put into ``buckets``."""

    reading: Reading
    buckets: int

    def run(self, lives: Callable[[], bool]) -> Shared:
        """Do so.

        Raises:
            ManifestError: as when it is only read.
        """
        stretch, takes = self.reading.run(lives), self.reading.checks.takes
        partitions = Partitions(Memory(), self.buckets, (*takes, MAIL_ALONE))
        partitions.add(reading.rows_of(stretch.parts, self.reading.manifest, takes))
        shares = {
            bucket: Share([*partitions.rows.messages(bucket)], [*partitions.orders.messages(bucket)])
            for bucket in range(self.buckets)
        }
        parts = [replace(part, checked=_without_texts(part.checked)) for part in stretch.parts]
        if parts:  # mentions are counted from the stretch's first row
            numbers = [partitions.numbers.read(bucket) for bucket in range(self.buckets)]
            checked = replace(parts[0].checked, numbers=_mentions(pa.concat_tables(numbers)))
            parts[0] = replace(parts[0], checked=checked)
        return Shared(replace(stretch, parts=parts), shares, frozenset(partitions.taken))


def _without_texts(checked: Checked) -> Checked:
    return replace(
        checked,
        order_id=_NO_TEXTS,
        tracking_number=_NO_TEXTS,
        sku=_NO_TEXTS,
        quantity=np.empty(0, dtype=np.int32),
        orders=NO_MENTIONS,
        numbers=NO_MENTIONS,
        taken={},
    )


def _mentions(table: pa.Table) -> Mentions:
    return Mentions(table["row"].to_numpy(), table["text"].combine_chunks())


def told(shared: Shared) -> tuple[Stretch, frozenset[str]]:
    """What the run gets."""
    return shared.stretch, shared.taken


def share(shared: Shared, bucket: int) -> Share:
    """What goes to who has that bucket."""
    return shared.shares[bucket]


def bucket_of(
    shares: Sequence[Share], places: Sequence[Place], takes: tuple[str, ...], more: pa.Table
) -> tuple[pa.Table, pa.Table]:
    """All rows of a bucket, and all mentions of its orders, ``more`` among them, counted as the run does."""
    schema = schema_of(takes)
    found = [
        (_below(table_of(one.rows, schema), place), _below(table_of(one.orders, MENTIONS), place))
        for one, place in zip(shares, places, strict=True)
    ]
    rows = pa.concat_tables([schema.empty_table(), *(table for table, _ in found)])
    mentions = pa.concat_tables([*(table for _, table in found), more])
    return rows.combine_chunks(), mentions.combine_chunks()


def _below(table: pa.Table, place: Place) -> pa.Table:
    for name, above in (("row", place.rows), ("manifest", place.documents)):
        if name in table.column_names:
            moved = pa.array(table[name].to_numpy() + above, pa.int64())
            table = table.set_column(table.column_names.index(name), name, moved)
    return table


def apply(
    function: Callable[[tuple[Codes, Rows]], _R], bucket: tuple[pa.Table, pa.Table], taken: frozenset[str]
) -> _R:
    """What the function makes of a bucket."""
    return function(rows_of(*bucket, taken))


class Shuffled(Partitions):
    """All checked rows of a run, whose texts are with workers, in ``buckets`` by order.

    ``submit`` has a function called by a worker with what other calls will have returned; ``result`` waits
    for what comes of that.
    """

    def __init__(
        self,
        room: Room,
        buckets: int,
        takes: tuple[str, ...],
        submit: Callable[..., Any],
        result: Callable[[Any, str], Any],
    ) -> None:
        super().__init__(room, buckets, takes)
        self._submit = submit
        self._result = result
        self._sources: list[tuple[Any, Place]] = []
        self._buckets: list[Any] = []
        self._document = 0
        self._newest = -1
        self._row = 0

    def stretch(self, shared: OfDask, name: str) -> Stretch:
        """What has come of the next stretch of a manifest of this ``name``."""
        stretch: Stretch
        stretch, taken = self._result(self._submit(told, shared), name)
        self._sources.append((shared, Place(self._row, self._document)))
        self.taken |= taken
        for part in stretch.parts:
            self._row += len(part.rows)
            self._newest = max(self._newest, self._document + int(part.transactions.max(initial=-1)))
        return stretch

    def end(self) -> None:
        """The manifest ends: what comes next is another document."""
        self._document = self._newest + 1

    def each(self, function: Callable[[tuple[Codes, Rows]], _R]) -> Iterator[_R]:
        """What the function makes of each bucket as it is read, in their order.

        Raises:
            CannotGoOn: the cluster was lost, or one of its workers dies of it again and again.
        """
        if not self._buckets:
            self._buckets = [self._gathered(bucket) for bucket in range(self.buckets)]
            self._sources.clear()  # the cluster knows how to make them again if it loses a worker
        taken = frozenset(self.taken)
        begun = [self._submit(apply, function, bucket, taken) for bucket in reversed(self._buckets)]
        while begun:
            yield self._result(begun.pop(), "a part of the rows")

    def _gathered(self, bucket: int) -> OfDask:
        shares = [self._submit(share, shared, bucket) for shared, _ in self._sources]
        places = [place for _, place in self._sources]
        return self._submit(bucket_of, shares, places, self._takes, self.orders.read(bucket))

    def _add_texts(self, rows: Rows, at: Codes, idle: Mask) -> None:
        """They are where they are."""

"""All checked rows of a run in files, in buckets by their order, so that each can be grouped alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.ahead import side_by_side
from importer.findings import Findings, Mentions
from importer.fulfillments import NOBODY, Rows
from importer.spilling import buckets_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

    from importer.fulfillments import Codes, Mask
    from importer.spilling import Pieces, Room

_R = TypeVar("_R")
_KEYS: Final = [
    ("row", pa.int64()),
    ("order_id", pa.string()),
    ("tracking_number", pa.string()),
    ("sku", pa.string()),
    ("quantity", pa.int32()),
    ("bad", pa.bool_()),
    ("idle", pa.bool_()),
    ("manifest", pa.int64()),
]
MENTIONS: Final = pa.schema([("row", pa.int64()), ("text", pa.string())])
_AT_ONCE = 250_000
FINDINGS: Final = pa.schema(
    [("row", pa.int64()), ("column", pa.int8()), ("code", pa.int8()), ("detail", pa.int64())]
)


class Partitions:
    """All checked rows of a run in files, in ``buckets`` by order; ``takes`` names what may be ``taken``."""

    def __init__(self, room: Room, buckets: int, takes: Iterable[str]) -> None:
        self.room = room
        self.buckets = buckets
        self.count = 0
        self.taken: set[str] = set()
        self._takes = (*takes,)
        self.rows = room.pieces(schema_of(self._takes))
        self.orders = room.pieces(MENTIONS)
        self.numbers = room.pieces(MENTIONS)
        self.findings = room.pieces(FINDINGS)
        self.warnings = room.pieces(FINDINGS)
        self.bad = room.appended(bool)
        self.idle = room.appended(bool)

    def __len__(self) -> int:
        """How many rows there are."""
        return self.count

    @property
    def stretches(self) -> range:
        """The stretches of the rows, each of as many as are worked on at a time."""
        return range(-(-self.count // self.room.stretch))

    def add(self, rows: Rows) -> None:
        """Keep the next rows; findings and mentions count them as rows of the run.

        Raises:
            CannotGoOn: there is no room for them.
        """
        count = len(rows.bad)
        at = np.arange(self.count, self.count + count)
        idle = np.zeros(count, dtype=bool) if rows.idle is None else rows.idle
        self._add_texts(rows, at, idle)
        self._mention(self.numbers, rows.numbers.rows, rows.numbers.texts)
        self._mention(self.orders, rows.orders.rows, rows.orders.texts)
        for pieces, findings in ((self.findings, rows.findings), (self.warnings, rows.warnings)):
            put(pieces, findings)
        self.bad.add(rows.bad)
        self.idle.add(idle)
        self.count += count

    def _add_texts(self, rows: Rows, at: Codes, idle: Mask) -> None:
        """The texts of some rows, each with those of its order, or of its number where it has no order."""
        for start in range(0, len(at), _AT_ONCE):
            self._add_named(rows, at, idle, slice(start, start + _AT_ONCE))
        unordered = rows.order_id.is_null().to_numpy() & rows.tracking_number.is_valid().to_numpy()
        unordered &= rows.bad & ~idle
        self._mention(self.numbers, at[unordered], rows.tracking_number.filter(pa.array(unordered)))

    def _add_named(self, rows: Rows, at: Codes, idle: Mask, mine: slice) -> None:
        """Those of some rows that name an order."""
        self.taken |= {*rows.taken}
        blank = pa.repeat("", len(at))
        texts = (rows.order_id, rows.tracking_number, rows.sku)
        figures = (rows.quantity, rows.bad, idle, rows.manifest.astype(np.int64))
        columns = [
            pa.array(at[mine]),
            *(text[mine] for text in texts),
            *(pa.array(figure[mine]) for figure in figures),
            *(rows.taken.get(name, blank)[mine] for name in self._takes),
        ]
        named = columns[1].is_valid()
        if not pc.all(named).as_py():
            columns = [column.filter(named) for column in columns]
        self.rows.scatter(buckets_of(columns[1], self.buckets), columns)

    def _mention(self, pieces: Pieces, rows: Codes, texts: Any) -> None:  # noqa: ANN401 - pyarrow is untyped here
        pieces.scatter(buckets_of(texts, self.buckets), [rows, texts])

    def read(self, bucket: int) -> tuple[Codes, Rows]:
        """The rows of some orders, and what number each has in the run.

        Rows that only mention one of the orders are among them, without order or tracking number.
        """
        return rows_of(self.rows.read(bucket), self.orders.read(bucket), self.taken)

    def each(self, function: Callable[[tuple[Codes, Rows]], _R]) -> Iterator[_R]:
        """What the function makes of each bucket as it is read, in their order."""
        return side_by_side(function, map(self.read, range(self.buckets)))


def schema_of(takes: Iterable[str]) -> pa.Schema:
    """The columns of rows of which these may be ``taken``."""
    return pa.schema([*_KEYS, *((name, pa.string()) for name in takes)])


def rows_of(table: pa.Table, mentions: pa.Table, taken: Container[str]) -> tuple[Codes, Rows]:
    """The rows of a bucket, of which these mention its orders, and what number each has in the run."""
    mentioning = codes_of(mentions["row"])
    torn = _not_among(codes_of(table["row"]), np.unique(mentioning))
    if len(torn):
        table = pa.concat_tables([table, _nameless(torn, table.schema)])
        table = table.take(np.argsort(codes_of(table["row"]), kind="stable")).combine_chunks()
    numbers = codes_of(table["row"])
    columns = {name: _only(table[name]) for name in table.column_names}
    return numbers, Rows(
        order_id=columns["order_id"],
        tracking_number=columns["tracking_number"],
        sku=columns["sku"],
        quantity=columns["quantity"].to_numpy(),
        bad=mask_of(columns["bad"]),
        manifest=columns["manifest"].to_numpy(),
        orders=Mentions(np.searchsorted(numbers, mentioning), _only(mentions["text"])),
        taken={name: columns[name] for name in table.column_names[len(_KEYS) :] if name in taken},
        idle=mask_of(columns["idle"]),
    )


def put(pieces: Pieces, findings: Findings) -> None:
    """Keep findings by the stretch of their row."""
    columns = [findings.rows, findings.columns, findings.codes, findings.details]
    pieces.scatter(findings.rows // pieces.room.stretch, columns)


def found(pieces: Pieces, stretch: int) -> Findings:
    """The findings of a stretch that were put there."""
    table = pieces.read(stretch)
    return Findings(*(column.to_numpy() for column in table.columns))


def _not_among(known: Codes, rows: Codes) -> Codes:
    """Those of ``rows`` that are not ``known``, which are sorted."""
    others: Mask = np.append(known, NOBODY)[np.searchsorted(known, rows)] != rows
    return rows[others]


def _nameless(rows: Codes, schema: pa.Schema) -> pa.Table:
    count = len(rows)
    known = {"row": pa.array(rows), "bad": pa.array(np.ones(count, dtype=bool))}
    known |= {name: pa.nulls(count, pa.string()) for name in ("order_id", "tracking_number")}
    blank = {pa.string(): pa.repeat("", count)}
    columns = [
        known.get(each.name, blank.get(each.type, pa.array(np.zeros(count)).cast(each.type)))
        for each in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _only(column: Any) -> Any:  # noqa: ANN401 - pyarrow is untyped here
    """The column of a table of one chunk, or of none."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def codes_of(column: Any) -> Codes:  # noqa: ANN401 - pyarrow is untyped here
    """A table's column of whole numbers, without nulls, as an array."""
    codes: Codes = column.to_numpy()
    return codes


def mask_of(column: Any) -> Mask:  # noqa: ANN401 - pyarrow is untyped here
    """A table's column of yes and no as an array."""
    mask: Mask = _only(column).to_numpy(zero_copy_only=False)
    return mask

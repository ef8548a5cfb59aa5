"""The tables that the ledger keeps, as SQLAlchemy has them: those of the last of the ``versions``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TextClause,
    and_,
    text,
)

from importer.ledger.versions import SCHEMA_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.dialects import postgresql, sqlite

TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Sorted by its bytes, in whatever database: as SQLite does it."""
_ENDLESS: Final = Integer().with_variant(BigInteger, "postgresql")

METADATA: Final = MetaData()
SCHEMA: Final = Table(SCHEMA_NAME, METADATA, Column("version", Integer, nullable=False))
FULFILLMENTS: Final = Table(
    "fulfillments",
    METADATA,
    Column("destination", TEXT, primary_key=True),
    Column("order_id", TEXT, primary_key=True),
    Column("tracking_number", TEXT, primary_key=True),
    Column("state", TEXT, nullable=False),
    Column("content", TEXT, nullable=False),
    Column("run_id", TEXT, nullable=False),
    Column("code", TEXT, nullable=False),
    Column("message", TEXT, nullable=False),
    Column("http_status", Integer),
    Column("attempts", Integer, nullable=False),
    Column("at", TEXT, nullable=False),
    sqlite_with_rowid=False,
)
UNSETTLED: Final = text("state IN ('in-doubt', 'sending')")
"""What is in doubt or being sent; SQLite finds its index by these very words."""
ANY_TRACKING_NUMBER: Final = text("(tracking_number || '')")
"""To find fulfillments by tracking number alone.

Were the index of the column itself, SQLite would now and then take it for the key's.
"""
Index("fulfillments_by_run", FULFILLMENTS.c.run_id)  # of what an outcome does not change
Index("fulfillments_by_tracking_number", ANY_TRACKING_NUMBER, _table=FULFILLMENTS)
HISTORY: Final = Table(
    "history",
    METADATA,
    Column("id", _ENDLESS, primary_key=True),  # in the order of their coming
    Column("destination", TEXT, nullable=False),
    Column("order_id", TEXT, nullable=False, index=True),
    Column("tracking_number", TEXT, nullable=False),
    Column("at", TEXT, nullable=False),
    Column("run_id", TEXT, nullable=False),
    Column("event", TEXT, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("code", TEXT, nullable=False),
    Column("message", TEXT, nullable=False),
    Column("http_status", Integer),
)
LOOKED_UP: Final = text("event = 'looked-up'")
"""What became known of what was never sent is this alone; of all else there is a fulfillment.

That is how history is found by tracking number, with an index that has little of it: each fulfillment has two
lines or more.
"""
PARTIAL_INDEXES: Final[Mapping[Index, TextClause]] = {
    Index("fulfillments_unsettled", FULFILLMENTS.c.destination): UNSETTLED,
    Index("history_looked_up", HISTORY.c.tracking_number): LOOKED_UP,
}
"""Of these alone, in whatever database: the schema says so to the one that it is made in."""
RUNS: Final = Table(
    "runs",
    METADATA,
    Column("run_id", TEXT, primary_key=True),
    Column("command", TEXT, nullable=False),
    Column("destination", TEXT, nullable=False),
    Column("manifests", JSON, nullable=False),
    Column("report", TEXT, nullable=False),
    Column("started_at", TEXT, nullable=False, index=True),
    Column("finished_at", TEXT),
    Column("exit_status", Integer),
    Column("stopped_because", TEXT, nullable=False),
    Column("summary", TEXT, nullable=False),
    Column("given", JSON(none_as_null=True), info={"since": 2}),
    Column("who", TEXT, info={"since": 3}),
)
INTERCHANGES: Final = Table(
    "interchanges",
    METADATA,
    Column("standard", TEXT, primary_key=True),
    Column("sender", TEXT, primary_key=True),
    Column("receiver", TEXT, primary_key=True),
    Column("control", TEXT, primary_key=True),
    Column("content", TEXT, nullable=False),
    Column("run_id", TEXT, nullable=False),
    Column("source", TEXT, nullable=False),
    Column("at", TEXT, nullable=False),
    sqlite_with_rowid=False,
)
CONTROL_NUMBERS: Final = Table(
    "control_numbers",
    METADATA,
    Column("series", TEXT, primary_key=True),
    Column("last", Integer, nullable=False),
    sqlite_with_rowid=False,
)


def unsettled(destination: str) -> ColumnElement[bool]:
    """What is in doubt or being sent of one destination, however much there is of it.

    It is compared as an expression: by the column SQLite would go through all that the key has of it.
    """
    return and_(UNSETTLED, FULFILLMENTS.c.destination + "" == destination)


def insert_into(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an insert that can say what is to be done where the key is there already."""
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite  # noqa: PLC0415 - the other one brings its drivers

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - the other one needs none of it

    return postgresql.insert(table)

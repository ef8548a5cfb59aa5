"""The tables that the ledger keeps, and what makes those of an earlier version into these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TextClause,
    and_,
    select,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.dialects import postgresql, sqlite

VERSION: Final = 6
"""Of the tables below; a ledger of a later one is not touched, one of an earlier one is brought to this."""

TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Sorted by its bytes, in whatever database: as SQLite does it."""
_ENDLESS: Final = Integer().with_variant(BigInteger, "postgresql")

METADATA: Final = MetaData()
SCHEMA: Final = Table("importer_ledger", METADATA, Column("version", Integer, nullable=False))
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

LAST_KNOWN: Final = """
    SELECT destination, order_id, tracking_number, at, run_id,
        CASE WHEN code = 'settled' AND state = 'created' THEN 'settled-created'
            WHEN code = 'settled' THEN 'settled-not-created' ELSE state END AS event,
        attempts AS attempt, code, message, http_status
    FROM fulfillments"""
"""What ledgers from before version 3 have of the history of each fulfillment: how it ended last."""

MIGRATIONS: Final[Mapping[int, tuple[str, ...]]] = {
    2: ("ALTER TABLE runs ADD COLUMN given JSON",),
    3: (
        "ALTER TABLE runs ADD COLUMN who TEXT",
        """CREATE TABLE history (
            id INTEGER NOT NULL, destination TEXT NOT NULL, order_id TEXT NOT NULL,
            tracking_number TEXT NOT NULL, at TEXT NOT NULL, run_id TEXT NOT NULL, event TEXT NOT NULL,
            attempt INTEGER NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL, http_status INTEGER,
            PRIMARY KEY (id))""",
        f"""INSERT INTO history (destination, order_id, tracking_number, at, run_id, event, attempt, code,
            message, http_status) {LAST_KNOWN} ORDER BY at""",
        "CREATE INDEX ix_history_order_id ON history (order_id)",
        "CREATE INDEX ix_history_tracking_number ON history (tracking_number)",
        """CREATE TABLE interchanges (
            standard TEXT NOT NULL, sender TEXT NOT NULL, receiver TEXT NOT NULL, control TEXT NOT NULL,
            content TEXT NOT NULL, run_id TEXT NOT NULL, source TEXT NOT NULL, at TEXT NOT NULL,
            PRIMARY KEY (standard, sender, receiver, control)) WITHOUT ROWID""",
        """CREATE TABLE control_numbers (series TEXT NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (series))
            WITHOUT ROWID""",
    ),
    4: (
        "DROP INDEX fulfillments_being_sent",
        """CREATE INDEX fulfillments_unsettled ON fulfillments (destination)
            WHERE state IN ('in-doubt', 'sending')""",
        "CREATE INDEX fulfillments_by_tracking_number ON fulfillments ((tracking_number || ''))",
    ),
    5: (),  # PostgreSQL's alone has more: how many runs keep one rate
    6: (
        "DROP INDEX fulfillments_by_run",
        "CREATE INDEX fulfillments_by_run ON fulfillments (run_id)",
        "DROP INDEX ix_history_tracking_number",
        "CREATE INDEX history_looked_up ON history (tracking_number) WHERE event = 'looked-up'",
    ),
}
"""What makes a ledger of each version out of one of the version before.

Before version 4 all were SQLite files; what comes is for PostgreSQL, too. Tables that only one database has
are made besides. Version 6 has fewer indexes to write with each outcome.
"""


def version_of(connection: Connection) -> int:
    """Return the version of the ledger's tables."""
    return int(connection.execute(select(SCHEMA.c.version)).scalar_one())


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

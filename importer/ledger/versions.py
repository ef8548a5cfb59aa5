"""The versions of the ledger's tables, as SQL alone: what makes each of them out of the one before.

They are SQLite's; a server's are made as ``schema`` has them, and are brought from one version to the next by
the same words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from importer.errors import CannotGoOn

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from importer.ledger.statements import Connection

SCHEMA_NAME: Final = "importer_ledger"
"""The table that has the version, and by which a ledger is known."""

LAST_KNOWN: Final = """
    SELECT destination, order_id, tracking_number, at, run_id,
        CASE WHEN code = 'settled' AND state = 'created' THEN 'settled-created'
            WHEN code = 'settled' THEN 'settled-not-created' ELSE state END AS event,
        attempts AS attempt, code, message, http_status
    FROM fulfillments"""
"""What ledgers from before version 3 have of the history of each fulfillment: how it ended last."""

MIGRATIONS: Final[Mapping[int, tuple[str, ...]]] = {
    1: (
        f"CREATE TABLE {SCHEMA_NAME} (version INTEGER NOT NULL)",
        f"INSERT INTO {SCHEMA_NAME} VALUES (1)",  # noqa: S608 - its own name
        """CREATE TABLE fulfillments (
            destination TEXT NOT NULL, order_id TEXT NOT NULL, tracking_number TEXT NOT NULL,
            state TEXT NOT NULL, content TEXT NOT NULL, run_id TEXT NOT NULL, code TEXT NOT NULL,
            message TEXT NOT NULL, http_status INTEGER, attempts INTEGER NOT NULL, at TEXT NOT NULL,
            PRIMARY KEY (destination, order_id, tracking_number)) WITHOUT ROWID""",
        "CREATE INDEX fulfillments_by_run ON fulfillments (run_id, state)",
        "CREATE INDEX fulfillments_being_sent ON fulfillments (destination, state) WHERE state = 'sending'",
        """CREATE TABLE runs (
            run_id TEXT NOT NULL, command TEXT NOT NULL, destination TEXT NOT NULL, manifests JSON NOT NULL,
            report TEXT NOT NULL, started_at TEXT NOT NULL, finished_at TEXT, exit_status INTEGER,
            stopped_because TEXT NOT NULL, summary TEXT NOT NULL, PRIMARY KEY (run_id))""",
        "CREATE INDEX ix_runs_started_at ON runs (started_at)",
    ),
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
"""What makes a ledger of each version out of one of the version before, the first one out of nothing.

Before version 4 all were SQLite files; what comes is for PostgreSQL, too. Tables that only one database has
are made besides. Version 6 has fewer indexes to write with each outcome.
"""

VERSION: Final = max(MIGRATIONS)
"""Of the tables as they are now; a ledger of a later one is not touched, an earlier one becomes this."""


def version_of(connection: Connection) -> int:
    """Return the version of the ledger's tables, 0 where none is said."""
    found = list(connection.exec_driver_sql(f"SELECT version FROM {SCHEMA_NAME}"))  # noqa: S608 - its own name
    return int(found[0][0]) if found else 0


def expect(connection: Connection, found: Collection[str], name: str, what: str, advice: str) -> int:
    """Return the version of the ledger ``name``, where these tables were ``found``.

    ``what`` they were found in, and the ``advice``, are for one who named something else.

    Raises:
        CannotGoOn: it is no ledger, or one of a later version than can be read.
    """
    version = version_of(connection) if SCHEMA_NAME in found else 0
    if not version:
        tables = f"the tables {', '.join(sorted(found))}" if found else "no tables"
        raise CannotGoOn(
            f"ledger {name}: found {what} with {tables}, expected a ledger of this program, and left it as "
            f"it is; {advice}"
        )
    if version > VERSION:
        raise CannotGoOn(
            f"ledger {name}: found version {version}, expected {VERSION} or less: a later version of this "
            "program wrote it; update this one"
        )
    return version


def migrate(connection: Connection, version: int) -> None:
    """Make the tables as they are now out of those of ``version``, 0 where there are none."""
    if version == VERSION:
        return
    for step in range(version + 1, VERSION + 1):
        for statement in MIGRATIONS[step]:
            connection.exec_driver_sql(statement)
    connection.exec_driver_sql(f"UPDATE {SCHEMA_NAME} SET version = {VERSION}")  # noqa: S608 - its own name and number

"""What every run says of itself and asks for, as SQL alone: it needs no SQLAlchemy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from importer.ledger.statements import inserting, marked, text_of, writable
from importer.ledger.states import SETTLED
from importer.model import State

if TYPE_CHECKING:
    from datetime import datetime

    from importer.ledger.known import Run
    from importer.ledger.statements import Connection

RUN_COLUMNS: Final = (
    "run_id",
    "command",
    "destination",
    "manifests",
    "report",
    "started_at",
    "finished_at",
    "exit_status",
    "stopped_because",
    "summary",
    "given",
    "who",
)
"""Of the runs."""
_ADD: Final = inserting("runs", RUN_COLUMNS)
_END: Final = """UPDATE runs SET finished_at = ?, exit_status = ?, stopped_because = ?, summary = ?
    WHERE run_id = ?"""
_ANY: Final = "SELECT state FROM fulfillments WHERE destination = ? LIMIT 1"
_ANY_SENDING: Final = """SELECT state FROM fulfillments
    WHERE state IN ('in-doubt', 'sending') AND destination || '' = ? AND state = 'sending' LIMIT 1"""
"""See ``tables.unsettled``."""
_OUTCOMES: Final = "SELECT state, count(*) FROM fulfillments WHERE run_id = ? GROUP BY state"
_ITS_OWN_OUTCOMES: Final = f"""SELECT state, count(*) FROM fulfillments
    WHERE run_id = ? AND code <> '{SETTLED}' GROUP BY state"""  # noqa: S608 - a code of its own


def add(connection: Connection, run: Run) -> None:
    """Remember a run that starts."""
    values = (
        run.run_id,
        run.command,
        run.destination,
        json.dumps(run.manifests),
        writable(run.report),
        text_of(run.started_at),
        text_of(run.finished_at) if run.finished_at else None,
        run.exit_status,
        writable(run.stopped_because),
        writable(run.summary),
        json.dumps(run.given) if run.given else None,
        writable(run.who) or None,
    )
    connection.exec_driver_sql(marked(connection, _ADD), values)


def end(
    connection: Connection,
    run_id: str,
    *,
    finished_at: datetime,
    exit_status: int,
    stopped_because: str,
    summary: str,
) -> None:
    """Remember how a run ended."""
    values = (text_of(finished_at), exit_status, writable(stopped_because), writable(summary), run_id)
    connection.exec_driver_sql(marked(connection, _END), values)


def is_first(connection: Connection, destination: str) -> bool:
    """Say whether nothing is known of ``destination``."""
    return not list(connection.exec_driver_sql(marked(connection, _ANY), (destination,)))


def any_sending(connection: Connection, destination: str) -> bool:
    """Say whether anything is being sent, or was when its run ended."""
    return bool(list(connection.exec_driver_sql(marked(connection, _ANY_SENDING), (destination,))))


def outcomes(connection: Connection, run_id: str, *, settled: bool = True) -> dict[State, int]:
    """Count the entries that the run was the last to touch, by state, with those ``settled`` since or not."""
    asked = _OUTCOMES if settled else _ITS_OWN_OUTCOMES
    found = connection.exec_driver_sql(marked(connection, asked), (run_id,))
    return {State(name): count for name, count in found}

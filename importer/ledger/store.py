"""How fulfillments and runs are read from the ledger, and what dead runs left is called in doubt."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    func,
    select,
    true,
    update,
)

from importer.ledger import history
from importer.ledger.known import Run
from importer.ledger.statements import COLUMNS, entry_of, text_of
from importer.ledger.states import OUTCOME_UNKNOWN
from importer.ledger.tables import FULFILLMENTS, RUNS, UNSETTLED, unsettled
from importer.ledger.versions import version_of
from importer.model import Entry, State

# Fulfillments -------------------------------------------------------------------------------------------


_KILLED: Final = "the run ended while sending it, so that it is not known whether it was created"


def recover(
    connection: Connection, destination: str, at: datetime, given_up: ColumnElement[bool] | None = None
) -> int:
    """Call what was being sent in doubt, and return how many entries that were.

    With ``given_up``, those that it holds for.
    """
    changes = {
        "state": State.IN_DOUBT.value,
        "code": OUTCOME_UNKNOWN,
        "message": _KILLED,
        "at": text_of(at),
    }
    being_sent = FULFILLMENTS.c.state == State.SENDING.value
    left = and_(unsettled(destination), being_sent, true() if given_up is None else given_up)
    history.found_in_doubt(connection, left, changes)
    return connection.execute(update(FULFILLMENTS).where(left).values(changes)).rowcount


def doubts(connection: Connection, destination: str | None) -> list[tuple[str, Entry]]:
    """Return what is in doubt or being sent, with its destination, the oldest of each destination first."""
    found = UNSETTLED if destination is None else unsettled(destination)
    order = (FULFILLMENTS.c.destination, FULFILLMENTS.c.at, FULFILLMENTS.c.order_id)
    entries = select(*(FULFILLMENTS.c[name] for name in COLUMNS))
    rows = connection.execute(entries.where(found).order_by(*order))
    return [(row[0], entry_of(row[1:])) for row in rows]


def destinations(connection: Connection) -> list[str]:
    """Return the destinations that anything was sent to, in order."""
    known: list[str] = []
    name = FULFILLMENTS.c.destination
    after = select(func.min(name))  # from one to the next by the key: DISTINCT would read every entry
    while (found := connection.execute(after).scalar()) is not None:
        known.append(found)
        after = select(func.min(name)).where(name > found)
    return known


# Runs ---------------------------------------------------------------------------------------------------


def runs(connection: Connection, limit: int) -> list[Run]:
    """Return the last ``limit`` runs, newest first."""
    newest = _select_runs(connection).order_by(RUNS.c.started_at.desc(), RUNS.c.run_id.desc()).limit(limit)
    return [_run(row) for row in connection.execute(newest)]


def run(connection: Connection, run_id: str) -> Run | None:
    """Return the run of that id, or None."""
    row = connection.execute(_select_runs(connection).where(RUNS.c.run_id == run_id)).first()
    return None if row is None else _run(row)


def _select_runs(connection: Connection) -> Select[Any]:
    """Of an earlier version's ledger, which is read as it is, the columns that it has."""
    version = version_of(connection)
    return select(*[column for column in RUNS.c if column.info.get("since", 1) <= version])


def _run(row: Row[Any]) -> Run:
    return Run(
        run_id=row.run_id,
        command=row.command,
        destination=row.destination,
        manifests=tuple(row.manifests),
        report=row.report,
        started_at=datetime.fromisoformat(row.started_at),
        finished_at=datetime.fromisoformat(row.finished_at) if row.finished_at else None,
        exit_status=row.exit_status,
        stopped_because=row.stopped_because,
        summary=row.summary,
        given=getattr(row, "given", None) or {},
        who=getattr(row, "who", None) or "",
    )

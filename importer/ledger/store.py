"""How fulfillments and runs are read from the ledger and written to it."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    func,
    insert,
    select,
    true,
    update,
)

from importer.ledger import history
from importer.ledger.known import Run
from importer.ledger.statements import COLUMNS, entry_of, text_of, writable
from importer.ledger.states import OUTCOME_UNKNOWN, SETTLED
from importer.ledger.tables import FULFILLMENTS, RUNS, UNSETTLED, unsettled, version_of
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


def is_empty(connection: Connection, destination: str) -> bool:
    """Say whether nothing is known of ``destination``."""
    found = select(FULFILLMENTS.c.state).where(FULFILLMENTS.c.destination == destination).limit(1)
    return connection.execute(found).first() is None


def outcomes(connection: Connection, run_id: str, *, settled: bool = True) -> dict[State, int]:
    """Count the entries that the run was the last to touch, by state, with those ``settled`` since or not."""
    state = FULFILLMENTS.c.state
    wanted = (FULFILLMENTS.c.run_id == run_id, true() if settled else FULFILLMENTS.c.code != SETTLED)
    counts = select(state, func.count()).where(*wanted).group_by(state)
    return {State(name): count for name, count in connection.execute(counts)}


# Runs ---------------------------------------------------------------------------------------------------


def add_run(connection: Connection, run: Run) -> None:
    """Remember a run that starts."""
    values = {
        "run_id": run.run_id,
        "command": run.command,
        "destination": run.destination,
        "manifests": list(run.manifests),
        "report": writable(run.report),
        "started_at": text_of(run.started_at),
        "finished_at": text_of(run.finished_at) if run.finished_at else None,
        "exit_status": run.exit_status,
        "stopped_because": writable(run.stopped_because),
        "summary": writable(run.summary),
        "given": dict(run.given) or None,
        "who": writable(run.who) or None,
    }
    connection.execute(insert(RUNS).values(values))


def end_run(
    connection: Connection,
    run_id: str,
    *,
    finished_at: datetime,
    exit_status: int,
    stopped_because: str,
    summary: str,
) -> None:
    """Remember how a run ended."""
    values = {
        "finished_at": text_of(finished_at),
        "exit_status": exit_status,
        "stopped_because": writable(stopped_because),
        "summary": writable(summary),
    }
    connection.execute(update(RUNS).where(RUNS.c.run_id == run_id).values(values))


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

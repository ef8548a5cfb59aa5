"""What the ledger need not remember for ever: the story of what is long over, not what came of it.

That a fulfillment was created, when, by which run, with which content: that is its entry, which stays, and is
all that keeps it from being sent again. Interchanges and control numbers stay as well. What goes is how each
came to be so (its history), and what the ledger has of the runs. The history of what is in doubt stays, with
the runs that were sending it, until it is settled.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, delete, func, select

from importer.ledger.known import Pruned
from importer.ledger.tables import FULFILLMENTS, HISTORY, RUNS, UNSETTLED

_AT_ONCE: Final = 20_000
"""Events in one transaction, so that whoever else writes waits for a moment only."""


class Portion(Struct, frozen=True):
    """The events of one transaction: the number of the ``last``, and how many ``old`` ones there were."""

    last: int
    old: int


def prunable(connection: Connection, before: str) -> Pruned:
    """Count what is over and from ``before`` that time, as the tables have times."""
    events, after = 0, 0
    while portion := _portion(connection, before, after, _count_events):
        events += portion.old
        after = portion.last
    runs = connection.execute(select(func.count()).select_from(RUNS).where(_old_runs(before))).scalar_one()
    return Pruned(runs, events)


def delete_events(connection: Connection, before: str, after: int) -> Portion | None:
    """Delete what is old of the events that come next ``after`` a number; None: there is no more that is."""
    return _portion(connection, before, after, _delete_events)


def delete_runs(connection: Connection, before: str) -> int:
    """Delete the old runs, and return how many they were."""
    return connection.execute(delete(RUNS).where(_old_runs(before))).rowcount


def _portion(
    connection: Connection, before: str, after: int, deal: Callable[[Connection, ColumnElement[bool]], int]
) -> Portion | None:
    """Events are numbered as they come: where none is from ``before``, all that follow are newer."""
    number = HISTORY.c.id
    some = select(number).where(number > after).order_by(number).limit(_AT_ONCE).subquery()
    last = connection.execute(select(func.max(some.c.id))).scalar()
    if last is None:
        return None
    there = and_(number > after, number <= last)
    if connection.execute(select(number).where(there, HISTORY.c.at < before).limit(1)).first() is None:
        return None
    return Portion(last, deal(connection, and_(there, HISTORY.c.at < before, ~_is_unsettled())))


def _count_events(connection: Connection, which: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).select_from(HISTORY).where(which)).scalar_one()


def _delete_events(connection: Connection, which: ColumnElement[bool]) -> int:
    return connection.execute(delete(HISTORY).where(which)).rowcount


def _is_unsettled() -> ColumnElement[bool]:
    key = ("destination", "order_id", "tracking_number")
    same = [FULFILLMENTS.c[name] == HISTORY.c[name] for name in key]
    return select(FULFILLMENTS.c.state).where(*same, UNSETTLED).exists()


def _old_runs(before: str) -> ColumnElement[bool]:
    ended = func.coalesce(RUNS.c.finished_at, RUNS.c.started_at)
    was_sending = select(FULFILLMENTS.c.run_id).where(UNSETTLED)  # which its own index has, and they are few
    by_index = RUNS.c.started_at < before  # which is before it ended
    return and_(by_index, ended < before, RUNS.c.run_id.not_in(was_sending))

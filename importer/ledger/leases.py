"""How runs on many hosts share the work through one database, without doing anything twice.

Each run has a *lease*: a row that it renews while it lives (its heartbeat). A run whose lease is over is
dead: whoever notices it takes the row away, together with its claims, and calls in doubt what it was sending.
The times are the database's, so that the hosts' clocks do not matter.

A run *claims* the orders of a queue before it looks at them, and gives them back once it is through with
them; the key of ``order_claims`` lets one run at a time have an order. So the fulfillments of one order go
one after the other, from whatever host. With a claim comes what the ledger has of the order's fulfillments by
then: what others have done meanwhile is not sent. An order that another run has is set aside and asked for
again, until that run has given it back, or is dead. All in all it is as if, for each order, the runs had come
one after the other.

A run may post with several workers, on several hosts. Each of them has a lease and claims of its own, and
what it sends is the run's all the same: what a worker was sending that is dead is told by its claims. The
workers ask now and then whether the run is to go on (``asked_to_stop``).

The intent of each fulfillment is committed before it is sent, as ever. All that writes is alone in doing so
(see ``postgresql``), and a run's transaction begins by seeing that its lease is still there: one that was
taken for dead (its host stood still, its network was cut) can't begin anything any more, nor say how anything
ended. What it may have in flight then is in doubt already, as if it had been killed.

Nothing is taken from a queue in the database: each run has the manifests' own order, and claims what is next.
"""

import os
import socket
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Integer,
    MetaData,
    Table,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    true,
    update,
)

from importer.errors import CannotGoOn
from importer.ledger import statements, store
from importer.ledger.changes import Claim, Release
from importer.ledger.known import Claimed
from importer.ledger.statements import writable
from importer.ledger.states import DONE
from importer.ledger.tables import FULFILLMENTS, RUNS, TEXT
from importer.model import Entry, State

if TYPE_CHECKING:
    from importer.ledger.writer import Writer

_BEATS: Final = 4  # in the time of a lease, so that one that is late does no harm

LEASING: Final = MetaData()
_LEASES: Final = Table(
    "run_leases",
    LEASING,
    Column("run_id", TEXT, primary_key=True),
    Column("destination", TEXT, nullable=False),
    Column("host", TEXT, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("beat_at", DateTime(timezone=True), nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
)
_CLAIMS: Final = Table(
    "order_claims",
    LEASING,
    Column("destination", TEXT, primary_key=True),
    Column("order_id", TEXT, primary_key=True),
    Column("run_id", TEXT, nullable=False, index=True),
)
_NOW: Final = func.clock_timestamp()  # now() is when the transaction began, which may have had to wait


@contextmanager
def held(writer: "Writer", destination: str, run_id: str, seconds: float) -> Iterator[None]:
    """Have a lease for ``run_id``, renewed as long as the context lasts; then its claims are given back."""
    writer.submit(partial(_begin, run_id=run_id, destination=destination, seconds=seconds)).result()
    writer.fence = partial(_expect_lease, name=writer.name, run_id=run_id, seconds=seconds)
    over = threading.Event()
    beating = threading.Thread(
        target=_beat_until, args=(over, writer, run_id, seconds), name="ledger-lease", daemon=True
    )
    beating.start()
    try:
        yield
    finally:
        over.set()
        beating.join()
        with suppress(CannotGoOn):  # it ends by itself, later
            writer.submit(partial(_end, run_id=run_id)).result()
        writer.fence = None


def recover(connection: Connection, destination: str, at: datetime, run_id: str = "") -> int:
    """Take away the leases that are over, but that of ``run_id``, and what their runs have claimed.

    What such runs were sending is in doubt; returns how many entries that were.
    """
    over = (_LEASES.c.destination == destination, _LEASES.c.until < _NOW, _LEASES.c.run_id != run_id)
    connection.execute(delete(_LEASES).where(*over))
    alive = select(_LEASES.c.run_id)
    of_the_dead = (_CLAIMS.c.destination == destination, _CLAIMS.c.run_id.not_in(alive))
    freed = connection.execute(delete(_CLAIMS).where(*of_the_dead).returning(_CLAIMS.c.order_id)).scalars()
    taken = select(_CLAIMS.c.order_id).where(_CLAIMS.c.destination == destination)
    order_id = FULFILLMENTS.c.order_id
    nobodys = and_(FULFILLMENTS.c.run_id.not_in(alive), order_id.not_in(taken))
    return store.recover(connection, destination, at, or_(nobodys, order_id.in_(freed.all())))


def claim(connection: Connection, claims: Sequence[Claim]) -> list[Claimed]:
    """Give each of one run's claims the orders that it wants, all of them or none."""
    if not claims:
        return []
    standing = _standing(connection, claims)
    if standing.runs and _has_dead(connection, standing.runs.values()):
        recover(connection, claims[0].destination, claims[0].at, claims[0].run_id)
        standing = _standing(connection, claims)
    others = set(standing.runs.values())
    names = dict(_named(connection, _LEASES.c.run_id.in_(others))) if others else {}
    results = [_claimed(each, standing, names) for each in claims]
    rows = [
        {"destination": each.destination, "order_id": order_id, "run_id": each.run_id}
        for each, result in zip(claims, results, strict=True)
        if result.held
        for order_id in each.order_ids
    ]
    if rows:
        connection.execute(insert(_CLAIMS), rows)
    return results


def release(connection: Connection, releases: Sequence[Release]) -> None:
    """Take back what one run has claimed."""
    if releases:
        mine = (_CLAIMS.c.destination == releases[0].destination, _CLAIMS.c.run_id == releases[0].run_id)
        orders = [order_id for each in releases for order_id in each.order_ids]
        connection.execute(delete(_CLAIMS).where(*mine, _CLAIMS.c.order_id.in_(orders)))


def alive(connection: Connection, destination: str | None = None) -> list[str]:
    """Name the runs whose lease is not over, each with its host and process; all, or to ``destination``."""
    there = true() if destination is None else _LEASES.c.destination == destination
    return [name for _, name in _named(connection, and_(there, _LEASES.c.until >= _NOW))]


def living(connection: Connection, destination: str) -> frozenset[str]:
    """Return the ids of the runs whose lease is not over, to ``destination``."""
    there = (_LEASES.c.destination == destination, _LEASES.c.until >= _NOW)
    return frozenset(connection.execute(select(_LEASES.c.run_id).where(*there)).scalars())


def ask_to_stop(connection: Connection, run_id: str, why: str) -> None:
    """Have the workers of a run end, in order."""
    connection.execute(update(RUNS).where(RUNS.c.run_id == run_id).values(stopped_because=writable(why)))


def asked_to_stop(connection: Connection, run_id: str) -> str:
    """Say why the workers of a run are to end, "" if they are to go on."""
    lives = select(_LEASES.c.run_id).where(_LEASES.c.run_id == run_id, _LEASES.c.until >= _NOW)
    if connection.execute(lives).first() is None:
        return f"run {run_id}, which this was done for, has ended"
    why = select(RUNS.c.stopped_because).where(RUNS.c.run_id == run_id)
    return connection.execute(why).scalar() or ""


def _named(connection: Connection, which: ColumnElement[bool]) -> Iterator[tuple[str, str]]:
    for row in connection.execute(select(_LEASES).where(which).order_by(_LEASES.c.run_id)):
        yield row.run_id, f"run {row.run_id} (host {row.host}, pid {row.pid})"


def _begin(connection: Connection, run_id: str, destination: str, seconds: float) -> None:
    values = {
        "run_id": run_id,
        "destination": destination,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "beat_at": _NOW,
        "until": _NOW + timedelta(seconds=seconds),
    }
    connection.execute(insert(_LEASES).values(values))


def _beat_until(over: threading.Event, writer: "Writer", run_id: str, seconds: float) -> None:
    with suppress(CannotGoOn):  # the run hears of it when it writes
        while not over.wait(seconds / _BEATS):
            writer.submit(partial(_beat, run_id=run_id, seconds=seconds)).result()


def _beat(connection: Connection, run_id: str, seconds: float) -> None:
    values = {"beat_at": _NOW, "until": _NOW + timedelta(seconds=seconds)}
    connection.execute(update(_LEASES).where(_LEASES.c.run_id == run_id).values(values))


def _expect_lease(connection: Connection, name: str, run_id: str, seconds: float) -> None:
    if connection.execute(select(_LEASES.c.run_id).where(_LEASES.c.run_id == run_id)).first() is None:
        raise CannotGoOn(
            f"ledger {name}: run {run_id} was taken for dead by another one, since it did not say for "
            f"{seconds:g} s that it lives; what it was sending is in doubt; run the same command again"
        )


def _end(connection: Connection, run_id: str) -> None:
    connection.execute(delete(_CLAIMS).where(_CLAIMS.c.run_id == run_id))
    connection.execute(delete(_LEASES).where(_LEASES.c.run_id == run_id))


class _Standing(Struct, frozen=True):
    """What is known of orders: which other ``runs`` have them, and the ``entries`` of their fulfillments."""

    runs: Mapping[str, str]
    entries: Mapping[tuple[str, str], Entry]


def _standing(connection: Connection, claims: Sequence[Claim]) -> _Standing:
    destination, me = claims[0].destination, claims[0].run_id
    orders = [order_id for each in claims for order_id in each.order_ids]
    mine = (_CLAIMS.c.destination == destination, _CLAIMS.c.run_id != me, _CLAIMS.c.order_id.in_(orders))
    found = connection.execute(select(_CLAIMS.c.order_id, _CLAIMS.c.run_id).where(*mine))
    runs = {row.order_id: row.run_id for row in found}
    keys = [key for each in claims for key in each.keys]
    entries = {
        (entry.order_id, entry.tracking_number): entry
        for entry in statements.entries(connection, destination, keys)
    }
    sending = {
        entry.order_id: entry.run_id
        for entry in entries.values()
        if entry.state is State.SENDING and entry.run_id != me
    }
    return _Standing(sending | runs, entries)


def _has_dead(connection: Connection, runs: Collection[str]) -> bool:
    named = select(_LEASES.c.run_id).where(_LEASES.c.run_id.in_(set(runs)), _LEASES.c.until >= _NOW)
    return len(connection.execute(named).all()) < len(set(runs))


def _claimed(claim: Claim, standing: _Standing, names: Mapping[str, str]) -> Claimed:
    for order_id in claim.order_ids:
        if order_id in standing.runs:
            return Claimed(names[standing.runs[order_id]])
    entries = {key: standing.entries[key] for key in claim.keys if key in standing.entries}
    done = len(entries) == len(claim.keys) and all(entry.state in DONE for entry in entries.values())
    return Claimed(entries=entries, held=not done)

"""One rate for all who post to a destination, from whatever host: a row in the database has the turns.

It has what the generic cell rate algorithm needs (see ``importer.posts.pace``): when the bucket is empty, by
the database's own clock. Who wants to post takes a few turns at a time, as many as it can use at once, and
waits for each until it comes. A destination that asks for a pause has it from all.
"""

from datetime import timedelta
from typing import Final

from sqlalchemy import Column, Connection, DateTime, Table, extract, func

from importer.ledger.known import Taken
from importer.ledger.leases import LEASING
from importer.ledger.tables import TEXT, insert_into

_PACES: Final = Table(
    "paces",
    LEASING,
    Column("destination", TEXT, primary_key=True),
    Column("empty_at", DateTime(timezone=True), nullable=False),
    Column("paused_until", DateTime(timezone=True), nullable=False),
)
SHARING: Final = LEASING
"""The tables of runs that post side by side: this one, and those of their leases."""
_NOW: Final = func.clock_timestamp()  # now() is when the transaction began, which may have had to wait


def take(connection: Connection, destination: str, turns: int, interval: float) -> Taken:
    """Take the next ``turns``, which are ``interval`` seconds apart."""
    stretch = timedelta(seconds=turns * interval)
    new = insert_into("postgresql", _PACES).values(
        destination=destination, empty_at=_NOW + stretch, paused_until=_NOW
    )
    seconds = [extract("epoch", moment - _NOW) for moment in (_PACES.c.empty_at, _PACES.c.paused_until)]
    taken = new.on_conflict_do_update(
        index_elements=[_PACES.c.destination],
        set_={"empty_at": func.greatest(_PACES.c.empty_at, _PACES.c.paused_until, _NOW) + stretch},
    ).returning(*seconds)
    left = connection.execute(taken).one()
    return Taken(float(left[0]) - turns * interval, float(left[1]))


def pause(connection: Connection, destination: str, seconds: float) -> None:
    """Let nobody post for so long; a longer pause that is on already stays."""
    until = _NOW + timedelta(seconds=seconds)
    new = insert_into("postgresql", _PACES).values(destination=destination, empty_at=_NOW, paused_until=until)
    connection.execute(
        new.on_conflict_do_update(
            index_elements=[_PACES.c.destination],
            set_={"paused_until": func.greatest(_PACES.c.paused_until, until)},
        )
    )

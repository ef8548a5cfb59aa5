"""What became known of each fulfillment, and when; nothing of it is ever changed."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Connection, insert, literal, select

from importer.ledger.statements import HISTORY_COLUMNS, Key, marked
from importer.ledger.tables import (
    ANY_TRACKING_NUMBER,
    FULFILLMENTS,
    HISTORY,
    LOOKED_UP,
)
from importer.ledger.versions import LAST_KNOWN, version_of
from importer.model import Event, Happening

_FIRST_VERSION: Final = 3
_EVENTS: Final[Mapping[str, Event]] = {event.value: event for event in Event}
_BY_TRACKING_NUMBER: Final = f"{ANY_TRACKING_NUMBER.text} = ?"
_OF_ITS_ORDERS: Final = (
    f"order_id IN (SELECT order_id FROM fulfillments WHERE {_BY_TRACKING_NUMBER} "  # noqa: S608 - names and question marks alone
    f"UNION SELECT order_id FROM history WHERE tracking_number = ? AND {LOOKED_UP.text})"
)

_Places: TypeAlias = Mapping[str, tuple[str | None, ...]]
"""Conditions, all of which hold: each with what stands for its question marks."""


def found_in_doubt(connection: Connection, left: ColumnElement[bool], entry: Mapping[str, Any]) -> None:
    """Write down that the fulfillments that are ``left`` are called in doubt, as ``entry`` says it."""
    kept = FULFILLMENTS.c
    values = {
        "destination": kept.destination,
        "order_id": kept.order_id,
        "tracking_number": kept.tracking_number,
        "at": literal(entry["at"]),
        "run_id": kept.run_id,
        "event": literal(Event.FOUND_IN_DOUBT.value),
        "attempt": kept.attempts,
        "code": literal(entry["code"]),
        "message": literal(entry["message"]),
    }
    connection.execute(insert(HISTORY).from_select([*values], select(*values.values()).where(left)))


def told(
    connection: Connection, destinations: Iterable[str], order_id: str | None, tracking_number: str | None
) -> dict[Key, list[Happening]]:
    """Return all that became known of what has these, in the order of its coming.

    Of what has no history, since that was pruned or is from before version 3, that is how it ended last.
    ``destinations`` are those that the ledger has.
    """
    named = {"order_id = ?": order_id, "tracking_number = ?": tracking_number}
    places = {words: (value,) for words, value in named.items() if value is not None}
    of_history: _Places = (
        places if order_id is not None else {_OF_ITS_ORDERS: (tracking_number,) * 2, **places}
    )
    last_known: list[_Places] = (
        [{_BY_TRACKING_NUMBER: (tracking_number,)}]
        if order_id is None
        else [{"destination = ?": (destination,), **places} for destination in destinations]
    )
    happened: dict[Key, list[Happening]] = {}
    if version_of(connection) >= _FIRST_VERSION:
        for key, each in _found(connection, "history", of_history, " ORDER BY id"):
            happened.setdefault(key, []).append(each)
    for some in last_known:
        for key, each in _found(connection, f"({LAST_KNOWN}) AS last_known", some):
            happened.setdefault(key, [each])
    return happened


def _found(
    connection: Connection, table: str, places: _Places, order: str = ""
) -> Iterator[tuple[Key, Happening]]:
    where, parameters = " AND ".join(places), tuple(chain.from_iterable(places.values()))
    statement = f"SELECT {', '.join(HISTORY_COLUMNS)} FROM {table} WHERE {where}{order}"  # noqa: S608 - names and question marks alone
    for row in connection.exec_driver_sql(marked(connection, statement), parameters):
        yield (row[0], row[1], row[2]), _happening(row[3:])


def _happening(row: Iterable[Any]) -> Happening:
    at, run_id, event, attempt, code, message, http_status = row
    return Happening(datetime.fromisoformat(at), run_id, _EVENTS[event], attempt, code, message, http_status)

"""What became known of each fulfillment, and when; nothing of it is ever changed."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, insert, literal, select

from importer.ledger.statements import HISTORY_COLUMNS, Key, marked
from importer.ledger.tables import ANY_TRACKING_NUMBER, FULFILLMENTS, HISTORY, LAST_KNOWN, version_of
from importer.model import Event, Happening

_FIRST_VERSION: Final = 3
_EVENTS: Final[Mapping[str, Event]] = {event.value: event for event in Event}


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
    wanted = {"order_id": order_id, "tracking_number": tracking_number}
    named = {name: value for name, value in wanted.items() if value is not None}
    happened: dict[Key, list[Happening]] = {}
    if version_of(connection) >= _FIRST_VERSION:
        for key, each in _found(connection, "history", named, " ORDER BY id"):
            happened.setdefault(key, []).append(each)
    keys = (
        [{ANY_TRACKING_NUMBER.text: tracking_number}]
        if order_id is None
        else [{"destination": destination, **named} for destination in destinations]
    )
    for place in keys:
        for key, each in _found(connection, f"({LAST_KNOWN}) AS last_known", place):
            happened.setdefault(key, [each])
    return happened


def _found(
    connection: Connection, table: str, wanted: Mapping[str, str | None], order: str = ""
) -> Iterator[tuple[Key, Happening]]:
    where = " AND ".join(f"{name} = ?" for name in wanted)
    statement = f"SELECT {', '.join(HISTORY_COLUMNS)} FROM {table} WHERE {where}{order}"  # noqa: S608 - names and question marks alone
    for row in connection.exec_driver_sql(marked(connection, statement), tuple(wanted.values())):
        yield (row[0], row[1], row[2]), _happening(row[3:])


def _happening(row: Iterable[Any]) -> Happening:
    at, run_id, event, attempt, code, message, http_status = row
    return Happening(datetime.fromisoformat(at), run_id, _EVENTS[event], attempt, code, message, http_status)

"""What is asked and written tens of thousands of times a minute, as SQL alone: it needs no SQLAlchemy.

The names of the columns are those of ``tables``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from importer.model import Entry, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from importer.model import Happening

Key: TypeAlias = tuple[str, str, str]
"""Destination, order id, tracking number."""

KEYS_AT_ONCE: Final = 400
"""In one select: two parameters each, and older SQLite takes 999."""

_STATES: Final[Mapping[str, State]] = {state.value: state for state in State}


class Dialect(Protocol):
    """What tells how a statement is written."""

    paramstyle: str


class Connection(Protocol):
    """What a connection of SQLAlchemy's can do that is needed here."""

    @property
    def dialect(self) -> Dialect:
        """Of the database's driver."""

    def exec_driver_sql(self, statement: str, parameters: Any = ..., /) -> Iterable[Any]:  # noqa: ANN401 - SQLAlchemy's
        """Execute a statement, with a list of parameters once for each of them."""

    def begin(self) -> AbstractContextManager[object]:
        """Begin a transaction; it is committed at the end, or rolled back after an error."""

    def close(self) -> None:
        """Let go."""


def entries(connection: Connection, destination: str, keys: Iterable[tuple[str, str]]) -> Iterator[Entry]:
    """Yield what is known of ``keys`` (order id, tracking number), in their order in the file."""
    wanted = sorted(set(keys))
    for start in range(0, len(wanted), KEYS_AT_ONCE):
        some = wanted[start : start + KEYS_AT_ONCE]
        parameters = (*chain.from_iterable(some), destination)
        found = connection.exec_driver_sql(marked(connection, _select_wanted(len(some))), parameters)
        yield from map(entry_of, found)


def put(connection: Connection, changed: Mapping[Key, Entry]) -> None:
    """Write the entries, over what is there under their keys."""
    if changed:
        connection.exec_driver_sql(
            marked(connection, _PUT), [_of_entry(key[0], entry) for key, entry in changed.items()]
        )


def update(connection: Connection, changed: Mapping[Key, Entry]) -> None:
    """Write what came of entries that are there, whose run and content stay as they are."""
    if changed:
        connection.exec_driver_sql(
            marked(connection, _UPDATE), [(*_of_outcome(entry), *key) for key, entry in changed.items()]
        )


def add(connection: Connection, happened: Sequence[tuple[Key, Happening]]) -> None:
    """Write down what became known, in this order."""
    if happened:
        connection.exec_driver_sql(
            marked(connection, _ADD), [(*key, *_of_happening(each)) for key, each in happened]
        )


_PRIMARY: Final = ("destination", "order_id", "tracking_number")
_OUTCOME: Final = ("state", "code", "message", "http_status", "attempts", "at")
COLUMNS: Final = (*_PRIMARY, "content", "run_id", *_OUTCOME)
"""Of the fulfillments."""
HISTORY_COLUMNS: Final = (
    *_PRIMARY,
    "at",
    "run_id",
    "event",
    "attempt",
    "code",
    "message",
    "http_status",
)
"""Of what became known of them, but for the number that each line gets."""


def inserting(table: str, columns: Sequence[str]) -> str:
    """Return what puts a row into the table, with a question mark for each column."""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - names alone


_PUT: Final = (
    f"{inserting('fulfillments', COLUMNS)} ON CONFLICT ({', '.join(_PRIMARY)}) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name not in _PRIMARY)
)
# an index of a column that is named here is written, even where the column stays as it is
_UPDATE: Final = (
    f"UPDATE fulfillments SET {', '.join(f'{name} = ?' for name in _OUTCOME)} "  # noqa: S608 - names and question marks alone
    f"WHERE {' AND '.join(f'{name} = ?' for name in _PRIMARY)}"
)
_ADD: Final = inserting("history", HISTORY_COLUMNS)


@lru_cache(maxsize=KEYS_AT_ONCE)
def _select_wanted(count: int) -> str:
    # a join in this order, since `(a, b) IN (VALUES …)` reads every entry of the destination
    places = ", ".join(["(?, ?)"] * count)
    return (
        f"WITH wanted (o, t) AS (VALUES {places}) SELECT {', '.join(COLUMNS[1:])} "  # noqa: S608 - question marks, no values
        "FROM wanted CROSS JOIN fulfillments WHERE destination = ? AND order_id = o AND tracking_number = t"
    )


def entry_of(row: Sequence[Any]) -> Entry:
    """Return the entry that a row of fulfillments is, without its destination."""
    order_id, tracking_number, content, run_id, state, code, message, http_status, attempts, at = row
    return Entry(
        order_id,
        tracking_number,
        _STATES[state],
        content,
        run_id,
        code,
        message,
        http_status,
        attempts,
        datetime.fromisoformat(at),
    )


def _of_entry(destination: str, entry: Entry) -> tuple[object, ...]:
    return (
        destination,
        entry.order_id,
        entry.tracking_number,
        entry.content,
        entry.run_id,
        *_of_outcome(entry),
    )


def _of_outcome(entry: Entry) -> tuple[object, ...]:
    return (
        str(entry.state),
        writable(entry.code),
        writable(entry.message),
        entry.http_status,
        entry.attempts,
        text_of(entry.at),
    )


def _of_happening(each: Happening) -> tuple[object, ...]:
    return (
        text_of(each.at),
        each.run_id,
        str(each.event),
        each.attempt,
        writable(each.code),
        writable(each.message),
        each.http_status,
    )


def marked(connection: Connection, statement: str) -> str:
    """Return the statement with its question marks as the database's driver has them."""
    return statement if connection.dialect.paramstyle == "qmark" else statement.replace("?", "%s")


def writable(words: str) -> str:
    """Return the words without lone surrogates and NULs, which JSON can carry and no database takes."""
    if not words:
        return words
    words = words.replace("\0", "\\x00")
    return words if words.isascii() else words.encode("utf-8", "backslashreplace").decode()


def text_of(at: datetime) -> str:
    """Return the time as the tables have it: UTC, in a form that sorts by time."""
    return (at if at.tzinfo is UTC else at.astimezone(UTC)).isoformat(timespec="microseconds")

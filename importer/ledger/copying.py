"""All that a ledger knows, put into another one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from sqlalchemy import Connection, Table, insert, select

from importer.ledger.tables import CONTROL_NUMBERS, FULFILLMENTS, HISTORY, INTERCHANGES, RUNS

_TABLES: Final[Mapping[str, Table]] = {
    "fulfillments": FULFILLMENTS,
    "events": HISTORY,
    "runs": RUNS,
    "interchanges": INTERCHANGES,
    "control numbers": CONTROL_NUMBERS,
}
_ROWS_AT_ONCE: Final = 2000


def is_empty(connection: Connection) -> bool:
    """Say whether nothing is known at all."""
    return all(connection.execute(select(table).limit(1)).first() is None for table in _TABLES.values())


def copy(
    connection: Connection, source: Connection, plainly: Callable[[], AbstractContextManager[None]]
) -> dict[str, int]:
    """Put what the ``source`` has into an empty ledger, and return how much it was of what.

    ``plainly`` is what turns the errors of the source into words about it.
    """
    copied = dict.fromkeys(_TABLES, 0)
    for name, table in _TABLES.items():
        for rows in _read(table, source, plainly):
            connection.execute(insert(table), rows)
            copied[name] += len(rows)
    return copied


def _read(
    table: Table, source: Connection, plainly: Callable[[], AbstractContextManager[None]]
) -> Iterator[Sequence[dict[str, Any]]]:
    # events are numbered anew, in their order: the database goes on with the next number then
    columns = [column for column in table.c if table is not HISTORY or not column.primary_key]
    in_order = select(*columns).order_by(*table.primary_key.columns)
    with plainly(), source.execute(in_order, execution_options={"stream_results": True}) as found:
        for rows in found.mappings().partitions(_ROWS_AT_ONCE):
            yield [dict(row) for row in rows]

"""Which EDI interchanges came, and the control numbers of those that went out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from importer.ledger.known import Interchange
from importer.ledger.statements import text_of, writable
from importer.ledger.tables import CONTROL_NUMBERS, INTERCHANGES, insert_into
from importer.ledger.versions import version_of

LAST_CONTROL_NUMBER: Final = 999_999_999
"""ISA13 has nine digits (X12.5); after it the numbers begin anew."""

_FIRST_VERSION: Final = 3


def find(
    connection: Connection, standard: str, sender: str, receiver: str, control: str
) -> Interchange | None:
    """Return the first that came with this control number, None if none did."""
    if version_of(connection) < _FIRST_VERSION:
        return None
    table = INTERCHANGES.c
    found = connection.execute(
        select(INTERCHANGES).where(
            table.standard == standard,
            table.sender == sender,
            table.receiver == receiver,
            table.control == control,
        )
    ).first()
    if found is None:
        return None
    return Interchange(**{**found._mapping, "at": datetime.fromisoformat(found.at)})  # noqa: SLF001 - SQLAlchemy's public name


def remember(connection: Connection, interchanges: Sequence[Interchange]) -> None:
    """Write down those that came; of several with one control number the first stays."""
    if interchanges:
        connection.execute(
            insert_into(connection.dialect.name, INTERCHANGES).on_conflict_do_nothing(),
            [
                {
                    "standard": each.standard,
                    "sender": each.sender,
                    "receiver": each.receiver,
                    "control": each.control,
                    "content": each.content,
                    "run_id": each.run_id,
                    "source": writable(each.source),
                    "at": text_of(each.at),
                }
                for each in interchanges
            ],
        )


def next_number(connection: Connection, series: str) -> int:
    """Take the next control number of ``series``, from 1 on; it is not had again."""
    number = peek(connection, series)
    taken = insert_into(connection.dialect.name, CONTROL_NUMBERS).values(series=series, last=number)
    connection.execute(taken.on_conflict_do_update(index_elements=["series"], set_={"last": number}))
    return number


def peek(connection: Connection, series: str) -> int:
    """Return the control number of ``series`` that would be taken next."""
    if version_of(connection) < _FIRST_VERSION:
        return 1
    last = select(CONTROL_NUMBERS.c.last).where(CONTROL_NUMBERS.c.series == series)
    return (connection.execute(last).scalar() or 0) % LAST_CONTROL_NUMBER + 1

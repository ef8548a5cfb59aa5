"""Whether a ledger is well: its version, and whether the database finds its own pages in order."""

from typing import Final

from msgspec import Struct
from sqlalchemy import Connection

from importer.ledger.versions import VERSION, version_of

_WELL: Final = "ok"
_MOST_FAULTS: Final = 5


class Checkup(Struct, frozen=True):
    """What was found: ``version`` of the tables, of which ``newest`` is what this program makes.

    ``faults`` are what SQLite finds wrong with its file; a server sees to its own.
    """

    version: int
    faults: tuple[str, ...] = ()
    newest: int = VERSION


def examine(connection: Connection) -> Checkup:
    """Read the whole ledger once: https://www.sqlite.org/pragma.html#pragma_quick_check."""
    version = version_of(connection)
    if connection.dialect.name != "sqlite":
        return Checkup(version)
    found = connection.exec_driver_sql(f"PRAGMA quick_check({_MOST_FAULTS})").scalars()
    return Checkup(version, tuple(str(fault) for fault in found if fault != _WELL))

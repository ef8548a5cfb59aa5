"""The tables in a database: made, known again, and brought from an earlier version to this one."""

from collections.abc import Collection

from sqlalchemy import Connection, MetaData, insert, update

from importer.errors import CannotGoOn
from importer.ledger.tables import (
    METADATA,
    MIGRATIONS,
    PARTIAL_INDEXES,
    SCHEMA,
    VERSION,
    version_of,
)


def make(connection: Connection, *more: MetaData) -> None:
    """Make the tables of a new ledger, and ``more`` that only this database has."""
    # said where the tables are declared, it would import what SQLAlchemy has for databases that are not used
    for index, which in PARTIAL_INDEXES.items():
        index.dialect_options[connection.dialect.name]["where"] = which
    for metadata in (METADATA, *more):
        metadata.create_all(connection)
    connection.execute(insert(SCHEMA).values(version=VERSION))


def expect(connection: Connection, found: Collection[str], name: str, what: str, advice: str) -> int:
    """Return the version of the ledger ``name``, where these tables were ``found``.

    ``what`` they were found in, and the ``advice``, are for one who named something else.

    Raises:
        CannotGoOn: it is no ledger, or one of a later version than can be read.
    """
    if SCHEMA.name not in found:
        tables = f"the tables {', '.join(sorted(found))}" if found else "no tables"
        raise CannotGoOn(
            f"ledger {name}: found {what} with {tables}, expected a ledger of this program, and left it as "
            f"it is; {advice}"
        )
    version = version_of(connection)
    if version > VERSION:
        raise CannotGoOn(
            f"ledger {name}: found version {version}, expected {VERSION} or less: a later version of this "
            "program wrote it; update this one"
        )
    return version


def migrate(connection: Connection, version: int, *more: MetaData) -> None:
    """Make a ledger of this version out of one of ``version``, with ``more`` that only this database has."""
    if version == VERSION:
        return
    for step in range(version + 1, VERSION + 1):
        for statement in MIGRATIONS[step]:
            connection.exec_driver_sql(statement)
    for metadata in more:
        metadata.create_all(connection)
    connection.execute(update(SCHEMA).values(version=VERSION))

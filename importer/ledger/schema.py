"""The tables of a ledger that is new, as whatever database makes them."""

from sqlalchemy import Connection, MetaData, insert

from importer.ledger.tables import METADATA, PARTIAL_INDEXES, SCHEMA
from importer.ledger.versions import VERSION


def make(connection: Connection, *more: MetaData) -> None:
    """Make the tables of a new ledger, and ``more`` that only this database has."""
    # said where the tables are declared, it would import what SQLAlchemy has for databases that are not used
    for index, which in PARTIAL_INDEXES.items():
        index.dialect_options[connection.dialect.name]["where"] = which
    for metadata in (METADATA, *more):
        metadata.create_all(connection)
    connection.execute(insert(SCHEMA).values(version=VERSION))

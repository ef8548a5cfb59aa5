"""SQLite's own connection, asked as one of SQLAlchemy's, which takes long to load."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from importer.ledger.files import connected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy

WRITING: Final = "BEGIN IMMEDIATE"
"""How a transaction begins in which nobody else writes."""
READING: Final = "BEGIN"


class _Dialect(Struct):
    paramstyle: str


class Direct:
    """A connection to the file at ``path``, opened ``how``, whose transactions begin with ``begin``.

    ``pragmas`` are executed first.

    Raises:
        sqlite3.Error: it can't be opened.
    """

    dialect = _Dialect(sqlite3.paramstyle)

    def __init__(self, path: Path, how: str, begin: str, pragmas: tuple[str, ...] = ()) -> None:
        self._begin = begin
        self._core: sqlalchemy.Connection | None = None
        self._sqlite = connected(path, how)
        try:
            for pragma in pragmas:
                self._sqlite.execute(pragma)
        except sqlite3.Error:
            self._sqlite.close()
            raise

    @property
    def core(self) -> sqlalchemy.Connection:
        """The connection as SQLAlchemy has it, for what is asked seldom; the transaction is the same."""
        if self._core is None:
            from sqlalchemy import create_engine  # noqa: PLC0415 - what is asked often needs none of it
            from sqlalchemy.pool import StaticPool  # noqa: PLC0415 - as above

            engine = create_engine("sqlite://", creator=lambda: _Lent(self._sqlite), poolclass=StaticPool)
            self._core = engine.connect()
        return self._core

    def exec_driver_sql(self, statement: str, parameters: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401 - as SQLAlchemy's
        """Execute a statement, with a list of parameters once for each of them."""
        if isinstance(parameters, list):
            return self._sqlite.executemany(statement, parameters)
        return self._sqlite.execute(statement, parameters)

    @contextmanager
    def begin(self) -> Iterator[None]:
        """Begin a transaction; it is committed at the end, or rolled back after an error."""
        self._sqlite.execute(self._begin)
        try:
            yield
            self._sqlite.commit()
        except BaseException:
            self._sqlite.rollback()
            raise
        finally:
            if self._core is not None:
                self._core.rollback()  # so that it knows; there is nothing left to be done

    def close(self) -> None:
        """Let go."""
        if self._core is not None:
            self._core.close()
        self._sqlite.close()


class _Lent:
    """A connection in the hands of SQLAlchemy, which neither begins nor ends a transaction of it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a connection has
        return getattr(self._connection, name)

    def commit(self) -> None:
        """Leave that to the owner."""

    rollback = close = commit


def core_of(connection: Direct | sqlalchemy.Connection) -> sqlalchemy.Connection:
    """Return the connection as SQLAlchemy has it."""
    return connection.core if isinstance(connection, Direct) else connection

"""The ledger in a database of PostgreSQL's: how it is opened, what its errors mean.

Who writes takes one advisory lock from the beginning of a transaction to its end, as SQLite has it: so what
is read in a transaction that writes is so until it ends. A host that stops in the middle of one loses it
after some seconds, so that the others go on.
"""

import importlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool

from importer.errors import CannotGoOn, SetupError
from importer.ledger import schema, versions
from importer.ledger.paces import SHARING
from importer.ledger.places import Address, is_password
from importer.ledger.versions import SCHEMA_NAME

_LOCK: Final = """SELECT pg_advisory_xact_lock(hashtextextended('importer ' || coalesce(
    (SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE pg_class.oid = to_regclass('importer_ledger')), current_schema()), 0))"""
"""By the schema that the ledger is in, or will be: an advisory lock is a number, for the whole database."""

_WAIT_SECONDS: Final = 30
_PAUSE_SECONDS: Final = (
    10  # in a transaction, before it is lost; longer than any pause but that of a dead host
)
_CONNECTING: Final[Mapping[str, str | int]] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "fallback_application_name": "importer",
}
"""What the address does not say itself; without them a cut cable is noticed after hours."""

_ANY: Final = (
    f"SET lock_timeout = '{_WAIT_SECONDS}s'",
    f"SET idle_in_transaction_session_timeout = '{_PAUSE_SECONDS}s'",
    # a commit is on the disk when it returns; what is stronger than that is the server's own affair
    """SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')""",
)
_READING: Final = "SET default_transaction_read_only = on"


class Server(Struct, frozen=True):
    """A ledger in the database at ``address``, in the schema that its search path begins with."""

    address: Address
    shared = True

    @property
    def name(self) -> str:
        """What messages call it, without its password."""
        return str(self.address)

    def exists(self) -> bool:
        """Say whether the ledger's tables are there."""
        with self.plainly():
            engine = self._engine()
            with engine.connect() as connection:
                return SCHEMA_NAME in _tables(connection)

    def obstacle(self) -> str:
        """Say what keeps a run from writing there; the name of each of its tables is asked about."""
        with self.plainly(), self._engine().connect() as connection:
            if connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "on":  # as on a standby
                return "the database can only be read, so that it is not the primary server's"
            known = _tables(connection)
            if SCHEMA_NAME not in known:
                may = "SELECT has_schema_privilege(current_schema(), 'CREATE')"
                return (
                    "" if connection.exec_driver_sql(may).scalar() else "the user may not make tables there"
                )
            lacking = [name for name in sorted({*known} - {SCHEMA_NAME}) if not _may_write(connection, name)]
            return f"the user may not write the tables {', '.join(lacking)}" if lacking else ""

    def open_for_writing(self) -> tuple[Connection, "Server"]:
        """Open it, or make its tables, and return what writes."""
        with self.plainly():
            engine = self._engine()
            event.listen(engine, "begin", _alone)
            connection = engine.connect()
            try:
                with connection.begin():
                    if not _tables(connection):
                        schema.make(connection, SHARING)
                    if (version := self._expect_ledger(connection)) < versions.VERSION:
                        versions.migrate(connection, version)
                        SHARING.create_all(connection)
            except BaseException:
                connection.close()
                raise
            return connection, self

    def open_for_reading(self) -> Engine:
        """Return connections that only read it; one that was lost is made anew."""
        with self.plainly():
            engine = self._engine(
                _READING, poolclass=QueuePool, pool_size=1, max_overflow=0, pool_pre_ping=True
            )
            try:
                with engine.connect() as connection:
                    self._expect_ledger(connection)
            except BaseException:
                engine.dispose()
                raise
            return engine

    readers = open_for_reading

    def check(self) -> None:
        """Nothing can be moved away from a server while it is used."""

    def shrink(self) -> None:
        """The server itself sees to it that the room is used again (autovacuum)."""

    @contextmanager
    def plainly(self) -> Iterator[None]:
        """Turn what PostgreSQL or the network says into ``CannotGoOn``.

        Raises:
            CannotGoOn: the block raised a database's error.
        """
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            raise self.unusable(error) from error

    def unusable(self, error: BaseException) -> CannotGoOn:
        """Say where, what and what to do."""
        if isinstance(error, CannotGoOn):
            return CannotGoOn(*error.args)
        cause = getattr(error, "orig", None) or error
        state = getattr(cause, "sqlstate", None) or _NO_STATE
        said = " ".join(str(cause).split())
        if state == _NO_STATE and _FATAL in said:
            found, advice = _REFUSED
        else:
            found, advice = _ADVICE.get(state) or _ADVICE.get(state[:2]) or ("{said}", _MEND)
        return CannotGoOn(f"ledger {self.name}: {found.format(said=said)}; {advice}")

    def _engine(self, *statements: str, **pool: Any) -> Engine:  # noqa: ANN401 - as create_engine has them
        driver = _driver()

        def connect() -> Any:  # noqa: ANN401 - the driver is there only where it is installed
            connection = driver.connect(self._conninfo(driver), client_encoding="utf8", autocommit=True)
            try:
                self._expect_encoding(connection.info.parameter_status("server_encoding"))
                for statement in (*_ANY, *statements):
                    connection.execute(statement)
                connection.autocommit = False
            except BaseException:
                connection.close()
                raise
            return connection

        # what another one has committed is seen by the next statement, whatever the database's default is
        return create_engine(
            "postgresql+psycopg://",
            creator=connect,
            isolation_level="READ COMMITTED",
            use_native_hstore=False,
            **pool or {"poolclass": NullPool},
        )

    def _conninfo(self, driver: Any) -> str:  # noqa: ANN401 - the driver is there only where it is installed
        try:
            said = driver.conninfo.conninfo_to_dict(self.address.reveal())
        except driver.Error:  # its words may have the password in them
            said = {}
        if not said or (self.address.has_password and not any(map(is_password, said))):
            raise SetupError(
                f"ledger {self.name}: found an address that PostgreSQL does not understand, expected "
                "postgresql://user@host:port/database?option=value, with % and two digits for odd characters"
            )
        return str(driver.conninfo.make_conninfo(**{**_CONNECTING, **said}))

    def _expect_encoding(self, encoding: str) -> None:
        if encoding != "UTF8":
            raise CannotGoOn(
                f"ledger {self.name}: found a database with the encoding {encoding}, expected UTF8; make "
                "another one for the ledger: createdb -E UTF8 -T template0 NAME"
            )

    def _expect_ledger(self, connection: Connection) -> int:
        advice = "name another database, or a schema of its own: ?options=-csearch_path%3DNAME"
        return versions.expect(connection, _tables(connection), self.name, "a database", advice)


def _driver() -> Any:  # noqa: ANN401 - the driver is there only where it is installed
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)  # all that it logs is raised, too
    try:
        return importlib.import_module("psycopg")
    except ImportError as error:
        raise SetupError(
            f"ledger on PostgreSQL: a package is missing ({error.name}); "
            "pip install 'fulfillment-importer[postgres]'"
        ) from error


def _alone(connection: Connection) -> None:
    connection.exec_driver_sql(_LOCK)


def _tables(connection: Connection) -> list[str]:
    """The tables that statements find by their bare names."""
    found = connection.exec_driver_sql(
        "SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
        "WHERE relkind IN ('r', 'p') AND nspname !~ '^pg_' AND nspname <> 'information_schema' "
        "AND pg_table_is_visible(pg_class.oid)"
    )
    return [name for (name,) in found]


def _may_write(connection: Connection, table: str) -> bool:
    """Whether there is all that a run does to it; one privilege of several would do for the server."""
    asked = " AND ".join(f"has_table_privilege(to_regclass(%(name)s), '{each}')" for each in _PRIVILEGES)
    found = connection.exec_driver_sql(f"SELECT {asked}", {"name": table})
    return bool(found.scalar())


_PRIVILEGES: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
_NO_STATE: Final = "--"
_REFUSED: Final = (
    "the server refused the connection ({said})",
    "see to user, password and database, and run the same command again",
)
_FATAL: Final = "FATAL:"  # what the server says before there is a connection comes without SQLSTATE
_MEND: Final = "mend that and run the same command again"
_LOST: Final = (
    "the database can't be reached, or the connection to it was lost ({said})",
    "see to it and run the same command again; with another ledger everything would be sent again",
)
_ADVICE: Final[Mapping[str, tuple[str, str]]] = {
    _NO_STATE: _LOST,
    "08": _LOST,
    "57": _LOST,
    "25P03": (
        f"this program stood still for more than {_PAUSE_SECONDS} s while it was writing",
        "run the same command again",
    ),
    "25006": ("the database can only be read", "name its primary server, and run the same command again"),
    "28": ("the user or the password was refused ({said})", "see to it and run the same command again"),
    "3D000": ("there is no such database ({said})", "make it: createdb -E UTF8 NAME; or name the right one"),
    "3F000": ("there is no such schema ({said})", "make it: CREATE SCHEMA NAME; or name the right one"),
    "42501": ("the user may not do that there ({said})", "have it granted and run the same command again"),
    "53100": ("the server's disk is full", "make room on it and run the same command again"),
    "53300": ("the server has no connection left", "run the same command again when others have ended"),
    "55P03": (
        f"another program kept it locked for {_WAIT_SECONDS} seconds",
        "end that program and run the same command again",
    ),
}
"""By SQLSTATE, or its class: https://www.postgresql.org/docs/current/errcodes-appendix.html."""

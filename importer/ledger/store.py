"""What the ledger keeps, and how it is read and written: tables, statements, and the file they are in."""

import errno
import glob
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    Row,
    Select,
    Table,
    Text,
    create_engine,
    event,
    func,
    insert,
    inspect,
    literal,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool

from importer.errors import CannotGoOn
from importer.ledger.states import DOUBTED, OUTCOME_UNKNOWN
from importer.model import Entry, State

VERSION: Final = 2
"""Of the tables below; a ledger of a later one is not touched, one of an earlier one is brought to this."""

BUSY_SECONDS: Final = 30.0
"""How long to wait for another process that is writing; a commit takes milliseconds."""

KEYS_AT_ONCE: Final = 400
"""In one select: two parameters each, and older SQLite takes 999."""

_STATES: Final[Mapping[str, State]] = {state.value: state for state in State}

METADATA: Final = MetaData()
SCHEMA: Final = Table("importer_ledger", METADATA, Column("version", Integer, nullable=False))
FULFILLMENTS: Final = Table(
    "fulfillments",
    METADATA,
    Column("destination", Text, primary_key=True),
    Column("order_id", Text, primary_key=True),
    Column("tracking_number", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("http_status", Integer),
    Column("attempts", Integer, nullable=False),
    Column("at", Text, nullable=False),
    sqlite_with_rowid=False,
)
_BEING_SENT: Final = text("state = 'sending'")
Index("fulfillments_by_run", FULFILLMENTS.c.run_id, FULFILLMENTS.c.state)
Index(
    "fulfillments_being_sent",
    FULFILLMENTS.c.destination,
    FULFILLMENTS.c.state,  # without it SQLite would rather read every entry of the destination
    sqlite_where=_BEING_SENT,
    postgresql_where=_BEING_SENT,
)
RUNS: Final = Table(
    "runs",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("command", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("manifests", JSON, nullable=False),
    Column("report", Text, nullable=False),
    Column("started_at", Text, nullable=False, index=True),
    Column("finished_at", Text),
    Column("exit_status", Integer),
    Column("stopped_because", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("given", JSON(none_as_null=True), info={"since": 2}),
)
_MIGRATIONS: Final[Mapping[int, tuple[str, ...]]] = {2: ("ALTER TABLE runs ADD COLUMN given JSON",)}
"""What makes a ledger of each version out of one of the version before."""

Key = tuple[str, str, str]
"""Destination, order id, tracking number."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run as the ledger remembers it; times are UTC, ``summary`` is JSON text.

    ``given`` is what the run was told, as JSON has it; empty for runs from before version 2.
    """

    run_id: str
    command: str
    destination: str
    manifests: tuple[str, ...]
    report: str
    started_at: datetime
    finished_at: datetime | None = None
    exit_status: int | None = None
    stopped_because: str = ""
    summary: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """The files that are open, so that it can be told whether they still are where the next run looks.

    ``files`` has their paths, and the device and inode that each had. SQLite goes on writing into a file that
    was deleted or moved ("How To Corrupt An SQLite Database File", 4.4): what is committed there is lost.
    """

    path: Path
    files: tuple[tuple[Path, int, int], ...]

    @classmethod
    def of(cls, path: Path) -> "Place":
        """Where ``path`` is now, and its write-ahead log if there is one."""
        return cls(path, tuple(found for each in (path, _log(path)) if (found := _identity(each))))

    def check(self) -> None:
        """See that the files are the same.

        Raises:
            CannotGoOn: one of them is not.
        """
        if any(_identity(file[0]) != file for file in self.files):
            raise CannotGoOn(
                f"ledger {self.path}: its file was moved, deleted or replaced while it was in use; bring it "
                "back, with the files beside it that begin with its name, and run the same command again: "
                "without it everything would be sent again"
            )


def _identity(path: Path) -> tuple[Path, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return path, found.st_dev, found.st_ino


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


# The file -----------------------------------------------------------------------------------------------


def open_for_writing(path: Path) -> tuple[Connection, Place]:
    """Open the ledger at ``path``, or make one there, and return the connection that writes, and where it is.

    A ledger of an earlier version is brought to this one.

    Raises:
        CannotGoOn: it is not a ledger, or one of a later version, or can't be written.
    """
    with plainly(path):
        _expect_no_other_thing(path)
        _make_file(path)
        before = Place(path, Place.of(path).files[:1])
        # FULL: a commit is on the disk when it returns; fullfsync: on macOS too
        engine = _engine(path, "mode=rw", "BEGIN IMMEDIATE", "PRAGMA synchronous=FULL", "PRAGMA fullfsync=ON")
        connection = engine.connect()
        try:
            with connection.begin():
                _make_tables(connection)
                _migrate(connection, _expect_ledger(connection, path))
            connection.connection.cursor().execute("PRAGMA journal_mode=WAL")
            with connection.begin():
                _version(connection)  # the write-ahead log is there once it has been looked into
            before.check()
        except BaseException:
            connection.close()
            raise
        return connection, Place.of(path)


def open_for_reading(path: Path) -> Engine:
    """Return connections that only read the ledger at ``path``, which is there already.

    Raises:
        CannotGoOn: it is not a ledger, or one of a later version, or can't be read.
    """
    with plainly(path):
        _expect_no_other_thing(path)
        try:
            return _reading(path, "mode=ro")
        except OperationalError:
            # where the files that coordinate readers and writers can't be made beside it, the file alone
            # tells everything unless commits are waiting in its write-ahead log
            if _has_log(path):
                raise
            return _reading(path, "mode=ro&immutable=1")


def readers(path: Path) -> Engine:
    """Return the connection for reading beside the one that writes; one caller at a time has it.

    It is opened now and once, so that it reads what is written even where that is no longer at ``path``.
    """
    with plainly(path):
        return _reading(path, "mode=ro", _ONE)


@contextmanager
def plainly(path: Path) -> Iterator[None]:
    """Turn what a database or the disk says into ``CannotGoOn``.

    Raises:
        CannotGoOn: the block raised a database's or an operating system's error.
    """
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise unusable(path, error) from error


def unusable(path: Path, error: BaseException) -> CannotGoOn:
    """Say where, what and what to do."""
    if isinstance(error, CannotGoOn):
        return CannotGoOn(*error.args)
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, OSError):
        code = _AS_SQLITE_SAYS_IT.get(cause.errno, 0)
    else:
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # https://www.sqlite.org/rescode.html#pve
    found, advice = _ADVICE.get(code, (f"{cause}", "mend that and run the same command again"))
    return CannotGoOn(f"ledger {path}: {found}; {advice}")


_AS_SQLITE_SAYS_IT: Final[Mapping[int | None, int]] = {
    errno.EACCES: sqlite3.SQLITE_PERM,
    errno.EPERM: sqlite3.SQLITE_PERM,
    errno.ENOENT: sqlite3.SQLITE_CANTOPEN,
    errno.ENOTDIR: sqlite3.SQLITE_CANTOPEN,
    errno.EROFS: sqlite3.SQLITE_READONLY,
    errno.ENOSPC: sqlite3.SQLITE_FULL,
    errno.EDQUOT: sqlite3.SQLITE_FULL,
    errno.EIO: sqlite3.SQLITE_IOERR,
}
_NO_ACCESS: Final = (
    "it can't be opened or written here (a missing folder, no permission, or a read-only disk)",
    "see to that and run the same command again; with another ledger everything would be sent again",
)
_ADVICE: Final[Mapping[int, tuple[str, str]]] = {
    sqlite3.SQLITE_PERM: _NO_ACCESS,
    sqlite3.SQLITE_READONLY: _NO_ACCESS,
    sqlite3.SQLITE_CANTOPEN: _NO_ACCESS,
    sqlite3.SQLITE_AUTH: _NO_ACCESS,
    sqlite3.SQLITE_BUSY: (
        f"another program kept it locked for {BUSY_SECONDS:.0f} seconds",
        "end that program and run the same command again",
    ),
    sqlite3.SQLITE_FULL: ("the disk is full", "make room on it and run the same command again"),
    sqlite3.SQLITE_IOERR: (
        "the disk failed to read or write it, or a size limit was reached",
        "see to the disk and run the same command again",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "it is damaged",
        "bring it back from a backup; a new, empty ledger would send everything again",
    ),
    sqlite3.SQLITE_NOTADB: (
        "found a file that is not a ledger, and left it as it is",
        "bring back the one that was here, since a new one would send all again, or name another path",
    ),
}


def _expect_no_other_thing(path: Path) -> None:
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "something that is not a file"
        raise CannotGoOn(f"ledger {path}: found {kind}, expected a file; name another path for the ledger")


def _make_file(path: Path) -> None:
    for folder in reversed([folder for folder in path.parents if not folder.exists()]):
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(folder.parent)
    _expect_no_trace(path)
    try:
        made = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return  # and not opened here: closing it would drop the locks that SQLite holds in this process
    os.close(made)
    _sync_folder(path.parent)


def _expect_no_trace(path: Path) -> None:
    """See that there was no ledger here that is gone: a new one would have everything sent again."""
    locks = [] if path.exists() else sorted(path.parent.glob(f"{glob.escape(path.name)}.*.lock"))
    if locks:
        raise CannotGoOn(
            f"ledger {path}: it is gone, though there was one, as {locks[0].name} beside it shows; bring it "
            "back from a backup, since with a new one everything would be sent again; or delete that file, "
            "too, to begin anew"
        )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_NEW_EACH_TIME: Final[Mapping[str, Any]] = {"poolclass": NullPool}
_ONE: Final[Mapping[str, Any]] = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
"""As ``create_engine`` has it; a second connection might find another file at the path."""


def _engine(
    path: Path, how: str, begin: str, *pragmas: str, pool: Mapping[str, Any] = _NEW_EACH_TIME
) -> Engine:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{path.as_uri()}?{how}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,  # sqlite3 begins no transactions of its own; the event below does
            check_same_thread=False,
        )
        try:
            for pragma in pragmas:
                connection.execute(pragma)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    engine = create_engine("sqlite://", creator=connect, **pool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _reading(path: Path, how: str, pool: Mapping[str, Any] = _NEW_EACH_TIME) -> Engine:
    engine = _engine(path, how, "BEGIN", pool=pool)
    with engine.connect() as connection:
        _expect_ledger(connection, path)
    return engine


def _has_log(path: Path) -> bool:
    log = _log(path)
    return log.exists() and log.stat().st_size > 0


def _make_tables(connection: Connection) -> None:
    if not inspect(connection).get_table_names():
        METADATA.create_all(connection)
        connection.execute(insert(SCHEMA).values(version=VERSION))


def _expect_ledger(connection: Connection, path: Path) -> int:
    """Return its version, which is one that can be read."""
    names = inspect(connection).get_table_names()
    if SCHEMA.name not in names:
        tables = f"the tables {', '.join(names)}" if names else "no tables"
        raise CannotGoOn(
            f"ledger {path}: found an SQLite file with {tables}, expected a ledger of this program, and "
            "left it as it is; name another path for the ledger"
        )
    version = _version(connection)
    if version > VERSION:
        raise CannotGoOn(
            f"ledger {path}: found version {version}, expected {VERSION} or less: a later version of this "
            "program wrote it; update this one"
        )
    return version


def _version(connection: Connection) -> int:
    return int(connection.execute(select(SCHEMA.c.version)).scalar_one())


def _migrate(connection: Connection, version: int) -> None:
    if version == VERSION:
        return
    for step in range(version + 1, VERSION + 1):
        for statement in _MIGRATIONS[step]:
            connection.exec_driver_sql(statement)
    connection.execute(update(SCHEMA).values(version=VERSION))


# Fulfillments -------------------------------------------------------------------------------------------


def entries(connection: Connection, destination: str, keys: Iterable[tuple[str, str]]) -> Iterator[Entry]:
    """Yield what is known of ``keys`` (order id, tracking number), in their order in the file."""
    wanted = sorted(set(keys))
    for start in range(0, len(wanted), KEYS_AT_ONCE):
        some = wanted[start : start + KEYS_AT_ONCE]
        parameters = (*chain.from_iterable(some), destination)
        yield from map(_entry, connection.exec_driver_sql(_select_wanted(len(some)), parameters))


def put(connection: Connection, changed: Mapping[Key, Entry]) -> None:
    """Write the entries, over what is there under their keys."""
    if changed:
        connection.execute(_PUT, [_parameters(key[0], entry) for key, entry in changed.items()])


def recover(connection: Connection, destination: str, at: datetime) -> int:
    """Call what was being sent in doubt, and return how many entries that were."""
    changes = {
        "state": State.IN_DOUBT.value,
        "code": OUTCOME_UNKNOWN,
        "message": literal("the run ended while sending it, so that it is not known whether it was created"),
        "at": _text(at),
    }
    mine = FULFILLMENTS.c.destination == destination
    return connection.execute(update(FULFILLMENTS).where(mine, _BEING_SENT).values(changes)).rowcount


def doubts(connection: Connection, destination: str | None) -> list[tuple[str, Entry]]:
    """Return what is in doubt or being sent, with its destination, the oldest of each destination first."""
    found = FULFILLMENTS.c.state.in_([state.value for state in DOUBTED])
    mine = FULFILLMENTS.c.destination == destination if destination is not None else true()
    order = (FULFILLMENTS.c.destination, FULFILLMENTS.c.at, FULFILLMENTS.c.order_id)
    rows = connection.execute(select(FULFILLMENTS).where(found, mine).order_by(*order))
    return [(row[0], _entry(row[1:])) for row in rows]


def destinations(connection: Connection) -> list[str]:
    """Return the destinations that anything was sent to, in order."""
    known: list[str] = []
    name = FULFILLMENTS.c.destination
    after = select(func.min(name))  # from one to the next by the key: DISTINCT would read every entry
    while (found := connection.execute(after).scalar()) is not None:
        known.append(found)
        after = select(func.min(name)).where(name > found)
    return known


def is_empty(connection: Connection, destination: str) -> bool:
    """Say whether nothing is known of ``destination``."""
    found = select(FULFILLMENTS.c.state).where(FULFILLMENTS.c.destination == destination).limit(1)
    return connection.execute(found).first() is None


def outcomes(connection: Connection, run_id: str) -> dict[State, int]:
    """Count the entries that the run was the last to touch, by state."""
    state = FULFILLMENTS.c.state
    counts = select(state, func.count()).where(FULFILLMENTS.c.run_id == run_id).group_by(state)
    return {State(name): count for name, count in connection.execute(counts)}


_INSERT: Final = sqlite.insert(FULFILLMENTS)
_PUT: Final = _INSERT.on_conflict_do_update(
    index_elements=list(FULFILLMENTS.primary_key.columns),
    set_={column.name: _INSERT.excluded[column.name] for column in FULFILLMENTS.c if not column.primary_key},
)


@lru_cache(maxsize=KEYS_AT_ONCE)
def _select_wanted(count: int) -> str:
    # a join in this order, since `(a, b) IN (VALUES …)` reads every entry of the destination
    places = ", ".join(["(?, ?)"] * count)
    return (
        f"WITH wanted (o, t) AS (VALUES {places}) "  # noqa: S608 - question marks, no values
        "SELECT order_id, tracking_number, state, content, run_id, code, message, http_status, attempts, at "
        "FROM wanted CROSS JOIN fulfillments WHERE destination = ? AND order_id = o AND tracking_number = t"
    )


def _entry(row: Sequence[Any]) -> Entry:
    order_id, tracking_number, state, content, run_id, code, message, http_status, attempts, at = row
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


def _parameters(destination: str, entry: Entry) -> dict[str, object]:
    return {
        "destination": destination,
        "order_id": entry.order_id,
        "tracking_number": entry.tracking_number,
        "state": entry.state.value,
        "content": entry.content,
        "run_id": entry.run_id,
        "code": _writable(entry.code),
        "message": _writable(entry.message),
        "http_status": entry.http_status,
        "attempts": entry.attempts,
        "at": _text(entry.at),
    }


def _writable(words: str) -> str:
    """Return the words without lone surrogates, which JSON can carry and no database takes."""
    return words if words.isascii() else words.encode("utf-8", "backslashreplace").decode()


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


# Runs ---------------------------------------------------------------------------------------------------


def add_run(connection: Connection, run: Run) -> None:
    """Remember a run that starts."""
    values = {
        "run_id": run.run_id,
        "command": run.command,
        "destination": run.destination,
        "manifests": list(run.manifests),
        "report": _writable(run.report),
        "started_at": _text(run.started_at),
        "finished_at": _text(run.finished_at) if run.finished_at else None,
        "exit_status": run.exit_status,
        "stopped_because": _writable(run.stopped_because),
        "summary": _writable(run.summary),
        "given": dict(run.given) or None,
    }
    connection.execute(insert(RUNS).values(values))


def end_run(
    connection: Connection,
    run_id: str,
    *,
    finished_at: datetime,
    exit_status: int,
    stopped_because: str,
    summary: str,
) -> None:
    """Remember how a run ended."""
    values = {
        "finished_at": _text(finished_at),
        "exit_status": exit_status,
        "stopped_because": _writable(stopped_because),
        "summary": _writable(summary),
    }
    connection.execute(update(RUNS).where(RUNS.c.run_id == run_id).values(values))


def runs(connection: Connection, limit: int) -> list[Run]:
    """Return the last ``limit`` runs, newest first."""
    newest = _select_runs(connection).order_by(RUNS.c.started_at.desc(), RUNS.c.run_id.desc()).limit(limit)
    return [_run(row) for row in connection.execute(newest)]


def run(connection: Connection, run_id: str) -> Run | None:
    """Return the run of that id, or None."""
    row = connection.execute(_select_runs(connection).where(RUNS.c.run_id == run_id)).first()
    return None if row is None else _run(row)


def _select_runs(connection: Connection) -> Select[Any]:
    """Of an earlier version's ledger, which is read as it is, the columns that it has."""
    version = _version(connection)
    return select(*[column for column in RUNS.c if column.info.get("since", 1) <= version])


def _run(row: Row[Any]) -> Run:
    return Run(
        run_id=row.run_id,
        command=row.command,
        destination=row.destination,
        manifests=tuple(row.manifests),
        report=row.report,
        started_at=datetime.fromisoformat(row.started_at),
        finished_at=datetime.fromisoformat(row.finished_at) if row.finished_at else None,
        exit_status=row.exit_status,
        stopped_because=row.stopped_because,
        summary=row.summary,
        given=getattr(row, "given", None) or {},
    )

"""The ledger as a file of SQLite's: where it may be, how it is opened, what its errors mean."""

import glob
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

from msgspec import Struct

from importer.errors import CannotGoOn
from importer.ledger import versions
from importer.ledger.direct import READING, WRITING, Direct
from importer.ledger.files import DURABLY, Files, connected, log_of, unusable
from importer.ledger.presence import is_filled

_MUCH: Final = 0.05  # of a file; what is less is filled again by the next runs


class File(Struct, frozen=True):
    """A ledger at ``path``; its real path, so that a link and its target have one lock."""

    path: Path
    shared = False

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.path)

    def exists(self) -> bool:
        """Say whether there is anything at its path that is not an empty file."""
        with self.plainly():
            return is_filled(self.path)

    def obstacle(self) -> str:
        """Say what keeps a run from writing there; it needs the folder, too, for what it keeps beside it."""
        with self.plainly():
            _expect_no_trace(self.path)
            folder = next(each for each in self.path.parents if each.exists())
            for needed, access in ((folder, os.W_OK | os.X_OK), (self.path, os.R_OK | os.W_OK)):
                if needed.exists() and not os.access(needed, access, effective_ids=True):
                    return f"{needed} can't be written by this user"
        return ""

    def open_for_writing(self) -> tuple[Direct, Files]:
        """Open it, or make it with its folder, and return what writes, and the files that are open."""
        path = self.path
        with self.plainly():
            _expect_no_other_thing(path)
            _make_file(path)
            before = Files(path, Files.of(path).files[:1])
            connection = Direct(path, "mode=rw", WRITING, DURABLY)
            try:
                with connection.begin():
                    known = _expect_ledger(connection, path) if _tables(connection) else 0
                    versions.migrate(connection, known)
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                with connection.begin():
                    versions.version_of(
                        connection
                    )  # the write-ahead log is there once it has been looked into
                before.check()
            except BaseException:
                connection.close()
                raise
            return connection, Files.of(path)

    def open_for_reading(self) -> "Readers":
        """Return connections that only read it."""
        with self.plainly():
            _expect_no_other_thing(self.path)
            try:
                return Readers(self.path, "mode=ro")
            except sqlite3.OperationalError:
                # where the files that coordinate readers and writers can't be made beside it, the file alone
                # tells everything unless commits are waiting in its write-ahead log
                if _has_log(self.path):
                    raise
                return Readers(self.path, "mode=ro&immutable=1")

    def readers(self) -> "Readers":
        """Return the connection for reading beside the one that writes; one caller at a time has it.

        It is opened now and once, so that it reads what is written even where that is no longer at its path.
        """
        with self.plainly():
            return Readers(self.path, "mode=ro", keep=True)

    def shrink(self) -> None:
        """Write the file anew, if much of it is empty; https://www.sqlite.org/lang_vacuum.html.

        For as long as that takes it needs about twice the room.
        """
        with self.plainly(), closing(connected(self.path, "mode=rw")) as connection:
            [(empty,)], [(pages,)] = (
                connection.execute(f"PRAGMA {count}").fetchall() for count in ("freelist_count", "page_count")
            )
            if empty < pages * _MUCH:
                return
            connection.execute(DURABLY[0])
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def plainly(self) -> Iterator[None]:
        """Turn what SQLite or the disk says into ``CannotGoOn``.

        Raises:
            CannotGoOn: the block raised a database's or an operating system's error.
        """
        try:
            yield
        except _errors() as error:
            raise self.unusable(error) from error

    def unusable(self, error: BaseException) -> CannotGoOn:
        """Say where, what and what to do."""
        return unusable(self.name, error)


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


def locks(path: Path) -> list[Path]:
    """Return the locks beside the ledger at ``path``, one for each destination that a run posted to."""
    return sorted(path.parent.glob(f"{glob.escape(path.name)}.*.lock"))


def _expect_no_trace(path: Path) -> None:
    """See that there was no ledger here that is gone: a new one would have everything sent again."""
    left = [] if path.exists() else locks(path)
    if left:
        raise CannotGoOn(
            f"ledger {path}: it is gone, though there was one, as {left[0].name} beside it shows; bring it "
            "back from a backup, since with a new one everything would be sent again; or delete that file, "
            "too, to begin anew"
        )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Readers:
    """Connections that only read the file at ``path``, opened ``how``: each time anew, or one that is kept.

    That is opened now; one caller at a time has it, the others wait.

    Raises:
        CannotGoOn: it is not a ledger, or one of a later version.
        sqlite3.Error: it can't be read.
    """

    def __init__(self, path: Path, how: str, *, keep: bool = False) -> None:
        self._path = path
        self._how = how
        self._lock = Lock()
        self._kept = self._opened() if keep else None
        try:
            with self.connect() as connection:
                _expect_ledger(connection, path)
        except BaseException:
            self.dispose()
            raise

    @contextmanager
    def connect(self) -> Iterator[Direct]:
        """Have one that sees all as it is now, as long as the context lasts."""
        if self._kept is not None:
            with self._lock, self._kept.begin():
                yield self._kept
        else:
            with closing(self._opened()) as connection, connection.begin():
                yield connection

    def dispose(self) -> None:
        """Let go of the one that is kept."""
        if self._kept is not None:
            with self._lock:
                self._kept.close()

    def _opened(self) -> Direct:
        return Direct(self._path, self._how, READING)


def _errors() -> tuple[type[Exception], ...]:
    """What a database or a disk says."""
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - nothing goes wrong most of the time

    return SQLAlchemyError, sqlite3.Error, OSError


def _has_log(path: Path) -> bool:
    log = log_of(path)
    return log.exists() and log.stat().st_size > 0


def _expect_ledger(connection: Direct, path: Path) -> int:
    """Return its version, which is one that can be read."""
    advice = "name another path for the ledger"
    return versions.expect(connection, _tables(connection), str(path), "an SQLite file", advice)


def _tables(connection: Direct) -> list[str]:
    own = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
    return [name for (name,) in connection.exec_driver_sql(own)]

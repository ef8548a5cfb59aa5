"""The files of a ledger that is one of SQLite's: whether they are in their place, what its errors mean."""

from __future__ import annotations

import errno
import sqlite3
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from importer.errors import CannotGoOn

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BUSY_SECONDS: Final = 30.0
"""How long to wait for another process that is writing; a commit takes milliseconds."""

DURABLY: Final = ("PRAGMA synchronous=FULL", "PRAGMA fullfsync=ON")
"""A commit is on the disk when it returns; the second is for macOS."""


def connected(path: Path, how: str) -> sqlite3.Connection:
    """Open the file, ``how`` as its address has it; statements that begin and end transactions are given."""
    return sqlite3.connect(
        f"{path.as_uri()}?{how}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,  # sqlite3 begins no transactions of its own; an engine's event does
        check_same_thread=False,
    )


class Files(Struct, frozen=True):
    """The files that are open, so that it can be told whether they still are where the next run looks.

    ``files`` has their paths, and the device and inode that each had. SQLite goes on writing into a file that
    was deleted or moved ("How To Corrupt An SQLite Database File", 4.4): what is committed there is lost.
    """

    path: Path
    files: tuple[tuple[Path, int, int], ...]

    @classmethod
    def of(cls, path: Path) -> Files:
        """The files at ``path`` as they are now, with its write-ahead log if there is one."""
        return cls(path, tuple(found for each in (path, log_of(path)) if (found := _identity(each))))

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


def log_of(path: Path) -> Path:
    """Return the write-ahead log of the ledger at ``path``."""
    return path.with_name(f"{path.name}-wal")


def unusable(name: str, error: BaseException) -> CannotGoOn:
    """Say of the ledger ``name`` where, what and what to do."""
    if isinstance(error, CannotGoOn):
        return CannotGoOn(*error.args)
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, OSError):
        code = _AS_SQLITE_SAYS_IT.get(cause.errno, 0)
    else:
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # https://www.sqlite.org/rescode.html#pve
    found, advice = _ADVICE.get(code, (f"{cause}", "mend that and run the same command again"))
    return CannotGoOn(f"ledger {name}: {found}; {advice}")


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

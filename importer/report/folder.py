"""The folder of a report: never one that has a report, and seen to be writable before anything is sent."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from importer.errors import CannotGoOn, SetupError
from importer.report.files import UNFINISHED, WORKBOOK
from importer.report.page import PAGE
from importer.report.summary import SUMMARY
from importer.report.table import ERRORS, ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCK = "run" + UNFINISHED
# A run that was killed leaves some of these; one that can't write its report takes them away.
_LEFTOVERS = frozenset((_LOCK, *(name + UNFINISHED for name in (ROWS, ERRORS, WORKBOOK, PAGE, SUMMARY))))


def refuse_existing(folder: Path) -> None:
    """See that there is no report in ``folder``, nor anything else but what a killed run left of one.

    Raises:
        SetupError: there is something, or it can't be told.
    """
    try:
        if not folder.exists() or (folder.is_dir() and _LEFTOVERS.issuperset(_names(folder))):
            return
    except OSError as error:
        raise SetupError(f"--report {folder}: can't be looked into: {error.strerror}") from error
    raise SetupError(
        f"--report {folder}: there is something already, and a report is never overwritten; "
        "name another folder"
    )


@contextmanager
def made(folder: Path) -> Iterator[None]:
    """Make ``folder``, see that it can be written, and be alone in it; what was for nothing is removed.

    Raises:
        SetupError: another run is writing its report there, or has in the meantime.
        CannotGoOn: it can't be made or written.
    """
    made_here = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CannotGoOn(
            f"the report folder {folder} can't be written: {error.strerror}; nothing was sent; "
            "name another with --report"
        ) from error
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise SetupError(
            f"--report {folder}: another run is writing its report there; name another folder"
        ) from error
    try:
        refuse_existing(folder)
        yield
    finally:
        for name in _LEFTOVERS:
            with suppress(OSError):
                (folder / name).unlink()
        lock.release()
        with suppress(OSError):  # there is something in it
            for path in made_here:
                path.rmdir()


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}

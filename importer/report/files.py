"""The files of a report: written under another name, so that each is there whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

UNFINISHED: Final = ".part"
WORKBOOK: Final = "report.xlsx"
ROWS: Final = "rows"
"""The sheet of the workbook that has the rows."""


def unfinished(path: Path) -> Path:
    """Where the file is while it is written."""
    return path.with_name(path.name + UNFINISHED)


def sync(file: IO[str] | IO[bytes]) -> None:
    """See that what was written is on the disk.

    Raises:
        OSError: it can't be written.
    """
    file.flush()
    os.fsync(file.fileno())


def finish(*paths: Path) -> None:
    """Give files of one folder their names, to last.

    Raises:
        OSError: one can't be renamed.
    """
    for path in paths:
        unfinished(path).replace(path)
    with suppress(OSError):  # some network disks don't know how; the names are there all the same
        _sync_folder(paths[0].parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

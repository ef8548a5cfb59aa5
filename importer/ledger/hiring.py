"""Starts the process that writes the ledger for a run, ahead of its work: it takes a while to load."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS: Final = 5.0


@contextmanager
def hired() -> Iterator[subprocess.Popen[bytes] | None]:
    """Have the process, which does nothing before it is told what; None if it can't be started.

    It is in a session of its own, so that what a terminal sends reaches the run alone.
    """
    if not sys.executable:  # Python is part of another program
        yield None
        return
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "importer.ledger.clerking"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
    except OSError:
        yield None
        return
    with process:
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Have it end, after it has written what it was told, if it has not ended already."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()

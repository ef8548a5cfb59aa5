"""One run at a time posts to a destination with a ledger; the lock of a process that died is free."""

import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from importer.errors import RunInProgress
from importer.ledger.store import plainly

POLL_SECONDS: Final = 0.5
"""How often a run that waits looks whether the other one has ended."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How to wait; both are in seconds."""

    clock: Callable[[], float]
    sleep: Callable[[float], None]


@contextmanager
def only_run(
    ledger: Path, destination: str, now: Callable[[], datetime], wait: float, patience: Patience
) -> Iterator[None]:
    """Hold the lock of ``destination`` beside ``ledger``, with a note of who has it since when.

    Raises:
        RunInProgress: another run, on this host or one that shares the disk, has it for ``wait`` seconds.
        CannotGoOn: the lock can't be made beside the ledger.
    """
    name = f"{ledger.name}.{hashlib.sha256(destination.encode()).hexdigest()[:12]}"
    note = ledger.with_name(f"{name}.json")
    lock = FileLock(ledger.with_name(f"{name}.lock"), mode=0o600, thread_local=False)
    try:
        with plainly(ledger):
            if not _had(lock, wait, patience):
                raise RunInProgress(
                    f"another run is posting to {destination} with this ledger{_holder(note)}; "
                    "wait until it has ended"
                )
            _sign(note, now())
        yield
    finally:
        if lock.is_locked:
            with suppress(OSError):  # a note left behind does not lock
                note.unlink(missing_ok=True)
        lock.release()


def _had(lock: FileLock, wait: float, patience: Patience) -> bool:
    """Say whether the lock could be had, at once or within ``wait`` seconds."""
    last = patience.clock() + wait
    while True:
        with suppress(Timeout):
            lock.acquire(blocking=False)
            return True
        left = last - patience.clock()
        if left <= 0:
            return False
        patience.sleep(min(left, POLL_SECONDS))


def _sign(note: Path, now: datetime) -> None:
    new = note.with_suffix(".new")
    who = {"host": socket.gethostname(), "pid": os.getpid(), "started": now.astimezone(UTC).isoformat()}
    new.write_text(json.dumps(who), encoding="utf-8")
    new.replace(note)


def _holder(note: Path) -> str:
    try:
        who = json.loads(note.read_text(encoding="utf-8"))
        since = datetime.fromisoformat(who["started"]).astimezone(UTC)
        return f": host {who['host']}, pid {who['pid']}, since {since:%Y-%m-%d %H:%M:%S} UTC"
    except (OSError, ValueError, KeyError):
        return ""  # it has only just begun or ended

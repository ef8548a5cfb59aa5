"""One run at a time posts to a destination with a ledger; the lock of a process that died is free."""

import hashlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from importer.errors import RunInProgress
from importer.ledger.store import plainly


@contextmanager
def only_run(ledger: Path, destination: str, now: datetime) -> Iterator[None]:
    """Hold the lock of ``destination`` beside ``ledger``, with a note of who has it since ``now``.

    Raises:
        RunInProgress: another run has it, on this host or on one that shares the disk.
        CannotGoOn: the lock can't be made beside the ledger.
    """
    name = f"{ledger.name}.{hashlib.sha256(destination.encode()).hexdigest()[:12]}"
    note = ledger.with_name(f"{name}.json")
    lock = FileLock(ledger.with_name(f"{name}.lock"), mode=0o600, thread_local=False)
    with plainly(ledger):
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise RunInProgress(
                f"another run is posting to {destination} with this ledger{_holder(note)}; "
                "wait until it has ended"
            ) from None
    try:
        with plainly(ledger):
            _sign(note, now)
        yield
    finally:
        with suppress(OSError):  # a note left behind does not lock
            note.unlink(missing_ok=True)
        lock.release()


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

"""One run at a time posts to a destination with a ledger; the lock of a process that died is free."""

import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout
from msgspec import Struct

from importer.errors import RunInProgress
from importer.ledger.sqlite import File, locks

POLL_SECONDS: Final = 0.5
"""How often a run that waits looks whether the other one has ended."""
_CLERK_SECONDS: Final = 30.0
_CLERK_POLL_SECONDS: Final = 0.01


class Patience(Struct, frozen=True):
    """How to wait; both are in seconds."""

    clock: Callable[[], float]
    sleep: Callable[[float], None]


@contextmanager
def only_run(
    ledger: File, destination: str, now: Callable[[], datetime], wait: float, patience: Patience
) -> Iterator[None]:
    """Hold the lock of ``destination`` beside ``ledger``, with a note of who has it since when.

    Raises:
        RunInProgress: another run, on this host or one that shares the disk, has it for ``wait`` seconds.
        CannotGoOn: the lock can't be made beside the ledger.
    """
    note = _note(ledger, destination)
    lock = FileLock(note.with_suffix(".lock"), mode=0o600, thread_local=False)
    try:
        with ledger.plainly():
            if not _had(lock, wait, patience):
                raise RunInProgress(
                    f"another run is posting to {destination} with this ledger{_holder(note)}; "
                    "wait until it has ended"
                )
            _sign(note, now())
            _expect_no_clerk(clerk_lock(ledger, destination), patience)
        yield
    finally:
        if lock.is_locked:
            with suppress(OSError):  # a note left behind does not lock
                note.unlink(missing_ok=True)
        lock.release()


@contextmanager
def no_run(ledger: File, held: Sequence[str], patience: Patience) -> Iterator[None]:
    """Hold every lock that there is beside ``ledger``, but those of the destinations ``held`` already.

    Raises:
        RunInProgress: a run has one of them.
        CannotGoOn: a lock can't be taken.
    """
    mine = {_note(ledger, destination).with_suffix(".lock") for destination in held}
    with ExitStack() as stack:
        for path in (each for each in locks(ledger.path) if each not in mine):
            lock = FileLock(path, mode=0o600, thread_local=False)
            with ledger.plainly():
                try:
                    lock.acquire(blocking=False)
                except Timeout as error:
                    words = f"another run is posting with this ledger{_holder(path.with_suffix('.json'))}"
                    raise RunInProgress(f"{words}; wait until it has ended") from error
            stack.callback(lock.release)
            _expect_no_clerk(path.with_suffix(".clerk"), patience)
        yield


def holder(ledger: File, destination: str) -> list[str]:
    """Say which run has noted that it holds the lock of ``destination``; the lock itself is left alone.

    What a run of this host left behind that is dead does not count.
    """
    note = _note(ledger, destination)
    words = _holder(note).removeprefix(": ")
    return [words] if words and not _is_dead(note) else []


def clerk_lock(ledger: File, destination: str) -> Path:
    """Return the file whose lock a process has that writes for the run that posts to ``destination``."""
    return _note(ledger, destination).with_suffix(".clerk")


def _expect_no_clerk(path: Path, patience: Patience) -> None:
    """Wait until that of a run that was killed has written what it was told; it takes milliseconds.

    Raises:
        RunInProgress: it goes on.
    """
    if path.exists():
        lock = FileLock(path, mode=0o600, thread_local=False)
        if not _had(lock, _CLERK_SECONDS, patience, _CLERK_POLL_SECONDS):
            raise RunInProgress(
                "a run was killed, and the process that writes this ledger for it (python -P -m "
                "importer.ledger.clerking) is still at work; wait until it has ended"
            )
        lock.release()


def _is_dead(note: Path) -> bool:
    try:
        who = json.loads(note.read_text(encoding="utf-8"))
        if who["host"] == socket.gethostname():
            os.kill(who["pid"], 0)
    except PermissionError:
        return False  # it is there, and somebody else's
    except (OSError, ValueError, KeyError):
        return True
    return False


def _note(ledger: File, destination: str) -> Path:
    digest = hashlib.sha256(destination.encode()).hexdigest()[:12]
    return ledger.path.with_name(f"{ledger.path.name}.{digest}.json")


def _had(lock: FileLock, wait: float, patience: Patience, poll: float = POLL_SECONDS) -> bool:
    """Say whether the lock could be had, at once or within ``wait`` seconds."""
    last = patience.clock() + wait
    while True:
        with suppress(Timeout):
            lock.acquire(blocking=False)
            return True
        left = last - patience.clock()
        if left <= 0:
            return False
        patience.sleep(min(left, poll))


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

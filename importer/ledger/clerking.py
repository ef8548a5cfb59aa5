"""``python -m importer.ledger.clerking``: the process that writes the ledger; ``hiring`` starts it.

It is told where the ledger is. Then it reads operations as lines from its standard input, writes all that
have come with one commit, and says on its standard output what came of them. It ends with its input, which
also ends where the run is killed.
"""

import fcntl
import gc
import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from msgspec import Struct

from importer.early import SIGNALS
from importer.errors import CannotGoOn
from importer.ledger.changes import Start
from importer.ledger.dictation import END, Dictated, opened, operation_of, reply_of, say, task_in
from importer.ledger.direct import WRITING, Direct
from importer.ledger.files import DURABLY, Files, unusable
from importer.ledger.transactions import Carrier, Transactions
from importer.ledger.versions import version_of

_CHUNK_BYTES: Final = 1 << 14
"""Some seventy changes: with a commit for each as many, those that came first need not wait for all."""


class _Ears:
    """What the run says at the other end of ``pipe``."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._begun = b""
        self._broken_off = select.poll()
        self._broken_off.register(pipe, 0)  # that is told of in any case
        self._is_over = False

    def next(self) -> list[Dictated]:
        """Wait for something to do, and return it with all that came with it; nothing at the end.

        Where the run broke off, what it was about to send was not sent, and never will be.
        """
        operations: list[Dictated] = []
        while not (operations or self._is_over) and (heard := os.read(self._pipe, _CHUNK_BYTES)):
            is_broken_off = bool(self._broken_off.poll(0))
            while is_broken_off and (more := os.read(self._pipe, _CHUNK_BYTES)):
                heard += more
            *lines, self._begun = (self._begun + heard).split(b"\n")
            self._is_over = lines[-1:] == [END]
            operations = [operation_of(line) for line in lines if line != END]
            if is_broken_off and not self._is_over:
                operations = [each for each in operations if not isinstance(each, Start)]
        return operations


def main() -> None:
    """Write until there is nothing more to write.

    Raises:
        BlockingIOError: another process has the lock.
        sqlite3.Error: the ledger can't be opened.
    """
    for number in SIGNALS:  # the run takes them, and this ends with it
        signal.signal(number, signal.SIG_IGN)
    run, mouth = sys.stdin.fileno(), os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever is printed is not for the run
    with open(run, "rb", buffering=0, closefd=False) as pipe:
        task = pipe.readline()
    if task:
        _write(*task_in(task), _Ears(run), mouth)


def _write(ledger: Path, lock: Path, ears: _Ears, mouth: int) -> None:
    with _held(lock):
        connection = Direct(ledger, "mode=rw", WRITING, DURABLY)
        version_of(connection)  # the write-ahead log is there once it has been looked into
        files = Files.of(ledger)
        transactions = Transactions(_Place(ledger), connection, files, Carrier().carry_out)
        gc.freeze()
        say(mouth, opened(files))
        while operations := ears.next():
            reply = reply_of(operations, transactions.write(operations))
            with suppress(BrokenPipeError):  # the run was killed, and what it said last is written
                say(mouth, reply)
        transactions.close()


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    """Hold the lock as ``FileLock`` does it, which takes as long to load as all the rest.

    Raises:
        BlockingIOError: another process has it.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


class _Place(Struct, frozen=True):
    path: Path

    def unusable(self, error: BaseException) -> CannotGoOn:
        return unusable(str(self.path), error)


if __name__ == "__main__":
    main()

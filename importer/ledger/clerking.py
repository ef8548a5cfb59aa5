"""``python -m importer.ledger.clerking``: the process that writes the ledger; ``hiring`` starts it.

It is told where the ledger is. Then it reads operations as lines from its standard input, writes all that
have come with one commit, and says on its standard output what came of them. It ends with its input, which
also ends where the run is killed.
"""

import gc
import os
import select
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from filelock import FileLock

from importer.early import SIGNALS
from importer.ledger.changes import Start
from importer.ledger.dictation import END, Dictated, opened, operation_of, reply_of, say, task_in
from importer.ledger.sqlite import File
from importer.ledger.transactions import Transactions

_CHUNK_BYTES: Final = 1 << 14
"""Some fifty changes: with a commit for each as many, those that came first need not wait for all."""


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
        Timeout: another process has the lock.
        CannotGoOn: the ledger can't be opened.
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
    place = File(ledger)
    with FileLock(lock, mode=0o600).acquire(blocking=False), place.plainly():
        connection, files = place.open_for_writing()
        transactions = Transactions(place, connection, files)
        gc.freeze()
        say(mouth, opened(files))
        while operations := ears.next():
            reply = reply_of(operations, transactions.write(operations))
            with suppress(BrokenPipeError):  # the run was killed, and what it said last is written
                say(mouth, reply)
        transactions.close()


if __name__ == "__main__":
    main()

"""A process of its own that writes the ledger's file for a run that posts much.

Python runs one thread at a time, so that a thread that writes takes its time from the one that posts; a
process takes none. What is asked of it is as durable as what the thread writes, and in the same order: a
future is kept once its commit is on the disk.
"""

import asyncio
import os
import subprocess
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection

from importer.errors import CannotGoOn, ImporterError
from importer.ledger.dictation import END, Dictated, as_asked_for, line_of, opened, results_of, say, task_of
from importer.ledger.files import Files
from importer.ledger.promise import Promise
from importer.ledger.sqlite import File
from importer.ledger.writer import Writer

Hearing: TypeAlias = Callable[[asyncio.AbstractEventLoop], AbstractContextManager[object]]
"""Has what comes of changes be heard of in the event loop, as long as the context lasts."""

_CHUNK_BYTES: Final = 65536


class Clerk:
    """The ``process``, from where the run is; until it can write, ``writer`` does.

    ``lock`` is the file whose lock it holds as long as it may write, ``files`` what the run has open. It
    outlives a run that is killed for as long as it takes to write down what was heard, and leaves out what
    was only about to be sent. Where it finds other files than the run has open, ``writer`` goes on.
    """

    writes: bool
    """Whether it does already."""

    def __init__(
        self, process: subprocess.Popen[bytes], place: File, lock: Path, files: Files, writer: Writer
    ) -> None:
        self._process = process
        self._mouth, self._ear = _pipes(process)
        self._place = place
        self._files = files
        self._writer = writer
        self._asked: deque[tuple[Promise[Any], Any]] = deque()
        self._unsaid: list[bytes] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begun = b""
        self.writes = False
        self._lost = ""
        self._say(task_of(place.path, lock))

    def submit(self, operation: Dictated) -> Promise[Any]:
        """Ask for ``operation``; the future is as that of a ``Writer``."""
        if not self.writes:
            return self._writer.submit(operation)
        future: Promise[Any] = Promise()
        if self._lost:
            future.set_exception(CannotGoOn(self._lost))
        else:
            self._asked.append((future, as_asked_for(operation)))
            self._unsaid.append(line_of(operation))
            if self._loop is None:
                self._tell()
            elif len(self._unsaid) == 1:
                self._loop.call_soon(self._tell)
        return future

    @contextmanager
    def heard_in(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Have the futures be kept in the event loop, as long as the context lasts."""

        def hear() -> None:
            with suppress(BlockingIOError):  # there is nothing after all
                if not self._hear():
                    loop.remove_reader(self._ear)

        self._loop = loop
        loop.add_reader(self._ear, hear)
        try:
            yield
        finally:
            self._loop = None
            self._tell()
            loop.remove_reader(self._ear)
            os.set_blocking(self._ear, True)  # uvloop has it not block

    def close(self) -> None:
        """Wait until all that was asked for is written, and the process has ended."""
        if self.writes:
            self._say(END)
        else:
            self._process.kill()
        while self._hear():
            pass
        self._process.wait()

    def _tell(self) -> None:
        """Say all that was asked for since: one call of the system's wakes it for all of it."""
        if self._unsaid:
            lines, self._unsaid = self._unsaid, []
            self._say(b"\n".join(lines))

    def _say(self, line: bytes) -> None:
        with suppress(BrokenPipeError):  # it has ended, as will be heard
            say(self._mouth, line)

    def _hear(self) -> bool:
        """Hear what has come, or wait for it; False where no more comes."""
        heard = os.read(self._ear, _CHUNK_BYTES)
        *lines, self._begun = (self._begun + heard).split(b"\n")
        for line in lines:
            if self.writes:
                self._keep(line)
            else:
                self._begin(line)
        if not heard:
            self._end()
        return bool(heard)

    def _begin(self, line: bytes) -> None:
        """Have it write from now on, if it has opened the same files, after what was asked for before."""
        if line == opened(self._files):
            self.writes = self._writer.submit(_nothing).exception() is None

    def _keep(self, reply: bytes) -> None:
        for came in results_of(reply):
            future, asked_for = self._asked.popleft()
            if isinstance(came, ImporterError):
                future.set_exception(came)
            else:
                future.set_result(asked_for if came is None else came)

    def _end(self) -> None:
        status = self._process.wait()
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        self._lost = (
            f"ledger {self._place.name}: the process that writes it has ended ({how}); run the same command "
            "again, which looks at what is in it"
        )
        while self._asked:
            future, _ = self._asked.popleft()
            future.set_exception(CannotGoOn(self._lost))


def _nothing(_: Connection) -> None:
    """Done once all that was queued before is."""


def _pipes(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Where it is told what to do, and where it is heard.

    Raises:
        ValueError: there are none.
    """
    if process.stdin is None or process.stdout is None:
        raise ValueError(process)
    return process.stdin.fileno(), process.stdout.fileno()

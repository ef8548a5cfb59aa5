"""A process of its own that writes the ledger's file for a run that posts much.

Python runs one thread at a time, so that a thread that writes takes its time from the one that posts; a
process takes none. What is asked of it is as durable as what the thread writes, and in the same order: a
future is kept once its commit is on the disk.
"""

import asyncio
import os
import select
import subprocess
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

from importer.errors import CannotGoOn, ImporterError
from importer.ledger.dictation import END, Dictated, as_asked_for, line_of, opened, results_of, say, task_of
from importer.ledger.files import Files
from importer.ledger.promise import Promise
from importer.ledger.sqlite import File
from importer.ledger.statements import Connection
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
        self._untold = bytearray()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_to_tell = self._waits_for_room = False
        self._begun = b""
        self.writes = False
        self._lost = ""
        with suppress(BrokenPipeError):  # it has ended, as will be heard
            say(self._mouth, task_of(place.path, lock))
        os.set_blocking(self._mouth, False)  # else a disk that stands still would hold up the event loop

    def submit(self, operation: Dictated) -> Promise[Any]:
        """Ask for ``operation``; the future is as that of a ``Writer``."""
        if not self.writes:
            return self._writer.submit(operation)
        future: Promise[Any] = Promise()
        if self._lost:
            future.set_exception(CannotGoOn(self._lost))
            return future
        line = line_of(operation)  # before it is asked for: its answer is known by its place alone
        self._asked.append((future, as_asked_for(operation)))
        self._untold += line + b"\n"
        if self._loop is not None and not self._is_to_tell:
            self._is_to_tell = True
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
            loop.remove_reader(self._ear)
            loop.remove_writer(self._mouth)

    def close(self) -> None:
        """Wait until all that was asked for is written, and the process has ended."""
        if self.writes:
            self._untold += END + b"\n"
            self._finish()
        else:
            self._process.kill()
        self._process.wait()

    def _finish(self) -> None:
        pipes = select.poll()
        pipes.register(self._ear, select.POLLIN)
        while True:
            pipes.register(self._mouth, select.POLLOUT if self._untold else 0)
            for pipe, _ in pipes.poll():
                if pipe == self._mouth:
                    self._write()
                elif not self._hear():
                    return

    def _tell(self) -> None:
        """Say what was asked for since, all of it at once: as much as there is room for, then the rest."""
        if self._loop is None:
            return  # what is left is said in the end
        self._write()
        if self._untold and not self._waits_for_room:
            self._loop.add_writer(self._mouth, self._tell)
        elif self._waits_for_room and not self._untold:
            self._loop.remove_writer(self._mouth)
        self._waits_for_room = self._is_to_tell = bool(self._untold)

    def _write(self) -> None:
        try:
            said = os.write(self._mouth, self._untold)
        except BlockingIOError:
            return
        except BrokenPipeError:  # it has ended, as will be heard
            said = len(self._untold)
        del self._untold[:said]

    def _hear(self) -> bool:
        """Hear what has come, or wait for it; False where no more comes."""
        heard = os.read(self._ear, _CHUNK_BYTES)
        try:
            *lines, self._begun = (self._begun + heard).split(b"\n")
            for line in lines:
                if self.writes:
                    self._keep(line)
                else:
                    self._begin(line)
        except Exception:  # noqa: BLE001 - what can't be understood is no answer, and those who wait must hear of it
            self._process.kill()
            heard = b""
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

"""The jobs of a plan as processes: side by side where they go to different places, else one after the other.

Each job is the program itself, so that one that breaks leaves the others alone. Signals are handed on: the
first ends all jobs in order, the second at once. A job has a process group of its own, so that what the
terminal sends reaches it once, through here.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from importer.early import SIGNALS, exit_status_after

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from typing import ParamSpec

    from importer.plans.interruption import Interruption

    _P = ParamSpec("_P")

_STOPPED: Final = 4
_LINES_KEPT: Final = 20
_CHUNK_BYTES: Final = 65536


class Unstarted(Struct, frozen=True):
    """Why a job is not begun at all, and the exit status that it counts with."""

    why: str
    exit_status: int = 0


class Task(Struct, frozen=True):
    """A job to be run: those of one ``queue`` go one after the other.

    ``command`` is asked when its turn has come: the command, or why there is none.
    """

    name: str
    queue: str
    command: Callable[[], Sequence[str] | Unstarted]


class Ran(Struct, frozen=True):
    """How a job ended.

    ``said`` is the end of its standard error, ``unstarted`` why it was not begun, and ``killed`` by which
    signal it was ended, in words.
    """

    exit_status: int
    started_at: datetime
    finished_at: datetime
    said: tuple[str, ...] = ()
    unstarted: str = ""
    killed: str = ""


class Processes:
    """Runs tasks, at most ``at_once`` side by side, with that ``environment``.

    ``hear`` is given each line of a job's standard error, ``begun`` and ``ended`` are told of each job.
    ``now`` is the wall clock, in UTC. After a signal no more tasks are begun.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        at_once: int,
        now: Callable[[], datetime],
        interruption: Interruption,
        *,
        hear: Callable[[str, str], None],
        begun: Callable[[str], None],
        ended: Callable[[str, Ran], None],
    ) -> None:
        self._environment = environment
        self._at_once = at_once
        self._now = now
        self._hear = hear
        self._begun = begun
        self._ended = ended
        self._interruption = interruption
        self._fault: Exception | None = None
        self._at_work: dict[str, Process] = {}
        self._handed_on: list[int] = []

    def run(self, tasks: Sequence[Task]) -> dict[str, Ran]:
        """Run all tasks to their end and return how each ended, in their order.

        Whatever ``hear``, ``begun``, ``ended`` or a command raises is raised when all that were at work have
        ended, which they are asked to then.
        """
        with asyncio.Runner() as runner:  # uvloop's starts no process groups
            ran = runner.run(self._all(tasks))
        if self._fault is not None:
            raise self._fault
        return {task.name: ran[task.name] for task in tasks}

    def _hand_on(self, number: int) -> None:
        self._handed_on.append(number)
        for process in self._at_work.values():
            _signal(process, number)

    async def _all(self, tasks: Sequence[Task]) -> dict[str, Ran]:
        room = asyncio.Semaphore(self._at_once)
        queues: dict[str, list[Task]] = {}
        for task in tasks:
            queues.setdefault(task.queue, []).append(task)
        ran: dict[str, Ran] = {}
        with self._interruption.handing_on(asyncio.get_running_loop(), self._hand_on):
            async with asyncio.TaskGroup() as group:
                for queue in queues.values():
                    group.create_task(self._one_by_one(queue, room, ran))
        return ran

    async def _one_by_one(self, queue: Sequence[Task], room: asyncio.Semaphore, ran: dict[str, Ran]) -> None:
        for task in queue:
            async with room:
                ran[task.name] = await self._one(task)
            self._call(self._ended, task.name, ran[task.name])

    async def _one(self, task: Task) -> Ran:
        started_at = self._now()
        command = self._command(task)
        if isinstance(command, Unstarted):
            return Ran(command.exit_status, started_at, started_at, unstarted=command.why)
        try:
            process = await self._started(command)
        except OSError as error:
            why = f"not begun: {error.strerror or error}"
            return Ran(_STOPPED, started_at, self._now(), unstarted=why)
        self._at_work[task.name] = process
        for number in self._handed_on:  # while the process was made; the others have them
            _signal(process, number)
        self._call(self._begun, task.name)
        said = await self._heard(task.name, process)
        status = await process.wait()
        del self._at_work[task.name]
        return Ran(self._status(status), started_at, self._now(), tuple(said), killed=_killed(status))

    def _command(self, task: Task) -> Sequence[str] | Unstarted:
        if self._ending:
            why = f"not begun: interrupted by {signal.Signals(self._ending).name}"
            return Unstarted(why, self._interruption.exit_status or _STOPPED)
        try:
            return task.command()
        except Exception as error:  # noqa: BLE001 - it is raised when the others have ended
            self._break_off(error)
            return Unstarted("not begun", _STOPPED)

    @property
    def _ending(self) -> int:
        """The signal with which all are to end, 0 while they may go on."""
        return self._interruption.number or (signal.SIGTERM if self._fault else 0)

    def _call(self, tell: Callable[_P, None], *of: _P.args, **more: _P.kwargs) -> None:
        try:
            tell(*of, **more)
        except Exception as error:  # noqa: BLE001 - jobs that nobody waits for would be left to themselves
            self._break_off(error)

    def _break_off(self, error: Exception) -> None:
        """End all in order, for what is to be raised when they have ended."""
        if not self._ending:
            self._fault = error
            self._hand_on(signal.SIGTERM)
        self._fault = self._fault or error

    async def _started(self, command: Sequence[str]) -> Process:
        # the job inherits that they are blocked, and lets them in when it takes them, with its first line
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            return await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env=self._environment,
                process_group=0,
            )
        finally:  # and not what was before, which another job's beginning may have changed meanwhile
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    async def _heard(self, name: str, process: Process) -> Sequence[str]:
        """Hand on what it says, line by line, until it says no more."""
        said: deque[str] = deque(maxlen=_LINES_KEPT)
        rest = b""
        while process.stderr and (chunk := await process.stderr.read(_CHUNK_BYTES)):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._tell(name, line, said)
        if rest:
            self._tell(name, rest, said)
        return said

    def _tell(self, name: str, line: bytes, said: deque[str]) -> None:
        text = os.fsdecode(line)
        self._call(self._hear, name, text)
        said.append(text)

    @staticmethod
    def _status(status: int) -> int:
        """A process that a signal ended before it could take it was interrupted; any other was killed."""
        if status >= 0:
            return status
        return exit_status_after(-status) if -status in SIGNALS else _STOPPED


def _signal(process: Process, number: int) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(number)


def _killed(status: int) -> str:
    if status >= 0:
        return ""
    name = signal.Signals(-status).name
    return f"it was ended by {name}; what it did is recorded, and 'importer runs' can write its report"

"""The wish to stop, as signals and a failing destination set it and all workers see it."""

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

from msgspec import Struct


class Halted(Exception):  # noqa: N818 - a wish, not a mistake
    """The run stops, so there is nothing to wait for."""


class CutShort(Exception):  # noqa: N818 - a wish, too, not a mistake
    """What was in flight is waited for no longer."""


class Deadline(Struct, frozen=True):
    """When a run is to stop: ``at`` is seconds of a monotonic clock, ``words`` is the reason to be given."""

    at: float
    words: str


class Halt:
    """Stops a run: gently with ``stop``, at once with ``now``.

    Both are for the event loop's thread, such as handlers set by ``loop.add_signal_handler``. ``reason`` is
    empty while the run goes on, and afterwards says what the first call gave.
    """

    def __init__(self) -> None:
        self.reason = ""
        self._stopped = asyncio.Event()
        self._in_flight: set[_InFlight] = set()

    def stop(self, reason: str) -> None:
        """Feed nothing more and wake what sleeps; what is in flight may end."""
        self.reason = self.reason or reason
        self._stopped.set()

    def now(self, reason: str = "stopped at once") -> None:
        """Stop, and wait for what is in flight no longer."""
        self.stop(reason)
        while self._in_flight:
            self._in_flight.pop().cut()

    def check(self) -> None:
        """Do nothing while the run goes on.

        Raises:
            Halted: it is to stop.
        """
        if self.reason:
            raise Halted(self.reason)

    @property
    def waited_for(self) -> int:
        """How many requests are in flight."""
        return len(self._in_flight)

    async def stopped(self) -> None:
        """Wait until the run is to stop."""
        await self._stopped.wait()

    async def rest(self, seconds: float, sleep: Callable[[float], Coroutine[Any, Any, None]]) -> None:
        """Sleep for ``seconds``.

        Raises:
            Halted: the run is to stop, at once or before they are over.
        """
        self.check()
        sleeping = asyncio.ensure_future(sleep(seconds))
        stopping = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait({sleeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            stopping.cancel()
            await asyncio.gather(sleeping, stopping, return_exceptions=True)
        self.check()

    def in_flight(self) -> "_InFlight":
        """Do what is inside, unless ``now`` cuts it short: then it ends in ``CutShort``."""
        return _InFlight(self._in_flight)


class _InFlight:
    """Something that a task awaits and that can be cut short, as ``asyncio.timeout`` does it in the end."""

    __slots__ = ("_all", "_cancelled_before", "_is_cut", "_task")

    _task: asyncio.Task[Any]

    def __init__(self, everything: "set[_InFlight]") -> None:
        self._all = everything
        self._is_cut = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("there is no task to be cut short")
        self._task, self._cancelled_before = task, task.cancelling()
        self._all.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._all.discard(self)
        if self._is_cut:
            is_ours = self._task.uncancel() <= self._cancelled_before
            if is_ours and kind is not None and issubclass(kind, asyncio.CancelledError):
                raise CutShort from error

    def cut(self) -> None:
        self._is_cut = True
        self._task.cancel()

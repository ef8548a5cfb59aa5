"""The wish to stop, as signals and a failing destination set it and all workers see it."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


class Halted(Exception):  # noqa: N818 - a wish, not a mistake
    """The run stops, so there is nothing to wait for."""


@dataclass(frozen=True, slots=True)
class Deadline:
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
        self._in_flight: set[asyncio.Timeout] = set()

    def stop(self, reason: str) -> None:
        """Feed nothing more and wake what sleeps; what is in flight may end."""
        self.reason = self.reason or reason
        self._stopped.set()

    def now(self, reason: str = "stopped at once") -> None:
        """Stop, and wait for what is in flight no longer."""
        self.stop(reason)
        while self._in_flight:
            self._in_flight.pop().reschedule(asyncio.get_running_loop().time())

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

    @contextmanager
    def in_flight(self, end: asyncio.Timeout) -> Iterator[None]:
        """Do what is inside, unless ``now`` cuts it short, by having it ``end``."""
        self._in_flight.add(end)
        try:
            yield
        finally:
            self._in_flight.discard(end)

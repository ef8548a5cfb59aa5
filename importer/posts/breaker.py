"""Whether it is one fulfillment or the destination that fails, and what then."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, Final

from importer.model import Meaning, Reading
from importer.posts.halt import Halt

FAILURES_IN_A_ROW: Final = 20
"""When fulfillments of so many orders in a row fail or end in doubt, it is the destination's fault."""

_ANSWERED: Final = frozenset(
    {Meaning.CREATED, Meaning.UPDATED, Meaning.THERE, Meaning.READY, Meaning.REFUSED}
)
_FIRST_PAUSE_SECONDS: Final = 5.0
_LONGEST_PAUSE_SECONDS: Final = 60.0
_LOOKS_UP_SECONDS: Final = 1.0  # how often who waits looks whether it is over


class Breaker:
    """Lets everybody through while the destination answers; when it fails, one probe at a time.

    It opens when ``FAILURES_IN_A_ROW`` orders fail with no answer between, or when ``open`` is called, and
    closes with the first answer to a request that tells something of a fulfillment. Between probes there are
    pauses that double. ``give_up`` seconds after it opened, the run is stopped. ``rest`` sleeps and raises
    when the run is to stop; ``says`` hears what is waited for, "" when that is over. A probe is a post that
    was due anyway, since an API for posting may have nothing that can be asked without an effect.

    Source: the circuit breaker of Michael Nygard, "Release It!", with its half-open state.
    """

    def __init__(
        self,
        halt: Halt,
        give_up: float,
        *,
        clock: Callable[[], float],
        rest: Callable[[float], Coroutine[Any, Any, None]],
        says: Callable[[str], None],
    ) -> None:
        self._halt = halt
        self._give_up = give_up
        self._clock = clock
        self._rest = rest
        self._says = says
        self._failing: set[str] = set()
        self._why = ""
        self._last = ""
        self._probing = asyncio.Lock()
        self._opened = asyncio.Event()
        self._gives_up_at = 0.0
        self._next_at = 0.0
        self._pause = 0.0

    def passage(self) -> AbstractAsyncContextManager[Callable[[Reading], None]]:
        """Wait until an attempt may be made, which is made inside; what it gives wants to hear the answer.

        Raises:
            Halted: the run is to stop; on entering it.
        """
        return self._probe() if self._why else nullcontext(self._hear)

    async def keep_time(self, sleep: Callable[[float], Coroutine[Any, Any, None]]) -> None:
        """Stop the run when it is time to give up, whatever the probe waits for."""
        while True:
            await self._opened.wait()
            if (left := self._gives_up_at - self._clock()) <= 0:
                return self._stop()
            await sleep(left)

    def failed(self, order_id: str, words: str) -> None:
        """Count a fulfillment of the order that has failed, or is in doubt, as ``words`` say."""
        self._failing.add(order_id)
        self._last = words
        if len(self._failing) >= FAILURES_IN_A_ROW:
            self.open(f"the fulfillments of {FAILURES_IN_A_ROW} orders in a row failed or are in doubt")

    def open(self, why: str) -> None:
        """Let nothing but probes through, from now on; one that is open already stays as it is."""
        if self._why:
            return
        self._why = why
        now = self._clock()
        self._gives_up_at = now + self._give_up
        self._pause = min(_FIRST_PAUSE_SECONDS, self._give_up / 4)
        self._next_at = now + self._pause
        self._opened.set()
        if not self._give_up:
            self._stop()

    @property
    def is_open(self) -> bool:
        """Whether nothing but probes is let through."""
        return bool(self._why)

    def end(self) -> None:
        """Stop the run, which has come to its end, if the destination failed to the last."""
        if self._why:
            self._halt.stop(self._why + self._ended_with())

    @asynccontextmanager
    async def _probe(self) -> AsyncIterator[Callable[[Reading], None]]:
        async with self._probing:
            if self._why:
                await self._wait()
                yield self._hear
                return
        yield self._hear

    def _hear(self, reading: Reading) -> None:
        if reading.meaning in _ANSWERED:
            self._failing.clear()
            if self._why:
                self._why = ""
                self._opened.clear()
                self._says("")
        elif self._why:
            self._last = reading.message or self._last
            self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)
            self._next_at = self._clock() + self._pause

    async def _wait(self) -> None:
        """Wait until it is time for a probe, or until somebody else's answer has closed the breaker."""
        while self._why and (now := self._clock()) < self._next_at:
            wait, left = self._next_at - now, max(self._gives_up_at - now, 0.0)
            next_try = f"next try in {wait:.0f} s, " if wait < left else ""
            self._says(f"{self._why}; {next_try}giving up in {left:.0f} s")
            await self._rest(min(wait, _LOOKS_UP_SECONDS))
        if self._why:
            self._says(f"{self._why}; trying again")

    def _stop(self) -> None:
        if not self._why:
            return
        in_vain = f", and {self._give_up:g} s of trying again were in vain" if self._give_up else ""
        self._halt.stop(self._why + in_vain + self._ended_with())

    def _ended_with(self) -> str:
        return f"; the last one, {self._last}" if self._last else ""

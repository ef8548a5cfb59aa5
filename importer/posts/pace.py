"""How fast a destination may be posted to: its rate, and the pauses it asks for."""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from importer.posts.terms import Commits, CommonRate

_STRETCH_SECONDS: Final = 0.5  # of turns are taken at once at most, since those of who ends are lost


class Pace:
    """Lets posts through one after the other, none before its time.

    ``rate`` is how many a second and how many at once after a rest; None is as many as come. In any stretch
    of ``t`` seconds at most ``burst + per_second * t`` get through. ``clock`` is monotonic, in seconds.

    Source: the generic cell rate algorithm of ITU-T I.371, annex A; its one number is ``_empty_at``.
    """

    def __init__(
        self,
        rate: tuple[float, int] | None,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        per_second, burst = rate or (math.inf, 1)
        self._interval = 1 / per_second
        self._tolerance = self._interval * (burst - 1)
        self._empty_at = -math.inf
        self._paused_until = -math.inf
        self._clock = clock
        self._sleep = sleep
        self._queue = asyncio.Lock()

    async def turn(self) -> None:
        """Wait for the next post's turn, first come, first served.

        Raises:
            Exception: whatever ``sleep`` raises; the turn is not used up then.
        """
        if not self._interval and self._paused_until <= self._clock():
            return  # there is nothing to be first for
        async with self._queue:
            while (wait := self._next_at() - self._clock()) > 0:
                await self._sleep(wait)
            self._empty_at = max(self._empty_at, self._clock()) + self._interval

    def pause(self, seconds: float) -> None:
        """Let nothing through for ``seconds`` from now; a longer pause that is on already stays."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def _next_at(self) -> float:
        return max(self._empty_at - self._tolerance, self._paused_until)


class CommonPace:
    """Lets posts through at a rate that others keep, too, wherever they are: they share its turns.

    ``rate``, ``clock`` and ``sleep`` are as for a ``Pace``; ``common`` has the turns, and is asked for as
    many as there is somebody waiting for. A pause is everybody's, from the next turns on that they take.
    """

    def __init__(
        self,
        rate: tuple[float, int],
        common: CommonRate,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        per_second, burst = rate
        self._interval = 1 / per_second
        self._tolerance = self._interval * (burst - 1)
        self._most = max(1, int(per_second * _STRETCH_SECONDS))
        self._common = common
        self._clock = clock
        self._sleep = sleep
        self._commits = Commits()
        self._waiting = 0
        self._paused_until = -math.inf
        self._mine: deque[float] = deque()
        self._queue = asyncio.Lock()

    async def turn(self) -> None:
        """Wait for the next post's turn, first come, first served.

        Raises:
            CannotGoOn: the turns can't be had.
            Exception: whatever ``sleep`` raises.
        """
        self._waiting += 1
        try:
            async with self._queue:
                while not self._mine or (wait := self._next_at() - self._clock()) > 0:
                    if self._mine:
                        await self._sleep(wait)
                    else:
                        await self._take(min(self._waiting, self._most))
                self._mine.popleft()
        finally:
            self._waiting -= 1

    def pause(self, seconds: float) -> None:
        """Let nothing through for ``seconds`` from now, here or elsewhere."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)
        self._mine.clear()
        self._common.pause(seconds)  # if that fails, the next write does, too

    def _next_at(self) -> float:
        return max(self._mine[0], self._paused_until)

    async def _take(self, turns: int) -> None:
        taken = await self._commits.wait(self._common.take(turns, self._interval))
        now = self._clock()
        first = now + taken.first - self._tolerance
        self._mine.extend(max(first + each * self._interval, now + taken.paused) for each in range(turns))

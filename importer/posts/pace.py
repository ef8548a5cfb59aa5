"""How fast a destination may be posted to: its rate, and the pauses it asks for."""

import asyncio
import math
from collections.abc import Awaitable, Callable


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

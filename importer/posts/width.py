"""How many posts may be in flight at once, as the destination bears it."""

import asyncio
from collections import deque
from typing import Final

from importer.model import Meaning

_WORK: Final = frozenset({Meaning.CREATED, Meaning.UPDATED})  # a refusal may take less, and tells nothing
_ANSWERS_IN_A_WINDOW: Final = 10
_SLOW: Final = 2.0
_SLOW_SECONDS: Final = 0.05
_FORGETTING: Final = 1.02
_LEAST_SHARE: Final = 4


class Width:
    """At most ``most`` posts in flight, fewer while the destination asks to wait or gets slow.

    An answer that asks to wait halves it, once for all that were in flight together. A window of answers that
    took more than twice as long as the best window, and 50 ms more, takes one off, but never below a quarter
    of ``most``, since a destination may be slow for other reasons. Every other window adds one.

    Source: additive increase and multiplicative decrease, as TCP has it (RFC 5681, 3.1).
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._now = most
        self._in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._halved_at = float("-inf")
        self._seconds: list[float] = []
        self._best = float("inf")

    @property
    def now(self) -> int:
        """So many may be in flight at present."""
        return self._now

    async def __aenter__(self) -> None:
        """Wait until one more may be in flight, first come, first served; it is until the end."""
        if not self._waiting and self._in_flight < self._now:
            self._in_flight += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            self._give_back(turn)
            raise

    async def __aexit__(self, *_: object) -> None:
        self._in_flight -= 1
        self._let_in()

    def _give_back(self, turn: asyncio.Future[None]) -> None:
        """Leave the queue, or hand on a place that has come too late."""
        if turn in self._waiting:
            self._waiting.remove(turn)
        elif not turn.cancelled():
            self._in_flight -= 1
            self._let_in()

    def heard(self, meaning: Meaning, sent_at: float, answered_at: float) -> None:
        """Learn from what came of a post; the times are seconds of a monotonic clock."""
        if meaning is Meaning.WAIT:
            self._seconds.clear()
            if sent_at >= self._halved_at:
                self._halved_at = answered_at
                self._now = max(1, self._now // 2)
        elif meaning in _WORK:
            self._seconds.append(answered_at - sent_at)
            if len(self._seconds) >= max(_ANSWERS_IN_A_WINDOW, self._now):
                self._end_window()
                self._let_in()

    def _end_window(self) -> None:
        mean = sum(self._seconds) / len(self._seconds)
        self._seconds.clear()
        if mean > self._best * _SLOW + _SLOW_SECONDS:
            self._now = max(min(self._now, -(-self._most // _LEAST_SHARE)), self._now - 1)
        else:
            self._now = min(self._most, self._now + 1)
        self._best = min(self._best * _FORGETTING, mean)

    def _let_in(self) -> None:
        while self._waiting and self._in_flight < self._now:
            self._in_flight += 1
            self._waiting.popleft().set_result(None)

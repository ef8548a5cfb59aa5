"""Answers are worked on a few at a time, so that what else has come is heard in between."""

import asyncio
from collections import deque
from typing import Final

_AT_ONCE: Final = 4


class Turnstile:
    """Lets ``at_once`` through in each turn of the event loop, the others in the next ones, in their order.

    Where answers come all at once, the first would otherwise wait for the last: its worker's next intent is
    on the disk long before the event loop hears of it. Then all requests leave at once, too, and so for ever.
    Where more than twice as many wait, half of them go. Most workers do where a destination
    answers faster than they can ask, and then it is turns that cost time: each asks the system what has come,
    and tells the ledger.
    """

    def __init__(self, at_once: int = _AT_ONCE) -> None:
        self._at_once = at_once
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._left = at_once
        self._turns = False

    async def passed(self) -> None:
        """Wait for a turn, if as many as may have gone through in this one."""
        if not self._turns:
            self._turns = True
            self._loop.call_soon(self._turn)
        if self._left and not self._waiting:
            self._left -= 1
            return
        waiting = self._loop.create_future()
        self._waiting.append(waiting)
        await waiting

    def _turn(self) -> None:
        self._left = may_pass = max(self._at_once, len(self._waiting) // 2)
        while self._waiting and self._left:
            waiting = self._waiting.popleft()
            if not waiting.done():  # it is when it was cancelled
                waiting.set_result(None)
                self._left -= 1
        self._turns = self._left < may_pass
        if self._turns:
            self._loop.call_soon(self._turn)

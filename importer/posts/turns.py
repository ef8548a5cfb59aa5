"""Whose turn it is: the next order to be posted, where other runs may be posting the same ones."""

from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from importer.model import Entry, Fulfillment
from importer.posts.halt import Halt, Halted
from importer.posts.terms import Claims, Commits, CommonRate

POLL_SECONDS: Final = 0.5
"""How long a worker waits before it asks again for an order that another run has."""

AHEAD: Final = 50
"""So many orders another run may be about to take, when it has the one before them."""

Judge = Callable[[Fulfillment, Mapping[tuple[str, str], Entry]], bool]
"""Says whether a fulfillment is yet to be posted, after what the ledger has; else how it ended was told."""


class Others(Struct, frozen=True):
    """What a run needs to post beside others: its ``claims``, and who can ``judge`` what they have done.

    Where the destination has a rate, they keep it together with their common ``rate``.
    """

    claims: Claims
    judge: Judge
    rate: CommonRate


class Turn(Struct, frozen=True):
    """An order that a worker has, and what is ``left`` to be posted of it."""

    order: Sequence[Fulfillment]
    left: Sequence[Fulfillment]


class Turns:
    """Hands out the orders, each to one worker of one run.

    Without ``others`` that is all of ``orders``, one by one. With them, an order is claimed first; one that
    another run has is asked for again once there are no new ones, until that run is through with it. Those
    that come next are left for later, too: that run is about to take them, and would be ahead all the time.
    """

    def __init__(
        self,
        orders: Iterator[Sequence[Fulfillment]],
        others: Others | None,
        halt: Halt,
        sleep: Callable[[float], Coroutine[Any, Any, None]],
        says: Callable[[str], None],
    ) -> None:
        self._orders = orders
        self._others = others
        self._commits = Commits()
        self._halt = halt
        self._sleep = sleep
        self._says = says
        self._left_out: deque[Sequence[Fulfillment]] = deque()
        self._set_aside: deque[Sequence[Fulfillment]] = deque()
        self._waits = False

    async def next(self) -> Turn | None:
        """Return the next one, None if there is none for this worker.

        Raises:
            CannotGoOn: the ledger takes no more.
        """
        if self._others is None:
            order = next(self._orders, None)
            return None if order is None else Turn(order, order)
        with suppress(Halted):
            return await self._next_beside(self._others)
        return None

    def done(self, turn: Turn) -> None:
        """Let other runs have the order that this one is through with."""
        if self._others is not None:
            self._others.claims.release(turn.order)  # if that fails, the next write does, too

    async def _next_beside(self, others: Others) -> Turn | None:
        while not self._halt.reason:
            order = self._new()
            is_new = order is not None
            if order is None and self._set_aside:
                order = self._set_aside.popleft()
            if order is None:
                break
            claimed = await self._commits.wait(others.claims.claim(order))
            if claimed.by:
                self._set_aside.append(order)
                if is_new:
                    self._left_out.extend(islice(self._orders, AHEAD))
                else:
                    await self._wait(claimed.by)
                continue
            turn = Turn(order, [each for each in order if others.judge(each, claimed.entries)])
            if turn.left:
                self._go_on()
                return turn
            if claimed.held:
                self.done(turn)
        self._go_on()
        return None

    def _new(self) -> Sequence[Fulfillment] | None:
        order = next(self._orders, None)
        return self._left_out.popleft() if order is None and self._left_out else order

    async def _wait(self, run: str) -> None:
        self._waits = True
        self._says(f"waiting until {run} is through with its orders")
        await self._halt.rest(POLL_SECONDS, self._sleep)

    def _go_on(self) -> None:
        if self._waits:
            self._waits = False
            self._says("")

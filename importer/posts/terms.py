"""What the posting of a run goes by, what it needs of others, and what it tells."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from msgspec import Struct

from importer.ledger import Claimed, Promise, Taken
from importer.model import Answer, Fulfillment, Happening, Intent, NoAnswer, Outcome, Reach, Request
from importer.posts.halt import Deadline

_T = TypeVar("_T")

GIVE_UP_SECONDS: Final = 300.0
DRAIN_SECONDS: Final = 30.0


class Rules(Struct, frozen=True):
    """How a run posts.

    ``timeout`` is seconds for one attempt, ``rate`` requests per second and burst. ``accept_doubt`` sends
    again what an earlier run left in doubt. ``give_up`` is how many seconds a destination that fails is tried
    again, ``drain`` how many what is in flight may take once the run is to stop, and ``deadline`` when it is
    to stop in any case. With ``ask`` everything is looked up and nothing is written, the ledger neither.
    """

    run_id: str
    concurrency: int
    timeout: float
    max_attempts: int
    rate: tuple[float, int] | None = None
    accept_doubt: bool = False
    give_up: float = GIVE_UP_SECONDS
    drain: float = DRAIN_SECONDS
    deadline: Deadline | None = None
    ask: bool = False


class Memory(Protocol):
    """What posting needs of the ledger; ``before`` is what became known since it was told last."""

    def intend(
        self, intent: Intent, *, accept_doubt: bool, before: Sequence[Happening], sent: bool
    ) -> Promise[None]:
        """Done once it is on disk that ``intent`` is about to be sent, or, if not ``sent``, about to end."""

    def record(self, intent: Intent, outcome: Outcome, *, before: Sequence[Happening]) -> Promise[Outcome]:
        """Done once it is on disk how ``intent`` ended, with what may be said of it after earlier runs."""

    def note(self, intent: Intent, happened: Sequence[Happening]) -> Promise[None]:
        """Done once it is on disk what became known of ``intent`` that changes nothing."""


class Claims(Protocol):
    """What posting needs of a ledger that other runs post with, too."""

    def claim(self, order: Sequence[Fulfillment]) -> Promise[Claimed]:
        """Have an order's fulfillments to itself, unless another run has them."""

    def release(self, order: Sequence[Fulfillment]) -> Promise[None]:
        """Let other runs have them."""


class CommonRate(Protocol):
    """What posting needs of a ledger to keep a destination's rate together with other runs."""

    def take(self, turns: int, interval: float) -> Promise[Taken]:
        """Have the next turns, so many seconds apart, to itself."""

    def pause(self, seconds: float) -> Promise[None]:
        """Have no turn come for so long."""


class Connection(Protocol):
    """What posting needs of a client."""

    @property
    def reach(self) -> Reach:
        """How far the latest request got; what a caller asks who has cut it short."""

    async def send(self, request: Request) -> Answer | NoAnswer:
        """Send ``request`` and say what came back, or how far it got."""

    async def close(self) -> None:
        """Drop the connection."""


class Told(Struct, frozen=True):
    """How a fulfillment ended; ``recorded`` says that the ledger has it as this run's doing.

    ``mailed`` says that the customer was asked to be mailed.
    """

    outcome: Outcome
    recorded: bool = True
    mailed: bool = False


class Commits:
    """Waits for the ledger's futures, many of which are done with one commit.

    Where they are done in a thread of its own, that wakes the event loop once for all of them.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._done: deque[tuple[Promise[Any], Callable[[Any], None]]] = deque()
        self._under_way = 0
        self._idle: asyncio.Future[None] | None = None

    async def wait(self, future: Promise[_T]) -> _T:
        """Return what ``future`` holds, or raise what it failed with; cancelling this leaves it alone."""
        if not future.done():
            waiting = self._loop.create_future()
            self.then(future, lambda _: _go_on(waiting))
            await waiting
        return future.result()

    def then(self, future: Promise[_T], call: Callable[[Promise[_T]], None]) -> None:
        """Have ``call`` be called with ``future`` in the event loop once that is done; it raises nothing."""
        self._under_way += 1
        future.add_done_callback(partial(self._end, call))  # which the future keeps: no call may have it

    async def all_done(self) -> None:
        """Wait for whatever is waited for."""
        if self._under_way:
            self._idle = self._loop.create_future()
            await self._idle

    def _end(self, call: Callable[[Any], None], future: Promise[Any]) -> None:
        if threading.get_ident() == self._thread:
            self._go_on_with(future, call)
            return
        self._done.append((future, call))
        if len(self._done) == 1:
            with suppress(RuntimeError):  # the event loop has ended, and nobody waits any more
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        while self._done:
            self._go_on_with(*self._done.popleft())

    def _go_on_with(self, future: Promise[Any], call: Callable[[Any], None]) -> None:
        call(future)
        self._under_way -= 1
        if self._idle is not None and not self._under_way:
            _go_on(self._idle)


def _go_on(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():  # it is when it was cancelled
        waiting.set_result(None)

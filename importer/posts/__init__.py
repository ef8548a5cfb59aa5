"""Fulfillments → outcomes, each sent at most once.

``client`` sends one request, ``retries`` says what follows from its answer, ``pace`` when the next may go,
and ``halt`` whether any may. Here they are joined: the intent is in the ledger before a request leaves, and
the outcome before anybody is told.
"""

import asyncio
import random as chance
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeVar

from importer.destinations import Destination
from importer.model import Answer, Fulfillment, Intent, Meaning, NoAnswer, Outcome, Reading, Request, Status
from importer.posts.halt import Halt, Halted
from importer.posts.pace import Pace
from importer.posts.retries import Again, End, StopRun, backoff, decide, interrupted

__all__ = ["Connection", "Halt", "Memory", "Rules", "post_all"]

_T = TypeVar("_T")

FAILURES_IN_A_ROW: Final = 20
"""When fulfillments of so many orders in a row fail or end in doubt, it is the destination's fault."""

_FAILING: Final = frozenset({Status.FAILED, Status.IN_DOUBT})
_ANSWERED: Final = frozenset({Status.CREATED, Status.UPDATED, Status.REJECTED})


@dataclass(frozen=True, slots=True)
class Rules:
    """How a run posts.

    ``timeout`` is seconds for one attempt, ``rate`` posts per second and burst. ``accept_doubt`` sends again
    what an earlier run left in doubt. ``idempotency_key_honoured`` says that the destination knows a repeated
    request by its key, so that one of unknown outcome may be repeated.
    """

    run_id: str
    concurrency: int
    timeout: float
    max_attempts: int
    rate: tuple[float, int] | None = None
    accept_doubt: bool = False
    idempotency_key_honoured: bool = False


class Memory(Protocol):
    """What posting needs of the ledger."""

    def intend(self, intent: Intent, *, accept_doubt: bool) -> Future[None]:
        """Done once it is on disk that ``intent`` is about to be sent."""

    def record(self, intent: Intent, outcome: Outcome) -> Future[Outcome]:
        """Done once it is on disk how ``intent`` ended, with what may be said of it after earlier runs."""


class Connection(Protocol):
    """What posting needs of a client."""

    async def send(self, request: Request) -> Answer | NoAnswer:
        """Send ``request`` and say what came back, or how far it got."""

    async def close(self) -> None:
        """Drop the connection."""


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


async def post_all(
    orders: Iterable[Sequence[Fulfillment]],
    destination: Destination,
    ledger: Memory,
    rules: Rules,
    connect: Callable[[], Connection],
    told: Callable[[Fulfillment, Outcome], None],
    halt: Halt,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    random: Callable[[], float] = chance.random,
    now: Callable[[], datetime] = utc_now,
) -> str:
    """Post all fulfillments and return why that ended early, "" if it did not.

    Each item of ``orders`` is the fulfillments of one order; they go one after the other, different orders
    side by side. ``orders`` is pulled on demand. ``told`` hears of each fulfillment that was begun, after its
    outcome is in the ledger. The first post goes alone.

    Raises:
        CannotGoOn: the ledger takes no more; what was in flight has ended.
    """
    posting = _Posting(
        destination, ledger, rules, told, halt, clock=clock, sleep=sleep, random=random, now=now
    )
    return await posting.run(iter(orders), connect)


class _Posting:
    """What the workers of one run share."""

    def __init__(
        self,
        destination: Destination,
        ledger: Memory,
        rules: Rules,
        told: Callable[[Fulfillment, Outcome], None],
        halt: Halt,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Coroutine[Any, Any, None]],
        random: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._destination = destination
        self._ledger = ledger
        self._rules = rules
        self._told = told
        self._halt = halt
        self._sleep = sleep
        self._random = random
        self._now = now
        self._pace = Pace(rules.rate, clock=clock, sleep=self._rest)
        self._first_ended = asyncio.Event()
        self._failing_orders: set[str] = set()
        self._error: Exception | None = None

    async def run(self, orders: Iterator[Sequence[Fulfillment]], connect: Callable[[], Connection]) -> str:
        async with asyncio.TaskGroup() as workers:
            for number in range(self._rules.concurrency):
                workers.create_task(self._work(orders, connect, leads=number == 0))
        if self._error is not None:
            raise self._error
        return self._halt.reason

    async def _work(
        self, orders: Iterator[Sequence[Fulfillment]], connect: Callable[[], Connection], *, leads: bool
    ) -> None:
        try:
            if not leads:
                await self._first_ended.wait()
            await self._post_orders(orders, connect)
        except Exception as error:  # noqa: BLE001 - raised again when the other workers' requests have ended
            self._error = self._error or error
            self._halt.stop(str(error))
        finally:
            self._first_ended.set()

    async def _post_orders(
        self, orders: Iterator[Sequence[Fulfillment]], connect: Callable[[], Connection]
    ) -> None:
        connection: Connection | None = None
        try:
            while not self._halt.reason and (order := next(orders, None)) is not None:
                connection = connection or connect()
                for fulfillment in order:
                    if not self._halt.reason:
                        await self._post(fulfillment, connection)
        finally:
            if connection is not None:
                await connection.close()

    async def _post(self, fulfillment: Fulfillment, connection: Connection) -> None:
        intent = self._intent(fulfillment)
        self._destination.request(fulfillment, 1)  # what can't be made is not to stand in the ledger as sent
        await _committed(self._ledger.intend(intent, accept_doubt=self._rules.accept_doubt))
        end, history = await self._attempts(fulfillment, connection)
        outcome = Outcome(end.status, end.code, end.message, end.http_status, len(history), self._now())
        outcome = await _committed(self._ledger.record(intent, outcome))
        self._told(fulfillment, outcome)
        self._judge_destination(fulfillment, outcome, history)

    def _intent(self, fulfillment: Fulfillment) -> Intent:
        return Intent(
            destination=self._destination.identity,
            order_ids=tuple(part.order_id for part in fulfillment.parts),
            tracking_number=fulfillment.tracking_number,
            content=self._destination.content(fulfillment),
            run_id=self._rules.run_id,
        )

    async def _attempts(
        self, fulfillment: Fulfillment, connection: Connection
    ) -> tuple[End, tuple[Reading, ...]]:
        history: tuple[Reading, ...] = ()
        try:
            while True:
                await self._pace.turn()
                self._halt.check()
                history += (await self._attempt(fulfillment, connection, len(history) + 1),)
                match self._decide(history):
                    case Again() as again:
                        await self._wait(again, len(history))
                    case StopRun(reason, end):
                        self._halt.stop(reason)
                        return end, history
                    case End() as end:
                        return end, history
        except Halted:
            return interrupted(history, self._halt.reason), history

    async def _attempt(self, fulfillment: Fulfillment, connection: Connection, attempt: int) -> Reading:
        request = self._destination.request(fulfillment, attempt)
        try:
            async with self._halt.in_flight():
                reply = await connection.send(request)
        except TimeoutError:
            words = f"cut short while its answer was awaited: {self._halt.reason}"
            return Reading(Meaning.UNKNOWN, "outcome-unknown", words)
        return self._destination.read(fulfillment, reply)

    def _decide(self, history: tuple[Reading, ...]) -> Again | End | StopRun:
        return decide(
            history,
            max_attempts=self._rules.max_attempts,
            idempotency_key_honoured=self._rules.idempotency_key_honoured,
            alone=not self._first_ended.is_set(),
        )

    async def _wait(self, again: Again, attempt: int) -> None:
        seconds = max(again.at_least, backoff(attempt, self._random))
        if again.everyone:
            self._pace.pause(seconds)
        else:
            await self._rest(seconds)

    async def _rest(self, seconds: float) -> None:
        await self._halt.rest(seconds, self._sleep)

    def _judge_destination(
        self, fulfillment: Fulfillment, outcome: Outcome, history: tuple[Reading, ...]
    ) -> None:
        never_reached = outcome.status is Status.FAILED and history[-1].meaning is Meaning.NEVER_REACHED
        if never_reached and not self._first_ended.is_set():
            self._halt.stop(f"the destination can't be reached: {outcome.message}")
        self._first_ended.set()
        if outcome.status in _ANSWERED:
            self._failing_orders.clear()
        if outcome.status in _FAILING:
            self._failing_orders.add(fulfillment.parts[0].order_id)
        if len(self._failing_orders) >= FAILURES_IN_A_ROW:
            self._halt.stop(
                f"the fulfillments of {len(self._failing_orders)} orders in a row failed or are in doubt; "
                f"the last one, {fulfillment.name}: {outcome.message}"
            )


async def _committed(future: Future[_T]) -> _T:
    # shielded: cancelling this run must not cancel what the ledger is about to set
    return await asyncio.shield(asyncio.wrap_future(future))

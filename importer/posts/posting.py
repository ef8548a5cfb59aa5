"""The posting of a whole run: workers side by side, each fulfillment looked up, intended, sent, recorded."""

import asyncio
import random as chance
import time
from collections.abc import Callable, Collection, Coroutine, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, Protocol, TypeVar

from importer.destinations import Destination
from importer.model import (
    Answer,
    Fulfillment,
    Intent,
    Look,
    Meaning,
    NoAnswer,
    Outcome,
    Reach,
    Reading,
    Request,
    Status,
    Write,
)
from importer.posts.breaker import Breaker
from importer.posts.budget import Budget
from importer.posts.halt import Deadline, Halt, Halted
from importer.posts.pace import Pace
from importer.posts.retries import (
    OUTCOME_UNKNOWN,
    Again,
    End,
    StopRun,
    backoff,
    decide,
    given_up,
    not_sent,
    out_of_budget,
)
from importer.posts.width import Width

_T = TypeVar("_T")

_UNREACHABLE: Final = "destination-unreachable"
GIVE_UP_SECONDS: Final = 300.0
DRAIN_SECONDS: Final = 30.0

_FAILING: Final = frozenset({Status.FAILED, Status.IN_DOUBT})
_ANSWERED: Final = frozenset({Status.CREATED, Status.UPDATED, Status.SKIPPED, Status.REJECTED})


@dataclass(frozen=True, slots=True)
class Rules:
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
    """What posting needs of the ledger."""

    def intend(self, intent: Intent, *, accept_doubt: bool) -> Future[None]:
        """Done once it is on disk that ``intent`` is about to be sent."""

    def record(self, intent: Intent, outcome: Outcome) -> Future[Outcome]:
        """Done once it is on disk how ``intent`` ended, with what may be said of it after earlier runs."""


class Connection(Protocol):
    """What posting needs of a client."""

    @property
    def reach(self) -> Reach:
        """How far the latest request got; what a caller asks who has cut it short."""

    async def send(self, request: Request) -> Answer | NoAnswer:
        """Send ``request`` and say what came back, or how far it got."""

    async def close(self) -> None:
        """Drop the connection."""


@dataclass(frozen=True, slots=True)
class Told:
    """How a fulfillment ended; ``recorded`` says that the ledger has it as this run's doing.

    ``mailed`` says that the customer was asked to be mailed.
    """

    outcome: Outcome
    recorded: bool = True
    mailed: bool = False


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


def _silent(_: str) -> None:
    """Nobody is looking."""


async def post_all(
    orders: Iterable[Sequence[Fulfillment]],
    destination: Destination,
    ledger: Memory,
    rules: Rules,
    connect: Callable[[], Connection],
    told: Callable[[Fulfillment, Told], None],
    halt: Halt,
    *,
    doubtful: Collection[int] = (),
    says: Callable[[str], None] = _silent,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    random: Callable[[], float] = chance.random,
    now: Callable[[], datetime] = utc_now,
) -> str:
    """Post all fulfillments and return why that ended early, "" if it did not.

    Each item of ``orders`` is the fulfillments of one order; they go one after the other, different orders
    side by side. ``orders`` is pulled on demand. ``told`` hears how each fulfillment ended that was begun or
    looked up, after it is in the ledger; ``says`` hears what all wait for, "" when that is over. The first
    post goes alone. ``doubtful`` has the indexes of fulfillments that an earlier run left in doubt.

    Raises:
        CannotGoOn: the ledger takes no more; what was in flight has ended.
    """
    posting = _Posting(
        destination,
        ledger,
        rules,
        told,
        halt,
        doubtful=doubtful,
        says=says,
        clock=clock,
        sleep=sleep,
        random=random,
        now=now,
    )
    return await posting.run(iter(orders), connect)


class _Posting:
    """What the workers of one run share."""

    def __init__(
        self,
        destination: Destination,
        ledger: Memory,
        rules: Rules,
        told: Callable[[Fulfillment, Told], None],
        halt: Halt,
        *,
        doubtful: Collection[int],
        says: Callable[[str], None],
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
        self._doubtful = doubtful
        self._says = says
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._now = now
        self._pace = Pace(rules.rate, clock=clock, sleep=self._rest)
        self._width = Width(rules.concurrency)
        self._budget = Budget()
        self._breaker = Breaker(halt, rules.give_up, clock=clock, rest=self._rest, says=says)
        self._lasting: dict[str, Answer] = {}
        self._first_ended = asyncio.Event()
        self._asked_to_wait = False
        self._error: Exception | None = None

    async def run(self, orders: Iterator[Sequence[Fulfillment]], connect: Callable[[], Connection]) -> str:
        limits = [asyncio.ensure_future(limit) for limit in (self._end_in_time(), self._drain())]
        try:
            async with asyncio.TaskGroup() as workers:
                for number in range(self._rules.concurrency):
                    workers.create_task(self._work(orders, connect, leads=number == 0))
        finally:
            for limit in limits:
                limit.cancel()
            await asyncio.gather(*limits, return_exceptions=True)
        if self._error is not None:
            raise self._error
        self._breaker.end()
        return self._halt.reason

    async def _end_in_time(self) -> None:
        deadline = self._rules.deadline
        if deadline is not None:
            while (left := deadline.at - self._clock()) > 0:
                await self._sleep(left)
            self._halt.stop(deadline.words)

    async def _drain(self) -> None:
        await self._halt.stopped()
        await self._sleep(self._rules.drain)
        self._halt.now()

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
            while not self._halt.reason and (fulfillments := next(orders, None)) is not None:
                connection = connection or connect()
                order = _Order(connection)
                for fulfillment in fulfillments:
                    if not self._halt.reason:
                        await self._post(fulfillment, order)
        finally:
            if connection is not None:
                await connection.close()

    async def _post(self, fulfillment: Fulfillment, order: "_Order") -> None:
        parcel = _Parcel(fulfillment, self._intent(fulfillment), doubtful=fulfillment.index in self._doubtful)
        try:
            await self._attempts(parcel, order)
        except Halted:
            parcel.interrupt(self._halt.reason)
        if parcel.outcome is not None:
            self._told(fulfillment, Told(parcel.outcome, recorded=parcel.recorded, mailed=parcel.mailed))
            self._judge_destination(parcel, parcel.outcome)

    def _intent(self, fulfillment: Fulfillment) -> Intent:
        return Intent(
            destination=self._destination.identity,
            order_ids=tuple(part.order_id for part in fulfillment.parts),
            tracking_number=fulfillment.key,
            content=self._destination.content(fulfillment),
            run_id=self._rules.run_id,
        )

    async def _attempts(self, parcel: "_Parcel", order: "_Order") -> None:
        spent = 0
        while True:
            parcel.history += (await self._attempt(parcel, order),)
            match self._decide(parcel.history):
                case Again(cost=cost) as again if self._budget.take(cost):
                    spent += cost
                    # while it waits it is not being sent, and if the run is killed now, nothing is in doubt
                    await self._settle(parcel, given_up(parcel.history))
                    await self._wait(again, parcel.history)
                case Again():
                    return await self._settle(parcel, out_of_budget(parcel.history))
                case StopRun(reason, end):
                    self._halt.stop(reason)
                    return await self._settle(parcel, end)
                case End() as end:
                    if end.status in _ANSWERED:
                        self._budget.succeeded(spent)
                    elif self._destination.readable and parcel.history[-1].meaning is Meaning.UNKNOWN:
                        end = await self._last_look(parcel, order) or end
                    return await self._settle(parcel, end)

    async def _last_look(self, parcel: "_Parcel", order: "_Order") -> End | None:
        """How it ended, as far as it can be seen on the platform, where there is no attempt left."""
        plan = self._destination.plan(parcel.fulfillment, parcel.writes + 1, order.writes)
        found = plan if isinstance(plan, Write) else await self._look(plan, order)
        if isinstance(found, Write) or found.meaning is not Meaning.THERE:
            return None
        parcel.history += (parcel.seen(found),)
        decision = self._decide(parcel.history)
        return decision if isinstance(decision, End) else None

    async def _attempt(self, parcel: "_Parcel", order: "_Order") -> Reading:
        async with self._breaker.passage() as heard, self._width.place():
            plan = self._destination.plan(parcel.fulfillment, parcel.writes + 1, order.writes)
            found = plan if isinstance(plan, Write) else await self._look(plan, order)
            if isinstance(found, Write):
                reading = await self._write(found, parcel, order)
            else:
                reading = parcel.seen(found)
            heard(reading)
            return reading

    async def _look(
        self, plan: Generator[Look, Answer | NoAnswer, Write | Reading], order: "_Order"
    ) -> Write | Reading:
        try:
            look = next(plan)
            while True:
                look = plan.send(await self._answer(look, order))
        except StopIteration as end:
            found: Write | Reading = end.value
            return found

    async def _answer(self, look: Look, order: "_Order") -> Answer | NoAnswer:
        known = self._lasting if look.lasting else order.answers
        if look.request.url in known:
            return known[look.request.url]
        await self._turn()
        reply = await self._send(order.connection, look.request)
        if isinstance(reply, Answer) and reply.whole and reply.status in (_KEPT if look.lasting else _FOUND):
            known[look.request.url] = reply
        return reply

    async def _write(self, write: Write, parcel: "_Parcel", order: "_Order") -> Reading:
        if self._rules.ask:
            reading = Reading(Meaning.READY)
            order.hear(write, reading)
            return reading
        await self._turn()
        await self._intend(parcel)
        if self._halt.reason:
            await self._settle(parcel, not_sent(parcel.history, self._halt.reason))
            self._halt.check()
        sent_at = self._clock()
        reading = write.read(await self._send(order.connection, write.request))
        self._width.heard(reading.meaning, sent_at, self._clock())
        order.hear(write, reading)
        parcel.hear(write, reading)
        return reading

    async def _turn(self) -> None:
        await self._pace.turn()
        self._halt.check()
        if self._asked_to_wait:
            self._asked_to_wait = False
            self._says("")

    async def _intend(self, parcel: "_Parcel") -> None:
        doubt = self._rules.accept_doubt or parcel.is_in_doubt
        await _committed(self._ledger.intend(parcel.intent, accept_doubt=doubt))
        parcel.sending = True

    async def _settle(self, parcel: "_Parcel", end: End) -> None:
        """Say how it ended; in the ledger, too, unless nothing was ever begun."""
        attempts = len(parcel.history)
        outcome = Outcome(end.status, end.code, end.message, end.http_status, attempts, self._now())
        if not parcel.sending and (parcel.recorded or outcome.status in _DONE):
            await self._intend(parcel)
        if parcel.sending:
            outcome = await _committed(self._ledger.record(parcel.intent, outcome))
            parcel.sending, parcel.recorded = False, True
        elif parcel.doubtful:
            words = f"an earlier run left it in doubt, and that it still is: {outcome.message}"
            outcome = replace(outcome, status=Status.IN_DOUBT, code=OUTCOME_UNKNOWN, message=words)
        parcel.outcome = outcome

    async def _send(self, connection: Connection, request: Request) -> Answer | NoAnswer:
        try:
            async with self._halt.in_flight():
                return await connection.send(request)
        except TimeoutError:
            words = f"cut short while its answer was awaited: {self._halt.reason}"
            return NoAnswer(connection.reach, words)

    def _decide(self, history: tuple[Reading, ...]) -> Again | End | StopRun:
        return decide(
            history,
            max_attempts=self._rules.max_attempts,
            repeatable=self._destination.repeatable,
            alone=not self._first_ended.is_set(),
        )

    async def _wait(self, again: Again, history: tuple[Reading, ...]) -> None:
        seconds = again.at_least + backoff(len(history), self._random)
        if again.everyone:
            self._asked_to_wait = True
            self._says(f"asked to wait {seconds:.0f} s: {history[-1].message}")
            self._pace.pause(seconds)
        else:
            await self._rest(seconds)

    async def _rest(self, seconds: float) -> None:
        await self._halt.rest(seconds, self._sleep)

    def _judge_destination(self, parcel: "_Parcel", outcome: Outcome) -> None:
        if outcome.status in _FAILING:
            name = parcel.fulfillment.name
            self._breaker.failed(parcel.intent.order_ids[0], f"{name}: {outcome.message}")
            if parcel.history[-1].code == _UNREACHABLE:
                self._breaker.open("the destination can't be reached")
        self._first_ended.set()


@dataclass(slots=True)
class _Order:
    """What is known of an order while its fulfillments are posted, one after the other.

    ``answers`` are those of look-ups, by URL; ``writes`` have been made since, or may have been.
    """

    connection: Connection
    answers: dict[str, Answer] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)

    def hear(self, write: Write, reading: Reading) -> None:
        """Remember a write that was done; after one that may have been, everything is looked up anew."""
        if reading.meaning in _SUCCESSES:
            self.writes.append(write)
        elif reading.meaning in _UNCLEAR:
            self.answers.clear()
            self.writes.clear()


@dataclass(slots=True)
class _Parcel:
    """A fulfillment that is being posted.

    ``outcome`` is what may be said of it so far, None before any request. ``sending`` says that the ledger
    has it as being sent, ``recorded`` that the ledger has an outcome of this run. ``doubtful`` is one that an
    earlier run left in doubt. ``writes`` counts the requests that have made it or may have, ``method`` is the
    last one's, and ``mailed`` says whether one asked to mail the customer.
    """

    fulfillment: Fulfillment
    intent: Intent
    doubtful: bool = False
    history: tuple[Reading, ...] = ()
    outcome: Outcome | None = None
    sending: bool = False
    recorded: bool = False
    writes: int = 0
    method: str = ""
    mailed: bool = False

    def __post_init__(self) -> None:
        self.writes = int(self.doubtful)  # the earlier run's: what is to go with the first only went with it

    @property
    def is_in_doubt(self) -> bool:
        """Whether an attempt, of this run or an earlier one, may have done it."""
        return self.doubtful or (self.outcome is not None and self.outcome.status is Status.IN_DOUBT)

    def hear(self, write: Write, reading: Reading) -> None:
        """Count a request that was done, or may have been."""
        if reading.meaning in _SUCCESSES | _UNCLEAR:
            self.writes += 1
            self.method = write.request.method
            self.mailed = self.mailed or write.mails

    def seen(self, reading: Reading) -> Reading:
        """What a look tells: that it is there is this one's own doing if there was a write."""
        if reading.meaning is not Meaning.THERE or not self.writes:
            return reading
        meaning = Meaning.CREATED if self.method == "POST" else Meaning.UPDATED
        return replace(reading, meaning=meaning, code="")

    def interrupt(self, reason: str) -> None:
        """Say in the outcome that there would have been another attempt."""
        if self.outcome is not None and self.history:
            words = f"{self.outcome.message}; not tried again, since the run stopped: {reason}"
            self.outcome = replace(self.outcome, message=words)


_DONE: Final = frozenset({Status.CREATED, Status.UPDATED})
_SUCCESSES: Final = frozenset({Meaning.CREATED, Meaning.UPDATED, Meaning.READY})
_UNCLEAR: Final = frozenset({Meaning.UNKNOWN, Meaning.TRY_AGAIN})
_FOUND: Final = frozenset({HTTPStatus.OK})
_KEPT: Final = frozenset({HTTPStatus.OK, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
"""Answers to look-ups that are not asked for again, those of a whole run even where there is nothing."""


async def _committed(future: Future[_T]) -> _T:
    # shielded: cancelling this run must not cancel what the ledger is about to set
    return await asyncio.shield(asyncio.wrap_future(future))

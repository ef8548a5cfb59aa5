"""The posting of a whole run: workers side by side, each fulfillment looked up, intended, sent, recorded."""

import asyncio
import random as chance
import time
from collections.abc import Callable, Collection, Coroutine, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar

from importer.destinations import Destination
from importer.model import (
    Answer,
    Fulfillment,
    Intent,
    Look,
    Meaning,
    NoAnswer,
    Outcome,
    Reading,
    Request,
    Status,
    Write,
)
from importer.posts.breaker import Breaker
from importer.posts.budget import Budget
from importer.posts.halt import Halt, Halted
from importer.posts.pace import Pace
from importer.posts.parcels import Order, Parcel
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
from importer.posts.terms import Connection, Memory, Rules, Told
from importer.posts.width import Width

_T = TypeVar("_T")

_UNREACHABLE: Final = "destination-unreachable"
_FOUND: Final = frozenset({HTTPStatus.OK})
_KEPT: Final = frozenset({HTTPStatus.OK, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
"""Answers to look-ups that are not asked for again, those of a whole run even where there is nothing."""
_DONE: Final = frozenset({Status.CREATED, Status.UPDATED})
_FAILING: Final = frozenset({Status.FAILED, Status.IN_DOUBT})
_ANSWERED: Final = frozenset({Status.CREATED, Status.UPDATED, Status.SKIPPED, Status.REJECTED})


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
                order = Order(connection)
                for fulfillment in fulfillments:
                    if not self._halt.reason:
                        await self._post(fulfillment, order)
        finally:
            if connection is not None:
                await connection.close()

    async def _post(self, fulfillment: Fulfillment, order: Order) -> None:
        parcel = Parcel(fulfillment, self._intent(fulfillment), doubtful=fulfillment.index in self._doubtful)
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

    async def _attempts(self, parcel: Parcel, order: Order) -> None:
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

    async def _last_look(self, parcel: Parcel, order: Order) -> End | None:
        """How it ended, as far as it can be seen on the platform, where there is no attempt left."""
        plan = self._destination.plan(parcel.fulfillment, parcel.writes + 1, order.writes)
        found = plan if isinstance(plan, Write) else await self._look(plan, order)
        if isinstance(found, Write) or found.meaning is not Meaning.THERE:
            return None
        parcel.history += (parcel.seen(found),)
        decision = self._decide(parcel.history)
        return decision if isinstance(decision, End) else None

    async def _attempt(self, parcel: Parcel, order: Order) -> Reading:
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
        self, plan: Generator[Look, Answer | NoAnswer, Write | Reading], order: Order
    ) -> Write | Reading:
        try:
            look = next(plan)
            while True:
                look = plan.send(await self._answer(look, order))
        except StopIteration as end:
            found: Write | Reading = end.value
            return found

    async def _answer(self, look: Look, order: Order) -> Answer | NoAnswer:
        known = self._lasting if look.lasting else order.answers
        if look.request.url in known:
            return known[look.request.url]
        await self._turn()
        reply = await self._send(order.connection, look.request)
        if isinstance(reply, Answer) and reply.whole and reply.status in (_KEPT if look.lasting else _FOUND):
            known[look.request.url] = reply
        return reply

    async def _write(self, write: Write, parcel: Parcel, order: Order) -> Reading:
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

    async def _intend(self, parcel: Parcel) -> None:
        doubt = self._rules.accept_doubt or parcel.is_in_doubt
        await _committed(self._ledger.intend(parcel.intent, accept_doubt=doubt))
        parcel.sending = True

    async def _settle(self, parcel: Parcel, end: End) -> None:
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

    def _judge_destination(self, parcel: Parcel, outcome: Outcome) -> None:
        if outcome.status in _FAILING:
            name = parcel.fulfillment.name
            self._breaker.failed(parcel.intent.order_ids[0], f"{name}: {outcome.message}")
            if parcel.history[-1].code == _UNREACHABLE:
                self._breaker.open("the destination can't be reached")
        self._first_ended.set()


async def _committed(future: Future[_T]) -> _T:
    # shielded: cancelling this run must not cancel what the ledger is about to set
    return await asyncio.shield(asyncio.wrap_future(future))

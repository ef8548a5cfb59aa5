"""The posting of a whole run: workers side by side, each fulfillment looked up, intended, sent, recorded."""

import asyncio
import random as chance
import time
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from msgspec.structs import replace

from importer.destinations import Destination
from importer.ledger import Promise
from importer.model import (
    Answer,
    Entry,
    Event,
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
from importer.posts.halt import CutShort, Halt, Halted
from importer.posts.pace import CommonPace, Pace
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
from importer.posts.terms import Commits, Connection, Memory, Rules, Told
from importer.posts.turns import Others, Turns
from importer.posts.turnstile import Turnstile
from importer.posts.width import Width

_NOT_DONE: Final = "it is not done there"
_UNREACHABLE: Final = "destination-unreachable"
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
    earlier: Mapping[int, Entry] | None = None,
    others: Others | None = None,
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
    post goes alone. ``earlier`` has, by the index of a fulfillment, what an earlier run left that may have
    done it. With ``others``, runs post the same orders side by side, and each order is posted by one of them.

    Raises:
        CannotGoOn: the ledger takes no more; what was in flight has ended.
    """
    posting = _Posting(
        destination,
        ledger,
        rules,
        told,
        halt,
        earlier={} if earlier is None else earlier,
        others=others,
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
        earlier: Mapping[int, Entry],
        others: Others | None,
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
        self._earlier = earlier
        self._others = others
        self._says = says
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._now = now
        self._pace = (
            CommonPace(rules.rate, others.rate, clock=clock, sleep=self._rest)
            if rules.rate and others
            else Pace(rules.rate, clock=clock, sleep=self._rest)
        )
        self._width = Width(rules.concurrency)
        self._budget = Budget()
        self._breaker = Breaker(halt, rules.give_up, clock=clock, rest=self._rest, says=says)
        self._commits = Commits()
        self._turnstile = Turnstile()
        self._lasting: dict[str, Answer | NoAnswer] = {}
        self._first_ended = asyncio.Event()
        self._asked_to_wait = False
        self._error: Exception | None = None

    async def run(self, orders: Iterator[Sequence[Fulfillment]], connect: Callable[[], Connection]) -> str:
        turns = Turns(orders, self._others, self._halt, self._sleep, self._says)
        limits = [
            asyncio.ensure_future(limit)
            for limit in (self._end_in_time(), self._drain(), self._breaker.keep_time(self._sleep))
        ]
        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(self._rules.concurrency):
                    tasks.create_task(self._work(turns, connect, leads=number == 0))
            await self._commits.all_done()
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
        if waited_for := self._halt.waited_for:
            self._says(
                f"stopping: waiting up to {self._rules.drain:g} s for {waited_for} answers; "
                "Ctrl-C once more ends now and leaves them in doubt"
            )
        await self._sleep(self._rules.drain)
        self._halt.now()

    async def _work(self, turns: Turns, connect: Callable[[], Connection], *, leads: bool) -> None:
        try:
            if not leads:
                await self._first_ended.wait()
            await self._post_orders(turns, connect)
        except Exception as error:  # noqa: BLE001 - raised again when the other workers' requests have ended
            self._fail(error)
        finally:
            self._first_ended.set()

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._halt.stop(str(error))

    async def _post_orders(self, turns: Turns, connect: Callable[[], Connection]) -> None:
        connection: Connection | None = None
        try:
            while not self._halt.reason and (turn := await turns.next()) is not None:
                connection = connection or connect()
                order = Order(connection)
                for fulfillment in turn.left:
                    if not self._halt.reason:
                        await self._post(fulfillment, order)
                turns.done(turn)
        finally:
            if connection is not None:
                await connection.close()

    async def _post(self, fulfillment: Fulfillment, order: Order) -> None:
        earlier = self._earlier.get(fulfillment.index)
        parcel = Parcel(
            fulfillment, self._intent(fulfillment), earlier=earlier, creates=self._destination.creates
        )
        if earlier is not None:
            parcel.settles_at = self._clock() + self._grace(earlier.at)
        recording: Promise[Outcome] | None = None
        try:
            recording = await self._attempts(parcel, order)
        except Halted:
            parcel.interrupt(self._halt.reason)
        if recording is not None:
            self._commits.then(recording, partial(self._tell_recorded, parcel))
        elif parcel.outcome is not None:
            self._tell(parcel, parcel.outcome)

    def _tell_recorded(self, parcel: Parcel, recording: Promise[Outcome]) -> None:
        try:
            outcome = recording.result()
            parcel.recorded = True
            self._tell(parcel, outcome)
        except Exception as error:  # noqa: BLE001 - raised again, as a worker's
            self._fail(error)

    def _tell(self, parcel: Parcel, outcome: Outcome) -> None:
        self._told(parcel.fulfillment, Told(outcome, recorded=parcel.recorded, mailed=parcel.mailed))
        self._judge_destination(parcel, outcome)

    def _intent(self, fulfillment: Fulfillment) -> Intent:
        return Intent(
            destination=self._destination.identity,
            order_ids=tuple(part.order_id for part in fulfillment.parts),
            tracking_number=fulfillment.key,
            content=self._destination.content(fulfillment),
            run_id=self._rules.run_id,
        )

    async def _attempts(self, parcel: Parcel, order: Order) -> Promise[Outcome] | None:
        """Try until it has ended; what is returned is done once that is recorded, None if it is."""
        spent = 0
        while True:
            parcel.history += (await self._attempt(parcel, order),)
            decision = self._decide(parcel.history)
            if self._is_outage(decision, parcel.history):
                decision = Again()  # it waits where all do, for as long as --give-up allows
            match decision:
                case Again(cost=cost) as again if self._budget.take(cost):
                    spent += cost
                    # while it waits it is not being sent, and if the run is killed now, nothing is in doubt
                    await self._settle(parcel, given_up(parcel.history))
                    order.forget()
                    await self._wait(again, parcel.history)
                case Again():
                    await self._end(parcel, order, out_of_budget(parcel.history))
                    return None
                case StopRun(reason, end):
                    self._halt.stop(reason)
                    await self._settle(parcel, end)
                    return None
                case End(status=Status.CREATED | Status.UPDATED) as end if self._may_go_on(parcel):
                    self._budget.succeeded(spent)
                    # the worker's next intent comes to the disk with this outcome, or after it
                    return self._record(parcel, self._outcome(parcel, end))
                case End() as end:
                    if end.status in _ANSWERED:
                        self._budget.succeeded(spent)
                    await self._end(parcel, order, end)
                    return None

    def _may_go_on(self, parcel: Parcel) -> bool:
        """Whether its worker may do so while it is recorded; the first post goes alone to its end."""
        return parcel.sending and self._first_ended.is_set()

    async def _end(self, parcel: Parcel, order: Order, end: End) -> None:
        """Settle it, after a last look at the platform where it would be left in doubt."""
        if end.status is Status.IN_DOUBT and self._destination.readable:
            with suppress(Halted):
                end = await self._last_look(parcel, order) or end
        await self._settle(parcel, end)

    async def _last_look(self, parcel: Parcel, order: Order) -> End | None:
        parcel.learn(Event.TRIED, self._now(), parcel.history[-1], len(parcel.history))
        order.forget()
        found = await self._find(parcel, order)
        self._learn(parcel, found)
        if isinstance(found, Write) or found.meaning is not Meaning.THERE:
            return None
        parcel.history += (parcel.seen(found),)
        decision = self._decide(parcel.history)
        return decision if isinstance(decision, End) else None

    async def _attempt(self, parcel: Parcel, order: Order) -> Reading:
        async with self._breaker.passage() as heard, self._width:
            asked, begun = order.requests, self._clock()
            found = await self._find(parcel, order)
            while isinstance(found, Write) and (left := self._unsettled(found, parcel)) > 0:
                await self._rest(left)
                order.forget()
                found = await self._find(parcel, order)
            if isinstance(found, Write):
                if parcel.is_in_doubt and order.requests > asked:
                    self._learn(parcel, found)
                reading = await self._write(found, parcel, order)
            else:
                self._learn(parcel, found)
                reading = parcel.seen(found)
                self._width.heard(reading.meaning, begun, self._clock())
            if order.requests > asked:  # else nobody has answered
                parcel.asked = True
                heard(reading)
            return reading

    def _learn(self, parcel: Parcel, found: Write | Reading) -> None:
        """Keep what a look has told; that it is yet to be written tells something, too."""
        told = Reading(Meaning.READY, message=_NOT_DONE) if isinstance(found, Write) else found
        parcel.learn(Event.LOOKED_UP, self._now(), told)

    def _unsettled(self, write: Write, parcel: Parcel) -> float:
        """Seconds until a create of unknown outcome can be taken for one that was not done if it isn't seen.

        A repeated update does no harm; and where nothing can be looked up, waiting tells nothing.
        """
        if write.request.method != "POST" or not self._destination.readable or self._rules.ask:
            return 0.0
        return parcel.settles_at - self._clock()

    def _grace(self, since: datetime) -> float:
        """What is left of the time that the platform may take for a request that came to it ``since``."""
        passed = max((self._now() - since).total_seconds(), 0.0)
        return max(self._rules.timeout - passed, 0.0)

    async def _find(self, parcel: Parcel, order: Order) -> Write | Reading:
        plan = self._destination.plan(parcel.fulfillment, parcel.writes + 1, order.writes)
        return plan if isinstance(plan, Write) else await self._look(plan, order)

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
        reply = await self._send(order, look.request)
        good = isinstance(reply, Answer) and reply.whole and reply.status == HTTPStatus.OK
        if good or (look.lasting and not _is_refused_for_now(reply)):
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
        reading = write.read(await self._send(order, write.request))
        self._width.heard(reading.meaning, sent_at, self._clock())
        order.hear(write, reading)
        parcel.hear(write, reading)
        if reading.meaning is Meaning.UNKNOWN:
            parcel.settles_at = self._clock() + self._rules.timeout
        return reading

    async def _turn(self) -> None:
        await self._pace.turn()
        self._halt.check()
        if self._asked_to_wait:
            self._asked_to_wait = False
            self._says("")

    async def _intend(self, parcel: Parcel, *, sent: bool = True) -> None:
        doubt, news = self._rules.accept_doubt or parcel.is_in_doubt, parcel.pass_on()
        await self._commits.wait(
            self._ledger.intend(parcel.intent, accept_doubt=doubt, before=news, sent=sent)
        )
        parcel.sending = True

    async def _settle(self, parcel: Parcel, end: End) -> None:
        """Say how it ended; in the ledger, too, unless nothing was ever begun."""
        outcome = self._outcome(parcel, end)
        if not parcel.sending and (parcel.recorded or outcome.status in _DONE):
            await self._intend(parcel, sent=False)
        if parcel.sending:
            outcome = await self._commits.wait(self._record(parcel, outcome))
            parcel.recorded = True
        elif parcel.doubtful:
            words = f"an earlier run left it in doubt, and that it still is: {outcome.message}"
            outcome = replace(outcome, status=Status.IN_DOUBT, code=OUTCOME_UNKNOWN, message=words)
        parcel.outcome = outcome
        if (news := parcel.pass_on()) and not self._rules.ask:
            await self._commits.wait(self._ledger.note(parcel.intent, news))

    def _outcome(self, parcel: Parcel, end: End) -> Outcome:
        attempts = len(parcel.history)
        return Outcome(end.status, end.code, end.message, end.http_status, attempts, self._now())

    def _record(self, parcel: Parcel, outcome: Outcome) -> Promise[Outcome]:
        parcel.sending = False
        return self._ledger.record(parcel.intent, outcome, before=parcel.pass_on())

    async def _send(self, order: Order, request: Request) -> Answer | NoAnswer:
        order.requests += 1
        try:
            with self._halt.in_flight():
                answer = await order.connection.send(request)
        except CutShort:
            words = f"cut short while its answer was awaited: {self._halt.reason}"
            return NoAnswer(order.connection.reach, words)
        await self._turnstile.passed()
        return answer

    def _decide(self, history: tuple[Reading, ...]) -> Again | End | StopRun:
        return decide(
            history,
            max_attempts=self._rules.max_attempts,
            repeatable=self._destination.repeatable,
            alone=not self._first_ended.is_set(),
        )

    def _is_outage(self, decision: Again | End | StopRun, history: tuple[Reading, ...]) -> bool:
        """Whether nobody could be reached so often that it is no matter of this fulfillment's attempts."""
        if history[-1].code != _UNREACHABLE or isinstance(decision, StopRun):
            return False
        if isinstance(decision, End):
            self._breaker.open("the destination can't be reached")
        return self._breaker.is_open

    async def _wait(self, again: Again, history: tuple[Reading, ...]) -> None:
        seconds = again.at_least + backoff(len(history), self._random)
        if again.everyone:
            self._asked_to_wait = True
            self._says(f"asked to wait {seconds:.0f} s (HTTP {history[-1].http_status})")
            self._pace.pause(seconds)
        else:
            await self._rest(seconds)

    async def _rest(self, seconds: float) -> None:
        await self._halt.rest(seconds, self._sleep)

    def _judge_destination(self, parcel: Parcel, outcome: Outcome) -> None:
        if outcome.status in _FAILING:
            name = parcel.fulfillment.name
            self._breaker.failed(parcel.intent.order_ids[0], f"{name}: {outcome.message}")
            if parcel.history and parcel.history[-1].code == _UNREACHABLE:
                self._breaker.open("the destination can't be reached")
        if parcel.asked:
            self._first_ended.set()


def _is_refused_for_now(reply: Answer | NoAnswer) -> bool:
    """Whether the next one who asks may be answered; who waits in vain for a list, waits once in a run."""
    return isinstance(reply, Answer) and reply.status in {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
    }

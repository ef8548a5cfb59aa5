"""Stand-ins that behave: a clock that jumps over waiting, a destination, connections, a ledger, a rate."""

import asyncio
import hashlib
import selectors
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct, field

from importer.errors import CannotGoOn
from importer.ledger import Promise, Taken, TransitionRefused
from importer.ledger.states import ended, settled, started
from importer.model import (
    Answer,
    Entry,
    Event,
    Fulfillment,
    Happening,
    Intent,
    LineItem,
    Look,
    Meaning,
    NoAnswer,
    OrderPart,
    Outcome,
    Plan,
    Reach,
    Reading,
    Request,
    State,
    Write,
)

EPOCH = datetime(2024, 4, 30, 12, tzinfo=UTC)
_T = TypeVar("_T")


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing: with nothing ready, its time jumps to the end of the wait."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise AssertionError("everybody waits and nothing will ever happen")
        self.now += timeout
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop in which a sleep takes no time, and everything happens in the order that it would."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run_jumping(main: Coroutine[Any, Any, _T]) -> _T:
    """Run ``main`` in a ``JumpingLoop``."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(main)


def loop_clock() -> float:
    """The time of the running loop, in seconds."""
    return asyncio.get_running_loop().time()


class FakeRate:
    """The turns of all who post to a destination, by the running loop's time; ``asked`` has how many when."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self._empty_at = self._paused_until = 0.0

    def take(self, turns: int, interval: float) -> Promise[Taken]:
        self.asked.append(turns)
        begins = max(self._empty_at, self._paused_until, loop_clock())
        self._empty_at = begins + turns * interval
        future: Promise[Taken] = Promise()
        taken = Taken(begins - loop_clock(), self._paused_until - loop_clock())
        asyncio.get_running_loop().call_soon(future.set_result, taken)
        return future

    def pause(self, seconds: float) -> Promise[None]:
        self._paused_until = max(self._paused_until, loop_clock() + seconds)
        return Promise()


def loop_now() -> datetime:
    """The time of the running loop as a date."""
    return EPOCH + timedelta(seconds=loop_clock())


def fulfillment(index: int, order_id: str, tracking_number: str) -> Fulfillment:
    """A parcel with one line."""
    return Fulfillment(index, tracking_number, (OrderPart(order_id, (LineItem("MUG", 1),)),))


def orders(*parcels: Sequence[str]) -> list[list[Fulfillment]]:
    """For each order, numbered from 1, the fulfillments of these tracking numbers."""
    numbers = iter(range(sum(map(len, parcels))))
    return [
        [fulfillment(next(numbers), str(order), tracking) for tracking in trackings]
        for order, trackings in enumerate(parcels, start=1)
    ]


class FakeDestination:
    """Understands what ``FakePlatform`` answers: the body is a meaning, ``wait 7`` one with seconds."""

    identity = "fake"
    needed = ("order_id", "sku", "quantity", "tracking_number")
    several_orders = False
    takes = ()
    optional = ()
    needed_to_notify = ()
    creates = False

    def __init__(self, *, repeatable: bool = False, readable: bool = False) -> None:
        self.repeatable = repeatable
        self.readable = readable

    @property
    def order_id(self) -> str:
        return "string"

    def plan(self, fulfillment: Fulfillment, attempt: int, before: Sequence[Write]) -> Plan:  # noqa: ARG002 - it remembers itself
        if self.readable:
            return self._looking(fulfillment, attempt)
        return Write(self.request(fulfillment, attempt), partial(self.read, fulfillment))

    def _looking(
        self, fulfillment: Fulfillment, attempt: int
    ) -> Generator[Look, Answer | NoAnswer, Write | Reading]:
        name = f"look {fulfillment.parts[0].order_id}"
        reply = yield Look(Request("GET", f"http://fake/{name}", {}, name.encode()))
        if isinstance(reply, NoAnswer):
            return Reading(Meaning.NEVER_REACHED, "look-up-failed", reply.reason)
        if reply.status != 200:
            return self.read(fulfillment, reply)
        if fulfillment.tracking_number in reply.body.decode().split():
            return Reading(Meaning.THERE, "already-there", "it is there")
        return Write(self.request(fulfillment, attempt), partial(self.read, fulfillment))

    def content(self, fulfillment: Fulfillment) -> str:
        return hashlib.sha256(repr((fulfillment.tracking_number, fulfillment.parts)).encode()).hexdigest()

    def request(self, fulfillment: Fulfillment, attempt: int) -> Request:
        return Request("POST", "http://fake/", {"Attempt": str(attempt)}, fulfillment.name.encode())

    def read(self, _: Fulfillment, reply: Answer | NoAnswer, /) -> Reading:
        if isinstance(reply, NoAnswer):
            sent = reply.reach is Reach.SENT
            meaning = Meaning.UNKNOWN if sent else Meaning.NEVER_REACHED
            code = "outcome-unknown" if sent else "destination-unreachable"
            return Reading(meaning, code, reply.reason)
        word, seconds = reply.body.decode().partition(" for ")[::2]
        wait = float(seconds) if seconds else None
        return Reading(Meaning(word), f"destination-{reply.status}", f"it says {word}", reply.status, wait)


STATUS_OF = {
    "created": 200,
    "updated": 200,
    "refused": 404,
    "wait": 429,
    "try again": 500,
    "stop": 401,
}
"""What ``FakePlatform`` answers with; "never reached" and "unknown" are no answers."""


class FakePlatform(Struct):
    """What the connections lead to; it answers after ``seconds`` and writes down what it sees.

    ``script`` gives the answers for a fulfillment's attempts, by its name; without one, or after the last, it
    is created. Between the moments of ``down`` nobody is there. A look at an order, ``look 1``, may find that
    it ``has A1 A2``. ``log`` may be shared with a ledger, so that the order of things can be seen.
    """

    script: Mapping[str, Iterable[str]] = field(default_factory=dict)
    seconds: float = 1.0
    log: list[str] = field(default_factory=list)
    open_connections: int = 0
    connections: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    sent_at: list[float] = field(default_factory=list)
    reach: Reach = Reach.SENT
    down: tuple[float, float] = (0.0, 0.0)
    _answers: dict[str, Iterator[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._answers = {name: iter(answers) for name, answers in self.script.items()}

    def connect(self) -> "FakeConnection":
        self.open_connections += 1
        self.connections += 1
        return FakeConnection(self)

    async def answer(self, request: Request) -> Answer | NoAnswer:
        name = request.body.decode()
        self.log.append(f"send {name}")
        self.sent_at.append(loop_clock())
        if self.down[0] <= loop_clock() < self.down[1]:
            return _reply("never reached")
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.in_flight -= 1
        self.log.append(f"answer {name}")
        return _reply(next(self._answers.get(name, iter(())), "created"))


def _reply(words: str) -> Answer | NoAnswer:
    if words == "never reached":
        return NoAnswer(Reach.NEVER_SENT, "connection refused")
    if words == "unknown":
        return NoAnswer(Reach.SENT, "no reply")
    if words.partition(" ")[0] == "has":
        return Answer(200, {}, words.encode())
    return Answer(STATUS_OF[words.partition(" for ")[0]], {}, words.encode())


class FakeConnection(Struct):
    """One way to the platform; it carries one request at a time."""

    platform: FakePlatform
    busy: bool = False
    closed: bool = False

    @property
    def reach(self) -> Reach:
        return self.platform.reach

    async def send(self, request: Request) -> Answer | NoAnswer:
        assert not self.busy
        assert not self.closed
        self.busy = True
        try:
            return await self.platform.answer(request)
        finally:
            self.busy = False

    async def close(self) -> None:
        assert not self.closed
        self.closed = True
        self.platform.open_connections -= 1


class FakeLedger(Struct):
    """A dict that commits a moment later, and follows the ledger's own table of states.

    ``full_for`` names the fulfillments for which the disk is full, as ``intend NAME`` or ``record NAME``.
    """

    log: list[str] = field(default_factory=list)
    full_for: frozenset[str] = frozenset()
    entries: dict[str, Entry] = field(default_factory=dict)
    intents: list[Intent] = field(default_factory=list)
    history: list[Event] = field(default_factory=list)
    doubt_accepted: list[bool] = field(default_factory=list)
    in_flight_at_most: int = 0
    committed: dict[str, float] = field(default_factory=dict)
    """When, by the event loop's clock."""

    @property
    def states(self) -> dict[str, State]:
        return {name: entry.state for name, entry in self.entries.items()}

    def intend(
        self, intent: Intent, *, accept_doubt: bool, before: Sequence[Happening], sent: bool
    ) -> Promise[None]:
        self.intents.append(intent)
        self.doubt_accepted.append(accept_doubt)

        def begin() -> None:
            entry = self.entries.get(_name(intent))
            order = intent.order_ids[0]
            self.entries[_name(intent)] = started(entry, order, intent, loop_now(), accept_doubt=accept_doubt)
            self.history += [each.event for each in before] + [Event.SENDING] * sent

        return self._commit("intend", intent, begin)

    def record(self, intent: Intent, outcome: Outcome, *, before: Sequence[Happening]) -> Promise[Outcome]:
        def finish() -> Outcome:
            entry = self.entries[_name(intent)]
            known = settled(entry, outcome)
            self.entries[_name(intent)] = ended(entry, intent.order_ids[0], intent, known, loop_now())
            self.history += [*(each.event for each in before), Event(known.status)]
            return known

        return self._commit("record", intent, finish)

    def note(self, intent: Intent, happened: Sequence[Happening]) -> Promise[None]:
        del intent
        self.history += [each.event for each in happened]
        future: Promise[None] = Promise()
        future.set_result(None)
        return future

    def _commit(self, what: str, intent: Intent, change: Callable[[], _T]) -> Promise[_T]:
        future: Promise[_T] = Promise()
        asyncio.get_running_loop().call_later(0.001, self._settle, future, what, _name(intent), change)
        return future

    def _settle(self, future: Promise[_T], what: str, name: str, change: Callable[[], _T]) -> None:
        if f"{what} {name}" in self.full_for:
            future.set_exception(CannotGoOn(f"ledger: can't write {what} {name}: disk full"))
            return
        try:
            result = change()
        except TransitionRefused as refusal:
            future.set_exception(refusal)
            return
        self.log.append(f"{what} {name} {self.entries[name].state}")
        self.committed[f"{what} {name}"] = loop_clock()
        in_flight = sum(state is State.SENDING for state in self.states.values())
        self.in_flight_at_most = max(self.in_flight_at_most, in_flight)
        future.set_result(result)


def _name(intent: Intent) -> str:
    return f"{'+'.join(intent.order_ids)}/{intent.tracking_number}"

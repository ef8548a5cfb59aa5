"""Turns: an order is posted by the run that has it; what others have is waited for, what they did is told."""

import asyncio
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from importer.ledger import Claimed, Promise
from importer.model import Entry, Fulfillment, State
from importer.posts import Halt, Others
from importer.posts.turns import AHEAD, POLL_SECONDS, Turns
from tests.fakes import EPOCH, FakeRate, loop_clock, orders, run_jumping

OTHER = "run other (host graz, pid 7)"
Key = tuple[str, str]


def key_of(parcel: Fulfillment) -> Key:
    return (parcel.parts[0].order_id, parcel.tracking_number)


class FakeClaims(Struct):
    """What another run has of the orders, and until when; and what it has done."""

    until: dict[str, float] = field(default_factory=dict)
    done: set[Key] = field(default_factory=set)
    log: list[str] = field(default_factory=list)

    def claim(self, order: Sequence[Fulfillment]) -> Promise[Claimed]:
        name = order[0].parts[0].order_id
        self.log.append(f"claim {name}")
        future: Promise[Claimed] = Promise()
        if loop_clock() < self.until.get(name, 0.0):
            future.set_result(Claimed(OTHER))
            return future
        entries = {key: entry(*key) for parcel in order if (key := key_of(parcel)) in self.done}
        future.set_result(Claimed(entries=entries, held=len(entries) < len(order)))
        return future

    def release(self, order: Sequence[Fulfillment]) -> Promise[None]:
        self.log.append(f"release {order[0].parts[0].order_id}")
        return Promise()


def entry(order_id: str, tracking_number: str) -> Entry:
    return Entry(order_id, tracking_number, State.CREATED, "c1", "other", "", "", 200, 1, EPOCH)


class Worker(Struct):
    """Takes turns until there are none, and posts what is left of each."""

    claims: FakeClaims = field(default_factory=FakeClaims)
    halt: Halt = field(default_factory=Halt)
    posted: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def judge(self, parcel: Fulfillment, entries: Mapping[Key, Entry]) -> bool:
        if key_of(parcel) in entries:
            self.skipped.append(parcel.tracking_number)
            return False
        return True

    async def work(self, todo: list[list[Fulfillment]], *, alone: bool = False) -> None:
        others = None if alone else Others(self.claims, self.judge, FakeRate())
        turns = Turns(iter(todo), others, self.halt, asyncio.sleep, self.said.append)
        while (turn := await turns.next()) is not None:
            for parcel in turn.left:
                self.posted.append(parcel.tracking_number)
            turns.done(turn)


def test_alone_every_order_is_had_without_asking() -> None:
    worker = Worker()
    run_jumping(worker.work(orders("AB", "C"), alone=True))
    assert (worker.posted, worker.claims.log) == (["A", "B", "C"], [])


def test_an_order_is_claimed_and_given_back_and_what_is_done_is_not_posted() -> None:
    worker = Worker(FakeClaims(done={("1", "A"), ("2", "C")}))
    run_jumping(worker.work(orders("AB", "C", "D")))
    assert (worker.posted, worker.skipped) == (["B", "D"], ["A", "C"])
    assert worker.claims.log == ["claim 1", "release 1", "claim 2", "claim 3", "release 3"]


def test_what_another_run_has_is_waited_for_when_the_rest_is_done() -> None:
    worker = Worker(FakeClaims(until={"1": 3 * POLL_SECONDS - 0.1}, done={("1", "A")}))
    run_jumping(worker.work(orders("AB", "C", "D")))
    assert (worker.posted, worker.skipped) == (["C", "D", "B"], ["A"])
    assert worker.said == [f"waiting until {OTHER} is through with its orders"] * 3 + [""]


def test_those_that_another_run_is_about_to_take_come_later() -> None:
    worker = Worker(FakeClaims(until={"1": 0.1}))
    run_jumping(worker.work(orders(*"A" * (AHEAD + 3))))
    asked = [line for line in worker.claims.log if line.startswith("claim")]
    order = [1, AHEAD + 2, AHEAD + 3, *range(2, AHEAD + 2), 1, 1]
    assert asked == [f"claim {number}" for number in order]


def test_a_run_that_is_to_stop_waits_for_nobody() -> None:
    worker = Worker(FakeClaims(until={"1": float("inf")}))

    async def stopped() -> None:
        asyncio.get_running_loop().call_later(10, worker.halt.stop, "interrupted")
        await worker.work(orders("A", "B"))

    run_jumping(stopped())
    assert (worker.posted, worker.halt.reason) == (["B"], "interrupted")


def test_workers_share_what_there_is() -> None:
    worker = Worker(FakeClaims(until={"2": 1.0}))
    todo = orders(*"ABCDEF")

    async def both() -> None:
        others = Others(worker.claims, worker.judge, FakeRate())
        turns = Turns(iter(todo), others, worker.halt, asyncio.sleep, worker.said.append)

        async def take() -> None:
            while (turn := await turns.next()) is not None:
                worker.posted.extend(parcel.tracking_number for parcel in turn.left)

        await asyncio.gather(take(), take(), take())

    run_jumping(both())
    assert sorted(worker.posted) == [*"ABCDEF"]

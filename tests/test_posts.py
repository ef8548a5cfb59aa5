"""Posting as a whole: order, intent before request, retries, stopping; time jumps over all waiting."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, field

from importer.errors import CannotGoOn
from importer.ledger import Promise
from importer.model import (
    Answer,
    Entry,
    Event,
    Fulfillment,
    Happening,
    Intent,
    NoAnswer,
    Outcome,
    Reach,
    Request,
    State,
    Status,
)
from importer.posts import Deadline, Halt, Rules, Told, post_all
from tests.fakes import (
    EPOCH,
    FakeDestination,
    FakeLedger,
    FakePlatform,
    fulfillment,
    loop_clock,
    loop_now,
    orders,
    run_jumping,
)


class Run(Struct):
    """Posting with fakes, and what it left; the platform's and the ledger's log is one."""

    platform: FakePlatform
    ledger: FakeLedger = field(default_factory=FakeLedger)
    concurrency: int = 1
    max_attempts: int = 3
    rate: tuple[float, int] | None = None
    repeatable: bool = False
    readable: bool = False
    in_doubt: Mapping[int, float] = field(default_factory=dict)
    accept_doubt: bool = False
    random: float = 1.0
    give_up: float = 300.0
    drain: float = 30.0
    deadline: Deadline | None = None
    stops: Sequence[tuple[float, str]] = ()
    said: list[str] = field(default_factory=list)
    stopped_because: str | None = None
    told: dict[str, Outcome] = field(default_factory=dict)
    error: Exception | None = None
    log: list[str] = field(default_factory=list)
    halt: Halt | None = None
    parcels: Mapping[int, Fulfillment] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.log = self.ledger.log = self.platform.log

    def of(self, orders: Iterable[Sequence[Fulfillment]]) -> "Run":
        run_jumping(self.main(orders))
        return self

    async def main(self, orders: Iterable[Sequence[Fulfillment]]) -> None:
        if self.in_doubt:
            orders = list(orders)
            self.parcels = {parcel.index: parcel for order in orders for parcel in order}
        self.halt = halt = Halt()
        loop = asyncio.get_running_loop()
        for seconds, reason in self.stops:
            loop.call_later(seconds, halt.now if halt_wanted_now(reason) else halt.stop, reason)
        try:
            self.stopped_because = await post_all(
                orders,
                FakeDestination(repeatable=self.repeatable, readable=self.readable),
                self.ledger,
                Rules(
                    "run 1",
                    self.concurrency,
                    30.0,
                    self.max_attempts,
                    self.rate,
                    accept_doubt=self.accept_doubt,
                    give_up=self.give_up,
                    drain=self.drain,
                    deadline=self.deadline,
                ),
                self.platform.connect,
                self.hear,
                halt,
                earlier={index: self.doubt(index, ago) for index, ago in self.in_doubt.items()},
                says=self.said.append,
                clock=loop_clock,
                random=lambda: self.random,
                now=loop_now,
            )
        except CannotGoOn as error:
            self.error = error
        assert self.platform.open_connections == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    def doubt(self, index: int, ago: float) -> Entry:
        """What an earlier run left of the fulfillment at ``index``, so many seconds ago."""
        parcel = self.parcels[index]
        entry = Entry(
            parcel.parts[0].order_id,
            parcel.tracking_number,
            State.IN_DOUBT,
            FakeDestination().content(parcel),
            "run 0",
            "outcome-unknown",
            "",
            None,
            1,
            loop_now() - timedelta(seconds=ago),
        )
        self.ledger.entries[parcel.name] = entry
        return entry

    def hear(self, fulfillment: Fulfillment, told: Told) -> None:
        outcome = told.outcome
        if told.recorded:
            assert self.ledger.states[fulfillment.name] == State(outcome.status.value)
        assert fulfillment.name not in self.told
        self.told[fulfillment.name] = outcome
        self.log.append(f"told {fulfillment.name}")

    @property
    def statuses(self) -> dict[str, str]:
        return {name: outcome.status.value for name, outcome in self.told.items()}

    @property
    def sent(self) -> list[str]:
        return [event.removeprefix("send ") for event in self.log if event.startswith("send ")]


def halt_wanted_now(reason: str) -> bool:
    return reason.endswith("!")


def seconds_later(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def test_each_fulfillment_is_intended_sent_recorded_and_told_in_this_order() -> None:
    run = Run(FakePlatform()).of(orders(["A1", "A2"]))
    assert run.log == [
        "intend 1/A1 sending",
        "send 1/A1",
        "answer 1/A1",
        "record 1/A1 created",
        "told 1/A1",
        "intend 1/A2 sending",
        "send 1/A2",
        "answer 1/A2",
        "record 1/A2 created",
        "told 1/A2",
    ]
    assert run.stopped_because == ""


def test_the_intent_says_what_is_sent_where_and_by_which_run() -> None:
    parcel = fulfillment(0, "1", "A1")
    run = Run(FakePlatform()).of([[parcel]])
    assert run.ledger.intents == [Intent("fake", ("1",), "A1", FakeDestination().content(parcel), "run 1")]
    assert run.ledger.doubt_accepted == [False]


def test_the_wish_to_send_again_what_is_in_doubt_reaches_the_ledger() -> None:
    assert Run(FakePlatform(), accept_doubt=True).of(orders(["A1"])).ledger.doubt_accepted == [True]


def test_an_outcome_has_the_attempts_the_time_and_the_last_answer() -> None:
    run = Run(FakePlatform({"1/A1": ["try again", "refused"], "2/B1": ["never reached"]})).of(
        orders(["A1"], ["B1"])
    )
    words = "an earlier try may have done it, and the next was refused: it says refused"
    at = EPOCH + timedelta(seconds=0.001 + 1 + 0.5 + 1)
    at += timedelta(seconds=0.002)  # the ledger knows between the attempts that it failed
    later = at + timedelta(seconds=0.001 + 0.001 + 1 + 0.002 + 0.5 + 1)
    assert run.told == {
        "1/A1": Outcome(Status.IN_DOUBT, "outcome-unknown", words, 404, 2, at),
        "2/B1": Outcome(Status.CREATED, "destination-200", "it says created", 200, 2, later),
    }


def test_nothing_to_post_opens_no_connection() -> None:
    run = Run(FakePlatform(), concurrency=4).of([])
    assert (run.stopped_because, run.log, run.platform.connections) == ("", [], 0)


def test_no_more_connections_are_opened_than_there_are_orders() -> None:
    run = Run(FakePlatform(), concurrency=8).of(orders(["A1", "A2"], ["B1"], ["C1"]))
    assert run.platform.connections == 3


def test_the_first_post_goes_alone_and_then_orders_go_side_by_side() -> None:
    run = Run(FakePlatform(), concurrency=3).of(orders(["A1", "A2"], ["B1"], ["C1"], ["D1"]))
    assert run.log[:5] == [
        "intend 1/A1 sending",
        "send 1/A1",
        "answer 1/A1",
        "record 1/A1 created",
        "told 1/A1",
    ]
    assert run.sent[1:4] == ["1/A2", "2/B1", "3/C1"]
    assert run.platform.most_in_flight == 3
    assert set(run.statuses.values()) == {"created"}


def test_the_fulfillments_of_one_order_go_one_after_the_other_even_with_retries_between() -> None:
    script = {"2/B1": ["try again", "try again"], "2/B2": ["unknown"]}
    run = Run(FakePlatform(script), concurrency=4).of(orders(["A1"], ["B1", "B2", "B3"], ["C1"], ["D1"]))
    of_b = [event for event in run.log if event.partition(" ")[2].startswith("2/")]
    assert [event for event in of_b if event.startswith(("send", "told"))] == [
        "send 2/B1",
        "send 2/B1",
        "send 2/B1",
        "told 2/B1",
        "send 2/B2",
        "told 2/B2",
        "send 2/B3",
        "told 2/B3",
    ]


def test_orders_are_taken_only_when_somebody_is_free_for_them() -> None:
    taken: list[int] = []
    platform = FakePlatform()
    run = Run(platform, concurrency=3, stops=[(1.5, "enough")])

    def supply() -> Iterator[Sequence[Fulfillment]]:
        for number in range(1, 10**9):
            taken.append(number)
            assert len(taken) - len(run.told) <= 3
            yield [fulfillment(number, str(number), "A1")]

    run.of(supply())
    assert (run.stopped_because, taken) == ("enough", [1, 2, 3, 4])


def test_retries_stop_at_the_limit_and_each_is_intended() -> None:
    script = {"1/A1": ["try again"] * 9, "2/B1": ["wait"] * 9}
    run = Run(FakePlatform(script), max_attempts=3).of(orders(["A1"], ["B1"], ["C1"]))
    assert run.stopped_because == ""
    assert run.sent == ["1/A1"] * 3 + ["2/B1"] * 3 + ["3/C1"]
    assert [intent.tracking_number for intent in run.ledger.intents[:6]] == ["A1"] * 3 + ["B1"] * 3
    del run.told["3/C1"]
    assert {name: (outcome.status, outcome.code, outcome.attempts) for name, outcome in run.told.items()} == {
        "1/A1": ("failed", "destination-500", 3),
        "2/B1": ("failed", "destination-429", 3),
    }


def test_backoff_doubles_between_attempts() -> None:
    run = Run(FakePlatform({"1/A1": ["try again"] * 3}, seconds=0.0), max_attempts=4).of(orders(["A1"]))
    assert run.platform.sent_at == pytest.approx([0.001, 0.503, 1.505, 3.507])


def test_a_worker_intends_its_next_fulfillment_while_its_last_success_is_recorded() -> None:
    run = Run(FakePlatform()).of(orders(["A1"], ["B1"], ["C1"]))
    assert run.log[5:] == [
        "intend 2/B1 sending",
        "send 2/B1",
        "answer 2/B1",
        "record 2/B1 created",
        "told 2/B1",
        "intend 3/C1 sending",
        "send 3/C1",
        "answer 3/C1",
        "record 3/C1 created",
        "told 3/C1",
    ]
    when = run.ledger.committed
    assert when["intend 3/C1"] == when["record 2/B1"], "it did not wait for that"
    assert when["intend 2/B1"] > when["record 1/A1"], "the first goes alone"


def test_a_told_wait_holds_all_posts_to_the_destination() -> None:
    script = {"2/B1": ["wait for 60"]}
    run = Run(FakePlatform(script), concurrency=2).of(orders(["A1"], ["B1", "B2"], ["C1", "C2"]))
    told_to_wait_at = 2.0045  # and what had its turn, and was being intended, has gone
    assert [at for at in run.platform.sent_at if told_to_wait_at < at < told_to_wait_at + 59] == []
    assert set(run.statuses.values()) == {"created"}


def test_the_rate_holds_for_all_workers_together() -> None:
    run = Run(FakePlatform(seconds=0.0), concurrency=4, rate=(2.0, 1), max_attempts=1)
    run.of(orders(["A1"], ["B1"], ["C1"], ["D1"]))
    assert run.platform.sent_at == pytest.approx([0.001, 0.501, 1.001, 1.501])


def test_what_is_unknown_is_in_doubt_and_not_sent_again() -> None:
    run = Run(FakePlatform({"1/A1": ["unknown"]})).of(orders(["A1"], ["B1"]))
    assert (run.sent, run.statuses) == (["1/A1", "2/B1"], {"1/A1": "in-doubt", "2/B1": "created"})


def test_what_is_unknown_is_sent_again_where_keys_are_honoured() -> None:
    run = Run(FakePlatform({"1/A1": ["unknown"]}), repeatable=True).of(orders(["A1"]))
    assert (run.sent, run.statuses) == (["1/A1", "1/A1"], {"1/A1": "created"})


def test_a_wrong_token_costs_one_request() -> None:
    run = Run(FakePlatform({"1/A1": ["stop"]}), concurrency=8).of(orders(["A1", "A2"], ["B1"], ["C1"]))
    assert run.sent == ["1/A1"]
    assert run.stopped_because == "it says stop"
    assert run.told == {
        "1/A1": Outcome(Status.NOT_SENT, "destination-401", "it says stop", 401, 1, seconds_later(1.001))
    }


def test_a_token_refused_midway_stops_the_feeding_and_lets_the_rest_end() -> None:
    script = {"2/B1": ["stop"]}
    run = Run(FakePlatform(script), concurrency=3).of(orders(["A1"], ["B1"], ["C1"], ["D1"], ["E1"]))
    assert run.stopped_because == "it says stop"
    assert run.statuses == {"1/A1": "created", "2/B1": "not-sent", "3/C1": "created", "4/D1": "created"}


def failing(first: int, last: int, *answers: str) -> dict[str, list[str]]:
    """A script in which orders from ``first`` to ``last``, with a fulfillment each, get ``answers``."""
    return {f"{number}/A": list(answers) for number in range(first, last + 1)}


def one_each(count: int) -> list[list[Fulfillment]]:
    return orders(*(["A"] for _ in range(count)))


def test_an_unreachable_destination_is_probed_with_one_post_at_a_time_until_it_answers() -> None:
    run = Run(FakePlatform({"1/A": ["never reached"] * 6}, seconds=0.0), concurrency=4).of(one_each(6))
    assert run.sent[:7] == ["1/A"] * 7
    assert (run.ledger.in_flight_at_most, run.stopped_because) == (4, "")
    assert run.statuses == {f"{number}/A": "created" for number in range(1, 7)}
    assert run.told["1/A"].attempts == 7  # more than three: an outage is no matter of one fulfillment
    assert run.said[0] == "the destination can't be reached; next try in 3 s, giving up in 298 s"
    assert run.said[-1] == ""


def test_a_destination_that_stays_unreachable_is_given_up_after_the_time_for_it() -> None:
    script = failing(1, 99, *["never reached"] * 9)
    run = Run(FakePlatform(script, seconds=0.0), concurrency=4, give_up=40.0).of(one_each(99))
    assert run.stopped_because == (
        "the destination can't be reached, and 40 s of trying again were in vain; the last one, "
        "connection refused"
    )
    assert len(run.sent) == 3 + 3
    assert run.ledger.in_flight_at_most == 1
    assert set(run.statuses.values()) == {"failed"}


def test_one_fulfillment_that_always_fails_is_parked_and_the_run_goes_on() -> None:
    run = Run(FakePlatform({"50/A": ["try again"] * 99}), concurrency=4).of(one_each(100))
    assert run.stopped_because == ""
    assert run.sent.count("50/A") == 3
    assert [name for name, status in run.statuses.items() if status != "created"] == ["50/A"]
    assert run.said == []


def test_twenty_failing_orders_in_a_row_open_the_breaker_and_in_the_end_stop_the_run() -> None:
    script = failing(3, 98, "try again")
    run = Run(FakePlatform(script, seconds=0.0), max_attempts=1).of(one_each(98))
    assert len(run.sent) == 22 + 7
    gaps = [later - earlier for earlier, later in pairwise(run.platform.sent_at)][21:]
    assert [round(gap) for gap in gaps] == [5, 10, 20, 40, 60, 60, 60]
    assert run.stopped_because == (
        "the fulfillments of 20 orders in a row failed or are in doubt, and 300 s of trying again were in "
        "vain; the last one, 29/A: it says try again"
    )


def test_an_outage_that_ends_in_time_costs_no_more_than_the_fulfillments_that_showed_it() -> None:
    run = Run(FakePlatform(failing(31, 55, "unknown")), concurrency=4).of(one_each(200))
    assert run.stopped_because == ""
    assert Counter(run.statuses.values()) == {"created": 175, "in-doubt": 25}
    assert run.said[-1] == ""


@pytest.mark.parametrize(
    ("give_up", "ended", "statuses"),
    [
        (7200.0, "", {"created": 400}),
        (
            300.0,
            "the destination can't be reached, and 300 s of trying again were in vain",
            {"created": 77, "failed": 4},
        ),
    ],
)
def test_ten_minutes_without_the_destination_are_waited_for_or_given_up_as_one_likes(
    give_up: float, ended: str, statuses: dict[str, int]
) -> None:
    platform = FakePlatform(down=(20.0, 620.0))

    run = Run(platform, concurrency=4, give_up=give_up).of(one_each(400))

    assert (run.stopped_because or "").partition(";")[0] == ended
    assert Counter(run.statuses.values()) == statuses
    assert len([at for at in platform.sent_at if 60 <= at < 620]) <= 15  # one at a time, and rarely


def test_a_run_whose_last_fulfillments_find_nobody_there_waits_for_them_and_has_not_ended_well() -> None:
    run = Run(FakePlatform(failing(2, 3, *["never reached"] * 99))).of(one_each(3))
    assert run.statuses == {"1/A": "created", "2/A": "failed"}
    assert run.stopped_because == (
        "the destination can't be reached, and 300 s of trying again were in vain; the last one, "
        "connection refused"
    )


def test_a_run_that_comes_to_its_end_while_the_destination_fails_has_not_ended_well() -> None:
    run = Run(FakePlatform(failing(2, 21, "unknown"))).of(one_each(21))
    assert Counter(run.statuses.values()) == {"created": 1, "in-doubt": 20}
    assert (run.stopped_because or "").startswith("the fulfillments of 20 orders in a row failed or are")


def test_without_time_to_give_up_twenty_orders_in_doubt_stop_the_run() -> None:
    run = Run(FakePlatform(failing(1, 98, "unknown")), give_up=0.0).of(one_each(98))
    assert len(run.sent) == 20


def test_a_halt_wakes_what_waits_for_the_destination_to_come_back() -> None:
    script = failing(1, 99, *["never reached"] * 9)
    run = Run(FakePlatform(script), concurrency=4, stops=[(30.0, "SIGTERM")]).of(one_each(99))
    assert run.stopped_because == "SIGTERM"
    assert set(run.statuses.values()) == {"failed"}
    assert run.ledger.in_flight_at_most == 1


def test_the_retries_of_a_run_have_a_budget_and_what_is_past_it_is_tried_once() -> None:
    script = {f"1/B{number}": ["try again"] * 4 for number in range(60)}
    run = Run(FakePlatform(script), max_attempts=4)
    run.of([[fulfillment(number, "1", f"B{number}") for number in range(60)]])
    attempts = [outcome.attempts for outcome in run.told.values()]
    assert attempts == [4] * 33 + [2] + [1] * 26
    assert run.told["1/B40"].message == (
        "it says try again (not tried again: so much else failed, too, that this run's retries are used up)"
    )


def test_retries_that_succeed_cost_nothing_in_the_end() -> None:
    script = {f"1/B{number}": ["try again"] * 3 for number in range(60)}
    run = Run(FakePlatform(script), max_attempts=4)
    run.of([[fulfillment(number, "1", f"B{number}") for number in range(60)]])
    assert set(run.statuses.values()) == {"created"}


def test_a_deadline_ends_the_feeding_and_lets_what_is_in_flight_end() -> None:
    run = Run(FakePlatform(), concurrency=2, deadline=Deadline(4.5, "--max-time 4s is over")).of(one_each(99))
    assert run.stopped_because == "--max-time 4s is over"
    assert run.statuses == {f"{number}/A": "created" for number in range(1, 9 + 1)}


def test_a_deadline_that_is_over_sends_nothing() -> None:
    run = Run(FakePlatform(), deadline=Deadline(0.0, "--max-time 0s is over")).of(one_each(3))
    assert (run.stopped_because, run.sent) == ("--max-time 0s is over", [])


def test_what_is_in_flight_when_the_run_is_to_stop_has_so_long_and_no_longer() -> None:
    run = Run(FakePlatform(seconds=1000.0), stops=[(2.0, "SIGTERM")], drain=30.0).of(one_each(3))
    words = "cut short while its answer was awaited: SIGTERM"
    at = seconds_later(32.0)
    assert run.told == {"1/A": Outcome(Status.IN_DOUBT, "outcome-unknown", words, None, 1, at)}


def test_what_is_cut_short_before_it_was_sent_has_surely_not_been_done() -> None:
    platform = FakePlatform(seconds=1000.0, reach=Reach.NEVER_SENT)
    run = Run(platform, stops=[(2.0, "SIGINT"), (3.0, "again!")]).of(one_each(3))
    assert run.statuses == {"1/A": "failed"}
    assert run.told["1/A"].code == "destination-unreachable"


def test_a_destination_that_asks_to_wait_gets_fewer_posts_at_once() -> None:
    crowd = Crowd()
    run = Run(crowd, concurrency=16, max_attempts=50).of(one_each(300))
    assert set(run.statuses.values()) == {"created"}
    assert crowd.most_at_once > 8
    assert crowd.asked_to_wait < 60
    assert run.said[0].startswith("asked to wait ")
    assert run.said[-1] == ""


class Crowd(FakePlatform):
    """Bears four posts at once and asks others to wait."""

    most_at_once: int = 0
    asked_to_wait: int = 0

    async def answer(self, request: Request) -> Answer | NoAnswer:
        self.most_at_once = max(self.most_at_once, self.in_flight + 1)
        if self.in_flight < 4:
            return await super().answer(request)
        self.asked_to_wait += 1
        self.in_flight += 1
        await asyncio.sleep(self.seconds)
        self.in_flight -= 1
        return Answer(429, {}, b"wait for 1")


def test_failures_of_one_order_and_those_with_an_answer_between_do_not_stop_the_run() -> None:
    many = [f"A{number}" for number in range(30)]
    script = {f"1/{number}": ["try again"] for number in many} | {
        f"{order}/B": ["unknown" if order % 10 else "refused"] for order in range(2, 60)
    }
    run = Run(FakePlatform(script), max_attempts=1).of(orders(many, *(["B"] for _ in range(2, 60))))
    assert (run.stopped_because, len(run.sent)) == ("", 88)


def test_a_halt_lets_what_is_in_flight_end_and_begins_nothing_more() -> None:
    run = Run(FakePlatform(), concurrency=2, stops=[(1.5, "SIGINT")]).of(
        orders(["A1", "A2", "A3"], ["B1"], ["C1"])
    )
    assert run.stopped_because == "SIGINT"
    assert run.statuses == {"1/A1": "created", "1/A2": "created", "2/B1": "created"}


@pytest.mark.parametrize(
    ("answer", "status", "code", "http_status"),
    [
        ("try again", Status.FAILED, "destination-500", 500),
        ("never reached", Status.FAILED, "destination-unreachable", None),
        ("wait for 600", Status.FAILED, "destination-429", 429),
        ("unknown", Status.IN_DOUBT, "outcome-unknown", None),
    ],
)
def test_a_halt_wakes_what_waits_for_its_next_attempt(
    answer: str, status: Status, code: str, http_status: int | None
) -> None:
    platform = FakePlatform({"1/A1": [answer]})
    run = Run(platform, stops=[(1.2, "SIGTERM")], repeatable=True).of(orders(["A1"], ["B1"]))
    outcome = run.told["1/A1"]
    assert (outcome.status, outcome.code, outcome.http_status) == (status, code, http_status)
    assert outcome.message.endswith("; not tried again, since the run stopped: SIGTERM")
    assert (outcome.attempts, outcome.at) == (1, seconds_later(1.001))
    assert run.sent == ["1/A1"]


def test_a_halt_wakes_what_waits_for_its_turn() -> None:
    run = Run(FakePlatform(seconds=0.0), concurrency=3, rate=(0.01, 1), stops=[(5.0, "SIGTERM")])
    run.of(orders(["A1"], ["B1"], ["C1"], ["D1"]))
    assert (run.stopped_because, run.statuses) == ("SIGTERM", {"1/A1": "created"})
    assert run.log[-1] == "told 1/A1"


def test_a_halt_before_the_start_sends_nothing() -> None:
    async def main() -> tuple[str, list[str]]:
        platform, halt = FakePlatform(), Halt()
        halt.stop("SIGINT")
        reason = await post_all(
            orders(["A1"]),
            FakeDestination(),
            FakeLedger(),
            Rules("run 1", 2, 30.0, 3),
            platform.connect,
            lambda *told: pytest.fail(f"told {told}"),
            halt,
        )
        return reason, platform.log

    assert run_jumping(main()) == ("SIGINT", [])


def test_a_halt_between_intent_and_request_sends_nothing_and_leaves_no_doubt() -> None:
    run = Run(FakePlatform(), stops=[(0.0005, "SIGINT")]).of(orders(["A1"], ["B1"]))
    assert run.log == ["intend 1/A1 sending", "record 1/A1 not-sent", "told 1/A1"]


def test_a_second_halt_cuts_short_what_is_in_flight_and_records_the_doubt() -> None:
    platform = FakePlatform(seconds=1000.0)
    run = Run(platform, stops=[(2.0, "SIGINT"), (3.0, "again!"), (3.0, "and again!")])
    run.of(orders(["A1"], ["B1"]))
    words = "cut short while its answer was awaited: SIGINT"
    assert run.told == {
        "1/A1": Outcome(Status.IN_DOUBT, "outcome-unknown", words, None, 1, seconds_later(3.0))
    }
    assert (run.stopped_because, run.sent, platform.in_flight) == ("SIGINT", ["1/A1"], 0)


def test_a_halt_at_once_leaves_no_second_attempt_even_where_keys_are_honoured() -> None:
    run = Run(FakePlatform(seconds=1000.0), stops=[(3.0, "now!")], repeatable=True)
    run.of(orders(["A1"], ["B1"]))
    assert (run.sent, run.statuses) == (["1/A1"], {"1/A1": "in-doubt"})


def test_a_full_disk_before_the_first_request_sends_nothing() -> None:
    ledger = FakeLedger(full_for=frozenset({"intend 1/A1"}))
    run = Run(FakePlatform(), ledger, concurrency=4).of(orders(["A1"], ["B1"]))
    assert (str(run.error), run.log) == ("ledger: can't write intend 1/A1: disk full", [])


def test_a_full_disk_midway_ends_what_is_in_flight_and_sends_nothing_more() -> None:
    ledger = FakeLedger(full_for=frozenset({"intend 3/C1"}))
    run = Run(FakePlatform(), ledger, concurrency=3).of(orders(["A1", "A2", "A3"], ["B1"], ["C1"], ["D1"]))
    assert str(run.error) == "ledger: can't write intend 3/C1: disk full"
    assert run.statuses.keys() == {"1/A1", *(set(run.sent) - {"1/A1"})}
    assert "3/C1" not in run.sent
    assert "1/A3" not in run.sent


def test_of_several_errors_the_first_comes_out() -> None:
    ledger = FakeLedger(full_for=frozenset({"intend 2/B1", "record 1/A2"}))
    run = Run(FakePlatform(), ledger, concurrency=2).of(orders(["A1", "A2"], ["B1"]))
    assert str(run.error) == "ledger: can't write intend 2/B1: disk full"


def test_an_outcome_that_cannot_be_written_is_told_to_nobody() -> None:
    ledger = FakeLedger(full_for=frozenset({"record 1/A1"}))
    run = Run(FakePlatform(), ledger, concurrency=2).of(orders(["A1"], ["B1"]))
    assert str(run.error) == "ledger: can't write record 1/A1: disk full"
    assert (run.told, run.sent) == ({}, ["1/A1"])


def test_an_error_of_the_source_of_orders_comes_out_after_what_is_in_flight() -> None:
    def supply() -> Iterator[Sequence[Fulfillment]]:
        yield from orders(["A1", "A2", "A3", "A4", "A5"], ["B1"])
        raise CannotGoOn("can't read the manifest again")

    run = Run(FakePlatform({"2/B1": ["never reached"]}), concurrency=2).of(supply())
    assert str(run.error) == "can't read the manifest again"
    created = ["1/A1", "1/A2", "1/A3", "1/A4", "2/B1"]
    assert run.statuses == dict.fromkeys(created, "created")


class _LedgerThatIsGone(FakeLedger):
    """Takes intents and never commits them."""

    future: Promise[None] = field(default_factory=Promise)

    def intend(
        self, intent: Intent, *, accept_doubt: bool, before: Sequence[Happening], sent: bool
    ) -> Promise[None]:
        del before, sent
        self.intents.append(intent)
        self.doubt_accepted.append(accept_doubt)
        self.future = Promise()
        return self.future


def test_cancelling_a_run_cancels_nothing_of_the_ledgers() -> None:
    async def main() -> None:
        ledger = _LedgerThatIsGone()
        async with _posting(ledger):
            await asyncio.sleep(1)
        assert not ledger.future.done()

    run_jumping(main())


@asynccontextmanager
async def _posting(ledger: FakeLedger) -> AsyncIterator[None]:
    run = Run(FakePlatform(), ledger)
    task = asyncio.ensure_future(run.main(orders(["A1"])))
    yield
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def looking(script: dict[str, list[str]], **more: Any) -> Run:  # noqa: ANN401 - as Run has them
    """A run to a destination that is looked at before it is written to."""
    return Run(FakePlatform(script), readable=True, repeatable=True, **more)


def test_one_look_serves_all_fulfillments_of_an_order() -> None:
    run = looking({"look 1": ["has A2"]}).of(orders(["A1", "A2", "A3"], ["B1"]))
    assert run.sent == ["look 1", "1/A1", "1/A3", "look 2", "2/B1"]
    assert run.statuses == {"1/A1": "created", "1/A2": "skipped", "1/A3": "created", "2/B1": "created"}
    assert run.told["1/A2"].code == "already-there"
    assert "1/A2" not in run.ledger.states


def test_after_an_unknown_outcome_it_is_looked_up_before_it_is_sent_again() -> None:
    there = looking({"1/A1": ["unknown"], "look 1": ["has", "has A1"]}).of(orders(["A1"]))
    assert (there.sent, there.statuses) == (["look 1", "1/A1", "look 1"], {"1/A1": "created"})
    assert there.ledger.states == {"1/A1": State.CREATED}

    absent = looking({"1/A1": ["unknown"], "look 1": ["has", "has", "has"]}).of(orders(["A1"]))
    assert absent.sent == ["look 1", "1/A1", "look 1", "look 1", "1/A1"]
    assert absent.statuses == {"1/A1": "created"}
    lost_at, again_at = absent.platform.sent_at[1] + 1, absent.platform.sent_at[4]
    assert again_at - lost_at > 30  # the time that the platform may take to do what it was asked


def test_what_comes_into_effect_late_is_seen_before_it_would_be_sent_again() -> None:
    run = looking({"1/A1": ["unknown"], "look 1": ["has", "has", "has A1"]}).of(orders(["A1"]))
    assert (run.sent.count("1/A1"), run.statuses) == (1, {"1/A1": "created"})


def test_after_a_wait_everything_is_looked_up_anew() -> None:
    script = {"1/A1": ["unknown", "wait for 600"], "look 1": ["has", "has", "has", "has A1"]}
    run = looking(script, max_attempts=9).of(orders(["A1"]))
    assert run.sent == ["look 1", "1/A1", "look 1", "look 1", "1/A1", "look 1"]
    assert run.statuses == {"1/A1": "created"}

    asked_to_wait = looking({"1/A1": ["wait for 600"], "look 1": ["has", "has A1"]}).of(orders(["A1"]))
    assert asked_to_wait.statuses == {"1/A1": "updated"}
    assert asked_to_wait.ledger.states == {"1/A1": State.UPDATED}


def test_a_halt_in_the_last_look_leaves_what_is_known() -> None:
    script = {"1/A1": ["unknown"]}
    run = looking(script, max_attempts=1, rate=(0.1, 2), stops=[(5.0, "SIGTERM")]).of(orders(["A1"]))
    assert (run.sent, run.statuses) == (["look 1", "1/A1"], {"1/A1": "in-doubt"})
    assert run.ledger.states == {"1/A1": State.IN_DOUBT}


def test_a_halt_while_something_in_doubt_is_intended_leaves_it_in_doubt() -> None:
    run = Run(FakePlatform(), accept_doubt=True, in_doubt={0: 99.0}, stops=[(0.0005, "SIGINT")])
    run.of(orders(["A1"], ["B1"]))
    assert (run.sent, run.statuses) == ([], {"1/A1": "in-doubt"})


def test_what_another_answer_follows_is_looked_up_before_it_is_called_in_doubt() -> None:
    refused = {"1/A1": ["unknown", "refused"], "look 1": ["has", "has", "has", "has A1"]}
    assert looking(refused).of(orders(["A1"])).statuses == {"1/A1": "created"}
    waiting = {"1/A1": ["unknown", "wait", "wait"], "look 1": [*["has"] * 4, "has A1"]}
    assert looking(waiting).of(orders(["A1"])).statuses == {"1/A1": "created"}


def test_giving_up_is_not_put_off_by_being_asked_to_wait() -> None:
    script = failing(1, 98, "try again") | {"21/A": ["wait for 900"] * 9}
    run = Run(FakePlatform(script, seconds=0.0), max_attempts=1, give_up=300.0).of(one_each(98))
    assert run.stopped_because is not None
    assert "300 s of trying again were in vain" in run.stopped_because
    assert max(run.platform.sent_at) < 600


def test_what_cannot_be_looked_up_again_stays_in_doubt() -> None:
    script = {"1/A1": ["unknown"], "look 1": ["has", "never reached", "try again"]}
    run = looking(script).of(orders(["A1"], ["B1"]))
    assert run.sent == ["look 1", "1/A1", "look 1", "look 1", "look 1", "look 2", "2/B1"]
    assert run.statuses == {"1/A1": "in-doubt", "2/B1": "created"}
    assert run.ledger.states["1/A1"] is State.IN_DOUBT


def test_after_the_last_attempt_there_is_a_last_look() -> None:
    there = looking({"1/A1": ["unknown"], "look 1": ["has", "has A1"]}, max_attempts=1).of(orders(["A1"]))
    assert (there.sent, there.statuses) == (["look 1", "1/A1", "look 1"], {"1/A1": "created"})

    absent = looking({"1/A1": ["unknown"], "look 1": ["has", "has"]}, max_attempts=1).of(orders(["A1"]))
    assert (absent.sent, absent.statuses) == (["look 1", "1/A1", "look 1"], {"1/A1": "in-doubt"})


def test_a_look_that_fails_is_tried_again_and_leaves_nothing_in_the_ledger() -> None:
    script = {"look 1": ["unknown", "wait for 7", "has"], "look 2": ["try again"] * 3, "look 3": ["refused"]}
    run = looking(script).of(orders(["A1"], ["B1"], ["C1"]))
    assert run.statuses == {"1/A1": "created", "2/B1": "failed", "3/C1": "rejected"}
    assert run.ledger.states.keys() == {"1/A1"}


def test_a_token_that_is_refused_to_the_first_look_costs_one_request() -> None:
    run = looking({"look 1": ["stop"]}, concurrency=8).of(orders(["A1"], ["B1"]))
    assert (run.sent, run.stopped_because) == (["look 1"], "it says stop")
    assert run.ledger.intents == []


def test_what_an_earlier_run_left_in_doubt_is_looked_up_first() -> None:
    script = {"look 1": ["has A1"], "look 3": ["refused"]}
    run = looking(script, in_doubt=dict.fromkeys(range(3), 99.0)).of(orders(["A1"], ["B1"], ["C1"]))
    assert run.sent == ["look 1", "look 2", "2/B1", "look 3"]
    assert run.statuses == {"1/A1": "updated", "2/B1": "created", "3/C1": "in-doubt"}
    assert run.ledger.doubt_accepted == [True, True]
    assert run.ledger.states == {"1/A1": State.UPDATED, "2/B1": State.CREATED, "3/C1": State.IN_DOUBT}
    found_there = [Event.LOOKED_UP, Event.UPDATED]
    sent_again = [Event.LOOKED_UP, Event.SENDING, Event.CREATED]
    assert run.ledger.history == [*found_there, *sent_again, Event.LOOKED_UP]


def test_the_ledger_hears_what_every_attempt_and_look_up_told() -> None:
    again = looking({"1/A1": ["unknown"], "look 1": ["has", "has A1"]}).of(orders(["A1"]))
    assert again.ledger.history == [Event.SENDING, Event.IN_DOUBT, Event.LOOKED_UP, Event.CREATED]
    last = looking({"1/A1": ["unknown"], "look 1": ["has", "has A1"]}, max_attempts=1).of(orders(["A1"]))
    assert last.ledger.history == [Event.SENDING, Event.TRIED, Event.LOOKED_UP, Event.CREATED]
    unseen = looking({"1/A1": ["unknown"]}, max_attempts=1).of(orders(["A1"]))
    assert unseen.ledger.history == [Event.SENDING, Event.TRIED, Event.LOOKED_UP, Event.IN_DOUBT]
    retried = Run(FakePlatform({"1/A1": ["try again"]})).of(orders(["A1"]))
    assert retried.ledger.history == [Event.SENDING, Event.FAILED, Event.SENDING, Event.CREATED]


def test_the_ledger_hears_of_what_was_looked_up_and_never_sent() -> None:
    run = looking({"look 1": ["has A1"], "look 2": ["refused"]}).of(orders(["A1"], ["B1"]))
    assert (run.statuses, run.ledger.states) == ({"1/A1": "skipped", "2/B1": "rejected"}, {})
    assert run.ledger.history == [Event.LOOKED_UP, Event.LOOKED_UP]


ANSWERS = [
    "created",
    "updated",
    "refused",
    "wait",
    "wait for 9",
    "try again",
    "never reached",
    "unknown",
    "stop",
]
SCRIPTS = st.lists(
    st.lists(st.lists(st.sampled_from(ANSWERS), max_size=5), min_size=1, max_size=3), max_size=8
)


@given(
    answers=SCRIPTS,
    concurrency=st.integers(1, 4),
    stop=st.none() | st.floats(0, 20),
    stop_now=st.none() | st.floats(0, 20),
    random=st.floats(0, 1),
)
def test_whatever_is_answered_each_fulfillment_begun_ends_once_and_the_unknown_is_never_sent_again(
    answers: list[list[list[str]]],
    concurrency: int,
    stop: float | None,
    stop_now: float | None,
    random: float,
) -> None:
    script = {
        f"{number}/A{place}": replies
        for number, order in enumerate(answers, start=1)
        for place, replies in enumerate(order)
    }
    stops = [(at, reason) for at, reason in ((stop, "SIGINT"), (stop_now, "again!")) if at is not None]
    run = Run(FakePlatform(script), concurrency=concurrency, random=random, stops=stops)
    run.of(orders(*([f"A{place}" for place in range(len(order))] for order in answers)))

    begun = {"/".join((*intent.order_ids, intent.tracking_number)) for intent in run.ledger.intents}
    assert run.told.keys() == begun == run.ledger.states.keys()
    if not run.stopped_because:
        assert begun == script.keys()
    for name, outcome in run.told.items():
        assert run.sent.count(name) == outcome.attempts
        received = script[name][: outcome.attempts]
        assert "unknown" not in received[:-1]
        assert not {"created", "updated", "refused", "stop"}.intersection(received[:-1])
        story = " ".join(event.replace(f" {name}", "") for event in run.log if event.split()[1] == name)
        assert STORY.fullmatch(story)


STORY = re.compile(
    r"(intend sending send answer record failed )*"
    r"intend sending (send (answer )?)?record (failed|created|updated|rejected|in-doubt|not-sent) told"
)
"""Each attempt is intended first, and between attempts the ledger says that it has failed."""

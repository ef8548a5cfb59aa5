"""No sequence of answers, crashes and reruns sends a fulfillment again after an answer or while unknown.

A state machine drives a real ledger and a destination that counts what it did. What it knows of each
fulfillment it has kept itself, from what was sent and answered, and the ledger is held to that.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec import Struct

from importer.errors import RunInProgress
from importer.ledger import Ledger, TransitionRefused
from importer.model import Event, Intent, Outcome, State, Status
from tests.homes import Homes, at

if TYPE_CHECKING:
    from importer.ledger import Promise

ADM = "adm https://adm.example"
CONTENTS = ("c1", "c2")
MEANT = {
    Event.FOUND_IN_DOUBT: State.IN_DOUBT,
    Event.SETTLED_CREATED: State.CREATED,
    Event.SETTLED_NOT_CREATED: State.FAILED,
}
"""The state that an event came to that is not called as it."""
Key = tuple[str, str]
KEYS: tuple[Key, ...] = (("1001", "TRACK00001"), ("1001", "TRACK00002"), ("1002", "TRACK00001"))


class Reply(Struct, frozen=True):
    """What the destination does with a request, and what the run makes of its answer."""

    effect: bool
    outcome: Outcome


REPLIES = {
    "created": Reply(effect=True, outcome=Outcome(Status.CREATED, http_status=200, attempts=1)),
    "refused": Reply(
        effect=False, outcome=Outcome(Status.REJECTED, "destination-404", "no such order", 404, 1)
    ),
    "a 500": Reply(effect=False, outcome=Outcome(Status.FAILED, "destination-500", "try again", 500, 5)),
    "a 500 that lies": Reply(
        effect=True, outcome=Outcome(Status.FAILED, "destination-500", "try again", 500, 5)
    ),
    "nothing, but it did it": Reply(
        effect=True, outcome=Outcome(Status.IN_DOUBT, "outcome-unknown", "no reply", None, 1)
    ),
    "nothing": Reply(effect=False, outcome=Outcome(Status.IN_DOUBT, "outcome-unknown", "no reply", None, 1)),
    "unreachable": Reply(
        effect=False, outcome=Outcome(Status.FAILED, "destination-unreachable", "refused", None, 5)
    ),
    "stopped before": Reply(
        effect=False, outcome=Outcome(Status.NOT_SENT, "run-stopped", "stopped", None, 0)
    ),
}


class Moment(StrEnum):
    """How far the posting of a fulfillment gets before its run crashes."""

    BEGUN = "the intent is in the ledger"
    SENT = "the destination has done what it does"
    RECORDED = "the outcome is in the ledger"


class Posting(RuleBasedStateMachine):
    """Runs that post, one after the other, with one ledger."""

    def __init__(self, homes: Homes) -> None:
        super().__init__()
        self.world = ExitStack()
        self.place = at(self.world.enter_context(homes()))
        self.runs = 0
        self.run = ExitStack()
        self.ledger: Ledger | None = None
        self.effects: Counter[Key] = Counter()
        self.accepted: Counter[Key] = Counter()
        self.denied: Counter[Key] = Counter()
        self.story: dict[Key, tuple[State, str]] = {}
        self.settled: set[Key] = set()

    def teardown(self) -> None:
        self.end()
        self.world.close()

    # a run begins and ends

    def running(self) -> Ledger:
        if self.ledger is None:
            self.runs += 1
            self.ledger = self.alone(self.run)
        return self.ledger

    def end(self) -> None:
        """End the run; whatever is in flight, answered or not, is forgotten but for what the ledger has."""
        self.run.close()
        self.ledger = None

    def alone(self, stack: ExitStack) -> Ledger:
        """Open the ledger, have it alone, and call in-doubt what a dead run was sending."""
        ledger = stack.enter_context(Ledger(self.place))
        stack.enter_context(ledger.lock(ADM, run_id=f"run-{self.runs}"))
        left = {key: content for key, (state, content) in self.story.items() if state is State.SENDING}
        assert ledger.recover(ADM) == len(left)
        self.story |= {key: (State.IN_DOUBT, content) for key, content in left.items()}
        self.compare(ledger)
        return ledger

    @precondition(lambda self: self.hangs)
    @rule()
    def another_run_at_once(self) -> None:
        with Ledger(self.place) as other:
            if other.shared:
                self.finds_nothing_to_do(other)
                return
            with pytest.raises(RunInProgress), other.lock(ADM):
                pass

    def finds_nothing_to_do(self, other: Ledger) -> None:
        """Where runs are side by side, one leaves alone what another one is sending."""
        with other.lock(ADM, run_id="another"):
            assert other.recover(ADM) == 0
            for key in [key for key, (state, _) in self.story.items() if state is State.SENDING]:
                assert f"run run-{self.runs} " in other.claim(ADM, "another", [key]).result().by

    @property
    def hangs(self) -> bool:
        """Whether a run goes on and something is in flight."""
        return self.ledger is not None and State.SENDING in {state for state, _ in self.story.values()}

    # a fulfillment is sent

    @rule(
        data=st.data(),
        content=st.sampled_from(CONTENTS),
        accept_doubt=st.booleans(),
        reply=st.sampled_from([*REPLIES, "refused", "a 500 that lies"]),
        until=st.sampled_from([*Moment, Moment.RECORDED, Moment.RECORDED, Moment.RECORDED]),
        crash=st.sampled_from([False, False, True]),
    )
    def post(
        self, *, data: st.DataObject, content: str, accept_doubt: bool, reply: str, until: Moment, crash: bool
    ) -> None:
        """Post it up to some moment, where the run crashes, or goes on with others while this one hangs."""
        ledger = self.running()
        done = {key for key, (state, _) in self.story.items() if state is State.CREATED}
        key = data.draw(st.sampled_from([key for key in KEYS if key not in done] * 2 + sorted(done)))
        intent = Intent(ADM, (key[0],), key[1], content, f"run-{self.runs}")
        if self.begins(intent, key, ledger.intend(intent, accept_doubt=accept_doubt), accepted=accept_doubt):
            if until is not Moment.BEGUN:
                self.effects[key] += REPLIES[reply].effect
                self.denied[key] += reply == "a 500 that lies"
            if until is Moment.RECORDED:
                outcome = ledger.record(intent, REPLIES[reply].outcome).result()
                assert outcome.status in {REPLIES[reply].outcome.status, Status.IN_DOUBT}
                self.story[key] = (State(outcome.status), content)
        if crash:
            self.end()

    def begins(self, intent: Intent, key: Key, begun: Promise[None], *, accepted: bool) -> bool:
        """Whether the ledger lets it be sent, which it does just when what is known allows it."""
        state, content = self.story.get(key, (None, ""))
        again = accepted and state is State.IN_DOUBT and intent.content == content
        mended = state is State.REJECTED and intent.content != content
        allowed = again or mended or state in {None, State.FAILED, State.NOT_SENT}
        assert isinstance(begun.exception(), TransitionRefused if not allowed else type(None))
        if allowed:
            self.accepted[key] += again
            self.story[key] = (State.SENDING, intent.content)
            self.settled.discard(key)
        return allowed

    # a person looks it up

    @precondition(lambda self: self.story)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        ledger = self.running()
        key = data.draw(st.sampled_from(sorted(self.story)))
        state, content = self.story[key]
        settled = ledger.settle(ADM, *key, created=self.effects[key] > 0, by="kim")
        if state in {State.IN_DOUBT, State.REJECTED} or key in self.settled:
            self.story[key] = (settled.result().state, content)
            self.settled.add(key)
        else:
            assert isinstance(settled.exception(), TransitionRefused)

    # what holds at any time

    @invariant()
    def nothing_is_done_twice_unless_somebody_accepted_it_or_the_destination_denied_it(self) -> None:
        assert all(count <= 1 + self.accepted[key] + self.denied[key] for key, count in self.effects.items())

    @invariant()
    def what_the_ledger_says_is_so(self) -> None:
        for key, (state, _) in self.story.items():
            if state is State.CREATED:
                assert self.effects[key] > 0
            elif state in {State.REJECTED, State.FAILED, State.NOT_SENT}:
                assert self.effects[key] == 0 or (self.denied[key] and state is not State.REJECTED)

    @invariant()
    def nothing_is_lost(self) -> None:
        if self.ledger is not None:
            self.compare(self.ledger)

    def compare(self, ledger: Ledger) -> None:
        entries = ledger.entries(ADM, KEYS)
        assert {key: (entry.state, entry.content) for key, entry in entries.items()} == self.story
        last = {
            found[1:]: happened[-1].event
            for order_id in {order_id for order_id, _ in KEYS}
            for found, happened in ledger.history(order_id=order_id).items()
        }
        assert {key: MEANT.get(event, event) for key, event in last.items()} == {
            key: state for key, (state, _) in self.story.items()
        }


def test_no_sequence_of_answers_crashes_and_reruns_sends_again_what_was_answered_or_is_unknown(
    homes: Homes,
) -> None:
    with homes() as home:
        examples = 50 if isinstance(home, Path) else 15  # commits to a database take their time

    class AtHome(Posting):
        def __init__(self) -> None:
            super().__init__(homes)

    run_state_machine_as_test(
        AtHome,
        settings=settings(max_examples=examples, stateful_step_count=30, deadline=None),
    )

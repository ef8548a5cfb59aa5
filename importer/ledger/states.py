"""Which state may follow which, as tables: the rule that nothing is sent twice, without any I/O.

::

    (unknown), not-sent, failed ──────────────> sending ──> created | updated            (final)
    rejected ── with other content only ──────> sending ──> rejected | failed | not-sent
    in-doubt ── same content, and on request ─> sending ──> in-doubt
    in-doubt, rejected ── a person found out ─────────────> created | failed

What was in doubt and is sent again on request stays in doubt until an answer says that it is there: the
second attempt may be refused or fail, and the first one may have done it all the same. What a person has
found out leaves no such doubt: sent again after that, it is what the answer says.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec.structs import replace

from importer.errors import CannotGoOn
from importer.model import Entry, Intent, Outcome, State, Status, fulfillment_name
from schemas.codes import code_of

OUTCOME_UNKNOWN: Final = "outcome-unknown"
"""The code of what is in doubt; on a ``sending`` entry it says that an earlier attempt is in doubt."""
TAKEN_AT_ITS_WORD: Final = "destination-500"
"""The code of what failed because the destination said so; a later refusal may mean that it was done."""
SETTLED: Final = "settled"
"""The code of what a person has found out."""

NEXT: Final[Mapping[State | None, frozenset[State]]] = {
    None: frozenset({State.SENDING}),
    State.NOT_SENT: frozenset({State.SENDING}),
    State.FAILED: frozenset({State.SENDING}),
    State.REJECTED: frozenset({State.SENDING, State.CREATED, State.FAILED}),
    State.IN_DOUBT: frozenset({State.SENDING, State.CREATED, State.FAILED}),
    State.SENDING: frozenset(State) - {State.SENDING},
    State.CREATED: frozenset(),
    State.UPDATED: frozenset(),
}
"""The states that may follow; None is what the ledger has nothing of. ``verdict`` narrows it by content."""
DONE: Final = frozenset({State.CREATED, State.UPDATED})
"""Where nothing follows any more."""
DOUBTED: Final = frozenset({State.IN_DOUBT, State.SENDING})
"""Where the outcome is unknown; ``sending`` is so once its run has ended."""
_MAY_BE_SETTLED: Final = frozenset({State.IN_DOUBT, State.REJECTED})


class TransitionRefused(CannotGoOn):
    """A change would break the rule that nothing is sent twice; it was not made."""


class Verdict(StrEnum):
    """What the ledger's entry means for a fulfillment that is about to be sent."""

    SEND = "send"
    DONE = "done"
    CHANGED = "changed"
    REFUSED_BEFORE = "refused before"
    IN_DOUBT = "in doubt"


_SAME_CONTENT: Final[Mapping[State, Verdict]] = {
    State.NOT_SENT: Verdict.SEND,
    State.FAILED: Verdict.SEND,
    State.REJECTED: Verdict.REFUSED_BEFORE,
    State.SENDING: Verdict.IN_DOUBT,
    State.IN_DOUBT: Verdict.IN_DOUBT,
    State.CREATED: Verdict.DONE,
    State.UPDATED: Verdict.DONE,
}
_OTHER_CONTENT: Final[Mapping[State, Verdict]] = {
    State.NOT_SENT: Verdict.SEND,
    State.FAILED: Verdict.SEND,
    State.REJECTED: Verdict.SEND,
    State.SENDING: Verdict.CHANGED,
    State.IN_DOUBT: Verdict.CHANGED,
    State.CREATED: Verdict.CHANGED,
    State.UPDATED: Verdict.CHANGED,
}
_WORDS: Final = {
    "": "being sent",
    OUTCOME_UNKNOWN: "sent again; what became of the first time is unknown",
    TAKEN_AT_ITS_WORD: "sent again, after the destination said that it had failed",
}
_SENT_AGAIN: Final = frozenset({State.FAILED, State.NOT_SENT})
_DOUBTFUL: Final[Mapping[str, frozenset[Status]]] = {
    OUTCOME_UNKNOWN: frozenset({Status.REJECTED, Status.FAILED, Status.NOT_SENT}),
    TAKEN_AT_ITS_WORD: frozenset({Status.REJECTED}),
}
"""What can't be said of a fulfillment that is sent again, by the code that its earlier attempt left."""


def verdict(entry: Entry | None, content: str, *, accept_doubt: bool = False) -> Verdict:
    """Say what ``entry`` means for a fulfillment with ``content``.

    ``accept_doubt`` lets what is in doubt be sent again, with the same content only.
    """
    if entry is None:
        return Verdict.SEND
    if entry.content != content:
        return _OTHER_CONTENT[entry.state]
    if accept_doubt and entry.state is State.IN_DOUBT:
        return Verdict.SEND
    return _SAME_CONTENT[entry.state]


def may_send(entry: Entry | None, content: str, *, accept_doubt: bool = False) -> bool:
    """Say whether a fulfillment with ``content`` may be sent, ``entry`` being what the ledger has of it."""
    return verdict(entry, content, accept_doubt=accept_doubt) is Verdict.SEND


def started(entry: Entry | None, order_id: str, intent: Intent, at: datetime, *, accept_doubt: bool) -> Entry:
    """Return the entry that says that ``intent`` is about to be sent.

    Raises:
        TransitionRefused: ``entry`` does not allow it.
    """
    if entry is not None and not may_send(entry, intent.content, accept_doubt=accept_doubt):
        raise TransitionRefused(
            f"{_name(order_id, intent)}: found it {entry.state} by run {entry.run_id}, expected one that "
            "may be sent, so it was not; run the same command again, which looks at the ledger anew"
        )
    before = _mark(entry)
    return Entry(
        order_id=order_id,
        tracking_number=intent.tracking_number,
        state=State.SENDING,
        content=intent.content,
        run_id=intent.run_id,
        code=before,
        message=_WORDS[before],
        http_status=None,
        attempts=0,
        at=at,
    )


def ended(entry: Entry | None, order_id: str, intent: Intent, outcome: Outcome, at: datetime) -> Entry:
    """Return the entry that says how ``intent`` ended; ``outcome`` is one that ``settled`` returned.

    Raises:
        TransitionRefused: ``entry`` does not say that this run is sending it.
    """
    state = State(outcome.status)
    sending = entry is not None and entry.state is State.SENDING and entry.run_id == intent.run_id
    if entry is None or not sending or state not in NEXT[entry.state]:
        found = "nothing of it" if entry is None else f"it {entry.state} by run {entry.run_id}"
        raise TransitionRefused(
            f"{_name(order_id, intent)}: found {found}, expected it to be sending by run {intent.run_id}, so "
            f"it can't become {state}; run the same command again, which looks at the ledger anew"
        )
    return Entry(
        order_id=order_id,
        tracking_number=intent.tracking_number,
        state=state,
        content=entry.content,
        run_id=entry.run_id,
        code=entry.code if entry.code == TAKEN_AT_ITS_WORD and state in _SENT_AGAIN else outcome.code,
        message=outcome.message,
        http_status=outcome.http_status,
        attempts=outcome.attempts,
        at=at,
    )


def settled(entry: Entry | None, outcome: Outcome) -> Outcome:
    """Return what may be said after ``outcome``: in-doubt, where an earlier attempt may have done it."""
    doubtful = _DOUBTFUL.get(entry.code, frozenset()) if entry is not None else frozenset()
    if outcome.status not in doubtful:
        return outcome
    return replace(
        outcome,
        status=Status.IN_DOUBT,
        code=OUTCOME_UNKNOWN,
        message=f"an earlier run may have done it; sent again, it was {outcome.status}: {outcome.message}",
    )


def may_be_settled(entry: Entry) -> bool:
    """Whether a person may say what came of it, or take back what a person has said."""
    return entry.state in _MAY_BE_SETTLED or entry.code == SETTLED


def found_out(
    entry: Entry | None, order_id: str, tracking_number: str, *, created: bool, by: str, at: datetime
) -> Entry:
    """Return the entry that says what a person, ``by``, has found out about it.

    Raises:
        TransitionRefused: ``entry`` is not one whose outcome a person may settle.
    """
    state = State.CREATED if created else State.FAILED
    if entry is None or not may_be_settled(entry):
        found = "nothing of it" if entry is None else f"it {entry.state} by run {entry.run_id}"
        raise TransitionRefused(
            f"{fulfillment_name([order_id], tracking_number)}: found {found}, expected it to be in doubt or "
            "rejected, so it was left alone"
        )
    found = "created" if created else "not created"
    message = code_of(SETTLED).message.format(by=by, date=f"{at:%Y-%m-%d}", found=found)
    return replace(entry, state=state, code=SETTLED, message=message, at=at)


def _mark(entry: Entry | None) -> str:
    """What an earlier attempt has left, to be remembered while it is sent again."""
    if entry is None:
        return ""
    if entry.state is State.IN_DOUBT:
        return OUTCOME_UNKNOWN
    return entry.code if entry.code == TAKEN_AT_ITS_WORD and entry.state in _SENT_AGAIN else ""


def _name(order_id: str, intent: Intent) -> str:
    return f"ledger entry of order {order_id}, tracking number {intent.tracking_number}"

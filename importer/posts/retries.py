"""Pure: what an attempt's reading, after those before it, means for the fulfillment."""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from importer.model import Meaning, Reading, Status

OUTCOME_UNKNOWN: Final = "outcome-unknown"
"""The code of what was sent, and nothing that can be trusted came back."""

LONGEST_WAIT_SECONDS: Final = 900.0
"""A destination that tells us to wait longer is asked again after this."""

_UNTOLD_WAIT_SECONDS: Final = 1.0  # a destination that asks to wait, but does not say how long
_FIRST_BACKOFF_SECONDS: Final = 0.5
_LONGEST_BACKOFF_SECONDS: Final = 20.0


class Again(Struct, frozen=True):
    """Send it again, after the backoff and after ``at_least`` seconds.

    ``everyone`` says that all posts to the destination wait, not this one alone. ``cost`` is what it takes of
    the run's budget for retries.
    """

    at_least: float = 0.0
    everyone: bool = False
    cost: int = 0


class End(Struct, frozen=True):
    """The fulfillment is done with in this run."""

    status: Status
    code: str = ""
    message: str = ""
    http_status: int | None = None


class StopRun(Struct, frozen=True):
    """No other fulfillment would fare better; this one ends as ``end``."""

    reason: str
    end: End


Decision = Again | End | StopRun


def decide(
    history: tuple[Reading, ...], *, max_attempts: int, repeatable: bool, alone: bool = False
) -> Decision:
    """What to do after the attempts of a fulfillment so far, which read as ``history``, the latest last.

    ``repeatable`` says that the destination takes a request of unknown outcome again without doubling it,
    ``alone`` is the run's first post, which is to show that it goes to the right place.
    """
    latest = history[-1]
    if latest.meaning is Meaning.STOP:
        return StopRun(latest.message, _stopped(history))
    if alone and _is_nobody_there(latest) and not _is_unsure(history[:-1]):
        reason = f"{latest.message} (is base_url or path wrong?)"
        return StopRun(reason, not_sent((), reason))
    rule = _RULES[latest.meaning]
    may_go_on = len(history) < max_attempts and (rule.repeatable or repeatable)
    return rule.again(latest) if rule.again is not None and may_go_on else rule.ends(history)


def not_sent(history: tuple[Reading, ...], reason: str) -> End:
    """How a fulfillment ends that was about to be sent when the run was to stop."""
    return given_up(history) if history else End(Status.NOT_SENT, "run-stopped", f"not sent: {reason}")


def given_up(history: tuple[Reading, ...]) -> End:
    """How a fulfillment ends if there is no other attempt after one that may be repeated."""
    latest = history[-1]
    if _may_have_been_done(history):
        return End(Status.IN_DOUBT, OUTCOME_UNKNOWN, _doubt(history), latest.http_status)
    taken = [reading for reading in history if reading.meaning is Meaning.TRY_AGAIN]
    if taken and latest not in taken:  # its code stays, so that a later run's refusal is not believed
        words = f"{taken[-1].message}; then {latest.message}"
        return End(Status.FAILED, taken[-1].code, words, latest.http_status)
    return End(Status.FAILED, latest.code, latest.message, latest.http_status)


def out_of_budget(history: tuple[Reading, ...]) -> End:
    """How it ends if there may be another attempt, but the run has spent all that it may on retries."""
    end = given_up(history)
    words = f"{end.message} (not tried again: so much else failed, too, that this run's retries are used up)"
    return replace(end, message=words)


def backoff(attempt: int, random: Callable[[], float]) -> float:
    """Seconds to wait after ``attempt`` (from 1): full jitter under a doubling cap.

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    doublings = min(attempt - 1, 16)
    return random() * min(_LONGEST_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2.0**doublings)


def _done(history: tuple[Reading, ...]) -> End:
    latest = history[-1]
    status = Status.CREATED if latest.meaning is Meaning.CREATED else Status.UPDATED
    return End(status, latest.code, latest.message, latest.http_status)


def _there(history: tuple[Reading, ...]) -> End:
    latest = history[-1]
    return End(Status.SKIPPED, latest.code, latest.message, latest.http_status)


def _ready(_: tuple[Reading, ...]) -> End:
    return End(Status.READY)


def _refused(history: tuple[Reading, ...]) -> End:
    latest = history[-1]
    if _is_unsure(history[:-1]):
        words = f"an earlier try may have done it, and the next was refused: {latest.message}"
        return End(Status.IN_DOUBT, OUTCOME_UNKNOWN, words, latest.http_status)
    return End(Status.REJECTED, latest.code, latest.message, latest.http_status)


def _stopped(history: tuple[Reading, ...]) -> End:
    latest = history[-1]
    if _may_have_been_done(history):
        return End(Status.IN_DOUBT, OUTCOME_UNKNOWN, _doubt(history), latest.http_status)
    if _is_unsure(history):
        return given_up(history)
    return End(Status.NOT_SENT, latest.code or "run-stopped", latest.message, latest.http_status)


def _doubt(history: tuple[Reading, ...]) -> str:
    latest = history[-1]
    if latest.meaning is Meaning.UNKNOWN:
        return latest.message
    return f"an earlier try may have done it, and the last one told nothing of it: {latest.message}"


def _is_nobody_there(latest: Reading) -> bool:
    """Whether it is the path that is unknown, and not the order: then the answer has another form."""
    return latest.meaning is Meaning.REFUSED and not latest.formed and latest.http_status in _NOBODY_THERE


_NOBODY_THERE: Final = frozenset({404, 405})


def _is_unsure(history: tuple[Reading, ...]) -> bool:
    """Whether a try may have done it after all, even one of which the destination says that it failed."""
    return any(reading.meaning in _UNSURE for reading in history)


def _may_have_been_done(history: tuple[Reading, ...]) -> bool:
    return any(reading.meaning is Meaning.UNKNOWN for reading in history)


def _told_to_wait(latest: Reading) -> Again:
    told = _UNTOLD_WAIT_SECONDS if latest.wait_seconds is None else max(latest.wait_seconds, 0.0)
    return Again(at_least=min(told, LONGEST_WAIT_SECONDS), everyone=True)


def _at(cost: int) -> Callable[[Reading], Again]:
    return lambda _: Again(cost=cost)


class _Rule(Struct, frozen=True):
    """What a reading leads to: another attempt, or how it ends if there is to be none.

    ``repeatable`` says that it surely did not happen, or that the destination says so; another attempt after
    anything else needs a destination that knows a repeated request by its key.
    """

    ends: Callable[[tuple[Reading, ...]], End]
    again: Callable[[Reading], Again] | None = None
    repeatable: bool = True


_UNSURE: Final = frozenset({Meaning.TRY_AGAIN, Meaning.UNKNOWN})
_RULES: Final[Mapping[Meaning, _Rule]] = {
    Meaning.CREATED: _Rule(_done),
    Meaning.UPDATED: _Rule(_done),
    Meaning.THERE: _Rule(_there),
    Meaning.READY: _Rule(_ready),
    Meaning.REFUSED: _Rule(_refused),
    # waiting as told costs nothing: the destination itself says how fast it may be asked
    Meaning.WAIT: _Rule(given_up, _told_to_wait),
    Meaning.TRY_AGAIN: _Rule(given_up, _at(5)),
    Meaning.NEVER_REACHED: _Rule(given_up, _at(10)),
    Meaning.UNKNOWN: _Rule(given_up, _at(10), repeatable=False),
}
"""What follows a reading; ``STOP`` ends more than the fulfillment. Costs as in the AWS SDKs (see budget)."""

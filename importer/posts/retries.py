"""Pure: what an attempt's reading, after those before it, means for the fulfillment."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from importer.model import Meaning, Reading, Status

LONGEST_WAIT_SECONDS: Final = 900.0
"""A destination that tells us to wait longer is asked again after this."""

_FIRST_BACKOFF_SECONDS: Final = 0.5
_LONGEST_BACKOFF_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Again:
    """Send it again, after the backoff and after ``at_least`` seconds.

    ``everyone`` says that all posts to the destination wait, not this one alone.
    """

    at_least: float = 0.0
    everyone: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """The fulfillment is done with in this run."""

    status: Status
    code: str = ""
    message: str = ""
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class StopRun:
    """No other fulfillment would fare better; this one ends as ``end``."""

    reason: str
    end: End


Decision = Again | End | StopRun


def decide(
    history: tuple[Reading, ...], *, max_attempts: int, idempotency_key_honoured: bool, alone: bool = False
) -> Decision:
    """What to do after the attempts of a fulfillment so far, which read as ``history``, the latest last.

    ``alone`` is the run's first post, which is to show that it goes to the right place.
    """
    latest = history[-1]
    if latest.meaning is Meaning.STOP:
        return StopRun(latest.message, _stopped(history))
    if alone and _is_nobody_there(latest) and not _is_unsure(history[:-1]):
        reason = f"{latest.message} (is base_url or path wrong?)"
        return StopRun(reason, interrupted(history, reason))
    end = _ENDINGS[latest.meaning](history)
    if latest.meaning in _FINAL or len(history) >= max_attempts:
        return end
    if latest.meaning is Meaning.UNKNOWN and not idempotency_key_honoured:
        return end
    if latest.meaning is Meaning.WAIT:
        told = min(max(latest.wait_seconds or 0.0, 0.0), LONGEST_WAIT_SECONDS)
        return Again(at_least=told, everyone=True)
    return Again()


def interrupted(history: tuple[Reading, ...], reason: str) -> End:
    """How a fulfillment ends when the run stops while it waits for its next attempt, or for its first."""
    if _may_have_been_done(history):
        words = f"{history[-1].message}; not tried again, since the run stopped: {reason}"
        return End(Status.IN_DOUBT, "outcome-unknown", words, history[-1].http_status)
    if _is_unsure(history):
        return _gave_up(history)
    return End(Status.NOT_SENT, "run-stopped", f"not sent: {reason}", _http_status(history))


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


def _refused(history: tuple[Reading, ...]) -> End:
    latest = history[-1]
    if _is_unsure(history[:-1]):
        words = f"an earlier try may have done it, and the next was refused: {latest.message}"
        return End(Status.IN_DOUBT, "outcome-unknown", words, latest.http_status)
    return End(Status.REJECTED, latest.code, latest.message, latest.http_status)


def _gave_up(history: tuple[Reading, ...]) -> End:
    latest = history[-1]
    if _may_have_been_done(history):
        return End(Status.IN_DOUBT, "outcome-unknown", _doubt(history), latest.http_status)
    taken = [reading for reading in history if reading.meaning is Meaning.TRY_AGAIN]
    if taken and latest not in taken:  # its code stays, so that a later run's refusal is not believed
        words = f"{taken[-1].message}; then {latest.message}"
        return End(Status.FAILED, taken[-1].code, words, latest.http_status)
    return End(Status.FAILED, latest.code, latest.message, latest.http_status)


def _stopped(history: tuple[Reading, ...]) -> End:
    latest = history[-1]
    if _may_have_been_done(history):
        return End(Status.IN_DOUBT, "outcome-unknown", _doubt(history), latest.http_status)
    if _is_unsure(history):
        return _gave_up(history)
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


def _http_status(history: tuple[Reading, ...]) -> int | None:
    return history[-1].http_status if history else None


_UNSURE: Final = frozenset({Meaning.TRY_AGAIN, Meaning.UNKNOWN})
_FINAL: Final = frozenset({Meaning.CREATED, Meaning.UPDATED, Meaning.REFUSED})
_ENDINGS: Final[dict[Meaning, Callable[[tuple[Reading, ...]], End]]] = {
    Meaning.CREATED: _done,
    Meaning.UPDATED: _done,
    Meaning.REFUSED: _refused,
    Meaning.WAIT: _gave_up,
    Meaning.TRY_AGAIN: _gave_up,
    Meaning.NEVER_REACHED: _gave_up,
    Meaning.UNKNOWN: _gave_up,
}
"""How a fulfillment ends if nothing follows the latest reading; ``STOP`` ends more than the fulfillment."""

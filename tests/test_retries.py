"""What follows from an attempt's answer and those before it."""

import pytest
from msgspec.structs import replace

from importer.model import Meaning, Reading, Status
from importer.posts.retries import (
    Again,
    Decision,
    End,
    StopRun,
    backoff,
    decide,
    given_up,
    not_sent,
    out_of_budget,
)

CREATED = Reading(Meaning.CREATED, http_status=200)
UPDATED = Reading(Meaning.UPDATED, http_status=200)
REFUSED = Reading(Meaning.REFUSED, "destination-404", "404 No such order", 404)
WAIT = Reading(Meaning.WAIT, "destination-429", "429 Slow down", 429)
TRY_AGAIN = Reading(Meaning.TRY_AGAIN, "destination-500", "500 Try later", 500)
NEVER_REACHED = Reading(Meaning.NEVER_REACHED, "destination-unreachable", "connection refused")
UNKNOWN = Reading(Meaning.UNKNOWN, "outcome-unknown", "no reply")
STOP = Reading(Meaning.STOP, "destination-401", "401 Bad token", 401)


def told_to_wait(seconds: float) -> Reading:
    return Reading(Meaning.WAIT, "destination-429", "429 Slow down", 429, seconds)


def in_doubt(message: str, http_status: int | None = None) -> End:
    return End(Status.IN_DOUBT, "outcome-unknown", message, http_status)


def failed_after_500(then: str, http_status: int | None) -> End:
    return End(Status.FAILED, "destination-500", f"500 Try later; then {then}", http_status)


FAILED_500 = End(Status.FAILED, "destination-500", "500 Try later", 500)
FAILED_429 = End(Status.FAILED, "destination-429", "429 Slow down", 429)
UNREACHABLE = End(Status.FAILED, "destination-unreachable", "connection refused")
REJECTED = End(Status.REJECTED, "destination-404", "404 No such order", 404)
NOT_SENT = End(Status.NOT_SENT, "destination-401", "401 Bad token", 401)
REFUSED_LATER = "an earlier try may have done it, and the next was refused: 404 No such order"
NOTHING_LEARNT = "an earlier try may have done it, and the last one told nothing of it: "


@pytest.mark.parametrize(
    ("history", "decision"),
    [
        ((CREATED,), End(Status.CREATED, http_status=200)),
        ((UPDATED,), End(Status.UPDATED, http_status=200)),
        ((NEVER_REACHED, CREATED), End(Status.CREATED, http_status=200)),
        ((REFUSED,), REJECTED),
        ((NEVER_REACHED, REFUSED), REJECTED),
        ((WAIT, REFUSED), REJECTED),
        ((TRY_AGAIN, REFUSED), in_doubt(REFUSED_LATER, 404)),
        ((TRY_AGAIN, WAIT, REFUSED), in_doubt(REFUSED_LATER, 404)),
        ((WAIT,), Again(1.0, everyone=True)),
        ((told_to_wait(7.5),), Again(7.5, everyone=True)),
        ((told_to_wait(-3.0),), Again(0.0, everyone=True)),
        ((told_to_wait(1e11),), Again(900.0, everyone=True)),
        ((WAIT, WAIT, WAIT), FAILED_429),
        ((TRY_AGAIN, WAIT, WAIT), failed_after_500("429 Slow down", 429)),
        ((told_to_wait(0.0),), Again(0.0, everyone=True)),
        ((TRY_AGAIN,), Again(cost=5)),
        ((TRY_AGAIN, TRY_AGAIN), Again(cost=5)),
        ((TRY_AGAIN, TRY_AGAIN, TRY_AGAIN), FAILED_500),
        ((NEVER_REACHED, NEVER_REACHED), Again(cost=10)),
        ((NEVER_REACHED, NEVER_REACHED, NEVER_REACHED), UNREACHABLE),
        ((TRY_AGAIN, NEVER_REACHED, NEVER_REACHED), failed_after_500("connection refused", None)),
        ((UNKNOWN,), in_doubt("no reply")),
        ((TRY_AGAIN, UNKNOWN), in_doubt("no reply")),
        ((STOP,), StopRun("401 Bad token", NOT_SENT)),
        ((TRY_AGAIN, STOP), StopRun("401 Bad token", failed_after_500("401 Bad token", 401))),
        ((WAIT, WAIT, STOP), StopRun("401 Bad token", NOT_SENT)),
    ],
)
def test_each_history_has_its_decision(history: tuple[Reading, ...], decision: Decision) -> None:
    assert decide(history, max_attempts=3, repeatable=False) == decision


@pytest.mark.parametrize(
    ("history", "decision"),
    [
        ((UNKNOWN,), Again(cost=10)),
        ((UNKNOWN, UNKNOWN), Again(cost=10)),
        ((UNKNOWN, UNKNOWN, UNKNOWN), in_doubt("no reply")),
        ((UNKNOWN, CREATED), End(Status.CREATED, http_status=200)),
        ((UNKNOWN, REFUSED), in_doubt(REFUSED_LATER, 404)),
        ((UNKNOWN, WAIT, TRY_AGAIN), in_doubt(f"{NOTHING_LEARNT}500 Try later", 500)),
        ((UNKNOWN, WAIT, NEVER_REACHED), in_doubt(f"{NOTHING_LEARNT}connection refused")),
        ((UNKNOWN, WAIT, WAIT), in_doubt(f"{NOTHING_LEARNT}429 Slow down", 429)),
        ((UNKNOWN, STOP), StopRun("401 Bad token", in_doubt(f"{NOTHING_LEARNT}401 Bad token", 401))),
    ],
)
def test_where_nothing_is_doubled_the_unknown_is_tried_again(
    history: tuple[Reading, ...], decision: Decision
) -> None:
    assert decide(history, max_attempts=3, repeatable=True) == decision


@pytest.mark.parametrize("meaning", list(Meaning))
def test_a_single_attempt_is_never_followed_by_another(meaning: Meaning) -> None:
    decision = decide((Reading(meaning),), max_attempts=1, repeatable=True)
    assert not isinstance(decision, Again)


@pytest.mark.parametrize(
    ("history", "end"),
    [
        ((NEVER_REACHED,), UNREACHABLE),
        ((WAIT,), FAILED_429),
        ((WAIT, TRY_AGAIN), FAILED_500),
        ((UNKNOWN,), in_doubt("no reply")),
        ((UNKNOWN, WAIT), in_doubt(f"{NOTHING_LEARNT}429 Slow down", 429)),
    ],
)
def test_what_waits_for_its_next_attempt_is_known_by_what_may_have_been_done(
    history: tuple[Reading, ...], end: End
) -> None:
    assert given_up(history) == end == not_sent(history, "SIGINT")


def test_what_was_never_tried_is_not_sent() -> None:
    assert not_sent((), "SIGINT") == End(Status.NOT_SENT, "run-stopped", "not sent: SIGINT")


def test_what_the_budget_has_no_retry_for_says_so() -> None:
    words = "500 Try later (not tried again: so much else failed, too, that this run's retries are used up)"
    assert out_of_budget((TRY_AGAIN,)) == End(Status.FAILED, "destination-500", words, 500)


@pytest.mark.parametrize("status", [404, 405])
def test_a_first_post_that_finds_nobody_there_stops_the_run(status: int) -> None:
    latest = Reading(Meaning.REFUSED, f"destination-{status}", f"{status} Nothing here", status, formed=False)
    alone = decide((latest,), max_attempts=3, repeatable=False, alone=True)
    later = decide((latest,), max_attempts=3, repeatable=False)
    formed = decide((replace(latest, formed=True),), max_attempts=3, repeatable=False, alone=True)

    words = f"{status} Nothing here"
    assert alone == StopRun(
        f"{words} (is base_url or path wrong?)",
        End(Status.NOT_SENT, "run-stopped", f"not sent: {words} (is base_url or path wrong?)"),
    )
    assert later == formed == End(Status.REJECTED, latest.code, words, status)


def test_a_wrong_form_after_a_500_is_no_wrong_path() -> None:
    nobody = Reading(Meaning.REFUSED, "destination-404", "404 Not Found", 404, formed=False)
    refused = decide((TRY_AGAIN, nobody), max_attempts=3, repeatable=False, alone=True)
    words = "an earlier try may have done it, and the next was refused: 404 Not Found"
    assert refused == End(Status.IN_DOUBT, "outcome-unknown", words, 404)


def test_backoff_doubles_up_to_twenty_seconds() -> None:
    longest = [backoff(attempt, lambda: 1.0) for attempt in (1, 2, 3, 6, 7, 100)]
    assert longest == [0.5, 1.0, 2.0, 16.0, 20.0, 20.0]


def test_backoff_is_any_part_of_the_longest() -> None:
    parts = iter([0.0, 0.25, 0.5])
    assert [backoff(3, lambda: next(parts)) for _ in range(3)] == [0.0, 0.5, 1.0]

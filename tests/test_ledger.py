"""The ledger: what may follow what, what is on the disk and when, who may write, what is never harmed."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import create_engine

from importer.errors import CannotGoOn, RunInProgress, SetupError
from importer.ledger import (
    NEXT,
    Ledger,
    Promise,
    Run,
    TransitionRefused,
    Verdict,
    exists,
    location,
    may_send,
    obstacle,
    schema,
    verdict,
)
from importer.model import Entry, Intent, Outcome, State, Status
from tests.homes import Home, Homes, at, told_of
from tests.program import another_user

ADM = "adm https://adm.example"
NOW = datetime(2026, 11, 22, 5, 14, 59, 123456, UTC)
CREATED = Outcome(Status.CREATED, http_status=200, attempts=1)
FAILED = Outcome(Status.FAILED, "destination-500", "try again later", 500, 5)
DOUBTED = Outcome(Status.IN_DOUBT, "destination-502", "bad gateway", 502, 1)
REJECTED = Outcome(Status.REJECTED, "destination-422", "no such SKU", 422, 1)
NOT_SENT = Outcome(Status.NOT_SENT, "run-stopped", "not sent: the token was refused", 401, 1)
ENDS = (CREATED, Outcome(Status.UPDATED), REJECTED, FAILED, DOUBTED, NOT_SENT)


KILLED = "the run ended while sending it, so that it is not known whether it was created"


def intent(number: int = 1, content: str = "c1", run_id: str = "run-1", destination: str = ADM) -> Intent:
    return Intent(destination, (str(1000 + number),), f"1Z{number:08d}", content, run_id)


def key(number: int = 1) -> tuple[str, str]:
    return (str(1000 + number), f"1Z{number:08d}")


def entry(state: State, *, number: int = 1, run_id: str = "run-1", outcome: Outcome = CREATED) -> Entry:
    order_id, tracking_number = key(number)
    return Entry(
        order_id,
        tracking_number,
        state,
        "c1",
        run_id,
        outcome.code,
        outcome.message,
        outcome.http_status,
        outcome.attempts,
        NOW,
    )


def being_sent(number: int = 1) -> Entry:
    return Entry(*key(number), State.SENDING, "c1", "run-1", "", "being sent", None, 0, NOW)


def opened(home: Home) -> Ledger:
    return Ledger(at(home), now=lambda: NOW)


def state_of(ledger: Ledger, number: int = 1) -> State | None:
    found = ledger.entries(ADM, [key(number)]).get(key(number))
    return None if found is None else found.state


@contextmanager
def child(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run ``code`` beside the test; it is killed in the end."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    root = Path(__file__).parents[1]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


# What may follow what -----------------------------------------------------------------------------------

SAME, OTHER = "c1", "c2"
VERDICTS = {
    (State.NOT_SENT, SAME): Verdict.SEND,
    (State.NOT_SENT, OTHER): Verdict.SEND,
    (State.FAILED, SAME): Verdict.SEND,
    (State.FAILED, OTHER): Verdict.SEND,
    (State.REJECTED, SAME): Verdict.REFUSED_BEFORE,
    (State.REJECTED, OTHER): Verdict.SEND,
    (State.SENDING, SAME): Verdict.IN_DOUBT,
    (State.SENDING, OTHER): Verdict.CHANGED,
    (State.IN_DOUBT, SAME): Verdict.IN_DOUBT,
    (State.IN_DOUBT, OTHER): Verdict.CHANGED,
    (State.CREATED, SAME): Verdict.DONE,
    (State.CREATED, OTHER): Verdict.CHANGED,
    (State.UPDATED, SAME): Verdict.DONE,
    (State.UPDATED, OTHER): Verdict.CHANGED,
}


def test_the_verdict_is_known_for_every_state_and_content() -> None:
    found = {(state, content): verdict(entry(state), content) for state, content in VERDICTS}
    assert found == VERDICTS
    assert VERDICTS.keys() == set(product(State, (SAME, OTHER)))


def test_accepting_doubt_changes_the_verdict_for_the_same_content_in_doubt_alone() -> None:
    found = {
        (state, content): verdict(entry(state), content, accept_doubt=True) for state, content in VERDICTS
    }
    assert found == VERDICTS | {(State.IN_DOUBT, SAME): Verdict.SEND}


def test_what_the_ledger_has_nothing_of_may_be_sent() -> None:
    assert verdict(None, "c1") is Verdict.SEND
    assert may_send(None, "c1")


def test_only_states_that_sending_may_follow_may_be_sent() -> None:
    sendable = {state for state in State if may_send(entry(state), OTHER) or may_send(entry(state), SAME)}
    on_request = {state for state in State if may_send(entry(state), SAME, accept_doubt=True)}
    assert sendable | on_request == {state for state in State if State.SENDING in NEXT[state]}


def reach(ledger: Ledger, state: State) -> None:
    ledger.intend(intent()).result()
    if state is not State.SENDING:
        ledger.record(intent(), next(end for end in ENDS if State(end.status) is state)).result()


@pytest.mark.parametrize("accept_doubt", [False, True])
@pytest.mark.parametrize("content", [SAME, OTHER])
@pytest.mark.parametrize("state", State)
def test_the_ledger_starts_what_the_verdict_lets_and_nothing_else(
    home: Home, state: State, content: str, *, accept_doubt: bool
) -> None:
    with opened(home) as ledger:
        reach(ledger, state)
        before = ledger.entries(ADM, [key()])
        allowed = may_send(before[key()], content, accept_doubt=accept_doubt)
        again = ledger.intend(intent(content=content, run_id="run-2"), accept_doubt=accept_doubt)
        if allowed:
            assert again.result() is None
            assert state_of(ledger) is State.SENDING
        else:
            assert isinstance(again.exception(), TransitionRefused)
            assert ledger.entries(ADM, [key()]) == before


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.status)
@pytest.mark.parametrize("state", State)
def test_only_what_is_being_sent_can_end(home: Home, state: State, end: Outcome) -> None:
    with opened(home) as ledger:
        reach(ledger, state)
        before = ledger.entries(ADM, [key()])
        ended = ledger.record(intent(), end)
        if state is State.SENDING:
            assert ended.result() == end
            assert ledger.entries(ADM, [key()]) == {key(): entry(State(end.status), outcome=end)}
        else:
            assert isinstance(ended.exception(), TransitionRefused)
            assert ledger.entries(ADM, [key()]) == before


def test_what_was_never_begun_can_not_end(home: Home) -> None:
    with opened(home) as ledger, pytest.raises(TransitionRefused) as refused:
        ledger.record(intent(), CREATED).result()
    assert str(refused.value) == (
        "ledger entry of order 1001, tracking number 1Z00000001: found nothing of it, expected it to be "
        "sending by run run-1, so it can't become created; run the same command again, which looks at the "
        "ledger anew"
    )


def test_a_run_can_not_end_what_another_one_is_sending(home: Home) -> None:
    with opened(home) as ledger:
        ledger.intend(intent()).result()
        assert isinstance(ledger.record(intent(run_id="run-2"), CREATED).exception(), TransitionRefused)
        assert ledger.entries(ADM, [key()]) == {key(): being_sent()}


def test_a_refused_start_names_the_run_that_was_there_before(home: Home) -> None:
    with opened(home) as ledger:
        reach(ledger, State.CREATED)
        with pytest.raises(TransitionRefused) as refused:
            ledger.intend(intent(run_id="run-2")).result()
    assert str(refused.value) == (
        "ledger entry of order 1001, tracking number 1Z00000001: found it created by run run-1, expected one "
        "that may be sent, so it was not; run the same command again, which looks at the ledger anew"
    )


@pytest.mark.parametrize("end", [FAILED, REJECTED, NOT_SENT], ids=lambda end: end.status)
def test_what_was_in_doubt_stays_so_when_sending_it_again_fails(home: Home, end: Outcome) -> None:
    with opened(home) as ledger:
        reach(ledger, State.IN_DOUBT)
        again = intent(run_id="run-2")
        ledger.intend(again, accept_doubt=True).result()
        kept = ledger.record(again, end).result()
        message = f"an earlier run may have done it; sent again, it was {end.status}: {end.message}"
        assert kept == Outcome(
            Status.IN_DOUBT, "outcome-unknown", message, end.http_status, end.attempts, end.at
        )
        assert ledger.entries(ADM, [key()]) == {key(): entry(State.IN_DOUBT, run_id="run-2", outcome=kept)}


def test_what_failed_by_a_500_and_is_refused_later_is_in_doubt(home: Home) -> None:
    failed = Outcome(Status.FAILED, "destination-500", "500 Server Error: later", 500, 5)
    unreachable = Outcome(Status.FAILED, "destination-unreachable", "refused", None, 5)
    with opened(home) as ledger:
        for run_id, end in (("run-1", failed), ("run-2", unreachable)):
            ledger.intend(intent(run_id=run_id)).result()
            assert ledger.record(intent(run_id=run_id), end).result() == end
        again = intent(run_id="run-3")
        ledger.intend(again).result()
        message = f"an earlier run may have done it; sent again, it was rejected: {REJECTED.message}"

        kept = ledger.record(again, REJECTED).result()

        assert (kept.status, kept.code, kept.message) == (Status.IN_DOUBT, "outcome-unknown", message)


def test_what_was_in_doubt_is_created_when_sending_it_again_says_so(home: Home) -> None:
    with opened(home) as ledger:
        reach(ledger, State.IN_DOUBT)
        again = intent(run_id="run-2")
        ledger.intend(again, accept_doubt=True).result()
        assert ledger.record(again, CREATED).result() == CREATED
        assert ledger.entries(ADM, [key()]) == {key(): entry(State.CREATED, run_id="run-2")}


def test_what_only_reports_say_is_no_outcome_of_sending(home: Home) -> None:
    with opened(home) as ledger:
        ledger.intend(intent()).result()
        for status in set(Status) - {end.status for end in ENDS}:
            with pytest.raises(ValueError, match=status):
                ledger.record(intent(), Outcome(status))
        assert state_of(ledger) is State.SENDING


# What a person found out ---------------------------------------------------------------------------------

FOUND = {True: State.CREATED, False: State.FAILED}


def found_out(ledger: Ledger, *, created: bool, number: int = 1) -> Promise[Entry]:
    return ledger.settle(ADM, *key(number), created=created, by="kim")


@pytest.mark.parametrize("created", [True, False])
@pytest.mark.parametrize("state", State)
def test_a_person_can_settle_what_is_in_doubt_or_rejected_and_nothing_else(
    home: Home, state: State, *, created: bool
) -> None:
    with opened(home) as ledger:
        reach(ledger, state)
        before = ledger.entries(ADM, [key()])[key()]
        settled = found_out(ledger, created=created)
        if state in {State.IN_DOUBT, State.REJECTED}:
            words = f"settled by kim on 2026-11-22: {'created' if created else 'not created'}"
            expected = replace(before, state=FOUND[created], code="settled", message=words)
            assert settled.result() == expected
            assert FOUND[created] in NEXT[state]
        else:
            expected = before
            assert str(settled.exception()) == (
                f"1001/1Z00000001: found it {state} by run run-1, expected it to be in doubt or rejected, so "
                "it was left alone"
            )
        assert ledger.entries(ADM, [key()]) == {key(): expected}


def test_what_the_ledger_has_nothing_of_can_not_be_settled(home: Home) -> None:
    with opened(home) as ledger:
        refused = found_out(ledger, created=True).exception()
        assert isinstance(refused, TransitionRefused)
        assert str(refused) == (
            "1001/1Z00000001: found nothing of it, expected it to be in doubt or rejected, so it was left "
            "alone"
        )
        assert ledger.is_empty(ADM)


def test_what_a_person_found_there_is_never_sent_again(home: Home) -> None:
    with opened(home) as ledger:
        reach(ledger, State.IN_DOUBT)
        found_out(ledger, created=True).result()
        for content in (SAME, OTHER):
            again = ledger.intend(intent(content=content, run_id="run-2"), accept_doubt=True)
            assert isinstance(again.exception(), TransitionRefused)


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.status)
def test_what_a_person_found_not_to_be_there_is_sent_again_and_every_answer_is_believed(
    home: Home, end: Outcome
) -> None:
    with opened(home) as ledger:
        for run_id, before in (("run-1", FAILED), ("run-2", DOUBTED)):
            ledger.intend(intent(run_id=run_id)).result()
            ledger.record(intent(run_id=run_id), before).result()
        found_out(ledger, created=False).result()
        again = intent(run_id="run-3")
        ledger.intend(again).result()
        assert ledger.record(again, end).result() == end
        assert ledger.entries(ADM, [key()]) == {key(): entry(State(end.status), run_id="run-3", outcome=end)}


def test_what_is_in_doubt_is_listed_by_destination_the_oldest_first(home: Home) -> None:
    times = iter(NOW + timedelta(minutes=minutes) for minutes in (3, 3, 1, 1, 2, 0, 0))
    with Ledger(at(home), now=lambda: next(times)) as ledger:
        for number in (1, 2, 3):
            ledger.intend(intent(number)).result()
            if number < 3:
                ledger.record(intent(number), DOUBTED).result()
        ledger.intend(intent(destination="adm sandbox")).result()
        ledger.record(intent(destination="adm sandbox"), REJECTED).result()
        names = [(name, found.order_id, found.state) for name, found in ledger.doubts()]
        assert names == [
            (ADM, "1002", State.IN_DOUBT),
            (ADM, "1003", State.SENDING),
            (ADM, "1001", State.IN_DOUBT),
        ]
        assert (ledger.doubts(ADM), ledger.doubts("adm sandbox")) == (ledger.doubts(), [])
        assert ledger.destinations() == [ADM, "adm sandbox"]


def test_an_empty_ledger_has_no_doubts_and_no_destinations(home: Home) -> None:
    with opened(home) as ledger:
        assert (ledger.doubts(), ledger.destinations()) == ([], [])


steps = st.one_of(
    st.tuples(
        st.just("send"),
        st.integers(1, 2),
        st.sampled_from([SAME, OTHER]),
        st.booleans(),
        st.sampled_from(ENDS),
    ),
    st.tuples(
        st.just("die"), st.integers(1, 2), st.sampled_from([SAME, OTHER]), st.booleans(), st.just(None)
    ),
    st.tuples(st.just("recover"), st.just(0), st.just(""), st.just(value=False), st.just(None)),
)


@given(story=st.lists(steps, max_size=12))
@settings(max_examples=50, deadline=None)
def test_whatever_happens_nothing_done_or_in_doubt_or_rejected_is_sent_again(
    homes: Homes,
    story: list[tuple[str, int, str, bool, Outcome | None]],
) -> None:
    done: set[int] = set()
    doubted: dict[int, str] = {}
    rejected: dict[int, str] = {}
    with homes() as home, opened(home) as ledger:
        for run, (what, number, content, accept_doubt, end) in enumerate(story):
            if what == "recover":
                ledger.recover(ADM)
                continue
            told = intent(number, content, f"run-{run}")
            if ledger.intend(told, accept_doubt=accept_doubt).exception() is not None:
                assert state_of(ledger, number) is not None
                continue
            assert number not in done
            assert rejected.get(number) != content
            assert number not in doubted or (accept_doubt and doubted[number] == content)
            rejected.pop(number, None)
            status = None if end is None else ledger.record(told, end).result().status
            if status is Status.CREATED or status is Status.UPDATED:
                done.add(number)
            elif status is None or status is Status.IN_DOUBT:
                doubted[number] = content
            elif status is Status.REJECTED:
                rejected[number] = content
        for number in done:
            assert state_of(ledger, number) in {State.CREATED, State.UPDATED}


# On the disk --------------------------------------------------------------------------------------------


def test_what_was_begun_and_ended_is_there_after_opening_again(home: Home) -> None:
    with opened(home) as ledger:
        ledger.intend(intent(1)).result()
        ledger.intend(intent(2)).result()
        ledger.record(intent(2), REJECTED).result()
    with opened(home) as ledger:
        assert ledger.entries(ADM, [key(1), key(2), key(3)]) == {
            key(1): being_sent(1),
            key(2): entry(State.REJECTED, number=2, outcome=REJECTED),
        }


def test_closing_writes_all_that_is_queued_into_the_one_file(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        futures = [ledger.intend(intent(number)) for number in range(2000)]
    assert all(future.done() and future.exception() is None for future in futures)
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.db"]
    with opened(tmp_path) as ledger:
        assert ledger.outcomes("run-1") == {State.SENDING: 2000}


def test_a_closed_ledger_takes_no_more(home: Home) -> None:
    ledger = opened(home)
    ledger.close()
    ledger.close()
    late = ledger.intend(intent())
    assert late.done()
    assert str(late.exception()) == (f"ledger {at(home)}: it is closed, so nothing more can be written to it")


def test_what_is_promised_is_told_once_to_all_who_ask_whenever_they_ask(home: Home) -> None:
    told: list[str] = []
    with opened(home) as ledger:
        begun = ledger.intend(intent())
        begun.add_done_callback(lambda promise: told.append(f"early {promise.result()}"))
        begun.result()
    begun.add_done_callback(lambda promise: told.append(f"late {promise.result()}"))
    assert told == ["early None", "late None"]


def test_many_threads_can_write_at_once(home: Home) -> None:
    def send(number: int) -> Outcome:
        ledger.intend(intent(number)).result()
        return ledger.record(intent(number), CREATED).result()

    with opened(home) as ledger, ThreadPoolExecutor(16) as threads:
        assert list(threads.map(send, range(400))) == [CREATED] * 400
        assert ledger.outcomes("run-1") == {State.CREATED: 400}


def commits(folder: Path) -> int:
    """Count the frames of the write-ahead log that end a commit (https://www.sqlite.org/fileformat2.html)."""
    log = (folder / "ledger.db-wal").read_bytes()
    frame = 24 + int.from_bytes(log[8:12], "big")
    return sum(log[start + 4 : start + 8] != b"\0\0\0\0" for start in range(32, len(log), frame))


def test_what_is_queued_together_is_committed_together(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            futures = [ledger.intend(intent(number)) for number in range(1, 100)]
            other.execute("ROLLBACK")
        assert [future.result() for future in futures] == [None] * 99
        # the first may have gone alone, before the others were there
        assert commits(tmp_path) in {1, 2}


def test_one_that_is_refused_does_not_hold_up_its_group(home: Home) -> None:
    with opened(home) as ledger:
        reach(ledger, State.CREATED)
        futures = [ledger.intend(intent(number)) for number in (2, 1, 3, 3)]
        assert [type(future.exception()) for future in futures] == [
            type(None),
            TransitionRefused,
            type(None),
            TransitionRefused,
        ]
        assert ledger.outcomes("run-1") == {State.CREATED: 1, State.SENDING: 2}


def test_a_start_and_its_end_can_be_queued_together(home: Home) -> None:
    with opened(home) as ledger:
        futures: list[Promise[None] | Promise[Outcome]] = [
            ledger.intend(intent()),
            ledger.record(intent(), CREATED),
        ]
        assert [future.result() for future in futures] == [None, CREATED]
        assert ledger.entries(ADM, [key()]) == {key(): entry(State.CREATED)}


SENDS_AND_WAITS = """
import sys
from importer.ledger import Ledger
from importer.model import Intent
ledger = Ledger(sys.argv[1])
ledger.intend(Intent(sys.argv[2], ("1001",), "1Z00000001", "c1", "run-1")).result()
print("sent", flush=True)
sys.stdin.read()
"""


def test_what_a_killed_process_was_sending_is_in_doubt(home: Home) -> None:
    with child(SENDS_AND_WAITS, told_of(home), ADM) as process:
        assert line_of(process) == "sent"
        process.kill()
        process.wait()
    with opened(home) as ledger:
        assert state_of(ledger) is State.SENDING
        assert (ledger.recover("adm https://other.example"), ledger.recover(ADM), ledger.recover(ADM)) == (
            0,
            1,
            0,
        )
        words = Outcome(Status.IN_DOUBT, "outcome-unknown", KILLED)
        assert ledger.entries(ADM, [key()]) == {key(): entry(State.IN_DOUBT, outcome=words)}


FILLS_THE_DISK = """
import os, resource, sys
from importer.errors import CannotGoOn
from importer.ledger import Ledger
from importer.model import Intent

def intend(number):
    return ledger.intend(Intent(sys.argv[2], (str(number),), "1Z00000001", "c1", "run-1"))

def write(number):
    try:
        intend(number).result()
    except CannotGoOn as error:
        return str(error)

ledger = Ledger(sys.argv[1])
write(0)
size = os.stat(sys.argv[1] + "-wal").st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20_000, resource.RLIM_INFINITY))
written = 1
while (error := write(written)) is None:
    written += 1
group = [intend(number) for number in range(10_000, 10_050)]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(written)
print(error)
print({str(future.exception()) for future in group} == {write(-1)} == {error})
ledger.close()
"""


def test_when_nothing_can_be_written_nothing_is_promised_any_more(tmp_path: Path) -> None:
    with child(FILLS_THE_DISK, tmp_path / "ledger.db", ADM) as process:
        written = int(line_of(process))
        assert line_of(process) == (
            f"ledger {tmp_path}/ledger.db: the disk failed to read or write it, or a size limit was reached; "
            "see to the disk and run the same command again"
        )
        assert line_of(process) == "True"
        assert process.wait() == 0
    with opened(tmp_path) as ledger:
        promised = [(str(number), "1Z00000001") for number in range(written)]
        assert list(ledger.entries(ADM, promised)) == sorted(promised)


def deleted(path: Path) -> None:
    path.unlink()


def deleted_log(path: Path) -> None:
    path.with_name("ledger.db-wal").unlink()


def renamed(path: Path) -> None:
    path.rename(path.with_name("old.db"))


def replaced(path: Path) -> None:
    shutil.copy(path, path.with_name("copy.db"))
    path.with_name("copy.db").replace(path)


def folder_renamed(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def folder_replaced(path: Path) -> None:
    folder_renamed(path)
    path.parent.mkdir()
    with Ledger(path):
        pass


@pytest.mark.parametrize("harm", [deleted, deleted_log, renamed, replaced, folder_renamed, folder_replaced])
def test_a_ledger_whose_file_is_no_longer_at_its_place_promises_nothing(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    path = tmp_path / "disk" / "ledger.db"
    with Ledger(path, now=lambda: NOW) as ledger:
        ledger.intend(intent()).result()
        harm(path)
        refused = ledger.intend(intent(2)).exception()
        later = [ledger.record(intent(), CREATED).exception(), ledger.intend(intent(3)).exception()]
        words = (
            f"ledger {path}: its file was moved, deleted or replaced while it was in use; bring it back, "
            "with the files beside it that begin with its name, and run the same command again: without it "
            "everything would be sent again"
        )
        assert [(type(each), str(each)) for each in (refused, *later)] == [(CannotGoOn, words)] * 3
        # what was begun can still be read, so that the report can tell of it
        assert ledger.entries(ADM, [key(), key(3)]) == {key(): being_sent()}


def test_a_ledger_that_is_used_by_others_too_stays_at_its_place(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.intend(intent()).result()
        with opened(tmp_path) as other:
            other.intend(intent(2)).result()
        foreign(tmp_path / "ledger.db", "PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM")
        assert ledger.record(intent(), CREATED).result() == CREATED
        assert ledger.outcomes("run-1") == {State.CREATED: 1, State.SENDING: 1}


def test_the_file_and_its_folder_are_for_their_owner_alone(tmp_path: Path) -> None:
    with Ledger(tmp_path / "state" / "importer" / "ledger.db"):
        pass
    paths = [
        tmp_path / "state",
        tmp_path / "state" / "importer",
        tmp_path / "state" / "importer" / "ledger.db",
    ]
    assert [oct(path.stat().st_mode & 0o777) for path in paths] == ["0o700", "0o700", "0o600"]


# Reading ------------------------------------------------------------------------------------------------


def test_any_number_of_keys_can_be_asked_for(home: Home) -> None:
    numbers = range(10_000)
    with opened(home) as ledger:
        futures = [ledger.intend(intent(number)) for number in numbers if number % 2]
        futures[-1].result()
        known = ledger.entries(ADM, [key(number) for number in reversed(numbers)] * 2)
        assert known == {key(number): being_sent(number) for number in numbers if number % 2}


def test_destinations_know_nothing_of_each_other(home: Home) -> None:
    with opened(home) as ledger:
        assert (ledger.is_empty(ADM), ledger.entries(ADM, [key()]), ledger.entries(ADM, [])) == (True, {}, {})
        ledger.intend(intent(destination="adm sandbox")).result()
        assert (ledger.is_empty(ADM), ledger.is_empty("adm sandbox")) == (True, False)
        assert ledger.entries(ADM, [key()]) == {}
        ledger.intend(intent()).result()
        assert ledger.entries(ADM, [key()]) == {key(): being_sent()}


def test_a_parcel_with_two_orders_is_known_by_each(home: Home) -> None:
    shared = Intent(ADM, ("1001", "1002"), "1Z00000001", "c1", "run-1")
    with opened(home) as ledger:
        ledger.intend(shared).result()
        ledger.record(shared, CREATED).result()
        known = ledger.entries(ADM, [("1001", "1Z00000001"), ("1002", "1Z00000001")])
        assert {asked[0]: found.state for asked, found in known.items()} == {
            "1001": State.CREATED,
            "1002": State.CREATED,
        }


def test_a_parcel_is_not_sent_if_one_of_its_orders_may_not(home: Home) -> None:
    shared = Intent(ADM, ("1000", "1001", "1002"), "1Z00000001", "c2", "run-2")
    with opened(home) as ledger:
        reach(ledger, State.CREATED)
        assert isinstance(ledger.intend(shared).exception(), TransitionRefused)
        assert ledger.entries(ADM, [(order_id, "1Z00000001") for order_id in shared.order_ids]) == {
            key(): entry(State.CREATED)
        }


def test_a_message_that_no_database_takes_is_written_so_that_it_does(home: Home) -> None:
    with opened(home) as ledger:
        ledger.intend(intent()).result()
        ledger.record(intent(), Outcome(Status.REJECTED, "destination-422", "naïve \ud800 SKU")).result()
        assert ledger.entries(ADM, [key()])[key()].message == r"naïve \ud800 SKU"


def test_times_are_kept_in_utc(home: Home) -> None:
    vienna = timezone(timedelta(hours=1))
    with opened(home) as ledger:
        ledger.intend(intent()).result()
        ledger.record(intent(), Outcome(Status.CREATED, at=NOW.astimezone(vienna))).result()
        at = ledger.entries(ADM, [key()])[key()].at
    assert (at, at.tzinfo) == (NOW, UTC)


def test_reading_alone_sees_what_others_write_and_writes_nothing(home: Home) -> None:
    with opened(home) as writing, Ledger(at(home), readonly=True) as ledger:
        writing.intend(intent()).result()
        assert ledger.entries(ADM, [key()]) == {key(): being_sent()}
        refused = f"ledger {at(home)}: it was opened for reading only, so it can't be changed"
        for change in (
            lambda: ledger.intend(intent(2)),
            lambda: ledger.record(intent(), CREATED),
            lambda: ledger.recover(ADM),
            lambda: ledger.lock(ADM),
        ):
            with pytest.raises(CannotGoOn) as error:
                change()
            assert str(error.value) == refused


def test_reading_alone_does_not_change_the_file(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.intend(intent()).result()
    before = (tmp_path / "ledger.db").read_bytes()
    with Ledger(tmp_path / "ledger.db", readonly=True) as ledger:
        assert state_of(ledger) is State.SENDING
    assert (tmp_path / "ledger.db").read_bytes() == before


def test_reading_alone_sees_what_a_killed_process_left(tmp_path: Path) -> None:
    with child(SENDS_AND_WAITS, tmp_path / "ledger.db", ADM) as process:
        assert line_of(process) == "sent"
        process.kill()
        process.wait()
    (tmp_path / "ledger.db-shm").unlink()
    with Ledger(tmp_path / "ledger.db", readonly=True) as ledger:
        assert state_of(ledger) is State.SENDING


def test_reading_alone_works_where_nothing_can_be_made_beside_the_file(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.intend(intent()).result()
    (tmp_path / "ledger.db-shm").symlink_to(
        "ledger.db-shm"
    )  # stands for a folder without permission, and does so for root too
    with Ledger(tmp_path / "ledger.db", readonly=True) as ledger:
        assert state_of(ledger) is State.SENDING


def test_reading_alone_makes_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(CannotGoOn):
        Ledger(tmp_path / "ledger.db", readonly=True)
    assert list(tmp_path.iterdir()) == []


def test_there_is_a_ledger_once_one_was_opened(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    before = exists(path)
    path.touch()
    empty = exists(path)
    with Ledger(path):
        pass
    assert (before, empty, exists(path), exists(tmp_path)) == (False, False, True, True)


# What is not a ledger -----------------------------------------------------------------------------------


def foreign(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        for statement in statements:
            other.execute(statement)


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("content", [b"order_id,sku\n", b"x" * 5000])
def test_another_file_is_refused_unharmed(tmp_path: Path, content: bytes, *, readonly: bool) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes(content)
    with pytest.raises(CannotGoOn) as refused:
        Ledger(path, readonly=readonly)
    assert str(refused.value) == (
        f"ledger {path}: found a file that is not a ledger, and left it as it is; "
        "bring back the one that was here, since a new one would send all again, or name another path"
    )
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_another_database_is_refused_unharmed(tmp_path: Path, journal: str, *, readonly: bool) -> None:
    path = tmp_path / "shop.db"
    foreign(
        path, f"PRAGMA journal_mode={journal}", "CREATE TABLE customers (name)", "CREATE TABLE orders (id)"
    )
    before = path.read_bytes()
    with pytest.raises(CannotGoOn) as refused:
        Ledger(path, readonly=readonly)
    assert str(refused.value) == (
        f"ledger {path}: found an SQLite file with the tables customers, orders, expected a ledger of this "
        "program, and left it as it is; name another path for the ledger"
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize("readonly", [False, True])
def test_a_ledger_of_a_later_version_is_refused_unharmed(tmp_path: Path, *, readonly: bool) -> None:
    path = tmp_path / "ledger.db"
    with Ledger(path):
        pass
    foreign(path, "UPDATE importer_ledger SET version = 7")
    before = path.read_bytes()
    with pytest.raises(CannotGoOn) as refused:
        Ledger(path, readonly=readonly)
    assert str(refused.value) == (
        f"ledger {path}: found version 7, expected 6 or less: a later version of this program wrote it; "
        "update this one"
    )
    assert path.read_bytes() == before


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotGoOn) as refused:
        Ledger(tmp_path)
    assert str(refused.value) == (
        f"ledger {tmp_path}: found a folder, expected a file; name another path for the ledger"
    )


def test_a_place_where_no_file_can_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotGoOn) as refused:
        Ledger(tmp_path / "file" / "ledger.db")
    assert str(refused.value) == (
        f"ledger {tmp_path}/file/ledger.db: it can't be opened or written here (a missing folder, no "
        "permission, or a read-only disk); see to that and run the same command again; with another ledger "
        "everything would be sent again"
    )


def test_what_keeps_a_run_from_writing_a_file_is_known_before_it_begins() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        path = folder / "ledger.db"
        nothing_yet = obstacle(path)
        with Ledger(path):
            pass
        path.chmod(0o444)
        folder.chmod(0o777)
        with another_user():
            no_file = obstacle(path)
        folder.chmod(0o555)
        with another_user():
            no_folder = obstacle(folder / "new" / "ledger.db")
        folder.chmod(0o700)

    assert (nothing_yet, no_file, no_folder) == (
        "",
        f"{path} can't be written by this user",
        f"{folder} can't be written by this user",
    )


def test_a_ledger_in_a_folder_that_this_user_may_not_enter_is_refused_before_a_run_begins() -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "closed" / "ledger.db"
        path.parent.mkdir(mode=0o000)
        Path(name).chmod(0o711)
        with another_user(), pytest.raises(CannotGoOn) as refused:
            obstacle(path)
        path.parent.chmod(0o700)

    assert str(refused.value).startswith(f"ledger {path}: ")


@pytest.mark.parametrize("where", ["mysql://importer:secret@db/ledger", Path("mysql://db/ledger")])
def test_an_address_of_another_database_is_refused_without_repeating_its_password(where: str | Path) -> None:
    for attempt in (lambda: Ledger(where), lambda: exists(where)):
        with pytest.raises(SetupError) as refused:
            attempt()
        assert str(refused.value) == (
            "ledger: found an address that begins with mysql://, expected the path of a file, or "
            "postgresql://user@host/database"
        )


@pytest.mark.parametrize(
    "where",
    [
        *(
            '"postgresql://h/d"',
            "'postgresql://h/d'",
            " postgresql://h/d",
            "\tpostgres://h/d\n",
            "“postgresql://h/d”",
        ),
        *(
            "LEDGER=postgresql://h/d",
            "://h/d",
            Path('"postgresql://u:secret@h/d"'),
            Path(" postgresql://h/d"),
        ),
    ],
)
def test_an_address_with_something_around_it_is_refused_and_not_taken_for_a_new_file(
    where: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for attempt in (lambda: Ledger(where), lambda: exists(where)):
        with pytest.raises(SetupError) as refused:
            attempt()
        assert str(refused.value) == (
            "ledger: found an address with something before it, expected one that begins with postgresql://; "
            "write it without quotes or spaces around it: as a new file it would have all sent again"
        )
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    "where",
    [
        "host=db dbname=importer",
        "dbname = importer",
        "'user=importer password=secret host=db'",
        "service=ledger",
    ],
)
def test_keywords_and_values_of_libpq_are_refused_and_not_taken_for_a_new_file(where: str) -> None:
    with pytest.raises(SetupError) as refused:
        location(where)
    assert str(refused.value) == (
        "ledger: found a connection string of keywords and values, expected an address that begins with "
        "postgresql://; write postgresql://USER@HOST:PORT/DBNAME, and what else there is behind it as "
        "?KEYWORD=VALUE&KEYWORD=VALUE: as a new file it would have all sent again"
    )


@pytest.mark.parametrize(
    "where",
    [" ledger.db", '"ledger.db"', "a:b", "./postgresql:/h", "./host=db", "year=2026/ledger.db", "host"],
)
def test_what_is_no_address_is_the_path_of_a_file(where: str) -> None:
    assert location(where) == Path(where)


# One run at a time --------------------------------------------------------------------------------------

LOCKS_AND_WAITS = """
import sys
from datetime import datetime
from importer.ledger import Ledger
with Ledger(sys.argv[1], now=lambda: datetime.fromisoformat(sys.argv[3])) as ledger, ledger.lock(sys.argv[2]):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_to_the_same_destination_is_told_who_is_posting(tmp_path: Path) -> None:
    with child(LOCKS_AND_WAITS, tmp_path / "ledger.db", ADM, NOW) as process, opened(tmp_path) as ledger:
        assert line_of(process) == "locked"
        with pytest.raises(RunInProgress) as refused, ledger.lock(ADM):
            pass
        assert str(refused.value) == (
            f"another run is posting to {ADM} with this ledger: host {socket.gethostname()}, "
            f"pid {process.pid}, since 2026-11-22 05:14:59 UTC; wait until it has ended"
        )
        with ledger.lock("adm sandbox"):
            ledger.intend(intent(destination="adm sandbox")).result()


def test_the_lock_of_a_killed_process_is_no_obstacle(tmp_path: Path) -> None:
    with child(LOCKS_AND_WAITS, tmp_path / "ledger.db", ADM, NOW) as process:
        assert line_of(process) == "locked"
        process.kill()
        process.wait()
    with opened(tmp_path) as ledger:
        with ledger.lock(ADM):
            ledger.intend(intent()).result()
        with ledger.lock(ADM):
            assert state_of(ledger) is State.SENDING


def test_a_link_to_the_ledger_has_the_same_lock(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "ledger.db")
    with opened(tmp_path) as one, Ledger(tmp_path / "link.db") as other:
        first, second = one.lock(ADM), other.lock(ADM)
        with first, pytest.raises(RunInProgress), second:
            pass


class Waiting:
    """A clock whose sleeping takes no time; ``then`` is done when it has slept ``naps`` times."""

    def __init__(self, naps: int, then: Callable[[], None]) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []
        self._naps = naps
        self._then = then

    def clock(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        if len(self.slept) == self._naps:
            self._then()


def test_a_run_waits_until_the_other_one_has_ended(tmp_path: Path) -> None:
    with opened(tmp_path) as other, ExitStack() as holding:
        holding.enter_context(other.lock(ADM))
        waiting = Waiting(3, holding.close)
        with (
            Ledger(tmp_path / "ledger.db", clock=waiting.clock, sleep=waiting.sleep) as ledger,
            ledger.lock(ADM, wait=60.0),
            pytest.raises(RunInProgress),
            other.lock(ADM),
        ):
            pass
    assert waiting.slept == [0.5, 0.5, 0.5]


def test_a_run_waits_no_longer_than_it_was_told(tmp_path: Path) -> None:
    with opened(tmp_path) as other, other.lock(ADM):
        waiting = Waiting(0, lambda: None)
        with Ledger(tmp_path / "ledger.db", clock=waiting.clock, sleep=waiting.sleep) as ledger:
            with pytest.raises(RunInProgress), ledger.lock(ADM, wait=1.2):
                pass
            assert sum(waiting.slept) == pytest.approx(1.2)
            with pytest.raises(RunInProgress), ledger.lock(ADM):
                pass
    assert len(waiting.slept) == 3


def interrupt() -> None:
    raise KeyboardInterrupt


def test_waiting_can_be_interrupted_and_the_ledger_be_used_after_it(tmp_path: Path) -> None:
    waiting = Waiting(1, interrupt)
    with Ledger(tmp_path / "ledger.db", clock=waiting.clock, sleep=waiting.sleep) as ledger:
        with opened(tmp_path) as other, other.lock(ADM):
            with pytest.raises(KeyboardInterrupt), ledger.lock(ADM, wait=60.0):
                pass
            assert [path.suffix for path in sorted(tmp_path.glob("*.json"))] == [".json"]  # the holder's note
        with ledger.lock(ADM):
            ledger.intend(intent()).result()


# Runs ---------------------------------------------------------------------------------------------------


def run_at(number: int) -> Run:
    return Run(
        run_id=f"run-{number}",
        command="post",
        destination=ADM,
        manifests=("ups ✓.csv", "dhl.xlsx"),
        report=f"reports/run-{number}",
        started_at=NOW + timedelta(hours=number),
    )


def test_runs_are_listed_newest_first(home: Home) -> None:
    with opened(home) as ledger:
        for number in (2, 1, 3):
            ledger.start_run(run_at(number))
        assert (ledger.runs(), ledger.runs(limit=1)) == ([run_at(3), run_at(2), run_at(1)], [run_at(3)])


def test_a_run_is_remembered_with_its_end(home: Home) -> None:
    ended = Run(
        run_id="run-1",
        command="post",
        destination=ADM,
        manifests=("ups ✓.csv", "dhl.xlsx"),
        report="reports/run-1",
        started_at=NOW + timedelta(hours=1),
        finished_at=NOW + timedelta(hours=2),
        exit_status=4,
        stopped_because="the token was refused",
        summary='{"rows": {"total": 3}}',
    )
    with opened(home) as ledger:
        ledger.start_run(run_at(1))
        ledger.finish_run(
            "run-1",
            finished_at=NOW + timedelta(hours=2),
            exit_status=4,
            stopped_because="the token was refused",
            summary='{"rows": {"total": 3}}',
        )
    with Ledger(at(home), readonly=True) as ledger:
        assert (ledger.run("run-1"), ledger.run("run-2"), ledger.runs()) == (ended, None, [ended])


def test_outcomes_count_what_the_run_was_the_last_to_touch(home: Home) -> None:
    with opened(home) as ledger:
        for number in (1, 2, 3):
            ledger.intend(intent(number)).result()
        ledger.record(intent(1), CREATED).result()
        ledger.record(intent(2), FAILED).result()
        ledger.intend(intent(2, run_id="run-2")).result()
        assert (ledger.outcomes("run-1"), ledger.outcomes("run-2"), ledger.outcomes("run-3")) == (
            {State.CREATED: 1, State.SENDING: 1},
            {State.SENDING: 1},
            {},
        )


def test_what_a_run_was_told_is_remembered(home: Home) -> None:
    given = {"manifests": [{"name": "ups ✓.csv", "path": None}], "partial": True, "layout": "generic"}
    with opened(home) as ledger:
        ledger.start_run(replace(run_at(1), given=given))
        ledger.start_run(run_at(2))
        assert ledger.runs() == [run_at(2), replace(run_at(1), given=given)]


# Ledgers of earlier versions ----------------------------------------------------------------------------

VERSION_1 = (
    "CREATE TABLE importer_ledger (version INTEGER NOT NULL)",
    "INSERT INTO importer_ledger VALUES (1)",
    """CREATE TABLE fulfillments (
        destination TEXT NOT NULL, order_id TEXT NOT NULL, tracking_number TEXT NOT NULL, state TEXT NOT NULL,
        content TEXT NOT NULL, run_id TEXT NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL,
        http_status INTEGER, attempts INTEGER NOT NULL, at TEXT NOT NULL,
        PRIMARY KEY (destination, order_id, tracking_number)) WITHOUT ROWID""",
    "CREATE INDEX fulfillments_by_run ON fulfillments (run_id, state)",
    "CREATE INDEX fulfillments_being_sent ON fulfillments (destination, state) WHERE state = 'sending'",
    """CREATE TABLE runs (
        run_id TEXT NOT NULL, command TEXT NOT NULL, destination TEXT NOT NULL, manifests JSON NOT NULL,
        report TEXT NOT NULL, started_at TEXT NOT NULL, finished_at TEXT, exit_status INTEGER,
        stopped_because TEXT NOT NULL, summary TEXT NOT NULL, PRIMARY KEY (run_id))""",
    "CREATE INDEX ix_runs_started_at ON runs (started_at)",
    """INSERT INTO fulfillments VALUES (
        'adm https://adm.example', '1001', '1Z00000001', 'created', 'c1', 'run-1', '', '', 200, 1,
        '2026-11-22T05:14:59.123456+00:00')""",
    """INSERT INTO runs VALUES (
        'run-1', 'post', 'adm https://adm.example', '["ups ✓.csv", "dhl.xlsx"]', 'reports/run-1',
        '2026-11-22T06:14:59.123456+00:00', NULL, NULL, '', '')""",
    "PRAGMA journal_mode=WAL",
)


def test_a_ledger_of_version_1_is_read_as_it_is(tmp_path: Path) -> None:
    foreign(tmp_path / "ledger.db", *VERSION_1)
    before = (tmp_path / "ledger.db").read_bytes()
    with Ledger(tmp_path / "ledger.db", readonly=True) as ledger:
        assert (ledger.runs(), ledger.run("run-1")) == ([run_at(1)], run_at(1))
        assert ledger.entries(ADM, [key()]) == {key(): entry(State.CREATED)}
    assert (tmp_path / "ledger.db").read_bytes() == before


def test_a_ledger_of_version_1_is_brought_to_this_version_with_all_that_it_knows(tmp_path: Path) -> None:
    foreign(tmp_path / "ledger.db", *VERSION_1)
    told = replace(run_at(2), given={"partial": True})
    for _ in range(2):  # and opened again as what it has become
        with opened(tmp_path) as ledger:
            assert ledger.run("run-1") == run_at(1)
            assert ledger.entries(ADM, [key()]) == {key(): entry(State.CREATED)}
            assert isinstance(ledger.intend(intent(run_id="run-2")).exception(), TransitionRefused)
            if ledger.run("run-2") is None:
                ledger.start_run(told)
            assert ledger.runs() == [told, run_at(1)]
    assert layout_of(tmp_path / "ledger.db") == layout_of(new_ledger(tmp_path / "new.db"))


def test_a_new_ledger_has_the_tables_that_are_declared(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'declared.db'}")
    with engine.begin() as connection:
        schema.make(connection)
    engine.dispose()
    assert layout_of(new_ledger(tmp_path / "new.db")) == layout_of(tmp_path / "declared.db")


def new_ledger(path: Path) -> Path:
    with Ledger(path):
        return path


def layout_of(path: Path) -> dict[str, object]:
    """The version, the indexes, and of each table its columns, as the database has them."""
    with closing(sqlite3.connect(path)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {name: database.execute(f"PRAGMA table_info({name})").fetchall() for name in tables}
        indexes = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index'").fetchall()
        return {
            "version": database.execute("SELECT version FROM importer_ledger").fetchall(),
            "indexes": {(name, " ".join((sql or "").split())) for name, sql in indexes},
            **columns,
        }


# Copied ---------------------------------------------------------------------------------------------------


def test_nothing_is_copied_under_a_first_run_that_has_sent_nothing_yet(tmp_path: Path) -> None:
    with (
        Ledger(tmp_path / "one.db", now=lambda: NOW) as one,
        Ledger(tmp_path / "one.db") as same,
        Ledger(tmp_path / "other.db") as other,
    ):
        one.intend(intent()).result()
        with one.lock("another destination"), pytest.raises(RunInProgress) as refused:
            same.copy_to(other)
        assert str(refused.value) == (
            f"another run is posting with this ledger: host {socket.gethostname()}, pid {os.getpid()}, since "
            "2026-11-22 05:14:59 UTC; wait until it has ended"
        )
        assert other.is_empty(ADM)
        assert same.copy_to(other)["fulfillments"] == 1

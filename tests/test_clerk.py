"""The process that writes the ledger for a run: what is on the disk, whoever of the two is killed."""

import asyncio
import os
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from importer.errors import CannotGoOn, RunInProgress
from importer.ledger import Ledger, Promise, TransitionRefused
from importer.ledger.changes import End, Note, Start
from importer.ledger.clerk import Clerk
from importer.ledger.dictation import line_of, operation_of, reply_of, results_of, say, task_of
from importer.ledger.files import Files
from importer.ledger.hiring import hired
from importer.ledger.logbook import RUN_COLUMNS
from importer.ledger.sqlite import File
from importer.ledger.statements import COLUMNS, HISTORY_COLUMNS
from importer.ledger.tables import FULFILLMENTS, HISTORY, RUNS
from importer.model import Event, Happening, Intent, Outcome, State, Status
from importer.posts.terms import Commits
from tests.program import (
    SECONDS,
    Platform,
    Reply,
    configuration,
    created,
    end,
    parcels,
    settle_in,
    start,
    statuses,
    wait_until,
)

ADM = "adm https://adm.example"
NOW = datetime(2026, 11, 22, 5, 14, 59, 123456, UTC)
CREATED = Outcome(Status.CREATED, "", "created", 201, 1, NOW)
REJECTED = Outcome(Status.REJECTED, "destination-422", "no such SKU: \u201cM\udce4G\u201d\0", 422, 2, NOW)
DOUBTED = Outcome(Status.IN_DOUBT, "destination-502", "bad gateway", 502, 1, None)
TRIED = Happening(NOW, "run-1", Event.TRIED, 1, "destination-500", "once more", 500)
MANY = 2500
"""More than it takes for a run to have a clerk."""
FEW = 200
"""So many posts may be over before it writes."""
IN_DOUBT = 6
"""The exit status of a run that leaves something to be settled by a person."""


def intent(number: int = 1, run_id: str = "run-1", orders: int = 1) -> Intent:
    order_ids = tuple(str(1000 + number + more) for more in range(orders))
    return Intent(ADM, order_ids, f"1Z{number:08d}", "c1", run_id)


def opened(folder: Path) -> Ledger:
    return Ledger(folder / "ledger.db", now=lambda: NOW)


def content(folder: Path) -> list[tuple[Any, ...]]:
    """All that the ledger has of fulfillments, and their history."""
    with closing(sqlite3.connect(folder / "ledger.db")) as ledger:
        return [
            *ledger.execute("SELECT * FROM fulfillments"),
            *ledger.execute("SELECT * FROM history ORDER BY id"),
        ]


@contextmanager
def clerk() -> Iterator[subprocess.Popen[bytes]]:
    """The process, not yet told what to do."""
    with hired() as process:
        assert process is not None
        yield process


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not happened():  # noqa: ASYNC110 - what happens is another process's
            await asyncio.sleep(0.001)


@asynccontextmanager
async def beginning(ledger: Ledger, process: subprocess.Popen[bytes]) -> AsyncIterator[Commits]:
    """The ledger with a clerk that writes already."""
    with ledger.with_clerk(ADM, process) as its_clerk, its_clerk.heard_in(asyncio.get_running_loop()):
        await until(lambda: its_clerk.writes)
        yield Commits()


async def what_comes_of(ledger: Ledger, commits: Commits) -> list[object]:
    """Have it write what posting may ask for, some of it refused."""
    asked: list[Promise[Any]] = [
        ledger.intend(intent(1)),
        ledger.intend(intent(2, orders=3), before=(TRIED,)),
        ledger.note(intent(2), (TRIED, TRIED)),
        ledger.record(intent(1), CREATED),
        ledger.intend(intent(1)),
        ledger.record(intent(2, orders=3), REJECTED, before=(TRIED,)),
        ledger.record(intent(3), CREATED),
        ledger.intend(intent(4)),
        ledger.record(intent(4), DOUBTED),
        ledger.intend(intent(4, run_id="run-2"), accept_doubt=True),
        ledger.record(intent(4, run_id="run-2"), REJECTED),
        ledger.intend(intent(5), sent=False),
    ]
    found: list[object] = []
    for each in asked:
        try:
            found.append(await commits.wait(each))
        except TransitionRefused as refused:
            found.append(str(refused))
    return found


async def by_thread(folder: Path) -> list[object]:
    with opened(folder) as ledger, ledger.lock(ADM):
        return await what_comes_of(ledger, Commits())


async def by_clerk(folder: Path) -> list[object]:
    with opened(folder) as ledger, ledger.lock(ADM), clerk() as process:
        async with beginning(ledger, process) as commits:
            found = await what_comes_of(ledger, commits)
        assert process.returncode == 0
        return found


def test_a_clerk_writes_and_answers_what_the_thread_does(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("thread", "clerk")]
    for folder in folders:
        folder.mkdir()

    by = [asyncio.run(by_thread(folders[0])), asyncio.run(by_clerk(folders[1]))]

    assert by[0] == by[1]
    assert content(folders[0]) == content(folders[1])
    assert [type(each) for each in by[1]].count(str) == 2, "what is refused is told as such"
    assert isinstance(by[1][10], Outcome)
    assert by[1][10].status is Status.IN_DOUBT, "an earlier run may have done it"


WORDS = st.text(max_size=20)
TIMES = st.datetimes(timezones=st.just(UTC))
INTENTS = st.builds(Intent, WORDS, st.lists(WORDS, min_size=1).map(tuple), WORDS, WORDS, WORDS)
NUMBERS = st.integers(0, 10**6)
OUTCOMES = st.builds(
    Outcome, st.sampled_from(Status), WORDS, WORDS, st.none() | NUMBERS, NUMBERS, st.none() | TIMES
)
HAPPENINGS = st.lists(
    st.builds(Happening, TIMES, WORDS, st.sampled_from(Event), NUMBERS, WORDS, WORDS, st.none() | NUMBERS),
    max_size=3,
).map(tuple)
OPERATIONS = st.one_of(
    st.builds(Start, INTENTS, st.booleans(), TIMES, HAPPENINGS, st.booleans()),
    st.builds(End, INTENTS, OUTCOMES, TIMES, HAPPENINGS),
    st.builds(Note, INTENTS, HAPPENINGS),
)


@given(OPERATIONS)
def test_an_operation_is_the_same_on_the_other_side(operation: Start | End | Note) -> None:
    line = line_of(operation)

    assert operation_of(line) == operation
    assert b"\n" not in line


@pytest.mark.parametrize("words", ["half a pair: \ud83d", "\udcff", "NUL: \0"])
def test_words_that_are_no_unicode_are_the_same_on_the_other_side(words: str) -> None:
    tried, outcome = replace(TRIED, message=words), replace(CREATED, message=words)
    started = Start(intent(), accept_doubt=False, at=NOW, before=(tried,))
    ended, noted = End(intent(), outcome, NOW, (tried,)), Note(intent(), (tried,))

    assert [operation_of(line_of(each)) for each in (started, ended, noted)] == [started, ended, noted]
    [refused, come] = results_of(reply_of([started, ended], [TransitionRefused(words), replace(outcome)]))
    assert str(refused) == words
    assert come == outcome


def test_what_came_of_operations_is_the_same_on_the_other_side() -> None:
    asked: Sequence[Start | End] = [
        Start(intent(), accept_doubt=False, at=NOW),
        End(intent(), CREATED, NOW),
        End(intent(), CREATED, NOW),
        Start(intent(), accept_doubt=False, at=NOW),
    ]

    assert results_of(reply_of(asked[:2], [None, CREATED])) == [None, None]
    came = results_of(reply_of(asked, [None, DOUBTED, CREATED, TransitionRefused("not now")]))
    assert came[:3] == [None, DOUBTED, None]
    assert [(type(each), str(each)) for each in came[3:]] == [(TransitionRefused, "not now")]
    lost = results_of(reply_of(asked, [CannotGoOn("the disk is full")] * 4))
    assert [(type(each), str(each)) for each in lost] == [(CannotGoOn, "the disk is full")] * 4


def test_the_columns_that_are_written_are_those_of_the_tables() -> None:
    assert sorted(FULFILLMENTS.c.keys()) == sorted(COLUMNS)
    assert [column.name for column in HISTORY.c if not column.primary_key] == [*HISTORY_COLUMNS]
    assert [*RUNS.c.keys()] == [*RUN_COLUMNS]


def told(process: subprocess.Popen[bytes], folder: Path, *operations: Start | End | Note) -> None:
    """Tell it what to do, and break off, as a run does that is killed."""
    assert process.stdin is not None
    assert process.stdout is not None
    say(process.stdin.fileno(), task_of(folder / "ledger.db", folder / "its.clerk"))
    process.stdout.readline()
    os.kill(process.pid, signal.SIGSTOP)
    for operation in operations:
        say(process.stdin.fileno(), line_of(operation))
    process.stdin.write(b'["End", ["cut')
    process.stdin.close()
    os.kill(process.pid, signal.SIGCONT)
    process.wait(SECONDS)


def test_of_a_run_that_is_killed_it_writes_what_came_and_leaves_out_what_was_only_to_be_sent(
    tmp_path: Path,
) -> None:
    with opened(tmp_path) as ledger, clerk() as process:
        ledger.intend(intent(1)).result()
        told(
            process,
            tmp_path,
            End(intent(1), CREATED, NOW),
            Start(intent(2), accept_doubt=False, at=NOW),
            Note(intent(1), (TRIED,)),
        )

        assert process.returncode == 0
        known = ledger.entries(ADM, [("1001", "1Z00000001"), ("1002", "1Z00000002")])
        assert {order: entry.state for (order, _), entry in known.items()} == {"1001": State.CREATED}
        events = [each.event for each in ledger.history(order_id="1001")[ADM, "1001", "1Z00000001"]]
        assert events == [Event.SENDING, Event.CREATED, Event.TRIED]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_no_signal_that_a_run_obeys_ends_it_before_the_run(tmp_path: Path, number: signal.Signals) -> None:
    with opened(tmp_path) as ledger, clerk() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        say(process.stdin.fileno(), task_of(tmp_path / "ledger.db", tmp_path / "its.clerk"))
        process.stdout.readline()
        os.kill(process.pid, number)
        say(process.stdin.fileno(), line_of(Start(intent(), False, NOW)))  # noqa: FBT003 - as it has it
        assert results_of(process.stdout.readline()) == [None]
        assert [entry.state for _, entry in ledger.doubts()] == [State.SENDING]
        assert os.getsid(process.pid) == process.pid, "what a terminal sends does not reach it"


def test_the_run_after_a_killed_one_waits_until_its_clerk_has_written(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        with ledger.lock(ADM):
            pass
        lock = next(tmp_path.glob("*.lock")).with_suffix(".clerk")
        held = FileLock(lock)
        held.acquire()
        naps: list[float] = []

        def sleep(seconds: float) -> None:
            naps.append(seconds)
            if len(naps) == 3:
                held.release()

        with (
            Ledger(tmp_path / "ledger.db", clock=lambda: sum(naps), sleep=sleep) as patient,
            patient.lock(ADM),
        ):
            assert naps == [0.01] * 3


def test_a_clerk_that_goes_on_and_on_keeps_others_from_posting(tmp_path: Path) -> None:
    naps: list[float] = []
    with Ledger(tmp_path / "ledger.db", clock=lambda: sum(naps), sleep=naps.append) as ledger:
        with ledger.lock(ADM):
            pass
        lock = next(tmp_path.glob("*.lock"))
        with (
            FileLock(lock.with_suffix(".clerk")).acquire(),
            pytest.raises(RunInProgress, match="a run was killed, and the process that writes this ledger"),
            ledger.lock(ADM),
        ):
            pass
        assert sum(naps) == pytest.approx(30)
        with ledger.lock(ADM):
            pass


def test_a_clerk_that_is_killed_ends_what_waits_for_it_and_the_ledger_can_still_be_read(
    tmp_path: Path,
) -> None:
    async def run() -> list[str]:
        with opened(tmp_path) as ledger, ledger.lock(ADM), clerk() as process:
            async with beginning(ledger, process) as commits:
                await commits.wait(ledger.intend(intent(1)))
                os.kill(process.pid, signal.SIGSTOP)
                waiting = ledger.record(intent(1), CREATED)
                os.kill(process.pid, signal.SIGKILL)
                words = []
                for _ in range(2):
                    with pytest.raises(CannotGoOn) as lost:
                        await commits.wait(waiting)
                    words.append(str(lost.value))
                    waiting = ledger.record(intent(1), CREATED)
            assert [entry.state for _, entry in ledger.doubts()] == [State.SENDING]
            assert ledger.recover(ADM) == 1
            return words

    expected = (
        f"ledger {tmp_path / 'ledger.db'}: the process that writes it has ended (signal 9); run the same "
        "command again, which looks at what is in it"
    )
    assert asyncio.run(run()) == [expected, expected]


def test_a_clerk_that_stands_still_holds_up_nothing_but_its_answers(tmp_path: Path) -> None:
    """Both pipes are full then: of what was asked for, and of outcomes that are not what was asked for."""
    long = Outcome(Status.REJECTED, "destination-422", "no such SKU " * 150, 422, 1, NOW)
    numbers = range(400)

    async def run() -> list[Outcome]:
        with opened(tmp_path) as ledger, ledger.lock(ADM), clerk() as process:
            for number in numbers:
                ledger.intend(intent(number))
                ledger.record(intent(number), DOUBTED)
                ledger.intend(intent(number, run_id="run-2"), accept_doubt=True)
            async with beginning(ledger, process) as commits:
                os.kill(process.pid, signal.SIGSTOP)
                asked = [ledger.record(intent(number, run_id="run-2"), long) for number in numbers]
                await asyncio.sleep(0.01)
                assert not any(each.done() for each in asked)
                os.kill(process.pid, signal.SIGCONT)
                async with asyncio.timeout(SECONDS):
                    return [await commits.wait(each) for each in asked]

    assert {outcome.status for outcome in asyncio.run(run())} == {Status.IN_DOUBT}


def test_what_is_asked_for_last_is_written_when_nobody_listens_any_more(tmp_path: Path) -> None:
    long = Happening(NOW, "run-1", Event.TRIED, 1, "destination-500", "once more " * 1000, 500)

    async def run() -> None:
        with opened(tmp_path) as ledger, ledger.lock(ADM), clerk() as process:
            async with beginning(ledger, process):
                for number in range(100):
                    ledger.intend(intent(number), before=(long,))

    asyncio.run(run())
    assert states(tmp_path) == {"sending": 100}


def test_an_answer_that_makes_no_sense_ends_what_waits_for_it(tmp_path: Path) -> None:
    class Odd(Clerk):
        def _keep(self, reply: bytes) -> None:
            super()._keep(reply + b'["odd"]')

    async def run() -> None:
        with opened(tmp_path) as ledger, ledger.lock(ADM), clerk() as process:
            place, writer = File(tmp_path / "ledger.db"), ledger._writing()  # noqa: SLF001 - what a ledger gives its clerk
            odd = Odd(process, place, tmp_path / "its.clerk", Files.of(place.path), writer)
            with odd.heard_in(asyncio.get_running_loop()):
                await until(lambda: odd.writes)
                asked = odd.submit(Start(intent(), accept_doubt=False, at=NOW))
                async with asyncio.timeout(SECONDS):
                    with pytest.raises(CannotGoOn, match="the process that writes it has ended"):
                        await Commits().wait(asked)
            odd.close()

    asyncio.run(run())


def test_where_the_clerk_finds_another_file_the_thread_goes_on_and_says_so(tmp_path: Path) -> None:
    def replace() -> None:
        (tmp_path / "ledger.db").rename(tmp_path / "moved.db")
        shutil.copyfile(tmp_path / "moved.db", tmp_path / "ledger.db")

    async def run() -> bool:
        with opened(tmp_path) as ledger, ledger.lock(ADM), clerk() as process:
            assert process.stdout is not None
            said = process.stdout
            replace()
            with ledger.with_clerk(ADM, process) as its_clerk:
                await until(lambda: bool(select.select([said], [], [], 0)[0]))
                with its_clerk.heard_in(asyncio.get_running_loop()):
                    await asyncio.sleep(0.01)
                    with pytest.raises(CannotGoOn, match="was moved, deleted or replaced"):
                        await Commits().wait(ledger.intend(intent()))
                return its_clerk.writes

    assert not asyncio.run(run())


# As a user has it ---------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("ADM_TOKEN", "a-token")


def posting() -> subprocess.Popen[str]:
    command = ("post", "manifest.csv", "--ledger", "ledger.db", "--report", "report")
    return start(*command, start_new_session=True)


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for each in found for child in each.read_text(encoding="ascii").split()]


def states(folder: Path) -> dict[str, int]:
    with closing(sqlite3.connect(folder / "ledger.db")) as ledger:
        return dict(ledger.execute("SELECT state, count(*) FROM fulfillments GROUP BY state"))


def has_clerk(folder: Path) -> bool:
    """Whether one is at work, or has been."""
    return any(folder.glob("*.clerk"))


class Slowly:
    """Answers as documented, after so many posts only once it is let."""

    def __init__(self, after: int) -> None:
        self.seen = 0
        self._after = after
        self.go_on = False

    def __call__(self, seen: Any) -> Reply:  # noqa: ANN401 - Seen, which a test need not name
        self.seen += 1
        if self.seen == FEW:
            wait_until(lambda: has_clerk(Path()))
        if self.seen > self._after:
            wait_until(lambda: self.go_on)
        return created(seen)


@contextmanager
def held_up() -> Iterator[tuple[subprocess.Popen[str], Platform, Slowly]]:
    """A run in the midst of its posts, with a clerk, and the platform that it waits for."""
    parcels(Path("manifest.csv"), MANY)
    slowly = Slowly(after=1500)
    with Platform(slowly) as platform:
        configuration(Path("importer.toml"), platform.url, concurrency=16)
        run = posting()
        wait_until(lambda: slowly.seen > 1500, run)
        yield run, platform, slowly


def test_a_run_that_posts_much_has_a_clerk_and_ends_as_any_other(tmp_path: Path) -> None:
    parcels(tmp_path / "manifest.csv", MANY)
    with Platform() as platform:
        configuration(tmp_path / "importer.toml", platform.url, concurrency=16)
        run = posting()
        wait_until(lambda: has_clerk(tmp_path), run)
        ended = end(run)

        assert (ended.status, ended.err) == (0, "")
        assert len(platform.seen) == len(set(platform.names)) == MANY
    assert states(tmp_path) == {"created": MANY}
    assert set(statuses(tmp_path / "report" / "rows.csv").values()) == {"created"}
    assert not list(tmp_path.glob("ledger.db-*")), "all is in the one file"


def test_a_run_that_posts_little_has_none(tmp_path: Path) -> None:
    parcels(tmp_path / "manifest.csv", 20)
    with Platform() as platform:
        configuration(tmp_path / "importer.toml", platform.url)

        assert end(posting()).status == 0
    assert not list(tmp_path.glob("*.clerk"))


def test_when_the_clerk_is_killed_the_run_says_so_and_the_next_one_finishes(tmp_path: Path) -> None:
    with held_up() as (run, platform, slowly):
        [process] = children(run.pid)
        os.kill(process, signal.SIGKILL)
        slowly.go_on = True
        ended = end(run)

        assert ended.status == 4
        assert "the process that writes it has ended (signal 9); run the same command again" in (
            ended.out + ended.err
        )
        in_doubt = states(tmp_path).get("sending", 0) + states(tmp_path).get("in-doubt", 0)
        assert 0 < in_doubt <= 16
        again = end(start("post", "manifest.csv", "--ledger", "ledger.db", "--report", "again"))
        assert again.status == IN_DOUBT
        assert len(platform.seen) == len(set(platform.names)) == MANY
    assert states(tmp_path) == {"created": MANY - in_doubt, "in-doubt": in_doubt}


def test_when_the_run_is_killed_its_clerk_saves_what_it_heard_and_the_next_run_finishes(
    tmp_path: Path,
) -> None:
    with held_up() as (run, platform, slowly):
        run.kill()
        run.wait()
        slowly.go_on = True
        end(run)
        again = end(start("post", "manifest.csv", "--ledger", "ledger.db", "--report", "again"))

        assert again.status == IN_DOUBT
        asked_for = set(platform.names)
        assert len(platform.seen) == len(asked_for)
    found = states(tmp_path)
    assert found.keys() == {"created", "in-doubt"}
    assert MANY - len(asked_for) <= found["in-doubt"] <= 16, "what was about to be sent may be among them"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_leaves_nothing_in_doubt(tmp_path: Path, number: signal.Signals) -> None:
    with held_up() as (run, platform, slowly):
        os.killpg(run.pid, number)
        for child in children(run.pid):
            os.kill(child, number)  # as systemd does it to all that belongs to a service
        slowly.go_on = True
        ended = end(run)

    assert ended.status == 128 + number
    found = states(tmp_path)
    assert found.pop("not-sent", 0) <= 16, "what was about to be sent"
    assert found == {"created": len(platform.seen)}


def test_where_no_process_can_be_started_the_run_goes_on_without(tmp_path: Path) -> None:
    parcels(tmp_path / "manifest.csv", MANY)
    with Platform() as platform:
        configuration(tmp_path / "importer.toml", platform.url, concurrency=16)
        script = (
            "import sys; from importer.cli import run; "
            "sys.executable = '/no/python'; sys.exit(run(sys.argv[1:]))"
        )
        command = ["post", "manifest.csv", "--ledger", "ledger.db", "--report", "report"]
        ended = subprocess.run(
            [sys.executable, "-c", script, *command], capture_output=True, timeout=SECONDS, check=False
        )

        assert ended.returncode == 0
        assert len(platform.seen) == MANY
    assert states(tmp_path) == {"created": MANY}

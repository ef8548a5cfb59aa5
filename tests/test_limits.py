"""When a run is to stop, and how long it waits for another one."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import ExitStack
from datetime import UTC, datetime, time
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from importer import limits, pipeline
from importer.errors import RunInProgress
from importer.ledger import Ledger
from importer.posts import Deadline
from importer.sandbox import Sandbox, Store
from importer.settings import DestinationSettings
from tests.program import (
    SECONDS,
    Platform,
    Reply,
    Seen,
    configuration,
    created,
    end,
    here,
    parcels,
    settle_in,
    start,
    statuses,
)

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

Output = pytest.CaptureFixture[str]
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("ADM_TOKEN", "a-token")
    parcels(tmp_path / "m.csv", 4)


# --- durations and times of day ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2h", 7200),
        ("90m", 5400),
        ("45s", 45),
        ("1h30m", 5400),
        ("1h 30m 5s", 5405),
        (" 1H30 ", 3630),
        ("7200", 7200),
        ("0", 0),
        ("0.5h", 1800),
        ("1.5", 1.5),
    ],
)
def test_a_duration_is_hours_minutes_and_seconds_or_plain_seconds(text: str, seconds: float) -> None:
    assert limits.parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "h", "2d", "-5", "1m2h", "1:30", "10 30", "two", "1e3", "nan", "٣s"]
)
def test_what_is_no_duration_is_told_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration such as 2h") as raised:
        limits.parse_duration(text)

    assert str(raised.value) == (
        f"found {text!r}, expected a duration such as 2h, 90m, 45s, 1h30m, or seconds"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (7200, "2h"),
        (5400, "1h30m"),
        (5405, "1h30m5s"),
        (45, "45s"),
        (0.5, "0.5s"),
        (0, "0s"),
        (360_000, "100h"),
    ],
)
def test_a_duration_is_told_as_it_may_be_written(seconds: float, words: str) -> None:
    assert limits.in_words(seconds) == words
    assert limits.parse_duration(words) == seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("06:00", time(6)),
        ("6:05", time(6, 5)),
        ("06:00:30", time(6, 0, 30)),
        ("00:00", time(0)),
        (" 23:59:59 ", time(23, 59, 59)),
    ],
)
def test_a_time_of_day_has_hours_and_minutes_and_may_have_seconds(text: str, expected: time) -> None:
    assert limits.parse_time(text) == expected


@pytest.mark.parametrize("text", ["", "6", "24:00", "06:60", "06:00:60", "6am", "06:00 Uhr", "0600", "0६:00"])
def test_what_is_no_time_of_day_is_told_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time of day") as raised:
        limits.parse_time(text)

    assert str(raised.value) == (f"found {text!r}, expected a time of day from 00:00 to 23:59, such as 06:00")


def berlin(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold)


@pytest.mark.parametrize(
    ("at", "now", "hours"),
    [
        ("06:00", berlin("2024-04-30 05:00"), 1),
        ("06:00", berlin("2024-04-30 06:00"), 24),
        ("06:00", berlin("2024-04-30 06:01"), 24 - 1 / 60),
        ("06:00", berlin("2024-04-30 22:00"), 8),
        ("06:00:30", berlin("2024-04-30 06:00:15"), 15 / 3600),
        ("06:00", berlin("2024-03-30 22:00"), 7),  # the night loses an hour
        ("06:00", berlin("2024-10-26 22:00"), 9),  # the night has an hour twice
        ("02:30", berlin("2024-10-27 01:30"), 1),
        ("02:30", berlin("2024-10-27 02:40"), 50 / 60),
        ("02:30", berlin("2024-10-27 02:40", fold=1), 24 - 10 / 60),
        ("02:30", berlin("2024-03-31 01:30"), 1),  # a time that this night does not have
        ("02:30", berlin("2024-03-31 03:10"), 20 / 60),
        ("02:30", berlin("2024-03-31 03:40"), 24 - 70 / 60),
        ("06:00", datetime(2024, 4, 30, 5, tzinfo=UTC), 1),
        ("23:00", datetime(2024, 12, 31, 23, 30, tzinfo=UTC), 23.5),
    ],
)
def test_the_time_left_is_right_also_in_nights_in_which_the_clock_is_changed(
    at: str, now: datetime, hours: float
) -> None:
    assert limits.seconds_until(time.fromisoformat(at), now) == pytest.approx(hours * 3600)


NOW = datetime(2024, 4, 30, 12, tzinfo=UTC)
LONG = Deadline(100 + 172_800, "as asked, --max-time 48h is over")


def test_the_earlier_of_the_two_limits_counts() -> None:
    in_half_an_hour = datetime.fromtimestamp(NOW.timestamp() + 1800).time()  # noqa: DTZ006 - as the user's clock shows it
    clock_shows = Deadline(100 + 1800, f"as asked, it is {in_half_an_hour:%H:%M} (--stop-at)")

    assert limits.deadline(None, None, 100, NOW) is None
    assert limits.deadline(None, 172_800, 100, NOW) == LONG
    assert limits.deadline(in_half_an_hour, None, 100, NOW) == clock_shows
    assert limits.deadline(in_half_an_hour, 172_800, 100, NOW) == clock_shows
    assert limits.deadline(in_half_an_hour, 60, 100, NOW) == Deadline(160, "as asked, --max-time 1m is over")


@pytest.mark.parametrize("option", ["--max-time", "--give-up", "--drain", "--wait-lock"])
def test_a_wrong_duration_is_wrong_usage(capsys: Output, option: str) -> None:
    ended = here(capsys, "post", "--sandbox", "m.csv", option, "soon")

    assert ended.status == 2
    assert (
        f"Invalid value for '{option}': found 'soon', expected a duration such as 2h, 90m, 45s, 1h30m, or "
        "seconds" in ended.err
    )


def test_a_wrong_time_of_day_is_wrong_usage(capsys: Output) -> None:
    ended = here(capsys, "check", "m.csv", "--stop-at", "25:00")

    assert ended.status == 2
    assert "'--stop-at': found '25:00', expected a time of day from 00:00 to 23:59" in ended.err


# --- runs that stop ------------------------------------------------------------------------------------


def test_a_run_whose_time_is_over_sends_no_more_and_the_same_command_carries_on_4(capsys: Output) -> None:
    over = threading.Event()

    def slow(seen: Seen) -> Reply:
        over.wait(0.4)
        return created(seen)

    parcels(Path("m.csv"), 200)
    with Platform(slow) as platform:
        configuration(Path("importer.toml"), platform.url, concurrency=1)
        first = here(capsys, "post", "m.csv", "--report", "R", "--max-time", "2s", "--json")
        seen = len(platform.seen)
        over.set()
        again = here(capsys, "post", "m.csv", "--json")

    rows = first.summary["rows"]
    assert (first.status, first.summary["exit_status"]) == (4, 4)
    assert first.summary["stopped_because"] == "as asked, --max-time 2s is over"
    assert 0 < seen == rows["created"]
    assert rows["not-sent"] == 200 - seen
    ends = statuses(Path("R/rows.csv"))
    assert (len(ends), set(ends.values())) == (200, {"created", "not-sent"})
    assert (again.status, again.summary["rows"]["skipped"]) == (0, seen)
    assert sorted(platform.names) == sorted(ends)


def test_a_run_whose_time_is_over_before_the_first_post_sends_nothing_4(capsys: Output) -> None:
    with Platform() as platform:
        configuration(Path("importer.toml"), platform.url)
        first = here(capsys, "post", "m.csv", "--max-time", "0", "--json")
        checked = here(capsys, "check", "m.csv", "--max-time", "0", "--json")
        seen = list(platform.seen)
        again = here(capsys, "post", "m.csv", "--stop-at", "00:00", "--max-time", "99h", "--json")
        done = here(capsys, "post", "m.csv", "--max-time", "0", "--json")

    assert (first.status, seen) == (4, [])
    assert first.summary["rows"]["not-sent"] == 4
    assert first.summary["errors"] == {"run-stopped": 4}
    assert (checked.status, checked.summary["rows"]["ready"]) == (0, 4)
    assert (again.status, again.summary["rows"]["created"]) == (0, 4)
    assert (done.status, done.summary["rows"]["skipped"]) == (0, 4)  # nothing was left to stop


def test_what_is_in_flight_when_the_time_is_over_may_take_no_longer_than_the_drain(capsys: Output) -> None:
    ended = threading.Event()

    def late(seen: Seen) -> Reply:
        ended.wait(SECONDS)
        return created(seen)

    with Platform(late) as platform:
        configuration(Path("importer.toml"), platform.url, timeout=SECONDS)
        stopped = here(capsys, "post", "m.csv", "--max-time", "1s", "--drain", "0.1", "--json")
        ended.set()

    assert stopped.status == 4
    assert (len(platform.seen), stopped.summary["rows"]["in-doubt"]) == (1, 1)
    assert stopped.summary["rows"]["not-sent"] == 3


# --- another run ---------------------------------------------------------------------------------------


class Terminal(StringIO):
    """A terminal; ``when`` happens as soon as it is told that the run waits."""

    def __init__(self, when: Callable[[], None]) -> None:
        super().__init__()
        self._when = when

    def write(self, text: str) -> int:
        if "waiting for up to" in text:
            self._when()
        return super().write(text)


def job(url: str, **more: Any) -> tuple[pipeline.Job, str]:  # noqa: ANN401 - as Job has them
    """A run that posts to the sandbox, and what its destination is called."""
    settings = DestinationSettings("adm", "adm", url, sandbox=True)
    return pipeline.Job("post", ("m.csv",), settings, Path("L"), report=Path("R"), **more), "adm sandbox"


def test_a_run_waits_for_another_one_and_says_for_whom() -> None:
    with Sandbox(Store.any_order()) as sandbox, Ledger("L") as other, ExitStack() as lock:
        wanted, identity = job(sandbox.url, wait_lock=SECONDS)
        lock.enter_context(other.lock(identity))
        terminal = Terminal(when=lock.close)
        summary = pipeline.run(
            wanted, pipeline.World(console=Console(file=terminal, force_terminal=True, width=300))
        )

    assert (summary.exit_status, summary.rows["created"]) == (0, 4)
    assert (
        "waiting for up to 1m: another run is posting to adm sandbox with this ledger: "
        f"host {os.uname().nodename}, pid {os.getpid()}, since " in terminal.getvalue()
    )


@pytest.mark.parametrize("more", [{"wait_lock": 0.2}, {"wait_lock": 3600.0, "max_time": 0.2}, {}])
def test_a_run_waits_no_longer_than_it_was_told_to_nor_than_it_may_take_5(more: dict[str, float]) -> None:
    with Sandbox(Store.any_order()) as sandbox, Ledger("L") as other:
        wanted, identity = job(sandbox.url, **more)
        with (
            other.lock(identity),
            pytest.raises(RunInProgress, match="another run is posting to adm sandbox"),
        ):
            pipeline.run(wanted, pipeline.World())

    assert not Path("R").exists()


def waiting(*arguments: object) -> tuple[subprocess.Popen[str], int]:
    """A process that waits for another run, as it says on its terminal; and the terminal."""
    terminal, its_end = os.openpty()
    process = start(*arguments, stderr=its_end)
    os.close(its_end)
    told = b""
    while b"waiting for up to" not in told:
        told += os.read(terminal, 1000)
    return process, terminal


def test_a_second_process_waits_until_the_first_one_has_ended() -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow(seen: Seen) -> Reply:
        asked.set()
        go_on.wait(SECONDS)
        return created(seen)

    with Platform(slow) as platform:
        configuration(Path("importer.toml"), platform.url)
        first = start("post", "m.csv", "--json")
        assert asked.wait(SECONDS)
        second, terminal = waiting("post", "--wait-lock", "10m", "--json", "m.csv")
        go_on.set()
        ends = [end(first), end(second)]
        os.close(terminal)

    assert [ended.status for ended in ends] == [0, 0]
    assert [
        ended.summary["rows"][status] for ended, status in zip(ends, ("created", "skipped"), strict=True)
    ] == [4, 4]
    assert len(platform.seen) == 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_waits_for_another_one_is_interrupted_at_once(number: signal.Signals) -> None:
    with Platform() as platform, Ledger("L") as other, other.lock(f"adm {platform.url}"):
        configuration(Path("importer.toml"), platform.url)
        process, terminal = waiting("post", "m.csv", "--ledger", "L", "--wait-lock", "--json")
        process.send_signal(number)
        ended = end(process)
        os.close(terminal)
        runs = other.runs()

    summary = ended.summary
    assert (ended.status, summary["stopped_because"]) == (128 + number, f"interrupted by {number.name}")
    assert (platform.seen, runs, Path(summary["reports"]["rows"]).exists()) == ([], [], True)


# --- the sandbox's faults ------------------------------------------------------------------------------


def test_a_rehearsal_is_for_the_sandbox_only(capsys: Output) -> None:
    ended = here(capsys, "post", "m.csv", "--rehearse", "busy")

    assert ended.status == 2
    assert ended.err.endswith("Error: --rehearse is for the sandbox only: give --sandbox, too\n")


def test_the_sandbox_goes_wrong_as_rehearsed(capsys: Output) -> None:
    parcels(Path("m.csv"), 60)
    ended = here(capsys, "post", "m.csv", "--sandbox", "--rehearse", "gone", "--give-up", "1", "--json")

    rows = ended.summary["rows"]
    assert 0 < rows["created"] <= 50
    assert rows["created"] < rows["total"] == 60
    assert ended.status != 0


def test_an_unknown_rehearsal_is_wrong_usage(capsys: Output) -> None:
    ended = here(capsys, "post", "--sandbox", "--rehearse", "klingon", "m.csv")

    assert ended.status == 2
    assert "'klingon' is not one of" in ended.err

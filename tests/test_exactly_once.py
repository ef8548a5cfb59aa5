"""However a run is ended, the same command again finishes it: nothing is posted twice, nothing lost."""

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from importer.sandbox import Sandbox
from importer.sandbox.orders import Part, Refusal
from tests.program import (
    SECONDS,
    Counted,
    Platform,
    Reply,
    Seen,
    configuration,
    created,
    end,
    here,
    launch,
    manifest,
    parcels,
    settle_in,
    start,
    statuses,
    table,
    wait_until,
)

CONCURRENCY = 4
KILLS = 8


class SlowStore(Counted):
    """A platform that takes some milliseconds for each fulfillment, so that there is time to end a run."""

    def fulfill(self, tracking_number: str, parts: Sequence[Part]) -> datetime | Refusal:
        time.sleep(0.004)
        return super().fulfill(tracking_number, parts)


@pytest.fixture
def store() -> SlowStore:
    return SlowStore()


@pytest.fixture(autouse=True)
def _sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: SlowStore) -> Iterator[None]:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("ADM_TOKEN", "a-token")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    with Sandbox(store, token="a-token") as sandbox:  # noqa: S106 - of the test's own sandbox
        configuration(Path("importer.toml"), sandbox.url, concurrency=CONCURRENCY)
        yield


def report_of(out: str) -> Path:
    """Where the report is that a summary tells of."""
    return next(Path(line[8:]).parent for line in out.splitlines() if line.startswith("Report: "))


def test_a_run_that_is_killed_again_and_again_posts_every_fulfillment_once(
    store: SlowStore, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{1001 + number // 2}/TRACK{number:05}" for number in range(200)]
    manifest(Path("m.csv"), *(f"{name.replace('/', ',MUG,1,')}" for name in names))
    command = ("post", "m.csv", "--report", "R")
    chance = random.Random(20240430)  # noqa: S311 - the same moments in every run

    for _ in range(KILLS):
        enough = len(store.created) + chance.randint(1, 20)
        process = start(*command)
        wait_until(lambda: len(store.created) >= enough, process)  # noqa: B023 - asked within the turn
        time.sleep(chance.random() / 100)
        process.kill()
        assert end(process).status == -signal.SIGKILL
    ended = end(start(*command))

    ends = statuses(Path("R/rows.csv"))
    doubted = {name for name, status in ends.items() if status == "in-doubt"}
    assert sorted(ends) == sorted(names)
    assert {status for name, status in ends.items() if name not in doubted} == {"created", "skipped"}
    assert ended.status == (6 if doubted else 0)
    assert len(doubted) <= KILLS * CONCURRENCY
    assert set(store.made.values()) == {1}
    assert set(names) - doubted <= set(store.made) <= set(names)
    requests = store.counts["requests"]
    assert here(capsys, "post", "m.csv").status == ended.status
    assert store.counts["requests"] == requests


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_records_what_was_in_flight_and_reports_every_row(
    store: SlowStore, number: signal.Signals
) -> None:
    parcels(Path("m.csv"), 100)
    process = start("post", "m.csv")
    wait_until(lambda: len(store.created) >= 20, process)
    process.send_signal(number)

    ended = end(process)

    assert (ended.status, ended.err) == (128 + number, "")
    ends = statuses(report_of(ended.out) / "rows.csv")
    assert len(ends) == 100
    assert {name for name, status in ends.items() if status == "created"} == set(store.made)
    assert set(ends.values()) == {"created", "not-sent"}
    assert f"\nStopped early: interrupted by {number.name}\n" in ended.out
    summary = json.loads((report_of(ended.out) / "summary.json").read_text())
    assert (summary["exit_status"], summary["stopped_because"]) == (
        128 + number,
        f"interrupted by {number.name}",
    )
    again = end(start("post", "m.csv", "--json"))
    assert again.status == 0
    assert again.summary["rows"]["skipped"] == 100 - again.summary["rows"]["created"] >= 20
    assert store.made == Counter(ends.keys())


def test_a_run_that_nohup_has_started_goes_on_when_its_terminal_is_closed(store: SlowStore) -> None:
    parcels(Path("m.csv"), 60)
    program = [sys.executable, "-m", "importer", "post", "m.csv", "--json"]
    process = launch(["nohup", *program], stdin=subprocess.DEVNULL)
    wait_until(lambda: len(store.created) >= 20, process)
    process.send_signal(signal.SIGHUP)

    ended = end(process)

    assert ended.status == 0
    assert ended.summary["rows"]["created"] == 60
    assert len(store.made) == 60


def test_a_second_signal_waits_no_longer_for_what_is_in_flight_and_calls_it_in_doubt() -> None:
    parcels(Path("m.csv"), 3)
    ended_at_last = threading.Event()

    def late(seen: Seen) -> Reply:
        ended_at_last.wait(SECONDS)
        return created(seen)

    with Platform(late) as platform:
        configuration(Path("importer.toml"), platform.url)
        process = start("post", "m.csv", "--json")
        wait_until(lambda: len(platform.seen) == 1, process)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)  # of two that come at once, either may be the first
        process.send_signal(signal.SIGTERM)
        ended = end(process)
        ended_at_last.set()

    rows = table(Path(ended.summary["reports"]["rows"]))
    assert (ended.status, ended.err) == (130, "")
    assert [(row["import_status"], row["import_code"]) for row in rows] == [
        ("in-doubt", "outcome-unknown"),
        ("not-sent", "run-stopped"),
        ("not-sent", "run-stopped"),
    ]


def test_a_run_that_waits_to_try_again_is_interrupted_at_once() -> None:
    parcels(Path("m.csv"), 3)
    with Platform(lambda _: Reply(429, headers={"Retry-After": "600"})) as platform:
        configuration(Path("importer.toml"), platform.url)
        process = start("post", "m.csv", "--json")
        wait_until(lambda: len(platform.seen) == 1, process)
        process.send_signal(signal.SIGTERM)
        ended = end(process)

    assert (ended.status, ended.err, len(platform.seen)) == (143, "", 1)
    assert (ended.summary["rows"]["failed"], ended.summary["rows"]["not-sent"]) == (1, 2)


def test_a_run_that_is_interrupted_while_it_begins_has_a_report(store: SlowStore) -> None:
    parcels(Path("m.csv"), 100)
    process = start("post", "m.csv", "--json")
    wait_until(lambda: takes(process.pid, signal.SIGTERM), process)
    process.send_signal(signal.SIGTERM)

    ended = end(process)

    summary = ended.summary
    assert (ended.status, ended.err, summary["stopped_because"]) == (143, "", "interrupted by SIGTERM")
    assert summary == json.loads((Path(summary["reports"]["rows"]).parent / "summary.json").read_text())
    assert store.counts["requests"] == 0


def takes(process: int, number: signal.Signals) -> bool:
    """Whether it has said what is to be done with that signal."""
    told = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return bool(int(told["SigCgt"], 16) >> (number - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_still_waits_for_its_manifest_ends_at_once(
    tmp_path: Path, number: signal.Signals, store: SlowStore
) -> None:
    process = start("post", "-", stdin=subprocess.PIPE)
    wait_until(lambda: any(tmp_path.glob("scratch/*/*")), process)
    process.send_signal(number)

    ended = end(process)

    assert (ended.status, ended.err) == (128 + number, "")
    folder = report_of(ended.out)
    assert ended.out.splitlines()[1:] == [
        "0 manifests, 0 rows, 0 fulfillments",
        "",
        "  the run was stopped before anything was read",
        "",
        f"Stopped early: interrupted by {number.name}",
        "",
        f"Report: {folder}/report.html",
        "Next:   run the same command again; what is done is skipped",
    ]
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["exit_status"], summary["stopped_because"], summary["rows"]["total"]) == (
        *(128 + number, f"interrupted by {number.name}"),
        0,
    )
    assert table(folder / "rows.csv") == table(folder / "errors.csv") == []
    assert store.counts["requests"] == 0
    assert list(tmp_path.glob("scratch/*")) == []

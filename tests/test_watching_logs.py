"""A run as lines of JSON: what stands in them, and that the run goes on without them."""

from __future__ import annotations

import errno
import io
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from importer.report import Position
from importer.watching.ears import Ears
from importer.watching.logs import Level, Lines, Log, Posting, Rows, appended
from tests.fakes import FakeLedger
from tests.program import (
    Platform,
    Reply,
    Seen,
    configuration,
    created,
    here,
    manifest,
    parcels,
    refusal,
    settle_in,
)
from tests.receivers import free_port

if TYPE_CHECKING:
    from typing_extensions import Buffer

    Output = pytest.CaptureFixture[str]

AT = datetime(2024, 4, 30, 2, 0, 0, 5000, tzinfo=UTC)
NO_ROWS = Rows(np.array([], dtype=np.int64), [])
TOKEN = "a-token-3f9c"  # noqa: S105 - of these tests' own platform


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("ADM_TOKEN", TOKEN)
    parcels(tmp_path / "m.csv", 2)


class Disk(io.RawIOBase):
    """A file on a disk that has room for so many bytes."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.bytes = b""

    def write(self, given: Buffer, /) -> int:
        """Take as much as there is room for."""
        taken = bytes(given)[: self.room]
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= len(taken)
        self.bytes += taken
        return len(taken)


def lines(path: str = "run.log") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def events(*names: str) -> list[tuple[Any, ...]]:
    """Of each line the event, and what it says under these names."""
    return [(line["event"], *map(line.get, names)) for line in lines()]


def test_a_line_has_time_level_event_and_run_and_nothing_that_is_unknown() -> None:
    written: list[str] = []
    log = Log(written.append, now=lambda: AT, run_id="RUN")

    log.tell("waiting", Level.WARNING, message="asked to wait", code="", attempt=None, row=0)

    (line,) = written
    assert line == (
        '{"time": "2024-04-30T02:00:00.005Z", "level": "warning", "event": "waiting", "run_id": "RUN", '
        '"message": "asked to wait", "row": 0}\n'
    )


def test_a_run_is_told_from_its_start_to_its_end(capsys: Output) -> None:
    ended = here(capsys, "post", "m.csv", "--sandbox", "--log", "run.log", "--json")

    (start, *_, end) = lines()
    assert {line["run_id"] for line in lines()} == {ended.summary["run_id"]}
    assert {line["level"] for line in lines()} == {"info"}
    assert {key: start[key] for key in ("event", "command", "destination", "manifests")} == {
        "event": "run-started",
        "command": "post",
        "destination": "adm sandbox",
        "manifests": ["m.csv"],
    }
    assert {key: end[key] for key in ("event", "exit_status", "rows", "message")} == {
        "event": "run-finished",
        "exit_status": 0,
        "rows": {"created": 2, "total": 2},
        "message": "All 2 rows are posted",
    }


def test_each_fulfillment_is_told_with_its_order_number_attempt_and_row(capsys: Output) -> None:
    manifest(
        Path("m.csv"), "1001,MUG,1,TRACK1", "1001,CUP,1,TRACK1", "1002,MUG,0,TRACK2", "1003,CUP,1,TRACK3"
    )

    here(capsys, "post", "m.csv", "--sandbox", "--log", "run.log", "--concurrency", 1)

    assert events("order", "tracking_number", "attempt", "status", "http_status", "manifest", "row")[
        1:-1
    ] == [
        ("attempt-ended", "1001", "TRACK1", 1, "created", 200, None, None),
        ("fulfillment-ended", "1001", "TRACK1", 1, "created", 200, "m.csv", 2),
        ("attempt-ended", "1003", "TRACK3", 1, "created", 200, None, None),
        ("fulfillment-ended", "1003", "TRACK3", 1, "created", 200, "m.csv", 5),
    ]


def test_retries_and_what_all_wait_for_are_told(capsys: Output) -> None:
    answers = [Reply(429, headers={"Retry-After": "0"}), refusal(500)]
    with Platform(lambda seen: answers.pop(0) if answers else created(seen)) as platform:
        configuration(Path("importer.toml"), platform.url)
        manifest(Path("m.csv"), "1001,MUG,1,TRACK1")
        here(capsys, "post", "m.csv", "--log", "run.log")

    waiting, going_on = ("waiting", "warning", None), ("going-on", "info", None)
    assert events("level", "attempt")[1:-1] == [
        ("attempt-ended", "warning", 1),
        waiting,
        going_on,
        ("retry", "warning", 2),
        ("attempt-ended", "warning", 2),
        ("retry", "warning", 3),
        ("attempt-ended", "info", 3),
        ("fulfillment-ended", "info", 3),
    ]


def test_why_a_destination_that_is_down_ends_the_run_is_told(capsys: Output) -> None:
    configuration(Path("importer.toml"), f"http://127.0.0.1:{free_port()}")

    ended = here(capsys, "post", "m.csv", "--log", "run.log", "--give-up", "1s", "--max-attempts", 1)

    end = lines()[-1]
    assert (ended.status, end["event"], end["exit_status"], end["level"]) == (4, "run-finished", 4, "error")
    assert end["stopped_because"].startswith("the destination can't be reached")


def test_what_counts_down_is_told_once() -> None:
    written: list[str] = []
    memory = FakeLedger()
    ears = Ears(memory, lambda *_: None, lambda _: None).and_of(Posting(Log(written.append), NO_ROWS))

    for words in ("it is down; next try in 2 s", "it is down; next try in 1 s", "", "it is down; again", ""):
        ears.says(words)

    told = [json.loads(line) for line in written]
    assert [(line["event"], line.get("message")) for line in told] == [
        ("waiting", "it is down; next try in 2 s"),
        ("going-on", None),
        ("waiting", "it is down; again"),
        ("going-on", None),
    ]


def test_the_platforms_own_id_of_a_request_is_told(capsys: Output) -> None:
    def answer(seen: Seen) -> Reply:
        return Reply(200, created(seen).body, {"Request-Id": f"id-{seen.body['order_id']}"})

    with Platform(answer) as platform:
        configuration(Path("importer.toml"), platform.url)
        here(capsys, "post", "m.csv", "--log", "run.log", "--concurrency", 1)
    sent = [seen.headers["Idempotency-Key"] for seen in platform.seen]

    assert events("request_id", "idempotency_key")[1:-1] == [
        ("attempt-ended", "id-1001", sent[0]),
        ("fulfillment-ended", None, None),
        ("attempt-ended", "id-1002", sent[1]),
        ("fulfillment-ended", None, None),
    ]


def test_neither_a_token_nor_a_body_is_in_it(capsys: Output) -> None:
    def echo(seen: Seen) -> Reply:
        return refusal(400, "Bad Request", f"{seen.headers}")

    with Platform(echo) as platform:
        configuration(Path("importer.toml"), platform.url)
        here(capsys, "post", "m.csv", "--log", "run.log")

    text = Path("run.log").read_text()
    assert TOKEN not in text
    assert "line_items" not in text
    assert len(lines()) == 6


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("sftp://bob:CANARY@127.0.0.1:9/x.csv", "sftp://bob@127.0.0.1:9/x.csv"),
        ("http://127.0.0.1:9/x.csv?signature=CANARY", "http://127.0.0.1:9/x.csv?…"),
    ],
)
def test_what_is_secret_in_the_address_of_a_manifest_is_not_in_it(
    capsys: Output, address: str, shown: str
) -> None:
    ended = here(capsys, "check", address, "--log", "run.log")

    assert ended.status in {2, 3}
    assert lines()[0]["manifests"] == [shown]
    assert "CANARY" not in Path("run.log").read_text() + ended.err


def test_a_run_that_cannot_start_says_so(capsys: Output) -> None:
    ended = here(capsys, "check", "nothing.csv", "--log", "run.log")

    (start, end) = lines()
    assert (start["event"], end["event"], end["level"]) == ("run-started", "run-finished", "error")
    assert (ended.status, end["exit_status"]) == (3, 3)
    assert "nothing.csv" in end["message"]


def test_the_lines_of_several_runs_follow_each_other(capsys: Output) -> None:
    for _ in range(2):
        here(capsys, "check", "m.csv", "--log", "run.log")

    assert [event for (event,) in events()] == ["run-started", "run-finished"] * 2


def test_a_dash_is_standard_error(capsys: Output) -> None:
    ended = here(capsys, "check", "m.csv", "--log", "-")

    assert [json.loads(line)["event"] for line in ended.err.splitlines()] == ["run-started", "run-finished"]


def test_a_log_that_cannot_be_written_is_a_warning(capsys: Output) -> None:
    ended = here(capsys, "post", "m.csv", "--sandbox", "--log", "nowhere/run.log")

    assert (ended.status, ended.err) == (
        0,
        "importer: warning: --log nowhere/run.log: can't be written: No such file or directory\n",
    )


def test_a_disk_that_is_full_loses_lines_says_so_once_and_loses_nothing_else(capsys: Output) -> None:
    ended = here(capsys, "post", "m.csv", "--sandbox", "--log", "/dev/full")

    assert (ended.status, ended.err) == (
        0,
        "importer: warning: --log /dev/full: lines are missing in it: No space left on device\n",
    )


def test_a_line_that_was_cut_short_takes_none_with_it() -> None:
    disk = Disk(room=15)
    written = Lines(disk)

    for line in ("the first\n", "the second\n"):
        written.write(line)
    disk.room = 1000
    for line in ("the third\n", "the fourth\n"):
        written.write(line)

    assert disk.bytes == b"the first\nthe s\nthe third\nthe fourth\n"
    assert written.trouble == "there was no room for it"


def test_a_line_that_an_earlier_run_left_torn_is_ended_first(capsys: Output) -> None:
    Path("run.log").write_text('{"event": "run-st')

    ended = here(capsys, "check", "m.csv", "--log", "run.log")

    torn, *whole = Path("run.log").read_text().splitlines()
    assert (ended.status, ended.err, torn) == (0, "", '{"event": "run-st')
    assert [json.loads(line)["event"] for line in whole] == ["run-started", "run-finished"]


def test_a_pipe_that_nobody_reads_keeps_no_run(capsys: Output) -> None:
    os.mkfifo("run.log")

    ended = here(capsys, "post", "m.csv", "--sandbox", "--log", "run.log")

    assert (ended.status, ended.err) == (
        0,
        "importer: warning: --log run.log: can't be written: it is a pipe that nobody reads\n",
    )


def test_a_pipe_that_is_read_has_the_lines(capsys: Output) -> None:
    os.mkfifo("run.log")
    reader = os.open("run.log", os.O_RDONLY | os.O_NONBLOCK)
    try:
        ended = here(capsys, "check", "m.csv", "--log", "run.log")
        read = os.read(reader, 100_000).decode().splitlines()
    finally:
        os.close(reader)

    assert (ended.status, ended.err) == (0, "")
    assert [json.loads(line)["event"] for line in read] == ["run-started", "run-finished"]


def test_a_pipe_whose_reader_has_stopped_keeps_nobody() -> None:
    os.mkfifo("run.log")
    reader = os.open("run.log", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with appended(Path("run.log")) as written:
            for _ in range(100):
                written.write("x" * 4095 + "\n")
    finally:
        os.close(reader)

    assert written.trouble == "there was no room for it"


def test_a_fulfillment_stands_where_its_first_row_does() -> None:
    positions = [Position(0, "a.csv", np.array([2, 3, 5])), Position(3, "b.csv", np.array([2, 3]))]

    rows = Rows.of(np.array([-1, 0, 1, 0, 2]), positions)

    assert [rows.place(index) for index in range(3)] == [("a.csv", 3), ("a.csv", 5), ("b.csv", 3)]

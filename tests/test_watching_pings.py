"""Pings to a watchdog: what it hears of a run, and that no trouble with it is the run's."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from importer.settings import Secret
from importer.watching import pings
from importer.watching.pings import Pings
from tests.program import (
    SECONDS,
    Platform,
    Reply,
    Seen,
    configuration,
    created,
    end,
    here,
    manifest,
    parcels,
    settle_in,
    start,
)
from tests.receivers import Heard, Receiver, free_port

if TYPE_CHECKING:
    Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    parcels(tmp_path / "m.csv", 2)


def test_the_watchdog_hears_of_start_and_end_with_the_sentence_of_the_summary(capsys: Output) -> None:
    with Receiver() as watchdog:
        ended = here(capsys, "post", "m.csv", "--sandbox", "--ping", f"{watchdog.url}/a-secret/?create=1")

    assert (ended.status, ended.err) == (0, "")
    assert watchdog.heard == [
        Heard("POST", "/a-secret/start?create=1", ""),
        Heard("POST", "/a-secret/0?create=1", "All 2 rows are posted"),
    ]


def test_the_watchdog_hears_the_exit_status_of_a_run_with_faulty_rows(capsys: Output) -> None:
    manifest(Path("m.csv"), "1001,MUG,1,TRACK1", "1002,MUG,0,TRACK2")
    with Receiver() as watchdog:
        ended = here(capsys, "check", "m.csv", "--ping", watchdog.url)

    assert ended.status == 1
    assert watchdog.heard[1:] == [
        Heard("POST", "/1", "Of 2 rows, 1 is ready to be posted and 1 needs attention")
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("post", "--to", "nowhere", "m.csv"), 2, "--to nowhere: no such destination"),
        (("post", "--partial", "--all-or-nothing", "--sandbox", "x", "m.csv"), 2, "contradict each other"),
        (("check", "nothing.csv"), 3, "nothing.csv"),
    ],
)
def test_the_watchdog_hears_that_a_run_cannot_start_and_why(
    capsys: Output, arguments: tuple[str, ...], status: int, words: str
) -> None:
    with Receiver() as watchdog:
        ended = here(capsys, *arguments, "--ping", watchdog.url)

    assert ended.status == status
    assert watchdog.paths == ["/start", "/fail"]
    assert words in watchdog.heard[1].body


def test_the_watchdog_hears_of_a_run_that_was_interrupted() -> None:
    def slowly(seen: Seen) -> Reply:
        begun.set()
        time.sleep(0.2)
        return created(seen)

    begun = threading.Event()
    with Receiver() as watchdog, Platform(slowly) as platform:
        configuration(Path("importer.toml"), platform.url)
        process = start("post", "m.csv", "--ping", watchdog.url, env={**os.environ, "ADM_TOKEN": "a-token"})
        assert begun.wait(SECONDS)
        process.send_signal(signal.SIGTERM)
        ended = end(process)

    assert ended.status == 143
    assert watchdog.heard == [
        Heard("POST", "/start", ""),
        Heard(
            "POST",
            "/143",
            "Of 2 rows, 1 is posted and 1 is still to be sent. Stopped early: interrupted by SIGTERM",
        ),
    ]


def test_the_address_may_be_in_the_environment(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver() as watchdog:
        monkeypatch.setenv("IMPORTER_POST_PING", watchdog.url)
        here(capsys, "post", "m.csv", "--sandbox")

    assert watchdog.paths == ["/start", "/0"]


def test_a_watchdog_that_is_not_there_is_a_warning_without_its_address(capsys: Output) -> None:
    url = f"http://127.0.0.1:{free_port()}/a-secret"

    ended = here(capsys, "post", "m.csv", "--sandbox", "--ping", url)

    assert ended.status == 0
    assert ended.err == (
        "importer: warning: --ping: http://127.0.0.1/*** was not told that the run has ended: "
        "connection refused\n"
    )


def test_an_address_that_is_none_is_refused_unseen(capsys: Output) -> None:
    ended = here(capsys, "post", "m.csv", "--sandbox", "--ping", "ftp://example.com/a-secret")

    assert ended.status == 2
    assert "expected an address that begins with https:// or http://" in ended.err
    assert "a-secret" not in ended.err


def test_a_wrong_address_in_the_environment_stops_no_run(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMPORTER_POST_PING", "ftp://example.com/a-secret")

    ended = here(capsys, "post", "m.csv", "--sandbox")

    assert ended.status == 0
    assert ended.err == (
        "importer: warning: IMPORTER_POST_PING: expected an address that begins with https:// or http://, "
        "without a user name in it; it is left out\n"
    )


@pytest.mark.parametrize(
    ("url", "usable"),
    [
        ("https://hc-ping.com/uuid", True),
        ("http://[::1]:8000", True),
        ("http://[::1", False),
        ("http://host:notaport/", False),
        ("https:///path", False),
        ("https://user:password@host/path", False),
        ("https://user@host/path", False),
        ("https://host/path@here", True),
        ("https://host/a b", False),
        ("hc-ping.com/uuid", False),
    ],
)
def test_what_can_be_pinged(url: str, *, usable: bool) -> None:
    assert pings.usable(url) is usable


def test_a_ping_that_fails_is_tried_three_times() -> None:
    complaints: list[str] = []
    with Receiver([500, 503, 200, 404, 404, 404]) as watchdog:
        first = Pings(Secret(watchdog.url), complaints.append, pause=0.0)
        first.end("0", "well")
        second = Pings(Secret(watchdog.url), complaints.append, pause=0.0)
        second.end("1", "not so well")

    assert watchdog.paths == ["/0", "/0", "/0", "/1", "/1", "/1"]
    assert complaints == ["--ping: http://127.0.0.1/*** was not told that the run has ended: HTTP 404"]


def test_a_watchdog_that_never_answers_keeps_nobody() -> None:
    complaints: list[str] = []
    with Receiver([None] * 6) as watchdog:
        watch = Pings(Secret(watchdog.url), complaints.append, limit=0.05, pause=0.0)
        watch.start()
        watch.end("0", "well")

    assert complaints == [
        "--ping: http://127.0.0.1/*** was not told that the run has ended: no answer within 0.05 s"
    ]

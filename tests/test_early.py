"""Signals before there is a run to end, and after it: each process here has them waiting when it begins."""

import json
import signal
import sys
from pathlib import Path

import pytest

from importer.early import Interrupted
from tests.program import Ended, Platform, configuration, end, launch, parcels, settle_in

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
# what is blocked and waits outlasts exec
SIGNALLED = """
import os, signal, sys
number = int(sys.argv[1])
signal.signal(number, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_BLOCK, [number])
os.kill(os.getpid(), number)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


@pytest.fixture(autouse=True)
def _settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("ADM_TOKEN", "a-token")


def signalled(number: signal.Signals, *arguments: object) -> Ended:
    """How Python ends, as a run of ``arguments``, that has the signal from its first moment on."""
    return end(launch([sys.executable, "-c", SIGNALLED, str(int(number)), *map(str, arguments)]))


def early(text: str) -> Ended:
    """How a program ends that takes the signals early, and then does this."""
    return end(launch([sys.executable, "-c", f"{EARLY}{text}"]))


EARLY = """
import signal
from importer.early import Early
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
early = Early()
early.take()
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_run_that_is_interrupted_while_the_program_is_loaded_sends_nothing_and_has_a_report(
    number: signal.Signals,
) -> None:
    parcels(Path("m.csv"), 3)
    with Platform() as platform:
        configuration(Path("importer.toml"), platform.url)
        ended = signalled(number, "-m", "importer", "post", "m.csv", "--json", "--report", "night")

    assert (ended.status, ended.err, platform.seen) == (128 + number, "", [])
    assert ended.summary["stopped_because"] == f"interrupted by {number.name}"
    assert json.loads(Path("night/summary.json").read_text()) == ended.summary


def test_a_plan_that_is_interrupted_while_the_program_is_loaded_begins_no_job() -> None:
    parcels(Path("m.csv"), 3)
    Path("night.toml").write_text('[[job]]\nname = "acme"\nmanifests = "m.csv"\nto = "adm"\n')
    with Platform() as platform:
        configuration(Path("importer.toml"), platform.url)
        ended = signalled(signal.SIGTERM, "-m", "importer", "post", "--plan", "night.toml", "--json")

    assert (ended.status, ended.err, platform.seen) == (143, "", [])
    assert [job["trouble"] for job in ended.summary["jobs"]] == ["not begun: interrupted by SIGTERM"]


@pytest.mark.parametrize("number", SIGNALS)
def test_any_other_command_that_is_interrupted_while_it_is_loaded_says_so_in_a_line(
    number: signal.Signals,
) -> None:
    ended = signalled(number, "-m", "importer", "runs")

    assert ended == Ended(128 + number, "", "importer: interrupted\n")


def test_the_third_signal_ends_on_the_spot_what_is_being_loaded() -> None:
    ended = early("""
signal.raise_signal(15)
signal.raise_signal(1)
print(early.number, flush=True)
signal.raise_signal(1)
""")

    assert ended == Ended(-signal.SIGHUP, "15\n", "")


def test_a_signal_ends_at_once_what_obeys_it_and_is_only_noted_once_that_has_ended() -> None:
    ended = early("""
early.obey()
try:
    signal.raise_signal(15)
except KeyboardInterrupt as interrupt:
    print(interrupt.exit_status)
early.note()
signal.raise_signal(1)
print(early.number)
""")

    assert ended == Ended(0, "143\n1\n", "")


def test_a_signal_that_is_ignored_stays_so() -> None:
    ended = early(
        "signal.signal(1, signal.SIG_IGN); early.take(); signal.raise_signal(1); print(early.number)"
    )

    assert ended == Ended(0, "0\n", "")


def test_what_interrupts_has_the_exit_status_of_its_signal() -> None:
    assert [Interrupted(number).exit_status for number in SIGNALS] == [130, 143, 129]

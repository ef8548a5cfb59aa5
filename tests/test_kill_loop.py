"""Importers are ended at random moments, and nothing is doubled or lost; if it were, it would be seen."""

import csv
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.kill_loop.scenarios import OF_FILES, SCENARIOS
from tests.kill_loop.verdict import Evidence, Known, report_faults

ROOT = Path(__file__).parents[1]
SECONDS = 300
"""More than it takes on any machine; what takes longer hangs."""


LEAST_KILLS = {"race": 5}
"""Two runs at once may be through with everything before the last kill comes."""


def play(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Play scenarios; bounded by kills, so that a slow machine has as many."""
    command = [sys.executable, "-m", "tests.kill_loop", "--json", f"--seconds={SECONDS}", *arguments]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False, timeout=SECONDS)
    return ended.returncode, json.loads(ended.stdout)


def test_however_often_runs_are_ended_nothing_is_doubled_and_nothing_lost() -> None:
    status, results = play("--kills=12", "--parcels=2400")

    figures = ("doubled", "lost", "fulfillments", "faults")
    assert {result["scenario"]: [result[name] for name in figures] for result in results} == {
        name: [0, 0, 2400, []] for name in SCENARIOS
    }
    assert status == 0
    assert all(result["in_doubt"] <= result["in_flight"] for result in results)
    assert all(result["kills"] >= LEAST_KILLS.get(result["scenario"], 10) for result in results)


@pytest.mark.postgresql
def test_with_a_database_nothing_is_doubled_and_nothing_lost_either() -> None:
    status, results = play("--kills=6", "--parcels=900", "--postgresql")

    figures = ("doubled", "lost", "fulfillments", "faults")
    assert {result["scenario"]: [result[name] for name in figures] for result in results} == {
        name: [0, 0, 900, []] for name in SCENARIOS.keys() - OF_FILES
    }
    assert status == 0
    assert all(result["in_doubt"] <= result["in_flight"] for result in results)
    assert all(result["kills"] >= LEAST_KILLS.get(result["scenario"], 10) // 2 for result in results)


def test_a_loop_that_breaks_the_guarantee_is_caught() -> None:
    status, [result] = play("--scenario=kill", "--kills=8", "--parcels=200", "--careless")

    assert status == 1
    assert result["doubled"] > 0
    assert f"{result['doubled']} created more than once" in result["faults"][0]


RUN = "run-00001"
CREATED, IN_DOUBT, FAILED = (Known(state, RUN) for state in ("created", "in-doubt", "failed"))


@pytest.mark.parametrize(
    ("created", "ledger", "faults"),
    [
        ({"1/A": 1, "1/B": 1}, {"1/A": CREATED, "1/B": CREATED}, []),
        ({"1/A": 1}, {"1/A": CREATED, "1/B": IN_DOUBT}, []),
        ({"1/A": 1, "1/B": 1}, {"1/A": CREATED, "1/B": IN_DOUBT}, []),
        ({"1/A": 2, "1/B": 1}, {"1/A": CREATED, "1/B": CREATED}, ["1 created more than once: 1/A"]),
        ({"1/A": 1, "1/B": 2}, {"1/A": CREATED, "1/B": IN_DOUBT}, ["1 created more than once: 1/B"]),
        ({"1/A": 1}, {"1/A": CREATED}, ["1 lost: 1/B"]),
        ({"1/A": 1}, {"1/A": CREATED, "1/B": CREATED}, ["1 lost: 1/B"]),
        ({"1/A": 1, "1/B": 1}, {"1/A": CREATED, "1/B": FAILED}, ["1 lost: 1/B"]),
        ({"1/B": 1}, {"1/A": IN_DOUBT, "1/B": CREATED}, ["1 in doubt, but never in flight: 1/A"]),
        (
            {"1/A": 1, "1/B": 1, "2/C": 1},
            {"1/A": CREATED, "1/B": CREATED},
            ["1 created, but never asked for: 2/C"],
        ),
    ],
)
def test_what_the_platform_did_is_held_against_the_ledger(
    created: Mapping[str, int], ledger: Mapping[str, Known], faults: list[str]
) -> None:
    evidence = Evidence(frozenset({"1/A", "1/B"}), Counter(created), ledger, frozenset({"1/B"}))

    assert list(evidence.faults()) == faults


SPLIT = {"created": 1, "not-sent": 1, "total": 2}


def report(folder: Path, summary: Mapping[str, int], *rows: tuple[str, str], stopped: bool = False) -> Path:
    """A report with nothing but what is looked at; a ``stopped`` run came to no manifest."""
    folder.mkdir()
    with (folder / "rows.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([("import_fulfillment", "import_status"), *rows])
    told = {
        "rows": summary,
        "stopped_because": "interrupted by SIGTERM" if stopped else "",
        "manifests": [] if stopped else [{"file": "manifest.csv"}],
    }
    (folder / "summary.json").write_text(json.dumps(told), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("summary", "rows", "faults"),
    [
        (
            {**SPLIT, "failed": 0},
            [("1/A", "created"), ("1/B", "not-sent")],
            [],
        ),
        (
            {"created": 1, "total": 1},
            [("1/A", "created")],
            [f"{RUN}: rows.csv does not have every row once, in order"],
        ),
        (
            {"created": 2, "total": 2},
            [("1/A", "created"), ("1/B", "not-sent")],
            [f"{RUN}: summary.json has {{'created': 2, 'total': 2}}, rows.csv {SPLIT}"],
        ),
        (
            {"created": 2, "total": 2},
            [("1/A", "created"), ("1/B", "created")],
            [f"{RUN}: 1/B is created, and None in the ledger"],
        ),
        (
            {"not-sent": 2, "total": 2},
            [("1/A", "not-sent"), ("1/B", "not-sent")],
            [f"{RUN}: 1/A is not-sent, and created in the ledger"],
        ),
    ],
)
def test_a_report_is_held_against_the_manifest_and_the_ledger(
    tmp_path: Path, summary: Mapping[str, int], rows: list[tuple[str, str]], faults: list[str]
) -> None:
    folder = report(tmp_path / RUN, summary, *rows)

    assert list(report_faults(folder, ["1/A", "1/B"], {"1/A": CREATED})) == faults


@pytest.mark.parametrize(
    ("ledger", "faults"),
    [
        ({}, []),
        ({"1/A": Known("created", "another run")}, []),
        ({"1/A": Known("created", RUN)}, [f"{RUN}: has no rows, though the run sent 1/A"]),
    ],
)
def test_a_report_without_rows_is_that_of_a_run_that_sent_nothing(
    tmp_path: Path, ledger: Mapping[str, Known], faults: list[str]
) -> None:
    folder = report(tmp_path / RUN, {"total": 0}, stopped=True)

    assert list(report_faults(folder, ["1/A", "1/B"], ledger)) == faults

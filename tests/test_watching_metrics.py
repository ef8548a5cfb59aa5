"""A run in figures for Prometheus, as its own parser reads them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from importer.ledger import Ledger
from importer.model import STATUSES, Intent, Outcome, Status
from importer.report import Summary
from importer.watching import metrics
from importer.watching.ending import Ending
from tests.program import Platform, Reply, configuration, here, manifest, parcels, settle_in

if TYPE_CHECKING:
    Output = pytest.CaptureFixture[str]

AT = datetime(2024, 4, 30, 2, tzinfo=UTC)
NOTHING = dict.fromkeys(map(str, STATUSES), 0)
FILE = Path("importer.prom")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("ADM_TOKEN", "a-token")
    parcels(tmp_path / "m.csv", 2)


def figures(destination: str = "adm") -> dict[str, float]:
    """The file's figures by name, or NAME/STATUS; a status with none is left out."""
    found = {}
    for family in text_string_to_metric_families(FILE.read_text()):
        assert family.documentation
        for sample in family.samples:
            assert sample.labels["destination"] == destination
            status = sample.labels.get("status")
            if sample.value or status is None:
                found[f"{sample.name}/{status}" if status else sample.name] = sample.value
    return found


def ending(exit_status: int, minutes: int, summary: Summary | None = None) -> Ending:
    at = AT + timedelta(minutes=minutes)
    return Ending("post", "adm", at - timedelta(seconds=4), at, exit_status, summary)


def test_all_figures_of_a_run() -> None:
    summary = Summary(
        run_id="R",
        command="post",
        destination="adm sandbox",
        manifests=(),
        rows=NOTHING | {"created": 7, "updated": 1, "in-doubt": 2, "total": 10},
        fulfillments=NOTHING | {"created": 5, "updated": 1, "in-doubt": 1, "total": 7},
        errors={},
        warnings={},
        started_at=AT,
        finished_at=AT,
        exit_status=6,
        stopped_because="",
    )

    metrics.write(FILE, ending(6, 0, summary), 90.5)

    assert figures() == {
        "importer_last_run_timestamp_seconds": AT.timestamp(),
        "importer_exit_status": 6.0,
        "importer_run_seconds": 4.0,
        "importer_oldest_in_doubt_seconds": 90.5,
        "importer_rows/created": 7.0,
        "importer_rows/updated": 1.0,
        "importer_rows/in-doubt": 2.0,
        "importer_fulfillments/created": 5.0,
        "importer_fulfillments/updated": 1.0,
        "importer_fulfillments/in-doubt": 1.0,
        "importer_fulfillments_per_second": 1.5,
    }


def test_the_last_success_outlives_failures() -> None:
    successes = []
    for minutes, exit_status in enumerate((1, 0, 1, 4, 0)):
        metrics.write(FILE, ending(exit_status, minutes), None)
        successes.append(figures().get("importer_last_success_timestamp_seconds"))

    first, last = (AT + timedelta(minutes=minutes) for minutes in (1, 4))
    assert successes == [None, *[first.timestamp()] * 3, last.timestamp()]


def test_each_job_of_a_plan_has_its_own_figures_and_its_own_last_success() -> None:
    metrics.write_jobs(FILE, {"a": (ending(0, 0), 0.0), "b": (ending(1, 0), None)})
    metrics.write_jobs(FILE, {"a": (ending(4, 1), 7.0), "b": (ending(0, 1), None)})

    found = {
        (family.name, sample.labels["job"]): sample.value
        for family in text_string_to_metric_families(FILE.read_text())
        for sample in family.samples
    }
    first, last = AT.timestamp(), (AT + timedelta(minutes=1)).timestamp()
    assert found == {
        ("importer_last_run_timestamp_seconds", "a"): last,
        ("importer_last_run_timestamp_seconds", "b"): last,
        ("importer_last_success_timestamp_seconds", "a"): first,
        ("importer_last_success_timestamp_seconds", "b"): last,
        ("importer_exit_status", "a"): 4.0,
        ("importer_exit_status", "b"): 0.0,
        ("importer_run_seconds", "a"): 4.0,
        ("importer_run_seconds", "b"): 4.0,
        ("importer_oldest_in_doubt_seconds", "a"): 7.0,
    }


@pytest.mark.parametrize(
    "text", ["not { metrics", 'importer_last_success_timestamp_seconds{job="b",destination="adm"} 1\n']
)
def test_another_file_that_was_there_is_written_over(text: str) -> None:
    FILE.write_text(text)

    metrics.write(FILE, ending(2, 0), None)

    assert figures() == {
        "importer_last_run_timestamp_seconds": AT.timestamp(),
        "importer_exit_status": 2.0,
        "importer_run_seconds": 4.0,
    }
    assert [path.name for path in Path().iterdir() if path.name.startswith(FILE.name)] == [FILE.name]


def test_a_run_writes_its_figures(capsys: Output) -> None:
    manifest(Path("m.csv"), "1001,MUG,1,TRACK1", "1002,MUG,0,TRACK2")

    ended = here(capsys, "post", "m.csv", "--sandbox", "--metrics", FILE)

    found = figures()
    assert (ended.status, ended.err) == (1, "")
    assert (found["importer_exit_status"], found["importer_oldest_in_doubt_seconds"]) == (1.0, 0.0)
    assert {name: value for name, value in found.items() if "/" in name} == {
        "importer_rows/created": 1.0,
        "importer_rows/invalid": 1.0,
        "importer_fulfillments/created": 1.0,
        "importer_fulfillments/invalid": 1.0,
    }


def test_a_run_that_cannot_start_writes_that_it_did_not(capsys: Output) -> None:
    here(capsys, "check", "m.csv", "--metrics", FILE)
    before = figures("")
    here(capsys, "check", "nothing.csv", "--metrics", FILE)
    after = figures("")

    success = "importer_last_success_timestamp_seconds"
    assert (before["importer_exit_status"], after["importer_exit_status"]) == (0.0, 3.0)
    assert after[success] == before[success]
    assert {name.partition("/")[0] for name in before.keys() - after.keys()} == {
        "importer_rows",
        "importer_fulfillments",
        "importer_fulfillments_per_second",
    }


def successes() -> dict[str, float]:
    """The last success of each destination in the file."""
    return {
        sample.labels["destination"]: sample.value
        for family in text_string_to_metric_families(FILE.read_text())
        for sample in family.samples
        if sample.name == "importer_last_success_timestamp_seconds"
    }


@pytest.mark.parametrize(
    ("arguments", "status"), [(("m.csv",), 2), (("m.csv", "--to", "adn"), 2), (("no.csv", "--sandbox"), 3)]
)
def test_a_post_that_cannot_start_forgets_no_success(
    capsys: Output, arguments: tuple[str, ...], status: int
) -> None:
    here(capsys, "post", "m.csv", "--sandbox", "--metrics", FILE)
    before = successes()
    ended = here(capsys, "post", *arguments, "--metrics", FILE)

    assert (ended.status, list(before)) == (status, ["adm"])
    assert successes() == before


def test_who_gathers_the_figures_can_read_them_whatever_the_umask_is(capsys: Output) -> None:
    earlier = os.umask(0o077)
    try:
        here(capsys, "post", "m.csv", "--sandbox", "--metrics", FILE)
    finally:
        os.umask(earlier)

    assert oct(FILE.stat().st_mode & 0o777) == "0o644"


def test_how_long_the_oldest_has_been_in_doubt_is_told_of_earlier_runs_too(capsys: Output) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=3)
    with Platform(lambda _: Reply(200, "no JSON")) as platform:
        configuration(Path("importer.toml"), platform.url)
        intent = Intent(f"adm {platform.url}", ("1",), "OLD", "content", "an-earlier-run")
        with Ledger("ledger.db", now=lambda: long_ago) as ledger:
            ledger.intend(intent).result()
            ledger.record(intent, Outcome(Status.IN_DOUBT, "outcome-unknown", "no answer")).result()
        ended = here(capsys, "post", "m.csv", "--ledger", "ledger.db", "--metrics", FILE)

    found = figures()
    assert (ended.status, found["importer_rows/in-doubt"]) == (6, 2.0)
    assert found["importer_oldest_in_doubt_seconds"] // 86400 == 3


def test_a_file_that_cannot_be_written_is_a_warning(capsys: Output) -> None:
    ended = here(capsys, "post", "m.csv", "--sandbox", "--metrics", "nowhere/importer.prom")

    assert (ended.status, ended.err) == (
        0,
        "importer: warning: --metrics nowhere/importer.prom: can't be written: No such file or directory\n",
    )


def test_addresses_that_are_secrets_are_in_no_file_and_on_no_screen(capsys: Output) -> None:
    secrets = ("--ping", "http://127.0.0.1:9/CANARY", "--tell", "json://CANARY:CANARY@127.0.0.1:9/CANARY")

    ended = here(
        capsys, "-v", "post", "m.csv", "--sandbox", *secrets, "--tell-on", "always", "--log", "run.log"
    )

    texts = [ended.out.encode(), ended.err.encode()]
    texts += [path.read_bytes() for path in Path().rglob("*") if path.is_file()]
    assert ended.status == 0
    assert [text for text in texts if b"CANARY" in text] == []

"""``importer runs ID --report DIR``: the report of an earlier run, from the ledger and the manifests."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from importer.ledger import Ledger, Run
from tests.program import (
    SECONDS,
    Ended,
    Platform,
    Reply,
    Seen,
    configuration,
    created,
    end,
    here,
    launch,
    limited,
    manifest,
    parcels,
    refusal,
    settle_in,
    start,
    statuses,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

Output = pytest.CaptureFixture[str]
KILLED = "the run ended without a report (killed, or the machine went down), unless it still goes on"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("ADM_TOKEN", "a-token")


class Pausing(Platform):
    """A platform that creates what it is asked for, but answers nothing after the first ``answers`` requests.

    ``paused`` is set then; ``go_on`` lets it answer, what it was asked meanwhile too.
    """

    def __init__(self, answers: int) -> None:
        self.paused, self.go_on = threading.Event(), threading.Event()
        self._answers = answers
        super().__init__(self._pause)

    def _pause(self, seen: Seen) -> Reply:
        if len(self.seen) > self._answers:
            self.paused.set()
            self.go_on.wait(SECONDS)
        return created(seen)

    def __exit__(self, *more: object) -> None:
        self.go_on.set()
        super().__exit__(*more)


@pytest.fixture
def platform() -> Iterator[Pausing]:
    """One that answers five times; a run has one fulfillment in flight then."""
    with Pausing(5) as platform:
        configuration(Path("importer.toml"), platform.url, concurrency=1)
        yield platform


def posting(platform: Pausing, *arguments: str) -> subprocess.Popen[str]:
    """A process that posts, and waits for answers by now."""
    process = start("post", *arguments)
    assert platform.paused.wait(SECONDS)
    return process


def killed(platform: Pausing, *arguments: str, given: str | None = None) -> str:
    """The id of a run that was killed while it waited for answers."""
    process = posting(platform, *arguments) if given is None else fed(platform, given, *arguments)
    process.kill()
    assert end(process).status == -signal.SIGKILL
    return latest()


def fed(platform: Pausing, given: str, *arguments: str) -> subprocess.Popen[str]:
    process = start("post", *arguments, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(given)
    process.stdin.close()
    process.stdin = None
    assert platform.paused.wait(SECONDS)
    return process


def latest(ledger: str = "state/importer/ledger.db") -> str:
    with Ledger(ledger, readonly=True) as memory:
        return memory.runs(1)[0].run_id


def in_ledger(run_id: str) -> dict[str, int]:
    with Ledger("state/importer/ledger.db", readonly=True) as memory:
        return {str(state): count for state, count in memory.outcomes(run_id).items() if count}


def later(output: Output, run_id: str, *more: object, folder: str = "L") -> Ended:
    return here(output, "runs", run_id, *more, "--report", folder, "--json")


def rows(ended: Ended) -> dict[str, int]:
    """The rows by status, of those that there are."""
    return {name: count for name, count in ended.summary["rows"].items() if count and name != "total"}


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


# --- what the report says ------------------------------------------------------------------------------


def test_a_killed_run_has_every_row_once_as_the_ledger_knows_it(capsys: Output, platform: Pausing) -> None:
    parcels(Path("m.csv"), 40)
    configuration(Path("importer.toml"), platform.url, concurrency=8)
    run_id = killed(platform, "m.csv", "--report", "R")

    ended = later(capsys, run_id)

    known = in_ledger(run_id)
    done, in_flight = known["created"], known["sending"]
    assert (done + in_flight, set(known)) == (sum(known.values()), {"created", "sending"})
    assert rows(ended) == {"created": done, "in-doubt": in_flight, "not-sent": 40 - done - in_flight}
    ends = statuses(Path("L/rows.csv"))
    assert sorted(ends) == [f"{1001 + number}/TRACK{number:05}" for number in range(40)]
    assert Counter(ends.values()) == Counter(rows(ended))
    assert json.loads(Path("L/summary.json").read_text()) == ended.summary
    assert len(table(Path("L/errors.csv"))) == 40 - done
    summary = ended.summary
    assert ended.status == 4
    assert (summary["run_id"], summary["command"], summary["exit_status"]) == (run_id, "post", 4)
    assert (summary["stopped_because"], summary["fulfillments"]["total"]) == (KILLED, 40)
    names = {path.name for path in Path("L").iterdir()}
    assert names == {"errors.csv", "report.html", "rows.csv", "summary.json"}


def test_each_row_of_a_killed_run_says_what_became_of_it(capsys: Output, platform: Pausing) -> None:
    parcels(Path("m.csv"), 40)
    run_id = killed(platform, "m.csv")

    later(capsys, run_id)

    told = {
        (row["import_status"], row["import_code"], row["import_message"]) for row in table(Path("L/rows.csv"))
    }
    unknown = f"run {run_id} is sending it, or ended while it was; what became of it is unknown"
    assert told == {
        ("created", "", ""),
        ("in-doubt", "outcome-unknown", unknown),
        ("not-sent", "run-stopped", "not sent: the run ended before its turn"),
    }
    sent = [row for row in table(Path("L/rows.csv")) if row["import_status"] == "created"]
    assert {(row["import_http_status"], row["import_attempts"]) for row in sent} == {("200", "1")}
    assert all(row["import_at"] for row in sent)


def test_the_report_says_what_to_do_next_with_the_run_s_own_command(
    capsys: Output, platform: Pausing
) -> None:
    parcels(Path("m.csv"), 40)
    run_id = killed(platform, "m.csv", "--to", "adm", "--partial")

    ended = here(capsys, "runs", run_id, "--report", "L")

    assert f"\nStopped early: {KILLED}\n" in ended.out
    command = f"importer --config {Path('importer.toml').absolute()} post m.csv --to adm --partial"
    assert f"\nNext:   {command}; what is done is skipped\n" in ended.out
    assert f"'importer runs {run_id} --report DIR' writes its report" in here(capsys, "runs", run_id).out


def test_a_run_that_goes_on_can_be_reported_and_is_not_disturbed(capsys: Output, platform: Pausing) -> None:
    parcels(Path("m.csv"), 40)
    process = posting(platform, "m.csv", "--json")

    meanwhile = later(capsys, latest())
    platform.go_on.set()
    ended = end(process)

    assert rows(meanwhile)["created"] == 5
    assert meanwhile.summary["rows"]["total"] == 40
    assert (ended.status, rows(ended)) == (0, {"created": 40})


def test_what_the_next_run_did_is_told_as_its_own(capsys: Output, platform: Pausing) -> None:
    parcels(Path("m.csv"), 40)
    run_id = killed(platform, "m.csv")
    platform.go_on.set()
    assert here(capsys, "post", "m.csv").status == 6

    ended = later(capsys, run_id)

    assert ended.status == 6
    assert rows(ended) == {"created": 5, "in-doubt": 1, "skipped": 34}
    said = {row["import_message"] for row in table(Path("L/rows.csv"))}
    assert said == {
        "",
        "the run ended while sending it, so that it is not known whether it was created",
        f"created by run {latest()}",
    }


def mixed(seen: Seen) -> Reply:
    """Each order has its own fate."""
    fates = {1002: refusal(404, "Not Found", "no such order"), 1003: refusal(500, "Oops", "try again later")}
    return fates.get(seen.body["order_id"]) or (
        Reply(502) if seen.body["order_id"] == 1004 else created(seen)
    )


def test_the_report_of_a_run_that_ended_in_order_is_written_again_to_the_letter(capsys: Output) -> None:
    given = [f"{1001 + number},MUG,1,TRACK{number:05}" for number in range(6)]
    manifest(Path("a.csv"), *given, "1020,MUG,0,TRACK00020", "1020,CUP,1,TRACK00020")
    manifest(
        Path("b.csv"), "1030;MUG;1;TRACK00030", "1001;MUG;1;TRACK00000", header="Order #;SKU;Qty;Tracking #"
    )
    with Platform(mixed) as platform:
        configuration(Path("importer.toml"), platform.url, max_attempts=1)
        first = here(capsys, "post", "a.csv", "b.csv", "--report", "R", "--json")
    shutil.move("R", "saved")

    ended = later(capsys, first.summary["run_id"], folder="R")

    assert ended.summary == first.summary
    assert ended.status == first.status == 6
    assert set(rows(ended)) == {"created", "rejected", "failed", "in-doubt", "held", "invalid"}
    for name in ("rows.csv", "errors.csv", "summary.json"):
        assert Path("R", name).read_bytes() == Path("saved", name).read_bytes()


@pytest.mark.parametrize(
    "options", [("--all-or-nothing",), ("--duplicates", "drop"), ("--partial",), ("--strict-tracking",)]
)
def test_the_run_s_own_options_count(capsys: Output, options: tuple[str, ...]) -> None:
    manifest(
        Path("m.csv"),
        "1001,MUG,1,TRACK00001",
        "1001,MUG,1,TRACK00001",
        "1002,MUG,0,TRACK00002",
        "1002,CUP,1,TRACK00002",
        "1003,MUG,1,1Z999AA10123456785",
    )
    with Platform() as platform:
        configuration(Path("importer.toml"), platform.url)
        first = here(capsys, "post", "m.csv", *options, "--report", "R", "--json")
    shutil.move("R", "saved")

    later(capsys, first.summary["run_id"], folder="R")

    assert Path("R/rows.csv").read_bytes() == Path("saved/rows.csv").read_bytes()


def test_what_all_or_nothing_held_is_held(capsys: Output) -> None:
    parcels(Path("m.csv"), 3)
    manifest(Path("first.csv"), "1001,MUG,7,TRACK00000")
    with Platform() as platform:
        configuration(Path("importer.toml"), platform.url)
        here(capsys, "post", "first.csv")
        first = here(capsys, "post", "m.csv", "--all-or-nothing", "--report", "R", "--json")
    shutil.move("R", "saved")

    ended = later(capsys, first.summary["run_id"], folder="R")

    assert rows(ended) == rows(first) == {"rejected": 1, "held": 2}
    assert Path("R/rows.csv").read_bytes() == Path("saved/rows.csv").read_bytes()


def test_a_layout_of_the_user_s_own_is_not_needed_again(capsys: Output) -> None:
    Path("mine.toml").write_text(
        'name = "mine"\ntitle = "Mine"\n[columns]\norder_id = ["A"]\nsku = ["B"]\nquantity = ["C"]\n'
        'tracking_number = ["D"]\n'
    )
    manifest(Path("m.csv"), "1001,MUG,1,TRACK00001", header="A,B,C,D")
    with Platform() as platform:
        configuration(Path("importer.toml"), platform.url)
        first = here(capsys, "post", "m.csv", "--layout", "mine.toml", "--json")
    Path("mine.toml").unlink()

    ended = later(capsys, first.summary["run_id"])

    assert (ended.status, rows(ended)) == (0, {"created": 1})


def test_no_secret_is_kept_for_it(capsys: Output) -> None:
    parcels(Path("m.csv"), 1)
    with Platform() as platform:
        configuration(Path("importer.toml"), platform.url, auth_scheme="Bearer")
        with Path("importer.toml").open("a") as file:
            file.write('extra = { note = "a-canary" }\n')
        here(capsys, "post", "m.csv")
    with Ledger("state/importer/ledger.db", readonly=True) as memory:
        given = memory.runs(1)[0].given

    assert given["manifests"] == [
        {"name": "m.csv", "path": str(Path("m.csv").absolute()), "sha256": digest("m.csv"), "given": ""}
    ]
    assert given["destination"] == {
        "name": "adm",
        "kind": "adm",
        "base_url": platform.url,
        "path": "fulfillments/create",
        "body": "flat",
        "order_id": "integer",
        "account": "",
        "sandbox": False,
        "operation": "update",
    }
    assert "a-token" not in json.dumps(given)
    assert "a-canary" not in json.dumps(given)


# --- the manifests -------------------------------------------------------------------------------------


def test_a_manifest_that_was_moved_is_named_and_found_by_what_is_in_it(
    capsys: Output, platform: Pausing
) -> None:
    parcels(Path("m.csv"), 20)
    manifest(Path("n.csv"), "5001,MUG,1,TRACK90000")
    run_id = killed(platform, "m.csv", "n.csv")
    was = digest("m.csv")
    Path("m.csv").rename("done.csv")

    lost = later(capsys, run_id)
    found = later(capsys, run_id, "done.csv")

    path = Path("m.csv").absolute()
    assert (lost.status, lost.out) == (3, "")
    assert lost.err == (
        f"importer: manifest m.csv of run {run_id}: {path} can't be read: No such file or directory; "
        f"expected the file as it was (sha256 {was}); if you have it, name it: "
        f"importer runs {run_id} MANIFEST --report DIR\n"
    )
    assert (found.status, found.summary["rows"]["total"]) == (4, 21)
    assert [each["name"] for each in found.summary["manifests"]] == ["m.csv", "n.csv"]
    assert {row["import_source"] for row in table(Path("L/rows.csv"))} == {"m.csv", "n.csv"}


def test_a_manifest_that_has_changed_is_refused(capsys: Output, platform: Pausing) -> None:
    parcels(Path("m.csv"), 20)
    run_id = killed(platform, "m.csv")
    was = digest("m.csv")
    manifest(Path("m.csv"), "1001,MUG,7,TRACK00000")

    by_itself = later(capsys, run_id)
    named = later(capsys, run_id, "m.csv")

    expected = (
        f"importer: manifest m.csv of run {run_id}: {Path('m.csv').absolute()} has changed since: its sha256 "
        f"is {digest('m.csv')}; expected the file as it was (sha256 {was}); if you have it, name it: "
        f"importer runs {run_id} MANIFEST --report DIR\n"
    )
    assert by_itself == Ended(3, "", expected)
    assert (named.status, named.out) == (3, "")
    assert named.err.startswith(
        f"importer: m.csv: not a manifest of run {run_id}, or not as it was then: its sha256 is "
        f"{digest('m.csv')}\n"
    )
    assert not Path("L").exists()


def test_a_manifest_from_standard_input_is_given_once_more(capsys: Output, platform: Pausing) -> None:
    text = parcels(Path("m.csv"), 20).read_text()
    run_id = killed(platform, "-", given=text)

    without = later(capsys, run_id)
    as_a_file = later(capsys, run_id, "m.csv")
    again = end(start("runs", run_id, "-", "--report", "L2", "--json", stdin=subprocess.PIPE), text)

    assert (without.status, without.out) == (3, "")
    assert "manifest - of run" in without.err
    assert "it came through a pipe, so it can't be read again" in without.err
    assert (as_a_file.status, rows(as_a_file)["created"], as_a_file.summary["rows"]["total"]) == (4, 5, 20)
    assert again.status == 4
    assert Path("L/rows.csv").read_bytes() == Path("L2/rows.csv").read_bytes()


# --- what can't be -------------------------------------------------------------------------------------


def test_wrong_usage_is_told_2(capsys: Output) -> None:
    with Ledger("ledger.db") as memory:
        at = datetime(2024, 4, 30, tzinfo=UTC)
        memory.start_run(Run("of-old", "post", "adm sandbox", ("m.csv",), "reports/of-old", at))
    Path("full").mkdir()
    Path("full/rows.csv").touch()

    def told(*arguments: str) -> tuple[int, str]:
        ended = here(capsys, "runs", *arguments, "--ledger", "ledger.db")
        return ended.status, ended.err.splitlines()[-1]

    assert told("--report", "R") == (
        2,
        "Error: --report: of which run? name its RUN-ID; 'importer runs' lists them",
    )
    assert told("of-old", "m.csv") == (
        2,
        "Error: m.csv: a MANIFEST is read for a report only; say with --report DIR where it is to go",
    )
    status, words = told("of-old", "--report", "full")
    assert status == 2
    assert words.startswith("importer: --report full: there is something already, and a report is never over")
    assert told("unknown", "--report", "R") == (
        2,
        "importer: run unknown: not in the ledger ledger.db; 'importer runs' lists those that are",
    )
    status, words = told("of-old", "--report", "R")
    assert (status, words) == (
        2,
        (
            "importer: run of-old: it was made by an earlier version of this program, which did not write "
            "down what a report needs; post the same manifest again: what is done is skipped and reported"
        ),
    )
    assert not Path("R").exists()


# --- a report that could not be written ----------------------------------------------------------------

MOST_BYTES = 400_000
SKUS = 2000


def remembered(run_id: str, ledger: str = "state/importer/ledger.db") -> dict[str, Any]:
    with Ledger(ledger, readonly=True) as memory:
        run = memory.run(run_id)
    assert run is not None
    return {
        "exit_status": run.exit_status,
        "stopped_because": run.stopped_because,
        "finished": bool(run.finished_at),
    }


def test_a_report_that_finds_no_room_is_written_later_4(capsys: Output) -> None:
    # three fulfillments of many lines, so that the report is much longer than manifest and ledger
    manifest(
        Path("m.csv"), *(f"100{number % 3},SKU{number},1,TRACK{number % 3}" for number in range(3 * SKUS))
    )
    with Platform() as platform:
        configuration(Path("importer.toml"), platform.url)
        stopped = end(limited(MOST_BYTES, "post", "m.csv", "--report", "R"))
    run_id = latest()
    assert not Path("R").exists()  # what was half written takes no room

    ended = later(capsys, run_id, folder="R")

    why = "the report can't be written to R: File too large"
    assert (stopped.status, stopped.out) == (4, "")
    assert stopped.err == (
        f"importer: {why}; what was posted is in the ledger, and 'importer runs {run_id} --report DIR' "
        "writes the report later, from the ledger and the manifests\n"
    )
    assert remembered(run_id) == {"exit_status": 4, "stopped_because": why, "finished": True}
    assert (ended.status, rows(ended)) == (0, {"created": 3 * SKUS})
    assert (ended.summary["exit_status"], ended.summary["stopped_because"]) == (4, why)
    assert len(table(Path("R/rows.csv"))) == 3 * SKUS


def test_a_report_whose_folder_is_gone_is_written_later_4(capsys: Output) -> None:
    def replaced(seen: Seen) -> Reply:
        if Path("R").is_dir():
            Path("R").rename("away")
            Path("R").write_text("a file")
        return refusal(404) if seen.body["order_id"] == 1002 else created(seen)

    parcels(Path("m.csv"), 3)
    with Platform(replaced) as platform:
        configuration(Path("importer.toml"), platform.url)
        stopped = here(capsys, "post", "m.csv", "--report", "R", "--ledger", "my ledger.db")
    run_id = latest("my ledger.db")
    command = f"importer runs {run_id} --ledger 'my ledger.db' --report DIR"

    ended = later(capsys, run_id, "--ledger", "my ledger.db")

    why = "the report can't be written to R: Not a directory"
    assert (stopped.status, stopped.out) == (4, "")
    assert stopped.err == (
        f"importer: {why}; what was posted is in the ledger, and '{command}' writes the report later, from "
        "the ledger and the manifests\n"
    )
    assert remembered(run_id, "my ledger.db") == {"exit_status": 4, "stopped_because": why, "finished": True}
    assert Path("R").read_text() == "a file"
    assert (ended.status, rows(ended)) == (1, {"created": 2, "rejected": 1})


def test_a_run_whose_copy_of_the_manifest_was_tidied_away_posts_and_reports_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scratch").mkdir()
    program = [sys.executable, "-m", "importer"]
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))

    def tidied(seen: Seen) -> Reply:
        for copy in tmp_path.glob("scratch/*/manifest-*"):
            copy.unlink()
        return created(seen)

    parcels(Path("m.csv"), 3)
    with Platform(tidied) as platform:
        configuration(Path("importer.toml"), platform.url)
        ended = end(launch([*program, "post", "m.csv", "--report", "R"]))

    assert ended.status == 0
    assert [row["import_status"] for row in table(Path("R/rows.csv"))] == ["created"] * 3


def test_a_run_that_was_stopped_and_could_not_report_says_both(capsys: Output) -> None:
    def last(_: Seen) -> Reply:
        shutil.rmtree("R")
        return refusal(401)

    parcels(Path("m.csv"), 3)
    with Platform(last) as platform:
        configuration(Path("importer.toml"), platform.url)
        stopped = here(capsys, "post", "m.csv", "--report", "R")
    run_id = latest()

    ended = later(capsys, run_id, folder="R")

    assert stopped.status == 4
    why = remembered(run_id)["stopped_because"]
    assert why.startswith("the destination refuses the token: 401")
    assert why.endswith("; the report can't be written to R: No such file or directory")
    assert stopped.err.startswith(f"importer: {why}; what was posted is in the ledger")
    assert (ended.status, rows(ended)) == (4, {"not-sent": 3})
    assert {row["import_message"] for row in table(Path("R/rows.csv"))[1:]} == {f"not sent: {why}"}

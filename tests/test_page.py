"""report.html as text: what stands in it without a browser, what it holds, and what it leaves out."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from msgspec.structs import replace

from importer.errors import CannotGoOn
from importer.findings import Findings
from importer.model import Outcome, Status
from importer.report import Examples, WebPage, write
from importer.report.page import MOST_BYTES
from importer.report.phrases import meaning, sentence
from importer.report.timeline import Pause, timeline
from schemas.exported import exported, javascript
from schemas.manifest import CANONICAL, REPORT_COLUMNS
from tests.program import Platform, configuration, here, manifest, refusal, settle_in, table
from tests.test_report import AT, READY, account, page
from tests.test_summary import NOTHING, SUMMARY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from importer.report import Account, Page

Output = pytest.CaptureFixture[str]
FIELDS = ("order_id", "sku", "quantity", "tracking_number")
HOSTILE = '</script><script>alert(1)</script><!--<b>&amp;"\u2028\u2029\u202e'


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)


def written(told: Account, pages: Sequence[Page], folder: Path, *, most_bytes: int = MOST_BYTES) -> str:
    """The page of a report of these manifests."""
    sink = WebPage(folder, "importer post {}", order_id="integer", most_bytes=most_bytes)
    tables = write(told, pages, folder, [sink])
    sink.finish(replace(SUMMARY, to_mend=tables.to_mend))
    return (folder / "report.html").read_text(encoding="utf-8")


def data_of(html: str) -> Any:  # noqa: ANN401 - JSON
    """What the script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def rows_of(data: Any) -> list[list[str]]:  # noqa: ANN401 - JSON
    """The rows that the page holds."""
    columns = [[column["texts"][place] for place in column["rows"]] for column in data["columns"]]
    return [list(row) for row in zip(*columns, strict=True)]


def faulty(count: int, text: str = "0") -> tuple[Account, Page]:
    """So many rows with a bad quantity."""
    found = [Findings.of(np.arange(count), "quantity-below-one", "quantity")]
    rows = [(str(1001 + at), "A", text, f"TRACK{at:05}") for at in range(count)]
    return account([None] * count, findings=found), page("m.csv", FIELDS, *rows, canonical=FIELDS)


def test_every_report_has_its_page_with_the_rows_of_errors_csv(tmp_path: Path, capsys: Output) -> None:
    manifest(tmp_path / "m.csv", "1001,A,two,TRACK1", "1002,B,1,TRACK2", "1003,,0,TRACK3", "1004,C,1")

    ended = here(capsys, "check", "m.csv", "--report", "R", "--json")

    assert ended.summary["reports"]["page"] == str(Path("R", "report.html"))
    data = data_of(Path("R", "report.html").read_text(encoding="utf-8"))
    assert rows_of(data) == [list(row.values()) for row in table(Path("R", "errors.csv"))]
    assert data["headers"] == [*table(Path("R", "errors.csv"))[0]]
    assert data["headers"][data["own"] :] == list(REPORT_COLUMNS)
    assert data["canonical"] == {"order_id": 0, "sku": 1, "quantity": 2, "tracking_number": 3}
    assert [mark[:2] + mark[3:] for mark in data["marks"]] == [[0, 2, 1], [1, 1, 1], [1, 2, 1], [2, 0, 1]]
    assert (data["torn"], data["left_out"]) == ([2], 0)


def test_without_a_script_the_sentence_the_sums_and_the_problems_can_be_read(
    tmp_path: Path, capsys: Output
) -> None:
    manifest(tmp_path / "m.csv", "1001,A,two,TRACK1", "1001,B,1,TRACK1", "1002,B,1,TRACK2", "1003,B,1,TRACK3")

    here(capsys, "check", "m.csv", "--report", "R")

    html = Path("R", "report.html").read_text(encoding="utf-8")
    body = re.sub(r"<script.*?</script>", "", html[html.index("<body>") :], flags=re.DOTALL)
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))
    for said in (
        "Of 4 rows, 2 are ready to be posted and 2 need attention.",
        "1 manifest, 4 rows, 3 fulfillments",
        "ready 2 2 would be posted invalid 1 0 the row is faulty held 1 1 fine, but held back",
        "1 row The quantity is not a whole number.",
        "row 2 Qty Shipped: found &#39;two&#39;, expected a whole number from 1 to 1,000,000",
        "1 row The row is fine, but another row of its parcel or order is not.",
        "Next importer post m.csv Then mend the rows, then: importer post R/errors.csv",
        "The table needs JavaScript; R/errors.csv has the same rows.",
    ):
        assert said in words


def test_a_manifest_of_markup_is_text(tmp_path: Path) -> None:
    rows = [(HOSTILE, "A", HOSTILE, "=1+1")]
    found = [Findings.of(np.array([0]), "bad-quantity", "quantity")]
    hostile = page(
        HOSTILE, ("order_id", HOSTILE, "quantity", "tracking_number"), *rows, canonical=("order_id",)
    )
    told = account([None], findings=found, manifests=((0, HOSTILE),))

    html = written(told, [hostile], tmp_path)

    assert html.count("<script") == html.count("</script>") == 3
    assert not set("\u2028\u2029") & set(html)
    assert "<!--" not in html
    data = data_of(html)
    assert rows_of(data)[0][:4] == [HOSTILE, "A", HOSTILE, "=1+1"]
    assert data["headers"][1] == HOSTILE


def test_its_policy_lets_nothing_in_but_its_own_script_and_style(tmp_path: Path) -> None:
    html = written(*faulty_pages(1), tmp_path)

    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert found is not None
    policy = dict(part.strip().split(" ", 1) for part in found[1].replace("&#39;", "'").split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"].count("'sha256-") == 2
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in found[1]
    assert re.findall(r'(?:src|href)="([^"]*)"', html) == ["data:,"]


def faulty_pages(count: int, text: str = "0") -> tuple[Account, list[Page]]:
    told, rows = faulty(count, text)
    return told, [rows]


def test_what_is_too_much_is_left_out_and_said(tmp_path: Path) -> None:
    html = written(*faulty_pages(1_000), tmp_path, most_bytes=100_000)

    data = data_of(html)
    kept = len(rows_of(data))
    assert 0 < kept < 1_000
    assert data["left_out"] == 1_000 - kept
    assert f"{kept} rows of 1,000 are on this page. The other {1_000 - kept:,} would" in html


def test_a_row_that_is_too_long_is_left_out_alone(tmp_path: Path) -> None:
    told, _ = faulty(3)
    rows = [("1", "A", "0", "T1"), ("2", "B" * 90_000, "0", "T2"), ("3", "C", "0", "T3")]

    data = data_of(
        written(told, [page("m.csv", FIELDS, *rows, canonical=FIELDS)], tmp_path, most_bytes=50_000)
    )

    assert [row[0] for row in rows_of(data)] == ["1", "3"]
    assert data["left_out"] == 1


def test_however_many_rows_are_bad_the_page_stays_below_5_mb(tmp_path: Path) -> None:
    told, _ = faulty(20_000)
    rows = [(str(at), "运" * 60 + str(at), "0", f"<{at}") for at in range(20_000)]

    html = written(told, [page("m.csv", FIELDS, *rows, canonical=FIELDS)], tmp_path)

    assert 4_000_000 < len(html.encode()) < 5_000_000


def test_rows_that_are_all_fine_need_no_table(tmp_path: Path) -> None:
    fine = page("m.csv", FIELDS, ("1", "A", "1", "T1"), canonical=FIELDS)

    html = written(account([READY]), [fine], tmp_path)

    assert "The rows that need attention" not in html
    assert rows_of(data_of(html)) == []


def test_a_page_that_finds_no_room_is_not_there(tmp_path: Path) -> None:
    sink = WebPage(tmp_path, "", order_id="string")
    write(account([READY]), [page("m.csv", FIELDS, ("1", "A", "1", "T"), canonical=FIELDS)], tmp_path, [sink])
    (tmp_path / "report.html.part").mkdir()

    with pytest.raises(CannotGoOn, match="the page can't be written to"):
        sink.finish(SUMMARY)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"created": 1}, "The only row is posted"),
        ({"ready": 1_200}, "All 1,200 rows are ready to be posted"),
        ({"invalid": 1}, "The only row needs attention"),
        ({"rejected": 2, "held": 1}, "All 3 rows need attention"),
        (
            {"created": 5, "updated": 1, "skipped": 1, "failed": 1},
            "Of 8 rows, 6 are posted, 1 is done already",
        ),
        ({"not-sent": 3}, "All 3 rows are still to be sent"),
        ({"created": 4, "not-sent": 1, "failed": 1}, "Of 6 rows, 4 are posted, 1 is still to be sent"),
        ({}, "There is no data row in them: nothing to do"),
    ],
)
def test_what_happened_is_one_sentence(rows: dict[str, int], words: str) -> None:
    told = sentence(replace(SUMMARY, rows=NOTHING | rows | {"total": sum(rows.values())}))

    assert told.removesuffix(" and 1 needs attention") == words


@pytest.mark.parametrize(
    ("codes", "told", "words"),
    [
        ({}, "done already", "Of 5 rows, 3 are done already and 2 are ready to be posted"),
        (
            {"line-not-shipped": 2, "interchange-again": 1, "short-shipped": 1},
            "not to be sent",
            "Of 5 rows, 2 are ready to be posted and 3 are not to be sent",
        ),
        (
            {"line-not-shipped": 1},
            "done already, or not to be sent",
            "Of 5 rows, 2 are done already, 2 are ready to be posted and 1 is not to be sent",
        ),
    ],
)
def test_what_was_not_shipped_is_not_said_to_be_done(codes: dict[str, int], told: str, words: str) -> None:
    summary = replace(
        SUMMARY,
        rows=NOTHING | {"skipped": 3, "ready": 2, "total": 5},
        warnings={code: Examples(count, [("m.edi", 7, "")]) for code, count in codes.items()},
    )

    assert (meaning(Status.SKIPPED, summary), sentence(summary)) == (told, words)
    assert meaning(Status.READY, summary) == "would be posted"


def test_a_run_without_manifests_has_nothing_to_do() -> None:
    assert (
        sentence(replace(SUMMARY, rows=NOTHING, manifests=[])) == "There is no manifest there: nothing to do"
    )


def test_a_run_that_was_stopped_before_it_read_says_so() -> None:
    stopped = replace(SUMMARY, rows=NOTHING, manifests=[], stopped_because="interrupted by SIGTERM")

    assert sentence(stopped) == "The run was stopped before anything was read"


def ended(seconds: float, status: Status = Status.CREATED, attempts: int = 1) -> Outcome:
    return Outcome(status, attempts=attempts, at=AT + timedelta(seconds=seconds))


def test_the_time_is_cut_into_steps_of_rows_done_and_not_and_retries() -> None:
    told = account([ended(0), ended(1), ended(59.9, Status.REJECTED), ended(60, attempts=3), ended(-5)])

    found = timeline(told, AT)

    assert found is not None
    steps = {at: (step.good, step.other, step.retries) for at, step in enumerate(found.steps)}
    assert {at: step for at, step in steps.items() if any(step)} == {
        0: (1, 0, 0),
        1: (1, 0, 0),
        59: (1, 1, 2),
    }
    assert (found.begin, found.end, found.busiest, found.retries) == (
        AT,
        AT + timedelta(seconds=60),
        2,
        2,
    )
    assert found.pauses == (Pause(1.0, 58.9),)


def test_only_what_the_run_itself_sent_is_on_its_timeline() -> None:
    earlier = [ended(-60), ended(-30), Outcome(Status.SKIPPED, at=AT), ended(1), None]

    assert timeline(account(earlier), AT) is None
    assert timeline(account([READY]), AT) is None


def test_a_posted_run_shows_its_time_and_the_words_of_the_destination(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADM_TOKEN", "token")
    manifest(tmp_path / "m.csv", "1001,A,1,TRACK1", "1002,B,1,TRACK2", "1003,B,1,TRACK3")
    with Platform(lambda _: refusal(422, "Order Error", "not <b>that</b>")) as platform:
        settings = configuration(tmp_path / "c.toml", platform.url)
        here(capsys, "--config", settings, "post", "m.csv", "--report", "R")

    html = Path("R", "report.html").read_text(encoding="utf-8")
    assert "Rows over time: 3 rows in less than a second" in html
    assert "not &lt;b&gt;that&lt;/b&gt;" in html
    assert "not <b>that" not in html


@pytest.mark.parametrize(("seconds", "keys"), [(60, 1), (0.1, 0)])
def test_pauses_are_in_the_key_of_the_picture_only_where_there_are_any(
    tmp_path: Path, seconds: float, keys: int
) -> None:
    rows = [(str(1001 + at), "A", "1", f"TRACK{at}") for at in range(2)]
    found = page("m.csv", FIELDS, *rows, canonical=FIELDS)

    html = written(account([ended(0), ended(seconds)]), [found], tmp_path)

    assert "Rows over time: 2 rows" in html
    assert html.count("</svg>pause</span>") == keys


def test_the_report_of_an_earlier_run_has_its_page(tmp_path: Path, capsys: Output) -> None:
    manifest(tmp_path / "m.csv", "1001,A,1,TRACK1", "1002,B,0,TRACK2")
    first = here(capsys, "post", "m.csv", "--sandbox", "--ledger", "l.db", "--report", "R", "--json")

    here(capsys, "runs", first.summary["run_id"], "--ledger", "l.db", "--report", "again")

    assert rows_of(data_of(Path("again", "report.html").read_text(encoding="utf-8"))) == rows_of(
        data_of(Path("R", "report.html").read_text(encoding="utf-8"))
    )


def test_a_code_that_only_warns_is_under_warnings(tmp_path: Path) -> None:
    sink = WebPage(tmp_path, "importer post {}", order_id="string")
    write(account([READY]), [page("m.csv", FIELDS, ("1", "A", "1", "T"), canonical=FIELDS)], tmp_path, [sink])
    warnings = {"duplicate-row": Examples(5, [("m.csv", 2, "a <message>")])}

    sink.finish(replace(SUMMARY, errors={}, warnings=warnings))

    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert html.index('<h2 id="warnings">') < html.index("a &lt;message&gt;")
    assert "… and 4 more" in html


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (r"^\s+$", r"^[\t\n\f\r ]+$"),
        (r"[\s\v]", r"[\t\n\f\r \v]"),
        (r"[^\pC\pZ]", r"[^\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Z}]"),
        (r"-.*|\.0[.]", r"-[^\n]*|\.0[.]"),
        (r"\p{Lu}\d", r"\p{Lu}\d"),
    ],
)
def test_a_pattern_means_the_same_in_javascript(pattern: str, found: str) -> None:
    assert javascript(pattern) == found


def test_the_rules_that_are_exported_are_those_of_the_table_alone() -> None:
    rules = exported(CANONICAL, order_id="integer", takes=("notify",), optional=("sku", "quantity"))

    assert [*rules["columns"]] == [
        *("order_id", "sku", "quantity", "tracking_number", "tracking_url", "notify"),
    ]
    assert {name for name, column in rules["columns"].items() if column["optional"]} == {"sku", "quantity"}
    assert rules["together"] == {"sku": "blank-sku", "quantity": "blank-quantity"}
    assert exported(CANONICAL, order_id="string")["together"] == {}
    assert rules["columns"]["notify"]["rules"] == [
        {"code": "bad-notify", "matches": "^(?:(?:yes|y|true|1|no|n|false|0)?)$", "any_case": True}
    ]

"""``importer review`` as a user meets it: finished reports, looked at on the terminal."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
from msgspec import to_builtins

from importer.report.finished import Row
from schemas.codes import CODES
from tests.program import (
    HEADER,
    Ended,
    Platform,
    configuration,
    end,
    here,
    manifest,
    refusal,
    settle_in,
    start,
    table,
)

Output = pytest.CaptureFixture[str]
ROWS = (
    "1001,MUG,1,TRACK00001",
    "1002,MUG,two,TRACK00002",
    "1002,HAT,1,TRACK00002",
    "'=1003,MUG,0,TRACK00003",
    "1004,MUG,1,TRACK00004,surplus",
    "1005,MUG,1,1Z999AA10123456785",
    *(f"200{number},MUG,half,TRACK1000{number}" for number in range(4)),
)
NUMBER = "expected a whole number from 1 to 1,000,000"
ID = "Order #: found '=1003', expected a whole number from 1 to 9223372036854775807"
TORN = "the row has 5 cells, the header has 4; too many: 'surplus'"
HELD = "held back: row 3 of m.csv is not fine and shares its parcel"
OF_THE_RUN = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|run \S+, \d+\.\d s")
EXPECTED = "expected the folder of a report, or its rows.csv, errors.csv or summary.json"

KILLED = (
    "a report without its summary.json: its run is still going on, or was killed; 'importer runs' lists the "
    "runs, and 'importer runs RUN-ID --report DIR' writes their reports"
)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)


@pytest.fixture
def report(capsys: Output) -> Path:
    """The report of a run that posted some of ROWS."""
    return reported(capsys, *ROWS)


def reported(output: Output, *rows: str, header: str = HEADER, command: str = "post") -> Path:
    """The report of a run of ``rows``."""
    manifest(Path("m.csv"), *rows, header=header)
    assert here(output, command, "m.csv", "--sandbox", "--report", "R").status in {0, 1}
    return Path("R")


def review(output: Output, *arguments: object) -> Ended:
    return here(output, "review", *arguments)


def lines(ended: Ended) -> list[str]:
    """What was printed, without what is another in every run."""
    assert (ended.status, ended.err) == (0, "")
    return OF_THE_RUN.sub("…", ended.out).splitlines()


def listed(output: Output, *arguments: object) -> list[str]:
    """The numbers of the rows that match."""
    ended = review(output, "R", "--json", *arguments)
    assert (ended.status, ended.err) == (0, "")
    return [row["row"] for row in ended.summary["rows"]]


def of(row: int, order: str, number: str, *, sku: str = "MUG") -> str:
    return f"      m.csv row {row}, order {order}, tracking number {number}, SKU {sku}: "


def head(code: str, count: str) -> str:
    return f"  {code}  {count}  {CODES[code].meaning}"


def hint(code: str) -> str:
    return "      → " + CODES[code].hint.replace("{delimiter}", "delimiter")


START = [
    "post to adm sandbox  …",
    "1 manifest, 10 rows, 7 fulfillments",
    "started … UTC, exit status 1",
    "Of 10 rows, 2 are posted and 8 need attention",
    "",
]


def test_a_report_is_told_by_cause_with_what_to_do_and_the_first_rows(capsys: Output, report: Path) -> None:
    warning = table(report / "rows.csv")[5]["import_warning"]

    assert lines(review(capsys, report)) == [
        *START,
        "                    rows   fulfillments",
        "  created              2              2  posted, and the destination said so",
        "  invalid              7              4  the row is faulty",
        "  held                 1              1  fine, but held back by a faulty row",
        "",
        "What needs attention",
        head("bad-quantity", "5 rows"),
        f"{of(3, '1002', 'TRACK00002')}Qty Shipped: found 'two', {NUMBER}",
        f"{of(8, '2000', 'TRACK10000')}Qty Shipped: found 'half', {NUMBER}",
        f"{of(9, '2001', 'TRACK10001')}Qty Shipped: found 'half', {NUMBER}",
        "      … and 2 more; --code bad-quantity lists them",
        hint("bad-quantity"),
        head("bad-order-id", "1 row"),
        f"{of(5, '=1003', 'TRACK00003')}{ID}; Qty Shipped: found '0', {NUMBER}",
        hint("bad-order-id"),
        head("quantity-below-one", "1 row"),
        f"{of(5, '=1003', 'TRACK00003')}{ID}; Qty Shipped: found '0', {NUMBER}",
        hint("quantity-below-one"),
        head("ragged-row", "1 row"),
        f"      m.csv row 6, order 1004,MUG,1,TRACK00004,surplus: {TORN}",
        hint("ragged-row"),
        head("parcel-held", "1 row"),
        f"{of(4, '1002', 'TRACK00002', sku='HAT')}{HELD}",
        hint("parcel-held"),
        "",
        "Warnings",
        head("tracking-check-digit", "1 row"),
        f"{of(7, '1005', '1Z999AA10123456785')}{warning}",
        hint("tracking-check-digit"),
        "",
        "Report: R/report.html (--open shows it)",
        "Mend:   R/errors.csv",
    ]


def test_the_rows_that_are_asked_for_are_listed_with_all_that_was_said_of_them(
    capsys: Output, report: Path
) -> None:
    warning = table(report / "rows.csv")[5]["import_warning"]

    assert lines(review(capsys, report, "--order", "1002", "--order", "1005")) == [
        *START,
        "3 rows match",
        "  m.csv row 3, order 1002, tracking number TRACK00002, SKU MUG  invalid",
        f"      bad-quantity: Qty Shipped: found 'two', {NUMBER}",
        hint("bad-quantity"),
        "  m.csv row 4, order 1002, tracking number TRACK00002, SKU HAT  held",
        f"      parcel-held: {HELD}",
        hint("parcel-held"),
        "  m.csv row 7, order 1005, tracking number 1Z999AA10123456785, SKU MUG  created",
        f"      warning: {warning}",
    ]


def test_a_code_that_is_asked_for_is_explained_with_an_example(capsys: Output, report: Path) -> None:
    both = review(capsys, report, "--code", "quantity-below-one", "--code", "destination-404")

    code = CODES["quantity-below-one"]
    assert lines(both)[len(START) : len(START) + 5] == [
        f"  quantity-below-one  {code.meaning}",
        hint("quantity-below-one"),
        f"      example: {code.example}",
        "",
        "1 row matches",
    ]


def test_the_codes_are_told_all_together_or_one_alone(capsys: Output) -> None:
    all_of_them, one = here(capsys, "codes"), here(capsys, "codes", "destination-404")
    wrong = here(capsys, "codes", "bad-quanty")

    assert [line.split()[0] for line in all_of_them.out.splitlines() if line[2] != " "] == [*CODES]
    assert one.out.splitlines() == [
        "  destination-404  The destination refused it with HTTP status 404; the message has its own words.",
        hint("destination-NNN"),
        f"      example: {CODES['destination-NNN'].example}",
    ]
    assert (wrong.status, wrong.out) == (2, "")
    assert wrong.err.endswith(
        "Error: bad-quanty: there is no such code, the nearest is bad-quantity; 'importer codes' lists all\n"
    )


def test_the_codes_as_json_have_the_words_of_the_table(capsys: Output) -> None:
    code = CODES["bad-sku"]

    assert here(capsys, "codes", "bad-sku", "--json").summary == [
        {"code": "bad-sku", "meaning": code.meaning, "hint": code.hint, "example": str(code.example)}
    ]


def test_no_more_rows_are_listed_than_the_limit(capsys: Output, report: Path) -> None:
    assert lines(review(capsys, report, "--status", "created", "--limit", "1"))[len(START) :] == [
        "2 rows match",
        "  m.csv row 2, order 1001, tracking number TRACK00001, SKU MUG  created",
        "  … and 1 more; --limit 0 lists all",
    ]


def test_a_row_matches_that_has_one_of_each_that_is_asked_for(capsys: Output, report: Path) -> None:
    expected = {
        "--status created": ["2", "7"],
        "--status created --status held": ["2", "4", "7"],
        "--code quantity-below-one": ["5"],
        "--code bad-order-id": ["5"],
        "--code tracking-check-digit": ["7"],
        "--code ragged-row --code parcel-held": ["4", "6"],
        "--code quantity": [],
        "--code .*": [],
        "--order 1002 --status held": ["4"],
        "--order ' 1002 ' --code bad-quantity": ["3"],
        "--order =1003": ["5"],
        "--order 100": [],
        "--code bad-quantity --limit 2": ["3", "8"],
        "--code bad-quantity --limit 0": ["3", "8", "9", "10", "11"],
    }

    assert report.exists()
    assert {asked: listed(capsys, *shlex.split(asked)) for asked in expected} == expected


def test_an_order_is_found_that_a_spreadsheet_has_written_as_a_number(capsys: Output) -> None:
    reported(capsys, "1001.0,MUG,1,TRACK00001", "1001,MUG,1,TRACK00002", "11001,MUG,1,TRACK00003")

    assert listed(capsys, "--order", "1001") == ["2", "3"]


def test_where_no_row_matches_the_codes_are_told_that_there_are(capsys: Output, report: Path) -> None:
    codes = "bad-quantity, bad-order-id, quantity-below-one, ragged-row, parcel-held, tracking-check-digit"

    told = lines(review(capsys, report, "--code", "bad-quanty"))[len(START) :]
    assert sorted(told[0].partition(": ")[2].split(", ")) == sorted(codes.split(", "))
    assert told[0].startswith("no row matches; the codes of this report: ")


def test_as_json_there_are_the_run_its_groups_and_the_rows_asked_for(capsys: Output, report: Path) -> None:
    held = Row(
        order_id="1002",
        tracking_number="TRACK00002",
        sku="HAT",
        source="m.csv",
        row="4",
        status="held",
        code="parcel-held",
        message=HELD,
        hint=CODES["parcel-held"].hint,
        warning="",
        fulfillment="1002/TRACK00002",
        http_status="",
        attempts="",
        at="",
    )

    whole = review(capsys, report, "--json").summary
    asked = review(capsys, report, "--json", "--status", "held").summary

    assert whole["run"] == json.loads((report / "summary.json").read_text(encoding="utf-8"))
    assert (whole["matching"], whole["rows"]) == (None, None)
    assert [(group["code"], group["kind"], group["count"]) for group in whole["groups"]] == [
        ("bad-quantity", "error", 5),
        ("bad-order-id", "error", 1),
        ("quantity-below-one", "error", 1),
        ("ragged-row", "error", 1),
        ("parcel-held", "error", 1),
        ("tracking-check-digit", "warning", 1),
    ]
    assert whole["groups"][4] == {
        "code": "parcel-held",
        "kind": "error",
        "count": 1,
        "meaning": CODES["parcel-held"].meaning,
        "hint": CODES["parcel-held"].hint,
        "example": str(CODES["parcel-held"].example),
        "first": [to_builtins(held)],
    }
    assert asked == {**whole, "matching": 1, "rows": [to_builtins(held)]}


def test_a_report_may_be_named_by_any_of_its_files(capsys: Output, report: Path) -> None:
    whole = review(capsys, report)

    assert whole.status == 0
    for name in ("rows.csv", "errors.csv", "summary.json", "report.html"):
        assert review(capsys, report / name) == whole


def test_what_is_mended_in_errors_csv_does_not_change_what_the_run_came_to(
    capsys: Output, report: Path
) -> None:
    whole = review(capsys, report)
    (report / "errors.csv").write_text("mended;by;a spreadsheet program\n", encoding="cp1252")

    assert whole.status == 0
    assert review(capsys, report) == whole


def test_a_run_in_which_all_went_well_has_nothing_to_mend(capsys: Output) -> None:
    assert lines(review(capsys, reported(capsys, ROWS[0], command="check"))) == [
        "check to adm sandbox  …",
        "1 manifest, 1 row, 1 fulfillment",
        "started … UTC, exit status 0",
        "The only row is ready to be posted",
        "",
        "                    rows   fulfillments",
        "  ready                1              1  would be posted",
        "",
        "Report: R/report.html (--open shows it)",
    ]


def test_a_run_without_rows_is_told_as_such(capsys: Output) -> None:
    (reported(capsys, command="check") / "report.html").unlink()

    assert lines(review(capsys, "R")) == [
        "check to adm sandbox  …",
        "1 manifest, 0 rows, 0 fulfillments",
        "started … UTC, exit status 0",
        "There is no data row in them: nothing to do",
        "",
        "Report: R/rows.csv",
    ]
    assert lines(review(capsys, "R", "--status", "ready"))[5:] == [
        "no row matches; the codes of this report: none"
    ]


def test_a_run_that_was_stopped_says_why(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADM_TOKEN", "a-token")
    manifest(Path("m.csv"), ROWS[0])
    with Platform(lambda _: refusal(401)) as platform:
        configuration(Path("importer.toml"), platform.url)
        assert here(capsys, "post", "m.csv", "--report", "R").status == 4
    because = json.loads(Path("R/summary.json").read_text(encoding="utf-8"))["stopped_because"]

    assert lines(review(capsys, "R"))[2:5] == [
        "started … UTC, exit status 4",
        "The only row is still to be sent",
        f"Stopped early: {because}",
    ]


def test_rows_of_several_manifests_are_known_by_what_each_calls_its_columns(capsys: Output) -> None:
    manifest(Path("a.csv"), "A,1001,TRACK00001,one", header="SKU,Order,Tracking,Qty")
    manifest(Path("b.csv"), "1002,B,two,TRACK00002")
    assert here(capsys, "check", "a.csv", "b.csv", "--report", "R").status == 1

    rows = review(capsys, "R", "--json", "--code", "bad-quantity").summary["rows"]
    assert [(row["source"], row["order_id"], row["tracking_number"], row["sku"]) for row in rows] == [
        ("a.csv", "1001", "TRACK00001", "A"),
        ("b.csv", "1002", "TRACK00002", "B"),
    ]


def test_only_the_quote_that_the_report_has_put_before_a_cell_is_taken_off(capsys: Output) -> None:
    reported(capsys, "'-5,MUG,1,TRACK00001", "=5,MUG,1,TRACK00002", "''=5,MUG,1,TRACK00003", command="check")

    rows = review(capsys, "R", "--json", "--status", "invalid").summary["rows"]
    assert [row["order_id"] for row in rows] == ["'-5", "=5", "'=5"]
    assert listed(capsys, "--order", "'-5", "--order", "'=5") == ["2", "4"]


def test_nothing_of_a_cell_steers_the_terminal(capsys: Output) -> None:
    reported(capsys, "1001\x1b[2J,\x1b]0;x\x07,1,TRACK\u202e0001")

    for ended in (review(capsys, "R"), review(capsys, "R", "--status", "invalid")):
        assert (ended.status, ended.err) == (0, "")
        assert all(line.isprintable() for line in ended.out.splitlines())
        assert "order 1001\\x1b[2J, tracking number TRACK\\u202e0001, SKU \\x1b]0;x\\x07" in ended.out


def test_rows_of_any_length_are_read_with_those_before_and_after_them(capsys: Output) -> None:
    """A block of the reader has a few megabytes."""
    longest = f"70000,MUG,1,{','.join(['x' * 2000] * 3000)}"
    many = [f"{row},MUG,{row % 100},TRACK{row:05},{'note ' * 200}" for row in range(1, 10_001)]
    reported(capsys, *many[:6000], longest, *many[6000:], header=f"{HEADER},Note", command="check")

    rows = review(capsys, "R", "--json", "--status", "invalid", "--limit", "0").summary["rows"]
    assert [row["row"] for row in rows] == [
        *(str(row) for row in range(101, 6002, 100)),
        "6002",
        *(str(row) for row in range(6102, 10_003, 100)),
    ]
    assert rows[60]["order_id"] == longest


def test_a_report_whose_run_did_not_end_is_an_error_that_says_what_to_do_2(
    capsys: Output, report: Path
) -> None:
    (report / "summary.json").unlink()
    Path("begun").mkdir()
    Path("begun/rows.csv.part").touch()

    for folder in ("R", "begun"):
        assert review(capsys, folder) == Ended(2, "", f"importer: {folder}: {KILLED}\n")


def test_what_is_no_report_is_an_error_that_says_what_one_is_2(capsys: Output) -> None:
    Path("empty").mkdir()
    Path("m.csv").touch()

    assert review(capsys, "empty") == Ended(2, "", f"importer: empty: found no report; {EXPECTED}\n")
    assert review(capsys, "m.csv") == Ended(2, "", f"importer: m.csv: found no report; {EXPECTED}\n")
    assert review(capsys, "nix") == Ended(2, "", f"importer: nix: there is nothing there; {EXPECTED}\n")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"run_id": 1}'])
def test_a_summary_that_is_none_is_an_error_2(capsys: Output, report: Path, text: str) -> None:
    (report / "summary.json").write_text(text, encoding="utf-8")

    assert review(capsys, report) == Ended(
        2,
        "",
        "importer: R/summary.json: found no summary of a report in it, expected it as the run wrote it\n",
    )


def test_a_table_that_is_none_is_an_error_2(capsys: Output, report: Path) -> None:
    rows = report / "rows.csv"
    whole = rows.read_bytes()

    rows.write_text("a;b\n1;2\n", encoding="utf-8")
    assert review(capsys, report) == Ended(
        2, "", f"importer: {rows}: found other columns than a report has, expected it as the run wrote it\n"
    )
    rows.write_bytes(whole + b"1001,MUG\n")
    ended = review(capsys, report)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"importer: {rows}: can't be read as the table of a report: ")
    rows.unlink()
    assert review(capsys, report) == Ended(
        2, "", f"importer: {rows}: can't be read: No such file or directory\n"
    )
    (report / "summary.json").write_bytes(b"\xff")
    assert review(capsys, report) == Ended(2, "", "importer: R/summary.json: can't be read: it is not text\n")


def test_the_page_is_opened_in_the_browser(report: Path) -> None:
    browser = Path("bin/xdg-open")
    browser.parent.mkdir()
    browser.write_text('#!/bin/sh\necho "$1" > opened\n', encoding="utf-8")
    browser.chmod(0o755)

    ended = end(start("review", report, "--open", env={**os.environ, "PATH": f"bin:{os.environ['PATH']}"}))

    assert (ended.status, ended.err) == (0, "opening R/report.html in the browser\n")
    assert Path("opened").read_text(encoding="utf-8") == f"{Path('R/report.html').resolve()}\n"


def test_where_there_is_no_browser_it_is_said_where_the_page_is(
    capsys: Output, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(Path("bin")))

    ended = review(capsys, report, "--open", "--json")

    assert (ended.status, ended.err) == (
        0,
        "importer: no browser could be started; open R/report.html in one\n",
    )
    assert ended.summary["matching"] is None


def test_where_there_is_no_page_it_is_said_where_the_rows_are(capsys: Output, report: Path) -> None:
    shutil.move(report / "report.html", "elsewhere.html")

    ended = review(capsys, report, "--open")
    assert ended.out.endswith("Report: R/rows.csv\nMend:   R/errors.csv\n")
    assert (ended.status, ended.err) == (
        0,
        "importer: R/report.html: there is no such page; the rows are in R\n",
    )

"""``importer diff`` as a user meets it: what changed between the reports of nights."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.program import HEADER, Ended, end, here, manifest, settle_in, start

Output = pytest.CaptureFixture[str]
KINDS = ("newly_failing", "changed", "still_failing", "mended", "gone")
NUMBER = "expected a whole number from 1 to 1,000,000"
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")
MONDAY = (
    "1001,MUG,1,TRACK00001",
    "1002,MUG,two,TRACK00002",
    "1002,HAT,1,TRACK00002",
    "1003,MUG,0,TRACK00003",
    "'=1004,MUG,1,TRACK00004",
    "1005,MUG,1,TRACK00005,surplus",
    "1006,MUG,1,TRACK00006",
)
TUESDAY = (
    "1006,MUG,0,TRACK00006",
    "1003,MUG,none,TRACK00003",
    "1002,MUG,2,TRACK00002",
    "1002,HAT,1,TRACK00002",
    "'=1004,MUG,1,TRACK00004",
)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)


def night(output: Output, name: str, *rows: str, header: str = HEADER) -> str:
    """The report of a run of ``rows``."""
    manifest(Path(f"{name}.csv"), *rows, header=header)
    assert here(output, "post", f"{name}.csv", "--sandbox", "--report", name).status in {0, 1}
    return name


def diff(output: Output, *arguments: object) -> Ended:
    return here(output, "diff", *arguments)


def changes(output: Output, *arguments: object) -> dict[str, list[tuple[str, ...]]]:
    """Order, SKU, code, and the reports since which, before which and in which it was otherwise, by kind."""
    ended = diff(output, *arguments, "--json")
    found = ended.summary
    assert ended.err == ""
    assert ended.status == int(found["counts"]["newly_failing"] > 0)
    began = {report["started_at"]: report["report"] for report in found["reports"]}
    return {kind: [told(began, row) for row in found[kind]] for kind in KINDS}


def told(began: dict[str, str], row: dict[str, Any]) -> tuple[str, ...]:
    words = [row["order_id"], row["sku"], row["code"], f"in {row['report']}", f"since {began[row['since']]}"]
    words += [f"before {row['before']}"] * bool(row["before"])
    words += [f"{row['now']} in {began[row['mended_at']]}"] if row["now"] else []
    return tuple(words)


def nothing(**but: list[tuple[str, ...]]) -> dict[str, list[tuple[str, ...]]]:
    return {kind: but.get(kind, []) for kind in KINDS}


def test_what_changed_between_two_nights_is_told_by_kind_1(capsys: Output) -> None:
    night(capsys, "monday", *MONDAY)
    night(capsys, "tuesday", *TUESDAY)

    ended = diff(capsys, "tuesday", "monday")
    assert (ended.status, ended.err) == (1, "")
    assert TIME.sub("…", ended.out).splitlines() == [
        "…  post to adm sandbox  monday, Of 7 rows, 2 are posted and 5 need attention",
        "…  post to adm sandbox  tuesday, Of 5 rows, 2 are posted and 3 need attention",
        "",
        "  newly failing         1  fails in the last report, and was fine or not there before",
        "  changed               1  fails still, but for another cause than before",
        "  still failing         1  fails as before",
        "  mended                2  failed before, and was fine when it came next",
        "  gone                  1  failed before, and is not in the last report",
        "",
        "Newly failing",
        "  tuesday.csv row 2, order 1006, tracking number TRACK00006, SKU MUG",
        f"      quantity-below-one: Qty Shipped: found '0', {NUMBER}",
        "",
        "Changed",
        "  tuesday.csv row 3, order 1003, tracking number TRACK00003, SKU MUG",
        f"      bad-quantity: Qty Shipped: found 'none', {NUMBER}",
        "      before: quantity-below-one; since …",
        "",
        "Still failing",
        "  tuesday.csv row 6, order =1004, tracking number TRACK00004, SKU MUG",
        "      bad-order-id: Order #: found '=1004', expected a whole number from 1 to 9223372036854775807",
        "      since …",
        "",
        "Mended",
        "  monday.csv row 3, order 1002, tracking number TRACK00002, SKU MUG",
        f"      bad-quantity: Qty Shipped: found 'two', {NUMBER}",
        "      since …; created in the run of …",
        "  monday.csv row 4, order 1002, tracking number TRACK00002, SKU HAT",
        "      parcel-held: held back: row 3 of monday.csv is not fine and shares its parcel",
        "      since …; created in the run of …",
        "",
        "Gone",
        "  monday.csv row 7, order 1005,MUG,1,TRACK00005,surplus",
        "      ragged-row: the row has 5 cells, the header has 4; too many: 'surplus'",
        "      since …",
    ]


def test_as_json_there_are_the_reports_the_counts_and_the_rows_of_each_kind(capsys: Output) -> None:
    night(capsys, "monday", *MONDAY)
    night(capsys, "tuesday", *TUESDAY)
    monday, tuesday = (
        json.loads(Path(name, "summary.json").read_text(encoding="utf-8")) for name in ("monday", "tuesday")
    )

    found = diff(capsys, "monday", "tuesday", "--json").summary
    assert found["reports"] == [
        {
            "report": name,
            **{key: run[key] for key in ("run_id", "command", "destination", "started_at", "exit_status")},
        }
        for name, run in (("monday", monday), ("tuesday", tuesday))
    ]
    assert found["counts"] == dict(zip(KINDS, (1, 1, 1, 2, 1), strict=True))
    assert found["changed"] == [
        {
            "order_id": "1003",
            "tracking_number": "TRACK00003",
            "sku": "MUG",
            "source": "tuesday.csv",
            "row": "3",
            "status": "invalid",
            "code": "bad-quantity",
            "message": f"Qty Shipped: found 'none', {NUMBER}",
            "hint": "write a whole number in digits alone: 1200, not 1,200, 1.2e3 or 'twelve'",
            "warning": "",
            "fulfillment": "1003/TRACK00003",
            "http_status": "",
            "attempts": "",
            "at": "",
            "report": "tuesday",
            "since": monday["started_at"],
            "before": "quantity-below-one",
            "mended_at": None,
            "now": None,
        }
    ]


def test_where_nothing_fails_newly_the_exit_status_says_so_0(capsys: Output) -> None:
    night(capsys, "monday", *MONDAY)
    night(capsys, "tuesday", MONDAY[3])

    assert diff(capsys, "monday", "tuesday").status == 0
    assert diff(capsys, "monday", "tuesday", "--json").summary["counts"]["still_failing"] == 1


def test_over_several_nights_a_row_fails_since_the_first_in_which_it_did(capsys: Output) -> None:
    a, b, c = (f"100{number},MUG,{{}},TRACK0000{number}" for number in range(1, 4))
    night(capsys, "one", a.format(0), b.format(1), c.format(0))
    night(capsys, "two", a.format(0), b.format(0), c.format(1))
    night(capsys, "three", a.format("x"), b.format(0))
    night(capsys, "four", a.format("x"), b.format(0), c.format(0))

    assert changes(capsys, "three", "one", "two") == nothing(
        changed=[("1001", "MUG", "bad-quantity", "in three", "since one", "before quantity-below-one")],
        still_failing=[("1002", "MUG", "quantity-below-one", "in three", "since two")],
        mended=[("1003", "MUG", "quantity-below-one", "in one", "since one", "created in two")],
    )
    assert changes(capsys, "four", "three", "one", "two") == nothing(
        newly_failing=[("1003", "MUG", "quantity-below-one", "in four", "since four")],
        still_failing=[
            ("1001", "MUG", "bad-quantity", "in four", "since one"),
            ("1002", "MUG", "quantity-below-one", "in four", "since two"),
        ],
    )


def test_what_a_report_does_not_have_is_as_it_was_known_before(capsys: Output) -> None:
    night(capsys, "one", "1001,MUG,0,TRACK00001", "1002,MUG,0,TRACK00002")
    night(capsys, "two", "1003,MUG,1,TRACK00003")
    night(capsys, "three", "1001,MUG,0,TRACK00001")

    assert changes(capsys, "one", "two", "three") == nothing(
        still_failing=[("1001", "MUG", "quantity-below-one", "in three", "since one")],
        gone=[("1002", "MUG", "quantity-below-one", "in one", "since one")],
    )


def test_rows_that_are_alike_are_counted(capsys: Output) -> None:
    alike = "1001,MUG,0,TRACK00001"
    failing = ("1001", "MUG", "quantity-below-one")
    night(capsys, "one", alike, alike, alike)
    night(capsys, "two", alike)
    night(capsys, "three", alike, alike)
    night(capsys, "four", "1001,MUG,1,TRACK00001")

    assert changes(capsys, "one", "two") == nothing(
        still_failing=[(*failing, "in two", "since one")], gone=[(*failing, "in one", "since one")] * 2
    )
    assert changes(capsys, "two", "three") == nothing(
        newly_failing=[(*failing, "in three", "since three")],
        still_failing=[(*failing, "in three", "since two")],
    )
    assert changes(capsys, "three", "four") == nothing(
        mended=[(*failing, "in three", "since three", "created in four")],
        gone=[(*failing, "in three", "since three")],
    )


def test_a_torn_row_is_known_by_its_text(capsys: Output) -> None:
    night(capsys, "one", "1001,MUG,1,TRACK00001,surplus", "1002,MUG,1,TRACK00002,surplus")
    night(capsys, "two", "1003,MUG,1,TRACK00003", "1002,MUG,1,TRACK00002,surplus", "1001,MUG,1,TRACK00001")

    assert changes(capsys, "one", "two") == nothing(
        still_failing=[("1002,MUG,1,TRACK00002,surplus", "", "ragged-row", "in two", "since one")],
        gone=[("1001,MUG,1,TRACK00001,surplus", "", "ragged-row", "in one", "since one")],
    )


def test_a_row_is_known_whatever_its_columns_are_called_and_where_they_stand(capsys: Output) -> None:
    night(capsys, "one", "1001,MUG,0,TRACK00001")
    night(capsys, "two", "x, 1001,TRACK00001 ,MUG", header="Qty,Order,Tracking,SKU")

    assert changes(capsys, "one", "two") == nothing(
        changed=[(" 1001", "MUG", "bad-quantity", "in two", "since one", "before quantity-below-one")]
    )


def test_a_night_without_rows_changes_nothing_of_what_rows_are_known_by(capsys: Output) -> None:
    night(capsys, "one", "1001,MUG,0,TRACK00001", "1002,MUG,0,TRACK00001")
    night(capsys, "two", header=HEADER)
    night(capsys, "three", "1002,MUG,0,TRACK00001")

    assert changes(capsys, "one", "two", "three") == nothing(
        still_failing=[("1002", "MUG", "quantity-below-one", "in three", "since one")],
        gone=[("1001", "MUG", "quantity-below-one", "in one", "since one")],
    )
    assert changes(capsys, "one", "two")["gone"] == [
        ("1001", "MUG", "quantity-below-one", "in one", "since one"),
        ("1002", "MUG", "quantity-below-one", "in one", "since one"),
    ]


def test_no_more_rows_of_a_kind_are_listed_than_the_limit(capsys: Output) -> None:
    rows = [f"{1001 + number},MUG,0,TRACK{number:05}" for number in range(30)]
    night(capsys, "one", *rows[:5])
    night(capsys, "two", *rows)

    ended = diff(capsys, "one", "two", "--limit", "2")
    assert ended.out.count("since ") == 2
    assert ended.out.count("\n  … and 23 rows more; --limit 0 lists all\n") == 1
    assert ended.out.endswith("\n  … and 3 rows more; --limit 0 lists all\n")
    assert len(changes(capsys, "one", "two")["newly_failing"]) == 20
    assert len(changes(capsys, "one", "two", "--limit", "0")["newly_failing"]) == 25


def test_reports_of_one_run_are_not_compared_2(capsys: Output) -> None:
    night(capsys, "one", "1001,MUG,0,TRACK00001")

    assert diff(capsys, "one", "one/rows.csv") == Ended(
        2, "", "importer: one: a report of the same run as one; name reports of different runs\n"
    )


def test_one_report_alone_is_not_enough_2(capsys: Output) -> None:
    ended = diff(capsys, "one")

    assert (ended.status, ended.out) == (2, "")
    assert ended.err.endswith("Error: name at least two reports, of different runs\n")


# --- what a row is known by was mended -------------------------------------------------------------------


def mended(name: str, of: str, *changes: tuple[str, str]) -> str:
    """The errors.csv of a report with these words changed, saved as ``name``."""
    text = Path(of, "errors.csv").read_text(encoding="utf-8-sig")
    for before, after in changes:
        assert text.count(before) > 0
        text = text.replace(before, after, 1)
    Path(name).write_text(text, encoding="utf-8-sig")
    return name


def mended_book(name: str, of: str, *changes: tuple[str, str]) -> str:
    """The report.xlsx of a report with these words changed, saved as ``name`` by a spreadsheet program."""
    book = openpyxl.load_workbook(Path(of, "report.xlsx"))
    left = dict(changes)
    for row in book["rows"].iter_rows():
        for cell in row:
            if cell.value in left:
                cell.value = left.pop(str(cell.value))
    assert not left
    book.save(name)
    return name


def sent(output: Output, manifest: str, name: str) -> str:
    """The report of a run of that manifest."""
    assert here(output, "post", manifest, "--sandbox", "--report", name).status in {0, 1}
    return name


def posted(output: Output, name: str, *rows: str) -> str:
    """The report of a run of a manifest that is called the same every night."""
    return sent(output, str(manifest(Path("manifest.csv"), *rows)), name)


BAD = ("x1,MUG,1,TRACK00001", "1002,,1,TRACK00002", "1003,MUG,1,T3", "1004,MUG,0,TRACK00004")
GOOD = (("x1,MUG", "1001,MUG"), ("1002,,", "1002,HAT,"), ("1,T3", "1,TRACK00003"))


@pytest.mark.parametrize("name", ["one/errors.csv", "errors-corrected.csv"])
def test_a_row_whose_order_sku_or_tracking_number_was_mended_in_errors_csv_is_mended(
    name: str, capsys: Output
) -> None:
    night(capsys, "one", *BAD)
    sent(capsys, mended(name, "one", *GOOD), "two")

    assert changes(capsys, "one", "two") == nothing(
        still_failing=[("1004", "MUG", "quantity-below-one", "in two", "since one")],
        mended=[
            ("x1", "MUG", "bad-order-id", "in one", "since one", "created in two"),
            ("1002", "", "blank-sku", "in one", "since one", "created in two"),
            ("1003", "MUG", "bad-tracking-number", "in one", "since one", "created in two"),
        ],
    )


@pytest.mark.parametrize("name", ["one/report.xlsx", "mended.xlsx"])
def test_a_row_whose_order_or_tracking_number_was_mended_in_the_workbook_is_mended(
    name: str, capsys: Output, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    manifest(Path("one.csv"), *BAD)
    here(capsys, "post", "one.csv", "--sandbox", "--report", "one", "--xlsx")
    sent(capsys, mended_book(name, "one", ("x1", "1001"), ("T3", "TRACK00003")), "two")
    monkeypatch.chdir(Path(tmp_path, "one"))

    found = changes(capsys, "../one", "../two")
    assert ([row[:3] for row in found["mended"]], found["gone"]) == (
        [("x1", "MUG", "bad-order-id"), ("1003", "MUG", "bad-tracking-number")],
        [],
    )


def test_a_sheet_of_that_name_that_is_no_report_tells_nothing(capsys: Output) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "rows"
    for line in (HEADER, "1001,MUG,0,TRACK00001"):
        sheet.append(line.split(","))
    book.save("book.xlsx")

    for name in ("one", "two"):
        sent(capsys, "book.xlsx", name)

    assert [row[:3] for row in changes(capsys, "one", "two")["still_failing"]] == [
        ("1001", "MUG", "quantity-below-one")
    ]


def test_a_row_is_known_again_over_several_mendings(capsys: Output) -> None:
    night(capsys, "one", "x1,MUG,two,TRACK00001")
    sent(capsys, mended("a.csv", "one", ("x1,", "1001,")), "two")
    sent(capsys, mended("b.csv", "two", ("1001,MUG,two", "1001,HAT,2")), "three")

    assert changes(capsys, "one", "two") == nothing(
        changed=[("1001", "MUG", "bad-quantity", "in two", "since one", "before bad-order-id; bad-quantity")]
    )
    assert changes(capsys, "one", "two", "three") == nothing(
        mended=[("1001", "MUG", "bad-quantity", "in two", "since one", "created in three")]
    )


GONE: list[tuple[str, ...]] = [("x1", "MUG", "bad-order-id", "in one", "since one")]


def test_where_the_mended_file_has_changed_since_nothing_is_guessed(capsys: Output) -> None:
    night(capsys, "one", "x1,MUG,1,TRACK00001")
    sent(capsys, mended("a.csv", "one", ("x1,", "1001,")), "two")
    mended("a.csv", "one", ("x1,", "1009,"))

    assert changes(capsys, "one", "two") == nothing(gone=GONE)


def test_a_row_with_nothing_left_of_what_it_was_known_by_is_another(capsys: Output) -> None:
    night(capsys, "one", "x1,MUG,1,TRACK00001")
    sent(capsys, mended("a.csv", "one", ("x1,MUG,1,TRACK00001", "1001,HAT,1,TRACK00002")), "two")

    assert changes(capsys, "one", "two") == nothing(gone=GONE)


def test_a_row_that_shares_nothing_but_its_sku_is_another(capsys: Output) -> None:
    posted(capsys, "monday", "1001,MUG,1,TRACK00001", "1002,MUG,1,")
    posted(capsys, "tuesday", "2001,MUG,1,TRACK00011", "2002,MUG,1,")
    sent(capsys, mended("a.csv", "tuesday", ("2002,MUG,1,", "2002,MUG,1,TRACK00012")), "wednesday")

    assert changes(capsys, "monday", "wednesday") == nothing(
        gone=[("1002", "MUG", "blank-tracking-number", "in monday", "since monday")]
    )


@pytest.mark.parametrize("name", ["tuesday/errors.csv", "a.csv"])
def test_a_row_is_known_again_though_another_night_said_the_same_of_another(
    name: str, capsys: Output
) -> None:
    posted(capsys, "monday", "1001,MUG,1,", "1009,MUG,1,")
    posted(capsys, "tuesday", "2001,MUG,1,", "1009,HAT,1,")
    changed = ("2001,MUG,1,", "2001,CUP,1,TRACK00001"), ("1009,HAT,1,", "1009,CAP,1,TRACK00009")
    sent(capsys, mended(name, "tuesday", *changed), "wednesday")

    blank = "blank-tracking-number"
    assert changes(capsys, "monday", "tuesday", "wednesday") == nothing(
        mended=[
            ("2001", "MUG", blank, "in tuesday", "since tuesday", "created in wednesday"),
            ("1009", "HAT", blank, "in tuesday", "since tuesday", "created in wednesday"),
        ],
        gone=[
            ("1001", "MUG", blank, "in monday", "since monday"),
            ("1009", "MUG", blank, "in monday", "since monday"),
        ],
    )


@pytest.mark.parametrize("name", ["one/errors.csv", "errors-corrected.csv"])
def test_a_mended_row_is_known_again_from_any_directory(
    name: str, capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night(capsys, "one", *BAD)
    sent(capsys, mended(name, "one", *GOOD), "two")
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")

    assert len(changes(capsys, tmp_path / "one", tmp_path / "two")["mended"]) == 3


def test_a_mended_row_is_known_again_where_the_reports_were_moved_to(capsys: Output) -> None:
    night(capsys, "one", *BAD)
    sent(capsys, mended("one/errors.csv", "one", *GOOD), "two")
    Path("archive").mkdir()
    Path("one").rename("archive/first")

    assert len(changes(capsys, "archive/first", "two")["mended"]) == 3


def test_a_row_is_known_however_its_cells_are_written(capsys: Output) -> None:
    night(capsys, "one", "1001,MUG,0,1Z999AA10300000028")
    night(capsys, "two", '="1001.0",MUG,0,1Z 999 AA1 03 0000 0028', "1002,MUG,0,TRACK00002")
    night(capsys, "three", "\uff11\uff10\uff10\uff11,\u200bMUG,0,1Z999AA10300000028")

    code = "quantity-below-one"
    assert changes(capsys, "one", "two") == nothing(
        newly_failing=[("1002", "MUG", code, "in two", "since two")],
        still_failing=[('="1001.0"', "MUG", code, "in two", "since one")],
    )
    found = changes(capsys, "one", "two", "three")
    assert [row[2:] for row in found["still_failing"]] == [(code, "in three", "since one")]


def test_a_manifest_that_is_a_named_pipe_now_is_not_waited_for(capsys: Output) -> None:
    for name in ("one", "two"):
        night(capsys, name, "1001,MUG,0,TRACK00001")
        Path(f"{name}.csv").unlink()
        os.mkfifo(f"{name}.csv")

    assert end(start("diff", "one", "two")).status == 0


def test_the_errors_csv_of_a_report_that_was_not_named_tells_nothing_of_others(capsys: Output) -> None:
    night(capsys, "one", "x1,MUG,1,TRACK00001")
    sent(capsys, "one.csv", "other")
    sent(capsys, mended("other/errors.csv", "other", ("x1,", "1001,")), "two")

    assert changes(capsys, "one", "two") == nothing(gone=GONE)
    assert changes(capsys, "one", "other", "two") == nothing(
        mended=[("x1", "MUG", "bad-order-id", "in other", "since one", "created in two")]
    )

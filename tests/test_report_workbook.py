"""report.xlsx: the rows of the report as text, the bad cells marked, ready to be mended and imported."""

from __future__ import annotations

import csv
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import openpyxl
import pyarrow as pa
import pytest
from msgspec.structs import replace
from openpyxl.utils.escape import unescape

from importer.errors import CannotGoOn
from importer.findings import Findings
from importer.model import STATUSES, Outcome, Status
from importer.report import Page, refuse_existing, write
from importer.report.sinks import Block, Mark, Outline
from importer.report.workbook import ALL_ROWS, MOST_COMMENTS, cells
from importer.report.workbook import opened as workbook
from schemas.codes import code_of
from schemas.manifest import REPORT_COLUMNS
from tests.program import Platform, configuration, end, here, launch, manifest, settle_in, table
from tests.test_report import READY, account, page
from tests.test_summary import SUMMARY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from openpyxl.worksheet.worksheet import Worksheet

    from importer.report import Account

Output = pytest.CaptureFixture[str]
RED, YELLOW, NONE = "FFFFC7CE", "FFFFEB9C", "00000000"
MOST_BYTES = 5_000


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)


def written(told: Account, pages: Sequence[Page], folder: Path) -> Any:  # noqa: ANN401 - openpyxl has no types
    """The workbook of a report of these pages, as a spreadsheet program opens it."""
    with workbook(folder) as book:
        write(told, pages, folder, [book])
        book.finish(SUMMARY)
    return openpyxl.load_workbook(folder / "report.xlsx")


def texts(sheet: Worksheet) -> list[list[str]]:
    """What stands in the cells; "" for a blank one."""
    return [[unescape(cell) if cell else "" for cell in row] for row in sheet.iter_rows(values_only=True)]


def marked(sheet: Worksheet) -> dict[str, tuple[str, str]]:
    """The cells that are coloured, below the header: their colour and their comment."""
    return {
        cell.coordinate: (cell.fill.fgColor.rgb, cell.comment.text if cell.comment else "")
        for row in sheet.iter_rows(min_row=2)
        for cell in row
        if cell.fill.fgColor.rgb != NONE
    }


def lines(sheet: Worksheet) -> list[tuple[object, ...]]:
    """The lines of the summary, each without the blank cells at its end."""
    found = [list(row) for row in sheet.iter_rows(values_only=True)]
    for line in found:
        while line and line[-1] is None:
            line.pop()
    return [tuple(line) for line in found]


def told(code: str, **known: str) -> str:
    return f"{code_of(code).message.format(**known)}\n{code_of(code).hint}"


def test_the_rows_are_those_of_rows_csv_in_the_same_words_and_the_bad_cells_are_marked(
    tmp_path: Path, capsys: Output
) -> None:
    manifest(tmp_path / "m.csv", "1001,A,two,TRACK1", "1001,B,1,TRACK1", "1002,,0,TRACK2", "1003,C,1,TRACK3")

    assert here(capsys, "check", "m.csv", "--report", "R", "--xlsx").status == 1

    sheet = openpyxl.load_workbook("R/report.xlsx")["rows"]
    with Path("R/rows.csv").open(encoding="utf-8-sig", newline="") as file:
        assert texts(sheet) == list(csv.reader(file))
    quantity = {"column": "Qty Shipped", "expected": "a whole number from 1 to 1,000,000"}
    assert marked(sheet) == {
        "C2": (RED, told("bad-quantity", value="'two'", **quantity)),
        "G2": (RED, ""),
        "G3": (RED, ""),
        "B4": (RED, told("blank-sku", column="Item SKU")),
        "C4": (RED, told("quantity-below-one", value="'0'", **quantity)),
        "G4": (RED, ""),
    }
    assert [sheet.cell(1, at).value for at in (5, 7)] == ["import_source", "import_status"]
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", "A1:O5")
    assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value} == {"s"}
    assert {cell.number_format for row in sheet.iter_rows(max_col=4) for cell in row} == {"@"}


def test_digits_keep_their_places_and_no_cell_is_called_a_number_stored_as_text(tmp_path: Path) -> None:
    digits = ("6331300000001200000001", "9400100000000000000000", "007")
    manifest = page("m.csv", ("order_id", "sku", "Zip"), digits, canonical=("order_id", "sku"))

    sheet = written(account([READY]), [manifest], tmp_path)["rows"]

    assert texts(sheet)[1][:3] == list(digits)
    with zipfile.ZipFile(tmp_path / "report.xlsx") as archive:
        content = archive.read("xl/worksheets/sheet1.xml").decode()
    assert '<ignoredError sqref="A1:N2" numberStoredAsText="1"/>' in content
    assert {dimension.number_format for dimension in sheet.column_dimensions.values()} == {"@"}


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "=cmd|'/C calc'!A0",
        "+SUM(A1)",
        "@cmd",
        "-2+3",
        "{=A1}",
        '=HYPERLINK("http://example.com")',
        "http://example.com",
        "1e5",
        "TRUE",
        "2024-04-30",
        "<r><t>bold</t></r>",
        "<r></r>",
        "<r>&amp;</r>",
        "<b>&lt;</b>]]>",
        "'tis",
        " kept ",
        "two\nlines",
        "\ttab",
        "_x0041_",
        "\x01\r",
        "żółw 运单 😀",
    ],
)
def test_whatever_is_in_a_cell_stays_text(tmp_path: Path, cell: str) -> None:
    manifest = page("m.csv", ("order_id", cell), ("1", cell), canonical=("order_id",))

    sheet = written(account([READY]), [manifest], tmp_path)["rows"]

    assert [sheet.cell(row, 2).data_type for row in (1, 2)] == ["s", "s"]
    assert [unescape(sheet.cell(row, 2).value) for row in (1, 2)] == [cell, cell]
    with zipfile.ZipFile(tmp_path / "report.xlsx") as archive:
        parts = [archive.read(name).decode() for name in archive.namelist() if "worksheets" in name]
    assert not any("<f>" in part or "hyperlink" in part for part in parts)


def test_several_faults_of_a_cell_are_in_one_comment_and_a_warning_is_yellow(tmp_path: Path) -> None:
    faults = [
        Findings.of(np.array([0]), code, "tracking_number") for code in ("spreadsheet-damage", "bad-sku")
    ]
    odd = [
        Findings.of(np.array([0, 1]), "tracking-check-digit", "tracking_number"),
        Findings.of(np.array([1]), "duplicate-row", details=np.array([0])),
    ]
    manifest = page(
        "m.csv", ("AWB", "Order"), ("X", "1"), ("Y", "2"), canonical=("tracking_number", "order_id")
    )

    sheet = written(account([None, READY], findings=faults, warnings=odd), [manifest], tmp_path)["rows"]

    x, y = {"column": "AWB", "value": "'X'"}, {"column": "AWB", "value": "'Y'"}
    expected = "1 to 255 characters on one line"
    said = (
        told("spreadsheet-damage", **x),
        told("bad-sku", **x, expected=expected),
        told("tracking-check-digit", **x, rule="its carrier"),
    )
    assert marked(sheet) == {
        "A2": (RED, "\n".join(said)),
        "E2": (RED, ""),
        "I2": (YELLOW, ""),
        "A3": (YELLOW, told("tracking-check-digit", **y, rule="its carrier")),
        "I3": (YELLOW, ""),
    }


def test_a_row_that_cannot_be_told_apart_is_marked_where_it_stands_whole(
    tmp_path: Path, capsys: Output
) -> None:
    manifest(tmp_path / "m.csv", "1001,A,1", "1002,A,1,TRACK2")

    here(capsys, "check", "m.csv", "--report", "R", "--xlsx")

    sheet = openpyxl.load_workbook("R/report.xlsx")["rows"]
    hint = code_of("ragged-row").hint.format(delimiter="comma")
    assert texts(sheet)[1][:4] == ["1001,A,1", "", "", ""]
    assert marked(sheet)["A2"] == (RED, f"the row has 3 cells, the header has 4\n{hint}")


def test_the_marks_of_several_manifests_stand_in_the_columns_of_the_report(tmp_path: Path) -> None:
    pages = [
        page("a.csv", ("order_id", "sku"), ("1", "A"), canonical=("order_id", "sku")),
        page("b.csv", ("sku", "order_id"), ("", "2"), canonical=("sku", "order_id")),
    ]
    found = [Findings.of(np.array([1]), "blank-sku", "sku")]

    sheet = written(
        account([READY, None], findings=found, manifests=[(0, "a.csv"), (1, "b.csv")]), pages, tmp_path
    )

    assert marked(sheet["rows"]) == {"B3": (RED, told("blank-sku", column="sku")), "E3": (RED, "")}


def test_a_row_that_an_earlier_manifest_has_too_is_not_imported_twice(tmp_path: Path, capsys: Output) -> None:
    for name in ("a.csv", "b.csv"):
        manifest(tmp_path / name, "1001,A,1,TRACK1")

    here(capsys, "check", "a.csv", "b.csv", "--report", "R", "--xlsx")

    assert [row[4] for row in texts(openpyxl.load_workbook("R/report.xlsx")["rows"])] == [
        "import_source",
        "a.csv",
    ]
    assert len(table(Path("R/rows.csv"))) == 2


def test_of_a_great_many_rows_only_those_that_need_attention_are_given(tmp_path: Path) -> None:
    rows = ALL_ROWS + 1
    bad = np.array([7, 100_000])
    columns = [pa.array(np.arange(rows)).cast(pa.string())]
    whole = Page(
        "m.csv", ("order_id",), 1, {"order_id": 0}, ",", lambda: [(columns, np.arange(rows) + 2, {})]
    )
    outcomes: list[Outcome | None] = [READY] * rows
    outcomes[7] = outcomes[100_000] = None

    book = written(
        account(outcomes, findings=[Findings.of(bad, "bad-order-id", "order_id")]), [whole], tmp_path
    )

    assert [row[0] for row in texts(book["rows"])] == ["order_id", "7", "100000"]
    few = "the 2 rows that need attention"
    assert lines(book["summary"])[-3] == (
        "sheet rows",
        f"{few}; all rows are given where they are not more than {ALL_ROWS:,}, and rows.csv has them",
    )


def test_rows_that_no_sheet_can_have_are_left_to_errors_csv(tmp_path: Path) -> None:
    headers = ("order_id", *map(str, range(16_384)))
    manifest = page("m.csv", headers, ("1", *[""] * 16_384), canonical=("order_id",))

    book = written(account([READY]), [manifest], tmp_path)

    assert texts(book["rows"]) == [list(REPORT_COLUMNS)]
    assert lines(book["summary"])[-3] == (
        "sheet rows",
        "none: a sheet takes 1,048,575 rows and 16,384 columns; mend errors.csv instead",
    )


def test_a_cell_of_more_characters_than_a_sheet_takes_is_cut_and_that_is_said(tmp_path: Path) -> None:
    manifest = page("m.csv", ("order_id", "Note"), ("1", "x" * 40_000), canonical=("order_id",))

    book = written(account([READY]), [manifest], tmp_path)

    assert book["rows"]["B2"].value == "x" * 32_767
    assert lines(book["summary"])[-2] == (
        "cut",
        "1 cells have more characters than a sheet takes; rows.csv has all of them",
    )


def test_the_summary_has_the_run_in_figures_and_every_problem_with_what_to_do(tmp_path: Path) -> None:
    summary = replace(
        SUMMARY, stopped_because="the token was refused", ledger="ledger.db", manifests=SUMMARY.manifests
    )
    with workbook(tmp_path) as book:
        write(
            account([READY]),
            [page("m.csv", ("order_id",), ("1",), canonical=("order_id",))],
            tmp_path,
            [book],
        )
        book.finish(summary)

    found = lines(openpyxl.load_workbook(tmp_path / "report.xlsx")["summary"])

    blank, duplicate = code_of("blank-sku"), code_of("duplicate-row")
    assert found[:10] == [
        ("post adm https://api.example.com",),
        ("run", "2024-04-30-120000-abcd"),
        ("started (UTC)", "2024-04-30 12:00:00"),
        ("finished (UTC)", "2024-04-30 12:01:01"),
        ("exit status", "1"),
        ("stopped because", "the token was refused"),
        ("ledger", "ledger.db"),
        ("manifest", "caf\\udce9.csv, 2 rows"),
        (),
        ("status", "meaning", "rows", "fulfillments"),
    ]
    assert [line[0] for line in found[10:20]] == [str(status) for status in STATUSES]
    assert found[10][2:] == (1, 1)
    assert found[20:] == [
        ("total", None, 2, 1),
        (),
        ("problem", "meaning", "rows", "what to do", "example"),
        ("blank-sku", blank.meaning, 1, blank.hint, str(blank.example)),
        (),
        ("warning", "meaning", "rows", "what to do", "example"),
        ("duplicate-row", duplicate.meaning, 3, duplicate.hint, str(duplicate.example)),
        (),
        ("this workbook",),
        ("sheet rows", "all 1 rows, but for those that an earlier manifest of the run has, too"),
        ("marks", "red: what is wrong; yellow: what is odd; the comments say what to do"),
        ("to mend", "correct the cells, save as .xlsx and import this file; import_ columns are not read"),
    ]


def test_a_hundred_thousand_rows_take_no_more_memory_than_ten_thousand(tmp_path: Path) -> None:
    count = 10_000
    blank = pa.array([""] * count)
    columns = [pa.array(np.arange(count)).cast(pa.string()), *[blank] * len(REPORT_COLUMNS)]
    yes = np.ones(count, dtype=bool)
    blocks = []

    def marks() -> Iterator[Mark]:
        return (Mark(row, 0, "found 'x'", faulty=True) for row in range(count))

    with workbook(tmp_path) as book:
        book.begin(Outline(("order_id", *REPORT_COLUMNS), {}, 10 * count, 10 * count, account([])))
        for _ in range(10):
            book.add(Block(columns, yes, yes, frozenset(), marks))
            blocks.append(sys.getallocatedblocks())
        book.finish(SUMMARY)

    assert max(blocks) - blocks[0] < 10_000
    with zipfile.ZipFile(tmp_path / "report.xlsx") as archive:
        rows = archive.read("xl/worksheets/sheet1.xml").count(b"<row ")
        comments = archive.read("xl/comments1.xml").count(b"<comment ")
    assert (rows, comments) == (100_001, MOST_COMMENTS)
    note = f"only the first {MOST_COMMENTS:,}; import_message and import_hint have them all"
    notes = openpyxl.load_workbook(tmp_path / "report.xlsx", read_only=True)
    assert ("comments", note) in lines(notes["summary"])
    notes.close()


@pytest.mark.parametrize(
    ("columns", "range_"), [(1, "A1:A9"), (26, "A1:Z9"), (27, "A1:AA9"), (16_384, "A1:XFD9")]
)
def test_a_range_of_cells_is_named_as_spreadsheet_programs_name_it(columns: int, range_: str) -> None:
    assert cells(9, columns) == range_


# --- the command ---------------------------------------------------------------------------------------


def test_the_workbook_mended_and_saved_is_imported_as_it_is(tmp_path: Path, capsys: Output) -> None:
    rows = ("1001,=A,two,TRACK1", "1002,007,1,9400100000000000000017", "1003,''=A,1,TRACK3")
    manifest(tmp_path / "m.csv", *rows)
    here(capsys, "check", "m.csv", "--report", "R", "--xlsx")
    book = openpyxl.load_workbook("R/report.xlsx")

    book["rows"]["C2"].value = "2"
    book.save("mended.xlsx")

    assert here(capsys, "check", "mended.xlsx", "--report", "again").status == 0
    assert [(row["Item SKU"], row["import_fulfillment"]) for row in table(Path("again/rows.csv"))] == [
        ("'=A", "1001/TRACK1"),
        ("007", "1002/9400100000000000000017"),
        ("''=A", "1003/TRACK3"),
    ]


@pytest.mark.parametrize("command", ["check", "post"])
def test_the_workbook_is_written_when_it_is_asked_for(tmp_path: Path, capsys: Output, command: str) -> None:
    manifest(tmp_path / "m.csv", "1001,A,1,TRACK1")

    plain = here(capsys, command, "m.csv", "--sandbox", "--report", "plain", "--json")
    asked = here(capsys, command, "m.csv", "--sandbox", "--report", "R", "--json", "--xlsx")

    assert (plain.status, asked.status) == (0, 0)
    assert plain.summary["reports"].keys() == {"rows", "errors", "page", "summary"}
    assert asked.summary["reports"]["xlsx"] == "R/report.xlsx"
    usual = {"errors.csv", "report.html", "rows.csv", "summary.json"}
    assert {path.name for path in Path("plain").iterdir()} == usual
    assert {path.name for path in Path("R").iterdir()} == {*usual, "report.xlsx"}


def test_where_the_workbook_is_stands_on_the_screen(tmp_path: Path, capsys: Output) -> None:
    manifest(tmp_path / "m.csv", "1001,A,0,TRACK1")

    shown = here(capsys, "check", "m.csv", "--report", "R", "--xlsx").out

    assert "\nMarked: R/report.xlsx (the bad cells marked)\n" in shown


def test_the_report_of_an_earlier_run_has_the_same_workbook(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADM_TOKEN", "a-token")
    manifest(tmp_path / "m.csv", "1001,A,1,TRACK1", "1002,B,0,TRACK2")
    with Platform() as platform:
        configuration(Path("importer.toml"), platform.url)
        posted = here(capsys, "post", "m.csv", "--report", "R", "--xlsx", "--json")
    run_id = posted.summary["run_id"]

    later = here(capsys, "runs", run_id, "--report", "later", "--xlsx", "--json")

    assert (posted.status, later.status) == (1, 1)
    assert later.summary["reports"]["xlsx"] == "later/report.xlsx"
    first, second = (openpyxl.load_workbook(f"{folder}/report.xlsx")["rows"] for folder in ("R", "later"))
    assert (texts(second), marked(second)) == (texts(first), marked(first))


def test_a_workbook_of_an_earlier_run_goes_with_its_report(capsys: Output) -> None:
    ended = here(capsys, "runs", "2024-04-30-120000-abcd", "--xlsx")

    assert ended.status == 2
    assert "--xlsx: it goes with a report; say with --report DIR where it is to go" in ended.err


# --- when it can't be written --------------------------------------------------------------------------


def test_a_workbook_for_which_there_is_no_room_is_told_in_one_line(tmp_path: Path) -> None:
    manifest(tmp_path / "m.csv", "1001,A,1,TRACK1")
    script = (
        "import resource, sys; from importer.cli import run; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({MOST_BYTES}, {MOST_BYTES})); "
        "sys.exit(run(sys.argv[1:]))"
    )

    ended = end(launch([sys.executable, "-c", script, "check", "m.csv", "--report", "R", "--xlsx"]))

    words = "importer: the workbook can't be written to R: File too large\n"
    assert (ended.status, ended.out, ended.err) == (4, "", words)
    assert sorted(path.name for path in Path("R").iterdir()) == ["errors.csv", "rows.csv"]


def test_a_workbook_whose_folder_went_away_is_told(tmp_path: Path) -> None:
    with workbook(tmp_path / "gone") as book:
        book.begin(Outline(REPORT_COLUMNS, {}, 0, 0, account([])))
        with pytest.raises(CannotGoOn) as raised:
            book.finish(SUMMARY)

    assert (
        str(raised.value)
        == f"the workbook can't be written to {tmp_path / 'gone'}: No such file or directory"
    )


def test_a_report_that_does_not_add_up_has_no_workbook(tmp_path: Path) -> None:
    pages = [page("m.csv", ("order_id",), ("1",), canonical=("order_id",))]

    with pytest.raises(CannotGoOn, match="does not add up"):
        written(account([READY, READY]), pages, tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["errors.csv.part", "rows.csv.part"]


def test_what_a_killed_run_left_of_a_workbook_is_no_report(tmp_path: Path) -> None:
    (tmp_path / "report.xlsx.part").write_text("half")

    refuse_existing(tmp_path)


def test_a_row_that_was_posted_is_not_coloured(tmp_path: Path) -> None:
    outcomes = (Outcome(Status.CREATED, http_status=200, attempts=1), Outcome(Status.FAILED, attempts=5))
    manifest = page("m.csv", ("order_id",), ("1",), ("2",), canonical=("order_id",))

    assert marked(written(account(outcomes), [manifest], tmp_path)["rows"]) == {"D3": (RED, "")}

"""rows.csv and errors.csv: every row once, with its own text, in files that can be imported again."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer import manifests
from importer.errors import CannotGoOn, SetupError
from importer.findings import Findings
from importer.manifests import layouts
from importer.manifests.sources import Source
from importer.model import Outcome, Status
from importer.printing import printable, quoted
from importer.report import Account, Outcomes, Page, Position, made, refuse_existing, summarize, write
from importer.report.account import Examples
from schemas.codes import CODES, code_of
from tests.program import here, manifest, settle_in, table

AT = datetime(2024, 4, 30, 12, 0, 0, 999_999, tzinfo=UTC)
OURS = (
    "import_source,import_row,import_status,import_code,import_message,import_hint,import_warning,"
    "import_fulfillment,import_http_status,import_attempts,import_at"
)
NEEDED = ("order_id", "sku", "quantity", "tracking_number")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)


def page(name: str, headers: Sequence[str], *rows: Sequence[str], canonical: Sequence[str] = ()) -> Page:
    """A manifest in two blocks; ``canonical`` names the canonical columns among the first headers."""
    half = len(rows) // 2
    cut = [part for part in ((0, rows[:half]), (half, rows[half:])) if part[1]]
    blocks = [
        (
            [pa.array([row[at] for row in part], pa.string()) for at in range(len(headers))],
            np.arange(first + 2, first + 2 + len(part)),
            dict[int, tuple[str, Sequence[str]]](),
        )
        for first, part in cut
    ]
    places = {column: at for at, column in enumerate(canonical)}
    return Page(name, tuple(headers), len(headers), places, ",", lambda: blocks)


def account(
    outcomes: Sequence[Outcome | None],
    *,
    held_by: Mapping[int, int] | None = None,
    findings: Sequence[Findings] = (),
    warnings: Sequence[Findings] = (),
    manifests: Sequence[tuple[int, str]] = ((0, "m.csv"),),
) -> Account:
    """A fulfillment for each row; None stands for a row that is bad, ``held_by`` names who holds which."""
    count = len(outcomes)
    told = Outcomes(count, Status.READY)
    for index, outcome in enumerate(outcomes):
        if outcome is not None:
            told.put(index, outcome)
    bad = np.array([outcome is None for outcome in outcomes], dtype=bool)
    holds = np.full(count, -1, dtype=np.int64)
    for index, row in (held_by or {}).items():
        holds[index] = row
    ends = [start for start, _ in manifests[1:]] + [count]
    positions = [
        Position(start, name, np.arange(2, 2 + end - start))
        for (start, name), end in zip(manifests, ends, strict=True)
    ]
    return Account(
        positions=positions,
        of_row=np.arange(count),
        bad=bad,
        repeats=np.zeros(count, dtype=bool),
        names=pa.array([f"{index + 1}/TRACK" for index in range(count)], pa.string()),
        held_by=holds,
        scope=("parcel", "order", "number", "batch"),
        scope_of=np.zeros(count, dtype=np.int8),
        filled=~bad,
        findings=Findings.join(findings),
        warnings=Findings.join(warnings),
        outcomes=told,
        expected_order_id="a whole number",
    )


READY = Outcome(Status.READY)
BAD_SKU = CODES["bad-sku"].message.format(column="", value="''")


def hint(*codes: str) -> str:
    """The codes' hints as a cell of the report."""
    hints = "; ".join(code_of(code).hint for code in codes)
    return f'"{hints}"' if "," in hints else hints


def test_every_row_is_told_with_its_own_text_and_what_became_of_it(tmp_path: Path) -> None:
    outcomes = (
        Outcome(Status.CREATED, http_status=200, attempts=2, at=AT),
        Outcome(Status.SKIPPED, "already-posted", "created by run R", at=AT),
        Outcome(Status.IN_DOUBT, "outcome-unknown", "no reply within 30 s", attempts=1, at=AT),
        None,
        READY,
        Outcome(Status.REJECTED, "destination-404", "404 Not Found: no, none", 404, 1, AT),
    )
    found = [Findings.of(np.array([3]), "blank-order-id", "order_id"), Findings.of(np.array([3]), "bad-sku")]
    manifest = page(
        "m.csv",
        ("Order", "Note"),
        ("1", "a,b"),
        ("2", 'say "hi"'),
        ("3", "two\nlines"),
        ("", " kept "),
        ("5", ""),
        ("6", "żółw"),
        canonical=("order_id",),
    )

    written = write(account(outcomes, held_by={4: 3}, findings=found), [manifest], tmp_path)

    created = '1,"a,b",m.csv,2,created,,,,,1/TRACK,200,2,2024-04-30T12:00:00Z\n'
    skipped = (
        f'2,"say ""hi""",m.csv,3,skipped,already-posted,created by run R,{hint("already-posted")},,'
        "2/TRACK,,0,2024-04-30T12:00:00Z\n"
    )
    blank = f"{CODES['blank-order-id'].message.format(column='Order')}; {BAD_SKU}"
    held = CODES["parcel-held"].message.format(where="row 5 of m.csv", scope="parcel")
    attention = (
        f'3,"two\nlines",m.csv,4,in-doubt,outcome-unknown,no reply within 30 s,{hint("outcome-unknown")},,'
        "3/TRACK,,1,2024-04-30T12:00:00Z\n"
        f', kept ,m.csv,5,invalid,blank-order-id; bad-sku,"{blank}",{hint("blank-order-id", "bad-sku")},,'
        "4/TRACK,,,\n"
        f"5,,m.csv,6,held,parcel-held,{held},{hint('parcel-held')},,5/TRACK,,,\n"
        f'6,żółw,m.csv,7,rejected,destination-404,"404 Not Found: no, none",{hint("destination-404")},,'
        "6/TRACK,404,1,2024-04-30T12:00:00Z\n"
    )
    header = f"\ufeffOrder,Note,{OURS}\n"
    assert (tmp_path / "rows.csv").read_bytes().decode() == header + created + skipped + attention
    assert (tmp_path / "errors.csv").read_bytes().decode() == header + attention
    assert sorted(path.name for path in tmp_path.iterdir()) == ["errors.csv", "rows.csv"]
    assert {status: count for status, count in written.rows.items() if count} == dict.fromkeys(
        ("created", "skipped", "invalid", "held", "rejected", "in-doubt"), 1
    )
    assert (written.total, written.to_mend) == (6, 4)


def test_a_row_counts_once_for_each_of_its_codes_and_the_first_rows_are_examples(tmp_path: Path) -> None:
    rows = [("#N/A", "#N/A")] * 5
    found = [Findings.of(np.arange(5), "spreadsheet-damage", column) for column in ("order_id", "sku")]
    manifest = page("m.csv", ("order_id", "sku"), *rows, canonical=("order_id", "sku"))

    written = write(account([None] * 5, findings=found), [manifest], tmp_path)

    message = "; ".join(
        CODES["spreadsheet-damage"].message.format(column=column, value="'#N/A'")
        for column in ("order_id", "sku")
    )
    assert written.errors == {
        "spreadsheet-damage": Examples(5, [("m.csv", number, message) for number in (2, 3, 4)])
    }
    assert {row["import_code"] for row in table(tmp_path / "rows.csv")} == {"spreadsheet-damage"}


def test_warnings_are_counted_by_their_codes_whatever_their_words_look_like(tmp_path: Path) -> None:
    name = "a; carrier-mismatch: b.csv"
    twice = Findings.of(np.array([1]), "duplicate-row", details=np.array([0]))
    manifest = page(name, ("order_id",), ("1",), ("1",), canonical=("order_id",))

    written = write(account([READY, READY], warnings=[twice], manifests=[(0, name)]), [manifest], tmp_path)

    where = f"row 2 of {name}"
    message = CODES["duplicate-row"].message.format(where=where, counted="; both are counted")
    assert written.warnings == {"duplicate-row": Examples(1, [(name, 3, message)])}
    assert [row["import_warning"] for row in table(tmp_path / "rows.csv")] == [
        "",
        f"duplicate-row: {message}",
    ]
    assert written.errors == {}


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+SUM(A1)", "'+SUM(A1)"),
        ("-2+3", "'-2+3"),
        ("@cmd", "'@cmd"),
        ("\tx", "'\tx"),
        ("\rx", '"\'\rx"'),
        ('="007"', '"\'=""007"""'),
        ("'=1", "''=1"),
        ("-", "'-"),
        ("+1-2", "'+1-2"),
        ("-5", "-5"),
        ("+1.50", "+1.50"),
        ("-,5", '"-,5"'),
        ("'-5", "'-5"),
        ("'tis", "'tis"),
        ("a=b", "a=b"),
        (" =1", " =1"),
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_is_neutralised_and_comes_back(
    tmp_path: Path, cell: str, written: str
) -> None:
    headers, row = ("order_id", "Note", cell), ("1", cell, "")

    write(account([READY]), [page("m.csv", headers, row, canonical=("order_id",))], tmp_path)

    lines = (tmp_path / "rows.csv").read_bytes().decode()
    assert lines == (f"\ufefforder_id,Note,{written},{OURS}\n1,{written},,m.csv,2,ready,,,,,1/TRACK,,0,\n")
    assert read_again(tmp_path / "rows.csv") == [headers, row]


def read_again(path: Path) -> list[tuple[str, ...]]:
    """The header and the rows of a report, as a later import reads them."""
    surveyed = manifests.survey(Source(path.name, path), layouts.load(None), ("order_id",), None)
    rows = [
        row
        for block in manifests.blocks(surveyed)
        for row in zip(*(column.to_pylist() for column in block.cells), strict=True)
    ]
    return [surveyed.headers, *rows]


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12) | st.text(
    "'=+-@\t\r\n,;\" 1.x", max_size=8
)


@settings(max_examples=60, deadline=None)
@given(cells=st.lists(st.tuples(ANY_TEXT, ANY_TEXT), min_size=1, max_size=5))
def test_whatever_text_is_in_a_cell_comes_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("report")
    headers = ("order_id", "Note", "Remark")
    rows = [("1001", *texts) for texts in cells]
    pages = [page("m.csv", headers, *rows, canonical=("order_id",))]

    write(account([READY] * len(rows)), pages, folder)

    assert read_again(folder / "rows.csv") == [headers, *rows]


def test_columns_of_several_manifests_are_put_together_by_what_they_mean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest(tmp_path / "a.csv", "1001,A,0,TRACK1,fragile", header="Order #,Item SKU,Qty Shipped,AWB,Note")
    manifest(
        tmp_path / "b.csv", "TRACK2,0,B,1002,x,y", header="Tracking #,Qty Shipped,SKU,Order ID,Note,Zone"
    )

    assert here(capsys, "check", "a.csv", "b.csv", "--report", "R").status == 1

    lines = (tmp_path / "R/rows.csv").read_text(encoding="utf-8-sig").splitlines()
    assert [line.partition(",import_")[0].partition(".csv")[0] for line in lines] == [
        "order_id,sku,Qty Shipped,tracking_number,Note,Zone",
        "1001,A,0,TRACK1,fragile,,a",
        "1002,B,0,TRACK2,x,y,b",
    ]
    again = here(capsys, "check", "R/errors.csv", "--report", "again")
    assert again.status == 1
    mended = (tmp_path / "R/errors.csv").read_text(encoding="utf-8").replace(",0,TRACK", ",3,TRACK")
    (tmp_path / "R/errors.csv").write_text(mended, encoding="utf-8")
    assert here(capsys, "check", "R/errors.csv", "--report", "mended").status == 0
    assert [row["import_fulfillment"] for row in table(tmp_path / "mended/rows.csv")] == [
        "1001/TRACK1",
        "1002/TRACK2",
    ]


def test_an_unknown_column_keeps_its_place_though_its_header_is_blank_or_stands_twice(tmp_path: Path) -> None:
    pages = [
        page("a.csv", ("order_id", "", "Note", "Note"), ("1", "b", "n1", "n2"), canonical=("order_id",)),
        page("b.csv", ("order_id", "Note", "", ""), ("2", "n", "b1", "b2"), canonical=("order_id",)),
    ]

    write(account([READY, READY], manifests=[(0, "a.csv"), (1, "b.csv")]), pages, tmp_path)

    assert (tmp_path / "rows.csv").read_bytes().decode() == (
        f"\ufefforder_id,,Note,Note,,{OURS}\n"
        "1,b,n1,n2,,a.csv,2,ready,,,,,1/TRACK,,0,\n"
        "2,b1,n,,b2,b.csv,2,ready,,,,,2/TRACK,,0,\n"
    )


def test_a_report_of_no_manifests_has_its_own_columns_alone(tmp_path: Path) -> None:
    written = write(account([]), [], tmp_path)

    assert (tmp_path / "rows.csv").read_bytes().decode() == f"\ufeff{OURS}\n"
    assert written.total == 0


@pytest.mark.parametrize("rows", [1, 3])
def test_a_report_that_does_not_add_up_is_not_published(tmp_path: Path, rows: int) -> None:
    pages = [page("m.csv", ("order_id",), *[("1",)] * rows, canonical=("order_id",))]

    with pytest.raises(CannotGoOn, match="does not add up"):
        write(account([READY, READY]), pages, tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["errors.csv.part", "rows.csv.part"]


def test_a_report_that_cannot_be_written_says_where_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CannotGoOn) as raised:
        write(account([]), [], tmp_path / "file")

    assert str(raised.value) == (f"the report can't be written to {tmp_path / 'file'}: Not a directory")


def test_what_a_killed_run_left_of_a_report_is_no_report(tmp_path: Path) -> None:
    for name in ("run.part", "rows.csv.part", "errors.csv.part"):
        (tmp_path / name).write_text("half")

    refuse_existing(tmp_path)

    (tmp_path / "errors.csv").write_text("a user's own")
    with pytest.raises(SetupError) as raised:
        refuse_existing(tmp_path)
    assert str(raised.value) == (
        f"--report {tmp_path}: there is something already, and a report is never overwritten; "
        "name another folder"
    )


def test_a_block_of_many_rows_is_written_in_pieces_that_fit_together(tmp_path: Path) -> None:
    count = 120_001
    cells = [pa.array([str(number) for number in range(count)], pa.string())]
    torn = {at: ("ragged-row", (str(at), "more")) for at in (0, 49_999, 50_000, 120_000)}
    page = Page(
        "m.csv", ("order_id",), 1, {"order_id": 0}, ",", lambda: [(cells, np.arange(count) + 2, torn)]
    )
    rows = np.array(sorted(torn))
    outcomes = [None if at in torn else READY for at in range(count)]
    told = account(outcomes, findings=[Findings.of(rows, "ragged-row")])

    written = write(told, [page], tmp_path)

    report = table(tmp_path / "rows.csv")
    assert [row["import_row"] for row in report] == [str(number) for number in range(2, count + 2)]
    assert [row["order_id"] for row in report] == [
        f"{at},more" if at in torn else str(at) for at in range(count)
    ]
    assert [row["import_row"] for row in table(tmp_path / "errors.csv")] == ["2", "50001", "50002", "120002"]
    assert written.errors["ragged-row"].count == 4


def test_two_runs_do_not_write_into_one_folder(tmp_path: Path) -> None:
    with made(tmp_path / "report"):
        with pytest.raises(SetupError) as raised, made(tmp_path / "report"):
            pass
        assert str(raised.value) == (
            f"--report {tmp_path / 'report'}: another run is writing its report there; name another folder"
        )


def test_a_report_that_came_since_the_folder_was_looked_into_is_not_overwritten(tmp_path: Path) -> None:
    refuse_existing(tmp_path)
    (tmp_path / "errors.csv").write_text("another run's")

    with pytest.raises(SetupError) as raised, made(tmp_path):
        pass

    assert str(raised.value) == (
        f"--report {tmp_path}: there is something already, and a report is never overwritten; "
        "name another folder"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["errors.csv"]


def test_a_torn_row_stands_in_the_report_as_it_stood_in_the_manifest(tmp_path: Path) -> None:
    torn = {
        0: ("ragged-row", ("1", "two\nlines", 'a "word"', "a;b", "c,d")),
        1: ("bad-quoting", ('"A"B', "1")),
    }
    cells = [pa.array(["1", "2"], pa.string()), pa.array(["x", "y"], pa.string())]
    page = Page(
        "m.csv",
        ("Note", "order_id"),
        2,
        {"order_id": 1},
        ";",
        lambda: [(cells, np.array([2, 3]), torn)],
    )

    write(account([None, None]), [page], tmp_path)

    assert [(row["Note"], row["order_id"]) for row in table(tmp_path / "errors.csv")] == [
        ("", '1;"two\nlines";"a ""word""";"a;b";c,d'),
        ("", '"A"B;1'),
    ]


def test_a_folder_that_was_made_for_nothing_is_removed_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()

    for name in ("old", "new", "used"):
        with made(tmp_path / name):
            if name == "used":
                (tmp_path / name / "rows.csv").write_text("")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "used"]


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CannotGoOn) as raised, made(tmp_path / "file/R"):
        pass

    assert str(raised.value) == (
        f"the report folder {tmp_path / 'file/R'} can't be written: Not a directory; nothing was sent; "
        "name another with --report"
    )


def test_a_file_whose_name_is_no_text_has_a_report_all_the_same(tmp_path: Path) -> None:
    name = b"caf\xe9\x1b[31m.csv".decode(errors="surrogateescape")

    pages = [page(name, ("order_id",), ("1",), ("2",), canonical=("order_id",))]
    write(account([READY, None], held_by={0: 1}, manifests=[(0, name)]), pages, tmp_path)

    rows = table(tmp_path / "rows.csv")
    assert {row["import_source"] for row in rows} == {"caf\\udce9\\x1b[31m.csv"}
    assert "row 3 of caf\\udce9\\x1b[31m.csv" in rows[0]["import_message"]


def test_a_row_keeps_its_text_in_the_report_and_shows_it_harmless_in_messages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b]0;owned\x07\u202e1\u200b"
    manifest(tmp_path / "m.csv", f"1001,MUG,{evil},TRACK1", f"{evil},MUG,1,TRACK2")

    ended = here(capsys, "check", "m.csv", "--report", "R")

    shown = "\\x1b]0;owned\\x07\\u202e1\\u200b"
    assert f"m.csv row 2: Qty Shipped: found '{shown}'" in ended.out
    assert not [character for character in ended.out + ended.err if not harmless(character)]
    rows = table(tmp_path / "R/rows.csv")
    assert (rows[0]["Qty Shipped"], rows[1]["Order #"]) == (evil, evil)
    assert [harmless(row["import_message"]) for row in rows] == [True, True]


def harmless(text: str) -> bool:
    return text.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain żółw 漢字", "plain żółw 漢字"),
        ("a\tb\r\nc", "a\\tb\\r\\nc"),
        ("\x1b[2J\x9b31m", "\\x1b[2J\\x9b31m"),
        ("\u202egnp.exe\u2066", "\\u202egnp.exe\\u2066"),
        ("no\u00a0break\u3000wide", "no break wide"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\udce9\U000e0001", "\\udce9\\U000e0001"),
    ],
)
def test_what_could_steer_a_terminal_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_long_text_is_shown_by_its_beginning_and_length() -> None:
    assert quoted("x" * 100) == f"'{'x' * 100}'"
    assert quoted("x" * 101) == f"'{'x' * 100}…' (101 characters)"


def test_texts_that_many_fulfillments_share_are_kept_once() -> None:
    outcomes = Outcomes(3, Status.NOT_SENT)
    outcomes.put(0, Outcome(Status.FAILED, "destination-500", "500", 500, 5, AT))
    outcomes.put(1, Outcome(Status.FAILED, "destination-503", "503", 503, 5, AT))
    outcomes.put(2, Outcome(Status.FAILED, "destination-500", "500", 500, 5, AT))

    assert outcomes.stories == [("destination-500", "500"), ("destination-503", "503")]
    assert outcomes.story.tolist() == [0, 1, 0]


def test_rows_and_fulfillments_are_counted_by_status(tmp_path: Path) -> None:
    told = account([READY, None, READY], held_by={2: 1})
    pages = [page("m.csv", ("order_id",), ("1",), ("2",), ("3",), canonical=("order_id",))]

    rows, fulfillments = summarize(told, write(told, pages, tmp_path))

    nothing = dict.fromkeys(map(str, Status), 0)
    assert rows == nothing | {"ready": 1, "invalid": 1, "held": 1, "total": 3}
    assert fulfillments == rows


def test_only_the_blocks_that_have_some_of_the_rows_are_looked_at() -> None:
    told = account([READY] * 9, manifests=((0, "a.csv"), (3, "empty.csv"), (3, "b.csv"), (6, "c.csv")))

    assert [
        [block.manifest for block in told.blocks_of(np.array(rows, dtype=np.int64))]
        for rows in ([], [2], [3, 5], [0, 1, 8], [*range(9)])
    ] == [[], ["a.csv"], ["b.csv"], ["a.csv", "c.csv"], ["a.csv", "b.csv", "c.csv"]]

"""Workbooks → blocks of rows: which sheet, what cells become, what is refused before it is parsed."""

from __future__ import annotations

import gzip
import re
import shutil
import struct
import zipfile
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import xlsxwriter
import xlwt

from importer import manifests
from importer.errors import ManifestError
from importer.manifests import layouts
from importer.manifests.sources import Source
from importer.manifests.workbook import cells, formats, openxml, safety
from importer.manifests.workbook.oddities import Oddities
from schemas.formulas import NO_RESULT
from tests import program, workbooks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

NEEDED = ("order_id", "sku", "quantity", "tracking_number")
HEADER = ("Order #", "SKU", "Qty", "Tracking #")
ROW = ("1001", "MUG", 2, "TRACK10001")
GENERIC = layouts.load(None)
A1 = '<c r="A1" t="inlineStr"><is><t>order_id</t></is></c>'


def survey(path: Path, sheet: str | None = None) -> manifests.Manifest:
    return manifests.survey(Source(path.name, path), GENERIC, NEEDED, None, sheet)


def rows_of(manifest: manifests.Manifest) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for block in manifests.blocks(manifest):
        table = zip(*(column.to_pylist() for column in block.cells), strict=True)
        found |= dict(zip(block.rows.tolist(), table, strict=True))
    return found


def lost_zeros(manifest: manifests.Manifest) -> list[tuple[int, str]]:
    """Row and column of each number that may have lost leading zeros."""
    return [
        (int(block.rows[at]), column)
        for block in manifests.blocks(manifest)
        for (_, column), mask in block.doubts.items()
        for at in mask.nonzero()[0]
    ]


def refusal(path: Path, sheet: str | None = None) -> str:
    with pytest.raises(ManifestError) as error:
        survey(path, sheet)
    return str(error.value)


def made(path: Path, fill: Callable[[xlsxwriter.Workbook, Any], None]) -> Path:
    """A workbook that ``fill`` puts things into, below a header."""
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("Sheet1")
        sheet.write_row(0, 0, HEADER)
        fill(book, sheet)
    return path


@pytest.mark.parametrize("write", [workbooks.xlsx, workbooks.xls, workbooks.ods])
def test_a_workbook_is_known_by_what_is_in_it_and_not_by_its_name(
    tmp_path: Path, write: Callable[[Path, Sequence[Sequence[Any]]], Path]
) -> None:
    manifest = survey(write(tmp_path / "manifest.csv", [HEADER, ROW]))

    assert manifest.format == write.__name__
    assert manifest.headers == HEADER
    assert rows_of(manifest) == {2: ("1001", "MUG", "2", "TRACK10001")}


def test_a_workbook_with_macros_is_read_as_any_other(tmp_path: Path) -> None:
    path = workbooks.xlsx(tmp_path / "m.xlsm", [HEADER, ROW])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"never run")

    manifest = survey(path)

    assert (manifest.format, list(rows_of(manifest))) == ("xlsm", [2])


def test_errors_in_a_binary_workbook_are_read_as_the_sheet_shows_them(tmp_path: Path) -> None:
    path = workbooks.xlsb(
        tmp_path / "m.xlsb", [HEADER, ["1001", "MUG", 2.0, "T10001"], ["1", 0x2A, 2.0, 0x17]]
    )

    manifest = survey(path)

    assert manifest.format == "xlsb"
    assert rows_of(manifest) == {2: ("1001", "MUG", "2", "T10001"), 3: ("1", "#N/A", "2", "#REF!")}


def test_errors_and_hidden_rows_of_an_old_workbook_are_seen(tmp_path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("März")
    for column, name in enumerate(HEADER):
        sheet.write(0, column, name)
    sheet.write(1, 0, "1001")
    sheet.row(1).set_cell_error(1, 0x2A)
    sheet.row(2).set_cell_error(3, 0x17)
    sheet.row(1).hidden = True
    sheet.col(2).hidden = True
    book.save(str(tmp_path / "m.xls"))

    manifest = survey(tmp_path / "m.xls")

    assert rows_of(manifest) == {2: ("1001", "#N/A", "", ""), 3: ("", "", "", "#REF!")}
    assert manifest.sheet is not None
    assert manifest.sheet.notes == ("1 row and 1 column are hidden in the sheet, and read all the same",)


def test_title_rows_and_merged_cells_above_the_header_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "m.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("March")
        sheet.merge_range(0, 0, 0, 4, "Dispatch report")
        sheet.write_row(3, 1, HEADER)
        sheet.write_row(6, 1, ROW)

    manifest = survey(path)

    assert (manifest.form.header_row, manifest.headers) == (4, ("", *HEADER))
    assert rows_of(manifest) == {7: ("", "1001", "MUG", "2", "TRACK10001")}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (12.0, "12"),
        (2.5, "2.5"),
        (-3, "-3"),
        (0.1 + 0.2, "0.3"),
        (0.00001, "0.00001"),
        (123456789012345, "123456789012345"),
        (999999999999999, "999999999999999"),
        (float("inf"), "#NUM!"),
    ],
)
def test_numbers_of_up_to_15_digits_are_taken_exactly(number: float, text: str) -> None:
    assert cells.read([number]).text.to_pylist() == [text]
    assert cells.read([number, "x", ""]).as_names().to_pylist() == [text, "x", ""]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1e15, "1000000000000000"),
        (-1234567890123456, "-1234567890123456"),
        (12345678901234568, "12345678901234568"),
        (9400110200881234567890, "9.40011020088123E+21"),
    ],
)
def test_longer_numbers_are_written_with_the_digits_that_are_stored_and_never_pass_for_a_name(
    number: float, text: str
) -> None:
    assert cells.read([number]).text.to_pylist() == [text]
    assert cells.read([number, "x", 7]).as_names().to_pylist() == [f"#NUMBER! {text}", "x", "7"]


def test_dates_times_and_truth_are_written_as_in_iso_8601_and_as_spreadsheets_do() -> None:
    column = [
        *(date(2024, 4, 3), datetime(2024, 4, 3, 10, 11, 12), time(12, 30)),  # noqa: DTZ001 - a sheet has no zones
        *(timedelta(hours=45, minutes=30), timedelta(hours=-1), True, False, "x"),
    ]

    assert cells.read(column).text.to_pylist() == [
        *("2024-04-03", "2024-04-03 10:11:12", "12:30:00", "45:30:00", "-01:00:00", "TRUE", "FALSE", "x")
    ]
    assert cells.read(column[:-1]).as_names().to_pylist() == [
        *("#DATE! 2024-04-03", "#DATE! 2024-04-03 10:11:12", "#TIME! 12:30:00", "#TIME! 45:30:00"),
        *("#TIME! -01:00:00", "TRUE", "FALSE"),
    ]


def test_formulas_give_their_stored_value_and_those_without_one_a_fault(tmp_path: Path) -> None:
    def fill(_: xlsxwriter.Workbook, sheet: Any) -> None:  # noqa: ANN401 - it has no types
        sheet.write_row(1, 0, ROW)
        sheet.write_formula("A2", "=1000+1", None, 1001)
        sheet.write_formula("B2", '="M"&"UG"', None, "MUG")
        sheet.write_formula("D3", "=VLOOKUP(1,A1:B2,2)", None, "#N/A")
        sheet.write_formula("A4", "=A3", None, "")

    manifest = survey(made(tmp_path / "m.xlsx", fill))

    assert rows_of(manifest) == {
        2: ("1001", "MUG", "2", "TRACK10001"),
        3: ("", "", "", "#N/A"),
        4: (NO_RESULT, "", "", ""),
    }


def test_a_formula_whose_result_is_an_empty_text_is_blank(tmp_path: Path) -> None:
    cell = (
        '<c r="A2" t="str"><f>""</f><v></v></c><c r="B2"><f t="shared" si="0"/><v>7</v></c>'
        '<c r="XFD2" s="0"/>'
    )
    header = "".join(
        f'<c r="{letter}1" t="inlineStr"><is><t>{name}</t></is></c>'
        for letter, name in zip("ABCD", NEEDED, strict=True)
    )
    sheet = f'<sheetData><row r="1">{header}</row><row r="2">{cell}</row></sheetData>'

    assert rows_of(survey(workbooks.xlsx_of(tmp_path / "m.xlsx", sheet))) == {2: ("", "7", "", "")}


def test_faults_and_formats_of_an_opendocument_sheet_are_seen(tmp_path: Path) -> None:
    number = (
        '<table:table-cell office:value-type="float" office:value="{}"><text:p>{}</text:p></table:table-cell>'
    )
    error = (
        '<table:table-cell table:formula="of:=NA()" office:value-type="string" office:string-value="" '
        'calcext:value-type="error"><text:p>#N/A</text:p></table:table-cell>'
    )
    formula = '<table:table-cell table:formula="of:=A1"/>'
    rows = [
        "".join(map(workbooks.ods_cell, HEADER)),
        number.format(12345678, "1.23E+07") + error + number.format(2, "2") + formula,
        number.format(1, "1") + number.format(42, "00042") + number.format(2, "2.00E+00"),
    ]
    hidden = f'<table:table-row table:visibility="collapse">{rows[2]}</table:table-row>'
    table = "".join(f"<table:table-row>{row}</table:table-row>" for row in rows[:2]) + hidden

    manifest = survey(workbooks.ods_of(tmp_path / "m.ods", {"Sheet1": table}))

    assert rows_of(manifest) == {2: ("1.2345678E+07", "#N/A", "2", NO_RESULT), 3: ("1", "42", "2", "")}
    assert lost_zeros(manifest) == [(3, "sku")]
    assert manifest.sheet is not None
    assert manifest.sheet.notes == ("1 row is hidden in the sheet, and read all the same",)


def test_a_number_that_the_sheet_shows_in_scientific_notation_is_written_so(tmp_path: Path) -> None:
    def fill(book: xlsxwriter.Workbook, sheet: Any) -> None:  # noqa: ANN401 - it has no types
        sheet.write_row(1, 0, ROW)
        for address in ("A2", "C2"):
            sheet.write_number(address, 12, book.add_format({"num_format": "0.00E+00"}))

    manifest = survey(made(tmp_path / "m.xlsx", fill))

    assert rows_of(manifest) == {2: ("1.2E+01", "MUG", "12", "TRACK10001")}


@pytest.mark.parametrize(
    ("code", "look"),
    [
        *((code, formats.PLAIN) for code in ("General", "0", "0.00", "#,##0", "@", "# ##0", '0" "')),
        ('_(* #,##0.00_);_(* (#,##0.00);_(* "-"??_);_(@_)', formats.PLAIN),
        ("[Red]0;[Blue]-0", formats.PLAIN),
        ("0.00E+00", formats.SCIENTIFIC),
        *((code, formats.PADDED) for code in ("00000000", "0000 0000 0000")),
        *(
            (code, code)
            for code in ("0%", "# ?/?", '"SO-"0', "0\\-0", "$#,##0.00", "[$€-407] 0", "0,", "00-000")
        ),
        ("[<=999]000;0000", "[<=999]000;0000"),
        ("[" * 300, "[" * 255),
    ],
)
def test_a_format_shows_a_number_as_it_is_or_makes_something_else_of_it(code: str, look: str) -> None:
    assert formats.look_of(code) == look


def formatted(path: Path, looks: Sequence[tuple[float, str]]) -> Path:
    """A workbook of the kind that the path says, with these numbers and formats for SKUs."""
    if path.suffix == ".xls":
        book = xlwt.Workbook()
        sheet = book.add_sheet("Sheet1")
        for column, name in enumerate(HEADER):
            sheet.write(0, column, name)
        for row, (number, code) in enumerate(looks, start=1):
            sheet.write(row, 1, number, xlwt.easyxf(num_format_str=code))
        book.save(str(path))
        return path
    if path.suffix == ".xlsb":
        cells = [("1001", workbooks.Formatted(number, code), "1", "T10001") for number, code in looks]
        return workbooks.xlsb(path, [HEADER, *cells])

    def fill(book: xlsxwriter.Workbook, sheet: Any) -> None:  # noqa: ANN401 - it has no types
        for row, (number, code) in enumerate(looks, start=1):
            sheet.write_number(row, 1, number, book.add_format({"num_format": code}))

    return made(path, fill)


@pytest.mark.parametrize("suffix", ["xlsx", "xls", "xlsb"])
def test_a_number_that_the_sheet_shows_in_another_form_is_damage(tmp_path: Path, suffix: str) -> None:
    looks = [
        (1200000, "0.00E+00"),
        (0.5, "0%"),
        (1.5, "# ?/?"),
        (1004, '"SO-"0'),
        (42, "0000"),
        (12, "#,##0.00"),
        (0.25, "0.0%"),
    ]

    manifest = survey(formatted(tmp_path / f"m.{suffix}", looks))

    assert [row[1] for row in rows_of(manifest).values()] == [
        *("1.2E+06", "#FORMAT! 0.5 as 0%", "#FORMAT! 1.5 as # ?/?", '#FORMAT! 1004 as "SO-"0', "42", "12"),
        "#FORMAT! 0.25 as 0.0%",
    ]
    assert lost_zeros(manifest) == [(6, "sku")]


def test_numbers_side_by_side_in_an_old_workbook_are_known_by_their_formats_too(tmp_path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Sheet1")
    for column, name in enumerate(HEADER):
        sheet.write(0, column, name)
    look = xlwt.easyxf(num_format_str="0.00E+00")
    for column, number in enumerate((12, 34, 56, 78)):
        sheet.write(1, column, number, look)
    book.save(str(tmp_path / "m.xls"))

    assert rows_of(survey(tmp_path / "m.xls")) == {2: ("1.2E+01", "3.4E+01", "56", "7.8E+01")}


def test_what_is_hidden_in_a_binary_workbook_is_said(tmp_path: Path) -> None:
    path = workbooks.xlsb(
        tmp_path / "m.xlsb", [HEADER, ("1", "A", 2.0, "T10001")], hidden_row=1, hidden_column=2
    )

    manifest = survey(path)

    assert list(rows_of(manifest)) == [2]
    assert manifest.sheet is not None
    assert manifest.sheet.notes == ("1 row and 1 column are hidden in the sheet, and read all the same",)


@pytest.mark.parametrize("is_calculated", [False, True])
def test_formulas_of_an_old_workbook_that_nobody_calculated_are_a_fault(
    tmp_path: Path,
    *,
    is_calculated: bool,
) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Sheet1")
    for column, name in enumerate(HEADER):
        sheet.write(0, column, name)
    sheet.write(1, 0, "1001")
    sheet.write(1, 1, xlwt.Formula('"M"&"UG"'))
    sheet.write(1, 2, xlwt.Formula("1+1"))
    book.save(str(tmp_path / "m.xls"))
    if is_calculated:  # then the other one has an empty text
        content = (tmp_path / "m.xls").read_bytes()
        blank = struct.pack("<HHH", 1, 2, 17) + b"\x03\0\0\0\0\0\xff\xff"
        assert content.count(blank) == 1
        (tmp_path / "m.xls").write_bytes(content.replace(blank, struct.pack("<HHHd", 1, 2, 17, 2.0)))

    told = ("1001", "", "2", "") if is_calculated else ("1001", NO_RESULT, NO_RESULT, "")
    assert rows_of(survey(tmp_path / "m.xls")) == {2: told}


def test_times_where_a_name_should_be_are_damage(tmp_path: Path) -> None:
    def fill(book: xlsxwriter.Workbook, sheet: Any) -> None:  # noqa: ANN401 - it has no types
        sheet.write_row(1, 0, ROW)
        sheet.write_number("B2", 0.0625, book.add_format({"num_format": "h:mm"}))
        sheet.write_number("A2", 1.0625, book.add_format({"num_format": "[h]:mm"}))

    assert rows_of(survey(made(tmp_path / "m.xlsx", fill))) == {
        2: ("#TIME! 25:30:00", "#TIME! 01:30:00", "2", "TRACK10001")
    }


def test_line_breaks_and_tabs_of_an_opendocument_text_are_kept(tmp_path: Path) -> None:
    text = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    cells = (
        text.format('A<text:s text:c="2"/>B<text:tab/><text:span>C</text:span>'),
        text.format("7"),
        text.format("TN10000001<text:line-break/>TN10000002"),
    )
    rows = ["".join(map(workbooks.ods_cell, HEADER)), workbooks.ods_cell("1") + "".join(cells)]
    table = "".join(f"<table:table-row>{row}</table:table-row>" for row in rows)

    manifest = survey(workbooks.ods_of(tmp_path / "m.ods", {"Sheet1": table}))

    assert rows_of(manifest) == {2: ("1", "A  B\tC", "7", "TN10000001\nTN10000002")}


def test_numbers_that_may_have_lost_leading_zeros_are_warned_of(tmp_path: Path) -> None:
    def fill(book: xlsxwriter.Workbook, sheet: Any) -> None:  # noqa: ANN401 - it has no types
        sheet.write_row(1, 0, (1001, "0042", 2, "TRACK10001"))
        sheet.write_row(2, 0, (1002, 42, 2, "TRACK10002"))
        sheet.write_row(3, 0, (1003, 1234, 2, "TRACK10003"))
        sheet.write_number("D5", 12345, book.add_format({"num_format": "0000000000"}))

    assert lost_zeros(survey(made(tmp_path / "m.xlsx", fill))) == [(3, "sku"), (5, "tracking_number")]


def test_hidden_rows_and_columns_are_read_and_said_once(tmp_path: Path) -> None:
    def fill(_: xlsxwriter.Workbook, sheet: Any) -> None:  # noqa: ANN401 - it has no types
        for row in (1, 2, 3):
            sheet.write_row(row, 0, ROW)
        sheet.set_row(2, None, None, {"hidden": True})
        sheet.set_column("B:B", None, None, {"hidden": True})
        sheet.set_column("E:XFD", None, None, {"hidden": True})

    manifest = survey(made(tmp_path / "m.xlsx", fill))

    assert list(rows_of(manifest)) == [2, 3, 4]
    assert manifest.sheet is not None
    assert manifest.sheet.notes == ("1 row and 1 column are hidden in the sheet, and read all the same",)


def several_sheets(path: Path, hidden: Sequence[str] = ()) -> Path:
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("Empty")
        book.add_worksheet("Notes").write_row(0, 0, ("Order #", "by hand"))
        book.add_worksheet("Template").write_row(0, 0, HEADER)
        for name in ("March", "April"):
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, HEADER)
            sheet.write_row(1, 0, ("1001", name, 2, "TRACK10001"))
            if name in hidden:
                sheet.hide()
    return path


def test_a_sheet_without_data_never_wins_over_one_with_data(tmp_path: Path) -> None:
    manifest = survey(several_sheets(tmp_path / "m.xlsx", ["April"]))

    assert [row[1] for row in rows_of(manifest).values()] == ["March"]
    assert manifest.sheet is not None
    assert manifest.sheet.notes == (
        "the sheet 'April' has the columns and data, too, and is not read; read it with --sheet",
    )


def test_a_hidden_sheet_is_read_where_no_other_has_data_and_said_to_be_hidden(tmp_path: Path) -> None:
    manifest = survey(several_sheets(tmp_path / "m.xlsx", ["March", "April"]))

    assert [row[1] for row in rows_of(manifest).values()] == ["March"]
    assert manifest.sheet is not None
    assert manifest.sheet.notes == (
        "the sheet 'March', which is read, is hidden",
        "the sheet 'April' has the columns and data, too, and is not read; read it with --sheet",
    )


def test_of_two_sheets_with_data_the_first_is_read_and_the_other_named(tmp_path: Path) -> None:
    manifest = survey(several_sheets(tmp_path / "m.xlsx"))

    assert [row[1] for row in rows_of(manifest).values()] == ["March"]
    assert manifest.sheet is not None
    assert manifest.sheet.notes == (
        "the sheet 'April' has the columns and data, too, and is not read; read it with --sheet",
    )


def test_a_sheet_whose_only_cell_below_the_header_is_a_fault_has_data(tmp_path: Path) -> None:
    def fill(book: xlsxwriter.Workbook, sheet: Any) -> None:  # noqa: ANN401 - it has no types
        sheet.write_formula("D2", "=NA()", None, "")
        book.add_worksheet("Template").write_row(0, 0, HEADER)

    assert rows_of(survey(made(tmp_path / "m.xlsx", fill))) == {2: ("", "", "", NO_RESULT)}


def test_the_sheet_that_was_asked_for_is_read(tmp_path: Path) -> None:
    manifest = survey(several_sheets(tmp_path / "m.xlsx"), "April")

    assert [row[1] for row in rows_of(manifest).values()] == ["April"]


def test_a_sheet_that_is_not_there_is_an_error_with_those_that_are(tmp_path: Path) -> None:
    path = several_sheets(tmp_path / "m.xlsx")

    assert refusal(path, "Aprl") == (
        "m.xlsx: has no sheet 'Aprl'; it has 'Empty', 'Notes', 'Template', 'March', 'April'; "
        "did you mean 'April'?"
    )
    assert refusal(path, "Empty") == (
        "m.xlsx: the sheet Empty is empty; a manifest has at least a header row"
    )


def test_a_workbook_without_the_columns_is_refused_with_the_sheet_that_comes_nearest(tmp_path: Path) -> None:
    path = workbooks.xlsx(tmp_path / "m.xlsx", [HEADER[:3], ROW[:3]], "March")

    assert refusal(path) == (
        "m.xlsx, sheet March, row 1: no column for tracking_number; the headers found are 'Order #', 'SKU', "
        "'Qty'; rename the column, or say with --layout which it is"
    )


def test_thousands_of_blank_rows_at_the_end_make_no_rows(tmp_path: Path) -> None:
    def fill(book: xlsxwriter.Workbook, sheet: Any) -> None:  # noqa: ANN401 - it has no types
        sheet.write_row(1, 0, ROW)
        grey = book.add_format({"bg_color": "#eeeeee"})
        for row in range(2, 5000):
            sheet.write_blank(row, 0, None, grey)

    manifest = survey(made(tmp_path / "m.xlsx", fill))

    assert (manifest.headers, list(rows_of(manifest))) == (HEADER, [2])


def test_a_workbook_that_changes_after_it_was_surveyed_is_refused(tmp_path: Path) -> None:
    path = workbooks.xlsx(tmp_path / "m.xlsx", [HEADER, ROW])
    manifest = survey(path)
    workbooks.xlsx(path, [HEADER, ROW, ROW])

    with pytest.raises(ManifestError, match=r"m\.xlsx: changed while it was read"):
        rows_of(manifest)


# Hostile files


def test_a_bomb_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    blanks = b" " * (safety.RATIO_MATTERS_FROM_BYTES + 1)
    path = workbooks.xlsx_of(tmp_path / "m.xlsx", "", {"xl/media/bomb": blanks})

    assert re.fullmatch(
        r"m\.xlsx: the workbook unpacks to 1,0\d\d times its size \(xl/media/bomb\); "
        "expected at most 200 times: split it, or export it as CSV",
        refusal(path),
    )


def test_a_bomb_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = workbooks.xlsx_of(tmp_path / "m.xlsx", " " * 1_000_000)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        true = struct.pack("<I", archive.getinfo("xl/worksheets/sheet1.xml").file_size)
    path.write_bytes(content.replace(true, struct.pack("<I", 100)))

    assert refusal(path).startswith("m.xlsx: the workbook is damaged (Bad CRC-32 for file")


def test_more_parts_than_any_workbook_has_are_refused(tmp_path: Path) -> None:
    more = {f"part{number}": b"" for number in range(safety.MAX_MEMBERS)}
    path = workbooks.xlsx_of(tmp_path / "m.xlsx", "", more)

    assert refusal(path) == (
        "m.xlsx: the workbook has 10,005 parts; expected at most 10,000: split it, or export it as CSV"
    )


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "xl\\..\\..\\passwd", "xl/WORKBOOK.xml"])
def test_parts_whose_names_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    path = workbooks.xlsx_of(tmp_path / "m.xlsx", "", {name: b""})

    assert refusal(path) == (
        f"m.xlsx: the workbook has a part called {name!r}, or has it twice, as no spreadsheet program writes "
        "it; open it in one and save it again"
    )


@pytest.mark.parametrize("write", ["xlsx", "ods"])
def test_entities_and_other_files_are_never_looked_at(tmp_path: Path, write: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hidden", encoding="ascii")
    dtd = f'<!DOCTYPE x [<!ENTITY a SYSTEM "file://{secret}">]>'
    path = tmp_path / f"m.{write}"
    part = "xl/sharedStrings.xml" if write == "xlsx" else "content.xml"
    if write == "xlsx":
        workbooks.xlsx_of(path, "", {part: f"{dtd}<sst><si><t>&a;</t></si></sst>"})
    else:
        workbooks.ods_of(path, {dtd: ""})

    assert refusal(path) == (
        f"{path.name}: {part} in the workbook has a document type definition, which no spreadsheet program "
        "writes; open it in one and save it again"
    )


def test_xml_in_another_encoding_is_refused_since_it_may_hide_anything(tmp_path: Path) -> None:
    path = workbooks.xlsx_of(tmp_path / "m.xlsx", "", {"xl/styles.xml": "<!DOCTYPE x>".encode("utf-16")})

    assert refusal(path) == (
        "m.xlsx: xl/styles.xml in the workbook is not UTF-8; open it in a spreadsheet program and save it "
        "again"
    )


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ('<c r="XFD1" t="str"><v>x</v></c>', "row 1 and column 16,384"),
        ('<c r="AMJ1048576"><v>1</v></c>', "row 1,048,576 and column 1,024"),
        (
            '<c r="BZ2"><v>1</v></c></row><row r="900000"><c r="A900000"><v>1</v></c>',
            "row 900,000 and column 78",
        ),
        ('<c r="A4294967290"><v>1</v></c>', "row 4,294,967,290 and column 26"),
    ],
)
def test_cells_far_out_are_refused_since_all_between_would_take_room(
    tmp_path: Path, more: str, found: str
) -> None:
    sheet = f'<dimension ref="A1:B2"/><sheetData><row r="1">{A1}{more}</row></sheetData>'
    path = workbooks.xlsx_of(tmp_path / "m.xlsx", sheet)

    assert refusal(path) == (
        f"m.xlsx, sheet Sheet1: has cells filled as far as {found}; expected at most 1,048,576 rows, 1,000 "
        "columns and 50,000,000 cells: delete what stands beside and below the manifest, or split it"
    )


@pytest.mark.parametrize(
    "row",
    [
        '<table:table-row><table:table-cell table:number-columns-repeated="2000000000"/></table:table-row>',
        '<table:table-row table:number-rows-repeated="99999999999999999999"/>',
        (
            '<table:table-row table:number-rows-repeated="1000000"><table:table-cell office:value="1" '
            'office:value-type="float" table:number-columns-repeated="900"/></table:table-row>'
        ),
    ],
)
def test_cells_repeated_without_end_are_refused(tmp_path: Path, row: str) -> None:
    path = workbooks.ods_of(tmp_path / "m.ods", {"Sheet1": row})

    assert refusal(path).startswith("m.ods, sheet Sheet1: has cells filled as far as row 1,0")


def test_texts_announced_beyond_all_room_are_refused(tmp_path: Path) -> None:
    strings = '<sst count="1" uniqueCount="4000000000"><si><t>a</t></si></sst>'
    path = workbooks.xlsx_of(tmp_path / "m.xlsx", "", {"xl/sharedStrings.xml": strings})

    assert refusal(path) == (
        "m.xlsx: the workbook announces 4,000,000,000 texts, more than it has room for; open it in a "
        "spreadsheet program and save it again"
    )


@pytest.mark.parametrize(
    "piece",
    [
        '<c r="A2" t="e">',
        '<c r="A2" t="e" ',
        '<c r="A2"><f>1</f>',
        '<col hidden="1" ',
        '<row hidden="1" ',
        '<c r="AAA2222222" ',
        ' t="e"',
        '<c r="A2" s="1" ',
    ],
)
def test_a_sheet_of_nothing_but_beginnings_takes_no_time_that_grows_with_its_square(piece: str) -> None:
    odd = Oddities()

    openxml.Looks("m.xlsx", {b"1": formats.SCIENTIFIC}).take(piece.encode() * 50_000, odd)

    assert odd.texts in ({}, {0: {1: NO_RESULT}})


def test_faults_in_cells_without_an_address_are_refused_rather_than_guessed(tmp_path: Path) -> None:
    sheet = f'<sheetData><row r="1">{A1}<c t="e"><v>#N/A</v></c></row></sheetData>'

    assert refusal(workbooks.xlsx_of(tmp_path / "m.xlsx", sheet)) == (
        "m.xlsx, sheet Sheet1: has formulas, errors or formats in cells without an address; open the "
        "workbook in a spreadsheet program and save it again"
    )


def test_encrypted_workbooks_are_told_so(tmp_path: Path) -> None:
    package = tmp_path / "m.xlsx"
    package.write_bytes(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "EncryptedPackage".encode("utf-16-le")
    )
    document = workbooks.ods(tmp_path / "m.ods", [HEADER])
    with zipfile.ZipFile(document) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["META-INF/manifest.xml"] = b"<manifest><encryption-data/></manifest>"
    workbooks.archive(document, dict(parts))

    for path in (package, document):
        assert refusal(path) == (
            f"{path.name}: the workbook is encrypted; open it in a spreadsheet program, save it without a "
            "password and run again"
        )


@pytest.mark.parametrize("rest", [7, 600, 4096])
def test_a_damaged_old_workbook_is_told_so(tmp_path: Path, rest: int) -> None:
    path = tmp_path / "m.xls"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(rest))

    assert refusal(path) == (
        "m.xls: can't be read as a workbook: it is damaged or cut off; open it in a spreadsheet program and "
        "save it again, or get the file anew"
    )


def test_a_damaged_workbook_is_told_so(tmp_path: Path) -> None:
    path = workbooks.xlsx_of(tmp_path / "m.xlsx", "<sheetData><row")

    assert refusal(path) == (
        "m.xlsx: can't be read as a workbook: it is damaged or cut off; open it in a spreadsheet program and "
        "save it again, or get the file anew"
    )


# The whole way


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program.settle_in(tmp_path, monkeypatch)


def lines(rows: Sequence[Sequence[Any]], delimiter: str) -> str:
    return "".join(delimiter.join(map(str, row)) + "\r\n" for row in rows)


def test_the_same_manifest_gives_the_same_rows_in_every_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = [
        ("Order #", "SKU", "Qty", "Tracking #", "Größe"),
        ("1001", "MÜG", 2, "TRACK10001", 2.5),
        ("1002", "MUG", 0, "TRACK10002", ""),
        (123456789012345, "MUG", 1, "TRACK 10003", 12),
        ("1004", "", 1, "TRACK10004", "é"),
    ]
    texts = {
        "csv": (",", "utf-8"),
        "tsv": ("\t", "utf-8-sig"),
        "txt": (";", "cp1252"),
        "tab": ("\t", "utf-16"),
    }
    for suffix, (delimiter, encoding) in texts.items():
        (tmp_path / f"m.{suffix}").write_bytes(lines(table, delimiter).encode(encoding))
    for write in (workbooks.xlsx, workbooks.xls, workbooks.ods):
        write(tmp_path / f"m.{write.__name__}", table)

    for packed in ("csv", "xlsx"):
        (tmp_path / f"m.{packed}.gz").write_bytes(gzip.compress((tmp_path / f"m.{packed}").read_bytes()))
        with zipfile.ZipFile(tmp_path / f"m.{packed}.zip", "w") as archive:
            archive.write(tmp_path / f"m.{packed}", f"m.{packed}")

    reports = {}
    for suffix in (*texts, "xlsx", "xls", "ods", "csv.gz", "xlsx.gz", "csv.zip", "xlsx.zip"):
        named = ("--encoding", "cp1252") if suffix == "txt" else ()  # a guess would be warned of
        ended = program.here(capsys, "-q", "check", f"m.{suffix}", "--report", suffix, *named)
        assert ended.status == 1
        reports[suffix] = [
            {**row, "import_source": ""} for row in program.table(tmp_path / suffix / "rows.csv")
        ]

    assert [row["import_status"] for row in reports["csv"]] == ["ready", "invalid", "ready", "invalid"]
    assert all(rows == reports["csv"] for rows in reports.values())


def test_damage_is_reported_with_the_address_of_the_cell_and_stays_damage_until_it_is_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fill(book: xlsxwriter.Workbook, sheet: Any) -> None:  # noqa: ANN401 - it has no types
        sheet.write_row(1, 0, (1001, "0042", 2, 1234567890123456))
        sheet.write_row(2, 0, (1002, 42, 2, "TRACK10002"))
        sheet.write_formula("D4", "=NA()", None, "")
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write_row(4, 0, (1005, "MUG", 1, "TRACK10005"))
        sheet.write_datetime("B5", datetime(2023, 3, 15), day)  # noqa: DTZ001 - a sheet has no zones

    made(tmp_path / "m.xlsx", fill)

    first = program.here(capsys, "check", "m.xlsx", "--report", "first", "--json")
    again = program.here(capsys, "check", "first/errors.csv", "--report", "again", "--json")

    rows = program.table(tmp_path / "first" / "rows.csv")
    assert rows[0]["import_message"] == (
        "Tracking # (Sheet1!D2): found '1234567890123456', a number of more than 15 digits, which a "
        "spreadsheet program has put in place of the true text"
    )
    assert rows[1]["import_warning"] == (
        "leading-zeros-lost: SKU (Sheet1!B3): '42' is stored as a number, which keeps no leading zeros"
    )
    assert "Tracking # (Sheet1!D4): found a formula without its result, which" in rows[2]["import_message"]
    assert rows[3]["SKU"] == "#DATE! 2023-03-15"
    assert "SKU (Sheet1!B5): found '2023-03-15', a date, which" in rows[3]["import_message"]
    assert (first.status, again.status) == (1, 1)
    assert first.summary["manifests"][0]["sheet"] == "Sheet1"
    assert first.summary["warnings"] == {"leading-zeros-lost": 1}
    assert again.summary["errors"] == first.summary["errors"]


def test_the_sheet_that_is_asked_for_on_the_command_line_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    several_sheets(tmp_path / "m.xlsx")

    ended = program.here(capsys, "post", "m.xlsx", "--sheet", "April", "--sandbox", "--report", "R", "--json")

    assert ended.status == 0
    assert [row["SKU"] for row in program.table(tmp_path / "R" / "rows.csv")] == ["April"]
    run = ended.summary["run_id"]
    shutil.rmtree(tmp_path / "R")
    later = program.here(capsys, "runs", run, "--report", "R")
    assert later.status == 0, later.err
    assert [row["SKU"] for row in program.table(tmp_path / "R" / "rows.csv")] == ["April"]

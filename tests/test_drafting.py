"""``importer layouts``: the list, one of them, and the draft of a new one."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import openpyxl
import pytest

from importer import manifests
from importer.cli import run
from importer.errors import ManifestError
from importer.manifests import drafting, layouts
from importer.manifests.sources import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    Output = pytest.CaptureFixture[str]

SAMPLES = Path(__file__).parents[1] / "samples"
NUMBERS = ["1Z999AA10300041001", "1Z999AA10300041010", "1Z999AA10300041029", "1Z999AA10300041038", "soon"]


def csv_file(folder: Path, header: str, rows: Sequence[str]) -> Source:
    path = folder / "Day 7.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return Source("Day 7.csv", path)


def drafted(folder: Path, header: str, rows: Sequence[str]) -> str:
    return drafting.draft(csv_file(folder, header, rows))


def test_a_column_is_recognised_by_its_header_and_one_by_what_most_of_its_cells_are(tmp_path: Path) -> None:
    rows = [f"100{at},A-{at},2,{number},01/05" for at, number in enumerate(NUMBERS)]

    assert drafted(tmp_path, "Order #,Thing,Qty,Label,Day", rows) == (
        '# A draft, made from "Day 7.csv": look it through, then\n'
        "# importer check MANIFEST --layout THIS-FILE\n"
        "\n"
        'name = "day-7"\n'
        'title = "Where these files come from"\n'
        "\n"
        "[know]\n"
        "# all headers of the file; move those that are not always there to 'also = [...]'\n"
        "headers = [\n"
        '    "Order #",\n'
        '    "Thing",\n'
        '    "Qty",\n'
        '    "Label",\n'
        '    "Day",\n'
        "]\n"
        "\n"
        "[columns]\n"
        "# by its header, which is a known name of order_id\n"
        'order_id = ["Order #"]\n'
        "# sku: no header says it for sure; name the column and take the # away\n"
        '# sku = ["Thing"]\n'
        "# by its header, which is a known name of quantity\n"
        'quantity = ["Qty"]\n'
        "# by what is in it: 80 % of 5 cells look like tracking numbers\n"
        'tracking_number = ["Label"]\n'
    )


def test_one_cell_that_looks_like_a_tracking_number_makes_no_column_of_them(tmp_path: Path) -> None:
    text = drafted(tmp_path, "Order #,Remark", ["1,1Z999AA10300041001", "2,by hand", "3,gift", "4,fragile"])

    assert '# tracking_number = ["Remark"]' in text.splitlines()


def test_two_columns_of_tracking_numbers_are_left_to_the_user(tmp_path: Path) -> None:
    text = drafted(tmp_path, "Order #,Lead,Label", [f"{at},{n},{n}" for at, n in enumerate(NUMBERS[:4])])

    assert (
        "# tracking_number: no header says it for sure; name the column and take the # away\n"
        '# it may be "Lead": 100 % of 4 cells look like tracking numbers\n'
        '# it may be "Label": 100 % of 4 cells look like tracking numbers\n'
        '# tracking_number = ["Lead", "Label"]\n'
    ) in text


def test_of_two_headers_for_one_column_that_with_the_numbers_is_taken(tmp_path: Path) -> None:
    text = drafted(tmp_path, "Order #,Tracking,Waybill", [f"{at},no,{n}" for at, n in enumerate(NUMBERS[:4])])

    assert 'tracking_number = ["Waybill"]' in text.splitlines()


def test_a_header_that_its_cells_contradict_is_doubted(tmp_path: Path) -> None:
    text = drafted(tmp_path, "Order #,Tracking", ["1,yes", "2,yes", f"3,{NUMBERS[0]}"])

    assert "# but look at it: only 33 % of 3 cells look like tracking numbers" in text.splitlines()


def test_telephone_numbers_dates_and_barcodes_of_products_are_no_tracking_numbers(tmp_path: Path) -> None:
    rows = ["1,2025550147,2024-04-30,4006381333931,1250.00", "2,2025550148,2024-05-01,4006381333948,99.95"]
    text = drafted(tmp_path, "Order #,Phone,Day,EAN,Sum", rows)

    assert not [line for line in text.splitlines() if "look like tracking numbers" in line]


def test_what_may_be_the_sku_is_told_by_content_and_numbers_of_other_kinds_are_left_out(
    tmp_path: Path,
) -> None:
    rows = [
        f"4711;SO-10{at};{sku};{at};{number};030123456789;a{at}@b.de;2024-05-0{at};4006381333931;9,95"
        for at, (sku, number) in enumerate(zip(["CUP-RED", "CUP-BLUE", "VASE"], NUMBERS, strict=False), 1)
    ]

    text = drafted(tmp_path, "Kunde;Beleg;Teil;Stk;Colli;Ruf;Wer;Wann;Code;Preis", rows)

    assert [line for line in text.splitlines() if line.startswith(("# order_id = ", "# sku = "))] == [
        '# order_id = ["Beleg", "Kunde"]',
        '# sku = ["Beleg", "Teil", "Kunde"]',
    ]


def test_no_layout_is_drafted_for_a_file_without_a_header(tmp_path: Path) -> None:
    rows = [f"2026010{at},SKU-{at},1,{number}" for at, number in enumerate(NUMBERS[:4])]

    with pytest.raises(ManifestError) as caught:
        drafted(tmp_path, rows[0], rows[1:])

    assert str(caught.value) == (
        "Day 7.csv, row 1: the header is missing, since this row looks like data: '20260100', 'SKU-0', '1', "
        "'1Z999AA10300041001'; put a row above it that names the columns: "
        "order_id, sku, quantity, tracking_number"
    )


def test_a_carrier_that_no_column_names_and_decimal_commas_are_told(tmp_path: Path) -> None:
    text = drafted(tmp_path, "Order #;Qty;Tracking #", [f"{at};2,0;{n}" for at, n in enumerate(NUMBERS[:4])])

    assert '\n# "Qty" has numbers such as "2,0"\ndecimal_comma = true\n\n[know]\n' in text
    assert text.endswith(
        "# no column names the carrier, and 4 of 4 numbers are UPS's;\n"
        "# if one carrier has all parcels of such files, take the # away:\n"
        "# [constants]\n"
        '# tracking_company = "UPS"\n'
    )


def test_title_rows_are_looked_over_and_told(tmp_path: Path) -> None:
    text = drafted(tmp_path, "Weekly report,,", ["", "Order #,SKU,Tracking #", f"1,A,{NUMBERS[0]}"])

    assert "# header_row = 3  # if the header is always in this row" in text.splitlines()
    assert tomllib.loads(text)["know"] == {"headers": ["Order #", "SKU", "Tracking #"]}


def test_odd_headers_are_text_in_the_draft_and_reports_columns_none(tmp_path: Path) -> None:
    text = drafted(tmp_path, '"Or""der\n #",A\\B,\x7fC,import_row,#', [f"1,x,{NUMBERS[0]},2,y"])

    assert tomllib.loads(text)["know"] == {"headers": ['Or"der\n #', "A\\B", "\x7fC"]}


def test_a_file_without_rows_is_nothing_to_judge_by(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        drafted(tmp_path, "Order #,Tracking #", [])

    assert str(caught.value) == "Day 7.csv: no data below row 1, so there is nothing to judge by"


def test_a_workbook_can_be_guessed_from_too(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in [["Order #", "Label"], *[[f"100{at}", number] for at, number in enumerate(NUMBERS)]]:
        sheet.append(row)
    book.save(tmp_path / "day.xlsx")
    book.close()

    text = drafting.draft(Source("day.xlsx", tmp_path / "day.xlsx"))

    assert tomllib.loads(text)["columns"] == {"order_id": ["Order #"], "tracking_number": ["Label"]}


@pytest.mark.parametrize("name", [*layouts.names()][:: len(layouts.names()) // 8])
def test_a_draft_is_a_layout_that_its_file_fits_wholly(tmp_path: Path, name: str) -> None:
    (path,) = (SAMPLES / (name if name != "generic" else "messy")).glob("manifest.*")
    source, mine = Source(path.name, path), tmp_path / "mine.toml"
    mine.write_text(drafting.draft(source), encoding="utf-8")

    fit = manifests.survey(source, layouts.load(str(mine)), (), None).fit

    assert (fit.layout.name, fit.found) == ("manifest", fit.of)


def test_the_command_lists_the_layouts_with_their_titles(capsys: Output) -> None:
    assert run(["layouts"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*layouts.names()]
    assert "dpd                        DPD, Paketliste (DPD Shipper, Webversand)" in lines


def test_the_command_shows_a_layout_as_its_file_is(capsys: Output) -> None:
    assert run(["layouts", "show", "dpd"]) == 0
    assert capsys.readouterr().out == layouts.text_of("dpd")

    assert run(["layouts", "show", "dpb"]) == 2
    assert capsys.readouterr().err.startswith("importer: layout dpb: unknown; did you mean dpd?; known are ")


def test_the_command_drafts_a_layout_for_one_file(tmp_path: Path, capsys: Output) -> None:
    source = csv_file(tmp_path, "Order #,Tracking #", [f"1,{NUMBERS[0]}"])

    assert run(["layouts", "guess", str(source.path)]) == 0
    assert capsys.readouterr().out == drafting.draft(source)

    assert run(["layouts", "guess", str(tmp_path / "none.csv")]) == 3


def test_a_layout_that_fits_already_is_named_in_the_draft() -> None:
    text = drafting.draft(Source("dpd.csv", SAMPLES / "dpd" / "manifest.csv"))

    assert (
        "# The layout dpd fits it already, 8 of 8 columns: 'importer layouts show dpd'" in text.splitlines()
    )


@pytest.mark.parametrize(
    ("layout", "headers", "status"),
    [
        ("dpd", "Paketscheinnummer,Versanddatum,Referenz 1,Empfänger,Service", 3),
        ("klingon", "Order #,Tracking #", 2),
    ],
)
def test_a_drifting_export_under_a_named_layout_is_exit_3(
    tmp_path: Path, capsys: Output, layout: str, headers: str, status: int
) -> None:
    source = csv_file(tmp_path, headers, ["1,2,3,4,5"])
    arguments = ["check", str(source.path), "--layout", layout, "--report", str(tmp_path / "r")]

    assert run([*arguments, "--ledger", str(tmp_path / "l.db")]) == status
    said = capsys.readouterr().err
    assert ("renamed looks 'Empfängername' (now 'Empfänger'?)" in said) == (status == 3)


def test_the_layout_and_how_much_of_it_fits_stand_in_the_output(tmp_path: Path, capsys: Output) -> None:
    manifest = SAMPLES / "cainiao" / "manifest.csv"

    status = run(
        ["check", str(manifest), "--report", str(tmp_path / "r"), "--ledger", str(tmp_path / "l.db")]
    )

    out = capsys.readouterr().out
    assert status == 0
    assert f"{manifest}: layout: cainiao, 6 of 6 columns" in out
    assert f"{manifest}: row 6 repeats the header, no data" in out

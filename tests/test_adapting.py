"""What a layout fills in, and which rows it says are no data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from msgspec import to_builtins

from importer import manifests
from importer.cli import run
from importer.errors import ManifestError, SetupError
from importer.manifests import layouts
from importer.manifests.layouts import Layout
from importer.manifests.sources import Source

if TYPE_CHECKING:
    from pathlib import Path

NEEDED = ("order_id", "sku", "quantity", "tracking_number")
HEADER = "Order,SKU,Qty,Tracking,Zone"
KNOW = '[know]\nheaders = ["Order", "Tracking", "Zone"]\n'
COLUMNS = '[columns]\norder_id = "Order"\nsku = "SKU"\nquantity = "Qty"\ntracking_number = "Tracking"\n'
FILL = 'fill_down = ["order_id", "tracking_number"]\n'
REPORT = f"{HEADER},import_source,import_row"
DPD = "Referenz 1,Artikelnummer,Menge,Paketscheinnummer,Versanddatum,Empfängername,Service"
DPD_S = "30.04.2024,Erika,CLASSIC"


def layout(folder: Path, text: str) -> Layout:
    path = folder / "ours.toml"
    path.write_text(text, encoding="utf-8")
    return layouts.load(str(path))


def blocks(folder: Path, by: Layout, *lines: str) -> list[manifests.Block]:
    path = folder / "day.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return list(manifests.blocks(surveyed(path, by)))


def surveyed(path: Path, by: Layout) -> manifests.Manifest:
    return manifests.survey(Source(path.name, path), by, NEEDED, None)


def values(folder: Path, text: str, *lines: str) -> list[dict[str, str]]:
    """What each row says, by canonical column."""
    (block,) = blocks(folder, layout(folder, text), *lines)
    columns = {name: column.to_pylist() for name, column in block.values.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def of_dpd(folder: Path, *rows: str) -> list[tuple[str, str, str]]:
    """Order, quantity and carrier of the rows of a report whose layout nobody named."""
    lines = [f"{DPD},import_source,import_row", *(row.replace("'", '"') for row in rows)]
    (block,) = blocks(folder, layouts.load(None), *lines)
    columns = [block.values[name].to_pylist() for name in ("order_id", "quantity", "tracking_company")]
    return list(zip(*columns, strict=True))


def filled(folder: Path, *lines: str, header: str = HEADER) -> list[str]:
    rows = values(folder, FILL + KNOW + COLUMNS, header, *lines)
    return [f"{row['order_id']}/{row['tracking_number']}" for row in rows]


def test_a_constant_fills_blank_cells_and_a_column_that_is_not_there(tmp_path: Path) -> None:
    constants = '[constants]\ntracking_company = "UPS"\ntracking_company_code = "ups"\n'

    rows = values(
        tmp_path, COLUMNS + constants, f"{HEADER},Tracking Company", "1,A,2,T1,z,", "2,B,1,T2,z,DHL"
    )

    assert [(row["tracking_company"], row["tracking_company_code"]) for row in rows] == [
        ("UPS", "ups"),
        ("DHL", ""),
    ]


def test_a_carrier_that_the_file_names_under_any_known_header_wins_over_the_constant(tmp_path: Path) -> None:
    text = COLUMNS + '[constants]\ntracking_company = "FedEx"\n'

    rows = values(tmp_path, text, f"{HEADER},Shipping Carrier", "1,A,2,T1,z,USPS", "2,B,1,T2,z,")

    assert [row["tracking_company"] for row in rows] == ["USPS", "FedEx"]


def test_a_report_has_what_was_filled_down_but_no_column_that_the_layout_adds(tmp_path: Path) -> None:
    constants = '[constants]\ntracking_company = "UPS"\n'

    (block,) = blocks(tmp_path, layout(tmp_path, FILL + COLUMNS + constants), HEADER, "1,A,2,T1,", ",B,1,,")

    assert [column.to_pylist() for column in block.cells] == [
        ["1", "1"],
        ["A", "B"],
        ["2", "1"],
        ["T1", "T1"],
        ["", ""],
    ]
    assert block.filled_down == 1


def test_the_quantity_is_one_where_the_layout_says_so_and_there_is_no_such_column(tmp_path: Path) -> None:
    text = "quantity_default = 1\n" + COLUMNS

    assert [row["quantity"] for row in values(tmp_path, text, "Order,SKU,Tracking", "1,A,T1")] == ["1"]
    assert [row["quantity"] for row in values(tmp_path, text, HEADER, "1,A,,T1,")] == [""]
    assert [row["quantity"] for row in values(tmp_path, text, "Order,SKU,Pcs,Tracking", "1,A,12,T1")] == [
        "12"
    ]
    with pytest.raises(ManifestError, match="no column for quantity"):
        values(tmp_path, COLUMNS, "Order,SKU,Tracking", "1,A,T1")


@pytest.mark.parametrize(
    ("cell", "meant"),
    [("2,0", "2"), ("2,00", "2"), (" 12,0 ", " 12 "), ("2", "2"), ("2.0", "2.0")]
    + [(cell, cell) for cell in ("2,5", "1,000", "1.000,0", ",0", "two")],
)
def test_a_round_number_with_a_decimal_comma_is_whole_and_others_stay(
    tmp_path: Path, cell: str, meant: str
) -> None:
    (row,) = values(tmp_path, "decimal_comma = true\n" + COLUMNS, HEADER, f'1,A,"{cell}",T1,')

    assert row["quantity"] == meant


def test_a_decimal_comma_is_none_where_the_layout_does_not_say_so(tmp_path: Path) -> None:
    (row,) = values(tmp_path, COLUMNS, HEADER, '1,A,"2,0",T1,')

    assert row["quantity"] == "2,0"


def test_a_parcel_s_further_rows_are_those_that_are_blank_below_it(tmp_path: Path) -> None:
    assert filled(tmp_path, "1,A,1,T1,", ",B,1,,", ",C,1,T2,", ",D,1,,", "2,E,1,T3,", ",F,1,  ,") == [
        *("1/T1", "1/T1", "/T2", "/T2", "2/T3", "2/T3")
    ]


def test_an_order_is_not_filled_down_into_a_row_with_another_number(tmp_path: Path) -> None:
    lines = ["1,A,1,T1,", ",B,1,,", "1,C,1,T1,", ",D,1,T1,", ",E,1,T2,"]

    rows = values(tmp_path, 'fill_down = ["order_id"]\n' + COLUMNS, HEADER, *lines)

    assert [row["order_id"] for row in rows] == ["1", "1", "1", "1", ""]


def test_a_number_is_not_filled_down_into_another_order(tmp_path: Path) -> None:
    rows = values(
        tmp_path, 'fill_down = ["tracking_number"]\n' + COLUMNS, HEADER, "1,A,1,T1,", "1,B,1,,", "2,C,1,,"
    )

    assert [row["tracking_number"] for row in rows] == ["T1", "T1", ""]


def test_a_row_is_filled_only_where_the_columns_that_the_layout_names_are_as_above(tmp_path: Path) -> None:
    text = 'fill_down = ["order_id"]\nfill_down_within = ["Zone"]\n' + COLUMNS
    lines = ["1,A,1,T1,#1", ",B,1,T2,#1", ",C,1,T3,#2", ",D,1,T4,#2", ",E,1,T5,", "3,F,1,T6,", ",G,1,T7,"]

    found = [row["order_id"] for row in values(tmp_path, text, HEADER, *lines)]

    assert found == ["1", "1", "", "", "", "3", ""]
    assert [row["order_id"] for row in values(tmp_path, text, HEADER.replace("Zone", "x"), *lines)] == [
        "1",
        "",
        "",
        "",
        "",
        "3",
        "",
    ]


def test_nothing_is_filled_down_past_a_row_of_totals(tmp_path: Path) -> None:
    assert filled(tmp_path, "1,A,1,T1,", ",B,1,,", "Subtotal,,2,,", ",C,1,,") == ["1/T1", "1/T1", "/"]


def test_an_order_without_a_tracking_number_does_not_get_that_of_the_order_above(tmp_path: Path) -> None:
    assert filled(tmp_path, "1,A,1,T1,", "2,B,1,,", ",C,1,,", "1,D,1,,") == ["1/T1", "2/", "2/", "1/"]


def test_nothing_is_filled_down_into_the_first_row_or_from_a_torn_one(tmp_path: Path) -> None:
    assert filled(tmp_path, ",A,1,,") == ["/"]
    assert filled(tmp_path, "1,A,1,T1,", "9,x,1,T9,,too,many", ",B,1,,", "2,C,1,T2,", ",D,1,,")[2:] == [
        *("/", "2/T2", "2/T2")
    ]


def test_rows_are_filled_down_over_blank_rows_and_never_without_the_layout(tmp_path: Path) -> None:
    assert filled(tmp_path, "1,A,1,T1,", "", ",B,1,,") == ["1/T1", "1/T1"]
    assert [row["order_id"] for row in values(tmp_path, COLUMNS, HEADER, "1,A,1,T1,", ",B,1,,")] == ["1", ""]


def test_filling_down_goes_on_from_block_to_block(tmp_path: Path) -> None:
    lines = ["1,A,1,T1,", *[f",{'B' * 2000},1,,"] * 20_000]
    some = blocks(tmp_path, layout(tmp_path, FILL + COLUMNS), HEADER, *lines)
    orders = {order for block in some for order in block.values["order_id"].to_pylist()}

    assert len(some) > 1
    assert orders == {"1"}


def test_in_a_report_nothing_is_filled_down_again(tmp_path: Path) -> None:
    rows = ["1,A,1,T1,z,a.csv,2", "1,B,1,T1,z,a.csv,3", ",C,1,,z,a.csv,4"]

    assert filled(tmp_path, *rows, header=REPORT) == ["1/T1", "1/T1", "/"]


def test_in_a_report_rows_of_other_manifests_are_left_as_they_are_where_the_layout_is_told_from_the_headers(
    tmp_path: Path,
) -> None:
    rows = [f"1,A,'2,0',T1,{DPD_S},a.csv,2", "2,B,'2,0',T2,,,,b.csv,2", "3,C,'1,0',T3,,,,b.csv,3"]

    assert of_dpd(tmp_path, *rows) == [("1", "2", "DPD"), ("2", "2,0", ""), ("3", "1,0", "")]


def test_in_a_report_a_row_is_of_the_layout_if_any_row_of_its_manifest_is(tmp_path: Path) -> None:
    rows = ["1,A,2,T1,,,,a.csv,2", f"2,B,2,T2,{DPD_S},a.csv,3", "3,C,2,T3,,,,b.csv,2"]

    assert of_dpd(tmp_path, *rows) == [("1", "2", "DPD"), ("2", "2", "DPD"), ("3", "2", "")]


def test_in_a_report_all_rows_but_edi_s_are_of_the_layout_that_is_named(tmp_path: Path) -> None:
    adds = "decimal_comma = true\nquantity_default = 3\n"
    constants = '[constants]\ntracking_company = "UPS"\n'
    text = f"{adds}{KNOW}{COLUMNS}{constants}"
    blank = ['1,A,"2,0",T1,,a.csv,2', '2,B,"1,0",T2,,b.csv,2']
    edi = ["1,A,T1,,,a.csv,2", "2,B,T2,,ISA 1 / ST 1,b.edi,9"]

    found = [
        *values(tmp_path, text, REPORT, *blank),
        *values(
            tmp_path,
            adds + COLUMNS + constants,
            "Order,SKU,Tracking,import_source,import_row",
            "3,C,T3,a.csv,2",
        ),
        *values(tmp_path, text, "Order,SKU,Tracking,Zone,edi_path,import_source,import_row", *edi),
    ]

    assert [(row["quantity"], row["tracking_company"]) for row in found] == [
        ("2", "UPS"),
        ("1", "UPS"),
        ("3", "UPS"),
        ("3", "UPS"),
        ("", ""),
    ]


def test_the_header_of_a_report_is_its_first_row_whatever_the_layout_says(tmp_path: Path) -> None:
    (row,) = values(tmp_path, "header_row = 3\n" + COLUMNS, REPORT, "1,A,1,T1,z,a.csv,4", "")

    assert row == {"order_id": "1", "sku": "A", "quantity": "1", "tracking_number": "T1"}


@pytest.mark.parametrize("name", ["rows.csv", "errors.csv", "report.xlsx"])
def test_a_report_imports_as_it_is_with_what_the_layout_says(tmp_path: Path, name: str) -> None:
    text = (
        f'decimal_comma = true\nheader_row = 3\n{FILL}{KNOW}{COLUMNS}[constants]\ntracking_company = "UPS"\n'
    )
    mine = layout(tmp_path, text)
    lines = ["Our export", "", HEADER, '1,A,"0,0",T10001,', ',B,"2,0",,', ',C,"3,0",,x', '2,D,"0,0",T20002,']
    path = tmp_path / "day.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    report = tmp_path / "report"
    told = ["--layout", str(tmp_path / "ours.toml"), "--report", str(report), "--xlsx"]

    assert run(["check", str(path), *told, "--ledger", str(tmp_path / "ledger.db")]) == 1

    before = [block.values for block in manifests.blocks(surveyed(path, mine))]
    after = [block.values for block in manifests.blocks(surveyed(report / name, mine))]
    assert [{key: column.to_pylist() for key, column in one.items()} for one in after] == [
        {key: column.to_pylist() for key, column in one.items()} for one in before
    ]
    assert before[0]["order_id"].to_pylist() == ["1", "1", "1", "2"]
    assert before[0]["quantity"].to_pylist() == ["0", "2", "3", "0"]


def test_a_shipment_that_the_file_says_was_voided_is_told_with_the_verdict(tmp_path: Path) -> None:
    text = COLUMNS + '[void]\n"Zone" = ["gone"]\n'

    found = values(
        tmp_path, text, f"{HEADER},Status", "1,A,1,T1,Gone,", "2,B,1,T2,,CANCELLED ", "3,C,1,T3,N,ok"
    )

    assert [row["edi_verdict"] for row in found] == [
        "not shipped: Zone is 'Gone'",
        "not shipped: Status is 'CANCELLED'",
        "",
    ]


def test_a_parcel_s_further_rows_were_voided_with_its_first(tmp_path: Path) -> None:
    text = FILL + COLUMNS + '[void]\n"Zone" = ["Y"]\n'

    (block,) = blocks(
        tmp_path, layout(tmp_path, text), HEADER, "1,A,1,T1,Y", ",B,1,,", "2,C,1,T2,N", ",D,1,,"
    )

    assert block.values["edi_verdict"].to_pylist() == ["not shipped: Zone is 'Y'"] * 2 + ["", ""]
    assert block.cells[4].to_pylist() == ["Y", "Y", "N", ""]


def test_a_header_that_is_repeated_inside_the_file_is_no_row_and_is_told(tmp_path: Path) -> None:
    lines = [
        HEADER,
        "1,A,1,T1,",
        HEADER,
        "2,B,1,T2,",
        f"\ufeff{HEADER}",
        "3,C,1,T3,",
        "Order,SKU,Qty,Tracking,4",
    ]

    (block,) = blocks(tmp_path, layouts.load(None), *lines)

    assert block.header_rows == (3, 5)
    assert block.rows.tolist() == [2, 4, 6, 7]
    assert block.passed_over == ()


def test_a_file_with_nothing_but_repeated_headers_still_tells_them(tmp_path: Path) -> None:
    (block,) = blocks(tmp_path, layouts.load(None), HEADER, HEADER)

    assert (len(block), block.header_rows) == (0, (2,))


def test_a_footer_is_no_data(tmp_path: Path) -> None:
    footer = '[footer]\nbegins = ["Parcels in all", "Printed"]\n'
    lines = ["1,A,1,T1,", "Parcels in all: 1", "Printed by,,,,x", ",Parcels in all,,4,"]

    (block,) = blocks(tmp_path, layout(tmp_path, COLUMNS + footer), HEADER, *lines)

    assert (block.rows.tolist(), block.passed_over) == ([2], (3, 4, 5))


def test_a_row_that_names_an_order_or_a_number_is_no_footer(tmp_path: Path) -> None:
    footer = '[footer]\nbegins = ["Printed"]\n'
    lines = ["Printed,A,1,T1,", "Printed,,1,T10000,", "Printed,SKU-9,,,"]

    (block,) = blocks(tmp_path, layout(tmp_path, COLUMNS + footer), HEADER, *lines)

    assert (block.rows.tolist(), block.passed_over) == ([2, 3, 4], ())


def test_the_header_is_in_the_row_that_the_layout_says(tmp_path: Path) -> None:
    text = "header_row = 3\n" + COLUMNS

    (row,) = values(tmp_path, text, "Order,SKU,Qty,Tracking,x", "a,b,c,d,e", HEADER, "1,A,1,T1,")

    assert row == {"order_id": "1", "sku": "A", "quantity": "1", "tracking_number": "T1"}
    with pytest.raises(ManifestError, match=r"row 3: the header is missing, since this row looks like data"):
        values(tmp_path, text, HEADER, "1,A,1,T1,", "2,A,1,T2,")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("decimal_coma = true", "unknown key 'decimal_coma'; known are name, title, columns, weak, know, "),
        ('decimal_comma = "yes"', "decimal_comma: found 'yes', expected true or false"),
        ("quantity_default = true", "quantity_default: found True, expected a whole number"),
        ("quantity_default = 0", "quantity_default: found 0, expected 1 to 1000000"),
        ("header_row = -1", "header_row: found -1, expected 1 to 1000000"),
        (
            '[constants]\nsku = "X"',
            "[constants]: unknown key 'sku'; known are tracking_company, tracking_company_code",
        ),
        ("[constants]\ntracking_company = 1", "tracking_company: found 1, expected text"),
        ("constants = 1", "constants: found 1, expected a table [constants]"),
        ("know = []", "know: found [], expected a table [know]"),
        ('[know]\nheader = ["A"]', "[know]: unknown key 'header'; known are headers, also, preamble, sheet"),
        (
            '[footer]\nbegins = ["-"]',
            "[footer] begins: found '-', expected a header with a letter or digit in it",
        ),
        ('fill_down = ["order"]', "fill_down 'order' is not a canonical column; did you mean 'order_id'?"),
        (
            'fill_down_within = ["Name"]',
            "fill_down_within: there is no fill_down that it could be for",
        ),
        ("void = 1", "void: found 1, expected a table [void]"),
        ("[void]\nVoided = 1", "[void] Voided: found 1, expected a header or a list of headers"),
        ('fill_down = ["sku"]', "fill_down: sku and quantity are of one row; leave them out"),
    ],
)
def test_a_layout_file_that_says_what_it_may_not_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SetupError) as caught:
        layout(tmp_path, text)

    assert said in str(caught.value)


@pytest.mark.parametrize("name", [None, *layouts.names()])
def test_a_layout_that_was_kept_as_json_is_the_same(name: str | None) -> None:
    kept = layouts.load(name)

    assert layouts.from_json(json.loads(json.dumps(to_builtins(kept)))) == kept


def test_a_layout_kept_by_an_earlier_version_is_read_as_it_was() -> None:
    assert layouts.from_json({"name": "ours", "columns": {"nr": "order_id"}, "weak": {}}) == Layout(
        "ours", {"nr": "order_id"}
    )

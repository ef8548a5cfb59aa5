"""Raw cells in, values or findings out: the rules of the canonical columns, cell by cell and all at once."""

# ruff: noqa: RUF001 - characters that look like others are what is tested here

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from importer.findings import WHOLE_ROW, Findings, name_of
from importer.manifests.delimited import Misfit
from importer.rows import Checked, Checker
from schemas.codes import WARNINGS
from schemas.manifest import CANONICAL, MAX_QUANTITY

if TYPE_CHECKING:
    from collections.abc import Collection

UPS = "1ZE356F8YW01937117"
UPS_WRONG = "1ZE356F8YW01937118"
GOOD = {
    "order_id": "1",
    "sku": "A",
    "quantity": "1",
    "tracking_number": UPS,
    "tracking_company": "",
    "tracking_company_code": "",
    "tracking_url": "",
    "fulfillment_id": "",
    "notify": "",
}


class Fault(Struct, frozen=True):
    """Codes that a cell was given instead of a value."""

    codes: tuple[str, ...]


def fault(code: str) -> Fault:
    return Fault((code,))


def each(code: str, *cells: str) -> dict[str, object]:
    return dict.fromkeys(cells, fault(code))


def columns(rows: list[dict[str, str]]) -> dict[str, Any]:
    return {name: pa.array([row[name] for row in rows], pa.string()) for name in CANONICAL}


def check(rows: list[dict[str, str]], order_id: str = "integer", *, strict: bool = False) -> Checked:
    return Checker(CANONICAL, order_id, strict).check(columns(rows), {})


def listed(findings: Findings) -> list[tuple[int, str, str]]:
    """Row, column and code of each finding."""
    return [
        (row, "" if column == WHOLE_ROW else CANONICAL[column], name_of(code))
        for row, column, code in zip(
            findings.rows.tolist(), findings.columns.tolist(), findings.codes.tolist(), strict=True
        )
    ]


def values(checked: Checked, column: str) -> list[object]:
    cells = getattr(checked, column, None)
    return [None] * len(checked.bad) if cells is None else cells.tolist()


def judged(column: str, cells: Collection[str], order_id: str = "integer") -> dict[str, object]:
    """For each cell in the ``column`` of a row that is otherwise good, its value, or the fault found."""
    checked = check([{**GOOD, column: cell} for cell in cells], order_id)
    found: dict[int, list[str]] = {}
    for row, where, code in listed(checked.findings):
        assert where == column
        found.setdefault(row, []).append(code)
    assert [at in found for at in range(len(cells))] == checked.bad.tolist()
    got = values(checked, column)
    return {cell: Fault(tuple(found[at])) if at in found else got[at] for at, cell in enumerate(cells)}


QUANTITIES: dict[str, object] = {
    "2": 2,
    " 2 ": 2,
    "2.0": 2,
    "２": 2,
    "２．０": 2,
    "٣": 3,
    "\t2\r\n": 2,
    "\u00a02\u00a0": 2,
    "\u3000 2": 2,
    "\u200b2\ufeff": 2,
    '="2"': 2,
    "007": 7,
    "0" * 300 + "5": 5,
    "1": 1,
    "1000000": 1_000_000,
    "1000000.0": 1_000_000,
    **each("blank-quantity", "", "   ", "\u00a0", "\u200b", '=""', '=" "', "\t\n"),
    **each("quantity-below-one", "0", "-1", "00", "0.0", "-0", "-1.0", "-99999999999999999999", "０"),
    **each("quantity-too-large", "1000001", "0001000001", "9" * 300, "99999999999.0", "９９９９９９９"),
    **each(
        "bad-quantity", "2.5", "1e2", "1E2", "1,000", "1.000", "1 000", "1'000", "two", "²", "½", "Ⅷ", "三"
    ),
    **each(
        "bad-quantity", "2.", "2.00", ".0", "+2", "--1", "-", "−1", "0x10", "1_0", "=2", "2 pcs", "NaN", "inf"
    ),
    **each("bad-quantity", "1\n2", "null", "true", "１，０００", "1\x000", "😀", "1.23E+05", "2024-01-02"),
    **each("spreadsheet-damage", "#N/A", "#REF!", "#VALUE!", "Apr-72", "2-Jan", "########"),
}

INTEGER_ORDER_IDS: dict[str, object] = {
    "1": "1",
    " 1001 ": "1001",
    "0001": "1",
    "12.0": "12",
    "０12": "12",
    "٣": "3",
    '="12"': "12",
    "\u200e12\u202c": "12",
    "9223372036854775807": "9223372036854775807",
    "009223372036854775807.0": "9223372036854775807",
    "1000000000000000": "1000000000000000",
    "1234567890123450": "1234567890123450",
    "1234567890123456700": "1234567890123456700",
    "1000000000000000001": "1000000000000000001",
    **each("blank-order-id", "", " ", "\ufeff", '=""'),
    **each(
        "bad-order-id", "0", "000", "0.0", "-1", "+1", "1.5", "12.00", "12.", "1e5", "1E5", "1,234", "1 234"
    ),
    **each("bad-order-id", "9223372036854775808", "9999999999999999999", "12345678901234567890", "9" * 300),
    **each("bad-order-id", "#1001", "A1", "²", "null", "633130-00000012", "1\n2", "1\x002", "'1"),
    **each(
        "spreadsheet-damage", "1.23457E+21", "1,23457E+21", "1E+05", "9.22337203685478E18", "#N/A", "Apr-72"
    ),
    **each("spreadsheet-damage", "12345678901234500", "100000000000000000", "100000000000000000.0"),
    **each("spreadsheet-damage", "1234567890123450000000", "１０００００００００００００００００"),
}

TEXT_ORDER_IDS: dict[str, object] = {
    "1234567890123456789012": "1234567890123456789012",
    "633130-00000012": "633130-00000012",
    "#1001": "#1001",
    "0001": "0001",
    "0": "0",
    "12.0": "12",
    "12.5": "12.5",
    "SO 12.0": "SO 12.0",
    "AbC": "AbC",
    "Ａ１": "A1",
    "NA": "NA",
    "x" * 255: "x" * 255,
    **each("blank-order-id", "", " "),
    **each("bad-order-id", "x" * 256, "a\tb", "a\nb", "a\x00b", "a\x7fb"),
    **each("spreadsheet-damage", "1.23457E+21", "1234567890123450000000", "#REF!", "Apr-72"),
    **each("spreadsheet-damage", "1,23E21", "1.2e21", "01. Apr", "24. Mrz", "24-abr", "avr.-72"),
}

SKUS: dict[str, object] = {
    "A": "A",
    "  Blue Shirt, L  ": "Blue Shirt, L",
    "aBc": "aBc",
    "007": "007",
    '="007"': "007",
    '=" 007\u00a0"': "007",
    '="5"" pipe"': '5" pipe',
    '="a"b"': '="a"b"',
    "=A1": "=A1",
    "1E5": "1E5",
    "2E4": "2E4",
    "1E09": "1E09",
    "12E10": "12E10",
    "12.5E3": "12.5E3",
    "1.5E": "1.5E",
    "1E-05": "1E-05",
    "APR72-B": "APR72-B",
    "APR-72": "APR-72",
    "aPR-72": "aPR-72",
    "Apr72": "Apr72",
    "Apr.72": "Apr.72",
    "May 72": "May 72",
    "Set-12": "Set-12",
    "12-Set": "12-Set",
    "Gen 12": "Gen 12",
    "Mars-24": "Mars-24",
    "Mag-12": "Mag-12",
    "1. Set": "1. Set",
    "Apr/72": "Apr/72",
    "Mais-12": "Mais-12",
    "123-Apr": "123-Apr",
    "Apr-7": "Apr-7",
    "Apr-723": "Apr-723",
    "Mar-12-X": "Mar-12-X",
    "#1": "#1",
    "#12!": "#12!",
    "#A100!": "#A100!",
    "N/A": "N/A",
    "null": "null",
    "true": "true",
    "12.0": "12.0",
    "1234567890123450": "1234567890123450",
    "012345678901234500000": "012345678901234500000",
    "12345678901234500-A": "12345678901234500-A",
    "\ufeffX\u200b": "X",
    "\u202aX\u202c": "X",
    "\u00a0X\u00a0": "X",
    "A\u00a0B": "A\u00a0B",
    "²": "²",
    "Ａ２": "Ａ２",
    "ＳＫＵ、红": "ＳＫＵ、红",
    "x" * 255: "x" * 255,
    "红" * 255: "红" * 255,
    "😀" * 255: "😀" * 255,
    **each("blank-sku", "", " ", "\u00a0", "\u200b", '=""', "\x85"),
    **each(
        "bad-sku", "x" * 256, "红" * 256, "a\tb", "a\nb", "a\r\nb", "a\x00b", "a\x1bb", "a\x7fb", "a\x9bb"
    ),
    **each("bad-sku", "a\u2028b", "a\u2029b"),
    **each(
        "spreadsheet-damage", "#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!"
    ),
    **each(
        "spreadsheet-damage", "#NV", "#N/D", "#WERT!", "#BEZUG!", "#¡VALOR!", "#¿NOMBRE?", "#ЗНАЧ!", "Err:502"
    ),
    **each("spreadsheet-damage", "##", "########", "Apr-72", "12-Apr", "1-Dec-24", "01-Dec-2024"),
    **each("spreadsheet-damage", "1.23457E+21", "1E+05", "1e+21", "1.2345E+123", "-1.5E+10", "1.23456789E12"),
    **each("spreadsheet-damage", "100000000000000000", "12345678901234500", "12345678901234500000.0"),
    **each("spreadsheet-damage", "1,23E21", "1.2e21", "1.23457e+21", "1E+5", "-2,5e21"),
    # English, German
    **each(
        "spreadsheet-damage", "apr-72", "may-72", "1-dec", "Apr 72", "Mrz 72", "mär 72", "Okt 05", "Dez-72"
    ),
    **each("spreadsheet-damage", "01. Apr", "1. Apr", "24. Mrz", "24.Mai", "1. Apr 72", "24-Okt", "3. Dez."),
    # French, Spanish
    **each(
        "spreadsheet-damage", "avr.-72", "avr-72", "Janv.-24", "févr.-24", "août-05", "24-déc.", "mars-72"
    ),
    **each("spreadsheet-damage", "24-abr", "ene-72", "ago-72", "dic-72", "1-ene-2024", "24-sept"),
    # Italian, Portuguese, Dutch
    **each("spreadsheet-damage", "gen-72", "24-mag", "set-12", "ott-72", "lug-72", "giu-72"),
    **each("spreadsheet-damage", "fev-72", "out-72", "dez/72", "24/abr", "24-mrt", "mei-72", "okt-72"),
}

TRACKING_NUMBERS: dict[str, object] = {
    UPS: UPS,
    "1Z E35 6F8 YW0 193 7117": UPS,
    " 1Z E356F8\tYW01937117 ": UPS,
    "1Z\u00a0E35\u00a06F8\u3000YW0 193 7117": UPS,
    "1ZE356F8\nYW0": "1ZE356F8YW0",
    "1Z\x0bE356F8": "1ZE356F8",
    "\u200b1ZE356F8YW0\u200d1937117\ufeff": UPS,
    "１ＺＥ３５６Ｆ８ＹＷ０１９３７１１７": UPS,
    f'="{UPS}"': UPS,
    "1ze356f8yw01937117": "1ze356f8yw01937117",
    "JJD000390007773912": "JJD000390007773912",
    "00340434161094042557": "00340434161094042557",
    "9400 1112 0255 5842 3326 69": "9400111202555842332669",
    "9400111202555842332669": "9400111202555842332669",
    "1234567890123450": "1234567890123450",
    "1 2 3 4 5": "12345",
    "12345678 1234567": "123456781234567",
    "1234567 12345678": "123456712345678",
    "12345": "12345",
    "X" * 50: "X" * 50,
    "X " * 50: "X" * 50,
    "AB-12-CD": "AB-12-CD",
    "APR72": "APR72",
    "12E10": "12E10",
    **each("blank-tracking-number", "", " ", "\u00a0", "\u200b", '=""', "\n"),
    **each("bad-tracking-number", "1234", "1E5", "X" * 51, "X " * 51, "NA", "N/A", "null", "-", "1 2 3 4"),
    **each(
        "bad-tracking-number",
        "12345_6",
        "12345.0",
        "12345,",
        ",12345",
        "1,234,567",
        "1Z…",
        "12345é",
        "12345²",
    ),
    **each(
        "bad-tracking-number",
        "123\x004567",
        "12345678, 123",
        "12345\x1b[31m",
        "'12345",
        "https://x.example/12345",
    ),
    **each("several-tracking-numbers", "A1234567,B1234567", "A1234567, B1234567", "A1234567;B1234567"),
    **each("several-tracking-numbers", "A1234567/B1234567", "A1234567 | B1234567", "A1234567&B1234567"),
    **each("several-tracking-numbers", "A1234567\nB1234567", "A1234567\r\nB1234567", "A1234567\rB1234567"),
    **each(
        "several-tracking-numbers", "A1234567\x0bB1234567", "A1234567\u2028B1234567", "A1234567\x85B1234567"
    ),
    **each("several-tracking-numbers", "A1234567，B1234567", "A1234567；B1234567", "A1234567、B1234567"),
    **each(
        "several-tracking-numbers",
        "A1234567 B1234567",
        "A1234567\tB1234567 C1234567",
        "A1234567\u3000B1234567",
    ),
    **each(
        "several-tracking-numbers", "A1234567 and B1234567", "A1234567 - B1234567", "A1234567 und B1234567"
    ),
    **each(
        "several-tracking-numbers",
        "12345,67890",
        "12345,67890,",
        "A1234567;\nB1234567;\n",
        "A1234567,,B1234567",
    ),
    **each("several-tracking-numbers", f"{UPS}, 1Z E35 6F8 YW0 193 7118", f"{UPS} B1234567, C1234567"),
    **each("several-tracking-numbers", " ".join(["X" * 50] * 3), ",".join(["X" * 50] * 100)),
    **each(
        "spreadsheet-damage", "1.23457E+21", "1,23457E+21", "9.4001112E21", "1E+17", "#N/A", "#REF!", "Apr-72"
    ),
    **each(
        "spreadsheet-damage", "1,23E21", "1.2e21", "1.23457e+21", "01. Apr", "24. Mrz", "24-abr", "avr.-72"
    ),
    **each("spreadsheet-damage", "94001112025558000000", "9400111202555840000000.0", "100000000000000000"),
}

URLS: dict[str, object] = {
    "": None,
    "http://x": None,
    " HTTPS://example.com/track?n=1&x=2#y ": None,
    "https://例え.jp/追跡": None,
    **each(
        "bad-tracking-url",
        "ftp://x",
        "www.example.com",
        "https://",
        "http:/x",
        "javascript:alert(1)",
        "x http://x",
    ),
    **each(
        "bad-tracking-url",
        "http://a b",
        "http://a\nb",
        "http://a\x00b",
        "http://a\u00a0b",
        "http://a\x1b[2J",
        "N/A",
    ),
}


@pytest.mark.parametrize(
    ("column", "order_id", "expected"),
    [
        pytest.param("quantity", "integer", QUANTITIES, id="quantity"),
        pytest.param("order_id", "integer", INTEGER_ORDER_IDS, id="order id that is an integer"),
        pytest.param("order_id", "string", TEXT_ORDER_IDS, id="order id that is text"),
        pytest.param("sku", "integer", SKUS, id="SKU"),
        pytest.param("tracking_number", "integer", TRACKING_NUMBERS, id="tracking number"),
        pytest.param("tracking_url", "integer", URLS, id="tracking URL"),
    ],
)
def test_a_cell_gives_its_value_or_the_code_of_its_fault(
    column: str, order_id: str, expected: dict[str, object]
) -> None:
    assert judged(column, expected, order_id) == expected


def test_all_the_faults_of_a_row_are_reported_at_once_in_the_order_of_the_columns() -> None:
    rotten = {
        **GOOD,
        "tracking_url": "x",
        "tracking_number": "a,b",
        "quantity": "two",
        "sku": "",
        "order_id": "0",
    }
    checked = check([GOOD, rotten, GOOD, {**GOOD, "quantity": "0"}])
    assert listed(checked.findings) == [
        (1, "order_id", "bad-order-id"),
        (1, "sku", "blank-sku"),
        (1, "quantity", "bad-quantity"),
        (1, "tracking_number", "bad-tracking-number"),
        (1, "tracking_url", "bad-tracking-url"),
        (3, "quantity", "quantity-below-one"),
    ]
    assert checked.bad.tolist() == [False, True, False, True]
    assert checked.order_id.to_pylist() == ["1", None, "1", "1"]
    assert checked.tracking_number.to_pylist() == [UPS, None, UPS, UPS]


def test_a_row_whose_cells_cannot_be_told_apart_has_that_fault_alone_and_names_no_parcel() -> None:
    rows = [GOOD, {**GOOD, "quantity": "", "tracking_number": UPS_WRONG}, {**GOOD, "order_id": "x"}, GOOD]
    codes = {2: "bad-quoting", 1: "ragged-row", 3: "ragged-row"}
    misfits = {at: Misfit(code, ("1", "A")) for at, code in codes.items()}
    checked = Checker(CANONICAL, "integer").check(columns(rows), misfits)
    assert listed(checked.findings) == [(1, "", "ragged-row"), (2, "", "bad-quoting"), (3, "", "ragged-row")]
    assert listed(checked.warnings) == []
    assert checked.bad.tolist() == [False, True, True, True]
    assert checked.order_id.to_pylist() == ["1", None, None, None]
    assert checked.tracking_number.to_pylist() == [UPS, None, None, None]


MENTIONED: dict[str, tuple[str, str]] = {
    # cell: the order id and the tracking number that it may be
    " 1001 ": ("1001", "1001"),
    "001001.0": ("1001", "001001.0"),
    "\u200e１００１": ("1001", "1001"),
    '="1001"': ("1001", "1001"),
    "1ZE 356 F8Y": ("1ZE 356 F8Y", "1ZE356F8Y"),
    "TRACK\u00a010001": ("TRACK 10001", "TRACK10001"),
    '"1001"': ("1001", "1001"),
    '"1001" or so': ("1001", "1001"),
    'about "1001""': ("1001", "1001"),
    "Smith;1001;B": ("1001", "1001"),
    'Smith\n1002,"1001': ("1001", "1001"),
}


@pytest.mark.parametrize("cell", MENTIONED)
def test_every_cell_of_a_row_whose_cells_cannot_be_told_apart_is_looked_at_for_what_it_may_name(
    cell: str,
) -> None:
    misfits = {1: Misfit("ragged-row", ("", "Smith", cell)), 0: Misfit("bad-quoting", ())}
    checked = Checker(CANONICAL, "integer").check(columns([GOOD] * 3), misfits)
    order, number = MENTIONED[cell]
    assert (1, order) in zip(checked.orders.rows.tolist(), checked.orders.texts.to_pylist(), strict=True)
    assert (1, number) in zip(checked.numbers.rows.tolist(), checked.numbers.texts.to_pylist(), strict=True)
    assert {*checked.orders.rows.tolist(), *checked.numbers.rows.tolist()} == {1}
    assert "" not in checked.orders.texts.to_pylist()


def mentions(checked: Checked) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    return (
        [*zip(checked.orders.rows.tolist(), checked.orders.texts.to_pylist(), strict=True)],
        [*zip(checked.numbers.rows.tolist(), checked.numbers.texts.to_pylist(), strict=True)],
    )


def test_a_row_with_neither_order_nor_number_mentions_what_the_row_above_names() -> None:
    nameless = {**GOOD, "order_id": "", "tracking_number": " "}
    unnumbered = {**GOOD, "order_id": "02", "tracking_number": ""}
    rows = [nameless, GOOD, nameless, nameless, unnumbered, nameless, {**GOOD, "order_id": "3"}]

    assert mentions(check(rows)) == ([(5, "2")], [(2, UPS), (3, UPS)])


def test_where_rows_are_whole_none_belongs_to_the_row_above() -> None:
    nameless = {**GOOD, "order_id": "", "tracking_number": " "}
    checked = Checker(CANONICAL, "integer", whole_rows=True).check(columns([GOOD, nameless]), {})

    assert (checked.bad.tolist(), mentions(checked)) == ([False, True], ([], []))


def test_a_row_of_a_rejected_document_is_a_fault_that_names_no_parcel() -> None:
    verdicts = ["rejected: SE01 says 5 segments, counted 4", "again: as in segment 1", "cancelled: by hand"]
    cells = columns([GOOD] * 3) | {"edi_verdict": pa.array(verdicts)}
    checked = Checker((*CANONICAL, "edi_verdict"), "integer").check(cells, {})

    assert values(checked, "tracking_number") == [None, None, UPS]
    assert values(checked, "order_id") == [None, None, "1"]
    assert (checked.bad.tolist(), checked.idle.tolist()) == ([True] * 3, [False, True, False])
    assert [
        (row, name_of(code)) for row, code in zip(checked.findings.rows, checked.findings.codes, strict=True)
    ] == [
        (0, "transaction-rejected"),
        (2, "document-cancelled"),
    ]
    assert [*checked.warnings.rows] == [1]
    assert [*map(name_of, checked.warnings.codes)] == ["interchange-again"]


def test_what_the_last_row_of_a_block_names_is_mentioned_in_the_next_one() -> None:
    checker = Checker(CANONICAL, "integer")
    nameless = {**GOOD, "order_id": "", "tracking_number": ""}

    found = [mentions(checker.check(columns(rows), {})) for rows in ([GOOD], [nameless], [], [nameless])]

    assert found == [([], []), ([], [(0, UPS)]), ([], []), ([], [(0, UPS)])]


def test_a_row_below_one_that_cannot_be_told_apart_or_was_not_shipped_mentions_nothing() -> None:
    nameless = {**GOOD, "order_id": "", "tracking_number": ""}
    cells = columns([GOOD, nameless, GOOD, nameless]) | {
        "edi_verdict": pa.array(["", "", "not shipped: Void is 'Y'", ""])
    }
    misfits = {0: Misfit("ragged-row", ())}

    assert mentions(Checker((*CANONICAL, "edi_verdict"), "integer").check(cells, misfits)) == ([], [])


def test_an_order_id_that_is_text_keeps_its_zeros_in_such_a_row_too() -> None:
    misfits = {0: Misfit("ragged-row", ("0001", "2.0", "0001", "x" * 256))}
    checked = Checker(CANONICAL, "string").check(columns([GOOD]), misfits)
    assert checked.orders.texts.to_pylist() == ["0001", "2"]
    assert checked.numbers.texts.to_pylist() == ["0001", "2.0"]


def test_nothing_is_looked_for_in_rows_that_are_whole() -> None:
    checked = check([GOOD, {**GOOD, "order_id": ""}])
    assert (len(checked.orders), len(checked.numbers)) == (0, 0)


def test_a_wrong_check_digit_is_a_warning() -> None:
    checked = check([GOOD, {**GOOD, "tracking_number": UPS_WRONG}])
    assert listed(checked.findings) == []
    assert listed(checked.warnings) == [(1, "tracking_number", "tracking-check-digit")]
    assert checked.tracking_number.to_pylist() == [UPS, UPS_WRONG]


def test_a_wrong_check_digit_is_a_fault_when_asked_for_and_then_the_number_names_no_parcel() -> None:
    checked = check([GOOD, {**GOOD, "tracking_number": UPS_WRONG, "sku": ""}], strict=True)
    assert listed(checked.findings) == [
        (1, "sku", "blank-sku"),
        (1, "tracking_number", "tracking-check-digit"),
    ]
    assert listed(checked.warnings) == []
    assert checked.tracking_number.to_pylist() == [UPS, None]


def test_a_number_of_the_wrong_length_is_a_warning_and_a_fault_when_asked_for() -> None:
    rows = [GOOD, {**GOOD, "tracking_number": UPS[:14]}]
    lenient, strict = check(rows), check(rows, strict=True)
    assert (listed(lenient.findings), listed(lenient.warnings)) == (
        [],
        [(1, "tracking_number", "tracking-number-cut")],
    )
    assert listed(strict.findings) == [(1, "tracking_number", "tracking-number-cut")]


def test_a_number_of_another_carrier_than_the_row_names_is_a_warning() -> None:
    rows = [{**GOOD, "tracking_company": company} for company in ("UPS", "Royal Mail", "Grandma")]
    for strict in (False, True):
        checked = check(rows, strict=strict)
        assert listed(checked.findings) == []
        assert listed(checked.warnings) == [(1, "tracking_number", "carrier-mismatch")]


def test_nothing_is_said_of_the_carrier_of_a_number_that_is_no_number() -> None:
    checked = check([{**GOOD, "tracking_number": f"{UPS_WRONG}, {UPS_WRONG}", "tracking_company": "UPS"}])
    assert listed(checked.findings) == [(0, "tracking_number", "several-tracking-numbers")]
    assert listed(checked.warnings) == []


def test_a_manifest_without_sku_and_quantity_is_checked_for_what_it_has() -> None:
    cells = {"order_id": pa.array(["7", ""]), "tracking_number": pa.array([UPS, UPS])}
    checked = Checker(("order_id", "tracking_number"), "string").check(cells, {})
    assert listed(checked.findings) == [(1, "order_id", "blank-order-id")]
    assert checked.sku.to_pylist() == ["", ""]
    assert checked.quantity.tolist() == [0, 0]


def test_a_block_without_rows_has_nothing_wrong() -> None:
    for names in (CANONICAL, ("order_id", "tracking_number")):
        empty = {name: pa.array([], pa.string()) for name in names}
        checked = Checker(names, "integer", strict_tracking=True).check(empty, {})
        sizes = [len(column) for column in (checked.order_id, checked.tracking_number, checked.sku)]
        assert sizes == [0, 0, 0]
        assert (len(checked.quantity), len(checked.bad)) == (0, 0)
        assert (listed(checked.findings), listed(checked.warnings)) == ([], [])


def test_a_block_cut_out_of_a_larger_one_is_checked_alike() -> None:
    rows = [{**GOOD, "order_id": cell, "sku": "红"} for cell in ("x", "1.0", "２", "", "3")]
    part = {name: column.slice(1, 3) for name, column in columns(rows).items()}
    checked = Checker(CANONICAL, "integer").check(part, {})
    assert checked.order_id.to_pylist() == ["1", "2", None]
    assert checked.sku.to_pylist() == ["红"] * 3
    assert listed(checked.findings) == [(2, "order_id", "blank-order-id")]


def test_a_large_block_is_converted_whole() -> None:
    count = 100_000
    cells = {
        "order_id": pa.array([f"{at}" for at in range(1, count + 1)]),
        "tracking_number": pa.array([f"1Z-{at:08}" for at in range(count)]),
        "sku": pa.array([f"红-{at % 7}" for at in range(count)]),
        "quantity": pa.array([f"{at % 9}.0" for at in range(count)]),
    }
    checked = Checker(tuple(cells), "integer").check(cells, {})
    assert checked.bad.tolist() == [at % 9 == 0 for at in range(count)]
    assert checked.quantity.tolist() == [at % 9 for at in range(count)]
    assert checked.order_id.equals(cells["order_id"])
    assert checked.tracking_number.equals(cells["tracking_number"])
    assert checked.sku.equals(cells["sku"])


# Any text, and text that comes close to what the rules look for.
bits = st.sampled_from(
    (
        *("1", "0", "12345678", "100", "72", UPS, "A", "x" * 50, "红", "²", "２"),
        *(".0", ",", "/", " ", "\n", "\r", "\x0b", "\x00", "\u200b", "\u00a0", "\u2028"),
        *("E+", "Apr-", "-", "+", "#", "#N/A", '="', '"', "http://"),
    )
)
texts = st.one_of(
    st.lists(bits, max_size=5).map("".join),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12),
)
rows_of_any_text = st.lists(st.fixed_dictionaries(dict.fromkeys(CANONICAL, texts)), min_size=1, max_size=9)
order_ids = st.sampled_from(("integer", "string"))

A_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,255}")
INTEGER = re.compile(r"[1-9][0-9]{0,18}")
TRACKING_NUMBER = re.compile(r"[A-Za-z0-9-]{5,50}")


def in_form(checked: Checked, order_id: str, at: int) -> bool:
    """Whether the row's values, where they are given, have the form that is promised."""
    forms = {
        "order_id": INTEGER if order_id == "integer" else A_LINE,
        "tracking_number": TRACKING_NUMBER,
    }
    given = {column: values(checked, column)[at] for column in forms}
    named = all(text is None or forms[column].fullmatch(str(text)) for column, text in given.items())
    if checked.bad[at]:
        return named
    sku, quantity = checked.sku[at].as_py(), checked.quantity[at]
    return (
        named and None not in given.values() and bool(A_LINE.fullmatch(sku)) and 1 <= quantity <= MAX_QUANTITY
    )


def test_what_is_wrong_with_a_row_stands_in_the_order_of_the_columns() -> None:
    checked = check([{**GOOD, "tracking_number": UPS_WRONG, "tracking_url": "1"}], strict=True)

    assert [column for _, column, _ in listed(checked.findings)] == ["tracking_number", "tracking_url"]


@given(rows=rows_of_any_text, order_id=order_ids, strict=st.booleans())
@settings(deadline=None, max_examples=60)
def test_any_text_gives_one_finding_per_bad_cell_and_a_row_is_bad_if_it_has_one(
    rows: list[dict[str, str]], order_id: str, *, strict: bool
) -> None:
    checked = check(rows, order_id, strict=strict)
    found = listed(checked.findings)
    cells = [(row, column) for row, column, _ in found]
    assert len(set(cells)) == len(cells)
    assert cells == sorted(cells, key=lambda cell: (cell[0], CANONICAL.index(cell[1])))
    assert {row for row, _ in cells} == {at for at, bad in enumerate(checked.bad.tolist()) if bad}
    for row, column, code in listed(checked.warnings):
        assert (row, column) not in cells
        assert code in WARNINGS
    assert [at for at in range(len(rows)) if not in_form(checked, order_id, at)] == []


@given(rows=rows_of_any_text, order_id=order_ids, strict=st.booleans())
@settings(deadline=None, max_examples=15)
def test_a_row_is_judged_as_if_it_were_alone(
    rows: list[dict[str, str]], order_id: str, *, strict: bool
) -> None:
    together = check(rows, order_id, strict=strict)
    for at, row in enumerate(rows):
        alone = check([row], order_id, strict=strict)
        for column in ("order_id", "tracking_number", "sku", "quantity", "bad"):
            assert values(alone, column) == values(together, column)[at : at + 1]
        for several in ("findings", "warnings"):
            mine = [(0, *rest) for number, *rest in listed(getattr(together, several)) if number == at]
            assert listed(getattr(alone, several)) == mine


PADDING = ((" ", "\t"), ("\u00a0", "\u3000"), ("\ufeff", "\u200b"), ("\u202a", " \u202c"))


@given(st.lists(texts, min_size=1, max_size=5))
@settings(deadline=None, max_examples=25)
def test_white_space_around_a_cell_and_invisible_characters_change_nothing(cells: list[str]) -> None:
    padded = {f"{before}{cell}{after}": cell for before, after in PADDING for cell in cells}
    for column in ("order_id", "sku", "quantity", "tracking_number"):
        found = judged(column, [*cells, *padded], "string")
        assert {cell: found[cell] for cell in padded} == {cell: found[bare] for cell, bare in padded.items()}

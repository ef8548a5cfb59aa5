"""Headers → canonical columns, and what a layout file may say."""

from __future__ import annotations

import csv
import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from importer.errors import ManifestError, SetupError
from importer.manifests import layouts
from importer.manifests.layouts import Layout
from schemas.manifest import CANONICAL, REPORT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

NEEDED = ("order_id", "sku", "quantity", "tracking_number")
GENERIC = layouts.load(None)


def known_headers(name: str = "headers.tsv") -> list[tuple[str, str, str]]:
    """Header, the canonical column it means or ``-``, and the tool that writes it."""
    with (Path(__file__).parent / name).open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(lines)
        return [(header, column, tool) for header, column, tool in lines]


def named(headers: Sequence[str], layout: Layout = GENERIC) -> dict[str, str]:
    """Canonical column → the header taken for it; nothing is doubled."""
    found = layouts.match(headers, layout)
    assert found.doubled == {}
    return {column: headers[position] for column, position in found.columns.items()}


def layout_file(folder: Path, text: str) -> str:
    path = folder / "ours.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(("header", "column", "tool"), known_headers())
def test_a_header_that_a_tool_writes_means_what_the_tool_means(header: str, column: str, tool: str) -> None:
    expected = {} if column == "-" else {column: header}

    assert named([header]) == expected, tool


def test_of_the_headers_that_tools_write_98_in_100_are_recognised_and_none_is_taken_for_another() -> None:
    right, wrong = 0, []
    for header, column, _ in known_headers():
        taken = next(iter(named([header])), "-")
        right += taken == column
        if taken not in {column, "-"}:
            wrong.append(header)

    assert wrong == []
    assert right >= 0.98 * len(known_headers())


def test_headers_that_were_collected_apart_from_the_names_that_we_know_are_recognised_as_well() -> None:
    apart = known_headers("headers_held_out.tsv")
    taken = [(next(iter(named([header])), "-"), column, header) for header, column, _ in apart]

    assert len(apart) >= 100
    assert {header for header, _, _ in apart} & {header for header, _, _ in known_headers()} == set()
    assert [each for each in taken if each[0] not in {each[1], "-"}] == []
    assert sum(found == column for found, column, _ in taken) >= 0.98 * len(apart)


def test_the_list_of_headers_that_tools_write_is_long_and_has_those_that_mean_nothing_to_us() -> None:
    columns = [column for _, column, _ in known_headers()]

    assert len(columns) >= 250
    assert columns.count("-") >= 40
    assert {*columns} == {*CANONICAL, "-"}


@pytest.mark.parametrize(
    "column", ["order_id", "sku", "quantity", "tracking_number", "tracking_company", "tracking_company_code"]
)
def test_a_column_is_known_under_at_least_25_names(column: str) -> None:
    names = [*GENERIC.columns.values(), *GENERIC.weak.values()]

    assert names.count(column) >= 25


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("Order #", "order_id"),
        ("Order Number", "order_id"),
        ("PO Number", "order_id"),
        ("Item SKU", "sku"),
        ("Part No.", "sku"),
        ("Qty Shipped", "quantity"),
        ("Tracking #", "tracking_number"),
        ("Tracking Nos.", "tracking_number"),
        ("AWB", "tracking_number"),
        ("Waybill", "tracking_number"),
        ("Consignment", "tracking_number"),
        ("Carrier", "tracking_company"),
    ],
)
def test_the_names_that_carriers_use_most_are_known(header: str, column: str) -> None:
    assert named([header]) == {column: header}


@pytest.mark.parametrize("column", CANONICAL)
def test_a_canonical_column_is_known_by_its_own_name_in_any_layout(column: str) -> None:
    spoken = column.replace("_", " ").title()

    assert named([column], Layout("empty", {})) == {column: column}
    assert named([spoken], GENERIC) == {column: spoken}


@pytest.mark.parametrize(
    "header",
    [
        "TRACKING NUMBER",
        "\ufeffTracking Number",
        "  tracking_number  ",
        "Tracking-Number:",
        "Trácking Nümber",
        "Tra\u0301cking Nu\u0308mber",
        "\uff34racking\u3000\uff2eumber",
        "Tracking\u00a0Number",
        '"Tracking\nNumber"',
        "trackingnumber",
    ],
)
def test_case_accents_spaces_punctuation_and_a_bom_make_no_difference(header: str) -> None:
    assert named([header]) == {"tracking_number": header}


def test_letters_with_a_stroke_are_the_plain_letters() -> None:
    assert layouts.fold("Przesyłka Øre Đơn Sipariş \u0131rmak") == "przesylkaoredonsiparisirmak"


def test_an_exact_name_wins_over_a_strong_one_and_a_strong_one_over_a_weak_one() -> None:
    assert named(["PO Number", "Order Number", "Order ID"]) == {"order_id": "Order ID"}
    assert named(["PO Number", "Order Number"]) == {"order_id": "Order Number"}
    assert named(["PO Number"]) == {"order_id": "PO Number"}


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        (["Quantity", "Quantity Shipped"], "Quantity"),
        (["Qty Ordered", "Qty Shipped", "Qty"], "Qty Shipped"),
        (["Quantity", "Units"], "Quantity"),
        (["quantity-purchased", "quantity"], "quantity"),
    ],
)
def test_the_quantity_is_the_canonical_column_or_else_the_shipped_one(headers: list[str], taken: str) -> None:
    assert named(headers) == {"quantity": taken}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(
            "Date - Shipped Date|Order - Number|Item - SKU|Item - Name|Item - Qty|Carrier - Name"
            "|Carrier - Service Selected|Shipment - Tracking Number",
            {
                "order_id": "Order - Number",
                "sku": "Item - SKU",
                "quantity": "Item - Qty",
                "tracking_number": "Shipment - Tracking Number",
                "tracking_company": "Carrier - Name",
            },
            id="ShipStation",
        ),
        pytest.param(
            "order-id|order-item-id|quantity|ship-date|carrier-code|carrier-name|tracking-number|ship-method",
            {
                "order_id": "order-id",
                "quantity": "quantity",
                "tracking_company_code": "carrier-code",
                "tracking_company": "carrier-name",
                "tracking_number": "tracking-number",
            },
            id="Amazon shipping confirmation",
        ),
        pytest.param(
            "amazon-order-id|merchant-order-id|shipment-id|sku|product-name|quantity-shipped|carrier"
            "|tracking-number",
            {
                "order_id": "amazon-order-id",
                "sku": "sku",
                "quantity": "quantity-shipped",
                "tracking_company": "carrier",
                "tracking_number": "tracking-number",
            },
            id="Amazon fulfilled shipments",
        ),
        pytest.param(
            "ID|Name|Line: SKU|Line: Quantity|Fulfillment: ID|Fulfillment: Status"
            "|Fulfillment: Tracking Company|Fulfillment: Tracking Number|Fulfillment: Tracking URL",
            {
                "sku": "Line: SKU",
                "quantity": "Line: Quantity",
                "fulfillment_id": "Fulfillment: ID",
                "tracking_company": "Fulfillment: Tracking Company",
                "tracking_number": "Fulfillment: Tracking Number",
                "tracking_url": "Fulfillment: Tracking URL",
            },
            id="Matrixify",
        ),
        pytest.param(
            "Lead Tracking Number|Package Tracking Number|Package Reference No. 1|Service Type|Weight",
            {"tracking_number": "Package Tracking Number", "order_id": "Package Reference No. 1"},
            id="UPS WorldShip",
        ),
        pytest.param(
            "Order ID|SKU ID|Seller SKU|Product Name|Quantity|Package ID|Tracking ID|Shipping Provider Name",
            {
                "order_id": "Order ID",
                "sku": "Seller SKU",
                "quantity": "Quantity",
                "tracking_number": "Tracking ID",
                "tracking_company": "Shipping Provider Name",
            },
            id="TikTok Shop",
        ),
        pytest.param(
            "注文番号|受注番号|商品管理番号|商品番号|個数|配送方法|配送会社|お荷物伝票番号",
            {
                "order_id": "注文番号",
                "sku": "商品番号",
                "quantity": "個数",
                "tracking_company": "配送会社",
                "tracking_number": "お荷物伝票番号",
            },
            id="Rakuten RMS",
        ),
    ],
)
def test_a_whole_export_of_a_tool_is_read_without_a_word_from_the_user(
    headers: str, expected: dict[str, str]
) -> None:
    assert named(headers.split("|")) == expected


def test_two_headers_for_one_column_are_an_error_that_names_both_and_where_they_stand() -> None:
    headers = ["Order #", "SKU", "Qty", "Tracking #", "Order Number"]
    found = layouts.match(headers, GENERIC)

    with pytest.raises(ManifestError) as error:
        layouts.check_columns(headers, found, NEEDED, GENERIC, "day.csv")

    assert "order_id" not in found.columns
    assert str(error.value) == (
        "day.csv: 'Order #' (column 1) and 'Order Number' (column 5) stand for one column, order_id; "
        "rename or delete all but one of them, or say with --layout which it is"
    )


def test_the_same_name_twice_is_an_error_even_with_other_names_beside_it() -> None:
    found = layouts.match(["Order ID", "Tracking #", "order_id", "Order Number", "Quantity", "qty"], GENERIC)

    assert found.doubled == {"order_id": (0, 2)}
    assert found.columns == {"tracking_number": 1, "quantity": 4}


def test_two_weak_headers_are_an_error_too_but_not_beside_a_better_one() -> None:
    assert layouts.match(["Reference", "PO Number"], GENERIC).doubled == {"order_id": (0, 1)}
    assert named(["Reference", "PO Number", "Order #"]) == {"order_id": "Order #"}


def test_a_missing_column_is_an_error_that_names_the_headers_found_and_the_nearest_guess() -> None:
    headers = ["Order #", "SKU", "Qty Ordered", "Trackng Nmber", "", "Return Tracking Number"]

    with pytest.raises(ManifestError) as error:
        layouts.check_columns(headers, layouts.match(headers, GENERIC), NEEDED, GENERIC, "day.csv")

    assert str(error.value) == (
        "day.csv: no column for quantity, tracking_number (is it 'Trackng Nmber'?); the headers found are "
        "'Order #', 'SKU', 'Qty Ordered', 'Trackng Nmber', 'Return Tracking Number'; "
        "rename the column, or say with --layout which it is"
    )


def test_who_names_a_layout_is_not_told_to_name_one() -> None:
    layout = Layout("ours", {"beleg": "order_id", "nr": "order_id"})

    with pytest.raises(ManifestError) as missing:
        layouts.check_columns(["SKU"], layouts.match(["SKU"], layout), ["order_id"], layout, "day.csv")
    headers = ["Beleg", "Nr."]
    with pytest.raises(ManifestError) as doubled:
        layouts.check_columns(headers, layouts.match(headers, layout), ["order_id"], layout, "day.csv")

    assert str(missing.value) == (
        "day.csv: no column for order_id; the headers found are 'SKU'; "
        "rename the column, or change the layout ours"
    )
    assert str(doubled.value) == (
        "day.csv: 'Beleg' (column 1) and 'Nr.' (column 2) stand for one column, order_id; "
        "rename or delete all but one of them, or change the layout ours"
    )


@pytest.mark.parametrize("header", ["Order #,Item SKU,Notes", "Foo;Order #;SKU", 'Foo\t"Order #"\tSKU'])
def test_a_header_that_stands_in_quotes_as_a_whole_is_told_so(header: str) -> None:
    with pytest.raises(ManifestError) as error:
        layouts.check_columns([header], layouts.match([header], GENERIC), NEEDED, GENERIC, "day.csv")

    assert str(error.value) == (
        f"day.csv: the header is one cell, '{header}': each line stands in quotes as a whole; "
        "take these quotes off, and make two quotes inside them one, or export the manifest again"
    )


@pytest.mark.parametrize("header", ["Report, weekly", "Order date", "Dear all"])
def test_a_text_of_one_column_does_not_look_like_a_manifest(header: str) -> None:
    with pytest.raises(ManifestError) as error:
        layouts.check_columns([header], layouts.match([header], GENERIC), NEEDED, GENERIC, "day.csv")

    assert str(error.value) == (
        "day.csv: does not look like a manifest: one column of text in the first 50 rows; "
        "remove it, or let --quarantine take it"
    )


def test_a_header_that_is_missing_is_told_so_and_how_far_was_searched_for_one() -> None:
    data, titles = ["7001", "MUG-RED", "2", "1Z999AA10300041001"], ["Weekly", "report", "of May"]

    with pytest.raises(ManifestError) as missing:
        layouts.check_columns(data, layouts.match(data, GENERIC), NEEDED, GENERIC, "day.csv, row 1")
    with pytest.raises(ManifestError) as unknown:
        layouts.check_columns(titles, layouts.match(titles, GENERIC), NEEDED, GENERIC, "day.csv, row 1")

    assert str(missing.value) == (
        "day.csv, row 1: the header is missing, since this row looks like data: '7001', 'MUG-RED', '2', "
        "'1Z999AA10300041001'; put a row above it that names the columns: "
        "order_id, sku, quantity, tracking_number"
    )
    assert str(unknown.value).endswith("; the header was looked for in the first 50 rows")


def test_of_many_headers_the_first_40_are_shown() -> None:
    headers = ["Order #", *[f"column {at}" for at in range(100)]]

    with pytest.raises(ManifestError, match="'column 38' and 61 more; rename the column"):
        layouts.check_columns(headers, layouts.match(headers, GENERIC), NEEDED, GENERIC, "day.csv")


def test_guessing_at_thousands_of_headers_looks_at_the_first_200_alone() -> None:
    headers = [f"column {at}" for at in range(200)]

    assert layouts.nearest("tracking_number", [*headers[:-1], "Trackng Nmber"], GENERIC) == "Trackng Nmber"
    assert layouts.nearest("tracking_number", [*headers, "Trackng Nmber"], GENERIC) is None


def test_headers_that_gave_way_are_told_with_what_they_could_have_stood_for() -> None:
    headers = ["PO Number", "Order #", "Order ID", "Reference", "Qty", "Units Shipped", "SKU"]

    found = layouts.match(headers, GENERIC)

    assert found.columns == {"order_id": 2, "quantity": 5, "sku": 6}
    assert found.others == {"order_id": (1, 0, 3), "quantity": (4,)}
    assert layouts.match(["Order ID", "SKU"], GENERIC).others == {}


def test_every_canonical_column_is_known_by_many_names() -> None:
    names = [*GENERIC.columns.values(), *GENERIC.weak.values()]

    assert {column for column in CANONICAL if names.count(column) < 25} == set()


def test_arabic_headers_are_known() -> None:
    headers = ["رقم الطلب", "رقم التتبع", "الكمية", "رمز المنتج", "شركة الشحن"]

    assert layouts.match(headers, GENERIC).columns == {
        "order_id": 0,
        "tracking_number": 1,
        "quantity": 2,
        "sku": 3,
        "tracking_company": 4,
    }


def test_a_manifest_without_any_header_is_told_so() -> None:
    with pytest.raises(ManifestError, match="no column for sku; the headers found are none; rename"):
        layouts.check_columns(["", " "], layouts.match(["", " "], GENERIC), ["sku"], GENERIC, "day.csv")


def test_a_manifest_with_every_needed_column_once_passes() -> None:
    headers = ["Order #", "Item SKU", "Qty", "Tracking #", "Weight"]
    found = layouts.match(headers, GENERIC)

    layouts.check_columns(headers, found, NEEDED, GENERIC, "day.csv")

    assert found.columns == {"order_id": 0, "sku": 1, "quantity": 2, "tracking_number": 3}


def test_a_guess_is_made_for_a_slip_of_the_pen_only() -> None:
    headers = ["Ordr Number", "Order Quantity", "Return Tracking Number", "Order Date"]

    guesses = {column: layouts.nearest(column, headers, GENERIC) for column in NEEDED}

    assert guesses == {"order_id": "Ordr Number", "sku": None, "quantity": None, "tracking_number": None}


@pytest.mark.parametrize("column", REPORT_COLUMNS)
def test_the_columns_that_a_report_adds_are_ours_and_mean_nothing(column: str) -> None:
    assert layouts.is_ours(column)
    assert layouts.is_ours(f"\ufeff{column.upper()}")
    assert named([column]) == {}


@pytest.mark.parametrize(
    "header", ["import", "import_duty", "Import Status", "import-row", "order_id", "status", ""]
)
def test_other_columns_are_not_ours(header: str) -> None:
    assert not layouts.is_ours(header)


def test_a_layout_file_of_the_user_names_what_the_canonical_names_do_not(tmp_path: Path) -> None:
    path = layout_file(
        tmp_path,
        '\ufeffname = "our warehouse"\ntitle = "Our warehouse"\n'
        '[columns]\norder_id = "Beleg"\nsku = ["Ware", "Waren-Nr."]\n[weak]\nsku = ["SKU"]\n',
    )

    layout = layouts.load(path)

    assert layout == Layout(
        "our warehouse",
        {"beleg": "order_id", "ware": "sku", "warennr": "sku"},
        {"sku": "sku"},
        title="Our warehouse",
    )
    assert named(["Order #", "Beleg", "SKU", "Ware"], layout) == {"order_id": "Beleg", "sku": "SKU"}
    assert named(["SKU"], layout) == {"sku": "SKU"}


def test_a_layout_file_needs_no_suffix_and_a_layout_in_the_package_is_known_by_name(tmp_path: Path) -> None:
    path = tmp_path / "layout"
    path.write_text('[columns]\nsku = ["Ware"]\n', encoding="utf-8")

    assert layouts.load(str(path)) == Layout(str(path), {"ware": "sku"})
    assert layouts.load("generic") == replace(GENERIC, detect=False)
    assert GENERIC.name == "generic"


def test_the_generic_layout_writes_every_header_once() -> None:
    text = resources.files("schemas").joinpath("layouts", "generic.toml").read_text(encoding="utf-8")
    document = tomllib.loads(text)

    spelt = [
        layouts.fold(header)
        for table in ("columns", "weak")
        for headers in document[table].values()
        for header in headers
    ]

    assert len(spelt) == len({*spelt}) == len(GENERIC.columns) + len(GENERIC.weak)


def test_the_generic_layout_repeats_no_canonical_name() -> None:
    own = {layouts.fold(column) for column in CANONICAL}

    assert own & (GENERIC.columns.keys() | GENERIC.weak.keys()) == set()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[columns", ": not TOML: "),
        ("[column]\n", ": unknown key 'column'; known are name, title, columns, weak"),
        ("name = 3\n", ": name: found 3, expected text"),
        ('columns = "SKU"\n', ": columns: found 'SKU', expected a table [columns]"),
        (
            '[weak]\norder_ids = ["A"]\n',
            ": [weak] 'order_ids' is not a canonical column; did you mean 'order_id'?",
        ),
        (
            '[columns]\nweight = ["A"]\n',
            ": [columns] 'weight' is not a canonical column; they are order_id, sku, ",
        ),
        ("[columns]\nsku = 1\n", ": [columns] sku: found 1, expected a header or a list of headers"),
        (
            "[columns]\nsku = [1]\n",
            ": [columns] sku: found 1, expected a header with a letter or digit in it",
        ),
        (
            '[columns]\nsku = ["#"]\n',
            ": [columns] sku: found '#', expected a header with a letter or digit in it",
        ),
        (
            '[columns]\nsku = ["Part"]\norder_id = ["PART #"]\n',
            ": [columns] 'PART #' is a header of sku and of order_id; keep one of them",
        ),
        (
            '[columns]\norder_id = ["Sku"]\n',
            ": [columns] 'Sku' is a header of sku and of order_id; keep one of them",
        ),
        (
            '[columns]\nsku = ["Part"]\n[weak]\nsku = ["Part #"]\n',
            ": 'part' stands in [columns] under sku and in [weak] under sku; keep one of them",
        ),
        (
            '[columns]\nsku = ["Part"]\n[weak]\norder_id = ["Part"]\n',
            ": 'part' stands in [columns] under sku and in [weak] under order_id; keep one of them",
        ),
    ],
)
def test_a_layout_file_that_is_not_one_is_refused(text: str, told: str, tmp_path: Path) -> None:
    path = layout_file(tmp_path, text)

    with pytest.raises(SetupError) as error:
        layouts.load(path)

    assert str(error.value).startswith(f"layout {path}{told}")


def test_a_layout_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")

    for path in (missing, str(binary)):
        with pytest.raises(SetupError) as error:
            layouts.load(path)
        assert str(error.value).startswith(f"--layout {path}: can't be read: ")


def test_a_layout_that_is_not_known_is_refused_and_those_known_are_named() -> None:
    with pytest.raises(SetupError) as error:
        layouts.load("shipstaton")

    with pytest.raises(SetupError, match="layout ups: unknown; did you mean ups-campusship or ups-worldship"):
        layouts.load("ups")
    assert str(error.value).startswith(
        "--layout shipstaton: unknown; did you mean shipstation?; known are 4px, "
    )
    assert "generic" in str(error.value)
    assert str(error.value).endswith(", or name a .toml file")

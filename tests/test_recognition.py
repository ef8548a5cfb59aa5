"""Which layout a file is read by, how much of it fits, and what is said when its headers have changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from importer import manifests
from importer.errors import ManifestError
from importer.manifests import layouts, recognition
from importer.manifests.layouts import Layout
from importer.manifests.sources import Source
from schemas.manifest import CANONICAL

SAMPLES = Path(__file__).parents[1] / "samples"
NEEDED = ("order_id", "sku", "quantity", "tracking_number")
NEEDED_BY_ALL = ("order_id", "tracking_number")
DETECTED = layouts.load(None)
SPECIFIC = [layout.name for layout in layouts.specific()]
# From issue to file name: what users meet, and two more for languages.
ASKED_FOR = {
    *("4px", "amazon-flat-file", "australia-post", "cainiao", "canada-post", "colissimo", "correos", "ctt"),
    *("dhl-ecommerce", "dhl-express-mydhl", "dhl-paket", "dpd", "easypost", "evri", "fedex-fsm-batch"),
    *("fedex-ship-manager", "gls", "inpost", "japan-post", "linnworks", "pitney-bowes", "poste-italiane"),
    *("postnl", "royal-mail-click-and-drop", "sendcloud", "sf-express", "shipbob", "shiphero", "shippo"),
    *("shipstation", "shoplazza-bulk-ship", "shopify-orders", "stamps-com", "ups-campusship"),
    *("ups-worldship", "usps-click-n-ship", "veeqo", "woocommerce-ast", "yanwen", "yunexpress"),
}
WORLDSHIP = [
    "ShipmentInformationServiceType",
    "ShipmentInformationLeadTrackingNumber",
    "ShipToCompanyorName",
    "PackageTrackingNumber",
    "PackageReference1",
    "PackageReference2",
    "PackageReference3",
]
DPD = ["Paketscheinnummer", "Versanddatum", "Referenz 1", "Empfängername", "Service"]


def known(headers: list[str], needed: tuple[str, ...] = NEEDED, above: str = "", sheet: str = "") -> str:
    fit = recognition.recognise(headers, DETECTED, needed, "day.csv", above=above, sheet=sheet)
    return f"{fit.layout.name}, {fit.words}"


def refusal(headers: list[str], layout: Layout) -> str:
    with pytest.raises(ManifestError) as caught:
        recognition.recognise(headers, layout, NEEDED, "day.csv, row 1")
    return str(caught.value)


def manifest_of(name: str) -> Source:
    (path,) = (SAMPLES / name).glob("manifest.*")
    return Source(path.name, path)


def test_there_is_a_layout_for_each_carrier_and_tool_that_users_meet() -> None:
    assert {*SPECIFIC} == ASKED_FOR
    assert len(SPECIFIC) >= 34


@pytest.mark.parametrize("name", SPECIFIC)
def test_every_layout_is_the_one_that_is_detected_for_its_own_sample(name: str) -> None:
    found = manifests.survey(manifest_of(name), DETECTED, NEEDED, None)

    layout = layouts.load(name)
    assert found.fit == recognition.Fit(layout, found.fit.found, len({*layout.must, *layout.may}))
    assert layout.name == name
    assert found.fit.found >= len(layout.must)


@pytest.mark.parametrize("name", SPECIFIC)
def test_no_layout_leaves_out_a_column_that_the_generic_one_reads_or_needs_more(name: str) -> None:
    source = manifest_of(name)
    own = manifests.survey(source, layouts.load(name), NEEDED, None)
    headers = own.form.headers
    generic = layouts.match(headers, layouts.load("generic"))

    assert set(generic.columns) - set(own.columns) == set()
    assert set(NEEDED) - set(own.columns) == set()


@pytest.mark.parametrize("name", SPECIFIC)
def test_every_layout_has_a_title_says_where_it_is_from_and_knows_a_column_of_its_own(name: str) -> None:
    layout = layouts.load(name)
    mine = layout.own - {*layout.columns, *layout.weak}

    assert layout.title
    assert layouts.text_of(name).startswith("# ")
    assert "known to us" in layouts.text_of(name).split("name =")[0]
    assert len(layout.must) >= 2
    assert len(layout.own) >= 5
    if layout.supplied or layout.fill_down or layout.decimal_comma:
        assert mine - {
            layouts.fold(column) for column in CANONICAL
        }  # by which rows of a mixed report are told


@pytest.mark.parametrize("name", SPECIFIC)
def test_a_layout_that_is_named_takes_its_own_file_and_no_other(name: str) -> None:
    other = "shipstation" if name != "shipstation" else "dpd"
    own = manifests.survey(manifest_of(name), layouts.load(name), NEEDED, None)

    with pytest.raises(ManifestError, match=f"these are not the headers of the layout {name} "):
        manifests.survey(manifest_of(other), layouts.load(name), NEEDED, None)

    assert own.layout == name


def test_how_much_of_a_layout_fits_is_counted() -> None:
    assert known(WORLDSHIP) == "ups-worldship, 7 of 8 columns"
    assert known([*WORLDSHIP, "SKU of ours"]) == "ups-worldship, 7 of 8 columns"


def test_where_a_header_is_missing_the_generic_layout_reads_the_file() -> None:
    assert known(["Order #", "SKU", "Qty", "Tracking #"]) == "generic, "
    assert known([*DPD[1:], "Artikelnummer", "Menge", "Tracking #"]) == "generic, "


def test_headers_that_say_nothing_that_is_needed_may_be_missing() -> None:
    assert known(WORLDSHIP[3:]) == "ups-worldship, 4 of 8 columns"
    assert known(["4PX单号", "客户单号", "目的国", "商品SKU", "申报数量"]) == "4px, 3 of 6 columns"
    assert known(["Order - Number", "Item - SKU", "Item - Qty", "Shipment - Tracking Number"]) == (
        "shipstation, 4 of 9 columns"
    )
    assert known(["Id", "Name", "Lineitem quantity", "Lineitem name", "Lineitem sku", "Tracking Number"]) == (
        "shopify-orders, 5 of 9 columns"
    )


def test_no_layout_takes_the_file_of_another_or_of_a_tool_that_is_not_known() -> None:
    amazon_orders = ["order-id", "order-item-id", "sku", "quantity-purchased", "quantity-shipped"]

    assert known([*amazon_orders, "tracking-number"]) == "generic, "
    assert known(["Name", "Id", "SKU", "Quantity", "Tracking Number"], NEEDED_BY_ALL) == "generic, "
    assert known(["Package Reference 1", "Package Tracking Number", "SKU", "Qty"]) == "generic, "


@pytest.mark.parametrize(
    ("name", "added", "taken"),
    [
        ("fedex-ship-manager", "order_id", {"order_id": "order_id"}),
        ("fedex-ship-manager", "Order Number", {"order_id": "Order Number"}),
        ("fedex-ship-manager", "Carrier", {"order_id": "Customer reference", "tracking_company": "Carrier"}),
        ("fedex-ship-manager", "Zone", {"order_id": "Customer reference"}),
        ("ups-worldship", "SKU", {"sku": "SKU", "quantity": "PackageReference3"}),
        ("ups-campusship", "Part No.", {"sku": "Part No."}),
        ("ups-worldship", "Pcs", {"sku": "PackageReference2", "quantity": "Pcs"}),
        ("stamps-com", "Carrier", {"order_id": "Order ID", "tracking_company": "Carrier"}),
        ("shipbob", "order_id", {"order_id": "Store Order ID"}),
    ],
)
def test_a_column_of_its_own_is_better_than_a_reference_that_a_shipper_typed(
    name: str, added: str, taken: dict[str, str]
) -> None:
    layout = layouts.load(name)
    headers = [*layout.must, *(header for header in layout.may if header in WORLDSHIP), added]

    found = layouts.match(headers, layout)

    assert {column: headers[found.columns[column]] for column in taken} == taken
    assert ("tracking_company" in found.columns) == ("tracking_company" in taken or name == "shipbob")


def test_two_columns_for_the_carrier_are_an_error_with_a_constant_too() -> None:
    layout = layouts.load("dpd")

    assert layouts.match([*layout.must, "Carrier", "Courier"], layout).doubled == {"tracking_company": (5, 6)}


def test_the_nearest_layout_is_named_with_what_is_lacking() -> None:
    said = recognition.nearest([*DPD[:-1], "Zone"], NEEDED)

    assert said == (
        "nearest layout: dpd, 4 of 8 columns, lacking 'Service'; rename the column, or say with --layout "
        "which it is"
    )
    assert recognition.nearest(["Order #", "SKU", "Qty"], NEEDED) == ""


def test_an_export_that_is_known_and_has_no_items_is_told_so() -> None:
    headers = ["order-id", "order-item-id", "quantity", "ship-date", "carrier-code", "tracking-number"]

    assert recognition.nearest([*headers, "ship-method"], NEEDED) == (
        "it looks like amazon-flat-file (Amazon, POST_FLAT_FILE_FULFILLMENT_DATA (shipping confirmation)), "
        "but has no sku; export it with the items of the orders, or add the columns to the file"
    )


def test_a_column_that_is_taken_by_a_doubtful_name_is_told_but_not_one_of_a_tool_s_own_layout() -> None:
    headers = ["PO Number", "Item ID", "Number of Items", "Tracking Number"]
    worldship = layouts.load("ups-worldship")

    said = recognition.doubts(headers, layouts.match(headers, DETECTED), DETECTED)

    assert [*said] == [
        "order_id is taken from 'PO Number', a doubtful name; rename it if it is not the platform's order id",
        "sku is taken from 'Item ID', a doubtful name; rename it if it is not the SKU",
        "quantity is taken from 'Number of Items', a doubtful name; rename it if it is not the units shipped",
    ]
    assert [*recognition.doubts(WORLDSHIP, layouts.match(WORLDSHIP, worldship), worldship)] == []


def test_a_layout_never_makes_a_file_unreadable_that_the_generic_one_reads() -> None:
    campusship = ["Date Shipped", "Tracking Number", "Ship To Company or Name", "UPS Service", "Reference 1"]

    assert known([*campusship, "SKU", "Quantity"]) == "ups-campusship, 5 of 8 columns"
    assert known([*campusship, "Part No.", "Qty Shipped"]) == "ups-campusship, 5 of 8 columns"
    assert known([*campusship, "Item", "Qty Shipped"]) == "generic, "
    assert known([*campusship, "Item", "Qty Shipped"], NEEDED_BY_ALL) == "ups-campusship, 5 of 8 columns"


SF = ["运单号", "客户订单号", "寄件时间", "收件人", "产品类型"]
YUN = ["运单号", "客户订单号", "运输方式", "国家简码", "提交时间"]


def test_two_layouts_that_fit_equally_are_refused_with_both_names_and_the_way_out() -> None:
    assert refusal(list(dict.fromkeys([*SF, *YUN, "商品编码", "数量"])), DETECTED) == (
        "day.csv, row 1: the layouts sf-express and yunexpress fit equally, 5 columns each; "
        "say which it is, with --layout sf-express or --layout yunexpress"
    )


def test_of_two_layouts_the_one_that_knows_more_of_the_headers_is_taken() -> None:
    both = list(dict.fromkeys([*SF, *YUN, "商品编码", "数量"]))

    assert known([*both, "收件城市"]) == "sf-express, 6 of 8 columns"
    assert known([*both, "收件城市", "跟踪号", "收件人姓名"]) == "yunexpress, 7 of 7 columns"


def test_the_text_above_the_header_and_the_name_of_the_sheet_tell_of_a_layout() -> None:
    told = Layout("a", {}, must=("A", "B"), preamble=("MyTool export",), sheets=("Parcels",))

    assert recognition._told_by(told, "Report:\nMYTOOL Export, April", "") == 1  # noqa: SLF001 - the rank itself
    assert recognition._told_by(told, "mytool export", "parcels") == 2  # noqa: SLF001 - the rank itself
    assert recognition._told_by(told, "", "") == 0  # noqa: SLF001 - the rank itself


def test_a_tool_s_own_order_id_is_not_the_platform_s() -> None:
    headers = ["Order ID", "Store Order ID", "Shipment ID", "Carrier", "Tracking ID", "Inventory ID", "SKU"]
    shipbob = layouts.load("shipbob")

    found = layouts.match([*headers, "Quantity", "Fulfillment Center"], shipbob)

    assert found.columns == {
        "order_id": 1,
        "tracking_company": 3,
        "tracking_number": 4,
        "sku": 6,
        "quantity": 7,
    }
    assert found.others == {"order_id": (0,)}


def test_changed_headers_under_a_named_layout_are_refused_with_the_difference() -> None:
    drifted = ["Paketscheinnummer", "Versanddatum", "Empfänger", "Service", "Artikelnummer", "Zone"]

    assert refusal(drifted, layouts.load("dpd")) == (
        "day.csv, row 1: these are not the headers of the layout dpd (3 of 8 columns): "
        "missing are 'Referenz 1', 'Empfängername'; new are 'Empfänger', 'Zone'; "
        "renamed looks 'Empfängername' (now 'Empfänger'?); "
        "export it as before, name the layout that it has now, or leave --layout away to have it detected"
    )
    assert "none is new" in refusal(DPD[1:], layouts.load("dpd"))


def test_a_column_more_is_no_change_and_a_layout_without_headers_to_know_has_none() -> None:
    worldship, mine = layouts.load("ups-worldship"), Layout("mine", {"beleg": "order_id"})

    assert recognition.recognise([*WORLDSHIP, "Zone"], worldship, NEEDED, "").words == "7 of 8 columns"
    assert recognition.recognise(["Whatever"], mine, NEEDED, "") == recognition.Fit(mine, 0, 0, is_named=True)


def test_the_generic_layout_by_name_is_not_exchanged_for_another() -> None:
    generic = layouts.load("generic")

    assert recognition.recognise(WORLDSHIP, generic, NEEDED, "").layout == generic
    assert replace(DETECTED, detect=False) == generic


def test_in_a_report_a_named_layout_also_knows_its_columns_by_their_canonical_names() -> None:
    others = ["Date - Shipped Date", "Market - Store Name", "Ship To - Name", "Custom - Field 1"]
    report = [*NEEDED, "tracking_company", "edi_path", *others, "import_source", "import_row"]
    layout = layouts.load("shipstation")

    fit = recognition.recognise(report, layout, NEEDED, "errors.csv")

    assert (fit.layout, fit.is_named) == (layout, True)
    assert layouts.match(report, layout).columns.keys() >= {*NEEDED}
    assert "missing are 'Order - Number'" in refusal(report[:-2], layout)
    assert "missing are 'Item - SKU'; " in refusal([report[0], *report[2:]], layout)

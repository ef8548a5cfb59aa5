"""Which layout a file is read by, how much of it fits, and what is said when its headers have changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

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
    mine = {layouts.fold(header) for header in layout.must} - {*layout.columns, *layout.weak}

    assert layout.title
    assert layouts.text_of(name).startswith("# ")
    assert "known to us" in layouts.text_of(name).split("name =")[0]
    assert len(layout.must) >= 5
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
    assert known(WORLDSHIP) == "ups-worldship, 7 of 7 columns"
    assert known([*WORLDSHIP, "SKU of ours"]) == "ups-worldship, 7 of 7 columns"


def test_where_a_header_is_missing_the_generic_layout_reads_the_file() -> None:
    assert known(["Order #", "SKU", "Qty", "Tracking #"]) == "generic, "
    assert known([*WORLDSHIP[1:], "SKU", "Quantity"]) == "generic, "


def test_a_layout_never_makes_a_file_unreadable_that_the_generic_one_reads() -> None:
    campusship = ["Date Shipped", "Tracking Number", "Ship To Company or Name", "UPS Service", "Reference 1"]

    assert known([*campusship, "SKU", "Quantity"]) == "ups-campusship, 5 of 8 columns"
    assert known([*campusship, "Part No.", "Qty Shipped"]) == "generic, "
    assert known([*campusship, "Part No.", "Qty Shipped"], NEEDED_BY_ALL) == "ups-campusship, 5 of 8 columns"


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
    drifted = ["ShipmentInformationServiceType", "LeadTrackingNumber", "ShipToCompanyorName"]
    drifted += ["PackageTrackingNumber", "PackageReference1", "PackageReference2", "Zone"]

    assert refusal(drifted, layouts.load("ups-worldship")) == (
        "day.csv, row 1: these are not the headers of the layout ups-worldship (5 of 7 columns): "
        "missing are 'PackageReference3', 'ShipmentInformationLeadTrackingNumber'; "
        "new are 'LeadTrackingNumber', 'Zone'; "
        "renamed looks 'ShipmentInformationLeadTrackingNumber' (now 'LeadTrackingNumber'?); "
        "export it as before, name the layout that it has now, or leave --layout away to have it detected"
    )
    assert "none is new" in refusal(WORLDSHIP[1:], layouts.load("ups-worldship"))


def test_a_column_more_is_no_change_and_a_layout_without_headers_to_know_has_none() -> None:
    worldship, mine = layouts.load("ups-worldship"), Layout("mine", {"beleg": "order_id"})

    assert recognition.recognise([*WORLDSHIP, "Zone"], worldship, NEEDED, "").words == "7 of 7 columns"
    assert recognition.recognise(["Whatever"], mine, NEEDED, "") == recognition.Fit(mine, 0, 0)


def test_the_generic_layout_by_name_is_not_exchanged_for_another() -> None:
    generic = layouts.load("generic")

    assert recognition.recognise(WORLDSHIP, generic, NEEDED, "").layout == generic
    assert replace(DETECTED, detect=False) == generic

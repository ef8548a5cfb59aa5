"""--fill-carrier: what a tracking number tells is sent where the manifest says nothing of the carrier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from importer.fulfillments import Options, Rows, group
from importer.model import MAIL_ALONE
from importer.sandbox import Sandbox, Store
from tests.program import here, settle_in

if TYPE_CHECKING:
    from pathlib import Path

UPS = "1Z5R89390357567127"
UPS_PAGE = f"https://www.ups.com/track?tracknum={UPS}"
FEDEX = "986578788855"
FEDEX_PAGE = f"https://www.fedex.com/fedextrack/?trknbr={FEDEX}"
COLUMNS = ("tracking_company", "tracking_company_code", "tracking_url", "fulfillment_id", MAIL_ALONE)


def said(*rows: tuple[str, dict[str, str]], fill: bool = True) -> list[tuple[str, str, str]]:
    """Company, code and URL of each parcel of rows that are a tracking number and canonical columns."""
    count = len(rows)
    named = {name for _, cells in rows for name in cells}
    taken = {name: pa.array([cells.get(name, "") for _, cells in rows]) for name in COLUMNS if name in named}
    grouping = group(
        Rows(
            order_id=pa.array(["1"] * count),
            tracking_number=pa.array([number for number, _ in rows]),
            sku=pa.array([f"SKU-{place}" for place in range(count)]),
            quantity=np.ones(count, np.int32),
            bad=np.zeros(count, bool),
            manifest=np.zeros(count, np.int32),
            taken=taken,
        ),
        Options(fill_carrier=fill),
    )
    return [
        (parcel.tracking_company, parcel.tracking_company_code, parcel.tracking_url)
        for parcel in grouping.each(grouping.ready)
    ]


def test_a_number_that_leaves_no_doubt_fills_in_company_and_page() -> None:
    assert said((UPS, {}), (FEDEX, {}), ("PO-10023", {})) == [
        ("UPS", "", UPS_PAGE),
        ("", "", ""),
        ("", "", ""),
    ]
    assert said((UPS, {}), fill=False) == [("", "", "")]


def test_what_the_manifest_says_of_a_parcel_stays_as_it_is() -> None:
    mine = "https://example.com/mine"

    assert said((UPS, {"tracking_company": "ups ground"})) == [("ups ground", "", UPS_PAGE)]
    assert said((UPS, {"tracking_url": mine})) == [("UPS", "", mine)]
    assert said((UPS, {"tracking_company": "FedEx"})) == [("FedEx", "", "")]
    assert said((UPS, {"tracking_company": "Some Courier"})) == [("Some Courier", "", "")]


def test_a_number_that_several_carriers_have_gets_the_page_of_the_one_that_is_named() -> None:
    assert said((FEDEX, {"tracking_company": "FedEx 2Day"})) == [("FedEx 2Day", "", FEDEX_PAGE)]


def test_a_code_names_the_carrier_where_no_company_does() -> None:
    assert said((UPS, {"tracking_company_code": "ups"})) == [("UPS", "ups", UPS_PAGE)]
    assert said((UPS, {"tracking_company_code": "DJ-11343"})) == [("", "DJ-11343", "")]


def test_one_row_of_a_parcel_that_names_the_carrier_is_enough() -> None:
    assert said((UPS, {}), (UPS, {"tracking_company": "U.P.S."})) == [("U.P.S.", "", UPS_PAGE)]


def test_the_id_of_a_fulfillment_is_no_tracking_number() -> None:
    assert said((UPS, {"fulfillment_id": UPS, MAIL_ALONE: "yes"})) == [("", "", "")]


MANIFEST = f"""\
order_id,fulfillment_id,tracking_number
1001,f-1,{UPS}
1002,f-2,PO-10023
"""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("SHOP_TOKEN", "a-token")
    (tmp_path / "m.csv").write_text(MANIFEST, encoding="utf-8")


def test_a_run_sends_what_it_filled_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Sandbox(Store.any_order(), token="a-token") as sandbox:  # noqa: S106 - of the test's own sandbox
        (tmp_path / "importer.toml").write_text(
            f'[destinations.shop]\nkind = "shoplazza"\nbase_url = "{sandbox.url}"\n'
            'token_env = "SHOP_TOKEN"\ncheck_carriers = false\n',
            encoding="utf-8",
        )
        ended = here(
            capsys, "--config", "importer.toml", "post", "m.csv", "--to", "shop", "--fill-carrier", "--json"
        )
        sent = [
            (tracking.tracking_company, tracking.tracking_url)
            for order in ("1001", "1002")
            for fulfillment in sandbox.shop.order(order).fulfillments
            for tracking in fulfillment.trackings
        ]

    assert (ended.status, ended.err) == (0, "")
    assert sent == [("UPS", UPS_PAGE), ("", "")]
    assert ended.summary["filled_carriers"] == {"UPS": 1}


REFUSALS = (
    ((), "--fill-carrier: no destination was named (give --to)"),
    (("--to", "adm"), "--fill-carrier: destination adm takes no carrier"),
)


@pytest.mark.parametrize(("options", "message"), REFUSALS)
def test_a_destination_that_takes_no_carrier_is_none_to_fill_it_in_for(
    options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = here(capsys, "check", "m.csv", "--fill-carrier", *options)

    assert ended.status == 2
    assert message in ended.err

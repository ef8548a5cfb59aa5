"""A night's work on a shop that answers late, asks to wait, fails and loses answers: all of it ends right."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from importer.ledger import Ledger
from importer.sandbox import Sandbox, Store
from importer.sandbox.faults import Faults
from importer.sandbox.shops import Shop
from tests.program import here, manifest, settle_in, table

if TYPE_CHECKING:
    Output = pytest.CaptureFixture[str]

ALL = {"method": ["GET", "PUT", "POST"]}
NIGHT: dict[str, Any] = {
    "seed": 20240430,
    "faults": [
        {"kind": "429", "probability": 0.02, "retry_after": "0", **ALL},
        {"kind": "500", "probability": 0.02, **ALL},
        {"kind": "drop-after", "probability": 0.02, **ALL},
        {"kind": "latency", "seconds": 0.05, **ALL},
    ],
}
UNITS = {"MUG": 2, "TEA": 1, "CUP": 3, "POT": 1}
TOKEN = "a-token"  # noqa: S105 - of the test's own sandbox


Parcel = tuple[str, str, int, str]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)


def parcels_of(orders: int) -> list[Parcel]:
    """Order, SKU, units and tracking number of each: an order has one for each SKU."""
    return [
        (f"633130-{number:08}", sku, units, f"{sku}{number:08}")
        for number in range(orders)
        for sku, units in UNITS.items()
    ]


def shop_of(count: int, *, there: bool) -> Shop:
    """So many orders, and their fulfillments if they are there already."""
    lines = [{"sku": sku, "quantity": units} for sku, units in UNITS.items()]
    waiting = [{"line_items": [line]} for line in lines] if there else []
    orders = [
        {
            "order_id": f"633130-{number:08}",
            "number": f"{number}",
            "line_items": lines,
            "fulfillments": waiting,
        }
        for number in range(count)
    ]
    return Shop.of({"shoplazza": {"orders": orders}}, "the orders")


def work(output: Output, shop: Shop, parcels: list[Parcel], *options: str, **settings: str) -> dict[str, Any]:
    """Do the night's work, and then once more by day, which sends nothing; the summary of the night."""
    lines = [f"{order},{sku},{units},{number}" for order, sku, units, number in parcels]
    manifest(Path("m.csv"), *lines, header="order_id,sku,quantity,tracking_number")
    command = ("post", "m.csv", "--to", "shop", "--ledger", "ledger.db", "--concurrency", 16, *options)
    with Sandbox(Store(()), TOKEN, shop=shop, faults=Faults(NIGHT, "the night")) as sandbox:
        values = {"kind": "shoplazza", "base_url": sandbox.url, "token_env": "SHOP_TOKEN", **settings}
        lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
        Path("importer.toml").write_text("\n".join(["[destinations.shop]", *lines]), encoding="utf-8")
        ended = here(output, *command, "--rate", "5000/5000", "--timeout", 2, "--report", "night", "--json")
        kinds = Counter(request.fault for request in sandbox.store.requests)
        requests = len(sandbox.store.requests)
        again = here(output, *command, "--report", "day", "--json")
        assert len(sandbox.store.requests) == requests
    assert min(kinds[kind] for kind in ("429", "500", "drop-after")) > requests * 0.01
    assert (ended.status, again.status) == (0, 0)
    assert again.summary["rows"]["skipped"] == len(parcels)
    summary: dict[str, Any] = ended.summary
    return summary


def adds_up(summary: dict[str, Any], parcels: list[Parcel], status: str) -> None:
    """See that each row is told once and has ended so, and that the ledger says the same."""
    rows = table(Path("night/rows.csv"))
    assert [row["import_row"] for row in rows] == [str(number) for number in range(2, len(parcels) + 2)]
    assert {row["import_status"] for row in rows} == {status}
    names = [f"{order}/{number}" for order, _, _, number in parcels]
    assert [row["import_fulfillment"] for row in rows] == names
    counts = {name: count for name, count in summary["rows"].items() if count}
    assert counts == {status: len(parcels), "total": len(parcels)}
    assert (summary["fulfillments"], summary["errors"]) == (summary["rows"], {})
    with Ledger(Path("ledger.db"), readonly=True) as ledger:
        recorded = ledger.outcomes(summary["run_id"])
    assert {str(state): count for state, count in recorded.items() if count} == {status: len(parcels)}


def shipped(shop: Shop, parcels: list[Parcel]) -> Counter[Parcel]:
    """What the shop has shipped of their orders."""
    found: Counter[Parcel] = Counter()
    for order_id in dict.fromkeys(order_id for order_id, *_ in parcels):
        order = shop.order(order_id)
        skus = {line.line_id: line.sku for line in order.lines}
        for fulfillment in order.fulfillments:
            (tracking,), (units,) = fulfillment.trackings, fulfillment.units
            found[order.order_id, skus[units.line_id], units.quantity, tracking.tracking_number] += 1
    return found


def test_a_thousand_fulfillments_get_their_numbers_and_nobody_is_mailed_twice(capsys: Output) -> None:
    parcels, shop = parcels_of(250), shop_of(250, there=True)
    summary = work(capsys, shop, parcels, "--notify", version="2022-01")

    adds_up(summary, parcels, "updated")
    assert shipped(shop, parcels) == Counter(parcels)
    writes = Counter(written.fulfillment.fulfillment_id for written in shop.written)
    assert (len(writes), set(writes.values())) == (1000, {1})
    mails = Counter(f"{mail.order_id}/{mail.tracking_number}" for mail in shop.mails)
    assert set(mails.values()) == {1}
    rows = table(Path("night/rows.csv"))
    told = {row["import_fulfillment"] for row in rows if "customer was not mailed" in row["import_message"]}
    assert {f"{order}/{number}" for order, _, _, number in parcels} - mails.keys() <= told
    assert len(told) < 50
    assert summary["mails"] == 1000


def test_hundreds_of_fulfillments_are_created_once_each(capsys: Output) -> None:
    parcels, shop = parcels_of(75), shop_of(75, there=False)
    summary = work(capsys, shop, parcels, version="2026-01", operation="create")

    adds_up(summary, parcels, "created")
    assert shipped(shop, parcels) == Counter(parcels)
    assert [written.done for written in shop.written] == ["created"] * 300
    assert (summary["mails"], shop.mails) == (0, [])

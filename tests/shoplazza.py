"""What tests of Shoplazza share: the examples of its page "Update Fulfillment", parcels, orders, answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from importer.destinations import make
from importer.destinations.shoplazza import Shoplazza
from importer.model import (
    Answer,
    Fulfillment,
    LineItem,
    Look,
    Meaning,
    NoAnswer,
    OrderPart,
    Plan,
    Reading,
    Write,
)
from importer.settings import SHOPLAZZA_VERSIONS, DestinationSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# --- the page "Update Fulfillment", to the letter ------------------------------------------------------

ORDER_ID = "633130-00000012"
FULFILLMENT_ID = "49a731b0-1b7e-47c3-94d9-6d688f36201e"
BODY = {
    "tracking_number": "DHL1231232113",
    "tracking_company": "DHL",
    "tracking_company_code": "dhl",
    "tracking_url": "https://tracking.url",
    "send_email": True,
}
LINE_ID = "ed8af005-1f4e-42d1-859d-99b0fd420781"
REMOTE: dict[str, Any] = {
    "id": "51c7dd5d-8f49-40c3-b2c1-5dfdeef9946d",
    "order_id": "633130-00000007",
    "status": "shipped",
    "tracking_company": "燕文物流",
    "tracking_number": "11111111111",
    "tracking_company_code": "DJ-11343",
    "tracking_url": "https://tracking.example.com",
    "created_at": "2024-04-22T08:37:12Z",
    "updated_at": "2024-04-22T08:37:12Z",
    "line_items": [
        {
            "id": LINE_ID,
            "product_id": "a1a88be0-a1d4-47e4-a2f2-ba6e131cf447",
            "variant_id": "a7175820-36b3-4fc6-9baf-51e3035242ba",
            "variant_title": "L-blue-T",
            "product_title": "shirt",
            "product_handle": "shirt",
            "quantity": 1,
            "note": "Special instructions",
            "fulfillment_status": "shipped",
            "sku": "T-M-L-blue-T-A001008",
            "weight_unit": "kg",
            "weight": "1.10",
            "vendor": "shoplazza",
            "product_url": "/products/shirt",
            "image": "//cdn.shoplazza.com/image.jpg",
            "price": "81.00",
            "total": "81.00",
            "compare_at_price": "97.00",
            "properties": [{"name": "size", "value": "L"}],
            "refund_quantity": 0,
            "refund_total": "0.00",
            "taxable": True,
            "requires_shipping": True,
            "shipping_quantity": 1,
        }
    ],
}
NOT_FOUND = {"errors": ["Record not found"]}

# --- parcels and the destination -----------------------------------------------------------------------

SETTINGS = DestinationSettings(
    name="shop", kind="shoplazza", base_url="https://shop.myshoplaza.com", check_carriers=False
)
URL = "https://shop.myshoplaza.com/openapi"
NUMBER = "DHL1231232113"
DOCUMENTED = Fulfillment(
    0,
    NUMBER,
    (OrderPart(ORDER_ID, ()),),
    fulfillment_id=FULFILLMENT_ID,
    tracking_company="DHL",
    tracking_company_code="dhl",
    tracking_url="https://tracking.url",
    notify=True,
)
BARE = Fulfillment(0, NUMBER, (OrderPart(ORDER_ID, ()),))
NAMED = replace(BARE, fulfillment_id=FULFILLMENT_ID)
MAIL_ALONE = replace(NAMED, tracking_number="", notify=True)
TOKEN = "canary/token"  # noqa: S105 - a canary
JSON = {"Content-Type": "application/json"}
TEXT = {"Content-Type": "text/plain"}
WRAPPED = ("2025-06", "2026-01", "2026-07")
ENVELOPED = ("2024-07", *WRAPPED)


def shoplazza(**changes: Any) -> Shoplazza:  # noqa: ANN401 - any of the settings
    destination = make(replace(SETTINGS, **changes))
    assert isinstance(destination, Shoplazza)
    return destination


def with_lines(parcel: Fulfillment, **quantities: int) -> Fulfillment:
    """The parcel with so many units of each SKU."""
    lines = tuple(LineItem(sku, quantity) for sku, quantity in quantities.items())
    return replace(parcel, parts=(OrderPart(parcel.parts[0].order_id, lines),))


def answer(status: int, document: object, headers: Mapping[str, str] = JSON, *, whole: bool = True) -> Answer:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Answer(status, headers, body, whole)


def success(version: str, **content: object) -> Answer:
    """A success in the form of the version."""
    if version not in ENVELOPED:
        return answer(200, content)
    return answer(200, {"code": "Success", "message": "", "data": content})


def follow(plan: Plan, *replies: Answer | NoAnswer) -> tuple[list[str], Write | Reading]:
    """What the plan looks at, and what it comes to when these are the answers to that, and all are used."""
    left = iter(replies)
    looks: list[str] = []

    def reply(look: Look) -> Answer | NoAnswer:
        looks.append(look.request.url.removeprefix(f"{URL}/"))
        return next(left)

    end = led_by(plan, reply)
    assert list(left) == []
    return looks, end


def led_by(plan: Plan, reply: Callable[[Look], Answer | NoAnswer]) -> Write | Reading:
    """What the plan comes to when its looks are answered so."""
    if isinstance(plan, Write):
        return plan
    try:
        look = next(plan)
        while True:
            look = plan.send(reply(look))
    except StopIteration as end:
        found: Write | Reading = end.value
        return found


def write_of(plan: Plan, *replies: Answer | NoAnswer) -> Write:
    _, end = follow(plan, *replies)
    assert isinstance(end, Write)
    return end


def reading_of(plan: Plan, *replies: Answer | NoAnswer) -> Reading:
    _, end = follow(plan, *replies)
    assert isinstance(end, Reading)
    return end


def body_of(write: Write) -> Any:  # noqa: ANN401 - JSON
    return json.loads(write.request.body)


# --- what the platform has, and says ------------------------------------------------------------------

TRACKING = {name: value for name, value in BODY.items() if name != "send_email"}


def echo(**changes: object) -> dict[str, Any]:
    """The page's reply, about the fulfillment that is asked for."""
    return {**REMOTE, "id": FULFILLMENT_ID, "order_id": ORDER_ID, "tracking_number": NUMBER, **changes}


def updated(note: str = "") -> Reading:
    words = f"fulfillment {FULFILLMENT_ID} shipped, updated 2024-04-22T08:37:12Z"
    return Reading(Meaning.UPDATED, message=f"{words}; {note}" if note else words, http_status=200)


MINIMAL = {"id": FULFILLMENT_ID, "order_id": ORDER_ID, "tracking_number": NUMBER}

NOT_KNOWN = "it is not known whether the fulfillment was"

MUG, TEA = {"id": "line-1", "sku": "MUG", "quantity": 2}, {"id": "line-2", "sku": "TEA", "quantity": 1}


def there(name: str, number: str = "", *lines: dict[str, object], **more: object) -> dict[str, object]:
    """A fulfillment of the order."""
    return {
        "id": name,
        "order_id": ORDER_ID,
        "status": "shipped",
        "tracking_number": number,
        "line_items": list(lines),
        **more,
    }


def listing(*fulfillments: object, version: str = "2022-01", **more: object) -> Answer:
    return success(version, fulfillments=list(fulfillments), **more)


LIST = f"orders/{ORDER_ID}/fulfillments"
QUERIES = dict.fromkeys(SHOPLAZZA_VERSIONS[:2], "page=1&limit=250") | dict.fromkeys(WRAPPED, "page_size=250")

PARCEL = with_lines(BARE, MUG=2)


def look_up_failed(words: str, status: int | None = None, what: str = "") -> Reading:
    what = what or f"the fulfillments of order {ORDER_ID}"
    message = f"{what} can't be looked up: {words}; nothing was written"
    return Reading(Meaning.NEVER_REACHED, "look-up-failed", message, status)


def order_of(*lines: dict[str, object], version: str = "2022-01", **more: object) -> Answer:
    return success(version, order={"id": ORDER_ID, "number": "1001", "line_items": list(lines), **more})


SHIPMENT = with_lines(BARE, MUG=2, TEA=1)
MUGS = {"id": "line-1", "sku": "MUG", "quantity": 3, "refund_quantity": 0}
TEAS = {"id": "line-2", "sku": "TEA", "quantity": 5, "refund_quantity_total": 2}

CARRIERS = [
    {"code": "dhl", "en_name": "DHL", "cn_name": "敦豪"},
    {"code": "dhl-de", "en_name": "DHL Paket", "cn_name": ""},
    {"code": "swiship-uk", "en_name": "Swiship UK", "cn_name": "Swiship UK"},
    {"code": "DJ-10001", "en_name": "CLE", "cn_name": "可络客国际物流"},
]

"""Shoplazza in the sandbox, in each version's shapes.

The examples are those of its page "Update Fulfillment".
"""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from msgspec import Struct
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Scope

from importer.sandbox import Faults, Received, Sandbox, Store
from importer.sandbox.bodies import BODY_LIMIT_BYTES
from importer.sandbox.desk import Desk, Shared
from importer.sandbox.kinds import End
from importer.sandbox.shoplazza import PATHS, Shoplazza
from importer.sandbox.shops import Bucket, Mail, Shop

AT = datetime(2024, 4, 22, 8, 37, 12, tzinfo=UTC)
CREATED_AT = "2024-04-22T08:37:12Z"
VERSIONS = ("2022-01", "2024-07", "2025-06", "2026-01", "2026-07")
WRAPPED = VERSIONS[2:]
TOKEN = "hush"  # noqa: S105 - the sandbox asks for it, nobody else does
LONG_ID = "2386979206088637521556"

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
DETAILS = {
    "product_id": "a1a88be0-a1d4-47e4-a2f2-ba6e131cf447",
    "variant_id": "a7175820-36b3-4fc6-9baf-51e3035242ba",
    "variant_title": "L-blue-T",
    "product_handle": "shirt",
    "note": "Special instructions",
    "weight_unit": "kg",
    "weight": "1.10",
    "vendor": "shoplazza",
    "product_url": "/products/shirt",
    "image": "//cdn.shoplazza.com/image.jpg",
    "price": "81.00",
    "compare_at_price": "97.00",
    "properties": [{"name": "size", "value": "L"}],
    "refund_total": "0.00",
    "taxable": True,
    "requires_shipping": True,
}
LINE = {
    "id": LINE_ID,
    **DETAILS,
    "product_title": "shirt",
    "quantity": 1,
    "fulfillment_status": "shipped",
    "sku": "T-M-L-blue-T-A001008",
    "total": "81.00",
    "refund_quantity": 0,
    "shipping_quantity": 1,
}
FULFILLMENT = {
    "id": "51c7dd5d-8f49-40c3-b2c1-5dfdeef9946d",
    "order_id": "633130-00000007",
    "status": "shipped",
    "tracking_company": "燕文物流",
    "tracking_number": "11111111111",
    "tracking_company_code": "DJ-11343",
    "tracking_url": "https://tracking.example.com",
    "created_at": CREATED_AT,
    "updated_at": CREATED_AT,
    "line_items": [LINE],
}
TRACKING = {name: FULFILLMENT[name] for name in FULFILLMENT if name.startswith("tracking")}
RECORD_NOT_FOUND = {"errors": ["Record not found"]}
INVALID_LINE = {"errors": ["invalid line_item id"]}
NOT_ACTIVE = {"error": "store is not active"}

# --- a shop that has them ------------------------------------------------------------------------------

CARRIERS = [
    {"code": "swiship-uk", "en_name": "Swiship UK", "cn_name": "Swiship UK"},
    {"code": "DJ-10001", "en_name": "CLE", "cn_name": "可络客国际物流"},
]
SHIRT = {"id": LINE_ID, "sku": LINE["sku"], "quantity": 1, "title": "shirt", **DETAILS}
SHIPPED_SHIRT = [{"id": LINE_ID, "quantity": 1}]
OPEN_LINES = [
    {"id": "mug", "sku": "MUG", "quantity": 3, "price": "4.50"},
    {"id": "tea", "sku": "TEA", "quantity": 5, "refund_quantity": 2},
    {"id": "cup", "sku": "CUP", "quantity": 1, "cancelled": True},
]
DOCUMENT = {
    "shoplazza": {
        "carriers": CARRIERS,
        "orders": [
            {
                "order_id": "633130-00000007",
                "number": "7",
                "line_items": [SHIRT],
                "fulfillments": [{"id": FULFILLMENT["id"], **TRACKING, "line_items": SHIPPED_SHIRT}],
            },
            {
                "order_id": ORDER_ID,
                "number": "12",
                "line_items": [SHIRT],
                "fulfillments": [{"id": FULFILLMENT_ID, "line_items": SHIPPED_SHIRT}],
            },
            {"order_id": LONG_ID, "number": "qwePCN74683zxc", "line_items": OPEN_LINES},
            {"order_id": "off", "number": "13", "status": "cancelled", "line_items": OPEN_LINES},
        ],
    }
}


class Clock:
    """Shows what it is set to."""

    def __init__(self) -> None:
        self.at = AT
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.at

    def __call__(self) -> float:
        return self.seconds


class Api(Struct):
    """A shop behind its endpoints, the store that remembers what came, and somebody who asks."""

    shop: Shop
    store: Store
    app: Starlette

    def ask(self, method: str, path: str, **kwargs: Any) -> httpx.Response:  # noqa: ANN401 - as httpx has them
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                return await client.request(method, f"/openapi/{path}", **kwargs)

        return asyncio.run(once())

    def get(self, path: str) -> tuple[int, Any]:
        return answered(self.ask("GET", path))

    def put(self, path: str, body: object) -> tuple[int, Any]:
        return answered(self.ask("PUT", path, json=body))

    def post(self, path: str, body: object) -> tuple[int, Any]:
        return answered(self.ask("POST", path, json=body))


def answered(response: httpx.Response) -> tuple[int, Any]:
    assert response.headers["request-id"]
    return response.status_code, response.json()


def api_of(shop: Shop, *args: Any, **kwargs: Any) -> Api:  # noqa: ANN401 - what Shoplazza takes
    store = Store.any_order(now=shop.now)
    desk = Desk(Shoplazza(shop, *args, **kwargs), Shared(store, Faults.none(), stay))
    return Api(shop, store, Starlette(routes=[Route(PATHS, desk)]))


def stay(_: Scope, __: End) -> None:
    """Nothing here hangs up."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shop(clock: Clock) -> Shop:
    return Shop.of(DOCUMENT, "shop.json", now=clock.now)


@pytest.fixture
def api(shop: Shop) -> Api:
    return api_of(shop)


def success(data: object) -> dict[str, object]:
    return {"code": "Success", "message": "", "data": data}


def as_data(version: str, content: object) -> object:
    """What a version makes of the content of a 2022-01 reply, the shapes of a fulfillment apart."""
    return content if version == "2022-01" else success(content)


def later(fulfillment: dict[str, Any], **changed: object) -> dict[str, Any]:
    """The same fulfillment, as the later versions say it."""
    lines = [
        {name if name != "shipping_quantity" else "ship_quantity": line[name] for name in line}
        for line in fulfillment["line_items"]
    ]
    return {**fulfillment, "line_items": lines, **changed}


def tracked(fulfillment: dict[str, Any]) -> list[dict[str, Any]]:
    return [{name: fulfillment[name] for name in TRACKING}]


def shown(version: str, fulfillment: dict[str, Any]) -> dict[str, Any]:
    """A fulfillment as a version says it."""
    if version == "2022-01":
        return fulfillment
    return later(fulfillment, **({"tracking_items": tracked(fulfillment)} if version == "2024-07" else {}))


def written(version: str, fulfillment: dict[str, Any]) -> object:
    """The reply of a version to what created or changed a fulfillment."""
    shape = shown(version, fulfillment)
    return as_data(version, shape if version == "2024-07" else {"fulfillment": shape})


def refused(version: str, message: str, code: str = "InvalidParameter") -> dict[str, object]:
    return {"errors": [message]} if version == "2022-01" else {"code": code, "message": message}


def invalid(version: str) -> int:
    return 400 if version in WRAPPED else 422


def body_of(version: str, line_items: list[dict[str, Any]], tracking_number: str) -> dict[str, Any]:
    """What creates a fulfillment in a version; the line items as in 2022-01."""
    if version == "2024-07":
        names = {"id": "line_item_id", "ship_quantity": "quantity"}
        items = [{names[name]: item[name] for name in item} for item in line_items]
        return {"line_items": items, "tracking_items": [{"tracking_number": tracking_number}]}
    flat = {"line_items": line_items, "tracking_number": tracking_number}
    return {"fulfillment": flat} if version in WRAPPED else flat


def change_of(version: str, body: dict[str, Any]) -> dict[str, Any]:
    """What changes a fulfillment in a version; the body as in 2022-01."""
    if version == "2024-07":
        item = {name: value for name, value in body.items() if name != "send_email"}
        return {"tracking_items": [item]} | {name: body[name] for name in body if name == "send_email"}
    return {"fulfillment": body} if version in WRAPPED else body


# --- the examples of the document ----------------------------------------------------------------------


def test_the_example_of_the_document_is_answered_with_every_field_it_lists(api: Api, clock: Clock) -> None:
    path = f"2022-01/orders/{ORDER_ID}/fulfillments/{FULFILLMENT_ID}"
    clock.at = AT + timedelta(minutes=5)
    sent = {name: value for name, value in BODY.items() if name != "send_email"}
    changed = {**FULFILLMENT, "id": FULFILLMENT_ID, "order_id": ORDER_ID, **sent}
    changed["updated_at"] = "2024-04-22T08:42:12Z"
    assert api.put(path, BODY) == (200, {"fulfillment": changed})
    assert api.shop.mails == [Mail(ORDER_ID, FULFILLMENT_ID, "DHL1231232113", clock.at)]
    assert api.get(path) == (200, {"fulfillment": changed})


def test_the_example_values_of_the_answer_are_answered(api: Api) -> None:
    path = f"2022-01/orders/633130-00000007/fulfillments/{FULFILLMENT['id']}"
    assert api.get(path) == (200, {"fulfillment": FULFILLMENT})
    assert api.put(path, {}) == (200, {"fulfillment": FULFILLMENT})
    assert api.shop.mails == []


@pytest.mark.parametrize(("name", "value"), BODY.items())
def test_each_field_of_the_document_may_come_alone(api: Api, name: str, value: object) -> None:
    path = f"2022-01/orders/633130-00000007/fulfillments/{FULFILLMENT['id']}"
    changed = FULFILLMENT if name == "send_email" else {**FULFILLMENT, name: value}
    assert api.put(path, {name: value}) == (200, {"fulfillment": changed})
    assert len(api.shop.mails) == (name == "send_email")


@pytest.mark.parametrize(
    "path",
    [
        f"orders/633130-00000007/fulfillments/{FULFILLMENT_ID}",
        f"orders/{ORDER_ID}/fulfillments/other",
        f"orders/other/fulfillments/{FULFILLMENT_ID}",
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_an_order_or_fulfillment_that_does_not_exist_is_not_found(api: Api, version: str, path: str) -> None:
    later_words = {"code": "RecordNotFound", "message": "Record not found"}
    words = RECORD_NOT_FOUND if version == "2022-01" else later_words
    assert api.put(f"{version}/{path}", change_of(version, BODY)) == (404, words)
    assert api.get(f"{version}/{path}") == (404, words)
    assert api.ask("POST", f"{version}/{path}/cancel").json() == words
    assert api.shop.mails == []


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({"Content-Type": "application/json"}, b"{tracking_number: 1}"),
        ({"Content-Type": "application/json"}, b""),
        ({"Content-Type": "application/json"}, b'{"tracking_number": NaN}'),
        ({"Content-Type": "application/json"}, b'{"tracking_number": 1e999}'),
        ({"Content-Type": "application/json"}, b'{"tracking_number": "\xff"}'),
        ({"Content-Type": "application/json"}, b"[" * 100_000),
        ({"Content-Type": "text/plain"}, b"{}"),
        ({}, b"{}"),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_no_json_is_a_bad_request(
    api: Api, version: str, headers: dict[str, str], content: bytes
) -> None:
    path = f"{version}/orders/{ORDER_ID}/fulfillments/{FULFILLMENT_ID}"
    answer = api.ask("PUT", path, content=content, headers=headers)
    assert answer.status_code == 400
    assert answer.headers["request-id"]
    if version == "2022-01":
        assert (answer.headers["content-type"], answer.text) == ("text/plain; charset=utf-8", "Bad Request")
    else:
        assert answer.json()["code"] == "BadRequest"


@pytest.mark.parametrize("headers", [{}, {"access-token": "else"}, {"Authorization": f"Bearer {TOKEN}"}])
@pytest.mark.parametrize("status", [401, 400])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_request_without_the_token_is_unauthorized(
    shop: Shop, version: str, status: int, headers: dict[str, str]
) -> None:
    api = api_of(shop, TOKEN, unauthorized_status=status)
    answer = api.ask("GET", f"{version}/orders/{ORDER_ID}", headers=headers)
    assert answer.status_code == status
    if version == "2022-01":
        assert (answer.headers["content-type"], answer.text) == ("text/plain; charset=utf-8", "Unauthorized")
    else:
        assert answer.json() == {"code": "Unauthorized", "message": "Unauthorized"}
    assert api.ask("GET", f"{version}/orders/{ORDER_ID}", headers={"Access-Token": TOKEN}).status_code == 200


@pytest.mark.parametrize("status", [403, 400])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_store_that_is_not_active_says_so(shop: Shop, version: str, status: int) -> None:
    api = api_of(shop, inactive_status=status)
    shop.active = False
    words = NOT_ACTIVE if version == "2022-01" else refused(version, "store is not active", "StoreNotActive")
    path = f"{version}/orders/{ORDER_ID}/fulfillments/{FULFILLMENT_ID}"
    assert api.put(path, change_of(version, BODY)) == (status, words)
    assert shop.mails == []
    shop.active = True
    assert api.put(path, change_of(version, BODY))[0] == 200


def test_a_line_that_the_order_does_not_have_is_an_invalid_line_item_id(api: Api) -> None:
    body = {"line_item_ids": [LINE_ID], "tracking_number": "T-1"}
    assert api.post(f"2022-01/orders/{LONG_ID}/fulfillments", body) == (422, INVALID_LINE)


# --- updating ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_an_update_is_answered_in_the_shape_of_its_version(api: Api, version: str) -> None:
    path = f"{version}/orders/633130-00000007/fulfillments/{FULFILLMENT['id']}"
    sent = {name: value for name, value in BODY.items() if name != "send_email"}
    reply = written(version, {**FULFILLMENT, **sent})
    assert [api.put(path, change_of(version, BODY)) for _ in range(2)] == [(200, reply)] * 2
    mail = Mail("633130-00000007", str(FULFILLMENT["id"]), "DHL1231232113", AT)
    assert api.shop.mails == [mail, mail]


@pytest.mark.parametrize("send_email", [{}, {"send_email": False}])
@pytest.mark.parametrize("version", VERSIONS)
def test_an_update_that_does_not_ask_for_it_mails_nobody(
    api: Api, version: str, send_email: dict[str, bool]
) -> None:
    path = f"{version}/orders/{ORDER_ID}/fulfillments/{FULFILLMENT_ID}"
    assert api.put(path, change_of(version, {"tracking_number": "T-1", **send_email}))[0] == 200
    assert api.shop.mails == []


@pytest.mark.parametrize(
    ("version", "body", "words"),
    [
        ("2022-01", [], "the body: found [], expected an object with {fields}, send_email"),
        ("2022-01", {"send_email": "true"}, 'send_email: found "true", expected true or false'),
        ("2022-01", {"send_email": 1}, "send_email: found 1, expected true or false"),
        (
            "2022-01",
            {"tracking_number": 11111111111},
            "tracking_number: found 11111111111, expected a string",
        ),
        ("2022-01", {"tracking_url": None}, "tracking_url: found null, expected a string"),
        (
            "2022-01",
            {"fulfillment": {}},
            'the body: found "fulfillment", expected no other members than {fields}, send_email',
        ),
        (
            "2022-01",
            {"line_items": []},
            'the body: found "line_items", expected no other members than {fields}, send_email',
        ),
        ("2024-07", {}, "tracking_items: found nothing, expected an array of at least one object"),
        (
            "2024-07",
            {"tracking_number": "T-1"},
            (
                'the body: found "tracking_number", expected no other members than '
                "line_items, tracking_items, phone_number, send_email"
            ),
        ),
        (
            "2024-07",
            {"tracking_items": [{"tracking_number": "T-1"}, {"tracking_url": ""}]},
            "tracking_items[1].tracking_number: found nothing, expected a string that is not empty",
        ),
        (
            "2024-07",
            {
                "tracking_items": [
                    {"tracking_number": number, "tracking_company": company}
                    for number, company in (("T-1", "DHL"), ("T-2", "UPS"))
                ]
            },
            'tracking_items: found ["DHL", "UPS"], expected the same tracking_company in each',
        ),
        (
            "2024-07",
            {
                "tracking_items": [{"tracking_number": "T-1"}],
                "line_items": [{"line_item_id": "a", "quantity": -1}],
            },
            "line_items[0].quantity: found -1, expected a whole number from 0 on",
        ),
        *(
            (version, body, words)
            for version in WRAPPED
            for body, words in (
                (
                    {"tracking_number": "T-1"},
                    'the body: found "tracking_number", expected no other members than fulfillment',
                ),
                ({}, "fulfillment: found nothing, expected an object"),
                ({"fulfillment": []}, "fulfillment: found [], expected an object"),
                (
                    {"fulfillment": {"tracking_number": ""}},
                    'fulfillment.tracking_number: found "", expected a string that is not empty',
                ),
                (
                    {"fulfillment": {"send_email": "true"}},
                    'fulfillment.send_email: found "true", expected true or false',
                ),
                (
                    {"fulfillment": {"line_items": []}},
                    (
                        'fulfillment: found "line_items", expected no other members than '
                        "{fields}, phone_number, send_email"
                    ),
                ),
                (
                    {"fulfillment": {}, "send_email": True},
                    'the body: found "send_email", expected no other members than fulfillment',
                ),
            )
        ),
    ],
)
def test_an_update_that_is_not_as_documented_changes_nothing(
    api: Api, version: str, body: object, words: str
) -> None:
    path = f"{version}/orders/{ORDER_ID}/fulfillments/{FULFILLMENT_ID}"
    before = api.get(path)
    fields = "tracking_number, tracking_company, tracking_company_code, tracking_url"
    message = words.format(fields=fields) if "{fields}" in words else words
    assert api.put(path, body) == (invalid(version), refused(version, message))
    assert api.get(path) == before
    assert api.shop.mails == []


def test_2024_07_puts_several_numbers_of_one_company_on_a_fulfillment(api: Api) -> None:
    path = f"orders/{ORDER_ID}/fulfillments/{FULFILLMENT_ID}"
    items = [{**tracked(FULFILLMENT)[0], "tracking_number": number} for number in ("T-1", "T-2")]
    lines = [{"line_item_id": LINE_ID, "quantity": 1}]
    body = {"tracking_items": items, "line_items": lines, "phone_number": "+8613800138000"}
    changed = {**FULFILLMENT, "id": FULFILLMENT_ID, "order_id": ORDER_ID, "tracking_number": "T-1"}
    reply = success(later(changed, tracking_items=items))
    assert api.put(f"2024-07/{path}", body) == (200, reply)
    # the others show the first, and the order shows them all
    assert api.get(f"2026-01/{path}") == (200, success({"fulfillment": later(changed)}))
    _, found = api.get(f"2026-01/orders/{ORDER_ID}")
    assert found["data"]["order"]["fulfillments"] == [later(changed, tracking_items=items)]


# --- creating and cancelling ---------------------------------------------------------------------------


def of_mugs(fulfillment_id: str, units: int, tracking_number: str, status: str) -> dict[str, Any]:
    """A fulfillment with mugs, as 2022-01 says it but for what the customer reads of a line."""
    return {
        "id": fulfillment_id,
        "order_id": LONG_ID,
        "status": "shipped",
        "tracking_number": tracking_number,
        "line_items": [
            {
                "id": "mug",
                "sku": "MUG",
                "quantity": 3,
                "total": f"{units * 4.5:.2f}",
                "fulfillment_status": status,
                "refund_quantity": 0,
                "shipping_quantity": units,
            }
        ],
    }


def bare(fulfillment: dict[str, Any]) -> dict[str, Any]:
    """A fulfillment without what the customer reads, in the words of 2022-01."""
    names = ("id", "sku", "quantity", "total", "fulfillment_status", "refund_quantity", "shipping_quantity")
    lines = [{"shipping_quantity": line.get("ship_quantity"), **line} for line in fulfillment["line_items"]]
    return {
        **{name: fulfillment[name] for name in ("id", "order_id", "status", "tracking_number")},
        "line_items": [{name: line[name] for name in names} for line in lines],
    }


def fulfillment_in(version: str, reply: dict[str, Any]) -> dict[str, Any]:
    """The fulfillment in the reply to what wrote it."""
    data = reply if version == "2022-01" else reply["data"]
    found: dict[str, Any] = data if version == "2024-07" else data["fulfillment"]
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_a_fulfillment_is_created_listed_counted_and_cancelled(api: Api, version: str) -> None:
    path = f"{version}/orders/{LONG_ID}/fulfillments"
    status, reply = api.post(path, body_of(version, [{"id": "mug", "ship_quantity": 2}], "T-1"))
    created = fulfillment_in(version, reply)
    assert (status, bare(created)) == (200, of_mugs(created["id"], 2, "T-1", "partially_shipped"))
    assert api.get(f"{path}/{created['id']}") == (200, as_data(version, {"fulfillment": created}))
    assert api.get(f"{path}/count") == (200, as_data(version, {"count": 1}))
    end = {"cursor": "", "has_more": None} if version in WRAPPED else {}
    assert api.get(path) == (200, as_data(version, {"fulfillments": [created], **end}))

    cancelled = {**created, "status": "cancelled"}
    cancelled["line_items"] = [{**created["line_items"][0], "fulfillment_status": "initialled"}]
    answer = answered(api.ask("POST", f"{path}/{created['id']}/cancel"))
    assert (answer[0], fulfillment_in(version, answer[1])) == (200, cancelled)
    assert api.post(path, body_of(version, [{"id": "mug", "ship_quantity": 3}], "T-2"))[0] == 200
    assert api.get(f"{path}/count") == (200, as_data(version, {"count": 2}))


@pytest.mark.parametrize("quantity", [{}, {"ship_quantity": 0}])
@pytest.mark.parametrize("version", VERSIONS)
def test_0_and_no_quantity_ship_all_that_remains_of_a_line(
    api: Api, version: str, quantity: dict[str, int]
) -> None:
    path = f"{version}/orders/{LONG_ID}/fulfillments"
    api.post(path, body_of(version, [{"id": "mug", "ship_quantity": 1}], "T-1"))
    _, reply = api.post(path, body_of(version, [{"id": "mug", **quantity}], "T-2"))
    created = fulfillment_in(version, reply)
    assert bare(created) == of_mugs(created["id"], 2, "T-2", "shipped")
    message = "line_item mug: all asked for, 0 left to ship"
    again = api.post(path, body_of(version, [{"id": "mug", **quantity}], "T-3"))
    assert again == (invalid(version), refused(version, message))


def test_2022_01_ships_lines_by_their_ids_alone(api: Api) -> None:
    body = {"line_item_ids": ["mug", "tea"], "tracking_number": "T-1"}
    status, reply = api.post(f"2022-01/orders/{LONG_ID}/fulfillments", body)
    lines = reply["fulfillment"]["line_items"]
    assert (status, [(line["id"], line["shipping_quantity"]) for line in lines]) == (
        200,
        [("mug", 3), ("tea", 3)],
    )


@pytest.mark.parametrize(
    ("order_id", "line", "words"),
    [
        (LONG_ID, {"id": "mug", "ship_quantity": 4}, "line_item mug: 4 asked for, 3 left to ship"),
        (LONG_ID, {"id": "tea", "ship_quantity": 4}, "line_item tea: 4 asked for, 3 left to ship"),
        (LONG_ID, {"id": "cup", "ship_quantity": 1}, "line_item cup: 1 asked for, 0 left to ship"),
        ("off", {"id": "mug", "ship_quantity": 1}, "line_item mug: 1 asked for, 0 left to ship"),
        (LONG_ID, {"id": "MUG", "ship_quantity": 1}, "invalid line_item id"),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_more_than_remains_is_refused_and_ships_nothing(
    api: Api, version: str, order_id: str, line: dict[str, Any], words: str
) -> None:
    path = f"{version}/orders/{order_id}/fulfillments"
    body = body_of(version, [{"id": "mug", "ship_quantity": 1}, line], "T-1")
    if line["id"] == "mug":
        body = body_of(version, [line], "T-1")
    assert api.post(path, body) == (invalid(version), refused(version, words))
    assert api.get(f"{path}/count") == (200, as_data(version, {"count": 0}))


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_posted_twice_ships_twice_whatever_its_idempotency_key(api: Api, version: str) -> None:
    path = f"{version}/orders/{LONG_ID}/fulfillments"
    body = body_of(version, [{"id": "mug", "ship_quantity": 2}], "T-1")
    more = body_of(version, [{"id": "tea", "ship_quantity": 1}], "T-1")
    statuses = [
        api.ask("POST", path, json=each, headers={"Idempotency-Key": "same"}).status_code
        for each in (more, more, body, body)
    ]
    assert statuses == [200, 200, 200, invalid(version)]
    assert len(api.shop.order(LONG_ID).fulfillments) == 3


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_created_for_an_order_that_does_not_exist(api: Api, version: str) -> None:
    body = body_of(version, [{"id": "mug"}], "T-1")
    words = refused(version, "Record not found", "RecordNotFound")
    assert api.post(f"{version}/orders/other/fulfillments", body) == (404, words)


FIELDS = "tracking_number, tracking_company, tracking_company_code, tracking_url"
MUG = [{"id": "mug", "ship_quantity": 1}]


@pytest.mark.parametrize(
    ("version", "body", "words"),
    [
        (
            "2022-01",
            {"line_items": MUG},
            "tracking_number: found nothing, expected a string that is not empty",
        ),
        (
            "2022-01",
            {"line_items": MUG, "tracking_number": ""},
            'tracking_number: found "", expected a string that is not empty',
        ),
        (
            "2022-01",
            {"tracking_number": "T-1"},
            'the body: found ["tracking_number"], expected either line_item_ids or line_items',
        ),
        (
            "2022-01",
            {"tracking_number": "T-1", "line_items": MUG, "line_item_ids": ["mug"]},
            (
                'the body: found ["line_item_ids", "line_items", "tracking_number"], '
                "expected either line_item_ids or line_items"
            ),
        ),
        (
            "2022-01",
            {"tracking_number": "T-1", "line_items": [{"id": "mug", "quantity": 1}]},
            'line_items[0]: found "quantity", expected no other members than id, ship_quantity',
        ),
        (
            "2022-01",
            {"tracking_number": "T-1", "line_items": [{"id": "mug", "ship_quantity": "1"}]},
            'line_items[0].ship_quantity: found "1", expected a whole number from 0 on',
        ),
        (
            "2022-01",
            {"tracking_number": "T-1", "line_items": [{"ship_quantity": 1}]},
            "line_items[0].id: found nothing, expected a string that is not empty",
        ),
        (
            "2022-01",
            {"tracking_number": "T-1", "line_items": MUG, "send_email": True},
            (
                'the body: found "send_email", expected no other members than '
                f"line_item_ids, line_items, {FIELDS}"
            ),
        ),
        (
            "2024-07",
            {"line_items": [{"line_item_id": "mug", "quantity": 1}]},
            "tracking_items: found nothing, expected an array of at least one object",
        ),
        (
            "2024-07",
            {"tracking_items": [{"tracking_number": "T-1"}]},
            "line_items: found nothing, expected an array of at least one object",
        ),
        *(
            (version, body, words)
            for version in WRAPPED
            for body, words in (
                (
                    {"line_items": MUG, "tracking_number": "T-1"},
                    'the body: found "line_items", expected no other members than fulfillment',
                ),
                (
                    {"fulfillment": {"tracking_number": "T-1"}},
                    "fulfillment.line_items: found nothing, expected an array of at least one object",
                ),
                (
                    {"fulfillment": {"line_items": []}},
                    "fulfillment.line_items: found [], expected an array of at least one object",
                ),
                (
                    {"fulfillment": {"line_item_ids": ["mug"]}},
                    (
                        'fulfillment: found "line_item_ids", expected no other members than '
                        f"line_items, {FIELDS}, phone_number"
                    ),
                ),
                (
                    {"fulfillment": {"line_items": [{"id": "mug", "ship_quantity": 1.0}]}},
                    "fulfillment.line_items[0].ship_quantity: found 1.0, expected a whole number from 0 on",
                ),
            )
        ),
    ],
)
def test_what_is_not_as_documented_creates_nothing(api: Api, version: str, body: object, words: str) -> None:
    path = f"{version}/orders/{LONG_ID}/fulfillments"
    assert api.post(path, body) == (invalid(version), refused(version, words))
    assert api.shop.order(LONG_ID).fulfillments == ()


@pytest.mark.parametrize("version", WRAPPED)
def test_from_2025_06_on_a_fulfillment_needs_no_tracking_number(api: Api, version: str) -> None:
    body = {"fulfillment": {"line_items": MUG, "phone_number": "+8613800138000"}}
    status, reply = api.post(f"{version}/orders/{LONG_ID}/fulfillments", body)
    assert (status, reply["data"]["fulfillment"]["tracking_number"]) == (200, "")


# --- pages ---------------------------------------------------------------------------------------------


@pytest.fixture
def many(clock: Clock) -> Api:
    """An order with 260 fulfillments."""
    fulfillments = [{"id": f"f{number}", "line_items": []} for number in range(260)]
    order = {"order_id": "1", "number": "1", "line_items": [], "fulfillments": fulfillments}
    return api_of(Shop.of({"shoplazza": {"orders": [order]}}, "shop.json", now=clock.now))


def numbers(page: dict[str, Any]) -> list[int]:
    return [int(each["id"].removeprefix("f")) for each in page["fulfillments"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", range(50)),
        ("?page=2", range(50, 100)),
        ("?limit=250", range(250)),
        ("?page=2&limit=250", range(250, 260)),
        ("?page=3&limit=250", range(0)),
        ("?page_size=1&cursor=x&ids=f3&created_at_min=2030-01-01T00:00:00Z", range(50)),
    ],
)
@pytest.mark.parametrize("version", VERSIONS[:2])
def test_until_2024_07_lists_go_by_page_and_limit(
    many: Api, version: str, query: str, expected: range
) -> None:
    status, reply = many.get(f"{version}/orders/1/fulfillments{query}")
    page = reply if version == "2022-01" else reply["data"]
    assert (status, list(page), numbers(page)) == (200, ["fulfillments"], list(expected))


@pytest.mark.parametrize("version", WRAPPED)
def test_from_2025_06_on_lists_go_by_cursor(many: Api, version: str) -> None:
    path = f"{version}/orders/1/fulfillments"
    assert numbers(many.get(path)[1]["data"]) == list(range(10))
    assert numbers(many.get(f"{path}?page=2&limit=50")[1]["data"]) == list(range(10))
    pages = [many.get(f"{path}?page_size=100")[1]["data"]]
    while pages[-1]["has_more"]:
        pages.append(many.get(f"{path}?page_size=100&cursor={pages[-1]['cursor']}")[1]["data"])
    assert [numbers(page) for page in pages] == [
        list(range(start, end)) for start, end in pairwise((0, 100, 200, 260))
    ]
    assert [page["has_more"] for page in pages] == [True, True, None]
    assert pages[-1]["cursor"] == ""


@pytest.mark.parametrize(
    ("version", "query", "words"),
    [
        *(
            (version, query, words)
            for version in VERSIONS[:2]
            for query, words in (
                ("limit=251", 'limit: found "251", expected a whole number from 1 to 250'),
                ("limit=0", 'limit: found "0", expected a whole number from 1 to 250'),
                ("page=first", 'page: found "first", expected a whole number from 1 to 1000000000'),
            )
        ),
        *(
            (version, query, words)
            for version in WRAPPED
            for query, words in (
                ("page_size=251", 'page_size: found "251", expected a whole number from 1 to 250'),
                ("cursor=x", 'cursor: found "x", expected one that an answer had'),
            )
        ),
    ],
)
def test_a_page_that_can_not_be_is_refused(many: Api, version: str, query: str, words: str) -> None:
    answer = many.get(f"{version}/orders/1/fulfillments?{query}")
    assert answer == (invalid(version), refused(version, words))


# --- orders and carriers -------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_an_order_is_found_by_its_id_and_by_its_number(api: Api, version: str) -> None:
    path = f"{version}/orders/{LONG_ID}"
    api.post(f"{path}/fulfillments", body_of(version, MUG, "T-1"))
    status, reply = api.get(path)
    order = reply["order"] if version == "2022-01" else reply["data"]["order"]
    assert (status, as_data(version, {"order": order})) == (200, reply)
    assert [order[name] for name in ("id", "number", "status", "fulfillment_status")] == [
        LONG_ID,
        "qwePCN74683zxc",
        "placed",
        "partially_shipped",
    ]
    refunded = "refund_quantity_total" if version in WRAPPED else "refund_quantity"
    names = ("id", "sku", "quantity", refunded, "fulfillment_status", "total")
    assert [tuple(line[name] for name in names) for line in order["line_items"]] == [
        ("mug", "MUG", 3, 0, "partially_shipped", "13.50"),
        ("tea", "TEA", 5, 2, "initialled", "0.00"),
        ("cup", "CUP", 1, 0, "cancelled", "0.00"),
    ]
    [fulfillment] = order["fulfillments"]
    assert bare(fulfillment) == of_mugs(fulfillment["id"], 1, "T-1", "partially_shipped")
    assert ("tracking_items" in fulfillment) == (version != "2022-01")
    assert api.get(f"{version}/orders/number/qwePCN74683zxc") == (200, reply)


@pytest.mark.parametrize("path", ["orders/other", "orders/number/other", f"orders/number/{LONG_ID}"])
@pytest.mark.parametrize("version", VERSIONS)
def test_an_order_that_does_not_exist_is_not_found(api: Api, version: str, path: str) -> None:
    words = refused(version, "Record not found", "RecordNotFound")
    assert api.get(f"{version}/{path}") == (404, words)


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_has_its_own_path_to_the_carriers(api: Api, version: str) -> None:
    paths = ["tracking-codes", "tracking/carriers"]
    here, elsewhere = paths if version == "2022-01" else paths[::-1]
    assert api.get(f"{version}/{here}") == (200, as_data(version, {"tracking_carriers": CARRIERS}))
    assert api.ask("GET", f"{version}/{elsewhere}").status_code == 404


def test_a_shop_of_any_order_takes_what_it_is_sent(clock: Clock) -> None:
    api = api_of(Shop.any_order(now=clock.now))
    order = f"2022-01/orders/{LONG_ID}"
    assert api.get(f"{order}/fulfillments") == (200, {"fulfillments": []})
    assert api.get(order)[1]["order"]["line_items"] == []
    status, reply = api.put(f"{order}/fulfillments/{FULFILLMENT_ID}", BODY)
    sent = {name: value for name, value in BODY.items() if name != "send_email"}
    made = {**FULFILLMENT, "id": FULFILLMENT_ID, "order_id": LONG_ID, **sent, "line_items": []}
    assert (status, reply) == (200, {"fulfillment": made})
    assert api.get(f"{order}/fulfillments") == (200, {"fulfillments": [made]})


# --- who may ask what, where, and how often ------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_token_without_the_scope_may_not(clock: Clock, version: str) -> None:
    only_read = {"shoplazza": {**DOCUMENT["shoplazza"], "scopes": ["read_order"]}}
    api = api_of(Shop.of(only_read, "shop.json", now=clock.now))
    path = f"{version}/orders/{ORDER_ID}/fulfillments"
    words = refused(version, "the token lacks the scope write_order", "Forbidden")
    assert api.put(f"{path}/{FULFILLMENT_ID}", change_of(version, BODY)) == (403, words)
    assert api.post(path, body_of(version, MUG, "T-1")) == (403, words)
    assert answered(api.ask("POST", f"{path}/{FULFILLMENT_ID}/cancel")) == (403, words)
    assert api.get(f"{path}/count")[0] == 200
    assert api.shop.mails == []


@pytest.mark.parametrize("version", VERSIONS)
def test_over_the_bucket_it_is_429_until_it_has_leaked(shop: Shop, clock: Clock, version: str) -> None:
    api = api_of(shop, bucket=Bucket(clock=clock))
    path = f"{version}/orders/{ORDER_ID}/fulfillments/{FULFILLMENT_ID}"
    assert {api.get(path)[0] for _ in range(40)} == {200}
    over = api.ask("PUT", path, json=change_of(version, BODY))
    words = refused(version, "Too Many Requests", "TooManyRequests")
    assert (answered(over), over.headers["retry-after"]) == ((429, words), "1")
    assert shop.mails == []
    clock.seconds = 0.5
    assert [api.get(path)[0] for _ in range(2)] == [200, 429]


def test_the_wait_is_told_in_whole_seconds_or_not_at_all(shop: Shop, clock: Clock) -> None:
    for told, expected in ((True, "3"), (False, None)):
        api = api_of(shop, bucket=Bucket(1, 0.4, clock=clock), retry_after=told)
        answers = [api.ask("GET", f"2022-01/orders/{ORDER_ID}") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert answers[1].headers.get("retry-after") == expected


def test_a_request_that_is_not_let_in_does_not_fill_the_bucket(shop: Shop, clock: Clock) -> None:
    api = api_of(shop, TOKEN, Bucket(1, clock=clock))
    assert {api.ask("GET", f"2022-01/orders/{ORDER_ID}").status_code for _ in range(3)} == {401}
    answer = api.ask("GET", f"2022-01/orders/{ORDER_ID}", headers={"access-token": TOKEN})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "2023-01/orders/1",
        "",
        "2022-01",
        "2022-01/orders",
        "2022-01/orders/",
        "2022-01/orders/1/fulfillments/",
    ],
)
def test_a_path_or_a_version_that_is_not_served_is_not_found(api: Api, path: str) -> None:
    answer = api.ask("GET", path)
    assert (answer.status_code, answer.text) == (404, "Not Found")
    assert answer.headers["request-id"]


def test_a_method_that_is_not_served_is_not_allowed(api: Api) -> None:
    path = f"orders/{ORDER_ID}/fulfillments/{FULFILLMENT_ID}"
    early, late = (api.ask("DELETE", f"{version}/{path}") for version in ("2022-01", "2026-01"))
    assert (early.status_code, early.text, early.headers["allow"]) == (405, "Method Not Allowed", "GET, PUT")
    words = "DELETE: found no such method there, expected GET, PUT"
    assert (late.status_code, late.json()) == (405, {"code": "MethodNotAllowed", "message": words})


def test_a_body_without_end_is_not_read_to_its_end(api: Api) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(2 * BODY_LIMIT_BYTES // 100_000):
            yield b" " * 100_000

    async def once() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(api.app)) as client:
            url = f"http://shop/openapi/2022-01/orders/{ORDER_ID}/fulfillments"
            return await client.post(url, content=endless(), headers={"Content-Type": "application/json"})

    answer = asyncio.run(once())
    assert (answer.status_code, answer.text) == (413, "Payload Too Large")


# --- what is remembered --------------------------------------------------------------------------------


def test_a_request_is_remembered_with_its_answer_and_without_its_token(shop: Shop) -> None:
    api = api_of(shop, TOKEN)
    path = f"/openapi/2022-01/orders/{ORDER_ID}/fulfillments/{FULFILLMENT_ID}"
    headers = {"access-token": TOKEN, "Idempotency-Key": "k-1", "User-Agent": "test/1"}
    for body in (BODY, {"send_email": "true"}):
        api.ask("PUT", path.removeprefix("/openapi/"), json=body, headers=headers)
    words = 'send_email: found "true", expected true or false'
    code = "InvalidParameter"
    wrong = {"send_email": "true"}
    named = [f"{ORDER_ID}/DHL1231232113", f"{ORDER_ID}/{FULFILLMENT_ID}"]
    assert list(api.store.requests) == [
        Received(AT, "PUT", path, 200, BODY, "", "", "k-1", "test/1", fulfillment=named[0]),
        Received(AT, "PUT", path, 422, wrong, code, words, "k-1", "test/1", fulfillment=named[1]),
    ]


def test_of_a_long_body_only_the_length_is_remembered(api: Api) -> None:
    api.ask("POST", "2022-01/orders/1/fulfillments", json=["x" * 20_000])
    assert [(each.status, each.body) for each in api.store.requests] == [(422, "(20004 bytes)")]


def test_each_answer_has_a_request_id_of_its_own(api: Api) -> None:
    ids = [api.ask("GET", path).headers["request-id"] for path in ("2022-01/orders/1", "x", "")]
    assert len(set(ids)) == 3


# --- over a connection ---------------------------------------------------------------------------------


@pytest.mark.parametrize("strange", [LONG_ID, "a/b", "#1 ?%", "咖啡", "..", "fulfillments"])
def test_an_id_comes_through_a_path_as_it_is(clock: Clock, strange: str) -> None:
    fulfillment = {"id": strange, "line_items": []}
    order = {"order_id": strange, "number": strange, "line_items": [], "fulfillments": [fulfillment]}
    shop = Shop.of({"shoplazza": {"orders": [order]}}, "shop.json", now=clock.now)
    quoted = "%2E%2E" if strange == ".." else quote(strange, safe="")  # a client resolves bare dots
    with (
        Sandbox(Store.any_order(), shop=shop) as sandbox,
        httpx.Client(base_url=sandbox.url, trust_env=False) as client,
    ):
        one = client.put(f"/openapi/2022-01/orders/{quoted}/fulfillments/{quoted}", json=BODY)
        number = client.get(f"/openapi/2022-01/orders/number/{quoted}")
    assert (one.status_code, one.json()["fulfillment"]["id"]) == (200, strange)
    assert (number.status_code, number.json()["order"]["id"]) == (200, strange)
    assert [mail.order_id for mail in shop.mails] == [strange]


def test_half_a_surrogate_pair_is_taken_and_given_back(api: Api) -> None:
    path = f"2022-01/orders/{ORDER_ID}/fulfillments/{FULFILLMENT_ID}"
    body = b'{"tracking_company": "\\ud800"}'
    answer = api.ask("PUT", path, content=body, headers={"Content-Type": "application/json"})
    assert json.loads(answer.content)["fulfillment"]["tracking_company"] == "\ud800"

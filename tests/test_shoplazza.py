"""What Shoplazza is asked and told, in each version, and what each of its answers means.

The examples are those of its page "Update Fulfillment".
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace
from starlette.requests import Request as Heard

from importer.destinations.shoplazza.remote import Remote, Shipped, fulfillment
from importer.destinations.shoplazza.versions import VERSIONS
from importer.model import (
    Answer,
    Fulfillment,
    Meaning,
    NoAnswer,
    OrderPart,
    Reach,
    Reading,
    Request,
    Write,
)
from importer.sandbox.shoplazza import Shoplazza as Sandbox
from importer.sandbox.shops import Bucket, Shop
from importer.settings import SHOPLAZZA_VERSIONS, Secret
from tests.shoplazza import (
    BARE,
    BODY,
    CARRIERS,
    DOCUMENTED,
    FULFILLMENT_ID,
    LINE_ID,
    MAIL_ALONE,
    MINIMAL,
    MUGS,
    NAMED,
    NOT_FOUND,
    NOT_KNOWN,
    NUMBER,
    ORDER_ID,
    PARCEL,
    REMOTE,
    SHIPMENT,
    TEAS,
    TEXT,
    TOKEN,
    TRACKING,
    URL,
    WRAPPED,
    answer,
    body_of,
    echo,
    follow,
    led_by,
    listing,
    order_of,
    reading_of,
    shoplazza,
    success,
    there,
    updated,
    with_lines,
    write_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from importer.destinations.shoplazza import Shoplazza

# --- what an update sends ------------------------------------------------------------------------------


def test_the_request_is_the_documents_example() -> None:
    write = write_of(shoplazza().plan(DOCUMENTED, 1, ()))
    assert write.request == Request(
        "PUT",
        "https://shop.myshoplaza.com/openapi/2022-01/orders/633130-00000012"
        "/fulfillments/49a731b0-1b7e-47c3-94d9-6d688f36201e",
        {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": f"fulfillment-importer/{version('fulfillment-importer')} (+python)",
            "Idempotency-Key": "71616578bfbce0bdb07eb0d9dad712b0dc284678ba6c8c669ca333840569e99b",
        },
        json.dumps(BODY, separators=(",", ":")).encode(),
    )
    assert (dict(write.takes), write.mails) == ({FULFILLMENT_ID: 1}, True)


def test_the_versions_are_those_of_the_settings() -> None:
    assert tuple(VERSIONS) == SHOPLAZZA_VERSIONS


UPDATES = [
    ("2022-01", BODY, {"send_email": True}),
    ("2024-07", {"tracking_items": [TRACKING], "send_email": True}, {"send_email": True}),
    *((name, {"fulfillment": BODY}, {"fulfillment": {"send_email": True}}) for name in WRAPPED),
]


def test_a_customer_who_is_not_to_be_mailed_is_not_and_nothing_is_asked() -> None:
    plan = shoplazza().plan(replace(MAIL_ALONE, notify=False), 1, ())
    assert not isinstance(plan, Write)
    with pytest.raises(StopIteration) as end:
        next(plan)
    words = "the row has no tracking number, and says that the customer is not to be mailed"
    assert end.value.value == Reading(Meaning.THERE, "no-mail-wanted", words)


@pytest.mark.parametrize(("name", "body", "mail"), UPDATES, ids=SHOPLAZZA_VERSIONS)
def test_each_version_has_its_own_body_for_an_update(
    name: str, body: dict[str, object], mail: dict[str, object]
) -> None:
    destination = shoplazza(version=name)
    write = write_of(destination.plan(DOCUMENTED, 1, ()))
    resend = write_of(destination.plan(MAIL_ALONE, 1, ()))
    url = f"{URL}/{name}/orders/{ORDER_ID}/fulfillments/{FULFILLMENT_ID}"
    assert [(each.request.method, each.request.url) for each in (write, resend)] == [("PUT", url)] * 2
    assert (body_of(write), body_of(resend)) == (body, mail)
    assert (write.mails, resend.mails) == (True, True)


def test_only_what_the_manifest_gives_is_sent() -> None:
    assert body_of(write_of(shoplazza().plan(NAMED, 1, ()))) == {"tracking_number": NUMBER}
    url = replace(NAMED, tracking_url="https://tracking.url")
    assert body_of(write_of(shoplazza().plan(url, 1, ()))) == {
        "tracking_number": NUMBER,
        "tracking_url": "https://tracking.url",
    }


def test_the_customer_is_mailed_by_the_first_attempt_only() -> None:
    write = write_of(shoplazza().plan(DOCUMENTED, 2, ()))
    assert body_of(write) == TRACKING
    assert not write.mails
    assert write.read(success("2022-01", fulfillment=echo(**TRACKING))) == updated(
        "the customer was not mailed by this try, since an earlier one may have done so"
    )


def test_of_a_number_that_is_there_it_is_told_where_the_mail_may_be_missing() -> None:
    plans = [shoplazza().plan(replace(BARE, notify=True), attempt, ()) for attempt in (1, 2, 3)]
    there_already = f"the order has this tracking number already: f1 (shipped, {NUMBER})"
    assert [reading_of(plan, listing(there("f1", NUMBER))).message for plan in plans] == [
        f"{there_already}; the customer is not mailed for it",
        there_already,  # by the try that asked for the mail
        f"{there_already}; the customer was not mailed by the last try, and may not have been by the first",
    ]


def test_with_a_mail_alone_nothing_is_said_of_the_carrier() -> None:
    parcel = replace(MAIL_ALONE, tracking_company="DHL", tracking_url="https://tracking.url")
    assert body_of(write_of(shoplazza(check_carriers=True).plan(parcel, 1, ()))) == {"send_email": True}


def test_a_mail_that_may_have_gone_is_not_asked_for_again() -> None:
    assert reading_of(shoplazza().plan(MAIL_ALONE, 2, ())) == Reading(
        Meaning.REFUSED,
        "outcome-unknown",
        "the mail is not asked for again: an earlier try may have mailed the customer, and nothing on the "
        "platform tells whether it has",
    )


IDS = [
    ("2386979206088637521556", "2386979206088637521556"),
    ("a/b?c#d e%", "a%2Fb%3Fc%23d%20e%25"),
    ("..", "%2E%2E"),
    ("#1001", "%231001"),
    ("ü.é", "%C3%BC.%C3%A9"),
]


@pytest.mark.parametrize(("name", "encoded"), IDS)
def test_ids_are_percent_encoded_in_paths(name: str, encoded: str) -> None:
    parcel = replace(NAMED, parts=(OrderPart(name, ()),), fulfillment_id=name)
    url = write_of(shoplazza().plan(parcel, 1, ())).request.url
    assert url == f"{URL}/2022-01/orders/{encoded}/fulfillments/{encoded}"


UNSENDABLE = [
    (replace(BARE, tracking_number=""), f"{ORDER_ID}/: neither a tracking number nor a fulfillment id"),
    (replace(BARE, parts=()), f"/{NUMBER}: 0 orders, but a path has one"),
    (replace(BARE, parts=BARE.parts * 2), f"{ORDER_ID}+{ORDER_ID}/{NUMBER}: 2 orders, but a path has one"),
]


@pytest.mark.parametrize(("parcel", "words"), UNSENDABLE)
def test_a_fulfillment_that_no_request_can_be_made_of_is_never_sent(parcel: Fulfillment, words: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        shoplazza().plan(parcel, 1, ())
    assert str(error.value) == words


def test_a_manifest_needs_skus_only_where_a_fulfillment_may_be_created() -> None:
    update, create, auto = (shoplazza(operation=name) for name in ("update", "create", "auto"))
    shipping = ("order_id", "sku", "quantity", "tracking_number")
    assert [each.creates for each in (update, create, auto)] == [False, True, False]
    assert [each.needed for each in (update, create, auto)] == [
        ("order_id", "tracking_number"),
        shipping,
        shipping,
    ]
    assert [each.optional for each in (update, create, auto)] == [("sku", "quantity"), (), ()]
    carrier = ("tracking_company", "tracking_company_code", "tracking_url")
    more = (*carrier, "fulfillment_id", "notify")
    assert [each.takes for each in (update, create, auto)] == [more, carrier, more]
    assert [each.needed_to_notify for each in (update, create, auto)] == [
        ("order_id", "fulfillment_id"),
        (),
        ("order_id", "fulfillment_id"),
    ]
    assert (update.order_id, update.several_orders) == ("string", False)
    assert (update.repeatable, update.readable) == (True, True)


IDENTITIES = [
    ({}, "shoplazza https://shop.myshoplaza.com"),
    ({"account": "east"}, "shoplazza https://shop.myshoplaza.com east"),
    ({"version": "2026-01", "operation": "auto"}, "shoplazza https://shop.myshoplaza.com"),
    ({"base_url": "http://127.0.0.1:8001", "sandbox": True, "account": "east"}, "shoplazza sandbox"),
]


@pytest.mark.parametrize(("changes", "identity"), IDENTITIES)
def test_destinations_are_told_apart_by_address_and_account(changes: dict[str, Any], identity: str) -> None:
    assert shoplazza(**changes).identity == identity


CHANGED = [
    replace(DOCUMENTED, tracking_number="DHL1231232114"),
    replace(DOCUMENTED, parts=(OrderPart("633130-00000013", ()),)),
    with_lines(DOCUMENTED, MUG=1),
    with_lines(DOCUMENTED, MUG=2),
    replace(DOCUMENTED, fulfillment_id=""),
    replace(DOCUMENTED, tracking_company="UPS"),
    replace(DOCUMENTED, tracking_company_code="ups"),
    replace(DOCUMENTED, tracking_url=""),
]


def test_content_has_all_that_is_told_of_a_parcel_but_not_the_mail() -> None:
    destination = shoplazza()
    all_of_them = [DOCUMENTED, *CHANGED]
    assert len({destination.content(each) for each in all_of_them}) == len(all_of_them)
    assert destination.content(replace(DOCUMENTED, notify=False, index=7)) == destination.content(DOCUMENTED)
    assert destination.content(with_lines(DOCUMENTED, A=1, B=2)) == destination.content(
        with_lines(DOCUMENTED, B=2, A=1)
    )
    assert (
        destination.content(replace(DOCUMENTED, partial=True)) == f"{destination.content(DOCUMENTED)} partial"
    )
    assert shoplazza(version="2026-01", operation="auto").content(DOCUMENTED) == destination.content(
        DOCUMENTED
    )


def test_content_and_key_stay_as_they_are_since_ledgers_keep_them() -> None:
    assert (
        shoplazza().content(DOCUMENTED) == "4a2f1abcca5e4fb7d32b787ff2550d65b7e25c32a779354e9cad5c3ccf802d8a"
    )
    write, again = (write_of(shoplazza().plan(DOCUMENTED, attempt, ())) for attempt in (1, 2))
    keys = {each.request.headers["Idempotency-Key"] for each in (write, again)}
    assert keys == {"71616578bfbce0bdb07eb0d9dad712b0dc284678ba6c8c669ca333840569e99b"}


# --- what the reply to an update means -----------------------------------------------------------------


def put(parcel: Fulfillment = NAMED, **changes: Any) -> Write:  # noqa: ANN401 - any of the settings
    return write_of(shoplazza(**changes).plan(parcel, 1, ()))


def test_the_documents_successful_reply_means_updated() -> None:
    parcel = Fulfillment(
        0,
        "11111111111",
        (OrderPart("633130-00000007", ()),),
        fulfillment_id="51c7dd5d-8f49-40c3-b2c1-5dfdeef9946d",
        tracking_company="燕文物流",
        tracking_company_code="DJ-11343",
        tracking_url="https://tracking.example.com",
    )
    assert put(parcel).read(answer(200, {"fulfillment": REMOTE})) == Reading(
        Meaning.UPDATED,
        "",
        "fulfillment 51c7dd5d-8f49-40c3-b2c1-5dfdeef9946d shipped, updated 2024-04-22T08:37:12Z",
        200,
    )
    tracking = {name: REMOTE[name] for name in REMOTE if name.startswith("tracking_")}
    assert fulfillment(REMOTE) == Remote(
        fulfillment_id="51c7dd5d-8f49-40c3-b2c1-5dfdeef9946d",
        order_id="633130-00000007",
        status="shipped",
        trackings=(tracking,),
        created_at="2024-04-22T08:37:12Z",
        updated_at="2024-04-22T08:37:12Z",
        lines=(Shipped(LINE_ID, "T-M-L-blue-T-A001008", 1),),
    )


def test_the_documents_own_two_examples_are_of_different_fulfillments() -> None:
    reading = put(DOCUMENTED).read(answer(200, {"fulfillment": REMOTE}))
    assert reading == in_doubt(
        200,
        " with order_id '633130-00000007', expected '633130-00000012'",
        {"fulfillment": REMOTE},
    )


ITEMS = {"id": FULFILLMENT_ID, "order_id": ORDER_ID, "tracking_items": [{"tracking_number": NUMBER}]}
DONE = [
    (200, {"fulfillment": echo()}, True),
    (201, {"fulfillment": echo()}, True),
    (200, {"code": "Success", "message": "", "data": {"fulfillment": echo()}}, True),
    (200, {"code": "success", "data": echo()}, True),
    (200, {"fulfillment": MINIMAL}, False),
    (200, {"data": ITEMS}, False),
    (
        200,
        {"data": {**ITEMS, "tracking_items": [{"tracking_number": "OTHER"}, *ITEMS["tracking_items"]]}},
        False,
    ),
]


@pytest.mark.parametrize("name", SHOPLAZZA_VERSIONS)
@pytest.mark.parametrize(("status", "document", "told"), DONE, ids=range(len(DONE)))
def test_a_reply_for_this_fulfillment_means_updated_in_any_versions_envelope(
    name: str, status: int, document: object, *, told: bool
) -> None:
    expected = updated().message if told else f"fulfillment {FULFILLMENT_ID}"
    reading = put(version=name).read(answer(status, document))
    assert reading == Reading(Meaning.UPDATED, "", expected, status)


def test_what_the_platform_made_of_the_carrier_is_told_and_is_no_doubt() -> None:
    reply = answer(
        200,
        {"fulfillment": echo(tracking_company="DHL Express", tracking_company_code="dhl", tracking_url="")},
    )
    assert put(replace(DOCUMENTED, notify=False)).read(reply) == updated(
        "the platform has tracking_company 'DHL Express', not 'DHL'"
    )


def test_a_mail_alone_is_not_compared_with_a_tracking_number() -> None:
    assert put(MAIL_ALONE).read(answer(200, {"fulfillment": echo()})) == updated()


def in_doubt(status: int, what: str, document: object) -> Reading:
    shown = document if isinstance(document, str) else json.dumps(document, ensure_ascii=True)
    encoded = shown.encode()
    shown = shown if len(encoded) <= 2048 else encoded[:2045].decode() + "…"
    came = f"(application/json: '{shown}')" if shown else "(application/json, empty)"
    return Reading(
        Meaning.UNKNOWN,
        "outcome-unknown",
        f"the destination answered {status}{what} {came}; {NOT_KNOWN} updated",
        status,
    )


DOUBTFUL: list[tuple[int, object, str]] = [
    (200, {}, " with no id"),
    (200, {"fulfillment": {}}, " with no id"),
    (200, {"fulfillment": []}, " with no fulfillment"),
    (200, {"data": None}, " with no object as data"),
    (200, {"fulfillment": {**MINIMAL, "id": None}}, " with id in another form"),
    (200, {"fulfillment": {**MINIMAL, "id": "x"}}, f" with fulfillment 'x', expected '{FULFILLMENT_ID}'"),
    (200, {"fulfillment": {**MINIMAL, "order_id": ""}}, f" with no order_id, expected '{ORDER_ID}'"),
    (200, {"fulfillment": {**MINIMAL, "order_id": "1"}}, f" with order_id '1', expected '{ORDER_ID}'"),
    (
        200,
        {"fulfillment": {**MINIMAL, "tracking_number": "OTHER"}},
        f" with tracking_number 'OTHER', expected '{NUMBER}'",
    ),
    (
        200,
        {"fulfillment": {**MINIMAL, "tracking_number": ""}},
        f" with no tracking_number, expected '{NUMBER}'",
    ),
    (200, {"fulfillment": {**MINIMAL, "line_items": {}}}, " with no list of line_items"),
    (200, {"fulfillment": {**MINIMAL, "line_items": [1]}}, " with no line item"),
    (200, {"fulfillment": {**MINIMAL, "line_items": [{"id": "a"}]}}, " with no quantity"),
    (
        200,
        {"fulfillment": {**MINIMAL, "line_items": [{"id": "a", "ship_quantity": -1}]}},
        " with ship_quantity in another form",
    ),
    (200, {"fulfillment": {**MINIMAL, "tracking_items": [1]}}, " with no tracking item"),
    (200, {"errors": ["Record not found"]}, " with no id"),
    (200, [MINIMAL], " with what is no JSON object"),
    (204, "", ""),
    (202, {"fulfillment": MINIMAL}, ""),
    (408, {"error": "Too slow"}, ""),
    (500, {"oops": 1}, ""),
    (502, {"error": "Bad Gateway"}, ""),
    (503, {"error": "Busy"}, ""),
    (504, "", ""),
]


@pytest.mark.parametrize(("status", "document", "what"), DOUBTFUL, ids=range(len(DOUBTFUL)))
def test_a_reply_that_settles_nothing_leaves_the_outcome_unknown(
    status: int, document: object, what: str
) -> None:
    reply = answer(status, document.encode() if isinstance(document, str) else document)
    assert put().read(reply) == in_doubt(status, what, document)


def test_a_reply_that_was_cut_off_leaves_the_outcome_unknown() -> None:
    reply = answer(200, {"fulfillment": MINIMAL}, whole=False)
    assert put().read(reply) == in_doubt(200, " with a reply that was cut off", {"fulfillment": MINIMAL})
    assert put().read(answer(200, b"<html>")) == in_doubt(200, " with what is no JSON object", "<html>")
    documented = {"code": "UnknownError", "message": "later"}
    assert put().read(answer(500, documented, whole=False)) == in_doubt(500, "", documented)


REFUSED: list[tuple[int, object, str]] = [
    (400, {"errors": ["invalid line_item id"]}, "400 invalid line_item id"),
    (400, b"Bad Request", "400 Bad Request"),
    (404, NOT_FOUND, "404 Record not found"),
    (422, {"errors": ["one", "two"]}, "422 one; two"),
    (422, {"errors": "alone"}, "422 alone"),
    (422, {"error": "a\x1bb"}, r"422 a\x1bb"),
    (400, {"code": "InvalidParameter", "message": ""}, "400 InvalidParameter"),
    (
        422,
        {"code": "InvalidParameter", "message": "tracking_number is required."},
        "422 InvalidParameter: tracking_number is required.",
    ),
    (406, {"errors": ["a"], "error": "b", "code": "c", "message": "d"}, "406 a; b; c: d"),
]


@pytest.mark.parametrize(("status", "document", "words"), REFUSED)
def test_a_refusal_is_told_in_the_platforms_own_words_whatever_form_they_have(
    status: int, document: object, words: str
) -> None:
    assert put().read(answer(status, document)) == Reading(
        Meaning.REFUSED, f"destination-{status}", words, status
    )


UNFORMED: list[tuple[int, object, str]] = [
    (404, b"<h1>Nothing", "404 Not Found (application/json: '<h1>Nothing')"),
    (404, b"", "404 Not Found (application/json, empty)"),
    (405, {"errors": {"a": 1}}, """405 Method Not Allowed (application/json: '{"errors": {"a": 1}}')"""),
]


@pytest.mark.parametrize(("status", "document", "words"), UNFORMED)
def test_a_refusal_in_none_of_the_documented_forms_is_marked(
    status: int, document: object, words: str
) -> None:
    assert put().read(answer(status, document)) == Reading(
        Meaning.REFUSED, f"destination-{status}", words, status, formed=False
    )


ADVICE = "check the token of [destinations.shop], and that it has the scopes read_order and write_order"
UNAUTHORIZED: list[tuple[int, object, str]] = [
    *((status, b"Unauthorized", "Unauthorized") for status in (400, 401, 403)),
    (400, b' "unauthorized"\n', "unauthorized"),
    (400, {"errors": ["Unauthorized"]}, "Unauthorized"),
    (400, {"error": "UNAUTHORIZED."}, "UNAUTHORIZED."),
    (422, {"code": "Unauthorized", "message": "no token"}, "Unauthorized: no token"),
    (400, {"code": "400", "message": "Unauthorized"}, "400: Unauthorized"),
    (403, {"errors": ["the token lacks write_order"]}, "the token lacks write_order"),
]


@pytest.mark.parametrize(("status", "document", "words"), UNAUTHORIZED)
def test_a_token_that_is_refused_stops_the_run_whatever_the_status(
    status: int, document: object, words: str
) -> None:
    expected = Reading(
        Meaning.STOP,
        "destination-403" if status == 403 else "destination-401",
        f"the destination refuses the token: {status} {words}; {ADVICE}",
        status,
    )
    reply = answer(status, document, TEXT)
    assert put().read(reply) == expected
    assert reading_of(shoplazza().plan(BARE, 1, ()), reply) == expected


@pytest.mark.parametrize("status", [400, 403, 422, 503])
@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"error": "store is not active"}, "store is not active"),
        ({"errors": ["Store is not active."]}, "Store is not active."),
        ({"code": "StoreNotActive", "message": "store is not active"}, "StoreNotActive: store is not active"),
    ],
)
def test_a_store_that_is_not_active_stops_the_run(status: int, document: object, words: str) -> None:
    expected = Reading(
        Meaning.STOP,
        "run-stopped",
        f"the destination says: {status} {words}; open the store again, or correct base_url of "
        "[destinations.shop]",
        status,
    )
    assert put().read(answer(status, document)) == expected
    assert reading_of(shoplazza().plan(BARE, 1, ()), answer(status, document)) == expected


def test_a_redirect_and_a_proxy_that_refuses_stop_the_run() -> None:
    redirect = answer(302, b"", {"Location": "/login"})
    moved = Reading(
        Meaning.STOP,
        "destination-302",
        "the destination answered 302 and points to /login (no content type, empty); correct base_url of "
        "[destinations.shop], which is https://shop.myshoplaza.com",
        302,
    )
    barred = Reading(
        Meaning.STOP,
        "destination-407",
        "a proxy refuses the request: 407 Proxy Authentication Required (application/json, empty); check the "
        "proxy, or env_proxy of [destinations.shop]",
        407,
    )
    for reply, expected in ((redirect, moved), (answer(407, b""), barred)):
        assert put().read(reply) == expected
        assert reading_of(shoplazza().plan(BARE, 1, ()), reply) == expected
        begun = NoAnswer(Reach.SENT, "cut off", replace(reply, whole=False))
        assert put().read(begun) == expected
        assert reading_of(shoplazza().plan(BARE, 1, ()), begun) == expected


NOW = "Sun, 06 Nov 1994 08:49:37 GMT"
WAITS: list[tuple[int, dict[str, str], float | None]] = [
    (429, {}, None),
    (429, {"Retry-After": "2"}, 2.0),
    (429, {"retry-after": "Sun, 06 Nov 1994 08:50:37 GMT", "Date": NOW}, 60.0),
    (503, {"Retry-After": "1.5"}, 1.5),
    (503, {"Retry-After": "soon"}, None),
]


@pytest.mark.parametrize(("status", "headers", "seconds"), WAITS)
def test_a_platform_that_is_too_busy_is_waited_for_as_it_tells(
    status: int, headers: dict[str, str], seconds: float | None
) -> None:
    reply = answer(status, {"code": "TooManyRequests", "message": "slow down"}, headers)
    expected = Reading(
        Meaning.WAIT,
        f"destination-{status}",
        f"{status} TooManyRequests: slow down",
        status,
        seconds,
    )
    assert put().read(reply) == expected
    assert reading_of(shoplazza().plan(BARE, 1, ()), reply) == expected


def test_an_update_that_the_platform_failed_at_in_its_own_words_is_tried_again() -> None:
    unknown = {
        "code": "UnknownError",
        "message": "Unknown error, please contact shoplazza technical support to resolve the issue.",
    }
    words = (
        "500 UnknownError: Unknown error, please contact shoplazza technical support to resolve the issue."
    )
    for name in SHOPLAZZA_VERSIONS:
        assert put(version=name).read(answer(500, unknown)) == Reading(
            Meaning.TRY_AGAIN, "destination-500", words, 500
        )


def test_no_answer_means_what_its_reach_says() -> None:
    assert put().read(NoAnswer(Reach.NEVER_SENT, "connection refused")) == Reading(
        Meaning.NEVER_REACHED, "destination-unreachable", "connection refused"
    )
    unknown = f"{NOT_KNOWN} updated"
    assert put().read(NoAnswer(Reach.SENT, "no reply within 30 s")) == Reading(
        Meaning.UNKNOWN, "outcome-unknown", f"no reply within 30 s; {unknown}"
    )
    begun = answer(200, b'{"ful', whole=False)
    assert put().read(NoAnswer(Reach.SENT, "cut off", begun)) == Reading(
        Meaning.UNKNOWN, "outcome-unknown", f"""cut off (application/json: '{{"ful'); {unknown}""", 200
    )


REPEATED = [
    answer(401, {"error": TOKEN}),
    answer(400, {"errors": [f"access-token {TOKEN} is odd"]}),
    answer(502, TOKEN.encode()),
    answer(200, {"fulfillment": {**MINIMAL, "order_id": TOKEN}}),
    answer(200, {"fulfillment": {**MINIMAL, "status": TOKEN}}),
    answer(302, b"", {"Location": f"/?token={TOKEN}"}),
    NoAnswer(Reach.NEVER_SENT, f"bad header {TOKEN}"),
]


@pytest.mark.parametrize("reply", REPEATED, ids=range(len(REPEATED)))
def test_a_token_that_an_answer_repeats_is_not_passed_on(reply: Answer | NoAnswer) -> None:
    destination = shoplazza(token=Secret(TOKEN))
    write = write_of(destination.plan(NAMED, 1, ()))
    looked = follow(destination.plan(BARE, 1, ()), reply)[1]
    assert isinstance(looked, Reading)
    for message in (write.read(reply).message, looked.message):
        assert not any(part in message for part in ("cana", "anary", "/tok"))
    assert "***" in write.read(reply).message


# --- with the sandbox ----------------------------------------------------------------------------------

SHOP = {
    "shoplazza": {
        "carriers": CARRIERS,
        "orders": [
            {
                "order_id": ORDER_ID,
                "number": "#1001",
                "line_items": [
                    {"sku": "MUG", "quantity": 3, "refund_quantity": 1},
                    {"sku": "TEA", "quantity": 5},
                ],
                "fulfillments": [
                    {"id": "gone", "status": "cancelled", "line_items": [{"sku": "MUG", "quantity": 2}]},
                    {"id": "open", "line_items": [{"sku": "TEA", "quantity": 2}]},
                ],
            }
        ],
    }
}


class Platform:
    """The sandbox's shop, asked without a network; ``loses`` names the method whose answers never come."""

    def __init__(self, *, bucket: Bucket | None = None, loses: str = "") -> None:
        self.shop = Shop.of(SHOP, "shop", now=lambda: datetime(2024, 4, 22, 8, 37, 12, tzinfo=UTC))
        self.loses = loses
        self._api = Sandbox(self.shop, TOKEN, bucket)

    def answer(self, request: Request) -> Answer | NoAnswer:
        reply = asyncio.run(self._heard(request))
        return NoAnswer(Reach.SENT, "no reply") if request.method == self.loses else reply

    async def _heard(self, request: Request) -> Answer:
        address = urlsplit(request.url)
        headers = {**request.headers, "access-token": TOKEN}
        scope = {
            "type": "http",
            "method": request.method,
            "path": unquote(address.path),
            "raw_path": address.path.encode(),
            "query_string": address.query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": request.body, "more_body": False}

        heard = await self._api.hear(Heard(scope, receive))
        usual = heard.usual(effect=True)
        return Answer(usual.status, {**usual.headers, "content-type": usual.media_type}, usual.body)

    def carry_out(
        self, destination: Shoplazza, parcel: Fulfillment, attempt: int = 1, before: Sequence[Write] = ()
    ) -> Reading:
        """Plan the parcel, and write what the plan comes to."""
        plan = destination.plan(parcel, attempt, before)
        end = led_by(plan, lambda look: self.answer(look.request))
        return end.read(self.answer(end.request)) if isinstance(end, Write) else end

    def fulfillments(self) -> list[tuple[str, str, int]]:
        """Tracking number, carrier and units of each that is live."""
        return [
            (
                each.trackings[0].tracking_number,
                each.trackings[0].tracking_company,
                sum(units.quantity for units in each.units),
            )
            for each in self.shop.order(ORDER_ID).fulfillments
            if each.status != "cancelled"
        ]


@pytest.mark.parametrize("name", SHOPLAZZA_VERSIONS)
def test_the_sandbox_takes_an_update_once_and_mails_once(name: str) -> None:
    platform = Platform()
    destination = shoplazza(version=name, check_carriers=True)
    parcel = replace(
        with_lines(BARE, TEA=2), tracking_company="DHL", tracking_company_code="dhl", notify=True
    )
    readings = [platform.carry_out(destination, parcel, attempt) for attempt in (1, 2)]
    assert [each.meaning for each in readings] == [Meaning.UPDATED, Meaning.THERE]
    assert readings[0].message == "fulfillment open shipped, updated 2024-04-22T08:37:12Z"
    assert platform.fulfillments() == [(NUMBER, "DHL", 2)]
    assert len(platform.shop.mails) == 1


@pytest.mark.parametrize("name", SHOPLAZZA_VERSIONS)
def test_the_sandbox_takes_a_new_fulfillment_once_even_if_its_answer_is_lost(name: str) -> None:
    platform = Platform(loses="POST")
    destination = shoplazza(version=name, operation="create", order_id_is="number")
    parcel = replace(SHIPMENT, parts=(OrderPart("#1001", SHIPMENT.parts[0].lines),))
    readings = [platform.carry_out(destination, parcel, attempt) for attempt in (1, 2)]
    assert [each.meaning for each in readings] == [Meaning.UNKNOWN, Meaning.THERE]
    assert platform.fulfillments() == [("", "", 2), (NUMBER, "", 3)]


@pytest.mark.parametrize("name", SHOPLAZZA_VERSIONS)
def test_the_sandbox_is_never_asked_for_more_than_is_left(name: str) -> None:
    platform = Platform()
    destination = shoplazza(version=name, operation="create")
    parcels = [
        with_lines(replace(BARE, tracking_number=f"TRACK-{sku}-{units}"), **{sku: units})
        for sku, units in (("MUG", 2), ("MUG", 1), ("TEA", 4), ("TEA", 3))
    ]
    assert [platform.carry_out(destination, parcel).code for parcel in parcels] == [
        "",
        "exceeds-remaining",
        "exceeds-remaining",
        "",
    ]
    assert platform.fulfillments() == [("", "", 2), ("TRACK-MUG-2", "", 2), ("TRACK-TEA-3", "", 3)]


@pytest.mark.parametrize("name", [*SHOPLAZZA_VERSIONS[:1], *WRAPPED])
def test_the_sandbox_mails_again_when_nothing_else_is_asked_for(name: str) -> None:
    platform = Platform()
    reading = platform.carry_out(shoplazza(version=name), replace(MAIL_ALONE, fulfillment_id="open"))
    assert reading.meaning is Meaning.UPDATED
    assert [(mail.order_id, mail.fulfillment_id) for mail in platform.shop.mails] == [(ORDER_ID, "open")]


def test_the_sandbox_refuses_in_each_versions_form_and_is_understood() -> None:
    for name in SHOPLAZZA_VERSIONS:
        platform = Platform()
        reading = platform.carry_out(shoplazza(version=name), NAMED)
        assert (reading.meaning, reading.code, reading.formed) == (Meaning.REFUSED, "destination-404", True)
        platform.shop.active = False
        assert platform.carry_out(shoplazza(version=name), NAMED).meaning is Meaning.STOP
        full = Platform(bucket=Bucket(depth=0))
        assert full.carry_out(shoplazza(version=name), NAMED).meaning is Meaning.WAIT


# --- whatever comes ------------------------------------------------------------------------------------

statuses = st.one_of(
    st.sampled_from([200, 200, 200, 201, 204, 302, 400, 401, 404, 429, 500, 503]), st.integers()
)
texts = st.one_of(
    st.sampled_from([NUMBER, ORDER_ID, FULFILLMENT_ID, "1001", "shipped", "cancelled", "MUG", "\ud800", ""]),
    st.text(max_size=10),
    st.none(),
    st.integers(-1, 3),
)
remote_lines = st.dictionaries(
    st.sampled_from(["id", "line_item_id", "sku", "quantity", "ship_quantity", "refund_quantity"]), texts
)
remotes = st.one_of(
    texts,
    st.fixed_dictionaries(
        {"id": texts},
        optional={
            "order_id": texts,
            "number": texts,
            "status": texts,
            "tracking_number": texts,
            "tracking_company": texts,
            "tracking_items": st.lists(st.fixed_dictionaries({"tracking_number": texts}), max_size=2),
            "line_items": st.lists(remote_lines, max_size=2),
        },
    ),
)
contents = st.fixed_dictionaries(
    {},
    optional={
        "fulfillment": remotes,
        "fulfillments": st.one_of(texts, st.lists(remotes, max_size=3)),
        "order": remotes,
        "tracking_carriers": st.lists(
            st.dictionaries(st.sampled_from(["code", "en_name"]), texts), max_size=2
        ),
        "cursor": texts,
        "has_more": st.one_of(st.booleans(), st.none(), texts),
        "errors": st.one_of(texts, st.lists(texts, max_size=2)),
        "error": texts,
        "code": texts,
        "message": texts,
    },
)
documents = st.one_of(contents, remotes, contents.map(lambda content: {"code": "Success", "data": content}))
bodies = st.one_of(st.binary(max_size=50), documents.map(lambda document: json.dumps(document).encode()))
headers = st.dictionaries(st.sampled_from(["Content-Type", "Retry-After", "Location"]), st.text(max_size=20))
answers = st.builds(Answer, statuses, headers, bodies, st.booleans())
replies = st.one_of(
    answers,
    st.builds(NoAnswer, st.sampled_from(Reach), st.text(max_size=20), st.one_of(st.none(), answers)),
)
destinations = st.builds(
    shoplazza,
    version=st.sampled_from(SHOPLAZZA_VERSIONS),
    operation=st.sampled_from(["update", "create", "auto"]),
    order_id_is=st.sampled_from(["id", "number"]),
    check_carriers=st.booleans(),
)
parcels = st.sampled_from(
    [BARE, NAMED, PARCEL, DOCUMENTED, MAIL_ALONE, replace(PARCEL, tracking_company="DHL")]
)
LOOKED: frozenset[Meaning] = frozenset(
    {Meaning.THERE, Meaning.REFUSED, Meaning.WAIT, Meaning.NEVER_REACHED, Meaning.STOP}
)


@given(destinations, parcels, st.data())
def test_any_answer_to_a_look_is_read_and_leaves_nothing_unknown(
    destination: Shoplazza, parcel: Fulfillment, data: st.DataObject
) -> None:
    if destination.settings.operation != "update" and not parcel.parts[0].lines:
        parcel = with_lines(parcel, MUG=1)
    end = led_by(destination.plan(parcel, 1, ()), lambda _: data.draw(replies))
    if isinstance(end, Reading):
        assert end.meaning in LOOKED
        assert len(end.message.encode()) <= 2048 + 700  # what is quoted, and our own words
        assert end.message.isprintable()
    else:
        assert all(units >= 1 for units in end.takes.values())
        assert end.takes


WRITES = [
    put(),
    put(DOCUMENTED, version="2026-01"),
    write_of(shoplazza(operation="create").plan(SHIPMENT, 1, ()), listing(), order_of(MUGS, TEAS)),
]


@given(st.sampled_from(WRITES), replies)
@example(WRITES[0], Answer(200, {}, b'{"fulfillment":' * 50_000))
@example(WRITES[0], Answer(500, {}, "é".encode() * 500_000))
@example(WRITES[0], answer(200, {"fulfillment": {**MINIMAL, "order_id": "é" * 5000}}))
@example(WRITES[1], answer(200, {"fulfillment": echo(tracking_company="é" * 5000, status="é" * 5000)}))
@example(WRITES[2], answer(200, {"data": {"fulfillment": echo()}}))
def test_any_reply_to_a_write_is_read_and_only_an_echo_means_that_it_is_done(
    write: Write, reply: Answer | NoAnswer
) -> None:
    reading = write.read(reply)
    assert len(reading.message.encode()) <= 2048 + 700  # what is quoted, and our own words
    assert reading.message.isprintable()
    if reading.meaning in {Meaning.CREATED, Meaning.UPDATED}:
        assert isinstance(reply, Answer)
        assert reply.whole
        assert reply.status in {200, 201}
        assert {ORDER_ID, NUMBER} <= set(every_text(json.loads(reply.body.decode("utf-8-sig"))))


def every_text(value: object) -> list[str]:
    """All strings in a JSON value."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [text for each in inner for text in every_text(each)]
    return [value] if isinstance(value, str) else []

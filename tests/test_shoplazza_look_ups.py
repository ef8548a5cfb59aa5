"""What is looked up on Shoplazza before something is written there, and what that makes of a parcel."""

from __future__ import annotations

import json
from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from importer.destinations.shoplazza.remote import Line, Order, Remote, Shipped
from importer.destinations.shoplazza.units import TooMuchError, UnknownSkuError, allot
from importer.model import (
    Answer,
    Fulfillment,
    LineItem,
    Look,
    Meaning,
    NoAnswer,
    OrderPart,
    Plan,
    Reach,
    Reading,
    Request,
    Write,
)
from importer.settings import SHOPLAZZA_VERSIONS
from tests.shoplazza import (
    BARE,
    CARRIERS,
    DOCUMENTED,
    FULFILLMENT_ID,
    LIST,
    MINIMAL,
    MUG,
    MUGS,
    NAMED,
    NOT_FOUND,
    NOT_KNOWN,
    NUMBER,
    ORDER_ID,
    PARCEL,
    QUERIES,
    REMOTE,
    SHIPMENT,
    TEA,
    TEAS,
    TRACKING,
    URL,
    WRAPPED,
    answer,
    body_of,
    echo,
    follow,
    led_by,
    listing,
    look_up_failed,
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
    from collections.abc import Callable, Sequence

# --- looking up which fulfillment is meant -------------------------------------------------------------


@pytest.mark.parametrize("name", SHOPLAZZA_VERSIONS)
def test_the_one_fulfillment_without_a_number_gets_it(name: str) -> None:
    plan = shoplazza(version=name).plan(BARE, 1, ())
    found = listing(
        there("f1", "OTHER", MUG),
        there("f2", "", TEA, status="cancelled"),
        there("f3", "", MUG),
        version=name,
    )
    looks, end = follow(plan, found)
    assert looks == [f"{name}/{LIST}?{QUERIES[name]}"]
    assert isinstance(end, Write)
    assert end.request.url == f"{URL}/{name}/{LIST}/f3"
    assert dict(end.takes) == {"f3": 1}


def test_a_look_says_who_asks_and_holds_for_the_order_alone() -> None:
    plan = shoplazza().plan(BARE, 1, ())
    assert not isinstance(plan, Write)
    agent = f"fulfillment-importer/{version('fulfillment-importer')} (+python)"
    url = f"{URL}/2022-01/{LIST}?page=1&limit=250"
    assert next(plan) == Look(Request("GET", url, {"User-Agent": agent}, b""))


CHOICES: list[tuple[Fulfillment, list[dict[str, object]], str]] = [
    (BARE, [there("f1", "", MUG, TEA)], "f1"),
    (PARCEL, [there("f1", "", MUG)], "f1"),
    (PARCEL, [there("f1", "", TEA), there("f2", "", MUG)], "f2"),
    (PARCEL, [there("f1", "", {**MUG, "quantity": 9, "shipping_quantity": 2})], "f1"),
    (PARCEL, [there("f1", "", {**MUG, "quantity": 9, "ship_quantity": 2})], "f1"),
    (PARCEL, [there("f1", "", MUG, status="Canceled"), there("f2", "", MUG)], "f2"),
    (PARCEL, [there("f1", "", {**MUG, "quantity": 1}, {**MUG, "id": "line-3", "quantity": 1})], "f1"),
]


@pytest.mark.parametrize(("parcel", "found", "chosen"), CHOICES, ids=range(len(CHOICES)))
def test_it_is_found_by_its_line_items_where_the_rows_name_them(
    parcel: Fulfillment, found: list[dict[str, object]], chosen: str
) -> None:
    write = write_of(shoplazza().plan(parcel, 1, ()), listing(*found))
    assert write.request.url.endswith(f"/fulfillments/{chosen}")


NONE_FITS = "the order has no fulfillment with these line items among those without a tracking number"
COULD_BE_MEANT = "fulfillments of the order have no tracking number yet and could be meant"
NO_CHOICES: list[tuple[Fulfillment, list[dict[str, object]], str, str]] = [
    (BARE, [], "no-fulfillment", "the order has no fulfillment"),
    (
        BARE,
        [there("f1", "OTHER", MUG)],
        "no-fulfillment",
        "the order has no fulfillment without a tracking number: f1 (shipped, OTHER, 2 x MUG)",
    ),
    (
        PARCEL,
        [there("f1", "OTHER", MUG), there("f2", "", MUG, TEA)],
        "no-fulfillment",
        f"{NONE_FITS}: f2 (shipped, 2 x MUG, 1 x TEA)",
    ),
    (
        PARCEL,
        [there("f1", "", {**MUG, "quantity": 1})],
        "no-fulfillment",
        f"{NONE_FITS}: f1 (shipped, 1 x MUG)",
    ),
    (
        BARE,
        [there("f1", "", MUG), there("f2", "", TEA, status="pending")],
        "ambiguous-fulfillment",
        f"2 {COULD_BE_MEANT}: f1 (shipped, 2 x MUG); f2 (pending, 1 x TEA)",
    ),
    (
        PARCEL,
        [there(f"f{number}", "", MUG) for number in range(7)],
        "ambiguous-fulfillment",
        f"7 {COULD_BE_MEANT}: "
        + "; ".join(f"f{number} (shipped, 2 x MUG)" for number in range(5))
        + " and 2 more",
    ),
    (
        PARCEL,
        [there("f1", NUMBER, TEA)],
        "ambiguous-fulfillment",
        f"the order has this tracking number already, with other line items: f1 (shipped, {NUMBER}, 1 x TEA)",
    ),
    (
        PARCEL,
        [{"id": "f1", "tracking_number": NUMBER}],
        "ambiguous-fulfillment",
        f"the order has this tracking number already, with other line items: f1 ({NUMBER})",
    ),
]


@pytest.mark.parametrize(("parcel", "found", "code", "words"), NO_CHOICES, ids=range(len(NO_CHOICES)))
def test_it_is_never_guessed(
    parcel: Fulfillment, found: list[dict[str, object]], code: str, words: str
) -> None:
    reading = reading_of(shoplazza().plan(parcel, 1, ()), listing(*found))
    assert reading == Reading(Meaning.REFUSED, code, words)


BEFORE = Write(Request("PUT", "", {}, b""), lambda _: updated(), {"f1": 1})


def test_a_fulfillment_that_this_run_gave_another_number_is_not_chosen_again() -> None:
    both = listing(there("f1", "", MUG), there("f2", "", MUG))
    write = write_of(shoplazza().plan(PARCEL, 1, (BEFORE,)), both)
    assert write.request.url.endswith("/fulfillments/f2")
    one = listing(there("f1", "", MUG))
    assert reading_of(shoplazza().plan(PARCEL, 1, (BEFORE,)), one) == Reading(
        Meaning.REFUSED,
        "no-fulfillment",
        "the order has no fulfillment without a tracking number: f1 (shipped, 2 x MUG)",
    )


ALREADY: list[tuple[Fulfillment, list[dict[str, object]], str]] = [
    (BARE, [there("f1", NUMBER, MUG)], f"f1 (shipped, {NUMBER}, 2 x MUG)"),
    (PARCEL, [there("f1", NUMBER, MUG), there("f2", "", MUG)], f"f1 (shipped, {NUMBER}, 2 x MUG)"),
    (BARE, [there("f1", " dhl 1231232113 ", MUG)], "f1 (shipped, dhl 1231232113 , 2 x MUG)"),
    (
        with_lines(BARE, MUG=2, TEA=1),
        [there("f1", NUMBER, MUG), there("f2", NUMBER, TEA)],
        f"f1 (shipped, {NUMBER}, 2 x MUG); f2 (shipped, {NUMBER}, 1 x TEA)",
    ),
    (
        BARE,
        [there("f1", "", MUG, tracking_items=[{"tracking_number": "A"}, {"tracking_number": NUMBER}])],
        f"f1 (shipped, A, {NUMBER}, 2 x MUG)",
    ),
    (
        replace(BARE, tracking_company="DHL"),
        [there("f1", NUMBER, MUG, tracking_company="DHL", tracking_url="x")],
        f"f1 (shipped, {NUMBER}, 2 x MUG)",
    ),
    (
        replace(BARE, notify=True),
        [there("f1", NUMBER, MUG)],
        f"f1 (shipped, {NUMBER}, 2 x MUG); the customer is not mailed for it",
    ),
]


@pytest.mark.parametrize("operation", ["update", "create", "auto"])
@pytest.mark.parametrize(("parcel", "found", "words"), ALREADY, ids=range(len(ALREADY)))
def test_a_number_that_is_there_already_is_not_written_again(
    operation: str, parcel: Fulfillment, found: list[dict[str, object]], words: str
) -> None:
    reading = reading_of(shoplazza(operation=operation).plan(parcel, 1, ()), listing(*found))
    expected = f"the order has this tracking number already: {words}"
    assert reading == Reading(Meaning.THERE, "already-there", expected)


def test_a_number_that_is_there_with_another_carrier_is_corrected_unless_only_creating() -> None:
    parcel = replace(PARCEL, tracking_company="DHL")
    found = listing(there("f1", NUMBER, MUG, tracking_company="UPS"))
    for operation in ("update", "auto"):
        write = write_of(shoplazza(operation=operation).plan(parcel, 1, ()), found)
        assert write.request.url.endswith("/fulfillments/f1")
        assert body_of(write) == {"tracking_number": NUMBER, "tracking_company": "DHL"}
    other = "the order has this tracking number already (but with another carrier or URL): "
    assert reading_of(shoplazza(operation="create").plan(parcel, 1, ()), found) == Reading(
        Meaning.THERE, "already-there", f"{other}f1 (shipped, {NUMBER}, 2 x MUG)"
    )
    several = [{"tracking_number": NUMBER}, {"tracking_number": "A"}]
    reading = reading_of(
        shoplazza().plan(parcel, 1, ()), listing(there("f1", "", MUG, tracking_items=several))
    )
    assert reading == Reading(Meaning.THERE, "already-there", f"{other}f1 (shipped, {NUMBER}, A, 2 x MUG)")


def test_where_fulfillments_have_no_skus_the_order_tells_them() -> None:
    lines = [{"line_item_id": "line-1", "quantity": 2}, {"line_item_id": "line-2", "quantity": 0}]
    found = [there("f1", "", lines[0]), there("f2", "", lines[1]), there("f3", "", *lines)]
    order = {"id": ORDER_ID, "number": "#1001", "line_items": [MUG, TEA]}
    destination = shoplazza(version="2024-07")
    for parcel, chosen in (
        (PARCEL, "f1"),
        (with_lines(BARE, TEA=1), "f2"),
        (with_lines(BARE, TEA=1, MUG=2), "f3"),
    ):
        looks, end = follow(
            destination.plan(parcel, 1, ()),
            listing(*found, version="2024-07"),
            success("2024-07", order=order),
        )
        assert looks == [f"2024-07/{LIST}?page=1&limit=250", f"2024-07/orders/{ORDER_ID}"]
        assert isinstance(end, Write)
        assert end.request.url.endswith(f"/fulfillments/{chosen}")
    without = with_lines(BARE)
    assert reading_of(destination.plan(without, 1, ()), listing(*found, version="2024-07")).code == (
        "ambiguous-fulfillment"
    )


# --- pages ---------------------------------------------------------------------------------------------


def many(start: int, count: int) -> list[dict[str, object]]:
    return [there(f"f{number}", f"T{number}") for number in range(start, start + count)]


LAST = there("last")


@pytest.mark.parametrize("size", [50, 249, 250])
def test_a_page_that_may_have_another_after_it_is_followed_by_it(size: int) -> None:
    plan = shoplazza().plan(BARE, 1, ())
    looks, end = follow(plan, listing(*many(0, size)), listing(LAST))
    assert looks == [f"2022-01/{LIST}?page={page}&limit=250" for page in (1, 2)]
    assert isinstance(end, Write)
    assert end.request.url.endswith("/fulfillments/last")


def test_a_page_that_is_empty_is_the_last() -> None:
    looks, end = follow(shoplazza().plan(BARE, 1, ()), listing(LAST, *many(0, 249)), listing())
    assert len(looks) == 2
    assert isinstance(end, Write)


def test_the_cursor_leads_on_until_there_is_no_more() -> None:
    name = "2026-01"
    pages = [
        listing(*many(0, 250), version=name, cursor="a+/=", has_more=True),
        listing(*many(250, 10), version=name, cursor="b", has_more=None),
        listing(LAST, version=name, cursor="c", has_more=None),
    ]
    looks, end = follow(shoplazza(version=name).plan(BARE, 1, ()), *pages)
    assert looks == [
        f"{name}/{LIST}?page_size=250",
        f"{name}/{LIST}?page_size=250&cursor=a%2B%2F%3D",
        f"{name}/{LIST}?page_size=250&cursor=b",
    ]
    assert isinstance(end, Write)
    whole = [
        listing(LAST, version=name, cursor="", has_more=None),
        listing(LAST, version=name),
        listing(LAST, *many(0, 250), version=name, cursor="x", has_more=False),
    ]
    for page in whole:
        assert isinstance(follow(shoplazza(version=name).plan(BARE, 1, ()), page)[1], Write)


def endless(name: str, **more: object) -> Callable[[Look], Answer]:
    counts = iter(range(0, 10**6, 250))
    return lambda _: listing(*many(next(counts), 250), version=name, cursor=str(next(counts)), **more)


def test_pages_without_end_are_not_followed_for_ever() -> None:
    expected = look_up_failed("page after page came, and no last one")
    for name in SHOPLAZZA_VERSIONS:
        plan = shoplazza(version=name).plan(BARE, 1, ())
        assert led_by(plan, endless(name, has_more=True)) == expected
    same = listing(*many(0, 250))
    assert reading_of(shoplazza().plan(BARE, 1, ()), same, same) == expected
    for cursor in ("", "a"):
        again = listing(*many(0, 250), version="2026-01", cursor=cursor, has_more=True)
        replies = [again] * (2 if cursor else 1)
        assert reading_of(shoplazza(version="2026-01").plan(BARE, 1, ()), *replies) == expected


# --- look-ups that fail --------------------------------------------------------------------------------

CAME = "the destination answered 200 with"
FAILED_LOOKS: list[tuple[Answer | NoAnswer, str, int | None]] = [
    (NoAnswer(Reach.SENT, "no reply within 30 s"), "no reply within 30 s", None),
    (
        NoAnswer(Reach.SENT, "cut off", answer(200, b'{"ful', whole=False)),
        """cut off (application/json: '{"ful')""",
        None,
    ),
    (answer(500, {"code": "UnknownError", "message": "x"}), "500 UnknownError: x", 500),
    (answer(502, b"<h1>"), "502 Bad Gateway (application/json: '<h1>')", 502),
    (answer(503, b""), "503 Service Unavailable (application/json, empty)", 503),
    (answer(408, b""), "408 Request Timeout (application/json, empty)", 408),
    (answer(204, b""), "204 No Content (application/json, empty)", 204),
    (answer(200, b"<h1>"), f"{CAME} what is no JSON object (application/json: '<h1>')", 200),
    (answer(200, {}), f"{CAME} no list of fulfillments (application/json: '{{}}')", 200),
    (
        answer(200, {"fulfillments": [1]}),
        f"{CAME} no fulfillment (application/json: '{{\"fulfillments\": [1]}}')",
        200,
    ),
    (
        answer(200, {"fulfillments": []}, whole=False),
        f"{CAME} a reply that was cut off (application/json: '{{\"fulfillments\": []}}')",
        200,
    ),
    (
        listing(there("f1", "", MUG), there("f2", order_id="633130-00000099")),
        f"the answer has order_id '633130-00000099', expected '{ORDER_ID}'",
        None,
    ),
]


def test_a_look_that_reached_nobody_says_so_of_the_destination() -> None:
    reading = reading_of(shoplazza().plan(BARE, 1, ()), NoAnswer(Reach.NEVER_SENT, "connection refused"))
    assert reading == replace(look_up_failed("connection refused", None), code="destination-unreachable")


@pytest.mark.parametrize(("reply", "words", "status"), FAILED_LOOKS, ids=range(len(FAILED_LOOKS)))
def test_a_look_that_fails_wrote_nothing_and_may_be_tried_again(
    reply: Answer | NoAnswer, words: str, status: int | None
) -> None:
    assert reading_of(shoplazza().plan(BARE, 1, ()), reply) == look_up_failed(words, status)


def test_an_order_that_is_not_there_is_a_refusal() -> None:
    missing = Reading(Meaning.REFUSED, "destination-404", "404 Record not found", 404)
    for operation in ("update", "create", "auto"):
        plan = shoplazza(operation=operation).plan(PARCEL, 1, ())
        assert reading_of(plan, answer(404, NOT_FOUND)) == missing
    later = answer(404, {"code": "RecordNotFound", "message": "Record not found"})
    assert reading_of(shoplazza(version="2026-01").plan(BARE, 1, ()), later) == replace(
        missing, message="404 RecordNotFound: Record not found"
    )


# --- order numbers -------------------------------------------------------------------------------------


NUMBERED = replace(BARE, parts=(OrderPart("1001", ()),))


def test_an_order_number_is_looked_up_and_everything_else_goes_by_the_id() -> None:
    destination = shoplazza(order_id_is="number")
    looks, end = follow(destination.plan(NUMBERED, 1, ()), order_of(), listing(there("f1")))
    assert looks == ["2022-01/orders/number/1001", f"2022-01/{LIST}?page=1&limit=250"]
    assert isinstance(end, Write)
    assert end.request.url == f"{URL}/2022-01/{LIST}/f1"
    named = replace(NUMBERED, fulfillment_id="f1")
    looks, end = follow(destination.plan(named, 1, ()), order_of())
    assert looks == ["2022-01/orders/number/1001"]
    assert isinstance(end, Write)
    assert end.read(answer(200, {"fulfillment": {**MINIMAL, "id": "f1"}})).meaning is Meaning.UPDATED


def test_an_order_of_another_number_is_not_touched() -> None:
    reading = reading_of(shoplazza(order_id_is="number").plan(NUMBERED, 1, ()), order_of(number="1002"))
    words = "the answer has number '1002', expected '1001'"
    assert reading == look_up_failed(words, what="order number 1001")
    broken = answer(200, {"order": {"id": ORDER_ID, "number": "1001"}})
    came = f"(application/json: '{broken.body.decode()}')"
    assert reading_of(shoplazza(order_id_is="number").plan(NUMBERED, 1, ()), broken) == look_up_failed(
        f"{CAME} no list of line_items {came}", 200, what="order number 1001"
    )


# --- creating ------------------------------------------------------------------------------------------

UNITS = [{"id": "line-1", "ship_quantity": 2}, {"id": "line-2", "ship_quantity": 1}]
CREATES = [
    ("2022-01", {"line_items": UNITS, "tracking_number": NUMBER}),
    (
        "2024-07",
        {
            "line_items": [
                {"line_item_id": "line-1", "quantity": 2},
                {"line_item_id": "line-2", "quantity": 1},
            ],
            "tracking_items": [{"tracking_number": NUMBER}],
        },
    ),
    *((name, {"fulfillment": {"line_items": UNITS, "tracking_number": NUMBER}}) for name in WRAPPED),
]


def shipped(
    *lines: dict[str, object],
    parcel: Fulfillment = SHIPMENT,
    before: Sequence[Write] = (),
    found: Sequence[object] = (),
) -> Write | Reading:
    """What creating comes to, with these lines in the order and these fulfillments of it."""
    plan = shoplazza(operation="create").plan(parcel, 1, before)
    return follow(plan, listing(*found), order_of(*lines))[1]


def taken(end: Write | Reading) -> dict[str, int]:
    assert isinstance(end, Write)
    return dict(end.takes)


@pytest.mark.parametrize("operation", ["create", "auto"])
@pytest.mark.parametrize(("name", "body"), CREATES, ids=SHOPLAZZA_VERSIONS)
def test_each_version_has_its_own_body_for_a_new_fulfillment(
    operation: str, name: str, body: dict[str, object]
) -> None:
    plan = shoplazza(version=name, operation=operation).plan(SHIPMENT, 1, ())
    looks, end = follow(plan, listing(version=name), order_of(MUGS, TEAS, version=name))
    assert looks == [f"{name}/{LIST}?{QUERIES[name]}", f"{name}/orders/{ORDER_ID}"]
    assert isinstance(end, Write)
    assert (end.request.method, end.request.url) == ("POST", f"{URL}/{name}/{LIST}")
    assert body_of(end) == body
    assert dict(end.takes) == {"line-1": 2, "line-2": 1}


def test_a_new_fulfillment_is_created_without_asking_for_a_mail() -> None:
    carrier = {name: value for name, value in TRACKING.items() if name != "tracking_number"}
    end = shipped(MUGS, TEAS, parcel=replace(DOCUMENTED, fulfillment_id="", parts=SHIPMENT.parts))
    assert isinstance(end, Write)
    assert body_of(end) == {"line_items": UNITS, "tracking_number": NUMBER, **carrier}
    assert not end.mails
    assert end.read(answer(200, {"fulfillment": echo(**carrier)})).message == (
        f"fulfillment {FULFILLMENT_ID} shipped, created 2024-04-22T08:37:12Z; the customer was not mailed: "
        "the API has no field for it when it creates"
    )


def test_the_reply_to_a_new_fulfillment_means_created() -> None:
    end = shipped(MUGS, TEAS)
    assert isinstance(end, Write)
    assert end.read(
        answer(200, {"fulfillment": REMOTE | {"order_id": ORDER_ID, "tracking_number": NUMBER}})
    ) == (
        Reading(
            Meaning.CREATED,
            "",
            "fulfillment 51c7dd5d-8f49-40c3-b2c1-5dfdeef9946d shipped, created 2024-04-22T08:37:12Z",
            200,
        )
    )
    unknown = f"{NOT_KNOWN} created"
    other = json.dumps({"fulfillment": {**MINIMAL, "order_id": "1"}})
    assert end.read(answer(200, other.encode())) == Reading(
        Meaning.UNKNOWN,
        "outcome-unknown",
        f"the destination answered 200 with order_id '1', expected '{ORDER_ID}' "
        f"(application/json: '{other}'); {unknown}",
        200,
    )
    # what it may have left behind is looked up before anything else is sent
    failed = {"code": "UnknownError", "message": "x"}
    assert end.read(answer(500, failed)) == Reading(
        Meaning.UNKNOWN,
        "outcome-unknown",
        f"the destination answered 500 (application/json: '{json.dumps(failed)}'); {unknown}",
        500,
    )
    assert end.read(NoAnswer(Reach.SENT, "lost")) == Reading(
        Meaning.UNKNOWN, "outcome-unknown", f"lost; {unknown}"
    )


MUGS_2 = {**MUGS, "id": "line-3"}
GONE = {"id": "line-1", "sku": "MUG"}
TAKEN: list[tuple[list[dict[str, object]], list[object], dict[str, int]]] = [
    ([MUGS, TEAS], [], {"line-1": 2, "line-2": 1}),
    ([TEAS, MUGS], [], {"line-2": 1, "line-1": 2}),
    ([{**MUGS, "quantity": 2}, TEAS], [], {"line-1": 2, "line-2": 1}),
    ([MUGS, TEAS], [there("f1", "T", {**GONE, "quantity": 1})], {"line-1": 2, "line-2": 1}),
    (
        [MUGS, TEAS],
        [there("f1", "T", {**GONE, "quantity": 3}, status="cancelled")],
        {"line-1": 2, "line-2": 1},
    ),
    (
        [MUGS, TEAS],
        [there("f1", "T", {**GONE, "quantity": 3, "ship_quantity": 1})],
        {"line-1": 2, "line-2": 1},
    ),
    (
        [MUGS, TEAS, MUGS_2],
        [there("f1", "T", {**GONE, "quantity": 2})],
        {"line-1": 1, "line-2": 1, "line-3": 1},
    ),
    ([MUGS, TEAS, MUGS_2], [there("f1", "T", {**GONE, "quantity": 3})], {"line-2": 1, "line-3": 2}),
    ([{**MUGS, "refund_quantity": 3}, TEAS, MUGS_2], [], {"line-2": 1, "line-3": 2}),
]


@pytest.mark.parametrize(("lines", "found", "units"), TAKEN, ids=range(len(TAKEN)))
def test_a_parcel_takes_what_is_left_of_the_lines_of_its_skus(
    lines: list[dict[str, object]], found: list[object], units: dict[str, int]
) -> None:
    end = shipped(*lines, found=found)
    assert taken(end) == units
    assert isinstance(end, Write)
    assert [line["id"] for line in body_of(end)["line_items"]] == [*units]


def test_what_this_run_took_before_is_no_longer_left() -> None:
    before = replace(BEFORE, takes={"line-1": 1, "line-2": 2})
    assert taken(shipped(MUGS, TEAS, before=(before,))) == {"line-1": 2, "line-2": 1}
    assert shipped(MUGS, TEAS, before=(before, before)) == Reading(
        Meaning.REFUSED,
        "exceeds-remaining",
        "SKU MUG: 2 in these rows, 1 left to ship (3 ordered, 0 refunded, 2 shipped already)",
    )


MORE_SKUS = [{**TEAS, "id": f"line-{number}", "sku": f"SKU-{number}"} for number in range(7)]
NOT_SHIPPABLE: list[tuple[list[dict[str, object]], list[object], str, str]] = [
    (
        [{**MUGS, "refund_quantity": 2}, TEAS],
        [],
        "exceeds-remaining",
        "SKU MUG: 2 in these rows, 1 left to ship (3 ordered, 2 refunded, 0 shipped already)",
    ),
    (
        [MUGS, TEAS],
        [there("f1", "T", {**GONE, "quantity": 3})],
        "exceeds-remaining",
        "SKU MUG: 2 in these rows, 0 left to ship (3 ordered, 0 refunded, 3 shipped already)",
    ),
    (
        [MUGS, TEAS],
        [there("f1", "T", {**GONE, "quantity": 0})],
        "exceeds-remaining",
        "SKU MUG: 2 in these rows, 0 left to ship (3 ordered, 0 refunded, 3 shipped already)",
    ),
    ([MUGS], [], "sku-not-in-order", "SKU TEA is not in the order, which has MUG"),
    ([], [], "sku-not-in-order", "SKU MUG is not in the order, which has none"),
    (
        MORE_SKUS,
        [],
        "sku-not-in-order",
        "SKU MUG is not in the order, which has SKU-0, SKU-1, SKU-2, SKU-3, SKU-4 and 2 more",
    ),
]


@pytest.mark.parametrize(("lines", "found", "code", "words"), NOT_SHIPPABLE, ids=range(len(NOT_SHIPPABLE)))
def test_what_the_order_has_not_left_is_not_shipped(
    lines: list[dict[str, object]], found: list[object], code: str, words: str
) -> None:
    plan = shoplazza(operation="create").plan(SHIPMENT, 1, ())
    _, end = follow(plan, listing(*found), order_of(*lines))
    assert end == Reading(Meaning.REFUSED, code, words)


def test_what_is_left_is_not_reckoned_without_the_lines_of_each_fulfillment() -> None:
    found = listing({"id": "f1", "tracking_number": "T"})
    reading = reading_of(shoplazza(operation="create").plan(SHIPMENT, 1, ()), found)
    assert reading == look_up_failed("the answer does not tell their line items")


def test_an_order_is_looked_up_by_its_id_and_must_be_that_one() -> None:
    plan = shoplazza(operation="create").plan(SHIPMENT, 1, ())
    words = f"the answer has id '1', expected '{ORDER_ID}'"
    assert reading_of(plan, listing(), order_of(MUGS, TEAS, id="1")) == look_up_failed(
        words, what=f"order {ORDER_ID}"
    )


def test_auto_updates_what_is_there_and_creates_what_is_not() -> None:
    destination = shoplazza(operation="auto")
    plan = destination.plan(PARCEL, 1, ())
    assert write_of(plan, listing(there("f1", "", MUG))).request.url == f"{URL}/2022-01/{LIST}/f1"
    assert write_of(destination.plan(replace(PARCEL, fulfillment_id="f7"), 1, ())).request.method == "PUT"
    found = listing(there("f1", "", {**MUGS, "quantity": 1}))
    assert taken(follow(destination.plan(PARCEL, 1, ()), found, order_of(MUGS))[1]) == {"line-1": 2}
    two = listing(there("f1", "", MUG), there("f2", "", MUG))
    assert reading_of(destination.plan(PARCEL, 1, ()), two).code == "ambiguous-fulfillment"


def test_creating_does_not_look_for_a_fulfillment_to_update() -> None:
    found = listing(there("f1", "", {**MUGS, "quantity": 1}))
    parcel = replace(PARCEL, fulfillment_id="f1")
    plan = shoplazza(operation="create").plan(parcel, 1, ())
    assert write_of(plan, found, order_of(MUGS)).request.method == "POST"


lines = st.builds(
    Line, st.uuids().map(str), st.sampled_from(["A", "B", "C"]), st.integers(0, 9), st.integers(0, 9)
)
orders = st.lists(lines, max_size=6, unique_by=lambda line: line.line_id).map(
    lambda found: Order(ORDER_ID, "1", tuple(found))
)
rows = st.dictionaries(st.sampled_from(["A", "B", "C"]), st.integers(1, 12), min_size=1).map(
    lambda wanted: tuple(LineItem(sku, quantity) for sku, quantity in wanted.items())
)


@given(orders, rows, st.data())
def test_the_units_are_those_of_the_rows_or_there_are_none(
    order: Order, wanted: tuple[LineItem, ...], data: st.DataObject
) -> None:
    gone = [data.draw(st.integers(0, 12)) for _ in order.lines]
    sent = tuple(
        Shipped(line.line_id, line.sku, units) for line, units in zip(order.lines, gone, strict=True)
    )
    before = Remote("f", ORDER_ID, "shipped", (), "", "", sent)
    left = {
        line.line_id: line.quantity - line.refunded - units
        for line, units in zip(order.lines, gone, strict=True)
    }
    sku_of = {line.line_id: line.sku for line in order.lines}
    room: Counter[str] = Counter()
    for line in order.lines:
        room[line.sku] += max(0, left[line.line_id])
    try:
        units = allot(wanted, order, [before], ())
    except (UnknownSkuError, TooMuchError):
        assert any(item.quantity > room[item.sku] for item in wanted)
        return
    assert all(1 <= count <= left[line_id] for line_id, count in units.items())
    totals: Counter[str] = Counter()
    for line_id, count in units.items():
        totals[sku_of[line_id]] += count
    assert totals == Counter({item.sku: item.quantity for item in wanted})


# --- carriers ------------------------------------------------------------------------------------------


def carried(company: str = "", code: str = "") -> Plan:
    parcel = replace(NAMED, tracking_company=company, tracking_company_code=code)
    return shoplazza(check_carriers=True).plan(parcel, 1, ())


def test_the_list_of_carriers_is_asked_for_once_in_a_run_and_only_where_there_is_a_carrier() -> None:
    for name in SHOPLAZZA_VERSIONS:
        destination = shoplazza(version=name, check_carriers=True)
        plan = destination.plan(DOCUMENTED, 1, ())
        assert not isinstance(plan, Write)
        look = next(plan)
        path = "tracking-codes" if name == "2022-01" else "tracking/carriers"
        assert (look.request.url, look.lasting) == (f"{URL}/{name}/{path}", True)
        end = led_by(
            destination.plan(DOCUMENTED, 1, ()), lambda _: success("2026-01", tracking_carriers=CARRIERS)
        )
        assert isinstance(end, Write)
        assert isinstance(destination.plan(NAMED, 1, ()), Write)


KNOWN = [
    ("DHL", "dhl", ""),
    ("dhl", "dhl", ""),
    ("敦豪", "dhl", ""),
    ("", "DJ-10001", ""),
    ("DHL", "", ""),
    ("Kim's Couriers", "", ""),
    ("Kim's Couriers", "dhl", ""),
    (
        "Swishipp UK",
        "",
        "tracking_company 'Swishipp UK' is not on the platform's list; did you mean Swiship UK?",
    ),
]


@pytest.mark.parametrize(("company", "code", "note"), KNOWN)
def test_a_carrier_that_may_be_right_is_sent(company: str, code: str, note: str) -> None:
    write = write_of(carried(company, code), success("2022-01", tracking_carriers=CARRIERS))
    sent = {"tracking_company": company, "tracking_company_code": code}
    assert body_of(write) == {"tracking_number": NUMBER} | {name: text for name, text in sent.items() if text}
    assert write.read(answer(200, {"fulfillment": echo(tracking_company="", tracking_company_code="")})) == (
        updated(note)
    )


WRONG_CODES = [
    ("", "dhll", "found 'dhll', which is not on the platform's list; did you mean dhl?"),
    ("", "DHL", "found 'DHL', which is not on the platform's list; did you mean dhl?"),
    ("", "zzz", "found 'zzz', which is not on the platform's list"),
    ("CLE", "cle", "found 'cle', which is not on the platform's list; did you mean DJ-10001?"),
    (
        "CLE",
        "dhl",
        "found 'dhl', which is that of DHL, but tracking_company is 'CLE'; did you mean DJ-10001?",
    ),
]


@pytest.mark.parametrize(("company", "code", "words"), WRONG_CODES)
def test_a_code_that_is_none_or_another_carriers_is_refused_before_it_is_sent(
    company: str, code: str, words: str
) -> None:
    reading = reading_of(carried(company, code), success("2022-01", tracking_carriers=CARRIERS))
    assert reading == Reading(Meaning.REFUSED, "carrier-not-known", f"tracking_company_code: {words}")


NO_LIST: list[Answer | NoAnswer] = [
    answer(404, b""),
    answer(403, {"errors": ["the token lacks read_order"]}),
    answer(500, b""),
    answer(200, b"<h1>"),
    answer(200, {}),
    answer(200, {"tracking_carriers": []}),
    answer(200, {"tracking_carriers": [{"en_name": "no code"}]}),
    NoAnswer(Reach.SENT, "lost"),
]


@pytest.mark.parametrize("reply", NO_LIST, ids=range(len(NO_LIST)))
def test_without_a_list_any_carrier_is_sent(reply: Answer | NoAnswer) -> None:
    assert body_of(write_of(carried("DHLL", "zzz"), reply))["tracking_company_code"] == "zzz"


def test_what_stops_a_run_stops_it_at_the_list_too() -> None:
    assert reading_of(carried("DHL"), answer(401, b"Unauthorized")).meaning is Meaning.STOP
    assert reading_of(carried("DHL"), answer(429, b"", {"Retry-After": "2"})).wait_seconds == 2.0


def test_the_carrier_of_a_new_fulfillment_is_looked_at_last() -> None:
    parcel = replace(SHIPMENT, tracking_company_code="zzz")
    plan = shoplazza(operation="create", check_carriers=True).plan(parcel, 1, ())
    carriers = success("2022-01", tracking_carriers=CARRIERS)
    looks, end = follow(plan, listing(), order_of(MUGS, TEAS), carriers)
    assert looks[-1] == "2022-01/tracking-codes"
    assert isinstance(end, Reading)
    assert end.code == "carrier-not-known"

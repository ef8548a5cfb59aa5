"""A Shoplazza shop's orders, fulfillments, e-mails and bucket, without HTTP."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from importer.errors import SetupError
from importer.sandbox.shops import (
    Bucket,
    Carrier,
    Fulfillment,
    Mail,
    NotFoundError,
    NotShippableError,
    Shop,
    Tracking,
    Units,
)

AT = datetime(2024, 4, 22, 8, 37, 12, tzinfo=UTC)
LATER = AT + timedelta(minutes=5)
TRACKED = (Tracking("T-1", "DHL", "dhl", "https://tracking.url"),)
ID = "2386979206088637521556"
"""22 digits: more than a float or 64 bits can hold."""


class Clock:
    """Shows what it is set to."""

    def __init__(self) -> None:
        self.at = AT
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.at

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def order(**given: object) -> dict[str, Any]:
    lines = [{"id": "mug", "sku": "MUG", "quantity": 3}, {"id": "tea", "sku": "TEA", "quantity": 2}]
    return {"order_id": ID, "number": "A1", "line_items": lines, **given}


def shop_of(clock: Clock, **given: object) -> Shop:
    return Shop.of({"shoplazza": {"orders": [order(**given)]}}, "shop.json", now=clock.now)


def as_it_was(trackings: tuple[Tracking, ...]) -> tuple[Tracking, ...]:
    return trackings


# --- creating and cancelling ---------------------------------------------------------------------------


def test_a_fulfillment_takes_its_units_from_what_is_left(clock: Clock) -> None:
    shop = shop_of(clock)
    after, created = shop.create(ID, [Units("mug", 2)], TRACKED)
    assert created == Fulfillment(created.fulfillment_id, ID, "shipped", TRACKED, (Units("mug", 2),), AT, AT)
    assert (after.left, after.fulfillment_status) == ({"mug": 1, "tea": 2}, "partially_shipped")
    assert [after.line_status(line) for line in after.lines] == ["partially_shipped", "initialled"]
    assert shop.order(ID) == after


def test_0_ships_all_that_is_left_of_a_line(clock: Clock) -> None:
    shop = shop_of(clock)
    shop.create(ID, [Units("mug", 1)], TRACKED)
    after, created = shop.create(ID, [Units("mug", 0), Units("tea", 0)], TRACKED)
    assert created.units == (Units("mug", 2), Units("tea", 2))
    assert (after.left, after.fulfillment_status) == ({"mug": 0, "tea": 0}, "shipped")


def test_a_line_that_is_named_twice_gives_both(clock: Clock) -> None:
    _, created = shop_of(clock).create(ID, [Units("mug", 1), Units("mug", 2)], TRACKED)
    assert created.units == (Units("mug", 3),)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ([Units("mug", 4)], "line_item mug: 4 asked for, 3 left to ship"),
        ([Units("mug", 2), Units("mug", 2)], "line_item mug: 2 asked for, 1 left to ship"),
        ([Units("mug", 3), Units("mug", 0)], "line_item mug: all asked for, 0 left to ship"),
        ([Units("tea", 1), Units("cup", 1)], "invalid line_item id"),
    ],
)
def test_what_is_not_left_is_refused_and_takes_nothing(clock: Clock, asked: list[Units], words: str) -> None:
    shop = shop_of(clock)
    before = shop.order(ID)
    with pytest.raises(NotShippableError) as refusal:
        shop.create(ID, asked, TRACKED)
    assert str(refusal.value) == words
    assert shop.order(ID) == before


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({"line_items": [{"id": "mug", "sku": "MUG", "quantity": 3, "refund_quantity": 2}]}, 1),
        ({"line_items": [{"id": "mug", "sku": "MUG", "quantity": 3, "cancelled": True}]}, 0),
        ({"status": "cancelled"}, 0),
    ],
)
def test_refunded_units_and_cancelled_lines_and_orders_are_not_shipped(
    clock: Clock, given: dict[str, object], left: int
) -> None:
    shop = shop_of(clock, **given)
    assert shop.order(ID).left["mug"] == left
    with pytest.raises(NotShippableError, match=f"{left + 1} asked for, {left} left to ship"):
        shop.create(ID, [Units("mug", left + 1)], TRACKED)


def test_units_that_were_refunded_after_they_were_shipped_leave_nothing_to_ship(clock: Clock) -> None:
    lines = [{"id": "mug", "sku": "MUG", "quantity": 1, "refund_quantity": 1}]
    shipped = [{"line_items": [{"id": "mug", "quantity": 1}]}]
    assert shop_of(clock, line_items=lines, fulfillments=shipped).order(ID).left == {"mug": 0}


def test_a_cancelled_fulfillment_gives_its_units_back(clock: Clock) -> None:
    shop = shop_of(clock)
    _, created = shop.create(ID, [Units("mug", 3)], TRACKED)
    clock.at = LATER
    after, cancelled = shop.cancel(ID, created.fulfillment_id)
    assert cancelled == replace(created, status="cancelled", updated_at=LATER)
    assert after.left == {"mug": 3, "tea": 2}
    clock.at = LATER + timedelta(1)
    assert shop.cancel(ID, created.fulfillment_id) == (after, cancelled)
    _, again = shop.create(ID, [Units("mug", 3)], TRACKED)
    assert again.fulfillment_id != created.fulfillment_id


def test_a_cancelled_order_and_its_lines_say_so(clock: Clock) -> None:
    found = shop_of(clock, status="cancelled").order(ID)
    assert [found.fulfillment_status, *map(found.line_status, found.lines)] == ["cancelled"] * 3


def test_what_is_created_twice_ships_twice_while_units_remain(clock: Clock) -> None:
    shop = shop_of(clock)
    created = [shop.create(ID, [Units("mug", 1)], TRACKED)[1] for _ in range(2)]
    assert created[0].fulfillment_id != created[1].fulfillment_id
    assert shop.order(ID).fulfillments == tuple(created)


@given(st.lists(st.tuples(st.sampled_from(["mug", "tea"]), st.integers(0, 4), st.booleans())))
def test_no_order_ever_ships_more_than_was_ordered(steps: list[tuple[str, int, bool]]) -> None:
    shop = shop_of(Clock())
    for line_id, quantity, cancel in steps:
        try:
            _, created = shop.create(ID, [Units(line_id, quantity)], TRACKED)
        except NotShippableError:
            continue
        if cancel:
            shop.cancel(ID, created.fulfillment_id)
    found = shop.order(ID)
    assert {name: found.shipped[name] + left for name, left in found.left.items()} == {"mug": 3, "tea": 2}
    assert min(found.left.values()) >= 0


def test_many_threads_do_not_ship_a_unit_twice(clock: Clock) -> None:
    shop = shop_of(clock, line_items=[{"id": "mug", "sku": "MUG", "quantity": 40}])

    def ship(_: int) -> int:
        try:
            shop.create(ID, [Units("mug", 1)], TRACKED)
        except NotShippableError:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ship, range(100))) == 40
    assert len({each.fulfillment_id for each in shop.order(ID).fulfillments}) == 40


# --- updating ------------------------------------------------------------------------------------------


def test_an_update_changes_what_it_is_given_and_when_it_was_updated(clock: Clock) -> None:
    shop = shop_of(clock)
    _, created = shop.create(ID, [Units("mug", 1)], TRACKED)
    clock.at = LATER
    after, updated = shop.update(
        ID, created.fulfillment_id, lambda old: (replace(old[0], tracking_number="T-2"),)
    )
    tracking = Tracking("T-2", "DHL", "dhl", "https://tracking.url")
    assert updated == replace(created, trackings=(tracking,), updated_at=LATER)
    assert after.fulfillments == (updated,)
    assert shop.mails == []


def test_every_update_that_asks_for_it_mails_the_customer_again(clock: Clock) -> None:
    shop = shop_of(clock)
    _, created = shop.create(ID, [Units("mug", 1)], TRACKED)
    for at in (AT, LATER):
        clock.at = at
        shop.update(ID, created.fulfillment_id, as_it_was, send_email=True)
    assert shop.mails == [
        Mail(ID, created.fulfillment_id, "T-1", AT),
        Mail(ID, created.fulfillment_id, "T-1", LATER),
    ]


def test_a_fulfillment_of_another_order_is_not_found(clock: Clock) -> None:
    orders = [order(fulfillments=[{"id": "f", "line_items": []}]), order(order_id="2", number="A2")]
    shop = Shop.of({"shoplazza": {"orders": orders}}, "shop.json", now=clock.now)
    for missing in (("2", "f"), (ID, "g"), ("3", "f")):
        with pytest.raises(NotFoundError, match=r"^Record not found$"):
            shop.update(*missing, as_it_was, send_email=True)
        with pytest.raises(NotFoundError, match=r"^Record not found$"):
            shop.cancel(*missing)
    assert shop.mails == []


# --- looking up ----------------------------------------------------------------------------------------


def test_a_number_is_not_an_id(clock: Clock) -> None:
    shop = shop_of(clock)
    assert shop.order_by_number("A1") == shop.order(ID)
    with pytest.raises(NotFoundError):
        shop.order_by_number(ID)
    with pytest.raises(NotFoundError):
        shop.order("A1")


def test_a_shop_of_any_order_finds_it_without_lines_or_fulfillments(clock: Clock) -> None:
    shop = Shop.any_order(now=clock.now)
    found = shop.order(ID)
    assert (found.order_id, found.lines, found.fulfillments) == (ID, (), ())
    by_number = shop.order_by_number("A1")
    assert (by_number.number, by_number.lines, by_number.fulfillments) == ("A1", (), ())
    assert shop.order(by_number.order_id) == by_number
    with pytest.raises(NotFoundError):
        shop.cancel(ID, "f")
    with pytest.raises(NotShippableError, match=r"^invalid line_item id$"):
        shop.create(ID, [Units("mug", 0)], TRACKED)


def test_a_shop_of_any_order_takes_any_update_and_knows_it_from_then_on(clock: Clock) -> None:
    shop = Shop.any_order(now=clock.now)
    after, made = shop.update(ID, "f", lambda _: TRACKED, send_email=True)
    assert made == Fulfillment("f", ID, "shipped", TRACKED, (), AT, AT)
    assert after.fulfillments == (made,)
    assert shop.mails == [Mail(ID, "f", "T-1", AT)]
    assert shop.order(ID) == after
    assert shop.order_by_number(after.number) == after


# --- the bucket ----------------------------------------------------------------------------------------


def test_the_bucket_takes_40_at_once_and_then_2_a_second(clock: Clock) -> None:
    bucket = Bucket(clock=clock)
    assert [bucket.take() for _ in range(42)] == [0.0] * 40 + [0.5] * 2
    clock.seconds = 0.25
    assert bucket.take() == 0.25
    clock.seconds = 1.0
    assert [bucket.take() for _ in range(3)] == [0.0, 0.0, 0.5]
    clock.seconds = 1000.0
    assert [bucket.take() for _ in range(41)] == [0.0] * 40 + [0.5]


def test_a_bucket_is_as_deep_and_as_leaky_as_told(clock: Clock) -> None:
    bucket = Bucket(1, 0.25, clock=clock)
    assert [bucket.take(), bucket.take()] == [0.0, 4.0]


# --- the document --------------------------------------------------------------------------------------


def test_the_document_is_read_whole(clock: Clock) -> None:
    carrier = {"code": "DJ-10001", "en_name": "CLE", "cn_name": "可络客国际物流"}
    shipped = {
        "id": "f",
        "status": "cancelled",
        "tracking_number": "T-1",
        "tracking_company": "DHL",
        "tracking_company_code": "dhl",
        "tracking_url": "https://tracking.url",
        "line_items": [{"sku": "TEA", "quantity": 2}, {"id": "mug", "sku": "MUG", "quantity": 1}],
    }
    document = {
        "orders": [{"order_id": 7}],  # ADM's own, beside it
        "shoplazza": {
            "orders": [order(status="finished", fulfillments=[shipped])],
            "carriers": [carrier],
            "scopes": ["read_order"],
            "active": False,
        },
    }
    shop = Shop.of(document, "shop.json", now=clock.now)
    assert shop.carriers == (Carrier("DJ-10001", "CLE", "可络客国际物流"),)
    assert (shop.active, shop.scopes) == (False, frozenset({"read_order"}))
    found = shop.order(ID)
    units = (Units("tea", 2), Units("mug", 1))
    assert found.fulfillments == (Fulfillment("f", ID, "cancelled", TRACKED, units, AT, AT),)
    assert (found.status, found.left) == ("finished", {"mug": 3, "tea": 2})


def test_ids_that_are_not_given_are_the_same_each_time_and_all_different(clock: Clock) -> None:
    def ids() -> list[str]:
        line = {"sku": "MUG", "quantity": 3}
        shipped: dict[str, object] = {"line_items": []}
        orders = [
            order(order_id=name, number=name, line_items=[line] * 2, fulfillments=[shipped] * 2)
            for name in ("1", "2")
        ]
        shop = Shop.of({"shoplazza": {"orders": orders}}, "shop.json", now=clock.now)
        return [
            name
            for found in map(shop.order, ("1", "2"))
            for name in (
                *(each.fulfillment_id for each in found.fulfillments),
                *(line.line_id for line in found.lines),
                *(str(line.details[key]) for line in found.lines for key in ("product_id", "variant_id")),
            )
        ]

    assert ids() == ids()
    assert len(set(ids())) == 16


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "the document: found [], expected an object with shoplazza"),
        ({}, "shoplazza: found nothing, expected an object with orders, carriers, scopes, active"),
        ({"shoplazza": {}}, "shoplazza.orders: found nothing, expected an array of objects"),
        (
            {"shoplazza": {"orders": [], "scopes": ["write"]}},
            'shoplazza.scopes: found ["write"], expected a list of read_order and write_order',
        ),
        (
            {"shoplazza": {"orders": [], "carriers": [{"code": "dhl"}]}},
            "shoplazza.carriers[0].en_name: found nothing, expected a string",
        ),
        (
            {"shoplazza": {"orders": [], "open": True}},
            'shoplazza: found "open", expected no other members than orders, carriers, scopes, active',
        ),
        (
            {"shoplazza": {"orders": [order(order_id=2386979206088637521556)]}},
            (
                "shoplazza.orders[0].order_id: found 2386979206088637521556, "
                "expected a string that is not empty, without control characters"
            ),
        ),
        (
            {"shoplazza": {"orders": [order(), order(number="A2")]}},
            f'shoplazza.orders[1].order_id: found "{ID}", expected each order once',
        ),
        (
            {"shoplazza": {"orders": [order(), order(order_id="2")]}},
            'shoplazza.orders[1].number: found "A1", expected each number once',
        ),
        (
            {"shoplazza": {"orders": [order(status="canceled")]}},
            (
                'shoplazza.orders[0].status: found "canceled", '
                'expected "placed" or "opened" or "finished" or "cancelled"'
            ),
        ),
        (
            {"shoplazza": {"orders": [order(line_items=[{"sku": "MUG", "quantity": 0}])]}},
            "shoplazza.orders[0].line_items[0].quantity: found 0, expected a whole number from 1 on",
        ),
        (
            {"shoplazza": {"orders": [order(line_items=[{"sku": "A", "quantity": 1, "price": 81.0}])]}},
            (
                "shoplazza.orders[0].line_items[0].price: found 81.0, "
                'expected an amount as a string, such as "81.00"'
            ),
        ),
        (
            {
                "shoplazza": {
                    "orders": [order(line_items=[{"sku": "A", "quantity": 1, "refund_quantity": 2}])]
                }
            },
            "shoplazza.orders[0].line_items[0].refund_quantity: found 2, expected at most the quantity, 1",
        ),
        (
            {"shoplazza": {"orders": [order(line_items=[{"id": "a", "sku": "A", "quantity": 1}] * 2)]}},
            'shoplazza.orders[0].line_items[1].id: found "a", expected each line once',
        ),
        (
            {"shoplazza": {"orders": [order(fulfillments=[{"id": "f", "line_items": []}] * 2)]}},
            'shoplazza.orders[0].fulfillments[1].id: found "f", expected each fulfillment once',
        ),
        (
            {
                "shoplazza": {
                    "orders": [order(fulfillments=[{"line_items": [{"sku": "CUP", "quantity": 1}]}])]
                }
            },
            (
                'shoplazza.orders[0].fulfillments[0].line_items[0]: found {"sku": "CUP", "quantity": 1}, '
                "expected the id of a line of the order, or a sku that one line has"
            ),
        ),
        (
            {
                "shoplazza": {
                    "orders": [order(fulfillments=[{"line_items": [{"sku": "MUG", "quantity": 2}]}] * 2)]
                }
            },
            (
                "shoplazza.orders[0].fulfillments, units of MUG: found 4, "
                "expected at most the 3 that were ordered"
            ),
        ),
    ],
)
def test_what_a_document_may_not_say_is_named(document: object, words: str) -> None:
    with pytest.raises(SetupError) as error:
        Shop.of(document, "shop.json")
    assert str(error.value) == f"shop.json: {words}"


def test_a_sku_that_two_lines_have_names_neither_of_them(clock: Clock) -> None:
    lines = [{"id": name, "sku": "MUG", "quantity": 3} for name in ("a", "b")]
    with pytest.raises(
        SetupError, match="expected the id of a line of the order, or a sku that one line has"
    ):
        shop_of(clock, line_items=lines, fulfillments=[{"line_items": [{"sku": "MUG", "quantity": 1}]}])
    by_id = [{"line_items": [{"id": "b", "quantity": 1}]}]
    assert shop_of(clock, line_items=lines, fulfillments=by_id).order(ID).left == {"a": 3, "b": 2}

"""What a Shoplazza shop has: orders, their fulfillments, the e-mails it sent, and its leaky bucket.

Every id is text and stays as it was given: an order id may be ``633130-00000012`` or have 22 digits.
"""

from __future__ import annotations

import threading
import time
import uuid
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from importer.errors import SetupError
from importer.sandbox.keys import Key, list_of, one_of, text, whole_number
from importer.sandbox.orders import MismatchError, document_of, member, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

SCOPES: Final = ("read_order", "write_order")
CREATED: Final = "created"
UPDATED: Final = "updated"
CANCELLED: Final = "cancelled"


class Carrier(Struct, frozen=True):
    """A tracking company that the shop knows."""

    code: str
    en_name: str
    cn_name: str


class Tracking(Struct, frozen=True):
    """One tracking number with its company, named as the API names them; empty where nothing is known."""

    tracking_number: str = ""
    tracking_company: str = ""
    tracking_company_code: str = ""
    tracking_url: str = ""


class Line(Struct, frozen=True):
    """A line of an order; ``details`` are the rest of its fields, named as the API names them."""

    line_id: str
    sku: str
    quantity: int
    refund_quantity: int = 0
    cancelled: bool = False
    details: Mapping[str, object] = field(default_factory=dict)


class Units(Struct, frozen=True):
    """So many units of a line; where they are asked for, 0 is all that remains of it."""

    line_id: str
    quantity: int


class Fulfillment(Struct, frozen=True):
    """One shipment of an order; it has one tracking or more, and its times are UTC."""

    fulfillment_id: str
    order_id: str
    status: str
    trackings: tuple[Tracking, ...]
    units: tuple[Units, ...]
    created_at: datetime
    updated_at: datetime


class Order(Struct, frozen=True):
    """An order as it is at one instant; its number is another key than its id."""

    order_id: str
    number: str
    status: str = "placed"
    lines: tuple[Line, ...] = ()
    fulfillments: tuple[Fulfillment, ...] = ()

    def fulfillment(self, fulfillment_id: str) -> Fulfillment:
        """The fulfillment of this id.

        Raises:
            NotFoundError: the order has none of this id.
        """
        found = (each for each in self.fulfillments if each.fulfillment_id == fulfillment_id)
        return _there(next(found, None))

    @property
    def shipped(self) -> dict[str, int]:
        """How many units of each line have left, by line id."""
        shipped = {line.line_id: 0 for line in self.lines}
        for fulfillment in self.fulfillments:
            for units in fulfillment.units if fulfillment.status != CANCELLED else ():
                shipped[units.line_id] += units.quantity
        return shipped

    @property
    def left(self) -> dict[str, int]:
        """How many units of each line can still be shipped, by line id; a refunded unit can not."""
        shipped = self.shipped
        return {
            line.line_id: 0
            if self._ended(line)
            else max(0, line.quantity - line.refund_quantity - shipped[line.line_id])
            for line in self.lines
        }

    def line_status(self, line: Line) -> str:
        """How far the shipping of a line is, in the platform's word for it."""
        return (
            CANCELLED if self._ended(line) else _progress(self.shipped[line.line_id], self.left[line.line_id])
        )

    @property
    def fulfillment_status(self) -> str:
        """How far the shipping of the order is, in the platform's word for it."""
        if self.status == CANCELLED:
            return CANCELLED
        return _progress(sum(self.shipped.values()), sum(self.left.values()))

    def _ended(self, line: Line) -> bool:
        return line.cancelled or self.status == CANCELLED


class Mail(Struct, frozen=True):
    """An e-mail to the customer of an order about a fulfillment; ``at`` is UTC."""

    order_id: str
    fulfillment_id: str
    tracking_number: str
    at: datetime


class Written(Struct, frozen=True):
    """A fulfillment as a request left it, in its order; ``done`` is created, updated or cancelled."""

    done: str
    order: Order
    fulfillment: Fulfillment


class Newest(Struct, frozen=True):
    """The end of what a shop did, newest first; ``counts`` is of all of it."""

    counts: Mapping[str, int]
    written: tuple[Written, ...]
    mails: tuple[Mail, ...]


class NotFoundError(LookupError):
    """The shop has no such order, or the order no such fulfillment."""


class NotShippableError(ValueError):
    """A fulfillment can't be created; the message says why."""


class Bucket:
    """A leaky bucket: it takes a request while there is room, and what is in it leaks away.

    ``depth`` is in requests, ``leak`` in requests a second. The platform has 40 and 2 for an app in a store.
    """

    def __init__(
        self, depth: int = 40, leak: float = 2.0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._depth = depth
        self._leak = leak
        self._clock = clock
        self._level = 0.0
        self._seen = clock()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take a request in: 0 when there was room, else the seconds until there is."""
        with self._lock:
            now = self._clock()
            self._level = max(0.0, self._level - (now - self._seen) * self._leak)
            self._seen = now
            if self._level + 1 > self._depth:
                return (self._level + 1 - self._depth) / self._leak
            self._level += 1
            return 0.0


class Shop:
    """The orders of a shop and what became of them; any number of threads may use it at once.

    ``written`` has every fulfillment that was written, once for each time, and ``mails`` every e-mail, both
    in the order of their coming. A shop that is not ``active`` answers nothing else. ``scopes`` are what its
    token may do. ``orders`` None stands for a shop that finds any order, without lines, and any fulfillment
    that is to be updated. What is written without ``effect`` is only what would be.
    """

    def __init__(
        self,
        orders: Iterable[Order] | None,
        carriers: Iterable[Carrier] = (),
        *,
        active: bool = True,
        scopes: Iterable[str] = SCOPES,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.active = active
        self.carriers = tuple(carriers)
        self.scopes = frozenset(scopes)
        self.now = now
        self.mails: list[Mail] = []
        self.written: list[Written] = []
        self._counts = dict.fromkeys((CREATED, UPDATED, CANCELLED), 0)
        self._any = orders is None
        self._orders = {order.order_id: order for order in orders or ()}
        self._ids = {order.number: order.order_id for order in self._orders.values()}
        self._lock = threading.Lock()

    @classmethod
    def from_file(cls, path: Path, *, now: Callable[[], datetime] = utc_now) -> Shop:
        """The shop of an orders file.

        Raises:
            SetupError: the file can't be read, or is not of the form that ``of`` has.
        """
        return cls.of(document_of(path), str(path), now=now)

    @classmethod
    def of(cls, document: object, place: str, *, now: Callable[[], datetime] = utc_now) -> Shop:
        """The shop of a JSON document, which ``place`` names in messages.

        Its form is ``{"shoplazza": {"orders": [ORDER], "carriers": [CARRIER], "scopes": ["read_order",
        "write_order"], "active": true}}``; only ``orders`` is needed. What stands beside ``shoplazza`` is not
        looked at.

        * ORDER: ``order_id`` and ``number`` (text), ``line_items`` [LINE], ``status`` (placed, opened,
          finished, cancelled), ``fulfillments`` [FULFILLMENT]
        * LINE: ``sku``, ``quantity``, ``id``, ``refund_quantity``, ``cancelled`` (true or false), ``title``,
          and the fields that only the customer reads, ``price``, ``image`` and so on, as the API names them
        * FULFILLMENT: ``id``, ``status`` (shipped, pending, finished, cancelled), ``tracking_number``,
          ``tracking_company``, ``tracking_company_code``, ``tracking_url``, and ``line_items``, each with its
          ``quantity`` and the ``id`` of a line or a ``sku`` that one line has
        * CARRIER: ``code``, ``en_name``, ``cn_name``

        Ids that are not given are made, and are the same each time.

        Raises:
            SetupError: the document is not of that form.
        """
        try:
            return _shop(document, now)
        except MismatchError as mismatch:
            raise SetupError(f"{place}: {mismatch}") from mismatch

    @classmethod
    def any_order(cls, *, now: Callable[[], datetime] = utc_now) -> Shop:
        """A shop that takes every update."""
        return cls(None, now=now)

    def order(self, order_id: str) -> Order:
        """The order of this id.

        Raises:
            NotFoundError: there is none.
        """
        with self._lock:
            return self._order(order_id)

    def order_by_number(self, number: str) -> Order:
        """The order of this number.

        Raises:
            NotFoundError: there is none.
        """
        with self._lock:
            if self._any and number not in self._ids:
                self._keep(Order(made_id(number, "order"), number))
            return self._order(_there(self._ids.get(number)))

    def update(
        self,
        order_id: str,
        fulfillment_id: str,
        change: Callable[[tuple[Tracking, ...]], tuple[Tracking, ...]],
        *,
        send_email: bool = False,
        effect: bool = True,
    ) -> tuple[Order, Fulfillment]:
        """Change the trackings of a fulfillment, and mail the customer when asked to.

        Raises:
            NotFoundError: there is no such order, or it has no such fulfillment.
        """
        with self._lock:
            order, old = self._to_update(order_id, fulfillment_id)
            at = self.now()
            new = replace(old, trackings=change(old.trackings), updated_at=at)
            if send_email and effect:
                self.mails.append(Mail(order_id, fulfillment_id, new.trackings[0].tracking_number, at))
            return self._write(UPDATED, order, new, effect=effect)

    def create(
        self,
        order_id: str,
        asked: Sequence[Units],
        trackings: tuple[Tracking, ...],
        *,
        effect: bool = True,
    ) -> tuple[Order, Fulfillment]:
        """Ship what is asked of an order; the same again is another fulfillment, if units remain.

        Raises:
            NotFoundError: there is no such order.
            NotShippableError: a line is unknown, or has not so many units left.
        """
        with self._lock:
            order = self._order(order_id)
            units = _take(order, asked)
            at = self.now()
            name = made_id(order_id, "fulfillment", len(order.fulfillments))
            new = Fulfillment(name, order_id, "shipped", trackings, units, at, at)
            return self._write(CREATED, order, new, effect=effect)

    def cancel(self, order_id: str, fulfillment_id: str, *, effect: bool = True) -> tuple[Order, Fulfillment]:
        """Cancel a fulfillment, so that its units can be shipped again.

        Raises:
            NotFoundError: there is no such order, or it has no such fulfillment.
        """
        with self._lock:
            order = self._order(order_id)
            old = order.fulfillment(fulfillment_id)
            if old.status == CANCELLED:
                return order, old
            new = replace(old, status=CANCELLED, updated_at=self.now())
            return self._write(CANCELLED, order, new, effect=effect)

    def newest(self, limit: int) -> Newest:
        """The last ``limit`` of each kind, at one instant."""
        with self._lock:
            return Newest(
                {**self._counts, "mails": len(self.mails)},
                tuple(islice(reversed(self.written), limit)),
                tuple(islice(reversed(self.mails), limit)),
            )

    def _order(self, order_id: str) -> Order:
        if self._any and order_id not in self._orders:
            return Order(order_id, made_id(order_id, "number"))
        return _there(self._orders.get(order_id))

    def _to_update(self, order_id: str, fulfillment_id: str) -> tuple[Order, Fulfillment]:
        order = self._order(order_id)
        try:
            return order, order.fulfillment(fulfillment_id)
        except NotFoundError:
            if not self._any:
                raise
            at = self.now()
            return order, Fulfillment(fulfillment_id, order_id, "shipped", (Tracking(),), (), at, at)

    def _write(
        self, done: str, before: Order, new: Fulfillment, *, effect: bool
    ) -> tuple[Order, Fulfillment]:
        """Give the order the fulfillment, in the place of the one that had its id."""
        by_id = {each.fulfillment_id: each for each in before.fulfillments}
        by_id[new.fulfillment_id] = new
        order = replace(before, fulfillments=tuple(by_id.values()))
        if effect:
            self._keep(order)
            self.written.append(Written(done, order, new))
            self._counts[done] += 1
        return order, new

    def _keep(self, order: Order) -> None:
        self._orders[order.order_id] = order
        self._ids[order.number] = order.order_id


def made_id(order: str, *place: str | int) -> str:
    """An id for what stands at ``place`` in an order: the same each time, and like no other."""
    # A path may have held half a surrogate pair, which UTF-8 has no bytes for.
    name = "/".join(map(str, (order, *place))).encode("ascii", "backslashreplace").decode()
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def checked(value: object, keys: Mapping[str, Key], place: str, needed: Iterable[str] = ()) -> dict[str, Any]:
    """A JSON object whose members are as ``keys`` have them; ``place`` is empty for the whole of a body.

    Raises:
        MismatchError: it is no object, has a member that is not known or not as its key has it, or lacks one
            that is ``needed``.
    """
    if not isinstance(value, dict):
        raise MismatchError(place or "the body", value, f"an object with {', '.join(keys)}")
    prefix = f"{place}." if place else ""
    for name, found in value.items():
        if name not in keys:
            raise MismatchError(place or "the body", name, f"no other members than {', '.join(keys)}")
        if not keys[name].fits(found):
            raise MismatchError(f"{prefix}{name}", found, keys[name].expected)
    for name in needed:
        if name not in value:
            raise MismatchError(f"{prefix}{name}", member(value, name), keys[name].expected)
    return value


_T = TypeVar("_T")


def _there(found: _T | None) -> _T:
    if found is None:
        raise NotFoundError("Record not found")  # the document's words
    return found


def _progress(shipped: int, left: int) -> str:
    if not shipped:
        return "initialled"
    return "partially_shipped" if left else "shipped"


def _take(order: Order, asked: Sequence[Units]) -> tuple[Units, ...]:
    """What is asked for in figures; a line that is asked for twice gives both.

    The document has words only for a line that the order does not have. The others are the sandbox's own: no
    document says how the platform words them.
    """
    left = order.left
    taken = dict.fromkeys((units.line_id for units in asked), 0)
    for units in asked:
        if units.line_id not in left:
            raise NotShippableError("invalid line_item id")
        quantity = units.quantity or left[units.line_id]
        if not 0 < quantity <= left[units.line_id]:
            words = f"{quantity or 'all'} asked for, {left[units.line_id]} left to ship"
            raise NotShippableError(f"line_item {units.line_id}: {words}")
        left[units.line_id] -= quantity
        taken[units.line_id] += quantity
    return tuple(Units(line_id, quantity) for line_id, quantity in taken.items())


# --- the document --------------------------------------------------------------------------------------

_OBJECTS: Final = Key(lambda value: isinstance(value, list), "an array of objects")
_FLAG: Final = Key(lambda value: isinstance(value, bool), "true or false", default=True)
_ANY_TEXT: Final = text("a string", default="")
_MONEY: Final = text('an amount as a string, such as "81.00"', r"[0-9]+\.[0-9]{2}", "0.00")
_ID: Final = Key(
    lambda value: isinstance(value, str) and value != "" and value.isprintable(),
    "a string that is not empty, without control characters",
)

_OF_THE_SHOP: Final[Mapping[str, Key]] = {
    "orders": _OBJECTS,
    "carriers": _OBJECTS,
    "scopes": list_of(one_of(*SCOPES), f"a list of {' and '.join(SCOPES)}"),
    "active": _FLAG,
}
_OF_A_CARRIER: Final[Mapping[str, Key]] = {"code": _ID, "en_name": _ANY_TEXT, "cn_name": _ANY_TEXT}
_OF_AN_ORDER: Final[Mapping[str, Key]] = {
    "order_id": _ID,
    "number": _ID,
    "status": one_of("placed", "opened", "finished", CANCELLED),
    "line_items": _OBJECTS,
    "fulfillments": _OBJECTS,
}
# What the page "Update Fulfillment" lists of a line and only the customer reads.
_DETAILS: Final[Mapping[str, Key]] = {
    "product_id": _ID,
    "variant_id": _ID,
    "variant_title": _ANY_TEXT,
    "product_handle": _ANY_TEXT,
    "note": _ANY_TEXT,
    "weight_unit": text("a string", default="kg"),
    "weight": _MONEY,
    "vendor": _ANY_TEXT,
    "product_url": _ANY_TEXT,
    "image": _ANY_TEXT,
    "price": _MONEY,
    "compare_at_price": _MONEY,
    "properties": Key(lambda value: isinstance(value, list), "an array", ()),
    "refund_total": _MONEY,
    "taxable": _FLAG,
    "requires_shipping": _FLAG,
}
_OF_A_LINE: Final[Mapping[str, Key]] = {
    "sku": _ID,
    "quantity": whole_number(1),
    "id": _ID,
    "refund_quantity": whole_number(0),
    "cancelled": _FLAG,
    "title": _ANY_TEXT,
    **_DETAILS,
}
_TRACKING: Final = Tracking.__struct_fields__
_OF_A_FULFILLMENT: Final[Mapping[str, Key]] = {
    "id": _ID,
    "status": one_of("shipped", "pending", "finished", CANCELLED),
    **dict.fromkeys(_TRACKING, _ANY_TEXT),
    "line_items": _OBJECTS,
}
_OF_UNITS: Final[Mapping[str, Key]] = {"id": _ID, "sku": _ID, "quantity": whole_number(1)}


def _shop(document: object, now: Callable[[], datetime]) -> Shop:
    if not isinstance(document, dict):
        raise MismatchError("the document", document, "an object with shoplazza")
    shop = checked(member(document, "shoplazza"), _OF_THE_SHOP, "shoplazza", ("orders",))
    at = now()
    orders = [_order(value, f"shoplazza.orders[{index}]", at) for index, value in enumerate(shop["orders"])]
    _check_once((order.order_id for order in orders), "shoplazza.orders[{}].order_id", "each order once")
    _check_once((order.number for order in orders), "shoplazza.orders[{}].number", "each number once")
    carriers = [
        _carrier(checked(value, _OF_A_CARRIER, f"shoplazza.carriers[{index}]", ("code", "en_name")))
        for index, value in enumerate(shop.get("carriers", ()))
    ]
    return Shop(orders, carriers, active=shop.get("active", True), scopes=shop.get("scopes", SCOPES), now=now)


def _carrier(found: Mapping[str, Any]) -> Carrier:
    return Carrier(found["code"], found["en_name"], found.get("cn_name", found["en_name"]))


def _order(value: object, place: str, at: datetime) -> Order:
    order = checked(value, _OF_AN_ORDER, place, ("order_id", "number", "line_items"))
    order_id = order["order_id"]
    lines = tuple(
        _line(each, order_id, index, f"{place}.line_items[{index}]")
        for index, each in enumerate(order["line_items"])
    )
    _check_once((line.line_id for line in lines), f"{place}.line_items[{{}}].id", "each line once")
    fulfillments = tuple(
        _fulfillment(each, (order_id, index, lines, at), f"{place}.fulfillments[{index}]")
        for index, each in enumerate(order.get("fulfillments", ()))
    )
    ids = (fulfillment.fulfillment_id for fulfillment in fulfillments)
    _check_once(ids, f"{place}.fulfillments[{{}}].id", "each fulfillment once")
    whole = Order(order_id, order["number"], order.get("status", "placed"), lines, fulfillments)
    _check_shipped(whole, place)
    return whole


def _line(value: object, order_id: str, index: int, place: str) -> Line:
    line = checked(value, _OF_A_LINE, place, ("sku", "quantity"))
    refunded = line.get("refund_quantity", 0)
    if refunded > line["quantity"]:
        raise MismatchError(f"{place}.refund_quantity", refunded, f"at most the quantity, {line['quantity']}")
    made = {name: made_id(order_id, name, index) for name in ("product_id", "variant_id")}
    details = {name: line.get(name, made.get(name, key.default)) for name, key in _DETAILS.items()}
    return Line(
        line.get("id", made_id(order_id, "line", index)),
        line["sku"],
        line["quantity"],
        refunded,
        line.get("cancelled", False),
        {"product_title": line.get("title", line["sku"]), **details},
    )


def _fulfillment(value: object, of: tuple[str, int, tuple[Line, ...], datetime], place: str) -> Fulfillment:
    order_id, index, lines, at = of
    fulfillment = checked(value, _OF_A_FULFILLMENT, place, ("line_items",))
    units = tuple(
        _units(each, lines, f"{place}.line_items[{number}]")
        for number, each in enumerate(fulfillment["line_items"])
    )
    _check_once((each.line_id for each in units), f"{place}.line_items[{{}}]", "each line once")
    return Fulfillment(
        fulfillment.get("id", made_id(order_id, "fulfillment", index)),
        order_id,
        fulfillment.get("status", "shipped"),
        (Tracking(**{name: fulfillment.get(name, "") for name in _TRACKING}),),
        units,
        at,
        at,
    )


def _units(value: object, lines: Sequence[Line], place: str) -> Units:
    units = checked(value, _OF_UNITS, place, ("quantity",))
    names = {name: units[name] for name in ("id", "sku") if name in units}
    found = [line.line_id for line in lines if names.items() <= {"id": line.line_id, "sku": line.sku}.items()]
    if not names or len(found) != 1:
        raise MismatchError(place, value, "the id of a line of the order, or a sku that one line has")
    return Units(found[0], units["quantity"])


def _check_shipped(order: Order, place: str) -> None:
    for line, shipped in zip(order.lines, order.shipped.values(), strict=True):
        if shipped > line.quantity:
            words = f"at most the {line.quantity} that were ordered"
            raise MismatchError(f"{place}.fulfillments, units of {line.sku}", shipped, words)


def _check_once(names: Iterable[str], place: str, expected: str) -> None:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            raise MismatchError(place.format(index), name, expected)
        seen.add(name)

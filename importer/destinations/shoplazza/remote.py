"""The platform's orders, fulfillments and carriers, parsed once; every version's names are understood."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from importer.destinations.replies import scalar

FIELDS: Final = ("tracking_number", "tracking_company", "tracking_company_code", "tracking_url")


class FormError(ValueError):
    """What came is not in the documented form; the message says what it is."""


class Shipped(Struct, frozen=True):
    """So many units of an order's line in a fulfillment; 2024-07 tells no ``sku``, which is "" then."""

    line_id: str
    sku: str
    units: int


class Remote(Struct, frozen=True):
    """A fulfillment as the platform has it; what it does not tell is "".

    ``trackings`` are those that have a number, each by the names of the API's fields. ``lines`` is None where
    they are not told.
    """

    fulfillment_id: str
    order_id: str
    status: str
    trackings: tuple[dict[str, str], ...]
    created_at: str
    updated_at: str
    lines: tuple[Shipped, ...] | None

    @property
    def live(self) -> bool:
        """Whether it still counts: a cancelled one has given its units back."""
        return self.status.lower() not in {"cancelled", "canceled"}

    def tracking(self, number: str) -> dict[str, str] | None:
        """What it has of this tracking number, None if it has not that number."""
        return next((each for each in self.trackings if same_number(each["tracking_number"], number)), None)


class Line(Struct, frozen=True):
    """A line of an order: what was ordered, and what of it was refunded."""

    line_id: str
    sku: str
    quantity: int
    refunded: int


class Order(Struct, frozen=True):
    """An order; its ``number`` is another key than its id."""

    order_id: str
    number: str
    lines: tuple[Line, ...]


class Carrier(Struct, frozen=True):
    """A carrier on the platform's list, with its names."""

    code: str
    names: tuple[str, ...]


def same_number(one: str, other: str) -> bool:
    """Whether both are one tracking number, as typed by different people."""
    return "".join(one.split()).lower() == "".join(other.split()).lower()


def fulfillment(value: object) -> Remote:
    """A fulfillment of an answer.

    Raises:
        FormError: it is none.
    """
    found = _object(value, "fulfillment")
    lines = found.get("line_items")
    return Remote(
        fulfillment_id=_id(found, "id"),
        order_id=_text(found, "order_id"),
        status=_text(found, "status"),
        trackings=_trackings(found),
        created_at=_text(found, "created_at"),
        updated_at=_text(found, "updated_at"),
        lines=None if lines is None else tuple(map(_shipped, _list(lines, "line_items"))),
    )


def order(value: object) -> Order:
    """An order of an answer.

    Raises:
        FormError: it is none.
    """
    found = _object(value, "order")
    lines = tuple(map(_line, _list(found.get("line_items"), "line_items")))
    return Order(_id(found, "id"), _text(found, "number"), lines)


def carrier(value: object) -> Carrier:
    """A carrier of an answer.

    Raises:
        FormError: it is none.
    """
    found = _object(value, "carrier")
    names = (_text(found, "en_name"), _text(found, "cn_name"))
    return Carrier(_id(found, "code"), tuple(name for name in names if name))


def _trackings(found: dict[str, Any]) -> tuple[dict[str, str], ...]:
    """The fulfillment's own fields and its ``tracking_items``, which 2024-07 has, each number once."""
    items = found.get("tracking_items") or []
    by_number: dict[str, dict[str, str]] = {}
    for each in (found, *(_object(item, "tracking item") for item in _list(items, "tracking_items"))):
        tracking = {name: _text(each, name) for name in FIELDS}
        by_number.setdefault(tracking["tracking_number"].strip(), tracking)
    return tuple(tracking for number, tracking in by_number.items() if number)


def _shipped(value: object) -> Shipped:
    found = _object(value, "line item")
    # The shipped units are ``shipping_quantity`` up to 2022-01 and ``ship_quantity`` from 2025-06 on.
    units = next((name for name in ("shipping_quantity", "ship_quantity") if name in found), "quantity")
    line_id = "line_item_id" if "line_item_id" in found else "id"
    return Shipped(_id(found, line_id), _text(found, "sku"), _count(found, units))


def _line(value: object) -> Line:
    found = _object(value, "line item")
    refunds = [name for name in ("refund_quantity", "refund_quantity_total") if found.get(name) is not None]
    refunded = max((_count(found, name) for name in refunds), default=0)
    return Line(_id(found, "id"), _text(found, "sku"), _count(found, "quantity"), refunded)


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FormError(f"no {what}")
    return value


def _list(value: object, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise FormError(f"no list of {name}")
    return value


def _id(found: dict[str, Any], name: str) -> str:
    text = scalar(found.get(name)) or ""
    if not text or not text.isprintable():
        raise FormError(f"no {name}" if name not in found else f"{name} in another form")
    return text


def _text(found: dict[str, Any], name: str) -> str:
    return scalar(found.get(name)) or ""


def _count(found: dict[str, Any], name: str) -> int:
    count = found.get(name)
    if type(count) is not int or count < 0:
        raise FormError(f"no {name}" if name not in found else f"{name} in another form")
    return count

"""What the sandbox has, and what it has received."""

from __future__ import annotations

import json
import threading
from collections import deque
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from importer.errors import SetupError
from importer.model import LineItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

REMEMBERED_REQUESTS = 10_000
REMEMBERED_REFUSALS = 1_000


class Part(Struct, frozen=True):
    """What one order is asked to give; no lines means all that is left."""

    order_id: str
    lines: tuple[LineItem, ...]


class Created(Struct, frozen=True):
    """A fulfillment that the sandbox created for one order; ``at`` is UTC."""

    order_id: str
    tracking_number: str
    lines: tuple[LineItem, ...]
    at: datetime


class Received(Struct, frozen=True):
    """A request and how it was answered; ``at`` is UTC.

    ``body`` is the parsed JSON, None when there was none. ``error`` and ``message`` are the words answered,
    empty when all was well. No other header than the two named is kept, so the token never is. ``fault`` is
    the kind of the fault that it met on demand, empty when it met none; ``status`` is 0 where no answer was
    begun. ``fulfillment`` is the name of the one that it was to write, empty where it named none.
    """

    at: datetime
    method: str
    path: str
    status: int
    body: object
    error: str
    message: str
    idempotency_key: str
    user_agent: str
    fault: str = ""
    fulfillment: str = ""


class Newest(Struct, frozen=True):
    """The end of what was received, newest first."""

    counts: Mapping[str, int]
    created: tuple[Created, ...]
    requests: tuple[Received, ...]
    refused: tuple[Received, ...]
    faulty: tuple[Received, ...]


class Refusal(StrEnum):
    """Why a fulfillment was not created."""

    NO_ORDER = "no such order"
    NOT_LEFT = "not left to ship"
    SERVER_ERROR = "server error"


class MismatchError(ValueError):
    """A JSON value is not what its place wants; the message says where, what was found, what was expected."""

    def __init__(self, place: str, found: object, expected: str) -> None:
        super().__init__(f"{place}: found {_shown(found)}, expected {expected}")


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def utc_text(at: datetime) -> str:
    """A time of UTC, as the platforms and the page write it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """ADM's orders, and everything that a sandbox was sent; any number of threads may use it at once.

    ``order_id`` is the type that order ids have in JSON: ``integer`` or ``string``. ``created`` has every
    fulfillment, ``requests`` the last ones, both in the order of their coming. ``orders`` None stands for
    a platform that has any order, with any amount of any SKU.
    """

    def __init__(
        self,
        orders: Iterable[Order] | None,
        order_id: str = "integer",
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.order_id = order_id
        self.now = now
        self.created: list[Created] = []
        self.requests: deque[Received] = deque(maxlen=REMEMBERED_REQUESTS)
        self._refused: deque[Received] = deque(maxlen=REMEMBERED_REFUSALS)
        self._faulty: deque[Received] = deque(maxlen=REMEMBERED_REFUSALS)
        self._orders = None if orders is None else {order.order_id: order for order in orders}
        self._counts = {"requests": 0, "created": 0, "refused": 0, "errors": 0, "faults": 0}
        self._lock = threading.Lock()

    @classmethod
    def from_file(cls, path: Path, *, now: Callable[[], datetime] = utc_now) -> Store:
        """The orders of an orders file.

        Raises:
            SetupError: the file can't be read, or is not of the form that ``of`` has.
        """
        return cls.of(document_of(path), str(path), now=now)

    @classmethod
    def of(
        cls, document: Mapping[str, object], place: str, *, now: Callable[[], datetime] = utc_now
    ) -> Store:
        """The orders of a JSON document, which ``place`` names in messages.

        Its form is ``{"orders": [{"order_id": 1, "line_items": [{"sku": "A", "quantity": 3}]}]}``.
        ``order_id`` beside ``orders`` may be ``"string"`` where order ids are. ``server_errors`` in an order
        is how many posts for it are answered with a server error first.

        Raises:
            SetupError: the document is not of that form.
        """
        try:
            kind, orders = _orders(document)
        except MismatchError as mismatch:
            raise SetupError(f"{place}: {mismatch}") from mismatch
        return cls(orders, kind, now=now)

    @classmethod
    def any_order(cls, order_id: str = "integer", *, now: Callable[[], datetime] = utc_now) -> Store:
        """A platform that has every order and creates every fulfillment."""
        return cls(None, order_id, now=now)

    def fulfill(self, tracking_number: str, parts: Sequence[Part]) -> datetime | Refusal:
        """Create a fulfillment for every part, or for none: when it was, or why it was not."""
        with self._lock:
            taken = tuple(parts) if self._orders is None else _take(self._orders, parts)
            if isinstance(taken, Refusal):
                return taken
            at = self.now()
            self.created += [Created(part.order_id, tracking_number, part.lines, at) for part in taken]
            self._counts["created"] += len(taken)
            return at

    def left(self, order_id: str) -> dict[str, int]:
        """How many units of each SKU the order has still to ship; nothing for an order that is not known."""
        with self._lock:
            order = (self._orders or {}).get(order_id)
            return {sku: quantity for sku, quantity in order.left.items() if quantity} if order else {}

    def remember(self, request: Received) -> None:
        """Write down a request and how it was answered."""
        with self._lock:
            self.requests.append(request)
            self._counts["requests"] += 1
            if request.status >= _CLIENT_ERROR:
                self._counts["errors" if request.status >= _SERVER_ERROR else "refused"] += 1
                self._refused.append(request)
            if request.fault:
                self._counts["faults"] += 1
                self._faulty.append(request)

    @property
    def counts(self) -> dict[str, int]:
        """How many ``requests`` came, fulfillments were ``created``, and answers were not 200.

        Those are ``refused`` (4xx) and ``errors`` (5xx). ``faults`` are the requests that met a fault on
        demand.
        """
        with self._lock:
            return dict(self._counts)

    def newest(self, limit: int) -> Newest:
        """The last ``limit`` of each kind, at one instant."""
        with self._lock:
            return Newest(
                dict(self._counts),
                tuple(islice(reversed(self.created), limit)),
                tuple(islice(reversed(self.requests), limit)),
                tuple(islice(reversed(self._refused), limit)),
                tuple(islice(reversed(self._faulty), limit)),
            )


class Order(Struct):
    """An order: what is left to ship of each SKU, and how many posts are still to fail."""

    order_id: str
    left: dict[str, int]
    server_errors: int = 0


def document_of(path: Path) -> Mapping[str, object]:
    """The document of an orders file: ADM's in ``orders`` and ``order_id``, Shoplazza's in ``shoplazza``.

    Raises:
        SetupError: the file can't be read, or is no JSON object of these.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
        return _object(document, "the file", ("order_id", "orders", "shoplazza"))
    except MismatchError as mismatch:
        raise SetupError(f"{path}: {mismatch}") from mismatch
    except OSError as error:
        raise SetupError(f"{path}: can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise SetupError(
            f"{path}: found no JSON ({error}), expected an object with 'orders' or 'shoplazza'"
        ) from error


def order_id(value: object, kind: str, place: str) -> str:
    """The order id that a JSON value is, as text.

    Raises:
        MismatchError: it is not of the ``kind`` that order ids are.
    """
    if not _IS_ORDER_ID[kind](value):
        raise MismatchError(place, value, _ORDER_ID_WORDS[kind])
    return str(value)


def line_items(value: object, place: str) -> tuple[LineItem, ...]:
    """The line items that a JSON value is.

    Raises:
        MismatchError: it is not an array of objects with a SKU and a quantity of at least 1.
    """
    if not isinstance(value, list):
        raise MismatchError(place, value, "an array")
    return tuple(_line_item(item, f"{place}[{index}]") for index, item in enumerate(value))


def member(value: Mapping[str, object], name: str) -> object:
    """What an object has under ``name``; a message calls it ``nothing`` when it has none."""
    return value.get(name, _NOTHING)


_CLIENT_ERROR = 400
_SERVER_ERROR = 500
_SHOWN_CHARACTERS = 60
_NOTHING: Final = object()


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


_IS_ORDER_ID: Final[Mapping[str, Callable[[object], bool]]] = {"integer": _is_integer, "string": _is_text}
_ORDER_ID_WORDS: Final = {"integer": "an integer", "string": "a string that is not empty"}


def _shown(value: object) -> str:
    if value is _NOTHING:
        return "nothing"
    text = json.dumps(value, default=str)  # TOML has dates, JSON has none
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def _line_item(value: object, place: str) -> LineItem:
    if not isinstance(value, dict):
        raise MismatchError(place, value, "an object with sku and quantity")
    sku, quantity = member(value, "sku"), member(value, "quantity")
    if not isinstance(sku, str) or sku == "":
        raise MismatchError(f"{place}.sku", sku, "a string that is not empty")
    if not isinstance(quantity, int) or isinstance(quantity, bool) or quantity < 1:
        raise MismatchError(f"{place}.quantity", quantity, "an integer of at least 1")
    return LineItem(sku, quantity)


def _take(orders: Mapping[str, Order], parts: Sequence[Part]) -> tuple[Part, ...] | Refusal:
    """Take what the parts ask from the orders, all of it or nothing."""
    asked = {part.order_id: orders[part.order_id] for part in parts if part.order_id in orders}
    if any(part.order_id not in asked for part in parts):
        return Refusal.NO_ORDER
    for order in asked.values():
        if order.server_errors:
            order.server_errors -= 1
            return Refusal.SERVER_ERROR
    left = {name: dict(order.left) for name, order in asked.items()}
    taken = tuple(Part(part.order_id, part.lines or _all_of(left[part.order_id])) for part in parts)
    if not all(_subtract(left[part.order_id], part.lines) for part in taken):
        return Refusal.NOT_LEFT
    for name, order in asked.items():
        order.left = left[name]
    return taken


def _all_of(left: Mapping[str, int]) -> tuple[LineItem, ...]:
    return tuple(LineItem(sku, quantity) for sku, quantity in left.items() if quantity)


def _subtract(left: dict[str, int], lines: Sequence[LineItem]) -> bool:
    """Whether there was something to take and enough of it; ``left`` is spoilt when not."""
    for line in lines:
        left[line.sku] = left.get(line.sku, 0) - line.quantity
    return bool(lines) and min(left.values()) >= 0


def _orders(document: Mapping[str, object]) -> tuple[str, list[Order]]:
    kind = document.get("order_id", "integer")
    if not isinstance(kind, str) or kind not in _IS_ORDER_ID:
        raise MismatchError("order_id", kind, '"integer" or "string"')
    listed = member(document, "orders")
    if not isinstance(listed, list):
        raise MismatchError("orders", listed, "an array")
    found: dict[str, Order] = {}
    for index, value in enumerate(listed):
        order = _order(value, kind, f"orders[{index}]")
        if order.order_id in found:
            raise MismatchError(f"orders[{index}].order_id", value["order_id"], "each order once")
        found[order.order_id] = order
    return kind, list(found.values())


def _order(value: object, kind: str, place: str) -> Order:
    checked = _object(value, place, ("order_id", "line_items", "server_errors"))
    name = order_id(member(checked, "order_id"), kind, f"{place}.order_id")
    left: dict[str, int] = {}
    for line in line_items(member(checked, "line_items"), f"{place}.line_items"):
        # An ADM order may have one SKU in two lines (at two prices); a post names lines by SKU alone.
        left[line.sku] = left.get(line.sku, 0) + line.quantity
    errors = checked.get("server_errors", 0)
    if not isinstance(errors, int) or isinstance(errors, bool) or errors < 0:
        raise MismatchError(f"{place}.server_errors", errors, "an integer of at least 0")
    return Order(name, left, errors)


def _object(value: object, place: str, known: tuple[str, ...]) -> dict[str, object]:
    if not isinstance(value, dict):
        raise MismatchError(place, value, f"an object with {', '.join(known)}")
    for name in value:
        if name not in known:
            raise MismatchError(place, name, f"no other members than {', '.join(known)}")
    return value

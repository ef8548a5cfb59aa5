"""Shoplazza's order, fulfillment and carrier endpoints over a shop, each version in its own shapes.

The source of the answers in 2022-01 is the page "Update Fulfillment" and its neighbours; of the later ones,
the pages of their versions. As on the platform, a query parameter that is not known is silently dropped,
and here so are the filters by time. ``Idempotency-Key`` is not honoured: what is sent twice is created twice.
"""

from __future__ import annotations

import base64
import hmac
import itertools
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from importer.model import fulfillment_name
from importer.sandbox.bodies import Body, BodyError, json_body
from importer.sandbox.keys import Key, list_of, text, whole_number
from importer.sandbox.kinds import Usual
from importer.sandbox.orders import MismatchError, utc_text
from importer.sandbox.shops import NotFoundError, NotShippableError, Tracking, Units, checked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.types import Scope

    from importer.sandbox.shops import Bucket, Fulfillment, Line, Order, Shop

PREFIX: Final = "/openapi"
PATHS: Final = f"{PREFIX}/{{rest:path}}"


class Shoplazza:
    """The platform over ``shop``; with a ``token`` it refuses requests that don't carry it.

    With a ``bucket``, what does not fit is answered with 429, and with ``retry_after`` it is told when to
    come again: the documents don't say whether the platform tells. Nor do they say whether a wrong token is
    answered with 400 or 401, and a shop that is not active with 400 or 403.
    """

    def __init__(
        self,
        shop: Shop,
        token: str | None = None,
        bucket: Bucket | None = None,
        *,
        retry_after: bool = True,
        unauthorized_status: int = 401,
        inactive_status: int = 403,
    ) -> None:
        self._shop = shop
        self._token = token
        self._bucket = bucket
        self._retry_after = retry_after
        self._unauthorized_status = unauthorized_status
        self._inactive_status = inactive_status
        self._numbers = itertools.count(1)

    async def hear(self, request: Request) -> _Call:
        """Read a request, and write nothing yet."""
        call = _Call(self._shop, request, f"sandbox-{next(self._numbers)}")
        try:
            call.served_by = self._admitted(call)
            if call.served_by.takes_body:
                call.body = await json_body(request)
        except _TroubleError as trouble:
            call.served_by = trouble
        except BodyError as error:
            call.served_by = _TroubleError(error.status, _BODY_CODES[error.status], str(error))
        return call

    def _admitted(self, call: _Call) -> _Endpoint:
        """What a request goes to, if it may go there."""
        name, *path = _segments(call.request.scope)
        if name not in _VERSIONS:
            raise _TroubleError(404, "NotFound", f"version: found {name!r}, expected {', '.join(_VERSIONS)}")
        call.version = _VERSIONS[name]
        endpoint = _endpoint(call.version, call.request.method, path)
        call.ids = tuple(found for found, part in zip(path, endpoint.path, strict=True) if part == _ID)
        self._check_token(call.request.headers)
        if not self._shop.active:
            raise _TroubleError(self._inactive_status, "StoreNotActive", "store is not active")
        if endpoint.scope not in self._shop.scopes:
            raise _TroubleError(403, "Forbidden", f"the token lacks the scope {endpoint.scope}")
        self._check_room()
        return endpoint

    def _check_token(self, headers: Mapping[str, str]) -> None:
        offered = headers.get("access-token", "").encode("latin-1")
        if self._token is not None and not hmac.compare_digest(offered, self._token.encode()):
            raise _TroubleError(self._unauthorized_status, *_ERRORS[401])

    def _check_room(self) -> None:
        seconds = self._bucket.take() if self._bucket else 0.0
        if seconds:
            headers = {"Retry-After": str(math.ceil(seconds))} if self._retry_after else {}
            raise _TroubleError(429, *_ERRORS[429], headers)


class _TroubleError(Exception):
    """A request is answered with an error status, a code and these words."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


class _Call(Struct):
    """A request, as far as it is understood; what answers it is an endpoint, or the trouble with it.

    ``ids`` are those of its path, and ``effect`` says whether it writes what it asks for. Where it names no
    version that is served, it is answered in the form of the first.
    """

    shop: Shop
    request: Request
    request_id: str
    served_by: _Endpoint | _TroubleError = field(
        default_factory=lambda: _TroubleError(404, "NotFound", "nothing is served there")
    )
    version: _Version = field(default_factory=lambda: _VERSIONS["2022-01"])
    ids: tuple[str, ...] = ()
    body: Body = field(default_factory=Body)
    effect: bool = True

    @property
    def kept(self) -> object:
        return self.body.kept

    @property
    def order_ids(self) -> tuple[str, ...]:
        """The order's id, or its number where the request has that."""
        return self.ids[:1]

    @property
    def key(self) -> str:
        return _tracking_number(self.body.value) or "".join(self.ids[1:])

    @property
    def name(self) -> str:
        writes = self.ids and self.request.method != "GET"
        return fulfillment_name(self.order_ids, self.key) if writes else ""

    def usual(self, *, effect: bool) -> Usual:
        self.effect = effect
        if isinstance(self.served_by, _TroubleError):
            return self._said(self.served_by)
        try:
            content = self._content(self.served_by)
        except _TroubleError as trouble:
            return self._said(trouble)
        return Usual(200, content, self.error, {"Request-Id": self.request_id})

    def error(self, status: int) -> Usual:
        """What is answered with an error status, 401, 404, 429, 500 or 503."""
        return self._said(_TroubleError(status, *_ERRORS[status]))

    def _content(self, endpoint: _Endpoint) -> object:
        """Do what is asked; the content of the answer."""
        try:
            content = endpoint.answer(self.shop, self.version, self)
        except NotFoundError as error:
            raise _TroubleError(404, *_ERRORS[404]) from error
        except (MismatchError, NotShippableError) as error:
            raise _TroubleError(self.version.invalid, "InvalidParameter", str(error)) from error
        return {"code": "Success", "message": "", "data": content} if self.version.enveloped else content

    def _said(self, trouble: _TroubleError) -> Usual:
        headers = {"Request-Id": self.request_id, **trouble.headers}
        content = _error(self.version, trouble)
        return Usual(trouble.status, content, self.error, headers, trouble.code, trouble.message)


# --- answers -------------------------------------------------------------------------------------------

# Of the codes of the later versions, ``InvalidParameter`` is from their pages; the others are the sandbox's
# own, as are the words for all but 401 and 404.
_ERRORS: Final = {
    401: ("Unauthorized", "Unauthorized"),
    404: ("RecordNotFound", "Record not found"),
    429: ("TooManyRequests", "Too Many Requests"),
    500: ("InternalServerError", "Internal Server Error"),
    503: ("ServiceUnavailable", "Service Unavailable"),
}
_BODY_CODES: Final = {400: "BadRequest", 413: "PayloadTooLarge"}

# The texts that 2022-01 answers without JSON: its page "Update Fulfillment" prints the first two.
_PLAIN: Final = {
    "BadRequest": "Bad Request",
    "Unauthorized": "Unauthorized",
    "NotFound": "Not Found",
    "MethodNotAllowed": "Method Not Allowed",
    "PayloadTooLarge": "Payload Too Large",
}


def _error(version: _Version, trouble: _TroubleError) -> object:
    """An error in the form of a version."""
    if version.enveloped:
        return {"code": trouble.code, "message": trouble.message}
    if trouble.code == "StoreNotActive":
        return {"error": trouble.message}
    return _PLAIN.get(trouble.code, {"errors": [trouble.message]})


def _segments(scope: Scope) -> list[str]:
    """The path after the prefix; an id may have a slash in it, as %2F."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return [unquote_to_bytes(part).decode(errors="replace") for part in raw.split(b"/")[2:]]


def _endpoint(version: _Version, method: str, path: Sequence[str]) -> _Endpoint:
    found = [endpoint for endpoint in _ENDPOINTS if endpoint.fits(version, path)]
    if not found:
        raise _TroubleError(404, "NotFound", f"/{'/'.join(path)} is not served in {version.name}")
    for endpoint in found:
        if endpoint.method == method:
            return endpoint
    allowed = ", ".join(dict.fromkeys(endpoint.method for endpoint in found))
    words = f"{method}: found no such method there, expected {allowed}"
    raise _TroubleError(405, "MethodNotAllowed", words, {"Allow": allowed})


def _tracking_number(body: object) -> str:
    """The first tracking number of a body, as far as it names one in the form of any version."""
    shipment = body.get(_WRAPPER, body) if isinstance(body, dict) else None
    items = shipment.get("tracking_items", [shipment]) if isinstance(shipment, dict) else None
    first = items[0] if isinstance(items, list) and items else None
    number = first.get("tracking_number") if isinstance(first, dict) else None
    return number if isinstance(number, str) else ""


# --- what a body says, in each version -----------------------------------------------------------------


class _Parcel(Struct, frozen=True):
    """What is to be created."""

    units: tuple[Units, ...]
    trackings: tuple[Tracking, ...]


class _Change(Struct, frozen=True):
    """What is to be changed: these ``fields`` of the first tracking, or all trackings to ``trackings``."""

    fields: Mapping[str, str] = field(default_factory=dict)
    trackings: tuple[Tracking, ...] = ()
    send_email: bool = False

    def of(self, old: tuple[Tracking, ...]) -> tuple[Tracking, ...]:
        return self.trackings or (replace(old[0], **self.fields), *old[1:])


_TEXT: Final = text("a string")
_FILLED: Final = text("a string that is not empty", r"(?s:.+)")
_FLAG: Final = Key(lambda value: isinstance(value, bool), "true or false")
_OBJECT: Final = Key(lambda value: isinstance(value, dict), "an object")
_OBJECTS: Final = list_of(_OBJECT, "an array of at least one object")
_TRACKING: Final = Tracking.__struct_fields__
_FLAT: Final[Mapping[str, Key]] = dict.fromkeys(_TRACKING, _TEXT)
_FLAT_FILLED: Final[Mapping[str, Key]] = {**_FLAT, "tracking_number": _FILLED}

_LINE: Final[Mapping[str, Key]] = {"id": _FILLED, "ship_quantity": whole_number(0)}
_CREATE_2022: Final[Mapping[str, Key]] = {
    "line_item_ids": list_of(_FILLED, "an array of at least one line_item id"),
    "line_items": _OBJECTS,
    **_FLAT_FILLED,
}
_UPDATE_2022: Final[Mapping[str, Key]] = {**_FLAT, "send_email": _FLAG}
_LINE_2024: Final[Mapping[str, Key]] = {"line_item_id": _FILLED, "quantity": whole_number(0)}
_CREATE_2024: Final[Mapping[str, Key]] = {
    "line_items": _OBJECTS,
    "tracking_items": _OBJECTS,
    "phone_number": _TEXT,
}
# The page promises "notification preferences" and lists no field for them; it is taken to be that of 2022-01.
_UPDATE_2024: Final[Mapping[str, Key]] = {**_CREATE_2024, "send_email": _FLAG}
_WRAPPER: Final = "fulfillment"
_WRAPPED: Final[Mapping[str, Key]] = {_WRAPPER: _OBJECT}
_CREATE_2025: Final[Mapping[str, Key]] = {"line_items": _OBJECTS, **_FLAT_FILLED, "phone_number": _TEXT}
_UPDATE_2025: Final[Mapping[str, Key]] = {**_FLAT_FILLED, "phone_number": _TEXT, "send_email": _FLAG}


def _create_2022(body: object) -> _Parcel:
    asked = checked(body, _CREATE_2022, "", ("tracking_number",))
    if ("line_item_ids" in asked) == ("line_items" in asked):
        raise MismatchError("the body", sorted(asked), "either line_item_ids or line_items")
    ids = tuple(Units(line_id, 0) for line_id in asked.get("line_item_ids", ()))
    return _Parcel(ids or _units(asked, _LINE, ""), (_tracking(asked),))


def _update_2022(body: object) -> _Change:
    return _flat_change(checked(body, _UPDATE_2022, ""))


def _create_2024(body: object) -> _Parcel:
    """The page of this version's create is not known; its update describes line items "to fulfill"."""
    asked = checked(body, _CREATE_2024, "", ("line_items", "tracking_items"))
    return _Parcel(_units(asked, _LINE_2024, ""), _tracking_items(asked))


def _update_2024(body: object) -> _Change:
    """The page marks every field as required, even the shipper's phone; here only the tracking number is.

    What line items mean in an update is not documented: they are checked, and change nothing.
    """
    asked = checked(body, _UPDATE_2024, "", ("tracking_items",))
    if "line_items" in asked:
        _units(asked, _LINE_2024, "")
    return _Change(trackings=_tracking_items(asked), send_email=asked.get("send_email", False))


def _create_2025(body: object) -> _Parcel:
    wrapped = checked(body, _WRAPPED, "", (_WRAPPER,))
    asked = checked(wrapped[_WRAPPER], _CREATE_2025, _WRAPPER, ("line_items",))
    return _Parcel(_units(asked, _LINE, f"{_WRAPPER}."), (_tracking(asked),))


def _update_2025(body: object) -> _Change:
    wrapped = checked(body, _WRAPPED, "", (_WRAPPER,))
    return _flat_change(checked(wrapped[_WRAPPER], _UPDATE_2025, _WRAPPER))


def _flat_change(asked: Mapping[str, Any]) -> _Change:
    fields = {name: asked[name] for name in _TRACKING if name in asked}
    return _Change(fields, send_email=asked.get("send_email", False))


def _units(asked: Mapping[str, Any], keys: Mapping[str, Key], prefix: str) -> tuple[Units, ...]:
    """The line items of a body; one without a quantity, or with 0, asks for all that remains of its line."""
    id_name, quantity_name = keys
    items = [
        checked(item, keys, f"{prefix}line_items[{index}]", (id_name,))
        for index, item in enumerate(asked["line_items"])
    ]
    return tuple(Units(item[id_name], item.get(quantity_name, 0)) for item in items)


def _tracking(asked: Mapping[str, Any]) -> Tracking:
    return Tracking(**{name: asked[name] for name in _TRACKING if name in asked})


def _tracking_items(asked: Mapping[str, Any]) -> tuple[Tracking, ...]:
    trackings = tuple(
        _tracking(checked(item, _FLAT_FILLED, f"tracking_items[{index}]", ("tracking_number",)))
        for index, item in enumerate(asked["tracking_items"])
    )
    companies = sorted({tracking.tracking_company for tracking in trackings})
    if len(companies) > 1:
        raise MismatchError("tracking_items", companies, "the same tracking_company in each")
    return trackings


# --- what an answer says, in each version --------------------------------------------------------------


class _Version(Struct, frozen=True):
    """How a version speaks.

    ``enveloped`` answers are ``code``, ``message`` and ``data``. ``bare`` ones have the fulfillment that was
    written as ``data`` itself, and its ``tracking_items``. Lists go by page and limit, or by ``cursor``.
    ``invalid`` is the status for values that are not as documented: 422 in the table of statuses of 2022-01;
    that of 2026-01 has no 422. ``shipped`` and ``refunded`` are what a fulfillment calls the units of a line
    that it ships, and an order those that were refunded.
    """

    name: str
    create: Callable[[object], _Parcel]
    update: Callable[[object], _Change]
    enveloped: bool = True
    bare: bool = False
    cursor: bool = True
    invalid: int = 400
    shipped: str = "ship_quantity"
    refunded: str = "refund_quantity_total"


_VERSIONS: Final[Mapping[str, _Version]] = {
    version.name: version
    for version in (
        _Version(
            "2022-01",
            _create_2022,
            _update_2022,
            enveloped=False,
            cursor=False,
            invalid=422,
            shipped="shipping_quantity",
            refunded="refund_quantity",
        ),
        _Version(
            "2024-07",
            _create_2024,
            _update_2024,
            bare=True,
            cursor=False,
            invalid=422,
            refunded="refund_quantity",
        ),
        *(_Version(name, _create_2025, _update_2025) for name in ("2025-06", "2026-01", "2026-07")),
    )
}


def _written(version: _Version, order: Order, fulfillment: Fulfillment) -> Mapping[str, object]:
    shown = _fulfillment(version, order, fulfillment)
    return shown if version.bare else {"fulfillment": shown}


def _fulfillment(version: _Version, order: Order, fulfillment: Fulfillment) -> dict[str, object]:
    lines = {line.line_id: line for line in order.lines}
    shown = {
        "id": fulfillment.fulfillment_id,
        "order_id": fulfillment.order_id,
        "status": fulfillment.status,
        **asdict(fulfillment.trackings[0]),
        "created_at": utc_text(fulfillment.created_at),
        "updated_at": utc_text(fulfillment.updated_at),
        "line_items": [
            {
                **_line(order, lines[units.line_id], units.quantity),
                "refund_quantity": lines[units.line_id].refund_quantity,
                version.shipped: units.quantity,
            }
            for units in fulfillment.units
        ],
    }
    return shown | _tracking_items_of(fulfillment) if version.bare else shown


def _tracking_items_of(fulfillment: Fulfillment) -> dict[str, object]:
    return {"tracking_items": [asdict(tracking) for tracking in fulfillment.trackings]}


def _line(order: Order, line: Line, units: int) -> dict[str, object]:
    """What fulfillments and orders say alike of a line; ``quantity`` is what was ordered, as in the order."""
    price = Decimal(str(line.details.get("price", "0.00")))
    return {
        "id": line.line_id,
        **line.details,
        "quantity": line.quantity,
        "fulfillment_status": order.line_status(line),
        "sku": line.sku,
        "total": f"{price * units:.2f}",
    }


def _order(version: _Version, order: Order) -> Mapping[str, object]:
    """An order, with the fields that shipping needs; the platform has a hundred more."""
    return {
        "id": order.order_id,
        "number": order.number,
        "status": order.status,
        "fulfillment_status": order.fulfillment_status,
        "line_items": [
            {**_line(order, line, line.quantity), version.refunded: line.refund_quantity}
            for line in order.lines
        ],
        "fulfillments": [
            _fulfillment(version, order, fulfillment)
            | (_tracking_items_of(fulfillment) if version.enveloped else {})
            for fulfillment in order.fulfillments
        ],
    }


# --- the endpoints -------------------------------------------------------------------------------------


def _list_fulfillments(shop: Shop, version: _Version, call: _Call) -> Mapping[str, object]:
    order = shop.order(call.ids[0])
    select = _by_cursor if version.cursor else _by_page
    page, more = select(order.fulfillments, call.request.query_params)
    return {"fulfillments": [_fulfillment(version, order, each) for each in page], **more}


def _count_fulfillments(shop: Shop, _: _Version, call: _Call) -> Mapping[str, object]:
    return {"count": len(shop.order(call.ids[0]).fulfillments)}


def _get_fulfillment(shop: Shop, version: _Version, call: _Call) -> Mapping[str, object]:
    order = shop.order(call.ids[0])
    return {"fulfillment": _fulfillment(version, order, order.fulfillment(call.ids[1]))}


def _update_fulfillment(shop: Shop, version: _Version, call: _Call) -> Mapping[str, object]:
    change = version.update(call.body.value)
    order_id, fulfillment_id = call.ids
    written = shop.update(
        order_id, fulfillment_id, change.of, send_email=change.send_email, effect=call.effect
    )
    return _written(version, *written)


def _create_fulfillment(shop: Shop, version: _Version, call: _Call) -> Mapping[str, object]:
    parcel = version.create(call.body.value)
    written = shop.create(call.ids[0], parcel.units, parcel.trackings, effect=call.effect)
    return _written(version, *written)


def _cancel_fulfillment(shop: Shop, version: _Version, call: _Call) -> Mapping[str, object]:
    return _written(version, *shop.cancel(call.ids[0], call.ids[1], effect=call.effect))


def _get_order(shop: Shop, version: _Version, call: _Call) -> Mapping[str, object]:
    return {"order": _order(version, shop.order(call.ids[0]))}


def _get_order_by_number(shop: Shop, version: _Version, call: _Call) -> Mapping[str, object]:
    return {"order": _order(version, shop.order_by_number(call.ids[0]))}


def _list_carriers(shop: Shop, _: _Version, __: _Call) -> Mapping[str, object]:
    return {"tracking_carriers": [asdict(carrier) for carrier in shop.carriers]}


class _Endpoint(Struct, frozen=True):
    """What answers a method on a path, in the versions from ``since`` to ``until``."""

    method: str
    path: tuple[str, ...]
    scope: str
    answer: Callable[[Shop, _Version, _Call], Mapping[str, object]]
    takes_body: bool = False
    since: str = "2022-01"
    until: str = "2026-07"

    def fits(self, version: _Version, path: Sequence[str]) -> bool:
        return (
            self.since <= version.name <= self.until
            and len(path) == len(self.path)
            and all(
                part == found or (part == _ID and found) for part, found in zip(self.path, path, strict=True)
            )
        )


_ID: Final = "{id}"
_READ, _WRITE = "read_order", "write_order"
_ALL: Final = ("orders", _ID, "fulfillments")
_ONE: Final = (*_ALL, _ID)

# The first that fits is meant: a word stands before an id.
_ENDPOINTS: Final = (
    _Endpoint("GET", ("orders", "number", _ID), _READ, _get_order_by_number),
    _Endpoint("GET", ("orders", _ID), _READ, _get_order),
    _Endpoint("GET", _ALL, _READ, _list_fulfillments),
    _Endpoint("POST", _ALL, _WRITE, _create_fulfillment, takes_body=True),
    _Endpoint("GET", (*_ALL, "count"), _READ, _count_fulfillments),
    _Endpoint("GET", _ONE, _READ, _get_fulfillment),
    _Endpoint("PUT", _ONE, _WRITE, _update_fulfillment, takes_body=True),
    _Endpoint("POST", (*_ONE, "cancel"), _WRITE, _cancel_fulfillment),
    _Endpoint("GET", ("tracking-codes",), _READ, _list_carriers, until="2022-01"),
    _Endpoint("GET", ("tracking", "carriers"), _READ, _list_carriers, since="2024-07"),
)


# --- pages ---------------------------------------------------------------------------------------------

_MOST_ON_A_PAGE: Final = 250


def _by_page(
    fulfillments: Sequence[Fulfillment], query: Mapping[str, str]
) -> tuple[Sequence[Fulfillment], Mapping[str, object]]:
    limit = _number(query, "limit", 50, _MOST_ON_A_PAGE)
    start = (_number(query, "page", 1, 10**9) - 1) * limit
    return fulfillments[start : start + limit], {}


def _by_cursor(
    fulfillments: Sequence[Fulfillment], query: Mapping[str, str]
) -> tuple[Sequence[Fulfillment], Mapping[str, object]]:
    """A cursor is the last fulfillment of the page before; on the last page, ``has_more`` is null."""
    size = _number(query, "page_size", 10, _MOST_ON_A_PAGE)
    cursor = query.get("cursor", "")
    cursors = [_cursor(fulfillment) for fulfillment in fulfillments]
    if cursor and cursor not in cursors:
        raise MismatchError("cursor", cursor, "one that an answer had")
    start = cursors.index(cursor) + 1 if cursor else 0
    if start + size >= len(fulfillments):
        return fulfillments[start:], {"cursor": "", "has_more": None}
    return fulfillments[start : start + size], {"cursor": cursors[start + size - 1], "has_more": True}


def _cursor(fulfillment: Fulfillment) -> str:
    return base64.urlsafe_b64encode(fulfillment.fulfillment_id.encode()).decode()


def _number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    found = query.get(name)
    if found is None:
        return default
    if not re.fullmatch(r"[0-9]{1,10}", found) or not 1 <= int(found) <= most:
        raise MismatchError(name, found, f"a whole number from 1 to {most}")
    return int(found)

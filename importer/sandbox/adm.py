"""ADM's endpoint over the orders of a store.

The source of its answers is ADM's page "Fulfillment Update". Where that page contradicts itself, both are
taken: the flat body of its example and the ``line_items_by_fulfillment_order`` of its parameter table.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from importer.model import fulfillment_name
from importer.sandbox.bodies import Body, BodyError, json_body
from importer.sandbox.kinds import Usual
from importer.sandbox.orders import MismatchError, Part, Refusal, line_items, member, order_id, utc_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from importer.sandbox.orders import Store

PATH: Final = "/fulfillments/create"


class Adm:
    """The platform over ``store``; with a ``token`` it refuses posts that don't carry it."""

    def __init__(self, store: Store, token: str | None = None) -> None:
        self._store = store
        self._token = token

    async def hear(self, request: Request) -> _Post:
        """Read a post, and create nothing yet."""
        try:
            self._check_token(request.headers)
            return _Post(self._store, await json_body(request))
        except _RefusedError as error:
            return _Post(self._store, refused=error)
        except BodyError as error:
            return _Post(
                self._store, refused=_RefusedError(error.status, _BODY_WORDS[error.status], str(error))
            )

    def _check_token(self, headers: Mapping[str, str]) -> None:
        if self._token is None:
            return
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        offered = (headers.get("x-adm-access-token", ""), bearer if scheme.lower() == "bearer" else "")
        expected = self._token.encode()
        if not any(hmac.compare_digest(word.encode("latin-1"), expected) for word in offered):
            raise _RefusedError(401, *_ERRORS[401])


def answered(status: int, error: str, message: str) -> Usual:
    """An error in ADM's form."""
    return Usual(status, {"error": error, "message": message}, documented, error=error, message=message)


def documented(status: int) -> Usual:
    """What ADM answers with an error status, 401, 404, 429, 500 or 503."""
    return answered(status, *_ERRORS[status])


class _RefusedError(Exception):
    """A request is answered with an error status and these words."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message


class _Post(Struct, frozen=True):
    """A request for a fulfillment; ``refused`` is why its body is not even looked at."""

    store: Store
    body: Body = field(default_factory=Body)
    refused: _RefusedError | None = None

    @property
    def kept(self) -> object:
        return self.body.kept

    @property
    def order_ids(self) -> tuple[str, ...]:
        if not isinstance(self.body.value, dict):
            return ()
        listed = self.body.value.get(_WRAPPER, [self.body.value])
        entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
        return tuple(str(entry.get("order_id", "")) for entry in entries)

    @property
    def key(self) -> str:
        value = self.body.value
        return str(value.get("tracking_number", "")) if isinstance(value, dict) else ""

    @property
    def name(self) -> str:
        value = self.body.value
        named = isinstance(value, dict) and "tracking_number" in value
        return fulfillment_name(self.order_ids, self.key) if named else ""

    def usual(self, *, effect: bool) -> Usual:
        try:
            if self.refused is not None:
                raise self.refused
            return Usual(200, self._fulfilled(self.body.value, effect=effect), documented)
        except _RefusedError as refused:
            return answered(refused.status, refused.error, refused.message)

    def _fulfilled(self, body: object, *, effect: bool) -> dict[str, object]:
        """Create what a body asks for; the content of the answer."""
        if not isinstance(body, dict):
            raise _bad_request(MismatchError("the body", body, "an object"))
        entries, prefix = _entries(body)
        parts = [
            self._part(entry, f"{prefix}[{index}]." if prefix else "") for index, entry in enumerate(entries)
        ]
        tracking_number = member(body, "tracking_number")
        if not isinstance(tracking_number, str) or tracking_number == "":
            expected = "a string that is not empty"
            raise _bad_request(MismatchError("tracking_number", tracking_number, expected))
        at = self.store.fulfill(tracking_number, parts) if effect else self.store.now()
        if isinstance(at, Refusal):
            raise _RefusedError(*_WORDS[at])
        content = {
            "order_id": entries[0]["order_id"],
            "status": "created",
            "tracking_number": tracking_number,
            "created_at": utc_text(at),
        }
        if prefix:
            content[_WRAPPER] = [{"order_id": entry["order_id"]} for entry in entries]
        return content

    def _part(self, entry: Mapping[str, object], place: str) -> Part:
        try:
            name = order_id(member(entry, "order_id"), self.store.order_id, f"{place}order_id")
        except MismatchError as mismatch:
            raise _bad_request(mismatch) from mismatch
        try:
            return Part(name, line_items(entry.get("line_items", []), f"{place}line_items"))
        except MismatchError as mismatch:
            raise _RefusedError(400, _INVALID_LINE, str(mismatch)) from mismatch


_WRAPPER: Final = "line_items_by_fulfillment_order"
_BAD_REQUEST: Final = "Bad Request"
_INVALID_LINE: Final = "Invalid SKU or Quantity"
_BODY_WORDS: Final = {400: _BAD_REQUEST, 413: "Payload Too Large"}

# 404 and 500 in the words of ADM's page "Fulfillment Update", 401 in those it had two days later.
_ERRORS: Final = {
    401: ("Unauthorized Request", "The key provided is invalid."),
    404: ("Order Not Found", "The order with the specified ID was not found."),
    429: ("Too Many Requests", "Too many requests were sent. Please try again later."),
    500: ("Server Error", "An error occurred on our server. Please try again later."),
    503: ("Service Unavailable", "The service is down for maintenance. Please try again later."),
}
_WORDS: Final = {
    Refusal.NO_ORDER: (404, *_ERRORS[404]),
    Refusal.NOT_LEFT: (
        400,
        _INVALID_LINE,
        "One or more line items have an invalid SKU or quantity specified.",
    ),
    Refusal.SERVER_ERROR: (500, *_ERRORS[500]),
}


def _bad_request(mismatch: MismatchError) -> _RefusedError:
    return _RefusedError(400, _BAD_REQUEST, str(mismatch))


def _entries(body: dict[str, object]) -> tuple[list[dict[str, object]], str]:
    """The orders of a body, and the place they stand at (empty for the flat form)."""
    if _WRAPPER not in body:
        return [body], ""
    listed = body[_WRAPPER]
    if not isinstance(listed, list) or not listed or not all(isinstance(entry, dict) for entry in listed):
        raise _bad_request(MismatchError(_WRAPPER, listed, "an array of at least one object"))
    return listed, _WRAPPER

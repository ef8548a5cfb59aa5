"""The sandbox as an ASGI application: the ADM endpoint, and a page that shows what came.

The source of its answers is ADM's page "Fulfillment Update". Where that page contradicts itself, both are
taken: the flat body of its example and the ``line_items_by_fulfillment_order`` of its parameter table.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import re
from importlib import resources
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from importer.model import fulfillment_name
from importer.sandbox.orders import MismatchError, Part, Received, Refusal, line_items, member, order_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from starlette.types import ASGIApp, Receive, Scope, Send

    from importer.sandbox.orders import Created, Store

PATH = "/fulfillments/create"
BODY_LIMIT_BYTES = 1_000_000
SHOWN = 200
"""How many of each kind ``/received.json`` has."""


def application(store: Store, token: str | None = None) -> Starlette:
    """The sandbox over ``store``; with a ``token`` it refuses posts that don't carry it."""
    desk = _Desk(store, token)
    app = Starlette(
        routes=[
            Route("/", desk.page),
            Route("/received.json", desk.received),
            Route(PATH, desk.create, methods=["POST"]),
        ],
        middleware=[Middleware(_LoopbackOnly, desk=desk)],
        exception_handlers={HTTPException: desk.nothing_there},
    )
    app.router.redirect_slashes = False  # a wrong path is a wrong path
    return app


class _RefusedError(Exception):
    """A request is answered with an error status and these words."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message


class _Desk:
    """Answers requests and has the store remember them."""

    def __init__(self, store: Store, token: str | None) -> None:
        self._store = store
        self._token = token
        self._page = resources.files("importer.sandbox").joinpath("page.html").read_text(encoding="utf-8")
        self._page_headers = {**_PRIVATE, "Content-Security-Policy": _policy(self._page)}

    async def create(self, request: Request) -> Response:
        body: object = None
        kept: object = None
        try:
            self._check_token(request.headers)
            raw = await _body(request)
            body = _parsed(raw)
            kept = body if len(raw) <= _KEPT_BYTES else f"({len(raw)} bytes)"
            return self.answer(request, 200, self._fulfilled(body), kept)
        except _RefusedError as refused:
            content = {"error": refused.error, "message": refused.message}
            return self.answer(request, refused.status, content, kept)

    async def received(self, _: Request) -> Response:
        newest = self._store.newest(SHOWN)
        content = {
            "counts": newest.counts,
            "fulfillments": [_created(created) for created in newest.created],
            "requests": [_received(received) for received in newest.requests],
            "refused": [_received(received) for received in newest.refused],
        }
        return Response(json.dumps(content), headers=_PRIVATE, media_type="application/json")

    async def page(self, _: Request) -> Response:
        return Response(self._page, headers=self._page_headers, media_type="text/html")

    async def nothing_there(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        content = {
            "error": error.detail,
            "message": f"{request.method} {request.scope['path']} is not served; expected POST {PATH}",
        }
        return self.answer(request, error.status_code, content, headers=error.headers)

    def answer(
        self,
        request: Request,
        status: int,
        content: Mapping[str, object],
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        self._store.remember(
            Received(
                at=self._store.now(),
                method=request.method,
                path=request.scope["path"],
                status=status,
                body=body,
                error=str(content.get("error", "")),
                message=str(content.get("message", "")),
                idempotency_key=request.headers.get("idempotency-key", ""),
                user_agent=request.headers.get("user-agent", ""),
            )
        )
        # Escaped to ASCII: a body may have held half a surrogate pair, which UTF-8 has no bytes for.
        return Response(json.dumps(content), status, headers, "application/json")

    def _check_token(self, headers: Mapping[str, str]) -> None:
        if self._token is None:
            return
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        offered = (headers.get("x-adm-access-token", ""), bearer if scheme.lower() == "bearer" else "")
        expected = self._token.encode()
        if not any(hmac.compare_digest(word.encode("latin-1"), expected) for word in offered):
            # The seed has no 401; the words are those of ADM's page as it was two days later.
            raise _RefusedError(401, "Unauthorized Request", "The key provided is invalid.")

    def _fulfilled(self, body: object) -> dict[str, object]:
        """Create what a parsed body asks for; the content of the answer."""
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
        at = self._store.fulfill(tracking_number, parts)
        if isinstance(at, Refusal):
            raise _RefusedError(*_WORDS[at])
        content = {
            "order_id": entries[0]["order_id"],
            "status": "created",
            "tracking_number": tracking_number,
            "created_at": _time(at),
        }
        if prefix:
            content[_WRAPPER] = [{"order_id": entry["order_id"]} for entry in entries]
        return content

    def _part(self, entry: Mapping[str, object], place: str) -> Part:
        try:
            name = order_id(member(entry, "order_id"), self._store.order_id, f"{place}order_id")
        except MismatchError as mismatch:
            raise _bad_request(mismatch) from mismatch
        try:
            return Part(name, line_items(entry.get("line_items", []), f"{place}line_items"))
        except MismatchError as mismatch:
            raise _RefusedError(400, _INVALID_LINE, str(mismatch)) from mismatch


class _LoopbackOnly:
    """Refuses a request whose Host is not this computer: a web page whose name was rebound to loopback."""

    def __init__(self, app: ASGIApp, desk: _Desk) -> None:
        self._app = app
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _LOOPBACK_HOST.fullmatch(_host(scope)):
            await self._app(scope, receive, send)
            return
        words = f"host: found {_host(scope)!r}, expected 127.0.0.1, localhost or [::1]"
        refusal = self._desk.answer(Request(scope), 400, {"error": "Bad Request", "message": words})
        await refusal(scope, receive, send)


_KEPT_BYTES = 16_384
_WRAPPER = "line_items_by_fulfillment_order"
_INVALID_LINE = "Invalid SKU or Quantity"
_LOOPBACK_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_PRIVATE: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_WORDS: Final = {
    Refusal.NO_ORDER: (404, "Order Not Found", "The order with the specified ID was not found."),
    Refusal.NOT_LEFT: (
        400,
        _INVALID_LINE,
        "One or more line items have an invalid SKU or quantity specified.",
    ),
    Refusal.SERVER_ERROR: (500, "Server Error", "An error occurred on our server. Please try again later."),
}


def _policy(page: str) -> str:
    """The Content-Security-Policy that lets exactly this page's own style and script run."""
    style, script = (
        " ".join(f"'sha256-{_sha256(text)}'" for text in re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL))
        for tag in ("style", "script")
    )
    return (
        f"default-src 'none'; style-src {style}; script-src {script}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _bad_request(mismatch: MismatchError) -> _RefusedError:
    return _RefusedError(400, "Bad Request", str(mismatch))


async def _body(request: Request) -> bytes:
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "application/json":
        raise _RefusedError(400, "Bad Request", f"content-type: found {kind!r}, expected application/json")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_LIMIT_BYTES:
                raise _RefusedError(
                    413, "Payload Too Large", f"the body has more than {BODY_LIMIT_BYTES} bytes"
                )
    except ClientDisconnect as error:
        raise _RefusedError(400, "Bad Request", "the body was cut off") from error
    return bytes(body)


def _parsed(raw: bytes) -> object:
    """The JSON value of a body, by the letter of RFC 8259: UTF-8, no NaN, no infinity."""
    try:
        value: object = json.loads(raw.decode(), parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise _RefusedError(400, "Bad Request", f"the body is not JSON: {error}") from error
    return value


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _entries(body: dict[str, object]) -> tuple[list[dict[str, object]], str]:
    """The orders of a body, and the place they stand at (empty for the flat form)."""
    if _WRAPPER not in body:
        return [body], ""
    listed = body[_WRAPPER]
    if not isinstance(listed, list) or not listed or not all(isinstance(entry, dict) for entry in listed):
        raise _bad_request(MismatchError(_WRAPPER, listed, "an array of at least one object"))
    return listed, _WRAPPER


def _host(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _created(created: Created) -> dict[str, object]:
    return {
        "at": _time(created.at),
        "order_id": created.order_id,
        "tracking_number": created.tracking_number,
        "line_items": [{"sku": line.sku, "quantity": line.quantity} for line in created.lines],
    }


def _received(received: Received) -> dict[str, object]:
    return {
        "at": _time(received.at),
        "method": received.method,
        "path": received.path,
        "status": received.status,
        "error": received.error,
        "message": received.message,
        "fulfillment": _name(received.body),
        "body": received.body,
        "idempotency_key": received.idempotency_key,
        "user_agent": received.user_agent,
    }


def _name(body: object) -> str:
    """What a body calls itself, ``ORDER/TRACKING``, as text (a browser would round a long number)."""
    if not isinstance(body, dict) or "tracking_number" not in body:
        return ""
    listed = body.get(_WRAPPER, [body])
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    return fulfillment_name(
        (str(entry.get("order_id", "")) for entry in entries), str(body["tracking_number"])
    )

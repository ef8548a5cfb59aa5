"""The sandbox as an ASGI application: both platforms, a page that shows what came, and faults on demand."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib import resources
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from importer.errors import SetupError
from importer.sandbox import adm, shoplazza
from importer.sandbox.bodies import BodyError, parsed, read
from importer.sandbox.desk import Desk, Shared, remember
from importer.sandbox.faults import Faults
from importer.sandbox.kinds import whole
from importer.sandbox.shops import Shop
from importer.sandbox.told import told

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from importer.sandbox.kinds import End, Usual
    from importer.sandbox.orders import Store
    from importer.sandbox.shops import Bucket
    from importer.sandbox.wire import HangUp

FAULTS_PATH: Final = "/faults.json"
SHOWN: Final = 200
"""How many of each kind ``/received.json`` has."""


def _no_connection(_: Scope, __: End) -> None:
    """Without a server there is none to end; the request goes on until it is cancelled."""


def application(
    store: Store,
    token: str | None = None,
    faults: Faults | None = None,
    hang_up: HangUp = _no_connection,
    *,
    shop: Shop | None = None,
    bucket: Bucket | None = None,
) -> Starlette:
    """ADM over ``store`` and Shoplazza over ``shop``, which has any order where there is none.

    With a ``token``, both refuse requests that don't carry it, and with a ``bucket`` Shoplazza what does not
    fit into it. ``faults`` go wrong on demand, for which ``hang_up`` ends connections. ``store`` remembers
    the requests to both.
    """
    shared = Shared(store, faults or Faults.none(), hang_up)
    shop = shop or Shop.any_order(now=store.now)
    pages = _Pages(shared, shop)
    app = Starlette(
        routes=[
            Route("/", pages.page),
            Route("/received.json", pages.received),
            Route(FAULTS_PATH, pages.faults),
            Route(FAULTS_PATH, pages.replace_faults, methods=["PUT"]),
            Route(FAULTS_PATH, pages.end_faults, methods=["DELETE"]),
            Route(adm.PATH, Desk(adm.Adm(store, token), shared), methods=["POST"]),
            Route(shoplazza.PATHS, Desk(shoplazza.Shoplazza(shop, token, bucket), shared)),
        ],
        middleware=[Middleware(_LoopbackOnly, shared=shared)],
        exception_handlers={HTTPException: pages.nothing_there},
    )
    app.router.redirect_slashes = False  # a wrong path is a wrong path
    return app


class _Pages:
    """What is no platform's."""

    def __init__(self, shared: Shared, shop: Shop) -> None:
        self._shared = shared
        self._shop = shop
        self._page = resources.files("importer.sandbox").joinpath("page.html").read_text(encoding="utf-8")
        self._page_headers = {**_PRIVATE, "Content-Security-Policy": _policy(self._page)}

    async def page(self, _: Request) -> Response:
        return Response(self._page, headers=self._page_headers, media_type="text/html")

    async def received(self, _: Request) -> Response:
        return _json(told(self._shared.store, self._shop, SHOWN))

    async def faults(self, _: Request) -> Response:
        faults = self._shared.faults
        return _json({"document": faults.document, "used": faults.used, "requests": faults.requests})

    async def replace_faults(self, request: Request) -> Response:
        try:
            self._shared.faults = Faults(parsed(await read(request)), FAULTS_PATH)
        except (SetupError, BodyError) as error:
            return _json({"error": "Bad Request", "message": str(error)}, 400)
        return await self.faults(request)

    async def end_faults(self, request: Request) -> Response:
        self._shared.faults = Faults.none()
        return await self.faults(request)

    async def nothing_there(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        found = f"{request.method} {request.scope['path']} is not served"
        words = f"{found}; expected POST {adm.PATH} or a path under {shoplazza.PREFIX}"
        usual = adm.answered(error.status_code, error.detail, words)
        return _refused(self._shared, request, replace(usual, headers=error.headers or {}))


class _LoopbackOnly:
    """Refuses a request whose Host is not this computer: a web page whose name was rebound to loopback."""

    def __init__(self, app: ASGIApp, shared: Shared) -> None:
        self._app = app
        self._shared = shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _LOOPBACK_HOST.fullmatch(_host(scope)):
            await self._app(scope, receive, send)
            return
        words = f"host: found {_host(scope)!r}, expected 127.0.0.1, localhost or [::1]"
        refusal = _refused(self._shared, Request(scope), adm.answered(400, "Bad Request", words))
        await refusal(scope, receive, send)


_LOOPBACK_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_PRIVATE: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def _host(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")


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


def _json(content: object, status: int = 200) -> Response:
    return Response(json.dumps(content), status, _PRIVATE, "application/json")


def _refused(shared: Shared, request: Request, usual: Usual) -> Response:
    """An answer to a request that reaches no platform, which is remembered all the same."""
    remember(shared.store, request, whole(usual))
    return Response(usual.body, usual.status, usual.headers, usual.media_type)

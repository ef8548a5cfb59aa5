"""A request to a platform → the fault that it meets, its answer, and what is remembered of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from starlette.requests import Request

from importer.sandbox.kinds import whole
from importer.sandbox.orders import Received
from importer.sandbox.wire import Played

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from importer.sandbox.faults import Faults
    from importer.sandbox.kinds import Plan, Usual
    from importer.sandbox.orders import Store
    from importer.sandbox.wire import HangUp


class Heard(Protocol):
    """A request as its platform understands it."""

    @property
    def order_ids(self) -> tuple[str, ...]:
        """The orders that it is for, as text; none where it names none."""

    @property
    def key(self) -> str:
        """The tracking number, or else the platform's id of its fulfillment; "" where it names neither."""

    @property
    def name(self) -> str:
        """What people call the fulfillment that it writes, ``ORDER/TRACKING``; "" where it writes none."""

    @property
    def kept(self) -> object:
        """What is remembered of its body."""

    def usual(self, *, effect: bool) -> Usual:
        """The answer if nothing goes wrong; without ``effect`` nothing is written for it."""


class Platform(Protocol):
    """What answers the requests to one API."""

    async def hear(self, request: Request) -> Heard:
        """Read the request, and write nothing yet."""


class Shared(Struct):
    """What all platforms of a sandbox have in common.

    ``store`` remembers every request, ``faults`` are those in force, and ``hang_up`` ends connections.
    """

    store: Store
    faults: Faults
    hang_up: HangUp


class Desk:
    """Answers the requests to a platform, as an ASGI application."""

    def __init__(self, platform: Platform, shared: Shared) -> None:
        self._platform = platform
        self._shared = shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request of ``scope``."""
        request = Request(scope, receive)
        heard = await self._platform.hear(request)
        fault = self._shared.faults.choose(heard.order_ids, heard.key, request.method)
        usual = heard.usual(effect=fault is None or fault.effect)
        plan = fault.plan(usual) if fault else whole(usual)
        kind = fault.kind if fault else ""
        remember(self._shared.store, request, plan, body=heard.kept, fulfillment=heard.name, fault=kind)
        await Played(plan, self._shared.hang_up)(scope, receive, send)


def remember(
    store: Store,
    request: Request,
    plan: Plan,
    *,
    body: object = None,
    fulfillment: str = "",
    fault: str = "",
) -> None:
    """Have ``store`` write down a request and how it is answered."""
    store.remember(
        Received(
            at=store.now(),
            method=request.method,
            path=request.scope["path"],
            status=plan.status,
            body=body,
            error=plan.error,
            message=plan.message,
            idempotency_key=request.headers.get("idempotency-key", ""),
            user_agent=request.headers.get("user-agent", ""),
            fulfillment=fulfillment,
            fault=fault,
        )
    )

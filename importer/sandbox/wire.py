"""A plan → what really goes over the wire, to its bitter end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from importer.sandbox.kinds import End

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from importer.sandbox.kinds import Plan

HangUp = Callable[["Scope", End], None]
"""Ends the connection that a request came by; what was sent before goes out first, unless it is reset."""


class Played:
    """An answer that goes as its plan says, as an ASGI application."""

    def __init__(self, plan: Plan, hang_up: HangUp) -> None:
        self._plan = plan
        self._hang_up = hang_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request of ``scope``."""
        if self._plan.wait and await _gone(receive, self._plan.wait):
            return
        if self._plan.status and not await self._sent(receive, send):
            return
        if self._plan.end is End.KEPT:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        self._hang_up(scope, self._plan.end)
        await _gone(receive)  # the server would answer a request that is left without an answer

    async def _sent(self, receive: Receive, send: Send) -> bool:
        """Send head and body, and say whether there was somebody to the end."""
        headers = [(name.lower().encode(), value.encode()) for name, value in self._plan.headers.items()]
        await send({"type": "http.response.start", "status": self._plan.status, "headers": headers})
        for piece in self._plan.body:
            if self._plan.pause and await _gone(receive, self._plan.pause):
                return False
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        return True


async def _gone(receive: Receive, seconds: float = math.inf) -> bool:
    """Wait so long, or until the connection has ended: whether it has."""
    try:
        async with asyncio.timeout(None if seconds == math.inf else seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True

"""Uvicorn in a thread of its own, for as long as a sandbox is open."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from typing import TYPE_CHECKING, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from importer.errors import CannotGoOn
from importer.sandbox.kinds import End

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Scope

KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep an idle connection, so that it is never closed under a request."""
SHUTDOWN_SECONDS = 1
_START_SECONDS = 10.0


class Server(uvicorn.Server):
    """Uvicorn in a thread of its own."""

    def __init__(self, app: Callable[..., ASGIApp], listener: socket.socket, backlog: int) -> None:
        super().__init__(
            uvicorn.Config(
                app(hang_up=self._hang_up),
                http="h11",  # which is always there, and of which the faults know how it ends connections
                lifespan="off",
                ws="none",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=backlog,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            )
        )
        self._listener = listener
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)

    def start(self) -> None:
        """Serve, and return once it does.

        Raises:
            CannotGoOn: it does not start.
        """
        self._thread.start()
        if not self._begun.wait(_START_SECONDS) or not self.started:
            self.stop()
            raise CannotGoOn("sandbox: its server did not start")

    def stop(self) -> None:
        """End, and return once nothing is served any more."""
        self.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        try:
            with self._listener:
                self.run([self._listener])
        finally:
            self._begun.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn has it; who started it hears of it."""
        await super().startup(sockets)
        self._begun.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn has it, but for clients that would keep it waiting."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()  # closing waits for a client that does not read
        await asyncio.sleep(0)  # an aborted connection is closed in the loop's next round

    def _hang_up(self, scope: Scope, end: End) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, H11Protocol) and connection.client == scope["client"]:
                _END[end](connection.transport)


def _close(transport: asyncio.Transport) -> None:
    transport.close()


def _reset(transport: asyncio.Transport) -> None:
    # lingering for 0 seconds makes the kernel send RST instead of FIN
    transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    transport.abort()


_END: Final = {End.CLOSED: _close, End.RESET: _reset}

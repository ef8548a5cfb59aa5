"""The sandbox as a server on loopback: beside a program, or in the foreground."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import threading
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from importer.errors import CannotGoOn, SetupError
from importer.sandbox.app import application
from importer.sandbox.kinds import End
from importer.sandbox.shops import Shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp, Scope

    from importer.sandbox.faults import Faults
    from importer.sandbox.orders import Store
    from importer.sandbox.shops import Bucket


class Sandbox:
    """A sandbox that runs in a thread from entering to leaving; ``port`` 0 is any that is free.

    It serves ADM over ``store`` and Shoplazza over ``shop``, which has any order where none is given. ``url``
    is set when it is entered, and then it answers.
    """

    def __init__(
        self,
        store: Store,
        token: str | None = None,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        faults: Faults | None = None,
        shop: Shop | None = None,
        bucket: Bucket | None = None,
    ) -> None:
        self.store = store
        self.shop = shop or Shop.any_order(now=store.now)
        self.url = ""
        self._host = host
        self._port = port
        self._app = partial(application, store, token, faults, shop=self.shop, bucket=bucket)

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            SetupError: the host is not loopback, or the port can't be had.
            CannotGoOn: the server does not start.
        """
        listener = _listen(self._host, self._port)
        self.url = f"http://{_IN_URL[self._host]}:{listener.getsockname()[1]}"
        self._server = _Server(self._app, listener)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()


def serve(
    store: Store,
    host: str,
    port: int,
    token: str | None,
    ready: Callable[[str], None],
    faults: Faults | None = None,
    *,
    shop: Shop | None = None,
    bucket: Bucket | None = None,
) -> None:
    """Serve as a Sandbox does until SIGINT or SIGTERM; ``ready`` is called with the URL once it answers.

    Raises:
        SetupError: ``host`` is not loopback, or the port can't be had.
    """
    sandbox = Sandbox(store, token, port, host=host, faults=faults, shop=shop, bucket=bucket)
    with _signalled() as signalled, sandbox:
        ready(sandbox.url)
        signalled.get()


BACKLOG = 1024
KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep an idle connection, so that it is never closed under a request."""
SHUTDOWN_SECONDS = 1
_START_SECONDS = 10.0
_PORTS = 65_536

_ADDRESSES: Final = {
    "127.0.0.1": (socket.AF_INET, "127.0.0.1"),
    "localhost": (socket.AF_INET, "127.0.0.1"),
    "::1": (socket.AF_INET6, "::1"),
}
_IN_URL: Final = {"127.0.0.1": "127.0.0.1", "localhost": "localhost", "::1": "[::1]"}


def _listen(host: str, port: int) -> socket.socket:
    if host not in _ADDRESSES:
        expected = "127.0.0.1, localhost or ::1; it serves this computer only"
        raise SetupError(f"sandbox host: found {host!r}, expected {expected}")
    if port not in range(_PORTS):
        raise SetupError(
            f"sandbox port: found {port}, expected one from 1 to 65535, or 0 for any that is free"
        )
    family, address = _ADDRESSES[host]
    try:
        listener = socket.create_server((address, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = f"{os.strerror(error.errno or 0)}; choose another, or 0 for any that is free"
        raise SetupError(f"sandbox port: {port} on {host} can't be had: {reason}") from error
    # asyncio does not set it on what this listener accepts; without it, an answer waits 40 ms for an ACK
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class _Server(uvicorn.Server):
    """Uvicorn in a thread of its own."""

    def __init__(self, app: Callable[..., ASGIApp], listener: socket.socket) -> None:
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
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            )
        )
        self._listener = listener
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)

    def start(self) -> None:
        self._thread.start()
        if not self._begun.wait(_START_SECONDS) or not self.started:
            self.stop()
            raise CannotGoOn("sandbox: its server did not start")

    def stop(self) -> None:
        self.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        try:
            with self._listener:
                self.run([self._listener])
        finally:
            self._begun.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._begun.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
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


@contextmanager
def _signalled() -> Iterator[SimpleQueue[int]]:
    """A queue that gets SIGINT and SIGTERM instead of the process."""
    signals: SimpleQueue[int] = SimpleQueue()  # its put() may interrupt its get(), unlike an Event's set()
    before = {
        number: signal.signal(number, lambda number, _: signals.put(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

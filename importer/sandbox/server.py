"""The sandbox as a server on loopback: beside a program, or in the foreground."""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Self

import uvicorn

from importer.errors import CannotGoOn, SetupError
from importer.sandbox.app import application

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.applications import Starlette

    from importer.sandbox.orders import Store


class Sandbox:
    """A sandbox that runs in a thread from entering to leaving; ``port`` 0 is any that is free.

    ``url`` is set when it is entered, and then it answers.
    """

    def __init__(
        self, store: Store, token: str | None = None, port: int = 0, *, host: str = "127.0.0.1"
    ) -> None:
        self.store = store
        self.url = ""
        self._token = token
        self._host = host
        self._port = port

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            SetupError: the host is not loopback, or the port can't be had.
            CannotGoOn: the server does not start.
        """
        listener = _listen(self._host, self._port)
        self.url = f"http://{_IN_URL[self._host]}:{listener.getsockname()[1]}"
        self._server = _Server(application(self.store, self._token), listener)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()


def serve(store: Store, host: str, port: int, token: str | None, ready: Callable[[str], None]) -> None:
    """Serve ``store`` until SIGINT or SIGTERM; ``ready`` is called with the URL once it answers.

    Raises:
        SetupError: ``host`` is not loopback, or the port can't be had.
    """
    with _signalled() as signalled, Sandbox(store, token, port, host=host) as sandbox:
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

    def __init__(self, app: Starlette, listener: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                app,
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

"""The sandbox as a server on loopback: beside a program, or in the foreground."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Self

from importer.errors import SetupError
from importer.sandbox.shops import Shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from importer.sandbox.faults import Faults
    from importer.sandbox.orders import Store
    from importer.sandbox.running import Server
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
        self._server: Server
        self._host = host
        self._port = port
        self._token = token
        self._faults = faults
        self._bucket = bucket

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            SetupError: the host is not loopback, or the port can't be had.
            CannotGoOn: the server does not start.
        """
        from importer.sandbox.app import application  # noqa: PLC0415 - Starlette, only where it is served
        from importer.sandbox.running import Server  # noqa: PLC0415 - uvicorn, the same

        app = partial(application, self.store, self._token, self._faults, shop=self.shop, bucket=self._bucket)
        listener = _listen(self._host, self._port)
        self.url = f"http://{_IN_URL[self._host]}:{listener.getsockname()[1]}"
        self._server = Server(app, listener, _BACKLOG)
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


_BACKLOG = 1024
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
        listener = socket.create_server((address, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = f"{os.strerror(error.errno or 0)}; choose another, or 0 for any that is free"
        raise SetupError(f"sandbox port: {port} on {host} can't be had: {reason}") from error
    # asyncio does not set it on what this listener accepts; without it, an answer waits 40 ms for an ACK
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


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

"""The destination that posting is measured against: ADM's documented success reply, at once or a while later.

Usage: ``python -m benchmarks.destination MILLISECONDS``; prints its port, and ends with its standard input.
"""

import asyncio
import re
import sys
from typing import Final, cast

from importer.posts import loop

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_BODY: Final = re.compile(rb'"order_id": ?([0-9]+).*"tracking_number": ?("[^"]*")', re.DOTALL)


class _Destination(asyncio.Protocol):
    """Takes one request after the other apart no further than is needed to answer it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # as for all streams; uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, _, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is None or len(body) < int(length[1]):
            return
        self._received = b""
        if self._seconds:
            asyncio.get_running_loop().call_later(self._seconds, self._answer, body)
        else:
            self._answer(body)

    def _answer(self, request: bytes) -> None:
        if self._transport.is_closing():
            return
        found = _BODY.search(request)
        if found is None:
            sys.exit(f"not a fulfillment: {request!r}")
        body = (
            b'{"order_id": %s, "status": "created", "tracking_number": %s, '
            b'"created_at": "2026-11-02T10:00:00Z"}' % (found[1], found[2])
        )
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
        )


async def _serve(seconds: float) -> None:
    running = asyncio.get_running_loop()
    server = await running.create_server(lambda: _Destination(seconds), "127.0.0.1", 0, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await running.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    loop.run(_serve(float(sys.argv[1]) / 1000))

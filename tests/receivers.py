"""What listens on loopback to what a run tells: an HTTP server, and a mail server."""

from __future__ import annotations

import socket
import threading
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from aiosmtpd.controller import Controller
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence
    from email.message import EmailMessage


class Heard(Struct, frozen=True):
    """A request as it came."""

    method: str
    path: str
    body: str


class Receiver:
    """Writes down every request; answers with the statuses in turn, and 200 after the last.

    None for a status keeps the request without an answer until the end.
    """

    def __init__(self, statuses: Sequence[int | None] = ()) -> None:
        self.heard: list[Heard] = []
        self._statuses = list(statuses)
        self._ended = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode(errors="replace")
                receiver.heard.append(Heard(self.command, self.path, body))
                status = receiver._statuses.pop(0) if receiver._statuses else 200
                if status is None:
                    receiver._ended.wait(60)
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST  # noqa: N815 - the name that http.server calls

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def paths(self) -> list[str]:
        """The paths that were asked for, in the order of their coming."""
        return [heard.path for heard in self.heard]


class MailServer:
    """Takes every mail and keeps it."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, data_size_limit=30_000_000)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    async def handle_DATA(self, _: object, __: object, envelope: Any) -> str:  # noqa: ANN401, N802 - aiosmtpd's
        """Keep a mail; aiosmtpd calls this."""
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


def free_port() -> int:
    """A port on loopback that nobody listens to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port

"""The order platform as a witness: it outlives the importers, and writes into its books what it did.

It knows nothing of idempotency keys. A line goes into the books when a request has come in whole, a second
one when its fulfillment is created, a moment later; the answer follows after another moment. As a program,
``witness.py BOOKS SEED`` prints its port, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONGEST_MOMENT = 0.02
"""Seconds, at most, before a fulfillment is created, and again before the answer."""

_SECONDS = 30
_BEGIN = b"POST /fulfillments/create "
_CREATED_AT = "2024-04-30T12:00:00Z"


class Books:
    """What the witness has written down so far, as of the last ``read``."""

    def __init__(self, path: Path, witness: subprocess.Popen[str]) -> None:
        self._witness = witness
        self.received: Counter[str] = Counter()
        self.created: Counter[str] = Counter()
        self._events: list[tuple[str, str]] = []
        self._file = path.open("rb", buffering=0)
        self._rest = b""

    def read(self) -> int:
        """Read on, and return how many requests have come in since the books were opened."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            what, name = line.decode().split(" ")
            (self.received if what == "received" else self.created)[name] += 1
            self._events.append((what, name))
        return self.received.total()

    def of(self, name: str) -> list[str]:
        """What happened to a fulfillment, in order."""
        return [what for what, whose in self._events if whose == name]

    def close_for_good(self) -> None:
        """Read on until everything that came in has been created.

        Raises:
            TimeoutError: something that came in is not.
        """
        last = time.monotonic() + _SECONDS
        while self.read() != self.created.total():
            if time.monotonic() > last:
                raise TimeoutError(f"never created: {self.received - self.created}")
            time.sleep(LONGEST_MOMENT)

    @contextmanager
    def nobody_answered(self) -> Iterator[None]:
        """Let the witness stand still, from entering to leaving: who asks it waits."""
        self._witness.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._witness.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


@contextmanager
def witness(path: Path, seed: int) -> Iterator[tuple[str, Books]]:
    """Have a witness whose books are at ``path``: its address and the books."""
    path.touch()
    command = [sys.executable, "-I", __file__, str(path), str(seed)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        books = Books(path, process)
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}", books
        finally:
            process.kill()
            books.close()


class _Witness:
    def __init__(self, books: int, chance: random.Random) -> None:
        self._books = books
        self._chance = chance

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_length(head))
                if not head.startswith(_BEGIN):
                    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                    continue
                writer.write(_answer(await self._fulfill(json.loads(body))))
                await writer.drain()
        writer.close()

    async def _fulfill(self, body: dict[str, Any]) -> dict[str, Any]:
        name = f"{body['order_id']}/{body['tracking_number']}"
        os.write(self._books, f"received {name}\n".encode())
        await self._moment()
        os.write(self._books, f"created {name}\n".encode())
        await self._moment()
        said = {"order_id": body["order_id"], "tracking_number": body["tracking_number"]}
        return {**said, "status": "created", "created_at": _CREATED_AT}

    async def _moment(self) -> None:
        await asyncio.sleep(self._chance.uniform(0, LONGEST_MOMENT))


def _length(head: bytes) -> int:
    fields = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    return next((int(value) for name, _, value in fields if name == b"content-length"), 0)


def _answer(body: dict[str, Any]) -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


async def _serve(path: str, seed: int) -> None:
    books = os.open(path, os.O_WRONLY | os.O_APPEND)
    chance = random.Random(seed)  # noqa: S311 - moments that can be had again
    server = await asyncio.start_server(_Witness(books, chance).converse, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2])))

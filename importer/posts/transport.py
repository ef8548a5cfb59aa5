"""An httpx transport over one kept connection, which tells exactly how far each request got.

It sends a request once and never again by itself, follows nothing, and reads a reply to a limit. What is on a
kept connection before the next request is written is never taken for its answer; httpcore, which httpx brings
along, gives what came in one piece with a reply to the request after it.
"""

import asyncio
import select
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from enum import IntEnum
from typing import Final, cast

import h11
import httpx

from importer.posts import wire

_PORTS: Final = {"http": 80, "https": 443}
_MOST_INTERIM_REPLIES: Final = 20
_BEFORE_THE_NEXT_ADDRESS_SECONDS: Final = 0.25  # RFC 8305, 8: Connection Attempt Delay


class Progress(IntEnum):
    """How far a request got; before ``WRITTEN``, no byte of it was handed to the system."""

    NOT_CONNECTED = 0
    CONNECTED = 1
    """A TLS handshake is done, too, where there is one."""
    WRITTEN = 2
    """In part, or all of it."""
    HEAD_READ = 3
    READ = 4
    """To the end of the reply, not just to the limit."""


class Transport(httpx.AsyncBaseTransport):
    """Sends requests one at a time, over the kept connection if it is sound, else over a fresh one.

    ``trust`` returns what judges certificates, where there are any. ``timeout`` (seconds) is one deadline for
    connecting, sending and reading the whole reply, of whose body little more than ``limit`` bytes are read.
    What a request has as its extension ``progress`` is called with each ``Progress`` that it makes; a
    response that is whole has its body as its extension ``body``, too. A connection that was idle for
    ``keepalive`` seconds is not used again. A reply that is not quite usual is read by ``httptools`` if that
    may be, and else left to h11.
    """

    def __init__(
        self,
        trust: Callable[[], ssl.SSLContext],
        timeout: float,
        limit: int,
        keepalive: float,
        *,
        httptools: bool = wire.INSTALLED,
    ) -> None:
        self._trust = trust
        self._timeout = timeout
        self._limit = limit
        self._keepalive = keepalive
        self._httptools = httptools
        self._idle: _Connection | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and read its reply; the stream of one that was cut short fails at its end.

        Raises:
            httpx.LocalProtocolError: it can't be sent as HTTP, and wasn't.
            httpx.ConnectError: there is no connection; nothing was sent.
            httpx.ConnectTimeout: there was none before the deadline; nothing was sent.
            httpx.RemoteProtocolError: what came back has no head of a reply.
            httpx.ReadError: the connection was lost before there was one.
            httpx.ReadTimeout: none came before the deadline.
        """
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        reply = _Reply(request.extensions.get("progress", _unheard), self._limit, ended)
        deadline = loop.time() + self._timeout
        connection = self._sound(request.url) or await self._in_time(deadline, request.url)
        late = loop.call_at(deadline, reply.come_too_late)  # asyncio.timeout() takes far longer
        try:
            await connection.ask(request, await _content(request), reply)
        finally:
            late.cancel()
            self._keep(connection)
        return reply.response()

    async def aclose(self) -> None:
        """Close the kept connection."""
        connection, self._idle = self._idle, None
        if connection is not None:
            connection.drop()
            await connection.closed

    def _sound(self, url: httpx.URL) -> "_Connection | None":
        """The kept connection, which nobody else has from now on, or None if there is none that is sound."""
        connection, self._idle = self._idle, None
        if connection is None or connection.may_be_used_for(url, self._keepalive):
            return connection
        connection.drop()
        return None

    async def _in_time(self, deadline: float, url: httpx.URL) -> "_Connection":
        try:
            async with asyncio.timeout_at(deadline):
                return await self._fresh(url)
        except TimeoutError:
            raise httpx.ConnectTimeout(_TOO_LONG) from None

    async def _fresh(self, url: httpx.URL) -> "_Connection":
        if url.scheme not in _PORTS:
            raise httpx.UnsupportedProtocol(f"neither http nor https: {url.scheme}")
        host, secure = url.raw_host.decode("ascii"), url.scheme == "https"
        context = self._context() if secure else None
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(url, httptools=self._httptools),
                sock=await _socket_to(host, url.port or _PORTS[url.scheme]),
                ssl=context,
                server_hostname=host if secure else None,
                ssl_handshake_timeout=self._timeout if secure else None,  # its own would be 60 s
            )
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        return connection

    def _context(self) -> ssl.SSLContext:
        context = self._trust()
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _keep(self, connection: "_Connection") -> None:
        if self._idle is None and connection.is_idle:
            self._idle = connection
        else:
            connection.drop()


async def _content(request: httpx.Request) -> bytes:
    stream = request.stream
    if isinstance(stream, httpx.ByteStream):  # asking it as a stream would take as long as sending it
        return b"".join(stream)
    return await request.aread()


class _Reply:
    """What comes back to one request, as far as it has come."""

    __slots__ = ("body", "ended", "failure", "head", "heard", "limit", "progress")

    def __init__(self, progress: Callable[[Progress], None], limit: int, ended: asyncio.Future[None]) -> None:
        self.progress = progress
        self.limit = limit
        self.ended = ended
        self.head: wire.Head | None = None
        self.body = bytearray()
        self.heard = 0
        self.failure: httpx.TransportError | None = None

    def end(self, failure: httpx.TransportError | None = None) -> None:
        if not self.ended.done():  # it is when nobody waits any more
            self.failure = failure
            self.ended.set_result(None)

    def come_too_late(self) -> None:
        self.end(httpx.ReadTimeout(_TOO_LONG))

    def response(self) -> httpx.Response:
        if self.head is None:
            raise self.failure or httpx.ReadError("there is no reply")
        body = bytes(self.body)
        return httpx.Response(
            self.head.status,
            headers=self.head.headers,
            stream=_Body(body, self.failure),
            extensions={} if self.failure else {"body": body},
        )


class _Body(httpx.AsyncByteStream):
    """A body that was read already, to its end or until ``cut``."""

    def __init__(self, content: bytes, cut: httpx.TransportError | None) -> None:
        self._content = content
        self._cut = cut

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content
        if self._cut is not None:
            raise self._cut


class _Connection(asyncio.Protocol):
    """A connection to where ``url`` is; it closes itself when anything is on it that was not asked for."""

    def __init__(self, url: httpx.URL, *, httptools: bool) -> None:
        self._origin = _origin(url)
        self._httptools = httptools
        self._http: h11.Connection | None = None
        self._method = ""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._unasked = select.poll()
        self._reply: _Reply | None = None
        self._is_kept = False
        self._ends_here = False
        self._idle_since = self._loop.time()
        self.closed: asyncio.Future[None] = self._loop.create_future()

    @property
    def is_idle(self) -> bool:
        """Whether it has had a whole reply, and may have another."""
        return self._is_kept and self._reply is None and not self._transport.is_closing()

    def may_be_used_for(self, url: httpx.URL, keepalive: float) -> bool:
        """Whether it leads there, and nothing has come since it was idle, not even its end."""
        return (
            self.is_idle
            and _origin(url) == self._origin
            and self._loop.time() - self._idle_since < keepalive
            # the event loop may not have heard of it yet; what TLS itself says costs only the connection
            and not self._unasked.poll(0)
        )

    async def ask(self, request: httpx.Request, body: bytes, reply: _Reply) -> None:
        """Write the request, once, and wait for the end of its reply.

        Raises:
            httpx.LocalProtocolError: it can't be written as HTTP.
            httpx.ConnectError: the connection was closed before it could be used.
        """
        reply.progress(Progress.CONNECTED)
        self._method, self._http = request.method, None
        message = wire.written(request, body)
        if message is None:
            self._http, message = wire.written_by_h11(request, body)
        if self._transport.is_closing():
            raise httpx.ConnectError("it was closed before anything was sent")
        self._reply = reply
        reply.progress(Progress.WRITTEN)
        self._transport.write(message)
        await reply.ended

    def drop(self) -> None:
        """Close it at once, whatever is on its way."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # as for all streams; uvloop's is no subclass
        self._unasked.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self._reply is None:
            self.drop()
        else:
            self._hear(self._reply, data)

    def eof_received(self) -> None:
        if self._reply is not None and self._reply.head is None:
            self._fail(self._reply, httpx.ReadError("it was closed before the head of a reply"))
        elif self._reply is not None:
            self._hear(self._reply, b"")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._reply is not None:
            self._fail(self._reply, httpx.ReadError(str(exc)))
        if not self.closed.done():
            self.closed.set_result(None)

    def _hear(self, reply: _Reply, data: bytes) -> None:
        """Read on; ``data`` is empty at the end of all."""
        try:
            if self._http is None and (usual := self._read_whole(data)) is not None:
                self._take(reply, *usual)
            else:
                self._http = self._http or wire.h11_after(self._method)
                self._http.receive_data(data)
                self._take_from(self._http, reply)
        except h11.RemoteProtocolError as error:
            self._fail(reply, httpx.RemoteProtocolError(str(error)))

    def _read_whole(self, data: bytes) -> tuple[wire.Head, bytes] | None:
        return wire.read_plainly(data) or (wire.read(data) if self._httptools else None)

    def _take(self, reply: _Reply, head: wire.Head, body: bytes) -> None:
        self._begin(reply, head)
        self._add(reply, body)
        if self._reply is not None:  # it has not failed
            self._finish(reply, is_last=False)

    def _take_from(self, http: h11.Connection, reply: _Reply) -> None:
        while self._reply is not None:
            match http.next_event():
                case h11.Data(data=data):
                    self._add(reply, data)
                case h11.Response(status_code=status, headers=headers):
                    self._begin(reply, wire.Head(status, list(headers)))
                case h11.EndOfMessage():
                    followed_by, _ = http.trailing_data
                    self._finish(reply, is_last=bool(followed_by) or http.states != _BOTH_DONE)
                case h11.InformationalResponse():
                    self._count(reply)
                case _:  # it needs more of the reply
                    return

    def _count(self, reply: _Reply) -> None:
        reply.heard += 1
        if reply.heard > _MOST_INTERIM_REPLIES:
            raise h11.RemoteProtocolError(f"more than {_MOST_INTERIM_REPLIES} interim replies")

    def _begin(self, reply: _Reply, head: wire.Head) -> None:
        is_early = self._transport.get_write_buffer_size() > 0
        if is_early and self._is_kept:  # it may be a second reply to the request before
            raise h11.RemoteProtocolError("the reply came before the request was sent")
        names = {name for name, _ in head.headers}
        # a peer that gives two lengths of a body may be of two minds where it ends (RFC 9112, 6.3)
        self._ends_here = is_early or {b"content-length", b"transfer-encoding"} <= names
        reply.head = head
        reply.progress(Progress.HEAD_READ)

    def _add(self, reply: _Reply, data: bytes) -> None:
        reply.body += data
        if len(reply.body) > reply.limit:
            self._fail(reply, httpx.ReadError(f"the reply is longer than {reply.limit} bytes"))

    def _finish(self, reply: _Reply, *, is_last: bool) -> None:
        self._reply = None
        reply.progress(Progress.READ)
        if self._ends_here or is_last:  # as after Connection: close
            self.drop()
        else:
            self._is_kept = True
            self._idle_since = self._loop.time()
        reply.end()

    def _fail(self, reply: _Reply, failure: httpx.TransportError) -> None:
        self._reply = None
        self.drop()
        reply.end(failure)


_BOTH_DONE: Final = {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}
_TOO_LONG: Final = "it took too long"


def _origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    return url.scheme, url.raw_host, url.port


def _unheard(_: Progress) -> None:
    """Nobody wants to know."""


async def _socket_to(host: str, port: int) -> socket.socket:
    """A socket connected to the first address of the host that answers.

    A host whose first address swallows everything costs a quarter of a second, not the deadline (RFC 8305);
    uvloop's ``create_connection`` tries one address after the other.

    Raises:
        OSError: none does; it is the first one's error.
    """
    loop = asyncio.get_running_loop()
    waiting = deque(await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    trying: list[asyncio.Task[socket.socket]] = []
    errors: list[BaseException] = []
    try:
        while waiting or trying:
            if waiting:
                family, _, _, _, address = waiting.popleft()
                trying.append(asyncio.create_task(_connected(family, address)))
            delay = _BEFORE_THE_NEXT_ADDRESS_SECONDS if waiting else None
            await asyncio.wait(trying, timeout=delay, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in trying if task.done()]:
                trying.remove(task)
                if (error := task.exception()) is None:
                    return task.result()
                errors.append(error)
    finally:
        for task in trying:
            task.add_done_callback(_close)
            task.cancel()
    raise errors[0]


async def _connected(family: socket.AddressFamily, address: tuple[object, ...]) -> socket.socket:
    connecting = socket.socket(family, socket.SOCK_STREAM)
    try:
        connecting.setblocking(False)  # noqa: FBT003 - socket's own
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(connecting, address)
    except BaseException:
        connecting.close()
        raise
    return connecting


def _close(task: asyncio.Task[socket.socket]) -> None:
    """Close a connection that came too late to be used."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()

"""The only HTTP: one request, and what came back or how far it got."""

import asyncio
import contextlib
import functools
import os
import re
import socket
import ssl
import urllib.request
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, cast

import httpx

from importer.model import Answer, NoAnswer, Reach, Request
from importer.posts.transport import Progress, Transport

if TYPE_CHECKING:
    import httpcore

REPLY_LIMIT: Final = 1_000_000
"""So many bytes of a reply are read; the rest is left, and the connection is dropped."""

_KEEPALIVE_SECONDS: Final = (
    4.0  # shorter than the usual 5 s of servers, so that a request rarely meets a closing one
)
_LATE: Final = (TimeoutError, httpx.TimeoutException)
_INFLATABLE: Final = frozenset({"gzip", "x-gzip", "deflate"})


class Client:
    """Sends requests one at a time over one connection; follows no redirect and never sends twice.

    ``auth`` are the headers that let a request in; they are added here and stand in no ``Request``.
    ``timeout`` (seconds) is one deadline for connecting, sending and reading the whole reply.
    ``env_proxy`` says whether ``HTTPS_PROXY`` and the like are obeyed. ``stock`` takes httpx's own transport,
    which a proxy needs, too; it can't always tell what came unasked from an answer.
    """

    def __init__(
        self, auth: Mapping[str, str], timeout: float, *, env_proxy: bool = False, stock: bool = False
    ) -> None:
        self._auth = auth
        self._timeout = timeout
        self._env_proxy = env_proxy
        self._is_stock = stock
        self._client: httpx.AsyncClient | None = None
        self._exchange: _Exchange | None = None

    @property
    def reach(self) -> Reach:
        """How far the latest request got, for one who cancels ``send``: SENT once its body may be leaving."""
        return self._exchange.reach if self._exchange else Reach.NEVER_SENT

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def send(self, request: Request) -> Answer | NoAnswer:
        """Send ``request`` and read up to ``REPLY_LIMIT`` bytes of the reply."""
        exchange = self._exchange = _Exchange(request)
        try:
            client = self._connection(request.url)
            if self._is_stock:
                async with asyncio.timeout(self._timeout):
                    answer = await exchange.run(client, self._auth, stock=True)
            else:  # it keeps the deadline by itself
                answer = await exchange.run(client, self._auth, stock=False)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, what may have been sent is an outcome
            await self._drop(exchange)
            return NoAnswer(exchange.reach, self._reason(exchange, error), exchange.begun)
        except asyncio.CancelledError:
            await self._drop(exchange)
            raise
        if answer.status == HTTPStatus.NO_CONTENT:
            await self.close()  # content that it has all the same would be taken for the next reply
        return answer

    async def close(self) -> None:
        """Drop the connection; the next request opens another."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(
                Exception
            ):  # a connection that can't be closed well is as gone as any other
                await client.aclose()

    async def _drop(self, exchange: "_Exchange") -> None:
        await self.close()
        await exchange.close()

    def _connection(self, url: str) -> httpx.AsyncClient:
        if self._client is None:
            proxy = _proxy(url) if self._env_proxy else None
            self._is_stock = self._is_stock or proxy is not None
            self._client = _WithoutCookies(
                transport=self._stock_transport(proxy) if self._is_stock else self._transport(),
                follow_redirects=False,
                trust_env=False,
                event_hooks={"response": [_note]},
            )
        return self._client

    def _transport(self) -> Transport:
        return Transport(
            functools.partial(trusted, obey_environment=self._env_proxy),
            self._timeout,
            REPLY_LIMIT,
            _KEEPALIVE_SECONDS,
        )

    def _stock_transport(self, proxy: str | None) -> httpx.AsyncHTTPTransport:
        return httpx.AsyncHTTPTransport(
            verify=trusted(obey_environment=self._env_proxy),
            trust_env=self._env_proxy,
            limits=httpx.Limits(
                max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEEPALIVE_SECONDS
            ),
            proxy=proxy,
        )

    def _reason(self, exchange: "_Exchange", error: Exception) -> str:
        if exchange.reach is Reach.NEVER_SENT and exchange.head is None:
            return self._reason_unsent(exchange.request.url, error)
        late = f" within {self._timeout:g} s" if isinstance(error, _LATE) else ""
        if exchange.head is not None:
            cut = f"no end of the reply came{late}" if late else "the reply was cut off"
            return f"HTTP {exchange.head[0]}, but {cut} after {len(exchange.received)} bytes"
        if late:
            return f"no reply{late}"
        if isinstance(error, httpx.RemoteProtocolError) and "disconnected" not in str(error):
            return f"what came back is not HTTP: {_protocol_error(error)}"
        return "the connection was lost after the request was sent"

    def _reason_unsent(self, url: str, error: Exception) -> str:
        if isinstance(error, _LATE):
            return f"can't connect to {_address(url)}: no connection within {self._timeout:g} s"
        if isinstance(error, httpx.TransportError) and not isinstance(error, httpx.LocalProtocolError):
            return f"can't connect to {_address(url)}: {_cause(error)}"
        # the error's own text may quote a header, and so a token
        return f"the request can't be sent: {type(error).__name__}"


class _WithoutCookies(httpx.AsyncClient):
    """A client that keeps no cookies, which takes httpx longer than all else that it does."""

    @property
    def cookies(self) -> httpx.Cookies:
        return _NO_COOKIES

    @cookies.setter
    def cookies(self, cookies: object) -> None:
        """Keep none."""


class _NoAuth(httpx.Auth):
    """Leaves requests as they are; to find that out by itself takes httpx as long as to send one."""

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        yield request


_NO_AUTH: Final = _NoAuth()
_NOTHING: Final = httpx.ByteStream(b"")
_NO_TIMEOUT: Final = httpx.Timeout(None).as_dict()


class _NoCookies(httpx.Cookies):
    def extract_cookies(self, response: httpx.Response) -> None:
        """Leave them."""


_NO_COOKIES: Final = _NoCookies()


class _Exchange:
    """One request and its reply, as far as they have got."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.progress = Progress.NOT_CONNECTED
        self.head: tuple[int, httpx.Headers] | None = None
        self.received = bytearray()
        self._stream: httpcore.AsyncNetworkStream | None = None

    async def run(self, client: httpx.AsyncClient, auth: Mapping[str, str], *, stock: bool) -> Answer:
        try:
            response = await client.send(self._prepared(auth, stock=stock), stream=True, auth=_NO_AUTH)
        except httpx.RemoteProtocolError:
            if self.begun is None:
                raise
            # httpx reads the Location of a redirect even if it does not follow it, and this one leads nowhere
            return self.begun
        if (body := response.extensions.get("body")) is not None and len(body) <= REPLY_LIMIT:
            self.received += body
            complete = True  # and nothing is left to be closed
        else:
            try:
                complete = await self._read(response)
            finally:
                await response.aclose()
        response.stream = _NOTHING  # httpx's own has the response: a cycle, for the garbage collector
        return self._answer(response.status_code, response.headers, complete=complete)

    @property
    def reach(self) -> Reach:
        """SENT once a byte of the request may have left."""
        return Reach.SENT if self.progress >= Progress.WRITTEN else Reach.NEVER_SENT

    @property
    def begun(self) -> Answer | None:
        """What has come of the reply, once its head is there."""
        return self._answer(*self.head, complete=False) if self.head is not None else None

    def _answer(self, status: int, headers: httpx.Headers, *, complete: bool) -> Answer:
        values = dict(headers.items())
        body, whole = _decoded(values.get("content-encoding", ""), bytes(self.received))
        return Answer(status, values, body, whole and complete)

    async def close(self) -> None:
        """Close a connection that was cut short in its TLS handshake, which httpcore 1.0 leaves open."""
        if self._stream is not None:
            with contextlib.suppress(Exception):  # as above
                await self._stream.aclose()

    def _prepared(self, auth: Mapping[str, str], *, stock: bool) -> httpx.Request:
        # not built by the client, which would add headers
        url, body = _url(self.request.url), self.request.body
        headers = {
            "Host": url.netloc.decode("ascii"),
            **self.request.headers,
            "Accept-Encoding": "identity",
            "Content-Length": str(len(body)),
            **auth,
        }
        extensions: dict[str, Any] = {"exchange": self, "timeout": _NO_TIMEOUT}  # there is one for it all
        extensions |= {"trace": self._see} if stock else {"progress": self._get}
        stream = _Body(self._begin_body, body) if stock else httpx.ByteStream(body)
        return httpx.Request(self.request.method, url, headers=headers, stream=stream, extensions=extensions)

    def _get(self, progress: Progress) -> None:
        self.progress = progress

    async def _see(self, event: str, about: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            self._stream = about["return_value"]

    def _begin_body(self) -> None:
        self.progress = Progress.WRITTEN

    async def _read(self, response: httpx.Response) -> bool:
        async for chunk in cast("httpx.AsyncByteStream", response.stream):  # as an AsyncClient has it
            self.received += chunk
            if len(self.received) > REPLY_LIMIT:
                del self.received[REPLY_LIMIT:]
                return False
        return True


class _Body(httpx.AsyncByteStream):
    """A body whose ``begins`` is called when the headers are out; without it nobody can act on them."""

    def __init__(self, begins: Callable[[], None], content: bytes) -> None:
        self._begins = begins
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._begins()
        yield self._content


async def _note(response: httpx.Response) -> None:
    response.request.extensions["exchange"].head = response.status_code, response.headers


def _decoded(coding: str, body: bytes) -> tuple[bytes, bool]:
    """The body without the coding that was not asked for, and whether that is all of it."""
    coding = coding.strip().lower()
    if coding in {"", "identity"}:
        return body, True
    if coding not in _INFLATABLE:
        return body, False
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: gzip or zlib, whichever it is
    try:
        inflated = inflater.decompress(body, REPLY_LIMIT)
    except zlib.error:
        return body, False
    return inflated, inflater.eof and not inflater.unused_data


def _protocol_error(error: Exception) -> str:
    """What is wrong with the head of a reply, with the line that h11 quotes if it was one line."""
    words = re.sub(r"bytearray\(b(.*)\)", r"\1", str(error))
    return words[:1].lower() + words[1:]


@functools.lru_cache(maxsize=100)
def _url(text: str) -> httpx.URL:
    return httpx.URL(text)  # many posts go to one address, and taking it apart is half of making a request


@functools.cache
def trusted(*, obey_environment: bool) -> ssl.SSLContext:
    """Whose certificates are believed, as all requests have it."""
    return httpx.create_ssl_context(trust_env=obey_environment)


def _proxy(url: str) -> str | None:
    target, proxies = _url(url), urllib.request.getproxies()
    if urllib.request.proxy_bypass(target.host):
        return None
    proxy = proxies.get(target.scheme) or proxies.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def _address(url: str) -> str:
    target = _url(url)
    return f"{target.host}:{target.port or {'http': 80, 'https': 443}.get(target.scheme, '?')}"


def _cause(error: BaseException) -> str:
    """Why there is no connection, in the words of the first error below that has any."""
    if isinstance(error, httpx.ProxyError):
        return f"the proxy says {error}"
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS: {(cause.reason or 'failed').replace('_', ' ').lower()}"
        if isinstance(cause, socket.gaierror):
            return f"{cause.strerror}".lower()
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno).lower()
    return "the connection was closed"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        below = error.__cause__ or error.__context__
        error = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else below

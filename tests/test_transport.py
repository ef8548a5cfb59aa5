"""The transport: how far each request got, and that nothing unasked is ever taken for an answer."""

import asyncio
import json
import socket
import ssl
import struct
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
import pytest
import trustme
import uvloop
from msgspec.structs import replace

from importer.model import Answer, NoAnswer, Reach, Request
from importer.posts.client import Client
from importer.posts.transport import Progress, Transport
from importer.sandbox import Faults, Sandbox, Store
from importer.sandbox.kinds import KINDS
from tests.loopback import (
    BODY,
    CREATED,
    LITTLE,
    PLENTY,
    Handler,
    Server,
    hang,
    ok,
    read_request,
    replying,
    serving,
)

_T = TypeVar("_T")
Run = Callable[[Coroutine[Any, Any, _T]], _T]
Step = Progress

LIMIT = 1000
MUCH = b"x" * 20_000_000
"""More than the system takes at once for a peer that does not read."""
SECOND = ok(b'{"id": 256}')


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["plain", "fast"])
def run(request: pytest.FixtureRequest) -> Run[Any]:
    """Each of the event loops that it may be used in, without and with what the extra ``fast`` brings."""

    def inside(main: Coroutine[Any, Any, _T]) -> _T:
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(main)

    return inside


def transport(
    timeout: float = PLENTY, keepalive: float = PLENTY, trust: ssl.SSLContext | None = None
) -> Transport:
    is_fast = isinstance(asyncio.get_running_loop(), uvloop.Loop)
    context = trust or ssl.create_default_context()
    return Transport(lambda: context, timeout, LIMIT, keepalive, httptools=is_fast)


async def ask(used: Transport, url: str, body: bytes = BODY) -> tuple[list[Progress], str]:
    """How far one request gets, and the body of its reply; the name of the error where that has no end."""
    steps: list[Progress] = []
    request = httpx.Request("POST", url, content=body, extensions={"progress": steps.append})
    try:
        response = await used.handle_async_request(request)
        return steps, (await response.aread()).decode()
    except httpx.TransportError as error:
        return steps, type(error).__name__


async def asked(server: Server, used: Transport, *bodies: bytes) -> list[tuple[list[Progress], str]]:
    """What comes of these requests, one after the other."""
    try:
        return [await ask(used, f"http://127.0.0.1:{server.port}/", body) for body in bodies]
    finally:
        await used.aclose()


# --- how far it got ------------------------------------------------------------------------------------


async def abort(reader: Reader, writer: Writer) -> None:
    await read_request(reader)
    writer.transport.abort()


async def read_a_little_and_abort(reader: Reader, writer: Writer) -> None:
    await reader.readexactly(10)
    writer.transport.abort()


async def drip(reader: Reader, writer: Writer) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(LITTLE / 20)


async def drip_a_head(reader: Reader, writer: Writer) -> None:
    await read_request(reader)
    while True:
        writer.write(b"HTTP/1.1 200 OK\r\n"[:1])
        await writer.drain()
        await asyncio.sleep(LITTLE / 20)


WRITTEN = [Step.CONNECTED, Step.WRITTEN]
HEAD_READ = [*WRITTEN, Step.HEAD_READ]
READ = [*HEAD_READ, Step.READ]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\n\r\n"
FAULTS: list[tuple[str, Handler, list[Progress], str]] = [
    ("read and reset", abort, WRITTEN, "ReadError"),
    ("read in part and reset", read_a_little_and_abort, WRITTEN, "ReadError"),
    ("read and closed", replying(), WRITTEN, "ReadError"),
    ("cut in its head", replying(CREATED[:9]), WRITTEN, "ReadError"),
    ("cut before its body", replying(CREATED[:-11]), HEAD_READ, "RemoteProtocolError"),
    ("cut in its body", replying(CREATED[:-1]), HEAD_READ, "RemoteProtocolError"),
    ("cut in a chunk", replying(CHUNKED[:-9]), HEAD_READ, "RemoteProtocolError"),
    ("cut before the last chunk", replying(CHUNKED[:-5]), HEAD_READ, "RemoteProtocolError"),
    ("no answer", hang, WRITTEN, "ReadTimeout"),
    ("dripping", drip, HEAD_READ, "ReadTimeout"),
    ("dripping from the first", drip_a_head, WRITTEN, "ReadTimeout"),
    ("no HTTP", replying(b"220 ESMTP\r\n\r\n"), WRITTEN, "RemoteProtocolError"),
    ("longer than the limit", replying(ok(b"x" * (LIMIT + 1))), HEAD_READ, "ReadError"),
    (
        "two lengths",
        replying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 0\r\n\r\n{}"),
        WRITTEN,
        "RemoteProtocolError",
    ),
    (
        "headers without end",
        replying(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 99_999),
        WRITTEN,
        "RemoteProtocolError",
    ),
    ("interim replies without end", replying(INTERIM * 21, CREATED), WRITTEN, "RemoteProtocolError"),
    ("some interim replies", replying(INTERIM * 20, CREATED), READ, '{"id": 255}'),
    ("whole", replying(CREATED), READ, '{"id": 255}'),
    ("whole, in chunks", replying(CHUNKED), READ, "{}"),
    ("whole, to the end of the connection", replying(b"HTTP/1.1 200 OK\r\n\r\n{}"), READ, "{}"),
    ("of just the limit", replying(ok(b"x" * LIMIT)), READ, "x" * LIMIT),
]


@pytest.mark.parametrize(
    ("handler", "steps", "end"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_a_request_gets_as_far_as_its_server_lets_it(
    run: Run[Any], handler: Handler, steps: list[Progress], end: str
) -> None:
    async def main() -> tuple[list[tuple[list[Progress], str]], int]:
        late = handler in {hang, drip, drip_a_head}
        async with serving(handler) as server:
            return await asked(server, transport(LITTLE if late else PLENTY), BODY), server.connections

    ((found, how),), connections = run(main())
    assert (found, how, connections) == (steps, end, 1)


def test_without_a_connection_it_gets_nowhere(run: Run[Any]) -> None:
    async def main() -> list[tuple[list[Progress], str]]:
        async def silent(reader: Reader, writer: Writer) -> None:  # noqa: ARG001 - it never says anything
            await reader.read()

        async def no_tls(reader: Reader, writer: Writer) -> None:
            await reader.read(1)
            writer.write(CREATED)

        async with serving(silent) as slow, serving(no_tls) as plain:
            return [
                await ask(transport(), f"http://127.0.0.1:{free_port()}/"),
                await ask(transport(), f"https://127.0.0.1:{plain.port}/"),
                await ask(transport(LITTLE), f"https://127.0.0.1:{slow.port}/"),
                await ask(transport(), "ftp://127.0.0.1/"),
            ]

    assert run(main()) == [
        ([], "ConnectError"),
        ([], "ConnectError"),
        ([], "ConnectTimeout"),
        ([], "UnsupportedProtocol"),
    ]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_a_request_that_is_no_http_gets_no_further_than_the_connection(run: Run[Any]) -> None:
    async def main() -> tuple[list[Progress], str]:
        steps: list[Progress] = []
        async with serving(replying(CREATED)) as server:
            request = httpx.Request(
                "POST",
                f"http://127.0.0.1:{server.port}/",
                headers={"Token": "a\nb"},
                extensions={"progress": steps.append},
            )
            with pytest.raises(httpx.LocalProtocolError) as error:
                await transport().handle_async_request(request)
        return steps, str(error.value)

    assert run(main()) == ([Step.CONNECTED], "Illegal header value b'a\\nb'")


# --- what comes unasked --------------------------------------------------------------------------------


def test_a_second_reply_that_nobody_asked_for_is_not_the_next_ones(run: Run[Any]) -> None:
    replies = iter([CREATED + SECOND, ok(b"third")])

    async def handler(reader: Reader, writer: Writer) -> None:
        while True:
            await read_request(reader)
            writer.write(next(replies))

    async def main() -> tuple[list[tuple[list[Progress], str]], int]:
        async with serving(handler) as server:
            return await asked(server, transport(), BODY, BODY), server.connections

    assert run(main()) == ([(READ, '{"id": 255}'), (READ, "third")], 2)


def second_reply(connection: socket.socket) -> None:
    connection.sendall(SECOND)


def a_byte(connection: socket.socket) -> None:
    connection.sendall(b"\r")


def half_of_it_closed(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)


def closed(connection: socket.socket) -> None:
    connection.close()


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("heard_of", [False, True])
@pytest.mark.parametrize("unasked", [second_reply, a_byte, half_of_it_closed, closed, reset])
def test_a_connection_on_which_anything_came_between_two_requests_is_not_used_again(
    run: Run[Any],
    unasked: Callable[[socket.socket], None],
    *,
    heard_of: bool,
) -> None:
    def answer(listener: socket.socket, reply: bytes) -> socket.socket:
        connection, _ = listener.accept()
        connection.settimeout(PLENTY)
        received = b""
        while not received.endswith(BODY):
            received += connection.recv(65_536)
        connection.sendall(reply)
        return connection

    async def main(listener: socket.socket) -> list[tuple[list[Progress], str]]:
        used = transport()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        first, connection = await asyncio.gather(ask(used, url), asyncio.to_thread(answer, listener, CREATED))
        accepting = asyncio.ensure_future(asyncio.to_thread(answer, listener, ok(b"third")))
        await asyncio.sleep(0)
        unasked(connection)
        if heard_of:
            await asyncio.sleep(LITTLE / 10)
        others = socket.socketpair()  # they get the number of a connection that was closed
        second = await ask(used, url)
        for each in (connection, await accepting, *others):
            each.close()
        await used.aclose()
        return [first, second]

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PLENTY)
        assert run(main(listener)) == [(READ, '{"id": 255}'), (READ, "third")]


async def answer_early(reader: Reader, writer: Writer) -> None:
    """Answer the beginning of each request, and read the rest of small ones."""
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(CREATED)
        await writer.drain()
        if str(len(MUCH)).encode() in head:
            await asyncio.Event().wait()
        await reader.readexactly(len(BODY))


def test_an_early_answer_is_taken_where_it_can_belong_to_no_other_request(run: Run[Any]) -> None:
    async def main() -> tuple[list[tuple[list[Progress], str]], int]:
        async with serving(answer_early) as server:
            return await asked(server, transport(), MUCH, MUCH, BODY, MUCH), server.connections

    early, unclear = (READ, '{"id": 255}'), (WRITTEN, "RemoteProtocolError")
    assert run(main()) == ([early, early, early, unclear], 3)


def test_a_connection_whose_answer_came_too_late_is_not_used_again(run: Run[Any]) -> None:
    async def main() -> tuple[list[tuple[list[Progress], str]], int]:
        async def answer_the_first(reader: Reader, writer: Writer) -> None:
            await read_request(reader)
            writer.write(CREATED)
            await read_request(reader)
            await asyncio.sleep(2 * LITTLE)
            writer.write(SECOND)
            await reader.read()

        async with serving(answer_the_first) as server:
            return await asked(server, transport(LITTLE), BODY, BODY, BODY), server.connections

    answered, late = (READ, '{"id": 255}'), (WRITTEN, "ReadTimeout")
    assert run(main()) == ([answered, late, answered], 2)


@pytest.mark.parametrize("bytes_read", [0, 1])
def test_a_request_that_is_cancelled_takes_its_connection_along(run: Run[Any], bytes_read: int) -> None:
    async def main() -> int:
        reached = asyncio.Event()

        async def wait(reader: Reader, writer: Writer) -> None:  # noqa: ARG001 - it never says anything
            await reader.read(bytes_read)
            reached.set()
            await reader.read()

        async with serving(wait) as server:
            asking = asyncio.ensure_future(ask(transport(), f"http://127.0.0.1:{server.port}/"))
            await reached.wait()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await until(server, 0)
            return server.connections

    assert run(main()) == 1


async def until(server: Server, connections: int) -> None:
    """Wait until so many are open."""
    async with asyncio.timeout(PLENTY):
        while server.open_connections != connections:  # noqa: ASYNC110 - a count has no event
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        ok(b"{}", Connection="close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_a_reply_that_may_be_the_last_of_its_connection_is(run: Run[Any], reply: bytes) -> None:
    async def handler(reader: Reader, writer: Writer) -> None:
        while True:
            await read_request(reader)
            writer.write(reply)

    async def main() -> tuple[list[tuple[list[Progress], str]], int]:
        async with serving(handler) as server:
            return await asked(server, transport(), BODY, BODY), server.connections

    assert run(main()) == ([(READ, "{}"), (READ, "{}")], 2)


async def answer_all(reader: Reader, writer: Writer) -> None:
    while True:
        request = await read_request(reader)
        writer.write(ok(request[-len(BODY) :]))


def test_a_connection_is_used_until_it_was_idle_for_long(run: Run[Any]) -> None:
    async def main() -> list[int]:
        connections = []
        for keepalive in (PLENTY, 0.0):
            async with serving(answer_all) as server:
                await asked(server, transport(keepalive=keepalive), BODY, BODY, BODY)
                connections.append(server.connections)
        return connections

    assert run(main()) == [1, 3]


def test_a_connection_leads_to_where_it_was_opened_to(run: Run[Any]) -> None:
    async def main() -> list[str]:
        used = transport()
        async with serving(replying(ok(b"one"))) as one, serving(answer_all) as other:
            await asked(other, used, BODY)
            return [(await asked(server, used, BODY))[0][1] for server in (one, other, one)]

    assert run(main()) == ["one", BODY.decode(), "one"]


def test_two_requests_at_once_have_a_connection_each_and_one_is_kept(run: Run[Any]) -> None:
    async def main() -> int:
        bodies = [b"%014d" % number for number in range(20)]
        used = transport()
        async with serving(answer_all) as server:
            url = f"http://127.0.0.1:{server.port}/"
            found = []
            for pair in zip(bodies[::2], bodies[1::2], strict=True):
                found += await asyncio.gather(*(ask(used, url, body) for body in pair))
            await until(server, 1)
            await used.aclose()
            assert found == [(READ, body.decode()) for body in bodies]
            return server.connections

    assert run(main()) == 11


# --- where it connects to ------------------------------------------------------------------------------


class Network(asyncio.SelectorEventLoop):
    """An event loop that knows the addresses of one host; ``together`` connections are made at once.

    ``connected`` has the sockets of the connections that were made.
    """

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[tuple[str, int]] = []
        self.together = 1
        self.connected: list[socket.socket] = []
        self._all_connected = asyncio.Event()

    async def getaddrinfo(self, host: object, port: object, **_: object) -> Any:  # noqa: ANN401 - as asyncio has it
        if host != "shop.invalid":
            raise socket.gaierror(socket.EAI_NONAME, f"unknown: {host} {port}")
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in self.addresses]

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:  # noqa: ANN401 - as asyncio has it
        await super().sock_connect(sock, address)
        self.connected.append(sock)
        if len(self.connected) == self.together:
            self._all_connected.set()
        await self._all_connected.wait()

    async def create_connection(self, *given: Any, **more: Any) -> Any:  # noqa: ANN401 - as asyncio has it
        made = await super().create_connection(*given, **more)
        await asyncio.sleep(LITTLE / 10)
        return made


@pytest.fixture
def network() -> Iterator[Network]:
    network = Network()
    with asyncio.Runner(loop_factory=lambda: network):
        yield network


def found_by(network: Network, handler: Handler, *addresses: tuple[str, int] | None) -> tuple[Any, int]:
    """What comes of a request to these addresses, None is the server's; and how many tasks are left."""

    async def main() -> tuple[Any, int]:
        async with serving(handler) as server:
            network.addresses = [each or ("127.0.0.1", server.port) for each in addresses]
            used = transport()
            found = await ask(used, "http://shop.invalid/")
            await used.aclose()
            await asyncio.sleep(0)
            return found, len(asyncio.all_tasks()) - 1 - server.open_connections

    return network.run_until_complete(main())


def test_an_address_that_swallows_everything_holds_nobody_up(network: Network) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, socket.socket() as waiting:
        waiting.connect(deaf.getsockname())  # nobody accepts, and the one place to wait in is taken
        found = found_by(network, replying(CREATED), deaf.getsockname(), None)
    assert found == ((READ, '{"id": 255}'), 0)


def test_of_several_addresses_the_first_that_answers_is_used(network: Network) -> None:
    refusing = ("127.0.0.1", free_port())
    assert found_by(network, replying(CREATED), refusing, None) == ((READ, '{"id": 255}'), 0)
    assert found_by(network, replying(CREATED), refusing, refusing) == (([], "ConnectError"), 0)


def test_of_two_connections_that_are_made_at_once_one_is_closed(network: Network) -> None:
    network.together = 2
    found = found_by(network, replying(CREATED), None, None)
    assert found == ((READ, '{"id": 255}'), 0)
    assert [sock.fileno() for sock in network.connected] == [-1, -1]


def test_a_server_that_speaks_before_it_is_asked_was_sent_nothing(network: Network) -> None:
    async def greet(reader: Reader, writer: Writer) -> None:
        writer.write(CREATED)
        await reader.read()

    assert found_by(network, greet, None) == (([Step.CONNECTED], "ConnectError"), 0)


def authority() -> tuple[trustme.CA, ssl.SSLContext]:
    """One that vouches for certificates, and what trusts it."""
    ca, trust = trustme.CA(), ssl.create_default_context()
    ca.configure_trust(trust)
    return ca, trust


def test_a_certificate_is_for_the_host_that_is_asked_for_in_http_1_1(run: Run[Any]) -> None:
    async def main() -> tuple[list[str], list[object], int]:
        ca, trust = authority()
        told: list[object] = []
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("localhost").configure_cert(tls)
        tls.set_alpn_protocols(["h2", "http/1.1"])
        tls.sni_callback = lambda _, name, __: told.append(name)

        async def handler(reader: Reader, writer: Writer) -> None:
            told.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
            await answer_all(reader, writer)

        async with serving(handler, tls) as server:
            used = transport(trust=trust)
            hosts = ("localhost", "localhost", "127.0.0.1")
            replies = [await ask(used, f"https://{host}:{server.port}/") for host in hosts]
            await used.aclose()
            return [end for _, end in replies], told, server.connections

    ends = [BODY.decode(), BODY.decode(), "ConnectError"]
    assert run(main()) == (ends, ["localhost", "http/1.1", None], 1)


def test_over_tls_a_request_gets_as_far_as_without(run: Run[Any]) -> None:
    async def main() -> list[tuple[list[Progress], str]]:
        ca, trust = authority()
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("127.0.0.1").configure_cert(tls)
        found = []
        for handler in (replying(), abort, replying(CREATED[:-1]), replying(CREATED + SECOND)):
            async with serving(handler, tls) as server:
                used = transport(trust=trust)
                found.append(await ask(used, f"https://127.0.0.1:{server.port}/"))
                await used.aclose()
        return found

    ends = [(WRITTEN, "ReadError")] * 2 + [(HEAD_READ, "RemoteProtocolError"), (READ, '{"id": 255}')]
    assert run(main()) == ends


# --- both transports -----------------------------------------------------------------------------------

OWN_KEYS: dict[str, dict[str, object]] = {
    "latency": {"seconds": 0.01},
    "drip": {"seconds": 0.0001},
    "huge": {"bytes": 2_000_000},
    "bomb": {"bytes": 2_000_000},
}
SILENT = {"hang"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_of_the_sandbox_reads_the_same_over_both_transports_and_is_met_once(kind: str) -> None:
    def client(*, stock: bool) -> Client:
        return Client({}, LITTLE if kind in SILENT else PLENTY, stock=stock)

    async def main(url: str) -> list[Answer | NoAnswer]:
        body = json.dumps({"order_id": 7, "tracking_number": "TRACK00007"}).encode()
        request = Request("POST", f"{url}/fulfillments/create", {"Content-Type": "application/json"}, body)
        async with client(stock=False) as own, client(stock=True) as stock:
            return [without_date(await each.send(request)) for each in (own, stock)]

    faults = Faults({"faults": [{"kind": kind, **OWN_KEYS.get(kind, {})}]}, "here")
    with Sandbox(Store.any_order(now=lambda: datetime(2024, 4, 30, tzinfo=UTC)), faults=faults) as sandbox:
        own, stock = asyncio.run(main(sandbox.url))
        requests = [seen.fault for seen in sandbox.store.requests]
    assert own == stock
    assert requests == [kind, kind]
    assert isinstance(own, Answer) or own.reach is Reach.SENT


def without_date(reply: Answer | NoAnswer) -> Answer | NoAnswer:
    if isinstance(reply, Answer):
        headers = {name: value for name, value in reply.headers.items() if name != "date"}
        return replace(reply, headers=headers)
    begun = without_date(reply.begun) if reply.begun else None
    return replace(reply, begun=begun if isinstance(begun, Answer) else None)

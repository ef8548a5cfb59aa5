"""The client against real servers on loopback, most of them ill-behaved."""

import asyncio
import gc
import gzip
import re
import socket
import ssl
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

import pytest
import trustme

from importer.model import Answer, NoAnswer, Reach, Request
from importer.posts.client import REPLY_LIMIT, Client
from tests.loopback import (
    BODY,
    CREATED,
    LITTLE,
    PLENTY,
    Handler,
    hang,
    ok,
    read_request,
    repeating,
    replying,
    serving,
)

Connect = Callable[..., Client]

LOST = NoAnswer(Reach.SENT, "the connection was lost after the request was sent")


@pytest.fixture(params=["own", "httpx"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """A client over each of the transports, which are to give the same."""
    return partial(Client, stock=request.param == "httpx")


def reply_of(connect: Connect, handler: Handler, timeout: float = PLENTY) -> Answer | NoAnswer:
    """What one request to such a server comes to."""

    async def main() -> Answer | NoAnswer:
        async with serving(handler) as server, connect({}, timeout) as client:
            return await client.send(server.request)

    return asyncio.run(main())


def test_an_answer_comes_with_status_headers_and_body(connect: Connect) -> None:
    answer = Answer(200, {"content-length": "11", "x-request-id": "7"}, b'{"id": 255}')
    assert reply_of(connect, replying(CREATED)) == answer


def test_a_page_instead_of_json_is_an_answer_all_the_same(connect: Connect) -> None:
    page = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html>\xff</html>"
    assert reply_of(connect, replying(page)) == Answer(
        502, {"content-type": "text/html"}, b"<html>\xff</html>"
    )


def test_the_request_is_sent_as_given_with_the_auth_header_and_little_else(connect: Connect) -> None:
    async def main() -> tuple[bytes, int]:
        seen = bytearray()

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.extend(await read_request(reader))
            writer.write(CREATED)

        async with serving(handler) as server, connect({"X-ADM-Access-Token": "secret"}, PLENTY) as client:
            await client.send(server.request)
            return bytes(seen), server.port

    seen, port = asyncio.run(main())
    assert (
        seen
        == (
            f"POST /create?a=%2F HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: tester\r\n"
            "Accept-Encoding: identity\r\nContent-Length: 14\r\nX-ADM-Access-Token: secret\r\n\r\n"
        ).encode()
        + BODY
    )


def test_one_connection_carries_the_requests_one_after_the_other(connect: Connect) -> None:
    async def main() -> int:
        async with serving(repeating(CREATED)) as server, connect({}, PLENTY) as client:
            for _ in range(3):
                await client.send(server.request)
            return server.connections

    assert asyncio.run(main()) == 1


def test_what_is_made_for_a_request_goes_without_the_garbage_collector(connect: Connect) -> None:
    async def main() -> int:
        async with serving(repeating(CREATED)) as server, connect({}, PLENTY) as client:
            await client.send(server.request)
            gc.collect()
            gc.disable()
            try:
                for _ in range(100):
                    await client.send(server.request)
                return gc.collect()
            finally:
                gc.enable()

    assert asyncio.run(main()) < 100


def test_cookies_are_not_kept(connect: Connect) -> None:
    async def main() -> list[bytes]:
        seen: list[bytes] = []

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                seen.append(await read_request(reader))
                writer.write(ok(b"", Set_Cookie="session=1; Path=/"))

        async with serving(handler) as server, connect({}, PLENTY) as client:
            await client.send(server.request)
            await client.send(server.request)
        return seen

    first, second = asyncio.run(main())
    assert first == second


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/elsewhere", "/", "http://[nowhere", ""])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(connect: Connect, status: int, location: str) -> None:
    reply = f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    assert reply_of(connect, replying(reply)) == Answer(
        status, {"location": location, "content-length": "0"}, b""
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


async def _send(
    connect: Connect, url: str, auth: dict[str, str] | None = None, seconds: float = PLENTY
) -> Answer | NoAnswer:
    async with connect(auth or {}, seconds) as client:
        return await client.send(Request("POST", url, {}, BODY))


def test_a_refused_connection_sent_nothing(connect: Connect) -> None:
    port = free_port()
    words = f"can't connect to 127.0.0.1:{port}: connection refused"
    assert asyncio.run(_send(connect, f"http://127.0.0.1:{port}/")) == NoAnswer(Reach.NEVER_SENT, words)


def test_an_unknown_host_sent_nothing(connect: Connect) -> None:
    reply = asyncio.run(_send(connect, "https://nowhere.invalid/"))
    assert isinstance(reply, NoAnswer)
    assert reply.reach is Reach.NEVER_SENT
    assert reply.reason.startswith("can't connect to nowhere.invalid:443: ")


def test_a_server_that_speaks_no_tls_was_sent_nothing(connect: Connect) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def main() -> None:
        async with serving(handler) as server:
            reply = await _send(connect, f"https://127.0.0.1:{server.port}/")
        words = f"can't connect to 127.0.0.1:{server.port}: TLS: wrong version number"
        assert reply == NoAnswer(Reach.NEVER_SENT, words)

    asyncio.run(main())


def test_a_server_that_closes_during_the_tls_handshake_was_sent_nothing(connect: Connect) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    async def main() -> NoAnswer | Answer:
        async with serving(handler) as server:
            return await _send(connect, f"https://127.0.0.1:{server.port}/")

    reply = asyncio.run(main())
    assert isinstance(reply, NoAnswer)
    assert reply.reach is Reach.NEVER_SENT


def test_a_tls_handshake_that_takes_too_long_sent_nothing(connect: Connect) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:  # noqa: ARG001 - silent
        await reader.read()

    async def main() -> None:
        async with serving(handler) as server:
            reply = await _send(connect, f"https://127.0.0.1:{server.port}/", seconds=LITTLE)
        words = f"can't connect to 127.0.0.1:{server.port}: no connection within 0.2 s"
        assert reply == NoAnswer(Reach.NEVER_SENT, words)

    asyncio.run(main())


def test_a_server_whose_certificate_nobody_vouches_for_was_sent_nothing(connect: Connect) -> None:
    async def main() -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
        async with serving(replying(CREATED), tls) as server:
            reply = await _send(connect, f"https://127.0.0.1:{server.port}/")
        words = "its certificate is not trusted: unable to get local issuer certificate"
        assert reply == NoAnswer(Reach.NEVER_SENT, f"can't connect to 127.0.0.1:{server.port}: {words}")

    asyncio.run(main())


@pytest.mark.parametrize("token", ["tok\nen", "tokén", "tok\x00en"])
def test_a_token_that_cannot_be_sent_is_not_sent_and_not_shown(connect: Connect, token: str) -> None:
    async def main() -> Answer | NoAnswer:
        async with serving(replying(CREATED)) as server:
            return await _send(connect, f"http://127.0.0.1:{server.port}/", {"Token": token})

    reply = asyncio.run(main())
    assert isinstance(reply, NoAnswer)
    assert reply.reach is Reach.NEVER_SENT
    assert re.fullmatch(r"the request can't be sent: \w+Error", reply.reason)


def test_an_address_that_is_none_sent_nothing(connect: Connect) -> None:
    words = "the request can't be sent: InvalidURL"
    assert asyncio.run(_send(connect, "http://shop:port/")) == NoAnswer(Reach.NEVER_SENT, words)


async def close_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:  # noqa: ARG001 - reads nothing
    writer.transport.abort()


async def read_and_reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.transport.abort()


async def read_half_and_reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(10)
    writer.transport.abort()


def test_a_server_that_closes_without_reading_may_have_been_sent_it(connect: Connect) -> None:
    assert reply_of(connect, close_at_once) == LOST


@pytest.mark.parametrize("handler", [replying(), read_and_reset, read_half_and_reset])
def test_a_server_that_reads_and_closes_was_sent_it(connect: Connect, handler: Handler) -> None:
    assert reply_of(connect, handler) == LOST


def test_a_server_that_speaks_something_else_was_sent_it(connect: Connect) -> None:
    words = "what came back is not HTTP: illegal status line: '220 mail.example.com \\xff'"
    assert reply_of(connect, replying(b"220 mail.example.com \xff\r\n\r\n")) == NoAnswer(Reach.SENT, words)
    words = "what came back is not HTTP: illegal header line: 'X More'"
    assert reply_of(connect, replying(b"HTTP/1.1 200 OK\r\nX More\r\n\r\n")) == NoAnswer(Reach.SENT, words)


def test_headers_without_end_are_no_answer(connect: Connect) -> None:
    words = "what came back is not HTTP: receive buffer too long"
    endless = replying(b"HTTP/1.1 200 OK\r\n", *[b"X-More: of it\r\n" * 10_000] * 4)
    assert reply_of(connect, endless) == NoAnswer(Reach.SENT, words)


def test_a_reply_cut_anywhere_is_no_answer(connect: Connect) -> None:
    async def main() -> list[Answer | NoAnswer]:
        cuts = iter(range(len(CREATED)))

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            writer.write(CREATED[: next(cuts)])

        async with serving(handler) as server, connect({}, PLENTY) as client:
            return [await client.send(server.request) for _ in CREATED]

    head = CREATED.index(b"\r\n\r\n") + 4
    cut_off = [
        NoAnswer(
            Reach.SENT,
            f"HTTP 200, but the reply was cut off after {length} bytes",
            Answer(
                200,
                {"content-length": "11", "x-request-id": "7"},
                CREATED[head : head + length],
                whole=False,
            ),
        )
        for length in range(len(CREATED) - head)
    ]
    assert asyncio.run(main()) == [LOST] * head + cut_off


def test_a_chunked_reply_cut_anywhere_is_no_answer(connect: Connect) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{'id'\r\n3\r\n:2}\r\n0\r\n\r\n"
    head = chunked.index(b"\r\n\r\n") + 4

    async def main() -> list[Answer | NoAnswer]:
        cuts = iter(range(head, len(chunked)))

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            writer.write(chunked[: next(cuts)])

        async with serving(handler) as server, connect({}, PLENTY) as client:
            return [await client.send(server.request) for _ in range(head, len(chunked))]

    replies = asyncio.run(main())
    for reply in replies:
        assert isinstance(reply, NoAnswer)
        assert reply.begun is not None
        assert b"{'id':2}".startswith(reply.begun.body)
        assert reply == NoAnswer(
            Reach.SENT,
            f"HTTP 200, but the reply was cut off after {len(reply.begun.body)} bytes",
            Answer(200, {"transfer-encoding": "chunked"}, reply.begun.body, whole=False),
        )
    assert reply_of(connect, replying(chunked)) == Answer(200, {"transfer-encoding": "chunked"}, b"{'id':2}")


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ("Content-Length: 2\r\nContent-Length: 3", "conflicting Content-Length headers"),
        ("Content-Length: 2, 3", "conflicting Content-Length headers"),
        ("Content-Length: +2", "bad Content-Length"),
        ("Content-Length: 2\r\n ,3", "conflicting Content-Length headers"),
        ("Transfer-Encoding: chunked, chunked", "only Transfer-Encoding: chunked is supported"),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip",
            "multiple Transfer-Encoding headers",
        ),
    ],
)
def test_a_reply_that_may_end_in_two_places_is_no_answer(connect: Connect, headers: str, words: str) -> None:
    reply = f"HTTP/1.1 200 OK\r\n{headers}\r\n\r\n{{}}}}".encode()
    told = NoAnswer(Reach.SENT, f"what came back is not HTTP: {words}")
    assert reply_of(connect, replying(reply)) == told


def test_interim_replies_are_passed_over(connect: Connect) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n"
    answer = Answer(200, {"content-length": "11", "x-request-id": "7"}, b'{"id": 255}')
    assert reply_of(connect, replying(interim, interim + CREATED)) == answer


@pytest.mark.parametrize(
    "reply", [ok(b"{}", Connection="close"), b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"]
)
def test_a_connection_that_is_to_be_closed_is_not_used_again(connect: Connect, reply: bytes) -> None:
    async def main() -> tuple[list[bytes], int]:
        async with serving(repeating(reply)) as server, connect({}, PLENTY) as client:
            replies = [await client.send(server.request) for _ in range(2)]
            return [reply.body for reply in replies if isinstance(reply, Answer)], server.connections

    assert asyncio.run(main()) == ([b"{}", b"{}"], 2)


def test_no_reply_before_the_deadline_is_no_answer(connect: Connect) -> None:
    assert reply_of(connect, hang, LITTLE) == NoAnswer(Reach.SENT, "no reply within 0.2 s")


def test_a_reply_that_drips_past_the_deadline_is_no_answer(connect: Connect) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(LITTLE / 20)

    reply = reply_of(connect, handler, LITTLE)
    assert isinstance(reply, NoAnswer)
    assert reply.begun is not None
    dots = len(reply.begun.body)
    assert reply == NoAnswer(
        Reach.SENT,
        f"HTTP 200, but no end of the reply came within 0.2 s after {dots} bytes",
        Answer(200, {}, b"." * dots, whole=False),
    )


def test_what_came_of_a_coded_reply_that_was_cut_off_is_decoded(connect: Connect) -> None:
    page = gzip.compress(b"<html>" * 100, mtime=0)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(page)}\r\n\r\n".encode()
    reply = reply_of(connect, replying(head, page[:-9]))
    assert isinstance(reply, NoAnswer)
    assert reply.begun is not None
    assert reply.begun.body.startswith(b"<html>")
    assert (reply.begun.status, reply.begun.whole) == (200, False)


def test_a_huge_reply_is_read_to_the_limit_and_the_next_request_goes_through(connect: Connect) -> None:
    async def main() -> tuple[list[Answer | NoAnswer], int]:
        huge = iter([True, False])

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            if not next(huge):
                writer.write(CREATED)
                return
            writer.write(b"HTTP/1.1 500 Oops\r\nContent-Length: 50000000\r\n\r\n")
            for _ in range(50):
                writer.write(b"x" * 1_000_000)
                await writer.drain()

        async with serving(handler) as server, connect({}, PLENTY) as client:
            replies = [await client.send(server.request), await client.send(server.request)]
            return replies, server.connections

    created = Answer(200, {"content-length": "11", "x-request-id": "7"}, b'{"id": 255}')
    cut = Answer(500, {"content-length": "50000000"}, b"x" * REPLY_LIMIT, whole=False)
    assert asyncio.run(main()) == ([cut, created], 2)


def zeros() -> Iterable[bytes]:
    """A gzipped reply of 200 MB, in 200 kB."""
    deflater = zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16)
    yield b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
    for _ in range(200):
        yield deflater.compress(bytes(1_000_000))
    yield deflater.flush()


def plain() -> Iterable[bytes]:
    """A reply of 50 MB."""
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n"
    for _ in range(50):
        yield bytes(1_000_000)


@pytest.mark.parametrize("parts", [zeros, plain])
def test_a_reply_of_any_size_takes_little_memory(
    connect: Connect, parts: Callable[[], Iterable[bytes]]
) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for part in parts():
            writer.write(part)
            await writer.drain()

    tracemalloc.start()
    try:
        reply = reply_of(connect, handler)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert isinstance(reply, Answer)
    assert (reply.body, reply.whole) == (bytes(REPLY_LIMIT), False)
    assert most < 20 * REPLY_LIMIT


def test_content_that_a_reply_without_content_has_is_not_taken_for_the_next_reply(connect: Connect) -> None:
    async def main() -> list[Answer | NoAnswer]:
        replies = iter([b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}", CREATED])

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                await read_request(reader)
                writer.write(next(replies))

        async with serving(handler) as server, connect({}, PLENTY) as client:
            return [await client.send(server.request), await client.send(server.request)]

    empty = Answer(204, {"content-length": "2"}, b"")
    created = Answer(200, {"content-length": "11", "x-request-id": "7"}, b'{"id": 255}')
    assert asyncio.run(main()) == [empty, created]


@pytest.mark.parametrize(("length", "whole"), [(REPLY_LIMIT, True), (REPLY_LIMIT + 1, False)])
def test_a_reply_of_just_the_limit_is_whole(connect: Connect, length: int, *, whole: bool) -> None:
    answer = Answer(200, {"content-length": str(length)}, b"x" * REPLY_LIMIT, whole)
    assert reply_of(connect, replying(ok(b"x" * length))) == answer


@pytest.mark.parametrize(
    ("coding", "sent", "body", "whole"),
    [
        ("gzip", gzip.compress(b"{}", mtime=0), b"{}", True),
        ("Deflate", zlib.compress(b"{}"), b"{}", True),
        ("identity", b"{}", b"{}", True),
        ("gzip", gzip.compress(b"0" * 50_000_000, mtime=0), b"0" * REPLY_LIMIT, False),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-4], b"{}", False),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"more", b"{}", False),
        ("gzip", b"{}", b"{}", False),
        ("br", b"\x01\x02", b"\x01\x02", False),
        ("gzip, gzip", b"{}", b"{}", False),
    ],
)
def test_a_coding_that_was_not_asked_for_is_undone_within_bounds(
    connect: Connect,
    coding: str,
    sent: bytes,
    body: bytes,
    *,
    whole: bool,
) -> None:
    headers = {"content-length": str(len(sent)), "content-encoding": coding}
    assert reply_of(connect, replying(ok(sent, Content_Encoding=coding))) == Answer(200, headers, body, whole)


def test_after_a_deadline_the_client_goes_on_with_another_connection(connect: Connect) -> None:
    async def main() -> tuple[list[Answer | NoAnswer], int]:
        handlers = iter([hang, replying(CREATED), hang, replying(CREATED)])

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await next(handlers)(reader, writer)

        async with serving(handler) as server, connect({}, LITTLE) as client:
            return [await client.send(server.request) for _ in range(4)], server.connections

    late = NoAnswer(Reach.SENT, "no reply within 0.2 s")
    created = Answer(200, {"content-length": "11", "x-request-id": "7"}, b'{"id": 255}')
    assert asyncio.run(main()) == ([late, created, late, created], 4)


def test_a_cancelled_request_says_how_far_it_got_and_the_client_goes_on(connect: Connect) -> None:
    async def main() -> Answer | NoAnswer:
        reached = asyncio.Event()

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            if reached.is_set():
                writer.write(CREATED)
                return
            reached.set()
            await asyncio.Event().wait()

        async with serving(handler) as server, connect({}, PLENTY) as client:
            sending = asyncio.ensure_future(client.send(server.request))
            await reached.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert client.reach is Reach.SENT
            return await client.send(server.request)

    created = Answer(200, {"content-length": "11", "x-request-id": "7"}, b'{"id": 255}')
    assert asyncio.run(main()) == created


def test_a_request_cancelled_in_the_tls_handshake_was_not_sent_and_leaves_no_connection_open(
    connect: Connect,
) -> None:
    async def main() -> None:
        reached, left = asyncio.Event(), asyncio.Event()

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:  # noqa: ARG001 - silent
            await reader.read(1)
            reached.set()
            await reader.read()
            left.set()

        async with serving(handler) as server, connect({}, PLENTY) as client:
            request = Request("POST", f"https://127.0.0.1:{server.port}/", {}, BODY)
            sending = asyncio.ensure_future(client.send(request))
            await reached.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert client.reach is Reach.NEVER_SENT
            async with asyncio.timeout(PLENTY):
                await left.wait()

    asyncio.run(main())


def test_a_request_cancelled_while_it_connects_was_not_sent_whatever_became_of_the_one_before(
    connect: Connect,
) -> None:
    async def main() -> list[Reach]:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, socket.socket() as waiting:
            # nobody accepts, and the one place to wait in is taken
            waiting.connect(deaf.getsockname())
            busy = Request("POST", f"http://127.0.0.1:{deaf.getsockname()[1]}/", {}, BODY)
            async with serving(replying(CREATED)) as server, connect({}, PLENTY) as client:
                reaches = [client.reach]
                await client.send(server.request)
                reaches.append(client.reach)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(LITTLE):
                        await client.send(busy)
                return [*reaches, client.reach]

    assert asyncio.run(main()) == [Reach.NEVER_SENT, Reach.SENT, Reach.NEVER_SENT]


async def say_nothing(_: asyncio.StreamWriter) -> None:
    pass


async def say_late(writer: asyncio.StreamWriter) -> None:
    """Speak unasked, as servers do that tell an idle client that its time is up."""
    writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("last_words", [say_nothing, say_late])
def test_a_connection_that_the_server_closed_while_idle_is_not_used_and_nothing_goes_twice(
    connect: Connect,
    last_words: Callable[[asyncio.StreamWriter], Awaitable[None]],
) -> None:
    async def main() -> tuple[list[Answer | NoAnswer], list[bytes], int]:
        received: list[bytes] = []
        closing = asyncio.Event()

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received.append(await read_request(reader))
            writer.write(CREATED)
            await closing.wait()
            await last_words(writer)

        async with serving(handler) as server, connect({}, PLENTY) as client:
            replies = [await client.send(server.request)]
            closing.set()
            await server.closed.wait()
            replies.append(await client.send(server.request))
            return replies, received, server.connections

    replies, received, connections = asyncio.run(main())
    created = Answer(200, {"content-length": "11", "x-request-id": "7"}, b'{"id": 255}')
    assert (replies, len(received), connections) == ([created, created], 2, 2)


def test_a_connection_that_the_server_closes_upon_the_next_request_leaves_that_unknown_and_sent_once(
    connect: Connect,
) -> None:
    async def main() -> tuple[list[Answer | NoAnswer], int, int]:
        requests = 0

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal requests
            await read_request(reader)
            requests += 1
            writer.write(CREATED)
            await reader.read(1)
            requests += 1
            writer.transport.abort()

        async with serving(handler) as server, connect({}, PLENTY) as client:
            replies = [await client.send(server.request), await client.send(server.request)]
            return replies, requests, server.connections

    created = Answer(200, {"content-length": "11", "x-request-id": "7"}, b'{"id": 255}')
    assert asyncio.run(main()) == ([created, LOST], 2, 1)


def test_no_request_is_ever_sent_twice(connect: Connect) -> None:
    async def main() -> list[int]:
        counts = []
        for ending in (b"", CREATED[:9], CREATED[:-1]):
            received: list[bytes] = []

            async def handler(
                reader: asyncio.StreamReader,
                writer: asyncio.StreamWriter,
                received: list[bytes] = received,
                ending: bytes = ending,
            ) -> None:
                received.append(await read_request(reader))
                writer.write(ending)

            async with serving(handler) as server, connect({}, PLENTY) as client:
                await client.send(server.request)
            counts.append(len(received))
        return counts

    assert asyncio.run(main()) == [1, 1, 1]


def through_proxy(
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    *,
    env_proxy: bool,
    handler: Handler,
    no_proxy: str = "",
) -> Answer | NoAnswer:
    """What comes of a request to ``target`` with this handler as the proxy of the environment."""

    async def main() -> Answer | NoAnswer:
        async with serving(handler) as proxy:
            for name in ("http_proxy", "https_proxy"):
                monkeypatch.setenv(name, f"http://user:secret@127.0.0.1:{proxy.port}")
            for name in ("no_proxy", "NO_PROXY"):
                monkeypatch.setenv(name, no_proxy)
            async with connect({}, PLENTY, env_proxy=env_proxy) as client:
                return await client.send(Request("POST", target, {}, BODY))

    return asyncio.run(main())


def test_the_proxy_of_the_environment_is_obeyed_only_where_asked_for(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = f"http://127.0.0.1:{free_port()}/"
    proxied = through_proxy(connect, monkeypatch, target, env_proxy=True, handler=replying(CREATED))
    direct = through_proxy(connect, monkeypatch, target, env_proxy=False, handler=replying(CREATED))
    excepted = through_proxy(
        connect, monkeypatch, target, env_proxy=True, handler=replying(CREATED), no_proxy="127.0.0.1"
    )
    assert isinstance(proxied, Answer)
    assert isinstance(direct, NoAnswer)
    assert isinstance(excepted, NoAnswer)


def test_a_proxy_that_opens_no_tunnel_was_sent_no_fulfillment(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = replying(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    reply = through_proxy(connect, monkeypatch, "https://shop.invalid/", env_proxy=True, handler=refusing)
    words = "can't connect to shop.invalid:443: the proxy says 407 Proxy Authentication Required"
    assert reply == NoAnswer(Reach.NEVER_SENT, words)

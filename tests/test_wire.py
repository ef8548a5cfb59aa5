"""HTTP/1.1 without h11: whatever is written or read so, h11 would have written or read in the same way."""

from collections.abc import Callable

import h11
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.posts import wire

URL = "http://127.0.0.1:8080/fulfillments/create?a=%2F"
HOST, LENGTH = (b"Host", b"127.0.0.1:8080"), (b"Content-Length", b"2")
USUAL = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"id": 255}'
READ = wire.Head(200, [(b"content-type", b"application/json"), (b"content-length", b"11")]), b'{"id": 255}'
Read = Callable[[bytes], tuple[wire.Head, bytes] | None]
READERS = [wire.read, wire.read_plainly]
UNUSUAL = (
    *(b"\r\n", b"\n", b" ", b"\t", b":", b",", b"\0", b"0", b"1", b"+", b"\xff", b"HTTP/1.0", b"204", b"103"),
    *(b"Content-Length: 11\r\n", b"Content-Length: 2\r\n", b"Transfer-Encoding: chunked\r\n"),
    *(b"Connection: close\r\n", b"Content-Length: 11, 11\r\n", b" folded\r\n", b"Upgrade: h2c\r\n", USUAL),
)


def request(*headers: tuple[bytes, bytes]) -> httpx.Request:
    return httpx.Request("POST", httpx.URL(URL), headers=list(headers), stream=httpx.ByteStream(b"{}"))


def read_by_h11(data: bytes) -> tuple[wire.Head, bytes] | None:
    """The reply that h11 reads, None unless it is whole, alone, and its connection may be used again."""
    connection = wire.h11_after("POST")
    connection.receive_data(data)
    head, body = None, b""
    try:
        while True:
            match connection.next_event():
                case h11.Response(status_code=status, headers=headers):
                    head = wire.Head(status, list(headers))
                case h11.Data(data=part):
                    body += part
                case h11.EndOfMessage():
                    break
                case _:
                    return None
    except h11.RemoteProtocolError:
        return None
    is_alone = not connection.trailing_data[0] and connection.their_state is h11.DONE
    return (head, body) if head and is_alone else None


@st.composite
def replies(draw: st.DrawFn) -> bytes:
    """A usual reply with some unusual pieces put in, or over what was there."""
    data = USUAL
    for piece in draw(st.lists(st.sampled_from(UNUSUAL), max_size=3)):
        start = draw(st.integers(0, len(data)))
        end = draw(st.sampled_from((start, start, start + len(piece), start + 1)))
        data = data[:start] + piece + data[end:]
    return data


@pytest.mark.parametrize("read", READERS)
@given(data=replies())
def test_a_reply_that_is_read_without_h11_is_what_h11_reads(read: Read, data: bytes) -> None:
    found = read(data)
    assert found is None or found == read_by_h11(data)


@pytest.mark.parametrize("read", READERS)
def test_the_usual_reply_is_read_without_h11(read: Read) -> None:
    assert read(USUAL) == READ == read_by_h11(USUAL)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX-Note: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"",
    ],
)
def test_an_unusual_reply_is_left_to_h11(read: Read, reply: bytes) -> None:
    assert read(reply) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from((b"Accept", b"X-Token", b"X Token", b"", b"X:", b"X: a", b"X\n")),
            st.binary(max_size=4),
        ),
        max_size=3,
    )
)
def test_a_request_that_is_written_without_h11_is_what_h11_writes(more: list[tuple[bytes, bytes]]) -> None:
    asked = request(HOST, LENGTH, *more)
    written = wire.written(asked, b"{}")
    assert written is None or written == wire.written_by_h11(asked, b"{}")[1]


def test_the_usual_request_is_written_without_h11() -> None:
    asked = request(HOST, LENGTH, (b"X-Token", b"a b"))
    assert wire.written(asked, b"{}") == (
        b"POST /fulfillments/create?a=%2F HTTP/1.1\r\n"
        b"Host: 127.0.0.1:8080\r\nContent-Length: 2\r\nX-Token: a b\r\n\r\n{}"
    )


@pytest.mark.parametrize("token", [b"tok\r\nX-Other: en", b"tok\nen", b" token", b"", b"tok\0en"])
def test_a_header_that_would_be_two_or_another_is_left_to_h11(token: bytes) -> None:
    assert wire.written(request(HOST, (b"X-Token", token)), b"") is None

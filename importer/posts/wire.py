"""HTTP/1.1 as bytes: a usual request written, and a reply read that came whole and in one piece.

Whatever is unusual is left to h11, which is slower and has the last word; it would let pass what passes here.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple, cast

import h11
import httpx

try:
    from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
except ImportError:  # it comes with the extra ``fast``
    INSTALLED = False
else:
    INSTALLED = True

_FIELD: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?\r\n"
_A_FIELD: Final = re.compile(_FIELD)
_REQUEST_LINE: Final = re.compile(rb"[A-Z]+ [\x21-\x7e]+ HTTP/1\.1\r\n")
_MOST_OF_A_HEAD: Final = 100 * 1024
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.1 [2-9][0-9]{2}(?: [\t\x20-\x7e]*)?\r\n")
_USUAL: Final = re.compile(_STATUS_LINE.pattern + rb"((?:" + _FIELD + rb")+)\r\n")
_BLANK_LINE: Final = b"\r\n\r\n"
_WITHOUT_CONTENT: Final = frozenset({204, 304})
_FOR_H11: Final = frozenset({b"transfer-encoding", b"connection"})


class Head(NamedTuple):
    """The status and the headers of a reply, with their names in lower case."""

    status: int
    headers: list[tuple[bytes, bytes]]


def written(request: httpx.Request, body: bytes) -> bytes | None:
    """The request as it goes over the wire, None if its head has anything but plain ASCII in its place."""
    begin = _request_line(request.method, request.url.raw_path)
    fields = [_field(name, value) for name, value in request.headers.raw]
    if begin is None or not fields or None in fields:
        return None
    return b"".join([begin, *cast("list[bytes]", fields), b"\r\n", body])


@lru_cache(maxsize=100)
def _request_line(method: str, target: bytes) -> bytes | None:
    line = b"%s %s HTTP/1.1\r\n" % (method.encode(), target)
    return line if _REQUEST_LINE.fullmatch(line) else None


@lru_cache(maxsize=1000)  # most are the same in all requests
def _field(name: bytes, value: bytes) -> bytes | None:
    line = b"%s: %s\r\n" % (name, value)
    return line if _A_FIELD.fullmatch(line) and line.index(b":") == len(name) else None


def read(data: bytes) -> tuple[Head, bytes] | None:
    """The reply that ``data`` is, and its body; None unless it is one and no more, of a length that it tells.

    It takes httptools, that is, being ``INSTALLED``; it reads what is less plain, and takes a little longer.
    """
    reply = _Reply()
    parser = HttpResponseParser(reply)
    try:
        parser.feed_data(data)
    except (HttpParserError, HttpParserUpgrade):
        return None
    names = [name for name, _ in reply.headers]
    body = b"".join(reply.body)
    head = Head(parser.get_status_code(), reply.headers)
    is_usual = (
        reply.ends == 1
        and head.status not in _WITHOUT_CONTENT
        and names.count(b"content-length") == 1
        and _FOR_H11.isdisjoint(names)
        and _STATUS_LINE.match(data)
        and data.find(_BLANK_LINE) + len(_BLANK_LINE) + len(body) == len(data)
    )
    return (head, body) if is_usual else None


def read_plainly(data: bytes) -> tuple[Head, bytes] | None:
    """As ``read``, without httptools; of a head it reads plain ASCII alone, set as usual."""
    usual = _USUAL.match(data)
    if usual is None:
        return None
    fields = [line.partition(b": ") for line in usual[1].split(b"\r\n")[:-1]]
    head = Head(int(data[9:12]), [(name.lower(), value) for name, _, value in fields])
    body = data[usual.end() :]
    lengths = [value for name, value in head.headers if name == b"content-length"]
    is_usual = (
        head.status not in _WITHOUT_CONTENT
        and lengths == [b"%d" % len(body)]
        and _FOR_H11.isdisjoint([name for name, _ in head.headers])
    )
    return (head, body) if is_usual else None


def written_by_h11(request: httpx.Request, body: bytes) -> tuple[h11.Connection, bytes]:
    """The request as it goes over the wire, and what reads its reply.

    Raises:
        httpx.LocalProtocolError: it can't be written as HTTP.
    """
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_OF_A_HEAD)
    try:
        head = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
        events: tuple[h11.Request | h11.Data | h11.EndOfMessage, ...] = (
            head,
            h11.Data(data=body),
            h11.EndOfMessage(),
        )
        return connection, b"".join([connection.send(event) for event in events])
    except h11.LocalProtocolError as error:
        raise httpx.LocalProtocolError(str(error)) from error


def h11_after(method: str) -> h11.Connection:
    """What reads the reply to a request that h11 did not write."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_OF_A_HEAD)
    connection.send(
        h11.Request(method=method, target="/", headers=[("Host", "")])
    )  # all that matters is the method
    connection.send(h11.EndOfMessage())
    return connection


class _Reply:
    """What the parser has found."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []
        self.ends = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(b" \t")))

    def on_body(self, part: bytes) -> None:
        self.body.append(part)

    def on_message_complete(self) -> None:
        self.ends += 1

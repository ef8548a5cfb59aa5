"""The kinds of fault: for each, what goes over the wire, its own keys, and whether it has its effect.

Rule for editors: a new kind is one entry of ``KINDS`` at the end. Nothing here opens a connection.
"""

from __future__ import annotations

import functools
import json
import math
import zlib
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from importer.sandbox.keys import Key, number, one_of, text, whole_number

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping


class End(StrEnum):
    """What becomes of the connection after an answer."""

    KEPT = "kept"
    CLOSED = "closed"
    RESET = "reset"


class Usual(Struct, frozen=True):
    """What would be answered if nothing were wrong.

    A text as ``content`` is sent as it is, anything else as JSON. ``errors`` gives what the platform answers
    to the same request with an error status. ``error`` and ``message`` are the words in the content.
    """

    status: int
    content: object
    errors: Callable[[int], Usual]
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    message: str = ""

    @property
    def body(self) -> bytes:
        """The content as it is sent."""
        # JSON escaped to ASCII: a body may have held half a surrogate pair, which UTF-8 has no bytes for.
        return self.content.encode() if isinstance(self.content, str) else json.dumps(self.content).encode()

    @property
    def media_type(self) -> str:
        """What the content is."""
        return "text/plain; charset=utf-8" if isinstance(self.content, str) else _JSON


class Plan(Struct, frozen=True):
    """What goes over the wire: after ``wait`` seconds the head, then the pieces of the body.

    ``status`` 0 is no answer at all. ``pause`` seconds pass before every piece. Without a Content-Length the
    body goes in chunks. ``error`` and ``message`` are the words in it, where it is in the documented form.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Iterable[bytes] = ()
    wait: float = 0.0
    pause: float = 0.0
    end: End = End.KEPT
    error: str = ""
    message: str = ""


class Kind(Struct, frozen=True):
    """How a kind answers, given its own keys and the usual answer; ``effect`` is its default."""

    plan: Callable[[Mapping[str, Any], Usual], Plan]
    effect: bool
    keys: Mapping[str, Key] = field(default_factory=dict)


def whole(usual: Usual, *, wait: float = 0.0, headers: Mapping[str, str] | None = None) -> Plan:
    """The usual answer, with more ``headers``, after ``wait`` seconds."""
    return Plan(
        usual.status,
        {**_headers(usual, len(usual.body)), **(headers or {})},
        (usual.body,),
        wait=wait,
        error=usual.error,
        message=usual.message,
    )


# --- answers in the documented form --------------------------------------------------------------------

_JSON: Final = "application/json"
_STATUSES: Final = (401, 404, 429, 500, 503)


def _headers(usual: Usual, length: int | None) -> dict[str, str]:
    """The headers of an answer whose body has, or claims to have, so many bytes; None: it goes in chunks."""
    claimed = {} if length is None else {"Content-Length": str(length)}
    return {"Content-Type": usual.media_type, **claimed, **usual.headers}


def _latency(own: Mapping[str, Any], usual: Usual) -> Plan:
    return whole(usual, wait=own["seconds"])


def _documented(status: int) -> Callable[[Mapping[str, Any], Usual], Plan]:
    """An error in the platform's form, with Retry-After where ``retry_after`` has a text."""

    def plan(own: Mapping[str, Any], usual: Usual) -> Plan:
        told = own.get("retry_after", "")
        return whole(usual.errors(status), headers={"Retry-After": told} if told else {})

    return plan


def _other_order(_: Mapping[str, Any], usual: Usual) -> Plan:
    return whole(replace(usual, content=_of_another(usual.content)))


_NAMES_OF: Final[Mapping[str, Collection[str]]] = {"order": ("id", "number")}
"""What an order is known by in the objects of a name; elsewhere that is ``order_id``."""


def _of_another(value: object, place: str = "") -> object:
    """The same content about another order; ``place`` is the name that it stands under."""
    if isinstance(value, list):
        return [_of_another(each, place) for each in value]
    if not isinstance(value, dict):
        return value
    names = _NAMES_OF.get(place, ("order_id",))
    return {
        name: _another(each) if name in names else _of_another(each, name) for name, each in value.items()
    }


def _another(order_id: object) -> object:
    return order_id + 1 if isinstance(order_id, int) else f"{order_id}-1"


# --- answers in another form ---------------------------------------------------------------------------

_PAGE: Final = "<!doctype html>\n<html><head><title>{0}</title></head><body><h1>{0}</h1>{1}</body></html>\n"
_LOGIN: Final = '<form method="post" action="/login"><input name="user"><input name="password"></form>'


def _page(status: int, title: str, content: str = "") -> Callable[[Mapping[str, Any], Usual], Plan]:
    body = _PAGE.format(title, content).encode()
    return lambda _, __: _typed(status, "text/html; charset=utf-8", body)


def _typed(status: int, kind: str, body: bytes) -> Plan:
    return Plan(status, {"Content-Type": kind, "Content-Length": str(len(body))}, (body,))


def _redirect(own: Mapping[str, Any], _: Usual) -> Plan:
    return Plan(own["status"], {"Location": own["location"], "Content-Length": "0"})


def _empty(_: Mapping[str, Any], __: Usual) -> Plan:
    return Plan(200, {"Content-Length": "0"})


def _charset(own: Mapping[str, Any], usual: Usual) -> Plan:
    answer = usual.errors(own["status"]) if own["status"] else usual
    media_type = answer.media_type.partition(";")[0]
    if own["encoding"] == "utf-16":
        in_utf_16 = answer.body.decode().encode("utf-16")
        return _typed(answer.status, f"{media_type}; charset=utf-16", in_utf_16)
    in_latin_1 = _opened(answer) + b'"note": "caf\xe9"}'  # no byte of UTF-8 may be followed so
    return _typed(answer.status, f"{media_type}; charset=utf-8", in_latin_1)


def _opened(answer: Usual) -> bytes:
    """The object that the answer is, up to where one more member may stand; an empty one for a text."""
    return answer.body[:-1] + b", " if isinstance(answer.content, dict) else b"{"


def _huge(own: Mapping[str, Any], usual: Usual) -> Plan:
    head, tail = _opened(usual) + b'"padding": "', b'"}'
    padding = max(0, own["bytes"] - len(head) - len(tail))
    length = len(head) + padding + len(tail)
    headers = {"Content-Type": _JSON, "Content-Length": str(length)}
    return Plan(200, headers, _pieces(head, padding, tail))


def _bomb(own: Mapping[str, Any], _: Usual) -> Plan:
    packed = _packed(own["bytes"])
    headers = {"Content-Type": _JSON, "Content-Encoding": "gzip", "Content-Length": str(len(packed))}
    return Plan(200, headers, (packed,))


@functools.lru_cache(maxsize=1)  # packing 100 MB takes a while
def _packed(padding: int) -> bytes:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)  # 16: with a gzip header
    packed = [packer.compress(piece) for piece in _pieces(b'{"padding": "', padding, b'"}')]
    return b"".join([*packed, packer.flush()])


_PIECE_BYTES: Final = 65_536


def _pieces(head: bytes, padding: int, tail: bytes) -> Iterator[bytes]:
    piece = b"x" * _PIECE_BYTES
    yield head
    for left in range(padding, 0, -_PIECE_BYTES):
        yield piece[:left]
    yield tail


# --- answers that do not end well ----------------------------------------------------------------------


def _dropped(_: Mapping[str, Any], __: Usual) -> Plan:
    return Plan(end=End.CLOSED)


def _reset(_: Mapping[str, Any], __: Usual) -> Plan:
    return Plan(end=End.RESET)


def _truncated(own: Mapping[str, Any], usual: Usual) -> Plan:
    sent = usual.body[: min(own["bytes"], len(usual.body) - 1)]
    return Plan(usual.status, _headers(usual, len(usual.body)), (sent,), end=End.CLOSED)


def _truncated_chunked(_: Mapping[str, Any], usual: Usual) -> Plan:
    return Plan(usual.status, _headers(usual, None), (_half(usual),), end=End.CLOSED)


def _cut_body(_: Mapping[str, Any], usual: Usual) -> Plan:
    half = _half(usual)
    return Plan(usual.status, _headers(usual, len(half)), (half,))


def _half(usual: Usual) -> bytes:
    return usual.body[: len(usual.body) // 2]


def _hang(own: Mapping[str, Any], usual: Usual) -> Plan:
    return Plan(wait=math.inf) if own["seconds"] is None else whole(usual, wait=own["seconds"])


def _drip(own: Mapping[str, Any], usual: Usual) -> Plan:
    drops = tuple(bytes([byte]) for byte in usual.body)
    return Plan(usual.status, _headers(usual, len(usual.body)), drops, pause=own["seconds"])


# --- the table -----------------------------------------------------------------------------------------

_HEADER = r"[ -~]*"  # what may stand in a header without being encoded
_MOST_SECONDS = 3600
_MOST_BYTES = 2_000_000_000


def _seconds(default: float | None) -> Mapping[str, Key]:
    return {"seconds": number(0, _MOST_SECONDS, "seconds", default)}


def _bytes(default: int) -> Mapping[str, Key]:
    return {"bytes": whole_number(0, _MOST_BYTES, default)}


_RETRY_AFTER: Final = {
    "retry_after": text('text as the header has it, such as "5", or "" for none', _HEADER, "1"),
}

KINDS: Final[Mapping[str, Kind]] = {
    "latency": Kind(_latency, effect=True, keys=_seconds(1.0)),
    "429": Kind(_documented(429), effect=False, keys=_RETRY_AFTER),
    "503": Kind(_documented(503), effect=False, keys=_RETRY_AFTER),
    "500": Kind(_documented(500), effect=False),
    "500-html": Kind(_page(500, "500 Internal Server Error"), effect=False),
    "502": Kind(_page(502, "502 Bad Gateway"), effect=False),
    "504": Kind(_page(504, "504 Gateway Time-out"), effect=True),
    "401": Kind(_documented(401), effect=False),
    "404": Kind(_documented(404), effect=False),
    "redirect": Kind(
        _redirect,
        effect=False,
        keys={
            "location": text("an address", _HEADER, "https://login.example.com/"),
            "status": whole_number(300, 399, 307),
        },
    ),
    "drop-before": Kind(_dropped, effect=False),
    "drop-after": Kind(_dropped, effect=True),
    "reset": Kind(_reset, effect=False),
    "truncate": Kind(_truncated, effect=True, keys=_bytes(20)),
    "truncate-chunked": Kind(_truncated_chunked, effect=True),
    "cut-body": Kind(_cut_body, effect=True),
    "hang": Kind(_hang, effect=True, keys=_seconds(None)),
    "drip": Kind(_drip, effect=True, keys=_seconds(1.0)),
    "html": Kind(_page(200, "Log in", _LOGIN), effect=False),
    "empty": Kind(_empty, effect=True),
    "huge": Kind(_huge, effect=True, keys=_bytes(50_000_000)),
    "charset": Kind(
        _charset,
        effect=True,
        keys={
            "encoding": one_of("utf-16", "broken"),
            "status": Key(
                lambda value: type(value) is int and value in _STATUSES,
                f"one of {', '.join(map(str, _STATUSES))}",
            ),
        },
    ),
    "bomb": Kind(_bomb, effect=True, keys=_bytes(100_000_000)),
    "other-order": Kind(_other_order, effect=True),
}
"""``effect`` is true where what a real platform means by such an answer is mostly that it did it."""

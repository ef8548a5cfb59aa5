"""A request's body → the JSON value that it is by the letter, or why it is not taken."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from starlette.requests import ClientDisconnect

if TYPE_CHECKING:
    from starlette.requests import Request

BODY_LIMIT_BYTES: Final = 1_000_000
_KEPT_BYTES: Final = 16_384


class BodyError(ValueError):
    """A body is not taken; ``status`` is 400, or 413 where it is too long."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Body(Struct, frozen=True):
    """A JSON ``value``, and what is ``kept`` of it: no value of many bytes."""

    value: object = None
    kept: object = None


async def json_body(request: Request) -> Body:
    """The body of a request that says that it is JSON.

    Raises:
        BodyError: it says something else, is too long, was cut off, or is not JSON.
    """
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "application/json":
        raise BodyError(f"content-type: found {kind!r}, expected application/json")
    raw = await read(request)
    value = parsed(raw)
    return Body(value, value if len(raw) <= _KEPT_BYTES else f"({len(raw)} bytes)")


async def read(request: Request) -> bytes:
    """The body of a request, whatever it is.

    Raises:
        BodyError: it is too long, or was cut off.
    """
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_LIMIT_BYTES:
                raise BodyError(f"the body has more than {BODY_LIMIT_BYTES} bytes", 413)
    except ClientDisconnect as error:
        raise BodyError("the body was cut off") from error
    return bytes(body)


def parsed(raw: bytes) -> object:
    """The JSON value of a body, by RFC 8259: UTF-8, no NaN, no infinity.

    Raises:
        BodyError: it is not JSON.
    """
    try:
        value: object = json.loads(raw.decode(), parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise BodyError(f"the body is not JSON: {error}") from error
    return value


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)

"""Requests as every destination makes them: who sends them, and the key that one fulfillment always has."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from json import encoder as json_encoder
from typing import TYPE_CHECKING, Any, Final

from importer.model import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

USER_AGENT: Final = f"fulfillment-importer/{version('fulfillment-importer')} (+python)"


def _writer(*, ensure_ascii: bool) -> Callable[[object], str]:
    """The ``encode`` of such an encoder, but that what it makes anew for each value is made once.

    See ``iterencode`` of CPython's json/encoder.py; where the maker is gone, so is the haste.
    """
    encoder = json.JSONEncoder(ensure_ascii=ensure_ascii, separators=(",", ":"))
    make = getattr(json_encoder, "c_make_encoder", None)
    if make is None:
        return encoder.encode
    strings = json_encoder.encode_basestring_ascii if ensure_ascii else json_encoder.encode_basestring
    pieces = make(None, encoder.default, strings, None, ":", ",", False, False, True)  # noqa: FBT003 - it takes no names
    return lambda value: "".join(pieces(value, 0))


_body: Final = _writer(ensure_ascii=False)
_digested: Final = _writer(ensure_ascii=True)


def write(method: str, url: str, body: Mapping[str, Any], key: str) -> Request:
    """A request with a JSON body; ``key`` is the same each time that the same is asked for."""
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": USER_AGENT,
        "Idempotency-Key": key,
    }
    return Request(method, url, headers, _body(body).encode())


def read(url: str) -> Request:
    """A request that only asks."""
    return Request("GET", url, {"User-Agent": USER_AGENT}, b"")


def digest(value: object) -> str:
    """The SHA-256 (hex) of what JSON can say."""
    return hashlib.sha256(_digested(value).encode()).hexdigest()

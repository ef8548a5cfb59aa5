"""Requests as every destination makes them: who sends them, and the key that one fulfillment always has."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from importer.jsontext import json_writer
from importer.model import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

USER_AGENT: Final = f"fulfillment-importer/{version('fulfillment-importer')} (+python)"


_body: Final = json_writer(ensure_ascii=False)
_digested: Final = json_writer(ensure_ascii=True)


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

"""Requests as every destination makes them: who sends them, and the key that one fulfillment always has."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from importer.model import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

USER_AGENT: Final = f"fulfillment-importer/{version('fulfillment-importer')} (+python)"


_BODIES: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_DIGESTED: Final = json.JSONEncoder(separators=(",", ":"))


def write(method: str, url: str, body: Mapping[str, Any], key: str) -> Request:
    """A request with a JSON body; ``key`` is the same each time that the same is asked for."""
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": USER_AGENT,
        "Idempotency-Key": key,
    }
    return Request(method, url, headers, _BODIES.encode(body).encode())


def read(url: str) -> Request:
    """A request that only asks."""
    return Request("GET", url, {"User-Agent": USER_AGENT}, b"")


def digest(value: object) -> str:
    """The SHA-256 (hex) of what JSON can say."""
    return hashlib.sha256(_DIGESTED.encode(value).encode()).hexdigest()

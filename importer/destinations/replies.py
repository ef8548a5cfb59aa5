"""Replies as text that is fit for a report: short, on one line, printable, and without the token.

``token`` is the token in the clear, "" where there is none.
"""

from __future__ import annotations

import codecs
import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from importer.destinations.masking import masked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from importer.model import Answer

# Bytes of what is quoted in a message: the first 2 KB of a reply, and of shorter things less.
LONG: Final = 2048
SHORT: Final = 100
_READ_AT_MOST: Final = 1_000_000  # bytes; see REPLY_LIMIT of the client
_BEGINNING: Final = 8192  # as much as is looked at to fill it: white space is run together


def said(answer: Answer, own: str, token: str) -> str:
    """The status and the destination's ``own`` words; its usual name and what came when it has none."""
    words = [own] if own else [_STATUS_NAMES.get(answer.status, ""), came(answer, token)]
    return " ".join(filter(None, [str(answer.status), *words]))


_STATUS_NAMES: Final[Mapping[int, str]] = {status.value: status.phrase for status in HTTPStatus}


def came(answer: Answer, token: str) -> str:
    """The content type and the beginning of what came, in parentheses."""
    kind = shown(header(answer, "content-type"), token, SHORT) or "no content type"
    torn = not answer.whole or len(answer.body) > _BEGINNING
    # Masked as bytes first: read in a charset that is not its own, a token could not be found.
    bytes_as_text = answer.body[:_BEGINNING].decode("latin-1")
    beginning = masked(bytes_as_text, token, torn=torn).encode("latin-1")
    words = shown(text(replace(answer, body=beginning)), token)
    return f"({kind}: '{words}')" if words else f"({kind}, empty)"


def cut_off(answer: Answer) -> str:
    """What is said of a reply that is not whole: whether it ended too early, or we had read enough of it."""
    if len(answer.body) >= _READ_AT_MOST:
        return "a reply of more than 1 MB, which was not read any further"
    return "a reply that was cut off"


def shown(text: str, token: str, most: int = LONG) -> str:
    """Text from outside made fit for a report: on one line, nothing invisible, at most ``most`` bytes."""
    beginning = masked(text[:_BEGINNING], token, torn=len(text) > _BEGINNING)
    return cut("".join(map(_printable, " ".join(beginning.split()))), most)


def _printable(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that is none of the charset's, as ``text`` passes it on
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character if character.isprintable() else ascii(character)[1:-1]


def cut(text: str, most: int) -> str:
    """At most ``most`` bytes of ``text``, with ``…`` for the rest."""
    encoded = text.encode()
    return text if len(encoded) <= most else encoded[: most - 3].decode(errors="ignore") + "…"


def header(answer: Answer, name: str) -> str:
    """The value of the header, whose ``name`` is in lower case; "" when there is none."""
    found = answer.headers.get(name)  # as they usually come
    if found is None:
        found = next((value for key, value in answer.headers.items() if key.lower() == name), "")
    return found


def document(answer: Answer) -> dict[str, Any] | None:
    """The JSON object that the answer is, None when it is none."""
    try:
        found = json.loads(text(answer))
    except (ValueError, RecursionError):  # no JSON, a number of thousands of digits, or nested without end
        return None
    return found if isinstance(found, dict) else None


def scalar(value: object) -> str | None:
    """A text or a whole number as text, None for anything else: APIs have ids as either."""
    return str(value) if isinstance(value, str) or type(value) is int else None


def text(answer: Answer) -> str:
    """The body in the charset that its header names, if there is such a one, else in UTF-8."""
    codec = _codec(header(answer, "content-type"))
    # Each byte that is none of the charset's is passed on by itself, but for UTF-16, which has no bytes.
    body = answer.body.removeprefix(codecs.BOM_UTF8) if codec == "utf-8" else answer.body
    return body.decode(codec, errors="replace" if codec == "utf-16" else "surrogateescape")


@lru_cache(maxsize=100)
def _codec(content_type: str) -> str:
    match = _CHARSET.search(content_type)
    return _CODECS.get(match[1].lower() if match else "", "utf-8")


_CHARSET: Final = re.compile(r'charset\s*=\s*"?([^\s;"]+)', re.IGNORECASE)
# What isn't here is read as UTF-8 too: Python's codecs have some that are no charsets (zip, idna, undefined).
_CODECS: Final[Mapping[str, str]] = {
    "iso-8859-1": "cp1252",  # as browsers take it (WHATWG Encoding)
    "windows-1252": "cp1252",
    "iso-8859-15": "iso-8859-15",
    "utf-16": "utf-16",
}


def retry_after(answer: Answer) -> float | None:
    """Seconds to wait, None when they can't be told; a date is measured against the answer's own."""
    told = header(answer, "retry-after").strip()
    if _SECONDS.fullmatch(told):
        return float(told)  # of any length; whoever waits has a limit of its own
    try:
        until, now = parsedate_to_datetime(told), parsedate_to_datetime(header(answer, "date"))
        seconds = (_in_utc(until) - _in_utc(now)).total_seconds()
    except (ValueError, OverflowError):
        return None
    return seconds if seconds >= 0 else None


_SECONDS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)


def _in_utc(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)

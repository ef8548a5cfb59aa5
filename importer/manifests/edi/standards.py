"""The two grammars of EDI: what is read of each, and how a file begins that is written in it."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importer.manifests.sources import Source


class Standard(StrEnum):
    """Which of the two grammars an interchange is written in."""

    X12 = "x12"
    EDIFACT = "edifact"


READ: Final = {"856": Standard.X12, "945": Standard.X12, "DESADV": Standard.EDIFACT}
"""The transactions that are manifests."""
ANSWERS: Final = frozenset({"997", "999", "824", "CONTRL", "APERAK"})
"""The transactions that acknowledge others, and are never acknowledged."""

FILLER_CHARACTERS: Final = " \t\r\n\x00\x1a"
"""What may stand between segments and is no data."""
_FILLER = re.compile(rb"(?:[ \t\r\n\x00\x1a]|\xef\xbb\xbf)*")  # and byte order marks
SURE_HEAD: Final = (
    rb"ISA([^0-9A-Za-z \r\n]{1,3}?)[0-9A-Z ]{2}\1[^\r\n]{1,20}?\1[0-9A-Z ]{2}\1"
    rb"|UNA[^0-9A-Za-z\s][^A-Za-z]{2,40}UNB"
    rb"|UNB[^0-9A-Za-z\s]UN[A-Z]{2}[^0-9A-Za-z\s][0-9]"
)
"""The beginning of an interchange, and of no text, as which it may stand at the beginning of a line."""
SURE_BYTES: Final = 64
"""So many have all of what SURE_HEAD looks for."""
_SURE_IN_TEXT = re.compile(rb"(?<![0-9A-Za-z\",;\t|])(?:%s)" % SURE_HEAD)
_HEAD_BYTES = 4096

_BEGINS = {
    Standard.X12: re.compile(
        rb"ISA([^0-9A-Za-z \r\n]{1,3})[^\r\n]{2}\1|(?:ST|GS)([^0-9A-Za-z\s,;])[0-9A-Z]{2,3}\2"
    ),
    Standard.EDIFACT: re.compile(
        rb"UNA(?::\+|[^0-9A-Za-z\s][^A-Za-z]{2,40}UNB)|UNB(?:\+|[^0-9A-Za-z\s]UNO)|UN[GH]\+[^+\r\n]{1,35}\+"
    ),
}


def standard_of(source: Source) -> Standard | None:
    """Which of the two grammars the file is written in, told by its first bytes; None: it is no EDI."""
    try:
        with source.path.open("rb") as file:
            return begins_edi(file.read(_HEAD_BYTES))
    except OSError:
        return None  # it is told when it is read


def begins_edi(head: bytes) -> Standard | None:
    """Whether a file that begins so is EDI, and which.

    Bare transactions without an envelope are EDI too, and so is what can't be read in front of a sound
    interchange, and EDI in UTF-16, of which segments.read says that it can't be read.
    """
    return begins(head) or begins_in_utf_16(head) or _begins_later(head)


def begins(head: bytes) -> Standard | None:
    """Whether EDI is the first thing in the file, behind what is no data, and which."""
    at = filler_bytes(head)
    return next((standard for standard, pattern in _BEGINS.items() if pattern.match(head, at)), None)


def begins_in_utf_16(head: bytes) -> Standard | None:
    """Whether it is EDI in UTF-16, and which.

    Every other byte is NUL there, as far as it is ASCII; what is read begins with a NUL or behind it.
    """
    text = head[filler_bytes(head) :][:SURE_BYTES].removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff")
    is_utf_16 = b"\x00" in (text[:1], text[1:2]) and len(text) < 3 * text.count(b"\x00")
    return begins(text.replace(b"\x00", b"")) if is_utf_16 else None


def _begins_later(head: bytes) -> Standard | None:
    """A cell of a table may hold EDI, and is none."""
    found = _SURE_IN_TEXT.search(head[:_HEAD_BYTES])
    if not found:
        return None
    return Standard.X12 if found[0].startswith(b"ISA") else Standard.EDIFACT


def filler_bytes(data: bytes) -> int:
    """How many bytes at the beginning are no data."""
    filler = _FILLER.match(data)
    return filler.end() if filler else 0

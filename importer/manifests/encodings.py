"""A file's bytes → its text as UTF-8; the encoding is decided on the whole file, by strict decoding."""

from __future__ import annotations

import codecs
import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from importer.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from importer.manifests.sources import Source

CHUNK_BYTES = 16 * 1024 * 1024
_SOME = 3  # fewer sequences prove nothing

# The longer mark first: UTF-32-LE begins with UTF-16-LE's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_OTHERS = (
    (b"PK\x03\x04", "a zip archive or an .xlsx workbook"),
    (b"\x1f\x8b", "gzipped"),
    (b"\xd0\xcf\x11\xe0", "an .xls workbook"),
    (b"%PDF-", "a PDF document"),
    (b"ISA*", "X12 EDI"),
    (b"UNA:+", "EDIFACT"),
    (b"UNB+", "EDIFACT"),
)
# GB2312's punctuation and its first-level (common) characters have these lead bytes.
_COMMON_LEADS = frozenset((*range(0xA1, 0xA4), *range(0xB0, 0xD8)))
_MARKUP = re.compile(rb"\s*<(?:!doctype|html|\?xml|table)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Encoded:
    """What the survey of a whole file found; ``mark`` is the length of its byte order mark."""

    encoding: str
    mark: int
    sha256: str
    size: int
    stamp: tuple[int, int, int]


def survey(source: Source, encoding: str | None = None) -> Encoded:
    """Read the file to its end once: its digest, and the encoding that decodes all of it.

    A byte order mark decides, then ``encoding`` where the user names one, then UTF-16 by its zero bytes,
    UTF-8 where it decodes, GB18030 where the bytes look like Chinese, else cp1252.

    Raises:
        ManifestError: the file is empty, is no text, or no encoding decodes it (line, column and bytes are
            named).
    """
    with source.path.open("rb") as file:
        stamp = _stamp(file)
        head = file.read(4096)
        _refuse_others(source.name, head)
        mark, marked = _mark(head)
        digest, evidence = hashlib.sha256(), _Evidence()
        file.seek(0)
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            if not marked and not encoding:
                evidence.weigh(chunk)
        size = file.tell()
    chosen = marked or encoding or _choose(source, head, evidence)
    found = Encoded(chosen, mark, digest.hexdigest(), size, stamp)
    if chosen != "utf-8" or marked or encoding:
        _decode_all(source, found)
    return found


def utf8_chunks(source: Source, encoded: Encoded) -> Iterator[bytes]:
    """The file's text as UTF-8 in chunks of about 16 MiB, without its byte order mark.

    Raises:
        ManifestError: the file is no longer the one that was surveyed.
    """
    with source.path.open("rb") as file:
        if _stamp(file) != encoded.stamp:
            raise _changed(source)
        file.seek(encoded.mark)
        decoder = codecs.getincrementaldecoder(encoded.encoding)(errors="strict")
        while chunk := file.read(CHUNK_BYTES):
            yield chunk if encoded.encoding == "utf-8" else decoder.decode(chunk).encode()
        if _stamp(file) != encoded.stamp:
            raise _changed(source)


def _changed(source: Source) -> ManifestError:
    return ManifestError(
        f"{source.name}: changed while it was read; wait until it is written completely and run again"
    )


def _stamp(file: BinaryIO) -> tuple[int, int, int]:
    status = os.fstat(file.fileno())
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def _refuse_others(name: str, head: bytes) -> None:
    if not head.strip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0"):
        raise ManifestError(f"{name}: the file is empty; a manifest has at least a header row")
    for magic, words in _OTHERS:
        if head.startswith(magic):
            raise ManifestError(f"{name}: the file is {words}, not delimited text; export it as CSV")
    if _MARKUP.match(head):
        raise ManifestError(
            f"{name}: the file is an HTML or XML document, not delimited text; export it as CSV"
        )


def _mark(head: bytes) -> tuple[int, str]:
    return next(((len(mark), name) for mark, name in _MARKS if head.startswith(mark)), (0, ""))


class _Evidence:
    """What the bytes of a file without a mark say about its encoding."""

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self.broken = self.sequences = self.even_runs = self.odd_runs = self.common_leads = self.pairs = 0

    def weigh(self, chunk: bytes) -> None:
        if chunk.isascii() and not self._utf8.getstate()[0]:
            return
        text = self._utf8.decode(chunk)
        broken = text.count("\N{REPLACEMENT CHARACTER}")
        self.broken += broken
        self.sequences += sum(map(len, re.findall(r"[^\x00-\x7f]+", text))) - broken
        if self.broken:
            self._weigh_runs(chunk)

    def _weigh_runs(self, chunk: bytes) -> None:
        for run in re.findall(rb"[\x80-\xff]+", chunk):
            self.even_runs += len(run) % 2 == 0
            self.odd_runs += len(run) % 2
            leads = run[::2]
            self.pairs += len(leads)
            self.common_leads += sum(lead in _COMMON_LEADS for lead in leads)

    @property
    def is_utf8(self) -> bool:
        return not self.broken and not self._utf8.getstate()[0]

    @property
    def is_damaged_utf8(self) -> bool:
        return self.sequences >= _SOME and self.sequences > 2 * self.broken

    @property
    def looks_chinese(self) -> bool:
        return self.even_runs > 4 * self.odd_runs and self.common_leads * 2 >= self.pairs


def _choose(source: Source, head: bytes, evidence: _Evidence) -> str:
    zeros = (head[0::2].count(0), head[1::2].count(0))
    if max(zeros) > len(head) // 8 and min(zeros) * 4 <= max(zeros):
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    if 0 in head:
        raise ManifestError(f"{source.name}: the file is not text (it has zero bytes); export it as CSV")
    if evidence.is_utf8:
        return "utf-8"
    if evidence.is_damaged_utf8:
        raise _undecodable(source, "utf-8", 0, "; the rest of the file is UTF-8")
    chinese = evidence.looks_chinese and _decodes(source, "gb18030")
    return "gb18030" if chinese else "cp1252"


def _decodes(source: Source, encoding: str) -> bool:
    return _first_fault(source, encoding, 0) is None


def _decode_all(source: Source, encoded: Encoded) -> None:
    if _first_fault(source, encoded.encoding, encoded.mark) is not None:
        raise _undecodable(source, encoded.encoding, encoded.mark, "")


@dataclass(frozen=True, slots=True)
class _Fault:
    line: int
    column: int
    found: bytes


def _first_fault(source: Source, encoding: str, mark: int) -> _Fault | None:
    """Where strict decoding fails first: the line, the character in it, and the bytes."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    lines, tail = 0, ""
    with source.path.open("rb") as file:
        file.seek(mark)
        while True:
            chunk = file.read(CHUNK_BYTES)
            before = decoder.getstate()[0]
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                good = bytes(error.object[: error.start]).decode(encoding, errors="replace")
                lines, tail = _count_lines(lines, tail, good)
                return _Fault(
                    lines + 1, len(tail) + 1, bytes(error.object[error.start : error.end]) or before
                )
            if not chunk:
                return None
            lines, tail = _count_lines(lines, tail, text)


def _count_lines(lines: int, tail: str, text: str) -> tuple[int, str]:
    parts = re.split(r"\r\n|\r|\n", tail + text)
    return lines + len(parts) - 1, parts[-1]


def _undecodable(source: Source, encoding: str, mark: int, more: str) -> ManifestError:
    fault = _first_fault(source, encoding, mark)
    where = (
        f"line {fault.line}, column {fault.column}: "
        f"the bytes {fault.found.hex(' ').upper()} are not {encoding}"
        if fault
        else f"not {encoding}"
    )
    return ManifestError(
        f"{source.name}: {where}{more}; expected UTF-8, UTF-16, cp1252 or GB18030 throughout: "
        "save the file again as UTF-8, or name its encoding with --encoding"
    )

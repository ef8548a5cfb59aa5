"""A file's bytes → its text as UTF-8; the encoding is decided on the whole file, by strict decoding."""

from __future__ import annotations

import codecs
import hashlib
import io
import os
import re
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from importer.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from importer.manifests.sources import Source

CHUNK_BYTES = 16 * 1024 * 1024
_FIRST_BYTES = 2 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024
_LINE_BYTES = 4096  # so long is hardly a line
_HEAD_BYTES = 4096

# The longer mark first: UTF-32-LE begins with UTF-16-LE's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MARK_BYTES = b"\xef\xbb\xbf\xff\xfe"
_OTHERS = (
    (b"PK\x03\x04", "a zip archive or an .xlsx workbook"),
    (b"\x1f\x8b", "gzipped"),
    (b"\xd0\xcf\x11\xe0", "an .xls workbook"),
    (b"%PDF-", "a PDF document"),
    (b"ISA*", "X12 EDI"),
    (b"UNA:+", "EDIFACT"),
    (b"UNB+", "EDIFACT"),
)
_MARKUP = (
    (re.compile(rb"\s*<(?:!doctype|html|table)", re.IGNORECASE), "a web page"),
    (re.compile(rb"\s*<\?xml", re.IGNORECASE), "an XML document"),
)
_WORKBOOK_SUFFIX = re.compile(r".*(\.(?:xls[xmb]?|ods))", re.IGNORECASE | re.DOTALL)

# From the first byte beyond ASCII in a line to the line's end. That byte begins a character in GB18030 too,
# and no character of it has a line break's byte.
_TELLING = re.compile(rb"[\x80-\xff][^\r\n]*")
_WORD_BEGINS = re.compile(rb"[A-Za-z]*\Z")
_TELLING_LINES, _TELLING_BYTES, _WORD_BYTES = 1000, 65_536, 32
# Characters of two bytes beyond ASCII each, and the ASCII letters before and behind.
_CHINESE_RUN = re.compile(
    rb"([A-Za-z]{0,32})(?<![\x80-\xff])((?:[\x81-\xfe][\x80-\xfe])+)(?=([A-Za-z]{0,32}))"
    rb"(?![\x80-\xff](?![0-9][\x81-\xfe][0-9]))"  # but for one of four bytes
)
# GB2312's punctuation, letters and first-level characters, in byte order; nearly all of a Chinese text.
_COMMON_CHINESE = re.compile(rb"[\xa1-\xa3\xb0-\xd7][\xa1-\xfe]")
_UPPER, _LOWER = "A-Z\u00c0-\u00d6\u00d8-\u00deŠŒŽŸ", "a-z\u00df-\u00f6\u00f8-\u00ffšœžƒ"
_LETTERS = re.compile(f"[{_UPPER}{_LOWER}]+")
_CASED = f"(?:[{_UPPER}ß]+|[{_UPPER}]?[{_LOWER}]+(?:[{_UPPER}][{_LOWER}]+)*)"
_CASED_WORD, _WESTERN_WORD = re.compile(_CASED), re.compile(f"(?=.*[A-Za-z]){_CASED}")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_SURELY = 0.8
_ONE_CHARACTER = 2  # bytes
_SIGNS = "«»®°ºª²³\u00b4"  # what may stand beside a word; the last is an acute accent
_TRIAL = ',;\t|"\r\nA1'  # what a manifest can't do without
# They escape characters, which makes other characters of text that is none of theirs.
_NO_ENCODINGS = frozenset({"utf-7", "unicode-escape", "raw-unicode-escape", "punycode", "idna", "undefined"})
_LAST_ASCII = 0x7F
_LINE_ENDS, _LINE_END_BYTES = (b"\n", b"\r", b"\x1a"), 4  # in UTF-32; DOS ends a file with its own mark
_ESCAPED = (0xDC80, 0xDCFF)  # what surrogateescape makes of a byte that can't be decoded


class Encoded(Struct, frozen=True):
    """What the survey of a whole file found; ``mark`` is the length of its byte order mark.

    ``is_guessed`` says that nothing in the file tells its encoding for sure, ``is_cut`` that its last line
    has no end.
    """

    encoding: str
    mark: int
    sha256: str
    size: int
    stamp: tuple[int, int, int]
    is_guessed: bool = False
    is_cut: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person is told of the file."""
        return ("the last line has no line end: the file may be cut off",) if self.is_cut else ()


def usable(name: str) -> str | None:
    """The encoding's own name, or None if there is no such encoding or no manifest can be read in it."""
    try:
        own = codecs.lookup(name).name
        if own.replace("_", "-") in _NO_ENCODINGS:
            return None
        codecs.getincrementaldecoder(own)
        return own if _TRIAL.encode(own).decode(own) == _TRIAL else None
    except (LookupError, ValueError):
        return None


def survey(source: Source, encoding: str | None = None) -> Encoded:
    """Read the file to its end: its digest, and the encoding that decodes all of it.

    A byte order mark decides, then ``encoding`` where the user names one, then UTF-16 by its zero bytes,
    UTF-8 where it decodes, GB18030 where it reads as Chinese, else cp1252.

    Raises:
        ManifestError: the file can't be read, is empty, is no text, or its encoding does not decode all of
            it (line, column and bytes are named).
    """
    named = usable(encoding) if encoding else None
    if encoding and not named:
        raise ManifestError(
            f"{source.name}: can't be read in the encoding {encoding}; expected one such as utf-8, "
            "utf-16-le, cp1252 or gb18030: name another with --encoding, or none"
        )
    with _opened(source) as file:
        stamp = _stamp(file)
        head = file.read(_HEAD_BYTES)
        _refuse_others(source.name, head)
        mark, marked = _mark(head)
        digest, evidence, last = hashlib.sha256(), _Evidence(), b""
        file.seek(0)
        while piece := file.read(_PIECE_BYTES) + file.readline(_TELLING_BYTES):
            digest.update(piece)
            evidence.weigh(piece)
            last = piece[-_LINE_END_BYTES:]
        evidence.weigh(b"")
        size = file.tell()
    chosen = marked or named or _choose(source, head, evidence)
    if chosen != "utf-8" or not evidence.is_utf8:
        _check_decodes(source, chosen, mark)
    is_guessed = not (marked or named or chosen.startswith("utf-"))
    is_cut = last.strip(b"\0")[-1:] not in _LINE_ENDS
    return Encoded(chosen, mark, digest.hexdigest(), size, stamp, is_guessed, is_cut)


def utf8_chunks(
    source: Source, encoded: Encoded, within: tuple[int, int] | None = None, size: int = CHUNK_BYTES
) -> Iterator[bytes]:
    """The file's text as UTF-8 in chunks of about ``size`` bytes, without its byte order mark.

    The first ones are smaller, so that work on them begins sooner. ``within`` says between which bytes of it,
    where the file is UTF-8.

    Raises:
        ManifestError: the file can't be read, or is no longer the one that was surveyed.
    """
    with _opened(source) as file:
        if _stamp(file) != encoded.stamp:
            raise _changed(source)
        start, stop = within or (0, encoded.size)
        file.seek(encoded.mark + start)
        left = stop - start
        decoder = codecs.getincrementaldecoder(encoded.encoding)(errors="strict")
        most = _FIRST_BYTES
        while chunk := file.read(_to_line_end(file, min(most, size), left)):
            most *= 2
            left -= len(chunk)
            yield chunk if encoded.encoding == "utf-8" else _recoded(source, decoder, chunk)
        if _stamp(file) != encoded.stamp:
            raise _changed(source)


def _to_line_end(file: BinaryIO, size: int, left: int) -> int:
    """About ``size`` of the bytes that are ``left``, so many that a line ends there.

    What is left over of a line would be copied with all that comes next.
    """
    if left <= size:
        return left
    start = file.tell()
    looked_at = min(size, _LINE_BYTES)
    file.seek(start + size - looked_at)
    end = file.read(looked_at).rfind(b"\n") + 1
    file.seek(start)
    return size - looked_at + end if end else size


def digest(source: Source, within: tuple[int, int] | None = None) -> Encoded:
    """What is known of a file that is no text; its ``encoding`` is "".

    ``within`` says of which bytes of it the digest is.

    Raises:
        ManifestError: the file can't be read.
    """
    with _opened(source) as file:
        stamp, digest = _stamp(file), hashlib.sha256()
        start, stop = within or (0, stamp[1])
        file.seek(start)
        while piece := file.read(min(_PIECE_BYTES, stop - file.tell())):
            digest.update(piece)
    return Encoded("", 0, digest.hexdigest(), stamp[1], stamp)


def check_unchanged(source: Source, encoded: Encoded) -> None:
    """See that the file is still the one that was surveyed.

    Raises:
        ManifestError: it is not.
    """
    with _opened(source) as file:
        if _stamp(file) != encoded.stamp:
            raise _changed(source)


@contextmanager
def _opened(source: Source) -> Iterator[BinaryIO]:
    try:
        with source.path.open("rb") as file:
            yield file
    except OSError as error:
        raise ManifestError(f"{source.name}: can't be read: {error.strerror or error}") from error


def _recoded(source: Source, decoder: codecs.IncrementalDecoder, chunk: bytes) -> bytes:
    try:
        return decoder.decode(chunk).encode()
    except UnicodeError as error:
        raise _changed(source) from error  # all of it was decoded when it was surveyed


def _changed(source: Source) -> ManifestError:
    return ManifestError(
        f"{source.name}: changed while it was read; wait until it is written completely and run again"
    )


def _stamp(file: BinaryIO) -> tuple[int, int, int]:
    status = os.fstat(file.fileno())
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def _refuse_others(name: str, head: bytes) -> None:
    if len(head) < _HEAD_BYTES and not head.strip(_MARK_BYTES + b" \t\r\n\0"):
        raise ManifestError(f"{name}: the file is empty; a manifest has at least a header row")
    for magic, words in _OTHERS:
        if head.startswith(magic):
            raise ManifestError(f"{name}: the file is {words}, not delimited text; export it as CSV")
    text = head.lstrip(_MARK_BYTES).replace(b"\0", b"")
    for begins, words in _MARKUP:
        if begins.match(text):
            suffix = _WORKBOOK_SUFFIX.fullmatch(name)
            calls = f" that calls itself {suffix[1]}" if suffix else ""
            raise ManifestError(
                f"{name}: the file is {words}{calls}; open it in a spreadsheet program and save it as .xlsx"
            )


def _mark(head: bytes) -> tuple[int, str]:
    return next(((len(mark), name) for mark, name in _MARKS if head.startswith(mark)), (0, ""))


class _Evidence:
    """What the bytes of a file without a mark say about its encoding."""

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")
        self._telling: list[bytes] = []
        self._beyond_ascii = self._broken = 0

    def weigh(self, piece: bytes) -> None:
        """Take in the file's next bytes, best whole lines; none at its end."""
        if piece and piece.isascii() and not self._utf8.getstate()[0]:
            return
        text = self._utf8.decode(piece, not piece).encode("utf-32-le", "surrogatepass")
        characters = np.frombuffer(text, dtype="<u4")
        self._beyond_ascii += int(np.count_nonzero(characters > _LAST_ASCII))
        self._broken += int(np.count_nonzero((characters >= _ESCAPED[0]) & (characters <= _ESCAPED[1])))
        missing = _TELLING_LINES - len(self._telling)
        for found in islice(_TELLING.finditer(piece), missing):
            before = _WORD_BEGINS.search(piece[max(0, found.start() - _WORD_BYTES) : found.start()])
            self._telling.append((before[0] if before else b"") + found[0])

    @property
    def is_utf8(self) -> bool:
        """Whether every byte is part of a character in UTF-8."""
        return not self._broken

    @property
    def is_damaged_utf8(self) -> bool:
        """Hardly any text of another encoding has characters that happen to be UTF-8."""
        return self._beyond_ascii - self._broken > self._broken

    def shares(self) -> tuple[float, float]:
        """How much of what is not ASCII makes sense in Chinese, and how much in a western language."""
        telling = b"\n".join(self._telling)[:_TELLING_BYTES]
        if not _is_more_than_chance(telling):
            return 0.0, 1.0
        return _chinese_share(telling), _western_share(telling)


def _is_more_than_chance(telling: bytes) -> bool:
    """Whether some Chinese is more than two letters beyond ASCII might make by chance, as in GRÖßE.

    Chinese seldom stands within an ASCII word; a run of it otherwise tells, or several single characters.
    """
    by_chance: set[bytes] = set()
    for found in _CHINESE_RUN.finditer(telling):
        before, run, after = found.groups()
        if (before and after) or run[:1] == run[1:]:  # one sign twice, as for inches
            continue
        if len(run) > _ONE_CHARACTER or not _may_be_western(before, run, after):
            return True
        by_chance.add(run)
    return len(by_chance) > 1 and not all(
        _LETTERS.fullmatch(run.decode("cp1252", "replace")) for run in by_chance
    )


def _may_be_western(before: bytes, pair: bytes, after: bytes) -> bool:
    """Whether two bytes may be letters as in Süß and Çà, or a letter and a sign as in É»."""
    word = (before + pair + after).decode("cp1252", "replace").strip(_SIGNS)
    return _CASED_WORD.fullmatch(word) is not None


def _chinese_share(telling: bytes) -> float:
    characters = _BEYOND_ASCII.findall(telling.decode("gb18030", "replace"))
    common = sum(
        _COMMON_CHINESE.fullmatch(character.encode("gb18030")) is not None for character in characters
    )
    return common / max(1, len(characters))


def _western_share(telling: bytes) -> float:
    """The share of accented letters in words such as Größe, É and CRÉÉE, but not in ÊýÁ¿."""
    text = telling.decode("cp1252", "replace")
    words = (found[0] for found in _LETTERS.finditer(text) if _is_western(text, found))
    sensible = sum(len(_BEYOND_ASCII.findall(word)) for word in words)
    return sensible / max(1, len(_BEYOND_ASCII.findall(text)))


def _is_western(text: str, found: re.Match[str]) -> bool:
    if len(found[0]) > 1:
        return _WESTERN_WORD.fullmatch(found[0]) is not None
    start, end = found.span()
    return (text[max(0, start - 1) : start] + text[end : end + 1]).isascii()


def _choose(source: Source, head: bytes, evidence: _Evidence) -> str:
    zeros = (head[0::2].count(0), head[1::2].count(0))
    if max(zeros) > len(head) // 8 and min(zeros) * 4 <= max(zeros):
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    if 0 in head:
        raise _zero_byte(source, head, evidence)
    if evidence.is_utf8 or evidence.is_damaged_utf8:
        return "utf-8"
    chinese, western = evidence.shares()
    if chinese > western and (chinese >= _SURELY or _first_fault(source, "gb18030", 0) is None):
        return "gb18030"
    return "cp1252"


def _zero_byte(source: Source, head: bytes, evidence: _Evidence) -> ManifestError:
    if not evidence.is_utf8:
        return ManifestError(f"{source.name}: the file is not text (it has zero bytes); export it as CSV")
    line, column = _place(source, "utf-8", 0, head.index(0))
    return ManifestError(
        f"{source.name}, line {line}, column {column}: a zero byte, which is no text; "
        "take it out, or export the manifest again"
    )


def _check_decodes(source: Source, encoding: str, mark: int) -> None:
    fault = _first_fault(source, encoding, mark)
    if fault is None:
        return
    offset, found = fault
    line, column = _place(source, encoding, mark, offset)
    raise ManifestError(
        f"{source.name}, line {line}, column {column}: the bytes {found.hex(' ').upper()} are not "
        f"{encoding}; expected UTF-8, UTF-16, cp1252 or GB18030 throughout: "
        "save the file again as UTF-8, or name its encoding with --encoding"
    )


def _first_fault(source: Source, encoding: str, mark: int) -> tuple[int, bytes] | None:
    """Where strict decoding fails first, in bytes from the file's beginning, and what stands there."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    with _opened(source) as file:
        file.seek(mark)
        while True:
            piece = file.read(_PIECE_BYTES)
            try:
                decoder.decode(piece, not piece).encode()
            except UnicodeDecodeError as error:
                # The decoder may have kept the first bytes of a character from the piece before.
                offset = file.tell() - len(error.object) + error.start
                return offset, bytes(error.object[error.start : error.end])
            except UnicodeError as error:
                raise _undecodable(source, encoding) from error
            if not piece:
                return None


def _undecodable(source: Source, encoding: str) -> ManifestError:
    """What no place can be named for: no byte order mark where one must be, or half characters."""
    if encoding in {"utf-16", "utf-32"}:
        return ManifestError(
            f"{source.name}, line 1, column 1: no byte order mark, which {encoding} begins with; "
            f"try --encoding {encoding}-le, or {encoding}-be"
        )
    return ManifestError(
        f"{source.name}: the file is not {encoding}; save it again as UTF-8, or name its encoding "
        "with --encoding"
    )


def _place(source: Source, encoding: str, mark: int, offset: int) -> tuple[int, int]:
    """The line, and the character in it, that begins ``offset`` bytes from the file's beginning."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    text = io.IncrementalNewlineDecoder(decoder, translate=True)
    line, column = 1, 1
    with _opened(source) as file:
        file.seek(mark)
        while piece := file.read(min(_PIECE_BYTES, offset - file.tell())):
            line, column = _after(text.decode(piece), line, column)
    return _after(text.decode(b"", final=True), line, column)


def _after(text: str, line: int, column: int) -> tuple[int, int]:
    lines = text.count("\n")
    return line + lines, len(text) - text.rindex("\n") if lines else column + len(text)

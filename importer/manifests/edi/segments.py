"""Bytes → segments of X12 and EDIFACT: no I/O, and nothing about shipments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from importer.manifests.edi.standards import (
    FILLER_CHARACTERS,
    SURE_BYTES,
    SURE_HEAD,
    Standard,
    begins,
    begins_in_utf_16,
    filler_bytes,
)
from importer.manifests.edi.units import Fault, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LONGEST_SEGMENT_BYTES: Final = 1024 * 1024
# So few segments at a time that they are gone before Python's garbage collector looks at them
_BLOCK_BYTES = 4096
_HEAD_BYTES = 1024  # more than an ISA takes, of characters of four bytes, and broken into short lines
_ISA_CHARACTERS = 106
_LINES_COMPARED = 3
_SHOWN_CHARACTERS = 40


class Segment(NamedTuple):
    """One segment: ``elements[0]`` is the tag, trimmed; the others are raw text.

    Release characters and component separators still stand in them, line breaks do not. ``position`` counts
    the file's segments from 1 (a UNA is none), ``offset`` is where the tag stands, in bytes of the file.
    """

    elements: list[str]
    position: int
    offset: int


class Delimiters(Struct, frozen=True):
    """The characters that an interchange sets apart its parts with; "" for those it does not have."""

    element: str
    component: str
    segment: str
    repetition: str = ""
    release: str = ""
    decimal: str = "."

    def components(self, element: str) -> list[str]:
        """The components of an element as plain text, without release characters."""
        if self.release and self.release in element:
            return [self._unreleased(part) for part in self._split(element, self.component)]
        return element.split(self.component) if self.component else [element]

    def repetitions(self, element: str) -> list[str]:
        """The raw repetitions of an element: itself alone, where nothing is repeated."""
        return self._split(element, self.repetition) if self.repetition else [element]

    def plain(self, element: str) -> str:
        """The first component of an element as plain text."""
        return self.components(element)[0]

    def elements(self, segment: str) -> list[str]:
        """The raw elements of a segment, its tag first."""
        return self._split(segment, self.element)

    def _split(self, text: str, separator: str) -> list[str]:
        parts = text.split(separator)
        is_released = self.release and self.release + separator in text
        return _joined(parts, separator, self.release) if is_released else parts

    def _unreleased(self, text: str) -> str:
        return re.sub(f"{re.escape(self.release)}(.)", r"\1", text, flags=re.DOTALL)


class Stretch(Struct, frozen=True):
    """Some segments of one interchange, in order.

    A new stretch begins at each ISA and UNB; a long interchange comes in several. ``fault`` is what could not
    be told apart after these segments, or what is wrong with their ISA. ``unterminated`` says that the last
    of them has no segment terminator: the file ends there, or the next interchange begins.
    """

    standard: Standard
    delimiters: Delimiters
    segments: list[Segment]
    fault: Fault | None = None
    unterminated: bool = False


class _Head(Struct, frozen=True):
    """What ISA, or UNA and UNB, say about how to read their interchange.

    ``encodings`` are tried in order on each segment that is not ASCII, and Latin-1, which has every byte,
    when all fail; the first has the terminator.
    """

    standard: Standard
    delimiters: Delimiters
    encodings: tuple[str, ...]
    fault: Fault | None = None

    @property
    def terminator(self) -> bytes:
        return self.delimiters.segment.encode(self.encodings[0])

    @property
    def breaks(self) -> str:
        """The line breaks that are no data, wherever they stand."""
        return "\r\n".replace(self.delimiters.segment, "")


# ISO 9735: what stands there when no UNA says otherwise, and the repetition separator of its version 4
_EDIFACT = Delimiters(element="+", component=":", segment="'", release="?")
_EDIFACT_REPETITION, _REPETITION_SINCE = "*", "4"
_X12 = Delimiters(element="*", component=":", segment="~")
_DEFAULTS = {Standard.X12: _X12, Standard.EDIFACT: _EDIFACT}
_ENVELOPES = {Standard.X12: "ISA/GS", Standard.EDIFACT: "UNB"}
_TRAILERS = {Standard.X12: "IEA", Standard.EDIFACT: "UNZ"}
# With these letters changed, heads and trailers look alike: data is looked through once, not for each of them
_ALIKE, _TO_ALIKE = b"ISA", bytes.maketrans(b"UENBZ", b"ISSAA")
# Before 00402, ISA11 is the standards identifier "U"
_ISA11_REPEATS_SINCE = "00402"

# Real partners declare one character set and write UTF-8.
_X12_ENCODINGS = ("utf-8", "cp1252", "latin-1")
# UN/EDIFACT code list 0001
_CHARACTER_SETS = {
    "UNOD": "iso8859-2",
    "UNOE": "iso8859-5",
    "UNOF": "iso8859-7",
    "UNOG": "iso8859-3",
    "UNOH": "iso8859-4",
    "UNOI": "iso8859-6",
    "UNOJ": "iso8859-8",
    "UNOK": "iso8859-9",
}

_MARK = b"\xef\xbb\xbf"
_BEFORE_BYTES = 1024

# After a terminator the tag suffices, for a damaged head too.
_HEAD = re.compile(rb"(?:ISA|UN[AB])[^0-9A-Za-z \r\n]")
_SURE = re.compile(SURE_HEAD)
_SURE_ANYWHERE = re.compile(rb"(?<![0-9A-Za-z])(?:%s)" % SURE_HEAD)

_PADDED_ISA = re.compile(
    r"ISA(.).{2}\1.{10}\1.{2}\1.{10}\1.{2}\1.{15}\1.{2}\1.{15}\1.{6}\1.{4}\1(.)\1(.{5})\1.{9}\1.\1.\1(.)(.)",
    re.DOTALL,
)
_UNPADDED_ISA = re.compile(
    r"ISA(.)(?:(?:(?!\1).)*\1){10}((?:(?!\1).)*)\1((?:(?!\1).)*)\1(?:(?:(?!\1).)*\1){3}(.)(.)", re.DOTALL
)
_UNA = re.compile(r"UNA(.)(.)(.)(.)(.)(.)\s*(?=UNB)", re.DOTALL)
_TO_UNB = re.compile(rb"UNA.{0,40}?UNB", re.DOTALL)


def read(chunks: Iterable[bytes]) -> Iterator[Stretch]:
    """The segments of all interchanges of a file, in order; the same wherever the chunks are cut.

    White space, byte order marks, NUL and 0x1A between segments are passed over, and so are line breaks
    inside of them. What can't be read is told as a fault, and reading goes on at the next interchange.
    """
    file = _File(chunks)
    standard = Standard.X12
    while file.has_more():
        head = _head(file)
        if isinstance(head, Fault):
            standard = begins(file.data) or begins_in_utf_16(file.data) or standard
            yield Stretch(standard, _DEFAULTS[standard], [], head)
            _skip_to_next(file)
        else:
            standard = head.standard
            yield from _interchange(file, head)


class _File:
    """The part of the file that is at hand: ``data``, which begins at ``offset``.

    ``segments`` is how many there were before it.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._blocks = _blocks(chunks)
        self.data = b""
        self.offset = 0
        self.segments = 0
        self.ended = False

    def have(self, count: int) -> None:
        """Have ``count`` bytes at hand, or know that the file ends before."""
        while len(self.data) < count and not self.ended:
            block = next(self._blocks, b"")
            self.ended = not block
            self.data += block

    def skip(self, count: int) -> None:
        """Go on ``count`` bytes later."""
        self.data = self.data[count:]
        self.offset += count

    def has_more(self) -> bool:
        """Go on to what is no filler, if there is any."""
        while True:
            self.skip(filler_bytes(self.data))
            if self.ended or len(self.data) >= _HEAD_BYTES:
                return bool(self.data)
            self.have(_HEAD_BYTES)

    def place(self, tag: str = "") -> Place:
        """Where the data begins."""
        return Place(self.segments + 1, self.offset, tag)


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks of one size, so that nothing depends on where the chunks are cut."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= _BLOCK_BYTES:
            data = b"".join(held)
            whole = size - size % _BLOCK_BYTES
            for at in range(0, whole, _BLOCK_BYTES):
                yield data[at : at + _BLOCK_BYTES]
            held, size = [data[whole:]], size - whole
    if size:
        yield b"".join(held)


def _head(file: _File) -> _Head | Fault:
    """How to read the interchange that begins here; a UNA is behind us then."""
    readers: dict[bytes, Callable[[_File], _Head | Fault]] = {b"ISA": _isa, b"UNA": _una, b"UNB": _unb}
    return readers.get(file.data[:3] if _HEAD.match(file.data) else b"", _stray)(file)


def _stray(file: _File) -> Fault:
    if begins_in_utf_16(file.data):
        message = (
            "the file is in UTF-16, two bytes for each character, and can't be read; "
            "expected UTF-8 or another encoding in which ISA and UNB are three bytes; save it as UTF-8"
        )
        begin = re.search(rb"[A-Z]{2,3}", file.data.replace(b"\x00", b""))
        return Fault("damaged", message, file.place(begin[0].decode() if begin else ""))
    text = _shown(file.data)
    tag = re.match("[0-9A-Za-z]{0,3}", text)
    standard = begins(file.data)
    what = f"no {_ENVELOPES[standard]} envelope: " if standard else ""
    message = f"{what}found '{text}', expected an interchange, which begins with ISA, UNA or UNB"
    return Fault("stray-segment", message, file.place(tag[0] if tag else ""), text)


def _shown(data: bytes) -> str:
    text = data[: 4 * _SHOWN_CHARACTERS].decode("utf-8", "replace").split("\n")[0][:_SHOWN_CHARACTERS]
    return "".join(character if character.isprintable() else " " for character in text).rstrip()


def _isa(file: _File) -> _Head | Fault:
    raw = file.data[:_HEAD_BYTES]
    for at, encoding in enumerate(_X12_ENCODINGS):
        found = _found_isa(raw.decode(encoding, "replace"))
        if found and "\ufffd" not in found[0]:
            return _isa_head(found, _X12_ENCODINGS[at:], file.place("ISA"))
    message = f"found '{_shown(raw)}', expected an ISA of 16 elements and {_ISA_CHARACTERS} characters"
    return Fault("damaged", message, file.place("ISA"), _shown(raw))


def _found_isa(text: str) -> re.Match[str] | None:
    unwrapped = re.sub("[\r\n]", "", text)
    return _PADDED_ISA.match(text) or _PADDED_ISA.match(unwrapped) or _UNPADDED_ISA.match(text)


def _isa_head(found: re.Match[str], encodings: tuple[str, ...], place: Place) -> _Head | Fault:
    element, isa11, isa12, component, segment = found.groups()
    if not _are_delimiters(element, component, segment) or segment == " ":
        message = (
            f"ISA sets elements apart by {element!r}, components by {component!r} and ends in {segment!r}: "
            "expected three different characters, no letters or digits"
        )
        return Fault("damaged", message, place, found[0])
    repeats = isa12 >= _ISA11_REPEATS_SINCE and _are_delimiters(element, component, segment, isa11)
    delimiters = Delimiters(element, component.strip(" "), segment, isa11.strip(" ") if repeats else "")
    if _lacks_component(found, component, segment):
        message = (
            f"ISA has no ISA16: {component!r} and a line break end it and the segments behind it; "
            "expected the component separator, and then what ends each segment"
        )
        delimiters = replace(delimiters, component="", segment=component)
        return _Head(
            Standard.X12, delimiters, encodings, Fault("interchange-head", message, place, found[0].rstrip())
        )
    return _Head(Standard.X12, delimiters, encodings, _unpadded(found, place))


def _lacks_component(found: re.Match[str], component: str, segment: str) -> bool:
    """Whether what stands for the component separator ends the lines behind the ISA, too."""
    lines = re.split("[\r\n]+", found.string[found.end() :].strip("\r\n"))
    whole = lines[: _LINES_COMPARED if len(lines) > _LINES_COMPARED else -1] or lines
    return segment in "\r\n" and all(line.rstrip(" ").endswith(component) for line in whole)


def _are_delimiters(*characters: str) -> bool:
    return len({*characters}) == len(characters) and not any(each.isalnum() for each in characters)


def _unpadded(found: re.Match[str], place: Place) -> Fault | None:
    if found.re is _PADDED_ISA:
        return None
    length = len(found[0])
    why = "its elements are not padded" if length < _ISA_CHARACTERS else "its elements are longer or shorter"
    message = f"ISA is {length} characters long, expected {_ISA_CHARACTERS}: {why}"
    return Fault("interchange-head", message, place, found[0])


def _una(file: _File) -> _Head | Fault:
    text = file.data[:SURE_BYTES].decode("utf-8", "replace")
    found = _UNA.match(text)
    if not found or not _are_service_characters(*found.groups()):
        text = text.split("UNB")[0].rstrip()[:_SHOWN_CHARACTERS]
        message = (
            f"found '{text}' of {len(text)} characters, expected 9: UNA, six signs of which "
            "the last ends each segment, and then UNB"
        )
        return Fault("interchange-head", message, file.place("UNA"), text)
    component, element, decimal, release, repetition, segment = found.groups()
    file.skip(found.end())
    given = Delimiters(element, component, segment, repetition.strip(" "), release.strip(" "), decimal)
    return _edifact(file, given)


def _are_service_characters(
    component: str, element: str, decimal: str, release: str, repetition: str, segment: str
) -> bool:
    used = [each for each in (release, repetition) if each != " "]
    if not "".join((component, element, decimal, segment, *used)).isascii() or decimal.isalnum():
        return False
    # A UNA that lacks its blank takes the line break for its terminator.
    if segment in " \t" or (segment in "\r\n" and repetition != " "):
        return False
    return _are_delimiters(component, element, segment, *used)


def _unb(file: _File) -> _Head | Fault:
    if file.data[3:4] != b"+":
        text = _shown(file.data)
        message = f"found '{text}', expected UNB+, or a UNA before it that names other separators"
        return Fault("interchange-head", message, file.place("UNB"), text)
    return _edifact(file, replace(_EDIFACT, repetition=_EDIFACT_REPETITION))


def _edifact(file: _File, given: Delimiters) -> _Head:
    text = file.data[:SURE_BYTES].decode("utf-8", "replace")
    element, component = re.escape(given.element), re.escape(given.component)
    found = re.match(f"UNB{element}([A-Z]{{4}}){component}([0-9])", text)
    identifier, version = found.groups() if found else ("", "")
    repetition = given.repetition if version >= _REPETITION_SINCE else ""
    encodings = ("utf-8", _CHARACTER_SETS.get(identifier, "latin-1"))
    return _Head(Standard.EDIFACT, replace(given, repetition=repetition), encodings)


def _interchange(file: _File, head: _Head) -> Iterator[Stretch]:
    """The segments up to the trailer, the next head or the end; ``file`` is behind them then."""
    fault, own_head = head.fault, 1
    while True:
        may_end = _ALIKE in file.data.translate(_TO_ALIKE)
        next_head = _next_head(file.data, own_head, head) if may_end else None
        is_last = file.ended or next_head is not None
        segments, used, unterminated = _cut(file, file.data[:next_head], head, is_last=is_last)
        trailer = _trailer(file.data, segments, head) if may_end else None
        if trailer is not None and trailer + 1 < len(segments):
            used, unterminated = segments[trailer + 1].offset - file.offset, False
            del segments[trailer + 1 :]
        file.skip(used)
        file.segments += len(segments)
        if segments:
            yield Stretch(head.standard, head.delimiters, segments, fault, unterminated)
            fault, own_head = None, 0
        if is_last or trailer is not None:
            return
        if len(file.data) > LONGEST_SEGMENT_BYTES:
            yield Stretch(head.standard, head.delimiters, [], _endless(file, head))
            _skip_to_next(file)
            return
        file.have(min(2 * len(file.data), LONGEST_SEGMENT_BYTES) + 1)


def _trailer(data: bytes, segments: list[Segment], head: _Head) -> int | None:
    tag = _TRAILERS[head.standard]
    if tag.encode() not in data:
        return None
    return next((at for at, each in enumerate(segments) if each.elements[0] == tag), None)


def _endless(file: _File, head: _Head) -> Fault:
    text = _shown(file.data)
    message = f"after '{text}' there is no segment terminator {head.delimiters.segment!r} for 1 MiB"
    return Fault("damaged", message, file.place(head.delimiters.elements(text)[0]), text)


def _cut(file: _File, data: bytes, head: _Head, *, is_last: bool) -> tuple[list[Segment], int, bool]:
    """The segments of ``data``, how many bytes they take, and whether the last has no terminator.

    What is behind the last terminator is a segment if it is the last.
    """
    parts = _parts(data, head)
    used, unterminated = len(data), False
    if is_last:
        parts[-1] = _bare(parts[-1].encode("latin-1")).decode("latin-1")
        unterminated = bool(parts[-1])
    else:
        used -= len(parts.pop())
    return _segments(parts, file, head), used, unterminated


def _parts(data: bytes, head: _Head) -> list[str]:
    """What stands between the terminators, with one character for each byte."""
    terminator, release = head.terminator.decode("latin-1"), head.delimiters.release
    parts = data.decode("latin-1").split(terminator)
    if release and any(release.encode() + each in data for each in (head.terminator, b"\r", b"\n")):
        return _joined(parts, terminator, release, head.breaks)
    return parts


def _bare(data: bytes) -> bytes:
    """Without the filler at its end."""
    bare = data.rstrip(FILLER_CHARACTERS.encode())
    while bare.endswith(_MARK):
        bare = bare.removesuffix(_MARK).rstrip(FILLER_CHARACTERS.encode())
    return bare


def _joined(parts: list[str], separator: str, release: str, breaks: str = "") -> list[str]:
    """Put together again what was split at a released separator.

    Line ``breaks`` between the two are passed over.
    """
    joined: list[str] = []
    held, ends = "", release + breaks
    for part in parts:
        if not held and part[-1:] not in ends:
            joined.append(part)
            continue
        held += part
        if _ends_released(held, release, breaks):
            held += separator
        else:
            joined.append(held)
            held = ""
    if held:
        joined.append(held.removesuffix(separator))
    return joined


def _ends_released(text: str, release: str, breaks: str) -> bool:
    """Whether an odd number of release characters stands at the end: two of them are one that is data."""
    return text[len(text.rstrip(release + breaks)) :].count(release) % 2 == 1


def _segments(parts: list[str], file: _File, head: _Head) -> list[Segment]:
    segments: list[Segment] = []
    element, release, size = head.delimiters.element, head.delimiters.release, len(head.terminator)
    position, end, is_ascii = file.segments, file.offset - size, file.data.isascii()
    append, new = segments.append, tuple.__new__  # how fast a file is read depends on this loop alone
    for part in parts:
        end += len(part) + size
        text = part.lstrip(FILLER_CHARACTERS)
        if text:
            position += 1
            offset = end - len(text)
            if not is_ascii and not text.isascii():
                text = _decoded(text, head.encodings)
            if "\n" in text or "\r" in text:
                text = _unbroken(text, head.breaks)
            is_released = release and release in text
            elements = head.delimiters.elements(text) if is_released else text.split(element)
            elements[0] = elements[0].rstrip()
            append(new(Segment, (elements, position, offset)))
    return segments


def _unbroken(text: str, breaks: str) -> str:
    for each in breaks:
        text = text.replace(each, "")
    return text


def _decoded(text: str, encodings: tuple[str, ...]) -> str:
    raw = text.encode("latin-1")
    for encoding in encodings:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return text


def _next_head(data: bytes, start: int, head: _Head) -> int | None:
    """Where another interchange begins: after a terminator or, if it is sure, on a new line."""
    if b"ISA" not in data and b"UNA" not in data and b"UNB" not in data:
        return None
    places = (found.start() for found in _HEAD.finditer(data, start))
    return next((at for at in places if _is_head(data, at, head)), None)


def _is_head(data: bytes, at: int, head: _Head) -> bool:
    window = data[max(0, at - _BEFORE_BYTES) : at]
    before = _bare(window)
    lead = window.removeprefix(before)
    if head.terminator in lead or (not before and at <= _BEFORE_BYTES):
        return True
    ended = before.removesuffix(head.terminator)
    if len(ended) < len(before) and not _is_released(ended, head):
        return True
    return (b"\n" in lead or b"\r" in lead) and _SURE.match(data, at) is not None


def _is_released(before: bytes, head: _Head) -> bool:
    release = head.delimiters.release
    return bool(release) and _ends_released(before.decode("latin-1"), release, head.breaks)


def _skip_to_next(file: _File) -> None:
    """Go on at what is surely another interchange, or to the end of the file."""
    own = _TO_UNB.match(file.data)
    start = own.end() if own else 1
    while True:
        found = _SURE_ANYWHERE.search(file.data, start)
        if found or file.ended:
            file.skip(found.start() if found else len(file.data))
            return
        file.skip(max(0, len(file.data) - SURE_BYTES))
        start = 1
        file.have(_BLOCK_BYTES)

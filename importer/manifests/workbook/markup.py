"""XML as spreadsheet programs write it → where its tags and texts are, all of them at once.

A parser goes from tag to tag, and makes an object of each text. Here NumPy finds the tags of a MiB, and Arrow
copies the texts out. What is written in another way (comments, prefixes, blanks between the tags) is
unfamiliar: a parser has to read it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    Text: TypeAlias = pa.Array[Any]
    Places: TypeAlias = npt.NDArray[np.int32]
    Bytes: TypeAlias = npt.NDArray[np.uint8]

_BEGIN, _END, _SLASH = ord("<"), ord(">"), ord("/")
_UNKNOWN = b"\0"
_SPACE = ord(" ")  # what is below is white space as well, as far as XML allows it
_PRESERVED = b'<t xml:space="preserve">'
_BARE = b"<t>"
_ENTITY = re.compile(r"&(?:(amp|lt|gt|quot|apos);)?")
_ENTITIES: Final = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}  # XML 1.0, 4.6
_ESCAPE = re.compile(rb"_x[0-9A-Fa-f]{4}_")  # ECMA-376 part 1, 22.9.2.19


class UnfamiliarError(Exception):
    """It is not written as most spreadsheet programs write it, and has to be parsed."""


class Tags(Struct, frozen=True):
    """The tags of some XML: where each begins, and a letter that says which one it is (see ``scan``)."""

    xml: bytes
    letters: Bytes
    places: Places
    kinds: Bytes

    def which(self, *kinds: bytes) -> Places:
        """The tags of these kinds, by number."""
        found = self.kinds == kinds[0][0]
        for kind in kinds[1:]:
            found |= self.kinds == kind[0]
        return np.flatnonzero(found).astype(np.int32)

    def ends(self, tags: Places) -> Places:
        """Where the next tag begins after each of these."""
        after: Places = self.places[tags + 1]
        return after


def scan(
    xml: bytes, kinds: Mapping[bytes, bytes], closed: Mapping[bytes, bytes], other: bytes = _UNKNOWN
) -> Tags:
    """The tags of some XML that ends with one, of which two bytes each tell the kind.

    Those that are elements of their own, as in ``<c/>``, are of another kind where ``closed`` has one.

    Raises:
        UnfamiliarError: there are other tags, with no letter for them, or there is what has to be decoded.
    """
    if b"\r" in xml or (b"&" in xml and b"&#" in xml) or (b"_" in xml and _ESCAPE.search(xml)):
        raise UnfamiliarError  # looked for by one letter first, which takes no time
    letters = np.frombuffer(xml, dtype=np.uint8)
    places = np.flatnonzero(letters == _BEGIN).astype(np.int32)
    table = np.full(1 << 16, other[0], dtype=np.uint8)
    for sign, kind in kinds.items():
        table[int.from_bytes(sign, "little")] = kind[0]
    found = table[windows(xml, "<u2")[places + 1]]
    if not found.all():
        raise UnfamiliarError
    tags = Tags(xml, letters, np.append(places, np.int32(len(xml))), found)
    for kind, its_own in closed.items():
        which = tags.which(kind)
        ends = tags.ends(which)
        found[which[(letters[ends - 1] == _END) & (letters[ends - 2] == _SLASH)]] = its_own[0]
    return tags


def see_that_they_are(kinds: bytes, sequences: Sequence[bytes]) -> None:
    """See that there are no tags but in these sequences, the frequent ones first; none begins within another.

    Raises:
        UnfamiliarError: there are.
    """
    left = len(kinds)
    for sequence in sequences:
        left -= len(sequence) * kinds.count(sequence)
        if not left:
            return
    raise UnfamiliarError


def values(tags: Tags, owners: Places) -> tuple[Places, Places]:
    """Where the texts begin and end of ``<v>``, and of ``<t>`` with and without ``xml:space``.

    Raises:
        UnfamiliarError: a tag has other attributes, or its text has white space around it that is none.
    """
    begins, ends = tags.places[owners], tags.ends(owners)
    is_bare = tags.letters[begins + 2] == _END
    starts = begins + np.int32(len(_BARE))
    if not is_bare.all():
        starts = np.where(is_bare, starts, begins + np.int32(len(_PRESERVED)))
        written = windows(tags.xml + bytes(len(_PRESERVED)), f"S{len(_PRESERVED)}")[begins[~is_bare]]
        if (written != _PRESERVED).any():
            raise UnfamiliarError
    edges = np.minimum(tags.letters[np.minimum(starts, ends)], tags.letters[ends - 1])
    if (is_bare & (edges <= _SPACE)).any():
        raise UnfamiliarError
    return starts, ends


def slices(xml: bytes, starts: Places, ends: Places) -> Text:
    """Pieces of UTF-8 and what lies between them: piece, gap, piece and so on, without a copy.

    Raises:
        UnfamiliarError: it is not UTF-8.
    """
    places = pa.py_buffer(_interleaved(starts, ends))
    found = pa.StringArray.from_buffers(2 * len(starts) - 1, places, pa.py_buffer(xml))
    try:
        found.validate(full=True)
    except pa.ArrowInvalid as error:
        raise UnfamiliarError from error
    return found


def distinct(xml: bytes, starts: Places, ends: Places) -> tuple[Places, list[bytes]]:
    """Which of the different pieces stands at each place, and what they are."""
    bounds = pa.py_buffer(_interleaved(starts, ends))
    between = pa.BinaryArray.from_buffers(pa.binary(), 2 * len(starts) - 1, [None, bounds, pa.py_buffer(xml)])
    found = between.take(pa.array(np.arange(0, 2 * len(starts), 2))).dictionary_encode()
    return np.asarray(found.indices), found.dictionary.to_pylist()


def unescaped(text: Text) -> Text:
    """The texts with ``&amp;`` and the like as what they stand for.

    Raises:
        UnfamiliarError: there is another entity, or none after a ``&``.
    """
    places = pc.match_substring(text, "&")
    if not pc.any(places).as_py():
        return text
    found = text.filter(places).dictionary_encode()
    written = pa.array([_ENTITY.sub(_meant, each) for each in found.dictionary.to_pylist()], pa.string())
    return pc.replace_with_mask(text, places, written.take(found.indices))


def windows(xml: bytes, form: str) -> npt.NDArray[Any]:
    """What the bytes from each place on are, as values of that ``form``."""
    kind = np.dtype(form)
    return np.ndarray((len(xml) - kind.itemsize + 1,), kind, xml, strides=(1,))


def _meant(entity: re.Match[str]) -> str:
    if not entity[1]:
        raise UnfamiliarError
    return _ENTITIES[entity[1]]


def _interleaved(starts: Places, ends: Places) -> Places:
    places = np.empty(2 * len(starts), dtype=np.int32)
    places[0::2], places[1::2] = starts, ends
    return places

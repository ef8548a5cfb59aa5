"""The texts that the cells of an .xlsx share (ECMA-376 part 1, 18.4.8 and 18.4.9) → one array of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.manifests.workbook import markup
from importer.manifests.workbook.markup import UnfamiliarError
from importer.manifests.workbook.safety import pieces

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator

    Text: TypeAlias = pa.Array[Any]

_PART: Final = "xl/sharedStrings.xml"
_MOST_BYTES: Final = 1024**3  # an array of texts has 2 GiB at most
_BEGIN, _END, _STOP = b"<si>", b"</si>", b"</sst>"
_KINDS: Final = {b"si": b"s", b"/s": b"S", b"t>": b"t", b"t ": b"t", b"/t": b"T"}
_OTHER = b"o"
_SPACE: Final = "{http://www.w3.org/XML/1998/namespace}space"
_UNSAID: Final = {"rPh", "phoneticPr"}


def read(archive: zipfile.ZipFile) -> Text:
    """The texts, in order.

    Raises:
        UnfamiliarError: there are none, or a parser has to read them.
    """
    if _PART not in archive.namelist() or archive.getinfo(_PART).file_size > _MOST_BYTES:
        raise UnfamiliarError
    return pa.concat_arrays([_texts(xml) for xml in _elements(archive)])


def _elements(archive: zipfile.ZipFile) -> Iterator[bytes]:
    """The part's XML from its first text to its last, cut where one ends."""
    rest = b""
    is_begun = False
    for piece in pieces(archive, _PART):
        rest += piece
        if not is_begun:
            rest = rest[max(rest.find(_BEGIN), 0) :]
            is_begun = rest.startswith(_BEGIN)
        cut = rest.rfind(_END) + len(_END)
        if is_begun and cut >= len(_END):
            yield rest[:cut]
            rest = rest[cut:]
    if not is_begun or not rest.lstrip().startswith(_STOP):
        raise UnfamiliarError


def _texts(xml: bytes) -> Text:
    tags = markup.scan(xml, _KINDS, {}, _OTHER)
    begins, ends = tags.which(b"s"), tags.which(b"S")
    if len(begins) != len(ends) or begins[0] or (begins[1:] != ends[:-1] + 1).any():
        raise UnfamiliarError
    is_simple = ends == begins + len(b"tTS")
    is_simple &= (tags.kinds[begins + 1] == ord("t")) & (tags.kinds[ends - 1] == ord("T"))
    starts = tags.places[begins]
    stops = starts.copy()
    starts[is_simple], stops[is_simple] = markup.values(tags, begins[is_simple] + 1)
    found = markup.slices(xml, starts, stops).take(pa.array(np.arange(0, 2 * len(starts), 2)))
    found = markup.unescaped(found)
    if is_simple.all():
        return found
    bounds = zip(starts[~is_simple].tolist(), tags.ends(ends[~is_simple]).tolist(), strict=True)
    parsed = pa.array([_parsed(xml[start:stop]) for start, stop in bounds], pa.string())
    return pc.replace_with_mask(found, pa.array(~is_simple), parsed)


def _parsed(xml: bytes) -> str:
    """A text in runs of several looks, without what says how it is pronounced."""
    try:
        element = ET.fromstring(xml)  # noqa: S314 - it declares nothing, see safety.py
    except ET.ParseError as error:
        raise UnfamiliarError from error
    runs = [text for part in element if part.tag not in _UNSAID for text in part.iter("t")]
    return "".join(
        run.text or "" if run.get(_SPACE) == "preserve" else (run.text or "").strip(" \t\n") for run in runs
    )

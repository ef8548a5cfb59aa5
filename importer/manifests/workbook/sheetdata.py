"""The cells of a sheet of an .xlsx (ECMA-376 part 1, 18.3.1) → blocks of columns, a MiB of XML at once.

The result is that of reading it cell by cell, with cells.py and openxml.py. Where that is not sure, since the
sheet is written in an unfamiliar way, there is none.
"""

from __future__ import annotations

import re
from array import array
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from importer.manifests.delimited import MAX_COLUMNS
from importer.manifests.workbook import cells, markup, openxml
from importer.manifests.workbook.binary import ERRORS
from importer.manifests.workbook.markup import UnfamiliarError
from importer.manifests.workbook.oddities import Oddities
from importer.manifests.workbook.safety import MAX_CELLS, MAX_ROWS
from schemas.formulas import NO_RESULT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from importer.manifests.workbook.markup import Places, Tags

    Text: TypeAlias = pa.Array[Any]
    Mask: TypeAlias = npt.NDArray[np.bool_]
    Codes: TypeAlias = npt.NDArray[np.int8]

_BEGIN, _STOP, _NOTHING, _ROW_END = b"<sheetData>", b"</sheetData>", b"<sheetData/>", b"</row>"
_MOST_LEFT: Final = 16 * 1024**2
_KINDS: Final = {
    b"ro": b"r",
    b"/r": b"R",
    b"c ": b"c",
    b"/c": b"C",
    b"f>": b"f",
    b"f ": b"f",
    b"f/": b"f",
    b"/f": b"F",
    b"v>": b"v",
    b"v ": b"v",
    b"v/": b"v",
    b"/v": b"V",
    b"is": b"i",
    b"/i": b"I",
    b"t>": b"t",
    b"t ": b"t",
    b"/t": b"T",
}
_CLOSED: Final = {b"r": b"e", b"c": b"b", b"f": b"g", b"v": b"n"}
_SEQUENCES: Final = (
    *(b"r", b"R", b"cvVC", b"b", b"citTIC", b"cfFvVC", b"cgvVC", b"e"),
    *(b"cC", b"cnC", b"cfFC", b"cfFnC", b"cgC", b"cgnC"),
)
_ADDRESS: Final = np.frombuffer(b' r="', dtype="<u4")[0]
_QUOTE = ord('"')
_MOST_AT_ONCE: Final = 8_000_000  # rows times columns
_REST = re.compile(rb"""(?: \w+="[\w.]*")* ?/?>""")
_ATTRIBUTE = re.compile(rb""" (\w+)="([\w.]*)\"""")


class Kind(IntEnum):
    """What the value of a cell is (ECMA-376 part 1, 18.18.11)."""

    BLANK = 0
    TEXT = 1
    INLINE = 2
    SHARED = 3
    NUMBER = 4
    DATE = 5
    TIME = 6
    TRUTH = 7
    ERROR = 8
    NO_RESULT = 9
    """It has a formula that nobody calculated."""


_KIND_OF: Final = {
    b"": Kind.NUMBER,
    b"n": Kind.NUMBER,
    b"s": Kind.SHARED,
    b"str": Kind.TEXT,
    b"inlineStr": Kind.INLINE,
    b"b": Kind.TRUTH,
    b"e": Kind.ERROR,
}


class Reader:
    """Reads one sheet; when it has been read to its end, ``odd`` is what is odd in it.

    ``rows`` and ``width`` are how far it is filled then.

    Raises:
        UnfamiliarError: any time, when the sheet turns out to be written in an unfamiliar way.
    """

    def __init__(self, styles: openxml.Styles, shared: Callable[[], Text]) -> None:
        self.odd = Oddities()
        self.rows = self.width = 0
        self._styles = styles
        self._shared = shared
        self._next = 0

    def blocks(self, pieces: Iterable[bytes], rows_at_once: int) -> Iterator[list[cells.Cells]]:
        """The columns of so many rows after the other, from the sheet's first; not all blocks are as wide."""
        waiting: list[_Part] = []
        rows = 0
        for xml in _rows(pieces, self.odd):
            if b"<c" in xml:
                part = self._part(xml)
                waiting.append(part)
                rows += part.rows
            while rows >= rows_at_once:
                over = rows - rows_at_once
                last = waiting.pop()
                yield self._columns([*waiting, last.cut(0, last.rows - over)])
                waiting, rows = [last.cut(last.rows - over, last.rows)], over
        if rows:
            yield self._columns(waiting)

    def _part(self, xml: bytes) -> _Part:
        """The next rows, in columns."""
        found = _found(markup.scan(xml, _KINDS, _CLOSED), self._styles)
        first, last, width = self._next, int(found.rows.max()), int(found.columns.max()) + 1
        rows = last + 1 - first
        if (
            found.rows.min() < first
            or last >= MAX_ROWS
            or width > MAX_COLUMNS
            or (last + 1) * max(width, self.width) > MAX_CELLS
            or rows * width > _MOST_AT_ONCE
        ):
            raise UnfamiliarError
        self._next = last + 1
        is_filled = found.kinds != Kind.BLANK
        self.rows = max(self.rows, int(found.rows[is_filled].max(initial=-1)) + 1)
        self.width = max(self.width, int(found.columns[is_filled].max(initial=-1)) + 1)
        for look, mask in found.looks:
            self._take_down(look, found.rows[mask], found.columns[mask])
        texts = np.full(rows * width, len(found.texts) - 1, dtype=np.int32)
        kinds = np.zeros(rows * width, dtype=np.int8)
        places = found.columns * rows + (found.rows - first)
        texts[places], kinds[places] = found.places, found.kinds
        bounds = [slice(at * rows, (at + 1) * rows) for at in range(width)]
        columns = [found.texts.take(pa.array(texts[bound])) for bound in bounds]
        if b"&" in xml:
            columns = [*map(markup.unescaped, columns)]
        return _Part(rows, columns, [kinds[bound] for bound in bounds])

    def _take_down(self, look: str, rows: Places, columns: Places) -> None:
        for column in np.unique(columns).tolist():
            known = self.odd.looks.setdefault((column, look), array("I"))
            known.frombytes(rows[columns == column].astype(np.uint32).tobytes())

    def _columns(self, parts: Sequence[_Part]) -> list[cells.Cells]:
        width = max((len(part.texts) for part in parts), default=0)
        parts = [part.widened(width) for part in parts]
        return [
            self._cells(
                pa.concat_arrays([part.texts[at] for part in parts]),
                np.concatenate([part.kinds[at] for part in parts]),
            )
            for at in range(width)
        ]

    def _cells(self, text: Text, kinds: Codes) -> cells.Cells:
        found = np.zeros(len(text), dtype=np.int8)
        for kind in np.flatnonzero(np.bincount(kinds)).tolist():
            if kind not in _READ:
                continue
            places = kinds == kind
            mask = pa.array(places)
            read = _READ[kind](text.filter(mask), self._shared)
            text = read.text if places.all() else pc.replace_with_mask(text, mask, read.text)
            found[places] = read.kinds
        return cells.Cells(text, found)


class _Part(Struct, frozen=True):
    """Some rows, by column the text of each cell and what it is."""

    rows: int
    texts: list[Text]
    kinds: list[Codes]

    def cut(self, first: int, stop: int) -> _Part:
        return _Part(
            stop - first,
            [text.slice(first, stop - first) for text in self.texts],
            [kinds[first:stop] for kinds in self.kinds],
        )

    def widened(self, width: int) -> _Part:
        more = width - len(self.texts)
        if not more:
            return self
        text = pa.repeat(pa.scalar("", pa.string()), self.rows)
        kinds = np.zeros(self.rows, dtype=np.int8)
        return _Part(self.rows, self.texts + [text] * more, self.kinds + [kinds] * more)


class _Found(Struct, frozen=True):
    """Cells as they follow each other: where they stand, which of ``texts`` each has, and what it is.

    The last of ``texts`` is "". ``looks`` says of which cells a format makes something else of a number.
    """

    rows: Places
    columns: Places
    texts: Text
    places: Places
    kinds: Codes
    looks: list[tuple[str, Mask]]


def _rows(pieces: Iterable[bytes], odd: Oddities) -> Iterator[bytes]:
    """The XML of the rows, cut where one ends."""
    pieces = iter(pieces)
    rest = _first(pieces, odd)
    while (stop := rest.find(_STOP, cut := _last_end(rest))) < 0:
        openxml.see_hidden(rest[:cut], odd)
        yield rest[:cut]
        rest = _with_next(rest[cut:], pieces)
    openxml.see_hidden(rest[:stop], odd)
    yield rest[:stop]


def _first(pieces: Iterator[bytes], odd: Oddities) -> bytes:
    """Some XML that begins with the first row."""
    above = b""
    while (begin := above.find(_BEGIN)) < 0:
        if _NOTHING in above:
            return _STOP
        above = _with_next(above, pieces)
    openxml.see_hidden(above[:begin], odd)
    return above[begin + len(_BEGIN) :]


def _with_next(rest: bytes, pieces: Iterator[bytes]) -> bytes:
    piece = next(pieces, b"")
    if not piece or len(rest) > _MOST_LEFT:
        raise UnfamiliarError
    return rest + piece


def _last_end(xml: bytes) -> int:
    """Where the last row ends; 0 where none does."""
    last = xml.rfind(_ROW_END)
    return last + len(_ROW_END) if last >= 0 else 0


def _found(tags: Tags, styles: openxml.Styles) -> _Found:
    markup.see_that_they_are(tags.kinds.tobytes(), _SEQUENCES)
    each, valued = tags.which(b"c", b"b"), tags.which(b"v", b"t")
    rows, columns, rest = _addresses(tags, tags.places[each])
    which, kinds, looks = _meanings(tags, each, rest, styles)
    owners = np.searchsorted(each, valued, side="right") - 1 if len(valued) < len(each) else slice(None)
    if ((tags.kinds[valued] == ord("t")) != (kinds[owners] == Kind.INLINE)).any():
        raise UnfamiliarError
    starts, ends = markup.values(tags, valued)
    nothing = np.array([len(tags.xml)], dtype=np.int32)
    texts = markup.slices(tags.xml, np.append(starts, nothing), np.append(ends, nothing))
    places = np.full(len(each), len(texts) - 1, dtype=np.int32)
    places[owners] = np.arange(0, len(texts) - 1, 2)
    has_text = np.zeros(len(each), dtype=bool)
    has_text[owners] = ends > starts
    is_open = tags.kinds[each] == ord("c")
    is_formula = np.isin(tags.kinds[each + 1], (ord("f"), ord("g")))
    kinds = _settled(kinds, has_text, places < len(texts) - 1, is_open, is_formula)
    masks = [(look, np.isin(which, tags_of_it) & is_open) for look, tags_of_it in looks.items()]
    return _Found(rows, columns, texts, places, kinds, masks)


def _settled(kinds: Codes, has_text: Mask, has_value: Mask, is_open: Mask, is_formula: Mask) -> Codes:
    """What cells turn out to be when it is known whether they have a value, and whether that has a text."""
    is_text = (kinds == Kind.TEXT) | (kinds == Kind.INLINE)
    is_filled = np.where(is_text, has_value, has_text)
    is_missing = (is_formula & (kinds != Kind.TEXT)) | (is_open & (kinds == Kind.ERROR))
    blank = np.where(is_missing & ~has_text, np.int8(Kind.NO_RESULT), np.int8(Kind.BLANK))
    return np.where(is_filled & (has_text | ~is_missing), kinds, blank)


class _Digits(NamedTuple):
    """How numbers are written: the first of so many digits, what is added to each, and how many there are."""

    first: int
    base: int
    least: int
    most: int


_COLUMN = _Digits(ord("A"), 26, 1, 3)
_ROW = _Digits(ord("0"), 10, 0, 7)


def _addresses(tags: Tags, begins: Places) -> tuple[Places, Places, Places]:
    """The row and column of each cell, from 0, and where its address ends."""
    if (markup.windows(tags.xml, "<u4")[begins + 2] != _ADDRESS).any():
        raise UnfamiliarError
    columns, at = _numbers(tags.letters, begins + np.int32(len(b'<c r="')), _COLUMN)
    rows, at = _numbers(tags.letters, at, _ROW)
    if (tags.letters[at] != _QUOTE).any() or not columns.all():
        raise UnfamiliarError
    return rows - 1, columns - 1, at + 1


def _numbers(letters: markup.Bytes, at: Places, digits: _Digits) -> tuple[Places, Places]:
    """The numbers that are written there, and where they end."""
    numbers = np.zeros(len(at), dtype=np.int32)
    for _ in range(digits.most):
        found = letters[at] - np.uint8(digits.first)  # what comes before the first wraps round
        is_digit = found < digits.base
        if not is_digit.any():
            break
        numbers = np.where(is_digit, numbers * digits.base + (found + digits.least), numbers)
        at = at + is_digit
    return numbers, at


def _meanings(
    tags: Tags, each: Places, starts: Places, styles: openxml.Styles
) -> tuple[Places, Codes, Mapping[str, Sequence[int]]]:
    """Which of the different tags each cell has, of what kind it is, and by look which tags have it."""
    which, written = markup.distinct(tags.xml, starts, tags.ends(each))
    kinds: list[Kind] = []
    looks: dict[str, list[int]] = {}
    for at, rest in enumerate(written):
        found = _ATTRIBUTE.findall(rest)
        attributes = dict(found)
        kind = _KIND_OF.get(attributes.get(b"t", b""))
        if kind is None or len(attributes) < len(found) or not _REST.fullmatch(rest):
            raise UnfamiliarError
        style = attributes.get(b"s", b"")
        if kind == Kind.NUMBER and style in styles.looks:
            looks.setdefault(styles.looks[style], []).append(at)
        kinds.append(_kind_of_number(style, styles) if kind == Kind.NUMBER else kind)
    return which, np.array(kinds, dtype=np.int8)[which], looks


def _kind_of_number(style: bytes, styles: openxml.Styles) -> Kind:
    if style in styles.dates:
        return Kind.DATE
    return Kind.TIME if style in styles.times else Kind.NUMBER


def _number(text: Text, _: Callable[[], Text]) -> cells.Cells:
    values = _cast(text, pa.float64()).to_numpy()
    if not np.isfinite(values).all():
        raise UnfamiliarError
    return cells.of_numbers(values)


def _date(text: Text, _: Callable[[], Text]) -> cells.Cells:
    days = _cast(text, pa.float64()).to_numpy()
    if not ((days >= cells.FIRST_DATE) & (days < cells.LAST_DATE)).all():
        raise UnfamiliarError
    return cells.of_dates(days)


def _shared(text: Text, shared: Callable[[], Text]) -> cells.Cells:
    try:
        return _plain(shared().take(_cast(text, pa.int32())))
    except IndexError as error:
        raise UnfamiliarError from error


def _truth(text: Text, _: Callable[[], Text]) -> cells.Cells:
    is_true = pc.equal(text, "1")
    if not pc.all(pc.or_(is_true, pc.equal(text, "0"))).as_py():
        raise UnfamiliarError
    return _plain(pc.if_else(is_true, "TRUE", "FALSE"))


def _error(text: Text, _: Callable[[], Text]) -> cells.Cells:
    if not pc.all(pc.is_in(text, pa.array(ERRORS.values(), pa.string()))).as_py():
        raise UnfamiliarError
    return _plain(text)


def _no_result(text: Text, _: Callable[[], Text]) -> cells.Cells:
    return _plain(pa.repeat(pa.scalar(NO_RESULT, pa.string()), len(text)))


def _unsure(_: Text, __: Callable[[], Text]) -> cells.Cells:
    raise UnfamiliarError


def _plain(text: Text) -> cells.Cells:
    return cells.Cells(text, np.zeros(len(text), dtype=np.int8))


def _cast(text: Text, kind: pa.DataType) -> Text:
    try:
        return text.cast(kind)
    except pa.ArrowInvalid as error:
        raise UnfamiliarError from error


_READ: Final[Mapping[int, Callable[[Text, Callable[[], Text]], cells.Cells]]] = {
    Kind.NUMBER: _number,
    Kind.SHARED: _shared,
    Kind.DATE: _date,
    Kind.TIME: _unsure,
    Kind.TRUTH: _truth,
    Kind.ERROR: _error,
    Kind.NO_RESULT: _no_result,
}

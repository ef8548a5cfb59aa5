"""An EDI file as a person reads it: what each segment is called, where it belongs, what of it makes rows."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct

from importer.manifests.edi import envelopes, names
from importer.manifests.edi.grammar import GRAMMARS, HEADS, identified, text_of
from importer.manifests.edi.lines import Line
from importer.manifests.edi.manifest import READERS
from importer.manifests.edi.marks import Marks
from importer.manifests.edi.nesting import Nesting
from importer.manifests.edi.standards import READ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from importer.manifests.edi.grammar import Grammar
    from importer.manifests.edi.partners import Partner
    from importer.manifests.edi.segments import Delimiters, Segment, Stretch
    from importer.manifests.edi.units import Fault, Survey


class Value(NamedTuple):
    """A component of an element that is not blank, as plain text; both count from 1.

    ``name`` is what the element is called, ``meaning`` what its code means ("" where that is not known),
    ``column`` the column of the rows that it stands in, "" if it stands in none.
    """

    element: int
    component: int
    text: str
    name: str
    meaning: str
    column: str


class Entry(Struct, frozen=True):
    """One segment in its place, or what is told of a file beside its segments (then ``elements`` is ()).

    ``elements`` are raw, the tag first, with ``separator`` between them. ``depth`` counts from 0, ``offset``
    is in bytes. ``path`` names it among its like: ``ST 0001``, ``HL 4``. ``refusal`` says of a transaction's
    first segment why none of it is posted. ``rows`` are the data rows that begin here.
    """

    depth: int
    position: int
    offset: int = 0
    elements: tuple[str, ...] = ()
    separator: str = ""
    name: str = ""
    path: str = ""
    values: tuple[Value, ...] = ()
    refusal: str = ""
    faults: tuple[Fault, ...] = ()
    rows: tuple[Line, ...] = ()


def show(
    stretches: Iterable[Stretch], found: Survey, partner_of: Callable[[str], Partner]
) -> Iterator[Entry]:
    """Every segment of a file, in order, and every fault at its place.

    ``found`` is what a survey has found in the same ``stretches``, ``partner_of`` gets the sender's id. Some
    thousand segments are kept at a time.
    """
    walk = _Walk(stretches, found)
    around: _Around | None = None
    while walk.ahead is not None:
        stretch, segment = walk.ahead
        tag, grammar = segment.elements[0], GRAMMARS[stretch.standard]
        if around is None or tag in HEADS:
            partner = partner_of(identified(segment, stretch).sender)
            around = _Around(grammar, stretch.delimiters, partner)
        if tag == grammar.transaction.head:
            yield from _Transaction(walk, around, segment).entries()
        else:
            around = around._replace(in_group=_is_in_group(tag, around))
            walk.advance()
            yield from walk.tell(segment, around, _depth(tag, grammar))
    yield from walk.rest()


_WINDOW: Final = 20_000  # segments that are read ahead of what is told, since a row may end far below


class _Around(NamedTuple):
    """What the segments that are being told stand in."""

    grammar: Grammar
    delimiters: Delimiters
    partner: Partner
    in_group: bool = False


def _is_in_group(tag: str, around: _Around) -> bool:
    group = around.grammar.group
    return tag == group.head or (around.in_group and tag != group.tail)


def _depth(tag: str, grammar: Grammar) -> int:
    return 0 if tag in {grammar.interchange.head, grammar.interchange.tail} else 1


class _Walk:
    """Goes through a file, with what a survey has found in it; ``position`` is the last that was told."""

    def __init__(self, stretches: Iterable[Stretch], found: Survey) -> None:
        self._segments = ((stretch, each) for stretch in stretches for each in stretch.segments)
        self._faults = deque(sorted(_faults(found), key=lambda fault: fault.place.segment))
        self.refusals = {
            transaction.place.segment: f"rejected: {fault.message} ({fault.place.words})"
            for interchange, group, transaction in found.transactions()
            if (fault := envelopes.verdict(interchange, group, transaction))
        }
        self.position = 0
        self.ahead: tuple[Stretch, Segment] | None = None
        self.advance()

    def advance(self) -> None:
        self.ahead = next(self._segments, None)

    def body(self, grammar: Grammar, held: deque[Segment]) -> Iterator[Segment]:
        """The segments of the transaction ahead; they are put into ``held``, too."""
        is_first = True
        while self.ahead is not None:
            segment = self.ahead[1]
            tag = segment.elements[0]
            is_tail = tag == grammar.transaction.tail
            if not is_first and tag in grammar.service and not is_tail:
                return
            is_first = False
            held.append(segment)
            self.advance()
            yield segment
            if is_tail:
                return

    def tell(
        self,
        segment: Segment,
        around: _Around,
        depth: int,
        marks: Marks | None = None,
        rows: tuple[Line, ...] = (),
    ) -> Iterator[Entry]:
        """A segment, after what is wrong between it and the one before."""
        self.position = position = segment.position
        while self._faults and self._faults[0].place.segment < position:
            yield self._beside(depth)
        faults = []
        while self._faults and self._faults[0].place.segment == position:
            faults.append(self._faults.popleft())
        delimiters, standard, tag = around.delimiters, around.grammar.standard, segment.elements[0]
        yield Entry(
            depth,
            position,
            segment.offset,
            tuple(segment.elements),
            delimiters.element,
            names.name_of(standard, tag).segment,
            f"{tag} {text_of(delimiters, segment, _NUMBERS.get(tag, 1), 1)}".strip(),
            tuple(_values(segment, around, marks)),
            self.refusals.get(position, ""),
            tuple(faults),
            rows,
        )

    def rest(self) -> Iterator[Entry]:
        """What is wrong behind the last segment."""
        while self._faults:
            yield self._beside(0)

    def _beside(self, depth: int) -> Entry:
        fault = self._faults.popleft()
        return Entry(depth, fault.place.segment, fault.place.offset, faults=(fault,))


# By tag, the element that tells one from the other; for others it is the first.
_NUMBERS: Final = {
    **dict.fromkeys(("UNB", "UNG"), 5),
    "ISA": 13,
    "GS": 6,
    "ST": 2,
    **dict.fromkeys(("IEA", "GE", "SE", "UNZ", "UNE", "UNT"), 2),
}


def _faults(found: Survey) -> Iterator[Fault]:
    yield from found.faults
    for interchange in found.interchanges:
        yield from interchange.faults
        for group in interchange.groups:
            yield from group.faults
            for transaction in group.transactions:
                yield from transaction.faults


class _Transaction:
    """A transaction: ``_held`` are its segments that were read and not told, ``_rows`` those of its rows."""

    def __init__(self, walk: _Walk, around: _Around, first: Segment) -> None:
        kind = text_of(around.delimiters, first, around.grammar.kind, 1)
        self._walk = walk
        self._around = around
        self._reader = READERS[kind] if READ.get(kind) is around.grammar.standard else None
        self._refused = first.position if first.position in walk.refusals else 0
        self._depth = 2 if around.in_group else 1
        self._nesting = Nesting(kind)
        self._marks = Marks(kind, around.partner, around.delimiters)
        self._held: deque[Segment] = deque()
        self._rows: dict[int, list[Line]] = {}

    def entries(self) -> Iterator[Entry]:
        body = self._walk.body(self._around.grammar, self._held)
        for found in self._read(body):
            if isinstance(found, Line):
                yield from self._keep(found)
            if len(self._held) > _WINDOW:
                yield from self._tell(_WINDOW)
        yield from self._tell(0)

    def _read(self, body: Iterator[Segment]) -> Iterator[Line | Fault | Segment]:
        """Its rows, or its segments if it is of a kind that is not read; what is wrong is known already."""
        if self._reader is not None:
            yield from self._reader(body, self._around.delimiters, self._around.partner)
        yield from body

    def _keep(self, line: Line) -> Iterator[Entry]:
        self._marks.add(line)
        if self._refused:
            line = line._replace(verdict=f"rejected with its transaction, segment {self._refused}")
        if line.position <= self._walk.position:  # it ended more than a window below
            yield Entry(self._depth + 1, line.position, rows=(line,))
        else:
            self._rows.setdefault(line.position, []).append(line)

    def _tell(self, keep: int) -> Iterator[Entry]:
        unit = self._around.grammar.transaction
        while len(self._held) > keep:
            segment = self._held.popleft()
            depth = self._depth
            if segment.elements[0] not in {unit.head, unit.tail}:
                depth += 1 + self._nesting.depth(segment, self._around.delimiters)
            rows = tuple(self._rows.pop(segment.position, ()))
            yield from self._walk.tell(segment, self._around, depth, self._marks, rows)


def _values(segment: Segment, around: _Around, marks: Marks | None) -> Iterator[Value]:
    standard, delimiters, elements = around.grammar.standard, around.delimiters, segment.elements
    tag = elements[0]
    for element, raw in enumerate(elements[1:], 1):
        # ISA names the separators themselves.
        for part in [raw] if tag == "ISA" else delimiters.repetitions(raw):
            for component, text in enumerate([part] if tag == "ISA" else delimiters.components(part), 1):
                if text := text.strip():
                    yield Value(
                        element,
                        component,
                        text,
                        names.element_name(standard, tag, element, component),
                        names.code_name(standard, tag, element, component, text),
                        marks.column(elements, element, component, text) if marks else "",
                    )

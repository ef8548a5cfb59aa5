"""What ISA, GS, ST and UNB, UNG, UNH have in which element, and what follows from it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from importer.manifests.edi.standards import Standard
from importer.manifests.edi.units import Fault, Interchange, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.manifests.edi.segments import Delimiters, Segment, Stretch


class Codes(NamedTuple):
    """The codes of the faults that units of one level have at their end."""

    control: str
    total: str
    trailer: str


class Unit(NamedTuple):
    """A unit's first and last segment: the first has the control number, the last a count and it again."""

    head: str
    tail: str
    control: int
    counted: str
    codes: Codes


class Grammar(NamedTuple):
    """The envelopes of one standard.

    Any of ``service`` ends a transaction. ``kind`` is the element of a transaction's head that says what it
    is, ``version`` that of a group's head with its version.
    """

    standard: Standard
    interchange: Unit
    group: Unit
    transaction: Unit
    service: frozenset[str]
    kind: int
    version: int


_INTERCHANGE: Final = Codes("interchange-control-number", "interchange-count", "interchange-trailer")
_GROUP: Final = Codes("group-control-number", "group-count", "group-trailer")
_TRANSACTION: Final = Codes("transaction-control-number", "segment-count", "transaction-trailer")
HEADS: Final = frozenset({"ISA", "UNB"})
TRAILERS: Final = frozenset({"IEA", "UNZ"})
"""What an interchange begins with."""
INTERCHANGE_ANSWER: Final = "TA1"
"""What acknowledges an earlier interchange, and stands in no group."""
GRAMMARS: Final = {
    Standard.X12: Grammar(
        Standard.X12,
        Unit("ISA", "IEA", 13, "groups", _INTERCHANGE),
        Unit("GS", "GE", 6, "transactions", _GROUP),
        Unit("ST", "SE", 2, "segments", _TRANSACTION),
        HEADS | {"IEA", "GS", "GE", "ST", "SE"},
        kind=1,
        version=8,
    ),
    Standard.EDIFACT: Grammar(
        Standard.EDIFACT,
        Unit("UNB", "UNZ", 5, "messages", _INTERCHANGE),
        Unit("UNG", "UNE", 5, "messages", _GROUP),
        Unit("UNH", "UNT", 1, "segments", _TRANSACTION),
        HEADS | {"UNZ", "UNG", "UNE", "UNH", "UNT"},
        kind=2,
        version=7,
    ),
}
GROUP_CODES: Final = {"856": "SH", "945": "SW", "DESADV": "DESADV"}
"""What GS01 (element 479) or UNG's 0038 should be, by kind of transaction."""


def identified(head: Segment, stretch: Stretch) -> Interchange:
    """An interchange with all that its head says, and nothing in it yet."""
    fields, delimiters = _FIELDS[stretch.standard], stretch.delimiters
    return Interchange(
        standard=stretch.standard,
        delimiters=delimiters,
        sender=text_of(delimiters, head, *fields.sender),
        sender_qualifier=text_of(delimiters, head, *fields.sender_qualifier),
        receiver=text_of(delimiters, head, *fields.receiver),
        receiver_qualifier=text_of(delimiters, head, *fields.receiver_qualifier),
        control=text_of(delimiters, head, *fields.control),
        version=":".join(delimiters.components(text_of(delimiters, head, fields.version, 0))),
        place=place_of(head),
        head=tuple(head.elements),
        groups=(),
        content="",
        wants_answer=text_of(delimiters, head, *fields.wants_answer) == "1",
        is_test=text_of(delimiters, head, *fields.is_test) == fields.test,
    )


class _Fields(NamedTuple):
    """Which element, and which component of it (0: it has none), says what of an interchange."""

    sender: tuple[int, int]
    sender_qualifier: tuple[int, int]
    receiver: tuple[int, int]
    receiver_qualifier: tuple[int, int]
    control: tuple[int, int]
    version: int
    wants_answer: tuple[int, int]
    is_test: tuple[int, int]
    test: str


_FIELDS: Final = {
    Standard.X12: _Fields((6, 0), (5, 0), (8, 0), (7, 0), (13, 0), 12, (14, 0), (15, 0), "T"),
    Standard.EDIFACT: _Fields((2, 1), (2, 2), (3, 1), (3, 2), (5, 1), 1, (9, 1), (11, 1), "1"),
}


def head_faults(head: Segment, delimiters: Delimiters, standard: Standard) -> Iterator[Fault]:
    """What is wrong with ISA or UNB, as far as the reading depends on it."""
    tag, count = head.elements[0], len(head.elements) - 1
    allowed, words = _LENGTHS[standard]
    if count not in allowed:
        message = f"{tag} has {count} elements, expected {words}: a separator or terminator is lost"
        yield Fault("interchange-head", message, place_of(head))
    for rule in _RULES[standard]:
        found = text_of(delimiters, head, rule.element, rule.component)
        if not rule.pattern.fullmatch(found):
            message = f"{tag}{rule.element:02} has '{found}', expected {rule.expected}"
            place = place_of(head, 0, rule.element, rule.component)
            yield Fault("interchange-head", message, place, found)


class _Rule(NamedTuple):
    """What an element of ISA or UNB must be; ``component`` counts from 1, 0: the element has none."""

    element: int
    component: int
    pattern: re.Pattern[str]
    expected: str


_SOMETHING: Final = re.compile(r".+", re.DOTALL)
# No dates and the like: partners err in them, and nothing comes of it.
_RULES: Final = {
    Standard.X12: (
        _Rule(6, 0, _SOMETHING, "the sender's id"),
        _Rule(8, 0, _SOMETHING, "the receiver's id"),
        _Rule(12, 0, re.compile(r"[0-9]{5}"), "a version such as 00401"),
        _Rule(13, 0, re.compile(r"[0-9]{1,9}"), "a control number of 9 digits"),
        _Rule(15, 0, re.compile(r"[PTI]"), "P or T"),
    ),
    Standard.EDIFACT: (
        _Rule(1, 1, re.compile(r"[A-Z]{3}[A-Z0-9]"), "a syntax identifier such as UNOC"),
        _Rule(1, 2, re.compile(r"[1-4]"), "a syntax version from 1 to 4"),
        _Rule(2, 1, _SOMETHING, "the sender's id"),
        _Rule(3, 1, _SOMETHING, "the receiver's id"),
        _Rule(5, 1, _SOMETHING, "a control reference"),
    ),
}
_LENGTHS: Final = {
    Standard.X12: (range(16, 17), "16"),
    Standard.EDIFACT: (range(5, 12), "5 to 11"),
}


def text_of(delimiters: Delimiters, segment: Segment, element: int, component: int) -> str:
    """An element, or a component of it (from 1; 0: the whole element), without blanks around it."""
    raw = segment.elements[element] if element < len(segment.elements) else ""
    if not component:
        return raw.strip()
    components = delimiters.components(raw)
    return components[component - 1].strip() if component <= len(components) else ""


def place_of(segment: Segment, inside: int = 0, element: int = 0, component: int = 0) -> Place:
    """Where the segment stands, or an element of it."""
    return Place(segment.position, segment.offset, segment.elements[0], inside, element, component)

"""Counting what an EDI transaction has, against the totals at its end: CTT, W03, CNT."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from importer.manifests.edi.grammar import place_of, text_of
from importer.manifests.edi.units import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from importer.manifests.edi.segments import Delimiters, Segment


class Tally(Struct):
    """Counts the segments of one transaction while somebody else reads them.

    ``count`` and ``last`` are about all segments seen, ``reference`` is the document's own number.
    """

    delimiters: Delimiters
    count: int = 0
    last: Segment | None = None
    reference: str = ""
    levels: int = 0
    lines: int = 0
    # None when a quantity is no number: then there is no sum to compare.
    shipped: Decimal | None = Decimal(0)
    shipped_by_line: Decimal | None = Decimal(0)
    # An 856 may say the quantity of an item again in the packs below it: a breakdown, no line of its own.
    is_new_line: bool = False
    totals: list[tuple[Segment, int]] = field(default_factory=list)

    def watch(self, segments: Iterator[Segment]) -> Iterator[Segment]:
        """The same segments, each counted before it is handed on."""
        for segment in segments:
            self.count += 1
            self.last = segment
            note = _NOTES.get(segment.elements[0])
            if note is not None:
                note(self, segment)
            yield segment

    def text(self, segment: Segment, element: int) -> str:
        """What the segment has in this element, up to its first component separator."""
        return text_of(self.delimiters, segment, element, 1)

    def faults(self) -> Iterator[Fault]:
        """The totals that are not what was counted; all of them are harmless."""
        for segment, inside in self.totals:
            yield from _CHECKS[segment.elements[0]](self, segment, inside)


def _note_level(tally: Tally, _segment: Segment) -> None:
    tally.levels += 1


def _note_line(tally: Tally, _segment: Segment) -> None:
    tally.lines += 1
    tally.is_new_line = True


def _note_item_quantity(tally: Tally, segment: Segment) -> None:
    shipped = tally.text(segment, 2)
    tally.shipped = _plus(tally.shipped, shipped)
    if tally.is_new_line:
        tally.shipped_by_line = _plus(tally.shipped_by_line, shipped)
        tally.is_new_line = False


def _note_warehouse_item(tally: Tally, segment: Segment) -> None:
    tally.shipped = _plus(tally.shipped, tally.text(segment, 3))


def _note_notice(tally: Tally, segment: Segment) -> None:
    tally.reference = tally.reference or tally.text(segment, 2)


def _note_warehouse_advice(tally: Tally, segment: Segment) -> None:
    tally.reference = tally.reference or tally.text(segment, 4) or tally.text(segment, 2)


def _note_total(tally: Tally, segment: Segment) -> None:
    tally.totals.append((segment, tally.count))


_NOTES: Final[dict[str, Callable[[Tally, Segment], None]]] = {
    "HL": _note_level,
    "LIN": _note_line,
    "SN1": _note_item_quantity,
    "W12": _note_warehouse_item,
    "BSN": _note_notice,
    "BGM": _note_notice,
    "W06": _note_warehouse_advice,
    "CTT": _note_total,
    "W03": _note_total,
    "CNT": _note_total,
}


def _check_transaction_totals(tally: Tally, segment: Segment, inside: int) -> Iterator[Fault]:
    # The standard means LIN; most retailers' guides mean HL.
    said = tally.text(segment, 1)
    if said and _number(said) not in {tally.levels, tally.lines}:
        found = f"counted {tally.levels} HL and {tally.lines} LIN"
        yield _fault(segment, inside, f"CTT01 says {said}, {found}", said)
    said = tally.text(segment, 2)
    if said and _differs(said, tally.shipped) and _differs(said, tally.shipped_by_line):
        yield _fault(segment, inside, f"CTT02 says {said}, SN102 add up to {tally.shipped}", said, element=2)


def _check_warehouse_totals(tally: Tally, segment: Segment, inside: int) -> Iterator[Fault]:
    said = tally.text(segment, 1)
    if said and _differs(said, tally.shipped):
        yield _fault(segment, inside, f"W0301 says {said}, W1203 add up to {tally.shipped}", said)


_LINES: Final = "2"  # 6069: number of line items in the message


def _check_control_total(tally: Tally, segment: Segment, inside: int) -> Iterator[Fault]:
    for raw in segment.elements[1:]:
        qualifier, *values = tally.delimiters.components(raw)
        said = values[0].strip() if values else ""
        if qualifier.strip() == _LINES and _number(said) != tally.lines:
            yield _fault(segment, inside, f"CNT+2 says {said}, counted {tally.lines} LIN", said, component=2)


_CHECKS: Final[dict[str, Callable[[Tally, Segment, int], Iterator[Fault]]]] = {
    "CTT": _check_transaction_totals,
    "W03": _check_warehouse_totals,
    "CNT": _check_control_total,
}


def _fault(
    segment: Segment, inside: int, message: str, value: str, element: int = 1, component: int = 0
) -> Fault:
    return Fault("total", message, place_of(segment, inside, element, component), value)


def _plus(total: Decimal | None, text: str) -> Decimal | None:
    number = _number(text)
    return None if total is None or number is None else total + number


def _differs(said: str, total: Decimal | None) -> bool:
    return total is not None and _number(said) != total


@lru_cache(maxsize=1024)  # few quantities differ
def _number(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None


_NUMBER: Final = re.compile(r"-?(?:[0-9]{1,15}(?:\.[0-9]{0,6})?|\.[0-9]{1,6})")

"""X12 945 (warehouse shipping advice) → lines: one per W12, with what its LX loop and the header say of it.

Shape and codes by the 004010 dictionary: ST W06 N1* N9* W27, LX loops of MAN, N9 and W12 loops, W03 SE;
elements 514 (W06-01), 368 (W12-01) and 88 (MAN01).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct, field

from importer.manifests.edi import levels, values
from importer.manifests.edi.lines import Line
from importer.manifests.edi.units import Fault, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from importer.manifests.edi.levels import Level
    from importer.manifests.edi.partners import Partner
    from importer.manifests.edi.segments import Delimiters, Segment

    Step: TypeAlias = Callable[["_Advice", Segment, int], Iterator[Line | Fault]]


def lines(segments: Iterator[Segment], _delimiters: Delimiters, partner: Partner) -> Iterator[Line | Fault]:
    """Read the rows of one 945, from ST to SE; a fault where quantities of a W12 contradict each other."""
    advice = _Advice(partner)
    for inside, segment in enumerate(segments, 1):
        advice.position = advice.position or segment.position
        step = _STEPS.get(segment.elements[0])
        if step:
            yield from step(advice, segment, inside)
        else:
            advice.keep(segment)
    yield from advice.close()


_CARRIER: Final = ("W27-02", "MAN*2", "W27-03")  # SCAC, SCAC of the carton, the carrier in words
_SSCC: Final = ("MAN*GM", "MAN*AA")

# Elements of W12
_STATUS, _ORDERED, _SHIPPED, _DIFFERENCE, _UNIT, _UPC = 1, 2, 3, 4, 5, 6
_QUALIFIERS: Final = (7, 17, 21)  # the SKU that each tells of is the next
_LONGEST_QUALIFIER: Final = 3  # X12 has 2; SKU is seen

_UNCLEAR: Final = (
    "split unknown: a MAN with the tracking number stands between two W12 and may be of either, for an SSCC "
    "(MAN*GM, MAN*AA) stands in front of the first and with it"
)
_NO_SHIPMENT: Final = {"C": "a cancellation or a return", "CANCEL": "a cancellation", "K": "a simulation"}
_ITEM_CANCELLED: Final = {
    "CK": "cancelled from the previous order",
    "CU": "cancelled line item",
    "DE": "deleted order",
    "IC": "item cancelled",
}


class _Item(Struct, frozen=True):
    """A W12, and what is said of it behind it."""

    elements: tuple[str, ...]
    position: int
    number: int
    level: Level = field(default_factory=dict)


class _Advice:
    """What has been read of a 945, as far as lines yet to come need it."""

    def __init__(self, partner: Partner) -> None:
        self.partner = partner
        self.places = partner.places["945"]
        self.wanted = levels.wanted((*self.places.order_id, *self.places.tracking, *_CARRIER, *_SSCC))
        self.position = 0  # of the segment that stands for an order without lines
        self.begin()

    def begin(self) -> None:
        """Begin an order: nothing that was said of another counts for it."""
        self.header: Level = {}
        self.shipment = ""
        self.refusal = ""
        self.has_w06 = False
        self.is_told = False
        self.begin_loop("")

    def begin_loop(self, name: str) -> None:
        """Begin what an LX holds; ``name`` is "" above the first."""
        self.name = name
        self.loop: Level = {}
        self.items = 0
        self.item: _Item | None = None
        self.is_within_item = False
        self.is_unclear = False  # whether a MAN is of the W12 before it or of the one behind it

    def keep(self, segment: Segment) -> None:
        """Write down what a segment says of the item, the loop or the order that it stands in."""
        for text, place in self.wanted.get(segment.elements[0], ()):
            levels.keep(self.level, text, place, place.values(segment.elements))

    @property
    def level(self) -> Level:
        """Where the next segment belongs."""
        return self.item.level if self.item else self.carton

    @property
    def carton(self) -> Level:
        """What is said in front of the items: a carton, or the whole order where there is no LX."""
        return self.loop if self.name else self.header

    def close_item(self) -> Iterator[Line]:
        """Give the item that has been read, if there is one."""
        if self.item:
            yield _line(self, self.item)
            self.item, self.is_told = None, True

    def close_loop(self) -> Iterator[Line]:
        """Give the last item of a loop: a MAN behind it is one carton more of this item."""
        if self.item:
            for text in _marks(self.item.level).keys() & self.carton.keys():
                self.item.level[text] = [*self.carton[text], *self.item.level[text]]
        yield from self.close_item()

    def close(self) -> Iterator[Line]:
        """Give what is left of an order, one line at least for each."""
        yield from self.close_loop()
        if not self.is_told:
            yield _order_without_lines(self)
            self.is_told = True


def _order(advice: _Advice, segment: Segment, _: int) -> Iterator[Line | Fault]:
    """W06: another one in the same transaction is another order."""
    if advice.has_w06:
        yield from advice.close()
        advice.begin()
        advice.position = segment.position
    elements = _stripped(segment)
    code = _at(elements, 1)
    why = _NO_SHIPMENT.get(code.upper()[: len("CANCEL")])
    advice.has_w06 = True
    advice.shipment = _at(elements, 4) or _at(elements, 2)
    advice.refusal = f"cancelled: W06-01 is {code}, {why}" if why else ""
    advice.keep(segment)


def _loop(advice: _Advice, segment: Segment, _: int) -> Iterator[Line | Fault]:
    """LX: between LS and LE it parts the item, else it begins a carton or a pallet."""
    if not advice.is_within_item:
        yield from advice.close_loop()
        advice.begin_loop(f"LX {_at(_stripped(segment), 1)}".strip())


def _bounds(advice: _Advice, segment: Segment, _: int) -> Iterator[Line | Fault]:
    advice.is_within_item = segment.elements[0] == "LS" and advice.item is not None
    yield from ()


def _next_item(advice: _Advice, segment: Segment, inside: int) -> Iterator[Line | Fault]:
    """W12; LX MAN W12 MAN W12 are two cartons in one loop: each MAN is of the W12 that follows it."""
    next_carton = _next_carton(advice, advice.item) if advice.item else {}
    yield from advice.close_item()
    if next_carton:
        for text in _marks(advice.carton):
            del advice.carton[text]
        advice.carton.update(next_carton)
    advice.items += 1
    advice.is_within_item = False
    advice.item = _Item(_stripped(segment), segment.position, advice.items)
    advice.keep(segment)
    yield from _contradictions(advice, segment, inside)


def _next_carton(advice: _Advice, item: _Item) -> Level:
    """Take from an item what MAN behind it say of the next, if the first W12 has tracking numbers in front.

    An SSCC in front tells nothing of where tracking numbers stand: where both stand behind an item, they
    may be its own or open the next carton.
    """
    front, behind = _marks(advice.carton), _marks(item.level)
    has_tracking = [not level.keys().isdisjoint(advice.places.tracking) for level in (front, behind)]
    if not front or has_tracking == [False, True]:
        opens = [{_opening(text) for text in level} for level in (front, behind)]
        advice.is_unclear = advice.is_unclear or not opens[0].isdisjoint(opens[1])
        return {}
    for text in behind:
        del item.level[text]
    return behind


def _opening(text: str) -> str:
    """Name the places of an SSCC alike."""
    return _SSCC[0] if text in _SSCC else text


def _last(advice: _Advice, _: Segment, __: int) -> Iterator[Line | Fault]:
    yield from advice.close()


_STEPS: Final[dict[str, Step]] = {
    "W06": _order,
    "LX": _loop,
    "LS": _bounds,
    "LE": _bounds,
    "W12": _next_item,
    "W03": _last,
}


def _marks(level: Level) -> Level:
    """What MAN segments say, which open a carton."""
    return {text: found for text, found in level.items() if text.startswith("MAN")}


def _contradictions(advice: _Advice, segment: Segment, inside: int) -> Iterator[Fault]:
    """W12-02 less W12-03 is W12-04; some write it the other way round."""
    elements = _stripped(segment)
    ordered, shipped, difference = (
        values.number(_at(elements, place)) for place in (_ORDERED, _SHIPPED, _DIFFERENCE)
    )
    if ordered is None or shipped is None or difference is None or _shifted(elements, advice.places.sku):
        return
    if abs(ordered - shipped) != abs(difference):
        yield Fault(
            "total",
            f"W12-04 says {_at(elements, _DIFFERENCE)}, but W12-02 less W12-03, {ordered} less {shipped}, "
            f"is {ordered - shipped}",
            Place(segment.position, segment.offset, "W12", inside, _DIFFERENCE),
            _at(elements, _DIFFERENCE),
        )


def _line(advice: _Advice, item: _Item) -> Line:
    around = (item.level, advice.loop, advice.header)
    elements, partner, unit = item.elements, advice.partner, _at(item.elements, _UNIT).upper()
    orders = levels.preferred(advice.places.order_id, around)
    tracking = levels.preferred(advice.places.tracking, around)
    shifted = _shifted(elements, advice.places.sku)
    return Line(
        order_id=" / ".join(values.order_id(order, partner) for order in orders),
        sku="" if shifted else _sku(elements, advice.places.sku),
        quantity=values.pieces(_at(elements, _SHIPPED), unit, partner),
        tracking_number=" / ".join(tracking),
        tracking_company=_carrier(around, partner),
        verdict=advice.refusal
        or shifted
        or _not_shipped(elements)
        or (_UNCLEAR if advice.is_unclear else "")
        or levels.split(advice.name or "the order", orders, tracking),
        unit=unit,
        ordered=values.pieces(_at(elements, _ORDERED), unit, partner),
        sscc=" / ".join(values.sscc(number) for number in levels.nearest(_SSCC, around)),
        shipment=advice.shipment,
        position=item.position,
        path=f"{advice.name} / W12 {item.number}" if advice.name else f"W12 {item.number}",
    )


def _order_without_lines(advice: _Advice) -> Line:
    around = (advice.loop, advice.header)
    orders = levels.preferred(advice.places.order_id, around)
    return Line(
        order_id=" / ".join(values.order_id(order, advice.partner) for order in orders),
        sku="",
        quantity="",
        tracking_number=" / ".join(levels.preferred(advice.places.tracking, around)),
        tracking_company=_carrier(around, advice.partner),
        verdict=advice.refusal or "no lines: the order has no W12, so SKU and quantity are not known",
        unit="",
        ordered="",
        sscc="",
        shipment=advice.shipment,
        position=advice.position,
        path="",
    )


def _carrier(around: Sequence[Level], partner: Partner) -> str:
    return next((values.carrier(text, partner) for text in levels.nearest(_CARRIER, around)), "")


def _sku(elements: Sequence[str], preferred: Sequence[str]) -> str:
    """Take the SKU whose qualifier the partner prefers; failing these, the UPC in W12-06."""
    found = {_at(elements, place): _at(elements, place + 1) for place in reversed(_QUALIFIERS)}
    return next((found[qualifier] for qualifier in preferred if found.get(qualifier)), _at(elements, _UPC))


def _shifted(elements: Sequence[str], qualifiers: Sequence[str]) -> str:
    """Tell what stands where something else belongs, since an element before it was left out."""
    unit, upc = _at(elements, _UNIT), _at(elements, _UPC)
    if unit.isdigit():
        return f"shifted: W12-05 is {unit}, expected a unit of measure; an element before it is missing"
    if upc in qualifiers:
        return f"shifted: W12-06 is {upc}, expected a UPC; an element before it is missing"
    for place in _QUALIFIERS:
        found = _at(elements, place)
        if len(found) > _LONGEST_QUALIFIER and found not in qualifiers:
            return (
                f"shifted: W12-{place:02} is {found}, expected a qualifier; an element is missing before it"
            )
    return ""


def _not_shipped(elements: Sequence[str]) -> str:
    status, ordered, shipped = (_at(elements, place) for place in (_STATUS, _ORDERED, _SHIPPED))
    why = _ITEM_CANCELLED.get(status.upper())
    if why:
        return f"not shipped: W12-01 is {status}, {why}"
    if values.is_zero(shipped):
        return f"not shipped: W12-03 is {shipped}, W12-02 ordered {ordered or 'is blank'}"
    return ""


def _stripped(segment: Segment) -> tuple[str, ...]:
    return tuple(element.strip() for element in segment.elements)


def _at(elements: Sequence[str], place: int) -> str:
    return elements[place] if place < len(elements) else ""

"""EDIFACT DESADV (despatch advice) → lines: one per LIN, with what its packages and the header say of it.

Shape and codes by the UN/EDIFACT directory D.96A; D.93A to D.21B share them: UNH BGM RFF NAD TDT, CPS groups
of PAC (PCI, RFF, GIN) and LIN (PIA, QTY, RFF, GIN, PCI), UNT; code lists 1225 (BGM), 1229 (LIN), 4347 (PIA),
6063 (QTY), 8051 (TDT). Cartons may follow a pallet without a CPS of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from msgspec import Struct, field

from importer.manifests.edi import levels, values
from importer.manifests.edi.lines import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from importer.manifests.edi.levels import Level
    from importer.manifests.edi.partners import Partner
    from importer.manifests.edi.segments import Delimiters, Segment
    from importer.manifests.edi.units import Fault
    from importer.manifests.edi.values import ValuePlace

    Step: TypeAlias = Callable[["_Advice", Segment], Iterator[Line]]


def lines(segments: Iterator[Segment], delimiters: Delimiters, partner: Partner) -> Iterator[Line | Fault]:
    """Read the rows of one DESADV, from UNH to UNT."""
    advice = _Advice(delimiters, partner)
    for segment in segments:
        advice.position = advice.position or segment.position
        step = _STEPS.get(segment.elements[0])
        if step:
            yield from step(advice, segment)
        advice.keep(segment)
    yield from advice.close()


_CARRIER: Final = ("TDT+20", "TDT", "NAD+CA")  # main carriage, any carriage, the party
_SSCC: Final = ("GIN+BJ", "GIN+AW")
_DESPATCHED, _ORDERED = "12", "21"
_OWN_IDENTIFICATION: Final = frozenset({"1", "5"})  # the other codes of 4347 tell of substitutes
_LONGEST_QUALIFIER: Final = 3

_REFUSALS: Final = {
    "1": "cancelled: BGM 1225 is 1, cancellation",
    "3": "cancelled: BGM 1225 is 3, deletion",
    "17": "cancelled: BGM 1225 is 17, cancel, to be reissued",
    "53": "cancelled: BGM 1225 is 53, test",
    "4": "replaces: BGM 1225 is 4, change",
    "5": "replaces: BGM 1225 is 5, replace",
    "7": "replaces: BGM 1225 is 7, duplicate",
    "18": "replaces: BGM 1225 is 18, reissue",
    "20": "replaces: BGM 1225 is 20, replace heading section only",
    "21": "replaces: BGM 1225 is 21, replace item detail and summary only",
    "31": "replaces: BGM 1225 is 31, copy",
    "33": "replaces: BGM 1225 is 33, change in heading section",
    "36": "replaces: BGM 1225 is 36, change in detail section",
}
_SUB_LINE: Final = "1"  # 5495 of C829; 1082 behind it is the number of the line that it belongs to
_IS_SUB_LINE: Final = "split unknown: a line inside another line; which of the two the order has is not said"
_HAS_SUB_LINES: Final = (
    "split unknown: another line is inside this line; which of the two the order has is not said"
)
_NO_ITEM: Final = {"2": "deleted", "7": "not accepted"}


class _Quantity(NamedTuple):
    """A QTY; ``number`` has a point for a decimal mark, ``unit`` is in capitals."""

    qualifier: str
    number: str
    unit: str


class _Package(Struct, frozen=True):
    """A CPS, and those that it stands in."""

    number: str
    parent: _Package | None
    level: Level = field(default_factory=dict)

    def levels(self) -> Iterator[Level]:
        """What is said of it and of those around it, from the inside out."""
        package: _Package | None = self
        while package:
            yield package.level
            package = package.parent


class _Part(Struct, frozen=True):
    """A PCI of a line: the line's pieces that have these marks."""

    position: int
    level: Level = field(default_factory=dict)
    quantities: list[_Quantity] = field(default_factory=list)


class _Item(Struct):
    """A LIN, and what is said of it behind it; ``articles`` are its numbers by qualifier.

    ``nested`` is the verdict on a sub-line (C829), and on the line right before it that it belongs to.
    """

    position: int
    path: str
    number: str
    action: str
    nested: str
    articles: list[tuple[str, str]] = field(default_factory=list)
    level: Level = field(default_factory=dict)
    quantities: list[_Quantity] = field(default_factory=list)
    parts: list[_Part] = field(default_factory=list)


class _Advice:
    """What has been read of a DESADV, as far as lines yet to come need it."""

    def __init__(self, delimiters: Delimiters, partner: Partner) -> None:
        self.delimiters = delimiters
        self.partner = partner
        self.places = partner.places["DESADV"]
        self.wanted = levels.wanted((*self.places.order_id, *self.places.tracking, *_SSCC))
        self.position = 0  # of the segment that stands for a message without lines
        self.shipment = ""
        self.refusal = ""
        self.header: Level = {}
        self.packages: dict[str, _Package | None] = {}  # those that others may stand in
        self.items = 0
        self.begin_package(None)

    def begin_package(self, package: _Package | None) -> None:
        """Begin what a CPS holds; None: there is none yet."""
        self.package = package
        self.item: _Item | None = None
        self.begin_cartons(has_pac=False)

    def close_package(self) -> None:
        """Remember what is said of a package, for those that stand in it."""
        if self.package:
            self.package.level.update(self.cartons)
            says_nothing = not self.package.level
            self.packages[self.package.number] = self.package.parent if says_nothing else self.package

    def begin_cartons(self, *, has_pac: bool) -> None:
        """Begin packages, one or several, that the lines behind them are in."""
        self.cartons: Level = {}
        self.is_in_cartons = has_pac
        self.has_pac = has_pac

    def keep(self, segment: Segment) -> None:
        """Write down what a segment says of the line, the packages or the message that it stands in."""
        for text, place in self.wanted.get(segment.elements[0], ()):
            levels.keep(self.level, text, place, self.values(place, segment))

    @property
    def level(self) -> Level:
        """Where the next segment belongs."""
        if self.item:
            return self.item.parts[-1].level if self.item.parts else self.item.level
        if self.is_in_cartons:
            return self.cartons
        return self.package.level if self.package else self.header

    @property
    def around(self) -> tuple[Level, ...]:
        """What is said of all lines that come here, nearest first."""
        return (self.cartons, *(self.package.levels() if self.package else ()), self.header)

    def values(self, place: ValuePlace, segment: Segment) -> list[str]:
        """Give what a segment has at a place: of GIN all numbers, which are both ends of a range."""
        if place.element:
            return [self.text(segment, place.element)]
        qualifier, *behind = self.components(segment, 1)
        if qualifier != place.qualifier:
            return []
        if place.tag == "GIN":
            return [number for composite in self.composites(segment, 2) for number in composite]
        if behind:
            return behind[:1]
        return [
            next(filter(None, (self.text(segment, each) for each in range(2, len(segment.elements)))), "")
        ]

    def composites(self, segment: Segment, first: int) -> Iterator[list[str]]:
        """Give the components of each element from ``first`` on, and of each repetition."""
        for element in segment.elements[first:]:
            for repetition in self.delimiters.repetitions(element):
                yield [component.strip() for component in self.delimiters.components(repetition)]

    def components(self, segment: Segment, place: int) -> list[str]:
        """Give the components of an element; of one that is not there, a blank one."""
        element = segment.elements[place] if place < len(segment.elements) else ""
        return [component.strip() for component in self.delimiters.components(element)]

    def text(self, segment: Segment, place: int, component: int = 1) -> str:
        """Give one component of an element, "" where there is none."""
        found = self.components(segment, place)
        return found[component - 1] if component <= len(found) else ""

    def close_item(self) -> Iterator[Line]:
        """Give the line that has been read, if there is one."""
        if self.item:
            yield from _lines(self, self.item)
            self.item = None

    def close(self) -> Iterator[Line]:
        """Give what is left of the message, one line at least."""
        yield from self.close_item()
        if not self.items:
            yield _message_without_lines(self)


def _document(advice: _Advice, segment: Segment) -> Iterator[Line]:
    advice.shipment = advice.text(segment, 2)
    advice.refusal = _REFUSALS.get(advice.text(segment, 3).lstrip("0"), "")
    yield from ()


def _package(advice: _Advice, segment: Segment) -> Iterator[Line]:
    yield from advice.close_item()
    advice.close_package()
    parent = advice.packages.get(advice.text(segment, 2))
    advice.begin_package(_Package(advice.text(segment, 1), parent))


def _carton(advice: _Advice, _: Segment) -> Iterator[Line]:
    """PAC: behind lines, it begins other packages than theirs."""
    if advice.item:
        yield from advice.close_item()
        advice.begin_cartons(has_pac=True)
    advice.is_in_cartons = advice.has_pac = True


def _marks(advice: _Advice, segment: Segment) -> Iterator[Line]:
    """PCI: marks of a package; in a line, of a part of it, unless all packages are told by PCI alone."""
    if advice.item and (advice.has_pac or not advice.is_in_cartons):
        advice.item.parts.append(_Part(segment.position))
        return
    if advice.item:
        yield from advice.close_item()
        advice.begin_cartons(has_pac=False)
    advice.is_in_cartons = True


def _item(advice: _Advice, segment: Segment) -> Iterator[Line]:
    above = advice.text(segment, 4, 2)
    is_inside = bool(above) or advice.text(segment, 4) == _SUB_LINE
    if is_inside and advice.item and above.lstrip("0") in {"", advice.item.number.lstrip("0")}:
        advice.item.nested = advice.item.nested or _HAS_SUB_LINES
    yield from advice.close_item()
    advice.items += 1
    number, nested = advice.text(segment, 1), _IS_SUB_LINE if is_inside else ""
    path = f"LIN {number or advice.items}"
    if advice.package:
        path = f"CPS {advice.package.number} / {path}"
    advice.item = _Item(segment.position, path, number, advice.text(segment, 2), nested)
    advice.item.articles.append((advice.text(segment, 3, 2), advice.text(segment, 3)))


def _articles(advice: _Advice, segment: Segment) -> Iterator[Line]:
    if advice.item and advice.text(segment, 1) in _OWN_IDENTIFICATION:
        for number, *behind in advice.composites(segment, 2):
            advice.item.articles.append((behind[0] if behind else "", number))
    yield from ()


def _quantity(advice: _Advice, segment: Segment) -> Iterator[Line]:
    """QTY; that of a package in front of the lines counts packages or weighs them."""
    if advice.item:
        part = advice.item.parts[-1] if advice.item.parts else advice.item
        number = advice.text(segment, 1, 2).replace(advice.delimiters.decimal or ".", ".")
        part.quantities.append(
            _Quantity(advice.text(segment, 1), number, advice.text(segment, 1, 3).upper()),
        )
    yield from ()


def _transport(advice: _Advice, segment: Segment) -> Iterator[Line]:
    """TDT: C040 has the carrier's code (3127), and his name (3128)."""
    found = [advice.text(segment, 5), advice.text(segment, 5, 4)]
    stage = "TDT+20" if advice.text(segment, 1) == "20" else "TDT"
    advice.level.setdefault(stage, []).extend(filter(None, found))
    yield from ()


def _party(advice: _Advice, segment: Segment) -> Iterator[Line]:
    """NAD+CA: of a carrier, his name (C080) tells more than his number (C082)."""
    if advice.text(segment, 1) == "CA":
        found = [advice.text(segment, 4), advice.text(segment, 2)]
        advice.level.setdefault("NAD+CA", []).extend(filter(None, found))
    yield from ()


_STEPS: Final[dict[str, Step]] = {
    "BGM": _document,
    "CPS": _package,
    "PAC": _carton,
    "PCI": _marks,
    "LIN": _item,
    "PIA": _articles,
    "QTY": _quantity,
    "TDT": _transport,
    "NAD": _party,
}


def _lines(advice: _Advice, item: _Item) -> Iterator[Line]:
    """Give one line, or one for each part where the parts go by different tracking numbers."""
    places, around = advice.places.tracking, (item.level, *advice.around)
    of_parts = [levels.preferred(places, (part.level, *around)) for part in item.parts]
    if _are_split(advice, item, of_parts):
        for count, (part, tracking) in enumerate(zip(item.parts, of_parts, strict=True), 1):
            line = _line(advice, item, (part.level, *around), tracking, part.quantities)
            # What was ordered is of the whole line: beside a part it would look as if pieces were missing.
            yield line._replace(position=part.position, path=f"{line.path} / PCI {count}", ordered="")
        return
    tracking = tuple(dict.fromkeys(number for found in of_parts for number in found))
    quantities = [each for part in item.parts for each in part.quantities]
    if _of(item.quantities, _DESPATCHED):
        quantities = []
    levels_here = (*(part.level for part in item.parts[-1:]), *around)
    yield _line(
        advice,
        item,
        levels_here,
        tracking or levels.preferred(places, around),
        [*item.quantities, *quantities],
    )


def _are_split(advice: _Advice, item: _Item, of_parts: Sequence[tuple[str, ...]]) -> bool:
    """Tell whether the parts have a tracking number each, and make up the line."""
    if len(set(of_parts)) < 2 or any(len(found) != 1 for found in of_parts):  # noqa: PLR2004 - two differ
        return False
    amounts = [_of(part.quantities, _DESPATCHED) for part in item.parts]
    whole = _of(item.quantities, _DESPATCHED)
    if not all(amounts):
        return False
    in_parts = _amount([each for amount in amounts for each in amount], advice.partner)
    return not whole or in_parts == _amount(whole, advice.partner)


def _line(
    advice: _Advice,
    item: _Item,
    around: tuple[Level, ...],
    tracking: Sequence[str],
    quantities: Sequence[_Quantity],
) -> Line:
    partner = advice.partner
    orders = levels.preferred(advice.places.order_id, around)
    despatched, ordered = _of(quantities, _DESPATCHED), _of(quantities, _ORDERED)
    quantity, of_order = _amount(despatched, partner), _amount(ordered, partner)
    shifted = _shifted(item.articles, advice.places.sku)
    return Line(
        order_id=" / ".join(values.order_id(order, partner) for order in orders),
        sku="" if shifted else _sku(item.articles, advice.places.sku),
        quantity=quantity,
        tracking_number=" / ".join(tracking),
        tracking_company=_carrier(around, partner),
        verdict=advice.refusal
        or shifted
        or _not_shipped(item.action, despatched, of_order)
        or item.nested
        or levels.split("the line", orders, tracking),
        unit=despatched[0].unit if despatched else "",
        ordered=of_order,
        # The last is the nearest: a carton behind the pallet that it is on.
        sscc=next((values.sscc(number) for number in reversed(levels.nearest(_SSCC, around))), ""),
        shipment=advice.shipment,
        position=item.position,
        path=item.path,
    )


def _message_without_lines(advice: _Advice) -> Line:
    around = advice.around
    orders = levels.preferred(advice.places.order_id, around)
    return Line(
        order_id=" / ".join(values.order_id(order, advice.partner) for order in orders),
        sku="",
        quantity="",
        tracking_number=" / ".join(levels.preferred(advice.places.tracking, around)),
        tracking_company=_carrier(around, advice.partner),
        verdict=advice.refusal or "no lines: the message has no LIN, so SKU and quantity are not known",
        unit="",
        ordered="",
        sscc="",
        shipment=advice.shipment,
        position=advice.position,
        path="",
    )


def _carrier(around: Sequence[Level], partner: Partner) -> str:
    """Give the carrier by the name that the partner's layout knows him by, else by his first."""
    found = levels.nearest(_CARRIER, around)
    known = next((name for name in found if name.upper() in partner.carriers), "")
    return values.carrier(known or next(iter(found), ""), partner)


def _sku(articles: Iterable[tuple[str, str]], preferred: Sequence[str]) -> str:
    """Take the number whose qualifier (7143) the partner prefers; failing these, one that has none."""
    found: dict[str, str] = {}
    for qualifier, number in articles:
        if number:
            found.setdefault(qualifier, number)
    return next((found[qualifier] for qualifier in (*preferred, "") if qualifier in found), "")


def _shifted(articles: Iterable[tuple[str, str]], preferred: Sequence[str]) -> str:
    """Tell of an article number that stands where its qualifier belongs."""
    for qualifier, _ in articles:
        if len(qualifier) > _LONGEST_QUALIFIER and qualifier not in preferred:
            return f"shifted: 7143 of LIN or PIA is {qualifier}, expected a qualifier such as SA"
    return ""


def _not_shipped(action: str, despatched: Sequence[_Quantity], ordered: str) -> str:
    why = _NO_ITEM.get(action)
    if why:
        return f"not shipped: LIN 1229 is {action}, {why}"
    if despatched and all(values.is_zero(quantity.number) for quantity in despatched):
        return f"not shipped: QTY+12 is {despatched[0].number}, QTY+21 ordered {ordered or 'is not there'}"
    return ""


def _of(quantities: Iterable[_Quantity], qualifier: str) -> list[_Quantity]:
    return [quantity for quantity in quantities if quantity.qualifier == qualifier]


def _amount(quantities: Sequence[_Quantity], partner: Partner) -> str:
    """Sum quantities of one unit; those of several units may be the same pieces, told twice."""
    numbers = [values.number(quantity.number) for quantity in quantities]
    units = {quantity.unit for quantity in quantities}
    if len(quantities) > 1 and len(units) == 1 and None not in numbers:
        return values.pieces(str(sum(filter(None, numbers))), units.pop(), partner)
    told = [values.pieces(quantity.number, quantity.unit, partner) for quantity in quantities]
    return " + ".join(dict.fromkeys(told))

"""X12 856 (ship notice) → lines: what each item is, in which order and pack, under which tracking number."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from importer.manifests.edi import values
from importer.manifests.edi.hierarchy import AND, Goods, Hierarchy
from importer.manifests.edi.lines import Line
from importer.manifests.edi.units import Fault, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from decimal import Decimal

    from importer.manifests.edi.hierarchy import Level, Problem
    from importer.manifests.edi.partners import Partner, Places
    from importer.manifests.edi.segments import Delimiters, Segment


def lines(segments: Iterator[Segment], _delimiters: Delimiters, partner: Partner) -> Iterator[Line | Fault]:
    """Give a line for each item of one ship notice, or for each of its packs where the quantity is split.

    An item's line comes when the item ends. Only the levels above it are kept whole.

    Args:
        segments: From ST to SE; the SE may be missing.
        _delimiters: Ship notices have no composite elements that matter.
        partner: Where order, SKU and tracking number sit, and what units and carriers mean.
    """
    notice = _Notice(partner)
    while batch := [*islice(segments, _AT_ONCE)]:
        notice.look_ahead(batch)
        for segment in batch:
            if told := notice.read(segment):
                yield from told
    yield from notice.finish()


_AT_ONCE: Final = 2000

# Element 353; the others announce a shipment
_VERDICTS: Final = {
    "01": "cancelled: BSN01 is 01 (cancellation)",
    "03": "cancelled: BSN01 is 03 (delete)",
    "04": "replaces: BSN01 is 04 (change)",
    "05": "replaces: BSN01 is 05 (replace)",
    "07": "replaces: BSN01 is 07 (duplicate)",
}
# Amazon's drop ship notices: element 641 in BSN07, element 368 in SN108
_REJECTED: Final = "REJ"
_ITEM_REJECTED: Final = "IR"

_SCAC: Final = "2"  # element 66: the code behind it is a SCAC
_NOBODY: Final = frozenset({"", "NONE"})
_SSCC: Final = ("MAN*GM", "MAN*AA")
_LONGEST_QUALIFIER: Final = 3  # 2 by the standard, and some write SKU
_AND: Final = " / "


class _Notice:
    """One ship notice, as far as it is read."""

    def __init__(self, partner: Partner) -> None:
        places = partner.places["856"]
        self._partner = partner
        self._slots = _slots(places)
        self._hierarchy = Hierarchy(self._slots.count)
        self._level = self._hierarchy.path[0]
        self._sure: frozenset[str] = frozenset()
        self._shipment = self._verdict = self._order = ""
        self._first = self._given = 0
        self._last: tuple[list[str], _Holder] = [], _Holder([""], [""], "", "")
        self._steps: dict[str, tuple[Callable[[Segment], None], ...]] = {
            "BSN": (self._begin,),
            "TD5": (self._carry,),
            "LIN": (self._name,),
            "SN1": (self._count,),
            "SLN": (self._cancel,),
        }
        for tag in self._slots.tags:
            self._steps[tag] = (*self._steps.get(tag, ()), self._mark)

    def look_ahead(self, batch: Sequence[Segment]) -> None:
        """Learn which values at doubtful places are tracking numbers: many are told as fast as one."""
        self._first = self._first or batch[0].position
        found = [
            value
            for place in self._slots.doubtful
            for segment in batch
            if segment.elements[0] == place.tag
            for value in place.values(segment.elements)
        ]
        self._sure = values.surely_tracking(found) if found else frozenset()

    def read(self, segment: Segment) -> Sequence[Line | Fault]:
        """Read one segment; give the lines of the items that end with it, and what is wrong with it."""
        tag = segment.elements[0]
        if tag == "HL":
            return self._enter(segment)
        for step in self._steps.get(tag, ()):
            step(segment)
        return ()

    def finish(self) -> Iterator[Line]:
        """Give the lines of the items that are still open; the order alone where there was none at all."""
        if not self._given:
            self._remember_order()
        yield from self._of_items(self._hierarchy.leave())
        if not self._given:
            verdict = self._verdict or "no lines: there is no item (HL with LIN) in it, expected one at least"
            yield Line(self._order, "", "", "", "", verdict, "", "", "", self._shipment, self._first, "")

    def _enter(self, segment: Segment) -> Sequence[Line | Fault]:
        elements = segment.elements
        number, parent, letter = _at(elements, 1), _at(elements, 2), _at(elements, 3).upper()
        if not self._given:
            self._remember_order()
        ended, problems = self._hierarchy.enter(number, parent, letter, segment.position)
        self._level = self._hierarchy.path[-1]
        told: list[Line | Fault] = [*self._of_items(ended)] if ended else []
        if problems:
            told += [self._fault(problem, segment) for problem in problems]
        return told

    def _remember_order(self) -> None:
        """Keep the first order id, in case that no line will name it."""
        if not self._order:
            self._order = _AND.join(self._held_by(self._level.values).orders)

    def _fault(self, problem: Problem, segment: Segment) -> Fault:
        inside = segment.position - self._first + 1
        place = Place(segment.position, segment.offset, "HL", inside, problem.element)
        return Fault(problem.code, problem.message, place, _at(segment.elements, problem.element))

    def _begin(self, segment: Segment) -> None:
        self._shipment = _at(segment.elements, 2)
        self._verdict = _VERDICTS.get(_at(segment.elements, 1), "")
        if not self._verdict and _at(segment.elements, 7) == _REJECTED:
            self._verdict = f"not shipped: BSN07 is {_REJECTED} (rejected)"

    def _carry(self, segment: Segment) -> None:
        elements = segment.elements
        scac = _at(elements, 3) if _at(elements, 2) == _SCAC else ""
        named = next((text for text in (scac, _at(elements, 5)) if text.upper() not in _NOBODY), "")
        if named:
            self._level.note(self._slots.carrier, named)

    def _name(self, segment: Segment) -> None:
        """Take the SKU of a LIN; where it stands in a pack of the same item, only the quantity counts."""
        level = self._level
        sku, shifted = self._sku(segment.elements)
        if level.in_item and not level.is_item:
            item = next(above for above in reversed(self._hierarchy.path) if above.is_item)
            if any(goods.sku == sku for goods in item.goods):
                return
        level.is_item = True
        if level.goods and level.goods[-1].sku is None:
            level.goods[-1].sku, level.goods[-1].shifted = sku, shifted
        else:
            level.goods.append(Goods(segment.position, sku, shifted=shifted))

    def _sku(self, elements: list[str]) -> tuple[str, str]:
        ranks = self._slots.ranks
        best, sku, shifted = len(ranks), "", ""
        for at in range(2, len(elements) - 1, 2):
            qualifier = elements[at].strip().upper()
            rank = ranks.get(qualifier, best)
            if rank < best and (value := elements[at + 1].strip()):
                best, sku = rank, value
            elif len(qualifier) > _LONGEST_QUALIFIER and not shifted:
                shifted = f"LIN{at:02} is {elements[at].strip()!r}, expected a qualifier of 2 characters"
        return sku, shifted

    def _count(self, segment: Segment) -> None:
        elements = segment.elements
        if not self._level.goods:
            self._level.goods.append(Goods(segment.position))
        goods = self._level.goods[-1]
        if not goods.number:
            goods.number, goods.unit = _at(elements, 2), _at(elements, 3).upper()
            goods.ordered, goods.status = _at(elements, 5), _at(elements, 8)

    def _cancel(self, segment: Segment) -> None:
        if self._level.goods:
            self._level.goods[-1].cancelled = _at(segment.elements, 4)

    def _mark(self, segment: Segment) -> None:
        """Write down what stands at the places that the partner looks at."""
        elements, slots = segment.elements, self._slots
        tag = elements[0]
        if by_qualifier := slots.qualified.get(tag):
            for qualifier, value in values.pairs(elements):
                for slot, is_doubtful in by_qualifier.get(qualifier, ()):
                    if value and (not is_doubtful or value in self._sure):
                        self._level.note(slot, value)
        for slot, place in slots.numbered.get(tag, ()):
            for value in place.values(elements):
                if not place.is_doubtful or value in self._sure:
                    self._level.note(slot, value)

    def _of_items(self, items: Sequence[Level]) -> list[Line]:
        lines = [line for item in items for line in self._of_item(item)]
        self._given += len(lines)
        return lines

    def _of_item(self, item: Level) -> Iterable[Line]:
        packs, goods = item.packs, item.goods or [Goods()]
        if not packs and len(goods) == 1:
            return (self._line(item, goods[0], [item]),)
        if packs and len(goods) == 1 and self._is_split(goods[0], packs):
            return self._of_packs(item, goods[0])
        return self._of_goods(item, goods)

    def _of_goods(self, item: Level, goods: Sequence[Goods]) -> Iterator[Line]:
        for count, each in enumerate(goods, start=1):
            line = self._line(item, each, item.packs or [item])
            if count > 1:
                line = line._replace(position=each.position, path=f"{line.path} / LIN {count}")
            yield line

    def _is_split(self, goods: Goods, packs: Sequence[Level]) -> bool:
        """Tell whether the packs of an item say how much of it each holds, and that is needed."""
        if not all(pack.goods and pack.goods[0].number for pack in packs):
            return False
        return not goods.number or len(self._tracking(packs)) > 1

    def _of_packs(self, item: Level, goods: Goods) -> Iterator[Line]:
        parts = [pack.goods[0] for pack in item.packs]
        verdict = self._mismatch(goods, parts)
        for pack, part in zip(item.packs, parts, strict=True):
            held = replace(goods, number=part.number, unit=part.unit or goods.unit, ordered="")
            line = self._line(item, held, [pack], verdict)
            yield line._replace(position=pack.position, path=f"{line.path} / HL {pack.number}")

    def _mismatch(self, goods: Goods, parts: Sequence[Goods]) -> str:
        """Tell that the packs hold another quantity than their item; unknown units are told later."""
        held = [self._pieces(part.number, part.unit or goods.unit) for part in parts]
        known = [number for number in held if number is not None]
        if not goods.number or len(known) < len(held):
            return ""
        if sum(known) == self._pieces(goods.number, goods.unit):
            return ""
        said = f"{goods.number} {goods.unit}".strip()
        return f"split unknown: SN102 is {said}, and those of its packs together are {sum(known)} pieces"

    def _pieces(self, number: str, unit: str) -> Decimal | None:
        return values.number(values.pieces(number, unit, self._partner))

    def _line(self, item: Level, goods: Goods, holders: Sequence[Level], verdict: str = "") -> Line:
        partner, holder = self._partner, self._held_by(holders[0].values)
        orders, tracking, sscc = holder.orders, holder.tracking, holder.sscc
        if len(holders) > 1:
            orders = [*dict.fromkeys(each for one in holders for each in self._held_by(one.values).orders)]
            tracking = self._tracking(holders)
            sscc = _AND.join(dict.fromkeys(self._held_by(each.values).sscc for each in holders))
        return Line(
            orders[0] if len(orders) == 1 else _AND.join(filter(None, orders)),
            goods.sku or "",
            values.pieces(goods.number, goods.unit, partner),
            tracking[0] if len(tracking) == 1 else _AND.join(filter(None, tracking)),
            holder.company,
            self._verdict or _verdict(goods, tracking, orders) or _nested(item) or verdict,
            goods.unit,
            values.pieces(goods.ordered, goods.unit, partner) if goods.ordered else "",
            sscc,
            self._shipment,
            item.position,
            f"HL {item.number}",
        )

    def _tracking(self, holders: Sequence[Level]) -> list[str]:
        """The tracking numbers of an item's packs, each once; "" for packs without."""
        return [*dict.fromkeys(each for one in holders for each in self._held_by(one.values).tracking)]

    def _held_by(self, texts: list[str]) -> _Holder:
        """What a level's values say of the goods in it; those of many items are those of the level above."""
        if texts is self._last[0]:
            return self._last[1]
        partner, slots = self._partner, self._slots
        orders = _preferred(texts, slots.order_id)
        holder = _Holder(
            [*dict.fromkeys([values.order_id(text, partner) for text in orders])],
            _preferred(texts, slots.tracking),
            values.carrier(texts[slots.carrier].partition(AND)[0], partner),
            _AND.join([values.sscc(text) for text in texts[slots.sscc].split(AND)]),
        )
        self._last = texts, holder
        return holder


class _Holder(NamedTuple):
    """What all goods in one level have in common."""

    orders: list[str]
    tracking: list[str]
    company: str
    sscc: str


class _Slots:
    """What levels are asked for: the values at the partner's places, the carrier and the package.

    ``ranks`` says which qualifiers of a LIN mark a SKU; the lowest counts.
    """

    def __init__(self, places: Places) -> None:
        self.ranks = {qualifier: rank for rank, qualifier in reversed([*enumerate(places.sku)])}
        texts = (*places.order_id, *places.tracking)
        self.order_id = range(len(places.order_id))
        self.tracking = range(len(places.order_id), len(texts))
        self.carrier, self.sscc, self.count = len(texts), len(texts) + 1, len(texts) + 2
        looked_at = [(slot, values.ValuePlace.parse(text)) for slot, text in enumerate(texts)]
        looked_at += [(self.sscc, values.ValuePlace.parse(text)) for text in _SSCC]
        self.tags = frozenset(place.tag for _, place in looked_at)
        self.doubtful = [place for _, place in looked_at if place.is_doubtful]
        self.qualified: dict[str, dict[str, list[tuple[int, bool]]]] = {}
        self.numbered: dict[str, list[tuple[int, values.ValuePlace]]] = {}
        for slot, place in looked_at:
            if place.element:
                self.numbered.setdefault(place.tag, []).append((slot, place))
            else:
                by_qualifier = self.qualified.setdefault(place.tag, {})
                by_qualifier.setdefault(place.qualifier, []).append((slot, place.is_doubtful))


@lru_cache(maxsize=64)  # those of a partner are the same for each transaction
def _slots(places: Places) -> _Slots:
    return _Slots(places)


def _verdict(goods: Goods, numbers: Sequence[str], orders: Sequence[str]) -> str:
    if goods.shifted:
        return f"shifted: {goods.shifted}"
    if values.is_zero(goods.number) or goods.status == _ITEM_REJECTED:
        said = [f"SN102 is {goods.number or 'empty'}"]
        said += [f"SN105 (ordered) is {goods.ordered}"] * bool(goods.ordered)
        said += [f"SN108 is {goods.status}"] * bool(goods.status)
        said += [f"SLN04 (cancelled) is {goods.cancelled}"] * bool(goods.cancelled)
        return f"not shipped: {', '.join(said)}"
    if len(numbers) > 1:
        under = " and ".join(number or "no tracking number" for number in numbers)
        return f"split unknown: it went under {under}; how many pieces under each is not said"
    if len(orders) > 1:
        named = " and ".join(order or "no order" for order in orders)
        return f"split unknown: it is of the orders {named}; how many pieces are of each is not said"
    return ""


def _nested(item: Level) -> str:
    """Tell of a kit and its components that only one of them can be what was ordered."""
    if item.in_line and item.has_lin:
        return "split unknown: a line inside another line; which of the two the order has is not said"
    if item.is_kit:
        return "split unknown: another line is inside this line; which of the two the order has is not said"
    return ""


def _preferred(texts: Sequence[str], slots: range) -> list[str]:
    """Give the values of the first place that has one; [""] where none has."""
    for slot in slots:
        if texts[slot]:
            return texts[slot].split(AND)
    return [""]


def _at(elements: Sequence[str], place: int) -> str:
    return elements[place].strip() if place < len(elements) else ""

"""Which units of which lines of the order a parcel takes, if so many are left."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from importer.destinations.shoplazza.remote import Line, Order, Remote
    from importer.model import LineItem, Write


class UnknownSkuError(ValueError):
    """The order has no line of a SKU; the message says so."""


class TooMuchError(ValueError):
    """The order has fewer units left than are to be shipped; the message has the figures."""


class _Left(Struct, frozen=True):
    """What is left of a line, and why not more."""

    line: Line
    shipped: int

    @property
    def units(self) -> int:
        return max(0, self.line.quantity - self.line.refunded - self.shipped)


def allot(
    lines: Iterable[LineItem], order: Order, fulfillments: Iterable[Remote], before: Iterable[Write]
) -> Mapping[str, int]:
    """Units by line item id, in the order of the order's lines; each at least 1, since 0 means "all".

    A line's units are what was ordered, less what was refunded, is in live ``fulfillments`` or was taken by
    the writes ``before``. A SKU on several lines fills them one after the other.

    Raises:
        UnknownSkuError: a SKU is not in the order.
        TooMuchError: there is not so much left.
    """
    shipped = _shipped(fulfillments, before)
    left = [_Left(line, shipped[line.line_id]) for line in order.lines]
    taken: dict[str, int] = {}
    for item in lines:
        taken |= _allotted(item, [each for each in left if each.line.sku == item.sku], order)
    return {line.line_id: taken[line.line_id] for line in order.lines if line.line_id in taken}


def _shipped(fulfillments: Iterable[Remote], before: Iterable[Write]) -> Counter[str]:
    shipped: Counter[str] = Counter()
    for each in (line for fulfillment in fulfillments for line in fulfillment.lines or ()):
        shipped[each.line_id] += each.units
    for write in before:
        shipped.update(write.takes)
    return shipped


def _allotted(item: LineItem, left: Sequence[_Left], order: Order) -> dict[str, int]:
    if not left:
        raise UnknownSkuError(f"SKU {item.sku} is not in the order, which has {_some_skus(order)}")
    total = sum(each.units for each in left)
    if item.quantity > total:
        ordered, refunded = sum(each.line.quantity for each in left), sum(each.line.refunded for each in left)
        gone = sum(each.shipped for each in left)
        raise TooMuchError(
            f"SKU {item.sku}: {item.quantity} in these rows, {total} left to ship ({ordered} ordered, "
            f"{refunded} refunded, {gone} shipped already)"
        )
    taken, wanted = {}, item.quantity
    for each in left:
        if units := min(wanted, each.units):
            taken[each.line.line_id] = units
            wanted -= units
    return taken


def _some_skus(order: Order) -> str:
    skus = list(dict.fromkeys(line.sku for line in order.lines if line.sku))
    more = f" and {len(skus) - _MOST_SHOWN} more" if len(skus) > _MOST_SHOWN else ""
    return ", ".join(skus[:_MOST_SHOWN]) + more if skus else "none"


_MOST_SHOWN: Final = 5

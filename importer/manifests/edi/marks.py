"""Which values of a transaction's segments are those that its rows have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from importer.manifests.edi import values
from importer.manifests.edi.values import ValuePlace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from importer.manifests.edi.lines import Line
    from importer.manifests.edi.partners import Partner
    from importer.manifests.edi.segments import Delimiters

    _Predicate: TypeAlias = Callable[[Delimiters, Sequence[str], int, int], bool]


class Marks:
    """What the rows of one transaction have, column by column, as far as they have been read."""

    def __init__(self, kind: str, partner: Partner, delimiters: Delimiters) -> None:
        self._partner = partner
        self._delimiters = delimiters
        self._places: dict[str, _Predicate] = {**_FIXED} if kind in partner.places else {}
        self._used: dict[str, dict[str, None]] = {}
        for column in _NAMED if kind in partner.places else ():
            texts = getattr(partner.places[kind], _NAMED[column])
            self._places[column] = _by_place([ValuePlace.parse(text) for text in texts])

    def add(self, line: Line) -> None:
        """Know what one more row has; of very many rows the last are known."""
        for column in _COLUMNS:
            used = self._used.setdefault(column, {})
            for text in getattr(line, column).split(_AND):
                used.pop(text, None)
                used[text] = None
            while len(used) > _KNOWN:
                del used[next(iter(used))]

    def column(self, elements: Sequence[str], element: int, component: int, text: str) -> str:
        """The column of a row that has this component of a segment's element; "" if none has it."""
        for column, is_there in self._places.items():
            if is_there(self._delimiters, elements, element, component):
                return column if self._meant(column, text, elements) in self._used.get(column, ()) else ""
        return ""

    def _meant(self, column: str, text: str, elements: Sequence[str]) -> str:
        """What a row has where a segment has this."""
        if column == "order_id":
            return values.order_id(text, self._partner)
        if column == "tracking_company":
            return values.carrier(text, self._partner)
        if column == _QUANTITY:
            return values.pieces(text, _unit(self._delimiters, elements), self._partner)
        return text


_AND: Final = " / "
_KNOWN: Final = 20_000
_QUANTITY: Final = "quantity"
_NAMED: Final = {"order_id": "order_id", "tracking_number": "tracking"}
_COLUMNS: Final = ("order_id", "sku", _QUANTITY, "tracking_number", "tracking_company")


def _by_place(places: Sequence[ValuePlace]) -> _Predicate:
    def is_there(delimiters: Delimiters, elements: Sequence[str], element: int, component: int) -> bool:
        return any(_stands_at(place, delimiters, elements, element, component) for place in places)

    return is_there


def _stands_at(
    place: ValuePlace, delimiters: Delimiters, elements: Sequence[str], element: int, component: int
) -> bool:
    if elements[0] != place.tag:
        return False
    if place.element:
        return element == place.element and component == 1
    if element == 1:  # RFF+ON:1001
        return component > 1 and delimiters.plain(elements[1]).strip() == place.qualifier
    before = 1 if place.tag == "GIN" else element - 1
    return delimiters.plain(elements[before]).strip() == place.qualifier


def _is_sku(delimiters: Delimiters, elements: Sequence[str], element: int, component: int) -> bool:
    if elements[0] == "LIN" and delimiters.release:
        return (element, component) == (3, 1)
    return component == 1 and element in _SKUS.get(elements[0], ())


def _is_quantity(delimiters: Delimiters, elements: Sequence[str], element: int, component: int) -> bool:
    if elements[0] == "QTY":
        return component == 2 and delimiters.plain(elements[1]).strip() == "12"  # noqa: PLR2004 - 6060, behind 6063
    return _QUANTITIES.get(elements[0]) == element


def _unit(delimiters: Delimiters, elements: Sequence[str]) -> str:
    if elements[0] == "QTY":
        return next(iter(delimiters.components(elements[1])[2:]), "")
    at = _UNITS[elements[0]]
    return elements[at] if at < len(elements) else ""


def _is_carrier(delimiters: Delimiters, elements: Sequence[str], element: int, _component: int) -> bool:
    qualifier = _CARRIER_QUALIFIERS.get(elements[0])
    if qualifier is not None and delimiters.plain(elements[1]).strip() != qualifier:
        return False
    return element in _CARRIERS.get(elements[0], ())


# By tag, the elements
_SKUS: Final = {"LIN": range(3, 33, 2), "W12": (6, 8, 18, 22), "PIA": range(2, 7)}
_QUANTITIES: Final = {"SN1": 2, "W12": 3}
_UNITS: Final = {"SN1": 3, "W12": 5}
_CARRIERS: Final = {"TD5": (3, 5), "W27": (2, 3), "MAN": (2,), "TDT": (5,), "NAD": (2, 4)}
_CARRIER_QUALIFIERS: Final = {"MAN": "2", "NAD": "CA"}
_FIXED: Final = {"sku": _is_sku, _QUANTITY: _is_quantity, "tracking_company": _is_carrier}

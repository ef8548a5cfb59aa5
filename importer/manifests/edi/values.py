"""Values of EDI segments as rows have them: pieces, order ids, carriers, and the places where they sit."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from msgspec import Struct

from importer.tracking import judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from importer.manifests.edi.partners import Partner


class ValuePlace(Struct, frozen=True):
    """Where a value sits: ``REF*2I`` (by qualifier), ``W06-02`` (by element); ``?``: only if it looks right.

    ``element`` is 0 for a place with a qualifier, whose value stands behind it. A value of one that
    ``is_doubtful`` counts only where ``looks_like_tracking`` says so.
    """

    tag: str
    qualifier: str = ""
    element: int = 0
    is_doubtful: bool = False

    @classmethod
    @lru_cache(maxsize=4096)  # each transaction asks for the same few
    def parse(cls, text: str) -> ValuePlace:
        """Read a place as layouts have it.

        Raises:
            ValueError: It is no place; the message says what was expected.
        """
        found = _PLACE.fullmatch(text)
        if not found:
            raise ValueError(f"{text!r} is no place, expected one like REF*2I, W06-02, RFF+CN or MAN*SM?")
        return cls(found["tag"], found["qualifier"] or "", int(found["element"] or 0), bool(found["doubt"]))

    def values(self, elements: Sequence[str]) -> list[str]:
        """Give what an X12 segment with this tag has here, without blanks: for MAN of both pairs."""
        if not self.element:
            return [value for qualifier, value in pairs(elements) if qualifier == self.qualifier and value]
        value = elements[self.element].strip() if self.element < len(elements) else ""
        return [value] if value else []


_PLACE: Final = re.compile(
    r"(?P<tag>[A-Z][A-Z0-9]{1,2})(?:[*+](?P<qualifier>[A-Z0-9]{1,3})|-(?P<element>0?[1-9]|[1-9][0-9]))(?P<doubt>\?)?",
    re.ASCII,
)


def pairs(elements: Sequence[str]) -> list[tuple[str, str]]:
    """Give the qualifiers of an X12 segment with their values: of REF and N9 the one, of MAN all.

    MAN03 and MAN06 end a range that MAN02 and MAN05 begin: they are values of the same qualifier.
    """
    found = [(elements[1].strip(), elements[2].strip())] if len(elements) > 2 else []  # noqa: PLR2004 - 01, 02
    if elements[0] == "MAN" and len(elements) > 3:  # noqa: PLR2004 - 03
        found += [
            (elements[qualifier].strip(), elements[value].strip())
            for qualifier, value in _MORE_PAIRS
            if value < len(elements) and elements[value].strip()
        ]
    return found


_MORE_PAIRS: Final = ((1, 3), (4, 5), (4, 6))  # of MAN


def pieces(number: str, unit: str, partner: Partner) -> str:
    """Give a quantity in pieces: ``2 CA`` of 12 each is ``24``, ``12.0`` is ``12``.

    A number that is none, or makes no whole pieces, stays as it stands; behind it stands the unit, unless one
    of the unit is one piece.
    """
    unit = unit.strip().upper()
    return _in_pieces(number.strip(), unit, partner.units.get(unit))


@lru_cache(maxsize=1024)  # few quantities differ
def _in_pieces(number: str, unit: str, each: int | None) -> str:
    if not number or each is None:
        return f"{number} {unit}".strip() if number else ""
    if number.isascii() and number.isdigit():
        return str(int(number) * each)
    if _DECIMAL.fullmatch(number):
        total = Decimal(number) * each
        if total == total.to_integral_value():
            return str(int(total))
    return number if each == 1 else f"{number} {unit}".strip()


_DECIMAL: Final = re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)")


def is_zero(number: str) -> bool:
    """Tell whether a quantity is written and is none at all: ``0``, ``0.00``."""
    text = number.strip()
    return "0" in text and not text.strip("-0.")


def number(text: str) -> Decimal | None:
    """Give a quantity as a number; None where it is none."""
    text = text.strip()
    return Decimal(text) if _DECIMAL.fullmatch(text) else None


def order_id(text: str, partner: Partner) -> str:
    """Take the platform's order id out of a partner's: as the partner's pattern says, else as it stands."""
    text = text.strip()
    if not partner.order_id_pattern:
        return text
    found = re.search(partner.order_id_pattern, text)
    return (found[1] if found and found.re.groups else "") or text


def carrier(text: str, partner: Partner) -> str:
    """Give the carrier that a SCAC or the partner's own word means; unknown ones as they stand."""
    text = text.strip()
    return partner.carriers.get(text.upper(), text)


def sscc(text: str) -> str:
    """Give a package's SSCC without the application identifier 00 (18 digits); other texts as they stand."""
    text = text.strip()
    return text[2:] if _SSCC_WITH_IDENTIFIER.fullmatch(text) else text


_SSCC_WITH_IDENTIFIER: Final = re.compile(r"00[0-9]{18}")


def surely_tracking(texts: Iterable[str]) -> frozenset[str]:
    """Keep the texts that are surely a carrier's tracking numbers, by their form alone.

    Those whose form is only a carrier's count with a wrong check digit too, which is warned of later.
    """
    distinct = list(dict.fromkeys(texts))
    unspaced = pa.array(["".join(text.split()) for text in distinct], pa.string())
    opinion = judge(unspaced, pa.array([_STRANGER] * len(distinct), pa.string()))
    said = zip(distinct, opinion.carrier.to_pylist(), opinion.wrong_check_digit.to_pylist(), strict=True)
    return frozenset(text for text, whose, is_wrong in said if whose or is_wrong)


_STRANGER: Final = "of a carrier unknown here"  # digits alone are then nobody's for a wrong check digit


@lru_cache(maxsize=4096)
def looks_like_tracking(text: str) -> bool:
    """Tell whether a text is surely a carrier's tracking number; many are told by ``surely_tracking``."""
    return text in surely_tracking((text,))

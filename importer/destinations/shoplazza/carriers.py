"""Whether a parcel's carrier is one that the platform knows.

A code must be on the platform's list, and be that of the company if the list has the company, too: from
2024-07 on "company, code and URL must match", and a code that nobody knows tracks nothing. A name that is not
on the list passes, since the API takes any ("Name of the tracking company"), with a word if it is nearly one
that is. URLs are not on the list.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from importer.destinations.shoplazza.remote import Carrier
    from importer.model import Fulfillment


def fault(fulfillment: Fulfillment, carriers: Sequence[Carrier]) -> str:
    """What is wrong with the carrier's code; "" if nothing is, or there is no list to tell."""
    code, company = fulfillment.tracking_company_code, fulfillment.tracking_company
    if not carriers or not code:
        return ""
    codes_of_company = sorted({carrier.code for carrier in carriers if _is_called(carrier, company)})
    named = next((carrier for carrier in carriers if carrier.code == code), None)
    if named is None:
        near = codes_of_company or _nearest(code, (carrier.code for carrier in carriers), _ALIKE)
        return f"tracking_company_code: found '{code}', which is not on the platform's list{_hint(near)}"
    if codes_of_company and code not in codes_of_company:
        whose = (named.names or (named.code,))[0]
        return (
            f"tracking_company_code: found '{code}', which is that of {whose}, but tracking_company is "
            f"'{company}'{_hint(codes_of_company)}"
        )
    return ""


def advice(fulfillment: Fulfillment, carriers: Sequence[Carrier]) -> str:
    """What may be meant by a company that is nearly one on the list, "" for others."""
    company = fulfillment.tracking_company
    if not company or any(_is_called(carrier, company) for carrier in carriers):
        return ""
    near = _nearest(company, (name for carrier in carriers for name in carrier.names), _NEARLY)
    return f"tracking_company '{company}' is not on the platform's list{_hint(near)}" if near else ""


# of difflib's ratio
_ALIKE: Final = 0.6
_NEARLY: Final = 0.8


def _is_called(carrier: Carrier, company: str) -> bool:
    return company.casefold() in {name.casefold() for name in carrier.names}


def _nearest(text: str, known: Iterable[str], cutoff: float) -> list[str]:
    by_folded = {each.casefold(): each for each in known}
    found = difflib.get_close_matches(text.casefold(), by_folded, n=1, cutoff=cutoff)
    return [by_folded[each] for each in found]


def _hint(near: Sequence[str]) -> str:
    return f"; did you mean {' or '.join(near[:3])}?" if near else ""

"""Interchanges for tests, with counts that are right: each segment is given without its terminator."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def x12(
    kind: str,
    *transactions: Sequence[str],
    control: int = 31,
    sender: str = "NORTHSUPPLY",
    receiver: str = "SHOP",
    version: str = "004010",
) -> str:
    """An X12 interchange of one group; each transaction is what stands between its ST and SE."""
    code = {"856": "SH", "945": "SW"}.get(kind, "FA")
    segments = [
        f"ISA*00*{'':10}*00*{'':10}*ZZ*{sender:15}*ZZ*{receiver:15}*261121*2130*U*00401*{control:09}*0*P*>",
        f"GS*{code}*{sender}*{receiver}*20261121*2130*{control}*X*{version}",
    ]
    for number, body in enumerate(transactions, start=1):
        segments += [f"ST*{kind}*{number:04}", *body, f"SE*{len(body) + 2}*{number:04}"]
    segments += [f"GE*{len(transactions)}*{control}", f"IEA*1*{control:09}"]
    return "".join(f"{segment}~\n" for segment in segments)


def notice(
    order: str, tracking_number: str, *items: tuple[str, int], reference: str = "SN1", purpose: str = "00"
) -> list[str]:
    """An 856 of one parcel: ``items`` are SKUs and how many of each were shipped."""
    body = [
        f"BSN*{purpose}*{reference}*20261121*2115*0001",
        "HL*1**S",
        "HL*2*1*O",
        f"PRF*{order}",
        "HL*3*2*P",
        f"MAN*CP*{tracking_number}",
    ]
    for at, (sku, quantity) in enumerate(items, start=4):
        body += [f"HL*{at}*3*I", f"LIN**SK*{sku}", f"SN1**{quantity}*EA"]
    total = sum(quantity for _, quantity in items)
    return [*body, f"CTT*{len(items)}*{total}"]

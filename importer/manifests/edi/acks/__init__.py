"""What partners are told of their interchanges: TA1, 997, 999 and 824 in X12, CONTRL and APERAK in EDIFACT.

Syntax and business are told apart: a transaction whose envelope is sound is accepted by 997 or CONTRL even
when rows of it fail, and 824 or APERAK says which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from importer.manifests.edi.acks import edifact, x12
from importer.manifests.edi.acks.terms import Acknowledgment, Answered, Rejection, Reply
from importer.manifests.edi.envelopes import repetition
from importer.manifests.edi.standards import ANSWERS, Standard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from importer.manifests.edi.partners import Partner
    from importer.manifests.edi.units import Interchange, Survey

__all__ = ["Acknowledgment", "Answered", "Rejection", "acknowledge"]


def acknowledge(
    survey: Survey,
    answered: Mapping[int, Answered],
    partner_of: Callable[[str], Partner],
    number: Callable[[str], int],
    now: datetime,
) -> list[Acknowledgment]:
    """All answers to a file, in the order in which they are to be sent.

    ``answered`` is by the transactions' numbers, ``partner_of`` gets a sender's id. ``number`` gives the next
    control number of a series, which is named after the standard, our id, theirs and what is counted. What
    acknowledges is never acknowledged, what came twice is only once, and without both ids there is nobody to
    tell.
    """
    found: list[Acknowledgment] = []
    for received in survey.interchanges:
        if _awaits_answer(received):
            reply = Reply(received, answered, partner_of(received.sender), number, now)
            found += _REPLIES[received.standard](reply)
    return [*_told_apart(found)]


_REPLIES: Final = {Standard.X12: x12.replies, Standard.EDIFACT: edifact.replies}


def _awaits_answer(received: Interchange) -> bool:
    if not received.sender or not received.receiver or repetition(received):
        return False
    kinds = {transaction.kind for group in received.groups for transaction in group.transactions}
    if kinds:
        return not kinds <= ANSWERS
    # What holds neither transactions nor this fault holds TA1, which are answers too.
    return any(fault.code == "interchange-empty" for fault in received.faults)


def _told_apart(found: Iterable[Acknowledgment]) -> Iterator[Acknowledgment]:
    """The same with no name twice: ids may differ in characters that no file name has."""
    used: set[str] = set()
    for each in found:
        name, count = each.name, 1
        while name.casefold() in used:
            count += 1
            name = f"{each.name.removesuffix('.edi')}-{count}.edi"
        used.add(name.casefold())
        yield replace(each, name=name)

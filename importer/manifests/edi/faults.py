"""The one table of what can be wrong with an EDI envelope: how bad it is, and how a partner is told.

Sources: X12 718 (AK5), 715/716 (AK9), 720 (AK3), 723 (AK4) and I18 (TA1) of the 004010 dictionary; UN/EDIFACT
code list 0085 (CONTRL, D.96A).
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct


class Kind(Struct, frozen=True):
    """One thing that can be wrong.

    ``ta1``, ``group`` and ``transaction`` are the codes for TA105, AK905 and AK502, ``segment`` and
    ``element`` those for AK304 and AK403, ``contrl`` is 0085; "" where the answer has no place for it.
    What ``is_harmless`` is only told to the user: real partners err in it, and the data is whole.
    """

    meaning: str
    ta1: str = ""
    group: str = ""
    transaction: str = ""
    segment: str = ""
    element: str = ""
    contrl: str = ""
    is_harmless: bool = False


FAULTS: Final = {
    # interchange
    "interchange-head": Kind("ISA or UNB is not as the standard has it", ta1="022", contrl="12"),
    "interchange-control-number": Kind("ISA13 and IEA02, or the two 0020, differ", ta1="001", contrl="28"),
    "interchange-count": Kind("IEA01 or UNZ 0036 is not the number counted", ta1="021", contrl="29"),
    "interchange-trailer": Kind("IEA or UNZ is missing", ta1="023", contrl="13"),
    "terminator-missing": Kind("nothing ends the file's last segment", is_harmless=True),
    "interchange-repeated": Kind("the sender has used this control number before", ta1="025", contrl="26"),
    "interchange-again": Kind("the same interchange came before; it counts once", is_harmless=True),
    "interchange-unpadded": Kind("ISA's elements are not filled up, as the partner may", is_harmless=True),
    "interchange-empty": Kind("there is no group or message in it", ta1="024", contrl="32"),
    "stray-segment": Kind("a segment stands where none can", ta1="022", contrl="15"),
    "damaged": Kind("the rest can't be told apart", ta1="022", contrl="12"),
    # group
    "group-control-number": Kind("GS06 and GE02, or the two 0048, differ", group="4", contrl="28"),
    "group-count": Kind("GE01 or UNE 0060 is not the number counted", group="5", contrl="29"),
    "group-trailer": Kind("GE or UNE is missing", group="3", contrl="13"),
    "group-code": Kind("GS01 does not fit the transactions", is_harmless=True),
    # transaction
    "transaction-control-number": Kind(
        "ST02 and SE02, or the two 0062, differ", transaction="3", contrl="28"
    ),
    "transaction-repeated": Kind("two transactions have this number", transaction="7", contrl="26"),
    "transaction-trailer": Kind("SE or UNT is missing", transaction="2", contrl="13"),
    "segment-count": Kind("SE01 or UNT 0074 is not the number counted", transaction="4", contrl="29"),
    "unknown-transaction": Kind("it is none that is read here", transaction="1", contrl="14"),
    "total": Kind("a total is not what was counted", is_harmless=True),
    # inside of a transaction
    "hl-repeated": Kind("two HL have this number", transaction="5", segment="8", element="7"),
    "hl-parent": Kind("HL02 names no HL before it", transaction="5", segment="8", element="7"),
    "hl-parent-missing": Kind("HL02 is empty; the nesting tells the parent", is_harmless=True),
    "element-missing": Kind(
        "an element that must be there is not", transaction="5", segment="8", element="1", contrl="13"
    ),
    "element-shifted": Kind("an element stands where another belongs", is_harmless=True),
}
"""By code. What is not harmless rejects the unit that it is in, and no row of it is posted."""

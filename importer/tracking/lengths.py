"""Numbers that begin as only one carrier's do and have another length: cut off, or with a character too many.

The beginnings and lengths are those of forms.py.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from importer.tracking.carriers import CARRIERS, CODES, STRANGER
from importer.tracking.forms import AMAZON, ONTRAC, UPS_AND_OTHERS

if TYPE_CHECKING:
    from importer.tracking.carriers import Codes, Text
    from importer.tracking.patterns import Flags


class Beginning(Struct, frozen=True):
    """How a carrier's numbers begin, and how many characters they have; ``borne_by`` as in forms.py."""

    carrier: str
    pattern: str
    length: int
    borne_by: frozenset[str]


_TELLING: Final = 2  # so many characters of each pattern are letters and digits that stand for themselves
BEGINNINGS: Final = (
    Beginning("UPS", r"1Z[0-9A-Z]{4,28}", 18, UPS_AND_OTHERS),
    Beginning("Amazon Logistics", r"TB[ACM]\d{4,24}", 15, AMAZON),
    Beginning("LaserShip", r"1LS7[12]\d{3,24}", 15, ONTRAC),
)


def wrong(text: Text, company: Codes) -> Flags:
    """Tell which numbers have another length than they begin; not in rows that name quite another carrier."""
    found = np.zeros(len(text), np.bool_)
    lengths = pc.binary_length(text)
    for beginning in BEGINNINGS:
        other = pc.not_equal(lengths, beginning.length)
        begun = pc.and_(pc.starts_with(text, beginning.pattern[:_TELLING]), other)
        rows = np.flatnonzero(begun.to_numpy(zero_copy_only=False))
        cut = pc.match_substring_regex(text.take(pa.array(rows)), f"^{beginning.pattern}$")
        found[rows] |= cut.to_numpy(zero_copy_only=False) & _MAY_BE[beginning][company[rows]]
    return found


def expected(number: str) -> Beginning:
    """Give the beginning of a number that has the wrong length.

    Raises:
        StopIteration: it begins like none.
    """
    return next(each for each in BEGINNINGS if re.fullmatch(each.pattern, number))


def _may_be(beginning: Beginning) -> Flags:
    """Tell by code of the named carrier whether the number may be meant for such a one."""
    table = np.ones(STRANGER + 1, np.bool_)
    table[[CODES[name] for name in CARRIERS if name not in beginning.borne_by]] = False
    return table


_MAY_BE: Final = {beginning: _may_be(beginning) for beginning in BEGINNINGS}

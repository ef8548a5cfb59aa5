"""What an EDI file holds: interchanges, their groups, their transactions, and what is wrong with each.

A group is GS..GE or UNG..UNE; an interchange without UNG has one group, which has no header. A transaction
is ST..SE or UNH..UNT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.manifests.edi.segments import Delimiters
    from importer.manifests.edi.standards import Standard


class Place(Struct, frozen=True):
    """Where something stands in a file.

    ``segment`` counts the file's segments from 1 (an ISA or UNB counts, a UNA does not), ``offset`` its bytes
    from 0, ``inside`` the segments of the transaction (ST or UNH is 1; 0: outside of any). ``element`` counts
    from 1 as in ``SE01``, ``component`` from 1; 0 means the whole segment, the whole element.
    """

    segment: int
    offset: int
    tag: str = ""
    inside: int = 0
    element: int = 0
    component: int = 0

    @property
    def words(self) -> str:
        """``segment 12 (SE02, byte 340)``."""
        element = f"{self.element:02}" if self.element else ""
        component = f":{self.component}" if self.component else ""
        return f"segment {self.segment} ({self.tag}{element}{component}, byte {self.offset})"


class Fault(Struct, frozen=True):
    """One thing that is wrong with a unit; ``code`` is a key of faults.FAULTS, which says how bad it is.

    ``message`` says what was found and what was expected: ``SE01 says 36 segments, counted 18``. ``value`` is
    the element as it was found.
    """

    code: str
    message: str
    place: Place
    value: str = ""


class Transaction(Struct, frozen=True):
    """ST..SE or UNH..UNT.

    ``kind`` is 856, 945, DESADV or another; ``version`` is GS08 or UNH's ``D:96A``. ``segments`` counts from
    its first to its last, inclusive. ``number`` counts the file's transactions from 0. ``reference`` is the
    document's own number (BSN02, W06-04 or W06-02, BGM C106 1004), ``rows`` how many data rows it gives.
    ``identifier`` has the components of UNH's S009, plain; () in X12.
    """

    number: int
    kind: str
    control: str
    version: str
    place: Place
    segments: int
    faults: tuple[Fault, ...] = ()
    reference: str = ""
    rows: int = 0
    identifier: tuple[str, ...] = ()


class Group(Struct, frozen=True):
    """GS..GE or UNG..UNE, or all messages of an interchange that has no groups (then ``head`` is ()).

    ``head`` has the elements of GS or UNG from the tag on. ``code`` is GS01 or UNG's 0038, ``declared`` how
    many transactions its trailer says, as text ("" without a trailer).
    """

    code: str
    control: str
    version: str
    place: Place
    head: tuple[str, ...]
    transactions: tuple[Transaction, ...]
    declared: str = ""
    faults: tuple[Fault, ...] = ()


class Interchange(Struct, frozen=True):
    """ISA..IEA or UNB..UNZ.

    ``head`` has the elements of ISA or UNB from the tag on, as they stand there (padded, not unescaped).
    ``sender`` and ``receiver`` are trimmed, their qualifiers "" where there are none. ``content`` is the
    SHA-256 (hex) of its segments, whatever stands between them. ``wants_answer`` is ISA14 = 1 or UNB
    0031 = 1; ``is_test`` is ISA15 = T or UNB 0035 = 1.
    """

    standard: Standard
    delimiters: Delimiters
    sender: str
    sender_qualifier: str
    receiver: str
    receiver_qualifier: str
    control: str
    version: str
    place: Place
    head: tuple[str, ...]
    groups: tuple[Group, ...]
    content: str
    wants_answer: bool = False
    is_test: bool = False
    faults: tuple[Fault, ...] = ()


class Survey(Struct, frozen=True):
    """A whole file: its interchanges, and in ``faults`` what is wrong with the file outside of them."""

    interchanges: tuple[Interchange, ...]
    faults: tuple[Fault, ...] = ()
    segments: int = 0

    def transactions(self) -> Iterator[tuple[Interchange, Group, Transaction]]:
        """All transactions with what they stand in, in order: the n-th has the ``number`` n."""
        for interchange in self.interchanges:
            for group in interchange.groups:
                for transaction in group.transactions:
                    yield interchange, group, transaction

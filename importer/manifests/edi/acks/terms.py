"""What all answers are made of, whatever the standard."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from importer.manifests.edi.envelopes import is_harmless, verdict
from importer.manifests.edi.standards import ANSWERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from importer.manifests.edi.partners import Partner
    from importer.manifests.edi.units import Fault, Group, Interchange, Transaction


class Rejection(Struct, frozen=True):
    """One business error on a row, found by checking or told by the destination.

    ``position`` is the row's segment, counted in the file (0: unknown). Where it is known, ``tag`` and
    ``inside`` say which segment of the transaction is meant (ST or UNH is 1), and ``element`` which element
    of it. ``reference`` is the order, or the order and the SKU; ``value`` what was found.
    """

    position: int
    code: str
    message: str
    value: str = ""
    reference: str = ""
    tag: str = ""
    inside: int = 0
    element: int = 0

    def inside_of(self, transaction: Transaction) -> int:
        """Which segment of the transaction is meant, from 1; 0 where it is not known."""
        counted = self.position - transaction.place.segment + 1 if self.position else 0
        return self.inside or max(0, counted)

    @property
    def application_error(self) -> str:
        """The X12 code (element 647): incorrect data, or another reason, which is the destination's."""
        return _ANOTHER_REASON if self.code.startswith("destination-") else _INCORRECT_DATA


_ANOTHER_REASON: Final = "024"
_INCORRECT_DATA: Final = "848"


class Answered(Struct, frozen=True):
    """What became of one transaction's rows; ``rejections`` are the first of the ``rejected`` rows.

    It has none while it is still open what becomes of other rows: then the partner is told later.
    """

    accepted: int
    rejected: int
    rejections: tuple[Rejection, ...]

    @property
    def unnamed(self) -> str:
        """How many more are rejected, in words; "" where all are named."""
        more = self.rejected - len(self.rejections)
        return f"and {more} more" if more > 0 else ""


class Acknowledgment(Struct, frozen=True):
    """One interchange for a partner, as the file ``name`` is to hold it.

    ``kind`` is 997, 999, TA1, 824, CONTRL or APERAK, ``partner`` the id that it is for, ``control`` its own
    control number.
    """

    name: str
    kind: str
    partner: str
    control: str
    content: bytes


class Reply(Struct, frozen=True):
    """A received interchange, and all that its answers need to know."""

    received: Interchange
    answered: Mapping[int, Answered]
    partner: Partner
    number: Callable[[str], int]
    now: datetime

    def next_number(self, counted: str) -> int:
        """The next control number of ours for this partner's interchanges or groups."""
        received = self.received
        return self.number(f"{received.standard}:{received.receiver}:{received.sender}:{counted}")

    def acknowledgment(self, kind: str, control: str, text: str) -> Acknowledgment:
        """An answer that is ready to be sent."""
        sender = self.received.sender
        name = f"{kind}-{_UNSAFE.sub('_', sender)[:_LONGEST_IN_NAME]}-{control}.edi"
        return Acknowledgment(name, kind, sender, control, text.encode())

    def with_rejections(self) -> Iterator[tuple[Group, Transaction, Answered]]:
        """The transactions that are sound, but have rows that are not accepted."""
        for group in self.received.groups:
            for transaction in group.transactions:
                answer = self.answered.get(transaction.number)
                is_sound = verdict(self.received, group, transaction) is None
                if answer and answer.rejections and is_sound and transaction.kind not in ANSWERS:
                    yield group, transaction, answer


_UNSAFE: Final = re.compile(r"[^0-9A-Za-z._-]+")
_LONGEST_IN_NAME: Final = 40


def rejecting(faults: Iterable[Fault]) -> list[Fault]:
    """Those that reject the unit that they are in."""
    return [fault for fault in faults if not is_harmless(fault)]


def ordinary(text: str) -> str:
    """A text in the characters that every character set of both standards has: printable ASCII.

    Accents are taken off; what has no counterpart is a question mark.
    """
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(each for each in decomposed if not unicodedata.combining(each))
    plain = bare.encode("ascii", "replace").decode("ascii")
    return " ".join(without_controls(plain).split())


def without_controls(text: str) -> str:
    """A text with blanks for its control characters, which no element may have."""
    return _CONTROLS.sub(" ", text)


_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f]")

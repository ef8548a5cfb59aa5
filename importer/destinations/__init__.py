"""What one API wants and means: a fulfillment → a request, an answer → its meaning. Pure, no I/O.

A further API is one more module here, one more entry in ``_KINDS``, and its keys in settings.py. It is
imported where it is posted to.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from importer.model import Fulfillment, Plan, Write
    from importer.settings import DestinationSettings


class Destination(Protocol):
    """An API that takes fulfillments, as data and pure functions."""

    @property
    def identity(self) -> str:
        """What tells this destination from others in the ledger."""

    @property
    def needed(self) -> tuple[str, ...]:
        """The canonical columns that a manifest must have."""

    @property
    def order_id(self) -> str:
        """The rule for order ids, ``integer`` or ``string``."""

    @property
    def several_orders(self) -> bool:
        """Whether one fulfillment may carry several orders."""

    @property
    def needed_to_notify(self) -> tuple[str, ...]:
        """The columns that a manifest must have that only asks to mail customers, () if there is no such."""

    @property
    def takes(self) -> tuple[str, ...]:
        """The canonical columns that it makes something of, beyond order, SKU, quantity, tracking number."""

    @property
    def optional(self) -> tuple[str, ...]:
        """The canonical columns whose cells may be blank."""

    @property
    def repeatable(self) -> bool:
        """Whether what was sent and then unknown may be planned again: a look or a key keeps it single."""

    @property
    def readable(self) -> bool:
        """Whether ``plan`` finds out what became of a fulfillment that an earlier run left in doubt."""

    @property
    def creates(self) -> bool:
        """Whether what an earlier run has sent is new on the platform; else it counts as updated."""

    def content(self, fulfillment: Fulfillment) -> str:
        """The SHA-256 (hex) of what the fulfillment says, whatever the order of its lines and parts."""

    def plan(self, fulfillment: Fulfillment, attempt: int, before: Sequence[Write]) -> Plan:
        """How to write the fulfillment, without the token in any request.

        ``attempt`` counts the writes of this fulfillment from 1. ``before`` are the writes that the run has
        made, or may have made, for the same order since the answers that the plan is given were taken.

        Raises:
            ValueError: the fulfillment is one that must not be sent.
        """


def make(settings: DestinationSettings) -> Destination:
    """The destination that the settings describe."""
    name = _KINDS[settings.kind]
    made: Destination = getattr(importlib.import_module(f"{__name__}.{settings.kind}"), name)(settings)
    return made


_KINDS: Final[Mapping[str, str]] = {"adm": "Adm", "shoplazza": "Shoplazza"}
"""The class of each kind, which is in the module of its name."""

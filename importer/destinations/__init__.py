"""What one API wants and means: a fulfillment → a request, an answer → its meaning. Pure, no I/O.

A further API is one more module here, one more entry in ``_KINDS``, and its keys in settings.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from importer.destinations.adm import Adm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from importer.model import Answer, Fulfillment, NoAnswer, Reading, Request
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

    def content(self, fulfillment: Fulfillment) -> str:
        """The SHA-256 (hex) of what the fulfillment says, whatever the order of its lines and parts."""

    def request(self, fulfillment: Fulfillment, attempt: int) -> Request:
        """What goes over the wire, without the token; ``attempt`` counts from 1.

        Raises:
            ValueError: the fulfillment is one that must not be sent.
        """

    def read(self, fulfillment: Fulfillment, reply: Answer | NoAnswer) -> Reading:
        """What the reply, or its absence, means for the fulfillment; any reply at all has a meaning."""


def make(settings: DestinationSettings) -> Destination:
    """The destination that the settings describe."""
    return _KINDS[settings.kind](settings)


_KINDS: Final[Mapping[str, Callable[[DestinationSettings], Destination]]] = {"adm": Adm}

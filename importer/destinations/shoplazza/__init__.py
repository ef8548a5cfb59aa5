"""Shoplazza's fulfillments: an existing one is given its tracking number, or a new one is created.

Its page "Update Fulfillment" gives the body, the reply and the forms of errors. It can be read, so that what
is not known is looked up: ``planning`` tells how a fulfillment is written, ``look_ups`` asks, ``choice``
finds the fulfillment that is meant, ``units`` what a new one takes, ``carriers`` compares the carrier,
``writes`` makes the request and reads its reply. ``versions`` has what differs between versions, ``remote``
what the platform has, and ``answers`` what any answer may say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from importer.destinations import requests
from importer.destinations.shoplazza.planning import plan
from importer.destinations.shoplazza.writes import Task
from importer.model import PARTIAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from importer.model import Fulfillment, Plan, Write
    from importer.settings import DestinationSettings

__all__ = ["Shoplazza"]


class Shoplazza(Struct, frozen=True):
    """One store, in one version of its API."""

    settings: DestinationSettings

    @property
    def identity(self) -> str:
        """Kind, base_url and account; the sandbox is one destination whatever its port."""
        if self.settings.sandbox:
            return "shoplazza sandbox"
        return f"shoplazza {self.settings.base_url} {self.settings.account}".rstrip()

    @property
    def needed(self) -> tuple[str, ...]:
        """The canonical columns that a manifest must have."""
        if self.settings.operation == "update":
            return ("order_id", "tracking_number")
        return ("order_id", "sku", "quantity", "tracking_number")

    @property
    def order_id(self) -> str:
        """Text: an order id may be ``633130-00000012``, or have 22 digits."""
        return "string"

    @property
    def several_orders(self) -> bool:
        """A path has one order."""
        return False

    @property
    def needed_to_notify(self) -> tuple[str, ...]:
        """Resending the mail, a use that the page names, needs the fulfillment alone."""
        return () if self.settings.operation == "create" else ("order_id", "fulfillment_id")

    @property
    def takes(self) -> tuple[str, ...]:
        """The carrier, and, but for a new fulfillment, its id and whether to mail the customer."""
        carrier = ("tracking_company", "tracking_company_code", "tracking_url")
        return carrier if self.settings.operation == "create" else (*carrier, "fulfillment_id", "notify")

    @property
    def optional(self) -> tuple[str, ...]:
        """An update is found by its SKUs where they are given, and needs none."""
        return ("sku", "quantity") if self.settings.operation == "update" else ()

    @property
    def repeatable(self) -> bool:
        """An update is a PUT, and before a fulfillment is created, those that are there are looked up."""
        return True

    @property
    def readable(self) -> bool:
        """The order's fulfillments tell whether one with the tracking number is there."""
        return True

    @property
    def creates(self) -> bool:
        """With ``auto`` it may have been either."""
        return self.settings.operation == "create"

    def content(self, fulfillment: Fulfillment) -> str:
        """The SHA-256 (hex) of what is told of the parcel, whatever the order of its lines; not of the mail.

        PARTIAL follows where rows of the parcel are left out.
        """
        return _contents(fulfillment) + (PARTIAL if fulfillment.partial else "")

    def plan(self, fulfillment: Fulfillment, attempt: int, before: Sequence[Write]) -> Plan:
        """How to write the fulfillment; a look that fails writes nothing.

        Raises:
            ValueError: it has not one order, or neither a tracking number nor the id of a fulfillment.
        """
        if len(fulfillment.parts) != 1:
            raise ValueError(f"{fulfillment.name}: {len(fulfillment.parts)} orders, but a path has one")
        if not fulfillment.key:
            raise ValueError(f"{fulfillment.name}: neither a tracking number nor a fulfillment id")
        key = requests.digest([self.identity, _contents(fulfillment)])
        return plan(Task(self.settings, fulfillment, attempt, before, key))


def _contents(fulfillment: Fulfillment) -> str:
    parts = sorted(
        [part.order_id, sorted([line.sku, line.quantity] for line in part.lines)]
        for part in fulfillment.parts
    )
    return requests.digest(
        [
            fulfillment.tracking_number,
            parts,
            fulfillment.fulfillment_id,
            fulfillment.tracking_company,
            fulfillment.tracking_company_code,
            fulfillment.tracking_url,
        ]
    )

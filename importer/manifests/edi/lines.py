"""A data row of an EDI transaction, whatever kind it is: the same columns as any manifest."""

from __future__ import annotations

from typing import Final, NamedTuple


class Line(NamedTuple):
    """One row: text as the partner wrote it.

    ``quantity`` is in pieces after the partner's conversion; where the unit has none, the unit stands behind
    the number (``21 CA``), so that nobody takes it for pieces. ``verdict`` is "" for a line to be posted,
    else why it is not, in words that begin as schemas.manifest.VERDICTS says. ``ordered`` is the ordered
    quantity, "" where it is not said. ``shipment`` is the document's own number. ``position`` counts the
    file's segments from 1: HL of the item (856), W12 (945), LIN (DESADV), or the document's first segment
    where it has no line. ``path`` is ``HL 4``, ``LX 2 / W12 1`` or ``CPS 2 / LIN 3``; what it stands in is
    put before it later.
    """

    order_id: str
    sku: str
    quantity: str
    tracking_number: str
    tracking_company: str
    verdict: str
    unit: str
    ordered: str
    sscc: str
    shipment: str
    position: int
    path: str


COLUMNS: Final = (
    "order_id",
    "sku",
    "quantity",
    "tracking_number",
    "tracking_company",
    "edi_verdict",
    "edi_unit",
    "edi_ordered",
    "edi_sscc",
    "edi_shipment",
    "edi_path",
)
"""The headers of an EDI manifest, as rows.csv has them."""

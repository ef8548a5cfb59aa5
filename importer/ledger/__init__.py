"""The memory across runs, and the only SQL.

``states`` says which state may follow which, as a table; ``tables`` are those of the database, and ``schema``
makes them. ``store`` keeps fulfillments and runs in them, ``history`` what became known of each fulfillment,
``interchanges`` what EDI needs to have remembered; ``writer`` makes changes durable, many with one commit.
A ledger is at one of the ``places``: a file (``sqlite``), where a ``lock`` lets one run at a time post to a
destination, or a server (``postgresql``), where runs share the work, each with a lease (``leases``),
at one rate (``paces``).
``copying`` is for moving from one to the other, and ``ledger`` is what callers see of it all.
"""

from importer.ledger.interchanges import Interchange
from importer.ledger.leases import LEASE_SECONDS, Claimed
from importer.ledger.ledger import Ledger, exists, utc_now
from importer.ledger.paces import Taken
from importer.ledger.places import Address, Location, location
from importer.ledger.states import (
    DONE,
    DOUBTED,
    NEXT,
    OUTCOME_UNKNOWN,
    SETTLED,
    TAKEN_AT_ITS_WORD,
    TransitionRefused,
    Verdict,
    may_be_settled,
    may_send,
    verdict,
)
from importer.ledger.store import Run

__all__ = [
    "DONE",
    "DOUBTED",
    "LEASE_SECONDS",
    "NEXT",
    "OUTCOME_UNKNOWN",
    "SETTLED",
    "TAKEN_AT_ITS_WORD",
    "Address",
    "Claimed",
    "Interchange",
    "Ledger",
    "Location",
    "Run",
    "Taken",
    "TransitionRefused",
    "Verdict",
    "exists",
    "location",
    "may_be_settled",
    "may_send",
    "utc_now",
    "verdict",
]

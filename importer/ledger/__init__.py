"""The memory across runs, and the only SQL.

``states`` says which state may follow which, as a table; ``tables`` are those of the database, ``schema`` and
``versions`` make them. ``statements`` are those that every post needs, the ``logbook`` is what every run says
of itself: of a file they are asked for ``direct``ly, without SQLAlchemy. With it ``store`` reads fulfillments
and runs, ``history`` is what became known of each fulfillment, and ``interchanges`` what EDI needs to have
remembered.
``changes`` become durable in ``transactions``, many with one commit, each a ``promise`` until then: by the
thread of a ``writer``, or for a run that posts much by a process of its own, the ``clerk``, which ``hiring``
starts and ``clerking`` is, and which is spoken to in lines of ``dictation``.

A ledger is at one of the ``places``: a file (``sqlite``, ``files``), where a ``lock`` lets one run at a time
post to a destination, or a server (``postgresql``), where runs share the work, each with a lease
(``leases``), at one rate (``paces``). ``copying`` is for moving from one to the other, ``pruning`` for what
need not be remembered for ever, and ``ledger`` is what callers see of it all, with the values in ``known``.
"""

from typing import TYPE_CHECKING

from importer import later
from importer.ledger.known import LEASE_SECONDS, Claimed, Interchange, Pruned, Run, Taken
from importer.ledger.places import Address, Location, location
from importer.ledger.presence import exists
from importer.ledger.promise import Promise
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

if TYPE_CHECKING:
    from importer.ledger.ledger import Ledger, obstacle, utc_now

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
    "Promise",
    "Pruned",
    "Run",
    "Taken",
    "TransitionRefused",
    "Verdict",
    "exists",
    "location",
    "may_be_settled",
    "may_send",
    "obstacle",
    "utc_now",
    "verdict",
]

# a dry run without a ledger needs none of it
__getattr__ = later.names(__name__, dict.fromkeys(("Ledger", "obstacle", "utc_now"), "ledger"))

"""The memory across runs, and the only SQL.

``states`` says which state may follow which, as a table; ``store`` keeps them in a database; ``writer``
makes changes durable, many with one commit; ``lock`` lets one run at a time post to a destination; and
``ledger`` is what callers see of it.
"""

from importer.ledger.ledger import Ledger, exists, utc_now
from importer.ledger.states import (
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
    "DOUBTED",
    "NEXT",
    "OUTCOME_UNKNOWN",
    "SETTLED",
    "TAKEN_AT_ITS_WORD",
    "Ledger",
    "Run",
    "TransitionRefused",
    "Verdict",
    "exists",
    "may_be_settled",
    "may_send",
    "utc_now",
    "verdict",
]

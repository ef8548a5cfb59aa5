"""Fulfillments → outcomes, each sent at most once.

``client`` sends one request, ``retries`` says what follows from its answer and ``budget`` whether the run can
afford it; ``breaker`` sees when it is the destination that fails, ``width`` how many posts it bears at once,
``pace`` when the next may go, ``turns`` which one that is, and ``halt`` whether any may. ``posting`` joins
them: the intent is in the ledger before a request leaves, and the outcome before anybody is told.
``transport`` and ``wire`` speak HTTP for the client, where it does not take httpx's own transport.
"""

from typing import TYPE_CHECKING

from importer import later
from importer.posts.halt import Deadline, Halt
from importer.posts.terms import DRAIN_SECONDS, GIVE_UP_SECONDS, Connection, Memory, Rules, Told

if TYPE_CHECKING:
    from importer.posts.posting import post_all
    from importer.posts.turns import Judge, Others

__all__ = [
    "DRAIN_SECONDS",
    "GIVE_UP_SECONDS",
    "Connection",
    "Deadline",
    "Halt",
    "Judge",
    "Memory",
    "Others",
    "Rules",
    "Told",
    "post_all",
]

# a dry run knows the terms, and posts nothing
__getattr__ = later.names(__name__, {"post_all": "posting", "Judge": "turns", "Others": "turns"})

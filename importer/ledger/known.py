"""What a ledger tells, as values, for those who never open one, too."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct, field

from importer.model import Entry

LEASE_SECONDS: Final = 60.0
"""How long a run may say nothing before the others take it for dead."""


class Run(Struct, frozen=True):
    """One run as the ledger remembers it; times are UTC, ``summary`` is JSON text.

    ``given`` is what the run was told, as JSON has it; empty for runs from before version 2. ``who`` started
    it, as ``user@host``; "" for runs from before version 3.
    """

    run_id: str
    command: str
    destination: str
    manifests: tuple[str, ...]
    report: str
    started_at: datetime
    finished_at: datetime | None = None
    exit_status: int | None = None
    stopped_because: str = ""
    summary: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    who: str = ""


class Interchange(Struct, frozen=True):
    """An interchange that a run has read; ``at`` is UTC.

    ``content`` tells whether another one of the same control number is the same document. ``source`` is the
    manifest that it stood in.
    """

    standard: str
    sender: str
    receiver: str
    control: str
    content: str
    run_id: str
    source: str
    at: datetime


class Claimed(Struct, frozen=True):
    """What became of a claim: ``by`` names the other run that has an order of it, "" if there is none.

    Then ``entries`` is what is known of the fulfillments, and the run that asked has the orders, unless all
    of it is done: then there is nothing to be had (``held``).
    """

    by: str = ""
    entries: Mapping[tuple[str, str], Entry] = field(default_factory=dict)
    held: bool = False


class Taken(Struct, frozen=True):
    """Turns that nobody else has: the ``first`` comes in so many seconds, after a rest; others follow.

    Before ``paused`` seconds are over nothing may be sent, whoever's turn it is.
    """

    first: float
    paused: float


class Pruned(Struct, frozen=True):
    """How many runs and events are gone, or would be."""

    runs: int
    events: int

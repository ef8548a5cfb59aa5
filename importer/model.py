"""The nouns that every stage may use: frozen values, made by msgspec and the standard library alone."""

from collections.abc import Callable, Generator, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct, field


class Status(StrEnum):
    """What became of a row, in the word that the report uses."""

    CREATED = "created"
    UPDATED = "updated"
    SKIPPED = "skipped"
    READY = "ready"
    INVALID = "invalid"
    HELD = "held"
    REJECTED = "rejected"
    FAILED = "failed"
    IN_DOUBT = "in-doubt"
    NOT_SENT = "not-sent"


STATUSES = tuple(Status)
FINE = frozenset({Status.CREATED, Status.UPDATED, Status.SKIPPED, Status.READY})
"""Rows of these statuses need nobody's attention; all others stand in errors.csv."""


MAIL_ALONE: Final = "mail_alone"
"""What is said of rows without a tracking number, beside their columns: they only ask for a mail."""


class Duplicates(StrEnum):
    """What the same row twice in one parcel means."""

    SUM = "sum"
    DROP = "drop"
    ERROR = "error"


class LineItem(Struct, frozen=True):
    """So many units of one SKU."""

    sku: str
    quantity: int


class OrderPart(Struct, frozen=True):
    """What one order gets in a parcel; ``lines`` is never empty and names each SKU once."""

    order_id: str
    lines: tuple[LineItem, ...]


class Fulfillment(Struct, frozen=True):
    """One parcel, told to the destination in one request.

    ``index`` is its place in the run. ``parts`` has one entry for the usual fulfillment, several only where
    the destination takes one fulfillment for several orders. ``partial`` says that faulty rows of the parcel
    are left out. The rest is what a destination takes that knows it, "" where the manifest does not say:
    ``fulfillment_id`` is the platform's own, of one that is to be updated, ``tracking_company``,
    ``tracking_company_code`` and ``tracking_url`` tell the carrier, and ``notify`` asks to mail the customer.
    Without a ``tracking_number`` there is a ``fulfillment_id``, and the mail is all that is wanted.
    """

    index: int
    tracking_number: str
    parts: tuple[OrderPart, ...]
    partial: bool = False
    fulfillment_id: str = ""
    tracking_company: str = ""
    tracking_company_code: str = ""
    tracking_url: str = ""
    notify: bool = False

    @property
    def key(self) -> str:
        """What tells it from others of its orders: the tracking number, or else the platform's id."""
        return self.tracking_number or self.fulfillment_id

    @property
    def name(self) -> str:
        """What reports and people call it: ``ORDER/TRACKING``."""
        return fulfillment_name((part.order_id for part in self.parts), self.key)


def fulfillment_name(order_ids: Iterable[str], tracking_number: str) -> str:
    """``ORDER/TRACKING``, with the orders of a shared parcel joined by ``+``."""
    return f"{'+'.join(order_ids)}/{tracking_number}"


class Request(Struct, frozen=True):
    """What goes over the wire: ``url`` is absolute, ``body`` is encoded already.

    The token is not among ``headers``; the client adds it.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class Answer(Struct, frozen=True):
    """What came back, read to the end or to the limit (then ``whole`` is false)."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool = True


class Reach(StrEnum):
    """How far a request got when no answer came."""

    NEVER_SENT = "never sent"
    SENT = "sent"


class NoAnswer(Struct, frozen=True):
    """No (whole) answer came; ``reach`` says whether the destination may have acted.

    ``begun`` is the part of an answer that had come, from its head on; it is not ``whole``.
    """

    reach: Reach
    reason: str
    begun: Answer | None = None


class Meaning(StrEnum):
    """What an answer, or its absence, means for the fulfillment."""

    CREATED = "created"
    UPDATED = "updated"
    THERE = "there already"
    READY = "ready to be written"
    REFUSED = "refused"
    WAIT = "wait"
    TRY_AGAIN = "try again"
    NEVER_REACHED = "never reached"
    UNKNOWN = "unknown"
    STOP = "stop"


class Reading(Struct, frozen=True):
    """An answer as its destination understands it.

    ``code`` and ``message`` are what the report says; ``wait_seconds`` is set with ``WAIT`` when the
    destination said how long. ``formed`` is false when a refusal has not the form that the destination's
    document gives it, so that it may come from something else on the way.
    """

    meaning: Meaning
    code: str = ""
    message: str = ""
    http_status: int | None = None
    wait_seconds: float | None = None
    formed: bool = True


class Look(Struct, frozen=True):
    """A request that only reads, to find out what is to be written.

    ``lasting`` says that its answer holds for the whole run, and not for the order alone.
    """

    request: Request
    lasting: bool = False


class Write(Struct, frozen=True):
    """The request that makes the fulfillment, and what its reply means.

    ``takes`` is what it uses up on the platform, by the platform's ids: units of a line item, or a
    fulfillment that gets its tracking number. ``mails`` says that the customer is mailed for it.
    """

    request: Request
    read: Callable[[Answer | NoAnswer], Reading]
    takes: Mapping[str, int] = field(default_factory=dict)
    mails: bool = False


Plan = Write | Generator[Look, Answer | NoAnswer, Write | Reading]
"""How a fulfillment is written: at once, or after looking, which may also tell all there is to say."""


class Outcome(Struct, frozen=True, array_like=True):
    """How a fulfillment ended in this run; times are UTC."""

    status: Status
    code: str = ""
    message: str = ""
    http_status: int | None = None
    attempts: int = 0
    at: datetime | None = None


class State(StrEnum):
    """What the ledger knows of a fulfillment."""

    SENDING = "sending"
    CREATED = "created"
    UPDATED = "updated"
    REJECTED = "rejected"
    FAILED = "failed"
    IN_DOUBT = "in-doubt"
    NOT_SENT = "not-sent"


class Event(StrEnum):
    """What became known of a fulfillment; the first ones are the states that it came to."""

    SENDING = "sending"
    CREATED = "created"
    UPDATED = "updated"
    REJECTED = "rejected"
    FAILED = "failed"
    IN_DOUBT = "in-doubt"
    NOT_SENT = "not-sent"
    TRIED = "tried"
    LOOKED_UP = "looked-up"
    FOUND_IN_DOUBT = "found-in-doubt"
    SETTLED_CREATED = "settled-created"
    SETTLED_NOT_CREATED = "settled-not-created"


class Happening(Struct, frozen=True, array_like=True):
    """Something that became known of a fulfillment, by run ``run_id`` or of what it did; ``at`` is UTC.

    ``attempt`` counts those of the run from 1, 0 where it is about none or not about one.
    """

    at: datetime
    run_id: str
    event: Event
    attempt: int = 0
    code: str = ""
    message: str = ""
    http_status: int | None = None


PARTIAL: Final = " partial"
"""What the content of a partial fulfillment ends in: what was left out of it was not sent."""


class Intent(Struct, frozen=True, array_like=True):
    """What the ledger is told before a request leaves.

    ``content`` is the SHA-256 (hex) of what the fulfillment says, without what depends on the time or the
    attempt, and PARTIAL after it where rows were left out; the same fulfillment always has the same.
    """

    destination: str
    order_ids: tuple[str, ...]
    tracking_number: str
    content: str
    run_id: str


class Entry(Struct, frozen=True):
    """What the ledger has of one order's share in a parcel; ``at`` is UTC."""

    order_id: str
    tracking_number: str
    state: State
    content: str
    run_id: str
    code: str
    message: str
    http_status: int | None
    attempts: int
    at: datetime

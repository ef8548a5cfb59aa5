"""What is known of an order, and of a parcel of it, while they are posted."""

from datetime import datetime
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from importer.model import (
    Answer,
    Entry,
    Event,
    Fulfillment,
    Happening,
    Intent,
    Meaning,
    NoAnswer,
    Outcome,
    Reading,
    State,
    Status,
    Write,
)
from importer.posts.terms import Connection

_SUCCESSES: Final = frozenset({Meaning.CREATED, Meaning.UPDATED, Meaning.READY})
_UNCLEAR: Final = frozenset({Meaning.UNKNOWN, Meaning.TRY_AGAIN})


class Order(Struct):
    """What is known of an order while its fulfillments are posted, one after the other.

    ``answers`` are those of look-ups, by URL; ``writes`` have been made since. ``requests`` counts all.
    """

    connection: Connection
    answers: dict[str, Answer | NoAnswer] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    requests: int = 0

    def hear(self, write: Write, reading: Reading) -> None:
        """Remember a write that was done; after one that may have been, everything is looked up anew."""
        if reading.meaning in _SUCCESSES:
            self.writes.append(write)
        elif reading.meaning in _UNCLEAR:
            self.forget()

    def forget(self) -> None:
        """Have everything looked up anew: time passes, or something may have been done."""
        self.answers.clear()
        self.writes.clear()


class Parcel(Struct):
    """A fulfillment that is being posted.

    ``outcome`` is what may be said of it so far, None before any request. ``sending`` says that the ledger
    has it as being sent, ``recorded`` that the ledger has an outcome of this run. ``earlier`` is what an
    earlier run left that may have done it. ``writes`` counts the requests that have made it or may have,
    ``creates`` says whether the last one was for a new one, ``settles_at`` (seconds of a monotonic clock)
    when it can be seen at the latest, and ``mailed`` whether one asked to mail the customer. ``asked`` says
    that the destination was reached for, ``news`` is what became known since the ledger was told last.
    """

    fulfillment: Fulfillment
    intent: Intent
    earlier: Entry | None = None
    history: tuple[Reading, ...] = ()
    outcome: Outcome | None = None
    sending: bool = False
    recorded: bool = False
    writes: int = 0
    creates: bool = False
    mailed: bool = False
    asked: bool = False
    news: tuple[Happening, ...] = ()
    settles_at: float = float("-inf")

    def __post_init__(self) -> None:
        # the earlier run's counts: what is to go with the first only went with it
        self.writes = int(self.earlier is not None)

    @property
    def doubtful(self) -> bool:
        """Whether an earlier run left it in doubt."""
        return self.earlier is not None and self.earlier.state is State.IN_DOUBT

    @property
    def is_in_doubt(self) -> bool:
        """Whether an attempt, of this run or an earlier one, may have done it."""
        return self.doubtful or (self.outcome is not None and self.outcome.status is Status.IN_DOUBT)

    def hear(self, write: Write, reading: Reading) -> None:
        """Count a request that was done, or may have been."""
        if reading.meaning in _SUCCESSES | _UNCLEAR:
            self.writes += 1
            self.creates = write.request.method == "POST"
            self.mailed = self.mailed or write.mails

    def seen(self, reading: Reading) -> Reading:
        """What a look tells: that it is there is the outcome if there was a request for it."""
        if reading.meaning is not Meaning.THERE or not (self.writes or self.recorded):
            return reading
        meaning = Meaning.CREATED if self.creates else Meaning.UPDATED
        return replace(reading, meaning=meaning, code="")

    def learn(self, event: Event, at: datetime, told: Reading, attempt: int = 0) -> None:
        """Keep for its history what was ``told`` of it."""
        self.news += (
            Happening(at, self.intent.run_id, event, attempt, told.code, told.message, told.http_status),
        )

    def pass_on(self) -> tuple[Happening, ...]:
        """Hand out what became known, for the ledger to be told."""
        news, self.news = self.news, ()
        return news

    def interrupt(self, reason: str) -> None:
        """Say in the outcome that there would have been another attempt."""
        if self.outcome is not None and self.history:
            words = f"{self.outcome.message}; not tried again, since the run stopped: {reason}"
            self.outcome = replace(self.outcome, message=words)

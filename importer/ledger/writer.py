"""One thread that makes changes durable: whatever is queued goes into one transaction, with one commit."""

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from importer.errors import CannotGoOn, ImporterError
from importer.ledger import history, leases, store
from importer.ledger.leases import Claim, Release
from importer.ledger.places import Guard, Place
from importer.ledger.promise import Promise
from importer.ledger.states import TransitionRefused, ended, found_out, settled, started
from importer.ledger.tables import Key
from importer.model import Entry, Event, Happening, Intent, Outcome, State


@dataclass(frozen=True, slots=True)
class Start:
    """The fulfillment of ``intent`` is about to be sent, or, if it is not ``sent``, to end unsent.

    ``keys`` are those of its entries; ``before`` became known since the last change of it.
    """

    intent: Intent
    keys: Sequence[Key]
    accept_doubt: bool
    at: datetime
    before: tuple[Happening, ...] = ()
    sent: bool = True

    def apply(self, entries: dict[Key, Entry]) -> None:
        """Change ``entries``, all of them or none.

        Raises:
            TransitionRefused: one of them does not allow it.
        """
        entries |= {
            key: started(entries.get(key), key[1], self.intent, self.at, accept_doubt=self.accept_doubt)
            for key in self.keys
        }

    def happened(self, entry: Entry) -> tuple[Happening, ...]:
        """What its history gets, where that of one order's share is ``entry`` now."""
        if not self.sent:
            return self.before
        words = entry.message if entry.code else ""  # else there is nothing to say but that
        return (*self.before, Happening(self.at, entry.run_id, Event.SENDING, 0, entry.code, words))


@dataclass(frozen=True, slots=True)
class End:
    """The fulfillment of ``intent`` has come to ``outcome``; the rest is as for a ``Start``."""

    intent: Intent
    keys: Sequence[Key]
    outcome: Outcome
    at: datetime
    before: tuple[Happening, ...] = ()

    def apply(self, entries: dict[Key, Entry]) -> Outcome:
        """Change ``entries``, all of them or none, and return the outcome that they have now.

        Raises:
            TransitionRefused: one of them does not allow it.
        """
        outcome = self.outcome
        for key in self.keys:
            outcome = settled(entries.get(key), outcome)
        entries |= {key: ended(entries.get(key), key[1], self.intent, outcome, self.at) for key in self.keys}
        return outcome

    def happened(self, entry: Entry) -> tuple[Happening, ...]:
        """What its history gets, where that of one order's share is ``entry`` now."""
        return (*self.before, _as_happening(entry, _EVENTS[entry.state]))


@dataclass(frozen=True, slots=True)
class Settle:
    """A person, ``by``, has found out whether what stands under ``key`` was created."""

    key: Key
    created: bool
    by: str
    at: datetime

    def apply(self, entries: dict[Key, Entry]) -> Entry:
        """Change its one entry among ``entries``, and return it as it is now.

        Raises:
            TransitionRefused: it is not one whose outcome a person may settle.
        """
        _, order_id, tracking_number = self.key
        before = entries.get(self.key)
        entries[self.key] = found_out(
            before, order_id, tracking_number, created=self.created, by=self.by, at=self.at
        )
        return entries[self.key]

    def happened(self, entry: Entry) -> tuple[Happening, ...]:
        """What its history gets, where ``entry`` is what the ledger has of it now."""
        return (_as_happening(entry, Event.SETTLED_CREATED if self.created else Event.SETTLED_NOT_CREATED),)

    @property
    def keys(self) -> list[Key]:
        """The key of its one entry."""
        return [self.key]


Change = Start | End | Settle
Statement = Callable[[Connection], Any]
"""What a transaction does besides; it returns what its future is to hold."""
Operation = Change | Claim | Release | Statement


_EVENTS: Final = {state: Event(state.value) for state in State}


def _as_happening(entry: Entry, event: Event) -> Happening:
    return Happening(
        entry.at, entry.run_id, event, entry.attempts, entry.code, entry.message, entry.http_status
    )


def keys_of(intent: Intent) -> list[Key]:
    """The keys of the entries of a parcel, one for each order in it."""
    return [(intent.destination, order_id, intent.tracking_number) for order_id in intent.order_ids]


class Writer:
    """The thread and its queue; it closes ``connection``, which was opened at ``place``, in the end.

    Once a commit has failed, or was made where ``guard`` says that the next run does not look, everything
    queued since and later fails with the same words: what is on the disk then is for the next run to read.
    ``fence`` is asked at the beginning of each transaction whether anything may still be written.
    """

    fence: Callable[[Connection], None] | None = None

    def __init__(self, place: Place, connection: Connection, guard: Guard) -> None:
        self._place = place
        self._connection = connection
        self._guard = guard
        self._queued: list[tuple[Operation, Promise[Any]]] = []
        self._waking = threading.Condition()
        self._closing = False
        self._broken: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """What messages call the ledger."""
        return self._place.name

    def submit(self, operation: Operation) -> Promise[Any]:
        """Queue ``operation``; the future holds what it returned, once that is on the disk.

        The future fails with ``TransitionRefused`` if the entries do not allow the change (nothing else of
        its transaction is touched by that), with ``CannotGoOn`` if nothing more can be written.
        """
        future: Promise[Any] = Promise()
        with self._waking:
            if not self._closing:
                self._queued.append((operation, future))
                self._waking.notify()
                return future
        future.set_exception(
            CannotGoOn(f"ledger {self._place.name}: it is closed, so nothing more can be written to it")
        )
        return future

    def close(self) -> None:
        """Write what is queued, and end; the last connection to close puts everything into the one file."""
        with self._waking:
            self._closing = True
            self._waking.notify()
        self._thread.join()

    def _work(self) -> None:
        while group := self._next_group():
            self._write(group)
        with suppress(SQLAlchemyError):  # all that was promised is on the disk already
            self._connection.close()

    def _next_group(self) -> Sequence[tuple[Operation, Promise[Any]]]:
        with self._waking:
            while not self._queued and not self._closing:
                self._waking.wait()
            group, self._queued = self._queued, []
            return group

    def _write(self, group: Sequence[tuple[Operation, Promise[Any]]]) -> None:
        results: list[Any] = []
        if self._broken is None:
            try:
                with self._connection.begin():
                    if self.fence is not None:
                        self.fence(self._connection)
                    results = _apply(self._connection, [operation for operation, _ in group])
                    self._guard.check()  # undone, an outcome leaves its entry as being sent
                self._guard.check()
            except Exception as error:  # noqa: BLE001 - whatever it was, those who wait must hear of it
                self._broken = error
        if self._broken is not None:
            results = [_failure(self._place, self._broken) for _ in group]
        for (_, future), result in zip(group, results, strict=True):
            if isinstance(result, ImporterError):
                future.set_exception(result)
            else:
                future.set_result(result)


def _failure(place: Place, error: BaseException) -> CannotGoOn:
    failure = place.unusable(error)
    failure.__cause__ = error
    return failure


def _apply(connection: Connection, operations: Sequence[Operation]) -> list[Any]:
    """Do them in their order, but for what concerns other runs: that comes last, and all at once."""
    claims = [each for each in operations if isinstance(each, Claim)]
    releases = [each for each in operations if isinstance(each, Release)]
    own = [each for each in operations if not isinstance(each, Claim | Release)]
    results = iter(_apply_own(connection, own))
    leases.release(connection, releases)
    claimed = iter(leases.claim(connection, claims))
    return [
        next(claimed) if isinstance(each, Claim) else None if isinstance(each, Release) else next(results)
        for each in operations
    ]


def _apply_own(connection: Connection, operations: Iterable[Change | Statement]) -> list[Any]:
    results: list[Any] = []
    changes: list[Change] = []
    for operation in operations:
        if isinstance(operation, Change):
            changes.append(operation)
        else:
            results += [*_change(connection, changes), operation(connection)]
            changes = []
    return results + _change(connection, changes)


def _change(connection: Connection, changes: Sequence[Change]) -> list[Any]:
    before = _known(connection, changes)
    after = dict(before)
    happened: list[tuple[Key, Happening]] = []
    results = [_attempt(change, after, happened) for change in changes]
    store.put(connection, {key: entry for key, entry in after.items() if before.get(key) is not entry})
    history.add(connection, happened)
    return results


def _known(connection: Connection, changes: Sequence[Change]) -> dict[Key, Entry]:
    keys: dict[str, list[tuple[str, str]]] = {}
    for change in changes:
        for destination, order_id, tracking_number in change.keys:
            keys.setdefault(destination, []).append((order_id, tracking_number))
    return {
        (destination, entry.order_id, entry.tracking_number): entry
        for destination, wanted in keys.items()
        for entry in store.entries(connection, destination, wanted)
    }


def _attempt(
    change: Change, entries: dict[Key, Entry], happened: list[tuple[Key, Happening]]
) -> Outcome | Entry | TransitionRefused | None:
    try:
        result = change.apply(entries)
    except TransitionRefused as refusal:
        return refusal
    happened += [(key, each) for key in change.keys for each in change.happened(entries[key])]
    return result

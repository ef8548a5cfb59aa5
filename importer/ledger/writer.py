"""One thread that makes changes durable: whatever is queued goes into one transaction, with one commit."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from importer.errors import CannotGoOn
from importer.ledger import store
from importer.ledger.states import TransitionRefused, ended, settled, started
from importer.ledger.store import Key
from importer.model import Entry, Intent, Outcome


@dataclass(frozen=True, slots=True)
class Start:
    """The fulfillment of ``intent`` is about to be sent."""

    intent: Intent
    accept_doubt: bool
    at: datetime

    def apply(self, entries: dict[Key, Entry]) -> None:
        """Change ``entries``, all of them or none.

        Raises:
            TransitionRefused: one of them does not allow it.
        """
        keys = keys_of(self.intent)
        entries |= {
            key: started(entries.get(key), key[1], self.intent, self.at, accept_doubt=self.accept_doubt)
            for key in keys
        }


@dataclass(frozen=True, slots=True)
class End:
    """The fulfillment of ``intent`` has come to ``outcome``."""

    intent: Intent
    outcome: Outcome
    at: datetime

    def apply(self, entries: dict[Key, Entry]) -> Outcome:
        """Change ``entries``, all of them or none, and return the outcome that they have now.

        Raises:
            TransitionRefused: one of them does not allow it.
        """
        outcome = self.outcome
        keys = keys_of(self.intent)
        for key in keys:
            outcome = settled(entries.get(key), outcome)
        entries |= {key: ended(entries.get(key), key[1], self.intent, outcome, self.at) for key in keys}
        return outcome


Change = Start | End
Statement = Callable[[Connection], Any]
"""What a transaction does besides; it returns what its future is to hold."""


def keys_of(intent: Intent) -> list[Key]:
    """Return the keys of the intent's entries, one for each order in the parcel."""
    return [(intent.destination, order_id, intent.tracking_number) for order_id in intent.order_ids]


class Writer:
    """The thread and its queue; it closes ``connection`` in the end.

    Once a commit has failed, everything queued since and later fails with the same words: what is on the
    disk then is for the next run to read.
    """

    def __init__(self, connection: Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._queued: list[tuple[Change | Statement, Future[Any]]] = []
        self._waking = threading.Condition()
        self._closing = False
        self._broken: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()

    def submit(self, operation: Change | Statement) -> Future[Any]:
        """Queue ``operation``; the future holds what it returned, once that is on the disk.

        The future fails with ``TransitionRefused`` if the entries do not allow the change (nothing else of
        its transaction is touched by that), with ``CannotGoOn`` if nothing more can be written.
        """
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()  # what is queued can't be taken back
        with self._waking:
            if not self._closing:
                self._queued.append((operation, future))
                self._waking.notify()
                return future
        future.set_exception(
            CannotGoOn(f"ledger {self._path}: it is closed, so nothing more can be written to it")
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

    def _next_group(self) -> Sequence[tuple[Change | Statement, Future[Any]]]:
        with self._waking:
            while not self._queued and not self._closing:
                self._waking.wait()
            group, self._queued = self._queued, []
            return group

    def _write(self, group: Sequence[tuple[Change | Statement, Future[Any]]]) -> None:
        results: list[Any] = []
        if self._broken is None:
            try:
                with self._connection.begin():
                    results = _apply(self._connection, [operation for operation, _ in group])
            except Exception as error:  # noqa: BLE001 - whatever it was, those who wait must hear of it
                self._broken = error
        if self._broken is not None:
            results = [_failure(self._path, self._broken) for _ in group]
        for (_, future), result in zip(group, results, strict=True):
            if isinstance(result, CannotGoOn):
                future.set_exception(result)
            else:
                future.set_result(result)


def _failure(path: Path, error: BaseException) -> CannotGoOn:
    failure = store.unusable(path, error)
    failure.__cause__ = error
    return failure


def _apply(connection: Connection, operations: Iterable[Change | Statement]) -> list[Any]:
    results: list[Any] = []
    changes: list[Change] = []
    for operation in operations:
        if isinstance(operation, Start | End):
            changes.append(operation)
        else:
            results += [*_change(connection, changes), operation(connection)]
            changes = []
    return results + _change(connection, changes)


def _change(connection: Connection, changes: Sequence[Change]) -> list[Any]:
    before = _known(connection, changes)
    after = dict(before)
    results = [_attempt(change, after) for change in changes]
    store.put(connection, {key: entry for key, entry in after.items() if before.get(key) is not entry})
    return results


def _known(connection: Connection, changes: Sequence[Change]) -> dict[Key, Entry]:
    keys: dict[str, list[tuple[str, str]]] = {}
    for change in changes:
        for destination, *key in keys_of(change.intent):
            keys.setdefault(destination, []).append((key[0], key[1]))
    return {
        (destination, entry.order_id, entry.tracking_number): entry
        for destination, wanted in keys.items()
        for entry in store.entries(connection, destination, wanted)
    }


def _attempt(change: Change, entries: dict[Key, Entry]) -> Outcome | TransitionRefused | None:
    try:
        return change.apply(entries)
    except TransitionRefused as refusal:
        return refusal

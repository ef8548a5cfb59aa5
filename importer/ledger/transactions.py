"""Whatever is asked for at one time goes into one transaction, with one commit, which is where it counts."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from importer.errors import CannotGoOn
from importer.ledger import history, leases, store
from importer.ledger.changes import Change
from importer.ledger.leases import Claim, Release
from importer.ledger.places import Guard, Place
from importer.ledger.states import TransitionRefused
from importer.ledger.tables import Key
from importer.model import Entry, Happening, Outcome

Statement = Callable[[Connection], Any]
"""What a transaction does besides; it returns what its future is to hold."""
Operation = Change | Claim | Release | Statement


class Transactions:
    """All that is written by ``connection``, which was opened at ``place``, and is closed in the end.

    Once a commit has failed, or was made where ``guard`` says that the next run does not look, everything
    later fails with the same words: what is on the disk then is for the next run to read.
    ``fence`` is asked at the beginning of each transaction whether anything may still be written.
    """

    fence: Callable[[Connection], None] | None = None

    def __init__(self, place: Place, connection: Connection, guard: Guard) -> None:
        self._place = place
        self._connection = connection
        self._guard = guard
        self._broken: BaseException | None = None

    def write(self, operations: Sequence[Operation]) -> list[Any]:
        """Do ``operations`` and return what came of each, now that it is on the disk.

        That is a ``TransitionRefused`` if the entries do not allow the change (nothing else is touched by
        that), and a ``CannotGoOn`` for all of them if nothing more can be written.
        """
        results: list[Any] = []
        if self._broken is None:
            try:
                with self._connection.begin():
                    if self.fence is not None:
                        self.fence(self._connection)
                    results = _apply(self._connection, operations)
                    self._guard.check()  # undone, an outcome leaves its entry as being sent
                self._guard.check()
            except Exception as error:  # noqa: BLE001 - whatever it was, those who wait must hear of it
                self._broken = error
        return results if self._broken is None else [self._failure(self._broken) for _ in operations]

    def close(self) -> None:
        """Let go; the last connection to close puts everything into the one file."""
        with suppress(SQLAlchemyError):  # all that was promised is on the disk already
            self._connection.close()

    def _failure(self, error: BaseException) -> CannotGoOn:
        failure = self._place.unusable(error)
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

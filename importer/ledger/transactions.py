"""Whatever is asked for at one time goes into one transaction, with one commit, which is where it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

from importer.ledger.changes import Change
from importer.ledger.statements import Connection, add, entries, put, update
from importer.ledger.states import TransitionRefused
from importer.model import State

if TYPE_CHECKING:
    from importer.errors import CannotGoOn
    from importer.ledger.places import Guard
    from importer.ledger.statements import Key
    from importer.model import Entry, Happening, Outcome

Statement: TypeAlias = Callable[[Any], Any]
"""What a transaction does besides, with its connection; it returns what its future is to hold."""

_C = TypeVar("_C", bound=Connection)
_O = TypeVar("_O")


class Explaining(Protocol):
    """Who can say what an error means."""

    def unusable(self, error: BaseException) -> CannotGoOn:
        """Say where, what and what to do."""


class Transactions(Generic[_C, _O]):
    """All that is written by ``connection``, which was opened at ``place``, and is closed in the end.

    ``apply`` does operations and returns what came of each. Once a commit has failed, or was made where
    ``guard`` says that the next run does not look, everything later fails with the same words: what is on the
    disk then is for the next run to read.
    """

    def __init__(
        self,
        place: Explaining,
        connection: _C,
        guard: Guard,
        apply: Callable[[_C, Sequence[_O]], list[Any]],
    ) -> None:
        self._place = place
        self._connection = connection
        self._guard = guard
        self._apply = apply
        self._broken: BaseException | None = None

    def write(self, operations: Sequence[_O]) -> list[Any]:
        """Do ``operations`` and return what came of each, now that it is on the disk.

        That is a ``TransitionRefused`` if the entries do not allow the change (nothing else is touched by
        that), and a ``CannotGoOn`` for all of them if nothing more can be written.
        """
        results: list[Any] = []
        if self._broken is None:
            try:
                with self._connection.begin():
                    results = self._apply(self._connection, operations)
                    self._guard.check()  # undone, an outcome leaves its entry as being sent
                self._guard.check()
            except Exception as error:  # noqa: BLE001 - whatever it was, those who wait must hear of it
                self._broken = error
        return results if self._broken is None else [self._failure(self._broken) for _ in operations]

    def close(self) -> None:
        """Let go; the last connection to close puts everything into the one file."""
        with suppress(Exception):  # all that was promised is on the disk already
            self._connection.close()

    def _failure(self, error: BaseException) -> CannotGoOn:
        failure = self._place.unusable(error)
        failure.__cause__ = error
        return failure


def carry_out(connection: Connection, operations: Iterable[Change | Statement]) -> list[Any]:
    """Do them in their order, and return what came of each: a ``TransitionRefused`` if it may not be."""
    return Carrier().carry_out(connection, operations)


class Carrier:
    """Does operations where nobody else changes what is being sent, as long as it is there.

    So it need not read again what it has written of that itself.
    """

    def __init__(self) -> None:
        self._sending: dict[Key, Entry] = {}

    def carry_out(self, connection: Connection, operations: Iterable[Change | Statement]) -> list[Any]:
        """Do them as the function of that name does."""
        results: list[Any] = []
        changes: list[Change] = []
        for operation in operations:
            if isinstance(operation, Change):
                changes.append(operation)
            else:
                results += [*self._change(connection, changes), operation(connection)]
                changes = []
                self._sending.clear()  # whatever it did
        return results + self._change(connection, changes)

    def _change(self, connection: Connection, changes: Sequence[Change]) -> list[Any]:
        keys = [change.keys for change in changes]
        before = self._known(connection, set(chain.from_iterable(keys)))
        after = dict(before)
        happened: list[tuple[Key, Happening]] = []
        results = [_attempt(change, its, after, happened) for change, its in zip(changes, keys, strict=True)]
        new: dict[Key, Entry] = {}
        gone_on: dict[Key, Entry] = {}
        for key, entry in after.items():
            known = before.get(key)
            if known is not entry:
                (gone_on if _goes_on(known, entry) else new)[key] = entry
                if entry.state is State.SENDING:
                    self._sending[key] = entry
                else:
                    self._sending.pop(key, None)
        put(connection, new)
        update(connection, gone_on)
        add(connection, happened)
        return results

    def _known(self, connection: Connection, keys: Iterable[Key]) -> dict[Key, Entry]:
        found: dict[Key, Entry] = {}
        unknown: dict[str, list[tuple[str, str]]] = {}
        for key in keys:
            if entry := self._sending.get(key):
                found[key] = entry
            else:
                unknown.setdefault(key[0], []).append(key[1:])
        for destination, wanted in unknown.items():
            for entry in entries(connection, destination, wanted):
                found[destination, entry.order_id, entry.tracking_number] = entry
        return found


def _goes_on(before: Entry | None, after: Entry) -> bool:
    return before is not None and before.run_id == after.run_id and before.content == after.content


def _attempt(
    change: Change, keys: Iterable[Key], known: dict[Key, Entry], happened: list[tuple[Key, Happening]]
) -> Outcome | Entry | TransitionRefused | None:
    try:
        result = change.apply(known)
    except TransitionRefused as refusal:
        return refusal
    happened += [(key, each) for key in keys for each in change.happened(known[key])]
    return result

"""One thread that makes changes durable: whatever is queued goes into one transaction, with one commit."""

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from importer import later
from importer.errors import CannotGoOn, ImporterError
from importer.ledger.changes import Change, Claim, Release
from importer.ledger.direct import core_of
from importer.ledger.places import Connection, Guard, Place
from importer.ledger.promise import Promise
from importer.ledger.transactions import Statement, Transactions, carry_out

if TYPE_CHECKING:
    from importer.ledger import leases
else:  # SQLAlchemy, which a ledger that is a file seldom needs
    leases = later.Module("importer.ledger.leases")

Operation = Change | Claim | Release | Statement


class Writer:
    """The thread and its queue; it closes ``connection``, which was opened at ``place``, in the end.

    ``fence`` is asked at the beginning of each transaction whether anything may still be written.
    """

    fence: Callable[[Connection], None] | None = None

    def __init__(self, place: Place, connection: Connection, guard: Guard) -> None:
        self.guard = guard
        self._place = place
        self._transactions = Transactions(place, connection, guard, self._apply)
        self._queued: list[tuple[Operation, Promise[Any]]] = []
        self._waking = threading.Condition()
        self._closing = False
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
        """Write what is queued, and end."""
        with self._waking:
            self._closing = True
            self._waking.notify()
        self._thread.join()

    def _work(self) -> None:
        while group := self._next_group():
            results = self._transactions.write([operation for operation, _ in group])
            for (_, future), result in zip(group, results, strict=True):
                if isinstance(result, ImporterError):
                    future.set_exception(result)
                else:
                    future.set_result(result)
        self._transactions.close()

    def _next_group(self) -> Sequence[tuple[Operation, Promise[Any]]]:
        with self._waking:
            while not self._queued and not self._closing:
                self._waking.wait()
            group, self._queued = self._queued, []
            return group

    def _apply(self, connection: Connection, operations: Sequence[Operation]) -> list[Any]:
        """Do them in their order, but for what concerns other runs: that comes last, and all at once."""
        if self.fence is not None:
            self.fence(connection)
        claims = [each for each in operations if isinstance(each, Claim)]
        releases = [each for each in operations if isinstance(each, Release)]
        own = [each for each in operations if not isinstance(each, Claim | Release)]
        results = iter(carry_out(connection, own))
        if releases:
            leases.release(core_of(connection), releases)
        claimed = iter(leases.claim(core_of(connection), claims) if claims else [])
        return [
            next(claimed) if isinstance(each, Claim) else None if isinstance(each, Release) else next(results)
            for each in operations
        ]

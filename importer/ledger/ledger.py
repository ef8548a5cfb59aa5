"""The ledger as the rest of the program sees it."""

import os
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar

from sqlalchemy import Connection

from importer.errors import CannotGoOn, SetupError
from importer.ledger import store
from importer.ledger.lock import Patience, only_run
from importer.ledger.states import NEXT
from importer.ledger.store import Run
from importer.ledger.writer import End, Settle, Start, Writer
from importer.model import Entry, Intent, Outcome, State

T = TypeVar("T")

_ADDRESS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")  # a Path has turned "://" into ":/"


def utc_now() -> datetime:
    """Return the wall clock's time, in UTC."""
    return datetime.now(UTC)


def exists(location: str | Path) -> bool:
    """Say whether there is a ledger, or anything else, at ``location``; an empty file is none.

    Raises:
        SetupError: ``location`` is an address, not a path.
        CannotGoOn: it can't be told.
    """
    path = _path(location)
    with store.plainly(path):
        return path.exists() and (not path.is_file() or path.stat().st_size > 0)


class Ledger:
    """What is known of every fulfillment that any run sent or was about to send.

    ``location`` is the path of its file, which is made, with its folder, if it is not there. A ``readonly``
    ledger must be there and is never changed. ``now`` tells the time of what is written; ``clock`` (seconds)
    and ``sleep`` are for waiting until another run has ended.

    Raises:
        SetupError: ``location`` is an address, not a path.
        CannotGoOn: what is there is not a ledger, or can't be opened or written.
    """

    location: str

    def __init__(
        self,
        location: str | Path,
        *,
        readonly: bool = False,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.location = str(location)
        self._path = _path(location)
        self._now = now
        self._patience = Patience(clock, sleep)
        self._writer: Writer | None = None
        if readonly:
            self._readers = store.open_for_reading(self._path)
        else:
            self._writer = Writer(*store.open_for_writing(self._path))
            try:
                self._readers = store.readers(self._path)
            except BaseException:
                self._writer.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is queued, and let go of the file; what is to be written later fails."""
        self._readers.dispose()  # before the writer: the last to close puts everything into the one file
        if self._writer is not None:
            self._writer.close()

    def lock(self, destination: str, *, wait: float = 0.0) -> AbstractContextManager[None]:
        """Be the only run that posts to ``destination`` with this ledger, as long as the context lasts.

        On entering the context, another run that is posting is waited for, up to ``wait`` seconds.

        Raises:
            RunInProgress: another run is still posting, on entering the context.
            CannotGoOn: the lock can't be made beside the ledger, or the ledger is read-only.
        """
        self._writing()
        return only_run(self._path, destination, self._now, wait, self._patience)

    def recover(self, destination: str) -> int:
        """Call in-doubt what dead runs were sending, and return how many orders' shares that were.

        The caller holds the lock, so that all that is being sent was sent by runs that have ended.

        Raises:
            CannotGoOn: the ledger can't be written.
        """
        done: Future[int] = self._writing().submit(
            partial(store.recover, destination=destination, at=self._now())
        )
        return done.result()

    def entries(self, destination: str, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Entry]:
        """Return what is known of ``keys``, any number of pairs of order id and tracking number.

        Raises:
            CannotGoOn: the ledger can't be read.
        """
        return self._read(
            lambda connection: {
                (entry.order_id, entry.tracking_number): entry
                for entry in store.entries(connection, destination, keys)
            }
        )

    def is_empty(self, destination: str) -> bool:
        """Say whether no run ever sent anything to ``destination``.

        Raises:
            CannotGoOn: the ledger can't be read.
        """
        return self._read(lambda connection: store.is_empty(connection, destination))

    def intend(self, intent: Intent, *, accept_doubt: bool = False) -> Future[None]:
        """Say that ``intent`` is about to be sent; it may be, once the future is done.

        The future fails with ``TransitionRefused`` if what is known of one of its orders does not allow it,
        and with ``CannotGoOn`` if it can't be written. ``accept_doubt`` lets what is in doubt be sent again.

        Raises:
            CannotGoOn: the ledger is read-only.
        """
        return self._writing().submit(Start(intent, accept_doubt, self._now()))

    def record(self, intent: Intent, outcome: Outcome) -> Future[Outcome]:
        """Say how ``intent`` ended; it counts, once the future is done, as the outcome that the future holds.

        That is ``outcome``, or in-doubt if an earlier attempt, of unknown outcome, may have done it. The
        future fails with ``TransitionRefused`` if this run was not sending it, and with ``CannotGoOn`` if it
        can't be written.

        Raises:
            CannotGoOn: the ledger is read-only.
            ValueError: ``outcome.status`` is not one that sending can have.
        """
        if State(outcome.status) not in NEXT[State.SENDING]:
            raise ValueError(outcome.status)
        return self._writing().submit(End(intent, outcome, outcome.at or self._now()))

    def doubts(self, destination: str | None = None) -> list[tuple[str, Entry]]:
        """Return what is in doubt or being sent, each with its destination; all, or that of ``destination``.

        What is being sent belongs to a run that goes on, or to one that has ended and was not recovered yet.

        Raises:
            CannotGoOn: the ledger can't be read.
        """
        return self._read(lambda connection: store.doubts(connection, destination))

    def destinations(self) -> list[str]:
        """Return the destinations that any run sent anything to, or was about to.

        Raises:
            CannotGoOn: the ledger can't be read.
        """
        return self._read(store.destinations)

    def settle(
        self, destination: str, order_id: str, tracking_number: str, *, created: bool, by: str
    ) -> Future[Entry]:
        """Say what a person, ``by``, has found out about what was in doubt or rejected; it counts, once done.

        ``created`` says that it is at the destination, so that it is never sent again; otherwise the next run
        sends it. The future holds the entry as it is then. It fails with ``TransitionRefused`` if the entry
        is another one, and with ``CannotGoOn`` if it can't be written. The caller holds the lock.

        Raises:
            CannotGoOn: the ledger is read-only.
        """
        key = (destination, order_id, tracking_number)
        return self._writing().submit(Settle(key, created, by, self._now()))

    def start_run(self, run: Run) -> None:
        """Remember a run that starts.

        Raises:
            CannotGoOn: the ledger can't be written.
        """
        self._writing().submit(partial(store.add_run, run=run)).result()

    def finish_run(
        self, run_id: str, *, finished_at: datetime, exit_status: int, stopped_because: str, summary: str
    ) -> None:
        """Remember how a run ended; ``summary`` is JSON text.

        Raises:
            CannotGoOn: the ledger can't be written.
        """
        self._writing().submit(
            partial(
                store.end_run,
                run_id=run_id,
                finished_at=finished_at,
                exit_status=exit_status,
                stopped_because=stopped_because,
                summary=summary,
            )
        ).result()

    def runs(self, limit: int = 20) -> list[Run]:
        """Return the last ``limit`` runs, newest first.

        Raises:
            CannotGoOn: the ledger can't be read.
        """
        return self._read(lambda connection: store.runs(connection, limit))

    def run(self, run_id: str) -> Run | None:
        """Return the run of that id, None if there is none.

        Raises:
            CannotGoOn: the ledger can't be read.
        """
        return self._read(lambda connection: store.run(connection, run_id))

    def outcomes(self, run_id: str) -> dict[State, int]:
        """Count, by state, the orders' shares in parcels that the run was the last to touch.

        Raises:
            CannotGoOn: the ledger can't be read.
        """
        return self._read(lambda connection: store.outcomes(connection, run_id))

    def _read(self, question: Callable[[Connection], T]) -> T:
        with store.plainly(self._path), self._readers.connect() as connection:
            return question(connection)

    def _writing(self) -> Writer:
        if self._writer is None:
            raise CannotGoOn(f"ledger {self._path}: it was opened for reading only, so it can't be changed")
        return self._writer


def _path(location: str | Path) -> Path:
    if address := _ADDRESS.match(str(location)):
        raise SetupError(
            f"ledger: found an address that begins with {address[1]}://, expected the path of a file; "
            "a ledger on a database server is not supported yet"
        )
    return Path(os.path.realpath(location))  # so that a link and its target have one lock

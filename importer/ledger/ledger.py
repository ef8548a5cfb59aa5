"""The ledger as the rest of the program sees it."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from subprocess import Popen
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from importer import later
from importer.errors import CannotGoOn, ImporterError, RunInProgress, SetupError
from importer.ledger import logbook, statements
from importer.ledger.changes import Claim, End, Note, Release, Settle, Start
from importer.ledger.clerk import Clerk
from importer.ledger.direct import core_of
from importer.ledger.files import Files
from importer.ledger.known import LEASE_SECONDS, Claimed, Interchange, Pruned, Run, Taken
from importer.ledger.lock import Patience, clerk_lock, holder, no_run, only_run
from importer.ledger.places import Address, Connection, Location, location
from importer.ledger.promise import Promise
from importer.ledger.sqlite import File
from importer.ledger.statements import Key, text_of
from importer.ledger.states import NEXT
from importer.ledger.writer import Writer
from importer.model import Entry, Happening, Intent, Outcome, State, Status

if TYPE_CHECKING:
    import sqlalchemy

    from importer.ledger import (
        checkup,
        copying,
        history,
        interchanges,
        leases,
        paces,
        postgresql,
        pruning,
        store,
    )
    from importer.ledger.checkup import Checkup
    from importer.ledger.postgresql import Server
else:  # SQLAlchemy, which a run with a ledger that is a file seldom needs
    checkup = later.Module("importer.ledger.checkup")
    copying = later.Module("importer.ledger.copying")
    history = later.Module("importer.ledger.history")
    interchanges = later.Module("importer.ledger.interchanges")
    leases = later.Module("importer.ledger.leases")
    paces = later.Module("importer.ledger.paces")
    postgresql = later.Module("importer.ledger.postgresql")
    pruning = later.Module("importer.ledger.pruning")
    store = later.Module("importer.ledger.store")

T = TypeVar("T")

_ENDS: Final = frozenset(Status(state) for state in NEXT[State.SENDING])


def utc_now() -> datetime:
    """Return the wall clock's time, in UTC."""
    return datetime.now(UTC)


def place_of(where: str | Location) -> "Server | File":
    """The place that ``where`` means; a link to a file and the file itself are one.

    Raises:
        SetupError: it is an address that can't be one of a ledger.
    """
    found = location(where)
    return postgresql.Server(found) if isinstance(found, Address) else File(Path(os.path.realpath(found)))


def obstacle(where: str | Location) -> str:
    """Say what would keep a run from writing the ledger at ``where``, "" where nothing is seen that would.

    Raises:
        SetupError: it is an address that can't be one of a ledger.
        CannotGoOn: a ledger that was there is gone, or it can't be told.
    """
    return place_of(where).obstacle()


class Ledger:
    """What is known of every fulfillment that any run sent or was about to send.

    ``where`` is the path of its file, which is made, with its folder, if it is not there, or the address of a
    database, where its tables are made; ``location`` is that, without a password. A ``readonly`` ledger must
    be there and is never changed. ``now`` tells the time of what is written; ``clock`` (seconds) and
    ``sleep`` are for waiting until another run has ended.

    Raises:
        SetupError: ``where`` is an address that can't be one of a ledger.
        CannotGoOn: what is there is not a ledger, or can't be opened or written.
    """

    location: str
    shared: bool
    """Whether runs post side by side with it; else ``lock`` lets one post at a time to a destination."""

    def __init__(
        self,
        where: str | Location,
        *,
        readonly: bool = False,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._place = place_of(where)
        self.location = str(where)
        self.shared = self._place.shared
        self._now = now
        self._patience = Patience(clock, sleep)
        self._writer: Writer | None = None
        self._clerk: Clerk | None = None
        if readonly:
            self._readers = self._place.open_for_reading()
        else:
            self._writer = Writer(self._place, *self._place.open_for_writing())
            try:
                self._readers = self._place.readers()
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

    def lock(
        self, destination: str, *, wait: float = 0.0, run_id: str = "", lease: float = LEASE_SECONDS
    ) -> AbstractContextManager[None]:
        """Be the only run that posts to ``destination`` with this ledger, as long as the context lasts.

        On entering the context, another run that is posting is waited for, up to ``wait`` seconds. With a
        ``shared`` ledger nobody is: ``run_id`` is one of the runs that post, for the others dead if it says
        nothing for ``lease`` seconds. Without a ``run_id`` it is no run that posts.

        Raises:
            RunInProgress: another run is still posting, on entering the context.
            CannotGoOn: the lock can't be made beside the ledger, or the ledger is read-only.
        """
        writer = self._writing()
        if isinstance(self._place, File):
            return only_run(self._place, destination, self._now, wait, self._patience)
        return leases.held(writer, destination, run_id, lease) if run_id else nullcontext()

    @contextmanager
    def with_clerk(self, destination: str, hired: Popen[bytes]) -> Iterator[Clerk]:
        """Have a ``hired`` process write what is intended, recorded and noted, as long as the context lasts.

        That is worth its start for a run that posts much, with a ledger that is a file; the caller holds the
        lock. Futures are kept only in an event loop that the clerk is ``heard_in``.

        Raises:
            CannotGoOn: the ledger is read-only, or is not a file.
        """
        writer, place = self._writing(), self._place
        if not isinstance(place, File) or not isinstance(writer.guard, Files):
            raise CannotGoOn(
                f"ledger {place.name}: it is not a file, so no other process writes it for a run"
            )
        self._clerk = Clerk(hired, place, clerk_lock(place, destination), writer.guard, writer)
        try:
            yield self._clerk
        finally:
            clerk, self._clerk = self._clerk, None
            clerk.close()

    def recover(self, destination: str) -> int:
        """Call in-doubt what dead runs were sending, and return how many orders' shares that were.

        The caller holds the lock, so that all that is being sent was sent by runs that have ended; with a
        ``shared`` ledger, by them or by runs whose lease is not over.

        Raises:
            CannotGoOn: the ledger can't be written.
        """
        if not self.shared and not self._read(partial(logbook.any_sending, destination=destination)):
            return 0
        call = leases.recover if self.shared else store.recover
        done: Promise[int] = self._writing().submit(_asked(call, destination=destination, at=self._now()))
        return done.result()

    def claim(self, destination: str, run_id: str, keys: Sequence[tuple[str, str]]) -> Promise[Claimed]:
        """Have the orders of ``keys`` for a run, in a ``shared`` ledger, unless another run has one of them.

        The run holds the lock. The future has what is known of the fulfillments, now that nobody else can
        touch them, or who has them. It fails with ``CannotGoOn`` if the claim can't be written.
        """
        return self._writing().submit(Claim(destination, run_id, tuple(keys), self._now()))

    def release(self, destination: str, run_id: str, keys: Sequence[tuple[str, str]]) -> Promise[None]:
        """Let other runs have the orders of ``keys``; the future is as that of ``claim``."""
        orders = tuple({order_id for order_id, _ in keys})
        return self._writing().submit(Release(destination, run_id, orders))

    def take_turns(self, destination: str, turns: int, interval: float) -> Promise[Taken]:
        """Have the next ``turns`` to post of all runs, ``interval`` seconds apart, in a ``shared`` ledger.

        The future fails with ``CannotGoOn`` if they can't be taken.
        """
        call = _asked(paces.take, destination=destination, turns=turns, interval=interval)
        return self._writing().submit(call)

    def pause(self, destination: str, seconds: float) -> Promise[None]:
        """Have no turn come for so long, for any run; the future is as that of ``take_turns``."""
        return self._writing().submit(_asked(paces.pause, destination=destination, seconds=seconds))

    def ask_to_stop(self, run_id: str, why: str) -> None:
        """Have those end, in order, that work for a run, with a ``shared`` ledger.

        Raises:
            CannotGoOn: the ledger can't be written.
        """
        self._writing().submit(_asked(leases.ask_to_stop, run_id=run_id, why=why)).result()

    def asked_to_stop(self, run_id: str) -> str:
        """Return why those that work for a run are to end, "" if they are to go on.

        Raises:
            CannotGoOn: the ledger can't be read.
        """
        return self._read(_asked(leases.asked_to_stop, run_id=run_id))

    def entries(self, destination: str, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Entry]:
        """Return what is known of ``keys``, any number of pairs of order id and tracking number.

        Raises:
            CannotGoOn: the ledger can't be read.
        """
        return self._read(
            lambda connection: {
                (entry.order_id, entry.tracking_number): entry
                for entry in statements.entries(connection, destination, keys)
            }
        )

    def is_empty(self, destination: str) -> bool:
        """Say whether no run ever sent anything to ``destination``.

        Raises:
            CannotGoOn: the ledger can't be read.
        """
        return self._read(partial(logbook.is_first, destination=destination))

    def intend(
        self,
        intent: Intent,
        *,
        accept_doubt: bool = False,
        before: Sequence[Happening] = (),
        sent: bool = True,
    ) -> Promise[None]:
        """Say that ``intent`` is about to be sent; it may be, once the future is done.

        ``before`` is what became known of it since its last change, for its history; without ``sent`` nothing
        is sent, and its end follows.

        The future fails with ``TransitionRefused`` if what is known of one of its orders does not allow it,
        and with ``CannotGoOn`` if it can't be written. ``accept_doubt`` lets what is in doubt be sent again.

        Raises:
            CannotGoOn: the ledger is read-only.
        """
        return self._changing().submit(Start(intent, accept_doubt, self._now(), tuple(before), sent))

    def record(
        self, intent: Intent, outcome: Outcome, *, before: Sequence[Happening] = ()
    ) -> Promise[Outcome]:
        """Say how ``intent`` ended; it counts, once the future is done, as the outcome that the future holds.

        ``before`` is what became known of it since its last change, for its history.

        That is ``outcome``, or in-doubt if an earlier attempt, of unknown outcome, may have done it. The
        future fails with ``TransitionRefused`` if this run was not sending it, and with ``CannotGoOn`` if it
        can't be written.

        Raises:
            CannotGoOn: the ledger is read-only.
            ValueError: ``outcome.status`` is not one that sending can have.
        """
        if outcome.status not in _ENDS:
            raise ValueError(outcome.status)
        at = outcome.at or self._now()
        return self._changing().submit(End(intent, outcome, at, tuple(before)))

    def note(self, intent: Intent, happened: Sequence[Happening]) -> Promise[None]:
        """Write down what became known of ``intent`` that changes nothing; its history has it, once done.

        The future fails with ``CannotGoOn`` if it can't be written.

        Raises:
            CannotGoOn: the ledger is read-only.
        """
        return self._changing().submit(Note(intent, tuple(happened)))

    def history(
        self, *, order_id: str | None = None, tracking_number: str | None = None
    ) -> dict[Key, list[Happening]]:
        """Return what became known, from first to last, of all that has this order id, this number, or both.

        The keys are destination, order id and tracking number. Of what was pruned, and of what a ledger from
        before version 3 knew, it is how it ended last.

        Raises:
            CannotGoOn: the ledger can't be read.
            ValueError: neither is given.
        """
        if order_id is None and tracking_number is None:
            raise ValueError((order_id, tracking_number))
        return self._read(
            _asked(
                lambda connection: history.told(
                    connection, store.destinations(connection), order_id, tracking_number
                )
            )
        )

    def doubts(self, destination: str | None = None) -> list[tuple[str, Entry]]:
        """Return what is in doubt or being sent, each with its destination; all, or that of ``destination``.

        What is being sent belongs to a run that goes on, or to one that has ended and was not recovered yet.

        Raises:
            CannotGoOn: the ledger can't be read.
        """
        return self._read(_asked(store.doubts, destination=destination))

    def destinations(self) -> list[str]:
        """Return the destinations that any run sent anything to, or was about to.

        Raises:
            CannotGoOn: the ledger can't be read.
        """
        return self._read(_asked(store.destinations))

    def settle(
        self, destination: str, order_id: str, tracking_number: str, *, created: bool, by: str
    ) -> Promise[Entry]:
        """Say what a person, ``by``, has found out about what was in doubt or rejected; it counts, once done.

        ``created`` says that it is at the destination, so that it is never sent again; otherwise the next run
        sends it. The future holds the entry as it is then. It fails with ``TransitionRefused`` if the entry
        is another one, and with ``CannotGoOn`` if it can't be written. The caller holds the lock.

        Raises:
            CannotGoOn: the ledger is read-only.
        """
        key = (destination, order_id, tracking_number)
        return self._writing().submit(Settle(key, created, by, self._now()))

    def interchange(self, standard: str, sender: str, receiver: str, control: str) -> Interchange | None:
        """Return the first interchange that came with this control number, None if none did.

        With the same content it is the same document, sent again or read by an earlier run.

        Raises:
            CannotGoOn: the ledger can't be read.
        """
        return self._read(
            _asked(interchanges.find, standard=standard, sender=sender, receiver=receiver, control=control)
        )

    def remember_interchanges(self, came: Sequence[Interchange]) -> None:
        """Remember the interchanges that a run has read; of several with one control number the first.

        Raises:
            CannotGoOn: the ledger can't be written.
        """
        self._writing().submit(_asked(interchanges.remember, interchanges=tuple(came))).result()

    def next_control_number(self, series: str) -> int:
        """Take the next control number of ``series``, from 1 to 999,999,999; nobody else gets the same.

        Raises:
            CannotGoOn: the ledger can't be written.
        """
        number: Promise[int] = self._writing().submit(_asked(interchanges.next_number, series=series))
        return number.result()

    def peek_control_number(self, series: str) -> int:
        """Return the control number of ``series`` that would be taken next, and leave it.

        Raises:
            CannotGoOn: the ledger can't be read.
        """
        return self._read(_asked(interchanges.peek, series=series))

    def copy_to(self, other: "Ledger") -> dict[str, int]:
        """Put all that it knows into ``other``, which is empty, and return how much it was of what.

        Nothing is written to it meanwhile, and nobody sees the other one with a part of it.

        Raises:
            SetupError: the other one is not empty.
            RunInProgress: a run is posting with this one.
            CannotGoOn: this one can't be read, the other one not be written, or one of them is read-only.
        """
        refusal = SetupError(f"ledger {other.location}: it is not empty, and two can't become one")
        if not other._read(_asked(copying.is_empty)):  # noqa: SLF001 - a ledger knows another one
            raise refusal
        reading, writing = self._writing(), other._writing()  # noqa: SLF001 - a ledger knows another one

        def hand_over(source: "sqlalchemy.Connection") -> dict[str, int] | ImporterError:
            if self.shared and (alive := leases.alive(source)):
                return _busy(alive)
            copied: Promise[dict[str, int]] = writing.submit(_asked(receive, source=source))
            try:
                return copied.result()
            except ImporterError as error:
                return error

        def receive(
            connection: "sqlalchemy.Connection", source: "sqlalchemy.Connection"
        ) -> dict[str, int] | ImporterError:
            if not copying.is_empty(connection):
                return refusal
            return copying.copy(connection, source, self._place.plainly)

        with self._alone():
            done: Promise[dict[str, int]] = reading.submit(_asked(hand_over))
            return done.result()

    def prunable(self, before: datetime) -> Pruned:
        """Count what ``prune`` would delete.

        Raises:
            CannotGoOn: the ledger can't be read.
        """
        return self._read(_asked(pruning.prunable, before=text_of(before)))

    def prune(self, before: datetime) -> Pruned:
        """Forget the runs that ended ``before`` then, and what became known until then; give back the room.

        What came of each fulfillment stays, and so does all that belongs to what is in doubt: nothing is sent
        that would not be sent otherwise. No run may post meanwhile.

        Raises:
            RunInProgress: a run is posting with this ledger.
            CannotGoOn: the ledger can't be written, or it is read-only.
        """
        writer, then = self._writing(), text_of(before)
        with self._alone():
            self._expect_nobody()
            gone, after = 0, 0
            while portion := writer.submit(_asked(pruning.delete_events, before=then, after=after)).result():
                gone, after = gone + portion.old, portion.last
            forgotten: int = writer.submit(_asked(pruning.delete_runs, before=then)).result()
            self._place.shrink()  # always: an earlier call may have found no room for it
        return Pruned(forgotten, gone)

    def start_run(self, run: Run) -> None:
        """Remember a run that starts.

        Raises:
            CannotGoOn: the ledger can't be written.
        """
        self._writing().submit(partial(logbook.add, run=run)).result()

    def finish_run(
        self, run_id: str, *, finished_at: datetime, exit_status: int, stopped_because: str, summary: str
    ) -> None:
        """Remember how a run ended; ``summary`` is JSON text.

        Raises:
            CannotGoOn: the ledger can't be written.
        """
        self._writing().submit(
            partial(
                logbook.end,
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
        return self._read(_asked(store.runs, limit=limit))

    def run(self, run_id: str) -> Run | None:
        """Return the run of that id, None if there is none.

        Raises:
            CannotGoOn: the ledger can't be read.
        """
        return self._read(_asked(store.run, run_id=run_id))

    def outcomes(self, run_id: str, *, settled: bool = True) -> dict[State, int]:
        """Count, by state, the orders' shares in parcels that the run was the last to touch.

        Without ``settled``, those that a person has settled since are left out.

        Raises:
            CannotGoOn: the ledger can't be read.
        """
        return self._read(partial(logbook.outcomes, run_id=run_id, settled=settled))

    def at_work(self, destination: str) -> list[str]:
        """Return who posts to ``destination`` now, in words, as far as can be told without disturbing them.

        Raises:
            CannotGoOn: the ledger can't be read.
        """
        if isinstance(self._place, File):
            return holder(self._place, destination)
        return self._read(_asked(leases.alive, destination=destination))

    def living(self, destination: str) -> frozenset[str]:
        """Return the ids of the runs that post to ``destination`` now; known with a ``shared`` ledger alone.

        Raises:
            CannotGoOn: the ledger can't be read.
        """
        return self._read(_asked(leases.living, destination=destination)) if self.shared else frozenset()

    def checkup(self) -> "Checkup":
        """Return whether it is well; for that a file is read from one end to the other.

        Raises:
            CannotGoOn: the ledger can't be read.
        """
        return self._read(_asked(checkup.examine))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep runs with this ledger on this host from posting.

        Raises:
            RunInProgress: one is posting.
        """
        with ExitStack() as stack:
            known = self.destinations()
            for destination in known:
                stack.enter_context(self.lock(destination))
            if isinstance(self._place, File):  # the destination of a first run is in no table yet
                stack.enter_context(no_run(self._place, known, self._patience))
            yield

    def _expect_nobody(self) -> None:
        if self.shared and (alive := self._read(_asked(leases.alive))):
            raise _busy(alive)

    def _read(self, question: Callable[[Connection], T]) -> T:
        with self._place.plainly(), self._readers.connect() as connection:
            return question(connection)

    def _changing(self) -> Writer | Clerk:
        return self._clerk or self._writing()

    def _writing(self) -> Writer:
        if self._writer is None:
            raise CannotGoOn(
                f"ledger {self._place.name}: it was opened for reading only, so it can't be changed"
            )
        return self._writer


def _asked(call: Callable[..., T], **arguments: Any) -> Callable[[Connection], T]:  # noqa: ANN401 - as the call has them
    """The call as one whose connection need not be SQLAlchemy's, which the call takes."""
    return lambda connection: call(core_of(connection), **arguments)


def _busy(alive: Sequence[str]) -> RunInProgress:
    return RunInProgress(f"{', '.join(alive)}: posting with this ledger; wait until it has ended")

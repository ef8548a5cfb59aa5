"""Fulfillments that are ready → how each ended: the ledger's earlier verdict, or a post."""

from __future__ import annotations

import asyncio
import zlib
from contextlib import nullcontext
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, Protocol, Self

import numpy as np
from msgspec import Struct, field

from importer import destinations, posts
from importer.errors import CannotGoOn
from importer.ledger import DONE, OUTCOME_UNKNOWN, SETTLED, TAKEN_AT_ITS_WORD, Verdict, verdict
from importer.model import PARTIAL, STATUSES, Outcome, State, Status
from importer.posts import DRAIN_SECONDS, GIVE_UP_SECONDS, Rules, Told
from importer.posts.loop import run
from schemas.codes import code_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    import numpy.typing as npt

    from importer.destinations import Destination
    from importer.fulfillments import Grouping
    from importer.ledger import Claimed, Ledger, Promise, Taken
    from importer.ledger.clerk import Hearing
    from importer.model import Entry, Fulfillment, Happening, Intent
    from importer.posts import Connection, Deadline, Halt, Judge, Memory, Others
    from importer.posts.client import Client
    from importer.report import Outcomes
    from importer.settings import DestinationSettings

_LOOKED_UP = 5000
_PASSED = 200


class Earlier(Struct, frozen=True):
    """What earlier runs mean for this one: which fulfillments are to be sent, which they spoil.

    ``send`` is a mask over the fulfillments; ``faulty`` says whether one can't be imported as it is
    (rejected before, changed since, in doubt). ``tried`` has, by the index of a fulfillment that is to be
    sent, what an earlier run left that may have done it; ``failed`` which earlier run it failed for.
    """

    send: npt.NDArray[np.bool_]
    faulty: bool
    tried: dict[int, Entry] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)

    def note(self, index: int, entry: Entry | None) -> None:
        """Take down what another run has left of it by now, or that there is nothing to worry about."""
        self.tried.pop(index, None)
        if entry is not None:
            self.tried[index] = entry

    @property
    def in_doubt(self) -> npt.NDArray[np.bool_]:
        """Those to be sent that are in doubt, and stay so if their turn does not come."""
        mask = np.zeros(len(self.send), dtype=bool)
        mask[[index for index, entry in self.tried.items() if entry.state is State.IN_DOUBT]] = True
        return mask


class Heard(Struct, frozen=True):
    """Which fulfillments a run has come to an end with, as masks.

    ``recorded`` are those that the ledger has as the run's doing, ``mailed`` those whose customer was mailed.
    """

    ended: npt.NDArray[np.bool_]
    recorded: npt.NDArray[np.bool_]
    mailed: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, fulfillments: int) -> Self:
        """None so far, of so many."""
        return cls(*(np.zeros(fulfillments, dtype=bool) for _ in range(3)))

    def hear(self, index: int, told: Told) -> None:
        """Take down that the fulfillment at ``index`` has ended."""
        self.ended[index] = True
        self.recorded[index] = told.recorded
        self.mailed[index] = told.mailed


def look_up(
    grouping: Grouping,
    ledger: Ledger | None,
    destination: Destination | None,
    outcomes: Outcomes,
    *,
    accept_doubt: bool,
    posting: bool = False,
) -> Earlier:
    """Ask the ledger about every fulfillment that is ready, and take down what is settled already.

    For a run that is ``posting`` to a destination that can be read, what is in doubt is not settled: it is
    looked up, and sent again if it is not there. What a run that still lives has left is not yet earlier.
    """
    send = grouping.ready.copy()
    if ledger is None or destination is None or ledger.is_empty(destination.identity):
        return Earlier(send, faulty=False)
    faulty = False
    tried: dict[int, Entry] = {}
    failed: dict[int, str] = {}
    living = ledger.living(destination.identity) if posting else frozenset()
    for parcel, entries in remembered(grouping, grouping.ready, ledger, destination.identity):
        if posting and _is_being_sent(parcel, entries):
            continue  # by a run that is alive: what becomes of it is known when it is this run's turn
        entry = _tried(parcel, entries)
        accept = accept_doubt and (entry is None or entry.run_id not in living)
        settled = _settled(parcel, entries, destination, accept_doubt=accept)
        if settled is not None and settled.status is Status.IN_DOUBT and posting and destination.readable:
            faulty, settled = True, None  # it is looked up
        if settled is not None:
            outcomes.put(parcel.index, settled)
            send[parcel.index] = False
            faulty = faulty or settled.status is not Status.SKIPPED
            continue
        if entry is not None:
            tried[parcel.index] = entry
            if posting and entry.state is State.IN_DOUBT:
                outcomes.put(parcel.index, _in_doubt(entry))
        if (gone := _failed(parcel, entries, destination)) is not None and gone.run_id not in living:
            failed[parcel.index] = gone.run_id
    return Earlier(send, faulty, tried, failed)


def remembered(
    grouping: Grouping, chosen: npt.NDArray[np.bool_], ledger: Ledger, destination: str
) -> Iterator[tuple[Fulfillment, dict[tuple[str, str], Entry]]]:
    """The chosen fulfillments, each with the ledger's entries of it and its neighbours, by order and key.

    Raises:
        CannotGoOn: the ledger can't be read.
    """
    parcels = grouping.each(chosen)
    while some := list(islice(parcels, _LOOKED_UP)):
        keys = [(part.order_id, parcel.key) for parcel in some for part in parcel.parts]
        entries = ledger.entries(destination, keys)
        yield from ((parcel, entries) for parcel in some)


def _is_being_sent(parcel: Fulfillment, entries: Mapping[tuple[str, str], Entry]) -> bool:
    known = (entries.get((part.order_id, parcel.key)) for part in parcel.parts)
    return any(entry is not None and entry.state is State.SENDING for entry in known)


def _tried(parcel: Fulfillment, entries: Mapping[tuple[str, str], Entry]) -> Entry | None:
    """What an earlier run left of this one, if it may have done it."""
    known = (entries.get((part.order_id, parcel.key)) for part in parcel.parts)
    unclear = [
        entry
        for entry in known
        if entry is not None and (entry.state is State.IN_DOUBT or entry.code == TAKEN_AT_ITS_WORD)
    ]
    return max(unclear, key=lambda entry: entry.state is State.IN_DOUBT, default=None)


def _failed(
    parcel: Fulfillment, entries: Mapping[tuple[str, str], Entry], destination: Destination
) -> Entry | None:
    """What another run has left of this one, if all of it failed there, as it is now."""
    known = [entries.get((part.order_id, parcel.key)) for part in parcel.parts]
    failed = [each for each in known if each and each.state is State.FAILED and each.code != SETTLED]
    if not failed or len(failed) < len(known):
        return None
    content = destination.content(parcel)
    least = min(failed, key=lambda entry: entry.attempts)
    return least if all(entry.content == content for entry in failed) else None


def _settled(
    parcel: Fulfillment,
    entries: Mapping[tuple[str, str], Entry],
    destination: Destination,
    *,
    accept_doubt: bool,
) -> Outcome | None:
    """How an earlier run settled this one; None if it is to be sent."""
    known = [entry for part in parcel.parts if (entry := entries.get((part.order_id, parcel.key)))]
    if not known:
        return None
    content = destination.content(parcel)
    found = [(verdict(entry, content, accept_doubt=accept_doubt), entry) for entry in known]
    worst, entry = max(found, key=lambda pair: _WEIGHT[pair[0]])
    done = sum(each is Verdict.DONE for each, _ in found)
    if worst is Verdict.DONE and done < len(parcel.parts):
        worst = Verdict.CHANGED
    return _SETTLED[worst](entry)


_WEIGHT = {
    Verdict.SEND: 0,
    Verdict.DONE: 1,
    Verdict.REFUSED_BEFORE: 2,
    Verdict.IN_DOUBT: 3,
    Verdict.CHANGED: 4,
}


def _send(_: Entry) -> None:
    return None


def _done(entry: Entry) -> Outcome:
    if entry.code == SETTLED:
        return Outcome(Status.SKIPPED, entry.code, entry.message, at=entry.at)
    message = code_of("already-posted").message.format(state=entry.state, run_id=entry.run_id)
    return Outcome(Status.SKIPPED, "already-posted", message, at=entry.at)


def _changed(entry: Entry) -> Outcome:
    message = code_of("changed-since-posted").message.format(run_id=entry.run_id, state=entry.state)
    if entry.content.endswith(PARTIAL):
        message = (
            f"run {entry.run_id} posted this parcel with --partial, without its faulty rows ({entry.state})"
        )
    return Outcome(Status.REJECTED, "changed-since-posted", message, at=entry.at)


def _refused_before(entry: Entry) -> Outcome:
    message = f"{entry.message} (answered to run {entry.run_id}; not sent again unchanged)"
    return Outcome(Status.REJECTED, entry.code, message, entry.http_status, at=entry.at)


def _given_up(entry: Entry) -> Outcome:
    message = f"{entry.message} (run {entry.run_id}; not tried again by this one)"
    return Outcome(Status.FAILED, entry.code, message, entry.http_status, at=entry.at)


def _in_doubt(entry: Entry) -> Outcome:
    if entry.state is State.SENDING:  # seen by a dry run only: a run that posts has recovered the ledger
        words = f"run {entry.run_id} is sending it, or ended while it was; what became of it is unknown"
        return Outcome(Status.IN_DOUBT, "outcome-unknown", words, at=entry.at)
    message = f"{entry.message} (run {entry.run_id}; not sent again)"
    return Outcome(Status.IN_DOUBT, entry.code or "outcome-unknown", message, entry.http_status, at=entry.at)


_SETTLED: dict[Verdict, Callable[[Entry], Outcome | None]] = {
    Verdict.SEND: _send,
    Verdict.DONE: _done,
    Verdict.CHANGED: _changed,
    Verdict.REFUSED_BEFORE: _refused_before,
    Verdict.IN_DOUBT: _in_doubt,
}


def doubt(
    grouping: Grouping,
    unheard_of: npt.NDArray[np.bool_],
    ledger: Ledger,
    destination: Destination,
    outcomes: Outcomes,
    run_id: str,
) -> npt.NDArray[np.bool_]:
    """Which of the fulfillments were begun, after the ledger took no more: what it has of this run.

    They are taken down as the next run will find them.

    Raises:
        CannotGoOn: the ledger can't be read, either.
    """
    begun = np.zeros(len(grouping), dtype=bool)
    for parcel, entries in remembered(grouping, unheard_of, ledger, destination.identity):
        entry = entries.get((parcel.parts[0].order_id, parcel.key))
        if entry is not None and entry.run_id == run_id:
            outcomes.put(parcel.index, _as_recorded(entry))
            begun[parcel.index] = True
    return begun


def done_by_others(
    grouping: Grouping,
    left: npt.NDArray[np.bool_],
    ledger: Ledger,
    destination: Destination,
    outcomes: Outcomes,
) -> npt.NDArray[np.bool_]:
    """Which of the fulfillments other runs have come to an end with, beside this one, which stopped.

    They are taken down as the others have recorded them.

    Raises:
        CannotGoOn: the ledger can't be read.
    """
    done = np.zeros(len(grouping), dtype=bool)
    for parcel, entries in remembered(grouping, left, ledger, destination.identity):
        settled = _settled(parcel, entries, destination, accept_doubt=False)
        if settled is not None and not _is_being_sent(parcel, entries):
            outcomes.put(parcel.index, settled)
            done[parcel.index] = True
    return done


def _as_recorded(entry: Entry) -> Outcome:
    if entry.state is State.SENDING:
        return Outcome(Status.IN_DOUBT, OUTCOME_UNKNOWN, _UNRECORDED, at=entry.at)
    return Outcome(
        Status(entry.state), entry.code, entry.message, entry.http_status, entry.attempts, entry.at
    )


_UNRECORDED = "it may have been sent, and what came of it could not be recorded"


class Stopping(Protocol):
    """Who may want posting to stop."""

    @property
    def halt(self) -> Halt:
        """What posting obeys."""

    def listening(self, loop: asyncio.AbstractEventLoop) -> AbstractContextManager[None]:
        """Tell ``halt`` in the event loop, as long as the context lasts."""


def _as_it_is(connection: Connection) -> Connection:
    return connection


def deliver(
    queues: Iterable[Sequence[Fulfillment]],
    settings: DestinationSettings,
    ledger: Memory,
    rules: Rules,
    told: Callable[[Fulfillment, Told], None],
    says: Callable[[str], None],
    interruption: Stopping,
    *,
    earlier: Mapping[int, Entry] | None = None,
    others: Others | None = None,
    through: Callable[[Connection], Connection] = _as_it_is,
    hearing: Hearing = nullcontext,
) -> str:
    """Post everything in ``queues``; returns why it ended early, "" if it did not.

    ``told`` hears how each fulfillment ended, ``says`` what all wait for, "" when that is over. With
    ``others`` each order is posted by one of several runs. ``through`` may put something between posting and
    each of its connections. ``hearing`` is what a ledger with a clerk is heard by.

    Raises:
        CannotGoOn: the ledger takes no more.
    """

    def connect() -> Connection:
        return through(client(settings))

    async def post() -> str:
        loop = asyncio.get_running_loop()
        with interruption.listening(loop), hearing(loop):
            return await posts.post_all(
                queues,
                destinations.make(settings),
                ledger,
                rules,
                connect,
                told,
                interruption.halt,
                earlier=earlier,
                others=others,
                says=says,
            )

    return run(post())


def client(settings: DestinationSettings, *, anonymous: bool = False, timeout: float | None = None) -> Client:
    """What reaches the destination, with its token unless ``anonymous``; ``timeout`` is in seconds."""
    from importer.posts.client import Client  # noqa: PLC0415 - httpx, only where something is sent

    scheme = f"{settings.auth_scheme} " if settings.auth_scheme else ""
    token = None if anonymous else settings.token
    auth = {settings.auth_header: scheme + token.reveal()} if token else {}
    seconds = settings.timeout if timeout is None else timeout
    stock = settings.transport == "httpx"
    return Client(auth, seconds, env_proxy=settings.env_proxy, stock=stock)


class _Claims(Struct, frozen=True):
    """The claims of a run in a ledger that others post with, too."""

    ledger: Ledger
    destination: str
    run_id: str

    def claim(self, order: Sequence[Fulfillment]) -> Promise[Claimed]:
        return self.ledger.claim(self.destination, self.run_id, _keys(order))

    def release(self, order: Sequence[Fulfillment]) -> Promise[None]:
        return self.ledger.release(self.destination, self.run_id, _keys(order))


class _CommonRate(Struct, frozen=True):
    """The turns to post to a destination, of all who post with the ledger."""

    ledger: Ledger
    destination: str

    def take(self, turns: int, interval: float) -> Promise[Taken]:
        return self.ledger.take_turns(self.destination, turns, interval)

    def pause(self, seconds: float) -> Promise[None]:
        return self.ledger.pause(self.destination, seconds)


def _keys(order: Iterable[Fulfillment]) -> list[tuple[str, str]]:
    return [(part.order_id, parcel.key) for parcel in order for part in parcel.parts]


def beside_others(
    queues: Iterator[Sequence[Fulfillment]],
    ledger: Ledger,
    destination: Destination,
    run_id: str,
    earlier: Earlier,
    told: Callable[[Fulfillment, Told], None],
    *,
    accept_doubt: bool,
    max_attempts: int,
    holder: str = "",
) -> tuple[Iterator[Sequence[Fulfillment]], Others]:
    """The queues of a run that posts with a ledger that others post with, too, and what it needs for that.

    ``told`` hears of what the others have done; what they left that may have done it goes into ``earlier``.
    What one of them has left in doubt meanwhile, or tried ``max_attempts`` times, is for a later run to send.
    Where several post for the run, ``holder`` is the one of them that has a lease and claims of its own, and
    what another one of them has recorded is the run's doing.
    """
    doubted = {index: each.run_id for index, each in earlier.tried.items() if each.state is State.IN_DOUBT}
    failed = earlier.failed

    def judge(parcel: Fulfillment, entries: Mapping[tuple[str, str], Entry]) -> bool:
        entry = _tried(parcel, entries)
        accept = accept_doubt and entry is not None and entry.run_id == doubted.get(parcel.index)
        settled = _settled(parcel, entries, destination, accept_doubt=accept)
        gone = _failed(parcel, entries, destination)
        if gone is not None and gone.attempts >= max_attempts and gone.run_id != failed.get(parcel.index):
            settled = _given_up(gone)
        if settled is None or (settled.status is Status.IN_DOUBT and destination.readable):
            earlier.note(parcel.index, entry)
            return True
        earlier.note(parcel.index, None)
        entry = entries.get((parcel.parts[0].order_id, parcel.key))
        if entry is not None and entry.run_id == run_id:
            told(parcel, Told(_as_recorded(entry)))
        else:
            told(parcel, Told(settled, recorded=False))
        return False

    identity = destination.identity
    claims = _Claims(ledger, identity, holder or run_id)
    return _left(queues, ledger, identity, judge), posts.Others(claims, judge, _CommonRate(ledger, identity))


def beginning(run_id: str) -> float:
    """Where among the orders a run begins, from 0 to 1: elsewhere than others, so that they seldom meet."""
    return zlib.crc32(run_id.encode()) / 2**32


def _left(
    queues: Iterator[Sequence[Fulfillment]], ledger: Ledger, destination: str, judge: Judge
) -> Iterator[Sequence[Fulfillment]]:
    """The queues but for those that other runs have done by now, many looked up at a time."""
    while some := list(islice(queues, _PASSED)):
        entries = ledger.entries(destination, _keys(chain.from_iterable(some)))
        for queue in some:
            if all(key in entries and entries[key].state in DONE for key in _keys(queue)):
                for parcel in queue:
                    judge(parcel, entries)
            else:
                yield queue


def rules_of(
    settings: DestinationSettings,
    run_id: str,
    *,
    accept_doubt: bool,
    give_up: float = GIVE_UP_SECONDS,
    drain: float = DRAIN_SECONDS,
    deadline: Deadline | None = None,
    ask: bool = False,
) -> Rules:
    """The destination's settings, and what the user said of this run, as rules for posting."""
    return Rules(
        run_id=run_id,
        concurrency=settings.concurrency,
        timeout=settings.timeout,
        max_attempts=settings.max_attempts,
        rate=(settings.rate.per_second, settings.rate.burst) if settings.rate else None,
        accept_doubt=accept_doubt,
        give_up=give_up,
        drain=drain,
        deadline=deadline,
        ask=ask,
    )


class _NoLedger:
    """What a run that only asks has for a ledger; it is neither asked nor told anything."""

    def intend(
        self, intent: Intent, *, accept_doubt: bool, before: Sequence[Happening], sent: bool
    ) -> Promise[None]:
        raise AssertionError(intent, accept_doubt, before, sent)

    def record(self, intent: Intent, outcome: Outcome, *, before: Sequence[Happening]) -> Promise[Outcome]:
        raise AssertionError(intent, outcome, before)

    def note(self, intent: Intent, happened: Sequence[Happening]) -> Promise[None]:
        raise AssertionError(intent, happened)


NO_LEDGER: Final = _NoLedger()


def compare(
    ledger: Ledger, run_id: str, grouping: Grouping, outcomes: Outcomes, begun: npt.NDArray[np.bool_]
) -> None:
    """See that the ledger has of this run what the report is about to say.

    Raises:
        CannotGoOn: it has not.
    """
    shares = grouping.shares
    counted = {
        str(status): int(shares[begun & (outcomes.status == number)].sum())
        for number, status in enumerate(STATUSES)
    }
    reported = {status: count for status, count in counted.items() if count}
    found = ledger.outcomes(run_id, settled=False)  # beside a run, with a shared ledger, a person may settle
    recorded = {str(state): count for state, count in found.items() if count}
    if ledger.shared:  # other runs may have tried again by now what is not done, or workers be at it still
        recorded.pop(str(State.SENDING), None)
        recorded |= {
            status: count
            for status, count in reported.items()
            if status not in DONE and count >= recorded.get(status, 0)
        }
    if reported != recorded:
        raise CannotGoOn(
            f"the ledger has {recorded} of this run and the report would say {reported}, so it is not "
            "published; trust the ledger and run the same command again"
        )

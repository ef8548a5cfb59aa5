"""Fulfillments that are ready → how each ended: the ledger's earlier verdict, or a post."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from importer.errors import CannotGoOn
from importer.ledger import OUTCOME_UNKNOWN, Verdict, verdict
from importer.model import PARTIAL, STATUSES, Outcome, State, Status
from importer.posts import Rules, post_all
from importer.posts.client import Client
from schemas.codes import code_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt

    from importer.destinations import Destination
    from importer.fulfillments import Grouping
    from importer.ledger import Ledger
    from importer.model import Entry, Fulfillment
    from importer.posts.signals import Interruption
    from importer.report import Outcomes
    from importer.settings import DestinationSettings

_LOOKED_UP = 5000


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier runs mean for this one: which fulfillments are to be sent, which they spoil.

    ``send`` is a mask over the fulfillments; ``faulty`` says whether one can't be imported as it is
    (rejected before, changed since, in doubt).
    """

    send: npt.NDArray[np.bool_]
    faulty: bool


def look_up(
    grouping: Grouping,
    ledger: Ledger | None,
    destination: Destination | None,
    outcomes: Outcomes,
    *,
    accept_doubt: bool,
) -> Earlier:
    """Ask the ledger about every fulfillment that is ready, and take down what is settled already."""
    send = grouping.ready.copy()
    if ledger is None or destination is None or ledger.is_empty(destination.identity):
        return Earlier(send, faulty=False)
    faulty = False
    parcels = grouping.each(grouping.ready)
    while some := list(islice(parcels, _LOOKED_UP)):
        keys = [(part.order_id, parcel.tracking_number) for parcel in some for part in parcel.parts]
        entries = ledger.entries(destination.identity, keys)
        for parcel in some:
            settled = _settled(parcel, entries, destination, accept_doubt=accept_doubt)
            if settled is not None:
                outcomes.put(parcel.index, settled)
                send[parcel.index] = False
                faulty = faulty or settled.status is not Status.SKIPPED
    return Earlier(send, faulty)


def _settled(
    parcel: Fulfillment,
    entries: dict[tuple[str, str], Entry],
    destination: Destination,
    *,
    accept_doubt: bool,
) -> Outcome | None:
    """How an earlier run settled this one; None if it is to be sent."""
    known = [
        entry for part in parcel.parts if (entry := entries.get((part.order_id, parcel.tracking_number)))
    ]
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
    """Which of the fulfillments were begun, after the ledger took no more: what it has as being sent.

    They are taken down as the next run will find them.

    Raises:
        CannotGoOn: the ledger can't be read, either.
    """
    begun = np.zeros(len(grouping), dtype=bool)
    parcels = grouping.each(unheard_of)
    while some := list(islice(parcels, _LOOKED_UP)):
        keys = [(part.order_id, parcel.tracking_number) for parcel in some for part in parcel.parts]
        entries = ledger.entries(destination.identity, keys)
        for parcel in some:
            entry = entries.get((parcel.parts[0].order_id, parcel.tracking_number))
            if entry is not None and entry.state is State.SENDING and entry.run_id == run_id:
                outcomes.put(
                    parcel.index, Outcome(Status.IN_DOUBT, OUTCOME_UNKNOWN, _UNRECORDED, at=entry.at)
                )
                begun[parcel.index] = True
    return begun


_UNRECORDED = "it may have been sent, and what came of it could not be recorded"


def deliver(
    queues: Iterable[list[Fulfillment]],
    destination: Destination,
    settings: DestinationSettings,
    ledger: Ledger,
    rules: Rules,
    told: Callable[[Fulfillment, Outcome], None],
    interruption: Interruption,
) -> str:
    """Post everything in ``queues``; returns why it ended early, "" if it did not.

    Raises:
        CannotGoOn: the ledger takes no more.
    """
    scheme = f"{settings.auth_scheme} " if settings.auth_scheme else ""
    auth = {settings.auth_header: scheme + settings.token.reveal()} if settings.token else {}

    def connect() -> Client:
        return Client(auth, settings.timeout, env_proxy=settings.env_proxy)

    async def post() -> str:
        with interruption.listening(asyncio.get_running_loop()):
            return await post_all(queues, destination, ledger, rules, connect, told, interruption.halt)

    return asyncio.run(post())


def rules_of(settings: DestinationSettings, run_id: str, *, accept_doubt: bool) -> Rules:
    """The destination's settings as rules for posting."""
    return Rules(
        run_id=run_id,
        concurrency=settings.concurrency,
        timeout=settings.timeout,
        max_attempts=settings.max_attempts,
        rate=(settings.rate.per_second, settings.rate.burst) if settings.rate else None,
        accept_doubt=accept_doubt,
        idempotency_key_honoured=settings.idempotency == "key",
    )


def compare(
    ledger: Ledger, run_id: str, grouping: Grouping, outcomes: Outcomes, begun: npt.NDArray[np.bool_]
) -> None:
    """See that the ledger has of this run what the report is about to say.

    Raises:
        CannotGoOn: it has not.
    """
    shares = np.diff(grouping.parts_start)
    counted = {
        str(status): int(shares[begun & (outcomes.status == number)].sum())
        for number, status in enumerate(STATUSES)
    }
    reported = {status: count for status, count in counted.items() if count}
    recorded = {str(state): count for state, count in ledger.outcomes(run_id).items() if count}
    if reported != recorded:
        raise CannotGoOn(
            f"the ledger has {recorded} of this run and the report would say {reported}, so it is not "
            "published; trust the ledger and run the same command again"
        )

"""Handing errands to workers, and waiting for what comes of them."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections import deque
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from importer import destinations, reading
from importer.cluster.errands import Calling, Posting, Reading, Sealed
from importer.errors import CannotGoOn, ImporterError
from importer.posts.halt import CutShort
from importer.posts.loop import run as run_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from importer.ledger import Address, Ledger
    from importer.manifests import Manifest
    from importer.model import Entry, Fulfillment
    from importer.posts import Halt, Rules, Told
    from importer.posts.signals import Interruption
    from importer.reading import Checks, Part
    from importer.settings import DestinationSettings

_T = TypeVar("_T")
_R = TypeVar("_R")
_LOOKS_UP_SECONDS: Final = 0.05
_WORKERS_LOOKED_UP_SECONDS: Final = 0.5
_MORE_SECONDS: Final = 5.0  # than a worker takes to drain, for its answer to come
_MOST_ORDERS: Final = 1000  # in one errand, so that what a dead worker had is not much
_ERRANDS_EACH: Final = 4  # of a worker at least, so that the last ones end together
_LIVING: Final = frozenset({"running", "paused", "closing_gracefully"})
_FAULT: Final = "error"
_LOST: Final = (
    "the Dask scheduler was lost, with what its workers had to do; see to it and run the same command again"
)


class Errand(Protocol):
    """What a worker can be asked to do."""

    def run(self, lives: Callable[[], bool]) -> object:
        """Do it, as long as the worker ``lives``, and return what came of it."""


def run(errand: Errand) -> object:
    """Do an errand; this is what workers are told to call."""
    worker = importlib.import_module("distributed").get_worker()
    return errand.run(lambda: worker.status.name in _LIVING)


@dataclass(frozen=True, slots=True)
class Work:
    """What a run has to post: so many orders, in ``queues``, for which the ledger at ``address`` has claims.

    ``tried`` has, by the index of a fulfillment, what an earlier run left that may have done it,
    ``failed`` which earlier run it failed for; ``lease`` is in seconds.
    """

    orders: int
    queues: Iterator[Sequence[Fulfillment]]
    tried: Mapping[int, Entry]
    failed: Mapping[int, str]
    settings: DestinationSettings
    ledger: Ledger
    address: Address
    rules: Rules
    lease: float


class Workers:
    """The workers of a cluster that ``client`` is connected to; ``shared`` says that they are elsewhere.

    Then they see files of a disk that hosts share, and what only this process has is read here.
    """

    def __init__(self, client: Any, *, shared: bool) -> None:  # noqa: ANN401 - of a library that may be missing
        self._client = client
        self._shared = shared

    def parts(self, surveyed: Sequence[Manifest], checks: Checks) -> Iterator[Iterable[Part]]:
        """Have every manifest read and checked by a worker; the parts come in their order, as they are used.

        Raises:
            ManifestError: one turns out not to be one, changes, or is another one where the worker is.
            CannotGoOn: the cluster was lost, or one of its workers dies of a manifest again and again.
        """
        begun = [self._begin_reading(manifest, checks) for manifest in surveyed]
        begun.reverse()
        for manifest in surveyed:
            future = begun.pop()  # and with it, once it is used, what the cluster keeps of it
            yield reading.parts_of(manifest, checks) if future is None else _result(future, manifest.name)

    def _begin_reading(self, manifest: Manifest, checks: Checks) -> Any:  # noqa: ANN401 - the same
        origin = manifest.source.origin
        if not self._shared:
            return self.submit(Reading(manifest, checks, shared=False))
        if origin is None or not _is_whole(origin, manifest):
            return None
        there = replace(manifest, source=replace(manifest.source, path=origin.absolute()))
        return self.submit(Reading(there, checks, shared=True))

    def map(self, function: Callable[[_T], _R], things: Iterable[_T]) -> Iterator[_R]:
        """What the function returns for each of ``things``, in their order; a few are under way at a time.

        Raises:
            CannotGoOn: the cluster was lost, or one of its workers dies of it again and again.
        """
        at_once, under_way = self.count() + 1, deque[Any]()  # so that each has its next at hand
        for thing in things:
            if len(under_way) > at_once:
                yield _result(under_way.popleft(), "a part of the rows")
            under_way.append(self.submit(Calling(function, thing)))
        while under_way:
            yield _result(under_way.popleft(), "a part of the rows")

    def submit(self, errand: Errand) -> Any:  # noqa: ANN401 - the same
        """Hand out an errand, and return what has its result once it is done."""
        return self._client.submit(run, errand, pure=False, retries=0)

    def count(self) -> int:
        """Ask the scheduler how many errands are done at once."""
        return sum(self._client.nthreads().values())

    def post(self, work: Work, told: Callable[[Fulfillment, Told], None], interruption: Interruption) -> str:
        """Have everything posted; returns why that ended early, "" if it did not.

        The first order goes alone. ``told`` hears how each fulfillment ended, as far as workers came back to
        say so; what others did is in the ledger.

        Raises:
            CannotGoOn: the ledger takes no more.
        """
        return run_loop(_Posting(self, work, told, interruption.halt).run(interruption))


class _Posting:
    """The posting of one run by workers."""

    def __init__(
        self, workers: Workers, work: Work, told: Callable[[Fulfillment, Told], None], halt: Halt
    ) -> None:
        self._workers = workers
        self._work = work
        self._told = told
        self._halt = halt
        self._identity = destinations.make(work.settings).identity
        self._at_once = max(1, min(workers.count(), work.rules.concurrency))
        self._size = min(_MOST_ORDERS, -(-work.orders // (self._at_once * _ERRANDS_EACH)))
        self._under_way: dict[Any, dict[int, Fulfillment]] = {}
        self._is_asked_to_stop = self._has_lost_workers = False

    async def run(self, interruption: Interruption) -> str:
        with interruption.listening(asyncio.get_running_loop()):
            limits = [asyncio.ensure_future(limit) for limit in (self._end_in_time(), self._drain())]
            try:
                with self._halt.in_flight():
                    await self._post()
            except CutShort:
                self._has_lost_workers = False  # nobody is waited for
            finally:
                for limit in limits:
                    limit.cancel()
                await asyncio.gather(*limits, return_exceptions=True)
                self._pass_on()
            if self._has_lost_workers:
                await self._await_the_lost()
        return self._halt.reason

    async def _post(self) -> None:
        self._begin(1)
        while self._under_way:
            await asyncio.sleep(_LOOKS_UP_SECONDS)
            self._pass_on()
            for future in [each for each in self._under_way if each.done()]:
                self._end(future)
                while (
                    not self._halt.reason and len(self._under_way) < self._at_once and self._begin(self._size)
                ):
                    pass

    def _begin(self, orders: int) -> bool:
        """Hand out the next orders, if there are any."""
        some = list(islice(self._work.queues, orders))
        if some:
            parcels = {parcel.index: parcel for order in some for parcel in order}
            self._under_way[self._workers.submit(self._errand(some, parcels))] = parcels
        return bool(some)

    def _errand(self, some: Sequence[Sequence[Fulfillment]], parcels: Mapping[int, Fulfillment]) -> Posting:
        work, token = self._work, self._work.settings.token
        return Posting(
            orders=some,
            tried={index: work.tried[index] for index in parcels if index in work.tried},
            failed={index: work.failed[index] for index in parcels if index in work.failed},
            settings=replace(work.settings, token=None),
            token=Sealed(token.reveal()) if token else None,
            ledger=Sealed(work.address.reveal()),
            rules=replace(
                work.rules, concurrency=work.rules.concurrency // self._at_once, deadline=None
            ),  # which is seen to here
            lease=work.lease,
        )

    def _end(self, future: Any) -> None:  # noqa: ANN401 - the same
        parcels = self._under_way.pop(future)
        try:
            posted = _result(future, "a stretch of the fulfillments")
        except ImporterError as error:
            self._has_lost_workers = True
            self._halt.stop(str(error))
            return
        for index, how in posted.told:
            self._told(parcels[index], how)
        if posted.stopped:
            self._halt.stop(posted.stopped)

    def _pass_on(self) -> None:
        if self._halt.reason and not self._is_asked_to_stop:
            self._is_asked_to_stop = True
            self._work.ledger.ask_to_stop(self._work.rules.run_id, self._halt.reason)

    async def _end_in_time(self) -> None:
        deadline = self._work.rules.deadline
        if deadline is not None:
            await asyncio.sleep(max(deadline.at - time.monotonic(), 0.0))
            self._halt.stop(deadline.words)

    async def _drain(self) -> None:
        await self._halt.stopped()
        await asyncio.sleep(self._work.rules.drain + _MORE_SECONDS)
        self._halt.now()

    async def _await_the_lost(self) -> None:
        """Wait until nobody works for the run any more: they end in order, or their leases do."""
        mine = f"run {self._work.rules.run_id}."
        last = time.monotonic() + max(self._work.rules.drain, self._work.lease) + _MORE_SECONDS
        while any(each.startswith(mine) for each in self._work.ledger.at_work(self._identity)):
            if time.monotonic() > last:
                return
            await asyncio.sleep(_WORKERS_LOOKED_UP_SECONDS)
        self._work.ledger.recover(self._identity)


def _is_whole(origin: Path, manifest: Manifest) -> bool:
    """Whether the user's file is the manifest, and not what it was unpacked from."""
    try:
        return origin.stat().st_size == manifest.encoded.size
    except OSError:
        return False  # it was moved, and there is the copy


def _result(future: Any, what: str) -> Any:  # noqa: ANN401 - of a library that may be missing
    """What came of an errand, once it is done.

    Raises:
        ImporterError: what the worker raised, or ``CannotGoOn``: the cluster was lost, or its workers die.
    """
    try:
        return future.result()
    except ImporterError:
        raise
    except Exception as error:
        if future.status != _FAULT:
            raise CannotGoOn(_LOST) from error
        raise CannotGoOn(
            f"Dask cluster: {what}: {' '.join(str(error).split())}; each worker needs this version of the "
            "program, and what is in its log may tell more; run the same command again"
        ) from error

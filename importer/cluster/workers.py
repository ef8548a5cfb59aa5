"""Handing errands to workers, and waiting for what comes of them."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections import deque
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

from msgspec import Struct
from msgspec.structs import replace

from importer import destinations, manifests, reading
from importer.cluster import BLOCK_BYTES, errands, versions
from importer.cluster.errands import Posting, Reading, Sealed
from importer.cluster.presence import NobodyLeft, Presence
from importer.cluster.shuffle import Sharing, Shuffled
from importer.errors import CannotGoOn, ImporterError, ManifestError
from importer.posts import Halt
from importer.posts.halt import CutShort
from importer.posts.loop import run as run_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from importer.cluster import OfDask
    from importer.fulfillments.partitions import Partitions
    from importer.ledger import Address, Ledger
    from importer.manifests import Manifest
    from importer.manifests.delimited import Span
    from importer.manifests.sources import Source
    from importer.model import Entry, Fulfillment
    from importer.posts import Rules, Told
    from importer.posts.signals import Interruption
    from importer.reading import Checks, Part, Stretch
    from importer.settings import DestinationSettings
    from importer.spilling import Room

_LOOKS_UP_SECONDS: Final = 0.05
_WAITED_SECONDS: Final = 0.5  # for a result, until it is looked whether a worker is left
_LEASES_LOOKED_UP_SECONDS: Final = 0.5
_PATIENCE_SECONDS: Final = 10.0
_MORE_SECONDS: Final = 5.0  # than a worker takes to drain, for its answer to come
_MOST_ORDERS: Final = 1000  # in one errand, so that what a dead worker had is not much
_ERRANDS_EACH: Final = 4  # of a worker at least, so that the last ones end together
_BLOCKS: Final = 4  # a manifest that has no more of them is one worker's
_MOST_SPANS: Final = 128  # of a manifest; each has a share of each bucket
_BUCKETS_EACH: Final = 2  # of what can be done at once at least
_MOST_BUCKETS: Final = 128
_BYTES_OF_A_ROW: Final = 100  # about
_BYTES_OF_A_BUCKET: Final = 64 * 1024 * 1024
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
    try:
        return errand.run(lambda: worker.status.name in _LIVING)
    except ManifestError:
        raise  # which says what is wrong with the file, wherever it is read
    except ImporterError as error:
        raise CannotGoOn(f"{error} (on the worker at {worker.address})") from error


class Work(Struct, frozen=True):
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

    Then they see files of a disk that hosts share, and what only this process has is read here; and they may
    have another version of the program. Without any, the run goes on for ``patience`` seconds, or until
    ``halt`` says that it is to stop.
    """

    def __init__(
        self,
        client: OfDask,
        *,
        shared: bool,
        block_bytes: int = BLOCK_BYTES,
        patience: float = _PATIENCE_SECONDS,
        halt: Halt | None = None,
    ) -> None:
        self._client = client
        self._shared = shared
        self._block_bytes = block_bytes
        self._halt = halt or Halt()
        self._presence = Presence(client, patience, self._halt)
        self._shuffled: Shuffled | None = None
        self._seen: dict[Source, bool] = {}

    def partitions(
        self, surveyed: Sequence[Manifest], takes: tuple[str, ...], room: Room
    ) -> Partitions | None:
        """With the workers, if they read all and it is about what ``room`` has memory for; else None."""
        size = sum(manifest.encoded.size for manifest in surveyed)
        if size < room.rows * _BYTES_OF_A_ROW or not all(map(self._is_seen, surveyed)):
            return None
        with self._before_rows():
            fewest = max(_BUCKETS_EACH * self.count(), size // _BYTES_OF_A_BUCKET)
        self._shuffled = Shuffled(room, min(fewest, _MOST_BUCKETS), takes, self._call, self._read)
        return self._shuffled

    def parts(self, surveyed: Sequence[Manifest], checks: Checks) -> Iterator[Iterable[Part]]:
        """Have every manifest read and checked by a worker; the parts come in their order, as they are used.

        Raises:
            ManifestError: one turns out not to be one, changes, or is another one where the worker is.
            CannotGoOn: the cluster was lost, or one of its workers dies of a manifest again and again.
        """
        begun = [self._begun(manifest, checks) if self._is_seen(manifest) else None for manifest in surveyed]
        begun.reverse()
        for manifest in surveyed:
            stretches = begun.pop()  # and with them, once they are used, what the cluster keeps of them
            if stretches is None:
                yield reading.parts_of(manifest, checks)
            else:
                yield reading.put_together(self._stretches(stretches, manifest.name))

    def _is_seen(self, manifest: Manifest) -> bool:
        """Whether workers see the file, too; who reads it stays so, since rows are where it is read."""
        source = manifest.source
        if source not in self._seen:
            origin = source.origin
            self._seen[source] = not self._shared or (origin is not None and _is_whole(origin, manifest))
        return self._seen[source]

    def _begun(self, manifest: Manifest, checks: Checks) -> deque[Any]:
        """What will have the stretches of a manifest, in order; and last the fault that its parting found."""
        begun: deque[Any] = deque()
        try:
            for span in self._spans(manifest):
                sha256 = errands.digest(manifest, span).sha256 if self._shared and span else ""
                begun.append(self.submit(self._reading(manifest, checks, span, sha256)))
        except ManifestError as fault:  # those before it are told of first, as in one process
            begun.append(fault)
        return begun

    def _spans(self, manifest: Manifest) -> Iterator[Span | None]:
        size = manifest.encoded.size
        if size <= _BLOCKS * self._block_bytes or not manifest.is_splittable:
            return iter((None,))
        return manifests.spans(manifest, max(self._block_bytes, size // _MOST_SPANS))

    def _reading(self, manifest: Manifest, checks: Checks, span: Span | None, sha256: str) -> Errand:
        if self._shared and manifest.source.origin is not None:
            path = manifest.source.origin.absolute()
            manifest = replace(manifest, source=replace(manifest.source, path=path))
            sha256 = sha256 or manifest.encoded.sha256
        errand = Reading(manifest, checks, sha256, span)
        return errand if self._shuffled is None else Sharing(errand, self._shuffled.buckets)

    def _stretches(self, begun: deque[Any], name: str) -> Iterator[Stretch]:
        while begun:
            future = begun.popleft()
            if isinstance(future, ManifestError):
                raise future
            shuffled = self._shuffled
            yield self._read(future, name) if shuffled is None else shuffled.stretch(future, name)
        if self._shuffled is not None:
            self._shuffled.end()

    def _call(self, function: Callable[..., Any], *arguments: object) -> OfDask:
        if not self._shared:
            return self._client.submit(function, *arguments, pure=False, retries=0)
        key = f"{function.__name__}-{uuid4()}"  # by its beginning Dask knows how long such work takes
        return self._client.submit(versions.call, versions.found(), function, *arguments, key=key, retries=0)

    def submit(self, errand: Errand) -> OfDask:
        """Hand out an errand, and return what has its result once it is done."""
        return self._call(run, errand)

    def result(self, future: OfDask, what: str) -> OfDask:
        """What came of what was handed out, once it is done; ``what`` it is of is for a person.

        Raises:
            ImporterError: what the worker raised, or ``CannotGoOn``: the cluster was lost, or workers die.
        """
        try:
            return self._awaited(future)
        except ImporterError:
            raise
        except Exception as error:
            if future.status != _FAULT:
                raise CannotGoOn(_LOST) from error
            if self._shared:
                with suppress(OSError):
                    versions.expect_same(self._client)
            raise CannotGoOn(
                f"Dask cluster: {what}: {' '.join(str(error).split())}; what is in the log of the workers "
                "may tell more; run the same command again"
            ) from error

    def _read(self, future: OfDask, what: str) -> OfDask:
        with self._before_rows():
            return self.result(future, what)

    @contextmanager
    def _before_rows(self) -> Iterator[None]:
        """Where there is nothing yet that a run that is to stop could report."""
        try:
            yield
        except NobodyLeft as error:
            if self._halt.reason:
                raise KeyboardInterrupt from error
            raise

    def _awaited(self, future: OfDask) -> OfDask:
        step = _WAITED_SECONDS
        while True:
            try:
                return future.result(timeout=step)
            except TimeoutError:
                if future.status == _FAULT:  # it may be the worker's
                    return future.result()
            if future.done():
                step *= 2  # it is on its way here, and each time from the start
            self._presence.expect()

    async def trouble(self) -> NobodyLeft | None:
        """Why what they are to do can't come to its end, None while it may."""
        return await asyncio.to_thread(self._presence.trouble)

    def count(self) -> int:
        """Ask the scheduler how many errands are done at once.

        Raises:
            CannotGoOn: it does not answer.
        """
        return self._presence.count()

    def post(self, work: Work, told: Callable[[Fulfillment, Told], None], interruption: Interruption) -> str:
        """Have everything posted; returns why that ended early, "" if it did not.

        The first order goes alone. ``told`` hears how each fulfillment ended, as far as workers came back to
        say so; what others did is in the ledger.

        Raises:
            CannotGoOn: the ledger takes no more, or what is next can't be read; workers have ended.
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
        self._error: Exception | None = None

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
        if self._error is not None:
            raise self._error
        return self._halt.reason

    async def _post(self) -> None:
        self._begin(1)
        while self._under_way:
            await asyncio.sleep(_LOOKS_UP_SECONDS)
            self._pass_on()
            if trouble := await self._workers.trouble():
                self._has_lost_workers = True
                self._halt.stop(str(trouble))
                return
            for future in [each for each in self._under_way if each.done()]:
                self._end(future)
                while (
                    not self._halt.reason and len(self._under_way) < self._at_once and self._begin(self._size)
                ):
                    pass

    def _begin(self, orders: int) -> bool:
        """Hand out the next orders, if there are any; where they can't be read, the others come to an end."""
        try:
            some = list(islice(self._work.queues, orders))
        except Exception as error:  # noqa: BLE001 - raised again when the workers have ended
            self._error = error
            self._halt.stop(str(error))
            return False
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

    def _end(self, future: OfDask) -> None:
        parcels = self._under_way.pop(future)
        try:
            posted = self._workers.result(future, "a stretch of the fulfillments")
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
            await asyncio.sleep(_LEASES_LOOKED_UP_SECONDS)
        self._work.ledger.recover(self._identity)


def _is_whole(origin: Path, manifest: Manifest) -> bool:
    """Whether the user's file is the manifest, and not what it was unpacked from."""
    try:
        return origin.stat().st_size == manifest.encoded.size
    except OSError:
        return False  # it was moved, and there is the copy

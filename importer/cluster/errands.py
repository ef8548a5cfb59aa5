"""What a worker is asked to do, and does: read a manifest, group some orders, post some fulfillments."""

from __future__ import annotations

import secrets
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from importer import delivery, destinations, reading
from importer.delivery import Earlier
from importer.errors import CannotGoOn, ImporterError, ManifestError
from importer.ledger import Ledger
from importer.manifests import encodings
from importer.posts import Halt
from importer.settings import Secret

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from importer.manifests import Manifest
    from importer.manifests.delimited import Span
    from importer.manifests.encodings import Encoded
    from importer.model import Entry, Fulfillment
    from importer.posts import Rules, Told
    from importer.reading import Checks, Stretch
    from importer.settings import DestinationSettings

_LOOKS_UP_SECONDS: Final = 1.0  # how often a worker asks whether the run is to go on


class Sealed:
    """A token or an address on its way to a worker; it shows itself only to the one who asks."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "***"


class Reading(Struct, frozen=True):
    """A manifest, or a ``span`` of it, to be read and checked; ``sha256`` is that of its bytes.

    With "" the worker has the very file; else it may have another view of the same file, through a disk that
    hosts share.
    """

    manifest: Manifest
    checks: Checks
    sha256: str = ""
    span: Span | None = None

    def run(self, _: Callable[[], bool]) -> Stretch:
        """Read it, from its first block to its last.

        Raises:
            ManifestError: it is not there, is another one, or turns out not to be a manifest.
        """
        manifest = _as_seen_here(self.manifest, self.sha256, self.span) if self.sha256 else self.manifest
        return reading.stretch_of(manifest, self.checks, self.span)


def digest(manifest: Manifest, span: Span | None) -> Encoded:
    """What the bytes of a manifest, or of a ``span`` of it, are known by.

    Raises:
        ManifestError: it can't be read.
    """
    mark = manifest.encoded.mark
    return encodings.digest(manifest.source, (mark + span.start, mark + span.stop) if span else None)


def _as_seen_here(manifest: Manifest, sha256: str, span: Span | None) -> Manifest:
    try:
        here = digest(manifest, span)
    except ManifestError as error:
        raise ManifestError(
            f"{error} (on a worker, at {manifest.source.path}; the cluster must see the same files)"
        ) from error
    if here.sha256 != sha256:
        whose = f"from row {span.row} on its sha256 is" if span else "its sha256 is"
        raise ManifestError(
            f"{manifest.name}: a worker found another file at {manifest.source.path}: {whose} "
            f"{here.sha256}, expected {sha256}; the cluster must see the same files, and a "
            "file must be written completely"
        )
    return replace(manifest, encoded=replace(manifest.encoded, stamp=here.stamp))


class Posted(Struct, frozen=True):
    """How fulfillments ended, by index, and why that stopped early, "" if it did not."""

    told: Sequence[tuple[int, Told]]
    stopped: str


class Posting(Struct, frozen=True):
    """Orders to be posted to a destination for a run, with the ledger at an address.

    ``tried`` has, by the index of a fulfillment, what an earlier run left that may have done it,
    ``failed`` which earlier run it failed for; ``lease`` is in seconds.
    """

    orders: Sequence[Sequence[Fulfillment]]
    tried: Mapping[int, Entry]
    failed: Mapping[int, str]
    settings: DestinationSettings
    token: Sealed | None
    ledger: Sealed
    rules: Rules
    lease: float

    def run(self, lives: Callable[[], bool]) -> Posted:
        """Post them, as long as the run goes on and the worker ``lives``.

        Another worker may have been at it before, and be so still: to each other they are like runs of
        several hosts, whose claims keep them apart.

        Raises:
            CannotGoOn: the ledger takes no more.
        """
        settings = replace(self.settings, token=Secret(self.token.reveal()) if self.token else None)
        destination = destinations.make(settings)
        run_id = self.rules.run_id
        holder = f"{run_id}.{secrets.token_hex(3)}"
        told: dict[int, Told] = {}
        earlier = Earlier(
            np.zeros(0, dtype=bool), faulty=False, tried=dict(self.tried), failed=dict(self.failed)
        )

        def hear(parcel: Fulfillment, how: Told) -> None:
            told[parcel.index] = how

        with (
            _opened(self.ledger) as ledger,
            ledger.lock(destination.identity, run_id=holder, lease=self.lease),
        ):
            queues, others = delivery.beside_others(
                iter(self.orders),
                ledger,
                destination,
                run_id,
                earlier,
                hear,
                accept_doubt=self.rules.accept_doubt,
                max_attempts=self.rules.max_attempts,
                holder=holder,
            )
            stopped = delivery.deliver(
                queues,
                settings,
                ledger,
                self.rules,
                hear,
                _silent,
                _Watch(lambda: _reason(ledger, run_id, lives)),
                earlier=earlier.tried,
                others=others,
            )
        return Posted(tuple(told.items()), stopped)


def _opened(address: Sealed) -> Ledger:
    try:
        return Ledger(address.reveal())
    except ImporterError as error:
        raise CannotGoOn(
            f"{error}; each worker must reach the ledger, with the password, PGPASSWORD or ?service= "
            "where it runs"
        ) from error


def _silent(_: str) -> None:
    """Nobody is looking."""


def _reason(ledger: Ledger, run_id: str, lives: Callable[[], bool]) -> str:
    """Why the worker is to stop, "" if it is not."""
    if not lives():
        return "the worker is being stopped, or has lost its scheduler"
    return ledger.asked_to_stop(run_id)


class _Watch:
    """Halts posting when there is a reason to, which is asked for again and again."""

    def __init__(self, reason: Callable[[], str]) -> None:
        self.halt = Halt()
        self._reason = reason

    @contextmanager
    def listening(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        over = threading.Event()
        watching = threading.Thread(target=self._watch, args=(over, loop), name="run-watch", daemon=True)
        watching.start()
        try:
            yield
        finally:
            over.set()
            watching.join()

    def _watch(self, over: threading.Event, loop: asyncio.AbstractEventLoop) -> None:
        with suppress(CannotGoOn):  # posting hears of it when it writes
            while not over.wait(_LOOKS_UP_SECONDS):
                if reason := self._reason():
                    loop.call_soon_threadsafe(self.halt.stop, reason)
                    return

"""Whether a worker is left and the scheduler answers, for those who wait for what a worker does."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

from importer.errors import CannotGoOn

if TYPE_CHECKING:
    from importer.cluster import OfDask
    from importer.posts import Halt

_LOOKS_UP_SECONDS: Final = 0.5
# Asked so often in vain, and not for so long: this process may have been stopped for hours itself.
_MOST_UNANSWERED: Final = 12
_NO_WORKER: Final = (
    "Dask cluster: no worker is left; start some with 'dask worker', see in the log of those that were there "
    "why they ended, and run the same command again"
)
_SILENT: Final = (
    "Dask cluster: the scheduler at {} has not answered for {:.0f} s; see whether it is stopped, or has "
    "too much to do, and run the same command again"
)


class NobodyLeft(CannotGoOn):
    """Nobody is left who could do the work: no worker, or no scheduler that answers."""


class Presence:
    """Looks whether the cluster of ``client`` has a worker, and has so many seconds of patience if not.

    A scheduler that does not answer has six times as many. Once the run is to stop, as ``halt`` has it,
    nobody is waited for who is not there.
    """

    def __init__(self, client: OfDask, patience: float, halt: Halt) -> None:
        self._client = client
        self._address = client.scheduler.address
        self._patience = patience
        self._answers_in = patience / 2
        self._halt = halt
        self._looked = -math.inf
        self._alone_since: float | None = None
        self._unanswered = 0
        self._silent_since = 0.0

    def trouble(self) -> NobodyLeft | None:
        """Why what is waited for can't come, None while it may."""
        now = time.monotonic()
        if now - self._looked < _LOOKS_UP_SECONDS:
            return None
        self._looked = now
        try:
            workers = self._workers()
        except TimeoutError:
            return self._silent(now)
        except OSError:
            return None  # that the scheduler is lost is told by what it was to do
        self._unanswered = 0
        return self._lonely(workers, now)

    def expect(self) -> None:
        """Do nothing while what is waited for may come.

        Raises:
            NobodyLeft: it can't.
        """
        if trouble := self.trouble():
            raise trouble

    def count(self) -> int:
        """Ask the scheduler how many errands are done at once.

        Raises:
            NobodyLeft: it does not answer.
        """
        while True:
            asked = time.monotonic()
            try:
                return self._workers()
            except OSError as error:
                if trouble := self._silent(asked):
                    raise trouble from error

    def _workers(self) -> int:
        try:
            return sum(self._client.nthreads(callback_timeout=self._answers_in).values())
        except (AttributeError, RuntimeError) as error:  # a client that has given up closes what it asks with
            raise ConnectionError from error

    def _silent(self, asked: float) -> NobodyLeft | None:
        self._unanswered += 1
        if self._unanswered == 1:
            self._silent_since = asked
        if not self._halt.reason and self._unanswered < _MOST_UNANSWERED:
            return None
        seconds = time.monotonic() - self._silent_since
        return NobodyLeft(_SILENT.format(self._address, seconds))

    def _lonely(self, workers: int, now: float) -> NobodyLeft | None:
        if workers:
            self._alone_since = None
            return None
        if self._alone_since is None:
            self._alone_since = now
        is_over = self._halt.reason or now - self._alone_since > self._patience
        return NobodyLeft(_NO_WORKER) if is_over else None

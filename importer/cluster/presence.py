"""Whether a worker is left, for those who wait for what one does."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final

from importer.errors import CannotGoOn

if TYPE_CHECKING:
    from importer.posts import Halt

_LOOKS_UP_SECONDS: Final = 0.5
_ANSWERS_SECONDS: Final = 5.0


class NobodyLeft(CannotGoOn):
    """No worker is left."""

    def __init__(self) -> None:
        super().__init__(
            "Dask cluster: no worker is left; start some with 'dask worker', see in the log of those that "
            "were there why they ended, and run the same command again"
        )


class Presence:
    """Looks whether the cluster of ``client`` has a worker, and has so many seconds of patience if not.

    Once the run is to stop, as ``halt`` has it, nobody is waited for who is not there.
    """

    def __init__(self, client: Any, patience: float, halt: Halt) -> None:  # noqa: ANN401 - of a library that may be missing
        self._client = client
        self._patience = patience
        self._halt = halt
        self._looked = -math.inf
        self._alone_since: float | None = None

    def is_over(self) -> bool:
        """Whether there is no worker, and has been none for too long."""
        now = time.monotonic()
        if now - self._looked < _LOOKS_UP_SECONDS:
            return False
        self._looked = now
        if self._has_any():
            self._alone_since = None
            return False
        if self._alone_since is None:
            self._alone_since = now
        return bool(self._halt.reason) or now - self._alone_since > self._patience

    def expect(self) -> None:
        """Do nothing while what is waited for may come.

        Raises:
            NobodyLeft: it can't.
        """
        if self.is_over():
            raise NobodyLeft

    def _has_any(self) -> bool:
        try:
            return bool(self._client.nthreads(callback_timeout=_ANSWERS_SECONDS))
        except OSError:
            return True  # that the scheduler is lost is told by what it was to do

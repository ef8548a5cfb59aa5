"""What the ledger's writer will have done, for whoever waits for it in another thread."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Promise(Generic[T]):
    """A ``concurrent.futures.Future`` as far as the ledger needs one, for a third of its time.

    There are two for each post. What was promised can't be taken back.
    """

    __slots__ = ("_calls", "_error", "_is_kept", "_lock", "_result")

    _result: T

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_kept = False
        self._error: Exception | None = None
        self._calls: list[Callable[[Promise[T]], object]] = []

    def done(self) -> bool:
        """Whether there is a result, or an error."""
        return self._is_kept

    def result(self) -> T:
        """Wait until it is done, and return what came of it.

        Raises:
            Exception: what it failed with.
        """
        if (error := self.exception()) is not None:
            raise error
        return self._result

    def exception(self) -> Exception | None:
        """Wait until it is done, and return what it failed with, None if it did not."""
        if not self._is_kept:
            kept = threading.Event()
            self.add_done_callback(lambda _: kept.set())
            kept.wait()
        return self._error

    def add_done_callback(self, call: Callable[["Promise[T]"], object]) -> None:
        """Have ``call`` be called with this once it is done, in the thread that does it, or now if it is.

        It raises nothing: whoever did it would have to bear that.
        """
        with self._lock:
            if not self._is_kept:
                self._calls.append(call)
                return
        call(self)

    def set_result(self, result: T) -> None:
        """Say what came of it."""
        self._result = result
        self._keep()

    def set_exception(self, error: Exception) -> None:
        """Say what it failed with."""
        self._error = error
        self._keep()

    def _keep(self) -> None:
        with self._lock:
            self._is_kept = True
        calls, self._calls = self._calls, []
        for call in calls:
            call(self)

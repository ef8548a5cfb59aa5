"""Work that is done in a second thread, one piece at a time: Arrow and NumPy leave the first one free."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future
    from types import TracebackType

Thing = TypeVar("Thing")


def ahead(things: Iterable[Thing]) -> Generator[Thing]:
    """The same things in the same order, of which the next is made while one is used.

    Raises:
        Exception: whatever making them raises, where it would have been raised.
    """
    maker = iter(things)
    try:
        with ThreadPoolExecutor(1) as thread:
            coming = thread.submit(next, maker, None)
            while (thing := coming.result()) is not None:
                coming = thread.submit(next, maker, None)
                yield thing
    finally:
        if isinstance(maker, Generator):
            maker.close()  # in this thread, when the other one has ended


class Behind:
    """Does what it is given in order, one piece behind; leaving waits for the last."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._doing: Future[None] | None = None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the last piece of work, and raise what it raised, unless there is another error."""
        self._thread.shutdown()
        if error is None:
            self._wait()

    def do(self, work: Callable[[], None]) -> None:
        """Begin with ``work`` as soon as what was given before is done.

        Raises:
            Exception: whatever the work before raised.
        """
        self._wait()
        self._doing = self._thread.submit(work)

    def _wait(self) -> None:
        if self._doing is not None:
            self._doing.result()

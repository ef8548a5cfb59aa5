"""Work that is done in other threads, piece by piece: Arrow and NumPy leave them free of each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from types import TracebackType

Thing = TypeVar("Thing")
Result = TypeVar("Result")
_AT_ONCE: Final = 2  # each takes memory


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


def side_by_side(function: Callable[[Thing], Result], things: Iterable[Thing], /) -> Iterator[Result]:
    """What ``function`` returns for each of ``things``, in their order; two are worked on at a time.

    Raises:
        Exception: whatever ``function`` raises, in the place of what it would have returned.
    """
    under_way: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for thing in things:
            if len(under_way) == _AT_ONCE:
                yield under_way.popleft().result()
            under_way.append(threads.submit(function, thing))
        while under_way:
            yield under_way.popleft().result()


class Behind:
    """Does what it is given in order, one piece behind; leaving waits for the last."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._doing: Future[object] | None = None

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

    def do(self, work: Callable[[], object]) -> None:
        """Begin with ``work`` as soon as what was given before is done.

        Raises:
            Exception: whatever the work before raised.
        """
        self._wait()
        self._doing = self._thread.submit(work)

    def _wait(self) -> None:
        if self._doing is not None:
            self._doing.result()

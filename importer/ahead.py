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
    """Does what it is given in order, up to two pieces behind; leaving waits for the last.

    Once a piece has failed, those that come after it are not done.
    """

    def __init__(self) -> None:
        self._has_failed = False
        self._thread = ThreadPoolExecutor(1)
        self._under_way: deque[Future[object]] = deque()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the last piece of work; what one of them raised is raised, unless there is an error."""
        self._thread.shutdown(cancel_futures=error is not None)
        if error is None:
            self._leave(0)

    def do(self, work: Callable[[], object]) -> None:
        """Begin with ``work`` as soon as what was given before is done.

        Raises:
            Exception: whatever work before it raised.
        """
        self._leave(_AT_ONCE - 1)
        self._under_way.append(self._thread.submit(self._try, work))

    def _try(self, work: Callable[[], object]) -> None:
        if self._has_failed:
            return
        try:
            work()
        except BaseException:
            self._has_failed = True
            raise

    def _leave(self, pieces: int) -> None:
        """Wait until no more than so many are to be done."""
        while len(self._under_way) > pieces:
            self._under_way.popleft().result()

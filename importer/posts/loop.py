"""The event loop that posting runs in."""

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

_T = TypeVar("_T")

_NEW_OBJECTS: Final = 20_000  # a few hundred posts; by itself Python looks after two or three


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run ``main`` to its end, in uvloop's event loop where that is installed (the extra ``fast``)."""
    with _seldom_collecting(), asyncio.Runner(loop_factory=_fastest()) as runner:
        return runner.run(main)


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Have the garbage collector look less often for what a post hardly ever leaves behind: cycles.

    It never looks at what was there before, which is much and stays: a tenth of a second each time.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _fastest() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        from uvloop import new_event_loop  # noqa: PLC0415 - it may not be there
    except ImportError:
        return asyncio.new_event_loop
    return new_event_loop

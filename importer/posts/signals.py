"""SIGINT and SIGTERM → a halt: the first ends the run in order, the second at once."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from importer.posts.halt import Halt

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator
    from types import FrameType

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_BASE = 128  # a shell's exit status for a process that a signal ended is 128 and its number


class Interruption:
    """What the user's signals have asked for so far; ``halt`` is what posting obeys."""

    def __init__(self) -> None:
        self.halt = Halt()
        self._number = 0

    @property
    def exit_status(self) -> int:
        """130 after SIGINT, 143 after SIGTERM, 0 while there was no signal."""
        return _BASE + self._number if self._number else 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take the signals; a second one, where no post is in flight, raises KeyboardInterrupt."""
        before = {number: signal.signal(number, self._outside) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def listening(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Take the signals in the event loop, so that they wake what sleeps there."""
        for number in SIGNALS:
            loop.add_signal_handler(number, self._inside, number)
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)
                signal.signal(number, self._outside)

    def _outside(self, number: int, _: FrameType | None) -> None:
        if self._number:
            raise KeyboardInterrupt
        self._stop(number)

    def _inside(self, number: int) -> None:
        if self._number:
            self.halt.now(f"{signal.Signals(number).name} twice")
        else:
            self._stop(number)

    def _stop(self, number: int) -> None:
        self._number = number
        self.halt.stop(f"interrupted by {signal.Signals(number).name}")

"""SIGINT, SIGTERM and SIGHUP → a halt: the first ends the run in order, the second at once."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from importer.early import MOST_NOTED, end_on_the_spot, exit_status_after, to_be_taken
from importer.posts.halt import Halt

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import FrameType


@contextmanager
def taken_by(take: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have ``take`` called with each of the signals, and in the end what was there before."""
    before = {number: signal.signal(number, take) for number in to_be_taken()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Interruption:
    """What the user's signals have asked for so far; ``halt`` is what posting obeys.

    ``orderly`` says that the first signal is only noted, for whoever looks; else it ends at once what is
    under way, as the second one always does.
    """

    def __init__(self) -> None:
        self.halt = Halt()
        self.orderly = False
        self._number = 0
        self._is_waiting = False
        self._noted = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def exit_status(self) -> int:
        """What the run ends with for it, 0 while there was no signal."""
        return exit_status_after(self._number)

    def watching(self) -> AbstractContextManager[None]:
        """Take the signals; one that is to end the run at once, outside of posting, does what SIGINT does.

        Raises:
            KeyboardInterrupt: it came.
        """
        return taken_by(self._take)

    def begin_with(self, number: int) -> None:
        """Count the signal that came before they were taken as the first one; 0 is none."""
        if number and not self._number:
            self._stop(number)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Do what the first signal asks for once the context is over, unless it is only to be noted.

        What is inside can't be broken off, and takes seconds at most: two signals are only noted, and one
        more ends the process on the spot.

        Raises:
            KeyboardInterrupt: it came.
        """
        before, self._is_waiting = self._is_waiting, True
        try:
            yield
        finally:
            self._is_waiting = before
        if self._number and not self.orderly:
            raise KeyboardInterrupt

    @contextmanager
    def listening(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Hand the signals to the event loop, so that they wake what sleeps there."""
        # not with add_signal_handler: taking that off again leaves a moment in which a signal kills
        self._loop = loop
        try:
            yield
        finally:
            self._loop = None

    def _take(self, number: int, _: FrameType | None) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._inside, number)
        elif self._is_waiting:
            self._note(number)
        elif self.orderly and not self._number:
            self._stop(number)
        else:
            if not self._number:
                self._stop(number)
            raise KeyboardInterrupt

    def _note(self, number: int) -> None:
        self._noted += 1
        if self._noted > MOST_NOTED:
            end_on_the_spot(number)
        if not self._number:
            self._stop(number)

    def _inside(self, number: int) -> None:
        if self._number:
            self.halt.now(f"{signal.Signals(number).name} twice")
        else:
            self._stop(number)

    def _stop(self, number: int) -> None:
        self._number = number
        self.halt.stop(f"interrupted by {signal.Signals(number).name}")

"""SIGINT, SIGTERM and SIGHUP of a plan's run: noted from beginning to end, so that none ends it untold."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from importer.early import Interrupted, exit_status_after
from importer.posts.signals import taken_by

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import FrameType


class Interruption:
    """Which signal came first, ``number``, 0 while there was none.

    While jobs are at work each is handed on to them. Otherwise the first is only noted: before the jobs none
    of them is begun then, and after them what came of them is told to the end. One more ends the run at once.
    """

    def __init__(self) -> None:
        self.number = 0
        self._noted = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hand_on: Callable[[int], None] | None = None

    @property
    def exit_status(self) -> int:
        """What the plan's run ends with for it, 0 while there was no signal."""
        return exit_status_after(self.number)

    def watching(self) -> AbstractContextManager[None]:
        """Take the signals.

        Raises:
            Interrupted: one more came while no jobs were at work.
        """
        return taken_by(self._take)

    def begin_with(self, number: int) -> None:
        """Note the signal that came before they were taken; 0 is none."""
        self.number = self.number or number
        self._noted = self._noted or bool(number)

    @contextmanager
    def handing_on(self, loop: asyncio.AbstractEventLoop, hand_on: Callable[[int], None]) -> Iterator[None]:
        """Hand the signals on, inside the event loop."""
        self._loop, self._hand_on = loop, hand_on
        try:
            yield
        finally:
            self._loop, self._hand_on = None, None

    def _take(self, number: int, _: FrameType | None) -> None:
        self.number = self.number or number
        if self._loop is not None and self._hand_on is not None:
            self._loop.call_soon_threadsafe(self._hand_on, number)
        elif self._noted:
            raise Interrupted(self.number)
        else:
            self._noted = True

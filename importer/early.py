"""SIGINT, SIGTERM and SIGHUP from the program's first moment on: noted while it is loaded, then obeyed."""

import signal
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MOST_NOTED: Final = 2
"""So many signals come where one is meant: whoever hands it on may send it to the whole group, too."""
_BASE: Final = 128  # a shell's exit status for a process that a signal ended is 128 and its number


def to_be_taken() -> list[signal.Signals]:
    """The signals but for those that are ignored: ``nohup`` has SIGHUP so, and what it starts goes on."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def exit_status_after(number: int) -> int:
    """130 after SIGINT, 143 after SIGTERM, 129 after SIGHUP, 0 where ``number`` is 0: no signal came."""
    return _BASE + number if number else 0


def end_on_the_spot(number: int) -> None:
    """End the process as that signal does by itself."""
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


class Interrupted(KeyboardInterrupt):
    """The signal ``number`` came, which ends at once what is under way."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_status = exit_status_after(number)


class Early:
    """Signals outside of what takes them itself: ``number`` is the first that came, 0 while there was none.

    It is only noted: one that is raised while modules are loaded is told with their traceback, or is lost in
    one, and what came of a run that has ended is told to the end. The third ends the program on the spot.
    """

    def __init__(self) -> None:
        self.number = 0
        self._noted = 0
        self._is_obeyed = False

    def take(self) -> None:
        """Take the signals, also those that were kept back until now."""
        for number in to_be_taken():
            signal.signal(number, self._take)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def obey(self) -> None:
        """From now on have each signal end what is under way.

        Raises:
            Interrupted: one came already.
        """
        self._is_obeyed = True
        if self.number:
            raise Interrupted(self.number)

    def note(self) -> None:
        """Only note them again, since the program ends anyway."""
        self._is_obeyed = False

    def _take(self, number: int, _: FrameType | None) -> None:
        if self._is_obeyed:
            raise Interrupted(number)
        self._noted += 1
        if self._noted > MOST_NOTED:
            end_on_the_spot(number)
        self.number = self.number or number

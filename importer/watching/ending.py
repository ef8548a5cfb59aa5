"""How a run ended, or that it could not even start, as everybody is told who watches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from importer.report import phrases

if TYPE_CHECKING:
    from datetime import datetime

    from importer.report import Summary


class Ending(Struct, frozen=True):
    """The end of a run; times are UTC.

    ``destination`` is the name that the user calls it by, "" where none was named. ``summary`` is None where
    there is no report: the run could not start, or could not be reported. ``trouble`` says why, or else what
    came after the report, "" where nothing did.
    """

    command: str
    destination: str
    started_at: datetime
    finished_at: datetime
    exit_status: int
    summary: Summary | None = None
    trouble: str = ""

    @property
    def seconds(self) -> float:
        """How long it took, of wall time."""
        return (self.finished_at - self.started_at).total_seconds()

    @property
    def sentence(self) -> str:
        """What happened, in one or two sentences."""
        told = []
        if self.summary is not None:
            told.append(phrases.sentence(self.summary))
            if self.summary.stopped_because:
                told.append(f"Stopped early: {phrases.short(self.summary.stopped_because)}")
        if self.trouble:
            told.append(self.trouble)  # whole: no report has it, and what to do stands at its end
        return ". ".join(told)

"""What a scenario has to do with: a manifest, a ledger, a platform, and runs that are started and ended."""

from __future__ import annotations

import math
import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from msgspec import Struct, field

from tests.kill_loop.verdict import SHOWN, Evidence, report_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from random import Random

    from tests.kill_loop.ledgers import Ledger
    from tests.kill_loop.processes import Launcher, Process
    from tests.kill_loop.verdict import Known
    from tests.kill_loop.witness import Books

MANIFEST = "manifest.csv"
FINISHED = frozenset({0, 6})
"""The exit statuses of a run that left nothing to do."""

_BY_THE_CLOCK = 1 / 3  # of the moments; the others come while it posts
_START = 1.3  # how much of a run's start the clock covers: all, and a bit of what follows
_IN_RESERVE = 3  # shares of what is left to post, so that the last kills find something, too
_ON_TOP = 3  # times as many as it is to post: with what is in flight and what it posts while it is ended
_TAIL = 0.02  # seconds


class Bounds(Struct, frozen=True):
    """When a scenario has ended enough runs: after so many kills, or at a time of the monotonic clock."""

    kills: int
    last: float


class Run(Struct, frozen=True):
    """A run and the name of its report's folder."""

    report: str
    process: Process


class Loop(Struct):
    """One scenario's doings so far.

    ``rows`` has the fulfillment of each row of the manifest; ``also`` is given to each run besides.
    ``cut_short`` counts the runs that were ended, ``refused`` those that found another one posting.
    """

    folder: Path
    rows: Sequence[str]
    ledger: Ledger
    books: Books
    launcher: Launcher
    chance: Random
    bounds: Bounds
    concurrency: int
    also: Sequence[str] = ()
    runs: int = 0
    cut_short: int = 0
    refused: int = 0
    finished: bool = False
    in_flight: list[str] = field(default_factory=list)
    raced: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "output").mkdir()

    @property
    def goes_on(self) -> bool:
        """Whether there are runs to end yet."""
        return (
            not self.finished and self.cut_short < self.bounds.kills and time.monotonic() < self.bounds.last
        )

    @property
    def share(self) -> int:
        """How many fulfillments a run may post, so that there are some left for the runs to come."""
        in_time = (self.bounds.last - time.monotonic()) / self.launcher.seconds
        to_come = max(0.0, min(self.bounds.kills - self.cut_short, in_time)) + _IN_RESERVE
        left = len(set(self.rows)) - len(self.books.created)
        return max(1, int(left / to_come / _ON_TOP))

    def command(self) -> tuple[str, list[str]]:
        """Another run's folder for its report, and its command line."""
        self.runs += 1
        report = f"run-{self.runs:05}"
        return report, ["post", MANIFEST, *self.ledger.options_to_post, "--report", report, *self.also]

    def start(self, most_bytes: int | None = None) -> Run:
        """Start another run, that can write files of ``most_bytes``."""
        report, arguments = self.command()
        output = self.folder / "output" / report
        return Run(report, self.launcher.start(self.folder, arguments, output, most_bytes, name=report))

    def moment(self) -> Callable[[], bool]:
        """Choose a moment from now: in a run's start, or after it has posted some."""
        most = 2 * self.share
        if self.chance.random() < _BY_THE_CLOCK:
            at = time.monotonic() + self.chance.uniform(0, _START * self.launcher.seconds)
            enough, tail = self.books.read() + most, 0.0
        else:
            at = math.inf
            enough, tail = self.books.read() + self.chance.randint(1, most), self.chance.uniform(0, _TAIL)

        def come() -> bool:
            if time.monotonic() < at and self.books.read() < enough:
                return False
            time.sleep(tail)
            return True

        return come

    def kill(self, run: Run, *others: Run, may_end: frozenset[int] = FINISHED) -> None:
        """Kill a run at a random moment; ``others`` stand still, so that what it was sending can be seen."""
        run.process.wait(self.moment())
        with ExitStack() as stack:
            for other in others:
                stack.enter_context(other.process.frozen())
            run.process.send(signal.SIGKILL)
            if run.process.wait() == -signal.SIGKILL:
                self.note_cut(run, beside_others=bool(others))
            else:
                self.note_end(run, may_end)

    def note_cut(self, run: Run, *, orderly: bool = False, beside_others: bool = False) -> None:
        """Take down what the run was sending when it was cut short: nothing, if that was ``orderly``."""
        self.cut_short += 1
        sending = _sending(run, self.ledger.read(run.report, beside_others=beside_others))
        self.in_flight += sending
        most = 0 if orderly else self.concurrency
        if len(sending) > most:
            words = f"it left {len(sending)} in flight, expected {most} at most"
            self._blame(run, f"{words}: {', '.join(sorted(sending)[:SHOWN])}")

    def note_end(self, run: Run, may_end: frozenset[int], *, reports: bool = True) -> None:
        """See that a run ended itself as it may, and that its report is right, if it ``reports``."""
        status = run.process.wait()
        self.finished = self.finished or status in FINISHED
        self.refused += status == _REFUSED
        if status not in may_end:
            self._blame(run, f"exit status {status}")
        if reports and status != _REFUSED:
            self.check_report(run.report)

    def check_report(self, report: str) -> None:
        """See that a report is there, and right."""
        if not (self.folder / report / "summary.json").exists():
            self.faults.append(f"{report}: there is no report")
            return
        ledger = self.ledger.read()
        self.faults += list(report_faults(self.folder / report, self.rows, ledger))[:SHOWN]

    def has_report(self, run: Run) -> bool:
        """Whether the run came to write its report."""
        return (self.folder / run.report / "summary.json").exists()

    def evidence(self) -> Evidence:
        """What is there to judge, once the platform has done all that it was asked for."""
        self.books.close_for_good()
        ledger = self.ledger.read()
        # beside another run, that one may have found first what the killed one was sending
        self.in_flight += sorted(
            name
            for name, known in ledger.items()
            if known.state == "in-doubt" and known.report in self.raced and name not in self.in_flight
        )
        return Evidence(
            wanted=frozenset(self.rows),
            created=self.books.created.copy(),
            ledger=ledger,
            in_flight=frozenset(self.in_flight),
        )

    def _blame(self, run: Run, words: str) -> None:
        printed = run.process.output.read_text(encoding="utf-8").strip()
        self.faults.append(f"{run.report}: {words}; it printed: {printed!r}")


_REFUSED = 5


def _sending(run: Run, ledger: Mapping[str, Known]) -> set[str]:
    return {name for name, known in ledger.items() if known.state == "sending" and known.report == run.report}

"""A bar on a terminal, with rate and time left."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec import Struct
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
)
from rich.table import Column
from rich.text import Text

from importer.printing import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.progress import Task, TaskID


_SHOWN_SECONDS = 0.1


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        """The speed so far."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="progress.data.speed")


class _TimeLeft(ProgressColumn):
    """How long it takes at the speed of late, but no less than the rate allows."""

    def __init__(self, per_second: float) -> None:
        super().__init__()
        self._per_second = per_second

    def render(self, task: Task) -> Text:
        """The time left, as 0:12:34."""
        if task.remaining is None or task.time_remaining is None:
            return Text("")
        seconds = max(task.time_remaining, task.remaining / self._per_second)
        return Text(f"{timedelta(seconds=math.ceil(seconds))} left", style="progress.remaining")


class Drawn(Struct):
    """What is shown while something goes on; how far it has come, at most ten times a second."""

    _progress: Progress
    _task: TaskID
    _advanced: int = 0
    _shown_at: float = -math.inf

    def advance(self, step: int) -> None:
        """So much more is done."""
        self._advanced += step
        if time.monotonic() >= self._shown_at + _SHOWN_SECONDS:
            self.show()

    def show(self) -> None:
        """Have it be shown how far it has come, when it is drawn next."""
        self._progress.advance(self._task, self._advanced)
        self._advanced = 0
        self._shown_at = time.monotonic()

    def say(self, words: str) -> None:
        """Show what it waits for; "" when that is over."""
        self._progress.update(self._task, waits=printable(words))

    def refresh(self) -> None:
        """Draw it now."""
        self.show()
        self._progress.refresh()


@contextmanager
def drawn(console: Console, what: str, total: int | None, per_second: float) -> Iterator[Drawn]:
    """Show how far ``what`` has come while inside; ``per_second`` is how many there can be at most."""
    columns = (
        TextColumn("{task.description}", table_column=Column(no_wrap=True, min_width=len(what))),
        BarColumn(bar_width=20),
        MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=2 * len(str(total or 0)) + 1)),
        _Rate(),
        _TimeLeft(per_second),
        TextColumn(
            "{task.fields[waits]}",
            style="yellow",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
        ),
    )
    progress = Progress(
        *columns,
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    task = progress.add_task(what, total=total, waits="")
    shown = Drawn(progress, task)
    with _Unimportant():
        progress.start()
    try:
        yield shown
    finally:
        with _Unimportant():
            shown.show()
            progress.stop()


class _Unimportant(suppress):
    """What is drawn for a terminal that went away in the meantime is no reason to end a run."""

    def __init__(self) -> None:
        super().__init__(OSError)

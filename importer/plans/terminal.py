"""A plan's run as a person reads it on a terminal: a line for each job, and what to do next."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from importer.model import STATUSES
from importer.plans.ended import PLAN, RAN_TO_ITS_END
from importer.printing import printable
from importer.report import phrases
from importer.report.phrases import counted
from importer.report.terminal import put, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from importer.plans.ended import JobEnded, PlanEnded
    from importer.report import Filed


def show(console: Console, ended: PlanEnded) -> None:
    """Print what came of each job, and what to open and to do."""
    line = Text()
    line.append(ended.command, "bold")
    line.append(f" --plan {printable(ended.plan)}")
    line.append(f"  {ended.plan_id}, {ended.seconds:.1f} s", "dim")
    put(console, line)
    put(console, Text(f"{counted(len(ended.jobs), 'job')}, {counted(ended.rows['total'], 'row')}"))
    console.print()
    console.print(_table(ended))
    console.print()
    for job in ended.jobs:
        for words in _troubles(job):
            say(console, f"{job.name}: ", "bold red", phrases.short(words))
        for words in _not_taken(job):
            say(console, f"{job.name}: ", "bold", words)
    if any(_has_trouble(job) or any(_not_taken(job)) for job in ended.jobs):
        console.print()
    for label, words in _next_steps(ended):
        say(console, label, "bold", words)


def _table(ended: PlanEnded) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("job", "destination", "rows", "exit", "report"):
        table.add_column(name, overflow="fold", no_wrap=name in {"job", "exit"})
    for job in ended.jobs:
        page = PurePath(job.summary.reports.get("page", job.summary.reports["rows"])) if job.summary else None
        table.add_row(
            job.name,
            Text(printable(job.destination)),
            _rows(job),
            Text(str(job.exit_status), "" if job.exit_status == 0 else "bold red"),
            Text(f"{job.name}/{page.name}" if page else "-"),
        )
    return table


def _rows(job: JobEnded) -> Text:
    rows = job.summary.rows if job.summary else {}
    told = [f"{rows[status]:,} {status}" for status in STATUSES if rows.get(status)]
    told += _counts_of_files(job)
    nothing = "no data row" if job.summary and job.summary.manifests else "nothing to do"
    return Text(", ".join(told) or (nothing if job.exit_status == 0 else "-"), "" if told else "dim")


def _counts_of_files(job: JobEnded) -> Iterator[str]:
    files = _noteworthy(job)
    if unread := sum(not file.is_manifest for file in files):
        yield f"{counted(unread, 'file')} no {phrases.plural('manifest', unread)}"
    if left := sum(file.is_left_alone for file in files):
        yield f"{counted(left, 'file')} left alone"


def _noteworthy(job: JobEnded) -> list[Filed]:
    """The files that did not go the way of manifests."""
    files = (job.summary.files if job.summary else None) or ()
    return [file for file in files if file.is_fault or file.is_left_alone or not file.is_manifest]


def _not_taken(job: JobEnded) -> Iterator[str]:
    """What happened with each of these files."""
    for file in _noteworthy(job):
        words = phrases.short(file.why if not file.is_manifest else f"{file.name}: {file.why}")
        yield f"{words} (now {file.to})" if file.to else words


def _troubles(job: JobEnded) -> Iterator[str]:
    if job.summary is not None and job.summary.stopped_because:
        yield f"stopped early: {job.summary.stopped_because}"
    if job.trouble and job.exit_status:
        yield printable(job.trouble)


def _has_trouble(job: JobEnded) -> bool:
    return any(_troubles(job))


def _next_steps(ended: PlanEnded) -> Iterator[tuple[str, str]]:
    yield "Reports:", f" {ended.report} ({PLAN} has them all)"
    for job in ended.jobs:
        if job.summary is not None and (rows := phrases.to_open(job.summary)):
            yield "Open:    ", f"{job.summary.reports['errors']} ({rows})"
    if any(job.exit_status not in RAN_TO_ITS_END for job in ended.jobs):
        again = "run the same command again, with another --report if you name one"
        yield "Next:    ", f"see to that, then {again}; what is done is skipped"

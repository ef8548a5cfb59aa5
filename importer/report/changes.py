"""What changed from one report to the next, as a person reads it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, to_builtins
from rich.text import Text

from importer.printing import printable
from importer.report import phrases
from importer.report.phrases import counted
from importer.report.review import moment, place
from importer.report.terminal import put

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from importer.report.finished import Finished, Row


class Kind(StrEnum):
    """How a row that fails, or failed, has changed."""

    NEW = "newly failing"
    CHANGED = "changed"
    STILL = "still failing"
    MENDED = "mended"
    GONE = "gone"


class Change(Struct, frozen=True):
    """A row that fails, or failed: as the last report has it in which it did.

    ``since`` is the place (among the reports, oldest first) of the report from which on it failed, ``last``
    that of the one that ``row`` is of. ``before`` is its code in the one before that, where it has changed.
    ``mended`` is the place of the report in which it was fine, and ``now`` its status there.
    """

    row: Row
    since: int
    last: int
    before: str = ""
    mended: int | None = None
    now: str = ""


class Changes(Struct, frozen=True):
    """What changed over ``reports``, oldest first: how many rows of each kind, and the first of them."""

    reports: Sequence[Finished]
    counts: Mapping[Kind, int]
    first: Mapping[Kind, Sequence[Change]]


def show(console: Console, changes: Changes) -> None:
    """Print the reports, how many rows changed in which way, and the first of each kind."""
    for report in changes.reports:
        summary = report.summary
        to = f" to {printable(summary.destination)}" if summary.destination else ""
        line = Text().append(f"{moment(summary.started_at)}  ", "dim")
        line.append(f"{printable(summary.command)}{to}", "bold")
        put(console, line.append(f"  {printable(str(report.folder))}, {phrases.sentence(summary)}"))
    console.print()
    for kind, count in changes.counts.items():
        line = Text().append(f"  {kind:13}", _STYLES[kind])
        put(console, line.append(f"{count:>10,}").append(f"  {_MEANINGS[kind]}", "dim"))
    for kind, first in changes.first.items():
        if first:
            console.print()
            console.print(Text(kind.capitalize(), "bold"))
            for change in first:
                _show_change(console, changes, change)
        more = changes.counts[kind] - len(first)
        if more:
            put(console, Text(f"… and {counted(more, 'row')} more; --limit 0 lists all", "dim"), 2)


def as_json(changes: Changes) -> dict[str, Any]:
    """The same as a JSON object; times are UTC."""
    return {
        "reports": [
            {
                "report": str(report.folder),
                **{name: report.document[name] for name in _OF_A_REPORT},
            }
            for report in changes.reports
        ],
        "counts": {_key(kind): count for kind, count in changes.counts.items()},
        **{
            _key(kind): [_change_as_json(changes, change) for change in first]
            for kind, first in changes.first.items()
        },
    }


_OF_A_REPORT: Final = ("run_id", "command", "destination", "started_at", "exit_status")
_STYLES: Final = {
    Kind.NEW: "bold red",
    Kind.CHANGED: "red",
    Kind.STILL: "yellow",
    Kind.MENDED: "green",
    Kind.GONE: "cyan",
}
_MEANINGS: Final = {
    Kind.NEW: "fails in the last report, and was fine or not there before",
    Kind.CHANGED: "fails still, but for another cause than before",
    Kind.STILL: "fails as before",
    Kind.MENDED: "failed before, and was fine when it came next",
    Kind.GONE: "failed before, and is not in the last report",
}


def _show_change(console: Console, changes: Changes, change: Change) -> None:
    row = change.row
    put(console, Text(f"  {place(row)}"))
    put(console, Text(f"{printable(row.code)}: {phrases.short(printable(row.message))}"), 6)
    history = _history(changes.reports, change)
    if history:
        put(console, Text("; ".join(history), "dim"), 6)


def _history(reports: Sequence[Finished], change: Change) -> list[str]:
    """What became of the row over the reports, where there is more to say than that it fails now."""
    told = [f"before: {printable(change.before)}"] if change.before else []
    if change.since < len(reports) - 1:
        told.append(f"since {_began(reports, change.since)}")
    if change.mended is not None:
        told.append(f"{printable(change.now)} in the run of {_began(reports, change.mended)}")
    return told


def _began(reports: Sequence[Finished], at: int) -> str:
    return moment(reports[at].summary.started_at)


def _change_as_json(changes: Changes, change: Change) -> dict[str, Any]:
    mended = change.mended
    return {
        **to_builtins(change.row),
        "report": str(changes.reports[change.last].folder),
        "since": changes.reports[change.since].document["started_at"],
        "before": change.before or None,
        "mended_at": None if mended is None else changes.reports[mended].document["started_at"],
        "now": change.now or None,
    }


def _key(kind: Kind) -> str:
    return kind.replace(" ", "_")

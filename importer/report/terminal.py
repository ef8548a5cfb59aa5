"""A run's summary as a person reads it on a terminal: what happened, what is wrong, what to do next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.text import Text

from importer.model import FINE, STATUSES, Status
from importer.report.words import printable
from schemas.codes import code_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from importer.report.account import Examples
    from importer.report.summary import Summary

_STYLES = {
    Status.CREATED: "green",
    Status.UPDATED: "green",
    Status.SKIPPED: "cyan",
    Status.READY: "green",
    Status.IN_DOUBT: "bold red",
}
MEANINGS = {
    Status.CREATED: "posted, and the destination said so",
    Status.UPDATED: "posted, and the destination said so",
    Status.SKIPPED: "done already",
    Status.READY: "would be posted",
    Status.INVALID: "the row is faulty",
    Status.HELD: "fine, but held back by a faulty row",
    Status.REJECTED: "refused: the data must be mended",
    Status.FAILED: "surely not created; run again",
    Status.IN_DOUBT: "sent, but it is not known whether it was created",
    Status.NOT_SENT: "the run stopped before",
}
_EXAMPLES_PER_CODE = 3
_MESSAGE_CHARACTERS = 300
_HELD = frozenset(("parcel-held", "batch-held"))
_INDENT = 6


def show(
    console: Console,
    summary: Summary,
    *,
    again: str,
    named_report: bool = False,
    later: bool = False,
    verbose: bool = False,
) -> None:
    """Print the whole summary.

    ``again`` is the command that posts in the same way, with ``{}`` for the manifests; ``named_report`` says
    that the user named the report's folder, which can't be used again; ``later`` that the run is an earlier
    one, so that its command is told whole; ``verbose`` adds how each manifest was read.
    """
    _title(console, summary)
    if verbose:
        _how_read(console, summary)
    console.print()
    _counts(console, summary)
    _problems(console, "What needs attention", summary.errors, "red")
    _problems(console, "Warnings", summary.warnings, "yellow")
    _passed_over(console, summary)
    _filed(console, summary)
    if summary.mails:
        asked = "would be" if summary.command == "check" else "was"
        who = f"{summary.mails:,} {_plural('customer', summary.mails)}"
        _print(console, Text(f"  the destination {asked} asked to mail {who}", "cyan"))
    if summary.ledger_is_new:
        console.print()
        words = f"new ledger {summary.ledger}: nothing is known of earlier runs"
        _print(console, Text(f"  {printable(words)}", "dim"))
    if summary.stopped_because:
        console.print()
        _say(console, "Stopped early: ", "bold red", _short(summary.stopped_because))
    console.print()
    for label, style, text in next_steps(summary, again, named_report=named_report, later=later):
        _say(console, label, style, text)


def next_steps(
    summary: Summary, again: str, *, named_report: bool, later: bool = False
) -> list[tuple[str, str, str]]:
    """What to open and what to do next: label, style and words."""
    rows = summary.rows
    steps = [("Report: ", "bold", summary.reports["rows"])]
    attention = sum(rows[status] for status in STATUSES if status not in FINE)
    mendable = _mendable(summary)
    errors = summary.reports["errors"]
    if attention:
        label = "Mend:   " if mendable else "Open:   "
        count = summary.to_mend
        steps.append((label, "bold", f"{errors} ({count:,} {_plural('row', count)})"))
    posting = again.format(shlex.join(manifest.name for manifest in summary.manifests))
    mending = f"mend the rows, then: {again.format(shlex.quote(errors))}"
    if "xlsx" in summary.reports:
        steps.append(("Marked: ", "bold", f"{summary.reports['xlsx']} (the bad cells marked)"))
    if rows[Status.FAILED] or rows[Status.NOT_SENT]:
        other = ", with another --report" if named_report else ""
        same = posting if later else f"run the same command again{other}"
        steps.append(("Next:   ", "bold", f"{same}; what is done is skipped"))
    else:
        to_post = [posting] if summary.command == "check" and rows[Status.READY] else []
        for label, words in zip(_LABELS, to_post + [mending] * bool(mendable), strict=False):
            steps.append((label, "bold", words))
    if rows[Status.IN_DOUBT]:
        place = f" --ledger {shlex.quote(summary.ledger)}" if "--ledger" in again and summary.ledger else ""
        steps.append(("Doubt:  ", "bold red", _DOUBT.format(place)))
    return steps


_LABELS = ("Next:   ", "Then:   ")


def _mendable(summary: Summary) -> int:
    """How many rows are worth mending: all that need attention but for what is done with or only waits."""
    faulty = sum(summary.rows[status] for status in (Status.INVALID, Status.HELD, Status.REJECTED))
    changed = summary.errors.get("changed-since-posted")
    return faulty - (changed.count if changed else 0)


_DOUBT = (
    "look up the rows that are in doubt on the platform, then say what you found with importer settle{} "
    "(alone it lists them); until then they are not sent again"
)


def _title(console: Console, summary: Summary) -> None:
    title = Text()
    title.append(summary.command, "bold")
    title.append(f" to {printable(summary.destination)}" if summary.destination else "")
    title.append(f"  run {summary.run_id}, {summary.seconds:.1f} s", "dim")
    _print(console, title)
    manifests = len(summary.manifests)
    rows, fulfillments = summary.rows["total"], summary.fulfillments["total"]
    _print(
        console,
        Text(
            f"{manifests} {_plural('manifest', manifests)}, {rows:,} {_plural('row', rows)}, "
            f"{fulfillments:,} {_plural('fulfillment', fulfillments)}"
        ),
    )


def _counts(console: Console, summary: Summary) -> None:
    if not summary.rows["total"]:
        what = "data row in them" if summary.manifests else "manifest there"
        _print(console, Text(f"  there is no {what}: nothing to do"))
        return
    console.print(Text(f"  {'':10}{'rows':>12}{'fulfillments':>15}", "dim"))
    for status in STATUSES:
        rows, fulfillments = summary.rows[status], summary.fulfillments[status]
        if rows or fulfillments:
            line = Text("  ")
            line.append(f"{status:10}", _STYLES.get(status, "yellow"))
            line.append(f"{rows:>12,}{fulfillments:>15,}")
            line.append(f"  {MEANINGS[status]}", "dim")
            _print(console, line)


def _problems(console: Console, title: str, problems: Mapping[str, Examples], style: str) -> None:
    if not problems:
        return
    console.print()
    console.print(Text(title, "bold"))
    told: set[tuple[str, int]] = set()  # a row's message has all its faults: once is enough
    for code, examples in sorted(problems.items(), key=_by_weight):
        known = code_of(code)
        head = Text("  ")
        head.append(code, style)
        head.append(f"  {examples.count:,} {_plural('row', examples.count)}", "bold")
        head.append(f"  {known.meaning}" if known.name == code else "", "dim")
        _print(console, head)
        for manifest, row, message in examples.first[:_EXAMPLES_PER_CODE]:
            words = "see above" if (manifest, row) in told else _short(printable(message))
            _print(console, Text(f"{printable(manifest)} row {row}: {words}"), _INDENT)
            told.add((manifest, row))
        if examples.count > len(examples.first):
            _print(console, Text(f"… and {examples.count - len(examples.first):,} more", "dim"), _INDENT)
        _print(console, Text(f"→ {_hint(code)}", "italic"), _INDENT)


def _short(message: str) -> str:
    """As much of it as a person reads; the whole is in the report."""
    return message if len(message) <= _MESSAGE_CHARACTERS else f"{message[:_MESSAGE_CHARACTERS]}…"


def _by_weight(problem: tuple[str, Examples]) -> tuple[bool, int]:
    """What is to be mended first: held rows last, since they follow from the others."""
    code, examples = problem
    return code in _HELD, -examples.count


def _hint(code: str) -> str:
    return code_of(code).hint.replace("{delimiter}", "delimiter")


def _how_read(console: Console, summary: Summary) -> None:
    for manifest in summary.manifests:
        columns = ", ".join(
            f"{column} = '{printable(header)}'" for column, header in manifest.columns.items()
        )
        written = (
            f"{manifest.format}, sheet {printable(manifest.sheet)}"
            if manifest.sheet
            else f"{manifest.encoding}, delimiter {manifest.delimiter!r}"
        )
        words = (
            f"{printable(manifest.name)}: {written}, "
            f"layout {manifest.layout}, {manifest.rows:,} rows, {columns}"
        )
        _print(console, Text(words, "dim"), 2)


def _passed_over(console: Console, summary: Summary) -> None:
    notes = []
    for manifest in summary.manifests:
        name = printable(manifest.name)
        if manifest.header_row > 1:
            notes.append(f"{name}: the header is row {manifest.header_row}; what stands above it is no data")
        notes.extend(f"{name}: {printable(note)}" for note in manifest.notes)
        for column, others in manifest.other_columns.items():
            taken = printable(manifest.columns[column])
            shown = ", ".join(f"'{printable(header)}'" for header in others)
            notes.append(f"{name}: {column} is '{taken}'; not taken for it: {shown}")
        if manifest.layout_fit:
            notes.append(f"{name}: layout: {manifest.layout}, {manifest.layout_fit}")
        for rows, one, several in (
            (manifest.passed_over, "is a total", "are totals"),
            (manifest.header_rows, "repeats the header", "repeat the header"),
        ):
            if rows:
                shown = ", ".join(map(str, rows[:_EXAMPLES_PER_CODE]))
                more = "" if len(rows) <= _EXAMPLES_PER_CODE else " …"
                are = f"rows {shown}{more} {several}" if len(rows) > 1 else f"row {shown} {one}"
                notes.append(f"{name}: {are}, no data")
    if notes:
        console.print()
        for note in notes:
            _print(console, Text(note, "dim"), 2)


def _filed(console: Console, summary: Summary) -> None:
    if not summary.files:
        return
    console.print()
    console.print(Text("Files", "bold"))
    for file in summary.files:
        line = Text(f"{printable(file.name)} → {printable(file.to)}" if file.to else printable(file.name))
        line.append(f"  {printable(file.why)}", "red" if file.is_fault else "dim")
        _print(console, line, 2)


def _say(console: Console, label: str, style: str, text: str) -> None:
    line = Text()
    line.append(label, style)
    line.append(printable(text))
    console.print(
        line, soft_wrap=True
    )  # the terminal's own wrapping leaves a command whole when it is copied


def _print(console: Console, text: Text, indent: int = 0) -> None:
    """Print ``text``, on a terminal wrapped within its width and indented; elsewhere on one line."""
    lines = text.wrap(console, max(console.width - indent, 20)) if console.is_terminal else [text]
    for line in lines:
        line.rstrip()
        console.print(Text(" " * indent) + line, soft_wrap=True)


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"

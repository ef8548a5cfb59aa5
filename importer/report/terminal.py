"""A run's summary as a person reads it on a terminal: what happened, what is wrong, what to do next."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.text import Text

from importer.model import STATUSES, Status
from importer.printing import printable
from importer.report import phrases
from importer.report.phrases import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from importer.report.account import Examples
    from importer.report.summary import ManifestRead, Summary

_STYLES = {
    Status.CREATED: "green",
    Status.UPDATED: "green",
    Status.SKIPPED: "cyan",
    Status.READY: "green",
    Status.IN_DOUBT: "bold red",
}
_EXAMPLES_PER_CODE = 3
_INDENT = 6
_NUMBERS = {"ambiguous": "of several carriers' forms (ambiguous)"}


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
    title(console, summary)
    if verbose:
        _how_read(console, summary)
    console.print()
    counts(console, summary)
    _problems(console, "What needs attention", summary.errors, "red", summary)
    _problems(console, "Warnings", summary.warnings, "yellow", summary)
    _passed_over(console, summary, later=later)
    filed(console, summary)
    if summary.filled_carriers:
        told = ", ".join(f"{count:,} {carrier}" for carrier, count in summary.filled_carriers.items())
        put(console, Text(f"  carriers filled in by the tracking number, of fulfillments: {told}", "cyan"))
    if summary.mails:
        asked = "would be" if summary.command == "check" else "was"
        who = counted(summary.mails, "customer")
        put(console, Text(f"  the destination {asked} asked to mail {who}", "cyan"))
    if summary.ledger_is_new:
        console.print()
        words = f"new ledger {summary.ledger}: nothing is known of earlier runs"
        put(console, Text(f"  {printable(words)}", "dim"))
    if summary.stopped_because:
        console.print()
        say(console, "Stopped early: ", "bold red", phrases.short(summary.stopped_because))
    console.print()
    for label, style, text in next_steps(summary, again, named_report=named_report, later=later):
        say(console, label, style, text)


def next_steps(
    summary: Summary, again: str, *, named_report: bool, later: bool = False
) -> list[tuple[str, str, str]]:
    """What to open and what to do next: label, style and words.

    Arguments as for ``show``; ``later`` is also for who may be in another folder than the run was.
    """
    rows = summary.rows
    steps = [("Report: ", "bold", summary.reports.get("page", summary.reports["rows"]))]
    if "acks" in summary.reports:
        steps.append(("Answers:", "bold", f" {summary.reports['acks']} (for the partners; not sent yet)"))
    attention = phrases.needing(rows)
    mendable = _mendable(summary)
    errors = summary.reports["errors"]
    if attention:
        label = "Mend:   " if mendable else "Open:   "
        steps.append((label, "bold", f"{errors} ({counted(summary.to_mend, 'row')})"))
    named = dict.fromkeys(manifest.argument or manifest.name for manifest in summary.manifests)
    posting = again.format(shlex.join(named))
    mending = f"mend the rows, then: {again.format(shlex.quote(errors))}"
    if "xlsx" in summary.reports:
        marked = ("Marked: ", " (the bad cells marked)") if rows[Status.INVALID] else ("Sheets: ", "")
        steps.append((marked[0], "bold", f"{summary.reports['xlsx']}{marked[1]}"))
    if rows[Status.FAILED] or rows[Status.NOT_SENT] or (summary.stopped_because and not named):
        other = ", with another --report" if named_report else ""
        same = posting if later and named else f"run the same command again{other}"
        to_post = [f"{same}; what is done is skipped"]
    else:
        to_post = [posting] if summary.command == "check" and rows[Status.READY] else []
    for label, words in zip(_LABELS, to_post + [mending] * bool(mendable), strict=False):
        steps.append((label, "bold", words))
    if rows[Status.IN_DOUBT]:
        ledger = _from_anywhere(summary.ledger) if later else summary.ledger
        place = f" --ledger {shlex.quote(ledger)}" if "--ledger" in again and ledger else ""
        steps.append(("Doubt:  ", "bold red", _DOUBT.format(place)))
    return steps


def title(console: Console, summary: Summary) -> None:
    """Print what the run was, and how much."""
    line = Text()
    line.append(summary.command, "bold")
    line.append(f" to {printable(summary.destination)}" if summary.destination else "")
    line.append(f"  run {printable(summary.run_id)}, {summary.seconds:.1f} s", "dim")
    put(console, line)
    put(console, Text(phrases.size(summary)))


def counts(console: Console, summary: Summary) -> None:
    """Print how many rows and fulfillments there are of each status."""
    if not summary.rows["total"]:
        put(console, Text(f"  {phrases.nothing(summary)}"))
        return
    console.print(Text(f"  {'':10}{'rows':>12}{'fulfillments':>15}", "dim"))
    for status in STATUSES:
        rows, fulfillments = summary.rows[status], summary.fulfillments[status]
        if rows or fulfillments:
            line = Text("  ")
            line.append(f"{status:10}", _STYLES.get(status, "yellow"))
            line.append(f"{rows:>12,}{fulfillments:>15,}")
            line.append(f"  {phrases.meaning(status, summary)}", "dim")
            put(console, line, hanging=_INDENT)


def filed(console: Console, summary: Summary) -> None:
    """Print where each file of an inbox went, and why."""
    if not summary.files:
        return
    console.print()
    console.print(Text("Files", "bold"))
    for file in summary.files:
        line = Text(f"{printable(file.name)} → {printable(file.to)}" if file.to else printable(file.name))
        line.append(f"  {printable(file.why)}", "red" if file.is_fault else "dim")
        put(console, line, 2)


def put(console: Console, text: Text, indent: int = 0, *, hanging: int | None = None) -> None:
    """Print ``text``, on a terminal wrapped within its width and indented; elsewhere on one line.

    Of what is wrapped, the lines after the first are indented by ``hanging``, where that is given.
    """
    lines = text.wrap(console, max(console.width - indent, 20)) if console.is_terminal else [text]
    if hanging is not None and len(lines) > 1:
        rest = text[len(lines[0]) :]
        put(console, lines[0], indent)
        put(console, rest[len(rest) - len(rest.plain.lstrip()) :], hanging)
        return
    for line in lines:
        line.rstrip()
        console.print(Text(" " * indent) + line, soft_wrap=True)


def say(console: Console, label: str, style: str, text: str) -> None:
    """Print ``text`` on one line, however long, after a label in ``style``."""
    line = Text()
    line.append(label, style)
    line.append(printable(text))
    console.print(
        line, soft_wrap=True
    )  # the terminal's own wrapping leaves a command whole when it is copied


_LABELS = ("Next:   ", "Then:   ")


def _from_anywhere(ledger: str) -> str:
    return ledger if "://" in ledger else str(Path(ledger).absolute())


def _mendable(summary: Summary) -> int:
    """How many rows are worth mending: all that need attention but for what is done with or only waits."""
    faulty = sum(summary.rows[status] for status in (Status.INVALID, Status.HELD, Status.REJECTED))
    changed = summary.errors.get("changed-since-posted")
    return faulty - (changed.count if changed else 0)


_DOUBT = (
    "look up the rows that are in doubt on the platform, then say what you found with importer settle{} "
    "(alone it lists them); until then they are not sent again"
)


def _problems(
    console: Console, title: str, problems: Mapping[str, Examples], style: str, summary: Summary
) -> None:
    if not problems:
        return
    console.print()
    console.print(Text(title, "bold"))
    told: set[tuple[str, int]] = set()  # a row's message has all its faults: once is enough
    for code, examples in phrases.by_weight(problems):
        head = Text("  ")
        head.append(code, style)
        head.append(f"  {counted(examples.count, 'row')}", "bold")
        head.append(f"  {phrases.cause(code)}", "dim")
        put(console, head, hanging=_INDENT)
        for manifest, row, message in examples.first[:_EXAMPLES_PER_CODE]:
            words = "see above" if (manifest, row) in told else phrases.short(printable(message))
            place = f"{printable(manifest)} {phrases.unit(manifest, summary)} {row}"
            put(console, Text(f"{place}: {words}"), _INDENT)
            told.add((manifest, row))
        if examples.count > len(examples.first):
            put(console, Text(f"… and {examples.count - len(examples.first):,} more", "dim"), _INDENT)
        put(console, Text(f"→ {phrases.hint(code)}", "italic"), _INDENT)


def _how_read(console: Console, summary: Summary) -> None:
    for manifest in summary.manifests:
        columns = ", ".join(
            f"{column} = '{printable(header)}'" for column, header in manifest.columns.items()
        )
        words = (
            f"{printable(manifest.name)}: {_written(manifest)}, "
            f"layout {manifest.layout}, {counted(manifest.rows, 'row')}, {columns}"
        )
        put(console, Text(words, "dim"), 2)
        if manifest.tracking_numbers:
            numbers = (
                f"{count:,} {_NUMBERS.get(whose, whose)}"
                for whose, count in manifest.tracking_numbers.items()
            )
            put(
                console, Text(f"{printable(manifest.name)}: tracking numbers: {', '.join(numbers)}", "dim"), 2
            )


def _written(manifest: ManifestRead) -> str:
    """In which form the file is; EDI names its own delimiters."""
    if manifest.sheet:
        return f"{manifest.format}, sheet {printable(manifest.sheet)}"
    if manifest.delimiter:
        return f"{manifest.encoding}, delimiter {manifest.delimiter!r}"
    return manifest.format


def _passed_over(console: Console, summary: Summary, *, later: bool) -> None:
    notes = phrases.notes(summary)
    if later and any(manifest.format in _OF_PARTNERS for manifest in summary.manifests):
        notes.append(_UNANSWERED)
    if notes:
        console.print()
        for note in notes:
            put(console, Text(note, "dim"), 2)


_OF_PARTNERS: Final = frozenset({"x12", "edifact"})
_UNANSWERED: Final = (
    "the answers to EDI partners are not written again; run the same command again: what is done is skipped, "
    "and all answers are written"
)

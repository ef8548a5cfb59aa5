"""A finished report as a person looks at it on a terminal: its problems by cause, or the rows asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, to_builtins
from rich.text import Text

from importer.printing import printable, quoted
from importer.report import glossary, phrases, terminal
from importer.report.phrases import counted
from importer.report.table import ERRORS, ROWS
from importer.report.terminal import put, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from rich.console import Console

    from importer.report.finished import Finished, Row


class Group(Struct, frozen=True):
    """The rows that have one ``code``, a fault or a warning: how many, and the first of them."""

    code: str
    is_fault: bool
    count: int
    first: Sequence[Row]


class Found(Struct, frozen=True):
    """The rows that were asked for: how many there are, and the first of them."""

    count: int
    first: Sequence[Row]


def show(console: Console, report: Finished, groups: Sequence[Group]) -> None:
    """Print what the run came to, its problems by cause with what to do, and which files to open."""
    _head(console, report)
    if report.summary.rows["total"]:
        console.print()
        terminal.counts(console, report.summary)
    _problems(console, "What needs attention", [group for group in groups if group.is_fault], "red")
    _problems(console, "Warnings", [group for group in groups if not group.is_fault], "yellow")
    terminal.filed(console, report.summary)
    console.print()
    for label, words in _files(report):
        say(console, label, "bold", words)


def show_rows(console: Console, report: Finished, found: Found, codes: Sequence[str] = ()) -> None:
    """Print the rows that were asked for, each with what was said of it and what to do.

    Before them stands what each of ``codes`` is, with an example.
    """
    _head(console, report)
    console.print()
    if not found.count:
        named = ", ".join(printable(code) for code in (*report.summary.errors, *report.summary.warnings))
        put(console, Text(f"no row matches; the codes of this report: {named or 'none'}"))
        return
    told = [code for code in codes if code in {*report.summary.errors, *report.summary.warnings}]
    if told:
        glossary.show(console, told)
        console.print()
    put(console, Text(f"{counted(found.count, 'row')} {'matches' if found.count == 1 else 'match'}", "bold"))
    for row in found.first:
        put(console, Text(f"  {place(row)}  ").append(row.status, "bold"))
        for words, style in _said(row):
            put(console, Text(words, style), 6)
    if found.count > len(found.first):
        put(console, Text(f"… and {found.count - len(found.first):,} more; --limit 0 lists all", "dim"), 2)


def as_json(report: Finished, groups: Sequence[Group], found: Found | None) -> dict[str, Any]:
    """The same as a JSON object; ``matching`` and ``rows`` are null where no rows were asked for."""
    return {
        "run": report.document,
        "groups": [
            {
                "code": group.code,
                "kind": "error" if group.is_fault else "warning",
                "count": group.count,
                "meaning": phrases.cause(group.code),
                "hint": phrases.hint(group.code),
                "example": phrases.example(group.code),
                "first": [to_builtins(row) for row in group.first],
            }
            for group in groups
        ],
        "matching": None if found is None else found.count,
        "rows": None if found is None else [to_builtins(row) for row in found.first],
    }


def place(row: Row) -> str:
    """Where the row stands, and what it is known by."""
    known = (("order", row.order_id), ("tracking number", row.tracking_number), ("SKU", row.sku))
    named = [f"{name} {_cell(cell)}" for name, cell in known if cell.strip()]
    return ", ".join([f"{printable(row.source)} row {printable(row.row)}", *named])


def moment(at: datetime) -> str:
    """A time as reports tell it to people."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


_CELL_CHARACTERS: Final = 60


def _cell(cell: str) -> str:
    """The cell; one that is a whole row that can't be told apart is cut."""
    return printable(cell) if len(cell) <= _CELL_CHARACTERS else quoted(cell)


def _head(console: Console, report: Finished) -> None:
    summary = report.summary
    terminal.title(console, summary)
    began = f"started {moment(summary.started_at)}, exit status {summary.exit_status}"
    put(console, Text(began, "dim"))
    put(console, Text(phrases.sentence(summary)))
    if summary.stopped_because:
        say(console, "Stopped early: ", "bold red", phrases.short(summary.stopped_because))


def _problems(console: Console, title: str, groups: Sequence[Group], style: str) -> None:
    if not groups:
        return
    console.print()
    console.print(Text(title, "bold"))
    for group in groups:
        head = Text("  ").append(printable(group.code), style)
        head.append(f"  {counted(group.count, 'row')}", "bold")
        head.append(f"  {phrases.cause(group.code)}", "dim")
        put(console, head, hanging=6)
        for row in group.first:
            said = row.message if group.is_fault else row.warning
            put(console, Text(f"{place(row)}: {phrases.short(printable(said))}"), 6)
        if group.count > len(group.first):
            more = f"… and {group.count - len(group.first):,} more; --code {printable(group.code)} lists them"
            put(console, Text(more, "dim"), 6)
        put(console, Text(f"→ {phrases.hint(group.code)}", "italic"), 6)


def _said(row: Row) -> Iterator[tuple[str, str]]:
    """What was said of the row, and in which style."""
    if row.code:
        yield f"{printable(row.code)}: {phrases.short(printable(row.message))}", ""
    if row.warning:
        yield f"warning: {phrases.short(printable(row.warning))}", "yellow"
    if row.hint:
        yield f"→ {printable(row.hint)}", "italic"


def _files(report: Finished) -> Iterator[tuple[str, str]]:
    """The files of the report to open, each under what it is for."""
    table = report.folder / ROWS
    yield "Report: ", f"{report.page} (--open shows it)" if report.page.exists() else str(table)
    if phrases.to_see_to(report.summary.rows):
        yield "Mend:   ", str(report.folder / ERRORS)

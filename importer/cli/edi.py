"""``importer edi``: an EDI file as a person reads it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

import click
from rich.text import Text

from importer import batches
from importer.cli.common import Common, printing
from importer.errors import ManifestError, SetupError
from importer.manifests import layouts, sources
from importer.manifests.edi import manifest as reading
from importer.manifests.edi import tree
from importer.report.phrases import counted
from importer.report.words import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from rich.console import Console

    from importer.manifests.edi.lines import Line
    from importer.manifests.edi.tree import Entry, Value
    from importer.manifests.edi.units import Fault
    from importer.manifests.sources import Source

    Piece: TypeAlias = tuple[str, str]
    """Some text, and its style."""


@click.group()
def edi() -> None:
    """Look into EDI files: X12 and EDIFACT."""


@edi.command()
@click.argument("file", metavar="FILE")
@click.option(
    "--layout",
    metavar="NAME|FILE",
    help="What the partner's EDI means  [default: edi]",
)
@click.option(
    "--segment",
    type=click.IntRange(1),
    help="Show this segment alone, element by element.",
)
@click.option(
    "--lines",
    type=click.IntRange(1),
    help="Show the first segments only, as many as this.",
)
@click.pass_obj
def show(common: Common, file: str, layout: str | None, segment: int | None, lines: int | None) -> int:
    """Show FILE as a tree: what each segment is, which values become rows, and what is wrong, at its place.

    Any X12 or EDIFACT file will do. Segments are numbered as in import_row of a report. A value that a row
    has stands behind its segment with the column's name; the rows stand below the segment that begins them.

    \b
    importer edi show shipments.edi
    importer edi show shipments.edi --segment 12
    importer edi show shipments.edi --layout acme.toml | less
    """  # noqa: D301 - click takes \b for text to be left as it is
    partners = layouts.load(layout).edi
    with sources.scratch() as scratch, printing():
        source = _only(file, scratch)
        standard = reading.standard_of(source)
        if standard is None:
            raise ManifestError(
                f"{source.name}: no EDI; expected a file that begins with ISA (X12), or UNA or UNB (EDIFACT)"
            )
        found = reading.survey(source, standard, partners)
        entries = tree.show(reading.stretches(source), found.survey, partners.of)
        if segment is None:
            _show_tree(common.out, entries, found.survey.segments, lines or found.survey.segments)
        else:
            _show_segment(common.out, entries, segment, found.survey.segments)
    return 0


def _only(file: str, scratch: Path) -> Source:
    found = sources.find((file,), batches.standard_input(), scratch)
    if len(found) != 1:
        raise ManifestError(f"{file}: {len(found)} files; name the one to show")
    return found[0]


_OF_SEGMENT: Final = "dim"  # the style that its line begins in
_NUMBER_WIDTH: Final = 6
_TEXT_WIDTH: Final = 46  # where the names of segments begin, if they can
_NEEDED: Final = ("order_id", "sku", "quantity", "tracking_number")
_PIECES: Final = re.compile("0*[1-9][0-9]*")
_COLUMNS: Final = ("order_id", "sku", "quantity", "tracking_number", "tracking_company")


def _show_tree(console: Console, entries: Iterable[Entry], segments: int, most: int) -> None:
    told = rows = open_rows = 0
    faults: list[Fault] = []
    for entry in entries:
        if entry.elements and told == most:
            _put(console, [(f"and {counted(segments - told, 'segment')} more", "dim")])
            return
        told += bool(entry.elements)
        rows += len(entry.rows)
        open_rows += sum(bool(_wanting(line)) for line in entry.rows)
        faults += entry.faults
        for line in _lines(entry):
            _put(console, line, is_cut=line[0][1] == _OF_SEGMENT)
    harmless = sum(map(reading.is_harmless, faults))
    counts = [counted(told, "segment"), counted(rows, "row")]
    if open_rows:
        counts.append(f"{open_rows:,} of them {'needs' if open_rows == 1 else 'need'} attention")
    counts += [counted(len(faults) - harmless, "error"), counted(harmless, "warning")]
    _put(console, [])
    _put(console, [(", ".join(counts), "bold")])


def _put(console: Console, pieces: list[Piece], *, is_cut: bool = False) -> None:
    """A line: on a terminal in colours and, with ``is_cut``, never longer than that; elsewhere whole."""
    if console.is_terminal:
        console.print(Text.assemble(*pieces), no_wrap=is_cut, overflow="ellipsis" if is_cut else "fold")
    else:
        click.echo("".join(text for text, _ in pieces).rstrip())


def _lines(entry: Entry) -> Iterator[list[Piece]]:
    """The line of a segment, and below it what is wrong with it and which rows begin there."""
    indent = "  " * entry.depth
    if entry.elements:
        head = f"{entry.position:>{_NUMBER_WIDTH}}  {indent}"
        raw = _raw(entry)
        width = len(indent) + sum(len(text) for text, _ in raw)
        gap = " " * max(_TEXT_WIDTH - width, 2)
        yield [(head, _OF_SEGMENT), *raw, (gap, ""), *_described(entry)]
    below = " " * (_NUMBER_WIDTH + 4) + indent
    if entry.refusal:
        yield [(below, ""), (printable(entry.refusal), "red")]
    yield from ([(below, ""), _fault(fault)] for fault in entry.faults)
    yield from ([(below, ""), _row(line)] for line in entry.rows)


def _raw(entry: Entry) -> list[Piece]:
    """The segment as it stands in the file, with what rows have of it marked."""
    marked = {value.element for value in entry.values if value.column}
    tag, *elements = map(printable, entry.elements)
    pieces = [(tag, "bold")]
    for at, element in enumerate(elements, 1):
        pieces += [(printable(entry.separator), "dim"), (element, "green" if at in marked else "")]
    return pieces


def _described(entry: Entry) -> list[Piece]:
    meanings = ", ".join(dict.fromkeys(value.meaning for value in entry.values if value.meaning))
    name = f"{entry.name}: {meanings}" if entry.name and meanings else entry.name or meanings
    used = dict.fromkeys(f"{value.column} {printable(value.text)}" for value in entry.values if value.column)
    return [*([(f"-> {', '.join(used)}  ", "green")] if used else []), (name, "dim")]


def _fault(fault: Fault) -> Piece:
    label, style = ("warning", "yellow") if reading.is_harmless(fault) else ("error", "bold red")
    return f"{label}: {printable(fault.message)} ({fault.place.words})", style


def _row(line: Line) -> Piece:
    told = [f"{column} {printable(getattr(line, column))}" for column in _COLUMNS if getattr(line, column)]
    row = f"row {line.position}: {', '.join(told) or 'blank'}"
    if line.verdict:
        return f"{row}; {printable(line.verdict)}", "yellow"
    wanting = _wanting(line)
    return (f"{row}; needs attention: {', '.join(wanting)}", "yellow") if wanting else (row, "cyan")


def _wanting(line: Line) -> list[str]:
    """Why a row can't be posted as it stands; [] where nothing is seen, or a verdict says it."""
    if line.verdict:
        return []
    wanting = [f"no {column}" for column in _NEEDED if not getattr(line, column)]
    if line.quantity and not _PIECES.fullmatch(line.quantity):
        wanting.append(f"quantity {printable(line.quantity)} is no number of pieces")
    return wanting


def _show_segment(console: Console, entries: Iterable[Entry], number: int, segments: int) -> None:
    """One segment element by element, with what it stands in.

    Raises:
        SetupError: the file has no such segment.
    """
    if number > segments:
        raise SetupError(f"--segment {number}: the file has {counted(segments, 'segment')}")
    around: list[Entry] = []
    for entry in entries:
        if entry.elements:
            around = [each for each in around if each.depth < entry.depth] + [entry]
        if entry.elements and entry.position == number:
            break
    *outer, entry = around
    where = " / ".join(each.path for each in outer)
    _put(console, [(f"segment {entry.position}, byte {entry.offset}", "bold")])
    _put(console, [(f"in {where}" if where else "outermost", "dim")])
    for line in _lines(replace(entry, depth=0)):
        _put(console, line)
    _put(console, [])
    for value in entry.values:
        _put(console, _element(value, entry))


def _element(value: Value, entry: Entry) -> list[Piece]:
    is_composite = sum(each.element == value.element for each in entry.values) > 1 or value.component > 1
    at = f"{entry.elements[0]}{value.element:02}" + (f":{value.component}" if is_composite else "")
    shown = printable(value.text)
    pieces = [(f"  {at:<9}", "bold"), (f"{value.name:<28}", "dim"), (f"{shown:<24}", "")]
    return [*pieces, (value.meaning, ""), (f"  -> {value.column}" if value.column else "", "green")]

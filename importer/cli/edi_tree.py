"""What ``importer edi show`` prints: an EDI file as a tree, or one segment of it; a terminal has colours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

import click
from msgspec.structs import replace
from rich.text import Text

from importer.errors import SetupError
from importer.manifests.edi import manifest as reading
from importer.printing import printable
from importer.report.phrases import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console

    from importer.manifests.edi.lines import Line
    from importer.manifests.edi.tree import Entry, Value
    from importer.manifests.edi.units import Fault

    Piece: TypeAlias = tuple[str, str]
    """Some text, and its style."""

_OF_SEGMENT: Final = "dim"  # the style that its line begins in
_NUMBER_WIDTH: Final = 6
_TEXT_WIDTH: Final = 46  # where the names of segments begin, if they can
_NEEDED: Final = ("order_id", "sku", "quantity", "tracking_number")
_PIECES: Final = re.compile("0*[1-9][0-9]*")
_COLUMNS: Final = ("order_id", "sku", "quantity", "tracking_number", "tracking_company")


def show_tree(console: Console, entries: Iterable[Entry], segments: int, most: int) -> None:
    """Print the first segments, ``most`` of all ``segments``, with their rows and faults."""
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


def show_segment(console: Console, entries: Iterable[Entry], number: int, segments: int) -> None:
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

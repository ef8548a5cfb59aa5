"""``importer edi``: an EDI file as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from importer.cli.common import Common, printing
from importer.errors import ManifestError

if TYPE_CHECKING:
    from pathlib import Path

    from importer.manifests.sources import Source


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
    from importer.cli.edi_tree import show_segment, show_tree  # noqa: PLC0415 - --help needs none of it
    from importer.manifests import layouts, sources  # noqa: PLC0415 - --help needs none of it
    from importer.manifests.edi import manifest as reading  # noqa: PLC0415 - --help needs none of it
    from importer.manifests.edi import tree  # noqa: PLC0415 - --help needs none of it
    from importer.manifests.edi.standards import standard_of  # noqa: PLC0415 - --help needs none of it

    partners = layouts.load(layout).edi
    with sources.scratch() as scratch, printing():
        source = _only(file, scratch)
        standard = standard_of(source)
        if standard is None:
            raise ManifestError(
                f"{source.name}: no EDI; expected a file that begins with ISA (X12), or UNA or UNB (EDIFACT)"
            )
        found = reading.survey(source, standard, partners)
        entries = tree.show(reading.stretches(source), found.survey, partners.of)
        if segment is None:
            show_tree(common.out, entries, found.survey.segments, lines or found.survey.segments)
        else:
            show_segment(common.out, entries, segment, found.survey.segments)
    return 0


def _only(file: str, scratch: Path) -> Source:
    from importer import batches  # noqa: PLC0415 - --help needs none of it
    from importer.manifests import sources  # noqa: PLC0415 - --help needs none of it

    found = sources.find((file,), batches.standard_input(), scratch)
    if len(found) != 1:
        raise ManifestError(f"{file}: {len(found)} files; name the one to show")
    return found[0]

"""``importer template``: an empty manifest to type into."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from importer import settings
from importer.cli.common import printing
from importer.printing import printable


@click.command()
@click.argument(
    "file",
    metavar="[FILE]",
    required=False,
    default=Path("manifest-template.xlsx"),
    type=click.Path(path_type=Path),
)
@click.option(
    "--for",
    "kind",
    type=click.Choice(settings.KINDS),
    envvar="IMPORTER_TEMPLATE_FOR",
    help="Only the columns that this kind of destination takes  [default: all columns]",
)
def template(file: Path, kind: str | None) -> int:
    """Write an empty workbook to type a manifest into: all cells are text, and notes say what goes where.

    FILE is manifest-template.xlsx if none is named; what is there already is never overwritten.
    """
    if file.suffix.lower() != ".xlsx":
        raise click.UsageError(f"{file}: a template is a workbook; name it {file.with_suffix('.xlsx')}")
    from importer.report import template as empty  # noqa: PLC0415 - --help needs none of it

    empty.write(file, kind or "")
    with printing():
        check = f"importer check {shlex.quote(str(file))}"
        click.echo(printable(f"{file}: fill it in, then see what would be posted: {check}"))
    return 0

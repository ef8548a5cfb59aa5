"""``importer layouts``: the layouts that are known, one of them, and a draft of a new one."""

from __future__ import annotations

import click

from importer.cli.common import printing
from importer.errors import ManifestError


@click.group(invoke_without_command=True)
@click.pass_context
def layouts(context: click.Context) -> None:
    """The layouts of carriers' and tools' files that it knows.

    The one that fits a manifest best is taken; --layout NAME of post and check names one, and then the
    manifest must have its headers.

    \b
    importer layouts show ups-worldship > mine.toml
    importer layouts guess manifest.csv > mine.toml
    importer check manifest.csv --layout mine.toml
    """  # noqa: D301 - click takes \b for text to be left as it is
    if context.invoked_subcommand is not None:
        return
    from importer.manifests import layouts as known  # noqa: PLC0415 - --help needs none of it

    width = max(map(len, known.names()))
    with printing():
        for name in known.names():
            click.echo(f"{name:<{width}}  {known.load(name).title}")


@layouts.command()
@click.argument("name", metavar="NAME")
def show(name: str) -> None:
    """Print the layout NAME, a TOML file to copy and change."""
    from importer.manifests import layouts as known  # noqa: PLC0415 - --help needs none of it

    text = known.text_of(name)
    with printing():
        click.echo(text, nl=False)


@layouts.command()
@click.argument("file", metavar="FILE")
def guess(file: str) -> None:
    """Draft a layout for FILE: which column is which by header and by what is in it, and why."""
    from importer import batches  # noqa: PLC0415 - --help needs none of it
    from importer.manifests import drafting, sources  # noqa: PLC0415 - --help needs none of it

    with sources.scratch() as scratch:
        found = sources.find((file,), batches.standard_input(), scratch)
        if len(found) != 1:
            raise ManifestError(f"{file}: {len(found)} files; name the one to guess from")
        text = drafting.draft(found[0])
    with printing():
        click.echo(text, nl=False)

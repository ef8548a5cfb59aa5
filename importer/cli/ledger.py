"""``importer ledger``: moving all that is known from a file to a database, or back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from importer.cli.common import place, printing
from importer.errors import SetupError
from importer.printing import printable

if TYPE_CHECKING:
    from importer.ledger import Location


@click.group()
def ledger() -> None:
    """The memory across runs itself: a file, or a database for runs on several hosts.

    \b
    importer ledger copy ledger.db postgresql://importer@db/importer
    """  # noqa: D301 - click takes \b for text to be left as it is


@ledger.command()
@click.argument("source", metavar="FROM", callback=place)
@click.argument("target", metavar="TO", callback=place)
def copy(source: Location, target: Location) -> None:
    """Put all that the ledger FROM knows into the ledger TO, which is new or empty.

    Each is a file or the address of a database, postgresql://USER@HOST/DATABASE; its password is better in
    PGPASSWORD or ~/.pgpass. All of it is there, or nothing. FROM stays as it is, and from then on no run may
    use it: what is posted with one is not known to the other.
    """
    from importer.ledger import Ledger, exists  # noqa: PLC0415 - --help needs none of it
    from importer.report.phrases import counted  # noqa: PLC0415 - --help needs none of it

    if not exists(source):
        raise SetupError(f"{source}: there is no ledger there")
    with Ledger(source) as one, Ledger(target) as other:
        copied = one.copy_to(other)
    counts = [counted(count, what.removesuffix("s")) for what, count in copied.items() if count]
    with printing():
        click.echo(printable(f"copied to {target}: {', '.join(counts) or 'nothing, as it is empty'}"))
        click.echo(printable(f"Next:   name it with --ledger in every run, and put {source} away"))

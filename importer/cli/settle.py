"""``importer settle``: what is in doubt, and what a person found out about it."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import click
from msgspec import to_builtins

from importer import destinations, settings
from importer.cli.common import LEDGER, Common, default_ledger, printing, user
from importer.errors import SetupError
from importer.printing import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from importer.ledger import Location
    from importer.settling import Settled


@click.command()
@click.argument("names", metavar="[ORDER/TRACKING]...", nargs=-1)
@click.option("--created", is_flag=True, help="They are on the platform: they are not sent again.")
@click.option("--not-created", is_flag=True, help="They are not on the platform: the next run sends them.")
@click.option(
    "--from",
    "source",
    metavar="FILE",
    envvar="IMPORTER_SETTLE_FROM",
    help="Settle rows of this table, such as errors.csv: with --created or --not-created all in doubt, "
    "else those whose column 'settled' says created or not-created.",
)
@click.option(
    "--to",
    metavar="NAME",
    help="Destination: a [destinations.NAME] of the config file  [default: the one that has the fulfillment]",
)
@click.option("--sandbox", is_flag=True, help="What was posted to the sandbox, with --sandbox.")
@LEDGER
@click.option("--json", "as_json", is_flag=True, envvar="IMPORTER_SETTLE_JSON", help="Print a JSON list.")
@click.pass_obj
def settle(
    common: Common,
    names: tuple[str, ...],
    *,
    created: bool,
    not_created: bool,
    source: str | None,
    to: str | None,
    sandbox: bool,
    ledger: Location | None,
    as_json: bool,
) -> int:
    """List what is in doubt, or tell the ledger what became of it.

    ORDER/TRACKING is what reports call a fulfillment (import_fulfillment), 1001+1002/TRACKING for one with
    several orders. Look it up on the platform first. What was rejected can be settled too, once its cause is
    mended on the platform.

    \b
    importer settle                                          (what is in doubt)
    importer settle 1001/1Z999AA10123456784 --not-created
    importer settle --from reports/RUN-ID/errors.csv         (with a column 'settled' added)
    """  # noqa: D301 - click takes \b for text to be left as it is
    from importer import batches, settling  # noqa: PLC0415 - --help needs none of it
    from importer.ledger import Ledger, exists  # noqa: PLC0415 - --help needs none of it

    _refuse_contradictions(names, source, created=created, not_created=not_created)
    destination = identity(common, to, sandbox=sandbox)
    location = ledger or default_ledger()
    if ledger is not None and not exists(ledger):
        raise SetupError(f"--ledger {ledger}: there is no ledger there")
    if not names and source is None:
        return _list(
            common, location, destination, again(common, to, ledger, sandbox=sandbox), as_json=as_json
        )
    if not exists(location):
        raise SetupError(f"nothing can be settled: there is no ledger at {location}")
    if source is None:
        claims = settling.named(names, created=created)
    else:
        said = created if created or not_created else None
        claims = settling.read([source], batches.standard_input(), created=said)
    with Ledger(location) as memory:
        settled = settling.settle(memory, claims, destination, user())
    _tell(common, settled, as_json=as_json)
    return 0 if all(each.settled for each in settled) else 1


def _refuse_contradictions(
    names: Sequence[str], source: str | None, *, created: bool, not_created: bool
) -> None:
    if created and not_created:
        raise click.UsageError("--created and --not-created contradict each other")
    if names and source is not None:
        raise click.UsageError("name fulfillments or a file with --from, not both")
    if names and not (created or not_created):
        raise click.UsageError("say what became of them: --created or --not-created")
    if (created or not_created) and not names and source is None:
        raise click.UsageError("no fulfillment was named: ORDER/TRACKING, or a file with --from")


def identity(common: Common, to: str | None, *, sandbox: bool) -> str | None:
    """What the ledger calls the destination; None where none is named."""
    if sandbox:
        target = settings.sandbox_destination(common.settings(), to, "http://127.0.0.1", {})
    elif to:
        target = settings.destination_for_check(common.settings(), to)
    else:
        return None
    return destinations.make(target).identity


def again(common: Common, to: str | None, ledger: Location | None, *, sandbox: bool) -> str:
    """The command that settles in the same place."""
    words = ["importer", *(["--config", str(common.config)] if common.config else []), "settle"]
    words += ["--to", to] if to else []
    words += ["--sandbox"] if sandbox else []
    words += ["--ledger", str(ledger)] if ledger else []
    return shlex.join(words)


def _list(common: Common, location: Location, destination: str | None, again: str, *, as_json: bool) -> int:
    from importer.ledger import Ledger, exists  # noqa: PLC0415 - --help needs none of it
    from importer.report import doubts  # noqa: PLC0415 - --help needs none of it

    known = exists(location)
    found = []
    if known:
        with Ledger(location, readonly=True) as memory:
            found = memory.doubts(destination)
    with printing():
        if as_json:
            click.echo(json.dumps([doubts.as_json(name, entry) for name, entry in found], indent=2))
        elif found:
            doubts.show(common.out, found, again)
        else:
            where = f" in the ledger {location}" if known else f": there is no ledger at {location}"
            click.echo(printable(f"nothing is in doubt{where}"))
    return 0


def _tell(common: Common, settled: Sequence[Settled], *, as_json: bool) -> None:
    from importer.report import doubts  # noqa: PLC0415 - --help needs none of it

    with printing():
        if as_json:
            click.echo(json.dumps([to_builtins(each) for each in settled], indent=2))
        else:
            doubts.show_settled(
                common.out, [each.message for each in settled], sum(each.settled for each in settled)
            )

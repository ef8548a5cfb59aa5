"""``importer explain``: everything that is known of a fulfillment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from importer.cli.common import LEDGER, Common, default_ledger, printing
from importer.cli.settle import again, identity
from importer.errors import SetupError, Unknown
from importer.printing import quoted

if TYPE_CHECKING:
    from importer.ledger import Location
    from importer.report import stories


@click.command()
@click.argument("what")
@LEDGER
@click.option(
    "--to",
    metavar="NAME",
    help="Destination: a [destinations.NAME] of the config file  [default: all that have it]",
)
@click.option("--json", "as_json", is_flag=True, envvar="IMPORTER_EXPLAIN_JSON", help="Print a JSON object.")
@click.pass_obj
def explain(
    common: Common,
    what: str,
    ledger: Location | None,
    to: str | None,
    *,
    as_json: bool,
) -> int:
    """Tell the whole history of a fulfillment: runs, attempts, answers, look-ups, and what to do next.

    WHAT is an order id, a tracking number, ORDER/TRACKING as reports call a fulfillment, or a row of a
    report: REPORT:ROW, with REPORT:FILE:ROW where several files have that row. REPORT is the report's folder
    or a file in it, ROW the number in its column import_row.

    \b
    importer explain 1001
    importer explain 1Z999AA10123456784
    importer explain reports/RUN-ID:17
    """  # noqa: D301 - click takes \b for text to be left as it is
    from importer import explaining  # noqa: PLC0415 - --help needs none of it
    from importer.ledger import exists  # noqa: PLC0415 - --help needs none of it
    from importer.report import stories  # noqa: PLC0415 - --help needs none of it

    destination = identity(common, to, sandbox=False) if to else None
    if ledger is not None and not exists(ledger):
        raise SetupError(f"--ledger {ledger}: there is no ledger there")
    row = explaining.reported(what)
    found = _found(ledger or default_ledger(), row.fulfillment if row else what, destination)
    if row is None and not found:
        raise Unknown(
            f"{quoted(what)}: not the order id or tracking number of anything that {_where(ledger, to)}, and "
            "no row of a report (REPORT:ROW); what a run refused before sending is in its report alone"
        )
    settle = again(common, to, ledger, sandbox=False)
    with printing():
        if as_json:
            click.echo(json.dumps(stories.as_json(row, found, settle), indent=2))
        else:
            stories.show(common.out, row, found, settle)
    return 0


def _found(location: Location, name: str, destination: str | None) -> list[stories.Story]:
    from importer import explaining  # noqa: PLC0415 - --help needs none of it
    from importer.ledger import Ledger, exists  # noqa: PLC0415 - --help needs none of it

    if not name or not exists(location):
        return []
    with Ledger(location, readonly=True) as memory:
        return explaining.stories(memory, name, destination)


def _where(ledger: Location | None, to: str | None) -> str:
    from importer.ledger import exists  # noqa: PLC0415 - --help needs none of it

    location = ledger or default_ledger()
    if not exists(location):
        return f"was sent: there is no ledger at {location}"
    return f"the ledger {location} has" + (f" for {to}" if to else "")

"""``importer review``: a finished report, looked at on the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from importer.cli.common import Common, complain, printing
from importer.model import STATUSES

if TYPE_CHECKING:
    from importer.report.finished import Finished


@click.command()
@click.argument("report", type=click.Path(path_type=Path))
@click.option("--code", metavar="CODE", multiple=True, help="List the rows that have this code.")
@click.option("--order", metavar="ORDER", multiple=True, help="List the rows of this order.")
@click.option(
    "--status",
    type=click.Choice([str(status) for status in STATUSES]),
    multiple=True,
    help="List the rows of this status.",
)
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="How many of the rows that match to list, 0 for all.",
)
@click.option("--json", "as_json", is_flag=True, envvar="IMPORTER_REVIEW_JSON", help="Print a JSON object.")
@click.option(
    "--open",
    "opening",
    is_flag=True,
    envvar="IMPORTER_REVIEW_OPEN",
    help="Also open the report's page in the browser.",
)
@click.pass_obj
def review(
    common: Common,
    report: Path,
    code: tuple[str, ...],
    order: tuple[str, ...],
    status: tuple[str, ...],
    limit: int,
    *,
    as_json: bool,
    opening: bool,
) -> int:
    """Look at a finished report: what is wrong, and what to do.

    What is wrong is told by cause, each with its first rows. REPORT is a report's folder, or its rows.csv,
    errors.csv or summary.json. With --code, --order or --status, which can be repeated, the rows are listed
    that have one of each, fine ones, too. The exit status is 0 when the report could be read, whatever it
    says, and also when no row matches.

    \b
    importer review reports/RUN-ID
    importer review reports/RUN-ID --code bad-quantity --limit 0
    importer review reports/RUN-ID --order 1001
    """  # noqa: D301 - click takes \b for text to be left as it is
    from importer import reviewing  # noqa: PLC0415 - --help needs none of it
    from importer.report import finished  # noqa: PLC0415 - --help needs none of it
    from importer.report import review as shown  # noqa: PLC0415 - --help needs none of it

    read = finished.read(report)
    wanted = reviewing.Wanted(code, order, status)
    found = reviewing.find(read, wanted, limit) if wanted else None
    groups = reviewing.groups(read) if as_json or found is None else []
    with printing():
        if as_json:
            click.echo(json.dumps(shown.as_json(read, groups, found), indent=2))
        elif found is not None:
            shown.show_rows(common.out, read, found, code)
        else:
            shown.show(common.out, read, groups)
    if opening:
        _open(read)
    return 0


def _open(report: Finished) -> None:
    if not report.page.exists():
        complain(f"importer: {report.page}: there is no such page; the rows are in {report.folder}")
    elif click.launch(str(report.page.resolve())):
        complain(f"importer: no browser could be started; open {report.page} in one")
    else:
        complain(f"opening {report.page} in the browser")

"""``importer diff``: what changed between the reports of two nights, or more."""

from __future__ import annotations

import json
from pathlib import Path

import click

from importer.cli.common import Common, printing

_FEWEST = 2


@click.command()
@click.argument("reports", metavar="REPORT REPORT...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="How many rows of each kind to list, 0 for all.",
)
@click.option("--json", "as_json", is_flag=True, envvar="IMPORTER_DIFF_JSON", help="Print a JSON object.")
@click.pass_obj
def diff(
    common: Common,
    reports: tuple[Path, ...],
    limit: int,
    *,
    as_json: bool,
) -> int:
    """Tell what changed between the reports of two nights, or more.

    That is which rows fail newly, which for another cause than before, which still, which are mended, and
    which are not there any more. Each REPORT is a report's folder, or its rows.csv, errors.csv or
    summary.json; the one that started first is the oldest, whatever the order. A row is known by its order
    id, tracking number and SKU. One in which one of these was mended in errors.csv is known again as long as
    that file stands there as it was posted; else the old one is gone. The exit status is 0 when nothing fails
    newly, 1 when something does.

    \b
    importer diff reports/MONDAY reports/TUESDAY
    """  # noqa: D301 - click takes \b for text to be left as it is
    if len(reports) < _FEWEST:
        raise click.UsageError("name at least two reports, of different runs")
    from importer import reviewing  # noqa: PLC0415 - --help needs none of it
    from importer.report import changes, finished  # noqa: PLC0415 - --help needs none of it

    found = reviewing.compare([finished.read(report) for report in reports], limit)
    with printing():
        if as_json:
            click.echo(json.dumps(changes.as_json(found), indent=2))
        else:
            changes.show(common.out, found)
    return 1 if found.counts[changes.Kind.NEW] else 0

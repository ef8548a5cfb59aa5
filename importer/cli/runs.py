"""``importer runs``: what the ledger has of earlier runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from importer.cli.common import LEDGER, Common, default_ledger, printing
from importer.errors import SetupError
from importer.ledger import Ledger, Run, exists
from importer.report import runs as runs_report
from importer.report.words import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@click.command()
@click.argument("run_id", metavar="[RUN-ID]", required=False)
@LEDGER
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many runs to list.")
@click.option("--json", "as_json", is_flag=True, envvar="IMPORTER_RUNS_JSON", help="Print JSON.")
@click.pass_obj
def runs(common: Common, run_id: str | None, ledger: Path | None, limit: int, as_json: bool) -> int:  # noqa: FBT001 - as click hands them over
    """Earlier runs, newest first, from the ledger; with RUN-ID, that one."""
    location = ledger or default_ledger()
    found, states = _remembered(location, run_id, limit)
    with printing():
        if run_id is None:
            _list_runs(common, location, found, as_json=as_json)
        elif as_json:
            click.echo(json.dumps({**runs_report.as_json(found[0]), "ledger": states}, indent=2))
        else:
            runs_report.show(common.out, found[0], states)
    return 0


def _remembered(location: Path, run_id: str | None, limit: int) -> tuple[list[Run], dict[str, int]]:
    """The last runs, or the one of that id with what the ledger has of it, by state."""
    if not exists(location):
        if run_id is None:
            return [], {}
        raise SetupError(f"run {run_id}: unknown; there is no ledger at {location}")
    with Ledger(location, readonly=True) as memory:
        if run_id is None:
            return memory.runs(limit), {}
        found = memory.run(run_id)
        if found is None:
            raise SetupError(
                f"run {run_id}: not in the ledger {location}; 'importer runs' lists those that are"
            )
        return [found], {str(state): count for state, count in memory.outcomes(run_id).items()}


def _list_runs(common: Common, location: Path, found: Sequence[Run], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([runs_report.as_json(run) for run in found], indent=2))
    elif found:
        runs_report.show_all(common.out, found)
    else:
        click.echo(f"no runs yet in the ledger {printable(str(location))}")

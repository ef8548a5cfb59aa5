"""``importer doctor``: whether everything is as a nightly run needs it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource
from rich.text import Text

from importer import doctor as checks
from importer.cli import planned
from importer.cli.common import LEDGER, Common, default_ledger, printing
from importer.cli.posting import examine, post
from importer.doctor import Verdict
from importer.report.words import printable

if TYPE_CHECKING:
    from importer.doctor import Check
    from importer.ledger import Location
    from importer.plans.plan import Fault, Plan

_MARKS: Final = {
    Verdict.FINE: ("✓", "green"),
    Verdict.TO_DO: ("✗", "yellow"),
    Verdict.WRONG: ("✗", "bold red"),
    Verdict.UNCHECKED: ("-", "dim"),
}


@click.command()
@click.option(
    "--to",
    metavar="NAME",
    help="Look at this [destinations.NAME] of the config file only  [default: at all of them]",
)
@LEDGER
@click.option(
    "--report",
    "report",
    type=click.Path(path_type=Path),
    metavar="DIR",
    default="reports",
    show_default=True,
    help="The folder that reports go to.",
)
@click.option(
    "--layout", "layouts", metavar="FILE", multiple=True, help="Also look at this layout. May be repeated."
)
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also look at this plan of a night: its jobs, their inboxes, and the folders that files go to.",
)
@click.option("--json", "as_json", is_flag=True, envvar="IMPORTER_DOCTOR_JSON", help="Print JSON.")
@click.pass_obj
def doctor(
    common: Common,
    to: str | None,
    ledger: Location | None,
    report: Path,
    layouts: tuple[str, ...],
    plan_file: Path | None,
    as_json: bool,  # noqa: FBT001 - as click hands them over
) -> int:
    """Check everything that a nightly run needs, and say what to do: nothing is changed or posted.

    That is the configuration, the way to each destination and its certificate, the token where the API has
    something harmless to be asked, the clock, the disks, the ledger and who is posting, layouts and a plan.
    The exit status is 0 when all is fine, 1 when there is something to do, 2 when the configuration is wrong.
    """
    plan, faults = _planned(common, plan_file) if plan_file else (None, ())
    place = planned.ledger_of(plan, ledger) if plan else ledger or default_ledger()
    source = click.get_current_context().get_parameter_source("report")
    folder = plan.reports if plan and source is ParameterSource.DEFAULT else report
    asked = checks.Asked(common.config, to, place, folder, layouts, plan, faults)
    made: list[Check] = []
    with printing():
        for check in checks.examine(asked, checks.World(os.environ)):
            made.append(check)
            if not as_json:
                _show(common, check)
        if as_json:
            click.echo(json.dumps([asdict(check) for check in made], indent=2))
    return checks.exit_status(made)


def _planned(common: Common, path: Path) -> tuple[Plan, tuple[Fault, ...]]:
    found = planned.examined(path, post, {}, partial(examine, common, "post"))
    return found.plan, found.faults


def _show(common: Common, check: Check) -> None:
    mark, style = _MARKS[check.verdict]
    line = Text(mark, style)
    line.append(f" {printable(check.what)}", "bold")
    line.append(f"  {_on_lines(check.found)}")
    common.out.print(line, soft_wrap=True)
    if check.advice:
        common.out.print(Text(f"    → {check.advice}", "italic"), soft_wrap=True)


def _on_lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))

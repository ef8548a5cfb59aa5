"""``importer doctor``: whether everything is as a nightly run needs it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from msgspec import to_builtins
from msgspec.structs import replace

from importer.cli.common import LEDGER, Common, default_ledger, printing

if TYPE_CHECKING:
    from importer.doctor import Asked, Check
    from importer.ledger import Location


@click.command()
@click.option(
    "--to",
    metavar="NAME",
    help="Look at this [destinations.NAME] of the config file only  [default: those of the plan, or all]",
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
    "--layout",
    "layouts",
    metavar="FILE",
    multiple=True,
    envvar="IMPORTER_DOCTOR_LAYOUT",
    help="Also look at this layout. May be repeated.",
)
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    envvar="IMPORTER_DOCTOR_PLAN",
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
    *,
    as_json: bool,
) -> int:
    """Check everything that a nightly run needs, and say what to do: nothing is changed or posted.

    That is the configuration, the way to each destination and its certificate, the token where the API has
    something harmless to be asked, the clock, the disks, the ledger and who is posting, layouts and a plan.
    The exit status is 0 when all is fine, 1 when there is something to do, 2 when the configuration is wrong.
    """
    from importer import doctor as checks  # noqa: PLC0415 - --help needs none of it
    from importer.cli import checklist  # noqa: PLC0415 - --help needs none of it

    asked = checks.Asked(common.config, to, ledger or default_ledger(), report, layouts)
    if plan_file is not None:
        source = click.get_current_context().get_parameter_source("report")
        asked = _with_plan(
            common, asked, plan_file, ledger, named_report=source is not ParameterSource.DEFAULT
        )
    made: list[Check] = []
    with printing():
        for check in checks.examine(asked, checks.World(os.environ)):
            made.append(check)
            if not as_json:
                checklist.show(common.out, check)
        if as_json:
            click.echo(json.dumps([to_builtins(check) for check in made], indent=2))
    return checks.exit_status(made)


def _with_plan(
    common: Common, asked: Asked, path: Path, ledger: Location | None, *, named_report: bool
) -> Asked:
    """What is to be looked at, with the plan, and what the plan says of ledger and reports."""
    from importer.cli import planned  # noqa: PLC0415 - --help needs none of it
    from importer.cli.examining import examined  # noqa: PLC0415 - --help needs none of it
    from importer.cli.posting import Judge, post  # noqa: PLC0415 - --help needs none of it

    found = examined(path, post, {}, Judge(common, "post"))
    return replace(
        asked,
        ledger=planned.ledger_of(found.plan, ledger),
        report=asked.report if named_report else found.plan.reports,
        plan=found.plan,
        faults=found.faults,
    )

"""The program: what stands before the command, and what a run of it leaves as exit status."""

from __future__ import annotations

import io
import logging
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from importer.cli.commands import RUNS, Commands
from importer.cli.common import Common, complain, status_of
from importer.errors import ImporterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from importer.early import Early

_BROKEN: Final = 4

EXIT_STATUSES: Final = {
    0: "every row is fine: created, updated, skipped, or (dry run) ready",
    1: "the run finished; some rows need attention (see errors.csv)",
    2: "usage or configuration is wrong; nothing was read or sent",
    3: "a manifest can't be read as one; nothing was sent, from any manifest",
    4: "stopped early; what was done is recorded, the same command carries on",
    5: "another run is posting to this destination with this ledger",
    6: "finished, but for some fulfillments it is not known whether they were created",
    130: "interrupted (SIGINT): in-flight posts were finished and recorded, reports written",
    143: "interrupted (SIGTERM): the same",
    129: "the terminal went away (SIGHUP): the same",
}


def run(arguments: Sequence[str], early: Early | None = None) -> int:
    """Run the command line and return its exit status; errors are told on standard error.

    ``early`` has taken the signals, where this process is for nothing else.
    """
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)  # at INFO they log whole URLs
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a narrow encoding must not end a run
    try:
        status = main.main(list(arguments), prog_name="importer", standalone_mode=False, obj=early)
    except click.ClickException as error:
        usage = io.StringIO()
        error.show(usage)
        complain(f"{usage.getvalue().rstrip()}{_whose(error)}")
        return error.exit_code
    except ImporterError as error:
        complain(f"importer: {error}")
        return error.exit_status
    except (click.Abort, KeyboardInterrupt) as error:
        end = "\n" if sys.stderr.isatty() else ""  # of the line in which the terminal shows ^C
        complain(f"{end}importer: interrupted")
        return status_of(error.__context__ if isinstance(error, click.Abort) else error)
    except Exception:  # noqa: BLE001 - the exit status 1 of Python would say that the run finished
        complain(traceback.format_exc().rstrip())
        complain("importer: this is a fault in the importer; what was posted is in the ledger")
        return _BROKEN
    return int(status or 0)


def _whose(error: click.ClickException) -> str:
    """Where a wrong value is the environment's: which variable has it, since nobody wrote the option."""
    parameter = error.param if isinstance(error, click.BadParameter) else None
    context = error.ctx if isinstance(error, click.BadParameter) else None
    if context is None or parameter is None or parameter.name is None:
        return ""
    if context.get_parameter_source(parameter.name) is not ParameterSource.ENVIRONMENT:
        return ""
    name = parameter.envvar or f"{context.auto_envvar_prefix}_{parameter.name.upper()}"
    return f"\nThe environment variable {name} says so: correct it or unset it"


def _epilog() -> str:
    lines = "\n".join(f"{status:>4}  {meaning}" for status, meaning in EXIT_STATUSES.items())
    return f"\b\nExit status:\n{lines}"


@click.group(
    cls=Commands,
    context_settings={
        "auto_envvar_prefix": "IMPORTER",
        "help_option_names": ["-h", "--help"],
        "max_content_width": 110,
    },
    epilog=_epilog(),
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration file  [default: ./importer.toml, else importer.toml in the user's config folder]",
)
@click.option("-v", "--verbose", is_flag=True, help="Also say how each manifest was read.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors; reports are written as ever.")
@click.version_option(package_name="fulfillment-importer", prog_name="importer")
@click.pass_context
def main(context: click.Context, config: Path | None, *, verbose: bool, quiet: bool) -> None:
    """Post carrier manifests to an order platform: one fulfillment per tracking number, each exactly once.

    \b
    Try it without credentials:   importer post manifest.csv --sandbox
    Set it up for a manifest:     importer init manifest.csv
    See what would be posted:     importer check manifest.csv
    Post:                         importer post manifest.csv --to adm
    Mend and send the rest:       importer post reports/RUN-ID/errors.csv --to adm
    """  # noqa: D301 - click takes \b for text to be left as it is
    early: Early | None = context.obj
    context.obj = Common(config, verbose=verbose, quiet=quiet, early=early)
    if early and context.invoked_subcommand not in RUNS:
        early.obey()

"""``importer runs``: what the ledger has of earlier runs, and their reports, written later."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from msgspec import to_builtins

from importer.cli.common import LEDGER, Common, complain, default_ledger, printing
from importer.errors import SetupError
from importer.posts.signals import Interruption
from importer.printing import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from importer.ledger import Ledger, Location, Run


_DAYS: Final = re.compile(r"0*([1-9][0-9]{0,4})d", re.ASCII)


def _age(_: click.Context, __: click.Parameter, value: str | None) -> timedelta | None:
    """How old what is forgotten is at least, as a callback of click's."""
    if value is None:
        return None
    match = _DAYS.fullmatch(value.strip().lower())
    if match is None:
        raise click.BadParameter(f"found {value!r}, expected days such as 90d or 400d")
    return timedelta(days=int(match[1]))


@click.command()
@click.argument("run_id", metavar="[RUN-ID]", required=False)
@click.argument("manifests", metavar="[MANIFEST...]", nargs=-1, type=str)
@click.option(
    "--report",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    envvar="IMPORTER_RUNS_REPORT",
    help="Write the report of RUN-ID to this folder, from the ledger and the manifests.",
)
@LEDGER
@click.option(
    "--prune",
    "age",
    callback=_age,
    metavar="DAYS",
    envvar="IMPORTER_RUNS_PRUNE",
    help="Forget runs and histories that are older, such as 400d; nothing is sent again for that.",
)
@click.option("--dry-run", is_flag=True, help="With --prune: say what would go, and leave it.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many runs to list.")
@click.option("--json", "as_json", is_flag=True, envvar="IMPORTER_RUNS_JSON", help="Print JSON.")
@click.option("--xlsx", is_flag=True, help="With --report: also write report.xlsx, the bad cells marked.")
@click.pass_obj
def runs(
    common: Common,
    run_id: str | None,
    manifests: tuple[str, ...],
    folder: Path | None,
    ledger: Location | None,
    age: timedelta | None,
    *,
    dry_run: bool,
    limit: int,
    as_json: bool,
    xlsx: bool,
) -> int:
    """Earlier runs, newest first, from the ledger; with RUN-ID, that one.

    With --report, write the report of a run that was killed, or whose report could not be written or was
    lost. Name the manifests if they are no longer where the run read them.

    With --prune, keep the ledger in shape: forget old runs, and how each fulfillment came to its end. What
    came of it stays, and so does all of what is in doubt.

    \b
    importer runs RUN-ID --report written-later
    importer runs RUN-ID done/manifest.csv --report written-later
    importer runs --prune 400d --dry-run
    """  # noqa: D301 - click takes \b for text to be left as it is
    from importer.report import runs as runs_report  # noqa: PLC0415 - --help needs none of it

    _refuse_contradictions(run_id, manifests, folder, xlsx=xlsx)
    _refuse_odd_pruning(run_id, age, dry_run=dry_run)
    location = ledger or default_ledger()
    if age is not None:
        _prune(location, age, dry_run=dry_run, as_json=as_json)
        return 0
    if run_id is not None and folder is not None:
        return _report(common, location, run_id, manifests, folder, as_json=as_json, xlsx=xlsx)
    found, states = _remembered(location, run_id, limit)
    with printing():
        if run_id is None:
            _list_runs(common, location, found, as_json=as_json)
        elif as_json:
            click.echo(json.dumps({**runs_report.as_json(found[0]), "ledger": states}, indent=2))
        else:
            runs_report.show(common.out, found[0], states)
    return 0


def _refuse_contradictions(
    run_id: str | None, manifests: Sequence[str], folder: Path | None, *, xlsx: bool
) -> None:
    if folder is not None and run_id is None:
        raise click.UsageError("--report: of which run? name its RUN-ID; 'importer runs' lists them")
    if manifests and folder is None:
        raise click.UsageError(
            f"{manifests[0]}: a MANIFEST is read for a report only; say with --report DIR where it is to go"
        )
    if xlsx and folder is None:
        raise click.UsageError("--xlsx: it goes with a report; say with --report DIR where it is to go")


def _refuse_odd_pruning(run_id: str | None, age: timedelta | None, *, dry_run: bool) -> None:
    if run_id is not None and age is not None:
        raise click.UsageError("--prune: it is of all old runs; leave RUN-ID out")
    if dry_run and age is None:
        raise click.UsageError("--dry-run: it goes with --prune; nothing else here changes anything")


def _prune(location: Location, age: timedelta, *, dry_run: bool, as_json: bool) -> None:
    from importer.ledger import Ledger, exists, utc_now  # noqa: PLC0415 - --help needs none of it
    from importer.report import runs as runs_report  # noqa: PLC0415 - --help needs none of it
    from importer.report.phrases import counted  # noqa: PLC0415 - --help needs none of it

    before = utc_now() - age
    if not exists(location):
        raise SetupError(f"--prune: there is no ledger at {location}")
    with Ledger(location, readonly=dry_run) as memory:
        pruned = memory.prunable(before) if dry_run else memory.prune(before)
    with printing():
        if as_json:
            told = {"before": runs_report.iso(before), "dry_run": dry_run, **to_builtins(pruned)}
            click.echo(json.dumps(told, indent=2))
        else:
            what = "would be forgotten" if dry_run else "forgotten"
            counts = f"{counted(pruned.runs, 'run')}, {counted(pruned.events, 'event')}"
            since = f"from before {before:%Y-%m-%d %H:%M} UTC"
            click.echo(f"{what}: {counts} {since}; what came of each fulfillment stays")


def _remembered(location: Location, run_id: str | None, limit: int) -> tuple[list[Run], dict[str, int]]:
    """The last runs, or the one of that id with what the ledger has of it, by state."""
    from importer.ledger import Ledger, exists  # noqa: PLC0415 - --help needs none of it

    if run_id is None:
        if not exists(location):
            return [], {}
        with Ledger(location, readonly=True) as memory:
            return memory.runs(limit), {}
    with _ledger(location, run_id) as memory:
        found = _run(memory, location, run_id)
        return [found], {str(state): count for state, count in memory.outcomes(run_id).items()}


def _ledger(location: Location, run_id: str) -> Ledger:
    from importer.ledger import Ledger, exists  # noqa: PLC0415 - --help needs none of it

    if not exists(location):
        raise SetupError(f"run {run_id}: unknown; there is no ledger at {location}")
    return Ledger(location, readonly=True)


def _run(memory: Ledger, location: Location, run_id: str) -> Run:
    found = memory.run(run_id)
    if found is None:
        raise SetupError(f"run {run_id}: not in the ledger {location}; 'importer runs' lists those that are")
    return found


def _report(
    common: Common,
    location: Location,
    run_id: str,
    manifests: Sequence[str],
    folder: Path,
    *,
    as_json: bool,
    xlsx: bool,
) -> int:
    from importer import afterwards, batches  # noqa: PLC0415 - --help needs none of it
    from importer.report import terminal  # noqa: PLC0415 - --help needs none of it

    interruption = Interruption()
    try:
        with interruption.watching(), _ledger(location, run_id) as memory:
            later = afterwards.write(
                _run(memory, location, run_id),
                memory,
                manifests,
                folder,
                standard_input=batches.standard_input(),
                console=common.progress,
                xlsx=xlsx,
            )
    except KeyboardInterrupt:
        complain("importer: interrupted; the report was not written")
        return interruption.exit_status
    with printing():
        if as_json:
            click.echo(later.summary.as_json())
        else:
            terminal.show(common.out, later.summary, again=later.again, later=True, verbose=common.verbose)
    return later.exit_status


def _list_runs(common: Common, location: Location, found: Sequence[Run], *, as_json: bool) -> None:
    from importer.report import runs as runs_report  # noqa: PLC0415 - --help needs none of it

    if as_json:
        click.echo(json.dumps([runs_report.as_json(run) for run in found], indent=2))
    elif found:
        runs_report.show_all(common.out, found)
    else:
        click.echo(f"no runs yet in the ledger {printable(str(location))}")

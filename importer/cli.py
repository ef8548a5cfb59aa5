"""The command line: options in, exit status out, and the wiring. Never looks at data."""

from __future__ import annotations

import codecs
import io
import json
import logging
import os
import shlex
import sys
import traceback
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import platformdirs
from rich.console import Console

from importer import pipeline, settings
from importer.errors import CannotGoOn, ImporterError, SetupError
from importer.fulfillments import Duplicates, Options
from importer.ledger import Ledger, Run, exists
from importer.posts.signals import Interruption
from importer.report import runs as runs_report
from importer.report import terminal
from importer.report.words import printable
from importer.sandbox import Sandbox, Store, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_USAGE, _BROKEN, _INTERRUPTED = 2, 4, 130
_PORT: Final = 8765
_WIDE: Final = 200  # columns of what is not a terminal: nobody's lines need wrapping there

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
}


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit status; errors are told on standard error."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)  # at INFO they log whole URLs
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a narrow encoding must not end a run
    try:
        status = main.main(list(arguments), prog_name="importer", standalone_mode=False)
    except click.ClickException as error:
        usage = io.StringIO()
        error.show(usage)
        _complain(usage.getvalue().rstrip())
        return error.exit_code
    except ImporterError as error:
        _complain(f"importer: {error}")
        return error.exit_status
    except (click.Abort, KeyboardInterrupt):
        _complain("importer: interrupted")
        return _INTERRUPTED
    except Exception:  # noqa: BLE001 - the exit status 1 of Python would say that the run finished
        _complain(traceback.format_exc().rstrip())
        _complain("importer: this is a fault in the importer; what was posted is in the ledger")
        return _BROKEN
    return int(status or 0)


def _complain(text: str) -> None:
    """Print to standard error, whatever file names and arguments are in the text."""
    click.echo("\n".join(map(printable, text.split("\n"))), err=True)


def _epilog() -> str:
    lines = "\n".join(f"{status:>4}  {meaning}" for status, meaning in EXIT_STATUSES.items())
    return f"\b\nExit status:\n{lines}"


@click.group(
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
def main(context: click.Context, config: Path | None, verbose: bool, quiet: bool) -> None:  # noqa: FBT001 - click
    """Post carrier manifests to an order platform: one fulfillment per tracking number, each exactly once.

    \b
    Try it without credentials:   importer post manifest.csv --sandbox
    See what would be posted:     importer check manifest.csv
    Post:                         importer post manifest.csv --to adm
    Mend and send the rest:       importer post reports/RUN-ID/errors.csv --to adm
    """  # noqa: D301 - click takes \b for text to be left as it is
    context.obj = _Global(config, verbose, quiet)


class _Out(Console):
    """Standard output."""

    def on_broken_pipe(self) -> None:
        """Raise it again; rich's own exit status 1 would say that rows need attention."""
        raise BrokenPipeError


@contextmanager
def _printing() -> Iterator[None]:
    """Print results; whoever reads them may leave early, since the exit status says how the run went.

    Raises:
        CannotGoOn: they can't be written, for want of room for example.
    """
    try:
        yield
    except BrokenPipeError:
        _close_output()
    except OSError as error:
        _close_output()
        raise CannotGoOn(f"standard output can't be written: {error.strerror}") from error


def _close_output() -> None:
    """Let what is still buffered go nowhere; Python writes it on leaving, and complains."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


class _Global:
    """The options before the command, and where output goes."""

    def __init__(self, config: Path | None, verbose: bool, quiet: bool) -> None:  # noqa: FBT001 - as click hands them over
        self.config = config
        self.verbose = verbose
        self.out = _Out(quiet=quiet, highlight=False)
        if not self.out.is_terminal:
            self.out = _Out(quiet=quiet, highlight=False, width=_WIDE)
        self.progress = Console(stderr=True, quiet=quiet, highlight=False)

    def settings(self) -> settings.Settings:
        return settings.load(self.config, os.environ)


def _encoding(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        found = codecs.lookup(value)
        "".encode(found.name)
    except LookupError as error:
        raise click.BadParameter(
            f"{value!r} is not the name of a text encoding; try utf-8, cp1252, gb18030"
        ) from error
    return found.name


def _rate(_: click.Context, __: click.Parameter, value: str | None) -> settings.Rate | None:
    if value is None:
        return None
    try:
        return settings.parse_rate(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _default_ledger() -> Path:
    return platformdirs.user_state_path("importer") / "ledger.db"


_MANIFESTS = click.argument("manifests", metavar="MANIFEST...", nargs=-1, type=str)
_LEDGER = click.option(
    "--ledger",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What earlier runs did  [default: ledger.db in the user's state folder]",
)
_SHARED = (
    click.option(
        "--to",
        metavar="NAME",
        help="Destination: a [destinations.NAME] of the config file  [default for post: adm]",
    ),
    click.option(
        "--report",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Where the report goes; never overwritten  [default: reports/RUN-ID]",
    ),
    click.option("--layout", metavar="NAME|FILE", help="Column layout, when detection is not wanted."),
    click.option(
        "--encoding", metavar="NAME", callback=_encoding, help="Text encoding, when detection is not wanted."
    ),
    _LEDGER,
    click.option(
        "--partial", is_flag=True, help="Post the good rows of a parcel even if others of it are bad."
    ),
    click.option("--all-or-nothing", is_flag=True, help="Post nothing if any row of any manifest is bad."),
    click.option(
        "--duplicates",
        type=click.Choice([str(choice) for choice in Duplicates]),
        default=str(Duplicates.SUM),
        show_default=True,
        help="What the same row twice in one parcel means.",
    ),
    click.option(
        "--strict-tracking", is_flag=True, help="A wrong check digit in a tracking number is an error."
    ),
    click.option(
        "--retry-in-doubt",
        is_flag=True,
        help="Send again what an earlier run sent without learning the outcome. It may be created twice.",
    ),
    click.option("--json", is_flag=True, help="Print the summary as one JSON object."),
    click.option(
        "--sandbox",
        metavar="[ORDERS.json]",
        is_flag=False,
        flag_value="",
        help="Start the sandbox in this process and post to it; without a file it accepts any order. "
        "A dry run starts none, but reads what the ledger has of it.",
    ),
    click.option("--rate", metavar="N[/BURST]", callback=_rate, help="At most N posts a second."),
    click.option("--concurrency", type=int, metavar="N", help="So many orders side by side."),
    click.option("--timeout", type=float, metavar="S", help="Seconds for one attempt, to its last byte."),
    click.option("--max-attempts", type=int, metavar="N", help="Attempts for each fulfillment."),
)


def _with(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:  # noqa: ANN401 - click's decorators are as loose
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


@main.command()
@_with(_MANIFESTS, *_SHARED)
@click.pass_obj
def check(common: _Global, /, **options: Any) -> int:  # noqa: ANN401 - click hands over each option by name
    """Dry run: read, validate, group, report. Nothing leaves the machine.

    MANIFEST is a file, a directory, a glob, or - for standard input. Without --to the rules that all
    destinations share apply; with it (or --sandbox), also what the ledger says of earlier runs.

    \b
    importer check manifest.csv
    importer check inbox/ --to adm --report checked
    """  # noqa: D301 - click takes \b for text to be left as it is
    _refuse_contradictions(options)
    if options["sandbox"] is not None:
        target = _sandbox(common, options)[1]
    elif options["to"]:
        target = settings.destination_for_check(common.settings(), options["to"])
    else:
        target = None
    return _run(common, _job("check", target, options), options)


@main.command()
@_with(_MANIFESTS, *_SHARED)
@click.pass_obj
def post(common: _Global, /, **options: Any) -> int:  # noqa: ANN401 - click hands over each option by name
    """Read, validate and group, then post one fulfillment per tracking number.

    What an earlier run did is skipped: the same command again finishes what was left.

    \b
    importer post manifest.csv --to adm
    importer post manifest.csv --sandbox orders.json
    importer post reports/RUN-ID/errors.csv --to adm     (after mending it)
    """  # noqa: D301 - click takes \b for text to be left as it is
    _refuse_contradictions(options)
    with ExitStack() as stack:
        if options["sandbox"] is None:
            name = options["to"] or settings.DEFAULT_KIND
            target = settings.destination(common.settings(), name, os.environ, _overrides(options))
        else:
            store, target = _sandbox(common, options)
            target = replace(target, base_url=stack.enter_context(Sandbox(store)).url)
        return _run(common, _job("post", target, options), options)


def _sandbox(common: _Global, options: dict[str, Any]) -> tuple[Store, settings.DestinationSettings]:
    """The sandbox's orders, and how to post to it but for its port."""
    target = settings.sandbox_destination(
        common.settings(), options["to"], "http://127.0.0.1", _overrides(options)
    )
    orders = options["sandbox"]
    return Store.from_file(Path(orders)) if orders else Store.any_order(target.order_id), target


def _overrides(options: dict[str, Any]) -> dict[str, Any]:
    return {key: options[key] for key in ("rate", "concurrency", "timeout", "max_attempts")}


def _refuse_contradictions(options: dict[str, Any]) -> None:
    if not options["manifests"]:
        given = options["sandbox"]
        more = f"; --sandbox took {given!r} for its orders file: put the manifest before it" if given else ""
        raise click.UsageError(
            f"no MANIFEST was named: a file, a directory, a glob, or - for standard input{more}"
        )
    if options["partial"] and options["all_or_nothing"]:
        raise click.UsageError("--partial and --all-or-nothing contradict each other")


def _job(command: str, target: settings.DestinationSettings | None, options: dict[str, Any]) -> pipeline.Job:
    return pipeline.Job(
        command=command,
        arguments=options["manifests"],
        destination=target,
        ledger=options["ledger"] or _default_ledger(),
        options=Options(
            partial=options["partial"],
            all_or_nothing=options["all_or_nothing"],
            duplicates=Duplicates(options["duplicates"]),
        ),
        report=options["report"],
        layout=options["layout"],
        encoding=options["encoding"],
        strict_tracking=options["strict_tracking"],
        retry_in_doubt=options["retry_in_doubt"],
    )


def _run(common: _Global, job: pipeline.Job, options: dict[str, Any]) -> int:
    interruption = Interruption()
    world = pipeline.World(console=common.progress, interruption=interruption)
    try:
        with interruption.watching():
            summary = pipeline.run(job, world)
    except KeyboardInterrupt:
        _complain("importer: interrupted; what was done is recorded, and the same command carries on")
        return interruption.exit_status
    with _printing():
        if options["json"]:
            click.echo(summary.as_json())
        else:
            terminal.show(common.out, summary, again=_again(common, options), verbose=common.verbose)
    return summary.exit_status


def _again(common: _Global, options: dict[str, Any]) -> str:
    """The command that posts in the same way to the same place; ``{}`` stands for the manifests."""
    words = ["importer"]
    if common.config:
        words += ["--config", str(common.config)]
    words += ["post", "{}"]
    for name in ("to", "layout", "encoding", "ledger"):
        if options[name]:
            words += [f"--{name}", str(options[name])]
    if options["duplicates"] != str(Duplicates.SUM):
        words += ["--duplicates", options["duplicates"]]
    for name in ("partial", "all_or_nothing", "strict_tracking"):
        if options[name]:
            words.append(f"--{name.replace('_', '-')}")
    if options["sandbox"] is not None:
        words += ["--sandbox", *filter(None, [options["sandbox"]])]
    return " ".join(
        word if word == "{}" else shlex.quote(word).replace("{", "{{").replace("}", "}}") for word in words
    )


@main.command()
@click.argument("run_id", metavar="[RUN-ID]", required=False)
@_LEDGER
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many runs to list.")
@click.option("--json", "as_json", is_flag=True, envvar="IMPORTER_RUNS_JSON", help="Print JSON.")
@click.pass_obj
def runs(common: _Global, run_id: str | None, ledger: Path | None, limit: int, as_json: bool) -> int:  # noqa: FBT001 - click
    """Earlier runs, newest first, from the ledger; with RUN-ID, that one."""
    location = ledger or _default_ledger()
    found, states = _remembered(location, run_id, limit)
    with _printing():
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


def _list_runs(common: _Global, location: Path, found: Sequence[Run], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([runs_report.as_json(run) for run in found], indent=2))
    elif found:
        runs_report.show_all(common.out, found)
    else:
        click.echo(f"no runs yet in the ledger {printable(str(location))}")


@main.command()
@click.argument("orders", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback only.")
@click.option("--port", type=int, default=_PORT, show_default=True, help="0: any that is free.")
@click.option(
    "--token-env", metavar="NAME", help="Environment variable with the token that requests must bring."
)
def sandbox(orders: Path | None, host: str, port: int, token_env: str | None) -> int:
    """Serve the ADM endpoint on loopback, to try things out without credentials.

    ORDERS is a JSON file with the orders that have something left to ship; without it any order is accepted.
    Open the address it prints in a browser to see what it has received.
    """
    token = _token(token_env)
    store = Store.from_file(orders) if orders else Store.any_order()
    serve(
        store,
        host,
        port,
        token,
        lambda url: click.echo(f"sandbox at {url}  (POST {url}/fulfillments/create)"),
    )
    return 0


def _token(name: str | None) -> str | None:
    if name is None:
        return None
    if not os.environ.get(name):
        raise SetupError(f"--token-env {name}: the environment variable is not set")
    return os.environ[name]

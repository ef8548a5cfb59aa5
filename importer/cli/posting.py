"""``importer check`` and ``importer post``: the same options, the same run, but for the sending."""

from __future__ import annotations

import os
import shlex
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from importer import pipeline, settings
from importer.cli.common import LEDGER, Common, complain, default_ledger, printing
from importer.fulfillments import Duplicates, Options
from importer.manifests import encodings
from importer.posts.signals import Interruption
from importer.report import terminal
from importer.sandbox import Sandbox, Store

if TYPE_CHECKING:
    from collections.abc import Callable


def _encoding(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    name = encodings.usable(value)
    if name is None:
        raise click.BadParameter(f"{value!r} is not the name of a text encoding; try utf-8, cp1252, gb18030")
    return name


def _rate(_: click.Context, __: click.Parameter, value: str | None) -> settings.Rate | None:
    if value is None:
        return None
    try:
        return settings.parse_rate(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


_MANIFESTS = click.argument("manifests", metavar="MANIFEST...", nargs=-1, type=str)
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
    LEDGER,
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


@click.command()
@_with(_MANIFESTS, *_SHARED)
@click.pass_obj
def check(common: Common, /, **options: Any) -> int:  # noqa: ANN401 - click hands over each option by name
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


@click.command()
@_with(_MANIFESTS, *_SHARED)
@click.pass_obj
def post(common: Common, /, **options: Any) -> int:  # noqa: ANN401 - click hands over each option by name
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


def _sandbox(common: Common, options: dict[str, Any]) -> tuple[Store, settings.DestinationSettings]:
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
        ledger=options["ledger"] or default_ledger(),
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


def _run(common: Common, job: pipeline.Job, options: dict[str, Any]) -> int:
    interruption = Interruption()
    world = pipeline.World(console=common.progress, interruption=interruption)
    try:
        with interruption.watching():
            summary = pipeline.run(job, world)
    except KeyboardInterrupt:
        complain("importer: interrupted; what was done is recorded, and the same command carries on")
        return interruption.exit_status
    with printing():
        if options["json"]:
            click.echo(summary.as_json())
        else:
            terminal.show(
                common.out,
                summary,
                again=_again(common, options),
                named_report=options["report"] is not None,
                verbose=common.verbose,
            )
    return summary.exit_status


def _again(common: Common, options: dict[str, Any]) -> str:
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

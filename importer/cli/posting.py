"""``importer check`` and ``importer post``: the same options, the same run, but for the sending."""

from __future__ import annotations

import os
import shlex
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from msgspec import Struct
from msgspec.structs import replace

from importer import destinations, limits, settings
from importer.cli import watching
from importer.cli.common import LEDGER, Common, complain, default_ledger, printing, user_and_host
from importer.cli.watching import Watch, watched
from importer.cluster import Cluster
from importer.errors import ImporterError
from importer.ledger import LEASE_SECONDS
from importer.model import Duplicates
from importer.plans import parent
from importer.posts import DRAIN_SECONDS, GIVE_UP_SECONDS
from importer.posts.signals import Interruption
from importer.sandbox import REHEARSALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from importer import pipeline
    from importer.cli.examining import Wrong
    from importer.report import Summary
    from importer.sandbox import Sandbox

T = TypeVar("T")


def _encoding(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    from importer.manifests import encodings  # noqa: PLC0415 - --help needs none of it

    name = encodings.usable(value)
    if name is None:
        raise click.BadParameter(f"{value!r} is not the name of a text encoding; try utf-8, cp1252, gb18030")
    return name


def _parsed(parse: Callable[[str], T]) -> Callable[[click.Context, click.Parameter, str | None], T | None]:
    """A click callback for text that ``parse`` understands, or says with ValueError why it does not."""

    def callback(_: click.Context, __: click.Parameter, value: str | None) -> T | None:
        if value is None:
            return None
        try:
            return parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return callback


_DURATION = _parsed(limits.parse_duration)


def _parse_lease(text: str) -> float:
    seconds = limits.parse_duration(text)
    if seconds < 1:
        raise ValueError(f"found {text!r}, expected a second or more: nobody says more often that he lives")
    return seconds


_A_DAY = "24h"
_ENGINES = ("local", "dask")
_PLAN = click.option(
    "--plan",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Instead of MANIFEST and --to: a TOML file that says with a [[job]] for each inbox what goes where.",
)
_MANIFESTS = click.argument("manifests", metavar="MANIFEST...", nargs=-1, type=str)
_SHARED = (
    _PLAN,
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
        "--sheet",
        metavar="NAME",
        help="Sheet of a workbook  [default: the first that has the columns and data]",
    ),
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
    click.option(
        "--notify/--no-notify",
        default=None,
        help="Mail customers of whom the manifest says nothing  [default: send_email of the config file]",
    ),
    click.option(
        "--fill-carrier",
        is_flag=True,
        help="Where the manifest names no carrier or tracking URL, and the tracking number leaves no doubt, "
        "send the carrier's name and public page. What the manifest says is never changed.",
    ),
    click.option("--json", is_flag=True, help="Print the summary as one JSON object."),
    click.option(
        "--xlsx",
        is_flag=True,
        help="Also write report.xlsx: the rows with the bad cells marked, to be mended and imported.",
    ),
    click.option(
        "--sandbox",
        metavar="[ORDERS.json]",
        is_flag=False,
        flag_value="",
        help="Start the sandbox in this process and post to it; without a file it accepts any order. "
        "A dry run starts none, but reads what the ledger has of it.",
    ),
    click.option(
        "--rehearse",
        metavar="NAME",
        type=click.Choice(sorted(REHEARSALS)),
        help=f"With --sandbox: let it go wrong in this way. One of {', '.join(sorted(REHEARSALS))}.",
    ),
    click.option(
        "--stop-at",
        metavar="HH:MM",
        callback=_parsed(limits.parse_time),
        help="Stop when the clock next shows this; the same command carries on.",
    ),
    click.option(
        "--max-time",
        metavar="DURATION",
        callback=_DURATION,
        help="Stop after so long, such as 2h, 90m or 1h30m; the same command carries on.",
    ),
    click.option(
        "--give-up",
        metavar="DURATION",
        callback=_DURATION,
        default=f"{GIVE_UP_SECONDS:g}s",
        show_default=True,
        help="Stop when the destination has been down for so long.",
    ),
    click.option(
        "--drain",
        metavar="DURATION",
        callback=_DURATION,
        default=f"{DRAIN_SECONDS:g}s",
        show_default=True,
        help="Once the run is to stop, wait so long for the answers to what is in flight.",
    ),
    click.option(
        "--wait-lock",
        metavar="[DURATION]",
        is_flag=False,
        flag_value=_A_DAY,
        callback=_DURATION,
        default="0",
        help="Wait so long while another run posts to this destination with this ledger; without a "
        f"DURATION {_A_DAY}  [default: don't wait]",
    ),
    click.option(
        "--lease",
        metavar="DURATION",
        callback=_parsed(_parse_lease),
        default=f"{LEASE_SECONDS:g}s",
        show_default=True,
        help="With a ledger in a database, where runs share the work: others take this run for dead when it "
        "has not said for so long that it lives.",
    ),
    click.option(
        "--engine",
        type=click.Choice(_ENGINES),
        default=_ENGINES[0],
        show_default=True,
        help="Who does the work: this process, or the workers of a Dask cluster, which post, too, where the "
        "ledger is in a database.",
    ),
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="With --engine dask: the cluster's scheduler, such as tls://host:8786; its workers see the same "
        "files  [default: a cluster on this machine, for this run]",
    ),
    click.option(
        "--workers",
        type=click.IntRange(1),
        metavar="N",
        help="With --engine dask and no --scheduler: so many workers  [default: as many as there are cores]",
    ),
    click.option(
        "--rate",
        metavar="N[/BURST]",
        callback=_parsed(settings.parse_rate),
        help="At most N posts a second.",
    ),
    click.option("--concurrency", type=int, metavar="N", help="So many orders side by side."),
    click.option("--timeout", type=float, metavar="S", help="Seconds for one attempt, to its last byte."),
    click.option("--max-attempts", type=int, metavar="N", help="Attempts for each fulfillment."),
    *watching.OPTIONS,
)


def _with(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:  # noqa: ANN401 - click's decorators are as loose
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


_ASK = click.option(
    "--ask",
    is_flag=True,
    help="Look up at the destination what would become of each row: it is read, and nothing is written.",
)


_ACKS = click.option(
    "--acks",
    is_flag=True,
    help="For EDI: also write the acknowledgments that post would write, marked as tests.",
)


@click.command()
@_with(_MANIFESTS, *_SHARED, _ASK, _ACKS)
@click.pass_obj
def check(common: Common, /, **options: Any) -> int:  # noqa: ANN401 - click hands over each option by name
    """Dry run: read, validate, group, report. Nothing leaves the machine.

    MANIFEST is a file, a directory, a glob, or - for standard input. Without --to the rules that all
    destinations share apply; with it (or --sandbox), also what the ledger says of earlier runs.

    \b
    importer check manifest.csv
    importer check inbox/ --to adm --report checked
    """  # noqa: D301 - click takes \b for text to be left as it is
    if options["plan"] is not None:
        return _planned(common, "check", options)
    parent.follow(os.environ)
    with watched("check", options) as watch, ExitStack() as stack:
        _refuse_contradictions("check", options)
        target = _reached(common, options, stack) if options["ask"] else _judged(common, options)
        return _run(common, "check", target, options, watch)


_FOLDER = click.Path(file_okay=False, path_type=Path)
_INBOX = (
    click.option(
        "--archive",
        type=_FOLDER,
        metavar="DIR",
        help="Move manifests there, oldest first, once they were reported and all their rows are fine. "
        "Files of a directory that are still being written are left alone.",
    ),
    click.option(
        "--quarantine",
        type=_FOLDER,
        metavar="DIR",
        help="Move manifests there once they were reported and rows need attention, and files that are no "
        "manifest, which then don't stop the others.",
    ),
)


@click.command()
@_with(_MANIFESTS, *_SHARED, *_INBOX)
@click.pass_obj
def post(common: Common, /, **options: Any) -> int:  # noqa: ANN401 - click hands over each option by name
    """Read, validate and group, then post one fulfillment per tracking number.

    What an earlier run did is skipped: the same command again finishes what was left.

    \b
    importer post manifest.csv --to adm
    importer post manifest.csv --sandbox orders.json
    importer post inbox/ --archive done/ --quarantine bad/
    importer post reports/RUN-ID/errors.csv --to adm     (after mending it)
    importer post --plan nightly.toml
    """  # noqa: D301 - click takes \b for text to be left as it is
    if options["plan"] is not None:
        return _planned(common, "post", options)
    parent.follow(os.environ)
    with watched("post", options) as watch, ExitStack() as stack:
        _refuse_contradictions("post", options)
        target = _reached(common, options, stack)
        return _run(common, "post", target, options, watch)


def _planned(common: Common, command: str, options: dict[str, Any]) -> int:
    from importer.cli import planned  # noqa: PLC0415 - --help needs none of it

    return planned.run(common, command, options, Judge(common, command))


class Judge(Struct, frozen=True):
    """Judges what a run of the command would be told to do; nothing is read or sent."""

    common: Common
    command: str

    def options(self, options: dict[str, Any]) -> list[Wrong]:
        """What is wrong with the options, wherever the run posts to."""
        from importer.manifests import layouts  # noqa: PLC0415 - --help needs none of it

        wrong: list[Wrong] = []
        with _collected(wrong):
            _refuse_contradictions(self.command, options)
        with _collected(wrong):
            layouts.load(options["layout"])
        return wrong

    def target(self, options: dict[str, Any]) -> tuple[settings.DestinationSettings | None, list[Wrong]]:
        """Where it posts to, None if that can't be told or needs no telling, and what is wrong with that."""
        wrong: list[Wrong] = []
        target = None
        with _collected(wrong):
            target = self._target(options)
        if wrong:
            return None, self._each_wrong(options)
        with _collected(wrong):
            _notify(target, asked=options["notify"])
        with _collected(wrong):
            _fill_carrier(target, asked=options["fill_carrier"])
        return target, wrong

    def _target(self, options: dict[str, Any]) -> settings.DestinationSettings | None:
        if options["sandbox"] is None and (self.command == "post" or options["ask"]):
            return _sent_to(self.common, options)
        return _judged(self.common, options)

    def _each_wrong(self, options: dict[str, Any]) -> list[Wrong]:
        """What is wrong with the destination, or with each of the options that override it."""
        wrong: list[Wrong] = []
        without = options | dict.fromkeys(_overrides(options))
        for override in ({}, *({name: value} for name, value in _overrides(options).items())):
            with _collected(wrong):
                self._target(without | override)
        return [*{str(error): error for error in wrong}.values()]


@contextmanager
def _collected(wrong: list[Wrong]) -> Iterator[None]:
    """Put what is raised into ``wrong``."""
    try:
        yield
    except (click.ClickException, ImporterError) as error:
        wrong.append(error)


def _judged(common: Common, options: dict[str, Any]) -> settings.DestinationSettings | None:
    """The destination by whose rules a dry run judges, None for those that all share."""
    if options["sandbox"] is not None:
        return _sandbox(common, options)[1]
    if not options["to"]:
        return None
    return settings.destination_for_check(common.settings(), options["to"], _overrides(options))


def _reached(common: Common, options: dict[str, Any], stack: ExitStack) -> settings.DestinationSettings:
    """The destination with all that is needed to send to it; a sandbox is started until ``stack`` is left."""
    if options["sandbox"] is None:
        return _sent_to(common, options)
    sandbox, target = _sandbox(common, options)
    _refuse_to_ask(options, target.kind)
    return replace(target, base_url=stack.enter_context(sandbox).url)


def _sent_to(common: Common, options: dict[str, Any]) -> settings.DestinationSettings:
    name = options["to"] or settings.DEFAULT_KIND
    _refuse_to_ask(options, settings.destination_for_check(common.settings(), name).kind)
    return settings.destination(common.settings(), name, os.environ, _overrides(options))


def _refuse_to_ask(options: dict[str, Any], kind: str) -> None:
    if options.get("ask") and kind not in settings.KINDS_THAT_CAN_BE_READ:
        raise click.UsageError(f"--ask: a destination of the kind {kind} can't be asked; leave it out")


def _sandbox(common: Common, options: dict[str, Any]) -> tuple[Sandbox, settings.DestinationSettings]:
    """The sandbox, not started yet, and how to post to it but for its port."""
    from importer.sandbox import Sandbox, rehearsal, stock  # noqa: PLC0415 - few ask for it

    target = settings.sandbox_destination(
        common.settings(), options["to"], "http://127.0.0.1", _overrides(options)
    )
    orders = options["sandbox"]
    store, shop = stock.from_file(Path(orders), target.kind) if orders else stock.any_order(target.order_id)
    faults = rehearsal(options["rehearse"]) if options["rehearse"] else None
    return Sandbox(store, faults=faults, shop=shop), target


def _overrides(options: dict[str, Any]) -> dict[str, Any]:
    return {key: options[key] for key in ("rate", "concurrency", "timeout", "max_attempts")}


def _refuse_contradictions(command: str, options: dict[str, Any]) -> None:
    if not options["manifests"]:
        given = options["sandbox"]
        more = f"; --sandbox took {given!r} for its orders file: put the manifest before it" if given else ""
        raise click.UsageError(
            f"no MANIFEST was named: a file, a directory, a glob, or - for standard input{more}"
        )
    if options["partial"] and options["all_or_nothing"]:
        raise click.UsageError("--partial and --all-or-nothing contradict each other")
    if options["rehearse"] and options["sandbox"] is None:
        raise click.UsageError("--rehearse is for the sandbox only: give --sandbox, too")
    if (options["scheduler"] or options["workers"]) and options["engine"] != "dask":
        raise click.UsageError("--scheduler and --workers are for a Dask cluster: give --engine dask, too")
    if options["scheduler"] and options["workers"]:
        raise click.UsageError(
            "--scheduler and --workers contradict each other: a cluster has its own workers"
        )
    watching.refuse_contradictions(command, options)


def _job(
    common: Common, command: str, target: settings.DestinationSettings | None, options: dict[str, Any]
) -> pipeline.Job:
    from importer import pipeline  # noqa: PLC0415 - --help needs none of it
    from importer.fulfillments import Options  # noqa: PLC0415 - --help needs none of it

    return pipeline.Job(
        command=command,
        arguments=options["manifests"],
        destination=target,
        ledger=options["ledger"] or default_ledger(),
        options=Options(
            partial=options["partial"],
            all_or_nothing=options["all_or_nothing"],
            duplicates=Duplicates(options["duplicates"]),
            notify=_notify(target, asked=options["notify"]),
            fill_carrier=_fill_carrier(target, asked=options["fill_carrier"]),
        ),
        ask=options.get("ask", False),
        report=options["report"],
        layout=options["layout"],
        encoding=options["encoding"],
        sheet=options["sheet"],
        strict_tracking=options["strict_tracking"],
        retry_in_doubt=options["retry_in_doubt"],
        stop_at=options["stop_at"],
        max_time=options["max_time"],
        give_up=options["give_up"],
        drain=options["drain"],
        wait_lock=options["wait_lock"],
        lease=options.get("lease", LEASE_SECONDS),
        ledger_named=options["ledger"] is not None,
        again=_again(common.config, options),
        elsewhere=_elsewhere(common, options),
        xlsx=options["xlsx"],
        acks=options.get("acks", False),
        archive=options.get("archive"),
        quarantine=options.get("quarantine"),
        cluster=Cluster(options["scheduler"], options["workers"]) if options["engine"] == "dask" else None,
    )


def _notify(target: settings.DestinationSettings | None, *, asked: bool | None) -> bool:
    """Whether customers are mailed of whom the manifest says nothing."""
    if target is None or target.kind not in settings.KINDS_THAT_MAIL or target.operation == "create":
        if asked:
            name = f"the destination {target.name}, as it is configured," if target else "no destination"
            raise click.UsageError(f"--notify: {name} mails no customers")
        return False
    return target.send_email if asked is None else asked


def _fill_carrier(target: settings.DestinationSettings | None, *, asked: bool) -> bool:
    if asked and (target is None or "tracking_company" not in destinations.make(target).takes):
        name = (
            f"destination {target.name} takes no carrier"
            if target
            else "no destination was named (give --to)"
        )
        raise click.UsageError(f"--fill-carrier: {name}")
    return asked


def _run(
    common: Common,
    command: str,
    target: settings.DestinationSettings | None,
    options: dict[str, Any],
    watch: Watch,
) -> int:
    from importer import arrow  # noqa: PLC0415 - --help needs none of it

    arrow.keep_from_pandas()
    from importer import pipeline  # noqa: PLC0415 - --help needs none of it, and it takes a while

    interruption = Interruption()
    interruption.orderly = True  # the run looks when it begins: it has a report even then
    try:
        with interruption.watching():
            interruption.begin_with(common.early.number)
            job = watch.job = _job(common, command, target, options)
            world = pipeline.World(
                console=common.progress,
                interruption=interruption,
                who=user_and_host(),
                log=watch.log,
                tracing=watch.tracing,
            )
            summary = pipeline.run(job, world)
    except KeyboardInterrupt:
        words = "interrupted; what was done is recorded, and the same command carries on"
        complain(f"importer: {words}")
        watch.failed(words, interruption.exit_status)
        return interruption.exit_status
    watch.ended(summary)
    _show(common, job, summary, options)
    return summary.exit_status


def _show(common: Common, job: pipeline.Job, summary: Summary, options: dict[str, Any]) -> None:
    from importer.report import terminal  # noqa: PLC0415 - --help needs none of it

    with printing():
        if options["json"]:
            click.echo(summary.as_json())
        else:
            terminal.show(
                common.out,
                summary,
                again=job.again,
                named_report=options["report"] is not None,
                verbose=common.verbose,
            )


def _elsewhere(common: Common, options: dict[str, Any]) -> str:
    """The same command for another folder, where a path from here would name another ledger, an empty one."""
    from importer.manifests import layouts  # noqa: PLC0415 - --help needs none of it

    config = common.config or settings.config_here()
    layout = options["layout"]
    local = {
        "ledger": isinstance(options["ledger"], Path),
        "layout": bool(layout) and layouts.is_path(layout),
        "sandbox": bool(options["sandbox"]),
    }
    absolute = {name: str(Path(options[name]).absolute()) for name, is_path in local.items() if is_path}
    return _again(config.absolute() if config else None, options | absolute)


def _again(config: Path | None, options: dict[str, Any]) -> str:
    """The command that posts in the same way to the same place; ``{}`` stands for the manifests."""
    words = ["importer"]
    if config:
        words += ["--config", str(config)]
    words += ["post", "{}"]
    for name in ("to", "layout", "sheet", "encoding", "ledger"):
        if options[name]:
            words += [f"--{name}", str(options[name])]
    if options["duplicates"] != str(Duplicates.SUM):
        words += ["--duplicates", options["duplicates"]]
    for name in ("partial", "all_or_nothing", "strict_tracking", "fill_carrier"):
        if options[name]:
            words.append(f"--{name.replace('_', '-')}")
    if options["notify"] is not None:
        words.append("--notify" if options["notify"] else "--no-notify")
    if options["sandbox"] is not None:
        words += ["--sandbox", *filter(None, [options["sandbox"]])]
    return " ".join(
        word if word == "{}" else shlex.quote(word).replace("{", "{{").replace("}", "}}") for word in words
    )

"""What ``check`` and ``post`` tell those who are not at the terminal; no trouble with it is the run's."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.core import ParameterSource
from msgspec import Struct

from importer import destinations
from importer.cli.common import complain, default_ledger, status_of
from importer.errors import ImporterError
from importer.settings import DEFAULT_KIND, Secret
from importer.watching import traces
from importer.watching.telling import TellOn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from importer.ledger import Ledger, Location, Run
    from importer.pipeline import Job
    from importer.report import Summary
    from importer.settings import DestinationSettings
    from importer.watching.ending import Ending
    from importer.watching.logs import Lines, Log
    from importer.watching.messages import Message, Troubles
    from importer.watching.pings import Pings
    from importer.watching.traces import Tracing
    from importer.watching.unreported import Note

_T = TypeVar("_T")
_BROKEN = 4
_RUNS_LOOKED_AT: Final = 100  # more than begin while one job of a plan ends
STANDARD_ERROR: Final = "-"


def _ping(context: click.Context, parameter: click.Parameter, value: str | None) -> Secret | None:
    if value is None:
        return None
    from importer.watching import pings  # noqa: PLC0415 - few ask for it

    if not pings.usable(value):  # and not repeated: it is a secret
        _refuse(
            context,
            parameter,
            "expected an address that begins with https:// or http://, without a user name in it",
        )
        return None
    return Secret(value)


def _tell(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[Secret, ...]:
    if not values:
        return ()
    from importer.watching import messages  # noqa: PLC0415 - --help needs none of it

    if not messages.is_installed():
        _refuse(context, parameter, "it needs an extra: pip install 'fulfillment-importer[notify]'")
        return ()
    known = []
    for place, value in enumerate(values, start=1):
        if messages.is_address(value):
            known.append(Secret(value))
            continue
        words = (
            f"number {place} is not an address that Apprise knows, such as "
            "mailtos://USER:PASSWORD@example.com?to=ops@example.com (see the Apprise wiki)"
        )
        _refuse(context, parameter, words)
    return tuple(known)


def _refuse(context: click.Context, parameter: click.Parameter, words: str) -> None:
    """Say what is wrong with an address: of the environment, where it was long before, it stops no run.

    Raises:
        click.BadParameter: it was given on the command line.
    """
    if context.get_parameter_source(str(parameter.name)) is not ParameterSource.ENVIRONMENT:
        raise click.BadParameter(words)
    where = f"{context.auto_envvar_prefix}_{str(parameter.name).upper()}"
    warn(f"{where}: {words}; it is left out")


OPTIONS: Final = (
    click.option(
        "--metrics",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Write figures of the run for Prometheus (the node exporter's textfile collector).",
    ),
    click.option(
        "--ping",
        metavar="URL",
        callback=_ping,
        help="Tell a watchdog: URL/start, then URL/EXIT-STATUS, or URL/fail where the run can't start.",
    ),
    click.option(
        "--tell",
        metavar="URL",
        multiple=True,
        callback=_tell,
        help="Tell people by mail or chat, at an address of Apprise such as mailtos://… May be repeated.",
    ),
    click.option(
        "--tell-on",
        type=click.Choice([str(choice) for choice in TellOn]),
        default=str(TellOn.FAILURE),
        show_default=True,
        help="Which runs --tell is for: those with an exit status other than 0, those with other troubles "
        "than the run before, or all.",
    ),
    click.option(
        "--log",
        type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
        metavar="FILE",
        help="Append what happens to FILE, one JSON object a line; - is standard error.",
    ),
)


class Watch(Struct):
    """A run that is watched, as far as it has come."""

    command: str
    options: dict[str, Any]
    log: Log
    now: Callable[[], datetime]
    started_at: datetime
    tracing: Tracing | None = None
    job: Job | None = None
    summary: Summary | None = None
    exit_status: int = 0
    trouble: str = ""
    pings: Pings | None = None

    def __post_init__(self) -> None:
        self.pings = pings_to(self.options["ping"])

    def ended(self, summary: Summary) -> None:
        """Take down that the run has come to its report."""
        self.summary, self.exit_status = summary, summary.exit_status

    def failed(self, words: str, exit_status: int) -> None:
        """Take down that the run could not start, go on, or print its report."""
        self.trouble, self.exit_status = words, exit_status

    def tell(self) -> None:
        """Tell all who are to be told how it ended."""
        from importer.watching.ending import Ending  # noqa: PLC0415 - --help needs none of it

        ending = Ending(
            command=self.command,
            destination=self.job.destination.name
            if self.job and self.job.destination
            else _named(self.command, self.options),
            started_at=self.started_at,
            finished_at=self.now(),
            exit_status=self.exit_status,
            summary=self.summary,
            trouble=self.trouble,
        )
        for tell in (self._end_log, self._write_metrics, self._ping, self._tell_people):
            without_trouble(tell, ending)

    def _end_log(self, ending: Ending) -> None:
        self.log.end(ending)
        if self.tracing:
            self.tracing.end(ending)

    def _write_metrics(self, ending: Ending) -> None:
        path = self.options["metrics"]
        if path is None:
            return
        from importer.watching import metrics  # noqa: PLC0415 - few ask for it

        try:
            metrics.write(path, ending, self._oldest_in_doubt(ending.finished_at))
        except OSError as error:
            warn(f"--metrics {path}: can't be written: {error.strerror or error}")

    def _ping(self, ending: Ending) -> None:
        if self.pings:
            self.pings.end(str(ending.exit_status) if ending.summary else "fail", ending.sentence)

    def _oldest_in_doubt(self, now: datetime) -> float | None:
        return oldest_in_doubt(self.job.ledger, self.job.destination, now) if self.job else None

    def _tell_people(self, ending: Ending) -> None:
        if not self.options["tell"]:
            return
        from importer.watching import messages  # noqa: PLC0415 - few ask for it

        when, about = TellOn(self.options["tell_on"]), f"{self.command} to {ending.destination}"
        note = note_of(f"{about}, ledger {self.options['ledger'] or default_ledger()}")
        if messages.is_wanted(when, ending, self._earlier) or is_over(when, ending, note):
            send(self.options["tell"], messages.compose(ending))
        keep(note, ending)

    def _earlier(self, summary: Summary) -> Troubles:
        from importer.watching import messages  # noqa: PLC0415 - --help needs none of it

        return messages.earlier(last_runs(self.job.ledger if self.job else None), summary)


def oldest_in_doubt(
    ledger: Location | None, target: DestinationSettings | None, now: datetime
) -> float | None:
    """How many seconds the oldest fulfillment in doubt there is old; None where that can't be told."""
    if target is None:
        return None
    identity = destinations.make(target).identity
    found = _of_ledger(ledger, lambda known: [entry.at for _, entry in known.doubts(identity)])
    return None if found is None else max((now - min(found, default=now)).total_seconds(), 0.0)


def last_runs(ledger: Location | None) -> Sequence[Run]:
    """Earlier runs, newest first, as far as the ledger tells."""
    return _of_ledger(ledger, lambda known: known.runs(_RUNS_LOOKED_AT)) or ()


def _of_ledger(place: Location | None, question: Callable[[Ledger], _T]) -> _T | None:
    """What the ledger says; None where it says nothing."""
    if place is None:
        return None
    from importer.ledger import Ledger, exists  # noqa: PLC0415 - --help needs none of it

    try:
        if not exists(place):
            return None
        with Ledger(place, readonly=True) as ledger:
            return question(ledger)
    except ImporterError:
        return None


def note_of(about: str) -> Note:
    """The note that people were told of such a run which has no report."""
    from importer.watching.unreported import Note  # noqa: PLC0415 - few ask for it

    return Note(default_ledger().parent / "unreported", about)


def is_over(when: TellOn, ending: Ending, note: Note) -> bool:
    """Whether people are to hear that what kept earlier runs from their report is over."""
    return when is TellOn.CHANGE and ending.summary is not None and note.is_there


def keep(note: Note, ending: Ending) -> None:
    """Keep or forget the note, after such an ending; a job with nothing to do tells nothing."""
    if ending.summary is not None:
        note.take_away()
    elif ending.exit_status:
        note.put()


def send(urls: Sequence[Secret], message: Message) -> None:
    """Send the message, and warn of whom it did not reach."""
    from importer.watching import messages  # noqa: PLC0415 - few ask for it

    for url in messages.send(urls, message):
        warn(f"--tell {messages.shown(url)}: nobody was told; try it with: apprise -vv --body test URL")


def without_trouble(tell: Callable[[_T], None], of: _T) -> None:
    """Tell somebody; whatever comes of it is a warning."""
    try:
        tell(of)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not be the run's trouble
        warn(f"not all who watch were told: {type(error).__name__}")


def refuse_contradictions(command: str, options: dict[str, Any]) -> None:
    """See that what is asked for can be had.

    Raises:
        click.UsageError: it can't.
    """
    if command == "check" and options["tell"] and options["tell_on"] == TellOn.CHANGE:
        raise click.UsageError("--tell-on change: no dry run is remembered; use failure or always")


@contextmanager
def watched(command: str, options: dict[str, Any]) -> Iterator[Watch]:
    """Tell those who watch that a run begins, and in the end, however it ends, how it went."""
    with ExitStack() as stack:
        log, tracing = opened_log(options["log"], stack), _traced(stack)
        watch = Watch(command, options, log, utc_now, utc_now(), tracing)
        if watch.pings:
            watch.pings.start()
        try:
            yield watch
        except BaseException as error:
            watch.failed(*told(error))
            raise
        finally:
            watch.tell()


def _traced(stack: ExitStack) -> Tracing | None:
    """The trace of this run, as long as ``stack`` lasts; None where nobody asks for it, or it can't be."""
    if not traces.is_wanted(os.environ):
        return None
    try:
        return stack.enter_context(traces.exported(os.environ))
    except Exception as error:  # noqa: BLE001 - whatever the library says, it must not be the run's trouble
        warn(f"no traces: {str(error).rstrip('.') or type(error).__name__}; see the variables OTEL_…")
        return None


def told(error: BaseException) -> tuple[str, int]:
    """What is told of an error, and the exit status that it leaves."""
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code
    if isinstance(error, ImporterError):
        return str(error), error.exit_status
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", status_of(error)
    return f"a fault in the importer: {type(error).__name__}", _BROKEN


def opened_log(path: Path | None, stack: ExitStack) -> Log:
    """The log at ``path``, as long as ``stack`` lasts; one that nobody reads where it can't be written."""
    from importer.watching import logs  # noqa: PLC0415 - --help needs none of it

    if path is None:
        return logs.Log()
    if str(path) == STANDARD_ERROR:
        return logs.Log(to_standard_error)
    try:
        lines = stack.enter_context(logs.appended(path))
    except OSError as error:
        warn(f"--log {path}: can't be written: {error.strerror or error}")
        return logs.Log()
    stack.callback(_warn_of_lost, path, lines)
    return logs.Log(lines.write)


def _warn_of_lost(path: Path, lines: Lines) -> None:
    if lines.trouble:
        warn(f"--log {path}: lines are missing in it: {lines.trouble}")


def to_standard_error(line: str) -> None:
    """Print a line of the log."""
    print(line, end="", file=sys.stderr, flush=True)  # noqa: T201 - click.echo would take colours away


def _named(command: str, options: dict[str, Any]) -> str:
    """What the user calls the destination, where the run has not come to it."""
    return str(options["to"] or (DEFAULT_KIND if command == "post" else ""))


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


def pings_to(url: Secret | None) -> Pings | None:
    """What tells the watchdog at ``url``, None where there is none."""
    if not url:
        return None
    from importer.watching.pings import Pings  # noqa: PLC0415 - few ask for it

    return Pings(url, warn)


def warn(words: str) -> None:
    """Print a warning."""
    complain(f"importer: warning: {words}")

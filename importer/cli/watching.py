"""What ``check`` and ``post`` tell those who are not at the terminal; no trouble with it is the run's."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from importer import destinations
from importer.cli.common import complain
from importer.errors import ImporterError
from importer.ledger import Ledger, exists
from importer.settings import Secret
from importer.watching import messages, metrics, pings, traces
from importer.watching.ending import Ending
from importer.watching.logs import Level, Log
from importer.watching.messages import TellOn, Troubles
from importer.watching.pings import Pings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from importer.ledger import Location, Run
    from importer.pipeline import Job
    from importer.plans.ended import PlanEnded
    from importer.report import Summary
    from importer.settings import DestinationSettings
    from importer.watching.messages import Message
    from importer.watching.traces import Tracing

_T = TypeVar("_T")
_U = TypeVar("_U")
_BROKEN, _INTERRUPTED = 4, 130
_RUNS_LOOKED_AT: Final = 100
STANDARD_ERROR: Final = "-"


def _ping(_: click.Context, __: click.Parameter, value: str | None) -> Secret | None:
    if value is None:
        return None
    if not pings.usable(value):  # and not repeated: it is a secret
        raise click.BadParameter("expected an address that begins with https:// or http://")
    return Secret(value)


def _tell(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[Secret, ...]:
    if values and not messages.is_installed():
        raise click.BadParameter("it needs an extra: pip install 'fulfillment-importer[notify]'")
    for place, value in enumerate(values, start=1):
        if not messages.is_address(value):
            raise click.BadParameter(
                f"number {place} is not an address that Apprise knows, such as "
                "mailtos://USER:PASSWORD@example.com?to=ops@example.com (see the Apprise wiki)"
            )
    return tuple(map(Secret, values))


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


@dataclass(slots=True)
class Watch:
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
    pings: Pings | None = field(init=False)

    def __post_init__(self) -> None:
        ping = self.options["ping"]
        self.pings = Pings(ping, _warn) if ping else None

    def ended(self, summary: Summary) -> None:
        """Take down that the run has come to its report."""
        self.summary, self.exit_status = summary, summary.exit_status

    def failed(self, words: str, exit_status: int) -> None:
        """Take down that the run could not start, go on, or print its report."""
        self.trouble, self.exit_status = words, exit_status

    def tell(self) -> None:
        """Tell all who are to be told how it ended."""
        ending = Ending(
            command=self.command,
            destination=self.job.destination.name
            if self.job and self.job.destination
            else _named(self.options),
            started_at=self.started_at,
            finished_at=self.now(),
            exit_status=self.exit_status,
            summary=self.summary,
            trouble=self.trouble,
        )
        for tell in (self._end_log, self._write_metrics, self._ping, self._tell_people):
            _without_trouble(tell, ending)

    def _end_log(self, ending: Ending) -> None:
        self.log.end(ending)
        if self.tracing:
            self.tracing.end(ending)

    def _write_metrics(self, ending: Ending) -> None:
        path = self.options["metrics"]
        try:
            if path is not None:
                metrics.write(path, ending, self._oldest_in_doubt(ending.finished_at))
        except OSError as error:
            _warn(f"--metrics {path}: can't be written: {error.strerror or error}")

    def _ping(self, ending: Ending) -> None:
        if self.pings:
            self.pings.end(str(ending.exit_status) if ending.summary else "fail", ending.sentence)

    def _oldest_in_doubt(self, now: datetime) -> float | None:
        return _oldest_in_doubt(self.job.ledger, self.job.destination, now) if self.job else None

    def _tell_people(self, ending: Ending) -> None:
        if self.options["tell"] and messages.is_wanted(
            TellOn(self.options["tell_on"]), ending, self._earlier
        ):
            _send(self.options["tell"], messages.compose(ending))

    def _earlier(self, summary: Summary) -> Troubles:
        runs = _of_ledger(self.job.ledger, _last_runs) if self.job else None
        return messages.earlier(runs or (), summary)


@dataclass(slots=True)
class PlanWatch:
    """A run of a plan that is watched, as far as it has come.

    ``jobs`` are those of the plan by name, as far as they are known: where each posts to.
    """

    command: str
    options: dict[str, Any]
    log: Log
    started_at: datetime
    jobs: Mapping[str, tuple[str, DestinationSettings | None]] = field(default_factory=dict)
    ledger: Location | None = None
    summary: PlanEnded | None = None
    exit_status: int = 0
    trouble: str = ""
    pings: Pings | None = field(init=False)

    def __post_init__(self) -> None:
        ping = self.options["ping"]
        self.pings = Pings(ping, _warn) if ping else None

    def begin(self, plan_id: str, jobs: Sequence[str]) -> None:
        """Write into the log that the jobs begin."""
        self.log.tell("plan-started", plan_id=plan_id, plan=str(self.options["plan"]), jobs=jobs)

    def job_ended(self, job: str, exit_status: int, folder: str) -> None:
        """Write into the log how a job ended."""
        level = Level.ERROR if exit_status else Level.INFO
        self.log.tell("job-finished", level, job=job, exit_status=exit_status, report=folder)

    def ended(self, summary: PlanEnded) -> None:
        """Take down that all jobs have ended."""
        self.summary, self.exit_status = summary, summary.exit_status

    def failed(self, words: str, exit_status: int) -> None:
        """Take down that the plan is wrong, or that its summary can't be written or printed."""
        self.trouble, self.exit_status = words, exit_status

    def tell(self) -> None:
        """Tell all who are to be told how it ended: once, of all jobs."""
        told = self._endings(_utc_now())
        for tell in (self._end_log, self._write_metrics, self._ping, self._tell_people):
            _without_trouble(tell, told)

    def _endings(self, now: datetime) -> dict[str, Ending]:
        if self.summary is None:
            rest = (self.started_at, now, self.exit_status, None, self.trouble)
            return {name: Ending(self.command, to, *rest) for name, (to, _) in self.jobs.items()}
        return {
            job.name: Ending(
                self.command,
                job.destination,
                job.started_at,
                job.finished_at,
                job.exit_status,
                job.summary,
                job.trouble,
            )
            for job in self.summary.jobs
        }

    def _end_log(self, _: Mapping[str, Ending]) -> None:
        level = Level.ERROR if self.exit_status else Level.INFO
        seconds = (_utc_now() - self.started_at).total_seconds()
        plan_id = self.summary.plan_id if self.summary else ""
        more = {"exit_status": self.exit_status, "seconds": round(seconds, 3), "message": self.trouble}
        self.log.tell("plan-finished", level, plan_id=plan_id, **more)

    def _ping(self, told: Mapping[str, Ending]) -> None:
        if self.pings:
            text = "\n".join(f"{name}: {ending.sentence}" for name, ending in told.items())
            self.pings.end(str(self.exit_status) if self.summary else "fail", self.trouble or text)

    def _write_metrics(self, told: Mapping[str, Ending]) -> None:
        path = self.options["metrics"]
        try:
            if path is not None and told:
                oldest = {
                    name: _oldest_in_doubt(self.ledger, self.jobs[name][1], ending.finished_at)
                    for name, ending in told.items()
                }
                metrics.write_jobs(path, {name: (ending, oldest[name]) for name, ending in told.items()})
        except OSError as error:
            _warn(f"--metrics {path}: can't be written: {error.strerror or error}")

    def _tell_people(self, told: Mapping[str, Ending]) -> None:
        when = TellOn(self.options["tell_on"])
        runs = _of_ledger(self.ledger, _last_runs) or ()
        wanted = [
            messages.is_wanted(when, ending, partial(messages.earlier, runs, job=name))
            for name, ending in told.items()
        ]
        if self.options["tell"] and (any(wanted) or self.summary is None):
            _send(self.options["tell"], self._message(told))

    def _message(self, told: Mapping[str, Ending]) -> Message:
        title = f"{self.command} --plan {self.options['plan']}"
        if self.summary is not None:
            return messages.compose_all(title, told, self.exit_status)
        now = _utc_now()
        return messages.compose(Ending(title, "", self.started_at, now, self.exit_status, None, self.trouble))


def _oldest_in_doubt(
    ledger: Location | None, target: DestinationSettings | None, now: datetime
) -> float | None:
    """How many seconds the oldest fulfillment in doubt there is old; None where that can't be told."""
    if target is None:
        return None
    identity = destinations.make(target).identity
    found = _of_ledger(ledger, lambda known: [entry.at for _, entry in known.doubts(identity)])
    return None if found is None else max((now - min(found, default=now)).total_seconds(), 0.0)


def _last_runs(ledger: Ledger) -> Sequence[Run]:
    return ledger.runs(_RUNS_LOOKED_AT)


def _of_ledger(ledger: Location | None, question: Callable[[Ledger], _T]) -> _T | None:
    """What the ledger says; None where it says nothing."""
    if ledger is None:
        return None
    try:
        if not exists(ledger):
            return None
        with Ledger(ledger, readonly=True) as opened:
            return question(opened)
    except ImporterError:
        return None


def _send(urls: Sequence[Secret], message: Message) -> None:
    for url in messages.send(urls, message):
        _warn(f"--tell {messages.shown(url)}: nobody was told; try it with: apprise -vv --body test URL")


def _without_trouble(tell: Callable[[_U], None], of: _U) -> None:
    try:
        tell(of)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not be the run's trouble
        _warn(f"not all who watch were told: {type(error).__name__}")


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
        tracing = stack.enter_context(traces.exported(os.environ)) if traces.is_wanted(os.environ) else None
        watch = Watch(command, options, _log(options["log"], stack), _utc_now, _utc_now(), tracing)
        if watch.pings:
            watch.pings.start()
        try:
            yield watch
        except BaseException as error:
            watch.failed(*_told(error))
            raise
        finally:
            watch.tell()


@contextmanager
def watched_plan(command: str, options: dict[str, Any]) -> Iterator[PlanWatch]:
    """Tell those who watch that a plan begins, and in the end, however it ends, how it went."""
    with ExitStack() as stack:
        watch = PlanWatch(command, options, _log(options["log"], stack), _utc_now())
        if watch.pings:
            watch.pings.start()
        try:
            refuse_contradictions(command, options)
            yield watch
        except BaseException as error:
            watch.failed(*_told(error))
            raise
        finally:
            watch.tell()


def _told(error: BaseException) -> tuple[str, int]:
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code
    if isinstance(error, ImporterError):
        return str(error), error.exit_status
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", _INTERRUPTED
    return f"a fault in the importer: {type(error).__name__}", _BROKEN


def _log(path: Path | None, stack: ExitStack) -> Log:
    if path is None:
        return Log()
    if str(path) == STANDARD_ERROR:
        return Log(to_standard_error)
    try:
        # unbuffered: a line is there when it is written, whatever becomes of the process
        file = stack.enter_context(path.open("ab", buffering=0))
    except OSError as error:
        _warn(f"--log {path}: can't be written: {error.strerror or error}")
        return Log()
    return Log(lambda line: file.write(line.encode()))


def to_standard_error(line: str) -> None:
    """Print a line of the log."""
    print(line, end="", file=sys.stderr, flush=True)  # noqa: T201 - click.echo would take colours away


def _named(options: dict[str, Any]) -> str:
    return str(options["to"] or "")


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _warn(words: str) -> None:
    complain(f"importer: warning: {words}")

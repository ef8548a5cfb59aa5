"""What ``check`` and ``post`` tell those who are not at the terminal; no trouble with it is the run's."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from importer import destinations
from importer.cli.common import complain
from importer.errors import ImporterError
from importer.settings import Secret
from importer.watching import pings, traces
from importer.watching.pings import Pings
from importer.watching.telling import TellOn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from importer.ledger import Ledger
    from importer.pipeline import Job
    from importer.report import Summary
    from importer.watching.ending import Ending
    from importer.watching.logs import Log
    from importer.watching.messages import Troubles
    from importer.watching.traces import Tracing

_T = TypeVar("_T")
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
    if not values:
        return ()
    from importer.watching import messages  # noqa: PLC0415 - --help needs none of it

    if not messages.is_installed():
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
        from importer.watching.ending import Ending  # noqa: PLC0415 - --help needs none of it

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
            try:
                tell(ending)
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not be the run's trouble
                _warn(f"not all who watch were told: {type(error).__name__}")

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
            _warn(f"--metrics {path}: can't be written: {error.strerror or error}")

    def _ping(self, ending: Ending) -> None:
        if self.pings:
            self.pings.end(str(ending.exit_status) if ending.summary else "fail", ending.sentence)

    def _oldest_in_doubt(self, now: datetime) -> float | None:
        job = self.job
        if job is None or job.destination is None:
            return None
        identity = destinations.make(job.destination).identity
        found = self._of_ledger(lambda ledger: [entry.at for _, entry in ledger.doubts(identity)])
        return None if found is None else max((now - min(found, default=now)).total_seconds(), 0.0)

    def _tell_people(self, ending: Ending) -> None:
        if not self.options["tell"]:
            return
        from importer.watching import messages  # noqa: PLC0415 - few ask for it

        if messages.is_wanted(TellOn(self.options["tell_on"]), ending, self._earlier):
            for url in messages.send(self.options["tell"], messages.compose(ending)):
                _warn(
                    f"--tell {messages.shown(url)}: nobody was told; try it with: apprise -vv --body test URL"
                )

    def _earlier(self, summary: Summary) -> Troubles:
        from importer.watching import messages  # noqa: PLC0415 - --help needs none of it

        runs = self._of_ledger(lambda ledger: ledger.runs(_RUNS_LOOKED_AT))
        return messages.earlier(runs or (), summary)

    def _of_ledger(self, question: Callable[[Ledger], _T]) -> _T | None:
        """What the ledger says; None where it says nothing."""
        if self.job is None:
            return None
        from importer.ledger import Ledger, exists  # noqa: PLC0415 - --help needs none of it

        try:
            if not exists(self.job.ledger):
                return None
            with Ledger(self.job.ledger, readonly=True) as ledger:
                return question(ledger)
        except ImporterError:
            return None


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


def _told(error: BaseException) -> tuple[str, int]:
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code
    if isinstance(error, ImporterError):
        return str(error), error.exit_status
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", _INTERRUPTED
    return f"a fault in the importer: {type(error).__name__}", _BROKEN


def _log(path: Path | None, stack: ExitStack) -> Log:
    from importer.watching.logs import Log  # noqa: PLC0415 - --help needs none of it

    if path is None:
        return Log()
    if str(path) == STANDARD_ERROR:
        return Log(_to_standard_error)
    try:
        # unbuffered: a line is there when it is written, whatever becomes of the process
        file = stack.enter_context(path.open("ab", buffering=0))
    except OSError as error:
        _warn(f"--log {path}: can't be written: {error.strerror or error}")
        return Log()
    return Log(lambda line: file.write(line.encode()))


def _to_standard_error(line: str) -> None:
    print(line, end="", file=sys.stderr, flush=True)  # noqa: T201 - click.echo would take colours away


def _named(options: dict[str, Any]) -> str:
    return str(options["to"] or "")


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _warn(words: str) -> None:
    complain(f"importer: warning: {words}")

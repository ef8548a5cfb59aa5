"""``post --plan`` and ``check --plan``: a plan is examined, its jobs are run, and all is told once."""

from __future__ import annotations

import math
import os
import re
import secrets
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource
from msgspec.structs import replace
from rich.text import Text

from importer import destinations, limits, report
from importer.cli import plan_watching, watching
from importer.cli.common import complain, default_ledger, printing
from importer.cli.examining import examined, flags, options_of
from importer.errors import CannotGoOn, SetupError
from importer.ledger import Address, location
from importer.plans import ended as endings
from importer.plans import parent, places, reports, terminal
from importer.plans.ended import JobEnded, JobOpen, PlanEnded, PlanUnderway
from importer.plans.interruption import Interruption
from importer.plans.plan import FOLDERS
from importer.plans.processes import Processes, Task, Unstarted
from importer.printing import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from importer.cli.common import Common
    from importer.cli.examining import Examined, Judge
    from importer.ledger import Location
    from importer.plans.plan import Job, Plan
    from importer.plans.processes import Ran
    from importer.posts import Deadline
    from importer.report import Summary

    Options = dict[str, Any]

_OF_A_JOB: Final = ("to", "layout", "sheet", "encoding", "archive", "quarantine")
_OF_THE_PLAN: Final = frozenset(
    ("plan", "manifests", "report", "ledger", "json", "metrics", "ping", "tell", "tell_on", "log", "max_time")
)
_BROKEN: Final = 4
_SETUP: Final = 2
_MOST_SAID: Final = 2000  # characters
_WARNING: Final = re.compile(r"importer: warning: |\S.*:\d+: [A-Za-z]*Warning: ")


def run(common: Common, command: str, options: Options, judge: Judge) -> int:
    """Do what the plan says, and return the most serious exit status of its jobs.

    Raises:
        SetupError: the plan is wrong, or can't go with other options.
    """
    given = _given(options)
    interruption = Interruption()
    with interruption.watching(), plan_watching.watched_plan(command, options) as watch:
        interruption.begin_with(common.early.number)
        found = examined(options["plan"], click.get_current_context().command, given, judge)
        watch.jobs = {
            job.name: (_destination(job, options), found.targets.get(job.name)) for job in found.plan.jobs
        }
        found.refuse_faults(all_of_them=command == "check")
        night = _Night(common, command, options, given, found, watch, interruption)
        summary = night.run()
        watch.ended(summary)
        try:
            endings.publish(summary, night.folder)
        finally:  # whoever is there is told, whatever becomes of the file
            _print(common, summary, as_json=options["json"])
    return summary.exit_status


def _print(common: Common, summary: PlanEnded, *, as_json: bool) -> None:
    with printing():
        if as_json:
            click.echo(summary.as_json())
        else:
            terminal.show(common.out, summary)


class _Night:
    """A run of a plan."""

    def __init__(
        self,
        common: Common,
        command: str,
        options: Options,
        given: Mapping[str, object],
        found: Examined,
        watch: plan_watching.PlanWatch,
        interruption: Interruption,
    ) -> None:
        self._common = common
        self._command = command
        self._options = options
        self._given = given
        self._found = found
        self._watch = watch
        self._interruption = interruption
        self._begun_at, self._begun = _utc_now(), time.monotonic()
        self._id = f"{self._begun_at:%Y-%m-%d-%H%M%S}-{secrets.token_hex(3)}"
        self.folder: Path = options["report"] or found.plan.reports / self._id
        self._ledger = ledger_of(found.plan, options["ledger"])
        watch.ledger = self._ledger
        self._jobs: dict[str, JobEnded | JobOpen] = {
            job.name: JobOpen(job.name, _destination(job, options)) for job in found.plan.jobs
        }

    def run(self) -> PlanEnded:
        """Run all jobs, and say what came of each.

        Raises:
            SetupError: there is something in the folder for the reports.
            CannotGoOn: plan.json can't be written there; nothing was begun.
        """
        report.refuse_existing(self.folder)
        endings.publish(self._underway, self.folder)
        plan = self._found.plan
        processes = Processes(
            _environment(self._ledger),
            plan.at_once,
            _utc_now,
            self._interruption,
            hear=self._hear,
            begun=self._job_begun,
            ended=self._job_ended,
        )
        self._watch.begin(self._id, [job.name for job in plan.jobs])
        processes.run([self._task(job) for job in plan.jobs])
        jobs = tuple(job for job in self._jobs.values() if isinstance(job, JobEnded))
        status = self._interruption.exit_status or endings.most_serious(job.exit_status for job in jobs)
        return self._underway.ended(jobs, _utc_now(), status)

    @property
    def _underway(self) -> PlanUnderway:
        jobs, plan = tuple(self._jobs.values()), str(self._found.plan.path)
        return PlanUnderway(self._id, self._command, plan, jobs, self._begun_at, str(self.folder))

    def _task(self, job: Job) -> Task:
        options, target = self._found.options[job.name], self._found.targets[job.name]
        stops = limits.deadline(options["stop_at"], self._options["max_time"], self._begun, self._begun_at)
        posting = self._command == "post" and target is not None
        queue = destinations.make(target).identity if posting and target else f"job {job.name}"
        return Task(job.name, queue, lambda: self._arguments(job, options, stops))

    def _arguments(self, job: Job, options: Options, stops: Deadline | None) -> Sequence[str] | Unstarted:
        if trouble := places.trouble(job):
            return Unstarted(trouble, _SETUP)
        manifests = places.present(job.manifests)
        if not manifests:
            return Unstarted(f"nothing to do: no file waits in {', '.join(job.manifests)}")
        # in whole seconds, as they are told to people
        left = None if stops is None else math.ceil(stops.at - time.monotonic())
        if stops is not None and left is not None and left <= 0:
            return Unstarted(f"not begun: {stops.words}", _BROKEN)
        longest = min((each for each in (left, options["max_time"]) if each is not None), default=None)
        said = {
            **options_of(job, click.get_current_context().command),
            # what the sandbox took is still to be posted
            **(dict.fromkeys(FOLDERS) if _is_rehearsal(self._options) else {}),
            **self._given,
            "to": job.to,
            "max_time": longest,
            "ledger": None,  # in the environment: it may have a password, and anyone can read arguments
            "log": self._options["log"],
            "report": self.folder / job.name,
        }
        config = ["--config", str(self._common.config)] if self._common.config else []
        # -P: a folder that is called as the package is, and lies here, is not the program
        program = [sys.executable, "-P", "-m", "importer", *config, "--quiet", self._command]
        return [*program, *flags(said), "--", *manifests]

    def _hear(self, job: str, line: str) -> None:
        if str(self._options["log"]) == watching.STANDARD_ERROR and line.startswith("{"):
            with suppress(OSError, ValueError):  # that nobody reads the log is no reason to end a run
                watching.to_standard_error(f"{line}\n")
        elif line.strip():
            complain(f"importer: {job}: {line.removeprefix('importer: ')}")

    def _job_begun(self, job: str) -> None:
        self._say(f"{job}: begun")
        self._note(replace(self._jobs[job], started_at=_utc_now(), report=str(self.folder / job)))

    def _job_ended(self, job: str, ran: Ran) -> None:
        self._say(f"{job}: {ran.unstarted or f'ended with exit status {ran.exit_status}'}")
        self._watch.job_ended(job, ran.exit_status, str(self.folder / job))
        self._note(self._ended(self._jobs[job], ran))

    def _note(self, job: JobEnded | JobOpen) -> None:
        """Write into plan.json how far the job has come, for the case that nobody comes to write more."""
        self._jobs[job.name] = job
        with suppress(CannotGoOn):  # it is written once more, and then told
            endings.publish(self._underway, self.folder)

    def _say(self, words: str) -> None:
        if self._common.progress.is_terminal:
            with suppress(OSError):  # that the terminal went away is no reason to end a run
                self._common.progress.print(Text(printable(words), "dim"), soft_wrap=True)

    def _ended(self, job: JobEnded | JobOpen, ran: Ran) -> JobEnded:
        folder = self.folder / job.name
        summary = _summary(folder)
        status, trouble = ran.exit_status, ran.unstarted or _trouble(ran)
        if status not in endings.MOST_SERIOUS_FIRST or (
            status in endings.RAN_TO_ITS_END and summary is None and not ran.unstarted
        ):
            status, trouble = _BROKEN, trouble or f"ended with exit status {status} and without a report"
        return JobEnded(
            job.name,
            job.destination,
            status,
            ran.started_at,
            ran.finished_at,
            str(folder) if summary else "",
            summary,
            "" if summary and status in endings.RAN_TO_ITS_END else trouble,
            summary.run_id if summary else "" if ran.unstarted else self._run_id(folder),
        )

    def _run_id(self, folder: Path) -> str:
        """The run whose report was to be there, as far as the ledger has it; "" where there was none."""
        runs = watching.last_runs(self._ledger)
        mine = (run.run_id for run in runs if run.report == str(folder) and run.started_at >= self._begun_at)
        return next(mine, "")


def ledger_of(plan: Plan, named: Location | None) -> Location:
    """Where the ledger of a plan's jobs is: ``named`` on the command line, in the plan, or the default one.

    Raises:
        SetupError: what the plan names is none.
    """
    return named or (location(plan.ledger) if plan.ledger else default_ledger())


def _is_rehearsal(options: Options) -> bool:
    return options["sandbox"] is not None


def _destination(job: Job, options: Options) -> str:
    """What the job's destination is called by whoever tells of it."""
    return f"{job.to} sandbox" if _is_rehearsal(options) else job.to


def _given(options: Options) -> dict[str, object]:
    """What the command line or the environment says for all jobs.

    Raises:
        click.UsageError: it says what only the plan can say.
    """
    context = click.get_current_context()
    said = {
        name: value
        for name, value in options.items()
        if context.get_parameter_source(name) not in {ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP}
    }
    if options["manifests"]:
        raise click.UsageError(f"--plan: {options['manifests'][0]}: the plan names the manifests of each job")
    for name in _OF_A_JOB:
        if name in said:
            whence = _whence(context, name)
            raise click.UsageError(
                f"--plan: {whence} is another for each job; write it into the plan, as {name} = …"
            )
    return {name: value for name, value in said.items() if name not in _OF_THE_PLAN}


def _whence(context: click.Context, name: str) -> str:
    """The option as it was written; one that the environment has is found by its variable."""
    if context.get_parameter_source(name) is not ParameterSource.ENVIRONMENT:
        return f"--{name}"
    return f"{context.auto_envvar_prefix}_{name.upper()} (--{name})"


def _environment(ledger: Location) -> dict[str, str]:
    """The jobs' environment: what it says of options was heard here, and who watches is told from here."""
    names = ("IMPORTER_POST_", "IMPORTER_CHECK_", "IMPORTER_CONFIG")
    told = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    place = ledger.reveal() if isinstance(ledger, Address) else str(ledger)
    return {
        **told,
        "IMPORTER_POST_LEDGER": place,
        "IMPORTER_CHECK_LEDGER": place,
        parent.VARIABLE: str(os.getpid()),
    }


def _summary(folder: Path) -> Summary | None:
    try:
        return reports.summary(folder)
    except SetupError as error:
        complain(f"importer: warning: {error}")
        return None


def _trouble(ran: Ran) -> str:
    """What ended a job, and what it complained of before, without its warnings and its log."""
    lines = [line for line in _without_warnings(ran.said) if line.strip() and not line.startswith("{")]
    said = " ".join(line.strip().removeprefix("importer: ") for line in lines)[-_MOST_SAID:]
    return "; before that it said: ".join(filter(None, (ran.killed, said)))


def _without_warnings(said: Sequence[str]) -> Iterator[str]:
    """The lines but for ours and Python's warnings; these have a line of the program below, indented."""
    is_below = False
    for line in said:
        if _WARNING.match(line):
            is_below = True
        elif not (is_below and line.startswith(" ")):
            is_below = False
            yield line


def _utc_now() -> datetime:
    return datetime.now(UTC)

"""What a run of a plan tells those who are not at the terminal: once, of all its jobs."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from importer.cli.watching import (
    is_over,
    keep,
    last_runs,
    note_of,
    oldest_in_doubt,
    opened_log,
    pings_to,
    refuse_contradictions,
    send,
    told,
    utc_now,
    warn,
    without_trouble,
)
from importer.watching import messages, metrics
from importer.watching.ending import Ending
from importer.watching.logs import Level, Log
from importer.watching.telling import TellOn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from importer.ledger import Location
    from importer.plans.ended import PlanEnded
    from importer.settings import DestinationSettings
    from importer.watching.messages import Message
    from importer.watching.pings import Pings
    from importer.watching.unreported import Note


class PlanWatch(Struct):
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
    pings: Pings | None = None

    def __post_init__(self) -> None:
        self.pings = pings_to(self.options["ping"])

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
        jobs = self._endings(utc_now())
        for tell in (self._end_log, self._write_metrics, self._ping, self._tell_people):
            without_trouble(tell, jobs)

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
        seconds = (utc_now() - self.started_at).total_seconds()
        plan_id = self.summary.plan_id if self.summary else ""
        more = {"exit_status": self.exit_status, "seconds": round(seconds, 3), "message": self.trouble}
        self.log.tell("plan-finished", level, plan_id=plan_id, **more)

    def _ping(self, jobs: Mapping[str, Ending]) -> None:
        if self.pings:
            text = "\n".join(f"{name}: {ending.sentence}" for name, ending in jobs.items())
            self.pings.end(str(self.exit_status) if self.summary else "fail", self.trouble or text)

    def _write_metrics(self, jobs: Mapping[str, Ending]) -> None:
        path = self.options["metrics"]
        try:
            if path is not None and not jobs:
                metrics.write_unread(path, self._unread(utc_now()))
            elif path is not None:
                oldest = {
                    name: oldest_in_doubt(self.ledger, self.jobs[name][1], ending.finished_at)
                    for name, ending in jobs.items()
                }
                told = {name: (ending, oldest[name]) for name, ending in jobs.items()}
                metrics.write_jobs(path, told, is_rehearsal=self.options["sandbox"] is not None)
        except OSError as error:
            warn(f"--metrics {path}: can't be written: {error.strerror or error}")

    def _tell_people(self, jobs: Mapping[str, Ending]) -> None:
        if not self.options["tell"]:
            return
        when = TellOn(self.options["tell_on"])
        runs = last_runs(self.ledger)
        notes = {name: self._note(f"job {name}") for name in jobs}
        wanted = [
            messages.is_wanted(when, ending, partial(messages.earlier, runs, job=name))
            or is_over(when, ending, notes[name])
            for name, ending in jobs.items()
        ]
        of_all = self._note("all jobs")
        if any(wanted) or self.trouble or (when is TellOn.CHANGE and of_all.is_there):
            send(self.options["tell"], self._message(jobs))
        if self.trouble:
            of_all.put()
        else:
            of_all.take_away()
        if self.summary is not None:
            for name, ending in jobs.items():
                keep(notes[name], ending)

    def _note(self, of: str) -> Note:
        return note_of(f"{self.command} --plan {self.options['plan'].absolute()}, {of}")

    def _message(self, jobs: Mapping[str, Ending]) -> Message:
        title = f"{self.command} --plan {self.options['plan']}"
        if self.summary is not None:
            return messages.compose_all(title, jobs, self.exit_status, self.trouble)
        return messages.compose(replace(self._unread(utc_now()), command=title))

    def _unread(self, now: datetime) -> Ending:
        """How a plan ended that no job was begun of."""
        return Ending(self.command, "", self.started_at, now, self.exit_status, None, self.trouble)


@contextmanager
def watched_plan(command: str, options: dict[str, Any]) -> Iterator[PlanWatch]:
    """Tell those who watch that a plan begins, and in the end, however it ends, how it went."""
    with ExitStack() as stack:
        watch = PlanWatch(command, options, opened_log(options["log"], stack), utc_now())
        if watch.pings:
            watch.pings.start()
        try:
            refuse_contradictions(command, options)
            yield watch
        except BaseException as error:
            watch.failed(*told(error))
            raise
        finally:
            watch.tell()

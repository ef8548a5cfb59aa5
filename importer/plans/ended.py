"""What came of a plan: a line for each job, one exit status for all; and how far it has come until then."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from importer.errors import CannotGoOn
from importer.model import STATUSES
from importer.report.files import finish, sync, unfinished

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from importer.report import Summary

PLAN: Final = "plan.json"
MOST_SERIOUS_FIRST: Final = (130, 143, 129, 4, 2, 3, 5, 6, 1, 0)
"""What did not run to its end goes before what did: there is something to be run again."""
RAN_TO_ITS_END: Final = frozenset({0, 1, 6})
"""The exit statuses of a job that looked at all of its rows, whatever came of them; it left a report."""


class JobEnded(Struct, frozen=True):
    """How a job ended; times are UTC.

    ``destination`` is the name in the configuration. ``summary`` is None where there is no report, and
    ``trouble`` then says why, "" if there was nothing to do. ``run_id`` is "" where nothing was to be posted.
    """

    name: str
    destination: str
    exit_status: int
    started_at: datetime
    finished_at: datetime
    report: str = ""
    summary: Summary | None = None
    trouble: str = ""
    run_id: str = ""

    def as_json(self) -> dict[str, Any]:
        """As it stands in plan.json."""
        summary = self.summary
        return {
            "name": self.name,
            "destination": self.destination,
            "exit_status": self.exit_status,
            "trouble": self.trouble,
            "run_id": self.run_id,
            "rows": summary.rows if summary else None,
            "fulfillments": summary.fulfillments if summary else None,
            "stopped_because": summary.stopped_because if summary else "",
            "started_at": _time(self.started_at),
            "finished_at": _time(self.finished_at),
            "report": self.report,
        }


class JobOpen(Struct, frozen=True):
    """A job that has not ended; ``started_at``, in UTC, is None and ``report`` "" while it is not begun."""

    name: str
    destination: str
    started_at: datetime | None = None
    report: str = ""

    def as_json(self) -> dict[str, Any]:
        """As it stands in plan.json: what is not known yet is null."""
        return {
            "name": self.name,
            "destination": self.destination,
            "exit_status": None,
            "trouble": "",
            "run_id": "",
            "rows": None,
            "fulfillments": None,
            "stopped_because": "",
            "started_at": self.started_at and _time(self.started_at),
            "finished_at": None,
            "report": self.report,
        }


class PlanUnderway(Struct, frozen=True):
    """A run of a plan that has not come to its end; its fields are as those of ``PlanEnded``."""

    plan_id: str
    command: str
    plan: str
    jobs: tuple[JobEnded | JobOpen, ...]
    started_at: datetime
    report: str

    @property
    def left(self) -> str:
        """What there is all the same where plan.json can't be written."""
        return "nothing was read or sent; let this user write there, make room, or name another --report"

    def as_json(self) -> str:
        """One JSON object, as of a plan that has ended, but for what is not known yet, which is null."""
        return _document(self, None, None, None)

    def ended(self, jobs: tuple[JobEnded, ...], finished_at: datetime, exit_status: int) -> PlanEnded:
        """The same run when it has come to its end."""
        beginning = (self.plan_id, self.command, self.plan, jobs, self.started_at)
        return PlanEnded(*beginning, finished_at, exit_status, self.report)


class PlanEnded(Struct, frozen=True):
    """A whole run of a plan; times are UTC. ``report`` is its folder, in which each job has its own."""

    plan_id: str
    command: str
    plan: str
    jobs: tuple[JobEnded, ...]
    started_at: datetime
    finished_at: datetime
    exit_status: int
    report: str

    @property
    def left(self) -> str:
        """What there is all the same where plan.json can't be written."""
        return "the reports of its jobs are in it"

    @property
    def seconds(self) -> float:
        """How long it took."""
        return round((self.finished_at - self.started_at).total_seconds(), 3)

    def as_json(self) -> str:
        """One JSON object, indented, in ASCII."""
        return _document(self, self.finished_at, self.seconds, self.exit_status)

    @property
    def rows(self) -> dict[str, int]:
        """Rows by status, of all jobs."""
        return _total(self.jobs, "rows")


def most_serious(statuses: Iterable[int]) -> int:
    """The exit status of all, where these are those of the jobs."""
    return min(statuses, key=MOST_SERIOUS_FIRST.index, default=0)


def publish(plan: PlanEnded | PlanUnderway, folder: Path) -> None:
    """Write plan.json, whole or not at all.

    Raises:
        CannotGoOn: it can't be written.
    """
    path = folder / PLAN
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with unfinished(path).open("w", encoding="utf-8") as file:
            file.write(plan.as_json() + "\n")
            sync(file)
        finish(path)
    except OSError as error:
        raise CannotGoOn(
            f"the plan's summary can't be written to {folder}: {error.strerror or error}; {plan.left}"
        ) from error


def _document(
    plan: PlanEnded | PlanUnderway,
    finished_at: datetime | None,
    seconds: float | None,
    exit_status: int | None,
) -> str:
    document = {
        "plan_id": plan.plan_id,
        "command": plan.command,
        "plan": plan.plan,
        "jobs": [job.as_json() for job in plan.jobs],
        "rows": _total(plan.jobs, "rows"),
        "fulfillments": _total(plan.jobs, "fulfillments"),
        "started_at": _time(plan.started_at),
        "finished_at": finished_at and _time(finished_at),
        "seconds": seconds,
        "exit_status": exit_status,
        "report": plan.report,
    }
    return json.dumps(document, indent=2)


def _total(jobs: Sequence[JobEnded | JobOpen], what: str) -> dict[str, int]:
    summaries = [job.summary for job in jobs if isinstance(job, JobEnded) and job.summary]
    counts = [getattr(summary, what) for summary in summaries]
    return {name: sum(count[name] for count in counts) for name in (*map(str, STATUSES), "total")}


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

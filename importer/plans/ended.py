"""What came of a plan: a line for each job, one exit status for all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from importer.errors import CannotGoOn
from importer.model import STATUSES
from importer.report.files import finish, sync, unfinished

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from importer.report import Summary

PLAN: Final = "plan.json"
MOST_SERIOUS_FIRST: Final = (130, 143, 129, 4, 2, 3, 5, 6, 1, 0)
"""What did not run to its end goes before what did: there is something to be run again."""


@dataclass(frozen=True, slots=True)
class JobEnded:
    """How a job ended; times are UTC.

    ``destination`` is the name in the configuration. ``summary`` is None where there is no report, and
    ``trouble`` then says why, "" if there was nothing to do.
    """

    name: str
    destination: str
    exit_status: int
    started_at: datetime
    finished_at: datetime
    report: str = ""
    summary: Summary | None = None
    trouble: str = ""

    def as_json(self) -> dict[str, Any]:
        """As it stands in plan.json."""
        summary = self.summary
        return {
            "name": self.name,
            "destination": self.destination,
            "exit_status": self.exit_status,
            "trouble": self.trouble,
            "run_id": summary.run_id if summary else "",
            "rows": summary.rows if summary else None,
            "fulfillments": summary.fulfillments if summary else None,
            "stopped_because": summary.stopped_because if summary else "",
            "started_at": _time(self.started_at),
            "finished_at": _time(self.finished_at),
            "report": self.report,
        }


@dataclass(frozen=True, slots=True)
class PlanEnded:
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
    def seconds(self) -> float:
        """How long it took."""
        return round((self.finished_at - self.started_at).total_seconds(), 3)

    def as_json(self) -> str:
        """One JSON object, indented, in ASCII."""
        document = {
            "plan_id": self.plan_id,
            "command": self.command,
            "plan": self.plan,
            "jobs": [job.as_json() for job in self.jobs],
            "rows": self._total("rows"),
            "fulfillments": self._total("fulfillments"),
            "started_at": _time(self.started_at),
            "finished_at": _time(self.finished_at),
            "seconds": self.seconds,
            "exit_status": self.exit_status,
            "report": self.report,
        }
        return json.dumps(document, indent=2)

    @property
    def rows(self) -> dict[str, int]:
        """Rows by status, of all jobs."""
        return self._total("rows")

    def _total(self, what: str) -> dict[str, int]:
        counts = [getattr(job.summary, what) for job in self.jobs if job.summary]
        return {name: sum(count[name] for count in counts) for name in (*map(str, STATUSES), "total")}


def most_serious(statuses: Iterable[int]) -> int:
    """The exit status of all, where these are those of the jobs."""
    return min(statuses, key=MOST_SERIOUS_FIRST.index, default=0)


def publish(ended: PlanEnded, folder: Path) -> None:
    """Write plan.json, whole or not at all.

    Raises:
        CannotGoOn: it can't be written.
    """
    path = folder / PLAN
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with unfinished(path).open("w", encoding="utf-8") as file:
            file.write(ended.as_json() + "\n")
            sync(file)
        finish(path)
    except OSError as error:
        raise CannotGoOn(
            f"the plan's summary can't be written to {folder}: {error.strerror or error}; "
            "the reports of its jobs are in it"
        ) from error


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

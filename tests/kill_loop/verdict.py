"""What the platform, the ledger and a report say, held against each other."""

from __future__ import annotations

import csv
import json
from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SHOWN = 5
"""How many of many are named."""

_AGREES: Mapping[str, frozenset[str | None]] = {
    "created": frozenset({"created"}),
    "skipped": frozenset({"created"}),
    "in-doubt": frozenset({"in-doubt", "sending"}),
    "not-sent": frozenset({"not-sent", None}),
}
"""What the ledger may have of a fulfillment, by its status in the report of the last run."""


class Known(Struct, frozen=True):
    """What the ledger has of a fulfillment; ``report`` names the folder of the run that touched it last."""

    state: str
    report: str
    message: str = ""

    def __str__(self) -> str:
        return f"{self.state}, by {self.report} ({self.message})"


class Evidence(Struct, frozen=True):
    """What is there when the last run has ended.

    ``wanted`` is the manifest's fulfillments, ``created`` how often the platform created each, ``in_flight``
    those that were being sent when some run was cut short.
    """

    wanted: frozenset[str]
    created: Counter[str]
    ledger: Mapping[str, Known]
    in_flight: frozenset[str]

    @property
    def doubled(self) -> list[str]:
        """Created more than once."""
        return sorted(name for name, count in self.created.items() if count > 1)

    @property
    def in_doubt(self) -> list[str]:
        """In doubt, as the ledger has it."""
        return sorted(name for name, known in self.ledger.items() if known.state == "in-doubt")

    @property
    def surprising(self) -> list[str]:
        """In doubt, although no run was cut short while it was sending it."""
        return sorted(set(self.in_doubt) - self.in_flight)

    @property
    def lost(self) -> list[str]:
        """Neither created, on the platform and in the ledger, nor in doubt."""
        done = {
            name for name, known in self.ledger.items() if known.state == "created" and self.created[name]
        }
        return sorted(self.wanted - done - set(self.in_doubt))

    def faults(self) -> Iterator[str]:
        """Say what is wrong, if anything."""
        wrong = {
            "created more than once": self.doubled,
            "lost": self.lost,
            "in doubt, but never in flight": self.surprising,
            "created, but never asked for": sorted(set(self.created) - self.wanted),
        }
        for what, names in wrong.items():
            if names:
                yield f"{len(names)} {what}: {', '.join(names[:SHOWN])}"


def report_faults(report: Path, rows: Sequence[str], ledger: Mapping[str, Known]) -> Iterator[str]:
    """Say what is wrong with the report of a run that ended just now.

    ``rows`` has the fulfillment of each row of the manifest.
    """
    with (report / "rows.csv").open(encoding="utf-8-sig", newline="") as file:
        found = [
            (row["import_fulfillment"], row["import_status"]) for row in csv.DictReader(file, strict=True)
        ]
    summary = json.loads((report / "summary.json").read_text(encoding="utf-8"))
    if not found and summary["stopped_because"] and not summary["manifests"]:
        sent = [name for name, known in ledger.items() if known.report == report.name]
        if sent:
            yield f"{report.name}: has no rows, though the run sent {', '.join(sent[:SHOWN])}"
        return  # it was stopped before it read anything
    if [name for name, _ in found] != list(rows):
        yield f"{report.name}: rows.csv does not have every row once, in order"
    counted = {**Counter(status for _, status in found), "total": len(found)}
    told = {status: count for status, count in summary["rows"].items() if count}
    if told != counted:
        yield f"{report.name}: summary.json has {told}, rows.csv {counted}"
    for name, status in found:
        known = ledger[name].state if name in ledger else None
        if known not in _AGREES.get(status, ()):
            yield f"{report.name}: {name} is {status}, and {known} in the ledger"

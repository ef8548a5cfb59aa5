"""Earlier runs as a list, and one of them whole, as a person reads them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from importer.printing import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rich.console import Console

    from importer.ledger import Run


def show_all(console: Console, runs: Sequence[Run]) -> None:
    """Print a line for each run."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("run", "started (UTC)", "destination", "rows", "exit", "manifests"):
        table.add_column(name, overflow="fold", no_wrap=name in {"run", "exit"})
    for run in runs:
        table.add_row(
            run.run_id,
            _time(run.started_at),
            Text(printable(run.destination)),
            _rows(run),
            "-" if run.exit_status is None else str(run.exit_status),
            Text(printable(", ".join(run.manifests))),
        )
    console.print(table)


def show(console: Console, run: Run, states: Mapping[str, int]) -> None:
    """Print one run: when, where to, what came of it, and where its report is."""
    ended = _time(run.finished_at) if run.finished_at else f"did not end in order{_remedy(run)}"
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, text in (
        ("run", run.run_id),
        ("command", run.command),
        *([("by", run.who)] if run.who else []),
        ("destination", run.destination),
        ("manifests", ", ".join(run.manifests)),
        ("started", _time(run.started_at)),
        ("ended", ended),
        ("exit status", "-" if run.exit_status is None else str(run.exit_status)),
        ("stopped because", run.stopped_because or "-"),
        ("rows", _rows(run) or "-"),
        ("in the ledger", ", ".join(f"{count:,} {state}" for state, count in states.items() if count) or "-"),
        ("report", run.report),
    ):
        table.add_row(name, Text(printable(text)))
    console.print(table)


def as_json(run: Run) -> dict[str, Any]:
    """The run as a JSON object; ``summary`` is its summary.json, null if it did not end in order."""
    return {
        "run_id": run.run_id,
        "command": run.command,
        "who": run.who,
        "destination": run.destination,
        "manifests": list(run.manifests),
        "report": run.report,
        "started_at": iso(run.started_at),
        "finished_at": iso(run.finished_at) if run.finished_at else None,
        "exit_status": run.exit_status,
        "stopped_because": run.stopped_because,
        "summary": json.loads(run.summary) if run.summary else None,
    }


def iso(at: datetime) -> str:
    """The time as JSON has it: UTC, to the second."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _remedy(run: Run) -> str:
    return f"; 'importer runs {run.run_id} --report DIR' writes its report" if run.given else ""


def _rows(run: Run) -> str:
    if not run.summary:
        return ""
    rows = json.loads(run.summary)["rows"]
    return ", ".join(f"{count:,} {status}" for status, count in rows.items() if count and status != "total")


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"

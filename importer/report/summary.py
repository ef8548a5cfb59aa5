"""A run in figures: summary.json and ``--json``, the same object."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from importer.errors import CannotGoOn
from importer.model import STATUSES
from importer.report.files import finish, sync, unfinished

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from importer.report.account import Account, Examples
    from importer.report.table import Written

SUMMARY = "summary.json"


class ManifestRead(Struct, frozen=True):
    """One manifest as it was read.

    ``columns`` says under which header each canonical column stands, ``other_columns`` which headers could
    have been it, too, and are only carried through; ``passed_over`` are the numbers of rows of totals and
    footers, which are no data, ``header_rows`` those of rows that say the header again. ``layout_fit`` says
    how much of the layout the file has, "" where that is not counted. ``sheet`` is the one of a workbook
    that was read, and ``notes`` what else a person should know of how it was. ``argument`` is how a command
    names it, or the archive that it is in. ``tracking_numbers`` counts the rows by whose numbers they have.
    """

    name: str
    format: str
    layout: str
    encoding: str
    delimiter: str
    header_row: int
    columns: dict[str, str]
    sha256: str
    rows: int
    passed_over: tuple[int, ...] = ()
    other_columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    layout_fit: str = ""
    header_rows: tuple[int, ...] = ()
    sheet: str = ""
    notes: tuple[str, ...] = ()
    argument: str = ""
    tracking_numbers: dict[str, int] = field(default_factory=dict)


LEFT_ALONE: Final = "left alone: "
"""What is said first of a file that was not taken."""


class Filed(Struct, frozen=True):
    """Where a file of an inbox went, ``to`` is "" where it stayed, and why.

    ``is_fault`` says that it should have been moved and could not be, ``is_manifest`` that it was read.
    """

    name: str
    to: str
    why: str
    is_fault: bool = False
    is_manifest: bool = True

    @property
    def is_left_alone(self) -> bool:
        """Whether it was not taken, for it may still be being written."""
        return self.why.startswith(LEFT_ALONE)


class Summary(Struct, frozen=True):
    """A whole run in figures; times are UTC, ``seconds`` is wall time.

    ``to_mend`` is how many rows errors.csv has. ``mails`` is how many customers the destination was, or would
    be, asked to mail; None where that is no longer known. ``ledger`` is the path of the ledger that was
    written, "" for a dry run. ``files`` says where each file went, None where none was to be moved.
    ``filled_carriers`` counts the fulfillments whose carrier the tracking number told, by carrier.
    ``attention`` is the same for runs in which the same fulfillments need attention for the same reasons.
    ``notes`` is what a person should know of what was found beside the manifests.
    """

    run_id: str
    command: str
    destination: str
    manifests: Sequence[ManifestRead]
    rows: dict[str, int]
    fulfillments: dict[str, int]
    errors: dict[str, Examples]
    warnings: dict[str, Examples]
    started_at: datetime
    finished_at: datetime
    exit_status: int
    stopped_because: str
    reports: dict[str, str] = field(default_factory=dict)
    to_mend: int = 0
    mails: int | None = 0
    ledger: str = ""
    ledger_is_new: bool = False
    files: tuple[Filed, ...] | None = None
    filled_carriers: dict[str, int] = field(default_factory=dict)
    attention: str = ""
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """How long the run took."""
        return round((self.finished_at - self.started_at).total_seconds(), 3)

    def as_json(self) -> str:
        """One JSON object, indented, in ASCII."""
        document: dict[str, Any] = {
            "run_id": self.run_id,
            "command": self.command,
            "destination": self.destination,
            "manifests": [_manifest(manifest) for manifest in self.manifests],
            "rows": self.rows,
            "fulfillments": self.fulfillments,
            "errors": {code: examples.count for code, examples in self.errors.items()},
            "warnings": {code: examples.count for code, examples in self.warnings.items()},
            "started_at": _time(self.started_at),
            "finished_at": _time(self.finished_at),
            "seconds": self.seconds,
            "exit_status": self.exit_status,
            "stopped_because": self.stopped_because,
            "mails": self.mails,
            "filled_carriers": self.filled_carriers,
            "attention": self.attention,
            "notes": list(self.notes),
            "reports": self.reports,
            "ledger": self.ledger,
        }
        if self.files is not None:
            document["files"] = [
                {"name": file.name, "to": file.to, "why": file.why, "is_manifest": file.is_manifest}
                for file in self.files
            ]
        return json.dumps(document, indent=2)


def summarize(account: Account, written: Written) -> tuple[dict[str, int], dict[str, int]]:
    """Rows and fulfillments by status, each with ``total``."""
    counts = account.count_of_fulfillments().tolist()
    fulfillments = {str(status): int(count) for status, count in zip(STATUSES, counts, strict=True)}
    return (
        written.rows | {"total": written.total},
        fulfillments | {"total": sum(counts)},
    )


def publish(summary: Summary, folder: Path) -> None:
    """Write summary.json, whole or not at all.

    Raises:
        CannotGoOn: it can't be written.
    """
    path = folder / SUMMARY
    try:
        with unfinished(path).open("w", encoding="utf-8") as file:
            file.write(summary.as_json() + "\n")
            sync(file)
        finish(path)
    except OSError as error:
        raise CannotGoOn(f"the summary can't be written to {folder}: {error.strerror or error}") from error


def _manifest(manifest: ManifestRead) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "format": manifest.format,
        "sheet": manifest.sheet,
        "layout": manifest.layout,
        "layout_fit": manifest.layout_fit,
        "encoding": manifest.encoding,
        "delimiter": manifest.delimiter,
        "header_row": manifest.header_row,
        "columns": manifest.columns,
        "other_columns": {column: list(headers) for column, headers in manifest.other_columns.items()},
        "sha256": manifest.sha256,
        "rows": manifest.rows,
        "passed_over": list(manifest.passed_over),
        "header_rows": list(manifest.header_rows),
        "notes": list(manifest.notes),
        "argument": manifest.argument,
        "tracking_numbers": manifest.tracking_numbers,
    }


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

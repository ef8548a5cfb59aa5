"""Findings and outcomes → one line per row: tables, a summary, and what a person sees on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.report.account import NUMBER_OF, Account, Examples, Outcomes, Position
from importer.report.folder import made, refuse_existing
from importer.report.summary import SUMMARY, ManifestRead, Summary, publish, summarize
from importer.report.table import ERRORS, ROWS, Page, Written, write

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "NUMBER_OF",
    "Account",
    "Examples",
    "ManifestRead",
    "Outcomes",
    "Page",
    "Position",
    "Summary",
    "Written",
    "made",
    "paths",
    "publish",
    "refuse_existing",
    "summarize",
    "write",
]


def paths(folder: Path) -> dict[str, str]:
    """Where the files of a report stand in ``folder``."""
    return {"rows": str(folder / ROWS), "errors": str(folder / ERRORS), "summary": str(folder / SUMMARY)}

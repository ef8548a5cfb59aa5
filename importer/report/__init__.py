"""Findings and outcomes → one line per row: tables, a summary, and what a person sees on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.report.account import NUMBER_OF, Account, Examples, Outcomes, Position
from importer.report.folder import made, refuse_existing
from importer.report.summary import SUMMARY, Filed, ManifestRead, Summary, publish, summarize
from importer.report.table import ERRORS, ROWS, Page, Written, write
from importer.report.workbook import WORKBOOK, Book
from importer.report.workbook import opened as workbook

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "NUMBER_OF",
    "Account",
    "Book",
    "Examples",
    "Filed",
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
    "workbook",
    "write",
]


def paths(folder: Path, *, xlsx: bool = False) -> dict[str, str]:
    """Where the files of a report stand in ``folder``; ``xlsx`` says that it has a workbook, too."""
    names = {"rows": ROWS, "errors": ERRORS, "summary": SUMMARY, **({"xlsx": WORKBOOK} if xlsx else {})}
    return {kind: str(folder / name) for kind, name in names.items()}

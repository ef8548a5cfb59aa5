"""Findings and outcomes → one line per row: tables, a summary, and what a person sees on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.report.account import NUMBER_OF, Account, Examples, Outcomes, Position
from importer.report.attention import attention_with
from importer.report.folder import made, refuse_existing
from importer.report.page import WebPage
from importer.report.pages import Page
from importer.report.sinks import Sink
from importer.report.summary import LEFT_ALONE, SUMMARY, Filed, ManifestRead, Summary, publish, summarize
from importer.report.table import ERRORS, ROWS, Written, write

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "LEFT_ALONE",
    "NUMBER_OF",
    "SUMMARY",
    "Account",
    "Examples",
    "Filed",
    "ManifestRead",
    "Outcomes",
    "Page",
    "Position",
    "Sink",
    "Summary",
    "WebPage",
    "Written",
    "attention_with",
    "made",
    "paths",
    "publish",
    "refuse_existing",
    "summarize",
    "write",
]


def paths(folder: Path) -> dict[str, str]:
    """Where the files stand in ``folder`` that every report has, but for those that sinks write."""
    names = {"rows": ROWS, "errors": ERRORS, "summary": SUMMARY}
    return {kind: str(folder / name) for kind, name in names.items()}

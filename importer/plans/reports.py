"""The report of a plan's job read back, as far as people are told of it."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from msgspec.structs import replace

from importer import reviewing
from importer.errors import SetupError
from importer.longest import LONGEST_REPORTED, cells_up_to
from importer.report import SUMMARY, Examples, finished
from importer.report.table import ERRORS

if TYPE_CHECKING:
    from pathlib import Path

    from importer.report import Summary


def summary(folder: Path) -> Summary | None:
    """The summary with the first rows of each problem; None where there is no report.

    Raises:
        SetupError: the report can't be read.
    """
    if not (folder / SUMMARY).exists():
        return None
    found = finished.read(folder)
    errors = {
        group.code: Examples(group.count, [(row.source, int(row.row), row.message) for row in group.first])
        for group in reviewing.groups(found)
        if group.is_fault
    }
    return replace(found.summary, errors=errors, to_mend=_rows(folder / ERRORS))


def _rows(table: Path) -> int:
    try:
        with cells_up_to(LONGEST_REPORTED), table.open(encoding="utf-8-sig", newline="") as file:
            return max(sum(1 for _ in csv.reader(file)) - 1, 0)
    except (OSError, ValueError, csv.Error) as error:
        raise SetupError(f"{table}: can't be read as the table of a report") from error

"""What the rows of a mended errors.csv say of themselves: which row of which report each was."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from importer.report.summary import SUMMARY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from importer.report.finished import Block, Finished
    from importer.report.summary import ManifestRead

    Text: TypeAlias = pa.Array[Any]

TELLING: Final = (
    *("import_source", "import_row", "import_status", "import_code"),
    *("import_message", "import_fulfillment"),
)
"""The columns of errors.csv that together tell a row of a report from all others."""
_MARK: Final = "\x1f"
_DELIMITED: Final = "delimited"


def said(report: Finished, folders: Collection[Path]) -> dict[tuple[str, str], str]:
    """For each row of ``report``, by manifest and number, what its line in the mended table said.

    A manifest is asked only while it is there as the run read it, and if it does not stand in the folder of
    a report that is none of ``folders`` (resolved).
    """
    moved = {file.name: file.to for file in report.summary.files or () if file.to}
    found: dict[tuple[str, str], str] = {}
    for manifest in report.summary.manifests:
        path = Path(moved.get(manifest.name) or manifest.argument or manifest.name)
        if manifest.format == _DELIMITED and _is_as_read(path, manifest) and _may_be_of(path, folders):
            found |= {(manifest.name, str(row)): told for row, told in _lines(path, manifest)}
    return found


def of_block(block: Block) -> Text:
    """The same of rows that a report has, as one text each."""
    cells = [block[name].cast(pa.large_string()) for name in TELLING]
    return pc.binary_join_element_wise(*cells, pa.scalar(_MARK, pa.large_string()))


def _is_as_read(path: Path, manifest: ManifestRead) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == manifest.sha256
    except (OSError, ValueError):
        return False


def _may_be_of(path: Path, folders: Collection[Path]) -> bool:
    folder = path.resolve().parent
    return folder in folders or not (folder / SUMMARY).exists()


def _lines(path: Path, manifest: ManifestRead) -> Iterator[tuple[int, str]]:
    """Row number, as a spreadsheet counts, and what the line says; none where it has not all columns."""
    with path.open(encoding=manifest.encoding, errors="replace", newline="") as file:
        lines = csv.reader(file, delimiter=manifest.delimiter)
        try:
            headers = [header.removeprefix("\ufeff") for header in next(lines, [])]
            if not set(TELLING) <= set(headers):
                return
            places = [headers.index(name) for name in TELLING]
            for number, cells in enumerate(lines, start=2):
                if len(cells) == len(headers):
                    yield number, _MARK.join(cells[place] for place in places)
        except csv.Error:
            return

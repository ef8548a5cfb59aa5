"""What the rows of a mended errors.csv or report.xlsx say: which row of which report each of them was."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from importer.longest import LONGEST_REPORTED, cells_up_to
from importer.model import FINE
from importer.report.files import ROWS, WORKBOOK
from importer.report.summary import SUMMARY
from importer.report.table import ERRORS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from importer.report.finished import Block, Finished
    from importer.report.summary import ManifestRead

TELLING: Final = (
    *("import_source", "import_row", "import_status", "import_code"),
    *("import_message", "import_fulfillment"),
)
"""The columns of errors.csv that together tell a row of a report from all others."""
_STATUS: Final = TELLING.index("import_status")
_MARK: Final = "\x1f"
_DELIMITED: Final = "delimited"
_BYTES: Final = 16  # of what is told of a row: a report has millions, and their messages are long


class Said(Struct, frozen=True):
    """What the lines of a mended table say that needed attention: as ``of_block`` has it, by row number.

    ``folder`` (resolved) is where the table stands.
    """

    folder: Path
    told: Mapping[str, bytes]


def tables(folders: Collection[Path]) -> dict[str, Path]:
    """The tables of these reports by SHA-256 that may be mended in their places, and read by a run there."""
    paths = [folder / name for folder in folders for name in (ERRORS, WORKBOOK)]
    return {digest: path for path in paths if (digest := _digest_of(path))}


def said(report: Finished, folders: Collection[Path], errors: Mapping[str, Path]) -> dict[str, Said]:
    """What the lines of each mended table say that was a manifest of ``report``, by manifest.

    A manifest is asked only while it is there as the run read it: where it was then, the same way from a
    folder above the report's, or among the ``tables`` that are known, ``errors``. One that stands in the
    folder of a report that is none of ``folders`` (resolved) is not asked.
    """
    moved = {file.name: file.to for file in report.summary.files or () if file.to}
    found: dict[str, Said] = {}
    for manifest in report.summary.manifests:
        if manifest.format != _DELIMITED and manifest.sheet != ROWS:
            continue
        named = Path(moved.get(manifest.name) or manifest.argument or manifest.name)
        for path in _paths(named, report.folder, errors.get(manifest.sha256)):
            if _may_be_of(path, folders) and _may_tell(path, manifest) and _is_as_read(path, manifest):
                found[manifest.name] = Said(path.resolve().parent, dict(_lines(path, manifest)))
                break
    return found


def of_block(block: Block) -> list[bytes]:
    """What is told of each of these rows of a report, as short as can be."""
    cells = [block[name].cast(pa.large_string()) for name in TELLING]
    texts = pc.binary_join_element_wise(*cells, pa.scalar(_MARK, pa.large_string()))
    return list(map(_short, texts.to_pylist()))


def _short(told: str) -> bytes:
    return hashlib.blake2b(told.encode(), digest_size=_BYTES).digest()


def _paths(named: Path, folder: Path, known: Path | None) -> Iterator[Path]:
    yield named
    if not named.is_absolute():
        yield from (above / named for above in folder.resolve().parents)
    if known is not None:
        yield known


def _may_be_of(path: Path, folders: Collection[Path]) -> bool:
    folder = path.resolve().parent
    return folder in folders or not (folder / SUMMARY).exists()


def _may_tell(path: Path, manifest: ManifestRead) -> bool:
    """Whether it may be a table that has all columns; no other delimited one is read whole."""
    if manifest.format != _DELIMITED:
        return True
    try:
        if not path.is_file():  # a named pipe would be waited for
            return False
        with path.open(encoding=manifest.encoding, errors="replace", newline="") as file:
            return set(TELLING) <= set(_headers(csv.reader(file, delimiter=manifest.delimiter)))
    except (OSError, ValueError, csv.Error):
        return False


def _headers(lines: Iterator[list[str]]) -> list[str]:
    return [header.removeprefix("\ufeff") for header in next(lines, [])]


def _is_as_read(path: Path, manifest: ManifestRead) -> bool:
    return _digest_of(path) == manifest.sha256


def _digest_of(path: Path) -> str:
    """The SHA-256 of a file, "" where it can't be read."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return ""


def _lines(path: Path, manifest: ManifestRead) -> Iterator[tuple[str, bytes]]:
    """Row number, as a spreadsheet counts, and what the line says of a row that needed attention."""
    with cells_up_to(LONGEST_REPORTED):
        lines = (_delimited if manifest.format == _DELIMITED else _sheet)(path, manifest)
        headers = _headers(lines)
        places = [headers.index(name) for name in TELLING if name in headers]
        for number, cells in enumerate(lines if len(places) == len(TELLING) else (), start=2):
            if len(cells) == len(headers) and cells[places[_STATUS]] not in FINE:
                yield str(number), _short(_MARK.join(cells[place] for place in places))


def _delimited(path: Path, manifest: ManifestRead) -> Iterator[list[str]]:
    with path.open(encoding=manifest.encoding, errors="replace", newline="") as file:
        yield from csv.reader(file, delimiter=manifest.delimiter)


def _sheet(path: Path, manifest: ManifestRead) -> Iterator[list[str]]:
    from python_calamine import CalamineWorkbook  # noqa: PLC0415 - only where a workbook was mended

    with path.open("rb") as file, CalamineWorkbook.from_filelike(file) as book:
        for cells in book.get_sheet_by_name(manifest.sheet).to_python(skip_empty_area=False):
            yield [cell if isinstance(cell, str) else "" for cell in cells]  # what tells of a row is text

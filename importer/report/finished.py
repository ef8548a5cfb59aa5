"""A finished report read back: its summary, and its rows a block at a time."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.csv as pacsv
from msgspec import Struct

from importer.errors import SetupError
from importer.longest import LONGEST_REPORTED
from importer.model import STATUSES
from importer.report.account import Examples
from importer.report.files import UNFINISHED, WORKBOOK
from importer.report.page import PAGE
from importer.report.summary import SUMMARY, Filed, ManifestRead, Summary
from importer.report.table import ERRORS, ROWS
from schemas.formulas import unguarded
from schemas.manifest import REPORT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    Block: TypeAlias = Mapping[str, pa.Array[Any]]

IDENTITY: Final = ("order_id", "tracking_number", "sku")
"""The canonical columns that a row is known by."""
_FILES: Final = frozenset((ROWS, ERRORS, SUMMARY, PAGE, WORKBOOK))
_BLOCK_BYTES: Final = 4 * 1024 * 1024
_EXPECTED: Final = f"the folder of a report, or its {ROWS}, {ERRORS} or {SUMMARY}"


class Row(Struct, frozen=True):
    """A row as a report has it: what it is known by, and what was said of it; all as text, "" for none."""

    order_id: str
    tracking_number: str
    sku: str
    source: str
    row: str
    status: str
    code: str
    message: str
    hint: str
    warning: str
    fulfillment: str
    http_status: str
    attempts: str
    at: str


class Finished(Struct, frozen=True):
    """A report as it stands in ``folder``.

    ``document`` is its summary.json as it is, and ``summary`` the same without examples. ``places`` says at
    which position of rows.csv each column is that is wanted of it, the ``canonical`` ones of a row's identity
    as far as the report has them.
    """

    folder: Path
    document: Mapping[str, Any]
    summary: Summary
    places: Mapping[str, int]
    width: int

    @property
    def page(self) -> Path:
        """Where the page stands, if the report has one."""
        return self.folder / PAGE

    @property
    def identity(self) -> frozenset[str]:
        """Which of the columns that a row is known by the report has."""
        return frozenset(IDENTITY) & self.places.keys()

    def blocks(self) -> Iterator[Block]:
        """The rows in order, some at a time: text columns as they are written, by name.

        They are those of a row's identity, blank where the report has none, and the report's own.

        Raises:
            SetupError: the table can't be read, or is not as it was written.
        """
        path = self.folder / ROWS
        try:
            for batch in _batches(path, self.width, self.places):
                found = dict(zip(self.places, batch.columns, strict=True))
                blank = pa.repeat("", len(batch))
                yield {name: found.get(name, blank) for name in (*IDENTITY, *REPORT_COLUMNS)}
        except (OSError, pa.ArrowInvalid) as error:
            raise SetupError(f"{path}: can't be read as the table of a report: {error}") from error


def read(path: Path) -> Finished:
    """The report at ``path``, its folder or a file in it.

    Raises:
        SetupError: it is no report, or one without its summary, as a killed run leaves it.
    """
    folder = path.parent if path.name in _FILES and not path.is_dir() else path
    text = _text(path, folder)
    try:
        document = json.loads(text)
        summary = _summary(document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SetupError(
            f"{folder / SUMMARY}: found no summary of a report in it, expected it as the run wrote it"
        ) from error
    headers = _headers(folder / ROWS)
    if len(headers) < len(REPORT_COLUMNS) or tuple(headers[-len(REPORT_COLUMNS) :]) != REPORT_COLUMNS:
        raise SetupError(
            f"{folder / ROWS}: found other columns than a report has, expected it as the run wrote it"
        )
    return Finished(folder, document, summary, _places(headers, summary.manifests), len(headers))


def rows_of(block: Block, places: Sequence[int]) -> list[Row]:
    """The rows at ``places`` of the block, their cells without the quote against formulas."""
    if not places:
        return []
    taken = [column.take(pa.array(places)).to_pylist() for column in block.values()]
    return [Row(*map(unguarded, cells)) for cells in zip(*taken, strict=True)]


def _text(path: Path, folder: Path) -> str:
    try:
        return (folder / SUMMARY).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        if not path.exists():
            raise SetupError(f"{path}: there is nothing there; expected {_EXPECTED}") from error
        if _is_begun(folder):
            raise SetupError(
                f"{folder}: a report without its {SUMMARY}: its run is still going on, or was killed; "
                "'importer runs' lists the runs, and 'importer runs RUN-ID --report DIR' writes their reports"
            ) from error
        raise SetupError(f"{path}: found no report; expected {_EXPECTED}") from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SetupError(f"{folder / SUMMARY}: can't be read: {why}") from error


def _is_begun(folder: Path) -> bool:
    return folder.is_dir() and any(
        each.name in _FILES or each.name.endswith(UNFINISHED) for each in folder.iterdir()
    )


def _headers(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as table:
            return next(csv.reader(table), [])
    except (OSError, ValueError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a table that a report has"
        raise SetupError(f"{path}: can't be read: {why}") from error


def _places(headers: Sequence[str], manifests: Sequence[ManifestRead]) -> dict[str, int]:
    """Where the columns stand: what all manifests call the same has that name, all else its canonical one."""
    own = [unguarded(header) for header in headers[: -len(REPORT_COLUMNS)]]
    places = {}
    for name in IDENTITY:
        called = {manifest.columns[name] for manifest in manifests if name in manifest.columns}
        header = called.pop() if len(called) == 1 else name
        if header in own:
            places[name] = own.index(header)
    return places | {name: len(own) + at for at, name in enumerate(REPORT_COLUMNS)}


def _batches(path: Path, width: int, places: Mapping[str, int]) -> Iterator[pa.RecordBatch]:
    """The rows; where one is longer than a block, from there on in blocks that hold any."""
    given = 0
    try:
        for batch in _opened(path, width, places, _BLOCK_BYTES):
            yield batch
            given += len(batch)
    except pa.ArrowInvalid:
        yield from _opened(path, width, places, LONGEST_REPORTED, skipped=given)


def _opened(
    path: Path, width: int, places: Mapping[str, int], block_bytes: int, skipped: int = 0
) -> pacsv.CSVStreamingReader:
    names = [str(position) for position in range(width)]
    return pacsv.open_csv(
        path,
        pacsv.ReadOptions(
            column_names=names, skip_rows_after_names=1 + skipped, block_size=block_bytes, use_threads=False
        ),
        pacsv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=[str(position) for position in places.values()],
            strings_can_be_null=False,
        ),
    )


def _summary(document: Mapping[str, Any]) -> Summary:
    """The summary that was written as ``document``, but for what only the terminal was told."""
    files = document.get("files")
    return Summary(
        run_id=document["run_id"],
        command=document["command"],
        destination=document["destination"],
        manifests=[_manifest(manifest) for manifest in document["manifests"]],
        rows=_counts(document["rows"]),
        fulfillments=_counts(document["fulfillments"]),
        errors={code: Examples(int(count)) for code, count in document["errors"].items()},
        warnings={code: Examples(int(count)) for code, count in document["warnings"].items()},
        started_at=datetime.fromisoformat(document["started_at"]),
        finished_at=datetime.fromisoformat(document["finished_at"]),
        exit_status=document["exit_status"],
        stopped_because=document["stopped_because"],
        reports=document["reports"],
        mails=document.get("mails"),
        ledger=document.get("ledger", ""),
        filled_carriers=document.get("filled_carriers", {}),
        attention=document.get("attention", ""),
        notes=tuple(document.get("notes", ())),
        files=None if files is None else tuple(Filed(**file) for file in files),
    )


def _counts(told: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(told[name]) for name in (*STATUSES, "total")}


def _manifest(told: Mapping[str, Any]) -> ManifestRead:
    others = {column: tuple(headers) for column, headers in told.get("other_columns", {}).items()}
    lists = {name: tuple(told.get(name, ())) for name in ("passed_over", "header_rows", "notes")}
    known = {name: told[name] for name in ManifestRead.__struct_fields__ if name in told}
    return ManifestRead(**{**known, **lists, "other_columns": others})

"""Manifests → all checked rows of a run, as columns, and where each row stands."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa

from importer import manifests, tracking
from importer.findings import Findings, Mentions
from importer.model import MAIL_ALONE
from importer.report import ManifestRead, Page, Position
from importer.rows import Checker
from schemas.manifest import EDI_VERDICT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from importer.manifests import Block, Manifest
    from importer.rows import Checked

    Text: TypeAlias = pa.ChunkedArray[Any]


@dataclass(slots=True)
class Read:
    """What is kept of the manifests: the good rows' canonical columns, the bad rows' findings.

    Per row: ``order_id`` and ``tracking_number`` (strings, null where unknown), ``sku``, ``quantity``
    (int32), ``bad`` (bool), ``manifest`` (its place in the run) and ``document`` (a number that the rows of
    one manifest share, and in EDI those of one transaction). ``positions`` says where rows stand,
    ``counts`` how many each manifest has, ``passed_over`` its rows of totals, ``header_rows`` those that say
    the header again. ``orders`` and ``numbers`` are
    what may be an order id or a tracking number in rows whose cells can't be told apart. ``taken`` has the
    further columns that the destination makes something of (strings, '' for a blank). ``idle`` (bool) are
    rows that say that nothing was shipped. ``filled_down`` says of each manifest how many of its rows were
    filled in from above, ``carriers`` whose tracking numbers its rows have (see ``tracking.tally``).
    """

    order_id: Text
    tracking_number: Text
    sku: Text
    quantity: npt.NDArray[np.int32]
    bad: npt.NDArray[np.bool_]
    manifest: npt.NDArray[np.int32]
    document: npt.NDArray[np.int64]
    findings: Findings
    warnings: Findings
    orders: Mentions
    numbers: Mentions
    positions: list[Position]
    counts: list[int]
    passed_over: list[tuple[int, ...]]
    header_rows: list[tuple[int, ...]]
    idle: npt.NDArray[np.bool_]
    taken: Mapping[str, Text] = field(default_factory=dict)
    filled_down: Sequence[int] = ()
    carriers: Sequence[Counter[str]] = ()


@dataclass(slots=True)
class _Gathered:
    checked: list[Checked] = field(default_factory=list)
    findings: list[Findings] = field(default_factory=list)
    warnings: list[Findings] = field(default_factory=list)
    orders: list[Mentions] = field(default_factory=list)
    numbers: list[Mentions] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    documents: list[npt.NDArray[np.int64]] = field(default_factory=list)
    document: int = 0
    rows: int = 0

    def add(self, checked: Checked, block: Block, manifest: Manifest) -> None:
        self.checked.append(checked)
        self.findings.append(checked.findings.shifted(self.rows))
        doubts = [
            Findings.of(np.flatnonzero(mask), code, column) for (code, column), mask in block.doubts.items()
        ]
        self.warnings.append(Findings.join([checked.warnings, *doubts]).shifted(self.rows))
        self.orders.append(checked.orders.shifted(self.rows))
        self.numbers.append(checked.numbers.shifted(self.rows))
        self.positions.append(Position(self.rows, manifest.name, block.rows))
        inside = manifest.edi.transactions_of(block.rows) + 1 if manifest.edi else np.zeros_like(block.rows)
        self.documents.append(inside + self.document)
        self.rows += len(block)

    def end(self) -> None:
        """The manifest ends: what comes next is another document."""
        if self.documents and len(self.documents[-1]):
            self.document = int(self.documents[-1].max()) + 1


def read_all(
    surveyed: Sequence[Manifest],
    order_id: str,
    *,
    strict_tracking: bool,
    progress: Callable[[int], None],
    takes: tuple[str, ...] = (),
    optional: tuple[str, ...] = (),
) -> Read:
    """Read and check every row of every manifest; ``progress`` is told how many rows came in.

    ``takes`` and ``optional`` are as for a ``Checker``.

    Raises:
        ManifestError: a manifest turns out not to be one, or changes while it is read.
    """
    gathered = _Gathered()
    counts: list[int] = []
    passed_over: list[tuple[int, ...]] = []
    header_rows: list[tuple[int, ...]] = []
    filled_down: list[int] = []
    carriers: list[Counter[str]] = []
    for manifest in surveyed:
        before = gathered.rows
        filled_down.append(0)
        carriers.append(Counter())
        totals: list[int] = []
        headers: list[int] = []
        checker = Checker(
            manifest.canonical, order_id, strict_tracking, takes, optional, whole_rows=_is_of_edi(manifest)
        )
        for block in manifests.blocks(manifest):
            totals.extend(block.passed_over)
            headers.extend(block.header_rows)
            filled_down[-1] += block.filled_down
            checked = checker.check(block.values, block.misfits)
            if "tracking_number" in block.values:
                carriers[-1] += tracking.tally(checked.tracking_number, block.values.get("tracking_company"))
            gathered.add(checked, block, manifest)
            progress(len(block))
        gathered.end()
        counts.append(gathered.rows - before)
        passed_over.append(tuple(totals))
        header_rows.append(tuple(headers))
    read = _joined(gathered, counts, passed_over, header_rows, takes)
    return replace(read, filled_down=filled_down, carriers=carriers)


def _is_of_edi(manifest: Manifest) -> bool:
    """Whether it is EDI, or a report of EDI, which has the verdict as a column of its own."""
    return EDI_VERDICT in manifest.canonical and EDI_VERDICT not in manifest.filled_in


def page(manifest: Manifest) -> Page:
    """The manifest as the report reads it again."""
    filled_in = manifest.filled_in
    meant = {name: len(manifest.kept) + at for at, name in enumerate(filled_in)}

    def blocks() -> Iterator[
        tuple[list[pa.Array[Any]], npt.NDArray[np.int64], Mapping[int, tuple[str, Sequence[str]]]]
    ]:
        for block in manifests.blocks(manifest):
            misfits = {at: (misfit.code, misfit.cells) for at, misfit in block.misfits.items()}
            yield [*block.cells, *(block.values[name] for name in filled_in)], block.rows, misfits

    return Page(
        name=manifest.name,
        headers=manifest.headers,
        width=len(manifest.form.headers),
        canonical=manifest.columns,
        meant=meant,
        delimiter=manifest.form.delimiter,
        blocks=blocks,
        addresses=_addresses(manifest),
        encoding=manifest.encoded.encoding,
        decimal_comma=manifest.fit.layout.decimal_comma,
    )


def _addresses(manifest: Manifest) -> tuple[str, ...]:
    """``Sheet1!D`` for each column of a workbook; a row number makes it a cell's address."""
    if manifest.sheet is None:
        return ()
    name = manifest.sheet.name
    sheet = name if name.isidentifier() else "'{}'".format(name.replace("'", "''"))
    return tuple(f"{sheet}!{_letters(position)}" for position in manifest.kept)


def _letters(position: int) -> str:
    """The first column is A, the 27th AA."""
    letters = ""
    position += 1
    while position:
        position, letter = divmod(position - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters


def describe(surveyed: Sequence[Manifest], read: Read) -> list[ManifestRead]:
    """What the summary says of each manifest."""
    return [
        ManifestRead(
            name=manifest.name,
            format=manifest.format,
            layout=manifest.layout,
            encoding=manifest.encoded.encoding,
            delimiter=manifest.form.delimiter,
            header_row=manifest.form.header_row,
            columns={column: manifest.headers[position] for column, position in manifest.columns.items()},
            sha256=manifest.encoded.sha256,
            rows=rows,
            passed_over=passed_over,
            other_columns=dict(manifest.others),
            layout_fit=manifest.fit.words,
            header_rows=header_rows,
            sheet=manifest.sheet.name if manifest.sheet else "",
            notes=(*manifest.notes, *_filled_down(filled_down, manifest)),
            argument=manifest.source.argument,
            tracking_numbers=dict(carriers.most_common()),
        )
        for manifest, rows, passed_over, header_rows, filled_down, carriers in zip(
            surveyed,
            read.counts,
            read.passed_over,
            read.header_rows,
            read.filled_down,
            read.carriers,
            strict=True,
        )
    ]


def _filled_down(rows: int, manifest: Manifest) -> Iterator[str]:
    columns = " and ".join(name for name in manifest.fit.layout.fill_down if name in manifest.columns)
    if rows == 1:
        yield f"1 row is filled down from the row above: {columns}"
    elif rows:
        yield f"{rows:,} rows are filled down from the rows above: {columns}"


def _joined(
    gathered: _Gathered,
    counts: list[int],
    passed_over: list[tuple[int, ...]],
    header_rows: list[tuple[int, ...]],
    takes: tuple[str, ...],
) -> Read:
    checked = gathered.checked
    return Read(
        order_id=pa.chunked_array([part.order_id for part in checked], pa.string()),
        tracking_number=pa.chunked_array([part.tracking_number for part in checked], pa.string()),
        sku=pa.chunked_array([part.sku for part in checked], pa.string()),
        quantity=np.concatenate([part.quantity for part in checked] or [np.empty(0, dtype=np.int32)]),
        bad=np.concatenate([part.bad for part in checked] or [np.empty(0, dtype=bool)]),
        manifest=np.repeat(np.arange(len(counts), dtype=np.int32), counts),
        document=np.concatenate(gathered.documents or [np.empty(0, dtype=np.int64)]),
        findings=Findings.join(gathered.findings),
        warnings=Findings.join(gathered.warnings),
        orders=Mentions.join(gathered.orders),
        numbers=Mentions.join(gathered.numbers),
        positions=gathered.positions,
        counts=counts,
        passed_over=passed_over,
        header_rows=header_rows,
        idle=np.concatenate([part.idle for part in checked] or [np.empty(0, dtype=bool)]),
        taken={
            name: _column(name, checked)
            for name in (*takes, MAIL_ALONE)
            if any(name in part.taken for part in checked)
        },
    )


def _column(name: str, checked: Sequence[Checked]) -> Text:
    """The column of all manifests, blank where one has no such column."""
    chunks = [part.taken.get(name, pa.repeat("", len(part.bad))) for part in checked]
    return pa.chunked_array(chunks, pa.string())

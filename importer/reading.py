"""Manifests → all checked rows of a run, as columns, and where each row stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa

from importer import manifests
from importer.findings import Findings, Mentions
from importer.model import MAIL_ALONE
from importer.report import ManifestRead, Page, Position
from importer.rows import Checker

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
    (int32), ``bad`` (bool) and ``manifest`` (its place in the run). ``positions`` says where rows stand,
    ``counts`` how many each manifest has, ``passed_over`` its rows of totals. ``orders`` and ``numbers`` are
    what may be an order id or a tracking number in rows whose cells can't be told apart. ``taken`` has the
    further columns that the destination makes something of (strings, '' for a blank).
    """

    order_id: Text
    tracking_number: Text
    sku: Text
    quantity: npt.NDArray[np.int32]
    bad: npt.NDArray[np.bool_]
    manifest: npt.NDArray[np.int32]
    findings: Findings
    warnings: Findings
    orders: Mentions
    numbers: Mentions
    positions: list[Position]
    counts: list[int]
    passed_over: list[tuple[int, ...]]
    taken: Mapping[str, Text] = field(default_factory=dict)


@dataclass(slots=True)
class _Gathered:
    checked: list[Checked] = field(default_factory=list)
    findings: list[Findings] = field(default_factory=list)
    warnings: list[Findings] = field(default_factory=list)
    orders: list[Mentions] = field(default_factory=list)
    numbers: list[Mentions] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    rows: int = 0

    def add(self, checked: Checked, block: Block, name: str) -> None:
        self.checked.append(checked)
        self.findings.append(checked.findings.shifted(self.rows))
        self.warnings.append(checked.warnings.shifted(self.rows))
        self.orders.append(checked.orders.shifted(self.rows))
        self.numbers.append(checked.numbers.shifted(self.rows))
        self.positions.append(Position(self.rows, name, block.rows))
        self.rows += len(block)


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
    for manifest in surveyed:
        before = gathered.rows
        totals: list[int] = []
        checker = Checker(tuple(manifest.columns), order_id, strict_tracking, takes, optional)
        for block in manifests.blocks(manifest):
            totals.extend(block.passed_over)
            cells = {name: block.cells[position] for name, position in manifest.columns.items()}
            gathered.add(checker.check(cells, block.misfits), block, manifest.name)
            progress(len(block))
        counts.append(gathered.rows - before)
        passed_over.append(tuple(totals))
    return _joined(gathered, counts, passed_over, takes)


def page(manifest: Manifest) -> Page:
    """The manifest as the report reads it again."""

    def blocks() -> Iterator[
        tuple[list[pa.Array[Any]], npt.NDArray[np.int64], Mapping[int, tuple[str, Sequence[str]]]]
    ]:
        for block in manifests.blocks(manifest):
            misfits = {at: (misfit.code, misfit.cells) for at, misfit in block.misfits.items()}
            yield block.cells, block.rows, misfits

    return Page(
        name=manifest.name,
        headers=manifest.headers,
        width=len(manifest.form.headers),
        canonical=manifest.columns,
        delimiter=manifest.form.delimiter,
        blocks=blocks,
    )


def describe(surveyed: Sequence[Manifest], read: Read) -> list[ManifestRead]:
    """What the summary says of each manifest."""
    return [
        ManifestRead(
            name=manifest.name,
            format=manifests.FORMAT,
            layout=manifest.layout,
            encoding=manifest.encoded.encoding,
            delimiter=manifest.form.delimiter,
            header_row=manifest.form.header_row,
            columns={column: manifest.headers[position] for column, position in manifest.columns.items()},
            sha256=manifest.encoded.sha256,
            rows=rows,
            passed_over=passed_over,
            other_columns=dict(manifest.others),
        )
        for manifest, rows, passed_over in zip(surveyed, read.counts, read.passed_over, strict=True)
    ]


def _joined(
    gathered: _Gathered, counts: list[int], passed_over: list[tuple[int, ...]], takes: tuple[str, ...]
) -> Read:
    checked = gathered.checked
    return Read(
        order_id=pa.chunked_array([part.order_id for part in checked], pa.string()),
        tracking_number=pa.chunked_array([part.tracking_number for part in checked], pa.string()),
        sku=pa.chunked_array([part.sku for part in checked], pa.string()),
        quantity=np.concatenate([part.quantity for part in checked] or [np.empty(0, dtype=np.int32)]),
        bad=np.concatenate([part.bad for part in checked] or [np.empty(0, dtype=bool)]),
        manifest=np.repeat(np.arange(len(counts), dtype=np.int32), counts),
        findings=Findings.join(gathered.findings),
        warnings=Findings.join(gathered.warnings),
        orders=Mentions.join(gathered.orders),
        numbers=Mentions.join(gathered.numbers),
        positions=gathered.positions,
        counts=counts,
        passed_over=passed_over,
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

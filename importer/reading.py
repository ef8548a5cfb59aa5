"""Manifests → all checked rows of a run, as columns, and where each row stands."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from importlib import import_module
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
from msgspec import Struct, field
from msgspec.structs import replace

from importer import manifests, tracking
from importer.ahead import ahead
from importer.findings import Findings, Mentions
from importer.fulfillments import Rows
from importer.fulfillments.partitions import Partitions
from importer.model import MAIL_ALONE
from importer.report import ManifestRead, Page, Position
from importer.rows import Above, Checker
from schemas.manifest import EDI_VERDICT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from importer.ahead import Behind
    from importer.manifests import Block, Manifest
    from importer.manifests.delimited import Span
    from importer.manifests.sources import Source
    from importer.rows import Checked
    from importer.spilling import Appended, Room

    Text: TypeAlias = pa.ChunkedArray[Any]

_FEWEST_BUCKETS, _MOST_BUCKETS = 16, 512
_BYTES_OF_A_BUCKET = 32 * 1024 * 1024
_BYTES_KEPT = 192 * 1024 * 1024
_SURELY_ODD = 4 * 1024 * 1024  # bytes: so many have some cell that is to be judged


class Read(Struct):
    """What is kept of the manifests.

    ``rows`` has the canonical columns of all rows, and what was found in them, in memory or in files. Rows of
    one manifest, or in EDI of one transaction, share a number there. ``idle`` (bool) are those that say that
    nothing was shipped. ``positions`` says where rows stand, ``counts`` how many each manifest has,
    ``passed_over`` its rows of totals, ``header_rows`` those that say the header again. ``filled_down`` says
    of each manifest how many of its rows were filled in from above, ``carriers`` whose tracking numbers its
    rows have (see ``tracking.tally``). ``blocks`` are those of each manifest, for the report; None where the
    manifests are to be read again.
    """

    rows: Rows | Partitions
    idle: npt.NDArray[np.bool_]
    positions: list[Position]
    counts: list[int]
    passed_over: list[tuple[int, ...]]
    header_rows: list[tuple[int, ...]]
    filled_down: Sequence[int]
    carriers: Sequence[Counter[str]]
    blocks: Sequence[Sequence[Block]] | None = None


class Checks(Struct, frozen=True):
    """By which rules the rows of all manifests are checked; the fields are as for a ``Checker``."""

    order_id: str
    strict_tracking: bool = False
    takes: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


class Part(Struct, frozen=True):
    """What came of one block of a manifest; what counts rows counts them from the block's start.

    ``rows`` are the row numbers that a spreadsheet program shows, ``transactions`` says in which transaction
    of an EDI file each row stands, ``doubts`` are warnings of how the file was read. ``block`` is the block,
    None where it was read in another process. The rest is as in ``Read``.
    """

    checked: Checked
    doubts: Findings
    rows: npt.NDArray[np.int64]
    transactions: npt.NDArray[np.int64]
    passed_over: tuple[int, ...]
    header_rows: tuple[int, ...]
    filled_down: int
    carriers: Counter[str]
    block: Block | None = None


class Stretch(Struct, frozen=True):
    """What came of a stretch of a manifest that was read alone; ``above`` is what its last rows name.

    It also says how many of its first rows do not say what they are of.
    """

    parts: Sequence[Part]
    above: Above

    def below(self, above: Above) -> Sequence[Part]:
        """The parts, where the rows ``above`` those of the stretch are known."""
        if not self.parts or not self.above.rows:
            return self.parts
        first, *others = self.parts
        orders, numbers = above.mentions(self.above.rows)
        checked = replace(
            first.checked,
            orders=Mentions.join([first.checked.orders, orders]),
            numbers=Mentions.join([first.checked.numbers, numbers]),
        )
        return [replace(first, checked=checked), *others]


class Reader(Protocol):
    """Who reads and checks manifests."""

    def partitions(
        self, surveyed: Sequence[Manifest], takes: tuple[str, ...], room: Room
    ) -> Partitions | None:
        """Where the texts are that ``parts`` will leave out, None where they leave out nothing.

        ``takes`` names what may be ``taken``; the rest is to be kept in ``room``.
        """

    def parts(self, surveyed: Sequence[Manifest], checks: Checks) -> Iterable[Iterable[Part]]:
        """The parts of each manifest, in order."""


class _Here:
    """Reads one manifest after the other, in this process."""

    def partitions(self, *_: object) -> None:
        """All is in the parts."""

    def parts(self, surveyed: Sequence[Manifest], checks: Checks) -> Iterator[Iterator[Part]]:
        return (parts_of(manifest, checks) for manifest in surveyed)


HERE: Final[Reader] = _Here()


class _Gathered(Struct):
    """The rows so far: all in memory, or where these are too many, all but the last of them in files."""

    takes: tuple[str, ...]
    room: Room | None
    buckets: int
    checked: list[Checked] = field(default_factory=list)
    findings: list[Findings] = field(default_factory=list)
    warnings: list[Findings] = field(default_factory=list)
    orders: list[Mentions] = field(default_factory=list)
    numbers: list[Mentions] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    documents: list[npt.NDArray[np.int64]] = field(default_factory=list)
    document: int = 0
    newest: int = -1
    rows: int = 0
    in_files: _InFiles | None = None

    def add(self, part: Part, manifest: Manifest) -> None:
        checked = part.checked
        self.checked.append(checked)
        self.findings.append(checked.findings.shifted(self.rows))
        self.warnings.append(Findings.join([checked.warnings, part.doubts]).shifted(self.rows))
        self.orders.append(checked.orders.shifted(self.rows))
        self.numbers.append(checked.numbers.shifted(self.rows))
        self.positions.append(Position(self.rows, manifest.name, part.rows))
        self.documents.append(part.transactions + self.document)
        if len(part.rows):
            self.newest = int(self.documents[-1].max())
        self.rows += len(part.rows)
        self._keep_few()

    def end(self) -> None:
        """The manifest ends: what comes next is another document."""
        self.document = self.newest + 1

    def all(self) -> tuple[Rows | Partitions, npt.NDArray[np.bool_], list[Position]]:
        """All rows, which of them are idle, and where they stand."""
        if self.in_files is not None:
            self.in_files.take(self)
            return self.in_files.all()
        idle = np.concatenate([part.idle for part in self.checked] or [np.empty(0, dtype=bool)])
        return self.taken(), idle, self.positions

    def _keep_few(self) -> None:
        """Put the rows into files if there are too many."""
        if self.room is None:
            return
        if self.in_files is None and self.rows > self.room.rows:
            self.in_files = _InFiles.of(self.room, self.buckets, (*self.takes, MAIL_ALONE))
        if self.in_files is not None and self.rows - len(self.in_files.rows) >= self.room.stretch:
            self.in_files.take(self)

    def taken(self) -> Rows:
        """The rows in memory, of which nothing is kept here any more."""
        checked = self.checked
        rows = Rows(
            order_id=pa.chunked_array([part.order_id for part in checked], pa.string()),
            tracking_number=pa.chunked_array([part.tracking_number for part in checked], pa.string()),
            sku=pa.chunked_array([part.sku for part in checked], pa.string()),
            quantity=np.concatenate([part.quantity for part in checked] or [np.empty(0, dtype=np.int32)]),
            bad=np.concatenate([part.bad for part in checked] or [np.empty(0, dtype=bool)]),
            manifest=np.concatenate(self.documents or [np.empty(0, dtype=np.int64)]),
            findings=Findings.join(self.findings),
            warnings=Findings.join(self.warnings),
            orders=Mentions.join(self.orders),
            numbers=Mentions.join(self.numbers),
            idle=np.concatenate([part.idle for part in checked] or [np.empty(0, dtype=bool)]),
            taken={
                name: _column(name, checked)
                for name in (*self.takes, MAIL_ALONE)
                if any(name in part.taken for part in checked)
            },
        )
        for parts in (self.checked, self.documents, self.findings, self.warnings, self.orders, self.numbers):
            parts.clear()
        return rows


class _Blocks(Struct):
    """The blocks so far, of each manifest, as long as they take little memory; then none."""

    of: list[list[Block]] | None = field(default_factory=list)
    size: int = 0

    def begin(self) -> None:
        """What comes next is of another manifest."""
        if self.of is not None:
            self.of.append([])

    def add(self, block: Block | None) -> None:
        """Keep the block, or let go of all."""
        if self.of is None:
            return
        self.size += sum(cells.nbytes for cells in block.cells) if block else 0
        if block is None or self.size > _BYTES_KEPT:
            self.of = None
        else:
            self.of[-1].append(block)


class _InFiles(Struct):
    """Rows that are kept in files, and where they stand."""

    rows: Partitions
    numbers: Appended
    positions: list[tuple[int, str, int]] = field(default_factory=list)

    @staticmethod
    def of(room: Room, buckets: int, takes: tuple[str, ...]) -> _InFiles:
        return _InFiles(Partitions(room, buckets, takes), room.appended(np.int64))

    def take(self, gathered: _Gathered) -> None:
        """Have the rows that are still in memory."""
        for position in gathered.positions:
            self.numbers.add(position.rows)
            self.positions.append((position.start, position.manifest, len(position.rows)))
        gathered.positions.clear()
        self.rows.add(gathered.taken())

    def all(self) -> tuple[Partitions, npt.NDArray[np.bool_], list[Position]]:
        """All rows, which of them are idle, and where they stand."""
        numbers = self.numbers.column()
        positions = [
            Position(start, manifest, numbers[start : start + count])
            for start, manifest, count in self.positions
        ]
        return self.rows, self.rows.idle.column(), positions


def parts_of(manifest: Manifest, checks: Checks) -> Iterator[Part]:
    """Read and check one manifest, block after block.

    Raises:
        ManifestError: it turns out not to be one, or changes while it is read.
    """
    return _parts(manifest, _checker(manifest, checks))


def stretch_of(manifest: Manifest, checks: Checks, span: Span | None) -> Stretch:
    """Read and check a ``span`` of a manifest, or all of it.

    Raises:
        ManifestError: it turns out not to be one, or changes while it is read.
    """
    checker = _checker(manifest, checks)
    parts = [replace(part, block=None) for part in _parts(manifest, checker, span)]
    return Stretch(parts, checker.above)


def rows_of(parts: Iterable[Part], manifest: Manifest, takes: tuple[str, ...]) -> Rows:
    """What parts of a manifest have in them, as columns."""
    gathered = _Gathered(takes, None, 0)
    for part in parts:
        gathered.add(part, manifest)
    return gathered.taken()


def put_together(stretches: Iterable[Stretch]) -> Iterator[Part]:
    """The parts of a manifest whose stretches were read alone, as if it had been read at one go."""
    above = Above()
    for stretch in stretches:
        yield from stretch.below(above)
        if stretch.above.is_there:
            above = stretch.above


def _checker(manifest: Manifest, checks: Checks) -> Checker:
    return Checker(
        manifest.canonical,
        checks.order_id,
        checks.strict_tracking,
        checks.takes,
        checks.optional,
        whole_rows=_is_of_edi(manifest),
    )


def _parts(manifest: Manifest, checker: Checker, span: Span | None = None) -> Iterator[Part]:
    for block in ahead(manifests.blocks(manifest, span)):
        yield _part(checker.check(block.values, block.misfits), block, manifest)


def _part(checked: Checked, block: Block, manifest: Manifest) -> Part:
    doubts = [
        Findings.of(np.flatnonzero(mask), code, column) for (code, column), mask in block.doubts.items()
    ]
    carriers: Counter[str] = Counter()
    if "tracking_number" in block.values:
        carriers = tracking.tally(checked.tracking_number, block.values.get("tracking_company"))
    return Part(
        checked=checked,
        doubts=Findings.join(doubts),
        rows=block.rows,
        transactions=(
            manifest.edi.transactions_of(block.rows) + 1 if manifest.edi else np.zeros_like(block.rows)
        ),
        passed_over=block.passed_over,
        header_rows=block.header_rows,
        filled_down=block.filled_down,
        carriers=carriers,
        block=block,
    )


def prepare(found: Sequence[Source], loading: Behind) -> None:
    """Load what judges odd cells, while manifests are read, where there are so many that some surely are."""
    with suppress(OSError):  # whoever reads it says what is wrong with it
        if sum(source.path.stat().st_size for source in found) > _SURELY_ODD:
            loading.do(_load)


def _load() -> None:
    with suppress(ImportError):  # whoever needs it says so
        import_module("schemas.judging")


def read_all(
    surveyed: Sequence[Manifest],
    order_id: str,
    *,
    strict_tracking: bool,
    progress: Callable[[int], None],
    takes: tuple[str, ...] = (),
    optional: tuple[str, ...] = (),
    room: Room | None = None,
    reader: Reader = HERE,
) -> Read:
    """Read and check every row of every manifest; ``progress`` is told how many rows came in.

    ``takes`` and ``optional`` are as for a ``Checker``. With ``room``, more rows than it is for are kept in
    files. ``reader`` does the work.

    Raises:
        ManifestError: a manifest turns out not to be one, or changes while it is read.
        CannotGoOn: there are more rows than memory has room for, and no room for the files.
    """
    gathered, blocks = _Gathered(takes, room, _buckets(surveyed)), _Blocks()
    elsewhere = reader.partitions(surveyed, (*takes, MAIL_ALONE), room) if room else None
    if room and elsewhere is not None:
        gathered.in_files = _InFiles(elsewhere, room.appended(np.int64))
    counts: list[int] = []
    passed_over: list[tuple[int, ...]] = []
    header_rows: list[tuple[int, ...]] = []
    filled_down: list[int] = []
    carriers: list[Counter[str]] = []
    checks = Checks(order_id, strict_tracking, takes, optional)
    for manifest, its_parts in zip(surveyed, reader.parts(surveyed, checks), strict=True):
        before = gathered.rows
        blocks.begin()
        filled_down.append(0)
        carriers.append(Counter())
        totals: list[int] = []
        headers: list[int] = []
        for part in its_parts:
            totals.extend(part.passed_over)
            headers.extend(part.header_rows)
            filled_down[-1] += part.filled_down
            carriers[-1] += part.carriers
            gathered.add(part, manifest)
            blocks.add(part.block if gathered.in_files is None else None)
            progress(len(part.rows))
        gathered.end()
        counts.append(gathered.rows - before)
        passed_over.append(tuple(totals))
        header_rows.append(tuple(headers))
    rows, idle, positions = gathered.all()
    return Read(rows, idle, positions, counts, passed_over, header_rows, filled_down, carriers, blocks.of)


def _buckets(surveyed: Sequence[Manifest]) -> int:
    """How many parts of the rows can be worked on one after the other, if need be."""
    return min(_FEWEST_BUCKETS + _size(surveyed) // _BYTES_OF_A_BUCKET, _MOST_BUCKETS)


def _size(surveyed: Sequence[Manifest]) -> int:
    return sum(manifest.source.path.stat().st_size for manifest in surveyed)


def _is_of_edi(manifest: Manifest) -> bool:
    """Whether it is EDI, or a report of EDI, which has the verdict as a column of its own."""
    return EDI_VERDICT in manifest.canonical and EDI_VERDICT not in manifest.filled_in


def pages(surveyed: Sequence[Manifest], read: Read) -> list[Page]:
    """The manifests as the report has them: as they were read, or else as they are read again."""
    return [*map(_page, surveyed, read.blocks or repeat(None))]


def _page(manifest: Manifest, kept: Sequence[Block] | None) -> Page:
    filled_in = manifest.filled_in
    meant = {name: len(manifest.kept) + at for at, name in enumerate(filled_in)}

    def blocks() -> Iterator[
        tuple[list[pa.Array[Any]], npt.NDArray[np.int64], Mapping[int, tuple[str, Sequence[str]]]]
    ]:
        for block in manifests.blocks(manifest) if kept is None else kept:
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
            tracking_numbers=dict(sorted(carriers.items(), key=lambda each: (-each[1], each[0]))),
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


def _column(name: str, checked: Sequence[Checked]) -> Text:
    """The column of all manifests, blank where one has no such column."""
    chunks = [part.taken.get(name, pa.repeat("", len(part.bad))) for part in checked]
    return pa.chunked_array(chunks, pa.string())

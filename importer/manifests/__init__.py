"""Manifest file → raw rows: text as the carrier wrote it, numbered as a spreadsheet shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct, field
from msgspec.structs import replace

from importer.cells import unguarded
from importer.errors import ManifestError
from importer.manifests import adapting, delimited, encodings, layouts, nodata, recognition
from importer.manifests.edi import standards
from schemas.manifest import COLUMNS, NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from importer.manifests import workbook
    from importer.manifests.edi import manifest as edi
    from importer.manifests.sources import Source

    Text: TypeAlias = pa.Array[Any]
    Mask: TypeAlias = npt.NDArray[np.bool_]

DELIMITED = "delimited"
_ZEROS_LOST, _GUESSED = "leading-zeros-lost", "encoding-guessed"
_BOM = "\ufeff"
_CHUNKS = 8  # of a span, so that it is hardly larger than wished for
_PACKED = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")  # zip, and what Microsoft had before it


class Manifest(Struct, frozen=True):
    """One manifest file, surveyed: what it is called, how it is written, which columns it has.

    ``headers`` are the texts of the columns that are read, in order, without those of our own reports;
    ``columns`` says which of them (by position) stands for which canonical column, ``others`` the headers
    that could have stood for it too and gave way. ``fit`` says which layout it was read by. ``format`` is
    DELIMITED, or that of a workbook; then ``sheet`` is the one that is read; or x12 or edifact, and then
    ``edi`` has what was found in it. ``doubts`` say which columns it has by doubtful names.
    """

    source: Source
    fit: recognition.Fit
    encoded: encodings.Encoded
    form: delimited.Form
    kept: tuple[int, ...]
    columns: Mapping[str, int]
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    format: str = DELIMITED
    sheet: workbook.Sheet | None = None
    edi: edi.Found | None = None
    doubts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The manifest as the user named it."""
        return self.source.name

    @property
    def layout(self) -> str:
        """The name of its layout."""
        return self.fit.layout.name

    @property
    def canonical(self) -> tuple[str, ...]:
        """The canonical columns that its blocks have values of."""
        return tuple(self.columns) if self.edi else _adapter(self).canonical

    @property
    def filled_in(self) -> tuple[str, ...]:
        """Those of them whose values may be others than their cells, or have no cells."""
        return () if self.edi else _adapter(self).filled_in

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person is told of how it was read."""
        found = (self.source, self.encoded, self.sheet, self.edi)
        return (*(note for each in found if each for note in each.notes), *self.doubts)

    @property
    def is_splittable(self) -> bool:
        """Whether stretches of it can be read alone: UTF-8 in which no row depends on those above."""
        plain = self.format == DELIMITED and self.encoded.encoding == "utf-8"
        return plain and not _adapter(self).looks_above

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers of the columns that are read."""
        return tuple(self.form.headers[position] for position in self.kept)


class Block(Struct, frozen=True):
    """Some data rows of a manifest, in order.

    ``cells`` has one string array (no nulls, '' for a blank) per header of the manifest; ``rows`` the row
    numbers that a spreadsheet program shows (int64); ``misfits`` are the rows whose cells can't be told
    apart, by position; ``passed_over`` the row numbers of rows of totals and footers that stand between or
    below them, ``header_rows`` those of rows that say the header again. ``values`` has what the canonical
    columns say, with what the layout fills in. ``doubts`` says by code and column of which rows there is
    something to be warned of, ``filled_down`` in how many rows something was filled in from above.
    """

    cells: list[Text]
    rows: npt.NDArray[np.int64]
    misfits: Mapping[int, delimited.Misfit] = field(default_factory=dict)
    passed_over: tuple[int, ...] = ()
    header_rows: tuple[int, ...] = ()
    values: Mapping[str, Text] = field(default_factory=dict)
    doubts: Mapping[tuple[str, str], Mask] = field(default_factory=dict)
    filled_down: int = 0

    def __len__(self) -> int:
        """How many data rows there are."""
        return len(self.rows)


class _Opened(Struct, frozen=True):
    """What is known of a file before its columns are: ``above`` is the text above its header."""

    encoded: encodings.Encoded
    form: delimited.Form
    above: str
    where: str
    format: str = DELIMITED
    sheet: workbook.Sheet | None = None


def survey(
    source: Source,
    layout: layouts.Layout,
    needed: Sequence[str],
    encoding: str | None,
    sheet: str | None = None,
) -> Manifest:
    """Read the file once to its end and find its encoding, delimiter, header row and columns.

    Of a workbook it is the ``sheet`` of that name, or the first that has the ``needed`` columns.

    Raises:
        ManifestError: the file is no manifest; the message says where, what was found and what to do.
    """
    standard = standards.standard_of(source)
    if standard is not None:
        return _of_edi(source, standard, layout)
    kind = _workbook_format(source)
    opened = (
        _open_workbook(source, kind, layout, needed, sheet)
        if kind
        else _open_delimited(source, layout, needed, encoding)
    )
    form = replace(
        opened.form, headers=tuple(unguarded(pa.array(opened.form.headers, pa.string())).to_pylist())
    )
    name = opened.sheet.name if opened.sheet else ""
    fit = recognition.recognise(form.headers, layout, needed, opened.where, above=opened.above, sheet=name)
    layout = fit.layout
    found = layouts.match(form.headers, layout)
    own = [column for column in needed if column not in layout.supplied]
    near = recognition.nearest(form.headers, own) if layout.name == layouts.GENERIC else ""
    layouts.check_columns(form.headers, found, own, layout, opened.where, near)
    kept = tuple(at for at, header in enumerate(form.headers) if not layouts.is_ours(header))
    columns = {column: kept.index(at) for column, at in found.columns.items()}
    others = {
        column: tuple(form.headers[at] for at in positions) for column, positions in found.others.items()
    }
    doubts = tuple(recognition.doubts(form.headers, found, layout))
    return Manifest(
        source,
        fit,
        opened.encoded,
        form,
        kept,
        columns,
        others,
        opened.format,
        opened.sheet,
        doubts=doubts,
    )


def spans(manifest: Manifest, size: int) -> Iterator[delimited.Span]:
    """Stretches of ``size`` bytes or more whose ``blocks`` are the manifest's; it must be ``is_splittable``.

    Raises:
        ManifestError: as when it is read.
    """
    chunks = encodings.utf8_chunks(manifest.source, manifest.encoded, size=max(size // _CHUNKS, 1))
    return delimited.spans(chunks, manifest.form, manifest.name, size)


def blocks(manifest: Manifest, span: delimited.Span | None = None) -> Iterator[Block]:
    """The manifest's data rows in blocks, all or those of a ``span``; the same blocks each time.

    Rows that are blank in all cells are left out, and so are rows of totals, footers and repeated headers.

    Raises:
        ManifestError: a quote is never closed, a header of other columns stands between the rows, or the file
            has changed since it was surveyed.
    """
    if manifest.edi is not None:
        yield from _edi_blocks(manifest.edi)
        return
    adapter = _adapter(manifest)
    for records, zeros_lost in _records(manifest, span):
        block = _block(records, manifest, adapter, zeros_lost)
        if len(block) or block.passed_over or block.header_rows:
            yield block


def _of_edi(source: Source, standard: standards.Standard, layout: layouts.Layout) -> Manifest:
    from importer.manifests.edi import manifest as edi  # noqa: PLC0415 - few manifests are EDI

    if layout.detect:
        layout = layouts.load("edi")
    found = edi.survey(source, standard, layout.edi)
    columns = {column: at for at, column in enumerate(edi.COLUMNS) if column in COLUMNS}
    return Manifest(
        source,
        recognition.Fit(layout, 0, 0),
        found.encoded,
        edi.FORM,
        tuple(range(len(edi.COLUMNS))),
        columns,
        format=str(standard),
        edi=found,
    )


def _edi_blocks(found: edi.Found) -> Iterator[Block]:
    from importer.manifests.edi import manifest as edi  # noqa: PLC0415 - few manifests are EDI

    for records, rows, short in edi.read(found):
        cells = records.columns
        values = {column: cells[at] for at, column in enumerate(edi.COLUMNS) if column in COLUMNS}
        yield Block(cells, rows, values=values, doubts={("short-shipped", "quantity"): short})


def _open_delimited(
    source: Source, layout: layouts.Layout, needed: Sequence[str], encoding: str | None
) -> _Opened:
    encoded = encodings.survey(source, encoding)
    text = delimited.head(encodings.utf8_chunks(source, encoded))
    form = delimited.detect(text, layout, needed)
    above = "\n".join(text.splitlines()[: form.offset + form.header_row - 1])
    if len(form.headers) > delimited.MAX_COLUMNS:
        raise ManifestError(
            f"{source.name}, row {form.header_row}: the header has {len(form.headers):,} columns, expected "
            f"at most {delimited.MAX_COLUMNS:,}; delete those that are not needed"
        )
    delimited.check_header(encodings.utf8_chunks(source, encoded), form, source.name)
    return _Opened(encoded, form, above, f"{source.name}, row {form.header_row}")


def _workbook_format(source: Source) -> str:
    """Its format where it is a workbook, else ""."""
    try:
        with source.path.open("rb") as file:
            if not file.read(len(max(_PACKED, key=len))).startswith(_PACKED):
                return ""
    except OSError as error:
        raise ManifestError(f"{source.name}: can't be read: {error.strerror or error}") from error
    from importer.manifests import workbook  # noqa: PLC0415 - many runs read none

    return workbook.format_of(source)


def _open_workbook(
    source: Source, kind: str, layout: layouts.Layout, needed: Sequence[str], sheet: str | None
) -> _Opened:
    from importer.manifests import workbook  # noqa: PLC0415 - many runs read none

    found = workbook.survey(source, kind, layout, needed, sheet)
    where = f"{source.name}, sheet {found.sheet.name}, row {found.form.header_row}"
    return _Opened(found.encoded, found.form, found.above, where, kind, found.sheet)


def _records(
    manifest: Manifest, span: delimited.Span | None
) -> Iterator[tuple[delimited.Records, dict[int, Mask]]]:
    """The records below the header, and by column of the file which numbers may have lost leading zeros."""
    if manifest.sheet is None:
        within = (span.start, span.stop) if span else None
        chunks = encodings.utf8_chunks(manifest.source, manifest.encoded, within)
        for records in delimited.read(chunks, manifest.form, manifest.name, span):
            yield records, {}
        return
    from importer.manifests import workbook  # noqa: PLC0415 - many runs read none

    places = {column: manifest.kept[at] for column, at in manifest.columns.items()}
    names = frozenset(places[column] for column in NAMES if column in places)
    reading = workbook.Reading(names, places.get("quantity"))
    found = (manifest.encoded, manifest.form, manifest.sheet)
    yield from workbook.read(manifest.source, found, reading)


def _adapter(manifest: Manifest) -> adapting.Adapter:
    columns = {column: manifest.kept[at] for column, at in manifest.columns.items()}
    fit = manifest.fit
    return adapting.Adapter(fit.layout, manifest.form.headers, columns, is_named=fit.is_named)


def _block(
    records: delimited.Records,
    manifest: Manifest,
    adapter: adapting.Adapter,
    lost: Mapping[int, Mask],
) -> Block:
    rows = np.arange(records.first_row, records.first_row + len(records), dtype=np.int64)
    columns, misfits = records.columns, records.misfits
    cells = [columns[position] for position in manifest.kept]
    blank = delimited.is_blank(cells)
    blank[list(misfits)] = False
    headers = _headers(records, manifest) & ~blank
    known = nodata.Columns(manifest.headers, manifest.columns, manifest.fit.layout)
    totals = nodata.totals(cells, known) | nodata.footers(cells, known)
    totals &= ~blank & ~headers
    totals[[at for at, misfit in misfits.items() if not _is_short(misfit, manifest)]] = False
    keep = ~(blank | totals | headers)
    above = adapter.totals + np.cumsum(totals)
    adapter.totals += int(totals.sum())
    passed_over, header_rows = tuple(rows[totals].tolist()), tuple(rows[headers].tolist())
    if not keep.all():
        position = np.cumsum(keep) - 1
        misfits = {int(position[at]): misfit for at, misfit in misfits.items() if keep[at]}
        mask = pa.array(keep)
        rows, columns = rows[keep], [column.filter(mask) for column in columns]
    filled = adapter.filled([unguarded(column) for column in columns], above[keep], [*misfits])
    cells = [filled.cells[position] for position in manifest.kept]
    doubts = {
        (_ZEROS_LOST, column): lost[manifest.kept[at]][keep]
        for column, at in manifest.columns.items()
        if manifest.kept[at] in lost
    }
    values = adapter.values(filled.cells)
    if manifest.encoded.is_guessed:
        doubts |= {(_GUESSED, column): _is_odd(values[column]) for column in NAMES if column in values}
    return Block(cells, rows, misfits, passed_over, header_rows, values, doubts, filled.rows)


def _headers(records: delimited.Records, manifest: Manifest) -> Mask:
    """Which rows say the header again.

    Raises:
        ManifestError: one says other columns.
    """
    places = {column: manifest.kept[at] for column, at in manifest.columns.items()}
    known = nodata.Columns(manifest.form.headers, places, manifest.fit.layout)
    torn = {at: misfit.cells for at, misfit in records.misfits.items()}
    found = nodata.headers(records.columns, torn, known)
    if found.other >= 0:
        cells = torn.get(found.other) or [column[found.other].as_py() for column in records.columns]
        shown = ", ".join(f"'{cell.strip(_BOM)}'" for cell in cells if cell.strip())
        raise ManifestError(
            f"{manifest.name}: a second header, with other columns, in row "
            f"{records.first_row + found.other}: {shown}; split the file, so that each part has one header"
        )
    return found.again


def _is_odd(cells: Text) -> Mask:
    """Which cells have other characters than ASCII."""
    odd: Mask = pc.invert(pc.string_is_ascii(cells)).to_numpy(zero_copy_only=False)
    return odd


def _is_short(misfit: delimited.Misfit, manifest: Manifest) -> bool:
    return misfit.code == delimited.RAGGED and len(misfit.cells) < len(manifest.form.headers)

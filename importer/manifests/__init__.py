"""Manifest file → raw rows: text as the carrier wrote it, numbered as a spreadsheet shows it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.manifests import adapting, delimited, encodings, layouts, recognition, workbook
from schemas.formulas import GUARDED, GUARDED_NUMBER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from importer.manifests.sources import Source

    Text: TypeAlias = pa.Array[Any]
    Mask: TypeAlias = npt.NDArray[np.bool_]

DELIMITED = "delimited"
_HEAD_CHARACTERS = 262_144

# How the row of totals below a manifest begins, folded as headers are.
_TOTALS = re.compile(
    unicodedata.normalize(
        "NFKD",
        "(?:grand|sub|report)?totals?"
        "(?:quantity|qty|units|items|pieces|packages|parcels|shipments|orders|rows|general)?"
        "|sum|summ[ae]|somme|suma|gesamt(?:summe|menge)?|zwischensumme|endsumme|insgesamt|totaal|totale|totaux|totalt|razem|celkem"
        "|yhteensa|toplam|итого|всего|合计|总计|小计|合計|総計|小計|합계|총계",
    )
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One manifest file, surveyed: what it is called, how it is written, which columns it has.

    ``headers`` are the texts of the columns that are read, in order, without those of our own reports;
    ``columns`` says which of them (by position) stands for which canonical column, ``others`` the headers
    that could have stood for it too and gave way. ``fit`` says which layout it was read by. ``format`` is
    DELIMITED, or that of a workbook; then ``sheet`` is the one that is read.
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
        return _adapter(self).canonical

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers of the columns that are read."""
        return tuple(self.form.headers[position] for position in self.kept)


@dataclass(frozen=True, slots=True)
class Block:
    """Some data rows of a manifest, in order.

    ``cells`` has one string array (no nulls, '' for a blank) per header of the manifest; ``rows`` the row
    numbers that a spreadsheet program shows (int64); ``misfits`` are the rows whose cells can't be told
    apart, by position; ``passed_over`` the row numbers of rows of totals and footers that stand between or
    below them, ``header_rows`` those of rows that say the header again. ``values`` has what the canonical
    columns say, with what the layout fills in. ``zeros_lost`` says by canonical column which cells are
    numbers of a spreadsheet that may have lost leading zeros.
    """

    cells: list[Text]
    rows: npt.NDArray[np.int64]
    misfits: Mapping[int, delimited.Misfit] = field(default_factory=dict)
    passed_over: tuple[int, ...] = ()
    header_rows: tuple[int, ...] = ()
    values: Mapping[str, Text] = field(default_factory=dict)
    zeros_lost: Mapping[str, Mask] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many data rows there are."""
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class _Opened:
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
    kind = workbook.format_of(source)
    opened = (
        _open_workbook(source, kind, layout, needed, sheet)
        if kind
        else _open_delimited(source, layout, needed, encoding)
    )
    form = replace(
        opened.form, headers=tuple(_unguarded(pa.array(opened.form.headers, pa.string())).to_pylist())
    )
    name = opened.sheet.name if opened.sheet else ""
    fit = recognition.recognise(form.headers, layout, needed, opened.where, above=opened.above, sheet=name)
    layout = fit.layout
    found = layouts.match(form.headers, layout)
    own = [column for column in needed if column not in layout.supplied]
    layouts.check_columns(form.headers, found, own, layout, opened.where)
    kept = tuple(at for at, header in enumerate(form.headers) if not layouts.is_ours(header))
    columns = {column: kept.index(at) for column, at in found.columns.items()}
    others = {
        column: tuple(form.headers[at] for at in positions) for column, positions in found.others.items()
    }
    return Manifest(source, fit, opened.encoded, form, kept, columns, others, opened.format, opened.sheet)


def blocks(manifest: Manifest) -> Iterator[Block]:
    """The manifest's data rows in blocks; the same blocks each time.

    Rows that are blank in all cells are left out, and so are rows of totals, footers and repeated headers.

    Raises:
        ManifestError: a quote is never closed, or the file has changed since it was surveyed.
    """
    adapter = _adapter(manifest)
    for records, zeros_lost in _records(manifest):
        block = _block(records, manifest, adapter, zeros_lost)
        if len(block) or block.passed_over or block.header_rows:
            yield block


def _open_delimited(
    source: Source, layout: layouts.Layout, needed: Sequence[str], encoding: str | None
) -> _Opened:
    encoded = encodings.survey(source, encoding)
    head = next(iter(encodings.utf8_chunks(source, encoded)), b"")
    text = head[: 4 * _HEAD_CHARACTERS].decode(errors="ignore")[:_HEAD_CHARACTERS]
    form = delimited.detect(text, layout, needed)
    above = "\n".join(text.splitlines()[: form.offset + form.header_row - 1])
    delimited.check_header(encodings.utf8_chunks(source, encoded), form, source.name)
    return _Opened(encoded, form, above, f"{source.name}, row {form.header_row}")


def _open_workbook(
    source: Source, kind: str, layout: layouts.Layout, needed: Sequence[str], sheet: str | None
) -> _Opened:
    found = workbook.survey(source, kind, layout, needed, sheet)
    where = f"{source.name}, sheet {found.sheet.name}, row {found.form.header_row}"
    return _Opened(found.encoded, found.form, found.above, where, kind, found.sheet)


def _records(manifest: Manifest) -> Iterator[tuple[delimited.Records, dict[int, Mask]]]:
    """The records below the header, and by column of the file which numbers may have lost leading zeros."""
    if manifest.sheet is None:
        chunks = encodings.utf8_chunks(manifest.source, manifest.encoded)
        for records in delimited.read(chunks, manifest.form, manifest.name):
            yield records, {}
        return
    places = {column: manifest.kept[at] for column, at in manifest.columns.items()}
    names = frozenset(places[column] for column in workbook.NAMES if column in places)
    reading = workbook.Reading(names, places.get("quantity"))
    found = (manifest.encoded, manifest.form, manifest.sheet)
    yield from workbook.read(manifest.source, found, reading)


def _adapter(manifest: Manifest) -> adapting.Adapter:
    columns = {column: manifest.kept[at] for column, at in manifest.columns.items()}
    return adapting.Adapter(manifest.fit.layout, manifest.form.headers, columns)


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
    headers = adapting.repeats_header(cells, manifest.headers) & ~blank
    totals = _totals(cells, manifest) | adapting.is_footer(cells, manifest.columns, manifest.fit.layout)
    totals &= ~blank & ~headers
    totals[[at for at, misfit in misfits.items() if not _is_short(misfit, manifest)]] = False
    keep = ~(blank | totals | headers)
    passed_over, header_rows = tuple(rows[totals].tolist()), tuple(rows[headers].tolist())
    if not keep.all():
        position = np.cumsum(keep) - 1
        misfits = {int(position[at]): misfit for at, misfit in misfits.items() if keep[at]}
        mask = pa.array(keep)
        rows, columns = rows[keep], [column.filter(mask) for column in columns]
    columns = [_unguarded(column) for column in columns]
    values = adapter.values(columns, [*misfits])
    cells = [columns[position] for position in manifest.kept]
    zeros_lost = {
        column: lost[manifest.kept[at]][keep]
        for column, at in manifest.columns.items()
        if manifest.kept[at] in lost
    }
    return Block(cells, rows, misfits, passed_over, header_rows, values, zeros_lost)


def _is_short(misfit: delimited.Misfit, manifest: Manifest) -> bool:
    return misfit.code == delimited.RAGGED and len(misfit.cells) < len(manifest.form.headers)


def _totals(cells: Sequence[Text], manifest: Manifest) -> npt.NDArray[np.bool_]:
    """Rows without a tracking number whose first filled cell says 'total'."""
    found = np.zeros(len(cells[0]), dtype=bool)
    tracking = manifest.columns.get("tracking_number")
    if tracking is None:
        return found
    blank = pc.equal(pc.utf8_trim_whitespace(cells[tracking]), "").to_numpy(zero_copy_only=False)
    candidates = np.flatnonzero(blank)
    if not len(candidates):
        return found
    taken = [column.take(pa.array(candidates)).to_pylist() for column in cells]
    canonical = frozenset(manifest.columns.values())
    named = [manifest.columns[name] for name in ("order_id", "sku") if name in manifest.columns]
    for at, row in zip(candidates, zip(*taken, strict=True), strict=True):
        found[at] = _is_total(row, named, canonical)
    return found


def _is_total(row: Sequence[str], named: Sequence[int], canonical: Collection[int]) -> bool:
    """Not where a customer called Sum has bought something: then the cells at ``named`` say what."""
    first = next((at for at, cell in enumerate(row) if cell.strip()), 0)
    if any(row[at].strip() and not _TOTALS.fullmatch(layouts.fold(row[at])) for at in named):
        return False
    text = layouts.fold(row[first])
    return _TOTALS.fullmatch(text if first in canonical else re.sub(r"\d+", "", text)) is not None


def _unguarded(column: Text) -> Text:
    """Take off the quote that a report puts before a cell that a spreadsheet would run as a formula."""
    if not pc.any(pc.starts_with(column, "'")).as_py():
        return column
    guarded = pc.and_not(
        pc.match_substring_regex(column, GUARDED), pc.match_substring_regex(column, GUARDED_NUMBER)
    )
    return pc.if_else(guarded, pc.utf8_slice_codeunits(column, 1), column)

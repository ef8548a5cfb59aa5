"""Manifest file → raw rows: text as the carrier wrote it, numbered as a spreadsheet shows it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.manifests import delimited, encodings, layouts
from schemas.formulas import GUARDED, GUARDED_NUMBER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from importer.manifests.sources import Source

    Text: TypeAlias = pa.Array[Any]

FORMAT = "delimited"
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
    that could have stood for it too and gave way.
    """

    source: Source
    layout: str
    encoded: encodings.Encoded
    form: delimited.Form
    kept: tuple[int, ...]
    columns: Mapping[str, int]
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The manifest as the user named it."""
        return self.source.name

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers of the columns that are read."""
        return tuple(self.form.headers[position] for position in self.kept)


@dataclass(frozen=True, slots=True)
class Block:
    """Some data rows of a manifest, in order.

    ``cells`` has one string array (no nulls, '' for a blank) per header of the manifest; ``rows`` the row
    numbers that a spreadsheet program shows (int64); ``misfits`` are the rows whose cells can't be told
    apart, by position; ``passed_over`` the row numbers of total rows that stand between or below them.
    """

    cells: list[Text]
    rows: npt.NDArray[np.int64]
    misfits: Mapping[int, delimited.Misfit] = field(default_factory=dict)
    passed_over: tuple[int, ...] = ()

    def __len__(self) -> int:
        """How many data rows there are."""
        return len(self.rows)


def survey(source: Source, layout: layouts.Layout, needed: Sequence[str], encoding: str | None) -> Manifest:
    """Read the file once to its end and find its encoding, delimiter, header row and columns.

    Raises:
        ManifestError: the file is no manifest; the message says where, what was found and what to do.
    """
    encoded = encodings.survey(source, encoding)
    head = next(iter(encodings.utf8_chunks(source, encoded)), b"")
    text = head[: 4 * _HEAD_CHARACTERS].decode(errors="ignore")[:_HEAD_CHARACTERS]
    form = delimited.detect(text, layout, needed)
    form = replace(form, headers=tuple(_unguarded(pa.array(form.headers, pa.string())).to_pylist()))
    delimited.check_header(encodings.utf8_chunks(source, encoded), form, source.name)
    found = layouts.match(form.headers, layout)
    where = f"{source.name}, row {form.header_row}"
    layouts.check_columns(form.headers, found, needed, layout, where)
    kept = tuple(at for at, header in enumerate(form.headers) if not layouts.is_ours(header))
    columns = {column: kept.index(at) for column, at in found.columns.items()}
    others = {
        column: tuple(form.headers[at] for at in positions) for column, positions in found.others.items()
    }
    return Manifest(source, layout.name, encoded, form, kept, columns, others)


def blocks(manifest: Manifest) -> Iterator[Block]:
    """The manifest's data rows in blocks; the same blocks each time.

    Rows that are blank in all cells are left out, and so are rows of totals.

    Raises:
        ManifestError: a quote is never closed, or the file has changed since it was surveyed.
    """
    chunks = encodings.utf8_chunks(manifest.source, manifest.encoded)
    for records in delimited.read(chunks, manifest.form, manifest.name):
        block = _block(records, manifest)
        if len(block) or block.passed_over:
            yield block


def _block(records: delimited.Records, manifest: Manifest) -> Block:
    rows = np.arange(records.first_row, records.first_row + len(records), dtype=np.int64)
    cells = [records.columns[position] for position in manifest.kept]
    misfits = records.misfits
    blank = delimited.is_blank(cells)
    blank[list(misfits)] = False
    totals = _totals(cells, manifest) & ~blank
    totals[[at for at, misfit in misfits.items() if not _is_short(misfit, manifest)]] = False
    left_out = blank | totals
    passed_over = tuple(rows[totals].tolist())
    if left_out.any():
        keep = ~left_out
        position = np.cumsum(keep) - 1
        misfits = {int(position[at]): misfit for at, misfit in misfits.items() if keep[at]}
        mask = pa.array(keep)
        rows, cells = rows[keep], [column.filter(mask) for column in cells]
    return Block([_unguarded(column) for column in cells], rows, misfits, passed_over)


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

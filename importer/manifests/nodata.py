"""Which rows of a manifest are no data: totals, footers, lines of a printed page, and headers said again."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from importer.cells import last_bytes, made_of
from importer.manifests import layouts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from importer.manifests.layouts import Layout

    Text: TypeAlias = pa.Array[Any]
    Mask: TypeAlias = npt.NDArray[np.bool_]

_COUNT: Final = r"^\s*[\d.,]{0,4}\s*$"  # no tracking number is that short
_IDENTITY: Final = ("order_id", "sku", "tracking_number")
_OUTER: Final = " \t\r\n\v\f\u00a0\ufeff"
_DIGITS: Final = b"0123456789"
_TELLING: Final = ("quantity", "tracking_number", "order_id", "sku")

# How the row of totals below a manifest begins, folded as headers are.
_TOTALS: Final = re.compile(
    unicodedata.normalize(
        "NFKD",
        "(?:grand|sub|report)?totals?"
        "(?:quantity|qty|units|items|pieces|packages|parcels|shipments|orders|rows|general)?"
        "|sum|summ[ae]|somme|suma|gesamt(?:summe|menge)?|zwischensumme|endsumme|insgesamt|totaal|totale|totaux|totalt|razem|celkem"
        "|yhteensa|toplam|итого|всего|合计|总计|小计|合計|総計|小計|합계|총계",
    )
)
# What stands alone in a row where a printed page ends, folded likewise.
_PAGE: Final = re.compile(
    r"(?:page|seite|pagina|strona|strana|sida|side)\d+(?:(?:of|von|sur|de|di|van|z|av|af)?\d+)?"
    r"|(?:printed|gedruckt|imprime|impreso|stampato)(?:by|on|at|von|am|par|le|por|el|da|il).*"
)


class Columns(Struct, frozen=True):
    """The columns of a file: all its ``headers``, and by canonical column where it stands (``places``)."""

    headers: Sequence[str]
    places: Mapping[str, int]
    layout: Layout


class Headers(Struct, frozen=True):
    """The rows that say the header again, and the first, by position, that is another header; -1 for none."""

    again: Mask
    other: int = -1


def headers(cells: Sequence[Text], torn: Mapping[int, Sequence[str]], columns: Columns) -> Headers:
    """Find the rows that say the header again, as pages of a printed export and files joined into one do.

    A row does so whose cells are all the header's, or other names of the same canonical columns. One with
    two such names or more, some of which stand where the header has something else, is the header of other
    columns: what is below it can't be read by this one. ``torn`` has the cells of rows that have more or
    fewer of them than the header.
    """
    again = _repeated(cells, columns.headers)
    known = layouts.known_names(columns.layout)
    here = [layouts.fold(header) for header in columns.headers]
    meant = {at: name for name, at in columns.places.items()}
    for at, row in _without_data(cells, torn, columns.places):
        said = [layouts.fold(cell) for cell in row]
        same = [
            place < len(here) and (cell == here[place] or (cell in known and known[cell] == meant.get(place)))
            for place, cell in enumerate(said)
        ]
        names = {known[cell] for cell in said if cell in known}
        again[at] |= all(same) and len(said) == len(here) and bool(names)
        if len(names) > 1 and any(cell in known and not same[place] for place, cell in enumerate(said)):
            return Headers(again, at)
    return Headers(again)


def _repeated(cells: Sequence[Text], headers: Sequence[str]) -> Mask:
    """Which rows say the header again to the letter."""
    repeats = np.ones(len(cells[0]), dtype=bool)
    for column, header in zip(cells, headers, strict=True):
        trimmed = pc.utf8_trim(column, characters=_OUTER)
        repeats &= pc.equal(trimmed, header.strip(_OUTER)).to_numpy(zero_copy_only=False)
        if not repeats.any():
            break
    return repeats


def _without_data(
    cells: Sequence[Text], torn: Mapping[int, Sequence[str]], places: Mapping[str, int]
) -> Iterator[tuple[int, Sequence[str]]]:
    """The rows, by position, that have something in them, but nothing that only data has."""
    left = np.arange(len(cells[0]))
    for name in _TELLING:
        if name in places and len(left):
            column = cells[places[name]]
            column = column if len(left) == len(column) else column.take(pa.array(left))
            left = left[~_matches(column, layouts.DATA, made_of(column, _DIGITS))]
    taken = [column.take(pa.array(left)).to_pylist() for column in cells]
    rows: dict[int, Sequence[str]] = dict(zip(left.tolist(), zip(*taken, strict=True), strict=True))
    for at, row in sorted((rows | dict(torn)).items()):
        if any(map(str.strip, row)) and not any(map(layouts.looks_like_data, row)):
            yield at, row


def totals(cells: Sequence[Text], columns: Columns) -> Mask:
    """Which rows are totals or the end of a printed page, and name no tracking number."""
    found = np.zeros(len(cells[0]), dtype=bool)
    tracking = columns.places.get("tracking_number")
    if tracking is None:
        return found
    candidates = np.flatnonzero(~_have_digits(cells[tracking]))
    named = [columns.places[name] for name in ("order_id", "sku") if name in columns.places]
    if len(named) > 1:  # digits in both are neither words of totals nor all there is at a page's end
        numbered = [_have_digits(cells[at].take(pa.array(candidates))) for at in named]
        candidates = candidates[~(numbered[0] & numbered[1])]
    if not len(candidates):
        return found
    taken = [column.take(pa.array(candidates)).to_pylist() for column in cells]
    for at, row in zip(candidates, zip(*taken, strict=True), strict=True):
        filled = [place for place, cell in enumerate(row) if cell.strip()]
        found[at] = _is_total(row, columns.places) or _is_page_end(row, filled, columns.places)
    return found


def _is_total(row: Sequence[str], places: Mapping[str, int]) -> bool:
    """Not where a customer called Sum has bought something: then the order and the SKU say what."""
    named = [places[name] for name in _IDENTITY if name in places]
    if any(row[at].strip() and not _TOTALS.fullmatch(layouts.fold(row[at])) for at in named):
        return False
    first = next((at for at, cell in enumerate(row) if cell.strip()), 0)
    text = layouts.fold(row[first])
    return _TOTALS.fullmatch(text if first in places.values() else re.sub(r"\d+", "", text)) is not None


def _is_page_end(row: Sequence[str], filled: Sequence[int], places: Mapping[str, int]) -> bool:
    """Nothing else stands in the row, and not where an SKU would stand, but in the first column."""
    if len(filled) != 1 or (filled[0] and filled[0] in places.values()):
        return False
    return _PAGE.fullmatch(layouts.fold(row[filled[0]])) is not None


def footers(cells: Sequence[Text], columns: Columns) -> Mask:
    """Which rows begin as the layout's footer, and name neither order nor SKU nor tracking number.

    A count may stand in the place of one of these, but a row with a SKU and a quantity is data.
    """
    rows = len(cells[0])
    footer = np.zeros(rows, dtype=bool)
    if not columns.layout.footer or not rows:
        return footer
    first = np.array([~is_blank(column) for column in cells]).argmax(axis=0)
    named = np.zeros(rows, dtype=bool)
    for at in (columns.places[name] for name in _IDENTITY if name in columns.places):
        named |= (first != at) & ~_matches(cells[at], _COUNT)
    sku, quantity = (columns.places.get(name) for name in ("sku", "quantity"))
    if sku is not None and quantity is not None:
        named |= (first != sku) & ~is_blank(cells[sku]) & ~is_blank(cells[quantity])
    for row in np.flatnonzero(~named).tolist():
        text = layouts.fold(cells[int(first[row])][row].as_py())
        footer[row] = text.startswith(columns.layout.footer)
    return footer


def is_blank(cells: Text) -> Mask:
    """Which cells have nothing but white space."""
    blank: Mask = pc.equal(pc.utf8_trim_whitespace(cells), "").to_numpy(zero_copy_only=False)
    return blank


def _have_digits(cells: Text) -> Mask:
    return _matches(cells, r"\d", np.isin(last_bytes(cells), [*_DIGITS]))


def _matches(cells: Text, pattern: str, surely: Mask | None = None) -> Mask:
    """Which cells match; those that ``surely`` do are not looked at, for patterns take their time."""
    if surely is None:
        matches: Mask = pc.match_substring_regex(cells, pattern).to_numpy(zero_copy_only=False)
        return matches
    unsure = np.flatnonzero(~surely)
    surely[unsure] = _matches(cells.take(pa.array(unsure)), pattern)
    return surely

"""What a layout says beyond names of columns, done to blocks: what is filled in, and which rows are no data.

The cells stay as they are; what is filled in goes to the canonical columns only. A report of ours may have
the rows of several manifests, under the headers of the first. So in one, a row is taken for one of the
layout's only where all its own columns (``must``, but for the canonical ones) are filled, and is filled down
only from the row that stood right above it in its manifest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.manifests import layouts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from importer.manifests.layouts import Layout

    Text: TypeAlias = pa.Array[Any]
    Mask: TypeAlias = npt.NDArray[np.bool_]

_ROUND: Final = r"^(\s*\d+),00?(\s*)$"  # "1,000" is a thousand to others
_COUNT: Final = r"^\s*[\d.,]{0,4}\s*$"  # no tracking number is that short
_OUTER: Final = " \t\r\n\v\f\u00a0\ufeff"
_IDENTITY: Final = ("order_id", "sku", "tracking_number")
_SOURCE, _ROW = "import_source", "import_row"


@dataclass(slots=True)
class Adapter:
    """Reads the canonical columns of one manifest, block after block.

    ``headers`` are all of the file's, ``columns`` says at which position each canonical column stands.
    """

    layout: Layout
    headers: Sequence[str]
    columns: Mapping[str, int]
    _carried: dict[str, str] = field(default_factory=dict)
    _last: tuple[str, int] = ("", 0)

    @property
    def canonical(self) -> tuple[str, ...]:
        """The canonical columns that there are with those that the layout fills in."""
        return (*self.columns, *sorted(self.layout.supplied - self.columns.keys()))

    def values(self, cells: Sequence[Text], torn: Sequence[int]) -> dict[str, Text]:
        """The canonical columns of a block whose file has these ``cells``.

        ``torn`` are the positions of rows whose cells can't be told apart; nothing is filled down from them.
        """
        values = {name: cells[position] for name, position in self.columns.items()}
        if not len(cells[0]):
            return values
        mine, apart = self._mine(cells), self._apart(cells)
        apart[[*torn]] = True
        if self.layout.fill_down:
            mine |= self._fill_down(values, mine, apart, torn)
        if self.layout.decimal_comma and "quantity" in values:
            whole = pc.replace_substring_regex(values["quantity"], _ROUND, r"\1\2")
            values["quantity"] = _where(mine, whole, values["quantity"])
        if self.layout.quantity_default and "quantity" not in values:
            values["quantity"] = _where(mine, str(self.layout.quantity_default), pa.repeat("", len(mine)))
        for name, constant in self.layout.constants.items():
            found = values.get(name, pa.repeat("", len(mine)))
            values[name] = _where(mine & is_blank(found), constant, found)
        return values

    def _place(self, header: str) -> int | None:
        found = [at for at, name in enumerate(self.headers) if name.strip().lower() == header]
        return found[0] if found else None

    def _mine(self, cells: Sequence[Text]) -> Mask:
        """Which rows are of the layout: all, but in a report of ours."""
        rows = len(cells[0])
        if self._place(_ROW) is None:
            return np.ones(rows, dtype=bool)
        own = {layouts.fold(header) for header in self.layout.must}
        places = [
            at
            for at, header in enumerate(self.headers)
            if layouts.fold(header) in own and at not in self.columns.values()
        ]
        mine = np.full(rows, bool(places))
        for at in places:
            mine &= ~is_blank(cells[at])
        return mine

    def _apart(self, cells: Sequence[Text]) -> Mask:
        """Which rows did not stand right below the row above them: none, but in a report of ours."""
        rows = len(cells[0])
        source, number = self._place(_SOURCE), self._place(_ROW)
        if source is None or number is None:
            return np.zeros(rows, dtype=bool)
        digits = pc.if_else(pc.match_substring_regex(cells[number], r"^\d{1,9}$"), cells[number], "-9")
        numbers = np.concatenate([[self._last[1]], digits.cast(pa.int64()).to_numpy(zero_copy_only=False)])
        names = pa.concat_arrays([pa.array([self._last[0]], pa.string()), cells[source]])
        same = pc.equal(names.slice(1), names.slice(0, rows)).to_numpy(zero_copy_only=False)
        self._last = (names[-1].as_py(), int(numbers[-1]))
        apart: Mask = ~same | (np.diff(numbers) != 1)
        return apart

    def _fill_down(self, values: dict[str, Text], mine: Mask, apart: Mask, torn: Sequence[int]) -> Mask:
        """Fill blank cells from above, but for those below a column, named before, that has something new.

        So an order without a tracking number does not get that of the order above. Returns which rows were
        filled.
        """
        begins, filled = apart.copy(), np.zeros(len(apart), dtype=bool)
        for name in self.layout.fill_down:
            if name not in values:
                continue
            own = ~is_blank(values[name])
            begins |= own
            given = own & mine
            given[[*torn]] = False
            offered = _where(given, values[name], "")
            offered = pa.concat_arrays([pa.array([self._carried.get(name, "")], pa.string()), offered])
            above = np.maximum.accumulate(np.where(begins, np.arange(1, len(own) + 1), 0))
            taken = offered.take(pa.array(above))
            self._carried[name] = taken[-1].as_py()
            values[name] = _where(own, values[name], taken)
            filled |= ~own & ~is_blank(taken)
        return filled


def repeats_header(cells: Sequence[Text], headers: Sequence[str]) -> Mask:
    """Which rows say the header again, as pages of a printed export do, and files put one after another."""
    repeats = np.ones(len(cells[0]), dtype=bool)
    for column, header in zip(cells, headers, strict=True):
        trimmed = pc.utf8_trim(column, characters=_OUTER)
        repeats &= pc.equal(trimmed, header.strip(_OUTER)).to_numpy(zero_copy_only=False)
        if not repeats.any():
            break
    return repeats


def is_footer(cells: Sequence[Text], columns: Mapping[str, int], layout: Layout) -> Mask:
    """Which rows begin as the layout's footer, and name neither order nor SKU nor tracking number.

    A count may stand in the place of one of these.
    """
    rows = len(cells[0])
    footer = np.zeros(rows, dtype=bool)
    if not layout.footer or not rows:
        return footer
    first = np.array([~is_blank(column) for column in cells]).argmax(axis=0)
    named = np.zeros(rows, dtype=bool)
    for at in (columns[name] for name in _IDENTITY if name in columns):
        count = pc.match_substring_regex(cells[at], _COUNT).to_numpy(zero_copy_only=False)
        named |= (first != at) & ~count
    for row in np.flatnonzero(~named).tolist():
        text = layouts.fold(cells[int(first[row])][row].as_py())
        footer[row] = text.startswith(layout.footer)
    return footer


def is_blank(cells: Text) -> Mask:
    """Which cells have nothing but white space."""
    blank: Mask = pc.equal(pc.utf8_trim_whitespace(cells), "").to_numpy(zero_copy_only=False)
    return blank


def _where(mask: Mask, yes: Text | str, no: Text | str) -> Text:
    return pc.if_else(pa.array(mask), yes, no)

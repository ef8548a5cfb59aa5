"""What a layout says beyond names of columns, done to blocks: what is filled in, and what was not shipped.

What stands on a parcel's first row only is filled into the cells below, so that a report has it in each row
and can be imported in any order; all else that is filled in goes to the canonical columns alone. A report
of ours may have the rows of several manifests, under the headers of the first. So in one, nothing is filled
down again, and where the layout was told from the headers, a row is taken for one of the layout's only where
a column that only the layout has is filled, in it or in another row of its manifest. A layout that was named
is that of all rows but EDI's, which it says nothing of: the run that the report is of had it named, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct, field

from importer.manifests import layouts
from importer.manifests.nodata import is_blank
from schemas.cleaning import ROUND
from schemas.manifest import CARRIER, EDI_VERDICT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from importer.manifests.layouts import Layout

    Text: TypeAlias = pa.Array[Any]
    Mask: TypeAlias = npt.NDArray[np.bool_]

_SOURCE, _ROW = "import_source", "import_row"
_OF_EDI: Final = "edi_path"
_IDENTITY: Final = ("order_id", "tracking_number")


class Adapter(Struct):
    """Reads the canonical columns of one manifest, block after block.

    ``headers`` are all of the file's, ``columns`` says at which position each canonical column stands,
    ``totals`` how many rows of totals there were so far; ``is_named`` that somebody named the layout.
    """

    layout: Layout
    headers: Sequence[str]
    columns: Mapping[str, int]
    totals: int = 0
    is_named: bool = False
    _carried: dict[int, str] = field(default_factory=dict)
    _above: dict[int, str] = field(default_factory=dict)
    _totals_above: int = 0
    _sources: set[str] = field(default_factory=set)

    @property
    def filled_in(self) -> tuple[str, ...]:
        """The canonical columns whose values may be others than their cells, or have none."""
        verdict = {EDI_VERDICT} if self._voids() else frozenset()
        return tuple(sorted(self.layout.supplied | verdict))

    @property
    def canonical(self) -> tuple[str, ...]:
        """The canonical columns that there are with those that the layout fills in."""
        return (*self.columns, *(name for name in self.filled_in if name not in self.columns))

    @property
    def looks_above(self) -> bool:
        """Whether what a row says may depend on rows above it."""
        return bool(self.layout.fill_down) or self._place(_ROW) is not None

    def filled(self, cells: Sequence[Text], totals: npt.NDArray[np.int64], torn: Sequence[int]) -> Filled:
        """Fill down what stands on a parcel's first row only.

        ``totals`` says of each row how many totals stand above it in the file: nothing is filled down past
        one, nor from rows whose cells can't be told apart, which are at ``torn``.
        """
        names = [name for name in self.layout.fill_down if name in self.columns]
        if not names or not len(cells[0]) or self._place(_ROW) is not None:
            return Filled([*cells], 0)
        goes_on = self._continues(cells, names)
        goes_on[[*torn]] = False
        goes_on &= np.diff(totals, prepend=self._totals_above) == 0
        self._totals_above = int(totals[-1])
        given = np.ones(len(goes_on), dtype=bool)
        given[[*torn]] = False
        offered = {self.columns[name]: given for name in names}
        offered |= {at: given & self._is_void(cells[at], values) for at, values in self._voids().items()}
        filled, count = [*cells], np.zeros(len(goes_on), dtype=bool)
        for at, whose in offered.items():
            filled[at] = self._filled(at, cells[at], goes_on, whose)
            count |= is_blank(cells[at]) & ~is_blank(filled[at])
        return Filled(filled, int(count.sum()))

    def values(self, cells: Sequence[Text]) -> dict[str, Text]:
        """The canonical columns of a block whose file has these ``cells``, filled down."""
        values = {name: cells[position] for name, position in self.columns.items()}
        rows = len(cells[0])
        mine = self._mine(cells)
        if self.layout.decimal_comma and "quantity" in values:
            whole = pc.replace_substring_regex(values["quantity"], ROUND, r"\1\2")
            values["quantity"] = _where(mine, whole, values["quantity"])
        if self.layout.quantity_default and "quantity" not in values:
            values["quantity"] = _where(mine, str(self.layout.quantity_default), pa.repeat("", rows))
        for name in CARRIER:  # a code that the file has is not to stand beside a constant name
            mine = mine & is_blank(values[name]) if name in values else mine
        for name, constant in self.layout.constants.items():
            values[name] = _where(mine, constant, values.get(name, pa.repeat("", rows)))
        if self._voids():
            values[EDI_VERDICT] = self._verdict(cells, values.get(EDI_VERDICT, pa.repeat("", rows)))
        return values

    def _place(self, header: str) -> int | None:
        found = [at for at, name in enumerate(self.headers) if name.strip().lower() == header]
        return found[0] if found else None

    def _voids(self) -> dict[int, tuple[str, ...]]:
        """Where the columns stand that may say that nothing was shipped, and the values that say so."""
        known = layouts.voids(self.layout)
        taken = self.columns.values()
        folded = {at: layouts.fold(header) for at, header in enumerate(self.headers) if at not in taken}
        return {at: known[header] for at, header in folded.items() if header in known}

    @staticmethod
    def _is_void(column: Text, values: Sequence[str]) -> Mask:
        encoded = column.dictionary_encode()
        said = [layouts.fold(cell) in values for cell in encoded.dictionary.to_pylist()]
        void: Mask = pa.array(said, pa.bool_()).take(encoded.indices).to_numpy(zero_copy_only=False)
        return void

    def _verdict(self, cells: Sequence[Text], verdict: Text) -> Text:
        for at, values in self._voids().items():
            told = self._is_void(cells[at], values) & is_blank(verdict)
            if told.any():
                cell = pc.utf8_trim_whitespace(cells[at])
                words = f"not shipped: {self.headers[at].strip()} is '"
                verdict = _where(told, pc.binary_join_element_wise(words, cell, "'", ""), verdict)
        return verdict

    def _mine(self, cells: Sequence[Text]) -> Mask:
        """Which rows are of the layout: all, but in a report of ours."""
        rows = len(cells[0])
        if self._place(_ROW) is None:
            return np.ones(rows, dtype=bool)
        if self.is_named:
            edi = self._place(_OF_EDI)
            return np.ones(rows, dtype=bool) if edi is None else is_blank(cells[edi])
        return self._told_by_columns(cells)

    def _told_by_columns(self, cells: Sequence[Text]) -> Mask:
        own = self.layout.own
        mine = np.zeros(len(cells[0]), dtype=bool)
        for at, header in enumerate(self.headers):
            if layouts.fold(header) in own and at not in self.columns.values():
                mine |= ~is_blank(cells[at])
        source = self._place(_SOURCE)
        if source is None:
            return mine
        self._sources.update(cells[source].filter(pa.array(mine)).unique().to_pylist())
        known = pa.array(sorted(self._sources), pa.string())
        among: Mask = pc.is_in(cells[source], value_set=known).to_numpy(zero_copy_only=False)
        return among

    def _continues(self, cells: Sequence[Text], names: Sequence[str]) -> Mask:
        """Which rows belong to the parcel, or with ``fill_down_within`` to the order, of the row above.

        What is filled down is blank in them; order and tracking number that are not are as above, or blank.
        """
        goes_on = np.ones(len(cells[0]), dtype=bool)
        within = [at for at, header in enumerate(self.headers) if self._is_within(header)]
        if len({layouts.fold(self.headers[at]) for at in within}) < len(self.layout.fill_down_within):
            return ~goes_on
        for at in within:
            goes_on &= self._as_above(at, cells[at]) & ~is_blank(cells[at])
        for name in _IDENTITY:
            if name not in self.columns:
                continue
            column = cells[self.columns[name]]
            blank = is_blank(column)
            if name in names:
                goes_on &= blank
            elif not within:
                goes_on &= self._as_above(self.columns[name], column) | blank
        return goes_on

    def _is_within(self, header: str) -> bool:
        return layouts.fold(header) in self.layout.fill_down_within

    def _as_above(self, at: int, column: Text) -> Mask:
        """Which cells are those of the row above."""
        trimmed = pc.utf8_trim_whitespace(column)
        above = pa.concat_arrays([pa.array([self._above.get(at, "")], pa.string()), trimmed])
        self._above[at] = above[-1].as_py()
        same: Mask = pc.equal(trimmed, above.slice(0, len(column))).to_numpy(zero_copy_only=False)
        return same

    def _filled(self, at: int, column: Text, goes_on: Mask, given: Mask) -> Text:
        """The column with its blank cells filled from the row that the parcel begins with, if it is given."""
        offered = pa.concat_arrays(
            [pa.array([self._carried.get(at, "")], pa.string()), _where(given, column, "")]
        )
        begins = np.maximum.accumulate(np.where(goes_on, 0, np.arange(1, len(column) + 1)))
        taken = offered.take(pa.array(begins))
        self._carried[at] = taken[-1].as_py()
        return _where(goes_on & is_blank(column), taken, column)


class Filled(Struct, frozen=True):
    """The cells of a block with what was filled down, and in how many rows that was."""

    cells: list[Text]
    rows: int


def _where(mask: Mask, yes: Text | str, no: Text | str) -> Text:
    return pc.if_else(pa.array(mask), yes, no)

"""What else is made of the rows while the tables are written: the workbook and the page are such sinks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import pyarrow as pa
from msgspec import Struct

from importer.cells import texts_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from importer.report.account import Account
    from importer.report.summary import Summary

    Text: TypeAlias = pa.Array[Any]


class Mark(Struct, frozen=True):
    """What is wrong with a cell, or only odd: ``row`` counts within a block, ``column`` in the report."""

    row: int
    column: int
    words: str
    faulty: bool


class Outline(Struct, frozen=True):
    """What a report will have.

    ``headers`` are those of rows.csv, ``canonical`` says which of them (by position) is which canonical
    column; ``rows`` is how many rows there are, ``to_mend`` how many of them errors.csv will have.
    """

    headers: Sequence[str]
    canonical: Mapping[str, int]
    rows: int
    to_mend: int
    account: Account


class Block(Struct, frozen=True):
    """Some rows of one manifest, in order, as rows.csv has them.

    ``columns`` are string arrays or dictionaries of such, one for each header; ``new`` are rows that no
    earlier manifest of the run has, ``attention`` those that are not fine, ``torn`` (by position) those whose
    cells can't be told apart, so that they stand whole in one cell. ``marks`` says what is to be said of
    single cells, and ``decimal_comma`` that in this manifest a quantity of 2,0 is two.
    """

    columns: Sequence[Text]
    new: npt.NDArray[np.bool_]
    attention: npt.NDArray[np.bool_]
    torn: frozenset[int]
    marks: Callable[[], Iterable[Mark]]
    decimal_comma: bool = False

    @property
    def to_mend(self) -> npt.NDArray[np.bool_]:
        """The rows that errors.csv has."""
        return self.attention & self.new

    def cells(self, rows: npt.NDArray[np.int64]) -> list[Text]:
        """The columns of some rows, as string arrays."""
        return [texts_at(column, pa.array(rows)) for column in self.columns]


class Sink(Protocol):
    """A file of the report that is made of its rows: ``begin``, ``add`` for each block, ``finish``."""

    @property
    def kind(self) -> str:
        """What summary.json calls it."""

    @property
    def path(self) -> Path:
        """Where it will stand."""

    def begin(self, outline: Outline) -> None:
        """Get ready for the rows.

        Raises:
            OSError: there is no room.
        """

    def add(self, block: Block) -> None:
        """Take from the block what is wanted of it.

        Raises:
            OSError: there is no room.
        """

    def finish(self, summary: Summary) -> None:
        """Write the file, and give it its name.

        Raises:
            CannotGoOn: it can't be written.
        """

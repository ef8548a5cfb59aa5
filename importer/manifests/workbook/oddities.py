"""What python-calamine does not tell of a sheet: it reads error cells and formulas without a result as blank.

Nor does it tell how numbers are shown and what is hidden. This is read from the file itself: of .xlsx by
openxml.py, of .ods by opendocument.py, of .xlsb by binary.py, of .xls by legacy.py.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from msgspec import Struct, field

from importer.manifests.workbook.formats import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator


class Oddities(Struct):
    """What is odd in one sheet; rows and columns count from 0.

    ``texts`` has by column and row what stands in cells that are read otherwise, ``looks`` by column and by
    what the format makes of a number (see formats.py) the rows. ``hidden_columns`` are ranges from the first
    to before the last; ``rows`` and ``columns`` say how far cells reach at most.
    """

    rows: int = 0
    columns: int = 0
    texts: dict[int, dict[int, str]] = field(default_factory=dict)
    looks: dict[tuple[int, str], array[int]] = field(default_factory=dict)
    hidden_rows: int = 0
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)

    def put(self, row: int, column: int, text: str) -> None:
        """Take down what stands in a cell."""
        self.texts.setdefault(column, {})[row] = text

    def look(self, row: int, column: int, look: str) -> None:
        """Take down what the format of a cell makes of its number."""
        if look != PLAIN:
            self.looks.setdefault((column, look), array("I")).append(row)

    @property
    def reach(self) -> tuple[int, int]:
        """How many rows and columns it takes to have all of ``texts``."""
        rows = (max(found) + 1 for found in self.texts.values())
        return max(rows, default=0), max(self.texts, default=-1) + 1

    def notes(self, width: int) -> Iterator[str]:
        """What a person is told of what is hidden in a sheet of so many columns."""
        columns = sum(max(min(stop, width) - start, 0) for start, stop in self.hidden_columns)
        parts = [
            f"{count:,} {name}{'s' if count > 1 else ''}"
            for count, name in ((self.hidden_rows, "row"), (columns, "column"))
            if count
        ]
        if parts:
            are = "are" if self.hidden_rows + columns > 1 else "is"
            yield f"{' and '.join(parts)} {are} hidden in the sheet, and read all the same"

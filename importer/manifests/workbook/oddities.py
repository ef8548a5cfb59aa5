"""What python-calamine does not tell of a sheet: it reads error cells and formulas without a result as blank.

Nor does it tell how numbers are shown and what is hidden. This is read from the file itself: all of it of
.xlsx (openxml.py) and .ods (opendocument.py), error cells of .xlsb (binary.py), these and what is hidden of
.xls (legacy.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Oddities:
    """What is odd in one sheet; rows and columns count from 0.

    ``texts`` has by column and row what stands in cells that are read as blank, ``scientific`` by column the
    rows whose number is shown as ``1.2E+7``, ``padded`` those shown with leading zeros. ``hidden_columns``
    are ranges from the first to before the last; ``rows`` and ``columns`` say how far cells reach at most.
    """

    rows: int = 0
    columns: int = 0
    texts: dict[int, dict[int, str]] = field(default_factory=dict)
    scientific: dict[int, set[int]] = field(default_factory=dict)
    padded: dict[int, set[int]] = field(default_factory=dict)
    hidden_rows: int = 0
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)

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

"""How long a cell may be that the csv module reads: in a report of ours, as long as a whole row.

A row that can't be told apart stands whole in one cell of a report, with the quotes of its own cells, and
that report is read again, as a manifest when it was mended.
"""

from __future__ import annotations

import csv
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST: Final = 131_072
"""What a cell of a manifest has at most, in characters: the csv module's own limit."""
LONGEST_REPORTED: Final = 160 * 1024 * 1024
"""What a row of a report has at most, in bytes: 64 MiB are a manifest's longest; its quotes are doubled."""


@contextmanager
def cells_up_to(characters: int) -> Iterator[None]:
    """Let the csv module read cells of so many characters while this goes on."""
    before = csv.field_size_limit(characters)
    try:
        yield
    finally:
        csv.field_size_limit(before)

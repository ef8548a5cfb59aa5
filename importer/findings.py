"""What is wrong or odd with rows, as columns of numbers: a run may have a million findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from msgspec import Struct

from schemas.codes import CODES
from schemas.manifest import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

WHOLE_ROW: Final = -1
NOTHING_MORE: Final = -1
_NAMES = tuple(CODES)
_NUMBERS = {name: number for number, name in enumerate(_NAMES)}


class Findings(Struct, frozen=True):
    """Findings side by side, one per position of the four arrays.

    ``rows`` (int64) counts the data rows of the run from 0; ``columns`` (int8) is a place in
    schemas.manifest.COLUMNS or WHOLE_ROW; ``codes`` (int8) a place in schemas.codes.CODES. ``details``
    (int64) is the row that is repeated for duplicate-row, the sum for quantity-too-large where it is the
    parcel's and not the cell's, else NOTHING_MORE.
    """

    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int8]
    codes: npt.NDArray[np.int8]
    details: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """How many findings there are."""
        return len(self.rows)

    @staticmethod
    def of(
        rows: npt.NDArray[np.int64],
        code: str,
        column: str | None = None,
        details: npt.NDArray[np.int64] | None = None,
    ) -> Findings:
        """The same finding on each of ``rows``."""
        place = WHOLE_ROW if column is None else COLUMNS.index(column)
        return Findings(
            rows.astype(np.int64),
            np.full(len(rows), place, dtype=np.int8),
            np.full(len(rows), _NUMBERS[code], dtype=np.int8),
            np.full(len(rows), NOTHING_MORE, dtype=np.int64) if details is None else details.astype(np.int64),
        )

    @staticmethod
    def join(several: Iterable[Findings]) -> Findings:
        """All findings of ``several``, sorted by row; those of a row stay in the order given."""
        several = [*several, NO_FINDINGS]
        rows = np.concatenate([findings.rows for findings in several])
        order = np.argsort(rows, kind="stable")
        return Findings(
            rows[order],
            np.concatenate([findings.columns for findings in several])[order],
            np.concatenate([findings.codes for findings in several])[order],
            np.concatenate([findings.details for findings in several])[order],
        )

    def shifted(self, rows: int) -> Findings:
        """The same findings, ``rows`` rows further down."""
        return Findings(self.rows + rows, self.columns, self.codes, self.details)

    def within(self, start: int, stop: int) -> Findings:
        """The findings on the rows from ``start`` to before ``stop``; they must be sorted by row."""
        low, high = np.searchsorted(self.rows, (start, stop))
        return Findings(
            self.rows[low:high], self.columns[low:high], self.codes[low:high], self.details[low:high]
        )

    def without(self, rows: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Findings:
        """The findings on other rows than ``rows``."""
        keep = ~np.isin(self.rows, np.asarray(rows, dtype=np.int64))
        return Findings(self.rows[keep], self.columns[keep], self.codes[keep], self.details[keep])


class Mentions(Struct, frozen=True):
    """What stands in the cells of rows that can't be told apart, side by side.

    ``rows`` (int64) counts data rows from 0; ``texts`` are cells of theirs (strings, no nulls).
    """

    rows: npt.NDArray[np.int64]
    texts: pa.Array[Any]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.rows)

    @staticmethod
    def join(several: Iterable[Mentions]) -> Mentions:
        """All mentions of ``several``, in their order."""
        several = [*several, NO_MENTIONS]
        return Mentions(
            np.concatenate([mentions.rows for mentions in several]),
            pa.concat_arrays([mentions.texts for mentions in several]),
        )

    def shifted(self, rows: int) -> Mentions:
        """The same mentions, ``rows`` rows further down."""
        return Mentions(self.rows + rows, self.texts)


NO_MENTIONS: Final = Mentions(np.empty(0, dtype=np.int64), pa.nulls(0, pa.string()))


def number_of(name: str) -> int:
    """The place of the code in the table."""
    return _NUMBERS[name]


def name_of(code: int) -> str:
    """The code at that place of the table."""
    return _NAMES[code]


NO_FINDINGS: Final = Findings(
    np.empty(0, dtype=np.int64),
    np.empty(0, dtype=np.int8),
    np.empty(0, dtype=np.int8),
    np.empty(0, dtype=np.int64),
)

"""What a run has to tell, as columns of numbers: rows, fulfillments, findings, outcomes."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct, field

from importer.model import STATUSES, Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    import numpy.typing as npt
    import pyarrow as pa

    from importer.findings import Findings

NUMBER_OF = {status: number for number, status in enumerate(STATUSES)}
UNTOLD = -1
_MICROSECONDS = 1_000_000
_STEP = 1_000_000


class Outcomes:
    """How each fulfillment ended, in columns; texts that many share are kept once.

    ``status`` is a place in STATUSES, ``story`` one in ``stories`` ((code, message) pairs; UNTOLD: there is
    nothing to say), ``at`` microseconds since 1970 UTC (0: no request was made). ``column`` makes a
    column.
    """

    def __init__(
        self, fulfillments: int, initially: Status, column: Callable[[npt.DTypeLike], Any] | None = None
    ) -> None:
        column = column or partial(_zeros, fulfillments)
        self.status: npt.NDArray[np.uint8] = column(np.uint8)
        self.http_status: npt.NDArray[np.int16] = column(np.int16)
        self.attempts: npt.NDArray[np.int32] = column(np.int32)
        self.at: npt.NDArray[np.int64] = column(np.int64)
        self.story: npt.NDArray[np.int32] = column(np.int32)
        self.status[:] = NUMBER_OF[initially]
        self.story[:] = UNTOLD
        self.stories: list[tuple[str, str]] = []
        self._known: dict[tuple[str, str], int] = {}

    def put(self, index: int, outcome: Outcome) -> None:
        """Take down how the fulfillment at ``index`` ended."""
        self.status[index] = NUMBER_OF[outcome.status]
        self.http_status[index] = outcome.http_status or 0
        self.attempts[index] = outcome.attempts
        self.at[index] = _microseconds(outcome.at) if outcome.at else 0
        self.story[index] = self._tell(outcome.code, outcome.message)

    def put_all(self, mask: npt.NDArray[np.bool_], status: Status, code: str, message: str) -> None:
        """The same ending, without a request, for all fulfillments of ``mask``."""
        self.status[mask] = NUMBER_OF[status]
        self.story[mask] = self._tell(code, message)

    def _tell(self, code: str, message: str) -> int:
        if not code and not message:
            return UNTOLD
        if (code, message) not in self._known:
            self._known[code, message] = len(self.stories)
            self.stories.append((code, message))
        return self._known[code, message]


def _zeros(count: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    return np.zeros(count, dtype)


def _microseconds(at: datetime) -> int:
    return round(at.timestamp() * _MICROSECONDS)


class Position(Struct, frozen=True):
    """Where a block's rows stand: the run's row it starts with, its manifest, its rows' numbers there."""

    start: int
    manifest: str
    rows: npt.NDArray[np.int64]


class Account(Struct, frozen=True, dict=True):
    """Everything that the report is made of, beside the manifests themselves.

    Per row: ``of_row`` (the fulfillment, -1: unknown), ``bad``, and ``repeats`` (an earlier manifest of the
    run, or EDI transaction, has the row, too). Per fulfillment: ``names``, ``held_by``
    (a row, -1: none), ``scope`` (what the two have in common) and ``outcomes``. ``findings`` and
    ``warnings`` are sorted by row. ``expected_order_id`` is the rule for order ids in words.
    ``idle`` are those bad rows that need nobody's attention: nothing was shipped of them. ``segmented``
    are the manifests whose rows are known by the numbers of their segments. Columns may be in files;
    ``let_go`` gives back the memory that was taken to look at them.
    """

    positions: list[Position]
    of_row: npt.NDArray[np.int64]
    bad: npt.NDArray[np.bool_]
    repeats: npt.NDArray[np.bool_]
    names: pa.Array[Any]
    held_by: npt.NDArray[np.int64]
    scope: tuple[str, ...]
    scope_of: npt.NDArray[np.int8]
    filled: npt.NDArray[np.bool_]
    findings: Findings
    warnings: Findings
    outcomes: Outcomes
    expected_order_id: str
    duplicates: str = "sum"
    idle: npt.NDArray[np.bool_] | None = None
    segmented: frozenset[str] = frozenset()
    let_go: Callable[[], None] = lambda: None

    def status_of_rows(self, start: int, stop: int) -> npt.NDArray[np.uint8]:
        """Each row's status, a place in STATUSES, of those from ``start`` to before ``stop``."""
        mine = slice(start, stop)
        status = np.full(len(self.of_row[mine]), NUMBER_OF[Status.INVALID], dtype=np.uint8)
        if self.idle is not None:
            status[self.idle[mine]] = NUMBER_OF[Status.SKIPPED]
        good = ~self.bad[mine]
        status[good] = self._status_of(self.of_row[mine][good])
        return status

    def count_of_rows(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """How many rows from ``start`` to before ``stop`` have each of STATUSES."""
        return self._counted(self.status_of_rows(*some) for some in self._steps(start, stop))

    def count_of_fulfillments(self) -> npt.NDArray[np.int64]:
        """How many fulfillments have each of STATUSES."""
        return self._counted(self._status_of(slice(*some)) for some in self._steps(0, len(self.held_by)))

    def count_to_mend(self, needing: npt.NDArray[np.bool_]) -> int:
        """How many rows have a status of which ``needing`` says so, and no earlier manifest has."""
        return sum(
            int((needing[self.status_of_rows(start, stop)] & ~self.repeats[start:stop]).sum())
            for start, stop in self._steps(0, len(self.of_row))
        )

    def _status_of(self, which: npt.NDArray[np.int64] | slice) -> npt.NDArray[np.uint8]:
        """Status of fulfillments; one without a good row is as invalid as its rows."""
        filled, status = self.filled[which], self.outcomes.status[which].copy()
        status[self.held_by[which] >= 0] = NUMBER_OF[Status.HELD]
        status[~filled] = NUMBER_OF[Status.INVALID]
        return status

    def _steps(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The places from ``start`` to ``stop`` in steps that take little memory."""
        for at in range(start, stop, _STEP):
            yield at, min(at + _STEP, stop)
            self.let_go()

    def _counted(self, several: Iterable[npt.NDArray[np.uint8]]) -> npt.NDArray[np.int64]:
        counts = np.zeros(len(STATUSES), dtype=np.int64)
        for status in several:
            counts += np.bincount(status, minlength=len(STATUSES))
        return counts

    @cached_property
    def faulty_rows(self) -> int:
        """How many rows are not fine by themselves."""
        return sum(self._count_faulty(slice(*some)) for some in self._steps(0, len(self.bad)))

    def _count_faulty(self, which: slice) -> int:
        bad = self.bad[which]
        return int((bad if self.idle is None else bad & ~self.idle[which]).sum())

    def place(self, row: int) -> tuple[str, int]:
        """The manifest that has the run's ``row``, and the row's number there."""
        block = self.positions[self._block_of(row)]
        return block.manifest, int(block.rows[row - block.start])

    def blocks_of(self, rows: npt.NDArray[np.int64]) -> Iterator[Position]:
        """The blocks that have any of the sorted ``rows``, in order."""
        at = 0
        while at < len(rows):
            block = self.positions[self._block_of(int(rows[at]))]
            yield block
            at = int(np.searchsorted(rows, block.start + len(block.rows)))

    def _block_of(self, row: int) -> int:
        return bisect_right(self.positions, row, key=lambda position: position.start) - 1


class Examples(Struct):
    """How often a code was given, and the first rows that have it: (manifest, row, message)."""

    count: int = 0
    first: list[tuple[str, int, str]] = field(default_factory=list)

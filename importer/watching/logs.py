"""A run as JSON, one object a line, for machines that gather such lines: what happened when, to which row."""

from __future__ import annotations

import errno
import io
import json
import os
from bisect import bisect_right
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from msgspec import Struct

from importer.model import FINE, Answer, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from importer.model import Fulfillment, Happening, Intent, NoAnswer, Outcome, Request
    from importer.posts import Told
    from importer.report import Position
    from importer.watching.ending import Ending


class Level(StrEnum):
    """How much a line matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


class Log(Struct):
    """Where lines go: ``write`` takes each with its line break, None where nobody wants them.

    ``run_id`` stands in every line once it is set. A line that can't be written is lost, and the run goes on.
    """

    write: Callable[[str], object] | None = None
    now: Callable[[], datetime] = utc_now
    run_id: str = ""

    def tell(self, event: str, level: Level = Level.INFO, /, **more: object) -> None:
        """Write a line; what is None or "" of ``more`` is left out."""
        if self.write is None:
            return
        at = self.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"time": at, "level": level, "event": event, "run_id": self.run_id, **more}
        told = {name: value for name, value in line.items() if value is not None and value != ""}
        try:
            self.write(json.dumps(told) + "\n")
        except (OSError, ValueError):  # the disk is full; a stream was closed
            return

    def of_posting(self, of_row: npt.NDArray[np.int64], positions: Sequence[Position]) -> Posting | None:
        """What writes the lines of posting; None where nobody wants them. See ``Rows.of``."""
        return None if self.write is None else Posting(self, Rows.of(of_row, positions))

    def end(self, ending: Ending) -> None:
        """Write how the run ended."""
        summary = ending.summary
        level = Level.INFO if ending.exit_status == 0 else Level.ERROR
        if summary is not None and ending.exit_status in _ROWS_ALONE:
            level = Level.WARNING
        more: dict[str, object] = {"exit_status": ending.exit_status, "seconds": round(ending.seconds, 3)}
        if summary is not None:
            counts = {"rows": summary.rows, "fulfillments": summary.fulfillments}
            more |= {name: _there(count) for name, count in counts.items()}
            more |= {"stopped_because": summary.stopped_because, "report": summary.reports["summary"]}
        self.tell("run-finished", level, **more, message=ending.sentence)


class Lines:
    """Whole lines at the end of a file that is written without a buffer; see ``appended``.

    ``trouble`` says why a line was lost, "" as long as none was.
    """

    def __init__(self, file: io.RawIOBase, *, torn: bool = False) -> None:
        self.trouble = ""
        self._file = file
        self._torn = torn

    def write(self, line: str) -> None:
        """Write a line with its line break; where one before it was cut short, that one is ended first."""
        wanted = (b"\n" if self._torn else b"") + line.encode()
        try:
            written = self._file.write(wanted) or 0  # None: a pipe is full
        except OSError as error:
            self.trouble = self.trouble or error.strerror or str(error)
            return
        if written:
            self._torn = wanted[written - 1 : written] != b"\n"
        if written < len(wanted):
            self.trouble = self.trouble or "there was no room for it"


@contextmanager
def appended(path: Path) -> Iterator[Lines]:
    """Lines at the end of the file at ``path``, each there once it is written, whatever then becomes of us.

    Of a pipe nothing is waited for, neither that somebody reads it nor that he goes on.

    Raises:
        OSError: it can't be opened.
    """
    with io.FileIO(path, "ab", opener=_without_waiting) as file:
        yield Lines(file, torn=_is_torn(path))


def _without_waiting(path: str, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(error.errno, "it is a pipe that nobody reads") from error
        raise


def _is_torn(path: Path) -> bool:
    """Whether the last line has no line break, as a disk that was full leaves it."""
    if not path.is_file():
        return False
    with suppress(OSError), path.open("rb") as file:  # it may be ours to write only
        file.seek(max(path.stat().st_size - 1, 0))
        last = file.read()
        return bool(last) and not last.endswith(b"\n")
    return False


_ROWS_ALONE: Final = frozenset({1, 6})  # the run is well, and some rows need attention


def _there(counts: Mapping[str, int]) -> dict[str, int]:
    return {status: count for status, count in counts.items() if count}


# --- posting -------------------------------------------------------------------------------------------


class Rows(Struct, frozen=True):
    """Which row each fulfillment begins with: ``first`` of the run's rows, and where these stand."""

    first: npt.NDArray[np.int64]
    positions: Sequence[Position]

    @classmethod
    def of(cls, of_row: npt.NDArray[np.int64], positions: Sequence[Position]) -> Rows:
        """``of_row`` has the fulfillment of each row, below 0 where it has none."""
        numbers, first = np.unique(of_row, return_index=True)
        return cls(first[numbers >= 0], positions)

    def place(self, index: int) -> tuple[str, int]:
        """The manifest and the row's number there, of the fulfillment at ``index``."""
        row = int(self.first[index])
        block = self.positions[bisect_right(self.positions, row, key=lambda position: position.start) - 1]
        return block.manifest, int(block.rows[row - block.start])


_ANSWER: ContextVar[Mapping[str, object]] = ContextVar("answer", default=MappingProxyType({}))
"""What came back to the latest request of the worker that asks; each worker is a task, with its own."""
_REQUEST_IDS: Final = ("request-id", "x-request-id")


class Posting:
    """Writes lines of what posting tells; ``rows`` says where fulfillments stand."""

    def __init__(self, log: Log, rows: Rows) -> None:
        self._log = log
        self._rows = rows
        self._attempts: dict[tuple[tuple[str, ...], str], int] = {}
        self._waits_for = ""

    def asked(self, request: Request) -> None:
        """Remember by which key the platform may know the request."""
        _ANSWER.set({"idempotency_key": request.headers.get("Idempotency-Key")})

    def answered(self, request: Request, reply: Answer | NoAnswer | None) -> None:
        """Remember what the platform calls the request."""
        if isinstance(reply, Answer):
            names = {name.lower(): value for name, value in reply.headers.items()}
            found = next((names[name] for name in _REQUEST_IDS if name in names), None)
            _ANSWER.set({"idempotency_key": request.headers.get("Idempotency-Key"), "request_id": found})

    def told(self, fulfillment: Fulfillment, how: Told) -> None:
        """Write how a fulfillment came to its end in this run."""
        order_ids = tuple(part.order_id for part in fulfillment.parts)
        self._attempts.pop((order_ids, fulfillment.key), None)
        _ANSWER.set({})
        manifest, row = self._rows.place(fulfillment.index)
        self._log.tell(
            "fulfillment-ended",
            _level(how.outcome.status),
            **_named(order_ids, fulfillment.key),
            manifest=manifest,
            row=row,
            **_outcome(how.outcome),
        )

    def intended(self, intent: Intent) -> None:
        """Write that it is tried once more; all but the first try are retries."""
        key = (intent.order_ids, intent.tracking_number)
        self._attempts[key] = self._attempts.get(key, 0) + 1
        if self._attempts[key] > 1:
            self._log.tell("retry", Level.WARNING, **_of(intent), attempt=self._attempts[key])

    def recorded(self, intent: Intent, outcome: Outcome) -> None:
        """Write how an attempt ended."""
        self._log.tell(
            "attempt-ended", _level(outcome.status), **_of(intent), **_outcome(outcome), **_ANSWER.get()
        )
        if outcome.status in FINE:  # what comes next is about another fulfillment
            _ANSWER.set({})

    def noted(self, intent: Intent, what: Sequence[Happening]) -> None:
        """Write what became known of the fulfillment."""
        for each in what:
            self._log.tell(
                str(each.event),
                **_of(intent),
                attempt=each.attempt or None,
                code=each.code,
                http_status=each.http_status,
                message=each.message,
                **_ANSWER.get(),
            )

    def says(self, words: str) -> None:
        """Write what all wait for, and when that is over; what counts down is told once."""
        why = words.partition(";")[0]
        if why != self._waits_for:
            self._waits_for = why
            self._log.tell(
                "waiting" if why else "going-on", Level.WARNING if why else Level.INFO, message=words
            )


def _level(status: Status) -> Level:
    return Level.INFO if status in FINE else Level.WARNING


def _of(intent: Intent) -> dict[str, str]:
    return _named(intent.order_ids, intent.tracking_number)


def _named(order_ids: Sequence[str], tracking_number: str) -> dict[str, str]:
    return {"order": "+".join(order_ids), "tracking_number": tracking_number}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "attempt": outcome.attempts or None,
        "status": str(outcome.status),
        "code": outcome.code,
        "http_status": outcome.http_status,
        "message": outcome.message,
    }

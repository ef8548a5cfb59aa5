"""What somebody asks about → everything that the ledger has of the fulfillments that are meant.

They are named by order id, tracking number, both, or a row of a report. Nothing that only looks alike is
taken for what was meant.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow.compute as pc

from importer.errors import SetupError, Unknown
from importer.printing import quoted
from importer.report import finished
from importer.report.stories import ReportedRow, Story
from importer.report.table import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.ledger import Ledger
    from importer.model import Happening
    from importer.report.finished import Finished, Row

_ROW: Final = re.compile(r"(.+):([0-9]+)")
_FILES_SHOWN: Final = 10


def reported(what: str) -> ReportedRow | None:
    """Return the row that ``REPORT:ROW`` or ``REPORT:FILE:ROW`` names; None if ``what`` names no report.

    The report is its folder, or a file in it; the row is numbered as its column ``import_row`` has it.

    Raises:
        SetupError: it is no report, or there are several such rows.
        Unknown: the report has no such row.
    """
    place = _ROW.fullmatch(what)
    if place is None:
        return None
    where, row = place.groups()
    for report, file in _readings(where):
        if Path(report).exists():
            return _row(report, file, row)
    return None


def stories(ledger: Ledger, name: str, destination: str | None) -> list[Story]:
    """Return what ``ledger`` has of all that ``name`` can mean, by destination and then by age.

    ``name`` is an order id, a tracking number, ``ORDER/TRACKING``, or ``1+2/TRACKING`` for a shared parcel.
    With a ``destination`` only what was for that one is returned.

    Raises:
        CannotGoOn: the ledger can't be read.
    """
    found: dict[tuple[str, str, str], list[Happening]] = {}
    for order_id, tracking_number in _meanings(name):
        found |= ledger.history(order_id=order_id, tracking_number=tracking_number)
    return sorted(
        (
            _story(ledger, key, tuple(happened))
            for key, happened in found.items()
            if destination in {None, key[0]}
        ),
        key=lambda story: (story.destination, story.happened[0].at),
    )


def _readings(where: str) -> Iterator[tuple[str, str]]:
    """The report and the file in it that are meant: there can be colons in either."""
    yield where, ""
    for colon in reversed([at for at, character in enumerate(where) if character == ":"]):
        yield where[:colon], where[colon + 1 :]


def _row(report: str, file: str, row: str) -> ReportedRow:
    read = finished.read(Path(report))
    found = [each for each in _numbered(read, row) if file in {"", each.source}]
    path = read.folder / ROWS
    if not found:
        of = f" of {quoted(file)}" if file else ""
        raise Unknown(f"{path}: no row {row}{of} in its column import_row")
    if len(found) > 1:
        names = [f"{report}:{each.source}:{row}" for each in found[:_FILES_SHOWN]]
        raise SetupError(f"{path}: row {row} is in {len(found)} files; say which: {', '.join(names)}")
    one = found[0]
    said = one.status, one.code, one.message, one.hint, one.fulfillment
    return ReportedRow(report, one.source, one.row, *said)


def _numbered(report: Finished, row: str) -> Iterator[Row]:
    for block in report.blocks():
        places = pc.indices_nonzero(pc.equal(block["import_row"], row)).to_pylist()
        yield from finished.rows_of(block, places)


def _meanings(name: str) -> Iterator[tuple[str | None, str | None]]:
    """The order id and the tracking number that can be meant."""
    name = name.strip()
    yield name, None
    yield None, name
    orders, slash, number = map(str.strip, name.rpartition("/"))
    if slash:
        for order_id in dict.fromkeys((orders, *orders.split("+"))):
            yield order_id, number


def _story(ledger: Ledger, key: tuple[str, str, str], happened: tuple[Happening, ...]) -> Story:
    destination, order_id, tracking_number = key
    entry = ledger.entries(destination, [(order_id, tracking_number)]).get((order_id, tracking_number))
    named = dict.fromkeys(each.run_id for each in happened)
    runs = {run_id: run for run_id in named if (run := ledger.run(run_id)) is not None}
    return Story(*key, entry, happened, runs)

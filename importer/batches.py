"""A run's manifests, read, checked and grouped; and the report of them, once it is known how each ended."""

from __future__ import annotations

import io
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from importer import fulfillments, manifests, reading, report
from importer.errors import ManifestError
from importer.fulfillments.piecewise import group_piecewise
from importer.model import FINE, STATUSES, Status
from importer.report.progress import bar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path
    from typing import BinaryIO

    import numpy.typing as npt
    from rich.console import Console

    from importer.delivery import Earlier
    from importer.destinations import Destination
    from importer.fulfillments import Grouping
    from importer.manifests import Manifest
    from importer.manifests.layouts import Layout
    from importer.manifests.sources import Source
    from importer.reading import Read, Reader
    from importer.report import Outcomes, Summary
    from importer.spilling import Room

NEEDED_BY_ALL = ("order_id", "tracking_number")
_ORDER_ID_WORDS = {
    "integer": "a whole number from 1 to 9223372036854775807",
    "string": "1 to 255 characters on one line",
}
_FINISHED, _ATTENTION, _DOUBT = 0, 1, 6


class Terms(Struct, frozen=True):
    """Under which rules manifests are read and grouped.

    ``destination`` is None where only the rules count that all destinations share.
    """

    destination: Destination | None
    layout: Layout
    options: fulfillments.Options
    encoding: str | None = None
    strict_tracking: bool = False
    sheet: str | None = None

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns that a manifest must have."""
        return self.destination.needed if self.destination else NEEDED_BY_ALL

    @property
    def order_id(self) -> str:
        """The rule for order ids, ``integer`` or ``string``."""
        return self.destination.order_id if self.destination else "string"

    @property
    def grouping(self) -> fulfillments.Options:
        """How to group for the destination."""
        several = bool(self.destination and self.destination.several_orders)
        carrier = bool(self.destination and "tracking_company" in self.destination.takes)
        return replace(
            self.options, several_orders=several, fill_carrier=self.options.fill_carrier and carrier
        )


class Batch(Struct, frozen=True):
    """All rows of the manifests, and the fulfillments that they make."""

    terms: Terms
    surveyed: Sequence[Manifest]
    read: Read
    grouping: Grouping


class Facts(Struct, frozen=True):
    """What a report says of its run beside the rows; fields as in ``report.Summary``."""

    run_id: str
    command: str
    started_at: datetime
    finished_at: datetime
    exit_status: int
    stopped_because: str
    mails: int | None = 0
    ledger: str = ""
    ledger_is_new: bool = False
    notes: tuple[str, ...] = ()


class Tables(Struct, frozen=True):
    """The tables as they were written, and in ``rows`` and ``fulfillments`` how many ended how.

    ``by_manifest`` has the rows of each manifest by status.
    """

    written: report.Written
    rows: Mapping[str, int]
    fulfillments: dict[str, int]
    by_manifest: Sequence[Mapping[Status, int]] = ()


def standard_input() -> BinaryIO:
    """Where the manifest ``-`` is read from."""
    return io.BytesIO() if sys.stdin is None else sys.stdin.buffer  # cron may start us with none


def survey(found: Sequence[Source], terms: Terms) -> list[Manifest]:
    """Look at every manifest once.

    Raises:
        ManifestError: some of them are none; the message names all of these.
    """
    surveyed, faults = [], []
    for source in found:
        try:
            surveyed.append(_survey(source, terms))
        except ManifestError as error:
            faults.append(str(error))
    if faults:
        raise ManifestError("\n".join(faults))
    return surveyed


def _survey(source: Source, terms: Terms) -> Manifest:
    try:
        return manifests.survey(source, terms.layout, terms.needed, terms.encoding, terms.sheet)
    except ManifestError as error:
        only_to_mail = _to_notify(source, terms)
        if only_to_mail is None:
            raise
        if terms.options.notify:
            return only_to_mail
        raise ManifestError(f"{error}; to mail customers again, give --notify") from error


def _to_notify(source: Source, terms: Terms) -> Manifest | None:
    """The manifest, if it has what is needed to mail customers."""
    needed = terms.destination.needed_to_notify if terms.destination else ()
    with suppress(ManifestError):
        if needed:
            return manifests.survey(source, terms.layout, needed, terms.encoding, terms.sheet)
    return None


def read(
    surveyed: Sequence[Manifest],
    terms: Terms,
    console: Console,
    room: Room,
    reader: Reader = reading.HERE,
) -> Read:
    """Read and check every row; what memory has no room for is kept in ``room``; ``reader`` does the work.

    Raises:
        ManifestError: a manifest turns out not to be one, or changes while it is read.
        CannotGoOn: there is no room.
    """
    with bar(console, "reading", None) as progress:
        return reading.read_all(
            surveyed,
            terms.order_id,
            strict_tracking=terms.strict_tracking,
            progress=progress.advance,
            takes=terms.destination.takes if terms.destination else (),
            optional=terms.destination.optional if terms.destination else (),
            room=room,
            reader=reader,
        )


def group(surveyed: Sequence[Manifest], read: Read, terms: Terms) -> Batch:
    """Make fulfillments of the rows.

    Raises:
        CannotGoOn: there are more rows than memory has room for, and none elsewhere.
    """
    grouping = (
        fulfillments.group(read.rows, terms.grouping)
        if isinstance(read.rows, fulfillments.Rows)
        else group_piecewise(read.rows, terms.grouping)
    )
    return Batch(terms, surveyed, read, grouping)


def outcomes(batch: Batch, initially: Status) -> Outcomes:
    """How each fulfillment of the batch ended, so far."""
    made = report.Outcomes(len(batch.grouping), initially, batch.grouping.column)
    batch.grouping.let_go()
    return made


def hold_all(batch: Batch, earlier: Earlier, outcomes: Outcomes) -> npt.NDArray[np.bool_]:
    """What is to be sent; with --all-or-nothing, what an earlier run spoils keeps the rest from it, too."""
    if not (batch.terms.options.all_or_nothing and earlier.faulty):
        return earlier.send
    outcomes.put_all(
        earlier.send & ~earlier.in_doubt,
        Status.HELD,
        "batch-held",
        "held back by --all-or-nothing: an earlier run posted or tried others of these fulfillments",
    )
    return np.zeros(len(batch.grouping), dtype=bool)


@contextmanager
def sinks(batch: Batch, folder: Path, again: str, *, xlsx: bool) -> Iterator[tuple[report.Sink, ...]]:
    """What else than tables a report has: a page, and with ``xlsx`` a workbook.

    ``again`` is the command that posts in the same way, with ``{}`` for the manifests.

    Raises:
        CannotGoOn: there is no room for the workbook.
    """
    destination = batch.terms.destination
    page = report.WebPage(
        folder,
        again,
        order_id=batch.terms.order_id,
        takes=destination.takes if destination else (),
        optional=destination.optional if destination else (),
    )
    if not xlsx:
        yield (page,)
        return
    from importer.report.workbook import opened  # noqa: PLC0415 - xlsxwriter, only where it is asked for

    with opened(folder) as workbook:
        yield workbook, page


def write(batch: Batch, outcomes: Outcomes, folder: Path, sinks: Sequence[report.Sink] = ()) -> Tables:
    """Write the tables of the report, and their rows into ``sinks``.

    Raises:
        CannotGoOn: they can't be written, or their sums don't hold.
    """
    account = _account(batch, outcomes)
    written = report.write(account, reading.pages(batch.surveyed, batch.read), folder, sinks)
    return Tables(written, *report.summarize(account, written), _by_manifest(batch, account))


def publish(
    batch: Batch,
    tables: Tables,
    facts: Facts,
    folder: Path,
    sinks: Sequence[report.Sink] = (),
    late: Sequence[report.Sink] = (),
) -> Summary:
    """Finish ``sinks``, and write the summary of the report.

    Those of them that are ``late`` can be finished once only, and are when more is known of the run.

    Raises:
        CannotGoOn: it can't be written.
    """
    destination, written = batch.terms.destination, tables.written
    summary = report.Summary(
        run_id=facts.run_id,
        command=facts.command,
        destination=destination.identity if destination else "",
        manifests=reading.describe(batch.surveyed, batch.read),
        rows=dict(tables.rows),
        fulfillments=tables.fulfillments,
        errors=written.errors,
        warnings=written.warnings,
        started_at=facts.started_at,
        finished_at=facts.finished_at,
        exit_status=facts.exit_status,
        stopped_because=facts.stopped_because,
        mails=facts.mails,
        filled_carriers=batch.grouping.filled_carriers(),
        reports=report.paths(folder) | {sink.kind: str(sink.path) for sink in sinks},
        to_mend=written.to_mend,
        attention=str(written.attention),
        ledger=facts.ledger,
        ledger_is_new=facts.ledger_is_new,
        notes=facts.notes,
    )
    for sink in sinks:
        if sink not in late:
            sink.finish(summary)
    report.publish(summary, folder)
    return summary


def exit_status(rows: Mapping[str, int]) -> int:
    """What the rows by status mean for a run that was not stopped."""
    if rows[Status.IN_DOUBT]:
        return _DOUBT
    return _ATTENTION if any(rows[status] for status in STATUSES if status not in FINE) else _FINISHED


def _by_manifest(batch: Batch, account: report.Account) -> list[dict[Status, int]]:
    ends = np.cumsum(batch.read.counts).tolist()
    counts = map(account.count_of_rows, [0, *ends], ends)
    return [dict(zip(STATUSES, some.tolist(), strict=True)) for some in counts]


def _account(batch: Batch, outcomes: Outcomes) -> report.Account:
    read, grouping = batch.read, batch.grouping
    return report.Account(
        positions=read.positions,
        of_row=grouping.of_row,
        bad=grouping.bad,
        idle=read.idle,
        segmented=frozenset(manifest.name for manifest in batch.surveyed if manifest.edi),
        repeats=grouping.repeats,
        names=grouping.names(),
        held_by=grouping.held_by,
        scope=tuple(map(str, fulfillments.SCOPES)),
        scope_of=grouping.scope,
        filled=grouping.filled,
        findings=grouping.findings,
        warnings=grouping.warnings,
        outcomes=outcomes,
        expected_order_id=_ORDER_ID_WORDS[batch.terms.order_id],
        duplicates=str(batch.terms.options.duplicates),
        let_go=grouping.let_go,
    )

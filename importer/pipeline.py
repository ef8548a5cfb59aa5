"""A run: manifests are read, checked and grouped, fulfillments are posted, and every row is reported."""

from __future__ import annotations

import io
import os
import secrets
import shutil
import sys
import tempfile
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from rich.console import Console

from importer import delivery, destinations, fulfillments, manifests, reading, report
from importer.errors import CannotGoOn, ManifestError
from importer.findings import Findings
from importer.ledger import Ledger, Run, exists
from importer.manifests import layouts, sources
from importer.model import FINE, STATUSES, Status
from importer.posts.signals import Interruption
from importer.report.progress import bar

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from importer.destinations import Destination
    from importer.fulfillments import Grouping
    from importer.manifests import Manifest
    from importer.manifests.sources import Source
    from importer.model import Fulfillment, Outcome
    from importer.reading import Read
    from importer.report import Account, Outcomes, Summary, Written
    from importer.settings import DestinationSettings

NEEDED_BY_ALL = ("order_id", "tracking_number")
_ORDER_ID_WORDS = {
    "integer": "a whole number from 1 to 9223372036854775807",
    "string": "1 to 255 characters on one line",
}
_FINISHED, _ATTENTION, _STOPPED, _DOUBT = 0, 1, 4, 6


@dataclass(frozen=True, slots=True)
class Job:
    """What the user has asked for. ``destination`` is None for a dry run for any destination."""

    command: str
    arguments: tuple[str, ...]
    destination: DestinationSettings | None
    ledger: Path
    options: fulfillments.Options = field(default_factory=fulfillments.Options)
    report: Path | None = None
    layout: str | None = None
    encoding: str | None = None
    strict_tracking: bool = False
    retry_in_doubt: bool = False


def _standard_input() -> BinaryIO:
    return io.BytesIO() if sys.stdin is None else sys.stdin.buffer  # cron may start us with none


@dataclass(frozen=True, slots=True)
class World:
    """What a run needs of its surroundings; ``standard_input`` is read for the manifest ``-``."""

    standard_input: BinaryIO = field(default_factory=_standard_input)
    console: Console = field(default_factory=lambda: Console(stderr=True))
    interruption: Interruption = field(default_factory=Interruption)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def run(job: Job, world: World) -> Summary:
    """Do the whole run and return what came of it; its report is on disk.

    Raises:
        ImporterError: the run can't start or go on; the message says why and what to do.
    """
    return _Run(job, world).run()


class _Run:
    """The steps of one run, and what they hand on."""

    def __init__(self, job: Job, world: World) -> None:
        self._job = job
        self._world = world
        self._started_at = world.now()
        self._id = f"{self._started_at:%Y-%m-%d-%H%M%S}-{secrets.token_hex(2)}"
        self._folder = job.report or Path("reports", self._id)
        self._destination = destinations.make(job.destination) if job.destination else None

    def run(self) -> Summary:
        report.refuse_existing(self._folder)
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(_scratch()))
            surveyed = self._survey(scratch)
            self._world.interruption.orderly = True  # from here on every row can be reported
            read = self._read(surveyed)
            stack.enter_context(report.made(self._folder))
            grouping = fulfillments.group(_rows(read), self._options())
            ledger = stack.enter_context(self._ledger())
            if ledger is None or self._destination is None or self._job.command != "post":
                return self._check(surveyed, read, grouping, ledger)
            stack.enter_context(ledger.lock(self._destination.identity))
            ledger.recover(self._destination.identity)
            return self._post(surveyed, read, grouping, ledger, self._destination)

    def _survey(self, scratch: Path) -> list[Manifest]:
        layout = layouts.load(self._job.layout)
        needed = self._destination.needed if self._destination else NEEDED_BY_ALL
        found = sources.find(self._job.arguments, self._world.standard_input, scratch)
        if self._job.command == "post":
            # the report is made of the manifests after the last post, which may be hours later
            found = [_kept(source, scratch / f"manifest-{number}") for number, source in enumerate(found)]
        return [manifests.survey(source, layout, needed, self._job.encoding) for source in found]

    def _read(self, surveyed: list[Manifest]) -> Read:
        with bar(self._world.console, "reading", None) as progress:
            return reading.read_all(
                surveyed,
                self._destination.order_id if self._destination else "string",
                strict_tracking=self._job.strict_tracking,
                progress=progress,
            )

    def _options(self) -> fulfillments.Options:
        several = self._destination.several_orders if self._destination else False
        options = self._job.options
        return fulfillments.Options(several, options.partial, options.all_or_nothing, options.duplicates)

    def _ledger(self) -> AbstractContextManager[Ledger | None]:
        if self._job.command == "post":
            return Ledger(self._job.ledger)
        if self._destination is not None and exists(self._job.ledger):
            return Ledger(self._job.ledger, readonly=True)
        return nullcontext(None)

    def _check(
        self, surveyed: list[Manifest], read: Read, grouping: Grouping, ledger: Ledger | None
    ) -> Summary:
        outcomes = report.Outcomes(len(grouping), Status.READY)
        earlier = self._look_up(grouping, ledger, outcomes)
        self._hold_all(grouping, earlier, outcomes)
        account = self._account(read, grouping, outcomes)
        written = self._write(account, surveyed)
        return self._publish(surveyed, read, account, written, stopped="")

    def _post(
        self,
        surveyed: list[Manifest],
        read: Read,
        grouping: Grouping,
        ledger: Ledger,
        destination: Destination,
    ) -> Summary:
        ledger.start_run(self._record(surveyed, destination))
        outcomes = report.Outcomes(len(grouping), Status.NOT_SENT)
        earlier = self._look_up(grouping, ledger, outcomes)
        send = self._hold_all(grouping, earlier, outcomes)
        begun = np.zeros(len(grouping), dtype=bool)
        failure: CannotGoOn | None = None
        try:
            stopped = self._deliver(grouping, send, ledger, destination, outcomes, begun)
        except CannotGoOn as error:
            failure, stopped = error, str(error)
            begun |= delivery.doubt(grouping, send & ~begun, ledger, destination, outcomes, self._id)
        outcomes.put_all(send & ~begun, Status.NOT_SENT, "run-stopped", f"not sent: {stopped}")
        account = self._account(read, grouping, outcomes)
        if failure is None:
            _compare(ledger, self._id, grouping, outcomes, begun)
        written = self._write(account, surveyed)
        summary = self._publish(surveyed, read, account, written, stopped)
        if failure is None:
            ledger.finish_run(
                self._id,
                finished_at=summary.finished_at,
                exit_status=summary.exit_status,
                stopped_because=summary.stopped_because,
                summary=summary.as_json(),
            )
        return summary

    def _look_up(self, grouping: Grouping, ledger: Ledger | None, outcomes: Outcomes) -> delivery.Earlier:
        accept = self._job.retry_in_doubt
        return delivery.look_up(grouping, ledger, self._destination, outcomes, accept_doubt=accept)

    def _hold_all(
        self, grouping: Grouping, earlier: delivery.Earlier, outcomes: Outcomes
    ) -> npt.NDArray[np.bool_]:
        """With --all-or-nothing, what an earlier run spoils keeps the rest from being sent, too."""
        if not (self._job.options.all_or_nothing and earlier.faulty):
            return earlier.send
        outcomes.put_all(
            earlier.send,
            Status.HELD,
            "batch-held",
            "held back by --all-or-nothing: an earlier run posted or tried others of these fulfillments",
        )
        return np.zeros(len(grouping), dtype=bool)

    def _deliver(
        self,
        grouping: Grouping,
        send: npt.NDArray[np.bool_],
        ledger: Ledger,
        destination: Destination,
        outcomes: Outcomes,
        begun: npt.NDArray[np.bool_],
    ) -> str:
        settings = self._job.destination
        if settings is None or not send.any():
            return self._world.interruption.halt.reason
        rules = delivery.rules_of(settings, self._id, accept_doubt=self._job.retry_in_doubt)
        with bar(self._world.console, "posting", int(send.sum())) as progress:

            def told(parcel: Fulfillment, outcome: Outcome) -> None:
                outcomes.put(parcel.index, outcome)
                begun[parcel.index] = True
                progress(1)

            return delivery.deliver(
                grouping.by_order(send), destination, settings, ledger, rules, told, self._world.interruption
            )

    def _account(self, read: Read, grouping: Grouping, outcomes: Outcomes) -> Account:
        order_id = self._destination.order_id if self._destination else "string"
        return report.Account(
            positions=read.positions,
            of_row=grouping.of_row,
            bad=grouping.bad,
            names=grouping.names(),
            held_by=grouping.held_by,
            scope=tuple(map(str, fulfillments.SCOPES)),
            scope_of=grouping.scope,
            filled=grouping.filled,
            findings=Findings.join([read.findings, grouping.findings]),
            warnings=Findings.join([read.warnings, grouping.warnings]),
            outcomes=outcomes,
            expected_order_id=_ORDER_ID_WORDS[order_id],
            duplicates=str(self._job.options.duplicates),
        )

    def _write(self, account: Account, surveyed: list[Manifest]) -> Written:
        return report.write(account, [reading.page(manifest) for manifest in surveyed], self._folder)

    def _record(self, surveyed: list[Manifest], destination: Destination) -> Run:
        return Run(
            run_id=self._id,
            command=self._job.command,
            destination=destination.identity,
            manifests=tuple(manifest.name for manifest in surveyed),
            report=str(self._folder),
            started_at=self._started_at,
        )

    def _publish(
        self, surveyed: list[Manifest], read: Read, account: Account, written: Written, stopped: str
    ) -> Summary:
        rows, by_status = report.summarize(account, written)
        stopped = stopped or self._world.interruption.halt.reason
        summary = report.Summary(
            run_id=self._id,
            command=self._job.command,
            destination=self._destination.identity if self._destination else "",
            manifests=_manifests_read(surveyed, read),
            rows=rows,
            fulfillments=by_status,
            errors=written.errors,
            warnings=written.warnings,
            started_at=self._started_at,
            finished_at=self._world.now(),
            exit_status=self._exit_status(rows, stopped),
            stopped_because=stopped,
            reports=report.paths(self._folder),
        )
        report.publish(summary, self._folder)
        return summary

    def _exit_status(self, rows: dict[str, int], stopped: str) -> int:
        if self._world.interruption.exit_status:
            return self._world.interruption.exit_status
        if stopped:
            return _STOPPED
        if rows[Status.IN_DOUBT]:
            return _DOUBT
        return _ATTENTION if any(rows[status] for status in STATUSES if status not in FINE) else _FINISHED


def _scratch() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory()
    except OSError as error:
        raise CannotGoOn(f"{error.strerror or error}; nothing was sent; name a folder with TMPDIR") from error


def _kept(source: Source, path: Path) -> Source:
    """The manifest as it is now, out of reach of whoever writes the next one over it.

    Raises:
        ManifestError: it changes meanwhile.
        CannotGoOn: it can't be copied, for want of room for example.
    """
    if source.path.parent == path.parent:  # a copy already, of standard input
        return source
    try:
        with source.path.open("rb") as original, path.open("wb") as copy:
            before = os.fstat(original.fileno())
            shutil.copyfileobj(original, copy, _COPIED_AT_ONCE)
            after = os.fstat(original.fileno())
    except OSError as error:
        raise CannotGoOn(
            f"{source.name}: can't be copied to {path.parent}: {error.strerror}; nothing was sent; make room "
            "there, or name another folder with TMPDIR"
        ) from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ManifestError(
            f"{source.name}: changed while it was read; wait until it is written completely and run again"
        )
    return replace(source, path=path)


_COPIED_AT_ONCE = 1 << 20


def _rows(read: Read) -> fulfillments.Rows:
    return fulfillments.Rows(
        read.order_id, read.tracking_number, read.sku, read.quantity, read.bad, read.manifest
    )


def _manifests_read(surveyed: list[Manifest], read: Read) -> list[report.ManifestRead]:
    return [
        report.ManifestRead(
            name=manifest.name,
            format=manifests.FORMAT,
            layout=manifest.layout,
            encoding=manifest.encoded.encoding,
            delimiter=manifest.form.delimiter,
            header_row=manifest.form.header_row,
            columns={column: manifest.headers[position] for column, position in manifest.columns.items()},
            sha256=manifest.encoded.sha256,
            rows=rows,
            passed_over=passed_over,
        )
        for manifest, rows, passed_over in zip(surveyed, read.counts, read.passed_over, strict=True)
    ]


def _compare(
    ledger: Ledger, run_id: str, grouping: Grouping, outcomes: Outcomes, begun: npt.NDArray[np.bool_]
) -> None:
    """See that the ledger has of this run what the report is about to say.

    Raises:
        CannotGoOn: it has not.
    """
    shares = np.diff(grouping.parts_start)
    counted = {
        str(status): int(shares[begun & (outcomes.status == number)].sum())
        for number, status in enumerate(STATUSES)
    }
    reported = {status: count for status, count in counted.items() if count}
    recorded = {str(state): count for state, count in ledger.outcomes(run_id).items() if count}
    if reported != recorded:
        raise CannotGoOn(
            f"the ledger has {recorded} of this run and the report would say {reported}, so it is not "
            "published; trust the ledger and run the same command again"
        )

"""A run: manifests are read, checked and grouped, fulfillments are posted, and every row is reported."""

from __future__ import annotations

import io
import secrets
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
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
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from importer.destinations import Destination
    from importer.fulfillments import Grouping
    from importer.manifests import Manifest
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
        self._ledger_is_new = False

    def run(self) -> Summary:
        report.refuse_existing(self._folder)
        with ExitStack() as stack:
            surveyed = self._survey(stack.enter_context(sources.scratch()))
            self._world.interruption.orderly = True  # from here on every row can be reported
            ledger = stack.enter_context(self._ledger())
            read = self._read(surveyed)
            stack.enter_context(report.made(self._folder))
            grouping = fulfillments.group(_rows(read), self._options())
            if ledger is None or self._destination is None or self._job.command != "post":
                return self._check(surveyed, read, grouping, ledger)
            return self._post(surveyed, read, grouping, ledger, self._destination)

    def _survey(self, scratch: Path) -> list[Manifest]:
        layout = layouts.load(self._job.layout)
        needed = self._destination.needed if self._destination else NEEDED_BY_ALL
        found = sources.find(self._job.arguments, self._world.standard_input, scratch)
        if self._job.command == "post":
            # the report is made of the manifests after the last post, which may be hours later
            found = sources.keep(found, scratch)
        surveyed, faults = [], []
        for source in found:
            try:
                surveyed.append(manifests.survey(source, layout, needed, self._job.encoding))
            except ManifestError as error:
                faults.append(str(error))
        if faults:
            raise ManifestError("\n".join(faults))
        return surveyed

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

    @contextmanager
    def _ledger(self) -> Iterator[Ledger | None]:
        """The ledger; for a run that posts, it is this run's alone, and dead runs' leftovers are settled."""
        if self._destination is not None and self._job.command == "post":
            self._ledger_is_new = not exists(self._job.ledger)
            with Ledger(self._job.ledger) as ledger, ledger.lock(self._destination.identity):
                ledger.recover(self._destination.identity)
                yield ledger
        elif self._destination is not None and exists(self._job.ledger):
            with Ledger(self._job.ledger, readonly=True) as ledger:
                yield ledger
        else:
            yield None

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
        failure: Exception | None = None
        try:
            stopped = self._deliver(grouping, send, ledger, destination, outcomes, begun)
        except Exception as error:  # noqa: BLE001 - whatever it was, every row is reported before it is raised
            failure, stopped = error, str(error) or type(error).__name__
            begun |= delivery.doubt(grouping, send & ~begun, ledger, destination, outcomes, self._id)
        outcomes.put_all(send & ~begun, Status.NOT_SENT, "run-stopped", f"not sent: {stopped}")
        account = self._account(read, grouping, outcomes)
        if failure is None:
            delivery.compare(ledger, self._id, grouping, outcomes, begun)
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
        elif not isinstance(failure, CannotGoOn):
            raise failure
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
            repeats=grouping.repeats,
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
            manifests=reading.describe(surveyed, read),
            rows=rows,
            fulfillments=by_status,
            errors=written.errors,
            warnings=written.warnings,
            started_at=self._started_at,
            finished_at=self._world.now(),
            exit_status=self._exit_status(rows, stopped),
            stopped_because=stopped,
            reports=report.paths(self._folder),
            to_mend=written.to_mend,
            ledger=str(self._job.ledger) if self._job.command == "post" else "",
            ledger_is_new=self._ledger_is_new,
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


def _rows(read: Read) -> fulfillments.Rows:
    return fulfillments.Rows(
        order_id=read.order_id,
        tracking_number=read.tracking_number,
        sku=read.sku,
        quantity=read.quantity,
        bad=read.bad,
        manifest=read.manifest,
        orders=read.orders,
        numbers=read.numbers,
    )

"""A run: manifests are read, checked and grouped, fulfillments are posted, and every row is reported."""

from __future__ import annotations

import math
import secrets
import shlex
import time
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct, field
from msgspec.structs import replace
from rich.console import Console
from rich.text import Text

from importer import (
    batches,
    delivery,
    destinations,
    fulfillments,
    limits,
    reading,
    report,
)
from importer.ahead import Behind
from importer.batches import Facts, Terms
from importer.errors import CannotGoOn, ImporterError, RunInProgress
from importer.given import Given, Known
from importer.inbox import Inbox
from importer.ledger import LEASE_SECONDS, Address, Run, exists
from importer.ledger.hiring import hired
from importer.manifests import layouts, remote, sources
from importer.model import Status
from importer.posts import DRAIN_SECONDS, GIVE_UP_SECONDS
from importer.posts.signals import Interruption
from importer.printing import printable
from importer.report.progress import bar
from importer.spilling import ROWS_IN_MEMORY, Room
from importer.watching.ears import Ears
from importer.watching.logs import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import time as TimeOfDay  # noqa: N812 - the module time is here, too
    from subprocess import Popen

    import numpy as np
    import numpy.typing as npt

    from importer.answering import Answers
    from importer.batches import Batch, Tables
    from importer.cluster import Cluster
    from importer.cluster.workers import Work, Workers
    from importer.destinations import Destination
    from importer.fulfillments import Grouping
    from importer.ledger import Ledger, Location
    from importer.ledger.clerk import Hearing
    from importer.manifests import Manifest
    from importer.manifests.sources import Source
    from importer.model import Fulfillment
    from importer.posts import Memory, Others, Rules, Told
    from importer.report import Outcomes, Summary
    from importer.settings import DestinationSettings
    from importer.watching.ears import Listener

_ATTENTION, _STOPPED = 1, 4
_MANY = 2000
"""So many posts take longer than a process takes to start that writes the ledger for them."""
_BYTES_OF_A_ROW = 25
"""A row has hardly ever fewer."""


class Job(Struct, frozen=True):
    """What the user has asked for. ``destination`` is None for a dry run for any destination.

    ``stop_at`` is in the system's time zone; ``max_time``, ``give_up``, ``drain``, ``wait_lock`` and
    ``lease`` are seconds (see the options of that name). ``ledger_named`` says that the ledger is not the
    default one, and ``ask`` lets a dry run look up at the destination what would become of each row.
    ``again`` is the command that posts in the same way, with ``{}`` for the manifests, and ``elsewhere`` the
    same with absolute paths, for who is in another folder. ``xlsx`` says that the report has a workbook,
    ``acks`` that a dry run writes acknowledgments of EDI, as a preview. ``archive`` and ``quarantine`` are
    the folders that manifests are moved to once they were reported. With a ``cluster``, its workers read,
    check and post; else this process does.
    """

    command: str
    arguments: tuple[str, ...]
    destination: DestinationSettings | None
    ledger: Location
    options: fulfillments.Options = field(default_factory=fulfillments.Options)
    report: Path | None = None
    layout: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    strict_tracking: bool = False
    retry_in_doubt: bool = False
    stop_at: TimeOfDay | None = None
    max_time: float | None = None
    give_up: float = GIVE_UP_SECONDS
    drain: float = DRAIN_SECONDS
    wait_lock: float = 0.0
    lease: float = LEASE_SECONDS
    ledger_named: bool = False
    ask: bool = False
    again: str = ""
    elsewhere: str = ""
    xlsx: bool = False
    acks: bool = False
    archive: Path | None = None
    quarantine: Path | None = None
    cluster: Cluster | None = None


class World(Struct, frozen=True):
    """What a run needs of its surroundings; ``standard_input`` is read for the manifest ``-``.

    ``clock`` is seconds that only grow; ``now`` is the wall clock, in UTC. The ledger
    remembers ``who`` runs it. ``log`` hears what happens, ``tracing`` each request. More rows than
    ``rows_in_memory`` are kept in files.
    """

    standard_input: BinaryIO = field(default_factory=batches.standard_input)
    console: Console = field(default_factory=lambda: Console(stderr=True))
    interruption: Interruption = field(default_factory=Interruption)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    clock: Callable[[], float] = time.monotonic
    who: str = ""
    log: Log = field(default_factory=Log)
    tracing: Listener | None = None
    rows_in_memory: int = ROWS_IN_MEMORY


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
        self._deadline = limits.deadline(job.stop_at, job.max_time, world.clock(), self._started_at)
        self._id = f"{self._started_at:%Y-%m-%d-%H%M%S}-{secrets.token_hex(3)}"
        self._folder = job.report or Path("reports", self._id)
        self._destination = destinations.make(job.destination) if job.destination else None
        self._ledger_is_new = False
        self._clerk: Popen[bytes] | None = None
        self._workers: Workers | None = None
        self._notes: tuple[str, ...] = ()
        self._inbox = (
            Inbox(job.archive, job.quarantine, world.now, must_be_whole=job.options.all_or_nothing)
            if job.archive or job.quarantine
            else None
        )

    def run(self) -> Summary:
        self._begin_log()
        report.refuse_existing(self._folder)
        if self._inbox:
            self._inbox.prepare()
        interruption = self._world.interruption
        try:
            interruption.orderly = False  # what is waited for, before there are rows, may take hours
            if not interruption.exit_status:
                return self._read_and_do()
        except KeyboardInterrupt:
            if interruption.orderly:
                raise
        return self._unread()

    def _read_and_do(self) -> Summary:
        with ExitStack() as stack:
            terms = self._terms()
            scratch = stack.enter_context(sources.scratch())
            room = stack.enter_context(Room(scratch, self._world.rows_in_memory))
            if self._job.cluster:
                with self._world.interruption.waiting():
                    from importer.cluster.dask import joined  # noqa: PLC0415 - where a cluster is asked for

                self._workers = stack.enter_context(
                    joined(self._job.cluster, scratch, self._world.interruption)
                )
            surveyed, known = self._survey(terms, scratch, stack.enter_context(Behind()))
            self._clerk = stack.enter_context(self._hired(surveyed))
            ledger = stack.enter_context(self._ledger())
            self._world.interruption.orderly = True  # from here on every row can be reported
            surveyed = self._once(surveyed, ledger)
            read = batches.read(surveyed, terms, self._world.console, room, self._workers or reading.HERE)
            stack.enter_context(report.made(self._folder))
            batch = batches.group(surveyed, read, terms)
            if ledger is None or self._job.destination is None or self._job.command != "post":
                return self._check(batch, ledger)
            ledger.start_run(self._record(known, batch.terms, self._job.destination))
            self._remember(surveyed, ledger)
            return self._post(batch, ledger, destinations.make(self._job.destination))

    def _unread(self) -> Summary:
        """Report that the run was interrupted before it had read anything: no row, and why."""
        self._inbox = None
        terms = self._terms()
        with sources.scratch() as scratch, Room(scratch, self._world.rows_in_memory) as room:
            read = batches.read((), terms, self._world.console, room)
            with report.made(self._folder):
                batch = batches.group((), read, terms)
                return self._report(batch, batches.outcomes(batch, Status.NOT_SENT), "", 0, ())

    def _begin_log(self) -> None:
        log, job = self._world.log, self._job
        log.run_id = self._id
        to = self._destination.identity if self._destination else ""
        named = [remote.shown(name) if remote.is_url(name) else name for name in job.arguments]
        log.tell("run-started", command=job.command, destination=to, manifests=named)

    def _terms(self) -> Terms:
        job = self._job
        layout = layouts.load(job.layout)
        return Terms(self._destination, layout, job.options, job.encoding, job.strict_tracking, job.sheet)

    def _survey(
        self, terms: Terms, scratch: Path, loading: Behind
    ) -> tuple[list[Manifest], tuple[Known, ...]]:
        """The manifests, and how they are known to whoever asks for the report later."""
        found, surveyed = self._found(terms, scratch, loading)
        known = (
            Known(
                source.name,
                str(source.origin.absolute()) if source.origin else "",
                manifest.encoded.sha256,
                source.given,
            )
            for source, manifest in zip(found, surveyed, strict=True)
        )
        return surveyed, tuple(known)

    def _found(self, terms: Terms, scratch: Path, loading: Behind) -> tuple[list[Source], list[Manifest]]:
        arguments, standard_input = self._job.arguments, self._world.standard_input
        if self._inbox:
            taken = self._inbox.take(arguments, standard_input, scratch, terms)
            found = [source for source, _ in taken]
            reading.prepare(found, loading)
            return found, [manifest for _, manifest in taken]
        found = sources.find(arguments, standard_input, scratch)
        reading.prepare(found, loading)
        self._notes = sources.left_alone(arguments)
        # the report is made of the manifests after the last post, which may be hours later
        used = sources.keep(found, scratch) if self._job.command == "post" else found
        return found, batches.survey(used, terms)

    def _once(self, surveyed: list[Manifest], ledger: Ledger | None) -> list[Manifest]:
        """The manifests, in which each interchange of EDI counts once."""
        if not _is_edi(surveyed):
            return surveyed
        from importer import answering  # noqa: PLC0415 - where EDI is spoken

        return answering.refuse_repeated(surveyed, ledger)

    def _remember(self, surveyed: list[Manifest], ledger: Ledger) -> None:
        if _is_edi(surveyed):
            from importer import answering  # noqa: PLC0415 - where EDI is spoken

            answering.remember(surveyed, ledger, self._id, self._started_at)

    @contextmanager
    def _ledger(self) -> Iterator[Ledger | None]:
        """The ledger; for a run that posts, it is this run's alone, and dead runs' leftovers are settled."""
        posts = self._job.command == "post"
        if self._destination is None or not (posts or exists(self._job.ledger)):
            yield None
            return
        from importer.ledger import Ledger  # noqa: PLC0415 - most dry runs need none of it

        if posts:
            self._ledger_is_new = not exists(self._job.ledger)
            with Ledger(self._job.ledger) as ledger, self._locked(ledger, self._destination.identity):
                ledger.recover(self._destination.identity)
                yield ledger
        else:
            with Ledger(self._job.ledger, readonly=True) as ledger:
                yield ledger

    @contextmanager
    def _locked(self, ledger: Ledger, destination: str) -> Iterator[None]:
        """Be the only run that posts there, after waiting for another one if that is asked for."""
        with ExitStack() as stack:
            try:
                stack.enter_context(ledger.lock(destination, run_id=self._id, lease=self._job.lease))
            except RunInProgress as other:
                wait = self._job.wait_lock
                if self._deadline is not None:
                    wait = min(wait, self._deadline.at - self._world.clock())
                if wait <= 0:
                    raise
                whom = str(other).removesuffix("; wait until it has ended")
                self._say(f"waiting for up to {limits.in_words(round(wait))}: {whom}")
                stack.enter_context(ledger.lock(destination, wait=wait))
            yield

    def _say(self, words: str) -> None:
        if self._world.console.is_terminal:
            with suppress(OSError):  # that the terminal went away is no reason to end a run
                self._world.console.print(Text(printable(words), "dim"), soft_wrap=True)

    def _check(self, batch: Batch, ledger: Ledger | None) -> Summary:
        outcomes = batches.outcomes(batch, Status.READY)
        earlier = self._look_up(batch.grouping, ledger, outcomes)
        send = batches.hold_all(batch, earlier, outcomes)
        stopped = ""
        if self._job.ask:
            heard = delivery.Heard.of(len(batch.grouping))
            stopped = self._deliver(batch, earlier, send, delivery.NO_LEDGER, outcomes, heard)
            outcomes.put_all(send & ~heard.ended, Status.NOT_SENT, "run-stopped", f"not looked up: {stopped}")
        mails = batch.grouping.mails(send & (outcomes.status == report.NUMBER_OF[Status.READY]))
        answers = self._previewed(batch, ledger) if self._job.acks else ()
        return self._report(batch, outcomes, stopped, mails, answers)

    def _post(self, batch: Batch, ledger: Ledger, destination: Destination) -> Summary:
        grouping = batch.grouping
        outcomes = batches.outcomes(batch, Status.NOT_SENT)
        earlier = self._look_up(grouping, ledger, outcomes)
        send = batches.hold_all(batch, earlier, outcomes)
        heard = delivery.Heard.of(len(grouping))
        failure: Exception | None = None
        try:
            stopped = self._deliver(batch, earlier, send, ledger, outcomes, heard)
        except Exception as error:  # noqa: BLE001 - whatever it was, every row is reported before it is raised
            failure, stopped = error, str(error) or type(error).__name__
        try:
            if failure is not None or self._workers:
                unheard_of = send & ~heard.ended
                found = delivery.doubt(grouping, unheard_of, ledger, destination, outcomes, self._id)
                heard.ended[found] = heard.recorded[found] = True
            if failure is None:
                delivery.compare(ledger, self._id, grouping, outcomes, heard.recorded)
            left = send & ~heard.ended & ~earlier.in_doubt
            if ledger.shared:
                left &= ~delivery.done_by_others(grouping, left, ledger, destination, outcomes)
            outcomes.put_all(left, Status.NOT_SENT, "run-stopped", f"not sent: {stopped}")
            answers = self._answers(batch, ledger.next_control_number)
            summary = self._report(batch, outcomes, stopped, int(heard.mailed.sum()), answers)
        except ImporterError as error:
            raise self._unreported(ledger, stopped, error) from error
        if failure is None:
            self._finish(ledger, summary)
        elif not isinstance(failure, CannotGoOn):
            raise failure
        return summary

    def _look_up(self, grouping: Grouping, ledger: Ledger | None, outcomes: Outcomes) -> delivery.Earlier:
        accept = self._job.retry_in_doubt
        posting = self._job.command == "post"
        return delivery.look_up(
            grouping, ledger, self._destination, outcomes, accept_doubt=accept, posting=posting
        )

    def _deliver(
        self,
        batch: Batch,
        earlier: delivery.Earlier,
        send: npt.NDArray[np.bool_],
        ledger: Memory,
        outcomes: Outcomes,
        heard: delivery.Heard,
    ) -> str:
        settings = self._job.destination
        if settings is None or not send.any():
            return self._world.interruption.halt.reason
        rules = delivery.rules_of(
            settings,
            self._id,
            accept_doubt=self._job.retry_in_doubt,
            give_up=self._job.give_up,
            drain=self._job.drain,
            deadline=self._deadline,
            ask=self._job.ask,
        )
        per_second = settings.rate.per_second if settings.rate else math.inf
        what = "asking" if self._job.ask else "posting"
        with bar(self._world.console, what, int(send.sum()), per_second) as progress:

            def told(parcel: Fulfillment, how: Told) -> None:
                outcomes.put(parcel.index, how.outcome)
                heard.hear(parcel.index, how)
                progress.advance(1)

            log = self._world.log.of_posting(batch.grouping.of_row, batch.read.positions)
            ears = Ears(ledger, told, progress.say).and_of(log).and_of(self._world.tracing)
            if (work := self._work(batch.grouping, send, ledger, rules, earlier)) and self._workers:
                return self._workers.post(work, ears.told, self._world.interruption)
            queues, others = self._queues(batch.grouping, send, ledger, earlier, ears.told, rules)
            with self._heard(ledger, int(send.sum())) as hearing:
                return delivery.deliver(
                    queues,
                    settings,
                    ears.memory,
                    rules,
                    ears.told,
                    ears.says,
                    self._world.interruption,
                    earlier=earlier.tried,
                    others=others,
                    through=ears.through,
                    hearing=hearing,
                )

    def _hired(self, surveyed: Sequence[Manifest]) -> AbstractContextManager[Popen[bytes] | None]:
        """What writes the ledger, where there may be much to post; a rate is slower than any ledger."""
        to, size = self._job.destination, sum(manifest.encoded.size for manifest in surveyed)
        if to is None or to.rate or self._job.command != "post" or size < _MANY * _BYTES_OF_A_ROW:
            return nullcontext(None)
        return hired() if isinstance(self._job.ledger, Path) else nullcontext(None)

    @contextmanager
    def _heard(self, ledger: Memory, posts: int) -> Iterator[Hearing]:
        """How the ledger is heard, while a clerk writes it where that is worth it."""
        from importer.ledger import Ledger  # noqa: PLC0415 - most dry runs need none of it

        process, self._clerk = self._clerk, None
        if process is None or self._destination is None or not isinstance(ledger, Ledger) or posts < _MANY:
            if process is not None:
                process.kill()
            yield nullcontext
        else:
            with ledger.with_clerk(self._destination.identity, process) as clerk:
                yield clerk.heard_in

    def _work(
        self,
        grouping: Grouping,
        send: npt.NDArray[np.bool_],
        ledger: Memory,
        rules: Rules,
        earlier: delivery.Earlier,
    ) -> Work | None:
        """What workers are to post; None where this process does, for want of a ledger that they share."""
        from importer.ledger import Ledger  # noqa: PLC0415 - most dry runs need none of it

        settings, address = self._job.destination, self._job.ledger
        if not self._workers or settings is None or not isinstance(ledger, Ledger):
            return None
        if not isinstance(address, Address):
            self._say("posting from this process: workers need a ledger in a database (postgresql://)")
            return None
        from importer.cluster.workers import Work  # noqa: PLC0415 - where a cluster is asked for

        return Work(
            orders=int(send.sum()),
            queues=grouping.by_order(send, delivery.beginning(self._id)),
            tried=earlier.tried,
            failed=earlier.failed,
            settings=settings,
            ledger=ledger,
            address=address,
            rules=rules,
            lease=self._job.lease,
        )

    def _queues(
        self,
        grouping: Grouping,
        send: npt.NDArray[np.bool_],
        ledger: Memory,
        earlier: delivery.Earlier,
        told: Callable[[Fulfillment, Told], None],
        rules: Rules,
    ) -> tuple[Iterator[Sequence[Fulfillment]], Others | None]:
        """What is to be posted, and how that is done beside other runs, where the ledger lets them."""
        from importer.ledger import Ledger  # noqa: PLC0415 - most dry runs need none of it

        if self._destination is None or not isinstance(ledger, Ledger) or not ledger.shared:
            return grouping.by_order(send), None
        accept, most, to = rules.accept_doubt, rules.max_attempts, self._destination
        queues = grouping.by_order(send, delivery.beginning(self._id))
        return delivery.beside_others(
            queues, ledger, to, self._id, earlier, told, accept_doubt=accept, max_attempts=most
        )

    def _previewed(self, batch: Batch, ledger: Ledger | None) -> tuple[Answers, ...]:
        if not _is_edi(batch.surveyed):
            return ()
        from importer.answering import numbers  # noqa: PLC0415 - where EDI is spoken

        return self._answers(batch, numbers(ledger), preview=True)

    def _answers(
        self, batch: Batch, number: Callable[[str], int], *, preview: bool = False
    ) -> tuple[Answers, ...]:
        """What writes the acknowledgments, where a manifest is EDI."""
        if not _is_edi(batch.surveyed):
            return ()
        from importer.answering import Answers  # noqa: PLC0415 - where EDI is spoken

        return (Answers(batch.surveyed, self._folder, number, self._world.now(), preview=preview),)

    def _report(
        self, batch: Batch, outcomes: Outcomes, stopped: str, mails: int, answers: tuple[Answers, ...]
    ) -> Summary:
        with batches.sinks(batch, self._folder, self._job.elsewhere, xlsx=self._job.xlsx) as made:
            sinks = (*made, *answers)
            tables = batches.write(batch, outcomes, self._folder, sinks)
            facts = self._facts(tables, stopped, mails)
            *workbooks, page = made
            late = workbooks if self._inbox else ()
            summary = batches.publish(batch, tables, facts, self._folder, sinks, late)
            return self._filed(summary, tables, self._inbox, (page, *late)) if self._inbox else summary

    def _filed(self, summary: Summary, tables: Tables, inbox: Inbox, sinks: Sequence[report.Sink]) -> Summary:
        """Move the files, only now that they are reported, and say so in the summary and in ``sinks``."""
        files = inbox.file(tables.by_manifest)
        is_fault = inbox.has_faulty or any(file.is_fault for file in files)
        status = summary.exit_status or (_ATTENTION if is_fault else 0)
        unread = [file.name for file in files if not file.is_manifest]
        attention = report.attention_with(summary.attention, unread)
        summary = replace(summary, files=files, exit_status=status, attention=attention)
        report.publish(summary, self._folder)
        for sink in sinks:
            sink.finish(summary)
        return summary

    def _facts(self, tables: Tables, stopped: str, mails: int) -> Facts:
        stopped = stopped or self._world.interruption.halt.reason
        return Facts(
            run_id=self._id,
            command=self._job.command,
            started_at=self._started_at,
            finished_at=self._world.now(),
            exit_status=self._exit_status(tables.rows, stopped),
            stopped_because=stopped,
            mails=mails,
            ledger=str(self._job.ledger) if self._job.command == "post" else "",
            ledger_is_new=self._ledger_is_new,
            notes=self._notes,
        )

    def _exit_status(self, rows: Mapping[str, int], stopped: str) -> int:
        if self._world.interruption.exit_status:
            return self._world.interruption.exit_status
        return _STOPPED if stopped else batches.exit_status(rows)

    def _record(self, known: tuple[Known, ...], terms: Terms, settings: DestinationSettings) -> Run:
        job = self._job
        given = Given(
            known,
            settings,
            terms.layout,
            job.options,
            job.encoding,
            job.strict_tracking,
            job.retry_in_doubt,
            job.elsewhere,
            job.sheet,
        )
        return Run(
            run_id=self._id,
            command=job.command,
            destination=destinations.make(settings).identity,
            manifests=tuple(manifest.name for manifest in known),
            report=str(self._folder),
            started_at=self._started_at,
            given=given.as_json(),
            who=self._world.who,
        )

    def _finish(self, ledger: Ledger, summary: Summary) -> None:
        ledger.finish_run(
            self._id,
            finished_at=summary.finished_at,
            exit_status=summary.exit_status,
            stopped_because=summary.stopped_because,
            summary=summary.as_json(),
        )

    def _unreported(self, ledger: Ledger, stopped: str, error: ImporterError) -> CannotGoOn:
        """Remember that the run ends without its report, and say how to have it written later."""
        why = _both(stopped, str(error))
        with suppress(CannotGoOn):  # the disk may be the ledger's, too; then the run counts as killed
            ledger.finish_run(
                self._id,
                finished_at=self._world.now(),
                exit_status=_STOPPED,
                stopped_because=why,
                summary="",
            )
        place = f" --ledger {shlex.quote(str(self._job.ledger))}" if self._job.ledger_named else ""
        return CannotGoOn(
            f"{why}; what was posted is in the ledger, and 'importer runs {self._id}{place} --report DIR' "
            "writes the report later, from the ledger and the manifests"
        )


def _is_edi(surveyed: Sequence[Manifest]) -> bool:
    """Whether one of the manifests is EDI, so that its partner expects an answer."""
    return any(manifest.edi is not None for manifest in surveyed)


def _both(trouble: str, another: str) -> str:
    """Both troubles in words; once where they are about the same, as of a ledger that is gone."""
    if trouble.partition(": ")[0] == another.partition(": ")[0]:
        return trouble
    return "; ".join(filter(None, (trouble, another)))

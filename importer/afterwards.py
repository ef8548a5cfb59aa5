"""The report of an earlier run, written later: from the ledger, and from its manifests as they were then."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from importer import answering, batches, delivery, report
from importer.batches import Facts
from importer.errors import ManifestError, SetupError
from importer.given import Given
from importer.ledger import DOUBTED
from importer.manifests import archives, sources
from importer.manifests.sources import Source
from importer.model import Outcome, State, Status
from importer.spilling import ROWS_IN_MEMORY, Room

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from typing import BinaryIO

    from rich.console import Console

    from importer.batches import Batch
    from importer.given import Known
    from importer.ledger import Ledger, Run
    from importer.model import Entry, Fulfillment
    from importer.report import Outcomes, Summary

KILLED: Final = "the run ended without a report (killed, or the machine went down), unless it still goes on"
"""What is said of a run that the ledger does not know to have ended."""

_STOPPED = 4


class Later(Struct, frozen=True):
    """A report that was written later.

    ``exit_status`` says how the rows ended; the summary has that of the run itself. ``again`` is the command
    that posts as the run did, with ``{}`` for the manifests.
    """

    summary: Summary
    exit_status: int
    again: str


def write(
    run: Run,
    ledger: Ledger,
    arguments: Sequence[str],
    folder: Path,
    *,
    standard_input: BinaryIO,
    console: Console,
    xlsx: bool = False,
    rows_in_memory: int = ROWS_IN_MEMORY,
) -> Later:
    """Write the report of ``run`` to ``folder``, with ``xlsx`` a workbook, too.

    ``arguments`` name the manifests where they are no longer at the paths that the run read; the ledger is
    only read, so that the run may still be going on. More rows than ``rows_in_memory`` are kept in files.

    Raises:
        SetupError: there is something in the folder, or the run is from before runs were told of.
        ManifestError: a manifest is gone, or is not as it was.
        CannotGoOn: the ledger can't be read, or the report not written.
    """
    report.refuse_existing(folder)
    given = _given(run)
    with ExitStack() as stack:
        scratch = stack.enter_context(sources.scratch())
        room = stack.enter_context(Room(scratch, rows_in_memory))
        found = sources.find(arguments, standard_input, scratch)
        surveyed = batches.survey(sources.keep(_known(run, given, found, scratch), scratch), given.terms)
        surveyed = answering.refuse_repeated(surveyed, ledger)
        read = batches.read(surveyed, given.terms, console, room)
        stack.enter_context(report.made(folder))
        batch = batches.group(surveyed, read, given.terms)
        outcomes, heard_of = _recalled(batch, run, ledger, retry_in_doubt=given.retry_in_doubt)
        sinks = stack.enter_context(batches.sinks(batch, folder, given.again, xlsx=xlsx))
        tables = batches.write(batch, outcomes, folder, sinks)
        facts = _facts(run, heard_of, ledger, _mails(batch))
        summary = batches.publish(batch, tables, facts, folder, sinks)
        status = _STOPPED if summary.rows[Status.NOT_SENT] else batches.exit_status(summary.rows)
        return Later(summary, status, given.again)


def _given(run: Run) -> Given:
    if not run.given:
        raise SetupError(
            f"run {run.run_id}: it was made by an earlier version of this program, which did not write down "
            "what a report needs; post the same manifest again: what is done is skipped and reported"
        )
    return Given.from_json(run.given)


# --- the manifests as they were ------------------------------------------------------------------------


def _known(run: Run, given: Given, found: Sequence[Source], scratch: Path) -> list[Source]:
    """Each manifest of the run: among those that were ``found``, or else where it was."""
    by_digest = {_digest(source): source for source in found}
    there = _There(scratch)
    stray = [
        f"{source.name}: not a manifest of run {run.run_id}, or not as it was then: its sha256 is {digest}"
        for digest, source in by_digest.items()
        if digest not in {manifest.sha256 for manifest in given.manifests}
    ]
    known, faults = [], []
    for manifest in given.manifests:
        try:
            known.append(_as_it_was(manifest, by_digest.get(manifest.sha256), run, there))
        except ManifestError as error:
            faults.append(str(error))
    if stray or faults:
        raise ManifestError("\n".join(stray + faults))
    return known


class _There:
    """What is now where a run read its manifests; each archive is unpacked once."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._digests: dict[str, dict[str, Source]] = {}

    def by_digest(self, name: str, path: str) -> dict[str, Source]:
        if path not in self._digests:
            whole = Source(name, Path(path))
            digest = _digest(whole)
            parts = archives.unpack(whole, self._scratch)
            self._digests[path] = (
                {digest: whole} if parts == [whole] else {_digest(part): part for part in parts}
            )
        return self._digests[path]


def _as_it_was(manifest: Known, found: Source | None, run: Run, there: _There) -> Source:
    if found is not None:
        return replace(found, name=manifest.name, given=manifest.given)
    if not manifest.path:
        raise _lacking(manifest, run, "it came through a pipe, so it can't be read again")
    try:
        digests = there.by_digest(manifest.name, manifest.path)
    except ManifestError as error:
        raise _lacking(manifest, run, str(error)) from error
    if manifest.sha256 not in digests:
        raise _lacking(
            manifest, run, f"{manifest.path} has changed since: its sha256 is {', '.join(digests)}"
        )
    return replace(digests[manifest.sha256], name=manifest.name, given=manifest.given)


def _lacking(manifest: Known, run: Run, found: str) -> ManifestError:
    return ManifestError(
        f"manifest {manifest.name} of run {run.run_id}: {found}; expected the file as it was (sha256 "
        f"{manifest.sha256}); if you have it, name it: importer runs {run.run_id} MANIFEST --report DIR"
    )


def _digest(source: Source) -> str:
    try:
        with source.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ManifestError(f"{source.path} can't be read: {error.strerror or error}") from error


# --- how each fulfillment ended ------------------------------------------------------------------------


def _recalled(batch: Batch, run: Run, ledger: Ledger, *, retry_in_doubt: bool) -> tuple[Outcomes, datetime]:
    """How each fulfillment ended as far as the ledger knows, and when the run was last heard of."""
    grouping = batch.grouping
    outcomes = batches.outcomes(batch, Status.NOT_SENT)
    earlier = delivery.look_up(
        grouping, ledger, batch.terms.destination, outcomes, accept_doubt=retry_in_doubt
    )
    begun = np.zeros(len(grouping), dtype=bool)
    heard_of = run.started_at
    for parcel, entry in _begun(batch, run, ledger):
        begun[parcel.index] = True
        if entry.state is not State.SENDING:  # else it is in doubt, as it has been looked up
            outcomes.put(parcel.index, _outcome(entry))
        if entry.state not in DOUBTED:  # else a later run may have found it so
            heard_of = max(heard_of, entry.at)
    send = earlier.send if begun.any() else batches.hold_all(batch, earlier, outcomes)
    readable = batch.terms.destination is not None and batch.terms.destination.readable
    words = run.stopped_because or (_REFUSED_OR_NOT_SENT if readable else "the run ended before its turn")
    outcomes.put_all(send & ~begun, Status.NOT_SENT, "run-stopped", f"not sent: {words}")
    return outcomes, heard_of


_REFUSED_OR_NOT_SENT: Final = "the run ended before its turn, or refused it after looking it up"


def _begun(batch: Batch, run: Run, ledger: Ledger) -> Iterator[tuple[Fulfillment, Entry]]:
    """The fulfillments that the run was the last to send; of several shares, the one to worry about."""
    grouping = batch.grouping
    for parcel, entries in delivery.remembered(grouping, grouping.ready, ledger, run.destination):
        found = (entries.get((part.order_id, parcel.key)) for part in parcel.parts)
        mine = [entry for entry in found if entry is not None and entry.run_id == run.run_id]
        if mine:
            yield parcel, max(mine, key=lambda entry: _WORRIES.index(entry.state))


_WORRIES: Final = (
    State.CREATED,
    State.UPDATED,
    State.NOT_SENT,
    State.FAILED,
    State.REJECTED,
    State.IN_DOUBT,
    State.SENDING,
)


def _outcome(entry: Entry) -> Outcome:
    return Outcome(
        Status(entry.state), entry.code, entry.message, entry.http_status, entry.attempts, entry.at
    )


def _mails(batch: Batch) -> int | None:
    """The ledger does not keep who was mailed."""
    destination = batch.terms.destination
    return None if destination is not None and "notify" in destination.takes else 0


def _facts(run: Run, heard_of: datetime, ledger: Ledger, mails: int | None) -> Facts:
    """What the ledger has of the run's end; a run that has none stopped, whatever its rows say."""
    return Facts(
        run_id=run.run_id,
        command=run.command,
        started_at=run.started_at,
        finished_at=run.finished_at or heard_of,
        exit_status=_STOPPED if run.exit_status is None else run.exit_status,
        stopped_because=KILLED if run.exit_status is None else run.stopped_because,
        mails=mails,
        ledger=ledger.location,
    )

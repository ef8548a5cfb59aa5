"""The whole history of a fulfillment, as a person reads it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, to_builtins
from rich.text import Text

from importer.model import Event, State, Status, fulfillment_name
from importer.printing import printable
from importer.report.phrases import MEANINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from rich.console import Console

    from importer.ledger import Run
    from importer.model import Entry, Happening


class Story(Struct, frozen=True):
    """What the ledger has of one order's share in a parcel.

    ``entry`` is what it is now, None where nothing was ever sent; ``happened`` what became known, from first
    to last; ``runs`` has the runs that are named there, by id, those that the ledger knows.
    """

    destination: str
    order_id: str
    tracking_number: str
    entry: Entry | None
    happened: tuple[Happening, ...]
    runs: Mapping[str, Run]

    @property
    def name(self) -> str:
        """``ORDER/TRACKING``."""
        return fulfillment_name([self.order_id], self.tracking_number)


class ReportedRow(Struct, frozen=True):
    """A row as a report has it, in the report's own words."""

    report: str
    source: str
    row: str
    status: str
    code: str
    message: str
    hint: str
    fulfillment: str


def show(console: Console, row: ReportedRow | None, stories: Sequence[Story], settle: str) -> None:
    """Print the row of a report that was asked about, and each story; ``settle`` is the command for it."""
    if row is not None:
        _show_row(console, row)
        if not stories:
            _say(console, f"  {_NOTHING}")
    for number, story in enumerate(stories):
        if number or row is not None:
            console.print()
        _show_story(console, story, _next(story, row, settle))


def as_json(row: ReportedRow | None, stories: Sequence[Story], settle: str) -> dict[str, Any]:
    """The same as a JSON object; times are UTC."""
    return {
        "row": None if row is None else to_builtins(row),
        "fulfillments": [_story_as_json(story, _next(story, row, settle)) for story in stories],
    }


_NOTHING: Final = "the ledger has nothing of it: no run has sent it"
_NEXT: Final[Mapping[State | None, str]] = {
    None: "mend what the destination said, if it said anything, and post the manifest again",
    State.SENDING: "wait for the run to end; if it has ended, post the manifest again, which finds this out",
    State.CREATED: "nothing: it is there, and is never sent again",
    State.UPDATED: "nothing: it is there, and is never sent again",
    State.REJECTED: (
        "mend the row, or the order on the platform (then say so: {settle} --not-created), and post it "
        "again; unchanged it is not sent"
    ),
    State.FAILED: "post the manifest again: it is sent then",
    State.NOT_SENT: "post the manifest again: it is sent then",
    State.IN_DOUBT: (
        "look it up on the platform, then say what you found: {settle} --created, or --not-created; until "
        "then it is not sent again"
    ),
}
_LEFT_OUT: Final = frozenset({Status.INVALID, Status.HELD})
_THERE: Final = frozenset({State.CREATED, State.UPDATED})
_WITHOUT_IT: Final = (
    "it is there, and is never sent again; this row was not part of it, or was mended since: see to it "
    "on the platform"
)
_EVENTS: Final[Mapping[Event, str]] = {
    Event.SENDING: "about to be sent",
    Event.CREATED: "created",
    Event.UPDATED: "updated",
    Event.REJECTED: "rejected",
    Event.FAILED: "failed",
    Event.IN_DOUBT: "in doubt",
    Event.NOT_SENT: "not sent",
    Event.TRIED: "outcome unknown",
    Event.LOOKED_UP: "looked up on the platform",
    Event.FOUND_IN_DOUBT: "in doubt",
    Event.SETTLED_CREATED: "settled: created",
    Event.SETTLED_NOT_CREATED: "settled: not created",
}
_SPEAKS_FOR_ITSELF: Final = frozenset({Event.SENDING, Event.SETTLED_CREATED, Event.SETTLED_NOT_CREATED})
"""Where the message, if there is one, says it all."""


def _show_row(console: Console, row: ReportedRow) -> None:
    _say(console, f"{row.report}: row {row.row} of {row.source}", "bold")
    code = f" ({row.code})" if row.code else ""
    _say(console, f"  then   {row.status}{code}" + (f": {row.message}" if row.message else ""))
    if row.hint:
        _say(console, f"  hint   {row.hint}")


def _show_story(console: Console, story: Story, then: str) -> None:
    _say(console, story.name, "bold")
    _say(console, f"  to     {story.destination}")
    _say(console, f"  now    {_now(story)}")
    _say(console, f"  next   {then}")
    run_id = ""
    for each in story.happened:
        if each.run_id != run_id:
            run_id = each.run_id
            _say(console, f"  {_run(run_id, story.runs.get(run_id))}", "dim")
        _say(console, f"    {_time(each.at)}  {_words(each)}")


def _now(story: Story) -> str:
    entry = story.entry
    if entry is None:
        return _NOTHING
    if entry.state is State.SENDING:
        return f"being sent by run {entry.run_id}, or left so when that run ended"
    return f"{entry.state}: {MEANINGS[Status(entry.state)]}"


def _next(story: Story, row: ReportedRow | None, settle: str) -> str:
    state = None if story.entry is None else story.entry.state
    if row is not None and row.status in _LEFT_OUT and state in _THERE:
        return _WITHOUT_IT
    return _NEXT[state].format(settle=f"{settle} {shlex.quote(story.name)}")


def _run(run_id: str, run: Run | None) -> str:
    return f"run {run_id}" + (", ".join(["", *_about(run)]) if run is not None else "")


def _about(run: Run) -> Iterator[str]:
    yield f"{run.command} of {', '.join(run.manifests)}"
    if run.who:
        yield f"by {run.who}"
    yield f"started {_time(run.started_at)} UTC"
    yield "did not end in order" if run.exit_status is None else f"exit status {run.exit_status}"


def _words(each: Happening) -> str:
    if each.message and each.event in _SPEAKS_FOR_ITSELF:
        return each.message
    attempt = f"attempt {each.attempt}" if each.attempt else ""
    status = f"HTTP {each.http_status}" if each.http_status is not None else ""
    about = ", ".join(filter(None, (attempt, status)))
    words = _EVENTS[each.event] + (f" ({about})" if about else "")
    return f"{words}: {each.message}" if each.message else words


def _story_as_json(story: Story, then: str) -> dict[str, Any]:
    entry = story.entry
    return {
        "destination": story.destination,
        "fulfillment": story.name,
        "order_id": story.order_id,
        "tracking_number": story.tracking_number,
        "state": None if entry is None else str(entry.state),
        "code": "" if entry is None else entry.code,
        "message": "" if entry is None else entry.message,
        "next": then,
        "runs": [_run_as_json(run) for run in story.runs.values()],
        "history": [_happening_as_json(each) for each in story.happened],
    }


def _run_as_json(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "command": run.command,
        "manifests": list(run.manifests),
        "who": run.who,
        "report": run.report,
        "started_at": _iso(run.started_at),
        "finished_at": _iso(run.finished_at) if run.finished_at else None,
        "exit_status": run.exit_status,
    }


def _happening_as_json(each: Happening) -> dict[str, Any]:
    return {
        "at": _iso(each.at),
        "run_id": each.run_id,
        "event": str(each.event),
        "attempt": each.attempt,
        "code": each.code,
        "message": each.message,
        "http_status": each.http_status,
    }


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _say(console: Console, words: str, style: str = "") -> None:
    console.print(Text(printable(words), style), soft_wrap=True)

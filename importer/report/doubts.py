"""What is in doubt, and what became of it when somebody settled it, as a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from importer.model import State, fulfillment_name
from importer.printing import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from importer.model import Entry


def show(console: Console, doubts: Sequence[tuple[str, Entry]], settle: str) -> None:
    """Print everything that is in doubt, by destination, and what to do; ``settle`` is the command for it."""
    shown = ""
    for destination, entry in doubts:
        if destination != shown:
            _say(console, printable(destination), "bold")
            shown = destination
        name = fulfillment_name([entry.order_id], entry.tracking_number)
        _say(console, f"  {printable(name)}  since {entry.at:%Y-%m-%d %H:%M:%S} UTC, run {entry.run_id}")
        _say(console, f"      {printable(_message(entry))}", "dim")
    console.print()
    _say(console, "Look each up on the platform, then record what you found:", "bold")
    _say(console, f"  {settle} ORDER/TRACKING... --created        it is there; it is not sent again")
    _say(console, f"  {settle} ORDER/TRACKING... --not-created    it is not; the next run sends it")


def show_settled(console: Console, messages: Sequence[str], done: int) -> None:
    """Print what became of everything that was claimed, and of how many it was recorded."""
    for message in messages:
        _say(console, printable(message))
    left = len(messages) - done
    _say(console, f"{done:,} settled" + (f", {left:,} could not be" if left else ""), "bold")


def as_json(destination: str, entry: Entry) -> dict[str, Any]:
    """What is in doubt as a JSON object; ``since`` is UTC."""
    return {
        "destination": destination,
        "fulfillment": fulfillment_name([entry.order_id], entry.tracking_number),
        "order_id": entry.order_id,
        "tracking_number": entry.tracking_number,
        "state": str(entry.state),
        "since": entry.at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "run_id": entry.run_id,
        "code": entry.code,
        "message": _message(entry),
        "http_status": entry.http_status,
        "attempts": entry.attempts,
    }


def _message(entry: Entry) -> str:
    if entry.state is State.SENDING:
        return f"run {entry.run_id} is sending it, or ended while it was"
    return entry.message


def _say(console: Console, words: str, style: str = "") -> None:
    console.print(Text(words, style), soft_wrap=True)

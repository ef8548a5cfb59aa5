"""Which fulfillment of the order a parcel is; never a guess."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from importer.destinations.replies import shown
from importer.destinations.shoplazza.answers import NoWriteError, token_of
from importer.destinations.shoplazza.remote import FIELDS
from importer.model import Meaning, Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from importer.destinations.shoplazza.remote import Line, Order, Remote, Shipped
    from importer.destinations.shoplazza.writes import Task
    from importer.model import Fulfillment


def choose(task: Task, live: Sequence[Remote]) -> str:
    """The id of the one among the ``live`` fulfillments that is to be updated, "" if one is to be created.

    Raises:
        NoWriteError: the tracking number is there already, or it can't be told which is meant.
    """
    numbered = [each for each in live if each.tracking(task.fulfillment.tracking_number)]
    if numbered:
        return _numbered(task, numbered)
    if task.settings.operation == "create":
        return ""
    waiting = [each for each in _waiting(task, live) if _fits(task.fulfillment, [each])]
    if len(waiting) > 1:
        words = f"{len(waiting)} fulfillments of the order have no tracking number yet and could be meant"
        raise refusal(task, "ambiguous-fulfillment", f"{words}: {_listed(waiting)}")
    if not waiting and task.settings.operation == "update":
        raise refusal(task, "no-fulfillment", _none(task, live))
    return waiting[0].fulfillment_id if waiting else ""


def refusal(task: Task, code: str, words: str) -> NoWriteError:
    """The rows are to be mended; nothing was written."""
    return NoWriteError(Reading(Meaning.REFUSED, code, shown(words, token_of(task.settings))))


def detailed(fulfillments: Iterable[Remote], order: Order) -> tuple[Remote, ...]:
    """The fulfillments with what the order says of their lines: the SKU, and the units of "all" of a line.

    2024-07 has no SKUs in them, and "0 = fulfill all".
    """
    ordered = {line.line_id: line for line in order.lines}
    return tuple(
        replace(each, lines=tuple(_detailed(line, ordered.get(line.line_id)) for line in each.lines))
        if each.lines
        else each
        for each in fulfillments
    )


def _detailed(line: Shipped, ordered: Line | None) -> Shipped:
    if ordered is None:
        return line
    return replace(line, sku=line.sku or ordered.sku, units=line.units or ordered.quantity)


def _numbered(task: Task, numbered: Sequence[Remote]) -> str:
    """Those that have the tracking number: one that lacks only what the rows say of the carrier is updated.

    With other lines than the rows have, it is told: to write the number a second time would double it, and to
    call it done would hide the difference.
    """
    fitting = [each for each in numbered if _fits(task.fulfillment, [each])]
    if not fitting and not _fits(task.fulfillment, numbered):
        words = f"the order has this tracking number already, with other line items: {_listed(numbered)}"
        raise refusal(task, "ambiguous-fulfillment", words)
    differing = [each for each in numbered if _differs(task.fulfillment, each)]
    # One with several numbers, which 2024-07 allows, would lose the others.
    alone = len(numbered) == 1 and len(numbered[0].trackings) == 1
    if differing and alone and task.settings.operation != "create":
        return differing[0].fulfillment_id
    other = " (but with another carrier or URL)" if differing else ""
    words = f"the order has this tracking number already{other}: {_listed(fitting or numbered)}{_mail(task)}"
    raise NoWriteError(Reading(Meaning.THERE, "already-there", shown(words, token_of(task.settings))))


def _mail(task: Task) -> str:
    """What is to be said of the mail where it was wanted: only the first try asked for it."""
    if not task.fulfillment.notify or task.attempt == _SECOND:
        return ""
    return "; the customer is not mailed for it" if task.attempt < _SECOND else _PERHAPS_NOT_MAILED


_SECOND: Final = 2  # then it was the first that did it, and that asked for the mail
_PERHAPS_NOT_MAILED: Final = (
    "; the customer was not mailed by the last try, and may not have been by the first"
)


def _waiting(task: Task, live: Sequence[Remote]) -> list[Remote]:
    taken = {name for write in task.before for name in write.takes}
    return [each for each in live if not each.trackings and each.fulfillment_id not in taken]


def _fits(fulfillment: Fulfillment, remotes: Sequence[Remote]) -> bool:
    """Whether the rows have the line items that the fulfillments have together; rows without SKUs fit any."""
    wanted = Counter({line.sku: line.quantity for part in fulfillment.parts for line in part.lines})
    units: Counter[str] = Counter()
    for line in (line for each in remotes for line in each.lines or ()):
        units[line.sku] += line.units
    return not wanted or wanted == units


def _differs(fulfillment: Fulfillment, each: Remote) -> bool:
    tracking = each.tracking(fulfillment.tracking_number) or {}
    return any(getattr(fulfillment, name) not in {"", tracking.get(name)} for name in FIELDS[1:])


def _none(task: Task, live: Sequence[Remote]) -> str:
    if not live:
        return "the order has no fulfillment"
    waiting = _waiting(task, live)
    which = (
        "with these line items among those without a tracking number"
        if waiting
        else "without a tracking number"
    )
    return f"the order has no fulfillment {which}: {_listed(waiting or live)}"


def _listed(remotes: Sequence[Remote]) -> str:
    more = f" and {len(remotes) - _MOST_SHOWN} more" if len(remotes) > _MOST_SHOWN else ""
    return "; ".join(map(_described, remotes[:_MOST_SHOWN])) + more


_MOST_SHOWN: Final = 5


def _described(each: Remote) -> str:
    lines = ", ".join(
        f"{line.units} x {line.sku or line.line_id}" for line in (each.lines or ())[:_MOST_SHOWN]
    )
    numbers = ", ".join(tracking["tracking_number"] for tracking in each.trackings)
    told = ", ".join(filter(None, [each.status, numbers, lines]))
    return f"{each.fulfillment_id} ({told})" if told else each.fulfillment_id

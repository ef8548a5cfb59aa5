"""How a fulfillment is written: what is looked up first, and what is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importer.destinations.shoplazza import carriers, look_ups, writes
from importer.destinations.shoplazza.answers import NoWriteError
from importer.destinations.shoplazza.choice import choose, detailed, refusal
from importer.destinations.shoplazza.units import TooMuchError, UnknownSkuError, allot
from importer.model import Meaning, Reading

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from importer.destinations.shoplazza.look_ups import Looking
    from importer.destinations.shoplazza.remote import Order, Remote
    from importer.destinations.shoplazza.writes import Task
    from importer.model import Answer, Look, NoAnswer, Plan, Write


def plan(task: Task) -> Plan:
    """A write at once where nothing has to be looked up, or the looks that lead to one."""
    if not task.fulfillment.tracking_number and not task.fulfillment.notify:
        return _looking(task, "")
    order_id = task.fulfillment.parts[0].order_id
    by_id = task.settings.order_id_is == "id"
    if by_id and _is_named(task) and not _carrier_is_checked(task) and not _is_second_mail(task):
        return writes.update(task, order_id, task.fulfillment.fulfillment_id)
    return _looking(task, order_id)


def _looking(task: Task, order_id: str) -> Generator[Look, Answer | NoAnswer, Write | Reading]:
    try:
        return (yield from _write(task, order_id))
    except NoWriteError as end:
        return end.reading


def _write(task: Task, order_id: str) -> Looking[Write]:
    """The fulfillment that the rows name gets the number, or the one that is found, or else a new one."""
    if not task.fulfillment.tracking_number and not task.fulfillment.notify:
        raise NoWriteError(Reading(Meaning.THERE, "no-mail-wanted", _NO_MAIL))
    if _is_second_mail(task):
        raise refusal(task, "outcome-unknown", _MAILED_ONCE)
    order = None
    if task.settings.order_id_is == "number":
        order = yield from look_ups.order_of_number(task.settings, order_id)
        order_id = order.order_id
    if _is_named(task):
        note = yield from _checked_carrier(task)
        return writes.update(task, order_id, task.fulfillment.fulfillment_id, note)
    found = yield from look_ups.fulfillments(task.settings, order_id)
    live = tuple(each for each in found if each.live)
    if _lacks_details(task, live):
        order = order or (yield from look_ups.order(task.settings, order_id))
        live = detailed(live, order)
    if chosen := choose(task, live):
        note = yield from _checked_carrier(task)
        return writes.update(task, order_id, chosen, note)
    if any(each.lines is None for each in live):
        what = f"the fulfillments of order {order_id}"
        raise look_ups.failed(task.settings, what, "the answer does not tell their line items")
    order = order or (yield from look_ups.order(task.settings, order_id))
    units = _allotted(task, order, live)
    note = yield from _checked_carrier(task)
    return writes.create(task, order_id, units, note)


_NO_MAIL = "the row has no tracking number, and says that the customer is not to be mailed"
_MAILED_ONCE = (
    "the mail is not asked for again: an earlier try may have mailed the customer, and nothing on the "
    "platform tells whether it has"
)


def _is_named(task: Task) -> bool:
    """Whether the rows say which fulfillment it is."""
    may_be = task.settings.operation != "create" or not task.fulfillment.tracking_number
    return may_be and bool(task.fulfillment.fulfillment_id)


def _is_second_mail(task: Task) -> bool:
    return not task.fulfillment.tracking_number and task.attempt > 1


def _carrier_is_checked(task: Task) -> bool:
    return task.settings.check_carriers and not task.tracking.keys().isdisjoint(_CARRIER)


_CARRIER = ("tracking_company", "tracking_company_code")


def _checked_carrier(task: Task) -> Looking[str]:
    """What else is to be said of the carrier."""
    if not _carrier_is_checked(task):
        return ""
    known = yield from look_ups.carriers(task.settings)
    if fault := carriers.fault(task.fulfillment, known):
        raise refusal(task, "carrier-not-known", fault)
    return carriers.advice(task.fulfillment, known)


def _lacks_details(task: Task, live: Sequence[Remote]) -> bool:
    """Whether the rows name SKUs, and a fulfillment only the ids of the order's lines, or "all" of one."""
    named = any(part.lines for part in task.fulfillment.parts)
    return named and any(not (line.sku and line.units) for each in live for line in each.lines or ())


def _allotted(task: Task, order: Order, live: Sequence[Remote]) -> dict[str, int]:
    lines = task.fulfillment.parts[0].lines
    try:
        return dict(allot(lines, order, live, task.before))
    except UnknownSkuError as error:
        raise refusal(task, "sku-not-in-order", str(error)) from error
    except TooMuchError as error:
        raise refusal(task, "exceeds-remaining", str(error)) from error

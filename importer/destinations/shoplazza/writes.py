"""The requests that write: one PUT for a fulfillment that is there, one POST for a new one; their replies."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from importer.destinations import replies, requests
from importer.destinations.replies import LONG, SHORT, cut, shown
from importer.destinations.shoplazza import answers, remote
from importer.destinations.shoplazza.look_ups import address
from importer.destinations.shoplazza.remote import FIELDS, FormError
from importer.destinations.shoplazza.versions import VERSIONS
from importer.model import Answer, Meaning, NoAnswer, Reach, Reading, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from importer.destinations.shoplazza.remote import Remote
    from importer.model import Fulfillment
    from importer.settings import DestinationSettings


class Task(Struct, frozen=True):
    """A fulfillment that is to be written.

    ``attempt`` counts its writes from 1, ``before`` are the order's since it was looked up, and ``key`` is
    the same for each attempt.
    """

    settings: DestinationSettings
    fulfillment: Fulfillment
    attempt: int
    before: Sequence[Write]
    key: str

    @property
    def tracking(self) -> dict[str, str]:
        """The tracking fields that the manifest gives; none where a mail is all that is wanted."""
        names = FIELDS if self.fulfillment.tracking_number else ()
        return {name: value for name in names if (value := getattr(self.fulfillment, name))}


class _Sent(Struct, frozen=True):
    """What the reply is compared with; ``fulfillment_id`` is "" for one that is to be created.

    ``note`` is what else is to be said of a success.
    """

    order_id: str
    fulfillment_id: str
    tracking: Mapping[str, str]
    note: str

    @property
    def done(self) -> str:
        return "updated" if self.fulfillment_id else "created"


def update(task: Task, order_id: str, fulfillment_id: str, note: str = "") -> Write:
    """Give a fulfillment its tracking; the customer is mailed with the first attempt only.

    "Resending fulfillment email notifications" is a use that the page names, so that a repeated request with
    ``send_email`` would mail a second time.
    """
    wanted = task.fulfillment.notify or not task.tracking
    mails = wanted and task.attempt == 1
    body = VERSIONS[task.settings.version].update(task.tracking, mails)
    url = address(task.settings, "orders", order_id, "fulfillments", fulfillment_id)
    silent = _NOT_TWICE if wanted and not mails else ""
    sent = _Sent(order_id, fulfillment_id, task.tracking, _joined(note, silent))
    request = requests.write("PUT", url, body, task.key)
    return Write(request, partial(_read, task.settings, sent), {fulfillment_id: 1}, mails)


def create(task: Task, order_id: str, units: Mapping[str, int], note: str = "") -> Write:
    """Ship units of the order's lines; ``send_email`` is no documented field of it in any version.

    Raises:
        ValueError: a line has less than one unit, since 0 is taken for "all" that remains, or there is none.
    """
    if not units or min(units.values()) < 1:
        raise ValueError(f"{task.fulfillment.name}: a fulfillment of {units or 'nothing'}")
    body = VERSIONS[task.settings.version].create(units, task.tracking)
    url = address(task.settings, "orders", order_id, "fulfillments")
    silent = _NO_FIELD if task.fulfillment.notify else ""
    sent = _Sent(order_id, "", task.tracking, _joined(note, silent))
    request = requests.write("POST", url, body, task.key)
    return Write(request, partial(_read, task.settings, sent), units)


_NOT_TWICE: Final = "the customer was not mailed by this try, since an earlier one may have done so"
_NO_FIELD: Final = "the customer was not mailed: the API has no field for it when it creates"


def _joined(*words: str) -> str:
    return "; ".join(filter(None, words))


# --- what a reply means --------------------------------------------------------------------------------


def _read(settings: DestinationSettings, sent: _Sent, reply: Answer | NoAnswer) -> Reading:
    """What the reply, or its absence, means; whatever is not surely known is unknown."""
    if trouble := answers.hindrance(settings, reply):
        return trouble
    if isinstance(reply, NoAnswer):
        return _unanswered(settings, sent, reply)
    by_hundred = _refused if reply.status // 100 == HTTPStatus.BAD_REQUEST // 100 else _unknown
    return _BY_STATUS.get(reply.status, by_hundred)(settings, sent, reply)


def _unanswered(settings: DestinationSettings, sent: _Sent, silence: NoAnswer) -> Reading:
    token = answers.token_of(settings)
    reason, status = shown(silence.reason, token), None
    if silence.begun is not None:
        reason = f"{cut(reason, SHORT)} {replies.came(silence.begun, token)}"
        status = silence.begun.status
    if silence.reach is Reach.NEVER_SENT:
        return Reading(Meaning.NEVER_REACHED, "destination-unreachable", reason, status)
    return Reading(Meaning.UNKNOWN, _UNKNOWN, f"{reason}; {_not_known(sent)}", status)


def _success(settings: DestinationSettings, sent: _Sent, answer: Answer) -> Reading:
    try:
        content = answers.content(answer)
        found = remote.fulfillment(content.get("fulfillment", content))
        _check(sent, found)
    except FormError as error:
        trouble = shown(str(error), answers.token_of(settings), 3 * SHORT)
        return _in_doubt(settings, sent, answer, f" with {trouble}")
    meaning = Meaning.UPDATED if sent.fulfillment_id else Meaning.CREATED
    words = _joined(_told(sent, found), _differences(sent, found), sent.note)
    return Reading(meaning, message=shown(words, answers.token_of(settings), LONG), http_status=answer.status)


def _check(sent: _Sent, found: Remote) -> None:
    """See that the reply speaks of this fulfillment, of this order and with this tracking number."""
    number = sent.tracking.get("tracking_number", "")
    has_it = not number or any(each["tracking_number"] == number for each in found.trackings)
    other = ", ".join(each["tracking_number"] for each in found.trackings)
    for name, value, expected in (
        ("order_id", found.order_id, sent.order_id),
        ("fulfillment", found.fulfillment_id, sent.fulfillment_id or found.fulfillment_id),
        ("tracking_number", number if has_it else other, number),
    ):
        if value != expected:
            shown_value = f"{name} '{cut(value, SHORT)}'" if value else f"no {name}"
            raise FormError(f"{shown_value}, expected '{cut(expected, SHORT)}'")


def _told(sent: _Sent, found: Remote) -> str:
    at = found.updated_at if sent.fulfillment_id else found.created_at or found.updated_at
    words = " ".join(filter(None, ["fulfillment", found.fulfillment_id, found.status]))
    return f"{words}, {sent.done} {at}" if at else words


def _differences(sent: _Sent, found: Remote) -> str:
    """What the platform made of the carrier, where that is another: it has the parcel all the same."""
    tracking = found.tracking(sent.tracking.get("tracking_number", "")) or {}
    return _joined(
        *(
            f"the platform has {name} '{cut(tracking[name], SHORT)}', not '{cut(value, SHORT)}'"
            for name, value in sent.tracking.items()
            if tracking.get(name) and tracking[name] != value
        )
    )


def _refused(settings: DestinationSettings, _: _Sent, answer: Answer) -> Reading:
    return answers.refused(settings, answer)


def _server_error(settings: DestinationSettings, sent: _Sent, answer: Answer) -> Reading:
    """In a documented form it is the platform's own word that it failed, and an update may be repeated.

    What a create may have left behind is looked up first. From 2025-06 on it "could not complete the
    underlying business operation", so that its words may tell more than another try.
    """
    if sent.fulfillment_id and answer.whole and answers.own_words(settings, answer):
        return Reading(
            Meaning.TRY_AGAIN, f"destination-{answer.status}", answers.said(settings, answer), answer.status
        )
    return _unknown(settings, sent, answer)


def _unknown(settings: DestinationSettings, sent: _Sent, answer: Answer) -> Reading:
    return _in_doubt(settings, sent, answer)


def _in_doubt(settings: DestinationSettings, sent: _Sent, answer: Answer, trouble: str = "") -> Reading:
    came = replies.came(answer, answers.token_of(settings))
    message = f"the destination answered {answer.status}{trouble} {came}; {_not_known(sent)}"
    return Reading(Meaning.UNKNOWN, _UNKNOWN, message, answer.status)


def _not_known(sent: _Sent) -> str:
    return f"it is not known whether the fulfillment was {sent.done}"


_UNKNOWN: Final = "outcome-unknown"
_BY_STATUS: Final[Mapping[int, Callable[[DestinationSettings, _Sent, Answer], Reading]]] = {
    HTTPStatus.OK: _success,
    HTTPStatus.CREATED: _success,
    HTTPStatus.REQUEST_TIMEOUT: _unknown,
    HTTPStatus.INTERNAL_SERVER_ERROR: _server_error,
}

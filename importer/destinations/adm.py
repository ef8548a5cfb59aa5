"""ADM's Create a Fulfillment: what it is sent and what its answers mean.

Its document gives the body, the statuses 200, 400, 404 and 500, and ``{"error", "message"}`` for what went
wrong. It has no way to ask whether a fulfillment exists, so that whatever is not surely known stays unknown.
"""

from __future__ import annotations

from functools import lru_cache, partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from importer.destinations import replies, requests
from importer.destinations.replies import LONG, SHORT, cut
from importer.model import PARTIAL, Answer, Meaning, NoAnswer, Reach, Reading, Request, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from importer.model import Fulfillment, OrderPart
    from importer.settings import DestinationSettings


class Adm(Struct, frozen=True):
    """One account at one ADM address."""

    settings: DestinationSettings

    @property
    def identity(self) -> str:
        """Kind, base_url and account; the sandbox is one destination whatever its port."""
        if self.settings.sandbox:
            return "adm sandbox"
        return f"adm {self.settings.base_url} {self.settings.account}".rstrip()

    @property
    def needed(self) -> tuple[str, ...]:
        """The canonical columns that a manifest must have."""
        return ("order_id", "sku", "quantity", "tracking_number")

    @property
    def order_id(self) -> str:
        """The rule for order ids: the document's table has integers, later ones have text."""
        return self.settings.order_id

    @property
    def several_orders(self) -> bool:
        """Whether one fulfillment may carry several orders."""
        return self.settings.body == "by_fulfillment_order"

    @property
    def needed_to_notify(self) -> tuple[str, ...]:
        """The document has no mail."""
        return ()

    @property
    def takes(self) -> tuple[str, ...]:
        """Nothing of a carrier: the document has no field for it (see ``extra``)."""
        return ()

    @property
    def optional(self) -> tuple[str, ...]:
        """None of those that it takes."""
        return ()

    @property
    def repeatable(self) -> bool:
        """Whether the API knows a repeated request by its key; its document says nothing of that."""
        return self.settings.idempotency == "key"

    @property
    def readable(self) -> bool:
        """There is nothing to be read in the document."""
        return False

    @property
    def creates(self) -> bool:
        """It takes new fulfillments only."""
        return True

    def plan(self, fulfillment: Fulfillment, attempt: int, before: Sequence[Write]) -> Write:  # noqa: ARG002 - nothing is looked up
        """The one request that there is.

        Raises:
            ValueError: as ``request``.
        """
        return Write(self.request(fulfillment, attempt), partial(self.read, fulfillment))

    def content(self, fulfillment: Fulfillment) -> str:
        """The SHA-256 (hex) of tracking number, orders and lines, whatever their order; not of ``extra``.

        PARTIAL follows where rows of the parcel are left out.
        """
        return _contents(fulfillment) + (PARTIAL if fulfillment.partial else "")

    def request(self, fulfillment: Fulfillment, attempt: int) -> Request:  # noqa: ARG002 - all are the same here
        """One POST; the same fulfillment always has the same ``Idempotency-Key``.

        Raises:
            ValueError: no line items, since "If this property is undefined, then all of the fulfillment order
                line items of the associated fulfillment order are fulfilled" (Create a Fulfillment), or
                several orders in a body that has room for one.
        """
        body = {**_BODIES[self.settings.body](self, fulfillment), **self.settings.extra}
        key = requests.digest([self.identity, _contents(fulfillment)])
        return requests.write("POST", self.url, body, key)

    def read(self, fulfillment: Fulfillment, reply: Answer | NoAnswer) -> Reading:
        """What the reply, or its absence, means; whatever is not surely known is unknown."""
        if isinstance(reply, NoAnswer):
            return _unanswered(self, fulfillment, reply)
        return _reader(reply)(self, fulfillment, reply)

    @property
    def url(self) -> str:
        """Where every fulfillment is posted to."""
        return f"{self.settings.base_url}/{self.settings.path}"


@lru_cache(maxsize=1000)  # of the posts that are in flight: it is asked for the ledger, and for the key
def _contents(fulfillment: Fulfillment) -> str:
    parts = sorted(
        [part.order_id, sorted([line.sku, line.quantity] for line in part.lines)]
        for part in fulfillment.parts
    )
    return requests.digest([fulfillment.tracking_number, parts])


# --- the body ------------------------------------------------------------------------------------------


def _flat(adm: Adm, fulfillment: Fulfillment) -> dict[str, Any]:
    if len(fulfillment.parts) != 1:
        raise ValueError(f"{fulfillment.name}: {len(fulfillment.parts)} orders, but a flat body has one")
    return {**_order(adm, fulfillment.parts[0]), "tracking_number": fulfillment.tracking_number}


def _by_fulfillment_order(adm: Adm, fulfillment: Fulfillment) -> dict[str, Any]:
    if not fulfillment.parts:
        raise ValueError(f"{fulfillment.tracking_number}: no orders")
    return {
        "line_items_by_fulfillment_order": [_order(adm, part) for part in fulfillment.parts],
        "tracking_number": fulfillment.tracking_number,
    }


def _order(adm: Adm, part: OrderPart) -> dict[str, Any]:
    if not part.lines:
        raise ValueError(f"order {part.order_id}: no line items, which the API takes for the whole order")
    return {
        "order_id": int(part.order_id) if adm.order_id == "integer" else part.order_id,
        "line_items": [{"sku": line.sku, "quantity": line.quantity} for line in part.lines],
    }


_BODIES: Final[Mapping[str, Callable[[Adm, Fulfillment], dict[str, Any]]]] = {
    "flat": _flat,
    "by_fulfillment_order": _by_fulfillment_order,
}


# --- what a reply means --------------------------------------------------------------------------------


def _unanswered(adm: Adm, fulfillment: Fulfillment, silence: NoAnswer) -> Reading:
    begun = silence.begun
    if begun is not None and (reader := _reader(begun)) in _HEAD_IS_ENOUGH:
        return reader(adm, fulfillment, begun)
    reason, status = _shown(adm, silence.reason), None
    if begun is not None:
        reason, status = f"{cut(reason, SHORT)} {_came(adm, begun)}", begun.status
    if silence.reach is Reach.NEVER_SENT:
        return Reading(Meaning.NEVER_REACHED, "destination-unreachable", reason, status)
    return Reading(Meaning.UNKNOWN, _UNKNOWN, f"{reason}; {_NOT_KNOWN}", status)


def _success(adm: Adm, fulfillment: Fulfillment, answer: Answer) -> Reading:
    if trouble := _trouble(adm, fulfillment, answer):
        return _in_doubt(adm, answer, f" with {trouble}")
    return Reading(Meaning.CREATED, http_status=answer.status)


def _trouble(adm: Adm, fulfillment: Fulfillment, answer: Answer) -> str:
    """What keeps the answer from being the documented one for this fulfillment; empty when nothing does."""
    if not answer.whole:
        return replies.cut_off(answer)
    document = replies.document(answer)
    if document is None:
        return "what is no JSON object"
    if document.get("tracking_number") != fulfillment.tracking_number:
        return f"{_value(adm, document, 'tracking_number')}, expected '{fulfillment.tracking_number}'"
    if "status" in document and str(replies.scalar(document["status"])).lower() != "created":
        return f"{_value(adm, document, 'status')}, expected 'created'"
    return _wrong_order(adm, fulfillment, document)


def _wrong_order(adm: Adm, fulfillment: Fulfillment, document: dict[str, Any]) -> str:
    orders = [document] if "order_id" in document or not adm.several_orders else []
    if adm.several_orders:
        # How the reply to such a body looks is not documented: what it names must be ours.
        entries = document.get("line_items_by_fulfillment_order", [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            return "line_items_by_fulfillment_order in another form"
        orders += [entry for entry in entries if "order_id" in entry]
    ours = [part.order_id for part in fulfillment.parts]
    for order in orders:
        if replies.scalar(order.get("order_id")) not in ours:
            return f"{_value(adm, order, 'order_id')}, expected '{cut(' or '.join(ours), SHORT)}'"
    return ""


def _value(adm: Adm, document: dict[str, Any], key: str) -> str:
    if key not in document:
        return f"no {key}"
    text = replies.scalar(document[key])
    return f"{key} in another form" if text is None else f"{key} '{_shown(adm, text, SHORT)}'"


def _refused(adm: Adm, _: Fulfillment, answer: Answer) -> Reading:
    refusal = _reading(Meaning.REFUSED, answer, _said(adm, answer))
    return refusal if _is_of_an_order(adm, answer) else replace(refusal, formed=False)


def _is_of_an_order(adm: Adm, answer: Answer) -> bool:
    """Whether it is an order that is not there: "Order Not Found", says the document; a path may be, too."""
    words = _own_words(adm, answer)
    return bool(words) and (answer.status != HTTPStatus.NOT_FOUND or "order" in words.casefold())


def _no_credentials(adm: Adm, _: Fulfillment, answer: Answer) -> Reading:
    advice = f"check the token of [destinations.{adm.settings.name}], its auth_header and auth_scheme"
    words = f"the destination refuses the token: {_said(adm, answer)}; {advice}"
    return _reading(Meaning.STOP, answer, words)


def _no_proxy_credentials(adm: Adm, _: Fulfillment, answer: Answer) -> Reading:
    advice = f"check the proxy, or env_proxy of [destinations.{adm.settings.name}]"
    return _reading(Meaning.STOP, answer, f"a proxy refuses the request: {_said(adm, answer)}; {advice}")


def _redirected(adm: Adm, _: Fulfillment, answer: Answer) -> Reading:
    place = _shown(adm, replies.header(answer, "location"), SHORT) or "another place that it does not name"
    advice = (
        f"correct base_url or path of [destinations.{adm.settings.name}], which give {cut(adm.url, SHORT)}"
    )
    words = f"the destination answered {answer.status} and points to {place} {_came(adm, answer)}; {advice}"
    return _reading(Meaning.STOP, answer, words)


def _told_to_wait(adm: Adm, _: Fulfillment, answer: Answer) -> Reading:
    return _reading(Meaning.WAIT, answer, _said(adm, answer), replies.retry_after(answer))


def _unavailable(adm: Adm, fulfillment: Fulfillment, answer: Answer) -> Reading:
    told = replies.header(answer, "retry-after").strip()
    return (_told_to_wait if told else _unknown)(adm, fulfillment, answer)


def _server_error(adm: Adm, fulfillment: Fulfillment, answer: Answer) -> Reading:
    document = (answer.whole and replies.document(answer)) or {}
    documented = all(isinstance(document.get(key), str) for key in ("error", "message"))
    if documented and adm.settings.on_500 == "retry":
        return _reading(Meaning.TRY_AGAIN, answer, _said(adm, answer))
    return _unknown(adm, fulfillment, answer)


def _unknown(adm: Adm, _: Fulfillment, answer: Answer) -> Reading:
    return _in_doubt(adm, answer)


def _reader(answer: Answer) -> Callable[[Adm, Fulfillment, Answer], Reading]:
    return _BY_STATUS.get(answer.status, _BY_HUNDRED.get(answer.status // 100, _unknown))


_BY_STATUS: Final[Mapping[int, Callable[[Adm, Fulfillment, Answer], Reading]]] = {
    HTTPStatus.OK: _success,
    HTTPStatus.CREATED: _success,
    HTTPStatus.UNAUTHORIZED: _no_credentials,
    HTTPStatus.FORBIDDEN: _no_credentials,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: _no_proxy_credentials,
    HTTPStatus.REQUEST_TIMEOUT: _unknown,
    HTTPStatus.TOO_MANY_REQUESTS: _told_to_wait,
    HTTPStatus.INTERNAL_SERVER_ERROR: _server_error,
    HTTPStatus.SERVICE_UNAVAILABLE: _unavailable,
}
_BY_HUNDRED: Final[Mapping[int, Callable[[Adm, Fulfillment, Answer], Reading]]] = {
    3: _redirected,
    4: _refused,
}
# Of these, the status and the headers say it all, so that it does not matter if the rest was cut off.
_HEAD_IS_ENOUGH: Final = frozenset({_no_credentials, _no_proxy_credentials, _redirected, _told_to_wait})

_UNKNOWN = "outcome-unknown"
_NOT_KNOWN = "it is not known whether the fulfillment was created"


def _in_doubt(adm: Adm, answer: Answer, trouble: str = "") -> Reading:
    message = f"the destination answered {answer.status}{trouble} {_came(adm, answer)}; {_NOT_KNOWN}"
    return Reading(Meaning.UNKNOWN, _UNKNOWN, message, answer.status)


def _reading(meaning: Meaning, answer: Answer, message: str, wait_seconds: float | None = None) -> Reading:
    return Reading(meaning, f"destination-{answer.status}", message, answer.status, wait_seconds)


# --- the destination's own words -----------------------------------------------------------------------


def _said(adm: Adm, answer: Answer) -> str:
    return replies.said(answer, _own_words(adm, answer), _token(adm))


def _own_words(adm: Adm, answer: Answer) -> str:
    """``error: message`` of the documented error form, as far as they are there."""
    document = replies.document(answer) or {}
    texts = [document[key] for key in ("error", "message") if isinstance(document.get(key), str)]
    return cut(": ".join(shown for text in texts if (shown := _shown(adm, text))), LONG)


def _came(adm: Adm, answer: Answer) -> str:
    return replies.came(answer, _token(adm))


def _shown(adm: Adm, text: str, most: int = LONG) -> str:
    return replies.shown(text, _token(adm), most)


def _token(adm: Adm) -> str:
    return adm.settings.token.reveal() if adm.settings.token else ""

"""ADM's Create a Fulfillment: what it is sent and what its answers mean.

Its document gives the body, the statuses 200, 400, 404 and 500, and ``{"error", "message"}`` for what went
wrong. It has no way to ask whether a fulfillment exists, so that whatever is not surely known stays unknown.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from importer.model import PARTIAL, Answer, Meaning, NoAnswer, Reach, Reading, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from importer.model import Fulfillment, OrderPart
    from importer.settings import DestinationSettings

USER_AGENT: Final = f"fulfillment-importer/{version('fulfillment-importer')} (+python)"


@dataclass(frozen=True, slots=True)
class Adm:
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
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": USER_AGENT,
            "Idempotency-Key": _digest([self.identity, _contents(fulfillment)]),
        }
        encoded = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        return Request("POST", self.url, headers, encoded)

    def read(self, fulfillment: Fulfillment, reply: Answer | NoAnswer) -> Reading:
        """What the reply, or its absence, means; whatever is not surely known is unknown."""
        if isinstance(reply, NoAnswer):
            return _unanswered(self, reply)
        by_hundred = _BY_HUNDRED.get(reply.status // 100, _unknown)
        return _BY_STATUS.get(reply.status, by_hundred)(self, fulfillment, reply)

    @property
    def url(self) -> str:
        """Where every fulfillment is posted to."""
        return f"{self.settings.base_url}/{self.settings.path}"


def _contents(fulfillment: Fulfillment) -> str:
    parts = sorted(
        [part.order_id, sorted([line.sku, line.quantity] for line in part.lines)]
        for part in fulfillment.parts
    )
    return _digest([fulfillment.tracking_number, parts])


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


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, separators=(",", ":")).encode()).hexdigest()


# --- what a reply means --------------------------------------------------------------------------------


def _unanswered(adm: Adm, silence: NoAnswer) -> Reading:
    reason = _shown(adm, silence.reason)
    if silence.reach is Reach.NEVER_SENT:
        return Reading(Meaning.NEVER_REACHED, "destination-unreachable", reason)
    return Reading(Meaning.UNKNOWN, _UNKNOWN, f"{reason}; {_NOT_KNOWN}")


def _success(adm: Adm, fulfillment: Fulfillment, answer: Answer) -> Reading:
    trouble = _trouble(adm, fulfillment, answer)
    if not trouble:
        return Reading(Meaning.CREATED, http_status=answer.status)
    own = _own_words(adm, answer)
    return _in_doubt(answer, f"{trouble} ('{own}')" if own else trouble)


def _trouble(adm: Adm, fulfillment: Fulfillment, answer: Answer) -> str:
    """What keeps the answer from being the documented one for this fulfillment; empty when nothing does."""
    if not answer.whole:
        return "a reply that was cut off"
    document = _document(answer)
    if document is None:
        return f"what is no JSON object ('{_shown(adm, _text(answer), _SHORT)}')"
    if document.get("tracking_number") != fulfillment.tracking_number:
        return f"{_value(adm, document, 'tracking_number')}, expected '{fulfillment.tracking_number}'"
    if "status" in document and str(_id(document["status"])).lower() != "created":
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
        if _id(order.get("order_id")) not in ours:
            return f"{_value(adm, order, 'order_id')}, expected '{_cut(' or '.join(ours), _SHORT)}'"
    return ""


def _id(value: object) -> str | None:
    """A scalar as text: the document has order ids as numbers in one place, later ones have text."""
    return str(value) if isinstance(value, str) or type(value) is int else None


def _value(adm: Adm, document: dict[str, Any], key: str) -> str:
    if key not in document:
        return f"no {key}"
    text = _id(document[key])
    return f"{key} in another form" if text is None else f"{key} '{_shown(adm, text, _SHORT)}'"


def _refused(adm: Adm, _: Fulfillment, answer: Answer) -> Reading:
    refusal = _reading(Meaning.REFUSED, answer, _said(adm, answer))
    return refusal if _own_words(adm, answer) else replace(refusal, formed=False)


def _no_credentials(adm: Adm, _: Fulfillment, answer: Answer) -> Reading:
    advice = f"check the token of [destinations.{adm.settings.name}], its auth_header and auth_scheme"
    words = f"the destination refuses the token: {_said(adm, answer)}; {advice}"
    return _reading(Meaning.STOP, answer, words)


def _no_proxy_credentials(adm: Adm, _: Fulfillment, answer: Answer) -> Reading:
    advice = f"check the proxy, or env_proxy of [destinations.{adm.settings.name}]"
    return _reading(Meaning.STOP, answer, f"a proxy refuses the request: {_said(adm, answer)}; {advice}")


def _redirected(adm: Adm, _: Fulfillment, answer: Answer) -> Reading:
    place = _shown(adm, _header(answer, "location"), _SHORT) or "another place that it does not name"
    advice = (
        f"correct base_url or path of [destinations.{adm.settings.name}], which give {_cut(adm.url, _SHORT)}"
    )
    words = f"the destination answered {answer.status} and points to {place}; {advice}"
    return _reading(Meaning.STOP, answer, words)


def _told_to_wait(adm: Adm, _: Fulfillment, answer: Answer) -> Reading:
    return _reading(Meaning.WAIT, answer, _said(adm, answer), _retry_after(answer))


def _unavailable(adm: Adm, fulfillment: Fulfillment, answer: Answer) -> Reading:
    told = _header(answer, "retry-after").strip()
    return (_told_to_wait if told else _unknown)(adm, fulfillment, answer)


def _server_error(adm: Adm, fulfillment: Fulfillment, answer: Answer) -> Reading:
    document = (answer.whole and _document(answer)) or {}
    documented = all(isinstance(document.get(key), str) for key in ("error", "message"))
    if documented and adm.settings.on_500 == "retry":
        return _reading(Meaning.TRY_AGAIN, answer, _said(adm, answer))
    return _unknown(adm, fulfillment, answer)


def _unknown(adm: Adm, _: Fulfillment, answer: Answer) -> Reading:
    words = _words(adm, answer)
    return _in_doubt(answer, f"'{words}'" if words else "an empty reply")


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

_UNKNOWN = "outcome-unknown"
_NOT_KNOWN = "it is not known whether the fulfillment was created"


def _in_doubt(answer: Answer, what: str) -> Reading:
    message = f"the destination answered {answer.status} with {what}; {_NOT_KNOWN}"
    return Reading(Meaning.UNKNOWN, _UNKNOWN, message, answer.status)


def _reading(meaning: Meaning, answer: Answer, message: str, wait_seconds: float | None = None) -> Reading:
    return Reading(meaning, f"destination-{answer.status}", message, answer.status, wait_seconds)


def _retry_after(answer: Answer) -> float | None:
    """Seconds to wait, None when they can't be told; a date is measured against the answer's own."""
    told = _header(answer, "retry-after").strip()
    if _SECONDS.fullmatch(told):
        return float(told)
    try:
        until, now = parsedate_to_datetime(told), parsedate_to_datetime(_header(answer, "date"))
        seconds = (_in_utc(until) - _in_utc(now)).total_seconds()
    except (ValueError, OverflowError):
        return None
    return seconds if seconds >= 0 else None


_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")


def _in_utc(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)


# --- the destination's own words -----------------------------------------------------------------------


def _said(adm: Adm, answer: Answer) -> str:
    """The status and the destination's words for it; the status's usual name when it has none."""
    return f"{answer.status} {_words(adm, answer) or _STATUS_NAMES.get(answer.status, '')}".rstrip()


_STATUS_NAMES: Final[Mapping[int, str]] = {status.value: status.phrase for status in HTTPStatus}


def _words(adm: Adm, answer: Answer) -> str:
    return _own_words(adm, answer) or _shown(adm, _text(answer))


def _own_words(adm: Adm, answer: Answer) -> str:
    """``error: message`` of the documented error form, as far as they are there."""
    document = _document(answer) or {}
    texts = [document[key] for key in ("error", "message") if isinstance(document.get(key), str)]
    return _cut(": ".join(shown for text in texts if (shown := _shown(adm, text))), _LONG)


# Bytes of a message; with our own words around what is quoted, it stays below 2 KB.
_LONG = 1600
_SHORT = 100


def _shown(adm: Adm, text: str, most: int = _LONG) -> str:
    """Text from outside made fit for a report: on one line, nothing invisible, at most ``most`` bytes."""
    token = adm.settings.token.reveal() if adm.settings.token else ""
    for form in {token, token.replace("/", r"\/"), quote(token), quote(token, safe="")} - {""}:
        # An answer may repeat the header that it dislikes, JSON may escape its slashes, and an address more.
        text = text.replace(form, "***")
    one_line = " ".join(text[: _LONG + 1].split())
    return _cut("".join(c if c.isprintable() else ascii(c)[1:-1] for c in one_line), most)


def _cut(text: str, most: int) -> str:
    encoded = text.encode()
    return text if len(encoded) <= most else encoded[: most - 3].decode(errors="ignore") + "…"


def _header(answer: Answer, name: str) -> str:
    return next((value for key, value in answer.headers.items() if key.lower() == name), "")


def _document(answer: Answer) -> dict[str, Any] | None:
    try:
        document = json.loads(_text(answer))
    except (ValueError, RecursionError):  # no JSON, a number of thousands of digits, or nested without end
        return None
    return document if isinstance(document, dict) else None


def _text(answer: Answer) -> str:
    match = _CHARSET.search(_header(answer, "content-type"))
    codec = _CODECS.get(match[1].lower() if match else "", "utf-8-sig")
    return answer.body.decode(codec, errors="replace")


_CHARSET = re.compile(r'charset\s*=\s*"?([^\s;"]+)', re.IGNORECASE)
# What isn't here is read as UTF-8 too: Python's codecs have some that are no charsets (zip, idna, undefined).
_CODECS: Final[Mapping[str, str]] = {
    "iso-8859-1": "cp1252",  # as browsers take it (WHATWG Encoding)
    "windows-1252": "cp1252",
    "iso-8859-15": "iso-8859-15",
    "utf-16": "utf-16",
}

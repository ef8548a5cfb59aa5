"""What any answer of the platform may say, to a look or to a write: its words, and what stops a run."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from importer.destinations import replies
from importer.destinations.replies import LONG, SHORT, cut, shown
from importer.destinations.shoplazza.remote import FormError
from importer.model import Answer, Meaning, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from importer.model import NoAnswer
    from importer.settings import DestinationSettings


class NoWriteError(Exception):
    """There is nothing to be written; ``reading`` says why."""

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading.message)
        self.reading = reading


def token_of(settings: DestinationSettings) -> str:
    """The token in the clear, for masking it; "" where there is none."""
    return settings.token.reveal() if settings.token else ""


def content(answer: Answer) -> dict[str, Any]:
    """What a success brings: the object itself, or what later versions have in ``data``.

    Raises:
        FormError: the answer was cut off, or is no JSON object.
    """
    document = replies.document(answer)
    if not answer.whole:
        raise FormError(replies.cut_off(answer))
    if document is None:
        raise FormError("what is no JSON object")
    data = document.get("data", document)
    if not isinstance(data, dict):
        raise FormError("no object as data")
    return data


def refused(settings: DestinationSettings, answer: Answer) -> Reading:
    """The platform says no; ``formed`` tells whether it does so in one of its documented forms."""
    refusal = _reading(Meaning.REFUSED, answer, said(settings, answer))
    return refusal if own_words(settings, answer) else replace(refusal, formed=False)


def said(settings: DestinationSettings, answer: Answer) -> str:
    """The status and the platform's words for it; its usual name and what came when it has none."""
    return replies.said(answer, own_words(settings, answer), token_of(settings))


def own_words(settings: DestinationSettings, answer: Answer) -> str:
    """What the platform says in any of its error forms, "" when it says nothing in them."""
    token = token_of(settings)
    return cut("; ".join(words for text in _texts(answer) if (words := shown(text, token))), LONG)


def _texts(answer: Answer) -> list[str]:
    """The texts of ``errors``, of ``error``, or of ``code`` and ``message``, or the documented plain text."""
    document = replies.document(answer)
    if document is None:
        plain = replies.text(answer).strip(' \t\r\n"')
        return [plain] if plain.lower() in _PLAIN else []
    errors = document.get("errors")
    coded = [document[key] for key in ("code", "message") if _is_text(document.get(key))]
    listed = errors if isinstance(errors, list) else [errors]
    return [text for text in (*listed, document.get("error"), ": ".join(coded)) if _is_text(text)]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


_REFUSALS: Final = 4  # hundred
_REDIRECTS: Final = 3
_UNAUTHORIZED: Final = "unauthorized"
_INACTIVE: Final = "store is not active"
_PLAIN: Final = frozenset({"bad request", _UNAUTHORIZED})
"""What the page "Update Fulfillment" shows as whole answers, which are no JSON."""


def hindrance(settings: DestinationSettings, reply: Answer | NoAnswer) -> Reading | None:
    """What any other request would meet as well, or what asks to wait; None if it is neither.

    Of an answer that broke off, the status may say enough.
    """
    if not isinstance(reply, Answer):
        begun = reply.begun
        return None if begun is None else _by_status(settings, begun)
    texts = [text.lower().strip(" .") for text in _texts(reply)]
    if reply.status >= HTTPStatus.BAD_REQUEST and any(_INACTIVE in text for text in texts):
        return _inactive(settings, reply)
    # The document's row "Unauthorized" stands under 400; later versions have it as code or message.
    if reply.status // 100 == _REFUSALS and any(_UNAUTHORIZED in text.split(": ") for text in texts):
        return _no_credentials(settings, reply)
    if reply.status == HTTPStatus.SERVICE_UNAVAILABLE and replies.header(reply, "retry-after").strip():
        return _told_to_wait(settings, reply)
    return _by_status(settings, reply)


def _by_status(settings: DestinationSettings, answer: Answer) -> Reading | None:
    by_hundred = _redirected if answer.status // 100 == _REDIRECTS else None
    reader = _BY_STATUS.get(answer.status, by_hundred)
    return reader(settings, answer) if reader else None


def _inactive(settings: DestinationSettings, answer: Answer) -> Reading:
    advice = f"open the store again, or correct base_url of [destinations.{settings.name}]"
    words = f"the destination says: {said(settings, answer)}; {advice}"
    return replace(_reading(Meaning.STOP, answer, words), code="run-stopped")


def _no_credentials(settings: DestinationSettings, answer: Answer) -> Reading:
    advice = (
        f"check the token of [destinations.{settings.name}], and that it has the scopes read_order and "
        "write_order"
    )
    words = f"the destination refuses the token: {said(settings, answer)}; {advice}"
    stop = _reading(Meaning.STOP, answer, words)
    # as 400 it means the same, and the code is what a person goes by
    return stop if answer.status in _BY_STATUS else replace(stop, code="destination-401")


def _no_proxy_credentials(settings: DestinationSettings, answer: Answer) -> Reading:
    advice = f"check the proxy, or env_proxy of [destinations.{settings.name}]"
    return _reading(Meaning.STOP, answer, f"a proxy refuses the request: {said(settings, answer)}; {advice}")


def _redirected(settings: DestinationSettings, answer: Answer) -> Reading:
    token = token_of(settings)
    place = shown(replies.header(answer, "location"), token, SHORT) or "another place that it does not name"
    advice = f"correct base_url of [destinations.{settings.name}], which is {cut(settings.base_url, SHORT)}"
    came = replies.came(answer, token)
    words = f"the destination answered {answer.status} and points to {place} {came}; {advice}"
    return _reading(Meaning.STOP, answer, words)


def _told_to_wait(settings: DestinationSettings, answer: Answer) -> Reading:
    return _reading(Meaning.WAIT, answer, said(settings, answer), replies.retry_after(answer))


def _reading(meaning: Meaning, answer: Answer, message: str, wait_seconds: float | None = None) -> Reading:
    return Reading(meaning, f"destination-{answer.status}", message, answer.status, wait_seconds)


_BY_STATUS: Final[Mapping[int, Callable[[DestinationSettings, Answer], Reading]]] = {
    HTTPStatus.UNAUTHORIZED: _no_credentials,
    HTTPStatus.FORBIDDEN: _no_credentials,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: _no_proxy_credentials,
    HTTPStatus.TOO_MANY_REQUESTS: _told_to_wait,
}

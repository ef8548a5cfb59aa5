"""What is looked up before something is written: the order, its fulfillments, the platform's carriers.

Each is a generator of looks that returns what was found, or raises what there is to say instead. A look never
leaves an outcome unknown: nothing has been written. No filter is used, since the platform drops those that it
does not know, and what comes is compared with what was asked for.
"""

from __future__ import annotations

from collections.abc import Generator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar
from urllib.parse import quote

from msgspec.structs import replace

from importer.destinations import replies, requests
from importer.destinations.replies import SHORT, cut, shown
from importer.destinations.shoplazza import answers, remote
from importer.destinations.shoplazza.answers import NoWriteError
from importer.destinations.shoplazza.remote import FormError
from importer.destinations.shoplazza.versions import VERSIONS
from importer.model import Answer, Look, Meaning, NoAnswer, Reach, Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from importer.destinations.shoplazza.remote import Carrier, Order, Remote
    from importer.settings import DestinationSettings

_T = TypeVar("_T")
Looking: TypeAlias = Generator[Look, Answer | NoAnswer, _T]

_MOST_ON_A_PAGE: Final = 250
_MOST_PAGES: Final = 40


def address(settings: DestinationSettings, *path: str) -> str:
    """Where something is, by its path below the version; ids among the parts are percent-encoded."""
    return "/".join([settings.base_url, "openapi", settings.version, *map(_part, path)])


def _part(text: str) -> str:
    # An id of dots would be taken for another folder.
    return text.replace(".", "%2E") if text.strip(".") == "" else quote(text, safe="")


def order(settings: DestinationSettings, order_id: str) -> Looking[Order]:
    """The order of this id.

    Raises:
        NoWriteError: it can't be had.
    """
    found = yield from _order(settings, f"order {order_id}", address(settings, "orders", order_id))
    _check(settings, f"order {order_id}", "id", found.order_id, order_id)
    return found


def order_of_number(settings: DestinationSettings, number: str) -> Looking[Order]:
    """The order of this number, which is another key than the id.

    Raises:
        NoWriteError: it can't be had.
    """
    what = f"order number {number}"
    found = yield from _order(settings, what, address(settings, "orders", "number", number))
    _check(settings, what, "number", found.number, number)
    return found


def fulfillments(settings: DestinationSettings, order_id: str) -> Looking[tuple[Remote, ...]]:
    """All fulfillments of the order, cancelled ones as well.

    Raises:
        NoWriteError: they can't be had.
    """
    what = f"the fulfillments of order {order_id}"
    listing = _by_cursor if VERSIONS[settings.version].cursor else _by_page
    found = yield from listing(settings, what, address(settings, "orders", order_id, "fulfillments"))
    for each in found.values():
        _check(settings, what, "order_id", each.order_id or order_id, order_id)
    return tuple(found.values())


def carriers(settings: DestinationSettings) -> Looking[tuple[Carrier, ...]]:
    """The platform's carriers; none where they can't be had, for then anything may be right.

    Raises:
        NoWriteError: what stops the run, or asks to wait.
    """
    path = VERSIONS[settings.version].carriers.split("/")
    reply = yield Look(requests.read(address(settings, *path)), lasting=True)
    if isinstance(reply, Answer) and reply.status == HTTPStatus.OK:
        try:
            listed = answers.content(reply).get("tracking_carriers")
            return tuple(map(remote.carrier, listed if isinstance(listed, list) else ()))
        except FormError:
            return ()
    # A token may lack the scope for this list and yet have that for fulfillments.
    barred = isinstance(reply, Answer) and reply.status == HTTPStatus.FORBIDDEN
    if not barred and (trouble := answers.hindrance(settings, reply)):
        raise NoWriteError(trouble)
    return ()


def failed(
    settings: DestinationSettings, what: str, words: str, http_status: int | None = None
) -> NoWriteError:
    """What could not be looked up, and why: nothing was written, and it may be tried again."""
    message = shown(f"{cut(what, SHORT)} can't be looked up: {words}", answers.token_of(settings), _LONGER)
    return NoWriteError(
        Reading(Meaning.NEVER_REACHED, "look-up-failed", f"{message}; nothing was written", http_status)
    )


_LONGER: Final = replies.LONG + 3 * SHORT  # the words with what they quote


def _order(settings: DestinationSettings, what: str, url: str) -> Looking[Order]:
    content, answer = yield from _content(settings, what, url)
    try:
        return remote.order(content.get("order", content))
    except FormError as error:
        raise _of_another_form(settings, what, answer, error) from error


def _by_page(settings: DestinationSettings, what: str, url: str) -> Looking[dict[str, Remote]]:
    """A page that could not be the last even if ``limit`` were dropped is followed by another look."""
    found: dict[str, Remote] = {}
    for page in range(1, _MOST_PAGES + 1):
        content, answer = yield from _content(settings, what, f"{url}?page={page}&limit={_MOST_ON_A_PAGE}")
        some = _page(settings, what, content, answer)
        if some and some.keys() <= found.keys():
            break
        found |= some
        if len(some) < VERSIONS[settings.version].usual_page:
            return found
    raise failed(settings, what, "page after page came, and no last one")


def _by_cursor(settings: DestinationSettings, what: str, url: str) -> Looking[dict[str, Remote]]:
    """``has_more`` may be null on the last page; then it is the cursor that tells."""
    found: dict[str, Remote] = {}
    query, seen = f"page_size={_MOST_ON_A_PAGE}", {""}
    for _ in range(_MOST_PAGES):
        content, answer = yield from _content(settings, what, f"{url}?{query}")
        some = _page(settings, what, content, answer)
        found |= some
        cursor = replies.scalar(content.get("cursor")) or ""
        full = bool(cursor) and len(some) >= VERSIONS[settings.version].usual_page
        if not (full if content.get("has_more") is None else content["has_more"]):
            return found
        if cursor in seen:
            break
        seen.add(cursor)
        query = f"page_size={_MOST_ON_A_PAGE}&cursor={quote(cursor, safe='', errors='replace')}"
    raise failed(settings, what, "page after page came, and no last one")


def _page(
    settings: DestinationSettings, what: str, content: Mapping[str, Any], answer: Answer
) -> dict[str, Remote]:
    try:
        listed = content.get("fulfillments")
        if not isinstance(listed, list):
            raise FormError("no list of fulfillments")  # noqa: TRY301 - it is told as the others are
        return {each.fulfillment_id: each for each in map(remote.fulfillment, listed)}
    except FormError as error:
        raise _of_another_form(settings, what, answer, error) from error


def _content(settings: DestinationSettings, what: str, url: str) -> Looking[tuple[dict[str, Any], Answer]]:
    reply = yield Look(requests.read(url))
    if trouble := answers.hindrance(settings, reply):
        raise NoWriteError(trouble)
    if isinstance(reply, NoAnswer):
        raise _unanswered(settings, what, reply)
    if reply.status == HTTPStatus.OK:
        try:
            return answers.content(reply), reply
        except FormError as error:
            raise _of_another_form(settings, what, reply, error) from error
    if (
        HTTPStatus.BAD_REQUEST <= reply.status < HTTPStatus.INTERNAL_SERVER_ERROR
        and reply.status != _TOO_LATE
    ):
        raise NoWriteError(answers.refused(settings, reply))
    raise failed(settings, what, answers.said(settings, reply), reply.status)


_TOO_LATE: Final = HTTPStatus.REQUEST_TIMEOUT


def _unanswered(settings: DestinationSettings, what: str, silence: NoAnswer) -> NoWriteError:
    error = failed(settings, what, _silence(settings, silence))
    if silence.reach is Reach.NEVER_SENT:  # it is the destination that can't be reached, not this order
        return NoWriteError(replace(error.reading, code="destination-unreachable"))
    return error


def _silence(settings: DestinationSettings, silence: NoAnswer) -> str:
    token = answers.token_of(settings)
    reason = shown(silence.reason, token)
    if silence.begun is None:
        return reason
    return f"{cut(reason, SHORT)} {replies.came(silence.begun, token)}"


def _check(settings: DestinationSettings, what: str, name: str, found: str, expected: str) -> None:
    """What is not asked for is no answer: another try may bring one, and nothing is to be written for it."""
    if found != expected:
        raise failed(settings, what, f"the answer has {name} '{found}', expected '{expected}'")


def _of_another_form(
    settings: DestinationSettings, what: str, answer: Answer, error: FormError
) -> NoWriteError:
    came = replies.came(answer, answers.token_of(settings))
    words = f"the destination answered {answer.status} with {error} {came}"
    return failed(settings, what, words, answer.status)

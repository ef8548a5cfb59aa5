"""A request that does no harm, to see whether a destination lets us in."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from importer.destinations import requests
from importer.destinations.shoplazza import look_ups
from importer.destinations.shoplazza.answers import NoWriteError
from importer.model import Answer

if TYPE_CHECKING:
    from importer.model import NoAnswer, Request
    from importer.settings import DestinationSettings


def with_token(settings: DestinationSettings) -> Request | None:
    """The request that is answered only to those who have a token; None where the API has none."""
    return next(look_ups.carriers(settings)).request if settings.kind == "shoplazza" else None


def without(settings: DestinationSettings) -> Request:
    """A request that anybody may make, for whoever only wants to hear something."""
    return requests.read(settings.base_url)


def refusal(settings: DestinationSettings, reply: Answer | NoAnswer) -> str:
    """Why the token was not let in, in words that don't show it; "" where it was."""
    if not isinstance(reply, Answer):
        return reply.reason
    looking = look_ups.carriers(settings)
    next(looking)
    try:
        looking.send(reply)
    except NoWriteError as error:
        return error.reading.message
    except StopIteration:
        pass
    if reply.status == HTTPStatus.OK:
        return ""
    return (
        f"HTTP {reply.status} to a request for the list of carriers; the token may lack the scope read_order"
    )

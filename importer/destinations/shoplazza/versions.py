"""What each version of the API has of its own: the bodies, the pages of a list, the path of the carriers.

Sources: the pages "Update Fulfillment", "Create Fulfillment" and "Fulfillment List" of each version. Of
2024-07 the page for creating is not known; its body is made of what its page for updating describes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Body = dict[str, Any]
    Tracking = Mapping[str, str]


class Version(Struct, frozen=True):
    """How a version is asked.

    ``update`` makes a body of the tracking fields that are given and of whether to mail the customer,
    ``create`` one of units by line item id and of the tracking fields. A list goes on by ``cursor`` or by the
    number of the page; ``usual_page`` is how many it has on a page when nobody says.
    """

    update: Callable[[Tracking, bool], Body]
    create: Callable[[Mapping[str, int], Tracking], Body]
    cursor: bool
    usual_page: int
    carriers: str = "tracking/carriers"


def _update_2022(tracking: Tracking, send_email: bool) -> Body:  # noqa: FBT001 - a field of the body
    return {**tracking, **({"send_email": True} if send_email else {})}


def _create_2022(units: Mapping[str, int], tracking: Tracking) -> Body:
    lines = [{"id": line_id, "ship_quantity": quantity} for line_id, quantity in units.items()]
    return {"line_items": lines, **tracking}


def _update_2024(tracking: Tracking, send_email: bool) -> Body:  # noqa: FBT001 - a field of the body
    return _update_2022({}, send_email) | ({"tracking_items": [tracking]} if tracking else {})


def _create_2024(units: Mapping[str, int], tracking: Tracking) -> Body:
    lines = [{"line_item_id": line_id, "quantity": quantity} for line_id, quantity in units.items()]
    return {"line_items": lines, "tracking_items": [tracking]}


def _update_2025(tracking: Tracking, send_email: bool) -> Body:  # noqa: FBT001 - a field of the body
    return {"fulfillment": _update_2022(tracking, send_email)}


def _create_2025(units: Mapping[str, int], tracking: Tracking) -> Body:
    return {"fulfillment": _create_2022(units, tracking)}


_2025: Final = Version(_update_2025, _create_2025, cursor=True, usual_page=10)

VERSIONS: Final[Mapping[str, Version]] = {
    "2022-01": Version(_update_2022, _create_2022, cursor=False, usual_page=50, carriers="tracking-codes"),
    "2024-07": Version(_update_2024, _create_2024, cursor=False, usual_page=50),
    "2025-06": _2025,
    "2026-01": _2025,
    "2026-07": _2025,
}

"""What a sandbox was sent and what it did → the JSON that its page shows, newest first."""

from __future__ import annotations

import heapq
from itertools import islice
from typing import TYPE_CHECKING

from importer.sandbox.orders import utc_text

if TYPE_CHECKING:
    from datetime import datetime

    from importer.sandbox.orders import Created, Received, Store
    from importer.sandbox.shops import Mail, Shop, Written


def told(store: Store, shop: Shop, limit: int) -> dict[str, object]:
    """The last ``limit`` of each kind, of both platforms together, and how many there were of each."""
    adm, shoplazza = store.newest(limit), shop.newest(limit)
    created = adm.counts["created"] + shoplazza.counts["created"]
    newest = heapq.merge(map(_created, adm.created), map(_written, shoplazza.written), key=_at, reverse=True)
    return {
        "counts": {**adm.counts, **shoplazza.counts, "created": created},
        "fulfillments": [shown for _, shown in islice(newest, limit)],
        "mails": [_mail(mail) for mail in shoplazza.mails],
        "requests": [_received(received) for received in adm.requests],
        "refused": [_received(received) for received in adm.refused],
        "faulty": [_received(received) for received in adm.faulty],
    }


_Shown = tuple["datetime", dict[str, object]]


def _at(shown: _Shown) -> datetime:
    return shown[0]


def _created(created: Created) -> _Shown:
    return created.at, {
        "at": utc_text(created.at),
        "platform": "adm",
        "done": "created",
        "order_id": created.order_id,
        "tracking_number": created.tracking_number,
        "line_items": [{"sku": line.sku, "quantity": line.quantity} for line in created.lines],
    }


def _written(written: Written) -> _Shown:
    fulfillment = written.fulfillment
    skus = {line.line_id: line.sku for line in written.order.lines}
    return fulfillment.updated_at, {
        "at": utc_text(fulfillment.updated_at),
        "platform": "shoplazza",
        "done": written.done,
        "order_id": fulfillment.order_id,
        "fulfillment_id": fulfillment.fulfillment_id,
        "tracking_number": ", ".join(tracking.tracking_number for tracking in fulfillment.trackings),
        "line_items": [
            {"sku": skus[units.line_id], "quantity": units.quantity} for units in fulfillment.units
        ],
    }


def _mail(mail: Mail) -> dict[str, object]:
    return {
        "at": utc_text(mail.at),
        "order_id": mail.order_id,
        "fulfillment_id": mail.fulfillment_id,
        "tracking_number": mail.tracking_number,
    }


def _received(received: Received) -> dict[str, object]:
    return {
        "at": utc_text(received.at),
        "method": received.method,
        "path": received.path,
        "status": received.status,
        "error": received.error,
        "message": received.message,
        "fulfillment": received.fulfillment,
        "body": received.body,
        "idempotency_key": received.idempotency_key,
        "user_agent": received.user_agent,
        "fault": received.fault,
    }

"""What a run knows of its fulfillments when the ledger takes no more."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from importer import delivery, fulfillments
from importer.destinations import make
from importer.ledger import Ledger
from importer.model import STATUSES, Fulfillment, Intent, Outcome, Status
from importer.report import Outcomes
from importer.settings import DestinationSettings

ADM = make(DestinationSettings("adm", "adm", "https://api.example.com"))
AT = datetime(2024, 4, 30, 12, tzinfo=UTC)


def grouping(orders: int) -> fulfillments.Grouping:
    """A parcel for each of so many orders, from 1 on."""
    numbers = range(1, orders + 1)
    rows = fulfillments.Rows(
        order_id=pa.array([str(number) for number in numbers], pa.string()),
        tracking_number=pa.array([f"TRACK{number}" for number in numbers], pa.string()),
        sku=pa.array(["A"] * orders, pa.string()),
        quantity=np.ones(orders, dtype=np.int32),
        bad=np.zeros(orders, dtype=bool),
        manifest=np.zeros(orders, dtype=np.int32),
    )
    return fulfillments.group(rows, fulfillments.Options())


def intent(parcel: Fulfillment, run_id: str) -> Intent:
    orders = tuple(part.order_id for part in parcel.parts)
    return Intent(ADM.identity, orders, parcel.tracking_number, ADM.content(parcel), run_id)


def test_what_the_ledger_has_of_this_run_is_as_it_has_it_and_the_rest_was_never_begun(tmp_path: Path) -> None:
    parcels = grouping(4)
    first, second, third, _ = parcels.each(parcels.ready)
    outcomes = Outcomes(4, Status.NOT_SENT)
    with Ledger(tmp_path / "ledger.db", now=lambda: AT) as ledger:
        for parcel, run_id in ((first, "this"), (second, "this"), (third, "another")):
            ledger.intend(intent(parcel, run_id)).result()
        ledger.record(intent(first, "this"), Outcome(Status.CREATED, at=AT)).result()

        unheard_of = np.array([True, True, True, True])
        begun = delivery.doubt(parcels, unheard_of, ledger, ADM, outcomes, "this")

    assert begun.tolist() == [True, True, False, False]
    assert [STATUSES[number] for number in outcomes.status] == [
        "created",
        "in-doubt",
        "not-sent",
        "not-sent",
    ]
    assert outcomes.stories == [
        ("outcome-unknown", "it may have been sent, and what came of it could not be recorded")
    ]


def beside(ledger: Ledger, parcels: fulfillments.Grouping) -> None:
    """Another run is sending the first, has created the second, and left the third in doubt."""
    first, second, third, _ = parcels.each(parcels.ready)
    for parcel in (first, second, third):
        ledger.intend(intent(parcel, "another")).result()
    ledger.record(intent(second, "another"), Outcome(Status.CREATED, at=AT)).result()
    ledger.record(intent(third, "another"), Outcome(Status.IN_DOUBT, "x", "no reply", at=AT)).result()


def test_what_another_run_is_sending_is_left_for_later_and_what_it_has_ended_is_known(tmp_path: Path) -> None:
    parcels = grouping(4)
    outcomes = Outcomes(4, Status.NOT_SENT)
    with Ledger(tmp_path / "ledger.db", now=lambda: AT) as ledger:
        beside(ledger, parcels)
        earlier = delivery.look_up(parcels, ledger, ADM, outcomes, accept_doubt=False, posting=True)

    assert earlier.send.tolist() == [True, False, False, True]
    assert [STATUSES[number] for number in outcomes.status] == ["not-sent", "skipped", "in-doubt", "not-sent"]


def test_a_run_that_stopped_tells_what_others_came_to_an_end_with(tmp_path: Path) -> None:
    parcels = grouping(4)
    outcomes = Outcomes(4, Status.NOT_SENT)
    with Ledger(tmp_path / "ledger.db", now=lambda: AT) as ledger:
        beside(ledger, parcels)
        left = np.array([True, True, True, True])
        done = delivery.done_by_others(parcels, left, ledger, ADM, outcomes)

    assert done.tolist() == [False, True, True, False]
    assert [STATUSES[number] for number in outcomes.status] == ["not-sent", "skipped", "in-doubt", "not-sent"]


def test_a_run_beside_others_begins_elsewhere_and_leaves_out_no_order() -> None:
    parcels = grouping(4)

    def numbers(begin: float) -> list[str]:
        return [queue[0].tracking_number for queue in parcels.by_order(parcels.ready, begin)]

    assert numbers(0.0) == ["TRACK1", "TRACK2", "TRACK3", "TRACK4"]
    assert numbers(0.6) == ["TRACK3", "TRACK4", "TRACK1", "TRACK2"]
    assert list(parcels.by_order(np.zeros(4, dtype=bool), 0.6)) == []

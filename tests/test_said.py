"""What rows say of their parcel besides its lines, and where they disagree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from importer.findings import name_of
from importer.fulfillments import Grouping, Options, Rows, group
from importer.model import MAIL_ALONE, Fulfillment, LineItem, OrderPart

ORDERS = st.sampled_from(["1", "2"])
WORDS = st.sampled_from(["", "a", "b"])


def grouped(*rows: dict[str, str], notify: bool = False, bad: tuple[int, ...] = ()) -> Grouping:
    """The grouping of rows that are ``{"order": …, "number": …}`` and canonical columns."""

    def column(name: str, default: str = "") -> Any:  # noqa: ANN401 - pyarrow has no types
        return pa.array([row.get(name, default) for row in rows], pa.string())

    taken = {name for row in rows for name in row} - {"order", "number", "sku", "quantity"}
    faulty = np.zeros(len(rows), dtype=bool)
    faulty[list(bad)] = True
    return group(
        Rows(
            order_id=column("order", "1"),
            tracking_number=column("number", "T1"),
            sku=column("sku"),
            quantity=np.array([int(row.get("quantity", "0")) for row in rows], dtype=np.int32),
            bad=faulty,
            manifest=np.zeros(len(rows), dtype=np.int32),
            taken={name: column(name) for name in taken},
        ),
        Options(notify=notify),
    )


def made(grouping: Grouping) -> list[Fulfillment]:
    return list(grouping.each(grouping.ready))


def faults(grouping: Grouping) -> list[tuple[int, str, int]]:
    found = grouping.findings
    codes = map(name_of, found.codes.tolist())
    return list(zip(found.rows.tolist(), codes, found.details.tolist(), strict=True))


def test_a_parcel_has_the_carrier_that_any_of_its_rows_names() -> None:
    carrier = {"tracking_company": "UPS", "tracking_company_code": "ups", "tracking_url": "https://u.ps/1"}
    grouping = grouped(
        {"sku": "A", "quantity": "1"}, {**carrier, "sku": "B", "quantity": "2"}, {"number": "T2"}
    )

    assert made(grouping) == [
        Fulfillment(
            0,
            "T1",
            (OrderPart("1", (LineItem("A", 1), LineItem("B", 2))),),
            tracking_company="UPS",
            tracking_company_code="ups",
            tracking_url="https://u.ps/1",
        ),
        Fulfillment(1, "T2", (OrderPart("1", ()),)),
    ]


def test_a_row_without_sku_or_quantity_makes_a_fulfillment_without_lines() -> None:
    grouping = grouped({"sku": "A"}, {"number": "T2", "quantity": "3"}, {"number": "T3"})

    assert [parcel.parts for parcel in made(grouping)] == [(OrderPart("1", ()),)] * 3


def test_where_there_is_no_tracking_number_the_mail_is_all_that_is_wanted() -> None:
    (parcel,) = made(grouped({"number": "f-1", "fulfillment_id": "f-1", MAIL_ALONE: "yes"}, notify=True))

    assert parcel == Fulfillment(0, "", (OrderPart("1", ()),), fulfillment_id="f-1", notify=True)
    assert (parcel.key, parcel.name) == ("f-1", "1/f-1")


def test_rows_of_one_parcel_that_name_two_carriers_are_faulty() -> None:
    grouping = grouped(
        {"tracking_company": "UPS"},
        {"tracking_company": "ups"},
        {"tracking_company": ""},
        {"tracking_company": "DHL"},
        {"order": "2", "tracking_company": "DHL"},
    )

    conflicts = [(0, 3), (1, 3), (3, 0)]
    assert faults(grouping) == [(row, "carrier-conflict", other) for row, other in conflicts]
    assert [parcel.name for parcel in made(grouping)] == ["2/T1"]


def test_two_tracking_numbers_for_one_fulfillment_are_faults() -> None:
    grouping = grouped(
        {"number": "T1", "fulfillment_id": "f-1"},
        {"number": "T2", "fulfillment_id": "f-1"},
        {"number": "T3", "fulfillment_id": "f-2"},
        {"order": "2", "number": "T4", "fulfillment_id": "f-1"},
    )

    conflicts = [(0, 1), (1, 0)]
    assert faults(grouping) == [(row, "tracking-number-conflict", other) for row, other in conflicts]
    assert [parcel.name for parcel in made(grouping)] == ["1/T3", "2/T4"]


def test_two_fulfillments_for_one_tracking_number_of_an_order_are_faults() -> None:
    grouping = grouped({"fulfillment_id": "f-1"}, {}, {"fulfillment_id": "f-2"})

    conflicts = [(0, 2), (2, 0)]
    assert faults(grouping) == [(row, "fulfillment-id-conflict", other) for row, other in conflicts]
    assert made(grouping) == []


def test_what_a_faulty_row_says_disagrees_with_nobody() -> None:
    grouping = grouped({"fulfillment_id": "f-1"}, {"number": "T2", "fulfillment_id": "f-1"}, bad=(0,))

    assert faults(grouping) == []


def test_the_customer_is_mailed_if_a_row_says_so_and_none_says_no() -> None:
    def mailed(*cells: str, notify: bool) -> bool:
        (parcel,) = made(grouped(*({"notify": cell} for cell in cells), notify=notify))
        return parcel.notify

    assert [mailed(cell, notify=False) for cell in ("", "yes", "Y", "TRUE", "1", "no", "0")] == [
        False,
        True,
        True,
        True,
        True,
        False,
        False,
    ]
    assert [mailed(cell, notify=True) for cell in ("", "yes", "No", "false")] == [True, True, False, False]
    assert not mailed("yes", "no", "yes", notify=True)
    assert mailed("", "yes", notify=False)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "order": ORDERS,
                "number": st.sampled_from(["T1", "T2"]),
                "tracking_company": WORDS,
                "fulfillment_id": st.sampled_from(["", "f", "g"]),
                "notify": st.sampled_from(["", "yes", "no"]),
            }
        ),
        max_size=8,
    )
)
def test_nothing_is_said_of_a_fulfillment_that_a_row_of_it_says_otherwise(rows: list[dict[str, str]]) -> None:
    grouping = grouped(*rows)

    for parcel in made(grouping):
        mine = [
            row for row in rows if (row["order"], row["number"]) == (parcel.parts[0].order_id, parcel.key)
        ]
        for name in ("tracking_company", "fulfillment_id"):
            assert {row[name] for row in mine} - {""} == {getattr(parcel, name)} - {""}
        words = {row["notify"] for row in mine}
        assert parcel.notify == ("yes" in words and "no" not in words)
    fulfillments = [
        (parcel.parts[0].order_id, parcel.fulfillment_id)
        for parcel in made(grouping)
        if parcel.fulfillment_id
    ]
    assert len(fulfillments) == len(set(fulfillments))

"""Grouping: by example, and compared with a model that is slow and obvious."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from importer.findings import NOTHING_MORE, Findings, Mentions, name_of
from importer.fulfillments import NOBODY, SCOPES, Grouped, Grouping, Options, Rows, Scope, group
from importer.model import Duplicates, Fulfillment, LineItem, OrderPart
from schemas.manifest import MAX_QUANTITY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence


class Row(Struct, frozen=True):
    """A checked row; ``order`` or ``number`` is None where unknown, and then it is bad.

    ``cells`` are those of a row whose cells can't be told apart; it knows neither.
    """

    order: str | None = "1"
    number: str | None = "A"
    sku: str = "x"
    quantity: int = 1
    bad: bool = False
    manifest: int = 0
    cells: tuple[str, ...] = ()

    @property
    def line(self) -> tuple[str | None, str | None, str]:
        return self.order, self.number, self.sku

    @property
    def twin(self) -> tuple[object, ...]:
        """What the same row has in common with it."""
        return *self.line, self.quantity


Note = tuple[int, str, int]
"""Row, code, and the row or the sum that it speaks of."""

SUM, DROP, ERROR = Duplicates


def columns(rows: Sequence[Row], cuts: Iterable[int] | None = None) -> Rows:
    """The rows as columns, in one piece or in pieces that end at ``cuts``."""

    def text(cells: list[str | None]) -> Any:  # noqa: ANN401 - Array or ChunkedArray, as pyarrow has no types
        if cuts is None:
            return pa.array(cells, pa.string())
        places = [0, *sorted(cuts), len(cells)]
        pieces = [cells[start:stop] for start, stop in pairwise(places)]
        return pa.chunked_array([pa.array(piece, pa.string()) for piece in pieces], pa.string())

    cells = [(at, cell) for at, row in enumerate(rows) for cell in row.cells]
    mentions = Mentions(
        np.array([at for at, _ in cells], dtype=np.int64), pa.array([cell for _, cell in cells], pa.string())
    )
    return Rows(
        orders=mentions,
        numbers=mentions,
        order_id=text([row.order for row in rows]),
        tracking_number=text([row.number for row in rows]),
        sku=text([row.sku for row in rows]),
        quantity=np.array([row.quantity for row in rows], dtype=np.int32),
        bad=np.array([row.bad for row in rows], dtype=bool),
        manifest=np.array([row.manifest for row in rows], dtype=np.int16),
    )


def grouped(*rows: Row, **options: Any) -> Grouped:  # noqa: ANN401 - the fields of Options
    return group(columns(rows), Options(**options))


def named(*names: str) -> list[Row]:
    """Rows that differ in order and tracking number, of one character each."""
    return [Row(name[0], name[1]) for name in names]


def notes(findings: Findings) -> list[Note]:
    codes = [name_of(code) for code in findings.codes.tolist()]
    return [*zip(findings.rows.tolist(), codes, findings.details.tolist(), strict=True)]


def parcels(some: Iterable[Fulfillment]) -> dict[str, list[tuple[str, int]]]:
    """The line items by the name of the fulfillment, those of its orders one after the other."""
    return {
        parcel.name: [(item.sku, item.quantity) for part in parcel.parts for item in part.lines]
        for parcel in some
    }


def posted(grouping: Grouping) -> dict[str, list[tuple[str, int]]]:
    return parcels(grouping.each(grouping.ready))


def queues(grouping: Grouping) -> list[list[str]]:
    return [[parcel.name for parcel in queue] for queue in grouping.by_order(grouping.ready)]


def held(grouping: Grouping) -> dict[str, tuple[int, Scope]]:
    """The row that holds a fulfillment and why, by the fulfillment's name."""
    reasons = zip(
        grouping.names().to_pylist(), grouping.held_by.tolist(), grouping.scope.tolist(), strict=True
    )
    return {name: (row, SCOPES[scope]) for name, row, scope in reasons if row != NOBODY}


def test_there_is_one_fulfillment_per_tracking_number_of_an_order() -> None:
    grouping = grouped(
        Row("1", "A", "x", 2),
        Row("2", "B", "x"),
        Row("1", "C", "y"),
        Row("1", "A", "y", 3),
        Row("1", "A", "x", 5),
    )
    assert [*grouping.each(grouping.ready)] == [
        Fulfillment(0, "A", (OrderPart("1", (LineItem("x", 7), LineItem("y", 3))),)),
        Fulfillment(1, "B", (OrderPart("2", (LineItem("x", 1),)),)),
        Fulfillment(2, "C", (OrderPart("1", (LineItem("y", 1),)),)),
    ]
    assert grouping.of_row.tolist() == [0, 1, 2, 0, 0]
    assert grouping.names().to_pylist() == ["1/A", "2/B", "1/C"]
    assert (notes(grouping.findings), notes(grouping.warnings)) == ([], [])


def test_the_fulfillments_of_an_order_follow_each_other_in_one_list_in_manifest_order() -> None:
    rows = named("1A", "2B", "1C", "3D", "2E", "1F")
    assert queues(grouped(*rows)) == [["1/A", "1/C", "1/F"], ["2/B", "2/E"], ["3/D"]]


def test_only_what_is_chosen_is_made() -> None:
    grouping = grouped(*named("1A", "2B", "1C"))
    chosen = np.array([False, True, True])
    assert [*parcels(grouping.each(chosen))] == ["2/B", "1/C"]
    assert [[parcel.index for parcel in queue] for queue in grouping.by_order(chosen)] == [[2], [1]]


def test_a_bad_row_holds_its_parcel_and_no_other() -> None:
    grouping = grouped(
        Row("1", "A"), Row("1", "B", "x"), Row("1", "B", "y", bad=True), Row("2", "A", bad=True)
    )
    assert posted(grouping) == {"1/A": [("x", 1)]}
    assert held(grouping) == {"1/B": (2, Scope.PARCEL), "2/A": (3, Scope.PARCEL)}
    assert grouping.filled.tolist() == [True, True, False]


def test_a_row_without_tracking_number_holds_every_fulfillment_of_its_order() -> None:
    grouping = grouped(Row("1", "A"), Row("2", "B"), Row("1", None, bad=True), Row("1", "C"))
    assert posted(grouping) == {"2/B": [("x", 1)]}
    assert held(grouping) == {"1/A": (2, Scope.ORDER), "1/C": (2, Scope.ORDER)}
    assert grouping.of_row.tolist() == [0, 1, NOBODY, 2]


def test_a_row_without_order_holds_every_fulfillment_with_its_tracking_number() -> None:
    grouping = grouped(Row("1", "A"), Row("2", "A"), Row("1", "B"), Row(None, "A", bad=True))
    assert posted(grouping) == {"1/B": [("x", 1)]}
    assert held(grouping) == {"1/A": (3, Scope.NUMBER), "2/A": (3, Scope.NUMBER)}


def test_a_row_without_order_and_tracking_number_holds_nothing() -> None:
    grouping = grouped(Row(None, None, bad=True), Row("1", "A"))
    assert posted(grouping) == {"1/A": [("x", 1)]}
    assert held(grouping) == {}


def torn(*cells: str) -> Row:
    """A row whose cells can't be told apart."""
    return Row(None, None, bad=True, cells=cells)


def test_a_row_whose_cells_cannot_be_told_apart_holds_all_orders_and_tracking_numbers_in_it() -> None:
    grouping = grouped(
        Row("1", "A"),
        torn("Smith", " John", "1", "x", "5", "B"),
        Row("2", "B"),
        Row("3", "C"),
        torn("1", "C"),
    )
    assert posted(grouping) == {}
    assert held(grouping) == {
        "1/A": (1, Scope.ORDER),
        "2/B": (1, Scope.NUMBER),
        "3/C": (4, Scope.NUMBER),
    }
    assert grouping.of_row.tolist() == [0, NOBODY, 1, 2, NOBODY]


def test_a_row_whose_cells_cannot_be_told_apart_holds_nothing_that_it_does_not_name() -> None:
    grouping = grouped(torn("10", "AB"), Row("1", "A"), torn())
    assert posted(grouping) == {"1/A": [("x", 1)]}
    assert held(grouping) == {}


def test_with_partial_only_a_fulfillment_with_a_faulty_row_of_its_own_is_partial() -> None:
    rows = (
        Row("1", "A"),
        Row("1", "A", "y", bad=True),
        Row("2", "B"),
        Row("2", None, bad=True),
        Row("3", "C"),
        Row(None, "C", bad=True),
        Row("4", "D"),
        torn("4", "D"),
    )
    grouping = grouped(*rows, partial=True)
    assert {parcel.name: parcel.partial for parcel in grouping.each(grouping.ready)} == {
        "1/A": True,
        "2/B": False,
        "3/C": False,
        "4/D": False,
    }


def test_the_first_bad_row_of_the_parcel_itself_is_named_before_others() -> None:
    unnumbered, bad = Row("1", None, bad=True), Row("1", "A", bad=True)
    assert held(grouped(unnumbered, torn("1", "A"), Row("1", "A"), bad, bad)) == {"1/A": (3, Scope.PARCEL)}


def test_with_partial_nothing_is_held_and_a_parcel_without_a_good_row_is_not_made() -> None:
    rows = (
        Row("1", "A", "x"),
        Row("1", "A", "y", bad=True),
        Row("1", None, bad=True),
        Row("2", "B", bad=True),
    )
    grouping = grouped(*rows, partial=True)
    assert posted(grouping) == {"1/A": [("x", 1)]}
    assert held(grouping) == {}
    assert grouping.filled.tolist() == [True, False]


@pytest.mark.parametrize("partial", [False, True])
def test_with_all_or_nothing_one_bad_row_holds_everything(*, partial: bool) -> None:
    grouping = grouped(Row("1", "A"), Row(None, None, bad=True), all_or_nothing=True, partial=partial)
    assert posted(grouping) == {}
    assert held(grouping) == {"1/A": (1, Scope.BATCH)}


def test_with_all_or_nothing_good_rows_are_all_posted() -> None:
    assert posted(grouped(Row("1", "A"), Row("2", "B"), all_or_nothing=True)) == {
        "1/A": [("x", 1)],
        "2/B": [("x", 1)],
    }


@pytest.mark.parametrize(
    ("duplicates", "made", "findings", "warnings"),
    [
        (SUM, {"1/A": [("x", 9), ("y", 2)]}, [], [(2, "duplicate-row", 0), (4, "duplicate-row", 0)]),
        (DROP, {"1/A": [("x", 5), ("y", 2)]}, [], [(2, "duplicate-row", 0), (4, "duplicate-row", 0)]),
        (ERROR, {}, [(2, "duplicate-row", 0), (4, "duplicate-row", 0)], []),
    ],
)
def test_the_same_row_twice_in_a_parcel_is_summed_dropped_or_an_error(
    duplicates: Duplicates, made: object, findings: list[Note], warnings: list[Note]
) -> None:
    again = Row("1", "A", "x", 2)
    rows = (again, Row("1", "A", "y", 2), again, Row("1", "A", "x", 3), again)
    grouping = grouped(*rows, duplicates=duplicates)
    assert posted(grouping) == made
    assert notes(grouping.findings) == findings
    assert notes(grouping.warnings) == warnings
    assert grouping.bad.tolist() == [at in {row for row, _, _ in findings} for at in range(5)]


@pytest.mark.parametrize("skus", [1, 2, 16, 17, 100])
def test_rows_of_a_sku_are_one_line_item_however_far_apart_they_stand(skus: int) -> None:
    names = [f"sku-{at}" for at in range(skus)]
    rows = [Row("1", "A", name, quantity) for quantity in (1, 2) for name in names]
    grouping = grouped(*rows, Row("2", "B", "sku-0"))
    assert posted(grouping) == {"1/A": [(name, 3) for name in names], "2/B": [("sku-0", 1)]}


@pytest.mark.parametrize("duplicates", Duplicates)
def test_a_row_that_an_earlier_manifest_has_too_counts_once(duplicates: Duplicates) -> None:
    first, second = Row(manifest=0), Row(manifest=1)
    other = Row("2", "B", manifest=1)
    grouping = grouped(first, other, second, replace(second, manifest=2), duplicates=duplicates)
    assert posted(grouping) == {"1/A": [("x", 1)], "2/B": [("x", 1)]}
    assert notes(grouping.findings) == []
    assert notes(grouping.warnings) == [(2, "duplicate-row", 0), (3, "duplicate-row", 0)]
    assert grouping.repeats.tolist() == [False, False, True, True]


def test_a_row_that_a_later_manifest_has_more_often_counts_as_often_as_there() -> None:
    first, second = Row(quantity=2, manifest=0), Row(quantity=2, manifest=1)
    grouping = grouped(first, first, second, second, second)
    assert posted(grouping) == {"1/A": [("x", 6)]}
    assert notes(grouping.warnings) == [
        (1, "duplicate-row", 0),
        (2, "duplicate-row", 0),
        (3, "duplicate-row", 1),
        (4, "duplicate-row", 2),
    ]
    assert grouping.repeats.tolist() == [False, False, True, True, False]


def test_a_row_twice_in_one_manifest_is_an_error_there_even_if_an_earlier_manifest_has_it() -> None:
    first, second = Row(manifest=0), Row(manifest=1)
    grouping = grouped(first, second, second, duplicates=ERROR, partial=True)
    assert posted(grouping) == {"1/A": [("x", 1)]}
    assert notes(grouping.findings) == [(2, "duplicate-row", 1)]
    assert notes(grouping.warnings) == [(1, "duplicate-row", 0)]


def test_such_a_row_is_said_to_be_wrong_and_not_warned_about_as_well() -> None:
    first, second = Row(manifest=0), Row(manifest=1)
    grouping = grouped(first, first, second, second, duplicates=ERROR)
    assert notes(grouping.findings) == [(1, "duplicate-row", 0), (3, "duplicate-row", 2)]
    assert notes(grouping.warnings) == [(2, "duplicate-row", 0)]


def test_a_sum_over_the_limit_is_a_fault_of_every_row_in_it() -> None:
    rows = (
        Row(quantity=MAX_QUANTITY),
        Row(sku="y"),
        Row(quantity=2),
        Row(quantity=1, bad=True),
        Row("2", "B"),
    )
    grouping = grouped(*rows, partial=True)
    assert posted(grouping) == {"1/A": [("y", 1)], "2/B": [("x", 1)]}
    assert notes(grouping.findings) == [
        (0, "quantity-too-large", MAX_QUANTITY + 2),
        (2, "quantity-too-large", MAX_QUANTITY + 2),
    ]
    assert grouping.bad.tolist() == [True, False, True, True, False]
    assert held(grouped(*rows)) == {"1/A": (0, Scope.PARCEL)}


def test_a_sum_of_exactly_the_limit_is_posted() -> None:
    rows = (Row(quantity=MAX_QUANTITY - 1), Row(quantity=1))
    assert posted(grouped(*rows)) == {"1/A": [("x", MAX_QUANTITY)]}


def test_a_row_that_repeats_one_of_a_sum_over_the_limit_is_not_taken_for_posted() -> None:
    rows = [Row(quantity=600_000), Row(quantity=700_000), Row(quantity=700_000, manifest=1), Row(sku="y")]
    grouping = grouped(*rows[:3], replace(rows[3], manifest=1), partial=True)
    assert posted(grouping) == {"1/A": [("y", 1)]}
    assert grouping.bad.tolist() == [True, True, True, False]
    assert notes(grouping.findings) == [(at, "quantity-too-large", 1_300_000) for at in range(3)]


def test_a_tracking_number_on_several_orders_makes_one_fulfillment_for_each_and_warns() -> None:
    grouping = grouped(Row("1", "A"), Row("1", "B"), Row("2", "A"), Row("3", "A", bad=True))
    assert posted(grouping) == {"1/A": [("x", 1)], "1/B": [("x", 1)], "2/A": [("x", 1)]}
    assert notes(grouping.warnings) == [
        (0, "tracking-number-on-several-orders", NOTHING_MORE),
        (2, "tracking-number-on-several-orders", NOTHING_MORE),
    ]


def test_several_orders_in_a_parcel_are_one_fulfillment_where_the_destination_takes_it() -> None:
    grouping = grouped(
        Row("1", "A"), Row("2", "B"), Row("2", "A", "y", 2), Row("1", "A"), several_orders=True
    )
    assert [*grouping.each(grouping.ready)] == [
        Fulfillment(0, "A", (OrderPart("1", (LineItem("x", 2),)), OrderPart("2", (LineItem("y", 2),)))),
        Fulfillment(1, "B", (OrderPart("2", (LineItem("x", 1),)),)),
    ]
    assert grouping.of_row.tolist() == [0, 1, 0, 0]
    assert grouping.names().to_pylist() == ["1+2/A", "2/B"]
    assert notes(grouping.warnings) == [(3, "duplicate-row", 0)]


def test_orders_that_share_parcels_are_posted_one_after_the_other() -> None:
    rows = named("1A", "2B", "3C", "4D", "3B", "4E", "2F", "5G", "1G")
    grouping = grouped(*rows, several_orders=True)
    assert queues(grouping) == [["1/A", "5+1/G"], ["2+3/B", "3/C", "2/F"], ["4/D", "4/E"]]


def test_a_long_chain_of_shared_parcels_is_one_list() -> None:
    rows = [Row(str(at // 2), str((at + 1) // 2)) for at in range(2_000)]
    grouping = grouped(*reversed(rows), several_orders=True)
    assert [len(queue) for queue in queues(grouping)] == [len(grouping)] == [1_001]


def test_an_order_without_a_good_row_is_no_part_of_a_shared_parcel_that_is_posted() -> None:
    rows = (Row("1", "A", bad=True), Row("2", "A"), Row("3", "A"), Row("1", "B", bad=True))
    grouping = grouped(*rows, several_orders=True, partial=True)
    assert posted(grouping) == {"2+3/A": [("x", 1), ("x", 1)]}
    assert grouping.names().to_pylist() == ["2+3/A", "1/B"]
    assert np.diff(grouping.parts_start).tolist() == [2, 1]


def test_every_fulfillment_is_made_once_however_many_there_are() -> None:
    rows = [Row(str(at % 3_000), str(at)) for at in range(10_000)]
    grouping = grouped(*rows)
    assert [parcel.index for parcel in grouping.each(grouping.ready)] == [*range(10_000)]
    lists = [[parcel.index for parcel in queue] for queue in grouping.by_order(grouping.ready)]
    assert lists == [[*range(order, 10_000, 3_000)] for order in range(3_000)]


class Counting:
    """An array that counts what is taken from it."""

    def __init__(self, array: pa.Array[Any]) -> None:
        self.array = array
        self.taken = 0

    def take(self, places: pa.Array[Any]) -> pa.Array[Any]:
        self.taken += len(places)
        return self.array.take(places)


def test_fulfillments_are_made_as_they_are_asked_for() -> None:
    grouping = grouped(*(Row(str(at), "A") for at in range(50_000)))
    skus = Counting(grouping.skus)
    lists = replace(grouping, skus=skus).by_order(grouping.ready)
    assert skus.taken == 0
    assert [parcel.name for parcel in next(lists)] == ["0/A"]
    assert 0 < skus.taken < 10_000


@pytest.mark.parametrize("several_orders", [False, True])
@pytest.mark.parametrize("cuts", [None, (), (0,), (0, 0, 0)])
def test_no_rows_make_no_fulfillments(cuts: Collection[int] | None, *, several_orders: bool) -> None:
    rows = columns([], cuts)
    if cuts == ():
        nothing = pa.chunked_array([], pa.string())
        rows = replace(rows, order_id=nothing, tracking_number=nothing, sku=nothing)
    for duplicates in Duplicates:
        options = Options(several_orders=several_orders, all_or_nothing=True, duplicates=duplicates)
        grouping = group(rows, options)
        assert len(grouping) == 0
        assert (posted(grouping), queues(grouping), grouping.names().to_pylist()) == ({}, [], [])
        assert (len(grouping.of_row), len(grouping.bad), len(grouping.ready)) == (0, 0, 0)
        assert (notes(grouping.findings), notes(grouping.warnings)) == ([], [])


class Model:
    """What must come of the rows: every definition as it is said, with a look at all rows each time."""

    def __init__(self, rows: Sequence[Row], options: Options) -> None:
        self.rows = rows
        self.options = options
        places = range(len(rows))
        self.own = [self._repeated(at) for at in places]
        self.earlier = [self._overlapped(at) for at in places]
        mistaken = [options.duplicates is ERROR and self.own[at] is not None for at in places]
        dropped = [options.duplicates is DROP and self.own[at] is not None for at in places]
        good = [not rows[at].bad and not mistaken[at] for at in places]
        counted = [good[at] and not dropped[at] and self.earlier[at] is None for at in places]
        self.sums = [
            sum(rows[other].quantity for other in places if counted[other] and rows[other].line == row.line)
            for row in rows
        ]
        large = [good[at] and self.sums[at] > MAX_QUANTITY for at in places]
        self.mistaken, self.large = mistaken, large
        self.bad = [not good[at] or large[at] for at in places]
        self.counted = [counted[at] and not large[at] for at in places]
        self.repeats = [self.earlier[at] is not None and not mistaken[at] for at in places]

    def _twins_above(self, at: int) -> list[int]:
        """The good rows above it in its manifest that say the same."""
        row = self.rows[at]
        return [
            other
            for other, above in enumerate(self.rows[:at])
            if not above.bad and above.twin == row.twin and above.manifest == row.manifest
        ]

    def _repeated(self, at: int) -> int | None:
        """The first row of its manifest that says what it says again."""
        twins = self._twins_above(at)
        return twins[0] if twins and not self.rows[at].bad else None

    def _overlapped(self, at: int) -> int | None:
        """The row of an earlier manifest that has as many twins above it there as this one has here."""
        row = self.rows[at]
        for other, above in enumerate(self.rows[:at]):
            alike = above.twin == row.twin and len(self._twins_above(other)) == len(self._twins_above(at))
            if alike and above.manifest < row.manifest and not above.bad and not row.bad:
                return other
        return None

    def parcel(self, row: Row) -> object:
        """What tells the row's fulfillment from others; None if the row does not say."""
        if row.order is None or row.number is None:
            return None
        return row.number if self.options.several_orders else (row.order, row.number)

    def parcels(self) -> list[object]:
        return [*dict.fromkeys(self.parcel(row) for row in self.rows if self.parcel(row))]

    def of_row(self) -> list[int]:
        named = [self.parcel(row) for row in self.rows]
        return [self.parcels().index(parcel) if parcel else NOBODY for parcel in named]

    def fulfillment(self, parcel: object) -> Fulfillment:
        lines: dict[str | None, dict[str, int]] = {
            row.order: {} for row in self.rows if self.parcel(row) == parcel
        }
        number = next(row.number for row in self.rows if self.parcel(row) == parcel)
        for row, counted in zip(self.rows, self.counted, strict=True):
            if counted and self.parcel(row) == parcel:
                lines[row.order][row.sku] = lines[row.order].get(row.sku, 0) + row.quantity
        parts = [
            OrderPart(str(order), tuple(LineItem(sku, quantity) for sku, quantity in items.items()))
            for order, items in lines.items()
        ]
        filled = tuple(part for part in parts if part.lines)
        of_its_own = any(
            self.parcel(row) == parcel and bad for row, bad in zip(self.rows, self.bad, strict=True)
        )
        partial = self.options.partial and not self.options.all_or_nothing and of_its_own
        return Fulfillment(self.parcels().index(parcel), str(number), filled or tuple(parts), partial)

    def fulfillments(self) -> list[Fulfillment]:
        return [self.fulfillment(parcel) for parcel in self.parcels()]

    def filled(self) -> list[bool]:
        return [all(part.lines for part in parcel.parts) for parcel in self.fulfillments()]

    def hold(self, parcel: object) -> tuple[int, Scope] | None:
        """The row that holds the parcel, and why."""
        if (blame := self.blame(parcel)) and not self.options.partial:
            return blame
        if self.options.all_or_nothing and any(self.bad):
            return blame or (self.bad.index(True), Scope.BATCH)
        return None

    def blame(self, parcel: object) -> tuple[int, Scope] | None:
        """The first row that would hold the parcel by itself, and why."""
        orders = {row.order for row in self.rows if self.parcel(row) == parcel}
        numbers = {row.number for row in self.rows if self.parcel(row) == parcel}
        reasons: list[tuple[Scope, Callable[[Row], bool]]] = [
            (Scope.PARCEL, lambda row: self.parcel(row) == parcel),
            (
                Scope.ORDER,
                lambda row: bool(orders & {*row.cells}) or (row.number is None and row.order in orders),
            ),
            (
                Scope.NUMBER,
                lambda row: bool(numbers & {*row.cells}) or (row.order is None and row.number in numbers),
            ),
        ]
        for scope, guilty in reasons:
            for at, row in enumerate(self.rows):
                if self.bad[at] and guilty(row):
                    return at, scope
        return None

    def holds(self) -> dict[str, tuple[int, Scope]]:
        named = zip(self.fulfillments(), self.parcels(), strict=True)
        return {made.name: hold for made, parcel in named if (hold := self.hold(parcel))}

    def ready(self) -> list[Fulfillment]:
        made = zip(self.fulfillments(), self.parcels(), self.filled(), strict=True)
        return [parcel for parcel, key, filled in made if filled and not self.hold(key)]

    def queues(self) -> list[list[str]]:
        """Names of what is ready, together where fulfillments link their orders, by whatever way."""
        linked: list[set[str]] = []
        for parcel in self.fulfillments():
            orders = {part.order_id for part in parcel.parts}
            touched = [some for some in linked if some & orders]
            linked = [some for some in linked if some not in touched] + [orders.union(*touched)]
        ready = self.ready()
        lists = [[parcel for parcel in ready if parcel.parts[0].order_id in some] for some in linked]
        return sorted([parcel.name for parcel in parcels] for parcels in lists if parcels)

    def findings(self) -> list[Note]:
        found: list[Note] = []
        for at in range(len(self.rows)):
            twin = self.own[at]
            if self.mistaken[at] and twin is not None:
                found.append((at, "duplicate-row", twin))
            if self.large[at]:
                found.append((at, "quantity-too-large", self.sums[at]))
        return found

    def warnings(self) -> list[Note]:
        found: list[Note] = []
        for at, row in enumerate(self.rows):
            twin = self.own[at] if self.earlier[at] is None else self.earlier[at]
            if twin is not None and not self.mistaken[at]:
                found.append((at, "duplicate-row", twin))
            orders = {other.order for other in self.rows if self.parcel(other) and other.number == row.number}
            if len(orders) > 1 and not self.bad[at] and not self.options.several_orders:
                found.append((at, "tracking-number-on-several-orders", NOTHING_MORE))
        return found


# Few orders, numbers, SKUs and quantities, so that rows collide.
good_rows = st.builds(
    Row,
    order=st.sampled_from("123"),
    number=st.sampled_from("ABC"),
    sku=st.sampled_from("xy"),
    quantity=st.sampled_from((1, 1, 2, 400_000, MAX_QUANTITY)),
)
bad_rows = st.builds(
    Row,
    order=st.sampled_from(("1", "2", "3", None)),
    number=st.sampled_from(("A", "B", "C", None)),
    sku=st.sampled_from(("x", "")),
    quantity=st.just(0),
    bad=st.just(value=True),
)
torn_rows = st.lists(st.sampled_from("123ABCxy"), max_size=3).map(lambda cells: torn(*cells))
any_rows = st.one_of(good_rows, good_rows, good_rows, bad_rows, torn_rows)
manifests = st.lists(st.lists(any_rows, max_size=9), max_size=3)
all_options = st.builds(
    Options, st.booleans(), st.booleans(), st.sampled_from((False, False, True)), st.sampled_from(Duplicates)
)


def numbered(several: Sequence[Sequence[Row]]) -> list[Row]:
    return [replace(row, manifest=at) for at, rows in enumerate(several) for row in rows]


@given(manifests, all_options, st.data())
@settings(deadline=None, max_examples=400)
def test_grouping_does_what_the_model_does(
    several: list[list[Row]], options: Options, data: st.DataObject
) -> None:
    rows = numbered(several)
    cuts = data.draw(st.none() | st.lists(st.integers(0, len(rows)), max_size=3))
    grouping = group(columns(rows, cuts), options)
    model = Model(rows, options)
    assert grouping.of_row.tolist() == model.of_row()
    assert grouping.bad.tolist() == model.bad
    assert grouping.repeats.tolist() == model.repeats
    assert grouping.filled.tolist() == model.filled()
    assert grouping.names().to_pylist() == [parcel.name for parcel in model.fulfillments()]
    assert [*grouping.each(grouping.ready)] == model.ready()
    assert sorted(queues(grouping)) == model.queues()
    assert held(grouping) == model.holds()
    assert notes(grouping.findings) == model.findings()
    assert notes(grouping.warnings) == model.warnings()


@given(
    st.lists(any_rows, min_size=20, max_size=40),
    st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=3),
    all_options,
)
@settings(deadline=None)
def test_rows_in_order_but_for_a_few_are_grouped_as_the_model_does(
    rows: list[Row], moves: list[tuple[int, int]], options: Options
) -> None:
    rows = sorted(rows, key=lambda row: row.order or "")
    for origin, place in moves:
        rows.insert(place, rows.pop(origin))
    grouping = group(columns(rows), options)
    model = Model(rows, options)
    assert grouping.of_row.tolist() == model.of_row()
    assert [*grouping.each(grouping.ready)] == model.ready()
    assert notes(grouping.findings) == model.findings()
    assert notes(grouping.warnings) == model.warnings()


@given(manifests, all_options)
@settings(deadline=None)
def test_every_row_is_in_one_fulfillment_or_has_a_finding(several: list[list[Row]], options: Options) -> None:
    rows = numbered(several)
    grouping = group(columns(rows), options)
    found = {row for row, _, _ in notes(grouping.findings)} | {at for at, row in enumerate(rows) if row.bad}
    made = {parcel.index: parcel for parcel in grouping.each(grouping.filled)}
    for at, row in enumerate(rows):
        assert grouping.bad[at] == (at in found)
        if at not in found:
            parcel = made[int(grouping.of_row[at])]
            assert parcel.tracking_number == row.number
            items = [part.lines for part in parcel.parts if part.order_id == row.order]
            assert [[item.sku for item in lines].count(row.sku) for lines in items] == [1]


@given(manifests, all_options)
@settings(deadline=None)
def test_quantities_are_conserved(several: list[list[Row]], options: Options) -> None:
    rows = numbered(several)
    grouping = group(columns(rows), options)
    bad = dict(enumerate(grouping.bad.tolist()))
    copies: Counter[tuple[Row, int]] = Counter(
        (replace(row, manifest=0), row.manifest) for at, row in enumerate(rows) if not bad[at]
    )
    most: dict[Row, int] = {}  # how often the manifest that has the row most often has it
    for (row, _), count in copies.items():
        most[row] = max(most.get(row, 0), count if options.duplicates is SUM else 1)
    expected: Counter[tuple[str | None, str | None, str]] = Counter()
    for row, count in most.items():
        expected[row.line] += row.quantity * count
    shipped = {
        (part.order_id, parcel.tracking_number, item.sku): item.quantity
        for parcel in grouping.each(grouping.filled)
        for part in parcel.parts
        for item in part.lines
    }
    assert shipped == expected


@given(manifests, all_options)
@settings(deadline=None)
def test_a_fulfillment_names_each_order_and_sku_once_and_never_none(
    several: list[list[Row]], options: Options
) -> None:
    grouping = group(columns(numbered(several)), options)
    for parcel in grouping.each(grouping.filled):
        orders = [part.order_id for part in parcel.parts]
        assert orders == [*dict.fromkeys(orders)] != []
        for part in parcel.parts:
            skus = [item.sku for item in part.lines]
            assert skus == [*dict.fromkeys(skus)] != []
            assert all(1 <= item.quantity <= MAX_QUANTITY for item in part.lines)


@given(st.lists(good_rows, max_size=9), all_options)
@settings(deadline=None)
def test_the_same_manifest_again_in_one_run_adds_nothing(rows: list[Row], options: Options) -> None:
    once = group(columns(rows), options)
    twice = group(columns(numbered([rows, rows])), options)
    assert [*twice.each(twice.ready)] == [*once.each(once.ready)]
    assert twice.bad.tolist() == once.bad.tolist() * 2

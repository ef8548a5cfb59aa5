"""Grouping in files, compared with grouping in memory: the same must come of the same rows."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.errors import CannotGoOn
from importer.findings import Findings, Mentions, number_of
from importer.fulfillments import NOBODY, Options, Rows, group
from importer.fulfillments.partitions import Partitions
from importer.fulfillments.piecewise import group_piecewise
from importer.model import MAIL_ALONE, Duplicates
from importer.spilling import Room, buckets_of
from schemas.manifest import MAX_QUANTITY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from importer.fulfillments import Grouping

TAKES = ("tracking_company", "fulfillment_id", "notify", MAIL_ALONE)
NOTHING_SAID = ("", "", "", "")


class Row(NamedTuple):
    """A checked row; ``cells`` are what it mentions where its cells can't be told apart."""

    order: str | None
    number: str | None
    sku: str
    quantity: int
    bad: bool = False
    idle: bool = False
    manifest: int = 0
    said: tuple[str, str, str, str] = NOTHING_SAID
    cells: tuple[str, ...] = ()


ROW = Row("1", "A", "x", 1)


def columns(rows: Sequence[Row], start: int = 0) -> Rows:
    """The rows as columns; findings and mentions count from ``start``."""
    cells = [(start + at, cell) for at, row in enumerate(rows) for cell in row.cells]
    mentions = Mentions(
        np.array([at for at, _ in cells], dtype=np.int64), pa.array([cell for _, cell in cells], pa.string())
    )
    bad = np.array([row.bad for row in rows], dtype=bool)
    every = np.arange(start, start + len(rows))

    def text(values: list[str | None]) -> Any:  # noqa: ANN401 - pyarrow is untyped here
        return pa.chunked_array([pa.array(values, pa.string())])

    return Rows(
        order_id=text([row.order for row in rows]),
        tracking_number=text([row.number for row in rows]),
        sku=text([row.sku for row in rows]),
        quantity=np.array([row.quantity for row in rows], dtype=np.int32),
        bad=bad,
        manifest=np.array([row.manifest for row in rows], dtype=np.int64),
        orders=mentions,
        numbers=mentions,
        taken={name: text([row.said[at] for row in rows]) for at, name in enumerate(TAKES)},
        idle=np.array([row.idle for row in rows], dtype=bool),
        findings=Findings.of(start + np.flatnonzero(bad), "blank-sku", "sku"),
        warnings=Findings.of(every[every % 2 == 0], "tracking-check-digit", "tracking_number"),
    )


@contextmanager
def in_files(
    folder: Path, rows: Sequence[Row], options: Options, piece: int, held: int
) -> Iterator[Grouping]:
    """Grouped in files, with ``held`` rows in memory at a time; ``piece`` rows come at a time."""
    with Room(folder, held) as room:
        partitions = Partitions(room, 3, TAKES)
        for start in range(0, len(rows), piece):
            partitions.add(columns(rows[start : start + piece], start))
        yield group_piecewise(partitions, options)


def told(findings: Findings) -> list[list[int]]:
    return [each.tolist() for each in (findings.rows, findings.columns, findings.codes, findings.details)]


def seen(grouping: Grouping) -> dict[str, object]:
    """All that can be seen of a grouping."""
    ready = grouping.ready
    return {
        "fulfillments": len(grouping),
        "of_row": grouping.of_row.tolist(),
        "bad": grouping.bad.tolist(),
        "repeats": grouping.repeats.tolist(),
        "filled": grouping.filled.tolist(),
        "held_by": grouping.held_by.tolist(),
        "scope": grouping.scope[grouping.held_by != NOBODY].tolist(),
        "findings": told(grouping.findings),
        "warnings": told(grouping.warnings),
        "ready": ready.tolist(),
        "shares": grouping.shares.tolist(),
        "mails": grouping.mails(ready),
        "carriers": [*grouping.filled_carriers().items()],
        "names": grouping.names().cast(pa.string()).to_pylist(),
        "column": grouping.column(np.int32).tolist(),
        "queues": [*grouping.by_order(ready)],
        "all that are filled": [*grouping.by_order(grouping.filled)],
    }


said = st.tuples(
    st.sampled_from(("", "", "UPS", "ups", "FedEx")),
    st.sampled_from(("", "", "F1", "F2")),
    st.sampled_from(("", "yes", "no")),
    st.sampled_from(("", "", "", "yes")),
)
orders, numbers = st.sampled_from("1234567"), st.sampled_from(("A", "B", "C", "1Z5R89390357567127"))
good_rows = st.builds(
    Row,
    orders,
    numbers,
    st.sampled_from("xy"),
    st.sampled_from((0, 1, 1, 2, 400_000, MAX_QUANTITY)),
    st.just(value=False),
    st.just(value=False),
    st.integers(0, 2),
    st.one_of(st.just(NOTHING_SAID), st.just(NOTHING_SAID), said),
)
bad_rows = st.builds(
    Row,
    st.one_of(st.none(), orders),
    st.one_of(st.none(), numbers),
    st.sampled_from(("x", "")),
    st.just(0),
    st.just(value=True),
    st.sampled_from((False, False, True)),
    st.integers(0, 2),
    st.just(NOTHING_SAID),
)
torn_rows = st.lists(st.sampled_from("1234567ABC"), max_size=3).map(
    lambda cells: Row(None, None, "", 0, bad=True, cells=tuple(cells))
)
runs = st.lists(st.one_of(good_rows, good_rows, good_rows, bad_rows, torn_rows), max_size=25).map(
    lambda rows: sorted(rows, key=lambda row: row.manifest)
)
all_options = st.builds(
    Options,
    several_orders=st.booleans(),
    partial=st.booleans(),
    all_or_nothing=st.sampled_from((False, False, True)),
    duplicates=st.sampled_from(Duplicates),
    notify=st.booleans(),
    fill_carrier=st.booleans(),
)


@given(runs, all_options, st.integers(1, 30), st.integers(1, 30))
@settings(deadline=None, max_examples=100)
def test_grouping_in_files_comes_to_what_grouping_in_memory_does(
    rows: list[Row], options: Options, piece: int, held: int
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        in_files(Path(folder), rows, options, piece, held) as spilled,
    ):
        assert seen(spilled) == seen(group(columns(rows), options))


def test_what_is_not_chosen_is_not_made(tmp_path: Path) -> None:
    rows = [ROW._replace(order=str(at % 5), number=f"N{at}") for at in range(20)]
    chosen = np.arange(20) % 3 == 0
    with in_files(tmp_path, rows, Options(), 7, 4) as grouping:
        assert sorted(parcel.index for parcel in grouping.each(chosen)) == [*range(0, 20, 3)]


def test_a_run_beside_others_begins_elsewhere_and_leaves_nothing_out(tmp_path: Path) -> None:
    rows = [ROW._replace(order=str(at)) for at in range(20)]
    with in_files(tmp_path, rows, Options(), 7, 4) as grouping:
        lists = [[parcel.index for parcel in queue] for queue in grouping.by_order(grouping.ready, 0.5)]
    assert lists == [[at] for at in (*range(10, 20), *range(10))]


def test_a_number_on_orders_of_different_buckets_is_told_of_and_held_together(tmp_path: Path) -> None:
    rows = [ROW._replace(order=str(at)) for at in range(10)]
    rows.append(ROW._replace(order=None, bad=True))
    with in_files(tmp_path, rows, Options(), 3, 2) as grouping:
        shared = grouping.warnings.codes == number_of("tracking-number-on-several-orders")
        assert grouping.held_by.tolist() == [10] * 10
        assert grouping.warnings.rows[shared].tolist() == [*range(10)]


def test_orders_that_a_chain_of_parcels_links_are_one_list_however_the_chain_lies(tmp_path: Path) -> None:
    parcels = [(at * 7 % 60, number) for at in range(60) for number in (at * 7 % 60, at * 7 % 60 + 1)]
    rows = [ROW._replace(order=f"O{order}", number=f"N{number}") for order, number in parcels]
    with in_files(tmp_path, rows, Options(several_orders=True), 7, 10) as grouping:
        lists = [[parcel.index for parcel in queue] for queue in grouping.by_order(grouping.ready)]
        assert (lists, grouping.shares.tolist()) == (
            [[*range(61)]],
            group(columns(rows), Options(several_orders=True)).shares.tolist(),
        )


def test_texts_get_the_same_bucket_wherever_they_stand() -> None:
    texts = ["", "1", "11", "12345678", "123456789", "633130-00000012", "x" * 30, "y" * 30, "ü" * 13]
    alone = [int(buckets_of(pa.array([text], pa.string()), 1_000)[0]) for text in texts]
    together = buckets_of(pa.chunked_array([texts[:4], texts[4:]], pa.string()), 1_000).tolist()
    cut_out = buckets_of(pa.array(["before", *texts, "after"]).slice(1, len(texts)), 1_000).tolist()
    assert together == cut_out == alone


def test_many_numbers_are_spread_evenly() -> None:
    texts = pa.array(range(450_000_000, 450_100_000)).cast(pa.string())
    counts = np.bincount(buckets_of(texts, 100), minlength=100)
    assert (counts.min() > 500, counts.max() < 1_500) == (True, True)


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotGoOn) as error:
        Partitions(Room(tmp_path / "gone"), 3, TAKES)
    assert str(error.value) == (
        f"{tmp_path / 'gone'}: there is no room to keep the rows of manifests as large as these: "
        "No such file or directory; make room there, or name another folder with TMPDIR, and run the same "
        "command again"
    )

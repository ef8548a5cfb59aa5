"""All manifests of a run, read, checked and put together: what holds for one row of it holds for the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import openpyxl
import pytest
from msgspec import Struct

from importer import fulfillments, manifests, reading
from importer.errors import ManifestError
from importer.manifests import layouts
from importer.manifests.sources import Source
from importer.spilling import Room

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from importer.fulfillments import Grouping
    from importer.report import Page

HEADER = "ship_to,order_id,sku,quantity,tracking_number"
NEEDED = ("order_id", "sku", "quantity", "tracking_number")


def survey(folder: Path, name: str, text: str) -> manifests.Manifest:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return manifests.survey(Source(name, path), layouts.load(None), NEEDED, None)


def grouped(folder: Path, *texts: str) -> Grouping:
    return grouping_of([survey(folder, f"{at}.csv", f"{HEADER}\n{text}") for at, text in enumerate(texts)])


def grouping_of(surveyed: list[manifests.Manifest]) -> Grouping:
    read = reading.read_all(surveyed, "integer", strict_tracking=False, progress=lambda _rows: None)
    assert isinstance(read.rows, fulfillments.Rows)
    return fulfillments.group(read.rows, fulfillments.Options())


def ready(grouping: Grouping) -> list[str]:
    return [parcel.name for parcel in grouping.each(grouping.ready)]


def test_a_row_with_a_comma_too_many_holds_the_parcel_that_it_is_of(tmp_path: Path) -> None:
    text = "Smith,1001,A,2,TRACK10001\nSmith, John,1001,B,5,TRACK10001\nAdams,1002,A,1,TRACK10002\n"

    grouping = grouped(tmp_path, text)

    assert ready(grouping) == ["1002/TRACK10002"]
    assert grouping.held_by.tolist() == [1, fulfillments.NOBODY]
    assert grouping.bad.tolist() == [False, True, False]


def test_a_row_with_neither_order_nor_number_holds_the_parcel_of_the_row_above(tmp_path: Path) -> None:
    text = "x,1001,A,2,TRACK10001\nx,1002,A,1,TRACK10002\nx,,B,1,\nx,1003,A,1,TRACK10003\n"

    grouping = grouped(tmp_path, text, "x,,B,1,\nx,1004,A,1,TRACK10004\n")

    assert ready(grouping) == ["1001/TRACK10001", "1003/TRACK10003", "1004/TRACK10004"]


def test_cells_that_are_merged_downwards_in_a_workbook_hold_their_parcel(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in (
        ["order_id", "sku", "quantity", "tracking_number"],
        [1001, "A", 1, "TRACK10001"],
        ["", "B", 2],
    ):
        sheet.append(row)
    sheet.append([1002, "A", 1, "TRACK10002"])
    sheet.merge_cells("A2:A3")
    sheet.merge_cells("D2:D3")
    book.save(tmp_path / "day.xlsx")
    book.close()
    source = Source("day.xlsx", tmp_path / "day.xlsx")

    assert ready(grouping_of([manifests.survey(source, layouts.load(None), NEEDED, None)])) == [
        "1002/TRACK10002"
    ]


def test_how_many_rows_were_filled_down_and_which_names_are_doubtful_is_told(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text(
        'fill_down = ["order_id"]\n[columns]\nsku = ["Ware"]\n', encoding="utf-8"
    )
    text = "order_id,Ware,quantity,tracking_number\n1,A,1,TRACK10001\n,B,1,\n,C,1,\n"
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    layout = layouts.load(str(tmp_path / "ours.toml"))
    filled = manifests.survey(Source("a.csv", tmp_path / "a.csv"), layout, NEEDED, None)
    doubtful = survey(tmp_path, "b.csv", "PO Number,SKU,Qty Shipped,Tracking #\n1,A,1,TRACK10001\n")

    read = reading.read_all([filled, doubtful], "integer", strict_tracking=False, progress=lambda _rows: None)

    doubt = (
        "order_id is taken from 'PO Number', a doubtful name; rename it if it is not the platform's order id"
    )
    assert [each.notes for each in reading.describe([filled, doubtful], read)] == [
        ("2 rows are filled down from the rows above: order_id",),
        (doubt,),
    ]


def test_the_report_has_rows_as_they_were_read_and_reads_again_what_memory_has_no_room_for(
    tmp_path: Path,
) -> None:
    several = [survey(tmp_path, f"{at}.csv", f"{HEADER}\nx,100{at},A,1,TRACK10001\n") for at in (1, 2)]

    with Room(tmp_path, 2) as enough, Room(tmp_path, 1) as little:
        kept, files = (
            reading.read_all(
                several, "integer", strict_tracking=False, progress=lambda _rows: None, room=room
            )
            for room in (enough, little)
        )
        (tmp_path / "2.csv").unlink()

        assert [orders(page) for page in reading.pages(several, kept)] == [["1001"], ["1002"]]
        first, second = reading.pages(several, files)
        assert orders(first) == ["1001"]
        with pytest.raises(ManifestError, match=r"2\.csv: can't be read"):
            orders(second)


def orders(page: Page) -> list[str]:
    """The order ids of all rows of a page."""
    return [order for cells, _, _ in page.blocks() for order in cells[page.canonical["order_id"]].to_pylist()]


@pytest.mark.parametrize(
    "row",
    [
        "Smith, John,x,B,5,TRACK 10001",
        "Smith,01001.0",
        'Smith,"1001" or so,B,5,',
        '"Smith, John,1001,B,5,TRACK77777"',
        "Smith;1001;B;5;TRACK77777",
        "1001",
    ],
)
def test_a_row_that_is_torn_holds_parcels_of_all_manifests_of_the_run(tmp_path: Path, row: str) -> None:
    first, third = "Adams,1002,A,1,TRACK10002\n", "Smith,1001,A,2,TRACK10001\n"

    grouping = grouped(tmp_path, first, f"Ng,1003,A,1,TRACK10003\n{row}\n", third)

    assert ready(grouping) == ["1002/TRACK10002", "1003/TRACK10003"]
    assert grouping.held_by.tolist() == [fulfillments.NOBODY, fulfillments.NOBODY, 2]


def test_what_stands_where_a_torn_row_should_have_its_order_is_not_taken_for_it(tmp_path: Path) -> None:
    grouping = grouped(tmp_path, "Smith, 2002,1001,B,5,TRACK10001\n")

    assert (len(grouping), grouping.of_row.tolist()) == (0, [fulfillments.NOBODY])


def test_a_manifest_with_every_line_in_quotes_as_a_whole_is_told_so(tmp_path: Path) -> None:
    text = '"ship_to,order_id,""sku"",quantity,tracking_number"\n"Smith,1001,""A"",2,TRACK10001"\n'

    with pytest.raises(ManifestError) as error:
        survey(tmp_path, "day.csv", text)

    assert str(error.value) == (
        "day.csv, row 1: the header is one cell, 'ship_to,order_id,\"sku\",quantity,tracking_number': "
        "each line stands in quotes as a whole; "
        "take these quotes off, and make two quotes inside them one, or export the manifest again"
    )


class Read(Struct):
    """What has been read of one manifest."""

    found: Iterator[reading.Part]

    def partitions(self, *_: object) -> None:
        """All is in the parts."""

    def parts(self, *_: object) -> Iterator[Iterator[reading.Part]]:
        yield self.found


def test_stretches_that_were_read_alone_make_the_rows_of_the_whole(tmp_path: Path) -> None:
    lines = [
        *("x,,A,1,", "x,1001,A,2,TRACK10001", "x,,B,1,", '"a\nb",,C,1,', "x,1002,A,1,", "x,,B,1,", ",,,,"),
        *("Smith, John,1003,B,5,TRACK10003", "x,,A,1,", "x,1004,A,1,TRACK10004", "total,,,12,", "x,,A,1,"),
    ]
    manifest = survey(tmp_path, "day.csv", f"{HEADER}\n" + "".join(f"{line}\r\n" for line in lines))
    checks = reading.Checks("integer")

    def all_rows(size: int | None) -> dict[str, object]:
        spans = [None] if size is None else manifests.spans(manifest, size)
        parts = reading.put_together(reading.stretch_of(manifest, checks, span) for span in spans)
        read = reading.read_all(
            [manifest], "integer", strict_tracking=False, progress=lambda _rows: None, reader=Read(parts)
        )
        assert isinstance(read.rows, fulfillments.Rows)
        numbers = [number for position in read.positions for number in position.rows.tolist()]
        mentions = (read.rows.orders, read.rows.numbers)
        found = [[*zip(each.rows.tolist(), each.texts.to_pylist(), strict=True)] for each in mentions]
        held = fulfillments.group(read.rows, fulfillments.Options()).held_by.tolist()
        return {
            "numbers": numbers,
            "mentions": [sorted(each) for each in found],
            "held": held,
            "passed over": read.passed_over,
        }

    whole = all_rows(None)

    assert whole["held"] == [2, 9]
    assert [all_rows(size) for size in (1, 20, 60, 1000)] == [whole] * 4


@pytest.mark.parametrize(
    ("text", "splittable"),
    [
        (f"{HEADER}\nx,1001,A,2,TRACK10001\n", True),
        (f"{HEADER}\nGröße,1001,A,2,TRACK10001\n", False),
        (f"{HEADER},import_row\nx,1001,A,2,TRACK10001,2\n", False),
    ],
    ids=["UTF-8", "another encoding", "a report, whose rows may be of several manifests"],
)
def test_only_a_manifest_whose_rows_do_not_depend_on_others_is_parted(
    tmp_path: Path, text: str, *, splittable: bool
) -> None:
    path = tmp_path / "day.csv"
    path.write_text(text, encoding="cp1252")

    manifest = manifests.survey(Source("day.csv", path), layouts.load(None), NEEDED, None)

    assert manifest.is_splittable is splittable

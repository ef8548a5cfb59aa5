"""All manifests of a run, read, checked and put together: what holds for one row of it holds for the run."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from importer import fulfillments, manifests, reading
from importer.errors import ManifestError
from importer.manifests import layouts
from importer.manifests.sources import Source

if TYPE_CHECKING:
    from pathlib import Path

    from importer.fulfillments import Grouping

HEADER = "ship_to,order_id,sku,quantity,tracking_number"
NEEDED = ("order_id", "sku", "quantity", "tracking_number")


def survey(folder: Path, name: str, text: str) -> manifests.Manifest:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return manifests.survey(Source(name, path), layouts.load(None), NEEDED, None)


def grouped(folder: Path, *texts: str) -> Grouping:
    surveyed = [survey(folder, f"{at}.csv", f"{HEADER}\n{text}") for at, text in enumerate(texts)]
    read = reading.read_all(surveyed, "integer", strict_tracking=False, progress=lambda _rows: None)
    rows = fulfillments.Rows(**{each.name: getattr(read, each.name) for each in fields(fulfillments.Rows)})
    return fulfillments.group(rows, fulfillments.Options())


def ready(grouping: Grouping) -> list[str]:
    return [parcel.name for parcel in grouping.each(grouping.ready)]


def test_a_row_with_a_comma_too_many_holds_the_parcel_that_it_is_of(tmp_path: Path) -> None:
    text = "Smith,1001,A,2,TRACK10001\nSmith, John,1001,B,5,TRACK10001\nAdams,1002,A,1,TRACK10002\n"

    grouping = grouped(tmp_path, text)

    assert ready(grouping) == ["1002/TRACK10002"]
    assert grouping.held_by.tolist() == [1, fulfillments.NOBODY]
    assert grouping.bad.tolist() == [False, True, False]


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

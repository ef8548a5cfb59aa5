"""EDI files as manifests: their rows, and what damage does to them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer import manifests
from importer.errors import ManifestError
from importer.manifests import layouts
from importer.manifests.sources import Source
from tests import interchanges

if TYPE_CHECKING:
    from pathlib import Path

NEEDED = ("order_id", "sku", "quantity", "tracking_number")
ONE, TWO = "1Z999AA10300000019", "1Z999AA10300000046"
SOUND = interchanges.x12(
    "856",
    interchanges.notice("1001", ONE, ("A-1", 2), ("B-2", 14)),
    interchanges.notice("1002", TWO, ("C-3", 5)),
).encode()
COLUMNS = ("order_id", "sku", "quantity", "tracking_number", "edi_verdict", "edi_path")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("edi")


def surveyed(folder: Path, content: bytes) -> manifests.Manifest:
    path = folder / "m.edi"
    path.write_bytes(content)
    return manifests.survey(Source("m.edi", path), layouts.load(None), NEEDED, None)


def rows(manifest: manifests.Manifest) -> list[dict[str, str]]:
    found = []
    for block in manifests.blocks(manifest):
        for row, *cells in zip(block.rows.tolist(), *(cell.to_pylist() for cell in block.cells), strict=True):
            found.append({"row": row, **dict(zip(manifest.headers, cells, strict=True))})
    return found


def test_the_rows_are_those_of_any_manifest_and_know_their_segments(folder: Path) -> None:
    manifest = surveyed(folder, SOUND)

    place = "ISA 000000031 / ST 0001"
    found = [[str(row["row"]), *(row[name] for name in COLUMNS)] for row in rows(manifest)]
    assert found == [
        ["10", "1001", "A-1", "2", ONE, "", f"{place} / HL 4"],
        ["13", "1001", "B-2", "14", ONE, "", f"{place} / HL 5"],
        ["25", "1002", "C-3", "5", TWO, "", "ISA 000000031 / ST 0002 / HL 4"],
    ]
    assert (manifest.format, manifest.layout, manifest.notes) == ("x12", "edi", ())


def test_a_total_of_a_warehouse_that_is_not_what_was_counted_is_told_and_its_rows_are_read(
    folder: Path,
) -> None:
    body = ["W06*F*1001**S1", "LX*1", f"MAN*CP*{ONE}", "W12*CC*2*2**EA**SK*A-1", "W12*CC*1*1**EA**SK*B-2"]

    right, wrong = (interchanges.x12("945", [*body, f"W03*{total}"]).encode() for total in (3, 5))

    assert surveyed(folder, right).notes == ()
    found = surveyed(folder, wrong)
    place = f"segment 9 (W0301, byte {wrong.index(b'W03*')})"
    assert found.notes == (f"{place}: W0301 says 5, W1203 add up to 3",)
    assert [(row["order_id"], row["sku"], row["quantity"]) for row in rows(found)] == [
        ("1001", "A-1", "2"),
        ("1001", "B-2", "1"),
    ]


def test_the_same_rows_are_read_each_time(folder: Path) -> None:
    manifest = surveyed(folder, SOUND)

    assert rows(manifest) == rows(manifest)


def test_each_unit_that_no_line_can_be_read_of_has_a_row_in_its_place(folder: Path) -> None:
    empty = interchanges.x12("856", control=32).encode()
    order = interchanges.x12("850", ["BEG*00*SA*1**20261121"], control=33).encode()

    found = rows(
        surveyed(folder, order + SOUND + empty + b"rubbish~" + SOUND.replace(b"000000031", b"000000034"))
    )

    told = [(row["edi_path"], row["edi_verdict"].partition(" (")[0]) for row in found]
    place, later = "ISA 000000031", "ISA 000000034"
    assert told == [
        ("ISA 000000033 / ST 0001", "rejected: ST01 is '850', expected 856 or 945"),
        *((f"{place} / ST {path}", "") for path in ("0001 / HL 4", "0001 / HL 5", "0002 / HL 4")),
        ("ISA 000000032", told[4][1]),
        *((f"{later} / ST {path}", "") for path in ("0001 / HL 4", "0001 / HL 5", "0002 / HL 4")),
        ("", told[8][1]),
    ]
    assert told[4][1].startswith("rejected: ")
    assert "rubbish" in told[8][1]


def test_many_lines_are_read_in_blocks_and_none_is_lost(folder: Path) -> None:
    items = [(f"S{number}", 1 + number % 9) for number in range(120_000)]
    text = interchanges.x12("856", interchanges.notice("1001", ONE, *items)).encode()

    blocks = [block.cells for block in manifests.blocks(surveyed(folder, text))]

    assert [len(cells[0]) for cells in blocks] == [50_000, 50_000, 20_000]
    assert [sku for cells in blocks for sku in cells[1].to_pylist()] == [sku for sku, _ in items]


def quantities(found: list[dict[str, str]]) -> list[str]:
    """In no order: a line that is damaged may come after its neighbours."""
    return sorted(row["quantity"] for row in found)


@given(at=st.integers(0, len(SOUND) - 1), byte=st.integers(0, 255))
def test_a_flipped_byte_never_changes_a_quantity_without_a_word(folder: Path, at: int, byte: int) -> None:
    sound = rows(surveyed(folder, SOUND))
    damaged = SOUND[:at] + bytes([byte]) + SOUND[at + 1 :]
    try:
        manifest = surveyed(folder, damaged)
        found = rows(manifest)
    except (ManifestError, UnicodeDecodeError) as error:
        assert isinstance(error, ManifestError)  # noqa: PT017 - the other is a crash
        return

    rejected = any(row["edi_verdict"] for row in found)
    unnumbered = any(not re.fullmatch(r"\d+", quantity) for quantity in quantities(found))
    assert quantities(found) == quantities(sound) or rejected or unnumbered or manifest.notes

"""What is asked of a whole column at once is what would be asked of each cell."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from importer.cells import first_bytes, last_bytes, made_of

CELLS = st.lists(st.text("01a é", max_size=4), max_size=12)


@given(CELLS, st.integers(0, 3))
def test_a_cell_is_made_of_characters_if_it_has_some_and_no_others(cells: list[str], start: int) -> None:
    column = pa.array(cells, pa.string()).slice(start)

    assert made_of(column, b"01").tolist() == [
        bool(cell) and set(cell) <= set("01") for cell in cells[start:]
    ]


@given(CELLS, st.integers(0, 3))
def test_a_cell_begins_and_ends_with_a_byte_unless_it_is_blank(cells: list[str], start: int) -> None:
    column = pa.array(cells, pa.string()).slice(start)

    assert first_bytes(column).tolist() == [(cell.encode() or b"\0")[0] for cell in cells[start:]]
    assert last_bytes(column).tolist() == [(cell.encode() or b"\0")[-1] for cell in cells[start:]]

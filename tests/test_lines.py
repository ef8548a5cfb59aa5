"""Lines of CSV, compared with a model that looks at one cell after the other."""

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.report.lines import as_bytes, lines
from schemas.formulas import FORMULA, PLAIN_NUMBER

cells = st.one_of(
    st.just(""),
    st.sampled_from(["ready", "=1+1", "-5", "+x", "@a", "'=1", "a,b", 'say "so"', "two\nlines", "é,ü", "\r"]),
    st.text(st.sampled_from("a,\"\n\r\t=-'é"), max_size=6),
)


def written(cell: str) -> str:
    if re.search(FORMULA, cell) and not re.search(PLAIN_NUMBER, cell):
        cell = f"'{cell}"
    return '"' + cell.replace('"', '""') + '"' if re.search('[",\n\r]', cell) else cell


@st.composite
def columns(draw: st.DrawFn) -> list[Any]:
    """Columns of as many rows: texts, or dictionaries of which most rows have the same, or have anything."""
    rows = draw(st.integers(1, 30))
    found = []
    for _ in range(draw(st.integers(1, 6))):
        if draw(st.booleans()):
            found.append(pa.array(draw(st.lists(cells, min_size=rows, max_size=rows)), pa.string()))
            continue
        texts = draw(st.lists(cells, min_size=1, max_size=4))
        which = np.zeros(rows, dtype=np.int32)
        for at in draw(st.lists(st.integers(0, rows - 1), max_size=rows)):
            which[at] = draw(st.integers(0, len(texts) - 1))
        found.append(pa.DictionaryArray.from_arrays(pa.array(which), pa.array(texts, pa.string())))
    return found


@given(columns())
def test_lines_are_the_cells_of_each_row_side_by_side(found: list[Any]) -> None:
    rows = zip(*(column.to_pylist() for column in found), strict=True)
    assert lines(found).to_pylist() == [",".join(map(written, row)) + "\n" for row in rows]


@pytest.mark.parametrize("seldom", [1, 400, 1_000])
def test_rows_that_say_something_else_keep_their_places(seldom: int) -> None:
    which = np.zeros(1_000, dtype=np.int32)
    which[::seldom] = 1
    status = pa.DictionaryArray.from_arrays(pa.array(which), pa.array(["ready", "invalid"]))
    code = pa.DictionaryArray.from_arrays(pa.array(which), pa.array(["", "a, b"]))
    expected = ['invalid,"a, b"\n' if one else "ready,\n" for one in which.tolist()]
    assert bytes(as_bytes(lines([status, code]))).decode() == "".join(expected)

"""The rows of a page, compared with a model that looks at one cell after the other."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from importer.report.kept import ROOM_FOR_A_ROW, Kept, Rows
from importer.report.sinks import Mark

WIDTH = 3
BYTES_OF_A_MARK = 24
texts = st.text(st.sampled_from('ab"\\<>&\u2028\u2029é😀\n\x00\x1f'), max_size=40)
cells = st.one_of(texts, texts.map(lambda text: text * 700))  # one of them may not fit where others do
marks = st.lists(st.tuples(st.integers(0, WIDTH - 1), texts, st.booleans()), max_size=2)
row = st.tuples(st.lists(cells, min_size=WIDTH, max_size=WIDTH), st.booleans(), st.booleans(), marks)
Row = tuple[list[str], bool, bool, list[tuple[int, str, bool]]]


def carriers(columns: Any) -> Any:  # noqa: ANN401 - arrays of pyarrow, which are of a generic type
    return pa.array([f"{text}!" for text in columns[0].to_pylist()], pa.string())


def side_by_side(rows: list[Row]) -> Rows:
    told = [(at, mark) for at, (_, _, _, its_marks) in enumerate(rows) for mark in its_marks]
    return Rows(
        [pa.array([cells[at] for cells, _, _, _ in rows], pa.string()) for at in range(WIDTH)],
        np.array([torn for _, torn, _, _ in rows], dtype=bool),
        np.array([commas for _, _, commas, _ in rows], dtype=bool),
        [Mark(at, *mark) for at, mark in told],
        np.array([at for at, _ in told], dtype=np.int64),
    )


def size(text: str) -> int:
    encoded = json.dumps(text, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        encoded = encoded.replace(character, f"\\u{ord(character):04x}")
    return len(encoded.encode())


class Model:
    """What is kept, by the letter."""

    def __init__(self, most_bytes: int) -> None:
        self.left = most_bytes
        self.rows: list[Row] = []
        self.columns: list[dict[str, int]] = [{} for _ in range(WIDTH + 1)]
        self.said: dict[str, int] = {}

    def add(self, one: Row) -> None:
        if self.left < ROOM_FOR_A_ROW:
            return
        cells, torn, _, its_marks = one
        columns, said = [dict(known) for known in self.columns], dict(self.said)
        cost = BYTES_OF_A_MARK * (torn + len(its_marks))
        pairs = [
            *zip(columns, [*cells, f"{cells[0]}!"], strict=True),
            *((said, mark[1]) for mark in its_marks),
        ]
        for known, text in pairs:
            cost += 0 if text in known else size(text) + 1
            cost += len(str(known.setdefault(text, len(known)))) + 1
        if cost <= self.left:
            self.left -= cost
            self.rows.append(one)
            self.columns, self.said = columns, said

    def members(self) -> dict[str, Any]:
        *columns, its_carriers = (
            {"texts": [*known], "rows": [known[text] for text in its_texts]}
            for known, its_texts in zip(self.columns, self._texts(), strict=True)
        )
        return {
            "columns": columns,
            "carriers": its_carriers,
            "said": [*self.said],
            "marks": [
                [at, column, self.said[words], int(faulty)]
                for at, (_, _, _, its_marks) in enumerate(self.rows)
                for column, words, faulty in its_marks
            ],
            "torn": [at for at, (_, torn, _, _) in enumerate(self.rows) if torn],
        }

    def _texts(self) -> list[list[str]]:
        own = [[cells[at] for cells, _, _, _ in self.rows] for at in range(WIDTH)]
        return [*own, [f"{text}!" for text in own[0]]]


@given(st.lists(st.lists(row, min_size=1, max_size=20), max_size=6), st.integers(0, 30_000), st.data())
def test_the_rows_kept_are_those_of_a_model_however_they_come(
    blocks: list[list[Row]], room: int, data: st.DataObject
) -> None:
    kept, model = Kept(WIDTH, ROOM_FOR_A_ROW + room, carriers), Model(ROOM_FOR_A_ROW + room)
    for block in blocks:
        kept.add(side_by_side(block))
        if data.draw(st.booleans()):
            kept.look()
        for one in block:
            model.add(one)
    kept.look()
    written = dict(kept.members())
    found = {name: json.loads(text) for name, text in written.items()}
    commas = {at for since, until in found.pop("commas") for at in range(since, until)}
    assert found == model.members()
    assert commas == {at for at, (_, _, has_commas, _) in enumerate(model.rows) if has_commas}
    assert len(kept) == len(model.rows)
    assert not any(character in text for text in written.values() for character in "<>&\u2028\u2029")


def test_rows_wait_until_there_are_many_of_them_or_they_take_much_room() -> None:
    kept = Kept(WIDTH, 10**9, carriers)
    small = side_by_side([(["a", "b", "c"], False, False, [])] * 9_999)
    kept.add(small)
    assert len(kept) == 0
    kept.add(small.within(0, 1))
    assert len(kept) == 10_000
    kept.add(side_by_side([(["a", "b" * 17 * 1024 * 1024, "c"], False, False, [])]))
    assert len(kept) == 10_001


def test_after_the_last_row_that_fits_no_more_are_looked_at() -> None:
    kept = Kept(WIDTH, ROOM_FOR_A_ROW + 500, carriers)
    long = side_by_side([([f"{at}" * 100, "b", "c"], False, False, []) for at in range(10)])
    kept.add(long)
    kept.look()
    assert kept.is_full
    assert 0 < len(kept) < len(long)

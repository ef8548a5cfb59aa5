"""The short text that is the same for runs with the same troubles."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from importer.report.attention import Attention

TROUBLES = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["", "1/T", "2/T"])))


def of(*blocks: list[tuple[str, str]]) -> str:
    attention = Attention()
    for block in blocks:
        codes, fulfillments = ([pair[place] for pair in block] for place in (0, 1))
        attention.add(pa.array(codes, pa.string()), pa.array(fulfillments, pa.string()))
    return str(attention)


@given(TROUBLES, TROUBLES)
def test_it_is_the_same_if_and_only_if_the_troubles_are(
    some: list[tuple[str, str]], others: list[tuple[str, str]]
) -> None:
    assert (of(some) == of(others)) is (set(some) == set(others))


@given(TROUBLES, TROUBLES)
def test_blocks_and_their_order_make_no_difference(
    some: list[tuple[str, str]], others: list[tuple[str, str]]
) -> None:
    assert of(some, others) == of(others + some)


def test_where_nothing_needs_attention_it_is_nothing() -> None:
    assert of([]) == ""

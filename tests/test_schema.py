"""The rules as pandera has them: text in, one code per fault, and the order in which faults count."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pandera.errors
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codes import CODES, WARNINGS
from schemas.judging import TEXT, schema
from schemas.manifest import CANONICAL, COLUMNS, MAX_QUANTITY, REPORT_COLUMNS, rules, usual


def frame(**columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.array(pa.array(cells), dtype=TEXT) for name, cells in columns.items()})


def faults(
    table: pd.DataFrame, *, order_id: str = "integer", optional: tuple[str, ...] = ()
) -> list[tuple[str, str, list[bool]]]:
    """Column, code, and which cells pass, of every rule that is broken."""
    try:
        schema([*table.columns], order_id=order_id, optional=optional).validate(table, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        return [
            (str(error.schema.name), str(error.check.error), error.check_output.tolist())
            for error in errors.schema_errors
        ]
    return []


def codes_of(column: str, *, order_id: str) -> list[str]:
    """The codes of a column's rules, in order of precedence."""
    rules: list[Any] = schema([column], order_id=order_id).columns[column].checks  # Any - pandera's own
    return [str(rule.error) for rule in rules]


def test_rows_that_are_right_break_no_rule() -> None:
    table = frame(
        order_id=["1", "9223372036854775807"],
        sku=["A", "é" * 255],
        quantity=["1", str(MAX_QUANTITY)],
        tracking_number=["12345", "1Z E35 6F8 YW0 193 7117"],
        tracking_company=["", "UPS"],
        tracking_url=["", "https://example.com/?n=1"],
        fulfillment_id=["f-1", "x"],
        notify=["", "Yes"],
    )
    assert faults(table) == []
    assert faults(table, order_id="string") == []


@given(
    st.from_regex(r"#[A-Za-z0-9¡]{0,13}(?:/0)?[!?]?", fullmatch=True)
    | st.text(st.sampled_from("#NAÑÉ/0!?¡Err:5 "), max_size=14)
)
def test_what_a_rule_says_of_a_cell_does_not_depend_on_the_cells_beside_it(cell: str) -> None:
    for name, tests in rules(COLUMNS, order_id="string").items():
        alone = [test(pa.array([cell]))[0].as_py() for _, test in tests]

        assert [test(pa.array([cell, "É;"]))[0].as_py() for _, test in tests] == alone, name


def test_a_column_that_is_optional_may_be_blank_and_nothing_else() -> None:
    table = frame(sku=["", "A\n"], quantity=["", "0"], fulfillment_id=["", "x" * 256])
    assert faults(table, optional=("sku", "quantity", "fulfillment_id")) == [
        ("sku", "bad-sku", [True, False]),
        ("quantity", "quantity-below-one", [True, False]),
        ("quantity", "quantity-too-large", [True, False]),
        ("fulfillment_id", "bad-fulfillment-id", [True, False]),
    ]


def test_a_broken_rule_says_which_cells_pass() -> None:
    table = frame(quantity=["1", "two", "", "2"], sku=["", "A", "B", "C"])
    assert faults(table) == [
        ("quantity", "blank-quantity", [True, True, False, True]),
        ("quantity", "bad-quantity", [True, False, False, True]),
        ("quantity", "quantity-too-large", [True, False, False, True]),
        ("sku", "blank-sku", [False, True, True, True]),
    ]


def test_a_cell_that_is_blank_is_first_of_all_blank() -> None:
    first = {
        (column, mode): codes_of(column, order_id=mode)[0]
        for column in ("order_id", "sku", "quantity", "tracking_number")
        for mode in ("integer", "string")
    }
    assert first == {(column, mode): f"blank-{column.replace('_', '-')}" for column, mode in first}


def test_every_rule_has_its_code_in_the_table_and_none_is_a_warning() -> None:
    used = {
        code
        for column in ("order_id", "sku", "quantity", "tracking_number", "tracking_url")
        for mode in ("integer", "string")
        for code in codes_of(column, order_id=mode)
    }
    assert used == {
        *("blank-order-id", "bad-order-id", "blank-sku", "bad-sku"),
        *("blank-quantity", "bad-quantity", "quantity-below-one", "quantity-too-large"),
        *("blank-tracking-number", "bad-tracking-number", "several-tracking-numbers"),
        *("spreadsheet-damage", "bad-tracking-url", "unit-of-measure"),
    }
    assert used <= CODES.keys() - set(WARNINGS)


_NEARLY_USUAL = st.text("A0019-_aé\n", max_size=5) | st.text("A0-9", min_size=13, max_size=52) | st.text()


@pytest.mark.parametrize("order_id", ["integer", "string"])
@pytest.mark.parametrize("name", rules(COLUMNS, order_id="string"))
@given(data=st.data())
def test_a_cell_of_the_usual_form_breaks_no_rule(data: st.DataObject, name: str, order_id: str) -> None:
    test = usual(name, order_id=order_id)
    pattern = str(test.exported()["matches"])
    cells = data.draw(st.lists(st.from_regex(re.compile(pattern.replace("$", r"\Z"), re.ASCII)), max_size=20))

    assert test(pa.array(cells, pa.string())).to_pylist() == [True] * len(cells)
    assert faults(frame(**{name: cells}), order_id=order_id) == []


@pytest.mark.parametrize("order_id", ["integer", "string"])
@pytest.mark.parametrize("name", rules(COLUMNS, order_id="string"))
@given(cells=st.lists(_NEARLY_USUAL), start=st.integers(0, 3))
def test_a_cell_is_of_the_usual_form_as_its_pattern_has_it(
    name: str, order_id: str, cells: list[str], start: int
) -> None:
    test = usual(name, order_id=order_id)
    pattern = re.compile(str(test.exported()["matches"]).replace("$", r"\Z"), re.ASCII)
    column = pa.array(cells, pa.string()).slice(start)

    assert test(column).to_pylist() == [pattern.search(cell) is not None for cell in cells[start:]]


def test_only_columns_that_the_manifest_has_are_judged() -> None:
    assert [*schema(["order_id", "tracking_number"], order_id="integer").columns] == [
        "order_id",
        "tracking_number",
    ]
    assert faults(frame(order_id=["1"], tracking_number=["12345"])) == []


def test_no_value_is_converted_on_the_way() -> None:
    table = frame(order_id=["007"], quantity=["2.0"], tracking_number=["1Z E35 6F8 YW0 193 7117"])
    validated = schema([*table.columns], order_id="string").validate(table, lazy=True)
    assert {name: validated[name].tolist() for name in validated} == {
        "order_id": ["007"],
        "quantity": ["2.0"],
        "tracking_number": ["1Z E35 6F8 YW0 193 7117"],
    }


def test_numbers_instead_of_text_are_refused() -> None:
    with pytest.raises(pandera.errors.SchemaError, match="expected series 'quantity' to have type"):
        schema(["quantity"], order_id="integer").validate(pd.DataFrame({"quantity": [1, 2]}))


def test_a_manifest_without_rows_breaks_no_rule() -> None:
    assert faults(frame(**{column: [] for column in CANONICAL})) == []


def test_the_columns_of_a_report_are_told_from_those_of_a_manifest() -> None:
    assert all(column.startswith("import_") for column in REPORT_COLUMNS)
    assert not set(REPORT_COLUMNS) & set(CANONICAL)

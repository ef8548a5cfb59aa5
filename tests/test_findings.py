"""Findings as columns of numbers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from importer.findings import NOTHING_MORE, WHOLE_ROW, Findings, name_of
from schemas.codes import CODES
from schemas.manifest import CANONICAL

Finding = tuple[int, str, str, int]

some_findings = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(("blank-sku", "ragged-row", "duplicate-row")),
        st.sampled_from(("", "sku", "quantity")),
        st.integers(-1, 9),
    ),
    max_size=12,
)


def made(findings: list[Finding]) -> Findings:
    """One after the other, sorted by row."""
    return Findings.join(
        Findings.of(np.array([row]), code, column or None, np.array([detail]))
        for row, code, column, detail in findings
    )


def listed(findings: Findings) -> list[Finding]:
    return [
        (row, name_of(code), "" if column == WHOLE_ROW else CANONICAL[column], detail)
        for row, code, column, detail in zip(
            findings.rows.tolist(),
            findings.codes.tolist(),
            findings.columns.tolist(),
            findings.details.tolist(),
            strict=True,
        )
    ]


def by_row(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: finding[0])


def test_the_same_finding_goes_on_each_of_the_rows() -> None:
    assert listed(Findings.of(np.array([4, 2]), "blank-sku", "sku")) == [
        (4, "blank-sku", "sku", NOTHING_MORE),
        (2, "blank-sku", "sku", NOTHING_MORE),
    ]


def test_a_finding_may_be_on_the_whole_row_and_know_more() -> None:
    twice = Findings.of(np.array([7]), "duplicate-row", details=np.array([3]))
    assert listed(twice) == [(7, "duplicate-row", "", 3)]


def test_every_code_comes_back_under_its_name() -> None:
    findings = [(0, code, "", NOTHING_MORE) for code in CODES]
    assert listed(made(findings)) == findings


def test_nothing_joined_is_no_finding() -> None:
    assert listed(Findings.join([])) == []
    assert len(Findings.join([])) == 0


@given(st.lists(some_findings, max_size=4))
def test_joined_findings_are_sorted_by_row_and_those_of_a_row_stay_in_the_order_given(
    several: list[list[Finding]],
) -> None:
    together = Findings.join(map(made, several))
    assert listed(together) == by_row([finding for findings in several for finding in findings])
    assert len(together) == sum(map(len, several))


@given(some_findings, st.integers(0, 6), st.integers(0, 6))
def test_within_gives_the_findings_from_one_row_to_before_another(
    findings: list[Finding], start: int, stop: int
) -> None:
    expected = [finding for finding in by_row(findings) if start <= finding[0] < stop]
    assert listed(made(findings).within(start, max(start, stop))) == expected


@given(some_findings, st.lists(st.integers(0, 6)))
def test_without_leaves_out_the_findings_on_those_rows(findings: list[Finding], rows: list[int]) -> None:
    expected = [finding for finding in by_row(findings) if finding[0] not in rows]
    assert listed(made(findings).without(rows)) == expected


@given(some_findings, st.integers(0, 1_000))
def test_shifted_findings_are_the_same_further_down(findings: list[Finding], rows: int) -> None:
    expected = [(row + rows, *rest) for row, *rest in by_row(findings)]
    assert listed(made(findings).shifted(rows)) == expected

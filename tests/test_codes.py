"""The table of codes: stable names, and words that a person can act on."""

from __future__ import annotations

import re
import string

from schemas.codes import CODES, WARNINGS, code_of
from schemas.manifest import VERDICTS

# What people and scripts outside rely on. A name may be added here, but none may be taken away.
PROMISED = {
    "blank-order-id",
    "bad-order-id",
    "blank-sku",
    "bad-sku",
    "blank-quantity",
    "bad-quantity",
    "quantity-below-one",
    "quantity-too-large",
    "unit-of-measure",
    "transaction-rejected",
    "document-cancelled",
    "document-replaced",
    "line-not-shipped",
    "interchange-again",
    "split-unknown",
    "order-without-lines",
    "element-shifted",
    "short-shipped",
    "blank-tracking-number",
    "bad-tracking-number",
    "several-tracking-numbers",
    "spreadsheet-damage",
    "bad-tracking-url",
    "ragged-row",
    "bad-quoting",
    "duplicate-row",
    "tracking-number-conflict",
    "fulfillment-id-conflict",
    "carrier-conflict",
    "blank-fulfillment-id",
    "bad-fulfillment-id",
    "bad-notify",
    "no-mail-wanted",
    "changed-since-posted",
    "already-posted",
    "parcel-held",
    "batch-held",
    "already-there",
    "no-fulfillment",
    "ambiguous-fulfillment",
    "exceeds-remaining",
    "sku-not-in-order",
    "carrier-not-known",
    "look-up-failed",
    "destination-NNN",
    "destination-5NN",
    "destination-401",
    "destination-3NN",
    "destination-unreachable",
    "outcome-unknown",
    "settled",
    "run-stopped",
    "tracking-check-digit",
    "tracking-number-cut",
    "encoding-guessed",
    "leading-zeros-lost",
    "carrier-mismatch",
    "tracking-number-on-several-orders",
}
OF_A_CELL = {"column", "value", "expected"}
MORE = {
    **{code: {"words"} for code in VERDICTS.values()},
    "several-tracking-numbers": {"count", "numbers"},
    "ragged-row": {"found", "expected", "surplus"},
    "duplicate-row": {"where", "counted"},
    "tracking-number-conflict": {"fulfillment_id", "where"},
    "fulfillment-id-conflict": {"where"},
    "carrier-conflict": {"where"},
    "changed-since-posted": {"run_id", "state"},
    "already-posted": {"run_id", "state"},
    "parcel-held": {"where", "scope"},
    "batch-held": {"bad"},
    "carrier-mismatch": {"carrier", "company"},
    "tracking-check-digit": {"rule"},
    "tracking-number-cut": {"carrier", "found"},
    "encoding-guessed": {"encoding"},
    "already-there": {"words"},
    "no-fulfillment": {"words"},
    "ambiguous-fulfillment": {"words"},
    "exceeds-remaining": {"words"},
    "sku-not-in-order": {"words"},
    "carrier-not-known": {"words"},
    "look-up-failed": {"words"},
    "destination-NNN": {"words"},
    "destination-5NN": {"words"},
    "destination-401": {"words"},
    "destination-3NN": {"words"},
    "destination-unreachable": {"words"},
    "outcome-unknown": {"words"},
    "no-mail-wanted": {"words"},
    "settled": {"by", "date", "found"},
    "run-stopped": {"words"},
}


def blanks_of(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_code_that_was_promised_is_in_the_table_and_no_other() -> None:
    assert CODES.keys() == PROMISED


def test_a_code_is_lower_case_words_with_hyphens_and_stands_under_its_name() -> None:
    assert [code.name for code in CODES.values()] == [*CODES]
    assert [
        name for name in CODES if not re.fullmatch(r"[a-z]+(?:-[a-z]+)*|destination-(?:NNN|[35]NN|401)", name)
    ] == []


def test_a_message_has_only_blanks_that_its_finding_can_fill_in() -> None:
    unknown = {
        name: blanks
        for name, code in CODES.items()
        if (blanks := blanks_of(code.message) - OF_A_CELL - MORE.get(name, set()))
    }
    assert unknown == {}


def test_a_message_about_a_cell_shows_its_value_unless_that_is_blank() -> None:
    silent = {
        name
        for name, code in CODES.items()
        if "column" in blanks_of(code.message) and not {"value", "numbers"} & blanks_of(code.message)
    }
    assert silent == {name for name in CODES if name.startswith("blank-")}


def test_messages_and_hints_are_lower_case_phrases_and_meanings_are_sentences() -> None:
    for code in CODES.values():
        for phrase in (code.message, code.hint):
            assert not phrase.endswith("."), code.name
            assert phrase[0] == phrase[0].lower(), code.name
            assert "\n" not in phrase, code.name
        assert re.fullmatch(r"[A-Z].*\.", code.meaning), code.name


def test_only_the_hint_for_a_ragged_row_has_a_blank() -> None:
    filled = {name: blanks_of(code.hint) for name, code in CODES.items() if blanks_of(code.hint)}
    assert filled == {"ragged-row": {"delimiter"}}


def test_every_warning_is_in_the_table() -> None:
    assert set(WARNINGS) <= CODES.keys()
    assert len(set(WARNINGS)) == len(WARNINGS)


def test_a_code_is_found_by_its_name_and_those_of_destinations_share_one() -> None:
    kinds = {
        "blank-sku": "blank-sku",
        "destination-400": "destination-NNN",
        "destination-404": "destination-NNN",
        "destination-409": "destination-NNN",
        "destination-500": "destination-5NN",
        "destination-503": "destination-5NN",
        "destination-429": "destination-5NN",
        "destination-401": "destination-401",
        "destination-403": "destination-401",
        "destination-308": "destination-3NN",
    }
    assert {name: code_of(name).name for name in kinds} == kinds
    assert {name: code_of(name) for name in CODES} == CODES

"""The examples of the table of codes are true: their cells, in a manifest, give their code."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from schemas.codes import CODES
from schemas.manifest import CANONICAL
from tests.program import here, settle_in, table

GOOD = {"order_id": "1001", "sku": "MUG", "quantity": "1", "tracking_number": "1ZE356F8YW01937117"}
SHOP = {
    "fulfillment-id-conflict",
    "tracking-number-conflict",
    "bad-fulfillment-id",
    "bad-notify",
    "carrier-conflict",
}
"""Codes of what only a destination like Shoplazza takes."""
SHOWN = {name: code.example for name, code in CODES.items() if code.example.rows}
# What the cells of a manifest alone do not bring about: several files, other forms, the platform, the run.
WITHOUT_ROWS = {
    "transaction-rejected",
    "document-cancelled",
    "document-replaced",
    "line-not-shipped",
    "interchange-again",
    "split-unknown",
    "order-without-lines",
    "element-shifted",
    "short-shipped",
    "ragged-row",
    "bad-quoting",
    "blank-fulfillment-id",
    "no-mail-wanted",
    "changed-since-posted",
    "already-posted",
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
    "encoding-guessed",
    "leading-zeros-lost",
}
CONFIGURATION = """
[destinations.adm]
kind = "adm"
base_url = "http://127.0.0.1:9"
token_env = "ADM_TOKEN"

[destinations.shop]
kind = "shoplazza"
base_url = "http://127.0.0.1:9"
token_env = "SHOP_TOKEN"
"""


def test_what_the_cells_alone_bring_about_is_shown_by_cells() -> None:
    assert set(SHOWN) == set(CODES) - WITHOUT_ROWS


def test_an_example_is_one_line_without_a_full_stop() -> None:
    lines = {name: str(code.example) for name, code in CODES.items()}

    assert [name for name, line in lines.items() if line.endswith(".") or not line.isprintable()] == []
    assert [name for name, line in lines.items() if line.count(" → ") != 1 or "|" in line] == []


def test_the_words_of_an_example_name_its_cells() -> None:
    unnamed = {
        name: cell
        for name, example in SHOWN.items()
        for row in example.rows
        for cell in row.values()
        if any(word not in example.found for word in cell.split())
    }
    assert unnamed == {}


@pytest.mark.parametrize("name", SHOWN)
def test_the_rows_of_an_example_get_its_code(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settle_in(tmp_path, monkeypatch)
    Path("importer.toml").write_text(CONFIGURATION, encoding="utf-8")
    rows = [{**GOOD, **row} for row in SHOWN[name].rows]
    with Path("m.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [column for column in CANONICAL if any(column in row for row in rows)])
        writer.writeheader()
        writer.writerows(rows)

    to = "shop" if name in SHOP else "adm"
    ended = here(capsys, "check", "m.csv", "--to", to, "--report", "r", "--json")

    found = json.loads(ended.out)
    assert name in {**found["errors"], **found["warnings"]}
    assert len(table(Path("r", "rows.csv"))) == len(rows)
    others = {*found["errors"], *found["warnings"]} - {name, "parcel-held"}
    assert others == ({"bad-quantity"} if name == "parcel-held" else set())

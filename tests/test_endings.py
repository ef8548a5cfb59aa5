"""However a run ends, its report adds up, the ledger says the same, and the platform has nothing twice."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from importer.ledger import Ledger
from importer.model import FINE, State, Status
from importer.sandbox import Sandbox, Store
from importer.sandbox.faults import Faults, rehearsal
from tests.program import configuration, here, parcels, settle_in, table

if TYPE_CHECKING:
    Output = pytest.CaptureFixture[str]

PARCELS = 60
LEDGER = Path("ledger.db")
QUICK = ("--give-up", "2", "--timeout", "1", "--max-attempts", "3", "--concurrency", "4")


def always(kind: str, **keys: object) -> dict[str, Any]:
    """Faults that come from the tenth request on."""
    return {"faults": [{"kind": kind, "from": 10, **keys}]}


def now_and_then(*kinds: str) -> dict[str, Any]:
    """Faults of several kinds, each with one request in fifteen."""
    return {"seed": 3, "faults": [{"kind": kind, "probability": 0.07} for kind in kinds]}


ENDINGS: dict[str, tuple[dict[str, Any], int]] = {
    "all is well": ({}, 0),
    "the token is revoked midway": (always("401"), 4),
    "the destination moves": (always("redirect", location="https://elsewhere.example/"), 4),
    "the destination is gone before the effect": (always("drop-before"), 4),
    "the destination is gone after the effect": (always("drop-after"), 4),
    "a proxy answers for it": (always("502"), 4),
    "its server fails for good": (always("500"), 4),
    "its server fails now and then": (now_and_then("500"), 0),
    "it asks to wait": ({"seed": 3, "faults": [{"kind": "429", "probability": 0.07, "retry_after": "0"}]}, 0),
    "answers are cut off": (now_and_then("truncate", "truncate-chunked", "cut-body"), 6),
    "connections are lost": (now_and_then("drop-before", "drop-after", "reset"), 6),
    "something else answers": (now_and_then("html", "empty", "charset", "bomb", "other-order"), 6),
    "it hangs": (now_and_then("hang"), 6),
    "orders are refused": (now_and_then("404"), 1),
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("ADM_TOKEN", "a-token")
    parcels(Path("m.csv"), PARCELS)


def adds_up(folder: Path, ledger: Path) -> None:
    """See that each row is told once, and that tables, summary and ledger say the same."""
    summary = json.loads((folder / "summary.json").read_text())
    rows = table(folder / "rows.csv")
    assert [row["import_row"] for row in rows] == [str(number) for number in range(2, PARCELS + 2)]
    statuses = Counter(row["import_status"] for row in rows)
    assert +Counter(summary["rows"]) == statuses + Counter(total=PARCELS)
    assert summary["fulfillments"] == summary["rows"]  # a row makes a fulfillment here
    attention = [row for row in rows if row["import_status"] not in FINE]
    assert table(folder / "errors.csv") == attention
    told = Counter(code for row in attention for code in row["import_code"].split("; "))
    assert told == Counter(summary["errors"])
    assert all(row["import_message"] and row["import_hint"] for row in attention)
    with Ledger(ledger, readonly=True) as memory:
        recorded = memory.outcomes(summary["run_id"])
    reported = {state: statuses[state] for state in State if state is not State.SENDING and statuses[state]}
    if summary["stopped_because"]:
        reported.pop(State.NOT_SENT, None)
        recorded.pop(State.NOT_SENT, None)
    assert {state: count for state, count in recorded.items() if count} == reported


def nothing_twice(store: Store) -> None:
    parcels_there = Counter((created.order_id, created.tracking_number) for created in store.created)
    assert set(parcels_there.values()) <= {1}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_report_adds_up_and_the_same_command_finishes_the_work(ending: str, capsys: Output) -> None:
    document, status = ENDINGS[ending]
    store = Store.any_order()
    with Sandbox(store, faults=Faults(document, ending)) as sandbox:
        configuration(Path("importer.toml"), sandbox.url)
        ended = here(capsys, "post", "m.csv", "--ledger", LEDGER, "--report", "first", *QUICK)

    assert ended.status == status, ended.out + ended.err
    adds_up(Path("first"), LEDGER)
    nothing_twice(store)
    created = {f"{each.order_id}/{each.tracking_number}" for each in store.created}
    told = {row["import_fulfillment"]: Status(row["import_status"]) for row in table(Path("first/rows.csv"))}
    assert {name for name, of in told.items() if of is Status.CREATED} <= created
    assert {name for name, of in told.items() if of in {Status.FAILED, Status.REJECTED}} & created == set()

    with Sandbox(store, port=int(sandbox.url.rpartition(":")[2])):
        here(capsys, "post", "m.csv", "--ledger", LEDGER, "--report", "second", *QUICK)

    nothing_twice(store)
    left = Counter(row["import_status"] for row in table(Path("second/rows.csv")))
    doubts = sum(of is Status.IN_DOUBT for of in told.values())
    refused = sum(of is Status.REJECTED for of in told.values())
    assert (left["in-doubt"], left["rejected"]) == (doubts, refused)
    assert left["created"] + left["skipped"] == PARCELS - doubts - refused


def test_a_bad_night_is_survived(capsys: Output) -> None:
    store = Store.any_order()
    with Sandbox(store, faults=rehearsal("bad-night")) as sandbox:
        configuration(Path("importer.toml"), sandbox.url)
        ended = here(capsys, "post", "m.csv", "--ledger", LEDGER, "--report", "night", "--json")

    assert ended.status in {1, 6}
    adds_up(Path("night"), LEDGER)
    nothing_twice(store)
    assert ended.summary["rows"]["created"] > PARCELS * 0.8

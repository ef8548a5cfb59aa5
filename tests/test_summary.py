"""A run in figures: summary.json, and the same object for ``--json``."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from importer.errors import CannotGoOn
from importer.model import Status
from importer.report import Examples, ManifestRead, Summary, paths, publish

AT = datetime(2024, 4, 30, 12, tzinfo=UTC)
NOTHING = dict.fromkeys((*map(str, Status), "total"), 0)
READ = ManifestRead(
    name="caf\udce9.csv",
    format="delimited",
    layout="generic",
    encoding="cp1252",
    delimiter=";",
    header_row=3,
    columns={"order_id": "Auftrag №"},
    sha256="ab" * 32,
    rows=2,
    passed_over=(6,),
    other_columns={"order_id": ("Beleg №",)},
)
SUMMARY = Summary(
    run_id="2024-04-30-120000-abcd",
    command="post",
    destination="adm https://api.example.com",
    manifests=[READ],
    rows=NOTHING | {"created": 1, "invalid": 1, "total": 2},
    fulfillments=NOTHING | {"created": 1, "total": 1},
    errors={"blank-sku": Examples(1, [("m.csv", 2, "a message")])},
    warnings={"duplicate-row": Examples(3)},
    started_at=AT,
    finished_at=AT + timedelta(seconds=61, milliseconds=5),
    exit_status=1,
    stopped_because="",
    reports=paths(Path("R")),
)


def test_the_summary_is_one_object_in_ascii_with_these_members() -> None:
    read = replace(READ, argument="m.zip", tracking_numbers={"UPS": 2})
    whole = replace(
        SUMMARY, manifests=[read], filled_carriers={"UPS": 1}, attention="f0" * 32, notes=("in: 1",)
    )
    text = whole.as_json()

    assert text.isascii()
    assert json.loads(text) == {
        "run_id": "2024-04-30-120000-abcd",
        "command": "post",
        "destination": "adm https://api.example.com",
        "manifests": [
            {
                "name": "caf\udce9.csv",
                "format": "delimited",
                "sheet": "",
                "layout": "generic",
                "layout_fit": "",
                "encoding": "cp1252",
                "delimiter": ";",
                "header_row": 3,
                "columns": {"order_id": "Auftrag №"},
                "other_columns": {"order_id": ["Beleg №"]},
                "sha256": "ab" * 32,
                "rows": 2,
                "passed_over": [6],
                "header_rows": [],
                "notes": [],
                "argument": "m.zip",
                "tracking_numbers": {"UPS": 2},
            }
        ],
        "rows": NOTHING | {"created": 1, "invalid": 1, "total": 2},
        "fulfillments": NOTHING | {"created": 1, "total": 1},
        "errors": {"blank-sku": 1},
        "warnings": {"duplicate-row": 3},
        "started_at": "2024-04-30T12:00:00.000Z",
        "finished_at": "2024-04-30T12:01:01.005Z",
        "seconds": 61.005,
        "exit_status": 1,
        "stopped_because": "",
        "mails": 0,
        "filled_carriers": {"UPS": 1},
        "attention": "f0" * 32,
        "notes": ["in: 1"],
        "reports": {"rows": "R/rows.csv", "errors": "R/errors.csv", "summary": "R/summary.json"},
        "ledger": "",
    }


def test_the_summary_is_published_whole_and_over_what_a_killed_run_left(tmp_path: Path) -> None:
    (tmp_path / "summary.json.part").write_text('{"half"')

    publish(SUMMARY, tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]
    assert (tmp_path / "summary.json").read_text() == SUMMARY.as_json() + "\n"


def test_a_summary_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    with pytest.raises(CannotGoOn) as raised:
        publish(replace(SUMMARY, stopped_because="by chance"), tmp_path / "none")

    assert str(raised.value) == (
        f"the summary can't be written to {tmp_path / 'none'}: No such file or directory"
    )

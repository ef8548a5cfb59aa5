"""Whole runs that keep their rows in files: the same report, the same posts, as from memory."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from importer import afterwards, pipeline
from importer.errors import CannotGoOn
from importer.fulfillments import Options
from importer.ledger import Ledger
from importer.model import Duplicates
from importer.sandbox import Sandbox, Store
from importer.settings import DestinationSettings
from importer.spilling import Appended, Pieces, Room
from tests.program import settle_in

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLES = Path(__file__).parents[1] / "samples"
NAMED = ("messy", "titles-and-totals", "china-gb18030", "spreadsheet", "edi-856", "edi-945", "edi-desadv")
MANIFESTS = [path for name in NAMED for path in SAMPLES.glob(f"{name}/manifest.*")]
MEMORY, FEW = 1_000_000, 3
HEADER = "ship_to,order_id,sku,quantity,tracking_number,tracking_company"
MESS = [
    # orders that share a tracking number, with torn rows that name it, and others that name an order
    *(f"x,{1000 + at},A,1,SHARED100{at % 3},UPS" for at in range(7)),
    *(f"x,{2000 + at // 3},S{at % 2},{1 + at % 4},TRACK2{at // 2:04},FedEx" for at in range(40)),
    "Smith, John,2003,B,5,TRACK99991,UPS",
    "x,,A,1,SHARED1002,UPS",
    ",,,,,",
    "x,,B,1,,UPS",
    "x,2008,A,1,,UPS",
    "x,2009,A,0,TRACK20013,UPS",
    'x,"2010" or so,A,1,TRACK77777,UPS',
    "x,3000,A,600000,TRACK30000,UPS",
    "x,3000,A,600000,TRACK30000,UPS",
    "x,3001,A,1,1Z5R89390357567120,FedEx",
    "x,3002,é,1,9400111899223818218407,UPS",
    "x,2000,S0,1,TRACK20000,FedEx",
]
AGAIN = ["x,2001,S1,2,TRACK20001,FedEx", "x,4000,A,1,SHARED1001,UPS", "x,,C,1,,UPS", *MESS[10:30]]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)


@pytest.fixture(name="mess")
def _mess(tmp_path: Path) -> tuple[str, ...]:
    """Two manifests that have nearly all that can be wrong, and some rows in common."""
    for name, rows in (("a.csv", MESS), ("b.csv", AGAIN)):
        (tmp_path / name).write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
    return "a.csv", "b.csv"


def files(report: Path) -> dict[str, str]:
    """A report's files, but for times, and where it is."""
    found = {}
    for path in sorted(report.rglob("*")):
        if path.is_file():
            text = path.read_bytes().decode().replace(report.name, "REPORT")
            text = re.sub(r"\d{4}-\d\d-\d\d[ T-][\d:.]+(Z|-[0-9a-f]{6})?", "WHEN", text)
            text = re.sub(r'.*class="(of-|axis).*', "", text)  # the timeline
            text = re.sub(r'("seconds": )[\d.]+', r"\1S", text)
            found[path.relative_to(report).as_posix()] = re.sub(r"\b\d+(\.\d+)? (ms|s|seconds)\b", "S", text)
    return found


def checked(
    manifests: Sequence[str | Path],
    rows: int,
    to: DestinationSettings | None = None,
    **more: Any,  # noqa: ANN401 - as Job has them
) -> dict[str, str]:
    """The report of a dry run that has memory for so many rows."""
    folder = Path(f"report-{rows}")
    job = pipeline.Job("check", (*map(str, manifests),), to, Path("no.db"), report=folder, **more)
    pipeline.run(job, pipeline.World(console=Console(quiet=True), rows_in_memory=rows))
    return files(folder)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.parent.name)
def test_a_sample_is_reported_alike_however_little_memory_there_is(manifest: Path) -> None:
    assert checked([manifest], FEW) == checked([manifest], MEMORY)


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(partial=True),
        Options(all_or_nothing=True),
        Options(partial=True, all_or_nothing=True, duplicates=Duplicates.ERROR),
        Options(duplicates=Duplicates.DROP),
    ],
)
@pytest.mark.parametrize(("body", "rows"), [("flat", 1), ("flat", 20), ("by_fulfillment_order", 5)])
def test_a_mess_is_reported_alike(mess: tuple[str, ...], options: Options, body: str, rows: int) -> None:
    to = DestinationSettings("adm", "adm", "http://localhost:1", body=body)
    assert checked(mess, rows, to, options=options) == checked(mess, MEMORY, to, options=options)


def posted(manifests: Sequence[str], rows: int, **more: Any) -> tuple[list[str], dict[str, str]]:  # noqa: ANN401 - as DestinationSettings has them
    """What a run that has memory for so many rows posts, and its report, and that of a second run."""
    with Sandbox(Store.any_order()) as sandbox:
        target = DestinationSettings("adm", "adm", sandbox.url, sandbox=True, concurrency=1, **more)
        reports: dict[str, str] = {}
        for again in range(2):
            folder = Path(f"report-{rows}-{again}")
            job = pipeline.Job("post", (*manifests,), target, Path(f"{rows}.db"), report=folder)
            pipeline.run(job, pipeline.World(console=Console(quiet=True), rows_in_memory=rows))
            reports |= {f"{again}/{name}": text for name, text in files(folder).items()}
        bodies = [json.dumps(each.body) for each in sandbox.store.requests]
    return bodies, {name: text.replace(f"{rows}.db", "LEDGER") for name, text in reports.items()}


def test_the_same_is_posted_in_the_same_order_and_skipped_alike_by_the_next_run(
    mess: tuple[str, ...],
) -> None:
    bodies, reports = posted(mess, FEW)
    assert len(bodies) > FEW
    assert (bodies, reports) == posted(mess, MEMORY)


def test_one_fulfillment_for_several_orders_is_posted_all_the_same(mess: tuple[str, ...]) -> None:
    bodies, reports = posted(mess, FEW, body="by_fulfillment_order")
    assert max(body.count("order_id") for body in bodies) > 1
    assert (bodies, reports) == posted(mess, MEMORY, body="by_fulfillment_order")


def test_a_report_that_is_written_later_is_the_same(mess: tuple[str, ...]) -> None:
    posted(mess, MEMORY)
    with Ledger(Path(f"{MEMORY}.db"), readonly=True) as ledger:
        run = ledger.runs()[0]
        for rows in (FEW, MEMORY):
            afterwards.write(
                *(run, ledger, (), Path(f"later-{rows}")),
                standard_input=pipeline.World().standard_input,
                console=Console(quiet=True),
                rows_in_memory=rows,
            )
    assert files(Path(f"later-{FEW}")) == files(Path(f"later-{MEMORY}"))


FULL = "/dev/full"  # takes nothing, as a disk without room does


def test_a_full_disk_is_told_of_as_soon_as_something_is_kept_there(tmp_path: Path) -> None:
    room = Room(tmp_path)
    many = np.arange(100_000)
    said = []
    with Path(FULL).open("wb", buffering=0) as full:
        column, pieces = (
            Appended(room, full, many.dtype),
            Pieces(room, full, pa.schema([("row", pa.int64())])),
        )
        for write, values in ((column.add, [many]), (pieces.scatter, [many // 1000, [many]])):
            with pytest.raises(CannotGoOn) as error:
                write(*values)
            said.append(str(error.value))
    why = (
        "No space left on device; make room there, or name another folder with TMPDIR, and run the same "
        "command again"
    )
    where = f"{tmp_path}: there is no room to keep the rows of manifests as large as these: "
    assert said == [where + why] * 2


def test_columns_keep_what_was_put_there_when_their_memory_is_given_back(tmp_path: Path) -> None:
    with Room(tmp_path) as room:
        zeros, grown = room.column(10, np.int32), room.appended(np.int64)
        grown.add(np.arange(5))
        grown.add(np.arange(5))
        zeros[3] = 7
        column = grown.column()
        column[0] = 9
        room.let_go()
        assert zeros.tolist() == [0, 0, 0, 7, 0, 0, 0, 0, 0, 0]
        assert column.tolist() == [9, 1, 2, 3, 4, 0, 1, 2, 3, 4]
        assert (len(room.column(0, bool)), [*tmp_path.iterdir()]) == (0, [])

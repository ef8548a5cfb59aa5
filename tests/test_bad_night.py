"""A bad night as an operator would rehearse it: what is sent, who is told what, what the morning finds."""

from __future__ import annotations

import json
import os
import re
import time
import zipfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from importer.sandbox import Sandbox, Store
from tests.program import configuration, end, here, limited, manifest, parcels, settle_in, start, table
from tests.receivers import MailServer, Receiver, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.program import Ended

    Output = pytest.CaptureFixture[str]

README = Path(__file__).parent.parent / "README.md"
HOUR_SECONDS = 3600
PARCELS = 40
LOG = Path("night.log")


@pytest.fixture
def watchdog() -> Iterator[Receiver]:
    """Who is pinged at the beginning and the end of a night."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def post() -> Iterator[MailServer]:
    """Who is on call reads the mails that come here."""
    with MailServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watchdog: Receiver, post: MailServer) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("ADM_TOKEN", "a-token")
    monkeypatch.setenv("IMPORTER_POST_PING", watchdog.url)
    to = f"mailto://127.0.0.1:{post.port}?from=night@example.com&to=oncall@example.com"
    monkeypatch.setenv("IMPORTER_POST_TELL", to)
    Path("inbox").mkdir()


def night(report: str, *more: object) -> list[object]:
    """The command of every night, whose inbox must not be written to any more."""
    for path in Path("inbox").iterdir():
        at = time.time() - HOUR_SECONDS
        os.utime(path, (at, at))
    folders = ("--archive", "done", "--quarantine", "bad", "--ledger", "L")
    return ["post", "inbox", *folders, "--report", report, "--log", LOG, *more]


def sent_once(store: Store) -> dict[str, int]:
    """How often each fulfillment was created that was created more than once; and how many there are."""
    counts = Counter((each.order_id, each.tracking_number) for each in store.created)
    return {str(name): count for name, count in counts.items() if count > 1} | {"all": len(counts)}


def subjects(server: MailServer) -> list[str]:
    return [mail["Subject"] for mail in server.mails]


def body(server: MailServer) -> str:
    """What the last mail says."""
    part = server.mails[-1].get_body(("plain",))
    assert part is not None
    content: str = part.get_content()
    return content.replace("\r\n", "\n").strip()


def events() -> list[str]:
    if not LOG.exists():
        return []
    return [json.loads(line)["event"] for line in LOG.read_text().splitlines()]


def wait_for(event: str) -> None:
    limit = time.monotonic() + 60
    while event not in events():
        assert time.monotonic() < limit, events()
        time.sleep(0.02)


def files(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def ended_as(ended: Ended, folder: str) -> tuple[int, dict[str, int]]:
    """The exit status, and the rows of the report by status."""
    return ended.status, Counter(row["import_status"] for row in table(Path(folder, "rows.csv")))


def test_a_destination_that_is_down_for_a_while_is_waited_for_and_nobody_is_woken(
    watchdog: Receiver, post: MailServer
) -> None:
    parcels(Path("inbox/acme.csv"), PARCELS)
    port = free_port()
    configuration(Path("importer.toml"), f"http://127.0.0.1:{port}")
    running = start(*night("R", "--give-up", "40"))
    wait_for("waiting")

    with Sandbox(store := Store.any_order(), port=port):
        ended = end(running)

    assert ended_as(ended, "R") == (0, {"created": PARCELS})
    assert sent_once(store) == {"all": PARCELS}
    assert (watchdog.paths, subjects(post)) == (["/start", "/0"], [])
    assert events().index("waiting") < events().index("going-on")
    assert (files("inbox"), files("done")) == ([], ["acme.csv"])


def test_a_destination_that_stays_down_wakes_somebody_and_the_same_command_finishes_in_the_morning(
    capsys: Output, watchdog: Receiver, post: MailServer
) -> None:
    parcels(Path("inbox/acme.csv"), PARCELS)
    port = free_port()
    configuration(Path("importer.toml"), f"http://127.0.0.1:{port}")

    stopped = here(capsys, *night("R1", "--give-up", "1"))

    assert stopped.status == 4
    assert {row["import_status"] for row in table(Path("R1/rows.csv"))} <= {"failed", "not-sent"}
    assert subjects(post) == ["importer post to adm: needs attention (exit status 4)"]
    (first, *_) = body(post).splitlines()
    assert re.match(
        rf"(All|Of) {PARCELS} rows(, \d+)? are still to be sent( and \d+ needs? attention)?\. "
        "Stopped early: the destination can't be",
        first,
    )
    assert (watchdog.paths, files("inbox")) == (["/start", "/4"], ["acme.csv"])

    with Sandbox(store := Store.any_order(), port=port):
        again = here(capsys, *night("R2", "--give-up", "1"))

    assert ended_as(again, "R2") == (0, {"created": PARCELS})
    assert sent_once(store) == {"all": PARCELS}
    assert (watchdog.paths[2:], len(post.mails), files("inbox")) == (["/start", "/0"], 1, [])


def test_a_disk_that_is_full_stops_the_night_and_loses_nothing(
    capsys: Output, watchdog: Receiver, post: MailServer
) -> None:
    parcels(Path("inbox/acme.csv"), 300)
    with Sandbox(store := Store.any_order()) as sandbox:
        configuration(Path("importer.toml"), sandbox.url)
        stopped = end(limited(150_000, *night("R1")))
        known = dict(ended_as(stopped, "R1")[1])
        again = here(capsys, *night("R2"))

    doubted = known.get("in-doubt", 0)
    assert (stopped.status, again.status) == (4, 6 if doubted else 0)
    assert subjects(post)[0] == "importer post to adm: needs attention (exit status 4)"
    assert watchdog.paths[:2] == ["/start", "/4"]
    morning = ended_as(again, "R2")[1]
    assert (morning["skipped"], morning["in-doubt"]) == (known["created"], doubted)
    assert 300 - doubted <= sent_once(store)["all"] <= 300
    assert set(sent_once(store)) == {"all"}


def bomb(path: Path) -> None:
    """A small workbook that would be 200 MB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("xl/worksheets/sheet1.xml", "w") as sheet:
            for _ in range(200):
                sheet.write(b"0" * 1_000_000)
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")


def test_poisoned_manifests_and_a_changed_export_are_set_aside_and_told_of_and_the_rest_is_posted(
    capsys: Output, watchdog: Receiver, post: MailServer
) -> None:
    manifest(
        Path("inbox/acme.csv"), "1001,MUG,2,PARCEL1001", "1002,CAP,0,PARCEL1002", "1003,MUG,1,PARCEL1003"
    )
    manifest(
        Path("inbox/formulas.csv"),
        '2001,"=HYPERLINK(""https://example.com"",""MUG"")",1,PARCEL2001',
        "2002,<script>alert(1)</script>,1,PARCEL2002",
    )
    manifest(Path("inbox/northwind.csv"), "3001,MUG,1,P1", header="Order #,Item SKU,Qty Shipped,Parcel memo")
    manifest(Path("inbox/torn.csv"), "4001,MUG,1\0,PARCEL4001")
    bomb(Path("inbox/bomb.xlsx"))
    with Sandbox(store := Store.any_order()) as sandbox:
        configuration(Path("importer.toml"), sandbox.url)
        ended = here(capsys, *night("R"))

    assert ended_as(ended, "R") == (1, {"created": 4, "invalid": 1})
    assert sorted(each.order_id for each in store.created) == ["1001", "1003", "2001", "2002"]
    assert watchdog.paths == ["/start", "/1"]
    assert (files("inbox"), files("done")) == ([], ["formulas.csv"])
    assert files("bad") == ["acme.csv", "bomb.xlsx", "northwind.csv", "torn.csv"]
    assert subjects(post) == ["importer post to adm: needs attention (exit status 1)"]
    told = re.sub(r"\d{4}-\d\d-\d\d-\d{6}-\w{6}", "2026-11-23-020000-5f3a1c", body(post))
    told = re.sub(r"\d+\.\d s", "0.4 s", told).replace(str(Path.cwd()), "/srv/importer")
    told = re.sub(r"\d+ times its size", "229 times its size", told)  # zlib packs as it likes
    assert told in README.read_text(encoding="utf-8")


def test_a_poisoned_manifest_is_told_of_once_when_only_changes_are_wanted(
    capsys: Output, post: MailServer
) -> None:
    told: list[int] = []
    with Sandbox(Store.any_order()) as sandbox:
        configuration(Path("importer.toml"), sandbox.url)
        for name in ("torn.csv", "torn.csv", "other.csv", ""):
            if name:
                manifest(Path("inbox", name), "4001,MUG,1\0,PARCEL4001")
            here(capsys, *night(f"R{len(told)}", "--tell-on", "change"))
            told.append(len(post.mails))

    assert told == [1, 1, 2, 3]

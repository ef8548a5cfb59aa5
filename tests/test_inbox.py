"""An inbox: what is ready is taken oldest first, and each file goes where it belongs once it is reported."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import subprocess
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest

from importer import inbox
from importer.batches import Terms
from importer.errors import ManifestError
from importer.fulfillments import Options
from importer.manifests import layouts
from importer.model import STATUSES
from tests.program import (
    HEADER,
    Ended,
    Platform,
    Reply,
    another_user,
    configuration,
    created,
    end,
    here,
    manifest,
    refusal,
    settle_in,
    start,
    table,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.program import Seen

Output = pytest.CaptureFixture[str]
ARCHIVE = ("--archive", "done")
QUARANTINE = ("--quarantine", "bad")
HOUR = 3600.0
ISA = b"ISA*00*%10s*00*%10s*ZZ*SENDER         *ZZ*RECEIVER       *240430*1200*U*00401*000000001*0*P*>~" % (
    b"",
    b"",
)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("ADM_TOKEN", "a-token")
    Path("in").mkdir()


def aged(path: Path, seconds: float = HOUR) -> Path:
    """The file, last written to so long ago."""
    at = time.time() - seconds
    os.utime(path, (at, at))
    return path


def good(name: str, number: int = 1, age: float = HOUR) -> Path:
    return aged(manifest(Path("in", name), f"{number},MUG,1,TRACK{number:05}"), age)


def faulty(name: str, number: int = 1, age: float = HOUR) -> Path:
    return aged(manifest(Path("in", name), f"{number},MUG,0,TRACK{number:05}"), age)


def put(name: str, content: bytes, age: float = HOUR) -> Path:
    path = Path("in", name)
    path.write_bytes(content)
    return aged(path, age)


def post(capsys: Output, *arguments: object) -> Ended:
    """Post the inbox to the sandbox."""
    return here(capsys, "post", "in", "--sandbox", "--json", *arguments)


def files(ended: Ended) -> Any:  # noqa: ANN401 - JSON
    return {file["name"]: (file["to"], file["why"]) for file in ended.summary["files"]}


def names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


# --- where files go ------------------------------------------------------------------------------------


def test_each_file_goes_where_its_rows_belong_and_the_summary_says_so(capsys: Output) -> None:
    good("fine.csv", 1)
    faulty("faulty.csv", 2)
    put("none.csv", b"x,y\n1,2\n")

    ended = post(capsys, *ARCHIVE, *QUARANTINE)

    assert ended.status == 1
    assert files(ended) == {
        "in/fine.csv": ("done/fine.csv", "all of its rows are fine"),
        "in/faulty.csv": ("bad/faulty.csv", "1 row needs attention"),
        "in/none.csv": (
            "bad/none.csv",
            (
                "no manifest: in/none.csv, row 1: no column for order_id, sku, quantity, tracking_number; "
                "the headers found are 'x', 'y'; rename the column, or say with --layout which it is; the "
                "header was looked for in the first 50 rows"
            ),
        ),
    }
    assert (names("in"), names("done"), names("bad")) == ([], ["fine.csv"], ["faulty.csv", "none.csv"])


def test_the_page_and_review_say_where_each_file_went(capsys: Output) -> None:
    good("fine.csv", 1)
    faulty("<b>faulty.csv", 2)

    post(capsys, *ARCHIVE, *QUARANTINE, "--report", "R")

    page = Path("R", "report.html").read_text(encoding="utf-8")
    section = page.partition('<h2 id="filed">Where the files went</h2>')[2].partition("</section>")[0]
    assert re.findall(r"<th scope=\"row\">(.*?)</th><td>(.*?)</td><td>(.*?)</td>", section) == [
        ("in/fine.csv", "done/fine.csv", "all of its rows are fine"),
        ("in/&lt;b&gt;faulty.csv", "bad/&lt;b&gt;faulty.csv", "1 row needs attention"),
    ]
    assert here(capsys, "review", "R").out.partition("Files\n")[2].splitlines()[:2] == [
        "  in/fine.csv → done/fine.csv  all of its rows are fine",
        "  in/<b>faulty.csv → bad/<b>faulty.csv  1 row needs attention",
    ]


def test_the_workbook_says_where_each_file_went_too(capsys: Output) -> None:
    good("fine.csv", 1)
    put("none.csv", b"x,y\n1,2\n")

    post(capsys, *ARCHIVE, "--report", "R", "--xlsx", "--quarantine", "bad")

    lines = [*openpyxl.load_workbook(Path("R", "report.xlsx"))["summary"].iter_rows(values_only=True)]
    at = lines.index(("file", "went to", "a manifest", "why"))
    assert [line[:3] for line in lines[at + 1 : at + 3]] == [
        ("in/fine.csv", "done/fine.csv", "yes"),
        ("in/none.csv", "bad/none.csv", "no"),
    ]
    assert lines[at + 1][3] == "all of its rows are fine"
    assert lines[at + 3] == (None,) * 4


def test_a_run_that_is_killed_once_files_moved_leaves_no_half_workbook_and_it_can_be_written_later(
    capsys: Output,
) -> None:
    good("fine.csv")
    Path("R").mkdir()
    os.mkfifo("R/report.xlsx.part")  # whose writer waits for a reader
    with Platform() as platform:
        configuration(Path("importer.toml"), platform.url)
        process = start("post", "in", *ARCHIVE, "--report", "R", "--xlsx")
        page = Path("R/report.html")  # after which the workbook is written
        wait_until(lambda: page.exists() and "done/fine.csv" in page.read_text(), process)
        process.kill()
        end(process)
        left = names("R")
        run_id = json.loads(Path("R/summary.json").read_text())["run_id"]
        later = here(capsys, "runs", run_id, "done/fine.csv", "--report", "later", "--xlsx")

    assert left == [
        *("errors.csv", "report.html", "report.xlsx.part", "rows.csv", "run.part", "summary.json"),
    ]
    assert (later.status, later.err, len(platform.seen)) == (0, "", 1)
    sheet = openpyxl.load_workbook(Path("later", "report.xlsx"))["rows"]
    assert [row[0] for row in sheet.iter_rows(min_row=2, values_only=True)] == ["1"]


def test_a_report_without_an_inbox_says_nothing_of_where_files_went(capsys: Output) -> None:
    good("fine.csv")

    post(capsys, "--report", "R")

    assert "Where the files went" not in Path("R", "report.html").read_text(encoding="utf-8")


def test_the_summary_on_disk_is_the_one_that_is_printed(capsys: Output) -> None:
    good("fine.csv")

    ended = post(capsys, *ARCHIVE, "--report", "R")

    assert Path("R", "summary.json").read_text(encoding="utf-8") == ended.out


def test_a_person_is_told_where_each_file_went(capsys: Output) -> None:
    good("fine.csv")
    put("new.csv.part", b"")

    ended = here(capsys, "post", "in", "--sandbox", *ARCHIVE)

    assert ended.status == 0
    assert (
        "Files\n  in/fine.csv → done/fine.csv  all of its rows are fine\n"
        "  in/new.csv.part  left alone: still being written, as its name ends in .part\n"
    ) in ended.out


def test_what_an_earlier_run_did_is_filed_and_not_sent_again(capsys: Output) -> None:
    path = good("fine.csv")
    configuration(Path("importer.toml"), "http://127.0.0.1:9")
    with Platform() as platform:
        configuration(Path("importer.toml"), platform.url)
        assert here(capsys, "post", path).status == 0  # as if it had been killed before the file was moved
        ended = here(capsys, "post", "in", *ARCHIVE, "--json")

        assert platform.names == ["1/TRACK00001"]
    assert ended.summary["rows"]["skipped"] == 1
    assert files(ended) == {"in/fine.csv": ("done/fine.csv", "all of its rows are fine")}


def test_only_what_has_a_folder_is_moved(capsys: Output) -> None:
    good("fine.csv", 1)
    faulty("faulty.csv", 2)

    archived = files(post(capsys, *ARCHIVE))
    assert archived == {
        "in/fine.csv": ("done/fine.csv", "all of its rows are fine"),
        "in/faulty.csv": ("", "stays: 1 row needs attention, and no folder is named for that"),
    }

    good("fine.csv", 1)
    quarantined = files(post(capsys, *QUARANTINE))
    assert quarantined == {
        "in/fine.csv": ("", "stays: all of its rows are fine, and no folder is named for that"),
        "in/faulty.csv": ("bad/faulty.csv", "1 row needs attention"),
    }


def test_a_file_is_never_moved_over_another(capsys: Output) -> None:
    for number in range(1, 4):
        good("m.csv", number)
        post(capsys, *ARCHIVE)

    assert names("done") == ["m-2.csv", "m-3.csv", "m.csv"]
    assert [table(Path("done", name))[0]["Order #"] for name in names("done")] == ["2", "3", "1"]


def test_nothing_is_moved_unless_that_is_asked_for(capsys: Output) -> None:
    good("fine.csv")

    ended = post(capsys)

    assert ("files" in ended.summary, names("in")) == (False, ["fine.csv"])


def test_an_archive_goes_as_a_whole(capsys: Output) -> None:
    with zipfile.ZipFile("in/m.zip", "w") as archive:
        archive.writestr("fine.csv", f"{HEADER}\n1,MUG,1,TRACK00001\n")
        archive.writestr("faulty.csv", f"{HEADER}\n2,MUG,0,TRACK00002\n")
    aged(Path("in/m.zip"))

    ended = post(capsys, *ARCHIVE, *QUARANTINE)

    assert (ended.summary["rows"]["created"], ended.summary["rows"]["invalid"]) == (1, 1)
    assert files(ended) == {"in/m.zip": ("bad/m.zip", "1 row needs attention")}


def test_of_an_archive_with_what_is_no_manifest_nothing_is_sent(capsys: Output) -> None:
    with zipfile.ZipFile("in/m.zip", "w") as archive:
        archive.writestr("fine.csv", f"{HEADER}\n1,MUG,1,TRACK00001\n")
        archive.writestr("readme.txt", "read me")
    aged(Path("in/m.zip"))

    ended = post(capsys, *ARCHIVE, *QUARANTINE)

    assert (ended.status, ended.summary["rows"]["total"], names("bad")) == (1, 0, ["m.zip"])


def test_a_broken_archive_does_not_stop_the_others(capsys: Output) -> None:
    put("broken.gz", gzip.compress(b"x" * 999)[:20])
    good("fine.csv")

    ended = post(capsys, *ARCHIVE, *QUARANTINE)

    assert (ended.status, names("done"), names("bad")) == (1, ["fine.csv"], ["broken.gz"])


def test_a_quote_that_is_never_closed_far_below_does_not_stop_the_others(capsys: Output) -> None:
    rows = "".join(f"{number},MUG,1,TRACK{number:05}\n" for number in range(1, 2000))
    put("broken.csv", f'{HEADER}\n{rows}"3000,MUG,1,TRACK\n'.encode())
    good("fine.csv", 5000)

    ended = post(capsys, *ARCHIVE, *QUARANTINE)

    assert ended.summary["rows"]["total"] == 1
    assert (ended.status, names("done"), names("bad")) == (1, ["fine.csv"], ["broken.csv"])


def test_standard_input_is_posted_and_stays_nowhere() -> None:
    process = start("post", "-", "--sandbox", "--json", *ARCHIVE, stdin=subprocess.PIPE)
    ended = end(process, f"{HEADER}\n1,MUG,1,TRACK00001\n")

    assert (ended.status, files(ended)) == (0, {"-": ("", "stays: it is no file here")})


# --- one file stops all, or not ------------------------------------------------------------------------


@pytest.mark.parametrize("options", [ARCHIVE, (*ARCHIVE, *QUARANTINE, "--all-or-nothing")])
def test_what_is_no_manifest_stops_all_without_a_quarantine_or_when_all_count(
    capsys: Output, options: tuple[str, ...]
) -> None:
    good("fine.csv")
    put("none.csv", b"x,y\n1,2\n")

    ended = post(capsys, *options)

    assert ended.status == 3
    assert ended.err.startswith("importer: in/none.csv, row 1: no column for order_id")
    assert (names("in"), names("done")) == (["fine.csv", "none.csv"], [])


def test_a_run_without_any_manifest_left_says_where_the_rest_went(capsys: Output) -> None:
    put("none.csv", b"")

    ended = post(capsys, *QUARANTINE)

    assert (ended.status, ended.summary["rows"]["total"], names("bad")) == (1, 0, ["none.csv"])


def test_an_empty_inbox_is_fine(capsys: Output) -> None:
    ended = post(capsys, *ARCHIVE, *QUARANTINE)

    assert (ended.status, ended.summary["files"]) == (0, [])


# --- what stays ----------------------------------------------------------------------------------------


def answering(status: int) -> Callable[[Seen], Reply]:
    return lambda seen: created(seen) if seen.body["order_id"] == 1 else refusal(status)


@pytest.mark.parametrize(
    ("reply", "exit_status", "why"),
    [
        (401, 4, "stays: rows of it are still to be sent"),
        (500, 1, "stays: rows of it are still to be sent"),
        (400, 1, "1 row needs attention"),
    ],
)
def test_what_is_still_to_be_sent_stays_for_the_next_run(
    capsys: Output, reply: int, exit_status: int, why: str
) -> None:
    good("a.csv", 1, 2 * HOUR)
    good("b.csv", 2)
    with Platform(answering(reply)) as platform:
        configuration(Path("importer.toml"), platform.url, max_attempts=1)
        ended = here(capsys, "post", "in", "--json", *ARCHIVE, *QUARANTINE)

    assert ended.status == exit_status
    assert files(ended) == {
        "in/a.csv": ("done/a.csv", "all of its rows are fine"),
        "in/b.csv": ("bad/b.csv" if reply == 400 else "", why),
    }


def test_files_are_posted_oldest_first(capsys: Output) -> None:
    for number, age in ((1, 2 * HOUR), (2, HOUR), (3, 3 * HOUR)):
        good(f"{number}.csv", number, age)
    with Platform() as platform:
        configuration(Path("importer.toml"), platform.url, concurrency=1)
        ended = here(capsys, "post", "in", "--json", *ARCHIVE)

        assert platform.names == ["3/TRACK00003", "1/TRACK00001", "2/TRACK00002"]
    assert list(files(ended)) == ["in/3.csv", "in/1.csv", "in/2.csv"]


@pytest.mark.parametrize("suffix", [".part", ".partial", ".filepart", ".tmp", ".crdownload", ".TMP"])
def test_a_file_with_the_suffix_of_one_being_written_is_left_alone(capsys: Output, suffix: str) -> None:
    put(f"m.csv{suffix}", b"whatever")

    ended = post(capsys, *ARCHIVE, *QUARANTINE)

    assert ended.status == 0
    assert files(ended) == {
        f"in/m.csv{suffix}": ("", f"left alone: still being written, as its name ends in {suffix}")
    }


@pytest.mark.parametrize("command", ["check", "post"])
def test_where_nothing_is_moved_a_line_says_how_many_files_are_still_being_written(
    capsys: Output, command: str
) -> None:
    put("m.csv.part", b"whatever")
    words = "in: 1 file is left alone: still being written, as its name ends in .part"

    alone = here(capsys, command, "in", "--sandbox", "--report", "R")
    page = Path("R/report.html").read_text()
    good("fine.csv")
    ended = here(capsys, command, "in", "--sandbox")
    Path("in/m.csv.part").unlink()
    without = here(capsys, command, "in", "--sandbox", "--json")

    assert (alone.status, ended.status, without.status) == (0, 0, 0)
    assert f"\n\n  there is no manifest there: nothing to do\n\n  {words}\n\n" in alone.out
    assert words in page
    assert f"\n\n  {words}\n\n" in ended.out
    assert (without.summary["notes"], "files" in without.summary) == ([], False)


def test_a_file_that_was_just_written_to_is_left_alone_unless_it_is_named(capsys: Output) -> None:
    good("m.csv", age=-1)

    assert files(post(capsys, *ARCHIVE)) == {
        "in/m.csv": ("", "left alone: still being written, it seems: less than 5 s ago")
    }
    named = here(capsys, "post", "in/m.csv", "--sandbox", "--json", *ARCHIVE)
    assert files(named) == {"in/m.csv": ("done/m.csv", "all of its rows are fine")}


@pytest.mark.parametrize("ahead", [12, 1800])
def test_a_file_whose_clock_is_ahead_is_left_alone(capsys: Output, ahead: int) -> None:
    good("m.csv", age=-ahead - 0.5)

    (told,) = files(post(capsys, *ARCHIVE)).values()

    assert told[0] == ""
    assert re.fullmatch(
        r"left alone: it may still be being written: its time is \d+ s ahead of the clock here", told[1]
    )


def take(wait: Callable[[float], None]) -> inbox.Inbox:
    """An inbox that has taken what is ready; ``wait`` is what happens while it waits."""
    taker = inbox.Inbox(Path("done"), None, lambda: datetime.now(UTC), wait=wait)
    taker.prepare()
    terms = Terms(None, layouts.load(None), Options())
    Path("scratch").mkdir()
    taker.take(["in"], io.BytesIO(), Path("scratch"), terms)
    return taker


def test_a_file_from_the_far_future_is_taken_if_it_is_still_for_a_while() -> None:
    path = good("m.csv", age=-24 * HOUR)
    other = good("n.csv", age=-24 * HOUR)
    waited: list[float] = []

    def overwrite(seconds: float) -> None:
        waited.append(seconds)
        manifest(other, "2,MUG,1,TRACK00002")
        aged(other, -24 * HOUR)

    filed = take(overwrite).file([dict.fromkeys(STATUSES, 0)])

    assert waited == [inbox.SETTLE_SECONDS]
    assert [(file.name, file.to, file.why) for file in filed] == [
        (str(path), "done/m.csv", "all of its rows are fine"),
        (str(other), "", "left alone: still being written, it seems: it has changed since this run began"),
    ]


@pytest.mark.parametrize(
    ("content", "trailer"),
    [
        (ISA + b"GS*SH~", "IEA"),
        (ISA[:40], "IEA"),
        (ISA.replace(b"~", b"\n") + b"GS*SH\n", "IEA"),
        (ISA + b"REF*IEA*1~", "IEA"),
        (b"UNB+UNOA:1+A+B'UNH+1'", "UNZ"),
        (b"UNA:+.? 'UNB+UNOA:1+A+B'UNH+1'", "UNZ"),
        (b"UNA:+.? ~UNB+UNOA:1+A+B~FTX+?'UNZ", "UNZ"),
    ],
)
def test_an_edi_file_without_its_trailer_is_left_alone(capsys: Output, content: bytes, trailer: str) -> None:
    put("m.edi", content, age=HOUR / 2)

    assert files(post(capsys, *QUARANTINE)) == {
        "in/m.edi": (
            "",
            f"left alone: still being written, it seems: {trailer}, the end of the EDI, is missing",
        )
    }


def test_an_edi_file_that_never_gets_its_trailer_is_reported_in_the_end(capsys: Output) -> None:
    put("m.edi", ISA + b"GS*SH~", age=2 * HOUR)

    ended = post(capsys, *QUARANTINE)

    assert (ended.status, names("in"), names("bad")) == (1, [], ["m.edi"])


@pytest.mark.parametrize(
    "content",
    [
        ISA + b"GS*SH~IEA*1*000000001~\r\n",
        ISA + b"GS*SH~\nIEA*1*000000001~",
        ISA.replace(b"~", b"\n") + b"IEA*1*000000001\n",
        b"UNB+UNOA:1+A+B'\r\nUNZ+1+1'\r\n",
        b"UNA:+.? ~UNB+UNOA:1+A+B~UNZ+1+1~",
    ],
)
def test_an_edi_file_with_its_trailer_is_not_waited_for(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.edi"
    path.write_bytes(content)

    assert inbox.missing_trailer(path) == ""


def test_a_file_that_is_written_anew_while_it_is_posted_stays(capsys: Output) -> None:
    path = good("m.csv")

    def overwrite(seen: Seen) -> Reply:
        manifest(path, "2,MUG,1,TRACK00002")
        return created(seen)

    with Platform(overwrite) as platform:
        configuration(Path("importer.toml"), platform.url)
        ended = here(capsys, "post", "in", "--json", *ARCHIVE)

    assert files(ended) == {"in/m.csv": ("", "stays: it was moved or written to in the meantime")}
    assert table(path)[0]["Order #"] == "2"


def test_a_file_that_takes_the_place_of_another_at_the_last_moment_is_put_back() -> None:
    path = good("m.csv")
    Path("done").mkdir()
    earlier = (path.stat().st_ino, path.stat().st_size, path.stat().st_mtime_ns)
    manifest(path, "2,MUG,1,TRACK00002")

    assert inbox.carry(path, earlier, Path("done")) is None

    assert table(path)[0]["Order #"] == "2"
    assert names("done") == []


def test_a_file_that_can_not_be_opened_does_not_stop_the_others(capsys: Output) -> None:
    good("a.csv", 1)
    faulty("b.csv", 2).chmod(0)  # root can open it, and finds a fault in it

    ended = post(capsys, *ARCHIVE, *QUARANTINE)

    assert (ended.status, names("in"), names("done"), names("bad")) == (1, [], ["a.csv"], ["b.csv"])


def test_an_inbox_that_this_user_may_not_come_to_is_told(tmp_path: Path) -> None:
    Path("closed/in").mkdir(parents=True)
    Path("closed").chmod(0o600)
    inbox_ = inbox.Inbox(None, None, lambda: datetime.now(UTC))
    terms = Terms(None, layouts.load(None), Options())

    with another_user(), pytest.raises(ManifestError, match=r"closed/in: can't be opened: Permission denied"):
        inbox_.take(["closed/in"], io.BytesIO(), tmp_path, terms)


# --- folders -------------------------------------------------------------------------------------------


def test_a_file_that_can_not_be_moved_is_told(capsys: Output) -> None:
    path = good("m.csv")

    def lose_the_folder(seen: Seen) -> Reply:
        Path("done").rmdir()
        return created(seen)

    with Platform(lose_the_folder) as platform:
        configuration(Path("importer.toml"), platform.url)
        ended = here(capsys, "post", "in", "--json", *ARCHIVE)

    assert (ended.status, ended.summary["exit_status"], path.exists()) == (1, 1, True)
    assert files(ended) == {"in/m.csv": ("", "could not be moved to done: No such file or directory")}


def test_files_are_not_taken_from_where_they_are_moved_to(capsys: Output) -> None:
    good("m.csv")

    ended = post(capsys, "--archive", "in/../in")

    assert (ended.status, ended.err) == (
        2,
        (
            "importer: --archive in/../in: in/m.csv is in it already; name a folder that no manifest is "
            "taken from\n"
        ),
    )


def test_a_glob_that_comes_to_what_is_moved_is_refused_on_the_first_night(capsys: Output) -> None:
    good("m.csv")

    ended = here(capsys, "post", "*/*.csv", "--sandbox", "--archive", "done")

    assert (ended.status, ended.err) == (
        2,
        (
            "importer: --archive done: */*.csv takes what is in it; name a folder that no manifest is taken "
            "from\n"
        ),
    )
    assert names("in") == ["m.csv"]


def test_a_folder_on_another_disk_is_refused_before_anything_is_sent(capsys: Output) -> None:
    good("m.csv")

    ended = post(capsys, "--archive", "/proc")

    assert (ended.status, ended.err) == (
        2,
        (
            "importer: --archive /proc: on another disk than in/m.csv, and files are renamed, not copied; "
            "name a folder on the disk of in\n"
        ),
    )


def test_a_folder_that_can_not_be_made_is_refused(capsys: Output) -> None:
    ended = post(capsys, "--quarantine", "/proc/bad")

    assert (ended.status, ended.err) == (
        2,
        "importer: --quarantine /proc/bad: can't be made: No such file or directory; name another\n",
    )


def test_folders_are_for_posting_only(capsys: Output) -> None:
    assert here(capsys, "check", "in", *ARCHIVE).status == 2

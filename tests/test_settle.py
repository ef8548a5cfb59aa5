"""``importer settle`` as a user meets it: what is in doubt, what was found out, what the next run does."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from importer.ledger import Ledger
from importer.model import Entry, Intent, Outcome, State, Status
from tests.program import (
    Ended,
    Platform,
    Reply,
    Seen,
    configuration,
    created,
    end,
    here,
    manifest,
    parcels,
    refusal,
    settle_in,
    start,
    statuses,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

Output = pytest.CaptureFixture[str]
LEFT_ALONE = "expected it to be in doubt or rejected, so it was left alone"
FIRST, SECOND, THIRD = "1001/TRACK00000", "1002/TRACK00001", "1003/TRACK00002"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("ADM_TOKEN", "a-token")
    monkeypatch.setenv("LOGNAME", "kim")


@pytest.fixture
def platform(capsys: Output) -> Iterator[Platform]:
    """A platform that has created the first of three fulfillments; the other two are in doubt."""
    answers = iter([created, lambda _: Reply(502), lambda _: Reply(200, "{")])
    with Platform(lambda seen: next(answers, created)(seen)) as platform:  # noqa: PLW0108 - another each time
        configuration(Path("importer.toml"), platform.url, concurrency=1)
        parcels(Path("m.csv"), 3)
        assert here(capsys, "post", "m.csv", "--report", "first").status == 6
        yield platform


def settle(output: Output, *arguments: object) -> Ended:
    return here(output, "settle", *arguments)


def known(platform: Platform) -> dict[str, Entry]:
    """What the ledger has of the three fulfillments."""
    with Ledger("state/importer/ledger.db", readonly=True) as ledger:
        keys = [(order, number) for order, number in (name.split("/") for name in (FIRST, SECOND, THIRD))]
        return {"/".join(key): each for key, each in ledger.entries(f"adm {platform.url}", keys).items()}


def states(platform: Platform) -> dict[str, str]:
    return {name: str(entry.state) for name, entry in known(platform).items()}


def dated(text: str) -> str:
    """The text with every date as DAY."""
    return re.sub(r"\d{4}-\d\d-\d\d", "DAY", text)


# --- what is in doubt ----------------------------------------------------------------------------------


def test_what_is_in_doubt_is_listed_with_what_to_do(capsys: Output, platform: Platform) -> None:
    found = known(platform)

    listed = settle(capsys)

    at = [f"{found[name].at:%Y-%m-%d %H:%M:%S} UTC, run {found[name].run_id}" for name in (SECOND, THIRD)]
    assert (listed.status, listed.err) == (0, "")
    assert listed.out.splitlines() == [
        f"adm {platform.url}",
        f"  {SECOND}  since {at[0]}",
        f"      {found[SECOND].message}",
        f"  {THIRD}  since {at[1]}",
        f"      {found[THIRD].message}",
        "",
        "Look each up on the platform, then record what you found:",
        "  importer settle ORDER/TRACKING... --created        it is there; it is not sent again",
        "  importer settle ORDER/TRACKING... --not-created    it is not; the next run sends it",
    ]


def test_the_list_can_be_had_as_json(capsys: Output, platform: Platform) -> None:
    found = known(platform)

    listed = json.loads(settle(capsys, "--json").out)

    assert listed == [
        {
            "destination": f"adm {platform.url}",
            "fulfillment": name,
            "order_id": name[:4],
            "tracking_number": name[5:],
            "state": "in-doubt",
            "since": f"{found[name].at:%Y-%m-%dT%H:%M:%SZ}",
            "run_id": found[name].run_id,
            "code": "outcome-unknown",
            "message": found[name].message,
            "http_status": status,
            "attempts": 1,
        }
        for name, status in ((SECOND, 502), (THIRD, 200))
    ]


def test_what_a_dead_run_was_sending_is_listed_and_can_be_settled(capsys: Output) -> None:
    with Ledger("L") as ledger:
        ledger.intend(Intent("adm sandbox", ("1001",), "TRACK00000", "c1", "R")).result()

    listed = settle(capsys, "--ledger", "L")
    settled = settle(capsys, FIRST, "--created", "--ledger", "L")

    assert listed.out.splitlines()[2] == "      run R is sending it, or ended while it was"
    assert listed.out.splitlines()[-1] == (
        "  importer settle --ledger L ORDER/TRACKING... --not-created    it is not; the next run sends it"
    )
    assert dated(settled.out) == f"{FIRST}: settled by kim on DAY: created\n1 settled\n"


def test_where_nothing_is_in_doubt_it_says_so(capsys: Output) -> None:
    none = (settle(capsys), settle(capsys, "--json"))
    with Ledger("L"):
        pass
    empty = (settle(capsys, "--ledger", "L"), settle(capsys, "--ledger", "L", "--json"))

    assert [(each.status, each.out) for each in (*none, *empty)] == [
        (0, f"nothing is in doubt: there is no ledger at {Path.cwd()}/state/importer/ledger.db\n"),
        (0, "[]\n"),
        (0, "nothing is in doubt in the ledger L\n"),
        (0, "[]\n"),
    ]


def test_a_ledger_that_is_named_and_not_there_is_wrong_usage(capsys: Output) -> None:
    ended = here(capsys, "settle", "--ledger", "typo.db")

    assert (ended.status, ended.out) == (2, "")
    assert ended.err == "importer: --ledger typo.db: there is no ledger there\n"


def test_the_list_can_be_of_one_destination(capsys: Output, platform: Platform) -> None:
    assert len(json.loads(settle(capsys, "--to", "adm", "--json").out)) == 2
    assert json.loads(settle(capsys, "--sandbox", "--json").out) == []
    assert platform.names == [FIRST, SECOND, THIRD]


# --- what was found out --------------------------------------------------------------------------------


def test_what_was_found_there_is_skipped_and_what_was_not_is_sent(capsys: Output, platform: Platform) -> None:
    before = known(platform)
    there = settle(capsys, SECOND, "--created")
    gone = settle(capsys, THIRD, "--not-created", "--to", "adm")
    ledger = known(platform)
    again = here(capsys, "post", "m.csv", "--report", "again")

    assert [(each.status, dated(each.out), each.err) for each in (there, gone)] == [
        (0, f"{SECOND}: settled by kim on DAY: created\n1 settled\n", ""),
        (0, f"{THIRD}: settled by kim on DAY: not created\n1 settled\n", ""),
    ]
    assert [(ledger[name].state, ledger[name].code) for name in (SECOND, THIRD)] == [
        (State.CREATED, "settled"),
        (State.FAILED, "settled"),
    ]
    kept = [(each.run_id, each.attempts, each.http_status, each.content) for each in ledger.values()]
    assert kept == [(each.run_id, each.attempts, each.http_status, each.content) for each in before.values()]
    assert (again.status, platform.names) == (0, [FIRST, SECOND, THIRD, THIRD])
    rows = table(Path("again/rows.csv"))
    assert [(row["import_status"], row["import_code"], dated(row["import_message"])) for row in rows] == [
        ("skipped", "already-posted", f"created by run {dated(before[FIRST].run_id)}"),
        ("skipped", "settled", "settled by kim on DAY: created"),
        ("created", "", ""),
    ]


def test_several_are_settled_at_once_and_what_cannot_be_is_told(capsys: Output, platform: Platform) -> None:
    run = dated(known(platform)[FIRST].run_id)

    ended = settle(capsys, SECOND, FIRST, "7/TRACK77777", " 0001003 / track 00002", "--created")
    again = settle(capsys, SECOND, "1003 / TRACK 00002", "--created", "--to", "adm", "--json")

    assert (ended.status, again.status) == (1, 0)
    assert dated(ended.out).splitlines() == [
        f"{SECOND}: settled by kim on DAY: created",
        f"{FIRST}: found it created by run {run}, {LEFT_ALONE}",
        "7/TRACK77777: nothing of it is in the ledger for adm " + platform.url,
        "0001003/track 00002: nothing of it is in the ledger for adm " + platform.url,
        "1 settled, 3 could not be",
    ]
    assert [
        (each["fulfillment"], each["destination"], each["settled"]) for each in json.loads(again.out)
    ] == [
        (SECOND, f"adm {platform.url}", True),
        (THIRD, f"adm {platform.url}", True),
    ]


def test_what_a_person_said_by_mistake_can_be_taken_back_until_it_is_sent(
    capsys: Output, platform: Platform
) -> None:
    asked = len(platform.seen)
    for words in ("--not-created", "--created"):
        assert settle(capsys, SECOND, words).status == 0

    ended = here(capsys, "post", "m.csv", "--json")

    assert (ended.summary["rows"]["created"], len(platform.seen)) == (0, asked)


def test_what_was_refused_can_be_sent_again_once_the_platform_is_mended(capsys: Output) -> None:
    answers = iter([refusal(404)])
    with Platform(lambda seen: next(answers, None) or created(seen)) as platform:
        configuration(Path("importer.toml"), platform.url)
        parcels(Path("m.csv"), 1)
        first = here(capsys, "post", "m.csv", "--report", "first")
        settled = settle(capsys, FIRST, "--not-created")
        again = here(capsys, "post", "m.csv", "--report", "again")

    assert (first.status, settled.status, again.status) == (1, 0, 0)
    assert statuses(Path("again/rows.csv")) == {FIRST: "created"}


def test_what_is_refused_after_it_was_found_not_to_be_there_is_rejected(capsys: Output) -> None:
    answers = iter([refusal(500), refusal(404), refusal(404)])
    with Platform(lambda _: next(answers)) as platform:
        configuration(Path("importer.toml"), platform.url, max_attempts=1)
        parcels(Path("m.csv"), 1)
        ended = [here(capsys, "post", "m.csv") for _ in range(2)]
        ended += [settle(capsys, FIRST, "--not-created")]
        ended += [here(capsys, "post", "m.csv", "--report", "last")]

    assert [each.status for each in ended] == [1, 6, 0, 1]
    assert statuses(Path("last/rows.csv")) == {FIRST: "rejected"}


def test_a_shared_parcel_means_all_its_orders(capsys: Output) -> None:
    with Ledger("L") as ledger:
        shared = Intent("adm sandbox", ("1001", "1002"), "TRACK00000", "c1", "R")
        odd = Intent("adm sandbox", ("A+B/C",), "FF_1", "c1", "R")
        for intent in (shared, odd):
            ledger.intend(intent).result()
            ledger.record(intent, Outcome(Status.IN_DOUBT, "outcome-unknown", "no reply")).result()

    ended = settle(capsys, "1001+1002/TRACK00000", "A+B/C/FF_1", "--created", "--ledger", "L")

    assert (ended.status, dated(ended.out).splitlines()) == (
        0,
        [
            "1001/TRACK00000: settled by kim on DAY: created",
            "1002/TRACK00000: settled by kim on DAY: created",
            "A+B/C/FF_1: settled by kim on DAY: created",
            "3 settled",
        ],
    )


def doubted(ledger: Ledger, destination: str, status: Status = Status.IN_DOUBT) -> None:
    """Let the ledger have the first fulfillment at ``destination``."""
    intent = Intent(destination, ("1001",), "TRACK00000", "c1", "R")
    ledger.intend(intent).result()
    ledger.record(intent, Outcome(status, "code", "words")).result()


def test_what_is_in_doubt_at_several_destinations_needs_one_to_be_named(capsys: Output) -> None:
    configuration(Path("importer.toml"), "https://adm.example")
    with Ledger("L") as ledger:
        for destination in ("adm https://adm.example", "adm sandbox"):
            doubted(ledger, destination)

    unclear = settle(capsys, FIRST, "--created", "--ledger", "L")
    named = [
        settle(capsys, FIRST, "--created", "--ledger", "L", *to) for to in (("--to", "adm"), ("--sandbox",))
    ]

    assert unclear.status == 1
    assert unclear.out == (
        f"{FIRST}: found it for several destinations, adm https://adm.example, adm sandbox, so it was left "
        "alone; say which with --to or --sandbox\n0 settled, 1 could not be\n"
    )
    assert [each.status for each in named] == [0, 0]


def test_a_destination_that_has_created_it_is_not_meant(capsys: Output) -> None:
    with Ledger("L") as ledger:
        doubted(ledger, "adm sandbox", Status.CREATED)
        doubted(ledger, "adm https://adm.example")

    assert settle(capsys, FIRST, "--not-created", "--ledger", "L").status == 0


# --- from a file ---------------------------------------------------------------------------------------


def test_every_row_of_a_report_that_is_in_doubt_can_be_settled_at_once(
    capsys: Output, platform: Platform
) -> None:
    ended = settle(capsys, "--from", "first/rows.csv", "--created")

    assert (ended.status, dated(ended.out).splitlines()) == (
        0,
        [
            f"{SECOND}: settled by kim on DAY: created",
            f"{THIRD}: settled by kim on DAY: created",
            "2 settled",
        ],
    )
    assert set(states(platform).values()) == {"created"}


def test_what_was_rejected_is_not_taken_for_in_doubt(capsys: Output) -> None:
    with Ledger("L") as ledger:
        doubted(ledger, "adm sandbox", Status.REJECTED)
    parcels(Path("m.csv"), 1)

    ended = settle(capsys, "--from", "m.csv", "--created", "--ledger", "L")

    assert (ended.status, ended.out) == (0, "0 settled\n")


def with_column(path: Path, *values: str) -> None:
    """Add a column to a report, as a spreadsheet program saves it."""
    rows = [{"Settled": value, **row} for value, row in zip(values, table(path), strict=True)]
    with path.open("w", encoding="utf-16", newline="") as file:
        file.write("sep=;\n")
        writer = csv.DictWriter(file, [*rows[0]], delimiter=";")
        writer.writeheader()
        writer.writerows(rows)


def test_a_column_says_what_became_of_each_row(capsys: Output, platform: Platform) -> None:
    with_column(Path("first/errors.csv"), "Created", " not-created ")

    ended = settle(capsys, "--from", "first/errors.csv")

    assert (ended.status, dated(ended.out).splitlines()) == (
        0,
        [
            f"{SECOND}: settled by kim on DAY: created",
            f"{THIRD}: settled by kim on DAY: not created",
            "2 settled",
        ],
    )
    assert states(platform) == {FIRST: "created", SECOND: "created", THIRD: "failed"}


def test_the_same_numbers_in_other_ways_of_writing_are_the_same(capsys: Output, platform: Platform) -> None:
    rows = [
        '"=""1002""","=""TRACK 00001""",created',
        "\uff11\uff10\uff10\uff13.0,TRACK\u200b00002,not-created",
        "1001,TRACK00000,",
    ]
    manifest(Path("found.csv"), *rows, header="order id,tracking number,SETTLED")

    ended = settle(capsys, "--from", "found.csv")

    assert (ended.status, states(platform)) == (0, {FIRST: "created", SECOND: "created", THIRD: "failed"})


def test_a_row_that_says_what_it_cannot_say_keeps_all_from_being_recorded(
    capsys: Output, platform: Platform
) -> None:
    rows = [
        "1002,TRACK00001,created",
        "1002,TRACK00001,not-created",
        "1003,TRACK00002,maybe",
        ",TRACK00002,created",
        "1003,TRACK00002,created,more",
    ]
    manifest(Path("found.csv"), *rows, header="order_id,tracking_number,settled")

    ended = settle(capsys, "--from", "found.csv")

    assert (ended.status, ended.out) == (3, "")
    assert ended.err.removeprefix("importer: ").splitlines() == [
        "found.csv, row 3: settled: found 'not-created', but row 2 says 'created' of the same parcel",
        "found.csv, row 4: settled: found 'maybe', expected created, not-created, or nothing",
        "found.csv, row 5: settled: found 'created', but the row names no order and tracking number",
        "found.csv, row 6: settled: found 'created', but the row names no order and tracking number",
        "nothing was recorded",
    ]
    assert states(platform) == {FIRST: "created", SECOND: "in-doubt", THIRD: "in-doubt"}


@pytest.mark.parametrize(
    ("header", "arguments", "words"),
    [
        (
            "order_id,tracking_number,note",
            "",
            "found.csv: no column 'settled', expected one that says created or",
        ),
        (
            "order_id,tracking_number,settled",
            "--created",
            "found.csv, row 2: settled: found 'created', expected",
        ),
        ("order_id,settled,Settled", "", "found.csv, row 1: no column for tracking_number"),
        (
            "order_id,tracking_number,settled,SETTLED",
            "",
            "found.csv: 2 columns are called 'settled'; leave one",
        ),
    ],
)
def test_a_file_that_does_not_tell_is_refused(
    capsys: Output, platform: Platform, header: str, arguments: str, words: str
) -> None:
    cells = ["1002", "TRACK00001", "created", "created"][: header.count(",") + 1]
    manifest(Path("found.csv"), ",".join(cells), header=header)

    ended = settle(capsys, "--from", "found.csv", *arguments.split())

    assert (ended.status, ended.out) == (3, "")
    assert ended.err.startswith(f"importer: {words}")
    assert states(platform) == {FIRST: "created", SECOND: "in-doubt", THIRD: "in-doubt"}


def test_the_table_can_come_through_a_pipe(platform: Platform) -> None:
    process = start("settle", "--from", "-", stdin=-1)

    ended = end(process, "order_id\ttracking_number\tsettled\n1002\tTRACK00001\tcreated\n")

    assert (ended.status, dated(ended.out)) == (0, f"{SECOND}: settled by kim on DAY: created\n1 settled\n")
    assert states(platform) == {FIRST: "created", SECOND: "created", THIRD: "in-doubt"}


# --- what can't be done --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (f"{FIRST}", "say what became of them: --created or --not-created"),
        (f"{FIRST} --created --not-created", "--created and --not-created contradict each other"),
        (f"{FIRST} --created --from m.csv", "name fulfillments or a file with --from, not both"),
        ("--created", "no fulfillment was named: ORDER/TRACKING, or a file with --from"),
        ("1001 --created --ledger L", "found '1001', expected ORDER/TRACKING, as reports call a fulfillment"),
        (f"{FIRST} --created", "nothing can be settled: there is no ledger at "),
        (f"{FIRST} --created --to nowhere --ledger L", "--to nowhere: no such destination"),
    ],
)
def test_wrong_usage_is_told(capsys: Output, arguments: str, words: str) -> None:
    with Ledger("L"):
        pass

    ended = settle(capsys, *arguments.split())

    assert (ended.status, ended.out) == (2, "")
    assert words in ended.err


@pytest.mark.parametrize("to", [(), ("--to", "adm")])
def test_while_a_run_is_posting_nothing_is_settled(
    capsys: Output, platform: Platform, to: tuple[str, ...]
) -> None:
    with Ledger("state/importer/ledger.db") as ledger, ledger.lock(f"adm {platform.url}"):
        ended = settle(capsys, SECOND, "--created", *to)

    assert (ended.status, ended.out) == (5, "")
    assert f"another run is posting to adm {platform.url} with this ledger" in ended.err
    assert states(platform) == {FIRST: "created", SECOND: "in-doubt", THIRD: "in-doubt"}


# --- a ledger whose disk is gone -----------------------------------------------------------------------


def test_a_run_whose_ledger_vanishes_sends_nothing_more_and_says_what_is_in_doubt(capsys: Output) -> None:
    parcels(Path("m.csv"), 5)

    def vanish(seen: Seen) -> Reply:
        if len(small.seen) == 2:
            Path("disk").rename("elsewhere")
        return created(seen)

    with Platform(vanish) as small:
        configuration(Path("importer.toml"), small.url, concurrency=1)
        ended = here(capsys, "post", "m.csv", "--ledger", "disk/L", "--report", "R")
        Path("elsewhere").rename("disk")
        again = here(capsys, "post", "m.csv", "--ledger", "disk/L", "--report", "again")

    assert ended.status == 4
    assert "its file was moved, deleted or replaced while it was in use" in ended.out
    assert [*statuses(Path("R/rows.csv")).values()] == ["created", "in-doubt", *["not-sent"] * 3]
    assert (again.status, len(small.seen)) == (6, 5)
    assert [*statuses(Path("again/rows.csv")).values()] == ["skipped", "in-doubt", *["created"] * 3]

"""``importer explain`` as a user meets it: the whole history of a fulfillment, after real runs."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from importer.ledger import Ledger
from importer.model import Intent, Outcome, Status
from importer.sandbox import Sandbox, Store
from importer.sandbox.shops import Shop
from tests.program import (
    Ended,
    Platform,
    Reply,
    Seen,
    configuration,
    created,
    here,
    manifest,
    refusal,
    settle_in,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Output = pytest.CaptureFixture[str]
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
RUN_ID = re.compile(r"\d{4}-\d\d-\d\d-\d{6}-[0-9a-f]+")
UNKNOWN = (
    "importer: '{}': not the order id or tracking number of anything that {}, and no row of a report "
    "(REPORT:ROW); what a run refused before sending is in its report alone\n"
)
DONE = "nothing: it is there, and is never sent again"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("ADM_TOKEN", "a-token")
    monkeypatch.setenv("LOGNAME", "kim")


@pytest.fixture
def platform(capsys: Output) -> Iterator[Platform]:
    """A platform that a manifest of four parcels of two orders was posted to."""
    answers: dict[str, list[Callable[[Seen], Reply]]] = {
        "1001/TRACK00001": [created],
        "1001/TRACK00002": [lambda _: Reply(502), created],
        "1002/TRACK00003": [lambda _: refusal(500, "Server Error", "try again later"), created],
        "1002/TRACK00004": [lambda _: refusal(404, "Not Found", "no such order")],
    }

    def answer(seen: Seen) -> Reply:
        return answers[f"{seen.body['order_id']}/{seen.body['tracking_number']}"].pop(0)(seen)

    with Platform(answer) as platform:
        configuration(Path("importer.toml"), platform.url, concurrency=1)
        rows = ["1001,MUG,1,TRACK00001", "1001,MUG,1,TRACK00002"]
        rows += ["1002,MUG,1,TRACK00003", "1002,MUG,1,TRACK00004", "1003,MUG,0,TRACK00005"]
        manifest(Path("m.csv"), *rows)
        assert here(capsys, "post", "m.csv", "--report", "first").status == 6
        yield platform


def explain(output: Output, *arguments: object) -> Ended:
    return here(output, "explain", *arguments)


def lines(ended: Ended) -> list[str]:
    """What was printed, with every time and run id by these words."""
    assert (ended.status, ended.err) == (0, "")
    return [TIME.sub("TIME", RUN_ID.sub("RUN", line)) for line in ended.out.splitlines()]


def run(*, command: str = "m.csv", status: int = 6) -> str:
    return (
        f"  run RUN, post of {command}, by kim@{socket.gethostname()}, started TIME UTC, exit status {status}"
    )


def head(platform: Platform, name: str, now: str, then: str) -> list[str]:
    return [name, f"  to     adm {platform.url}", f"  now    {now}", f"  next   {then}"]


def first(platform: Platform) -> list[str]:
    return [
        *head(platform, "1001/TRACK00001", "created: posted, and the destination said so", DONE),
        run(),
        "    TIME  about to be sent",
        "    TIME  created (attempt 1, HTTP 200)",
    ]


def third(platform: Platform) -> list[str]:
    """The one that was tried twice."""
    return [
        *head(platform, "1002/TRACK00003", "created: posted, and the destination said so", DONE),
        run(),
        "    TIME  about to be sent",
        "    TIME  failed (attempt 1, HTTP 500): 500 Server Error: try again later",
        "    TIME  sent again, after the destination said that it had failed",
        "    TIME  created (attempt 2, HTTP 200)",
    ]


def fourth(platform: Platform) -> list[str]:
    """The one that was refused."""
    mend = (
        "mend the row, or the order on the platform (then say so: importer settle 1002/TRACK00004 "
        "--not-created), and post it again; unchanged it is not sent"
    )
    return [
        *head(platform, "1002/TRACK00004", "rejected: refused: the data must be mended", mend),
        run(),
        "    TIME  about to be sent",
        "    TIME  rejected (attempt 1, HTTP 404): 404 Not Found: no such order",
    ]


def test_the_history_of_a_tracking_number_is_told(capsys: Output, platform: Platform) -> None:
    assert lines(explain(capsys, "TRACK00001")) == first(platform)
    assert lines(explain(capsys, "TRACK00003")) == third(platform)


def test_all_fulfillments_of_an_order_are_told(capsys: Output, platform: Platform) -> None:
    assert lines(explain(capsys, " 1002")) == [*third(platform), "", *fourth(platform)]


def test_of_an_order_and_a_number_the_one_is_told(capsys: Output, platform: Platform) -> None:
    assert lines(explain(capsys, "1002/TRACK00004")) == fourth(platform)


def test_a_doubt_is_told_from_its_first_run_to_its_settling(capsys: Output, platform: Platform) -> None:
    name = "1001/TRACK00002"
    doubt = "in-doubt: sent, but it is not known whether it was created"
    look = (
        f"look it up on the platform, then say what you found: importer settle {name} --created, or "
        "--not-created; until then it is not sent again"
    )
    story = lines(explain(capsys, name))
    assert story[:6] == [*head(platform, name, doubt, look), run(), "    TIME  about to be sent"]
    assert [line.partition(": ")[0] for line in story[6:]] == ["    TIME  in doubt (attempt 1, HTTP 502)"]

    here(capsys, "settle", name, "--not-created")
    failed = ["failed: surely not created; run again", "post the manifest again: it is sent then"]
    settled = lines(explain(capsys, name))
    assert settled[:4] == head(platform, name, *failed)
    assert [re.sub(r"on \S+:", "on DAY:", line) for line in settled[4:]] == [
        *story[4:],
        "    TIME  settled by kim on DAY: not created",
    ]

    manifest(Path("n.csv"), "1001,MUG,1,TRACK00002")
    here(capsys, "post", "n.csv", "--report", "second")
    ended = lines(explain(capsys, name))
    assert ended[:4] == head(platform, name, "created: posted, and the destination said so", DONE)
    assert ended[4:] == [
        *settled[4:],
        run(command="n.csv", status=0),
        "    TIME  about to be sent",
        "    TIME  created (attempt 1, HTTP 200)",
    ]


def test_a_row_of_a_report_leads_to_its_fulfillment(capsys: Output, platform: Platform) -> None:
    told = ["first: row 2 of m.csv", "  then   created", "", *first(platform)]
    for name in ("first:2", "first:m.csv:2"):
        assert lines(explain(capsys, name)) == told
    for file in ("rows.csv", "errors.csv", "summary.json", "report.html"):
        assert lines(explain(capsys, f"first/{file}:5"))[0] == f"first/{file}: row 5 of m.csv"


@pytest.mark.usefixtures("platform")
def test_a_row_that_was_never_sent_is_told_with_the_words_of_the_report(capsys: Output) -> None:
    said, never = "quantity-below-one", "  the ledger has nothing of it: no run has sent it"
    told = lines(explain(capsys, "first:6"))
    assert (told[0], told[-1]) == ("first: row 6 of m.csv", never)
    assert told[1].startswith(f"  then   invalid ({said}): Qty Shipped: found '0', expected")
    assert told[2].startswith("  hint   delete the row if nothing of it was shipped")
    assert len(told) == 4


def test_of_a_row_that_was_left_out_of_what_is_there_it_is_not_told_that_all_is_well(capsys: Output) -> None:
    manifest(Path("part.csv"), "1001,MUG,1,TRACK00001", "1001,HAT,0,TRACK00001")
    assert here(capsys, "post", "part.csv", "--sandbox", "--partial", "--report", "r").status == 1

    then = (
        "it is there, and is never sent again; this row was not part of it, or was mended since: see to it "
        "on the platform"
    )
    for name, words in (("r:2", DONE), ("r:3", then), ("TRACK00001", DONE)):
        assert f"  next   {words}" in lines(explain(capsys, name))
        assert json.loads(explain(capsys, name, "--json").out)["fulfillments"][0]["next"] == words


def test_rows_of_a_report_on_several_files_are_told_apart(capsys: Output) -> None:
    for name, order in (("a:1.csv", "1001"), ("b.csv", "1002")):
        manifest(Path(name), f"{order},MUG,1,TRACK00001")
    here(capsys, "post", "a:1.csv", "b.csv", "--sandbox", "--report", "r")

    unclear = explain(capsys, "r:2")
    assert (unclear.status, unclear.out) == (2, "")
    words = "row 2 is in 2 files; say which: r:a:1.csv:2, r:b.csv:2"
    assert unclear.err == f"importer: r/rows.csv: {words}\n"
    assert lines(explain(capsys, "r:a:1.csv:2"))[:4:3] == ["r: row 2 of a:1.csv", "1001/TRACK00001"]
    assert lines(explain(capsys, "r:b.csv:2"))[:4:3] == ["r: row 2 of b.csv", "1002/TRACK00001"]


def test_a_row_is_told_whatever_torn_row_of_great_length_the_report_has(capsys: Output) -> None:
    torn = ",".join(["1002", "x" * 70_000, "1", "y" * 70_000, "surplus"])
    manifest(Path("m.csv"), torn, "1003,MUG,0,TRACK00003")
    assert here(capsys, "check", "m.csv", "--report", "r").status == 1

    told = lines(explain(capsys, "r:3"))
    assert (told[0], told[1].partition(":")[0]) == (
        "r: row 3 of m.csv",
        "  then   invalid (quantity-below-one)",
    )


@pytest.mark.usefixtures("platform")
def test_a_row_that_the_report_has_not_is_unknown(capsys: Output) -> None:
    for name, words in (("first:99", "no row 99"), ("first:n.csv:2", "no row 2 of 'n.csv'")):
        ended = explain(capsys, name)
        assert (ended.status, ended.out) == (1, "")
        assert ended.err == f"importer: first/rows.csv: {words} in its column import_row\n"


def test_what_is_no_report_is_refused(capsys: Output) -> None:
    manifest(Path("m.csv"), "1001,MUG,1,TRACK00001")
    Path("folder").mkdir()
    Path("bytes").write_bytes(b"\xff\xff")
    words = "found no report; expected the folder of a report, or its rows.csv, errors.csv or summary.json"
    for path in ("m.csv", "bytes", "folder"):
        assert explain(capsys, f"{path}:2") == Ended(2, "", f"importer: {path}: {words}\n")


@pytest.mark.usefixtures("platform")
@pytest.mark.parametrize("name", ["9999", "TRACK0000", "track00001", "1001/TRACK00003", "100", "1003"])
def test_what_is_not_known_is_not_guessed(capsys: Output, name: str) -> None:
    ended = explain(capsys, name)

    ledger = Path("state/importer/ledger.db").absolute()
    assert (ended.status, ended.out, ended.err) == (1, "", UNKNOWN.format(name, f"the ledger {ledger} has"))


def test_without_a_ledger_nothing_is_known(capsys: Output) -> None:
    ended, named = explain(capsys, "1001"), explain(capsys, "1001", "--ledger", "none.db")

    ledger = Path("state/importer/ledger.db").absolute()
    words = UNKNOWN.format("1001", f"was sent: there is no ledger at {ledger}")
    assert (ended.status, ended.out, ended.err) == (1, "", words)
    assert (named.status, named.err) == (2, "importer: --ledger none.db: there is no ledger there\n")
    assert not Path("state").exists()


def test_each_destination_that_has_it_is_told_or_the_one_that_is_named(
    capsys: Output, platform: Platform
) -> None:
    here(capsys, "post", "m.csv", "--sandbox", "--report", "second")

    both, one = explain(capsys, "TRACK00001"), explain(capsys, "TRACK00001", "--to", "adm")
    assert [line for line in lines(both) if line.startswith("  to ")] == [
        f"  to     adm {platform.url}",
        "  to     adm sandbox",
    ]
    assert lines(one) == first(platform)


def test_the_shares_of_a_shared_parcel_are_told_by_its_name(capsys: Output) -> None:
    shared = Intent("adm sandbox", ("1001", "1002"), "TRACK00001", "c1", "run-1")
    with Ledger("l.db") as ledger:
        ledger.intend(shared).result()
        ledger.record(shared, Outcome(Status.NOT_SENT, "run-stopped", "not sent: SIGINT")).result()

    told = lines(explain(capsys, "1001+1002/TRACK00001", "--ledger", "l.db"))

    story = [
        "  to     adm sandbox",
        "  now    not-sent: the run stopped before",
        "  next   post the manifest again: it is sent then",
        "  run run-1",  # that the ledger knows nothing else of
        "    TIME  about to be sent",
        "    TIME  not sent: not sent: SIGINT",
    ]
    assert told == ["1001/TRACK00001", *story, "", "1002/TRACK00001", *story]


def test_what_a_run_is_sending_is_told_as_such_and_when_found_so_as_in_doubt(capsys: Output) -> None:
    with Ledger("l.db") as ledger:
        ledger.intend(Intent("adm sandbox", ("1001",), "TRACK00001", "c1", "run-1")).result()
    sending = lines(explain(capsys, "1001", "--ledger", "l.db"))
    assert sending[2:] == [
        "  now    being sent by run run-1, or left so when that run ended",
        "  next   wait for the run to end; if it has ended, post the manifest again, which finds this out",
        "  run run-1",
        "    TIME  about to be sent",
    ]

    with Ledger("l.db") as ledger:
        ledger.recover("adm sandbox")
    found = lines(explain(capsys, "1001", "--ledger", "l.db"))
    killed = "the run ended while sending it, so that it is not known whether it was created"
    assert found[-2:] == [sending[-1], f"    TIME  in doubt: {killed}"]
    assert "importer settle --ledger l.db 1001/TRACK00001 --created" in found[3]


def test_what_a_shop_was_asked_is_told(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "a-token")
    order = {"order_id": "1001", "number": "#1", "line_items": [{"sku": "MUG", "quantity": 1}]}
    shop = Shop.of({"shoplazza": {"orders": [order]}}, "the orders")
    with Sandbox(Store(()), "a-token", shop=shop) as sandbox:
        Path("importer.toml").write_text(
            f'[destinations.shop]\nkind = "shoplazza"\nbase_url = "{sandbox.url}"\ntoken_env = "SHOP_TOKEN"\n'
        )
        manifest(Path("m.csv"), "1001,MUG,1,TRACK00001")
        assert here(capsys, "post", "m.csv", "--to", "shop", "--report", "r").status == 1
        told = lines(explain(capsys, "TRACK00001"))

    nothing = "the ledger has nothing of it: no run has sent it"
    mend = "mend what the destination said, if it said anything, and post the manifest again"
    assert told == [
        "1001/TRACK00001",
        f"  to     shoplazza {sandbox.url}",
        f"  now    {nothing}",
        f"  next   {mend}",
        run(status=1),
        "    TIME  looked up on the platform: the order has no fulfillment",
    ]


def test_it_can_be_had_as_one_json_object(capsys: Output, platform: Platform) -> None:
    ended = explain(capsys, "first:5", "--json")
    found = json.loads(ended.out)
    run_id = json.loads(Path("first/summary.json").read_text())["run_id"]
    story = found["fulfillments"][0]
    times = [story["runs"][0].pop("started_at"), story["runs"][0].pop("finished_at")]
    times += [each.pop("at") for each in story["history"]]

    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", time) for time in times)
    assert (found["row"]["report"], found["row"]["fulfillment"]) == ("first", "1002/TRACK00004")
    message = "404 Not Found: no such order"
    event = {"run_id": run_id, "attempt": 0, "code": "", "message": "", "http_status": None}
    answer = {"attempt": 1, "code": "destination-404", "message": message, "http_status": 404}
    assert found["fulfillments"] == [
        {
            "destination": f"adm {platform.url}",
            "fulfillment": "1002/TRACK00004",
            "order_id": "1002",
            "tracking_number": "TRACK00004",
            "state": "rejected",
            "code": "destination-404",
            "message": message,
            "next": fourth(platform)[3].removeprefix("  next   "),
            "runs": [
                {
                    "run_id": run_id,
                    "command": "post",
                    "manifests": ["m.csv"],
                    "who": f"kim@{socket.gethostname()}",
                    "report": "first",
                    "exit_status": 6,
                }
            ],
            "history": [{**event, "event": "sending"}, {**event, **answer, "event": "rejected"}],
        }
    ]


def test_a_row_that_was_never_sent_is_an_object_without_fulfillments(
    capsys: Output, platform: Platform
) -> None:
    found = json.loads(explain(capsys, "first:6", "--json").out)

    assert (found["row"]["status"], found["fulfillments"], platform.names[-1]) == (
        "invalid",
        [],
        "1002/TRACK00004",
    )


def test_what_came_from_elsewhere_cannot_steer_the_terminal(capsys: Output) -> None:
    with Ledger("l.db") as ledger:
        shady = Intent("adm sandbox", ("1001",), "\x1b[31m", "c1", "run-1")
        ledger.intend(shady).result()
        ledger.record(shady, Outcome(Status.REJECTED, "x", "\x1b]0;title\x07")).result()

    assert "\x1b" not in explain(capsys, "1001", "--ledger", "l.db").out

"""Messages to people about a run: who is told of which, what they read, and what a mail carries."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from importer.ledger import Run
from importer.model import STATUSES
from importer.report import Examples, Summary
from importer.settings import Secret
from importer.watching import messages
from importer.watching.ending import Ending
from importer.watching.messages import Message, Troubles
from importer.watching.telling import TellOn
from importer.watching.unreported import Note
from tests.program import Platform, Reply, Seen, configuration, created, here, manifest, parcels, settle_in
from tests.receivers import MailServer, Receiver, free_port

if TYPE_CHECKING:
    Output = pytest.CaptureFixture[str]

AT = datetime(2024, 4, 30, 2, tzinfo=UTC)
NOTHING = dict.fromkeys(map(str, STATUSES), 0)
SUMMARY = Summary(
    run_id="2024-04-30-020000-abcd",
    command="post",
    destination="adm https://api.example.com",
    manifests=(),
    rows=NOTHING | {"created": 1, "invalid": 4, "total": 5},
    fulfillments=NOTHING | {"created": 1, "invalid": 4, "total": 5},
    errors={
        "blank-sku": Examples(4, [("m.csv", row, f"Item\x1b SKU: blank in {row}") for row in (2, 3, 4)]),
        "destination-418": Examples(1, [("m.csv", 9, "418: a teapot")]),
    },
    warnings={},
    started_at=AT,
    finished_at=AT + timedelta(seconds=61),
    exit_status=1,
    stopped_because="",
    reports={"rows": "/R/rows.csv", "errors": "/R/errors.csv", "page": "/R/report.html"},
    to_mend=4,
    attention="f0",
)
ENDING = Ending("post", "adm", AT, AT + timedelta(seconds=61), 1, SUMMARY)
FAILED = Ending("post", "adm", AT, AT, 2, trouble="--to adm: base_url is missing")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("ADM_TOKEN", "a-token")
    parcels(tmp_path / "m.csv", 2)


def test_people_read_what_happened_what_needs_attention_and_where_the_report_is() -> None:
    assert messages.compose(ENDING) == Message(
        title="importer post to adm: needs attention (exit status 1)",
        body="""\
Of 5 rows, 1 is posted and 4 need attention

Run 2024-04-30-020000-abcd, 0 manifests, 5 rows, 5 fulfillments, 61.0 s
  created: 1 row
  invalid: 4 rows

What needs attention:
  blank-sku  4 rows  The SKU is missing.
      m.csv row 2: Item\\x1b SKU: blank in 2
      m.csv row 3: Item\\x1b SKU: blank in 3
      m.csv row 4: Item\\x1b SKU: blank in 4
      … and 1 more
  destination-418  1 row  The destination refused it with HTTP status 418; the message has its own words.
      m.csv row 9: 418: a teapot

Report: /R/report.html
Mend:   /R/errors.csv (4 rows)""",
        fine=False,
        files=(Path("/R/errors.csv"), Path("/R/report.html")),
    )


def test_people_read_why_a_run_could_not_start() -> None:
    assert messages.compose(FAILED) == Message(
        title="importer post to adm: needs attention (exit status 2)",
        body="--to adm: base_url is missing",
        fine=False,
    )


def test_people_read_the_whole_of_why_there_is_no_report_as_what_to_do_stands_at_its_end() -> None:
    trouble = f"the report can't be written to /{'r' * 1000}: No space left; make room"

    assert messages.compose(replace(FAILED, trouble=trouble)).body == trouble


def test_a_run_that_stopped_early_says_so_first() -> None:
    stopped = replace(SUMMARY, stopped_because="the destination can't be reached")

    (first, *_) = messages.compose(replace(ENDING, summary=stopped)).body.splitlines()

    assert first == (
        "Of 5 rows, 1 is posted and 4 need attention. Stopped early: the destination can't be reached"
    )


def test_rows_that_are_only_not_sent_yet_are_not_to_be_mended() -> None:
    rows = NOTHING | {"created": 1, "not-sent": 4, "total": 5}
    stopped = replace(SUMMARY, rows=rows, errors={}, stopped_because="it is 06:00")

    body = messages.compose(replace(ENDING, summary=stopped)).body

    assert body.splitlines() == [
        "Of 5 rows, 1 is posted and 4 are still to be sent. Stopped early: it is 06:00",
        "",
        "Run 2024-04-30-020000-abcd, 0 manifests, 5 rows, 5 fulfillments, 61.0 s",
        "  created: 1 row",
        "  not-sent: 4 rows",
        "",
        "Report: /R/report.html",
    ]


def test_of_many_codes_the_most_frequent_are_shown() -> None:
    errors = {f"destination-{number}": Examples(number) for number in range(400, 430)}

    body = messages.compose(replace(ENDING, summary=replace(SUMMARY, errors=errors))).body

    assert "  destination-429  429 rows  The destination answered with HTTP status 429 " in body
    assert "  destination-409" not in body
    assert "  … and 10 codes more\n" in body


FINE = replace(ENDING, exit_status=0, summary=replace(SUMMARY, attention="", exit_status=0))


@pytest.mark.parametrize(
    ("when", "ending", "before", "wanted"),
    [
        (TellOn.FAILURE, FINE, Troubles("", 0), False),
        (TellOn.FAILURE, ENDING, Troubles("f0", 1), True),
        (TellOn.FAILURE, FAILED, Troubles("", 0), True),
        (TellOn.ALWAYS, FINE, Troubles("", 0), True),
        (TellOn.CHANGE, FINE, Troubles("", 0), False),
        (TellOn.CHANGE, FINE, Troubles("f0", 1), True),
        (TellOn.CHANGE, ENDING, Troubles("f0", 1), False),
        (TellOn.CHANGE, ENDING, Troubles("f1", 1), True),
        (TellOn.CHANGE, ENDING, Troubles("f0", 6), True),
        (TellOn.CHANGE, FAILED, Troubles("f0", 1), True),
    ],
)
def test_who_wants_to_be_told_of_which_run(
    when: TellOn,
    ending: Ending,
    before: Troubles,
    *,
    wanted: bool,
) -> None:
    assert messages.is_wanted(when, ending, lambda _: before) is wanted


def test_the_run_before_is_the_last_to_the_same_destination_that_came_to_an_end() -> None:
    def run(run_id: str, destination: str, attention: str, exit_status: int | None = 1) -> Run:
        summary = "" if exit_status is None else json.dumps({"attention": attention})
        return Run(run_id, "post", destination, (), "R", AT, exit_status=exit_status, summary=summary)

    runs = [
        run(SUMMARY.run_id, SUMMARY.destination, "f0"),
        run("killed", SUMMARY.destination, "", None),
        run("elsewhere", "adm https://example.com", "e1"),
        run("the one", SUMMARY.destination, "a2"),
        run("older", SUMMARY.destination, "a3"),
    ]
    unreported = replace(runs[3], exit_status=4, summary="")

    assert messages.earlier(runs, SUMMARY) == Troubles("a2", 1)
    assert messages.earlier(runs[:3], SUMMARY) == Troubles("", 0)
    assert messages.earlier([*runs[:3], unreported, runs[4]], SUMMARY) == Troubles("", 4)


def test_of_a_plan_people_read_of_all_jobs_and_get_the_files_of_those_that_need_attention() -> None:
    message = messages.compose_all("post --plan n.toml", {"acme": FINE, "globex": ENDING, "i": FAILED}, 2)

    assert (message.title, message.fine, message.files) == (
        "importer post --plan n.toml: needs attention (exit status 2)",
        False,
        (Path("/R/errors.csv"), Path("/R/report.html")),
    )
    assert message.body == "\n".join(
        [
            "acme    fine",
            "globex  needs attention (exit status 1)",
            "i       needs attention (exit status 2)",
            *("", "--- acme ---", messages.compose(FINE).body),
            *("", "--- globex ---", messages.compose(ENDING).body),
            *("", "--- i ---", "--to adm: base_url is missing"),
        ]
    )


def test_the_run_before_of_a_job_is_its_own() -> None:
    def run(report: str, attention: str) -> Run:
        summary = json.dumps({"attention": attention})
        return Run("R", "post", SUMMARY.destination, (), report, AT, exit_status=1, summary=summary)

    runs = [run("reports/N2/globex", "g2"), run("reports/N1/acme", "a1"), run("reports/N1/globex", "g1")]

    assert messages.earlier(runs, SUMMARY, job="acme") == Troubles("a1", 1)
    assert messages.earlier(runs, SUMMARY, job="initech") == Troubles("", 0)


def test_a_chat_is_told_of_a_failure_and_not_of_success(capsys: Output) -> None:
    with Receiver() as chat:
        to = ("--sandbox", "--tell", f"json://127.0.0.1:{chat.port}/hook")
        fine = here(capsys, "post", "m.csv", *to)
        manifest(Path("faulty.csv"), "1001,MUG,0,TRACK1")
        faulty = here(capsys, "post", "faulty.csv", *to)

    assert [(each.status, each.err) for each in (fine, faulty)] == [(0, ""), (1, "")]
    (heard,) = chat.heard
    told = json.loads(heard.body)
    assert (told["title"], told["type"], told["attachments"]) == (
        "importer post to adm: needs attention (exit status 1)",
        "failure",
        [],
    )
    assert told["message"].startswith("The only row needs attention\n")


def test_on_change_people_are_told_once_of_a_trouble_and_once_of_its_end(capsys: Output) -> None:
    faulty = ("1001,MUG,0,TRACK1", "1002,MUG,1,TRACK2")
    nights = [faulty, faulty, reversed(faulty), (*faulty, "1003,,1,TRACK3"), faulty[1:], faulty[1:]]
    told: list[int] = []
    with Receiver() as chat:
        for rows in nights:
            manifest(Path("m.csv"), *rows)
            tell = ("--tell", f"json://127.0.0.1:{chat.port}", "--tell-on", "change")
            here(capsys, "post", "m.csv", "--sandbox", *tell)
            told.append(len(chat.heard))

    assert told == [1, 1, 1, 2, 3, 3]


def test_on_change_people_are_told_that_a_run_without_a_report_is_over(capsys: Output) -> None:
    def gone(seen: Seen) -> Reply:
        shutil.rmtree("R", ignore_errors=True)
        return created(seen)

    told: list[tuple[int, int]] = []
    with Receiver() as chat, Platform(gone) as platform:
        configuration(Path("importer.toml"), platform.url)
        for night, folder in enumerate(("A", "R", "C", "D")):
            parcels(Path("m.csv"), night + 1)
            tell = ("--tell", f"json://127.0.0.1:{chat.port}", "--tell-on", "change", "--report", folder)
            told.append((here(capsys, "post", "m.csv", *tell).status, len(chat.heard)))

    assert told == [(0, 0), (4, 1), (0, 2), (0, 2)]


@pytest.mark.parametrize("by_plan", [False, True], ids=["run", "plan"])
def test_on_change_people_are_told_that_the_ledger_is_back(capsys: Output, *, by_plan: bool) -> None:
    Path("nightly.toml").write_text('[[job]]\nname = "a"\nmanifests = "m.csv"\nto = "adm"\n')
    what = ("--plan", "nightly.toml") if by_plan else ("m.csv",)
    told: list[tuple[int, int]] = []
    with Receiver() as chat, Platform() as platform:
        configuration(Path("importer.toml"), platform.url)
        tell = ("--tell", f"json://127.0.0.1:{chat.port}", "--tell-on", "change")
        for night in ("well", "gone", "gone", "well", "well"):
            if night == "gone":
                Path("away.toml").write_text("this is no ledger, and nothing can be posted with it" * 99)
            ledger = "l.db" if night == "well" else "away.toml"
            Path("link.db").unlink(missing_ok=True)
            Path("link.db").symlink_to(ledger)
            ended = here(capsys, "post", *what, *tell, "--ledger", "link.db")
            told.append((ended.status, len(chat.heard)))

    assert told == [(0, 0), (4, 1), (4, 2), (0, 3), (0, 3)]


def test_on_change_people_are_told_that_a_plan_can_be_read_again(capsys: Output) -> None:
    good = '[[job]]\nname = "a"\nmanifests = "*.none"\nto = "adm"\n'
    told: list[tuple[int, int]] = []
    with Receiver() as chat, Platform() as platform:
        configuration(Path("importer.toml"), platform.url)
        tell = ("--tell", f"json://127.0.0.1:{chat.port}", "--tell-on", "change")
        for text in (good, "[[job", good, good):
            Path("nightly.toml").write_text(text)
            ended = here(capsys, "post", "--plan", "nightly.toml", *tell)
            told.append((ended.status, len(chat.heard)))

    assert told == [(0, 0), (2, 1), (0, 2), (0, 2)]


def test_where_no_note_can_be_kept_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    note = Note(tmp_path / "file", "post to adm")

    note.put()
    note.take_away()

    assert not note.is_there


def test_a_dry_run_is_not_remembered_so_that_nothing_can_change(capsys: Output) -> None:
    ended = here(capsys, "check", "m.csv", "--tell", "json://127.0.0.1:9", "--tell-on", "change")

    assert ended.status == 2
    assert "--tell-on change: no dry run is remembered; use failure or always" in ended.err


def test_a_mail_brings_the_rows_to_mend_and_the_page(capsys: Output) -> None:
    manifest(Path("m.csv"), "1001,MUG,0,TRACK1")
    with MailServer() as server:
        url = f"mailto://127.0.0.1:{server.port}?from=night@example.com&to=ops@example.com"
        here(capsys, "post", "m.csv", "--sandbox", "--tell", url, "--report", "a report?x=1")

    (mail,) = server.mails
    assert (mail["Subject"], mail["To"]) == (
        "importer post to adm: needs attention (exit status 1)",
        "ops@example.com",
    )
    carried = {part.get_filename(): part.get_payload(decode=True) for part in mail.iter_attachments()}
    report = Path("a report?x=1")
    assert carried == {name: (report / name).read_bytes() for name in ("errors.csv", "report.html")}
    body = mail.get_body(("plain",))
    assert body is not None
    assert body.get_content().startswith("The only row needs attention")


def test_what_is_too_big_for_a_mail_is_named_only() -> None:
    for name in ("errors.csv", "report.html"):
        Path(name).write_bytes(b" " * (messages.MOST_ATTACHED_BYTES // 2 + 1))
    reports = {"rows": "rows.csv", "errors": "errors.csv", "page": "report.html"}
    message = messages.compose(replace(ENDING, summary=replace(SUMMARY, reports=reports)))
    with MailServer() as server:
        url = Secret(f"mailto://127.0.0.1:{server.port}?from=night@example.com&to=ops@example.com")
        failed = messages.send([url], message)

    (mail,) = server.mails
    assert (failed, list(mail.iter_attachments())) == ([], [])
    assert f"Report: {Path('report.html').absolute()}\nIt is too big to be attached\n" in message.body


def test_whom_nobody_could_tell_is_a_warning_without_the_address(capsys: Output) -> None:
    url = f"mailto://a-user:a-secret@127.0.0.1:{free_port()}?from=night@example.com"

    ended = here(capsys, "post", "m.csv", "--sandbox", "--tell", url, "--tell-on", "always")

    assert (ended.status, ended.err) == (
        0,
        "importer: warning: --tell mailto://***: nobody was told; try it with: apprise -vv --body test URL\n",
    )


def test_an_address_that_nobody_knows_is_refused_unseen(capsys: Output) -> None:
    ended = here(capsys, "post", "m.csv", "--sandbox", "--tell", "pigeon://a-secret")

    assert ended.status == 2
    assert "number 1 is not an address that Apprise knows" in ended.err
    assert "a-secret" not in ended.err


def test_a_wrong_address_in_the_environment_is_left_out_and_the_others_are_told(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver() as chat:
        monkeypatch.setenv("IMPORTER_POST_TELL", f"pigeon://a-secret json://127.0.0.1:{chat.port}")
        ended = here(capsys, "post", "m.csv", "--sandbox", "--tell-on", "always")

    assert (ended.status, len(chat.heard)) == (0, 1)
    assert ended.err == (
        "importer: warning: IMPORTER_POST_TELL: number 1 is not an address that Apprise knows, such as "
        "mailtos://USER:PASSWORD@example.com?to=ops@example.com (see the Apprise wiki); it is left out\n"
    )


def test_one_that_never_answers_keeps_nobody() -> None:
    message = Message("title", "body", fine=True)
    with Receiver([None]) as chat, Receiver() as other:
        urls = [Secret(f"json://127.0.0.1:{port}") for port in (chat.port, other.port)]
        failed = messages.send(urls, message, limit=1.0)

    assert failed == urls[:1]
    assert len(other.heard) == 1

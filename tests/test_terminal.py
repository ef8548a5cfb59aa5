"""What a person sees: whole screens, compared as text."""

import errno
from datetime import timedelta
from io import StringIO
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console

from importer.ledger import Run
from importer.model import Status
from importer.report import Examples, ManifestRead, Summary, runs, terminal
from importer.report.phrases import cause
from importer.report.progress import Bar, bar
from schemas.codes import CODES
from tests.test_summary import AT, NOTHING, SUMMARY
from tests.test_summary import READ as READ_WITH_OTHERS

AGAIN = "importer post {} --to adm"
READ = replace(READ_WITH_OTHERS, other_columns={})
FINE = replace(
    SUMMARY,
    manifests=[replace(READ, name="m.csv", header_row=1, passed_over=())],
    rows=NOTHING | {"created": 1200, "skipped": 34, "total": 1234},
    fulfillments=NOTHING | {"created": 1000, "skipped": 1, "total": 1001},
    errors={},
    warnings={},
    exit_status=0,
)


def shown(summary: Summary, *, verbose: bool = False, **console: Any) -> str:  # noqa: ANN401 - as Console has them
    text = StringIO()
    terminal.show(Console(file=text, **{"width": 100, **console}), summary, again=AGAIN, verbose=verbose)
    return text.getvalue()


def meaning(code: str) -> str:
    return CODES[code].meaning


def hint(code: str) -> str:
    return CODES[code].hint


def test_a_run_in_which_all_went_well_is_told_in_a_few_lines() -> None:
    assert shown(FINE) == dedent(
        """\
        post to adm https://api.example.com  run 2024-04-30-120000-abcd, 61.0 s
        1 manifest, 1,234 rows, 1,001 fulfillments

                            rows   fulfillments
          created          1,200          1,000  posted, and the destination said so
          skipped             34              1  done already

        Report: R/rows.csv
        """
    )


def test_a_run_that_needs_attention_says_what_is_wrong_where_and_what_to_do() -> None:
    summary = replace(
        SUMMARY,
        manifests=[
            replace(READ, name="a.csv"),
            replace(READ, name="b b.csv", header_row=1, passed_over=(9,) * 4),
        ],
        rows=NOTHING
        | {"created": 1, "invalid": 5, "held": 9, "rejected": 1, "in-doubt": 1, "not-sent": 2, "total": 19},
        to_mend=18,
        fulfillments=NOTHING
        | {"created": 1, "held": 7, "rejected": 1, "in-doubt": 1, "not-sent": 2, "total": 12},
        errors={
            "parcel-held": Examples(9, [("a.csv", 7, "held back")]),
            "blank-sku": Examples(
                5, [("a.csv", 3, "blank"), ("a.csv", 4, "blank"), ("b b.csv", 2, "blank; both")]
            ),
            "bad-quantity": Examples(1, [("b b.csv", 2, "blank; both")]),
            "destination-404": Examples(1, [("a.csv", 5, "404 Order Not Found")]),
        },
        warnings={"tracking-check-digit": Examples(1, [("a.csv", 2, "fails")])},
        stopped_because="interrupted by SIGINT",
        exit_status=130,
    )

    assert shown(summary) == dedent(
        f"""\
        post to adm https://api.example.com  run 2024-04-30-120000-abcd, 61.0 s
        2 manifests, 19 rows, 12 fulfillments

                            rows   fulfillments
          created              1              1  posted, and the destination said so
          invalid              5              0  the row is faulty
          held                 9              7  fine, but held back by a faulty row
          rejected             1              1  refused: the data must be mended
          in-doubt             1              1  sent, but it is not known whether it was created
          not-sent             2              2  the run stopped before

        What needs attention
          blank-sku  5 rows  {meaning("blank-sku")}
              a.csv row 3: blank
              a.csv row 4: blank
              b b.csv row 2: blank; both
              … and 2 more
              → {hint("blank-sku")}
          bad-quantity  1 row  {meaning("bad-quantity")}
              b b.csv row 2: see above
              → {hint("bad-quantity")}
          destination-404  1 row  The destination refused it with HTTP status 404; the message has its own words.
              a.csv row 5: 404 Order Not Found
              → {hint("destination-NNN")}
          parcel-held  9 rows  {meaning("parcel-held")}
              a.csv row 7: held back
              … and 8 more
              → {hint("parcel-held")}

        Warnings
          tracking-check-digit  1 row  {meaning("tracking-check-digit")}
              a.csv row 2: fails
              → {hint("tracking-check-digit")}

          a.csv: the header is row 3; what stands above it is no data
          a.csv: row 6 is a total, no data
          b b.csv: rows 9, 9, 9 … are totals, no data

        Stopped early: interrupted by SIGINT

        Report: R/rows.csv
        Mend:   R/errors.csv (16 rows besides 2 not sent)
        Next:   run the same command again; what is done is skipped
        Then:   mend the rows, then: importer post R/errors.csv --to adm
        Doubt:  look up the rows that are in doubt on the platform, then say what you found with importer settle (alone it lists them); until then they are not sent again
        """  # noqa: E501 - the line as it is
    )


@pytest.mark.parametrize(
    ("command", "rows", "steps"),
    [
        ("check", {"ready": 2, "total": 2}, ["Next:   importer post m.csv 'a b.csv' --to adm"]),
        ("check", {"skipped": 2, "total": 2}, []),
        (
            "post",
            {"created": 1, "invalid": 1, "total": 2},
            [
                "Mend:   R/errors.csv (1 row)",
                "Next:   mend the rows, then: importer post R/errors.csv --to adm",
            ],
        ),
        (
            "post",
            {"failed": 1, "invalid": 1, "total": 2},
            [
                "Mend:   R/errors.csv (2 rows)",
                "Next:   run the same command again; what is done is skipped",
                "Then:   mend the rows, then: importer post R/errors.csv --to adm",
            ],
        ),
        (
            "post",
            {"failed": 1, "created": 1, "total": 2},
            [
                "Open:   R/errors.csv (1 row)",
                "Next:   run the same command again; what is done is skipped",
            ],
        ),
        (
            "post",
            {"not-sent": 2, "created": 1, "total": 3},
            ["Next:   run the same command again; what is done is skipped"],
        ),
        (
            "post",
            {"failed": 1, "not-sent": 2, "total": 3},
            [
                "Open:   R/errors.csv (1 row besides 2 not sent)",
                "Next:   run the same command again; what is done is skipped",
            ],
        ),
    ],
)
def test_the_last_lines_say_what_to_do_next(command: str, rows: dict[str, int], steps: list[str]) -> None:
    manifests = [replace(READ, name=name, header_row=1, passed_over=()) for name in ("m.csv", "a b.csv")]
    to_mend = sum(count for status, count in rows.items() if status in {"invalid", "failed", "not-sent"})
    summary = replace(FINE, command=command, manifests=manifests, rows=NOTHING | rows, to_mend=to_mend)

    assert shown(summary).splitlines()[-1 - len(steps) :] == ["Report: R/rows.csv", *steps]


def test_rows_to_mend_are_told_also_where_manifests_repeat_rows() -> None:
    summary = replace(FINE, rows=NOTHING | {"invalid": 2, "not-sent": 4, "total": 6}, to_mend=3)

    assert "Mend:   R/errors.csv (2 rows besides 4 not sent)" in shown(summary).splitlines()


@pytest.mark.parametrize(
    ("rows", "step"),
    [
        ({"created": 1, "invalid": 1, "total": 2}, "Marked: R/report.xlsx (the bad cells marked)"),
        ({"created": 1, "rejected": 1, "total": 2}, "Sheets: R/report.xlsx"),
        ({"created": 2, "total": 2}, "Sheets: R/report.xlsx"),
    ],
)
def test_cells_of_the_workbook_are_said_to_be_marked_only_where_some_are(
    rows: dict[str, int], step: str
) -> None:
    reports = {**FINE.reports, "xlsx": "R/report.xlsx"}
    summary = replace(FINE, rows=NOTHING | rows, reports=reports)

    assert step in shown(summary).splitlines()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            "destination-400",
            "The destination refused it with HTTP status 400; the message has its own words.",
        ),
        ("destination-503", "The destination answered with HTTP status 503 as often as it was tried."),
        ("destination-429", "The destination answered with HTTP status 429 as often as it was tried."),
        ("destination-302", "The destination redirects (302), and the run stopped."),
        ("destination-403", "The destination refused the token (401, 403 or 407), and the run stopped."),
        ("destination-5NN", CODES["destination-5NN"].meaning),
        ("blank-sku", CODES["blank-sku"].meaning),
        ("of-a-later-version", ""),
    ],
)
def test_what_a_code_means_has_its_own_number(code: str, words: str) -> None:
    assert cause(code) == words


@pytest.mark.parametrize(
    ("ledger", "later", "named"),
    [
        ("l.db", False, "l.db"),
        ("l.db", True, str(Path("l.db").absolute())),
        ("postgresql://host/l", True, "postgresql://host/l"),
    ],
)
def test_who_may_be_in_another_folder_is_told_the_ledger_s_whole_path(
    ledger: str, named: str, *, later: bool
) -> None:
    summary = replace(FINE, rows=NOTHING | {"in-doubt": 1, "total": 1}, ledger=ledger)

    *_, (_, _, doubt) = terminal.next_steps(
        summary, f"importer post {{}} --ledger {ledger}", named_report=False, later=later
    )

    assert f"with importer settle --ledger {named} (alone it lists them)" in doubt


def test_a_run_without_data_rows_says_so() -> None:
    summary = replace(FINE, destination="", command="check", manifests=[], rows=NOTHING, fulfillments=NOTHING)

    assert shown(summary) == dedent(
        """\
        check  run 2024-04-30-120000-abcd, 61.0 s
        0 manifests, 0 rows, 0 fulfillments

          there is no manifest there: nothing to do

        Report: R/rows.csv
        """
    )


def test_verbose_says_how_each_manifest_was_read() -> None:
    assert shown(FINE, verbose=True).splitlines()[2] == (
        "  m.csv: cp1252, delimiter ';', layout generic, 2 rows, order_id = 'Auftrag №'"
    )
    edi = replace(FINE.manifests[0], name="m.edi", format="x12", encoding="", delimiter="", rows=1)
    assert shown(replace(FINE, manifests=[edi]), verbose=True).splitlines()[2] == (
        "  m.edi: x12, layout generic, 1 row, order_id = 'Auftrag №'"
    )


def test_what_is_wrapped_on_a_narrow_terminal_is_indented() -> None:
    rows = NOTHING | {"in-doubt": 1, "total": 1}
    summary = replace(FINE, rows=rows, errors={"outcome-unknown": Examples(1, [("m.csv", 2, "lost")])})

    lines = shown(summary, width=60, force_terminal=True, color_system=None).splitlines()

    at = lines.index("  in-doubt             1              0  sent, but it is not")
    assert lines[at + 1] == "      known whether it was created"
    assert lines[at + 4 : at + 7] == [
        "  outcome-unknown  1 row  The fulfillment was sent, but no",
        "      answer that can be trusted came back.",
        "      m.csv row 2: lost",
    ]


def test_a_terminal_gets_lines_that_fit_it() -> None:
    examples = [("m.csv", 2, "Tracking #: found 'ABC', expected 5 to 50 letters, digits and '-'")]
    summary = replace(FINE, warnings={"mystery": Examples(1, examples)})

    lines = shown(summary, width=50, force_terminal=True, color_system=None).splitlines()

    assert max(map(len, lines)) <= 50
    at = lines.index("  mystery  1 row")
    assert lines[at + 1 : at + 4] == [
        "      m.csv row 2: Tracking #: found 'ABC',",
        "      expected 5 to 50 letters, digits and '-'",
        "      → correct what the destination names and",
    ]


def test_headers_that_were_not_taken_are_named() -> None:
    summary = replace(FINE, manifests=[replace(READ_WITH_OTHERS, name="m.csv", header_row=1, passed_over=())])

    assert "  m.csv: order_id is 'Auftrag №'; not taken for it: 'Beleg №'\n" in shown(summary)


def test_nothing_from_outside_steers_the_terminal() -> None:
    evil = "\x1b[31m\u202e\x9b2J\r\n\x07"
    read = ManifestRead(evil, "delimited", "generic", "utf-8", "\t", 2, {"sku": evil}, "0", 1, (3,))
    summary = replace(
        SUMMARY,
        command="check",
        destination=evil,
        manifests=[read],
        rows=NOTHING | {"ready": 1, "total": 1},
        errors={"blank-sku": Examples(1, [(evil, 2, evil)])},
        warnings={"duplicate-row": Examples(1, [(evil, 2, evil)])},
        stopped_because=evil,
        reports={"rows": evil, "errors": evil, "summary": evil},
    )

    lines = shown(summary, verbose=True, width=2000).splitlines()

    assert [line for line in lines if not line.isprintable()] == []
    assert sum("\\x1b[31m\\u202e\\x9b2J\\r\\n\\x07" in line for line in lines) == 9


def test_the_next_command_names_an_archive_and_not_what_is_in_it() -> None:
    manifests = [replace(READ, name=f"a b.zip/{name}.csv", argument="a b.zip") for name in ("a", "b")]
    summary = replace(FINE, command="check", manifests=manifests, rows=NOTHING | {"ready": 2, "total": 2})

    assert "\nNext:   importer post 'a b.zip' --to adm\n" in shown(summary)


def test_carriers_that_were_filled_in_are_counted() -> None:
    summary = replace(FINE, filled_carriers={"UPS": 1200, "USPS": 3})

    assert "\n  carriers filled in by the tracking number, of fulfillments: 1,200 UPS, 3 USPS\n" in shown(
        summary
    )


def test_whose_tracking_numbers_a_manifest_has_is_told_to_who_wants_to_know() -> None:
    numbers = {"UPS": 1812, "ambiguous": 12, "unknown": 3}
    summary = replace(FINE, manifests=[replace(READ, name="m.csv", tracking_numbers=numbers)])
    told = "m.csv: tracking numbers: 1,812 UPS, 12 of several carriers' forms (ambiguous), 3 unknown\n"

    assert told in shown(summary, verbose=True)
    assert told not in shown(summary)


def test_square_brackets_in_a_message_are_no_markup() -> None:
    summary = replace(FINE, stopped_because="[bold]no[/bold] [link=x]y[/link] :smile:")

    assert "\nStopped early: [bold]no[/bold] [link=x]y[/link] :smile:\n" in shown(summary)


def test_no_bar_is_drawn_where_no_terminal_is() -> None:
    text = StringIO()
    with bar(Console(file=text), "posting", 3) as progress:
        progress.advance(3)
        progress.say("asked to wait")

    assert text.getvalue() == ""


def test_a_bar_tells_what_is_done_of_how_many_and_leaves_nothing_behind() -> None:
    text = StringIO()
    with bar(Console(file=text, force_terminal=True, width=80, color_system=None), "posting", 3) as progress:
        progress.advance(1)
        progress.advance(2)

    assert "posting" in text.getvalue()
    assert "3/3" in text.getvalue()
    assert text.getvalue().endswith("\x1b[2K")


def test_a_bar_tells_what_it_waits_for_until_that_is_over() -> None:
    text = StringIO()
    console = Console(file=text, force_terminal=True, width=120, color_system=None)
    with bar(console, "posting", 3) as progress:
        progress.say("asked to wait 7 s: [bold]429\x1b[31m[/bold]")
        waiting = drawn(progress, text)
        progress.say("")
        over = drawn(progress, text)

    assert "asked to wait 7 s: [bold]429\\x1b[31m[/bold]" in waiting
    assert "asked to wait" not in over


def test_the_time_left_is_no_less_than_the_rate_allows() -> None:
    text = StringIO()
    console = Console(file=text, force_terminal=True, width=120, color_system=None)
    with bar(console, "posting", 7201, per_second=2.0) as progress:
        for _ in range(3):
            progress.advance(0)
        progress.advance(1)

        assert "1:00:00 left" in drawn(progress, text)


def drawn(progress: Bar, text: StringIO) -> str:
    """What is on the terminal when everything is drawn once more."""
    text.truncate(0)
    progress.refresh()
    return text.getvalue()


class Gone(StringIO):
    """A terminal whose window was closed: EIO, as the kernel says of it."""

    def write(self, _: str, /) -> int:
        raise OSError(errno.EIO, "Input/output error")


def test_a_terminal_that_went_away_ends_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    told = []

    for what in ("reading", "posting"):
        with bar(Console(file=Gone(), force_terminal=True), what, 2) as progress:
            for step in (1, 1):
                progress.advance(step)
                told.append((what, step))

    assert told == [("reading", 1), ("reading", 1), ("posting", 1), ("posting", 1)]


RUN = Run(
    run_id="2024-04-30-120000-abcd",
    command="post",
    destination="adm sandbox",
    manifests=("m.csv", "\x1b[31m.csv"),
    report="reports/R",
    started_at=AT,
    finished_at=AT + timedelta(seconds=2),
    exit_status=1,
    stopped_because="",
    summary='{"rows": {"created": 1200, "invalid": 2, "held": 0, "total": 1202}}',
)
KILLED = Run("2024-04-30-110000-dcba", "post", "adm sandbox", ("m.csv",), "reports/K", AT)


def printed(*found: Run, **states: int) -> list[str]:
    text = StringIO()
    console = Console(file=text, width=150)
    if states:
        runs.show(console, found[0], states)
    else:
        runs.show_all(console, found)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def test_earlier_runs_are_a_line_each() -> None:
    started, rows = "2024-04-30 12:00:00", "1,200 created, 2 invalid"
    assert printed(RUN, KILLED) == [
        f"{'run':24}{'started (UTC)':21}{'destination':13}{'rows':26}{'exit':6}manifests",
        f"{RUN.run_id:24}{started:21}{'adm sandbox':13}{rows:26}{'1':6}m.csv, \\x1b[31m.csv",
        f"{KILLED.run_id:24}{started:21}{'adm sandbox':13}{'':26}{'-':6}m.csv",
    ]


def test_one_earlier_run_is_told_whole() -> None:
    assert printed(RUN, created=1200, failed=0) == [
        "run              2024-04-30-120000-abcd",
        "command          post",
        "destination      adm sandbox",
        "manifests        m.csv, \\x1b[31m.csv",
        "started          2024-04-30 12:00:00",
        "ended            2024-04-30 12:00:02",
        "exit status      1",
        "stopped because  -",
        "rows             1,200 created, 2 invalid",
        "in the ledger    1,200 created",
        "report           reports/R",
    ]


def test_a_run_that_was_killed_is_told_as_such() -> None:
    assert printed(KILLED, sending=1)[5:10] == [
        "ended            did not end in order",
        "exit status      -",
        "stopped because  -",
        "rows             -",
        "in the ledger    1 sending",
    ]


def test_every_status_has_its_meaning_told() -> None:
    rows = dict.fromkeys((*map(str, Status), "total"), 1)

    told = shown(replace(FINE, rows=rows)).splitlines()[4 : 4 + len(Status)]

    assert [line.split()[:1] for line in told] == [[str(status)] for status in Status]
    assert [line for line in told if not line[40:].strip()] == []

"""A plan: its faults, its jobs side by side, what is told of them, and what ends them.

Each job is a process of its own, so that this file needs a minute.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from datetime import time as TimeOfDay  # noqa: N812 - the module time is here, too
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from prometheus_client.parser import text_string_to_metric_families

from importer.cli.common import Common
from importer.cli.examining import examined
from importer.cli.posting import Judge, post
from importer.early import SIGNALS
from importer.ledger import Ledger
from importer.plans import ended, parent, places, plan
from importer.plans.interruption import Interruption
from importer.plans.plan import Fault
from importer.plans.processes import Processes, Ran, Task, Unstarted
from importer.settings import Rate
from tests.postgresql import PASSWORD
from tests.program import (
    SECONDS,
    Ended,
    Platform,
    Reply,
    Seen,
    another_user,
    created,
    end,
    here,
    launch,
    manifest,
    refusal,
    settle_in,
    start,
    statuses,
)
from tests.receivers import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.postgresql import Server

    Output = pytest.CaptureFixture[str]

FILE = Path("nightly.toml")
AT = datetime(2024, 4, 30, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("ADM_TOKEN", "a-token")


def inbox(name: str, *rows: str) -> Path:
    """A folder with a manifest that was finished long ago; without rows it is empty."""
    folder = Path("in", name)
    folder.mkdir(parents=True)
    if rows:
        long_ago = time.time() - 60
        os.utime(manifest(folder / f"{name}.csv", *rows), (long_ago, long_ago))
    return folder


def destinations(**urls: str) -> None:
    tables = [
        f'[destinations.{name}]\nkind = "adm"\nbase_url = "{url}"\ntoken_env = "ADM_TOKEN"\n'
        for name, url in urls.items()
    ]
    Path("importer.toml").write_text("\n".join(tables))


def planned(*jobs: Mapping[str, object], above: str = "") -> None:
    """Write the plan; JSON's texts, numbers, lists and truth are TOML's, too."""
    lines = [above]
    for job in jobs:
        lines += ["[[job]]", *(f"{key} = {json.dumps(value)}" for key, value in job.items()), ""]
    FILE.write_text("\n".join(lines))


def outcome(summary: Any) -> dict[str, tuple[str, int, dict[str, int] | None]]:  # noqa: ANN401 - JSON
    """Of each job its destination, its exit status, and its rows by status."""
    return {
        job["name"]: (
            job["destination"],
            job["exit_status"],
            job["rows"] and {name: count for name, count in job["rows"].items() if count and name != "total"},
        )
        for job in summary["jobs"]
    }


# --- what is wrong in a plan ---------------------------------------------------------------------------


def test_all_faults_of_a_plan_are_told_at_once_and_nothing_is_sent(capsys: Output) -> None:
    inbox("acme", "1001,MUG,1,TRACK1")
    inbox("globex", "1002,MUG,1,TRACK2")
    FILE.write_text(
        """
at_one = 3

[[job]]
name = "acme"
manifests = ["in/acme/", "in/nowhere/"]
to = "adn"
archive = "done/"

[[job]]
name = "globex"
manifests = "in/globex/"
to = "adm"
archive = "done"
rate = "fast"

[[job]]
name = "initech"
manifests = ["in/globex/*.csv"]
to = "adm"
layout = "initech.toml"
strict_tracking = "yes"

[[job]]
name = "umbrella corp"
quarantine = ["bad"]

[[job]]
name = "hooli"
manifests = "-"
manifest = "in"
duplicates = "maybe"
stop_at = "late"
timeout = "soon"

[[job]]
name = "vehement"
manifests = "in/vehement/"
to = "adm"
concurrency = 0
max_attempts = 0
layout = "none.toml"
give_up = "never"
"""
    )
    with Platform() as platform:
        destinations(adm=platform.url)
        ended = here(capsys, "post", "--plan", FILE)

    folder, known, do = (
        Path.cwd(),
        "adm, shoplazza; did you mean adm?",
        "mount or make it, or correct the plan",
    )
    expected = 'requests a second above 0, as in 5, or with a burst of 1 or more, as in "2/40"'
    own, way = "give each job its own", "each manifest goes one way"
    name = "a name of letters, digits, '-' and '_', as its report's folder is called"
    to = "the name of a destination in the configuration"
    hours = "a time of day from 00:00 to 23:59, such as 06:00"
    lasting = "a duration such as 2h, 90m, 45s, 1h30m, or seconds"
    inbox_ = 'a folder, a file or a glob, or a list of them, as in ["inbox/"]'
    assert (ended.status, ended.out, platform.seen) == (2, "", [])
    assert ended.err.splitlines() == [
        "importer: --plan nightly.toml: nothing was read or sent; correct this:",
        "  line 2: at_one: unknown key; did you mean at_once?",
        f"  line 6: job acme, manifests: in/nowhere/: there is no folder {folder}/in/nowhere; {do}",
        f"  line 7: job acme, to: --to adn: no such destination in importer.toml; there is {known}",
        f"  line 8: job acme, archive: {folder}/done is the archive of job globex, too; {own}",
        f"  line 12: job globex, manifests: in/globex/ is taken by job initech, too (in/globex/*.csv); {way}",
        f"  line 15: job globex, rate: found 'fast', expected {expected}",
        "  line 21: job initech, layout: --layout initech.toml: can't be read: No such file or directory",
        '  line 22: job initech, strict_tracking: found "yes", expected true or false',
        f"  line 24: job 4, manifests: missing, expected {inbox_}",
        f"  line 24: job 4, to: missing, expected {to}",
        f'  line 25: job 4, name: found "umbrella corp", expected {name}',
        '  line 26: job 4, quarantine: found ["bad"], expected text or a number',
        f"  line 28: job hooli, to: missing, expected {to}",
        "  line 30: job hooli, manifests: a job has no standard input; name a file, a folder or a glob",
        "  line 31: job hooli: manifest: unknown key; did you mean manifests?",
        "  line 32: job hooli, duplicates: found 'maybe', expected sum, drop or error",
        f"  line 33: job hooli, stop_at: found 'late', expected {hours}",
        "  line 34: job hooli, timeout: found 'soon', expected a number",
        f"  line 38: job vehement, manifests: in/vehement/: there is no folder {folder}/in/vehement; {do}",
        "  line 40: job vehement, concurrency: found 0, expected a whole number from 1 to 256",
        "  line 41: job vehement, max_attempts: found 0, expected a whole number from 1 to 100",
        "  line 42: job vehement, layout: --layout none.toml: can't be read: No such file or directory",
        f"  line 43: job vehement, give_up: found 'never', expected {lasting}",
    ]
    assert not Path("reports").exists()


def test_what_one_job_files_or_takes_is_no_other_jobs() -> None:
    for name in ("acme", "globex", "initech"):
        inbox(name, "1001,MUG,1,TRACK1")
    both = Path("in/both.csv")
    both.touch()
    planned(
        {"name": "a", "manifests": "in/acme", "to": "adm", "archive": "in/acme"},
        {"name": "b", "manifests": ["in/globex/", "in/both.csv"], "to": "adm", "archive": "in/initech"},
        {"name": "c", "manifests": ["in/initech/", "in/b*.csv"], "to": "adm", "quarantine": "bad"},
        {"name": "d", "manifests": ["in/globex/*-ups.csv"], "to": "adm", "archive": "bad"},
        {"name": "e", "manifests": ["sftp://example.com/a.csv", "in/globex"], "to": "adm"},
        {"name": "f", "manifests": ["sftp://example.com/a.csv", "in/globex/../d*.csv"], "to": "adm"},
    )

    told = [str(fault) for fault in places.faults(plan.read(FILE).jobs)]

    folder, one_way = Path.cwd(), "each manifest goes one way"
    assert told == [
        f"line 18: job c, quarantine: {folder}/bad is the archive of job d, too; give each job its own",
        f"line 6: job a, archive: {folder}/in/acme is the inbox itself; name another folder",
        f"line 12: job b, archive: {folder}/in/initech is the inbox of job c; name another folder",
        f"line 10: job b, manifests: in/globex/ is taken by job d, too (in/globex/*-ups.csv); {one_way}",
        f"line 10: job b, manifests: in/globex/ is taken by job e, too (in/globex); {one_way}",
        f"line 10: job b, manifests: in/both.csv is taken by job c, too (in/b*.csv); {one_way}",
        f"line 22: job d, manifests: in/globex/*-ups.csv is taken by job e, too (in/globex); {one_way}",
    ]


def test_what_a_job_files_is_taken_by_no_glob() -> None:
    for name in ("one", "two", "two/deep", ".hidden"):
        inbox(name)
    Path("in/away").symlink_to(Path("elsewhere").absolute())
    Path("elsewhere").mkdir()
    jobs: list[dict[str, object]] = [
        {"name": "a", "manifests": "in/one/*.csv", "archive": "in/two"},
        {"name": "b", "manifests": ["in/two/*.csv", "in/o*/x.csv"], "archive": "in/done"},
        {"name": "c", "manifests": "in/d*/*.csv", "archive": "in/dropped", "quarantine": "in/.dropped"},
        {"name": "d", "manifests": "in/two/**/*.txt", "archive": "in/two/deep/new", "quarantine": "in"},
        {"name": "e", "manifests": "in/**", "archive": "elsewhere", "quarantine": "in/two/.deep/x"},
        {"name": "f", "manifests": "in/*y/*.tsv", "archive": "in/fine/below", "quarantine": "fine"},
        {"name": "g", "manifests": "one/x.csv", "archive": "one"},
    ]
    Path("one").mkdir()
    planned(*({**job, "to": "adm"} for job in jobs))

    found = [fault for fault in places.faults(plan.read(FILE).jobs) if ", manifests" not in fault.where]

    here_, other = Path.cwd(), "name another folder"
    itself = "the job itself takes what is in it"
    assert [(fault.where, fault.words) for fault in found] == [
        ("job a, archive", f"{here_}/in/two: job b takes what is in it (in/two/*.csv); {other}"),
        ("job a, archive", f"{here_}/in/two: job d takes what is in it (in/two/**/*.txt); {other}"),
        ("job a, archive", f"{here_}/in/two: job e takes what is in it (in/**); {other}"),
        ("job b, archive", f"{here_}/in/done: job c takes what is in it (in/d*/*.csv); {other}"),
        ("job b, archive", f"{here_}/in/done: job e takes what is in it (in/**); {other}"),
        ("job c, archive", f"{here_}/in/dropped: {itself} (in/d*/*.csv); {other}"),
        ("job c, archive", f"{here_}/in/dropped: job e takes what is in it (in/**); {other}"),
        ("job d, archive", f"{here_}/in/two/deep/new: {itself} (in/two/**/*.txt); {other}"),
        ("job d, archive", f"{here_}/in/two/deep/new: job e takes what is in it (in/**); {other}"),
        ("job d, quarantine", f"{here_}/in: job e takes what is in it (in/**); {other}"),
        ("job e, archive", f"{here_}/elsewhere: {itself} (in/**); {other}"),
        ("job e, archive", f"{here_}/elsewhere: job f takes what is in it (in/*y/*.tsv); {other}"),
        ("job f, archive", f"{here_}/in/fine/below: job e takes what is in it (in/**); {other}"),
        ("job g, archive", f"{here_}/one: {itself} (one/x.csv); {other}"),
    ]


def test_a_folder_is_no_other_jobs_glob() -> None:
    inbox("one")
    planned(
        {"name": "a", "manifests": "in/one/", "to": "adm"},
        {"name": "b", "manifests": "in/*/*.csv", "to": "adm"},
    )

    (fault,) = places.faults(plan.read(FILE).jobs)

    assert fault.words == "in/one/ is taken by job b, too (in/*/*.csv); each manifest goes one way"


def test_a_path_that_can_be_no_inbox_is_told_with_the_other_faults(capsys: Output) -> None:
    Path("loop").symlink_to("loop")
    long = "l" * 300
    lines = [
        *("[[job]]", 'name = "a"', 'manifests = "~nosuch/in/"', 'to = "adm"'),
        *("[[job]]", 'name = "b"', 'manifests = ["loop", "loop/", "loop/*.csv"]', 'to = "adm"'),
        *("[[job]]", 'name = "c"', 'manifests = "a\\u0000b"', 'to = "adm"', 'sheet = "\\u0000"'),
        *("[[job]]", 'name = "d"', f'manifests = ["{long}", "{long}/"]', 'to = "adm"', 'archive = "loop/x"'),
        *("[[job]]", 'name = "e"', 'manifests = "-"', 'to = "adm"', 'archive = "~nosuch"'),
    ]
    FILE.write_text("\n".join(['reports = "~nosuch"', *lines]))
    destinations(adm="https://api.example.com")

    ended = here(capsys, "check", "--plan", FILE)
    doctor = here(capsys, "doctor", "--plan", FILE)

    user, nul = (
        "~nosuch is no user's folder here; write the whole path",
        "expected text without the character NUL",
    )
    circle = "can't be used: Too many levels of symbolic links; let this user in, or correct the plan"
    name = "can't be used: File name too long; let this user in, or correct the plan"
    assert (ended.status, doctor.status) == (2, 2)
    assert ended.err.splitlines()[1:] == [
        f"  line 1: reports: ~nosuch: {user}",
        f"  line 4: job a, manifests: ~nosuch/in/: {user}",
        f"  line 8: job b, manifests: loop: {circle}",
        f"  line 8: job b, manifests: loop/: {circle}",
        f"  line 8: job b, manifests: loop/*.csv: {circle}",
        f'  line 12: job c, manifests: found "a\\u0000b", {nul}',
        f'  line 14: job c, sheet: found "\\u0000", {nul}',
        f"  line 17: job d, manifests: {long}: {name}",
        f"  line 17: job d, manifests: {long}/: {name}",
        f"  line 19: job d, archive: loop/x: {circle}",
        "  line 22: job e, manifests: a job has no standard input; name a file, a folder or a glob",
        f"  line 24: job e, archive: ~nosuch: {user}",
    ]


def test_an_inbox_that_this_user_may_not_come_to_is_told_with_the_other_faults() -> None:
    inbox("closed/acme")
    planned(
        {"name": "a", "manifests": ["in/closed/acme/", "in/closed/*/x.csv", "in/closed/x.csv"], "to": "adm"}
    )
    jobs = plan.read(FILE).jobs
    folder = Path("in/closed")
    folder.chmod(0o600)
    with reachable(Path.cwd()), another_user():
        told = [str(fault) for fault in places.faults(jobs)]
    folder.chmod(0o700)

    denied = "can't be used: Permission denied; let this user in, or correct the plan"
    assert told == [
        f"line 4: job a, manifests: in/closed/acme/: {denied}",
        f"line 4: job a, manifests: in/closed/x.csv: {denied}",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[job", "--plan nightly.toml: not TOML: expected "),
        ("", "no [[job]] in it; expected one for each inbox"),
        ("job = 3", "\n  line 1: job: found 3, expected [[job]], a table for each inbox\n"),
        ('job = "x"', '\n  line 1: job: found "x", expected [[job]], a table for each inbox\n'),
        ('job = [{name = "a"}, 7]', "\n  job 2: found 7, expected [[job]], a table for each inbox\n"),
        ('reports = ""\n[[job]]\nname = "a"', 'line 1: reports: found "", expected text'),
        ('ledger = 3\n[[job]]\nname = "a"', "line 1: ledger: found 3, expected text"),
        ('ledger = "host=db"\n[[job]]\nname = "a"', "line 1: ledger: found a connection string of keywords"),
        (
            'at_once = 0\n[[job]]\nname = "a"',
            "line 1: at_once: found 0, expected a whole number of 1 or more",
        ),
        ('[[job]]\nname = "a"\n[[job]]\nname = "A"', "line 4: job A, name: another job has this name, too"),
        ('job = [{name = "a", manifests = [3]}]', "\n  job a, manifests: found [3], expected a folder"),
        (
            '[[job]]\nname = "a"\nmanifests = ".."\nto = "adm"\nnotify = true',
            "notify: no destination mails",
        ),
        (
            '[[job]]\nname = "a"\nmanifests = ".."\nto = "adm"\nconcurrency = "many"',
            "line 5: job a, concurrency: found 'many', expected a whole number\n",
        ),
        (
            '[[job]]\nname = "a"\nmanifests = ".."\nto = "adm"\nwait_lock = true\nstop_at = 6.5\n',
            (
                'line 5: job a, wait_lock: found true, expected a duration, such as "90m"\n'
                "  line 6: job a, stop_at: found '6.5', expected a time of day"
            ),
        ),
        (
            '[[job]]\nname = "a"\nmanifests = ".."\nto = "adm"\nstop_at = 2024-04-30\n',
            'line 5: job a, stop_at: found "2024-04-30", expected a time of day, such as "06:00"\n',
        ),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(capsys: Output, text: str, words: str) -> None:
    destinations(adm="https://api.example.com")
    FILE.write_text(text)

    ended = here(capsys, "post", "--plan", FILE)

    assert ended.status == 2
    assert (
        words.replace("no destination mails", "the destination adm, as it is configured, mails") in ended.err
    )


def test_what_the_configuration_lacks_is_told_once_for_all_jobs_that_need_it(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ADM_TOKEN")
    destinations(adm="https://api.example.com")
    planned(
        {"name": "a", "manifests": "a.csv", "to": "adm"},
        {"name": "b", "manifests": "b.csv", "to": "adm", "rate": 0},
        {"name": "c", "manifests": "c.csv", "to": "shoplazza"},
    )

    ended = here(capsys, "post", "--plan", FILE)
    no_file = here(capsys, "--config", "none.toml", "post", "--plan", FILE)

    _, lacks, rate, shop, *_ = ended.err.splitlines()
    assert lacks == (
        "  line 5: jobs a, b, to: importer.toml: [destinations.adm] token_env: the environment variable "
        "ADM_TOKEN is not set or empty, expected the token"
    )
    assert rate.startswith("  line 11: job b, rate: found '0', expected requests a second above 0")
    assert shop.startswith("  line 16: job c, to: importer.toml: [destinations.shoplazza] base_url: missing")
    assert no_file.err.splitlines()[1] == (
        "  line 5: jobs a, b, c, to: none.toml: no such file, expected the configuration"
    )


def test_a_plan_that_is_not_there_or_no_text_is_refused(capsys: Output) -> None:
    Path("other.toml").write_bytes(b"\xff\xfe[")

    missing = here(capsys, "post", "--plan", FILE)
    unreadable = here(capsys, "check", "--plan", "other.toml")

    assert (missing.status, missing.err) == (
        2,
        "importer: --plan nightly.toml: can't be read: No such file or directory\n",
    )
    assert (unreadable.status, unreadable.err) == (
        2,
        "importer: --plan other.toml: can't be read: it is not UTF-8; save it as such\n",
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["m.csv"], "--plan: m.csv: the plan names the manifests of each job"),
        (["--to", "adm"], "--plan: --to is another for each job; write it into the plan, as to = …"),
        (["--archive", "done"], "--plan: --archive is another for each job"),
        (["--partial", "--all-or-nothing"], "job a: --partial and --all-or-nothing contradict each other"),
    ],
)
def test_options_that_the_plan_has_to_say_are_refused_beside_it(
    capsys: Output, arguments: list[str], words: str
) -> None:
    destinations(adm="https://api.example.com")
    planned({"name": "a", "manifests": ".", "to": "adm"})

    ended = here(capsys, "post", "--plan", FILE, *arguments)

    assert ended.status == 2
    assert words in ended.err


def test_an_option_of_the_environment_is_refused_by_the_name_of_its_variable(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMPORTER_POST_TO", "adm")
    planned({"name": "a", "manifests": ".", "to": "adm"})

    ended = here(capsys, "post", "--plan", FILE)

    assert ended.status == 2
    assert (
        "--plan: IMPORTER_POST_TO (--to) is another for each job; write it into the plan, as to = …"
    ) in ended.err


def test_a_dry_run_refuses_the_same_values_as_post(capsys: Output) -> None:
    inbox("acme", "1001,MUG,1,TRACK1")
    destinations(adm="https://api.example.com")
    wrong = {"concurrency": 0, "timeout": -1, "max_attempts": 0}
    planned({"name": "acme", "manifests": "in/acme/", "to": "adm", **wrong})

    plans = [here(capsys, command, "--plan", FILE) for command in ("check", "post")]
    alone = here(capsys, "check", "in/acme/", "--to", "adm", "--concurrency", 0)

    assert plans[0] == plans[1]
    assert (plans[0].status, plans[0].err.splitlines()[1:]) == (
        2,
        [
            "  line 6: job acme, concurrency: found 0, expected a whole number from 1 to 256",
            "  line 7: job acme, timeout: found -1.0, expected seconds, above 0 and up to 3600",
            "  line 8: job acme, max_attempts: found 0, expected a whole number from 1 to 100",
        ],
    )
    assert (alone.status, alone.err) == (
        2,
        "importer: --concurrency: found 0, expected a whole number from 1 to 256\n",
    )


def test_what_a_plan_names_is_where_the_plan_is() -> None:
    folder = Path("etc")
    folder.mkdir()
    (folder / "p.toml").write_text(
        'reports = "out"\nledger = "ledger.db"\nat_once = 2\n'
        '[[job]]\nname = "a"\nto = "adm"\nmanifests = ["in/", "/srv/*.csv", "https://example.com/a.csv"]\n'
        'layout = "own.toml"\narchive = "done"\nnotify = false\nrate = 2\nstop_at = 06:00:00\n'
        '[[job]]\nname = "b"\nto = "adm"\nmanifests = "x.csv"\nlayout = "shipstation"\n'
    )

    found = plan.read(folder / "p.toml")

    assert (found.faults, found.reports, found.ledger, found.at_once) == (
        (),
        Path("etc/out"),
        "etc/ledger.db",
        2,
    )
    assert [(job.name, job.manifests, job.options) for job in found.jobs] == [
        (
            "a",
            ("etc/in/", "/srv/*.csv", "https://example.com/a.csv"),
            {
                "layout": "etc/own.toml",
                "archive": "etc/done",
                "notify": False,
                "rate": "2",
                "stop_at": "06:00:00",
            },
        ),
        ("b", ("etc/x.csv",), {"layout": "shipstation"}),
    ]


def test_what_is_said_for_all_jobs_goes_before_what_a_job_says() -> None:
    destinations(adm="https://api.example.com")
    planned(
        {"name": "a", "manifests": ".", "to": "adm", "rate": 9, "give_up": "10s", "xlsx": True, "drain": 3}
    )
    given = {"rate": Rate(2.0, 40), "stop_at": TimeOfDay(6), "partial": True, "give_up": 90.5, "xlsx": False}

    found = examined(FILE, post, given, Judge(Common(None, verbose=False, quiet=False), "post"))

    names = ("to", "manifests", *given, "drain")
    assert found.faults == ()
    assert {name: found.options["a"][name] for name in names} == {
        "to": "adm",
        "manifests": (".",),
        **given,
        "drain": 3.0,
    }


def test_a_line_is_only_told_where_it_is_sure() -> None:
    FILE.write_text('ledger = """\n[[job]]\n"""\n[[job]]\nnam = "a"\n')

    faults = plan.read(FILE).faults

    assert {fault.line for fault in faults} == {0}
    assert faults[0] == Fault(
        0,
        "job 1, name",
        "missing, expected a name of letters, digits, '-' and '_', as its report's folder is called",
        ("1",),
    )
    assert [fault.where for fault in faults[1:]] == ["job 1", "job 1, manifests", "job 1, to"]


# --- a night -------------------------------------------------------------------------------------------


def test_jobs_to_two_destinations_go_side_by_side_and_end_with_one_summary(capsys: Output) -> None:
    meeting = threading.Barrier(2)

    def meet(seen: Seen) -> Reply:
        meeting.wait(SECONDS)  # nobody is answered before the other was asked
        return created(seen)

    inbox("acme", "1001,MUG,1,TRACK1")
    inbox("globex", "2001,MUG,1,TRACK2", "2002,MUG,0,TRACK3")
    inbox("initech")
    with Platform(meet) as one, Platform(meet) as other:
        destinations(one=one.url, other=other.url)
        planned(
            {"name": "acme", "manifests": "in/acme/", "to": "one", "archive": "done/acme"},
            {"name": "globex", "manifests": ["in/globex/"], "to": "other", "quarantine": "bad/globex"},
            {"name": "initech", "manifests": "in/initech", "to": "one"},
            {"name": "umbrella", "manifests": "in/umbrella*.csv", "to": "one"},
            above='ledger = "ledger.db"',
        )
        ended = here(capsys, "post", "--plan", FILE, "--report", "night")

    assert (ended.status, ended.err) == (1, "")
    assert [line.rstrip() for line in re.sub(r"  \d.*", "", ended.out, count=1).splitlines()] == [
        "post --plan nightly.toml",
        "4 jobs, 3 rows",
        "",
        "job       destination  rows                  exit  report",
        "acme      one          1 created             0     acme/report.html",
        "globex    other        1 created, 1 invalid  1     globex/report.html",
        "initech   one          nothing to do         0     -",
        "umbrella  one          nothing to do         0     -",
        "",
        "Reports: night (plan.json has them all)",
        "Open:    night/globex/errors.csv (1 row)",
    ]
    assert (one.names, other.names) == (["1001/TRACK1"], ["2001/TRACK2"])
    assert [str(path) for path in sorted(Path().glob("*/*/*.csv")) if "night" not in path.parts] == [
        "bad/globex/globex.csv",
        "done/acme/acme.csv",
    ]
    told = json.loads(Path("night/plan.json").read_text())
    assert (told["exit_status"], told["rows"]["created"], told["report"]) == (1, 2, "night")
    assert outcome(told) == {
        "acme": ("one", 0, {"created": 1}),
        "globex": ("other", 1, {"created": 1, "invalid": 1}),
        "initech": ("one", 0, None),
        "umbrella": ("one", 0, None),
    }


def test_a_folder_that_is_missing_tonight_is_its_jobs_own_end(capsys: Output) -> None:
    inbox("acme", "1001,MUG,1,TRACK1")
    with Platform() as platform:
        destinations(adm=platform.url)
        planned(
            {"name": "acme", "manifests": "in/acme/", "to": "adm"},
            {"name": "globex", "manifests": ["in/acme.csv", "mnt/globex/*.csv"], "to": "adm"},
        )
        dry = here(capsys, "check", "--plan", FILE)
        ended = here(capsys, "post", "--plan", FILE, "--json")
        Path("mnt/globex").mkdir(parents=True)
        manifest(Path("in/acme.csv"), "1002,MUG,1,TRACK2")
        again = here(capsys, "post", "--plan", FILE, "--json")

    folder = Path.cwd() / "mnt/globex"
    words = f"mnt/globex/*.csv: there is no folder {folder}; mount or make it, or correct the plan"
    assert (dry.status, dry.err) == (
        2,
        (
            "importer: --plan nightly.toml: nothing was read or sent; correct this:\n"
            f"  line 9: job globex, manifests: {words}\n"
        ),
    )
    assert (ended.status, again.status) == (2, 0)
    assert outcome(ended.summary) == {"acme": ("adm", 0, {"created": 1}), "globex": ("adm", 2, None)}
    assert [job["trouble"] for job in ended.summary["jobs"]] == ["", words]
    assert outcome(again.summary) == {
        "acme": ("adm", 0, {"skipped": 1}),
        "globex": ("adm", 0, {"created": 1}),
    }


def test_a_glob_in_a_folder_that_cannot_be_listed_is_no_empty_inbox() -> None:
    inbox("acme", "1001,MUG,1,TRACK1")
    planned({"name": "a", "manifests": "in/acme/*.csv", "to": "adm"})
    (job,) = plan.read(FILE).jobs
    Path("in/acme").chmod(0o700)

    with reachable(Path.cwd()), another_user():
        found = places.trouble(job)

    assert found == "in/acme/*.csv: can't be read: Permission denied; let this user read it"


def test_an_empty_inbox_has_nothing_to_do_while_another_run_posts(capsys: Output) -> None:
    inbox("acme", "1001,MUG,1,TRACK1")
    inbox("globex")
    Path("in/globex/.hidden.csv").touch()
    Path("in/globex/x.csv.part").touch()
    url = "https://api.example.com"
    destinations(adm=url)
    planned(
        {"name": "acme", "manifests": "in/acme", "to": "adm"},
        {"name": "globex", "manifests": ["in/globex/*", "in"], "to": "adm"},
        above='ledger = "ledger.db"',
    )
    with Ledger(Path("ledger.db")) as ledger, ledger.lock(f"adm {url}", run_id="other"):
        ended = here(capsys, "post", "--plan", FILE, "--json")

    assert outcome(ended.summary) == {"acme": ("adm", 5, None), "globex": ("adm", 0, None)}
    assert ended.summary["jobs"][1]["trouble"] == "nothing to do: no file waits in in/globex/*, in"


def test_a_rehearsal_moves_no_files_and_says_that_it_is_one(capsys: Output) -> None:
    inbox("acme", "1001,MUG,1,TRACK1")
    job = {"name": "acme", "manifests": "in/acme", "to": "adm", "archive": "done", "quarantine": "bad"}
    planned(job)
    with Platform() as platform:
        destinations(adm=platform.url)
        rehearsed = here(capsys, "post", "--plan", FILE, "--json", "--sandbox", "--metrics", "m.prom")
        first = {*targets("importer_exit_status")}
        posted = here(capsys, "post", "--plan", FILE, "--json", "--metrics", "m.prom")
        here(capsys, "post", "--plan", FILE, "--json", "--sandbox", "--metrics", "m.prom")

    assert outcome(rehearsed.summary) == {"acme": ("adm sandbox", 0, {"created": 1})}
    assert outcome(posted.summary) == {"acme": ("adm", 0, {"created": 1})}
    assert (platform.names, [*Path("done").iterdir()]) == (["1001/TRACK1"], [Path("done/acme.csv")])
    assert first == {"adm sandbox"}
    assert {*targets("importer_last_success_timestamp_seconds")} == {"adm", "adm sandbox"}


def test_what_happened_with_files_that_are_no_manifests_is_told_of_each_job(capsys: Output) -> None:
    inbox("globex", "1001,MUG,1,TRACK1")
    for name in ("acme", "globex", "initech"):
        Path("in", name).mkdir(parents=True, exist_ok=True)
        Path("in", name, f"{name}.csv.part").touch()
    note = Path("in/initech/note.txt")
    note.write_text("call me\n")
    empty = manifest(inbox("hooli") / "empty.csv")
    for old in (note, empty):
        os.utime(old, (time.time() - 60, time.time() - 60))
    jobs = [{"name": name, "manifests": f"in/{name}", "to": "adm"} for name in ("acme", "globex", "initech")]
    jobs.append({"name": "hooli", "manifests": "in/hooli", "to": "adm"})
    with Platform() as platform:
        destinations(adm=platform.url)
        planned(
            *({**job, "archive": f"done/{job['name']}", "quarantine": f"bad/{job['name']}"} for job in jobs)
        )
        ended = here(capsys, "post", "--plan", FILE, "--report", "night")

    writing = "left alone: still being written, as its name ends in .part"
    note_ = (
        "row 1: does not look like a manifest: one column of text in the first 50 rows; remove it, or let "
    )
    assert ended.status == 1
    assert [line.rstrip() for line in ended.out.splitlines()[3:13]] == [
        "job      destination  rows                                   exit  report",
        "acme     adm          1 file left alone                      0     acme/report.html",
        "globex   adm          1 created, 1 file left alone           0     globex/report.html",
        "initech  adm          1 file no manifest, 1 file left alone  1     initech/report.html",
        "hooli    adm          no data row                            0     hooli/report.html",
        "",
        f"acme: in/acme/acme.csv.part: {writing}",
        f"globex: in/globex/globex.csv.part: {writing}",
        f"initech: no manifest: in/initech/note.txt, {note_}--quarantine take it (now bad/initech/note.txt)",
        f"initech: in/initech/initech.csv.part: {writing}",
    ]


def test_a_job_that_fails_leaves_the_others_alone_and_all_who_watch_hear_of_them_once(capsys: Output) -> None:
    inbox("acme", "1001,MUG,1,TRACK1")
    broken = inbox("globex") / "globex.csv"
    broken.write_text("no,columns\n1,2\n")
    with Platform() as platform, Receiver() as watchdog, Receiver() as chat:
        destinations(adm=platform.url)
        planned(
            {"name": "acme", "manifests": "in/acme/", "to": "adm"},
            {"name": "globex", "manifests": "in/globex/", "to": "adm"},
        )
        ended = here(
            *(capsys, "post", "--plan", FILE, "--json", "--metrics", "m.prom", "--log", "log.jsonl"),
            *("--ping", watchdog.url, "--tell", chat.url.replace("http", "json")),
        )
    words = ended.summary["jobs"][1]["trouble"]

    assert ended.status == 3
    assert outcome(ended.summary) == {"acme": ("adm", 0, {"created": 1}), "globex": ("adm", 3, None)}
    assert words.startswith("in/globex/globex.csv, row 1: no column for order_id")
    assert f"importer: globex: {words}\n" == ended.err
    assert watchdog.paths == ["/start", "/3"]
    assert watchdog.heard[1].body == f"acme: The only row is posted\nglobex: {words}"
    (said,) = [json.loads(heard.body) for heard in chat.heard]
    assert said["title"] == "importer post --plan nightly.toml: needs attention (exit status 3)"
    assert said["message"].splitlines()[:4] == [
        "acme    fine",
        "globex  needs attention (exit status 3)",
        "",
        "--- acme ---",
    ]
    assert by_job("importer_exit_status") == {"acme": 0, "globex": 3}
    assert [*by_job("importer_last_success_timestamp_seconds")] == ["acme"]
    events = [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]
    assert [(line["event"], line.get("job"), line.get("exit_status")) for line in events] == [
        ("plan-started", None, None),
        ("run-started", None, None),
        ("attempt-ended", None, None),
        ("fulfillment-ended", None, None),
        ("run-finished", None, 0),
        ("job-finished", "acme", 0),
        ("run-started", None, None),
        ("run-finished", None, 3),
        ("job-finished", "globex", 3),
        ("plan-finished", None, 3),
    ]


@pytest.mark.postgresql
def test_the_password_of_a_ledger_comes_to_the_jobs_but_not_into_their_arguments(
    capsys: Output, server: Server
) -> None:
    arguments: list[str] = []

    def look(seen: Seen) -> Reply:
        job = child_of(os.getpid(), "in/acme/")
        arguments.append(Path(f"/proc/{job}/cmdline").read_text())
        return created(seen)

    inbox("acme", "1001,MUG,1,TRACK1")
    with Platform(look) as platform, server.schema() as place:
        schema = place.reveal().rpartition("search_path%3D")[2]
        words = f"{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}"
        address = f"postgresql://importer:{words}/postgres?options=-csearch_path%3D{schema}"
        destinations(adm=platform.url)
        planned({"name": "acme", "manifests": "in/acme/", "to": "adm"}, above=f'ledger = "{address}"')
        first = here(capsys, "post", "--plan", FILE, "--json")
        again = here(capsys, "post", "--plan", FILE, "--json")

    assert outcome(first.summary) == {"acme": ("adm", 0, {"created": 1})}
    assert outcome(again.summary) == {"acme": ("adm", 0, {"skipped": 1})}
    assert [quote(PASSWORD, safe="") in each or "ledger" in each for each in arguments] == [False]
    assert PASSWORD not in first.out + first.err
    assert quote(PASSWORD, safe="") not in first.out + first.err


def by_job(name: str) -> dict[str, float]:
    return by("job", name)


def targets(name: str) -> dict[str, float]:
    return by("destination", name)


def by(label: str, name: str) -> dict[str, float]:
    families = text_string_to_metric_families(Path("m.prom").read_text())
    return {
        sample.labels[label]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


@contextmanager
def reachable(folder: Path) -> Iterator[None]:
    """Let everybody come to the folder, where a test is somebody else for a while."""
    closed = [each for each in (folder, *folder.parents) if not each.stat().st_mode & 1]
    modes = {each: each.stat().st_mode for each in closed}
    for each in closed:
        each.chmod(0o711)
    try:
        yield
    finally:
        for each, mode in modes.items():
            each.chmod(mode)


def test_a_plan_that_is_wrong_is_told_to_who_watches(capsys: Output) -> None:
    planned({"name": "a", "manifests": ".", "to": "adm"})
    with Receiver() as watchdog, Receiver() as chat:
        ended = here(
            *(capsys, "post", "--plan", FILE, "--metrics", "m.prom"),
            *("--ping", watchdog.url, "--tell", chat.url.replace("http", "json")),
        )

    assert ended.status == 2
    assert watchdog.paths == ["/start", "/fail"]
    assert "job a, to: " in watchdog.heard[1].body
    assert [json.loads(heard.body)["title"] for heard in chat.heard] == [
        "importer post --plan nightly.toml: needs attention (exit status 2)"
    ]
    assert by_job("importer_exit_status") == {"a": 2}


def test_a_plan_that_cannot_be_read_has_figures_and_forgets_no_last_success(capsys: Output) -> None:
    inbox("acme", "1001,MUG,1,TRACK1")
    with Platform() as platform:
        destinations(adm=platform.url)
        planned({"name": "acme", "manifests": "in/acme/", "to": "adm"})
        fine = here(capsys, "post", "--plan", FILE, "--metrics", "m.prom")
        success = by_job("importer_last_success_timestamp_seconds")
        FILE.rename("moved.toml")
        gone = here(capsys, "post", "--plan", FILE, "--metrics", "m.prom")

        assert (fine.status, gone.status) == (0, 2)
        assert by_job("importer_exit_status") == {"": 2}
        assert by_job("importer_last_success_timestamp_seconds") == success
        assert [*by_job("importer_last_run_timestamp_seconds")] == [""]

        Path("moved.toml").rename(FILE)
        again = here(capsys, "post", "--plan", FILE, "--metrics", "m.prom")

    assert again.status == 0
    assert by_job("importer_exit_status") == {"acme": 0}


def test_a_dry_run_of_a_plan_moves_and_sends_nothing_and_needs_no_token(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ADM_TOKEN")
    monkeypatch.setenv("IMPORTER_CHECK_STRICT_TRACKING", "1")
    inbox("acme", "1001,MUG,1,1Z999AA10123456785")
    with Platform() as platform:
        destinations(adm=platform.url)
        planned({"name": "acme", "manifests": "in/acme/", "to": "adm", "archive": "done/acme"})
        ended = here(capsys, "check", "--plan", FILE, "--json", "--log", "-")

    assert [json.loads(line)["event"] for line in ended.err.splitlines()] == [
        "plan-started",
        "run-started",
        "run-finished",
        "job-finished",
        "plan-finished",
    ]
    assert (ended.status, platform.seen, Path("done").exists()) == (1, [], False)
    assert outcome(ended.summary) == {"acme": ("adm", 1, {"invalid": 1})}


def test_a_signal_ends_all_jobs_in_order_and_begins_no_more(tmp_path: Path) -> None:
    asked = threading.Semaphore(0)
    goes_on = threading.Event()

    def hold(seen: Seen) -> Reply:
        asked.release()
        goes_on.wait(SECONDS)
        return created(seen)

    for name in ("acme", "globex", "initech"):
        inbox(name, "1001,MUG,1,TRACK1", "1002,MUG,1,TRACK2")
    with Platform(hold) as one, Platform(hold) as other:
        destinations(one=one.url, other=other.url)
        planned(
            {"name": "acme", "manifests": "in/acme/", "to": "one"},
            {"name": "globex", "manifests": "in/globex/", "to": "other"},
            {"name": "initech", "manifests": "in/initech/", "to": "one"},
        )
        process = start("post", "--plan", FILE, "--json", "--log", "log.jsonl", "--report", "night")
        for _ in range(2):
            assert asked.acquire(timeout=SECONDS)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)  # for the jobs to take it; earlier is as good, only nothing would be held back then
        goes_on.set()
        ended = end(process)

    assert ended.status == 143
    assert outcome(ended.summary) == {
        "acme": ("one", 143, {"created": 1, "not-sent": 1}),
        "globex": ("other", 143, {"created": 1, "not-sent": 1}),
        "initech": ("one", 143, None),
    }
    assert ended.summary["jobs"][2]["trouble"] == "not begun: interrupted by SIGTERM"
    assert statuses(tmp_path / "night/acme/rows.csv") == {
        "1001/TRACK1": "created",
        "1002/TRACK2": "not-sent",
    }


SAYS_MUCH = """
import os, sys
if "IMPORTER_PLAN_PID" in os.environ:
    print("/lib/x.py:12: UserWarning: old", "  import x", "x" * 3000, "y", sep="\\n", file=sys.stderr)
"""


def test_a_job_that_is_killed_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    def kill(seen: Seen) -> Reply:
        os.kill(int(Path("pid").read_text()), signal.SIGKILL)
        return created(seen)

    inbox("acme", "1001,MUG,1,TRACK1")
    inbox("globex", "1002,MUG,1,TRACK2")
    Path("sitecustomize.py").write_text(SAYS_MUCH)
    paths = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    with Platform(kill) as one, Platform() as other:
        destinations(one=one.url, other=other.url)
        planned(
            {"name": "acme", "manifests": "in/acme/", "to": "one"},
            {"name": "globex", "manifests": "in/globex/", "to": "other"},
        )
        process = start(
            "post", "--plan", FILE, "--json", "--ledger", "L", env={**os.environ, "PYTHONPATH": paths}
        )
        Path("pid").write_text(str(child_of(process.pid, "in/acme/")))
        ended = end(process)

    assert ended.status == 4
    assert outcome(ended.summary) == {"acme": ("one", 4, None), "globex": ("other", 0, {"created": 1})}
    killed = ended.summary["jobs"][0]
    assert killed["trouble"] == (
        "it was ended by SIGKILL; what it did is recorded, and 'importer runs' can write its report; "
        f"before that it said: {'x' * 1998} y"
    )
    with Ledger(Path("L"), readonly=True) as ledger:
        runs = {run.destination: run.run_id for run in ledger.runs()}
    assert [job["run_id"] for job in ended.summary["jobs"]] == [
        runs[f"adm {one.url}"],
        runs[f"adm {other.url}"],
    ]


def test_a_job_that_was_stopped_early_is_to_be_opened_only_for_rows_that_need_somebody(
    capsys: Output,
) -> None:
    inbox("acme", "1001,MUG,1,TRACK1", "1002,MUG,1,TRACK2")
    inbox("globex", "1003,MUG,0,TRACK3", "1004,MUG,1,TRACK4", "1005,MUG,1,TRACK5")
    with Platform(lambda _: refusal(401)) as platform:
        destinations(one=platform.url, other=f"{platform.url}/other")
        planned(
            {"name": "acme", "manifests": "in/acme/", "to": "one"},
            {"name": "globex", "manifests": "in/globex/", "to": "other"},
        )
        ended = here(capsys, "post", "--plan", FILE, "--report", "night")

    assert ended.status == 4
    assert [line for line in ended.out.splitlines() if line.startswith("Open:")] == [
        "Open:    night/globex/errors.csv (1 row besides 2 not sent)"
    ]


def test_a_job_that_is_interrupted_before_it_has_read_its_manifest_has_a_report() -> None:
    Path("in").mkdir()
    with Platform() as platform, Ledger(Path("L")) as other, other.lock(f"adm {platform.url}"):
        destinations(adm=platform.url)
        planned({"name": "acme", "manifests": str(manifest(Path("in/m.csv"), "1,MUG,1,TRACK1")), "to": "adm"})
        process = start(
            *("post", "--plan", FILE, "--json", "--ledger", "L", "--wait-lock", "10m"),
            *("--report", "night", "--log", "log"),
        )
        wait_for(lambda: Path("log").exists() and "run-started" in Path("log").read_text())
        time.sleep(0.5)  # for it to wait; earlier is as good, only it would be interrupted before
        process.send_signal(signal.SIGTERM)
        ended = end(process)

    (job,) = ended.summary["jobs"]
    assert (ended.status, job["exit_status"], job["rows"]["total"], job["stopped_because"]) == (
        *(143, 143, 0),
        "interrupted by SIGTERM",
    )
    assert json.loads(Path(job["report"], "summary.json").read_text())["run_id"] == job["run_id"]


def test_the_jobs_of_a_plan_that_is_killed_end_in_order_and_plan_json_does_not_look_finished() -> None:
    asked, goes_on = threading.Semaphore(0), threading.Event()

    def hold(seen: Seen) -> Reply:
        asked.release()
        goes_on.wait(SECONDS)
        return created(seen)

    for name in ("acme", "globex", "initech", "umbrella"):
        inbox(name, "1001,MUG,1,TRACK1", "1002,MUG,1,TRACK2")
    with Platform() as one, Platform(hold) as other, Platform(hold) as third:
        destinations(one=one.url, other=other.url, third=third.url)
        planned(
            {"name": "acme", "manifests": "in/acme/", "to": "one"},
            {"name": "globex", "manifests": "in/globex/", "to": "other"},
            {"name": "initech", "manifests": "in/initech/", "to": "other"},
            {"name": "umbrella", "manifests": "in/umbrella/", "to": "third"},
        )
        process = start("post", "--plan", FILE, "--json", "--report", "night", "--log", "-")
        for _ in range(2):
            assert asked.acquire(timeout=SECONDS)
        jobs = [child_of(process.pid, f"in/{name}/") for name in ("globex", "umbrella")]
        wait_for(lambda: half()["acme"][1] == 0)
        process.kill()
        ended = end(process)
        time.sleep(3)  # for the jobs to see it; earlier is as good, only nothing would be held back then
        goes_on.set()
        wait_for(lambda: not any(Path(f"/proc/{job}").exists() for job in jobs))

    assert (ended.status, ended.out) == (-signal.SIGKILL, "")
    assert half() == {
        "acme": ("one", 0, {"created": 2}),
        "globex": ("other", None, None),
        "initech": ("other", None, None),
        "umbrella": ("third", None, None),
    }
    told = json.loads(Path("night/plan.json").read_text())
    assert (told["exit_status"], told["finished_at"], told["seconds"], told["rows"]["created"]) == (
        *(None, None, None),
        2,
    )
    assert [(job["started_at"] is not None, job["report"]) for job in told["jobs"]] == [
        (True, "night/acme"),
        (True, "night/globex"),
        (False, ""),
        (True, "night/umbrella"),
    ]
    for name in ("globex", "umbrella"):
        summary = json.loads(Path("night", name, "summary.json").read_text())
        assert (summary["exit_status"], summary["stopped_because"]) == (143, "interrupted by SIGTERM")
        assert statuses(Path("night", name, "rows.csv")) == {
            "1001/TRACK1": "created",
            "1002/TRACK2": "not-sent",
        }
    assert (len(other.seen), len(third.seen)) == (1, 1)


def half() -> dict[str, tuple[str, int, dict[str, int] | None]]:
    """What plan.json has of each job."""
    return outcome(json.loads(Path("night/plan.json").read_text()))


def wait_for(true: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


FOLLOW = "import os; from importer.plans import parent; parent.follow(os.environ)"


def test_a_job_whose_plan_died_before_it_looked_ends_at_once() -> None:
    plan_ = end(launch([sys.executable, "-c", "import os; print(os.getpid())"]))
    told = {parent.VARIABLE: plan_.out.strip()}

    job = launch([sys.executable, "-c", f"{FOLLOW}; import time; time.sleep({SECONDS})"], env=told)

    assert end(job).status == -signal.SIGTERM


def test_a_job_whose_plan_lives_goes_on_and_what_it_starts_is_no_job() -> None:
    told = {parent.VARIABLE: str(os.getpid()), "HOME": "/root"}

    job = launch([sys.executable, "-c", f"{FOLLOW}; print(os.environ['HOME'], *os.environ)"], env=told)

    ended = end(job)
    assert (ended.status, ended.out[:6], parent.VARIABLE in ended.out) == (0, "/root ", False)


def test_a_log_that_nobody_reads_any_more_ends_no_job() -> None:
    inbox("acme", "1001,MUG,1,TRACK1")
    read, write = os.pipe()
    with Platform() as platform:
        destinations(adm=platform.url)
        planned({"name": "acme", "manifests": "in/acme/", "to": "adm"})
        process = start("post", "--plan", FILE, "--json", "--log", "-", stderr=write)
        os.close(write)
        os.close(read)
        ended = end(process)

    assert ended.status == 0
    assert outcome(ended.summary) == {"acme": ("adm", 0, {"created": 1})}


def test_a_signal_after_the_last_job_leaves_the_rest_to_be_told() -> None:
    begun: list[int] = []

    def interrupt(_: Seen) -> Reply:
        os.kill(begun[0], signal.SIGTERM)
        return Reply(200)

    inbox("acme", "1001,MUG,1,TRACK1")
    with Platform() as platform, Receiver() as watchdog, Platform(interrupt) as chat:
        destinations(adm=platform.url)
        planned({"name": "acme", "manifests": "in/acme/", "to": "adm"})
        process = start(
            *("post", "--plan", FILE, "--json", "--report", "night", "--ping", watchdog.url),
            *("--tell", chat.url.replace("http", "json"), "--tell-on", "always"),
        )
        begun.append(process.pid)
        ended = end(process)

    assert (ended.status, ended.err) == (0, "")
    assert (watchdog.paths, len(chat.seen)) == (["/start", "/0"], 1)
    assert json.loads(Path("night/plan.json").read_text()) == ended.summary


def test_outside_of_the_jobs_the_first_signal_is_noted_and_the_second_ends_the_run() -> None:
    interruption = Interruption()
    with interruption.watching():
        signal.raise_signal(signal.SIGTERM)
        before = interruption.exit_status
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    assert (before, interruption.exit_status) == (143, 143)


def test_a_summary_that_cannot_be_written_is_printed_all_the_same() -> None:
    def stand_in_the_way(seen: Seen) -> Reply:
        Path("night/plan.json").unlink()
        Path("night/plan.json").mkdir()
        return created(seen)

    inbox("acme", "1001,MUG,1,TRACK1")
    with Platform(stand_in_the_way) as platform:
        destinations(adm=platform.url)
        planned({"name": "acme", "manifests": "in/acme/", "to": "adm"})
        ended = end(start("post", "--plan", FILE, "--json", "--report", "night"))

    assert ended.status == 4
    assert ended.err == (
        "importer: the plan's summary can't be written to night: Is a directory; "
        "the reports of its jobs are in it\n"
    )
    assert outcome(ended.summary) == {"acme": ("adm", 0, {"created": 1})}


@pytest.mark.parametrize("tell_on", ["failure", "change"])
def test_people_are_told_of_a_summary_that_cannot_be_written_and_with_change_that_it_is_over(
    capsys: Output, tell_on: str
) -> None:
    nights: list[Path] = []

    def stand_in_the_way(seen: Seen) -> Reply:
        for path in nights:
            path.unlink()
            path.mkdir()
        nights.clear()
        return created(seen)

    inbox("acme", "1001,MUG,1,TRACK1")
    with Platform(stand_in_the_way) as platform, Receiver() as chat:
        destinations(adm=platform.url)
        planned({"name": "acme", "manifests": "in/acme/", "to": "adm"})
        tell = ("--tell", chat.url.replace("http", "json"), "--tell-on", tell_on)
        nights.append(Path("first/plan.json"))
        statuses = [
            here(capsys, "post", "--plan", FILE, "--report", night, *tell).status
            for night in ("first", "second", "third")
        ]

    told = [json.loads(heard.body) for heard in chat.heard]
    title = "importer post --plan nightly.toml: "
    over = [f"{title}fine"] if tell_on == "change" else []
    assert statuses == [4, 0, 0]
    assert [message["title"] for message in told] == [f"{title}needs attention (exit status 4)", *over]
    assert told[0]["message"].splitlines()[:4] == [
        "the plan's summary can't be written to first: Is a directory; the reports of its jobs are in it",
        "",
        "acme  fine",
        "",
    ]


def test_where_no_summary_can_be_written_no_job_is_begun(capsys: Output) -> None:
    inbox("acme", "1001,MUG,1,TRACK1")
    Path("night").touch()
    with Platform() as platform:
        destinations(adm=platform.url)
        planned({"name": "acme", "manifests": "in/acme/", "to": "adm"})
        ended = here(capsys, "post", "--plan", FILE, "--json", "--report", "night/first")

    assert (ended.status, ended.out, platform.seen) == (4, "", [])
    assert ended.err == (
        "importer: the plan's summary can't be written to night/first: Not a directory; "
        "nothing was read or sent; let this user write there, make room, or name another --report\n"
    )


def child_of(parent: int, argument: str) -> int:
    """The process that ``parent`` started with that argument, as soon as there is one."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            if argument in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
                return int(pid)
        time.sleep(0.01)
    raise TimeoutError


# --- processes -----------------------------------------------------------------------------------------


def ran(*tasks: Task, at_once: int = 8) -> tuple[dict[str, Ran], list[tuple[str, str]]]:
    """How each task ended, and what was heard, in order."""
    heard: list[tuple[str, str]] = []
    processes = Processes(
        dict(os.environ),
        at_once,
        lambda: AT,
        Interruption(),
        hear=lambda name, line: heard.append((name, line)),
        begun=lambda name: heard.append((name, "begun")),
        ended=lambda name, _: heard.append((name, "ended")),
    )
    return processes.run(tasks), heard


def python(name: str, queue: str, text: str) -> Task:
    return Task(name, queue, lambda: [sys.executable, "-S", "-c", f"{LETS_IN}; import os, sys; {text}"])


LETS_IN = "import signal; signal.pthread_sigmask(signal.SIG_UNBLOCK, range(1, 16))"
"""What a job says first, as the program does: signals wait until then."""


def test_jobs_of_one_queue_go_one_after_the_other() -> None:
    found, heard = ran(
        python("a", "adm", "sys.exit(1)"),
        python("b", "adm", "os.write(2, b'one\\ntwo')"),
    )

    assert heard == [
        ("a", "begun"),
        ("a", "ended"),
        ("b", "begun"),
        ("b", "one"),
        ("b", "two"),
        ("b", "ended"),
    ]
    assert found == {"a": Ran(1, AT, AT), "b": Ran(0, AT, AT, ("one", "two"))}


def test_no_more_jobs_go_side_by_side_than_were_allowed() -> None:
    _, heard = ran(*(python(name, name, "pass") for name in "abc"), at_once=1)

    assert [told for _, told in heard] == ["begun", "ended"] * 3


def test_a_signal_while_a_job_is_begun_reaches_each_job_once() -> None:
    until = """
import pathlib, time
def until(name):
    end = time.monotonic() + 30
    while not pathlib.Path(name).exists() and time.monotonic() < end:
        time.sleep(0.01)
"""
    counting = f"""{until}
import signal
came = []
def take(*_):
    came.append(1)
    pathlib.Path("came").touch()
signal.signal(15, take)
pathlib.Path("here").touch()
until("over")
sys.exit(len(came))
"""
    interruption = Interruption()

    def interrupted() -> list[str]:
        os.kill(os.getpid(), signal.SIGTERM)
        # so that it could tell a second one, which would come next
        asyncio.get_running_loop().call_soon(wait_for, Path("came").exists)
        return [sys.executable, "-S", "-c", f"{LETS_IN}; signal.pause()"]

    processes = Processes(
        dict(os.environ),
        8,
        lambda: AT,
        interruption,
        hear=lambda *_: None,
        begun=lambda _: None,
        ended=lambda name, _: Path("over").touch() if name == "new" else None,
    )
    tasks = [
        python("counting", "one", counting),
        python("first", "other", f"{until}until('here')"),
        Task("new", "other", interrupted),
    ]
    with interruption.watching():
        found = processes.run(tasks)

    assert {name: each.exit_status for name, each in found.items()} == {"counting": 1, "first": 0, "new": 143}


def test_a_signal_in_the_first_moment_of_a_job_leaves_it_its_report() -> None:
    manifest(Path("m.csv"), "1001,MUG,1,TRACK1")
    interruption = Interruption()

    def interrupted() -> list[str]:
        os.kill(os.getpid(), signal.SIGTERM)
        return [sys.executable, "-m", "importer", "--quiet", "check", "m.csv", "--report", "night"]

    processes = Processes(
        dict(os.environ),
        8,
        lambda: AT,
        interruption,
        hear=lambda *_: None,
        begun=lambda _: None,
        ended=lambda *_: None,
    )
    with interruption.watching():
        found = processes.run([Task("acme", "one", interrupted)])

    assert found == {"acme": Ran(143, AT, AT)}
    assert json.loads(Path("night/summary.json").read_text())["stopped_because"] == "interrupted by SIGTERM"
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & {*SIGNALS}


@pytest.mark.parametrize("breaks", ["hear", "begun", "ended", "command"])
def test_what_breaks_while_jobs_are_at_work_is_raised_when_all_have_ended(breaks: str) -> None:
    def broken(*_: object) -> list[str]:
        raise ZeroDivisionError(breaks)

    text = "os.write(2, b'here\\n'); import signal; signal.pause()"
    calls: dict[str, Any] = dict.fromkeys(("hear", "begun", "ended"), lambda *_: None)
    processes = Processes(
        dict(os.environ),
        8,
        lambda: AT,
        Interruption(),
        **calls | ({breaks: broken} if breaks in calls else {}),
    )
    tasks = [
        python("a", "one", "pass" if breaks == "ended" else text),
        python("b", "other", text),
        *([Task("c", "third", broken)] if breaks == "command" else []),
    ]

    children = Path(f"/proc/self/task/{os.getpid()}/children")  # a server for other tests may be among them
    before = children.read_text()
    with pytest.raises(ZeroDivisionError, match=breaks):
        processes.run(tasks)

    assert children.read_text() == before


@pytest.mark.parametrize(
    ("text", "status", "killed"),
    [
        (
            "os.kill(os.getpid(), 9)",
            4,
            "it was ended by SIGKILL; what it did is recorded, and 'importer runs' can write its report",
        ),
        (
            "import signal; signal.signal(15, signal.SIG_DFL); os.kill(os.getpid(), 15)",
            143,
            "it was ended by SIGTERM; what it did is recorded, and 'importer runs' can write its report",
        ),
        ("pass", 0, ""),
    ],
)
def test_how_a_process_ends_is_what_its_job_comes_to(text: str, status: int, killed: str) -> None:
    said = f"os.write(2, b'x' * 200_000 + b'\\n' + b'last'); {text}"

    assert ran(python("a", "q", said))[0] == {
        "a": Ran(status, AT, AT, ("x" * 200_000, "last"), killed=killed)
    }


def test_a_job_that_need_not_or_cannot_begin_says_why() -> None:
    found, heard = ran(
        Task("a", "q", lambda: Unstarted("it is late", 4)),
        Task("b", "q", lambda: ["./no-such-program"]),
    )

    assert heard == [("a", "ended"), ("b", "ended")]
    assert found == {
        "a": Ran(4, AT, AT, unstarted="it is late"),
        "b": Ran(4, AT, AT, unstarted="not begun: No such file or directory"),
    }


@pytest.mark.parametrize(
    ("statuses_", "most"),
    [
        ((), 0),
        ((0, 1), 1),
        ((1, 6), 6),
        ((6, 5, 1), 5),
        ((3, 5), 3),
        ((2, 3), 2),
        ((2, 4), 4),
        ((4, 130), 130),
    ],
)
def test_the_most_serious_exit_status_is_that_of_all(statuses_: tuple[int, ...], most: int) -> None:
    assert ended.most_serious(statuses_) == most


def test_when_it_is_late_no_job_is_begun(capsys: Output) -> None:
    inbox("acme", "1001,MUG,1,TRACK1")
    destinations(adm="https://api.example.com")
    planned({"name": "acme", "manifests": "in/acme/", "to": "adm"})

    late: Ended = here(capsys, "post", "--plan", FILE, "--max-time", "0s", "--json")

    assert late.status == 4
    assert late.summary["jobs"][0]["trouble"] == "not begun: as asked, --max-time 0s is over"


def test_what_is_left_of_the_time_of_all_is_told_to_a_job_in_whole_seconds() -> None:
    inbox("acme", "1001,MUG,1,TRACK1", "1002,MUG,1,TRACK2")

    with Platform() as platform:
        destinations(adm=platform.url)
        planned({"name": "acme", "manifests": "in/acme/", "to": "adm", "rate": "0.01/1"})
        ended = end(start("post", "--plan", FILE, "--max-time", "3.5s", "--json"))

    assert ended.status == 4
    assert re.fullmatch(r"as asked, --max-time [1-4]s is over", ended.summary["jobs"][0]["stopped_because"])

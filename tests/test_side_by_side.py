"""Runs on several hosts, which stand as processes with their own state, share the work over one database."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from importer.ledger import Address, Ledger
from importer.sandbox import Sandbox
from tests.postgresql import PASSWORD
from tests.program import (
    SECONDS,
    Counted,
    Ended,
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
    wait_until,
)
from tests.program import Platform as Failing

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from importer.sandbox.orders import Part, Refusal
    from tests.postgresql import Server

pytestmark = pytest.mark.postgresql
HOSTS = ("vienna", "graz", "linz")
CONCURRENCY = 4
NAMES = tuple(f"{1001 + number // 2}/TRACK{number:05}" for number in range(400))
LEASE = "3s"


class Platform(Counted):
    """A platform that takes its time, and answers nobody before it is ``open``."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.orders: list[str] = []

    def fulfill(self, tracking_number: str, parts: Sequence[Part]) -> datetime | Refusal:
        self.open.wait(SECONDS)
        time.sleep(0.005)
        return super().fulfill(tracking_number, parts)


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture(autouse=True)
def _world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: Platform) -> Iterator[None]:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("ADM_TOKEN", "a-token")
    inbox = Path("inbox")
    inbox.mkdir()
    for part in range(4):
        some = NAMES[part * 100 : part * 100 + 100]
        manifest(inbox / f"{part}.csv", *(f"{name.replace('/', ',MUG,1,')}" for name in some))
    with Sandbox(platform, token="a-token") as sandbox:  # noqa: S106 - of the test's own sandbox
        configuration(Path("importer.toml"), sandbox.url, concurrency=CONCURRENCY, timeout=SECONDS)
        yield


def begin(host: str, address: Address, *more: str, what: str = "inbox") -> subprocess.Popen[str]:
    """Start a run that posts the inbox, or ``what`` else, with the state and the report of that host."""
    told = ("--ledger", address.reveal(), "--report", host, "--lease", LEASE)
    state = str(Path(f"state-of-{host}").absolute())
    return start("post", what, *told, *more, env={**os.environ, "XDG_STATE_HOME": state})


def leases(server: Server, address: Address) -> int:
    """How many runs there are that live."""
    schema = address.reveal().rpartition("%3D")[2]
    with server.connect() as connection:
        found = connection.execute("SELECT to_regclass(%s)", [f"{schema}.run_leases"]).fetchone()
        if found is None or found[0] is None:
            return 0
        return len(connection.execute(f"TABLE {schema}.run_leases".encode()).fetchall())


def shares(address: Address) -> dict[str, int]:
    """How many fulfillments each host has created, by the folder of its report."""
    with Ledger(address, readonly=True) as ledger:
        return {run.report: sum(ledger.outcomes(run.run_id).values()) for run in ledger.runs()}


def test_three_hosts_share_one_inbox_and_nothing_is_posted_twice(
    server: Server, address: Address, platform: Platform
) -> None:
    runs = {host: begin(host, address) for host in HOSTS}
    wait_until(lambda: leases(server, address) == len(HOSTS))
    platform.open.set()

    ended: dict[str, Ended] = {host: end(run) for host, run in runs.items()}

    assert {host: each.status for host, each in ended.items()} == dict.fromkeys(HOSTS, 0)
    assert platform.made == Counter(NAMES)
    found = shares(address)
    assert sum(found.values()) == len(NAMES)
    assert min(found.values()) > 0
    for host in HOSTS:
        ends = Counter(statuses(Path(host, "rows.csv")).values())
        assert ends == {"created": found[host], "skipped": len(NAMES) - found[host]}


def test_what_a_killed_host_has_left_is_finished_by_the_others_once_its_lease_is_over(
    server: Server, address: Address, platform: Platform
) -> None:
    runs = {host: begin(host, address) for host in HOSTS}
    wait_until(lambda: leases(server, address) == len(HOSTS))
    platform.open.set()
    wait_until(lambda: len(platform.created) > len(NAMES) // 4)
    killed, *others = runs
    runs[killed].send_signal(signal.SIGKILL)

    ended = {host: end(run) for host, run in runs.items()}

    assert ended[killed].status == -signal.SIGKILL
    ends = [statuses(Path(host, "rows.csv")) for host in others]
    doubted = {name for name, status in ends[0].items() if status == "in-doubt"}
    assert [{name for name, status in each.items() if status == "in-doubt"} for each in ends] == [doubted] * 2
    assert len(doubted) <= CONCURRENCY
    assert [ended[host].status for host in others] == [6 if doubted else 0] * 2
    assert [{*each} for each in ends] == [{*NAMES}] * 2
    assert {status for each in ends for name, status in each.items() if name not in doubted} == {
        "created",
        "skipped",
    }
    assert set(platform.made.values()) == {1}
    assert {*NAMES} - doubted <= {*platform.made}
    assert leases(server, address) == 0


def test_a_run_that_loses_its_database_sends_nothing_more_and_the_same_command_carries_on(
    server: Server, address: Address, platform: Platform
) -> None:
    platform.open.set()
    run = begin("vienna", address)
    wait_until(lambda: len(platform.created) > len(NAMES) // 4)
    with server.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'importer'"
        )
    ended = end(run)

    assert ended.status == 4
    assert "Stopped early: ledger postgresql://" in ended.out
    first = statuses(Path("vienna", "rows.csv"))
    again = end(begin("graz", address))
    ends = statuses(Path("graz", "rows.csv"))
    doubted = {name for name, status in ends.items() if status == "in-doubt"}
    assert again.status == (6 if doubted else 0)
    assert len(doubted) <= CONCURRENCY
    assert doubted == {name for name, status in first.items() if status == "in-doubt"}
    assert set(platform.made.values()) == {1}
    assert {*NAMES} - doubted <= {*platform.made}


def nights(address: Address, status: int, *more: str) -> list[tuple[list[int], list[int], set[str]]]:
    """What comes of two nights of three hosts that begin as one, where the platform answers ``status`` alone.

    How often it was asked for each fulfillment, the exit statuses, and how the rows ended in any report.
    """
    together = threading.Event()

    def answer(_: Seen) -> Reply:
        together.wait(SECONDS)
        return refusal(status)

    def night(number: int) -> tuple[list[int], list[int], set[str]]:
        hosts = [f"{host}-{number}" for host in HOSTS]
        runs = [begin(host, address, *more, what="m.csv") for host in hosts]
        wait_until(lambda: len(failing.seen) == len(HOSTS))  # each has looked into the ledger, and sends one
        together.set()
        exits = [end(run).status for run in runs]
        asked = [*Counter(failing.names).values()]
        together.clear()
        failing.seen.clear()
        return asked, exits, {end for host in hosts for end in statuses(Path(host, "rows.csv")).values()}

    parcels(Path("m.csv"), 3)
    with Failing(answer) as failing:
        configuration(Path("importer.toml"), failing.url, timeout=SECONDS, concurrency=1)
        return [night(1), night(2)]


def test_what_a_host_left_in_doubt_the_others_do_not_send_again_in_the_same_night(
    address: Address,
) -> None:
    assert nights(address, 502, "--retry-in-doubt") == [([1] * 3, [6] * 3, {"in-doubt"})] * 2


def test_what_a_host_has_tried_as_often_as_it_may_the_others_leave_to_the_next_night(
    address: Address,
) -> None:
    told = ("--max-attempts", "2")
    assert nights(address, 429, *told) == [([2] * 3, [1] * 3, {"failed"})] * 2


def test_what_is_settled_while_a_run_goes_on_does_not_keep_it_from_its_report(
    address: Address, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([refusal(422), *[None] * 4])
    gone_on = threading.Event()

    def answer(seen: Seen) -> Reply:
        refused = next(answers)
        if refused is None:
            gone_on.wait(SECONDS)
        return refused or created(seen)

    parcels(Path("m.csv"), 5)
    with Failing(answer) as failing:
        configuration(Path("importer.toml"), failing.url, timeout=SECONDS, concurrency=1)
        run = begin("vienna", address, what="m.csv")
        wait_until(lambda: len(failing.seen) > 1)
        name = failing.names[0]
        told = ("--to", "adm", "--ledger", address.reveal(), "--created")
        settled = here(capsys, "settle", name, *told)
        gone_on.set()
        ended = end(run)

    assert (settled.status, ended.status) == (0, 1)
    ends = statuses(Path("vienna", "rows.csv"))
    assert (ends.pop(name), {*ends.values()}) == ("rejected", {"created"})


def test_a_ledger_is_moved_from_a_file_to_a_database_by_command(
    address: Address, platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    platform.open.set()
    assert end(start("post", "inbox/0.csv", "--ledger", "old.db", "--report", "first")).status == 0

    copied = here(capsys, "ledger", "copy", "old.db", address.reveal())
    refused = here(capsys, "ledger", "copy", "old.db", address.reveal())
    nothing = here(capsys, "ledger", "copy", "nothing.db", address.reveal())

    assert (copied.status, copied.err) == (0, "")
    assert copied.out == (
        f"copied to {address}: 100 fulfillments, 200 events, 1 run\n"
        "Next:   name it with --ledger in every run, and put old.db away\n"
    )
    assert (refused.status, nothing.status) == (2, 2)
    assert nothing.err == "importer: nothing.db: there is no ledger there\n"
    assert here(capsys, "post", "inbox/0.csv", "--ledger", address.reveal(), "--report", "second").status == 0
    assert Counter(statuses(Path("second", "rows.csv")).values()) == {"skipped": 100}
    assert set(platform.made.values()) == {1}


def test_a_password_in_the_address_is_in_no_output_and_no_file(
    address: Address, server: Server, platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    platform.open.set()
    schema = address.reveal().rpartition("&")[2]
    secret = quote(PASSWORD, safe="")
    told = f"postgresql://importer:{secret}@127.0.0.1:{server.port}/postgres?{schema}"

    ended = [
        here(capsys, "-v", "post", "inbox/0.csv", "--ledger", told, "--report", "first"),
        here(capsys, "post", "inbox/0.csv", "--ledger", told, "--json", "--report", "second"),
        here(capsys, "runs", "--ledger", told, "--json"),
        here(capsys, "runs", "--ledger", told, "unknown"),
        here(capsys, "settle", "--ledger", told),
        here(capsys, "explain", "--ledger", told, "1001"),
        here(capsys, "ledger", "copy", told, "copy.db"),
        here(capsys, "ledger", "copy", told, told),
        here(capsys, "post", "inbox/0.csv", "--ledger", told.replace("postgres?", "nothing?")),
    ]

    assert [each.status for each in ended] == [0, 0, 0, 2, 0, 0, 0, 2, 4]
    assert "postgresql://importer:***@127.0.0.1" in ended[0].out
    kept = [path.read_bytes() for path in Path().rglob("*") if path.is_file()]
    texts = [*(f"{each.out}{each.err}".encode() for each in ended), *kept]
    assert [text for text in texts if secret.encode() in text or PASSWORD.encode() in text] == []

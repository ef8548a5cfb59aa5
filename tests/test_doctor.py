"""What the doctor finds, and what it says is to be done."""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from importer import doctor
from importer.doctor import Asked, Check, Verdict, World
from importer.ledger import Address, Ledger
from importer.model import Intent, Outcome, Status
from importer.plans import plan
from importer.sandbox import Sandbox, Shop, Store
from tests.program import Ended, Platform, another_user, configuration, here, settle_in
from tests.receivers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.ledger import Location
    from tests.postgresql import Server

    Output = pytest.CaptureFixture[str]

CONFIG, LEDGER = Path("importer.toml"), Path("ledger.db")
TOKEN = "a-token-3f9c"  # noqa: S105 - of these tests' own platforms
NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)


def examined(
    *,
    to: str | None = None,
    layouts: tuple[str, ...] = (),
    ledger: Location = LEDGER,
    **world: Any,  # noqa: ANN401 - as World has them
) -> dict[str, Check]:
    """All checks by what was checked."""
    asked = Asked(None, to, ledger, Path("reports"), layouts)
    surroundings = World({"ADM_TOKEN": TOKEN, "XDG_CONFIG_HOME": os.environ["XDG_CONFIG_HOME"]}, **world)
    return {check.what: check for check in doctor.examine(asked, surroundings)}


def verdicts(checks: dict[str, Check]) -> dict[str, Verdict]:
    return {what: check.verdict for what, check in checks.items()}


def shop(url: str) -> None:
    CONFIG.write_text(
        f'[destinations.shop]\nkind = "shoplazza"\nbase_url = "{url}"\ntoken_env = "ADM_TOKEN"\n'
    )


def test_a_machine_where_all_is_well() -> None:
    with Sandbox(Store.any_order(), token=TOKEN, shop=Shop.any_order()) as sandbox:
        shop(sandbox.url)
        with Ledger(LEDGER):
            pass
        checks = examined()

    assert verdicts(checks) == dict.fromkeys(
        [
            "configuration",
            "shop: configuration",
            "shop: connection",
            "shop: credentials",
            "shop: clock",
            "disk of the ledger",
            "disk of the reports",
            "disk for what is unpacked",
            "ledger",
            "in doubt",
            "shop: lock",
            "layouts",
            "extras",
        ],
        Verdict.FINE,
    )
    assert doctor.exit_status([*checks.values()]) == 0


def test_a_machine_where_nothing_was_set_up_yet() -> None:
    checks = examined()

    assert verdicts(checks) == {
        "configuration": Verdict.TO_DO,
        "disk of the ledger": Verdict.FINE,
        "disk of the reports": Verdict.FINE,
        "disk for what is unpacked": Verdict.FINE,
        "ledger": Verdict.FINE,
        "layouts": Verdict.FINE,
        "extras": Verdict.FINE,
    }
    assert checks["ledger"].found == "ledger.db: none yet; the first run makes it"
    assert [path.name for path in Path().iterdir()] == []
    assert doctor.exit_status([*checks.values()]) == 1


@pytest.mark.parametrize(
    ("text", "what", "words"),
    [
        ("[destinations", "configuration", "not TOML"),
        ("[destinations.adm]\nbase_ulr = 1", "configuration", "did you mean base_url?"),
        ("[destinations.adm]", "adm: configuration", "base_url: missing"),
        (
            '[destinations.adm]\nbase_url = "https://x.example"\ntoken_env = "NONE"',
            "adm: configuration",
            "the environment variable NONE is not set or empty",
        ),
    ],
)
def test_a_configuration_that_is_wrong(text: str, what: str, words: str) -> None:
    CONFIG.write_text(text)

    checks = examined()

    assert checks[what].verdict is Verdict.WRONG
    assert words in checks[what].found
    assert doctor.exit_status([*checks.values()]) == 2


def test_only_the_destination_that_was_asked_for_is_looked_at() -> None:
    with Platform() as platform:
        CONFIG.write_text(
            f'[destinations.adm]\nbase_url = "{platform.url}"\ntoken_env = "ADM_TOKEN"\n[destinations.b]\n'
        )
        CONFIG.write_text(CONFIG.read_text() + 'kind = "adm"\n')
        checks = examined(to="adm")

    assert [what for what in checks if what.startswith("b:")] == []
    assert [(seen.method, seen.path, seen.headers.get("X-ADM-Access-Token")) for seen in platform.seen] == [
        ("GET", "/", None)
    ]
    assert checks["adm: credentials"].verdict is Verdict.UNCHECKED


def test_a_token_that_the_platform_does_not_let_in_is_wrong_and_not_shown() -> None:
    with Sandbox(Store.any_order(), token="another", shop=Shop.any_order()) as sandbox:  # noqa: S106 - of a sandbox
        shop(sandbox.url)
        checks = examined()

    assert checks["shop: credentials"].verdict is Verdict.WRONG
    assert "the destination refuses the token" in checks["shop: credentials"].found
    assert TOKEN not in str(checks)


@pytest.mark.parametrize(
    ("seconds", "verdict", "found"),
    [
        (29, Verdict.FINE, "within 30 s of the destination's"),
        (3600, Verdict.TO_DO, "3,600 s ahead of the destination's"),
        (-31, Verdict.TO_DO, "31 s behind the destination's"),
    ],
)
def test_a_clock_that_differs_from_the_destinations(seconds: int, verdict: Verdict, found: str) -> None:
    theirs = datetime(2024, 4, 30, 2, tzinfo=UTC)

    clock = doctor.clock("adm", f"{theirs:%a, %d %b %Y %H:%M:%S GMT}", theirs + timedelta(seconds=seconds))

    assert (clock.verdict, clock.found) == (verdict, found)


@pytest.mark.parametrize("date", ["", "yesterday", "Tue, 99 Apr 2024 00:00:00 GMT"])
def test_a_destination_that_does_not_say_what_time_it_is(date: str) -> None:
    assert doctor.clock("adm", date, NOW).verdict is Verdict.UNCHECKED


def test_a_destination_that_cannot_be_reached() -> None:
    port = free_port()
    configuration(CONFIG, f"http://127.0.0.1:{port}")

    checks = examined()

    assert checks["adm: connection"] == Check(
        "adm: connection",
        Verdict.TO_DO,
        f"127.0.0.1:{port} can't be reached: connection refused",
        "see to network and firewall, or correct base_url",
    )
    assert checks["adm: clock"].verdict is Verdict.UNCHECKED


def test_a_host_that_nobody_knows() -> None:
    configuration(CONFIG, "https://nobody.invalid")

    found = examined()["adm: connection"]

    assert found.verdict is Verdict.TO_DO
    assert found.found.startswith("the name nobody.invalid is not known: ")


@contextmanager
def secured(authority: trustme.CA, until: datetime) -> Iterator[int]:
    """A server that speaks TLS on loopback, as far as the end of the handshake; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", not_after=until).configure_cert(context)

    def serve() -> None:
        while True:
            try:
                connection = server.accept()[0]
            except OSError:
                return
            with closing(connection):
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    continue

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def trust(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.parametrize(("days", "verdict"), [(400, Verdict.FINE), (5, Verdict.TO_DO)])
def test_a_certificate_and_how_long_it_holds(days: int, verdict: Verdict) -> None:
    authority, until = trustme.CA(), NOW + timedelta(days=days)
    with secured(authority, until) as port:
        configuration(CONFIG, f"https://localhost:{port}")
        checks = examined(trust=lambda **_: trust(authority))

    assert checks["adm: connection"].verdict is Verdict.FINE
    assert (checks["adm: certificate"].verdict, checks["adm: certificate"].found) == (
        verdict,
        f"it holds until {until:%Y-%m-%d}",
    )


def test_a_certificate_that_is_not_trusted() -> None:
    with secured(trustme.CA(), NOW + timedelta(days=90)) as port:
        configuration(CONFIG, f"https://localhost:{port}")
        found = examined()["adm: certificate"]

    assert found.verdict is Verdict.TO_DO
    assert found.found.startswith("the certificate of localhost is not trusted: ")


def test_a_ledger_with_something_in_doubt() -> None:
    intent = Intent("adm sandbox", ("1",), "T", "content", "R")
    with Ledger(LEDGER, now=lambda: NOW - timedelta(days=2)) as ledger:
        ledger.intend(intent).result()
        ledger.record(intent, Outcome(Status.IN_DOUBT, "outcome-unknown", "no answer")).result()

    found = examined(now=lambda: NOW)["in doubt"]

    assert found == Check(
        "in doubt",
        Verdict.TO_DO,
        "1 fulfillment, the oldest for 2.0 days",
        "look them up on the platform, then: importer settle",
    )


def test_what_a_run_that_lives_is_sending_is_not_in_doubt() -> None:
    destination = "adm http://127.0.0.1:9"
    with Ledger(LEDGER) as ledger:
        with ledger.lock(destination):
            ledger.intend(Intent(destination, ("1",), "T", "content", "R")).result()
            living = examined()["in doubt"]
        dead = examined()["in doubt"]

    assert (living, dead.verdict) == (Check("in doubt", Verdict.FINE, "nothing"), Verdict.TO_DO)


@pytest.mark.postgresql
def test_what_a_run_that_lives_is_sending_from_another_host_is_not_in_doubt(server: Server) -> None:
    with server.schema() as address, Ledger(address) as ledger:
        with ledger.lock("adm", run_id="R"):
            ledger.intend(Intent("adm", ("1",), "T", "content", "R")).result()
            living = examined(ledger=address)["in doubt"]
        dead = examined(ledger=address)["in doubt"]

    assert (living, dead.verdict) == (Check("in doubt", Verdict.FINE, "nothing"), Verdict.TO_DO)


@pytest.mark.postgresql
def test_a_ledger_that_this_user_may_only_read(server: Server) -> None:
    with server.schema() as address, Ledger(address):
        read_only = Address(f"{address.reveal()}%20-cdefault_transaction_read_only%3Don")
        checks = examined(ledger=read_only)

    assert (checks["ledger: writing"].verdict, checks["ledger"].verdict) == (Verdict.TO_DO, Verdict.FINE)
    assert checks["ledger: writing"].found == (
        f"{read_only}: the database can only be read, so that it is not the primary server's"
    )


def test_a_ledger_that_is_gone_is_not_called_one_that_is_yet_to_be_made() -> None:
    with Ledger(LEDGER) as ledger, ledger.lock("adm http://127.0.0.1:9"):
        pass
    LEDGER.unlink()

    found = examined()["ledger"]

    assert found.verdict is Verdict.TO_DO
    assert "it is gone, though there was one, as ledger.db." in found.found


def test_what_developers_alone_install_is_no_extra_that_is_missing() -> None:
    found = examined()["extras"].found

    named = {name for part in found.split("; ") for name in part.split(": ")[1].split(", ")} - {"none"}
    assert "http" in named
    assert named & {"test", "check", "bench"} == set()


def test_a_ledger_that_is_none() -> None:
    LEDGER.write_text("not a ledger, but long enough to be taken for something")

    found = examined()["ledger"]

    assert found.verdict is Verdict.TO_DO
    assert "a file that is not a ledger" in found.found


def test_a_ledger_that_is_damaged() -> None:
    with Ledger(LEDGER) as ledger:
        for number in range(2000):
            ledger.intend(Intent("adm sandbox", (f"{number}",), "T", "content", "R"))
    content = bytearray(LEDGER.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8192] = bytes(range(256)) * 32
    LEDGER.write_bytes(content)

    found = examined()["ledger"]

    assert found.verdict is Verdict.TO_DO
    assert "damaged" in found.found
    assert "backup" in found.found + found.advice


def test_who_is_posting_is_named_and_not_disturbed() -> None:
    configuration(CONFIG, "http://127.0.0.1:9")
    with Ledger(LEDGER) as ledger, ledger.lock("adm http://127.0.0.1:9"):
        busy = examined()["adm: lock"]
    idle = examined()["adm: lock"]

    assert busy.found.startswith(f"posting now: host {socket.gethostname()}, pid {os.getpid()}, since ")
    assert (busy.verdict, idle) == (
        Verdict.FINE,
        Check("adm: lock", Verdict.FINE, "nobody is posting"),
    )


def test_a_note_that_a_dead_run_left_behind_means_nothing() -> None:
    configuration(CONFIG, "http://127.0.0.1:9")
    with Ledger(LEDGER) as ledger:
        with ledger.lock("adm http://127.0.0.1:9"):
            (note,) = Path().glob("ledger.db.*.json")
            told = json.loads(note.read_text())
        note.write_text(json.dumps({**told, "pid": 2**22 + 1}))

    assert examined()["adm: lock"].found == "nobody is posting"


def test_layouts_of_ones_own() -> None:
    Path("good.toml").write_text('name = "good"\ntitle = "Good"\n[columns]\norder_id = ["Auftrag"]\n')
    Path("bad.toml").write_text("name = 1")

    checks = examined(layouts=("good.toml", "bad.toml"))

    assert checks["layout good.toml"].verdict is Verdict.FINE
    assert checks["layout bad.toml"].verdict is Verdict.WRONG


def test_a_folder_that_cannot_be_written() -> None:
    Path("reports").write_text("a file")

    found = examined()["disk of the reports"]

    assert found.verdict is Verdict.TO_DO
    assert found.found.endswith("reports can't be written: Not a directory")


def test_the_doctor_says_what_to_do(capsys: Output) -> None:
    ended = here(capsys, "doctor")

    assert ended.status == 1
    assert ended.out.startswith(
        "✗ configuration  there is no importer.toml here or in the user's configuration folder\n"
        "    → importer init MANIFEST writes one; importer post MANIFEST --sandbox needs none\n"
        "✓ disk of the ledger  "
    )


def test_the_doctor_says_it_as_json(capsys: Output) -> None:
    ended = here(capsys, "doctor", "--to", "nowhere", "--json")

    found = json.loads(ended.out)
    assert ended.status == 2
    assert [check["verdict"] for check in found[:2]] == ["to-do", "wrong"]
    assert {key for check in found for key in check} == {"what", "verdict", "found", "advice"}


PLAN = """
[[job]]
name = "acme"
manifests = "in/acme/"
to = "adm"
archive = "done/acme"

[[job]]
name = "globex"
manifests = "in/globex/"
to = "shop"
"""


def test_a_plan_its_inboxes_and_the_folders_that_files_go_to(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADM_TOKEN", TOKEN)
    Path("in/acme").mkdir(parents=True)
    Path("in/acme/m.csv").touch()
    Path("nightly.toml").write_text(f'ledger = "night.db"\nreports = "out"\n{PLAN}')
    with Platform() as platform:
        configuration(CONFIG, platform.url)
        ended = here(capsys, "doctor", "--plan", "nightly.toml", "--json")

    found = {check["what"]: check for check in json.loads(ended.out)}
    assert ended.status == 2
    unknown = "--to shop: no such destination in importer.toml"
    no_folder = f"there is no folder {Path.cwd()}/in/globex; mount or make it, or correct the plan"
    known = "adm, shoplazza; did you mean shoplazza?"
    assert [check["found"] for check in json.loads(ended.out) if check["what"] == "plan"] == [
        f"nightly.toml: line 12: job globex, manifests: in/globex/: {no_folder}",
        f"nightly.toml: line 13: job globex, to: {unknown}; there is {known}",
    ]
    advice = [check["advice"] for check in json.loads(ended.out) if check["what"] == "plan"]
    assert advice == ["", "correct the plan, or what it names"]
    assert found["job acme: inbox"]["found"] == "in/acme: 1 file waiting for adm"
    assert found["job acme: archive"]["verdict"] == "fine"
    assert found["ledger"]["found"] == "night.db: none yet; the first run makes it"


def test_a_plan_where_all_is_well() -> None:
    Path("in").mkdir()
    found = plan.read(written(Path("nightly.toml"), '[[job]]\nname = "a"\nmanifests = "in"\nto = "adm"\n'))

    checks = {
        check.what: check
        for check in doctor.examine(Asked(None, None, LEDGER, Path("reports"), plan=found), World({}))
    }

    assert checks["plan"] == Check("plan", Verdict.FINE, "nightly.toml: 1 job")
    assert checks["job a: inbox"] == Check("job a: inbox", Verdict.FINE, "in: 0 files waiting for adm")


def test_of_the_destinations_those_that_the_plan_uses_are_looked_at(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADM_TOKEN", TOKEN)
    Path("in/acme").mkdir(parents=True)
    Path("nightly.toml").write_text(PLAN.partition('[[job]]\nname = "globex"')[0])
    with Platform() as platform:
        configuration(CONFIG, platform.url)
        CONFIG.write_text(CONFIG.read_text() + '[destinations.old]\nkind = "adm"\n')
        planned = here(capsys, "doctor", "--plan", "nightly.toml", "--json")
        named = here(capsys, "doctor", "--plan", "nightly.toml", "--to", "old", "--json")

    assert (planned.status, of_destinations(planned)) == (0, {"adm"})
    assert (named.status, of_destinations(named)) == (2, {"old"})


def of_destinations(ended: Ended) -> set[str]:
    return {what.split(":")[0] for check in ended.summary if "configuration" in (what := check["what"])} - {
        "configuration"
    }


def test_what_is_wrong_already_is_not_told_again_of_the_jobs_it_keeps(capsys: Output) -> None:
    Path("in/acme").mkdir(parents=True)
    Path("nightly.toml").write_text(PLAN.partition('[[job]]\nname = "globex"')[0])
    configuration(CONFIG, "https://api.example.com")

    ended = here(capsys, "doctor", "--plan", "nightly.toml", "--json")

    lacks = "the environment variable ADM_TOKEN is not set or empty, expected the token"
    assert [
        (check["what"], check["found"], check["advice"])
        for check in ended.summary
        if check["verdict"] == "wrong" or check["what"].startswith("job")
    ] == [
        (
            "adm: configuration",
            "importer.toml: [destinations.adm] token_env: " + lacks,
            "correct it",
        ),
        ("plan", "nightly.toml: 1 job; acme can't be begun for what was told above", ""),
    ]


def test_what_waits_is_what_a_run_would_take() -> None:
    for name in (
        "in/a.csv",
        "in/.hidden.csv",
        "in/b.csv.part",
        "glob/one/a.csv",
        "glob/two/b.csv",
        "file.csv",
    ):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    found = of_plan(["in/", "glob/*/*.csv", "glob/.*/*.csv", "file.csv", "sftp://example.com/a.csv"])

    assert [check.found for check in found if check.what == "job a: inbox"] == [
        "in: 1 file waiting for adm",
        "glob/*/*.csv: 2 files waiting for adm",
        "glob/.*/*.csv: 0 files waiting for adm",
        "file.csv: 1 file waiting for adm",
    ]


def of_plan(manifests: list[str], **folders: str) -> list[Check]:
    """The checks of a plan's only job."""
    values = {"name": "a", "manifests": manifests, "to": "adm", **folders}
    lines = ["[[job]]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    found = plan.read(written(Path("nightly.toml"), "\n".join(lines)))
    checks = doctor.examine(Asked(None, None, LEDGER, Path("reports"), plan=found), World({}))
    before_the_disks = takewhile(lambda check: not check.what.startswith("disk"), checks)
    return [check for check in before_the_disks if check.what.startswith("job a: ")]


@pytest.mark.parametrize("name", ["in/", "in/*.csv", "i*/*.csv", "in/m.csv"])
def test_of_an_inbox_that_files_are_moved_out_of_that_is_looked_at_too(name: str) -> None:
    folder = Path("in")
    folder.mkdir(mode=0o555)
    Path("in/m.csv").touch()
    Path.cwd().chmod(0o777)
    with another_user():
        stays, moved = of_plan([name])[0], of_plan([name], quarantine="bad")[0]

    words = "in can't be written, so that no file can be moved out of it"
    assert stays.verdict is Verdict.FINE
    assert moved == Check("job a: inbox", Verdict.TO_DO, words, "let this user write there")


@pytest.mark.parametrize("name", ["in/", "in/*.csv", "i*/*.csv", "in/m.csv"])
def test_files_are_not_carried_to_another_disk_whatever_they_are_named_by(name: str) -> None:
    Path("in").mkdir()

    done = "/dev/shm/done"  # noqa: S108 - not written

    (_, archive) = of_plan([name], archive=done)

    other = f"{done} is on another disk than in, and files are renamed, not copied"
    assert archive == Check("job a: archive", Verdict.WRONG, other, "name a folder on the disk of in")


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path

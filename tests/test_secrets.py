"""The token goes into one header of a request, and nowhere else: not to a screen, a report, or the ledger."""

import base64
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.program import (
    SECONDS,
    Ended,
    Platform,
    Reply,
    Seen,
    configuration,
    created,
    end,
    here,
    launch,
    parcels,
    refusal,
    settle_in,
    start,
)

CANARY = "canary/3f9c+Zq81=w7"
Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("ADM_TOKEN", CANARY)
    parcels(tmp_path / "m.csv", 2)


def traces(*ended: Ended, secret: str = CANARY) -> list[str]:
    """Where the secret, or a form of it that can be read back, stands: outputs by number, files by path."""
    forms = [
        form.encode()
        for form in (
            secret,
            secret.replace("/", "\\/"),
            quote(secret, safe=""),
            quote(secret),
            base64.b64encode(secret.encode()).decode(),
            secret[:-4],
            secret[4:],
        )
    ]
    outputs = {f"{number}": f"{each.out}{each.err}".encode() for number, each in enumerate(ended)}
    files = {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    return [place for place, text in (outputs | files).items() if any(form in text for form in forms)]


def everything(output: Output, platform: Platform, **settings: object) -> list[Ended]:
    """Post, post again, and look at it in every way there is."""
    configuration(Path("importer.toml"), platform.url, **settings)
    posted = [
        here(output, "-v", "post", "m.csv", "--max-attempts", 2),
        here(output, "-v", "post", "m.csv", "--retry-in-doubt", "--max-attempts", 1, "--json"),
        here(output, "-v", "check", "m.csv", "--to", "adm"),
        here(output, "-v", "runs"),
        here(output, "runs", "--json"),
    ]
    ids = [run["run_id"] for run in json.loads(posted[-1].out)]
    shown = [here(output, "runs", run_id, *more) for run_id in ids for more in ((), ("--json",))]
    assert len(shown) == 4
    return posted + shown


def echoed(seen: Seen) -> str:
    """What the request said of its token."""
    return f"X-ADM-Access-Token: {seen.headers.get('X-ADM-Access-Token')}; {seen.headers}"


ANSWERS: dict[str, Callable[[Seen], Reply]] = {
    "success": created,
    "success that repeats the headers": lambda seen: Reply(
        200, json.dumps({**json.loads(created(seen).body), "headers": dict(seen.headers)})
    ),
    "success for another, named like the token": lambda seen: Reply(
        200, json.dumps({**seen.body, "status": "created", "tracking_number": CANARY})
    ),
    "status named like the token": lambda seen: Reply(200, json.dumps({**seen.body, "status": CANARY})),
    "success that is no JSON": lambda seen: Reply(200, echoed(seen)),
    "bad request in the documented form": lambda seen: refusal(400, echoed(seen), echoed(seen)),
    "bad request with escaped slashes": lambda seen: Reply(400, echoed(seen).replace("/", "\\/")),
    "bad request in escapes": lambda _: Reply(
        400,
        '{"error": "%s", "message": ""}' % "".join(f"\\u{ord(each):04x}" for each in CANARY),  # noqa: UP031 - braces
    ),
    "bad request in another form": lambda seen: Reply(422, echoed(seen)),
    "bad request, long": lambda seen: Reply(400, "x" * 1590 + echoed(seen) * 100),
    "unauthorized": lambda seen: refusal(401, "Unauthorized", echoed(seen)),
    "forbidden": lambda seen: Reply(403, f"<html>{echoed(seen)}"),
    "redirection": lambda seen: Reply(302, echoed(seen), {"Location": f"https://example.com/?t={CANARY}"}),
    "redirection, encoded": lambda _: Reply(
        302, headers={"Location": f"https://example.com/?t={quote(CANARY, safe='')}"}
    ),
    "server error": lambda seen: refusal(500, echoed(seen), echoed(seen)),
    "server error in another form": lambda seen: Reply(500, echoed(seen)),
    "bad gateway": lambda seen: Reply(502, echoed(seen)),
    "unavailable": lambda seen: Reply(503, echoed(seen), {"Retry-After": "0"}),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_the_token_is_nowhere_whatever_the_destination_answers(
    capsys: Output, answer: Callable[[Seen], Reply]
) -> None:
    with Platform(answer) as platform:
        ended = everything(capsys, platform)

    assert traces(*ended) == []
    assert {seen.headers["X-ADM-Access-Token"] for seen in platform.seen} == {CANARY}


def test_the_token_is_nowhere_when_it_goes_with_a_scheme(capsys: Output) -> None:
    with Platform(lambda seen: refusal(400, "Bad Request", seen.headers["Authorization"])) as platform:
        ended = everything(capsys, platform, auth_header="Authorization", auth_scheme="Bearer")

    assert traces(*ended) == []
    assert {seen.headers["Authorization"] for seen in platform.seen} == {f"Bearer {CANARY}"}
    assert "400 Bad Request: Bearer ***" in ended[0].out


def test_a_token_of_a_file_is_nowhere_but_there(capsys: Output) -> None:
    Path("token").write_text(f"{CANARY}\n")
    with Platform(lambda seen: refusal(400, "Bad Request", echoed(seen))) as platform:
        Path("importer.toml").write_text(
            f'[destinations.adm]\nbase_url = "{platform.url}"\ntoken_file = "token"\n'
        )
        ended = here(capsys, "-v", "post", "m.csv")

    assert {seen.headers["X-ADM-Access-Token"] for seen in platform.seen} == {CANARY}
    assert (ended.status, traces(ended)) == (1, ["token"])


@pytest.mark.parametrize(
    "lines",
    [
        f'token = "{CANARY}"',
        f'token_env = "{CANARY}"',
        f'auth_scheme = "Bearer {CANARY}"',
        f'auth_header = "X-Token: {CANARY}"',
        f'base_url = "https://user:{CANARY}@example.com"',
        f'base_url = "https://example.com/?token={CANARY}"',
        f'token_env = "ADM_TOKEN"\ntoken_env = "{CANARY}"',
        f'token_env = "{CANARY}',
        f"token_env = {CANARY}",
    ],
)
def test_a_token_that_was_written_into_the_configuration_is_not_repeated(capsys: Output, lines: str) -> None:
    base = "" if "base_url" in lines else 'base_url = "https://example.com"\n'
    Path("importer.toml").write_text(f"[destinations.adm]\n{base}{lines}\n")

    ended = [here(capsys, "-v", command, "m.csv", "--to", "adm") for command in ("post", "check")]

    assert [each.status for each in ended] == [2, 2]
    assert traces(*ended) == ["importer.toml"]


@pytest.mark.parametrize("token", [f"{CANARY} {CANARY}", f"{CANARY}\n{CANARY}", f"{CANARY}\u00e9"])
def test_a_token_that_cannot_be_one_is_refused_unseen(
    capsys: Output, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("ADM_TOKEN", token)
    configuration(Path("importer.toml"), "https://example.com")

    ended = here(capsys, "-v", "post", "m.csv")

    assert (ended.status, traces(ended)) == (2, [])


def test_a_sandbox_keeps_its_token_to_itself() -> None:
    process = start(
        "sandbox", "--port", 0, "--token-env", "ADM_TOKEN", env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    assert process.stdout is not None
    address = process.stdout.readline()
    process.send_signal(signal.SIGTERM)

    ended = end(process)

    assert address.startswith("sandbox at http://127.0.0.1:")
    assert (ended.status, traces(Ended(0, address, ""), ended)) == (0, [])


_WITHOUT_CORE = (
    "import resource, sys; from importer.cli import run; "
    "resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); sys.exit(run(sys.argv[1:]))"
)


def test_a_crash_in_the_midst_of_a_request_shows_no_token() -> None:
    def slowly(seen: Seen) -> Reply:
        time.sleep(0.2)
        return created(seen)

    with Platform(slowly) as platform:
        configuration(Path("importer.toml"), platform.url)
        process = launch([sys.executable, "-X", "faulthandler", "-c", _WITHOUT_CORE, "-v", "post", "m.csv"])
        last = time.monotonic() + SECONDS
        while not platform.seen and time.monotonic() < last:
            time.sleep(0.001)
        process.send_signal(signal.SIGABRT)
        ended = end(process)

    assert ended.status == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in ended.err
    assert traces(ended) == []

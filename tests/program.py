"""The program as a user meets it, in this process or its own; and a platform that answers at will."""

from __future__ import annotations

import csv
import json
import os
import pwd
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from msgspec import Struct, field

from importer import cli
from importer.sandbox import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pytest

HEADER = "Order #,Item SKU,Qty Shipped,Tracking #"
SECONDS = 60
"""More than anything here takes; what takes longer hangs."""


def settle_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in ``folder``, with a user's folders of its own and nothing else said by the environment."""
    for name in [name for name in os.environ if name.startswith(("IMPORTER_", "ADM_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    monkeypatch.chdir(folder)


class Ended(Struct, frozen=True):
    """How a run of the program ended."""

    status: int
    out: str
    err: str

    @property
    def summary(self) -> Any:  # noqa: ANN401 - JSON
        """What ``--json`` printed."""
        return json.loads(self.out)


def here(capsys: pytest.CaptureFixture[str], *arguments: object) -> Ended:
    """Run the program in this process."""
    status = cli.run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return Ended(status, captured.out, captured.err)


def start(*arguments: object, **more: Any) -> subprocess.Popen[str]:  # noqa: ANN401 - as Popen has them
    """Start the program in a process of its own."""
    return launch([sys.executable, "-m", "importer", *map(str, arguments)], **more)


def launch(command: Sequence[str], **more: Any) -> subprocess.Popen[str]:  # noqa: ANN401 - as Popen has them
    """Start a command whose output is read by ``end``."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.Popen(command, text=True, encoding="utf-8", **streams)


def limited(most_bytes: int, *arguments: object, **more: Any) -> subprocess.Popen[str]:  # noqa: ANN401 - as Popen has them
    """Start the program where no file may have more than ``most_bytes``, as on a disk that is full."""
    script = (
        "import resource, sys; from importer.cli import run; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({most_bytes}, {most_bytes})); "
        "sys.exit(run(sys.argv[1:]))"
    )
    return launch([sys.executable, "-c", script, *map(str, arguments)], **more)


def end(process: subprocess.Popen[str], given: str | None = None) -> Ended:
    """Wait for the program to end."""
    with process:
        try:
            out, err = process.communicate(given, timeout=SECONDS)
        except BaseException:
            process.kill()
            raise
    return Ended(process.returncode, out, err)


def wait_until(happened: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Look until it has happened; a ``process`` has not ended then."""
    last = time.monotonic() + SECONDS
    while not happened():
        if time.monotonic() > last or (process and process.poll() is not None):
            if process:
                process.kill()
            raise AssertionError(f"it did not happen: {process and end(process)}")
        time.sleep(0.001)


class Counted(Store):
    """The sandbox's platform, which takes any order, and what it was asked to make."""

    def __init__(self) -> None:
        super().__init__(None)

    @property
    def made(self) -> Counter[str]:
        """How often each fulfillment was created."""
        return Counter(f"{each.order_id}/{each.tracking_number}" for each in list(self.created))


@contextmanager
def another_user() -> Iterator[None]:
    """Be somebody who may not do everything, as root may."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(me)


def manifest(path: Path, *rows: str, header: str = HEADER) -> Path:
    """A manifest of these lines."""
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return path


def parcels(path: Path, count: int) -> Path:
    """A manifest with a parcel for each of ``count`` orders, from 1001 on."""
    return manifest(path, *(f"{1001 + number},MUG,1,TRACK{number:05}" for number in range(count)))


def configuration(path: Path, url: str, /, **settings: object) -> Path:
    """A configuration of the destination ``adm`` at ``url``; its token is in the variable ADM_TOKEN."""
    values = {"base_url": url, "token_env": "ADM_TOKEN", **settings}
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    path.write_text("\n".join(["[destinations.adm]", *lines, ""]), encoding="utf-8")
    return path


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a report's table."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def statuses(path: Path) -> dict[str, str]:
    """How each row of a report ended, by its fulfillment; all rows of one have the same."""
    return {row["import_fulfillment"]: row["import_status"] for row in table(path)}


class Seen(Struct, frozen=True):
    """A request as the platform got it; without a body, that is None."""

    path: str
    headers: Mapping[str, str]
    body: Any
    method: str = "POST"


class Reply(Struct, frozen=True):
    """What the platform answers; ``body`` is sent as it is."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def created(seen: Seen) -> Reply:
    """Answer as documented."""
    content = {"order_id": seen.body["order_id"], "tracking_number": seen.body["tracking_number"]}
    return Reply(200, json.dumps({**content, "status": "created", "created_at": "2024-04-30T12:00:00Z"}))


def refusal(status: int, error: str = "Order Error", message: str = "as asked") -> Reply:
    """Answer in the documented form of errors."""
    return Reply(status, json.dumps({"error": error, "message": message}))


class Platform:
    """A server on loopback that writes down what it gets and answers what it is told to."""

    def __init__(self, answer: Callable[[Seen], Reply] = created) -> None:
        self.seen: list[Seen] = []
        self._answer = answer
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                seen = Seen(self.path, dict(self.headers), json.loads(body) if body else None, self.command)
                platform.seen.append(seen)
                self._send(platform._answer(seen))

            do_GET = do_PUT = do_POST  # noqa: N815 - the names that http.server calls

            def _send(self, reply: Reply) -> None:
                content = reply.body.encode()
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(content)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def names(self) -> list[str]:
        """The fulfillments that it was asked for, in the order of their coming."""
        return [f"{seen.body['order_id']}/{seen.body['tracking_number']}" for seen in self.seen]

"""Three hosts post one inbox over one PostgreSQL ledger, and one of them is killed while it posts.

``python -m tests.three_hosts --fulfillments 50000`` plays it and prints what came of it. Hosts are groups of
processes, each with its own folder for state. The platform is a witness that knows nothing of idempotency
keys; it answers nobody before all hosts are there, so that each takes a share. The one that is killed leaves
what it was sending in doubt, and the others finish what it had not begun, once its lease is over. In the end
a person settles what is in doubt, and the same command finishes that, too.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import asdict

from tests.kill_loop.ledgers import Database
from tests.kill_loop.verdict import SHOWN, Evidence, report_faults
from tests.kill_loop.witness import witness
from tests.postgresql import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.kill_loop.verdict import Known
    from tests.kill_loop.witness import Books

HOSTS = ("vienna", "graz", "linz")
KILLED = HOSTS[0]
"""The host that is killed, once it has posted a tenth of all."""

CONCURRENCY = 16
FILES = 10
_SECONDS = 1800  # more than it takes on any machine; what takes longer hangs
_TOKEN_VARIABLE = "THREE_HOSTS_TOKEN"  # noqa: S105 - the name of a variable
_INBOX = "inbox"
_TRUTH = "truth.csv"
_SHARES = "SELECT count(*) FROM fulfillments JOIN runs USING (run_id) WHERE report = %s AND state = 'created'"


class Result(Struct, frozen=True):
    """What came of it.

    ``shares`` has how many fulfillments each host created; ``in_flight`` is how many the killed host was
    sending. ``seconds`` is from the platform's first answer until the last host ended, ``others_after`` how
    much of it came after the kill; ``faults`` says in words what is wrong.
    """

    fulfillments: int
    shares: Mapping[str, int]
    seconds: float
    others_after: float
    doubled: int
    lost: int
    in_flight: int
    in_doubt: int
    faults: tuple[str, ...]


class Scene(Struct, frozen=True):
    """Where it is played: a folder with the inbox, the ledger, and what the platform writes down."""

    folder: Path
    names: Sequence[str]
    server: Server
    ledger: Database
    lease: str
    books: Books

    def start(self, host: str) -> subprocess.Popen[bytes]:
        """Start a host's run in a group of processes of its own."""
        state = self.folder / f"state-of-{host}"
        told = (*self.ledger.options, "--lease", self.lease, "--report", host)
        with (self.folder / f"output-of-{host}").open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "importer", "post", _INBOX, *told],
                cwd=self.folder,
                env={**_environment(), "XDG_STATE_HOME": str(state), "PGAPPNAME": host},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def count(self, question: str, *parameters: str) -> int:
        """What a SELECT counts in the ledger, 0 as long as there is none."""
        schema = self.ledger.options[1].rpartition("%3D")[2]
        with self.server.connect(options=f"-csearch_path={schema}") as connection:
            if connection.execute("SELECT to_regclass('run_leases')").fetchall() == [(None,)]:
                return 0
            [(count,)] = connection.execute(question.encode(), parameters).fetchall()
            return int(count)


def main() -> int:
    """Play it and print what came of it; the exit status is 1 if anything is wrong."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="three-hosts-") as folder:
        result = play(Path(folder), options.fulfillments, options.lease)
    if options.json:
        sys.stdout.write(json.dumps(asdict(result), indent=2) + "\n")
    else:
        lines = [f"{name:13} {value}" for name, value in asdict(result).items()]
        sys.stdout.write("\n".join([*lines, ""]))
    return int(bool(result.faults))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.three_hosts",
        description="Let three hosts post one inbox over one PostgreSQL ledger, and kill one of them.",
    )
    add = parser.add_argument
    add("--fulfillments", type=int, default=50_000, help="in the inbox (default 50,000)")
    add("--lease", default="10s", help="of each run (default 10s)")
    add("--json", action="store_true", help="print the result as a JSON object")
    return parser.parse_args()


def play(folder: Path, fulfillments: int, lease: str) -> Result:
    """Play it in ``folder``, which is empty, with a server of its own."""
    names = _write_inbox(folder / _INBOX, fulfillments)
    with ExitStack() as stack:
        server = stack.enter_context(Server())
        address = stack.enter_context(server.schema())
        url, books = stack.enter_context(witness(folder / "books", seed=1))
        _configure(folder / "importer.toml", url)
        scene = Scene(folder, names, server, Database(server, address), lease, books)
        return _play(scene)


def _play(scene: Scene) -> Result:
    faults: list[str] = []
    with _hosts(scene) as runs:
        began = time.monotonic()
        _wait(lambda: scene.count(_SHARES, KILLED) > len(scene.names) // 10, "the first host posts")
        os.killpg(runs[KILLED].pid, signal.SIGKILL)
        runs[KILLED].wait()
        killed = time.monotonic()
        in_flight = _sending(scene.ledger.read(KILLED))
        statuses = {host: run.wait(_SECONDS) for host, run in runs.items() if host != KILLED}
        ended = time.monotonic()
    scene.books.close_for_good()
    known = scene.ledger.read()
    evidence = Evidence(frozenset(scene.names), scene.books.created.copy(), known, frozenset(in_flight))
    faults += evidence.faults()
    for host, status in statuses.items():
        faults += _faults_of(scene, host, status, known)
    faults += _finish(scene, evidence)
    shares = Counter(each.report for each in known.values() if each.state == "created")
    return Result(
        fulfillments=len(scene.names),
        shares={host: shares[host] for host in HOSTS},
        seconds=round(ended - began, 1),
        others_after=round(ended - killed, 1),
        doubled=len(evidence.doubled),
        lost=len(evidence.lost),
        in_flight=len(in_flight),
        in_doubt=len(evidence.in_doubt),
        faults=tuple(faults),
    )


@contextmanager
def _hosts(scene: Scene) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """The runs of all hosts, from when all of them live and the platform begins to answer."""
    runs: dict[str, subprocess.Popen[bytes]] = {}
    try:
        with scene.books.nobody_answered():
            runs |= {host: scene.start(host) for host in HOSTS}
            _wait(lambda: scene.count("SELECT count(*) FROM run_leases") == len(HOSTS), "all hosts are there")
        yield runs
    finally:
        for run in runs.values():
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
                run.wait()


def _faults_of(scene: Scene, host: str, status: int, known: Mapping[str, Known]) -> Iterator[str]:
    """What is wrong with how a host ended, and with its report."""
    expected = 6 if any(each.state == "in-doubt" for each in known.values()) else 0
    if status != expected:
        printed = (scene.folder / f"output-of-{host}").read_text(encoding="utf-8")
        yield f"{host}: exit status {status}, expected {expected}; it printed: {printed!r}"
        return
    yield from list(report_faults(scene.folder / host, scene.names, known))[:SHOWN]


def _finish(scene: Scene, evidence: Evidence) -> Iterator[str]:
    """Tell the ledger what the platform knows of all that is in doubt, and let the same command finish it."""
    if evidence.in_doubt:
        _write_truth(scene.folder / _TRUTH, evidence)
        settle = [sys.executable, "-m", "importer", "settle", "--from", _TRUTH, *scene.ledger.options]
        subprocess.run(settle, cwd=scene.folder, env=_environment(), check=True, stdout=subprocess.DEVNULL)
    status = scene.start("the-morning").wait(_SECONDS)
    if status:
        yield f"in the end: exit status {status}"
    scene.books.close_for_good()
    if scene.books.created != Counter(scene.names):
        yield "in the end: not every fulfillment was created, and once"


def _environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("IMPORTER_")}
    return {**own, _TOKEN_VARIABLE: "a-token"}


def _write_inbox(folder: Path, fulfillments: int) -> list[str]:
    """Write the manifests, and return the fulfillment of each row, in order; each order has two."""
    folder.mkdir()
    names = [f"{1001 + number // 2}/TRACK{number:07}" for number in range(fulfillments)]
    in_each = -(-fulfillments // FILES)
    for part in range(FILES):
        lines = [name.replace("/", ",MUG,1,") for name in names[part * in_each : (part + 1) * in_each]]
        text = "\n".join(["order_id,sku,quantity,tracking_number", *lines, ""])
        (folder / f"{part}.csv").write_text(text, encoding="utf-8")
    return names


def _configure(path: Path, url: str) -> None:
    lines = ["[destinations.adm]", f'base_url = "{url}"', f'token_env = "{_TOKEN_VARIABLE}"']
    path.write_text("\n".join([*lines, f"concurrency = {CONCURRENCY}", ""]), encoding="utf-8")


def _write_truth(path: Path, evidence: Evidence) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["order_id", "tracking_number", "settled"])
        for name in evidence.in_doubt:
            out.writerow([*name.split("/"), "created" if evidence.created[name] else "not-created"])


def _sending(known: Mapping[str, Known]) -> set[str]:
    return {name for name, each in known.items() if each.state == "sending" and each.report == KILLED}


def _wait(until: Callable[[], bool], what: str) -> None:
    last = time.monotonic() + _SECONDS
    while not until():
        if time.monotonic() > last:
            raise TimeoutError(f"waited in vain until {what}")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())

"""Workers of a Dask cluster check and post as one process does; killed, they leave nothing doubled or lost.

All of it is processes that start with the libraries anew, so that these tests take longer than others.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import distributed
import pytest
from msgspec import Struct, field
from msgspec.structs import replace

from importer import batches, delivery, destinations, manifests, pipeline, settings
from importer.batches import Terms
from importer.cluster import Cluster, versions
from importer.cluster.dask import joined
from importer.cluster.errands import Reading, Sealed
from importer.cluster.shuffle import Sharing
from importer.cluster.workers import Work, Workers
from importer.errors import CannotGoOn, ManifestError, SetupError
from importer.fulfillments import Options
from importer.ledger import Address, Ledger, Run
from importer.manifests import layouts, sources
from importer.model import State
from importer.posts import Halt
from importer.posts.signals import Interruption
from importer.reading import Checks
from importer.sandbox import Sandbox
from importer.spilling import Room
from tests.clusters import Running
from tests.fakes import orders
from tests.postgresql import PASSWORD
from tests.program import (
    SECONDS,
    Counted,
    Ended,
    configuration,
    end,
    launch,
    manifest,
    settle_in,
    start,
    statuses,
    table,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from importer.model import Fulfillment
    from importer.reading import Stretch
    from importer.sandbox.orders import Part as Share
    from importer.sandbox.orders import Refusal

PROGRAM = Path(__file__).parent.parent
SAMPLES = PROGRAM / "samples"
NAMES = tuple(f"{1001 + number // 2}/TRACK{number:05}" for number in range(120))
FIRST_ORDER = NAMES[:2]
CONCURRENCY = 4
WORKERS = 2
LEASE = "3s"
TIMES = re.compile(r"run [0-9-]+-[0-9a-f]{6}|\d{4}-\d\d-\d\d[T ][0-9:.+]+( UTC)?|[0-9.]+ s\b")


@pytest.fixture(autouse=True)
def _world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("ADM_TOKEN", "a-token")


def without_times(folder: str) -> dict[str, str]:
    """What each file of a report says, but for when and in which run."""
    texts = {path.name: path.read_text(encoding="utf-8-sig") for path in sorted(Path(folder).iterdir())}
    summary = json.loads(texts["summary.json"])
    for name in ("run_id", "started_at", "finished_at", "seconds"):
        del summary[name]
    texts["summary.json"] = json.dumps(summary)
    return {name: TIMES.sub("", text).replace(folder, "") for name, text in texts.items()}


# reading and checking -------------------------------------------------------------------------------------


def test_workers_check_what_one_process_checks_and_the_report_is_the_same() -> None:
    names = ("messy", "first-run", "edi-856", "spreadsheet", "titles-and-totals", "eu-3pl-semicolon-cp1252")
    files = [next((SAMPLES / name).glob("manifest.*")) for name in names]
    alone = end(start("check", *files, "--report", "report-1"))
    together = end(start("check", *files, "--report", "report-2", "--engine", "dask", "--workers", "2"))

    assert (together.status, together.err) == (alone.status, alone.err) == (1, "")
    assert without_times("report-2") == without_times("report-1")


LARGE_ROWS = 3000
BLOCK_BYTES = 4096
IN_MEMORY = 500  # rows, so that those of a large manifest stay with the workers


def large(name: str, numbers: Iterable[int]) -> str:
    """A manifest of many blocks: what is of one order, parcel or row stands in several of them."""
    lines = [["order_id", "sku", "quantity", "tracking_number", "note"]]
    for number in numbers:
        order = "" if number % 97 == 0 else str(1000 + number * 7 % 900)
        parcel = "" if number % 97 == 0 or number % 211 == 0 else f"TRACK{number * 7 % 900 + number % 3:05}"
        quantity = "two" if number % 301 == 0 else "900000" if number % 450 == 7 else str(1 + number % 2)
        lines.append([order, f"SKU{number % 4}", quantity, parcel, f'said "{number}",\nand more'])
        if number % 500 == 3:
            lines.append([order, "SKU", "1", parcel, "too", "many"])
            lines.append([])
    with Path(name).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(lines)
    return name


def checked(
    report: str,
    files: Sequence[str],
    cluster: Cluster | None = None,
    in_memory: int = LARGE_ROWS * 9,
    destination: settings.DestinationSettings | None = None,
) -> dict[str, str]:
    """Check the files; returns what the report says."""
    job = pipeline.Job("check", (*files,), destination, Path("none.db"), report=Path(report), cluster=cluster)
    assert pipeline.run(job, pipeline.World(rows_in_memory=in_memory)).exit_status == 1
    return without_times(report)


def test_large_manifests_are_parted_and_grouped_by_workers_and_the_report_is_the_same() -> None:
    first = large("large.csv", range(LARGE_ROWS))
    overlapping = large("next.csv", range(LARGE_ROWS - 300, LARGE_ROWS + 300))
    others = [str(next((SAMPLES / name).glob("manifest.*"))) for name in ("edi-856", "spreadsheet", "messy")]
    files = [first, *others, overlapping]

    alone = checked("report-1", files)
    parted = checked("report-2", files, Cluster(workers=1, block_bytes=BLOCK_BYTES))
    shared_out = checked("report-3", files, Cluster(workers=2, block_bytes=BLOCK_BYTES), IN_MEMORY)

    assert parted == alone
    assert shared_out == alone


def test_rows_of_many_manifests_stay_with_the_workers_and_the_report_is_the_same() -> None:
    files = [str(next((SAMPLES / name).glob("manifest.*"))) for name in ("messy", "first-run", "edi-945")]
    several = b'[destinations.adm]\nbody = "by_fulfillment_order"\norder_id = "string"\n'
    target = settings.destination_for_check(settings.parse(several, Path("importer.toml")), "adm")

    together = checked("report-2", files, Cluster(workers=1), 3, target)

    assert together == checked("report-1", files, destination=target)


def in_the_middle(address: str, do: Callable[[], None]) -> threading.Thread:
    """Do something as soon as each worker of the scheduler has read some, and has more to read."""

    def watch() -> None:
        with distributed.Client(address, set_as_default=False) as client:  # type: ignore[no-untyped-call]  # it has no types
            wait_until(
                lambda: all(map(len, client.has_what().values())) and any(client.processing().values())
            )
            do()

    watching = threading.Thread(target=watch)
    watching.start()
    return watching


def test_what_a_killed_worker_has_read_is_read_again_by_the_others(tmp_path: Path) -> None:
    files = [large("large.csv", range(LARGE_ROWS))]
    with Running(tmp_path, WORKERS) as workers:
        killing = in_the_middle(workers.address, workers.workers[0].kill)
        together = checked("report-2", files, Cluster(workers.address, block_bytes=BLOCK_BYTES), IN_MEMORY)
        killing.join()
        assert workers.workers[0].wait() == -signal.SIGKILL

    assert together == checked("report-1", files)


def test_a_scheduler_killed_while_manifests_are_read_is_said_to_be_lost(tmp_path: Path) -> None:
    files = [large("large.csv", range(LARGE_ROWS))]
    with Running(tmp_path, WORKERS) as workers:
        killing = in_the_middle(workers.address, workers.scheduler.kill)
        with pytest.raises(CannotGoOn, match="the Dask scheduler was lost"):
            checked("report", files, Cluster(workers.address, block_bytes=BLOCK_BYTES), IN_MEMORY)
        killing.join()

    assert checked("report-2", files) == checked("report-1", files)


def test_a_fault_in_a_large_manifest_is_told_as_one_process_tells_it() -> None:
    good = Path(large("large.csv", range(LARGE_ROWS))).read_text(encoding="utf-8")
    Path("header.csv").write_text(f'{good}Order Number,Tracking #,SKU,Remarks,x\n{good}"', encoding="utf-8")
    Path("quote.csv").write_text(f'{good}1,MUG,1,"TRACK', encoding="utf-8")
    said = []
    for cluster in (None, Cluster(workers=1, block_bytes=BLOCK_BYTES)):
        for name in ("header.csv", "quote.csv"):
            with pytest.raises(ManifestError) as caught:
                checked("report", [name], cluster, IN_MEMORY)
            said.append(str(caught.value))

    assert "a second header" in said[0]
    assert "is never closed" in said[1]
    assert said[2:] == said[:2]


def test_a_manifest_that_turns_out_to_be_none_is_said_to_be_so() -> None:
    rows = [f"{number},MUG,1,TRACK{number:05}" for number in range(20)]
    manifest(Path("good.csv"), *rows)
    manifest(Path("torn.csv"), *rows, "Order Number,Tracking #,SKU,Remarks", *rows)
    alone = end(start("check", "good.csv", "torn.csv"))
    together = end(start("check", "good.csv", "torn.csv", "--engine", "dask", "--workers", "1"))

    assert alone.status == 3
    assert (together.status, together.err) == (alone.status, alone.err)


def surveyed(name: str) -> manifests.Manifest:
    found = sources.Source(name, Path(name).absolute(), Path(name))
    return batches.survey([found], Terms(None, layouts.load(None), Options()))[0]


def test_a_worker_that_sees_another_file_or_none_says_so() -> None:
    manifest(Path("there.csv"), "1001,MUG,1,TRACK00001")
    there = surveyed("there.csv")
    errand = Reading(there, Checks("string"), there.encoded.sha256)
    copied = Path("there.csv").read_bytes()
    Path("there.csv").unlink()
    where = Path("there.csv").absolute()
    with pytest.raises(ManifestError, match=r"there.csv: can't be read: .* \(on a worker, at .*there.csv; "):
        errand.run(lambda: True)
    where.write_bytes(copied)
    assert [len(part.rows) for part in errand.run(lambda: True).parts] == [1]
    where.write_bytes(copied + b"1002,MUG,1,TRACK00002\n")
    with pytest.raises(ManifestError, match=rf"a worker found another file at {where}: its sha256 is "):
        errand.run(lambda: True)


class Elsewhere(Struct):
    """A client whose worker is there at once; ``asked`` has the paths that it was to read."""

    asked: list[Path] = field(default_factory=list)
    scheduler = SimpleNamespace(address="tcp://there:0")

    def submit(
        self, _: object, __: str, ___: object, errand: Reading | Sharing, **____: object
    ) -> Elsewhere.Done:
        reading = errand.reading if isinstance(errand, Sharing) else errand
        self.asked.append(reading.manifest.source.path)
        return Elsewhere.Done(reading.run(lambda: True))

    def nthreads(self, **_: object) -> dict[str, int]:
        return {"tcp://there:1": 1}

    class Done(Struct):
        """What has come of it."""

        found: Stretch

        def result(self, timeout: float) -> Stretch:
            assert timeout > 0
            return self.found


def test_what_only_this_process_has_is_read_by_it_and_the_rest_where_the_user_has_it(tmp_path: Path) -> None:
    manifest(Path("plain.csv"), "1001,MUG,1,TRACK00001")
    Path("packed.csv.gz").write_bytes(gzip.compress(Path("plain.csv").read_bytes()))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    named = ("plain.csv", "packed.csv.gz", "-")
    found = sources.find(named, BytesIO(Path("plain.csv").read_bytes()), scratch)
    there = batches.survey(sources.keep(found, scratch), Terms(None, layouts.load(None), Options()))
    client = Elsewhere()

    read = [[*parts] for parts in Workers(client, shared=True).parts(there, Checks("string"))]

    assert [[len(part.rows) for part in parts] for parts in read] == [[1], [1], [1]]
    assert client.asked == [Path("plain.csv").absolute()]


def test_who_reads_a_manifest_stays_so_although_its_file_is_gone(tmp_path: Path) -> None:
    manifest(Path("plain.csv"), "1001,MUG,1,TRACK00001")
    there = [surveyed("plain.csv")]
    with Room(tmp_path, 0) as room:
        workers = Workers(Elsewhere(), shared=True)
        assert workers.partitions(there, (), room) is not None
        Path("plain.csv").unlink()
        with pytest.raises(ManifestError, match=r"can't be read: .* \(on a worker, at .*plain.csv; "):
            [*map(list, workers.parts(there, Checks("string")))]


def another_program(folder: Path) -> Path:
    """A folder with this program, but that a rule of it is another one."""
    for name in ("importer", "schemas"):
        shutil.copytree(PROGRAM / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "schemas" / "manifest.py").open("a", encoding="utf-8") as file:
        file.write("# another rule\n")
    return folder


def test_workers_with_another_version_of_the_program_or_none_are_refused_before_anything_is_read(
    tmp_path: Path,
) -> None:
    (tmp_path / "none" / "importer").mkdir(parents=True)
    (tmp_path / "none" / "importer" / "__init__.py").touch()
    said = []
    for program in (another_program(tmp_path / "another"), tmp_path / "none"):
        with Running(program, 1, program) as running, pytest.raises(CannotGoOn) as caught:
            joined(Cluster(running.address), tmp_path).__enter__()
        said.append(re.sub(r"127\.0\.0\.1:\d+", "HERE", str(caught.value)))

    theirs = re.escape(versions.found().partition(" ")[0]) + r" \(files [0-9a-f]{12}\)"
    todo = "; install this one there, start the worker again, and run the same command again"
    assert re.fullmatch(
        rf"Dask cluster: the worker at tcp://HERE has version {theirs} of the program, expected "
        rf"{re.escape(versions.found() + todo)}",
        said[0],
    )
    assert said[1] == (
        "Dask cluster: the worker at tcp://HERE can't load the program (No module named 'importer.cluster'), "
        f"expected {versions.found()}{todo}"
    )


def test_a_worker_with_another_version_that_joins_later_does_nothing(tmp_path: Path) -> None:
    manifest(Path("plain.csv"), "1001,MUG,1,TRACK00001")
    with Running(tmp_path, 1) as running, joined(Cluster(running.address), tmp_path) as workers:
        running.workers[0].kill()
        running.workers[0].wait()
        running.add(1, another_program(tmp_path / "another"))
        with pytest.raises(CannotGoOn, match=rf" has version .*, expected {re.escape(versions.found())}; "):
            [*map(list, workers.parts([surveyed("plain.csv")], Checks("string")))]


def test_a_run_whose_last_worker_has_died_says_so_and_one_that_is_to_stop_does_at_once(
    tmp_path: Path,
) -> None:
    manifest(Path("plain.csv"), "1001,MUG,1,TRACK00001")
    interruption = Interruption()
    with (
        Running(tmp_path, 1) as running,
        joined(Cluster(running.address), tmp_path, interruption, patience=2) as workers,
    ):
        running.workers[0].kill()
        running.workers[0].wait()
        parts = workers.parts([surveyed("plain.csv")], Checks("string"))
        with pytest.raises(CannotGoOn, match="no worker is left"):
            [*map(list, parts)]
        interruption.halt.stop("interrupted by SIGTERM")
        parts = workers.parts([surveyed("plain.csv")], Checks("string"))
        with pytest.raises(KeyboardInterrupt):
            [*map(list, parts)]


def test_a_scheduler_that_is_stopped_is_named_and_not_waited_for_by_a_run_that_is_to_stop(
    tmp_path: Path,
) -> None:
    manifest(Path("plain.csv"), "1001,MUG,1,TRACK00001")
    halt = Halt()
    with Running(tmp_path, 1) as running, impatient(running.address, halt) as workers:
        running.scheduler.send_signal(signal.SIGSTOP)
        parts = workers.parts([surveyed("plain.csv")], Checks("string"))
        with pytest.raises(CannotGoOn) as caught:
            [*map(list, parts)]
        with pytest.raises(CannotGoOn) as counted:
            workers.count()
        halt.stop("interrupted by SIGTERM")
        parts = workers.parts([surveyed("plain.csv")], Checks("string"))
        with pytest.raises(KeyboardInterrupt):
            [*map(list, parts)]

    assert is_silent(running.address, str(caught.value))
    assert is_silent(running.address, str(counted.value))


def test_a_scheduler_that_is_gone_is_said_not_to_answer(tmp_path: Path) -> None:
    with Running(tmp_path, 1) as running, joined(Cluster(running.address), tmp_path, patience=2) as workers:
        running.scheduler.kill()
        with pytest.raises(CannotGoOn) as caught:
            workers.count()

    assert is_silent(running.address, str(caught.value))


@contextmanager
def impatient(address: str, halt: Halt | None = None) -> Iterator[Workers]:
    """The workers, for whose scheduler nobody waits long."""
    with distributed.Client(address, set_as_default=False) as client:  # type: ignore[no-untyped-call]  # it has no types
        yield Workers(client, shared=True, patience=1, halt=halt)


def is_silent(address: str, told: str) -> bool:
    """Whether it is said of the scheduler that it did not answer while it was waited for."""
    words = (
        rf"Dask cluster: the scheduler at {re.escape(address)} has not answered for \d+ s; see whether it is "
        "stopped, or has too much to do, and run the same command again"
    )
    return re.fullmatch(words, told) is not None


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder whose path is short: that of a socket has 107 bytes at most."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.parametrize(
    ("number", "times"), [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGINT, 2), (signal.SIGTERM, 2)]
)
def test_a_signal_while_workers_start_ends_the_run_without_a_word_of_python(
    scratch: Path, number: signal.Signals, times: int
) -> None:
    manifest(Path("plain.csv"), "1001,MUG,1,TRACK00001")
    run = start(
        *("check", "plain.csv", "--engine", "dask", "--workers", "1"),
        env=os.environ | {"TMPDIR": str(scratch)},
        start_new_session=True,
    )
    wait_until(lambda: any("forkserver" in command for command in commands_begun_by(run.pid)))
    for _ in range(times):
        os.killpg(run.pid, number)
        time.sleep(0.3)  # two that come at once are one
    ended = end(run)

    assert (ended.status, ended.err) == (128 + number, "")
    assert [*scratch.iterdir()] == []


def test_two_signals_are_noted_while_something_can_not_be_broken_off() -> None:
    interruption = Interruption()
    done = []

    def wait() -> None:
        with interruption.waiting():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            done.append("all")

    with interruption.watching(), pytest.raises(KeyboardInterrupt):
        wait()

    why = interruption.halt.reason
    assert (done, interruption.exit_status, why) == (["all"], 143, "interrupted by SIGTERM")


def test_a_third_signal_ends_on_the_spot_what_can_not_be_broken_off() -> None:
    text = """
import signal
from importer.posts import Halt
from importer.posts.signals import Interruption
interruption = Interruption()
with interruption.watching(), interruption.waiting():
    for number in (2, 15, 2):
        print(number, flush=True)
        signal.raise_signal(number)
"""
    assert end(launch([sys.executable, "-c", text])) == Ended(-2, "2\n15\n2\n", "")


def commands_begun_by(pid: int) -> list[str]:
    """The commands of the processes that a process has started."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
        with suppress(OSError):  # it has ended
            found.append(Path(f"/proc/{child}/cmdline").read_text(encoding="utf-8"))
    return found


def test_a_run_with_workers_leaves_nothing_among_temporary_files(scratch: Path) -> None:
    manifest(Path("plain.csv"), "1001,MUG,1,TRACK00001")
    told = ("--engine", "dask", "--workers", "1")
    ended = end(start("check", "plain.csv", *told, env=os.environ | {"TMPDIR": str(scratch)}))

    assert (ended.status, ended.err, [*scratch.iterdir()]) == (0, "", [])


def test_a_folder_whose_path_is_too_long_for_workers_is_named(scratch: Path) -> None:
    manifest(Path("plain.csv"), "1001,MUG,1,TRACK00001")
    far = scratch / ("far" * 30)
    far.mkdir()
    told = ("--engine", "dask", "--workers", "1")
    ended = end(start("check", "plain.csv", *told, env=os.environ | {"TMPDIR": str(far)}))

    assert (ended.status, [*far.iterdir()]) == (4, [])
    assert ended.err == (
        "importer: Dask cluster: workers can't be started on this machine (AF_UNIX path too long); where a "
        f"path is too long, name a folder with a shorter one than {far} with TMPDIR; nothing was sent\n"
    )


def test_nobody_loads_the_library_who_does_not_ask_for_it() -> None:
    code = "import sys, importer.cli; print({'dask', 'distributed'} & sys.modules.keys())"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout == "set()\n"


def test_a_scheduler_that_does_not_answer_is_said_to_be_so(tmp_path: Path) -> None:
    nowhere = Cluster("tcp://127.0.0.1:9")
    with pytest.raises(CannotGoOn, match=r"no scheduler answers at tcp://127\.0\.0\.1:9 "):
        joined(nowhere, tmp_path, patience=0.2).__enter__()


def test_a_scheduler_that_accepts_and_says_nothing_is_said_not_to_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(CannotGoOn, match=rf"no scheduler answers at {re.escape(address)} "):
            joined(Cluster(address), tmp_path, patience=0.5).__enter__()


@pytest.mark.parametrize("address", ["foo", "http://127.0.0.1:8786", "tcp://127.0.0.1:many", "tcp://h:99999"])
def test_what_is_no_address_of_a_scheduler_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(
        SetupError, match=rf"--scheduler: found '{address}', expected tcp://HOST:PORT or tls://"
    ):
        joined(Cluster(address), tmp_path).__enter__()


def test_a_scheduler_with_tls_needs_certificates(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as caught:
        joined(Cluster("tls://127.0.0.1:8786"), tmp_path).__enter__()
    assert str(caught.value) == (
        "--scheduler: tls://127.0.0.1:8786 needs certificates: name their files in "
        "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT and "
        "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"
    )


def test_a_token_on_its_way_to_a_worker_does_not_show() -> None:
    assert (repr(Sealed("s3cret")), Sealed("s3cret").reveal()) == ("***", "s3cret")


def test_what_is_for_a_cluster_is_refused_without_one() -> None:
    manifest(Path("inbox.csv"), "1001,MUG,1,TRACK00001")
    alone = end(start("check", "inbox.csv", "--workers", "2"))
    both = end(start("check", "inbox.csv", "--engine", "dask", "--workers", "2", "--scheduler", "tcp://x:1"))

    assert (alone.status, both.status) == (2, 2)
    assert "--scheduler and --workers are for a Dask cluster: give --engine dask, too" in alone.err
    assert "--scheduler and --workers contradict each other" in both.err


# posting --------------------------------------------------------------------------------------------------


class Platform(Counted):
    """A platform that answers the first order, and after that nobody before it is ``open``."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.asked = threading.Event()

    def fulfill(self, tracking_number: str, parts: Sequence[Share]) -> datetime | Refusal:
        if len(self.created) >= len(FIRST_ORDER):
            self.asked.set()
            self.open.wait(SECONDS)
        return super().fulfill(tracking_number, parts)


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
def _inbox(platform: Platform) -> Iterator[None]:
    manifest(Path("inbox.csv"), *(f"{name.replace('/', ',MUG,1,')}" for name in NAMES))
    with Sandbox(platform, token="a-token") as sandbox:  # noqa: S106 - of the test's own sandbox
        configuration(Path("importer.toml"), sandbox.url, concurrency=CONCURRENCY, timeout=SECONDS)
        yield


def begin(address: Address, report: str, *more: str) -> subprocess.Popen[str]:
    told = ("--ledger", address.reveal(), "--report", report, "--lease", LEASE, "--engine", "dask")
    return start("post", "inbox.csv", *told, *more)


def carried_on(address: Address) -> int:
    """How a run of this process alone ended that carried on; it is there sooner than one with workers."""
    told = ("--ledger", address.reveal(), "--report", "again")
    return end(start("post", "inbox.csv", *told)).status


def ends(report: str) -> Counter[str]:
    """How many fulfillments ended how."""
    return Counter(statuses(Path(report, "rows.csv")).values())


def doubted_when_all_is_done(found: dict[str, str], exit_status: int, platform: Platform) -> set[str]:
    """What is in doubt, at most what was in flight; all else was created, and nothing twice."""
    doubted = {name for name, status in found.items() if status == "in-doubt"}
    assert exit_status == (6 if doubted else 0)
    assert len(doubted) <= CONCURRENCY
    assert {*found} == {*NAMES}
    assert set(platform.made.values()) == {1}
    assert {*NAMES} - doubted <= {*platform.made}
    return doubted


posting = pytest.mark.usefixtures("_inbox")


@posting
@pytest.mark.postgresql
def test_workers_post_each_fulfillment_once_and_the_same_command_has_nothing_left(
    address: Address, platform: Platform
) -> None:
    platform.open.set()
    first = end(begin(address, "first", "--workers", "2"))
    again = end(begin(address, "again", "--workers", "2"))

    assert [(each.status, each.err) for each in (first, again)] == [(0, ""), (0, "")]
    assert platform.made == Counter(NAMES)
    assert (ends("first"), ends("again")) == ({"created": len(NAMES)}, {"skipped": len(NAMES)})
    with Ledger(address, readonly=True) as ledger:
        counts = [sum(ledger.outcomes(run.run_id).values()) for run in ledger.runs()]
    assert counts == [0, len(NAMES)]


@posting
@pytest.mark.postgresql
def test_a_large_manifest_is_posted_once_although_a_worker_is_killed_while_it_is_read(
    address: Address, platform: Platform, tmp_path: Path
) -> None:
    platform.open.set()
    parcels = [name.split("/") for name in NAMES]
    manifest(
        Path("inbox.csv"), *(f"{order},SKU{sku},1,{number}" for sku in range(20) for order, number in parcels)
    )
    target = settings.destination(settings.load(Path("importer.toml"), {}), "adm", os.environ, {})
    job = pipeline.Job("post", ("inbox.csv",), target, address, report=Path("first"), lease=3.0)
    world = pipeline.World(rows_in_memory=IN_MEMORY)
    with Running(tmp_path, WORKERS) as workers:
        killing = in_the_middle(workers.address, workers.workers[0].kill)
        cluster = Cluster(workers.address, block_bytes=1024)
        first = pipeline.run(replace(job, cluster=cluster), world)
        killing.join()

    assert (first.exit_status, ends("first")) == (0, {"created": len(NAMES)})
    assert platform.made == Counter(NAMES)
    assert {len(one.lines) for one in platform.created} == {20}
    assert pipeline.run(replace(job, report=Path("again")), world).exit_status == 0
    assert ends("again") == {"skipped": len(NAMES)}
    assert platform.made == Counter(NAMES)


@posting
def test_with_a_ledger_in_a_file_workers_check_and_one_process_posts(platform: Platform) -> None:
    platform.open.set()
    told = ("--ledger", "ledger.db", "--report", "report", "--engine", "dask", "--workers", "1")
    ended = end(start("post", "inbox.csv", *told))

    assert (ended.status, ended.err) == (0, "")
    assert platform.made == Counter(NAMES)
    assert ends("report") == {"created": len(NAMES)}


@posting
@pytest.mark.postgresql
def test_a_token_that_is_refused_costs_one_request(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADM_TOKEN", "another")
    ended = end(begin(address, "report", "--workers", "2"))

    assert ended.status == 4
    assert ends("report") == {"not-sent": len(NAMES)}
    assert Counter(row["import_attempts"] for row in table(Path("report", "rows.csv"))) == {
        "1": 1,
        "0": len(NAMES) - 1,
    }


@posting
@pytest.mark.postgresql
def test_a_run_that_is_to_stop_stops_its_workers_in_order(address: Address, platform: Platform) -> None:
    run = begin(address, "first", "--workers", "2")
    assert platform.asked.wait(SECONDS)
    run.send_signal(signal.SIGTERM)
    with Ledger(address, readonly=True) as ledger:
        run_id = ledger.runs()[0].run_id
        wait_until(lambda: ledger.asked_to_stop(run_id) == "interrupted by SIGTERM")
    time.sleep(2)  # for the workers to hear of it; if they don't, less is left than should be
    platform.open.set()
    stopped = end(run)
    made = len(platform.created)

    assert stopped.status == 143
    assert ends("first") == {"created": made, "not-sent": len(NAMES) - made}
    assert 0 < made < len(NAMES)
    assert carried_on(address) == 0
    assert platform.made == Counter(NAMES)


class OneRun(Struct):
    """A run in this process that has the ledger, and posts with the workers that it is given."""

    ledger: Ledger
    address: Address
    target: settings.DestinationSettings
    identity: str

    def post(self, workers: Workers, queues: Iterator[list[Fulfillment]]) -> str:
        """Have the workers post, and return why that ended early."""
        self.ledger.start_run(Run("run-1", "post", self.identity, (), "first", datetime.now(UTC)))
        rules = delivery.rules_of(self.target, "run-1", accept_doubt=False)
        work = Work(8, queues, {}, {}, self.target, self.ledger, self.address, rules, lease=3.0)
        return workers.post(work, lambda *_: None, Interruption())

    def left(self) -> tuple[list[str], dict[State, int]]:
        """Who is at work, and what the ledger has of the run."""
        at_work = [each.partition(" (")[0] for each in self.ledger.at_work(self.identity)]
        return at_work, self.ledger.outcomes("run-1")


@contextmanager
def one_run(address: Address) -> Iterator[OneRun]:
    target = settings.destination(settings.load(Path("importer.toml"), {}), "adm", os.environ, {})
    identity = destinations.make(target).identity
    with Ledger(address) as ledger, ledger.lock(identity, run_id="run-1"):
        yield OneRun(ledger, address, target, identity)


@posting
@pytest.mark.postgresql
def test_workers_are_stopped_and_waited_for_when_what_is_next_can_t_be_read(
    address: Address, platform: Platform, tmp_path: Path
) -> None:
    def queues() -> Iterator[list[Fulfillment]]:
        yield from orders(("TRACK1", "TRACK2"), ("TRACK3",))
        assert platform.asked.wait(SECONDS)
        platform.open.set()
        raise CannotGoOn("the disk can't be read")

    with (
        Running(tmp_path, WORKERS) as running,
        one_run(address) as run,
        joined(Cluster(running.address), tmp_path) as workers,
    ):
        with pytest.raises(CannotGoOn, match=r"^the disk can't be read$"):
            run.post(workers, queues())
        asked_to_stop, left = run.ledger.asked_to_stop("run-1"), run.left()

    assert asked_to_stop == "the disk can't be read"
    assert left == (["run run-1"], {State.CREATED: 3})


@posting
@pytest.mark.postgresql
def test_a_scheduler_that_is_stopped_while_its_workers_post_ends_the_run_and_what_they_did_is_recorded(
    address: Address, platform: Platform, tmp_path: Path
) -> None:
    def queues() -> Iterator[list[Fulfillment]]:
        yield from orders(("TRACK1", "TRACK2"), ("TRACK3",))
        assert platform.asked.wait(SECONDS)
        running.scheduler.send_signal(signal.SIGSTOP)
        platform.open.set()
        yield from orders(("TRACK4",))

    with (
        Running(tmp_path, WORKERS) as running,
        one_run(address) as run,
        impatient(running.address) as workers,
    ):
        why = run.post(workers, queues())
        left = run.left()

    assert is_silent(running.address, why)
    assert left == (["run run-1"], {State.CREATED: 3})


@posting
@pytest.mark.postgresql
def test_what_a_killed_worker_has_left_is_finished_by_the_others(
    address: Address, platform: Platform, tmp_path: Path
) -> None:
    with Running(tmp_path, WORKERS) as workers:
        run = begin(address, "first", "--scheduler", workers.address)
        assert platform.asked.wait(SECONDS)
        workers.workers[0].kill()
        platform.open.set()
        ended = end(run)

    found = statuses(Path("first", "rows.csv"))
    doubted = doubted_when_all_is_done(found, ended.status, platform)
    assert {status for name, status in found.items() if name not in doubted} == {"created"}


@posting
@pytest.mark.postgresql
def test_without_its_scheduler_a_run_ends_with_all_that_is_known_and_the_same_command_finishes(
    address: Address, platform: Platform, tmp_path: Path
) -> None:
    with Running(tmp_path, WORKERS) as workers:
        run = begin(address, "first", "--scheduler", workers.address)
        assert platform.asked.wait(SECONDS)
        workers.scheduler.kill()
        platform.open.set()
        stopped = end(run)
    again = carried_on(address)

    assert (stopped.status, stopped.err) == (4, "")
    assert "the Dask scheduler was lost" in stopped.out
    first, found = (statuses(Path(report, "rows.csv")) for report in ("first", "again"))
    doubted = doubted_when_all_is_done(found, again, platform)
    assert {*first} == {*NAMES}
    assert {"created"} <= {*first.values()} <= {"created", "in-doubt", "not-sent"}
    assert {name for name, status in first.items() if status == "in-doubt"} == doubted


@posting
@pytest.mark.postgresql
def test_a_run_whose_last_worker_has_died_ends_at_a_signal_and_the_same_command_finishes(
    address: Address, platform: Platform, tmp_path: Path
) -> None:
    with Running(tmp_path, 1) as workers:
        run = begin(address, "first", "--scheduler", workers.address)
        assert platform.asked.wait(SECONDS)
        workers.workers[0].kill()
        workers.workers[0].wait()
        run.send_signal(signal.SIGTERM)
        stopped = end(run)
    platform.open.set()
    again = carried_on(address)

    assert (stopped.status, stopped.err) == (143, "")
    assert again in {0, 6}
    assert set(platform.made.values()) == {1}
    assert sum(ends("again").values()) == len(NAMES)


@posting
@pytest.mark.postgresql
def test_a_worker_that_has_no_password_for_the_ledger_is_named(
    address: Address, platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.open.set()
    over_tcp = Address(re.sub(r"host=[^&]*", "host=127.0.0.1", address.reveal()))
    with Running(tmp_path, 1) as workers:
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        ended = end(begin(over_tcp, "first", "--scheduler", workers.address))

    assert (ended.status, ended.err, platform.made) == (4, "", Counter())
    assert ends("first") == {"not-sent": len(NAMES)}
    told = table(Path("first", "rows.csv"))[0]["import_message"]
    assert (
        "each worker must reach the ledger, with the password, PGPASSWORD or ?service= where it runs" in told
    )
    assert "(on the worker at tcp://127.0.0.1:" in told

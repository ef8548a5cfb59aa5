"""How fast fulfillments are posted, against wrk, which only sends, and a plain loop over httpx."""

import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

_CONCURRENCY: Final = 64
_SLOW_MILLISECONDS: Final = 20
_WRK_SECONDS: Final = 4
_WRK: Final = """\
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"order_id":450000001,"line_items":[{"sku":"SKU-0001-0","quantity":2},{"sku":"SKU-0002-1",\
"quantity":1}],"tracking_number":"PKG4500000010"}'
"""
_WITHOUT_FAST: Final = (
    "import sys; sys.modules |= {'uvloop': None, 'httptools': None}; "
    "from importer.__main__ import main; main()"
)


class Speed(Struct, frozen=True):
    """Posts a second, and MiB of memory at the peak."""

    rate: float
    peak: float


def measure(folder: Path, posts: int, repeat: int) -> None:
    """Print how fast ``posts`` fulfillments are posted, and the ratios to what others do in the same run."""
    manifest = folder / "post.csv"
    write(manifest, posts)
    with destination(0) as at_once, destination(_SLOW_MILLISECONDS) as slow:
        contenders: dict[str, Callable[[str], Speed]] = {
            "importer post": _importer(folder, manifest, posts, at_once, ["-m", "importer"]),
            "… without [fast]": _importer(folder, manifest, posts, at_once, ["-c", _WITHOUT_FAST]),
            "plain httpx": lambda _: _whole(posts, _plain(manifest, at_once)),
            "posting alone": lambda run: _alone(at_once, posts, str(folder / f"alone-{run}.db")),
            "… without ledger": lambda _: _alone(at_once, posts),
            "importer, 20 ms": _importer(folder, manifest, posts, slow, ["-m", "importer"]),
        }
        if shutil.which("wrk"):
            contenders["wrk"] = lambda _: _wrk(folder, at_once)
            contenders["wrk, 20 ms"] = lambda _: _wrk(folder, slow)
        else:
            print("wrk is not installed, so there is nothing to tell what this machine could do")
        _print(posts, _medians(contenders, repeat))


def write(path: Path, posts: int) -> None:
    """Write a manifest of so many parcels, of one to four lines each."""
    with path.open("w", encoding="utf-8") as file:
        file.write("order_id,sku,quantity,tracking_number,Ship To City\n")
        for parcel in range(posts):
            order = 450_000_000 + parcel // 2
            for line in range(1 + parcel % 4):
                file.write(
                    f"{order},SKU-{parcel % 9999:04}-{line},{1 + line},PKG{order}{parcel % 2},Springfield\n"
                )


@contextmanager
def destination(milliseconds: int) -> Iterator[str]:
    """Serve a destination that answers after so long, as long as the context lasts; yields its base_url."""
    command = [sys.executable, "-m", "benchmarks.destination", str(milliseconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        port = process.stdout.readline().strip() if process.stdout else ""
        yield f"http://127.0.0.1:{port}"


def configured(folder: Path, url: str) -> Path:
    """Write a configuration file with the destination at ``url`` alone."""
    config = folder / f"post-{url.rpartition(':')[2]}.toml"
    config.write_text(
        f'[destinations.adm]\nbase_url = "{url}"\ntoken_env = "BENCHMARK_TOKEN"\n'
        f"concurrency = {_CONCURRENCY}\n",
        encoding="utf-8",
    )
    return config


def _importer(
    folder: Path, manifest: Path, posts: int, url: str, python: list[str]
) -> Callable[[str], Speed]:
    command = [*python, "-q", "--config", str(configured(folder, url)), "post", str(manifest)]
    return lambda run: _whole(
        posts,
        [*command, "--ledger", str(folder / f"{run}.db"), "--report", str(folder / f"report-{run}")],
    )


def _plain(manifest: Path, url: str) -> list[str]:
    return ["-m", "benchmarks.plain_post", str(manifest), f"{url}/fulfillments/create", str(_CONCURRENCY)]


def _whole(posts: int, arguments: list[str]) -> Speed:
    """The speed of a process from its start to its end."""
    began = time.perf_counter()
    environment = os.environ | {"BENCHMARK_TOKEN": "benchmark"}
    process = subprocess.Popen([sys.executable, *arguments], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(arguments)}: exit status {process.returncode}")
    return Speed(posts / seconds, usage.ru_maxrss / 1024)


def _alone(url: str, posts: int, *ledger: str) -> Speed:
    arguments = ["-m", "benchmarks.posting", url, str(posts), str(_CONCURRENCY), *ledger]
    return Speed(float(_said([sys.executable, *arguments])), 0.0)


def _wrk(folder: Path, url: str) -> Speed:
    script = folder / "post.lua"
    script.write_text(_WRK, encoding="utf-8")
    options = ["-t1", f"-c{_CONCURRENCY}", f"-d{_WRK_SECONDS}s", "-s", str(script)]
    words = _said(["wrk", *options, f"{url}/fulfillments/create"])
    found = re.search(r"Requests/sec: *([0-9.]+)", words)
    if found is None or "Non-2xx" in words:
        sys.exit(words)
    return Speed(float(found[1]), 0.0)


def _said(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _medians(contenders: Mapping[str, Callable[[str], Speed]], repeat: int) -> dict[str, Speed]:
    found: dict[str, list[Speed]] = {name: [] for name in contenders}
    for run in range(repeat):
        for number, (name, contender) in enumerate(contenders.items()):
            found[name].append(contender(f"{number}-{run}"))
    return {
        name: Speed(
            statistics.median(each.rate for each in speeds), statistics.median(each.peak for each in speeds)
        )
        for name, speeds in found.items()
    }


_RATIOS: Final = (
    ("importer post", "plain httpx", "8"),
    ("… without [fast]", "plain httpx", "5"),
    ("importer post", "wrk", "0.025"),
    ("importer, 20 ms", "wrk, 20 ms", "0.85"),
    ("posting alone", "… without ledger", "0.85"),
)
"""Whose speed is divided by whose, and what that is to be at least."""


def _print(posts: int, speeds: Mapping[str, Speed]) -> None:
    print(f"post {posts:,} fulfillments, {_CONCURRENCY} at a time")
    for name, speed in speeds.items():
        memory = f"{speed.peak:6.0f} MiB" if speed.peak else ""
        print(f"  {name:17} {speed.rate:9,.0f} posts/s {memory}")
    for name, peer, target in _RATIOS:
        if peer in speeds:
            ratio = speeds[name].rate / speeds[peer].rate
            print(f"  {f'{name} / {peer}':36} {ratio:7.3f}   (at least {target})")

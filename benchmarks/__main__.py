"""``python -m benchmarks [--rows N] [--posts N] [--numbers N] [--repeat N] [--only NAME]``."""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import manifest, numbers
from importer.sandbox import Sandbox, Store

_MIB = 1024 * 1024
_CONCURRENCY = 16
_FINISHED = frozenset({0, 1})  # 1: some rows need attention, as they are meant to


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process cost: seconds of wall time, and MiB of memory at its peak."""

    seconds: float
    peak: float


def main() -> None:
    """Measure, and print ratios."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        for name, (measure, count) in _MEASURES.items():
            if options.only in {None, name}:
                measure(Path(folder), getattr(options, count), options.repeat)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ratios against plain peers.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows to check (default 1,000,000)")
    parser.add_argument("--posts", type=int, default=4_000, help="rows to post (default 4,000)")
    parser.add_argument(
        "--numbers", type=int, default=1_000_000, help="tracking numbers to judge (default 1,000,000)"
    )
    parser.add_argument("--only", choices=[*_MEASURES], help="measure this alone")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each, interleaved (default 3)")
    return parser.parse_args()


def _check(folder: Path, rows: int, repeat: int) -> None:
    path = folder / "check.csv"
    manifest.write(path, rows)
    size = path.stat().st_size / _MIB
    costs = _interleaved(
        {
            "importer check": lambda run: [
                *("importer", "-q", "check", str(path), "--to", "adm"),
                *("--ledger", str(folder / "none.db"), "--report", str(folder / f"check-{run}")),
            ],
            "plain csv loop": lambda run: [
                *("benchmarks.plain_check", str(path), str(folder / f"plain-{run}.csv")),
            ],
        },
        repeat,
    )
    _print(f"check {rows:,} rows, {size:.1f} MiB", costs, rows, "rows")
    print(f"  peak memory: {costs['importer check'].peak / size:.1f} times the file")


def _post(folder: Path, rows: int, repeat: int) -> None:
    path = folder / "post.csv"
    manifest.write(path, rows)
    with Sandbox(Store.any_order()) as sandbox:
        config = folder / "importer.toml"
        config.write_text(
            f'[destinations.adm]\nbase_url = "{sandbox.url}"\ntoken_env = "BENCHMARK_TOKEN"\n'
            f"concurrency = {_CONCURRENCY}\n",
            encoding="utf-8",
        )
        url = f"{sandbox.url}/fulfillments/create"
        costs = _interleaved(
            {
                "importer post": lambda run: [
                    *("importer", "-q", "--config", str(config), "post", str(path)),
                    *("--ledger", str(folder / f"{run}.db"), "--report", str(folder / f"post-{run}")),
                ],
                "plain httpx": lambda _: ["benchmarks.plain_post", str(path), url, str(_CONCURRENCY)],
            },
            repeat,
        )
        posts = len(sandbox.store.created) // (2 * repeat)
    _print(f"post {posts:,} fulfillments, {_CONCURRENCY} at a time", costs, posts, "posts")


def _workbook(folder: Path, rows: int, repeat: int) -> None:
    path = folder / "workbook.xlsx"
    manifest.write_workbook(path, rows)
    size = path.stat().st_size / _MIB
    costs = _interleaved(
        {
            "importer check": lambda run: [
                *("importer", "-q", "check", str(path), "--to", "adm"),
                *("--ledger", str(folder / "none.db"), "--report", str(folder / f"workbook-{run}")),
            ],
            "plain openpyxl": lambda run: [
                *("benchmarks.plain_workbook", str(path), str(folder / f"workbook-{run}.csv")),
            ],
        },
        repeat,
    )
    _print(f"check {rows:,} rows of an .xlsx, {size:.1f} MiB", costs, rows, "rows")


def _tracking(folder: Path, count: int, repeat: int) -> None:
    path = folder / "numbers.csv"
    numbers.write(path, count)
    costs = _interleaved(
        {
            "importer.tracking": lambda _: ["benchmarks.numbers", str(path)],
            "plain regex loop": lambda _: ["benchmarks.plain_numbers", str(path)],
        },
        repeat,
    )
    _print(f"judge {count:,} tracking numbers", costs, count, "numbers")


_MEASURES: dict[str, tuple[Callable[[Path, int, int], None], str]] = {
    "check": (_check, "rows"),
    "workbook": (_workbook, "rows"),
    "post": (_post, "posts"),
    "tracking": (_tracking, "numbers"),
}
"""What is measured, and the option that says of how much."""


def _interleaved(commands: dict[str, Callable[[int], list[str]]], repeat: int) -> dict[str, Cost]:
    found: dict[str, list[Cost]] = {name: [] for name in commands}
    for run in range(repeat):
        for name, command in commands.items():
            found[name].append(_cost(command(run)))
    return {
        name: Cost(
            statistics.median(cost.seconds for cost in costs), statistics.median(cost.peak for cost in costs)
        )
        for name, costs in found.items()
    }


def _cost(module_and_arguments: list[str]) -> Cost:
    environment = os.environ | {"BENCHMARK_TOKEN": "benchmark"}
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", *module_and_arguments], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in _FINISHED:
        sys.exit(f"{' '.join(module_and_arguments)}: exit status {process.returncode}")
    return Cost(seconds, usage.ru_maxrss / 1024)


def _print(title: str, costs: dict[str, Cost], count: int, unit: str) -> None:
    ours, peer = costs.values()
    print(title)
    for name, cost in costs.items():
        rate = f"{count / cost.seconds:,.0f} {unit}/s"
        print(f"  {name:17} {cost.seconds:8.2f} s {cost.peak:8.0f} MiB  {rate}")
    seconds, peak = ours.seconds / peer.seconds, ours.peak / peer.peak
    print(f"  ratio             {seconds:8.2f}   {peak:8.2f}       (less is better)")


if __name__ == "__main__":
    main()

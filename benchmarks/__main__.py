"""``python -m benchmarks [--rows N] [--posts N] [--numbers N] [--past N] [--repeat N] [--only NAME]``."""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    check,
    dask_engine,
    edi,
    growth,
    ledger,
    manifest,
    memory,
    numbers,
    page,
    post,
    post_memory,
    start,
)
from benchmarks.processes import MIB, cost_of, interleaved, show

_MOST_LINES_FOR_SEGMENTS = 50_000  # the slower peer takes some seconds for them


def main() -> None:
    """Measure, and print ratios."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        for name, (measure, count) in _MEASURES.items():
            if name == options.only or (options.only is None and name not in _ONLY_WHEN_ASKED):
                measure(Path(folder), getattr(options, count), options.repeat)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ratios against plain peers.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows to check (default 1,000,000)")
    parser.add_argument("--posts", type=int, default=20_000, help="fulfillments to post (default 20,000)")
    parser.add_argument(
        "--numbers", type=int, default=1_000_000, help="tracking numbers to judge (default 1,000,000)"
    )
    parser.add_argument(
        "--past", type=int, default=5_000_000, help="fulfillments in the grown ledger (default 5,000,000)"
    )
    parser.add_argument("--only", choices=[*_MEASURES], help="measure this alone")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each, interleaved (default 3)")
    return parser.parse_args()


def _workbook(folder: Path, rows: int, repeat: int) -> None:
    path = folder / "workbook.xlsx"
    manifest.write_workbook(path, rows)
    size = path.stat().st_size / MIB
    costs = interleaved(
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
    show(f"check {rows:,} rows of an .xlsx, {size:.1f} MiB", costs, rows, "rows")


def _tracking(folder: Path, count: int, repeat: int) -> None:
    path = folder / "numbers.csv"
    numbers.write(path, count)
    costs = interleaved(
        {
            "importer.tracking": lambda _: ["benchmarks.numbers", str(path)],
            "plain regex loop": lambda _: ["benchmarks.plain_numbers", str(path)],
        },
        repeat,
    )
    show(f"judge {count:,} tracking numbers", costs, count, "numbers")


def _page(folder: Path, rows: int, repeat: int) -> None:
    path, report = folder / "page.csv", folder / "page"
    manifest.write(path, rows)
    cost_of(["importer", "-q", "check", str(path), "--to", "adm", "--report", str(report)])
    size = (report / "report.html").stat().st_size / MIB
    seconds = statistics.median(page.seconds_to_open(report / "report.html", repeat))
    print(f"report.html of {rows:,} rows, {size:.1f} MiB")
    print(f"  until a row is open  {seconds:5.2f} s")


def _edi(folder: Path, rows: int, repeat: int) -> None:
    lines = min(rows, _MOST_LINES_FOR_SEGMENTS)
    for peer, name, write in (("pyx12", "856", edi.write_856), ("pydifact", "DESADV", edi.write_desadv)):
        path = folder / f"segments-{name}.edi"
        write(path, lines)
        _segments(path, f"segments of {name}, {lines:,} lines", peer, repeat)
    path = folder / "check.edi"
    edi.write_856(path, rows)
    command = ["importer", "-q", "check", str(path), "--to", "adm", "--ledger", str(folder / "none.db")]
    costs = interleaved(
        {"importer check": lambda run: [*command, "--report", str(folder / f"edi-{run}")]}, repeat
    )
    cost, size = costs["importer check"], path.stat().st_size / MIB
    print(f"check {rows:,} rows of an 856, {size:.1f} MiB")
    rate = f"{rows / cost.seconds:,.0f} rows/s"
    print(f"  {'importer check':17} {cost.seconds:8.2f} s {cost.peak:8.0f} MiB  {rate}")


def _segments(path: Path, title: str, peer: str, repeat: int) -> None:
    found: dict[str, list[float]] = {"importer": [], peer: []}
    counts = set()
    for _ in range(repeat):
        for reader, times in found.items():
            count, seconds = _segments_of(reader, path)
            counts.add(count)
            times.append(seconds)
    size = path.stat().st_size / 1_000_000
    print(f"{title}, {size:.1f} MB, {' or '.join(map(str, counts))} segments")
    medians = {reader: statistics.median(times) for reader, times in found.items()}
    for reader, seconds in medians.items():
        print(f"  {reader:17} {seconds:8.2f} s {size / seconds:8.1f} MB/s")
    print(f"  ratio             {medians['importer'] / medians[peer]:8.3f}       (less is better)")


def _segments_of(reader: str, path: Path) -> tuple[int, float]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.edi", reader, str(path)]
    count, seconds = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(count), float(seconds)


_MEASURES: dict[str, tuple[Callable[[Path, int, int], None], str]] = {
    "check": (check.measure, "rows"),
    "workbook": (_workbook, "rows"),
    "post": (post.measure, "posts"),
    "tracking": (_tracking, "numbers"),
    "edi": (_edi, "rows"),
    "page": (_page, "rows"),
    "dask": (dask_engine.measure, "rows"),
    "memory": (memory.measure, "rows"),
    "memory-several": (memory.measure_several, "rows"),
    "post-memory": (post_memory.measure, "posts"),
    "start": (start.measure, "rows"),
    "rows": (growth.measure, "rows"),
    "ledger": (ledger.measure, "past"),
}
"""What is measured, and the option that says of how much."""
_ONLY_WHEN_ASKED = frozenset({"rows", "post-memory"})  # they take minutes; one makes a picture


if __name__ == "__main__":
    main()

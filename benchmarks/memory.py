"""Memory and time of ``importer check`` as manifests grow: so many rows, and ten times as many."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import manifest

if TYPE_CHECKING:
    from pathlib import Path

_TIMES = 10
_FINISHED = frozenset({0, 1})  # 1: some rows need attention, as they are meant to


class _Cost(NamedTuple):
    """Seconds of wall time and of the processor, and MiB of memory at the peak."""

    seconds: float
    processor: float
    peak: float


def measure(folder: Path, rows: int, repeat: int) -> None:
    """Print medians of interleaved runs, and how much more the larger manifest costs."""
    paths = {count: folder / f"memory-{count}.csv" for count in (rows, _TIMES * rows)}
    found: dict[int, list[_Cost]] = {count: [] for count in paths}
    for count, path in paths.items():
        manifest.write(path, count)
    for run in range(repeat):
        for count, path in paths.items():
            found[count].append(_cost(path, folder / f"memory-{count}-{run}"))
    few, many = (_Cost(*map(statistics.median, zip(*costs, strict=True))) for costs in found.values())
    print(f"check {rows:,} rows, and {_TIMES} times as many")
    for count, cost in zip(paths, (few, many), strict=True):
        print(f"  {count:13,} {cost.seconds:8.2f} s {cost.processor:8.2f} s {cost.peak:6.0f} MiB")
    ratios = (more / less for more, less in zip(many, few, strict=True))
    print("  ratio         {:8.2f}   {:8.2f}   {:6.2f}".format(*ratios))


def _cost(path: Path, report: Path) -> _Cost:
    command = ["importer", "-q", "check", str(path), "--to", "adm", "--report", str(report)]
    command += ["--ledger", str(report.parent / "none.db")]
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", *command])
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in _FINISHED:
        sys.exit(f"{' '.join(command)}: exit status {process.returncode}")
    for file in report.iterdir():  # a report of ten times the rows takes much room
        file.unlink()
    return _Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)

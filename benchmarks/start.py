"""How long the program takes to start: its help, and ``importer check`` of a few rows, beside bare imports.

A check of a hundred rows is all start; no program that judges them with pandera can be faster than importing
pandas and pandera.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from itertools import count
from typing import TYPE_CHECKING

from benchmarks import manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ROWS = 100
_FEWEST = 7  # a start is short, and so its time uncertain
_RUNS = count()


def measure(folder: Path, rows: int, repeat: int) -> None:
    """Print the medians of interleaved whole processes, after one run of each that is not counted."""
    path = folder / "start.csv"
    manifest.write(path, min(rows, _ROWS))
    check = ["-m", "importer", "-q", "check", str(path), "--ledger", str(folder / "none.db"), "--report"]
    commands: dict[str, Callable[[], list[str]]] = {
        "importer --help": lambda: ["-m", "importer", "--help"],
        "check --help": lambda: ["-m", "importer", "check", "--help"],
        "importer check": lambda: [*check, str(folder / f"start-{next(_RUNS)}")],
        "import pandera": lambda: ["-c", "import pandas, pandera.pandas"],
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for run in range(1 + max(repeat, _FEWEST)):
        for name, arguments in commands.items():
            cost = _cost(arguments())
            if run:
                found[name].append(cost)
    print(f"start, check of {min(rows, _ROWS)} rows")
    print("                        wall  processor")
    medians = {
        name: [statistics.median(each) for each in zip(*costs, strict=True)] for name, costs in found.items()
    }
    for name, (wall, processor) in medians.items():
        print(f"  {name:17} {wall:7.2f} s  {processor:7.2f} s")
    ratios = [
        ours / bare for ours, bare in zip(medians["importer check"], medians["import pandera"], strict=True)
    ]
    print("  {:17} {:7.2f}    {:7.2f}     (check; less is better)".format("to import pandera", *ratios))


def _cost(arguments: list[str]) -> tuple[float, float]:
    """Seconds of wall time and of the processor."""
    # what is compiled is kept, as where the program is installed
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, 1}:  # 1: some rows need attention
        sys.exit(f"{' '.join(arguments)}: exit status {process.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime

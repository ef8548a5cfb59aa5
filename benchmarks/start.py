"""How long the program takes to start: its help, and ``importer check`` of a few rows, beside bare imports.

A check of a hundred rows is all start. Where a cell is odd, pandera judges it, and no program that has it do
so can be faster than importing pandas and pandera; where none is, pandera is not loaded.
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
_ODD, _NONE_ODD = 0.1, 0.0  # the share of faulty rows
_FEWEST = 7  # a start is short, and so its time uncertain
_RUNS = count()


def measure(folder: Path, rows: int, repeat: int) -> None:
    """Print the medians of interleaved whole processes, after one run of each that is not counted."""
    commands: dict[str, Callable[[], list[str]]] = {
        "importer --help": lambda: ["-m", "importer", "--help"],
        "check --help": lambda: ["-m", "importer", "check", "--help"],
        "check, odd cells": _check(folder, rows, _ODD),
        "check, none odd": _check(folder, rows, _NONE_ODD),
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
    bare = medians["import pandera"]
    for name in ("odd cells", "none odd"):
        ratios = [ours / peer for ours, peer in zip(medians[f"check, {name}"], bare, strict=True)]
        print(
            "  {:17} {:7.2f}    {:7.2f}     (check to import pandera; less is better)".format(name, *ratios)
        )


def _check(folder: Path, rows: int, faulty: float) -> Callable[[], list[str]]:
    """How a manifest is checked of which such a share of rows is faulty; each time with another report."""
    path = folder / f"start-{faulty}.csv"
    manifest.write(path, min(rows, _ROWS), faulty)
    check = ["-m", "importer", "-q", "check", str(path), "--ledger", str(folder / "none.db"), "--report"]
    return lambda: [*check, str(folder / f"start-{next(_RUNS)}")]


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

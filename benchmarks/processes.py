"""What whole processes cost, side by side."""

import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

MIB = 1024 * 1024
_COSTING = Path(__file__).with_name("costing.py")
_FINISHED = frozenset({0, 1})  # 1: some rows need attention, as they are meant to


class Cost(Struct, frozen=True):
    """What one process cost: seconds of wall time and of the processor, and MiB of memory at its peak."""

    seconds: float
    processor: float
    peak: float


def interleaved(commands: dict[str, Callable[[int], list[str]]], repeat: int) -> dict[str, Cost]:
    """The medians of each command, a module and its arguments, run in turn; it is told which run it is."""
    found: dict[str, list[Cost]] = {name: [] for name in commands}
    for run in range(repeat):
        for name, command in commands.items():
            found[name].append(cost_of(command(run)))
    return {name: median(costs) for name, costs in found.items()}


def median(costs: list[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(
        statistics.median(cost.seconds for cost in costs),
        statistics.median(cost.processor for cost in costs),
        statistics.median(cost.peak for cost in costs),
    )


def cost_of(module_and_arguments: list[str]) -> Cost:
    """What one run of a module costs; a run that fails ends the benchmark."""
    environment = os.environ | {"BENCHMARK_TOKEN": "benchmark"}
    reading, writing = os.pipe()
    costing = [sys.executable, "-I", "-S", str(_COSTING), str(writing)]
    command = [sys.executable, "-m", *module_and_arguments]
    with os.fdopen(reading) as told:
        subprocess.run([*costing, *command], env=environment, pass_fds=[writing], check=True)
        os.close(writing)
        status, *figures = told.read().split()
    if int(status) not in _FINISHED:
        sys.exit(f"{' '.join(module_and_arguments)}: exit status {status}")
    return Cost(*map(float, figures))


def show(title: str, costs: dict[str, Cost], count: int, unit: str) -> None:
    """Print what each cost, and the ratio of the first to each other."""
    print(title)
    print("                        wall  processor     memory")
    for name, cost in costs.items():
        rate = f"{count / cost.seconds:,.0f} {unit}/s"
        print(f"  {name:17} {cost.seconds:7.2f} s  {cost.processor:7.2f} s {cost.peak:6.0f} MiB  {rate}")
    (_, ours), *peers = costs.items()
    for name, peer in peers:
        ratios = ours.seconds / peer.seconds, ours.processor / peer.processor, ours.peak / peer.peak
        print("  {:17} {:7.2f}    {:7.2f}   {:6.2f}      (less is better)".format(f"to {name}", *ratios))

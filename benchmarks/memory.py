"""Memory and time of ``importer check`` as manifests grow: so many rows, and ten times as many."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks import manifest
from benchmarks.processes import Cost, cost_of, median

if TYPE_CHECKING:
    from pathlib import Path

_TIMES = 10
_CONFIGURATION = """\
[destinations.adm]
kind = "adm"
base_url = "http://127.0.0.1:9"
token_env = "BENCHMARK_TOKEN"
body = "{body}"
"""


def measure(folder: Path, rows: int, repeat: int, body: str = "flat") -> None:
    """Print medians of interleaved runs, and how much more the larger manifest costs."""
    config = folder / "memory.toml"
    config.write_text(_CONFIGURATION.format(body=body), encoding="utf-8")
    paths = {count: folder / f"memory-{count}.csv" for count in (rows, _TIMES * rows)}
    found: dict[int, list[Cost]] = {count: [] for count in paths}
    for count, path in paths.items():
        manifest.write(path, count)
    for run in range(repeat):
        for count, path in paths.items():
            found[count].append(_cost(path, config, folder / f"memory-{body}-{count}-{run}"))
    few, many = map(median, found.values())
    print(f"check {rows:,} rows, and {_TIMES} times as many, for a body that is {body}")
    for count, cost in zip(paths, (few, many), strict=True):
        print(f"  {count:13,} {cost.seconds:8.2f} s {cost.processor:8.2f} s {cost.peak:6.0f} MiB")
    ratios = many.seconds / few.seconds, many.processor / few.processor, many.peak / few.peak
    print("  ratio         {:8.2f}   {:8.2f}   {:6.2f}".format(*ratios))


measure_several = partial(measure, body="by_fulfillment_order")
"""The same where a fulfillment may be of several orders."""


def _cost(path: Path, config: Path, report: Path) -> Cost:
    command = ["importer", "--config", str(config), "-q", "check", str(path), "--to", "adm"]
    cost = cost_of([*command, "--report", str(report), "--ledger", str(report.parent / "none.db")])
    for file in report.iterdir():  # a report of ten times the rows takes much room
        file.unlink()
    return cost

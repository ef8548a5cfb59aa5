"""``importer check`` beside what else would do it, with few rows of a manifest faulty and with half of them.

``python -m benchmarks.check ROWS ROWS`` says whether two rows.csv have as many rows of each status and code.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from benchmarks import manifest
from benchmarks.processes import MIB, interleaved, show

_MOST_ROWS_OF_SLOW_PEERS = 1_000_000
_AGREEING = ("duckdb", "polars")
_TOLD = ["import_status", "import_code"]


def measure(folder: Path, rows: int, repeat: int) -> None:
    """Print the medians of interleaved whole processes, and see that they came to the same."""
    found = {}
    for name, faulty in (("few", manifest.FEW), ("half", manifest.HALF)):
        path = folder / f"check-{name}.csv"
        manifest.write(path, rows, faulty)
        costs = interleaved(commands(folder, path, name, rows), repeat)
        for peer in _AGREEING:
            _see_that_they_agree(folder, name, peer)
        size = path.stat().st_size / MIB
        show(f"check {rows:,} rows, {size:.1f} MiB, {faulty:.1%} faulty", costs, rows, "rows")
        print(
            f"  the rows of rows.csv have the same statuses and codes as those of {' and '.join(_AGREEING)}"
        )
        found[name] = costs["importer check"]
    ratio = found["half"].seconds / found["few"].seconds, found["half"].processor / found["few"].processor
    print("  {:17} {:7.2f}    {:7.2f}".format("half to few", *ratio))


def commands(folder: Path, path: Path, name: str, rows: int) -> dict[str, Callable[[int], list[str]]]:
    """What checks the manifest at ``path`` of so many ``rows``: the importer, and its peers.

    What they write goes to ``folder``, under ``name``, which is also how many rows are faulty.
    """
    commands: dict[str, Callable[[int], list[str]]] = {
        "importer check": lambda run: [
            *("importer", "-q", "check", str(path), "--to", "adm"),
            *("--ledger", str(folder / "none.db"), "--report", str(folder / f"{name}-{run}")),
        ],
        "duckdb SQL": lambda _: [
            "benchmarks.peers.duckdb_check",
            str(path),
            _rows_of(folder, name, "duckdb"),
        ],
        "polars": lambda _: ["benchmarks.peers.polars_check", str(path), _rows_of(folder, name, "polars")],
    }
    if rows <= _MOST_ROWS_OF_SLOW_PEERS:
        plain = str(folder / f"plain-{name}.csv")
        commands["plain csv loop"] = lambda _: ["benchmarks.plain_check", str(path), plain]
        if name == "few":
            commands["frictionless"] = lambda _: ["benchmarks.peers.frictionless_check", str(path)]
    return commands


def _rows_of(folder: Path, name: str, peer: str) -> str:
    return str(folder / f"{name}-{peer}.csv")


def _see_that_they_agree(folder: Path, name: str, peer: str) -> None:
    """In a process of its own: what this one takes of memory would count for those that it starts."""
    both = [str(folder / f"{name}-0" / "rows.csv"), _rows_of(folder, name, peer)]
    subprocess.run([sys.executable, "-m", "benchmarks.check", *both], check=True)


def _compare(ours: Path, theirs: Path) -> None:
    differing = _counts(ours) ^ _counts(theirs)
    if differing:
        sys.exit(f"{ours} and {theirs} differ: {sorted(differing)}")


def _counts(rows: Path) -> set[tuple[str, str, int]]:
    """How many rows have each status and code."""
    options = csv.ConvertOptions(include_columns=_TOLD, column_types=dict.fromkeys(_TOLD, pa.string()))
    counts = csv.read_csv(rows, convert_options=options).group_by(_TOLD).aggregate([([], "count_all")])
    return {(row["import_status"], row["import_code"], row["count_all"]) for row in counts.to_pylist()}


if __name__ == "__main__":
    _compare(Path(sys.argv[1]), Path(sys.argv[2]))

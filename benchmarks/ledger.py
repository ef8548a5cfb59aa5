"""What a ledger with many past fulfillments costs: the same run with it, and with an empty one.

The past is written straight into the file, since posting it would take days. A run's orders are newer than
all of the past, as they mostly are, or, at worst, lie evenly among them: then each is in another part of the
file. Tracking numbers are drawn by lot.
"""

import os
import sqlite3
import statistics
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from benchmarks.chance import chance_of
from importer.ledger import Ledger
from importer.sandbox import Sandbox, Store

_POSTS = 10_000
_CONCURRENCY = 64
_FIRST_ORDER = 10_000_000_000_000
_APART = 10  # from one past order to the next, so that there is room for those of the runs
_IN_A_RUN = 10_000
_SEED = 20240429
_MIB = 1024 * 1024

_NUMBERS = (
    "WITH RECURSIVE numbers (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i < :count - 1) "
)
_PAST = (
    """INSERT INTO fulfillments (destination, order_id, tracking_number, state, content, run_id, code,
            message, http_status, attempts, at)
        SELECT :destination, CAST(:first + i * :apart AS TEXT), '1Z' || hex(randomblob(8)), 'created',
            lower(hex(randomblob(32))), printf('2026-01-01-000000-%06x', i / :in_a_run), '', '', 200, 1,
            '2026-01-01T00:00:00.000000+00:00'
        FROM numbers""",
    """INSERT INTO runs (run_id, command, destination, manifests, report, started_at, stopped_because,
            summary)
        SELECT printf('2026-01-01-000000-%06x', i), 'post', :destination, '[]', '',
            '2026-01-01T00:00:00.000000+00:00', '', ''
        FROM numbers WHERE i <= :count / :in_a_run""",
)
_BY_LOT = "fulfillments_by_tracking_number"


class Cost(NamedTuple):
    """What one process cost: seconds of wall time and of the processor."""

    seconds: float
    processor: float


def measure(folder: Path, past: int, repeat: int) -> None:
    """Post with an empty ledger and with one of ``past`` fulfillments in turn, and print the ratios."""
    with Sandbox(Store.any_order()) as sandbox:
        config = folder / "ledger.toml"
        config.write_text(
            f'[destinations.adm]\nbase_url = "{sandbox.url}"\ntoken_env = "BENCHMARK_TOKEN"\n'
            f"concurrency = {_CONCURRENCY}\n",
            encoding="utf-8",
        )
        grown = folder / "grown.db"
        began = time.perf_counter()
        fill(grown, f"adm {sandbox.url}", past)
        size = grown.stat().st_size / _MIB
        print(f"ledger of {past:,} past fulfillments, {size:,.0f} MiB, made in {_since(began):.0f} s")
        found: dict[str, list[Cost]] = {"empty ledger": [], "after the past": [], "amid the past": []}
        for run in range(repeat):
            newer, older = folder / f"newer-{run}.csv", folder / f"older-{run}.csv"
            _write(newer, _FIRST_ORDER + (past + run * _POSTS) * _APART, _APART)
            _write(older, _FIRST_ORDER + 1 + run, past // _POSTS * _APART)
            made = ((newer, folder / f"empty-{run}.db"), (newer, grown), (older, grown))
            for costs, (manifest, ledger) in zip(found.values(), made, strict=True):
                report = folder / f"{manifest.stem}-{ledger.stem}"
                costs.append(_cost_to_post(config, manifest, ledger, report))
    _print({name: Cost(*map(statistics.median, zip(*costs, strict=True))) for name, costs in found.items()})


def fill(path: Path, destination: str, past: int) -> None:
    """Make a ledger at ``path`` with so many fulfillments that were created long ago."""
    with Ledger(path):
        pass
    values = {"destination": destination, "count": past, "first": _FIRST_ORDER, "apart": _APART}
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=OFF")  # of what is worth nothing before it is whole
        database.execute("PRAGMA synchronous=OFF")
        index = database.execute("SELECT sql FROM sqlite_master WHERE name = ?", [_BY_LOT]).fetchone()
        database.execute(f"DROP INDEX {_BY_LOT}")
        for statement in _PAST:
            database.execute(_NUMBERS + statement, {**values, "in_a_run": _IN_A_RUN})
        database.execute(*index)
        database.commit()


def _print(medians: dict[str, Cost]) -> None:
    print(f"post {_POSTS:,} fulfillments, {_CONCURRENCY} at a time")
    print("                        wall  processor")
    for name, cost in medians.items():
        rate = f"{_POSTS / cost.seconds:,.0f} posts/s"
        print(f"  {name:17} {cost.seconds:7.2f} s  {cost.processor:7.2f} s  {rate}")
    (empty_name, empty), *grown = medians.items()
    for name, cost in grown:
        ratios = f"{cost.seconds / empty.seconds:7.2f}    {cost.processor / empty.processor:7.2f}"
        print(f"  {name:17} {ratios}    to {empty_name} (less is better)")


def _write(path: Path, first: int, apart: int) -> None:
    chance = chance_of(f"{_SEED} {path.name}")
    with path.open("w", encoding="utf-8") as file:
        file.write("order_id,sku,quantity,tracking_number\n")
        for number in range(_POSTS):
            file.write(f"{first + number * apart},MUG,1,1Z{chance.randbytes(8).hex().upper()}\n")


def _cost_to_post(config: Path, manifest: Path, ledger: Path, report: Path) -> Cost:
    command = [
        *(sys.executable, "-m", "importer", "-q", "--config", str(config), "post", str(manifest)),
        *("--ledger", str(ledger), "--report", str(report)),
    ]
    began = time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | {"BENCHMARK_TOKEN": "benchmark"})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit status {process.returncode}")
    return Cost(_since(began), usage.ru_utime + usage.ru_stime)


def _since(began: float) -> float:
    return time.perf_counter() - began

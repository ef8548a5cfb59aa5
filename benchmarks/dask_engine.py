"""The same work by workers of a Dask cluster on this machine, and in one process: ratio and reports."""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks import manifest
from importer.sandbox import Sandbox, Store
from tests.postgresql import Server, programs

WORKERS: Final = 4
_FILES: Final = 8
_LARGER: Final = 2
_POSTS_OF_ROWS: Final = 100  # posting takes so much longer than checking
_FINISHED: Final = frozenset({0, 1})  # 1: some rows need attention, as they are meant to
_TIMES: Final = re.compile(r"run [0-9-]+-[0-9a-f]{6}|\d{4}-\d\d-\d\d[T ][0-9:.+]+( UTC)?|\d+(\.\d+)? s\b")
_IN_ONE: Final = "one process"
_ENGINES: Final = {_IN_ONE: (), f"{WORKERS} workers": ("--engine", "dask", "--workers", str(WORKERS))}


def measure(folder: Path, rows: int, repeat: int) -> None:
    """Check ``rows`` rows in several files, and more in one, which from a size on is parted.

    A share of them is posted where a PostgreSQL server can be had.
    """
    large = folder / "large.csv"
    manifest.write(large, _LARGER * rows)
    inbox = _inbox(folder / "dask-check", rows)
    for name, count, files in (("many", rows, f"{_FILES} files"), ("one", _LARGER * rows, "one file")):
        path = large if name == "one" else inbox

        def check(run: str, engine: Sequence[str], path: Path = path) -> list[str]:
            return ["check", str(path), "--to", "adm", "--report", str(folder / run), *engine]

        _compare(f"check {count:,} rows in {files}", f"check-{name}", check, folder, repeat)
    if programs() is None:
        print("post: left out, since there is no PostgreSQL server here")
        return
    inbox = _inbox(folder / "dask-post", rows // _POSTS_OF_ROWS)
    with Server() as server, Sandbox(Store.any_order()) as sandbox:
        config = folder / "dask.toml"
        config.write_text(
            f'[destinations.adm]\nbase_url = "{sandbox.url}"\ntoken_env = "BENCHMARK_TOKEN"\n',
            encoding="utf-8",
        )

        def post(run: str, engine: Sequence[str]) -> list[str]:
            with server.connect() as connection:
                connection.execute(f"CREATE SCHEMA {run.replace('-', '_')}".encode())
            ledger = server.address(run.replace("-", "_")).reveal()
            told = ("--ledger", ledger, "--report", str(folder / run))
            return ["--config", str(config), "post", str(inbox), *told, *engine]

        title = f"post {rows // _POSTS_OF_ROWS:,} rows, ledger in PostgreSQL"
        _compare(title, "post", post, folder, repeat)


def _inbox(folder: Path, rows: int) -> Path:
    folder.mkdir()
    manifest.write(folder / "0.csv", rows)
    header, *lines = (folder / "0.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    size = -(-len(lines) // _FILES)
    for number in range(_FILES):
        part = "".join([header, *lines[number * size : (number + 1) * size]])
        (folder / f"{number}.csv").write_text(part, encoding="utf-8")
    return folder


def _compare(
    title: str, what: str, command: Callable[[str, Sequence[str]], list[str]], folder: Path, repeat: int
) -> None:
    found: dict[str, list[float]] = {name: [] for name in _ENGINES}
    for run in range(repeat):
        for number, (name, engine) in enumerate(_ENGINES.items()):
            report = f"{what}-by-{number}-{run}"
            found[name].append(_seconds(command(report, engine)))
            if number and _said(folder / report) != _said(folder / report.replace("by-1", "by-0")):
                sys.exit(f"{title}: the reports of one process and of {name} are not the same")
    medians = {name: statistics.median(times) for name, times in found.items()}
    print(f"{title}; reports are the same")
    for name, seconds in medians.items():
        print(f"  {name:17} {seconds:7.2f} s")
    ratio = medians[f"{WORKERS} workers"] / medians[_IN_ONE]
    print(f"  ratio             {ratio:7.2f}   (less is better; {os.cpu_count()} cores)")


def _seconds(arguments: Sequence[str]) -> float:
    environment = os.environ | {"BENCHMARK_TOKEN": "benchmark"}
    began = time.perf_counter()
    ended = subprocess.run([sys.executable, "-m", "importer", "-q", *arguments], check=False, env=environment)
    if ended.returncode not in _FINISHED:
        sys.exit(f"{' '.join(arguments)}: exit status {ended.returncode}")
    return time.perf_counter() - began


def _said(report: Path) -> dict[str, str]:
    """What each file of a report says, but for when, where and in which run."""
    texts = {path.name: path.read_text(encoding="utf-8-sig") for path in report.iterdir()}
    summary = json.loads(texts["summary.json"])
    texts["summary.json"] = json.dumps(
        {name: value for name, value in summary.items() if name not in {"run_id", "ledger", "seconds"}}
    )
    return {
        name: _TIMES.sub("", text).replace(report.name, "")
        for name, text in texts.items()
        if name != "report.html"  # made of the others
    }

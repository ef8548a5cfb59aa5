"""A Dask scheduler and its workers, each a process of its own that a test can kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self

import distributed

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 60
"""More than any of it takes to start, even on a machine that is busy."""


class Running:
    """A scheduler on loopback with so many workers, each of which does one thing at a time.

    ``program`` is a folder with a program for them, where that is not this one.
    """

    def __init__(self, folder: Path, workers: int, program: Path | None = None) -> None:
        self._folder = folder
        self._file = folder / "scheduler.json"
        self._log = (folder / "log").open("ab")
        self.scheduler = self._start(
            *("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(self._file))
        )
        self._await(self._file)
        self.address: str = json.loads(self._file.read_text(encoding="utf-8"))["address"]
        self.workers: list[subprocess.Popen[bytes]] = []
        self.add(workers, program)

    def add(self, workers: int, program: Path | None = None) -> None:
        """Have so many more workers."""
        for _ in range(workers):
            worker = self._start(
                *("worker", self.address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny"),
                *("--local-directory", str(self._folder), "--memory-limit", "0"),
                *("--death-timeout", str(_SECONDS)),
                # so that it is there when it is needed
                *(() if program else ("--preload", "importer.cluster.workers")),
                program=program,
            )
            self.workers.append(worker)
        there = sum(worker.poll() is None for worker in self.workers)
        with distributed.Client(self.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]  # it has no types
            client.wait_for_workers(there, timeout=_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()
        self._log.close()

    def _start(self, *arguments: str, program: Path | None = None) -> subprocess.Popen[bytes]:
        quiet = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")
        command = [sys.executable, "-m", "dask", *arguments, *quiet]
        more = {"PYTHONPATH": str(program)} if program else {}
        return subprocess.Popen(command, stdout=self._log, stderr=self._log, env=os.environ | more)

    def _await(self, file: Path) -> None:
        last = time.monotonic() + _SECONDS
        while not _is_whole(file):
            assert time.monotonic() < last
            assert self.scheduler.poll() is None
            time.sleep(0.02)


def _is_whole(file: Path) -> bool:
    try:
        found: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return "address" in found

"""Importers as processes that can be killed, started in hundredths of a second.

Most of an importer's start is imports. So this process imports all that a run of the importer does, and forks
for each run; the child is a process like any other, but for having the imports already.
"""

from __future__ import annotations

import importlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

SECONDS = 120.0
"""More than any run here takes; what takes longer hangs."""

_GLANCE = 0.0005  # seconds between two looks at a process
_BROKEN = 99
_TASKS = Path("/proc/self/task")
_NO_THREADS: Mapping[str, str] = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
"""What keeps libraries from starting threads on being imported: a fork has none of them."""


class Process:
    """An importer that was forked; ``output`` is the file with what it printed."""

    def __init__(self, pid: int, output: Path) -> None:
        self.output = output
        self._pid = pid
        self._status: int | None = None
        self._orphans: set[str] = set()

    def poll(self) -> int | None:
        """Its exit status, minus the signal's number if one killed it; None while it runs."""
        self._look(os.WNOHANG)
        return self._status

    def wait(self, until: Callable[[], bool] = lambda: False) -> int | None:
        """Wait until it has ended, and return its status, or until something else is so: then None.

        What it had started before it was killed has ended then, too: that writes down what it was told.

        Raises:
            TimeoutError: it hangs.
        """
        last = time.monotonic() + SECONDS
        while (self.poll() is None or any(map(_is_at_work, self._orphans))) and not until():
            if time.monotonic() > last:
                raise TimeoutError(f"an importer hangs; it printed: {self.output.read_text()!r}")
            time.sleep(_GLANCE)
        return self._status

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it has not ended."""
        if self.poll() is None:
            if number == signal.SIGKILL:
                self._orphans = _children(self._pid)
            os.kill(self._pid, number)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it do nothing, from entering to leaving."""
        self.send(signal.SIGSTOP)
        if self._status is None:
            self._look(os.WUNTRACED)
        yield
        self.send(signal.SIGCONT)

    def _look(self, options: int) -> None:
        if self._status is None:
            pid, status = os.waitpid(self._pid, options)
            if pid and not os.WIFSTOPPED(status):
                self._status = os.waitstatus_to_exitcode(status)


class Launcher:
    """Starts importers, and ends those that are left when it is left.

    ``to_post`` names a ledger to rehearse with, ``seconds`` is what a run of one parcel takes. The process
    has one thread as long as it forks.
    """

    def __init__(self, folder: Path, to_post: Sequence[str]) -> None:
        self._to_post = to_post
        self._started: list[Process] = []
        self._folder = folder
        os.environ.update(_NO_THREADS)
        self._run: Callable[[Sequence[str]], int] = importlib.import_module("importer.cli").run
        self._import_the_rest()
        began = time.monotonic()
        self._rehearse()
        self.seconds = time.monotonic() - began

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            process.send(signal.SIGKILL)
            process.wait()

    def start(
        self,
        folder: Path,
        arguments: Sequence[str],
        output: Path,
        most_bytes: int | None = None,
        name: str = "importer",
    ) -> Process:
        """Start an importer that works in ``folder``, can write files of ``most_bytes``, has a ``name``."""

        def run() -> int:
            os.chdir(folder)
            os.environ["PGAPPNAME"] = name
            if most_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
            return self._run(arguments)

        return self._fork(run, output)

    def _import_the_rest(self) -> None:
        """Import what a run imports on its way: what is in a child's modules, once it has run."""
        self._rehearse()
        for name in (self._folder / "modules").read_text(encoding="utf-8").split():
            with suppress(ImportError):  # not all that is in there can be imported by name
                importlib.import_module(name)

    def _rehearse(self) -> None:
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            folder = Path(name)
            (folder / "one.csv").write_text("order_id,sku,quantity,tracking_number\n1,MUG,1,TRACK00001\n")

            def run() -> int:
                os.chdir(folder)
                status = self._run(["-q", "post", "one.csv", *self._to_post, "--sandbox"])
                (self._folder / "modules").write_text("\n".join(sys.modules), encoding="utf-8")
                return status

            process = self._fork(run, folder / "output")
            if process.wait() != 0:
                raise RuntimeError(f"the importer does not run at all: {process.output.read_text()}")

    def _fork(self, run: Callable[[], int], output: Path) -> Process:
        _expect_one_thread()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            status = _BROKEN
            try:
                _redirect(output)
                status = run()
                sys.stdout.flush()
            finally:
                os._exit(status)
        process = Process(pid, output)
        self._started = [other for other in self._started if other.poll() is None] + [process]
        return process


def plainly(folder: Path, arguments: Sequence[str]) -> tuple[int, str]:
    """Run an importer as a user does: its exit status, and what it printed."""
    command = [sys.executable, "-m", "importer", *arguments]
    ended = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return ended.returncode, ended.stdout + ended.stderr


def _children(pid: int) -> set[str]:
    """The processes that it has started and not yet waited for, where the system tells."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return {child for each in lists for child in each.read_text(encoding="ascii").split()}


def _is_at_work(pid: str) -> bool:
    try:
        _, _, about = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")
    except OSError:
        return False
    return about.split()[0] not in {"Z", "X"}  # dead, and nobody has asked for its status


def _expect_one_thread() -> None:
    tasks = [path / "comm" for path in _TASKS.iterdir()] if _TASKS.exists() else []
    if threading.active_count() > 1 or len(tasks) > 1:
        names = [path.read_text().strip() for path in tasks]
        raise RuntimeError(f"a process with threads is not safely forked: {names}; see _NO_THREADS")


def _redirect(output: Path) -> None:
    out = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(source, target)

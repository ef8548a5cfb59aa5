"""The ledger of a scenario, as a file and in a database: where it is, and what it has.

It is read by other means than the importer's own, which are what is on trial.
"""

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from importer.ledger import Address
from tests.kill_loop.verdict import Known
from tests.postgresql import Server

_QUESTION = (
    "SELECT order_id || '/' || tracking_number, state, coalesce(report, ''), message "
    "FROM fulfillments LEFT JOIN runs USING (run_id)"
)
_SECONDS = 30
_LEASE = "3s"  # a machine that is busy may keep a run waiting for more than a second


class Ledger(Protocol):
    """What a scenario needs to know of its ledger; ``options`` name it on a command line."""

    @property
    def options(self) -> tuple[str, ...]:
        """Of all commands."""

    @property
    def options_to_post(self) -> tuple[str, ...]:
        """Of a run that posts."""

    def read(self, ended: str = "", *, beside_others: bool = False) -> dict[str, Known]:
        """What it has, by fulfillment, now that nothing more can come of the run of the report ``ended``."""


class File:
    """A file of SQLite's in the folder of a scenario."""

    name = "ledger.db"
    options = ("--ledger", name)
    options_to_post = options

    def __init__(self, folder: Path) -> None:
        self._path = folder / self.name

    def read(self, ended: str = "", *, beside_others: bool = False) -> dict[str, Known]:
        """What it has; it is read as a copy, so that the next run finds what this one left."""
        del ended
        with tempfile.TemporaryDirectory() as folder:
            for part in self._path.parent.glob(f"{self.name}*"):
                if part.name.endswith((".db", "-wal", "-journal")):
                    shutil.copyfile(part, Path(folder, part.name))
            found = _read(Path(folder, self.name), "rwc")
        return {**self._read_beside_others(), **found} if beside_others else found

    def _read_beside_others(self) -> dict[str, Known]:
        """What it has for those who had it open when its writer was killed; {} if they just open it.

        They do not see what the writer had written, but not yet entered in the index that is shared between
        processes (https://www.sqlite.org/walformat.html), and nobody had been told of it.
        """
        try:
            return _read(self._path, "ro")
        except sqlite3.OperationalError:
            return {}


def _read(path: Path, mode: str) -> dict[str, Known]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=0)) as ledger:
        tables = {name for (name,) in ledger.execute("SELECT name FROM sqlite_master")}
        return _known(ledger.execute(_QUESTION)) if "fulfillments" in tables else {}


class Database:
    """A schema of a server's; the runs of a scenario have their reports' names there."""

    def __init__(self, server: Server, address: Address) -> None:
        self._server = server
        self._schema = address.reveal().rpartition("%3D")[2]
        self.options: tuple[str, ...] = ("--ledger", address.reveal())
        self.options_to_post = (*self.options, "--lease", _LEASE)

    def read(self, ended: str = "", *, beside_others: bool = False) -> dict[str, Known]:
        """What it has, once the server has noticed that the run ended: it may have been told to commit."""
        del beside_others
        with self._server.connect(options=f"-csearch_path={self._schema}") as connection:
            last = time.monotonic() + _SECONDS
            while ended and connection.execute(_AT_IT, [ended]).fetchall():
                if time.monotonic() > last:
                    raise TimeoutError(f"the server still does something for {ended}")
                time.sleep(0.001)
            tables = connection.execute("SELECT to_regclass('runs')").fetchall()
            return {} if tables == [(None,)] else _known(connection.execute(_QUESTION))


_AT_IT = (
    # who waits for its turn to write has nothing to commit, and may wait for one that stands still
    "SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND wait_event_type IS DISTINCT FROM 'Lock'"
)


def _known(rows: Iterable[Any]) -> dict[str, Known]:
    return {name: Known(state, Path(report).name, message) for name, state, report, message in rows}


Maker: TypeAlias = Callable[[Path], AbstractContextManager[Ledger]]
"""Makes a ledger for the folder of a scenario."""


@contextmanager
def files() -> Iterator[Maker]:
    """Ledgers in files."""

    @contextmanager
    def made(folder: Path) -> Iterator[Ledger]:
        yield File(folder)

    yield made


@contextmanager
def databases() -> Iterator[Maker]:
    """Ledgers in a database of a server that is started for them."""
    with Server() as server:

        @contextmanager
        def made(_: Path) -> Iterator[Ledger]:
            with server.schema() as address:
                yield Database(server, address)

        yield made

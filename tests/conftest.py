"""Which tests a machine can run: those that drive another program need it to be there.

``.ci/run`` installs these programs, so that it always runs all tests.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from importer.early import SIGNALS
from tests.postgresql import Server, programs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.ledger import Address
    from tests.homes import Home, Homes

for number in SIGNALS:  # as in a terminal, whatever tests are started by: what is ignored programs inherit
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

NEEDED = {"test_page_browser.py": "chromium"}
"""By test file, the program that it drives."""
LACKING = {file: program for file, program in NEEDED.items() if shutil.which(program) is None}

settings.register_profile("importer", deadline=None)  # a test says nothing of time: machines are busy
settings.load_profile("importer")

collect_ignore = [*LACKING]


def pytest_report_header() -> list[str]:
    """Say which tests are left out, and how to have them run."""
    lacking = {f"tests/{file}": program for file, program in LACKING.items()}
    if not HAS_POSTGRESQL:
        lacking["all of a ledger in a database"] = "postgresql"
    return [
        f"left out: {what}, which needs {program} (apt-get install {program})"
        for what, program in lacking.items()
    ]


# a ledger in a database -----------------------------------------------------------------------------------

HAS_POSTGRESQL = programs() is not None


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "postgresql: needs the programs of a PostgreSQL server")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a server, where there is none."""
    without = [item for item in items if HAS_POSTGRESQL or item.get_closest_marker("postgresql") is None]
    config.hook.pytest_deselected(items=[item for item in items if item not in without])
    items[:] = without


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One server for all tests; each has a schema of its own."""
    with Server() as running:
        yield running


@pytest.fixture
def address(server: Server) -> Iterator[Address]:
    """The address of a ledger in the database, where there is none yet."""
    with server.schema() as made:
        yield made


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def homes(request: pytest.FixtureRequest) -> Homes:
    """What makes places for ledgers, in files and in a database."""
    if request.param == "sqlite":
        return _folder
    running: Server = request.getfixturevalue("server")
    return running.schema


@pytest.fixture
def home(homes: Homes) -> Iterator[Home]:
    """A place for a ledger."""
    with homes() as made:
        yield made

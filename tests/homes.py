"""Where the ledgers of the tests are: in a folder of their own, or in a database."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

from importer.ledger import Address, Location

Home: TypeAlias = Path | Address
"""A folder, or the address of an empty schema."""
Homes: TypeAlias = Callable[[], AbstractContextManager[Home]]
"""Makes a home, as long as the context lasts."""


def at(home: Home) -> Location:
    """Where the ledger is there."""
    return home / "ledger.db" if isinstance(home, Path) else home


def told_of(home: Home) -> str:
    """The same as a command line has it."""
    return home.reveal() if isinstance(home, Address) else str(at(home))

"""Whether there is a ledger, which of a file is told without what opens it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from importer.ledger.places import location

if TYPE_CHECKING:
    from importer.ledger.places import Location


def exists(where: str | Location) -> bool:
    """Say whether there is a ledger, or anything else, at ``where``; an empty file is none.

    Raises:
        SetupError: it is an address that can't be one of a ledger.
        CannotGoOn: it can't be told.
    """
    found = location(where)
    with suppress(OSError):  # then the place says why it can't be told
        if isinstance(found, Path) and not is_filled(found):
            return False
    from importer.ledger.ledger import place_of  # noqa: PLC0415 - of what is not there none is needed

    return place_of(found).exists()


def is_filled(path: Path) -> bool:
    """Say whether there is anything at ``path`` that is not an empty file.

    Raises:
        OSError: it can't be told.
    """
    return path.exists() and (not path.is_file() or path.stat().st_size > 0)

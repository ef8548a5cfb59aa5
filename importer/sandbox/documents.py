"""TOML files that say what the sandbox does wrong: a user's own, and the rehearsals that are shipped."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from importer.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable
    from pathlib import Path


def parsed(source: Path | Traversable, where: str) -> dict[str, Any]:
    """What the file says; ``where`` names it in messages.

    Raises:
        SetupError: it can't be read, or is not TOML.
    """
    try:
        return tomllib.loads(source.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise SetupError(f"{where}: can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        words = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise SetupError(f"{where}: found no TOML ({words}), expected a file with [[faults]]") from error


def shipped(name: str) -> Traversable:
    """The file of one of the ``REHEARSALS``."""
    return _FOLDER.joinpath(f"{name}.toml")


def _descriptions() -> dict[str, str]:
    names = sorted(
        entry.name.removesuffix(".toml") for entry in _FOLDER.iterdir() if entry.name.endswith(".toml")
    )
    return {name: parsed(shipped(name), name)["description"] for name in names}


_FOLDER: Final = resources.files("importer.sandbox").joinpath("rehearsals")
REHEARSALS: Final[Mapping[str, str]] = _descriptions()
"""The rehearsals that are shipped, and what happens in each."""

"""Whether workers have the program as this process has it: another would check and post by other rules."""

from __future__ import annotations

import hashlib
import importlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from importer.errors import CannotGoOn

if TYPE_CHECKING:
    from collections.abc import Callable

    from importer.cluster import OfDask

_R = TypeVar("_R")
_DISTRIBUTION: Final = "fulfillment-importer"
_PACKAGES: Final = ("importer", "schemas")
_RULES: Final = frozenset({".py", ".toml"})
# said in words, which a worker without the program understands, too
_ASKED: Final = "__import__('importer.cluster.versions', fromlist=['found']).found()"


@cache
def found() -> str:
    """The version of the program here, and what its files are known by."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        folder = Path(str(importlib.import_module(package).__file__)).parent
        for path in sorted(path for path in folder.rglob("*") if path.suffix in _RULES):
            content = path.read_bytes()
            name = f"{package}/{path.relative_to(folder).as_posix()}"
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return f"{version(_DISTRIBUTION)} (files {digest.hexdigest()[:12]})"


def expect_same(client: OfDask) -> None:
    """Ask all workers that ``client`` knows.

    Raises:
        CannotGoOn: one has another version, or none that it can load.
        OSError: the scheduler does not answer.
    """
    for address, answer in sorted(client.run(eval, _ASKED, on_error="return").items()):
        if isinstance(answer, OSError):
            continue  # it went away; one that comes back is asked by ``call``
        if answer != found():
            raise _other(address, answer, found())


def call(expected: str, function: Callable[..., _R], *arguments: object) -> _R:
    """Call the function, as a worker that has the ``expected`` version, which may have joined just now.

    Raises:
        CannotGoOn: it has another one.
    """
    if found() != expected:
        address = importlib.import_module("distributed").get_worker().address
        raise _other(address, found(), expected)
    return function(*arguments)


def _other(address: str, answer: object, expected: str) -> CannotGoOn:
    if isinstance(answer, str):
        has = f"has version {answer} of the program"
    else:
        has = f"can't load the program ({' '.join(str(answer).split())})"
    return CannotGoOn(
        f"Dask cluster: the worker at {address} {has}, expected {expected}; install this one there, start "
        "the worker again, and run the same command again"
    )

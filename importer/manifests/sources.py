"""What the user named on the command line → manifest files, each once, in a steady order."""

from __future__ import annotations

import difflib
import glob
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from importer.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STANDARD_INPUT = "-"
STILL_BEING_WRITTEN = (".part", ".partial", ".filepart", ".tmp", ".crdownload")


@dataclass(frozen=True, slots=True)
class Source:
    """One manifest file: ``name`` as the user knows it, ``path`` where its bytes are."""

    name: str
    path: Path


def find(arguments: Iterable[str], standard_input: BinaryIO, scratch: Path) -> list[Source]:
    """The manifests that ``arguments`` name: files, directories, globs, and ``-``.

    A directory stands for the files directly in it, by name, but for hidden ones and those with the suffix
    of a file that is still being written. Standard input is kept in ``scratch``, since a manifest is read
    more than once. A file that is named twice is taken once.

    Raises:
        ManifestError: a name stands for no file, or a file can't be opened.
    """
    found: dict[Path, Source] = {}
    for argument in arguments:
        for source in _expand(argument, standard_input, scratch):
            _check_readable(source)
            found.setdefault(source.path.resolve(), source)
    return list(found.values())


def _expand(argument: str, standard_input: BinaryIO, scratch: Path) -> Iterator[Source]:
    path = Path(argument)
    if argument == STANDARD_INPUT:
        yield Source(STANDARD_INPUT, _keep(standard_input, scratch / "standard-input"))
    elif path.is_dir():
        yield from (Source(str(file), file) for file in sorted(path.iterdir()) if _is_manifest(file))
    elif path.is_file():
        yield Source(argument, path)
    elif path.exists():
        with path.open("rb") as pipe:  # such as /dev/fd/63, which can be read only once
            yield Source(argument, _keep(pipe, scratch / path.name))
    elif glob.has_magic(argument):
        matches = [Path(name) for name in sorted(glob.glob(argument, recursive=True))]  # noqa: PTH207 - Path.glob takes no absolute pattern
        files = [file for file in matches if _is_manifest(file)]
        if not files:
            raise ManifestError(f"{argument}: no file matches")
        yield from (Source(str(file), file) for file in files)
    else:
        raise ManifestError(f"{argument}: no such file{_guess(path)}")


def _keep(stream: BinaryIO, path: Path) -> Path:
    if not path.exists():
        with path.open("wb") as file:
            shutil.copyfileobj(stream, file)
    return path


def _is_manifest(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and path.suffix.lower() not in STILL_BEING_WRITTEN


def _check_readable(source: Source) -> None:
    try:
        with source.path.open("rb"):
            pass
    except OSError as error:
        raise ManifestError(f"{source.name}: can't be opened: {error.strerror}") from error


def _guess(path: Path) -> str:
    try:
        neighbours = [neighbour.name for neighbour in path.parent.iterdir()]
    except OSError:
        return f", and no folder {path.parent}"
    near = difflib.get_close_matches(path.name, neighbours, n=1)
    return f"; did you mean {path.parent / near[0]}?" if near else ""

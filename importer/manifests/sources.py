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
    of a file that is still being written; it may have none. Standard input and named pipes are kept in
    ``scratch``, since a manifest is read more than once. A file that is named twice is taken once.

    Raises:
        ManifestError: a name stands for no file, or a file can't be opened.
    """
    found: dict[Path, Source] = {}
    copies = _Copies(scratch)
    for argument in arguments:
        try:
            for source in _expand(argument, standard_input, copies):
                _check_readable(source)
                found.setdefault(source.path.resolve(), source)
        except OSError as error:
            raise ManifestError(f"{argument}: can't be opened: {error.strerror or error}") from error
    return list(found.values())


class _Copies:
    """Copies of what can be read only once, such as /dev/fd/63."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths: dict[str, Path] = {}

    def standard_input(self, stream: BinaryIO) -> Path:
        if STANDARD_INPUT not in self._paths:
            self._keep(STANDARD_INPUT, stream)
        return self._paths[STANDARD_INPUT]

    def pipe(self, path: Path) -> Path:
        key = str(path.resolve())
        if key not in self._paths:
            with path.open("rb") as stream:
                self._keep(key, stream)
        return self._paths[key]

    def _keep(self, key: str, stream: BinaryIO) -> None:
        path = self._folder / f"stream-{len(self._paths)}"
        with path.open("wb") as file:
            shutil.copyfileobj(stream, file)
        self._paths[key] = path


def _expand(argument: str, standard_input: BinaryIO, copies: _Copies) -> Iterator[Source]:
    path = Path(argument)
    if argument == STANDARD_INPUT:
        yield Source(STANDARD_INPUT, copies.standard_input(standard_input))
    elif path.is_dir():
        yield from _in_directory(path)
    elif path.is_file():
        yield Source(argument, path)
    elif path.exists():
        yield Source(argument, copies.pipe(path))
    elif glob.has_magic(argument):
        yield from _matching(argument)
    else:
        raise ManifestError(f"{argument}: no such file{_guess(path)}")


def _in_directory(path: Path) -> Iterator[Source]:
    files = [file for file in sorted(path.iterdir()) if _is_manifest(file)]
    yield from (Source(str(file), file) for file in files)


def _matching(pattern: str) -> Iterator[Source]:
    matches = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 - Path.glob takes no absolute pattern
    files = [file for file in matches if _is_manifest(file)]
    if not files:
        raise ManifestError(f"{pattern}: no file matches")
    yield from (Source(str(file), file) for file in files)


def _is_manifest(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and path.suffix.lower() not in STILL_BEING_WRITTEN


def _check_readable(source: Source) -> None:
    try:
        with source.path.open("rb"):
            pass
    except OSError as error:
        raise ManifestError(f"{source.name}: can't be opened: {error.strerror or error}") from error


def _guess(path: Path) -> str:
    try:
        neighbours = [neighbour.name for neighbour in path.parent.iterdir()]
    except OSError:
        return f", and no folder {path.parent}"
    near = difflib.get_close_matches(path.name, neighbours, n=1)
    return f"; did you mean {path.parent / near[0]}?" if near else ""

"""What the user named on the command line → manifest files, each once, in a steady order."""

from __future__ import annotations

import difflib
import glob
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from importer.errors import CannotGoOn, ManifestError
from importer.manifests import archives
from importer.manifests.remote import Remote, is_url, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

STANDARD_INPUT = "-"
STILL_BEING_WRITTEN = (".part", ".partial", ".filepart", ".tmp", ".crdownload")


class Source(Struct, frozen=True):
    """One manifest file: ``name`` as the user knows it, ``path`` where its bytes are.

    ``origin`` is the file that the user has of it, which may be an archive with others; None where there is
    none, as for a pipe or a URL. ``given`` is how a command names it, where that is not its name, and
    ``notes`` is what a person is told of how it was found.
    """

    name: str
    path: Path
    origin: Path | None = None
    given: str = ""
    notes: tuple[str, ...] = ()

    @property
    def argument(self) -> str:
        """How a command names it, or the archive that it is in."""
        return self.given or self.name


def find(
    arguments: Iterable[str], standard_input: BinaryIO, scratch: Path, remote: Remote | None = None
) -> list[Source]:
    """The manifests that ``arguments`` name: files, directories, globs, URLs, and ``-``; archives unpacked.

    Raises:
        SetupError: a URL is none that can be read.
        ManifestError: a name stands for no file, or a file can't be opened, fetched or unpacked.
        CannotGoOn: there is no room for what is in an archive.
    """
    located = locate(arguments, standard_input, scratch, remote)
    return [part for source in located for part in archives.unpack(source, scratch)]


def locate(
    arguments: Iterable[str], standard_input: BinaryIO, scratch: Path, remote: Remote | None = None
) -> list[Source]:
    """The files that ``arguments`` name, with archives as they are.

    A directory stands for the files directly in it, by name, but for hidden ones and those with the suffix
    of a file that is still being written; it may have none. What comes from standard input, named pipes and
    URLs is kept in ``scratch``, since a manifest is read more than once. A file that is named twice is taken
    once.

    Raises:
        SetupError: a URL is none that can be read.
        ManifestError: a name stands for no file, or a file can't be fetched. Whether one can be read is
            seen when it is.
    """
    found: dict[Path, Source] = {}
    copies = _Copies(scratch, remote or Remote())
    for argument in arguments:
        try:
            for source in _expand(argument, standard_input, copies):
                found.setdefault(source.path.resolve(), source)
        except OSError as error:
            raise ManifestError(f"{argument}: can't be opened: {error.strerror or error}") from error
    return list(found.values())


def waiting(argument: str) -> list[Path]:
    """The files that a directory, a glob or a file stands for now, as ``locate`` takes them; it may be none.

    Raises:
        OSError: the directory can't be listed.
    """
    path = Path(argument)
    if path.is_dir():
        return _files_in(path)
    return [path] if path.is_file() else _files_like(argument)


def being_written(arguments: Iterable[str]) -> list[Path]:
    """The files of named directories that ``locate`` leaves out because of their suffix, by name."""
    folders = [Path(argument) for argument in arguments if Path(argument).is_dir()]
    files = [file for folder in folders for file in sorted(folder.iterdir())]
    return [file for file in files if _is_visible(file) and not _is_manifest(file)]


def left_alone(arguments: Iterable[str]) -> tuple[str, ...]:
    """What a person is told of the files that are ``being_written``: a line for each directory."""
    found = {argument: being_written([argument]) for argument in arguments}
    return tuple(f"{argument}: {_left_alone(files)}" for argument, files in found.items() if files)


def _left_alone(files: Sequence[Path]) -> str:
    suffixes = ", ".join(sorted({file.suffix for file in files}))
    if len(files) == 1:
        return f"1 file is left alone: still being written, as its name ends in {suffixes}"
    return f"{len(files):,} files are left alone: still being written, as their names end in {suffixes}"


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for copies, as long as the context lasts.

    Raises:
        CannotGoOn: there is no place for one.
    """
    try:
        folder = tempfile.TemporaryDirectory()
    except OSError as error:
        raise CannotGoOn(f"{error.strerror or error}; nothing was sent; name a folder with TMPDIR") from error
    with folder as name:
        yield Path(name)


def keep(sources: Sequence[Source], folder: Path) -> list[Source]:
    """The manifests as they are now, copied to ``folder``, out of reach of whoever writes over them.

    Raises:
        ManifestError: one of them changes meanwhile.
        CannotGoOn: they can't be copied, for want of room for example.
    """
    return [_kept(source, folder) for source in sources]


class _Copies:
    """Copies of what can be read only once, such as /dev/fd/63."""

    def __init__(self, folder: Path, remote: Remote) -> None:
        self._folder = folder
        self._remote = remote
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

    def fetched(self, url: str) -> Path:
        if url not in self._paths:
            path = _new_file(self._folder)
            self._remote.fetch(url, path)
            self._paths[url] = path
        return self._paths[url]

    def _keep(self, key: str, stream: BinaryIO) -> None:
        path = _new_file(self._folder)
        with path.open("wb") as file:
            shutil.copyfileobj(stream, file)
        self._paths[key] = path


def _expand(argument: str, standard_input: BinaryIO, copies: _Copies) -> Iterator[Source]:
    path = Path(argument)
    if argument == STANDARD_INPUT:
        yield Source(STANDARD_INPUT, copies.standard_input(standard_input))
    elif is_url(argument):
        yield Source(shown(argument), copies.fetched(argument))
    elif path.is_dir():
        yield from (Source(str(file), file, file) for file in _files_in(path))
    elif path.is_file():
        yield Source(argument, path, path)
    elif path.exists():
        yield Source(argument, copies.pipe(path))
    elif glob.has_magic(argument):
        yield from _matching(argument)
    else:
        raise ManifestError(f"{argument}: no such file{_guess(path)}")


def _files_in(path: Path) -> list[Path]:
    return [file for file in sorted(path.iterdir()) if _is_manifest(file)]


def _files_like(pattern: str) -> list[Path]:
    matches = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 - Path.glob takes no absolute pattern
    return [file for file in matches if _is_manifest(file)]


def _matching(pattern: str) -> Iterator[Source]:
    files = _files_like(pattern)
    if not files:
        raise ManifestError(f"{pattern}: no file matches")
    yield from (Source(str(file), file, file) for file in files)


def _is_manifest(path: Path) -> bool:
    return _is_visible(path) and path.suffix.lower() not in STILL_BEING_WRITTEN


def _is_visible(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def _guess(path: Path) -> str:
    try:
        neighbours = [neighbour.name for neighbour in path.parent.iterdir()]
    except OSError:
        return f", and no folder {path.parent}"
    near = difflib.get_close_matches(path.name, neighbours, n=1)
    return f"; did you mean {path.parent / near[0]}?" if near else ""


def _new_file(folder: Path) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="manifest-", dir=folder)
    os.close(descriptor)
    return Path(name)


def _kept(source: Source, folder: Path) -> Source:
    if source.path.parent == folder:  # a copy already, or unpacked
        return source
    try:
        path = _new_file(folder)
        with source.path.open("rb") as original, path.open("wb") as copy:
            before = os.fstat(original.fileno())
            shutil.copyfileobj(original, copy, _COPIED_AT_ONCE)
            after = os.fstat(original.fileno())
    except OSError as error:
        raise CannotGoOn(
            f"{source.name}: can't be copied to {folder}: {error.strerror}; nothing was sent; make room "
            "there, or name another folder with TMPDIR"
        ) from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ManifestError(
            f"{source.name}: changed while it was read; wait until it is written completely and run again"
        )
    return replace(source, path=path)


_COPIED_AT_ONCE = 1 << 20

"""What a name of manifests stands for, on this night and on others: a file, a folder or a glob."""

from __future__ import annotations

import glob
import os
import stat
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from importer.manifests.remote import is_url
from importer.manifests.sources import STANDARD_INPUT

if TYPE_CHECKING:
    from collections.abc import Sequence

_ANY_DEPTH: Final = "**"


class Named(Struct, frozen=True):
    """A name, and where the files lie that it stands for: in ``folder``, which is absolute and without links.

    ``pattern`` is which files of it, "" for all that lie directly in it; that of a glob may go through other
    folders.
    """

    name: str
    folder: Path
    pattern: str = ""
    is_glob: bool = False

    @classmethod
    def of(cls, name: str) -> Named | None:
        """What is named so, None for an address and for standard input."""
        if is_url(name) or name == STANDARD_INPUT:
            return None
        path = Path(name)
        if glob.has_magic(name) and _mode(path) is None:
            fixed = _fixed(path)
            return cls(name, resolved(fixed), str(path.relative_to(fixed)), is_glob=True)
        if name.endswith("/") or is_folder(path):
            return cls(name, resolved(path))
        return cls(name, resolved(path.parent), path.name)

    @property
    def is_folder(self) -> bool:
        """Whether all files of the folder are meant."""
        return not self.pattern

    @property
    def is_file(self) -> bool:
        """Whether it is one file, there or not."""
        return bool(self.pattern) and not self.is_glob

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that files of it may lie in now, as they are called from here."""
        path = Path(self.name)
        if not self.is_glob:
            return (path.parent if self.is_file else path,)
        way = path if path.name == _ANY_DEPTH else path.parent
        found = map(Path, sorted(glob.glob(str(way), recursive=True)))  # noqa: PTH207 - Path.glob takes no absolute pattern
        return tuple(folder for folder in found if is_folder(folder))

    def takes_from(self, folder: Path) -> bool:
        """Whether a file that is put into ``folder``, which is resolved, may be one of it.

        That is judged by the name, and for a glob by the links that there are now, too.
        """
        if not self.is_glob:
            return folder == self.folder
        *way, last = Path(self.pattern).parts
        way += [_ANY_DEPTH] if last == _ANY_DEPTH else []
        is_below = folder.is_relative_to(self.folder)
        if is_below and _leads(way, folder.relative_to(self.folder).parts):
            return True
        return folder in map(resolved, self.folders)


def is_folder(path: Path) -> bool:
    """Whether there is such a folder, as far as this user can see."""
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def resolved(path: Path) -> Path:
    """The path, absolute and without links; where links go in a circle, as far as they lead."""
    return Path(os.path.realpath(path))


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except OSError:
        return None


def _fixed(path: Path) -> Path:
    """The folder that a glob begins with."""
    while glob.has_magic(str(path)):
        path = path.parent
    return path


def _leads(patterns: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether a glob through folders of these patterns comes to the folder that is reached by these parts."""
    if not patterns:
        return not parts
    first, others = patterns[0], patterns[1:]
    fits = bool(parts) and (first.startswith(".") or not parts[0].startswith("."))  # as a shell's
    if first == _ANY_DEPTH:
        return _leads(others, parts) or (fits and _leads(patterns, parts[1:]))
    return fits and fnmatchcase(parts[0], first) and _leads(others, parts[1:])

"""Which files each job of a plan takes, and that no two take the same, or file them in one folder."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from importer.manifests.remote import is_url
from importer.plans.plan import FOLDERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from importer.plans.plan import Fault, Job


def faults(jobs: Sequence[Job]) -> Iterator[Fault]:
    """What is wrong with where jobs take manifests from, and where they put them."""
    for job in jobs:
        yield from _missing(job)
    filed = [
        (job, key, _resolved(str(job.options[key]))) for job in jobs for key in FOLDERS if key in job.options
    ]
    taken = [(job, inbox) for job in jobs for name in job.manifests if (inbox := _Inbox.of(name))]
    for (one, key, folder), (other, other_key, other_folder) in combinations(filed, 2):
        if one is not other and folder == other_folder:
            words = f"{folder} is the {other_key} of job {other.name}, too; give each job its own"
            yield one.fault(key, words)
    for job, key, folder in filed:
        for other, inbox in taken:
            if inbox.folder == folder and inbox.is_folder:
                whose = f"the inbox of job {other.name}" if other is not job else "the inbox itself"
                yield job.fault(key, f"{folder} is {whose}; name another folder")
    for (one, inbox), (other, other_inbox) in combinations(taken, 2):
        if one is not other and inbox.overlaps(other_inbox):
            words = f"{inbox.name} is taken by job {other.name}, too ({other_inbox.name})"
            yield one.fault("manifests", f"{words}; each manifest goes one way")


def present(manifests: Sequence[str]) -> tuple[str, ...]:
    """The manifests without globs that no file matches now: those are inboxes with nothing to do."""
    return tuple(name for name in manifests if not _is_glob(name) or glob.glob(name, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern


@dataclass(frozen=True, slots=True)
class _Inbox:
    """What a job takes: a folder, or those files of it that have the ``pattern``, "" for all."""

    name: str
    folder: Path
    pattern: str = ""

    @classmethod
    def of(cls, name: str) -> _Inbox | None:
        """The inbox of that name, None for an address."""
        if is_url(name):
            return None
        if _is_glob(name):
            fixed = _fixed(name)
            return cls(name, _resolved(str(fixed)), str(Path(name).relative_to(fixed)))
        path = Path(name)
        if path.is_dir() or name.endswith("/"):
            return cls(name, _resolved(name))
        return cls(name, _resolved(str(path.parent)), path.name)

    @property
    def is_folder(self) -> bool:
        """Whether all files of the folder are taken."""
        return not self.pattern

    def overlaps(self, other: _Inbox) -> bool:
        """Whether a file can be taken by both, as far as can be told by the names and the files there now."""
        if self.folder == other.folder and (not self.pattern or not other.pattern):
            return True
        return (self.folder, self.pattern) == (other.folder, other.pattern) or not self._files.isdisjoint(
            other._files
        )

    @property
    def _files(self) -> set[Path]:
        if self.is_folder:
            return set(self.folder.iterdir()) if self.folder.is_dir() else set()
        if not _is_glob(self.pattern):
            return {self.folder / self.pattern}
        return {path for path in self.folder.glob(self.pattern) if path.is_file()}


def _missing(job: Job) -> Iterator[Fault]:
    for name in job.manifests:
        inbox = _Inbox.of(name)
        if inbox is not None and not inbox.folder.is_dir():
            yield job.fault(
                "manifests", f"{name}: there is no folder {inbox.folder}; make it, or correct the plan"
            )


def _is_glob(name: str) -> bool:
    return not is_url(name) and glob.has_magic(name) and not Path(name).exists()


def _fixed(name: str) -> Path:
    """The folder that a glob begins with."""
    path = Path(name)
    while glob.has_magic(str(path)):
        path = path.parent
    return path


def _resolved(name: str) -> Path:
    return Path(name).resolve()

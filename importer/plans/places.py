"""Which files each job of a plan takes, and that no two take the same, or file them in one folder."""

from __future__ import annotations

import errno
import os
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from importer.manifests import sources
from importer.manifests.named import Named, is_folder, resolved
from importer.plans.plan import FOLDERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from importer.plans.plan import Fault, Job

_NOT_FOR_US: Final = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG})
"""What the disk says of a path that is wrong itself; with anything else it may only be away for a while."""


def faults(jobs: Sequence[Job]) -> Iterator[Fault]:
    """What is wrong with where jobs take manifests from, and where they put them."""
    for job in jobs:
        yield from _out_of_reach(job)
        yield from _missing(job)
    filed = [(job, key, resolved(Path(str(job.options[key])))) for job in jobs for key in _folders(job)]
    taken = [(job, inbox) for job in jobs for inbox in inboxes(job)]
    for (one, key, folder), (other, other_key, other_folder) in combinations(filed, 2):
        if one is not other and folder == other_folder:
            words = f"{folder} is the {other_key} of job {other.name}, too; give each job its own"
            yield one.fault(key, words)
    for job, key, folder in filed:
        for other, inbox in taken:
            if inbox.takes_from(folder):
                yield job.fault(key, f"{_whose(folder, job, other, inbox)}; name another folder")
    for (one, inbox), (other, other_inbox) in combinations(taken, 2):
        if one is not other and _overlap(inbox, other_inbox):
            words = f"{inbox.name} is taken by job {other.name}, too ({other_inbox.name})"
            yield one.fault("manifests", f"{words}; each manifest goes one way")


def inboxes(job: Job) -> list[Named]:
    """What the job takes manifests from, but for addresses."""
    return [inbox for name in job.manifests if (inbox := Named.of(name))]


def trouble(job: Job) -> str:
    """Why the job can't be begun now, "" if it can: an inbox is not there, or can't be looked into."""
    for fault in (*_out_of_reach(job), *_missing(job)):
        return fault.words
    for inbox in inboxes(job):
        if not inbox.is_file:
            try:
                os.scandir(inbox.folder).close()
            except OSError as error:
                return f"{inbox.name}: can't be read: {error.strerror or error}; let this user read it"
    return ""


def present(manifests: Sequence[str]) -> tuple[str, ...]:
    """The manifests but for folders and globs of which no file is there now: those have nothing to do."""
    return tuple(name for name in manifests if not _is_idle(name))


def _folders(job: Job) -> list[str]:
    return [key for key in FOLDERS if key in job.options]


def _out_of_reach(job: Job) -> Iterator[Fault]:
    """The paths that are wrong whatever is there."""
    named = [
        ("manifests", inbox.name, inbox.folder if inbox.is_glob else inbox.folder / inbox.pattern)
        for inbox in inboxes(job)
    ]
    filed = [(key, str(job.options[key]), Path(str(job.options[key]))) for key in _folders(job)]
    for key, name, path in (*named, *filed):
        if words := _obstacle(path):
            yield job.fault(key, f"{name}: can't be used: {words}; let this user in, or correct the plan")


def _missing(job: Job) -> Iterator[Fault]:
    for inbox in inboxes(job):
        if not is_folder(inbox.folder) and not _obstacle(inbox.folder):
            words = f"{inbox.name}: there is no folder {inbox.folder}; mount or make it, or correct the plan"
            yield replace(job.fault("manifests", words), may_pass=True)


def _obstacle(path: Path) -> str:
    try:
        path.stat()
    except OSError as error:
        return os.strerror(error.errno) if error.errno in _NOT_FOR_US else ""
    return ""


def _whose(folder: Path, job: Job, other: Job, inbox: Named) -> str:
    if inbox.is_folder:
        return f"{folder} is {'the inbox itself' if job is other else f'the inbox of job {other.name}'}"
    who = "the job itself" if job is other else f"job {other.name}"
    return f"{folder}: {who} takes what is in it ({inbox.name})"


def _overlap(one: Named, other: Named) -> bool:
    """Whether a file can be taken by both, as far as can be told by the names and the files there now."""
    for inbox, another in ((one, other), (other, one)):
        if inbox.is_folder and another.takes_from(inbox.folder):
            return True
    return (one.folder, one.pattern) == (other.folder, other.pattern) or not _files(one).isdisjoint(
        _files(other)
    )


def _files(inbox: Named) -> set[Path]:
    if inbox.is_file:
        return {resolved(inbox.folder / inbox.pattern)}
    try:
        return set(map(resolved, sources.waiting(inbox.name)))
    except OSError:
        return set()  # the job itself will tell


def _is_idle(name: str) -> bool:
    inbox = Named.of(name)
    if inbox is None or inbox.is_file:
        return False
    try:
        return not sources.waiting(name) and not sources.being_written([name])
    except OSError:
        return False  # as above

"""A folder that manifests come into: which files are ready, and where each goes once it was reported."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field
from msgspec.structs import replace

from importer import batches, manifests
from importer.errors import ManifestError, SetupError
from importer.manifests import archives, sources
from importer.manifests.named import Named, resolved
from importer.model import FINE, STATUSES, Status
from importer.report import LEFT_ALONE, Filed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path
    from typing import BinaryIO

    from importer.batches import Terms
    from importer.manifests import Manifest
    from importer.manifests.sources import Source

SETTLE_SECONDS: Final = 5.0
"""A file that was written to so recently may be written to again."""
HOUR_SECONDS: Final = 3600.0
"""So far a clock may be ahead of another; and so long no sender takes between two pieces of a file."""

_ENDS_BYTES: Final = 4096
# X12.5: ISA has its element separator at the 4th and its segment terminator at the 106th byte, and IEA ends
# what it begins; ISO 9735: UNB and UNZ do, with ' for a terminator unless UNA says another in its 9th byte.
_X12: Final = re.compile(rb"\s*ISA(.).{101}(.)", re.DOTALL)
_EDIFACT: Final = re.compile(rb"\s*(?:UNA.{5}(.)|UNB\+)", re.DOTALL)
_STILL_TO_BE_SENT: Final = (Status.NOT_SENT, Status.FAILED)

_Stamp = tuple[int, int, int]


class _Taken(Struct):
    """A file that was taken, and how many manifests were found in it; ``fault`` says why it is none."""

    name: str
    path: Path
    stamp: _Stamp
    manifests: int = 0
    fault: str = ""


class Inbox(Struct, frozen=True):
    """Takes what is ready, and files it.

    What is fine goes to ``archive``, what needs attention to ``quarantine``; without the folder it stays
    where it is. A file that can't be read stops the others only if it ``must_be_whole`` or there is no
    quarantine. ``now`` is the wall clock, in UTC; ``wait`` lets so many seconds pass.
    """

    archive: Path | None
    quarantine: Path | None
    now: Callable[[], datetime]
    must_be_whole: bool = False
    wait: Callable[[float], None] = time.sleep
    _taken: list[_Taken] = field(default_factory=list)
    _left: list[Filed] = field(default_factory=list)

    def prepare(self) -> None:
        """See that files can be moved there.

        Raises:
            SetupError: one of the folders can't be made.
        """
        for option, folder in self._folders():
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise SetupError(
                    f"{option} {folder}: can't be made: {error.strerror}; name another"
                ) from error

    def take(
        self, arguments: Sequence[str], standard_input: BinaryIO, scratch: Path, terms: Terms
    ) -> list[tuple[Source, Manifest]]:
        """What is ready, oldest first, as it is now and with what it says; copies are kept in ``scratch``.

        Left alone are the files of a folder that are still being written, but not those that are named.

        Raises:
            SetupError: a file can't be moved, or is in one of the folders already.
            ManifestError: a name stands for no file, or a file is no manifest and there is no quarantine.
        """
        self._check_globs(arguments)
        located = sources.locate(arguments, standard_input, scratch)
        for path in sources.being_written(arguments):
            self._leave(str(path), f"still being written, as its name ends in {path.suffix}")
        stamped = _oldest_first(located)
        if any(stamp and self._age(stamp) < -HOUR_SECONDS for _, stamp in stamped):
            self.wait(SETTLE_SECONDS)  # such a time tells nothing; whether it changes meanwhile does
        taken: list[tuple[Source, Manifest]] = []
        faults: list[str] = []
        for source, stamp in stamped:
            try:
                self._check_place(source)
                if source.name in arguments or not self._is_unfinished(source, stamp):
                    taken += self._read(source, stamp, scratch, terms)
            except ManifestError as error:
                faults.append(str(error))
        if faults:
            raise ManifestError("\n".join(faults))
        return taken

    @property
    def has_faulty(self) -> bool:
        """Whether a file was taken that is no manifest."""
        return any(file.fault for file in self._taken)

    def file(self, statuses: Sequence[Mapping[Status, int]]) -> tuple[Filed, ...]:
        """Move each file by how its rows ended; ``statuses`` counts them for each manifest taken, in order.

        Nothing is ever moved over another file, and a file that was written to in the meantime stays.
        """
        counts = iter(statuses)
        filed = [self._file(file, [next(counts) for _ in range(file.manifests)]) for file in self._taken]
        return (*filed, *self._left)

    def _folders(self) -> Iterator[tuple[str, Path]]:
        if self.archive is not None:
            yield "--archive", self.archive
        if self.quarantine is not None:
            yield "--quarantine", self.quarantine

    def _check_globs(self, arguments: Sequence[str]) -> None:
        """See that none comes to what is moved, which it would only from the second run on."""
        globs = [named for argument in arguments if (named := Named.of(argument)) and named.is_glob]
        for option, folder in self._folders():
            for named in globs:
                if named.takes_from(resolved(folder)):
                    raise SetupError(
                        f"{option} {folder}: {named.name} takes what is in it; name a folder that no "
                        "manifest is taken from"
                    )

    def _check_place(self, source: Source) -> None:
        if source.origin is None:
            return
        parent = source.origin.parent
        for option, folder in self._folders():
            if parent.resolve() == folder.resolve():
                raise SetupError(
                    f"{option} {folder}: {source.name} is in it already; name a folder that no manifest is "
                    "taken from"
                )
            if parent.stat().st_dev != folder.stat().st_dev:
                raise SetupError(
                    f"{option} {folder}: on another disk than {source.name}, and files are renamed, not "
                    f"copied; name a folder on the disk of {parent}"
                )

    def _is_unfinished(self, source: Source, stamp: _Stamp | None) -> bool:
        """Whether the file is left alone, which is noted."""
        if stamp is None:
            return False
        age = self._age(stamp)
        why = ""
        if -HOUR_SECONDS <= age <= -SETTLE_SECONDS:
            why = f"it may still be being written: its time is {-age:.0f} s ahead of the clock here"
        elif abs(age) < SETTLE_SECONDS:
            why = f"still being written, it seems: less than {SETTLE_SECONDS:g} s ago"
        elif source.origin is not None and _stamp(source.origin) != stamp:
            why = "still being written, it seems: it has changed since this run began"
        elif abs(age) < HOUR_SECONDS and (trailer := missing_trailer(source.path)):
            why = f"still being written, it seems: {trailer}, the end of the EDI, is missing"
        if why:
            self._leave(source.name, why)
        return bool(why)

    def _age(self, stamp: _Stamp) -> float:
        """Seconds since it was last written to; below 0 where it was by a clock that is ahead."""
        return self.now().timestamp() - stamp[2] / 1e9

    def _read(
        self, source: Source, stamp: _Stamp | None, scratch: Path, terms: Terms
    ) -> list[tuple[Source, Manifest]]:
        """What the file has, read to its end, so that no fault turns up after this."""
        try:
            parts = archives.unpack(source, scratch)
            surveyed = batches.survey(sources.keep(parts, scratch), terms)
            for manifest in surveyed:
                for _ in manifests.blocks(manifest):
                    pass
        except ManifestError as error:
            if stamp is None or source.origin is None:
                raise
            if _stamp(source.origin) != stamp or stamp == _NOWHERE:
                self._leave(source.name, "it was moved or written to while it was read")
                return []
            if self.quarantine is None or self.must_be_whole:
                raise
            self._taken.append(_Taken(source.name, source.origin, stamp, fault=str(error)))
            return []
        if source.origin is not None and stamp is not None:
            self._taken.append(_Taken(source.name, source.origin, stamp, len(surveyed)))
        else:
            self._taken.append(_Taken(source.name, source.path, _NOWHERE, len(surveyed)))
        return list(zip(parts, surveyed, strict=True))

    def _leave(self, name: str, why: str) -> None:
        self._left.append(Filed(name, "", f"{LEFT_ALONE}{why}"))

    def _file(self, file: _Taken, counts: Sequence[Mapping[Status, int]]) -> Filed:
        total = {status: sum(count[status] for count in counts) for status in STATUSES}
        attention = sum(total[status] for status in STATUSES if status not in FINE)
        if file.stamp == _NOWHERE:
            return Filed(file.name, "", "stays: it is no file here")
        if any(total[status] for status in _STILL_TO_BE_SENT):
            return Filed(file.name, "", "stays: rows of it are still to be sent")
        if file.fault:
            moved = self._move(file, self.quarantine, f"no manifest: {file.fault}")
            return replace(moved, is_manifest=False)
        if attention:
            words = "1 row needs" if attention == 1 else f"{attention:,} rows need"
            return self._move(file, self.quarantine, f"{words} attention")
        return self._move(file, self.archive, "all of its rows are fine")

    def _move(self, file: _Taken, folder: Path | None, why: str) -> Filed:
        if folder is None:
            return Filed(file.name, "", f"stays: {why}, and no folder is named for that")
        if _stamp(file.path) != file.stamp:
            return Filed(file.name, "", _CHANGED)
        try:
            target = carry(file.path, file.stamp, folder)
        except OSError as error:
            words = error.strerror or str(error)
            return Filed(file.name, "", f"could not be moved to {folder}: {words}", is_fault=True)
        if target is None:
            return Filed(file.name, "", _CHANGED)
        return Filed(file.name, str(target), why)


def carry(path: Path, stamp: tuple[int, int, int], folder: Path) -> Path | None:
    """Move the file of that ``stamp`` (see ``os.stat``: inode, size, time in ns) to ``folder``.

    Whoever writes manifests may put another one in its place until the very moment of the move: then that
    one is put back, under its name if nobody else has it by then, and None returned.

    Raises:
        OSError: it can't be moved.
    """
    target = _renamed(path, folder / path.name)
    if _stamp(target) == stamp:
        return target
    _renamed(target, path)
    return None


def missing_trailer(path: Path) -> str:
    """The name of the segment that an EDI file lacks at its end, "" if it is whole or no such file."""
    try:
        with path.open("rb") as file:
            head = file.read(_ENDS_BYTES)
            file.seek(max(0, file.seek(0, os.SEEK_END) - _ENDS_BYTES))
            tail = file.read()
    except OSError:
        return ""  # it is told when it is read
    if begun := _X12.match(head):
        return "" if _last_segment(tail, begun[2]).startswith(b"IEA" + begun[1]) else "IEA"
    if begun := _EDIFACT.match(head):
        return "" if _last_segment(tail, begun[1] or b"'").startswith(b"UNZ") else "UNZ"
    return "IEA" if re.match(rb"\s*ISA[*|^~]", head) else ""


_NOWHERE: Final[_Stamp] = (0, 0, 0)
_CHANGED: Final = "stays: it was moved or written to in the meantime"


def _oldest_first(located: Sequence[Source]) -> list[tuple[Source, _Stamp | None]]:
    """By the time of the last change, then by name; what is no file comes first."""
    stamped = [(source, _stamp(source.origin) if source.origin else None) for source in located]
    return sorted(stamped, key=lambda each: (each[1][2] if each[1] else 0, each[0].name))


def _stamp(path: Path) -> _Stamp:
    """Which file it is, and which version; nowhere if it is gone."""
    try:
        status = path.stat()
    except OSError:
        return _NOWHERE
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def _last_segment(tail: bytes, terminator: bytes) -> bytes:
    return tail.rstrip().removesuffix(terminator).rstrip().rpartition(terminator)[2].strip()


def _renamed(path: Path, wanted: Path) -> Path:
    """The file under the ``wanted`` name, or one like it that nobody had: no file is moved over another."""
    target = _reserved(wanted)
    try:
        path.replace(target)
    except OSError:
        target.unlink()
        raise
    return target


def _reserved(wanted: Path) -> Path:
    """A name that nobody had, and now this program has: renaming onto it takes nothing away."""
    number = 1
    while True:
        name = wanted if number == 1 else wanted.with_stem(f"{wanted.stem}-{number}")
        with suppress(FileExistsError):
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            return name
        number += 1

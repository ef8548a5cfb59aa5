"""Archives → the manifests in them, unpacked into the scratch folder; decided by content, never by name.

Nothing is unpacked under the name that the archive has for it, and nothing is unpacked to memory: what comes
out is counted while it comes, and an archive that would fill the disk is refused long before.
"""

from __future__ import annotations

import gzip
import os
import posixpath
import re
import stat
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from importer.errors import CannotGoOn, ManifestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO

    from importer.manifests.sources import Source

EXPANDED_LIMIT_BYTES: Final = 4 * 1024**3
RATIO_LIMIT: Final = 200
RATIO_FREE_BYTES: Final = 64 * 1024**2
MEMBERS_LIMIT: Final = 1000
LEVELS: Final = 2  # a .csv.gz in a .zip, and no deeper

# ZIP APPNOTE 4.3.7 and 4.3.16; RFC 1952 section 2.3.1; RFC 8878 section 3.1, the second a skippable frame.
_KINDS: Final = (
    (re.compile(rb"PK(?:\x03\x04|\x05\x06|\x07\x08)"), "zip"),
    (re.compile(rb"\x1f\x8b"), "gzip"),
    (re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), "zstd"),
)
_UNREAD: Final = (
    (re.compile(rb"BZh[1-9]1AY&SY"), "packed with bzip2"),
    (re.compile(rb"\xfd7zXZ\x00"), "packed with xz"),
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), "a 7z archive"),
    (re.compile(rb"Rar!\x1a\x07"), "a RAR archive"),
    (re.compile(rb".{257}ustar", re.DOTALL), "a tar archive"),
)
_HEAD_BYTES: Final = 512
_PIECE_BYTES: Final = 1024**2
_ZSTD_PIECE_BYTES: Final = 1024  # a block of 4 bytes can stand for 128 KiB (RFC 8878 section 3.1.1.2)
_ZSTD_WINDOW_BYTES: Final = 128 * 1024**2  # what the zstd program itself takes without being told to
_DIRECTORY_LIMIT_BYTES: Final = 8 * 1024**2
_ENCRYPTED: Final = 0x1
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_OF_A_WORKBOOK: Final = frozenset({"[Content_Types].xml", "mimetype"})
_OUTSIDE: Final = re.compile(r"[\\/]|[A-Za-z]:|(?:.*[\\/])?\.\.(?:[\\/].*)?\Z", re.DOTALL)
_HIDDEN: Final = re.compile(r"(?:.*[\\/])?(?:\.(?![\\/])|__MACOSX[\\/])", re.DOTALL)
_SHOWN: Final = 3
# How a workbook begins, as a zip archive whose first file is one of these (APPNOTE 4.3.7).
_BEGINS_A_WORKBOOK: Final = re.compile(
    rb"PK\x03\x04.{26}(?:\[Content_Types\]\.xml|mimetypeapplication/vnd\.oasis|_rels/|docProps/|xl/)",
    re.DOTALL,
)
_BROKEN: Final = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile)


class Limits(Struct, frozen=True):
    """How much may come out of one archive.

    ``expanded`` is bytes in all, ``ratio`` how many times its own size once that is more than ``free`` bytes,
    ``members`` how many files a zip archive may have.
    """

    expanded: int = EXPANDED_LIMIT_BYTES
    ratio: int = RATIO_LIMIT
    free: int = RATIO_FREE_BYTES
    members: int = MEMBERS_LIMIT


def unpack(source: Source, scratch: Path, limits: Limits | None = None) -> list[Source]:
    """The manifests in an archive, as files in ``scratch``; what is no archive is given back as it is.

    A member is named after the archive, ``archive.zip/inner.csv``; what is gzipped keeps its name. Folders
    and hidden files are left out, the latter with a note, and a workbook, though it is a zip archive, stays
    whole.

    Raises:
        ManifestError: the archive is broken, encrypted, of an unknown kind, not to be trusted, or too much
            comes out of it.
        CannotGoOn: there is no room for what is in it.
    """
    with _opened(source) as file:
        before = os.fstat(file.fileno())
    packing = _Packing(source.name, before.st_size, scratch, limits or Limits())
    found = list(_unpacked(source, packing, 0))
    with _opened(source) as file:
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ManifestError(
            f"{source.name}: changed while it was read; wait until it is written completely and run again"
        )
    return found


class _Packing:
    """What has come out of one archive so far, and where it goes."""

    def __init__(self, name: str, size: int, scratch: Path, limits: Limits) -> None:
        self._name = name
        self._size = size
        self._scratch = scratch
        self._limits = limits
        self._expanded = 0
        self._members = 0

    def add_members(self, count: int) -> None:
        """Count members before any is unpacked."""
        self._members += count
        if self._members > self._limits.members:
            raise ManifestError(
                f"{self._name}: {self._members:,} files in the archive, expected at most "
                f"{self._limits.members:,}; pack fewer manifests together"
            )

    def write(self, pieces: Iterable[bytes]) -> Path:
        """Keep what comes out in a new file."""
        try:
            with tempfile.NamedTemporaryFile(dir=self._scratch, prefix="unpacked-", delete=False) as file:
                for piece in pieces:
                    self._count(len(piece))
                    file.write(piece)
        except OSError as error:
            raise CannotGoOn(
                f"{self._name}: can't be unpacked to {self._scratch}: {error.strerror}; nothing was sent; "
                "make room there, or name another folder with TMPDIR"
            ) from error
        return Path(file.name)

    def _count(self, size: int) -> None:
        self._expanded += size
        limits = self._limits
        if self._expanded > limits.expanded:
            raise ManifestError(
                f"{self._name}: more than {limits.expanded:,} bytes come out of the archive; no manifest is "
                "as large: look into it, and split it if it is one"
            )
        if self._expanded > max(limits.free, limits.ratio * self._size):
            raise ManifestError(
                f"{self._name}: more than {limits.ratio} times its size comes out of the archive, as if it "
                "were made to fill the disk; unpack it yourself if you trust whoever sent it"
            )


def _unpacked(source: Source, packing: _Packing, level: int) -> Iterator[Source]:
    kind = _kind(source)
    if kind is None:
        yield source
        return
    if kind == "zip" and _is_workbook(source):
        yield source
        return
    if level == LEVELS:
        raise ManifestError(
            f"{source.name}: an archive within an archive within an archive; unpack the outer one first"
        )
    for inner in _UNPACKERS[kind](source, packing):
        yield from _unpacked(inner, packing, level + 1)


def _kind(source: Source) -> str | None:
    with _opened(source) as file:
        head = file.read(_HEAD_BYTES)
    for magic, words in _UNREAD:
        if magic.match(head):
            raise ManifestError(
                f"{source.name}: the file is {words}, expected a manifest, or one packed with zip, gzip or "
                "zstd; unpack it first"
            )
    return next((kind for magic, kind in _KINDS if magic.match(head)), None)


# --- zip -----------------------------------------------------------------------------------------------


class _Frugal:
    """A file that is never read in one go where a manipulated archive says that gigabytes are needed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count: int = -1) -> bytes:
        """As of a file."""
        if count > _DIRECTORY_LIMIT_BYTES:
            raise zipfile.BadZipFile(f"its list of files has {count:,} bytes")
        return self._file.read(count)


def _is_workbook(source: Source) -> bool:
    with _zip(source) as archive:
        return not _OF_A_WORKBOOK.isdisjoint(archive.namelist())


def _from_zip(source: Source, packing: _Packing) -> Iterator[Source]:
    with _zip(source) as archive:
        members = archive.infolist()
        packing.add_members(len(members))
        for member in members:
            _check_member(source.name, member)
        _check_once(source.name, [_plain(member) for member in members])
        files = [member for member in members if not member.is_dir()]
        wanted = [member for member in files if not _HIDDEN.match(member.filename)]
        if not wanted:
            raise ManifestError(f"{source.name}: no file is in the archive; expected a manifest")
        notes = source.notes + _left_out([_plain(member) for member in files if member not in wanted])
        for member in wanted:
            path = packing.write(_zip_pieces(source, archive, member))
            name = f"{source.name}/{_plain(member)}"
            yield replace(source, name=name, path=path, given=source.argument, notes=notes)
            notes = ()


def _plain(member: zipfile.ZipInfo) -> str:
    """What it is called, without the ``./`` that some programs put before."""
    name = posixpath.normpath(member.filename)
    return f"{name}/" if member.is_dir() else name


def _left_out(names: list[str]) -> tuple[str, ...]:
    if not names:
        return ()
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (f"hidden files of the archive are not read: {', '.join(names[:_SHOWN])}{more}",)


@contextmanager
def _zip(source: Source) -> Iterator[zipfile.ZipFile]:
    with _opened(source) as file:
        try:
            archive = zipfile.ZipFile(_Frugal(file))  # it needs no more of a file
        except (*_BROKEN, NotImplementedError, ValueError) as error:
            raise _no_zip(source, error) from error
        with archive:
            yield archive


def _no_zip(source: Source, error: Exception) -> ManifestError:
    with _opened(source) as file:
        if _BEGINS_A_WORKBOOK.match(file.read(_HEAD_BYTES)):
            return ManifestError(
                f"{source.name}: the workbook is damaged or cut off; open it in a spreadsheet program and "
                "save it again, or get the file anew"
            )
    return _broken(source.name, "zip", error)


def _check_member(name: str, member: zipfile.ZipInfo) -> None:
    written = member.orig_filename
    if _OUTSIDE.match(written) or "\0" in written or stat.S_ISLNK(member.external_attr >> 16):
        raise ManifestError(
            f"{name}: a file in it is called {written!r} or links there, which is a place outside of the "
            "archive; it is not to be trusted: ask whoever sent it for another"
        )
    if member.flag_bits & _ENCRYPTED:
        raise ManifestError(
            f"{name}: {written!r} in it is encrypted; unpack it with its password and name what comes out"
        )
    if member.compress_type not in _METHODS:
        raise ManifestError(
            f"{name}: {written!r} in it is packed with method {member.compress_type}, expected 0 (stored) or "
            "8 (deflate); pack it again with another program"
        )


def _check_once(name: str, members: list[str]) -> None:
    seen: set[str] = set()
    for member in members:
        if member in seen:
            raise ManifestError(
                f"{name}: two files in it are called {member!r}, and it can't be known which one is meant; "
                "pack it again"
            )
        seen.add(member)


def _zip_pieces(source: Source, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(member) as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece
    except (*_BROKEN, NotImplementedError, RuntimeError) as error:
        raise _broken(f"{source.name}/{member.filename}", "zip", error) from error


# --- gzip and zstd -------------------------------------------------------------------------------------


def _from_gzip(source: Source, packing: _Packing) -> Iterator[Source]:
    yield replace(source, path=packing.write(_gzip_pieces(source)))


def _gzip_pieces(source: Source) -> Iterator[bytes]:
    try:
        with _opened(source) as file, gzip.GzipFile(fileobj=file) as unpacked:
            while piece := unpacked.read(_PIECE_BYTES):
                yield piece
    except _BROKEN as error:
        raise _broken(source.name, "gzip", error) from error


def _from_zstd(source: Source, packing: _Packing) -> Iterator[Source]:
    yield replace(source, path=packing.write(_zstd_pieces(source)))


def _zstd_pieces(source: Source) -> Iterator[bytes]:
    """Frame by frame, because only of a frame it is known whether it was cut off."""
    import zstandard  # noqa: PLC0415 - it takes a while, and hardly any manifest needs it

    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    frame = decompressor.decompressobj()
    is_begun = False
    try:
        with _opened(source) as file:
            while given := file.read(_ZSTD_PIECE_BYTES):
                while given:
                    yield frame.decompress(given)
                    given, is_begun = frame.unused_data, not frame.eof
                    if frame.eof:
                        frame = decompressor.decompressobj()
        if is_begun:
            raise EOFError("it is cut off")
    except (*_BROKEN, zstandard.ZstdError) as error:
        raise _broken(source.name, "zstd", error) from error


_UNPACKERS: Final[dict[str, Callable[[Source, _Packing], Iterator[Source]]]] = {
    "zip": _from_zip,
    "gzip": _from_gzip,
    "zstd": _from_zstd,
}


# --- faults --------------------------------------------------------------------------------------------


def _broken(name: str, kind: str, error: Exception) -> ManifestError:
    found = str(error) or type(error).__name__
    return ManifestError(
        f"{name}: the {kind} archive is broken or cut off ({found}); get the file again, or pack it again"
    )


@contextmanager
def _opened(source: Source) -> Iterator[BinaryIO]:
    try:
        file = source.path.open("rb")
    except OSError as error:
        raise ManifestError(f"{source.name}: can't be opened: {error.strerror or error}") from error
    with file:
        yield file

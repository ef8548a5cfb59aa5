"""What a workbook may be, looked at before anything parses it: a small file can unpack to any size."""

from __future__ import annotations

import re
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from importer.errors import ManifestError
from importer.manifests.delimited import MAX_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.manifests.sources import Source

MAX_FILE_BYTES: Final = 512 * 1024**2
MAX_MEMBERS: Final = 10_000
MAX_UNPACKED_BYTES: Final = 4 * 1024**3
MAX_RATIO: Final = 200  # a sheet of a million rows is packed to a tenth; deflate itself ends at 1,032
RATIO_MATTERS_FROM_BYTES: Final = 16 * 1024**2
MAX_ROWS: Final = 1_048_576  # all that a spreadsheet program shows
MAX_CELLS: Final = 50_000_000  # of the rectangle around all cells that are filled, which is held in memory
PIECE_BYTES: Final = 4 * 1024**2

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OPEN_DOCUMENT = b"application/vnd.oasis.opendocument.spreadsheet"
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")  # MS-OFFCRYPTO 2.3, as OLE names its streams
OF_CELLS: Final = "xl/worksheets/"
_OPEN_XML = frozenset({"xlsx", "xlsm"})
_XML = (".xml", ".rels")
_DECLARATIONS = (b"<!DOCTYPE", b"<!ENTITY")
_DECLARATION_BYTES = 16
_COUNT = re.compile(rb"""\suniqueCount\s*=\s*["'](\d+)""")
_LEAST_OF_A_TEXT = 3  # bytes: a count and a mark in .xls; the others take more
_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\0")
_ENCRYPTED_MEMBER = 0x1
_SAVE_WITHOUT_PASSWORD = "open it in a spreadsheet program, save it without a password and run again"  # noqa: S105 - advice


def format_of(source: Source) -> str:
    """``xlsx``, ``xlsm``, ``xlsb``, ``xls`` or ``ods``, by what is in the file; "" where it is no workbook.

    Raises:
        ManifestError: the file can't be read.
    """
    try:
        with source.path.open("rb") as file:
            head = file.read(len(_OLE))
        if head == _OLE:
            return "xls"
        return _zipped_format(source) if head.startswith(_ZIP) else ""
    except OSError as error:
        raise ManifestError(f"{source.name}: can't be read: {error.strerror or error}") from error


def check(source: Source, form: str) -> None:
    """See that a workbook of the format ``form`` can be parsed in bounded room, and is not encrypted.

    What the sheets of an .xlsx hold is left to ``check_sheets``, or to who reads them as ``checked``.

    Raises:
        ManifestError: it can't; the message says what was found and what is allowed.
    """
    size = source.path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise _too_large(source, f"has {_mib(size)}", f"{_mib(MAX_FILE_BYTES)}")
    if form == "xls":
        _check_not_encrypted(source)
        return
    with opened(source) as archive:
        _check_members(source, archive)
        for member in archive.infolist():
            if member.filename.endswith(_XML):
                if form not in _OPEN_XML or not member.filename.startswith(OF_CELLS):
                    _read(checked(source, archive, member))
            elif form == "xlsb" and member.filename.endswith(".bin"):
                _read(pieces(archive, member))
        _check_strings(source, archive)
        if form == "ods" and b"encryption-data" in _small(archive, "META-INF/manifest.xml"):
            raise ManifestError(f"{source.name}: the workbook is encrypted; {_SAVE_WITHOUT_PASSWORD}")


def check_sheets(source: Source) -> None:
    """See that the sheets of an .xlsx can be parsed in bounded room.

    Raises:
        ManifestError: they can't.
    """
    with opened(source) as archive:
        for member in archive.infolist():
            if member.filename.startswith(OF_CELLS) and member.filename.endswith(_XML):
                _read(checked(source, archive, member))


def checked(source: Source, archive: zipfile.ZipFile, member: str | zipfile.ZipInfo) -> Iterator[bytes]:
    """The XML that a member holds, some MiB at a time; to its end, it unpacks to what it says.

    It is UTF-8 and declares nothing: a document type definition can name other files, and entities that grow.

    Raises:
        ManifestError: it is not so.
    """
    name = member if isinstance(member, str) else member.filename
    tail = b""
    for number, piece in enumerate(pieces(archive, member)):
        if number == 0 and (piece.startswith(_MARKS) or b"\0" in piece[:4]):
            raise ManifestError(
                f"{source.name}: {name} in the workbook is not UTF-8; open it in a spreadsheet program and "
                "save it again"
            )
        if any(word in piece or word in tail + piece[:_DECLARATION_BYTES] for word in _DECLARATIONS):
            raise ManifestError(
                f"{source.name}: {name} in the workbook has a document type definition, which no spreadsheet "
                "program writes; open it in one and save it again"
            )
        tail = piece[-_DECLARATION_BYTES:]
        yield piece


def check_area(source: Source, sheet: str, rows: int, columns: int) -> None:
    """See that the cells of a sheet that are filled fit into a rectangle of bounded size.

    Raises:
        ManifestError: they don't.
    """
    if rows <= MAX_ROWS and columns <= MAX_COLUMNS and rows * columns <= MAX_CELLS:
        return
    found = f"has cells filled as far as row {rows:,} and column {columns:,}"
    allowed = f"{MAX_ROWS:,} rows, {MAX_COLUMNS:,} columns and {MAX_CELLS:,} cells"
    raise ManifestError(
        f"{source.name}, sheet {sheet}: {found}; expected at most {allowed}: delete what stands beside and "
        "below the manifest, or split it"
    )


@contextmanager
def opened(source: Source) -> Iterator[zipfile.ZipFile]:
    """The workbook as a zip archive.

    Raises:
        ManifestError: it is damaged or can't be read; also where that comes out inside the context.
    """
    try:
        with zipfile.ZipFile(source.path) as archive:
            yield archive
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ManifestError(
            f"{source.name}: the workbook is damaged ({error}); open it in a spreadsheet program and save it "
            "again, or get the file anew"
        ) from error
    except OSError as error:
        raise ManifestError(f"{source.name}: can't be read: {error.strerror or error}") from error


def pieces(archive: zipfile.ZipFile, member: str | zipfile.ZipInfo) -> Iterator[bytes]:
    """What a member holds, some MiB at a time."""
    with archive.open(member) as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def check_announced(name: str, texts: int, size: int) -> None:
    """See that so many texts fit into so many bytes.

    Raises:
        ManifestError: they don't.
    """
    if texts * _LEAST_OF_A_TEXT > size:
        raise ManifestError(
            f"{name}: the workbook announces {texts:,} texts, more than it has room for; "
            "open it in a spreadsheet program and save it again"
        )


def damaged(name: str) -> ManifestError:
    """What is said of a workbook that can't be parsed."""
    return ManifestError(
        f"{name}: can't be read as a workbook: it is damaged or cut off; open it in a spreadsheet program "
        "and save it again, or get the file anew"
    )


def encrypted(name: str) -> ManifestError:
    """What is said of a workbook that nobody can read without its password."""
    return ManifestError(f"{name}: the workbook is encrypted; {_SAVE_WITHOUT_PASSWORD}")


def _zipped_format(source: Source) -> str:
    try:
        with zipfile.ZipFile(source.path) as archive:
            names = set(archive.namelist())
            if "xl/workbook.bin" in names:
                return "xlsb"
            if "xl/workbook.xml" in names:
                return "xlsm" if "xl/vbaProject.bin" in names else "xlsx"
            is_open = _small(archive, "mimetype").startswith(_OPEN_DOCUMENT) and "content.xml" in names
            return "ods" if is_open else ""
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError):
        return ""


def _small(archive: zipfile.ZipFile, name: str) -> bytes:
    """The beginning of a member, b"" where there is none."""
    if name not in archive.namelist():
        return b""
    with archive.open(name) as file:
        return file.read(PIECE_BYTES)


def _check_not_encrypted(source: Source) -> None:
    try:
        content = source.path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{source.name}: can't be read: {error.strerror or error}") from error
    if _ENCRYPTED_PACKAGE in content:
        raise encrypted(source.name)


def _check_members(source: Source, archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise _too_large(source, f"has {len(members):,} parts", f"{MAX_MEMBERS:,}")
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_UNPACKED_BYTES:
        raise _too_large(source, f"unpacks to {_mib(unpacked)}", _mib(MAX_UNPACKED_BYTES))
    names: set[str] = set()
    for member in members:
        name = member.filename
        if name.lower() in names or name.startswith("/") or ".." in re.split(r"[/\\]", name):
            raise ManifestError(
                f"{source.name}: the workbook has a part called {name!r}, or has it twice, as no spreadsheet "
                "program writes it; open it in one and save it again"
            )
        names.add(name.lower())
        if member.flag_bits & _ENCRYPTED_MEMBER:
            raise encrypted(source.name)
        ratio = member.file_size / max(member.compress_size, 1)
        if member.file_size > RATIO_MATTERS_FROM_BYTES and ratio > MAX_RATIO:
            raise _too_large(source, f"unpacks to {ratio:,.0f} times its size ({name})", f"{MAX_RATIO} times")


def _read(pieces: Iterator[bytes]) -> None:
    for _ in pieces:  # the archive itself compares length and checksum
        pass


def _check_strings(source: Source, archive: zipfile.ZipFile) -> None:
    """See that there may be as many texts as are announced, since room is made for them at once."""
    for member in archive.infolist():
        if not member.filename.lower().endswith("/sharedstrings.xml"):
            continue
        head = _small(archive, member.filename)
        announced = max(map(int, _COUNT.findall(head[: head.find(b"<si")])), default=0)
        check_announced(source.name, announced, member.file_size)


def _too_large(source: Source, found: str, allowed: str) -> ManifestError:
    return ManifestError(
        f"{source.name}: the workbook {found}; expected at most {allowed}: split it, or export it as CSV"
    )


def _mib(size: int) -> str:
    return f"{size / 1024**2:,.0f} MiB"

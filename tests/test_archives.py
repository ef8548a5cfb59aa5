"""Archives → the manifests in them; bombs, broken ones and those not to be trusted are refused in words."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard

from importer.errors import ManifestError
from importer.ledger import Ledger
from importer.manifests import archives, sources
from importer.manifests.archives import Limits
from importer.manifests.sources import Source
from tests.program import HEADER, here, settle_in, table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MARCH = f"{HEADER}\n1001,MUG,1,TRACK00001\n1002,MUG,2,TRACK00002\n".encode()
APRIL = f"{HEADER}\n2001,MUG,1,TRACK00003\n".encode()
Output = pytest.CaptureFixture[str]


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """An empty directory for what is unpacked."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return scratch


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for member, content in members:
            archive.writestr(member, content)
    return file.getvalue()


def zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


def source(scratch: Path, content: bytes) -> Source:
    path = scratch.parent / "manifest"
    path.write_bytes(content)
    return Source("manifest", path, path)


def unpacked(scratch: Path, content: bytes, limits: Limits | None = None) -> list[tuple[str, bytes]]:
    found = archives.unpack(source(scratch, content), scratch, limits)
    return [(part.name, part.path.read_bytes()) for part in found]


def refusal(scratch: Path, content: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(ManifestError) as caught:
        unpacked(scratch, content, limits)
    return str(caught.value)


def test_what_is_no_archive_is_given_back_as_it_is(scratch: Path) -> None:
    manifest = source(scratch, MARCH)

    assert archives.unpack(manifest, scratch) == [manifest]


@pytest.mark.parametrize("pack", [gzip.compress, zstd], ids=["gzip", "zstd"])
def test_a_packed_file_keeps_its_name(scratch: Path, pack: Callable[[bytes], bytes]) -> None:
    assert unpacked(scratch, pack(MARCH)) == [("manifest", MARCH)]


@pytest.mark.parametrize("pack", [gzip.compress, zstd], ids=["gzip", "zstd"])
def test_files_that_were_packed_in_parts_are_read_to_the_last(
    scratch: Path, pack: Callable[[bytes], bytes]
) -> None:
    assert unpacked(scratch, pack(MARCH) + pack(b"1003,MUG,1,TRACK00009\n")) == [
        ("manifest", MARCH + b"1003,MUG,1,TRACK00009\n")
    ]


def test_zstd_frames_without_data_are_passed_over(scratch: Path) -> None:
    skippable = b"\x50\x2a\x4d\x18" + struct.pack("<I", 4) + b"note"

    assert unpacked(scratch, skippable + zstd(MARCH)) == [("manifest", MARCH)]


def test_each_file_of_a_zip_archive_is_a_manifest_of_its_own(scratch: Path) -> None:
    content = zipped(("march.csv", MARCH), ("spring/april.csv", APRIL))

    assert unpacked(scratch, content) == [("manifest/march.csv", MARCH), ("manifest/spring/april.csv", APRIL)]


def test_every_file_out_of_an_archive_knows_the_archive(scratch: Path) -> None:
    archive = source(scratch, zipped(("march.csv", MARCH)))

    assert [part.origin for part in archives.unpack(archive, scratch)] == [archive.path]


def test_folders_and_hidden_files_of_an_archive_are_left_out(scratch: Path) -> None:
    content = zipped(
        ("spring/", b""),
        (".DS_Store", b"x"),
        ("__MACOSX/._march.csv", b"x"),
        ("spring/.hidden/a.csv", b"x"),
        ("spring/march.csv", MARCH),
    )

    assert unpacked(scratch, content) == [("manifest/spring/march.csv", MARCH)]


def test_hidden_files_of_an_archive_are_named_once(scratch: Path) -> None:
    hidden = [(name, b"x") for name in (".DS_Store", "__MACOSX/._march.csv", ".a", "b/.c")]
    archive = source(scratch, zipped(*hidden, ("march.csv", MARCH), ("april.csv", APRIL)))

    assert [part.notes for part in archives.unpack(archive, scratch)] == [
        ("hidden files of the archive are not read: .DS_Store, __MACOSX/._march.csv, .a and 1 more",),
        (),
    ]


def test_files_that_are_packed_with_the_folder_they_are_in_are_read(scratch: Path) -> None:
    content = zipped(("./march.csv", MARCH), ("./", b""), ("april.csv", APRIL))

    assert unpacked(scratch, content) == [("manifest/march.csv", MARCH), ("manifest/april.csv", APRIL)]
    assert "two files in it are called 'march.csv'" in refusal(
        scratch, zipped(("./march.csv", MARCH), ("march.csv", MARCH))
    )


def test_a_command_names_the_archive_of_a_file(scratch: Path) -> None:
    archive = source(scratch, zipped(("march.csv.gz", gzip.compress(MARCH)), ("april.csv", APRIL)))

    assert [part.argument for part in archives.unpack(archive, scratch)] == ["manifest", "manifest"]


@pytest.mark.parametrize(
    "parts",
    [
        (("[Content_Types].xml", b"x"), ("xl/workbook.xml", b"x")),
        (("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"), ("content.xml", b"x")),
    ],
)
def test_a_workbook_that_is_cut_off_is_called_one(scratch: Path, parts: Sequence[tuple[str, bytes]]) -> None:
    assert refusal(scratch, zipped(*parts, method=zipfile.ZIP_STORED)[:100]) == (
        "manifest: the workbook is damaged or cut off; open it in a spreadsheet program and save it again, "
        "or get the file anew"
    )


@pytest.mark.parametrize("pack", [gzip.compress, zstd], ids=["gzip", "zstd"])
def test_an_archive_may_be_in_an_archive(scratch: Path, pack: Callable[[bytes], bytes]) -> None:
    assert unpacked(scratch, zipped(("march.csv.gz", pack(MARCH)))) == [("manifest/march.csv.gz", MARCH)]
    assert unpacked(scratch, pack(zipped(("march.csv", MARCH)))) == [("manifest/march.csv", MARCH)]


def test_an_archive_is_not_looked_for_any_deeper(scratch: Path) -> None:
    assert refusal(scratch, zipped(("b.zip", zipped(("c.gz", gzip.compress(MARCH)))))) == (
        "manifest/b.zip/c.gz: an archive within an archive within an archive; unpack the outer one first"
    )


@pytest.mark.parametrize("part", ["[Content_Types].xml", "mimetype"])
def test_a_workbook_stays_whole_though_it_is_a_zip_archive(scratch: Path, part: str) -> None:
    workbook = zipped((part, b"x"), ("content.xml", b"<x/>"))

    assert unpacked(scratch, workbook) == [("manifest", workbook)]
    assert unpacked(scratch, zipped(("book", workbook))) == [("manifest/book", workbook)]


def test_an_archive_without_a_file_is_refused(scratch: Path) -> None:
    words = "manifest: no file is in the archive; expected a manifest"

    assert refusal(scratch, zipped()) == words
    assert refusal(scratch, zipped(("empty/", b""))) == words


# --- not to be trusted ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["../../.ssh/authorized_keys", "/etc/passwd", "a/../../b.csv", "C:\\b.csv", "..\\b.csv", "\\b.csv"],
)
def test_a_name_that_leads_out_of_the_archive_is_refused(scratch: Path, name: str) -> None:
    assert refusal(scratch, zipped(("march.csv", MARCH), (name, APRIL))) == (
        f"manifest: a file in it is called {name!r} or links there, which is a place outside of the archive; "
        "it is not to be trusted: ask whoever sent it for another"
    )
    assert list(scratch.iterdir()) == []


def test_a_link_in_an_archive_is_refused(scratch: Path) -> None:
    link = zipfile.ZipInfo("march.csv")
    link.external_attr = 0o120777 << 16

    assert refusal(scratch, zipped((link, b"/etc/passwd"))).startswith(
        "manifest: a file in it is called 'march.csv' or links there"
    )


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused(scratch: Path) -> None:
    assert refusal(scratch, zipped(("march.csv", MARCH), ("march.csv", APRIL))) == (
        "manifest: two files in it are called 'march.csv', and it can't be known which one is meant; "
        "pack it again"
    )


def test_an_encrypted_file_is_refused(scratch: Path) -> None:
    content = bytearray(zipped(("march.csv", MARCH)))
    content[6] |= 1  # the flags of the file's own header, and of the list of files
    content[content.index(b"PK\x01\x02") + 8] |= 1

    assert refusal(scratch, bytes(content)) == (
        "manifest: 'march.csv' in it is encrypted; unpack it with its password and name what comes out"
    )


@pytest.mark.parametrize(("method", "number"), [(zipfile.ZIP_BZIP2, 12), (zipfile.ZIP_LZMA, 14)])
def test_methods_whose_output_has_no_bound_are_refused(scratch: Path, method: int, number: int) -> None:
    assert refusal(scratch, zipped(("march.csv", MARCH), method=method)) == (
        f"manifest: 'march.csv' in it is packed with method {number}, expected 0 (stored) or 8 (deflate); "
        "pack it again with another program"
    )


# --- bombs ---------------------------------------------------------------------------------------------

ZEROS = bytes(3_000_000)
PACKERS = [
    pytest.param(gzip.compress, id="gzip"),
    pytest.param(zstd, id="zstd"),
    pytest.param(lambda content: zipped(("a", content)), id="zip"),
    pytest.param(lambda content: zipped(("a.gz", gzip.compress(content))), id="gzip in zip"),
]


@pytest.mark.parametrize("pack", PACKERS)
def test_a_bomb_is_refused_by_what_comes_out(scratch: Path, pack: Callable[[bytes], bytes]) -> None:
    assert refusal(scratch, pack(ZEROS), Limits(expanded=2_000_000)).endswith(
        ": more than 2,000,000 bytes come out of the archive; no manifest is as large: look into it, and "
        "split it if it is one"
    )


@pytest.mark.parametrize("pack", PACKERS)
def test_a_bomb_is_refused_by_how_much_more_comes_out(scratch: Path, pack: Callable[[bytes], bytes]) -> None:
    assert refusal(scratch, pack(ZEROS), Limits(free=1_000_000)).endswith(
        ": more than 200 times its size comes out of the archive, as if it were made to fill the disk; "
        "unpack it yourself if you trust whoever sent it"
    )


@pytest.mark.parametrize("pack", PACKERS)
def test_what_packs_well_is_no_bomb_as_long_as_it_is_small(
    scratch: Path, pack: Callable[[bytes], bytes]
) -> None:
    assert [content for _, content in unpacked(scratch, pack(ZEROS))] == [ZEROS]


def test_the_files_of_an_archive_count_together(scratch: Path) -> None:
    content = zipped(("a", bytes(600_000)), ("b", bytes(600_000)))

    assert "more than 1,000,000 bytes come out" in refusal(scratch, content, Limits(expanded=1_000_000))


def test_too_many_files_are_refused_before_one_is_unpacked(scratch: Path) -> None:
    content = zipped(*((f"{number}.csv", MARCH) for number in range(11)))

    assert refusal(scratch, content, Limits(members=10)) == (
        "manifest: 11 files in the archive, expected at most 10; pack fewer manifests together"
    )
    assert list(scratch.iterdir()) == []


def test_a_list_of_files_that_would_fill_the_memory_is_not_read(scratch: Path) -> None:
    directory = bytes(9 * 1024**2)
    content = (
        b"PK\x03\x04" + directory + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), 4, 0)
    )

    assert "broken or cut off (its list of files has 9,437,184 bytes)" in refusal(scratch, content)


# --- broken --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [5, 12, 60])
@pytest.mark.parametrize(
    ("pack", "kind"),
    [(gzip.compress, "gzip"), (zstd, "zstd"), (lambda content: zipped(("march.csv", content)), "zip")],
    ids=["gzip", "zstd", "zip"],
)
def test_an_archive_that_is_cut_off_is_refused(
    scratch: Path, pack: Callable[[bytes], bytes], kind: str, length: int
) -> None:
    words = refusal(scratch, pack(MARCH)[:length])

    assert words.startswith(f"manifest: the {kind} archive is broken or cut off (")
    assert words.endswith("; get the file again, or pack it again")


@pytest.mark.parametrize(
    ("pack", "name"),
    [(gzip.compress, "manifest"), (lambda content: zipped(("march.csv", content)), "manifest/march.csv")],
    ids=["gzip", "zip"],
)
def test_an_archive_with_a_flipped_bit_is_refused(
    scratch: Path, pack: Callable[[bytes], bytes], name: str
) -> None:
    content = bytearray(pack(MARCH))
    content[60] ^= 0x10

    assert f"{name}: the " in refusal(scratch, bytes(content))
    assert "archive is broken or cut off" in refusal(scratch, bytes(content))


def test_what_follows_a_zstd_frame_and_is_none_is_refused(scratch: Path) -> None:
    assert refusal(scratch, zstd(MARCH) + b"and some more").startswith(
        "manifest: the zstd archive is broken or cut off ("
    )


def tar(content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("march.csv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"BZh91AY&SY...", "packed with bzip2"),
        (b"\xfd7zXZ\x00...", "packed with xz"),
        (b"7z\xbc\xaf\x27\x1c...", "a 7z archive"),
        (b"Rar!\x1a\x07\x01\x00...", "a RAR archive"),
        (tar(MARCH), "a tar archive"),
        (gzip.compress(tar(MARCH)), "a tar archive"),
    ],
    ids=["bzip2", "xz", "7z", "rar", "tar", "tar.gz"],
)
def test_an_archive_of_another_kind_is_named(scratch: Path, content: bytes, what: str) -> None:
    assert refusal(scratch, content) == (
        f"manifest: the file is {what}, expected a manifest, or one packed with zip, gzip or zstd; "
        "unpack it first"
    )


# --- in a run ------------------------------------------------------------------------------------------


def test_the_same_manifest_packed_in_any_way_makes_the_same_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    settle_in(tmp_path, monkeypatch)
    rows = MARCH + b'1003,"a, b",0,TRACK00003\n1004,MUG,1,\n'
    files = {
        "m.csv": (rows, "m.csv"),
        "m.csv.gz": (gzip.compress(rows), "m.csv.gz"),
        "m.zst": (zstd(rows), "m.zst"),
        "m.zip": (zipped(("in/m.csv", rows)), "m.zip/in/m.csv"),
        "nested.zip": (zipped(("m.csv.gz", gzip.compress(rows))), "nested.zip/m.csv.gz"),
        "misnamed.csv": (gzip.compress(rows), "misnamed.csv"),
    }
    reports = {}
    for name, (content, source_name) in files.items():
        Path(name).write_bytes(content)
        here(capsys, "check", name, "--report", f"R-{name}")
        report = table(Path(f"R-{name}", "rows.csv"))
        assert {row.pop("import_source") for row in report} == {source_name}
        reports[name] = report

    assert [row["import_status"] for row in reports["m.csv"]] == ["ready", "ready", "invalid", "invalid"]
    assert all(report == reports["m.csv"] for report in reports.values())


def test_what_an_archive_has_is_posted_once_however_it_is_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    settle_in(tmp_path, monkeypatch)
    Path("m.csv").write_bytes(MARCH)
    Path("m.zip").write_bytes(zipped(("m.csv", MARCH), ("a.csv", APRIL)))

    first = here(capsys, "post", "m.csv", "--sandbox", "--json").summary
    second = here(capsys, "post", "m.zip", "--sandbox", "--json").summary

    assert (first["rows"]["created"], second["rows"]["created"], second["rows"]["skipped"]) == (2, 1, 2)
    assert [manifest["name"] for manifest in second["manifests"]] == ["m.zip/m.csv", "m.zip/a.csv"]


def test_the_report_of_an_archive_can_be_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    settle_in(tmp_path, monkeypatch)
    Path("m.zip").write_bytes(zipped(("m.csv", MARCH), ("a.csv.gz", gzip.compress(APRIL))))
    ended = here(capsys, "post", "m.zip", "--sandbox", "--ledger", "L.db", "--report", "R")
    with Ledger(Path("L.db"), readonly=True) as ledger:
        run = ledger.runs(1)[0].run_id

    again = here(capsys, "runs", run, "--ledger", "L.db", "--report", "again")

    assert (ended.status, again.status, again.err) == (0, 0, "")
    assert Path("again", "rows.csv").read_bytes() == Path("R", "rows.csv").read_bytes()


def test_an_archive_that_is_none_stops_the_run_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    settle_in(tmp_path, monkeypatch)
    Path("m.zip").write_bytes(zipped(("m.csv", MARCH), ("readme.txt", b"read me")))

    ended = here(capsys, "post", "m.zip", "--sandbox")

    assert ended.status == 3
    assert "importer: m.zip/readme.txt, row 1: " in ended.err


def test_an_archive_in_a_pipe_is_unpacked_too(scratch: Path) -> None:
    found = sources.find(["-"], io.BytesIO(gzip.compress(MARCH)), scratch)

    assert [(part.name, part.path.read_bytes(), part.origin) for part in found] == [("-", MARCH, None)]

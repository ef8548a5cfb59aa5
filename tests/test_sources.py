"""What the user names → manifest files, each once, in a steady order."""

from __future__ import annotations

import io
import os
import socket
import threading
from contextlib import chdir
from typing import TYPE_CHECKING

import pytest

from importer.errors import ManifestError
from importer.manifests import sources
from importer.manifests.sources import Source

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the manifests are: two to be read, and others that are not."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    for name in ("march.csv", "april.tsv", ".hidden.csv", "may.csv.part", "may.TMP", "may.filepart"):
        (folder / name).write_text(name, encoding="utf-8")
    (folder / "done").mkdir()
    (folder / "done" / "january.csv").write_text("january", encoding="utf-8")
    return folder


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """An empty directory for copies."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return scratch


def find(scratch: Path, *arguments: str | Path, standard_input: bytes = b"") -> list[Source]:
    return sources.find(map(str, arguments), io.BytesIO(standard_input), scratch)


def refusal(scratch: Path, *arguments: str | Path) -> str:
    with pytest.raises(ManifestError) as caught:
        find(scratch, *arguments)
    return str(caught.value)


def files(*paths: Path) -> list[Source]:
    return [Source(str(path), path) for path in paths]


def test_a_file_is_a_manifest_under_the_name_that_the_user_gave(folder: Path, scratch: Path) -> None:
    with chdir(folder):
        found = find(scratch, "march.csv", "./april.tsv")

        assert [(source.name, source.path.read_text(encoding="utf-8")) for source in found] == [
            ("march.csv", "march.csv"),
            ("./april.tsv", "april.tsv"),
        ]


def test_a_hidden_file_and_one_still_being_written_are_read_when_named(folder: Path, scratch: Path) -> None:
    assert find(scratch, folder / ".hidden.csv", folder / "may.csv.part") == files(
        folder / ".hidden.csv", folder / "may.csv.part"
    )


def test_a_directory_stands_for_the_finished_files_in_it_by_name(folder: Path, scratch: Path) -> None:
    assert find(scratch, folder) == files(folder / "april.tsv", folder / "march.csv")


def test_an_inbox_may_be_empty(folder: Path, scratch: Path) -> None:
    empty = folder / "empty"
    empty.mkdir()

    assert find(scratch, empty) == []


def test_a_glob_stands_for_the_finished_files_that_match_by_name(folder: Path, scratch: Path) -> None:
    assert find(scratch, f"{folder}/*ar*") == files(folder / "march.csv")
    assert find(scratch, f"{folder}/**/*.[ct]sv") == files(
        folder / "april.tsv", folder / "done" / "january.csv", folder / "march.csv"
    )


def test_a_glob_that_matches_nothing_is_refused(folder: Path, scratch: Path) -> None:
    assert refusal(scratch, f"{folder}/*.xml") == f"{folder}/*.xml: no file matches"


def test_a_file_may_be_called_like_a_glob(folder: Path, scratch: Path) -> None:
    odd = folder / "march[1].csv"
    odd.write_text("odd", encoding="utf-8")

    assert find(scratch, odd) == files(odd)


def test_a_file_that_is_named_twice_is_taken_once_where_it_was_named_first(
    folder: Path, scratch: Path
) -> None:
    linked = folder.parent / "link.csv"
    linked.symlink_to(folder / "march.csv")

    assert find(scratch, linked, folder, folder / "march.csv", folder / "done" / ".." / "april.tsv") == files(
        linked, folder / "april.tsv"
    )


def test_standard_input_can_be_read_more_than_once_and_is_taken_once(folder: Path, scratch: Path) -> None:
    found = find(scratch, "-", folder / "march.csv", "-", standard_input=b"from a pipe")

    assert [source.name for source in found] == ["-", str(folder / "march.csv")]
    assert found[0].path.read_bytes() == found[0].path.read_bytes() == b"from a pipe"


def test_named_pipes_can_be_read_more_than_once_each_for_itself(tmp_path: Path, scratch: Path) -> None:
    pipes = [tmp_path / folder / "manifest" for folder in ("east", "west")]
    for pipe in pipes:
        pipe.parent.mkdir()
        os.mkfifo(pipe)
    writers = [threading.Thread(target=pipe.write_text, args=[pipe.parent.name]) for pipe in pipes]
    for writer in writers:
        writer.start()

    found = find(scratch, *pipes, pipes[0])

    for writer in writers:
        writer.join()
    assert [(source.name, source.path.read_text(encoding="utf-8")) for source in found] == [
        (str(pipes[0]), "east"),
        (str(pipes[1]), "west"),
    ]


def test_a_missing_file_is_named_with_the_nearest_guess(folder: Path, scratch: Path) -> None:
    assert refusal(scratch, folder / "mrach.csv") == (
        f"{folder}/mrach.csv: no such file; did you mean {folder}/march.csv?"
    )


def test_a_missing_file_that_looks_like_nothing_there_gets_no_guess(folder: Path, scratch: Path) -> None:
    assert refusal(scratch, folder / "xyz") == f"{folder}/xyz: no such file"


def test_a_missing_folder_is_named(folder: Path, scratch: Path) -> None:
    assert refusal(scratch, folder / "inbx" / "march.csv") == (
        f"{folder}/inbx/march.csv: no such file, and no folder {folder}/inbx"
    )


def test_a_link_to_nowhere_is_a_missing_file(folder: Path, scratch: Path) -> None:
    link = folder / "zzz"
    link.symlink_to(folder / "nowhere.csv")

    assert refusal(scratch, link).startswith(f"{link}: no such file")


def test_what_can_not_be_opened_is_named_with_the_reason(tmp_path: Path, scratch: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening, chdir(tmp_path):
        listening.bind("socket")

        assert refusal(scratch, "socket") == "socket: can't be opened: No such device or address"


def test_a_name_that_is_too_long_is_refused(scratch: Path) -> None:
    name = "x" * 5000

    assert refusal(scratch, name) == f"{name}: can't be opened: File name too long"


def test_nothing_is_named_when_nothing_is_asked_for(scratch: Path) -> None:
    assert find(scratch) == []

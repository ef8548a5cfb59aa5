"""The connection that is SQLite's own, and SQLAlchemy's when that is asked for: one transaction for both."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from importer.ledger.direct import READING, WRITING, Direct, core_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADD = "INSERT INTO parcels VALUES ('{}')"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "some.db")) as database:
        database.execute("CREATE TABLE parcels (number TEXT PRIMARY KEY)")
    return tmp_path / "some.db"


@pytest.fixture
def direct(path: Path) -> Iterator[Direct]:
    with closing(Direct(path, "mode=rw", WRITING)) as connection:
        yield connection


def parcels(path: Path) -> list[str]:
    """Those that another one sees."""
    with closing(sqlite3.connect(path)) as database:
        return [number for (number,) in database.execute("SELECT number FROM parcels ORDER BY number")]


def test_what_either_of_them_writes_is_committed_at_once(path: Path, direct: Direct) -> None:
    with direct.begin():
        direct.exec_driver_sql(ADD.format("A"))
        core_of(direct).execute(text(ADD.format("B")))
        assert core_of(direct).execute(text("SELECT count(*) FROM parcels")).scalar_one() == 2
        assert list(direct.exec_driver_sql("SELECT count(*) FROM parcels")) == [(2,)]
        assert parcels(path) == []
    assert parcels(path) == ["A", "B"]


@pytest.mark.parametrize("after", [False, True], ids=["for the first time", "once more"])
def test_an_error_undoes_what_either_of_them_has_written(path: Path, direct: Direct, *, after: bool) -> None:
    if after:
        with direct.begin():
            core_of(direct).execute(text(ADD.format("0")))
    with suppress(KeyError), direct.begin():
        direct.exec_driver_sql("INSERT INTO parcels VALUES (?)", [("A",), ("B",)])
        core_of(direct).execute(text(ADD.format("C")))
        raise KeyError
    assert parcels(path) == (["0"] if after else [])

    with direct.begin():
        core_of(direct).execute(text(ADD.format("D")))
    assert parcels(path) == (["0", "D"] if after else ["D"])


def test_a_commit_that_fails_leaves_nothing_begun(path: Path, direct: Direct) -> None:
    direct.exec_driver_sql("PRAGMA foreign_keys=ON")
    direct.exec_driver_sql(
        "CREATE TABLE lines (number TEXT REFERENCES parcels DEFERRABLE INITIALLY DEFERRED)"
    )
    with pytest.raises(sqlite3.IntegrityError), direct.begin():
        direct.exec_driver_sql("INSERT INTO lines VALUES ('X')")
    with direct.begin():
        direct.exec_driver_sql(ADD.format("A"))
    assert parcels(path) == ["A"]


def test_who_writes_keeps_others_from_it_from_the_beginning(path: Path, direct: Direct) -> None:
    with direct.begin(), closing(sqlite3.connect(path, timeout=0)) as other:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute(ADD.format("A"))
        assert parcels(path) == []


def test_who_reads_sees_all_as_it_was(path: Path, direct: Direct) -> None:
    with direct.begin():
        direct.exec_driver_sql("SELECT 1")
    direct.exec_driver_sql("PRAGMA journal_mode=WAL")
    with closing(Direct(path, "mode=ro", READING)) as reader, reader.begin():
        assert list(reader.exec_driver_sql("SELECT number FROM parcels")) == []
        with direct.begin():
            direct.exec_driver_sql(ADD.format("A"))
        assert core_of(reader).execute(text("SELECT number FROM parcels")).all() == []
    assert parcels(path) == ["A"]


def test_what_can_not_be_set_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "no.db").write_bytes(b"no database, but long enough to be told from one" * 99)

    with pytest.raises(sqlite3.DatabaseError):
        Direct(tmp_path / "no.db", "mode=rw", WRITING, ("PRAGMA journal_mode=WAL",))

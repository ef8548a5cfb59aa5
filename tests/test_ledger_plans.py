"""A run reads from its ledger what it needs and no more, however much was posted before.

The statements are those that a run was heard to make; the database says how it would go about each.
"""

from __future__ import annotations

import re
import sys
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, create_engine, event

from importer.ledger import Address, Ledger
from importer.ledger.direct import Direct
from tests.homes import at, told_of
from tests.program import Platform, configuration, here, manifest, settle_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType

    from tests.homes import Home

EDI = Path(__file__).parents[1] / "samples" / "edi-856" / "manifest.edi"
PAST = 20_000
"""Fulfillments that the ledger has: enough for a database to know that it should not read them all."""

GROWING = "fulfillments|history|runs|interchanges"
"""The tables that grow with what was posted; the others have a row for each order or run of just now."""

_READS_ALL = (
    # https://www.sqlite.org/eqp.html; the index of what is unsettled has that alone
    re.compile(
        rf"SCAN ({GROWING})(?! USING INDEX fulfillments_unsettled)|"
        r"SEARCH fulfillments USING (PRIMARY KEY|INDEX \w+|COVERING INDEX \w+) \(destination=\?\)"
    ),
    # PostgreSQL's
    re.compile(rf"Seq Scan on ({GROWING})"),
)
"""What a database says when it is about to go through a table, or all that a destination has of it."""

EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN"}
ENTRIES = "destination, order_id, tracking_number, state, content, run_id, code, message, attempts, at"
EVENTS = "destination, order_id, tracking_number, at, run_id, event, attempt, code, message"
RUNS = "run_id, command, destination, manifests, report, started_at, stopped_because, summary"
CAME = "standard, sender, receiver, control, content, run_id, source, at"
THEN = "'2026-01-01T00:00:00.000000+00:00'"
NUMBERS = "WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {}) SELECT "


def past(destination: str, count: int) -> tuple[str, ...]:
    """What fills a ledger, in the words of any database."""
    key = f"'{destination}', 1000000 + i, 'TRACK' || i"
    return tuple(
        f"INSERT INTO {table} ({columns}) {NUMBERS.format(many)} {values} FROM numbers"
        for table, columns, many, values in (
            ("fulfillments", ENTRIES, count, f"{key}, 'created', 'c', 'run-' || (i / 10), '', '', 1, {THEN}"),
            ("history", EVENTS, count, f"{key}, {THEN}, 'run-' || (i / 10), 'created', 1, '', ''"),
            ("interchanges", CAME, count // 10, f"'x12', 'ACME', 'SHOP', 'C' || i, '', 'run-1', '', {THEN}"),
            ("runs", RUNS, count // 10, f"'run-' || i, 'post', '{destination}', '[]', '', {THEN}, '', ''"),
        )
    )


@contextmanager
def heard() -> Iterator[dict[str, Any]]:
    """Each statement that is made meanwhile, by SQLAlchemy or directly, with parameters that it had."""
    statements: dict[str, Any] = {}

    def hear(*made: Any) -> None:  # noqa: ANN401 - as SQLAlchemy hands them over
        _, _, statement, parameters, _, many = made
        statements.setdefault(statement, parameters[0] if many else parameters)

    def follow(frame: FrameType, happened: str, _: Any) -> None:  # noqa: ANN401 - as Python hands it over
        if happened == "call" and frame.f_code is Direct.exec_driver_sql.__code__:
            made = frame.f_locals["parameters"]
            statements.setdefault(frame.f_locals["statement"], made[0] if isinstance(made, list) else made)

    event.listen(Engine, "before_cursor_execute", hear)
    threading.setprofile(follow)  # the thread that writes begins in the meantime
    sys.setprofile(follow)
    try:
        yield statements
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        event.remove(Engine, "before_cursor_execute", hear)


@contextmanager
def database(home: Home) -> Iterator[Connection]:
    """The ledger's database as others see it."""
    engine = (
        create_engine("postgresql+psycopg://", creator=partial(psycopg.connect, home.reveal()))
        if isinstance(home, Address)
        else create_engine(f"sqlite:///{at(home)}")
    )
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def fill(home: Home, destination: str, count: int = PAST) -> None:
    """Make a ledger with much in it, and let the database know what it has."""
    with Ledger(at(home)), database(home) as connection:
        for statement in past(destination, count):
            connection.exec_driver_sql(statement)
        connection.commit()
        if isinstance(home, Address):  # SQLite goes by its tables' form alone, and is not asked to count
            connection.exec_driver_sql("ANALYZE")
            connection.commit()


def plan(connection: Connection, statement: str, parameters: Any) -> list[str]:  # noqa: ANN401 - as it was made
    """How the database would go about it."""
    told = connection.exec_driver_sql(f"{EXPLAIN[connection.dialect.name]} {statement}", parameters)
    return [str(row[-1]).strip() for row in told]


def reads_all(plans: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Those, by their statements, that go through all of something."""
    return {
        statement: lines
        for statement, lines in plans.items()
        if any(pattern.search(line) for pattern in _READS_ALL for line in lines)
    }


def is_growing(statement: str) -> bool:
    """Whether it reads a table that grows, and is not content with the first few rows that it finds."""
    return (
        re.match("SELECT|WITH|INSERT|UPDATE|DELETE", statement) is not None
        and re.search(rf"\b({GROWING})\b", statement) is not None
        and " LIMIT " not in statement
    )


@pytest.fixture(autouse=True)
def _world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("ADM_TOKEN", "a-token")


def test_no_statement_of_a_run_reads_the_more_the_more_was_posted_before(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    mixed = (f"{1_000_000 + number * 50},MUG,1,TRACK{number * 60}" for number in range(60))
    manifest(Path("some.csv"), *mixed)
    with Platform() as platform:
        configuration(Path("importer.toml"), platform.url)
        fill(home, f"adm {platform.url}")
        with heard() as statements:
            told = ("--ledger", told_of(home), "--report", "report", "--metrics", "importer.prom")
            ended = here(capsys, "post", "some.csv", EDI, *told)

    assert ended.status in {0, 1}
    assert reading_all(home, statements, GROWING.split("|")) == {}


@pytest.mark.parametrize("named", ["1000050", "TRACK50"])
def test_no_statement_that_explains_one_reads_the_more_the_more_was_posted_before(
    home: Home, capsys: pytest.CaptureFixture[str], named: str
) -> None:
    fill(home, "adm sandbox")
    with heard() as statements:
        ended = here(capsys, "explain", named, "--ledger", told_of(home))

    assert (ended.status, ended.err) == (0, "")
    assert "created" in ended.out
    assert reading_all(home, statements, ["fulfillments", "history"]) == {}


def reading_all(home: Home, statements: Mapping[str, Any], tables: Sequence[str]) -> dict[str, Sequence[str]]:
    """Those of the statements, which ask for something of each of the tables, that go through all of one."""
    growing = {each: parameters for each, parameters in statements.items() if is_growing(each)}
    for table in tables:
        assert any(table in each for each in growing), table
    with database(home) as connection:
        plans = {each: plan(connection, each, parameters) for each, parameters in growing.items()}
    return reads_all(plans)

"""Who writes for a run that posts much need not read again what it has written of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.ledger import Ledger
from importer.ledger.changes import End, Note, Settle, Start
from importer.ledger.direct import WRITING, Direct
from importer.ledger.transactions import Carrier, carry_out
from importer.model import Event, Happening, Intent, Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADM = "adm https://adm.example"
NOW = datetime(2026, 11, 24, 5, 14, 59, 123456, tzinfo=UTC)

intents = st.builds(
    Intent,
    destination=st.just(ADM),
    order_ids=st.sampled_from([("1",), ("1", "2")]),
    tracking_number=st.just("A"),
    content=st.sampled_from(["c1", "c1", "c2"]),
    run_id=st.sampled_from(["run-1", "run-1", "run-2"]),
)
statuses = st.sampled_from([Status.CREATED, Status.REJECTED, Status.FAILED, Status.IN_DOUBT, Status.NOT_SENT])
outcomes = st.builds(
    Outcome,
    status=statuses,
    code=st.sampled_from(["", "outcome-unknown", "destination-500"]),
    message=st.sampled_from(["", "half \ud800, none \0"]),
    http_status=st.sampled_from([None, 500]),
    attempts=st.integers(1, 3),
)


def call_in_doubt(connection: Direct) -> None:
    """What is being sent, as whoever comes after a run that was killed does."""
    connection.exec_driver_sql("UPDATE fulfillments SET state = 'in-doubt' WHERE state = 'sending'")


Operation: TypeAlias = Start | End | Note | Settle | Callable[[Direct], None]
operations: st.SearchStrategy[Operation] = st.one_of(
    st.builds(Start, intent=intents, accept_doubt=st.booleans(), at=st.just(NOW)),
    st.builds(End, intent=intents, outcome=outcomes, at=st.just(NOW)),
    st.builds(
        Note, intent=intents, happened=st.just((Happening(NOW, "run-1", Event.LOOKED_UP, 1, "", "there"),))
    ),
    st.builds(
        Settle,
        key=st.tuples(st.just(ADM), st.sampled_from(["1", "2"]), st.just("A")),
        created=st.booleans(),
        by=st.just("kim"),
        at=st.just(NOW),
    ),
    st.just(call_in_doubt),
)


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Direct]:
    path: Path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    with Ledger(path):
        pass
    with closing(Direct(path, "mode=rw", WRITING)) as direct:
        yield direct


def known(connection: Direct) -> list[tuple[object, ...]]:
    """All that a ledger has of fulfillments."""
    return [
        row
        for table in ("fulfillments", "history")
        for row in connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4")  # noqa: S608 - its own names
    ]


@given(groups=st.lists(st.lists(operations, max_size=4), max_size=12))
def test_what_it_remembers_is_what_it_would_read(connection: Direct, groups: list[list[Operation]]) -> None:
    found = []
    for carry in (carry_out, Carrier().carry_out):
        with suppress(KeyError), connection.begin():
            results = [repr(result) for group in groups for result in carry(connection, group)]
            found.append((results, known(connection)))
            raise KeyError  # so that the next one finds nothing of it
    assert found[0] == found[1]

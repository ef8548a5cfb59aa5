"""The ledger in a database: what is committed stays, and runs leave each other alone."""

from __future__ import annotations

import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from msgspec import Struct
from msgspec.structs import replace

from importer.errors import CannotGoOn, RunInProgress, SetupError
from importer.ledger import Address, Claimed, Ledger, TransitionRefused, exists, obstacle
from importer.model import Intent, Outcome, State, Status
from tests.postgresql import PASSWORD, Server
from tests.test_ledger import (
    ADM,
    CREATED,
    DOUBTED,
    FAILED,
    KILLED,
    being_sent,
    entry,
    intent,
    key,
    opened,
    run_at,
    state_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.postgresql


class Place(Struct, frozen=True):
    """A schema of a server's, and what a test says to it itself."""

    server: Server
    address: Address

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What the statement returns, if it returns anything."""
        schema = self.address.reveal().rpartition("%3D")[2]
        with self.server.connect(options=f"-csearch_path={schema}") as connection:
            found = connection.execute(statement.encode(), parameters)
            return found.fetchall() if found.description else []

    def forget(self, run_id: str) -> None:
        """Let the lease of a run be over."""
        self.sql("UPDATE run_leases SET until = clock_timestamp() - interval '1 s' WHERE run_id = %s", run_id)

    def cut(self) -> None:
        """Cut all connections that the ledgers have."""
        self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'importer'")


@pytest.fixture
def place(server: Server) -> Iterator[Place]:
    with server.schema() as address:
        yield Place(server, address)


# Opened and refused ---------------------------------------------------------------------------------------


def test_an_address_shows_itself_without_its_password() -> None:
    shown = {
        "postgresql://importer:se@c/r:et@db:5432/x?sslmode=require": "postgresql://importer:***@db:5432/x?sslmode=require",
        "postgres://importer@db/x": "postgres://importer@db/x",
        "postgresql://db:5432/x": "postgresql://db:5432/x",
        "postgresql:///x?user=me&password=secret&host=db": "postgresql:///x?user=me&password=***&host=db",
        "postgresql://h/x?user=me&passw%6Frd=PW": "postgresql://h/x?user=me&passw%6Frd=***",
        "postgresql://h/x?%73slpassword=PW&user=me": "postgresql://h/x?%73slpassword=***&user=me",
        "postgresql://h/x?Password=PW&%20password%20=PW": "postgresql://h/x?Password=***&%20password%20=***",
        "postgresql://:secret@db/x": "postgresql://:***@db/x",
    }
    assert {uri: str(Address(uri)) for uri in shown} == shown
    assert {repr(Address(uri)) for uri in shown} == {f"Address({each!r})" for each in shown.values()}
    assert [Address(uri).reveal() for uri in shown] == [*shown]


def test_there_is_a_ledger_once_one_was_opened(place: Place) -> None:
    before = exists(place.address)
    with Ledger(place.address):
        pass
    assert (before, exists(place.address)) == (False, True)


def test_tables_of_others_are_refused_unharmed(place: Place) -> None:
    place.sql("CREATE TABLE orders (id integer)")
    for readonly in (False, True):
        with pytest.raises(CannotGoOn) as refused:
            Ledger(place.address, readonly=readonly)
        assert str(refused.value) == (
            f"ledger {place.address}: found a database with the tables orders, expected a ledger of this "
            "program, and left it as it is; name another database, or a schema of its own: "
            "?options=-csearch_path%3DNAME"
        )
    assert place.sql(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema"
    ) == [("orders",)]


def test_a_ledger_of_a_later_version_is_refused_unharmed(place: Place) -> None:
    with Ledger(place.address):
        place.sql("UPDATE importer_ledger SET version = 7")
    for readonly in (False, True):
        with pytest.raises(CannotGoOn) as refused:
            Ledger(place.address, readonly=readonly)
        assert str(refused.value) == (
            f"ledger {place.address}: found version 7, expected 6 or less: a later version of this program "
            "wrote it; update this one"
        )


def become_version_5(place: Place) -> None:
    """Give back the indexes that it had."""
    place.sql("DROP INDEX fulfillments_by_run")
    place.sql("CREATE INDEX fulfillments_by_run ON fulfillments (run_id, state)")
    place.sql("DROP INDEX history_looked_up")
    place.sql("CREATE INDEX ix_history_tracking_number ON history (tracking_number)")
    place.sql("UPDATE importer_ledger SET version = 5")


def test_a_ledger_of_version_3_becomes_one_as_if_it_were_made_new(place: Place) -> None:
    indexes = (
        "SELECT indexname, indexdef FROM pg_indexes "
        "WHERE schemaname = current_schema AND tablename IN ('fulfillments', 'history', 'paces') ORDER BY 1"
    )
    with opened(place.address) as ledger:
        ledger.intend(intent()).result()
    made_new = place.sql(indexes)
    become_version_5(place)
    place.sql("DROP TABLE paces")
    place.sql("DROP INDEX fulfillments_unsettled")
    place.sql("DROP INDEX fulfillments_by_tracking_number")
    place.sql("CREATE INDEX fulfillments_being_sent ON fulfillments (destination) WHERE state = 'sending'")
    place.sql("UPDATE importer_ledger SET version = 3")

    with opened(place.address) as ledger:
        assert ledger.entries(ADM, [key()]) == {key(): being_sent()}
    assert place.sql(indexes) == made_new
    assert place.sql("SELECT version FROM importer_ledger") == [(6,)]


def test_runs_keep_one_rate_with_a_ledger_of_version_4_too(place: Place) -> None:
    with opened(place.address):
        pass
    become_version_5(place)
    place.sql("DROP TABLE paces")
    place.sql("UPDATE importer_ledger SET version = 4")

    with opened(place.address) as ledger:
        taken = [ledger.take_turns(ADM, 1, 100.0).result() for _ in range(2)]
    assert [round(each.first / 100) for each in taken] == [0, 1]
    assert place.sql("SELECT version FROM importer_ledger") == [(6,)]


def test_many_that_make_it_at_once_make_one(place: Place) -> None:
    def begin(number: int) -> None:
        with opened(place.address) as ledger:
            ledger.intend(intent(number)).result()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(begin, range(12)))
    assert place.sql("SELECT version FROM importer_ledger") == [(6,)]
    assert place.sql("SELECT count(*) FROM fulfillments") == [(12,)]


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("postgresql://importer:canary@127.0.0.1:{port}/postgres", "password authentication failed"),
        ("postgresql://importer:{right}@127.0.0.1:{port}/nothing", 'database "nothing" does not exist'),
        ("postgresql://importer:{right}@127.0.0.1:1/postgres", "Connection refused"),
    ],
)
def test_what_can_not_be_reached_is_said_without_the_password(server: Server, uri: str, words: str) -> None:
    address = Address(uri.format(port=server.port, right="canary%2Fpw%3A9f%40x"))
    for attempt in (Ledger, exists):
        with pytest.raises(CannotGoOn) as refused:
            attempt(address)
        assert words in str(refused.value)
        assert "canary" not in str(refused.value)


def test_what_the_server_refuses_is_not_called_a_lost_connection(server: Server) -> None:
    with pytest.raises(CannotGoOn) as refused:
        Ledger(Address(f"postgresql://importer:canary@127.0.0.1:{server.port}/postgres"))
    assert "the server refused the connection (" in str(refused.value)
    assert str(refused.value).endswith("; see to user, password and database, and run the same command again")


def test_what_keeps_a_run_from_writing_a_database_is_known_before_it_begins(place: Place) -> None:
    schema = place.address.reveal().rpartition("%3D")[2]
    guest = f"guest_of_{schema}"
    as_guest = Address(place.address.reveal().replace("user=importer", f"user={guest}"))
    read_only = Address(f"{place.address.reveal()}%20-cdefault_transaction_read_only%3Don")
    place.sql(f"CREATE ROLE {guest} LOGIN")
    place.sql(f"GRANT USAGE ON SCHEMA {schema} TO {guest}")
    try:
        before = [obstacle(each) for each in (place.address, as_guest, read_only)]
        with Ledger(place.address):
            pass
        place.sql(f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA {schema} TO {guest}")
        place.sql("GRANT UPDATE, DELETE ON fulfillments TO PUBLIC")
        after = [obstacle(each) for each in (place.address, as_guest)]
    finally:
        place.sql(f"DROP OWNED BY {guest}")
        place.sql(f"DROP ROLE {guest}")

    assert before == [
        "",
        "the user may not make tables there",
        "the database can only be read, so that it is not the primary server's",
    ]
    lacking = "control_numbers, history, interchanges, order_claims, paces, run_leases, runs"
    assert after == ["", f"the user may not write the tables {lacking}"]


def test_a_password_in_the_address_or_in_its_own_variable_opens_it(
    place: Place, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = place.address.reveal().rpartition("&")[2]
    quoted = "canary%2Fpw%3A9f%40x"
    with Ledger(f"postgresql://importer:{quoted}@127.0.0.1:{server.port}/postgres?{schema}") as ledger:
        ledger.intend(intent()).result()
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with Ledger(f"postgresql://importer@127.0.0.1:{server.port}/postgres?{schema}", readonly=True) as ledger:
        assert state_of(ledger) is State.SENDING


@pytest.mark.parametrize("password", ["can%ary", "can/ary"])
def test_an_address_that_is_none_is_refused_without_the_password(password: str) -> None:
    with pytest.raises(SetupError) as refused:
        Ledger(f"postgresql://importer:{password}@db/x")
    assert str(refused.value) == (
        "ledger postgresql://importer:***@db/x: found an address that PostgreSQL does not understand, "
        "expected postgresql://user@host:port/database?option=value, with % and two digits for odd characters"
    )


# On the disk ----------------------------------------------------------------------------------------------


def test_what_was_promised_survives_the_server_s_crash_even_where_commits_need_not_wait() -> None:
    with Server() as server:
        with server.connect() as connection:
            connection.execute("ALTER ROLE importer SET synchronous_commit = off")
            connection.execute("ALTER ROLE importer SET default_transaction_isolation = 'serializable'")
        with opened(server.address()) as ledger:
            for number in range(20):
                ledger.intend(intent(number)).result()
            server.stop(signal.SIGQUIT)
            server.start()
        with opened(server.address()) as ledger:
            assert ledger.outcomes("run-1") == {State.SENDING: 20}


def test_when_the_connection_is_lost_nothing_is_promised_any_more_and_the_rest_can_be_read(
    place: Place,
) -> None:
    with opened(place.address) as ledger:
        ledger.intend(intent()).result()
        place.cut()
        lost = [ledger.intend(intent(number)).exception() for number in (2, 3)]
        lost.append(ledger.record(intent(), CREATED).exception())
        assert {type(each) for each in lost} == {CannotGoOn}
        [words] = {str(each) for each in lost}
        assert words.startswith(
            f"ledger {place.address}: the database can't be reached, or the connection to it was lost ("
        )
        assert words.endswith(
            "see to it and run the same command again; with another ledger everything would be sent again"
        )
        assert ledger.entries(ADM, [key(), key(2)]) == {key(): being_sent()}


def test_what_is_queued_together_is_committed_together(place: Place) -> None:
    with opened(place.address) as ledger:
        ledger.intend(intent(0)).result()
        schema = place.address.reveal().rpartition("%3D")[2]
        with place.server.connect() as other, other.transaction():
            other.execute(f"LOCK TABLE {schema}.fulfillments IN EXCLUSIVE MODE".encode())
            futures = [ledger.intend(intent(number)) for number in range(1, 100)]
        assert [future.result() for future in futures] == [None] * 99
    [(commits,)] = place.sql("SELECT count(DISTINCT xmin::text) FROM fulfillments")
    assert commits in {2, 3}  # the first after the lock may have gone alone, before the others were there


def test_of_many_that_want_to_send_the_same_one_does(place: Place) -> None:
    with ExitStack() as stack:
        ledgers = [stack.enter_context(opened(place.address)) for _ in range(4)]
        for number in range(25):
            begun = [ledger.intend(intent(number, run_id=f"run-{who}")) for who, ledger in enumerate(ledgers)]
            ends = Counter(type(each.exception()) for each in begun)
            assert ends == {type(None): 1, TransitionRefused: 3}


# Leases and claims ----------------------------------------------------------------------------------------


@contextmanager
def running(place: Place, *run_ids: str) -> Iterator[list[Ledger]]:
    """Runs that live, each with its ledger."""
    with ExitStack() as stack:
        ledgers = []
        for run_id in run_ids:
            ledgers.append(stack.enter_context(opened(place.address)))
            stack.enter_context(ledgers[-1].lock(ADM, run_id=run_id))
        yield ledgers


def claimed(ledger: Ledger, run_id: str, *numbers: int) -> Claimed:
    return ledger.claim(ADM, run_id, [key(number) for number in numbers]).result()


def test_an_order_is_one_run_s_until_it_gives_it_back(place: Place) -> None:
    with running(place, "run-1", "run-2") as (one, two):
        assert claimed(one, "run-1", 1, 2) == Claimed(held=True)
        assert claimed(two, "run-2", 2, 3).by.startswith("run run-1 (host ")
        assert claimed(two, "run-2", 3) == Claimed(held=True)
        one.release(ADM, "run-1", [key(1), key(2)]).result()
        assert claimed(two, "run-2", 2) == Claimed(held=True)
    with running(place, "run-3") as (three,):
        assert claimed(three, "run-3", 1, 2, 3) == Claimed(held=True)


def test_with_an_order_comes_what_others_have_done_and_what_is_done_needs_no_claim(place: Place) -> None:
    with running(place, "run-1", "run-2") as (one, two):
        for number, outcome in ((1, CREATED), (2, FAILED)):
            one.intend(intent(number)).result()
            one.record(intent(number), outcome).result()
        assert claimed(two, "run-2", 1) == Claimed(entries={key(1): entry(State.CREATED)})
        failed = {key(2): entry(State.FAILED, number=2, outcome=FAILED)}
        assert claimed(two, "run-2", 2) == Claimed(entries=failed, held=True)
        assert claimed(one, "run-1", 1).held is False


def test_many_claims_at_once_give_each_order_to_one(place: Place) -> None:
    with running(place, "run-1", "run-2", "run-3") as ledgers:
        for number in range(20):
            asked = [
                ledger.claim(ADM, f"run-{who}", [key(number), key(number + 1000)])
                for who, ledger in enumerate(ledgers, start=1)
            ]
            assert Counter(each.result().held for each in asked) == {True: 1, False: 2}


def test_what_a_live_run_is_sending_is_left_alone(place: Place) -> None:
    with running(place, "run-1", "run-2") as (one, two):
        one.intend(intent()).result()
        assert two.recover(ADM) == 0
        assert claimed(two, "run-2", 1).by.startswith("run run-1 (host ")
        assert one.record(intent(), CREATED).result() == CREATED


def test_what_a_dead_run_was_sending_is_in_doubt_and_what_it_only_had_is_free(place: Place) -> None:
    with running(place, "run-1", "run-2") as (one, two):
        assert claimed(one, "run-1", 1, 2).held
        one.intend(intent()).result()
        place.forget("run-1")
        doubt = Outcome(Status.IN_DOUBT, "outcome-unknown", KILLED)
        known = {key(): entry(State.IN_DOUBT, outcome=doubt)}
        assert claimed(two, "run-2", 1, 2) == Claimed(entries=known, held=True)
        assert two.entries(ADM, [key(1), key(2)]) == known


def test_a_run_that_was_taken_for_dead_says_nothing_any_more(place: Place) -> None:
    with running(place, "run-1", "run-2") as (one, two):
        one.intend(intent()).result()
        place.forget("run-1")
        assert two.recover(ADM) == 1
        said = [one.record(intent(), CREATED).exception(), one.intend(intent(2)).exception()]
        words = (
            f"ledger {place.address}: run run-1 was taken for dead by another one, since it did not say for "
            "60 s that it lives; what it was sending is in doubt; run the same command again"
        )
        assert {str(each) for each in said} == {words}
        assert state_of(two) is State.IN_DOUBT


def test_a_run_that_is_late_lives_if_nobody_has_missed_it(place: Place) -> None:
    with running(place, "run-1", "run-2") as (one, two):
        assert claimed(one, "run-1", 1).held
        one.intend(intent()).result()
        place.forget("run-1")
        assert one.record(intent(), CREATED).result() == CREATED
        assert claimed(one, "run-1", 2).held
        assert state_of(two) is State.CREATED


def test_a_run_says_again_and_again_that_it_lives(place: Place) -> None:
    with opened(place.address) as ledger, ledger.lock(ADM, run_id="run-1", lease=1.0):
        [(first,)] = place.sql("SELECT beat_at FROM run_leases")
        while place.sql("SELECT beat_at FROM run_leases") == [(first,)]:
            ledger.intend(intent()).exception()
        assert place.sql("SELECT until - beat_at > interval '0.9 s', host <> '', pid FROM run_leases")[0][
            :2
        ] == (
            True,
            True,
        )
    assert place.sql("SELECT * FROM run_leases") == place.sql("SELECT * FROM order_claims") == []


def test_destinations_have_nothing_to_do_with_each_other(place: Place) -> None:
    with (
        running(place, "run-1") as (one,),
        opened(place.address) as other,
        other.lock("adm sandbox", run_id="run-2"),
    ):
        assert claimed(one, "run-1", 1).held
        assert other.claim("adm sandbox", "run-2", [key(1)]).result().held
        assert (len(one.at_work(ADM)), len(one.at_work("adm sandbox")), one.at_work("x")) == (1, 1, [])


# Copies ---------------------------------------------------------------------------------------------------


def fill(ledger: Ledger) -> None:
    for number, outcome in ((1, CREATED), (2, DOUBTED), (3, FAILED)):
        ledger.intend(intent(number)).result()
        ledger.record(intent(number), outcome).result()
    ledger.start_run(run_at(1))
    ledger.next_control_number("a")


def known(ledger: Ledger) -> list[object]:
    return [
        ledger.entries(ADM, [key(number) for number in (1, 2, 3)]),
        [ledger.history(order_id=str(1000 + number)) for number in (1, 2, 3)],
        ledger.runs(),
        ledger.peek_control_number("a"),
    ]


def test_a_ledger_is_copied_within_a_database_and_not_into_itself(place: Place, server: Server) -> None:
    with opened(place.address) as one, server.schema() as elsewhere, opened(elsewhere) as other:
        fill(one)
        one.copy_to(other)
        assert known(other) == known(one)
        with opened(place.address) as same, pytest.raises(SetupError):
            one.copy_to(same)


@pytest.mark.parametrize("back", [False, True])
def test_a_copy_knows_the_same_and_goes_on_from_there(
    place: Place, tmp_path_factory: pytest.TempPathFactory, *, back: bool
) -> None:
    folder = tmp_path_factory.mktemp("copied")
    one, other = (place.address, folder) if back else (folder, place.address)
    with opened(one) as source, opened(other) as target:
        fill(source)
        counts = {"fulfillments": 3, "events": 6, "runs": 1, "interchanges": 0, "control numbers": 1}
        assert source.copy_to(target) == counts
        assert known(target) == known(source)
        target.intend(intent(4)).result()
        assert target.record(intent(4), CREATED).result() == CREATED
        assert isinstance(target.intend(intent(1)).exception(), TransitionRefused)
        with pytest.raises(SetupError) as refused:
            source.copy_to(target)
        assert str(refused.value) == f"ledger {target.location}: it is not empty, and two can't become one"


def test_nothing_is_copied_while_a_run_posts(place: Place, server: Server) -> None:
    with running(place, "run-1") as (one,), server.schema() as elsewhere, opened(elsewhere) as target:
        fill(one)
        with pytest.raises(RunInProgress) as refused:
            one.copy_to(target)
        assert str(refused.value).startswith("run run-1 (host ")
        assert target.is_empty(ADM)


# One rate, and several who work for one run ----------------------------------------------------------------


def test_turns_are_taken_from_one_row_and_nobody_gets_the_same(place: Place) -> None:
    with running(place, "run-1", "run-2") as (one, two):
        taken = [ledger.take_turns(ADM, 2, 50.0).result() for ledger in (one, two, one)]
        elsewhere = two.take_turns("adm sandbox", 1, 50.0).result()
    assert [round(each.first / 100) for each in (*taken, elsewhere)] == [0, 1, 2, 0]
    assert max(each.paused for each in (*taken, elsewhere)) <= 0


def test_a_pause_is_everybody_s_and_turns_come_after_it(place: Place) -> None:
    with running(place, "run-1", "run-2") as (one, two):
        one.pause(ADM, 5000.0).result()
        one.pause(ADM, 10.0).result()
        first, second = (two.take_turns(ADM, 1, 1000.0).result() for _ in range(2))
    assert [round(each.first / 1000) for each in (first, second)] == [5, 6]
    assert [round(each.paused / 1000) for each in (first, second)] == [5, 5]


def test_what_a_dead_worker_of_a_living_run_was_sending_is_in_doubt(place: Place) -> None:
    with running(place, "run-1", "run-1.a", "run-1.b") as (_, dead, living):
        assert claimed(dead, "run-1.a", 1).held
        assert claimed(living, "run-1.b", 2).held
        dead.intend(intent(1)).result()
        living.intend(intent(2)).result()
        place.forget("run-1.a")
        assert claimed(living, "run-1.b", 1).entries[key(1)].state is State.IN_DOUBT
        assert living.record(intent(2), CREATED).result() == CREATED
        assert isinstance(dead.record(intent(1), CREATED).exception(), CannotGoOn)


def test_what_a_living_worker_of_a_dead_run_is_sending_is_left_alone(place: Place) -> None:
    with running(place, "run-1", "run-1.a", "run-2") as (_, worker, other):
        assert claimed(worker, "run-1.a", 1).held
        worker.intend(intent(1)).result()
        place.forget("run-1")
        assert other.recover(ADM) == 0
        assert worker.record(intent(1), CREATED).result() == CREATED
        assert worker.asked_to_stop("run-1") == "run run-1, which this was done for, has ended"


def test_who_works_for_a_run_hears_that_it_is_to_stop(place: Place) -> None:
    with running(place, "run-1", "run-1.a") as (run, worker):
        run.start_run(replace(run_at(1), run_id="run-1"))
        before = worker.asked_to_stop("run-1")
        run.ask_to_stop("run-1", "interrupted by SIGTERM")
        assert (before, worker.asked_to_stop("run-1")) == ("", "interrupted by SIGTERM")


# All together ---------------------------------------------------------------------------------------------


RUNS = ("run-1", "run-2", "run-3")
ORDERS = ("1001", "1002")
NUMBERS = ("A", "B")
ENDS = {
    Status.CREATED: True,
    Status.FAILED: False,
    Status.NOT_SENT: False,
    Status.IN_DOUBT: True,
    Status.REJECTED: False,
}


class Hosts(RuleBasedStateMachine):
    """Hosts whose runs claim, send, record, give back, stand still, die and begin anew, in any order."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.world = ExitStack()
        self.place = Place(server, self.world.enter_context(server.schema()))
        self.number = 0
        self.names: dict[str, str] = {}
        self.open: dict[str, ExitStack] = {}
        self.ledgers: dict[str, Ledger] = {}
        self.has: dict[str, set[str]] = {host: set() for host in RUNS}
        self.sending: dict[str, Intent] = {}
        self.effects: Counter[tuple[str, str]] = Counter()

    def teardown(self) -> None:
        for stack in self.open.values():
            stack.close()
        self.world.close()

    def host(self, host: str) -> Ledger:
        if host not in self.open:
            self.number += 1
            self.names[host], self.open[host] = f"{host}-{self.number}", ExitStack()
            ledger = self.open[host].enter_context(Ledger(self.place.address))
            self.open[host].enter_context(ledger.lock(ADM, run_id=self.names[host]))
            self.ledgers[host] = ledger
            ledger.recover(ADM)
        return self.ledgers[host]

    @rule(host=st.sampled_from(RUNS), order=st.sampled_from(ORDERS))
    def claim(self, host: str, order: str) -> None:
        if order in self.has[host]:
            return
        asked = self.host(host).claim(ADM, self.names[host], [(order, number) for number in NUMBERS])
        if asked.exception() is not None:
            self.lost(host)
        elif asked.result().held:
            self.has[host].add(order)

    @rule(
        host=st.sampled_from(RUNS),
        order=st.sampled_from(ORDERS),
        number=st.sampled_from(NUMBERS),
        end=st.sampled_from([*ENDS, None]),
    )
    def send(self, host: str, order: str, number: str, end: Status | None) -> None:
        if order not in self.has[host] or host in self.sending:
            return
        intent = Intent(ADM, (order,), number, "c1", self.names[host])
        begun = self.ledgers[host].intend(intent)
        if (error := begun.exception()) is not None:
            if not isinstance(error, TransitionRefused):
                self.lost(host)
            return
        self.effects[order, number] += 1 if end is None else ENDS[end]
        self.sending[host] = intent
        if end is not None:
            recorded = self.ledgers[host].record(intent, Outcome(end, "x", "x"))
            assert recorded.exception() is None
            del self.sending[host]

    @rule(host=st.sampled_from(RUNS))
    def answered(self, host: str) -> None:
        """What it was sending when it stood still is answered at last."""
        if host in self.sending:
            recorded = self.ledgers[host].record(self.sending.pop(host), CREATED)
            if recorded.exception() is not None:
                self.lost(host)

    @rule(host=st.sampled_from(RUNS), order=st.sampled_from(ORDERS))
    def give_back(self, host: str, order: str) -> None:
        if order in self.has[host] and host not in self.sending:
            self.has[host].discard(order)
            self.ledgers[host].release(ADM, self.names[host], [(order, number) for number in NUMBERS])

    @rule(host=st.sampled_from(RUNS))
    def stand_still(self, host: str) -> None:
        """Its lease is over, and it does not know."""
        if host in self.open:
            self.place.forget(self.names[host])

    @rule(host=st.sampled_from(RUNS))
    def end(self, host: str) -> None:
        if host in self.open:
            self.lost(host)

    def lost(self, host: str) -> None:
        self.has[host].clear()
        self.sending.pop(host, None)
        self.open.pop(host).close()

    @invariant()
    def nothing_is_done_twice(self) -> None:
        assert set(self.effects.values()) <= {0, 1}

    @invariant()
    def one_run_has_an_order(self) -> None:
        found = (
            self.place.sql("SELECT count(*) - count(DISTINCT order_id) FROM order_claims")
            if self.open
            else []
        )
        assert found in ([], [(0,)])


def test_no_interleaving_of_runs_that_stand_still_die_and_come_back_does_anything_twice(
    server: Server,
) -> None:
    class AtServer(Hosts):
        def __init__(self) -> None:
            super().__init__(server)

    run_state_machine_as_test(
        AtServer, settings=settings(max_examples=12, stateful_step_count=40, deadline=None)
    )

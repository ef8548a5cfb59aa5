"""What the ledger remembers beside the states: each fulfillment's history, interchanges, control numbers."""

import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from importer.errors import CannotGoOn
from importer.ledger import Interchange, Ledger, Promise, TransitionRefused
from importer.model import Entry, Event, Happening, Intent, Outcome, Status
from tests.homes import Home, at
from tests.test_ledger import (
    ADM,
    CREATED,
    DOUBTED,
    FAILED,
    KILLED,
    NOW,
    REJECTED,
    VERSION_1,
    foreign,
    intent,
    key,
    layout_of,
    new_ledger,
    opened,
    run_at,
)

ORDER, NUMBER = key()
AGAIN = intent(run_id="run-2")
LOOK = Happening(NOW, "run-2", Event.LOOKED_UP, message="it is not done there")
TRIED = Happening(NOW, "run-1", Event.TRIED, 1, "outcome-unknown", "no reply")


def happened(event: Event, outcome: Outcome | None = None, run_id: str = "run-1") -> Happening:
    if outcome is None:
        return Happening(NOW, run_id, event)
    return Happening(NOW, run_id, event, outcome.attempts, outcome.code, outcome.message, outcome.http_status)


BEGUN = happened(Event.SENDING)


def told(ledger: Ledger) -> list[Happening]:
    """The history of the first fulfillment, which is all that the ledger has of its order."""
    found = ledger.history(order_id=ORDER)
    assert found.keys() <= {(ADM, ORDER, NUMBER)}
    return found.get((ADM, ORDER, NUMBER), [])


def send(ledger: Ledger, outcome: Outcome, which: Intent | None = None) -> None:
    which = which or intent()
    ledger.intend(which, accept_doubt=True).result()
    ledger.record(which, outcome).result()


# History ------------------------------------------------------------------------------------------------


def test_every_attempt_of_every_run_is_kept_in_order(home: Home) -> None:
    with opened(home) as ledger:
        send(ledger, FAILED)
        send(ledger, FAILED)
        send(ledger, CREATED, AGAIN)
        sent_again = "sent again, after the destination said that it had failed"
        after_a_500 = replace(BEGUN, code="destination-500", message=sent_again)
        assert told(ledger) == [
            BEGUN,
            happened(Event.FAILED, FAILED),
            after_a_500,
            happened(Event.FAILED, FAILED),
            replace(after_a_500, run_id="run-2"),
            happened(Event.CREATED, CREATED, "run-2"),
        ]


def test_what_became_known_between_two_changes_stands_between_them(home: Home) -> None:
    with opened(home) as ledger:
        ledger.intend(intent()).result()
        ledger.record(intent(), DOUBTED, before=[TRIED]).result()
        ledger.note(AGAIN, [LOOK]).result()
        ledger.intend(AGAIN, accept_doubt=True, before=[LOOK, LOOK]).result()
        words = "sent again; what became of the first time is unknown"
        assert told(ledger) == [
            BEGUN,
            TRIED,
            happened(Event.IN_DOUBT, DOUBTED),
            *[LOOK] * 3,
            Happening(NOW, "run-2", Event.SENDING, 0, "outcome-unknown", words),
        ]


def test_what_ends_without_being_sent_is_not_said_to_have_been_sent(home: Home) -> None:
    with opened(home) as ledger:
        ledger.intend(intent(), before=[LOOK], sent=False).result()
        ledger.record(intent(), CREATED).result()
        assert told(ledger) == [LOOK, happened(Event.CREATED, CREATED)]


def test_what_was_never_begun_has_the_history_of_its_look_ups(home: Home) -> None:
    with opened(home) as ledger:
        ledger.note(AGAIN, [LOOK]).result()
        assert (told(ledger), ledger.entries(ADM, [key()]), ledger.is_empty(ADM)) == ([LOOK], {}, True)


def test_what_a_dead_run_was_sending_is_found_in_doubt_in_its_history_once(home: Home) -> None:
    with opened(home) as ledger:
        ledger.intend(intent()).result()
        send(ledger, CREATED, intent(2))
        assert (ledger.recover(ADM), ledger.recover(ADM)) == (1, 0)
        found = Happening(NOW, "run-1", Event.FOUND_IN_DOUBT, 0, "outcome-unknown", KILLED)
        assert told(ledger) == [BEGUN, found]
        assert ledger.history(order_id="1002") == {
            (ADM, *key(2)): [BEGUN, happened(Event.CREATED, CREATED)],
        }


@pytest.mark.parametrize(
    ("created", "event", "word"),
    [(True, Event.SETTLED_CREATED, "created"), (False, Event.SETTLED_NOT_CREATED, "not created")],
)
def test_who_settled_it_and_how_is_kept(home: Home, event: Event, word: str, *, created: bool) -> None:
    with opened(home) as ledger:
        send(ledger, DOUBTED)
        ledger.settle(ADM, *key(), created=created, by="kim").result()
        words = f"settled by kim on 2026-11-22: {word}"
        settled = replace(happened(event, DOUBTED), code="settled", message=words)
        assert told(ledger) == [BEGUN, happened(Event.IN_DOUBT, DOUBTED), settled]


def test_a_change_that_was_refused_leaves_no_trace(home: Home) -> None:
    with opened(home) as ledger:
        send(ledger, CREATED)
        before = told(ledger)
        refused: list[Promise[None] | Promise[Outcome] | Promise[Entry]] = [
            ledger.intend(AGAIN, before=[LOOK]),
            ledger.record(AGAIN, CREATED, before=[LOOK]),
            ledger.settle(ADM, *key(), created=True, by="kim"),
        ]
        assert {type(each.exception()) for each in refused} == {TransitionRefused}
        assert told(ledger) == before


def test_a_parcel_with_two_orders_has_the_same_history_in_each(home: Home) -> None:
    both = Intent(ADM, ("1001", "1002"), NUMBER, "c1", "run-1")
    with opened(home) as ledger:
        ledger.intend(both).result()
        ledger.record(both, REJECTED, before=[TRIED]).result()
        story = [BEGUN, TRIED, happened(Event.REJECTED, REJECTED)]
        assert ledger.history(tracking_number=NUMBER) == {
            (ADM, "1001", NUMBER): story,
            (ADM, "1002", NUMBER): story,
        }


def test_what_an_altered_outcome_became_is_what_the_history_has(home: Home) -> None:
    with opened(home) as ledger:
        send(ledger, DOUBTED)
        send(ledger, REJECTED, AGAIN)
        last = told(ledger)[-1]
        assert (last.event, last.code) == (Event.IN_DOUBT, "outcome-unknown")
        assert last.message == "an earlier run may have done it; sent again, it was rejected: no such SKU"


def test_it_is_found_by_order_by_number_or_by_both_and_by_nothing_alike(home: Home) -> None:
    keys = [("1001", "A"), ("1001", "B"), ("1002", "A"), ("A", "1001")]
    with opened(home) as ledger:
        for destination in (ADM, "adm sandbox"):
            for order_id, number in keys:
                ledger.note(Intent(destination, (order_id,), number, "c1", "run-2"), [LOOK]).result()

        def found(**what: str) -> list[tuple[str, str]]:
            keys = ledger.history(**what)
            assert {each for each, *_ in keys} <= {ADM, "adm sandbox"}
            return [(order_id, number) for destination, order_id, number in keys if destination == ADM]

        assert found(order_id="1001") == [("1001", "A"), ("1001", "B")]
        assert found(tracking_number="A") == [("1001", "A"), ("1002", "A")]
        assert found(order_id="1001", tracking_number="A") == [("1001", "A")]
        assert found(order_id="100") == found(tracking_number="a") == []
        with pytest.raises(ValueError, match="None"):
            ledger.history()


def test_a_history_that_no_database_takes_is_written_so_that_it_does(home: Home) -> None:
    with opened(home) as ledger:
        ledger.note(AGAIN, [replace(LOOK, message="caf\ud800é")]).result()
        assert told(ledger) == [replace(LOOK, message="caf\\ud800é")]


def test_history_is_on_the_disk_and_can_be_read_alone(home: Home) -> None:
    with opened(home) as ledger:
        send(ledger, CREATED)
        with Ledger(at(home), readonly=True) as other:
            assert told(other) == [BEGUN, happened(Event.CREATED, CREATED)]
            with pytest.raises(CannotGoOn):
                other.note(AGAIN, [LOOK])


def test_who_ran_it_is_remembered(home: Home) -> None:
    kims = replace(run_at(1), who="kim@dock")
    with opened(home) as ledger:
        ledger.start_run(kims)
        ledger.start_run(run_at(2))
        assert (ledger.run("run-1"), ledger.run("run-2")) == (kims, run_at(2))


# Interchanges -------------------------------------------------------------------------------------------

CAME = Interchange("x12", "ACME", "SHOP", "000000031", "a" * 64, "run-1", "ups ✓.edi", NOW)


def test_an_interchange_is_known_again_by_its_control_number_alone(home: Home) -> None:
    with opened(home) as ledger:
        ledger.remember_interchanges([CAME, replace(CAME, control="000000032", content="b" * 64)])
        ledger.remember_interchanges([])
    with Ledger(at(home), readonly=True) as ledger:
        assert ledger.interchange("x12", "ACME", "SHOP", "000000031") == CAME
        others = [
            ("edifact", "ACME", "SHOP", "000000031"),
            ("x12", "ACMEE", "SHOP", "000000031"),
            ("x12", "ACME", "SHOPS", "000000031"),
            ("x12", "ACME", "SHOP", "31"),
        ]
        assert [ledger.interchange(*other) for other in others] == [None] * 4


def test_of_several_interchanges_with_one_control_number_the_first_is_remembered(home: Home) -> None:
    other = replace(CAME, content="b" * 64, run_id="run-2", at=NOW + timedelta(days=1))
    with opened(home) as ledger:
        ledger.remember_interchanges([CAME, other])
        ledger.remember_interchanges([other])
        assert ledger.interchange("x12", "ACME", "SHOP", "000000031") == CAME


def test_a_ledger_that_is_read_alone_remembers_nothing_new(home: Home) -> None:
    with opened(home):
        pass
    with Ledger(at(home), readonly=True) as ledger:
        with pytest.raises(CannotGoOn):
            ledger.remember_interchanges([CAME])
        with pytest.raises(CannotGoOn):
            ledger.next_control_number("x12 SHOP ACME")
        assert ledger.peek_control_number("x12 SHOP ACME") == 1


# Control numbers ----------------------------------------------------------------------------------------


def test_control_numbers_count_from_one_for_each_series_and_over_runs(home: Home) -> None:
    with opened(home) as ledger:
        assert [ledger.next_control_number("a") for _ in range(3)] == [1, 2, 3]
    with opened(home) as ledger:
        assert [ledger.peek_control_number(series) for series in ("a", "a", "b")] == [4, 4, 1]
        assert [ledger.next_control_number(series) for series in ("b", "a", "b")] == [1, 4, 2]


def test_nobody_gets_a_control_number_that_another_one_got(home: Home) -> None:
    with opened(home) as one, opened(home) as other, ThreadPoolExecutor(4) as pool:
        numbers = pool.map(lambda ledger: ledger.next_control_number("a"), [one, other] * 50)
        assert sorted(numbers) == [*range(1, 101)]


def test_after_nine_digits_control_numbers_begin_anew(tmp_path: Path) -> None:
    path = new_ledger(tmp_path / "ledger.db")
    foreign(path, "INSERT INTO control_numbers VALUES ('a', 999999998)")
    with opened(tmp_path) as ledger:
        assert [ledger.next_control_number("a") for _ in range(3)] == [999_999_999, 1, 2]


# Ledgers of earlier versions ----------------------------------------------------------------------------

VERSION_2 = (
    *VERSION_1,
    "ALTER TABLE runs ADD COLUMN given JSON",
    "UPDATE importer_ledger SET version = 2",
    """INSERT INTO fulfillments VALUES (
        'adm https://adm.example', '1001', '1Z00000002', 'created', 'c1', 'run-0', 'settled',
        'settled by kim', 502, 1, '2026-11-21T05:14:59.123456+00:00')""",
    """INSERT INTO fulfillments VALUES (
        'adm https://adm.example', '1001', '1Z00000003', 'failed', 'c1', 'run-0', 'settled',
        'settled by kim', NULL, 1, '2026-11-21T05:14:59.123456+00:00')""",
)
EARLIER = NOW - timedelta(days=1)
KNOWN_OF_1 = {(ADM, ORDER, NUMBER): [happened(Event.CREATED, CREATED)]}
KNOWN_OF_2 = KNOWN_OF_1 | {
    (ADM, ORDER, "1Z00000002"): [
        Happening(EARLIER, "run-0", Event.SETTLED_CREATED, 1, "settled", "settled by kim", 502)
    ],
    (ADM, ORDER, "1Z00000003"): [
        Happening(EARLIER, "run-0", Event.SETTLED_NOT_CREATED, 1, "settled", "settled by kim")
    ],
}
VERSIONS = pytest.mark.parametrize(
    ("statements", "known"), [(VERSION_1, KNOWN_OF_1), (VERSION_2, KNOWN_OF_2)], ids=["1", "2"]
)
Known = dict[tuple[str, str, str], list[Happening]]


@VERSIONS
def test_an_earlier_ledger_tells_what_it_knows_and_stays_as_it_is(
    tmp_path: Path, statements: Sequence[str], known: Known
) -> None:
    foreign(tmp_path / "ledger.db", *statements)
    before = (tmp_path / "ledger.db").read_bytes()
    with Ledger(tmp_path / "ledger.db", readonly=True) as ledger:
        assert ledger.history(order_id=ORDER) == known
        assert ledger.history(tracking_number=NUMBER) == KNOWN_OF_1
        assert ledger.interchange("x12", "ACME", "SHOP", "000000031") is None
        assert ledger.peek_control_number("a") == 1
    assert (tmp_path / "ledger.db").read_bytes() == before


@VERSIONS
def test_an_earlier_ledger_becomes_one_as_if_it_were_made_new(
    tmp_path: Path, statements: Sequence[str], known: Known
) -> None:
    foreign(tmp_path / "ledger.db", *statements)
    for _ in range(2):  # and opened again as what it has become
        with opened(tmp_path) as ledger:
            assert ledger.history(order_id=ORDER) == known
            assert ledger.run("run-1") == run_at(1)
    with opened(tmp_path) as ledger:
        ledger.remember_interchanges([CAME])
        assert ledger.interchange("x12", "ACME", "SHOP", "000000031") == CAME
        assert ledger.next_control_number("a") == 1
    new = new_ledger(tmp_path / "new.db")
    assert layout_of(tmp_path / "ledger.db") == layout_of(new)
    assert indexes_of(tmp_path / "ledger.db") == indexes_of(new)


def indexes_of(path: Path) -> set[tuple[str, str, str]]:
    """Each column of each index, as the database has them."""
    with closing(sqlite3.connect(path)) as database:
        return set(
            database.execute(
                "SELECT tables.name, indexes.name, columns.name FROM sqlite_master AS tables, "
                "pragma_index_list(tables.name) AS indexes, pragma_index_info(indexes.name) AS columns "
                "WHERE tables.type = 'table'"
            )
        )


def test_times_of_history_are_kept_in_utc(home: Home) -> None:
    elsewhere = datetime.fromisoformat("2026-11-22T07:14:59.123456+02:00")
    with opened(home) as ledger:
        ledger.note(AGAIN, [replace(LOOK, at=elsewhere)]).result()
        assert [each.at.isoformat() for each in told(ledger)] == ["2026-11-22T05:14:59.123456+00:00"]


def test_what_is_not_known_has_no_history(home: Home) -> None:
    with opened(home) as ledger:
        ledger.intend(intent()).result()
        assert ledger.record(intent(), Outcome(Status.CREATED)).result().status is Status.CREATED
        assert ledger.history(order_id="9999") == ledger.history(tracking_number="9999") == {}

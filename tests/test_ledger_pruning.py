"""What is long over can be forgotten, and nothing is sent again for that."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from importer.errors import CannotGoOn, RunInProgress
from importer.ledger import Interchange, Ledger, Pruned, TransitionRefused
from importer.model import Event, Happening, State
from tests.homes import at, told_of
from tests.program import Platform, configuration, here, parcels, settle_in
from tests.test_ledger import ADM, CREATED, DOUBTED, FAILED, REJECTED, foreign, intent, key, run_at
from tests.test_ledger_plans import database, fill, heard, is_growing, plan, reads_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.model import Outcome
    from tests.homes import Home

THEN = datetime(2025, 1, 1, 8, 0, tzinfo=UTC)
CUT = THEN + timedelta(days=30)
LATER = THEN + timedelta(days=60)
CAME = Interchange("x12", "ACME", "SHOP", "000000031", "c1", "run-1", "a.edi", THEN)
ENDS = (CREATED, REJECTED, FAILED, DOUBTED)
"""How the first fulfillments ended, then; the next one was being sent when its run was killed."""

SENDING = len(ENDS) + 1
NEW = SENDING + 1


def remember(home: Home, when: datetime, numbers: dict[int, Outcome | None], run: int) -> None:
    """What a run knows that posted these, and ended each so; None: it was killed while it did."""
    with Ledger(at(home), now=lambda: when) as ledger:
        ledger.start_run(replace(run_at(run), started_at=when))
        for number, outcome in numbers.items():
            which = intent(number, run_id=f"run-{run}")
            ledger.intend(which).result()
            if outcome is not None:
                ledger.record(which, outcome).result()
        ledger.finish_run(f"run-{run}", finished_at=when, exit_status=0, stopped_because="", summary="")


@pytest.fixture
def old(home: Home) -> Home:
    """A ledger with fulfillments of every kind that a run knew of then, and one of a run that came later."""
    remember(home, THEN - timedelta(days=1), dict.fromkeys(range(11, 15), CREATED), 1)
    remember(home, THEN, {**dict(enumerate(ENDS, start=1)), SENDING: None}, 2)
    remember(home, LATER, {NEW: CREATED}, 3)
    with Ledger(at(home)) as ledger:
        ledger.remember_interchanges([CAME])
        ledger.next_control_number("a")
    return home


ALL = [key(number) for number in (*range(1, NEW + 1), *range(11, 15))]


def test_what_came_of_each_fulfillment_stays_and_its_history_goes(old: Home) -> None:
    with Ledger(at(old), now=lambda: LATER) as ledger:
        before = ledger.entries(ADM, ALL)
        pruned = ledger.prune(CUT)

        assert pruned == Pruned(runs=1, events=2 * 4 + 2 * 3)
        assert ledger.entries(ADM, ALL) == before
        assert [run.run_id for run in ledger.runs()] == ["run-3", "run-2"]
        for number in (1, 11):
            again = intent(number, run_id="run-4")
            assert isinstance(ledger.intend(again).exception(), TransitionRefused)
        assert ledger.interchange("x12", "ACME", "SHOP", "000000031") == CAME
        assert ledger.peek_control_number("a") == 2


def test_what_has_no_history_any_more_tells_how_it_ended(old: Home) -> None:
    order, number = key(1)
    last = CREATED
    known = {
        (ADM, order, number): [
            Happening(THEN, "run-2", Event.CREATED, last.attempts, last.code, last.message, last.http_status)
        ]
    }
    with Ledger(at(old)) as ledger:
        ledger.prune(CUT)

        assert ledger.history(order_id=order) == known
        assert ledger.history(tracking_number=number) == known
        assert ledger.history(order_id=order, tracking_number=number) == known
        assert ledger.history(order_id="nothing") == {}


def test_of_what_is_in_doubt_or_was_being_sent_everything_stays_until_it_is_settled(old: Home) -> None:
    order, number = key(ENDS.index(DOUBTED) + 1)
    with Ledger(at(old)) as ledger:
        before = [ledger.history(tracking_number=key(each)[1]) for each in (4, SENDING, NEW)]
        ledger.prune(CUT)
        assert [ledger.history(tracking_number=key(each)[1]) for each in (4, SENDING, NEW)] == before

        ledger.settle(ADM, order, number, created=True, by="kim").result()
        ledger.recover(ADM)
        ledger.settle(ADM, *key(SENDING), created=False, by="kim").result()
        assert ledger.prune(CUT) == Pruned(runs=1, events=3)
        assert [each.event for each in ledger.history(order_id=order)[ADM, order, number]] == [
            Event.SETTLED_CREATED
        ]
        state = ledger.entries(ADM, [key(4), key(SENDING)])
        assert [each.state for each in state.values()] == [State.CREATED, State.FAILED]


def test_what_would_go_is_told_without_changing_anything(old: Home) -> None:
    with Ledger(at(old), readonly=True) as ledger:
        told = ledger.prunable(CUT)
        with pytest.raises(CannotGoOn):
            ledger.prune(CUT)
    with Ledger(at(old)) as ledger:
        assert (told, ledger.prune(CUT), ledger.prunable(CUT)) == (
            Pruned(1, 14),
            Pruned(1, 14),
            Pruned(0, 0),
        )


def test_nothing_is_forgotten_while_a_run_posts(old: Home) -> None:
    with Ledger(at(old)) as ledger, Ledger(at(old)) as other:
        with other.lock(ADM, run_id="run-4"), pytest.raises(RunInProgress):
            ledger.prune(CUT)
        assert ledger.prunable(CUT) == ledger.prune(CUT)


def test_nothing_is_forgotten_under_a_first_run_that_has_sent_nothing_yet(old: Home) -> None:
    with Ledger(at(old)) as ledger, Ledger(at(old)) as other:
        with other.lock("adm another", run_id="run-4"), pytest.raises(RunInProgress):
            ledger.prune(CUT)
        assert ledger.prunable(CUT) == ledger.prune(CUT)


def test_a_long_past_is_forgotten_bit_by_bit_and_takes_less_room(home: Home) -> None:
    fill(home, ADM, 50_000)
    remember(home, LATER, {1: CREATED}, 0)
    with closing(Ledger(at(home))) as ledger:
        before = [each.stat().st_size for each in files_of(home)]

        assert ledger.prune(datetime(2026, 2, 1, tzinfo=UTC)) == Pruned(5_001, 50_002)
        after = [each.stat().st_size for each in files_of(home)]
        assert all(now < then * 0.7 for now, then in zip(after, before, strict=True))
        assert ledger.entries(ADM, [("1000001", "TRACK1")]).keys() == {("1000001", "TRACK1")}


def test_room_that_an_interrupted_pruning_has_left_is_given_back_by_the_same_command(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    fill(tmp_path, ADM)
    foreign(path, "DELETE FROM history", "DELETE FROM runs")
    before = path.stat().st_size

    with Ledger(path) as ledger:
        assert ledger.prune(LATER) == Pruned(0, 0)
    assert path.stat().st_size < before * 0.7


def files_of(home: Home) -> list[Path]:
    """The ledger's file; a server's are its own affair."""
    return [home / "ledger.db"] if isinstance(home, Path) else []


def test_neither_pruning_nor_a_look_at_a_history_goes_through_all_that_was_posted(home: Home) -> None:
    fill(home, ADM)
    with Ledger(at(home)) as ledger, heard() as statements:
        ledger.history(order_id="1000001")
        ledger.history(tracking_number="TRACK1")
        ledger.history(order_id="1000001", tracking_number="TRACK1")
        ledger.prune(datetime(2025, 2, 1, tzinfo=UTC))
    growing = {each: parameters for each, parameters in statements.items() if is_growing(each)}
    with database(home) as connection:
        plans = {each: plan(connection, each, parameters) for each, parameters in growing.items()}
    assert reads_all(plans) == {}


# the command ----------------------------------------------------------------------------------------------


@pytest.fixture
def _world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setenv("ADM_TOKEN", "a-token")
    with Platform() as platform:
        configuration(tmp_path / "importer.toml", platform.url)
        parcels(tmp_path / "m.csv", 3)
        yield


@pytest.mark.usefixtures("_world")
def test_old_runs_are_forgotten_by_command_and_what_they_created_is_skipped(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = ("--ledger", told_of(home))
    remember(home, THEN, {1: CREATED}, 1)
    assert here(capsys, "post", "m.csv", *ledger, "--report", "first").status == 0

    told = here(capsys, "runs", "--prune", "300d", "--dry-run", *ledger)
    done = here(capsys, "runs", "--prune", "300d", "--json", *ledger)
    again = here(capsys, "runs", "--prune", " 300D", *ledger)

    assert (told.status, told.err) == (0, "")
    assert told.out.startswith("would be forgotten: 1 run, 2 events from before 20")
    assert told.out.endswith(" UTC; what came of each fulfillment stays\n")
    found = json.loads(done.out)
    assert {**found, "before": ""} == {"before": "", "dry_run": False, "runs": 1, "events": 2}
    assert again.out.startswith("forgotten: 0 runs, 0 events from before 20")
    assert len(json.loads(here(capsys, "runs", "--json", *ledger).out)) == 1
    second = here(capsys, "post", "m.csv", *ledger, "--report", "second", "--json")
    assert second.summary["rows"]["skipped"] == 3


@pytest.mark.usefixtures("_world")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--prune", "0"),
            "Invalid value for '--prune': found '0', expected days such as 90d or 400d",
        ),
        (("--prune", "soon"), "Invalid value for '--prune': found 'soon', expected days such as 90d"),
        (("--prune", "9d", "run-1"), "--prune: it is of all old runs; leave RUN-ID out"),
        (("--dry-run",), "--dry-run: it goes with --prune; nothing else here changes anything"),
        (("--prune", "9d", "--ledger", "none.db"), "--prune: there is no ledger at none.db"),
        (
            ("--prune", "999999999d"),
            "Invalid value for '--prune': found '999999999d', expected days such as 90d",
        ),
    ],
)
def test_odd_pruning_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    ended = here(capsys, "runs", *arguments)

    assert (ended.status, ended.out) == (2, "")
    assert words in ended.err

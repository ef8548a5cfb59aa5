"""Work in a second thread: the same in the same order, and what goes wrong there goes wrong here."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from importer.ahead import Behind, ahead, side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterator


def counting(made: list[int], *, until: int, then: Exception | None = None) -> Iterator[int]:
    try:
        for number in range(until):
            made.append(number)
            yield number
        if then:
            raise then
    finally:
        made.append(-1)


def test_things_come_in_order_and_the_next_is_made_while_one_is_used() -> None:
    seen = []
    is_made = threading.Event()

    def things() -> Iterator[int]:
        yield 0
        is_made.set()
        yield 1

    for thing in ahead(things()):
        seen.append(thing)
        assert is_made.wait(60)

    assert seen == [0, 1]


def test_an_error_comes_where_the_thing_would_have_come() -> None:
    seen: list[int] = []

    def take_all() -> None:
        for thing in ahead(counting([], until=2, then=OSError("the disk is gone"))):
            seen.append(thing)  # noqa: PERF402 - extend would lose what came before the error

    with pytest.raises(OSError, match="the disk is gone"):
        take_all()

    assert seen == [0, 1]


def test_whoever_takes_no_more_ends_the_making_too() -> None:
    made: list[int] = []

    things = ahead(counting(made, until=100))
    first = next(things)
    things.close()

    assert (first, made[-1]) == (0, -1)
    assert len(made) <= 3


def test_nothing_to_make_gives_nothing() -> None:
    assert [*ahead([])] == []


def test_work_is_done_in_order_and_finished_on_leaving() -> None:
    done: list[int] = []

    with Behind() as behind:
        for number in range(50):
            behind.do(partial(done.append, number))

    assert done == [*range(50)]


def no_room() -> None:
    raise OSError("no space left")


def test_work_that_fails_fails_on_leaving() -> None:
    with pytest.raises(OSError, match="no space left"), Behind() as behind:
        behind.do(no_room)


def test_work_that_fails_fails_a_later_call_and_what_comes_after_it_is_not_done() -> None:
    done: list[int] = []
    given: list[int] = []

    def many() -> None:
        with Behind() as behind:
            behind.do(no_room)
            for number in range(100):
                behind.do(partial(done.append, number))
                given.append(number)

    with pytest.raises(OSError, match="no space left"):
        many()

    assert len(given) <= 2
    assert done == []


def test_an_error_here_counts_more_than_one_there() -> None:
    def go_wrong() -> None:
        with Behind() as behind:
            behind.do(no_room)
            raise ValueError("wrong here")

    with pytest.raises(ValueError, match="wrong here"):
        go_wrong()


def test_results_come_in_order_and_two_are_worked_on_at_a_time() -> None:
    together = threading.Barrier(2, timeout=60)

    def doubled(number: int) -> int:
        together.wait()
        return number * 2

    assert [*side_by_side(doubled, range(6))] == [0, 2, 4, 6, 8, 10]


def test_an_error_in_a_piece_comes_in_the_place_of_its_result() -> None:
    results = side_by_side(lambda number: 6 // number, [1, 2, 0, 3])

    assert [next(results), next(results)] == [6, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)

"""How many posts go at once, by how the destination answers."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from importer.model import Meaning
from importer.posts.width import Width
from tests.fakes import run_jumping


def answers(width: Width, count: int, seconds: float, *, since: float = 0.0) -> None:
    """So many answers that took so long."""
    for _ in range(count):
        width.heard(Meaning.CREATED, since, since + seconds)


def test_it_begins_with_as_many_as_there_may_be() -> None:
    assert Width(16).now == 16


def test_being_asked_to_wait_halves_it_once_for_all_that_were_in_flight_together() -> None:
    width = Width(16)
    for answered_at in (1.0, 1.1, 1.2):
        width.heard(Meaning.WAIT, 0.5, answered_at)
    assert width.now == 8
    width.heard(Meaning.WAIT, 1.2, 1.5)
    assert width.now == 4


def test_one_at_a_time_is_the_least() -> None:
    width = Width(2)
    for second in range(5):
        width.heard(Meaning.WAIT, float(second), second + 0.5)
    assert width.now == 1


def test_it_comes_back_by_one_for_each_window_of_answers() -> None:
    width = Width(16)
    width.heard(Meaning.WAIT, 0.0, 1.0)
    answers(width, 9, 0.2, since=2.0)
    assert width.now == 8
    answers(width, 1, 0.2, since=2.0)
    assert width.now == 9
    answers(width, 1000, 0.2, since=2.0)
    assert width.now == 16


def test_slow_answers_take_it_down_to_a_quarter_and_no_further() -> None:
    width = Width(16)
    answers(width, 16, 0.1)
    answers(width, 16, 0.5)
    assert width.now == 15
    answers(width, 16 * 16, 0.6)
    assert width.now == 4


def test_a_destination_that_is_slow_from_the_first_answer_on_is_taken_as_it_is() -> None:
    width = Width(16)
    answers(width, 1000, 8.0)
    assert width.now == 16


def test_differences_of_a_few_milliseconds_are_nothing() -> None:
    width = Width(16)
    answers(width, 16, 0.001)
    answers(width, 160, 0.04)
    assert width.now == 16


def test_refusals_and_failed_connections_say_nothing_of_how_fast_it_works() -> None:
    width = Width(16)
    for meaning in (Meaning.REFUSED, Meaning.NEVER_REACHED, Meaning.UNKNOWN, Meaning.TRY_AGAIN):
        for _ in range(100):
            width.heard(meaning, 0.0, 0.0)
    answers(width, 160, 1.0)
    assert width.now == 16


@given(
    most=st.integers(1, 5),
    posts=st.lists(st.tuples(st.floats(0, 3), st.floats(0.1, 2), st.booleans()), max_size=25),
)
def test_there_are_never_more_in_flight_than_may_be_and_everybody_gets_a_place(
    most: int, posts: list[tuple[float, float, bool]]
) -> None:
    async def main() -> int:
        width, in_flight, ended = Width(most), 0, 0

        async def post(start: float, seconds: float, *, asked_to_wait: bool) -> None:
            nonlocal in_flight, ended
            loop = asyncio.get_running_loop()
            await asyncio.sleep(start)
            async with width:
                in_flight += 1
                assert in_flight <= most
                sent_at = loop.time()
                await asyncio.sleep(seconds)
                meaning = Meaning.WAIT if asked_to_wait else Meaning.CREATED
                width.heard(meaning, sent_at, loop.time())
                in_flight -= 1
                ended += 1

        async with asyncio.TaskGroup() as group:
            for start, seconds, wait in posts:
                group.create_task(post(start, seconds, asked_to_wait=wait))
        return ended

    assert run_jumping(main()) == len(posts)

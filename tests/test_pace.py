"""How fast posts are let through, in a loop whose time jumps."""

import asyncio
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.posts.pace import Pace
from tests.fakes import loop_clock, run_jumping


async def turns(pace: Pace, arrivals: list[float]) -> list[float]:
    """When the posts that arrive then are let through."""

    async def post(arrival: float) -> float:
        await asyncio.sleep(arrival)
        await pace.turn()
        return loop_clock()

    return sorted(await asyncio.gather(*map(post, arrivals)))


async def paced(rate: tuple[float, int] | None, arrivals: list[float]) -> list[float]:
    return await turns(Pace(rate, clock=loop_clock, sleep=asyncio.sleep), arrivals)


def test_without_a_rate_nobody_waits() -> None:
    assert run_jumping(paced(None, [0.0, 0.0, 0.5])) == [0.0, 0.0, 0.5]


def test_the_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    assert run_jumping(paced((2.0, 3), [0.0] * 6)) == [0.0, 0.0, 0.0, 0.5, 1.0, 1.5]


def test_a_rest_earns_the_burst_again_and_no_more() -> None:
    assert run_jumping(paced((2.0, 2), [0.0] * 2 + [8.0] * 4)) == [0.0, 0.0, 8.0, 8.0, 8.5, 9.0]


def test_a_pause_holds_everybody_and_then_the_rate_goes_on() -> None:
    async def main() -> list[float]:
        pace = Pace((2.0, 1), clock=loop_clock, sleep=asyncio.sleep)
        pace.pause(4.0)
        pace.pause(1.0)
        return await turns(pace, [0.0, 0.0, 3.0])

    assert run_jumping(main()) == [4.0, 4.5, 5.0]


def test_a_pause_that_begins_while_one_waits_holds_that_one_too() -> None:
    async def main() -> list[float]:
        pace = Pace((1.0, 1), clock=loop_clock, sleep=asyncio.sleep)
        asyncio.get_running_loop().call_later(0.5, pace.pause, 2.0)
        return await turns(pace, [0.0, 0.0])

    assert run_jumping(main()) == [0.0, 2.5]


def test_a_broken_sleep_uses_no_turn_up() -> None:
    async def main() -> list[float]:
        broken = [True]

        async def sleep(seconds: float) -> None:
            if broken:
                raise InterruptedError
            await asyncio.sleep(seconds)

        pace = Pace((1.0, 1), clock=loop_clock, sleep=sleep)
        await pace.turn()
        with pytest.raises(InterruptedError):
            await pace.turn()
        broken.clear()
        return await turns(pace, [0.0])

    assert run_jumping(main()) == [1.0]


@given(
    per_second=st.sampled_from([0.1, 0.7, 1.0, 2.0, 3.0, 35.0]),
    burst=st.integers(1, 5),
    arrivals=st.lists(st.floats(0, 10), max_size=12),
    pauses=st.lists(st.tuples(st.floats(0, 10), st.floats(0, 5)), max_size=3),
)
def test_no_stretch_of_time_has_more_posts_than_burst_and_rate_allow(
    per_second: float, burst: int, arrivals: list[float], pauses: list[tuple[float, float]]
) -> None:
    async def main() -> list[float]:
        pace = Pace((per_second, burst), clock=loop_clock, sleep=asyncio.sleep)
        for start, seconds in pauses:
            asyncio.get_running_loop().call_later(start, pace.pause, seconds)
        return await turns(pace, arrivals)

    let_through = run_jumping(main())
    assert len(let_through) == len(arrivals)
    for (first, start), (last, end) in combinations(enumerate(let_through), 2):
        assert last - first + 1 <= burst + per_second * (end - start) + 1e-6

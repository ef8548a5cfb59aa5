"""How fast posts are let through, in a loop whose time jumps."""

import asyncio
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.posts.pace import CommonPace, Pace
from tests.fakes import FakeRate, loop_clock, run_jumping


async def turns(pace: Pace | CommonPace, arrivals: list[float]) -> list[float]:
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


# together with others -------------------------------------------------------------------------------------


def beside(rate: tuple[float, int], common: FakeRate) -> CommonPace:
    return CommonPace(rate, common, clock=loop_clock, sleep=asyncio.sleep)


async def side_by_side(*paces: CommonPace, arrivals: list[float]) -> list[float]:
    """When the posts of all of them are let through; each has those arrivals."""
    times = await asyncio.gather(*(turns(pace, arrivals) for pace in paces))
    return sorted(moment for each in times for moment in each)


def test_ten_workers_together_keep_one_rate() -> None:
    async def main() -> list[float]:
        common = FakeRate()
        return await side_by_side(*(beside((2.0, 1), common) for _ in range(10)), arrivals=[0.0] * 2)

    assert run_jumping(main()) == [number / 2 for number in range(20)]


def test_workers_have_one_burst_together() -> None:
    async def main() -> list[float]:
        common = FakeRate()
        return await side_by_side(beside((2.0, 3), common), beside((2.0, 3), common), arrivals=[0.0] * 3)

    assert run_jumping(main()) == [0.0, 0.0, 0.0, 0.5, 1.0, 1.5]


def test_as_many_turns_are_taken_at_once_as_somebody_waits_for() -> None:
    async def main() -> list[int]:
        common = FakeRate()
        pace = beside((100.0, 1), common)
        await turns(pace, [0.0] * 7)
        await turns(pace, [0.0] * 60)
        await turns(pace, [0.0])
        return common.asked

    assert run_jumping(main()) == [1, 6, 1, 50, 9, 1]


def test_a_pause_that_one_was_asked_for_holds_the_others_too() -> None:
    async def main() -> list[float]:
        common = FakeRate()
        one, two = beside((2.0, 1), common), beside((2.0, 1), common)
        await one.turn()
        one.pause(10.0)
        return await side_by_side(one, two, arrivals=[0.0])

    assert run_jumping(main()) == [10.0, 10.5]


def test_a_pause_counts_for_who_is_waiting_for_a_turn() -> None:
    async def main() -> list[float]:
        pace = beside((2.0, 1), FakeRate())
        asyncio.get_running_loop().call_later(0.25, pace.pause, 4.0)
        return await turns(pace, [0.0] * 3)

    assert run_jumping(main()) == [0.0, 4.25, 4.75]

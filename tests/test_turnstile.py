"""Answers that come at once are worked on a few at a time, in their order, and all of them."""

import asyncio

from importer.posts.turnstile import Turnstile


async def turns_of(number: int, at_once: int) -> list[list[int]]:
    """Who went through in each turn of the event loop."""
    turnstile = Turnstile(at_once)
    turns: list[list[int]] = [[]]

    async def go(who: int) -> None:
        await turnstile.passed()
        turns[-1].append(who)

    tasks = [asyncio.create_task(go(who)) for who in range(number)]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        turns.append([])
    return [each for each in turns if each]


def test_no_more_go_through_at_once_than_may_and_all_in_their_order() -> None:
    turns = asyncio.run(turns_of(11, at_once=4))

    assert [who for turn in turns for who in turn] == list(range(11))
    assert max(map(len, turns)) == 4
    assert len(turns) == 3


def test_of_many_that_wait_half_go_through_at_once() -> None:
    turns = asyncio.run(turns_of(64, at_once=4))

    assert [who for turn in turns for who in turn] == list(range(64))
    assert [len(turn) for turn in turns] == [4, 30, 15, 7, 4, 4]


def test_whoever_comes_alone_does_not_wait() -> None:
    async def alone() -> list[bool]:
        turnstile, waited = Turnstile(at_once=1), []
        for _ in range(3):
            going = turnstile.passed()
            try:
                going.send(None)
            except StopIteration:
                waited.append(False)
            else:
                waited.append(True)
                going.close()
            for _ in range(2):
                await asyncio.sleep(0)
        return waited

    assert asyncio.run(alone()) == [False] * 3


def test_who_gives_up_waiting_holds_nobody_up() -> None:
    async def run() -> list[int]:
        turnstile, through = Turnstile(at_once=1), []

        async def go(who: int) -> None:
            await turnstile.passed()
            through.append(who)

        tasks = [asyncio.create_task(go(who)) for who in range(5)]
        await asyncio.sleep(0)
        for task in tasks[1:4]:
            task.cancel()
        await asyncio.wait(tasks)
        return through

    assert asyncio.run(run()) == [0, 4]

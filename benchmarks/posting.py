"""Posting alone, without manifest and report, with a ledger or with one that keeps nothing.

Usage: ``python -m benchmarks.posting URL POSTS CONCURRENCY [LEDGER]``; prints posts per second.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Final, TypeVar

from importer import delivery
from importer.ledger import Ledger, Promise
from importer.ledger.hiring import hired
from importer.model import Fulfillment, Happening, Intent, LineItem, OrderPart, Outcome
from importer.posts import Memory, Told
from importer.posts.signals import Interruption
from importer.settings import DestinationSettings

if TYPE_CHECKING:
    from importer.ledger.clerk import Hearing

_T = TypeVar("_T")

_RUN: Final = "benchmark"


class _NoLedger:
    """A ledger that has everything done at once, and keeps nothing."""

    # ruff: noqa: ARG002 - it takes what a ledger takes

    def intend(
        self, intent: Intent, *, accept_doubt: bool, before: Sequence[Happening], sent: bool
    ) -> Promise[None]:
        return _done(None)

    def record(self, intent: Intent, outcome: Outcome, *, before: Sequence[Happening]) -> Promise[Outcome]:
        return _done(outcome)

    def note(self, intent: Intent, happened: Sequence[Happening]) -> Promise[None]:
        return _done(None)


def _done(result: _T) -> Promise[_T]:
    future: Promise[_T] = Promise()
    future.set_result(result)
    return future


def _orders(posts: int) -> Iterator[list[Fulfillment]]:
    for index in range(posts):
        lines = tuple(LineItem(f"SKU-{line}", 2) for line in range(1 + index % 4))
        yield [Fulfillment(index, f"PKG{index:012}", (OrderPart(str(450_000_000 + index), lines),))]


def main(url: str, posts: int, concurrency: int, ledger: str | None = None) -> None:
    """Post, and print how fast that was."""
    settings = DestinationSettings("adm", "adm", url, concurrency=concurrency)
    left = posts

    def told(_: Fulfillment, how: Told) -> None:
        nonlocal left
        left -= how.outcome.status == "created"

    with ExitStack() as stack:
        memory: Memory = _NoLedger()
        hearing: Hearing = nullcontext
        if ledger is not None:
            memory = stack.enter_context(Ledger(ledger))
            if (process := stack.enter_context(hired())) is not None:
                hearing = stack.enter_context(memory.with_clerk(settings.name, process)).heard_in
        rules = delivery.rules_of(settings, _RUN, accept_doubt=False)
        began = time.perf_counter()
        delivery.deliver(
            _orders(posts), settings, memory, rules, told, lambda _: None, Interruption(), hearing=hearing
        )
        seconds = time.perf_counter() - began
    if left:
        sys.exit(f"{left} of {posts} posts were not created")
    print(posts / seconds)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])

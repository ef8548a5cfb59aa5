"""How far something has come: a bar on standard error where somebody is looking, else nothing."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console


class Bar(Protocol):
    """What hears how far it has come."""

    def advance(self, step: int) -> None:
        """So much more is done."""

    def say(self, words: str) -> None:
        """What it waits for; "" when that is over."""

    def refresh(self) -> None:
        """Let it be seen now."""


@contextmanager
def bar(console: Console, what: str, total: int | None, per_second: float = math.inf) -> Iterator[Bar]:
    """Show how far ``what`` has come while inside; ``per_second`` is how many there can be at most.

    Nothing is shown unless ``console`` is a terminal.
    """
    if not console.is_terminal:
        yield _Unseen()
        return
    from importer.report.drawing import drawn  # noqa: PLC0415 - rich has much to draw with

    with drawn(console, what, total, per_second) as shown:
        yield shown


class _Unseen:
    """Nobody is looking."""

    def advance(self, step: int) -> None:
        pass

    def say(self, words: str) -> None:
        pass

    def refresh(self) -> None:
        pass

"""Listening to posting: what it tells its ledger, its caller and the terminal is heard by others, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from importer.ledger import Promise
    from importer.model import Answer, Fulfillment, Happening, Intent, NoAnswer, Outcome, Reach, Request
    from importer.posts import Connection, Memory, Told


class Listener(Protocol):
    """Who hears of posting; all calls come from the task of the worker that it is about.

    All but ``told``: the worker may be about the next fulfillment before this one's success is told.
    """

    def asked(self, request: Request) -> None:
        """A request leaves."""

    def answered(self, request: Request, reply: Answer | NoAnswer | None) -> None:
        """It was answered, or will not be; None: it was cut short."""

    def intended(self, intent: Intent) -> None:
        """The fulfillment is about to be sent."""

    def recorded(self, intent: Intent, outcome: Outcome) -> None:
        """An attempt has ended so; there may be another."""

    def noted(self, intent: Intent, what: Sequence[Happening]) -> None:
        """This became known of the fulfillment."""

    def told(self, fulfillment: Fulfillment, how: Told) -> None:
        """The fulfillment has come to its end in this run."""

    def says(self, words: str) -> None:
        """All wait for something; "" when that is over."""


def _as_it_is(connection: Connection) -> Connection:
    return connection


class Ears(Struct, frozen=True):
    """What posting talks to: its ledger, its caller, the terminal; and what it reaches the destination by."""

    memory: Memory
    told: Callable[[Fulfillment, Told], None]
    says: Callable[[str], None]
    through: Callable[[Connection], Connection] = _as_it_is

    def and_of(self, listener: Listener | None) -> Ears:
        """The same, and those of ``listener``, who hears everything first."""
        if listener is None:
            return self
        return Ears(
            memory=_Memory(self.memory, listener),
            told=_both(listener.told, self.told),
            says=_both(listener.says, self.says),
            through=lambda connection: _Connection(self.through(connection), listener),
        )


_P = ParamSpec("_P")


def _both(first: Callable[_P, None], then: Callable[_P, None]) -> Callable[_P, None]:
    def call(*arguments: _P.args, **more: _P.kwargs) -> None:
        first(*arguments, **more)
        then(*arguments, **more)

    return call


class _Connection(Struct, frozen=True):
    """A connection whose requests and answers are heard."""

    _connection: Connection
    _listener: Listener

    @property
    def reach(self) -> Reach:
        return self._connection.reach

    async def send(self, request: Request) -> Answer | NoAnswer:
        reply: Answer | NoAnswer | None = None
        self._listener.asked(request)
        try:
            reply = await self._connection.send(request)
        finally:
            self._listener.answered(request, reply)
        return reply

    async def close(self) -> None:
        await self._connection.close()


class _Memory(Struct, frozen=True):
    """A ledger that is told what it is told anyway, and somebody else before it."""

    _memory: Memory
    _listener: Listener

    def intend(
        self, intent: Intent, *, accept_doubt: bool, before: Sequence[Happening], sent: bool
    ) -> Promise[None]:
        self._listener.noted(intent, before)
        if sent:
            self._listener.intended(intent)
        return self._memory.intend(intent, accept_doubt=accept_doubt, before=before, sent=sent)

    def record(self, intent: Intent, outcome: Outcome, *, before: Sequence[Happening]) -> Promise[Outcome]:
        self._listener.noted(intent, before)
        self._listener.recorded(intent, outcome)
        return self._memory.record(intent, outcome, before=before)

    def note(self, intent: Intent, happened: Sequence[Happening]) -> Promise[None]:
        self._listener.noted(intent, happened)
        return self._memory.note(intent, happened)

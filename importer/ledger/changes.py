"""What is asked of the ledger for fulfillments: a change of entries, a line of history, or their orders."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from importer.ledger.statements import Connection, Key, add
from importer.ledger.states import ended, found_out, settled, started
from importer.model import Entry, Event, Happening, Intent, Outcome, State


class Start(Struct, frozen=True, array_like=True, tag=True):
    """The fulfillment of ``intent`` is about to be sent, or, if it is not ``sent``, to end unsent.

    ``before`` became known since the last change of it.
    """

    intent: Intent
    accept_doubt: bool
    at: datetime
    before: tuple[Happening, ...] = ()
    sent: bool = True

    @property
    def keys(self) -> list[Key]:
        """The keys of its entries, one for each order in it."""
        return keys_of(self.intent)

    def apply(self, entries: dict[Key, Entry]) -> None:
        """Change ``entries``, all of them or none.

        Raises:
            TransitionRefused: one of them does not allow it.
        """
        entries |= {
            key: started(entries.get(key), key[1], self.intent, self.at, accept_doubt=self.accept_doubt)
            for key in self.keys
        }

    def happened(self, entry: Entry) -> tuple[Happening, ...]:
        """What its history gets, where that of one order's share is ``entry`` now."""
        if not self.sent:
            return self.before
        words = entry.message if entry.code else ""  # else there is nothing to say but that
        return (*self.before, Happening(self.at, entry.run_id, Event.SENDING, 0, entry.code, words))


class End(Struct, frozen=True, array_like=True, tag=True):
    """The fulfillment of ``intent`` has come to ``outcome``; the rest is as for a ``Start``."""

    intent: Intent
    outcome: Outcome
    at: datetime
    before: tuple[Happening, ...] = ()

    @property
    def keys(self) -> list[Key]:
        """The keys of its entries, one for each order in it."""
        return keys_of(self.intent)

    def apply(self, entries: dict[Key, Entry]) -> Outcome:
        """Change ``entries``, all of them or none, and return the outcome that they have now.

        Raises:
            TransitionRefused: one of them does not allow it.
        """
        outcome = self.outcome
        for key in self.keys:
            outcome = settled(entries.get(key), outcome)
        entries |= {key: ended(entries.get(key), key[1], self.intent, outcome, self.at) for key in self.keys}
        return outcome

    def happened(self, entry: Entry) -> tuple[Happening, ...]:
        """What its history gets, where that of one order's share is ``entry`` now."""
        return (*self.before, _as_happening(entry, _EVENTS[entry.state]))


class Settle(Struct, frozen=True):
    """A person, ``by``, has found out whether what stands under ``key`` was created."""

    key: Key
    created: bool
    by: str
    at: datetime

    def apply(self, entries: dict[Key, Entry]) -> Entry:
        """Change its one entry among ``entries``, and return it as it is now.

        Raises:
            TransitionRefused: it is not one whose outcome a person may settle.
        """
        _, order_id, tracking_number = self.key
        before = entries.get(self.key)
        entries[self.key] = found_out(
            before, order_id, tracking_number, created=self.created, by=self.by, at=self.at
        )
        return entries[self.key]

    def happened(self, entry: Entry) -> tuple[Happening, ...]:
        """What its history gets, where ``entry`` is what the ledger has of it now."""
        return (_as_happening(entry, Event.SETTLED_CREATED if self.created else Event.SETTLED_NOT_CREATED),)

    @property
    def keys(self) -> list[Key]:
        """The key of its one entry."""
        return [self.key]


class Note(Struct, frozen=True, array_like=True, tag=True):
    """What became known of the fulfillment of ``intent`` that changes nothing; its history gets it."""

    intent: Intent
    happened: tuple[Happening, ...]

    def __call__(self, connection: Connection) -> None:
        """Write it down."""
        add(connection, [(key, each) for key in keys_of(self.intent) for each in self.happened])


class Claim(Struct, frozen=True):
    """A run wants the orders of a queue; ``keys`` are their fulfillments, by order and tracking number."""

    destination: str
    run_id: str
    keys: tuple[tuple[str, str], ...]
    at: datetime

    @property
    def order_ids(self) -> tuple[str, ...]:
        """The orders, each once."""
        return tuple(dict.fromkeys(order_id for order_id, _ in self.keys))


class Release(Struct, frozen=True):
    """A run is through with orders that it has claimed."""

    destination: str
    run_id: str
    order_ids: tuple[str, ...]


Change = Start | End | Settle


_EVENTS: Final = {state: Event(state.value) for state in State}


def _as_happening(entry: Entry, event: Event) -> Happening:
    return Happening(
        entry.at, entry.run_id, event, entry.attempts, entry.code, entry.message, entry.http_status
    )


def keys_of(intent: Intent) -> list[Key]:
    """The keys of the entries of a parcel, one for each order in it."""
    return [(intent.destination, order_id, intent.tracking_number) for order_id in intent.order_ids]

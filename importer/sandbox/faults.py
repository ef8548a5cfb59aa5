"""What the sandbox does wrong on demand: a document → the fault that a request gets.

A document is a TOML file (the same as JSON at ``/faults.json``), with ``seed`` and a ``[[faults]]`` for each
fault. Its first entry that fits a request wins, and all selectors of an entry must fit. An entry is for the
PUTs and POSTs to every platform unless its ``method`` says otherwise, and counts only what it is for. The
kinds are in kinds.py.
"""

from __future__ import annotations

import difflib
import hashlib
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from importer.errors import SetupError
from importer.model import fulfillment_name
from importer.sandbox.documents import REHEARSALS, parsed, shipped
from importer.sandbox.keys import YES_OR_NO, Key, either, list_of, number, one_of, text, whole_number
from importer.sandbox.kinds import KINDS
from importer.sandbox.orders import MismatchError, member

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path

    from importer.sandbox.kinds import Plan, Usual


class Fault(Struct, frozen=True):
    """What goes wrong with a request; ``effect`` says whether its fulfillment is created all the same."""

    kind: str
    effect: bool
    own: Mapping[str, Any]

    def plan(self, usual: Usual) -> Plan:
        """What goes over the wire instead of the ``usual`` answer."""
        return KINDS[self.kind].plan(self.own, usual)


class Faults:
    """The faults of a document, and how often each was used; any number of threads may use it at once.

    ``document`` is as it was given, ``where`` names it in messages. What has a probability is drawn by the
    document's seed and the fulfillment, so that the same manifest meets the same faults in any order.
    """

    def __init__(self, document: object, where: str) -> None:
        """Check the document.

        Raises:
            SetupError: it says what it may not say.
        """
        try:
            self.document = _document(document)
            listed = enumerate(self.document.get("faults", []), start=1)
            self._entries = tuple(_entry(value, f"fault {place}") for place, value in listed)
        except MismatchError as mismatch:
            raise SetupError(f"{where}: {mismatch}") from mismatch
        self._seed: int = self.document.get("seed", 0)
        self._requests: Counter[str] = Counter()
        self._tries: Counter[tuple[str, str]] = Counter()
        self._used = [0] * len(self._entries)
        self._used_for: Counter[tuple[int, str]] = Counter()
        self._lock = threading.Lock()

    @classmethod
    def none(cls) -> Faults:
        """Nothing goes wrong."""
        return cls({"faults": []}, "no faults")

    @classmethod
    def from_file(cls, path: Path) -> Faults:
        """The faults of a TOML file.

        Raises:
            SetupError: it can't be read, is not TOML, or says what it may not say.
        """
        return cls(parsed(path, str(path)), str(path))

    def choose(self, order_ids: Collection[str], tracking_number: str, method: str = "POST") -> Fault | None:
        """The fault of the next request, which is for these orders (as text); None when all is well with it.

        What has no tracking number has the platform's id of its fulfillment instead. The first request of a
        method is number 1.
        """
        asked = _Asked(frozenset(order_ids), tracking_number, fulfillment_name(order_ids, tracking_number))
        with self._lock:
            self._requests[method] += 1
            if not self._entries:
                return None
            self._tries[method, asked.name] += 1
            for place, entry in enumerate(self._entries):
                if method in entry.methods and self._fits(place, entry, asked):
                    self._used[place] += 1
                    self._used_for[place, asked.name] += 1
                    return entry.fault
        return None

    @property
    def requests(self) -> int:
        """How many requests there were that write."""
        with self._lock:
            return sum(self._requests[method] for method in _WRITES)

    @property
    def used(self) -> list[int]:
        """How often each entry was used, in the order of the document."""
        with self._lock:
            return list(self._used)

    @property
    def words(self) -> str:
        """The document's own description, or else its kinds in their order; empty when it has no faults."""
        kinds = ", ".join(dict.fromkeys(entry.fault.kind for entry in self._entries))
        return str(self.document.get("description", kinds)) if self._entries else ""

    def _fits(self, place: int, entry: _Entry, asked: _Asked) -> bool:
        selectors = entry.selectors
        number = sum(self._requests[method] for method in entry.methods)
        if not all(fits(selectors[key], number, asked) for key, fits in _FITS.items() if key in selectors):
            return False
        by_fulfillment = selectors.get("per_fulfillment", False)
        used = self._used_for[place, asked.name] if by_fulfillment else self._used[place]
        if used >= selectors.get("times", used + 1):
            return False
        attempt = sum(self._tries[method, asked.name] for method in entry.methods)
        return "probability" not in selectors or (
            _draw(self._seed, place, asked.name, 0 if by_fulfillment else attempt) < selectors["probability"]
        )


def rehearsal(name: str) -> Faults:
    """The faults of one of the ``REHEARSALS``.

    Raises:
        SetupError: there is none of that name.
    """
    if name not in REHEARSALS:
        near = _did_you_mean(name, REHEARSALS)
        raise SetupError(f"rehearsal {name!r}: unknown; there is {', '.join(REHEARSALS)}{near}")
    return Faults(parsed(shipped(name), name), f"rehearsal {name}")


class _Asked(Struct, frozen=True):
    """What a request is for; ``name`` is ORDER/TRACKING."""

    order_ids: frozenset[str]
    tracking_number: str
    name: str


class _Entry(Struct, frozen=True):
    """A fault and the requests that get it."""

    fault: Fault
    methods: tuple[str, ...]
    selectors: Mapping[str, Any]


# --- which request -------------------------------------------------------------------------------------

_WRITES: Final = ("PUT", "POST")
_METHODS: Final = ("GET", *_WRITES)
_NUMBER: Final = whole_number(1)
_TEXT: Final = text("text")
_METHOD: Final = one_of(*_METHODS)

_SELECTORS: Final[Mapping[str, Key]] = {
    "method": either(_METHOD, list_of(_METHOD, "a list of these")),
    "requests": list_of(_NUMBER, "a list of whole numbers from 1 on"),
    "every": _NUMBER,
    "from": _NUMBER,
    "until": _NUMBER,
    "orders": list_of(either(whole_number(0), _TEXT), "a list of order ids, as numbers or text"),
    "tracking_numbers": list_of(_TEXT, "a list of texts"),
    "probability": number(0, 1, "a number"),
    "times": _NUMBER,
    "per_fulfillment": YES_OR_NO,
}

# Each is given what the document says, the number of the request among those that its entry is for, and it.
_FITS: Final[Mapping[str, Callable[[Any, int, _Asked], bool]]] = {
    "requests": lambda numbers, number, _: number in numbers,
    "every": lambda step, number, _: number % step == 0,
    "from": lambda first, number, _: number >= first,
    "until": lambda last, number, _: number <= last,
    "orders": lambda names, _, asked: not asked.order_ids.isdisjoint(map(str, names)),
    "tracking_numbers": lambda names, _, asked: asked.tracking_number in names,
}


def _draw(seed: int, place: int, name: str, attempt: int) -> float:
    """A number from 0 up to 1 that looks random and is always the same for the same arguments."""
    # A body may have held half a surrogate pair, which UTF-8 has no bytes for.
    text_of = f"{seed} {place} {attempt} {name}".encode(errors="surrogatepass")
    return int.from_bytes(hashlib.sha256(text_of).digest()[:8]) / 2**64


# --- the document --------------------------------------------------------------------------------------

_OF_THE_DOCUMENT: Final[Mapping[str, Key]] = {
    "description": _TEXT,
    "seed": whole_number(-(2**63), 2**63 - 1),
    "faults": Key(lambda value: isinstance(value, list), "a list of faults, [[faults]] in TOML"),
}


def _document(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MismatchError("the document", value, f"an object with {', '.join(_OF_THE_DOCUMENT)}")
    _check(value, _OF_THE_DOCUMENT, "")
    return value


def _entry(value: object, place: str) -> _Entry:
    if not isinstance(value, dict):
        raise MismatchError(place, value, "an object with a kind")
    name = member(value, "kind")
    if not isinstance(name, str) or name not in KINDS:
        near = _did_you_mean(name, KINDS)
        raise MismatchError(f"{place} kind", name, f"one of {', '.join(KINDS)}{near}")
    kind = KINDS[name]
    _check(value, {"kind": _TEXT, **_SELECTORS, "effect": YES_OR_NO, **kind.keys}, f"{place} ")
    _check_together(value, place)
    own = {key: value.get(key, about.default) for key, about in kind.keys.items()}
    selectors = {key: value[key] for key in _SELECTORS if key in value}
    return _Entry(Fault(name, value.get("effect", kind.effect), own), _methods(value), selectors)


def _methods(table: Mapping[str, Any]) -> tuple[str, ...]:
    listed = table.get("method", _WRITES)
    return (listed,) if isinstance(listed, str) else tuple(dict.fromkeys(listed))


def _check(table: Mapping[str, object], keys: Mapping[str, Key], place: str) -> None:
    for key, value in table.items():
        if key not in keys:
            near = _did_you_mean(key, keys) or f"; known is {', '.join(keys)}"
            raise MismatchError(f"{place}key", key, f"one that is known{near}")
        if not keys[key].fits(value):
            raise MismatchError(f"{place}{key}", value, keys[key].expected)


def _check_together(table: Mapping[str, Any], place: str) -> None:
    if "from" in table and "until" in table and table["until"] < table["from"]:
        raise MismatchError(f"{place} until", table["until"], f"{table['from']} or more, as from says")
    if table.get("per_fulfillment") and not {"times", "probability"} & table.keys():
        raise MismatchError(f"{place} per_fulfillment", True, "times or probability beside it")  # noqa: FBT003 - what was found


def _did_you_mean(found: object, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(found, list(known), n=1) if isinstance(found, str) else []
    return f"; did you mean {near[0]}?" if near else ""

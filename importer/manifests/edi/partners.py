"""What a partner's EDI means: where order, SKU and tracking number sit, units, carriers, answers.

It stands in the table ``[edi]`` of a layout; schemas/layouts/edi.toml has all its keys, and what holds where
a layout leaves one out.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from importer.errors import SetupError
from importer.manifests.edi.standards import READ
from importer.manifests.edi.values import ValuePlace
from schemas.manifest import MAX_QUANTITY

if TYPE_CHECKING:
    from collections.abc import Collection


class Places(Struct, frozen=True):
    """Where the values of one kind of transaction sit, in order of preference.

    ``order_id`` and ``tracking`` are places: ``REF*2I`` is the value that the qualifier 2I marks (for MAN
    each pair MAN01/02 and MAN04/05, for REF and N9 01/02; EDIFACT ``RFF+CN``, ``GIN+BJ``), ``W06-02`` an
    element by number (``TDT-8``: the 8th). With ``?`` behind it, it counts only where it looks like a
    tracking number of a carrier. ``sku`` are qualifiers of LIN, W12 or PIA.
    """

    order_id: tuple[str, ...]
    sku: tuple[str, ...]
    tracking: tuple[str, ...]


class Partner(Struct, frozen=True):
    """How to read one partner's transactions, and how to answer.

    ``places`` is by kind of transaction. ``units`` says how many pieces a unit of measure has (EA is 1).
    ``carriers`` turns a SCAC or the partner's own word into a carrier's name. ``order_id_pattern`` is a
    regular expression whose first group is the platform's order id, "" to take it as it is. ``answer`` is 997
    or 999 (X12), ``ta1`` says that every interchange gets one, ``accepts_unpadded`` that an ISA with unpadded
    elements is read, ``accepts_tests`` that test interchanges are posted as real ones.
    """

    places: Mapping[str, Places]
    units: Mapping[str, int]
    carriers: Mapping[str, str] = field(default_factory=dict)
    order_id_pattern: str = ""
    answer: str = "997"
    ta1: bool = False
    accepts_unpadded: bool = False
    accepts_tests: bool = True


def _empty() -> Partner:
    return Partner(dict.fromkeys(READ, Places((), (), ())), {})


def _partner(table: object, base: Partner, where: str) -> Partner:
    """What a table says of a partner; ``base`` holds where it leaves something out."""
    told = _table(table, _KEYS, where)
    given: dict[str, Any] = {
        name: judge(told[name], f"{where} {name}") for name, judge in _VALUES.items() if name in told
    }
    for name, judge in _ENTRIES.items():
        inside = _inside(where, name)
        entries = _table(told.get(name, {}), None, inside)
        own = {key.strip().upper(): judge(value, f"{inside} {key}") for key, value in entries.items()}
        given[name] = {**getattr(base, name), **own}
    places = {kind: _places(told.get(kind, {}), base.places[kind], _inside(where, kind)) for kind in READ}
    return replace(base, places=places, **given)


def _places(table: object, base: Places, where: str) -> Places:
    told = _table(table, _LISTS, where)
    return replace(base, **{name: _listed(told[name], _LISTS[name], f"{where} {name}") for name in told})


def _listed(value: object, judge: Callable[[object, str], str], where: str) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed:
        raise _refused(where, value, "a text or a list of texts")
    return tuple(judge(each, where) for each in listed)


def _table(value: object, known: Collection[str] | None, where: str) -> Mapping[str, Any]:
    """The table; ``known`` are the keys that it may have, None: any."""
    if not isinstance(value, Mapping):
        raise _refused(where, value, "a table")
    unknown = sorted(set(value) - set(value if known is None else known))
    if unknown:
        near = difflib.get_close_matches(unknown[0], known or (), n=1)
        guess = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known or ())}"
        raise SetupError(f"{where}: unknown key {unknown[0]!r}{guess}")
    return value


def _inside(where: str, name: str) -> str:
    """``[edi]`` and units: ``[edi.units]``."""
    return f"{where.removesuffix(']')}.{name}]"


def _refused(where: str, value: object, expected: str) -> SetupError:
    return SetupError(f"{where}: found {value!r}, expected {expected}")


def _pattern(value: object, where: str) -> str:
    expected = r"a regular expression with a group for the order id, such as '^PO(\d+)$'"
    if not isinstance(value, str):
        raise _refused(where, value, expected)
    try:
        groups = re.compile(value).groups
    except re.error as error:
        raise SetupError(f"{where}: found {value!r}, which is no regular expression: {error}") from error
    if value and not groups:
        raise _refused(where, value, expected)
    return value


def _answer(value: object, where: str) -> str:
    if value not in _ANSWERS:
        raise _refused(where, value, " or ".join(f'"{kind}"' for kind in _ANSWERS))
    return str(value)


def _flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise _refused(where, value, "true or false")
    return value


def _pieces(value: object, where: str) -> int:
    if type(value) is not int or not 1 <= value <= MAX_QUANTITY:
        raise _refused(where, value, f"how many pieces it has, a whole number from 1 to {MAX_QUANTITY}")
    return value


def _company(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _refused(where, value, "the name of a carrier")
    return value.strip()


def _place(value: object, where: str) -> str:
    try:
        ValuePlace.parse(str(value))
    except ValueError as error:
        raise SetupError(f"{where}: {error}") from error
    return str(value)


def _qualifier(value: object, where: str) -> str:
    if not isinstance(value, str) or not _QUALIFIER.fullmatch(value):
        raise _refused(where, value, "a qualifier such as SK or VP")
    return value


_ANSWERS: Final = ("997", "999")
_QUALIFIER: Final = re.compile("[A-Z0-9]{1,3}")
_VALUES: Final[dict[str, Callable[[object, str], str | bool]]] = {
    "order_id_pattern": _pattern,
    "answer": _answer,
    "ta1": _flag,
    "accepts_unpadded": _flag,
    "accepts_tests": _flag,
}
_ENTRIES: Final[dict[str, Callable[[object, str], str | int]]] = {"units": _pieces, "carriers": _company}
_LISTS: Final = {"order_id": _place, "sku": _qualifier, "tracking": _place}
_PARTNERS: Final = "partners"
_KEYS: Final = (*READ, *_VALUES, *_ENTRIES)


def _shipped() -> Partner:
    file = resources.files("schemas").joinpath("layouts", "edi.toml")
    return _partner(tomllib.loads(file.read_text(encoding="utf-8"))["edi"], _empty(), "edi.toml: [edi]")


DEFAULT: Final = _shipped()
"""Order of preference by facts about real files; a partner's layout changes it."""
PIECES: Final = DEFAULT.units
"""The units that are one piece."""


class Partners(Struct, frozen=True):
    """How to read and answer each partner: those with an id of their own, and all others."""

    others: Partner = DEFAULT
    by_sender: Mapping[str, Partner] = field(default_factory=dict)

    def of(self, sender: str) -> Partner:
        """The partner whose id (ISA06 or UNB 0004) this is."""
        return self.by_sender.get(sender, self.others)


def parse(table: object, where: str) -> Partners:
    """The partners that the table ``[edi]`` of a layout tells of; ``where`` names the layout.

    Raises:
        SetupError: it says what it may not say; the message has where, what was found and what was expected.
    """
    where = f"{where}: [edi]"
    told = dict(_table(table, (*_KEYS, _PARTNERS), where))
    inside = _inside(where, _PARTNERS)
    own = _table(told.pop(_PARTNERS, {}), None, inside)
    others = _partner(told, DEFAULT, where)
    return Partners(
        others, {sender.strip(): _partner(own[sender], others, _inside(inside, sender)) for sender in own}
    )


def from_json(document: Mapping[str, Any]) -> Partners:
    """The partners whose fields ``document`` has, with lists for tuples."""
    own = {sender: _restored(fields) for sender, fields in document["by_sender"].items()}
    return Partners(_restored(document["others"]), own)


def _restored(fields: Mapping[str, Any]) -> Partner:
    places = {
        kind: Places(**{name: tuple(listed) for name, listed in lists.items()})
        for kind, lists in fields["places"].items()
    }
    return Partner(**{**fields, "places": places})

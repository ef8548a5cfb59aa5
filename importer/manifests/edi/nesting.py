"""How deep each segment of a transaction stands: by HL and CPS as these say, by the loops of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from importer.manifests.edi.segments import Delimiters, Segment


class _Open(NamedTuple):
    """What began and has not ended; ``number`` is that of an HL or CPS."""

    tag: str
    rank: int
    number: str = ""


class Nesting:
    """The loops of one transaction that are open, the innermost last.

    A loop ends where one of the same rank or a lower one begins; that of a party where something comes that
    does not belong to a party.
    """

    def __init__(self, kind: str) -> None:
        self._loops = {**_ALWAYS, **_LOOPS.get(kind, {})}
        self._open: list[_Open] = []
        self._depths: dict[str, int] = {}

    def depth(self, segment: Segment, delimiters: Delimiters) -> int:
        """How many loops the next segment stands in."""
        tag = segment.elements[0]
        if tag in _NUMBERED:
            return self._enter(segment, delimiters)
        members = _MEMBERS.get(self._open[-1].tag) if self._open else None
        if members is not None and tag not in members:
            self._open.pop()
        rank = self._loops.get(tag, _ENDS.get(tag))
        if rank is not None:
            self._close(rank)
        depth = len(self._open)
        if tag in self._loops:
            self._open.append(_Open(tag, self._loops[tag]))
        return depth

    def _close(self, rank: int) -> None:
        while self._open and self._open[-1].rank >= rank:
            self._open.pop()

    def _enter(self, segment: Segment, delimiters: Delimiters) -> int:
        """An HL or CPS stands in its parent if that is open, else where the last of its level stood."""
        tag = segment.elements[0]
        number, parent, level = (_at(segment, at, delimiters) for at in (1, 2, 3))
        self._close(1)
        depths = [at for at, each in enumerate(self._open, 1) if parent and each.number == parent]
        depth = depths[-1] if depths else self._depths.get(level, len(self._open) if parent else 0)
        del self._open[depth:]
        self._depths[level] = len(self._open)
        self._open.append(_Open(tag, 0, number))
        return len(self._open) - 1


def _at(segment: Segment, element: int, delimiters: Delimiters) -> str:
    return delimiters.plain(segment.elements[element]).strip() if element < len(segment.elements) else ""


_NUMBERED: Final = frozenset({"HL", "CPS"})
_PARTY: Final = 9
# A party ends with the first segment that is none of these.
_MEMBERS: Final = {
    "N1": frozenset({"N2", "N3", "N4", "PER"}),
    "NAD": frozenset({"LOC", "CTA", "COM"}),
}
_ALWAYS: Final = {"N1": _PARTY, "NAD": _PARTY}
# Tags that begin a loop, and how far inside; HL and CPS have 0.
_LOOPS: Final[Mapping[str, Mapping[str, int]]] = {
    "945": {"LX": 0, "W12": 1},
    "997": {"AK2": 0, "AK3": 1},
    "999": {"AK2": 0, "IK3": 1},
    "824": {"OTI": 0, "TED": 1},
    "DESADV": {"PAC": 1, "LIN": 1, "PCI": 2},
    "CONTRL": {"UCF": 0, "UCM": 1, "UCS": 2},
    "APERAK": {"ERC": 0},
}
# Tags that end all loops of this rank and further inside, and begin none.
_ENDS: Final = {"CTT": 0, "W03": 0, "CNT": 0, "AK9": 0, "AK5": 1, "IK5": 1, "SE": 0, "UNT": 0}

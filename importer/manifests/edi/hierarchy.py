"""The levels of an 856: whose child each HL is, told by HL01 and HL02 whatever BSN05 claims."""

from __future__ import annotations

from array import array
from typing import Final, NamedTuple

from msgspec import Struct, field

# Element 735
SHIPMENT: Final = "S"
ITEM: Final = "I"

AND: Final = "\n"
"""Stands between the values that one level has for a place; a line break is never in an element."""
_NEXT: Final = AND + AND  # no value begins or ends with AND


class Goods(Struct):
    """A LIN with its SN1, or the SN1 alone: SN102, 03, 05 and 08 as they stand.

    ``sku`` is None without a LIN. ``cancelled`` is SLN04. ``shifted`` says which element of LIN stands where
    another belongs. ``position`` is the segment's.
    """

    position: int = 0
    sku: str | None = None
    number: str = ""
    unit: str = ""
    ordered: str = ""
    status: str = ""
    cancelled: str = ""
    shifted: str = ""


class Level(Struct, eq=False):
    """One HL with all that it inherits.

    ``values`` has a text for each place that is looked at, ``own`` a bit for each of these that stands at
    this level itself. ``count`` is 1 for the first HL. ``in_item`` says that an item is above it, ``in_line``
    that one with a LIN is, ``is_kit`` that one with a LIN is below this one, which has a LIN too. ``packs``
    are the innermost levels below an item, ``goods`` what stands at this one.
    """

    values: list[str]
    letter: str = ""
    number: str = ""
    count: int = 0
    position: int = 0
    is_item: bool = False
    in_item: bool = False
    in_line: bool = False
    is_kit: bool = False
    own: int = 0
    goods: list[Goods] = field(default_factory=list)
    packs: list[Level] = field(default_factory=list)

    @property
    def has_lin(self) -> bool:
        """Whether a LIN stands at this level."""
        return any(goods.sku is not None for goods in self.goods)

    def note(self, place: int, text: str) -> None:
        """Write down what stands at this level; it hides what stands above."""
        if not self.own:
            self.values = self.values.copy()
        bit = 1 << place
        if not self.own & bit:
            self.own |= bit
            self.values[place] = text
        elif text not in self.values[place].split(AND):
            self.values[place] += AND + text


class Problem(NamedTuple):
    """What is wrong with an HL: a key of faults.FAULTS, and the number of the element that it is about."""

    code: str
    message: str
    element: int


class Hierarchy:
    """The path from the document to the level that is being read, and in short all levels that ended.

    Levels mostly come in the order of their nesting, but a partner may list all packs before all items.
    """

    def __init__(self, places: int) -> None:
        self.path = [Level([""] * places)]
        self._known = _Known()
        self._ranks: dict[str, int] = {}

    def enter(
        self, number: str, parent: str, letter: str, position: int
    ) -> tuple[list[Level], list[Problem]]:
        """Begin a level; give the items that end here, the innermost first, and what is wrong with its HL."""
        problems: list[Problem] = []
        ended = self._go_to_parent(parent, letter, problems)
        if letter not in self._ranks:
            self._ranks[letter] = len(self._ranks)
        count, is_new = self._known.add(number)
        if not number:
            problems.append(Problem("element-missing", "HL01 is missing, expected a number", 1))
        elif not is_new:
            said = f"HL01 is {number} as in an earlier HL, expected a number of its own"
            problems.append(Problem("hl-repeated", said, 1))
        above = self.path[-1]
        level = Level(above.values, letter, number, count, position, letter == ITEM)
        level.in_item = above.is_item or above.in_item
        level.in_line = above.in_line or (above.is_item and above.has_lin)
        self.path.append(level)
        return ended, problems

    def leave(self, depth: int = 1) -> list[Level]:
        """End all levels but the first ``depth`` (the document is one); give the items among them."""
        path = self.path
        items = []
        while len(path) > depth:
            level = path.pop()
            if level.is_item:
                items.append(level)
                self._tell_those_above(level)
            elif level.in_item:
                path[-1].packs += level.packs or [level]
            else:
                self._known.keep(level)
        return items

    def _tell_those_above(self, item: Level) -> None:
        if item.in_line and item.has_lin:
            for above in self.path:
                above.is_kit = above.is_kit or (above.is_item and above.has_lin)

    def _go_to_parent(self, parent: str, letter: str, problems: list[Problem]) -> list[Level]:
        """Leave what does not hold the new level; the last of the path is then its parent."""
        if not parent:
            return self._leave_for(letter, problems)
        depth = len(self.path)
        while depth > 1 and self.path[depth - 1].number != parent:
            depth -= 1
        if depth > 1:
            return self.leave(depth)
        ended = self.leave()
        level = self._known.level(parent)
        if level:
            self.path.append(level)
        elif parent.strip("0") or not self._is_top(letter):  # some write 0 where there is none
            problems.append(Problem("hl-parent", self._unknown(parent), 2))
        return ended

    def _leave_for(self, letter: str, problems: list[Problem]) -> list[Level]:
        """Leave the levels that don't stand above such a one, by the order in which levels first came."""
        depth = 1
        if not self._is_top(letter):
            rank = self._ranks.get(letter, len(self._ranks))
            depth = next(
                (at for at in range(len(self.path), 1, -1) if self._ranks[self.path[at - 1].letter] < rank), 1
            )
            taken = f"HL {self.path[depth - 1].number}" if depth > 1 else "none"
            said = f"HL02 is empty for level {letter or '?'}, by the nesting its parent is {taken}"
            problems.append(Problem("hl-parent-missing", said, 2))
        return self.leave(depth)

    def _is_top(self, letter: str) -> bool:
        return letter == SHIPMENT or not self._ranks

    def _unknown(self, parent: str) -> str:
        if self._known.has(parent):
            return f"HL02 is {parent}, an item that ended before; expected what is in an item right behind it"
        return f"HL02 is {parent}, and no HL before has this number; expected the HL01 of an earlier one"


class _Known:
    """All levels by HL01, those that ended as text: there may be a million in one transaction.

    Items that ended, and what was in them, can hold no more: they have no text.
    """

    def __init__(self) -> None:
        self._texts = bytearray()
        self._starts = array("Q", [0])
        self._lengths = array("I", [0])
        self._odd: dict[str, int] = {}  # those that are not numbered 1, 2, 3 …
        self._are_odd: set[int] = set()

    def has(self, number: str) -> bool:
        """Tell whether an HL had this number."""
        return self._count_of(number) is not None

    def add(self, number: str) -> tuple[int, bool]:
        """Add a level; give which one it is, from 1, and whether its number is new."""
        count = len(self._starts)
        is_usual = number == str(count)
        is_new = number not in self._odd if is_usual else not self.has(number)
        self._starts.append(0)
        self._lengths.append(0)
        if not is_usual:
            self._odd[number] = count
            self._are_odd.add(count)
        return count, is_new

    def keep(self, level: Level) -> None:
        """Write a level down that ended; one that ended before has not changed since."""
        if self._lengths[level.count]:
            return
        text = _NEXT.join((level.letter, *level.values)).encode()
        self._starts[level.count] = len(self._texts)
        self._lengths[level.count] = len(text)
        self._texts += text

    def level(self, number: str) -> Level | None:
        """Give the level that ended with this number; None if there is none that can hold others."""
        count = self._count_of(number)
        if count is None or not self._lengths[count]:
            return None
        start = self._starts[count]
        text = self._texts[start : start + self._lengths[count]].decode()
        letter, *values = text.split(_NEXT)
        return Level(values, letter, number, count)

    def _count_of(self, number: str) -> int | None:
        if number in self._odd:
            return self._odd[number]
        if not number.isdecimal() or len(number) > _LONGEST_COUNT:
            return None
        count = int(number)
        is_it = 0 < count < len(self._starts) and count not in self._are_odd and str(count) == number
        return count if is_it else None


_LONGEST_COUNT: Final = 9  # digits

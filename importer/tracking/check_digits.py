"""Check digits of tracking numbers, computed for many numbers at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from msgspec import Struct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from importer.tracking.patterns import Columns, Flags

LETTERS_AND_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Check(Protocol):
    """A rule that tells whether a number's check digit is right; numbers have the form that it belongs to."""

    @property
    def after(self) -> int:
        """How many characters follow the check digit."""

    def passes(self, columns: Columns) -> Flags:
        """Tell which numbers have the right one; a column for each."""

    def expected(self, columns: Columns) -> NDArray[np.uint8]:
        """Give the right one of each number, as a byte."""


class Weighted(Struct, frozen=True):
    """A check digit: ``weights`` for the characters before it, ``digits`` by the remainder of their sum.

    The modulus is the number of ``digits``; ``after`` characters follow the check digit.
    """

    weights: tuple[int, ...]
    digits: str
    after: int = 0

    def passes(self, columns: Columns) -> Flags:
        """Tell which numbers have the right check digit."""
        right: Flags = columns[-1 - self.after] == self.expected(columns)
        return right

    def expected(self, columns: Columns) -> NDArray[np.uint8]:
        """Give the right check digit of each number."""
        place = len(columns) - self.after - 1
        summed = np.zeros(columns.shape[1], np.int16)  # at most 9 for a character, and 27 of these by 9
        for column, weight in zip(columns[place - len(self.weights) : place], self.weights, strict=True):
            summed += _values(column) * np.int16(weight)
        digits = np.frombuffer(self.digits.encode(), np.uint8)
        right: NDArray[np.uint8] = digits[summed % np.int16(len(self.digits))]
        return right


class Mod37And36(Struct, frozen=True):
    """ISO/IEC 7064 MOD 37,36: the last character checks all before it, letters and digits."""

    @property
    def after(self) -> int:
        """None follow it."""
        return 0

    def passes(self, columns: Columns) -> Flags:
        """Tell which numbers have the right check character."""
        right: Flags = columns[-1] == self.expected(columns)
        return right

    def expected(self, columns: Columns) -> NDArray[np.uint8]:
        """Give the right check character of each number."""
        rest = np.full(columns.shape[1], 36, np.int16)
        for column in columns[:-1]:
            rest += _PLACES[column]
            rest[rest > 36] -= 36  # noqa: PLR2004 - the moduli are the rule's name
            rest = (rest * 2) % np.int16(37)
        characters = np.frombuffer(LETTERS_AND_DIGITS.encode(), np.uint8)
        right: NDArray[np.uint8] = characters[(1 - rest) % 36]
        return right


def _values(column: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Give what each character counts in a sum; a letter is only ever summed in UPS's.

    There A is 2, B is 3 … H is 9, I is 0, as in UPS's "Check Digit Calculation"; OnTrac's is the same.
    """
    if column.size == 0 or column.max() <= ord("9"):
        return (column - np.uint8(ord("0"))).astype(np.int16)
    return np.where(column <= ord("9"), column - ord("0"), (column - 63) % 10).astype(np.int16)


def _places() -> NDArray[np.int16]:
    places = np.zeros(256, np.int16)
    for place, character in enumerate(LETTERS_AND_DIGITS):
        places[ord(character)] = place
    return places


_PLACES: Final = _places()
_TENS: Final = "0987654321"  # what is missing to the next ten, as GS1 has it
_REST_OF_11: Final = "01234567890"  # FedEx: the remainder, 0 for 10
_REST_OF_7: Final = "0123456"


def _alternating(first: int, second: int, count: int) -> tuple[int, ...]:
    return ((first, second) * count)[:count]


def _powers_of_ten(digits: int) -> tuple[int, ...]:
    """Weights that make the sum the whole number, modulo 7."""
    return tuple(pow(10, place, 7) for place in reversed(range(digits)))


def gs1(length: int) -> Weighted:
    """The check digit of GS1's numbers (General Specifications, 7.9.1), ``length`` digits with it."""
    from_the_right = _alternating(3, 1, length - 1)
    return Weighted(from_the_right[::-1], _TENS)


UPS: Final = Weighted(_alternating(1, 2, 15), _TENS)
ONTRAC: Final = Weighted(_alternating(1, 2, 14), _TENS)
S10: Final = Weighted((8, 6, 4, 2, 3, 5, 9, 7), "50987654321", after=2)  # 11 minus the rest, 10 → 0, 11 → 5
USPS_20_OF_22: Final = Weighted(
    _alternating(3, 1, 19), "2109876543"
)  # "91" unprinted before it: 9*3 + 1 more
SMARTPOST_20: Final = Weighted(_alternating(3, 1, 19), "1098765432")  # "92" unprinted before it: 9*3 + 2 more
FEDEX_12: Final = Weighted((3, 1, 7) * 3 + (3, 1), _REST_OF_11)
FEDEX_14: Final = Weighted((1, 7, 3) * 4 + (1,), _REST_OF_11)
FEDEX_15: Final = Weighted(_alternating(1, 3, 14), _TENS)
DHL_10: Final = Weighted(_powers_of_ten(9), _REST_OF_7)
DHL_11: Final = Weighted(_powers_of_ten(10), _REST_OF_7)
IDENTCODE: Final = Weighted(_alternating(4, 9, 11), _TENS)
GLS: Final = Weighted(_alternating(3, 1, 11), "9876543210")  # 1 more than GS1's sum
JAPAN_12: Final = Weighted(_powers_of_ten(11), _REST_OF_7)
DPD: Final = Mod37And36()

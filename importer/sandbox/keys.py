"""What the values in a faults document may be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeGuard

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable


class Key(Struct, frozen=True):
    """``fits`` says whether a value is as ``expected``; ``default`` stands where none is given."""

    fits: Callable[[object], bool]
    expected: str
    default: object = None


YES_OR_NO: Final = Key(lambda value: isinstance(value, bool), "true or false")


def whole_number(lowest: int, highest: int | None = None, default: int | None = None) -> Key:
    """A number without a fraction."""
    most = "" if highest is None else f" to {highest}"
    return Key(
        lambda value: _is_whole(value) and lowest <= value and (highest is None or value <= highest),
        f"a whole number from {lowest}{most or ' on'}",
        default,
    )


def number(lowest: float, highest: float, what: str, default: float | None = None) -> Key:
    """A number in a range, called ``what``."""
    return Key(
        lambda value: _is_number(value) and lowest <= value <= highest,
        f"{what} from {lowest:g} to {highest:g}",
        default,
    )


def text(expected: str, pattern: str = r"(?s:.*)", default: str | None = None) -> Key:
    """A text of the form ``pattern``."""
    form = re.compile(pattern)
    return Key(lambda value: isinstance(value, str) and form.fullmatch(value) is not None, expected, default)


def one_of(*words: str) -> Key:
    """One of these texts; the first is the default."""
    return Key(lambda value: value in words, " or ".join(f'"{word}"' for word in words), words[0])


def list_of(key: Key, expected: str) -> Key:
    """A list with at least one value, each as ``key`` has it."""
    return Key(lambda value: isinstance(value, list) and bool(value) and all(map(key.fits, value)), expected)


def either(first: Key, second: Key) -> Key:
    """A value as one of the two has it."""
    return Key(
        lambda value: first.fits(value) or second.fits(value), f"{first.expected} or {second.expected}"
    )


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)

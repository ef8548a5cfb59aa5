"""Text from outside, made fit for a line that a person reads."""

import unicodedata
from typing import Final

_SHOWN: Final = 100


def printable(text: str) -> str:
    """The text on one line, with what could steer a terminal written as an escape."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape").decode()
        if unicodedata.category(character)[0] == "C" or character in "\u2028\u2029"
        else " "
        for character in text
    )


def quoted(text: str) -> str:
    """What came from a file, printable, in quotes, and not endless."""
    shown = printable(text)
    return f"'{shown}'" if len(shown) <= _SHOWN else f"'{shown[:_SHOWN]}…' ({len(text)} characters)"

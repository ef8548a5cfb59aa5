"""The rules of schemas/manifest.py as plain data, made of them and nothing else, for other languages.

Patterns are RE2's there and JavaScript's (with the flags ``u`` or ``iu``) here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from schemas import cleaning
from schemas.codes import code_of
from schemas.formulas import FORMULA, PLAIN_NUMBER
from schemas.manifest import EDI_VERDICT, LINE, judged, rules

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

# What is written alike and means something else, or is not known: a class's part, and what stands alone.
# RE2's \\s is ASCII, its \\pC has no code points that are not assigned, its dot takes all but a line feed.
_IN_CLASS: Final = {r"\s": r"\t\n\f\r ", r"\pC": r"\p{Cc}\p{Cf}\p{Co}\p{Cs}", r"\pZ": r"\p{Z}"}
_ALONE: Final = {token: f"[{part}]" for token, part in _IN_CLASS.items()} | {".": r"[^\n]"}
_TOKEN: Final = re.compile(r"\\p\{\w+\}|\\p\w|\\.|\[|\]|\.")
_LAST_SPACE: Final = 0x3000


def exported(
    columns: Collection[str], *, order_id: str, takes: Collection[str] = (), optional: Collection[str] = ()
) -> dict[str, Any]:
    """What a table with these canonical ``columns`` is judged by, cell by cell, as JSON.

    The arguments are as for ``schemas.manifest.judged`` and ``rules``. ``together`` has the columns of
    which all or none are blank, and the code for one that is; ``alone`` those of which, where they are not
    blank, nothing else in the row is judged.
    """
    may_be_blank = judged(columns, takes, optional)
    found = rules([*may_be_blank], order_id=order_id)
    codes = {code: code_of(code) for tests in found.values() for code, _ in tests}
    return {
        "columns": {
            name: {
                "optional": may_be_blank[name],
                "rules": [{"code": code, **_translated(test.exported())} for code, test in tests],
            }
            for name, tests in found.items()
        },
        "together": {name: f"blank-{name}" for name in LINE}
        if all(may_be_blank.get(name) for name in LINE)
        else {},
        "alone": [name for name in found if name == EDI_VERDICT],
        "codes": {name: {"meaning": code.meaning, "hint": code.hint} for name, code in codes.items()},
        "cleaning": _cleaning(),
        "formulas": {"formula": javascript(FORMULA), "plain": javascript(PLAIN_NUMBER)},
    }


def javascript(pattern: str) -> str:
    """The pattern as JavaScript has it, for a RegExp with the flag ``u``."""
    return "".join(_tokens(pattern))


def _tokens(pattern: str) -> Iterator[str]:
    within = False
    last = 0
    for match in _TOKEN.finditer(pattern):
        yield pattern[last : match.start()]
        last = match.end()
        found = match[0]
        yield (_IN_CLASS if within else _ALONE).get(found, found)
        within = found == "[" or (within and found != "]")
    yield pattern[last:]


def _translated(test: dict[str, str | int | bool]) -> dict[str, str | int | bool]:
    return {name: javascript(value) if isinstance(value, str) else value for name, value in test.items()}


def _cleaning() -> dict[str, Any]:
    return {
        "narrowed": [*cleaning.NARROWED],
        "invisible": cleaning.INVISIBLE,
        "ascii": cleaning.ASCII,
        "wrapped": javascript(cleaning.WRAPPED),
        "round": javascript(cleaning.ROUND),
        "spaces": "".join(filter(str.isspace, map(chr, range(_LAST_SPACE + 1)))),
        "breaks": "".join(text for text in map(chr, range(_LAST_SPACE + 1)) if text.splitlines() == [""]),
    }

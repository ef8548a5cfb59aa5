"""Number formats → what they make of a number in the sheet (ECMA-376 part 1, 18.8.30 and 18.8.31).

A format is told by its code, as in ``0.00E+00``. What only groups digits or adds decimals shows the number
itself; what names something may be typed and seen in such a cell. Anything else hides it: whoever looks at
``50%`` does not see that the cell holds 0.5.
"""

from __future__ import annotations

import re
from typing import Final

PLAIN: Final = ""
"""The sheet shows the number."""
SCIENTIFIC: Final = "scientific"
"""The sheet shows it as ``1.2E+07``."""
PADDED: Final = "padded"
"""The sheet shows it with leading zeros."""
BUILT_IN: Final = {
    **dict.fromkeys((5, 6, 7, 8, 42, 44), "$#,##0"),
    9: "0%",
    10: "0.00%",
    11: "0.00E+00",
    12: "# ?/?",
    13: "# ??/??",
    48: "##0.0E+0",
}
"""The formats that need no code in the file, by number; those left out are plain, or of dates and times.

How calamine reads dates and times tells them from numbers, so that nothing is asked about their formats.
"""

_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|\[\$(?P<currency>[^\]-]*)[^\]]*\]|\[[^\]]*\]|[_*].|(?P<bare>.)',
    re.DOTALL,
)
_CONDITION = re.compile(r"\[[<>=]")
_EXPONENT = re.compile(r"[0#?.]E[+-]", re.IGNORECASE)
_DIGITS = re.compile(r"(?:[0#?]|[.,](?=[0#?])|\.$|\s)*")
_LEADING_ZEROS = re.compile(r"0{2,}(?![.0#?,])")
_AS_IT_IS = frozenset({"", "@", "general", "standard"})
_DATE = re.compile(
    r"(?:\[\$-[0-9A-Fa-f]+\])?(?:d{1,4}|m{1,4}|yy|yyyy)(?:\\?[-/., ](?:d{1,4}|m{1,4}|yy|yyyy))*"
    r"(?:\\? hh?:mm(?::ss)?(?:\\? AM/PM)?)?(?:;@)?"
)
_DATES = frozenset({14, 15, 16, 17, 22})
_OF_TIMES = re.compile("[admyhs]", re.IGNORECASE)
_TIMES = frozenset({*range(14, 23), *range(27, 37), 45, 46, 47, *range(50, 59)})  # some in East Asia only
_LONGEST = 255  # as spreadsheet programs take it


def look_of(code: str) -> str:
    """What a format makes of a number: PLAIN, SCIENTIFIC, PADDED, or the code itself where it hides it."""
    code = code[:_LONGEST]
    bare, literal = _first_form(code)
    if _EXPONENT.search(bare):
        return SCIENTIFIC
    if literal.strip() or not (bare.strip().lower() in _AS_IT_IS or _DIGITS.fullmatch(bare)):
        return code
    return PADDED if _LEADING_ZEROS.match(bare) else PLAIN


def is_date(number: int, code: str) -> bool:
    """Whether the format of that number, or of a ``code`` of its own, surely shows dates."""
    return _DATE.fullmatch(code) is not None if code else number in _DATES


def may_be_time(number: int, code: str) -> bool:
    """Whether it may show dates, times or how long something took."""
    return bool(_OF_TIMES.search(code)) and code.lower() != "general" if code else number in _TIMES


def _first_form(code: str) -> tuple[str, str]:
    """What stands for digits and what stands as it is, of positive numbers, or of all if there are ranges."""
    has_ranges = _CONDITION.search(code) is not None
    bare = literal = ""
    for token in _TOKEN.finditer(code):
        if token["bare"] == ";" and not has_ranges:
            break
        stands = token["quoted"] or token["escaped"] or token["currency"] or ""
        literal += stands
        bare += token["bare"] or " " * len(stands)
    return bare, literal

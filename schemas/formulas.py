"""Cells that a spreadsheet program would run as a formula, and the quote that keeps it from doing so.

A report puts the quote before such a cell, and reading a manifest takes it off again: one rule, told here for
both. A cell that has quotes before it already gets one more, so that taking one off always gives it back.
"""

import re
from typing import Final

# OWASP, "CSV Injection": what a cell must not begin with.
_START: Final = r"[=+\-@\t\r]"
# "-5" and "+1.50" are values to a spreadsheet program, not formulas, and people look for them as such.
_PLAIN: Final = r"[+-](?:\d+(?:[.,]\d*)?|[.,]\d+)$"

FORMULA: Final = rf"^'*{_START}"
PLAIN_NUMBER: Final = rf"^'*{_PLAIN}"
GUARDED: Final = rf"^'+{_START}"
GUARDED_NUMBER: Final = rf"^'+{_PLAIN}"

NO_RESULT: Final = "#FORMULA!"
"""What is read from a formula whose result is not in the file: a fault, as any other of a formula is."""
MARKS: Final = {
    "#DATE!": "a date",
    "#TIME!": "a time",
    "#NUMBER!": "a number of more than 15 digits",
    "#FORMAT!": "a number that the sheet shows in another form",
}
"""What a cell of a workbook is that should name something and can't, and the mark before what it shows.

The mark makes a fault of the cell wherever it is read again, until somebody writes the true text there.
"""


def unguarded(cell: str) -> str:
    """The cell without the quote that a report put before it."""
    guarded = _GUARDED.match(cell) and not _GUARDED_NUMBER.fullmatch(cell)
    return cell[1:] if guarded else cell


_GUARDED: Final = re.compile(GUARDED)
_GUARDED_NUMBER: Final = re.compile(GUARDED_NUMBER, re.ASCII)  # as pyarrow understands \d

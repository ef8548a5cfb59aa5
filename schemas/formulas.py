"""Cells that a spreadsheet program would run as a formula, and the quote that keeps it from doing so.

A report puts the quote before such a cell, and reading a manifest takes it off again: one rule, told here for
both. A cell that has quotes before it already gets one more, so that taking one off always gives it back.
"""

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

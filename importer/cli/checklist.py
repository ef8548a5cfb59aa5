"""What ``importer doctor`` prints of each thing that it has looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from importer.doctor import Verdict
from importer.printing import printable

if TYPE_CHECKING:
    from rich.console import Console

    from importer.doctor import Check

_MARKS: Final = {
    Verdict.FINE: ("✓", "green"),
    Verdict.TO_DO: ("✗", "yellow"),
    Verdict.WRONG: ("✗", "bold red"),
    Verdict.UNCHECKED: ("-", "dim"),
}


def show(console: Console, check: Check) -> None:
    """Print what was looked at, what was found, and what to do about it."""
    mark, style = _MARKS[check.verdict]
    line = Text(mark, style)
    line.append(f" {printable(check.what)}", "bold")
    line.append(f"  {_on_lines(check.found)}")
    console.print(line, soft_wrap=True)
    if check.advice:
        console.print(Text(f"    → {check.advice}", "italic"), soft_wrap=True)


def _on_lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))

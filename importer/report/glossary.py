"""What the codes of reports mean, told on a terminal or as JSON, from their one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from importer.printing import printable
from importer.report import phrases
from importer.report.terminal import put

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

_INDENT: Final = 6


def show(console: Console, names: Sequence[str]) -> None:
    """Print what each code means, what to do about it, and an example."""
    for name in names:
        head = Text("  ").append(printable(name), "bold")
        put(console, head.append(f"  {phrases.cause(name)}", "dim"), hanging=_INDENT)
        put(console, Text(f"→ {phrases.hint(name)}", "italic"), _INDENT)
        put(console, Text(f"example: {phrases.example(name)}", "dim"), _INDENT)


def as_json(names: Sequence[str]) -> list[dict[str, str]]:
    """The same as JSON objects."""
    return [
        {
            "code": name,
            "meaning": phrases.cause(name),
            "hint": phrases.hint(name),
            "example": phrases.example(name),
        }
        for name in names
    ]

"""How ``importer init`` asks, and what an answer or an option can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import click

from importer import settings
from importer.manifests import layouts
from importer.printing import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_T = TypeVar("_T")
NOBODY: Final = "none"
"""What is said of a carrier where nobody has all parcels."""


def prompted(question: str, default: str | None, judge: Callable[[str], _T]) -> _T:
    """Ask until ``judge`` takes the answer; it raises ValueError for what it can't be."""

    def value_of(text: str) -> _T:
        try:
            return judge(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    answer: _T = click.prompt(question, default=default, err=True, value_proc=value_of)
    return answer


def header_of(column: str, likely: Sequence[str], headers: Sequence[str]) -> str:
    """Ask which header a canonical column has."""
    shown = f"it may be {_listed(likely)}" if likely else f"the file has {_listed(headers)}"
    return prompted(
        f"Which column is {column} ({shown})",
        likely[0] if likely else None,
        lambda text: _judged_header(text, headers),
    )


def likely_words(column: str, likely: Sequence[str], headers: Sequence[str]) -> str:
    """What is to be said of a column that no header says for sure."""
    if likely:
        return f"no header says it for sure; it may be {_listed(likely)}"
    return f"no column looks like a {column}; the file has {_listed(headers)}"


def header_said(text: str, headers: Sequence[str], where: str) -> str:
    """The header of the file that an option means, ``where``.

    Raises:
        click.UsageError: the file has none such.
    """
    try:
        return _judged_header(text, headers)
    except ValueError as error:
        raise click.UsageError(f"{where}: {error}") from error


def carrier(text: str) -> str:
    """The carrier that an answer names, "" for nobody."""
    return "" if text.strip().lower() in {"", NOBODY} else text.strip()


def kind(text: str) -> str:
    """The kind of platform.

    Raises:
        ValueError: there is none such.
    """
    if text not in settings.KINDS:
        raise ValueError(f"found {text!r}, expected {' or '.join(settings.KINDS)}")
    return text


def destination_name(text: str) -> str:
    """What a destination is called.

    Raises:
        ValueError: it can't be called that.
    """
    if not settings.is_name(text):
        raise ValueError(f"found {text!r}, expected a name of letters, digits, '-' and '_'")
    return text


def _judged_header(text: str, headers: Sequence[str]) -> str:
    found = [header for header in headers if layouts.fold(header) == layouts.fold(text)]
    if not found:
        raise ValueError(f"found {text!r}, expected one of {', '.join(headers)}")
    return found[0]


def _listed(headers: Sequence[str]) -> str:
    return ", ".join(map(printable, headers))

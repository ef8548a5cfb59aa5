"""How ``importer init`` asks, and what an answer or an option can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import click

from importer import settings
from importer.manifests import layouts
from importer.printing import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from importer.manifests.drafting import Told

_T = TypeVar("_T")
NOBODY: Final = "none"
"""What is said of a carrier where nobody has all parcels."""


def prompted(question: str, default: str | None, judge: Callable[[str], _T]) -> _T:
    """Ask until ``judge`` takes the answer, trimmed; it raises ValueError for what it can't be."""

    def value_of(text: str) -> _T:
        try:
            return judge(text.strip())
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    answer: _T = click.prompt(question, default=default, err=True, value_proc=value_of)
    return answer


def header_of(column: str, told: Told, taken: Mapping[str, str]) -> str:
    """Ask which header a canonical column has; ``taken`` has those of other columns, by header."""
    likely = [header for header in told.open[column] if not _fault(header, told.headers, taken)]
    proposed = told.proposed.get(column)
    shown = f"it may be {_listed(likely)}" if likely else f"the file has {_listed(told.headers)}"
    return prompted(
        f"Which column is {column} ({shown})",
        proposed if proposed in likely else None,
        lambda text: _judged_header(text, told.headers, taken),
    )


def likely_words(column: str, likely: Sequence[str], headers: Sequence[str]) -> str:
    """What is to be said of a column that no header says for sure."""
    if likely:
        return f"no header says it for sure; it may be {_listed(likely)}"
    return f"no column looks like a {column}; the file has {_listed(headers)}"


def header_said(text: str, headers: Sequence[str], taken: Mapping[str, str], where: str) -> str:
    """The header of the file that an option means, ``where``; ``taken`` has those of other columns.

    Raises:
        click.UsageError: the file has none such, or two, or another column has it.
    """
    try:
        return _judged_header(text, headers, taken)
    except ValueError as error:
        raise click.UsageError(f"{where}: {error}") from error


def carrier(text: str) -> str:
    """The carrier that an answer names, "" for nobody."""
    return "" if text.lower() in {"", NOBODY} else text


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


def _judged_header(text: str, headers: Sequence[str], taken: Mapping[str, str]) -> str:
    fault = _fault(text, headers, taken)
    if fault:
        raise ValueError(f"found {text!r}, {fault}")
    return _called(text, headers)[0]


def _fault(text: str, headers: Sequence[str], taken: Mapping[str, str]) -> str:
    """Why a column can't be the one of this header, "" if it can."""
    found = _called(text, headers)
    if not found:
        return f"expected one of {_listed(headers)}"
    if len(found) > 1:
        return f"the name of {len(found)} columns; rename all but one of them in the file"
    column = taken.get(found[0])
    return f"which is {column} already; name another" if column else ""


def _called(text: str, headers: Sequence[str]) -> list[str]:
    return [header for header in headers if layouts.fold(header) == layouts.fold(text)]


def _listed(headers: Sequence[str]) -> str:
    return ", ".join(map(printable, headers))

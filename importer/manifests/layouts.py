"""Headers → canonical columns: which column of a manifest is the order id, which the SKU.

A layout is a TOML file (schemas/layouts) with ``name``, ``title``, and ``[columns]``: for each canonical
column the headers that mean it. ``[weak]`` has headers that are taken only where nothing better is there.
"""

from __future__ import annotations

import difflib
import re
import tomllib
import unicodedata
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer.errors import ManifestError, SetupError
from schemas.manifest import CANONICAL, REPORT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

GENERIC = "generic"


def fold(header: str) -> str:
    """A header without case, accents, spaces and punctuation: ``Order #`` and ``ORDER`` are one."""
    text = unicodedata.normalize("NFKD", header).casefold().translate(_STROKES)
    return "".join(character for character in text if character.isalnum())


_STROKES = str.maketrans("łøđı", "lodi")  # letters that NFKD does not take apart
_CANONICAL = {fold(name): name for name in CANONICAL}


@dataclass(frozen=True, slots=True)
class Layout:
    """How one tool or carrier names its columns; keys are folded headers, values canonical columns.

    ``weak`` gives way to ``columns``; a canonical name is stronger than both.
    """

    name: str
    columns: Mapping[str, str]
    weak: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """Which header stands for which canonical column; ``doubled`` names those that several stand for.

    ``others`` are the headers that could have stood for a column too and gave way to a stronger one.
    """

    columns: Mapping[str, int]
    doubled: Mapping[str, tuple[int, ...]]
    others: Mapping[str, tuple[int, ...]]


def load(layout: str | None) -> Layout:
    """The layout of that name or in that file; the generic one for None.

    Raises:
        SetupError: there is no such layout, or its file is not one.
    """
    path = Path(layout) if layout else None
    if path is not None and (path.suffix == ".toml" or path.is_file()):
        try:
            text = path.read_text(encoding="utf-8-sig")  # Windows editors write a BOM
        except (OSError, UnicodeDecodeError) as error:
            raise SetupError(f"--layout {layout}: can't be read: {error}") from error
        return _parse(text, str(path))
    known = {
        entry.name.removesuffix(".toml"): entry
        for entry in resources.files("schemas").joinpath("layouts").iterdir()
        if entry.name.endswith(".toml")
    }
    name = layout or GENERIC
    if name not in known:
        raise SetupError(
            f"--layout {name}: unknown; known are {', '.join(sorted(known))}, or name a .toml file"
        )
    return _parse(known[name].read_text(encoding="utf-8"), name)


def match(headers: Sequence[str], layout: Layout) -> Match:
    """Find the canonical columns among ``headers``: by exact name, then by the layout's names for them."""
    folded = [fold(header) for header in headers]
    columns: dict[str, int] = {}
    doubled: dict[str, tuple[int, ...]] = {}
    others: dict[str, tuple[int, ...]] = {}
    for names in (_CANONICAL, layout.columns, layout.weak):
        found: dict[str, list[int]] = {}
        for position, header in enumerate(folded):
            if header in names:
                found.setdefault(names[header], []).append(position)
        for column, positions in found.items():
            if column in columns:
                passed_over = [at for at in positions if folded[at] != folded[columns[column]]]
                others[column] = (*others.get(column, ()), *passed_over)
            elif column not in doubled:
                if len(positions) == 1:
                    columns[column] = positions[0]
                else:
                    doubled[column] = tuple(positions)
    return Match(columns, doubled, {column: positions for column, positions in others.items() if positions})


def is_ours(header: str) -> bool:
    """Whether the column is one that our own reports add, which is not read.

    To the letter: a carrier may have an ``Import Status`` of its own.
    """
    return header.lstrip("\ufeff").strip().lower() in REPORT_COLUMNS


def nearest(column: str, headers: Collection[str], layout: Layout) -> str | None:
    """The header that looks most like a misspelt name of the canonical ``column``, if one does.

    Not one that has the name right and more around it: a ``Return Tracking Number`` is something else.
    """
    folded = {fold(header): header for header in headers if fold(column) not in fold(header)}
    known = (*_CANONICAL.items(), *layout.columns.items(), *layout.weak.items())
    names = [name for name, meant in known if meant == column]
    scored = (
        (difflib.SequenceMatcher(None, name, header).ratio(), header) for name in names for header in folded
    )
    score, best = max(scored, default=(0.0, ""))
    return folded[best] if score >= _NEAR else None


_NEAR = 0.85  # a slip of the pen; "Qty Ordered" is further off from "Qty Shipped"


def check_columns(
    headers: Sequence[str], found: Match, needed: Sequence[str], layout: Layout, where: str
) -> None:
    """See that every needed column is there once.

    Raises:
        ManifestError: a needed column is missing, or several headers stand for one column.
    """
    named = layout.name != GENERIC
    or_else = f"or change the layout {layout.name}" if named else "or say with --layout which it is"
    for column, positions in found.doubled.items():
        names = " and ".join(f"'{headers[position]}' (column {position + 1})" for position in positions)
        raise ManifestError(
            f"{where}: {names} stand for one column, {column}; rename or delete all but one of them, "
            f"{or_else}"
        )
    missing = [column for column in needed if column not in found.columns]
    if not missing:
        return
    if _is_quoted_whole(headers, layout):
        raise ManifestError(
            f"{where}: the header is one cell, '{headers[0]}': each line stands in quotes as a whole; "
            "take these quotes off, and make two quotes inside them one, or export the manifest again"
        )
    shown = ", ".join(f"'{header}'" for header in headers if header.strip()) or "none"
    free = [header for position, header in enumerate(headers) if position not in found.columns.values()]
    guesses = [
        f"{column} (is it '{guess}'?)" if (guess := nearest(column, free, layout)) else column
        for column in missing
    ]
    raise ManifestError(
        f"{where}: no column for {', '.join(guesses)}; the headers found are {shown}; "
        f"rename the column, {or_else}"
    )


def _is_quoted_whole(headers: Sequence[str], layout: Layout) -> bool:
    """Whether the one header has others in it."""
    inside = [match(re.split(mark, headers[0]), layout) for mark in _DELIMITERS if mark in headers[0]]
    return len(headers) == 1 and any(found.columns or found.doubled for found in inside)


_DELIMITERS = ",;\t"


def _parse(text: str, where: str) -> Layout:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SetupError(f"layout {where}: not TOML: {error}") from error
    unknown = set(document) - {"name", "title", "columns", "weak"}
    if unknown:
        raise SetupError(
            f"layout {where}: unknown key {min(unknown)!r}; known are name, title, columns, weak"
        )
    name = document.get("name", where)
    if not isinstance(name, str):
        raise SetupError(f"layout {where}: name: found {name!r}, expected text")
    columns = _names(document, "columns", where)
    weak = _names(document, "weak", where)
    both = columns.keys() & weak.keys()
    if both:
        header = min(both)
        raise SetupError(
            f"layout {where}: {header!r} stands in [columns] under {columns[header]} "
            f"and in [weak] under {weak[header]}; keep one of them"
        )
    return Layout(name, columns, weak)


def _names(document: Mapping[str, Any], key: str, where: str) -> dict[str, str]:
    table = document.get(key, {})
    if not isinstance(table, dict):
        raise SetupError(f"layout {where}: {key}: found {table!r}, expected a table [{key}]")
    names: dict[str, str] = {}
    for column, headers in table.items():
        _check_canonical(column, f"layout {where}: [{key}]")
        for header in _listed(headers, f"layout {where}: [{key}] {column}"):
            name = fold(header)
            other = _CANONICAL.get(name, names.get(name, column))
            if other != column:
                raise SetupError(
                    f"layout {where}: [{key}] {header!r} is a header of {other} and of {column}; "
                    "keep one of them"
                )
            names[name] = column
    return names


def _check_canonical(column: str, where: str) -> None:
    if column in CANONICAL:
        return
    near = difflib.get_close_matches(column, CANONICAL, n=1)
    raise SetupError(
        f"{where} {column!r} is not a canonical column"
        + (f"; did you mean {near[0]!r}?" if near else f"; they are {', '.join(CANONICAL)}")
    )


def _listed(headers: object, where: str) -> list[str]:
    listed = [headers] if isinstance(headers, str) else headers
    if not isinstance(listed, list):
        raise SetupError(f"{where}: found {headers!r}, expected a header or a list of headers")
    for header in listed:
        if not isinstance(header, str) or not fold(header):
            raise SetupError(f"{where}: found {header!r}, expected a header with a letter or digit in it")
    return listed

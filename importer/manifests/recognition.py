"""Headers → the layout of the tool that wrote them, where one fits; or what has changed in one."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from importer.errors import ManifestError
from importer.manifests import layouts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from importer.manifests.layouts import Layout

_ALIKE: Final = 0.6  # "Order No" and "Order Number"; a rename keeps a word


@dataclass(frozen=True, slots=True)
class Fit:
    """A layout, and how many of the headers that it knows the file has; ``of`` is 0 where it knows none."""

    layout: Layout
    found: int
    of: int

    @property
    def words(self) -> str:
        """``7 of 7 columns``; "" for a layout that is not known by headers."""
        return f"{self.found} of {self.of} columns" if self.of else ""


def recognise(
    headers: Sequence[str],
    layout: Layout,
    needed: Sequence[str],
    where: str,
    *,
    above: str = "",
    sheet: str = "",
) -> Fit:
    """The layout to read by: ``layout``, or where it is to be detected that of one tool that fits.

    One fits when all headers are there that it must have and the ``needed`` columns are among them. Of
    several, that wins whose preamble or sheet name is there, too (``above`` is the text above the header),
    then that which knows most of the headers.

    Raises:
        ManifestError: two layouts fit equally, or the layout that was named has other headers.
    """
    if not layout.detect:
        _check_drift(headers, layout, where)
        return _fit(headers, layout)
    known = {layouts.fold(header) for header in headers}
    ranked = sorted(
        (
            (_told_by(candidate, above, sheet), fit.found, candidate.name, fit)
            for candidate in layouts.specific()
            if known.issuperset(map(layouts.fold, candidate.must)) and _reads(headers, candidate, needed)
            for fit in [_fit(headers, candidate)]
        ),
        key=lambda one: one[:3],
        reverse=True,
    )
    if len(ranked) > 1 and ranked[0][:2] == ranked[1][:2]:
        second, first = (name for _, _, name, _ in ranked[:2])
        raise ManifestError(
            f"{where}: the layouts {first} and {second} fit equally, {ranked[0][1]} columns each; "
            f"say which it is, with --layout {first} or --layout {second}"
        )
    return ranked[0][3] if ranked else _fit(headers, layout)


def _fit(headers: Sequence[str], layout: Layout) -> Fit:
    known = {layouts.fold(header) for header in (*layout.must, *layout.may)}
    return Fit(layout, len(known.intersection(map(layouts.fold, headers))), len(known))


def _reads(headers: Sequence[str], layout: Layout, needed: Sequence[str]) -> bool:
    found = layouts.match(headers, layout)
    return not found.doubled and set(needed) <= found.columns.keys() | layout.supplied


def _told_by(layout: Layout, above: str, sheet: str) -> int:
    text, name = layouts.fold(above), layouts.fold(sheet)
    return sum(layouts.fold(line) in text for line in layout.preamble) + sum(
        layouts.fold(known) == name for known in layout.sheets
    )


def _check_drift(headers: Sequence[str], layout: Layout, where: str) -> None:
    """See that a file has the headers of the layout that was named for it.

    Raises:
        ManifestError: it lacks some; the message has the difference.
    """
    found = {layouts.fold(header) for header in headers}
    missing = [header for header in layout.must if layouts.fold(header) not in found]
    if not missing:
        return
    fit = _fit(headers, layout)
    known = {*map(layouts.fold, (*layout.must, *layout.may)), *layout.columns, *layout.weak}
    new = [
        header
        for header in headers
        if header.strip() and layouts.fold(header) not in known and not layouts.is_ours(header)
    ]
    renamed = [f"'{old}' (now '{now}'?)" for old in missing if (now := _renamed(old, new))]
    parts = [f"missing are {_quoted(missing)}", f"new are {_quoted(new)}" if new else "none is new"]
    if renamed:
        parts.append(f"renamed looks {', '.join(renamed)}")
    raise ManifestError(
        f"{where}: these are not the headers of the layout {layout.name} ({fit.words}): {'; '.join(parts)}; "
        "export it as before, name the layout that it has now, or leave --layout away to have it detected"
    )


def _renamed(old: str, new: Sequence[str]) -> str | None:
    folded = layouts.fold(old)
    scored = [(difflib.SequenceMatcher(None, folded, layouts.fold(header)).ratio(), header) for header in new]
    score, header = max(scored, default=(0.0, ""))
    return header if score >= _ALIKE else None


def _quoted(headers: Sequence[str]) -> str:
    return ", ".join(f"'{header}'" for header in headers)

"""Headers → the layout of the tool that wrote them, where one fits; or what has changed in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from importer.errors import ManifestError
from importer.manifests import layouts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from importer.manifests.layouts import Layout

_LEAST: Final = 3  # two headers may be another tool's, too
_NEAR: Final = 0.7  # of the headers that a tool always writes
_MEANT: Final = {
    "order_id": "the platform's order id",
    "sku": "the SKU",
    "quantity": "the units shipped",
    "tracking_number": "the parcel's tracking number",
}
_ALIKE: Final = 0.6  # "Order No" and "Order Number"; a rename keeps a word
_COMPARED: Final = 200


class Fit(Struct, frozen=True):
    """A layout, and how many of the headers that it knows the file has; ``of`` is 0 where it knows none.

    ``is_named`` says that somebody named the layout, so that it was not told from the headers.
    """

    layout: Layout
    found: int
    of: int
    is_named: bool = False

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

    One fits when all headers are there that it must have, three or more that it knows, and the ``needed``
    columns are among them. Of several, that wins whose preamble or sheet name is there, too (``above`` is
    the text above the header), then that which knows most of the headers.

    Raises:
        ManifestError: two layouts fit equally, or the layout that was named has other headers.
    """
    if not layout.detect:
        _check_drift(headers, layout, where)
        return replace(_fit(headers, layout), is_named=True)
    known = {layouts.fold(header) for header in headers}
    ranked = sorted(
        (
            (_told_by(candidate, above, sheet), fit.found, candidate.name, fit)
            for candidate in layouts.specific()
            if known.issuperset(map(layouts.fold, candidate.must)) and _reads(headers, candidate, needed)
            for fit in [_fit(headers, candidate)]
            if fit.found >= _LEAST
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


def nearest(headers: Sequence[str], needed: Sequence[str]) -> str:
    """What to say of the layout of one tool that fits best but not wholly; "" where none is near."""
    folded = {layouts.fold(header) for header in headers}
    best: tuple[float, Layout, list[str]] | None = None
    for layout in layouts.specific():
        lacking = [header for header in layout.must if layouts.fold(header) not in folded]
        share = 1 - len(lacking) / len(layout.must)
        if share >= _NEAR and (best is None or share > best[0]):
            best = (share, layout, lacking)
    if best is None:
        return ""
    _, layout, lacking = best
    if lacking:
        fit = _fit(headers, layout)
        return (
            f"nearest layout: {layout.name}, {fit.words}, lacking {_quoted(lacking)}; rename the column, or "
            "say with --layout which it is"
        )
    found = layouts.match(headers, layout)
    missing = " and ".join(
        column for column in needed if column not in found.columns.keys() | layout.supplied
    )
    return (
        f"it looks like {layout.name} ({layout.title}), but has no {missing}; export it with the items of "
        "the orders, or add the columns to the file"
    )


def doubts(headers: Sequence[str], found: layouts.Match, layout: Layout) -> Iterator[str]:
    """What to say of columns that are taken by a name that often means something else.

    Nothing where a tool's own layout says what it means.
    """
    for column in () if layout.must else found.doubtful:
        if column in _MEANT:
            yield (
                f"{column} is taken from '{headers[found.columns[column]].strip()}', a doubtful name; "
                f"rename it if it is not {_MEANT[column]}"
            )


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
    missing = _missing(headers, layout)
    if not missing:
        return
    fit = _fit(headers, layout)
    known = {*map(layouts.fold, (*layout.must, *layout.may)), *layout.columns, *layout.weak}
    new = [
        header
        for header in headers
        if header.strip() and layouts.fold(header) not in known and not layouts.is_ours(header)
    ]
    renamed = [
        f"'{old}' (now '{now}'?)"
        for old in missing
        if (now := layouts.closest([layouts.fold(old)], new[:_COMPARED], _ALIKE))
    ]
    parts = [f"missing are {_quoted(missing)}", f"new are {_quoted(new)}" if new else "none is new"]
    if renamed:
        parts.append(f"renamed looks {', '.join(renamed)}")
    raise ManifestError(
        f"{where}: these are not the headers of the layout {layout.name} ({fit.words}): {'; '.join(parts)}; "
        "export it as before, name the layout that it has now, or leave --layout away to have it detected"
    )


def _quoted(headers: Sequence[str]) -> str:
    return ", ".join(f"'{header}'" for header in headers)


def _missing(headers: Sequence[str], layout: Layout) -> list[str]:
    """The headers that a file of the layout must have, and this one has not.

    In a report of ours they may have their canonical names: those of the run's first manifest, if it was EDI.
    """
    found = {layouts.fold(header) for header in headers}
    lacking = [header for header in layout.must if layouts.fold(header) not in found]
    if not layouts.is_report(headers):
        return lacking
    canonical = {header: layouts.fold(column) for header, column in layout.columns.items()}
    return [header for header in lacking if canonical.get(layouts.fold(header)) not in found]

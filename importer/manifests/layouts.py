"""Headers → canonical columns: which column of a manifest is the order id, which the SKU.

A layout is a TOML file (schemas/layouts) with ``name``, ``title``, and ``[columns]``: for each canonical
column the headers that mean it. ``[weak]`` has headers that are taken only where nothing better is there.
That of one carrier or tool also says in ``[know]`` how its files are known, and what they lack: see KEYS.
"""

from __future__ import annotations

import difflib
import re
import tomllib
import unicodedata
from functools import cache, lru_cache
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from importer.errors import ManifestError, SetupError
from importer.manifests.edi import partners
from importer.manifests.edi.partners import Partners
from schemas.manifest import CANONICAL, COLUMNS, MAX_QUANTITY, REPORT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from importlib.resources.abc import Traversable

GENERIC = "generic"
KEYS: Final = {
    "name": "what --layout calls it",
    "title": "the tool or carrier, and which export",
    "columns": "canonical column = the headers that mean it",
    "weak": "the same, for headers that are taken only where nothing better is there",
    "know": "how a file is known: headers (all are there), also (may be there), preamble, sheet",
    "constants": "tracking_company and tracking_company_code, for rows where the file says neither",
    "header_row": "the row that the header is always in, as a spreadsheet shows it",
    "footer": "begins: how the rows below the data begin, which are no data",
    "decimal_comma": "true where 2,0 is two",
    "quantity_default": "the quantity of each row of a file that has no column for it under any name",
    "fill_down": "columns that stand on a parcel's first row only and are blank below",
    "fill_down_within": "headers whose cells must be as in the row above for it to be filled from there",
    "void": "header = the values that say that the shipment was voided, so that nothing was shipped",
    "edi": "what a partner's EDI means: see edi.toml",
}
"""What a layout file may say."""
HEADER_SEARCHED: Final = 50
"""How many rows are looked through for the header."""
_CONSTANT: Final = ("tracking_company", "tracking_company_code")
# What only data has: numbers, dates, and four digits or more among letters.
DATA: Final = r"^\s*[.,:/+-]*\d[\d\s.,:/+-]*$|(?:\d.*){4}"
_DATA = re.compile(DATA)


@lru_cache(maxsize=16_384)
def fold(header: str) -> str:
    """A header without case, accents, spaces and punctuation: ``Order #`` and ``ORDER`` are one."""
    text = unicodedata.normalize("NFKD", header).casefold().translate(_STROKES)
    return "".join(filter(str.isalnum, text))


_STROKES = str.maketrans("łøđı", "lodi")  # letters that NFKD does not take apart
_CANONICAL = {fold(name): name for name in COLUMNS}


class Layout(Struct, frozen=True):
    """How one tool or carrier names its columns; keys are folded headers, values canonical columns.

    ``weak`` gives way to ``columns``; a canonical name is stronger than both, unless the layout is that of
    one tool, which has ``must``: all these headers are in its files, and ``may`` in some, as the tool writes
    them. ``preamble`` and ``sheets`` are texts above the header and names of sheets that tell of it, too.
    The rest is as in KEYS; ``quantity_default`` and ``header_row`` are 0 where there is none, the headers in
    ``fill_down_within`` and ``void`` and the latter's values are folded. With ``detect`` a layout of one tool
    is taken instead where one fits.
    """

    name: str
    columns: Mapping[str, str]
    weak: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    must: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    preamble: tuple[str, ...] = ()
    sheets: tuple[str, ...] = ()
    constants: Mapping[str, str] = field(default_factory=dict)
    header_row: int = 0
    footer: tuple[str, ...] = ()
    decimal_comma: bool = False
    quantity_default: int = 0
    fill_down: tuple[str, ...] = ()
    fill_down_within: tuple[str, ...] = ()
    void: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    detect: bool = False
    edi: Partners = field(default_factory=Partners)

    @property
    def supplied(self) -> frozenset[str]:
        """The canonical columns that a file of it need not have."""
        return frozenset(self.constants) | ({"quantity"} if self.quantity_default else frozenset())

    @property
    def own(self) -> frozenset[str]:
        """The headers, folded, that the tool itself writes."""
        return frozenset(map(fold, (*self.must, *self.may)))


class Match(Struct, frozen=True):
    """Which header stands for which canonical column; ``doubled`` names those that several stand for.

    ``others`` are the headers that could have stood for a column too and gave way to a stronger one;
    ``doubtful`` the columns for which there was nothing better than a weak name.
    """

    columns: Mapping[str, int]
    doubled: Mapping[str, tuple[int, ...]]
    others: Mapping[str, tuple[int, ...]]
    doubtful: tuple[str, ...] = ()


def load(layout: str | None) -> Layout:
    """The layout of that name or in that file; for None the generic one, or what is detected.

    Raises:
        SetupError: there is no such layout, or its file is not one.
    """
    if layout is None:
        return replace(_shipped(GENERIC), detect=True)
    path = Path(layout)
    if is_path(layout):
        try:
            text = path.read_text(encoding="utf-8-sig")  # Windows editors write a BOM
        except OSError as error:
            raise SetupError(f"--layout {layout}: can't be read: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise SetupError(f"--layout {layout}: can't be read: it is not UTF-8; save it as such") from error
        return _parse(text, str(path))
    return _shipped(_known(layout, "--layout "))


def is_path(layout: str) -> bool:
    """Whether what ``load`` is given is a file, and not the name of a layout."""
    return Path(layout).suffix == ".toml" or Path(layout).is_file()


@cache
def names() -> tuple[str, ...]:
    """The layouts that are known by name, in alphabetical order."""
    return tuple(sorted(_files()))


@cache
def specific() -> tuple[Layout, ...]:
    """The layouts of one tool or carrier, among which one is detected."""
    return tuple(layout for layout in map(_shipped, names()) if layout.must)


def text_of(name: str) -> str:
    """The file of a layout that is known by name.

    Raises:
        SetupError: there is no such layout.
    """
    return _files()[_known(name, "layout ")].read_text(encoding="utf-8")


def from_json(document: Mapping[str, Any]) -> Layout:
    """The layout whose fields ``document`` has, with lists for tuples."""
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in document.items()
    }
    if "void" in fields:
        fields["void"] = {header: tuple(values) for header, values in fields["void"].items()}
    if "edi" in fields:
        fields["edi"] = partners.from_json(fields["edi"])
    return Layout(**fields)


def _known(name: str, where: str) -> str:
    if name in names():
        return name
    begun = [known for known in names() if name and known.startswith(name.lower())]
    near = begun or difflib.get_close_matches(name, names(), n=1)
    guess = f"; did you mean {' or '.join(near)}?" if near else ""
    raise SetupError(f"{where}{name}: unknown{guess}; known are {', '.join(names())}, or name a .toml file")


@cache
def _files() -> Mapping[str, Traversable]:
    folder = resources.files("schemas").joinpath("layouts")
    return {
        entry.name.removesuffix(".toml"): entry for entry in folder.iterdir() if entry.name.endswith(".toml")
    }


@cache
def _shipped(name: str) -> Layout:
    return _parse(_files()[name].read_text(encoding="utf-8"), name)


def match(headers: Sequence[str], layout: Layout) -> Match:
    """Find the canonical columns among ``headers``: by exact name, then by the layout's names for them.

    What a tool's own layout says goes first: an ``Order ID`` may be the tool's and not the platform's. Where
    it finds nothing, or only what it fills in or a weak name, a column that is called as others call it is
    taken.
    """
    strong = (layout.columns, _CANONICAL) if layout.must else (_CANONICAL, layout.columns)
    folded = [fold(header) for header in headers]
    columns: dict[str, int] = {}
    doubled: dict[str, tuple[int, ...]] = {}
    others: dict[str, tuple[int, ...]] = {}
    doubtful: list[str] = []
    for known in (*strong, _spare(layout), layout.weak):
        for column, positions in _positions(folded, known).items():
            if column in columns:
                passed_over = [at for at in positions if folded[at] != folded[columns[column]]]
                others[column] = (*others.get(column, ()), *passed_over)
            elif column not in doubled:
                if len(positions) > 1:
                    doubled[column] = tuple(positions)
                    continue
                columns[column] = positions[0]
                if known is layout.weak:
                    doubtful.append(column)
    given_way = {column: positions for column, positions in others.items() if positions}
    return Match(columns, doubled, given_way, tuple(doubtful))


def _positions(folded: Sequence[str], known: Mapping[str, str]) -> dict[str, list[int]]:
    """By canonical column, where the headers stand that ``known`` has for it."""
    found: dict[str, list[int]] = {}
    for position, header in enumerate(folded):
        if header in known:
            found.setdefault(known[header], []).append(position)
    return found


def _spare(layout: Layout) -> dict[str, str]:
    """What others call the columns that the layout does not find; no header of the tool's own."""
    wanted = frozenset(CANONICAL) if layout.must else layout.supplied
    if not wanted:
        return {}
    generic = _shipped(GENERIC)
    taken = layout.own | layout.columns.keys() | layout.weak.keys()
    counted = {header: column for header, column in generic.weak.items() if column == "quantity"}
    return {
        header: column
        for header, column in {**counted, **generic.columns}.items()
        if column in wanted and header not in taken
    }


def known_names(layout: Layout) -> dict[str, str]:
    """Every folded header that means a canonical column to the layout, to the generic one, or by itself."""
    generic = _shipped(GENERIC)
    return {**generic.weak, **generic.columns, **layout.weak, **layout.columns, **_CANONICAL}


def voids(layout: Layout) -> dict[str, tuple[str, ...]]:
    """The folded headers that may say that a shipment was voided, with the folded values that say so."""
    return {**_shipped(GENERIC).void, **layout.void}


def looks_like_data(cell: str) -> bool:
    """Whether the cell is no header: a number, a date, or something with four digits or more."""
    return _DATA.search(cell) is not None


def is_ours(header: str) -> bool:
    """Whether the column is one that our own reports add, which is not read.

    To the letter: a carrier may have an ``Import Status`` of its own.
    """
    return header.lstrip("\ufeff").strip().lower() in REPORT_COLUMNS


def is_report(headers: Sequence[str]) -> bool:
    """Whether the headers are those of one of our own reports."""
    found = {header.lstrip("\ufeff").strip().lower() for header in headers}
    return {"import_source", "import_row"} <= found


def nearest(column: str, headers: Collection[str], layout: Layout) -> str | None:
    """The header that looks most like a misspelt name of the canonical ``column``, if one does.

    Not one that has the name right and more around it: a ``Return Tracking Number`` is something else. Only
    the first 200 are looked at.
    """
    some = [header for header in islice(headers, _COMPARED) if fold(column) not in fold(header)]
    known = (*_CANONICAL.items(), *layout.columns.items(), *layout.weak.items())
    return closest([name for name, meant in known if meant == column], some, _NEAR)


_COMPARED = 200
_NEAR = 0.85  # a slip of the pen; "Qty Ordered" is further off from "Qty Shipped"


def closest(names: Sequence[str], headers: Sequence[str], least: float) -> str | None:
    """The header that is most like one of the folded ``names``, if one is alike by at least ``least``."""
    best, found = 0.0, None
    for header in headers:
        folded = fold(header)
        for name in difflib.get_close_matches(folded, names, n=1, cutoff=max(least, best)):
            alike = difflib.SequenceMatcher(None, name, folded).ratio()
            if alike > best:
                best, found = alike, header
    return found


def check_columns(
    headers: Sequence[str], found: Match, needed: Sequence[str], layout: Layout, where: str, near: str = ""
) -> None:
    """See that every needed column is there once.

    ``near`` is what to say of the layout that fits best, where a column is missing.

    Raises:
        ManifestError: a needed column is missing, or several headers stand for one column.
    """
    or_else = (
        f"or change the layout {layout.name}"
        if layout.name != GENERIC
        else "or say with --layout which it is"
    )
    for column, positions in found.doubled.items():
        names = " and ".join(f"'{headers[position]}' (column {position + 1})" for position in positions)
        raise ManifestError(
            f"{where}: {names} stand for one column, {column}; rename or delete all but one of them, "
            f"{or_else}"
        )
    missing = [column for column in needed if column not in found.columns]
    if missing:
        other = _what_else(headers, found, layout)
        advice = near or f"rename the column, {or_else}"
        raise ManifestError(f"{where}: {other or _lack(headers, found, missing, layout, advice)}")


def _what_else(headers: Sequence[str], found: Match, layout: Layout) -> str:
    """What the first row is instead of a header, "" where it may be one."""
    if _is_quoted_whole(headers, layout):
        return (
            f"the header is one cell, '{headers[0]}': each line stands in quotes as a whole; "
            "take these quotes off, and make two quotes inside them one, or export the manifest again"
        )
    if found.columns:
        return ""
    filled = [header for header in headers if header.strip()]
    if len(headers) == 1 and filled:
        return (
            f"does not look like a manifest: one column of text in the first {HEADER_SEARCHED} rows; "
            "remove it, or let --quarantine take it"
        )
    return header_is_data(headers)


def header_is_data(headers: Sequence[str]) -> str:
    """What to say where half the cells of what should be the header look like data, else ""."""
    filled = [header for header in headers if header.strip()]
    if not filled or sum(map(looks_like_data, filled)) * 2 < len(filled):
        return ""
    return (
        f"the header is missing, since this row looks like data: {_shown(filled)}; put a row above it that "
        "names the columns: order_id, sku, quantity, tracking_number"
    )


def _shown(headers: Sequence[str]) -> str:
    more = f" and {len(headers) - _SHOWN:,} more" if len(headers) > _SHOWN else ""
    return ", ".join(f"'{header}'" for header in headers[:_SHOWN]) + more


_SHOWN = 40


def _lack(headers: Sequence[str], found: Match, missing: Sequence[str], layout: Layout, advice: str) -> str:
    shown = _shown([header for header in headers if header.strip()]) or "none"
    free = [header for position, header in enumerate(headers) if position not in found.columns.values()]
    guesses = [
        f"{column} (is it '{guess}'?)" if (guess := nearest(column, free, layout)) else column
        for column in missing
    ]
    searched = "" if found.columns else f"; the header was looked for in the first {HEADER_SEARCHED} rows"
    return f"no column for {', '.join(guesses)}; the headers found are {shown}; {advice}{searched}"


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
    _check_keys(document, KEYS, f"layout {where}")
    columns, weak = (_names(document, key, where) for key in ("columns", "weak"))
    both = columns.keys() & weak.keys()
    if both:
        header = min(both)
        raise SetupError(
            f"layout {where}: {header!r} stands in [columns] under {columns[header]} "
            f"and in [weak] under {weak[header]}; keep one of them"
        )
    know = _table(document, "know", ("headers", "also", "preamble", "sheet"), where)
    footer = _table(document, "footer", ("begins",), where)
    return Layout(
        name=_typed(document, "name", where, where),
        columns=columns,
        weak=weak,
        title=_typed(document, "title", "", where),
        must=know["headers"],
        may=know["also"],
        preamble=know["preamble"],
        sheets=know["sheet"],
        constants=_constants(document, where),
        header_row=_number(document, "header_row", where),
        footer=tuple(map(fold, footer["begins"])),
        decimal_comma=_typed(document, "decimal_comma", False, where),  # noqa: FBT003 - the default
        quantity_default=_number(document, "quantity_default", where),
        fill_down=_fill_down(document, where),
        fill_down_within=_within(document, where),
        void=_void(document, where),
        edi=partners.parse(document["edi"], f"layout {where}") if "edi" in document else Partners(),
    )


def _check_keys(found: Collection[str], known: Collection[str], where: str) -> None:
    unknown = set(found) - set(known)
    if unknown:
        raise SetupError(f"{where}: unknown key {min(unknown)!r}; known are {', '.join(known)}")


_Value = TypeVar("_Value", str, bool, int)
_EXPECTED: Final = {str: "text", bool: "true or false", int: "a whole number"}


def _typed(document: Mapping[str, Any], key: str, default: _Value, where: str) -> _Value:
    value: _Value = document.get(key, default)
    if type(value) is not type(default):
        raise SetupError(f"layout {where}: {key}: found {value!r}, expected {_EXPECTED[type(default)]}")
    return value


def _number(document: Mapping[str, Any], key: str, where: str) -> int:
    number = _typed(document, key, 0, where)
    if key in document and not 1 <= number <= MAX_QUANTITY:
        raise SetupError(f"layout {where}: {key}: found {number}, expected 1 to {MAX_QUANTITY}")
    return number


def _table(
    document: Mapping[str, Any], key: str, known: Sequence[str], where: str
) -> dict[str, tuple[str, ...]]:
    """The lists of texts of a table, () for those that are not there."""
    table = document.get(key, {})
    if not isinstance(table, dict):
        raise SetupError(f"layout {where}: {key}: found {table!r}, expected a table [{key}]")
    _check_keys(table, known, f"layout {where}: [{key}]")
    return {name: tuple(_listed(table.get(name, []), f"layout {where}: [{key}] {name}")) for name in known}


def _constants(document: Mapping[str, Any], where: str) -> dict[str, str]:
    table = document.get("constants", {})
    if not isinstance(table, dict):
        raise SetupError(f"layout {where}: constants: found {table!r}, expected a table [constants]")
    _check_keys(table, _CONSTANT, f"layout {where}: [constants]")
    return {column: _typed(table, column, "", where) for column in table}


def _fill_down(document: Mapping[str, Any], where: str) -> tuple[str, ...]:
    listed = _listed(document.get("fill_down", []), f"layout {where}: fill_down")
    for column in listed:
        _check_canonical(column, f"layout {where}: fill_down")
    if set(listed) & {"sku", "quantity"}:
        raise SetupError(f"layout {where}: fill_down: sku and quantity are of one row; leave them out")
    return tuple(listed)


def _within(document: Mapping[str, Any], where: str) -> tuple[str, ...]:
    listed = _listed(document.get("fill_down_within", []), f"layout {where}: fill_down_within")
    if listed and "fill_down" not in document:
        raise SetupError(f"layout {where}: fill_down_within: there is no fill_down that it could be for")
    return tuple(map(fold, listed))


def _void(document: Mapping[str, Any], where: str) -> dict[str, tuple[str, ...]]:
    table = document.get("void", {})
    if not isinstance(table, dict):
        raise SetupError(f"layout {where}: void: found {table!r}, expected a table [void]")
    return {
        fold(header): tuple(map(fold, _listed(values, f"layout {where}: [void] {header}")))
        for header, values in table.items()
    }


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

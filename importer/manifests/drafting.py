"""A layout file for a manifest that nobody has described: a draft, with its reasons as comments."""

from __future__ import annotations

import json
import re
from functools import partial
from itertools import islice
from pathlib import PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from importer import tracking
from importer.errors import ManifestError
from importer.manifests import delimited, encodings, layouts, recognition, workbook
from importer.manifests.edi import drafting as of_edi
from importer.manifests.edi.standards import standard_of
from schemas.manifest import CANONICAL, CARRIER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from importer.manifests.layouts import Match
    from importer.manifests.sources import Source

    Text: TypeAlias = pa.Array[Any]

_BLOCKS: Final = 2  # some 32 MiB tell enough
_NEEDED: Final = ("order_id", "sku", "quantity", "tracking_number")
_NOBODY: Final[Mapping[str, str]] = MappingProxyType({})
_MOST: Final = 0.8
_NEARLY_ALL: Final = 0.95
_FEW: Final = 0.5
# Letters and digits mixed or more digits than a telephone number or an EAN has; no dates, no decimals.
_LIKE_A_NUMBER: Final = r"^(?:\d{14,34}|[A-Z]{1,5}[A-Z0-9]*\d{6,}[A-Z]{0,2}|\d[A-Z][A-Z0-9]{10,30})$"
_WHOLE: Final = r"^\s*[1-9]\d{0,3}(?:[.,]00?)?\s*$"
_WITH_COMMA: Final = r"^\s*\d+,00?\s*$"


class _Column(Struct, frozen=True):
    """A column: the header, the cells that are not blank, and whether the canonical columns have it."""

    header: str
    cells: Text
    taken: bool

    def rate(self, judge: Callable[[Text], Text]) -> float:
        """Which part of its cells ``judge`` says yes to, from 0 to 1."""
        return (pc.sum(judge(self.cells)).as_py() or 0) / len(self.cells) if len(self.cells) else 0.0


class Carrier(Struct, frozen=True):
    """The carrier whose are ``count`` of a column's ``total`` tracking numbers: all, or nearly all."""

    name: str
    count: int
    total: int

    @property
    def words(self) -> str:
        """How it is known."""
        return f"no column names the carrier, and {self.count:,} of {self.total:,} numbers are {self.name}'s"


class Told(Struct, frozen=True):
    """What can be told of a file's columns.

    ``asked`` are the canonical columns that it has to have. ``found`` has the header of each one that is
    sure, of these and others; ``open`` the columns of ``asked`` that are not, each with the headers that may
    be it, the likeliest first; and ``proposed`` the likeliest, where it is likelier than all others.
    ``headers`` are all of the file, and ``is_enough`` says whether every open column can be among them.
    ``carriers`` has the headers of tracking numbers of one carrier alone, where no column names it.
    """

    asked: tuple[str, ...]
    headers: tuple[str, ...]
    found: Mapping[str, str]
    open: Mapping[str, tuple[str, ...]]
    proposed: Mapping[str, str]
    is_enough: bool
    carriers: Mapping[str, Carrier]


def tell(source: Source, asked: Sequence[str]) -> Told:
    """Which columns the file has, of a delimited file or a workbook.

    Raises:
        ManifestError: the file can't be read, or has no header or no rows to judge by.
    """
    return _tell(asked, *_judged(source))


def draft(source: Source, named: Mapping[str, str] = _NOBODY, carrier: str = "") -> str:
    """A layout file for files like ``source``, to be looked through before it is used.

    ``named`` has the headers that a person has said which canonical column they are, and ``carrier`` who
    carries all parcels of such files, as a person has said.

    Raises:
        ManifestError: the file can't be read, or has no header or no rows to judge by.
    """
    standard = standard_of(source)
    if standard is not None:
        return of_edi.draft(source, standard)
    form, found, columns = _judged(source)
    lines = [
        *(*_title(source, form), *_commas(columns, named), *_know(form)),
        *_named(form, found, columns, named),
        *_constants(_tell(_NEEDED, form, found, columns), named, carrier),
    ]
    return "\n".join(lines) + "\n"


def _tell(asked: Sequence[str], form: delimited.Form, found: Match, columns: Sequence[_Column]) -> Told:
    sure = {column: form.headers[at].strip() for column, at in found.columns.items()}
    candidates = {column: _candidates(column, form, found, columns) for column in asked if column not in sure}
    rated = {column: _rated(column, free) for column, free in candidates.items()}
    likely = {column: [one for _, one in ones] for column, ones in rated.items()}
    by_content = {column: ones[0].header.strip() for column, ones in likely.items() if _is_told(column, ones)}
    left = {
        column: _headers(likely[column] or ([] if column in _JUDGES else free))
        for column, free in candidates.items()
        if column not in by_content
    }
    is_enough = all(candidates[column] for column in left)
    proposed = {
        column: rated[column][0][1].header.strip() for column in left if _has_likeliest(rated[column])
    }
    return Told(
        tuple(asked),
        _headers(columns),
        sure | by_content,
        left,
        proposed,
        is_enough,
        _carriers(columns, found),
    )


def _headers(columns: Sequence[_Column]) -> tuple[str, ...]:
    return tuple(one.header.strip() for one in columns)


def _judged(source: Source) -> tuple[delimited.Form, Match, list[_Column]]:
    form, blocks = _opened(source)
    found = layouts.match(form.headers, layouts.load(None))
    if not found.columns and (said := layouts.header_is_data(form.headers)):
        raise ManifestError(f"{source.name}, row {form.header_row}: {said}")
    columns = _columns(form, list(islice(blocks, _BLOCKS)), found)
    if not any(len(column.cells) for column in columns):
        raise ManifestError(
            f"{source.name}: no data below row {form.header_row}, so there is nothing to judge by"
        )
    return form, found, columns


def _opened(source: Source) -> tuple[delimited.Form, Iterator[delimited.Records]]:
    kind = workbook.format_of(source)
    if kind:
        opened = workbook.survey(source, kind, layouts.load(None), _NEEDED, None)
        found = (opened.encoded, opened.form, opened.sheet)
        rows = workbook.read(source, found, workbook.Reading(frozenset(), None))
        return opened.form, (records for records, _ in rows)
    encoded = encodings.survey(source, None)
    head = delimited.head(encodings.utf8_chunks(source, encoded))
    form = delimited.detect(head, layouts.load(None), _NEEDED)
    return form, delimited.read(encodings.utf8_chunks(source, encoded), form, source.name)


def _columns(form: delimited.Form, blocks: Sequence[delimited.Records], found: Match) -> list[_Column]:
    columns = []
    for at, header in enumerate(form.headers):
        if layouts.is_ours(header) or not layouts.fold(header):
            continue
        cells = pa.chunked_array(
            [pc.utf8_trim_whitespace(block.columns[at]) for block in blocks], pa.string()
        )
        cells = cells.combine_chunks() if cells.num_chunks else pa.array([], pa.string())
        columns.append(_Column(header, cells.filter(pc.not_equal(cells, "")), at in found.columns.values()))
    return columns


def _title(source: Source, form: delimited.Form) -> Iterator[str]:
    name = re.sub(r"[^a-z0-9]+", "-", PurePath(source.name).name.partition(".")[0].lower()).strip("-")
    yield f"# A draft, made from {_quoted(PurePath(source.name).name)}: look it through, then"
    yield "# importer check MANIFEST --layout THIS-FILE"
    for line in _known_already(form):
        yield f"# {line}"
    yield ""
    yield f"name = {_quoted(name or 'mine')}"
    yield f"title = {_quoted('Where these files come from')}"
    if form.header_row > 1:
        yield f"# header_row = {form.header_row}  # if the header is always in this row"


def _known_already(form: delimited.Form) -> Iterator[str]:
    try:
        fit = recognition.recognise(form.headers, layouts.load(None), ("order_id", "tracking_number"), "")
    except ManifestError as error:
        yield str(error).removeprefix(": ")
        return
    if fit.of:
        name = fit.layout.name
        yield f"The layout {name} fits it already, {fit.words}: 'importer layouts show {name}'"


def _know(form: delimited.Form) -> Iterator[str]:
    headers = {layouts.fold(header): header for header in form.headers if not layouts.is_ours(header)}
    yield ""
    yield "[know]"
    yield "# all headers of the file; move those that are not always there to 'also = [...]'"
    yield "headers = ["
    yield from (f"    {_quoted(header.strip())}," for key, header in headers.items() if key)
    yield "]"


def _named(
    form: delimited.Form, found: Match, columns: Sequence[_Column], named: Mapping[str, str]
) -> Iterator[str]:
    yield ""
    yield "[columns]"
    for column in CANONICAL:
        header = form.headers[found.columns[column]] if column in found.columns else ""
        if column in named:
            yield "# as it was said"
            yield f"{column} = [{_quoted(named[column])}]"
        elif header and header.strip() not in named.values():
            yield from _by_header(column, header, columns)
        elif column in found.doubled or column in _NEEDED:
            yield from _by_content(column, _candidates(column, form, found, columns))


def _candidates(column: str, form: delimited.Form, found: Match, columns: Sequence[_Column]) -> list[_Column]:
    """The columns that have not another meaning; where several have a name of ``column``, those alone."""
    several = [form.headers[at] for at in found.doubled.get(column, ())]
    own = [one for one in columns if not several or one.header in several]
    return [one for one in own if not one.taken and len(one.cells)]


def _by_header(column: str, header: str, columns: Sequence[_Column]) -> Iterator[str]:
    own = next(one for one in columns if one.header == header)
    yield f"# by its header, which is a known name of {column}"
    if column in _JUDGES and own.rate(_JUDGES[column]) < _FEW:
        yield f"# but look at it: only {_percent(own, column)} {_LOOK[column]}"
    yield f"{column} = [{_quoted(header.strip())}]"


def _is_told(column: str, likely: Sequence[_Column]) -> bool:
    """Whether what is in them tells the column for sure."""
    return column == "tracking_number" and len(likely) == 1


def _by_content(column: str, free: Sequence[_Column]) -> Iterator[str]:
    """The one column that has what ``column`` has, where there is one; else what may be it, as comments.

    The likeliest stand first.
    """
    likely = _likely(column, free)
    if _is_told(column, likely):
        yield f"# by what is in it: {_percent(likely[0], column)} {_LOOK[column]}"
        yield f"{column} = [{_quoted(likely[0].header.strip())}]"
        return
    yield f"# {column}: no header says it for sure; name the column and take the # away"
    for one in likely if column in _JUDGES else ():
        yield f"# it may be {_quoted(one.header.strip())}: {_percent(one, column)} {_LOOK[column]}"
    shown = ", ".join(_quoted(one.header.strip()) for one in likely or free)
    yield f"# {column} = [{shown}]"


def _likely(column: str, free: Sequence[_Column]) -> list[_Column]:
    """Those that may have what ``column`` has, the likeliest first."""
    return [one for _, one in _rated(column, free)]


def _rated(column: str, free: Sequence[_Column]) -> list[tuple[float, _Column]]:
    """Those that may have what ``column`` has, with how likely that is, the likeliest first."""
    judge = _JUDGES.get(column)
    if judge is not None:
        fit = [one for one in free if one.rate(judge) >= _MOST]
        rated = [(float(not (column == "quantity" and _is_numbered(one))), one) for one in fit]
        return sorted(rated, key=lambda each: (-each[0], _size(each[1]) if column == "quantity" else 0.0))
    rated = [(one.rate(_PREFERRED[column]), one) for one in free if column in _PREFERRED and _is_name(one)]
    if column == "order_id":
        rated = [(rate + _distinct(one), one) for rate, one in rated if rate]
    return sorted(rated, key=lambda each: -each[0])


def _has_likeliest(rated: Sequence[tuple[float, _Column]]) -> bool:
    """Whether the first is likelier than the others, and likely at all."""
    return bool(rated) and rated[0][0] > (rated[1][0] if len(rated) > 1 else 0.0)


def _is_numbered(one: _Column) -> bool:
    """Whether its header says that its numbers name something, as customers and lines have them."""
    return _NUMBERED.search(one.header) is not None


def _size(one: _Column) -> float:
    """How large the whole numbers in it are, on average; units in a parcel are few."""
    whole = one.cells.filter(_is_whole(one.cells))
    digits = pc.replace_substring_regex(pc.utf8_trim_whitespace(whole), r"[.,]0+$", "")
    return float(pc.mean(pc.cast(digits, pa.int32())).as_py())


def _is_name(one: _Column) -> bool:
    """Whether its cells may name an order or goods: codes or numbers, and none of another kind."""
    if any(word in layouts.fold(one.header) for word in _OTHER_HEADERS):
        return False
    others = (*(_matching(pattern) for pattern in _OTHER_KINDS), _is_tracking, _is_barcode)
    return one.rate(_matching(_NAME)) >= _MOST and all(one.rate(judge) < _FEW for judge in others)


def _distinct(one: _Column) -> float:
    return float(pc.count_distinct(one.cells).as_py() / len(one.cells))


def _commas(columns: Sequence[_Column], named: Mapping[str, str]) -> Iterator[str]:
    known = [one for one in columns if one.taken or one.header.strip() in named.values()]
    for one in known:
        if one.rate(_has_comma) >= _FEW and one.rate(_is_whole) >= _MOST:
            first = one.cells.filter(_has_comma(one.cells))[0].as_py()
            yield f"# {_quoted(one.header.strip())} has numbers such as {_quoted(first)}"
            yield "decimal_comma = true"
            return


def _constants(told: Told, named: Mapping[str, str], said: str) -> Iterator[str]:
    """Who carries everything, as it was said; what the numbers tell of it is for a person to say."""
    if said:
        yield from ("", "# as it was said, for files in which no column names the carrier")
        yield from ("[constants]", f"tracking_company = {_quoted(said)}")
        return
    likely = told.carriers.get({**told.found, **named}.get("tracking_number", ""))
    if likely and named.keys().isdisjoint(CARRIER):
        yield from ("", f"# {likely.words};")
        yield "# if one carrier has all parcels of such files, take the # away:"
        yield from ("# [constants]", f"# tracking_company = {_quoted(likely.name)}")


def _carriers(columns: Sequence[_Column], found: Match) -> dict[str, Carrier]:
    """By header, whose the tracking numbers in a column are; empty where a column names the carrier."""
    if not {*found.columns, *found.doubled}.isdisjoint(CARRIER):
        return {}
    numbers = [one for one in columns if one.rate(_is_tracking) >= _MOST]
    judged = {one.header.strip(): _carrier(one) for one in numbers}
    return {header: carrier for header, carrier in judged.items() if carrier}


def _carrier(numbers: _Column) -> Carrier | None:
    carriers = tracking.judge(numbers.cells, None).carrier
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(carriers).to_pylist()}
    name = max(counts, key=lambda each: counts[each])
    if not name or counts[name] < _NEARLY_ALL * len(carriers):
        return None
    return Carrier(name, counts[name], len(carriers))


def _is_tracking(cells: Text) -> Text:
    """Numbers that are surely a carrier's, and those that look like one."""
    plain = pc.ascii_upper(pc.replace_substring_regex(cells, r"[\s-]+", ""))
    sure = pc.not_equal(tracking.judge(plain, None).carrier, "")
    return pc.or_(sure, pc.match_substring_regex(plain, _LIKE_A_NUMBER))


def _is_whole(cells: Text) -> Text:
    return pc.match_substring_regex(cells, _WHOLE)


def _has_comma(cells: Text) -> Text:
    return pc.match_substring_regex(cells, _WITH_COMMA)


def _matching(pattern: str) -> Callable[[Text], Text]:
    return partial(pc.match_substring_regex, pattern=pattern)


def _is_barcode(cells: Text) -> Text:
    """GTIN-8, 12, 13 and 14 by their check digit: weights 3 and 1 from the right (GS1 specifications)."""
    return pa.array([_has_gtin_form(cell) for cell in cells.to_pylist()], pa.bool_())


def _has_gtin_form(cell: str) -> bool:
    if not (cell.isascii() and cell.isdecimal() and len(cell) in {8, 12, 13, 14}):
        return False
    return sum(int(digit) * (1 if at % 2 == 0 else 3) for at, digit in enumerate(reversed(cell))) % 10 == 0


_NAME: Final = r"^#?[\pL\d][\pL\d_./+-]{1,39}$"
# E-mail and web addresses, dates, telephone numbers, amounts, and numbers too small to name anything.
_OTHER_KINDS: Final = (
    r"@|://",
    r"^\d{1,4}[-./]\d{1,2}(?:[-./]\d{1,4})?$",
    r"^(?:\+|00?[1-9])[\d/.-]{6,17}$",
    r"^\d+[.,]\d\d$",
    r"^\d{1,2}$",
)
_OTHER_HEADERS: Final = ("phone", "telefon", "telef", "fax", "mobil", "mail", "datum", "fecha", "plz", "zip")
_NUMBERED: Final = re.compile(
    r"(?:(?<![a-z])(?:no|num|id|code|key|pos|line|plz|zip)|nr|number|nummer|n[uú]mero|num[eé]ro|n[°º]|№|#)\W*$",
    re.IGNORECASE,
)
_PREFERRED: Final = {"order_id": _matching(r"\d{3}"), "sku": _matching(r"\pL")}
_JUDGES: Final[dict[str, Callable[[Text], Text]]] = {
    "tracking_number": _is_tracking,
    "quantity": _is_whole,
}
_LOOK: Final = {"tracking_number": "look like tracking numbers", "quantity": "are whole numbers"}


def _percent(one: _Column, column: str) -> str:
    return f"{100 * one.rate(_JUDGES[column]):.0f} % of {len(one.cells):,} cells"


def _quoted(text: str) -> str:
    """A TOML string on one line."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

"""What a tracking number tells: carrier formats, check digits.

It only ever warns, so it says nothing rather than something wrong. A form that is digits alone counts only
in rows that name its carrier, or at least no carrier unknown here; several readings of one number are all
tried, and one that is right is enough; carriers that hand parcels to a post are no contradiction to it.

``forms`` has the forms with their sources, ``check_digits`` their rules, ``carriers`` spellings and pages.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from importer.tracking import lengths
from importer.tracking.carriers import CARRIERS, CODES, NO_COMPANY, STRANGER, named, one_array
from importer.tracking.forms import FORMS, NORTH_AMERICA, Form, Trust
from importer.tracking.lengths import expected as expected_length

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from importer.tracking.carriers import Codes, Text, Texts
    from importer.tracking.patterns import Columns, Flags

    Places: TypeAlias = NDArray[np.int64]

__all__ = [
    "AMBIGUOUS",
    "CARRIERS",
    "UNKNOWN",
    "Opinion",
    "Rule",
    "bearers",
    "expected_length",
    "judge",
    "looks_like_column",
    "match_rate",
    "rules",
    "tally",
    "url",
]


class Opinion(Struct, frozen=True):
    """What is said of each tracking number, in the order of the numbers; without nulls.

    ``wrong_check_digit``: the number has the form of a carrier and fails its check digit.
    ``wrong_length``: it begins as only one carrier's numbers do, and is shorter or longer.
    ``other_carrier``: the number is surely one carrier's, and the row names another that never bears it.
    ``carrier``: whose number it surely is (a key of CARRIERS); "" if that can't be told, or if the check
    digit fails.
    """

    wrong_check_digit: pa.BooleanArray
    wrong_length: pa.BooleanArray
    other_carrier: pa.BooleanArray
    carrier: pa.StringArray


def judge(numbers: Texts, companies: Texts | None) -> Opinion:
    """Say which numbers fail their carrier's check digit and which are another carrier's than the row names.

    Args:
        numbers: Tracking numbers without white space; '' or null where unknown, of which nothing is said.
        companies: The carrier as each row names it, '' or null for none, as many as ``numbers``; None for no
            such column.
    """
    text = pc.ascii_upper(one_array(numbers))
    company = named(companies, len(text))
    wrong = np.zeros(len(text), np.bool_)
    other = np.zeros(len(text), np.bool_)
    carrier = np.zeros(len(text), np.int8)
    for rows, columns, forms in _by_length(text, _TELLING):
        wrong[rows], other[rows], carrier[rows] = _judge_alike(columns, company[rows], forms)
    return Opinion(
        wrong_check_digit=pa.array(wrong),
        wrong_length=pa.array(lengths.wrong(text, company)),
        other_carrier=pa.array(other),
        carrier=_names(carrier),
    )


class Rule(NamedTuple):
    """The check digit that a number fails: whose rule it is, which character stands there, which should.

    Each is "" where several are meant; ``carrier`` is also "" for the posts' common rule (UPU S10).
    """

    carrier: str
    found: str
    expected: str


def rules(numbers: Texts, companies: Texts | None) -> list[Rule]:
    """Give for each number with a wrong check digit the rule that it fails.

    Arguments are as for ``judge``.
    """
    text = pc.ascii_upper(one_array(numbers))
    company = named(companies, len(text))
    failed: list[set[Rule]] = [set() for _ in range(len(text))]
    for rows, columns, forms in _by_length(text, _TELLING):
        for form, fits, passes in _read(columns, _meant(forms, company[rows])):
            if form.check:
                at = np.flatnonzero(fits & ~passes & _DOUBTS[form][company[rows]])
                found, expected = columns[-1 - form.check.after, at], form.check.expected(columns[:, at])
                for row, *characters in zip(rows[at].tolist(), found, expected, strict=True):
                    failed[row].add(Rule(form.carrier, *map(chr, characters)))
    return [_in_common(some) for some in failed]


def _in_common(several: Collection[Rule]) -> Rule:
    rules = [rule for rule in several if rule.carrier] or several  # a post's own is the common one, too
    carriers, found, expected = ({rule[place] for rule in rules} for place in range(3))
    return Rule(*(one.pop() if len(one) == 1 else "" for one in (carriers, found, expected)))


def tally(numbers: Texts, companies: Texts | None) -> Counter[str]:
    """Count whose numbers these are: by carrier, AMBIGUOUS for several carriers' forms, UNKNOWN for none's.

    Of blank cells and nulls nothing is said; arguments are as for ``judge``.
    """
    text = pc.ascii_upper(one_array(numbers))
    carriers = _bearers(text, companies)
    tallied = np.bincount(carriers, minlength=STRANGER)
    counts = Counter(dict(zip(("", *CARRIERS), tallied.tolist(), strict=True)))
    open_ones = text.filter(pc.and_(pa.array(carriers == NO_COMPANY), pc.not_equal(text, "")))
    ambiguous = int(_matching(open_ones)[0].sum())
    counts |= Counter({AMBIGUOUS: ambiguous, UNKNOWN: len(open_ones) - ambiguous})
    del counts[""]
    return +counts


AMBIGUOUS: Final = "ambiguous"
UNKNOWN: Final = "unknown"


def bearers(numbers: Texts, companies: Texts | None) -> pa.StringArray:
    """Give the carrier (a key of CARRIERS) whose page follows each parcel; "" where that can't be told.

    It is the one that the row names, or a business of it, if the number has a form of its and is right; where
    the row names none, the one that the number alone tells. Arguments are as for ``judge``.
    """
    return _names(_bearers(pc.ascii_upper(one_array(numbers)), companies))


def url(carrier: str, number: str) -> str:
    """Give the public page of a parcel; "" if the carrier has none that needs the number alone."""
    return CARRIERS[carrier].url.format(number) if carrier else ""


def match_rate(texts: Texts) -> float:
    """Tell how much of a column reads as tracking numbers, from 0 to 1 of the cells that are not blank.

    A cell counts if it has a form that is only a tracking number's, or the right check digit of one. A
    number of 12 digits without meaning does in one of three cases, of other lengths in at most one of five.
    """
    matching, _ = _matching(_unspaced(texts))
    return float(matching.mean()) if len(matching) else 0.0


def looks_like_column(texts: Texts) -> bool:
    """Tell whether a column is one of tracking numbers: most cells match, and not by chance."""
    cells = _unspaced(texts).unique()
    matching, surely = _matching(cells)
    if not len(cells) or matching.mean() < _MOST:
        return False
    return bool(surely.sum() * 2 >= matching.sum()) or len(cells) >= _ENOUGH


_MOST: Final = 0.8
_ENOUGH: Final = 12  # distinct numbers: of 12 digits without meaning, one such column in 500 matches so often

_TELLING: Final = tuple(form for form in FORMS if form.check or form.trust is not Trust.WHEN_NAMED)
_MATCHING: Final = tuple(form for form in _TELLING if not (form.shared and form.trust is Trust.WHEN_NAMED))


def _unspaced(texts: Texts) -> Text:
    """Give the cells that are not blank, as judged: without white space, in capitals."""
    text = pc.replace_substring_regex(pc.ascii_upper(one_array(texts)), r"[\s\p{Z}]+", "")
    return text.filter(pc.not_equal(text, ""))


def _matching(text: Text) -> tuple[Flags, Flags]:
    """Tell which texts read as tracking numbers, and which as nothing else."""
    matching = np.zeros(len(text), np.bool_)
    surely = np.zeros(len(text), np.bool_)
    for rows, columns, forms in _by_length(text, _MATCHING):
        for form, _, passes in _read(columns, forms):
            matching[rows[passes]] = True
            if form.trust is not Trust.WHEN_NAMED:
                surely[rows[passes]] = True
    return matching, surely


def _judge_alike(columns: Columns, company: Codes, forms: Iterable[Form]) -> tuple[Flags, Flags, Codes]:
    """Judge numbers of one length by the forms of that length: wrong check digit, other carrier, carrier."""
    doubted = np.zeros(len(company), np.bool_)
    right = np.zeros(len(company), np.bool_)
    other = np.zeros(len(company), np.bool_)
    carrier = np.zeros(len(company), np.int8)
    for form, fits, passes in _read(columns, _meant(forms, company)):
        counts = _DOUBTS[form][company]
        doubted |= fits & ~passes & counts
        if form.trust is Trust.WHEN_NAMED:
            right |= passes & counts
            continue
        first = passes & ~right
        carrier[first] = CODES[form.carrier]
        other |= first & _CONTRADICTIONS[form][company]
        right |= passes
    return doubted & ~right, other, carrier


def _bearers(text: Text, companies: Texts | None) -> Codes:
    """Give the code of the carrier whose page follows each parcel, NO_COMPANY where that can't be told."""
    company = named(companies, len(text))
    carrier = np.zeros(len(text), np.int8)
    for rows, columns, forms in _by_length(text, FORMS):
        carrier[rows] = _borne_alike(columns, company[rows], forms)
    return carrier


def _meant(forms: Iterable[Form], company: Codes) -> list[Form]:
    """Leave out the forms that only count in rows that name their carrier, if none does."""
    here = np.flatnonzero(np.bincount(company, minlength=STRANGER + 1))
    return [form for form in forms if form.trust is not Trust.WHEN_NAMED or _DOUBTS[form][here].any()]


def _borne_alike(columns: Columns, company: Codes, forms: Iterable[Form]) -> Codes:
    carrier = np.zeros(len(company), np.int8)
    for form, _, passes in _read(columns, forms):
        first = passes & (carrier == NO_COMPANY) & _BORNE[form][company]
        carrier[first] = CODES[form.carrier]
    return carrier


def _read(columns: Columns, forms: Iterable[Form]) -> Iterator[tuple[Form, Flags, Flags]]:
    """Give each form that some of the numbers have, which these are, and which have the right check digit."""
    seen: dict[str, Flags] = {}
    for form in forms:
        if form.pattern.text not in seen:
            seen[form.pattern.text] = form.pattern.fits(columns)
        fits = seen[form.pattern.text]
        if not fits.any():
            continue
        passes = fits
        if form.check:
            passes = np.zeros(len(fits), np.bool_)
            passes[fits] = form.check.passes(columns if fits.all() else columns[:, fits])
        yield form, fits, passes


def _by_length(text: Text, forms: Sequence[Form]) -> Iterator[tuple[Places, Columns, list[Form]]]:
    """Give for each length that a form has: the places of the texts, their characters, the forms."""
    lengths = pc.binary_length(text).to_numpy(zero_copy_only=False)
    for length in sorted({form.pattern.length for form in forms}):
        rows = np.flatnonzero(lengths == length)
        if rows.size:
            alike = text if rows.size == len(text) else text.take(pa.array(rows))
            yield rows, _columns(alike), [form for form in forms if form.pattern.length == length]


def _columns(text: Text) -> Columns:
    """Show texts of one length as their bytes: a row for each place, a column for each text."""
    buffers: list[Any] = [*text.buffers()]  # Any - never None, as the stubs would have it
    first, last = np.frombuffer(buffers[1], np.int64)[[text.offset, text.offset + len(text)]]
    characters = np.frombuffer(buffers[2], np.uint8)[first:last].reshape(len(text), -1)
    return np.ascontiguousarray(characters.T)


def _names(carrier: Codes) -> pa.StringArray:
    return pa.array(("", *CARRIERS), pa.string()).take(pa.array(carrier))


def _doubts(form: Form) -> Flags:
    """Tell by code of the named carrier whether a wrong check digit counts."""
    counts: Mapping[Trust, Iterable[int]] = {
        Trust.BY_ITSELF: range(STRANGER + 1),
        Trust.UNLESS_STRANGE: [NO_COMPANY, *(CODES[name] for name in NORTH_AMERICA)],
        Trust.WHEN_NAMED: [CODES[name] for name in form.borne_by],
    }
    return _table(counts[form.trust])


def _contradictions(form: Form) -> Flags:
    """Tell by code of the named carrier whether it never bears numbers of this form."""
    return _table(CODES[name] for name in CARRIERS if name not in form.borne_by)


def _borne(form: Form) -> Flags:
    """Tell by code of the named carrier whether the page of the form's carrier follows the parcel."""
    codes = [CODES[form.carrier]] if form.carrier else []
    if form.trust is Trust.WHEN_NAMED:
        codes += [CODES[name] for name in form.borne_by]
    elif not form.shared:
        codes.append(NO_COMPANY)
    return _table(codes)


def _table(codes: Iterable[int]) -> Flags:
    table = np.zeros(STRANGER + 1, np.bool_)
    table[list(codes)] = True
    return table


_DOUBTS: Final = {form: _doubts(form) for form in FORMS}
_CONTRADICTIONS: Final = {form: _contradictions(form) for form in FORMS}
_BORNE: Final = {form: _borne(form) for form in FORMS}

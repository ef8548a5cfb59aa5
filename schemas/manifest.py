"""What the rows of a manifest must look like, as pandera schemas over text columns, and a report's columns.

Every column is text (pandas ArrowDtype string, '' for a blank cell, no nulls), trimmed of outer white space;
conversion comes after, in importer/rows.py. Checks stand in order of precedence: of the checks that a cell
fails, the first one names it, and its ``error`` is the code in schemas/codes.py.

Sources of the rules: "quantity … minimum of 1", "sku (string)" and "order_id (integer)" are ADM's Create a
Fulfillment; 5 to 50 letters, digits and ``-`` for a tracking number is Shoplazza's carrier detection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

import pandas as pd
import pandera.pandas as pa
import pyarrow  # noqa: ICN001 - pa is pandera here
import pyarrow.compute as pc
from pandera.api.base.checks import CheckResult
from pandera.backends.pandas.checks import PandasCheckBackend

TEXT: Final = pd.ArrowDtype(pyarrow.string())

CANONICAL: Final = (
    "order_id",
    "sku",
    "quantity",
    "tracking_number",
    "tracking_company",
    "tracking_company_code",
    "tracking_url",
    "fulfillment_id",
    "notify",
)
REPORT_COLUMNS: Final = (
    "import_source",
    "import_row",
    "import_status",
    "import_code",
    "import_message",
    "import_hint",
    "import_warning",
    "import_fulfillment",
    "import_http_status",
    "import_attempts",
    "import_at",
)

MAX_QUANTITY: Final = 1_000_000
NOTIFY: Final = {
    "yes": True,
    "y": True,
    "true": True,
    "1": True,
    "no": False,
    "n": False,
    "false": False,
    "0": False,
}
"""What may stand in the column ``notify``, in any case, and what it means."""
_MAX_ORDER_ID = str(2**63 - 1)
_MAX_CHARACTERS = 255

# What spreadsheet programs leave in a cell whose true text is gone: #N/A and other errors in the languages
# they speak, a date made of text such as APR72 likewise, scientific notation (Apache POI writes it without
# a sign), and, since they keep 15 digits, zeros past the 15th.
_ERROR_CELL = r"#(?:N/A|NV|N/D|I/T|[¡¿]?\p{Lu}{3,11}(?:/0)?[!?]|#+)|Err:5\d\d"
# "Apr-72" and "24-Apr" in English, French, Spanish, Italian, Portuguese and Dutch. Those with a capital here
# may have a small one; those without are words of other kinds with one ("Set-12", "Mars-24").
_MONTHS = (
    "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec Janv Févr Avr Mai Juin Juil Août Sept Déc Ene Abr Dic "
    "Giu Ott Fev Dez Mrt Mei Okt mars ago gen mag lug set out"
)
_GERMAN_MONTHS = "Jan Feb Mrz Mär März Apr Mai Jun Juni Jul Juli Aug Sep Sept Okt Nov Dez"
_BRAZILIAN_MONTHS = "jan fev mar abr mai jun jul ago set out nov dez"


def _any_of(months: str) -> str:
    names = (
        f"[{name[0]}{name[0].lower()}]{name[1:]}" if name[0].isupper() else name for name in months.split()
    )
    return f"(?:{'|'.join(names)})"


_MONTH, _GERMAN_MONTH, _BRAZILIAN_MONTH = map(_any_of, (_MONTHS, _GERMAN_MONTHS, _BRAZILIAN_MONTHS))
_YEAR = r"\d\d(?:\d\d)?"
_DATE_CELL = (
    rf"{_MONTH}\.?-\d\d|\d{{1,2}}-{_MONTH}\.?(?:-{_YEAR})?"
    rf"|{_GERMAN_MONTH}\.?[ -]\d\d|\d{{1,2}}\. ?{_GERMAN_MONTH}\.?(?: {_YEAR})?|\d{{1,2}}-{_GERMAN_MONTH}"
    rf"|{_BRAZILIAN_MONTH}/\d\d|\d{{1,2}}/{_BRAZILIAN_MONTH}(?:/{_YEAR})?"
)
_SCIENTIFIC = r"[+-]?\d(?:[.,]\d+[Ee](?:\+\d{1,3}|[1-9]\d{1,2})|[Ee]\+\d{1,3})"
_ROUNDED = r"[1-9]\d{14}00+(?:\.0)?"
_DAMAGED_ID = rf"{_ERROR_CELL}|{_DATE_CELL}|{_SCIENTIFIC}|{_ROUNDED}"
_DAMAGED_NUMBER = rf"{_ERROR_CELL}|{_DATE_CELL}"

_BREAKS_A_LINE = r"[\p{Cc}\p{Zl}\p{Zp}]"
_URL = r"(?i)https?://[^\pC\pZ]+"

WHITE_SPACE: Final = (
    r"[\s\v]"  # in RE2, \s lacks the vertical tab, a line break inside a cell to some databases
)
_PART = "[A-Za-z0-9-]"
_NUMBER = rf"{_PART}(?:{WHITE_SPACE}*{_PART}){{4,49}}"
_SEPARATOR = rf"{WHITE_SPACE}*[,;/|&\r\n\v][,;/|&\s\v]*"
_JOINER = rf"{WHITE_SPACE}+(?:(?:-+|and|und|et|y|e|en|i){WHITE_SPACE}+)?"
# Split by a separator into numbers, or by spaces into parts of 8 characters or more.
_SEVERAL_NUMBERS = (
    rf"{_NUMBER}(?:{_SEPARATOR}{_NUMBER})+(?:{_SEPARATOR})?|{_PART}{{8,50}}(?:{_JOINER}{_PART}{{8,50}})+"
)

Masks = Callable[["pyarrow.Array[Any]"], "pyarrow.Array[Any]"]


class Rule(pa.Check):
    """A vectorised check whose mask is read off the error instead of a list of failure cases.

    pandera takes 1.6 µs for every failure case that it collects, and rows.py needs only where they are.
    """


class _RuleBackend(PandasCheckBackend):
    """Returns the mask itself."""

    def postprocess(self, check_obj: pd.Series[str], check_output: pd.Series[bool]) -> CheckResult:
        """Say which cells passed."""
        return CheckResult(
            check_output=check_output,
            check_passed=bool(check_output.all()),
            checked_object=check_obj,
            failure_cases=None,
        )


Rule.register_backend(pd.Series, _RuleBackend)
Rule.register_backend(pd.DataFrame, _RuleBackend)  # pandera hands a column over as (frame, name)


def schema(columns: Collection[str], *, order_id: str, optional: Collection[str] = ()) -> pa.DataFrameSchema:
    """The schema for a manifest that has these canonical ``columns``.

    ``order_id`` is ``integer`` (1 to 2^63-1) or ``string`` (1 to 255 characters). Cells of the ``optional``
    columns may be blank.
    """
    rules = _RULES | {"order_id": _ORDER_ID[order_id]}
    return pa.DataFrameSchema(
        {
            name: pa.Column(TEXT, [_rule(*rule, optional=name in optional) for rule in rules[name]])
            for name in columns
            if name in rules
        }
    )


def _rule(code: str, passes: Masks, *, optional: bool) -> Rule:
    def passing(column: pd.Series[str]) -> pd.Series[bool]:
        cells = pyarrow.array(column.array)
        mask = passes(cells)
        if optional:
            mask = pc.or_(mask, pc.equal(cells, ""))
        return pd.Series(mask.to_numpy(zero_copy_only=False), index=column.index)

    return Rule(passing, error=code, ignore_na=False, name=code)


def _matches(pattern: str) -> Masks:
    return lambda cells: pc.match_substring_regex(cells, f"^(?:{pattern})$")


def _lacks(pattern: str) -> Masks:
    return lambda cells: pc.invert(pc.match_substring_regex(cells, f"^(?:{pattern})$"))


def _not_blank(cells: pyarrow.Array[Any]) -> pyarrow.Array[Any]:
    return pc.not_equal(cells, "")


def _at_most_2_63(cells: pyarrow.Array[Any]) -> pyarrow.Array[Any]:
    short = pc.match_substring_regex(cells, r"^0*[1-9]\d{0,17}(?:\.0)?$")
    if pc.all(short).as_py():
        return short
    digits = pc.replace_substring_regex(cells, r"^0*([1-9]\d{18})(?:\.0)?$", r"\1")
    long = pc.and_(
        pc.match_substring_regex(digits, r"^[1-9]\d{18}$"),
        pc.less_equal(digits, pyarrow.scalar(_MAX_ORDER_ID)),
    )
    return pc.or_(short, long)


def _plain_text(cells: pyarrow.Array[Any]) -> pyarrow.Array[Any]:
    return pc.and_not(
        pc.less_equal(pc.utf8_length(cells), _MAX_CHARACTERS),
        pc.match_substring_regex(cells, _BREAKS_A_LINE),
    )


def _one_number(cells: pyarrow.Array[Any]) -> pyarrow.Array[Any]:
    splittable = pc.match_substring_regex(cells, r"[,;/|&\s\v]")
    if not pc.any(splittable).as_py():
        return pc.invert(splittable)
    return _lacks(_SEVERAL_NUMBERS)(cells)


_ORDER_ID: Final[dict[str, list[tuple[str, Masks]]]] = {
    "integer": [
        ("blank-order-id", _not_blank),
        ("spreadsheet-damage", _lacks(_DAMAGED_ID)),
        ("bad-order-id", _at_most_2_63),
    ],
    "string": [
        ("blank-order-id", _not_blank),
        ("spreadsheet-damage", _lacks(_DAMAGED_ID)),
        ("bad-order-id", _plain_text),
    ],
}
_RULES: Final[dict[str, list[tuple[str, Masks]]]] = {
    "sku": [
        ("blank-sku", _not_blank),
        ("spreadsheet-damage", _lacks(_DAMAGED_ID)),
        ("bad-sku", _plain_text),
    ],
    "quantity": [
        ("blank-quantity", _not_blank),
        ("spreadsheet-damage", _lacks(_DAMAGED_NUMBER)),
        ("bad-quantity", _matches(r"-?\d+(?:\.0)?")),
        ("quantity-below-one", _lacks(r"-.*|0+(?:\.0)?")),
        ("quantity-too-large", _matches(r"0*(?:[1-9]\d{0,5}|1000000)(?:\.0)?")),
    ],
    "tracking_number": [
        ("blank-tracking-number", _not_blank),
        ("spreadsheet-damage", _lacks(_DAMAGED_ID)),
        ("several-tracking-numbers", _one_number),
        ("bad-tracking-number", _matches(_NUMBER)),
    ],
    "tracking_url": [("bad-tracking-url", _matches(f"(?:{_URL})?"))],
    "fulfillment_id": [
        ("blank-fulfillment-id", _not_blank),
        ("spreadsheet-damage", _lacks(_DAMAGED_ID)),
        ("bad-fulfillment-id", _plain_text),
    ],
    "notify": [("bad-notify", _matches(f"(?i)(?:{'|'.join(NOTIFY)})?"))],
}

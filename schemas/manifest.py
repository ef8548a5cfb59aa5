"""What the rows of a manifest must look like, as rules for text columns, and a report's columns.

Every column is text ('' for a blank cell, no nulls), trimmed of outer white space; conversion comes after, in
importer/rows.py. Rules stand in order of precedence: of those that a cell breaks, the first one names it, by
its code in schemas/codes.py. ``judging`` makes pandera schemas of them.

Sources of the rules: "quantity … minimum of 1", "sku (string)" and "order_id (integer)" are ADM's Create a
Fulfillment; 5 to 50 letters, digits and ``-`` for a tracking number is Shoplazza's carrier detection.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from schemas.formulas import MARKS

if TYPE_CHECKING:
    from collections.abc import Collection


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
EDI_VERDICT: Final = "edi_verdict"
"""The column that says why a line is not to be posted: EDI manifests have it, errors.csv has it again.

It is filled in where a manifest of any kind says in a column of its own that a shipment was voided.
"""
COLUMNS: Final = (*CANONICAL, EDI_VERDICT)
"""All columns that are judged."""
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

VERDICTS: Final = {
    "rejected": "transaction-rejected",
    "cancelled": "document-cancelled",
    "replaces": "document-replaced",
    "not shipped": "line-not-shipped",
    "again": "interchange-again",
    "split unknown": "split-unknown",
    "no lines": "order-without-lines",
    "shifted": "element-shifted",
}
"""How what stands in EDI_VERDICT begins, and the code for it."""

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
LINE: Final = ("sku", "quantity")
"""What a line item is told by: where lines are optional, half of one is a fault all the same."""
NAMES: Final = ("order_id", "sku", "tracking_number", "fulfillment_id")
"""The columns whose cells name something, so that every digit counts, and leading zeros do."""
CARRIER: Final = ("tracking_company", "tracking_company_code")
"""The columns that name the carrier."""
_MAX_ORDER_ID = str(2**63 - 1)
_MAX_CHARACTERS = 255
_JUDGED_IF_TAKEN = frozenset({"fulfillment_id", "notify"})

# What spreadsheet programs leave in a cell whose true text is gone: #N/A and other errors in the languages
# they speak, a date made of text such as APR72 likewise, scientific notation (Apache POI writes it without
# a sign), and, since they keep 15 digits, zeros past the 15th.
_CAPITAL = r"\p{Lu}"
_ERROR_CELL = rf"#(?:N/A|NV|N/D|I/T|[¡¿]?{_CAPITAL}{{3,11}}(?:/0)?[!?]|#+)|Err:5\d\d|(?:{'|'.join(MARKS)}) .*"
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
_URL = r"https?://[^\pC\pZ]+"

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


def _up_to(number: str) -> str:
    """The pattern of numbers of as many digits that are not greater, and of those that begin like one."""
    less = (
        rf"{number[:at]}[{int(at == 0)}-{int(digit) - 1}]\d{{{len(number) - at - 1}}}"
        for at, digit in enumerate(number)
        if int(digit) > int(at == 0)
    )
    return "|".join([*less, number])


class Test(Protocol):
    """What a rule asks of a cell, told so that others than pandera can ask it, too."""

    def __call__(self, cells: pa.Array[Any]) -> pa.Array[Any]:
        """Say of each cell whether it passes."""

    def exported(self) -> dict[str, str | int | bool]:
        """The same as plain data; patterns are RE2's."""


class Matches(Struct, frozen=True):
    """The whole cell is of the form."""

    pattern: str
    any_case: bool = False

    def __call__(self, cells: pa.Array[Any]) -> pa.Array[Any]:
        """Say of each cell whether it is."""
        return pc.match_substring_regex(cells, f"^(?:{self.pattern})$", ignore_case=self.any_case)

    def exported(self) -> dict[str, str | int | bool]:
        """The pattern of the whole cell."""
        return {"matches": f"^(?:{self.pattern})$", "any_case": self.any_case}


class Plain(Struct, frozen=True):
    """The whole cell is of the form, which is told from its bytes, many times faster than by the pattern.

    It has ``fewest`` to ``most`` of these ``characters`` (ASCII), and no zero at its end past the 15th place;
    with ``counts`` none at its beginning.
    """

    pattern: str
    characters: str
    fewest: int
    most: int
    counts: bool = False

    def __call__(self, cells: pa.Array[Any]) -> pa.Array[Any]:
        """Say of each cell whether it is."""
        _, places, text = cells.buffers()
        ends = np.frombuffer(places, np.int32)[cells.offset : cells.offset + len(cells) + 1]
        sizes = np.diff(ends)
        fine = (sizes >= self.fewest) & (sizes <= self.most)
        if not fine.any():
            return pa.array(fine)
        found = np.frombuffer(text, np.uint8)
        others = found[ends[0] : ends[-1]].tobytes().translate(_others_than(self.characters))
        strange = ends[0] + np.flatnonzero(np.frombuffer(others, np.bool_))
        fine[np.searchsorted(ends, strange, side="right") - 1] = False
        at = np.flatnonzero(fine)
        fine[at] = (sizes[at] <= _PLACES_KEPT) | (found[ends[at + 1] - 1] != _ZERO)
        if self.counts:
            fine[at] &= found[ends[at]] != _ZERO
        return pa.array(fine)

    def exported(self) -> dict[str, str | int | bool]:
        """The pattern of the whole cell."""
        return {"matches": f"^(?:{self.pattern})$"}


def _others_than(characters: str) -> bytes:
    """For each byte 0 where it stands for one of the characters, else 1."""
    return bytes(byte not in characters.encode() for byte in range(256))


_ZERO, _PLACES_KEPT = ord("0"), 15


class Lacks(Struct, frozen=True):
    """The cell is not of the form, or with ``anywhere`` has nothing of it.

    Cells that have nothing of ``telling`` are surely not, which saves looking.
    """

    pattern: str
    anywhere: bool = False
    telling: str = ""

    def __call__(self, cells: pa.Array[Any]) -> pa.Array[Any]:
        """Say of each cell whether it is not."""
        if self.telling:
            worth_it = pc.match_substring_regex(cells, self.telling)
            if not pc.any(worth_it).as_py():
                return pc.invert(worth_it)
        pattern = self._whole
        if pc.all(pc.string_is_ascii(cells)).as_py():
            pattern = pattern.replace(_CAPITAL, "[A-Z]")  # means the same there, and is ready in no time
        return pc.invert(pc.match_substring_regex(cells, pattern))

    def exported(self) -> dict[str, str | int | bool]:
        """The pattern that must not be found."""
        return {"lacks": self._whole}

    @property
    def _whole(self) -> str:
        return self.pattern if self.anywhere else f"^(?:{self.pattern})$"


class AtMost(Struct, frozen=True):
    """The cell has at most so many characters."""

    characters: int

    def __call__(self, cells: pa.Array[Any]) -> pa.Array[Any]:
        """Say of each cell whether it has."""
        return pc.less_equal(pc.utf8_length(cells), self.characters)

    def exported(self) -> dict[str, str | int | bool]:
        """The number of characters."""
        return {"at_most": self.characters}


class NotBlank(Struct, frozen=True):
    """There is something in the cell."""

    def __call__(self, cells: pa.Array[Any]) -> pa.Array[Any]:
        """Say of each cell whether there is."""
        return pc.not_equal(cells, "")

    def exported(self) -> dict[str, str | int | bool]:
        """The pattern of a blank cell, which must not be found."""
        return {"lacks": "^$"}


def judged(columns: Collection[str], takes: Collection[str], optional: Collection[str]) -> dict[str, bool]:
    """Which of a manifest's canonical ``columns`` are judged, and whether their cells may be blank.

    ``takes`` names the further columns that the destination makes something of, ``optional`` those that it
    can do without.
    """
    # where there is a tracking number, the fulfillment can be looked up
    blank = {*optional, *(["fulfillment_id"] if "tracking_number" in columns else [])}
    return {name: name in blank for name in columns if name in takes or name not in _JUDGED_IF_TAKEN}


def rules(columns: Collection[str], *, order_id: str) -> dict[str, list[tuple[str, Test]]]:
    """Code and test of each rule of these canonical ``columns``, in order of precedence.

    ``order_id`` is ``integer`` (1 to 2^63-1) or ``string`` (1 to 255 characters).
    """
    known = _RULES | {"order_id": _ORDER_ID[order_id]}
    return {name: known[name] for name in columns if name in known}


def usual(name: str, *, order_id: str) -> Test:
    """What is asked of a column's cells before its rules: a cell that passes breaks none of them.

    Nearly all cells pass, so that the rules need to judge only the rows with others; ``order_id`` is as for
    ``rules``.
    """
    return _USUAL_INTEGER if name == "order_id" and order_id == "integer" else _USUAL[name]


def _plain_text(code: str) -> list[tuple[str, Test]]:
    return [(code, AtMost(_MAX_CHARACTERS)), (code, Lacks(_BREAKS_A_LINE, anywhere=True))]


_UNDAMAGED: Final = ("spreadsheet-damage", Lacks(_DAMAGED_ID))
_ORDER_ID: Final[dict[str, list[tuple[str, Test]]]] = {
    "integer": [
        ("blank-order-id", NotBlank()),
        _UNDAMAGED,
        ("bad-order-id", Matches(rf"0*(?:[1-9]\d{{0,17}}|{_up_to(_MAX_ORDER_ID)})(?:\.0)?")),
    ],
    "string": [("blank-order-id", NotBlank()), _UNDAMAGED, *_plain_text("bad-order-id")],
}
_RULES: Final[dict[str, list[tuple[str, Test]]]] = {
    "sku": [("blank-sku", NotBlank()), _UNDAMAGED, *_plain_text("bad-sku")],
    "quantity": [
        ("blank-quantity", NotBlank()),
        ("spreadsheet-damage", Lacks(_DAMAGED_NUMBER)),
        ("unit-of-measure", Lacks(r"\d+(?:\.\d+)? [A-Z][A-Z0-9]{0,2}")),
        ("bad-quantity", Matches(r"-?\d+(?:\.0)?")),
        ("quantity-below-one", Lacks(r"-.*|0+(?:\.0)?")),
        ("quantity-too-large", Matches(r"0*(?:[1-9]\d{0,5}|1000000)(?:\.0)?")),
    ],
    "tracking_number": [
        ("blank-tracking-number", NotBlank()),
        _UNDAMAGED,
        ("several-tracking-numbers", Lacks(_SEVERAL_NUMBERS, telling=r"[,;/|&\s\v]")),
        ("bad-tracking-number", Matches(_NUMBER)),
    ],
    "tracking_url": [("bad-tracking-url", Matches(f"(?:{_URL})?", any_case=True))],
    "fulfillment_id": [("blank-fulfillment-id", NotBlank()), _UNDAMAGED, *_plain_text("bad-fulfillment-id")],
    "notify": [("bad-notify", Matches(f"(?:{'|'.join(NOTIFY)})?", any_case=True))],
    EDI_VERDICT: [
        *((code, Lacks(f"^{begins}", anywhere=True)) for begins, code in VERDICTS.items()),
        ("transaction-rejected", Matches("")),
    ],
}
# Capitals, digits and signs that no damaged cell has together; and no zeros at the end past the 15th place.
_CAPITALS = string.ascii_uppercase + string.digits
_USUAL_TEXT = Plain(r"[A-Z0-9_-]{1,15}|[A-Z0-9_-]{0,49}[A-Z1-9_-]", f"{_CAPITALS}_-", 1, 50)
_USUAL_INTEGER = Plain(r"[1-9]\d{0,13}", string.digits, 1, 14, counts=True)
_BLANK = Matches("")
_USUAL: Final[dict[str, Test]] = {
    "order_id": _USUAL_TEXT,
    "sku": _USUAL_TEXT,
    "quantity": Plain(r"[1-9]\d{0,5}", string.digits, 1, 6, counts=True),
    "tracking_number": Plain(r"[A-Z0-9-]{5,15}|[A-Z0-9-]{4,49}[A-Z1-9-]", f"{_CAPITALS}-", 5, 50),
    "tracking_url": _BLANK,
    "fulfillment_id": _USUAL_TEXT,
    "notify": _BLANK,
    EDI_VERDICT: _BLANK,
}

"""What a tracking number tells: carrier formats, check digits.

It only ever warns, so it says nothing rather than something wrong. A form that is digits alone counts only
in rows that name its carrier, or at least no carrier unknown here; several readings of one number are all
tried, and one that is right is enough; carriers that hand parcels to a post are no contradiction to it.

Sources: UPU S10 (international post); "Barcode, Package, Intelligent Mail" (USPS2000508) and Publication 109,
2-8.5, of USPS; for the others, the collected facts and numbers of https://github.com/jkeen/tracking_number_data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Texts: TypeAlias = pa.Array[Any] | pa.ChunkedArray[Any]  # Any - string or large_string, both are taken
    Text: TypeAlias = pa.LargeStringArray
    Flags: TypeAlias = NDArray[np.bool_]
    Codes: TypeAlias = NDArray[np.int8]  # of a carrier: its place in CARRIERS counted from 1


@dataclass(frozen=True, slots=True)
class Opinion:
    """What is said of each tracking number, in the order of the numbers; without nulls.

    ``wrong_check_digit``: the number has the form of a carrier and fails its check digit.
    ``other_carrier``: the number is surely one carrier's, and the row names another that never bears it.
    ``carrier``: whose number it surely is (a key of CARRIERS); "" if that can't be told, or if the check
    digit fails.
    """

    wrong_check_digit: pa.BooleanArray
    other_carrier: pa.BooleanArray
    carrier: pa.StringArray


CARRIERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "UPS": ("ups", "unitedparcelservice", "unitedparcelserviceups", "upsn"),
        "UPS Mail Innovations": ("upsmailinnovations", "mailinnovations", "upsmi"),
        "UPS SurePost": ("upssurepost", "surepost", "upsgroundsaver"),
        "USPS": (
            "usps",
            "uspostalservice",
            "uspostal",
            "uspost",
            "usmail",
            "unitedstatespostalservice",
            "unitedstatespostalserviceusps",
        ),
        "FedEx": ("fedex", "federalexpress", "fdeg", "fdxe"),
        "FedEx SmartPost": ("fedexsmartpost", "smartpost", "fedexgroundeconomy"),
        "DHL": ("dhl",),
        "DHL Express": ("dhlexpress", "dhlworldwideexpress"),
        "DHL eCommerce": ("dhlecommerce", "dhlecommercesolutions", "dhlglobalmail", "dhlsmartmail"),
        "Pitney Bowes": ("pitneybowes", "newgistics"),
        "Canada Post": ("canadapost", "postescanada", "canadapostpostescanada"),
        "Royal Mail": ("royalmail",),
        "Amazon": ("amazon", "amazoncom", "amazonmcf", "amazonfba"),
        "Amazon Logistics": ("amazonlogistics", "amazonlogisticsuk", "amazonshipping", "amzl", "amzlus"),
    }
)
"""Carrier → its spellings in ``tracking_company`` cells, folded to letters and digits without case.

A service may follow a spelling ("UPS Next Day Air"). "DHL" and "Amazon" alone leave open which of their
businesses, or of the carriers they use, is meant.
"""


def judge(numbers: Texts, companies: Texts | None) -> Opinion:
    """Say which numbers fail their carrier's check digit and which are another carrier's than the row names.

    Args:
        numbers: Tracking numbers without white space; '' or null where unknown, of which nothing is said.
        companies: The carrier as each row names it, '' or null for none, as many as ``numbers``; None for no
            such column.
    """
    text = pc.ascii_upper(_one_array(numbers))
    named = _named(companies, len(text))
    wrong = np.zeros(len(text), np.bool_)
    other = np.zeros(len(text), np.bool_)
    carrier = np.zeros(len(text), np.int8)
    lengths = pc.binary_length(text).to_numpy(zero_copy_only=False)
    for length, forms in _FORMS_BY_LENGTH.items():
        rows = np.flatnonzero(lengths == length)
        if rows.size:
            alike = text.take(rows)
            wrong[rows], other[rows], carrier[rows] = _judge_alike(alike, named[rows], forms)
    return Opinion(
        wrong_check_digit=pa.array(wrong),
        other_carrier=pa.array(other),
        carrier=pa.array(("", *CARRIERS), pa.string()).take(carrier),
    )


@dataclass(frozen=True, slots=True)
class _Check:
    """A check digit: ``weights`` for the characters before it, ``digits`` by the remainder of their sum.

    The modulus is the number of ``digits``; ``after`` characters follow the check digit.
    """

    weights: tuple[int, ...]
    digits: str
    after: int = 0

    def passes(self, characters: NDArray[np.uint8]) -> Flags:
        """Tell which rows of a matrix of ASCII characters have the right check digit."""
        place = characters.shape[1] - self.after - 1
        values = _VALUES[characters[:, place - len(self.weights) : place]]
        summed = values @ np.array(self.weights, np.int32)
        expected = np.frombuffer(self.digits.encode(), np.uint8)
        right: Flags = characters[:, place] == expected[summed % len(self.digits)]
        return right


def _values() -> NDArray[np.int32]:
    """Give what each character counts in a sum; a letter is only ever summed in UPS's."""
    values = np.zeros(256, np.int32)
    for character in range(ord("0"), ord("9") + 1):
        values[character] = character - ord("0")
    for character in range(ord("A"), ord("Z") + 1):
        values[character] = (character - 63) % 10  # UPS: A is 2, B is 3 … H is 9, I is 0
    return values


_VALUES: Final = _values()
_TENS: Final = "0987654321"  # what is missing to the next ten, as GS1 has it

_UPS = _Check((1, 2) * 7 + (1,), _TENS)
_S10 = _Check((8, 6, 4, 2, 3, 5, 9, 7), "50987654321", after=2)  # 11 minus the remainder, 10 → 0, 11 → 5
_IMPB_22 = _Check((3, 1) * 10 + (3,), _TENS)
_IMPB_26 = _Check((3, 1) * 12 + (3,), _TENS)
_USPS_20 = _Check((3, 1) * 9 + (3,), _TENS)
_USPS_20_OF_22 = _Check((3, 1) * 9 + (3,), "2109876543")  # "91" stands unprinted before it: 9*3 + 1 more
_FEDEX_12 = _Check((3, 1, 7) * 3 + (3, 1), "01234567890")
_FEDEX_14 = _Check((1, 7, 3) * 4 + (1,), "01234567890")
_FEDEX_15 = _Check((1, 3) * 7, _TENS)
_DHL_10 = _Check((2, 3, 1, 5, 4, 6, 2, 3, 1), "0123456")  # nine digits modulo 7: powers of ten modulo 7
_CANADA_16 = _Check((3, 1) * 7 + (3,), _TENS)


class _Trust(StrEnum):
    """When a number of a form that fails the check digit is called wrong."""

    BY_ITSELF = "whatever the row names"
    UNLESS_STRANGE = "unless the row names a carrier unknown here, whose numbers may look the same"
    WHEN_NAMED = "only if the row names a carrier that bears such numbers; else it says nothing at all"


@dataclass(frozen=True, slots=True)
class _Form:
    """One form of tracking numbers.

    ``carrier`` is whose numbers these are, "" if common to many. ``borne_by`` are the carriers whose parcels
    bear them rightly. ``check`` is None where there is no check digit.
    """

    carrier: str
    pattern: str
    lengths: tuple[int, ...]
    check: _Check | None
    trust: _Trust
    borne_by: frozenset[str]


_ANY: Final = frozenset(CARRIERS)
_OF_UPS: Final = frozenset({"UPS", "UPS SurePost", "UPS Mail Innovations", "Pitney Bowes", "Amazon"})
_OF_USPS: Final = frozenset(
    {
        "USPS",
        "UPS SurePost",
        "UPS Mail Innovations",
        "FedEx SmartPost",
        "DHL",
        "DHL eCommerce",
        "Pitney Bowes",
        "Amazon",
    }
)
_OF_AMAZON: Final = frozenset({"Amazon", "Amazon Logistics"})
_FEDEX: Final = frozenset({"FedEx"})

_COUNTRIES = (  # ISO 3166-1
    "AD|AE|AF|AG|AI|AL|AM|AO|AQ|AR|AS|AT|AU|AW|AX|AZ|BA|BB|BD|BE|BF|BG|BH|BI|BJ|BL|BM|BN|BO|BQ|BR|BS|BT|BV|BW|BY"
    "|BZ|CA|CC|CD|CF|CG|CH|CI|CK|CL|CM|CN|CO|CR|CU|CV|CW|CX|CY|CZ|DE|DJ|DK|DM|DO|DZ|EC|EE|EG|EH|ER|ES|ET|FI|FJ|FK"
    "|FM|FO|FR|GA|GB|GD|GE|GF|GG|GH|GI|GL|GM|GN|GP|GQ|GR|GS|GT|GU|GW|GY|HK|HM|HN|HR|HT|HU|ID|IE|IL|IM|IN|IO|IQ|IR"
    "|IS|IT|JE|JM|JO|JP|KE|KG|KH|KI|KM|KN|KP|KR|KW|KY|KZ|LA|LB|LC|LI|LK|LR|LS|LT|LU|LV|LY|MA|MC|MD|ME|MF|MG|MH|MK"
    "|ML|MM|MN|MO|MP|MQ|MR|MS|MT|MU|MV|MW|MX|MY|MZ|NA|NC|NE|NF|NG|NI|NL|NO|NP|NR|NU|NZ|OM|PA|PE|PF|PG|PH|PK|PL|PM"
    "|PN|PR|PS|PT|PW|PY|QA|RE|RO|RS|RU|RW|SA|SB|SC|SD|SE|SG|SH|SI|SJ|SK|SL|SM|SN|SO|SR|SS|ST|SV|SX|SY|SZ|TC|TD|TF"
    "|TG|TH|TJ|TK|TL|TM|TN|TO|TR|TT|TV|TW|TZ|UA|UG|UM|US|UY|UZ|VA|VC|VE|VG|VI|VN|VU|WF|WS|YE|YT|ZA|ZM|ZW"
)
_SERVICES = "(?:[BCDEHLMNPRUVZ][A-Z]|A[V-Z]|G[AD]|Q[A-M])"  # the service indicators that S10 has assigned
_ROUTED = r"(?:420\d{5}(?:\d{4})?)?"  # a scanner reads the ZIP Code (5 or 9 digits) with the number

_ALONE, _UNLESS, _NAMED = _Trust.BY_ITSELF, _Trust.UNLESS_STRANGE, _Trust.WHEN_NAMED

# Channels 91 to 93 of the Intelligent Mail package barcode are for commercial mailers, among them the
# services of UPS, FedEx, DHL and Amazon that end with USPS: no named carrier contradicts them. 94 and 95 are
# USPS's own, online and at the counter. UPS services that begin with Y (YW is SurePost) end with USPS.
_FORMS: Final = (
    _Form("UPS", r"1Z[0-9A-Z]{6}[0-9A-XZ][0-9A-Z]{8}\d", (18,), _UPS, _ALONE, _OF_UPS),
    _Form("UPS", r"1Z[0-9A-Z]{6}Y[0-9A-Z]{8}\d", (18,), _UPS, _ALONE, _OF_UPS | {"USPS"}),
    _Form("USPS", rf"{_SERVICES}\d{{9}}US", (13,), _S10, _ALONE, _ANY),
    _Form("Canada Post", rf"{_SERVICES}\d{{9}}CA", (13,), _S10, _ALONE, _ANY),
    _Form("Royal Mail", rf"{_SERVICES}\d{{9}}GB", (13,), _S10, _ALONE, _ANY),
    _Form("", rf"{_SERVICES}\d{{9}}(?:{_COUNTRIES})", (13,), _S10, _ALONE, _ANY),
    _Form("USPS", rf"{_ROUTED}9[1-3]\d{{20}}", (22, 30, 34), _IMPB_22, _UNLESS, _ANY),
    _Form("USPS", rf"{_ROUTED}9[23]\d{{24}}", (26, 34, 38), _IMPB_26, _UNLESS, _ANY),
    _Form("USPS", rf"{_ROUTED}9[45]\d{{20}}", (22, 30, 34), _IMPB_22, _UNLESS, _OF_USPS),
    _Form("USPS", r"(?:03|7[137]|81)\d{18}", (20,), _USPS_20, _NAMED, frozenset({"USPS"})),
    _Form("USPS", r"(?:03|7[137]|81)\d{18}", (20,), _USPS_20_OF_22, _NAMED, frozenset({"USPS"})),
    _Form("FedEx", r"\d{12}", (12,), _FEDEX_12, _NAMED, _FEDEX),
    _Form("FedEx", r"\d{15}", (15,), _FEDEX_15, _NAMED, _FEDEX),
    _Form("FedEx", r"96\d{20}", (22,), _FEDEX_15, _NAMED, _FEDEX),
    _Form("FedEx", r"96\d{32}|100\d{31}", (34,), _FEDEX_14, _NAMED, _FEDEX),
    _Form("DHL Express", r"\d{10}", (10,), _DHL_10, _NAMED, frozenset({"DHL", "DHL Express"})),
    _Form("Canada Post", r"\d{16}", (16,), _CANADA_16, _NAMED, frozenset({"Canada Post"})),
    _Form("Amazon Logistics", r"TB[ACM]\d{12}", (15,), None, _ALONE, _OF_AMAZON),
)
_FORMS_BY_LENGTH: Final = {
    length: tuple(form for form in _FORMS if length in form.lengths)
    for length in sorted({length for form in _FORMS for length in form.lengths})
}

_NO_COMPANY: Final = 0
_STRANGER: Final = len(CARRIERS) + 1
_CODES: Final = {"": _NO_COMPANY} | {name: code for code, name in enumerate(CARRIERS, start=1)}


def _one_array(texts: Texts) -> Text:
    """Give the texts in one piece, '' for null."""
    whole = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    return whole.cast(pa.large_string()).fill_null("")


def _judge_alike(text: Text, named: Codes, forms: tuple[_Form, ...]) -> tuple[Flags, Flags, Codes]:
    """Judge numbers of one length by the forms of that length: wrong check digit, other carrier, carrier."""
    characters = _matrix(text)
    doubted = np.zeros(len(text), np.bool_)
    right = np.zeros(len(text), np.bool_)
    other = np.zeros(len(text), np.bool_)
    carrier = np.zeros(len(text), np.int8)
    for form in forms:
        fits = _matches(text, form.pattern)
        passes = fits & form.check.passes(characters) if form.check else fits
        doubted |= fits & ~passes & _doubts(form)[named]
        if form.trust is not _Trust.WHEN_NAMED:
            first = passes & ~right
            carrier[first] = _CODES[form.carrier]
            other |= first & _contradictions(form)[named]
        right |= passes
    return doubted & ~right, other, carrier


def _matrix(text: Text) -> NDArray[np.uint8]:
    """Show texts of one length as a matrix of their bytes, a row for each."""
    buffers: list[Any] = [*text.buffers()]  # Any - never None, as the stubs would have it
    first, last = np.frombuffer(buffers[1], np.int64)[[text.offset, text.offset + len(text)]]
    characters: NDArray[np.uint8] = np.frombuffer(buffers[2], np.uint8)[first:last].reshape(len(text), -1)
    return characters


def _matches(text: Text, pattern: str) -> Flags:
    matches: Flags = pc.match_substring_regex(text, pattern=f"^(?:{pattern})$").to_numpy(zero_copy_only=False)
    return matches


def _doubts(form: _Form) -> Flags:
    """Tell by code of the named carrier whether a wrong check digit counts."""
    counts = {
        _Trust.BY_ITSELF: range(_STRANGER + 1),
        _Trust.UNLESS_STRANGE: range(_STRANGER),
        _Trust.WHEN_NAMED: [_CODES[name] for name in form.borne_by],
    }
    return _table(counts[form.trust])


def _contradictions(form: _Form) -> Flags:
    """Tell by code of the named carrier whether it never bears numbers of this form."""
    return _table([_CODES[name] for name in CARRIERS if name not in form.borne_by])


def _table(codes: Sequence[int]) -> Flags:
    table = np.zeros(_STRANGER + 1, np.bool_)
    table[list(codes)] = True
    return table


def _named(companies: Texts | None, count: int) -> Codes:
    """Give the code of the carrier that each row names."""
    if companies is None:
        return np.zeros(count, np.int8)
    spelled = _one_array(companies).dictionary_encode()
    codes = np.array([_code(str(company)) for company in spelled.dictionary.to_pylist()], np.int8)
    named: Codes = codes[spelled.indices.to_numpy()]
    return named


def _code(company: str) -> int:
    folded = "".join(filter(str.isalnum, company.casefold()))
    if not folded:
        return _NO_COMPANY
    found = _SPELLED_WITH_SERVICE.fullmatch(folded)
    spelling = found[1] if found else folded
    return _CODES[_SPELLINGS[spelling]] if spelling in _SPELLINGS else _STRANGER


_SPELLINGS: Final = {spelling: name for name, spellings in CARRIERS.items() for spelling in spellings}

# The words of service names. The rest of a name must be made of them, so that neither "Upstate Couriers" nor
# "UPS or USPS" nor "UPS Freight" is taken for a carrier. No word is made of others, so matching is quick.
_SERVICE_WORDS = (
    "1st|2nd|2|3|24|48|first|second|third|next|same|day|air|am|pm|early|overnight|ground|home|delivery|residential|"
    "express|expedited|saver|select|standard|priority|economy|international|intl|worldwide|domestic|class|mail|media|"
    "package|packet|parcel|retail|advantage|plus|tracked|signed|special|guaranteed|regular|xpresspost|return|flat|rate|"
    "box|envelope|service|canada|usa|inc|corporation"
)
_EXACT_ONLY: Final = frozenset({"DHL", "Amazon"})  # more words make another business of it: "DHL Paket"
_LONGEST_FIRST = sorted(
    (spelling for spelling, name in _SPELLINGS.items() if name not in _EXACT_ONLY), key=len, reverse=True
)
_SPELLED_WITH_SERVICE: Final = re.compile(f"({'|'.join(_LONGEST_FIRST)})(?:{_SERVICE_WORDS})*")

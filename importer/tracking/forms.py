"""The forms of tracking numbers: whose they are, how they look, what their check digit is, how sure that is.

Sources, named at each form: the carriers' own documents, or the facts and example numbers collected by
https://github.com/jkeen/tracking_number_data ("collected" below). Forms without a source are known from
examples alone; they are WHEN_NAMED without a check digit, so that nothing is said of numbers for them, or
have the carrier's own letters where nobody else has any (PostNL's 3S and customer code, 4PX's 4PX … CN).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from importer.tracking import check_digits as check
from importer.tracking.carriers import CARRIERS
from importer.tracking.patterns import Pattern

if TYPE_CHECKING:
    from importer.tracking.check_digits import Check


class Trust(StrEnum):
    """When a number of a form that fails the check digit is called wrong."""

    BY_ITSELF = "whatever the row names"
    UNLESS_STRANGE = "if the row names none, or a carrier of North America; others' numbers may look the same"
    WHEN_NAMED = "only if the row names a carrier that bears such numbers; else it says nothing at all"


class Form(Struct, frozen=True):
    """One form of tracking numbers, of one length.

    ``carrier`` is whose numbers these are, "" if common to many. ``borne_by`` are the carriers whose parcels
    bear them rightly. ``check`` is None where there is no check digit, or none is known. ``shared`` says that
    the number leaves open which of several carriers brings the parcel, or that the same digits are on goods.
    """

    carrier: str
    pattern: Pattern
    check: Check | None
    trust: Trust
    borne_by: frozenset[str]
    shared: bool = False


ANY: Final = frozenset(CARRIERS)
NORTH_AMERICA: Final = frozenset(
    {
        *("UPS", "UPS Mail Innovations", "UPS SurePost", "USPS", "FedEx", "FedEx SmartPost", "Pitney Bowes"),
        *("DHL", "DHL Express", "DHL eCommerce", "Canada Post", "Amazon", "Amazon Logistics"),
        *("OnTrac", "LaserShip"),
    }
)
_HANDING_ON: Final = frozenset({"YunExpress", "Yanwen", "4PX", "Cainiao", "SF Express", "China Post"})
_OF_UPS: Final = (
    frozenset({"UPS", "UPS SurePost", "UPS Mail Innovations", "Pitney Bowes", "Amazon"}) | _HANDING_ON
)
_OF_USPS: Final = _HANDING_ON | {
    *("USPS", "UPS SurePost", "UPS Mail Innovations", "FedEx SmartPost"),
    *("DHL", "DHL eCommerce", "Pitney Bowes", "Amazon"),
}
UPS_AND_OTHERS: Final = _OF_UPS | {"USPS"}
AMAZON: Final = frozenset({"Amazon", "Amazon Logistics"})
_OF_FEDEX: Final = frozenset({"FedEx"})
ONTRAC: Final = frozenset({"OnTrac", "LaserShip", "Amazon"})
_DHL: Final = frozenset({"DHL", "DHL Express"})

_COUNTRIES = (  # ISO 3166-1
    "AD|AE|AF|AG|AI|AL|AM|AO|AQ|AR|AS|AT|AU|AW|AX|AZ|BA|BB|BD|BE|BF|BG|BH|BI|BJ|BL|BM|BN|BO|BQ|BR|BS|BT|BV|BW|BY"
    "|BZ|CA|CC|CD|CF|CG|CH|CI|CK|CL|CM|CN|CO|CR|CU|CV|CW|CX|CY|CZ|DE|DJ|DK|DM|DO|DZ|EC|EE|EG|EH|ER|ES|ET|FI|FJ|FK"
    "|FM|FO|FR|GA|GB|GD|GE|GF|GG|GH|GI|GL|GM|GN|GP|GQ|GR|GS|GT|GU|GW|GY|HK|HM|HN|HR|HT|HU|ID|IE|IL|IM|IN|IO|IQ|IR"
    "|IS|IT|JE|JM|JO|JP|KE|KG|KH|KI|KM|KN|KP|KR|KW|KY|KZ|LA|LB|LC|LI|LK|LR|LS|LT|LU|LV|LY|MA|MC|MD|ME|MF|MG|MH|MK"
    "|ML|MM|MN|MO|MP|MQ|MR|MS|MT|MU|MV|MW|MX|MY|MZ|NA|NC|NE|NF|NG|NI|NL|NO|NP|NR|NU|NZ|OM|PA|PE|PF|PG|PH|PK|PL|PM"
    "|PN|PR|PS|PT|PW|PY|QA|RE|RO|RS|RU|RW|SA|SB|SC|SD|SE|SG|SH|SI|SJ|SK|SL|SM|SN|SO|SR|SS|ST|SV|SX|SY|SZ|TC|TD|TF"
    "|TG|TH|TJ|TK|TL|TM|TN|TO|TR|TT|TV|TW|TZ|UA|UG|UM|US|UY|UZ|VA|VC|VE|VG|VI|VN|VU|WF|WS|YE|YT|ZA|ZM|ZW"
)
_POSTS: Final = {  # whose country, at the end of an S10 number, leaves one carrier
    "US": "USPS",
    "CA": "Canada Post",
    "GB": "Royal Mail",
    "FR": "La Poste",
    "NL": "PostNL",
    "ES": "Correos",
    "IT": "Poste Italiane",
    "AU": "Australia Post",
    "JP": "Japan Post",
    "CN": "China Post",
}


def _services() -> str:
    """Give the service indicators that S10 has assigned."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assigned = dict.fromkeys("BCDEHLMNPRUVZ", letters) | {"A": "VWXYZ", "G": "AD", "Q": "ABCDEFGHIJKLM"}
    return "|".join(first + second for first, seconds in assigned.items() for second in seconds)


_S10 = rf"({_services()})\d{{9}}"
_ROUTED = ("", r"420\d{5}", r"420\d{9}")  # a scanner reads the ZIP Code (5 or 9 digits) with the number
_ALONE, _UNLESS, _NAMED = Trust.BY_ITSELF, Trust.UNLESS_STRANGE, Trust.WHEN_NAMED


def _forms(
    carrier: str,
    *patterns: str,
    check: Check | None = None,
    trust: Trust = _NAMED,
    borne_by: frozenset[str] = frozenset(),
    shared: bool = False,
) -> tuple[Form, ...]:
    borne_by = borne_by or frozenset({carrier})
    return tuple(Form(carrier, Pattern.of(text), check, trust, borne_by, shared) for text in patterns)


def _impb(pattern: str) -> list[str]:
    return [routing + pattern for routing in _ROUTED]


# UPS: "1Z", 6 of the shipper, 2 of the service, 8 with the check digit ("Check Digit Calculation" of the UPS
# label guide; collected). Services that begin with Y (YW is SurePost) end with USPS. The example of
# Shoplazza's documents, 1ZE356F8YW01937117, is right: E 6, 3, 5, 6, F 7, 8, Y 6, W 4, 0, 1, 9, 3, 7, 1, 1, of
# which every second counts twice: 6+6+5+12+7+16+6+8+0+2+9+6+7+2+1 = 93, and 7 is missing to the next ten.
_OF_AMERICA = (
    *_forms("UPS", r"1Z[0-9A-Z]{6}[0-9A-XZ][0-9A-Z]{8}\d", check=check.UPS, trust=_ALONE, borne_by=_OF_UPS),
    *_forms("UPS", r"1Z[0-9A-Z]{6}Y[0-9A-Z]{8}\d", check=check.UPS, trust=_ALONE, borne_by=UPS_AND_OTHERS),
    # UPS, "Tracking Number Formats": T and ten digits, a waybill's letter and ten digits, nine, twelve
    *_forms("UPS", r"T\d{10}", r"[A-Z]\d{10}", r"\d{9}", r"\d{12}"),
    # Intelligent Mail package barcode (USPS2000508; Publication 199). Channels 91 to 93 are for commercial
    # mailers, among them the services of UPS, FedEx, DHL and Amazon that end with USPS: no named carrier
    # contradicts them. 94 and 95 are USPS's own, online and at the counter.
    *_forms("USPS", *_impb(r"9[1-3]\d{20}"), check=check.gs1(22), trust=_UNLESS, borne_by=ANY, shared=True),
    *_forms("USPS", *_impb(r"9[23]\d{24}"), check=check.gs1(26), trust=_UNLESS, borne_by=ANY, shared=True),
    *_forms("USPS", *_impb(r"9[45]\d{20}"), check=check.gs1(22), trust=_UNLESS, borne_by=_OF_USPS),
    # Publication 109, 2-8.5: the older ones of 20 digits, of which "91" may stand unprinted before them
    *_forms("USPS", r"03\d{18}", r"7[137]\d{18}", r"81\d{18}", check=check.gs1(20)),
    *_forms("USPS", r"03\d{18}", r"7[137]\d{18}", r"81\d{18}", check=check.USPS_20_OF_22),
    # FedEx: collected; 12 and 34 also by FedEx's developers (answers.google.com, 207899)
    *_forms("FedEx", r"\d{12}", check=check.FEDEX_12, borne_by=_OF_FEDEX),
    *_forms("FedEx", r"\d{15}", check=check.FEDEX_15, borne_by=_OF_FEDEX),
    *_forms("FedEx", r"\d{18}", check=check.gs1(18), borne_by=_OF_FEDEX, shared=True),  # any SSCC
    *_forms("FedEx", r"96\d{20}", check=check.FEDEX_15, borne_by=_OF_FEDEX),
    *_forms("FedEx", r"96\d{32}", r"10\d{32}", check=check.FEDEX_14, borne_by=_OF_FEDEX),
    *_forms("FedEx", r"DT\d{12}"),  # door tag
    *_forms(
        "FedEx SmartPost", r"61\d{18}", check=check.SMARTPOST_20, borne_by=_OF_FEDEX | {"FedEx SmartPost"}
    ),
    # collected; DHL's piece numbers begin with JD or JJD, as Yodel's do
    *_forms("DHL Express", r"\d{10}", check=check.DHL_10, borne_by=_DHL),
    *_forms("DHL Express", r"\d{11}", check=check.DHL_11),
    *_forms("DHL Express", r"JVGL\d{10}", r"JJD\d{10}", r"JD\d{18}", borne_by=_DHL),
    *_forms(
        "DHL eCommerce", r"GM\d{16}", r"GM\d{18}", r"GM\d{20}", borne_by=frozenset({"DHL eCommerce", "DHL"})
    ),
    *_forms("OnTrac", r"[CD]\d{14}", check=check.ONTRAC, borne_by=ONTRAC),  # collected
    *_forms("LaserShip", r"1LS7[12]\d{10}", trust=_ALONE, borne_by=ONTRAC),  # collected
    *_forms("LaserShip", r"L[SX]\d{8}", r"BN\d{8}", borne_by=ONTRAC),  # FAQ of ontrac.com
    *_forms("Canada Post", r"\d{16}", check=check.gs1(16)),  # collected
    *_forms("Amazon Logistics", r"TB[ACM]\d{12}", trust=_ALONE, borne_by=AMAZON),  # collected
)

# paketda.de, "Prüfziffern-Berechnung für Paketnummern": DHL, Hermes; DPD: "Parcel Label Specification" 2.4.1;
# GLS: "Uni-Box TechDoku" 3.2.1. Goods of 14 digits (GTIN) have the check digit of Hermes, too.
_OF_EUROPE = (
    *_forms("DHL Paket", r"\d{12}", check=check.IDENTCODE),
    *_forms("DHL Paket", r"0034\d{16}", check=check.gs1(20), borne_by=frozenset({"DHL Paket", "DHL"})),
    *_forms("DHL Paket", r"JJD\d{13}", r"JJD\d{17}", r"JJD\d{18}"),
    *_forms("DPD", r"\d{14}[0-9A-Z]", r"\d{27}[0-9A-Z]", check=check.DPD),
    *_forms("DPD", r"\d{14}"),
    *_forms("GLS", r"\d{12}", check=check.GLS),
    *_forms("GLS", r"\d{11}", r"[0-9A-Z]{8}"),
    *_forms("Hermes", r"\d{14}", check=check.gs1(14), shared=True),
    *_forms("Evri", r"\d{16}", r"H[0-9A-Z]{15}"),
    *_forms(
        "PostNL", r"3S[A-Z]{4}\d{7}", r"3S[A-Z]{4}\d{9}", trust=_ALONE, borne_by=_HANDING_ON | {"PostNL"}
    ),
    *_forms("La Poste", r"\d[A-Z]\d{11}"),
    *_forms("Correos", r"[A-Z]{2}[0-9A-Z]{20}[A-Z]"),
    *_forms("Poste Italiane", r"\dUW[0-9A-Z]{10}"),
)

# Yamato and Sagawa: "7DR", the number without its last digit modulo 7 (nanoappli.com 369, gyomu.org 7dr).
_OF_ASIA = (
    *_forms("Australia Post", r"[0-9A-Z]{3}\d{18}", r"[0-9A-Z]{3}\d{20}", r"[0-9A-Z]{3}\d{7}"),
    *_forms("Japan Post", r"\d{11}", r"\d{12}"),
    *_forms("Yamato", r"\d{12}", check=check.JAPAN_12),
    *_forms("Sagawa", r"\d{12}", check=check.JAPAN_12),
    *_forms("SF Express", r"SF\d{13}", r"\d{12}"),
    *_forms("Yanwen", r"[A-Z]{2}\d{9}YP", r"\d{12}"),
    *_forms(  # collected; the year stands after YT
        "YunExpress", r"YT2\d{15}", trust=_ALONE, borne_by=frozenset({"YunExpress", "Yanwen", "Cainiao"})
    ),
    *_forms("4PX", r"4PX\d{13}CN", trust=_ALONE, borne_by=frozenset({"4PX", "Cainiao"})),
    *_forms("Cainiao", r"LP\d{14}", r"CN[A-Z]{2}\d{13}[A-Z]{2}"),
)

# UPU S10; any post bears another's numbers.
_OF_POSTS = (
    *(
        form
        for country, post in _POSTS.items()
        for form in _forms(post, f"{_S10}{country}", check=check.S10, trust=_ALONE, borne_by=ANY)
    ),
    *_forms("", f"{_S10}({_COUNTRIES})", check=check.S10, trust=_ALONE, borne_by=ANY, shared=True),
)

# GS1 General Specifications, 3.2: the SSCC with its application identifier 00, which many carriers take as it
# is. More zeros may as well fill up a number of another kind.
_OF_GS1 = _forms("", r"00[1-9]\d{17}", check=check.gs1(20), trust=_UNLESS, borne_by=ANY, shared=True)

FORMS: Final = (*_OF_AMERICA, *_OF_EUROPE, *_OF_ASIA, *_OF_POSTS, *_OF_GS1)
"""All forms; where several fit a number, the first that is right tells whose it is."""

"""What segments, their elements and the commonest codes are called, as a person says it.

Sources: the ASC X12 dictionary (004010) and the UN/EDIFACT directory D.96A, shortened to plain words. What is
not here is shown as it stands: a partner may use any code of the standards, or one of its own.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from importer.manifests.edi.standards import Standard

if TYPE_CHECKING:
    from collections.abc import Mapping


class Name(NamedTuple):
    """A segment's name and those of its elements, in order; of a composite those of all its components."""

    segment: str
    elements: tuple[str | tuple[str, ...], ...]


def name_of(standard: Standard, tag: str) -> Name:
    """What a segment is called; "" for one that is not known."""
    return _SEGMENTS[standard].get(tag, _UNKNOWN)


def element_name(standard: Standard, tag: str, element: int, component: int) -> str:
    """What an element is called, or a component of it (both from 1); "" where it is not known."""
    elements = name_of(standard, tag).elements
    found = elements[element - 1] if element <= len(elements) else ""
    if isinstance(found, str):
        return found
    return found[component - 1] if component <= len(found) else ""


def code_name(standard: Standard, tag: str, element: int, component: int, code: str) -> str:
    """What a code in an element means; "" where it is not known."""
    return _CODES[standard].get((tag, element, component), _NONE).get(code, "")


_UNKNOWN: Final = Name("", ())
_NONE: Final[Mapping[str, str]] = MappingProxyType({})

_ADDRESS: Final = ("address", "address")
_X12: Final = {
    "ISA": Name(
        "interchange",
        (
            *("authorization qualifier", "authorization", "security qualifier", "security"),
            *("sender qualifier", "sender", "receiver qualifier", "receiver", "date", "time"),
            *("repetition separator or standard", "version", "control number"),
            *("acknowledgment wanted", "usage", "component separator"),
        ),
    ),
    "IEA": Name("end of interchange", ("number of groups", "control number")),
    "TA1": Name(
        "interchange acknowledgment", ("control number", "date", "time", "interchange accepted", "note code")
    ),
    "GS": Name(
        "group",
        (*("content", "sender", "receiver", "date", "time", "control number", "agency", "version"),),
    ),
    "GE": Name("end of group", ("number of transactions", "control number")),
    "ST": Name("transaction", ("kind", "control number", "implementation")),
    "SE": Name("end of transaction", ("number of segments", "control number")),
    "BSN": Name(
        "ship notice",
        ("purpose", "shipment number", "date", "time", "structure", "type", "status reason"),
    ),
    "BGN": Name("beginning", ("purpose", "number", "date", "time", "time zone", "original number")),
    "HL": Name("level", ("number", "parent", "level", "has children")),
    "PRF": Name(
        "purchase order", ("order number", "release", "change number", "date", "assigned number", "contract")
    ),
    "LIN": Name(
        "item",
        (
            "line",
            *("kind of number", "number") * 15,
        ),
    ),
    "SN1": Name(
        "quantity shipped",
        (
            *("line", "shipped", "unit", "shipped to date", "ordered", "unit of ordered", "returnable"),
            "status",
        ),
    ),
    "SLN": Name("part of item", ("line", "line", "relationship", "quantity", "unit", "price")),
    "CLD": Name("loads", ("number of loads", "units in each", "packaging")),
    "PID": Name("description", ("form", "characteristic", "agency", "code", "text")),
    "PO4": Name("packing", ("inner packs", "size", "unit", "packaging", "weight qualifier", "gross weight")),
    "MAN": Name(
        "marks and numbers",
        ("kind of number", "number", "last number", "kind of number", "number", "last number"),
    ),
    "MEA": Name("measurement", ("of", "what", "value", "unit")),
    "REF": Name("reference", ("kind of number", "number", "text")),
    "N9": Name("reference", ("kind of number", "number", "text", "date", "time")),
    "TD1": Name(
        "packages",
        (
            *("packaging", "number of packages", "commodity qualifier", "commodity", "description"),
            *("weight qualifier", "weight", "unit of weight"),
        ),
    ),
    "TD3": Name(
        "equipment",
        (
            *("kind of equipment", "initial", "equipment number", "weight qualifier", "weight"),
            *("unit of weight", "ownership", "seal status", "seal number"),
        ),
    ),
    "TD4": Name("special handling", ("handling", "hazard qualifier", "hazard class", "text")),
    "TD5": Name(
        "carrier",
        ("routing sequence", "kind of code", "code", "transport method", "routing", "order status"),
    ),
    "TSD": Name("trailer", ("assigned number", "position")),
    "DTM": Name("date", ("what date", "date", "time", "time zone")),
    "G62": Name("date", ("what date", "date", "what time", "time")),
    "N1": Name("party", ("role", "name", "kind of id", "id")),
    "N2": Name("name", ("name", "name")),
    "N3": Name("address", _ADDRESS),
    "N4": Name("city", ("city", "state", "postal code", "country", "location qualifier", "location")),
    "PER": Name("contact", ("function", "name", *("kind of number", "number") * 3)),
    "FOB": Name("freight terms", ("who pays",)),
    "ITA": Name("charge or allowance", ("indicator", "agency")),
    "CTT": Name("totals", ("number of lines", "sum of quantities")),
    "W06": Name(
        "warehouse advice",
        (
            *("reporting", "order number", "date", "shipment number", "agent's shipment number"),
            *("purchase order", "master reference", "link sequence"),
        ),
    ),
    "W27": Name(
        "carrier",
        (
            *("transport method", "carrier's code", "routing", "who pays", "equipment code"),
            *("equipment initial", "equipment number"),
        ),
    ),
    "W28": Name("consolidation", ()),
    "W10": Name("additional carrier information", ("unit load", "number of pallets")),
    "W6": Name("special handling", ("handling",)),
    "LX": Name("loop", ("number",)),
    "W12": Name(
        "item shipped",
        (
            *("status", "ordered", "shipped", "difference", "unit", "UPC of the case"),
            *("kind of number", "number", "lot", "weight", "weight qualifier", "unit of weight"),
            *("weight", "weight qualifier", "unit of weight", "UPC of the case"),
            *("kind of number", "number", "", "", "kind of number", "number"),
        ),
    ),
    "G69": Name("description", ("text",)),
    "W03": Name(
        "totals", ("units shipped", "weight", "unit of weight", "volume", "unit of volume", "lading")
    ),
    "NTE": Name("note", ("about", "text")),
    "PAL": Name("pallet", ("type", "tiers", "blocks", "pack")),
    "LM": Name("code source", ("agency", "source")),
    "QTY": Name("quantity", ("what", "quantity", "unit")),
    "AK1": Name("acknowledged group", ("content", "control number", "version")),
    "AK2": Name("acknowledged transaction", ("kind", "control number", "implementation")),
    "AK3": Name("segment in error", ("segment", "position", "loop", "error")),
    "AK4": Name("element in error", ("position", "element number", "error", "bad value")),
    "AK5": Name("transaction's acknowledgment", ("accepted", *("error",) * 5)),
    "AK9": Name(
        "group's acknowledgment", ("accepted", "transactions", "received", "accepted", *("error",) * 5)
    ),
    "IK3": Name("segment in error", ("segment", "position", "loop", "error")),
    "IK4": Name("element in error", ("position", "element number", "error", "bad value")),
    "IK5": Name("transaction's acknowledgment", ("accepted", *("error",) * 5)),
    "CTX": Name("context", ("context", "segment", "position", "loop")),
    "OTI": Name(
        "original transaction",
        (
            *("accepted", "kind of number", "number", "sender", "receiver", "date", "time"),
            *("group's control number", "control number", "kind", "version"),
        ),
    ),
    "TED": Name(
        "technical error",
        ("error", "text", "segment", "position", "element", "element number", "bad value", "new value"),
    ),
}

_PARTY: Final = ("id", "list", "agency")
_EDIFACT: Final = {
    "UNB": Name(
        "interchange",
        (
            *(
                ("syntax", "syntax version"),
                ("sender", "sender qualifier"),
                ("receiver", "receiver qualifier"),
            ),
            *(("date", "time"), "control reference", "password", "application", "priority"),
            *("acknowledgment wanted", "agreement", "test"),
        ),
    ),
    "UNZ": Name("end of interchange", ("number of messages or groups", "control reference")),
    "UNG": Name(
        "group",
        (
            *("content", ("sender", "sender qualifier"), ("receiver", "receiver qualifier")),
            *(("date", "time"), "control reference", "agency", ("version", "release")),
        ),
    ),
    "UNE": Name("end of group", ("number of messages", "control reference")),
    "UNH": Name("message", ("control reference", ("kind", "version", "release", "agency", "association"))),
    "UNT": Name("end of message", ("number of segments", "control reference")),
    "UNS": Name("section", ("section",)),
    "BGM": Name("beginning", (("document", "list", "agency", "name"), "number", "function", "answer")),
    "DTM": Name("date", (("what date", "date", "format"),)),
    "ALI": Name("additional information", ("country of origin",)),
    "MEA": Name("measurement", ("of", ("what",), ("unit", "value"))),
    "RFF": Name("reference", (("kind of number", "number", "line"),)),
    "NAD": Name(
        "party",
        (
            *("role", _PARTY, "name and address", "name", "street", "city", "region", "postal code"),
            "country",
        ),
    ),
    "LOC": Name("place", ("what place", _PARTY)),
    "CTA": Name("contact", ("function", ("id", "name"))),
    "COM": Name("communication", (("number", "kind of number"),)),
    "TOD": Name("terms of delivery", ("function", "payment", ("terms",))),
    "TDT": Name(
        "carrier",
        (
            *("stage", "transport number", ("mode",), ("means",), ("code", "list", "agency", "name")),
            *("direction", "excess", ("means id", "list", "agency", "name")),
        ),
    ),
    "EQD": Name("equipment", ("kind of equipment", ("number",))),
    "SEL": Name("seal", ("seal number",)),
    "CPS": Name("packing", ("number", "parent", "level")),
    "PAC": Name("packages", ("number of packages", ("level",), ("packaging", "list", "agency", "name"))),
    "QVR": Name("difference", (("difference", "what"), "change")),
    "HAN": Name("handling", ("handling",)),
    "PCI": Name("marks", ("kind of marks", "marks")),
    "GIN": Name("identity number", ("kind of number", *(("number", "last number"),) * 5)),
    "GIR": Name("related numbers", ("set", *(("number", "kind of number"),) * 5)),
    "LIN": Name("item", ("line", "action", ("number", "kind of number"))),
    "PIA": Name("additional item number", ("function", *(("number", "kind of number"),) * 5)),
    "IMD": Name("description", ("form", "characteristic", ("code", "list", "agency", "text", "text"))),
    "QTY": Name("quantity", (("what", "quantity", "unit"),)),
    "DLM": Name("limits of delivery", ("back order", "instruction")),
    "FTX": Name("text", ("about", "function", ("code",), ("text",) * 5)),
    "MOA": Name("amount", (("what", "amount", "currency"),)),
    "SGP": Name("split of goods", (("equipment",), "number of packages")),
    "CNT": Name("total", (("what", "total"),)),
    "AUT": Name("authentication", ("result", "key")),
    "UCI": Name(
        "interchange's acknowledgment",
        (
            *("control reference", ("sender", "sender qualifier"), ("receiver", "receiver qualifier")),
            *("action", "error", "segment", ("element", "component")),
        ),
    ),
    "UCF": Name(
        "group's acknowledgment", ("control reference", ("sender",), ("receiver",), "action", "error")
    ),
    "UCM": Name(
        "message's acknowledgment",
        (
            *("control reference", ("kind", "version", "release", "agency", "association")),
            *("action", "error", "segment", ("element", "component")),
        ),
    ),
    "UCS": Name("segment in error", ("position", "error")),
    "UCD": Name("element in error", ("error", ("element", "component"))),
    "ERC": Name("application error", (("error", "list", "agency"),)),
}
_SEGMENTS: Final = {Standard.X12: _X12, Standard.EDIFACT: _EDIFACT}

# Element 128; REF and N9 share it.
_REFERENCES: Final = {
    "08": "carrier's package number",
    "0L": "referred number",
    "11": "account",
    "19": "division",
    "2I": "tracking number",
    "3L": "branch",
    "98": "container packaging",
    "BM": "bill of lading",
    "BT": "batch",
    "BX": "mark",
    "CN": "carrier's reference (PRO or parcel)",
    "CO": "customer's order",
    "CR": "customer's reference",
    "CT": "contract",
    "DO": "delivery order",
    "DP": "department",
    "EQ": "equipment",
    "FI": "file",
    "IA": "vendor's id",
    "IN": "invoice",
    "IV": "seller's invoice",
    "LI": "line",
    "LO": "load",
    "LS": "bar-coded serial number",
    "LT": "lot",
    "LV": "licence plate",
    "MA": "ship notice",
    "MB": "master bill of lading",
    "MR": "merchandise type",
    "OI": "original invoice",
    "OQ": "order",
    "PD": "promotion",
    "PK": "packing list",
    "PO": "purchase order",
    "SE": "serial number",
    "SI": "shipper's number",
    "SN": "seal",
    "SO": "shipper's order",
    "ST": "store",
    "VN": "vendor's order",
    "VR": "vendor's id",
    "WY": "rail waybill",
    "ZZ": "mutually agreed",
}
# Element 235; LIN and W12 share it.
_PRODUCTS: Final = {
    "BP": "buyer's part",
    "CB": "buyer's catalogue",
    "EN": "EAN",
    "IB": "ISBN",
    "IN": "buyer's item",
    "IT": "buyer's style",
    "LT": "lot",
    "MG": "manufacturer's part",
    "PI": "purchaser's item",
    "PN": "company's part",
    "PO": "purchase order",
    "SK": "SKU",
    "SKU": "SKU",
    "SN": "serial number",
    "UA": "UPC of the case",
    "UI": "UPC",
    "UK": "GTIN of 14 digits",
    "UP": "UPC",
    "VA": "vendor's style",
    "VC": "vendor's catalogue",
    "VN": "vendor's item",
    "VP": "vendor's part",
    "ZZ": "mutually agreed",
}
# Element 88
_MARKS: Final = {
    "2": "SCAC of the carton",
    "AA": "SSCC of 18 digits",
    "CA": "shipper's case",
    "CN": "carton or pallet tracking number",
    "CP": "carrier's package number",
    "GM": "SSCC with identifier 00",
    "L": "line",
    "R": "originator's",
    "S": "entire shipment",
    "SM": "shipper's",
    "UC": "UPC shipping container",
    "ZZ": "mutually agreed",
}
# Element 355
_UNITS: Final = {
    "CA": "case",
    "CS": "case",
    "CT": "carton",
    "DZ": "dozen",
    "EA": "each",
    "KG": "kilogram",
    "LB": "pound",
    "PC": "piece",
    "PK": "package",
    "PL": "pallet",
    "UN": "unit",
}
# Element 98
_ROLES: Final = {
    "BT": "bill to",
    "BY": "buyer",
    "CA": "carrier",
    "CN": "consignee",
    "DE": "depositor",
    "MA": "for whom it is meant",
    "SE": "seller",
    "SF": "ship from",
    "ST": "ship to",
    "SU": "supplier",
    "VN": "vendor",
    "WH": "warehouse",
    "Z7": "mark for",
}
# Element 368
_STATUSES: Final = {
    "AC": "accepted and shipped",
    "BP": "partly shipped, the rest later",
    "CC": "complete",
    "CL": "complete",
    "CM": "complete, with substitution",
    "CP": "partly shipped",
    "CU": "cancelled line",
    "IC": "cancelled item",
    "IR": "item rejected",
    "IS": "item substituted",
    "SS": "split shipment",
}
_ACCEPTED: Final = {
    "A": "accepted",
    "E": "accepted, with errors",
    "P": "partly accepted",
    "R": "rejected",
    "M": "rejected, authentication failed",
    "W": "rejected, assurance failed",
    "X": "rejected, could not be decrypted",
}
_TRANSACTIONS: Final = {
    "856": "ship notice",
    "945": "warehouse shipping advice",
    "997": "acknowledgment",
    "999": "acknowledgment",
    "824": "application advice",
    "810": "invoice",
    "850": "purchase order",
    "855": "order acknowledgment",
    "940": "warehouse shipping order",
    "944": "warehouse receipt",
    "947": "warehouse adjustment",
}
# Element 479
_CONTENTS: Final = {
    "AG": "application advice",
    "FA": "acknowledgment",
    "IN": "invoice",
    "PO": "purchase order",
    "SH": "ship notice",
    "SW": "warehouse shipping advice",
}
# Element 723
_ELEMENT_ERRORS: Final = {
    "1": "mandatory element missing",
    "2": "conditional element missing",
    "3": "too many elements",
    "4": "too short",
    "5": "too long",
    "6": "invalid character",
    "7": "invalid code",
    "8": "invalid date",
    "9": "invalid time",
    "10": "excluded",
}
# Element 720
_SEGMENT_ERRORS: Final = {
    "1": "not recognised",
    "2": "not expected",
    "3": "mandatory segment missing",
    "4": "loop too often",
    "5": "segment too often",
    "6": "not in this transaction",
    "7": "wrong order",
    "8": "elements in error",
}
# Element 374
_DATES: Final = {
    "002": "delivery wanted",
    "004": "ordered",
    "010": "ship by",
    "011": "shipped",
    "017": "delivery estimated",
    "035": "delivered",
    "067": "delivery scheduled",
    "069": "delivery promised",
    "118": "pick-up wanted",
}
_PURPOSES: Final = {  # element 353
    "00": "original",
    "01": "cancellation",
    "03": "delete",
    "04": "change",
    "05": "replace",
    "06": "confirmation",
    "07": "duplicate",
    "11": "response",
    "14": "advance notice",
}
_X12_CODES: Final[dict[tuple[str, int], Mapping[str, str]]] = {
    ("ISA", 15): {"P": "production", "T": "test", "I": "information"},
    ("ISA", 14): {"1": "acknowledgment wanted"},
    ("TA1", 4): _ACCEPTED,
    ("GS", 1): _CONTENTS,
    ("ST", 1): _TRANSACTIONS,
    ("BSN", 1): _PURPOSES,
    ("BSN", 5): {  # element 1005
        "0001": "shipment, order, pack, item",
        "0002": "shipment, order, item, pack",
        "0003": "shipment, pack, order, item",
        "0004": "shipment, order, item",
    },
    ("BSN", 7): {"REJ": "rejected"},
    ("BGN", 1): _PURPOSES,
    ("HL", 3): {  # element 735
        "F": "component",
        "I": "item",
        "K": "kit",
        "O": "order",
        "P": "pack",
        "Q": "subpack",
        "S": "shipment",
        "T": "tare (pallet)",
    },
    **{("LIN", at): _PRODUCTS for at in range(2, 32, 2)},
    ("SN1", 3): _UNITS,
    ("SN1", 6): _UNITS,
    ("SN1", 8): _STATUSES,
    ("MAN", 1): _MARKS,
    ("MAN", 4): _MARKS,
    ("REF", 1): _REFERENCES,
    ("N9", 1): _REFERENCES,
    ("TD1", 1): {"CTN": "carton", "CTN25": "carton", "PLT": "pallet", "PLT94": "pallet"},
    ("TD5", 2): {"2": "SCAC", "91": "assigned by the seller", "92": "assigned by the buyer"},
    ("TD5", 4): {
        "A": "air",
        "C": "consolidation",
        "H": "customer picks up",
        "LT": "less than a truck",
        "M": "motor",
        "R": "rail",
        "S": "ocean",
        "U": "parcel service",
        "ZZ": "mutually agreed",
    },
    ("DTM", 1): _DATES,
    ("G62", 1): {
        "02": "delivery wanted",
        "04": "ordered",
        "10": "ship by",
        "11": "shipped",
        "17": "delivery estimated",
    },
    ("N1", 1): _ROLES,
    ("N1", 3): {"1": "D-U-N-S", "9": "D-U-N-S with suffix", "91": "seller's", "92": "buyer's", "UL": "GLN"},
    ("FOB", 1): {"CC": "collect", "PP": "seller pays", "PC": "prepaid and charged", "TP": "third party"},
    ("W06", 1): {"F": "full detail", "C": "cancellation or return"},
    ("W27", 1): {"A": "air", "M": "motor", "U": "parcel service", "LT": "less than a truck", "T": "best way"},
    ("W12", 1): _STATUSES,
    ("W12", 5): _UNITS,
    ("W12", 7): _PRODUCTS,
    ("W12", 17): _PRODUCTS,
    ("W12", 21): _PRODUCTS,
    ("AK1", 1): _CONTENTS,
    ("AK2", 1): _TRANSACTIONS,
    ("AK3", 4): _SEGMENT_ERRORS,
    ("AK4", 3): _ELEMENT_ERRORS,
    ("AK5", 1): _ACCEPTED,
    ("AK5", 2): {  # element 718
        "1": "not supported",
        "2": "trailer missing",
        "3": "control numbers differ",
        "4": "number of segments",
        "5": "segments in error",
        "6": "wrong kind",
        "7": "control number",
    },
    ("AK9", 1): _ACCEPTED,
    ("AK9", 5): {  # element 716
        "1": "not supported",
        "2": "version",
        "3": "trailer missing",
        "4": "control numbers differ",
        "5": "number of transactions",
        "6": "control number",
    },
    ("IK3", 4): _SEGMENT_ERRORS,
    ("IK4", 3): _ELEMENT_ERRORS,
    ("IK5", 1): _ACCEPTED,
    ("OTI", 1): {
        "IA": "item accepted",
        "IE": "item accepted, with error",
        "IR": "item rejected",
        "TA": "transaction accepted",
        "TE": "transaction accepted, with error",
        "TR": "transaction rejected",
    },
    ("OTI", 10): _TRANSACTIONS,
    ("TED", 1): {"010": "totals differ", "024": "other", "848": "incorrect data"},
}

# Code list 7143
_ARTICLES: Final = {
    "BP": "buyer's part",
    "EN": "EAN",
    "IN": "buyer's item",
    "MF": "manufacturer's article",
    "NB": "batch",
    "SA": "supplier's article",
    "SN": "serial number",
    "SRV": "GTIN",
    "UP": "UPC",
    "VN": "vendor's item",
    "VP": "vendor's part",
}
# Code list 7405
_IDENTITIES: Final = {"BJ": "SSCC", "BN": "serial number", "BX": "batch"}
# Code list 4343 for CONTRL (0083) and 0085
_ACTIONS: Final = {"4": "rejected", "7": "acknowledged", "8": "received"}
_SYNTAX_ERRORS: Final = {
    "12": "invalid value",
    "13": "missing",
    "14": "not supported in this position",
    "15": "not supported in this position",
    "16": "too many components",
    "26": "duplicate",
    "28": "references differ",
    "29": "count is wrong",
    "35": "too many repetitions",
    "36": "too many repetitions",
    "37": "invalid character",
    "39": "too long",
    "40": "too short",
}
_MESSAGES: Final = {
    "DESADV": "despatch advice",
    "CONTRL": "acknowledgment",
    "APERAK": "application error and acknowledgment",
    "INVOIC": "invoice",
    "ORDERS": "order",
    "ORDRSP": "order response",
}
_EDIFACT_CODES: Final[dict[tuple[str, int, int], Mapping[str, str]]] = {
    ("UNB", 2, 2): {"14": "GLN", "1": "D-U-N-S", "ZZ": "mutually agreed", "ZZZ": "mutually agreed"},
    ("UNB", 3, 2): {"14": "GLN", "1": "D-U-N-S", "ZZ": "mutually agreed", "ZZZ": "mutually agreed"},
    ("UNB", 9, 1): {"1": "acknowledgment wanted"},
    ("UNB", 11, 1): {"1": "test"},
    ("UNH", 2, 1): _MESSAGES,
    ("BGM", 1, 1): {
        "351": "despatch advice",
        "35E": "return advice",
        "312": "acknowledgment",
        "313": "error",
    },
    ("BGM", 3, 1): {
        "1": "cancellation",
        "3": "deletion",
        "4": "change",
        "5": "replace",
        "6": "confirmation",
        "7": "duplicate",
        "9": "original",
        "27": "not accepted",
        "29": "accepted",
        "31": "copy",
    },
    ("DTM", 1, 1): {
        "2": "delivery wanted",
        "11": "despatch",
        "17": "delivery estimated",
        "35": "delivered",
        "36": "expiry",
        "69": "delivery promised",
        "132": "arrival estimated",
        "137": "document",
        "171": "reference",
        "191": "delivery expected",
        "361": "best before",
    },
    ("RFF", 1, 1): {
        "AAK": "despatch advice",
        "AAJ": "delivery order",
        "AAS": "transport document",
        "AWB": "air waybill",
        "BM": "bill of lading",
        "BT": "batch",
        "CN": "carrier's reference",
        "CR": "customer's reference",
        "CT": "contract",
        "DQ": "delivery note",
        "IV": "invoice",
        "LI": "line",
        "ON": "order",
        "PK": "packing list",
        "SRN": "shipment",
        "VN": "supplier's order",
    },
    ("NAD", 1, 1): {
        "BY": "buyer",
        "CA": "carrier",
        "CN": "consignee",
        "CZ": "consignor",
        "DP": "delivery party",
        "IV": "invoicee",
        "SF": "ship from",
        "ST": "ship to",
        "SE": "seller",
        "SU": "supplier",
        "UC": "ultimate consignee",
    },
    ("TDT", 1, 1): {
        "10": "pre-carriage",
        "12": "at departure",
        "13": "at destination",
        "20": "main carriage",
        "30": "on-carriage",
    },
    ("TDT", 3, 1): {"10": "sea", "20": "rail", "30": "road", "40": "air", "50": "mail", "60": "multimodal"},
    ("CPS", 3, 1): {"1": "inner", "2": "intermediate", "3": "outer", "4": "no hierarchy", "5": "shipment"},
    ("PAC", 3, 1): {
        "201": "ISO pallet 1",
        "202": "ISO pallet 2",
        "BX": "box",
        "CT": "carton",
        "PK": "package",
        "PX": "pallet",
        "SL": "slip sheet",
    },
    ("PCI", 1, 1): {"24": "assigned by the shipper", "33E": "SSCC"},
    ("GIN", 1, 1): _IDENTITIES,
    ("LIN", 2, 1): {"1": "added", "2": "deleted", "3": "changed", "5": "accepted", "7": "not accepted"},
    ("LIN", 3, 2): _ARTICLES,
    ("PIA", 1, 1): {"1": "additional", "3": "substituted by", "4": "substitution for", "5": "identification"},
    **{("PIA", at, 2): _ARTICLES for at in range(2, 7)},
    ("QTY", 1, 1): {
        "1": "discrete",
        "12": "despatched",
        "21": "ordered",
        "46": "delivered in this consignment",
        "52": "per pack",
        "59": "consumer units in the traded unit",
        "83": "back order",
        "192": "free goods",
        "194": "received and accepted",
    },
    ("QTY", 1, 3): {"PCE": "piece", "EA": "each", "CT": "carton", "KGM": "kilogram", "C62": "one"},
    ("FTX", 1, 1): {"AAI": "general", "AAO": "error", "DEL": "delivery", "ZZZ": "mutually agreed"},
    ("CNT", 1, 1): {
        "1": "sum of quantities",
        "2": "number of lines",
        "7": "gross weight",
        "11": "number of packages",
    },
    ("UCI", 4, 1): _ACTIONS,
    ("UCI", 5, 1): _SYNTAX_ERRORS,
    ("UCM", 3, 1): _ACTIONS,
    ("UCM", 4, 1): _SYNTAX_ERRORS,
    ("UCS", 2, 1): _SYNTAX_ERRORS,
    ("UCD", 1, 1): _SYNTAX_ERRORS,
    ("UCF", 4, 1): _ACTIONS,
    ("UCF", 5, 1): _SYNTAX_ERRORS,
}
_CODES: Final = {
    Standard.X12: {(*place, 1): codes for place, codes in _X12_CODES.items()},
    Standard.EDIFACT: _EDIFACT_CODES,
}

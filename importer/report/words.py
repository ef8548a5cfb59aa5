"""Findings → what a person reads: the code's message with the cell's own text in it."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer import tracking
from importer.cells import cleaned, unspaced
from importer.findings import NOTHING_MORE, WHOLE_ROW, name_of
from importer.printing import printable, quoted
from schemas.codes import code_of
from schemas.formulas import MARKS, NO_RESULT
from schemas.manifest import COLUMNS, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from importer.report.account import Account, Position

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_NUMBERS_SHOWN = 6
_NUMBER = re.compile(r"[^,;/|&、\s]+")
_UNBROKEN = re.compile(r"[^,;/|&、\r\n]+")
_WRAPPED = re.compile(r'="([^"]*)"')
_LONG_PART = 8


def describe(
    code: int, column: int, detail: int, row: Mapping[str, str], headers: Mapping[str, str], account: Account
) -> str:
    """The message of a finding; ``row`` has the canonical cells, ``headers`` what they stand under."""
    name = name_of(code)
    canonical = "" if column == WHOLE_ROW else COLUMNS[column]
    value = row.get(canonical, "")
    known = {
        "column": printable(headers.get(canonical, canonical)),
        "value": quoted(value),
        "expected": account.expected_order_id,
        "fulfillment_id": quoted(row.get("fulfillment_id", "")),
    }
    more = _MORE.get(name)
    if more is not None:
        known |= more(value, detail, row, account)
    if name in _WITH_ADDRESS and row[ADDRESS]:
        known["column"] += f" ({printable(row[ADDRESS])})"
    return code_of(name).message.format_map(known)


def tells_of_value_alone(name: str) -> bool:
    """Whether a finding with that code, but for details, is worded the same for all cells alike."""
    return name not in _OF_MORE_THAN_VALUE


def has_address(name: str) -> bool:
    """Whether a finding with that code names the address of the cell in its workbook."""
    return name in _WITH_ADDRESS


def ragged(cells: Sequence[str], width: int) -> dict[str, str]:
    """What is said of a row that has other than ``width`` cells."""
    surplus = cells[width:]
    shown = ", ".join(map(quoted, surplus[:_NUMBERS_SHOWN]))
    more = f" and {len(surplus) - _NUMBERS_SHOWN} more" if len(surplus) > _NUMBERS_SHOWN else ""
    said = f"; too many: {shown}{more}" if surplus else ""
    return {"found": str(len(cells)), "expected": str(width), "surplus": said}


def held(rows: npt.NDArray[np.int64], scope: str, account: Account) -> tuple[str, pa.Array[Any], str]:
    """Code, messages and hint for what each of these rows holds back."""
    if scope == "batch":
        code = code_of("batch-held")
        message = code.message.format(bad=f"{account.faulty_rows:,}")
        return code.name, pa.repeat(message, len(rows)), code.hint
    code = code_of("parcel-held")
    before, after = code.message.format(where="\n", scope=scope).split("\n")
    where = [_places_in(block, rows, account) for block in account.blocks_of(rows)]
    return code.name, pc.binary_join_element_wise(before, pa.concat_arrays(where), after, ""), code.hint


def _places_in(block: Position, rows: npt.NDArray[np.int64], account: Account) -> pa.Array[Any]:
    """The places of those of the sorted ``rows`` that are in the block."""
    low, high = np.searchsorted(rows, (block.start, block.start + len(block.rows)))
    numbers = pa.array(block.rows[rows[low:high] - block.start]).cast(pa.string())
    unit, name = _unit(block.manifest, account), printable(block.manifest)
    return pc.binary_join_element_wise(f"{unit} ", numbers, f" of {name}", "")


def place_of(row: int, account: Account) -> str:
    """``row 9 of FILE``; of an EDI file, it is a segment."""
    manifest, number = account.place(row)
    return f"{_unit(manifest, account)} {number} of {printable(manifest)}"


def _unit(manifest: str, account: Account) -> str:
    return "segment" if manifest in account.segmented else "row"


def _several(value: str, detail: int, row: Mapping[str, str], account: Account) -> dict[str, str]:
    del detail, row, account
    value = _plain(value)
    unbroken = [part.strip() for part in _UNBROKEN.findall(value)]
    numbers = [part for part in unbroken if part]
    if len(numbers) == 1:
        numbers = [part for part in _NUMBER.findall(value) if len(part) >= _LONG_PART]
    shown = ", ".join(map(printable, numbers[:_NUMBERS_SHOWN]))
    more = f" and {len(numbers) - _NUMBERS_SHOWN} more" if len(numbers) > _NUMBERS_SHOWN else ""
    return {"count": str(len(numbers)), "numbers": shown + more}


def _sum(value: str, detail: int, row: Mapping[str, str], account: Account) -> dict[str, str]:
    del row, account
    if detail == NOTHING_MORE:
        return {}
    return {"value": f"{quoted(value)}, which makes {detail:,} with the parcel's other rows of this SKU"}


def _duplicate(value: str, detail: int, row: Mapping[str, str], account: Account) -> dict[str, str]:
    del value
    counted = "; counted once" if row[REPEATS] else _COUNTED[account.duplicates]
    return {"where": place_of(detail, account), "counted": counted}


def _damage(value: str, detail: int, row: Mapping[str, str], account: Account) -> dict[str, str]:
    del row, detail, account
    if value == NO_RESULT:
        return {"value": "a formula without its result"}
    mark, _, shown = value.partition(" ")
    return {"value": f"{quoted(shown)}, {MARKS[mark]}"} if mark in MARKS else {}


def _verdict(value: str, detail: int, row: Mapping[str, str], account: Account) -> dict[str, str]:
    del detail, row, account
    return {"words": printable(value.partition(": ")[2] or value)}


def _conflict(value: str, detail: int, row: Mapping[str, str], account: Account) -> dict[str, str]:
    del value, row
    return {"where": place_of(detail, account)}


def carriers(numbers: Sequence[str], companies: Sequence[str]) -> list[str]:
    """The carriers that the tracking numbers are unmistakably of, "" where they are of none."""
    said = tracking.judge(_as_judged(numbers), pa.array(companies, pa.string()))
    return [str(carrier) for carrier in said.carrier.to_pylist()]


def check_digits(numbers: Sequence[str], companies: Sequence[str]) -> list[str]:
    """Whose check digit the tracking numbers fail, and which one was expected where that can be told."""
    rules = tracking.rules(_as_judged(numbers), pa.array(companies, pa.string()))
    return [
        (rule.carrier or _ANY_CARRIER)
        + (f": found {rule.found}, expected {rule.expected}" if rule.expected else "")
        for rule in rules
    ]


def _checked(value: str, detail: int, row: Mapping[str, str], account: Account) -> dict[str, str]:
    del value, detail, account
    return {"rule": row[CHECK_DIGIT]}


def _cut(value: str, detail: int, row: Mapping[str, str], account: Account) -> dict[str, str]:
    del detail, row, account
    number = _as_judged([value])[0].as_py().upper()
    meant = tracking.expected_length(number)
    return {"carrier": meant.carrier, "found": str(len(number)), "expected": str(meant.length)}


def _guessed(value: str, detail: int, row: Mapping[str, str], account: Account) -> dict[str, str]:
    del value, detail, account
    return {"encoding": row[ENCODING]}


def _mismatch(value: str, detail: int, row: Mapping[str, str], account: Account) -> dict[str, str]:
    del value, detail, account
    return {"carrier": row[CARRIER], "company": quoted(row["tracking_company"])}


def _as_judged(numbers: Sequence[str]) -> pa.Array[Any]:
    return unspaced(cleaned(pa.array(numbers, pa.string()), narrow=True))


def _plain(value: str) -> str:
    """The cell without ``="…"``, full-width forms narrowed."""
    wrapped = _WRAPPED.fullmatch(value.strip())
    return unicodedata.normalize("NFKC", wrapped[1] if wrapped else value)


REPEATS, CARRIER, ADDRESS, CHECK_DIGIT, ENCODING = (
    "repeats",
    "carrier",
    "address",
    "check digit",
    "encoding",
)
"""What a row knows besides its canonical cells."""
_ANY_CARRIER = "its carrier"
_COUNTED = {"sum": "; both are counted", "drop": "; counted once", "error": ""}
_WITH_ADDRESS = frozenset({"spreadsheet-damage", "leading-zeros-lost"})
_OF_MORE_THAN_VALUE = frozenset(
    {
        *("duplicate-row", "carrier-mismatch", "tracking-check-digit"),
        *("tracking-number-conflict", "fulfillment-id-conflict", "carrier-conflict"),
    }
)
_MORE = {
    "spreadsheet-damage": _damage,
    "several-tracking-numbers": _several,
    "quantity-too-large": _sum,
    "duplicate-row": _duplicate,
    "carrier-mismatch": _mismatch,
    "tracking-check-digit": _checked,
    "tracking-number-cut": _cut,
    "encoding-guessed": _guessed,
    "tracking-number-conflict": _conflict,
    "fulfillment-id-conflict": _conflict,
    "carrier-conflict": _conflict,
    **dict.fromkeys(VERDICTS.values(), _verdict),
}

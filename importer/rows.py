"""Raw rows → checked rows and findings; pandera judges the text, then it is converted."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
import pandera.errors
import pyarrow as pa
import pyarrow.compute as pc

from importer import tracking
from importer.findings import Findings
from schemas.manifest import CANONICAL, TEXT, schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from pandera.errors import SchemaError
    from pandera.pandas import DataFrameSchema

    Text: TypeAlias = pa.Array[Any]

_NARROWED = ("order_id", "quantity", "tracking_number")
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u202a\u202c\u202d"))
_FULL_WIDTH = {chr(code + 0xFEE0): chr(code) for code in range(0x21, 0x7F)}
_WRAPPED = r'^="([^"]*)"$'


@dataclass(frozen=True, slots=True)
class Checked:
    """The checked rows of a block, as columns of the same length.

    ``order_id`` and ``tracking_number`` are strings, null where the row does not say them well enough to
    name a parcel; ``sku`` strings and ``quantity`` int32 count only where ``bad`` (bool) is false.
    ``findings`` are the reasons for ``bad``; both they and ``warnings`` count rows from the block's start.
    """

    order_id: Text
    tracking_number: Text
    sku: Text
    quantity: npt.NDArray[np.int32]
    bad: npt.NDArray[np.bool_]
    findings: Findings
    warnings: Findings


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks blocks of one manifest.

    ``columns`` names the manifest's canonical columns, ``order_id`` is ``integer`` or ``string``, and with
    ``strict_tracking`` a wrong check digit is a fault instead of a warning.
    """

    columns: tuple[str, ...]
    order_id: str
    strict_tracking: bool = False

    def check(self, cells: Mapping[str, Text], misfits: Mapping[int, str]) -> Checked:
        """Judge every row; nothing is dropped.

        ``cells`` has a string array (no nulls) for each canonical column of the manifest; ``misfits`` the
        code for each row (by position) whose cells can't be told apart.
        """
        clean = {name: _cleaned(cells[name], narrow=name in _NARROWED) for name in self.columns}
        rows = len(next(iter(clean.values())))
        faults = [*self._judge(clean)]
        opinion = _opinion(clean, faults)
        doubts = [Findings.of(np.flatnonzero(opinion[0]), "tracking-check-digit", "tracking_number")]
        odd = [Findings.of(np.flatnonzero(opinion[1]), "carrier-mismatch", "tracking_number")]
        if self.strict_tracking:
            faults, doubts = faults + doubts, []
        unnamed = {name: _named_by(faults, name, rows) for name in ("order_id", "tracking_number")}
        unnamed["tracking_number"][list(misfits)] = True
        torn = [Findings.of(np.array([at]), code) for at, code in misfits.items()]
        findings = Findings.join([Findings.join(faults).without([*misfits]), *torn])
        bad = np.zeros(rows, dtype=bool)
        bad[findings.rows] = True
        return Checked(
            order_id=_known(self._plain_order_id(clean["order_id"]), unnamed["order_id"]),
            tracking_number=_known(_tracking_number(clean["tracking_number"]), unnamed["tracking_number"]),
            sku=clean.get("sku", _blanks(rows)),
            quantity=_quantity(clean.get("quantity"), bad),
            bad=bad,
            findings=findings,
            warnings=Findings.join(doubts + odd).without([*misfits]),
        )

    def _judge(self, clean: Mapping[str, Text]) -> list[Findings]:
        judge = schema(self.columns, order_id=self.order_id)
        faults: list[Findings] = []
        seen = {name: np.zeros(len(cells), dtype=bool) for name, cells in clean.items()}
        for column, code, failed in _failures(judge, clean):
            first = failed & ~seen[column]
            seen[column] |= failed
            faults.append(Findings.of(np.flatnonzero(first), code, column))
        return sorted(faults, key=lambda found: int(found.columns[0]) if len(found) else -1)

    def _plain_order_id(self, cells: Text) -> Text:
        """Without a spreadsheet's ``.0`` and, where it is a number, leading zeros."""
        for pattern, wanted in ((r"^(\d+)\.0$", True), (r"^0+(\d+)$", self.order_id == "integer")):
            if wanted and pc.any(pc.match_substring_regex(cells, pattern)).as_py():
                cells = pc.replace_substring_regex(cells, pattern, r"\1")
        return cells


def _failures(
    judge: DataFrameSchema, clean: Mapping[str, Text]
) -> list[tuple[str, str, npt.NDArray[np.bool_]]]:
    """What pandera finds: column, code and a mask of the cells that fail, in the schema's order.

    Raises:
        RuntimeError: a check broke down, which is a fault in the importer and not in the data.
    """
    frame = pd.DataFrame({name: pd.array(cells, dtype=TEXT) for name, cells in clean.items()})
    try:
        judge.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        return [_failure(error) for error in errors.schema_errors]
    return []


def _failure(error: SchemaError) -> tuple[str, str, npt.NDArray[np.bool_]]:
    if error.check_output is None:
        raise RuntimeError(f"the check {error.check} broke down: {error}") from error
    code = str(error.check.error)
    return str(error.schema.name), code, ~error.check_output.to_numpy(dtype=bool)


def _named_by(faults: Sequence[Findings], column: str, rows: int) -> npt.NDArray[np.bool_]:
    """Which of the ``rows`` have a fault in the canonical ``column``."""
    named = np.zeros(rows, dtype=bool)
    for found in faults:
        named[found.rows[found.columns == CANONICAL.index(column)]] = True
    return named


def _opinion(
    clean: Mapping[str, Text], faults: Sequence[Findings]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    numbers = _tracking_number(clean["tracking_number"])
    broken = _named_by(faults, "tracking_number", len(numbers))
    numbers = pc.if_else(pa.array(~broken), numbers, "")
    said = tracking.judge(numbers, clean.get("tracking_company"))
    return (
        said.wrong_check_digit.to_numpy(zero_copy_only=False).astype(bool),
        said.other_carrier.to_numpy(zero_copy_only=False).astype(bool),
    )


def _cleaned(cells: Text, *, narrow: bool) -> Text:
    """Without outer white space, invisible characters, and ``="…"``, which keeps spreadsheets off."""
    cells = pc.utf8_trim_whitespace(cells)
    odd = pc.invert(pc.string_is_ascii(cells))
    if pc.any(odd).as_py():
        known = {text: _plain(text, narrow=narrow) for text in pc.unique(cells.filter(odd)).to_pylist()}
        texts = [known[text] for text in cells.filter(odd).to_pylist()]
        cells = pc.replace_with_mask(cells, odd, pa.array(texts, pa.string()))
    if pc.any(pc.starts_with(cells, '="')).as_py():
        cells = pc.utf8_trim_whitespace(pc.replace_substring_regex(cells, _WRAPPED, r"\1"))
    return cells


def _plain(text: str, *, narrow: bool) -> str:
    text = text.translate(_INVISIBLE)
    return ("".join(map(_narrow, text)) if narrow else text).strip()


def _narrow(character: str) -> str:
    """Full-width and other scripts' digits and full-width letters as ASCII; ``²`` stays what it is."""
    if character.isspace():
        return " "
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    return _FULL_WIDTH.get(character, character)


def _tracking_number(cells: Text) -> Text:
    if pc.any(pc.match_substring_regex(cells, r"\s")).as_py():
        return pc.replace_substring_regex(cells, r"\s+", "")
    return cells


def _quantity(cells: Text | None, bad: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    if cells is None:
        return np.zeros(len(bad), dtype=np.int32)
    digits = pc.if_else(pa.array(bad), "0", cells)
    if pc.any(pc.ends_with(digits, ".0")).as_py():
        digits = pc.replace_substring_regex(digits, r"\.0$", "")
    return np.asarray(digits.cast(pa.int32()).to_numpy(), dtype=np.int32)


def _known(cells: Text, unknown: npt.NDArray[np.bool_]) -> Text:
    return pc.if_else(pa.array(unknown), pa.scalar(None, pa.string()), cells)


def _blanks(rows: int) -> Text:
    return pa.array([""] * rows, pa.string())

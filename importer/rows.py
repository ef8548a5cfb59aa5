"""Raw rows → checked rows and findings; pandera judges the text, then it is converted."""

from __future__ import annotations

import re
from functools import reduce
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct, field

from importer import tracking
from importer.cells import cleaned, replaced, unspaced, whole_number
from importer.findings import NO_MENTIONS, Findings, Mentions, number_of
from importer.model import MAIL_ALONE
from schemas.cleaning import NARROWED
from schemas.codes import IDLE
from schemas.manifest import COLUMNS, EDI_VERDICT, LINE, judged, rules, usual

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    Text: TypeAlias = pa.Array[Any]

_BETWEEN = re.compile(r'[,;\t|\r\n"]')  # what may part two cells where quotes or delimiters went wrong
_ZEROS = r"^0+(\d+)$"
_LONGEST_NAME = 255
_REJECTED = "rejected"


class Misfit(Protocol):
    """A row whose cells can't be told apart: the code of its fault, and as many cells as were found."""

    @property
    def code(self) -> str:
        """A code in schemas/codes.py."""

    @property
    def cells(self) -> Sequence[str]:
        """Its cells, in order."""


class Checked(Struct, frozen=True):
    """The checked rows of a block, as columns of the same length.

    ``order_id`` and ``tracking_number`` are strings, null where the row does not say them well enough to
    name a parcel; ``sku`` strings and ``quantity`` int32 count only where ``bad`` (bool) is false.
    ``findings`` are the reasons for ``bad``; both they and ``warnings`` count rows from the block's start,
    and so do ``orders`` and ``numbers``: all that may be an order id or a tracking number of rows whose cells
    can't be told apart, or have several things in one, or say neither. ``taken`` has the further columns that
    the destination takes, strings, '' for a blank cell or a bad row. A row without a tracking number that
    only asks to mail the customer has its fulfillment id in the place of the number. ``idle`` (bool) are rows
    that say that nothing was shipped, or that came before: they are ``bad``, but nobody's fault, and name no
    parcel. Nor do rows of a rejected EDI document, which is rejected alone.
    """

    order_id: Text
    tracking_number: Text
    sku: Text
    quantity: npt.NDArray[np.int32]
    bad: npt.NDArray[np.bool_]
    findings: Findings
    warnings: Findings
    orders: Mentions
    numbers: Mentions
    idle: npt.NDArray[np.bool_]
    taken: Mapping[str, Text] = field(default_factory=dict)


class Above(Struct):
    """What the last row that says what it is of names: its order and tracking number, None for none.

    ``rows`` is how many at the top say neither, before any row ``is_there`` that does.
    """

    order_id: str | None = None
    number: str | None = None
    rows: int = 0
    is_there: bool = False

    def mentions(self, rows: int) -> tuple[Mentions, Mentions]:
        """What that many rows below mention, from 0 on: the tracking number, or else the order."""
        numbered = rows if self.number is not None else 0
        ordered = rows - numbered if self.order_id is not None else 0
        return (
            Mentions(np.arange(ordered), pa.array([self.order_id] * ordered, pa.string())),
            Mentions(np.arange(numbered), pa.array([self.number] * numbered, pa.string())),
        )


class Checker(Struct, frozen=True):
    """Checks blocks of one manifest, in order.

    ``columns`` names the manifest's canonical columns, ``order_id`` is ``integer`` or ``string``, and with
    ``strict_tracking`` a wrong check digit is a fault instead of a warning. ``takes`` names the further
    columns that the destination makes something of, ``optional`` those that it can do without. With
    ``whole_rows`` no row belongs to the one above because it does not say what it is of, as in EDI.
    ``above`` is what rows below may belong to.
    """

    columns: tuple[str, ...]
    order_id: str
    strict_tracking: bool = False
    takes: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    whole_rows: bool = False
    above: Above = field(default_factory=Above)

    def check(self, cells: Mapping[str, Text], misfits: Mapping[int, Misfit]) -> Checked:
        """Judge every row; nothing is dropped.

        ``cells`` has a string array (no nulls) for each canonical column of the manifest; ``misfits`` are
        the rows (by position) whose cells can't be told apart: what they name is not read by position. A row
        with neither order id nor tracking number may belong to the row above, and so it mentions what that
        one names.
        """
        clean = {name: cleaned(cells[name], narrow=name in NARROWED) for name in self.columns}
        key = "tracking_number" if "tracking_number" in clean else "fulfillment_id"
        rows = len(clean["order_id"])
        faults = [*self._judge(clean), *self._half_lines(clean)]
        faults, idle, again = _by_verdict(faults, rows)
        wrong, cut, other = _opinion(clean, _having(faults, "tracking_number", rows))
        doubts = [
            Findings.of(np.flatnonzero(wrong), "tracking-check-digit", "tracking_number"),
            Findings.of(np.flatnonzero(cut), "tracking-number-cut", "tracking_number"),
        ]
        warnings = [
            Findings.of(np.flatnonzero(other), "carrier-mismatch", "tracking_number"),
            *again,
        ]
        (faults if self.strict_tracking else warnings).extend(doubts)
        unnamed, unnumbered = (_having(faults, name, rows) for name in ("order_id", key))
        unnamed[[*misfits]] = unnumbered[[*misfits]] = True
        idle[[*misfits]] = False
        apart = idle | (_rejected(clean, rows) & ~_at([*misfits], rows))
        unnamed |= apart
        unnumbered |= apart
        faults = sorted(filter(len, faults), key=lambda found: int(found.columns[0]))
        findings = Findings.join([Findings.join(faults).without([*misfits]), *_torn(misfits)])
        bad = np.zeros(rows, dtype=bool)
        bad[findings.rows] = True
        bad |= idle
        mentioned = _mentioned(
            {at: misfit.cells for at, misfit in misfits.items()}
            | self._torn_cells(clean, (unnamed | unnumbered) & ~apart & ~_at([*misfits], rows))
        )
        order_id = _known(self._plain_order_id(clean["order_id"]), unnamed)
        number = _known(unspaced(clean[key]) if key == "tracking_number" else clean[key], unnumbered)
        nameless = _is_blank(clean["order_id"]) & _is_blank(clean[key]) & ~idle & ~_at([*misfits], rows)
        nameless &= not self.whole_rows
        orders, numbers = self._named_above(order_id, number, nameless)
        return Checked(
            order_id=order_id,
            tracking_number=number,
            sku=clean["sku"] if "sku" in clean else pa.repeat("", rows),
            quantity=_quantity(clean.get("quantity"), bad),
            bad=bad,
            findings=findings,
            warnings=Findings.join(warnings).without([*misfits]),
            orders=Mentions.join([Mentions(mentioned.rows, self._plain_order_id(mentioned.texts)), orders]),
            numbers=Mentions.join([Mentions(mentioned.rows, unspaced(mentioned.texts)), numbers]),
            idle=idle,
            taken=self._taken(clean, bad),
        )

    def _named_above(
        self, order_id: Text, number: Text, nameless: npt.NDArray[np.bool_]
    ) -> tuple[Mentions, Mentions]:
        """What the rows above the ``nameless`` ones name: the tracking number, else the order."""
        if not self.above.is_there:
            self.above.is_there = not nameless.all()
            self.above.rows += int(nameless.argmin()) if self.above.is_there else len(nameless)
        if not nameless.any():
            self._pass_on(order_id, number, len(order_id) - 1)
            return NO_MENTIONS, NO_MENTIONS
        orders = pa.concat_arrays([pa.array([self.above.order_id], pa.string()), order_id])
        numbers = pa.concat_arrays([pa.array([self.above.number], pa.string()), number])
        above = np.maximum.accumulate(np.where(nameless, 0, np.arange(1, len(nameless) + 1)))
        self._pass_on(orders, numbers, int(above[-1]))
        rows = np.flatnonzero(nameless)
        meant = pa.array(above[rows])
        by_number = numbers.take(meant).is_valid().to_numpy(zero_copy_only=False)
        by_order = orders.take(meant).is_valid().to_numpy(zero_copy_only=False) & ~by_number
        return (
            Mentions(rows[by_order], orders.take(meant).filter(pa.array(by_order))),
            Mentions(rows[by_number], numbers.take(meant).filter(pa.array(by_number))),
        )

    def _pass_on(self, orders: Text, numbers: Text, last: int) -> None:
        """Remember what the ``last`` row names, for the block below; it may be -1, for none."""
        if last >= 0:
            self.above.order_id, self.above.number = orders[last].as_py(), numbers[last].as_py()

    def _taken(self, clean: Mapping[str, Text], bad: npt.NDArray[np.bool_]) -> dict[str, Text]:
        taken = {name: pc.if_else(pa.array(bad), "", clean[name]) for name in self.takes if name in clean}
        if "tracking_number" not in clean:
            taken[MAIL_ALONE] = pa.repeat("yes", len(bad))
        return taken

    def _judge(self, clean: Mapping[str, Text]) -> list[Findings]:
        """One finding for each bad cell, of the first rule it breaks."""
        columns = judged(self.columns, self.takes, self.optional)
        unusual = self._unusual({name: clean[name] for name in rules(columns, order_id=self.order_id)})
        if not len(unusual):
            return []
        from schemas import judging  # noqa: PLC0415 - pandera, which few rows need

        optional = [name for name, may_be_blank in columns.items() if may_be_blank]
        judge = judging.schema(columns, order_id=self.order_id, optional=optional)
        doubtful = {name: cells.take(pa.array(unusual)) for name, cells in clean.items()}
        faults: list[Findings] = []
        seen = {name: np.zeros(len(unusual), dtype=bool) for name in clean}
        for column, code, failed in judging.failures(judge, doubtful):
            faults.append(Findings.of(unusual[failed & ~seen[column]], code, column))
            seen[column] |= failed
        return faults

    def _unusual(self, judged: Mapping[str, Text]) -> npt.NDArray[np.int64]:
        """The rows that may break a rule."""
        passing = [usual(name, order_id=self.order_id)(cells) for name, cells in judged.items()]
        return np.flatnonzero(~reduce(pc.and_, passing).to_numpy(zero_copy_only=False))

    def _half_lines(self, clean: Mapping[str, Text]) -> Iterator[Findings]:
        """Where lines are optional, half a line is a fault all the same."""
        if not set(LINE) <= set(self.optional) or not set(LINE) <= clean.keys():
            return
        blank = {name: _is_blank(clean[name]) for name in LINE}
        for name, other in (LINE, LINE[::-1]):
            yield Findings.of(np.flatnonzero(blank[name] & ~blank[other]), f"blank-{name}", name)

    @staticmethod
    def _torn_cells(clean: Mapping[str, Text], unclear: npt.NDArray[np.bool_]) -> dict[int, list[str]]:
        """Cells of unclear rows that have more than one thing in them, such as a report's whole torn row."""
        found: dict[int, list[str]] = {}
        at = np.flatnonzero(unclear)
        for name in ("order_id", "tracking_number"):
            if name not in clean:
                continue
            cells = clean[name].take(pa.array(at))
            several = pc.match_substring_regex(cells, _BETWEEN.pattern).to_numpy(zero_copy_only=False)
            for row, text in zip(
                at[several].tolist(), cells.filter(pa.array(several)).to_pylist(), strict=True
            ):
                found.setdefault(row, []).append(text)
        return found

    def _plain_order_id(self, cells: Text) -> Text:
        """Without a spreadsheet's ``.0`` and, where it is a number, leading zeros."""
        cells = whole_number(cells)
        return replaced(cells, pc.starts_with(cells, "0"), _ZEROS) if self.order_id == "integer" else cells


def _by_verdict(
    faults: Sequence[Findings], rows: int
) -> tuple[list[Findings], npt.NDArray[np.bool_], list[Findings]]:
    """The faults, but of rows that EDI gave a verdict on that alone; which are idle, and why."""
    told = _having(faults, EDI_VERDICT, rows)
    idle = np.zeros(rows, dtype=bool)
    kept, said = [], []
    for found in faults:
        if EDI_VERDICT not in {COLUMNS[column] for column in np.unique(found.columns)}:
            kept.append(found.without(np.flatnonzero(told)) if told.any() else found)
        elif np.isin(found.codes, [number_of(code) for code in IDLE]).all():
            idle[found.rows] = True
            said.append(found)
        else:
            kept.append(found)
    return kept, idle, said


def _rejected(clean: Mapping[str, Text], rows: int) -> npt.NDArray[np.bool_]:
    """Which rows are of an EDI document that is rejected."""
    if EDI_VERDICT not in clean:
        return np.zeros(rows, dtype=bool)
    rejected: npt.NDArray[np.bool_] = pc.starts_with(clean[EDI_VERDICT], _REJECTED).to_numpy(
        zero_copy_only=False
    )
    return rejected


def _torn(misfits: Mapping[int, Misfit]) -> list[Findings]:
    """The findings on rows whose cells can't be told apart, which is all that is said of them."""
    rows = np.fromiter(misfits, dtype=np.int64, count=len(misfits))
    codes = np.array([misfit.code for misfit in misfits.values()], dtype=object)
    return [Findings.of(rows[codes == code], code) for code in dict.fromkeys(codes.tolist())]


def _is_blank(cells: Text) -> npt.NDArray[np.bool_]:
    blank: npt.NDArray[np.bool_] = pc.equal(cells, "").to_numpy(zero_copy_only=False)
    return blank


def _at(places: Sequence[int], rows: int) -> npt.NDArray[np.bool_]:
    mask = np.zeros(rows, dtype=bool)
    mask[[*places]] = True
    return mask


def _mentioned(torn: Mapping[int, Sequence[str]]) -> Mentions:
    """Every cell of the torn rows that is short enough for a name, cleaned."""
    texts = [_pieces(cells) for cells in torn.values()]
    rows = np.repeat(np.fromiter(torn, dtype=np.int64, count=len(torn)), [*map(len, texts)])
    return Mentions(
        rows, cleaned(pa.array([text for some in texts for text in some], pa.string()), narrow=True)
    )


def _pieces(cells: Sequence[str]) -> list[str]:
    """The cells, and what stands in them between delimiters and quotes."""
    pieces = dict.fromkeys(piece.strip() for cell in cells for piece in (cell, *_BETWEEN.split(cell)))
    return [piece for piece in pieces if 0 < len(piece) <= _LONGEST_NAME]


def _having(faults: Sequence[Findings], column: str, rows: int) -> npt.NDArray[np.bool_]:
    """Which of the ``rows`` have a fault in the canonical ``column``."""
    having = np.zeros(rows, dtype=bool)
    for found in faults:
        having[found.rows[found.columns == COLUMNS.index(column)]] = True
    return having


def _opinion(
    clean: Mapping[str, Text], unnumbered: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], ...]:
    """Which tracking numbers fail their check digit, have a wrong length, are of a carrier not named."""
    if "tracking_number" not in clean:
        nothing = np.zeros(len(unnumbered), dtype=bool)
        return nothing, nothing, nothing
    numbers = _known(unspaced(clean["tracking_number"]), unnumbered)
    said = tracking.judge(numbers, clean.get("tracking_company"))
    return tuple(
        mask.to_numpy(zero_copy_only=False)
        for mask in (said.wrong_check_digit, said.wrong_length, said.other_carrier)
    )


def _quantity(cells: Text | None, bad: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """The numbers, 0 for those of bad rows and for blank cells."""
    if cells is None:
        return np.zeros(len(bad), dtype=np.int32)
    digits = pc.if_else(pc.or_(pa.array(bad), pc.equal(cells, "")), "0", cells)
    digits = whole_number(digits)
    return np.asarray(digits.cast(pa.int32()).to_numpy(), dtype=np.int32)


def _known(cells: Text, unknown: npt.NDArray[np.bool_]) -> Text:
    return pc.if_else(pa.array(unknown), pa.scalar(None, pa.string()), cells)

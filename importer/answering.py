"""What EDI partners are told: which of their interchanges came before, and what became of their documents."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow.compute as pc
from msgspec import Struct, field
from msgspec.structs import replace

from importer.errors import CannotGoOn
from importer.ledger import Interchange
from importer.manifests.edi import manifest as edi
from importer.manifests.edi.acks import Answered, Rejection, acknowledge
from importer.manifests.edi.units import Fault
from importer.model import FINE, Status
from importer.printing import printable
from importer.report.files import finish, sync, unfinished
from schemas.manifest import rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    import numpy.typing as npt
    import pyarrow as pa

    from importer.ledger import Ledger
    from importer.manifests import Manifest
    from importer.manifests.edi.acks import Acknowledgment
    from importer.manifests.edi.units import Interchange as Unit
    from importer.manifests.edi.units import Survey, Transaction
    from importer.report import Summary
    from importer.report.sinks import Block, Outline

    Text: TypeAlias = pa.Array[Any] | pa.ChunkedArray[Any]

FOLDER: Final = "acks"
_REFUSED: Final = frozenset({Status.INVALID, Status.REJECTED, Status.HELD})
_OPEN: Final = frozenset({Status.FAILED, Status.NOT_SENT, Status.IN_DOUBT})
"""A later run decides these rows, and tells then."""
_TOLD_AT_MOST: Final = 1_000
"""Rejected rows of one transaction that are told one by one."""
_OF_THE_ENVELOPE: Final = "transaction-rejected"
"""What the 997 or CONTRL says already, and is no business of an 824 or APERAK."""

_Key = tuple[str, str, str, str]


def refuse_repeated(surveyed: Sequence[Manifest], ledger: Ledger | None) -> list[Manifest]:
    """The manifests, with those interchanges rejected whose control number their sender used before.

    The same document again is no fault: of two in this run the first counts, and what an earlier run posted
    of it is skipped, row by row.

    Raises:
        CannotGoOn: the ledger can't be read.
    """
    came: dict[_Key, tuple[str, str]] = {}
    checked = []
    for manifest in surveyed:
        found = manifest.edi
        for at, unit in enumerate(manifest.edi.survey.interchanges if manifest.edi else ()):
            if found is None or edi.repetition(unit):
                continue
            here = came.get(_key(unit))
            content, where = here or _remembered(unit, ledger) or ("", "")
            if content not in {"", unit.content}:
                found = edi.with_fault(found, at, _repeated(unit, where))
            elif here and not _is_rejected(unit):
                found = edi.with_fault(found, at, _again(unit, where))
            elif not _is_rejected(unit):
                came.setdefault(_key(unit), (unit.content, f"in {printable(manifest.name)}"))
        checked.append(replace(manifest, edi=found))
    return checked


def remember(surveyed: Sequence[Manifest], ledger: Ledger, run_id: str, now: datetime) -> None:
    """Let the ledger know which interchanges came; a rejected one may come again under its number.

    Raises:
        CannotGoOn: the ledger can't be written.
    """
    ledger.remember_interchanges(
        [
            Interchange(*_key(unit), unit.content, run_id, manifest.name, now)
            for manifest in surveyed
            if manifest.edi is not None
            for unit in manifest.edi.survey.interchanges
            if not _is_rejected(unit)
        ]
    )


def _key(unit: Unit) -> _Key:
    return str(unit.standard), unit.sender, unit.receiver, unit.control


def _is_rejected(unit: Unit) -> bool:
    return any(not edi.is_harmless(fault) for fault in unit.faults)


def _remembered(unit: Unit, ledger: Ledger | None) -> tuple[str, str] | None:
    known = ledger.interchange(*_key(unit)) if ledger is not None else None
    if known is None:
        return None
    return known.content, f"in {printable(known.source)}, which run {known.run_id} read"


def _repeated(unit: Unit, where: str) -> Fault:
    message = (
        f"{unit.sender} has used the control number {unit.control} before, {where}, for another interchange; "
        "expected a new number for each"
    )
    return Fault("interchange-repeated", message, unit.place, unit.control)


def _again(unit: Unit, where: str) -> Fault:
    message = f"the interchange {unit.control} from {unit.sender} came before, {where}, and counts once"
    return Fault("interchange-again", message, unit.place, unit.control)


class Answers(Struct):
    """A sink of the report that writes what each EDI partner is answered into its folder ``acks``.

    ``number`` gives the next control number of a series. A ``preview`` is marked as a test.
    """

    surveyed: Sequence[Manifest]
    folder: Path
    number: Callable[[str], int]
    now: datetime
    preview: bool = False
    _outline: Outline | None = None
    _accepted: Counter[tuple[str, int]] = field(default_factory=Counter)
    _rejected: Counter[tuple[str, int]] = field(default_factory=Counter)
    _rejections: dict[tuple[str, int], list[Rejection]] = field(default_factory=dict)
    _open: set[tuple[str, int]] = field(default_factory=set)

    @property
    def kind(self) -> str:
        """What summary.json calls it."""
        return FOLDER

    @property
    def path(self) -> Path:
        """The folder of the acknowledgments."""
        return self.folder / FOLDER

    def begin(self, outline: Outline) -> None:
        """Get ready for the rows."""
        self._outline = outline

    def add(self, block: Block) -> None:
        """Count the rows by the transactions that they are of, and keep what is wrong with them."""
        if self._outline is None or not len(block.new):
            return
        columns = dict(zip(self._outline.headers, block.columns, strict=True))
        columns |= {name: block.columns[at] for name, at in self._outline.canonical.items()}
        manifest = self._of_source.get(str(columns["import_source"][0].as_py()))
        if manifest is None or manifest.edi is None:
            return
        transactions = manifest.edi.transactions_of(columns["import_row"].cast("int64").to_numpy())
        statuses = np.array(columns["import_status"].to_pylist())
        fine, refused, unsettled = (np.isin(statuses, [*map(str, some)]) for some in (FINE, _REFUSED, _OPEN))
        refused &= ~pc.equal(columns["import_code"], _OF_THE_ENVELOPE).to_numpy(zero_copy_only=False)
        name = manifest.name
        for mask, counts in ((fine, self._accepted), (refused, self._rejected)):
            for number, count in Counter(transactions[mask].tolist()).items():
                counts[name, number] += count
        self._open |= {(name, number) for number in np.unique(transactions[unsettled]).tolist()}
        self._keep(manifest.edi.survey, name, np.flatnonzero(refused), transactions, columns)

    def _keep(
        self,
        survey: Survey,
        name: str,
        refused: npt.NDArray[np.int64],
        transactions: npt.NDArray[np.int64],
        columns: Mapping[str, Text],
    ) -> None:
        """Keep what is wrong with refused rows, as far as it is told one by one."""
        documents = [transaction for _, _, transaction in survey.transactions()] if len(refused) else []
        for at, number in zip(refused.tolist(), transactions[refused].tolist(), strict=True):
            told = self._rejections.setdefault((name, number), [])
            if len(told) < _TOLD_AT_MOST:
                told.append(_rejection(columns, at, documents[number]))

    def finish(self, summary: Summary) -> None:
        """Write the acknowledgments.

        Raises:
            CannotGoOn: they can't be written, or the ledger has no control number to give.
        """
        del summary
        try:
            self.path.mkdir(exist_ok=True)
            for answer in self._answers():
                path = _free(self.path / answer.name)
                with unfinished(path).open("wb") as file:
                    file.write(answer.content)
                    sync(file)
                finish(path)
        except OSError as error:
            raise CannotGoOn(
                f"the acknowledgments can't be written to {self.path}: {error.strerror or error}"
            ) from error

    def _answers(self) -> Iterator[Acknowledgment]:
        for manifest in self.surveyed:
            if manifest.edi is None:
                continue
            survey = manifest.edi.survey
            answered = {
                transaction.number: self._answered(manifest.name, transaction.number)
                for _, _, transaction in survey.transactions()
            }
            if self.preview:
                units = tuple(replace(unit, is_test=True) for unit in survey.interchanges)
                survey = replace(survey, interchanges=units)
            yield from acknowledge(survey, answered, manifest.edi.partners.of, self.number, self.now)

    def _answered(self, name: str, number: int) -> Answered:
        key = name, number
        told = () if key in self._open else tuple(self._rejections.get(key, ()))
        return Answered(self._accepted[key], self._rejected[key], told)

    @property
    def _of_source(self) -> dict[str, Manifest]:
        return {printable(manifest.name): manifest for manifest in self.surveyed}


def _rejection(columns: Mapping[str, Text], at: int, transaction: Transaction) -> Rejection:
    """What a partner is told of a row: where in the document it is, and the value that its code is about."""

    def said(name: str) -> str:
        return str(columns[name][at].as_py())

    code = said("import_code").partition(";")[0]
    position = int(said("import_row"))
    inside = position - transaction.place.segment + 1
    return Rejection(
        position=position,
        code=code,
        message=said("import_message"),
        value=said(_COLUMN_OF[code]) if code in _COLUMN_OF else "",
        reference=f"{said('order_id')} {said('sku')}".strip(),
        # a document without lines has its row at its first segment
        tag=_TAGS.get(transaction.kind, "") if inside > 1 else transaction.place.tag,
        inside=max(0, inside),
    )


_TAGS: Final = {"856": "HL", "945": "W12", "DESADV": "LIN"}
_COLUMN_OF: Final = {
    **{
        code: name
        for name, found in rules(
            ("order_id", "sku", "quantity", "tracking_number"), order_id="integer"
        ).items()
        for code, _ in found
        if code != "spreadsheet-damage"  # it may be any of them
    },
    "exceeds-remaining": "quantity",
    "sku-not-in-order": "sku",
    "destination-404": "order_id",
    "tracking-number-conflict": "tracking_number",
    "tracking-check-digit": "tracking_number",
    "tracking-number-cut": "tracking_number",
}
"""The column that has the value that a code is about."""


def _free(path: Path) -> Path:
    """A name that no other acknowledgment of the report has."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free


def numbers(ledger: Ledger | None) -> Callable[[str], int]:
    """Control numbers for a dry run: those that would come next; none is taken."""
    given: Counter[str] = Counter()

    def number(series: str) -> int:
        given[series] += 1
        return given[series] - 1 + (ledger.peek_control_number(series) if ledger is not None else 1)

    return number

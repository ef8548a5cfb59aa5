"""An EDI file as a manifest: blocks of the same columns as any, of X12 856 and 945 and EDIFACT DESADV.

What is wrong with a unit often stands in its last segment. So the lines are kept while the envelopes are
surveyed, and those of rejected units say why.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct
from msgspec.structs import replace

from importer.errors import ManifestError
from importer.manifests import delimited, encodings
from importer.manifests.edi import (
    despatch_advices,
    envelopes,
    segments,
    ship_notices,
    warehouse_advices,
)
from importer.manifests.edi.envelopes import is_harmless, repetition
from importer.manifests.edi.kept import Keeper, lines_of
from importer.manifests.edi.lines import COLUMNS
from importer.manifests.edi.standards import ANSWERS, Standard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from importer.manifests.edi.kept import Lines, Reader
    from importer.manifests.edi.partners import Partners
    from importer.manifests.edi.units import Fault, Group, Interchange, Survey, Transaction
    from importer.manifests.sources import Source

    Text: TypeAlias = pa.Array[Any]
    Mask: TypeAlias = npt.NDArray[np.bool_]

__all__ = [
    "COLUMNS",
    "FORM",
    "READERS",
    "Found",
    "is_harmless",
    "read",
    "repetition",
    "stretches",
    "survey",
    "with_fault",
]

READERS: Final[Mapping[str, Reader]] = {
    "856": ship_notices.lines,
    "945": warehouse_advices.lines,
    "DESADV": despatch_advices.lines,
}
"""What reads the transactions of each kind."""

FORM: Final = delimited.Form("", COLUMNS, 0, 0)
"""An EDI file has no header; the columns are always these."""

_PIECE_BYTES: Final = 1 << 20
_NUMBER: Final = r"^\d+(?:\.\d+)?$"
_NOTES: Final = 20


class Found(Struct, frozen=True):
    """An EDI file, surveyed; ``lines`` is all that its transactions say, for ``read``."""

    standard: Standard
    encoded: encodings.Encoded
    survey: Survey
    partners: Partners
    lines: pa.Buffer

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person is told of the file: harmless faults, and what in it is no manifest."""
        notes = [*_notes(self.survey)]
        more = len(notes) - _NOTES
        return (*notes[:_NOTES], *([f"and {more} more of this kind"] if more > 0 else []))

    def transactions_of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The number of the transaction that each row (its segment) is of; -1: before the first."""
        starts = [transaction.place.segment for _, _, transaction in self.survey.transactions()]
        return np.searchsorted(np.array(starts, dtype=np.int64), rows, side="right") - 1


def survey(source: Source, standard: Standard, partners: Partners) -> Found:
    """Read the whole file and check all its envelopes.

    Raises:
        ManifestError: there is no interchange in it, or it can't be read.
    """
    encoded = encodings.digest(source)
    keeper = Keeper()
    readers = {kind: keeper.keeping(reader) for kind, reader in READERS.items()}
    found = envelopes.survey(stretches(source), partners.of, readers)
    if not found.interchanges:
        fault = found.faults[0] if found.faults else None
        said = f"{fault.place.words}: {fault.message}" if fault else "there is no interchange in it"
        raise ManifestError(
            f"{source.name}: {said}; nothing of it can be trusted or acknowledged; have the partner send it "
            "again"
        )
    encodings.check_unchanged(source, encoded)
    return Found(standard, encoded, found, partners, keeper.kept())


def stretches(source: Source) -> Iterator[segments.Stretch]:
    """The file's segments.

    Raises:
        ManifestError: the file can't be read.
    """
    try:
        with source.path.open("rb") as file:
            yield from segments.read(iter(lambda: file.read(_PIECE_BYTES), b""))
    except OSError as error:
        raise ManifestError(f"{source.name}: can't be read: {error.strerror or error}") from error


def read(found: Found) -> Iterator[tuple[delimited.Records, npt.NDArray[np.int64], Mask]]:
    """The data rows in blocks, with their segments' numbers, and which were shipped short."""
    units = _units(found)
    said = [(unit, unit.placeholder) for unit in units if unit.placeholder is not None]
    told = [unit for unit in units if unit.is_read]
    paths = pa.array([unit.path for unit in told] or [""], pa.string())
    verdicts = pa.array([unit.verdict for unit in told] or [""], pa.string())
    before = np.array([unit.reads for unit, _ in said], dtype=np.int64)
    done = 0
    for lines in lines_of(found.lines):
        until = int(np.searchsorted(before, lines.read[-1], side="right"))
        columns, rows = _columns(lines, paths, verdicts), lines.position
        if until > done:
            # what stands for a unit comes before the first line of the next that was read
            places = np.searchsorted(lines.read, before[done:until], side="left")
            columns, rows = _with_rows(columns, rows, places, said[done:until])
            done = until
        yield _block(columns, rows)
    if done < len(said):
        nothing = [pa.array([], pa.string())] * len(COLUMNS)
        none = np.empty(0, dtype=np.int64)
        yield _block(*_with_rows(nothing, none, np.zeros(len(said) - done, dtype=np.int64), said[done:]))


class _Unit(Struct, frozen=True):
    """A transaction, or what stands for more than one; ``reads`` counts those that were read before it.

    ``verdict`` is what its lines are told where they do not count; ``placeholder`` says why it is rejected
    where it has none.
    """

    path: str
    reads: int
    is_read: bool = False
    verdict: str = ""
    placeholder: Fault | None = None
    position: int = 0


def _units(found: Found) -> list[_Unit]:
    """Everything that has rows in the report, in order."""
    units: list[_Unit] = []
    reads = 0
    for interchange in found.survey.interchanges:
        apart = _apart(interchange, found.partners)
        where = f"{interchange.head[0]} {interchange.control}" if interchange.head else ""
        of_all = [(group, one) for group in interchange.groups for one in group.transactions]
        if not of_all:
            units += [_fault_alone(fault, reads, where) for fault in _telling(interchange.faults)[:1]]
        for group, transaction in of_all:
            unit = _of_transaction(interchange, group, transaction, reads, where)
            units.append(unit if unit.verdict else replace(unit, verdict=apart))
            reads += unit.is_read
    return [*units, *(_fault_alone(fault, reads, "") for fault in _telling(found.survey.faults))]


def _apart(interchange: Interchange, partners: Partners) -> str:
    """Why the lines of an interchange do not count although it is sound; "": they do."""
    again = repetition(interchange)
    if again is not None:
        return f"again: {again.message}"
    if interchange.is_test and not partners.of(interchange.sender).accepts_tests:
        return f"cancelled: {_TEST[interchange.standard]}, and the layout has accepts_tests = false"
    return ""


_TEST: Final = {
    Standard.X12: "ISA15 is T: a test interchange",
    Standard.EDIFACT: "UNB 0035 is 1: a test interchange",
}


def _of_transaction(
    interchange: Interchange, group: Group, transaction: Transaction, reads: int, where: str
) -> _Unit:
    rejection = envelopes.verdict(interchange, group, transaction)
    is_silent = not transaction.rows and transaction.kind not in ANSWERS
    return _Unit(
        f"{where} / {transaction.place.tag} {transaction.control}",
        reads,
        transaction.kind in READERS,
        _rejected(rejection) if rejection else "",
        rejection if is_silent else None,
        transaction.place.segment,
    )


def _fault_alone(fault: Fault, reads: int, where: str) -> _Unit:
    return _Unit(where, reads, placeholder=fault, position=fault.place.segment)


def _telling(faults: Sequence[Fault]) -> list[Fault]:
    return [fault for fault in faults if not is_harmless(fault)]


def _rejected(fault: Fault) -> str:
    return f"rejected: {fault.message} ({fault.place.words})"


def _columns(lines: Lines, paths: Text, verdicts: Text) -> list[Text]:
    """The columns of a manifest, with what the survey has found of each line's transaction."""
    transaction = pa.array(lines.read)
    place, rejected = paths.take(transaction), verdicts.take(transaction)
    inside = lines.texts["path"]
    texts = {
        **{f"edi_{name}": lines.texts[name] for name in ("unit", "ordered", "sscc", "shipment")},
        **lines.texts,
        "edi_verdict": pc.if_else(pc.equal(rejected, ""), lines.texts["verdict"], rejected),
        "edi_path": pc.if_else(
            pc.equal(inside, ""), place, pc.binary_join_element_wise(place, inside, " / ")
        ),
    }
    return [texts[name] for name in COLUMNS]


def _with_rows(
    columns: Sequence[Text],
    rows: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    said: Sequence[tuple[_Unit, Fault]],
) -> tuple[list[Text], npt.NDArray[np.int64]]:
    """The same with a row for each unit that none can be read of, each before the row at its place."""
    more = {
        "edi_verdict": [_rejected(fault) for _, fault in said],
        "edi_path": [unit.path for unit, _ in said],
    }
    order = np.argsort(np.concatenate([np.arange(len(rows)) + 0.5, places]), kind="stable")
    blank = [""] * len(said)
    joined = [
        pa.concat_arrays([column, pa.array(more.get(name, blank), pa.string())]).take(pa.array(order))
        for name, column in zip(COLUMNS, columns, strict=True)
    ]
    positions = np.array([unit.position for unit, _ in said], dtype=np.int64)
    return joined, np.concatenate([rows, positions])[order]


def _block(
    columns: list[Text], rows: npt.NDArray[np.int64]
) -> tuple[delimited.Records, npt.NDArray[np.int64], Mask]:
    named = dict(zip(COLUMNS, columns, strict=True))
    return delimited.Records(columns, 1), rows, _short(named)


def _short(named: Mapping[str, Text]) -> Mask:
    """Which lines say that fewer were shipped than ordered; what is no number is told elsewhere."""
    ordered, quantity = named["edi_ordered"], named["quantity"]
    both = pc.and_(pc.match_substring_regex(ordered, _NUMBER), pc.match_substring_regex(quantity, _NUMBER))
    both = pc.and_(both, pc.equal(named["edi_verdict"], ""))
    asked, shipped = (pc.if_else(both, text, "0").cast(pa.float64()) for text in (ordered, quantity))
    return np.asarray(pc.greater(asked, shipped).to_numpy(zero_copy_only=False), dtype=bool)


def _notes(found: Survey) -> Iterator[str]:
    faults = [*found.faults]
    for interchange, of_interchange in groupby(found.transactions(), key=lambda each: each[0]):
        kinds: dict[str, int] = {}
        for _, group, transaction in of_interchange:
            faults += (*group.faults, *transaction.faults)
            kinds[transaction.kind] = kinds.get(transaction.kind, 0) + 1
        faults += interchange.faults
        if interchange.is_test:
            yield f"{interchange.head[0]} {interchange.control}: {_TEST[interchange.standard]}"
        answers = [f"{count} x {kind}" for kind, count in kinds.items() if kind in ANSWERS]
        if answers:
            yield (
                f"{interchange.head[0]} {interchange.control} from {interchange.sender}: "
                f"{', '.join(answers)}: an acknowledgment, and nothing to import"
            )
    for fault in sorted(faults, key=lambda each: each.place.segment):
        if is_harmless(fault):
            yield f"{fault.place.words}: {fault.message}"


def with_fault(found: Found, interchange: int, fault: Fault) -> Found:
    """The file, with one thing more that is wrong with one of its interchanges."""
    return replace(found, survey=envelopes.with_fault(found.survey, interchange, fault))

"""What people found out about fulfillments whose outcome was unknown → the ledger.

A claim is one thing that somebody found out, told by the fulfillment's name or by a row of a file. Which
entries of the ledger it means is looked up there.
"""

from __future__ import annotations

from contextlib import ExitStack
from itertools import repeat
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeAlias

import pyarrow as pa
from msgspec import Struct

from importer import manifests
from importer.errors import ManifestError, SetupError
from importer.ledger import DOUBTED, TransitionRefused, may_be_settled
from importer.manifests import layouts, sources
from importer.model import fulfillment_name
from importer.printing import quoted
from importer.rows import Checker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from importer.ledger import Ledger, Promise
    from importer.manifests import Manifest
    from importer.model import Entry
    from importer.rows import Misfit

    Text: TypeAlias = pa.Array[Any]

COLUMN: Final = "settled"
NEEDED: Final = ("order_id", "tracking_number")
_WORDS: Final = {"created": True, "not-created": False}
_FAULTS_SHOWN: Final = 20

Share: TypeAlias = tuple[tuple[str, str], ...]
"""One order's share in a parcel: order id and tracking number, in each way that the ledger may write them."""


class Claim(Struct, frozen=True):
    """Somebody says of a fulfillment whether it is at the destination.

    ``readings`` are what its name can mean, the likeliest first: the shares of its orders. ``if_doubted``
    says that it is meant only if it is in doubt.
    """

    created: bool
    readings: tuple[tuple[Share, ...], ...]
    if_doubted: bool = False


class Settled(Struct, frozen=True):
    """What became of a claim about one order's share; ``destination`` is "" if it is not clear which."""

    fulfillment: str
    destination: str
    settled: bool
    message: str


def named(names: Iterable[str], *, created: bool) -> list[Claim]:
    """What is claimed of fulfillments by name, ``ORDER/TRACKING``, or ``1+2/TRACKING`` for a shared parcel.

    Raises:
        SetupError: a name is not one.
    """
    return [Claim(created, _readings(name)) for name in dict.fromkeys(names)]


def read(arguments: Sequence[str], standard_input: BinaryIO, *, created: bool | None) -> list[Claim]:
    """What files claim: ``created`` of all in doubt; if that is None, what the column ``settled`` says.

    Raises:
        ManifestError: a file can't be read as such a table, or a row says what it can't say.
    """
    layout = layouts.load(None)
    claims: list[Claim] = []
    with sources.scratch() as scratch:
        for source in sources.find(arguments, standard_input, scratch):
            manifest = manifests.survey(source, layout, NEEDED, None)
            claims += _said(manifest) if created is None else _all(manifest, created=created)
    return claims


def settle(ledger: Ledger, claims: Sequence[Claim], destination: str | None, by: str) -> list[Settled]:
    """Record in ``ledger`` what ``by`` claims; without a ``destination`` it is the one that has the entry.

    Raises:
        RunInProgress: a run is posting to one of the destinations.
        CannotGoOn: the ledger can't be read or written.
    """
    known = _known(ledger, claims, destination)
    meant = dict.fromkeys(place for claim in claims for place in _meant(claim, known))
    targets = [place for place in meant if isinstance(place, _Target)]
    with ExitStack() as stack:
        for name in sorted(known if destination else {target.destination for target in targets}):
            stack.enter_context(ledger.lock(name))
            ledger.recover(name)
        recorded = {target: _record(ledger, target, by) for target in targets}
        return [_ended(place, recorded[place]) if isinstance(place, _Target) else place for place in meant]


# --- claims --------------------------------------------------------------------------------------------


def _readings(name: str) -> tuple[tuple[Share, ...], ...]:
    orders, _, number = map(str.strip, name.rpartition("/"))
    if not (orders and number):
        raise SetupError(f"found {quoted(name)}, expected ORDER/TRACKING, as reports call a fulfillment")
    return tuple(dict.fromkeys(_written(each, number) for each in ([orders], orders.split("+"))))


def _written(orders: Sequence[str], number: str) -> tuple[Share, ...]:
    """The shares of these orders: as written, since reports have what the ledger has, and cleaned."""
    cleaned = _shares(pa.array(orders), pa.array([number] * len(orders)))
    return tuple(
        tuple(dict.fromkeys([(order, number), *share])) for order, share in zip(orders, cleaned, strict=True)
    )


def _shares(order_ids: Text, numbers: Text, misfits: Mapping[int, Misfit] | None = None) -> list[Share]:
    """The share that each pair names, () where it names none."""
    readings = []
    for order_id in ("string", "integer"):  # 007 is order 7 where orders have numbers
        checked = Checker(NEEDED, order_id).check(
            dict(zip(NEEDED, (order_ids, numbers), strict=True)), misfits or {}
        )
        readings.append(zip(checked.order_id.to_pylist(), checked.tracking_number.to_pylist(), strict=True))
    return [
        tuple(dict.fromkeys(pair for pair in pairs if None not in pair))
        for pairs in zip(*readings, strict=True)
    ]


def _name(share: Share) -> str:
    order_id, tracking_number = share[0]
    return fulfillment_name([order_id], tracking_number)


class _Row(Struct, frozen=True):
    number: int
    share: Share
    says: str


def _rows(manifest: Manifest) -> Iterator[_Row]:
    column = _column(manifest)
    for block in manifests.blocks(manifest):
        order_ids, numbers = (block.cells[manifest.columns[name]] for name in NEEDED)
        said = repeat("") if column is None else (text.strip() for text in block.cells[column].to_pylist())
        yield from map(_Row, block.rows.tolist(), _shares(order_ids, numbers, block.misfits), said)


def _column(manifest: Manifest) -> int | None:
    """Where the column ``settled`` is.

    Raises:
        ManifestError: there are several.
    """
    found = [at for at, header in enumerate(manifest.headers) if layouts.fold(header) == COLUMN]
    if len(found) > 1:
        raise ManifestError(f"{manifest.name}: {len(found)} columns are called '{COLUMN}'; leave one of them")
    return found[0] if found else None


def _all(manifest: Manifest, *, created: bool) -> list[Claim]:
    rows = list(_rows(manifest))
    for row in rows:
        if row.says:
            raise ManifestError(
                f"{manifest.name}, row {row.number}: {COLUMN}: found {quoted(row.says)}, expected nothing "
                "there with --created or --not-created, which speak for all rows; leave out one of them"
            )
    return [
        Claim(created, ((share,),), if_doubted=True)
        for share in dict.fromkeys(row.share for row in rows if row.share)
    ]


def _said(manifest: Manifest) -> list[Claim]:
    if _column(manifest) is None:
        raise ManifestError(
            f"{manifest.name}: no column '{COLUMN}', expected one that says created or not-created of the "
            "rows looked up; add it, or say --created or --not-created of all rows in doubt"
        )
    said: dict[Share, _Row] = {}
    faults = []
    for row in _rows(manifest):
        if row.says:
            first = said.setdefault(row.share, row)
            if fault := _fault(row, first):
                faults.append(
                    f"{manifest.name}, row {row.number}: {COLUMN}: found {quoted(row.says)}, {fault}"
                )
    if faults:
        more = [f"… and {len(faults) - _FAULTS_SHOWN} more"] if len(faults) > _FAULTS_SHOWN else []
        raise ManifestError("\n".join([*faults[:_FAULTS_SHOWN], *more, "nothing was recorded"]))
    return [Claim(_WORDS[row.says.casefold()], ((share,),)) for share, row in said.items()]


def _fault(row: _Row, first: _Row) -> str:
    """What is wrong with what the row says; ``first`` is the first row of the same share."""
    if row.says.casefold() not in _WORDS:
        return "expected created, not-created, or nothing"
    if not row.share:
        return "but the row names no order and tracking number"
    if row.says.casefold() != first.says.casefold():
        return f"but row {first.number} says {quoted(first.says)} of the same parcel"
    return ""


# --- what they mean ------------------------------------------------------------------------------------


class _Target(Struct, frozen=True):
    """The entry that a claim is about."""

    destination: str
    order_id: str
    tracking_number: str
    created: bool

    @property
    def name(self) -> str:
        return fulfillment_name([self.order_id], self.tracking_number)


def _known(
    ledger: Ledger, claims: Sequence[Claim], destination: str | None
) -> dict[str, dict[tuple[str, str], Entry]]:
    """What each destination, or the one that is given, has of all that the claims may mean."""
    keys = [key for claim in claims for reading in claim.readings for share in reading for key in share]
    names = ledger.destinations() if destination is None else [destination]
    return {name: ledger.entries(name, keys) for name in names}


def _meant(claim: Claim, known: Mapping[str, Mapping[tuple[str, str], Entry]]) -> Iterator[_Target | Settled]:
    """The entries that a claim means; nothing for what is left alone since it is not in doubt."""
    readings = claim.readings
    reading = next((each for each in readings if any(_found(share, known) for share in each)), readings[-1])
    for share in reading:
        found = _found(share, known)
        unsettled = [(name, entry) for name, entry in found if _may_be_meant(entry, claim)]
        if len(unsettled) > 1:
            yield _unclear(share, [name for name, _ in unsettled])
        elif unsettled or (found and not claim.if_doubted):
            destination, entry = (unsettled or found)[0]
            yield _Target(destination, entry.order_id, entry.tracking_number, claim.created)
        elif not claim.if_doubted:
            yield _unknown(share, [*known])


def _may_be_meant(entry: Entry, claim: Claim) -> bool:
    return entry.state in DOUBTED or (not claim.if_doubted and may_be_settled(entry))


def _found(share: Share, known: Mapping[str, Mapping[tuple[str, str], Entry]]) -> list[tuple[str, Entry]]:
    """The share's entry in each destination that has one."""
    first = (
        (name, next((entries[key] for key in share if key in entries), None))
        for name, entries in known.items()
    )
    return [(name, entry) for name, entry in first if entry is not None]


def _unclear(share: Share, destinations: Sequence[str]) -> Settled:
    name = _name(share)
    words = f"{name}: found it for several destinations, {', '.join(destinations)}, so it was left alone"
    return Settled(name, "", settled=False, message=f"{words}; say which with --to or --sandbox")


def _unknown(share: Share, destinations: Sequence[str]) -> Settled:
    name = _name(share)
    where = f" for {destinations[0]}" if len(destinations) == 1 else ""
    return Settled(name, "", settled=False, message=f"{name}: nothing of it is in the ledger{where}")


def _record(ledger: Ledger, target: _Target, by: str) -> Promise[Entry]:
    return ledger.settle(
        target.destination, target.order_id, target.tracking_number, created=target.created, by=by
    )


def _ended(target: _Target, recorded: Promise[Entry]) -> Settled:
    try:
        message = f"{target.name}: {recorded.result().message}"
    except TransitionRefused as refusal:
        return Settled(target.name, target.destination, settled=False, message=str(refusal))
    return Settled(target.name, target.destination, settled=True, message=message)

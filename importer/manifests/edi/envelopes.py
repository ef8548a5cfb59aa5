"""Segments → interchanges, groups and transactions, and what is wrong with each of them.

Grammar and checks: ASC X12.5 and X12.6 (control segments), ISO 9735 (UN/EDIFACT service segments). A broken
unit is marked, and its neighbours are read on: whatever can't stand where it stands ends the unit before.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from importer.manifests.edi.faults import FAULTS
from importer.manifests.edi.grammar import (
    GRAMMARS,
    GROUP_CODES,
    HEADS,
    INTERCHANGE_ANSWER,
    TRAILERS,
    Grammar,
    Unit,
    head_faults,
    identified,
    place_of,
    text_of,
)
from importer.manifests.edi.segments import Segment
from importer.manifests.edi.standards import ANSWERS, READ, Standard
from importer.manifests.edi.totals import Tally
from importer.manifests.edi.units import (
    Fault,
    Group,
    Interchange,
    Place,
    Survey,
    Transaction,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from importer.manifests.edi.lines import Line
    from importer.manifests.edi.partners import Partner
    from importer.manifests.edi.segments import Delimiters, Stretch

    Reader: TypeAlias = Callable[[Iterator[Segment], Delimiters, Partner], Iterator[Line | Fault]]

_FAULTS_OF_A_KIND: Final = 100


def survey(
    stretches: Iterable[Stretch], partner_of: Callable[[str], Partner], reader: Mapping[str, Reader]
) -> Survey:
    """Check all envelopes of a file, and the transactions' insides as far as ``reader`` (by kind) reads them.

    ``partner_of`` gets the sender's id. Nothing is kept of a transaction but what ``reader`` keeps.
    """
    contents = _Contents()
    return _Surveyor(_Cursor(contents.watch(stretches)), partner_of, reader).file(contents)


def transactions(stretches: Iterable[Stretch]) -> Iterator[tuple[int, Delimiters, Iterator[Segment]]]:
    """The segments of each transaction, ST..SE or UNH..UNT, with the number that it has in the survey.

    They are read on demand: when the next transaction is asked for, those of the last one are gone.
    """
    cursor = _Cursor(stretches)
    number = 0
    opened: tuple[Grammar, Delimiters] | None = None
    while (item := cursor.ahead) is not None:
        tag = "" if isinstance(item, Fault) else item.elements[0]
        if tag in HEADS:
            opened = (GRAMMARS[cursor.stretch.standard], cursor.stretch.delimiters)
        elif opened and tag == opened[0].interchange.tail:
            opened = None
        elif opened and tag == opened[0].transaction.head:
            body = cursor.transaction(opened[0])
            yield number, opened[1], body
            number += 1
            _exhaust(body)
            continue
        cursor.advance()


def verdict(interchange: Interchange, group: Group, transaction: Transaction) -> Fault | None:
    """What rejects the transaction: the first such fault of its interchange, its group or itself."""
    faults = chain(interchange.faults, group.faults, transaction.faults)
    return next((fault for fault in faults if not is_harmless(fault)), None)


def is_harmless(fault: Fault) -> bool:
    """Whether the unit is read all the same, and the fault is only told."""
    return FAULTS[fault.code].is_harmless


def repetition(interchange: Interchange) -> Fault | None:
    """What says that the same interchange came before, and counts already."""
    return next((fault for fault in interchange.faults if fault.code == "interchange-again"), None)


def with_fault(survey: Survey, interchange: int, fault: Fault) -> Survey:
    """The survey, with one fault more in the interchange with this number (from 0)."""
    units = list(survey.interchanges)
    units[interchange] = replace(units[interchange], faults=(*units[interchange].faults, fault))
    return replace(survey, interchanges=tuple(units))


class _Contents:
    """Hashes the segments of each interchange while they pass, whatever stands between them."""

    def __init__(self) -> None:
        self._digests: dict[int, hashlib._Hash] = {}
        self._current = hashlib.sha256()

    def watch(self, stretches: Iterable[Stretch]) -> Iterator[Stretch]:
        for stretch in stretches:
            if stretch.segments and stretch.segments[0].elements[0] in HEADS:
                self._current = hashlib.sha256()
                self._digests[stretch.segments[0].position] = self._current
            text = "\x1e".join([*["\x1f".join(segment.elements) for segment in stretch.segments], ""])
            self._current.update(text.encode(errors="surrogatepass"))
            yield stretch

    def of(self, interchange: Interchange) -> str:
        # A file may break off within an ISA: what there is of it begins no stretch.
        return self._digests.get(interchange.place.segment, hashlib.sha256()).hexdigest()


class _Cursor:
    """A file's segments and what could not be told apart, in order; the next one is seen ahead."""

    def __init__(self, stretches: Iterable[Stretch]) -> None:
        self.stretch: Stretch
        self.last: Segment | None = None
        self._items = chain.from_iterable(map(self._opened, stretches))
        self.ahead: Segment | Fault | None = None
        self.advance()

    def advance(self) -> None:
        self.ahead = next(self._items, None)

    def tag(self) -> str:
        """The tag of the segment ahead; "" where there is none."""
        ahead = self.ahead
        return "" if ahead is None or isinstance(ahead, Fault) else ahead.elements[0]

    def take(self, tag: str) -> Segment | None:
        """The segment ahead if it has this tag; the cursor is behind it then."""
        ahead = self.ahead
        if not isinstance(ahead, Segment) or ahead.elements[0] != tag:
            return None
        self.advance()
        return ahead

    def transaction(self, grammar: Grammar) -> Iterator[Segment]:
        """The segments from the one ahead to the transaction's last, unless that is missing.

        The cursor must not be used before they are exhausted.
        """
        if isinstance(self.ahead, Segment):
            yield self.ahead
        for item in self._items:
            if not isinstance(item, Segment) or item.elements[0] in grammar.service:
                self.ahead = item
                break
            yield item
        else:
            self.ahead = None
        tail = self.take(grammar.transaction.tail)
        if tail is not None:
            yield tail

    def missed(self) -> tuple[Place, str]:
        """Where the segment ahead stands, and in words, for what should have stood before it."""
        ahead = self.ahead
        if isinstance(ahead, Fault):
            return ahead.place, "can't be found in what is damaged"
        if ahead is not None:
            return place_of(ahead), f"is missing before {ahead.elements[0]}"
        last = self.last
        return (place_of(last) if last else Place(0, 0)), "is missing: the file ends here"

    def _opened(self, stretch: Stretch) -> list[Segment | Fault]:
        self.stretch = stretch
        items: list[Segment | Fault] = [*stretch.segments]
        if stretch.segments:
            self.last = stretch.segments[-1]
        if stretch.fault is not None:
            # What is wrong with a head that could be read is the new interchange's, so it comes behind it.
            at = 1 if stretch.fault.code == "interchange-head" else len(items)
            items.insert(at, stretch.fault)
        return items


class _Opened(NamedTuple):
    """The interchange that is being read."""

    grammar: Grammar
    delimiters: Delimiters
    partner: Partner

    def text(self, segment: Segment, element: int, component: int = 1) -> str:
        return text_of(self.delimiters, segment, element, component)


class _Surveyor(Struct):
    """Reads one file by descent: each method begins at its unit's head and ends behind its tail."""

    cursor: _Cursor
    partner_of: Callable[[str], Partner]
    reader: Mapping[str, Reader]
    count: int = 0

    def file(self, contents: _Contents) -> Survey:
        interchanges: list[Interchange] = []
        faults: list[Fault] = []
        while (ahead := self.cursor.ahead) is not None:
            if isinstance(ahead, Fault):
                faults.append(ahead)
                self.cursor.advance()
            elif ahead.elements[0] in HEADS:
                interchanges.append(self._interchange(ahead))
            else:
                faults.append(self._stray(ahead, HEADS, "interchange, expected ISA or UNB before"))
        units = [replace(unit, content=contents.of(unit)) for unit in interchanges]
        last = self.cursor.last
        if units and last and last.elements[0] in TRAILERS and self.cursor.stretch.unterminated:
            units[-1] = replace(units[-1], faults=(*units[-1].faults, _unterminated(last)))
        return Survey(_with_repetitions(units), tuple(faults), last.position if last else 0)

    def _interchange(self, head: Segment) -> Interchange:
        unit = identified(head, self.cursor.stretch)
        opened = _Opened(GRAMMARS[unit.standard], unit.delimiters, self.partner_of(unit.sender))
        self.cursor.advance()
        parts = [*self._parts(opened, head)]
        groups = [part for part in parts if isinstance(part, Group)]
        faults = [
            *head_faults(head, opened.delimiters, unit.standard),
            *_group_faults(groups, opened.grammar),
            *(part for part in parts if isinstance(part, Fault)),
        ]
        if not any(isinstance(part, Segment) or _has_transactions(part) for part in parts):
            name = opened.grammar.transaction.head
            faults.append(Fault("interchange-empty", f"there is no {name} in it", place_of(head)))
        envelope, counted = _counted(groups, opened.grammar)
        faults += self._ending(envelope, opened, self.cursor.take(envelope.tail), unit.control, counted)
        return replace(unit, groups=tuple(groups), faults=tuple(faults))

    def _parts(self, opened: _Opened, head: Segment) -> Iterator[Group | Fault | Segment]:
        """Groups, faults and answers to earlier interchanges (TA1), up to what ends the interchange."""
        cursor, grammar = self.cursor, opened.grammar
        while (ahead := cursor.ahead) is not None:
            tag = cursor.tag()
            if isinstance(ahead, Fault):
                if _is_of_another(ahead, head):
                    return
                is_accepted = _is_of_head(ahead, head) and opened.partner.accepts_unpadded
                yield replace(ahead, code="interchange-unpadded") if is_accepted else ahead
                cursor.advance()
            elif tag == grammar.interchange.tail or tag in HEADS:
                return
            elif tag == grammar.group.head:
                yield self._group(ahead, opened)
            elif tag == grammar.transaction.head:
                yield from self._bare_group(ahead, opened)
            elif tag == INTERCHANGE_ANSWER:
                yield ahead
                cursor.advance()
            else:
                yield self._outside(ahead, grammar)

    def _group(self, head: Segment, opened: _Opened) -> Group:
        unit = opened.grammar.group
        self.cursor.advance()
        code, control = opened.text(head, 1), opened.text(head, unit.control)
        version = _version(opened, head, opened.grammar.version)
        parts = [*self._transactions(opened, version)]
        transactions = tuple(part for part in parts if isinstance(part, Transaction))
        tail = self.cursor.take(unit.tail)
        faults = (
            *(part for part in parts if isinstance(part, Fault)),
            *self._ending(unit, opened, tail, control, len(transactions)),
            *_misfit(head, code, transactions),
        )
        declared = opened.text(tail, 1) if tail else ""
        elements = tuple(head.elements)
        return Group(code, control, version, place_of(head), elements, transactions, declared, faults)

    def _bare_group(self, head: Segment, opened: _Opened) -> Iterator[Group | Fault]:
        parts = [*self._transactions(opened, "")]
        transactions = tuple(part for part in parts if isinstance(part, Transaction))
        yield Group("", "", "", place_of(head), (), transactions)
        yield from (part for part in parts if isinstance(part, Fault))

    def _transactions(self, opened: _Opened, version: str) -> Iterator[Transaction | Fault]:
        """A group's transactions and what stands between them, up to what ends the group."""
        cursor, grammar = self.cursor, opened.grammar
        used: set[str] = set()
        while (ahead := cursor.ahead) is not None and not isinstance(ahead, Fault):
            tag = cursor.tag()
            if tag == grammar.transaction.head:
                yield self._transaction(ahead, opened, version, used)
            elif tag in grammar.service and tag != grammar.transaction.tail:
                return
            else:
                yield self._outside(ahead, grammar)

    def _transaction(self, head: Segment, opened: _Opened, version: str, used: set[str]) -> Transaction:
        unit = opened.grammar.transaction
        kind, control = opened.text(head, opened.grammar.kind), opened.text(head, unit.control)
        tally = Tally(opened.delimiters)
        body = tally.watch(self.cursor.transaction(opened.grammar))
        is_read = READ.get(kind) is opened.grammar.standard
        rows, inside = _read(body, self.reader.get(kind) if is_read else None, opened)
        tail = tally.last if tally.last and tally.last.elements[0] == unit.tail else None
        faults = (
            *_transaction_faults(head, opened, kind, control, used),
            *self._ending(unit, opened, tail, control, tally.count, tally.count),
            *inside,
            *(tally.faults() if is_read else ()),
        )
        used.add(control)
        number, self.count = self.count, self.count + 1
        version = version if opened.grammar.standard is Standard.X12 else _version(opened, head, 2)
        place = place_of(head, 1)
        return Transaction(
            number,
            kind,
            control,
            version,
            place,
            tally.count,
            faults,
            tally.reference if is_read else "",
            rows,
            _identifier(opened, head),
        )

    def _outside(self, first: Segment, grammar: Grammar) -> Fault:
        """What stands outside of any transaction, up to where one may begin or the unit may end."""
        unit = grammar.transaction
        return self._stray(first, grammar.service - {unit.tail}, f"transaction, expected {unit.head} before")

    def _stray(self, first: Segment, stops: frozenset[str], where: str) -> Fault:
        cursor = self.cursor
        count = 1
        cursor.advance()
        while isinstance(cursor.ahead, Segment) and cursor.tag() not in stops:
            count += 1
            cursor.advance()
        tag = first.elements[0]
        what = f"{tag} stands" if count == 1 else f"{count} segments from {tag} on stand"
        return Fault("stray-segment", f"{what} outside of any {where}", place_of(first), tag)

    def _ending(
        self, unit: Unit, opened: _Opened, tail: Segment | None, control: str, counted: int, inside: int = 0
    ) -> Iterator[Fault]:
        if tail is None:
            place, what = self.cursor.missed()
            yield Fault(unit.codes.trailer, f"{unit.tail} {what}", place)
            return
        said = opened.text(tail, 1)
        if _plain_number(said) != str(counted):
            message = f"{unit.tail}01 says {said or 'no number of'} {unit.counted}, counted {counted}"
            yield Fault(unit.codes.total, message, place_of(tail, inside, 1), said)
        again = opened.text(tail, 2)
        if not again or not _are_same(again, control, unit):
            message = f"{unit.tail}02 is '{again}', expected '{control}' as in {unit.head}{unit.control:02}"
            yield Fault(unit.codes.control, message, place_of(tail, inside, 2), again)


def _has_transactions(part: Group | Fault) -> bool:
    return isinstance(part, Group) and bool(part.transactions)


def _is_of_head(fault: Fault, head: Segment) -> bool:
    return fault.code == "interchange-head" and fault.place.segment == head.position


def _is_of_another(fault: Fault, head: Segment) -> bool:
    """Whether it is about the head of an interchange that could not even be opened."""
    return fault.place.tag in {"ISA", "UNA", "UNB"} and fault.place.segment != head.position


def _group_faults(groups: Sequence[Group], grammar: Grammar) -> Iterator[Fault]:
    """Transactions outside of a group: in X12 never, in EDIFACT unless others are in one."""
    bare = [group for group in groups if not group.head]
    if bare and (grammar.standard is Standard.X12 or len(bare) < len(groups)):
        message = f"{bare[0].place.tag} stands outside of any group, expected {grammar.group.head} before"
        yield Fault("stray-segment", message, bare[0].place, bare[0].place.tag)


def _counted(groups: Sequence[Group], grammar: Grammar) -> tuple[Unit, int]:
    """What the interchange's last segment counts: groups, or messages where there are no groups."""
    headed = sum(bool(group.head) for group in groups)
    if headed or grammar.standard is Standard.X12:
        return grammar.interchange._replace(counted="groups"), headed
    return grammar.interchange, sum(len(group.transactions) for group in groups)


def _misfit(head: Segment, code: str, transactions: Sequence[Transaction]) -> Iterator[Fault]:
    for transaction in transactions:
        expected = GROUP_CODES.get(transaction.kind, code)
        if code != expected:
            message = f"{head.elements[0]}01 is '{code}', expected {expected} for {transaction.kind}"
            yield Fault("group-code", message, place_of(head, 0, 1), code)
            return


def _transaction_faults(
    head: Segment, opened: _Opened, kind: str, control: str, used: set[str]
) -> Iterator[Fault]:
    tag, at = head.elements[0], opened.grammar.transaction.control
    if control in used:
        message = f"{tag}{at:02} is '{control}', as in an earlier transaction of the group"
        yield Fault("transaction-repeated", message, place_of(head, 1, at), control)
    if READ.get(kind) is not opened.grammar.standard and kind not in ANSWERS:
        at = opened.grammar.kind
        expected = " or ".join(name for name, standard in READ.items() if standard is opened.grammar.standard)
        message = f"{tag}{at:02} is '{kind}', expected {expected}"
        yield Fault("unknown-transaction", message, place_of(head, 1, at), kind)


def _read(body: Iterator[Segment], reader: Reader | None, opened: _Opened) -> tuple[int, list[Fault]]:
    """How many rows the transaction gives, and what is wrong inside of it; all of ``body`` is used up."""
    rows = 0
    faults: list[Fault] = []
    latest: dict[str, int] = {}
    counts: Counter[str] = Counter()
    for found in reader(body, opened.delimiters, opened.partner) if reader else ():
        if not isinstance(found, Fault):
            rows += 1
            continue
        counts[found.code] += 1
        if counts[found.code] <= _FAULTS_OF_A_KIND:
            latest[found.code] = len(faults)
            faults.append(found)
    _exhaust(body)
    for code, at in latest.items():
        if counts[code] > _FAULTS_OF_A_KIND:
            more = f" (and {counts[code] - _FAULTS_OF_A_KIND:,} more like this)"
            faults[at] = replace(faults[at], message=faults[at].message + more)
    return rows, faults


def _with_repetitions(units: Sequence[Interchange]) -> tuple[Interchange, ...]:
    """The interchanges, of which those are marked whose control number the sender has used before them.

    The same document again is no fault, but counts once.
    """
    used: dict[tuple[str, ...], Interchange] = {}
    judged: list[Interchange] = []
    for unit in units:
        first = used.get(key := (unit.standard, unit.sender, unit.receiver, unit.control))
        if first is None and all(map(is_harmless, unit.faults)):
            used[key] = unit
        again = () if first is None else (_repetition(unit, first),)
        judged.append(replace(unit, faults=unit.faults + again))
    return tuple(judged)


def _repetition(unit: Interchange, first: Interchange) -> Fault:
    at = GRAMMARS[unit.standard].interchange.control
    where = f"{unit.place.tag}{at:02} is '{unit.control}', as in segment {first.place.segment}"
    place = replace(unit.place, element=at)
    if unit.content == first.content:
        return Fault("interchange-again", f"{where}: the same interchange again", place, unit.control)
    return Fault("interchange-repeated", f"{where}: with other content", place, unit.control)


def _unterminated(last: Segment) -> Fault:
    tag = last.elements[0]
    return Fault("terminator-missing", f"nothing ends the {tag}, the file's last segment", place_of(last))


def _version(opened: _Opened, head: Segment, element: int) -> str:
    """GS08, or what stands for it in UNG's S008 and UNH's S009: ``D:96A``."""
    if opened.grammar.standard is Standard.X12:
        return opened.text(head, element)
    first = 2 if head.elements[0] == opened.grammar.transaction.head else 1
    return f"{opened.text(head, element, first)}:{opened.text(head, element, first + 1)}".strip(":")


def _identifier(opened: _Opened, head: Segment) -> tuple[str, ...]:
    """All components of UNH's S009."""
    if opened.grammar.standard is Standard.X12 or len(head.elements) <= opened.grammar.kind:
        return ()
    return tuple(opened.delimiters.components(head.elements[opened.grammar.kind]))


def _are_same(one: str, other: str, unit: Unit) -> bool:
    # ISA13 and GS06 are numbers (N0), ST02 and those of EDIFACT are text.
    if unit.head in _NUMBERED:
        return _plain_number(one) == _plain_number(other)
    return one == other


_NUMBERED: Final = frozenset({"ISA", "GS"})


def _plain_number(text: str) -> str:
    """Digits without leading zeros; any other text as it stands."""
    return text.lstrip("0") or "0" if text.isdecimal() else text


def _exhaust(segments: Iterator[Segment]) -> None:
    for _ in segments:
        pass

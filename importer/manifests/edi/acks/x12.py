"""Answers in X12: TA1 (interchange), 997 or 999 (groups and transactions), 824 (rows).

Sources: the 004010 dictionary for TA1, 997 and 824, 005010X231A1 for 999. All go in the received version,
with the received delimiters and both ids swapped.
"""

from __future__ import annotations

import re
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from importer.manifests.edi.acks.terms import ordinary, rejecting, without_controls
from importer.manifests.edi.faults import FAULTS
from importer.manifests.edi.standards import ANSWERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from importer.manifests.edi.acks.terms import Acknowledgment, Answered, Rejection, Reply
    from importer.manifests.edi.segments import Delimiters
    from importer.manifests.edi.units import Fault, Group, Transaction


def replies(reply: Reply) -> Iterator[Acknowledgment]:
    """TA1 if the interchange failed or one is wanted; if it has not failed, 997 or 999, and 824 for rows."""
    failed = rejecting(reply.received.faults)
    if failed or reply.received.wants_answer or reply.partner.ta1:
        yield _interchange_answer(reply, failed)
    if failed:
        return
    groups = [group for group in reply.received.groups if _awaits_answer(group)]
    if groups:
        yield _interchange(
            reply, reply.partner.answer, [_Body(group, _functional(reply, group)) for group in groups]
        )
    advices = [_Body(told[0], _advice(reply, *told)) for told in reply.with_rejections()]
    if advices:
        yield _interchange(reply, "824", advices)


class _Body(NamedTuple):
    """What stands between ST and SE, and the received group that it is about."""

    group: Group
    segments: list[list[str]]


def _awaits_answer(group: Group) -> bool:
    if not group.transactions:
        return group.code not in _GROUP_CODES.values()
    return any(transaction.kind not in ANSWERS for transaction in group.transactions)


_GROUP_CODES: Final = {"997": "FA", "999": "FA", "824": "AG"}
_VERSION_OF_999: Final = "005010X231A1"


def _interchange(reply: Reply, kind: str, bodies: Sequence[_Body]) -> Acknowledgment:
    """Bodies in one functional group for each that sent them: the same ids, the same version."""
    by_head: dict[tuple[str, str, str], list[_Body]] = {}
    for body in bodies:
        by_head.setdefault(_head(reply, kind, body.group), []).append(body)
    control = reply.next_number("interchange")
    segments = [_isa(reply, control)]
    count = 0
    for (ours, theirs, version), alike in by_head.items():
        number = str(reply.next_number("group"))
        date = _date(reply, version)
        segments.append(["GS", _GROUP_CODES[kind], ours, theirs, date, _time(reply), number, "X", version])
        for body in alike:
            count += 1
            segments += _transaction(kind, count, body.segments)
        segments.append(["GE", str(len(alike)), number])
    segments.append(["IEA", str(len(by_head)), f"{control:09}"])
    return reply.acknowledgment(kind, f"{control:09}", _written(segments, reply.received.delimiters))


def _head(reply: Reply, kind: str, group: Group) -> tuple[str, str, str]:
    received = reply.received
    ours, theirs = _at(group.head, 3) or received.receiver, _at(group.head, 2) or received.sender
    return ours, theirs, _VERSION_OF_999 if kind == "999" else _version(reply, group)


def _version(reply: Reply, group: Group) -> str:
    """GS08 or, where that is none, what fits ISA12."""
    return group.version if _GROUP_VERSION.match(group.version) else f"{_isa_version(reply)}0"


_GROUP_VERSION: Final = re.compile("[0-9]{6}")


def _transaction(kind: str, number: int, body: list[list[str]]) -> list[list[str]]:
    control = f"{number:04}"
    convention = [_VERSION_OF_999] if kind == "999" else []
    return [["ST", kind, control, *convention], *body, ["SE", str(len(body) + 2), control]]


def _isa(reply: Reply, control: int) -> list[str]:
    received, delimiters = reply.received, reply.received.delimiters
    test = "T" if received.is_test else "P"
    return [
        *("ISA", "00", " " * 10, "00", " " * 10),
        *(_fixed(received.receiver_qualifier or _MUTUAL, 2), _fixed(received.receiver, 15)),
        *(_fixed(received.sender_qualifier or _MUTUAL, 2), _fixed(received.sender, 15)),
        *(f"{reply.now:%y%m%d}", _time(reply), delimiters.repetition or _NO_REPETITION),
        *(_isa_version(reply), f"{control:09}", "0", test, delimiters.component or " "),
    ]


_MUTUAL: Final = "ZZ"
_NO_REPETITION: Final = "U"


def _isa_version(reply: Reply) -> str:
    version = reply.received.version
    return version if _VERSION.fullmatch(version) else _DEFAULT_VERSION


_VERSION: Final = re.compile("[0-9]{5}")
_DEFAULT_VERSION: Final = "00401"


def _fixed(text: str, width: int) -> str:
    return text[:width].ljust(width)


def _date(reply: Reply, version: str) -> str:
    """Before 004010 dates have no century."""
    return f"{reply.now:%y%m%d}" if version < "004010" else f"{reply.now:%Y%m%d}"


def _time(reply: Reply) -> str:
    return f"{reply.now:%H%M}"


def _interchange_answer(reply: Reply, failed: Sequence[Fault]) -> Acknowledgment:
    """TA1: the verdict on ISA and IEA alone, in an interchange without groups."""
    received = reply.received
    control = reply.next_number("interchange")
    verdict = ["R", _interchange_code(failed)] if failed else ["A", "000"]
    date, time = _digits(_at(received.head, 9), 6), _digits(_at(received.head, 10), 4)
    segments = [
        _isa(reply, control),
        ["TA1", _digits(received.control, 9), date, time, *verdict],
        ["IEA", "0", f"{control:09}"],
    ]
    return reply.acknowledgment("TA1", f"{control:09}", _written(segments, received.delimiters))


def _interchange_code(failed: Sequence[Fault]) -> str:
    # TA105 has room for one, and a repetition says that nothing else was looked at.
    codes = [FAULTS[fault.code].ta1 for fault in sorted(failed, key=_is_no_repetition)]
    return next(filter(None, codes), _INVALID_CONTENT)


def _is_no_repetition(fault: Fault) -> bool:
    return fault.code != "interchange-repeated"


_INVALID_CONTENT: Final = "022"


def _digits(text: str, width: int) -> str:
    """The digits of a number that has this many; zeros where it is none."""
    return text.zfill(width) if text.isdecimal() and len(text) <= width else "0" * width


def _functional(reply: Reply, group: Group) -> list[list[str]]:
    """997 or 999 of one group: AK1, each transaction's verdict, AK9."""
    tags = _TAGS[reply.partner.answer]
    failed = rejecting(group.faults)
    version = _version(reply, group)
    has_version = reply.partner.answer == "999" or version >= _VERSION_IN_AK1
    body = [["AK1", group.code, group.control, *([version] if has_version else [])]]
    verdicts: list[str] = []
    for transaction in group.transactions:
        notes = [*_notes(transaction, tags, reply.received.delimiters)]
        verdict = "R" if failed or rejecting(transaction.faults) else "E" if notes else "A"
        verdicts.append(verdict)
        if transaction.kind not in ANSWERS:
            body += [["AK2", transaction.kind, transaction.control], *notes]
            codes = _distinct(FAULTS[fault.code].transaction for fault in rejecting(transaction.faults))
            body.append([tags.trailer, verdict, *codes])
    accepted = [verdict for verdict in verdicts if verdict != "R"]
    received = str(len(verdicts))
    declared = group.declared if _COUNT.fullmatch(group.declared) else received
    codes = _distinct(FAULTS[fault.code].group for fault in failed)
    body.append(["AK9", _group_verdict(verdicts), declared, received, str(len(accepted)), *codes])
    return body


class _Tags(NamedTuple):
    """What 997 and 999 call the note on a segment, on an element, and the verdict on a transaction."""

    segment: str
    element: str
    trailer: str


_TAGS: Final = {"997": _Tags("AK3", "AK4", "AK5"), "999": _Tags("IK3", "IK4", "IK5")}
_VERSION_IN_AK1: Final = "005010"
_CODES_AT_MOST: Final = 5
_COUNT: Final = re.compile("[0-9]{1,6}")


def _distinct(codes: Iterable[str]) -> list[str]:
    return [*dict.fromkeys(filter(None, codes))][:_CODES_AT_MOST]


def _group_verdict(verdicts: Sequence[str]) -> str:
    """All are R in a group that is rejected itself."""
    accepted = [verdict for verdict in verdicts if verdict != "R"]
    if not accepted:
        return "R"
    if len(accepted) < len(verdicts):
        return "P"
    return "E" if "E" in accepted else "A"


def _notes(transaction: Transaction, tags: _Tags, delimiters: Delimiters) -> Iterator[list[str]]:
    """A note for each segment in which something is wrong, and for its elements below it."""
    told = [fault for fault in transaction.faults if FAULTS[fault.code].segment and fault.place.inside]
    for (inside, tag, code), faults in groupby(sorted(told, key=_segment_note), _segment_note):
        yield [tags.segment, tag, str(inside), "", code]
        for fault in faults:
            if FAULTS[fault.code].element and fault.place.element:
                yield _element_note(fault, tags.element, delimiters)


def _segment_note(fault: Fault) -> tuple[int, str, str]:
    return fault.place.inside, fault.place.tag, FAULTS[fault.code].segment


def _element_note(fault: Fault, tag: str, delimiters: Delimiters) -> list[str]:
    place = fault.place
    has_component = place.component and delimiters.component
    where = f"{place.element}{delimiters.component}{place.component}" if has_component else str(place.element)
    number = _ELEMENT_NUMBERS.get((place.tag, place.element), "")
    return [tag, where, number, FAULTS[fault.code].element, _copy(fault.value, delimiters)]


_ELEMENT_NUMBERS: Final = {("HL", 1): "628", ("HL", 2): "734"}
"""The dictionary's numbers of the elements in which faults are told."""


def _advice(reply: Reply, group: Group, transaction: Transaction, answer: Answered) -> list[list[str]]:
    """824 on one transaction: what it was, and each row that is not accepted."""
    control = f"{reply.received.control}-{group.control}-{transaction.control}"
    verdict = "TA" if not answer.rejected else "TE" if answer.accepted else "TR"
    # 128: SI is the shipper's identifying number, TN a transaction's
    named = ["SI", transaction.reference] if transaction.reference else ["TN", transaction.control]
    sent = [_at(group.head, element) for element in (2, 3, 4, 5, 6)]
    delimiters, version = reply.received.delimiters, _version(reply, group)
    body = [
        ["BGN", "11", control, _date(reply, version), _time(reply)],
        ["OTI", verdict, *named, *sent, transaction.control, transaction.kind, version],
    ]
    for rejection in answer.rejections:
        body += _errors(rejection, transaction, delimiters)
    if answer.unnamed:
        body.append(["TED", answer.rejections[-1].application_error, answer.unnamed])
    return body


def _errors(rejection: Rejection, transaction: Transaction, delimiters: Delimiters) -> Iterator[list[str]]:
    """TED has the place, the value and what its text has room for, NTE all in words."""
    message = _text(rejection.message, delimiters)
    inside, element = rejection.inside_of(transaction), rejection.element
    yield [
        *("TED", rejection.application_error, message[:_TED02_CHARACTERS].rstrip(), rejection.tag),
        *(str(inside) if inside else "", str(element) if element else "", ""),
        _copy(rejection.value, delimiters),
    ]
    words = _text(f"{rejection.reference} {rejection.code}: {rejection.message}", delimiters)
    for line in textwrap.wrap(words, _NTE02_CHARACTERS)[:_LINES_AT_MOST]:
        yield ["NTE", "LIN", line]


_TED02_CHARACTERS: Final = 60
_NTE02_CHARACTERS: Final = 80
_LINES_AT_MOST: Final = 5
_COPY_CHARACTERS: Final = 99


def _copy(value: str, delimiters: Delimiters) -> str:
    """The value as it was found, or nothing where it would be a fault here too (note on AK404)."""
    return value[:_COPY_CHARACTERS] if value == _text(value, delimiters) else ""


def _text(text: str, delimiters: Delimiters) -> str:
    return ordinary("".join(" " if each in _separators(delimiters) else each for each in ordinary(text)))


def _separators(delimiters: Delimiters) -> str:
    return delimiters.element + delimiters.component + delimiters.segment + delimiters.repetition


def _at(head: Sequence[str], element: int) -> str:
    return head[element].strip() if element < len(head) else ""


def _written(segments: Iterable[Sequence[str]], delimiters: Delimiters) -> str:
    return "".join(_line(segment, delimiters) for segment in segments)


def _line(segment: Sequence[str], delimiters: Delimiters) -> str:
    """A segment without the empty elements at its end."""
    line = delimiters.element.join(without_controls(element) for element in segment)
    return line.rstrip(delimiters.element) + delimiters.segment

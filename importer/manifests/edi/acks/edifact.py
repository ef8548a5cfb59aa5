"""Answers in EDIFACT: CONTRL (interchange, groups, messages), APERAK (rows).

Sources: CONTRL D.3 and ISO 9735, APERAK D.96A and EANCOM's notes on it. Both go in the received syntax, with
the received service characters and both ids swapped.
"""

from __future__ import annotations

import re
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING, Final, TypeAlias

from importer.manifests.edi.acks.terms import ordinary, rejecting, without_controls
from importer.manifests.edi.faults import FAULTS
from importer.manifests.edi.standards import ANSWERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from importer.manifests.edi.acks.terms import Acknowledgment, Answered, Rejection, Reply
    from importer.manifests.edi.segments import Delimiters
    from importer.manifests.edi.units import Fault, Group, Transaction

    Element: TypeAlias = str | tuple[str, ...]
    """A simple element, or the components of a composite one; plain text, nothing released."""
    Written: TypeAlias = list[Element]
    """The elements of a segment, its tag first."""


def replies(reply: Reply) -> Iterator[Acknowledgment]:
    """CONTRL for the interchange, and then APERAK for the rows of what is not rejected by it."""
    yield _interchange(reply, "CONTRL", "D:3", [_report(reply)])
    advices = [_advice(reply, *told) for told in reply.with_rejections()]
    if advices:
        yield _interchange(reply, "APERAK", "D:96A", advices)


def _interchange(reply: Reply, kind: str, version: str, bodies: Sequence[list[Written]]) -> Acknowledgment:
    control = f"{reply.next_number('interchange'):09}"
    segments = [_unb(reply, kind, control)]
    for number, body in enumerate(bodies, 1):
        segments.append(["UNH", str(number), (kind, *version.split(":"), "UN")])
        segments += body
        segments.append(["UNT", str(len(body) + 2), str(number)])
    segments.append(["UNZ", str(len(bodies)), control])
    delimiters = reply.received.delimiters
    text = _una(delimiters) + "".join(_line(segment, delimiters) for segment in segments)
    return reply.acknowledgment(kind, control, text)


def _una(delimiters: Delimiters) -> str:
    release, repetition = delimiters.release or " ", delimiters.repetition or " "
    signs = delimiters.component, delimiters.element, delimiters.decimal, release, repetition
    return f"UNA{''.join(signs)}{delimiters.segment}"


def _unb(reply: Reply, kind: str, control: str) -> Written:
    received = reply.received
    syntax, version = _syntax(reply)
    date = f"{reply.now:%Y%m%d}" if version == _FOUR_DIGIT_YEARS else f"{reply.now:%y%m%d}"
    return [
        *("UNB", (syntax, version)),
        *((received.receiver, received.receiver_qualifier), (received.sender, received.sender_qualifier)),
        *((date, f"{reply.now:%H%M}"), control),
        *("", kind, "", "", "", "1" if received.is_test else ""),
    ]


_SYNTAX: Final = re.compile("([A-Z]{3}[A-Z0-9]):([1-4])")
_FOUR_DIGIT_YEARS: Final = "4"


def _syntax(reply: Reply) -> tuple[str, str]:
    found = _SYNTAX.match(reply.received.version)
    return (found[1], found[2]) if found else ("UNOC", "3")


def _report(reply: Reply) -> list[Written]:
    """CONTRL's body; what is in a unit that is rejected is rejected with it, and not named."""
    received = reply.received
    sender = received.sender, received.sender_qualifier
    receiver = received.receiver, received.receiver_qualifier
    failed = sorted(rejecting(received.faults), key=lambda fault: fault.code != "interchange-repeated")
    body: list[Written] = [["UCI", received.control, sender, receiver, *_said(failed)]]
    if not failed:
        for group in received.groups:
            body += _group(group, reply)
    return body


# 0083: this level and all lower ones rejected; this level acknowledged
_REJECTED: Final = "4"
_ACKNOWLEDGED: Final = "7"


def _said(failed: Sequence[Fault]) -> Written:
    """The verdict on a unit: the first fault, and its place where that is in the unit's head or trailer."""
    if not failed:
        return [_ACKNOWLEDGED]
    fault = next((fault for fault in failed if _service_tag(fault)), failed[0])
    if tag := _service_tag(fault):
        return [_REJECTED, FAULTS[fault.code].contrl, tag, _element_place(fault)]
    return [_REJECTED, "" if fault.place.inside else FAULTS[fault.code].contrl]


_MISSING: Final = {
    "interchange-empty": "UNH",
    "interchange-trailer": "UNZ",
    "group-trailer": "UNE",
    "transaction-trailer": "UNT",
}
_SERVICE_TAGS: Final = frozenset({"UNA", "UNB", "UNG", "UNH", "UNT", "UNE", "UNZ"})


def _service_tag(fault: Fault) -> str:
    """0013: the service segment that is wrong or, at another's place, missing."""
    tag = _MISSING.get(fault.code, fault.place.tag)
    return tag if tag in _SERVICE_TAGS else ""


def _element_place(fault: Fault) -> Element:
    """S011, where 0098 counts the tag as 1, and 0104 the components from 1."""
    place = fault.place
    if fault.code in _MISSING or not place.element:
        return ""
    return str(place.element + 1), str(place.component) if place.component else ""


def _group(group: Group, reply: Reply) -> Iterator[Written]:
    """UCF and UCM; an interchange without groups has one that is not named."""
    messages = [each for each in group.transactions if each.kind not in ANSWERS]
    if not messages and group.transactions:
        return
    failed = rejecting(group.faults)
    if group.head:
        sender, receiver = (_composite(group, element, reply) for element in (2, 3))
        yield ["UCF", group.control, sender, receiver, *_said(failed)]
    if not failed:
        for message in messages:
            yield from _message(message)


def _composite(group: Group, element: int, reply: Reply) -> Element:
    components = reply.received.delimiters.components(
        group.head[element] if element < len(group.head) else ""
    )
    return tuple(components[:2])


def _message(message: Transaction) -> Iterator[Written]:
    failed = rejecting(message.faults)
    yield ["UCM", message.control, message.identifier, *_said(failed)]
    inside = [fault for fault in failed if fault.place.inside and not _service_tag(fault)]
    for position, faults in groupby(sorted(inside, key=_position), _position):
        found = [*faults]
        whole = next((FAULTS[fault.code].contrl for fault in found if not fault.place.element), "")
        yield ["UCS", str(position), whole]
        for fault in found:
            if fault.place.element:
                yield ["UCD", FAULTS[fault.code].contrl or _INVALID, _element_place(fault)]


_INVALID: Final = "12"


def _position(fault: Fault) -> int:
    return fault.place.inside


def _advice(reply: Reply, _group: Group, message: Transaction, answer: Answered) -> list[Written]:
    """APERAK on one message: what it was, and each row that is not accepted."""
    # 1225: not accepted; accepted with amendment
    function = _NOT_ACCEPTED if not answer.accepted else _ACCEPTED_IN_PART
    # 1153: AAK is a despatch advice's number, ACW that of a previous message
    named = ("AAK", message.reference) if message.reference else ("ACW", message.control)
    body: list[Written] = [
        [
            "BGM",
            _ERROR_MESSAGE,
            f"{reply.received.control}-{message.control}"[:_REFERENCE_CHARACTERS],
            function,
        ],
        ["DTM", (_OF_THE_DOCUMENT, f"{reply.now:%Y%m%d%H%M}", _TO_THE_MINUTE)],
        ["RFF", (named[0], named[1][:_REFERENCE_CHARACTERS])],
    ]
    for rejection in answer.rejections:
        body += _errors(rejection, message, reply)
    if answer.unnamed:
        body.append(["ERC", (answer.rejections[-1].application_error, "", "ZZZ")])
        body.append(["FTX", "AAO", "", "", _lines(answer.unnamed, reply)])
    return body


_ERROR_MESSAGE: Final = "313"
_NOT_ACCEPTED: Final = "27"
_ACCEPTED_IN_PART: Final = "34"
_OF_THE_DOCUMENT: Final = "137"
_TO_THE_MINUTE: Final = "203"
_REFERENCE_CHARACTERS: Final = 35


def _errors(rejection: Rejection, message: Transaction, reply: Reply) -> Iterator[Written]:
    """ERC and what it is in words; then which order, and the place of what is wrong."""
    inside = rejection.inside_of(message)
    yield ["ERC", (rejection.application_error, "", "ZZZ")]
    yield ["FTX", "AAO", "", "", _lines(f"{rejection.code}: {rejection.message}", reply)]
    reference = _text(rejection.reference, reply)[:_REFERENCE_CHARACTERS].rstrip()
    # 1153: ON is an order's number, LI a line's
    yield ["RFF", ("ON", reference) if reference else ("LI", str(inside))]
    segment = f"segment {inside} {rejection.tag}" if inside else ""
    element = f"element {rejection.element}" if rejection.element else ""
    value = f"value '{rejection.value}'" if rejection.value else ""
    if words := " ".join(f"{segment} {element} {value}".split()):
        yield ["FTX", "AAO", "", "", _lines(words, reply)]


_LINE_CHARACTERS: Final = 70
_LINES_AT_MOST: Final = 5


def _lines(text: str, reply: Reply) -> Element:
    return tuple(textwrap.wrap(_text(text, reply), _LINE_CHARACTERS)[:_LINES_AT_MOST])


def _text(text: str, reply: Reply) -> str:
    """A text for people; UNOA has no lower case."""
    plain = ordinary(text)
    return plain.upper() if _syntax(reply)[0] == "UNOA" else plain


def _line(segment: Sequence[Element], delimiters: Delimiters) -> str:
    """A segment without the empty components and elements at their ends."""
    elements = [
        _joined([element] if isinstance(element, str) else element, delimiters) for element in segment
    ]
    return delimiters.element.join(_until_empty(elements)) + delimiters.segment


def _joined(components: Iterable[str], delimiters: Delimiters) -> str:
    released = [_released(component, delimiters) for component in components]
    return delimiters.component.join(_until_empty(released))


def _until_empty(parts: Sequence[str]) -> list[str]:
    filled = max((count for count, part in enumerate(parts, 1) if part), default=0)
    return [*parts[:filled]]


def _released(text: str, delimiters: Delimiters) -> str:
    """A text in which nothing is a service character: released or, where nothing releases, a blank."""
    signs = (delimiters.component, delimiters.element, delimiters.segment, delimiters.repetition)
    before = {
        sign: f"{delimiters.release}{sign}" if delimiters.release else " " for sign in filter(None, signs)
    }
    before |= {delimiters.release: delimiters.release * 2} if delimiters.release else {}
    return "".join(before.get(each, each) for each in without_controls(text))

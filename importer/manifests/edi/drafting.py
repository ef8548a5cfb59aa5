"""A layout for partners that nobody has described: a draft, with its reasons as comments."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, TypeAlias

import pyarrow as pa
from msgspec import Struct, field

from importer import tracking
from importer.errors import ManifestError
from importer.manifests.edi import envelopes, names, values
from importer.manifests.edi.manifest import stretches, survey
from importer.manifests.edi.partners import DEFAULT, Partners
from importer.manifests.edi.standards import READ, Standard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from importer.manifests.edi.segments import Delimiters, Segment
    from importer.manifests.sources import Source

    _Elements: TypeAlias = list[list[str]]


def draft(source: Source, standard: Standard) -> str:
    """A layout file for the partners whose EDI ``source`` is, to be looked through before it is used.

    Raises:
        ManifestError: the file can't be read, or has no transaction to judge by.
    """
    found = survey(source, standard, Partners())
    senders: dict[str, _Sender] = {}
    texts = envelopes.transactions(stretches(source))
    for (interchange, _, transaction), (_, delimiters, segments) in zip(
        found.survey.transactions(), texts, strict=True
    ):
        if READ.get(transaction.kind) is interchange.standard:
            sender = senders.setdefault(interchange.sender, _Sender())
            sender.read(transaction.kind, segments, delimiters)
    if not senders:
        raise ManifestError(f"{source.name}: no {', '.join(READ)} in it, so there is nothing to judge by")
    lines = [*_title(source), *(line for name in senders for line in _partner(name, senders[name]))]
    return "\n".join(lines) + "\n"


_MOST: Final = 0.8
_SHOWN: Final = 40  # characters
_KNOWN: Final = 5_000  # different values of a place: more tell nothing new


class _Seen(Struct):
    """What stands at a place: how often, and its different values in order of appearance."""

    count: int = 0
    texts: dict[str, None] = field(default_factory=dict)

    def add(self, text: str) -> None:
        self.count += 1
        if len(self.texts) < _KNOWN:
            self.texts[text] = None

    @property
    def words(self) -> str:
        return f"{self.count:,} x, such as {_quoted(next(iter(self.texts))[:_SHOWN])}"


class _Kind(Struct):
    """What was seen in all transactions of a kind: values by place, article numbers by qualifier."""

    transactions: int = 0
    places: dict[str, _Seen] = field(default_factory=dict)
    articles: dict[str, _Seen] = field(default_factory=dict)


class _Sender(Struct):
    """What was seen of one sender."""

    kinds: dict[str, _Kind] = field(default_factory=dict)
    units: Counter[str] = field(default_factory=Counter)
    carriers: Counter[str] = field(default_factory=Counter)

    def read(self, kind: str, segments: Iterable[Segment], delimiters: Delimiters) -> None:
        seen = self.kinds.setdefault(kind, _Kind())
        seen.transactions += 1
        for segment in segments:
            elements = [[each.strip() for each in delimiters.components(raw)] for raw in segment.elements]
            tag = elements[0][0]
            for place, text in (*_qualified(tag, elements), *_numbered(tag, elements)):
                seen.places.setdefault(place, _Seen()).add(text)
            for qualifier, text in _articles(tag, elements, READ[kind]):
                seen.articles.setdefault(qualifier, _Seen()).add(text)
            self.units.update(unit for unit in [_unit(tag, elements)] if unit)
            self.carriers.update(carrier for carrier in [_carrier(tag, elements)] if carrier)


_PAIRED: Final = frozenset({"MAN", "REF", "N9"})
_COMPOSED: Final = frozenset({"RFF", "GIN"})
# By tag, the elements that hold a number of an order, a document or a vehicle
_ELEMENTS: Final = {
    "PRF": (1,),
    "BSN": (2,),
    "TD3": (3,),
    "W06": (2, 4, 6),
    "W27": (7,),
    "BGM": (2,),
    "TDT": (2, 8),
}
_ARTICLES: Final = {"LIN": range(2, 32, 2), "W12": (7, 17, 21)}
_OWN_IDENTIFICATION: Final = frozenset({"1", "5"})  # of PIA
_UNITS: Final = {"SN1": 3, "W12": 5}
# Element and component
_CARRIERS: Final = {"TD5": ((3, 1), (5, 1)), "W27": ((2, 1), (3, 1)), "TDT": ((5, 1), (5, 4))}


def _at(elements: _Elements, element: int, component: int = 1) -> str:
    found = elements[element] if element < len(elements) else []
    return found[component - 1] if component <= len(found) else ""


def _qualified(tag: str, elements: _Elements) -> Iterator[tuple[str, str]]:
    if tag in _PAIRED:
        for qualifier, text in values.pairs([each[0] for each in elements]):
            if qualifier and text:
                yield f"{tag}*{qualifier}", text
    elif tag in _COMPOSED:
        number = _at(elements, 1, 2) or _at(elements, 2)
        if _at(elements, 1) and number:
            yield f"{tag}+{_at(elements, 1)}", number


def _numbered(tag: str, elements: _Elements) -> Iterator[tuple[str, str]]:
    for at in _ELEMENTS.get(tag, ()):
        if text := _at(elements, at):
            yield (f"{tag}-{at}" if tag in {"TDT", "BGM"} else f"{tag}-{at:02}"), text


def _articles(tag: str, elements: _Elements, standard: Standard) -> Iterator[tuple[str, str]]:
    if standard is Standard.X12:
        found = [(_at(elements, at).upper(), _at(elements, at + 1)) for at in _ARTICLES.get(tag, ())]
    elif tag == "LIN":
        found = [(_at(elements, 3, 2), _at(elements, 3))]
    elif tag == "PIA" and _at(elements, 1) in _OWN_IDENTIFICATION:
        found = [(_at(elements, at, 2), _at(elements, at)) for at in range(2, len(elements))]
    else:
        return
    yield from ((qualifier, text) for qualifier, text in found if qualifier and text)


def _unit(tag: str, elements: _Elements) -> str:
    if tag == "QTY":
        return _at(elements, 1, 3).upper() if _at(elements, 1) == "12" else ""
    return _at(elements, _UNITS[tag]).upper() if tag in _UNITS else ""


def _carrier(tag: str, elements: _Elements) -> str:
    """The carrier's code or name, the one that is known if one is."""
    found = [_at(elements, *place).upper() for place in _CARRIERS.get(tag, ())]
    named = [text for text in found if text not in {"", "NONE"}]
    return next((text for text in named if text in DEFAULT.carriers), named[0] if named else "")


def _title(source: Source) -> Iterator[str]:
    file = PurePath(source.name).name
    name = re.sub(r"[^a-z0-9]+", "-", file.partition(".")[0].lower()).strip("-")
    yield f"# A draft, made from {_quoted(file)}: look it through, then"
    yield "# importer check FILE --layout THIS-FILE"
    yield "# What it leaves out is as 'importer layouts show edi' has it; what stands under [edi] is for all."
    yield ""
    yield f"name = {_quoted(name or 'mine')}"
    yield f"title = {_quoted('Whose EDI this is')}"


def _partner(name: str, sender: _Sender) -> Iterator[str]:
    table = f"edi.partners.{_key(name)}"
    yield ""
    yield f"# what {_quoted(name)} sends: " + ", ".join(
        f"{kind.transactions:,} x {each}" for each, kind in sender.kinds.items()
    )
    yield f"[{table}]"
    yield from _pattern(sender)
    for each, kind in sender.kinds.items():
        yield ""
        yield f"[{table}.{each}]"
        yield from _orders(each, kind)
        yield from _skus(each, kind)
        yield from _numbers(each, kind)
    yield from _unknown(
        sender.units, DEFAULT.units, f"{table}.units", "{key} = 12", "how many pieces has one?"
    )
    yield from _unknown(
        sender.carriers, DEFAULT.carriers, f"{table}.carriers", '{key} = "…"', "whose code is it?"
    )


def _pattern(sender: _Sender) -> Iterator[str]:
    """A pattern that all order ids have, where they are more than digits."""
    texts = [
        text
        for each, kind in sender.kinds.items()
        for place in [*_known(DEFAULT.places[each].order_id, kind.places)][:1]
        for text in kind.places[place].texts
    ]
    found = [_AROUND_DIGITS.fullmatch(text) for text in texts]
    around = {(match[1], match[3]) for match in found if match}
    if all(found) and len(around) == 1 and (marks := around.pop()) != ("", ""):
        before, behind = map(re.escape, marks)
        yield f"# every order id is like {_quoted(texts[0])}; if the platform has the digits alone:"
        yield rf"# order_id_pattern = '^{before}(\d+){behind}$'"


_AROUND_DIGITS: Final = re.compile(r"([A-Za-z _/#.-]*)(\d+)([A-Za-z _/#.-]*)")


def _orders(name: str, kind: _Kind) -> Iterator[str]:
    known = [*_known(DEFAULT.places[name].order_id, kind.places)]
    yield from (f"# {place}: {kind.places[place].words}" for place in known)
    yield _listed("order_id", known, "no order id at any usual place; name one")


def _skus(name: str, kind: _Kind) -> Iterator[str]:
    preferred = DEFAULT.places[name].sku
    known = [qualifier for qualifier in preferred if qualifier in kind.articles]
    for qualifier in (*known, *sorted(kind.articles.keys() - {*known})):
        meaning = _meaning(qualifier, READ[name])
        yield f"# {qualifier}{meaning}: {kind.articles[qualifier].words}"
    yield _listed("sku", known, "no article number with a usual qualifier; name one")


def _meaning(qualifier: str, standard: Standard) -> str:
    element, component = (2, 1) if standard is Standard.X12 else (3, 2)
    name = names.code_name(standard, "LIN", element, component, qualifier)
    return f" ({name})" if name else ""


def _numbers(name: str, kind: _Kind) -> Iterator[str]:
    """The usual places of tracking numbers, or first the one other place where only such numbers are."""
    carriers = {place: _carriers_of(seen) for place, seen in kind.places.items()}
    known = [*_known(DEFAULT.places[name].tracking, kind.places)]
    others = [place for place in kind.places if place not in {each.rstrip("?") for each in known}]
    likely = [place for place in others if _rate(carriers[place]) >= _MOST]
    if len(likely) == 1 and not any(_rate(carriers[place.rstrip("?")]) >= _MOST for place in known):
        known, likely = [*likely, *known], []
    orders = DEFAULT.places[name].order_id
    for place in (*known, *(each for each in others if each not in known and each not in orders)):
        seen, bare = kind.places[place.rstrip("?")], place.rstrip("?")
        yield f"# {place}: {seen.words}{_told(carriers[bare])}"
    yield from (f"# {place} may have the tracking number, too" for place in likely)
    yield _listed("tracking", known, "no tracking number at any usual place; name one")


def _known(preferred: Sequence[str], places: Mapping[str, _Seen]) -> Iterator[str]:
    return (place for place in preferred if place.rstrip("?") in places)


def _carriers_of(seen: _Seen) -> Counter[str]:
    """Whose tracking numbers the values surely are; "": nobody's."""
    unspaced = pa.array(["".join(text.split()) for text in seen.texts], pa.string())
    return Counter(tracking.judge(unspaced, None).carrier.to_pylist())


def _rate(carriers: Counter[str]) -> float:
    return 1 - carriers[""] / carriers.total()


def _told(carriers: Counter[str]) -> str:
    return "".join(
        f"; {count:,} of {carriers.total():,} are tracking numbers of {name}"
        for name, count in carriers.most_common()
        if name
    )


def _listed(key: str, found: Sequence[str], nothing: str) -> str:
    listed = ", ".join(map(_quoted, found))
    return f"{key} = [{listed}]" if found else f"# {key} = []  # {nothing}"


def _unknown(
    found: Counter[str], known: Mapping[str, object], table: str, line: str, question: str
) -> Iterator[str]:
    """What a table has to have, since nothing is known of it yet."""
    missing = [(each, count) for each, count in found.most_common() if each not in known]
    if missing:
        yield ""
        yield f"[{table}]"
    for each, count in missing:
        yield f"# {line.format(key=_key(each))}  # {count:,} x: {question}"


def _key(text: str) -> str:
    return text if re.fullmatch("[A-Za-z0-9_-]+", text) else _quoted(text)


def _quoted(text: str) -> str:
    """A TOML string on one line."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

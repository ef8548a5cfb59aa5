"""What a manifest says of a parcel besides its lines: the carrier, the fulfillment's id, whether to mail."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct, field

from importer import tracking
from importer.findings import Findings
from importer.model import MAIL_ALONE
from schemas.manifest import NOTIFY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy.typing as npt

    Codes = npt.NDArray[np.int64]
    Mask = npt.NDArray[np.bool_]
    Text: TypeAlias = pa.Array[Any] | pa.ChunkedArray[Any]

_NOTHING: Final = -1
_CARRIER: Final = ("tracking_company", "tracking_company_code", "tracking_url")
MANY_SAID: Final = (*_CARRIER, "fulfillment_id", MAIL_ALONE)
"""The columns of which texts are kept."""


class Said(Struct, frozen=True):
    """What is said of each part, by its number.

    ``texts`` has for a canonical column the texts (string) and for each part a place there (-1: nothing is
    said). ``notify`` (bool) says of each part whether the customer is to be mailed. ``told`` (string) is the
    carrier of each part that its tracking number alone tells, None where nothing was to be filled in.
    """

    texts: Mapping[str, tuple[pa.Array[Any], Codes]] = field(default_factory=dict)
    notify: Mask = field(default_factory=lambda: np.empty(0, dtype=bool))
    told: pa.Array[Any] | None = None

    @staticmethod
    def by(taken: Mapping[str, Text], part: Codes, parts: int, good: Mask, *, notify: bool) -> Said:
        """What the ``good`` rows say; ``part`` is each row's (-1: none), ``notify`` what else is meant."""
        used = np.flatnonzero(good & (part >= 0))
        mail = np.full(parts, notify)
        if "notify" in taken:
            mail = _mail(taken["notify"], part, used, mail)
        texts = {name: _first_said(taken[name], part, used, parts) for name in MANY_SAID if name in taken}
        return Said(texts, mail)

    def filled(self, numbers: pa.Array[Any]) -> Said:
        """With carrier and page where these are not said and the tracking number of the part tells them.

        ``numbers`` (string) are the parts'. The platform's code of the carrier is not filled: no list of
        such codes holds for all shops. A code that is said names the carrier, if no company does.
        """
        every = np.arange(len(numbers))
        company, code, page = (self.texts_of(name, every) for name in _CARRIER)
        mail_alone = pc.not_equal(self.texts_of(MAIL_ALONE, every), "")
        named = pc.if_else(pc.equal(company, ""), code, company)
        carriers = tracking.bearers(pc.if_else(mail_alone, "", numbers), named)
        pages = [tracking.url(*each) for each in zip(carriers.to_pylist(), numbers.to_pylist(), strict=True)]
        return Said(
            {
                **self.texts,
                "tracking_company": _all_said(pc.if_else(pc.equal(company, ""), carriers, company)),
                "tracking_url": _all_said(pc.if_else(pc.equal(page, ""), pa.array(pages, pa.string()), page)),
            },
            self.notify,
            pc.if_else(pc.equal(company, ""), carriers, ""),
        )

    def of(self, parts: Codes) -> Iterable[dict[str, Any]]:
        """What is said of each of ``parts``, as fields of a Fulfillment."""
        if not self.texts and not self.notify.any():
            return repeat({}, len(parts))
        columns = {name: self.texts_of(name, parts).to_pylist() for name in self.texts}
        columns["notify"] = self.notify[parts].tolist()
        return (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))

    def texts_of(self, name: str, parts: Codes) -> pa.Array[Any]:
        """What is said of each of ``parts`` in a column of MANY_SAID, "" for nothing."""
        if name not in self.texts:
            return pa.repeat("", len(parts))
        texts, places = self.texts[name]
        return texts.take(pa.array(places[parts], mask=places[parts] < 0)).fill_null("")


NOTHING_SAID: Final = Said()


def conflicts(
    taken: Mapping[str, Text], order: Codes, number: Codes, part: Codes, bad: Mask
) -> Iterator[Findings]:
    """The rows that say of their parcel or fulfillment what another row says otherwise.

    "Two tracking numbers for one fulfillment" can't be, since an update sets one; no more can two
    fulfillments for one tracking number of an order, of which the platform would be told one.
    """
    good = np.flatnonzero(~bad & (part >= 0))
    if "fulfillment_id" in taken:
        identity = _codes(taken["fulfillment_id"])
        named = good[identity[good] >= 0]
        fulfillment = order * (int(identity.max(initial=0)) + 1) + identity
        yield from _differing("tracking-number-conflict", "tracking_number", fulfillment, number, named)
        yield from _differing("fulfillment-id-conflict", "fulfillment_id", part, identity, named)
    for name in _CARRIER:
        if name in taken:
            said = _codes(pc.utf8_lower(taken[name]))
            yield from _differing("carrier-conflict", name, part, said, good[said[good] >= 0])


def _differing(code: str, column: str, key: Codes, value: Codes, rows: Codes) -> Iterator[Findings]:
    """Findings on all rows of a key that has several values; each names the first row that says otherwise."""
    _, first, which = np.unique(key[rows], return_index=True, return_inverse=True)
    before = rows[first[which]]
    other = value[rows] != value[before]
    if not other.any():
        return
    first_other = np.full(len(first), _NOTHING, dtype=np.int64)
    first_other[which[other][::-1]] = rows[other][::-1]
    faulty = first_other[which] != _NOTHING
    otherwise = np.where(other, before, first_other[which])
    yield Findings.of(rows[faulty], code, column, otherwise[faulty])


def _mail(cells: Text, part: Codes, used: Codes, otherwise: Mask) -> Mask:
    """A part is mailed if its rows say so and none says no; ``otherwise`` where they are silent."""
    words = pc.utf8_lower(cells)
    yes, no = (
        np.asarray(pc.is_in(words, pa.array([word for word, mail in NOTIFY.items() if mail is wanted])))
        for wanted in (True, False)
    )
    mail = otherwise.copy()
    mail[part[used[yes[used]]]] = True
    mail[part[used[no[used]]]] = False
    return mail


def _first_said(cells: Text, part: Codes, used: Codes, parts: int) -> tuple[pa.Array[Any], Codes]:
    encoded = _encoded(cells)
    codes = _as_codes(encoded)
    said = used[codes[used] >= 0]
    places = np.full(parts, _NOTHING, dtype=np.int64)
    places[part[said[::-1]]] = codes[said[::-1]]
    return encoded.dictionary, places


def _all_said(cells: Text) -> tuple[pa.Array[Any], Codes]:
    encoded = _encoded(cells)
    return encoded.dictionary, _as_codes(encoded)


def _codes(cells: Text) -> Codes:
    return _as_codes(_encoded(cells))


def _encoded(cells: Text) -> Any:  # noqa: ANN401 - pyarrow is untyped here
    """The cells with their distinct texts; a blank one is null."""
    encoded = pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells).dictionary_encode()
    return encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded


def _as_codes(encoded: Any) -> Codes:  # noqa: ANN401 - pyarrow is untyped here
    codes: Codes = encoded.indices.fill_null(_NOTHING).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes

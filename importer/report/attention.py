"""Which rows need attention, as one short text: two runs with the same troubles have the same."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    Text: TypeAlias = pa.Array[Any]

_BYTES: Final = 8  # of each trouble: two of a million are alike once in tens of millions of runs
_IN_ORDER: Final = ">u8"  # as numbers they are sorted as their bytes are
_GATHERED: Final = 100_000


class Attention:
    """Gathers troubles, each a code and a fulfillment, in whatever order and however often each comes."""

    def __init__(self) -> None:
        self._troubles = np.empty(0, dtype=np.uint64)
        self._newest: set[bytes] = set()

    def add(self, codes: Text, fulfillments: Text) -> None:
        """Take in those of some rows: the codes of each, and the fulfillment that it is of, "" if of none."""
        pairs = pc.binary_join_element_wise(codes, fulfillments, "\t")
        self._newest |= {_digest(pair.encode()).digest() for pair in pc.unique(pairs).to_pylist()}
        if len(self._newest) > _GATHERED:
            self._gather()

    def __str__(self) -> str:
        """A SHA-256 (hex) of all of them; "" where there is none."""
        self._gather()
        if not len(self._troubles):
            return ""
        return hashlib.sha256(self._troubles.astype(_IN_ORDER).tobytes()).hexdigest()

    def _gather(self) -> None:
        """Put the newest among the others, where one takes a tenth of the memory."""
        newest = np.frombuffer(b"".join(self._newest), dtype=_IN_ORDER)
        self._troubles = np.union1d(self._troubles, newest)
        self._newest.clear()


def attention_with(attention: str, files: Sequence[str]) -> str:
    """The text of ``attention`` and of files that are no manifests, by name; the same text without these."""
    if not files:
        return attention
    return hashlib.sha256("\0".join([attention, *sorted(files)]).encode()).hexdigest()


def _digest(text: bytes) -> hashlib.blake2b:
    return hashlib.blake2b(text, digest_size=_BYTES)

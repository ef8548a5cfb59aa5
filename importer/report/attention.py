"""Which rows need attention, as one short text: two runs with the same troubles have the same."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    Text: TypeAlias = pa.Array[Any]

_BYTES: Final = 8  # of each trouble: two of a million are alike once in tens of millions of runs


class Attention:
    """Gathers troubles, each a code and a fulfillment, in whatever order and however often each comes."""

    def __init__(self) -> None:
        self._troubles: set[bytes] = set()

    def add(self, codes: Text, fulfillments: Text) -> None:
        """Take in those of some rows: the codes of each, and the fulfillment that it is of, "" if of none."""
        pairs = pc.binary_join_element_wise(codes, fulfillments, "\t")
        self._troubles |= {_digest(pair.encode()).digest() for pair in pc.unique(pairs).to_pylist()}

    def __str__(self) -> str:
        """A SHA-256 (hex) of all of them; "" where there is none."""
        if not self._troubles:
            return ""
        return hashlib.sha256(b"".join(sorted(self._troubles))).hexdigest()


def attention_with(attention: str, files: Sequence[str]) -> str:
    """The text of ``attention`` and of files that are no manifests, by name; the same text without these."""
    if not files:
        return attention
    return hashlib.sha256("\0".join([attention, *sorted(files)]).encode()).hexdigest()


def _digest(text: bytes) -> hashlib.blake2b:
    return hashlib.blake2b(text, digest_size=_BYTES)

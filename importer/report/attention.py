"""Which rows need attention, as one short text: two runs with the same troubles have the same."""

from __future__ import annotations

import hashlib
from functools import partial
from operator import methodcaller
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Text: TypeAlias = pa.Array[Any]

_BYTES: Final = 8  # of each trouble: two of a million are alike once in tens of millions of runs
_IN_ORDER: Final = ">u8"  # as numbers they are sorted as their bytes are
_GATHERED: Final = 100_000
_hashed = partial(hashlib.blake2b, digest_size=_BYTES)
_digest = methodcaller("digest")


class Attention:
    """Gathers troubles, each a code and a fulfillment, in whatever order and however often each comes."""

    def __init__(self) -> None:
        self._troubles = np.empty(0, dtype=np.uint64)
        self._newest: list[npt.NDArray[np.uint64]] = []

    def add(self, codes: Text, fulfillments: Text) -> None:
        """Take in those of some rows: the codes of each, and the fulfillment that it is of, "" if of none."""
        pairs = pc.unique(pc.binary_join_element_wise(codes, fulfillments, "\t"))
        digests = b"".join(map(_digest, map(_hashed, pairs.cast(pa.binary()).to_pylist())))
        self._newest.append(np.frombuffer(digests, dtype=_IN_ORDER).astype(np.uint64))
        if sum(map(len, self._newest)) > max(len(self._troubles), _GATHERED):
            self._gather()

    def __str__(self) -> str:
        """A SHA-256 (hex) of all of them; "" where there is none."""
        self._gather()
        if not len(self._troubles):
            return ""
        return hashlib.sha256(self._troubles.astype(_IN_ORDER).tobytes()).hexdigest()

    def _gather(self) -> None:
        """Put the newest among the others, each once."""
        found = np.sort(np.concatenate([self._troubles, *self._newest]))
        is_new = np.ones(len(found), dtype=bool)
        is_new[1:] = found[1:] != found[:-1]  # np.unique keeps a table, which takes a hundred times as long
        self._troubles = found[is_new]
        self._newest.clear()


def attention_with(attention: str, files: Sequence[str]) -> str:
    """The text of ``attention`` and of files that are no manifests, by name; the same text without these."""
    if not files:
        return attention
    return hashlib.sha256("\0".join([attention, *sorted(files)]).encode()).hexdigest()

"""A sheet's cells, kept compressed as they were read first: opening a workbook anew takes its time.

A million rows of ten columns take some 40 MB.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from importer.manifests.workbook.cells import Cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Text: TypeAlias = pa.Array[Any]

_KINDS: Final = "kinds of "
_OPTIONS: Final = pa.ipc.IpcWriteOptions(compression="zstd")


class Kept(Struct, frozen=True):
    """Blocks of columns; ``zero_led`` says by column how long the longest text is that begins with a zero.

    That is, of those that are all digits.
    """

    blocks: tuple[pa.Buffer, ...]
    zero_led: Mapping[int, int]


def keep(blocks: Iterable[Sequence[Cells]]) -> Kept:
    """Blocks of columns, not all as many, for ``blocks_of``."""
    zero_led: defaultdict[int, int] = defaultdict(int)
    kept = []
    for block in blocks:
        for at, column in enumerate(block):
            zero_led[at] = max(zero_led[at], _longest_zero_led(column.text))
        kept.append(_packed(block))
    return Kept(tuple(kept), dict(zero_led))


def blocks_of(kept: Kept, width: int) -> Iterator[list[Cells]]:
    """What was kept, in the same blocks, but that all have so many columns."""
    for block in kept.blocks:
        with pa.ipc.open_stream(block) as stream:
            batch = stream.read_next_batch()
        columns = len(batch.columns) // 2
        cells = [
            Cells(text, np.asarray(kinds))
            for text, kinds in zip(batch.columns[:columns], batch.columns[columns:], strict=True)
        ]
        blank = Cells(pa.array([""] * len(batch), pa.string()), np.zeros(len(batch), dtype=np.int8))
        yield [*cells[:width], *[blank] * (width - columns)]


def _packed(block: Sequence[Cells]) -> pa.Buffer:
    arrays: list[pa.Array[Any]] = [column.text for column in block]
    arrays += [pa.array(column.kinds) for column in block]
    names = [str(at) for at in range(len(block))]
    batch = pa.record_batch(arrays, names=[*names, *(_KINDS + name for name in names)])
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, batch.schema, options=_OPTIONS) as writer:
        writer.write_batch(batch)
    return stream.getvalue()


def _longest_zero_led(text: Text) -> int:
    led = text.filter(pc.starts_with(text, "0"))
    return pc.max(pc.utf8_length(led.filter(pc.utf8_is_decimal(led)))).as_py() or 0

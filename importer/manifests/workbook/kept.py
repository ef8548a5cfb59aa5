"""A sheet's cells, kept compressed as they were read first: opening a workbook anew takes its time.

A million rows of ten columns take some 40 MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from importer.manifests.workbook.cells import Cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_KINDS: Final = "kinds of "


def keep(blocks: Iterable[Sequence[Cells]], width: int) -> pa.Buffer:
    """Blocks of so many columns each, for ``blocks_of``."""
    stream = pa.BufferOutputStream()
    texts = [(str(at), pa.string()) for at in range(width)]
    schema = pa.schema([*texts, *((_KINDS + name, pa.int8()) for name, _ in texts)])
    with pa.ipc.new_stream(stream, schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        for block in blocks:
            arrays: list[pa.Array[Any]] = [column.text for column in block]
            arrays += [pa.array(column.kinds) for column in block]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
    return stream.getvalue()


def blocks_of(kept: pa.Buffer) -> Iterator[list[Cells]]:
    """What was kept, in the same blocks."""
    with pa.ipc.open_stream(kept) as stream:
        width = len(stream.schema) // 2
        for batch in stream:
            columns = batch.columns
            yield [
                Cells(text, np.asarray(kinds))
                for text, kinds in zip(columns[:width], columns[width:], strict=True)
            ]

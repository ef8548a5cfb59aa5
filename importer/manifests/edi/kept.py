"""The lines of a file, kept while its envelopes are surveyed: whether they count is known at the end only.

Compressed columns: a million lines take some 20 MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pyarrow as pa
from msgspec import Struct, field

from importer.manifests.edi.lines import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import numpy.typing as npt

    from importer.manifests.edi.partners import Partner
    from importer.manifests.edi.segments import Delimiters, Segment
    from importer.manifests.edi.units import Fault

    Text: TypeAlias = pa.Array[Any]
    Reader: TypeAlias = Callable[[Iterator[Segment], Delimiters, Partner], Iterator[Line | Fault]]

_LINES_AT_ONCE: Final = 50_000
_POSITION: Final = Line._fields.index("position")
_TEXTS: Final = tuple(name for name in Line._fields if name != "position")
_SCHEMA: Final = pa.schema(
    [("read", pa.int64()), ("position", pa.int64()), *((name, pa.string()) for name in _TEXTS)]
)


class Lines(Struct, frozen=True):
    """Some lines of a file, in order, as columns.

    ``read`` (int64) counts the transactions that were read, from 0; ``position`` (int64) is as in ``Line``,
    ``texts`` has its other fields.
    """

    read: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]
    texts: dict[str, Text]


class Keeper(Struct):
    """Lets lines pass from their readers, and keeps them."""

    _stream: pa.BufferOutputStream = field(default_factory=pa.BufferOutputStream)
    _writer: Any = None
    _lines: list[Line] = field(default_factory=list)
    _read: list[int] = field(default_factory=list)
    _transactions: int = 0

    def keeping(self, reader: Reader) -> Reader:
        """The same reader, but that its lines are kept."""

        def lines(
            segments: Iterator[Segment], delimiters: Delimiters, partner: Partner
        ) -> Iterator[Line | Fault]:
            mine = self._transactions
            self._transactions += 1
            for found in reader(segments, delimiters, partner):
                if isinstance(found, Line):
                    self._lines.append(found)
                    self._read.append(mine)
                    if len(self._lines) == _LINES_AT_ONCE:
                        self._put()
                yield found

        return lines

    def kept(self) -> pa.Buffer:
        """All lines, for ``lines_of``."""
        self._put()
        if self._writer is not None:
            self._writer.close()
        return self._stream.getvalue()

    def _put(self) -> None:
        if not self._lines:
            return
        if self._writer is None:
            options = pa.ipc.IpcWriteOptions(compression="zstd")
            self._writer = pa.ipc.new_stream(self._stream, _SCHEMA, options=options)
        columns = list(zip(*self._lines, strict=True))
        position = columns.pop(_POSITION)
        self._writer.write_batch(pa.record_batch([self._read, position, *columns], schema=_SCHEMA))
        self._lines, self._read = [], []


def lines_of(kept: pa.Buffer) -> Iterator[Lines]:
    """What a ``Keeper`` has kept, in blocks."""
    if not kept.size:
        return
    with pa.ipc.open_stream(kept) as stream:
        for batch in stream:
            yield Lines(
                batch.column("read").to_numpy(),
                batch.column("position").to_numpy(),
                {name: batch.column(name) for name in _TEXTS},
            )

"""What a run keeps of more rows than memory has room for: pieces of tables and long columns, in files.

Everything goes into files without a name in one folder, so that nothing is left behind however a run ends.
Pieces are Arrow's IPC messages, each put into a bucket and read back with the others of that bucket. Columns
are NumPy arrays over mapped files; the system may take their memory back at any time, and does when told to.
"""

from __future__ import annotations

import io
import mmap
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Self

import numpy as np
import pyarrow as pa
from msgspec import Struct, field

from importer.errors import CannotGoOn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

ROWS_IN_MEMORY: Final = 2_000_000
"""How many rows a run keeps in memory; of more, all are kept in files."""
_ZEROS: Final = bytes(1 << 20)


class Room(Struct):
    """The folder for what memory has no room for, and how many rows that has room for; a context."""

    folder: Path
    rows: int = ROWS_IN_MEMORY
    _files: list[IO[bytes]] = field(default_factory=list)
    _maps: list[mmap.mmap] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Have the room."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close all files; what is mapped of them stays as long as it is looked at."""
        for file in self._files:
            with suppress(OSError):  # a disk that is full was told of when it was written to
                file.close()

    @property
    def stretch(self) -> int:
        """How many rows are worked on at a time where all are kept in files."""
        return max(self.rows // 2, 1)

    @contextmanager
    def filled(self) -> Iterator[None]:
        """Say what to do when the folder has no more room.

        Raises:
            CannotGoOn: something can't be written or read back there.
        """
        try:
            yield
        except OSError as error:
            raise CannotGoOn(
                f"{self.folder}: there is no room to keep the rows of manifests as large as these: "
                f"{error.strerror or error}; make room there, or name another folder with TMPDIR, and run "
                "the same command again"
            ) from error

    def pieces(self, schema: pa.Schema) -> Pieces:
        """Pieces of tables with these columns."""
        return Pieces(self, self._file(), schema)

    def appended(self, dtype: npt.DTypeLike) -> Appended:
        """A column that grows at its end."""
        return Appended(self, self._file(), np.dtype(dtype))

    def column(self, length: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """A column of zeros."""
        file = self._file()
        with self.filled():
            _allocate(file, length * np.dtype(dtype).itemsize)
        return self.mapped(file, np.dtype(dtype))

    def mapped(self, file: IO[bytes], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """The file's content as an array that can be written to."""
        with self.filled():
            file.flush()
            size = os.fstat(file.fileno()).st_size
            if not size:
                return np.empty(0, dtype)
            self._maps.append(mmap.mmap(file.fileno(), size))
        return np.frombuffer(self._maps[-1], dtype)

    def let_go(self) -> None:
        """Give back the memory of all columns; what is in them is read again when it is looked at."""
        if hasattr(mmap, "MADV_DONTNEED"):  # not on every system
            for mapped in self._maps:
                mapped.madvise(mmap.MADV_DONTNEED)

    def _file(self) -> IO[bytes]:
        with self.filled():
            self._files.append(tempfile.TemporaryFile(dir=self.folder))  # noqa: SIM115 - closed with the room
        return self._files[-1]


def _allocate(file: IO[bytes], size: int) -> None:
    """Have the disk's room for it now: where a mapped page finds none, the system ends the process."""
    if hasattr(os, "posix_fallocate"):
        if size:
            os.posix_fallocate(file.fileno(), 0, size)
        return
    for start in range(0, size, len(_ZEROS)):
        file.write(_ZEROS[: size - start])


class Memory(Room):
    """Room in memory for pieces that are handed on."""

    folder: Path = Path()

    def _file(self) -> IO[bytes]:
        return io.BytesIO()


class Pieces(Struct):
    """Pieces of tables in one file, each in a bucket, which is a number."""

    room: Room
    file: IO[bytes]
    schema: pa.Schema
    _places: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def scatter(self, buckets: npt.NDArray[np.int64], columns: Sequence[Any]) -> None:
        """Put each row of the table that these columns make into its bucket; their order stays."""
        if not len(buckets):
            return
        batch = pa.RecordBatch.from_arrays([_array(column) for column in columns], schema=self.schema)
        if (np.diff(buckets) < 0).any():
            order = np.argsort(buckets, kind="stable")
            batch, buckets = batch.take(pa.array(order)), buckets[order]
        starts = np.flatnonzero(np.diff(buckets, prepend=-1)).tolist()
        for start, stop in zip(starts, [*starts[1:], len(buckets)], strict=True):
            self._add(int(buckets[start]), batch.slice(start, stop - start))

    def _add(self, bucket: int, batch: pa.RecordBatch) -> None:
        message = batch.serialize()
        with self.room.filled():
            place = self.file.seek(0, os.SEEK_END)
            self.file.write(message)
        self._places.setdefault(bucket, []).append((place, len(message)))

    def read(self, bucket: int) -> pa.Table:
        """All rows of a bucket, in the order in which they came."""
        return table_of(self.messages(bucket), self.schema)

    def messages(self, bucket: int) -> Iterator[bytes]:
        """All rows of a bucket, as they are in the file."""
        for place, size in self._places.get(bucket, ()):
            with self.room.filled():
                self.file.seek(place)
                message = self.file.read(size)
            yield message

    def drop(self) -> None:
        """Give back the disk's room; nothing is read any more."""
        self.file.close()


def table_of(messages: Iterable[bytes], schema: pa.Schema) -> pa.Table:
    """The table that these messages make."""
    batches = [pa.ipc.read_record_batch(pa.py_buffer(message), schema) for message in messages]
    return pa.Table.from_batches(batches, schema).combine_chunks()


def _array(column: Any) -> Any:  # noqa: ANN401 - pyarrow is untyped here
    array = pa.array(column) if isinstance(column, np.ndarray) else column
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


class Appended(Struct):
    """A column that grows at its end, in one file."""

    room: Room
    file: IO[bytes]
    dtype: np.dtype[Any]

    def add(self, values: npt.NDArray[Any]) -> None:
        """Put values to the end."""
        with self.room.filled():
            self.file.write(np.ascontiguousarray(values, self.dtype).data)

    def column(self) -> npt.NDArray[Any]:
        """All of it, once it is complete."""
        return self.room.mapped(self.file, self.dtype)


def buckets_of(texts: Any, buckets: int) -> npt.NDArray[np.int64]:  # noqa: ANN401 - pyarrow is untyped here
    """A bucket for each text (a string array without nulls), the same for the same text.

    It depends on the last 24 bytes alone, in which texts that name things differ; see
    https://en.wikipedia.org/wiki/Hash_function#Multiplicative_hashing for the mixing.
    """
    texts = _array(texts)
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    data = texts.buffers()[2]
    found = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    padded = np.concatenate([np.zeros(_SEEN, np.uint8), found])
    windows = np.ndarray((len(padded) - 7,), "<u8", padded, strides=(1,))
    ends, sizes = offsets[1:].astype(np.int64), np.diff(offsets).astype(np.int64)
    mixed = sizes.astype(np.uint64)
    for before in range(0, _SEEN, 8):
        there = np.clip(sizes - before, 0, 8).astype(np.uint64)
        window = windows[ends + (_SEEN - 8 - before)] >> (
            np.uint64(8) * (np.uint64(8) - np.maximum(there, 1))
        )
        mixed = (mixed ^ np.where(there > 0, window, 0)) * _MULTIPLIER
        mixed ^= mixed >> np.uint64(32)
    return (mixed % np.uint64(buckets)).astype(np.int64)


_SEEN: Final = 24
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)

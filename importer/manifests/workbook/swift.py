"""A workbook (.xlsx) of which the sheets are read in a fraction of the time, where that can be done."""

from __future__ import annotations

from collections import deque
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec.structs import replace

from importer.ahead import ahead
from importer.manifests.workbook import kept, openxml, safety, shared, sheetdata
from importer.manifests.workbook.markup import UnfamiliarError

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Sequence

    import pyarrow as pa

    from importer.manifests.sources import Source
    from importer.manifests.workbook.oddities import Oddities

    Text: TypeAlias = pa.Array[Any]


class Workbook:
    """Reads the sheets of a workbook, of which ``tabs`` are in order.

    Raises:
        UnfamiliarError: it is not written as most spreadsheet programs write one.
    """

    def __init__(self, source: Source, archive: zipfile.ZipFile) -> None:
        self.tabs: Sequence[openxml.Tab] = openxml.tabs(archive)
        self._source = source
        self._archive = archive
        self._parts = {tab.name: tab.part for tab in self.tabs}
        self._styles = openxml.styles(archive)
        self._shared = cache(lambda: shared.read(archive))

    def read(self, name: str, rows_at_once: int) -> tuple[kept.Kept, int, Oddities] | None:
        """The cells of a sheet in blocks of so many rows, how many columns it has, and what is odd in it.

        None where it is not written as most spreadsheet programs write one.

        Raises:
            ManifestError: it can't be parsed in bounded room (see safety.py).
        """
        reader = sheetdata.Reader(self._styles, self._shared)
        pieces = ahead(safety.checked(self._source, self._archive, self._parts[name]))
        try:
            cells = kept.keep(reader.blocks(pieces, rows_at_once))
        except UnfamiliarError:
            return None
        deque(pieces, maxlen=0)  # what stands below the cells is checked as well
        filled = cells.blocks[: -(-reader.rows // rows_at_once)]
        return replace(cells, blocks=filled), reader.width, reader.odd

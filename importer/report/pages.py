"""Manifests as the report has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Text: TypeAlias = pa.Array[Any]


class Page(Struct, frozen=True):
    """A manifest as the report has it.

    ``headers`` are its columns without those of our own reports, ``width`` is how many it has with them,
    ``canonical`` which of them (by position) is which canonical column,
    ``blocks`` its data rows: cells per header, row numbers, and by position the code and the cells of rows
    that could not be told apart. After the cells may stand more columns: ``meant`` says which of them has
    what a canonical column says, where that is filled in. For a workbook,
    ``addresses`` says how those of each column's cells begin. With ``decimal_comma`` a quantity of 2,0 is
    two.
    """

    name: str
    headers: tuple[str, ...]
    width: int
    canonical: Mapping[str, int]
    delimiter: str
    blocks: Callable[
        [], Iterable[tuple[list[Text], npt.NDArray[np.int64], Mapping[int, tuple[str, Sequence[str]]]]]
    ]
    meant: Mapping[str, int] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    encoding: str = ""
    decimal_comma: bool = False

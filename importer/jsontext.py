"""JSON written in haste: tens of thousands of small values."""

from __future__ import annotations

import json
from json import encoder as json_encoder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def json_writer(*, ensure_ascii: bool) -> Callable[[object], str]:
    """The ``encode`` of such an encoder, but that what it makes anew for each value is made once.

    See ``iterencode`` of CPython's json/encoder.py; where the maker is gone, so is the haste.
    """
    encoder = json.JSONEncoder(ensure_ascii=ensure_ascii, separators=(",", ":"))
    make = getattr(json_encoder, "c_make_encoder", None)
    if make is None:
        return encoder.encode
    strings = json_encoder.encode_basestring_ascii if ensure_ascii else json_encoder.encode_basestring
    pieces = make(None, encoder.default, strings, None, ":", ",", False, False, True)  # noqa: FBT003 - it takes no names
    return lambda value: "".join(pieces(value, 0))

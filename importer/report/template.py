"""An empty workbook for people who type manifests: all cells are text, and each header has a note."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from xlsxwriter import Workbook

from importer.errors import CannotGoOn, SetupError
from importer.report.files import sync
from importer.report.workbook import HEADER, MOST_ROWS, OPTIONS, TEXT, Lines, cells, write_text
from schemas.manifest import CANONICAL, MAX_QUANTITY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from xlsxwriter.worksheet import Worksheet


class _Column(Struct, frozen=True):
    """What is told of a column: whether it must be filled in, and with what."""

    needed: str
    rule: str
    width: int = 24

    @property
    def note(self) -> str:
        return f"{self.needed}: {self.rule}"


# The rules are those of schemas/manifest.py; what is needed, of importer/destinations.
_SHARED: Final = {
    "order_id": _Column(
        "needed in every row", "the platform's order id, 1 to 255 characters; for ADM digits alone"
    ),
    "sku": _Column(
        "needed for ADM and for new fulfillments", "the SKU as the order has it, 1 to 255 characters"
    ),
    "quantity": _Column(
        "needed where there is a SKU",
        f"how many units are in this parcel: a whole number from 1 to {MAX_QUANTITY:,}, in digits alone",
        12,
    ),
    "tracking_number": _Column(
        "needed in every row",
        "one tracking number, 5 to 50 letters, digits and '-'; the same one in all rows of a parcel",
        30,
    ),
    "tracking_company": _Column("may be blank", "the carrier, such as UPS; the same in all rows of a parcel"),
    "tracking_company_code": _Column("may be blank", "the carrier's code, for platforms that take it"),
    "tracking_url": _Column(
        "may be blank", "the address where the parcel can be followed; begins with http:// or https://", 40
    ),
    "fulfillment_id": _Column(
        "may be blank", "the platform's id of the fulfillment that is updated; if it is blank it is looked up"
    ),
    "notify": _Column("may be blank", "yes or no: whether the platform mails the customer", 10),
}
_FOR_ADM: Final = {
    "order_id": _Column(
        "needed in every row", "ADM's order id: a whole number from 1 to 9223372036854775807"
    ),
    **{
        name: _Column("needed in every row", _SHARED[name].rule, _SHARED[name].width)
        for name in ("sku", "quantity", "tracking_number")
    },
}
_FOR_SHOPLAZZA: Final = {
    **_SHARED,
    "order_id": _Column("needed in every row", "Shoplazza's order id, as it writes it: 1 to 255 characters"),
    "sku": _Column("needed for a new fulfillment, not for an update", _SHARED["sku"].rule),
}
_ANY: Final = ""
_COLUMNS: Final = {_ANY: _SHARED, "adm": _FOR_ADM, "shoplazza": _FOR_SHOPLAZZA}

_RULES: Final = {
    "rows": "On the sheet manifest, below the header: one row for each SKU in a parcel.",
    "parcels": "Repeat the order id and the tracking number in every row of the parcel.",
    "cells": "They are formatted as text, so that long numbers keep all digits: paste values only.",
    "columns": "They may be moved, and others added, which are carried through to the report.",
    "then": "Save it as .xlsx, see with importer check FILE what would be posted, and post it.",
}
_COMMENT: Final = {"width": 280, "height": 90}  # pixels


def write(path: Path, kind: str = _ANY) -> None:
    """Write an empty manifest with the columns that a destination of this ``kind`` takes; "" takes them all.

    Raises:
        SetupError: there is a file already.
        CannotGoOn: it can't be written.
    """
    content = _workbook(_COLUMNS[kind])
    try:
        with path.open("xb") as file:
            file.write(content)
            sync(file)
    except FileExistsError as error:
        raise SetupError(
            f"{path}: there is something already, and it is never overwritten; name another file"
        ) from error
    except OSError as error:
        raise CannotGoOn(f"{path}: the template can't be written: {error.strerror or error}") from error


def _workbook(columns: Mapping[str, _Column]) -> bytes:
    content = io.BytesIO()
    workbook = Workbook(content, {**OPTIONS, "constant_memory": False, "in_memory": True})
    text, header = workbook.add_format(TEXT), workbook.add_format(HEADER)
    sheet = workbook.add_worksheet("manifest")
    names = [name for name in CANONICAL if name in columns]
    for at, name in enumerate(names):
        sheet.set_column(at, at, columns[name].width, text)
        write_text(sheet, 0, at, name, header)
        sheet.write_comment(0, at, columns[name].note, _COMMENT)
    _check(sheet, names)
    sheet.freeze_panes(1, 0)
    sheet.ignore_errors({"number_stored_as_text": cells(MOST_ROWS + 1, len(names))})
    _tell(Lines(workbook, workbook.add_worksheet("about"), (28, 44, 90)), columns, names)
    workbook.close()
    return content.getvalue()


def _check(sheet: Worksheet, names: Sequence[str]) -> None:
    """Have the spreadsheet program refuse what could not be imported; a cell's number is text there."""
    number = f"VALUE({chr(ord('A') + names.index('quantity'))}2)"
    whole = f"=AND(ISNUMBER({number}),{number}>=1,{number}<={MAX_QUANTITY},{number}=INT({number}))"
    allowed: dict[str, dict[str, object]] = {
        "quantity": {"validate": "custom", "value": whole},
        "notify": {"validate": "list", "value": ["yes", "no"]},
    }
    for at, name in enumerate(names):
        if name in allowed:
            told = {"error_title": name, "error_message": _SHARED[name].rule}
            sheet.data_validation(1, at, MOST_ROWS, at, {**allowed[name], **told})


def _tell(page: Lines, columns: Mapping[str, _Column], names: Sequence[str]) -> None:
    page.put("how to fill in this manifest", heading=True)
    for name, rule in _RULES.items():
        page.put(name, "", rule)
    page.put()
    page.put("column", "needed", "what goes there", heading=True)
    for name in names:
        page.put(name, columns[name].needed, columns[name].rule)

"""A manifest of any size: 1 to 4 lines a parcel, 1 to 3 parcels an order, some rows faulty in one cell.

Five columns are carried through. Cells are faulty in every way that a cell can be; but every row has all its
cells and no cell has a quote or a line break, so that any peer reads the same of it.
"""

import csv
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import xlsxwriter

from benchmarks.chance import Chance, chance_of

HEADERS = (
    *("order_id", "sku", "quantity", "tracking_number", "tracking_company"),
    *("Ship To City", "Weight", "Service", "Ship Date", "Reference"),
)
_FAULTS = (
    *((0, ""), (0, "#N/A"), (0, "1.5E+10"), (0, "abc"), (0, "0")),
    *((1, ""), (1, "#REF!"), (1, "Apr-72")),
    *((2, ""), (2, "0"), (2, "-1"), (2, "two"), (2, "2.5"), (2, "1000001"), (2, "5 EA")),
    *((3, ""), (3, "#N/A"), (3, "1.23457E+21"), (3, "AB"), (3, "PKG44444;PKG55555"), (3, "PKG_4444")),
)
FEW, HALF = 0.005, 0.5
_SEED = 20240429


def write(path: Path, rows: int, faulty: float = FEW) -> None:
    """Write ``rows`` data rows, so many of which are ``faulty``; the same each time."""
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(HEADERS)
        out.writerows(_rows(rows, faulty))


def write_workbook(path: Path, rows: int) -> None:
    """Write the same as an .xlsx, with its numbers as numbers."""
    with xlsxwriter.Workbook(path, {"constant_memory": True, "strings_to_numbers": True}) as book:
        sheet = book.add_worksheet()
        for at, row in enumerate(chain([HEADERS], _rows(rows, FEW))):
            sheet.write_row(at, 0, row)


def _rows(rows: int, faulty: float) -> Iterator[list[str]]:
    chance = chance_of(_SEED)
    left = rows
    order = 450_000_000
    while left > 0:
        order += 1
        for parcel in range(chance.randint(1, 3)):
            for line in range(min(chance.randint(1, 4), left)):
                yield _row(chance, order, parcel, line, faulty)
                left -= 1


def _row(chance: Chance, order: int, parcel: int, line: int, faulty: float) -> list[str]:
    row = [
        str(order),
        f"SKU-{chance.randint(1, 9999):04d}-{line}",
        str(chance.randint(1, 12)),
        f"PKG{order}{parcel}",
        "Example Freight",
        chance.choice(("Springfield", "Riverside", "Fairview", "Greenville")),
        f"{chance.uniform(0.1, 30):.2f}",
        "Ground",
        "2026-11-02",
        f"REF-{chance.randint(1, 10**8)}",
    ]
    if chance.random() < faulty:
        column, text = chance.choice(_FAULTS)
        row[column] = text
    return row

"""The peer of ``importer check`` for an .xlsx: openpyxl makes it a CSV, and a plain loop checks that.

Usage: ``python -m benchmarks.plain_workbook WORKBOOK REPORT``
"""

import csv
import sys
from pathlib import Path

import openpyxl

from benchmarks import plain_check


def main(workbook: Path, report: Path) -> None:
    """Read the first sheet row by row, and check it."""
    book = openpyxl.load_workbook(workbook, read_only=True, data_only=True)
    manifest = report.with_suffix(".manifest.csv")
    with manifest.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(book.worksheets[0].iter_rows(values_only=True))
    book.close()
    plain_check.main(manifest, report)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""The peer of ``importer check``: the same rules a row at a time, as one would write them in an afternoon.

Usage: ``python -m benchmarks.plain_check MANIFEST REPORT``
"""

import csv
import re
import sys
from collections import defaultdict
from pathlib import Path

_ORDER = re.compile(r"0*[1-9]\d{0,18}(?:\.0)?")
_QUANTITY = re.compile(r"\d+(?:\.0)?")
_TRACKING = re.compile(r"[A-Za-z0-9-](?:\s*[A-Za-z0-9-]){4,49}")
_DAMAGE = re.compile(r"#(?:N/A|REF!|VALUE!)|[+-]?\d(?:[.,]\d+)?[Ee]\+\d{2,3}")
_LONGEST_SKU = 255
_MOST = 1_000_000


def main(manifest: Path, report: Path) -> None:
    """Read, check, group and report."""
    with manifest.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        headers = list(reader.fieldnames or ())
    codes = [_codes(row) for row in rows]
    torn = {row["order_id"] for row, found in zip(rows, codes, strict=True) if found}
    parcels: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    with report.open("w", newline="", encoding="utf-8-sig") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow([*headers, "import_row", "import_status", "import_code"])
        for number, (row, found) in enumerate(zip(rows, codes, strict=True), start=2):
            status = "invalid" if found else "held" if row["order_id"] in torn else "ready"
            if status == "ready":
                parcels[row["order_id"], row["tracking_number"]][row["sku"]] += int(float(row["quantity"]))
            out.writerow([*row.values(), number, status, "; ".join(found)])


def _codes(row: dict[str, str]) -> list[str]:
    found = []
    if not _ORDER.fullmatch(row["order_id"].strip()):
        found.append("bad-order-id")
    if not 1 <= len(row["sku"].strip()) <= _LONGEST_SKU:
        found.append("bad-sku")
    quantity = row["quantity"].strip()
    if not _QUANTITY.fullmatch(quantity) or not 1 <= int(float(quantity)) <= _MOST:
        found.append("bad-quantity")
    tracking = row["tracking_number"].strip()
    if _DAMAGE.fullmatch(tracking) or not _TRACKING.fullmatch(tracking):
        found.append("bad-tracking-number")
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

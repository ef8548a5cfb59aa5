"""The peer of ``benchmarks.numbers``: the same four carriers, a number at a time, with a regex and a loop.

Usage: ``python -m benchmarks.plain_numbers FILE``
"""

import csv
import re
import sys
import time
from pathlib import Path

_WEIGHTS = {"UPS": (1, 2), "USPS": (3, 1), "Royal Mail": (8, 6, 4, 2, 3, 5, 9, 7), "FedEx": (3, 1, 7)}
_FORMS = {
    "UPS": re.compile(r"1Z([0-9A-Z]{15})(\d)"),
    "USPS": re.compile(r"(9[1-5]\d{19})(\d)"),
    "Royal Mail": re.compile(r"[A-Z]{2}(\d{8})(\d)[A-Z]{2}"),
    "FedEx": re.compile(r"(\d{11})(\d)"),
}


def main(path: Path) -> None:
    """Judge every number, and print how many fail, and how long that took after the start."""
    began = time.perf_counter()
    wrong = 0
    with path.open(newline="", encoding="utf-8") as file:
        for number, company in csv.reader(file):
            found = _FORMS[company].fullmatch(number.upper())
            if found and check_digit(company, found[1]) != int(found[2]):
                wrong += 1
    print(f"  {wrong} wrong, judged in {time.perf_counter() - began:.2f} s")


def check_digit(company: str, body: str) -> int:
    """The check digit after ``body``, as the carrier's document has it; UPS's without its "1Z"."""
    values = (int(each) if each.isdigit() else (ord(each) - 63) % 10 for each in body)
    weights = _WEIGHTS[company]
    summed = sum(value * weights[place % len(weights)] for place, value in enumerate(values))
    if company == "FedEx":
        return summed % 11 % 10
    if company == "Royal Mail":
        return {10: 0, 11: 5}.get(11 - summed % 11, 11 - summed % 11)
    return -summed % 10


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Tracking numbers of any count, and ``importer.tracking`` on them: ``python -m benchmarks.numbers FILE``.

A line is a number and the carrier that its row names: UPS, USPS, Royal Mail and FedEx in turn, one number in
50 with another last digit.
"""

import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from benchmarks.chance import Chance, chance_of
from benchmarks.plain_numbers import check_digit
from importer import tracking

_SEED = 20240429
_WRONG_ONE_IN = 50
_FORMS = {"UPS": ("1Z5R8939", 9), "USPS": ("9400", 17), "Royal Mail": ("RB", 8), "FedEx": ("", 11)}


def write(path: Path, count: int) -> None:
    """Write ``count`` lines; the same each time."""
    chance = chance_of(_SEED)
    companies = [*_FORMS]
    with path.open("w", encoding="utf-8") as file:
        for place in range(count):
            company = companies[place % len(companies)]
            file.write(f"{_number(chance, company)},{company}\n")


def _number(chance: Chance, company: str) -> str:
    prefix, count = _FORMS[company]
    body = prefix + "".join(chance.choices("0123456789", k=count))
    digit = check_digit(company, body.removeprefix("1Z" if company == "UPS" else "RB"))
    if chance.randrange(_WRONG_ONE_IN) == 0:
        digit = (digit + 1) % 10
    return f"{body}{digit}{'GB' if company == 'Royal Mail' else ''}"


def main(path: Path) -> None:
    """Judge every number, and print how many fail, and how long that took after the start."""
    names = csv.ReadOptions(column_names=["number", "company"])
    texts = csv.ConvertOptions(column_types={"number": pa.string(), "company": pa.string()})
    table = csv.read_csv(path, names, convert_options=texts)
    tracking.judge(
        table["number"][:1], None
    )  # pyarrow imports pandas on its first use, as check has long done
    began = time.perf_counter()
    said = tracking.judge(table["number"], table["company"])
    print(f"  {pc.sum(said.wrong_check_digit)} wrong, judged in {time.perf_counter() - began:.2f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

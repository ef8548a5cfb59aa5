"""EDI of any size, and its segments by one of three readers: ``python -m benchmarks.edi READER FILE``.

A document has one order a parcel, of 1 to 4 lines. The peers are pydifact and pyx12 (the extra ``bench``);
what is measured is how long all segments take to come out, after the start and the imports.
"""

import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

from benchmarks.chance import chance_of
from benchmarks.plain_numbers import check_digit

_SEED = 20240429
_CHUNK_BYTES = 1024 * 1024
_ISA = (
    *("ISA", "00", " " * 10, "00", " " * 10, "ZZ", f"{'WAREHOUSE':15}", "ZZ", f"{'SHOP':15}"),
    *("240429", "0930", "U", "00401", "000000031", "0", "P", ">"),
)
_GS = "GS*SH*WAREHOUSE*SHOP*20240429*0930*31*X*004010"


def write_856(path: Path, rows: int) -> None:
    """Write a ship notice of ``rows`` lines (S-O-P-I); the same each time."""
    with path.open("w", encoding="ascii") as file:
        file.write(f"{'*'.join(_ISA)}~\n{_GS}~\n")
        count = sum(1 for segment in _ship_notice(rows) if file.write(f"{segment}~\n"))
        file.write(f"SE*{count + 1}*0001~\nGE*1*31~\nIEA*1*000000031~\n")


def write_desadv(path: Path, rows: int) -> None:
    """Write a despatch advice of ``rows`` lines (D.96A); the same each time."""
    with path.open("w", encoding="ascii") as file:
        file.write("UNA:+.? '\nUNB+UNOA:3+WAREHOUSE:14+SHOP:14+240429:0930+31'\n")
        count = sum(1 for segment in _despatch_advice(rows) if file.write(f"{segment}'\n"))
        file.write(f"UNT+{count + 1}+1'\nUNZ+1+31'\n")


def _ship_notice(rows: int) -> Iterator[str]:
    yield from ("ST*856*0001", "BSN*00*SHIP31*20240429*0930*0001", "HL*1**S", "TD5**2*UPSN*M*UPS GROUND")
    level = 1
    for order, tracking_number, lines in _parcels(rows):
        yield from (f"HL*{level + 1}*1*O", f"PRF*{order}***20240426", "N1*ST*O'NEIL AND SON*92*4711")
        yield from (f"HL*{level + 2}*{level + 1}*P", f"MAN*CP*{tracking_number}")
        pack, level = level + 2, level + 2
        for number, (sku, quantity) in enumerate(lines, 1):
            level += 1
            yield f"HL*{level}*{pack}*I"
            yield f"LIN*{number}*SK*{sku}*UP*012345678905"
            yield f"SN1*{number}*{quantity}*EA**{quantity}*EA"
            yield "PID*F****Widget, red, left-handed"
    yield f"CTT*{level}"


def _despatch_advice(rows: int) -> Iterator[str]:
    yield from ("UNH+1+DESADV:D:96A:UN:EAN005", "BGM+351+SHIP31+9", "DTM+137:20240429:102")
    yield from ("NAD+SU+4012345000009::9", "TDT+20++30+31+:::UPS")
    for package, (order, tracking_number, lines) in enumerate(_parcels(rows), 1):
        yield from (f"CPS+{package}", "PAC+1++CT", "PCI+33E", f"RFF+CN:{tracking_number}")
        yield "GIN+BJ+340123450000000018"
        for number, (sku, quantity) in enumerate(lines, 1):
            yield f"LIN+{number}++4012345678901:EN"
            yield f"PIA+1+{sku}:SA"
            yield "IMD+F++:::Widget, O?'Neil?'s, red"
            yield f"QTY+12:{quantity}:PCE"
            yield f"RFF+ON:{order}"
    yield f"CNT+2:{rows}"


def _parcels(rows: int) -> Iterator[tuple[int, str, list[tuple[str, int]]]]:
    chance = chance_of(_SEED)
    order, left = 450_000_000, rows
    while left:
        order += 1
        body = f"5R8939{order:09}"
        count = min(left, chance.randint(1, 4))
        skus = chance.sample(range(10_000), count)
        left -= count
        yield order, f"1Z{body}{check_digit('UPS', body)}", [(f"SKU-{sku:05}", 1 + sku % 9) for sku in skus]


def main(reader: str, path: Path) -> None:
    """Print how many segments there are, and how many seconds they took."""
    name, count = _READERS[reader]
    module = import_module(name)
    began = time.process_time()
    print(count(module, path), time.process_time() - began)


def _importer(segments: ModuleType, path: Path) -> int:
    with path.open("rb") as file:
        chunks = iter(lambda: file.read(_CHUNK_BYTES), b"")
        return sum(len(stretch.segments) for stretch in segments.read(chunks))


def _pydifact(parser: ModuleType, path: Path) -> int:
    """It takes a whole text, and counts the UNA as a segment."""
    found = parser.Parser().parse(path.read_text(encoding="utf-8"))
    return sum(1 for segment in found if segment.tag != "UNA")


def _pyx12(x12file: ModuleType, path: Path) -> int:
    with path.open(encoding="ascii") as file:
        return sum(1 for _ in x12file.X12Reader(file))


_READERS = {
    "importer": ("importer.manifests.edi.segments", _importer),
    "pydifact": ("pydifact.parser", _pydifact),
    "pyx12": ("pyx12.x12file", _pyx12),
}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

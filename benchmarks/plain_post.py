"""The peer of ``importer post``: one shared httpx.AsyncClient, a semaphore, no ledger, no report.

Usage: ``python -m benchmarks.plain_post MANIFEST URL CONCURRENCY``
"""

import asyncio
import csv
import sys
from collections import defaultdict
from pathlib import Path

import httpx

_OK = 200


async def main(manifest: Path, url: str, concurrency: int) -> None:
    """Group the rows and post every parcel."""
    parcels: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    with manifest.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["order_id"].isdigit() and row["quantity"].isdigit() and row["tracking_number"]:
                parcels[row["order_id"], row["tracking_number"]][row["sku"]] += int(row["quantity"])
    turns = asyncio.Semaphore(concurrency)
    async with httpx.AsyncClient() as client:

        async def post(order: str, tracking: str, lines: dict[str, int]) -> None:
            items = [{"sku": sku, "quantity": quantity} for sku, quantity in lines.items()]
            body = {"order_id": int(order), "line_items": items, "tracking_number": tracking}
            async with turns:
                await client.post(url, json=body)

        await asyncio.gather(*(post(*key, lines) for key, lines in parcels.items()))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))

"""Memory of ``importer post`` as runs grow: so many fulfillments, and fifty times as many.

What a run keeps of its manifest is not counted: that is by how much ``importer check`` of the larger manifest
takes more than of the smaller one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks import post
from benchmarks.processes import Cost, cost_of, median

if TYPE_CHECKING:
    from pathlib import Path

_TIMES: Final = 50
_AT_MOST: Final = 1.25


def measure(folder: Path, posts: int, repeat: int) -> None:
    """Print medians of interleaved runs, and how much more memory the larger run takes."""
    found: dict[tuple[str, int], list[Cost]] = {}
    with post.destination(0) as url:
        config = post.configured(folder, url)
        for count in (posts, _TIMES * posts):
            path = folder / f"post-memory-{count}.csv"
            post.write(path, count)
            for run in range(repeat):
                for command in ("check", "post"):
                    beside = folder / f"{command}-{count}-{run}"
                    arguments = ["importer", "-q", "--config", str(config), command, str(path), "--to", "adm"]
                    cost = cost_of([*arguments, "--ledger", f"{beside}.db", "--report", str(beside)])
                    found.setdefault((command, count), []).append(cost)
    _print(posts, {of: median(costs) for of, costs in found.items()})


def _print(posts: int, costs: dict[tuple[str, int], Cost]) -> None:
    print(f"post {posts:,} fulfillments, and {_TIMES} times as many")
    for (command, count), cost in costs.items():
        print(f"  {command:5} {count:11,} {cost.seconds:8.2f} s {cost.processor:8.2f} s {cost.peak:6.0f} MiB")
    kept = costs["check", _TIMES * posts].peak - costs["check", posts].peak
    ratio = (costs["post", _TIMES * posts].peak - kept) / costs["post", posts].peak
    print(f"  posting, less what is kept of the manifest  {ratio:.2f}   (at most {_AT_MOST})")

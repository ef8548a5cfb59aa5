"""Time and memory of ``importer check`` and of SQL in duckdb against the number of rows, as a picture."""

from itertools import takewhile
from pathlib import Path

from benchmarks import manifest
from benchmarks.processes import Cost, interleaved

PICTURE = Path("benchmarks-rows.svg")
_ROWS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
_COLOURS = {"importer check": "tab:blue", "duckdb SQL": "tab:orange"}


def measure(folder: Path, rows: int, repeat: int) -> None:
    """Print medians for each size up to ``rows``, and draw them into PICTURE in the current folder."""
    found: dict[int, dict[str, Cost]] = {}
    print(f"{'rows':>12}  " + "  ".join(f"{name:>24}" for name in _COLOURS))
    for size in takewhile(lambda size: size <= rows, _ROWS):
        found[size] = _costs(folder, size, repeat)
        told = (f"{cost.seconds:10.2f} s {cost.peak:8.0f} MiB" for cost in found[size].values())
        print(f"{size:12,}  " + "  ".join(f"{text:>24}" for text in told))
    _draw(found)
    print(f"drawn into {PICTURE}")


def _costs(folder: Path, size: int, repeat: int) -> dict[str, Cost]:
    path, out = folder / "rows.csv", folder / "rows"
    manifest.write(path, size)
    return interleaved(
        {
            "importer check": lambda run: [
                *("importer", "-q", "check", str(path), "--to", "adm"),
                *("--ledger", str(folder / "none.db"), "--report", f"{out}-{size}-{run}"),
            ],
            "duckdb SQL": lambda _: ["benchmarks.peers.duckdb_check", str(path), f"{out}.duckdb"],
        },
        repeat,
    )


def _draw(found: dict[int, dict[str, Cost]]) -> None:
    from matplotlib import pyplot as plt  # noqa: PLC0415 - the other benchmarks do without it

    figure, (time, memory) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name, colour in _COLOURS.items():
        costs = [costs[name] for costs in found.values()]
        time.plot([*found], [cost.seconds for cost in costs], "o-", color=colour, label=name)
        memory.plot([*found], [cost.peak for cost in costs], "o-", color=colour, label=name)
    for axes, unit in ((time, "seconds"), (memory, "MiB at the peak")):
        axes.set(xscale="log", yscale="log", xlabel="rows", ylabel=unit)
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    figure.savefig(PICTURE)
    plt.close(figure)

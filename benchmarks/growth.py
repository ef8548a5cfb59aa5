"""Time and memory of ``importer check`` and of its peers against the number of rows, as a picture."""

import tempfile
from itertools import takewhile
from pathlib import Path

from benchmarks import check, manifest
from benchmarks.processes import Cost, interleaved

PICTURE = Path(__file__).parents[1] / "samples" / "pictures" / "rows.svg"
_ROWS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
_ONCE = 10_000_000  # so many take minutes and gigabytes
_COLOURS = {
    "importer check": "tab:blue",
    "duckdb SQL": "tab:orange",
    "polars": "tab:purple",
    "plain csv loop": "tab:green",
    "frictionless": "tab:red",
}
_MOST_ROWS = {"polars": 1_000_000, "plain csv loop": 1_000_000, "frictionless": 100_000}
_WITHOUT_DATE = {"Date": None}


def measure(folder: Path, rows: int, repeat: int) -> None:
    """Print medians for each size up to ``rows``, and ratios of wall time and memory; draw PICTURE."""
    found: dict[int, dict[str, Cost]] = {}
    print(f"{'rows':>12}" + "".join(f"{name:>22}" for name in _COLOURS))
    for size in takewhile(lambda size: size <= max(rows, _ROWS[0]), _ROWS):
        found[size] = _costs(folder, size, 1 if size >= _ONCE else repeat)
        told = (f"{cost.seconds:.2f} s {cost.peak:,.0f} MiB" for cost in found[size].values())
        print(f"{size:12,}" + "".join(f"{text:>22}" for text in told))
    _compare(found)
    _draw(found)
    print(f"drawn into {PICTURE}")


def _costs(folder: Path, size: int, repeat: int) -> dict[str, Cost]:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place, "rows.csv")
        manifest.write(path, size)
        commands = check.commands(Path(place), path, "few", size)
        measured = {name: commands[name] for name in _COLOURS if size <= _MOST_ROWS.get(name, size)}
        return interleaved(measured, repeat)


def _compare(found: dict[int, dict[str, Cost]]) -> None:
    """Print the ratios of the most rows: to duckdb, and to a tenth of the rows."""
    most = max(found)
    ours = found[most]["importer check"]
    others = {"duckdb SQL": found[most]["duckdb SQL"]}
    if most // 10 in found:
        others["a tenth of the rows"] = found[most // 10]["importer check"]
    for name, other in others.items():
        print(f"  to {name:20} {ours.seconds / other.seconds:7.2f} {ours.peak / other.peak:7.2f}")


def _draw(found: dict[int, dict[str, Cost]]) -> None:
    from matplotlib import pyplot as plt  # noqa: PLC0415 - the other benchmarks do without it

    plt.rcParams["svg.hashsalt"] = "rows"  # the same figures make the same file
    figure, (time, memory) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name, colour in _COLOURS.items():
        costs = {rows: costs[name] for rows, costs in found.items() if name in costs}
        time.plot([*costs], [cost.seconds for cost in costs.values()], "o-", color=colour, label=name)
        memory.plot([*costs], [cost.peak for cost in costs.values()], "o-", color=colour, label=name)
    for axes, unit in ((time, "seconds, whole process"), (memory, "MiB at the peak")):
        axes.set(xscale="log", yscale="log", xlabel="rows", ylabel=unit)
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    figure.savefig(PICTURE, metadata=_WITHOUT_DATE)
    plt.close(figure)

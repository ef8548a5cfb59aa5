"""``python -m tests.kill_loop [--seconds S] [--kills N] [--parcels N] [--scenario NAME] [--postgresql]``."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import asdict

from tests.kill_loop.ledgers import databases, files
from tests.kill_loop.processes import Launcher
from tests.kill_loop.scenarios import OF_FILES, SCENARIOS, TOKEN_VARIABLE, Result, Terms, play

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.kill_loop.ledgers import Maker

_ENDING_RUNS = 0.7  # of a scenario's time; the rest is for the run that finishes
_COLUMNS = ("runs", "kills", "refused", "fulfillments", "doubled", "lost", "in_doubt", "in_flight")


def main() -> int:
    """Play the scenarios and print what came of them; the exit status is 1 if the guarantee was broken."""
    options = _options()
    ledgers = databases() if options.postgresql else files()
    with ledgers as ledger_in, tempfile.TemporaryDirectory(prefix="kill-loop-") as folder:
        _settle_in(Path(folder))
        results = list(_play(options, Path(folder), ledger_in))
    _print(options, results)
    return int(any(result.faults for result in results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.kill_loop",
        description="End importers at random moments, and see what they did.",
    )
    add = parser.add_argument
    add("--seconds", type=float, default=60, help="for all scenarios together, about (default 60)")
    add("--kills", type=int, default=1000, help="at most so many in a scenario (default 1,000)")
    add("--parcels", type=int, default=1000, help="fulfillments in a scenario (default 1,000)")
    add("--scenario", action="append", choices=list(SCENARIOS), help="only this one; may be repeated")
    add("--seed", type=int, default=secrets.randbelow(10**6), help="chooses the moments (default: random)")
    add("--concurrency", type=int, default=16, help="posts at a time (default 16)")
    add("--postgresql", action="store_true", help="with ledgers in a database, by a server that is started")
    add("--json", action="store_true", help="print the results as a JSON list")
    add(
        "--careless",
        action="store_true",
        help="send again what is in doubt: this must double some, and shows that it would be seen",
    )
    return parser.parse_args()


def _settle_in(folder: Path) -> None:
    """Have a user's folders for this alone, with nothing else said by the environment."""
    for name in [name for name in os.environ if name.startswith("IMPORTER_")]:
        del os.environ[name]
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "TMPDIR"):  # killed runs leave things there
        os.environ[name] = str(folder / name)
        (folder / name).mkdir()
    os.environ[TOKEN_VARIABLE] = "a-token"
    tempfile.tempdir = os.environ["TMPDIR"]


def _play(options: argparse.Namespace, folder: Path, ledger_in: Maker) -> Iterator[Result]:
    last = time.monotonic() + options.seconds
    names = options.scenario or [name for name in SCENARIOS if not (options.postgresql and name in OF_FILES)]
    with ledger_in(folder) as rehearsed, Launcher(folder, rehearsed.options_to_post) as launcher:
        for position, name in enumerate(names):
            seconds = (last - time.monotonic()) / (len(names) - position) * _ENDING_RUNS
            terms = Terms(
                parcels=options.parcels,
                kills=options.kills,
                seconds=seconds,
                seed=options.seed,
                concurrency=options.concurrency,
                careless=options.careless,
            )
            place = folder / f"{position}-{name}"
            with ledger_in(place) as ledger:
                yield play(name, terms, place, ledger, launcher)


def _print(options: argparse.Namespace, results: Sequence[Result]) -> None:
    if options.json:
        sys.stdout.write(json.dumps([asdict(result) for result in results], indent=2) + "\n")
        return
    lines = [f"seed {options.seed}", " ".join(["scenario", *(f"{name:>12}" for name in _COLUMNS)])]
    for result in results:
        figures = asdict(result)
        lines.append(" ".join([f"{result.scenario:8}", *(f"{figures[name]:12,}" for name in _COLUMNS)]))
    lines += [f"{result.scenario}: {fault}" for result in results for fault in result.faults]
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    sys.exit(main())

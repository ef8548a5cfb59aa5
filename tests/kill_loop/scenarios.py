"""The ways to end a run, and how a scenario goes: end many runs, let one finish, settle what is in doubt."""

from __future__ import annotations

import csv
import random
import signal
import time
from typing import TYPE_CHECKING

from msgspec import Struct

from tests.kill_loop.ledgers import File
from tests.kill_loop.loop import FINISHED, MANIFEST, Bounds, Loop
from tests.kill_loop.processes import plainly
from tests.kill_loop.verdict import SHOWN
from tests.kill_loop.witness import witness

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.kill_loop.ledgers import Ledger
    from tests.kill_loop.processes import Launcher
    from tests.kill_loop.verdict import Evidence

TOKEN_VARIABLE = "KILL_LOOP_TOKEN"  # noqa: S105 - the name of a variable
_TRUTH = "truth.csv"
_OUT_OF_DISK = 4
_TERMINATED = 128 + signal.SIGTERM
_BYTES_EACH = 9_000  # that posting one adds to the ledger's log, about


def kill(loop: Loop) -> None:
    """``kill -9`` at a random moment."""
    loop.kill(loop.start())


def term(loop: Loop) -> None:
    """SIGTERM at a random moment: what is in flight is waited for, so that nothing is in doubt."""
    before = loop.books.read()
    run = loop.start()
    run.process.wait(loop.moment())
    run.process.send(signal.SIGTERM)
    status = run.process.wait()
    sent = loop.books.read() > before
    # in its first and last moments it does not listen to signals yet, or any more
    loop.note_end(run, frozenset({0, _TERMINATED, -signal.SIGTERM}), reports=sent or loop.has_report(run))
    if status not in FINISHED:
        loop.note_cut(run, orderly=True)


def full(loop: Loop) -> None:
    """The ledger can grow by so much and no further."""
    sizes = [path.stat().st_size for path in loop.folder.glob(f"{File.name}*")]
    room = loop.chance.randint(0, 2 * loop.share * _BYTES_EACH)
    run = loop.start(max(sizes, default=0) + room)
    status = run.process.wait()
    loop.note_end(run, FINISHED | {_OUT_OF_DISK}, reports=loop.has_report(run))
    if status not in FINISHED:
        loop.note_cut(run)


def race(loop: Loop) -> None:
    """Two at once: one posts, the other is refused or takes over, or they share; both are killed in turn."""
    pair = [loop.start()]
    time.sleep(loop.chance.uniform(0, loop.launcher.seconds))
    pair.append(loop.start())
    loop.chance.shuffle(pair)
    loop.raced.update(run.report for run in pair)
    loop.kill(pair[0], pair[1], may_end=_IN_A_RACE)
    loop.kill(pair[1], may_end=_IN_A_RACE)


_IN_A_RACE = FINISHED | {5}

SCENARIOS: Mapping[str, Callable[[Loop], None]] = {"kill": kill, "term": term, "full": full, "race": race}
"""What is done again and again until there were enough kills."""
OF_FILES = frozenset({"full"})
"""Those that end runs by what only a file can do."""


class Result(Struct, frozen=True):
    """What came of a scenario; ``kills`` counts the runs that were cut short, however that was done."""

    scenario: str
    runs: int
    kills: int
    refused: int
    fulfillments: int
    doubled: int
    lost: int
    in_doubt: int
    in_flight: int
    faults: tuple[str, ...]


class Terms(Struct, frozen=True):
    """What a scenario goes by; ``seconds`` are for ending runs, the finishing run comes on top.

    ``careless`` lets every run send again what is in doubt, which breaks the guarantee.
    """

    parcels: int
    kills: int
    seconds: float
    seed: int
    concurrency: int
    careless: bool = False


def play(name: str, terms: Terms, folder: Path, ledger: Ledger, launcher: Launcher) -> Result:
    """Play a scenario in ``folder``, which is empty, with an empty ``ledger``."""
    folder.mkdir()
    chance = random.Random(f"{terms.seed} {name}")  # noqa: S311 - moments that can be had again
    rows = _manifest(folder / MANIFEST, terms.parcels)
    with witness(folder / "books", terms.seed) as (url, books):
        _configure(folder / "importer.toml", url, terms.concurrency)
        bounds = Bounds(terms.kills, time.monotonic() + terms.seconds)
        also = ["--retry-in-doubt"] if terms.careless else []
        loop = Loop(folder, rows, ledger, books, launcher, chance, bounds, terms.concurrency, also)
        while loop.goes_on:
            SCENARIOS[name](loop)
        evidence = _finish(loop)
        _settle(loop, evidence)
    return Result(
        scenario=name,
        runs=loop.runs,
        kills=loop.cut_short,
        refused=loop.refused,
        fulfillments=len(evidence.wanted),
        doubled=len(evidence.doubled),
        lost=len(evidence.lost),
        in_doubt=len(evidence.in_doubt),
        in_flight=len(loop.in_flight),
        faults=tuple(loop.faults),
    )


def _manifest(path: Path, parcels: int) -> list[str]:
    """Write a manifest of so many parcels, and return the fulfillment of each of its rows.

    Orders have one to three parcels, and every fourth parcel has two lines.
    """
    names = []
    order = 1000
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["Order #", "Item SKU", "Qty Shipped", "Tracking #"])
        for parcel in range(parcels):
            order += parcel % 6 in _FIRST_OF_AN_ORDER
            for sku in ("MUG", "PLATE")[: 1 + (parcel % 4 == 0)]:
                out.writerow([order, sku, 1, f"TRACK{parcel:07}"])
                names.append(f"{order}/TRACK{parcel:07}")
    return names


_FIRST_OF_AN_ORDER = (0, 1, 3)


def _configure(path: Path, url: str, concurrency: int) -> None:
    lines = ["[destinations.adm]", f'base_url = "{url}"', f'token_env = "{TOKEN_VARIABLE}"']
    path.write_text("\n".join([*lines, f"concurrency = {concurrency}", ""]), encoding="utf-8")


def _finish(loop: Loop) -> Evidence:
    """Let a run finish, started as a user does, and judge."""
    report, arguments = loop.command()
    status, printed = plainly(loop.folder, arguments)
    evidence = loop.evidence()
    if status != (6 if evidence.in_doubt else 0):
        loop.faults.append(f"{report}: exit status {status}; it printed: {printed!r}")
    loop.check_report(report)
    loop.faults += evidence.faults()
    loop.faults += _last_events(loop, [*evidence.doubled, *evidence.lost, *evidence.surprising])
    return evidence


def _last_events(loop: Loop, names: Sequence[str]) -> list[str]:
    """What the platform and the ledger have of the first of ``names``."""
    ledger = loop.ledger.read()
    return [
        f"{name}: the platform has {' '.join(loop.books.of(name)) or None}, the ledger {ledger.get(name)}"
        for name in names[:SHOWN]
    ]


def _settle(loop: Loop, evidence: Evidence) -> None:
    """Tell the ledger what the platform knows of all that is in doubt: then the same command finishes it."""
    if evidence.in_doubt:
        _write_truth(loop.folder / _TRUTH, evidence)
        command = ["settle", "--from", _TRUTH, *loop.ledger.options]
        settling = loop.launcher.start(loop.folder, command, loop.folder / "output" / _TRUTH)
        status = settling.wait()
        if status != 0:
            loop.faults.append(f"settle: exit status {status}; it printed: {settling.output.read_text()!r}")
    loop.note_end(loop.start(), frozenset({0}))
    created = loop.evidence().created
    if wrong := {name: created[name] for name in evidence.wanted if created[name] != 1}:
        some = dict(sorted(wrong.items())[:SHOWN])
        loop.faults.append(f"{len(wrong)} not created once in the end: {some}")


def _write_truth(path: Path, evidence: Evidence) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["order_id", "tracking_number", "settled"])
        for name in evidence.in_doubt:
            out.writerow([*name.split("/"), "created" if evidence.created[name] else "not-created"])

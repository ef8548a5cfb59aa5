"""Whether everything is as a nightly run needs it: each check says what was found and what is to be done.

Nothing is changed: destinations are only reached and asked, folders and the ledger are only looked at.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import socket
import ssl
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from msgspec import Struct

from importer import delivery, destinations, settings
from importer.destinations import probing
from importer.errors import ImporterError, SetupError
from importer.ledger import Ledger, exists, obstacle
from importer.manifests import layouts, sources
from importer.model import Answer, State
from importer.plans import places
from importer.plans.plan import FOLDERS
from importer.posts.client import trusted
from importer.posts.loop import run
from importer.report.phrases import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from importer.ledger import Location
    from importer.manifests.named import Named
    from importer.model import Entry, NoAnswer, Request
    from importer.plans.plan import Fault, Job, Plan
    from importer.settings import DestinationSettings, Settings

CLOCK_SECONDS: Final = 30.0
"""By how much our clock may differ from a destination's."""
ROOM_BYTES: Final = 1_000_000_000
"""How much room a disk should have at least."""
CERTIFICATE_DAYS: Final = 14
"""How long a destination's certificate should hold at least."""
_LIMIT_SECONDS: Final = 10.0
_DISTRIBUTION: Final = "fulfillment-importer"
_DEVELOPERS_EXTRAS: Final = frozenset({"test", "check", "bench"})
_PORTS: Final = {"http": 80, "https": 443}


class Verdict(StrEnum):
    """What a check comes to."""

    FINE = "fine"
    TO_DO = "to-do"
    WRONG = "wrong"
    UNCHECKED = "not-checked"


class Check(Struct, frozen=True):
    """What was checked, what was found, and what is to be done about it."""

    what: str
    verdict: Verdict
    found: str
    advice: str = ""


class Asked(Struct, frozen=True):
    """What is to be checked.

    ``to`` is the only destination to look at, None for those that the ``plan`` uses, or all that are
    configured. ``report`` is the folder that
    reports go to, ``layouts`` are those of the user's own. ``plan`` is what a nightly run goes by, and
    ``faults`` is what is wrong with it.
    """

    config: Path | None
    to: str | None
    ledger: Location
    report: Path
    layouts: tuple[str, ...] = ()
    plan: Plan | None = None
    faults: tuple[Fault, ...] = ()


class Trust(Protocol):
    """Whom TLS trusts."""

    def __call__(self, *, obey_environment: bool) -> ssl.SSLContext:
        """Return it, which may depend on whether the environment's variables are obeyed."""


class World(Struct, frozen=True):
    """What is around: the environment's variables, the wall clock in UTC, and whom TLS trusts."""

    environment: Mapping[str, str]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    trust: Trust = trusted


def examine(asked: Asked, world: World) -> Iterator[Check]:
    """Make all checks, one after the other."""
    targets: list[DestinationSettings] = []
    told: set[str] = set()
    for check, target in _configuration(asked, world):
        yield check
        told.add(check.found)
        targets += [target] if target is not None else []
    if asked.plan is not None:
        yield from _plan(asked.plan, asked.faults, told)
    for target in targets:
        yield from _reached(target, world)
        yield from _asked(target, world)
    yield from _disks(asked)
    yield from _ledger(asked.ledger, targets, world)
    yield from _layouts(asked.layouts)
    yield _extras()


def exit_status(checks: Sequence[Check]) -> int:
    """0: all is fine; 1: there is something to do; 2: the configuration is wrong."""
    verdicts = {check.verdict for check in checks}
    return 2 if Verdict.WRONG in verdicts else int(Verdict.TO_DO in verdicts)


# --- the configuration ---------------------------------------------------------------------------------


def _configuration(asked: Asked, world: World) -> Iterator[tuple[Check, DestinationSettings | None]]:
    try:
        known = settings.load(asked.config, world.environment)
    except SetupError as error:
        yield Check("configuration", Verdict.WRONG, str(error), "correct the file"), None
        return
    yield _file(known, asked), None
    for name in _wanted(known, asked):
        try:
            target = settings.destination(known, name, world.environment, {})
        except SetupError as error:
            yield Check(f"{name}: configuration", Verdict.WRONG, str(error), "correct it"), None
        else:
            found = f"{target.kind} at {target.base_url}; the token is there"
            yield Check(f"{name}: configuration", Verdict.FINE, found), target


def _wanted(known: Settings, asked: Asked) -> Sequence[str]:
    """The destinations to look at; of those that a plan uses, what is none is a fault of the plan."""
    if asked.to:
        return (asked.to,)
    if asked.plan is None:
        return tuple(known.destinations)
    used = {job.to for job in (*asked.plan.jobs, *asked.plan.nameless)}
    return tuple(name for name in known.destinations if name in used)


def _file(known: Settings, asked: Asked) -> Check:
    if known.path is not None:
        listed = ", ".join(known.destinations) or "no destination"
        verdict = Verdict.FINE if known.destinations or asked.to else Verdict.TO_DO
        advice = "" if verdict is Verdict.FINE else "write a [destinations.NAME] into it"
        return Check("configuration", verdict, f"{known.path}: {listed}", advice)
    found = f"there is no {settings.FILE_NAME} here or in the user's configuration folder"
    advice = "importer init MANIFEST writes one; importer post MANIFEST --sandbox needs none"
    return Check("configuration", Verdict.TO_DO, found, advice)


# --- the plan ------------------------------------------------------------------------------------------


def _plan(plan: Plan, faults: Sequence[Fault], told: Collection[str]) -> Iterator[Check]:
    """What is wrong with the plan, but for what was told already; and the folders of jobs that are fine."""
    faulty = {name for fault in faults for name in fault.jobs}
    new = [fault for fault in faults if fault.words not in told]
    for fault in new:
        advice = "correct the plan, or what it names" if fault is new[-1] else ""
        yield Check("plan", Verdict.WRONG, f"{plan.path}: {fault}", advice)
    if not new:
        names = ", ".join(job.name for job in plan.jobs if job.name in faulty)
        words = f"; {names} can't be begun for what was told above" if faulty else ""
        verdict = Verdict.WRONG if faulty else Verdict.FINE
        yield Check("plan", verdict, f"{plan.path}: {counted(len(plan.jobs), 'job')}{words}")
    for job in (job for job in plan.jobs if job.name not in faulty):
        inboxes = places.inboxes(job)
        yield from (_inbox(job, inbox) for inbox in inboxes)
        folders = [folder for inbox in inboxes for folder in _places(inbox)]
        for key in FOLDERS:
            if key in job.options:
                yield _filed(job, key, Path(str(job.options[key])), folders)


def _inbox(job: Job, inbox: Named) -> Check:
    what = f"job {job.name}: inbox"
    for folder in _places(inbox):
        if not _may(folder, os.X_OK if inbox.is_file else os.R_OK | os.X_OK):
            return Check(what, Verdict.TO_DO, f"{folder} can't be read", "let this user read it")
        if job.options.keys() & {*FOLDERS} and not _may(folder, os.W_OK):
            words = f"{folder} can't be written, so that no file can be moved out of it"
            return Check(what, Verdict.TO_DO, words, "let this user write there")
    waiting = len(sources.waiting(inbox.name))
    name = inbox.name.rstrip("/") or "/"
    return Check(what, Verdict.FINE, f"{name}: {counted(waiting, 'file')} waiting for {job.to}")


def _may(folder: Path, mode: int) -> bool:
    return os.access(folder, mode, effective_ids=os.access in os.supports_effective_ids)


def _places(inbox: Named) -> Sequence[Path]:
    """The folders that files are taken from; that of a glob which leads nowhere yet is where it begins."""
    return inbox.folders or (inbox.folder,)


def _filed(job: Job, key: str, folder: Path, inboxes: Sequence[Path]) -> Check:
    """A folder that files are moved to: they are renamed, which ends at the border of a disk."""
    found = _disk(f"job {job.name}: {key}", folder.absolute())
    there = _nearest(folder.absolute())
    other = next((inbox for inbox in inboxes if inbox.stat().st_dev != there.stat().st_dev), None)
    if found.verdict is Verdict.FINE and other is not None:
        words = f"{folder} is on another disk than {other}, and files are renamed, not copied"
        return Check(found.what, Verdict.WRONG, words, f"name a folder on the disk of {other}")
    return found


# --- the way to the destination ------------------------------------------------------------------------


def _reached(target: DestinationSettings, world: World) -> Iterator[Check]:
    what = f"{target.name}: connection"
    address = urlsplit(target.base_url)
    host, port = address.hostname or "", address.port or _PORTS[address.scheme]
    if target.env_proxy and any(name.lower().endswith("_proxy") for name in world.environment):
        yield Check(what, Verdict.UNCHECKED, "it may go through a proxy (env_proxy)")
        return
    try:
        with closing(socket.create_connection((host, port), timeout=_LIMIT_SECONDS)) as plain:
            yield Check(what, Verdict.FINE, f"{host}:{port} is {plain.getpeername()[0]}")
            if address.scheme == "https":
                with world.trust(obey_environment=target.env_proxy).wrap_socket(
                    plain, server_hostname=host
                ) as secured:
                    yield _certificate(target.name, secured.getpeercert() or {}, world.now())
    except socket.gaierror as error:
        words = f"the name {host} is not known: {(error.strerror or 'no answer').lower()}"
        yield Check(what, Verdict.TO_DO, words, "correct base_url, or see to this machine's DNS")
    except ssl.SSLCertVerificationError as error:
        words = f"the certificate of {host} is not trusted: {error.verify_message}"
        yield Check(f"{target.name}: certificate", Verdict.TO_DO, words, "tell those who run the destination")
    except OSError as error:
        words = f"{host}:{port} can't be reached: {(error.strerror or str(error) or 'no answer').lower()}"
        yield Check(what, Verdict.TO_DO, words, "see to network and firewall, or correct base_url")


def _certificate(name: str, certificate: Mapping[str, object], now: datetime) -> Check:
    end = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    words = f"it holds until {end:%Y-%m-%d}"
    if (end - now).days < CERTIFICATE_DAYS:
        advice = "tell those who run the destination: with an older one nothing can be posted"
        return Check(f"{name}: certificate", Verdict.TO_DO, words, advice)
    return Check(f"{name}: certificate", Verdict.FINE, words)


def _asked(target: DestinationSettings, world: World) -> Iterator[Check]:
    what = f"{target.name}: credentials"
    request = probing.with_token(target)
    if request is None:
        reply = _ask(target, probing.without(target), anonymous=True)
        words = "the API has nothing that can be asked without an effect; the first post of a run shows it"
        yield Check(what, Verdict.UNCHECKED, words)
    else:
        reply = _ask(target, request, anonymous=False)
        refusal = probing.refusal(target, reply)
        if not isinstance(reply, Answer):
            yield Check(what, Verdict.UNCHECKED, f"no answer: {refusal}")
        elif refusal:
            yield Check(what, Verdict.WRONG, refusal, "correct the token or its scopes")
        else:
            yield Check(what, Verdict.FINE, "the destination lets the token in")
    date = reply.headers.get("date", "") if isinstance(reply, Answer) else ""
    yield clock(target.name, date, world.now())


def _ask(target: DestinationSettings, request: Request, *, anonymous: bool) -> Answer | NoAnswer:
    async def ask() -> Answer | NoAnswer:
        async with delivery.client(target, anonymous=anonymous, timeout=_LIMIT_SECONDS) as client:
            return await client.send(request)

    return run(ask())


def clock(name: str, date: str, now: datetime) -> Check:
    """Compare our clock with the header ``Date`` of the destination's answer."""
    what = f"{name}: clock"
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return Check(what, Verdict.UNCHECKED, "the destination does not say what time it is")
    seconds = (now - theirs.replace(tzinfo=theirs.tzinfo or UTC)).total_seconds()
    if abs(seconds) <= CLOCK_SECONDS:
        return Check(what, Verdict.FINE, f"within {CLOCK_SECONDS:g} s of the destination's")
    words = f"{abs(seconds):,.0f} s {'ahead of' if seconds > 0 else 'behind'} the destination's"
    return Check(what, Verdict.TO_DO, words, "set this machine's clock, best with NTP")


# --- this machine --------------------------------------------------------------------------------------


def _disks(asked: Asked) -> Iterator[Check]:
    if isinstance(asked.ledger, Path):
        yield _disk("disk of the ledger", asked.ledger.absolute().parent)
    yield _disk("disk of the reports", asked.report.absolute())
    yield _disk("disk for what is unpacked", Path(tempfile.gettempdir()))


def _disk(what: str, folder: Path) -> Check:
    there = _nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        words = f"{there} can't be written: {error.strerror or error}"
        return Check(what, Verdict.TO_DO, words, "let this user write there, or name another folder")
    words = f"{there}: {free / 1e9:,.1f} GB free"
    if free < ROOM_BYTES:
        return Check(what, Verdict.TO_DO, words, "make room")
    return Check(what, Verdict.FINE, words)


def _nearest(folder: Path) -> Path:
    """The folder itself, or what there is of the way to it."""
    return next(path for path in (folder, *folder.parents) if os.path.exists(path))  # noqa: PTH110 - Path.exists raises where this user may not look


def _ledger(location: Location, targets: Sequence[DestinationSettings], world: World) -> Iterator[Check]:
    try:
        if words := obstacle(location):
            advice = "let this user write it: with another ledger everything would be sent again"
            yield Check("ledger: writing", Verdict.TO_DO, f"{location}: {words}", advice)
        if not exists(location):
            yield Check("ledger", Verdict.FINE, f"{location}: none yet; the first run makes it")
            return
        with Ledger(location, readonly=True) as ledger:
            yield _health(ledger, location)
            yield _doubts(ledger, world.now())
            for target in targets:
                yield _lock(ledger, target)
    except SetupError as error:
        yield Check("ledger", Verdict.WRONG, str(error), "correct --ledger")
    except ImporterError as error:
        yield Check("ledger", Verdict.TO_DO, str(error), "nothing can be posted before")


def _health(ledger: Ledger, location: Location) -> Check:
    found = ledger.checkup()
    if found.faults:
        words = f"{location}: it is damaged: {'; '.join(found.faults)}"
        return Check("ledger", Verdict.TO_DO, words, "bring it back from a backup; don't begin a new one")
    size = f", {location.stat().st_size / 1e6:,.1f} MB" if isinstance(location, Path) else ""
    newer = f" (the next run makes it {found.newest})" if found.version < found.newest else ""
    return Check("ledger", Verdict.FINE, f"{location}: version {found.version}{newer}{size}, in order")


def _doubts(ledger: Ledger, now: datetime) -> Check:
    known = ledger.doubts()
    found = [entry.at for destination, entry in known if not _is_being_sent(ledger, destination, entry)]
    if not found:
        return Check("in doubt", Verdict.FINE, "nothing")
    days = (now - min(found)).total_seconds() / 86400
    words = f"{counted(len(found), 'fulfillment')}, the oldest for {days:.1f} days"
    return Check("in doubt", Verdict.TO_DO, words, "look them up on the platform, then: importer settle")


def _is_being_sent(ledger: Ledger, destination: str, entry: Entry) -> bool:
    """Whether a run that lives is sending it, and will say what came of it."""
    if entry.state is not State.SENDING:
        return False
    if ledger.shared:
        return entry.run_id in ledger.living(destination)
    return bool(ledger.at_work(destination))


def _lock(ledger: Ledger, target: DestinationSettings) -> Check:
    at_work = ledger.at_work(destinations.make(target).identity)
    words = f"posting now: {'; '.join(at_work)}" if at_work else "nobody is posting"
    return Check(f"{target.name}: lock", Verdict.FINE, words)


def _layouts(own: Sequence[str]) -> Iterator[Check]:
    shipped = [_layout(name, "install the importer again", Verdict.TO_DO) for name in layouts.names()]
    faulty = [check for check in shipped if check.verdict is not Verdict.FINE]
    yield from faulty or [Check("layouts", Verdict.FINE, f"all {len(shipped)} can be read")]
    yield from (_layout(name, "correct it", Verdict.WRONG) for name in own)


def _layout(name: str, advice: str, verdict: Verdict) -> Check:
    try:
        layouts.load(name)
    except SetupError as error:
        return Check(f"layout {name}", verdict, str(error), advice)
    return Check(f"layout {name}", Verdict.FINE, "can be read")


def _extras() -> Check:
    """What an installation of more would bring; nobody needs all of it."""
    needed: dict[str, list[str]] = {}
    for requirement in importlib.metadata.requires(_DISTRIBUTION) or ():
        if found := _OF_EXTRA.fullmatch(requirement):
            needed.setdefault(found["extra"], []).append(found["name"])
    extras = {extra: all(map(_is_installed, names)) for extra, names in needed.items()}
    extras = {extra: there for extra, there in sorted(extras.items()) if extra not in _DEVELOPERS_EXTRAS}
    there = ", ".join(extra for extra, installed in extras.items() if installed) or "none"
    lacking = ", ".join(extra for extra, installed in extras.items() if not installed) or "none"
    return Check("extras", Verdict.FINE, f"installed: {there}; not installed: {lacking}")


_OF_EXTRA: Final = re.compile(r"(?P<name>[A-Za-z0-9._-]+).*;.*extra == ['\"](?P<extra>[^'\"]+)['\"].*")


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True

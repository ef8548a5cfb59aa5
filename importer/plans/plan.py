"""The plan of a night: a TOML file with a ``[[job]]`` for each inbox, all its faults found at once.

What may stand in a job are options of ``post`` and ``check``; their values are judged by the command line, as
those of a run are. What a file says of paths is relative to the file.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections import Counter
from datetime import time as TimeOfDay  # noqa: N812 - it is no module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from importer.errors import SetupError
from importer.ledger import location
from importer.manifests.remote import is_url

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    Value: TypeAlias = str | bool

FOLDERS: Final = ("archive", "quarantine")
TEXTS: Final = (
    *("layout", "sheet", "encoding", *FOLDERS, "duplicates", "stop_at", "max_time"),
    *("give_up", "drain", "wait_lock", "lease", "rate", "concurrency", "timeout", "max_attempts"),
)
"""Keys of a job that are options with a value."""
FLAGS: Final = (
    *("partial", "all_or_nothing", "strict_tracking", "retry_in_doubt", "notify", "fill_carrier", "xlsx"),
)
"""Keys of a job that are true or false."""
KEYS: Final = ("name", "to", "manifests", *TEXTS, *FLAGS)
OF_ALL: Final = ("reports", "ledger", "at_once")
"""Keys that stand above the jobs."""
AT_ONCE: Final = 8
"""How many jobs go side by side where the plan doesn't say."""
STANDARD_INPUT: Final = "-"


class Fault(Struct, frozen=True):
    """What is wrong in a plan: ``line`` is 0 where that can't be told, ``where`` the job and the key.

    ``jobs`` are the names of those that can't be begun for it, none where it is no job's. What ``may_pass``
    is not wrong in the plan itself, and may be otherwise at any time.
    """

    line: int
    where: str
    words: str
    jobs: tuple[str, ...] = ()
    may_pass: bool = False

    def __str__(self) -> str:
        return ": ".join(filter(None, (f"line {self.line}" if self.line else "", self.where, self.words)))


class Job(Struct, frozen=True):
    """One ``[[job]]``: which manifests go where, and the options for that, as texts, true and false.

    What of it could not be read is empty, and left out of the options. ``lines`` says where each key stands,
    with the job's own first line under "".
    """

    name: str
    manifests: tuple[str, ...]
    to: str
    options: Mapping[str, Value]
    lines: Mapping[str, int] = field(default_factory=dict)

    def fault(self, key: str, words: str) -> Fault:
        """A fault of this job, with the line of ``key``, or else its first one."""
        line = self.lines.get(key, self.lines.get("", 0))
        return Fault(line, f"job {self.name}" + (f", {key}" if key else ""), words, (self.name,))


class Plan(Struct, frozen=True):
    """A plan as it stands in ``path``, with what is wrong in it; its jobs are those with a name.

    ``nameless`` are the others, called by their number, so that all that is wrong in them can be told.
    ``reports`` is the folder in which each run of the plan makes its own, ``ledger`` a path or an address, ""
    where the plan names none.
    """

    path: Path
    jobs: tuple[Job, ...]
    faults: tuple[Fault, ...] = ()
    reports: Path = Path("reports")
    ledger: str = ""
    at_once: int = AT_ONCE
    nameless: tuple[Job, ...] = ()


def read(path: Path) -> Plan:
    """Read the plan.

    Raises:
        SetupError: the file can't be read, or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        document = tomllib.loads(text)
    except OSError as error:
        raise SetupError(f"--plan {path}: can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SetupError(f"--plan {path}: can't be read: it is not UTF-8; save it as such") from error
    except (ValueError, RecursionError) as error:
        words = str(error)
        raise SetupError(f"--plan {path}: not TOML: {words[:1].lower()}{words[1:]}") from error
    return _Reading(path, document, text).plan()


class _Reading:
    """A plan on its way from the file, with the faults found so far."""

    def __init__(self, path: Path, document: Mapping[str, Any], text: str) -> None:
        self._path = path
        self._document = document
        self._tables = list(_tables_of(document))
        self._lines = _lines(text, len(self._tables))
        self._faults: list[Fault] = []

    def plan(self) -> Plan:
        """What the file says, as far as it can be understood."""
        self._refuse_unknown("", self._document, ("job", *OF_ALL), self._lines[0])
        self._refuse_no_tables()
        if self._document.get("job", []) == []:
            self._fault(0, "", "no [[job]] in it; expected one for each inbox, with name, manifests and to")
        reports, ledger = self._text_of_all("reports"), self._ledger()
        at_once = self._at_once()
        read = [self._job(at, table) for at, table in enumerate(self._tables, 1)]
        jobs = [job for job, is_named in read if is_named]
        self._refuse_same_names(jobs)
        return Plan(
            self._path,
            tuple(jobs),
            tuple(sorted(self._faults, key=lambda fault: fault.line)),
            Path(self._placed(reports)) if reports else Path("reports"),
            ledger,
            at_once,
            tuple(job for job, is_named in read if not is_named),
        )

    def _fault(self, line: int, where: str, words: str) -> None:
        self._faults.append(Fault(line, where, words))

    def _refuse_unknown(
        self,
        where: str,
        table: Collection[str],
        known: Sequence[str],
        lines: Mapping[str, int],
        jobs: tuple[str, ...] = (),
    ) -> None:
        for key in table:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                more = f"; did you mean {near[0]}?" if near else f"; known is {', '.join(known)}"
                line = lines.get(key, lines.get("", 0))
                self._faults.append(Fault(line, where, f"{_shown(key)}: unknown key{more}", jobs))

    def _refuse_no_tables(self) -> None:
        entries, expected = self._document.get("job", []), "expected [[job]], a table for each inbox"
        line = self._lines[0].get("job", 0)
        if not isinstance(entries, list):
            if not isinstance(entries, dict):
                self._fault(line, "job", f"found {_found(entries)}, {expected}")
            return
        for at, entry in enumerate(entries, 1):
            if not isinstance(entry, dict):
                self._fault(line, f"job {at}", f"found {_found(entry)}, {expected}")

    def _text_of_all(self, key: str) -> str:
        value = self._document.get(key, "")
        if isinstance(value, str) and (value or key not in self._document):
            if not (words := _unusable(value)):
                return value
        else:
            words = f"found {_found(value)}, expected text"
        self._fault(self._lines[0].get(key, 0), key, words)
        return ""

    def _ledger(self) -> str:
        text = self._text_of_all("ledger")
        try:
            return self._placed(text) if text and isinstance(location(text), Path) else text
        except SetupError as error:
            self._fault(self._lines[0].get("ledger", 0), "ledger", str(error).removeprefix("ledger: "))
            return ""

    def _at_once(self) -> int:
        value = self._document.get("at_once", AT_ONCE)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            return value
        words = f"found {_found(value)}, expected a whole number of 1 or more"
        self._fault(self._lines[0].get("at_once", 0), "at_once", words)
        return AT_ONCE

    def _job(self, at: int, table: Mapping[str, Any]) -> tuple[Job, bool]:
        """What stands in the table, and whether it has a name; else its number is its name."""
        lines = self._lines[at] if at < len(self._lines) else {}
        name = table.get("name")
        is_named = isinstance(name, str) and _NAME.fullmatch(name) is not None
        job = Job(str(name) if is_named else str(at), (), "", {}, lines)
        if not is_named:
            self._faults.append(job.fault("name", f"{_missing(name)}, expected {_EXPECTED_NAME}"))
        self._refuse_unknown(f"job {job.name}", table, KEYS, lines, jobs=(job.name,))
        manifests, to = self._manifests(job, table), self._to(job, table)
        return replace(job, manifests=manifests, to=to, options=dict(self._options(job, table))), is_named

    def _manifests(self, job: Job, table: Mapping[str, Any]) -> tuple[str, ...]:
        value = table.get("manifests")
        listed = [value] if isinstance(value, str) else value
        if isinstance(listed, list) and listed and all(isinstance(each, str) and each for each in listed):
            words = next(filter(None, map(_unusable, listed)), "")
            if STANDARD_INPUT in listed:
                words = "a job has no standard input; name a file, a folder or a glob"
            if not words:
                return tuple(map(self._placed, listed))
        else:
            expected = 'a folder, a file or a glob, or a list of them, as in ["inbox/"]'
            words = f"{_missing(value)}, expected {expected}"
        self._faults.append(job.fault("manifests", words))
        return ()

    def _to(self, job: Job, table: Mapping[str, Any]) -> str:
        value = table.get("to")
        if isinstance(value, str) and value:
            return value
        words = f"{_missing(value)}, expected the name of a destination in the configuration"
        self._faults.append(job.fault("to", words))
        return ""

    def _options(self, job: Job, table: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
        for key in (key for key in table if key in {*TEXTS, *FLAGS}):
            value = table[key]
            if key in FLAGS and isinstance(value, bool):
                yield key, value
            elif key in TEXTS and isinstance(value, str | int | float) and not isinstance(value, bool):
                if words := _unusable(str(value), is_path=_is_path(key, str(value))):
                    self._faults.append(job.fault(key, words))
                else:
                    yield key, self._placed(str(value)) if _is_path(key, str(value)) else str(value)
            elif key in TEXTS and isinstance(value, TimeOfDay):  # TOML has them without quotes, too
                yield key, value.isoformat()
            else:
                expected = _EXPECTED.get(key, "true or false" if key in FLAGS else "text or a number")
                self._faults.append(job.fault(key, f"found {_found(value)}, expected {expected}"))

    def _placed(self, text: str) -> str:
        """What is relative to the plan's file, as it is called from here."""
        if is_url(text):
            return text
        path = str(self._path.parent / Path(text).expanduser())
        return f"{path}/" if text.endswith("/") else path

    def _refuse_same_names(self, jobs: Sequence[Job]) -> None:
        counts = Counter(job.name.lower() for job in jobs)  # some disks don't tell case apart
        for job in jobs:
            if counts[job.name.lower()] > 1:
                self._faults.append(job.fault("name", "another job has this name, too"))


_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,49}")
_EXPECTED_NAME: Final = "a name of letters, digits, '-' and '_', as its report's folder is called"
_EXPECTED: Final = {
    **dict.fromkeys(("max_time", "give_up", "drain", "wait_lock", "lease"), 'a duration, such as "90m"'),
    "stop_at": 'a time of day, such as "06:00"',
}
_HEADER: Final = re.compile(r"\s*\[\[\s*job\s*\]\]")
_KEY: Final = re.compile(r"""\s*["']?([A-Za-z0-9_-]+)["']?\s*=""")


def _tables_of(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    jobs = document.get("job", [])
    yield from (table for table in (jobs if isinstance(jobs, list) else [jobs]) if isinstance(table, dict))


def _lines(text: str, jobs: int) -> list[dict[str, int]]:
    """On which line each key stands, above the jobs and in each of them; nothing where that is in doubt.

    The library that reads TOML does not tell.
    """
    found: list[dict[str, int]] = [{}]
    for number, line in enumerate(text.splitlines(), 1):
        if _HEADER.match(line):
            found.append({"": number})
        elif key := _KEY.match(line):
            found[-1].setdefault(key[1], number)
    return found if len(found) == jobs + 1 else [{}]


def _is_path(key: str, text: str) -> bool:
    return key in FOLDERS or (key == "layout" and (text.endswith(".toml") or "/" in text))


def _unusable(text: str, *, is_path: bool = True) -> str:
    """Why no such text can be used, whatever is there; "" if it can."""
    if "\0" in text:
        return f"found {_found(text)}, expected text without the character NUL"
    user = Path(text).parts[:1] if is_path and text.startswith("~") else ()
    try:
        Path(*user).expanduser()
    except RuntimeError:
        return f"{text}: {user[0]} is no user's folder here; write the whole path"
    return ""


def _missing(value: object) -> str:
    return "missing" if value is None else f"found {_found(value)}"


def _found(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    return json.dumps(value, default=str, ensure_ascii=False)[:_MOST_SHOWN]


def _shown(key: str) -> str:
    return key if _NAME.fullmatch(key) else json.dumps(key)


_MOST_SHOWN: Final = 80

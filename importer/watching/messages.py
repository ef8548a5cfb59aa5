"""Messages to people about a run, by mail, chat or whatever else Apprise can reach.

Source: https://github.com/caronc/apprise/wiki, for the addresses.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import threading
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from importer.printing import printable
from importer.report import phrases
from importer.report.phrases import counted
from importer.watching.telling import TellOn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import ModuleType

    from importer.ledger import Run
    from importer.report import Filed, Summary
    from importer.settings import Secret
    from importer.watching.ending import Ending

MOST_ATTACHED_BYTES: Final = 10_000_000
"""What a mail may carry; bigger reports are named only."""
LIMIT_SECONDS: Final = 60.0
"""How long one address may take."""
_ROWS_PER_CODE: Final = 3
_CODES_SHOWN: Final = 20
_MAIL: Final = ("mailto:", "mailtos:")


class Message(Struct, frozen=True):
    """What people are told; ``files`` go with a mail."""

    title: str
    body: str
    fine: bool
    files: tuple[Path, ...] = ()


class Troubles(Struct, frozen=True):
    """What tells whether people have heard it all before: what needs attention, and the exit status."""

    attention: str
    exit_status: int | None


def earlier(runs: Iterable[Run], summary: Summary, *, job: str = "") -> Troubles:
    """The troubles of the last run to the same destination that came to an end; none if there is none.

    ``runs`` come newest first; one that could not be reported has its exit status alone, and one that was
    killed told nobody. For the ``job`` of a plan only its own runs count: its name is that of their folder.
    """
    for run in runs:
        is_other = run.destination == summary.destination and run.run_id != summary.run_id
        if is_other and run.exit_status is not None and job in {"", PurePath(run.report).name}:
            attention = json.loads(run.summary).get("attention", "") if run.summary else ""
            return Troubles(attention, run.exit_status)
    return Troubles("", 0)


def is_wanted(when: TellOn, ending: Ending, before: Callable[[Summary], Troubles]) -> bool:
    """Whether people are to be told of the run; ``before`` finds out the troubles of the one before.

    With CHANGE they are told of other troubles, and when there are none any more. A run without a report is
    told of every time: what hinders it is no trouble of rows.
    """
    if when is TellOn.CHANGE and ending.summary is not None:
        return before(ending.summary) != Troubles(ending.summary.attention, ending.exit_status)
    return when is TellOn.ALWAYS or ending.exit_status != 0


def compose(ending: Ending) -> Message:
    """The message about a run: what happened, what needs attention, and where the report is."""
    lines = [ending.sentence, *_details(ending.summary)]
    to = f" to {ending.destination}" if ending.destination else ""
    return Message(
        title=f"importer {ending.command}{to}: {_state(ending.exit_status)}",
        body="\n".join(lines),
        fine=ending.exit_status == 0,
        files=_files(ending.summary),
    )


def compose_all(title: str, jobs: Mapping[str, Ending], exit_status: int, trouble: str = "") -> Message:
    """The message about all jobs of a plan: how each ended, and then of each what ``compose`` says.

    ``trouble`` is what came after all of them; it stands first.
    """
    width = max(map(len, jobs), default=0)
    lines = [trouble, ""] if trouble else []
    lines += [f"{name:<{width}}  {_state(ending.exit_status)}" for name, ending in jobs.items()]
    told = [compose(ending) for ending in jobs.values()]
    for name, message in zip(jobs, told, strict=True):
        lines += ["", f"--- {name} ---", message.body]
    files = tuple(file for message in told if not message.fine for file in message.files)
    fine = exit_status == 0
    return Message(f"importer {title}: {_state(exit_status)}", "\n".join(lines), fine, files)


def _state(exit_status: int) -> str:
    return f"needs attention (exit status {exit_status})" if exit_status else "fine"


def _details(summary: Summary | None) -> Iterator[str]:
    if summary is None:
        return
    yield ""
    yield f"Run {summary.run_id}, {phrases.size(summary)}, {summary.seconds:.1f} s"
    yield from (f"  {status}: {counted(count, 'row')}" for status, count in _counts(summary))
    if summary.errors:
        yield from ("", "What needs attention:")
        yield from _problems(summary)
    if unread := phrases.no_manifests(summary):
        yield from ("", "No manifests, of which nothing was sent:")
        yield from (f"  {_unread(file)}" for file in unread)
    files = _files(summary)
    yield ""
    yield f"Report: {_absolute(summary.reports.get('page', summary.reports['rows']))}"
    if files and _size(files) > MOST_ATTACHED_BYTES:
        yield "It is too big to be attached"
    if to_open := phrases.to_open(summary):
        yield f"Mend:   {_absolute(summary.reports['errors'])} ({to_open})"


def _counts(summary: Summary) -> Iterator[tuple[str, int]]:
    return ((status, count) for status, count in summary.rows.items() if count and status != "total")


def _problems(summary: Summary) -> Iterator[str]:
    problems = phrases.by_weight(summary.errors)
    for code, examples in problems[:_CODES_SHOWN]:
        meaning = phrases.cause(code)
        yield f"  {code}  {counted(examples.count, 'row')}{f'  {meaning}' if meaning else ''}"
        for manifest, row, message in examples.first[:_ROWS_PER_CODE]:
            yield f"      {printable(manifest)} row {row}: {phrases.short(printable(message))}"
        if examples.count > len(examples.first):
            yield f"      … and {examples.count - len(examples.first):,} more"
    if len(problems) > _CODES_SHOWN:
        yield f"  … and {counted(len(problems) - _CODES_SHOWN, 'code')} more"


def _unread(file: Filed) -> str:
    why = phrases.short(printable(file.why.removeprefix("no manifest: ")))
    return f"{why} (now {printable(file.to)})" if file.to else why


def _files(summary: Summary | None) -> tuple[Path, ...]:
    """The page, and the rows to mend if there are any."""
    if summary is None:
        return ()
    kinds = ("errors", "page") if summary.to_mend else ("page",)
    return tuple(Path(summary.reports[kind]) for kind in kinds if kind in summary.reports)


def _absolute(path: str) -> str:
    return printable(str(Path(path).absolute()))


def _size(files: Sequence[Path]) -> int:
    return sum(file.stat().st_size for file in files if file.exists())


# --- sending -------------------------------------------------------------------------------------------


def is_installed() -> bool:
    """Whether there is what sends messages, which is an extra."""
    return importlib.util.find_spec("apprise") is not None


def is_address(url: str) -> bool:
    """Whether messages can be sent to ``url``, as far as its form tells."""
    return bool(_apprise().Apprise().add(url))


def shown(url: Secret) -> str:
    """As much of the address as anybody may see: what kind it is of."""
    return f"{url.reveal().partition('://')[0]}://***"


def send(urls: Iterable[Secret], message: Message, *, limit: float = LIMIT_SECONDS) -> list[Secret]:
    """Send the message to all of ``urls``, each within ``limit`` seconds; returns those that failed."""
    return [url for url in urls if not _is_sent(url, message, limit)]


def _is_sent(url: Secret, message: Message, limit: float) -> bool:
    done = threading.Event()
    # a daemon: a mail server that does not answer must not keep the process
    thread = threading.Thread(target=_send, args=(_apprise(), url.reveal(), message, done), daemon=True)
    thread.start()
    thread.join(limit)
    return done.is_set()


def _send(apprise: ModuleType, url: str, message: Message, done: threading.Event) -> None:
    to = apprise.Apprise()
    with suppress(Exception):  # whatever it was, there is nothing more to be done than to say so
        if to.add(url) and to.notify(
            title=message.title,
            body=message.body,
            body_format=apprise.NotifyFormat.TEXT,
            notify_type=apprise.NotifyType.SUCCESS if message.fine else apprise.NotifyType.FAILURE,
            attach=_attached(apprise, message.files if url.lower().startswith(_MAIL) else ()),
        ):
            done.set()


def _attached(apprise: ModuleType, files: Sequence[Path]) -> object:
    there = [file for file in files if file.exists()]
    if not there or _size(there) > MOST_ATTACHED_BYTES:
        return None
    file = importlib.import_module("apprise.attachment.file").AttachFile  # a path as it is, not as an address
    several = len({path.parent for path in there}) > 1  # of a plan: each job's folder has the job's name
    named = {path: f"{path.parent.name}-{path.name}" if several else path.name for path in there}
    return apprise.AppriseAttachment([file(str(path.absolute()), name=named[path]) for path in there])


@cache
def _apprise() -> ModuleType:
    """The library, imported when it is needed: it is an extra, and takes its time."""
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it logs addresses, and so passwords
    with warnings.catch_warnings(
        action="ignore", category=DeprecationWarning
    ):  # some of its services are old
        apprise = importlib.import_module("apprise")
        apprise.Apprise().add("json://localhost")  # they are imported with the first address
    return apprise

"""What terminal, page and workbook say in the same words: how a run ended, what a code means, what to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from importer.model import FINE, STATUSES, Status
from importer.printing import printable
from schemas.codes import IDLE, code_of, is_code

if TYPE_CHECKING:
    from collections.abc import Mapping

    from importer.report.account import Examples
    from importer.report.summary import Filed, ManifestRead, Summary

MEANINGS: Final = {
    Status.CREATED: "posted, and the destination said so",
    Status.UPDATED: "posted, and the destination said so",
    Status.SKIPPED: "done already",
    Status.READY: "would be posted",
    Status.INVALID: "the row is faulty",
    Status.HELD: "fine, but held back by a faulty row",
    Status.REJECTED: "refused: the data must be mended",
    Status.FAILED: "surely not created; run again",
    Status.IN_DOUBT: "sent, but it is not known whether it was created",
    Status.NOT_SENT: "the run stopped before",
}
_NOTHING_TO_DO: Final = {True: "there is no data row in them", False: "there is no manifest there"}
_SEGMENTED: Final = frozenset(("x12", "edifact"))
_NOT_TO_BE_SENT: Final = "not to be sent"
_HELD: Final = frozenset(("parcel-held", "batch-held"))
_MESSAGE_CHARACTERS: Final = 300
_NUMBER: Final = re.compile("5NN or 429|[35N]NN")
_NUMBERS_SHOWN: Final = 3
_DONE: Final = {
    "posted": (Status.CREATED, Status.UPDATED),
    "done already": (Status.SKIPPED,),
    "ready to be posted": (Status.READY,),
}


def meaning(status: Status, summary: Summary) -> str:
    """What a status means in this run: what is skipped may be done already, or nothing of it was shipped."""
    idle = _idle(summary)
    if status is not Status.SKIPPED or not idle:
        return MEANINGS[status]
    is_all = idle == summary.rows[status]
    return _NOT_TO_BE_SENT if is_all else f"{MEANINGS[status]}, or {_NOT_TO_BE_SENT}"


def size(summary: Summary) -> str:
    """How much it was: manifests, rows and fulfillments."""
    return ", ".join(
        counted(count, noun)
        for count, noun in (
            (len(summary.manifests), "manifest"),
            (summary.rows["total"], "row"),
            (summary.fulfillments["total"], "fulfillment"),
        )
    )


def sentence(summary: Summary) -> str:
    """What happened, in a sentence: how much is done, how much needs somebody's attention."""
    unread = len(no_manifests(summary))
    files = f"; {counted(unread, 'file')} {_is(unread)} no {plural('manifest', unread)}" if unread else ""
    return _of_rows(summary) + files


def nothing(summary: Summary) -> str:
    """Why a run has no rows."""
    if summary.stopped_because and not summary.manifests:
        return "the run was stopped before anything was read"
    return f"{_NOTHING_TO_DO[bool(summary.manifests)]}: nothing to do"


def no_manifests(summary: Summary) -> list[Filed]:
    """The files of an inbox that could not be read as manifests."""
    return [file for file in summary.files or () if not file.is_manifest]


def _of_rows(summary: Summary) -> str:
    rows, total = summary.rows, summary.rows["total"]
    if not total:
        return nothing(summary).capitalize()
    done = {word: sum(rows[status] for status in statuses) for word, statuses in _DONE.items()}
    idle = _idle(summary)
    done["done already"] -= idle
    done[_NOT_TO_BE_SENT] = idle
    parts = [(count, f"{_is(count)} {word}") for word, count in done.items() if count]
    if left := rows[Status.NOT_SENT]:
        parts.append((left, f"{_is(left)} still to be sent"))
    attention = total - left - sum(done.values())
    if attention:
        parts.append((attention, "needs attention" if attention == 1 else "need attention"))
    if len(parts) == 1:
        return f"{_all(total)} {parts[0][1]}"
    *first, (last, word) = parts
    listed = ", ".join(f"{count:,} {words}" for count, words in first)
    return f"Of {counted(total, 'row')}, {listed} and {last:,} {word}"


def counted(count: int, noun: str) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{count:,} {plural(noun, count)}"


def plural(noun: str, count: int) -> str:
    """The noun for so many."""
    return noun if count == 1 else f"{noun}s"


def by_weight(problems: Mapping[str, Examples]) -> list[tuple[str, Examples]]:
    """The codes in the order of mending: the most frequent first, held rows last, for they follow."""
    return sorted(problems.items(), key=lambda problem: (problem[0] in _HELD, -problem[1].count))


def unit(manifest: str, summary: Summary) -> str:
    """What the manifest's rows are counted by: ``row``, or ``segment`` where it is EDI."""
    edi = any(one.name == manifest and one.format in _SEGMENTED for one in summary.manifests)
    return "segment" if edi else "row"


def cause(code: str) -> str:
    """What the code means, with the number of a destination's own in its place; "" for one not known here."""
    number = code.rpartition("-")[2]
    meaning = code_of(code).meaning if is_code(code) else ""
    return _NUMBER.sub(number, meaning) if number.isdecimal() else meaning


def hint(code: str) -> str:
    """What to do about the code."""
    return code_of(code).hint.replace("{delimiter}", "delimiter")


def example(code: str) -> str:
    """A short case of the code: what was found, and what it should be."""
    return str(code_of(code).example)


def short(message: str) -> str:
    """As much of it as a person reads; the whole is in the report."""
    return message if len(message) <= _MESSAGE_CHARACTERS else f"{message[:_MESSAGE_CHARACTERS]}…"


def notes(summary: Summary) -> list[str]:
    """What a person should know of how the manifests were read: what was passed over, what was chosen."""
    found = [printable(note) for note in summary.notes]
    return found + [note for manifest in summary.manifests for note in _notes(manifest)]


def _notes(manifest: ManifestRead) -> list[str]:
    name = printable(manifest.name)
    found = []
    if manifest.header_row > 1:
        found.append(f"{name}: the header is row {manifest.header_row}; what stands above it is no data")
    found.extend(f"{name}: {printable(note)}" for note in manifest.notes)
    for column, others in manifest.other_columns.items():
        taken = printable(manifest.columns[column])
        shown = ", ".join(f"'{printable(header)}'" for header in others)
        found.append(f"{name}: {column} is '{taken}'; not taken for it: {shown}")
    if manifest.layout_fit:
        found.append(f"{name}: layout: {manifest.layout}, {manifest.layout_fit}")
    for rows, one, several in (
        (manifest.passed_over, "is a total", "are totals"),
        (manifest.header_rows, "repeats the header", "repeat the header"),
    ):
        if rows:
            shown = ", ".join(map(str, rows[:_NUMBERS_SHOWN]))
            more = "" if len(rows) <= _NUMBERS_SHOWN else " …"
            are = f"rows {shown}{more} {several}" if len(rows) > 1 else f"row {shown} {one}"
            found.append(f"{name}: {are}, no data")
    return found


def needing(rows: Mapping[str, int]) -> int:
    """How many rows need somebody's attention, of the counts by status."""
    return sum(rows[status] for status in STATUSES if status not in FINE)


def to_see_to(rows: Mapping[str, int]) -> int:
    """The same, but for those that are only not sent yet: there is nothing to be seen to in these."""
    return needing(rows) - rows[Status.NOT_SENT]


def to_open(summary: Summary) -> str:
    """Which rows of errors.csv somebody is to see to, "" where there are none."""
    not_sent = summary.rows[Status.NOT_SENT]
    # a row that several manifests have stands there once
    count = min(to_see_to(summary.rows), summary.to_mend)
    besides = f" besides {not_sent:,} not sent" if not_sent else ""
    return f"{counted(count, 'row')}{besides}" if count else ""


def _idle(summary: Summary) -> int:
    """How many rows are skipped because nothing of them was shipped, or their interchange came twice."""
    found = sum(summary.warnings[code].count for code in IDLE if code in summary.warnings)
    return min(found, summary.rows[Status.SKIPPED])


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _all(total: int) -> str:
    return "The only row" if total == 1 else f"All {total:,} rows"

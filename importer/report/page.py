"""report.html: one file that shows what a run came to, and lets the rows that need attention be mended.

It asks for nothing from anywhere, and holds the rows of errors.csv up to a size that a mail takes; all else
is there as sums. Data is never markup: Jinja2 escapes what it puts into the page, and the script writes text.
"""

from __future__ import annotations

import base64
import hashlib
from functools import partial
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import jinja2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup

from importer.errors import CannotGoOn
from importer.model import STATUSES
from importer.printing import printable
from importer.report import phrases, words
from importer.report.files import finish, sync, unfinished
from importer.report.kept import Kept, Rows, as_json
from importer.report.terminal import next_steps
from importer.report.timeline import timeline
from schemas.exported import exported
from schemas.manifest import REPORT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from importer.report.account import Account, Examples
    from importer.report.sinks import Block, Mark, Outline
    from importer.report.summary import Summary
    from importer.report.timeline import Timeline

    Text: TypeAlias = pa.Array[Any]

PAGE: Final = "report.html"
CORRECTED: Final = "errors-corrected.csv"
MOST_BYTES: Final = 4_300_000
"""What the rows may take, so that the whole stays below 5 MB."""
_MOST_LISTED: Final = 20
_MOST_FILES: Final = 500
_LEAST_SHARE: Final = 0.008
_PACKAGE: Final = "importer.report"
_SOURCE, _MESSAGE = (REPORT_COLUMNS.index(name) for name in ("import_source", "import_message"))


class WebPage:
    """The page of a report while it is written: ``begin``, ``add`` for each block, ``finish``."""

    kind: Final = "page"

    def __init__(
        self,
        folder: Path,
        again: str,
        *,
        order_id: str,
        takes: Collection[str] = (),
        optional: Collection[str] = (),
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._folder = folder
        self.path = folder / PAGE
        self._again = again
        self._rules = (order_id, takes, optional)
        self._most_bytes = most_bytes
        self._outline: Outline | None = None
        self._kept = Kept(0, 0, partial(_carriers, canonical={}))

    def begin(self, outline: Outline) -> None:
        """Get ready for the rows."""
        self._outline = outline
        carriers = partial(_carriers, canonical=outline.canonical)
        self._kept = Kept(len(outline.headers), self._most_bytes, carriers)

    def add(self, block: Block) -> None:
        """Keep the rows of errors.csv, as long as there is room."""
        rows = np.flatnonzero(block.to_mend)
        if self._outline is None or not len(rows) or self._kept.is_full:
            return
        torn = np.isin(rows, [*block.torn])
        commas = np.full(len(rows), block.decimal_comma)
        self._kept.add(Rows(block.cells(rows), torn, commas, *_marks_on(rows, block.marks())))

    def finish(self, summary: Summary) -> None:
        """Write the page, and give it its name; again, once more is known of the run.

        Raises:
            CannotGoOn: it can't be written.
        """
        self._kept.look()
        try:
            with unfinished(self.path).open("w", encoding="utf-8", newline="\n") as file:
                file.write(self._rendered(summary))
                sync(file)
            finish(self.path)
        except OSError as error:
            why = error.strerror or error
            raise CannotGoOn(f"the page can't be written to {self._folder}: {why}") from error

    def _rendered(self, summary: Summary) -> str:
        parts = {name: _part(name) for name in ("page.css", "rules.js", "page.js")}
        template = _ENVIRONMENT.from_string(_part("page.html"))
        return template.render(
            parts={name: Markup(text) for name, text in parts.items()},  # noqa: S704 - files of this package
            hashes={name: _hash(text) for name, text in parts.items()},
            data=Markup(self._data()),  # noqa: S704 - JSON in which nothing is left that HTML could read
            kept=self._kept,
            left_out=self._outline.to_mend - len(self._kept) if self._outline else 0,
            **_told(summary, self._again, self._outline.account if self._outline else None),
        )

    def _data(self) -> str:
        """Everything that the script needs, as JSON that can stand in a script element."""
        headers = self._outline.headers if self._outline else REPORT_COLUMNS
        canonical = self._outline.canonical if self._outline else {}
        order_id, takes, optional = self._rules
        members = {
            "headers": as_json([*headers]),
            "own": as_json(len(headers) - len(REPORT_COLUMNS)),
            "canonical": as_json(dict(canonical)),
            "rules": as_json(exported([*canonical], order_id=order_id, takes=takes, optional=optional)),
            "left_out": as_json(self._outline.to_mend - len(self._kept) if self._outline else 0),
            "corrected": as_json(CORRECTED),
            "next": as_json(printable(self._again.format(CORRECTED))),
            **dict(self._kept.members()),
        }
        return "{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}"


def _marks_on(rows: npt.NDArray[np.int64], marks: Iterable[Mark]) -> tuple[list[Mark], npt.NDArray[np.int64]]:
    """The marks on these rows of a block, sorted by row, and which of the rows each is on."""
    place = {row: at for at, row in enumerate(rows.tolist())}
    mine = sorted((mark for mark in marks if mark.row in place), key=lambda mark: mark.row)
    return mine, np.array([place[mark.row] for mark in mine], dtype=np.int64)


def _carriers(columns: Sequence[Text], canonical: Mapping[str, int]) -> Text:
    """Whose parcel each row is: as the row says, or else as the tracking number tells."""
    blank = pa.repeat("", len(columns[0]))
    companies, numbers = (
        columns[canonical[name]] if name in canonical else blank
        for name in ("tracking_company", "tracking_number")
    )
    distinct = companies.dictionary_encode()
    shown = pa.array([printable(company).strip() for company in distinct.dictionary.to_pylist()], pa.string())
    said = shown.take(distinct.indices)
    known = words.carriers(numbers.to_pylist(), companies.to_pylist())
    return pc.if_else(pc.equal(said, ""), pa.array(known, pa.string()), said)


def _told(summary: Summary, again: str, account: Account | None) -> dict[str, Any]:
    """What the template tells of the run, beside the rows."""
    return {
        "summary": summary,
        "sentence": phrases.sentence(summary),
        "size": phrases.size(summary),
        "attention": phrases.needing(summary.rows),
        "outcomes": _outcomes(summary),
        "steps": [
            (label.strip().rstrip(":"), printable(text))
            for label, _, text in next_steps(summary, again, named_report=False, later=True)
        ],
        "problems": _groups(summary.errors, summary),
        "warnings": _groups(summary.warnings, summary),
        "notes": phrases.notes(summary),
        "manifests": summary.manifests[:_MOST_LISTED],
        "files": [
            (printable(file.name), printable(file.to), printable(file.why), file.is_fault)
            for file in (summary.files or ())[:_MOST_FILES]
        ],
        "more_files": len((summary.files or ())[_MOST_FILES:]),
        "several_files": len(summary.manifests) > 1,
        "more_manifests": len(summary.manifests[_MOST_LISTED:]),
        "time": timeline(account, summary.started_at) if account and summary.command == "post" else None,
        "in_time": _in_time,
    }


def _outcomes(summary: Summary) -> list[dict[str, Any]]:
    """The statuses that there are, and where each stands in a bar that is 100 long; each can be seen."""
    counts = {status: summary.rows[status] for status in STATUSES if summary.rows[status]}
    total = sum(counts.values())
    widths = [max(count / total, _LEAST_SHARE) for count in counts.values()]
    return [
        {
            "status": str(status),
            "meaning": phrases.meaning(status, summary),
            "rows": count,
            "fulfillments": summary.fulfillments[status],
            "start": round(sum(widths[:at]) / sum(widths) * 100, 3),
            "share": round(widths[at] / sum(widths) * 100, 3),
        }
        for at, (status, count) in enumerate(counts.items())
    ]


def _groups(problems: Mapping[str, Examples], summary: Summary) -> list[dict[str, Any]]:
    return [
        {
            "code": code,
            "count": examples.count,
            "meaning": phrases.cause(code),
            "hint": phrases.hint(code),
            "example": phrases.example(code),
            "first": [
                (
                    printable(manifest),
                    f"{phrases.unit(manifest, summary)} {row}",
                    phrases.short(printable(message)),
                )
                for manifest, row, message in examples.first
            ],
        }
        for code, examples in phrases.by_weight(problems)
    ]


def _in_time(time: Timeline) -> str:
    """The picture of a run over time, in words."""
    rows = sum(step.good + step.other for step in time.steps)
    found = [f"{phrases.counted(rows, 'row')} in {_span(time.seconds)}"]
    if time.retries:
        found.append("1 retry" if time.retries == 1 else f"{time.retries:,} retries")
    if time.pauses:
        longest = max(time.pauses, key=lambda pause: pause.seconds)
        found.append(f"{phrases.counted(len(time.pauses), 'pause')}, the longest {_span(longest.seconds)}")
    return "; ".join(found)


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min {rest} s"
    return "less than a second" if seconds < 1 else f"{seconds:.1f} s"


def _part(name: str) -> str:
    return resources.files(_PACKAGE).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """What a Content-Security-Policy calls this text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


_ENVIRONMENT: Final = jinja2.Environment(
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    optimized=False,  # it is looked through for constants to be folded, of which it has none
)
_ENVIRONMENT.filters["printable"] = printable
_ENVIRONMENT.filters["counted"] = phrases.counted

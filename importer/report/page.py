"""report.html: one file that shows what a run came to, and lets the rows that need attention be mended.

It asks for nothing from anywhere, and holds the rows of errors.csv up to a size that a mail takes; all else
is there as sums. Data is never markup: Jinja2 escapes what it puts into the page, and the script writes text.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import jinja2
import numpy as np
import pyarrow as pa
from markupsafe import Markup

from importer.errors import CannotGoOn
from importer.model import STATUSES
from importer.printing import printable
from importer.report import phrases, words
from importer.report.files import finish, sync, unfinished
from importer.report.terminal import next_steps
from importer.report.timeline import timeline
from schemas.exported import exported
from schemas.manifest import REPORT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from importer.report.account import Account, Examples
    from importer.report.sinks import Block, Outline
    from importer.report.summary import Summary
    from importer.report.timeline import Timeline

PAGE: Final = "report.html"
CORRECTED: Final = "errors-corrected.csv"
MOST_BYTES: Final = 4_300_000
"""What the rows may take, so that the whole stays below 5 MB."""
ROOM_FOR_A_ROW: Final = 20_000
"""With less than these bytes left, no more rows are looked at: a million may follow."""
_BYTES_OF_A_MARK: Final = 24
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
        self._kept = _Kept(0, 0)

    def begin(self, outline: Outline) -> None:
        """Get ready for the rows."""
        self._outline = outline
        self._kept = _Kept(len(outline.headers), self._most_bytes)

    def add(self, block: Block) -> None:
        """Keep the rows of errors.csv, as long as there is room."""
        rows = np.flatnonzero(block.to_mend)
        if self._outline is None or not len(rows) or self._kept.is_full:
            return
        cells = [column.take(pa.array(rows)).to_pylist() for column in block.columns]
        marks: dict[int, list[tuple[int, str, bool]]] = {}
        for mark in block.marks():
            marks.setdefault(mark.row, []).append((mark.column, mark.words, mark.faulty))
        carriers = _carriers(cells, self._outline.canonical)
        since = len(self._kept)
        for row, carrier, *texts in zip(rows.tolist(), carriers, *cells, strict=True):
            self._kept.add(texts, carrier, marks.get(row, []), is_torn=row in block.torn)
        if block.decimal_comma:
            self._kept.have_commas(since)

    def finish(self, summary: Summary) -> None:
        """Write the page, and give it its name; again, once more is known of the run.

        Raises:
            CannotGoOn: it can't be written.
        """
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
            "headers": _json([*headers]),
            "own": _json(len(headers) - len(REPORT_COLUMNS)),
            "canonical": _json(dict(canonical)),
            "rules": _json(exported([*canonical], order_id=order_id, takes=takes, optional=optional)),
            "left_out": _json(self._outline.to_mend - len(self._kept) if self._outline else 0),
            "corrected": _json(CORRECTED),
            "next": _json(printable(self._again.format(CORRECTED))),
            **dict(self._kept.members()),
        }
        return "{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}"


@dataclass(slots=True)
class _Texts:
    """A column: each text once, encoded, and for each row which it has."""

    places: dict[str, int] = field(default_factory=dict)
    encoded: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    known: dict[str, tuple[str, int]] = field(default_factory=dict)

    def cost(self, text: str) -> tuple[str, int]:
        """The text encoded and the bytes that it takes; "" for one that is there already."""
        known = self.known.get(text)
        if known is not None:
            return known
        encoded = _json(text)
        return encoded, len(encoded.encode()) + 1 + len(str(len(self.encoded))) + 1

    def place(self, text: str, encoded: str) -> int:
        if encoded:
            self.places[text] = len(self.encoded)
            self.known[text] = "", len(str(len(self.encoded))) + 1
            self.encoded.append(encoded)
        return self.places[text]

    def as_json(self) -> str:
        return f'{{"texts":[{",".join(self.encoded)}],"rows":{_json(self.rows)}}}'


class _Kept:
    """The rows that the page has, up to so many bytes of JSON."""

    def __init__(self, width: int, most_bytes: int) -> None:
        self._columns = [_Texts() for _ in range(width)]
        self._carriers = _Texts()
        self._said = _Texts()
        self._marks: list[list[int]] = []
        self._torn: list[int] = []
        self._commas: list[list[int]] = []
        self._left = most_bytes

    def __len__(self) -> int:
        return len(self._carriers.rows)

    @property
    def is_full(self) -> bool:
        return self._left < ROOM_FOR_A_ROW

    def add(
        self, texts: Sequence[str], carrier: str, marks: Sequence[tuple[int, str, bool]], *, is_torn: bool
    ) -> None:
        """Keep the row, unless it is too long for what is left."""
        if self.is_full:
            return
        columns = [*self._columns, self._carriers]
        cells = [column.cost(text) for column, text in zip(columns, (*texts, carrier), strict=True)]
        said = [self._said.cost(text) for _, text, _ in marks]
        cost = sum(size for _, size in (*cells, *said)) + _BYTES_OF_A_MARK * (len(marks) + is_torn)
        if cost > self._left:
            return
        self._left -= cost
        row = len(self)
        for (place, text, faulty), (encoded, _) in zip(marks, said, strict=True):
            self._marks.append([row, place, self._said.place(text, encoded), int(faulty)])
        if is_torn:
            self._torn.append(row)
        for column, text, (encoded, _) in zip(columns, (*texts, carrier), cells, strict=True):
            column.rows.append(column.place(text, encoded))

    def have_commas(self, since: int) -> None:
        """The rows from ``since`` on are of a manifest in which a quantity of 2,0 is two."""
        if self._commas and self._commas[-1][1] == since:
            self._commas[-1][1] = len(self)
        else:
            self._commas.append([since, len(self)])

    def members(self) -> Iterator[tuple[str, str]]:
        yield "columns", f"[{','.join(column.as_json() for column in self._columns)}]"
        yield "carriers", self._carriers.as_json()
        yield "said", f"[{','.join(self._said.encoded)}]"
        yield "marks", _json(self._marks)
        yield "torn", _json(self._torn)
        yield "commas", _json(self._commas)


def _carriers(cells: Sequence[list[str]], canonical: Mapping[str, int]) -> list[str]:
    """Whose parcel each row is: as the row says, or else as the tracking number tells."""
    rows = len(cells[0])
    companies = cells[canonical["tracking_company"]] if "tracking_company" in canonical else [""] * rows
    numbers = cells[canonical["tracking_number"]] if "tracking_number" in canonical else [""] * rows
    known = words.carriers(numbers, companies)
    return [printable(company).strip() or carrier for company, carrier in zip(companies, known, strict=True)]


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
            "meaning": phrases.MEANINGS[status],
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


def _json(value: object) -> str:
    """JSON that can stand in a script element, and in which line ends are what they were."""
    text = _ENCODER.encode(value)
    return text if _UNSAFE.isdisjoint(text) else text.translate(_ESCAPED)


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_UNSAFE: Final = frozenset("<>&\u2028\u2029")
_ESCAPED: Final = {ord(character): f"\\u{ord(character):04x}" for character in _UNSAFE}


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

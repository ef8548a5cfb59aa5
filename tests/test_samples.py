"""Every sample, run by the real command, gives the report that lies beside it."""

import csv
import io
import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from importer.cli import run
from importer.model import FINE
from importer.sandbox import Sandbox, stock
from schemas.codes import CODES, WARNINGS, code_of
from schemas.manifest import REPORT_COLUMNS, VERDICTS

SAMPLES = Path(__file__).parents[1] / "samples"
FOLDERS = sorted(path for path in SAMPLES.iterdir() if path.is_dir() and path.name != "pictures")
README = (SAMPLES / "README.md").read_text(encoding="utf-8")
# What a first post to a platform that is looked at before it is written to says, and to no other.
OF_SHOPLAZZA = {
    "already-there",
    "ambiguous-fulfillment",
    "blank-fulfillment-id",
    "carrier-not-known",
    "exceeds-remaining",
    "no-fulfillment",
    "no-mail-wanted",
    "sku-not-in-order",
    "tracking-number-conflict",
}
# What a first post of one manifest to an ADM that can be reached never says; other tests make it happen.
OF_EDI = {*VERDICTS.values(), "short-shipped", "unit-of-measure"}
NEEDS_ANOTHER_TEST = (
    OF_SHOPLAZZA
    | OF_EDI
    | {
        "already-posted",
        "bad-fulfillment-id",
        "bad-notify",
        "batch-held",
        "carrier-conflict",
        "changed-since-posted",
        "destination-3NN",
        "destination-401",
        "destination-5NN",
        "destination-unreachable",
        "encoding-guessed",
        "fulfillment-id-conflict",
        "leading-zeros-lost",
        "look-up-failed",
        "outcome-unknown",
        "run-stopped",
        "settled",
        "tracking-number-cut",
    }
)
# Rows whose cells can't be told apart: a report has them in as many cells as there are headers.
MISFITS = {"ragged-row", "bad-quoting"}
TOKEN = "a-token-of-the-samples"  # noqa: S105 - the sandbox takes any
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
TIME = re.compile(f"(created |updated ){_TIME}|(,){_TIME}$", re.MULTILINE)  # of the platform, or of the run

SENT = re.compile(r"\b(?:20)?\d{6}[*:]\d{4}\b|\b20\d{10}\b")  # when an acknowledgment was made

Row = dict[str, str]


def commands() -> dict[str, list[str]]:
    """By sample, the words of the command in its line of the table; its files are named as from inside."""
    lines = [line for line in README.splitlines() if line.startswith("| ")][1:]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    return {
        row[0]: [word.removeprefix(f"samples/{row[0]}/") for word in shlex.split(row[-1].strip("`"))]
        for row in cells
    }


class Report(Struct, frozen=True):
    """What a run has left: its exit status and its three files; ``text`` is rows.csv without times."""

    exit_status: int
    text: str
    rows: list[Row]
    errors: list[Row]
    summary: dict[str, Any]


class Sample(Struct, frozen=True):
    """A sample's folder, and a folder for what its runs write."""

    folder: Path
    scratch: Path

    @property
    def words(self) -> list[str]:
        """The command that posts it."""
        return commands()[self.folder.name]

    @property
    def manifest(self) -> str:
        return self.words[self.words.index("post") + 1]

    @property
    def options(self) -> list[str]:
        """What the command says between the manifest and the sandbox."""
        return self.words[self.words.index("post") + 2 : self.words.index("--sandbox")]

    @property
    def destination(self) -> str:
        """The name of the destination."""
        return dict(zip(self.options, self.options[1:], strict=False)).get("--to", "adm")

    @property
    def config(self) -> str:
        """The configuration that the command names, an empty one where it names none."""
        named = self.words[1:3] if self.words[1] == "--config" else []
        return self.folder.joinpath(named[1]).read_text(encoding="utf-8") if named else ""

    def post(self, name: str) -> Report:
        """Post the manifest to a sandbox with its orders, beside the same ledger each time."""
        return self.run(name, "post", self.manifest, "--sandbox", "orders.json", *self.ledger("posts"))

    def check(self, name: str, manifest: str) -> Report:
        """Check a manifest by the rules of the destination, without any ledger."""
        return self.run(name, "check", manifest, "--to", self.destination, *self.ledger("none"))

    def run(self, name: str, *arguments: str, config: str | None = None) -> Report:
        """Run the command inside the sample's folder, reporting to a folder called ``name``."""
        settings = self.scratch / f"{name}.toml"
        settings.write_text(self.config if config is None else config, encoding="utf-8")
        folder = self.scratch / name
        words = ["--quiet", "--config", str(settings), *arguments, *self.options, "--report", str(folder)]
        with chdir(self.folder):
            status = run(words)
        text = folder.joinpath("rows.csv").read_bytes().decode()
        return Report(
            status,
            TIME.sub(r"\1\2", text),
            records(text),
            records(folder.joinpath("errors.csv").read_bytes().decode()),
            json.loads(folder.joinpath("summary.json").read_bytes()),
        )

    def ledger(self, name: str) -> tuple[str, str]:
        return "--ledger", str(self.scratch / f"{name}.db")

    def configured(self, url: str) -> str:
        """A configuration that posts to the sandbox at ``url``, with its token."""
        token = self.scratch / "token"
        token.write_text(TOKEN, encoding="ascii")
        table = self.config or f"[destinations.{self.destination}]\n"
        return f"{table}base_url = '{url}'\ntoken_file = '{token}'\n"


def records(text: str) -> list[Row]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def own_columns(row: Row) -> Row:
    return {header: cell for header, cell in row.items() if header not in REPORT_COLUMNS}


def found_in(row: Row) -> list[str]:
    """What the importer itself has found in a row, before anything is sent."""
    if row["import_status"] not in {"invalid", "held"}:
        return [row["import_warning"]]
    return [row[f"import_{name}"] for name in ("warning", "code", "message", "hint")]


def faults(row: Row) -> list[str]:
    return row["import_code"].split("; ") if row["import_status"] in {"invalid", "held"} else []


def codes(rows: list[Row]) -> set[str]:
    return {code_of(code).name for row in rows for code in row["import_code"].split("; ") if code}


def warnings(rows: list[Row]) -> set[str]:
    return {name for row in rows for name in WARNINGS if f"{name}: " in row["import_warning"]}


def units_reported(report: Report) -> Counter[tuple[str, str]]:
    """Units by fulfillment and SKU, as the rows that were created say; an update ships nothing."""
    columns = report.summary["manifests"][0]["columns"]
    units: Counter[tuple[str, str]] = Counter()
    for row in report.rows:
        if row["import_status"] == "created":
            quantity = row[columns["quantity"]].replace(",", ".")  # a decimal comma, as some layouts have
            units[row["import_fulfillment"], row[columns["sku"]]] += int(float(quantity))
    return units


def units_of(sandbox: Sandbox) -> Counter[tuple[str, str]]:
    """Units by fulfillment and SKU, as the sandbox created them."""
    units: Counter[tuple[str, str]] = Counter()
    for created in sandbox.store.created:
        for line in created.lines:
            units[f"{created.order_id}/{created.tracking_number}", line.sku] += line.quantity
    for written in sandbox.shop.written:
        skus = {line.line_id: line.sku for line in written.order.lines}
        name = f"{written.order.order_id}/{written.fulfillment.trackings[0].tracking_number}"
        for shipped in written.fulfillment.units if written.done == "created" else ():
            units[name, skus[shipped.line_id]] += shipped.quantity
    return units


def updates_reported(report: Report) -> Counter[tuple[str, ...]]:
    """Order, fulfillment and tracking number of each update; a mail alone leaves the number as it is."""
    columns = report.summary["manifests"][0]["columns"]
    return Counter(
        {
            (
                row[columns["order_id"]],
                row["import_message"].split()[1],
                row.get(columns.get("tracking_number", ""), ""),
            ): 1
            for row in report.rows
            if row["import_status"] == "updated"
        }
    )


def updates_of(sandbox: Sandbox, *, numbers: bool) -> Counter[tuple[str, ...]]:
    """The same as the sandbox made them; without ``numbers`` it has none to compare."""
    return Counter(
        (
            written.order.order_id,
            written.fulfillment.fulfillment_id,
            written.fulfillment.trackings[0].tracking_number if numbers else "",
        )
        for written in sandbox.shop.written
        if written.done == "updated"
    )


def acknowledgments(folder: Path) -> dict[str, str]:
    """What partners are answered, by the names of the files, without times; nothing where it is no EDI."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.name: SENT.sub("", path.read_text(encoding="utf-8")) for path in found}


def expected_rows(folder: Path) -> list[Row]:
    return records((folder / "expected" / "rows.csv").read_bytes().decode())


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: folder.name)
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return Sample(request.param, tmp_path_factory.mktemp(request.param.name))


@pytest.fixture(scope="module")
def posted(sample: Sample) -> Report:
    return sample.post("first")


@pytest.fixture
def sandbox(sample: Sample) -> Iterator[Sandbox]:
    store, shop = stock.from_file(sample.folder / "orders.json")
    with Sandbox(store, TOKEN, shop=shop) as sandbox:
        yield sandbox


def test_a_sample_gives_the_rows_that_lie_beside_it(sample: Sample, posted: Report) -> None:
    assert posted.text == (sample.folder / "expected" / "rows.csv").read_bytes().decode()


def test_a_sample_gives_the_counts_that_lie_beside_it(sample: Sample, posted: Report) -> None:
    expected = json.loads((sample.folder / "expected" / "summary.json").read_bytes())

    assert {name: posted.summary[name] for name in expected} == expected
    assert set(expected) == {"rows", "fulfillments", "errors", "warnings", "exit_status"}
    assert posted.exit_status == expected["exit_status"]


def test_a_sample_of_edi_is_answered_as_lies_beside_it(sample: Sample, posted: Report) -> None:
    expected = acknowledgments(sample.folder / "expected" / "acks")

    assert acknowledgments(sample.scratch / "first" / "acks") == expected
    assert bool(expected) == sample.folder.name.startswith("edi-")
    assert ("acks" in posted.summary["reports"]) == bool(expected)


def test_the_errors_are_exactly_the_rows_that_need_attention(posted: Report) -> None:
    assert posted.errors == [row for row in posted.rows if row["import_status"] not in FINE]


def test_every_row_of_the_manifest_is_reported_once_and_in_order(posted: Report) -> None:
    numbers = [int(row["import_row"]) for row in posted.rows]

    assert numbers == sorted(set(numbers))
    assert len(numbers) == posted.summary["rows"]["total"]


def test_the_same_command_again_skips_what_was_created_and_sends_nothing(
    sample: Sample, posted: Report
) -> None:
    again = sample.post("again")

    done = {"created", "updated"}
    assert [row["import_status"] for row in again.rows] == [
        "skipped" if row["import_status"] in done else row["import_status"] for row in posted.rows
    ]
    # What was not written because of what was found on the platform is looked up anew.
    settled = [row for row in again.rows if row["import_code"] not in OF_SHOPLAZZA]
    assert {row["import_attempts"] for row in settled} <= {"", "0"}
    for counts in ("rows", "fulfillments"):
        before, after = posted.summary[counts], again.summary[counts]
        skipped = sum(before[status] for status in ("skipped", *done))
        assert after == before | {"created": 0, "updated": 0, "skipped": skipped}
    assert again.summary["mails"] == 0


def test_the_destination_has_what_the_report_says_once_however_often_it_is_run(
    sample: Sample, posted: Report, sandbox: Sandbox
) -> None:
    for name in ("once", "twice"):
        config = sample.configured(sandbox.url)
        sample.run(name, "post", sample.manifest, *sample.ledger("real"), config=config)

    assert units_of(sandbox) == units_reported(posted)
    updated = updates_reported(posted)
    assert updates_of(sandbox, numbers=any(number for *_, number in updated)) == updated
    assert len(sandbox.shop.mails) == posted.summary["mails"]
    sent = Counter(request.fulfillment for request in sandbox.store.requests if request.method != "GET")
    answered = {row["import_fulfillment"] for row in posted.rows if row["import_http_status"]}
    assert sent == Counter(answered)


def test_a_dry_run_finds_what_the_post_found(sample: Sample, posted: Report) -> None:
    dry = sample.check("dry", sample.manifest)

    assert [found_in(row) for row in dry.rows] == [found_in(row) for row in posted.rows]
    assert {row["import_status"] for row in dry.rows} <= {"ready", "skipped", "invalid", "held"}


def test_a_report_read_as_a_manifest_says_what_the_manifest_said(sample: Sample, posted: Report) -> None:
    reread = sample.check("reread", str(sample.scratch / "first" / "rows.csv"))

    assert [own_columns(row) for row in reread.rows] == [own_columns(row) for row in posted.rows]
    whole = [at for at, row in enumerate(posted.rows) if row["import_code"] not in MISFITS]
    assert [faults(reread.rows[at]) for at in whole] == [faults(posted.rows[at]) for at in whole]


def test_the_messy_sample_has_every_code_that_one_run_can_give() -> None:
    rows = expected_rows(SAMPLES / "messy")

    assert codes(rows) | warnings(rows) == set(CODES) - NEEDS_ANOTHER_TEST
    assert warnings(rows) == set(WARNINGS) - NEEDS_ANOTHER_TEST
    destination = {row["import_code"] for row in rows if row["import_status"] == "rejected"}
    assert destination == {"destination-400", "destination-404"}
    held = [row["import_message"].rpartition(" ")[2] for row in rows if row["import_status"] == "held"]
    assert held == ["number", "parcel", "order"]


def test_what_nobody_mended_is_not_ready_the_next_time(tmp_path: Path) -> None:
    sample = Sample(SAMPLES / "messy", tmp_path)
    faulty = [row for row in sample.check("first", sample.manifest).rows if row["import_status"] == "invalid"]

    again = sample.check("again", str(tmp_path / "first" / "errors.csv"))

    assert len(faulty) == sum(row["import_status"] == "invalid" for row in again.rows)
    assert not [row for row in again.rows if row["import_status"] == "ready"]


def test_the_first_run_shows_created_rejected_invalid_and_held_rows() -> None:
    statuses = {row["import_status"] for row in expected_rows(SAMPLES / "first-run")}

    assert statuses == {"created", "rejected", "invalid", "held"}


def test_the_samples_of_shoplazza_have_every_code_that_looking_can_give() -> None:
    found = {code for folder in FOLDERS for code in codes(expected_rows(folder))}

    assert found >= OF_SHOPLAZZA


def test_the_samples_of_edi_show_what_edi_is_told() -> None:
    rows = [row for folder in FOLDERS for row in expected_rows(folder)]

    shown = codes(rows) | warnings(rows)
    unshown = {"document-replaced", "element-shifted", "interchange-again"}  # other tests make them
    assert OF_EDI - shown == unshown


def test_every_sample_has_its_line_and_a_command_that_posts_it() -> None:
    assert set(commands()) == {folder.name for folder in FOLDERS}
    for words in commands().values():
        assert words[0] == "importer"
        assert words[1] in {"post", "--config"}
        assert words[-2:] == ["--sandbox", "orders.json"]


def test_a_sample_has_the_files_that_its_command_names_and_no_others(sample: Sample) -> None:
    found = {str(path.relative_to(sample.folder)) for path in sample.folder.rglob("*") if path.is_file()}
    named = {word for word in sample.words if "." in word}

    answers = {f"expected/acks/{name}" for name in acknowledgments(sample.folder / "expected" / "acks")}
    assert found == named | answers | {"README.md", "expected/rows.csv", "expected/summary.json"}
    assert {name for name in named if Path(name).stem == "manifest"} == {sample.manifest}

"""report.html in a browser: found, sorted, opened, mended, saved; and the saved file is imported."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import axe_core_python
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import sync_playwright

from importer.findings import Findings, name_of
from importer.rows import Checker
from schemas.exported import exported
from schemas.manifest import NOTIFY
from tests.program import configuration, end, here, manifest, settle_in, start, table
from tests.test_page import FIELDS, HOSTILE, faulty, written
from tests.test_report import account, page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Locator, Request

Output = pytest.CaptureFixture[str]
CHROMIUM: Final = "/usr/bin/chromium"
FLAGS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
AXE: Final = Path(axe_core_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
ROWS: Final = (
    "1001,MUG,two,TRACK1,UPS",
    "1001,CUP,1,TRACK1,UPS",
    "1002,MUG,0,TRACK2,DHL",
    "1003,,3,TRACK3,DHL",
    "1004,MUG,two,TRACK4,DHL",
    "1005,MUG,1,TRACK5,DHL",
    "1006,PAN,1",
)
HEADER: Final = "Order #,Item SKU,Qty Shipped,Tracking #,Carrier"
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
SERIOUS: Final = {"serious", "critical"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        yield opened
        opened.close()


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)


class Opened:
    """A page in the browser, with what it asked for and what it complained of."""

    def __init__(self, context: BrowserContext, path: Path) -> None:
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(10_000)
        self.page.on("request", self._heard)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(path.absolute().as_uri())
        self._own = path.absolute().as_uri()

    def _heard(self, request: Request) -> None:
        self.asked.append(request.url)

    def check(self) -> None:
        """See that it was quiet, and asked for nothing but itself and what it made."""
        assert self.complaints == []
        left = [url for url in self.asked if url != self._own and not url.startswith(("data:", "blob:"))]
        assert left == []

    def rows(self) -> list[str]:
        """The numbers of the rows that the table shows."""
        return self.page.locator("#body tr.line td:nth-child(2)").all_inner_texts()

    def open(self, row: int) -> Locator:
        """The story of the row."""
        opener = self.page.get_by_role("button", name=f"Row {row}", exact=True)
        opener.click()
        return self.page.locator(f"#{opener.get_attribute('aria-controls')}")

    def save(self, path: Path) -> Path:
        """Save the corrected file there."""
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name="Save the corrected errors.csv").click()
        assert download.value.suggested_filename == "errors-corrected.csv"
        download.value.save_as(path)
        return path


@pytest.fixture(name="context")
def _context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    context.route(lambda url: not url.startswith("file:"), lambda route: route.abort())
    yield context
    context.close()


@pytest.fixture(name="report")
def _report(context: BrowserContext, capsys: Output, tmp_path: Path) -> Iterator[Opened]:
    manifest(tmp_path / "m.csv", *ROWS, header=HEADER)
    here(capsys, "check", "m.csv", "--report", "R")
    opened = Opened(context, Path("R", "report.html"))
    yield opened
    opened.check()


def test_what_is_searched_and_filtered_is_shown_and_counted(report: Opened) -> None:
    page = report.page
    assert report.rows() == ["2", "3", "4", "5", "6", "8"]
    assert page.locator("#count").inner_text() == "6 rows"

    for act, rows in (
        (lambda: page.get_by_label("Search").fill("pan"), ["8"]),
        (lambda: page.get_by_role("button", name="Clear").click(), ["2", "3", "4", "5", "6", "8"]),
        (lambda: page.get_by_label("Status").select_option("held"), ["3"]),
        (lambda: page.get_by_label("Status").select_option(""), ["2", "3", "4", "5", "6", "8"]),
        (lambda: page.get_by_label("Code").select_option("bad-quantity"), ["2", "6"]),
        (lambda: page.get_by_label("Carrier").select_option("UPS"), ["2"]),
        (lambda: page.get_by_role("button", name="Clear").click(), ["2", "3", "4", "5", "6", "8"]),
        (lambda: page.get_by_label("Order").fill("1003"), ["5"]),
        (lambda: page.get_by_label("Search").fill("nowhere"), []),
    ):
        act()
        page.wait_for_function(
            "count => document.querySelectorAll('#body tr.line').length === count", arg=len(rows)
        )
        assert report.rows() == rows
    assert page.locator("#count").inner_text() == "No row is like that"


def test_a_problem_leads_to_its_rows(report: Opened) -> None:
    report.page.get_by_role("button", name="Show these rows of bad-quantity").click()

    assert report.rows() == ["2", "6"]
    assert report.page.locator("#rows").evaluate("heading => heading === document.activeElement")


def test_a_column_is_sorted_up_and_down_and_not_at_all(report: Opened) -> None:
    head = report.page.get_by_role("columnheader", name="Quantity")
    seen = []
    for _ in range(3):
        head.get_by_role("button").click()
        seen.append((head.get_attribute("aria-sort"), report.rows()))

    assert seen == [
        ("ascending", ["8", "4", "3", "5", "2", "6"]),
        ("descending", ["2", "6", "5", "3", "4", "8"]),
        ("none", ["2", "3", "4", "5", "6", "8"]),
    ]


def test_a_row_opens_to_its_whole_story_by_keyboard_too(report: Opened) -> None:
    opener = report.page.get_by_role("button", name="Row 2", exact=True)
    opener.focus()
    report.page.keyboard.press("Enter")

    story = report.page.locator("#body tr.story:not([hidden])")
    assert opener.get_attribute("aria-expanded") == "true"
    words = story.inner_text()
    for said in ("Qty Shipped: found 'two'", "write a whole number in digits", "1001/TRACK1", "m.csv"):
        assert said in words
    assert story.get_by_role("textbox", name="Tracking # tracking_number").input_value() == "TRACK1"
    report.page.keyboard.press("Enter")
    assert report.page.locator("#body tr.story:not([hidden])").count() == 0


def test_a_cell_is_kept_once_it_is_right_and_can_be_put_back(report: Opened) -> None:
    story = report.open(2)
    box = story.get_by_role("textbox", name="Qty Shipped quantity")
    keep = story.get_by_role("button", name="Keep").first
    assert box.get_attribute("aria-invalid") == "true"

    box.fill("2.5")
    assert keep.is_disabled()
    assert "The quantity is not a whole number." in story.inner_text()
    assert "1 cell still wrong" in report.page.locator("#mended").inner_text()
    box.press("Enter")
    assert "mended" not in report.page.locator("#body tr.line").first.inner_text()

    box.fill("2")
    assert box.get_attribute("aria-invalid") == "false"
    box.press("Enter")
    assert "mended" in report.page.locator("#body tr.line").first.inner_text()
    assert report.page.locator("#mended").inner_text() == "1 cell changed, 1 row mended."

    report.page.get_by_role("button", name="Undo").click()
    assert box.input_value() == "two"
    assert report.page.locator("#mended").inner_text() == "Nothing is changed yet."


def test_a_torn_row_is_not_mended_cell_by_cell(report: Opened) -> None:
    story = report.open(8)

    assert story.get_by_role("textbox").count() == 0
    assert "can't be told apart" in story.inner_text()


def test_what_nobody_changed_is_saved_as_it_was_found(report: Opened, tmp_path: Path) -> None:
    saved = report.save(tmp_path / "saved.csv")

    assert saved.read_bytes() == Path("R", "errors.csv").read_bytes()


def test_the_mended_rows_are_saved_and_imported(report: Opened, tmp_path: Path, capsys: Output) -> None:
    story = report.open(2)
    story.get_by_role("textbox", name="Qty Shipped quantity").fill("2")
    story.get_by_role("button", name="Apply to all 2 rows with “two”").click()
    story = report.open(5)
    story.get_by_role("textbox", name="Item SKU sku").fill("=LID")
    story.get_by_role("textbox", name="Item SKU sku").press("Enter")
    for row in (4, 8):
        report.open(row).get_by_role("button", name="Leave this row out").click()
    assert report.page.locator("#mended").inner_text() == "3 cells changed, 3 rows mended; 2 rows left out."
    report.page.get_by_label("Mended").select_option("no")
    assert report.rows() == ["3"]

    saved = report.save(tmp_path / "saved.csv")

    assert "importer post errors-corrected.csv" in report.page.locator("#saved").inner_text()
    assert here(capsys, "check", saved, "--report", "again").status == 0
    assert [tuple(row.values())[:4] for row in table(Path("again", "rows.csv"))] == [
        ("1001", "MUG", "2", "TRACK1"),
        ("1001", "CUP", "1", "TRACK1"),
        ("1003", "'=LID", "3", "TRACK3"),
        ("1004", "MUG", "2", "TRACK4"),
    ]


def test_what_was_mended_by_itself_or_left_out_is_not_mended_with_all_others(
    context: BrowserContext, tmp_path: Path, capsys: Output
) -> None:
    manifest(tmp_path / "m.csv", *(f"{1001 + at},MUG,two,TRACK{at}" for at in range(5)))
    here(capsys, "check", "m.csv", "--report", "R")
    opened = Opened(context, Path("R", "report.html"))
    own = opened.open(2).get_by_role("textbox", name="quantity")
    own.fill("3")
    own.press("Enter")
    opened.open(3).get_by_role("button", name="Leave this row out").click()
    story = opened.open(4)
    story.get_by_role("textbox", name="quantity").fill("2")

    story.get_by_role("button", name="Apply to all 3 rows with “two”").click()

    assert own.input_value() == "3"
    assert opened.page.locator("#mended").inner_text() == "4 cells changed, 4 rows mended; 1 row left out."
    opened.check()


def test_what_changes_nothing_is_no_step_to_be_undone(report: Opened) -> None:
    story = report.open(2)
    box = story.get_by_role("textbox", name="Qty Shipped quantity")
    box.fill("2.5")
    assert "1 cell still wrong" in report.page.locator("#mended").inner_text()

    story.get_by_role("button", name="Put back").locator("visible=true").click()

    assert box.input_value() == "two"
    assert report.page.locator("#mended").inner_text() == "Nothing is changed yet."
    assert report.page.get_by_role("button", name="Undo").is_disabled()


def test_where_all_rows_are_left_out_there_is_nothing_to_save(report: Opened) -> None:
    for row in report.rows():
        report.open(int(row)).get_by_role("button", name="Leave this row out").click()

    report.page.get_by_role("button", name="Save the corrected errors.csv").click()

    words = "All rows are left out: there is nothing to save, and nothing to import."
    assert report.page.locator("#saved").inner_text() == words
    assert [url for url in report.asked if url.startswith("blob:")] == []


def test_what_the_page_says_to_do_in_the_downloads_folder_goes_to_the_same_ledger(
    context: BrowserContext, tmp_path: Path
) -> None:
    manifest(tmp_path / "m.csv", *ROWS, header=HEADER)
    configuration(tmp_path / "importer.toml", "http://127.0.0.1:9")
    columns = '[columns]\norder_id = "Order #"\nsku = "Item SKU"\nquantity = "Qty Shipped"\n'
    (tmp_path / "own.toml").write_text(f'{columns}tracking_number = "Tracking #"\n', encoding="utf-8")
    orders = {"orders": [{"order_id": 1003, "line_items": [{"sku": "MUG", "quantity": 9}]}]}
    (tmp_path / "orders.json").write_text(json.dumps(orders), encoding="utf-8")
    run = ("post", "m.csv", "--sandbox", "orders.json", "--ledger", "l.db", "--layout", "own.toml")
    assert end(start(*run, "--report", "R")).status == 1
    opened = Opened(context, Path("R", "report.html"))

    opened.save(tmp_path / "saved.csv")

    here_is = tmp_path.absolute()
    assert opened.page.locator("#saved").inner_text() == (
        "Saved as errors-corrected.csv in your downloads. Next, in that folder: "
        f"importer --config {here_is}/importer.toml post errors-corrected.csv --layout {here_is}/own.toml "
        f"--ledger {here_is}/l.db --sandbox {here_is}/orders.json"
    )
    opened.check()


def test_a_page_that_has_not_all_rows_saves_none(context: BrowserContext, tmp_path: Path) -> None:
    told, rows = faulty(1_000)
    written(told, [rows], tmp_path, most_bytes=100_000)

    opened = Opened(context, tmp_path / "report.html")

    assert opened.page.get_by_role("button", name="Save the corrected errors.csv").is_disabled()
    assert "would be lost" in opened.page.locator("#saved").inner_text()
    assert "of 1,000 are on this page" in opened.page.inner_text("main")
    opened.check()


def test_many_rows_are_shown_page_by_page(context: BrowserContext, tmp_path: Path) -> None:
    told, rows = faulty(250)
    written(told, [rows], tmp_path)

    opened = Opened(context, tmp_path / "report.html")
    sizes = [len(opened.rows())]
    for _ in range(2):
        opened.page.get_by_role("button", name="Next").click()
        sizes.append(len(opened.rows()))

    assert sizes == [100, 100, 50]
    assert opened.page.locator("#where").inner_text() == "Page 3 of 3"
    opened.page.get_by_role("button", name="Previous").click()
    assert opened.rows()[0] == "102"
    opened.check()


def test_markup_formulas_and_what_turns_the_direction_of_writing_are_text(
    context: BrowserContext, tmp_path: Path, capsys: Output
) -> None:
    cell = '"{}"'.format(HOSTILE.replace('"', '""'))
    manifest(
        tmp_path / "m.csv",
        f"1,{cell},0,TRACK1,{cell}",
        f'2,"=1+1",{cell},TRACK2,"@x"',
        header=f"{HEADER[:-7]}{cell}",
    )
    here(capsys, "check", "m.csv", "--report", "R")

    opened = Opened(context, Path("R", "report.html"))
    story = opened.open(2)

    assert story.get_by_role("textbox", name="Item SKU sku").input_value() == HOSTILE
    assert opened.page.locator("main script, main b, main img").count() == 0
    assert "</script><script>alert(1)</script><!--<b>" in story.inner_text()
    assert opened.save(tmp_path / "saved.csv").read_bytes() == Path("R", "errors.csv").read_bytes()
    opened.check()


@pytest.mark.parametrize("width", [320, 1200])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_nobody_is_shut_out_and_nothing_runs_out_of_the_window(
    browser: Browser, scheme: Literal["light", "dark"], width: int, tmp_path: Path
) -> None:
    manifest(tmp_path / "m.csv", *ROWS, header=HEADER)
    end(start("post", "m.csv", "--sandbox", "--ledger", "l.db", "--report", "R"))  # playwright has the loop
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    opened = Opened(context, Path("R", "report.html"))
    story = opened.open(2)
    story.get_by_role("textbox", name="Qty Shipped quantity").fill("2.5")
    opened.open(5).get_by_role("textbox", name="Item SKU sku").fill("LID")
    opened.page.evaluate(AXE)

    found = opened.page.evaluate("axe.run()")["violations"]

    wrong = [
        (each["id"], [node["html"] for node in each["nodes"]]) for each in found if each["impact"] in SERIOUS
    ]
    assert wrong == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    opened.check()
    context.close()


def test_without_a_script_there_is_all_but_the_table(
    browser: Browser, tmp_path: Path, capsys: Output
) -> None:
    manifest(tmp_path / "m.csv", *ROWS, header=HEADER)
    here(capsys, "check", "m.csv", "--report", "R")
    context = browser.new_context(java_script_enabled=False)
    opened = Opened(context, Path("R", "report.html"))

    words = opened.page.inner_text("main")
    assert "Of 7 rows, 1 is ready to be posted and 6 need attention." in words
    assert "R/errors.csv has the same rows" in words
    assert not opened.page.locator("#work").is_visible()
    context.close()


# --- the rules in the browser and in the importer ------------------------------------------------------

COLUMNS: Final = ("order_id", "sku", "quantity", "tracking_number", "tracking_url", "notify")
CELLS: Final = (
    *("", " ", "0", "1", "-1", "+1", "2.0", "2.00", "007", "1e5", "1,000", "1000000", "1000001", "two"),
    *(
        "9223372036854775807",
        "9223372036854775808",
        "9223372036854775807.0",
        "09223372036854775807",
        "1" * 22,
    ),
    *("#N/A", "#REF!", "#¡VALOR!", "Err:502", "Apr-72", "24. März 2024", "1.23457E+21", "1E5", "24-Mai"),
    *("ABCDE", "ABCD", "A" * 50, "A" * 51, "AB-12 34", "AB\n12345", "ABCDE,FGHIJ", "123456789012345000"),
    *("ABCDE12345 and FGHIJ12345", "A\vB\vC\vD\vE", "ABCDE\r\nFGHIJ", '="00123"', '="a""b"', '="x'),
    *(
        "\u200b12\ufeff",
        "\xa05\u2003",
        "é" * 255,
        "é" * 256,
        "😀" * 255,
        "😀" * 256,
        "a\tb",
        "a\u2028b",
        "a\x85b",
    ),
    *("-\r5", "x" * 300, "\x1c7", "7\x1f", "http://a", "HTTPS://a/b", "http://", "ftp://a", "http://a b"),
    *(
        "http://\xad",
        "http://\ufdd0",
        "http\u017f://a",
        "Yes",
        "NO",
        "ﾄ",
        "true ",
        "maybe",
        "\u212a",
        *NOTIFY,
    ),
    *(
        "\uff12",
        "\u0663",
        "\uff11\uff3a\uff19\uff19\uff19",
        "\U0001d7d7",
        "\u096b",
        "²",
        "Ⅷ",
        "、",
        "ABCDE、FGHIJ",
    ),
)
PIECES: Final = (
    *"0123456789.-+eE,;/|& \t\n\r\v'\"=#AZaz\xa0\u2028\u200bé\uff13",
    *("#N/A", "Mai", "and", "http://"),
)


Judge: TypeAlias = Callable[[Any, str, Sequence[str]], list[str]]


@pytest.fixture(name="judged", scope="module")
def _judged(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """What the browser says of cells: a code for each, "" for one that is right."""
    folder = tmp_path_factory.mktemp("page")
    told, rows = faulty(1)
    written(told, [rows], folder)
    context = browser.new_context()
    page = context.new_page()
    page.goto((folder / "report.html").as_uri())

    def judge(rules: Any, column: str, cells: Sequence[str]) -> list[str]:  # noqa: ANN401 - JSON
        asked = (
            "([rules, column, cells]) => {"
            "  const { judge } = rulebook(rules);"
            "  return cells.map((cell) => judge(column, cell)); }"
        )
        found: list[str] = page.evaluate(asked, [rules, column, cells])
        return found

    yield judge
    context.close()


def by_importer(order_id: str, column: str, cells: Sequence[str]) -> list[str]:
    """What the importer says of them."""
    columns = tuple(dict.fromkeys(("order_id", "tracking_number", column)))
    fine = {"order_id": "1", "tracking_number": "ABCDE"}
    found = Checker(columns, order_id, takes=("notify",)).check(
        {
            name: pa.array(cells if name == column else [fine[name]] * len(cells), pa.string())
            for name in columns
        },
        {},
    )
    codes = [""] * len(cells)
    for row, code in zip(found.findings.rows.tolist(), found.findings.codes.tolist(), strict=True):
        codes[row] = codes[row] or name_of(code)
    return codes


@pytest.mark.parametrize("order_id", ["integer", "string"])
@pytest.mark.parametrize("column", COLUMNS)
def test_the_browser_judges_as_the_importer_does(judged: Judge, column: str, order_id: str) -> None:
    chance = random.Random(7)  # noqa: S311 - cells to judge, no secret
    cells = [*CELLS, *("".join(chance.choices(PIECES, k=chance.randint(1, 12))) for _ in range(1_000))]
    rules = exported_of(order_id)

    found, expected = judged(rules, column, cells), by_importer(order_id, column, cells)

    assert [each for each in zip(cells, found, expected, strict=True) if each[1] != each[2]] == []
    assert np.unique(expected).size > 1


def exported_of(order_id: str) -> Any:  # noqa: ANN401 - JSON
    return exported(COLUMNS, order_id=order_id, takes=("notify",))


@settings(max_examples=60, deadline=None)
@given(cells=st.lists(st.text(max_size=30), min_size=1, max_size=20), column=st.sampled_from(COLUMNS))
def test_whatever_is_typed_the_browser_judges_as_the_importer_does(
    judged: Judge,
    cells: list[str],
    column: str,
) -> None:
    assert judged(exported_of("string"), column, cells) == by_importer("string", column, cells)


def test_a_cell_of_many_line_breaks_is_judged_at_once(judged: Judge) -> None:
    cell = "A1\n" * 200 + "!"

    assert judged(exported_of("string"), "tracking_number", [cell]) == ["bad-tracking-number"]
    assert by_importer("string", "tracking_number", [cell]) == ["bad-tracking-number"]


@pytest.mark.parametrize("has_commas", [False, True])
def test_a_decimal_comma_is_read_as_the_file_has_it(
    context: BrowserContext, tmp_path: Path, *, has_commas: bool
) -> None:
    header = "Paketnummer;Kundenreferenz;Versandtag;Empfänger;Produktart;Artikelnummer;Menge"
    lines = [
        "TRACK1;1001;23.11.2026;Ada;Business;;1,0",
        "TRACK2;1002;23.11.2026;Bo;Business;MUG;zwei",
        "TRACK3;1003;23.11.2026;Cy;Business;;1,000",
    ]
    header = header if has_commas else "Tracking #;Order #;Date;Who;What;SKU;Qty"
    manifest(tmp_path / "m.csv", *lines, header=header)
    assert end(start("check", "m.csv", "--report", "R")).status == 1
    opened = Opened(context, Path("R", "report.html"))
    quantity = "Menge quantity" if has_commas else "Qty quantity"
    sku = "Artikelnummer sku" if has_commas else "SKU sku"

    first = opened.open(2)
    second = opened.open(3).get_by_role("textbox", name=quantity)
    third = opened.open(4).get_by_role("textbox", name=quantity)
    first.get_by_role("textbox", name=sku).fill("MUG")
    first.get_by_role("textbox", name=sku).press("Enter")
    second.fill("2,00")

    wrong = "false" if has_commas else "true"
    assert first.get_by_role("textbox", name=quantity).get_attribute("aria-invalid") == wrong
    assert second.get_attribute("aria-invalid") == wrong
    assert third.get_attribute("aria-invalid") == "true"
    told = opened.page.locator("#mended").inner_text()
    assert told.startswith(f"1 cell changed, {'1 row' if has_commas else '0 rows'} mended")
    opened.check()


def test_what_the_importer_took_is_right_as_long_as_nobody_touches_it(
    context: BrowserContext, tmp_path: Path
) -> None:
    found = [Findings.of(np.array([0]), "bad-order-id", "order_id")]
    rows = page("m.csv", FIELDS, ("?", "A", "a dozen", "TRACK1"), canonical=FIELDS)
    written(account([None], findings=found), [rows], tmp_path)
    opened = Opened(context, tmp_path / "report.html")
    story = opened.open(2)
    box = story.get_by_role("textbox", name="quantity")

    assert box.get_attribute("aria-invalid") == "false"
    box.fill("a score")
    assert box.get_attribute("aria-invalid") == "true"
    opened.check()


def test_while_a_row_has_a_verdict_nothing_else_of_it_is_wrong(
    context: BrowserContext, tmp_path: Path
) -> None:
    header = "Order #,SKU,Qty,Tracking #,edi_verdict"
    manifest(tmp_path / "m.csv", "1001,,two,TRACK1,split unknown: 2 parcels", header=header)
    assert end(start("check", "m.csv", "--report", "R")).status == 1
    opened = Opened(context, Path("R", "report.html"))
    story = opened.open(2)
    boxes = [story.get_by_role("textbox", name=name) for name in ("sku", "quantity", "edi_verdict")]

    assert [box.get_attribute("aria-invalid") for box in boxes] == ["false", "false", "true"]
    boxes[-1].fill("")
    boxes[-1].press("Enter")
    assert [box.get_attribute("aria-invalid") for box in boxes] == ["true", "true", "false"]
    opened.check()


def test_half_a_line_is_wrong_where_lines_are_optional(
    judged: Judge, context: BrowserContext, tmp_path: Path
) -> None:
    told, rows = faulty(1)
    written(told, [rows], tmp_path)
    page = context.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    rules = exported(FIELDS, order_id="string", optional=("sku", "quantity"))
    asked = (
        "([rules, row]) => ['sku', 'quantity'].map("
        "  (name) => rulebook(rules).judgeIn((other) => row[other], name, row[name]))"
    )

    found = [
        page.evaluate(asked, [rules, {"sku": sku, "quantity": quantity}])
        for sku, quantity in (("", ""), ("A", ""), ("", "1"))
    ]

    assert found == [["", ""], ["", "blank-quantity"], ["blank-sku", ""]]
    assert judged(rules, "sku", [""]) == [""]

"""The README's pictures of report.html: ``python -m benchmarks.pictures [FOLDER]`` (samples/pictures)."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page

from benchmarks.browser import browser

_SAMPLES = Path(__file__).parents[1] / "samples"
_NEEDS_ATTENTION = 1


def main(folder: Path) -> None:
    """Post a sample to the sandbox, and take pictures of its report."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, browser() as chromium:
        report = _report(Path(place))
        tab = _opened(chromium, report, "light", 1200, 1000)
        tab.screenshot(path=folder / "report.png")
        tab = _opened(chromium, report, "dark", 1200, 900)
        _mend(tab)
        tab.screenshot(path=folder / "mending.png")
        tab = _opened(chromium, report, "light", 400, 900)
        tab.screenshot(path=folder / "narrow.png")


def _report(place: Path) -> Path:
    for name in ("manifest.csv", "orders.json"):
        shutil.copy(_SAMPLES / "first-run" / name, place)
    command = ("-m", "importer", "-q", "post", "manifest.csv", "--sandbox", "orders.json")
    options = ("--ledger", "ledger.db", "--report", "report")
    done = subprocess.run([sys.executable, *command, *options], cwd=place, check=False)
    if done.returncode != _NEEDS_ATTENTION:
        sys.exit(f"the sample ended with status {done.returncode}, expected {_NEEDS_ATTENTION}")
    return place / "report" / "report.html"


def _opened(
    chromium: Browser, report: Path, scheme: Literal["light", "dark"], width: int, height: int
) -> Page:
    context = chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    tab = context.new_page()
    tab.goto(report.as_uri())
    return tab


def _mend(tab: Page) -> None:
    """Type a wrong quantity into one row and a right one into another."""
    tab.get_by_role("button", name="Row 11", exact=True).click()
    tab.get_by_role("textbox", name="tracking_number").fill("1Z999AA10300000073")
    tab.keyboard.press("Enter")
    tab.get_by_role("button", name="Row 9", exact=True).click()
    tab.get_by_role("textbox", name="quantity").first.fill("1,5")
    tab.locator("#rows").evaluate("heading => heading.scrollIntoView()")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else _SAMPLES / "pictures")

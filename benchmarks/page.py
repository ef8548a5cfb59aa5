"""How long report.html takes in a browser until a row can be opened."""

import time
from pathlib import Path

from benchmarks.browser import browser


def seconds_to_open(page: Path, repeat: int) -> list[float]:
    """For each time: from asking for the page until its table is there, and a row was opened by a click."""
    found = []
    with browser() as chromium:
        for _ in range(repeat):
            context = chromium.new_context(viewport={"width": 1200, "height": 900})
            tab = context.new_page()
            began = time.perf_counter()
            tab.goto(page.absolute().as_uri())
            tab.locator("#body button.opener").first.click()
            tab.locator("#body tr.story:not([hidden])").first.wait_for()
            found.append(time.perf_counter() - began)
            context.close()
    return found

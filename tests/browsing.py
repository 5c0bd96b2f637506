"""Drive a served index by a real browser: Debian's Chromium, by Playwright."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield Chromium, or skip the test where there is none; CI has one."""
    found = shutil.which("chromium")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs Chromium: apt-get install chromium")
        pytest.skip("needs Chromium")
    with pytest.importorskip("playwright.sync_api").sync_playwright() as playwright:
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        yield playwright.chromium.launch(executable_path=found, args=root)


class Visit:
    """A browser at a site, which has an `address`. What its console says ends the test, unless the test expects it."""

    def __init__(self, browser: Any, site: Any, **options: Any) -> None:
        self.site, self.complaints = site, list[str]()
        self.expected = "^$"
        """A regular expression of what the console may say. It may say it late, on a loaded machine."""
        self.context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"} | options
        )
        self.context.set_default_timeout(60_000)
        self.page = self.open()

    def open(self) -> Any:
        page = self.context.new_page()
        page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text) if message.type in ("error", "warning") else None
            ),
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def go(self, place: str) -> Any:
        """Go to a view, such as "search?q=drill", and return the page."""
        self.page.goto(f"{self.site.address}/#/{place}")
        self.page.wait_for_selector("h1")
        return self.page


@contextmanager
def visiting(browser: Any, site: Any, **options: Any) -> Iterator[Visit]:
    """Yield a visit. Its pages are closed also where the test fails, or the server would wait for them."""
    visit = Visit(browser, site, **options)
    try:
        yield visit
    finally:
        visit.context.close()
    assert [one for one in visit.complaints if not re.search(visit.expected, one)] == []


def serious_violations(page: Any) -> list[tuple[str, list[str]]]:
    """Return what axe-core finds serious or critical, with the elements."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [
        (one["id"], [node["html"][:200] for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]

"""Take the pictures of docs/serve.md: serve an index of sample_corpus/ and look at its page with Chromium.

    python docs/make_pictures.py

It needs Chromium, as tests/test_page.py does.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

REPOSITORY = Path(__file__).parent.parent
DOCS = Path(__file__).parent
SIZE = {"width": 1280, "height": 800}
MOST_BYTES = 150_000
LINES = """\
How do I get my deposit back?
When is my deposit refunded?
The library is closed on public holidays.
We do not open on public holidays.
Bring the drill back by six in the evening.
Tools are due back at six in the evening.
Soup for repair night: onions, lentils and two lemons."""


def search(page: Any) -> None:
    page.locator(".result .title").first.click()
    page.locator(".passage").first.wait_for()


def compare(page: Any) -> None:
    page.locator("textarea").fill(LINES)
    page.locator(".matrix").wait_for()
    page.evaluate("document.activeElement.blur()")


def duplicates(page: Any) -> None:
    page.locator("button.primary").click()
    page.locator(".dup-pane h2").wait_for()
    page.evaluate("scrollTo(0, 0)")


PICTURES: dict[str, tuple[str, str, Callable[[Any], None]]] = {
    "page-search.png": ("search?q=how+do+I+get+my+deposit+back", "light", search),
    "page-compare.png": ("compare?way=matrix", "dark", compare),
    "page-duplicates.png": ("duplicates", "light", duplicates),
}
"""The view of each picture, its colours, and what is done before it is taken."""


@contextmanager
def served() -> Iterator[str]:
    """Index a copy of the sample corpus, and yield the address of its server."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "tool-library"
        shutil.copytree(REPOSITORY / "sample_corpus", folder)
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "SEMSEARCH_LANG": "en"}
        environment.pop("SEMSEARCH_INDEX", None)
        command = [sys.executable, "-m", "semsearch"]
        subprocess.run([*command, "ingest", "."], cwd=folder, env=environment, check=True)
        server = subprocess.Popen(
            [*command, "serve", "--port", "0"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
        )
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()
            server.wait()


def main() -> None:
    """Take the pictures."""
    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (place, colours, prepare) in PICTURES.items():
            page = browser.new_page(
                viewport=SIZE, color_scheme=colours, locale="en-GB", reduced_motion="reduce"
            )
            page.goto(f"{address}#/{place}")
            prepare(page)
            page.wait_for_timeout(500)  # the last transition
            picture = Image.open(BytesIO(page.screenshot())).convert("RGB").quantize(128)
            picture.save(DOCS / name, optimize=True)
            size = (DOCS / name).stat().st_size
            assert size < MOST_BYTES, f"{name} has {size:,} bytes"
            sys.stderr.write(f"wrote {DOCS / name}, {size:,} bytes\n")


if __name__ == "__main__":
    main()

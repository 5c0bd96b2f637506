"""The page in the browser: when it is painted first, what it weighs, and how the map of many passages moves.

    python benchmarks/page.py --repeats 5

A headless Chromium opens the page of a server of the sample corpus, each time without a cache. Then it visits every
view, and the bytes of all files that it has loaded are counted. The map is drawn from made-up points, which the browser
gets in place of the server's, while the wheel turns over it. A frame counts when the browser asks for it.
"""

import json
import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import Report, arguments, run, talk
from playwright.sync_api import Page, sync_playwright
from serve import free_port, server

VIEWS = (
    "search", "map", "clusters", "drift", "duplicates", "label", "tune", "adapt", "embed", "compare", "triage", "index",
)  # fmt: skip
TURNS = 60
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
_BYTES = """() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
    .filter((one) => !one.name.includes('/api/')).map((one) => [one.name, one.encodedBodySize])"""
_FRAMES = """() => {
    window.frames_ = [];
    const next = (now) => { window.frames_.push(now); requestAnimationFrame(next); };
    requestAnimationFrame(next);
}"""


def map_of(points: int) -> bytes:
    """Return a map as `GET map` answers it, of points in clusters."""
    random = np.random.default_rng(0)
    folder = random.integers(0, 20, points).astype("<u4")
    xy = (random.standard_normal((20, 2))[folder] + 0.2 * random.standard_normal((points, 2))).astype("<f4")
    about = {"version": "v", "passages": points, "documents": points, "share": 0.5,
             "folders": [f"folder-{number}" for number in range(20)]}  # fmt: skip
    head = json.dumps(about).encode()
    head += b" " * (-len(head) % 4)
    group = np.zeros(points, "<u4")
    return np.uint32(len(head)).tobytes() + head + xy.tobytes() + folder.tobytes() + group.tobytes()


def moved(page: Page, address: str, body: bytes) -> float:
    """Return the frames a second while the wheel turns over a map."""
    page.route("**/api/v1/map?*", lambda route: route.fulfill(body=body))
    page.route("**/api/v1/map", lambda route: route.fulfill(body=body))
    page.route("**/api/v1/map/passages*", lambda route: route.fulfill(json={"matching": 0, "passages": []}))
    page.goto(f"{address}/#/map")
    page.locator("canvas").first.wait_for()
    page.mouse.move(600, 400)
    page.evaluate(_FRAMES)
    for turn in range(TURNS):
        page.mouse.wheel(0, 60 if turn % 20 < 10 else -60)
    frames = page.evaluate("window.frames_")
    return 1_000 * (len(frames) - 1) / (frames[-1] - frames[0])


def main() -> None:
    parser = arguments(__doc__, repeats=5)
    parser.add_argument(
        "--points", type=int, default=100_000, metavar="N", help="on the map (default 100,000)"
    )
    options = parser.parse_args()
    found = shutil.which("chromium")
    if found is None:
        raise SystemExit("error: there is no Chromium\nhint: apt-get install chromium")
    report = Report("page", options)
    paints: list[float] = []
    sizes: dict[str, int] = {}
    frames: list[float] = []
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        index, port = Path(made) / ".semsearch", free_port()
        run("-m", "semsearch", "--index", index, "ingest", Path(__file__).parents[1] / "sample_corpus")
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=found, args=root)
        with server(port, "-m", "semsearch", "--index", index, "serve", "--port", str(port)):
            address = f"http://127.0.0.1:{port}"
            for turn in range(options.repeats + 1):
                context: Any = browser.new_context(viewport={"width": 1280, "height": 800})
                page = context.new_page()
                page.goto(f"{address}/#/search")
                page.wait_for_selector("h1")
                if turn:  # the first one warms the browser
                    paints.append(page.evaluate(_PAINTED))
                    talk(f"painted after {paints[-1]:.0f} ms")
                if turn == 1:
                    for view in VIEWS:
                        page.goto(f"{address}/#/{view}")
                        page.wait_for_selector("h1")
                        page.wait_for_load_state("networkidle")
                        sizes |= dict(page.evaluate(_BYTES))
                if turn:
                    frames.append(moved(context.new_page(), address, map_of(options.points)))
                context.close()
    weight = sum(sizes.values()) / 1_000
    report.table(
        "the page",
        ("", "median"),
        [
            ("first paint, ms", f"{statistics.median(paints):.0f}"),
            ("all files of all views, kB", f"{weight:.0f}"),
            (f"frames a second of the map of {options.points:,} points", f"{statistics.median(frames):.0f}"),
        ],
    )
    report.figures = {
        "first_paint_ms": paints,
        "kilobytes": weight,
        "files": sizes,
        "frames_per_second": frames,
    }
    report.bar("first paint, ms", statistics.median(paints), "<=", 300)
    report.bar("all files of all views, kB", weight, "<=", 300)
    report.close()


if __name__ == "__main__":
    main()

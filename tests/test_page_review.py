"""The views of the page that review, label, tune and map, in a real browser."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from browsing import Visit, serious_violations, visiting
from serving import served
from tiny_embedder import create_index

from semsearch.dedup.plan import Plan
from semsearch.dedup.veto import FACTS
from semsearch.server.app import PAGE
from semsearch.tuning.labels import read_labels

HOSTILE = "<img src=x onerror=hacked()>"
SUBJECTS = [
    "ferry",
    "drill",
    "bread",
    "saw",
    "ladder",
    "garden",
    "kettle",
    "window",
    "tractor",
    "piano",
    "candle",
    "blanket",
    "mirror",
    "bucket",
    "lantern",
    "anchor",
    "violin",
    "hammock",
    "compass",
    "saddle",
    "basket",
]
GROUPS = len(SUBJECTS)
NAMES = "[...document.querySelectorAll('.pair-name')].map((one) => one.innerText).join()"
DRAWN = """() => {
  const canvas = document.querySelector(".map-stage canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.some((one) => one);
}"""


class Site:
    """A served index in which every document has a near copy, the first one an exact copy."""

    def __init__(self, folder: Path) -> None:
        self.ending = ExitStack()
        for at, word in enumerate(SUBJECTS):
            text = f"The {word} {word} of the {word} house is lent {word} by {word} on {word} days to {word} people"
            other = text if not at else f"{text} again"
            (folder / f"{word}-1.md").write_text(f"{text} {HOSTILE if at == 1 else ''}", encoding="utf-8")
            (folder / f"{word}-2.md").write_text(f"{other} {HOSTILE if at == 1 else ''}", encoding="utf-8")
        (folder / f"{SUBJECTS[1]}-2.md").rename(folder / f"{HOSTILE}.md")
        self.index = self.ending.enter_context(create_index(folder / ".semsearch"))
        self.index.ingest(folder)
        self.address = self.ending.enter_context(served(self.index))


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    with site.ending:
        yield site


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Visit]:
    site = Site(tmp_path)
    with site.ending, visiting(browser, site) as visit:
        yield visit


def begin(page: Any) -> None:
    """Start what the view offers, unless it has been started."""
    page.locator(".dup-start button.primary, .pair-panes").first.wait_for()
    if page.locator(".dup-start").count():
        page.locator(".dup-start button.primary").click()
    page.locator(".pair-panes").wait_for()


def decided(page: Any, count: int) -> None:
    """Wait until a number of groups is decided."""
    page.locator(".dup-foot strong", has_text=f"{count} of {GROUPS} groups").wait_for()


def test_review_by_keyboard_ends_in_an_apply_and_an_undo(visit: Visit) -> None:
    page, index = visit.go("duplicates"), visit.site.index
    begin(page)
    for count in range(1, 9):
        page.keyboard.press("1" if count % 2 else "2")
        decided(page, count)
    page.keyboard.press("3")
    decided(page, 9)
    page.keyboard.press("4")
    decided(page, 10)
    page.keyboard.press("u")
    decided(page, 9)
    page.keyboard.press("x")
    decided(page, 10)

    page.reload()
    page.locator(".pair-panes").wait_for()
    decided(page, 10)
    other = visit.open()
    other.goto(page.url)
    other.locator(".pair-panes").wait_for()
    decided(other, 10)
    other.keyboard.press("1")
    decided(other, 11)
    other.close()
    page.reload()
    page.locator(".pair-panes").wait_for()
    for count in range(12, GROUPS + 1):
        page.keyboard.press("1")
        decided(page, count)
    page.get_by_text("All groups are decided").first.wait_for()

    with page.expect_download() as download:
        page.get_by_role("button", name="Plan", exact=True).click()
    plan = Plan.load(download.value.path())
    gone = {step.document for step in plan.steps}
    assert len(gone) == GROUPS - 2
    before = set(index.sources())
    page.get_by_role("button", name="Apply…").click()
    move = page.get_by_role("button", name=f"Move {len(gone)} files")
    move.wait_for()
    told = dict(
        zip(
            *(page.locator(f".dup-files {part}").all_inner_texts() for part in (".mono", ".small")),
            strict=True,
        )
    )
    assert set(told) == gone
    exact = next(step for step in plan.steps if step.tier == "exact")
    assert told[exact.document] == f"exact copy of {exact.keeper}"
    assert all(
        f"copy of {one.keeper}, similarity 0." in told[one.document] for one in plan.steps if one != exact
    )
    move.click()
    page.get_by_text(f"{len(gone)} files moved").wait_for()
    assert set(index.sources()) == before - gone
    assert not any(index.path_of(name).exists() for name in gone)
    page.locator(".dup-pane .empty").get_by_text(
        "The files of an applied plan are in the quarantine"
    ).wait_for()
    assert "Apply the plan" not in page.locator(".dup-pane").inner_text()
    page.get_by_role("button", name="Undo…").click()
    page.get_by_role("dialog").get_by_role("button", name="Undo").click()
    page.get_by_text(f"{len(gone)} files are back").wait_for()
    assert all(index.path_of(name).exists() for name in gone)


def test_review_searches_again_once_the_index_has_changed(visit: Visit) -> None:
    page = visit.go("duplicates")
    begin(page)
    page.keyboard.press("1")
    decided(page, 1)
    visit.site.index.add([{"id": "1", "text": "something new"}])
    page.reload()
    page.locator(".pair-panes").wait_for()
    decided(page, 1)
    page.keyboard.press("1")
    decided(page, 2)
    visit.expected = "Failed to load resource"  # the browser reports the answer that said so


def test_slider_counts_groups_and_shows_those_of_its_threshold(visit: Visit) -> None:
    page = visit.go("duplicates")
    begin(page)
    slider = page.get_by_role("slider", name="Threshold")
    slider.press("End")
    found = visit.site.index.duplicates(1.0)
    assert page.locator(".figure strong").all_inner_texts()[:3] == [
        "1.00",
        str(len(found.groups)),
        str(found.exact),
    ]
    page.wait_for_function("() => document.querySelectorAll('.dup-item').length === 1")
    assert "threshold=1" in page.url
    page.get_by_role("button", name="Accept all exact copies").click()
    page.get_by_text("1 exact copy goes").first.wait_for()
    page.get_by_text("All groups are decided").first.wait_for()


def test_warnings_are_the_facts_for_which_dedup_keeps_both(visit: Visit) -> None:
    mice = "grey mice under our stairs eat barley, oats, rye, cheese, apples, plums, pears, nuts and are"
    visit.site.index.add([{"id": f"mice-{days}", "text": f"{mice} {days} days old"} for days in (3, 4)])
    page = visit.go("duplicates?state=all")
    page.locator(".dup-start button.primary").wait_for()
    page.get_by_text("Also show texts that differ in a fact").click()
    begin(page)
    page.locator(".dup-item", has_text="mice").click()
    page.locator(".pair-name", has_text="mice").first.wait_for()
    assert page.locator(".pair-warnings strong").all_inner_texts() == ["A number differs"]
    assert page.locator(".pair-warnings span").all_inner_texts() == ["3 days / 4 days"]


def test_number_that_parts_no_texts_has_no_warning(visit: Visit) -> None:
    def marked(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"numbers": [{"a": "1", "b": ""}]})

    visit.page.route("**/api/v1/groups/pair?*", marked)
    page = visit.go("duplicates")
    begin(page)
    assert page.locator(".pair-warnings").count() == 0
    page.unroute_all(behavior="ignoreErrors")  # a pair may be asked for again just now


def test_every_fact_that_parts_texts_has_a_warning() -> None:
    table = re.search(r"const RULES = {(.+?)};", (PAGE / "pair.js").read_text(encoding="utf-8"), re.DOTALL)
    assert table
    assert set(re.findall(r"(\w+): N\(", table[1])) == FACTS | {"date"}


def test_verdicts_become_labels_that_measure_the_precision(visit: Visit) -> None:
    page = visit.go("duplicates")
    begin(page)
    page.keyboard.press("1")
    decided(page, 1)
    page.keyboard.press("4")
    decided(page, 2)
    page.get_by_role("button", name="Use as labels").click()
    page.get_by_text("2 labels saved").wait_for()
    page.get_by_text("precision by your labels").wait_for()
    assert page.locator(".figure strong").all_inner_texts()[3] == "50%"
    assert sorted(row.label for row in read_labels(visit.site.index.folder / "labels.csv")) == ["0", "1"]


def test_labels_are_given_by_keyboard_and_taken_back(visit: Visit) -> None:
    page, path = visit.go("label"), visit.site.index.folder / "labels.csv"
    begin(page)
    shown = []
    for count, key in enumerate("ynys", 1):
        shown.append(page.locator(".pair-name").all_inner_texts())
        page.keyboard.press(key)
        page.wait_for_function(f"names => ({NAMES}) !== names", arg=",".join(shown[-1]))
        assert len(read_labels(path)) == count
    page.reload()
    page.locator(".pair-panes").wait_for()
    page.get_by_text("2 duplicates, 1 not, 1 skipped").wait_for()
    page.keyboard.press("u")
    page.get_by_text("2 duplicates, 1 not, 0 skipped").wait_for()
    assert page.locator(".pair-name").all_inner_texts() == shown[-1]
    assert [[row.left, row.right, row.label] for row in read_labels(path)] == [
        [*names, label] for names, label in zip(shown[:3], "101", strict=True)
    ]


def test_tune_draws_the_curve_and_its_table(visit: Visit) -> None:
    page = visit.go("tune")
    page.get_by_text("Not tuned yet").wait_for()
    page.get_by_role("button", name="Tune").click()
    page.get_by_text("The tuned threshold").wait_for()
    saved = visit.site.index.threshold["threshold"]
    assert float(page.locator(".tune-number").inner_text()) == pytest.approx(saved, abs=1e-4)
    number = page.locator(".tune-number").inner_text()
    assert page.locator(".tune-said").inner_text().startswith(f"From {number} (tuned) up")
    page.get_by_text("The curve as a table").click()
    assert page.locator("tbody tr").count() > 5
    before = page.locator(".tune-said").inner_text()
    page.get_by_role("slider", name="Threshold on the curve").press("Home")
    after = page.locator(".tune-said").inner_text()
    assert before != after
    assert "100% of the duplicates" in after


def test_map_shows_a_passage_and_lists_a_lasso(visit: Visit) -> None:
    page, index = visit.go("map"), visit.site.index
    page.locator(".map-rows li").first.wait_for()
    total = 2 * GROUPS
    page.get_by_role("heading", name=f"{total} passages").wait_for()
    page.wait_for_function(DRAWN)
    page.locator(".map-rows button").first.click()  # which brings the point to the middle
    page.locator(".map-stage").scroll_into_view_if_needed()
    box = page.locator(".map-stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2 + 1, box["y"] + box["height"] / 2)
    page.locator(".map-tip:visible").wait_for()
    assert page.locator(".map-tip strong").inner_text() in index.sources()
    page.get_by_role("button", name="Show all").click()
    page.keyboard.press("l")
    page.locator(".map-stage.lasso").scroll_into_view_if_needed()
    box = page.locator(".map-stage").bounding_box()
    corners = [(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99)]
    page.mouse.move(box["x"] + 0.01 * box["width"], box["y"] + 0.01 * box["height"])
    page.mouse.down()
    for x, y in corners:
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
    page.mouse.up()
    page.get_by_role("heading", name=f"{total} passages in the lasso").wait_for()
    page.get_by_role("searchbox").fill("ferry-")
    page.get_by_role("heading", name="2 passages in the lasso", exact=True).wait_for()
    assert page.locator(".map-row strong").all_inner_texts() == ["ferry-1.md", "ferry-2.md"]


def test_clusters_are_those_of_the_index(visit: Visit) -> None:
    page, index = visit.go("clusters"), visit.site.index
    page.locator(".clusters li").first.wait_for()
    found = index.clusters()
    assert page.locator(".clusters h2").all_inner_texts() == [one.name for one in found.clusters]
    first = page.locator(".clusters li").first
    first.get_by_role("button", name="Show its texts").click()
    first.locator("article").first.wait_for()
    (best,) = found.read(found.members(1)[:1].tolist())
    assert first.locator("article .title").first.inner_text() == best.document
    page.get_by_role("radio", name="Very fine").check()
    fine = index.clusters(granularity=10)
    page.get_by_text(f"{len(fine)} clusters").wait_for()
    assert "grain=finest" in page.url
    assert page.locator("main img, main script").count() == 0


FILLED = {
    "duplicates": begin,
    "label": begin,
    "tune": lambda page: page.locator(".tune-number").wait_for(),
    "map": lambda page: page.locator(".map-rows li").first.wait_for(),
    "clusters": lambda page: page.locator(".clusters li").first.wait_for(),
}


@pytest.mark.long
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", FILLED)
def test_axe_finds_no_serious_violation(browser: Any, shared_site: Site, view: str, theme: str) -> None:
    with visiting(browser, shared_site, color_scheme=theme, reduced_motion="reduce") as visit:
        page = visit.go(view)
        FILLED[view](page)
        assert serious_violations(page) == []


@pytest.mark.parametrize("view", FILLED)
def test_nothing_is_wider_than_a_narrow_screen(browser: Any, shared_site: Site, view: str) -> None:
    with visiting(browser, shared_site, viewport={"width": 375, "height": 700}) as visit:
        page = visit.go(view)
        FILLED[view](page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_hostile_names_and_texts_are_text(browser: Any, shared_site: Site) -> None:
    with visiting(browser, shared_site) as visit:
        page = visit.go("duplicates?state=all")
        begin(page)
        page.locator(".dup-item", has_text=SUBJECTS[1]).or_(
            page.locator(".dup-item", has_text="onerror")
        ).first.click()
        page.locator(".pair-name", has_text="onerror").wait_for()
        assert page.locator(".pair-pane .text", has_text=HOSTILE).count() == 2
        page.get_by_role("link", name="Map").click()
        page.get_by_role("searchbox").fill("onerror")
        page.locator(".map-row", has_text=HOSTILE).first.wait_for()
        assert page.locator("main img").count() == 0

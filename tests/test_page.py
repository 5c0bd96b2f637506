"""The page of `semsearch serve`, in a real browser: Debian's Chromium, by Playwright."""

import csv
import json
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import Visit, serious_violations, visiting
from serving import served
from tiny_embedder import TinyEmbedder, create_index

from semsearch.cli.language import CATALOGUES, into
from semsearch.embedding import Kind, ProgressCallback, Vectors
from semsearch.errors import SemsearchError
from semsearch.index import Index
from semsearch.server.app import PAGE
from semsearch.server.context import Settings

VIEWS = ("search", "embed", "compare", "index")
MOST_BYTES = 300_000
"""The most that the page weighs, apart from the map."""
HOSTILE = "<img src=x onerror=hacked()>"
TEXTS = {
    "notes/deposit.md": "# Deposits\n\nThe deposit is paid back when the drill is returned.\n\nAsk at the desk.",
    "notes/deposit-copy.md": "# Deposits\n\nThe deposit is paid back when the drill is returned.\n\nAsk at the desk.",
    "notes/drill.md": "---\ntags: [loan, tools]\n---\n# Drills\n\nThe drill is lent for three days.",
    "notes/saw.md": "---\ntags: [tools]\n---\n# Saws\n\nThe saw is lent for one day.",
    "notes/soup.md": "---\ntags: [kitchen]\n---\n# Soup\n\nSoup is served at six.",
    f"notes/{HOSTILE}.md": f"---\nstatus: '{HOSTILE}'\n---\n# Trouble {HOSTILE}\n\nA trap: {HOSTILE} <script>x()",
    "rows.csv": f'id,text,kind\n1,"A trap in a row says {HOSTILE}","{HOSTILE}"\n',
}


SHARED_TERMS = (
    "exact",
    "lexical",
    "semantic",
    "precision",
    "recall",
    "threshold",
    "near-duplicate",
    "keeper",
)


class GatedEmbedder(TinyEmbedder):
    """A tiny embedder that waits at a gate, so that a test can look at work that is under way."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()

    def embed(
        self, texts: Sequence[str], kind: Kind = "passage", progress: ProgressCallback | None = None
    ) -> Vectors:
        assert self.gate.wait(60)
        return super().embed(texts, kind, progress)


class Site:
    """A served index, with the embedder that it waits for and its folder."""

    def __init__(self, folder: Path, settings: Settings | None = None) -> None:
        self.folder, self.embedder, self.ending = folder, GatedEmbedder(), ExitStack()
        self.index = self.ending.enter_context(create_index(folder / ".semsearch", self.embedder))
        for name, text in TEXTS.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        self.index.ingest([folder / "notes", folder / "rows.csv"])
        self.address = self.ending.enter_context(served(self.index, settings))


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    languages = {name: partial(into, name) for name in CATALOGUES}
    site = Site(tmp_path_factory.mktemp("site"), Settings(languages=languages))
    with site.ending:
        yield site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Return a site that a test may change."""
    site = Site(tmp_path)
    with site.ending:
        yield site


@pytest.fixture
def visit(browser: Any, shared_site: Site) -> Iterator[Visit]:
    with visiting(browser, shared_site) as visit:
        yield visit


@pytest.fixture
def own_visit(browser: Any, site: Site) -> Iterator[Visit]:
    with visiting(browser, site) as visit:
        yield visit


def titles(page: Any) -> list[str]:
    return [re.sub(r"^\d+\. ", "", text) for text in page.locator(".result .title").all_text_contents()]


# -- search ---------------------------------------------------------------------------------------------


def test_search_shows_passages_while_typing(visit: Visit) -> None:
    page = visit.go("search")
    page.get_by_text("What are you looking for?").wait_for()
    page.keyboard.type("drill lent")
    page.locator(".result").first.wait_for()
    hits = visit.site.index.search("drill lent", k=10)
    expected = [f"{rank}. {hit.heading or hit.document}" for rank, hit in enumerate(hits, 1)]
    page.wait_for_function(  # a slow machine also shows the hits of what was typed first
        "all => [...document.querySelectorAll('.result .title')].map((one) => one.textContent).join() === all",
        arg=",".join(expected),
    )
    first = page.locator(".result").first
    assert f"{hits[0].cosine:.2f}" in first.inner_text()
    assert f"{hits[0].bm25:.2f}" in first.inner_text()
    assert page.locator("[role=status]", has_text=f"{len(hits)} passages").count() == 1


def test_search_answers_the_last_question(visit: Visit) -> None:
    page = visit.go("search")
    held: list[Any] = []
    page.route("**/api/v1/search?*q=soup*", lambda route: held.append(route))
    page.locator("[data-search]").fill("soup")
    page.wait_for_timeout(400)
    page.locator("[data-search]").fill("saw")
    page.locator(".result").first.wait_for()
    assert titles(page)[0] == "Saws"
    assert len(held) == 1
    visit.expected = "Failed to load resource|ERR_"  # the browser may report the question that was given up


def test_passages_are_shown_before_their_best_sentences(visit: Visit) -> None:
    page = visit.page
    held: list[Any] = []
    page.route(
        lambda url: "/search?" in url and "highlight=false" not in url, lambda route: held.append(route)
    )
    visit.go("search?q=drill")
    page.locator(".result .snippet").first.wait_for()
    found = titles(page)
    assert page.locator(".result mark").count() == 0
    while not held:
        page.wait_for_timeout(20)
    held[0].continue_()
    page.locator(".result mark").first.wait_for()
    assert titles(page) == found
    hits = visit.site.index.search("drill", k=10)
    best = " ".join(hits[0].text[slice(*hits[0].highlight)].split())
    assert page.locator(".result").first.locator("mark").inner_text() == best


def test_search_is_used_by_keyboard_alone(visit: Visit) -> None:
    page = visit.go("search?q=drill")
    page.locator(".result").first.wait_for()
    page.locator("h1").focus()
    page.keyboard.press("/")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    opened = page.locator(".panel .passage[aria-current]")
    opened.wait_for()
    hit = visit.site.index.search("drill", k=10)[0]
    assert page.locator("#panel-title").inner_text() == hit.document
    assert opened.locator(".line-number").all_text_contents() == [
        str(n) for n in range(hit.start, hit.end + 1)
    ]
    page.keyboard.press("Escape")
    assert not page.locator(".panel").is_visible()
    assert page.evaluate("document.activeElement.className") == "title"
    page.keyboard.press("?")
    assert page.get_by_role("dialog", name="Keys").is_visible()
    page.keyboard.press("Escape")


def test_keys_go_on_from_the_result_that_is_open(visit: Visit) -> None:
    page = visit.go("search?q=lent")
    page.locator(".result").nth(2).wait_for()
    page.locator(".result .title").nth(1).click()
    page.locator(".panel .passage[aria-current]").wait_for()
    page.keyboard.press("s")
    page.locator(".panel .similar li").first.wait_for()
    page.keyboard.press("j")
    assert page.locator(".result .title").nth(2).evaluate("one => one === document.activeElement")


@pytest.mark.parametrize("question", ["drill", ""])
def test_escape_leaves_the_question_as_it_is(visit: Visit, question: str) -> None:
    page = visit.go(f"search?q={question}")
    field = page.locator("[data-search]")
    field.focus()
    page.keyboard.press("Escape")
    assert not field.evaluate("one => one === document.activeElement")
    assert field.input_value() == question


def test_reload_shows_the_same_search(visit: Visit) -> None:
    page = visit.go("search?q=drill")
    page.get_by_role("radio", name="Words", exact=True).check()
    page.locator(".result .title").first.click()
    page.locator(".passage").first.wait_for()
    before = titles(page), page.locator("#panel-title").inner_text()
    page.reload()
    page.locator(".passage").first.wait_for()
    assert (titles(page), page.locator("#panel-title").inner_text()) == before
    assert page.locator("input[value=lexical]").is_checked()


def test_similar_passages_open_from_a_result(visit: Visit) -> None:
    page = visit.go("search?q=drill")
    page.get_by_role("button", name="Similar").first.click()
    page.locator(".similar li").first.wait_for()
    hit = visit.site.index.search("drill", k=10)[0]
    path = visit.site.index.path_of(hit.source)
    expected = [found.document for found in visit.site.index.similar(path, hit.start, k=10)]
    assert page.locator(".similar .path").all_text_contents() == expected


def test_unfinished_letters_of_an_input_method_are_no_question(visit: Visit) -> None:
    page = visit.go("search")
    page.get_by_text("What are you looking for?").wait_for()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/search?" in request.url else None)
    keyboard = visit.context.new_cdp_session(page)
    keyboard.send("Input.imeSetComposition", {"text": "tang", "selectionStart": 4, "selectionEnd": 4})
    page.wait_for_timeout(500)
    assert asked == []
    keyboard.send("Input.insertText", {"text": "汤"})
    page.locator(".result").first.wait_for()
    assert asked and all("q=%E6%B1%A4&" in one for one in asked)


def test_copies_are_collapsed_until_asked_for(visit: Visit) -> None:
    page = visit.go("search?q=deposit")
    page.get_by_text("1 more copy").wait_for()
    page.get_by_label("Collapse copies").uncheck()
    page.wait_for_function("() => !document.querySelector('.copies')")
    assert titles(page).count("Deposits") == 2


def test_filters_are_chips_that_narrow_the_hits(visit: Visit) -> None:
    page = visit.go("search?q=lent")
    page.locator(".result").first.wait_for()
    page.get_by_role("button", name="Filters").click()
    page.get_by_role("group", name="tags").get_by_role("button", name="tools 2").click()
    page.wait_for_function("() => document.querySelectorAll('.result').length === 2")
    assert sorted(titles(page)) == ["Drills", "Saws"]
    page.reload()
    page.get_by_role("button", name="Remove the filter tags: tools").click()
    page.wait_for_function("() => document.querySelectorAll('.result').length > 2")


def test_doubtful_hits_come_with_a_warning(visit: Visit) -> None:
    page = visit.page

    def doubted(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"doubt": "perhaps nothing here answers it"})

    page.route("**/api/v1/search?*", doubted)
    visit.go("search?q=soup")
    page.get_by_text("Nothing relevant found").wait_for()
    assert page.locator(".result").count() > 0
    page.unroute_all(behavior="ignoreErrors")  # best sentences are asked for just now


def test_an_error_of_the_query_is_told_with_its_hint(visit: Visit) -> None:
    visit.expected = "400"
    page = visit.go("search?q=%22%22")
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "the query is empty" in alert.inner_text()
    assert "give some words to look for" in alert.inner_text()


def test_a_server_that_is_gone_is_told(visit: Visit) -> None:
    visit.expected = "ERR_FAILED"
    page = visit.go("search")
    page.route("**/api/v1/search?*", lambda route: route.abort())
    page.locator("[data-search]").fill("soup")
    page.get_by_role("alert").get_by_text("The server does not answer").wait_for()
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    page.locator(".result").first.wait_for()


# -- embed and compare ----------------------------------------------------------------------------------


def test_embedded_lines_download_as_the_library_embeds_them(visit: Visit, tmp_path: Path) -> None:
    texts = ['the "saw", lent', "drill ?unseen", "汤 at six", "=drill"]
    page = visit.go("embed")
    page.get_by_label("Texts", exact=True).fill("\n".join([texts[0], "", *texts[1:]]))
    page.get_by_role("button", name="Embed", exact=True).click()
    page.get_by_role("heading", name="4 vectors").wait_for()
    assert page.locator(".token.unknown").all_text_contents() == ["?unseen (unknown)"]
    expected = visit.site.index.embed(texts)
    files = {}
    for name in ("JSON", "CSV", "NPY"):
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        files[name] = tmp_path / download.value.suggested_filename
        download.value.save_as(files[name])
    told = json.loads(files["JSON"].read_text(encoding="utf-8"))
    with files["CSV"].open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    assert told["texts"] == texts
    assert [row[0] for row in rows] == [*texts[:-1], "'=drill"]  # what a spreadsheet would run
    for vectors in (told["vectors"], np.array([row[1:] for row in rows], np.float32), np.load(files["NPY"])):
        np.testing.assert_allclose(vectors, expected, atol=1e-6)


def test_typed_texts_outlive_a_reload_and_a_change_of_language(visit: Visit) -> None:
    page = visit.go("compare")
    page.get_by_label("First text").fill("The saw is lent.")
    page.get_by_label("Second text").fill("The drill is lent.")
    page.locator(".verdict").wait_for()
    page.reload()
    page.locator(".verdict").wait_for()
    page.get_by_role("button", name="中文").click()
    page.get_by_role("heading", name="比较").wait_for()
    page.locator(".verdict").wait_for()
    assert page.get_by_label("第一个文本").input_value() == "The saw is lent."


def test_a_column_of_a_table_is_embedded(visit: Visit) -> None:
    rows = [["id", "note"], ["1", 'two\nlines, a "quote"'], ["2", HOSTILE], ["3", ""], ["4", "last"]]
    content = "\ufeff" + "".join(
        ",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\r\n" for row in rows
    )
    page = visit.go("embed")
    page.locator("input[type=file]").set_input_files(
        {"name": "notes.csv", "mimeType": "text/csv", "buffer": content.encode()}
    )
    page.get_by_label("Column of notes.csv").wait_for()
    assert page.get_by_label("Texts", exact=True).input_value() == f'two lines, a "quote"\n{HOSTILE}\nlast'
    page.get_by_label("Column of notes.csv").select_option("id")
    assert page.get_by_label("Texts", exact=True).input_value() == "1\n2\n3\n4"


def test_two_texts_are_compared_as_they_are_typed(visit: Visit) -> None:
    a, b = "The saw is lent for 3 days.", "The saw is lent for 4 days."
    page = visit.go("compare")
    page.get_by_label("First text").fill(a)
    page.get_by_label("Second text").fill(b)
    page.get_by_text("Not a duplicate").wait_for()
    found = visit.site.index.compare_texts(a, b)
    assert page.locator(".big").inner_text() == f"{found.similarity:.3f}"
    assert found.differs in page.locator(".verdict").inner_text()
    assert (page.locator("del").all_text_contents(), page.locator("ins").all_text_contents()) == (
        ["3"],
        ["4"],
    )


def test_matrix_has_the_cosine_of_each_line_with_each(visit: Visit) -> None:
    texts = [f"line {number} of the saw {number % 7}" for number in range(50)]
    page = visit.go("compare?way=matrix")
    page.get_by_role("textbox", name="Lines").fill("\n".join(texts))
    page.locator(".matrix").wait_for()
    cells = page.locator(".matrix tbody td").all_text_contents()
    vectors = visit.site.index.embed(texts)
    np.testing.assert_allclose(np.array(cells, float).reshape(50, 50), vectors @ vectors.T, atol=0.0051)
    page.get_by_role("textbox", name="Lines").fill("\n".join([*texts, "one more"]))
    page.get_by_text("These are 51 lines; at most 50 are compared").wait_for()


# -- the index ------------------------------------------------------------------------------------------


def test_index_shows_each_source_with_its_state(visit: Visit) -> None:
    page = visit.go("index")
    page.locator(".sources tbody tr").first.wait_for()
    shown = page.locator(".sources tbody .path").all_text_contents()
    assert shown == [status.path for status in visit.site.index.why()]


def test_ingest_goes_on_over_a_reload_and_tells_the_other_tab(own_visit: Visit) -> None:
    site = own_visit.site
    (site.folder / "notes" / "new.md").write_text("# News\n\nA ladder came in.", encoding="utf-8")
    (site.folder / "notes" / "picture.md").write_bytes(b"\0\1\2" * 100)
    page, other = own_visit.go("index"), own_visit.open()
    other.goto(f"{site.address}/#/search?q=ladder")
    other.locator(".result").first.wait_for()
    assert titles(other)[0] != "News"
    page.bring_to_front()
    site.embedder.gate.clear()
    page.get_by_label("Add a folder or file").fill(str(site.folder / "notes"))
    page.get_by_role("button", name="Ingest").click()
    page.locator(".job").wait_for()
    page.reload()
    page.locator(".job").wait_for()
    site.embedder.gate.set()
    report = page.locator(".report")
    report.wait_for()
    page.locator(".sources .path", has_text="notes/new.md").wait_for()
    assert page.get_by_role("button", name="Ingest").is_enabled()
    assert "1 added" in report.inner_text()
    assert "picture.md" in report.text_content()
    other.bring_to_front()
    other.wait_for_function("() => document.querySelector('.result .title')?.textContent.includes('News')")


def test_check_of_the_index_is_shown(visit: Visit) -> None:
    page = visit.go("index")
    page.get_by_role("button", name="Check the index").click()
    page.get_by_text("The index is sound").wait_for()


def test_read_only_page_offers_no_change(browser: Any, tmp_path: Path) -> None:
    site = Site(tmp_path, Settings(read_only=True))
    with site.ending, visiting(browser, site) as visit:
        page = visit.go("index")
        page.get_by_text("This server only reads").wait_for()
        assert page.get_by_role("button", name="Ingest").count() == 0


@pytest.mark.parametrize("ends", [False, True])
def test_page_says_whether_folders_are_watched(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    def no_watch(*_: object, **__: object) -> Iterator[None]:
        raise SemsearchError("no watch is left")

    if ends:
        monkeypatch.setattr(Index, "changes", no_watch)
    site = Site(tmp_path, Settings(watch=True))
    with site.ending, visiting(browser, site) as visit:
        said = "no watch is left" if ends else "changes of files are taken up at once"
        visit.go("index").get_by_text(said).wait_for()


# -- everywhere -----------------------------------------------------------------------------------------

FILLED = {
    "search": "search?q=trap",
    "embed": "embed",
    "compare": "compare",
    "index": "index",
}


def fill(page: Any, view: str) -> None:
    """Wait until a view has content, which has hostile texts in it."""
    if view == "search":
        page.locator(".result .title", has_text="Trouble").click()
        page.locator(".passage").first.wait_for()
    elif view == "embed":
        page.locator("textarea").fill(f"{HOSTILE}\n?{HOSTILE}")
        page.locator("button.primary").click()
        page.locator(".embedded").wait_for()
    elif view == "compare":
        page.locator("textarea").first.fill(f"3 {HOSTILE}")
        page.locator("textarea").last.fill(f"4 {HOSTILE} <script>hacked()</script>")
        page.locator(".verdict").wait_for()
    else:
        page.locator(".sources tbody tr").first.wait_for()


@pytest.mark.parametrize("view", VIEWS)
def test_texts_from_outside_are_never_markup(visit: Visit, view: str) -> None:
    page = visit.page
    page.add_init_script("window.hacked = () => { window.isHacked = true; }")
    visit.go(FILLED[view])
    fill(page, view)
    if view == "search":
        page.get_by_role("button", name="Filters").click()
        page.locator("summary", has_text="Fields that differ").click()
        page.get_by_role("group", name="status").wait_for()
    assert (
        HOSTILE in page.locator("main").text_content()
        or HOSTILE in page.locator("textarea").first.input_value()
    )
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate("window.isHacked") is None


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_no_serious_violation(browser: Any, shared_site: Site, view: str, theme: str) -> None:
    with visiting(browser, shared_site, color_scheme=theme, reduced_motion="reduce") as visit:
        page = visit.go(FILLED[view])
        fill(page, view)
        assert serious_violations(page) == []


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_wider_than_a_narrow_screen(browser: Any, shared_site: Site, view: str) -> None:
    with visiting(browser, shared_site, viewport={"width": 375, "height": 700}) as visit:
        page = visit.go(FILLED[view])
        fill(page, view)
        assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_language_and_colours_are_remembered(visit: Visit) -> None:
    page = visit.go("search")
    page.get_by_role("button", name="中文").click()
    page.get_by_role("heading", name="搜索").wait_for()
    page.get_by_role("button", name="颜色: 跟随系统").click()
    page.reload()
    page.get_by_role("heading", name="搜索").wait_for()
    assert page.evaluate("[document.documentElement.lang, document.documentElement.dataset.theme]") == [
        "zh-Hans",
        "light",
    ]


def test_browser_in_chinese_gets_a_page_in_chinese(browser: Any, shared_site: Site) -> None:
    with visiting(browser, shared_site, locale="zh-CN") as visit:
        visit.go("index").get_by_role("heading", name="索引", exact=True).wait_for()
        page = visit.go("search?q=saw+tags:none")
        page.get_by_text("没有文档").wait_for()  # what the server says
        page.get_by_role("button", name="English").click()
        page.get_by_text("no document has").wait_for()


def modules() -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(PAGE.glob("*.js"))}


def test_every_text_of_the_page_has_a_translation() -> None:
    text = r'"((?:[^"\\]|\\.)*)"'
    places = (rf"\b(?:t|N)\(\s*{text}", rf'\bt\.count\([^"]+{text},\s*{text}', rf"\b(?:does|title): {text}")
    sources = modules()
    translated = set(re.findall(rf"^  {text}: {text},$", sources.pop("zh.js"), re.MULTILINE))
    found = [one for source in sources.values() for place in places for one in re.finditer(place, source)]
    used = {english for one in found for english in one.groups() if re.search("[a-z]", english)}
    assert len(used) > 100
    assert used - {english for english, _ in translated} == set()
    for english, chinese in translated:
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", chinese)), english


def test_chinese_terms_of_the_page_are_those_of_the_commands() -> None:
    catalogue = CATALOGUES["zh"].read_text(encoding="utf-8")
    terms = dict(re.findall(r"([a-z][a-z -]*) ([\u4e00-\u9fff]+)", catalogue[: catalogue.index("msgid")]))
    shared = {name: terms[name] for name in SHARED_TERMS} | {"duplicate": "重复"}
    texts = re.findall(r'^  "(.+?)": "(.+)",$', modules()["zh.js"], re.MULTILINE)
    words = {text: re.sub(r"`[^`]*`|{\w+}", "", text) for text, _ in texts}
    for name, chinese in shared.items():
        using = [
            (text, said) for text, said in texts if re.search(rf"\b{name}s?\b", words[text], re.IGNORECASE)
        ]
        assert using
        assert [text for text, said in using if chinese not in said] == [], name
    assert [text for text, said in texts if "您" in said] == []


def test_page_is_small_and_loads_nothing_from_elsewhere() -> None:
    files = [path for path in PAGE.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files if path.name != "map.js") <= MOST_BYTES
    for path in files:
        content = path.read_text(encoding="utf-8")
        addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", content)) - {"http://www.w3.org"}
        assert addresses == set(), path.name
        assert not re.search(
            r"\.(innerHTML|outerHTML|insertAdjacentHTML)\b|document\.write|\beval\(", content
        ), path.name


def test_html_has_no_inline_script_or_style() -> None:
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", html) == []

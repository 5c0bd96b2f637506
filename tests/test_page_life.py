"""The views of the page that show drift and label texts, in a real browser."""

import csv
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import Visit, serious_violations, visiting
from serving import served
from test_adapt import RATES, SUBJECTS, labelled, written
from tiny_embedder import create_index
from tiny_models import make_model

from semsearch import Index, triage
from semsearch.tuning.labels import FILE as LABELS

HOSTILE = "<img src=x onerror=hacked()>"
TOOLS = ("drill", "saw", "shed", "ladder", "loan")
MONEY = ("payment", "account", "invoice", "online", "card")


def some(random: np.random.Generator, words: tuple[str, ...]) -> str:
    return " ".join(random.choice(words, 12))


class Site:
    """A served index of records with days, of which those of 2024 are about something else as well."""

    def __init__(self, folder: Path) -> None:
        self.ending = ExitStack()
        self.index = self.ending.enter_context(create_index(folder / ".semsearch"))
        random = np.random.default_rng(0)
        rows = [
            {
                "id": f"r{at}",
                "text": some(random, TOOLS if at < 40 else TOOLS + MONEY + (HOSTILE,)),
                "day": f"{2023 + at // 40}-{1 + at % 12:02}-05",
            }
            for at in range(80)
        ]
        self.index.add(rows)
        self.address = self.ending.enter_context(served(self.index))


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    with site.ending:
        yield site


@pytest.fixture
def visit(browser: Any, shared_site: Site) -> Iterator[Visit]:
    with visiting(browser, shared_site) as visit:
        yield visit


def compare(page: Any) -> None:
    """Compare two windows, by the keyboard."""
    page.get_by_label("The later window begins").fill("2024")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="What was tested").wait_for()


EXAMPLES = [
    (label, some(np.random.default_rng(at), words))
    for at in range(14)
    for label, words in (("=tool", TOOLS), ("money", MONEY))
]
ASKED = [
    f"{' '.join(TOOLS)} {' '.join(TOOLS)}, please",
    f"{' '.join(MONEY)} {' '.join(MONEY)}",
    "zebra moon",
    f"{HOSTILE} drill saw payment account",
]


def label(page: Any, promise: str = "70") -> None:
    page.get_by_label("Examples", exact=True).fill("\n".join(f"{one},{text}" for one, text in EXAMPLES))
    page.get_by_label("Texts to label", exact=True).fill("\n".join(ASKED))
    page.get_by_label("Labels that shall be right").fill(promise)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="CSV").wait_for()


FILLED = {
    "adapt": lambda page: page.get_by_role("button", name="Train", exact=True).wait_for(),
    "drift": compare,
    "triage": label,
}


@pytest.mark.long
def test_drift_is_what_the_library_finds(visit: Visit) -> None:
    page, found = visit.go("drift"), visit.site.index.drift(by="day", since="2024")
    compare(page)
    page.get_by_role("heading", name="Something has changed").wait_for()
    rows = page.get_by_role("region", name="Terms that came or went").locator("tbody tr")
    shown = [row.split("\t")[:2] for row in rows.all_inner_texts()]
    assert shown == [
        [
            one.term,
            "{:.1f}% ({:.1f}% to {:.1f}%)".format(
                *(100 * getattr(one.share_before, end) for end in ("value", "low", "high"))
            ),
        ]
        for one in found.terms[:20]
    ]
    assert len(found.terms) >= len(MONEY)
    assert page.locator("article .title").all_inner_texts() == [one.document for one in found.documents]
    page.locator("article .title").first.click()
    page.locator("dialog.panel[open]").wait_for()
    page.reload()
    page.get_by_role("heading", name="Something has changed").wait_for()
    assert page.locator("main img, main script").count() == 0


def test_drift_says_what_is_wrong_with_a_date(visit: Visit) -> None:
    page, visit.expected = visit.go("drift"), "400"  # the browser tells that a call was refused
    page.get_by_label("The earlier one ends").fill("soon")
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("must be a date").wait_for()


def test_texts_are_labelled_as_by_the_library(visit: Visit, tmp_path: Path) -> None:
    page = visit.go("triage")
    label(page)
    found = triage(
        [(text, one) for one, text in EXAMPLES], ASKED, promise=0.7, embedder=visit.site.index.embedder
    )
    assert found.counts["model"] == 2 and found.counts["unknown"] >= 1
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "labelled.csv")
    with (tmp_path / "labelled.csv").open(newline="", encoding="utf-8") as file:
        rows = [list(row.values()) for row in csv.DictReader(file)]
    quoted = {"=tool": "'=tool"}  # what a spreadsheet would run
    assert rows == [
        [
            quoted.get(one["label"], one["label"]),
            one["by"],
            quoted.get(one["guess"], one["guess"]),
            f"{one['probability']:.4f}",
            one["text"],
        ]
        for one in found.to_dicts()
    ]
    page.get_by_text("at least 70% of the model's labels are right").wait_for()
    assert page.locator("main img").count() == 0
    page.reload()
    assert page.get_by_label("Texts to label", exact=True).input_value() == "\n".join(ASKED)


def test_tables_are_read_by_the_names_of_their_columns(visit: Visit) -> None:
    page = visit.go("triage")
    label(page)
    table = "id,Text,label\n" + "\n".join(f'{at},"{text}",{one}' for at, (one, text) in enumerate(EXAMPLES))
    page.get_by_label("Examples", exact=True).fill(table)
    page.get_by_label("Texts to label", exact=True).fill(f"text\tid\n{ASKED[0]}\t7")
    page.get_by_role("button", name="Label them").click()
    page.get_by_role("heading", name="1 labelled, 0 unsure, 0 unknown").wait_for()
    page.get_by_role("cell", name=ASKED[0]).wait_for()


def test_rules_decide_first(visit: Visit) -> None:
    page = visit.go("triage")
    page.locator("summary", has_text="Rules that decide first").click()
    page.get_by_label("Rules in TOML").fill('[[rule]]\nlabel = "night"\nany = ["moon"]')
    label(page)
    row = page.get_by_role("row", name="zebra moon")
    assert row.get_by_role("cell").all_inner_texts() == ["night", "", "by a rule 1", "zebra moon"]
    visit.expected = "400"
    page.get_by_label("Rules in TOML").fill("no rule")
    page.get_by_role("button", name="Label them").click()
    page.get_by_role("alert").get_by_text("rules is not TOML").wait_for()


def test_what_cannot_be_promised_is_said(visit: Visit) -> None:
    page = visit.go("triage")
    label(page, "99")
    page.get_by_text("99% cannot be promised, so no label counts").wait_for()
    page.get_by_label("Texts to label", exact=True).fill("")
    page.get_by_role("button", name="Label them").click()
    page.get_by_text("Give examples and texts").wait_for()


class ModelSite:
    """A served index with a model that can be trained, and labels."""

    def __init__(self, folder: Path) -> None:
        words = (*SUBJECTS, "the", "a", "in", "park", "mat", "on", "sat", "ran", "and")
        model = make_model(folder / "model", words=words)
        self.ending = ExitStack()
        self.index = self.ending.enter_context(Index.create(folder / "index", model=str(model)))
        self.index.add([f"The {subject} ran to the park and sat on a mat." for subject in SUBJECTS])
        written(self.index.folder / LABELS, labelled(240))
        self.address = self.ending.enter_context(served(self.index))


@pytest.mark.long
def test_model_is_adapted_and_back(browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semsearch.tuning.adapt.RATES", RATES)
    monkeypatch.setattr("semsearch.tuning.adapt.EPOCHS", 3)
    site = ModelSite(tmp_path)
    with site.ending, visiting(browser, site) as visit:
        page, base = visit.go("adapt"), site.index.status().settings["model"]
        page.get_by_label("Judge by public pairs too").uncheck()
        page.get_by_label("Only try it").check()
        page.get_by_role("button", name="Train", exact=True).click()
        page.get_by_role("heading", name="It is better").wait_for()
        assert site.index.status().adapted_from is None
        page.get_by_label("Judge by public pairs too").uncheck()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="The model is adapted").wait_for()
        assert site.index.status().adapted_from == base
        page.get_by_role("cell", name=re.compile(r"0\.\d{3} \(0\.\d{3} to 0\.\d{3}\)")).first.wait_for()
        assert serious_violations(page) == []
        page.get_by_role("button", name="Back to the model before").click()
        page.get_by_role("heading", name="The model is not adapted").wait_for()
        assert site.index.status().settings["model"] == base


def test_what_cannot_be_trained_says_why(visit: Visit) -> None:
    page = visit.go("adapt")
    page.get_by_label("Headings and titles").check()
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_role("alert").get_by_text("opened with an embedder").wait_for()
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("button", name="Train", exact=True).wait_for()


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

"""A model judged on pairs: figures against other libraries and by hand, and the page that shows them."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from tiny_embedder import TinyEmbedder

from semsearch.cli import main
from semsearch.errors import InvalidInput
from semsearch.evaluation.pairs import ModelReport, evaluate_model, recall_at
from semsearch.evaluation.report import write_report
from semsearch.tuning.metrics import average_precision, precision_recall_curve
from semsearch.tuning.pairs import PairSet
from semsearch.types import LabelledPair

GRADED = PairSet(
    "some <b>pairs</b>",
    (
        LabelledPair("red green blue", "red green blue", score=5, kind="same"),
        LabelledPair("red green blue", "red green", score=4, kind="part"),
        LabelledPair("red is not blue", "red is blue", score=0, kind="not"),
        LabelledPair("buy 3 red", "buy 4 red", score=1, kind="not"),
        LabelledPair("one two", "three four", score=0.5, kind="part"),
        LabelledPair("\x1b[31m\u202eevil </p><script>", "$x_1$ & \ud7ff", score=2),
        LabelledPair("word " * 36, "word", score=3),
    ),
)


@pytest.fixture(scope="module")
def judged() -> ModelReport:
    return evaluate_model(GRADED, TinyEmbedder(), repeats=3, worst=2)


SCORED = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=40).filter(
    lambda pairs: any(positive for _, positive in pairs)
)


@given(SCORED)
def test_average_precision_is_that_of_scikit_learn(pairs: list[tuple[int, bool]]) -> None:
    from sklearn.metrics import average_precision_score

    scores, positive = (np.array(side) for side in zip(*pairs, strict=True))
    ours = average_precision(precision_recall_curve(scores, positive))
    assert ours == pytest.approx(average_precision_score(positive, scores))


@given(SCORED, st.sampled_from([0.5, 0.9, 0.95, 1.0]))
def test_recall_at_a_precision_by_trying_every_threshold(pairs: list[tuple[int, bool]], least: float) -> None:
    scores, positive = (np.array(side) for side in zip(*pairs, strict=True))
    best = 0.0
    for threshold in set(scores.tolist()):
        flagged = scores >= threshold
        if positive[flagged].mean() >= least:
            best = max(best, positive[flagged].sum() / positive.sum())
    assert recall_at(precision_recall_curve(scores, positive), least) == best


def test_what_is_expected_of_a_cosine_is_the_isotonic_regression(judged: ModelReport) -> None:
    from sklearn.isotonic import IsotonicRegression

    np.testing.assert_allclose(judged.grades, [1, 0.8, 0, 0.2, 0.1, 0.4, 0.6])
    theirs = IsotonicRegression().fit_transform(judged.scores, judged.grades)
    np.testing.assert_allclose(judged.expected, theirs)


def test_a_judgement_by_hand(judged: ModelReport) -> None:
    assert (judged.model, judged.pairs, judged.rule, judged.positives) == ("tiny", 7, "score>=4", 2)
    assert len(judged.rates) == 3 and judged.texts == 12  # "red green blue" is embedded once
    found = {(part.by, part.name): part for part in judged.slices}
    assert {key: part.pairs for key, part in found.items()} == {
        ("length", "at most 10 words"): 6,
        ("length", "more than 35 words"): 1,
        ("negation", "differs"): 1,
        ("negation", "in neither, or both"): 6,
        ("number", "differs"): 2,  # 3 and 4, and x_1, which the other lacks
        ("number", "in neither, or the same"): 5,
        ("label", "not"): 2,
        ("label", "part"): 2,
        ("label", "same"): 1,
    }
    off = judged.expected - judged.grades
    assert found["label", "not"].bias == pytest.approx(off[2:4].mean())
    assert found["label", "part"].error == pytest.approx(np.abs(off[[1, 4]]).mean())
    assert abs(off.mean()) < 1e-12  # nothing is too high over all pairs
    furthest = np.argsort(-np.abs(off))[:2]
    assert [miss.text_a for miss in judged.worst] == [GRADED.pairs[at].text_a for at in furthest]


def test_labels_alone_and_grades_without_a_rule() -> None:
    labelled = PairSet("p", tuple(LabelledPair("a b", f"a {n}", duplicate=n % 2 == 0) for n in range(6)))
    found = evaluate_model(labelled, TinyEmbedder())
    assert (found.rule, found.positives) == ("paraphrase", 3) and found.average_precision is not None
    graded = PairSet(
        "p", tuple(replace(pair, duplicate=None, score=n) for n, pair in enumerate(labelled.pairs, 20))
    )
    found = evaluate_model(graded, TinyEmbedder())
    assert found.rule is found.positives is found.average_precision is found.curve is None
    assert evaluate_model(graded, TinyEmbedder(), rule="score>=24").positives == 2
    with pytest.raises(InvalidInput, match="no correlation"):
        evaluate_model(PairSet("p", tuple(replace(pair, score=1.0) for pair in graded.pairs)), TinyEmbedder())


# -- the page -----------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """A page as a browser sees it: the open elements, the text, and what the page would fetch."""

    VOID = ("meta", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.links += [
            value or "" for name, value in attributes if name in {"src", "href", "xlink:href", "data"}
        ]
        for _, value in attributes:
            self.links += re.findall(r"url\((.*?)\)", value or "")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_and_fetches_nothing(judged: ModelReport, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, GRADED.name, [judged, replace(judged, model="<other> \x07&")])
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    assert {"script", "link", "img", "iframe", "b"}.isdisjoint(page.seen)
    assert page.seen.count("svg") == 1 + 2 * 3
    assert all(link.startswith("#") for link in page.links) and "@import" not in html
    assert "some <b>pairs</b>" in page.text and "<other> �&" in page.text and "evil </p><script>" in page.text
    assert not re.search("[\x00-\x08\x0e-\x1f\u202e]", html)
    assert "prefers-color-scheme" in html or "color-scheme: light dark" in html
    assert "width=device-width" in html and "#010203" not in html
    for value in (judged.pearson, judged.average_precision, judged.worst[0].cosine):
        assert f"{value:.3f}" in page.text
    write_report(path, GRADED.name, [judged, replace(judged, model="<other> \x07&")])
    assert path.read_text(encoding="utf-8") == html


def test_a_page_without_duplicates_to_tell(judged: ModelReport, tmp_path: Path) -> None:
    bare = replace(
        judged, rule=None, positives=None, positive=None, curve=None, average_precision=None, worst=(),
        recall_at_90=None, recall_at_95=None,
    )  # fmt: skip
    write_report(tmp_path / "report.html", "p", [bare])
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.seen.count("svg") == 3 and "Furthest off" not in page.text


def test_a_page_that_cannot_be_written(judged: ModelReport, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot write"):
        write_report(tmp_path / "none" / "report.html", "p", [judged])


# -- the command --------------------------------------------------------------------------------------------


def test_eval_compares_precisions_and_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample_corpus: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = (sample_corpus / "pairs.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    Path("some.csv").write_text("".join(lines[:1] + lines[1::8]), encoding="utf-8")
    asked = ["eval", "--pairs", "some.csv", "--dtype", "float32", "--dtype", "int8", "--repeats", "2"]
    shown = CliRunner().invoke(main, [*asked, "--worst", "1", "--report", "report.html"])
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert lines[0].split() == ["model", "Pearson", "Spearman", "AP", "R@P90", "R@P95", "texts/s", "size"]
    assert lines[1].startswith("all-MiniLM-L6-v2  ") and lines[2].startswith("all-MiniLM-L6-v2 (int8)")
    assert "in 2 rounds" in shown.stdout and "errs" in shown.stdout and "wrote report.html" in shown.stderr
    assert max(map(len, lines)) <= 400
    refused = CliRunner().invoke(main, ["eval", "--pairs", "some.csv", "--report", "none/report.html"])
    assert refused.exit_code == 2 and "the folder none does not exist" in refused.stderr
    page = Page(Path("report.html").read_text(encoding="utf-8"))
    assert page.seen.count("svg") == 1 + 2 * 3


def test_eval_as_json_for_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.csv").write_text(
        "text_a,text_b,score\na cat,a kitten,4\na cat,a lorry,0.5\na dog,a puppy,4.5\na,b,1\n"
    )
    done = CliRunner().invoke(main, ["eval", "--pairs", "p.csv", "--json", "--worst", "3"])
    (model,) = json.loads(done.stdout)["models"]
    assert model["rule"] == "score>=4" and model["positives"] == 2 and len(model["worst"]) == 3
    assert 0 <= model["average_precision"] <= 1 and "scores" not in model and model["texts_per_second"] > 0

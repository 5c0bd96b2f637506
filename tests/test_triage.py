"""Triage: the classifier, the promise, unknown texts, rules, and what the command writes."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from tiny_embedder import TinyEmbedder

from semsearch import triage
from semsearch.classification.classifier import TextClassifier, train
from semsearch.classification.rules import first_that_holds, read_rules
from semsearch.cli import main
from semsearch.errors import InvalidInput

# -- the classifier -----------------------------------------------------------------------------------------


def clouds(
    count: int, noise: float, seed: int, labels: int = 4, dimension: int = 16
) -> tuple[np.ndarray, list[str], list[bytes]]:
    """Return unit vectors around a random centre a label, `count` in all, their labels, and digests that differ."""
    centres = np.random.default_rng(7).normal(size=(labels, dimension))
    draw = np.random.default_rng(seed)
    of = draw.integers(labels, size=count)
    rows = centres[of] + noise * draw.normal(size=(count, dimension))
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return vectors, [f"label {at}" for at in of], [f"{seed}/{at}".encode() for at in range(count)]


def trained(count: int = 80, noise: float = 0.8, seed: int = 0, promise: float = 0.9) -> TextClassifier:
    return train(*clouds(count, noise, seed), promise)


def test_labels_are_learned_and_probabilities_are_those_deserved() -> None:
    model = trained()
    vectors, labels, _ = clouds(2_000, 0.8, seed=1)
    found = model.probabilities(vectors)
    assert found.sum(axis=1) == pytest.approx(1)
    right = np.array(model.labels)[found.argmax(axis=1)] == labels
    assert right.mean() > 0.8
    assert found.max(axis=1).mean() == pytest.approx(right.mean(), abs=0.06)
    report = model.report
    assert report.accuracy.low < right.mean() < report.accuracy.high
    assert sum(one.examples for one in report.labels) == report.examples == 80
    assert {report.kind, *(kind for kind, _ in report.others)} == {"prototypes", "linear"}


def test_training_is_deterministic() -> None:
    first, again = trained(), trained()
    assert np.array_equal(first.weights, again.weights) and first.report == again.report


def test_a_promise_is_kept_in_nine_of_ten_draws() -> None:
    others, labels, _ = clouds(4_000, 1.2, seed=99, labels=2, dimension=4)
    kept = []
    for seed in range(20):
        model = train(*clouds(100, 1.2, seed, labels=2, dimension=4), 0.85)
        if model.report.guarantee is not None:
            found = model.probabilities(others)
            sure = (found.max(axis=1) >= model.cut) & ~model.unknown(others)
            kept.append((np.array(model.labels)[found.argmax(axis=1)] == labels)[sure].mean() >= 0.85)
    assert len(kept) >= 10
    assert np.mean(kept) >= 0.9


def test_no_promise_is_made_where_labels_are_chance() -> None:
    vectors, labels, digests = clouds(200, 0.8, 0)
    model = train(vectors, np.random.default_rng(0).permutation(labels).tolist(), digests, 0.9)
    assert model.report.guarantee is None and model.report.sure.value == 0
    assert not (model.probabilities(vectors).max(axis=1) >= model.cut).any()


def test_a_lower_promise_is_proposed_where_it_could_be_made() -> None:
    report = trained(40, 0.8, promise=0.99).report
    assert report.guarantee is None and report.possible is not None
    assert trained(40, 0.8, promise=report.possible).report.guarantee is not None


def test_equal_texts_are_never_learned_and_judged_at_once() -> None:
    vectors, labels, digests = clouds(60, 0.8, 0)
    mixed = np.random.default_rng(0).permutation(labels).tolist()
    copies = np.tile(vectors, (6, 1))
    model = train(copies, mixed * 6, digests * 6, 0.9)
    assert model.report.examples == 60
    assert model.report.accuracy.value < 0.5
    both = train(np.tile(vectors, (2, 1)), [*labels, *mixed], digests * 2, 0.9)  # one text, two labels
    assert both.report.accuracy.value < 0.75


def test_texts_far_from_all_examples_are_unknown() -> None:
    model = trained(200, 0.5)
    alike, _, _ = clouds(1_000, 0.5, seed=3)
    strange = np.random.default_rng(5).normal(size=(1_000, 16))
    strange /= np.linalg.norm(strange, axis=1, keepdims=True)
    assert model.unknown(alike).mean() < 0.09
    assert model.unknown(strange.astype(np.float32)).mean() > 0.8
    assert model.unknown(alike[:0]).shape == (0,)


@pytest.mark.parametrize("labels", [["a"] * 4, ["a", "a", "b", "a"], ["a", "b", "a", "b"]])
def test_too_few_examples_are_refused(labels: list[str]) -> None:
    vectors, _, digests = clouds(4, 0.5, 0)
    digests[3] = digests[1]
    with pytest.raises(InvalidInput):
        train(vectors, labels, digests, 0.9)


@pytest.mark.parametrize("promise", [0.0, 1.0, -1.0, 2.0, float("nan")])
def test_an_impossible_promise_is_refused(promise: float) -> None:
    with pytest.raises(InvalidInput, match="promise"):
        trained(promise=promise)


# -- rules --------------------------------------------------------------------------------------------------


def rules(folder: Path, *lines: str) -> list[Any]:
    path = folder / "rules.toml"
    path.write_text("\n".join(("[[rule]]", 'label = "x"', *lines)), encoding="utf-8")
    return read_rules(path)


@pytest.mark.parametrize(
    ("rule", "text", "holds"),
    [
        ('any = ["money back"]', "I want my Money  back!", True),
        ('any = ["money back"]', "Back to the money.", False),
        ('any = ["refund"]', "Refunds are slow.", False),
        ('any = ["refund*"]', "Refunds are slow.", True),
        ('any = ["und*"]', "Refund it.", False),
        ('any = ["退款*"]', "我要退款了", True),
        ('any = ["refund*"]', "我要refunds了", True),
        ('any = ["money back*"]', "the money \n backs it", True),
        ('number = "< 0"', "it is −5 degrees", True),
        ('any = ["退款"]', "我想退款，谢谢", True),
        ('any = ["ＡＢＣ"]', "the abc of it", True),
        ('any = ["C++"]', "c++ is meant", True),
        ('any = ["c"]', "c++ is meant", False),
        ('all = ["red", "blue"]', "blue and red", True),
        ('all = ["red", "blue"]', "blue and green", False),
        ('any = ["card"]\nnone = ["gift card"]', "my card", True),
        ('any = ["card"]\nnone = ["gift card"]', "my gift card", False),
        ('pattern = "[A-Z]{2}-[0-9]+"', "order AB-17", True),
        ('pattern = "[A-Z]{2}-[0-9]+"', "order ab-17", False),
        ('number = ">= 1000"', "it costs 1,200.50 in all", True),
        ('number = ">= 1000"', "it costs 999", False),
        ('number = "< 0"', "minus: -5", True),
        ('number = "= 7"', "version 7.1", False),
        ('any = ["refund"]\nnegated = false', "I do not want a refund.", False),
        ('any = ["refund"]\nnegated = false', "I am not angry. I want a refund.", True),
        ('any = ["退款"]\nnegated = false', "我不要退款。", False),
        ('any = ["refund"]\nnegated = true', "I don't want a refund.", True),
    ],
)
def test_a_rule_holds_where_its_conditions_do(tmp_path: Path, rule: str, text: str, holds: bool) -> None:
    assert (first_that_holds(rules(tmp_path, rule), text) is not None) == holds


def test_a_label_of_a_rule_has_no_blanks_around_it(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text('[[rule]]\nlabel = " refund "\nany = ["a"]\n', encoding="utf-8")
    assert read_rules(tmp_path / "rules.toml")[0].label == "refund"
    with pytest.raises(InvalidInput, match="cannot read"):
        read_rules(tmp_path / "none.toml")
    with pytest.raises(InvalidInput, match="cannot read"):
        read_rules(tmp_path)


def test_the_first_rule_that_holds_decides(tmp_path: Path) -> None:
    found = rules(tmp_path, 'any = ["a"]', "[[rule]]", 'label = "y"', 'any = ["b"]')
    assert [rule and (rule.number, rule.label) for rule in (first_that_holds(found, t) for t in "abc")] == [
        (1, "x"),
        (2, "y"),
        None,
    ]


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("any = []",),
        ('any = ["a"]', "none = []"),
        ('pattern = ""',),
        ('any = ["a"]', "colour = 1"),
        ('any = "a"',),
        ("any = [1]",),
        ('any = ["..."]',),
        ('any = ["*"]',),
        ('pattern = "("',),
        ("number = 5",),
        ('number = "about 5"',),
        ('any = ["a"]', "negated = 1"),
        ('any = ["a"]', "[[rule]]", 'any = ["b"]'),
        ('any = ["a"]', "[other]"),
        ("any = [",),
    ],
)
def test_what_is_no_rule_is_refused(tmp_path: Path, lines: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput):
        rules(tmp_path, *lines)


# -- in Python ----------------------------------------------------------------------------------------------

SAID = {
    "sea": [
        "the boat sails on the wide sea",
        "waves of the sea rock the boat",
        "the sea is calm and the boat waits",
    ],
    "bread": [
        "bread is baked in the hot oven",
        "the oven bakes bread all day",
        "hot bread comes out of the oven",
    ],
}
EXAMPLES = [(text, label) for label, texts in SAID.items() for text in texts]
INBOX = ["the boat is on the sea", "bread in the oven", "zebras"]


def test_texts_in_memory_are_labelled_whatever_their_form(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('[[rule]]\nlabel = "animal"\nany = ["zebras"]\n', encoding="utf-8")
    dicts = [{"words": text, "kind": label, "more": label} for text, label in EXAMPLES]
    pairs = triage(EXAMPLES, INBOX, promise=0.5, rules=path, embedder=TinyEmbedder())
    named = triage(
        dicts, [{"words": text} for text in INBOX], label="kind", text="words", promise=0.5, rules=path,
        embedder=TinyEmbedder(),
    )  # fmt: skip
    assert [one.label or one.guess for one in pairs.answers] == ["sea", "bread", "animal"]
    assert [(one.name, one.guess) for one in named.answers] == [
        (one.name, one.guess) for one in pairs.answers
    ]
    assert pairs.to_dicts()[2] == {
        "name": "2", "label": "animal", "by": "rule 1", "guess": pairs.answers[2].guess,
        "probability": pairs.answers[2].probability, "text": "zebras",
    }  # fmt: skip
    assert len(pairs) == 3 and "3 texts" in repr(pairs) and "zebras" in pairs._repr_html_()


def test_the_label_is_no_part_of_the_text() -> None:
    rows = [{"a": text, "b": "x", "label": label} for text, label in EXAMPLES]
    hidden = TinyEmbedder()
    found = triage(rows, [{"a": "sea", "b": "x"}], promise=0.5, embedder=hidden)
    plain = [{"a": text, "b": "x"} for text, _ in EXAMPLES]
    labels = [{**row, "label": label} for row, (_, label) in zip(plain, EXAMPLES, strict=True)]
    assert found == triage(labels, [{"a": "sea", "b": "x"}], promise=0.5, embedder=TinyEmbedder())
    with pytest.raises(InvalidInput, match="'label'"):
        triage(plain, ["sea"], embedder=TinyEmbedder())
    with pytest.raises(InvalidInput, match="pair"):
        triage(["a text"], ["sea"], embedder=TinyEmbedder())


@pytest.mark.parametrize(
    ("labels", "read"),
    [
        ((True, False), ("true", "false")),
        ((1.0, 2), ("1", "2")),
        ((np.int64(3), np.str_("x")), ("3", "x")),
        ((" a ", "b"), ("a", "b")),
        ((0.5, "b"), ("0.5", "b")),
    ],
)
def test_labels_are_texts_whatever_they_were(labels: tuple[Any, Any], read: tuple[str, str]) -> None:
    kinds = dict(zip(SAID, labels, strict=True))
    examples = [np.array([text, kinds[label]], object) for text, label in EXAMPLES]
    nothing = [("a text", None), ("another", float("nan")), ("and one", "")]
    found = triage([*examples, *nothing], INBOX[:2], promise=0.5, embedder=TinyEmbedder())
    assert tuple(one.guess for one in found.answers) == read
    assert found.report.examples == len(EXAMPLES)


@pytest.mark.parametrize("label", [["a", "b"], {"a": 1}, np.array([1, 2]), ("a",)])
def test_an_example_has_one_label(label: Any) -> None:
    with pytest.raises(InvalidInput, match="is not a text"):
        triage([*EXAMPLES, {"text": "x", "label": label}], INBOX, embedder=TinyEmbedder())


@pytest.mark.parametrize("promise", ["90%", None, 1, [0.9]])
def test_what_cannot_be_trained_is_refused_at_once(promise: Any) -> None:
    embedder = TinyEmbedder()
    with pytest.raises(InvalidInput, match="promise"):
        triage(EXAMPLES, INBOX, promise=promise, embedder=embedder)
    with pytest.raises(InvalidInput, match="two labels"):
        triage(EXAMPLES[:3], INBOX, embedder=embedder)
    assert embedder.texts == 0


def test_few_examples_of_many_labels_say_nothing_else(recwarn: pytest.WarningsRecorder) -> None:
    many = [(f"{word} {at}", word) for word in "abcdefghijkl" for at in range(2)]
    triage([*many, ("a 0", "b")], ["a 3"], embedder=TinyEmbedder())
    assert not recwarn.list


# -- on the command line ------------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a working directory with examples, texts to label, and a rule."""
    monkeypatch.chdir(tmp_path)
    write("examples.csv", [("text", "label"), *EXAMPLES, ("a note without a label", "")])
    write("inbox.csv", [("id", "text"), *((str(at), text) for at, text in enumerate(INBOX, 1))])
    Path("inbox.jsonl").write_text(
        "".join(json.dumps({"text": text, "n": at}) + "\n" for at, text in enumerate(INBOX)), encoding="utf-8"
    )
    Path("rules.toml").write_text('[[rule]]\nlabel = "animal"\nany = ["zebra*"]\n', encoding="utf-8")
    return tmp_path


def write(name: str, rows: list[tuple[str, ...]]) -> None:
    with Path(name).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def run(*args: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["triage", *args])
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


ASKED = ("examples.csv", "--rules", "rules.toml", "--promise", "50%", "--on")


def test_labels_are_shown_with_what_they_are_worth(here: Path) -> None:
    result = run(*ASKED, "inbox.csv")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["label", "sea", "bread", "animal"]
    said = result.stderr
    assert "1 example without a label left out" in said
    assert "labelled 3 of 3 texts: 1 by rules, 2 by the model; 0 unsure, 0 unknown" in said
    assert (
        "trained on 6 examples of 2 labels" in said and "at least 50% of the model's labels are right" in said
    )


def test_without_a_promise_no_label_of_the_model_counts(here: Path) -> None:
    result = run("examples.csv", "--on", "inbox.csv")
    assert [line.split()[0] for line in result.stdout.splitlines()[1:3]] == ["sea?", "bread?"]
    assert "the model labels nothing" in result.stderr and "--promise" in result.stderr


def test_unknown_texts_are_listed_in_clusters(here: Path) -> None:
    found = json.loads(run(*ASKED, "inbox.csv", "--json").stdout)
    assert found["counts"] == {"model": 2, "rule": 1} and found["unknown"] == []
    write(
        "strange.csv",
        [("text",), ("q w e r t",), ("q w e r y",), ("z x c v b",), ("z x c v n",), ("z x c v m",)],
    )
    many = [(f"{text} {word}", label) for text, label in EXAMPLES for word in ("now", "then", "here", "once")]
    write("many.csv", [("text", "label"), *many])
    result = run("many.csv", "--on", "strange.csv")
    assert "unknown 1: 3 texts, such as strange.csv#" in result.stdout
    assert "unknown 2: 2 texts, such as strange.csv#" in result.stdout


@pytest.mark.parametrize("name", ["inbox.csv", "inbox.jsonl"])
def test_output_is_the_file_with_columns_for_the_labels(here: Path, name: str) -> None:
    to = f"labelled{Path(name).suffix}"
    run(*ASKED, name, "--output", to, "--column", "kind")
    content = Path(to).read_text(encoding="utf-8")
    if to.endswith("csv"):
        rows = list(csv.DictReader(io.StringIO(content)))
    else:
        rows = [json.loads(line) for line in content.splitlines()]
    assert [row["text"] for row in rows] == INBOX
    assert [row["kind"] for row in rows] == ["sea", "bread", "animal"]
    assert [row["kind_by"] for row in rows] == ["model", "model", "rule 1"]
    assert all(0 <= float(row["kind_probability"]) <= 1 and row["kind_guess"] for row in rows)
    assert "already exists" in run(*ASKED, name, "--output", to, code=2).output
    run(*ASKED, name, "--output", to, "--force")
    assert (
        "already has a column 'label'"
        in run(*ASKED, to, "--output", f"again{Path(to).suffix}", code=2).output
    )


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("examples.csv", "--on", "inbox.csv", "--label-field", "nope"), "no example has a label in 'nope'"),
        (("inbox.csv", "--on", "inbox.jsonl"), "no example has a label in 'label'"),
        (("examples.csv", "--on", "examples.csv"), "are the same"),
        (("examples.csv", "--on", "inbox.csv", "--output", "x.csv", "--column", " "), "--column is empty"),
        (
            ("examples.csv", "--on", "inbox.csv", "--output", "examples.csv", "--force"),
            "one of the files to read",
        ),
        (
            ("examples.csv", "--on", "inbox.csv", "--rules", "r.csv", "--output", "r.csv", "--force"),
            "to read",
        ),
        (("examples.csv", "--on", "inbox.csv", "--column", "x"), "--column is for --output"),
        (("examples.csv", "--on", "inbox.csv", "--force"), "--force is for --output"),
        (("examples.csv", "--on", "inbox.csv", "--watch"), "--watch is for --output"),
        (("examples.csv", "--on", "inbox.csv", "--output", "x.csv", "--watch", "--json"), "cannot be used"),
        (("examples.csv", "--on", "inbox.csv", "--output", "inbox.csv"), "is the file to copy from"),
        (("examples.csv", "--on", "inbox.csv", "--output", "no/x.csv"), "does not exist"),
        (("examples.csv", "--on", "empty"), "nothing to label"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_a_hint(here: Path, args: tuple[str, ...], said: str) -> None:
    Path("empty").mkdir()
    Path("rules.toml").rename("r.csv")
    result = run(*args, code=1 if said == "nothing to label" else 2)
    assert said in result.stderr and "Traceback" not in result.output


def test_texts_with_two_labels_are_counted(here: Path) -> None:
    write("both.csv", [("text", "label"), *EXAMPLES, (EXAMPLES[0][0], "bread")])
    assert "1 example with two labels or more" in run("both.csv", "--on", "inbox.csv").stderr


def test_texts_in_chinese_are_labelled(here: Path) -> None:
    write(
        "zh.csv",
        [("text", "label"), *((f"{word}在{place}里", word) for word in ("猫", "船") for place in "家海山河")],
    )
    write("in.csv", [("text",), ("猫在树上",), ("我要退款",)])
    Path("rules.toml").write_text('[[rule]]\nlabel = "退款"\nany = ["退款"]\n', encoding="utf-8")
    rows = [
        json.loads(line)
        for line in run("zh.csv", "--on", "in.csv", "--rules", "rules.toml", "--jsonl").stdout.splitlines()
    ]
    assert [row["text"] for row in rows] == ["猫在树上", "我要退款"]
    assert rows[1]["label"] == "退款"

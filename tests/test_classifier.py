"""The rules, the word_features, the trees as arrays, and what `tune` and `dedup` make of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.metrics import average_precision_score
from soundness import assert_sound
from tiny_embedder import TinyEmbedder, create_index, open_index

from semsearch.cli import main
from semsearch.dedup.classifier import PairClassifier
from semsearch.dedup.features import FEATURES, TextWords, word_features
from semsearch.dedup.forest import LEAF, Forest
from semsearch.errors import IndexDamaged, InvalidInput, SemsearchError
from semsearch.index import Index
from semsearch.text.facts import Facts, differences
from semsearch.tuning.labels import Label, open_labels
from semsearch.tuning.pairs import PairSet, load_pairs
from semsearch.tuning.scoring import tune_pairs
from semsearch.tuning.split import split_pairs
from semsearch.tuning.threshold import Objective, tune_classifier
from semsearch.tuning.training import NotBetter, flatten, train_classifier
from semsearch.types import LabelledPair


def said(a: str, b: str) -> list[str]:
    return [str(reason) for reason in differences(Facts(a), Facts(b))]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("Always rebase.", "Never rebase.", ["negations differ: – / never", "opposites: always / never"]),
        ("He isn't here", "He is here", ["negations differ: n't / –"]),
        ("The port is 8080", "The port is 8081", ["a number differs: 8080 / 8081"]),
        ("two dogs run", "three dogs run", ["a number differs: 2 / 3"]),
        ("Turn the light on", "Turn the light off", ["opposites: on / off"]),
        ("Mira lent the saw to Tomas", "Tomas lent the saw to Mira", ["two parts have changed places: mira / tomas"]),
        ("他可以参加", "他不可以参加", ["negations differ: – / 不"]),
        ("会议三点开始", "会议四点开始", ["a date or time differs: 3点 / 4点"]),
        ("门开着", "门关着", ["opposites: 开 / 关"]),
        ("小张借书给小李", "小李借书给小张", ["two parts have changed places: 张 / 李"]),
    ],
)  # fmt: skip
def test_rules_say_what_turns_the_meaning(a: str, b: str, expected: list[str]) -> None:
    assert said(a, b) == expected
    assert len(said(b, a)) == len(expected)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("A man is slicing a potato", "A potato is being sliced by a man"),
        ("A dog, which is brown, jumps", "A brown dog jumps"),
        ("It isn't open", "It is not open"),
        ("1,000 chairs", "1000 chairs"),
        ("two kids", "2 kids"),
        ("狗咬了人", "人被狗咬了"),
        ("这不但便宜", "这便宜"),
        ("", ""),
    ],
)
def test_rules_let_pass_what_says_the_same(a: str, b: str) -> None:
    assert said(a, b) == []


@given(st.text(max_size=60), st.text(max_size=60))
def test_word_features_are_finite_and_symmetric(a: str, b: str) -> None:
    found = word_features(TextWords(a), TextWords(b))
    assert len(found) == len(FEATURES)
    assert np.isfinite(found).all()
    assert found == word_features(TextWords(b), TextWords(a))
    assert list(differences(Facts(a), Facts(a))) == []


def test_a_long_text_takes_no_more_than_its_length() -> None:
    a, b = (
        " ".join("w" + "ab"[at * step % 7 // 4] * (1 + at * step % 503) for at in range(2000))
        for step in (1, 2)
    )
    assert len(word_features(TextWords(a), TextWords(b))) == len(FEATURES)
    assert said(a, b) == []


def examples(count: int, seed: int = 0) -> tuple[list[LabelledPair], np.ndarray]:
    """Return labelled pairs and their cosines, which do not depend on the labels.

    Duplicates differ in an article; other pairs in a negation, a number or who does it.
    """
    rng = np.random.default_rng(seed)
    pairs = []
    for at in range(count):
        who, whom = ("".join(rng.choice(list("bdfgklmnprtvz"), 6)) for _ in range(2))
        text = f"the {who} calls {whom} at the house with 2 bells"
        others = [
            text.replace("the house", "a house"), text.replace("the ", "one ", 1), text.replace("with", "and"),
            text.replace(" calls", " never calls"), text.replace(" 2 ", " 4 "),
            f"the {whom} calls {who} at the house with 2 bells",
        ]  # fmt: skip
        kind = at % len(others)
        pairs.append(LabelledPair(text, others[kind], duplicate=kind < 3))
    return pairs, rng.uniform(0.8, 1, count)


@pytest.fixture(scope="module")
def trained() -> PairClassifier:
    pairs, cosines = examples(600)
    verifier = train_classifier(pairs, cosines, [bool(pair.duplicate) for pair in pairs])
    assert verifier is not None
    return verifier


def test_the_trees_as_arrays_say_what_scikit_learn_says() -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(400, len(FEATURES) + 1)).astype(np.float32)
    truth = rows[:, 0] + rows[:, 3] * rows[:, 5] > 0
    targets = np.column_stack([truth, rows[:, 5]])
    theirs = ExtraTreesRegressor(30, min_samples_leaf=3, max_features=0.4, random_state=0).fit(rows, targets)
    fresh = rng.normal(size=(1000, rows.shape[1])).astype(np.float32)
    fresh[:30] = np.float32(theirs.estimators_[0].tree_.threshold[0])  # rows that lie on a threshold
    ours = flatten(theirs)
    np.testing.assert_allclose(ours.predict(fresh), theirs.predict(fresh)[:, 0], atol=1e-6)
    again = Forest.from_dict(json.loads(json.dumps(ours.to_dict())), rows.shape[1])
    assert again.predict(fresh).tolist() == ours.predict(fresh).tolist()


def stump(**changes: object) -> dict[str, object]:
    """Return a saved tree of three nodes with some of its arrays changed, and a digest that fits."""
    arrays = {"roots": [0], "feature": [0, LEAF, LEAF], "most": [0.5, 0, 1], "right": [2, 1, 2]} | changes
    kinds = {"roots": np.int64, "feature": np.int16, "most": np.float32, "right": np.int64}
    return Forest(**{name: np.array(arrays[name], kind) for name, kind in kinds.items()}).to_dict()


def test_a_saved_tree_decides_as_drawn_by_hand() -> None:
    rows = np.array([[0.4, 9], [0.5, 9], [0.6, 9]], np.float32)
    assert Forest.from_dict(stump(), 2).predict(rows).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "changes",
    [
        {"right": [0, 1, 2]}, {"right": [1, 1, 2]}, {"right": [3, 1, 2]}, {"feature": [2, LEAF, LEAF]},
        {"feature": [-7, LEAF, LEAF]}, {"feature": [0, 0, LEAF]}, {"most": [np.nan, 0, 1]}, {"roots": [3]},
        {"most": [0.5, np.inf, 1]}, {"roots": [-1]}, {"roots": []}, {"feature": [0, LEAF, 0]},
    ],
)  # fmt: skip
def test_a_hostile_tree_is_refused_whatever_its_digest(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"trees|forest"):
        Forest.from_dict(stump(**changes), 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"nodes": 2}, {"nodes": 10**12}, {"nodes": "3"}, {"sha256": "0" * 64}, {"data": "!"}, {"data": "AAAA"},
        {"roots": "0"}, {"roots": [[0]]}, {"data": 3},
    ],
)  # fmt: skip
def test_damaged_trees_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        Forest.from_dict(stump() | changes, 2)


def test_a_tree_deeper_than_any_that_is_trained_is_refused() -> None:
    depth = 500  # each left child is the next node, and each right child the last one
    chain = {"feature": [0] * depth + [LEAF, LEAF], "most": [0.5] * (depth + 2)}
    with pytest.raises(ValueError, match="impossible trees"):
        Forest.from_dict(stump(**chain, right=[depth + 1] * depth + [depth, depth + 1]), 2)


def test_a_verifier_tells_apart_what_the_cosine_cannot(trained: PairClassifier) -> None:
    pairs, cosines = examples(200, seed=5)
    words = [
        [TextWords(text) for text in side]
        for side in zip(*((p.text_a, p.text_b) for p in pairs), strict=True)
    ]
    chances = trained.probabilities(cosines, *words)
    assert ((chances > 0.5) == [pair.duplicate for pair in pairs]).mean() > 0.95
    # Below the floor: as the cosine.
    below = trained.probabilities([0.5, 0.6, 0.7], words[0][:3], words[1][:3])
    assert np.ptp(below) > 0
    assert sorted(below.tolist(), reverse=trained.cosine_slope < 0) == below.tolist()
    again = PairClassifier.from_dict(json.loads(json.dumps(trained.to_dict())))
    assert again.probabilities(cosines, *words).tolist() == chances.tolist()
    assert len(trained.probabilities([], [], [])) == 0


def test_too_few_pairs_train_nothing() -> None:
    pairs, cosines = examples(90)
    assert train_classifier(pairs, cosines, [bool(pair.duplicate) for pair in pairs]) is None


def test_a_classifier_no_better_than_the_cosine_is_not_kept() -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(1000) < 0.5
    cosines = np.clip(0.7 + 0.1 * positive + rng.normal(0, 0.1, 1000), 0, 1)
    pairs = [
        LabelledPair(f"text {n} here", f"text {n} there", bool(yes), cosine=float(cosine), model="tiny fp32")
        for n, (yes, cosine) in enumerate(zip(positive, cosines, strict=True))
    ]
    with pytest.raises(NotBetter) as found:
        train_classifier(pairs, cosines, positive)
    assert found.value.cosine == pytest.approx(average_precision_score(positive, cosines), abs=1e-9)
    tuning, _ = tune_pairs(PairSet("mine", tuple(pairs)), TinyEmbedder())
    assert tuning.classifier is None
    assert any(note.startswith("no classifier is kept: ") for note in tuning.notes)


def test_pairs_that_the_cosine_tells_apart_train_nothing() -> None:
    pairs = [LabelledPair(f"text {n}", f"text {n} too", bool(n % 2)) for n in range(400)]
    positive = np.arange(400) % 2 == 1
    assert train_classifier(pairs, np.where(positive, 0.9, 0.1), positive) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("floor", None), ("slope", "steep"), ("bias", float("nan")), ("blend", 2), ("unfamiliar", -1), ("version", 1),
        ("weights", [1.0]), ("weights", [[]]), ("reference", [[1.0]]), ("vocabulary", "words"), ("tokens", "yes"),
        ("vocabulary", [float("inf")]), ("forest", None), ("forest", {}), ("floor", "missing"), ("forest", "missing"),
    ],
)  # fmt: skip
def test_a_hostile_verifier_is_refused(trained: PairClassifier, name: str, value: object) -> None:
    saved = trained.to_dict()
    if value == "missing":
        del saved[name]
    else:
        saved[name] = value
    with pytest.raises(IndexDamaged, match="saved classifier"):
        PairClassifier.from_dict(saved)


@pytest.mark.parametrize("saved", [{}, [], {"features": []}, {"roots": [[[]]]}])
def test_anything_else_is_not_a_classifier(saved: object) -> None:
    with pytest.raises(IndexDamaged, match="saved classifier"):
        PairClassifier.from_dict(saved)  # type: ignore[arg-type]


def test_guarantee_of_the_classifier_holds_on_unseen_pairs() -> None:
    pairs, cosines = examples(900, seed=3)
    truth = np.array([pair.duplicate for pair in pairs])
    found = tune_classifier(pairs, cosines, truth, split_pairs(pairs, truth), Objective("precision", 0.9))
    assert found is not None
    assert found.guarantee is not None
    assert found.guarantee.threshold == found.probability_threshold
    assert found.reported.precision.value >= 0.9
    assert found.reported.recall.value >= 0.9


DOCUMENTS = {
    "a": "the baker calls miller at the house with 2 bells",
    "b": "the baker calls miller at a house with 2 bells",
    "c": "the baker never calls miller at the house with 2 bells",
    "d": "the miller calls baker at the house with 2 bells",
    "e": "the baker calls miller at the house with 4 bells",
    "f": "the baker calls miller at the house with 2 bells",
}


def test_dedup_accepts_by_classifier_and_explains_rejections(tmp_path: Path) -> None:
    for name, text in DOCUMENTS.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    long = " ".join(f"word{at}" for at in range(90))  # of several passages: the window is 64 words
    (tmp_path / "long1.txt").write_text(long, encoding="utf-8")
    (tmp_path / "long2.txt").write_text(f"{long} more", encoding="utf-8")
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest([tmp_path])
        before = index.duplicates(0.8)
        assert {m.probability for group in before.groups for m in group.members} == {None}
        with pytest.raises(InvalidInput, match="no saved threshold guarantees"):
            index.duplicates(min_precision=0.9)
        pairs, _ = examples(900, seed=4)
        index.tune(PairSet("mine", tuple(pairs)), objective=Objective("precision", 0.9))
        assert index.status().classifier["guarantee"]["least"] == 0.9
        with pytest.raises(InvalidInput, match="no saved threshold guarantees"):
            index.duplicates(min_precision=0.95)
        plain = index.duplicates(0.8)
        assert [(g.keeper, [m.name for m in g.members]) for g in plain.groups] == [
            (g.keeper, [m.name for m in g.members]) for g in before.groups
        ]
    with open_index(tmp_path / ".semsearch") as index:
        found = index.duplicates(min_precision=0.9)
        assert [member.name for member in found.groups[0].members] == ["f.txt", "b.txt"]
        least = index.classifier["probability"]
        assert all(m.probability >= least for g in found.groups for m in g.members if m.tier != "exact")
        why = {frozenset((pair.left, pair.right)): pair.reason for pair in found.rejected}
        assert why[frozenset(("a.txt", "c.txt"))].startswith("negations differ: ")
        assert why[frozenset(("a.txt", "d.txt"))].startswith("two parts have changed places: ")
        assert why[frozenset(("a.txt", "e.txt"))].startswith("a number differs: ")
        assert why[frozenset(("long1.txt", "long2.txt"))].startswith("it has several passages")
        assert_sound(index)


def test_labels_drawn_by_the_classifier_guarantee_its_precision(tmp_path: Path) -> None:
    """The promise is about this index's pairs, so they are compared with its labels, not with those of training."""
    alike = {}
    for subject, pair in enumerate(examples(90, seed=9)[0]):
        for at, text in enumerate((pair.text_a, pair.text_b)):
            name = f"{subject:03}{at}.txt"
            (tmp_path / name).write_text(text, encoding="utf-8")
            alike[name] = frozenset((subject, -1 if pair.duplicate else at))
    pairs, _ = examples(400, seed=4)
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest([tmp_path])
        index.tune(PairSet("mine", tuple(pairs)), objective=Objective("precision", 0.9))
    with open_index(tmp_path / ".semsearch") as index, open_labels(tmp_path / "labels.csv") as labels:
        sample = index.sample_pairs(0.5)
        assert sample.scorer.startswith("classifier ")
        while (found := sample.next(labels.rows, 0.8)).pair and len(labels.rows) < 50:
            answer = str(int(alike[found.pair.left] == alike[found.pair.right]))
            labels.add(Label.of(found.pair, answer, "tiny fp32"))
        assert found.guarantee is not None
        tuned, _ = index.tune(load_pairs(str(tmp_path / "labels.csv")), objective=Objective("precision", 0.8))
        assert tuned.classifier is not None and tuned.classifier.guarantee == found.guarantee
        accepted = sum(row.draw.score >= found.guarantee.threshold for row in labels.rows if row.draw)
        assert len(tuned.classifier.model.reference) == accepted
        again = index.sample_pairs(0.5)
        assert again.scorer == sample.scorer, "the labels still count"
        assert again.next(labels.rows, 0.8).guarantee == found.guarantee
        duplicates = index.duplicates(min_precision=0.8)
        taken = [(m.name, g.keeper) for g in duplicates.groups for m in g.members if m.name != g.keeper]
        assert np.mean([alike[a] == alike[b] for a, b in taken]) >= 0.8
        assert duplicates.guarantee_carries_over


def test_without_a_guarantee_nothing_is_saved(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pairs = [LabelledPair(f"w{i} x", f"w{i} y", duplicate=bool(rng.integers(2))) for i in range(400)]
    with create_index(tmp_path / ".semsearch") as index:
        with pytest.raises(SemsearchError, match="no threshold guarantees precision") as refused:
            index.tune(PairSet("mine", tuple(pairs)), objective=Objective("precision", 0.95))
        assert "45 flagged pairs" in refused.value.hint
        assert index.threshold is None
        assert index.classifier is None
        assert_sound(index)


def test_a_recall_is_guaranteed_too(tmp_path: Path) -> None:
    pairs, _ = examples(300, seed=6)
    with create_index(tmp_path / ".semsearch") as index:
        tuning, _ = index.tune(PairSet("mine", tuple(pairs)), objective=Objective("recall", 0.9))
        assert tuning.guarantee.measure == "recall"
        assert index.threshold["guarantee"]["least"] == 0.9
        assert_sound(index)


_SOLD = "bread milk paint glue soap salt rope tape wool nails cups forks lamps bolts pots rugs"


def test_commands_guarantee_a_precision_or_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: PairClassifier
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEMSEARCH_INDEX", raising=False)

    def run(*args: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, args)
        assert result.exit_code == code, result.output
        return result

    (tmp_path / "note.txt").write_text("The deposit is paid back.", encoding="utf-8")
    run("ingest", "note.txt")
    subjects = _SOLD.split()
    rows = [f"We sell {word} here,We sell {word} in here,1\n" for word in subjects]
    rows += [f"We sell {word} today,Nobody has ever been to {word} town,0\n" for word in subjects]
    (tmp_path / "labels.csv").write_text(f"text_a,text_b,label\n{''.join(rows)}", encoding="utf-8")
    refused = run("tune", "--pairs", "labels.csv", "--min-precision", "0.95", code=1).stderr
    assert "no threshold guarantees precision at least 0.95 with 90% confidence" in refused
    assert "hint: a guarantee takes at least 45 flagged pairs that are all duplicates" in refused
    assert json.loads(run("status", "--json").stdout)["threshold"] is None
    run("tune", "--pairs", "labels.csv", "--min-precision", "0.95", "--min-recall", "0.9", code=2)
    run("tune", "--pairs", "labels.csv", "--min-precision", "1.5", code=2)
    tuned = json.loads(run("tune", "--pairs", "labels.csv", "--min-precision", "0.7", "--json").stdout)
    assert (tuned["guarantee"]["target"], tuned["guarantee"]["correct"], tuned["guarantee"]["pairs"]) == (
        0.7,
        7,
        7,
    )
    assert tuned["classifier"] is None
    assert "precision at least 0.7 with 90% confidence" in run("status").stdout
    assert "precision at least 0.7 with 90% confidence" in run("dedup", "--min-precision", "0.6").stderr
    assert "no saved threshold guarantees" in run("dedup", "--min-precision", "0.8", code=2).stderr
    refused = run("dedup", "labels.csv", "--min-precision", "0.6", code=2).stderr
    assert "--min-precision belongs to `semsearch dedup`" in refused
    assert "give either" in run("dedup", "--min-precision", "0.6", "--threshold", "0.9", code=2).stderr
    with Index.open(tmp_path / ".semsearch") as index:
        assert_sound(index)
        about = {"pairs": "labels.csv", "rule": "paraphrase", "saved": "2026-01-01T00:00:00+00:00"}
        saved = {"verifier": trained.to_dict(), "chance": 0.5, "promise": None}
        index._library.save_setting("verifier", saved | about)
    gone = "the classifier that was saved before is gone"
    assert gone in run("tune", "--pairs", "labels.csv").stderr
    assert gone not in run("tune", "--pairs", "labels.csv").stderr

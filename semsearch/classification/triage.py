"""Triage: label a stream of texts by examples, and say of which labels one can be sure.

Rules that a person writes decide first. Then a text that is like no example is unknown, and unknown texts are put in
clusters, to be named. Of the others the classifier's answer is sure or unsure, by the promise.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from semsearch.classification.classifier import (
    TextClassifier,
    TrainingReport,
    require_trainable,
    train,
)
from semsearch.classification.rules import Rule, first_that_holds, read_rules
from semsearch.dedup.in_files import Dataset
from semsearch.dedup.in_memory import dataset_of, position_of
from semsearch.embedding import DEFAULT_MODEL, Embedder, Vectors
from semsearch.errors import InvalidInput, extra
from semsearch.ingest.inputs import walk_named
from semsearch.ingest.records import Records, items_of, texts_of
from semsearch.readers import Found, RowFields, read
from semsearch.tables import Table
from semsearch.types import Document

PROMISE = 0.95
"""The share of the sure labels that shall be right."""
Decider = Literal["rule", "model", "unsure", "unknown"]
"""The origin of a label, or the reason for having none."""
_MOST_CLUSTERED = 5_000
"""The most texts that are clustered by comparing each with each."""


@dataclass(frozen=True, slots=True)
class TriageAnswer:
    """The label of a text.

    Args:
        name: The name of the text: its file and row, or its position in the data.
        label: The label; empty where it is unsure or unknown.
        by: What decided: "rule", "model", or "unsure" or "unknown" for no label.
        guess: The most probable label, also where nobody should rely on it.
        probability: Its probability by the classifier, in [0, 1].
        rule: The number of the rule that decided, or 0.
        cluster: The number of the cluster that an unknown text is in, or 0.
    """

    name: str
    label: str
    by: Decider
    guess: str
    probability: float
    rule: int = 0
    cluster: int = 0

    @property
    def why(self) -> str:
        """The origin of the label in a word and a number: "rule 2", "model", "unsure", "unknown 1"."""
        return f"{self.by} {self.rule or self.cluster}" if self.rule or self.cluster else self.by


@dataclass(frozen=True, slots=True)
class UnknownCluster:
    """A cluster of `size` unknown texts, and the one in its middle, by name."""

    number: int
    size: int
    central: str


@dataclass(frozen=True, slots=True, repr=False)
class Triage(Table):
    """The `answers` for some texts, in their order, the `clusters` of unknown ones, and what training found."""

    answers: tuple[TriageAnswer, ...]
    clusters: tuple[UnknownCluster, ...]
    report: TrainingReport
    texts: Sequence[str] = field(default=(), repr=False, compare=False)

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {by}" for by, count in self.counts.items())
        return f"<{len(self.answers)} texts: {counts}>"

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.answers)

    @property
    def counts(self) -> dict[Decider, int]:
        """The number of texts by what decided."""
        return dict(Counter(answer.by for answer in self.answers))

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return a dict for each text."""
        texts = self.texts or [""] * len(self.answers)
        return [
            {
                "name": one.name,
                "label": one.label,
                "by": one.why,
                "guess": one.guess,
                "probability": one.probability,
                "text": text,
            }
            for one, text in zip(self.answers, texts, strict=True)
        ]


def triage(
    examples: Records,
    texts: Records,
    *,
    label: str = "label",
    text: str | Sequence[str] | None = None,
    promise: float = PROMISE,
    rules: str | Path | Sequence[Rule] | None = None,
    model: str = DEFAULT_MODEL,
    base_url: str | None = None,
    embedder: Embedder | None = None,
    cache: bool = True,
) -> Triage:
    """Label texts in memory by examples in memory.

    Args:
        examples: Dicts with a text and a label, a data frame or a data set; or pairs of a text and a label.
        texts: What is to be labelled: texts, dicts, a data frame or a data set.
        label: The field of the label.
        text: The field of the text, or several; by default `text`, `content` and so on, as in files of rows.
        promise: The share of the sure labels of texts like the examples that shall be right, with 90% confidence.
        rules: A file of rules, see `semsearch.classification.rules`, or what was read from one.
        model: The name or folder of the model, or `ollama:NAME` or `openai:NAME` for one on a server.
        base_url: Where that server is.
        embedder: A model in place of a name. Its vectors are not cached.
        cache: Keep vectors in the user's cache folder, so that the same texts are embedded once.

    Raises `InvalidInput` for what has no texts or labels, and the errors of `train`.
    """
    asked = read_rules(Path(rules)) if isinstance(rules, str | Path) else rules or ()
    known = [_as_row(item, label) for item in items_of(examples)]
    labels = {f"#0:{at}": _label(row[label]) for at, row in enumerate(known)}
    require_trainable([one for one in labels.values() if one], promise)
    parts = [list(texts_of(rows, text)) for rows in ([_without(row, label) for row in known], texts)]
    with dataset_of(*parts, model=model, base_url=base_url, embedder=embedder, cache=cache) as data:
        done = triaged(data, labels, asked, promise)
    return replace(
        done,
        answers=tuple(replace(one, name=str(position_of(one.name))) for one in done.answers),
        clusters=tuple(replace(one, central=str(position_of(one.central))) for one in done.clusters),
    )


def read_labels(paths: Sequence[Path], fields: RowFields, label: str) -> dict[str, str]:
    """Return the label of each example in some files of rows, by its name, "" where it has none.

    Raises `InvalidInput` where no example has the field `label`.
    """
    labels: dict[str, str] = {}
    known: dict[str, None] = {}
    for file in walk_named(paths):
        if isinstance(file, Found):
            for item in read(file.path, file.path.as_posix(), fields, lambda note: None):
                if isinstance(item, Document):
                    labels[item.name] = _label(item.metadata.get(label))
                    known |= dict.fromkeys(item.metadata)
    if labels and not any(labels.values()):
        listed = f"they have {', '.join(list(known)[:20])}" if known else "they have no other fields"
        raise InvalidInput(f"no example has a label in {label!r}", f"{listed}; name it with --label-field")
    return labels


def triaged(data: Dataset, labels: Mapping[str, str], rules: Sequence[Rule], promise: float) -> Triage:
    """Label the second part of a data set by its first part; `labels` are those of the first, by name.

    Examples without a label are left out. Raises the errors of `train`.
    """
    count = data.sizes[0]
    vectors = document_vectors(data)
    used = [at for at in range(count) if labels.get(data.names[at])]
    classifier = train(
        vectors[used],
        [labels[data.names[at]] for at in used],
        [data.digests[at] for at in used],
        promise,
    )
    answers = tuple(_answers(data, range(count, len(data.names)), vectors[count:], classifier, rules))
    unknown = [at for at, answer in enumerate(answers) if answer.by == "unknown"]
    numbers, clusters = _clusters(vectors[count:][unknown], [answers[at].name for at in unknown], classifier)
    found = list(answers)
    for at, number in zip(unknown, numbers, strict=True):
        found[at] = replace(found[at], cluster=number)
    return Triage(tuple(found), clusters, classifier.report, data.originals([one.name for one in found]))


def document_vectors(data: Dataset) -> Vectors:
    """Return the unit vector of each document, float32 [n, d]: the mean of those of its passages, by their lengths."""
    found = np.empty((len(data.documents), data.vectors.shape[1]), np.float32)
    for at, document in enumerate(data.documents):
        mean = document.weights @ data.vectors[document.rows]
        found[at] = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return found


def _answers(
    data: Dataset, places: Sequence[int], vectors: Vectors, classifier: TextClassifier, rules: Sequence[Rule]
) -> Iterator[TriageAnswer]:
    probabilities, unknown = classifier.probabilities(vectors), classifier.unknown(vectors)
    best = probabilities.argmax(axis=1)
    for at, place in enumerate(places):
        guess, probability = classifier.labels[best[at]], float(probabilities[at, best[at]])
        rule = first_that_holds(rules, *data.texts([place])) if rules else None
        name = data.names[place]
        if rule is not None:
            yield TriageAnswer(name, rule.label, "rule", guess, probability, rule.number)
        elif unknown[at]:
            yield TriageAnswer(name, "", "unknown", guess, probability)
        elif probability >= classifier.cut:
            yield TriageAnswer(name, guess, "model", guess, probability)
        else:
            yield TriageAnswer(name, "", "unsure", guess, probability)


def _clusters(
    vectors: Vectors, names: Sequence[str], classifier: TextClassifier
) -> tuple[list[int], tuple[UnknownCluster, ...]]:
    """Return the number of the cluster of each text, the largest first, and the clusters.

    They are about as wide as the labels: average linkage stops at the mean cosine of two examples of a label.
    """
    if len(vectors) < 2:
        return [1] * len(vectors), tuple(UnknownCluster(1, 1, name) for name in names)
    with extra("tune", "clustering unknown texts"):
        from sklearn.cluster import AgglomerativeClustering, MiniBatchKMeans
    model: Any
    if len(vectors) <= _MOST_CLUSTERED:
        model = AgglomerativeClustering(
            None, metric="cosine", linkage="average", distance_threshold=1 - classifier.within
        )
    else:
        model = MiniBatchKMeans(round(len(vectors) ** 0.5), random_state=0, n_init=3)
    of = model.fit_predict(vectors)
    sizes = np.bincount(of)
    order = np.argsort(-sizes, kind="stable").tolist()
    clusters = []
    for number, cluster in enumerate(order, 1):
        members = np.flatnonzero(of == cluster)
        central = members[int((vectors[members] @ vectors[members].mean(axis=0)).argmax())]
        clusters.append(UnknownCluster(number, len(members), names[int(central)]))
    rank = {cluster: number for number, cluster in enumerate(order, 1)}
    return [rank[cluster] for cluster in of.tolist()], tuple(clusters)


def _as_row(item: Any, label: str) -> Mapping[str, Any]:
    """Return an example as a dict. Raises `InvalidInput` for one without a label."""
    if isinstance(item, Mapping) and label in item:
        return item
    if isinstance(item, Mapping):
        names = ", ".join(map(str, list(item)[:20]))
        raise InvalidInput(f"an example has no field {label!r}", f"its fields: {names}; name it with label=")
    if isinstance(item, Sequence | np.ndarray) and not isinstance(item, str) and len(item) == 2:
        return {"text": item[0], label: item[1]}
    raise InvalidInput(
        "an example is neither a dict nor a pair of a text and a label",
        'such as ("where is my parcel", "order")',
    )


def _without(row: Mapping[str, Any], label: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != label}


def _label(value: Any) -> str:
    """Return a label as text, "" for none. Raises `InvalidInput` for what is not a text or a number."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (isinstance(value, float) and math.isnan(value)):  # a missing value of pandas
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():  # a column of whole numbers of which one is missing
        value = int(value)
    if not isinstance(value, str | int | float):
        raise InvalidInput(f"the label {value!r:.80} is not a text or a number", "an example has one label")
    return str(value).strip()

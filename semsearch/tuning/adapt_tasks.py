"""Define what an adapter is trained for and judged by: labelled pairs, public pairs that guard, headings of an index.

A task has examples, numbered from 0, and groups of them that must not be parted. A model is judged by a value for each
example, such as the cosine of a pair, and by one figure for the values of some, such as the average precision.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import InvalidInput
from semsearch.text import clean
from semsearch.tuning.lora import Embed, Examples
from semsearch.tuning.metrics import average_precision, precision_recall_curve
from semsearch.tuning.pairs import PairSet, load_pairs, positives
from semsearch.tuning.public_datasets import PUBLIC_DATASETS
from semsearch.tuning.split import pair_clusters
from semsearch.tuning.structure import Sections
from semsearch.types import LabelledPair

_LEAST = 10
"""Pairs of each class that every part must have."""
_LEAST_SECTIONS = 30
_GUARDS = ("sts-b", "sick")
_CHOOSE, _JUDGE = 400, 1_500
"""The most pairs of a guard that the strength is chosen on, and that judge; they are spread over the data set."""

_Mask = NDArray[np.bool_]
_Ints = NDArray[np.int64]
_Rows = NDArray[np.intp]
_Floats = NDArray[np.float64]


class Task(Protocol):
    """Train and judge an adapter by this. `groups` has the group of each example, int64 [n]."""

    name: str
    measure: str
    groups: _Ints

    @property
    def examples(self) -> Examples | Sections:
        """The examples to train on."""

    def folds(self, rows: _Rows, count: int, seed: int) -> _Ints:
        """Return the fold of each of some examples, int64 [rows] below `count`; groups stay whole.

        Raises `InvalidInput` where a fold would have too few.
        """

    def values(self, rows: _Rows, embed: Embed) -> _Floats:
        """Return the value of each of some examples, float64 [rows], by a model."""

    def summary(self, values: _Floats, rows: _Rows) -> float:
        """Return the quality of a model that gave these values to some examples; NaN where they cannot tell."""


class PairTask:
    """Labelled pairs. `truth` has what people said of each: 1 or 0, or a grade, float64 [n]."""

    def __init__(self, name: str, measure: str, pairs: Sequence[LabelledPair], truth: _Floats) -> None:
        self.name, self.measure, self.truth = name, measure, truth
        self.examples = examples_of(pairs, truth > 0)
        self.groups = pair_clusters(pairs)

    def folds(self, rows: _Rows, count: int, seed: int) -> _Ints:
        """Return the fold of each of some pairs; each fold has both classes."""
        return folds(self.groups[rows], self.examples.positive[rows], count, seed)

    def values(self, rows: _Rows, embed: Embed) -> _Floats:
        """Return the cosine of each of some pairs."""
        used, places = np.unique(self.examples.pairs[rows], return_inverse=True)
        vectors = embed([self.examples.texts[at] for at in used], "passage")
        left, right = (vectors[side] for side in places.reshape(-1, 2).T)
        return np.asarray(np.einsum("ij,ij->i", left, right, dtype=np.float64), np.float64)

    def summary(self, values: _Floats, rows: _Rows) -> float:
        """Return the average precision, or the rank correlation of grades."""
        truth = self.truth[rows]
        if not np.isfinite(values).all() or len(np.unique(truth)) < 2:
            return float("nan")
        if self.measure == "average precision":
            return average_precision(precision_recall_curve(values, truth > 0))
        from scipy.stats import rankdata

        return float(np.corrcoef(rankdata(values), rankdata(truth))[0, 1])


class SectionTask:
    """Headings, and the texts below them that a search for a heading should find first."""

    name, measure = "structure", "MRR"

    def __init__(self, sections: Sections) -> None:
        self.examples, self.groups = sections, sections.groups

    def folds(self, rows: _Rows, count: int, seed: int) -> _Ints:
        """Return the fold of each of some sections; documents stay whole."""
        fold_of, held = _spread(self.groups[rows], np.ones((1, len(rows))), count, seed)
        if held.min() < _LEAST_SECTIONS:
            raise InvalidInput(
                f"{len(self.groups):,} headings with text below them, in {len(np.unique(self.groups)):,} documents,"
                f" are too few: each of {count} parts without common documents takes {_LEAST_SECTIONS}",
                "give labelled pairs instead: --pairs labels",
            )
        return fold_of

    def values(self, rows: _Rows, embed: Embed) -> _Floats:
        """Return the reciprocal rank of each heading's text among the texts of all these sections."""
        headings = embed([self.examples.headings[at] for at in rows], "query")
        texts = embed([self.examples.texts[at] for at in rows], "passage")
        scores = headings @ texts.T
        if not np.isfinite(scores).all():
            return np.full(len(rows), np.nan)
        ranks = 1 + np.count_nonzero(scores > scores.diagonal()[:, None], axis=1)
        return np.asarray(1 / ranks, np.float64)

    def summary(self, values: _Floats, rows: _Rows) -> float:
        """Return the mean reciprocal rank."""
        return float(values.mean())


@dataclass(frozen=True, slots=True)
class Guard:
    """Public pairs that show what a model forgets: those that the strength is chosen on, and those that judge."""

    task: PairTask
    choose: _Rows
    judge: _Rows


def task_of(pairs: PairSet | Sections, rule: str | None) -> Task:
    """Return the task of labelled pairs, or of the sections of an index."""
    if isinstance(pairs, Sections):
        return SectionTask(pairs)
    positive = positives(pairs.pairs, rule or pairs.default_rule)
    return PairTask(pairs.name, "average precision", pairs.pairs, positive.astype(np.float64))


def guards_of(task: Task, trained: _Rows) -> list[Guard]:
    """Return the public data sets on this machine that can guard, without texts that are trained on.

    Graded pairs are judged by the rank correlation, as is usual for the STS benchmark. SICK's grades say how related
    two sentences are, contradictions too, so there paraphrases count. Raises `InvalidInput` where there is none.
    """
    seen = set(task.examples.some(trained).all_texts())
    found = []
    for name in _GUARDS:
        if name == task.name.partition(":")[0] or PUBLIC_DATASETS[name].find() is None:
            continue
        usable = [
            one
            for one in load_pairs(name).pairs
            if seen.isdisjoint((clean(one.text_a).strip(), clean(one.text_b).strip()))
        ]
        if name == "sick":
            paraphrases = positives(usable, "paraphrase").astype(np.float64)
            guard = PairTask(name, "average precision", usable, paraphrases)
        else:
            grades = np.array([pair.score for pair in usable], np.float64)
            guard = PairTask(name, "rank correlation", usable, grades)
        chosen = np.random.default_rng(0).random(guard.groups.max() + 1)[guard.groups] < 0.25
        choose, judge = (
            _thinned(np.flatnonzero(chosen == side), most)
            for side, most in ((True, _CHOOSE), (False, _JUDGE))
        )
        if min(len(choose), len(judge)) >= 100:
            found.append(Guard(guard, choose, judge))
    if not found:
        raise InvalidInput(
            "there is no guard on this machine that would show what the model forgets",
            "get one: semsearch eval --pairs sts-b --download; or leave it out with --no-guard",
        )
    return found


def examples_of(pairs: Sequence[LabelledPair], positive: _Mask) -> Examples:
    """Return pairs as what a model is trained on; the texts are cleaned, as `ingest` cleans them."""
    known: dict[str, int] = {}
    rows = [
        [known.setdefault(clean(text).strip(), len(known)) for text in (pair.text_a, pair.text_b)]
        for pair in pairs
    ]
    return Examples(list(known), np.array(rows, np.int64).reshape(-1, 2), positive)


def folds(clusters: _Ints, positive: _Mask, count: int, seed: int) -> _Ints:
    """Return the fold of each pair, int64 [n] below `count`; clusters stay whole, and folds get about as many pairs.

    Raises `InvalidInput` where a fold has fewer than `_LEAST` duplicates, or others.
    """
    fold_of, held = _spread(clusters, np.stack([positive, ~positive]), count, seed)
    if held.min() < _LEAST:
        raise InvalidInput(
            f"{np.count_nonzero(positive):,} duplicates and {np.count_nonzero(~positive):,} other pairs are too few, or"
            " share their texts:"
            f" each of {count} parts without common texts takes {_LEAST} duplicates and {_LEAST} other pairs",
            "label more pairs: semsearch label",
        )
    return fold_of


def _spread(clusters: _Ints, classes: NDArray[np.generic], count: int, seed: int) -> tuple[_Ints, _Floats]:
    """Return the fold of each example, and how many of each class every fold has, [count, classes].

    Whole clusters are placed in random order, the largest first, each where its classes are scarcest. `classes`
    [classes, n] says which examples are of a class.
    """
    sizes = np.bincount(clusters)
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold_of = np.empty(len(sizes), np.int64)
    held = np.zeros((count, len(classes)))
    shares = np.stack([np.bincount(clusters, weights=kind, minlength=len(sizes)) for kind in classes], 1)
    totals = np.maximum(shares.sum(axis=0), 1)
    for cluster in order:
        lacking = (held / totals) @ (shares[cluster] / totals)
        fold_of[cluster] = int(np.argmin(lacking + held.sum(axis=1) * 1e-9))
        held[fold_of[cluster]] += shares[cluster]
    return fold_of[clusters], held


def _thinned(rows: _Rows, most: int) -> _Rows:
    return rows[:: -(-len(rows) // most)] if len(rows) > most else rows

"""Adapt a model to labelled pairs, and judge whether the adapted one is better on texts that it has not seen.

Pairs that share a text, directly or through others, stay together. A third of them is held out. On the rest the
learning rate and the epochs are chosen by cross-validation, and the adapter is trained once more. Its strength, a
factor from 0 to 1 (Wortsman et al. 2022, arXiv:2109.01903), is the largest at which pairs of a public data set, the
guard, lose next to nothing. The result is judged on the held-out pairs and on other pairs of the guard. It is adopted
only where cross-validation finds a gain too, the 95% interval of the gain is above 0, and no guard loses `MOST_LOST` or
more.
"""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Embedder, Vectors, embed_checked
from semsearch.embedding.adapter import Factors, adapted, save_adapter
from semsearch.embedding.model_files import ModelFiles
from semsearch.embedding.onnx import OnnxEmbedder, can_have_other_dtypes, graph_folder
from semsearch.errors import InvalidInput, ModelError
from semsearch.files import temporary_files
from semsearch.text import clean
from semsearch.tuning.lora import Embed, Examples, Trainer
from semsearch.tuning.metrics import Estimate, average_precision, precision_recall_curve
from semsearch.tuning.pairs import PairSet, load_pairs, positives
from semsearch.tuning.public_datasets import PUBLIC_DATASETS
from semsearch.tuning.split import pair_clusters
from semsearch.types import LabelledPair

MOST_LOST = 0.005
"""The loss of a guard from which on an adapter is not adopted."""
RATES = (1e-4, 3e-4)
EPOCHS = 2
"""The learning rates and the most epochs that cross-validation compares. A rate of 1e-3 ruined models in trials."""
_FOLDS = 2
_STRENGTHS = (1.0, 0.7, 0.5, 0.35, 0.25)
_MARGIN = 0.6
"""The share of `MOST_LOST` that a guard may lose where the strength is chosen."""
_LEAST = 10
"""Pairs of each class that every part must have."""
_GUARDS = ("sts-b", "sick")
_CHOOSE, _JUDGE = 400, 1_500
"""The most pairs of a guard that the strength is chosen on, and that judge; they are spread over the data set."""
_RESAMPLES = 1_000

_Mask = NDArray[np.bool_]
_Ints = NDArray[np.int64]
_Measure = Callable[[NDArray[np.float64], NDArray[np.float64]], float]
"""Returns the quality of cosines [n] for what people said of the pairs [n]."""


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """The quality of two models on the same pairs, and the gain with its 95% interval by a bootstrap over clusters.

    `measure` is "average precision", or "rank correlation" where the pairs are graded.
    """

    name: str
    measure: str
    pairs: int
    before: float
    after: float
    gain: Estimate


@dataclass(frozen=True, slots=True)
class AdaptTrial:
    """The average precision in cross-validation of a learning rate and a number of epochs; 0 of both: not trained."""

    rate: float
    epochs: int
    average_precision: float


@dataclass(frozen=True, slots=True)
class Adaptation:
    """The result of training an adapter. `reason` says why it is not `adopted`, and is empty otherwise.

    `model` is the name of the adapted model. `trained_on` is the number of pairs; `held_out` and `guards` compare it
    with the model before. `rate`, `epochs` and `strength` were chosen, the first two among the `trials`.
    """

    model: str
    adopted: bool
    reason: str
    trained_on: int
    held_out: ModelComparison
    guards: tuple[ModelComparison, ...]
    rate: float
    epochs: int
    strength: float
    trials: tuple[AdaptTrial, ...]


@dataclass(frozen=True, slots=True)
class _Guard:
    name: str
    measure: str
    quality: _Measure
    choose: Sequence[LabelledPair]
    judge: Sequence[LabelledPair]
    truth: Callable[[Sequence[LabelledPair]], NDArray[np.float64]]


def adapt(
    pairs: PairSet,
    embedder: Embedder,
    *,
    rule: str | None = None,
    seed: int = 0,
    guard: bool = True,
    rates: Sequence[float] = RATES,
    epochs: int = EPOCHS,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Adaptation, Factors]:
    """Train an adapter of a model on labelled pairs, and judge it; return what came out, and the adapter.

    `rule` says which pairs are duplicates, see `PairSet.default_rule`. Without `guard` the adapter is judged on the
    held-out pairs alone. `progress` is called with the pairs trained on so far, and all. Nothing is saved.

    Raises `InvalidInput` for a model that has no layers to adapt, for too few pairs, and where no guard is on this
    machine; `MissingExtra` without the extra `models`.
    """
    files = files_of(embedder)
    positive = positives(pairs.pairs, rule or pairs.default_rule)
    parts = folds(pair_clusters(pairs.pairs), positive, 3, seed)
    rest = np.flatnonzero(parts != 0)
    inner = folds(pair_clusters([pairs.pairs[at] for at in rest]), positive[rest], _FOLDS, seed)
    guards = _guards(pairs, rest) if guard else []
    trainer = Trainer(files)
    examples = examples_of(pairs.pairs, positive)
    total = (_FOLDS - 1) * len(rest) * len(rates) * epochs
    total += len(rest) * epochs
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(min(done, total), total)

    trials = _cross_validated(trainer, examples, rest, inner, rates, epochs, seed, tell)
    best = max(trials, key=lambda trial: trial.average_precision)
    scores = _scores([pairs.pairs[at] for at in rest], partial(embed_checked, embedder))
    truths = positive[rest].astype(np.float64)
    plain = float(np.mean([_precision(scores[inner == at], truths[inner == at]) for at in range(_FOLDS)]))
    trials = [AdaptTrial(0.0, 0, plain), *trials]
    factors = trainer.train(examples.some(rest), best.rate, best.epochs, seed=seed, progress=tell)
    if not all(np.isfinite(factor).all() for factor in factors.values()):
        raise ModelError(
            f"training at a rate of {best.rate:g} ruined the model", "use a lower rate, or the usual ones"
        )
    strength = _strength(trainer, embedder, factors, guards)
    factors = _scaled(factors, strength)
    with temporary_files(), tempfile.TemporaryDirectory(prefix="semsearch-") as folder:
        made = adapted(files, save_adapter(Path(folder) / "adapter.safetensors", factors))
        try:
            after = OnnxEmbedder(made, embedder.fingerprint.dtype, embedder.fingerprint.dimension)
            held = [pairs.pairs[at] for at in np.flatnonzero(parts == 0)]
            truth = positive[parts == 0].astype(np.float64)
            found = _compared(pairs.name, "average precision", _precision, held, truth, embedder, after, seed)
            judged = tuple(
                _compared(
                    one.name, one.measure, one.quality, one.judge, one.truth(one.judge), embedder, after, seed
                )
                for one in guards
            )
        except BaseException:
            discard_graphs(made)
            raise
    reason = _reason(best.average_precision - plain, found, judged)
    if reason:
        discard_graphs(made)
    return (
        Adaptation(
            made.name,
            not reason,
            reason,
            len(rest),
            found,
            judged,
            best.rate,
            best.epochs,
            strength,
            tuple(trials),
        ),
        factors,
    )


def files_of(embedder: Embedder) -> ModelFiles:
    """Return the files of a model whose layers can be adapted. Raises `InvalidInput` for any other."""
    name = embedder.fingerprint.model
    if not isinstance(embedder, OnnxEmbedder) or not can_have_other_dtypes(embedder.files):
        raise InvalidInput(
            f"{name} cannot be adapted: only models whose layers semsearch runs itself can",
            "semsearch models lists them",
        )
    return embedder.files


def discard_graphs(files: ModelFiles) -> None:
    """Remove the graphs of a model from the cache."""
    shutil.rmtree(graph_folder(files), ignore_errors=True)


def folds(clusters: _Ints, positive: _Mask, count: int, seed: int) -> _Ints:
    """Return the fold of each pair, int64 [n] below `count`; clusters stay whole, and folds get about as many pairs.

    Raises `InvalidInput` where a fold has fewer than `_LEAST` duplicates, or others.
    """
    sizes = np.bincount(clusters)
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold_of = np.empty(len(sizes), np.int64)
    held = np.zeros((count, 2))
    shares = np.stack(
        [np.bincount(clusters, weights=kind, minlength=len(sizes)) for kind in (positive, ~positive)], 1
    )
    totals = np.maximum(shares.sum(axis=0), 1)
    for cluster in order:  # where the cluster's own class is scarcest
        lacking = (held / totals) @ (shares[cluster] / totals)
        fold_of[cluster] = int(np.argmin(lacking + held.sum(axis=1) * 1e-9))
        held[fold_of[cluster]] += shares[cluster]
    if held.min() < _LEAST:
        raise InvalidInput(
            f"{np.count_nonzero(positive):,} duplicates and {np.count_nonzero(~positive):,} other pairs are too few, or"
            " share their texts:"
            f" each of {count} parts without common texts takes {_LEAST} duplicates and {_LEAST} other pairs",
            "label more pairs: semsearch label",
        )
    return fold_of[clusters]


def examples_of(pairs: Sequence[LabelledPair], positive: _Mask) -> Examples:
    """Return pairs as what a model is trained on; the texts are cleaned, as `ingest` cleans them."""
    texts, rows = _rows(pairs)
    return Examples(texts, rows, positive)


def _rows(pairs: Sequence[LabelledPair]) -> tuple[list[str], _Ints]:
    """Return the distinct texts of pairs, cleaned, and the two rows of each pair in them, int64 [n, 2]."""
    known: dict[str, int] = {}
    rows = [
        [known.setdefault(clean(text).strip(), len(known)) for text in (pair.text_a, pair.text_b)]
        for pair in pairs
    ]
    return list(known), np.array(rows, np.int64).reshape(-1, 2)


def _cross_validated(
    trainer: Trainer,
    examples: Examples,
    rest: NDArray[np.intp],
    inner: _Ints,
    rates: Sequence[float],
    epochs: int,
    seed: int,
    tell: Callable[[int], None],
) -> list[AdaptTrial]:
    """Return the mean average precision of each rate and number of epochs on the folds that were left out."""
    found = np.zeros((len(rates), epochs))
    for at, rate in enumerate(rates):
        for fold in range(_FOLDS):
            left_out = examples.some(rest[inner == fold])

            def judge(epoch: int, embed: Embed, at: int = at, left_out: Examples = left_out) -> None:
                used, rows = np.unique(left_out.pairs, return_inverse=True)
                vectors = embed([examples.texts[row] for row in used])
                scores = _cosines(vectors, rows.reshape(-1, 2))
                if np.isfinite(scores).all():  # else the rate has ruined the model
                    found[at, epoch - 1] += _precision(scores, left_out.positive.astype(np.float64)) / _FOLDS

            trainer.train(
                examples.some(rest[inner != fold]), rate, epochs, seed=seed, after_epoch=judge, progress=tell
            )
    return [
        AdaptTrial(rate, epoch + 1, float(found[at, epoch]))
        for at, rate in enumerate(rates)
        for epoch in range(epochs)
    ]


def _strength(trainer: Trainer, embedder: Embedder, factors: Factors, guards: Sequence[_Guard]) -> float:
    """Return the largest strength at which no guard loses much on the pairs to choose on, or the smallest one."""

    def qualities(embed: Embed) -> NDArray[np.float64]:
        return np.array([one.quality(_scores(one.choose, embed), one.truth(one.choose)) for one in guards])

    if not guards:
        return 1.0
    before = qualities(partial(embed_checked, embedder))
    for strength in _STRENGTHS[:-1]:
        after = qualities(partial(trainer.embed, factors=_scaled(factors, strength)))
        if np.all(before - after < _MARGIN * MOST_LOST):
            return strength
    return _STRENGTHS[-1]


def _scaled(factors: Factors, strength: float) -> Factors:
    return {
        name: factor * np.float32(strength) if name.endswith("B") else factor
        for name, factor in factors.items()
    }


def _scores(pairs: Sequence[LabelledPair], embed: Embed) -> NDArray[np.float64]:
    texts, rows = _rows(pairs)
    return _cosines(embed(texts), rows)


def _cosines(vectors: Vectors, rows: _Ints) -> NDArray[np.float64]:
    left, right = vectors[rows[:, 0]], vectors[rows[:, 1]]
    return np.asarray(np.einsum("ij,ij->i", left, right, dtype=np.float64), np.float64)


def _compared(
    name: str,
    measure: str,
    quality: _Measure,
    pairs: Sequence[LabelledPair],
    truth: NDArray[np.float64],
    before: Embedder,
    after: Embedder,
    seed: int,
) -> ModelComparison:
    """Compare two models on pairs."""
    old, new = (_scores(pairs, partial(embed_checked, one)) for one in (before, after))
    clusters = pair_clusters(pairs)
    order = np.argsort(clusters, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(clusters[order])) + 1)
    random, gains = np.random.default_rng(seed), []
    for _ in range(_RESAMPLES):
        drawn = np.concatenate([members[at] for at in random.integers(len(members), size=len(members))])
        if len(np.unique(truth[drawn])) > 1:
            gains.append(quality(new[drawn], truth[drawn]) - quality(old[drawn], truth[drawn]))
    low, high = np.quantile(gains, [0.025, 0.975])
    values = quality(old, truth), quality(new, truth)
    return ModelComparison(
        name, measure, len(pairs), *values, Estimate(values[1] - values[0], float(low), float(high))
    )


def _reason(expected: float, found: ModelComparison, guards: Sequence[ModelComparison]) -> str:
    """Return why an adapter is not adopted, or nothing. `expected` is the gain in cross-validation."""
    if expected <= 0:
        return f"cross-validation finds no gain: {expected:+.3f}"
    if found.gain.low <= 0:
        return f"the gain on held-out pairs may be none: its interval begins at {found.gain.low:+.3f}"
    lost = [one for one in guards if -one.gain.value >= MOST_LOST]
    return f"{lost[0].name} loses {-lost[0].gain.value:.3f}, and {MOST_LOST} is too much" if lost else ""


def _guards(pairs: PairSet, trained: NDArray[np.intp]) -> list[_Guard]:
    """Return the public data sets on this machine that can guard, without texts that are trained on.

    Graded pairs are judged by the rank correlation, as is usual for the STS benchmark. SICK's grades say how related
    two sentences are, contradictions too, so there paraphrases count. Raises `InvalidInput` where there is none.
    """
    seen = {
        clean(text).strip() for at in trained for text in (pairs.pairs[at].text_a, pairs.pairs[at].text_b)
    }
    found = []
    for name in _GUARDS:
        if name == pairs.name.partition(":")[0] or PUBLIC_DATASETS[name].find() is None:
            continue
        usable = [
            one
            for one in load_pairs(name).pairs
            if seen.isdisjoint((clean(one.text_a).strip(), clean(one.text_b).strip()))
        ]
        clusters = pair_clusters(usable)
        chosen = np.random.default_rng(0).random(clusters.max() + 1)[clusters] < 0.25
        choose, judge = (
            _spread([one for one, ours in zip(usable, chosen, strict=True) if ours == side], most)
            for side, most in ((True, _CHOOSE), (False, _JUDGE))
        )
        if min(len(choose), len(judge)) < 100:
            continue
        if name == "sick":
            found.append(_Guard(name, "average precision", _precision, choose, judge, _paraphrases))
        else:
            found.append(_Guard(name, "rank correlation", _correlation, choose, judge, _grades))
    if not found:
        raise InvalidInput(
            "there is no guard on this machine that would show what the model forgets",
            "get one: semsearch eval --pairs sts-b --download; or leave it out with --no-guard",
        )
    return found


def _spread(pairs: Sequence[LabelledPair], most: int) -> Sequence[LabelledPair]:
    return pairs[:: -(-len(pairs) // most)] if len(pairs) > most else pairs


def _paraphrases(pairs: Sequence[LabelledPair]) -> NDArray[np.float64]:
    return positives(pairs, "paraphrase").astype(np.float64)


def _grades(pairs: Sequence[LabelledPair]) -> NDArray[np.float64]:
    return np.array([pair.score for pair in pairs], np.float64)


def _precision(scores: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    return average_precision(precision_recall_curve(scores, truth > 0))


def _correlation(scores: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    from scipy.stats import rankdata

    return float(np.corrcoef(rankdata(scores), rankdata(truth))[0, 1])

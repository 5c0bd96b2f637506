"""Score labelled pairs with a model's cosine, and tune a threshold on the scores."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.alignment import aligner_of
from semsearch.dedup.classifier import PairClassifier
from semsearch.dedup.veto import UNKNOWN, Veto
from semsearch.embedding import STORED_DTYPES, Embedder, ProgressCallback, count_tokens, embed_checked
from semsearch.embedding.similarity import rounded
from semsearch.embedding.vocabulary import Vocabulary
from semsearch.errors import MissingExtra, SemsearchError
from semsearch.text import clean
from semsearch.tuning.cross_encoder import CrossEncoderTrainer
from semsearch.tuning.drawn import drawn_by
from semsearch.tuning.guarantee import min_pairs
from semsearch.tuning.metrics import pair_weights
from semsearch.tuning.pairs import PairSet, positives
from semsearch.tuning.threshold import (
    BEST_F1,
    Objective,
    TuningResult,
    tune_classifier,
    tune_drawn,
    tune_threshold,
)
from semsearch.tuning.training import NotBetter


@dataclass(frozen=True, slots=True)
class PairScores:
    """The cosine of each pair, float64 [pairs], with the number of distinct texts, the seconds, and the OOV rate.

    `oov_rate` is the share of the tokens that are outside the model's vocabulary.
    """

    scores: NDArray[np.float64]
    texts: int
    seconds: float
    oov_rate: float


def model_id(name: str, dtype: str) -> str:
    """Return the model and its arithmetic as a labels file names them."""
    return f"{name} {STORED_DTYPES.get(dtype, dtype)}"


def score_pairs(
    pairs: PairSet, embedder: Embedder, progress: ProgressCallback | None = None, *, recompute: bool = False
) -> PairScores:
    """Embed each distinct text once, cleaned as `ingest` cleans it, and return the cosine of each pair.

    The cosine is 0 where the difference of two texts lies in words that the model does not know: such a pair is not
    found at any threshold above 0. If all pairs come with the cosine of this model, nothing is embedded, unless
    `recompute`.
    """
    name = model_id(embedder.fingerprint.model, embedder.fingerprint.dtype)
    sides = [(clean(pair.text_a).strip(), clean(pair.text_b).strip()) for pair in pairs.pairs]
    rows = {text: row for row, text in enumerate(dict.fromkeys(text for side in sides for text in side))}
    texts = list(rows)
    left, right = np.array([(rows[a], rows[b]) for a, b in sides], np.int64).reshape(-1, 2).T
    embedded, seconds = 0, 0.0
    if not recompute and all(pair.cosine is not None and pair.model == name for pair in pairs.pairs):
        scores = np.array([pair.cosine for pair in pairs.pairs], np.float64)
    else:
        started = time.perf_counter()
        vectors = embed_checked(embedder, texts, progress=progress)
        embedded, seconds = len(texts), time.perf_counter() - started
        scores = rounded(np.einsum("ij,ij->i", vectors[left], vectors[right], dtype=np.float64))
    tokens, unknown = count_tokens(embedder, texts)
    if unknown.any():
        veto = Veto(
            lambda numbers: [texts[number] for number in numbers],
            len(texts),
            unknown=Vocabulary(lambda: embedder).unknown,
            differing=True,
        )
        scores[veto.codes(left, right) == UNKNOWN] = 0
    return PairScores(scores, embedded, seconds, float(unknown.sum() / max(1, tokens.sum())))


def tune_pairs(
    pairs: PairSet,
    embedder: Embedder,
    *,
    rule: str | None = None,
    objective: Objective = BEST_F1,
    seed: int = 0,
    progress: ProgressCallback | None = None,
    classifier: PairClassifier | None = None,
    cross_encoder: bool = False,
    training: Callable[[int, int], None] | None = None,
) -> tuple[TuningResult, PairScores]:
    """Score the pairs, tune a threshold for `objective`, and train a classifier if there are enough pairs.

    See `semsearch.tuning.threshold.tune_threshold`. Pairs that were sampled unevenly train no classifier. Those that
    were drawn by `classifier` choose the probability from which it takes a pair. Without
    scikit-learn only the threshold of the cosine is tuned, and a note says so. With `cross_encoder` the classifier gets
    one where held-out pairs show a gain, and a note says so; `training` is called with the pairs trained
    on so far, and all.

    Raises `SemsearchError` if neither the threshold nor the classifier has the guarantee that `objective` asks for, and
    `MissingExtra` if only a classifier could have it and scikit-learn is not installed.
    """
    rule = rule or pairs.default_rule
    trainer = CrossEncoderTrainer(embedder, training) if cross_encoder else None
    found = score_pairs(pairs, embedder, progress)
    tuning = tune_threshold(pairs.pairs, found.scores, rule, objective=objective, name=pairs.name, seed=seed)
    if classifier:
        positive = positives(pairs.pairs, rule)
        tuning = replace(
            tuning, classifier=tune_drawn(pairs.pairs, found.scores, positive, classifier, objective)
        )
    # Uneven samples are drawn by cosine, and the classifier ranks pairs in another order.
    if not drawn_by(pairs.pairs) and pair_weights(pairs.pairs) is None:
        positive = positives(pairs.pairs, rule)
        try:
            tuned = tune_classifier(
                pairs.pairs, found.scores, positive, tuning.split, objective, aligner_of(embedder), trainer
            )
            tuning = replace(tuning, classifier=tuned)
        except NotBetter as error:
            advice = (
                "no classifier is kept: in cross-validation it ranks these pairs no better than the cosine (average"
                f" precision {error.ours:.3f} and {error.cosine:.3f})"
            )
            tuning = replace(tuning, notes=(*tuning.notes, advice))
        except MissingExtra as error:
            if objective.measure != "f1" and not tuning.guarantee:
                raise MissingExtra(
                    f"{pairs.name}: no cosine threshold guarantees {objective}; a classifier may, but {error}",
                    error.hint,
                ) from error
            advice = f"only the cosine threshold was tuned: {error} ({error.hint})"
            tuning = replace(tuning, notes=(*tuning.notes, advice))
    if trainer is not None:
        tuning = replace(tuning, notes=(*tuning.notes, _of_cross_encoder(trainer, tuning)))
    if objective.measure != "f1" and not (
        tuning.guarantee or (tuning.classifier and tuning.classifier.guarantee)
    ):
        needed = {
            "precision": "flagged pairs that are all duplicates",
            "recall": "duplicates that are all flagged",
        }
        count = min_pairs(objective.target, objective.confidence)
        if drawn_by(pairs.pairs):
            raise SemsearchError(
                f"{pairs.name}: no threshold guarantees {objective} on {len(pairs.pairs):,} labels",
                "label more pairs with `semsearch label`, which says about how many it takes, or ask for a lower"
                " --min-precision",
            )
        raise SemsearchError(
            f"{pairs.name}: no threshold guarantees {objective} on {tuning.chosen_on.pairs:,} pairs with"
            f" {tuning.chosen_on.positives:,} duplicates",
            f"a guarantee takes at least {count:,} {needed[objective.measure]}; ask for less, such as"
            f" --min-{objective.measure} {max(0.5, objective.target - 0.1):.2g}, or label more pairs",
        )
    return tuning, found


def _of_cross_encoder(trainer: CrossEncoderTrainer, tuning: TuningResult) -> str:
    """Return a note that says whether the classifier has a cross-encoder, and why."""
    if trainer.compared is None:
        return "no cross-encoder was trained: these pairs are too few for it, or give no classifier"
    before, after = trainer.compared
    if tuning.classifier is None or tuning.classifier.model.together is None:
        return (
            "the cross-encoder is not kept: on a fifth of the pairs the average precision is"
            f" {after:.3f} with it and {before:.3f} without"
        )
    return (
        "the classifier has a cross-encoder: on a fifth of the pairs the average precision is"
        f" {after:.3f} with it and {before:.3f} without"
    )

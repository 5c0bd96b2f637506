"""Labelled pairs under a model: how far its cosine agrees with people, and which threshold to use."""

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Embedder, Progress
from semsearch.errors import InvalidInput, SemsearchError
from semsearch.text import clean
from semsearch.tuning.agreement import agreement
from semsearch.tuning.guarantee import fewest
from semsearch.tuning.pairs import PairSet, positives
from semsearch.tuning.threshold import F1, Aim, Tuning, split_pairs, tune
from semsearch.tuning.verifier import verify


@dataclass(frozen=True, slots=True)
class Cosines:
    """The cosine of each pair, float64 [pairs], and what it took: distinct texts, seconds, and the share of tokens
    that the model does not know."""

    scores: NDArray[np.float64]
    texts: int
    seconds: float
    unknown: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model judged on graded pairs: correlations, distinct texts embedded a second, bytes of weights."""

    model: str
    precision: str
    pairs: int
    pearson: float
    spearman: float
    texts_per_second: float
    size: int
    unknown: float


def cosines(pairs: PairSet, embedder: Embedder, progress: Progress | None = None) -> Cosines:
    """Embed every distinct text once, cleaned as `ingest` cleans, and take the cosine of each pair."""
    sides = [(clean(pair.text_a).strip(), clean(pair.text_b).strip()) for pair in pairs.pairs]
    rows = {text: row for row, text in enumerate(dict.fromkeys(text for side in sides for text in side))}
    texts = list(rows)
    started = time.perf_counter()
    vectors = embedder.encode(texts, progress)
    seconds = time.perf_counter() - started
    tokens, unknown = embedder.measure(texts)
    left, right = np.array([(rows[a], rows[b]) for a, b in sides]).T
    scores = np.einsum("ij,ij->i", vectors[left], vectors[right], dtype=np.float64)
    return Cosines(scores, len(texts), seconds, float(unknown.sum() / max(1, tokens.sum())))


def evaluate(pairs: PairSet, embedder: Embedder, progress: Progress | None = None) -> Evaluation:
    """Judge a model on pairs with graded scores, or with labels, taken as 0 and 1.

    Raises `InvalidInput` where a pair has neither.
    """
    gold = [pair.score if pair.score is not None else pair.duplicate for pair in pairs.pairs]
    if any(value is None for value in gold):
        raise InvalidInput(f"{pairs.name}: some pairs have neither a score nor a label")
    found = cosines(pairs, embedder, progress)
    agreed = agreement(found.scores, np.array(gold, float))
    return Evaluation(
        model=embedder.fingerprint.model,
        precision=embedder.fingerprint.precision,
        pairs=agreed.n,
        pearson=agreed.pearson,
        spearman=agreed.spearman,
        texts_per_second=found.texts / found.seconds,
        size=embedder.size,
        unknown=found.unknown,
    )


def tune_pairs(
    pairs: PairSet,
    embedder: Embedder,
    *,
    rule: str | None = None,
    aim: Aim = F1,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Tuning, Cosines]:
    """Choose a threshold on one part of the pairs and report on the other; see `semsearch.tuning.threshold.tune`.

    Where there are pairs enough, a verifier is trained beside it. Raises `SemsearchError` where neither can promise
    what `aim` asks for.
    """
    rule = rule or pairs.default_rule
    found = cosines(pairs, embedder, progress)
    tuning = tune(pairs.pairs, found.scores, rule, aim=aim, name=pairs.name, seed=seed)
    positive = positives(pairs.pairs, rule)
    split = split_pairs(pairs.pairs, positive, seed=seed)
    tuning = replace(tuning, verified=verify(pairs.pairs, found.scores, positive, split, aim))
    if aim.measure != "f1" and not (tuning.promise or (tuning.verified and tuning.verified.promise)):
        least = fewest(aim.least, aim.confidence)
        what = (
            "flagged pairs, all of them" if aim.measure == "precision" else "duplicates, all of them flagged"
        )
        raise SemsearchError(
            f"{pairs.name}: no threshold can promise {aim}: not on {tuning.chosen_on.pairs:,} pairs with"
            f" {tuning.chosen_on.positives:,} duplicates",
            f"it takes {least:,} {what}"
            + (" rightly" if aim.measure == "precision" else "")
            + f", or more: ask for less, such as --{aim.measure} {max(0.5, aim.least - 0.1):.2g}, or label more pairs",
        )
    return tuning, found

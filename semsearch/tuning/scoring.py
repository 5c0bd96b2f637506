"""Labelled pairs under a model: the cosine of each, and which threshold to use."""

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import STORED_DTYPES, Embedder, ProgressCallback, count_tokens
from semsearch.errors import MissingExtra, SemsearchError
from semsearch.text import clean
from semsearch.tuning.guarantee import fewest
from semsearch.tuning.pairs import PairSet, positives
from semsearch.tuning.quality import weights_of
from semsearch.tuning.threshold import F1, Aim, Tuning, tune, verify


@dataclass(frozen=True, slots=True)
class Cosines:
    """The cosine of each pair, float64 [pairs], and what it took: distinct texts, seconds, and the share of tokens
    that the model does not know."""

    scores: NDArray[np.float64]
    texts: int
    seconds: float
    unknown: float


def model_of(name: str, dtype: str) -> str:
    """A model as a labelled pair has it: whose cosine that is."""
    return f"{name} {STORED_DTYPES.get(dtype, dtype)}"


def cosines(
    pairs: PairSet, embedder: Embedder, progress: ProgressCallback | None = None, *, anew: bool = False
) -> Cosines:
    """Embed every distinct text once, cleaned as `ingest` cleans, and take the cosine of each pair.

    Where all pairs have the cosine that this model makes of them, nothing is embedded, unless `anew`.
    """
    name = model_of(embedder.fingerprint.model, embedder.fingerprint.dtype)
    if not anew and all(pair.cosine is not None and pair.model == name for pair in pairs.pairs):
        return Cosines(np.array([pair.cosine for pair in pairs.pairs], np.float64), 0, 0.0, 0.0)
    sides = [(clean(pair.text_a).strip(), clean(pair.text_b).strip()) for pair in pairs.pairs]
    rows = {text: row for row, text in enumerate(dict.fromkeys(text for side in sides for text in side))}
    texts = list(rows)
    started = time.perf_counter()
    vectors = embedder.embed(texts, progress=progress)
    seconds = time.perf_counter() - started
    tokens, unknown = count_tokens(embedder, texts)
    left, right = np.array([(rows[a], rows[b]) for a, b in sides]).T
    scores = np.einsum("ij,ij->i", vectors[left], vectors[right], dtype=np.float64)
    return Cosines(scores, len(texts), seconds, float(unknown.sum() / max(1, tokens.sum())))


def tune_pairs(
    pairs: PairSet,
    embedder: Embedder,
    *,
    rule: str | None = None,
    aim: Aim = F1,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> tuple[Tuning, Cosines]:
    """Choose a threshold on one part of the pairs and report on the other; see `semsearch.tuning.threshold.tune`.

    Where there are pairs enough, sampled evenly, a verifier is trained beside it. Raises `SemsearchError` where neither
    can promise what `aim` asks for.
    """
    rule = rule or pairs.default_rule
    found = cosines(pairs, embedder, progress)
    tuning = tune(pairs.pairs, found.scores, rule, aim=aim, name=pairs.name, seed=seed)
    if (
        weights_of(pairs.pairs) is None
    ):  # such are sampled by their cosine, and a verifier scores them otherwise
        positive = positives(pairs.pairs, rule)
        try:
            tuning = replace(tuning, verified=verify(pairs.pairs, found.scores, positive, tuning.split, aim))
        except MissingExtra as error:
            if aim.measure != "f1" and not tuning.promise:
                raise MissingExtra(
                    f"{pairs.name}: no threshold of the cosine guarantees {aim}. A classifier may, but {error}",
                    error.hint,
                ) from error
            advice = f"only the cosine's threshold was tuned: {error} ({error.hint})"
            tuning = replace(tuning, notes=(*tuning.notes, advice))
    if aim.measure != "f1" and not (tuning.promise or (tuning.verified and tuning.verified.promise)):
        few = {
            "precision": "flagged pairs, all of them duplicates",
            "recall": "duplicates, all of them flagged",
        }
        raise SemsearchError(
            f"{pairs.name}: no threshold can promise {aim}: not on {tuning.chosen_on.pairs:,} pairs with"
            f" {tuning.chosen_on.positives:,} duplicates",
            f"it takes {fewest(aim.least, aim.confidence):,} {few[aim.measure]}, or more: ask for less, such as"
            f" --{aim.measure} {max(0.5, aim.least - 0.1):.2g}, or label more pairs",
        )
    return tuning, found

"""Measure thresholds on the pairs that a person labelled in an index, without embedding a text."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semsearch.tuning.labels import read_labels
from semsearch.tuning.metrics import (
    Floats,
    Mask,
    PrecisionRecallCurve,
    ThresholdMetrics,
    pair_weights,
    precision_recall_curve,
    threshold_metrics,
)
from semsearch.tuning.pairs import load_pairs


@dataclass(frozen=True, slots=True, eq=False)
class LabelMetrics:
    """The labelled pairs of an index as measurements: `curve` for all thresholds, `at` for one with its intervals.

    All labels count, so the figures hold for a threshold that was not chosen on them. `tune` keeps pairs apart.
    """

    curve: PrecisionRecallCurve
    _scores: Floats
    _positive: Mask
    _weights: Floats | None

    def at(self, threshold: float) -> ThresholdMetrics:
        """Return the metrics of a threshold."""
        return threshold_metrics(self._scores, self._positive, threshold, self._weights)


def label_metrics(path: Path, model: str) -> LabelMetrics | None:
    """Return the metrics of the labels in a file by the cosines of a model, or None while they have no duplicate.

    Raises the errors of `load_pairs` for a file that has something else.
    """
    if not any(row.label == "1" for row in read_labels(path)):
        return None
    loaded = load_pairs(str(path)).pairs
    pairs = [
        pair
        for pair in loaded
        if pair.cosine is not None and pair.model == model and pair.duplicate is not None
    ]
    positive = np.array([bool(pair.duplicate) for pair in pairs], np.bool_)
    if not positive.any():
        return None
    scores = np.array([pair.cosine for pair in pairs], np.float64)
    weights = pair_weights(pairs)
    return LabelMetrics(precision_recall_curve(scores, positive, weights), scores, positive, weights)

"""Measure the length of texts, the tokens of a word and the unknown tokens, with intervals."""

import math
from dataclasses import dataclass

import numpy as np

from semsearch.drift.contents import Contents, Ints
from semsearch.drift.exchange import Floats, Mask
from semsearch.tuning.metrics import Estimate

_NORMAL = 1.96


@dataclass(frozen=True, slots=True)
class DriftMeasure:
    """A figure of the texts of both windows, each with its 95% interval over documents.

    `name` is "length" (characters of a document, the geometric mean), "pieces" (tokens of the model for a word) or
    "unknown" (the share of tokens outside the model's vocabulary).
    """

    name: str
    before: Estimate
    now: Estimate


def measured(contents: Contents, late: Mask) -> tuple[list[DriftMeasure], dict[str, Floats]]:
    """Return the measures, and for each one a column [n, 1] whose mean differs between the windows where it does."""
    sizes = np.log(np.maximum(1, contents.characters))
    found = [DriftMeasure("length", *(_typical(sizes[side]) for side in (~late, late)))]
    columns = {"length": sizes[:, None]}
    if contents.tokens is not None and contents.unknown is not None:
        ratios = {
            "pieces": (contents.tokens, contents.words),
            "unknown": (contents.unknown, contents.tokens),
        }
        for name, (part, whole) in ratios.items():
            if whole.sum():
                found.append(DriftMeasure(name, *(_ratio(part[side], whole[side]) for side in (~late, late))))
                # Where the ratio is the same in both windows, so is the mean of what remains.
                columns[name] = (part - whole * (part.sum() / whole.sum()))[:, None]
    return found, columns


def _typical(sizes: Floats) -> Estimate:
    mean, error = float(sizes.mean()), float(sizes.std(ddof=1)) / math.sqrt(len(sizes))
    return Estimate(*(math.exp(mean + step * _NORMAL * error) for step in (0, -1, 1)))


def _ratio(part: Ints, whole: Ints) -> Estimate:
    """Return the ratio of two sums, with the interval of linearization (Cochran, Sampling Techniques, chapter 6)."""
    if not whole.sum():
        return Estimate(0.0, 0.0, 0.0)
    value = float(part.sum() / whole.sum())
    error = float((part - value * whole).std(ddof=1)) / math.sqrt(len(part)) / float(whole.mean())
    # Without one in n documents, at most 3 / n of them have one, with 95% confidence.
    return Estimate(
        value, max(0.0, value - _NORMAL * error), value + _NORMAL * error if value else 3 / len(part)
    )

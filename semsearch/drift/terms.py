"""Find the terms that a window has more often than the other: log-odds with an informative Dirichlet prior.

By Monroe, Colaresi and Quinn ("Fightin' Words", Political Analysis 2008), with documents as what is counted: a document
has a term or not. The prior is the share of both windows together, and weighs as much as the smaller one: with a
tenth of that the test found fewer of the planted topics (docs/decisions/0148).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.drift.contents import Contents
from semsearch.drift.exchange import ALARM, Floats, Mask, p_value
from semsearch.search.keywords import Term, central_sentence, has_dictionary, joined
from semsearch.text.analyzer import normalize
from semsearch.tuning.metrics import Estimate, share_of

EXPLAINED = 50
"""The terms that get examples."""
_PRIOR = 1.0
_EXAMPLES = 2
_SAMPLE = 200
_NORMAL = 1.96


@dataclass(frozen=True, slots=True)
class DriftTerm:
    """A term that one window has more often than the other.

    Args:
        term: The term, in its commonest form.
        before: The documents of the earlier window that have it.
        now: The documents of the later window that have it.
        share_before: Their share, with its 95% interval.
        share_now: The same for the later window.
        odds: The ratio of the odds, later to earlier, with its 95% interval. The prior draws it towards 1.
        z: The logarithm of the ratio, divided by its standard error.
        p: The chance that any term has a z of this size where nothing has changed.
        examples: A sentence with the term from a few documents of the window that has it more often.
    """

    term: str
    before: int
    now: int
    share_before: Estimate
    share_now: Estimate
    odds: Estimate
    z: float
    p: float
    examples: tuple[str, ...]


def log_odds(now: Floats, before: Floats, late: int, early: int) -> tuple[Floats, Floats]:
    """Return the difference of the log-odds of terms, and its standard error; `late` and `early` count all texts."""
    size = _PRIOR * min(late, early)
    prior = size * (now + before) / (late + early)
    yes = now + prior, before + prior
    no = late - now + size - prior, early - before + size - prior
    error = np.sqrt(sum(1 / count for count in (*yes, *no)))
    return np.log(yes[0] / no[0]) - np.log(yes[1] / no[1]), error


def highest_z(late: Mask, has: Any) -> Floats:
    """Return for each column of `late` [n, b] the highest absolute z of a term."""
    if not has.shape[1]:
        return np.zeros(late.shape[1])
    now = np.asarray(has.T @ late.astype(np.float32), np.float64)
    total = np.asarray(has.sum(axis=0), np.float64).reshape(-1, 1)
    count = int(late[:, 0].sum())
    value, error = log_odds(now, total - now, count, len(late) - count)
    found: Floats = np.abs(value / error).max(axis=0)
    return found


def drift_terms(contents: Contents, late: Mask, highest: Floats) -> list[DriftTerm]:
    """Return the terms whose z no exchange explains, the highest first. `highest` has the z of each exchange."""
    now, before = (np.asarray(contents.has[side].sum(axis=0), np.float64).ravel() for side in (late, ~late))
    value, error = log_odds(now, before, int(late.sum()), int((~late).sum()))
    scores = value / error
    order = [
        at for at in np.argsort(-np.abs(scores), kind="stable") if p_value(highest, abs(scores[at])) <= ALARM
    ]
    found = []
    for sign, side in ((1, late), (-1, ~late)):
        some = [(contents.terms[at], abs(float(scores[at]))) for at in order if sign * scores[at] > 0]
        places = {contents.terms[at]: int(at) for at in order if sign * scores[at] > 0}
        columns = list(places.values())
        having = np.flatnonzero(side & (np.asarray(contents.has[:, columns].sum(axis=1)).ravel() > 0))
        texts = [text for at in _spread(having, _SAMPLE) for text in contents.read(at)]
        for term in _whole(some, texts):
            holding = _holding(contents, term, places)
            counts = int((holding & late).sum()), int((holding & ~late).sum())
            one = _term(term, *counts, late, highest)
            if one.p <= ALARM:
                found.append((one, holding & side))
    found.sort(key=lambda item: -abs(item[0].z))
    return [
        replace(one, examples=_examples(contents, one.term, own)) if at < EXPLAINED else one
        for at, (one, own) in enumerate(found)
    ]


def _whole(some: list[Term], texts: Sequence[str]) -> list[str]:
    """Return terms, of which pairs of Chinese characters are joined as long as they are parts of one word."""
    before = len(some) + 1
    while len(some) < before:
        before, some = len(some), joined(some, texts, len(some))
    return [term for term, _ in some]


def _term(term: str, now: int, before: int, late: Mask, highest: Floats) -> DriftTerm:
    counts = np.array([now], np.float64), np.array([before], np.float64)
    found = log_odds(counts[0], counts[1], int(late.sum()), int((~late).sum()))
    value, error = (float(one[0]) for one in found)
    odds = Estimate(*(math.exp(value + step * _NORMAL * error) for step in (0, -1, 1)))
    shares = [share_of(np.arange(int(side.sum())) < count) for side, count in ((~late, before), (late, now))]
    z = value / error
    return DriftTerm(term, before, now, shares[0], shares[1], odds, z, p_value(highest, abs(z)), ())


def _holding(contents: Contents, term: str, places: Mapping[str, int]) -> Mask:
    """Return which documents have a term; of one that was joined of pairs, its characters in this order."""
    if term in places:
        return np.asarray(contents.has[:, [places[term]]].sum(axis=1)).ravel() > 0
    parts = [places[part] for part in places if part in term]
    holding: Mask = np.asarray(contents.has[:, parts].sum(axis=1)).ravel() > 0
    for at in np.flatnonzero(holding).tolist():
        holding[at] = any(term in normalize(text) for text in contents.read(at))
    return holding


def _examples(contents: Contents, term: str, holding: Mask) -> tuple[str, ...]:
    found = []
    for at in _spread(np.flatnonzero(holding), _EXAMPLES):
        texts = contents.read(at)
        sentences = [central_sentence(text, [(term, 1.0)], dictionary=has_dictionary()) for text in texts]
        best = max(sentences, key=lambda sentence: (term in normalize(sentence), -len(sentence)))
        found.append(best)
    return tuple(found)


def _spread(some: NDArray[np.int64], most: int) -> list[int]:
    """Return at most so many of some numbers, evenly."""
    return [int(one) for one in some[:: max(1, -(-len(some) // most))]]

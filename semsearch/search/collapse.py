"""Find near-copies among a few texts, as they occur in a list of hits."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import chain

from semsearch.text.shingles import LEXICAL, shingle_set


def leaders(texts: Sequence[str]) -> list[int]:
    """Return for each text the position of the first text that it copies, exactly or lexically, or its own position.

    A text that states other facts, such as another number, is not a copy, however many words they share. A leader is
    never a copy itself, so copies do not chain.
    """
    shingle_sets = list(map(shingle_set, texts))
    frequency = Counter(chain.from_iterable(shingle_sets))
    if len(frequency) == sum(map(len, shingle_sets)):
        return list(range(len(texts)))  # no two texts share anything
    found: list[int] = []
    leaders_with: dict[int, list[int]] = defaultdict(list)
    for position, own in enumerate(shingle_sets):
        # Two texts that share enough share one of these rarest shingles (prefix filter): Chaudhuri et al., A Primitive
        # Operator for Similarity Joins in Data Cleaning, 2006. Skipping frequent ones avoids quadratic time.
        rarest = sorted(own, key=lambda shingle: (frequency[shingle], shingle))
        rarest = rarest[: len(own) - math.ceil(LEXICAL * len(own) - 1e-9) + 1]
        matching = (
            leader
            for leader in sorted({leader for shingle in rarest for leader in leaders_with[shingle]})
            if _jaccard(own, shingle_sets[leader]) >= LEXICAL and _agree(texts[leader], texts[position])
        )
        found.append(next(matching, position))
        if found[-1] == position:
            for shingle in rarest:
                leaders_with[shingle].append(position)
    return found


def _jaccard(a: frozenset[int], b: frozenset[int]) -> float:
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)


def _agree(a: str, b: str) -> bool:
    from semsearch.text.facts import agree  # few lists have near-copies, and its tables of words load slowly

    return agree(a, b)

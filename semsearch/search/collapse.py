"""Near-copies among a few texts, as a list of hits has them: each goes with the first that it is a copy of."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

from semsearch.text.diff import difference
from semsearch.text.shingles import LEXICAL, shingles


def fold(texts: Sequence[str]) -> list[int]:
    """For each text the position of the first one that it is an exact or lexical near-copy of, or its own.

    A text that denies what another says, or has other numbers, is no copy of it however many words they share.
    Whatever is named so leads itself: nothing chains.
    """
    every = [frozenset(shingles(text).tolist()) for text in texts]
    often = Counter(shingle for own in every for shingle in own)
    leaders: list[int] = []
    having: dict[int, list[int]] = defaultdict(list)
    for position, own in enumerate(every):
        # Two that share enough share one of these of each: Chaudhuri et al., A Primitive Operator for Similarity Joins
        # in Data Cleaning, 2006. What many texts have is not looked at, or this would take the square of their number.
        rarest = sorted(own, key=lambda shingle: (often[shingle], shingle))
        rarest = rarest[: len(own) - math.ceil(LEXICAL * len(own) - 1e-9) + 1]
        alike = (
            leader
            for leader in sorted({leader for shingle in rarest for leader in having[shingle]})
            if _jaccard(own, every[leader]) >= LEXICAL and _says_the_same(texts[leader], texts[position])
        )
        leaders.append(next(alike, position))
        if leaders[-1] == position:
            for shingle in rarest:
                having[shingle].append(position)
    return leaders


def _jaccard(a: frozenset[int], b: frozenset[int]) -> float:
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)


def _says_the_same(a: str, b: str) -> bool:
    if a == b:
        return True
    found = difference(a, b)
    return not found.negations and not found.numbers

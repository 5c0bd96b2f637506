"""Near-copies among a few texts, as a list of hits has them: each goes with the first that it is a copy of."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from semsearch.dedup.differ import difference
from semsearch.dedup.lexical import LEXICAL, shingles


def fold(texts: Sequence[str]) -> list[int]:
    """For each text the position of the first one that it is an exact or lexical near-copy of, or its own.

    A text that denies what another says, or has other numbers, is no copy of it however many words they share.
    Whatever is named so leads itself: nothing chains.
    """
    leaders: list[int] = []
    size: dict[int, int] = {}
    having: dict[int, list[int]] = defaultdict(list)
    for position, text in enumerate(texts):
        own = shingles(text).tolist()
        shared = Counter(leader for shingle in own for leader in having[shingle])
        alike = (
            leader
            for leader in sorted(shared)
            if shared[leader] / (len(own) + size[leader] - shared[leader]) >= LEXICAL
            and _says_the_same(texts[leader], text)
        )
        leaders.append(next(alike, position))
        if leaders[-1] == position:
            size[position] = len(own)
            for shingle in own:
                having[shingle].append(position)
    return leaders


def _says_the_same(a: str, b: str) -> bool:
    if a == b:
        return True
    found = difference(a, b)
    return not found.negations and not found.numbers

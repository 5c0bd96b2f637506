"""Groups of near-duplicates with a keeper each, so that likeness never chains: a member is like its keeper."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from semsearch.dedup.join import Pairs
from semsearch.records import Group, Member


def group(names: Sequence[str], texts: Sequence[int], pairs: Pairs) -> list[Group]:
    """Group documents by the pairs that their texts are in.

    `names` are the documents in the order in which they would rather be kept. `texts[i]` is the number that the
    text of document i has in `pairs`; exact copies have the same, and `pairs` need not say so. Each document in
    turn, if it is in no group yet, becomes the keeper of all its exact copies and of all documents paired with
    it that are in no group yet. Nobody alone is a group. The groups are in the order of their keepers; the members
    of each by falling similarity to it (1 for exact copies), then in the order of `names`.
    """
    copies = defaultdict(list)
    for position, text in enumerate(texts):
        copies[text].append(position)
    x = np.concatenate([pairs.left, pairs.right])
    y = np.concatenate([pairs.right, pairs.left])
    similarity = np.concatenate([pairs.similarity, pairs.similarity])
    order = np.argsort(x, kind="stable")
    y, similarity = y[order], similarity[order]
    edges = np.searchsorted(x[order], np.arange(max(texts, default=-1) + 2)).tolist()

    groups = []
    grouped: set[int] = set()
    for keeper, text in enumerate(texts):
        if text in grouped:
            continue
        grouped.add(text)
        near = slice(edges[text], edges[text + 1])
        found = [(-1.0, position, True) for position in copies[text][1:]]
        for other, value in zip(y[near].tolist(), similarity[near].tolist(), strict=True):
            if other not in grouped:
                grouped.add(other)
                found += [(-value, position, False) for position in copies[other]]
        if found:
            members = tuple(Member(names[at], -value, exact) for value, at, exact in sorted(found))
            groups.append(Group(names[keeper], members))
    return groups

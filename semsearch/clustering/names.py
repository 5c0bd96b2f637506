"""Name clusters by the words that their texts have and others have not: class-based TF-IDF.

The weight of a word in a cluster is the share of the cluster's words that it makes up, times log(1 + A / f), where f is
how often all clusters have it and A the mean number of words of a cluster (Grootendorst, arXiv:2203.05794). A text
counts a word once, and words with one stem count together. Chinese is cut into words by jieba's dictionary; other
scripts without blanks become pairs of characters, which are joined where they are one word in the texts.
"""

import math
from collections import Counter
from collections.abc import Collection, Sequence

from semsearch.search.keywords import TERMS, Term
from semsearch.storage.library.fulltext import stemmed

WORDS = 3
"""The words of a name."""


def class_terms(words: Sequence[Counter[str]]) -> list[list[Term]]:
    """Return for each cluster the words that set it apart with their weights, the heaviest first.

    `words` has for each cluster the number of its texts that have each word, see `words_of`.
    """
    known = sorted({word for counts in words for word in counts})
    stem_of = dict(zip(known, stemmed(known), strict=True))
    overall: Counter[str] = Counter()
    stems: list[Counter[str]] = []
    for counts in words:
        own: Counter[str] = Counter()
        for word, count in counts.items():
            own[stem_of[word]] += count
        overall.update(own)
        stems.append(own)
    mean = overall.total() / max(1, len(stems))
    found = []
    for own, counts in zip(stems, words, strict=True):
        total = max(1, own.total())
        weight = {stem: count / total * math.log1p(mean / overall[stem]) for stem, count in own.items()}
        heaviest = sorted(weight, key=lambda stem: (-weight[stem], stem))[: 2 * TERMS]
        shown: dict[str, str] = {}  # the most frequent form of each stem
        for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            shown.setdefault(stem_of[word], word)
        found.append([(shown[stem], weight[stem]) for stem in heaviest])
    return found


def name_of(terms: Sequence[Term], taken: Collection[str]) -> str:
    """Return a name that is not taken, of the first few terms; of a number where there are none."""
    words = [word for word, _ in terms]
    for count in range(WORDS, len(words) + 1):
        if (name := ", ".join(words[:count])) not in taken:
            return name
    base = ", ".join(words[:WORDS]) or "-"
    names = (base, *(f"{base} ({number})" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)

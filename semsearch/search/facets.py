"""Count the values of a field over some documents."""

from collections.abc import Iterable

import numpy as np

from semsearch.search.corpus import Corpus, Rows
from semsearch.types import FieldCounts, FieldValue, Scalar, several


def facet(corpus: Corpus, name: str, documents: Rows) -> FieldCounts:
    """Return the values that some documents have in a field, by its normalized name."""
    found: list[tuple[FieldValue, int]] = []
    having = [np.empty(0, np.int64)]
    for column in corpus.columns(name):
        kept = np.isin(column.documents, documents)
        having.append(column.documents[kept])
        codes, numbers = np.unique(column.codes[kept], return_counts=True)
        found += zip((column.values[code] for code in codes.tolist()), numbers.tolist(), strict=True)
    return FieldCounts(name, len(np.unique(np.concatenate(having))), len(documents), counted(found))


def counted(found: Iterable[tuple[FieldValue, int]]) -> tuple[tuple[Scalar, int], ...]:
    """Return each single value with its number of documents, the most frequent first, regardless of case."""
    counts: dict[tuple[type, Scalar], int] = {}  # 1, 1.0 and true would be one key
    spelling: dict[tuple[type, Scalar], Scalar] = {}
    for value, number in sorted(found, key=lambda item: (-item[1], str(item[0]))):
        folded = {(type(one), one.casefold() if isinstance(one, str) else one): one for one in several(value)}
        for key, one in folded.items():
            counts[key] = counts.get(key, 0) + number
            spelling.setdefault(key, one)
    ordered = sorted(counts, key=lambda key: (-counts[key], str(spelling[key])))
    return tuple((spelling[key], counts[key]) for key in ordered)

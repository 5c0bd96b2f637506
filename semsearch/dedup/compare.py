"""Comparing all documents of a collection with each other, once: what every kind of grouping starts from."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from semsearch.dedup.document_join import Corpus, DocumentPassages
from semsearch.dedup.join import DEFAULT_MEMORY, Floats, Integers, Pairs
from semsearch.dedup.lexical import lexical_join
from semsearch.dedup.result import Compared
from semsearch.text.shingles import shingles
from semsearch.types import Level


def compare(
    names: Sequence[str],
    texts: Sequence[bytes],
    documents: Sequence[DocumentPassages],
    vectors: Floats,
    threshold: float,
    *,
    read: Callable[[Sequence[int]], Sequence[str]],
    level: Level = "document",
    lexical: float | None = None,
    matches: Callable[[float], Pairs] | None = None,
    progress: Callable[[int, int], None] | None = None,
    memory: int = DEFAULT_MEMORY,
) -> Compared:
    """Every pair of documents at or above the threshold; with `lexical` also those of that Jaccard similarity or more.

    Of each document: its name, the digest of its text (copies are compared once), and the rows of `vectors` (float32
    [u, d], unit rows) that its passages have. `read` gives the texts of up to a few hundred positions. The rest is as
    in `Corpus.pairs`, which it raises the errors of.
    """
    _, first, numbers = np.unique(np.array(texts, object), return_index=True, return_inverse=True)
    distinct = [documents[at] for at in first]

    def read_texts(wanted: Sequence[int]) -> Sequence[str]:
        return read(first[np.asarray(wanted, np.int64)].tolist())

    corpus = Corpus(vectors, distinct)
    pairs = corpus.pairs(threshold, matches=matches, progress=progress, memory=memory)
    compared = Compared(names, numbers, pairs, threshold, corpus, read_texts, level)
    if lexical is None:
        return compared
    sets = [shingles(text) for text in compared.contents(range(len(first)))]
    return replace(compared, lexical=lexical_join(sets, lexical))


def passages_of(document: Integers, row: Integers, length: Integers) -> list[DocumentPassages]:
    """The documents of passages that stand grouped by document: the document, row and length (the weight) of each."""
    starts = np.flatnonzero(np.diff(document, prepend=-1))[1:]
    parts = zip(np.split(row, starts), np.split(length.astype(np.float64), starts), strict=True)
    return [DocumentPassages(rows, weights) for rows, weights in parts] if len(document) else []

"""Compare every document of a collection with every other, once; each kind of grouping starts from the result."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from semsearch.dedup.document_join import Corpus, DocumentPassages
from semsearch.dedup.join import PAIR_BYTES, Floats, Integers, Pairs, TooManyPairs
from semsearch.dedup.lexical import LexicalSets
from semsearch.dedup.result import Compared
from semsearch.requests import DEFAULT_MEMORY
from semsearch.text.indentation import indentation, may_carry_meaning
from semsearch.text.shingles import shingles
from semsearch.text.unseen import UnknownWords, none_unknown
from semsearch.types import Level, Unit

_READ = 256
"""Texts read at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class DocumentCollection:
    """The documents to compare, or the passages, by `level`.

    Of each: its name, its source, the digest of its text (copies are compared once), and its passages as rows of
    `vectors` (float32 [u, d], unit rows). `read` returns the cleaned texts at up to a few hundred positions. `places`
    returns the place of each passage of the document at a position: its unit, and the first and last number. `unknown`
    returns those of some words that the model does not know. `originals` returns what the texts at some positions were
    made from, to be shown; where it is None, the cleaned texts are.
    """

    names: Sequence[str]
    sources: Sequence[str]
    digests: Sequence[bytes]
    documents: Sequence[DocumentPassages]
    vectors: Floats
    read: Callable[[Sequence[int]], Sequence[str]]
    places: Callable[[int], Sequence[tuple[Unit, int, int]]]
    level: Level = "document"
    unknown: UnknownWords = none_unknown
    originals: Callable[[Sequence[int]], Sequence[str]] | None = None

    def shown(self, positions: Sequence[int]) -> Sequence[str]:
        """Return the texts at up to a few hundred positions as they were written."""
        return (self.originals or self.read)(positions)

    def by_indentation(self) -> "DocumentCollection":
        """Return the collection with other digests where texts of code are copies but for their indentation.

        Cleaning removes it, and in Python, YAML and Makefiles it carries meaning.
        """
        if self.originals is None:
            return self
        _, first, number, count = np.unique(
            np.array(self.digests, object), return_index=True, return_inverse=True, return_counts=True
        )
        heads = np.flatnonzero(count > 1)
        # Nearly all copies are prose, and one text tells for all of them.
        meant = np.zeros(len(first), np.bool_)
        for start in range(0, len(heads), _READ):
            some = heads[start : start + _READ]
            meant[some] = [may_carry_meaning(text) for text in self.read(first[some].tolist())]
        copied = np.flatnonzero(meant[number])
        copied = copied[np.argsort(number[copied], kind="stable")]  # equal texts come together
        levels_of = lru_cache(_READ)(indentation)
        digests = list(self.digests)
        for start in range(0, len(copied), _READ):
            some = copied[start : start + _READ]
            for at, text in zip(some.tolist(), self.shown(some.tolist()), strict=True):
                if levels := levels_of(text):
                    digests[at] += repr(levels).encode()
        return replace(self, digests=digests)

    @property
    def lengths(self) -> Integers:
        """The characters of each document, int64 [n]."""
        return np.array([int(document.weights.sum()) for document in self.documents], np.int64)


def compare(
    collection: DocumentCollection,
    threshold: float,
    *,
    lexical: float | None = None,
    matches: Callable[[float], Pairs] | None = None,
    progress: Callable[[int, int], None] | None = None,
    memory: int = DEFAULT_MEMORY,
) -> Compared:
    """Return every pair of documents with a similarity of at least `threshold`.

    With `lexical`, also return the pairs that have at least this Jaccard similarity. Where the pairs would take more
    than `memory`, the result finds them again whenever they are needed. The other arguments, and the errors, are those
    of `Corpus.pairs`.
    """
    collection = collection.by_indentation()
    _, first, numbers = np.unique(
        np.array(collection.digests, object), return_index=True, return_inverse=True
    )
    distinct = [collection.documents[at] for at in first]

    def read_texts(wanted: Sequence[int]) -> Sequence[str]:
        return collection.read(first[np.asarray(wanted, np.int64)].tolist())

    def read_written(wanted: Sequence[int]) -> Sequence[str]:
        return collection.shown(first[np.asarray(wanted, np.int64)].tolist())

    compared = Compared(
        collection.names,
        numbers,
        None,
        threshold,
        Corpus(collection.vectors, distinct),
        read_texts,
        collection.level,
        memory=memory,
        written=read_written,
    )
    if lexical is not None:
        sets = [shingles(text) for text in compared.contents(range(len(first)))]
        compared = replace(compared, sets=LexicalSets(sets, lexical))
    limit = max(1, memory // PAIR_BYTES)
    try:
        pairs = compared.corpus.pairs(
            threshold, matches=matches, progress=progress, memory=memory, limit=limit
        )
        lexical_pairs = compared.sets.pairs(limit=limit) if compared.sets else None
    except TooManyPairs:
        return compared
    return replace(compared, pairs=pairs, lexical=lexical_pairs, sets=None)


def passages_of(document: Integers, row: Integers, length: Integers) -> list[DocumentPassages]:
    """Return the passages of each document.

    The arguments give the document, row and length (the weight) of each passage, grouped by document.
    """
    starts = np.flatnonzero(np.diff(document, prepend=-1))[1:]
    parts = zip(np.split(row, starts), np.split(length.astype(np.float64), starts), strict=True)
    return [DocumentPassages(rows, weights) for rows, weights in parts] if len(document) else []

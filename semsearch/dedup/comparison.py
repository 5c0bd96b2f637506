"""Compare two documents: as a whole by the model, word by word, and passage by passage."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup import jaccard, shingles, tier_of
from semsearch.dedup.decision import NO_RULE, DecisionRule
from semsearch.dedup.features import TextWords
from semsearch.dedup.veto import Veto
from semsearch.embedding import Embedder
from semsearch.embedding.similarity import PassageRows, document_similarities
from semsearch.embedding.vocabulary import Vocabulary
from semsearch.errors import FingerprintMismatch, MissingExtra, ModelError
from semsearch.ingest.lookup import DocumentVectors, find_document
from semsearch.storage.library import Library
from semsearch.text.diff import Difference, as_written, difference
from semsearch.text.unseen import UnknownWords
from semsearch.types import FieldValue, Tier


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """The passages of another document that are most similar to the passages of one.

    Of each passage: the `row` (int64 [n]) of the most similar passage of the other document, and the `cosine`
    (float64 [n]) of the two. `similarity` is the mean of the cosines, weighted by length.
    """

    row: NDArray[np.int64]
    cosine: NDArray[np.float64]
    similarity: float


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two documents compared. `tier` is None if they are not near-duplicates at the `threshold`.

    `differs` says what parts them however alike they are, such as "a sign differs: – / !", and `rule` is the rule of
    this veto; both are "" where `dedup` takes one of them away if they have a tier. The rule "template" needs a
    collection, so it is not looked for. `rules` are those of all facts that differ.

    The `difference` compares their cleaned texts; its segments show the words as they were written.
    `probability` is what the classifier that `tune` saved gives them, and it accepts them from `least_probability` on.
    It is None without a classifier, and for texts of several passages, on which none decides.
    """

    a: DocumentVectors
    b: DocumentVectors
    difference: Difference
    coverage_a: Coverage
    coverage_b: Coverage
    jaccard: float
    threshold: float
    rule: str = ""
    differs: str = ""
    probability: float | None = None
    least_probability: float = 1.0
    rules: frozenset[str] = frozenset()

    @property
    def similarity(self) -> float:
        """The similarity by which near-duplicates are found: the smaller of the two directions."""
        return min(self.coverage_a.similarity, self.coverage_b.similarity)

    @property
    def tier(self) -> Tier | None:
        """The tier of the two as near-duplicates, or None."""
        tier = tier_of(self.a.text == self.b.text and not self.rule, self.jaccard)
        if tier == "semantic" and self.rule == "unknown":
            return None
        return tier if tier != "semantic" or self.similarity >= self.threshold else None

    @property
    def fields(self) -> dict[str, tuple[FieldValue | None, FieldValue | None]]:
        """The fields in which the two differ, with the value of each; None where one has no such field."""
        a, b = self.a.metadata, self.b.metadata
        names = dict.fromkeys((*a, *b))
        return {name: (a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name)}


def compare_documents(
    a: str,
    b: str,
    embedder: Callable[[], Embedder],
    *,
    threshold: float,
    library: Library | None = None,
    unknown: UnknownWords | None = None,
) -> Comparison:
    """Compare two documents, each by its name in the Library, or else as a file that is read as `ingest` does.

    One row of a file of rows is named `data.csv#3`. The embedder is loaded, once, only if a file is read or words
    beyond ASCII are met. `unknown` says which words the model does not know; by default the embedder is asked. Raises
    `InvalidInput` for a name that is neither a document nor a file, with similar names as hint, and
    `UnreadableSource` for a file without text.
    """
    embedder = cache(embedder)
    x, y = (find_document(name, embedder, library) for name in (a, b))
    return compare(x, y, threshold=threshold, unknown=unknown or Vocabulary(embedder, subwords=True).unknown)


def compare(
    a: DocumentVectors,
    b: DocumentVectors,
    *,
    threshold: float,
    unknown: UnknownWords,
    rule: DecisionRule = NO_RULE,
) -> Comparison:
    """Compare two documents that are at hand; see `compare_documents`. The classifier of a `rule` judges them too."""
    veto = Veto(
        lambda numbers: [(a.text, b.text)[number] for number in numbers],
        2,
        unknown=unknown,
        written=lambda numbers: [(a.original, b.original)[number] for number in numbers],
    )
    forth, back = coverage(a, b), coverage(b, a)
    probability = None
    if rule.classifier and len(a.texts) == len(b.texts) == 1:
        cosine = min(forth.similarity, back.similarity)
        with suppress(ModelError, MissingExtra, FingerprintMismatch):  # an index answers without its model
            probability = float(rule.probabilities([cosine], [TextWords(a.text)], [TextWords(b.text)])[0])
    return Comparison(
        a,
        b,
        as_written(difference(a.text, b.text), (a.text, a.original), (b.text, b.original)),
        forth,
        back,
        jaccard(shingles(a.text), shingles(b.text)),
        threshold,
        *veto.reason(0, 1),
        probability=probability,
        least_probability=rule.probability,
        rules=frozenset(fact for fact, _ in veto.differences(0, 1)),
    )


def coverage(a: DocumentVectors, b: DocumentVectors) -> Coverage:
    """Compare each passage of `a` with all of `b`; both have at least one. Equal texts have a cosine of 1."""
    numbers: dict[str, int] = {}
    own, other = (
        PassageRows(
            side.vectors.astype(np.float64),
            np.array([len(text) for text in side.texts], np.float64),
            np.array([numbers.setdefault(text, len(numbers)) for text in side.texts]),
        )
        for side in (b, a)
    )
    found = document_similarities(own, other, np.zeros(1, np.int64), find_nearest=True)
    return Coverage(found.nearest, found.cosine, float(found.back[0]))

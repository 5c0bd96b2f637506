"""Read what is compared of the documents: vectors, words, lengths and tokens."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Embedder, Tokenizing, Vectors, count_tokens, embed_checked
from semsearch.search.keywords import has_dictionary, words_of
from semsearch.storage.library import Library, PassageMatrix
from semsearch.storage.library.fulltext import stemmed
from semsearch.text.words import word_pattern

LEAST_OFTEN = 5
"""The documents that a term must be in: of rarer ones nothing can be said."""
_BATCH = 1_000

Ints = NDArray[np.int64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """The documents of both windows.

    `vectors` [n, d] are unit vectors: the mean of a document's passages by their lengths. `characters`, `words`,
    `tokens` and `unknown` count what each has, and the last two are None where the model has no tokenizer. `has` is
    sparse [n, m]: which document has which of the `terms`, each by its commonest form. `read` returns the passages of a
    document.
    """

    names: Sequence[str]
    vectors: Vectors
    characters: Ints
    words: Ints
    tokens: Ints | None
    unknown: Ints | None
    has: Any
    terms: list[str]
    read: Callable[[int], list[str]]


def index_contents(
    library: Library,
    table: PassageMatrix,
    vectors: Vectors,
    chosen: Ints,
    embedder: Embedder | None,
    progress: Progress | None,
) -> Contents:
    """Return the contents of some documents of a Library, which are numbered in rising order."""
    from scipy.sparse import csr_matrix

    own = np.flatnonzero(np.isin(table.document, chosen))
    document = np.searchsorted(chosen, table.document[own])
    shape = len(chosen), len(vectors)
    means = csr_matrix((table.length[own].astype(np.float32), (document, table.row[own])), shape) @ vectors
    numbers = table.numbers[own].tolist()
    starts = np.searchsorted(document, np.arange(len(chosen) + 1)).tolist()

    def texts() -> Iterator[str]:
        for start in range(0, len(numbers), _BATCH):
            yield from library.texts(numbers[start : start + _BATCH])
            if progress is not None:
                progress(min(start + _BATCH, len(numbers)), len(numbers))

    def read(at: int) -> list[str]:
        return library.texts(numbers[starts[at] : starts[at + 1]])

    names = [table.names[at] for at in chosen.tolist()]
    return _contents(names, document, means, texts(), embedder, read)


def log_contents(texts: Sequence[str], names: Sequence[str], embedder: Embedder) -> Contents:
    """Return the contents of queries, each a document."""
    vectors = embed_checked(embedder, texts, "query")
    return _contents(names, np.arange(len(texts)), vectors, iter(texts), embedder, lambda at: [texts[at]])


def _contents(
    names: Sequence[str],
    document: Ints,
    means: Vectors,
    texts: Iterator[str],
    embedder: Embedder | None,
    read: Callable[[int], list[str]],
) -> Contents:
    counts = _Counts(len(names), embedder if isinstance(embedder, Tokenizing) else None)
    batch: list[str] = []
    for at, text in enumerate(texts):
        batch.append(text)
        if len(batch) == _BATCH:
            counts.add(document[at + 1 - len(batch) : at + 1], batch)
            batch = []
    counts.add(document[len(document) - len(batch) :], batch)
    has, terms = counts.terms()
    norms = np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    characters, words, tokens, unknown = counts.numbers
    counted = counts.embedder is not None
    return Contents(
        names,
        (means / norms).astype(np.float32),
        characters,
        words,
        tokens if counted else None,
        unknown if counted else None,
        has,
        terms,
        read,
    )


def usable(has: Any) -> Ints:
    """Return the columns of terms that may differ: neither too rare, nor in every document."""
    counts = has.getnnz(axis=0)
    found: Ints = np.flatnonzero((counts >= LEAST_OFTEN) & (counts < has.shape[0]))
    return found


class _Counts:
    """Counts of documents, of which passages are added in order."""

    def __init__(self, documents: int, embedder: Embedder | None) -> None:
        self.embedder, self._dictionary = embedder, has_dictionary()
        self.numbers = np.zeros((4, documents), np.int64)
        self._forms: Counter[str] = Counter()
        self._number: dict[str, int] = {}
        self._documents: list[int] = []
        self._terms: list[int] = []

    def add(self, documents: Ints, texts: Sequence[str]) -> None:
        """Add passages, each of a document."""
        if not texts:
            return
        find = word_pattern().findall
        sizes = [[len(text) for text in texts], [len(find(text)) for text in texts]]
        if self.embedder is not None:
            sizes += [counts.tolist() for counts in count_tokens(self.embedder, texts)]
        for own, some in zip(self.numbers, sizes, strict=False):
            np.add.at(own, documents, some)
        for document, text in zip(documents.tolist(), texts, strict=True):
            words = [word for word in words_of(text, dictionary=self._dictionary) if len(word) > 1]
            self._forms.update(words)
            self._documents += [document] * len(words)
            self._terms += [self._number.setdefault(word, len(self._number)) for word in words]

    def terms(self) -> tuple[Any, list[str]]:
        """Return which document has which term, sparse [documents, terms] of float32, and the terms."""
        from scipy.sparse import csr_matrix

        forms = list(self._number)
        stem_of: dict[str, int] = {}
        stems = np.array([stem_of.setdefault(stem, len(stem_of)) for stem in stemmed(forms)], np.int64)
        rows = np.array(self._documents, np.int64)
        columns = stems[np.array(self._terms, np.int64)] if len(stems) else np.empty(0, np.int64)
        shape = self.numbers.shape[1], len(stem_of)
        has = csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape)
        has.data[:] = 1  # a document counts a term once
        often = usable(has)
        shown: dict[int, str] = {}
        for form, _ in sorted(self._forms.items(), key=lambda item: (-item[1], item[0])):
            shown.setdefault(int(stems[self._number[form]]), form)
        return has[:, often], [shown[at] for at in often.tolist()]

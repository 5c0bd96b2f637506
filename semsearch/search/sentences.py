"""Find the sentence of a passage that answers a query best."""

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch import text
from semsearch.embedding import Embedder, Vectors, embed_checked
from semsearch.text.analyzer import query_terms
from semsearch.text.scripts import UNSPACED
from semsearch.types import Hit

Scorer = Callable[[Sequence[str], NDArray[np.int64]], NDArray[Any]]
"""Scores each of some sentences, given with the position of the text that each comes from."""

_LEFT_OUT = re.compile(
    r"\A(?P<rule>---|\+{3})\n.*?^(?P=rule)$|<!--.*?(?:-->|\Z)|^%%$.*?(?:^%%$|\Z)|%%[^%\n]*%%",
    re.DOTALL | re.MULTILINE,
)
"""Front matter and comments, which are in the lines of a file and not in what is searched."""
_NO_WORDS = re.compile(
    r"!\[\[[^\]\n]*\]\]|\[(?:data|secret)[ \w]*\]|^\s*(?:`{3,}|~{3,}).*$|(?<!\w)\w++://\S+|[!-~]{40,}",
    re.MULTILINE,
)
"""Embedded files, marks of what was left out, fences, links, and runs that no word is as long as."""
_WORDS = re.compile(rf"[^\W\d_]{{2,}}|[{UNSPACED}]")
_LEAST = 0.3
"""The least share of the characters of a sentence that are in words. A row of a table of numbers has less."""
_ENTRY = re.compile(r"\s*(?:[\w][\w .-]{0,40}:(?:\s.*)?|- .*|---|\+\+\+|\.\.\.)")
"""A line of front matter, or of a header of fields."""
_KEPT_BYTES = 32 * 2**20
"""The size of the vectors that `SentenceVectors` keeps: those of 21,845 sentences, for 384 numbers."""


class SentenceVectors:
    """Embeds sentences, from any number of threads, and keeps the vectors of those that were asked for last.

    Questions that follow each other, as while a person types, find the same passages again. `embedder` loads the model
    when it is needed.
    """

    def __init__(self, embedder: Callable[[], Embedder], kept_bytes: int = _KEPT_BYTES) -> None:
        self._embedder, self._kept_bytes = embedder, kept_bytes
        self._lock = Lock()
        self._kept: OrderedDict[bytes, Vectors] = OrderedDict()
        """Vectors by the digest of the text and the model; what was not asked for the longest time comes first."""

    def embed(self, sentences: Sequence[str]) -> Vectors:
        """Return the unit vectors of one or more sentences, float32 [n, dimension].

        Raises what the embedder raises.
        """
        embedder = self._embedder()
        model = embedder.fingerprint.weights.encode()[:64]  # the index may move to another one
        digests = [
            blake2b(one.encode("utf-8", "surrogatepass"), digest_size=16, key=model).digest()
            for one in sentences
        ]
        with self._lock:
            found = {digest: self._kept[digest] for digest in digests if digest in self._kept}
        missing = {digest: one for digest, one in zip(digests, sentences, strict=True) if digest not in found}
        if missing:
            # A row of the array would keep all of it.
            embedded = map(np.copy, embed_checked(embedder, list(missing.values())))
            found |= zip(missing, embedded, strict=True)
        most = self._kept_bytes // (4 * embedder.fingerprint.dimension)
        with self._lock:
            for digest, vector in found.items():
                self._kept[digest] = vector
                self._kept.move_to_end(digest)
            while len(self._kept) > most:
                self._kept.popitem(last=False)
        return np.stack([found[digest] for digest in digests])


def by_meaning(sentence_vectors: SentenceVectors, vectors: Vectors) -> Scorer:
    """Return a scorer: the cosine of each sentence with its text's query, of which `vectors` has one for each text."""

    def score(sentences: Sequence[str], text_of: NDArray[np.int64]) -> NDArray[Any]:
        scores: NDArray[Any] = np.sum(sentence_vectors.embed(sentences) * vectors[text_of], axis=1)
        return scores

    return score


def by_words(queries: Sequence[str]) -> Scorer:
    """Return a scorer: how many words of its text's query a sentence has. `queries` has one for each text."""
    words = {query: set(query_terms(query)) for query in queries}

    def score(sentences: Sequence[str], text_of: NDArray[np.int64]) -> NDArray[Any]:
        pairs = zip(text_of.tolist(), sentences, strict=True)
        return np.array([len(words[queries[at]].intersection(query_terms(one))) for at, one in pairs])

    return score


def best_sentences(texts: Sequence[str], scorer: Scorer) -> list[tuple[int, int]]:
    """Return the [start, end) span of the sentence of each text that scores best.

    Sentences that have no words for a reader, such as Base64, are not chosen where there are others. The only sentence
    of a text is not scored.
    """
    spans = [_sentences(one) for one in texts]
    several = [at for at, some in enumerate(spans) if len(some) > 1]
    best = [some[0] for some in spans]
    if several:
        counts = np.array([len(spans[at]) for at in several], np.int64)
        sentences = [text.clean(texts[at][start:end]) for at in several for start, end in spans[at]]
        scores = scorer(sentences, np.repeat(several, counts))
        for at, end in zip(several, np.cumsum(counts).tolist(), strict=True):
            best[at] = spans[at][int(np.argmax(scores[end - len(spans[at]) : end]))]
    return best


def _sentences(one: str) -> list[tuple[int, int]]:
    """Return the spans of the sentences of a text that say something, or of all if none does."""
    hidden = [match.span() for match in _LEFT_OUT.finditer(one)]
    spans = text.sentences(one)
    return [
        (start, end)
        for start, end in spans
        if _has_words(one[start:end]) and not any(a <= start < b for a, b in hidden)
    ] or spans


def _has_words(sentence: str) -> bool:
    """Return whether a sentence is made of words, and is neither data nor a list of fields."""
    lines = [line for line in sentence.split("\n") if line.strip()]
    if len(lines) > 1 and all(map(_ENTRY.fullmatch, lines)):
        return False
    characters = sum(map(len, _WORDS.findall(_NO_WORDS.sub(" ", sentence))))
    return characters >= _LEAST * sum(map(len, sentence.split()))


def highlighted(hits: Sequence[Hit], scorer: Scorer) -> list[Hit]:
    """Return the hits, each with the span of its best sentence."""
    spans = best_sentences([hit.text for hit in hits], scorer)
    return [replace(hit, highlight=span) for hit, span in zip(hits, spans, strict=True)]

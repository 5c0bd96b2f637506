"""Find the sentence of a passage that answers a query best."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
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


def by_meaning(embedder: Embedder, vectors: Vectors) -> Scorer:
    """Return a scorer: the cosine of each sentence with its text's query, of which `vectors` has one for each text."""

    def score(sentences: Sequence[str], text_of: NDArray[np.int64]) -> NDArray[Any]:
        rows = {sentence: row for row, sentence in enumerate(dict.fromkeys(sentences))}
        embedded = embed_checked(embedder, list(rows))[[rows[sentence] for sentence in sentences]]
        scores: NDArray[Any] = np.sum(embedded * vectors[text_of], axis=1)
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

    Sentences that have no words for a reader, such as Base64, are not chosen where there are others.
    """
    spans = [_sentences(one) for one in texts]
    counts = np.array([len(some) for some in spans], np.int64)
    text_of = np.repeat(np.arange(len(texts)), counts)
    scores = scorer(
        [text.clean(one[a:b]) for one, some in zip(texts, spans, strict=True) for a, b in some], text_of
    )
    ends = np.cumsum(counts).tolist()
    return [
        some[int(np.argmax(scores[end - len(some) : end]))] for some, end in zip(spans, ends, strict=True)
    ]


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

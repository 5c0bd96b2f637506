"""Turn text into the terms of full-text search: words without case and accents, and pairs of Chinese characters.

Scripts that are written without blanks (Chinese, Japanese, Thai, ...) and Korean become overlapping pairs of
characters, as in Lucene's CJK analyzer. This needs no dictionary, and finds a word wherever it stands. Stemming is
not done here.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

from semsearch.text.words import UNSPACED

LONGEST_TERM = 64
"""Characters of a word that count. The rest of a longer word, such as Base64, is ignored."""

# Indic vowel signs are part of a word, but `\w` does not match them.
_PIECES = re.compile(rf"([{UNSPACED}]+)|(?:(?![{UNSPACED}])[^\W_]|[\u0900-\u0dff])+")
_ASCII = re.compile(r"[a-z0-9]+")
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u0652\u0670]")
"""Accents, and the points of Hebrew and Arabic, which people often do not type."""


def normalize(text: str) -> str:
    """Return text in NFKC without case and accents, so letters that look the same to a reader are equal."""
    if text.isascii():
        return text.lower()
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFKC", bare.casefold())


def index_terms(text: str) -> tuple[list[str], int]:
    """Return the terms that find a text, and its length in terms.

    The single characters of a run are among the terms, for queries of one character. They do not count as length.
    """
    normalized = normalize(text)
    if normalized.isascii():
        words = [word[:LONGEST_TERM] for word in _ASCII.findall(normalized)]
        return words, len(words)
    terms: list[str] = []
    single: list[str] = []
    for piece, is_run in _pieces(normalized):
        if is_run:
            terms += _pairs(piece)
            single += piece if len(piece) > 1 else ""
        else:
            terms.append(piece[:LONGEST_TERM])
    return terms + single, len(terms)


def query_terms(text: str) -> list[str]:
    """Return the terms of a query, in order."""
    return [
        term
        for piece, is_run in _pieces(normalize(text))
        for term in (_pairs(piece) if is_run else [piece[:LONGEST_TERM]])
    ]


def phrase_pattern(text: str) -> re.Pattern[str] | None:
    """Return a pattern that finds the words of `text`, in order, in a *normalized* text; None if there are no words."""
    pieces = list(_pieces(normalize(text)))
    if not pieces:
        return None
    pattern = ""
    for (piece, is_run), (_, run_before) in zip(pieces, [("", False), *pieces], strict=False):
        # A run and a word may follow each other directly.
        between = "" if not pattern else r"[\W_]*" if is_run != run_before else r"[\W_]+"
        pattern += between + re.escape(piece)
    # Only a word has ends. A run may continue before and after what is searched for.
    before = "" if pieces[0][1] else rf"(?<![^\W_{UNSPACED}])"
    after = "" if pieces[-1][1] else rf"(?![^\W_{UNSPACED}])"
    return re.compile(before + pattern + after)


def _pieces(normalized: str) -> Iterator[tuple[str, bool]]:
    """Yield each word and each run of a script without blanks, and True for a run."""
    for match in _PIECES.finditer(normalized):
        yield match[0], match[1] is not None


def _pairs(run: str) -> list[str]:
    return [a + b for a, b in pairwise(run)] or [run]

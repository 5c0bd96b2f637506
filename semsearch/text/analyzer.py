"""What full-text search sees of a text: words whatever their case or form, and pairs of Chinese characters. Pure.

Scripts that are written without blanks (Chinese, Japanese, Thai, ...) and Korean become overlapping pairs of
characters, as Lucene's CJK analyser has them: that needs no dictionary, and finds a word wherever it stands. Stemming
is not done here.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

from semsearch.text.words import UNSPACED

LONGEST_TERM = 64
"""Characters of a word that count: the rest of a longer one, as Base64 has them, is left out."""

# Indic vowel signs are no letters to `\w`, but part of a word.
_PIECES = re.compile(rf"([{UNSPACED}]+)|(?:(?![{UNSPACED}])[^\W_]|[\u0900-\u0dff])+")
_ASCII = re.compile(r"[a-z0-9]+")
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u0652\u0670]")
"""Accents, and the points of Hebrew and Arabic, which people leave out."""


def normalize(text: str) -> str:
    """Text in which letters that are the same to a reader are the same: NFKC, no case, no accents."""
    if text.isascii():
        return text.lower()
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFKC", bare.casefold())


def index_terms(text: str) -> tuple[list[str], int]:
    """The terms under which a text is found, and its length in terms.

    Single characters of a run are among them, for queries of one character, but do not count for the length.
    """
    folded = normalize(text)
    if folded.isascii():
        words = [word[:LONGEST_TERM] for word in _ASCII.findall(folded)]
        return words, len(words)
    terms: list[str] = []
    single: list[str] = []
    for piece, is_run in _pieces(folded):
        if is_run:
            terms += _pairs(piece)
            single += piece if len(piece) > 1 else ""
        else:
            terms.append(piece[:LONGEST_TERM])
    return terms + single, len(terms)


def query_terms(text: str) -> list[str]:
    """The terms to look for, in their order."""
    return [
        term
        for piece, is_run in _pieces(normalize(text))
        for term in (_pairs(piece) if is_run else [piece[:LONGEST_TERM]])
    ]


def phrase_pattern(text: str) -> re.Pattern[str] | None:
    """What finds the words of `text`, as they are and one after the other, in a *folded* text. None without words."""
    pieces = list(_pieces(normalize(text)))
    if not pieces:
        return None
    pattern = ""
    for (piece, is_run), (_, run_before) in zip(pieces, [("", False), *pieces], strict=False):
        # Between a run and a word nothing need stand.
        between = "" if not pattern else r"[\W_]*" if is_run != run_before else r"[\W_]+"
        pattern += between + re.escape(piece)
    # Only a word has ends, and a run is no part of it.
    before = "" if pieces[0][1] else rf"(?<![^\W_{UNSPACED}])"
    after = "" if pieces[-1][1] else rf"(?![^\W_{UNSPACED}])"
    return re.compile(before + pattern + after)


def _pieces(folded: str) -> Iterator[tuple[str, bool]]:
    """Words and runs, and which each is."""
    for match in _PIECES.finditer(folded):
        yield match[0], match[1] is not None


def _pairs(run: str) -> list[str]:
    return [a + b for a, b in pairwise(run)] or [run]

"""Turn texts into sets of word triples (shingles), and compare these sets."""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from semsearch.text.words import PUNCTUATION, SINGLE

Integers = NDArray[np.int64]

LEXICAL = 0.8
"""The least Jaccard similarity of lexical near-copies. Two texts of 20 words that differ in one word have 0.71 (in the
middle, where the word is in three triples) to 0.89 (at an end). Two of 30 words have 0.81 to 0.93."""
# Not \w, which lacks combining marks, and so the vowels of half of the scripts of India.
_WORDS = re.compile(rf"[{SINGLE}]|[^\s{PUNCTUATION}{SINGLE}]+")


def shingles(text: str) -> Integers:
    """Return the set of word triples of a cleaned text as hashes, int64 [n], sorted, n >= 1.

    Blanks and punctuation separate words, and case does not matter. In a script that is written without blanks, each
    character is a word. A text of one or two words has one shingle, with all of its words. A text without words has
    one, the text itself. The hashes are Python's, so they are valid within one process only.
    """
    return np.unique(np.fromiter(_hashes(text), np.int64))


def shingle_set(text: str) -> frozenset[int]:
    """Return what `shingles` does as a set, which is made in less time."""
    return frozenset(_hashes(text))


def _hashes(text: str) -> Iterator[int]:
    words = _WORDS.findall(text.lower()) or [text]
    return map(hash, zip(words, words[1:], words[2:], strict=False) if len(words) > 2 else [tuple(words)])


def jaccard(a: Integers, b: Integers) -> float:
    """Return the Jaccard similarity of two sets: the shared elements divided by all; 0 if both are empty."""
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / max(1, len(a) + len(b) - shared)

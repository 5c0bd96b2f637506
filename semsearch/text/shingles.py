"""Cut texts into word triples and compare the sets."""

import re

import numpy as np
from numpy.typing import NDArray

from semsearch.text.words import PUNCTUATION, SINGLE

Integers = NDArray[np.int64]

LEXICAL = 0.8
"""The least Jaccard similarity of lexical near-copies. Of two texts of 20 words that differ in one word it is 0.71 (in
the middle, where it takes three triples with it) to 0.89 (at an end); of 30 words 0.81 to 0.93."""
# Not \w, which has no combining marks, and with them the vowels of half of the scripts of India.
_WORDS = re.compile(rf"[{SINGLE}]|[^\s{PUNCTUATION}{SINGLE}]+")


def shingles(text: str) -> Integers:
    """The set of word triples of a cleaned text: their hashes, int64 [n], sorted, n >= 1.

    Words are told apart by blanks and punctuation, and their case is of no matter. A character of a script that is
    written without spaces is a word of its own. A text of one or two words has one shingle, all of them, and a text
    without any has itself. The hashes are Python's own: the same throughout a process and no longer.
    """
    words = _WORDS.findall(text.lower()) or [text]
    triples = zip(words, words[1:], words[2:], strict=False) if len(words) > 2 else [tuple(words)]
    return np.unique(np.fromiter(map(hash, triples), np.int64))


def jaccard(a: Integers, b: Integers) -> float:
    """The share that two sets have in common of all that either has; 0 if both are empty."""
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / max(1, len(a) + len(b) - shared)

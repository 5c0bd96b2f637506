"""Turn texts into hashes of their words and of runs of words, to find the parts that two texts share."""

import re
from functools import cache

import numpy as np
from numpy.typing import NDArray

from semsearch.text.analyzer import normalize
from semsearch.text.words import PUNCTUATION, SINGLE

Integers = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Flags = NDArray[np.bool_]

RUN = 5
"""The words of a run. A word that is changed in every tenth place leaves nine tenths of a text in runs of 5. Runs of 3
occur by chance in every long text, and runs of 8 miss a text with a changed word in every eighth place."""
_WORDS = re.compile(rf"[{SINGLE}]|[^\s{PUNCTUATION}{SINGLE}]+")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
"""Soft hyphens, joiners, marks of direction and variants: they change no word for a reader."""
_MARKS = re.compile(f"[{PUNCTUATION.removeprefix('!-/:-@[-`{-~')}]")
# Odd, so that the lowest bits of every word count.
_FACTORS = np.random.default_rng(0).integers(2**63, size=RUN, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def words_of(text: str) -> list[bytes]:
    """Return the words of a text in UTF-8, folded by case, accents, width and invisible characters.

    Blanks and punctuation separate words. In a script that is written without blanks, each character is a word.
    """
    if not text.isascii():
        text = normalize(_MARKS.sub(" ", _INVISIBLE.sub("", text)))
    if text.isascii():  # as most European texts are by now: four times as fast, with the same result
        return text.encode().translate(_ascii_fold()).split()
    return [word.encode() for word in _WORDS.findall(text)]


@cache
def _ascii_fold() -> bytes:
    """Return the table that folds ASCII: lower case for the characters of words, and a blank for all others."""
    return bytes(ord(chr(c).lower()) if c < 128 and _WORDS.match(chr(c)) else 32 for c in range(256))


def word_hashes(text: str) -> Hashes:
    """Return the hash of each word of a text, uint64 [n]. Hashes are valid within one process only."""
    words = words_of(text)
    return np.fromiter(map(hash, words), np.int64, len(words)).view(np.uint64)


def run_hashes(words: Hashes) -> Hashes:
    """Return the hash of the run of `RUN` words at each word that has one, uint64 [max(0, n - RUN + 1)]."""
    count = max(0, len(words) - RUN + 1)
    runs = np.zeros(count, np.uint64)
    for at, factor in enumerate(_FACTORS):
        runs += words[at : at + count] * factor
    return runs


def covered(begins: Flags) -> Flags:
    """Return the words that lie in a run, given the words at which a run begins; both are bool [n].

    Several texts may follow each other, since no run begins in the last words of a text.
    """
    inside = begins.copy()
    for at in range(1, RUN):
        inside[at:] |= begins[:-at]
    return inside

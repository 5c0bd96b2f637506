"""Find the templates of a collection: phrases that several texts have, such as a form, a header or a signature."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semsearch.text.facts import content
from semsearch.text.words import word_pattern

_TEXTS = 3
"""The least number of different texts that have a phrase of a template."""
_FRAMED = 0.25
"""The least share of its words that a template gives a text of one."""
_FILLED = 3
"""The least content words besides the template on each side; with fewer, little is known of what differs."""
_SHARED = 0.34
"""The share of these words of either side from which on, if the other text has them anywhere, the two say the same."""
_PHRASES = re.compile(r"[\n\t|;；，,。！？!?:：•]+|\.(?=\s|$)|\s[-–—]\s")
_DIGITS = re.compile(r"\d+")
_BATCH = 2**20
"""Phrases that are counted at a time."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A text by its phrases: the number of words of each phrase of a template, and the content words of the others.

    `rest` are the content words of the phrases besides a template, `content` those of the whole text, and `words`
    counts all words of the text.
    """

    template: dict[str, int]
    rest: frozenset[str]
    content: frozenset[str]
    words: int

    @property
    def framed(self) -> bool:
        """True if a template gives a good part of the text, and something else is left."""
        return sum(self.template.values()) >= max(1, _FRAMED * self.words) and len(self.rest) >= _FILLED

    def parts(self, other: "Frame") -> bool:
        """Return True if two texts share a template and hardly a word besides."""
        if not (self.framed and other.framed):
            return False
        shared = sum(count for phrase, count in self.template.items() if phrase in other.template)
        if shared < _FRAMED * min(self.words, other.words):
            return False
        return self._own(other) and other._own(self)

    def _own(self, other: "Frame") -> bool:
        """Return True if what this text has besides the template is its own, and fills no gap of an edited copy.

        A phrase with an edit has most of its words in the other text. A phrase that was replaced leaves one in the
        other text that several texts have, and this one has not.
        """
        own = self.rest - other.content
        replaced = sum(count for phrase, count in other.template.items() if phrase not in self.template)
        return len(own) >= _FILLED and len(own) > max(replaced, (1 - _SHARED) * len(self.rest))


class Templates:
    """The phrases that several different texts of a collection have, by their hashes."""

    def __init__(self, hashes: NDArray[np.int64]) -> None:
        self._hashes = frozenset(hashes.tolist())

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Templates":
        """Return the phrases that at least three of the different `texts` have."""
        counted: list[NDArray[np.int64]] = []
        batch: list[int] = []
        for text in texts:
            batch += {hash(phrase) for phrase, _ in _phrases(text)}
            if len(batch) >= _BATCH:
                counted.append(np.array(batch, np.int64))
                batch = []
        every, count = np.unique(np.concatenate([*counted, np.array(batch, np.int64)]), return_counts=True)
        return cls(every[count >= _TEXTS])

    def frame(self, text: str) -> Frame:
        """Return a text by its phrases."""
        template: dict[str, int] = {}
        rest: set[str] = set()
        every: set[str] = set()
        words = 0
        for key, phrase in _phrases(text):
            found = word_pattern().findall(phrase)
            words += len(found)
            said = content(found)
            every |= said
            if hash(key) in self._hashes:
                template[key] = template.get(key, 0) + len(found)
            else:
                rest |= said
        return Frame(template, frozenset(rest), frozenset(every), words)


def _phrases(text: str) -> list[tuple[str, str]]:
    """Return the phrases of a text, each with a key that is the same whatever its digits."""
    parts = (" ".join(part.split()) for part in _PHRASES.split(text.lower()))
    return [(_DIGITS.sub("#", part), part) for part in parts if part]

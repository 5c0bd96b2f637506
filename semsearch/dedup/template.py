"""Find the templates of a collection: phrases that several texts have, such as a form, a header or a signature."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semsearch.text.facts import content
from semsearch.text.words import word_pattern

_TEXTS = 3
"""The least number of different texts that have a phrase of a template."""
_FRAMED = 0.25
"""The least share of its words that a template gives a text of one."""
FILLED = 3
"""The least content words besides the template on each side; with fewer, little is known of what differs."""
_SHARED = 0.34
"""The share of these words of either side from which on, if the other text has them anywhere, the two say the same."""
_PHRASES = re.compile(r"[\n\t|;；，,。！？!?:：•]+|\.(?=\s|$)|\s[-–—]\s")
_DIGITS = re.compile(r"\d+")
_BATCH = 2**20
"""Phrases that are counted at a time."""
_SEARCHED = 64
"""Phrases that are searched for. From more on, it is faster to count all phrases of the collection."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase of a text: its key, which is the same whatever its digits, its words, and its content words."""

    key: str
    words: int
    content: frozenset[str]


@dataclass(frozen=True, slots=True)
class Phrases:
    """A text by its phrases. `content` are the content words of all of them, and `words` counts all words."""

    phrases: tuple[Phrase, ...]
    content: frozenset[str]
    words: int

    @classmethod
    def of(cls, text: str) -> "Phrases":
        """Return a text by its phrases."""
        phrases, words = [], 0
        for key, phrase in _phrases(text):
            found = word_pattern().findall(phrase)
            words += len(found)
            phrases.append(Phrase(key, len(found), content(found)))
        return cls(tuple(phrases), frozenset().union(*(phrase.content for phrase in phrases)), words)

    @property
    def keys(self) -> frozenset[str]:
        """The keys of the phrases."""
        return frozenset(phrase.key for phrase in self.phrases)


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
        return sum(self.template.values()) >= max(1, _FRAMED * self.words) and len(self.rest) >= FILLED

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
        return len(own) >= FILLED and len(own) > max(replaced, self.least_own)

    @property
    def least_own(self) -> float:
        """More content words than this have to be a text's own if only a template makes it like another."""
        return (1 - _SHARED) * len(self.rest)


class Templates:
    """The phrases that at least three different texts of a collection have.

    `read` returns all texts, some at a time, whenever it is called. Phrases are counted when they are
    first asked about: a few of them by a search for each, and all of them once many have been asked about.
    """

    def __init__(self, read: Callable[[], Iterable[Sequence[str]]]) -> None:
        self._read = read
        self._asked: dict[str, bool] = {}
        self._all: frozenset[int] | None = None

    def part(self, a: Phrases, b: Phrases) -> bool:
        """Return True if two texts share a template and hardly a word besides."""
        if min(len(a.content - b.content), len(b.content - a.content)) < FILLED:
            return False  # spares nearly all counts
        both = a.keys & b.keys
        shared = sum(phrase.words for phrase in a.phrases if phrase.key in both)
        if not shared or shared < _FRAMED * min(a.words, b.words):
            return False
        self._ask(a.keys | b.keys)
        return self.frame(a).parts(self.frame(b))

    def frame(self, text: Phrases) -> Frame:
        """Return a text by its phrases, parted into those of a template and the others."""
        template: dict[str, int] = {}
        rest: set[str] = set()
        for phrase in text.phrases:
            if self._has(phrase.key):
                template[phrase.key] = template.get(phrase.key, 0) + phrase.words
            else:
                rest |= phrase.content
        return Frame(template, frozenset(rest), text.content, text.words)

    def count_all(self) -> None:
        """Count all phrases now, since many will be asked about."""
        if self._all is None:
            self._all = _counted(self._read())

    def _has(self, key: str) -> bool:
        if self._all is None:
            self._ask(frozenset((key,)))
        return hash(key) in self._all if self._all is not None else self._asked[key]

    def _ask(self, keys: frozenset[str]) -> None:
        """Find out which of some phrases are a template's."""
        new = {key for key in keys if key not in self._asked}
        if len(self._asked) + len(new) > _SEARCHED:
            self.count_all()
        if self._all is None and new:
            found = Counter[str]()
            # The longest word of a phrase finds the few texts that may have it.
            words = {max(re.split("[ #]", key), key=len) for key in new}
            for texts in self._read():
                some = "\n".join(texts).lower()
                hits = [word for word in words if word in some]
                for text in texts if hits else ():
                    low = text.lower()
                    if any(word in low for word in hits):
                        found.update(new & {key for key, _ in _phrases(text)})
            self._asked.update((key, found[key] >= _TEXTS) for key in new)


def _counted(batches: Iterable[Sequence[str]]) -> frozenset[int]:
    """Return the hashes of the phrases that at least three of the different texts have."""
    counted: list[NDArray[np.int64]] = []
    batch: list[int] = []
    for texts in batches:
        for text in texts:
            batch += {hash(key) for key, _ in _phrases(text)}
        if len(batch) >= _BATCH:
            counted.append(np.array(batch, np.int64))
            batch = []
    every, count = np.unique(np.concatenate([*counted, np.array(batch, np.int64)]), return_counts=True)
    return frozenset(every[count >= _TEXTS].tolist())


def _phrases(text: str) -> list[tuple[str, str]]:
    """Return the phrases of a text, each with a key that is the same whatever its digits."""
    parts = (" ".join(part.split()) for part in _PHRASES.split(text.lower()))
    return [(_DIGITS.sub("#", part), part) for part in parts if part]

"""Tell whether what differs between two texts lies in words that a model does not know, so it cannot see it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from semsearch.text.shingles import LEXICAL, jaccard, shingles
from semsearch.text.words import TOKEN

UnknownWords = Callable[[frozenset[str]], frozenset[str]]
"""Returns those of some words that the model does not know."""

UNSEEN = 1 / 3
"""The share of the words that differ from which on, if they are unknown, the model has not seen the difference."""
_OPAQUE = 1 / 2
"""From this share of unknown words on, the model has not seen a text."""


def none_unknown(words: frozenset[str]) -> frozenset[str]:
    """Return nothing: the model knows all words."""
    return frozenset()


@dataclass
class SplitText:
    """A text, with its words that the model knows and those that it does not, both without case."""

    text: str
    known: tuple[str, ...]
    unknown: tuple[str, ...]

    @cached_property
    def opaque(self) -> bool:
        """Return True if the model knows hardly a word of the text."""
        words = sum(word[0].isalnum() for word in self.known) + len(self.unknown)
        return len(self.unknown) >= _OPAQUE * words > 0


def split_words(
    texts: Sequence[str], unknown: UnknownWords
) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Yield each text with its known and its unknown words. `unknown` is asked once for the words of all texts."""
    rows = [[m[0] or m[1] or m[2] for m in TOKEN.findall(text)] for text in texts]
    missing = unknown(frozenset(word for row in rows for word in row))
    for text, row in zip(texts, rows, strict=True):
        known = tuple(word.casefold() for word in row if word not in missing)
        yield text, known, tuple(word.casefold() for word in row if word in missing)


def unseen(a: SplitText, b: SplitText) -> str:
    """Return the unknown words that decide the difference of two texts, or "".

    Lexical near-copies share nearly all of their words, known or not, so they need no model.
    """
    if a.unknown == b.unknown:
        return ""
    x, y = set(a.unknown) - set(b.unknown), set(b.unknown) - set(a.unknown)
    missed = len(x) + len(y)
    known = len({word for word in set(a.known) ^ set(b.known) if word[0].isalnum()})
    if missed < UNSEEN * (missed + known) and not (a.opaque or b.opaque):
        return ""
    if not missed and known:  # the same words in another order
        return ""
    if jaccard(shingles(a.text), shingles(b.text)) >= LEXICAL:
        return ""
    return f"{' '.join(sorted(x)) or '–'} / {' '.join(sorted(y)) or '–'}"

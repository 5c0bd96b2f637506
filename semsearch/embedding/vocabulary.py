"""Find the words that a model does not know: texts that differ in them only have the same vector."""

from collections.abc import Callable, Iterable
from unicodedata import combining, normalize

from semsearch.embedding import Embedder, count_tokens
from semsearch.errors import FingerprintMismatch, MissingExtra, ModelError

_ASKED = 4096
"""Words whose tokens are counted at a time."""
_SPELLED = 64
"""Letters of an ASCII word that every tokenizer of subwords can spell. WordPiece knows no word of more than 100."""


_LEAST = 3
"""The letters of the shortest word that counts as spelled letter by letter."""


class Vocabulary:
    """The words that an embedder knows, asked for once each.

    A word is unknown if any of its tokens is outside the vocabulary, or if it is spelled letter by letter: a model of
    English has the letters of Greek and Korean, but not the words. An embedder that does not count tokens knows all.
    With `subwords` the embedder can spell ASCII words, so it is loaded only for others. Where it cannot be loaded, all
    words count as known: what compares stored vectors needs no model.
    """

    def __init__(self, embedder: Callable[[], Embedder], *, subwords: bool = False) -> None:
        self._embedder, self._subwords = embedder, subwords
        self._unknown: dict[str, bool] = {}
        self.missing = ""
        """Why the embedder could not be loaded when it was asked; "" if it was loaded, or never asked."""

    def unknown(self, words: Iterable[str]) -> frozenset[str]:
        """Return those of some words that the model does not know."""
        asked = set(words)
        new = [word for word in asked.difference(self._unknown) if not (self._subwords and _spelled(word))]
        if new and (embedder := self._loaded()):
            for start in range(0, len(new), _ASKED):
                some = new[start : start + _ASKED]
                counts = zip(*(count.tolist() for count in count_tokens(embedder, some)), strict=True)
                self._unknown.update(
                    (word, unknown > 0 or tokens >= _letters(word) >= _LEAST)
                    for word, (tokens, unknown) in zip(some, counts, strict=True)
                )
        return frozenset(word for word in asked if self._unknown.get(word))

    def _loaded(self) -> Embedder | None:
        """Return the embedder, or None if it cannot be loaded; that is tried once."""
        if not self.missing:
            try:
                return self._embedder()
            except (ModelError, MissingExtra, FingerprintMismatch) as error:
                self.missing = str(error)
        return None


def _letters(word: str) -> int:
    """Return the number of letters outside ASCII, those of a Korean syllable apart, without marks such as accents."""
    return sum(not (letter.isascii() or combining(letter)) for letter in normalize("NFD", word))


def _spelled(word: str) -> bool:
    return word.isascii() and len(word) <= _SPELLED

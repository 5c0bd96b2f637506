"""Remember what a function gives for each word: nearly every word of a text was in a text before."""

from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")
_MOST, _LONGEST = 100_000, 64
"""The most words that are remembered, and the most characters of one. A longer run is rarely seen twice."""


def words_of(text: str) -> list[str]:
    """Return what stands between the blanks and line ends of a text. Two blanks have an empty word between them."""
    return text.replace("\n", " ").split(" ")


class WordMemo(dict[str, T]):
    """The values of a function by word. A word that is looked up for the first time is computed, and remembered.

    The function must give for a text what it gives for its words (see `words_of`), joined. Any number of threads may
    share a memo.
    """

    def __init__(self, function: Callable[[str], T]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, word: str) -> T:
        value = self._function(word)
        self.remember(word, value)
        return value

    def remember(self, word: str, value: T) -> None:
        """Keep the value of a word, unless the word is long. A full memo starts again."""
        if len(word) <= _LONGEST:
            if len(self) >= _MOST:
                self.clear()
            self[word] = value

    def values_of(self, text: str) -> Iterator[T]:
        """Return the values of the words of a text, in order."""
        return map(self.__getitem__, words_of(text))

"""Parse a text once for all pairs that it is in."""

from functools import cached_property

from semsearch.dedup.template import Phrases
from semsearch.text.arrangement import may_have_places
from semsearch.text.facts import Facts

_OPAQUE = 1 / 2
"""From this share of unknown words on, the model has not seen a text."""


class ParsedText:
    """A text, with its words that the model knows and those that it does not; the rest is parsed when it is used."""

    def __init__(self, text: str, known: tuple[str, ...], unknown: tuple[str, ...]) -> None:
        self.text, self.known, self.unknown = text, known, unknown

    @cached_property
    def facts(self) -> Facts:
        """Return what the text states."""
        return Facts(self.text)

    @cached_property
    def flat(self) -> str:
        """Return the text without the indentation of its lines."""
        return "\n".join(map(str.strip, self.text.split("\n"))) if "\n" in self.text else self.text

    @cached_property
    def has_places(self) -> bool:
        """Return True if the place of a line may carry meaning."""
        return may_have_places(self.text)

    @cached_property
    def phrases(self) -> Phrases:
        """Return the phrases of the text."""
        return Phrases.of(self.text)

    @cached_property
    def opaque(self) -> bool:
        """Return True if the model knows hardly a word of the text."""
        words = sum(word[0].isalnum() for word in self.known) + len(self.unknown)
        return len(self.unknown) >= _OPAQUE * words > 0

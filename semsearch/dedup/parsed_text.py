"""Parse a text once for all pairs that it is in."""

from functools import cached_property

from semsearch.dedup.template import Phrases
from semsearch.text.arrangement import may_have_places
from semsearch.text.facts import Facts
from semsearch.text.unseen import SplitText


class ParsedText(SplitText):
    """A text with its known and unknown words; the rest is parsed when it is used."""

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

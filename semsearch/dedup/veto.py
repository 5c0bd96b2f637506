"""Veto pairs: some texts with similar vectors differ in what they say, and similarity does not show it."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
RULES = ("", "unknown", "number", "date", "negation", "opposite", "name", "roles", "template")
"""The reasons of a veto by their codes; code 0 means that there is none."""


class Veto:
    """The vetoes on the pairs of one comparison. A similar pair without a veto is a pair of duplicates.

    `read` returns the cleaned texts at some text numbers, which are those of `Corpus`; `total` is how many there are.
    A text is parsed once, when a pair that has it is first asked about.
    """

    def __init__(self, read: Callable[[Sequence[int]], Sequence[str]], total: int) -> None:
        self._read, self._total = read, total

    def codes(self, left: Integers, right: Integers) -> NDArray[np.int8]:
        """Return for every k the code (see `RULES`) of what parts texts left[k] and right[k], or 0, int8 [k].

        The order of the two does not matter, nor do the other pairs or earlier calls.
        """
        return np.zeros(len(left), np.int8)

    def accepts(self, left: Integers, right: Integers) -> NDArray[np.bool_]:
        """Return whether texts left[k] and right[k] have no veto, for every k, bool [k]."""
        return self.codes(left, right) == 0

    def reason(self, left: int, right: int) -> str:
        """Return what parts two texts, such as "a number differs: 4.2 / 4.8"; "" where they have no veto."""
        return ""

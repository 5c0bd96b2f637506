"""From a passage to something a person can read: sentences, and which of them answers the query. Pure."""

import re

import numpy as np
from numpy.typing import NDArray

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=\S)|(?<=[。！？；…])[”’」』）]*\s*(?=\S)|\n\s*\n\s*|\n(?=\s*[-*+#|] )")


def sentences(text: str) -> list[tuple[int, int]]:
    """The [start, end) spans of the sentences of a passage, blanks around them left out; never empty spans."""
    ends = [match.start() for match in _SENTENCE_END.finditer(text)]
    starts = [match.end() for match in _SENTENCE_END.finditer(text)]
    spans = zip([0, *starts], [*ends, len(text)], strict=True)
    return [(start, end) for start, end in spans if text[start:end].strip()]


def best_sentences(
    counts: list[int], vectors: NDArray[np.float32], query: NDArray[np.float32]
) -> list[int]:
    """Of each group of sentences the number of the one nearest to the query.

    `counts` sentences a group, whose unit vectors lie one after the other in `vectors` [sum(counts), d].
    """
    scores = vectors @ query
    edges = np.cumsum([0, *counts])
    return [int(np.argmax(scores[start:end])) for start, end in zip(edges, edges[1:], strict=False)]

"""Hold the hits of one query as a list that is also a table."""

from collections.abc import Iterable
from typing import Any

from semsearch.search.doubt import nothing_relevant
from semsearch.tables import Table
from semsearch.types import Hit


class Hits(Table, list[Hit]):
    """The passages that a query found, best first: a list of `Hit` that can be shown as a table.

    `left_out` is the number of texts that `similar` left out, since the model does not know the words that differ.
    """

    __slots__ = ("left_out",)

    def __init__(self, hits: Iterable[Hit] = (), left_out: int = 0) -> None:
        super().__init__(hits)
        self.left_out = left_out

    @property
    def relevant(self) -> bool:
        """True where the best hit is better than what unrelated questions find; see `semsearch.search.doubt`."""
        return bool(self) and not nothing_relevant(self)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return a dict for each hit: rank, score, relevance, document, place, text, best sentence, and so on."""
        return [
            {
                "rank": rank,
                "score": hit.score,
                "relevance": hit.relevance,
                "document": hit.document,
                "start": hit.start,
                "end": hit.end,
                "text": hit.text,
                "best_sentence": hit.text[slice(*hit.highlight)],
                "heading": hit.heading,
                "metadata": dict(hit.metadata),
            }
            for rank, hit in enumerate(self, 1)
        ]

    def __repr__(self) -> str:
        best = f", best {self[0].score:.3f} {self[0].document!r}" if self else ""
        return f"<{len(self)} hits{best}>"

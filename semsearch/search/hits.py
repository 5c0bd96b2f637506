"""Hold the hits of one query as a list that is also a table."""

from typing import Any

from semsearch.tables import Table
from semsearch.types import Hit


class Hits(Table, list[Hit]):
    """The passages that a query found, best first: a list of `Hit` that can be shown as a table."""

    __slots__ = ()

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return a dict for each hit: rank, score, document, place, text, best sentence, heading and metadata."""
        return [
            {
                "rank": rank,
                "score": hit.score,
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

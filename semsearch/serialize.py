"""The JSON form of every result."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from semsearch.types import Hit

PathOf = Callable[[str], Path]
"""Maps the name of a source to its file, as `Index.path_of` does."""


_EXPLAINED = ("dense_rank", "lexical_rank", "document_factor")


def hit_json(path_of: PathOf, hit: Hit, explain: bool = False) -> dict[str, Any]:
    """A hit as JSON has it."""
    start, end = hit.highlight
    return _located(path_of, hit, explain) | {
        "text": hit.text,
        "best_sentence": hit.text[start:end],
        "metadata": dict(hit.metadata),
        "copies": [_located(path_of, copy, explain) for copy in hit.copies],
    }


def _located(path_of: PathOf, hit: Hit, explain: bool) -> dict[str, Any]:
    """Where a hit is, and its scores."""
    return {
        "score": round(hit.score, 6),
        "cosine": None if hit.cosine is None else round(hit.cosine, 6),
        "bm25": None if hit.bm25 is None else round(hit.bm25, 4),
        **({name: getattr(hit, name) for name in _EXPLAINED} if explain else {}),
        "source": hit.source,
        "path": str(path_of(hit.source)),
        "document": hit.document,
        "heading": hit.heading,
        "unit": hit.unit,
        "start": hit.start,
        "end": hit.end,
        "passage_id": hit.passage_id,
    }

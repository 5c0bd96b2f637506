"""Define the JSON form of every result, for the command line and any server."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from semsearch.requests import SearchRequest, SimilarRequest
from semsearch.types import Hit

PathOf = Callable[[str], Path]
"""Returns the file of a source, as `Index.path_of` does."""

_EXPLAINED = ("dense_rank", "lexical_rank", "document_factor")


# -- searching ------------------------------------------------------------------------------------------


def search_json(path_of: PathOf, hits: Sequence[Hit], request: SearchRequest) -> dict[str, Any]:
    """Return the answer to a query."""
    return {"query": request.query, "hits": [hit_json(path_of, hit, request.explain) for hit in hits]}


def similar_json(path_of: PathOf, hits: Sequence[Hit], request: SimilarRequest) -> dict[str, Any]:
    """Return what is similar to a document."""
    found = [{"rank": rank, **hit_json(path_of, hit)} for rank, hit in enumerate(hits, 1)]
    return {"file": request.document, "line": request.line, "hits": found}


def hit_rows(
    path_of: PathOf, hits: Sequence[Hit], request: SearchRequest | SimilarRequest
) -> Iterator[dict[str, Any]]:
    """Yield an object for each hit, with its rank, and with its query where there is one."""
    for rank, hit in enumerate(hits, 1):
        if isinstance(request, SearchRequest):
            yield {"query": request.query, "rank": rank, **hit_json(path_of, hit, request.explain)}
        else:
            yield {"rank": rank, **hit_json(path_of, hit)}


def hit_json(path_of: PathOf, hit: Hit, explain: bool = False) -> dict[str, Any]:
    """Return a hit; with `explain` its ranks and the factor of its document too."""
    start, end = hit.highlight
    return _located(path_of, hit, explain) | {
        "text": hit.text,
        "best_sentence": hit.text[start:end],
        "metadata": dict(hit.metadata),
        "copies": [_located(path_of, copy, explain) for copy in hit.copies],
    }


def _located(path_of: PathOf, hit: Hit, explain: bool) -> dict[str, Any]:
    """Return the place of a hit, and its scores."""
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

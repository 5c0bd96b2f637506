"""Say when what a search found may be nothing that was asked for."""

from collections.abc import Sequence

from semsearch.embedding.scale import known_scale
from semsearch.storage.library.fulltext import stemmed
from semsearch.text.analyzer import content_terms, index_terms
from semsearch.types import Hit

UNRELATED = 0.35
"""The cosine of the default model below which the best hit of a query is as likely noise (benchmarks/doubt.py)."""


def doubt(query: str, hits: Sequence[Hit], model: str) -> str:
    """Return a note for people where hits may answer nothing, or an empty text.

    It is so where no hit has a word of the query that says what it is about, and the best cosine is one that unrelated
    texts have. Of a model that was not measured nothing is said, nor of a lexical search. Hits are never left out.
    """
    best = max((hit.cosine for hit in hits if hit.cosine is not None), default=1.0)
    scale = known_scale(model, "query")
    if scale is None or best >= scale.from_default(UNRELATED) or shares_a_word(query, hits):
        return ""
    return (
        f"no hit has a word of the query, and the best cosine, {best:.2f}, is one of unrelated texts:"
        " perhaps nothing here answers it"
    )


def shares_a_word(query: str, hits: Sequence[Hit]) -> bool:
    """Return whether any hit has a word of the query, in any form, that says what the query is about."""
    asked = set(stemmed(sorted(content_terms(query))))
    return any(asked.intersection(stemmed(index_terms(f"{hit.heading}\n{hit.text}")[0])) for hit in hits)

"""Say when what a search found may be nothing that was asked for."""

from collections.abc import Sequence

from semsearch.embedding import DEFAULT_MODEL
from semsearch.storage.library.fulltext import stemmed
from semsearch.text.analyzer import content_terms, index_terms
from semsearch.types import Hit

UNRELATED = {DEFAULT_MODEL: 0.35}
"""The cosine below which the best hit of a query is as likely noise, by model (benchmarks/doubt.py)."""


def doubt(query: str, hits: Sequence[Hit], model: str) -> str:
    """Return a note for people where hits may answer nothing, or an empty text.

    It is so where no hit has a word of the query that says what it is about, and the best cosine is one that unrelated
    texts have. Of a model that was not measured nothing is said, nor of a lexical search. Hits are never left out.
    """
    best = max((hit.cosine for hit in hits if hit.cosine is not None), default=1.0)
    if best >= UNRELATED.get(model, -1.0) or shares_a_word(query, hits):
        return ""
    return (
        f"no hit has a word of the query, and the best cosine, {best:.2f}, is one of unrelated texts:"
        " perhaps nothing here answers it"
    )


def shares_a_word(query: str, hits: Sequence[Hit]) -> bool:
    """Return whether any hit has a word of the query, in any form, that says what the query is about."""
    asked = set(stemmed(sorted(content_terms(query))))
    return any(asked.intersection(stemmed(index_terms(f"{hit.heading}\n{hit.text}")[0])) for hit in hits)

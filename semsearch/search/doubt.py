"""Say when what a search found is nothing that was asked for. It is cheap to import: a served query needs it."""

from collections.abc import Sequence

from semsearch.types import Hit

RELEVANT = 0.95
"""A search whose best hit has less relevance has found nothing relevant (benchmarks/doubt.py)."""


def best_relevance(hits: Sequence[Hit]) -> float | None:
    """Return the relevance of the best of some hits; None where there are none, and for a list that nothing ranks."""
    return max((hit.relevance for hit in hits if hit.relevance is not None), default=None)


def nothing_relevant(hits: Sequence[Hit]) -> bool:
    """Return whether unrelated questions find hits as good as the best of these.

    In a search by words alone every hit has words that were asked for, so it is never so there.
    """
    best = best_relevance([hit for hit in hits if hit.cosine is not None])
    return best is not None and best < RELEVANT


def doubt(hits: Sequence[Hit]) -> str:
    """Return a note for people where nothing relevant was found, or an empty text."""
    if not nothing_relevant(hits):
        return ""
    best = best_relevance(hits)
    return (
        f"nothing relevant: unrelated questions find as good a hit here (the best has relevance {best:.2f})"
    )

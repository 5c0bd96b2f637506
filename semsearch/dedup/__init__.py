"""Finding near-duplicates: the exact join of vectors, pairs of documents, and groups with a keeper. Pure arrays."""

from semsearch.dedup.documents import DocumentPassages, document_pairs
from semsearch.dedup.groups import group
from semsearch.dedup.join import DEFAULT_MEMORY, Pairs, join

__all__ = ["DEFAULT_MEMORY", "DocumentPassages", "Pairs", "document_pairs", "group", "join"]

"""What is indexed: one SQLite file that is the truth, and the vector index is built from it."""

from semsearch.library.store import (
    DocumentRecord,
    Layout,
    Library,
    PassageRecord,
    SourceState,
    StoredPassage,
)

__all__ = ["DocumentRecord", "Layout", "Library", "PassageRecord", "SourceState", "StoredPassage"]

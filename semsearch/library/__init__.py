"""What is indexed: one SQLite file that is the truth, and the vector index is built from it."""

from semsearch.library.inspect import content_problems, database_problems, segments
from semsearch.library.store import (
    DocumentRecord,
    Layout,
    Library,
    PassageRecord,
    SourceState,
    StoredPassage,
)

__all__ = [
    "DocumentRecord",
    "Layout",
    "Library",
    "PassageRecord",
    "SourceState",
    "StoredPassage",
    "content_problems",
    "database_problems",
    "segments",
]

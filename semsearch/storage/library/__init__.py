"""What is indexed: one SQLite file that is the truth, and the vector index is built from it."""

from semsearch.storage.library.checks import (
    content_problems,
    database_problems,
    every_text,
    full_text_problems,
    holdings,
    segments,
)
from semsearch.storage.library.fulltext import Roll
from semsearch.storage.library.salvage import Salvage, salvage
from semsearch.storage.library.schema import migrate, outdated
from semsearch.storage.library.store import (
    Column,
    DocumentRecord,
    Layout,
    Library,
    PassageRecord,
    SourceState,
    StoredPassage,
)

__all__ = [
    "Column",
    "DocumentRecord",
    "Layout",
    "Library",
    "PassageRecord",
    "Roll",
    "Salvage",
    "SourceState",
    "StoredPassage",
    "content_problems",
    "database_problems",
    "every_text",
    "full_text_problems",
    "holdings",
    "migrate",
    "outdated",
    "salvage",
    "segments",
]

"""What is indexed: one SQLite file that is the truth, and the vector index is built from it."""

from semsearch.library.inspect import (
    content_problems,
    database_problems,
    every_text,
    full_text_problems,
    holdings,
    segments,
)
from semsearch.library.lexicon import Roll
from semsearch.library.salvage import Salvage, salvage
from semsearch.library.schema import migrate, outdated
from semsearch.library.store import (
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

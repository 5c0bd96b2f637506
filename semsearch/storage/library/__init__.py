"""The Library: one SQLite file that holds what is indexed. It is the truth; a vector engine is built from it."""

from semsearch.storage.library.checks import (
    content_problems,
    database_problems,
    every_text,
    full_text_problems,
    refuse_foreign,
    segments,
    stored_of,
)
from semsearch.storage.library.faults import SALVAGE
from semsearch.storage.library.fulltext import PassageTable
from semsearch.storage.library.records import (
    Column,
    DocumentRecord,
    PassageMatrix,
    PassageRecord,
    SourceState,
    SourceSummary,
    StoredPassage,
)
from semsearch.storage.library.salvage import Salvage, salvage
from semsearch.storage.library.schema import migrate, outdated
from semsearch.storage.library.store import Library
from semsearch.storage.library.untrusted import refuse_journal, refuse_special_files

__all__ = [
    "SALVAGE",
    "Column",
    "DocumentRecord",
    "Library",
    "PassageMatrix",
    "PassageRecord",
    "PassageTable",
    "Salvage",
    "SourceState",
    "SourceSummary",
    "StoredPassage",
    "content_problems",
    "database_problems",
    "every_text",
    "full_text_problems",
    "migrate",
    "outdated",
    "refuse_foreign",
    "refuse_journal",
    "refuse_special_files",
    "salvage",
    "segments",
    "stored_of",
]

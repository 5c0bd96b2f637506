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
    is_of,
)
from semsearch.storage.library.salvage import Salvage, salvage
from semsearch.storage.library.schema import migrate, outdated
from semsearch.storage.library.store import Library
from semsearch.storage.library.untrusted import refuse_journal, refuse_special_files
from semsearch.storage.library.vector_file import FILES as VECTOR_FILES
from semsearch.storage.library.vector_file import (
    VectorBytes,
    VectorTable,
    remove_vector_file,
    update_vector_file,
    vector_file_problems,
)

__all__ = [
    "SALVAGE",
    "VECTOR_FILES",
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
    "VectorBytes",
    "VectorTable",
    "content_problems",
    "database_problems",
    "every_text",
    "full_text_problems",
    "is_of",
    "migrate",
    "outdated",
    "refuse_foreign",
    "refuse_journal",
    "refuse_special_files",
    "remove_vector_file",
    "salvage",
    "segments",
    "stored_of",
    "update_vector_file",
    "vector_file_problems",
]

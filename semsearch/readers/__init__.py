"""Read Documents from files and folders: `walk` finds files, `read` reads one, and `changes` waits for changes."""

from semsearch.readers.dialect import RowFormat
from semsearch.readers.formats import READER_VERSION, code_versions, notes_on, os_reason, read, read_text
from semsearch.readers.json_rows import json_object
from semsearch.readers.rows import RowFields, first_rows, how_to_split, main_field, require_columns
from semsearch.readers.walk import DEFAULT_MAX_BYTES, SIGNED, Choice, Found, visit, walk
from semsearch.readers.watch import changes

__all__ = [
    "DEFAULT_MAX_BYTES",
    "READER_VERSION",
    "SIGNED",
    "Choice",
    "Found",
    "RowFields",
    "RowFormat",
    "changes",
    "code_versions",
    "first_rows",
    "how_to_split",
    "json_object",
    "main_field",
    "notes_on",
    "os_reason",
    "read",
    "read_text",
    "require_columns",
    "visit",
    "walk",
]

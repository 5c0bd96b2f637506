"""Read Documents from files and folders: `walk` finds files, `read` reads one, and `changes` waits for changes."""

from semsearch.readers.formats import READER_VERSION, os_reason, read, read_text
from semsearch.readers.rows import RowFields, json_object
from semsearch.readers.walk import DEFAULT_MAX_BYTES, SIGNED, Found, visit, walk
from semsearch.readers.watch import changes

__all__ = [
    "DEFAULT_MAX_BYTES",
    "READER_VERSION",
    "SIGNED",
    "Found",
    "RowFields",
    "changes",
    "json_object",
    "os_reason",
    "read",
    "read_text",
    "visit",
    "walk",
]

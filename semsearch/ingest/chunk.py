"""Cut a document into passages: the one road from a Document to passages, ids and metadata."""

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from semsearch.storage.library import DocumentRecord, PassageRecord
from semsearch.text import clean, split, text_digest
from semsearch.types import Document

_PROSE = frozenset({
    "", ".csv", ".docx", ".htm", ".html", ".jsonl", ".markdown", ".md", ".mdown", ".mdx", ".mkd", ".ndjson",
    ".qmd", ".rest", ".rmd", ".rst", ".text", ".tsv", ".txt", ".xhtml",
})  # fmt: skip
"""The suffixes of files in whose text a line that begins with `#` is a heading; in others it is a comment."""


def document_record(
    document: Document, measure: Callable[[Sequence[str]], list[int]], window: int
) -> DocumentRecord:
    """A document as it is stored: cleaned, split, every passage with its place in the file."""
    text = clean(document.text)
    name = document.name.encode("utf-8", "backslashreplace").decode()
    breaks = [at for at, character in enumerate(text) if character == "\n"]
    lines = document.numbers or range(1, len(breaks) + 2)
    passages = []
    marked = PurePosixPath(document.source).suffix.lower() in _PROSE
    for ordinal, span in enumerate(split(text, measure, window, marked=marked)):
        body = text[span.start : span.end]
        digest = text_digest(body)
        identity = f"{document.source}\0{name}\0{ordinal}\0{digest.hex()}"
        first, last = (lines[bisect_right(breaks, at)] for at in (span.start, span.end - 1))
        id_ = hashlib.blake2b(identity.encode(), digest_size=12).hexdigest()
        passages.append(PassageRecord(id_, body, digest, document.unit, first, last, span.heading))
    return DocumentRecord(name, text_digest(text.strip()), document.metadata, passages)

"""Cut documents into passages: the one road from a Document to its passages, their ids and its metadata."""

import hashlib
import re
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from semsearch.embedding import Embedder, count_tokens
from semsearch.ingest.sources import RECORDS
from semsearch.readers.parsing import FORMATS
from semsearch.storage.library import DocumentRecord, PassageRecord
from semsearch.text import Original, as_written, clean, split, text_digest
from semsearch.types import Document

PROSE_SUFFIXES = frozenset({
    "", ".csv", ".jsonl", ".mbox", ".mbx", ".ndjson", ".rest", ".rst", ".text", ".tsv", ".txt",
    *(suffix for suffix, format_ in FORMATS.items() if format_.headings),
})  # fmt: skip
"""The suffixes of files in which a line that begins with `#` is a heading. In all others it is a comment."""


@dataclass(frozen=True, slots=True)
class ChunkedDocument:
    """A document cut into passages, as the Library stores it.

    `text` is its cleaned text without the blanks around it. `tokens` counts the tokens of all passages, and `oov`
    those of them that are not in the model's vocabulary.
    """

    record: DocumentRecord
    text: str
    tokens: int
    oov: int


def chunk(document: Document, embedder: Embedder) -> ChunkedDocument:
    """Return a document cleaned and cut into passages that fit the embedder's window.

    The model sees the cleaned text of a passage; a person sees what it was made from, as it was written. A passage's id
    depends on the source, the document's name, the passage's number and its text. A document without
    text has no passages.
    """

    def measure(texts: Sequence[str]) -> list[int]:
        counts: list[int] = count_tokens(embedder, texts)[0].tolist()
        return counts

    text = clean(document.text)
    written = Original(
        as_written(document.written or document.text), text, document.numbers if document.written else None
    )
    name = document.name.encode("utf-8", "backslashreplace").decode()
    breaks = array("q", (match.start() for match in re.finditer("\n", text)))
    lines = document.numbers or range(1, len(breaks) + 2)
    is_prose = PurePosixPath(document.source).suffix.lower() in PROSE_SUFFIXES
    marked = is_prose or document.source.startswith(RECORDS)  # an id may end like the name of a program
    title = str(document.metadata.get("title", ""))
    passages = []
    for ordinal, span in enumerate(
        split(text, measure, embedder.fingerprint.window, marked=marked, title=title)
    ):
        body = text[span.start : span.end]
        digest = text_digest(body)
        identity = f"{document.source}\0{name}\0{ordinal}\0{digest.hex()}"
        id_ = hashlib.blake2b(identity.encode(), digest_size=12).hexdigest()
        first, last = (lines[bisect_right(breaks, at)] for at in (span.start, span.end - 1))
        original = written.part(span.start, span.end)
        original = "" if original == body else original
        passages.append(PassageRecord(id_, body, digest, document.unit, first, last, span.heading, original))
    stripped = text.strip()
    record = DocumentRecord(name, text_digest(stripped), document.metadata, passages)
    tokens, oov = count_tokens(embedder, [passage.text for passage in passages])
    return ChunkedDocument(record, stripped, int(tokens.sum()), int(oov.sum()))

"""Cut documents into passages: the one road from a Document to its passages, their ids and its metadata."""

import hashlib
import re
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from semsearch.embedding import Embedder, count_tokens
from semsearch.ingest.sources import RECORDS
from semsearch.readers.kinds import CODE
from semsearch.storage.library import DocumentRecord, PassageRecord
from semsearch.text import (
    Original,
    Span,
    as_written,
    clean,
    is_remnant,
    prose_parts,
    split,
    text_digest,
    value_without_data,
    why_not_prose,
    without_data,
)
from semsearch.text.suffixes import PROSE_SUFFIXES
from semsearch.types import Document, Scalar, Unit

_DATA = frozenset({"encoded data", "numbers without words"})


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A passage that is not stored since no person reads it: its place, and the reason."""

    unit: Unit
    first: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True)
class ChunkedDocument:
    """A document cut into passages, as the Library stores it.

    `text` is its cleaned text without the blanks around it, and `original` the same text as it was written, or empty
    where both are equal. `tokens` counts the tokens of all passages, and `oov` those of them that are not in the
    model's vocabulary. `left_out` has the passages that are not prose.
    """

    record: DocumentRecord
    text: str
    original: str
    tokens: int
    oov: int
    left_out: tuple[LeftOut, ...] = ()


def chunk(document: Document, embedder: Embedder, *, everything: bool = True) -> ChunkedDocument:
    """Return a document cleaned and cut into passages that fit the embedder's window.

    The model sees the cleaned text of a passage; a person sees what it was made from, as it was written. A passage's id
    depends on the source, the document's name, the passage's number and its text. A document without text has no
    passages. Unless `everything`, passages that are not prose are left out, see `why_not_prose`. Encoded data and
    secrets are cut out of all text before anything is made of it, see `without_data`.
    """

    def measure(texts: Sequence[str]) -> list[int]:
        counts: list[int] = count_tokens(embedder, texts)[0].tolist()
        return counts

    document = without_secrets(document)
    text = clean(document.text)
    written = Original(
        as_written(document.written or document.text), text, document.numbers if document.written else None
    )
    name = document.name.encode("utf-8", "backslashreplace").decode()
    breaks = array("q", (match.start() for match in re.finditer("\n", text)))
    lines = document.numbers or range(1, len(breaks) + 2)
    path = PurePosixPath(document.source)
    # An id may end like a program.
    suffix = "" if document.source.startswith(RECORDS) else path.suffix.lower()
    is_code = suffix in CODE
    title = path.stem if is_code else str(document.metadata.get("title", ""))
    passages: list[PassageRecord] = []
    left_out: list[LeftOut] = []

    def places(start: int, end: int) -> tuple[int, int]:
        return lines[bisect_right(breaks, start)], lines[bisect_right(breaks, end - 1)]

    window = embedder.fingerprint.window
    outline = document.outline if is_code else None
    spans = split(text, measure, window, marked=suffix in PROSE_SUFFIXES, title=title, outline=outline)
    if not everything:
        spans, left = _only_words(spans, text) if is_code else _only_prose(spans, text)
        left_out = [LeftOut(document.unit, *places(start, end), reason) for start, end, reason in left]
    for span in spans:
        body = text[span.start : span.end]
        first, last = places(span.start, span.end)
        digest = text_digest(body)
        identity = f"{document.source}\0{name}\0{len(passages)}\0{digest.hex()}"
        id_ = hashlib.blake2b(identity.encode(), digest_size=12).hexdigest()
        original = written.part(span.start, span.end)
        original = "" if original == body else original
        passages.append(PassageRecord(id_, body, digest, document.unit, first, last, span.heading, original))
    stripped, original = text.strip(), as_written(document.text).strip()
    original = "" if original == stripped else original
    record = DocumentRecord(name, text_digest(stripped), document.metadata, passages)
    tokens, oov = count_tokens(embedder, [passage.text for passage in passages])
    return ChunkedDocument(record, stripped, original, int(tokens.sum()), int(oov.sum()), tuple(left_out))


def _only_prose(spans: Sequence[Span], text: str) -> tuple[list[Span], list[tuple[int, int, str]]]:
    """Return the spans without the parts of them that are not prose, and these parts with their reason."""
    kept: list[Span] = []
    left_out: list[tuple[int, int, str]] = []
    for span in spans:
        parts, others = prose_parts(text[span.start : span.end])
        if left_out and parts == [(0, span.end - span.start)] and is_remnant(text[span.start : span.end]):
            _, end, reason = left_out[-1]
            if "\n\n" not in text[end : span.start]:  # it goes on with what was left out
                parts, others = [], [(0, span.end - span.start, reason)]
        for start, end in parts:
            body = text[span.start + start : span.start + end]
            first = span.start + start + len(body) - len(body.lstrip())
            kept.append(replace(span, start=first, end=span.start + start + len(body.rstrip())))
        for start, end, reason in others:
            last = span.start + start + len(text[span.start + start : span.start + end].rstrip())
            left_out.append((span.start + start, last, reason))
    return kept, left_out


def _only_words(spans: Sequence[Span], text: str) -> tuple[list[Span], list[tuple[int, int, str]]]:
    """Return the spans of source code without those that are data, and these with their reason.

    Code has more signs than prose, and is kept all the same.
    """
    reasons = [why_not_prose(text[span.start : span.end]) for span in spans]
    data = [(span, reason) for span, reason in zip(spans, reasons, strict=True) if reason in _DATA]
    kept = [span for span, reason in zip(spans, reasons, strict=True) if reason not in _DATA]
    return kept, [(span.start, span.end, reason) for span, reason in data]


def not_prose(left_out: Sequence[LeftOut]) -> str:
    """Return why a source has no passage, if these were left out."""
    reasons = ", ".join(sorted({one.reason for one in left_out}))
    return f"not prose: {reasons}" if reasons else "no text"


def _clean_value(name: str, value: Scalar) -> Scalar:
    return value_without_data(name, value) if isinstance(value, str) else value


def without_secrets(document: Document) -> Document:
    """Return a document whose id, text, fields, and names of fields have no encoded data and no secrets."""
    fields = {
        without_data(key): tuple(_clean_value(key, one) for one in value)
        if isinstance(value, tuple)
        else _clean_value(key, value)
        for key, value in document.metadata.items()
    }
    text, written = without_data(document.text), without_data(document.written)
    if written and text != document.text:
        written = _cut_alike(document, text, written)
    row = without_data(document.row_id)
    return replace(document, row_id=row, text=text, written=written, metadata=fields)


def _cut_alike(document: Document, text: str, written: str) -> str:
    """Return a file's text in which the lines are cut that hold a secret only once they are read, as `ghp\\_...`."""
    before, after = as_written(document.text).split("\n"), text.split("\n")
    lines, uncut = written.split("\n"), as_written(document.written).split("\n")
    for number, read, cut in zip(document.numbers or range(1, len(after) + 1), before, after, strict=False):
        if read != cut and number <= len(lines) and lines[number - 1] == uncut[number - 1]:
            lines[number - 1] = cut
    return "\n".join(lines)

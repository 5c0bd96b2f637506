"""Bringing an index up to date with files: read, clean, split, embed and store, side by side.

One thread reads ahead, the caller's thread embeds (the slow part), one thread writes behind. Work travels in chunks
of bounded size, so memory does not grow with the corpus or with its largest file.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from semsearch.embedding import Embedder, Vectors
from semsearch.errors import ModelError
from semsearch.ingest.chunk import chunk
from semsearch.ingest.reading import skipping
from semsearch.ingest.report import UNKNOWN_SHARE, Change, IngestReport, Progress
from semsearch.ingest.sources import STANDARD_INPUT
from semsearch.ingest.survey import Survey
from semsearch.readers import read, read_text
from semsearch.storage.library import DocumentRecord, Library, SourceState
from semsearch.types import Document, Skipped

_CHUNK_PASSAGES, _CHUNK_CHARACTERS = 4_096, 512 * 1024
_CHUNK_METADATA = 16 * 1024 * 1024
_ENTRY = 100
"""What an entry of metadata takes beside its characters."""
_READ_AHEAD, _WRITE_BEHIND = 4, 2

_T = TypeVar("_T")


@dataclass(slots=True)
class _Piece:
    """Documents of one source on their way to the Library; the last piece of a source has `last` set."""

    key: str
    state: SourceState
    documents: list[DocumentRecord] = field(default_factory=list)
    size: int = 0
    metadata: int = 0
    last: bool = False

    @property
    def passages(self) -> int:
        return sum(len(document.passages) for document in self.documents)


class Run:
    """One ingest: carries out what a `Survey` found. `deliver` tells the vector index what is on the outbox."""

    def __init__(
        self, survey: Survey, library: Library, embedder: Embedder, deliver: Callable[[], None]
    ) -> None:
        self._survey = survey
        self._library = library
        self._deliver = deliver
        self._embedder = embedder
        self._skipped = list(survey.skipped)
        self._unknown: list[tuple[str, float]] = []
        self._versions: dict[str, int] = {}
        self._outcomes: list[bool | None] = []
        self._tell: Callable[[Change, str], None] = lambda change, key: None

    def ingest(
        self,
        standard_input: str | None = None,
        progress: Callable[[Progress], None] | None = None,
        tell: Callable[[Change, str], None] | None = None,
    ) -> IngestReport:
        """Embed and publish what changed, chunk by chunk, then remove what is gone; see `Index.ingest`."""
        self._tell = tell or self._tell
        survey, total = self._survey, self._survey.total + len(standard_input or "")
        documents = passages = embedded = done = 0
        self._library.discard_unpublished()
        with (
            closing(Library(self._library.path)) as reader,
            ThreadPoolExecutor(1, "semsearch-write") as writer,
        ):
            behind: deque[tuple[Future[None], set[bytes]]] = deque()
            for chunk in _chunks(_ahead(self._pieces(standard_input), _READ_AHEAD)):
                while behind and (behind[0][0].done() or len(behind) >= _WRITE_BEHIND):
                    behind.popleft()[0].result()
                texts = {p.digest: p.text for piece in chunk for d in piece.documents for p in d.passages}
                missing = reader.missing(texts.keys() - set().union(*(digests for _, digests in behind)))
                order = [digest for digest in texts if digest in missing]
                size, count, finished = sum(piece.size for piece in chunk), len(order), 0

                def step(texts_done: int) -> None:
                    nonlocal finished
                    finished += texts_done
                    if progress is not None and finished < count:  # noqa: B023 - called within this turn of the loop
                        share = finished / count  # noqa: B023
                        progress(Progress(done + int(size * share), total, passages + finished))  # noqa: B023

                vectors = self._embedder.embed([texts[digest] for digest in order], progress=step)
                lengths = np.linalg.norm(vectors, axis=1)
                if not np.all(np.abs(lengths - 1) < 1e-3):  # catches NaN as well
                    raise ModelError(
                        f"{self._embedder.fingerprint.model} gave a vector that has no direction"
                    )
                new = dict(zip(order, vectors, strict=True))
                behind.append((writer.submit(self._write, chunk, new), missing))
                documents += sum(len(piece.documents) for piece in chunk)
                passages += sum(piece.passages for piece in chunk)
                embedded += count
                done += size
                if progress is not None:
                    progress(Progress(done, total, passages))
            for future, _ in behind:
                future.result()
        self._library.touch(survey.touched)
        self._library.remove(survey.gone)
        self._library.gc()
        self._deliver()
        for key in survey.gone:
            self._tell("removed", key)
        return IngestReport(
            added=self._outcomes.count(None),
            updated=self._outcomes.count(True),
            unchanged=survey.unchanged + self._outcomes.count(False),
            removed=len(survey.gone),
            documents=documents,
            passages=passages,
            embedded=embedded,
            skipped=tuple(self._skipped),
            unknown=tuple(self._unknown),
            seconds=time.monotonic() - survey.started,
        )

    def _write(self, pieces: list[_Piece], new: dict[bytes, Vectors]) -> None:
        documents = []
        for piece in pieces:
            if piece.key not in self._versions:
                self._versions[piece.key] = self._library.begin_source(piece.key, piece.state)
            documents += [(self._versions[piece.key], document) for document in piece.documents]
        self._library.add(documents, new)
        finished = [piece for piece in pieces if piece.last]
        ready = [(self._versions.pop(piece.key), piece.state.digest) for piece in finished]
        outcomes = self._library.publish(ready)
        self._outcomes += outcomes
        self._deliver()
        for piece, outcome in zip(finished, outcomes, strict=True):
            if outcome is not False:
                self._tell("added" if outcome is None else "updated", piece.key)

    def _pieces(self, standard_input: str | None) -> Iterator[_Piece]:
        """Every changed source as pieces of bounded size, read and split."""
        if standard_input is not None:
            state = SourceState(len(standard_input), 0, "", "")
            yield from self._read(iter([read_text(standard_input, STANDARD_INPUT)]), STANDARD_INPUT, state)
        for path, key, state in self._survey.changed:
            with skipping(path, self._skipped, alone=len(self._survey.changed) == 1):
                yield from self._read(read(path, key, self._survey.fields), key, state)

    def _read(self, items: Iterator[Document | Skipped], key: str, state: SourceState) -> Iterator[_Piece]:
        tokens = oov = 0
        piece, left, found, failed = _Piece(key, state), state.size, False, False
        skipped_before = len(self._skipped)
        for item in items:
            if isinstance(item, Skipped):
                self._skipped.append(item)
                failed |= item.failed
                continue
            chunked = chunk(item, self._embedder)
            passages = chunked.record.passages
            if not passages:
                continue
            found = True
            piece.documents.append(chunked.record)
            tokens, oov = tokens + chunked.tokens, oov + chunked.oov
            size = min(left, sum(len(passage.text) for passage in passages))
            piece.size, left = piece.size + size, left - size
            piece.metadata += sum(
                len(name) + len(str(value)) + _ENTRY for name, value in item.metadata.items()
            )
            if (
                piece.size > _CHUNK_CHARACTERS
                or piece.metadata > _CHUNK_METADATA
                or len(piece.documents) >= _CHUNK_PASSAGES
            ):
                yield piece
                piece = _Piece(key, state)
        if not found:
            if failed:
                return  # nothing could be read: what was known of the source stays
            if len(self._skipped) == skipped_before:
                self._skipped.append(Skipped(key, "no text"))
            if key in self._survey.known:
                self._survey.gone.append(key)
            return
        if tokens and oov / tokens >= UNKNOWN_SHARE:
            self._unknown.append((key, oov / tokens))
        piece.size += left
        piece.last = True
        if failed:  # read it again next time, so that what is wrong with it is said again
            piece.state = SourceState(state.size, state.mtime_ns, "", state.reading)
        yield piece


def _chunks(pieces: Iterator[_Piece]) -> Iterator[list[_Piece]]:
    """Pieces together, so that the embedder always has enough to sort and batch."""
    chunk: list[_Piece] = []
    passages = size = metadata = 0
    for piece in pieces:
        chunk.append(piece)
        passages, size, metadata = passages + piece.passages, size + piece.size, metadata + piece.metadata
        if passages >= _CHUNK_PASSAGES or size >= _CHUNK_CHARACTERS or metadata >= _CHUNK_METADATA:
            yield chunk
            chunk, passages, size, metadata = [], 0, 0, 0
    if chunk:
        yield chunk


def _ahead(items: Iterator[_T], depth: int) -> Iterator[_T]:
    """The same items, with up to `depth` of them made ahead in a thread."""
    with ThreadPoolExecutor(1, "semsearch-read") as reader:
        waiting = deque(reader.submit(next, items, None) for _ in range(depth))
        while (item := waiting.popleft().result()) is not None:
            waiting.append(reader.submit(next, items, None))
            yield item

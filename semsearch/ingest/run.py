"""Bring an index up to date with files: read, chunk, embed and store at the same time.

One thread reads ahead, the caller's thread embeds (the slow part), and one thread writes behind. Documents travel in
batches of bounded size, so memory does not grow with the corpus or with its largest file. Vectors are stored every few
seconds, before their documents are: an ingest that is interrupted and run again finds them there.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from semsearch.embedding import Embedder, Vectors, embed_checked
from semsearch.ingest.chunk import LeftOut, chunk, not_prose
from semsearch.ingest.inputs import skipping
from semsearch.ingest.report import Change, IngestProgress, IngestReport
from semsearch.ingest.sources import STANDARD_INPUT
from semsearch.ingest.survey import Survey, choices_of
from semsearch.readers import RowFields, read, read_text
from semsearch.readers.heads import FAULT
from semsearch.storage.library import DocumentRecord, Library, SourceState
from semsearch.storage.vectors.sync import VectorSync
from semsearch.types import HIGH_OOV_RATE, Document, Skipped

_BATCH_PASSAGES, _BATCH_CHARACTERS = 4_096, 512 * 1024
_BATCH_METADATA = 16 * 1024 * 1024
"""Bytes of metadata."""
_ENTRY = 100
"""Bytes that an entry of metadata takes in addition to its characters."""
_READ_AHEAD, _WRITE_BEHIND = 4, 2
_SLICE_SECONDS, _FIRST_SLICE = 5.0, 16 * 1024
"""Seconds of embedding until the vectors are stored, and characters of the first texts."""

_T = TypeVar("_T")


@dataclass(slots=True)
class _SourcePart:
    """Some documents of one source on their way to the Library.

    `last` marks the last part of a source, which has the number of its `tokens`, and of those out of vocabulary.

    `size` is its share of the source's bytes, and `metadata` the bytes that its metadata takes.
    """

    key: str
    state: SourceState
    documents: list[DocumentRecord] = field(default_factory=list)
    size: int = 0
    metadata: int = 0
    last: bool = False
    tokens: tuple[int, int] = (0, 0)

    @property
    def passages(self) -> int:
        """The number of passages in all documents."""
        return sum(len(document.passages) for document in self.documents)

    @property
    def full(self) -> bool:
        """True once a new part should begin."""
        return (
            self.size > _BATCH_CHARACTERS
            or self.metadata > _BATCH_METADATA
            or len(self.documents) >= _BATCH_PASSAGES
        )

    def add(self, document: DocumentRecord, size: int) -> None:
        """Append a document that takes `size` bytes of the source."""
        self.documents.append(document)
        self.size += size
        self.metadata += sum(
            len(name) + len(str(value)) + _ENTRY for name, value in document.metadata.items()
        )


class IngestRun:
    """One ingest, which carries out what a `Survey` found. The caller finalizes `vectors`, unless an error ends it."""

    def __init__(self, survey: Survey, library: Library, embedder: Embedder, vectors: VectorSync) -> None:
        self._survey = survey
        self._library = library
        self._embedder = embedder
        self._vectors = vectors
        self._slice = _FIRST_SLICE
        self._skipped = list(survey.skipped)
        self._notes = list(survey.notes)
        self._oov_rates: list[tuple[str, float]] = []
        self._left_out: Counter[str] = Counter()
        self._versions: dict[str, int] = {}
        self._outcomes: list[bool | None] = []
        self._on_change: Callable[[Change, str], None] = lambda change, key: None

    def run(
        self,
        standard_input: str | None = None,
        progress: Callable[[IngestProgress], None] | None = None,
        on_change: Callable[[Change, str], None] | None = None,
        on_unknown: Callable[[float], None] | None = None,
    ) -> IngestReport:
        """Embed and publish what changed, batch by batch, then remove what is gone; see `Index.ingest`."""
        self._on_change = on_change or self._on_change
        survey, total = self._survey, self._survey.total + len(standard_input or "")
        documents = passages = embedded = done = 0
        self._library.discard_unpublished()
        with self._writer() as submit:
            writing: deque[tuple[list[Future[None]], set[bytes]]] = deque()
            for batch in _batches(_read_ahead(self._parts(standard_input), _READ_AHEAD)):
                if on_unknown is not None and not documents:
                    on_unknown(_oov_rate(batch))
                while writing and (writing[0][0][-1].done() or len(writing) >= _WRITE_BEHIND):
                    _require(writing.popleft()[0])
                texts = {p.digest: p.text for part in batch for d in part.documents for p in d.passages}
                copies = Counter(p.digest for part in batch for d in part.documents for p in d.passages)
                missing = self._library.missing(
                    texts.keys() - set().union(*(digests for _, digests in writing))
                )
                size = sum(part.size for part in batch)
                new = {digest: text for digest, text in texts.items() if digest in missing}
                steps = _Steps(progress, total, done, size, passages, copies, new.keys())
                stored = [
                    submit(partial(self._library.add, (), vectors)) for vectors in self._embedded(new, steps)
                ]
                writing.append(([*stored, submit(partial(self._write, batch))], missing))
                documents += sum(len(part.documents) for part in batch)
                passages += copies.total()
                embedded += len(new)
                done += size
                if progress is not None:
                    progress(IngestProgress(done, total, passages, passages))
            for futures, _ in writing:
                _require(futures)
        self._finish()
        return IngestReport(
            added=self._outcomes.count(None),
            updated=self._outcomes.count(True),
            unchanged=survey.unchanged + self._outcomes.count(False),
            removed=len(survey.gone),
            documents=documents,
            passages=passages,
            embedded=embedded,
            skipped=tuple(self._skipped),
            oov_rates=tuple(self._oov_rates),
            notes=(*self._notes, *self._vectors.notes),
            seconds=time.monotonic() - survey.started,
            absent=survey.absent,
            unmatched=survey.unmatched,
            left_out=dict(self._left_out.most_common()),
        )

    @contextmanager
    def _writer(self) -> Iterator[Callable[[Callable[[], None]], "Future[None]"]]:
        """Yield a function that has another thread do something, in order. The block ends once all of it is done.

        After an interruption the vector engine is finalized, so that the next writer need not prove it.
        """
        given: list[Future[None]] = []

        def submit(work: Callable[[], None]) -> Future[None]:
            given[:] = [
                *(future for future in given if not future.done() or future.exception()),
                writer.submit(work),
            ]
            return given[-1]

        try:
            with ThreadPoolExecutor(1, "semsearch-write") as writer:
                yield submit
        except KeyboardInterrupt:
            if not any(future.exception() for future in given):
                self._vectors.finalize()
            raise

    def _embedded(self, texts: Mapping[bytes, str], steps: "_Steps") -> Iterator[dict[bytes, Vectors]]:
        """Yield the vectors of all texts by digest, some seconds' worth at a time.

        Texts of one length are embedded together, since the shorter ones are padded to the longest of a batch.
        """
        waiting = deque(sorted(texts.items(), key=lambda item: len(item[1]), reverse=True))
        while waiting:
            some, size = [waiting.popleft()], 0
            while waiting and (size := size + len(some[-1][1])) < self._slice:
                some.append(waiting.popleft())
            began = time.monotonic()
            vectors = embed_checked(self._embedder, [text for _, text in some], progress=steps)
            seconds = max(time.monotonic() - began, 1e-3)
            self._slice = int(min(2 * self._slice, max(1, size) * _SLICE_SECONDS / seconds))
            yield dict(zip((digest for digest, _ in some), vectors, strict=True))
            steps.store(digest for digest, _ in some)

    def _write(self, batch: list[_SourcePart]) -> None:
        """Store a batch, whose vectors are stored, and publish the sources that it completes."""
        begun: dict[str, SourceState] = {}
        for part in batch:
            if part.key not in self._versions:
                begun.setdefault(part.key, part.state)
        # Once a batch: each transaction waits for the disk.
        numbers = self._library.begin_sources(begun.items())
        self._versions |= zip(begun, numbers, strict=True)
        self._library.add(
            [(self._versions[part.key], document) for part in batch for document in part.documents], {}
        )
        complete = [part for part in batch if part.last]
        versions = [(self._versions.pop(part.key), part.state.digest) for part in complete]
        tokens = {version: part.tokens for (version, _), part in zip(versions, complete, strict=True)}
        outcomes = self._library.publish(versions, tokens)
        self._outcomes += outcomes
        self._vectors.sync()
        for part, outcome in zip(complete, outcomes, strict=True):
            if outcome is not False:
                self._on_change("added" if outcome is None else "updated", part.key)

    def _finish(self) -> None:
        """Remove the sources that are gone, and the vectors that nothing uses any more."""
        self._library.touch(self._survey.touched)
        self._library.remove(self._survey.gone)
        self._library.sweep()
        self._vectors.sync(now=bool(self._survey.gone))  # what is removed does not stay in the engine
        for key in self._survey.gone:
            self._on_change("removed", key)

    def _parts(self, standard_input: str | None) -> Iterator[_SourcePart]:
        """Yield every changed source in parts of bounded size, read and chunked."""
        if standard_input is not None:
            state = SourceState(len(standard_input), 0, "", "")
            document = read_text(standard_input, STANDARD_INPUT)
            yield from self._parts_of(iter([document]), STANDARD_INPUT, state)
        for path, key, state in self._survey.changed:
            choices = choices_of(state.reading)
            fields = choices.fields if choices else RowFields()
            with skipping(path, self._skipped, alone=len(self._survey.changed) == 1):
                items = read(path, key, fields, partial(self._tell, key))
                yield from self._parts_of(items, key, state)

    def _tell(self, key: str, note: str) -> None:
        self._notes.append(f"{key}: {note}")

    def _parts_of(
        self, items: Iterator[Document | Skipped], key: str, state: SourceState
    ) -> Iterator[_SourcePart]:
        """Yield one source in parts. A source without text yields none, and is removed if the index has it."""
        tokens = oov = 0
        left_out: list[LeftOut] = []
        choices = choices_of(state.reading)
        everything = choices is None or choices.everything  # what is not a file was given as it is
        part, left, found, failed = _SourcePart(key, state), state.size, False, False
        skipped_before = len(self._skipped)
        for item in items:
            if isinstance(item, Skipped) and item.reason.startswith(FAULT):
                self._notes.append(f"{item.path}: {item.reason}")
                continue
            if isinstance(item, Skipped):
                self._skipped.append(item)
                failed |= item.failed
                continue
            chunked = chunk(item, self._embedder, everything=everything)
            left_out += chunked.left_out
            if not chunked.record.passages:
                continue
            found = True
            tokens, oov = tokens + chunked.tokens, oov + chunked.oov
            size = min(left, sum(len(passage.text) for passage in chunked.record.passages))
            part.add(chunked.record, size)
            left -= size
            if part.full:
                yield part
                part = _SourcePart(key, state)
        self._left_out.update(one.reason for one in left_out)
        if not found:
            if failed:
                return  # nothing could be read, so the index keeps what it has of the source
            if len(self._skipped) == skipped_before:
                self._skipped.append(Skipped(key, not_prose(left_out)))
            if key in self._survey.known:
                self._survey.gone.append(key)
            return
        if tokens and oov / tokens >= HIGH_OOV_RATE:
            self._oov_rates.append((key, oov / tokens))
        part.size += left
        part.last, part.tokens = True, (tokens, oov)
        # Without a digest the next ingest reads the source again, and reports again what is wrong with it.
        if failed:
            part.state = replace(state, digest="")
        yield part


def _oov_rate(batch: Iterable[_SourcePart]) -> float:
    """Return the share of the tokens of whole sources that the model does not know."""
    tokens, oov = map(sum, zip(*(part.tokens for part in batch), strict=True))
    return oov / max(1, tokens)


def _require(futures: Iterable["Future[None]"]) -> None:
    """Wait for all, and raise the first error of one."""
    for future in futures:
        future.result()


class _Steps:
    """Reports the progress within a batch. It is called with the number of texts that are embedded."""

    def __init__(
        self,
        report: Callable[[IngestProgress], None] | None,
        total: int,
        done: int,
        size: int,
        before: int,
        copies: Counter[bytes],
        new: Collection[bytes],
    ) -> None:
        """Begin after `done` of `total` bytes and `before` passages, with a batch of `size` bytes.

        `copies` counts the passages of the batch by digest; those of `new` have no vector yet.
        """
        self._report, self._total, self._done, self._size = report, total, done, size
        self._copies, self._new = copies, len(new)
        self._stored = before + sum(count for digest, count in copies.items() if digest not in new)
        self._embedded = self._waiting = 0

    def __call__(self, texts: int) -> None:
        self._embedded += texts
        self._waiting += texts
        self._tell()

    def store(self, digests: Iterable[bytes]) -> None:
        """Report that the vectors of some texts are on their way to the Library."""
        self._stored += sum(self._copies[digest] for digest in digests)
        self._waiting = 0
        self._tell()

    def _tell(self) -> None:
        if self._report is not None:
            done = self._done + self._size * self._embedded // max(1, self._new)
            passages = self._stored + self._waiting
            self._report(IngestProgress(min(done, self._total), self._total, passages, self._stored))


def _batches(parts: Iterator[_SourcePart]) -> Iterator[list[_SourcePart]]:
    """Yield parts together, so the embedder always has enough texts to sort by length."""
    batch: list[_SourcePart] = []
    passages = size = metadata = 0
    for part in parts:
        batch.append(part)
        passages, size, metadata = passages + part.passages, size + part.size, metadata + part.metadata
        if passages >= _BATCH_PASSAGES or size >= _BATCH_CHARACTERS or metadata >= _BATCH_METADATA:
            yield batch
            batch, passages, size, metadata = [], 0, 0, 0
    if batch:
        yield batch


def _read_ahead(items: Iterator[_T], depth: int) -> Iterator[_T]:
    """Yield the same items, while a thread prepares up to `depth` more of them."""
    with ThreadPoolExecutor(1, "semsearch-read") as reader:
        waiting = deque(reader.submit(next, items, None) for _ in range(depth))
        while (item := waiting.popleft().result()) is not None:
            waiting.append(reader.submit(next, items, None))
            yield item

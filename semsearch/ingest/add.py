"""Add records from memory to an index, step by step: each is a source with the key `record://ID`.

A step is chunked, embedded, stored and published before the next is taken, so any number of records can stream through,
and a run that is cut off keeps the steps before. The caller's thread takes the records: an iterator may belong to it.
"""

import json
import time
from collections.abc import Callable, Iterable

from semsearch.embedding import Embedder, embed_checked
from semsearch.errors import InvalidInput
from semsearch.ingest.chunk import chunk
from semsearch.ingest.records import first_of, record_digest, steps_of
from semsearch.ingest.report import AddReport
from semsearch.ingest.sources import record_key
from semsearch.storage.library import Library, SourceState
from semsearch.text import CLEANER_VERSION, SPLITTER_VERSION
from semsearch.types import Document, Record, Skipped

_RECORDS, _CHARACTERS = 1_024, 512 * 1024
"""The size of a step, by either measure."""
_READING = json.dumps(["record", CLEANER_VERSION, SPLITTER_VERSION])


class RecordRun:
    """One run of `Index.add` or `Index.update`.

    `sync` sends the outbox to the vector engine; given True, also one that can wait.
    """

    def __init__(
        self,
        library: Library,
        embedder: Callable[[], Embedder],
        sync: Callable[[bool], None],
        *,
        known_only: bool,
    ) -> None:
        self._library, self._embedder, self._sync = library, embedder, sync
        self._known_only = known_only
        self._counts = dict.fromkeys(("added", "updated", "unchanged", "removed", "passages", "embedded"), 0)
        self._skipped: list[Skipped] = []
        self._ids: list[str] = []
        self._repeated = 0

    def run(
        self,
        records: Iterable[Record | Skipped],
        *,
        keep_ids: bool,
        progress: Callable[[int], None] | None = None,
    ) -> AddReport:
        """Add all records; see `Index.add`. `keep_ids` says that the report has their ids."""
        started, done = time.monotonic(), 0
        self._library.discard_unpublished()
        for step in steps_of(records, _RECORDS, _CHARACTERS):
            self._add(step)
            done += len(step)
            if keep_ids:
                self._ids += [record.id for record in step if isinstance(record, Record)]
            if progress is not None:
                progress(done)
        self._library.sweep()
        repeated = f"{self._repeated} had the id of a later record, and were replaced by it"
        return AddReport(
            **self._counts,
            skipped=tuple(self._skipped),
            notes=(repeated,) if self._repeated else (),
            seconds=time.monotonic() - started,
            ids=tuple(self._ids),
        )

    def _add(self, step: list[Record | Skipped]) -> None:
        """Store and publish the records of a step that are new or have changed."""
        by_key = {record_key(one.id if isinstance(one, Record) else one.path): one for one in step}
        self._repeated += len(step) - len(by_key)
        known = {key: state for key in by_key if (state := self._library.state_of(key))}
        if self._known_only and (unknown := [key for key in by_key if key not in known]):
            ids = [key.removeprefix(record_key("")) for key in unknown]
            raise InvalidInput(f"not in the index: {first_of(ids)}", "Index.add adds records")
        changed: dict[str, tuple[Record, SourceState]] = {}
        gone: list[str] = []
        for key, one in by_key.items():
            if isinstance(one, Skipped):
                self._skipped.append(one)
                gone += [key] * (key in known)
                continue
            state = SourceState(len(one.text), 0, record_digest(one), _READING)
            if key in known and (known[key].digest, known[key].reading) == (state.digest, state.reading):
                self._counts["unchanged"] += 1
            else:
                changed[key] = one, state
        if changed:
            self._publish(changed, gone)
        if gone:
            self._library.remove(gone)
            self._counts["removed"] += len(gone)
        self._sync(bool(gone))  # what is removed does not stay in the engine

    def _publish(self, changed: dict[str, tuple[Record, SourceState]], gone: list[str]) -> None:
        embedder = self._embedder()
        chunked = {
            key: chunk(Document(key, record.text, metadata=record.metadata), embedder)
            for key, (record, _) in changed.items()
        }
        for key in [key for key, one in chunked.items() if not one.record.passages]:
            self._skipped.append(Skipped(changed[key][0].id, "no text"))  # only what cleaning removes
            gone += [key] * (self._library.state_of(key) is not None)
            del chunked[key]
        passages = [passage for one in chunked.values() for passage in one.record.passages]
        texts = {passage.digest: passage.text for passage in passages}
        missing = self._library.missing(texts)
        new = {digest: text for digest, text in texts.items() if digest in missing}
        vectors = embed_checked(embedder, list(new.values()))
        numbers = self._library.begin_sources([(key, changed[key][1]) for key in chunked])
        self._library.add(
            zip(numbers, (one.record for one in chunked.values()), strict=True),
            dict(zip(new, vectors, strict=True)),
        )
        versions = [(number, changed[key][1].digest) for number, key in zip(numbers, chunked, strict=True)]
        tokens = dict(zip(numbers, ((one.tokens, one.oov) for one in chunked.values()), strict=True))
        self._counts["passages"] += len(passages)
        for outcome in self._library.publish(versions, tokens):
            self._counts["added" if outcome is None else "updated" if outcome else "unchanged"] += 1
        self._counts["embedded"] += len(new)

"""Find the files that changed since the last ingest, and the sources that are gone."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from semsearch.ingest.inputs import file_sha256, skipping
from semsearch.ingest.report import IngestReport
from semsearch.ingest.sources import STANDARD_INPUT, is_below, source_key
from semsearch.readers import READER_VERSION, Found, RowFields, walk
from semsearch.storage.library import SourceState
from semsearch.text import CLEANER_VERSION, SPLITTER_VERSION
from semsearch.types import Skipped

_FRESH_NS = 2_000_000_000
"""Nanoseconds. A file that changed this recently may change again and keep its time, so the next ingest reads it."""


class Survey:
    """The work of an ingest over some roots: the files that changed, and the sources that are gone.

    `known` has the sources of the index, whose keys are relative to `base`. `changed` has each file to read with its
    key and state, `total` their bytes in all, and `touched` the files whose time changed and whose content did not.
    Raises `InvalidInput` for a root that does not exist.
    """

    def __init__(
        self,
        known: Mapping[str, SourceState],
        base: Path,
        roots: Sequence[Path],
        fields: RowFields,
        max_bytes: int,
    ) -> None:
        self.started = time.monotonic()
        self.known = known
        self.fields = fields
        self.skipped: list[Skipped] = []
        self.changed: list[tuple[Path, str, SourceState]] = []
        self.touched: dict[str, SourceState] = {}
        self.unchanged = 0
        self.total = 0
        seen = set()
        # A file is read again if the options have changed, or if the release before cleaned or cut it differently.
        reading = json.dumps([fields.text, fields.id, READER_VERSION, CLEANER_VERSION, SPLITTER_VERSION])
        for item in walk(roots, max_bytes=max_bytes) if roots else ():
            if isinstance(item, Skipped):
                self.skipped.append(item)
            else:
                key = source_key(item.path, base)
                seen.add(key)
                self._classify(item, key, reading)
        # A source below a folder that could not be read is not gone, since nobody looked.
        unseen = [Path(skipped.path) for skipped in self.skipped if skipped.failed]
        self.gone = [
            key
            for key in known
            if key not in seen
            and any(is_below(key, root, base) for root in roots)
            and not any(is_below(key, path, base) for path in unseen)
        ]

    def _classify(self, file: Found, key: str, reading: str) -> None:
        """Sort a file into changed or unchanged: by its size and time, and if these differ by its digest."""
        known = self.known.get(key)
        if known and known.digest and known.reading == reading:
            if (known.size, known.mtime_ns) == (file.size, file.mtime_ns):
                self.unchanged += 1
                return
        else:
            known = None
        digest = ""
        with skipping(file.path, self.skipped, alone=False):
            digest = file_sha256(file.path)
        if not digest:
            return
        fresh = time.time_ns() - file.mtime_ns < _FRESH_NS
        state = SourceState(file.size, 0 if fresh else file.mtime_ns, digest, reading)
        if known and known.digest == digest:
            self.unchanged += 1
            self.touched[key] = state
        else:
            self.changed.append((file.path, key, state))
            self.total += file.size

    def report(self, standard_input: bool = False) -> IngestReport:
        """Return the report of an ingest that would do this work, as a dry run."""
        keys = [key for _, key, _ in self.changed] + [STANDARD_INPUT] * standard_input
        return IngestReport(
            added=sum(key not in self.known for key in keys),
            updated=sum(key in self.known for key in keys),
            unchanged=self.unchanged,
            removed=len(self.gone),
            skipped=tuple(self.skipped),
            seconds=time.monotonic() - self.started,
            dry_run=True,
        )

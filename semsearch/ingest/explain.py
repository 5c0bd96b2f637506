"""Explain what an ingest makes of each path: indexed, stale, skipped, failed, or not reached at all.

Nothing of this is stored. Every reason is found again by the code that decides it, so it is true now.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from semsearch.embedding import Embedder
from semsearch.errors import SemsearchError
from semsearch.ingest.chunk import LeftOut, chunk, not_prose
from semsearch.ingest.inputs import file_sha256, skipping
from semsearch.ingest.sources import (
    RECORDS,
    STANDARD_INPUT,
    absolute,
    is_below,
    is_file,
    is_within,
    source_key,
)
from semsearch.ingest.survey import Choices, choices_of
from semsearch.patterns import Names
from semsearch.readers import SIGNED, Choice, Found, read, visit, walk
from semsearch.storage.library import Library, SourceState
from semsearch.text import clean, why_not_prose, without_data
from semsearch.types import Document, Skipped

_SAMPLE = 4_000
"""The first characters of a text; if they are prose, some passage is."""
Verdict = Literal["indexed", "stale", "missing", "new", "skipped", "failed", "outside", "unknown"]
"""`stale`: changed since; `missing`: indexed and gone, or in the quarantine; `new`: not indexed yet; `outside`: below
no ingested path."""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """The place of a path in an index, with the `reason` where it is not simply indexed.

    `detail` names the rule behind the reason, such as `.gitignore:3: *.log`. `format` is the suffix it is read by,
    `indexed` the time in ISO 8601, and `oov_rate` the share of tokens out of the model's vocabulary; these and the
    counts are None for what is not in the index. `left_out` has the passages of a file that are not prose; it is found
    again only where one file is asked about.
    """

    path: str
    status: Verdict
    reason: str = ""
    detail: str = ""
    format: str | None = None
    documents: int | None = None
    passages: int | None = None
    oov_rate: float | None = None
    indexed: str | None = None
    left_out: tuple[LeftOut, ...] = ()


class Explainer:
    """Explains paths by the present state of an index and of the files.

    `held` has the sources that are in the quarantine, each with the run that moved it there. `embedder` returns the
    index's model, by which a file is cut into passages. With `within`, nothing outside these folders is looked at.
    """

    def __init__(
        self,
        library: Library,
        embedder: Callable[[], Embedder],
        held: Mapping[str, str] = {},
        within: Sequence[Path] | None = None,
    ) -> None:
        self._library, self._embedder, self._held = library, embedder, held
        self._base = library.base
        self._within = within
        self._states = library.states()
        self._summaries = library.summaries()
        saved: Mapping[str, Any] = library.setting("roots") or {}
        self._roots = {
            self._base / key: Choices.from_saved(scope)
            for key, scope in saved.items()
            if key != STANDARD_INPUT and self._may_read(self._base / key)
        }

    def everything(self) -> Iterator[SourceStatus]:
        """Yield the status of every source, and of every path below the folders that were ingested."""
        seen: set[str] = set()
        for root in self._roots:
            for one in self.explain(str(root)):
                if one.status != "unknown" and one.path not in seen:
                    seen.add(one.path)
                    yield one
        yield from (self._source(key) for key in sorted(self._states.keys() - seen))

    def explain(self, name: str) -> Iterator[SourceStatus]:
        """Yield the status of a file, of a row such as `data.csv#3`, or of everything below a folder."""
        path = Path(name)
        if name not in self._states and not os.path.lexists(path) and os.path.lexists(self._base / name):
            path = self._base / name
        key = name if name in self._states else source_key(path, self._base)
        if key in self._states:
            source = self._source(key)
            yield (
                replace(source, left_out=self._passages_left_out(key))
                if source.status == "indexed"
                else source
            )
        elif path.is_dir():
            yield from self._folder(path)
        elif below := sorted(one for one in self._states if is_below(one, path, self._base)):
            yield from map(self._source, below)
        elif os.path.lexists(path):
            yield self._file(path, key)
        elif run := self._held.get(key):
            reason = f"the run {run} of `semsearch apply` moved it to the quarantine"
            yield SourceStatus(key, "missing", reason, f"`semsearch undo {run}` brings it back")
        else:
            yield self._row(name) or SourceStatus(key, "unknown", self._near(name))

    def _may_read(self, path: Path) -> bool:
        return self._within is None or is_within(path, self._within)

    def _source(self, key: str) -> SourceStatus:
        """Return the status of a source that the index has."""
        status, reason = self._freshness(key, self._states[key])
        summary = self._summaries[key]
        when = datetime.fromtimestamp(summary.indexed, UTC).isoformat() if summary.indexed else None
        return SourceStatus(
            key,
            status,
            reason,
            format="record"
            if key.startswith(RECORDS)
            else Path(key).suffix.lower().removeprefix(".") or "text",
            documents=summary.documents,
            passages=summary.passages,
            oov_rate=round(summary.oov / summary.tokens, 4) if summary.tokens else None,
            indexed=when,
        )

    def _passages_left_out(self, key: str) -> tuple[LeftOut, ...]:
        """Return the passages of an unchanged source that are not prose; none where its model cannot be loaded."""
        choices = choices_of(self._states[key].reading)
        if (
            key == STANDARD_INPUT
            or choices is None
            or choices.everything
            or not self._may_read(self._base / key)
        ):
            return ()
        found: list[LeftOut] = []
        try:
            for item in read(self._base / key, key, choices.fields):
                if not isinstance(item, Skipped):
                    found += chunk(item, self._embedder(), everything=False).left_out
        except SemsearchError:
            return ()
        return tuple(found)

    def _freshness(self, key: str, state: SourceState) -> tuple[Verdict, str]:
        if not is_file(key):
            return "indexed", ""
        path = self._base / key
        if not self._may_read(path):
            return "indexed", "its file lies elsewhere, and was not looked at"
        try:
            stat = path.stat()
            same = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino & SIGNED) == (
                state.size,
                state.mtime_ns,
                state.ctime_ns,
                state.inode,
            )
            if state.digest and not same and file_sha256(path) != state.digest:
                return "stale", "it has changed since"
        except FileNotFoundError:
            return "missing", "the file is gone"
        except (OSError, SemsearchError) as error:
            return "failed", f"it cannot be read now, and the index keeps what it has: {error}"
        if not state.digest:
            return "failed", "it was read in part; the next ingest reads it again"
        if choices_of(state.reading) is None:
            return "stale", "an older release read it; the next ingest reads it again"
        return "indexed", ""

    def _folder(self, folder: Path) -> Iterator[SourceStatus]:
        root = self._root_of(folder)
        outcome = visit(absolute(folder), absolute(root), self._choice(root)) if root else None
        if isinstance(outcome, Skipped):
            yield self._skipped(outcome, str(folder))
            return
        seen: set[str] = set()
        for item in walk([folder], self._choice(root)):
            path = Path(item.path)
            key = source_key(path, self._base)
            seen.add(key)
            if key in self._states:
                yield self._source(key)
            elif isinstance(item, Skipped) and root:
                yield self._skipped(item, item.path)
            else:
                yield self._file(path, key)
        gone = (key for key in self._states if key not in seen and is_below(key, folder, self._base))
        yield from map(self._source, sorted(gone))

    def _file(self, path: Path, key: str) -> SourceStatus:
        """Return the status of a file that the index does not have."""
        root = self._root_of(path)
        if root is None:
            return SourceStatus(key, "outside", "no ingest has covered it", f"semsearch ingest {path}")
        outcome = visit(absolute(path), absolute(root), self._choice(root))
        if isinstance(outcome, Skipped):
            return self._skipped(outcome, str(path))
        if reason := self._left_out(key, self._roots[root]):
            return SourceStatus(key, "skipped", reason)
        skipped: list[Skipped] = []
        if isinstance(outcome, Found):
            with skipping(path, skipped, alone=False):
                for item in read(path, key, self._roots[root].fields):
                    if isinstance(item, Skipped):
                        skipped.append(replace(item, path=str(path)))  # it was named by its key
                    elif reason := self._not_prose(item, self._roots[root]):
                        skipped.append(Skipped(str(path), reason))
                    else:
                        hint = f"semsearch ingest {source_key(root, self._base)}"
                        return SourceStatus(key, "new", "it is not indexed yet", hint)
        return self._skipped(skipped[0] if skipped else Skipped(str(path), "no text"), str(path))

    def _not_prose(self, document: Document, choices: Choices) -> str:
        """Return why an ingest stores no passage of a document that has text, or nothing."""
        if choices.everything or not why_not_prose(clean(without_data(document.text[:_SAMPLE]))):
            return ""
        try:
            chunked = chunk(document, self._embedder(), everything=False)
        except SemsearchError:  # without its model an ingest stores nothing anyway
            return ""
        return "" if chunked.record.passages else not_prose(chunked.left_out)

    def _skipped(self, skipped: Skipped, path: str) -> SourceStatus:
        """Return a skipped path; the reason may be about a folder above it."""
        key, at = source_key(Path(path), self._base), source_key(Path(skipped.path), self._base)
        reason = skipped.reason if key == at or at.startswith(key) else f"{skipped.reason}: {at}"
        return SourceStatus(key, "failed" if skipped.failed else "skipped", reason, skipped.detail)

    def _row(self, name: str) -> SourceStatus | None:
        """Return the status of a row of a source that the index has."""
        for at in (at for at, character in enumerate(name) if character == "#"):
            key = name[:at] if name[:at] in self._states else source_key(Path(name[:at]), self._base)
            if key not in self._states:
                continue
            row = key + name[at:]
            found = self._library.places([row])
            one = self._source(key)
            reason = one.reason or (f"in {key}" if found else f"{key} is indexed and has no such part")
            return SourceStatus(
                row, one.status if found else "unknown", reason, format=one.format, indexed=one.indexed
            )
        return None

    def _near(self, name: str) -> str:
        keys = list(self._states)
        return f"neither in the index nor a file; {Names(keys, keys, self._base).hint(name)}"

    def _root_of(self, path: Path) -> Path | None:
        """Return the deepest path that was ingested and that contains `path`."""
        above = [root for root in self._roots if absolute(path).is_relative_to(absolute(root))]
        return max(above, key=lambda root: len(root.parts), default=None)

    def _choice(self, root: Path | None) -> Choice:
        choices = self._roots[root] if root else Choices()
        return Choice(choices.max_bytes, choices.everything)

    def _left_out(self, key: str, scope: Choices) -> str:
        names = Names([key], [key], self._base)
        excluding = [pattern for pattern in scope.exclude if names.select(pattern)[0]]
        if excluding:
            return f"left out by --exclude {excluding[0]}"
        included = not scope.include or any(names.select(pattern)[0] for pattern in scope.include)
        return "" if included else "left out by --include"

"""Offer `Index`, the one class to ingest, search, find near-duplicates and tune with.

What a search needs is imported here, and the rest by the methods that use it, so that a query starts sooner.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, Unpack, overload

from semsearch.embedding import (
    AUTO,
    DEFAULT_MODEL,
    Embedder,
    Fingerprint,
    Kind,
    Vectors,
    embed_checked,
    load_embedder,
    model_name,
)
from semsearch.embedding.scale import DEFAULT_SCALE, known_scale
from semsearch.embedding.vocabulary import Vocabulary
from semsearch.errors import (
    EngineUnavailable,
    FingerprintMismatch,
    IndexLocked,
    InvalidInput,
    MissingExtra,
    ModelError,
    SemsearchError,
    UnreadableSource,
)
from semsearch.files import disk
from semsearch.ingest.sources import is_below, is_file, keys_below, keys_of, record_key, source_key
from semsearch.patterns import unmatched
from semsearch.requests import (
    ClusterOptions,
    ClusterRequest,
    DedupOptions,
    DedupRequest,
    DriftOptions,
    DriftRequest,
    SearchOptions,
    SearchRequest,
    SimilarOptions,
    SimilarRequest,
)
from semsearch.search.engine import LONGEST_QUERY, SearchEngine
from semsearch.search.hits import Hits
from semsearch.search.plane import PassagePlane, passage_plane
from semsearch.search.query import Query
from semsearch.search.relevance import renew
from semsearch.search.rerank import HitReranker, widened
from semsearch.search.sentences import SentenceVectors
from semsearch.storage.change_model import adapted_from, adapter_of, adopt, base_of, forget_kept, go_back
from semsearch.storage.check import CheckReport, check
from semsearch.storage.forget import Forgotten, complete_forget, forget, unfinished
from semsearch.storage.index_dir import (
    CLUSTERS,
    JOIN,
    PLANE,
    QUARANTINE,
    Settings,
    Status,
    create_index_dir,
    disk_usage,
    is_index,
    loaded_fingerprint,
    open_library,
    require_fingerprint,
    require_index,
    settings_of,
    vectors_of,
)
from semsearch.storage.library import VECTOR_FILES, StoredPassage, remove_vector_file, update_vector_file
from semsearch.storage.location import FOLDER, locate
from semsearch.storage.lock import training_lock, write_lock
from semsearch.storage.vectors.engines import collection, place_of, shown
from semsearch.storage.vectors.move import clear, move
from semsearch.types import TIERS, Contained, FieldCounts, Hit, Level, Record, Skipped, Tier

if TYPE_CHECKING:
    from semsearch.clustering.clusters import Clusters
    from semsearch.dedup import Duplicates, Plan
    from semsearch.dedup.comparison import Comparison
    from semsearch.dedup.decision import DecisionRule
    from semsearch.dedup.quarantine import Outcome
    from semsearch.dedup.review import Review
    from semsearch.dedup.runs import QuarantineRun
    from semsearch.drift.find import Drift
    from semsearch.embedding.adapter import Adapter
    from semsearch.ingest.explain import SourceStatus
    from semsearch.ingest.lookup import DocumentVectors
    from semsearch.ingest.records import Records
    from semsearch.ingest.report import AddReport, Change, IngestProgress, IngestReport
    from semsearch.readers import RowFields
    from semsearch.tuning.adapt import Adaptation
    from semsearch.tuning.pairs import PairSet
    from semsearch.tuning.sampling import PairSample
    from semsearch.tuning.scoring import PairScores
    from semsearch.tuning.threshold import Objective, TuningResult

__all__ = ["FOLDER", "LONGEST_QUERY", "Index", "locate"]

_T = TypeVar("_T")
_Several: TypeAlias = list[_T] | tuple[_T, ...]
"""A list or a tuple, and not any sequence: a string is a sequence of strings."""
_NAMES = {"chance": "probability", "promise": "guarantee"}
"""The public names of values that an index stores under older names."""
_CACHES = (CLUSTERS, JOIN, PLANE, VECTOR_FILES)
"""Patterns of the files within an index that are made from the Library."""
DEFAULT_WAIT = 10.0
"""Seconds to wait for another writer."""
_OPTIONS = {"dimension": "dimensions"}
"""The option for a value of the fingerprint, where it has another name."""


class Index:
    """An index on disk. Use `Index.create` and `Index.open`, and close it, or use it in a `with` block.

    Any number of threads may use one index at the same time. Writers take turns, and each answer comes from one
    committed state. A source is named by its path relative to the folder that contains the index, or by its absolute
    path where it lies elsewhere.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        embedder: Embedder | None = None,
        device: str = "auto",
        base_url: str | None = None,
        fetch: bool = False,
        wait: float = DEFAULT_WAIT,
    ) -> None:
        self.folder = Path(folder).absolute()
        self._wait = wait
        self._device = device
        self._base_url = base_url
        self._fetch = fetch  # False by default: a stranger's index may name any model
        self._embedder: Embedder | None = None
        self._embedder_lock = threading.Lock()
        self._graph_lock = threading.Lock()
        self._library, settings = open_library(self.folder, wait)
        if embedder is not None:
            try:
                require_fingerprint(self.folder, settings, embedder)
            except BaseException:
                self._library.close()
                raise
            self._embedder = embedder
        self._loaded_as, self._closed = settings, False
        self._own_embedder = embedder is not None
        self._vectors = vectors_of(self.folder, self._library)
        """Writes the graph; used under the write lock only."""
        self._graph = vectors_of(self.folder, self._library)
        """Reads the graph; used under `_graph_lock` only."""
        self._vocabulary = Vocabulary(lambda: self.embedder, subwords=embedder is None)
        self._sentences = SentenceVectors(lambda: self.embedder)
        self._engine = SearchEngine(self._library, self._nearest, lambda: self.embedder, self._sentences)
        self._reranker = HitReranker(lambda: self.embedder, self._sentences)

    @classmethod
    def create(
        cls,
        folder: Path | str,
        *,
        model: str = DEFAULT_MODEL,
        dtype: str = "float32",
        dimensions: int | None = None,
        device: str = "auto",
        base_url: str | None = None,
        embedder: Embedder | None = None,
        wait: float = DEFAULT_WAIT,
    ) -> Index:
        """Make a new, empty index in `folder` and open it.

        Its vectors are those of `embedder` where one is given, else of the model named, see `load_embedder`. `base_url`
        is the server of `ollama:NAME` or `openai:NAME`; it is remembered on this machine. The folder appears whole or
        not at all. Raises `InvalidInput` when it exists and is not empty, and `ModelError` when the model cannot be
        loaded.
        """
        folder = Path(folder).absolute()

        def load() -> Embedder:
            return load_embedder(model, dtype, dimensions=dimensions, device=device, base_url=base_url)

        made = create_index_dir(folder, lambda: embedder or load())
        index = cls(folder, embedder=made, device=device, base_url=base_url, wait=wait)
        index._own_embedder = embedder is not None
        return index

    @classmethod
    def open(
        cls,
        folder: Path | str | None = None,
        *,
        model: str | None = None,
        dtype: str | None = None,
        dimensions: int | None = None,
        device: str = "auto",
        base_url: str | None = None,
        embedder: Embedder | None = None,
        wait: float = DEFAULT_WAIT,
    ) -> Index:
        """Open the index in `folder`, or the one that `locate` finds.

        `embedder` takes the place of the index's model, which is else loaded by name when first needed. `base_url` is
        the server of a model on a server, else the one that was last given for it on this machine. Raises
        `IndexNotFound`; `IndexDamaged`; and `FingerprintMismatch` when `model`, `dtype`, `dimensions` or the
        fingerprint of `embedder` is given and is not the index's.
        """
        found = require_index(folder)
        index = cls(
            found, embedder=embedder, device=device, base_url=base_url, fetch=model is not None, wait=wait
        )
        settings = index._settings
        asked = {
            "model": model and model_name(model, str(settings["model"])),
            "dtype": None if dtype == AUTO else dtype,
            "dimension": dimensions,
        }
        for name, value in asked.items():
            if value is not None and value != settings[name]:
                index.close()
                raise FingerprintMismatch(
                    f"{found} contains vectors of {name} {settings[name]}, not {value}",
                    f"leave --{_OPTIONS.get(name, name)} out, or ingest into a new index with --index",
                )
        return index

    @classmethod
    def open_or_create(
        cls,
        folder: Path | str,
        *,
        model: str | None = None,
        dtype: str | None = None,
        dimensions: int | None = None,
        device: str = "auto",
        base_url: str | None = None,
        embedder: Embedder | None = None,
        wait: float = DEFAULT_WAIT,
    ) -> Index:
        """Open the index in `folder`, or make it there if there is none; see `open` and `create`.

        Raises `InvalidInput` for a folder with other files in it, and the errors of the other two.
        """
        folder = Path(folder).absolute()
        if not is_index(folder):
            try:
                return cls.create(
                    folder,
                    model=model or DEFAULT_MODEL,
                    dtype=dtype or "float32",
                    dimensions=dimensions,
                    device=device,
                    base_url=base_url,
                    embedder=embedder,
                    wait=wait,
                )
            except SemsearchError:  # unless another process has made it in the meantime
                if not is_index(folder):
                    raise
        return cls.open(
            folder,
            model=model,
            dtype=dtype,
            dimensions=dimensions,
            device=device,
            base_url=base_url,
            embedder=embedder,
            wait=wait,
        )

    def close(self) -> None:
        """Close the files of the index. It cannot be used afterwards, in any thread."""
        self._closed = True
        with self._graph_lock:
            self._graph.close()
        self._vectors.close()
        self._library.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Index {str(self.folder)!r} of {self.model}>"

    def __len__(self) -> int:
        """Return the number of documents: files, rows of files, and records."""
        return self._library.counts()["documents"]

    def __bool__(self) -> bool:
        """Return True: an index without documents is an index too."""
        return True

    def __contains__(self, id: object) -> bool:
        """Return whether the index has a record with an id, or a source with this name."""
        from semsearch.readers.encoding import storable

        if not isinstance(id, str | int):
            return False
        name = storable(str(id))
        return any(self._library.state_of(key) for key in (record_key(name), name))

    @property
    def model(self) -> str:
        """The name of the index's model with its dtype, as labels name it."""
        from semsearch.tuning.scoring import model_id

        return model_id(str(self._settings["model"]), str(self._settings["dtype"]))

    @property
    def embedder(self) -> Embedder:
        """The model of the index, loaded when first needed.

        Raises `ModelError` when it cannot be loaded, and `FingerprintMismatch` when it has changed since.
        """
        with self._embedder_lock:
            settings = self._settings
            if settings != self._loaded_as and self._own_embedder and self._embedder is not None:
                require_fingerprint(self.folder, settings, self._embedder)
            if self._embedder is None or settings != self._loaded_as:
                with self._library.snapshot():
                    settings, adapter = self._settings, adapter_of(self.folder, self._library)
                    base = loaded_fingerprint(base_of(self._library)) if adapter else settings
                loaded = self._load(base, adapter)
                require_fingerprint(self.folder, settings, loaded)
                self._embedder, self._loaded_as = loaded, settings
            return self._embedder

    def _load(self, settings: Settings, adapter: Adapter | None = None) -> Embedder:
        """Load the model that some settings name, with an adapter."""
        return load_embedder(
            str(settings["model"]),
            str(settings["dtype"]),
            device=self._device,
            base_url=self._base_url,
            fetch=self._fetch,
            stored=settings,
            adapter=adapter,
        )

    @property
    def _settings(self) -> Settings:
        """The fingerprint of the model that the index has now: another process may have changed it."""
        return self._loaded_as if self._closed else settings_of(self.folder, self._library)

    @property
    def unread_vocabulary(self) -> str:
        """A note that the model could not be asked which words it knows, so all count as known; "" if there is none."""
        missing = self._vocabulary.missing
        return f"all words count as known to the model: {missing}" if missing else ""

    # -- sources ----------------------------------------------------------------------------------------

    def key_of(self, path: Path) -> str:
        """Return the name of a file's source in this index."""
        return source_key(path, self.folder.parent)

    def path_of(self, source: str) -> Path:
        """Return the file of a source. A record has none, and neither has standard input."""
        return self.folder.parent / source

    def is_unchanged(self, source: str) -> bool:
        """Return True where the file of a source has the bytes that were indexed."""
        from semsearch.ingest.inputs import file_sha256

        state = self._library.state_of(source) if is_file(source) else None
        try:
            return state is not None and file_sha256(self.path_of(source)) == state.digest
        except (UnreadableSource, ValueError):  # the latter for a name that no file can have
            return False

    def ingest(
        self,
        paths: Path | str | Sequence[Path | str],
        *,
        standard_input: str | None = None,
        fields: RowFields | None = None,
        max_bytes: int | None = None,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] | None = None,
        everything: bool | None = None,
        prune: bool = False,
        dry_run: bool = False,
        progress: Callable[[IngestProgress], None] | None = None,
        on_change: Callable[[Change, str], None] | None = None,
        on_unknown: Callable[[float], None] | None = None,
    ) -> IngestReport:
        """Bring the index up to date with files and folders: add new sources, replace changed and remove deleted ones.

        Sources outside `paths` are left alone. `standard_input` is a text to store as the source `<stdin>`. `fields`
        names the columns of rows, and files of more than `max_bytes` are skipped. `include` and `exclude` are patterns,
        see `semsearch.patterns.Names`: what they leave out is neither read nor removed. With `everything`, also text is
        read that is not prose. What is not given is as at the last time for each of `paths`, and an empty pattern drops
        the patterns of the last time. Where a folder is empty now, or
        most of a path has disappeared, its sources stay, and the report has them as `absent`; with `prune` they are
        removed. With `dry_run` nothing is changed.
        `on_change` is called from another thread, once for each source after it has changed. `on_unknown` is called
        before the first text is embedded, with the share of the first sources' tokens that the model does not know;
        what it raises ends the ingest with nothing stored. Raises `InvalidInput` for
        a path that does not exist, and `IndexLocked` while another writer is at work.
        """
        from semsearch.ingest.run import IngestRun
        from semsearch.ingest.survey import Scope, Survey
        from semsearch.readers import RowFields

        scope = Scope(_paths(paths), fields or RowFields(), max_bytes, include, exclude, everything, prune)
        below = keys_below(scope.roots, self.folder.parent)
        saved = self._library.setting("roots")
        if dry_run:
            survey = Survey(self._library.states(below), self.folder.parent, scope, saved)
            return survey.report(standard_input is not None)
        with self._writing():
            self._vectors.recover()
            saved = self._library.setting("roots")
            survey = Survey(self._library.states(below), self.folder.parent, scope, saved)
            if survey.changed or survey.gone or standard_input is not None:
                run = IngestRun(survey, self._library, self.embedder, self._vectors)
                report = run.run(standard_input, progress, on_change, on_unknown)
                renew(self._library, self._embedder)
            else:  # nothing to do, so neither the model nor Chroma is loaded
                self._library.touch(survey.touched)
                report = replace(survey.report(), dry_run=False)
            self._library.save_setting("roots", scope.added_to(saved, self.folder.parent))
            self._library.save_setting("last_ingest", datetime.now(UTC).isoformat(timespec="seconds"))
        return report

    # -- records ----------------------------------------------------------------------------------------

    def add(
        self,
        data: Records,
        *,
        id: str | Iterable[Any] | None = None,
        text: str | Sequence[str] | None = None,
        metadata: Iterable[Any] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> AddReport:
        """Add records from memory: texts, dicts, `Record`s, a data frame, a data set, or an iterator of any length.

        Each record is its own source, named `record://ID`. A record whose id is in the index replaces it, and no
        `ingest` of files removes one. An iterator is read in steps; those that are finished stay if it fails later.

        Args:
            data: The records. A string is one text, and a dict one record. Frames are those of pandas, Polars, PyArrow.
            id: The field of the id, or the ids themselves. By default the field `id`, else a digest of the text.
            text: The field of the text, or several. By default `text`, `content` and so on, as in files of rows.
            metadata: The fields to keep as metadata, by default all others; or a dict for each text.
            progress: Called with the number of records done, after each step.

        Raises `InvalidInput` for anything else, and `IndexLocked` while another writer is at work.
        """
        from semsearch.ingest.records import records_of

        return self._add(data, records_of(data, id=id, text=text, metadata=metadata), False, progress)

    def update(
        self,
        data: Records,
        *,
        id: str | Iterable[Any] | None = None,
        text: str | Sequence[str] | None = None,
        metadata: Iterable[Any] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> AddReport:
        """Replace records by others with the same ids; see `add`.

        A record is replaced whole: a field that is not given is gone. To change one field, `get` the record, and give
        all of it again. Raises `InvalidInput` for an id that is not there.
        """
        from semsearch.ingest.records import records_of

        return self._add(data, records_of(data, id=id, text=text, metadata=metadata), True, progress)

    def _add(
        self,
        data: Records,
        records: Iterable[Record | Skipped],
        known_only: bool,
        progress: Callable[[int], None] | None,
    ) -> AddReport:
        from semsearch.ingest.add import RecordRun

        with self._writing():
            self._vectors.recover()
            run = RecordRun(
                self._library,
                lambda: self.embedder,
                lambda now: self._vectors.sync(now=now),
                known_only=known_only,
            )
            report = run.run(records, keep_ids=not isinstance(data, Iterator), progress=progress)
            renew(self._library, self._embedder)
            self._library.save_setting("last_ingest", datetime.now(UTC).isoformat(timespec="seconds"))
        return report

    def delete(self, ids: str | int | Iterable[str | int]) -> int:
        """Remove records by id; return the number of those that were there."""
        from semsearch.ingest.records import ids_of

        keys = [record_key(id_) for id_ in ids_of(ids)]
        with self._writing():
            known = {key for key in keys if self._library.state_of(key)}
            self._forget(known)
        return len(known)

    def get(self, ids: str | int | Iterable[str | int]) -> list[Record]:
        """Return records by id, in the order of `ids`. Those that the index does not have are left out.

        The text has all passages, one after the other, without the blanks around each.
        """
        from semsearch.ingest.records import ids_of

        with self._library.snapshot():
            passages = self._library.passages_in([record_key(id_) for id_ in ids_of(ids)])
        return [
            Record(
                source.removeprefix(record_key("")), "\n".join(one.original for one in some), some[0].metadata
            )
            for source, group in groupby(passages, key=lambda passage: passage.source)
            for some in [list(group)]
        ]

    def passages(self, document: str) -> list[StoredPassage]:
        """Return what the index has of a document: its passages in their order, or none for an unknown name.

        Hits name documents as `Hit.document`. No file is read.
        """
        return self._library.passages_of(document)

    def embed(self, texts: str | Sequence[str], kind: Kind = "passage") -> Vectors:
        """Return the unit vectors of texts by the index's model, float32 [n, dimension]; a string is one text.

        `kind` says whether they are passages or queries, for models that embed the two differently.
        """
        return embed_checked(self.embedder, [texts] if isinstance(texts, str) else list(texts), kind)

    def changes(
        self, paths: Path | str | Sequence[Path | str], *, stop: threading.Event | None = None
    ) -> Iterator[None]:
        """Watch `paths`: yield once when watching has begun, and then after each burst of changes at or below them.

        Call `ingest` to find and index the changes. Nothing is locked meanwhile. It ends within a second after another
        thread, or the handler of a signal, sets `stop`.
        """
        from semsearch.readers import changes

        return changes(_paths(paths), self.folder, stop)

    def remove(self, source: str | Path) -> int:
        """Remove a source, or every source below a folder, from the index; return the number of sources.

        The files stay where they are. A path that was ingested, and is not there any more, leaves the status as well.
        Raises `InvalidInput` where there is no such source, and `IndexLocked`.
        """
        base = self.folder.parent
        roots: dict[str, Any] = self._library.setting("roots") or {}
        places = (Path(source), base / source) if str(source) else ()
        gone = {
            root
            for root in roots
            if not os.path.lexists(base / root) and any(is_below(root, place, base) for place in places)
        }
        try:
            keys = self._keys_of(source)
        except InvalidInput:
            if not gone:
                raise
            keys = []
        with self._writing():
            self._forget(keys)
            if gone:
                self._library.save_setting("roots", {root: roots[root] for root in roots if root not in gone})
        return len(keys)

    def forget(self, source: str | Path, *, verify: bool = False) -> Forgotten:
        """Remove a source, or every source below a folder, and rewrite every file of the index that contained it.

        What a person has decided on its documents goes as well: labels, and verdicts on duplicates. With `verify` all
        files of the index are searched for its texts and vectors afterwards. The source's own files and the quarantine
        stay as they are. It takes as long as `repair`. Raises what `remove` does, and
        `EngineUnavailable` where the vectors in use are on a server that cannot be asked; the next writer completes it.
        """
        try:
            keys = self._keys_of(source)
        except InvalidInput:  # unless a kill cut its forgetting off, and `_writing` completes that
            keys = keys_of(source, unfinished(self._library), self.folder.parent)
        with self._writing():
            left = clear(self.folder, self._library)
            if problem := next((error for place, error in left.items() if not place.is_server), None):
                raise problem
            try:
                done = forget(self.folder, self._library, self._vectors, keys, self._erase, verify=verify)
            except EngineUnavailable as error:
                raise EngineUnavailable(
                    f"the vectors in use are on a server and still there: {error}",
                    "start the server, or run `semsearch engine move chroma:`; the next writing command completes it",
                ) from error
        copies: dict[bool, list[str]] = {True: [], False: []}
        for place in left:
            url = shown(place, self.folder)
            copies["//" in url].append(f"{collection(place)} on {url}")
        return replace(done, unremoved=tuple(copies[True]), elsewhere=tuple(copies[False]))

    def _keys_of(self, source: str | Path) -> list[str]:
        return keys_of(source, self._library.states(), self.folder.parent)

    def sources(self) -> list[str]:
        """Return the names of all sources, sorted."""
        return sorted(self._library.states())

    def why(self, *paths: Path | str, within: Sequence[Path] | None = None) -> list[SourceStatus]:
        """Return what the index makes of each path: a file, a row such as `data.csv#3`, or all below a folder.

        A status says if it is indexed, and else the reason: the rule that skips it, the error, or the change since.
        Without `paths`, all sources and all that lies below the paths that were ingested. With `within`, no file or
        folder outside these folders is looked at, for an index that may come from a stranger.
        """
        from semsearch.ingest.explain import Explainer

        with self._library.snapshot():
            explainer = Explainer(self._library, lambda: self.embedder, self._held(), within)
            if not paths:
                return list(explainer.everything())
            return [one for path in paths for one in explainer.explain(str(path))]

    def _held(self) -> dict[str, str]:
        """Return the sources that are in the quarantine of this index, each with the run that moved it."""
        try:
            moves = [run for run in self.runs() if run.mode == "move"]
        except SemsearchError:  # a damaged run is what `undo` says
            return {}
        return {
            removal.source: run.name
            for run in moves
            for removal in run.removals
            if os.path.lexists(run.held(removal.source))
        }

    # -- searching --------------------------------------------------------------------------------------

    def query(self, query: str, **options: Unpack[SearchOptions]) -> Hits:
        """Return the passages that answer a query best, best first.

        A query may contain "exact phrases", +required and -excluded words, and conditions such as `source:notes/*` or
        `year>=2020` on the metadata. Conditions alone list the documents that meet them, each with its first passage:
        those with a `date` first, newest first, then the others by name. The options are the fields of `SearchRequest`,
        which describes them. Raises `InvalidInput` for an option out of range, for a query with nothing to search for,
        and for a condition such as `date>=foo` that no date could meet.
        """
        return self._search([SearchRequest(query, **options)])[0]

    def query_many(self, queries: Sequence[str], **options: Unpack[SearchOptions]) -> list[Hits]:
        """Return the hits of each of several queries, see `query`; faster than one query at a time."""
        if isinstance(queries, str):
            raise InvalidInput(f"queries is the string {queries!r}", "Index.query takes one query")
        return self._search([SearchRequest(query, **options) for query in queries])

    @overload
    def search(self, query: str | SearchRequest, **options: Unpack[SearchOptions]) -> Hits: ...
    @overload
    def search(
        self, query: _Several[str] | _Several[SearchRequest], **options: Unpack[SearchOptions]
    ) -> list[Hits]: ...
    def search(
        self,
        query: str | SearchRequest | _Several[str] | _Several[SearchRequest],
        **options: Unpack[SearchOptions],
    ) -> Hits | list[Hits]:
        """Return the hits of one query, or a list with the hits of each of several, best first; see `query`.

        A query may be a `SearchRequest`, which has its own options. Raises what `query` does, and `ModelError` when a
        model cannot be loaded.
        """
        several = [query] if isinstance(query, str | SearchRequest) else query
        if not isinstance(several, Iterable):
            raise InvalidInput(
                f"a query is a text, not {type(query).__name__}", "give a text, or a list of texts"
            )
        if options and any(isinstance(one, SearchRequest) for one in several):
            raise InvalidInput(
                f"a SearchRequest has its own {next(iter(options))}", "use dataclasses.replace"
            )
        found = self._search(
            [one if isinstance(one, SearchRequest) else SearchRequest(one, **options) for one in several]
        )
        return found[0] if isinstance(query, str | SearchRequest) else found

    def _search(self, requests: Sequence[SearchRequest]) -> list[Hits]:
        with self._library.snapshot():  # of one model
            found = self._engine.search([widened(request) for request in requests])
        for at, request in enumerate(requests):
            if request.rerank is not None:
                text = self.parse_query(request.query, literal=request.literal).text
                if not text:
                    found[at] = found[at][: request.k]
                    continue
                found[at] = self.rerank(
                    text, found[at], request.rerank, k=request.k, highlight=request.highlight
                )
        return [Hits(hits) for hits in found]

    def parse_query(self, query: str, *, literal: bool = False) -> Query:
        """Return a query in its parts, as `query` reads it.

        Raises `InvalidInput` where it has neither words nor conditions, and where it is longer than `LONGEST_QUERY`.
        """
        return self._engine.parse(query, literal=literal)

    def notes(self, request: SearchRequest | SimilarRequest, found: Hits | None = None) -> list[str]:
        """Return what the answer to a request leaves out or takes as text, each a sentence for people.

        For example words that a minus excludes, a field that no document has, and a `source` that matches none. With
        what `find_similar` found, also how many texts it left out.
        """
        if isinstance(request, SearchRequest):
            return [*self._engine.notes(request), *self.engine_notes()]
        notes = [self.unread_vocabulary] if self.unread_vocabulary else []
        if found is not None and found.left_out:
            notes.append(f"left out, since the model does not know the words that differ: {found.left_out:,}")
        if request.source is not None:
            notes += unmatched(self._library.document_names()[1], [request.source])
        return notes

    def facets(
        self, fields: Sequence[str], query: str = "", *, source: str | None = None, literal: bool = False
    ) -> list[FieldCounts]:
        """Return the values of some fields of the metadata, with the number of documents that have each.

        The documents are those that meet every condition of the query, and have every word that it requires. Its other
        words do not matter, and an empty query means all documents. Raises `InvalidInput` for an unknown field.
        """
        return self._engine.facets(fields, query, source, literal=literal)

    def fields(self) -> list[FieldCounts]:
        """Return every field of the metadata with its values, sorted by name: what a query can ask for."""
        return self._engine.fields()

    def similar(
        self, document: Path | str, line: int | None = None, **options: Unpack[SimilarOptions]
    ) -> Hits:
        """Return the documents most similar to one, or the passages most similar to the one at a `line` of it.

        The options are the fields of `SimilarRequest`; see `find_similar`.
        """
        return self.find_similar(SimilarRequest(str(document), line, **options))

    def find_similar(self, request: SimilarRequest) -> Hits:
        """Return the documents, or passages, that are most similar to the one requested, best first.

        A file that is not indexed is read, cut and embedded for this once. The document itself is left out; copies of
        it are not. Two documents are as similar as `duplicates` finds them, and the hit is the passage of a document
        that is closest to any of the requested one. Texts whose difference lies in words that the model does not know
        are left out and counted. Raises `InvalidInput` where there is no such document, and `UnreadableSource` for a
        file that cannot be read.
        """
        from semsearch.search.similar import similar

        keys = [self.key_of(Path(request.document)), request.document]
        with self._library.snapshot():  # of one model
            return similar(
                request, keys, self._library, lambda: self.embedder, self._sentences, self._vocabulary.unknown
            )

    def find_contained(
        self, document: Path | str, share: float = 0.8, source: str | None = None
    ) -> list[Contained]:
        """Return the documents that a document mostly lies in, and those that mostly lie in it, best first.

        `share` in (0, 1] is the least share of the contained one's words that are in runs of words of the other.
        `source` is a pattern of sources to search. Raises what `find_similar` raises.
        """
        from semsearch.dedup.in_index import find_contained
        from semsearch.ingest.lookup import file_document, stored_document

        keys = [self.key_of(Path(document)), str(document)]
        stored = next(filter(None, (stored_document(key, self._library) for key in keys)), None)
        found = stored or file_document(str(document), lambda: self.embedder, self._library)
        return find_contained(found, self._library, share, source)

    def plane(self, *, keep: bool = True) -> PassagePlane:
        """Return every passage as a point of a plane, for a map. With `keep` it is kept in the index's folder."""
        return passage_plane(self._library, self.folder / PLANE, keep=keep)

    def clusters(self, **options: Unpack[ClusterOptions]) -> Clusters:
        """Return the passages or documents in clusters by meaning: `find_clusters` with these fields of its request."""
        return self.find_clusters(ClusterRequest(**options))

    def find_clusters(
        self,
        request: ClusterRequest,
        *,
        keep: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> Clusters:
        """Return the passages or documents in clusters by meaning, as a request asks; see `Cluster`.

        With `keep` the names of the clusters are kept in the index's folder, so that later runs give the same names to
        the same clusters; `forget` deletes them. `progress` is called with the vectors compared so far, and all.
        Raises `InvalidInput` for an empty index or a field without dates, and `MissingExtra` without the extra
        `clusters`.
        """
        from semsearch.clustering.clusters import find_clusters
        from semsearch.clustering.kept import load_runs, save_run

        path = self.folder / CLUSTERS
        before = load_runs(path)
        state = self._library.state()
        found, run = find_clusters(self._library, request, before, progress)
        if keep:
            with contextlib.suppress(SemsearchError), write_lock(self.folder, self._wait), disk(self.folder):
                if self._library.state() == state:  # else what was forgotten meanwhile could be in a name
                    save_run(path, run, before)
        return found

    def drift(self, **options: Unpack[DriftOptions]) -> Drift:
        """Return what differs between two windows of time: `find_drift` with these fields of its request."""
        return self.find_drift(DriftRequest(**options))

    def find_drift(
        self,
        request: DriftRequest,
        *,
        queries: Sequence[Record] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Drift:
        """Return what differs between two windows of time, of the documents or of `queries`; see `Drift`.

        Nothing is kept. `progress` is called with the passages read so far, and all. Raises `InvalidInput` for an empty
        index, a field without dates, and a window of fewer than 30 texts; and for queries the errors of `embedder`.
        """
        from semsearch.drift.find import find_drift, find_query_drift

        if queries is not None:
            return find_query_drift(queries, request, self.embedder)
        return find_drift(self._library, request, lambda: self.embedder, progress)

    def rerank(
        self, query: str, hits: Sequence[Hit], model: str, *, k: int = 5, highlight: bool = True
    ) -> list[Hit]:
        """Return the best `k` of some hits by a cross-encoder, which reads query and passage together.

        It is slow and often more accurate. `model` is the name or folder of a cross-encoder for sentence-transformers,
        which gives each hit its `score`. Raises `ModelError` when it cannot be loaded, or gives other than one score a
        text.
        """
        return self._reranker.rerank(query, hits, model, k=k, highlight=highlight)

    def _nearest(self, queries: Vectors, k: int) -> list[list[str]] | None:
        with self._graph_lock:
            return self._graph.nearest(queries, k)

    # -- near-duplicates --------------------------------------------------------------------------------

    def duplicates(
        self,
        threshold: float | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
        **options: Unpack[DedupOptions],
    ) -> Duplicates:
        """Return every group of near-duplicates; see `find_duplicates`.

        The options are the fields of `DedupRequest`.
        """
        return self.find_duplicates(DedupRequest(threshold, **options), progress=progress)

    def find_duplicates(
        self, request: DedupRequest, *, progress: Callable[[int, int], None] | None = None
    ) -> Duplicates:
        """Return every group of near-duplicates that a request asks for, found exactly and without a limit.

        The similarity of two documents is the smaller of the two directions' mean of each passage's best cosine,
        weighted by length. Without a threshold the saved one counts, else what `default_threshold` gives.
        With `min_precision` a pair counts if the saved classifier accepts it, or without one if it reaches the
        guaranteed threshold; members of a group are accepted against its keeper.

        Comparisons are saved in the index's folder, so the next run compares only what is new. `progress` is called
        with the work done and the total. The model is asked which words it knows; where it cannot be loaded,
        `unread_vocabulary` says so. Raises `InvalidInput` where `tune` guaranteed no such precision, and where
        `from_run` needs comparisons that were not made.
        """
        from semsearch.dedup.in_index import find_duplicates

        return find_duplicates(
            self._library,
            request,
            self._decision_rule(),
            base=self.folder.parent,
            join_file=self.folder / JOIN,
            unknown=self._vocabulary.unknown,
            progress=progress,
        )

    def sample_pairs(
        self,
        lowest: float | None = None,
        *,
        around: float | None = None,
        level: Level = "document",
        by: Literal["cosine", "classifier"] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> PairSample:
        """Return the pairs of this index that a person should label, in order; see `semsearch.tuning.sampling`.

        Their similarity is at least `lowest`, by default 0.6, or what stands for it with multilingual-e5-small. Most
        lie near the threshold `around`, by default the one that `duplicates` uses. They are drawn by the saved
        classifier, if there is one and they are documents, else `by` the cosine. `progress` is called with the work
        done and the total. Raises `InvalidInput` for a classifier that is not there.
        """
        from semsearch.dedup.decision import DEFAULT_THRESHOLD, NO_RULE
        from semsearch.tuning.sampling import DEFAULT_LOWEST, sample_pairs

        rule = NO_RULE if by == "cosine" or level == "passage" else self._decision_rule()
        if by == "classifier" and rule.classifier is None:
            raise InvalidInput("there is no classifier to draw by", "train one: semsearch tune --pairs FILE")
        if around is None:
            try:
                around = self.usual_threshold()
            except (ModelError, MissingExtra, FingerprintMismatch):  # it only orders what a person judges
                around = DEFAULT_THRESHOLD
        scale = known_scale(str(self._settings["model"])) or DEFAULT_SCALE
        return sample_pairs(
            self._library,
            scale.from_default(DEFAULT_LOWEST) if lowest is None else lowest,
            around,
            unknown=self._vocabulary.unknown,
            level=level,
            scale=scale,
            rule=rule,
            progress=progress,
        )

    def review(self, request: DedupRequest, *, progress: Callable[[int, int], None] | None = None) -> Review:
        """Find near-duplicates for a person to review, with the decisions that the index's folder keeps.

        Without a threshold the pairs are found from a bit below the usual one, so that the person can choose; see
        `semsearch.dedup.review`. Raises the errors of `find_duplicates`, and `InvalidInput` for a `min_precision`.
        """
        from semsearch.dedup.review import BELOW, Review
        from semsearch.dedup.review import FILE as REVIEW

        if request.min_precision is not None:
            raise InvalidInput("a review has a threshold, and no precision", "leave min_precision out")
        usual = lowest = request.threshold
        if usual is None or lowest is None:
            usual = self.usual_threshold()
            scale = known_scale(str(self._settings["model"])) or DEFAULT_SCALE
            lowest = max(-1.0, round(scale.shifted(usual, -BELOW), 4))
        found = self.find_duplicates(replace(request, threshold=lowest), progress=progress)
        return Review(found, self.folder / REVIEW, usual)

    def compare(self, a: str, b: str) -> Comparison:
        """Compare two documents, each a document of this index by name, or a file; see `compare_documents`."""
        from semsearch.ingest.lookup import find_document

        return self._compared(find_document(name, lambda: self.embedder, self._library) for name in (a, b))

    def compare_texts(self, a: str, b: str) -> Comparison:
        """Compare two texts, which need not be in the index, as `compare` does with documents.

        Raises `UnreadableSource` for a text without words.
        """
        from semsearch.ingest.lookup import text_documents

        return self._compared(text_documents({"a": a, "b": b}, self.embedder))

    def _compared(self, sides: Iterable[DocumentVectors]) -> Comparison:
        from semsearch.dedup.comparison import compare

        a, b = sides
        return compare(
            a,
            b,
            threshold=self.usual_threshold(),
            unknown=self._vocabulary.unknown,
            rule=self._decision_rule(),
        )

    # -- acting on near-duplicates ----------------------------------------------------------------------

    def plan(self, found: Duplicates, keep: Sequence[str] = (), tiers: Collection[Tier] = TIERS) -> Plan:
        """Return a plan to remove the duplicates found, except keepers, protected members and those of other `tiers`.

        The plan records `keep`, the rules that chose the keepers, and does not apply them. Raises `SemsearchError`
        where the index has changed since.
        """
        from semsearch.dedup.in_index import plan_removal

        return plan_removal(self._library, found, keep, tiers)

    def apply(
        self,
        plan: Plan,
        *,
        quarantine: Path | None = None,
        hardlink: bool = False,
        output: Path | None = None,
        force: bool = False,
        dry_run: bool = False,
        allow: Sequence[Path] = (),
    ) -> Outcome:
        """Move the files that a plan removes to a quarantine, and remove their sources from the index.

        The quarantine is in the index's folder by default. With `hardlink` a file that equals its keeper byte for byte
        becomes a hard link to it instead. `output` is for a plan that removes rows of one file: a copy of that file
        without these rows is written there. Files outside the folder that contains the index move only where they lie
        in a folder of `allow`, since an index and a plan may come from a stranger. See
        `semsearch.dedup.quarantine.apply`.
        """
        from semsearch.dedup.in_index import carry_out

        base = self.folder.parent
        with contextlib.nullcontext() if dry_run else self._writing():
            known = self._library.states()
            outcome = carry_out(
                plan,
                base,
                known,
                quarantine or self.folder / QUARANTINE,
                hardlink=hardlink,
                output=output,
                force=force,
                dry_run=dry_run,
                allow=allow,
            )
            if not (hardlink or dry_run):
                self._forget(known.keys() & {*outcome.done, *outcome.already})
        return outcome

    def undo(self, run: str = "", *, quarantine: Path | None = None, allow: Sequence[Path] = ()) -> Outcome:
        """Undo a run of `apply`, by default the latest: move the quarantined files back.

        Places outside the folder that contains the index are filled only in the folders of `allow`, and so is every
        place for a run that was copied here. See `semsearch.dedup.quarantine.undo`.
        """
        from semsearch.dedup.quarantine import undo

        with self._writing():
            return undo(quarantine or self.folder / QUARANTINE, self.folder.parent, run, allow=allow)

    def runs(self, *, quarantine: Path | None = None) -> list[QuarantineRun]:
        """Return the runs of `apply` that can be undone, the latest last."""
        from semsearch.dedup.runs import runs

        return runs(quarantine or self.folder / QUARANTINE)

    # -- thresholds -------------------------------------------------------------------------------------

    def tune(
        self,
        pairs: PairSet,
        *,
        rule: str | None = None,
        objective: Objective | None = None,
        seed: int = 0,
        cross_encoder: bool = False,
        progress: Callable[[int], None] | None = None,
        training: Callable[[int, int], None] | None = None,
    ) -> tuple[TuningResult, PairScores]:
        """Choose a threshold on labelled pairs and save it, with its guarantee, as the default of `duplicates`.

        Without an `objective` it has the best F1. With enough pairs a classifier is trained and saved as well; it
        replaces an older one. With `cross_encoder` it also reads both texts together, where held-out pairs show a
        gain; training it takes minutes and the extra `models`, and using it neither. `training` is called with the
        pairs trained on so far, and all.

        Raises `SemsearchError`, and saves nothing, where no threshold and no classifier can guarantee what `objective`
        asks for, and `InvalidInput` or `MissingExtra` where no cross-encoder can be trained.
        """
        from semsearch.tuning.drawn import drawn_by
        from semsearch.tuning.saved import save
        from semsearch.tuning.scoring import tune_pairs
        from semsearch.tuning.threshold import BEST_F1

        tuning, found = tune_pairs(
            pairs,
            self.embedder,
            rule=rule,
            objective=objective or BEST_F1,
            seed=seed,
            progress=progress,
            classifier=self._decision_rule().classifier if drawn_by(pairs.pairs) else None,
            cross_encoder=cross_encoder,
            training=training,
        )
        with self._writing():
            save(self._library, tuning)
        return tuning, found

    # -- the model --------------------------------------------------------------------------------------

    def adapt(
        self,
        pairs: PairSet | Literal["structure"],
        *,
        rule: str | None = None,
        seed: int = 0,
        guard: bool = True,
        rates: Sequence[float] | None = None,
        epochs: int | None = None,
        dry_run: bool = False,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Adaptation:
        """Train an adapter of the index's model, and move the index to it where it is better.

        It is trained on labelled pairs, or, with "structure", on the headings and titles in the index and the texts
        below them. See `semsearch.tuning.adapt` for how it is trained and judged. All texts are embedded again, and
        until that is done the index has its old model. What `tune` saved is for the old model and comes back with
        `undo_adapt`. `rates` and `epochs` are the learning rates and the most epochs to choose from, by default those
        that did well. Without `guard` only the held-out examples judge, and with `dry_run` the index stays as it is.
        `progress` is called with "train" or "embed", the examples or texts done, and all.

        Raises `InvalidInput` for too few pairs, for a model without known layers, for an index that has an adapted
        model, and where no guard is on this machine; `MissingExtra` without the extra `models`; `IndexLocked`, at once
        where another process adapts it.
        """
        from semsearch.tuning.adapt import adapt
        from semsearch.tuning.structure import read_sections

        if isinstance(pairs, str) and pairs != "structure":
            raise InvalidInput(f"pairs is {pairs!r:.80}", "give what load_pairs returns, or 'structure'")
        self._require_own_model()
        with contextlib.nullcontext() if dry_run else training_lock(self.folder):
            settings = self._settings
            if adapter_of(self.folder, self._library):
                raise InvalidInput(
                    "the model of this index is adapted already", "go back first: semsearch adapt --undo"
                )
            found, factors = adapt(
                read_sections(self._library, self.embedder, self._default_threshold(), seed=seed)
                if isinstance(pairs, str)
                else pairs,
                self.embedder,
                rule=rule,
                seed=seed,
                guard=guard,
                rates=rates or (),
                epochs=epochs,
                progress=_named("train", progress),
            )
            if found.adopted and not dry_run:
                with self._changing_model():
                    if self._settings != settings:
                        raise SemsearchError("the model of the index has changed meanwhile", "try again")
                    adopt(
                        self.folder,
                        self._library,
                        factors,
                        lambda adapter: self._load(settings, adapter),
                        _named("embed", progress),
                    )
        return found

    def undo_adapt(self, progress: Callable[[str, int, int], None] | None = None) -> str:
        """Move the index back to the model that `adapt` trained from; return its name.

        Vectors, threshold and classifier are again what they were, and texts that have come since are embedded. Raises
        `InvalidInput` where the model is not adapted, and `SemsearchError` where the old vectors are gone or damaged.
        """
        self._require_own_model()
        with self._changing_model():
            base = loaded_fingerprint(base_of(self._library))
            go_back(self.folder, self._library, lambda: self._load(base), _named("embed", progress))
        return str(base["model"])

    def _require_own_model(self) -> None:
        if self._own_embedder:
            raise InvalidInput(
                "this index was opened with an embedder", "open it without one to change its model"
            )

    @contextmanager
    def _changing_model(self) -> Iterator[None]:
        """Hold the write lock, and rebuild the vector engine after the block."""
        with self._writing():
            self._vectors.recover()
            yield
            with contextlib.suppress(EngineUnavailable):  # the outbox has it all for the next writer
                self._vectors.rebuild()
            renew(self._library, self.embedder)

    @property
    def threshold(self) -> dict[str, Any] | None:
        """The saved threshold, or None.

        The keys: `threshold`, its `guarantee`, the `pairs` and `rule` it was tuned on, and when it was `saved`.
        """
        return self._tuned("threshold")

    @property
    def classifier(self) -> dict[str, Any] | None:
        """The saved classifier, or None.

        The keys: the `probability` from which a pair counts, its `guarantee`, the `pairs` and `rule` it was trained on,
        and when it was `saved`.
        """
        return self._tuned("verifier")

    def _tuned(self, setting: str) -> dict[str, Any] | None:
        """Return what `tune` saved under a setting, by the names of the public interface and without the trees."""
        saved = self._library.setting(setting)
        return saved and {
            _NAMES.get(name, name): value for name, value in saved.items() if name != "verifier"
        }

    def usual_threshold(self) -> float:
        """Return the threshold of `duplicates` where none is given: the saved one, else `default_threshold`.

        Raises `ModelError`, `MissingExtra` or `FingerprintMismatch` where only the model could tell it.
        """
        return float(self.threshold["threshold"]) if self.threshold else self._default_threshold()

    def _decision_rule(self) -> DecisionRule:
        from semsearch.dedup.alignment import aligner_of
        from semsearch.dedup.decision import DecisionRule

        return DecisionRule.from_settings(
            self._library.setting("threshold"),
            self._library.setting("verifier"),
            self._default_threshold,
            cache(lambda: aligner_of(self.embedder)),
        )

    def _default_threshold(self) -> float:
        from semsearch.dedup.decision import default_threshold

        stored: dict[str, Any] = {each.name: self._settings.get(each.name) for each in fields(Fingerprint)}
        return default_threshold(Fingerprint(**stored), lambda: self.embedder)

    # -- about the index --------------------------------------------------------------------------------

    def status(self) -> Status:
        """Return where the index is, what made it, what it contains, and what `tune` saved in it."""
        return Status(
            folder=self.folder,
            settings=dict(self._settings),
            counts=self._library.counts(),
            bytes=disk_usage(self.folder),
            last_ingest=self._library.setting("last_ingest"),
            threshold=self.threshold,
            classifier=self.classifier,
            pending=self._vectors.unfinished,
            roots=self._library.setting("roots") or {},
            engine=self.engine,
            adapted_from=adapted_from(self._library),
            waiting=self._library.pending(),
        )

    @property
    def state(self) -> int:
        """A number that differs after any change to the index, by any thread or process."""
        return self._library.state()

    def check(self, progress: Callable[[int, int], None] | None = None) -> CheckReport:
        """Verify the index: the Library's database and content, and that the vector engine has the same passages.

        An interrupted run is completed first. Everything is read, so this takes a while. `progress` is called with the
        number of checks done and of all.
        """
        with self._writing():
            return check(self.folder, self._library, self._vectors, progress)

    def repair(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Rebuild full-text search, the vector file and the engine from the Library; return the number of passages.

        Nothing is embedded. An interrupted repair can be repeated, and the next writer completes it. `progress` is
        called with the passages done and the total.
        """
        with self._writing():
            remove_vector_file(self._library)
            self._library.rebuild_full_text()
            total = self._library.counts()["passages"]
            self._vectors.rebuild(progress and (lambda done: progress(done, total)))
        return total

    @property
    def engine(self) -> str:
        """The URL of the vector engine, such as `chroma:` or `qdrant+http://127.0.0.1:6333`.

        A server that is not known on this machine has no host: `qdrant+http:`.
        """
        return shown(place_of(self._library), self.folder)

    def move_engine(self, url: str, progress: Callable[[int, int], None] | None = None) -> int:
        """Move the vectors to the engine at a URL; return the number of passages. Nothing is embedded.

        The copy is made from the Library and compared with it, vector by vector, before it is used. Until then, and
        after any error, the old engine stays in use. Texts and vectors go to the server that the URL names, and to no
        other. `progress` is called with the passages copied and the total. Raises `InvalidInput` for a URL that names
        no engine or the one in use, and `EngineUnavailable` where a server cannot be asked.
        """
        with self._writing():
            total = self._library.counts()["passages"]
            return move(self.folder, self._library, url, progress and (lambda done: progress(done, total)))

    def engine_notes(self) -> list[str]:
        """Return why the vector engine could not be used by the last search or write, for people; mostly nothing."""
        return [*self._vectors.notes, *self._graph.notes]

    # -- plumbing ---------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the write lock, and finalize the vector engine at the end; after an error the next writer proves it.

        A `forget` that was cut off is completed first.
        """
        with write_lock(self.folder, self._wait):
            try:
                clear(self.folder, self._library)
                if unfinished(self._library):
                    # While somebody reads or labels, or a server is gone: the next writer does it.
                    with contextlib.suppress(IndexLocked, EngineUnavailable, InvalidInput):
                        complete_forget(self.folder, self._library, self._vectors, self._erase)
                yield
            except BaseException:
                self._vectors.close()
                raise
            self._vectors.finalize()
            update_vector_file(self._library)

    def _erase(self, keys: Collection[str]) -> None:
        """Remove some sources from the files of the index that are not made from the Library, and all that are.

        Raises `IndexLocked` while somebody labels, and `InvalidInput` where labels cannot be read.
        """
        from semsearch.dedup.review import forget_decisions
        from semsearch.tuning.labels import forget_labels

        with disk(self.folder):
            for pattern in _CACHES:
                for path in self.folder.glob(pattern):
                    path.unlink()
        forget_kept(self.folder, self._library)
        forget_decisions(self.folder, keys)
        forget_labels(self.folder, keys)

    def _forget(self, keys: Collection[str]) -> None:
        if keys:
            self._library.remove(keys)
            self._library.sweep()
            self._vectors.sync(now=True)


def _named(what: str, progress: Callable[[str, int, int], None] | None) -> Callable[[int, int], None] | None:
    return progress and (lambda done, total: progress(what, done, total))


def _paths(paths: Path | str | Sequence[Path | str]) -> list[Path]:
    """Return one path, or several, as a list. A string is one path, though it is a sequence of strings as well."""
    return [Path(path) for path in ([paths] if isinstance(paths, Path | str) else paths)]

"""`Index`: the one facade over the rooms. Create or open it, then ingest, query, find duplicates, tune."""

import contextlib
import fnmatch
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from filelock import FileLock, Timeout

from semsearch import text
from semsearch.dedup import DocumentPassages, document_pairs, group, join
from semsearch.embedding import DEFAULT_MODEL, Embedder, Vectors, load_embedder, model_name
from semsearch.errors import (
    FingerprintMismatch,
    IndexDamaged,
    IndexLocked,
    IndexNotFound,
    InvalidInput,
    SemsearchError,
)
from semsearch.evaluation import Cosines, tune_pairs
from semsearch.ingest import (
    IngestReport,
    Progress,
    Run,
    Survey,
    apply_outbox,
    is_below,
    source_key,
)
from semsearch.library import Library, StoredPassage
from semsearch.readers import DEFAULT_MAX_BYTES, RowFields
from semsearch.records import Duplicates, Hit, place
from semsearch.tuning.pairs import PairSet
from semsearch.tuning.threshold import Tuning
from semsearch.vectors import VectorIndex, preload

FOLDER = ".semsearch"
ENVIRONMENT = "SEMSEARCH_INDEX"
DEFAULT_WAIT = 10.0
DEFAULT_THRESHOLD = 0.85
"""Of `duplicates` until one is tuned: what people use for this model, which is a guess; see docs/thresholds.md."""
ALL_FIELDS = RowFields()
_TIES = 16
_MOST_APPROXIMATE = 1_000
"""Above this many hits the whole Library is scanned: exact, and no slower than a search that wide."""


@dataclass(frozen=True, slots=True)
class Status:
    """What an index is and holds. `bytes` is its size on disk by part."""

    folder: Path
    settings: dict[str, str | int]
    counts: dict[str, int]
    bytes: dict[str, int]
    last_ingest: str | None
    threshold: dict[str, Any] | None
    pending: bool


def locate(folder: Path | str | None = None, *, start: Path | None = None) -> Path | None:
    """The folder of the index to use, as git finds `.git`, or None where there is none.

    `folder` if given, then the variable SEMSEARCH_INDEX, then the nearest `.semsearch` upwards from `start` (the
    working directory). The first two are returned whether they exist or not.
    """
    if named := folder or os.environ.get(ENVIRONMENT):
        return Path(named).absolute()
    start = (start or Path.cwd()).absolute()
    return next(
        (at / FOLDER for at in (start, *start.parents) if (at / FOLDER / "library.sqlite3").exists()), None
    )


class Index:
    """An index on disk. Use `Index.create` and `Index.open`, and close it, or use it in a `with` block.

    Sources are named by their path relative to the folder that holds the index, or absolutely outside of it.
    """

    def __init__(self, folder: Path, *, wait: float = DEFAULT_WAIT) -> None:
        self.folder = folder.absolute()
        self._wait = wait
        self._library = Library(self.folder / "library.sqlite3")
        self._settings: dict[str, str | int] = self._library.setting("fingerprint") or {}
        made = {name: self._settings.get(name) for name in _text_settings()}
        if made != _text_settings():
            self._library.close()
            raise FingerprintMismatch(
                f"{self.folder} was made with text settings {made}; this semsearch has {_text_settings()}",
                "ingest into a new index with --index",
            )
        if self._library.outbox(1):
            self._replay()

    @classmethod
    def create(
        cls,
        folder: Path | str,
        *,
        model: str = DEFAULT_MODEL,
        precision: str = "fp32",
        wait: float = DEFAULT_WAIT,
    ) -> "Index":
        """Make a new, empty index in `folder` for the vectors of `model`.

        The folder appears whole or not at all. Raises `InvalidInput` when it exists and is not empty.
        """
        folder = Path(folder).absolute()
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InvalidInput(
                f"{folder} is there already and not empty", "choose another folder with --index"
            )
        embedder = load_embedder(model, precision)
        with _disk(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            staging = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
        try:
            library = Library(staging / "library.sqlite3", create=True)
            library.save_setting("fingerprint", asdict(embedder.fingerprint) | _text_settings())
            library.save_setting("created", _now())
            library.close()
            VectorIndex(staging / "chroma", create=True).close()
            with _disk(folder):
                (staging / ".gitignore").write_text("# made by semsearch: an index can be made anew\n*\n")
                staging.chmod(0o755)
                staging.replace(folder)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        index = cls(folder, wait=wait)
        index.__dict__["embedder"] = embedder
        return index

    @classmethod
    def open(
        cls,
        folder: Path | str | None = None,
        *,
        model: str | None = None,
        precision: str | None = None,
        wait: float = DEFAULT_WAIT,
    ) -> "Index":
        """Open the index in `folder`, or the one `locate` finds.

        Raises `IndexNotFound`, or `FingerprintMismatch` when `model` or `precision` is given and is not the index's.
        """
        found = locate(folder)
        if found is None or not found.is_dir() or not any(found.iterdir()):
            where = f"in {found}" if found else f"in {Path.cwd()} or a folder above it"
            raise IndexNotFound(f"no index {where}", "make one: semsearch ingest FOLDER")
        if not (found / "library.sqlite3").exists():
            raise IndexDamaged(
                f"{found} is not an index: it has no library.sqlite3", "name another with --index"
            )
        index = cls(found, wait=wait)
        asked = {"model": model and model_name(model), "precision": precision}
        for name, value in asked.items():
            if value is not None and value != index._settings[name]:
                index.close()
                raise FingerprintMismatch(
                    f"{found} holds vectors of {name} {index._settings[name]}, not {value}",
                    f"leave --{name} out, or ingest into a new index with --index",
                )
        return index

    def close(self) -> None:
        """Let go of the index's files."""
        self._library.close()
        if "_vectors" in self.__dict__:
            self._vectors.close()

    def __enter__(self) -> "Index":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def embedder(self) -> Embedder:
        """The model of this index, loaded when first needed; `FingerprintMismatch` if it is not the same any more."""
        embedder = load_embedder(str(self._settings["model"]), str(self._settings["precision"]))
        made = {name: self._settings.get(name) for name in asdict(embedder.fingerprint)}
        if made != asdict(embedder.fingerprint):
            differing = [name for name, value in asdict(embedder.fingerprint).items() if made[name] != value]
            sides = "; ".join(
                f"{name}: index {made[name]}, model {asdict(embedder.fingerprint)[name]}"
                for name in differing
            )
            raise FingerprintMismatch(
                f"the model {self._settings['model']} is not the one {self.folder} was made with ({sides})",
                "bring the model back, or ingest into a new index with --index",
            )
        return embedder

    @cached_property
    def _vectors(self) -> VectorIndex:
        return VectorIndex(self.folder / "chroma")

    # -- sources ----------------------------------------------------------------------------------------

    def key_of(self, path: Path) -> str:
        """The name of a file's source in this index."""
        return source_key(path, self.folder.parent)

    def path_of(self, source: str) -> Path:
        """The file of a source."""
        return self.folder.parent / source

    def ingest(
        self,
        paths: Sequence[Path | str],
        *,
        standard_input: str | None = None,
        fields: RowFields = ALL_FIELDS,
        max_bytes: int = DEFAULT_MAX_BYTES,
        dry_run: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> IngestReport:
        """Bring the index up to date with files and folders: add new sources, replace changed, remove vanished.

        `standard_input` is a text to store as the source `<stdin>`. Sources outside `paths` are left alone. Raises
        `InvalidInput` for a path that does not exist and `IndexLocked` while another process writes.
        """
        roots = [Path(path) for path in paths]
        if dry_run:
            survey = Survey(self._library.states(), self.folder.parent, roots, fields, max_bytes)
            return survey.report(standard_input is not None)
        with self._writing():
            survey = Survey(self._library.states(), self.folder.parent, roots, fields, max_bytes)
            if survey.changed or survey.gone or standard_input is not None:
                run = Run(survey, self._library, self._vectors, self.embedder)
                report = run.ingest(standard_input, progress)
            else:  # nothing to do: neither the model nor Chroma is loaded for it
                self._library.touch(survey.touched)
                report = replace(survey.report(), dry_run=False)
            self._library.save_setting("last_ingest", _now())
        return report

    def remove(self, source: str | Path) -> int:
        """Forget a source, or every source below a folder; returns how many. The files stay where they are."""
        base = self.folder.parent
        places = (Path(source), base / source) if str(source) else ()
        keys = [
            key
            for key in self._library.states()
            if key == str(source) or any(is_below(key, path, base) for path in places)
        ]
        if not keys:
            raise InvalidInput(f"{source} is not in the index", "`semsearch status --sources` lists what is")
        with self._writing():
            self._library.remove(keys)
            self._library.sweep()
            apply_outbox(self._library, self._vectors)
        return len(keys)

    def sources(self) -> list[str]:
        """The names of all sources, sorted."""
        return sorted(self._library.states())

    # -- searching --------------------------------------------------------------------------------------

    def query(
        self, query: str, *, k: int = 10, min_score: float = -1.0, source: str | None = None
    ) -> list[Hit]:
        """The `k` passages most like `query`, best first, with a cosine of at least `min_score`.

        `source` is a glob on the sources' names; it is applied before the best `k` are chosen.
        """
        return self.query_many([query], k=k, min_score=min_score, source=source)[0]

    def query_many(
        self,
        queries: Sequence[str],
        *,
        k: int = 10,
        min_score: float = -1.0,
        source: str | None = None,
        highlight: bool = True,
    ) -> list[list[Hit]]:
        """`query` for several queries at once; `highlight` says whether to find the best sentence of each hit."""
        cleaned = [text.clean(query).strip() for query in queries]
        if not all(cleaned):
            raise InvalidInput("the query is empty", "give some words to look for")
        if k < 1:
            raise InvalidInput(f"k is {k}, but must be at least 1")
        with ThreadPoolExecutor(1) as ahead:
            ahead.submit(preload)
            vectors = self.embedder.encode(cleaned)
        exact = source is not None or k > _MOST_APPROXIMATE
        found = self._nearest_exactly(vectors, k, source or "*") if exact else self._nearest(vectors, k)
        kept = [[(p, score) for p, score in row if score >= min_score] for row in found]
        spans = self._highlights(kept, vectors) if highlight else {}
        return [
            [
                Hit(
                    score=score,
                    source=passage.source,
                    document=passage.document,
                    text=passage.text,
                    unit=passage.unit,
                    start=passage.first,
                    end=passage.last,
                    passage_id=passage.id,
                    metadata=passage.metadata,
                    highlight=spans.get((number, passage.id), (0, 0)),
                )
                for passage, score in row
            ]
            for number, row in enumerate(kept)
        ]

    def _nearest(self, queries: Vectors, k: int) -> list[list[tuple[StoredPassage, float]]]:
        # HNSW gives equal scores, as copies have, in any order: ask for more, so that names decide who is cut off.
        wanted = k + _TIES
        while True:
            found = self._vectors.nearest(queries, wanted)
            stored = self._library.passages(list({id_ for row in found for id_, _ in row}))
            rows = [[(stored[id_], score) for id_, score in row if id_ in stored] for row in found]
            # Chroma may still hold what the Library has dropped; then ask for more until k are left or it has no more.
            if all(len(row) >= k for row in rows) or all(len(row) < wanted for row in found):
                return [
                    sorted(row, key=lambda hit: (-hit[1], hit[0].document, hit[0].first))[:k] for row in rows
                ]
            wanted *= 2

    def _nearest_exactly(
        self, queries: Vectors, k: int, glob: str
    ) -> list[list[tuple[StoredPassage, float]]]:
        ids, matrix = self._library.passages_where(lambda key: fnmatch.fnmatchcase(key, glob))
        if not ids:
            return [[] for _ in queries]
        scores = np.clip(queries @ matrix.T, -1, 1)  # rounding can take it beyond
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        stored = self._library.passages([ids[at] for at in np.unique(best)])
        return [
            [(stored[ids[at]], float(row[at])) for at in top] for row, top in zip(scores, best, strict=True)
        ]

    def _highlights(
        self, rows: list[list[tuple[StoredPassage, float]]], queries: Vectors
    ) -> dict[tuple[int, str], tuple[int, int]]:
        """The span of the best sentence of each hit, by number of query and passage."""
        hits = [(number, passage) for number, row in enumerate(rows) for passage, _ in row]
        spans = [text.sentences(passage.text) for _, passage in hits]
        texts = [passage.text[a:b] for (_, passage), found in zip(hits, spans, strict=True) for a, b in found]
        unique = list(dict.fromkeys(texts))
        row_of = {sentence: row for row, sentence in enumerate(unique)}
        vectors = self.embedder.encode(unique)[[row_of[sentence] for sentence in texts]]
        best, start = {}, 0
        for (number, passage), sentences in zip(hits, spans, strict=True):
            scores = vectors[start : start + len(sentences)] @ queries[number]
            best[number, passage.id] = sentences[int(np.argmax(scores))]
            start += len(sentences)
        return best

    # -- near-duplicates --------------------------------------------------------------------------------

    def duplicates(
        self,
        threshold: float | None = None,
        *,
        level: Literal["document", "passage"] = "document",
        progress: Callable[[int, int], None] | None = None,
    ) -> Duplicates:
        """Every group of near-duplicates with a similarity of at least `threshold`, found exactly, with no cap.

        Without a threshold the saved one is used, and without that `DEFAULT_THRESHOLD`. The similarity of two
        documents is the smaller of the two directions' mean of each passage's best cosine, weighted by length.
        `progress` is called with the work done and in all.
        """
        if threshold is None:
            threshold = self.threshold["threshold"] if self.threshold else DEFAULT_THRESHOLD
        layout, vectors = self._library.layout()
        if level == "document":
            names = layout.names
            number_of: dict[bytes, int] = {}
            texts = [number_of.setdefault(digest, len(number_of)) for digest in layout.digests]
            first = np.unique(texts, return_index=True)[1]  # one document a text: copies need no comparison
            starts = np.flatnonzero(np.diff(layout.document, prepend=-1))
            rows, lengths = (np.split(column, starts[1:]) for column in (layout.row, layout.length))
            documents = [DocumentPassages(rows[at], lengths[at].astype(np.float64)) for at in first]
            pairs = document_pairs(vectors, documents, threshold, progress=progress)
        else:
            located = zip(layout.document, layout.places, strict=True)
            names = [layout.names[document] + place(*location) for document, location in located]
            texts = layout.row.tolist()
            pairs = join(vectors, threshold, progress=progress)
        groups = group(names, texts, pairs)
        return Duplicates(tuple(groups), threshold, level, len(names))

    # -- thresholds -------------------------------------------------------------------------------------

    def tune(
        self,
        pairs: PairSet,
        *,
        rule: str | None = None,
        seed: int = 0,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[Tuning, Cosines]:
        """Choose a threshold on labelled pairs and save it as the default of `duplicates`."""
        tuning, found = tune_pairs(pairs, self.embedder, rule=rule, seed=seed, progress=progress)
        saved = {"threshold": tuning.threshold, "pairs": tuning.name, "rule": tuning.rule, "saved": _now()}
        with self._writing():
            self._library.save_setting("threshold", saved)
        return tuning, found

    @property
    def threshold(self) -> dict[str, Any] | None:
        """The saved threshold: `threshold`, the `pairs` and `rule` it was tuned on, when it was `saved`. Or None."""
        saved: dict[str, Any] | None = self._library.setting("threshold")
        return saved

    # -- about the index --------------------------------------------------------------------------------

    def status(self) -> Status:
        """Where the index is, its model and settings, what it holds, and its saved threshold."""
        parts = {
            "library": [*self.folder.glob("library.sqlite3*")],
            "vectors": [path for path in (self.folder / "chroma").rglob("*") if path.is_file()],
        }
        return Status(
            folder=self.folder,
            settings=dict(self._settings),
            counts=self._library.counts(),
            bytes={name: sum(path.stat().st_size for path in paths) for name, paths in parts.items()},
            last_ingest=self._library.setting("last_ingest"),
            threshold=self.threshold,
            pending=bool(self._library.outbox(1)),
        )

    # -- plumbing ---------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self, wait: float | None = None) -> Iterator[None]:
        """Hold the write lock; it goes with the process. Raises `IndexLocked` after waiting in vain."""
        holder = self.folder / "holder"
        lock = FileLock(self.folder / "lock", timeout=self._wait if wait is None else wait)
        try:
            with _disk(self.folder):
                lock.acquire()
        except Timeout:
            who = holder.read_text(encoding="utf-8").strip() if holder.exists() else "another process"
            raise IndexLocked(
                f"{self.folder} is being written by {who}", "wait, or try again later"
            ) from None
        try:
            command = " ".join(Path(word).name for word in sys.argv[:2])
            with contextlib.suppress(OSError):  # it only helps whoever waits
                holder.write_text(f"process {os.getpid()} ({command})\n", encoding="utf-8")
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def _replay(self) -> None:
        """Finish what a run that was cut off left to be told to Chroma.

        Where it cannot be done now, since a run is at it or the disk is full or read-only, the index is used as it is.
        """
        try:
            with self._writing(wait=0):
                apply_outbox(self._library, self._vectors)
        except IndexDamaged:
            raise
        except SemsearchError:
            pass


def ingest_preview(
    roots: Sequence[Path], standard_input: str | None, *, fields: RowFields = ALL_FIELDS, max_bytes: int
) -> IngestReport:
    """What `Index.ingest` would do with a new, empty index."""
    return Survey({}, Path.cwd(), roots, fields, max_bytes).report(standard_input is not None)


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """What the operating system says of the index's folder, as one of our errors; a lock that is taken is none."""
    try:
        yield
    except Timeout:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise SemsearchError(
            f"cannot write {folder}: {reason}", "check its permissions and the disk"
        ) from error


def _text_settings() -> dict[str, str | int]:
    return {"cleaner": text.CLEANER_VERSION, "splitter": text.SPLITTER_VERSION}


def _now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds")

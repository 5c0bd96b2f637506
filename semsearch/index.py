"""`Index`: the one facade over the rooms. Create or open it, then ingest, query, find duplicates, tune."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from semsearch import text
from semsearch.dedup import DEFAULT_MEMORY, Duplicates, Plan
from semsearch.dedup.comparison import Comparison, compare_documents
from semsearch.dedup.decision import DEFAULT_THRESHOLD, DecisionRule
from semsearch.dedup.in_index import carry_out, find_duplicates, plan_of
from semsearch.dedup.quarantine import Outcome, undo
from semsearch.dedup.runs import QuarantineRun
from semsearch.dedup.runs import runs
from semsearch.embedding import DEFAULT_MODEL, Embedder, Reranker, load_reranker, model_name
from semsearch.errors import FingerprintMismatch, InvalidInput
from semsearch.ingest.report import Change, IngestReport, Progress
from semsearch.ingest.run import Run
from semsearch.ingest.sources import keys_of, source_key
from semsearch.ingest.survey import Survey
from semsearch.readers import DEFAULT_MAX_BYTES, RowFields, changes
from semsearch.search.engine import Search
from semsearch.search.query import Query, parse
from semsearch.search.similar import highlighted, similar
from semsearch.storage.check import CheckReport, check
from semsearch.storage.forget import Forgotten, forget
from semsearch.storage.index_dir import (
    FOLDER,
    JOIN,
    QUARANTINE,
    Status,
    existing,
    its_model,
    locate,
    make,
    open_library,
    sizes,
    vectors_of,
)
from semsearch.storage.lock import writing
from semsearch.tuning.pairs import PairSet
from semsearch.tuning.sampling import Candidates, find_candidates
from semsearch.tuning.saved import save
from semsearch.tuning.scoring import Cosines, model_of, tune_pairs
from semsearch.tuning.threshold import F1, Aim, Tuning
from semsearch.types import MODES, TIERS, Hit, Level, Linkage, Mode, Tier

__all__ = ["FOLDER", "LONGEST_QUERY", "Index", "locate"]

DEFAULT_WAIT = 10.0
LONGEST_QUERY = 10_000
"""Characters of a query."""


class Index:
    """An index on disk. Use `Index.create` and `Index.open`, and close it, or use it in a `with` block.

    Sources are named by their path relative to the folder that holds the index, or absolutely outside of it.
    """

    def __init__(self, folder: Path, *, wait: float = DEFAULT_WAIT) -> None:
        self.folder = folder.absolute()
        self._wait = wait
        self._reranking: Reranker | None = None
        self._fetch = False  # a stranger's index may name any model
        self._library, self._settings = open_library(self.folder, wait)
        self._vectors = vectors_of(self.folder, self._library)

    @classmethod
    def create(
        cls,
        folder: Path | str,
        *,
        model: str = DEFAULT_MODEL,
        dtype: str = "float32",
        wait: float = DEFAULT_WAIT,
    ) -> "Index":
        """Make a new, empty index in `folder` for the vectors of `model`.

        The folder appears whole or not at all. Raises `InvalidInput` when it exists and is not empty.
        """
        folder = Path(folder).absolute()
        embedder = make(folder, model, dtype)
        index = cls(folder, wait=wait)
        index.__dict__["embedder"] = embedder
        return index

    @classmethod
    def open(
        cls,
        folder: Path | str | None = None,
        *,
        model: str | None = None,
        dtype: str | None = None,
        wait: float = DEFAULT_WAIT,
    ) -> "Index":
        """Open the index in `folder`, or the one `locate` finds.

        Raises `IndexNotFound`, or `FingerprintMismatch` when `model` or `dtype` is given and is not the index's.
        """
        found = existing(folder)
        index = cls(found, wait=wait)
        asked = {"model": model and model_name(model), "dtype": dtype}
        for name, value in asked.items():
            if value is not None and value != index._settings[name]:
                index.close()
                raise FingerprintMismatch(
                    f"{found} holds vectors of {name} {index._settings[name]}, not {value}",
                    f"leave --{name} out, or ingest into a new index with --index",
                )
        index._fetch = model is not None
        return index

    def close(self) -> None:
        """Let go of the index's files."""
        self._vectors.close()
        self._library.close()

    def __enter__(self) -> "Index":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def model(self) -> str:
        """The name of this index's model and its dtype, as labels have it."""
        return model_of(str(self._settings["model"]), str(self._settings["dtype"]))

    @cached_property
    def embedder(self) -> Embedder:
        """The model of this index, loaded when first needed; `FingerprintMismatch` if it is not the same any more."""
        return its_model(self.folder, self._settings, fetch=self._fetch)

    @cached_property
    def _search(self) -> Search:
        return Search(self._library, self._vectors.nearest, lambda: self.embedder)

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
        fields: RowFields = RowFields(),
        max_bytes: int = DEFAULT_MAX_BYTES,
        dry_run: bool = False,
        progress: Callable[[Progress], None] | None = None,
        tell: Callable[[Change, str], None] | None = None,
    ) -> IngestReport:
        """Bring the index up to date with files and folders: add new sources, replace changed, remove vanished.

        `standard_input` is a text to store as the source `<stdin>`. Sources outside `paths` are left alone. `tell` is
        called, from another thread, with each source that was changed, once it is. Raises `InvalidInput` for a path
        that does not exist and `IndexLocked` while another process writes.
        """
        roots = [Path(path) for path in paths]
        if dry_run:
            survey = Survey(self._library.states(), self.folder.parent, roots, fields, max_bytes)
            return survey.report(standard_input is not None)
        with self._writing():
            self._vectors.recover()
            survey = Survey(self._library.states(), self.folder.parent, roots, fields, max_bytes)
            if survey.changed or survey.gone or standard_input is not None:
                run = Run(survey, self._library, self.embedder, self._vectors.sync)
                report = run.ingest(standard_input, progress, tell)
            else:  # nothing to do: neither the model nor Chroma is loaded for it
                self._library.touch(survey.touched)
                report = replace(survey.report(), dry_run=False)
            self._library.save_setting("last_ingest", datetime.now(UTC).isoformat(timespec="seconds"))
        return report

    def changes(self, paths: Sequence[Path | str]) -> Iterator[None]:
        """Wait for files at or below `paths` to change: yields when it has begun to, and after each burst of changes.

        What changed is for `ingest` to find out; nothing is locked meanwhile.
        """
        return changes([Path(path) for path in paths], self.folder)

    def remove(self, source: str | Path) -> int:
        """Forget a source, or every source below a folder; returns how many. The files stay where they are."""
        keys = self._keys_of(source)
        with self._writing():
            self._forget(keys)
        return len(keys)

    def forget(self, source: str | Path, *, verify: bool = False) -> Forgotten:
        """Forget a source, or every source below a folder, and write every file of the index that held it anew.

        With `verify` all files of the index are searched for its texts and vectors. The files of the source itself
        stay where they are, and so does the quarantine. Takes as long as `repair`.
        """
        keys = self._keys_of(source)
        with self._writing():
            return forget(self.folder, self._library, self._vectors, keys, [JOIN], verify=verify)

    def _keys_of(self, source: str | Path) -> list[str]:
        return keys_of(source, self._library.states(), self.folder.parent)

    def sources(self) -> list[str]:
        """The names of all sources, sorted."""
        return sorted(self._library.states())

    # -- searching --------------------------------------------------------------------------------------

    def query(
        self,
        query: str,
        *,
        k: int = 10,
        mode: Mode = "hybrid",
        min_score: float = -1.0,
        source: str | None = None,
        fold: bool = False,
        per_document: int | None = None,
        explain: bool = False,
        literal: bool = False,
    ) -> list[Hit]:
        """The `k` passages that answer `query` best, by meaning and by words, or by one of these (`mode`).

        A query may hold "exact phrases", +required and -excluded words, and conditions such as `source:notes/*` or
        `year>=2020` on the metadata (see `semsearch.search.query`), unless it is `literal`: then all of it is text.
        Conditions, and `source`, a glob on the sources' names, are applied before the best `k` are chosen.

        `min_score` is the least cosine, whatever the hits rank by. With `fold` the exact and lexical near-copies of a
        hit are no hits of their own but its `copies`. A document ranks by its best passage, and has at most
        `per_document` hits. With `explain` hits have their ranks by meaning and by words.
        """
        return self.query_many(
            [query],
            k=k,
            mode=mode,
            min_score=min_score,
            source=source,
            fold=fold,
            per_document=per_document,
            explain=explain,
            literal=literal,
        )[0]

    def query_many(
        self,
        queries: Sequence[str],
        *,
        k: int = 10,
        mode: Mode = "hybrid",
        min_score: float = -1.0,
        source: str | None = None,
        fold: bool = False,
        per_document: int | None = None,
        explain: bool = False,
        literal: bool = False,
        highlight: bool = True,
    ) -> list[list[Hit]]:
        """`query` for several queries at once; `highlight` says whether to find the best sentence of each hit."""
        if k < 1:
            raise InvalidInput(f"k is {k}, but must be at least 1")
        if per_document is not None and per_document < 1:
            raise InvalidInput(f"per_document is {per_document}, but must be at least 1")
        if mode not in MODES:
            raise InvalidInput(f"unknown mode {mode!r}", f"choose one of {', '.join(MODES)}")
        if mode == "lexical" and min_score > -1:
            raise InvalidInput("a lexical search has no cosine that min_score could be the least of")
        parsed = [self.parse_query(query, literal=literal) for query in queries]
        with ThreadPoolExecutor(1) as ahead:
            vectors = None
            if mode != "lexical":
                if not source and any(not query.conditions for query in parsed):  # as `Search` has it
                    ahead.submit(self._search.prepare)
                vectors = self.embedder.embed([query.text for query in parsed], "query")
        return self._search.hits(
            parsed,
            vectors,
            k,
            mode=mode,
            min_score=min_score,
            source=source,
            folding=fold,
            per_document=per_document,
            highlight=highlight,
            explain=explain,
        )

    def parse_query(self, query: str, *, literal: bool = False) -> Query:
        """A query taken apart as `query_many` does it. Raises `InvalidInput` where there is nothing to search for."""
        cleaned = text.clean(query).strip()
        if len(cleaned) > LONGEST_QUERY:
            raise InvalidInput(
                f"the query has {len(cleaned):,} characters, and {LONGEST_QUERY:,} is the most",
                "search for the part of it that matters",
            )
        parsed = Query(cleaned) if literal else parse(cleaned, self._search.fields)
        if not parsed.text:
            what = (
                "the query is empty"
                if not cleaned
                else "the query says only what is not wanted, or where to look"
            )
            raise InvalidInput(what, "give some words to look for")
        return parsed

    def similar(
        self,
        document: Path | str,
        line: int | None = None,
        *,
        k: int = 10,
        min_score: float = -1.0,
        source: str | None = None,
        highlight: bool = True,
    ) -> list[Hit]:
        """The `k` documents most like one, or, with a `line` of it, the passages most like the one there.

        `document` is a file or the name of a document in the index; a file that is not indexed is read, cut and
        embedded for it. The document itself is left out, copies of it are not. Two documents are as similar as
        `duplicates` has it; the hit is the passage that is most like any of the document's. `line` is a page in a PDF,
        a paragraph in a Word document. `min_score` and `source` are those of `query`.
        """
        if k < 1:
            raise InvalidInput(f"k is {k}, but must be at least 1")
        name = str(document)
        return similar(
            name,
            [self.key_of(Path(name)), name],
            line,
            self._library,
            lambda: self.embedder,
            k=k,
            min_score=min_score,
            source=source,
            highlight=highlight,
        )

    def rerank(
        self, query: str, hits: Sequence[Hit], model: str, *, k: int = 10, highlight: bool = True
    ) -> list[Hit]:
        """The best `k` of some hits by a cross-encoder, which reads query and passage together: slow, and often better.

        `model` is the name or folder of one for sentence-transformers; a hit's `score` is then what that says. Raises
        `ModelError` where it cannot be loaded or gives no such scores.
        """
        if not hits:
            return []
        scores = self._reranker(model).scores(query, [hit.text for hit in hits])
        order = np.argsort(-scores, kind="stable")[:k]
        best = [replace(hits[at], score=float(scores[at])) for at in order]
        if not highlight:
            return best
        vector = self.embedder.embed([text.clean(query).strip()], "query")
        return highlighted(best, np.repeat(vector, len(best), axis=0), self.embedder)

    def _reranker(self, model: str) -> Reranker:
        if self._reranking is None or self._reranking.name != model:
            self._reranking = load_reranker(model)
        return self._reranking

    # -- near-duplicates --------------------------------------------------------------------------------

    def duplicates(
        self,
        threshold: float | None = None,
        *,
        level: Level = "document",
        linkage: Linkage = "keeper",
        keep: Sequence[str] = (),
        protect: Sequence[str] = (),
        lexical: float | None = None,
        precision: float | None = None,
        from_run: bool = False,
        memory: int = DEFAULT_MEMORY,
        progress: Callable[[int, int], None] | None = None,
    ) -> Duplicates:
        """Every group of near-duplicates with a similarity of at least `threshold`, found exactly, with no cap.

        Without a threshold the saved one is used, and without that `DEFAULT_THRESHOLD`. The similarity of two
        documents is the smaller of the two directions' mean of each passage's best cosine, weighted by length.
        With `lexical` documents of at least that Jaccard similarity (of word triples) count as well.

        Who is the keeper is decided by the rules of `keep` in turn (see `dedup.preference`), then by name; sources
        that a glob of `protect` matches come first and are marked. `linkage` is what holds a group together (see
        `dedup.group`).

        `precision` in place of a threshold takes the pairs that `tune` promised such a precision of: those that the
        saved verifier accepts, or without one those above the promised threshold. `InvalidInput` where nothing as
        precise was promised. A group's members were accepted against its keeper.

        What is compared is kept in the index's folder, so that the next run compares only what is new; with `from_run`
        nothing is compared, and `InvalidInput` raised where that does not do. `memory` bounds the working bytes beside
        vectors and result; `progress` is called with the work done and in all.
        """
        judge = DecisionRule.saved(self.threshold, self._library.setting("verifier"))
        if precision is not None:
            if threshold is not None or lexical is not None:
                raise InvalidInput(
                    "a precision stands in place of a threshold and of lexical pairs", "give one"
                )
            judge = judge.asked(precision)
        return find_duplicates(
            self._library,
            self._threshold() if threshold is None else threshold,
            judge,
            base=self.folder.parent,
            saved=self.folder / JOIN,
            level=level,
            linkage=linkage,
            keep=keep,
            protect=protect,
            lexical=lexical,
            from_run=from_run,
            memory=memory,
            progress=progress,
        )

    def candidates(
        self,
        lowest: float,
        *,
        around: float | None = None,
        level: Level = "document",
        progress: Callable[[int, int], None] | None = None,
    ) -> Candidates:
        """The pairs of this index that a person should label, in order: see `semsearch.tuning.sampling`.

        `around` is the threshold that most should be near; by default that of `duplicates`.
        """
        around = self._threshold() if around is None else around
        return find_candidates(self._library, lowest, around, level=level, progress=progress)

    def compare(self, a: str, b: str) -> Comparison:
        """Compare two documents: of this index by name, or files; see `compare_documents`."""
        return compare_documents(
            a, b, lambda: self.embedder, threshold=self._threshold(), library=self._library
        )

    # -- acting on near-duplicates ----------------------------------------------------------------------

    def plan(self, found: Duplicates, keep: Sequence[str] = (), tiers: Collection[Tier] = TIERS) -> Plan:
        """The plan that removes all of `found` but the keepers, what is protected, and what is of other `tiers`.

        `keep`, the rules by which `found` was made, is only noted in it.
        """
        return plan_of(self._library, found, keep, tiers)

    def apply(
        self,
        plan: Plan,
        *,
        quarantine: Path | None = None,
        hardlink: bool = False,
        output: Path | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> Outcome:
        """Move what `plan` removes to a quarantine, by default in the index's folder, and forget it.

        With `hardlink` files that equal their keeper byte for byte become hard links to it instead. `output`, for a
        plan that removes rows of one file, is that file without them. See `semsearch.dedup.quarantine.apply`.
        """
        base = self.folder.parent
        with contextlib.nullcontext() if dry_run else self._writing():
            known = self._library.states().keys()
            outcome = carry_out(
                plan,
                base,
                known,
                quarantine or self.folder / QUARANTINE,
                hardlink=hardlink,
                output=output,
                force=force,
                dry_run=dry_run,
            )
            if not (hardlink or dry_run):
                self._forget(known & {*outcome.done, *outcome.already})
        return outcome

    def undo(self, run: str = "", *, quarantine: Path | None = None) -> Outcome:
        """Put back what a run of `apply` took away, by default the latest. See `semsearch.dedup.quarantine.undo`."""
        with self._writing():
            return undo(quarantine or self.folder / QUARANTINE, self.folder.parent, run)

    def runs(self, *, quarantine: Path | None = None) -> list[QuarantineRun]:
        """The runs of `apply` that can be undone, the latest last."""
        return runs(quarantine or self.folder / QUARANTINE)

    # -- thresholds -------------------------------------------------------------------------------------

    def tune(
        self,
        pairs: PairSet,
        *,
        rule: str | None = None,
        aim: Aim = F1,
        seed: int = 0,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[Tuning, Cosines]:
        """Choose a threshold on labelled pairs and save it as the default of `duplicates`, with what is promised of it.

        A verifier is saved beside it where there are pairs enough to train one, and an older one is forgotten. Raises
        `SemsearchError`, and saves nothing, where nothing can promise what `aim` asks for.
        """
        tuning, found = tune_pairs(pairs, self.embedder, rule=rule, aim=aim, seed=seed, progress=progress)
        with self._writing():
            save(self._library, tuning)
        return tuning, found

    @property
    def threshold(self) -> dict[str, Any] | None:
        """The saved threshold: `threshold`, the `pairs` and `rule` it was tuned on, when it was `saved`. Or None."""
        saved: dict[str, Any] | None = self._library.setting("threshold")
        return saved

    @property
    def verifier(self) -> dict[str, Any] | None:
        """The saved verifier: the `chance` from which a pair counts, the `promise` of it, the `pairs` and `rule` it was
        tuned on, when it was `saved`. Or None."""
        saved: dict[str, Any] | None = self._library.setting("verifier")
        return saved and {name: value for name, value in saved.items() if name != "verifier"}

    def _threshold(self) -> float:
        return float(self.threshold["threshold"]) if self.threshold else DEFAULT_THRESHOLD

    # -- about the index --------------------------------------------------------------------------------

    def status(self) -> Status:
        """Where the index is, its model and settings, what it holds, and its saved threshold."""
        return Status(
            folder=self.folder,
            settings=dict(self._settings),
            counts=self._library.counts(),
            bytes=sizes(self.folder),
            last_ingest=self._library.setting("last_ingest"),
            threshold=self.threshold,
            verifier=self.verifier,
            pending=self._vectors.unfinished,
        )

    def check(self) -> CheckReport:
        """Prove the index sound: the Library's database and all it says, and that Chroma holds that and nothing else.

        What a run that was cut off has left is completed first. Reads all there is.
        """
        with self._writing():
            return check(self.folder, self._library, self._vectors)

    def repair(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Make full-text search and Chroma's files anew from the Library; returns the number of passages.

        Nothing is embedded. Cut off at any point, the index can be repaired again, or is completed when it is opened
        next. `progress` is called with the passages done and in all.
        """
        with self._writing():
            self._library.rebuild_full_text()
            total = self._library.counts()["passages"]
            self._vectors.rebuild(progress and (lambda done: progress(done, total)))
        return total

    # -- plumbing ---------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the write lock; at the end Chroma's files are sealed, unless something failed: then they are proved."""
        with writing(self.folder, self._wait):
            try:
                yield
            except BaseException:
                self._vectors.close()
                raise
            self._vectors.finalize()

    def _forget(self, keys: Collection[str]) -> None:
        if keys:
            self._library.remove(keys)
            self._library.gc()
            self._vectors.sync()

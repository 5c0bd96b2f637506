"""The contract of a vector engine, for every implementation, and that `VectorSync` needs nothing else."""

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from semsearch.errors import IndexDamaged, IndexLocked, SemsearchError
from semsearch.storage.library import Library
from semsearch.storage.vectors import chroma
from semsearch.storage.vectors.chroma import CHROMA, ChromaEngine
from semsearch.storage.vectors.chroma_server import ChromaServer
from semsearch.storage.vectors.engine import (
    Metadata,
    Proof,
    Stored,
    VectorEngine,
    VectorStore,
    check_query,
    check_rows,
)
from semsearch.storage.vectors.engines import Stores
from semsearch.storage.vectors.folder_store import FolderStore
from semsearch.storage.vectors.prove import compare
from semsearch.storage.vectors.qdrant_edge import QDRANT, QdrantEngine
from semsearch.storage.vectors.qdrant_server import QdrantServer
from semsearch.storage.vectors.server_store import ServerStore
from semsearch.storage.vectors.sync import VectorSync
from semsearch.storage.vectors.weaviate_server import WeaviateServer
from tests import test_library
from tests.engine_servers import QdrantDouble, WeaviateDouble
from tests.test_library import ids as passage_ids
from tests.test_library import publish
from tests.tiny_embedder import word_vector

Floats = NDArray[np.float32]
DIMENSION = 16


class MemoryEngine:
    """An exact engine in memory: what a second implementation takes."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[Floats, str, dict[str, Any]]] = {}
        self.closed = False

    def _use(self) -> None:
        if self.closed:
            raise SemsearchError("the engine is closed")

    def count(self) -> int:
        self._use()
        return len(self.rows)

    def upsert(
        self, ids: Sequence[str], vectors: Floats, texts: Sequence[str], metadata: Sequence[Metadata]
    ) -> None:
        self._use()
        check_rows(ids, vectors, texts, metadata)
        for id_, vector, text, traits in zip(ids, vectors, texts, metadata, strict=True):
            self.rows[id_] = vector.copy(), text, dict(traits)

    def delete(self, ids: Sequence[str]) -> None:
        self._use()
        for id_ in ids:
            self.rows.pop(id_, None)

    def nearest(self, queries: Floats, k: int) -> list[list[str]]:
        self._use()
        check_query(queries, k)
        ids = list(self.rows)
        if not ids:
            return [[] for _ in queries]
        matrix = np.stack([self.rows[id_][0] for id_ in ids])
        return [[ids[at] for at in np.argsort(-(matrix @ query))[:k]] for query in queries]

    def vectors(self, ids: Sequence[str]) -> Stored:
        self._use()
        found = [id_ for id_ in ids if id_ in self.rows]
        vectors = np.array([self.rows[id_][0] for id_ in found], np.float32)
        return Stored(
            found, vectors, [self.rows[id_][1] for id_ in found], [self.rows[id_][2] for id_ in found]
        )

    def close(self) -> None:
        self.closed = True


class MemoryStore:
    """Keeps a `MemoryEngine`, which is always reliable."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._engine = MemoryEngine()
        self.deferred = False
        self.trouble = ""
        self.finalized = False

    def create(self) -> None:
        self.finalized = True

    def writer(self) -> MemoryEngine:
        self.finalized = False
        return self._engine

    @contextmanager
    def reader(self) -> Iterator[MemoryEngine | None]:
        yield self._engine

    @contextmanager
    def replacing(self) -> Iterator[None]:
        self.finalized = False
        yield
        self._engine = MemoryEngine()

    def finalize(self) -> None:
        self.finalized = True

    def wants_rebuild(self) -> bool:
        return False

    def clean(self) -> None:
        pass

    def prove(self, *, pending: bool = False) -> Proof:
        return compare(self._library, self._engine, pending=pending)

    def file_problems(self) -> list[str]:
        return []

    def strays(self) -> list[str]:
        return []

    def discard(self) -> None:
        self._engine = MemoryEngine()

    def close(self) -> None:
        pass


Open = Callable[[pytest.FixtureRequest, Path], VectorEngine]


def on_chroma_server(request: pytest.FixtureRequest, folder: Path) -> ChromaServer:
    engine = ChromaServer(request.getfixturevalue("chroma_url"), f"semsearch-{uuid.uuid4().hex}")
    engine.create()
    return engine


def on_qdrant_double(request: pytest.FixtureRequest, folder: Path) -> QdrantServer:
    double = QdrantDouble()
    request.addfinalizer(double.close)
    return QdrantServer(double.url, f"semsearch-{uuid.uuid4().hex}")


def on_weaviate_double(request: pytest.FixtureRequest, folder: Path) -> WeaviateServer:
    double = WeaviateDouble()
    request.addfinalizer(double.close)
    engine = WeaviateServer(double.url, f"Semsearch_{uuid.uuid4().hex}")
    engine.create()
    return engine


ENGINES: dict[str, Open] = {
    "chroma": lambda request, folder: ChromaEngine(folder / "chroma", create=True),
    "qdrant": lambda request, folder: QdrantEngine(folder / "qdrant", create=True),
    "chroma server": on_chroma_server,
    "qdrant double": on_qdrant_double,
    "weaviate double": on_weaviate_double,
    "memory": lambda request, folder: MemoryEngine(),
}
STORES: dict[str, Callable[[Library, pytest.FixtureRequest], VectorStore]] = {
    "chroma": lambda library, request: FolderStore(CHROMA, library, library.path.parent),
    "qdrant": lambda library, request: FolderStore(QDRANT, library, library.path.parent),
    "chroma server": lambda library, request: ServerStore(
        on_chroma_server(request, library.path), library, "a"
    ),
    "qdrant double": lambda library, request: ServerStore(
        on_qdrant_double(request, library.path), library, "a"
    ),
    "weaviate double": lambda library, request: ServerStore(
        on_weaviate_double(request, library.path), library, "a"
    ),
    "memory": lambda library, request: MemoryStore(library),
}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorEngine]:
    with closing(ENGINES[request.param](request, tmp_path)) as engine:
        yield engine


def unit(count: int, seed: int = 0) -> Floats:
    vectors = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def rows(count: int, seed: int = 0) -> tuple[list[str], Floats, list[str], list[dict[str, str | int]]]:
    """Rows to upsert."""
    ids = [f"id-{number}" for number in range(count)]
    metadata: list[dict[str, str | int]] = [{"source": f"名 {n % 3}", "first": n} for n in range(count)]
    return ids, unit(count, seed), [f"text {seed} {number}" for number in range(count)], metadata


def test_an_empty_engine_holds_and_finds_nothing(engine: VectorEngine) -> None:
    assert engine.count() == 0
    assert engine.nearest(unit(2), 3) == [[], []]
    assert [len(part) for part in engine.vectors(["never there"])] == [0, 0, 0, 0]
    engine.delete([])
    engine.delete(["never there"])


def test_vectors_returns_what_was_stored_in_order(engine: VectorEngine) -> None:
    ids, vectors, texts, metadata = rows(50)
    engine.upsert(ids, vectors, texts, metadata)
    assert engine.count() == 50
    order = np.random.default_rng(1).permutation(50)[:20].tolist()
    asked = [ids[at] for at in order]
    found = engine.vectors(["not there", *asked])
    np.testing.assert_allclose(found.vectors, vectors[order], rtol=0, atol=1e-5)
    assert found.vectors.dtype == np.float32
    assert found[0] == asked
    assert found[2:] == ([texts[at] for at in order], [metadata[at] for at in order])


def test_upsert_replaces_rows_and_delete_removes_them(engine: VectorEngine) -> None:
    engine.upsert(*rows(30))
    ids, vectors, texts, metadata = rows(30, seed=1)
    engine.upsert(ids[:10], vectors[:10], texts[:10], metadata[:10])
    engine.delete([*ids[20:], "never there"])
    assert engine.count() == 20
    found = engine.vectors(ids)
    assert found.ids == ids[:20]
    np.testing.assert_allclose(found.vectors[:10], vectors[:10], rtol=0, atol=1e-5)
    assert found.texts == [*texts[:10], *rows(30)[2][10:20]]


def test_nearest_is_by_cosine_nearest_first(engine: VectorEngine) -> None:
    ids, vectors, texts, metadata = rows(200)
    engine.upsert(ids, vectors, texts, metadata)
    queries = unit(10, seed=2)
    found = engine.nearest(queries, 10)
    for query, row in zip(queries, found, strict=True):
        expected = [ids[at] for at in np.argsort(-(vectors.astype(np.float64) @ query))[:10]]
        assert len(row) == 10
        assert len({*row} & {*expected}) >= 9  # a graph is approximate
        cosines = [float(vectors[ids.index(id_)] @ query) for id_ in row]
        assert cosines == sorted(cosines, reverse=True)
    assert [row[0] for row in engine.nearest(vectors[:5], 1)] == ids[:5]
    assert {len(row) for row in engine.nearest(queries, 1_000)} == {200}


@pytest.mark.long
def test_batches_may_have_any_size(engine: VectorEngine) -> None:
    """More than Chroma takes in a call, and more than SQLite binds in a statement."""
    ids, vectors, texts, metadata = rows(6_000)
    engine.upsert(ids, vectors, texts, metadata)
    assert engine.count() == 6_000
    assert engine.vectors(ids).texts == texts
    engine.delete(ids[1:])
    assert engine.vectors(ids).ids == ids[:1]
    assert engine.count() == 1


def test_several_threads_search_at_once(engine: VectorEngine) -> None:
    engine.upsert(*rows(500))
    queries = unit(8, seed=3)
    alone = [engine.nearest(query[None], 5) for query in queries]
    together = threading.Barrier(8)

    def ask(query: Floats) -> list[list[list[str]]]:
        together.wait(20)
        return [engine.nearest(query[None], 5) for _ in range(20)]

    with ThreadPoolExecutor(8) as pool:
        for expected, found in zip(alone, pool.map(ask, queries), strict=True):
            assert found == [expected] * 20


@pytest.mark.parametrize(
    "misuse",
    [
        lambda engine: engine.upsert(["a"], unit(2), ["text"], [{"x": 1}]),
        lambda engine: engine.upsert(["a"], unit(1)[0], ["text"], [{"x": 1}]),
        lambda engine: engine.upsert(["a", "a"], unit(2), ["1", "2"], [{"x": 1}, {"x": 2}]),
        lambda engine: engine.upsert(["a"], np.full((1, DIMENSION), np.nan, np.float32), ["1"], [{"x": 1}]),
        lambda engine: engine.upsert(["a"], np.zeros((1, DIMENSION), np.float32), ["1"], [{"x": 1}]),
        lambda engine: engine.nearest(unit(1)[0], 3),
        lambda engine: engine.nearest(unit(1), 0),
    ],
)
def test_misuse_is_a_value_error_and_changes_nothing(
    engine: VectorEngine, misuse: Callable[[VectorEngine], object]
) -> None:
    engine.upsert(*rows(5))
    with pytest.raises(ValueError):
        misuse(engine)
    assert engine.count() == 5


def test_a_closed_engine_says_so(engine: VectorEngine) -> None:
    engine.upsert(*rows(5))
    engine.close()
    engine.close()
    for use in (engine.count, lambda: engine.nearest(unit(1), 1), lambda: engine.delete(["id-1"])):
        with pytest.raises(SemsearchError, match="closed") as caught:
            use()
        assert not isinstance(caught.value, IndexDamaged)


# -- the store, and what follows the Library -----------------------------------------------------------------


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, library: Library) -> Iterator[VectorStore]:
    store = STORES[request.param](library, request)
    store.create()
    with closing(store):
        yield store


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    def unit_vector(word: str) -> Floats:
        vector = word_vector(word)
        return vector / np.linalg.norm(vector)

    monkeypatch.setattr(test_library, "word_vector", unit_vector)
    with closing(Library(tmp_path / "library.sqlite3", create=True)) as library:
        yield library


def assert_holds(store: VectorStore, ids: set[str]) -> None:
    with store.reader() as engine:
        assert engine is not None
        assert engine.count() == len(ids)
        assert set(engine.vectors(list(ids)).ids) == ids


class Only(Stores):
    """The store of an index whose engine never moves."""

    def __init__(self, store: VectorStore) -> None:
        self._store = store

    def __call__(self) -> VectorStore:
        return self._store

    def close(self) -> None:
        self._store.close()


def test_the_engine_follows_the_library(library: Library, store: VectorStore) -> None:
    vectors = VectorSync(library, Only(store))
    assert vectors.finalized
    assert not vectors.unfinished
    publish(library, "a", [["one", "two"], ["three"]])
    assert vectors.unfinished
    sent: list[int] = []
    vectors.sync(sent.append)
    assert not vectors.finalized
    vectors.finalize()
    assert sent == [3]
    assert vectors.finalized and not vectors.unfinished
    assert_holds(store, passage_ids("a", [["one", "two"], ["three"]]))
    publish(library, "a", [["one"]])
    publish(library, "b", [["one", "four"]])
    vectors.sync()
    vectors.finalize()
    assert_holds(store, passage_ids("a", [["one"]]) | passage_ids("b", [["one", "four"]]))
    (id_,) = passage_ids("a", [["one"]])
    found = vectors.nearest(library.vectors_of([id_])[id_][None], 2)
    assert found is not None
    assert set(found[0]) == {"a/0/0/one", "b/0/0/one"}
    assert vectors.prove() == Proof((), 3, 3, 3)
    assert vectors.file_problems() == vectors.strays() == []


def test_an_interrupted_write_is_finished_by_the_next(library: Library, store: VectorStore) -> None:
    publish(library, "a", [["one"]])
    writer = VectorSync(library, Only(store))
    writer.sync()
    writer.close()  # without finalize, as where a process ends
    assert writer.unfinished
    assert writer.nearest(unit(1), 1) is None
    publish(library, "b", [["two"]])
    after = VectorSync(library, Only(store))
    after.recover()
    after.finalize()
    assert not after.unfinished
    assert_holds(store, {"a/0/0/one", "b/0/0/two"})
    assert after.prove().problems == ()


@pytest.mark.parametrize("texts", [[], ["one", "two"]])
def test_a_rebuild_equals_the_library(library: Library, store: VectorStore, texts: list[str]) -> None:
    publish(library, "a", [texts])
    vectors = VectorSync(library, Only(store))
    vectors.sync()
    vectors.rebuild()
    vectors.finalize()
    assert not vectors.unfinished
    assert_holds(store, passage_ids("a", [texts]))
    assert vectors.prove().problems == ()


def test_a_proof_names_what_differs(library: Library, store: VectorStore) -> None:
    publish(library, "a", [["one", "two", "three", "four"]])
    vectors = VectorSync(library, Only(store))
    vectors.sync()
    engine = store.writer()
    assert engine is not None
    some = ["a/0/0/one", "a/0/1/two"]
    passages, own = library.passages(some), library.vectors_of(some)
    other = -own["a/0/0/one"][None]
    engine.upsert(["a/0/0/one"], other, ["one"], [passages["a/0/0/one"].traits])
    engine.upsert(["a/0/1/two"], own["a/0/1/two"][None], ["else"], [passages["a/0/1/two"].traits])
    engine.delete(["a/0/2/three"])
    engine.upsert(["stray"], other, ["one"], [{"source": "x"}])
    vectors.finalize()
    assert vectors.prove().problems == (
        "1 passages of 4 are missing",
        "1 passages are not in the Library",
        "1 passages have another vector than the Library",
        "1 passages have another text or place",
    )


# -- Chroma's errors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("error returned from database: (code: 5) database is locked", IndexLocked),
        ("Error executing plan: too many SQL variables", SemsearchError),
        ("error returned from database: (code: 9) interrupted", SemsearchError),
        ("(code: 1) cannot start a transaction within a transaction", SemsearchError),
        ("database or disk is full", SemsearchError),
        ("unable to open database file", SemsearchError),
        ("Too many open files (os error 24)", SemsearchError),
        ("Error loading hnsw index", IndexDamaged),
        ("error returned from database: (code: 11) database disk image is malformed", IndexDamaged),
        ("error returned from database: (code: 26) file is not a database", IndexDamaged),
    ],
)
def test_only_damage_in_chroma_is_called_damage(
    tmp_path: Path, text: str, kind: type[SemsearchError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chroma, "_LITTLE", 0)
    with closing(ChromaEngine(tmp_path / "chroma", create=True)) as engine:
        with pytest.raises(kind) as caught, engine._used():
            raise RuntimeError(text)
        assert type(caught.value) is kind
        with pytest.raises(SemsearchError) as memory, engine._used():
            raise MemoryError
        assert type(memory.value) is SemsearchError
        with pytest.raises(KeyboardInterrupt), engine._used():
            raise KeyboardInterrupt


# -- what Chroma leaves in its files -------------------------------------------------------------------------------


def test_a_graph_never_saved_leaves_no_memory_behind(tmp_path: Path) -> None:
    folder = tmp_path / "chroma"
    ids, vectors, texts, metadata = rows(3)
    with closing(ChromaEngine(folder, create=True)) as engine:
        engine.upsert(ids, vectors, texts, metadata)
        written = sum(path.stat().st_size for path in folder.glob("*/*.bin"))
    assert written > 10_000, "Chroma writes the room for 100 vectors, with what was in memory there"
    for _ in range(2):  # a reader makes such a graph too
        assert not any(path.is_file() for path in folder.glob("*/*"))
        with closing(ChromaEngine(folder)) as engine:
            assert engine.nearest(vectors, 1) == [[id_] for id_ in ids]

"""Codes of eight bits bound each product, find the same hits as float32, and hide nothing where they are damaged."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_embedder import DIMENSION, TinyEmbedder, create_index

from semsearch import Index
from semsearch.embedding.byte_products import byte_products
from semsearch.search import contenders, engine
from semsearch.storage.library import vector_codes, vector_file
from semsearch.storage.library.vector_codes import ROWS, Codes, CodeWriter, block_bytes

Floats = NDArray[np.float32]


def unit(rows: NDArray[Any]) -> Floats:
    found: Floats = (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)
    return found


def written(vectors: Floats, sizes: tuple[int, ...] = ()) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Return the blocks of a file to which vectors were written in parts of some sizes, and their numbers."""
    numbers = np.arange(1, len(vectors) + 1) * 3
    file = io.BytesIO()
    for start, end in zip((0, *np.cumsum(sizes)), (*np.cumsum(sizes), len(vectors)), strict=True):
        writer = CodeWriter(file, int(start), vectors.shape[1])
        for at in range(start, end, 5_000):
            writer.add(numbers[at : min(at + 5_000, end)], vectors[at : min(at + 5_000, end)])
        writer.flush()
    blocks = np.frombuffer(file.getvalue(), np.int8).reshape(-1, block_bytes(vectors.shape[1])).copy()
    return blocks, numbers


def bounds(vectors: Floats, queries: Floats) -> Floats:
    found = np.empty((len(queries), len(vectors)), np.float32)
    Codes(*written(vectors)).bounds(queries, found)
    return found


def products(vectors: Floats, queries: Floats) -> Floats:
    found: Floats = np.vecdot(vectors, queries[:, None])
    return found


# -- bounds -----------------------------------------------------------------------------------------------


def test_products_of_the_largest_bytes_are_exact() -> None:
    for left, code, zero in ((127, -127, 0), (127, 127, 0), (180, 90, 90), (180, -90, 90)):
        many = np.full((1_024, 100), code, np.int8)
        found = byte_products(np.full((3, 1_024), left, np.uint8), many, zero)
        assert found.tolist() == [[(left - zero) * code * 1_024] * 100] * 3


@pytest.mark.parametrize("dimension", [1, 3, 32, 384, 1_025])
@pytest.mark.parametrize("scale", [1e-18, 1.0, 1e4])
def test_no_product_exceeds_its_bound(dimension: int, scale: float) -> None:
    rng = np.random.default_rng(dimension)
    spread = rng.normal(size=(400, dimension)) * rng.choice([1, 1e-3], (400, dimension))
    vectors = np.concatenate(
        [unit(spread), unit(np.eye(dimension)[:5]), np.zeros((1, dimension), np.float32)]
    )
    vectors = (vectors * np.float32(scale)).astype(np.float32)
    queries = unit(np.concatenate([rng.normal(size=(5, dimension)), spread[:5]]))
    found = bounds(vectors, queries)
    assert np.all(found >= products(vectors, queries))
    assert np.all(found >= -products(-vectors, queries))
    assert np.max(found - products(vectors, queries)) < 0.12 * scale * np.sqrt(dimension / 32 + 1)


@pytest.mark.parametrize("dimension", [32, 384])
def test_the_bound_holds_where_the_rest_is_largest(dimension: int) -> None:
    """Each number is half a step from its code, in the direction of the query: the inequality is an equation."""
    rng = np.random.default_rng(0)
    step, sign = 1 / 1_000, rng.choice([-1.0, 1.0], dimension)
    steps = rng.integers(-100, 100, (200, dimension)) + 0.499 * sign
    steps[:, 0] = 127
    vectors, query = (step * steps).astype(np.float32), unit(sign)
    off = bounds(vectors, query[None])[0] - products(vectors, query[None])[0]
    assert np.all(off >= 0)
    rest = 0.499 * step * np.sqrt(dimension)
    assert np.all(off < 0.05 * rest), "so the bound is not wide either"


@pytest.mark.parametrize("dimension", [32, 384])
def test_the_bound_holds_where_the_querys_rest_is_largest(dimension: int) -> None:
    """Codes are exact, and each number of the query is half a step from its code, in the direction of the vector."""
    rng = np.random.default_rng(0)
    sign = rng.choice([-1.0, 1.0], dimension)
    steps = rng.integers(-50, 50, dimension) + 0.499 * sign
    steps[0] = 63 * sign[0]
    query = unit(steps)
    vector = np.float32(0.03125) * sign.astype(np.float32)
    off = float(bounds(vector[None], query[None])[0, 0] - vector @ query)
    rest = 0.499 / np.linalg.norm(steps) * np.sqrt(dimension) * np.linalg.norm(vector)
    assert 0 <= off < 0.05 * rest


@pytest.mark.parametrize("sizes", [(), (1,), (ROWS,), (ROWS - 1, 2), (3_000, 3_000, 3_000)])
def test_codes_do_not_depend_on_when_they_are_written(sizes: tuple[int, ...]) -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(ROWS + 1_500, 8)))
    assert np.array_equal(written(vectors, sizes)[0], written(vectors)[0])


def test_what_is_not_a_number_has_no_bound() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(6, 8)))
    vectors[1, 3], vectors[2, 0], vectors[3] = np.nan, np.inf, 1e30
    found = bounds(vectors, vectors[:1])[0]
    assert np.isinf(found).tolist() == [False, True, True, True, False, False]


PLACES = {
    "codes": 5,
    "scale": 8 * ROWS,
    "rest": 12 * ROWS,
    "norm": 16 * ROWS,
    "sum": 20 * ROWS,
    "checksum": 24 * ROWS,
}


@pytest.mark.parametrize("place", PLACES)
def test_a_changed_byte_takes_the_bound_away(place: str) -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(40, 8)))
    blocks, numbers = written(vectors)
    blocks[0, PLACES[place] + (0 if place == "codes" else 4 * 5)] ^= 1
    found = np.empty((1, 40), np.float32)
    codes = Codes(blocks, numbers)
    codes.bounds(vectors[:1], found)
    assert np.flatnonzero(np.isinf(found[0])).tolist() == [5]
    assert np.flatnonzero(codes.wrong(np.arange(40), vectors)).tolist() == [5]


def test_codes_of_another_vector_have_no_bound() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(40, 8)))
    blocks, numbers = written(vectors)
    found = np.empty((1, 40), np.float32)
    Codes(blocks, numbers[::-1]).bounds(vectors[:1], found)
    assert np.all(np.isinf(found))


# -- searches ---------------------------------------------------------------------------------------------

WORDS = ("amber", "oak", "river", "stone", "cloud", "night", "iron", "salt", "moss", "fern", "gate", "owl")
COUNT = 900
QUERIES = ("amber oak", "salt", "moss iron river", "zinc", "owl owl gate fern night")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make an index of records, some of several passages, some of equal vectors, with removed ones between."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("codes") / "index"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vector_file, "LEAST", 0)
        with create_index(folder) as index:
            texts = [
                " ".join(rng.choice(WORDS, rng.choice([2, 5, 150], p=[0.5, 0.4, 0.1]))) for _ in range(COUNT)
            ]
            index.add([{"id": f"n{at}", "text": text, "half": at % 2} for at, text in enumerate(texts)])
            index.delete([f"n{at}" for at in range(0, COUNT, 10)])
        yield folder


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """Use codes in small indexes, and return how many rows were left each time."""
    left: list[int | None] = []

    def counted(*arguments: Any) -> NDArray[np.int64] | None:
        found = contenders.contenders(*arguments)
        left.append(None if found is None else len(found))
        return found

    monkeypatch.setattr(engine, "_BOUNDED_FROM", 0)
    monkeypatch.setattr(engine, "contenders", counted)
    monkeypatch.setattr(contenders, "_MOST", 2)
    monkeypatch.setattr(vector_file, "LEAST", 0)
    return left


def opened(folder: Path) -> Index:
    return Index.open(folder, embedder=TinyEmbedder())


def in_float32(folder: Path, ask: Callable[[Index], Any]) -> Any:
    with pytest.MonkeyPatch.context() as patch, opened(folder) as index:
        patch.setattr(engine, "_BOUNDED_FROM", 10**9)
        return ask(index)


OPTIONS: dict[str, dict[str, Any]] = {
    "few": {"k": 3},
    "copies": {"k": 10, "collapse": False, "per_document": None},
    "many": {"k": 60, "collapse": False},
    "least cosine": {"k": 5, "min_score": 0.45},
    "high least cosine": {"k": 30, "min_score": 0.8, "collapse": False},
    "explained": {"k": 5, "explain": True},
}


@pytest.mark.parametrize("mode", ["dense", "hybrid"])
@pytest.mark.parametrize("options", OPTIONS)
def test_hits_are_those_of_float32(made: Path, used: list[int | None], mode: str, options: str) -> None:
    def ask(index: Index) -> Any:
        return [index.query(query, mode=mode, **OPTIONS[options]) for query in (*QUERIES, "oak half:1")]

    expected = in_float32(made, ask)
    assert used == []
    with opened(made) as index:
        assert ask(index) == expected
        assert index.query_many([*QUERIES, "oak half:1"], mode=mode, **OPTIONS[options]) == expected
    assert any(used) == (options != "explained")


def test_no_word_that_is_found_changes_no_score(made: Path, used: list[int | None]) -> None:
    def ask(index: Index) -> Any:
        return index.query("zinc ?copper", mode="hybrid", k=4)

    assert in_float32(made, ask) == ask(opened(made))
    assert any(used)


DAMAGE: dict[str, Callable[[bytearray], object]] = {
    "zeros": lambda content: content.__setitem__(slice(0, ROWS * 10), bytes(ROWS * 10)),
    "a byte": lambda content: content.__setitem__(50, content[50] ^ 1),
    "moved": lambda content: content.__setitem__(slice(0, ROWS), content[1:ROWS] + content[:1]),
    "scales": lambda content: content.__setitem__(
        slice(ROWS * DIMENSION, ROWS * (DIMENSION + 4)), b"\xff" * (4 * ROWS)
    ),
    "all": lambda content: content.__setitem__(slice(None), b"\x7f" * len(content)),
    "short": lambda content: content.__delitem__(slice(-1, None)),
    "empty": lambda content: content.clear(),
}


@pytest.mark.long
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_codes_hide_nothing(
    tmp_path: Path, used: list[int | None], damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with create_index(tmp_path / "index") as index:
        index.add([{"id": f"{a} {b}", "text": f"{a} {b}"} for a in WORDS for b in WORDS])
        (path,) = index.folder.glob("vectors-*.i8")

    def ask(index: Index) -> Any:
        return [index.query(query, mode=mode, k=3) for query in QUERIES for mode in ("dense", "hybrid")]

    expected = in_float32(tmp_path / "index", ask)
    content = bytearray(path.read_bytes())
    DAMAGE[damage](content)
    path.write_bytes(content)
    with opened(tmp_path / "index") as index:
        assert ask(index) == expected
        problems = {one.subject: one.problems for one in index.check().findings if one.problems}
        assert list(problems) == ["vector file"]
        index.repair()
        assert index.check().sound
        assert ask(index) == expected
    with monkeypatch.context() as patch:  # without codes fewer vectors are all compared
        patch.setattr(vector_file, "SCANNED_BYTES", 0)
        patch.setattr(vector_file, "MAPPED_BYTES", 0)
        with opened(tmp_path / "index") as index, index._library.snapshot():
            assert index._engine._corpora.current().scanned
        next((tmp_path / "index").glob("vectors-*.i8")).unlink()
        with opened(tmp_path / "index") as index, index._library.snapshot():
            assert not index._engine._corpora.current().scanned


def test_codes_of_other_vectors_are_not_used(made: Path, used: list[int | None], tmp_path: Path) -> None:
    """A stranger's codes fit their checksums. Where an exact cosine exceeds its bound, all vectors are compared."""
    import shutil

    folder = tmp_path / "index"
    shutil.copytree(made, folder)
    (path,) = folder.glob("vectors-*.i8")
    with opened(folder) as index:
        numbers, vectors, _ = vector_file.mapped(
            folder, index._library.setting("vector_file"), index._library.dimension()
        )
        with path.open("r+b") as file:
            writer = CodeWriter(file, 0, DIMENSION)
            writer.add(numbers, np.roll(vectors, 1, axis=1))
            writer.flush()

    def ask(index: Index) -> Any:
        return [index.query(query, mode="dense", k=5) for query in QUERIES]

    expected = in_float32(folder, ask)
    with opened(folder) as index:
        assert ask(index) == expected
        assert not index.check().sound
    assert None in used


def test_the_norms_of_codes_are_rounded_up() -> None:
    vectors = unit(np.random.default_rng(1).normal(size=(3_000, 96)))
    codes, kept = vector_codes.encode(np.arange(3_000), vectors)
    scale, rest, norm = kept[:3].view(np.float32)
    near = codes * scale.astype(np.float64)[:, None]
    assert np.all(np.linalg.norm(vectors - near, axis=1) <= rest)
    assert np.all(np.linalg.norm(near, axis=1) <= norm)

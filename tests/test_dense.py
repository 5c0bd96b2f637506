"""One template in many rows: memory does not grow with the number of pairs, and the groups are those of all pairs."""

import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_embedder import TinyEmbedder, create_index

from semsearch.dedup import Compared, Corpus, DocumentCollection, DocumentPassages, Duplicates, compare
from semsearch.dedup.join import TooManyPairs, join
from semsearch.dedup.join_cache import saved_join
from semsearch.dedup.leak import find_leaks
from semsearch.dedup.neighbours import Neighbours
from semsearch.ingest.chunk import chunk
from semsearch.storage.library import Library
from semsearch.types import Document, Linkage

LINKAGES: tuple[Linkage, ...] = ("keeper", "complete", "single")
MB = 2**20


def alike(count: int, noise: float = 0.25, width: int = 64) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=width) + noise * rng.normal(size=(count, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def letters(vectors: NDArray[np.float32]) -> DocumentCollection:
    """One document for each row of the vectors; the texts differ in a number."""
    names = [f"l#{at}" for at in range(len(vectors))]
    documents = [DocumentPassages(np.array([at]), np.ones(1)) for at in range(len(vectors))]

    def read(wanted: object) -> list[str]:
        return [f"order {at} has been shipped today" for at in wanted]  # type: ignore[attr-defined]

    digests = [at.to_bytes(8, "big") for at in range(len(vectors))]
    return DocumentCollection(names, names, digests, documents, vectors, read, lambda at: [])


@pytest.fixture
def traced() -> Iterator[None]:
    """Trace what the test allocates."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


def test_one_template_takes_bounded_memory(traced: None) -> None:
    collection = letters(alike(3000))
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    compared = compare(collection, 0.85, memory=32 * MB)
    assert compared.pairs is None, "4.5 million pairs are too many for 32 MB"
    (group,) = Duplicates.of(compared, 0.85).groups
    assert (group.keeper, len(group.members)) == ("l#0", 2999)
    assert tracemalloc.get_traced_memory()[1] - before < 100 * MB, "all pairs take 700 MB"


@given(st.integers(0, 2**32 - 1), st.sampled_from(LINKAGES), st.sampled_from([0.6, 0.85, 0.95, 1.0]))
@settings(max_examples=25)
def test_groups_of_several_passages_are_the_same(seed: int, linkage: Linkage, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 40))
    vectors = alike(count, float(rng.choice([0.1, 0.5, 1])), 16)
    documents = [
        DocumentPassages(rng.integers(count, size=size), rng.integers(1, 5, size=size).astype(float))
        for size in rng.integers(1, 4, size=count)
    ]
    fits = rng.random((count, count)) < 0.7
    fits |= fits.T
    corpus = Corpus(vectors, documents)
    names = [str(at) for at in range(count)]
    kept = Compared(
        names,
        np.arange(count),
        corpus.pairs(threshold),
        threshold,
        corpus,
        lambda n: ["x"] * len(n),
        "document",
    )
    kept, refused = kept.decided(lambda left, right: fits[left, right])
    again, some = replace(kept, pairs=None, memory=2**16).decided(lambda left, right: fits[left, right])
    order = rng.permutation(count)
    one, other = (Duplicates.of(made, threshold, linkage=linkage, order=order) for made in (kept, again))
    assert [(g.keeper, {m.name for m in g.members}) for g in one.groups] == [
        (g.keeper, {m.name for m in g.members}) for g in other.groups
    ]
    every = refused.pairs(corpus)
    listed = some.pairs(corpus)
    known = set(zip(every.left.tolist(), every.right.tolist(), strict=True))
    assert set(zip(listed.left.tolist(), listed.right.tolist(), strict=True)) <= known
    assert len(listed) <= count


def test_a_join_stops_at_its_limit(tmp_path: Path) -> None:
    vectors = alike(500)
    assert len(join(vectors, 0.5, limit=500 * 499 // 2)) == 500 * 499 // 2
    with pytest.raises(TooManyPairs):
        join(vectors, 0.5, limit=500 * 499 // 2 - 1)
    path = tmp_path / "join.npz"
    with pytest.raises(TooManyPairs):
        saved_join(vectors, 0.5, path, limit=1000)
    assert not path.exists(), "what is too large to keep is not written either"
    saved_join(vectors, 0.5, path)
    with pytest.raises(TooManyPairs):
        saved_join(vectors, 0.5, path, limit=1000)


def test_pairs_come_by_falling_similarity_in_parts() -> None:
    vectors = alike(120)
    neighbours = Neighbours(
        Corpus(vectors, [DocumentPassages(np.array([at]), np.ones(1)) for at in range(120)]), 0.5, memory=MB
    )
    neighbours._most = 300
    parts = list(neighbours.falling(np.arange(120)))
    similarity = np.concatenate([part.similarity for part in parts])
    assert len(parts) > 5 and len(similarity) == 120 * 119 // 2
    assert np.all(np.diff(similarity) <= 0)


def test_a_leak_is_the_best_of_too_many_pairs() -> None:
    collection = letters(alike(300))
    one, other = (
        find_leaks(collection, 100, 0.5, memory=memory, differing=True) for memory in (2**29, 2**18)
    )
    assert [(p.left, p.right) for p in one.pairs] == [(p.left, p.right) for p in other.pairs]
    assert len(one.pairs) == 100


@pytest.mark.long
@pytest.mark.parametrize("text", ["word " * 200_000, "word\n" * 200_000, "字" * 300_000])
def test_a_long_text_is_cut_in_bounded_memory(text: str, traced: None) -> None:
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    made = chunk(Document("a.txt", text), TinyEmbedder())
    assert len(made.record.passages) > 70
    assert tracemalloc.get_traced_memory()[1] - before < 60 * len(text)


def test_passages_of_a_document_share_its_metadata(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text(f'{{"text": "{"some words " * 400}", "note": "{"m" * 1000}"}}')
    with create_index(tmp_path / "index") as index:
        index.ingest(tmp_path / "r.jsonl")
        (hit, *_) = index.query("some words", k=1)
        assert hit.metadata == {"note": "m" * 1000}
        assert index.check().sound
    with closing(Library(tmp_path / "index" / "library.sqlite3")) as library:
        numbers = range(1, 10)
        found = library.passages_numbered(numbers)
        assert len(found) > 5 and len({id(passage.metadata) for passage in found.values()}) == 1
        ids = [passage.id for passage in found.values()]
        assert all(not passage.metadata for passage in library.passages(ids, metadata=False).values())

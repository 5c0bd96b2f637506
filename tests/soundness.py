"""Assertions that hold for every index after every write. They look behind the public names."""

from contextlib import closing
from typing import Any

import numpy as np

from semsearch.index import Index
from semsearch.storage.library import full_text_problems
from semsearch.storage.library.connection import connect
from semsearch.storage.library.fulltext import FullText
from semsearch.storage.vectors.chroma import ChromaEngine

_PAGE = 5_000


def assert_sound(index: Index) -> None:
    """Assert that the Library is whole, without leftovers, and that Chroma holds exactly what it publishes."""
    with closing(connect(index.folder / "library.sqlite3")) as library:
        assert library.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert library.execute("PRAGMA foreign_key_check").fetchall() == []
        assert library.execute("SELECT * FROM outbox").fetchall() == [], "Chroma has yet to be told something"
        assert library.execute("SELECT key FROM sources WHERE published = 0").fetchall() == [], (
            "half a source"
        )
        unused = "SELECT count(*) FROM vectors WHERE id NOT IN (SELECT vector_id FROM passages)"
        assert library.execute(unused).fetchone() == (0,), "vectors without a passage"
        query = (
            "SELECT passages.id, vector, text, key, name, unit, first, last FROM passages"
            " JOIN vectors ON vectors.id = vector_id JOIN documents ON documents.id = document_id"
            " JOIN sources ON sources.id = source_id"
        )
        stored = library.execute(query).fetchall()
        assert full_text_problems(index.folder / "library.sqlite3") == []
        held = FullText(library).passage_table()
        found = dict(zip(held.numbers[held.live].tolist(), held.vectors[held.live].tolist(), strict=True))
        assert found == dict(library.execute("SELECT number, vector_id FROM published")), "full-text search"
    expected = {id_: rest for id_, *rest in stored}
    assert len(expected) == len(stored), "two passages with one id"
    assert index.status().counts["passages"] == len(stored)
    assert index._vectors.strays() == [], "folders that belong to nothing"

    with closing(ChromaEngine(index.folder / "chroma")) as vectors:
        assert_holds(vectors, expected)


def assert_holds(vectors: ChromaEngine, expected: dict[str, list[Any]]) -> None:
    """Assert that Chroma holds these passages and nothing else."""
    ids = list(expected)
    assert vectors.count() == len(ids)
    for start in range(0, len(ids), _PAGE):
        page = vectors._collection.get(
            ids=ids[start : start + _PAGE], include=["embeddings", "documents", "metadatas"]
        )
        assert set(page["ids"]) == set(ids[start : start + _PAGE])
        held = zip(page["ids"], page["embeddings"], page["documents"], page["metadatas"], strict=True)
        for id_, embedding, document, metadata in held:
            vector, text, source, name, unit, first, last = expected[id_]
            own = np.frombuffer(vector, "<f4")
            assert abs(float(np.linalg.norm(own)) - 1) < 1e-5
            np.testing.assert_allclose(embedding, own, atol=1e-6)
            assert document == text
            assert metadata == {
                "source": source, "document": name, "unit": unit, "first": first, "last": last,
            }  # fmt: skip

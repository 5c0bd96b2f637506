"""The vector file: it answers as the Library does, and whatever is wrong with it changes no answer."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_embedder import TinyEmbedder, create_index

from semsearch import Index
from semsearch.errors import IndexDamaged
from semsearch.search import engine
from semsearch.storage.library import Library, vector_file
from semsearch.storage.library.settings import VECTOR_FILE

WORDS = ("amber", "oak", "river", "stone", "cloud", "night", "iron", "salt", "moss")
TEXTS = [f"{a} {b}" for a in WORDS for b in WORDS]


@pytest.fixture(autouse=True)
def write_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_file, "LEAST", 0)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with create_index(tmp_path / ".semsearch") as made:
        made.add([{"id": text, "text": text} for text in TEXTS])
        yield made


def held(index: Index) -> Any:
    return index._library.setting(VECTOR_FILE)


def names(index: Index) -> set[str]:
    return {path.name for path in index.folder.glob(vector_file.FILES)}


def answers(index: Index) -> list[Any]:
    found = index.query_many(["amber oak", "salt", "moss iron river"], k=20, collapse=False)
    return [[(hit.document, hit.score) for hit in hits] for hits in found]


def opened(index: Index) -> Index:
    """Return the index as another process opens it."""
    return Index.open(index.folder, embedder=TinyEmbedder())


def from_library(index: Index) -> list[Any]:
    with index._library.snapshot():
        table = index._library.vectors(map_file=False)
    return list(zip(table.numbers.tolist(), table.parts[0].tolist(), strict=True))


def from_file(index: Index) -> list[Any]:
    numbers, vectors, _ = vector_file.mapped(index.folder, held(index), index._library.dimension())
    return list(zip(numbers.tolist(), vectors.tolist(), strict=True))


@pytest.mark.parametrize("sizes", [(0,), (1,), (5_000, 300), (256, 0, 257), (9_000,)])
def test_products_do_not_depend_on_others(sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    parts = tuple(random.standard_normal((size, 40), np.float32) for size in sizes)
    others = random.standard_normal((5, 40), np.float32)
    table = vector_file.VectorTable(np.arange(sum(sizes)), parts)
    monkeypatch.setattr("semsearch.threads.cpus", lambda: 3)
    together = table.products(others)
    np.testing.assert_allclose(together, others.astype(float) @ np.concatenate(parts).T, atol=1e-4)
    monkeypatch.setattr("semsearch.threads.cpus", lambda: 1)
    np.testing.assert_array_equal(np.concatenate([table.products(one[None]) for one in others]), together)
    some = np.arange(0, sum(sizes), 7)
    np.testing.assert_array_equal(np.vecdot(table.take(some), others[1]), together[1, some])


def test_the_file_has_the_vectors_of_the_library(index: Index) -> None:
    assert from_file(index) == from_library(index)
    assert len(names(index)) == 3


def test_new_vectors_are_appended(index: Index) -> None:
    before = held(index)
    index.add([{"id": "new", "text": "glass"}])
    assert held(index) == {"name": before["name"], "rows": before["rows"] + 1, "last": before["last"] + 1}
    assert from_file(index) == from_library(index)


def test_few_new_vectors_are_read_from_the_library(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_file, "LEAST", 5)
    before = held(index)
    index.add([{"id": "new", "text": "glass"}])
    assert held(index) == before
    with index._library.snapshot():
        table = index._library.vectors()
    assert [len(part) for part in table.parts] == [len(TEXTS), 1]
    assert [hit.document for hit in index.query("glass", k=1)] == ["record://new"]


def test_the_number_of_a_vector_is_not_used_again(index: Index) -> None:
    index.add([{"id": "last", "text": "glass"}])
    last = held(index)["last"]
    index.delete("last")
    index.add([{"id": "other", "text": "copper"}])
    assert held(index)["last"] > last
    assert [hit.document for hit in opened(index).query("copper", k=1)] == ["record://other"]
    assert index.check().sound


def test_the_file_is_written_again_where_most_is_deleted(index: Index) -> None:
    before = held(index)
    index.delete(TEXTS[: len(TEXTS) * 2 // 3])
    assert held(index)["name"] != before["name"]
    assert from_file(index) == from_library(index)
    assert len(names(index)) == 3


def test_a_reader_of_an_older_state_keeps_its_rows(index: Index) -> None:
    with index._library.snapshot():
        table = index._library.vectors()
    expected = table.parts[0].copy()
    index.delete(TEXTS[: len(TEXTS) * 2 // 3])
    index.add([{"id": "new", "text": "glass"}])
    assert np.array_equal(table.parts[0], expected)


@pytest.mark.parametrize("damage", ["removed", "short", "numbers", "empty", "link"])
def test_a_broken_file_changes_no_answer(index: Index, damage: str, tmp_path: Path) -> None:
    expected = answers(index)
    numbers, vectors = (next(index.folder.glob(f"vectors-*.{end}")) for end in ("ids", "f32"))
    if damage == "removed":
        vectors.unlink()
    elif damage == "short":
        vectors.write_bytes(vectors.read_bytes()[:-1])
    elif damage == "numbers":
        numbers.write_bytes(numbers.read_bytes()[8:] + bytes(8))
    elif damage == "empty":
        numbers.write_bytes(b"")
    else:
        vectors.rename(tmp_path / "elsewhere")
        vectors.symlink_to(tmp_path / "elsewhere")
        assert len(from_file(index)) == 0
        return
    with opened(index) as other:
        assert answers(other) == expected
        assert vector_file.vector_file_problems(other._library) != []
        other.add([{"id": "new", "text": "glass"}])  # which writes the files again
        assert from_file(other) == from_library(other)


def test_rows_are_read_and_not_mapped(index: Index) -> None:
    with index._library.snapshot():
        table = index._library.vectors()
    assert table.file is not None
    rows = np.array([len(table.numbers) - 1, 0, 7, 7])
    assert np.array_equal(table.take(rows), np.concatenate(table.parts)[rows])
    (path,) = index.folder.glob("vectors-*.f32")
    os.truncate(path, table.parts[0].nbytes // 2)
    with pytest.raises(IndexDamaged, match="shorter"):
        table.take(np.array([0, len(table.parts[0]) - 1]))


def test_check_finds_a_changed_vector(index: Index) -> None:
    (path,) = index.folder.glob("vectors-*.f32")
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    problems = {one.subject: one.problems for one in index.check().findings if one.problems}
    assert problems == {"vector file": ("1 vectors differ from those of the Library",)}
    index.repair()
    assert index.check().sound


def test_a_changed_vector_is_not_shown(index: Index) -> None:
    expected = answers(index)
    (path,) = index.folder.glob("vectors-*.f32")
    size = 4 * index._library.dimension()
    content = bytearray(path.read_bytes())
    vector = TinyEmbedder().embed(["amber oak"])[0].tobytes()
    content[50 * size : 51 * size] = vector  # it would be the best of the first query
    path.write_bytes(content)
    with opened(index) as other:
        assert answers(other) == expected


def test_a_full_disk_leaves_an_index_that_answers(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    before = held(index), {path: path.stat().st_size for path in index.folder.glob(vector_file.FILES)}

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(vector_file.os, "fsync", full)
        index.add([{"id": "new", "text": "glass"}])
        assert (held(index), {path: path.stat().st_size for path in index.folder.glob("vectors-*")}) == before
        assert [hit.document for hit in opened(index).query("glass", k=1)] == ["record://new"]
        index.delete(TEXTS[: len(TEXTS) * 2 // 3])
        assert len(names(index)) == 3
    index.add([{"id": "more", "text": "copper"}])
    assert from_file(index) == from_library(index)


def test_rows_that_a_killed_writer_left_do_not_count(index: Index) -> None:
    for path in index.folder.glob(vector_file.FILES):
        with path.open("ab") as file:
            file.write(b"\xff" * 1000)
    assert from_file(index) == from_library(index)
    index.add([{"id": "new", "text": "glass"}])
    assert from_file(index) == from_library(index)
    assert index.check().sound


def test_forgetting_erases_the_vector_from_the_file(index: Index) -> None:
    index.add([{"id": "secret", "text": "glass copper zinc"}])
    vector = TinyEmbedder().embed(["glass copper zinc"])[0].tobytes()
    assert any(vector in path.read_bytes() for path in index.folder.glob("vectors-*.f32"))
    found = index.forget("record://secret", verify=True)
    assert found.left == ()
    assert found.pieces > 0
    assert not any(vector in path.read_bytes() for path in index.folder.iterdir() if path.is_file())
    assert from_file(index) == from_library(index)


@pytest.mark.parametrize("name", ["../../etc", "", "0" * 15, "0" * 17, "A" * 16, 5])
def test_a_strangers_name_of_the_file_is_refused(index: Index, name: object) -> None:
    index._library.save_setting(VECTOR_FILE, held(index) | {"name": name})
    with pytest.raises(Exception, match="impossible value"):
        index._library.setting(VECTOR_FILE)


def test_the_file_is_for_the_owner_only(index: Index) -> None:
    modes = {path.stat().st_mode & 0o777 for path in index.folder.glob(vector_file.FILES)}
    assert modes == {index.folder.stat().st_mode & 0o666}


@pytest.mark.parametrize(("mapped_bytes", "scanned"), [(10**9, True), (0, False)])
def test_more_vectors_are_compared_where_they_are_mapped(
    index: Index, monkeypatch: pytest.MonkeyPatch, mapped_bytes: int, scanned: bool
) -> None:
    monkeypatch.setattr(vector_file, "SCANNED_BYTES", 0)
    monkeypatch.setattr(vector_file, "CODED_BYTES", mapped_bytes)
    with index._library.snapshot():
        assert index._engine._corpora.current().scanned == scanned


def test_vectors_beyond_the_file_count_as_to_be_read(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_file, "LEAST", 5)
    size = 4 * index._library.dimension()
    assert index._library.vector_bytes() == (len(TEXTS) * size, 0, True)
    index.add([{"id": "new", "text": "glass"}])
    assert index._library.vector_bytes() == ((len(TEXTS) + 1) * size, size, True)


def test_a_vector_that_no_passage_uses_is_removed(index: Index) -> None:
    index.delete(TEXTS[:5])
    assert index._library.counts()["vectors"] == len(TEXTS) - 5
    assert [one.document for one in index.query("amber oak", k=100) if one.document[9:] in TEXTS[:5]] == []


def test_many_that_meet_a_condition_come_from_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def best(of: Index) -> list[Any]:
        return [(hit.document, hit.score) for hit in of.query("oak kind:amber", k=2, mode="dense")]

    with create_index(tmp_path / "fields") as index:
        index.add([{"id": text, "text": text, "kind": text.split()[0]} for text in TEXTS])
        expected = best(index)
        assert len(expected) == 2
    monkeypatch.setattr(vector_file, "SCANNED_BYTES", 0)
    monkeypatch.setattr(vector_file, "CODED_BYTES", 0)
    monkeypatch.setattr(engine, "_MAPPED_FROM", 0)
    read: list[int] = []
    numbered = Library.vectors_numbered

    def counted(library: Library, numbers: list[int]) -> Any:
        read.append(len(numbers))
        return numbered(library, numbers)

    monkeypatch.setattr(Library, "vectors_numbered", counted)
    with opened(index) as other:
        assert best(other) == expected
        assert read == [2], "only what is shown is read"
    (path,) = index.folder.glob("vectors-*.f32")
    content = bytearray(path.read_bytes())
    size = 4 * TinyEmbedder().fingerprint.dimension
    content[5 * size : 6 * size] = TinyEmbedder().embed(["oak"])[0].tobytes()
    path.write_bytes(content)
    with opened(index) as other:
        assert best(other) == expected
        assert read[-1] == len(WORDS), "then the Library's own vectors are compared"

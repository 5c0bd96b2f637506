"""The cache of vectors: a second look embeds nothing, and whatever is wrong with the file changes no result."""

import os
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tiny_embedder import TinyEmbedder

from semsearch import InvalidInput
from semsearch.storage.vector_cache import ENVIRONMENT, VectorCache, vector_cache

TEXTS = [f"text number {number}" for number in range(1_200)]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Turn the cache on, in a folder for the test; return its file."""
    monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(ENVIRONMENT)
    return tmp_path / "cache" / "vectors" / "vectors.sqlite3"


def embedded(texts: list[str] = TEXTS) -> int:
    """Embed texts through the cache, check the vectors, and return how many texts the model embedded."""
    model = TinyEmbedder()
    told: list[int] = []
    with vector_cache() as cache:
        vectors = cache.embed(model, texts, told.append) if cache else model.embed(texts)
    np.testing.assert_array_equal(vectors, TinyEmbedder().embed(texts))
    assert cache is None or sum(told) == len(texts)
    return model.texts


def test_a_second_look_embeds_only_what_is_new(file: Path) -> None:
    assert embedded() == len(TEXTS)
    assert embedded() == 0
    assert embedded([*TEXTS, "one more"]) == 1
    assert embedded([]) == 0


def test_the_file_is_private_and_has_no_text(file: Path) -> None:
    embedded(["a secret that nobody may read"])
    content = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert b"secret" not in content
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_folder_that_others_reach_is_not_used(file: Path) -> None:
    embedded()
    file.parent.chmod(0o755)
    assert embedded() == len(TEXTS)
    file.parent.chmod(0o700)
    file.unlink()
    file.symlink_to(file.parent / "elsewhere")
    assert embedded() == len(TEXTS) and not (file.parent / "elsewhere").exists()


def test_another_model_shares_nothing(file: Path) -> None:
    embedded()
    other = TinyEmbedder()
    other.fingerprint = TinyEmbedder().fingerprint.__class__("tiny", "1" * 64, "float32", "sum", 32, 64)
    with vector_cache() as cache:
        assert cache is not None
        cache.embed(other, TEXTS)
    assert other.texts == len(TEXTS)


@pytest.mark.parametrize("damage", [b"no database at all" * 400, b""])
def test_a_damaged_file_is_made_again(file: Path, damage: bytes) -> None:
    embedded()
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    file.write_bytes(damage)
    assert embedded() == len(TEXTS)
    embedded()
    assert embedded() == 0


def test_a_damaged_vector_is_computed_again(file: Path) -> None:
    embedded()
    with sqlite3.connect(file) as db:
        db.execute("UPDATE vectors SET vector = zeroblob(length(vector)) WHERE rowid <= 3")
        db.execute("UPDATE vectors SET vector = x'00' WHERE rowid = 4")
    db.close()
    assert embedded() == 4
    assert embedded() == 0


def test_damage_within_the_file_changes_no_result(file: Path) -> None:
    embedded()
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    content = bytearray(file.read_bytes())
    content[8192:60_000] = os.urandom(60_000 - 8192)
    file.write_bytes(content)
    embedded()
    embedded()
    assert embedded() == 0


def test_a_file_of_another_version_is_made_again(file: Path) -> None:
    embedded()
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    assert embedded() == len(TEXTS)
    assert embedded() == 0


def test_old_vectors_go_where_the_file_is_full(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = TinyEmbedder()
    embedded(["kept, since it is used again"])
    cache = VectorCache(file, 200_000)
    for day in range(1, 6):
        monkeypatch.setattr("semsearch.storage.vector_cache._today", lambda day=day: 30_000 + day)
        cache.embed(model, [f"{day} {text}" for text in TEXTS])
        cache.embed(model, ["kept, since it is used again"])
    cache.close()
    with sqlite3.connect(file) as db:
        (count,) = db.execute("SELECT count(*) FROM vectors").fetchone()
    db.close()
    assert 0 < count < 2 * len(TEXTS) and file.stat().st_size < 600_000
    assert embedded(["kept, since it is used again"]) == 0


def test_two_writers_share_one_file(file: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        parts = [TEXTS[start : start + 600] for start in (0, 200, 400, 600)]
        list(pool.map(embedded, parts))
    assert embedded() == 0


def test_a_locked_file_is_left_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded()
    monkeypatch.setattr("semsearch.storage.vector_cache._BUSY_SECONDS", 0.05)
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert embedded() == len(TEXTS)
    holder.execute("ROLLBACK")
    holder.close()
    assert embedded() == 0


def test_the_variable_sets_the_size_or_turns_it_off(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, "0")
    assert embedded() == len(TEXTS) and not file.exists()
    monkeypatch.setenv(ENVIRONMENT, "off")
    with pytest.raises(InvalidInput, match="not a size"):
        embedded()
    monkeypatch.setenv(ENVIRONMENT, "100MB")
    with vector_cache(0) as cache:
        assert cache is None

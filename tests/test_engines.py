"""Moving the vectors of an index between engines, and what fails on the way."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tiny_embedder import TinyEmbedder

from semsearch.cli import main
from semsearch.embedding import Vectors
from semsearch.errors import EngineUnavailable, IndexDamaged, InvalidInput, SemsearchError
from semsearch.files import config_folder
from semsearch.index import Index
from semsearch.search import approximate, engine
from semsearch.storage.library import vector_file
from semsearch.storage.vectors import engines, move, server
from semsearch.storage.vectors.server_store import ServerEngine
from semsearch.types import Mode
from tests.engine_servers import KEY, Double, QdrantDouble, WeaviateDouble

COUNT = 300
DOUBLES: dict[str, type[Double]] = {"qdrant": QdrantDouble, "weaviate": WeaviateDouble}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """Yield an index of `COUNT` texts, in which a search asks the engine."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(vector_file, "SCANNED_BYTES", 0)
    monkeypatch.setattr(vector_file, "CODED_BYTES", 0)
    with Index.create(tmp_path / "index", embedder=TinyEmbedder()) as index:
        index.add(
            [
                {"id": f"n{at}", "text": f"note {at} word{at % 7}", "kind": "common" if at % 50 else "rare"}
                for at in range(COUNT)
            ]
        )
        yield index


@pytest.fixture(params=DOUBLES)
def double(request: pytest.FixtureRequest) -> Iterator[Double]:
    double = DOUBLES[request.param]()
    yield double
    double.close()


def on(double: Double) -> str:
    return f"{next(name for name, kind in DOUBLES.items() if isinstance(double, kind))}+{double.url}"


def assert_answers(index: Index, url: str) -> None:
    """Assert that an engine is in use, is sound, and that searches use it."""
    assert index.engine == url
    report = index.check()
    assert report.sound and not any(finding.unknown for finding in report.findings)
    assert [hit.document for hit in index.query("note 17 word3", k=1, mode="dense")] == ["record://n17"]
    assert index.engine_notes() == []


@contextmanager
def impatient(index: Index, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let what need not be answered wait for half a second only, here alone: a loaded machine may be slower itself."""
    connections = index._graph._store._engine._connection._servers  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setattr(server, "QUICK", server.QUICK | {"silent": 0.5})
        connections.clear()
        yield
    connections.clear()


def best(index: Index, query: str, k: int = 20, mode: Mode = "dense") -> list[tuple[str, float]]:
    return [(hit.document, hit.score) for hit in index.query(query, k=k, mode=mode)]


def test_vectors_move_to_each_engine_and_back(index: Index, double: Double, chroma_url: str) -> None:
    assert index.engine == "chroma:"
    before = best(index, "word3")
    for url in ("qdrant:", f"chroma+{chroma_url}", on(double), "chroma:"):
        assert index.move_engine(url) == COUNT
        assert best(index, "word3") == before
        index.delete("n6")
        index.add({"id": "n6", "text": "note 6 word6"})
        assert_answers(index, url)
        assert index.repair() == COUNT
        assert_answers(index, url)
        assert sum((index.folder / name).exists() for name in engines.EMBEDDED) == ("+" not in url)
    assert double.collections() == []
    assert not list((config_folder() / "engines").iterdir())


@pytest.mark.parametrize("mode", ["dense", "hybrid"])
def test_a_condition_comes_before_the_nearest(
    index: Index, double: Double, chroma_url: str, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph is asked where many passages meet it; few are all compared, and those that are far from a query."""
    monkeypatch.setattr(engine, "_CANDIDATES", 30)
    monkeypatch.setattr(engine, "_TIES", 0)
    asked: list[int] = []

    def exactly(query: str) -> list[tuple[str, float]]:
        with monkeypatch.context() as context:
            context.setattr(engine, "_COMPARED", COUNT)
            return best(index, query, 6, mode)

    nearest = index._engine._nearest

    def counted(queries: Vectors, k: int) -> list[list[str]] | None:
        asked.append(k)
        return nearest(queries, k)

    monkeypatch.setattr(index._engine, "_nearest", counted)
    rare, common = "note 17 word3 kind:rare", "note 17 word3 kind:common"
    expected = exactly(rare), exactly(common)
    assert [len(hits) for hits in expected] == [6, 6] and not asked
    for url in ("chroma:", "qdrant:", f"chroma+{chroma_url}", on(double)):
        if url != "chroma:":
            index.move_engine(url)
        assert (best(index, rare, 6, mode), asked) == (expected[0], []), "six of 300 are few"
        monkeypatch.setattr(engine, "_COMPARED", 5)
        assert best(index, common, 6, mode) == expected[1] and asked == [61]
        asked.clear()
        assert best(index, rare, 6, mode) == expected[0] and asked == [3_000], "and now they are not"
        monkeypatch.setattr(approximate, "_MOST_ASKED", 1_000)
        asked.clear()
        assert best(index, rare, 6, mode) == expected[0] and asked == [], "but most of 1,000 would be others"
        assert index.engine_notes() == []
        monkeypatch.setattr(engine, "_COMPARED", 20_000)
        monkeypatch.setattr(approximate, "_MOST_ASKED", 10_000)
        asked.clear()


def test_another_process_follows_the_move(index: Index, double: Double) -> None:
    with Index.open(index.folder, embedder=TinyEmbedder()) as other:
        assert_answers(other, "chroma:")
        index.move_engine(on(double))
        asked = len(double.requests)
        assert_answers(other, on(double))
        assert len(double.requests) > asked
    said = CliRunner().invoke(main, ["status", "--index", str(index.folder)]).stdout
    assert f"engine       {on(double)}" in said.splitlines()
    assert index.status().engine == on(double)


@pytest.mark.parametrize(
    "url",
    ["http://user:secret@a:1", "qdrant:user:secret@a", "qdrant+http:user:secret@a", "qdrant+http://user:secret@a:1",
     "qdrant+http://user:sec[secret@a", "qdrant+http:///user:secret@a", "qdrant+http://user:secret", "qdrant+http://a?k=secret"],
)  # fmt: skip
def test_a_password_in_a_url_is_not_shown_or_saved(index: Index, url: str) -> None:
    done = CliRunner().invoke(main, ["engine", "move", url, "--index", str(index.folder)])
    set_ = CliRunner().invoke(main, ["config", "set", "base-url", url.removeprefix("qdrant+"), "--user"])
    for result in (done, set_):
        assert result.exit_code == 2, result.output
        assert "Error: " in result.output and "secret" not in result.output
    assert not list(config_folder().rglob("*.*"))


def test_a_url_of_no_engine_is_refused(index: Index) -> None:
    secret = "qdrant+http://user:password@127.0.0.1:1"
    for url in ("", "faiss:", "qdrant:x", "qdrant+ftp://a", "qdrant+http:a", "chroma:", secret):
        with pytest.raises(InvalidInput):
            index.move_engine(url)
    for wrong in ("qdrant+http://a b", "qdrant+http://a:port"):
        with pytest.raises(InvalidInput) as caught:
            index.move_engine(wrong)
        assert caught.value.hint == "such as qdrant+http://127.0.0.1:8000"
    assert_answers(index, "chroma:")


# -- a server that fails -------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize(
    ("status", "path"),
    [(-1, "writes"), (500, "exists"), (400, "writes"), (404, "exists"), (404, "counts"), (404, "")],
)
def test_a_move_that_fails_leaves_the_old_engine(
    index: Index, double: Double, status: int, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(move, "BATCH", 100)
    monkeypatch.setattr(server, "PATIENCE", server.PATIENCE | {"attempts": 1})
    double.fails[getattr(double, path, ".")] = status
    with pytest.raises(SemsearchError) as caught:
        index.move_engine(on(double))
    if status == 404:
        assert isinstance(caught.value, EngineUnavailable) and " server from version " in caught.value.hint
    double.fails.clear()
    assert_answers(index, "chroma:")
    index.add({"id": "more", "text": "one more"})
    index.delete("more")
    assert double.collections() == [], "the next writer removes half a copy"


@pytest.mark.long
def test_a_copy_that_differs_is_not_used(
    index: Index, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = move.send

    def half(library: object, engine: object, ids: list[str]) -> None:
        send(library, engine, ids[:-1])  # type: ignore[arg-type]

    monkeypatch.setattr(move, "send", half)
    for url in (on(double), "qdrant:"):
        with pytest.raises(SemsearchError, match="1 passages of 300 are missing"):
            index.move_engine(url)
        assert_answers(index, "chroma:")
    assert double.collections() == [] and not (index.folder / "qdrant").exists()


def test_a_server_that_is_gone_delays_no_answer(index: Index, double: Double) -> None:
    index.move_engine(on(double))
    double.close()
    (hit,) = index.query("note 17 word3", k=1, mode="dense")
    assert hit.document == "record://n17"
    (note,) = index.engine_notes()
    assert "all passages were compared" in note and "cannot be reached" in note
    index.add({"id": "late", "text": "a late text"})
    assert index.query("a late text", k=1, mode="dense")[0].document == "record://late"
    assert any("has yet to be sent" in note for note in index.engine_notes())
    report = index.check()
    assert report.sound
    assert [finding.subject for finding in report.findings if finding.unknown] == ["vectors"]
    with pytest.raises(EngineUnavailable):
        index.repair()
    assert index.move_engine("chroma:") == COUNT + 1
    assert_answers(index, "chroma:")
    done = index.forget("record://late", verify=True)
    assert done.pieces and done.left == done.elsewhere == () and len(done.unremoved) == 1


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_write_waits_for_a_silent_server_once(
    index: Index, double: Double, monkeypatch: pytest.MonkeyPatch, interrupted: bool
) -> None:
    index.move_engine(on(double))
    monkeypatch.setattr(server, "PATIENCE", server.PATIENCE | {"attempts": 1, "silent": 0.5})
    if interrupted:
        double.fails["."] = 503
        index.add({"id": "early", "text": "an early text"})
        double.fails.clear()
    with impatient(index, monkeypatch):
        double.slow = 2.0
        asked = len(double.requests)
        index.add({"id": "late", "text": "a late text"})
        assert len(double.requests) == asked + 1
        assert any("has yet to be sent" in note for note in index.engine_notes())
    double.slow = 0.0
    index.delete("n1")
    assert_answers(index, on(double))


@pytest.mark.long
def test_changes_reach_a_server_that_comes_back(index: Index, double: Double) -> None:
    index.move_engine(on(double))
    double.fails["."] = 503
    index.add({"id": "late", "text": "a late text"})
    double.fails.clear()
    index.delete("n1")
    assert_answers(index, on(double))


def test_a_server_that_was_never_there_keeps_no_copy(index: Index, double: Double) -> None:
    double.close()
    with pytest.raises(EngineUnavailable):
        index.move_engine(on(double))
    done = index.forget("record://n17", verify=True)
    assert (done.passages, done.left, done.unremoved, done.elsewhere) == (1, (), (), ())
    assert not list((config_folder() / "engines").iterdir())


@pytest.mark.long
def test_forget_names_a_copy_that_it_cannot_remove(
    index: Index, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.move_engine(on(double))
    (name,) = double.collections()
    with impatient(index, monkeypatch):
        double.slow = 2.0
        index.move_engine("chroma:")
        done = index.forget("record://n17", verify=True)
    assert done.passages == 1 and done.pieces and done.left == done.elsewhere == ()
    assert done.unremoved == (f"{name} on {on(double)}",)
    double.slow, double.fails["."] = 0.0, 404  # a page of a proxy
    run = CliRunner().invoke(main, ["forget", "record://n18", "--index", str(index.folder), "--json"])
    assert run.exit_code == 1 and name in run.stderr, run.stderr
    assert json.loads(run.stdout)["unremoved"] == [*done.unremoved]
    double.fails.clear()
    assert index.forget("record://n19").unremoved == ()
    assert double.collections() == [] and not list((config_folder() / "engines").iterdir())


def test_a_forgotten_text_leaves_the_server(index: Index, double: Double) -> None:
    index.move_engine(on(double))
    double.fails[double.writes.removesuffix("$")] = 503
    with pytest.raises(EngineUnavailable):
        index.forget("record://n17", verify=True)
    double.fails.clear()
    index.delete("n1")  # any writer completes it
    (name,) = double.collections()
    stored = double.stored(name)
    assert len(stored) == COUNT - 2
    assert not any('record://n17"' in one for one in stored)
    assert index.check().sound


def test_a_slow_server_is_given_up_for_a_search(
    index: Index, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.move_engine(on(double))
    double.slow = 2.0
    with impatient(index, monkeypatch):
        assert index.query("note 17 word3", k=1, mode="dense")[0].document == "record://n17"
    assert "in time" in index.engine_notes()[0]
    asked = len(double.requests)
    assert index.query("note 18 word4", k=1, mode="dense")[0].document == "record://n18"
    assert len(double.requests) == asked, "it is not asked again at once"


def test_a_server_that_lost_vectors_is_damage(index: Index, double: Double) -> None:
    index.move_engine(on(double))
    (name,) = double.collections()
    double.remove(name)
    with pytest.raises(IndexDamaged, match=r"0 vectors, and should have 300|has no class"):
        index.add({"id": "late", "text": "a late text"})
    assert not index.check().sound
    index.repair()
    assert index.check().sound


@pytest.mark.parametrize("kind", DOUBLES)
def test_a_server_that_wants_a_key_gets_its_own(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    double = DOUBLES[kind](KEY)
    try:
        with pytest.raises(EngineUnavailable, match="401") as caught:
            index.move_engine(on(double))
        port = double.url.rpartition(":")[2]
        assert f"SEMSEARCH_API_KEY_127_0_0_1_{port}" in caught.value.hint
        monkeypatch.setenv(f"SEMSEARCH_API_KEY_127_0_0_1_{port}", KEY)
        index.move_engine(on(double))
        assert_answers(index, on(double))
        assert not any(KEY.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    finally:
        double.close()


# -- an index of a stranger -------------------------------------------------------------------------------------


@pytest.mark.long
def test_an_index_that_was_copied_asks_nobody(index: Index, double: Double, tmp_path: Path) -> None:
    """The id of a copy on a server is known to whoever has the index; the folder is not theirs."""
    index.move_engine(on(double))
    subprocess.run(["cp", "-r", index.folder, tmp_path / "copy"], check=True)
    asked = len(double.requests)
    with Index.open(tmp_path / "copy", embedder=TinyEmbedder()) as copy:
        nameless = f"{on(double).partition(':')[0]}:"
        assert copy.engine == nameless
        assert copy.query("note 17 word3", k=1, mode="dense")[0].document == "record://n17"
        assert "not known on this machine" in copy.engine_notes()[0]
        copy.add({"id": "late", "text": "a late text"})
        assert len(double.requests) == asked
        copy.move_engine("chroma:")
        assert copy.check().sound
        done = copy.forget("record://n18", verify=True)
        (name,) = double.collections()
        assert done.pieces and done.left == done.unremoved == ()
        assert done.elsewhere == (f"{name} on {nameless}",), "it is the original's"
        assert len(double.requests) == asked
    assert_answers(index, on(double))


# -- a kill -----------------------------------------------------------------------------------------------------

_KILLED = """
import os, sys
from pathlib import Path
from tiny_embedder import TinyEmbedder
from semsearch.index import Index
from semsearch.storage.library import Library
steps = int(sys.argv[3])
save, mark = Library.save_setting, Library.mark_applied
def counted(function):
    def run(*arguments):
        global steps
        steps -= 1
        if steps == 0:
            os._exit(9)
        function(*arguments)
        steps -= 1
        if steps == 0:
            os._exit(9)
    return run
Library.save_setting, Library.mark_applied = counted(save), counted(mark)
with Index.open(Path(sys.argv[1]), embedder=TinyEmbedder()) as index:
    index.move_engine(sys.argv[2])
"""


@pytest.mark.long
@pytest.mark.parametrize("step", (2, 5, 8, 11))
def test_a_kill_leaves_the_old_or_the_new_engine(index: Index, double: Double, step: int) -> None:
    url = on(double) if step % 2 else "qdrant:"
    command = [sys.executable, "-c", _KILLED, str(index.folder), url, str(step)]
    ended = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert ended.returncode in (0, 9), ended.stderr
    with Index.open(index.folder, embedder=TinyEmbedder()) as after:
        assert after.engine in ("chroma:", url)
        assert after.check().sound
        assert after.query("note 17 word3", k=1, mode="dense")[0].document == "record://n17"
        held = [name for name in engines.EMBEDDED if (after.folder / name).exists()]
        assert held == [] if "+" in after.engine else held == [after.engine[:-1]]
        assert len(double.collections()) == ("+" in after.engine)


def test_vectors_of_another_dimension_are_refused(double: Double) -> None:
    made = engines.SERVERS[on(double).partition("+")[0]]
    server: ServerEngine = getattr(import_module(f"semsearch.storage.vectors.{made[0]}"), made[1])(
        double.url, "Some_a"
    )
    server.create()
    server.upsert(["a"], np.eye(4, dtype=np.float32)[:1], ["text"], [{"x": 1}])
    with pytest.raises(SemsearchError):
        server.upsert(["b"], np.eye(8, dtype=np.float32)[:1], ["text"], [{"x": 1}])
    assert server.count() == 1

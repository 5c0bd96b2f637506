"""The command line asks a server of the index by a socket: the same output, and nothing that a stranger could use."""

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from serving import REPLACED, served
from tiny_embedder import TinyEmbedder, create_index, open_index

from semsearch import Index, SearchRequest, SimilarRequest
from semsearch.cli import main
from semsearch.cli.served import count_tokens, opened
from semsearch.errors import IndexDamaged
from semsearch.index import LONGEST_QUERY
from semsearch.search.hits import Hits
from semsearch.server import wire
from semsearch.server.wire import Unanswered, address, connect, hit_from, hit_to
from semsearch.storage.location import LIBRARY, SOCKET

pytestmark = pytest.mark.skipif(not wire.supported(), reason="there are no sockets with owners here")


def fill(index: Index) -> None:
    text = "The saw is in the shed.\n\nThe deposit comes back.\n"
    records: list[dict[str, Any]] = [
        {"id": "one", "text": text, "tags": ["tools", "home"], "year": 2024},
        {"id": "two", "text": text, "tags": ["tools"], "done": True},
        {"id": "evil", "text": "an \x1b[31mescape\x07 and \u202e turned 锯子 shed", "title": "\x1b]0;x\x07"},
    ]
    index.add(records)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    with create_index(tmp_path_factory.mktemp("i") / ".semsearch") as made:
        fill(made)
        yield made


def answers(index: Any) -> list[Any]:
    """Return what an index answers to the calls of `query`."""
    requests = [
        SearchRequest("saw in the shed", explain=True),
        SearchRequest("escape tags:none"),
        SearchRequest("tags:tools", collapse=False),
    ]
    found = index.search(requests)
    return [
        [list(hits) for hits in found],
        [index.notes(request) for request in requests],
        index.facets(["tags", "done", "year"], "tags:tools"),
        index.facets(["tags"]),
        index.status().counts,
        index.path_of("notes/a.md"),
        similar := index.find_similar(SimilarRequest("record://one", 3, source="none/*")),
        index.notes(SimilarRequest("record://one", source="none/*"), Hits(similar, left_out=3)),
        [name in index for name in ("one", "record://one", "none")],
        [index.is_unchanged(name) for name in ("record://one", "none")],
        count_tokens(index, "the saw 锯子"),
    ]


def test_served_index_answers_as_the_index_itself(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(index):
        assert stat.S_IMODE((index.folder / SOCKET).lstat().st_mode) == 0o600
        monkeypatch.setattr(Index, "open", None)
        with opened(index.folder, shown=True) as ours:
            assert not isinstance(ours, Index) and answers(ours) == answers(index)
    assert not (index.folder / SOCKET).exists()


@pytest.fixture
def opens_with_tiny_model(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Index.open
    monkeypatch.setattr(Index, "open", lambda folder: whole(folder, embedder=TinyEmbedder()))


LONG = "word " * LONGEST_QUERY
"""A query that is refused."""


def printed(folder: Path, *words: str) -> tuple[int, bytes, bytes]:
    """Return the exit code of `query` and what it prints."""
    return printed_by("query", folder, *words)


def printed_by(command: str, folder: Path, *words: str) -> tuple[int, bytes, bytes]:
    done = CliRunner().invoke(main, [command, "--index", str(folder), *words])
    return done.exit_code, done.stdout_bytes, done.stderr_bytes


@pytest.mark.parametrize(
    "options",
    ["", "--json", "--jsonl", "-l", "--explain --show full", "--facet tags --json", "--facet year", "--lang zh",
     "--markdown", "--context 1", "--mode lexical", "--no-collapse -k 1", "--source none/*", "--min-score 0.99"],
)  # fmt: skip
def test_query_prints_the_same_bytes(options: str, index: Index, opens_with_tiny_model: None) -> None:
    questions = ("saw in the shed", "escape", "tags:tools year>2000", "zzz +nowhere", "colour:red saw", LONG)
    without = [printed(index.folder, question, *options.split()) for question in questions]
    with served(index):
        assert [printed(index.folder, question, *options.split()) for question in questions] == without
    assert without[0][0] == 0 and without[-1][0] == 2


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Index]]:
    """Return a folder of files, and its index."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "one.md").write_text("The saw is in the shed.\n\nThe deposit comes back.\n", "utf-8")
    (folder / "two:3.md").write_text("The saw is in the shed now.\n\n锯子在棚子里。\n", "utf-8")
    (folder / "rows.csv").write_text("id,text\n1,The saw is in the shed\n2,The deposit\n", "utf-8")
    with create_index(folder / ".semsearch") as made:
        made.ingest(folder)
        yield folder, made


@pytest.mark.parametrize(
    "words",
    ["one.md", "one.md:3 --json", "./two:3.md", "two:3.md:1 --jsonl", "rows.csv#1 -l", "one.md:99", "none.md",
     "new.txt", "one.md --contained 0.5", "one.md --source none/* --lang zh", "one.md --context 1",
     "one.md --min-score 0.999"],
)  # fmt: skip
def test_similar_prints_the_same_bytes(
    words: str,
    files: tuple[Path, Index],
    tmp_path: Path,
    opens_with_tiny_model: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, index = files
    monkeypatch.chdir(folder if words != "new.txt" else tmp_path)
    (tmp_path / "new.txt").write_text("The saw is in a new shed.\n", "utf-8")
    without = printed_by("similar", index.folder, *words.split())
    with served(index):
        assert printed_by("similar", index.folder, *words.split()) == without
    assert without[0] == (2 if words in ("one.md:99", "none.md") else 0)


@pytest.mark.parametrize(
    "command",
    ["similar one.md", "similar two:3.md:1", "query saw --context 1", "query saw --markdown --budget 50"],
)
def test_server_alone_answers(
    command: str, files: tuple[Path, Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, index = files
    monkeypatch.chdir(folder)
    with served(index):
        monkeypatch.setattr(Index, "open", None)
        code, output, _ = printed_by(command.split()[0], index.folder, *command.split()[1:])
    assert code == 0 and b"saw" in output


def test_query_with_a_server_loads_neither_model_nor_store(tmp_path: Path, sample_corpus: Path) -> None:
    code = (
        "import sys\nfrom semsearch.cli import main\n"
        "main(['query', '--index', sys.argv[1], 'my deposit'], standalone_mode=False)\n"
        "print('\\n', *sys.modules)"
    )
    shutil.copytree(sample_corpus / "faq", tmp_path / "faq")
    with Index.create(tmp_path / ".semsearch") as index:
        index.ingest([tmp_path / "faq"])
        with served(index):
            command = [sys.executable, "-c", code, str(index.folder)]
            found = subprocess.run(command, capture_output=True, check=True)
    output = found.stdout[: found.stdout.rindex(b"\n sys")]
    loaded = {name.partition(".")[0] for name in found.stdout.decode().splitlines()[-1].split()}
    assert "rich" in loaded and output.startswith(b" 1  0.")
    assert loaded.isdisjoint({"numpy", "chromadb", "onnxruntime", "starlette", "uvicorn", "httpx", "sqlite3"})
    assert printed(tmp_path / ".semsearch", "my deposit")[1].startswith(output)


def test_server_answers_from_what_another_process_wrote(index: Index) -> None:
    with served(index):
        with open_index(index.folder) as other:
            other.add([{"id": "new", "text": "a brand new plane"}])
        with opened(index.folder, shown=False) as ours:
            (hits,) = ours.search([SearchRequest("brand new plane", k=1)])
        assert [hit.source for hit in hits] == ["record://new"]
        index.delete("new")


def test_second_server_leaves_the_socket_to_the_first(index: Index) -> None:
    with served(index):
        inode = (index.folder / SOCKET).lstat().st_ino
        with open_index(index.folder) as other, served(other):
            assert (index.folder / SOCKET).lstat().st_ino == inode
        assert connected(index.folder)


def connected(folder: Path) -> bool:
    if connection := connect(folder):
        connection.close()
    return connection is not None


def test_socket_of_a_dead_server_is_ignored_and_replaced(index: Index) -> None:
    with socket.socket(socket.AF_UNIX) as dead, address(index.folder) as at:
        dead.bind(at)
        (index.folder / SOCKET).chmod(0o600)
    assert not connected(index.folder)
    open_index(index.folder).close()
    with served(index):
        assert connected(index.folder)


@pytest.mark.parametrize("become", REPLACED)
def test_server_of_a_replaced_index_is_not_asked(tmp_path: Path, become: str) -> None:
    folder = tmp_path / ".semsearch"
    with create_index(folder) as index:
        fill(index)
        with served(index):
            connection = connect(folder)
            assert connection
            REPLACED[become](folder)
            connection.ask("counts")
            with pytest.raises(Unanswered):
                connection.answer()
            connection.close()
            assert not connected(folder) and not (folder / SOCKET).exists()
            if (folder / LIBRARY).exists():
                with open_index(folder) as new, served(new):
                    assert connected(folder)
                    with opened(folder, shown=False) as ours:
                        assert ours.status().counts["documents"] == 0


def test_long_path_of_an_index_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / ".semsearch"
    with create_index(folder) as index:
        fill(index)
        with served(index):
            assert connected(folder) == Path("/proc/self/fd").exists()


class Impostor:
    """A process of this user that listens in the folder of an index and says what it is told to."""

    def __init__(self, folder: Path, says: Callable[[int], bytes], mode: int = 0o600) -> None:
        self.path, self.says, self.heard = folder / SOCKET, says, list[bytes]()
        self.on = socket.socket(socket.AF_UNIX)
        with address(folder) as at:
            self.on.bind(at)
        self.path.chmod(mode)
        self.on.listen()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        try:
            one, _ = self.on.accept()
            with one, one.makefile("rb") as lines:
                for number in range(10):
                    one.sendall(self.says(number))
                    heard = lines.readline()
                    if not heard:
                        return
                    self.heard.append(heard)
        except OSError:
            pass

    def __enter__(self) -> "Impostor":
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.on.close()
        self.path.unlink()


def greets(folder: Path) -> bytes:
    return f"{json.dumps(wire.greeting(folder))}\n".encode()


@pytest.mark.parametrize(
    "change",
    [{"semsearch": "0.0.1"}, {"library": [1, 2]}, {"more": 1}],
    ids=["another version", "another index", "more"],
)
def test_server_of_another_version_or_index_is_not_asked(index: Index, change: dict[str, Any]) -> None:
    greeting = json.dumps(wire.greeting(index.folder) | change).encode() + b"\n"
    with Impostor(index.folder, lambda number: greeting) as impostor:
        assert not connected(index.folder)
    assert impostor.heard == []


@pytest.mark.parametrize("mode", [0o660, 0o606, 0o777])
def test_socket_that_others_may_use_is_not_used(index: Index, mode: int) -> None:
    with Impostor(index.folder, lambda number: greets(index.folder), mode):
        assert not connected(index.folder)


def test_socket_of_another_user_is_not_used(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    with Impostor(index.folder, lambda number: greets(index.folder)):
        own = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: own + 1)
        assert not connected(index.folder)
        monkeypatch.setattr(wire, "_listener", lambda on: own)  # the socket alone tells
        assert not connected(index.folder)


def test_listener_of_another_user_is_not_believed(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_listener", lambda on: os.geteuid() + 1)
    with Impostor(index.folder, lambda number: greets(index.folder)):
        assert not connected(index.folder)


def test_link_to_a_socket_elsewhere_is_not_followed(index: Index, tmp_path: Path) -> None:
    with Impostor(tmp_path, lambda number: b"") as elsewhere:
        (index.folder / SOCKET).symlink_to(elsewhere.path)
        try:
            assert not connected(index.folder)
            with pytest.raises(IndexDamaged, match="neither a file nor a folder"):
                open_index(index.folder)
        finally:
            (index.folder / SOCKET).unlink()


HIT = {
    "score": 1.0, "source": "\x1b[2Ja.md", "document": "a", "text": "t", "unit": "line", "start": 1, "end": 1,
    "passage_id": "p", "heading": "", "metadata": {}, "highlight": [0, 0], "copies": [], "cosine": 1.0,
    "bm25": None, "dense_rank": None, "lexical_rank": None, "document_factor": None,
}  # fmt: skip


@pytest.mark.parametrize(
    "answer",
    [b"", b"\n", b"{}\n", b"[]\n", b"nul\n", b"\xff\n", b'{"found": 5}\n', b'{"found": [[5]]}\n', b"[" * 99_999 + b"\n",
     b'{"found": true}\n', b'{"found": {"hits": [], "left_out": -1}}\n',
     json.dumps({"found": [[HIT | {"text": 5}]]}).encode() + b"\n",
     json.dumps({"found": [[HIT | {"metadata": []}]]}).encode() + b"\n",
     json.dumps({"found": [[HIT | {"copies": [HIT | {"source": None}]}]]}).encode() + b"\n",
     json.dumps({"found": [[HIT | {"__class__": "x"}]]}).encode() + b"\n"],
)  # fmt: skip
def test_answer_that_is_none_is_replaced_by_the_index(
    index: Index, answer: bytes, monkeypatch: pytest.MonkeyPatch, opens_with_tiny_model: None
) -> None:
    monkeypatch.setattr(wire, "_ANSWER_SECONDS", 0.5)
    first = greets(index.folder)
    with Impostor(index.folder, lambda number: answer if number else first) as impostor:
        with opened(index.folder, shown=False) as ours:
            found = ours.search([SearchRequest("saw in the shed")])
        assert found == index.search([SearchRequest("saw in the shed")])
    assert len(impostor.heard) == 1


def test_what_a_server_says_is_shown_as_data(index: Index) -> None:
    says = [greets(index.folder), b'{"found": ["\\u001b[31mred"]}\n']
    says += [json.dumps({"found": [[HIT]]}).encode() + b"\n", b'{"found": "\\u0007"}\n']
    with Impostor(index.folder, lambda number: says[number]):
        found = CliRunner().invoke(main, ["query", "--index", str(index.folder), "saw"])
    assert found.exit_code == 0 and not {"\x1b", "\x07"} & set(found.output)
    assert "\\u001b[2Ja.md" in found.output and "\\u001b[31mred" in found.output


def test_hits_come_through_whole(index: Index) -> None:
    for hit in (*index.query("shed", explain=True, k=9), *index.query("tags:tools")):
        assert hit_from(json.loads(json.dumps(hit_to(hit)))) == hit
    with pytest.raises(Unanswered):
        hit_from(None)


NO_QUESTIONS = (
    b"{}", b"[]", b"x", b'{"call": "close"}', b'{"call": "search"}', b"[" * 99_999,
    b'{"call": "facets", "fields": 1, "query": [], "source": {}, "literal": 0}',
    b'{"call": "similar", "request": {"document": "none"}, "keys": ["none"]}', b'{"call": "contains"}',
    b'{"call": "tokens", "text": 5}', b'{"call": "unchanged", "source": {}}',
    b'{"call": "search", "requests": 5}', b'{"call": "search", "requests": [{"query": ""}]}',
)  # fmt: skip


def test_questions_that_are_none_get_no_answer(index: Index) -> None:
    with served(index):
        for line in NO_QUESTIONS:
            connection = connect(index.folder)
            assert connection
            connection._on.sendall(line + b"\n")
            with pytest.raises(Unanswered):
                connection.answer()
            connection.ask("counts")
            assert connection.answer() == index.status().counts
            connection.close()


def test_slow_connection_does_not_keep_the_server(index: Index) -> None:
    with served(index):
        waiting = connect(index.folder)
        assert waiting and connected(index.folder)
        begun = time.monotonic()
    assert time.monotonic() - begun < 20
    waiting.close()

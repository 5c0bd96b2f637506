"""Many threads on one `Index`: equal answers, no error, no hang, and each answer from one committed state."""

import faulthandler
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Any

import pytest
from tiny_embedder import create_index, open_index

from semsearch.errors import IndexLocked, SemsearchError
from semsearch.index import Index
from semsearch.storage.library import reading

THREADS, QUESTIONS = 8, 200
LIMIT = 240.0
"""Seconds before threads that have not ended count as hanging."""

Ask = Callable[[Index], Any]


def in_threads(tasks: list[Callable[[], None]], limit: float = LIMIT) -> None:
    """Run each task in a thread; raise the first error, and fail with every thread's stack when one hangs."""
    start = Barrier(len(tasks))
    errors: list[BaseException] = []

    def run(task: Callable[[], None]) -> None:
        start.wait()
        try:
            task()
        except BaseException as error:
            errors.append(error)

    threads = [Thread(target=run, args=(task,), daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    end = time.monotonic() + limit
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    if any(thread.is_alive() for thread in threads):
        faulthandler.dump_traceback(all_threads=True)
        pytest.fail(f"threads hang after {limit:.0f} s")
    if errors:
        raise errors[0]


def write_corpus(folder: Path) -> None:
    """Rows with metadata, prose under headings with a near-copy of each text, and Chinese."""
    colours = ("red", "blue", "green", "grey")
    rows = [
        {
            "text": f"Item {number:04} is painted {colours[number % 4]} and stands in hall {number % 7}.",
            "year": 2015 + number % 10,
            "colour": colours[number % 4],
        }
        for number in range(120)
    ]
    folder.mkdir()
    (folder / "items.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (folder / "docs").mkdir()
    for number in range(20):
        (folder / "docs" / f"{number}.md").write_text(
            f"# Guide {number // 2}\n\nThe deposit of tool {number // 2} is paid back when the tool comes home"
            f" {'soon ' * (number % 2)}and clean.\n\n## Late\n\n"
            f"A tool that comes late costs {number // 2} coins a day.\n",
            encoding="utf-8",
        )
        (folder / "docs" / f"{number}.txt").write_text(
            f"押金将在归还第{number}号工具后三天内退还。图书馆每周一闭馆。", encoding="utf-8"
        )


def query(text: str, **options: Any) -> Ask:
    return lambda index: index.query(text, **options)


QUERIES: list[Ask] = [
    *(
        query(text, mode=mode, k=k)
        for mode in ("hybrid", "dense", "lexical")
        for text, k in (
            ("deposit of tool", 5),
            ("item 0042 painted red", 10),
            ("归还工具", 7),
            ("late coins", 40),
        )
    ),
    query('deposit "paid back when" source:files/docs/*', k=8, explain=True),
    query("item +red -0004 year>=2018", k=12),
    query("item painted colour:blue year<2019 -0001", k=12),
    query("deposit -soon", source="files/docs/*.md", k=9),
    query("tool that comes late", collapse=False, per_document=None, k=30),
    query("tool that comes late", per_document=1, k=30),
    query("闭馆 -第3号工具", k=4),
    query("+闭馆 source:*.txt", k=4),
    query("year>=2020", literal=True, k=4),
    query("a tool that comes late costs coins", min_score=0.3, k=20),
    lambda index: index.query_many(["deposit", "闭馆", "item 0007"], k=3, highlight=False),
    lambda index: index.similar(next(name for name in index.sources() if name.endswith("3.md")), k=5),
    lambda index: index.similar(next(name for name in index.sources() if name.endswith("4.md")), 3, k=5),
]
RARE: list[Ask] = [
    lambda index: index.duplicates(0.9).groups,
    lambda index: index.duplicates(0.95, level="passage", linkage="complete").groups,
    lambda index: sorted(index.status().counts.items()),
]


def ask_in_threads(index: Index, questions: int, limit: float = LIMIT) -> None:
    """Ask in threads, each in its own order, what one thread was asked before, and compare the answers."""
    asks = [*QUERIES, *RARE]
    expected = [ask(index) for ask in asks]
    assert [at for at, answer in enumerate(expected) if not answer] == [], "they compare nothing"

    def task(seed: int) -> None:
        order = random.Random(seed)
        for _ in range(questions):
            number = (
                order.randrange(len(QUERIES), len(asks))
                if order.random() < 0.03
                else order.randrange(len(QUERIES))
            )
            assert asks[number](index) == expected[number], f"question {number}"

    in_threads([lambda seed=seed: task(seed) for seed in range(THREADS)], limit)  # type: ignore[misc]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    write_corpus(tmp_path / "files")
    return tmp_path / "files"


@pytest.fixture
def index(tmp_path: Path, corpus: Path) -> Iterator[Index]:
    with create_index(tmp_path / "index") as index:
        index.ingest([corpus])
        yield index


def test_threads_get_the_answers_of_one_thread(index: Index) -> None:
    ask_in_threads(index, QUESTIONS)


@pytest.mark.parametrize("scanned", [320_000_000, 0], ids=["exact", "graph"])
def test_first_queries_from_many_threads_agree(
    tmp_path: Path, corpus: Path, scanned: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is loaded yet when the threads begin: each load is done once, or twice to the same end."""
    monkeypatch.setattr("semsearch.storage.library.vector_file.SCANNED_BYTES", scanned)
    with create_index(tmp_path / "index") as made:
        made.ingest([corpus])
        expected = [ask(made) for ask in QUERIES]
    for _ in range(3):
        with open_index(tmp_path / "index") as fresh, ThreadPoolExecutor(THREADS) as pool:
            answers: list[Future[Any]] = [pool.submit(ask, fresh) for ask in QUERIES]
            assert [answer.result(LIMIT) for answer in answers] == expected


def test_real_model_answers_threads_like_one_thread(tmp_path: Path, corpus: Path) -> None:
    with Index.create(tmp_path / "index") as index:
        index.ingest([corpus])
        ask_in_threads(index, 25)


# -- with a writer at work ------------------------------------------------------------------------------

ROWS = 60
VERSIONS = 6


def write_version(folder: Path, version: int) -> None:
    """One source of rows that all name a version: a committed state holds one version and all of its rows."""
    rows = (f"Row {number} of version {version} tells of herons." for number in range(ROWS))
    content = "\n".join(json.dumps({"text": row, "version": version}) for row in rows)
    (folder / "rows.jsonl").write_text(content, encoding="utf-8")


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_threads import write_versions
write_versions(Path(sys.argv[2]))
"""


def write_versions(folder: Path) -> None:
    with open_index(folder / "index", wait=60) as writer:
        for version in range(1, VERSIONS):
            write_version(folder, version)
            writer.ingest([folder / "rows.jsonl"])


def check_versions(index: Index, ended: Event) -> None:
    """Ask until the writer has ended and once more; every answer holds one version, and none an older one again."""
    newest = 0
    last = False
    while not last:
        last = ended.is_set()
        for mode in ("hybrid", "dense", "lexical"):
            hits = index.query(
                "herons of version", k=200, mode=mode, collapse=False, per_document=None, highlight=False
            )
            assert {hit.document for hit in hits} == {f"rows.jsonl#{row}" for row in range(1, ROWS + 1)}
            (version,) = {int(str(hit.metadata["version"])) for hit in hits}
            assert all(f"version {version} " in hit.text for hit in hits)
            assert newest <= version
            newest = version
            filtered = index.query(f"herons version:{version}", k=200, mode=mode, collapse=False)
            assert len(filtered) in (0, ROWS), "the writer may have replaced all rows since, but never some"
        found = index.duplicates(-1.0)
        assert found.total == ROWS
    assert newest == VERSIONS - 1


@pytest.mark.long
@pytest.mark.parametrize("where", ["thread", "process", "same index"])
def test_answers_are_of_one_state_while_a_writer_works(tmp_path: Path, where: str) -> None:
    write_version(tmp_path, 0)
    ended = Event()
    with create_index(tmp_path / "index") as index:
        index.ingest([tmp_path / "rows.jsonl"])

        def write() -> None:
            try:
                if where == "process":
                    command = [sys.executable, "-c", WRITER, str(Path(__file__).parent), str(tmp_path)]
                    subprocess.run(command, check=True, timeout=LIMIT)
                elif where == "thread":
                    write_versions(tmp_path)
                else:
                    for version in range(1, VERSIONS):
                        write_version(tmp_path, version)
                        index.ingest([tmp_path / "rows.jsonl"])
            finally:
                ended.set()

        in_threads([write, *[lambda: check_versions(index, ended)] * 3])
        assert index.check().sound


@pytest.mark.long
def test_writers_in_threads_take_turns(tmp_path: Path) -> None:
    with create_index(tmp_path / "index") as index, open_index(tmp_path / "index", wait=60) as other:
        index._wait = 60

        def write(writer: Index, name: str) -> None:
            file = tmp_path / f"{name}.txt"
            for version in range(4):
                file.write_text(f"text of {name} in version {version}", encoding="utf-8")
                writer.ingest([file])

        in_threads(
            [lambda at=at: write((index, other)[at % 2], f"file{at}") for at in range(4)]  # type: ignore[misc]
        )
        assert sorted(index.sources()) == [f"file{at}.txt" for at in range(4)]
        assert {hit.text[-1] for hit in index.query("text of", k=10, collapse=False)} == {"3"}
        assert index.check().sound


def test_writer_that_does_not_wait_raises_index_locked(tmp_path: Path) -> None:
    held, done = Event(), Event()
    with create_index(tmp_path / "index") as index:
        index._wait = 0
        file = tmp_path / "a.txt"
        file.write_text("some text", encoding="utf-8")

        def hold() -> None:
            with index._writing():
                held.set()
                assert done.wait(LIMIT)

        def refused() -> None:
            assert held.wait(LIMIT)
            try:
                with pytest.raises(IndexLocked):
                    index.ingest([file])
            finally:
                done.set()

        in_threads([hold, refused])
        index.ingest([file])
        assert index.sources() == ["a.txt"]


@pytest.mark.filterwarnings("ignore:This process")  # Python 3.12 warns of every fork with threads
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_forked_child_is_told_to_open_the_index_again(index: Index) -> None:
    index.query("amber")
    child = os.fork()
    if not child:
        code = 1
        try:
            index.query("amber")
        except SemsearchError as error:
            code = 0 if "forked" in str(error) else 2
        finally:
            index.close()
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert index.query("amber") == index.query("amber")


def test_document_replaced_while_it_is_read_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = reading._passages

    def after_a_change(*args: Any) -> Any:
        monkeypatch.setattr(reading, "_passages", read)
        other.add([{"id": "one", "text": "the new saw"}])
        return read(*args)

    with create_index(tmp_path / "index") as index, open_index(index.folder) as other:
        index.add([{"id": "one", "text": "the old saw"}])
        monkeypatch.setattr(reading, "_passages", after_a_change)
        assert [passage.text for passage in index.passages("record://one")] == ["the old saw"]
        assert [passage.text for passage in index.passages("record://one")] == ["the new saw"]


@pytest.mark.parametrize("shared", [True, False])
def test_threads_share_two_arenas_of_malloc(shared: bool, tmp_path: Path) -> None:
    code = (
        "import ctypes, sys, threading\nfrom semsearch import threads\nlibc = ctypes.CDLL(None)\n"
        "if not hasattr(libc, 'mallopt'): sys.exit()\n"
        "if sys.argv[2] == 'True': threads.share_arenas()\n"
        "all_at_once = threading.Barrier(6)\n"
        "def work():\n    all_at_once.wait()\n    libc.malloc(5_000)\n    all_at_once.wait()\n"
        "several = [threading.Thread(target=work) for _ in range(6)]\n"
        "[one.start() for one in several]\n[one.join() for one in several]\n"
        "libc.fopen.restype = ctypes.c_void_p\nfile = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b'w'))\n"
        "libc.malloc_info(0, file)\nlibc.fclose(file)\n"
    )
    told = tmp_path / "arenas.xml"
    subprocess.run([sys.executable, "-c", code, str(told), str(shared)], check=True)
    if not told.exists():
        pytest.skip("needs glibc")
    arenas = told.read_text().count("<heap nr=")
    assert arenas == 2 if shared else arenas > 2

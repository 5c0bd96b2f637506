"""Disks that fail: any call that writes or reads below an index's folder ends with an error, or there is no room.

Two layers: a library in C that is preloaded and makes the n-th call fail, once or from then on, in SQLite and in
Chroma's Rust as much as in Python; and a small tmpfs. Every command that writes is run on it, then the fault goes
away. SEMSEARCH_FAULTS=200 is how often each command meets one; by default some of them do, once.
"""

import contextlib
import ctypes
import errno
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FAULTS = int(os.environ.get("SEMSEARCH_FAULTS", "1"))
WRITES, READS = 1, 2
FOREVER = 1 << 40
SECONDS = 300
"""A command that takes longer hangs."""
CODES = {0, 1, 2, 3, 12, 13}
"""The exit codes of a command that meets a fault; 2 or 3 where it could not read a file that it was given."""


@dataclass(frozen=True)
class Ended:
    """The end of a command in a separate process.

    It has the signal or 0, the exit code, the output, and the fault it met, out of the number of calls that could have
    failed.
    """

    signal: int
    code: int = -1
    output: str = ""
    said: str = ""
    calls: int = 0
    where: str = ""


class Server:
    """A process that has imported everything and opened nothing, with the faulty library under it where there is one.

    Each command runs in a fork of it: a start costs milliseconds.
    """

    def __init__(self, library: Path | None, home: Path) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        if library is not None:
            environment["LD_PRELOAD"] = str(library)
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__],
            env=environment,
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait(60) == 0

    def run(self, folder: Path, *words: str, fault: tuple[int, int, int, int] | None = None) -> Ended:
        """`semsearch` with some words in a folder. `fault`: kinds of calls, the first and the last, errno."""
        assert self._process.stdin and self._process.stdout
        request = {"folder": str(folder), "words": words, "fault": fault}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


def serve() -> None:
    """Answer requests until there are no more."""
    import chromadb  # noqa: F401
    import scipy.optimize  # noqa: F401
    import sklearn.linear_model  # noqa: F401

    from semsearch import embedding

    # No weights to load: what texts mean does not matter here. First, since others take it by its name.
    embedding.load_embedder = lambda *_, **__: TinyEmbedder()
    from soundness import assert_sound
    from tiny_embedder import TinyEmbedder

    from semsearch import index
    from semsearch.cli import main

    library = ctypes.CDLL(None)
    armed = hasattr(library, "fault_arm")
    if armed:
        number, text = ctypes.c_long, ctypes.c_char_p
        library.fault_calls.restype, library.fault_where.restype = number, text
        library.fault_arm.argtypes = [text, ctypes.c_int, number, number, ctypes.c_int]

    def obey(folder: str, words: list[str], fault: list[int] | None) -> dict[str, Any]:
        """Run a command in this process, which ends with it."""
        os.chdir(folder)
        os.environ.pop("LD_PRELOAD", None)
        signal.alarm(SECONDS)
        out, said, code = io.StringIO(), io.StringIO(), 0
        if armed and fault is not None:
            library.fault_arm(folder.encode(), *fault)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
            try:
                if words == ["sound"]:  # what `check` says as well, without a second process
                    with index.Index.open() as opened:
                        assert_sound(opened)
                else:
                    main(words, prog_name="semsearch")
            except SystemExit as error:
                code = error.code if isinstance(error.code, int) else 1
            except BaseException:
                code = 255
                traceback.print_exc()
        ended = {"code": code, "output": out.getvalue(), "said": said.getvalue()}
        if armed:
            ended |= {"calls": library.fault_calls(), "where": library.fault_where().decode()}
        return ended

    for line in sys.stdin:
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            with os.fdopen(theirs, "w") as pipe:
                json.dump(obey(**json.loads(line)), pipe)
            os._exit(0)
        os.close(theirs)
        with os.fdopen(ours) as pipe:
            answer = json.loads(pipe.read() or "{}")
        died = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps(answer | {"signal": -died}), flush=True)


# -- commands -----------------------------------------------------------------------------------------------


def table(path: Path, rows: int, version: int = 0) -> None:
    texts = [f"word {path.stem} version {version} row {row // 2 * 2} of {rows}" for row in range(rows)]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))


def change(folder: Path) -> None:
    """One file changes, one comes, one goes."""
    table(folder / "docs" / "b.jsonl", 200, 1)
    table(folder / "docs" / "new.jsonl", 200)
    (folder / "docs" / "c.jsonl").unlink()


def age_index(folder: Path) -> None:
    from test_versions import age

    age(folder / ".semsearch")


COMMANDS: dict[str, tuple[tuple[str, ...], Callable[[Path], None] | None]] = {
    "ingest": (("ingest", "docs"), change),
    "remove": (("remove", "docs/b.jsonl"), None),
    "forget": (("forget", "docs/b.jsonl", "--verify"), None),
    "repair": (("repair",), None),
    "check": (("check",), None),
    "dedup": (("dedup", "--threshold", "0.9", "--plan", "plan.json", "--force"), None),
    "output": (("dedup", "docs/b.jsonl", "--threshold", "0.9", "--output", "b-clean.jsonl"), None),
    "tune": (("tune", "--pairs", "pairs.csv"), None),
    "apply": (("apply", "notes.json"), None),
    "undo": (("undo",), None),
    "migrate": (("status",), age_index),
}
"""Each command that writes, and what happens to the folder before it runs."""
FEW = ("ingest", "repair", "dedup", "tune", "undo", "migrate")
"""Those that a short run tries."""
ANYTHING = ("query", "--mode", "lexical", "-k", "5000", "--no-collapse", "--jsonl", "word text")
"""A query that finds every passage."""


def contents(folder: Path) -> dict[str, list[str]]:
    """Return what an index of the folder must hold: by source, the texts of its file."""
    texts = {}
    for path in sorted((folder / "docs").rglob("*")):
        if path.suffix == ".jsonl":
            texts[f"docs/{path.name}"] = sorted(
                json.loads(line)["text"] for line in path.read_text().splitlines()
            )
        elif path.suffix == ".txt":
            texts[f"docs/{path.name}"] = [path.read_text()]
    return texts


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """Return the library that makes calls fail, compiled; None where it cannot be."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        return None
    made = tmp_path_factory.mktemp("library") / "faulty.so"
    source = Path(__file__).with_name("faulty.c")
    done = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", made, source, "-ldl"], capture_output=True
    )
    return None if done.returncode else made


@pytest.fixture(scope="module")
def server(library: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(library, tmp_path_factory.mktemp("home"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def whole(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an index, large enough that Chroma has written its graph, and a plan. Tests copy it."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "docs").mkdir()
    for name, rows in (("a", 1_000), ("b", 150), ("c", 50)):
        table(folder / "docs" / f"{name}.jsonl", rows)
    for name in ("one.txt", "two.txt"):
        (folder / "docs" / name).write_text("the same text in two files, of which one can go")
    pairs = [f"word {n} row,word {n} row,1\nword {n} row,no {n * 7} such thing,0" for n in range(60)]
    (folder / "pairs.csv").write_text("\n".join(["a,b,label", *pairs]))
    for words in (
        ("ingest", "docs"),
        ("dedup", "--threshold", "0.99", "--remove", "exact", "--plan", "notes.json"),
    ):
        ended = server.run(folder, *words)
        assert ended.code == 0, ended.said
    (folder / ".semsearch" / "join.npz").unlink()
    return folder


def prepared(whole: Path, folder: Path, name: str, server: Server) -> dict[str, list[str]]:
    """Copy the whole folder as it is just before a command. Return what its index holds."""
    shutil.copytree(whole, folder, dirs_exist_ok=True)
    if name == "undo":
        assert server.run(folder, "apply", "notes.json").code == 0
    holds = contents(folder)
    if (before := COMMANDS[name][1]) is not None:
        before(folder)
    return holds


def held(server: Server, folder: Path) -> dict[str, list[str]]:
    """Return every passage that a query finds, by source."""
    ended = server.run(folder, *ANYTHING)
    assert (ended.signal, ended.code) == (0, 0), ended.said
    texts: dict[str, list[str]] = {}
    for line in ended.output.splitlines():
        hit = json.loads(line)
        texts.setdefault(hit["source"], []).append(hit["text"])
    return {source: sorted(some) for source, some in texts.items()}


def assert_told(ended: Ended, case: str) -> None:
    """Assert that the command ended by itself, with a code of ours, a reason, and without a traceback."""
    assert ended.signal == 0, (case, signal.Signals(ended.signal).name)
    assert ended.code in CODES, (case, ended)
    assert "Traceback" not in ended.said, (case, ended.said)
    assert ended.code in (0, 3) or "Error: " in ended.said or "is damaged" in ended.said, (case, ended)


def assert_kept(server: Server, folder: Path, before: dict[str, list[str]], case: str) -> None:
    """Assert that every source is whole, old or new, and that the next ingest needs no repair."""
    after = contents(folder)
    left = held(server, folder)
    for source in before.keys() | after.keys():
        versions = [some[source] for some in (before, after) if source in some]
        assert left.get(source, []) in [*versions, []], (case, source)
    assert left.keys() <= before.keys() | after.keys(), case
    ended = server.run(folder, "ingest", "docs")
    assert (ended.signal, ended.code) == (0, 0), (case, ended)
    assert held(server, folder) == after, case
    for words in ("sound", "check")[: 1 + (FAULTS > 1)]:
        ended = server.run(folder, words)
        assert (ended.signal, ended.code) == (0, 0), (case, ended)


@pytest.mark.long
@pytest.mark.parametrize("name", COMMANDS if FAULTS > 1 else FEW)
def test_a_disk_that_fails_is_an_error_and_nothing_is_lost(
    name: str, library: Path | None, whole: Path, server: Server, tmp_path: Path
) -> None:
    if library is None:
        pytest.skip("needs Linux and a C compiler")
    draw = random.Random(f"{FAULTS} {name}")
    words = COMMANDS[name][0]
    calls = {}
    for kind in (WRITES, READS)[: 1 + (FAULTS > 1)]:
        folder = tmp_path / f"sound-{kind}"
        prepared(whole, folder, name, server)
        ended = server.run(folder, *words, fault=(kind, FOREVER, FOREVER, errno.EIO))
        assert (ended.signal, ended.code) == (0, 0), ended.said
        calls[kind] = ended.calls
        shutil.rmtree(folder)
    assert all(calls.values()), calls
    met = 0
    for number in range(FAULTS):
        kind = draw.choice([WRITES, WRITES, READS]) if FAULTS > 1 else WRITES
        first = draw.randrange(calls[kind])
        until, code = draw.choice([first + 1, FOREVER]), draw.choice([errno.EIO, errno.EIO, errno.ENOSPC])
        folder = tmp_path / str(number)
        before = prepared(whole, folder, name, server)
        ended = server.run(folder, *words, fault=(kind, first, until, code))
        case = f"{name}: {errno.errorcode[code]} from {first} until {until} of {calls[kind]} calls at {ended.where}"
        assert_told(ended, case)
        met += bool(ended.where)
        assert_kept(server, folder, before, case)
        shutil.rmtree(folder)
    assert met > 0


# -- a disk without room ------------------------------------------------------------------------------------

ROOMS = {
    "ingest": 3_000_000,
    "forget": 9_000_000,
    "repair": 6_000_000,
    "migrate": 4_000_000,
    "dedup": 200_000,
}
"""About how much room each command takes."""


@pytest.mark.long
@pytest.mark.parametrize("name", ROOMS if FAULTS > 1 else ("ingest", "repair", "migrate"))
def test_a_disk_without_room_is_an_error_and_nothing_is_lost(
    name: str, whole: Path, server: Server, small_disk: Path
) -> None:
    draw = random.Random(f"{FAULTS} {name}")
    filler, failed = small_disk / "filler", 0
    for number in range(FAULTS):
        folder = small_disk / str(number)
        before = prepared(whole, folder, name, server)
        room = draw.randrange(ROOMS[name] if number else ROOMS[name] // 10)
        with filler.open("wb") as file:
            free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
            os.posix_fallocate(file.fileno(), 0, free - room)
        ended = server.run(folder, *COMMANDS[name][0])
        case = f"{name} with room for {room:,} bytes"
        assert_told(ended, case)
        failed += ended.code != 0
        assert_told(asked := server.run(folder, *ANYTHING), case)
        log = folder / ".semsearch" / "library.sqlite3-wal"
        assert asked.code == 0 or name == "migrate" or log.stat().st_size, (case, asked)
        filler.unlink()
        assert_kept(server, folder, before, case)
        shutil.rmtree(folder)
    assert failed > 0


if __name__ == "__main__":
    serve()

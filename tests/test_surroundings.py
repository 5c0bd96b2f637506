"""Surroundings that cannot be trusted: folders, environments, indexes and networks."""

import json
import os
import pickle
import re
import shutil
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from semsearch.errors import IndexDamaged
from semsearch.index import Index
from tests.soundness import assert_sound
from tests.tiny_embedder import create_index, open_index

COMMANDS = """
import json, sys
from semsearch.cli import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments, prog_name="semsearch")
    except SystemExit as end:
        print(f"[exit {end.code}]", flush=True)
"""
"""Runs commands one after the other in one process, which loads what it needs once."""


def run_all(
    commands: Sequence[Sequence[str]], cwd: Path, before: str = "", environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-P", "-c", before + COMMANDS, json.dumps(commands)],
        cwd=cwd,
        env=os.environ | (environment or {}),
        capture_output=True,
        check=False,
    )


def exits(output: bytes) -> list[int]:
    """Return the exit codes of the commands that `run_all` ran."""
    return [int(code) for code in re.findall(rb"^\[exit (\d+)\]", output, re.MULTILINE)]


NOTES = {
    "deposit.md": "# Deposit\n\nThe deposit is paid back when the tool comes home.\n",
    "deposit-copy.md": "# Deposit\n\nThe deposit is paid back when the tool comes home.\n",
    "hours.md": "# Hours\n\nThe workshop is open on Saturday from nine to noon.\n",
    "page.html": "<title>Rules</title><p>Wear a mask at the belt sander.</p>",
    "rows.csv": "id,text\n1,Return the drill clean.\n2,Return the drill clean!\n",
}


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    for name, text in NOTES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


EVERYTHING = [
    ["ingest", "."],
    ["query", "how do I get my deposit back"],
    ["query", "deposit", "--json"],
    ["dedup", "--threshold", "0.9", "--plan", "../plan.json"],
    ["dedup", "rows.csv", "--text-field", "text", "--output", "../rows.csv"],
    ["similar", "deposit.md"],
    ["diff", "deposit.md", "hours.md"],
    ["leak", "rows.csv", "--against", "../rows.csv", "--text-field", "text"],
    ["tune", "--pairs", "sample", "--plot", "../curve.svg"],
    ["eval", "--pairs", "sample", "--dtype", "float32", "--dtype", "auto"],
    ["apply", "../plan.json"],
    ["undo"],
    ["remove", "hours.md"],
    ["forget", "rows.csv", "--verify"],
    ["check"],
    ["repair"],
    ["status"],
]
"""Every kind of work, once."""


# The working directory and the environment

EVIL = (
    "import pathlib; pathlib.Path({marker!r}).touch()\nraise SystemExit('loaded what it should not have')\n"
)
MODULES = (
    "chromadb", "click", "conftest", "filelock", "json", "matplotlib", "numpy", "onnxruntime",
    "pypdfium2", "rich", "sitecustomize", "torch", "transformers", "typing_extensions", "usercustomize",
)  # fmt: skip


def test_what_lies_in_the_working_directory_changes_nothing(notes: Path, tmp_path: Path) -> None:
    marker = str(tmp_path / "loaded")
    for name in MODULES:
        (notes / name).mkdir()
        (notes / name / "__init__.py").write_text(EVIL.format(marker=marker))
    (notes / "semsearch.py").write_text(EVIL.format(marker=marker))
    (notes / ".env").write_text(
        "CHROMA_SERVER_NOFILE=many\nallow_reset=perhaps\nis_persistent=0\nMIGRATIONS=none\n"
    )
    (notes / "matplotlibrc").write_text(
        "backend: module://evil\nsvg.fonttype: nonsense\naxes.facecolor: red\n"
    )
    (notes / "evil.py").write_text(EVIL.format(marker=marker))
    (notes / ".semsearchignore").write_text("*/\n*.py\nmatplotlibrc\n")
    environment = {
        "CHROMA_SERVER_NOFILE": "many",
        "CHROMA_API_IMPL": "chromadb.api.fastapi.FastAPI",
        "MIGRATIONS": "none",
    }
    commands = [
        command for command in EVERYTHING if command[0] in ("ingest", "query", "dedup", "tune", "repair")
    ]
    ran = run_all(commands, notes, environment=environment)
    assert exits(ran.stdout) == [0] * len(commands), ran.stderr.decode()
    assert "Traceback" not in ran.stderr.decode()
    assert b"#ff0000" not in (tmp_path / "curve.svg").read_bytes()
    console = shutil.which("semsearch", path=str(Path(sys.executable).parent))
    for command in ([console], [sys.executable, "-m", "semsearch"]):
        # `-m` runs that one.
        if console is None or (command[0] != console and (notes / "semsearch.py").unlink()):
            continue
        again = subprocess.run(
            [*command, "query", "deposit"], cwd=notes, capture_output=True, text=True, check=False
        )
        assert (again.returncode, again.stderr) == (0, ""), command
        assert "deposit" in again.stdout
    assert not Path(marker).exists()


# The network

FENCE = """
import ctypes, platform, struct, sys

def fence():
    def deny(event, arguments):
        if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
            raise SystemExit(f"network: {event} {arguments[1:]}")
    sys.addaudithook(deny)
    # What is not Python asks the kernel, and the kernel ends a process that asks for an Internet socket.
    known = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
    if platform.machine() not in known:
        return False
    architecture, call = known[platform.machine()]
    program = b"".join(struct.pack("HBBI", *step) for step in (
        (0x20, 0, 0, 4), (0x15, 0, 6, architecture), (0x20, 0, 0, 0), (0x15, 0, 4, call),
        (0x20, 0, 0, 16), (0x15, 1, 0, 2), (0x15, 0, 1, 10), (0x06, 0, 0, 0x80000000), (0x06, 0, 0, 0x7FFF0000),
    ))
    steps = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(steps))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return prctl(38, 1, 0, 0, 0) == 0 and prctl(22, 2, filter_, 0, 0) == 0

FENCED = fence()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the fence is one of Linux")
def test_no_command_opens_a_connection(notes: Path) -> None:
    probe = FENCE + "assert FENCED\nimport socket\nsocket.socket(socket.AF_INET)"
    proof = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False)
    if proof.returncode == 1:
        pytest.skip("this kernel lets no process fence itself")
    assert proof.returncode == -31, "SIGSYS: the fence holds"
    ran = run_all(EVERYTHING, notes, before=FENCE)
    assert ran.returncode == 0, ran.stderr.decode()
    assert exits(ran.stdout) == [0] * len(EVERYTHING), ran.stderr.decode()
    assert b"network:" not in ran.stderr


# An index from a stranger


class Bomb:
    """An object whose loading calls a function."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.marker),)


def texts(count: int) -> str:
    return (
        json.dumps({"text": "same words"})
        + "\n"
        + "\n".join(
            json.dumps({"text": f"word{number} and word{number * 7 % 97}"}) for number in range(count)
        )
    )


def test_a_pickle_in_an_index_is_never_loaded(tmp_path: Path) -> None:
    marker, rows = tmp_path / "loaded", tmp_path / "rows.jsonl"
    rows.write_text(texts(1_500))  # enough for Chroma to write its graph to files
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest([rows])
        index.duplicates(0.9)
    bomb = pickle.dumps(Bomb(marker))
    pickles = [*(tmp_path / ".semsearch" / "chroma").rglob("*.pickle")]
    assert pickles, "Chroma keeps one beside its graph"
    for path in (*pickles, tmp_path / ".semsearch" / "join.npz"):
        assert path.exists()
        path.write_bytes(bomb)
    np.savez(
        tmp_path / ".semsearch" / "join.npz", allow_pickle=True, version=np.array([Bomb(marker)], object)
    )
    code = """
import sys
from semsearch.errors import SemsearchError
from semsearch.storage.vectors.chroma import ChromaEngine
from tests.tiny_embedder import open_index

index = open_index(sys.argv[1])
graph = ChromaEngine(index.folder / "chroma")
for act in (
    lambda: index.query("same words"),
    lambda: graph.nearest(index.embedder.embed(["same words"], "query"), 1),
    lambda: index.duplicates(0.9),
    lambda: index.duplicates(0.9, from_run=True),
    index.status,
    index.repair,
):
    try:
        act()
        print("done")
    except SemsearchError as error:
        print("refused")
"""
    ran = subprocess.run(
        [sys.executable, "-c", code, tmp_path / ".semsearch"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.split()) == 6
    assert not marker.exists()
    pickle.loads(bomb)
    assert marker.exists(), "it would have"
    with open_index(tmp_path / ".semsearch") as index:
        assert_sound(index)


def test_an_embedding_function_of_a_collection_is_never_made(tmp_path: Path, notes: Path) -> None:
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest([notes])
    named = {"type": "known", "name": "evil", "config": {"marker": str(tmp_path / "made")}}
    with closing(sqlite3.connect(tmp_path / ".semsearch" / "chroma" / "chroma.sqlite3")) as chroma, chroma:
        (schema,) = chroma.execute("SELECT schema_str FROM collections").fetchone()
        legacy = '"embedding_function":{"type":"legacy"}'
        assert legacy in schema
        changed = schema.replace(legacy, f'"embedding_function":{json.dumps(named)}')
        configuration = json.dumps({"embedding_function": named})
        chroma.execute("UPDATE collections SET schema_str = ?, config_json_str = ?", (changed, configuration))
    code = """
import sys
from pathlib import Path
from chromadb.utils.embedding_functions import register_embedding_function
from chromadb import EmbeddingFunction

@register_embedding_function
class Evil(EmbeddingFunction):
    def __init__(self, marker): Path(marker).touch()
    def __call__(self, input): return [[0.0]] * len(input)
    @staticmethod
    def name(): return "evil"
    @staticmethod
    def build_from_config(config): return Evil(config["marker"])
    def get_config(self): return {}

from tests.tiny_embedder import open_index
base = Path(sys.argv[1])
(base / "notes" / "new.md").write_text("Something new.")
with open_index(base / ".semsearch") as index:
    index.ingest([base / "notes"])
    print(index.status().counts["passages"])
"""
    ran = subprocess.run(
        [sys.executable, "-c", code, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    if ran.returncode == 0:  # else Chroma refuses what it does not know, which is as well
        assert ran.stdout.split() == ["7"]
    else:
        assert "IndexDamaged" in ran.stderr
    assert not (tmp_path / "made").exists()


def test_nothing_is_written_through_what_an_index_holds(tmp_path: Path, notes: Path) -> None:
    create_index(tmp_path / "sound").close()
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in ("holder", "lock", "join.npz", "library.sqlite3-wal", "chroma", "chroma/link", "fifo"):
        strange = tmp_path / name.replace("/", "-")
        shutil.copytree(tmp_path / "sound", strange)
        if name == "chroma":
            (strange / name).rename(tmp_path / "moved")
        (strange / name).unlink(missing_ok=True)
        if name == "fifo":
            os.mkfifo(strange / name)
        else:
            (strange / name).symlink_to(tmp_path / "moved" if name == "chroma" else victim)
        with pytest.raises(IndexDamaged, match="neither a file nor a folder"):
            Index.open(strange)
        shutil.rmtree(strange)
    assert victim.read_text() == "mine"


def test_views_and_triggers_of_a_stranger_are_not_run(tmp_path: Path) -> None:
    create_index(tmp_path / "sound").close()
    for number, statement in enumerate((
        "CREATE TRIGGER t AFTER INSERT ON settings BEGIN DELETE FROM vectors; END",
        "CREATE VIEW v AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i FROM n",
        "DROP VIEW published",
    )):  # fmt: skip
        strange = tmp_path / str(number)
        shutil.copytree(tmp_path / "sound", strange)
        with closing(sqlite3.connect(strange / "library.sqlite3")) as library, library:
            library.execute(statement)
        with pytest.raises(IndexDamaged, match="tables and views of a Library"):
            Index.open(strange)


def test_a_model_that_an_index_names_is_not_fetched(tmp_path: Path, notes: Path) -> None:
    create_index(tmp_path / ".semsearch").close()
    with closing(sqlite3.connect(tmp_path / ".semsearch" / "library.sqlite3")) as library, library:
        (fingerprint,) = library.execute("SELECT value FROM settings WHERE key = 'fingerprint'").fetchone()
        changed = json.dumps(json.loads(fingerprint) | {"model": "somebody/a-model"})
        checksum = zlib.crc32(f"fingerprint\0{changed}".encode())
        library.execute(
            "UPDATE settings SET value = ?, sum = ? WHERE key = 'fingerprint'", (changed, checksum)
        )
    ran = run_all([["query", "--index", str(tmp_path / ".semsearch"), "deposit"]], notes, before=FENCE)
    assert exits(ran.stdout) == [1], ran.stderr.decode()
    assert b"the model somebody/a-model is not on this machine" in ran.stderr
    assert b"hint: download it: semsearch ingest --model somebody/a-model PATH" in ran.stderr


# What reaches the terminal

HOSTILE = {
    "\x1b]0;owned\x07.md": "A title \x1b]0;owned\x07, a \x9b31m colour, \u202ereversed\u202c \u2066x\u2069, \x7f.",
    "two\rFAKE\nlines.md": "A line\rFAKE that hides, and a bell \x07\x08\x08.",
    "\x1b[6666n.md": "Ask the terminal \x1b[6666n where it is \u200f\u061c.",
    "\x1b[6666n-copy.md": "Ask the terminal \x1b[6666n where it is \u200f\u061c.",
    "\u202egnp.pdf": "no PDF",
    "rows\x1b[6666n.csv": "id\x1b[6666n,text\x07\n\x1b[6666nfirst,Say \x1b[6666n it.\n\x07second,Say \x1b[6666n it.\n",
    "page.html": "<title>\x1b[6666n title\u202e</title><p>Text \x1b[6666n of a page.</p>",
    "bad\x1b[6666n.jsonl": '{"text": \x1b[6666n}\n{"te\\u001b[6666nxt": "Say \\u001b[6666n \\u202e it."}\n',
}
RAW = re.compile(
    "\x1b\\]|\x1b\\[6666|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|\rFAKE"
)
"""Bytes of those texts and names that would reach a terminal, and that no command writes by itself."""
ESCAPED = "\x1b[6666n"
TALK = [
    ["ingest", ".", "-v"],
    ["ingest", ".", "--json"],
    ["ingest", ".", "-v", "--dry-run"],
    ["ingest", f"no{ESCAPED}"],
    ["ingest", "bad\x1b[6666n.jsonl", "--text-field", f"no{ESCAPED}"],
    ["query", "ask the terminal"],
    ["query", "ask the terminal", "--show", "full", "--no-collapse", "-k", "20"],
    ["query", "ask the terminal", "--show", "path", "-k", "20"],
    ["query", "ask the terminal", "--json", "-k", "20"],
    ["query", "ask the terminal", "--jsonl", "-k", "20"],
    ["query", "--file", f"no{ESCAPED}"],
    ["query", "--file", "\x1b[6666n.md"],
    ["dedup", "--threshold", "0.5", "--explain"],
    ["dedup", "--threshold", "0.5", "--json"],
    ["dedup", "--threshold", "0.5", "--plan", f"../plan{ESCAPED}.json"],
    ["dedup", "rows\x1b[6666n.csv", "--threshold", "0.5"],
    ["dedup", "rows\x1b[6666n.csv", "--threshold", "0.5", "--output", f"../out{ESCAPED}.csv"],
    ["dedup", "rows\x1b[6666n.csv", "--text-field", f"no{ESCAPED}"],
    ["leak", "rows\x1b[6666n.csv", "--against", f"../out{ESCAPED}.csv"],
    ["leak", "rows\x1b[6666n.csv", "--against", f"../out{ESCAPED}.csv", "--json"],
    ["diff", "\x1b[6666n.md", "\x1b]0;owned\x07.md"],
    ["diff", "\x1b[6666n.md", "\x1b]0;owned\x07.md", "--json"],
    ["diff", "\x1b[6666n.md", f"no{ESCAPED}"],
    ["apply", f"../plan{ESCAPED}.json", "--dry-run"],
    ["apply", f"../plan{ESCAPED}.json"],
    ["apply", "\x1b[6666n.md"],
    ["undo"],
    ["undo", f"no{ESCAPED}"],
    ["tune", "--pairs", "rows\x1b[6666n.csv"],
    ["tune", "--pairs", f"no{ESCAPED}"],
    ["eval", "--pairs", "rows\x1b[6666n.csv"],
    ["status"],
    ["status", "--sources"],
    ["status", "--sources", "--json"],
    ["similar", "\x1b[6666n.md"],
    ["similar", "\x1b[6666n.md", "--json"],
    ["similar", f"no{ESCAPED}"],
    ["check"],
    ["forget", f"no{ESCAPED}"],
    ["forget", "rows\x1b[6666n.csv", "--verify"],
    ["remove", f"no{ESCAPED}"],
    ["remove", "\x1b[6666n.md"],
    ["status", "--index", f"no{ESCAPED}"],
    [f"no{ESCAPED}"],
    ["query", f"--no{ESCAPED}"],
    ["query", "-k", ESCAPED, "a"],
    ["dedup", "--threshold", ESCAPED],
]

SHOWN = [TALK[0], *(command for command in TALK if command[0] in ("query", "diff", "status", "similar"))]
"""Those that look otherwise on a terminal."""


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    folder = tmp_path / f"folder{ESCAPED}"
    folder.mkdir()
    for name, text in HOSTILE.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="names as other systems have them")
def test_nothing_raw_reaches_a_pipe(hostile: Path) -> None:
    ran = run_all(TALK, hostile)
    assert len(exits(ran.stdout)) == len(TALK), ran.stderr.decode()
    parts = re.split(rb"^\[exit \d+\]\n", ran.stdout, flags=re.MULTILINE)
    for command, part in zip(TALK, parts, strict=False):
        assert not RAW.findall(part.decode()), command
        assert b"\x1b" not in part, command
        if "--json" in command:
            assert json.loads(part) is not None
        if "--jsonl" in command:
            assert all(json.loads(line) for line in part.splitlines())
    assert "\x1b" not in ran.stderr.decode()
    assert not RAW.findall(ran.stderr.decode())
    assert "Traceback" not in ran.stderr.decode()
    sources = json.loads(parts[TALK.index(["status", "--sources", "--json"])])
    paths = {source["path"] for source in sources}
    assert {"\x1b]0;owned\x07.md", "two\rFAKE\nlines.md", "rows\x1b[6666n.csv"} <= paths


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_nothing_raw_reaches_a_terminal(hostile: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    variables = os.environ | {"TERM": "xterm-256color", "PAGER": "cat"}  # another pager waits for a key
    with subprocess.Popen(
        [sys.executable, "-P", "-c", COMMANDS, json.dumps(SHOWN)],
        cwd=hostile, stdin=theirs, stdout=theirs, stderr=theirs, env=variables,
    ) as process:  # fmt: skip
        os.close(theirs)
        output = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux says so where the other side is closed
                break
            if not part:
                break
            output += part
    os.close(ours)
    assert process.returncode == 0
    shown = re.sub(r"\x1b\]8;(id=\d+)?;[!-~]*\x1b\\", "", output.decode())  # links, whose address is ASCII
    assert len(re.findall(r"^\[exit \d+\]", shown, re.MULTILINE)) == len(SHOWN)
    assert "\x1b[" in shown, "it is shown as to a terminal"
    assert [shown[max(0, m.start() - 60) : m.end() + 20] for m in RAW.finditer(shown)] == []
    assert "Traceback" not in shown


# Importing Chroma

WATCHED_IMPORT = """
import os, sys, threading
from pathlib import Path
from semsearch.storage.vectors.chroma import ChromaEngine, preload

folder, environment = os.getcwd(), dict(os.environ)
seen, done, turns = [], threading.Event(), 0

def watch():
    global turns
    while not done.is_set():
        turns += 1
        if os.getcwd() != folder or dict(os.environ) != environment:
            seen.append((os.getcwd(), set(environment) - set(os.environ)))

sys.setswitchinterval(1e-5)
thread = threading.Thread(target=watch)
thread.start()
others = [threading.Thread(target=preload) for _ in range(3)]
for other in others:
    other.start()
for other in others:
    other.join()
engine = ChromaEngine(Path(sys.argv[1]), create=True)
assert engine.count() == 0
engine.close()
done.set()
thread.join()
assert turns > 100, turns
assert not seen, seen[:3]

import chromadb.config
assert chromadb.config.Settings.model_config["env_file"] == ".env", "the program's own use is as it was"
assert "settings_customise_sources" not in vars(chromadb.config.Settings)
print("undisturbed")
"""


def test_importing_chroma_changes_nothing_that_threads_see(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"CHROMA_SERVER_NOFILE=many\nMIGRATIONS=none\n\xff\xfe\n")
    environment = {"CHROMA_SERVER_NOFILE": "many", "MIGRATIONS": "none"}
    ran = subprocess.run(
        [sys.executable, "-P", "-c", WATCHED_IMPORT, str(tmp_path / "chroma")],
        cwd=tmp_path,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, "undisturbed\n"), ran.stderr

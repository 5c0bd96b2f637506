"""The promises of docs/reliability.md: kills, damage, several processes, a full disk, a read-only folder.

The full counts take long: SEMSEARCH_KILLS=300 for the kills, SEMSEARCH_DAMAGE=20 for the places of each file.
"""

import contextlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from soundness import assert_sound
from tiny_embedder import TinyEmbedder, create_index, open_index

from semsearch.embedding import Kind, ProgressCallback, Vectors
from semsearch.errors import FingerprintMismatch, IndexDamaged, SemsearchError
from semsearch.index import FOLDER
from semsearch.ingest import run as ingest
from semsearch.storage.check import salvage_damaged
from semsearch.storage.library import vector_file
from semsearch.storage.vectors import folder_store, sync

KILLS = int(os.environ.get("SEMSEARCH_KILLS", "10"))
PLACES = int(os.environ.get("SEMSEARCH_DAMAGE", "1"))

# Children are forked from a process that has imported everything and opened nothing: a start costs milliseconds.
fresh = multiprocessing.get_context("forkserver")
fresh.set_forkserver_preload(["chromadb", "semsearch.index", "test_reliability"])


def start(work: Callable[..., None], *arguments: Any) -> Any:
    process = fresh.Process(target=work, args=arguments)
    process.start()
    return process


def outcome(work: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of a function in a separate process, or its error. The test fails if the process dies."""
    ours, theirs = fresh.Pipe(duplex=False)
    process = start(_answer, theirs, work, arguments)
    theirs.close()
    with ours:
        try:
            answer = ours.recv()
        except EOFError:
            process.join()
            pytest.fail(f"{work.__name__} ended its process with {process.exitcode}")
    process.join()
    assert process.exitcode == 0
    return answer


def _answer(pipe: Any, work: Callable[..., Any], arguments: Sequence[Any]) -> None:
    try:
        answer = work(*arguments)
    except SemsearchError as error:
        answer = (type(error).__name__, str(error), error.hint)
    pipe.send(answer)


# -- kills --------------------------------------------------------------------------------------------------

PHASES = ("read", "embed", "library", "chroma", "mark")
BY_STATEMENT = (
    ("SELECT passage_id FROM outbox", "chroma"),
    ("DELETE FROM outbox", "mark"),
    ("BEGIN IMMEDIATE", "library"),
    ("INSERT", "library"),
)


class Marking(TinyEmbedder):
    """An embedder that says when it is at work."""

    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()
        self.note = note

    def embed(
        self, texts: Sequence[str], kind: Kind = "passage", progress: ProgressCallback | None = None
    ) -> Vectors:
        self.note("embed")
        vectors = super().embed(texts, kind, progress)
        self.note("read")
        return vectors


def ingest_killed(folder: Path, at: Any, wanted: str, times: int, delay: float) -> None:
    """Ingest, and be killed some time after a phase is reached for the n-th time.

    `at` says what it was doing: reading or embedding, and writing, which another thread does.
    """

    def note(phase: str, writing: bool = False) -> None:
        nonlocal times
        at[writing] = PHASES.index(phase) if phase else -1
        times -= phase == wanted
        if times == 0 and phase == wanted:
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
            time.sleep(0 if delay else 1)

    def statement(text: str) -> None:
        if text == "COMMIT":
            note("", writing=True)
        for beginning, phase in BY_STATEMENT:
            if text.startswith(beginning):
                note(phase, writing=True)

    ingest._BATCH_PASSAGES = 20
    sync._BATCH = 15
    connect = sqlite3.connect

    def traced(database: str, **options: Any) -> sqlite3.Connection:
        connection = connect(database, **options)
        if database != ":memory:":
            connection.set_trace_callback(statement)
        return connection

    sqlite3.connect = traced  # type: ignore[assignment]
    with open_index(folder / FOLDER, Marking(note)) as index:
        note("read")
        index.ingest([folder / "docs"])


def ingest_all(folder: Path) -> None:
    with open_index(folder / FOLDER) as index:
        index.ingest([folder / "docs"])


def found(folder: Path) -> set[tuple[str, str]]:
    """Return every passage that a query finds."""
    with open_index(folder / FOLDER) as index:
        return {
            (hit.source, hit.text) for hit in index.query("word", k=10_000, collapse=False, per_document=None)
        }


def proved(folder: Path) -> dict[str, list[str]]:
    """Return the texts of every source of an index that is sound."""
    with open_index(folder / FOLDER) as index:
        assert_sound(index)
        texts: dict[str, list[str]] = {}
        for hit in index.query("word", k=10_000, collapse=False, per_document=None):
            texts.setdefault(hit.source, []).append(hit.text)
        return {source: sorted(some) for source, some in texts.items()}


def rewrite(docs: Path, draw: random.Random, version: int) -> None:
    """Change some files, remove some, add some; each is a table of rows that name it and its version."""
    for path in sorted(docs.iterdir()):
        if (chance := draw.random()) < 0.2:
            path.unlink()
        elif chance < 0.5:
            write_table(path, version, draw.randrange(1, 40))
    for number in range(draw.randrange(1, 6)):
        write_table(docs / f"new-{version}-{number}.jsonl", version, draw.randrange(1, 40))


def write_table(path: Path, version: int, rows: int) -> None:
    texts = [f"word {path.stem} version {version} row {row} of {rows}" for row in range(rows)]
    path.write_text("\n".join(json.dumps({"text": text}) for text in texts))


def contents(folder: Path) -> dict[str, list[str]]:
    """Return what an index of the folder must hold: by source, the rows of its file."""
    return {
        f"docs/{path.name}": sorted(json.loads(line)["text"] for line in path.read_text().splitlines())
        for path in (folder / "docs").iterdir()
    }


@pytest.mark.long
def test_an_ingest_killed_anywhere_loses_nothing(tmp_path: Path) -> None:
    draw = random.Random(KILLS)
    (tmp_path / "docs").mkdir()
    for number in range(12):
        write_table(tmp_path / "docs" / f"file-{number}.jsonl", 0, 20)
    create_index(tmp_path / FOLDER).close()
    outcome(ingest_all, tmp_path)
    landed = dict.fromkeys(PHASES, 0)
    for kill in range(KILLS):
        before = contents(tmp_path)
        rewrite(tmp_path / "docs", draw, kill + 1)
        after = contents(tmp_path)
        at = fresh.RawArray("b", [PHASES.index("read"), -1])
        delay = draw.choice([0, 1, 10]) * draw.random() / 1_000 if kill >= len(PHASES) else 0
        wanted, times = PHASES[kill % len(PHASES)], draw.randrange(1, 6)
        process = start(ingest_killed, tmp_path, at, wanted, times, delay)
        process.join()
        for phase in at:  # two things go on at once
            landed[PHASES[phase]] += phase >= 0 and process.exitcode == -signal.SIGKILL

        # Every file is found as it was or as it is, whole, or not yet, or not any more.
        left = outcome(found, tmp_path)
        for source in before.keys() | after.keys():
            texts = sorted(text for name, text in left if name == source)
            versions = [some[source] for some in (before, after) if source in some]
            assert texts in versions or (texts == [] and len(versions) == 1)
        assert {source for source, _ in left} <= before.keys() | after.keys()

        outcome(ingest_all, tmp_path)
        assert outcome(proved, tmp_path) == after
    assert all(landed.values()), landed
    assert outcome(checked, tmp_path / FOLDER) == []
    fresh_index = tmp_path / "anew"
    shutil.copytree(tmp_path / "docs", fresh_index / "docs")
    create_index(fresh_index / FOLDER).close()
    outcome(ingest_all, fresh_index)
    assert outcome(stored, fresh_index / FOLDER) == outcome(stored, tmp_path / FOLDER)


def checked(folder: Path) -> list[str]:
    with open_index(folder) as index:
        return [problem for finding in index.check().findings for problem in finding.problems]


def stored(folder: Path) -> set[tuple[str, str, str, bytes]]:
    """Return every passage of an index with its name, text and vector."""
    with open_index(folder) as index:
        hits = index.query("word", k=100_000, collapse=False, per_document=None)
        vectors = index._library.vectors_of([hit.passage_id for hit in hits])
        return {(hit.passage_id, hit.document, hit.text, vectors[hit.passage_id].tobytes()) for hit in hits}


# -- damage -------------------------------------------------------------------------------------------------

TEXTS = [f"row {number} of a table of many words, such as {number * 7919 % 1000}" for number in range(1_200)]
QUERIES = [TEXTS[number] for number in (0, 7, 500, 1_199)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a table and its index, large enough for Chroma to write its graph. Tests copy it."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "docs").mkdir()
    (folder / "docs" / "rows.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in TEXTS))
    create_index(folder / FOLDER).close()
    outcome(ingest_all, folder)
    with open_index(folder / FOLDER) as index:
        index.duplicates(0.999)  # leaves the file of what it compared
    return folder


def answers(folder: Path, by_graph: bool) -> Any:
    vector_file.SCANNED_BYTES = -1 if by_graph else 320_000_000
    with open_index(folder / FOLDER) as index:
        rows = index.query_many(QUERIES, k=3, highlight=False, collapse=False, per_document=None)
        return [[(hit.document, hit.start, hit.text, round(hit.score, 5)) for hit in row] for row in rows]


def add_text(folder: Path) -> str:
    with open_index(folder / FOLDER) as index:
        index.ingest([], standard_input="a text that was not there")
    return "written"


def write_more(folder: Path) -> str:
    add_text(folder)
    with open_index(folder / FOLDER) as index:
        index.remove("<stdin>")
    return "written"


def repaired(folder: Path) -> bool:
    with open_index(folder / FOLDER) as index:
        index.repair()
        assert_sound(index)
        return index.check().sound


def spots(name: Path, size: int, draw: random.Random) -> list[tuple[Path, str, int]]:
    """Return places and kinds of damage to a file: a truncation or a flipped bit; of few places, one or the other."""
    kinds = ("truncate", "flip") if PLACES > 1 else draw.choice([("truncate",), ("flip",)])
    return [(name, kind, draw.randrange(size)) for _ in range(PLACES if size else 0) for kind in kinds]


def damage(path: Path, kind: str, place: int) -> None:
    with path.open("r+b") as file:
        if kind == "truncate":
            file.truncate(place)
        else:
            file.seek(place)
            (byte,) = file.read(1)
            file.seek(place)
            file.write(bytes([byte ^ 1 << place % 8]))


def is_error(answer: Any) -> bool:
    return isinstance(answer, tuple)


@pytest.mark.long
def test_damage_anywhere_is_an_error_or_changes_nothing(whole: Path, tmp_path: Path) -> None:
    """Each file of the index, truncated and with a bit changed: no death of a process, no wrong answer."""
    right = [outcome(answers, whole, by_graph) for by_graph in (False, True)]
    shutil.copytree(whole, tmp_path / "more")
    assert outcome(add_text, tmp_path / "more") == "written"
    halfway = outcome(answers, tmp_path / "more", False)  # how much a word counts depends on all texts
    draw = random.Random(PLACES)
    files = [path for path in (whole / FOLDER).rglob("*") if path.is_file()]
    files = [path for path in files if path.suffix in {".sqlite3", ".bin", ".pickle", ".npz"}]
    names = [path.relative_to(whole) for path in sorted(files, key=lambda path: path.name)]
    cases = [case for name in names for case in spots(name, (whole / name).stat().st_size, draw)]
    assert len({name for name, *_ in cases}) >= 6
    for number, (name, kind, place) in enumerate(cases):
        folder = tmp_path / str(number)
        shutil.copytree(whole, folder)
        damage(folder / name, kind, place)
        case = f"{kind} {name} at {place}"
        for by_graph in (False, True):
            answer = outcome(answers, folder, by_graph)
            # Without its graph an index compares everything: what the graph is allowed to miss is found then.
            assert is_error(answer) or answer in (right[by_graph], right[False]), case
        wrote = outcome(write_more, folder)
        # A comparison does not see all that is wrong with a graph, and writing into a wrong one can end the process.
        graph = name.suffix in {".bin", ".pickle"}
        assert is_error(wrote) or (wrote == "written" and not graph), case
        if "chroma" in name.parts:
            assert outcome(repaired, folder) is True, case
            assert outcome(answers, folder, False) in (right[False], halfway), case
        shutil.rmtree(folder)


@pytest.mark.long
def test_a_graph_of_an_interrupted_writer_is_rebuilt(whole: Path, tmp_path: Path) -> None:
    """The graph differs from its last seal, which is broken: nothing tells which links were written."""
    for name, anew in (("untouched", False), ("halfway", True)):
        folder = tmp_path / name / FOLDER
        shutil.copytree(whole / FOLDER, folder)
        (links,) = (folder / "chroma").glob("*/link_lists.bin")
        change_seal(folder, sealed=False)
        if anew:
            damage(links, "flip", 40)
        assert outcome(write_more, tmp_path / name) == "written"
        assert links.exists() is not anew
        assert outcome(checked, folder) == []


def churned(folder: Path, rounds: int) -> int:
    """Return the size of the graph of 1,200 passages that were all replaced in each round."""
    folder_store._DELETED = 0
    for number in range(rounds):
        write_table(folder / "docs" / "rows.jsonl", number, 1_200)
        ingest_all(folder)
    with open_index(folder / FOLDER) as index:
        assert_sound(index)
    return sum(path.stat().st_size for path in (folder / FOLDER / "chroma").glob("*/*.bin"))


@pytest.mark.long
def test_a_graph_does_not_grow_with_what_is_replaced(whole: Path, tmp_path: Path) -> None:
    sizes = []
    for rounds in (1, 5):
        shutil.copytree(whole, tmp_path / str(rounds))
        sizes.append(outcome(churned, tmp_path / str(rounds), rounds))
    assert sizes[1] < 2 * sizes[0]


def command(*arguments: str | Path, code: int, **options: Any) -> str:
    """Run the command line. Return its standard error, which is not a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "semsearch", *map(str, arguments)], capture_output=True, text=True, **options
    )
    assert done.returncode == code, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stderr


def test_check_names_what_is_wrong_and_ends_with_13(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    (graph,) = (tmp_path / "copy" / FOLDER / "chroma").glob("*/data_level0.bin")
    damage(graph, "truncate", 5_000)
    said = command("check", "--index", tmp_path / "copy" / FOLDER, code=13)
    assert "semsearch repair" in said
    command("repair", "--index", tmp_path / "copy" / FOLDER, code=0)
    command("check", "--index", tmp_path / "copy" / FOLDER, code=0)


@pytest.mark.long
@pytest.mark.parametrize(
    "rot",
    [
        "UPDATE postings SET passages = flipped(passages) WHERE term = 'heron'",
        "UPDATE postings SET term = 'horen' WHERE term = 'heron'",
        "UPDATE segments SET passages = flipped(passages)",
        "DELETE FROM segments",
    ],
)
def test_full_text_search_that_has_rotted_is_rebuilt(tmp_path: Path, rot: str) -> None:
    (tmp_path / "docs").mkdir()
    for name, text in (("a", "a heron, a heron and a teapot"), ("b", "one heron"), ("c", "the teapot")):
        (tmp_path / "docs" / f"{name}.txt").write_text(text)
    with create_index(tmp_path / FOLDER) as index:
        index.ingest([tmp_path / "docs"])
        right = index.query("heron", mode="lexical", collapse=False, per_document=None)
        assert len(right) == 2
    with contextlib.closing(sqlite3.connect(tmp_path / FOLDER / "library.sqlite3")) as library:
        library.create_function("flipped", 1, lambda data: data[:-1] + bytes([data[-1] ^ 1]))
        assert library.execute(rot).rowcount > 0
        library.commit()
    with open_index(tmp_path / FOLDER) as index:
        with contextlib.suppress(IndexDamaged):  # but for words that are not where they are looked for
            assert (
                index.query("heron", mode="lexical", collapse=False, per_document=None) == []
                and "flipped" not in rot
            )
        assert [finding.subject for finding in index.check().findings if finding.problems] == ["words"]
    assert "semsearch repair" in command("check", code=13, cwd=tmp_path)
    assert "was damaged" not in command("repair", code=0, cwd=tmp_path)  # the Library need not be salvaged
    with open_index(tmp_path / FOLDER) as index:
        assert index.query("heron", mode="lexical", collapse=False, per_document=None) == right
        assert index.check().sound
        assert_sound(index)


def test_what_has_rotted_is_not_merged_into_what_is_sound(tmp_path: Path) -> None:
    with create_index(tmp_path / FOLDER) as index:
        index.ingest([], standard_input="a heron")
    with contextlib.closing(sqlite3.connect(tmp_path / FOLDER / "library.sqlite3")) as library:
        library.execute("UPDATE postings SET passages = CAST(x'0000000009' AS BLOB) WHERE term = 'heron'")
        library.commit()
    (tmp_path / "more.txt").write_text("one more")
    with open_index(tmp_path / FOLDER) as index:
        with pytest.raises(IndexDamaged):
            index.ingest([tmp_path / "more.txt"])
        index.repair()
        index.ingest([tmp_path / "more.txt"])
        assert index.check().sound
        assert_sound(index)


# -- several processes --------------------------------------------------------------------------------------


def ingest_rows(folder: Path, name: str) -> None:
    ingest._BATCH_PASSAGES = 50
    with open_index(folder / FOLDER, wait=120) as index:
        index.ingest([folder / name])


def ask(folder: Path, by_graph: bool) -> int:
    vector_file.SCANNED_BYTES = -1 if by_graph else 320_000_000
    with open_index(folder / FOLDER) as index:
        for _ in range(5):
            counts = [
                len({hit.text for hit in index.query("word", k=1_000, collapse=False, per_document=None)})
                for _ in range(2)
            ]
            assert counts == sorted(counts)
    return counts[-1]


def test_two_ingests_and_twenty_queries_at_once(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for number in range(10):
            write_table(tmp_path / name / f"{name}-{number}.jsonl", 0, 20)
    create_index(tmp_path / FOLDER).close()
    writers = [start(ingest_rows, tmp_path, name) for name in ("one", "two")]
    readers = [start(ask, tmp_path, number % 2 == 1) for number in range(20)]
    for process in [*writers, *readers]:
        process.join()
        assert process.exitcode == 0
    assert outcome(ask, tmp_path, False) == outcome(ask, tmp_path, True) == 400
    assert outcome(checked, tmp_path / FOLDER) == []


# -- disks --------------------------------------------------------------------------------------------------


def ingest_within(folder: Path, limit: int) -> str:
    """Ingest with a limit on the size of files, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    with open_index(folder / FOLDER) as index:
        index.ingest([folder / "docs"])
    return "done"


@pytest.mark.long
@pytest.mark.parametrize("share", [0.3, 0.9, 1.02])
def test_a_full_disk_is_an_error_and_the_old_state_stays(whole: Path, tmp_path: Path, share: float) -> None:
    """The limit lies below what the Library has, or Chroma's database, or both have already."""
    shutil.copytree(whole, tmp_path / "copy")
    folder = tmp_path / "copy"
    before = outcome(answers, folder, False)
    write_table(folder / "docs" / "more.jsonl", 1, 3_000)
    library = (folder / FOLDER / "library.sqlite3").stat().st_size
    kind, message, hint = outcome(ingest_within, folder, int(library * share))
    assert kind == "SemsearchError", (kind, message)
    assert "disk" in hint, hint
    after = outcome(answers, folder, False)
    assert after == before or len(after) == len(before)
    outcome(ingest_all, folder)
    assert outcome(checked, folder / FOLDER) == []
    assert len(outcome(found, folder)) == len(TEXTS) + 3_000


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make a folder read-only, for the superuser too, which takes a mount."""
    if os.geteuid():
        paths = [folder, *folder.rglob("*")]
        modes = [path.stat().st_mode for path in paths]
        for path, mode in zip(paths, modes, strict=True):
            path.chmod(mode & ~0o222)
        yield
        for path, mode in zip(paths, modes, strict=True):
            path.chmod(mode)
        return
    mount = ["mount", "--bind", str(folder), str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("the superuser can write anywhere, and nothing can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_folder_that_cannot_be_written_can_be_searched(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    folder = tmp_path / "copy"
    right = outcome(answers, folder, False)
    with read_only(folder / FOLDER):
        assert outcome(answers, folder, False) == right
        assert outcome(answers, folder, True) == right
        kind, message, hint = outcome(write_more, folder)
        assert kind == "SemsearchError" and FOLDER in message and hint
    assert outcome(write_more, folder) == "written"


# -- versions -----------------------------------------------------------------------------------------------


def change_seal(folder: Path, **changes: Any) -> None:
    with open_index(folder) as index:
        index._library.save_setting("chroma", index._library.setting("chroma") | changes)


def test_the_files_of_a_newer_chroma_are_left_alone(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    folder = tmp_path / "copy" / FOLDER
    change_seal(folder, chromadb="99.1.0")
    with open_index(folder) as index:
        with pytest.raises(FingerprintMismatch, match=r"99\.1\.0") as caught:
            index.ingest([], standard_input="something new")
        assert "pip install" in caught.value.hint
        assert index.query("row 7", k=1)
        index.repair()
        assert index.check().sound


# -- repair of the Library, and forgetting ------------------------------------------------------------------


def salvaged(folder: Path) -> tuple[str, ...] | None:
    saved = salvage_damaged(folder / FOLDER, wait=0)
    return saved and saved.lost


@pytest.mark.long
def test_what_can_be_read_of_a_damaged_library_is_saved(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for number in range(60):
        write_table(tmp_path / "docs" / f"file-{number}.jsonl", 0, 40)
    create_index(tmp_path / FOLDER).close()
    outcome(ingest_all, tmp_path)
    assert salvaged(tmp_path) is None
    library = tmp_path / FOLDER / "library.sqlite3"
    size = library.stat().st_size
    with library.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096 * 3)
    assert "semsearch repair" in command("check", code=13, cwd=tmp_path)
    lost = salvaged(tmp_path)
    assert lost is not None
    everything = contents(tmp_path)
    with open_index(tmp_path / FOLDER) as index:
        index.repair()
        assert index.check().sound
        left: dict[str, list[str]] = {}
        for hit in index.query("word", k=10_000, collapse=False, per_document=None):
            left[hit.source] = sorted([*left.get(hit.source, []), hit.text])
    assert len(left) > 0
    assert left.keys().isdisjoint(lost)
    assert all(texts == everything[source] for source, texts in left.items())
    assert list((tmp_path / FOLDER).glob("library.sqlite3.damaged-*"))
    outcome(ingest_all, tmp_path)
    assert outcome(proved, tmp_path) == everything


def test_forgetting_leaves_no_trace(tmp_path: Path) -> None:
    secret = "the passphrase of the vault is heron teapot nineteen, and nobody else may know of that"
    (tmp_path / "docs").mkdir()
    write_table(tmp_path / "docs" / "kept.jsonl", 0, 200)
    (tmp_path / "docs" / "secret.txt").write_text(secret)
    with create_index(tmp_path / FOLDER) as index:
        index.ingest([tmp_path / "docs"])
        index.duplicates(0.5)
        vector = TinyEmbedder().embed([secret])[0].astype("<f4").tobytes()

        def holders() -> set[str]:
            """Found by another way than the command's own."""
            files = [path for path in (tmp_path / FOLDER).rglob("*") if path.is_file()]
            needles = (secret.encode(), vector, vector[:16])
            return {path.name for path in files if any(needle in path.read_bytes() for needle in needles)}

        assert holders() & {"library.sqlite3", "library.sqlite3-wal"} and "chroma.sqlite3" in holders()
        found = index.forget("docs/secret.txt", verify=True)
        assert (found.sources, found.passages, found.left) == (1, 1, ())
        assert found.pieces > 4 and found.files > 5
        assert holders() == set()
        assert index.check().sound
        assert_sound(index)


def test_forgetting_says_why_nothing_is_searched_for(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name in ("one.txt", "two.txt"):
        (tmp_path / "docs" / name).write_text("The same text in two files.")
    with create_index(tmp_path / FOLDER) as index:
        index.ingest([tmp_path / "docs"])
    said = command("forget", "docs/one.txt", "--verify", code=0, cwd=tmp_path)
    assert "forgot 1 source, 1 passage" in said
    assert "other sources have the same text and keep it, so no file had to be searched" in said


def test_a_trace_that_is_left_is_named(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "secret.txt").write_text(
        "a secret that somebody has copied to where it does not belong"
    )
    with create_index(tmp_path / FOLDER) as index:
        index.ingest([tmp_path / "docs"])
    shutil.copy(tmp_path / "docs" / "secret.txt", tmp_path / FOLDER / "copy.txt")
    assert "copy.txt" in command("forget", "docs/secret.txt", "--verify", code=1, cwd=tmp_path)

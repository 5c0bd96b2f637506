"""Ingest: what is added, updated, left alone and removed, and that no accident leaves half of anything."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from soundness import assert_sound
from tiny_embedder import TinyEmbedder, create_index, open_index

from semsearch.embedding import Kind, ProgressCallback, Vectors
from semsearch.errors import InvalidInput, ModelError, SemsearchError
from semsearch.index import Index
from semsearch.ingest.report import IngestProgress, IngestReport
from semsearch.ingest.sources import STANDARD_INPUT
from semsearch.readers import RowFields
from semsearch.storage.library import DocumentRecord, Library, PassageRecord
from semsearch.text import text_digest
from semsearch.types import Hit

HOUR = 3_600


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """Return a folder of three files that changed an hour ago."""
    folder = tmp_path / "docs"
    folder.mkdir()
    write(folder / "apple.txt", "apples are red and round")
    write(folder / "pear.md", "# Pears\n\npears are green\n\n# More\n\npears are sweet")
    write(folder / "deep" / "fig.txt", "figs grow on trees")
    return folder


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """Yield an empty index next to `docs`, and check it after the test."""
    with create_index(tmp_path / ".semsearch") as index:
        yield index
        assert_sound(index)


def write(path: Path, text: str | bytes, age: float = HOUR) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    changed = time.time() - age
    os.utime(path, (changed, changed))


def counts(report: IngestReport) -> tuple[int, int, int, int]:
    return report.added, report.updated, report.unchanged, report.removed


def ids(index: Index) -> set[str]:
    return {hit.passage_id for hit in everything(index)}


def texts(index: Index) -> list[str]:
    return sorted(hit.text for hit in everything(index))


def everything(index: Index) -> list[Hit]:
    return index.query_many(["anything"], k=100_000, highlight=False, collapse=False, per_document=None)[0]


# -- the four counts ----------------------------------------------------------------------------------------


def test_a_folder_is_added_then_unchanged(index: Index, docs: Path) -> None:
    first = index.ingest([docs])
    assert counts(first) == (3, 0, 0, 0)
    assert (first.documents, first.passages, first.embedded) == (3, 3, 3)
    assert not first.skipped
    assert index.sources() == ["docs/apple.txt", "docs/deep/fig.txt", "docs/pear.md"]
    before = ids(index)
    again = index.ingest([docs])
    assert counts(again) == (0, 0, 3, 0)
    assert (again.documents, again.passages, again.embedded) == (0, 0, 0)
    assert ids(index) == before


def test_two_indexes_of_one_folder_have_the_same_ids(index: Index, docs: Path, tmp_path: Path) -> None:
    index.ingest([docs])
    other = tmp_path / "elsewhere"
    shutil.copytree(docs, other / "docs")
    with create_index(other / ".semsearch") as copy:
        copy.ingest([other / "docs"])
        assert ids(copy) == ids(index)
        assert_sound(copy)


def test_a_changed_file_is_replaced(index: Index, docs: Path) -> None:
    index.ingest([docs])
    write(docs / "apple.txt", "apples are yellow now", age=HOUR / 2)
    report = index.ingest([docs])
    assert counts(report) == (0, 1, 2, 0)
    assert report.embedded == 1
    assert "apples are yellow now" in texts(index)
    assert not any("red and round" in text for text in texts(index))


def test_a_vanished_file_is_removed(index: Index, docs: Path) -> None:
    index.ingest([docs])
    (docs / "apple.txt").unlink()
    shutil.rmtree(docs / "deep")
    assert counts(index.ingest([docs])) == (0, 0, 1, 2)
    assert index.sources() == ["docs/pear.md"]
    assert len(texts(index)) == 1


def test_a_named_file_stays_when_its_folder_skips_it(index: Index, docs: Path) -> None:
    write(docs / ".hidden.md", "a file that was named")
    index.ingest([docs / ".hidden.md"])
    assert index.ingest([docs]).removed == 0
    (docs / ".hidden.md").unlink()
    assert index.ingest([docs]).removed == 1


def test_all_four_at_once(index: Index, docs: Path) -> None:
    index.ingest([docs])
    (docs / "apple.txt").unlink()
    write(docs / "pear.md", "pears are gone", age=HOUR / 2)
    write(docs / "new.txt", "something new")
    assert counts(index.ingest([docs])) == (1, 1, 1, 1)


@pytest.mark.parametrize("another", [False, True])
def test_a_touched_file_is_unchanged(index: Index, docs: Path, another: bool) -> None:
    index.ingest([docs])
    before = ids(index)
    write(docs / "apple.txt", (docs / "apple.txt").read_bytes(), age=HOUR / 2)
    if another:
        write(docs / "new.txt", "new words")
    report = index.ingest([docs])
    assert counts(report) == (int(another), 0, 3, 0)
    assert report.embedded == int(another)
    assert before <= ids(index)
    with closing(Library(index.folder / "library.sqlite3")) as library:  # not to be read again next time
        noted = library.states()["docs/apple.txt"].mtime_ns
    assert noted == (docs / "apple.txt").stat().st_mtime_ns


def test_a_renamed_file_is_not_embedded_again(index: Index, docs: Path) -> None:
    index.ingest([docs])
    (docs / "apple.txt").rename(docs / "malus.txt")
    report = index.ingest([docs])
    assert counts(report) == (1, 0, 2, 1)
    assert report.embedded == 0
    assert "docs/malus.txt" in index.sources()


def test_copies_are_embedded_once(index: Index, docs: Path) -> None:
    for number in range(5):
        shutil.copy(docs / "apple.txt", docs / f"copy {number}.txt")
    assert index.ingest([docs]).embedded == 3
    assert len(texts(index)) == 8


def test_only_new_passages_are_embedded(index: Index, docs: Path) -> None:
    lines = [f"paragraph {number} " + "word " * 50 for number in range(20)]
    write(docs / "long.txt", "\n\n".join(lines))
    assert index.ingest([docs / "long.txt"]).embedded == 20
    write(docs / "long.txt", "\n\n".join(["an insertion " + "x " * 50, *lines]), age=HOUR / 2)
    report = index.ingest([docs / "long.txt"])
    assert (report.updated, report.embedded, report.passages) == (1, 1, 21)
    hit = index.query(lines[19], k=1)[0]
    assert (hit.text, hit.start) == (lines[19], 41)


def test_a_change_within_the_clocks_tick_is_seen(index: Index, docs: Path) -> None:
    """Same size, same time: a file that was changed just before it was read is looked at again."""
    path = docs / "apple.txt"
    write(path, "aaaa", age=0)
    index.ingest([path])
    noted = path.stat().st_mtime_ns
    path.write_text("bbbb")
    os.utime(path, ns=(noted, noted))
    assert counts(index.ingest([path])) == (0, 1, 0, 0)
    assert texts(index) == ["bbbb"]


def test_other_options_read_the_files_again(index: Index, docs: Path) -> None:
    write(docs / "rows.csv", "title,text\nA title,a text\n")
    index.ingest([docs])
    assert counts(index.ingest([docs], fields=RowFields(text=("title",)))) == (0, 1, 3, 0)
    assert "A title" in texts(index)
    assert "a text" not in texts(index)


# -- which files --------------------------------------------------------------------------------------------


def test_a_root_that_is_not_there_removes_nothing(index: Index, docs: Path) -> None:
    index.ingest([docs])
    before = ids(index)
    shutil.rmtree(docs / "deep")
    for missing in (docs / "deep", docs / "deep" / "fig.txt", docs / "apple.txt" / "x"):
        with pytest.raises(InvalidInput, match="does not exist"):
            index.ingest([docs, missing])
    assert ids(index) == before


def test_sources_outside_the_roots_are_left_alone(index: Index, docs: Path, tmp_path: Path) -> None:
    write(tmp_path / "docs2" / "x.txt", "a folder whose name begins as the root's does")
    index.ingest([docs, tmp_path / "docs2"])
    shutil.rmtree(tmp_path / "docs2")
    (docs / "apple.txt").unlink()
    assert counts(index.ingest([docs / "deep"])) == (0, 0, 1, 0)
    assert counts(index.ingest([docs / "pear.md"])) == (0, 0, 1, 0)
    assert len(index.sources()) == 4
    assert counts(index.ingest([docs])) == (0, 0, 2, 1)
    assert "docs2/x.txt" in index.sources()


@pytest.fixture
def outside() -> Iterator[Path]:
    """Return a folder that is not below the folder of the index."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "far.txt", "far away")
        yield Path(folder)


def test_the_folder_of_the_index_as_a_root_leaves_the_rest_alone(
    index: Index, docs: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.ingest([outside], standard_input="from a pipe")
    monkeypatch.chdir(docs.parent)
    report = index.ingest(["."])
    assert counts(report) == (3, 0, 0, 0)
    assert {str(outside / "far.txt"), STANDARD_INPUT} <= {*index.sources()}


def test_root_above_the_index_removes_deleted_files(docs: Path, tmp_path: Path) -> None:
    with create_index(docs / ".semsearch") as index:
        index.ingest([tmp_path])
        (docs / "apple.txt").unlink()
        assert counts(index.ingest([tmp_path])) == (0, 0, 2, 1)
        assert_sound(index)


def test_overlapping_roots_name_a_source_once(
    index: Index, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(docs)
    report = index.ingest(["apple.txt", "..", "../docs", docs, "deep/../deep"])
    assert counts(report) == (3, 0, 0, 0)
    assert index.sources() == ["docs/apple.txt", "docs/deep/fig.txt", "docs/pear.md"]


@contextmanager
def ordinary_user(folder: Path) -> Iterator[None]:
    """Not root, whom no permission keeps out."""
    if os.geteuid():
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65534, -1)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def reachable() -> Iterator[Path]:
    """Yield a temporary folder that an ordinary user can read, unlike those of pytest run by root."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_what_cannot_be_read_is_not_removed(reachable: Path) -> None:
    write(reachable / "docs" / "shut" / "secret.txt", "behind a closed door")
    write(reachable / "docs" / "locked.txt", "a locked file")
    write(reachable / "docs" / "open.txt", "an open file")
    with create_index(reachable / ".semsearch") as index:
        index.ingest([reachable / "docs"])
        before = ids(index)
    with ordinary_user(reachable), open_index(reachable / ".semsearch") as index:
        (reachable / "docs" / "shut").chmod(0)
        (reachable / "docs" / "locked.txt").chmod(0)
        try:
            for roots in (["docs"], ["docs/shut"], ["docs/locked.txt"]):
                report = index.ingest([reachable / root for root in roots])
                assert report.removed == 0
                assert report.failed
            assert ids(index) == before
            (reachable / "docs").chmod(0)
            report = index.ingest([reachable / "docs"])
            assert (report.removed, len(report.failed)) == (0, 1)
        finally:
            for name in ("docs", "docs/shut", "docs/locked.txt"):
                (reachable / name).chmod(0o755)
        assert index.ingest([reachable / "docs"]).unchanged == 3
        assert ids(index) == before
        assert_sound(index)


STRANGE = [
    "with space.txt",
    "two\nlines.txt",
    "red \x1b[31m.txt",
    "bell\x07.txt",
    "#1.txt",
    "a*b[c].txt",
    "中文.txt",
    "\u202efdp.txt",
]


def test_strange_names(index: Index, tmp_path: Path) -> None:
    for name in STRANGE:
        write(tmp_path / "odd" / name, f"the text of {name}")
    assert counts(index.ingest([tmp_path / "odd"])) == (len(STRANGE), 0, 0, 0)
    assert index.sources() == sorted(f"odd/{name}" for name in STRANGE)
    assert counts(index.ingest([tmp_path / "odd"])) == (0, 0, len(STRANGE), 0)
    for name in STRANGE:
        assert index.path_of(f"odd/{name}").is_file()
        assert index.remove(f"odd/{name}") == 1
    assert index.sources() == []


def test_a_name_that_is_not_utf8_is_a_failure_that_is_named(index: Index, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    write(folder / "good.txt", "good")
    (folder / os.fsdecode(b"bad\xff.txt")).write_text("bad")
    for _ in range(2):
        report = index.ingest([folder])
        (failed,) = report.failed
        assert r"bad\xff.txt" in failed.path
        failed.path.encode()
    assert index.sources() == ["odd/good.txt"]


def test_an_index_inside_its_own_root_does_not_index_itself(docs: Path) -> None:
    with create_index(docs / "my index") as index:
        assert counts(index.ingest([docs])) == (3, 0, 0, 0)
        assert counts(index.ingest([docs])) == (0, 0, 3, 0)
        assert_sound(index)


# -- what cannot be read ------------------------------------------------------------------------------------


def test_failed_rows_are_told_of_every_time_and_the_others_kept(index: Index, docs: Path) -> None:
    rows = ['{"text": "good one"}', "{broken", '{"text": "good two"}']
    write(docs / "rows.jsonl", "\n".join(rows))
    for expected in ((1, 0, 0, 0), (0, 0, 1, 0)):
        report = index.ingest([docs / "rows.jsonl"])
        assert counts(report) == expected
        (failed,) = report.failed
        assert failed.path == "docs/rows.jsonl:2"
    assert texts(index) == ["good one", "good two"]
    rows[1] = '{"text": "mended"}'
    write(docs / "rows.jsonl", "\n".join(rows), age=HOUR / 2)
    report = index.ingest([docs / "rows.jsonl"])
    assert counts(report) == (0, 1, 0, 0)
    assert not report.failed
    assert report.embedded == 1


def test_a_file_that_breaks_keeps_what_was_known_of_it(index: Index, docs: Path) -> None:
    write(docs / "rows.jsonl", '{"text": "once good"}')
    index.ingest([docs])
    write(docs / "rows.jsonl", "{broken", age=HOUR / 2)
    for _ in range(2):
        report = index.ingest([docs])
        assert [skipped.path for skipped in report.failed] == ["docs/rows.jsonl:1"]
        assert counts(report) == (0, 0, 3, 0)
    assert "once good" in texts(index)


def test_a_column_that_is_not_there(index: Index, docs: Path) -> None:
    write(docs / "rows.csv", "text\nhello\n")
    with pytest.raises(InvalidInput, match="no column 'body'") as caught:
        index.ingest([docs / "rows.csv"], fields=RowFields(text=("body",)))
    assert "text" in caught.value.hint
    assert index.sources() == []


def test_a_blank_file_is_skipped_once_and_is_no_source(index: Index, docs: Path) -> None:
    write(docs / "blank.txt", " \n \n")
    for _ in range(2):
        report = index.ingest([docs / "blank.txt"])
        assert [skipped.path for skipped in report.skipped] == ["docs/blank.txt"]
        assert not report.failed
        assert report.added == 0
    assert index.sources() == []


def test_text_the_model_does_not_know_is_told(index: Index, docs: Path) -> None:
    write(docs / "apple.txt", "?a ?b and two more words here ?c of ten")  # 3 of 10 in the tiny model's eyes
    write(docs / "pear.md", "?a " + "known " * 30)  # 1 of 31: below five per cent
    report = index.ingest([docs])
    assert report.oov_rates == (("docs/apple.txt", 0.3),)


def test_text_the_real_model_does_not_know_is_told(sample_corpus: Path, tmp_path: Path) -> None:
    for name in ("zh", "faq"):
        shutil.copytree(sample_corpus / name, tmp_path / name)
    with Index.create(tmp_path / ".semsearch") as index:
        report = index.ingest([tmp_path / "zh", tmp_path / "faq"])
        shares = dict(report.oov_rates)
        assert shares.keys() == {f"zh/{path.name}" for path in (tmp_path / "zh").iterdir()}
        assert all(0.1 < share < 0.9 for share in shares.values())
        assert_sound(index)


# -- rows, standard input, dry runs, progress ---------------------------------------------------------------


def write_rows(path: Path, rows: Sequence[str]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["text"], *([row] for row in rows)])
    os.utime(path, (HOUR, HOUR + len(rows)))


@pytest.mark.long
def test_a_large_file_of_rows_streams_and_is_published_whole(index: Index, docs: Path) -> None:
    seen: list[tuple[int, int]] = []

    def watch(progress: IngestProgress) -> None:
        with open_index_quietly(index) as sources:
            seen.append((progress.passages, sources))

    # Every text comes twice, the second time while the vector of the first is on its way to the disk.
    write_rows(docs / "rows.csv", [f"row {number % 5_000}" for number in range(10_000)])
    report = index.ingest([docs / "rows.csv"], progress=watch)
    assert (report.added, report.documents, report.passages, report.embedded) == (1, 10_000, 10_000, 5_000)
    assert len({passages for passages, _ in seen}) >= 3  # several chunks
    assert index.status().counts["documents"] == 10_000
    hits = index.query("row 4876", k=2, collapse=False, per_document=None)
    assert {(hit.document, hit.text, hit.start, hit.unit) for hit in hits} == {
        ("docs/rows.csv#4877", "row 4876", 4877, "row"),
        ("docs/rows.csv#9877", "row 4876", 9877, "row"),
    }


@contextmanager
def open_index_quietly(index: Index) -> Iterator[int]:
    """Yield the number of documents that another reader sees now."""
    with open_index(index.folder) as reader:
        documents = reader.status().counts["documents"]
        assert documents in (0, 10_000)
        yield documents


def test_rows_that_change_are_exchanged(index: Index, docs: Path) -> None:
    write_rows(docs / "rows.csv", ["one", "two", "three"])
    index.ingest([docs / "rows.csv"])
    write_rows(docs / "rows.csv", ["one", "2", "three", "four"])
    report = index.ingest([docs / "rows.csv"])
    assert (report.updated, report.embedded) == (1, 2)
    assert texts(index) == ["2", "four", "one", "three"]


def test_metadata_that_changes_is_an_update(index: Index, docs: Path) -> None:
    write(docs / "rows.jsonl", json.dumps({"text": "same", "stars": 1}))
    index.ingest([docs / "rows.jsonl"])
    write(docs / "rows.jsonl", json.dumps({"text": "same", "stars": 2}), age=HOUR / 2)
    report = index.ingest([docs / "rows.jsonl"])
    assert (report.updated, report.embedded) == (1, 0)
    assert index.query("same")[0].metadata == {"stars": 2}


def test_standard_input(index: Index, docs: Path) -> None:
    assert counts(index.ingest([], standard_input="first words")) == (1, 0, 0, 0)
    assert counts(index.ingest([], standard_input="first words")) == (0, 0, 1, 0)
    assert counts(index.ingest([docs], standard_input="other words")) == (3, 1, 0, 0)
    assert index.query("other words", k=1)[0].source == STANDARD_INPUT
    assert counts(index.ingest([docs])) == (0, 0, 3, 0)
    assert "other words" in texts(index)


def test_nothing_to_ingest(index: Index) -> None:
    assert counts(index.ingest([])) == (0, 0, 0, 0)


def test_a_dry_run_tells_and_writes_nothing(index: Index, docs: Path) -> None:
    index.ingest([docs])
    (docs / "apple.txt").unlink()
    write(docs / "pear.md", "pears are gone", age=HOUR / 2)
    write(docs / "new.txt", "something new")

    def contents() -> dict[Path, bytes]:
        files = (path for path in index.folder.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in files if not path.name.endswith("-shm")}  # SQLite's locks

    before = contents()
    report = index.ingest([docs], dry_run=True)
    assert report.dry_run
    assert counts(report) == (1, 1, 1, 1)
    assert contents() == before
    assert counts(index.ingest([docs])) == (1, 1, 1, 1)


def test_lines_are_those_of_the_file(index: Index, docs: Path) -> None:
    first, second = "one " * 60, "two " * 60
    write(docs / "windows.txt", f"\ufeff{first}\r\n\r\n\r\n{second}\r\nlast\r\n".encode())
    index.ingest([docs / "windows.txt"])
    places = {hit.text.split()[0]: (hit.unit, hit.start, hit.end) for hit in everything(index)}
    assert places == {"one": ("line", 1, 1), "two": ("line", 4, 5)}


def test_progress_grows_to_the_total(index: Index, docs: Path) -> None:
    write_rows(docs / "rows.csv", [f"row {number}" for number in range(4_500)])
    told: list[IngestProgress] = []
    index.ingest([docs], progress=told.append)
    total = sum(path.stat().st_size for path in docs.rglob("*") if path.is_file())
    assert {progress.total for progress in told} == {total}
    done = [progress.done for progress in told]
    assert done == sorted(done)
    assert done[-1] == total
    passages = [progress.passages for progress in told]
    assert passages == sorted(passages)
    assert passages[-1] == 4_503


# -- accidents ----------------------------------------------------------------------------------------------


class Failing(TinyEmbedder):
    """Works for some calls, then does what it is told."""

    def __init__(self, calls: int, then: Callable[[], None]) -> None:
        super().__init__()
        self._left, self._then = calls, then

    def embed(
        self, texts: Sequence[str], kind: Kind = "passage", progress: ProgressCallback | None = None
    ) -> Vectors:
        self._left -= 1
        if self._left < 0:
            self._then()
        return super().embed(texts, kind, progress)


def fail() -> None:
    raise ModelError("out of memory")


def test_an_error_in_the_middle_is_made_good_by_the_next_run(index: Index, docs: Path) -> None:
    write_rows(docs / "rows.csv", [f"row {number}" for number in range(4_500)])
    with open_index(index.folder, Failing(1, fail)) as failing, pytest.raises(ModelError, match="memory"):
        failing.ingest([docs / "rows.csv"])
    assert index.sources() == []
    report = index.ingest([docs])
    assert counts(report) == (4, 0, 0, 0)
    assert report.embedded < 4_503


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_a_vector_that_is_no_direction_is_refused(docs: Path, tmp_path: Path, value: float) -> None:
    class Spoilt(TinyEmbedder):
        def embed(
            self, texts: Sequence[str], kind: Kind = "passage", progress: ProgressCallback | None = None
        ) -> Vectors:
            vectors = super().embed(texts, kind, progress)
            if len(vectors):
                vectors[-1] = value
            return vectors

    with create_index(tmp_path / ".semsearch", Spoilt()) as index, pytest.raises(SemsearchError):
        index.ingest([docs])
    with open_index(tmp_path / ".semsearch") as index:
        assert counts(index.ingest([docs])) == (3, 0, 0, 0)
        assert_sound(index)


KILLED = """
import os, signal, sys, time
from pathlib import Path
from semsearch.storage.library import DocumentRecord, Library, PassageRecord
from tiny_embedder import TinyEmbedder, open_index

folder, calls, stored = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

class Dying(TinyEmbedder):
    calls = 0

    def embed(self, texts, kind="passage", progress=None):
        self.calls += 1
        if self.calls >= calls and self.texts >= stored:
            library = Library(folder / ".semsearch" / "library.sqlite3")
            while library.counts()["vectors"] < stored:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().embed(texts, kind, progress)

index = open_index(folder / ".semsearch", Dying())
index.ingest([folder / "docs"])
"""


def run_until_killed(folder: Path, calls: int, stored: int) -> None:
    """Ingest in a process that dies in that call of the embedder or a later one, once so many vectors are stored."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(Path(__file__).parent)])
    }
    command = [sys.executable, "-c", KILLED, str(folder), str(calls), str(stored)]
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.long
@pytest.mark.parametrize(("calls", "rows", "stored"), [(1, 500, 0), (2, 4_500, 0), (3, 8_500, 4_096)])
def test_killed_ingest_leaves_no_half_source_and_can_be_repeated(
    docs: Path, tmp_path: Path, calls: int, rows: int, stored: int
) -> None:
    with create_index(tmp_path / ".semsearch") as index:
        write_rows(docs / "rows.csv", ["the old row"])
        write(docs / "vanishing.txt", "this file goes away")
        index.ingest([docs])
        old = {*texts(index)}
    (docs / "vanishing.txt").unlink()
    write_rows(docs / "rows.csv", [f"row {number}" for number in range(rows)])
    for number in range(100):
        write(docs / "many" / f"{number}.txt", f"file {number} " + "filler " * number)
    run_until_killed(tmp_path, calls, stored)

    with create_index(tmp_path / "unharmed") as unharmed:
        whole = unharmed.ingest([docs])
        expected = ids(unharmed)
    with open_index(tmp_path / ".semsearch") as index:
        seen = {hit.document for hit in everything(index) if hit.source == "docs/rows.csv"}
        assert len(seen) in (1, rows)
        assert len(seen) == rows or old <= {*texts(index)}
        kept = index.status().counts["vectors"]
        assert kept >= stored
        report = index.ingest([docs])
        # "the old row" and the vanished file are of no use.
        assert report.embedded <= whole.embedded - kept + 2
        assert ids(index) == expected
        assert counts(index.ingest([docs])) == (0, 0, 104, 0)
        assert_sound(index)


def test_next_write_sends_chroma_what_it_missed(docs: Path, tmp_path: Path) -> None:
    """A run cut off between the Library's transaction and Chroma's, as the Library alone would leave it."""
    folder = tmp_path / ".semsearch"
    with create_index(folder) as index:
        index.ingest([docs])
    with closing(Library(folder / "library.sqlite3")) as library:
        library.remove(["docs/apple.txt"])
        (key, state), *_ = library.states().items()
        text = "words of another file"
        digest, vector = text_digest(text), TinyEmbedder().embed([text])[0]
        passage = PassageRecord("0" * 24, text, digest, "line", 3, 4)
        version = library.begin_source("docs/other.txt", state)
        library.add([(version, DocumentRecord("docs/other.txt", digest, {}, [passage]))], {digest: vector})
        library.publish([(version, "digest")])
        assert library.outbox(10)
    with open_index(folder) as index:
        assert index.status().pending
        assert key in index.sources()
        best, *others = index.query(text)
        assert (best.source, best.start, best.end, best.cosine) == ("docs/other.txt", 3, 4, pytest.approx(1))
        assert "docs/apple.txt" not in {hit.source for hit in others}
        index.remove("docs/other.txt")
        assert not index.status().pending
        assert_sound(index)


def test_vectors_survive_a_round_trip(index: Index, docs: Path) -> None:
    """A stored text as query finds its own vector, with a cosine of one."""
    index.ingest([docs])
    for hit in everything(index):
        (best, *_) = index.query(hit.text, k=1)
        assert best.text == hit.text
        assert best.cosine == pytest.approx(1, abs=1e-5)
    assert np.isfinite([hit.score for hit in everything(index)]).all()
